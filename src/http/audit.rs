//! What was changed, by whom, and how it went: a record of each call that operates the server or changes what is shared,
//! as an object a line. It tells ids and words of ours alone: no name, key or value of a contact or a segment.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    middleware::Next,
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    db::{
        clock::{Stopwatch, system_now},
        keys::Key,
    },
    http::{
        app::{App, LSN},
        path::part,
        problem::REQUEST_ID,
    },
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
    "editMembers",
    "editSuppression",
    "eraseContact",
    "freezeSegment",
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
/// Of calls that are refused at the door each caller has a line for each action in this time; those without a good key
/// count as one caller, for they could fill the disk.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);

/// Where records go, besides the log.
#[derive(Default)]
pub struct Audit {
    out: Option<Mutex<Out>>,
    refused: Mutex<Refused>,
}

struct Out {
    file: Box<dyn Write + Send>,
    /// Whether a line may have broken off.
    is_torn: bool,
}

/// Calls that were refused at the door.
#[derive(Default)]
struct Refused {
    told: BTreeMap<(Option<String>, String), Stopwatch>,
    more: u64,
}

/// How a deed went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not, by the caller's fault.
    Refused,
    /// It could not be done.
    Failed,
    /// The caller hung up before the answer was known, or the program broke: it may have been done.
    Unknown,
}

impl Outcome {
    fn of(status: StatusCode) -> Outcome {
        match status {
            status if status.is_server_error() => Outcome::Failed,
            status if status.is_client_error() => Outcome::Refused,
            _ => Outcome::Done,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        }
    }
}

/// One deed.
pub struct Deed<'a> {
    /// What was done: the id of a call, or a word of the command line.
    pub action: &'a str,
    /// How it went.
    pub outcome: Outcome,
    /// The id of the key that it was done by.
    pub by: Option<&'a str>,
    /// The id of what it was done to, where that is no name.
    pub target: Option<&'a str>,
    /// The key that was made.
    pub made: Option<&'a Key>,
    /// The status of the answer, of a call.
    pub status: Option<StatusCode>,
    /// The id of the request, of a call.
    pub request_id: Option<&'a str>,
    /// As of which write.
    pub lsn: Option<u64>,
    /// Whether it was refused before it was looked at: for want of a key or a scope, or as called too often.
    pub at_door: bool,
}

impl<'a> Deed<'a> {
    /// A deed of the command line.
    pub fn typed(action: &'a str, outcome: Outcome) -> Deed<'a> {
        Deed {
            action,
            outcome,
            by: None,
            target: None,
            made: None,
            status: None,
            request_id: None,
            lsn: None,
            at_door: false,
        }
    }
}

impl Audit {
    /// Records go there too, a line each.
    pub fn to(file: Box<dyn Write + Send>) -> Audit {
        Audit { out: Some(Mutex::new(Out { file, is_torn: false })), ..Audit::default() }
    }

    /// Records a deed. One that cannot be recorded is done all the same, and the log says so.
    pub fn record(&self, deed: &Deed<'_>) {
        let Some(more) = self.more(deed) else { return };
        let (action, by, target, outcome) = (deed.action, deed.by, deed.target, deed.outcome.word());
        let status = deed.status.map(|status| status.as_u16());
        let request_id = deed.request_id;
        tracing::info!(target: "throng::audit", action, by, target, outcome, status, request_id, more, "audit");
        let Some(out) = &self.out else { return };
        let mut line = json!({
            "at": system_now().to_string(), "action": action, "by": by, "target": target, "outcome": outcome,
            "status": status, "request_id": request_id, "lsn": deed.lsn,
        });
        if let Some(key) = deed.made {
            line["scopes"] = key.scopes.iter().map(|scope| Value::from(scope.name())).collect();
            line["rate"] = key.rate.map(|rate| rate.to_string()).into();
        }
        if more > 0 {
            line["more_refused"] = more.into();
        }
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        // What a full disk broke off must not spoil the line behind it.
        let before = if out.is_torn { "\n" } else { "" };
        // In one piece, as another process may write to the same file.
        let written = out.file.write_all(format!("{before}{line}\n").as_bytes()).and_then(|()| out.file.flush());
        out.is_torn = written.is_err();
        if let Err(error) = written {
            tracing::error!(%error, action, "a deed could not be recorded");
        }
    }

