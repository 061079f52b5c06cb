//! Problem details (RFC 9457): the one shape of every error, and the one place where an error becomes a status.

use axum::{
    Json,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    db::{clock::Stopwatch, error::Error, feed::FeedBounds},
    http::{app::LSN, trace::Trace},
    model::{
        id::Lsn,
        request::{Refusal, RefusalKind},
    },
    rule::error::RuleError,
};

/// What a reader of the feed does whose place in it is gone.
const RESYNC: &str = "to start again, read the members of the segments that you follow; the header Throng-Seq of \
    GET /v1/segments/{name}/members names the last entry that they hold, so go on with GET /v1/feed?after= the least \
    of these numbers: what is told a second time changes nothing";

/// The word for what is wrong with a rule.
const RULE: &str = "rule";
/// The code of what a server answers that is not open yet.
pub(super) const STARTING: &str = "starting";

/// The header that names a request in logs and answers.
pub const REQUEST_ID: &str = "x-request-id";

/// How a key is asked for: as a token, or, of people in a browser, as a user name without a password.
const BEARER: &str = "Bearer realm=\"throng\"";
/// The second of these.
pub const BASIC: &str = "Basic realm=\"throng\", charset=\"UTF-8\"";
/// What stays of an answer that becomes a problem.
const KEPT: [HeaderName; 4] =
    [header::ALLOW, header::VARY, header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_EXPOSE_HEADERS];

/// What keeps browsers from making more of an answer than it is; a page says what it needs by itself.
const SAFE: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::CACHE_CONTROL, "no-store"),
];

/// One thing that is wrong, at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of an import, from 1.
    pub line: Option<u64>,
    /// The part of the record (RFC 6901).
    pub pointer: String,
    /// A stable word for programs.
    pub code: &'static str,
    /// What is wrong, for people.
    pub detail: String,
}

impl Fault {
    /// As it is sent.
    pub fn to_json(&self) -> Value {
        let mut object = json!({"pointer": self.pointer, "code": self.code, "detail": self.detail});
        if let Some(line) = self.line {
            object["line"] = line.into();
        }
        object
    }
}

/// An error on its way to the caller.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    /// What is wrong, for people.
    pub detail: String,
    /// The places.
    pub errors: Vec<Fault>,
    /// What is wrong with a rule.
    pub rule: Option<Box<RuleError>>,
    /// When to try again. Units: seconds.
    pub retry_after: Option<u32>,
    /// Of a place in the feed that cannot be gone on from: which entries are there.
    pub kept: Option<FeedBounds>,
    /// As of which write it is, where it tells of the data.
    pub lsn: Option<Lsn>,
    /// Whether it goes to an SDK, which reads `error`, `code` and `message`.
    pub for_sdk: bool,
}

impl Problem {
    /// An error with a status, a word and a sentence.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
        let detail = detail.into();
        Problem {
            status,
            code,
            detail,
            errors: Vec::new(),
            rule: None,
            retry_after: None,
            kept: None,
            lsn: None,
            for_sdk: false,
        }
    }

    /// The same, as of a write.
    pub fn at(self, lsn: Lsn) -> Problem {
        Problem { lsn: Some(lsn), ..self }
    }

    /// 400: the request is not of the form it must have.
    pub fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 422: well-formed but refused.
    pub fn refused(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// The body, with the request's id.
    fn body(&self, request_id: &str) -> Value {
        let mut body = json!({
            "type": format!("urn:throng:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "request_id": request_id,
        });
        if !self.errors.is_empty() {
            body["errors"] = self.errors.iter().map(Fault::to_json).collect();
        }
        if self.for_sdk {
            body["error"] = body["title"].clone();
            body["code"] = self.code.into();
            body["message"] = body["detail"].clone();
        }
        if let Some(kept) = self.kept {
            body["oldest"] = kept.oldest.into();
            body["newest"] = kept.newest.into();
        }
        if let Some(rule) = &self.rule {
            body["rule"] = json!({
                "code": rule.code, "message": rule.message, "offset": rule.offset, "length": rule.length,
                "line": rule.line, "column": rule.column,
                "expected": rule.expected, "suggestion": rule.suggestion, "pointer": rule.pointer,
            });
        }
        body
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let rule = of_rule(&refusal);
        let status = match refusal.kind {
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        };
        let mut problem = Problem::new(status, refusal.code, refusal.detail.clone());
        if !refusal.pointer.is_empty() {
            let Refusal { pointer, code, detail, .. } = refusal;
            problem.errors.push(Fault { line: None, pointer, code, detail });
        }
        match rule {
            // As where it is found before anything is written.
            Some(rule) => Problem { code: RULE, rule: Some(Box::new(rule)), ..problem },
            None => problem,
        }
    }
}

/// What is wrong with a rule that is refused when it is written, as it hangs on what is saved by then.
fn of_rule(refusal: &Refusal) -> Option<RuleError> {
    let is_of_rule = refusal.pointer == "/rule" && ["cycle", "unknown_segment", "bad_rule"].contains(&refusal.code);
    is_of_rule.then(|| RuleError::new(refusal.code, refusal.detail.clone()))
}

impl From<Box<RuleError>> for Problem {
    fn from(error: Box<RuleError>) -> Problem {
        Problem { rule: Some(error.clone()), ..Problem::refused(RULE, error.to_string()) }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let detail = error.to_string();
        let unavailable = |code, detail| Problem {
            retry_after: Some(1),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        };
        match error {
            Error::Rule(rule) => rule.into(),
            Error::Refused(refusal) => refusal.into(),
            Error::NoSegment(_) => Problem::not_found(detail),
            Error::ClockBack { .. } => Problem::new(StatusCode::CONFLICT, "clock_back", detail),
            Error::ClockNotManual => Problem::new(StatusCode::CONFLICT, "clock_not_manual", detail),
            Error::AsOfPast { .. } => Problem::refused("as_of_past", detail),
            Error::CursorTooOld { bounds, .. } => gone("cursor_too_old", &detail, bounds),
            Error::CursorAhead { bounds, .. } => gone("cursor_ahead", &detail, bounds),
            Error::ListsGone { bounds, .. } | Error::HistoryGone { bounds, .. } => {
                gone("history_gone", &detail, bounds)
            }
            Error::NoBulk(_) | Error::MadeLater { .. } => Problem::not_found(detail),
            Error::LsnAhead { .. } => Problem::refused("lsn_ahead", detail),
            Error::KeyReused(_) => {
                Problem::refused("idempotency_key_reused", "the idempotency key was used for a different request")
            }
            Error::InMemory => Problem::new(StatusCode::CONFLICT, "in_memory", detail),
            Error::Busy => unavailable("busy", detail),
            Error::OutcomeUnknown(_) => unavailable("outcome_unknown", detail),
            Error::ReadOnly(_) => unavailable("read_only", detail),
            Error::Closed => unavailable("closed", detail),
            Error::NoRoom(_) => Problem::new(StatusCode::INSUFFICIENT_STORAGE, "no_room", detail),
            Error::LogStalled(_) => unavailable("log_stalled", detail),
            Error::StorageLow(_) => Problem::new(StatusCode::INSUFFICIENT_STORAGE, "storage_low", detail),
            Error::ZoneFixed { .. } | Error::ClockBehind { .. } | Error::Storage(_) | Error::NoThread(_) => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "storage", detail)
            }
        }
    }
}

