//! Tracking calls whose key stands in the body: how much of it is taken before it is known whom it is from.

use std::{
    collections::BTreeMap,
    io::Read,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_stream::{StreamExt, iter};

use crate::http::{access, app::App, body, problem::Problem, rates::network};

/// Bodies at once that are long or packed and did not show a key where they begin.
const PLACES: usize = 64;
/// How many of them one other machine may have.
const PLACES_PER_ADDRESS: usize = 8;
/// How large such a body may be, and any whose key stands in it alone. SDKs that put their key there send by far smaller
/// ones.
const BYTES_MAX: usize = 4 << 20;
/// How long it may take.
const WAIT: Duration = Duration::from_secs(10);
/// So much of a body is looked through for a key before it takes a place. Units: bytes.
const BEGUN_BYTES: usize = 16 << 10;

/// Room for such bodies.
pub struct Strangers {
    room: Arc<Semaphore>,
    held: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Default for Strangers {
    fn default() -> Strangers {
        Strangers { room: Arc::new(Semaphore::new(PLACES)), held: Arc::default() }
    }
}

/// The room of one body, to be held until it is known whom it is from: what it is parsed into is larger by far.
pub struct Place {
    from: Option<IpAddr>,
    held: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(from) = self.from else { return };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                held.remove(&from);
            }
        }
    }
}

impl Strangers {
    /// Reads a body whose key, if it has one, stands in it. It is unpacked.
    ///
    /// Errors: 408 for one that comes too slowly, 413, 503 when too many come already, and as those of
    /// [`body::bytes()`].
    pub async fn read(&self, app: &App, headers: &HeaderMap, body: Body) -> Result<(Vec<u8>, Option<Place>), Problem> {
        match timeout(WAIT, self.whole(app, headers, body)).await {
            Ok(bytes) => bytes,
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body came too slowly")),
        }
    }

    async fn whole(&self, app: &App, headers: &HeaderMap, body: Body) -> Result<(Vec<u8>, Option<Place>), Problem> {
        let is_plain = headers.get(header::CONTENT_ENCODING).is_none();
        let mut stream = body.into_data_stream();
        let (begun, is_all) = begin(&mut stream).await?;
        let rest = Body::from_stream(iter(begun.clone().into_iter().map(Ok)).chain(stream));
        // A short packed body may be a long one.
        let is_short = is_all && is_plain;
        let is_known = !is_short && shown(headers, begun).await?.is_some_and(|key| access::may_track(app, &key));
        let place = if is_short || is_known { None } else { Some(self.place(access::from(headers))) };
        match place.transpose() {
            Ok(place) => Ok((body::bytes_within(headers, rest, BYTES_MAX).await?, place)),
            Err(problem) => {
                body::pass_over(rest).await;
                Err(problem)
            }
        }
    }

    /// Nobody waits for one: whoever finds none is told to come again, which SDKs do.
    fn place(&self, from: Option<IpAddr>) -> Result<Place, Problem> {
        let full = |most: usize, whose: &str| {
            let detail = format!("{most} bodies without a key where they begin come already{whose}; try again shortly");
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail);
            Problem { retry_after: Some(5), ..problem }
        };
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_| full(PLACES, ""))?;
        // As with connections, this machine has any number: a proxy may stand there.
        let from = from.filter(|from| !from.to_canonical().is_loopback()).map(network);
        if let Some(from) = from {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let count = held.entry(from).or_default();
            if *count >= PLACES_PER_ADDRESS {
                return Err(full(PLACES_PER_ADDRESS, " from this address"));
            }
            *count += 1;
        }
        Ok(Place { from, held: Arc::clone(&self.held), _permit: permit })
    }
}

/// The first blocks of a body, and whether there are no others.
async fn begin(stream: &mut BodyDataStream) -> Result<(Vec<Bytes>, bool), Problem> {
    let (mut begun, mut length) = (Vec::new(), 0);
    while length < BEGUN_BYTES {
        match stream.next().await {
            Some(block) => {
                let block = block.map_err(body::broken)?;
                length += block.len();
                begun.push(block);
            }
            None => return Ok((begun, true)),
        }
    }
    Ok((begun, false))
}

/// The key that stands where a body begins. That of the whole is looked at again, by its place.
async fn shown(headers: &HeaderMap, begun: Vec<Bytes>) -> Result<Option<String>, Problem> {
    let bytes = begun.concat();
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok());
    match encoding.map(str::trim) {
        None => Ok(key_in(&bytes)),
        Some(encoding) if ["gzip", "x-gzip"].iter().any(|known| encoding.eq_ignore_ascii_case(known)) => {
            let reader = body::reader(headers, Body::from(bytes))?;
            body::blocking(move || {
                let mut text = Vec::new();
                // It breaks off, of course.
                let _ = reader.take(BEGUN_BYTES as u64).read_to_end(&mut text);
                Ok(key_in(&text))
            })
            .await
        }
        // To look into zstd may take megabytes, which is what a place is for.
        Some(_) => Ok(None),
    }
}

fn key_in(text: &[u8]) -> Option<String> {
    let name = b"\"writeKey\"";
    let at = memchr::memmem::find(text, name)? + name.len();
    let rest = text[at..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_bodies_begin() {
        let found = |text: &str| key_in(text.as_bytes());
        assert_eq!(found(r#"{"writeKey":"thr_a_b","batch":["#).as_deref(), Some("thr_a_b"));
        assert_eq!(found("{\"a\":1, \"writeKey\" :\n\t\"k\" ").as_deref(), Some("k"));
        for none in [r#"{"writeKey":"thr_a"#, r#"{"writeKey":7}"#, r#"{"writekey":"k"}"#, "{}", "", r#"{"writeKey""#] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn an_address_has_some_of_the_places_and_gives_them_back() {
        let strangers = Strangers::default();
        let take = |from: &str, count: usize| -> Vec<Place> {
            (0..count).map_while(|_| strangers.place(Some(from.parse().unwrap())).ok()).collect()
        };
        let one = take("203.0.113.7", 20);
        assert_eq!(one.len(), PLACES_PER_ADDRESS);
        assert_eq!(take("2001:db8::1", 20).len(), PLACES_PER_ADDRESS);
        let here = take("127.0.0.1", 100);
        assert_eq!(here.len(), PLACES - PLACES_PER_ADDRESS, "what others left");
        drop((one, here));
        assert_eq!(take("203.0.113.7", 20).len(), PLACES_PER_ADDRESS);
        assert_eq!(take("::1", 100).len(), PLACES);
    }
}
