//! What was changed, by whom, and how it went: a record of each call that operates the server or changes what is shared,
//! as an object a line. It tells ids and words of ours alone: no name, key or value of a contact or a segment.

use std::{
    collections::BTreeMap,
    io::{self, Write},
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
        audit_list::Shelf,
        audit_thread::{Place, Writer},
        path::part,
        problem::REQUEST_ID,
        trace::Trace,
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
    out: Option<Writer>,
    shelf: Option<Box<dyn Shelf>>,
    refused: Mutex<Refused>,
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
    /// The trace that it is part of.
    pub trace_id: Option<&'a str>,
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
            trace_id: None,
            lsn: None,
            at_door: false,
        }
    }
}

impl Audit {
    /// Records go there too, a line each, by a thread of their own.
    ///
    /// Errors: when there can be no more threads.
    pub fn to(file: Box<dyn Write + Send>) -> io::Result<Audit> {
        Ok(Audit { out: Some(Writer::over(file)?), ..Audit::default() })
    }

    /// The same, which can be read there.
    pub fn read_from(self, shelf: Box<dyn Shelf>) -> Audit {
        Audit { shelf: Some(shelf), ..self }
    }

    /// Where records can be read.
    pub fn shelf(&self) -> Option<&dyn Shelf> {
        self.shelf.as_deref()
    }

    /// Lines that could not be written.
    pub fn lost(&self) -> u64 {
        self.out.as_ref().map_or(0, Writer::lost)
    }

    /// Records a deed and waits until that is written. One that cannot be recorded is done all the same, and the log says
    /// so. For a thread that may block.
    pub fn record(&self, deed: &Deed<'_>) {
        if let (Some(line), Some(out)) = (self.line(deed), &self.out) {
            out.write(Some(line));
        }
    }

    /// Waits until all that was recorded is written. For a thread that may block.
    pub fn finish(&self) {
        self.out.iter().for_each(|out| out.write(None));
    }

    /// A place for a deed that is about to be done, so that it finds room to be told.
    pub async fn place(&self) -> Option<Place> {
        self.out.as_ref()?.place().await
    }

    /// Tells the log of a deed; gives the line for the file, if there is to be one.
    fn line(&self, deed: &Deed<'_>) -> Option<Value> {
        let more = self.more(deed)?;
        let (action, by, target, outcome) = (deed.action, deed.by, deed.target, deed.outcome.word());
        let status = deed.status.map(|status| status.as_u16());
        let (request_id, trace_id) = (deed.request_id, deed.trace_id);
        tracing::info!(
            target: "throng::audit", action, by, target, outcome, status, request_id, trace_id, more, "audit"
        );
        self.out.as_ref()?;
        let mut line = json!({
            "at": system_now().to_string(), "action": action, "by": by, "target": target, "outcome": outcome,
            "status": status, "request_id": request_id, "trace_id": trace_id, "lsn": deed.lsn,
        });
        if let Some(key) = deed.made {
            line["scopes"] = key.scopes.iter().map(|scope| Value::from(scope.name())).collect();
            line["rate"] = key.rate.map(|rate| rate.to_string()).into();
        }
        if more > 0 {
            line["more_refused"] = more.into();
        }
        Some(line)
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
    place: Mutex<Option<Place>>,
}

impl Doer {
    /// The key that was shown is good, whatever it lets do.
    pub fn is(&self, key: &str) {
        let _ = self.0.by.set(key.to_owned());
    }

    /// The call was let pass, with a place for the line that will tell of it.
    pub fn passed(&self, place: Option<Place>) {
        *self.0.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        let _ = self.0.passed.set(());
    }

    fn place(&self) -> Option<Place> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner).take()
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
    trace: Option<Trace>,
    is_told: bool,
    /// What was not handed over yet.
    line: Option<Value>,
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
        self.line = self.recorded.app.audit.line(&Deed {
            by: self.doer.0.by.get().map(String::as_str),
            target: self.target.as_deref().or(made.map(|made| made.0.as_str())),
            status,
            request_id: self.request_id.as_deref(),
            trace_id: self.trace.as_ref().map(Trace::id),
            lsn: response.and_then(|response| text(response.headers(), LSN)?.parse().ok()),
            at_door: !passed,
            ..Deed::typed(self.recorded.action, outcome)
        });
    }

    /// Waits until the line is written.
    async fn write(&mut self) {
        let Some(out) = &self.recorded.app.audit.out else { return };
        let mut place = self.doer.place();
        while let Some(line) = self.line.take() {
            match out.hand(line, place.take()) {
                // An error tells that the thread has ended, which was told.
                Ok(written) => drop(written.await),
                Err(line) => {
                    self.line = Some(line);
                    place = out.place().await;
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(None);
        }
        let out = self.recorded.app.audit.out.as_ref();
        if let (Some(line), Some(out)) = (self.line.take(), out)
            && out.hand(line, self.doer.place()).is_err()
        {
            out.lose();
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
    let trace = request.extensions().get::<Trace>().cloned();
    let target = webhook(&recorded.app, request.uri());
    let mut running = Running { recorded, doer, target, request_id, trace, is_told: false, line: None };
    let response = next.run(request).await;
    running.tell(Some(&response));
    running.write().await;
    response
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