/// 410 with the way to start again.
fn gone(code: &'static str, detail: &str, kept: FeedBounds) -> Problem {
    Problem { kept: Some(kept), ..Problem::new(StatusCode::GONE, code, format!("{detail}; {RESYNC}")) }
}

impl IntoResponse for Problem {
    /// The status alone; [`finish`] adds the body, since only it knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Whether an id of a caller's is taken over. It stands in logs: nothing in it may look like a line or a field of theirs,
/// and an address of mail is none.
fn is_request_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Marks an answer that goes to an SDK.
#[derive(Clone, Copy)]
struct ForSdk;

/// Has an error go to an SDK, wherever it was made: at the door and by the framework, too.
pub async fn for_sdk(mut response: Response) -> Response {
    response.extensions_mut().insert(ForSdk);
    response
}

/// Names each request, logs it, and writes the body of every error, those of the framework included.
pub async fn finish(mut request: Request, next: Next) -> Response {
    let id = match request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()) {
        Some(id) if is_request_id(id) => id.to_owned(),
        _ => Uuid::new_v4().simple().to_string(),
    };
    let method = request.method().clone();
    let trace = Trace::of(request.headers());
    let trace_id = trace.as_ref().map(|trace| trace.id().to_owned());
    if let Some(trace) = trace {
        request.extensions_mut().insert(trace);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        request.headers_mut().insert(REQUEST_ID, id);
    }
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    // Never the path as it was called: what stands in it is other people's data.
    let span = tracing::debug_span!("call", request_id = %id, trace_id, %method, route);
    let watch = Stopwatch::start();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.in_scope(|| tracing::debug!(status = status.as_u16(), took_us = watch.elapsed_us(), "answered"));
    if status.is_client_error() || status.is_server_error() {
        let mut problem = match response.extensions_mut().remove::<Problem>() {
            Some(problem) => problem,
            None => of_framework(&method, status),
        };
        problem.for_sdk |= response.extensions_mut().remove::<ForSdk>().is_some();
        // Whoever waits for the server asks it each second: that it is not there yet is no failure.
        if status.is_server_error() && problem.code != STARTING {
            let status = status.as_u16();
            tracing::warn!(request_id = %id, trace_id, status, code = problem.code, "request failed");
        }
        let before = std::mem::take(response.headers_mut());
        response = (status, Json(problem.body(&id))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(BEARER));
            // No SDK's page is to ask its visitors for a password.
            if !problem.for_sdk {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(BASIC));
            }
        }
        if let Some(lsn) = problem.lsn {
            headers.insert(LSN, lsn.0.into());
        }
        for name in KEPT {
            if let Some(value) = before.get(&name) {
                headers.insert(name, value.clone());
            }
        }
    }
    // An export is never taken for a page, whatever it holds.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    for (name, value) in SAFE {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The problem behind a bare status that the framework answered.
fn of_framework(method: &axum::http::Method, status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found("there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => {
            let detail = format!("{method} is not offered at this path; the header \"Allow\" lists what is");
            Problem::new(status, "method_not_allowed", detail)
        }
        _ => Problem::new(status, "error", status.canonical_reason().unwrap_or("Error").to_lowercase()),
    }
}
