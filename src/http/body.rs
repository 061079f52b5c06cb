//! Request bodies: whole JSON documents within a limit, and streams without one, both unpacked on the way.

use std::{
    error::Error,
    io::{self, Read},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, StatusCode, header},
};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::{
    http::{
        json::{Json, TOO_DEEP},
        pace::TooSlow,
        problem::Problem,
    },
    model::limits,
};

/// Largest window that a zstd stream may ask for, as a power of two: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// How much of a body that is for nobody is read, and for how long. Units: bytes.
const PASSED_OVER_BYTES: usize = 64 << 10;
const PASSED_OVER_FOR: Duration = Duration::from_secs(1);
/// A document that is parsed on the spot; a longer one is parsed on a thread that may take its time. Units: bytes.
const PARSE_HERE_MAX: usize = 64 << 10;

/// The media type of a request, without parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// 415 with what is taken here.
pub fn unsupported(found: Option<&str>, taken: &str) -> Problem {
    let found = found.unwrap_or("none");
    let detail = format!("the content type is {found}; taken here: {taken}");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

/// A blocking reader over a request's body, unpacked. For a thread that may block.
///
/// Errors: 415 for an encoding that is not taken.
pub fn reader(headers: &HeaderMap, body: Body) -> Result<Box<dyn Read + Send>, Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"));
    let encoding = encoding.map(|encoding| encoding.trim().to_ascii_lowercase());
    let stream = body.into_data_stream().map(|chunk| chunk.map_err(io::Error::other));
    let raw = SyncIoBridge::new(StreamReader::new(stream));
    match encoding.as_deref() {
        None | Some("" | "identity") => Ok(Box::new(raw)),
        Some("gzip" | "x-gzip") => Ok(Box::new(Unpacked::Waiting(Box::new(|| {
            Ok(Box::new(flate2::read::MultiGzDecoder::new(raw)) as Box<dyn Read + Send>)
        })))),
        Some("zstd") => Ok(Box::new(Unpacked::Waiting(Box::new(|| {
            let mut decoder = zstd::stream::read::Decoder::new(raw)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Ok(Box::new(decoder) as Box<dyn Read + Send>)
        })))),
        Some(other) => {
            let detail = format!("the content encoding is {other}; taken are gzip, zstd and identity");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", detail))
        }
    }
}

/// A decoder that is made at the first read: making one may read already, which only a thread that may block can do.
enum Unpacked {
    Waiting(Box<dyn FnOnce() -> io::Result<Box<dyn Read + Send>> + Send>),
    Running(Box<dyn Read + Send>),
    Broken,
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Unpacked::Running(reader) = self {
            return reader.read(buffer);
        }
        match std::mem::replace(self, Unpacked::Broken) {
            Unpacked::Waiting(make) => {
                let mut reader = make()?;
                let read = reader.read(buffer);
                *self = Unpacked::Running(reader);
                read
            }
            Unpacked::Running(_) | Unpacked::Broken => Err(io::Error::other("the packed stream could not be opened")),
        }
    }
}

/// Reads a whole body within [`limits::BODY_BYTES_MAX`], counted after unpacking.
///
/// Errors: 413, 415, and 400 when the stream breaks off.
pub async fn bytes(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    bytes_within(headers, body, limits::BODY_BYTES_MAX).await
}

/// The same within another limit.
///
/// Errors: as those of [`bytes()`].
pub async fn bytes_within(headers: &HeaderMap, body: Body, most: usize) -> Result<Vec<u8>, Problem> {
    let plain = headers.get(header::CONTENT_ENCODING).is_none();
    let too_large = move || {
        let detail = format!("the body is larger than {most} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    };
    // Packing makes what cannot be packed a little larger.
    let room = if plain { most } else { most + most / 64 + 1_024 };
    // The encoding is looked at before the body is waited for.
    reader(headers, Body::empty())?;
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(broken)?;
        if bytes.len() + chunk.len() > room {
            drain(stream, most).await;
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    if plain {
        return Ok(bytes);
    }
    // It is all here: no thread waits for the client.
    let reader = reader(headers, Body::from(bytes))?;
    blocking(move || {
        let mut bytes = Vec::new();
        reader
            .take(most as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Problem::malformed(format!("the body cannot be unpacked: {error}")))?;
        if bytes.len() > most { Err(too_large()) } else { Ok(bytes) }
    })
    .await
}

/// What becomes of a body that did not come whole.
pub fn broken(error: axum::Error) -> Problem {
    let mut causes = std::iter::successors(Some(&error as &(dyn Error + 'static)), |error| (*error).source());
    match causes.find_map(|cause| cause.downcast_ref::<TooSlow>()) {
        Some(slow) => Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", format!("the body was given up: {slow}")),
        None => Problem::malformed(format!("the body broke off: {error}")),
    }
}

/// Reads on for a while what will be refused, so that the answer reaches a client that sends before it listens.
async fn drain(mut stream: axum::body::BodyDataStream, most: usize) {
    let mut left = 4 * most;
    while let Some(Ok(chunk)) = stream.next().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Reads a small body that is for nobody. One that is left where it is ends the connection, and a client that sends its
/// next call there hears nothing.
pub async fn pass_over(body: Body) {
    let _ = timeout(PASSED_OVER_FOR, to_bytes(body, PASSED_OVER_BYTES)).await;
}

/// Reads a whole JSON body.
///
/// Errors: 400 malformed, 413, 415, 422 nested too deeply.
pub async fn json(headers: &HeaderMap, body: Body) -> Result<Json, Problem> {
    let media = media_type(headers);
    // A page of another site can send bytes without a type; a program may leave the type out.
    let is_browser = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    let is_json = media.as_deref().map_or(!is_browser, |media| media == "application/json");
    if !is_json {
        return Err(unsupported(media.as_deref(), "application/json"));
    }
    parsed(bytes(headers, body).await?).await
}

/// As [`json`]; `None` when there is no body.
///
/// Errors: as [`json`].
pub async fn json_or_nothing(headers: &HeaderMap, body: Body) -> Result<Option<Json>, Problem> {
    let bytes = bytes(headers, body).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    // It is unpacked by now.
    let mut headers = headers.clone();
    headers.remove(header::CONTENT_ENCODING);
    json(&headers, Body::from(bytes)).await.map(Some)
}

async fn parsed(bytes: Vec<u8>) -> Result<Json, Problem> {
    if bytes.len() > PARSE_HERE_MAX { blocking(move || parse(&bytes)).await } else { parse(&bytes) }
}

/// Parses a body.
///
/// Errors: 400 malformed, 422 nested too deeply.
pub fn parse(bytes: &[u8]) -> Result<Json, Problem> {
    Json::parse(bytes).map_err(|detail| match detail.starts_with(TOO_DEEP) {
        true => Problem::refused("too_deep", format!("the body is {detail}")),
        false => Problem::malformed(format!("the body is not JSON: {detail}")),
    })
}

/// Runs work that may take long or block on a thread of its own.
///
/// Errors: those of the work; 500 if it panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request could not be finished")),
    }
}