    /// How many calls that were refused at the door the line tells of besides its own; `None` if this is only counted.
    fn more(&self, deed: &Deed<'_>) -> Option<u64> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if deed.at_door {
            let whose = (deed.by.map(str::to_owned), deed.action.to_owned());
            if refused.told.get(&whose).is_some_and(|told| told.elapsed() < REFUSED_AGAIN) {
                refused.more += 1;
                return None;
            }
            refused.told.insert(whose, Stopwatch::start());
        }
        Some(std::mem::take(&mut refused.more))
    }
}

/// A call that is recorded.
#[derive(Clone)]
pub struct Recorded {
    /// Where, and of what.
    pub app: App,
    /// Its id.
    pub action: &'static str,
    /// Its method: others at its path are no such deed.
    pub method: Method,
}

/// Whose a recorded call is, as the door finds out; beside the request.
#[derive(Clone, Default)]
pub struct Doer(Arc<Found>);

#[derive(Default)]
struct Found {
    by: OnceLock<String>,
    passed: OnceLock<()>,
}

impl Doer {
    /// The key that was shown is good, whatever it lets do.
    pub fn is(&self, key: &str) {
        let _ = self.0.by.set(key.to_owned());
    }

    /// The call was let pass.
    pub fn passed(&self) {
        let _ = self.0.passed.set(());
    }
}

/// The id of what a call made, beside its answer.
#[derive(Clone)]
pub struct Made(pub String);

/// A call under way. Dropped before its answer is known it is recorded as well: to hang up hides nothing.
struct Running {
    recorded: Recorded,
    doer: Doer,
    target: Option<String>,
    request_id: Option<String>,
    is_told: bool,
}

impl Running {
    fn tell(&mut self, response: Option<&Response>) {
        self.is_told = true;
        let status = response.map(Response::status);
        let passed = self.doer.0.passed.get().is_some();
        let outcome = match status {
            Some(status) => Outcome::of(status),
            None if passed => Outcome::Unknown,
            None => Outcome::Refused,
        };
        let made = response.and_then(|response| response.extensions().get::<Made>());
        self.recorded.app.audit.record(&Deed {
            by: self.doer.0.by.get().map(String::as_str),
            target: self.target.as_deref().or(made.map(|made| made.0.as_str())),
            status,
            request_id: self.request_id.as_deref(),
            lsn: response.and_then(|response| text(response.headers(), LSN)?.parse().ok()),
            at_door: !passed,
            ..Deed::typed(self.recorded.action, outcome)
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(None);
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The id of the webhook that a call is about. A caller may write anything there: only one that there is is told.
fn webhook(app: &App, uri: &Uri) -> Option<String> {
    let id = uri.path().starts_with("/v1/webhooks/").then(|| part(uri, 2).ok())??;
    app.webhooks.get(&id).is_ok().then_some(id)
}

/// Records one call once its answer is known, or it is known that nobody waits for it; also one that is refused.
pub async fn note(State(recorded): State<Recorded>, mut request: Request, next: Next) -> Response {
    if *request.method() != recorded.method {
        return next.run(request).await;
    }
    let doer = Doer::default();
    request.extensions_mut().insert(doer.clone());
    let request_id = text(request.headers(), REQUEST_ID).map(str::to_owned);
    let target = webhook(&recorded.app, request.uri());
    let mut running = Running { recorded, doer, target, request_id, is_told: false };
    let response = next.run(request).await;
    running.tell(Some(&response));
    response
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
