//! Who may call: what each call wants of its caller, as the table of the calls says; keys and their scopes; without keys
//! everyone on this machine.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tokio_stream::Stream;

use crate::{
    db::keys::{Grant, Keyring, Scope},
    http::{app::App, audit::Doer, body, guard, problem::Problem},
};

/// The header under which handlers find the id of the caller's key.
const BY: &str = "throng-by";
/// The header under which handlers find the address that a call came from.
const FROM: &str = "throng-from";
/// How often it is looked whether the key of a call under way was revoked. With [`crate::db::keys`]' own half second
/// such a call ends within one.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Whoever watches the server asks there. It is answered however often, for one who is refused takes the server for sick.
pub const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Whether whoever calls could make a call that wants this.
pub fn may(app: &App, headers: &HeaderMap, needs: Needs) -> bool {
    let granted = || shown(headers).and_then(|key| app.keys.grant(&key));
    !app.keys.is_keyed() || granted().is_some_and(|grant| needs.suits(&grant))
}

/// The id of the key that let a call pass.
pub fn by(headers: &HeaderMap) -> Option<Box<str>> {
    headers.get(BY).and_then(|id| id.to_str().ok()).map(Into::into)
}

/// Notes the key that let a call pass.
pub fn note(headers: &mut HeaderMap, grant: &Grant) {
    if let Ok(id) = HeaderValue::from_str(&grant.id) {
        headers.insert(BY, id);
    }
}

/// The address that a call came from; the server notes it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Where a call came from whose key may stand elsewhere.
pub fn from(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get(FROM).and_then(|from| from.to_str().ok()?.parse().ok())
}

/// Whether a key may send tracking calls. Nothing is counted.
pub fn may_track(app: &App, key: &str) -> bool {
    app.keys.grant(key).is_some_and(|grant| Needs::Track.suits(&grant))
}

/// The headers of a call whose key stands elsewhere: where it came from alone.
pub fn origin(headers: &HeaderMap) -> HeaderMap {
    headers.get(FROM).map(|from| (HeaderName::from_static(FROM), from.clone())).into_iter().collect()
}

/// What a call wants of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it tells nothing of the data.
    Nothing,
    /// Any key.
    Key,
    /// A key that may ask.
    Read,
    /// A key that may write.
    Write,
    /// A key that may operate the server.
    Admin,
    /// A key that may send tracking calls. It may stand in the body, so the handler looks at it; and a page of any
    /// site may call.
    Track,
}

impl Needs {
    /// The names of the scopes that do, for the document.
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Needs::Nothing => &[],
            Needs::Key => &["read", "write", "track", "admin"],
            Needs::Read => &["read", "admin"],
            Needs::Write => &["write", "admin"],
            Needs::Admin => &["admin"],
            Needs::Track => &["track", "write", "admin"],
        }
    }

    fn suits(self, grant: &Grant) -> bool {
        match self {
            Needs::Nothing | Needs::Key => true,
            Needs::Read => grant.allows(Scope::Read),
            Needs::Write => grant.allows(Scope::Write),
            Needs::Admin => grant.allows(Scope::Admin),
            Needs::Track => grant.allows(Scope::Track) || grant.allows(Scope::Write),
        }
    }
}

/// Where a call comes in.
#[derive(Clone)]
pub struct Door {
    /// Whose keys.
    pub app: App,
    /// What is wanted.
    pub needs: Needs,
}

/// By what a call came in, as long as it holds.
struct Pass {
    keys: Arc<Keyring>,
    needs: Needs,
    shown: Option<String>,
}

impl Pass {
    fn holds(&self) -> bool {
        match &self.shown {
            Some(key) => self.keys.grant(key).is_some_and(|grant| self.needs.suits(&grant)),
            None => !self.keys.is_keyed(),
        }
    }

