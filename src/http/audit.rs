//! What was changed, by whom, and how it went: a record of each call that operates the server or changes what is shared,
//! as an object a line. It tells ids and words of ours alone: no name, key or value of a contact or a segment.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::Response,
};
use serde_json::json;

use crate::{
    db::clock::system_now,
    http::{access::Caller, app::LSN, problem::REQUEST_ID},
};

/// The calls that are recorded, by their ids.
pub const RECORDED: &[&str] = &[
    "cancelReplay",
    "createSegment",
    "createSuppression",
    "createWebhook",
    "deleteSegment",
    "deleteSuppression",
    "deleteWebhook",
    "eraseContact",
    "moveClock",
    "patchSchema",
    "patchSegment",
    "patchSuppression",
    "patchWebhook",
    "putSegment",
    "putSuppression",
    "replayWebhook",
    "revertSegment",
    "rotateWebhook",
    "snapshot",
    "testWebhook",
];

/// Where records go, besides the log.
#[derive(Default)]
pub struct Audit(Option<Mutex<Box<dyn Write + Send>>>);

/// One deed.
pub struct Deed<'a> {
    /// What was done: the id of a call, or a word of the command line.
    pub action: &'a str,
    /// The id of the key that it was done by.
    pub by: Option<&'a str>,
    /// The id of what it was done to, where that is no name.
    pub target: Option<&'a str>,
    /// The status of the answer, of a call.
    pub status: Option<StatusCode>,
    /// The id of the request, of a call.
    pub request_id: Option<&'a str>,
    /// As of which write.
    pub lsn: Option<u64>,
}

impl Audit {
    /// Records go there too, a line each.
    pub fn to(out: Box<dyn Write + Send>) -> Audit {
        Audit(Some(Mutex::new(out)))
    }

    /// Records a deed. One that cannot be recorded is done all the same, and the log says so.
    pub fn record(&self, deed: &Deed<'_>) {
        let outcome = match deed.status {
            Some(status) if status.is_server_error() => "failed",
            Some(status) if status.is_client_error() => "refused",
            _ => "done",
        };
        let (action, by, target) = (deed.action, deed.by, deed.target);
        let status = deed.status.map(|status| status.as_u16());
        tracing::info!(target: "throng::audit", action, by, target, outcome, status, request_id = deed.request_id, "audit");
        let Some(out) = &self.0 else { return };
        let line = json!({
            "at": system_now().to_string(), "action": action, "by": by, "target": target, "outcome": outcome,
            "status": status, "request_id": deed.request_id, "lsn": deed.lsn,
        });
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        // In one piece, as another process may write to the same file.
        if let Err(error) = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()) {
            tracing::error!(%error, action, "a deed could not be recorded");
        }
    }
}

/// A call that is recorded.
#[derive(Clone)]
pub struct Recorded {
    /// Where.
    pub audit: Arc<Audit>,
    /// Its id.
    pub action: &'static str,
}

/// Records one call once its answer is known; also one that is refused at the door.
pub async fn note(State(recorded): State<Recorded>, request: Request, next: Next) -> Response {
    let text = |headers: &HeaderMap, name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let request_id = text(request.headers(), REQUEST_ID);
    let webhook = request.uri().path().strip_prefix("/v1/webhooks/").map(|rest| rest.split('/').next().unwrap_or(rest));
    // A caller may write anything there: only what has the form of an id of ours is told.
    let target = webhook.filter(|id| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    let target = target.map(str::to_owned);
    let response = next.run(request).await;
    let caller = response.extensions().get::<Caller>();
    recorded.audit.record(&Deed {
        action: recorded.action,
        by: caller.map(|caller| &*caller.0),
        target: target.as_deref().filter(|_| response.status().is_success()),
        status: Some(response.status()),
        request_id: request_id.as_deref(),
        lsn: text(response.headers(), LSN).and_then(|lsn| lsn.parse().ok()),
    });
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::calls;

    #[test]
    fn every_recorded_call_is_one_and_every_operation_is_recorded() {
        let all: Vec<_> = calls::chapters().into_iter().flat_map(|chapter| chapter.calls).collect();
        for action in RECORDED {
            assert!(all.iter().any(|call| call.id == *action), "{action}");
        }
        for call in all.iter().filter(|call| call.method != "GET") {
            let operates = call.needs == crate::http::access::Needs::Admin || call.method == "DELETE";
            let data = ["removeEvent"].contains(&call.id);
            assert!(!operates || data || RECORDED.contains(&call.id), "{}", call.id);
        }
    }
}