    /// Waits until it holds no more.
    async fn end(&self) {
        while self.holds() {
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Lets a call pass, or answers 401 or 403. A call that only reads ends with its key, also while its answer is sent.
pub async fn check(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    // What a caller says of itself counts for nothing.
    request.headers_mut().remove(BY);
    request.headers_mut().remove(FROM);
    let pass = match door.judge(&mut request) {
        Ok(pass) => pass,
        Err(problem) => {
            body::pass_over(request.into_body()).await;
            return problem.into_response();
        }
    };
    if let Some(doer) = request.extensions().get::<Doer>().cloned() {
        doer.passed(door.app.audit.place().await);
    }
    let Some(pass) = pass else { return next.run(request).await };
    if !reads(request.method()) {
        // Broken off, a write would leave its caller without knowing what became of it.
        return watched(next.run(request).await, pass);
    }
    tokio::select! {
        biased;
        response = next.run(request) => watched(response, pass),
        () = pass.end() => revoked().into_response(),
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

impl Door {
    /// What a call passes by, if it must be looked at again.
    fn judge(&self, request: &mut Request) -> Result<Option<Pass>, Problem> {
        let Some(hosts) = &self.app.hosts else { return Ok(None) };
        let is_keyed = self.app.keys.is_keyed();
        if !is_keyed {
            hosts.admit(request.headers(), request.uri())?;
        }
        // Browsers also remember a key that was once typed in, and send it along.
        let is_write = !reads(request.method()) && self.needs != Needs::Track;
        if is_write && guard::is_foreign(request.headers(), request.uri()) {
            let detail = "a write that a page of another site sends through a browser is refused";
            return Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", detail));
        }
        let from = request.extensions().get::<Peer>().map(|peer| peer.0);
        if self.needs == Needs::Track && is_keyed {
            // The key may be elsewhere; who finds it counts the call.
            if let Some(Ok(from)) = from.map(|from| HeaderValue::from_str(&from.to_string())) {
                request.headers_mut().insert(FROM, from);
            }
            return Ok(None);
        }
        let is_probe = self.needs == Needs::Nothing && PROBES.contains(&request.uri().path());
        if !is_probe && (!is_keyed || self.needs == Needs::Nothing) {
            self.app.rates.address(from)?;
        }
        if matches!(self.needs, Needs::Nothing | Needs::Track) {
            return Ok(None);
        }
        let shown = if is_keyed { Some(shown(request.headers())) } else { None };
        if let Some(key) = &shown {
            let grant = granted(&self.app, key.as_deref(), from)?;
            if let Some(doer) = request.extensions().get::<Doer>() {
                doer.is(&grant.id);
            }
            self.app.rates.key(&grant)?;
            if !self.needs.suits(&grant) {
                return Err(forbidden(&grant, self.needs));
            }
            note(request.headers_mut(), &grant);
        }
        Ok(Some(Pass { keys: Arc::clone(&self.app.keys), needs: self.needs, shown: shown.flatten() }))
    }
}

/// An answer whose sending ends with the pass.
fn watched(response: Response, pass: Pass) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        let mut tick = interval(LOOK_AGAIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Body::from_stream(Watched { stream: body.into_data_stream(), tick, pass, is_over: false })
    })
}

struct Watched {
    stream: BodyDataStream,
    tick: Interval,
    pass: Pass,
    is_over: bool,
}

impl Stream for Watched {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        while self.tick.poll_tick(context).is_ready() {
            if !self.pass.holds() {
                // As an error, so that no one takes what came for all there is.
                self.is_over = true;
                return Poll::Ready(Some(Err(axum::Error::new(revoked().detail))));
            }
        }
        Pin::new(&mut self.stream).poll_next(context)
    }
}

/// Whom a tracking call is from, as far as it was read.
pub enum Sender {
    /// There are no keys.
    Anyone,
    /// A key that may track.
    Key(Grant),
    /// None that may, but perhaps one that is good for something else.
    Unknown(Option<Grant>),
}

/// Whom a tracking call is from, by its headers or by another key that it shows. A key that may track is counted; whoever
/// shows none may have it elsewhere, and counts once that is known.
///
/// Errors: 429.
pub fn sender(app: &App, headers: &HeaderMap, other: Option<&str>) -> Result<Sender, Problem> {
    if !app.keys.is_keyed() {
        return Ok(Sender::Anyone);
    }
    // Some SDKs authenticate to another party in the header and name the key in the body.
    let in_header = shown(headers);
    let keys = [in_header.as_deref(), other];
    let grants: Vec<Grant> = keys.into_iter().flatten().filter_map(|key| app.keys.grant(key)).collect();
    if let Some(grant) = grants.iter().find(|grant| Needs::Track.suits(grant)) {
        app.rates.key(grant)?;
        return Ok(Sender::Key(grant.clone()));
    }
    Ok(Sender::Unknown(grants.into_iter().next()))
}

/// The same, where all keys are known that the call shows; `None` without keys.
///
/// Errors: 401, 403, 429.
pub fn tracking(app: &App, headers: &HeaderMap, other: Option<&str>) -> Result<Option<Grant>, Problem> {
    match sender(app, headers, other)? {
        Sender::Anyone => Ok(None),
        Sender::Key(grant) => Ok(Some(grant)),
        Sender::Unknown(Some(grant)) => {
            app.rates.key(&grant)?;
            Err(forbidden(&grant, Needs::Track))
        }
        Sender::Unknown(None) => granted(app, other.or(shown(headers).as_deref()), from(headers)).map(Some),
    }
}

fn granted(app: &App, key: Option<&str>, from: Option<IpAddr>) -> Result<Grant, Problem> {
    let Some(key) = key else {
        app.rates.address(from)?;
        let detail = "this server wants a key: \"Authorization: Bearer thr_…\", or Basic with the key as the user name";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "no_key", detail));
    };
    match app.keys.grant(key) {
        Some(grant) => Ok(grant),
        None => {
            app.rates.failure(from)?;
            Err(revoked())
        }
    }
}

fn revoked() -> Problem {
    let detail = "the key is none of this server's, or was revoked";
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_key", detail)
}

fn forbidden(grant: &Grant, needs: Needs) -> Problem {
    let scopes: Vec<&str> = grant.scopes.iter().map(|scope| scope.name()).collect();
    let wanted = needs.scopes().join(" or ");
    let detail = format!("this call wants a key of the scope {wanted}; the key {} has {}", grant.id, scopes.join(", "));
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

/// The key of the header `Authorization`: a bearer's, or the user name of Basic, with or without a colon behind it.
pub fn shown(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(rest.to_owned()),
        "basic" => {
            let pair = String::from_utf8(decoded(rest)?).ok()?;
            Some(pair.split_once(':').map_or(pair.as_str(), |(user, _)| user).to_owned())
        }
        _ => None,
    }
}

/// Base64, with or without padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_every_form() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            shown(&headers)
        };
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(of("Basic d2s6").as_deref(), Some("wk"));
        assert_eq!(of("Basic d2s=").as_deref(), Some("wk"));
        assert_eq!(of("Basic d2s").as_deref(), Some("wk"));
        assert_eq!(of("Basic d2s6c2VjcmV0").as_deref(), Some("wk"));
        assert_eq!((of("Basic *"), of("Digest x"), of("abc")), (None, None, None));
    }
}
