//! What is recorded, and how: whoever hangs up, whoever is refused, what breaks.

use std::{
    io,
    task::{Context, Poll, Waker},
};

use axum::{Router, body::Body, middleware::from_fn_with_state, routing::delete};
use tower::ServiceExt;

use super::*;
use crate::{
    db::{database::Database, options::Options},
    http::{access::Needs, app::Fittings, calls},
};

/// A file in memory.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A call that never comes to an end behind a door that lets a key pass, or not.
fn endless(paper: &Paper, passes: bool) -> (Router, Arc<Audit>) {
    let db = Database::open(Options::default()).unwrap();
    let audit = Arc::new(Audit::to(Box::new(paper.clone())).unwrap());
    let app = App::new(db).fitted(|fittings| Fittings { audit: Arc::clone(&audit), ..fittings });
    let recorded = Recorded { app, action: "deleteSegment", method: Method::DELETE };
    let call = move |request: Request| async move {
        let doer = request.extensions().get::<Doer>().unwrap().clone();
        doer.is("k1");
        if passes {
            doer.passed(None);
        }
        std::future::pending::<()>().await;
    };
    (Router::new().route("/v1/segments/{name}", delete(call).layer(from_fn_with_state(recorded, note))), audit)
}

#[test]
fn whoever_hangs_up_is_recorded() {
    for (passes, outcome) in [(true, "unknown"), (false, "refused")] {
        let paper = Paper::default();
        let request = Request::delete("/v1/segments/x").header(REQUEST_ID, "r1").body(Body::empty()).unwrap();
        let (router, audit) = endless(&paper, passes);
        let mut answer = Box::pin(router.oneshot(request));
        assert!(matches!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
        assert_eq!(paper.lines().len(), 0);
        drop(answer);
        audit.finish();
        let lines = paper.lines();
        assert_eq!(lines.len(), 1);
        let told = |name: &str| lines[0][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (told("action"), told("by"), told("outcome"), told("request_id")),
            ("deleteSegment".into(), "k1".into(), outcome.into(), "r1".into())
        );
    }
}

#[test]
fn what_only_asks_at_the_path_of_a_deed_is_none() {
    let paper = Paper::default();
    let request = Request::get("/v1/segments/x").body(Body::empty()).unwrap();
    let (router, audit) = endless(&paper, true);
    let mut answer = Box::pin(router.oneshot(request));
    assert!(matches!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_)));
    audit.finish();
    assert_eq!(paper.lines().len(), 0);
}

#[test]
fn those_who_are_refused_at_the_door_cannot_fill_the_disk() {
    let paper = Paper::default();
    let audit = Audit::to(Box::new(paper.clone())).unwrap();
    let refused = |by: Option<&str>, action: &str, at_door: bool| {
        let status = Some(StatusCode::FORBIDDEN);
        audit.record(&Deed { by, status, at_door, ..Deed::typed(action, Outcome::Refused) });
    };
    for _ in 0..100 {
        refused(None, "snapshot", true);
        refused(Some("k1"), "snapshot", true);
        refused(Some("k1"), "moveClock", true);
    }
    assert_eq!(paper.lines().len(), 3);
    // What a key may do, and does badly, is its own to answer for.
    refused(Some("k2"), "snapshot", false);
    refused(Some("k2"), "snapshot", false);
    let lines = paper.lines();
    assert_eq!(lines.len(), 5);
    assert_eq!((&lines[3]["more_refused"], &lines[4]["more_refused"]), (&json!(297), &Value::Null));
}

/// A disk on which the second write breaks off.
struct Full(Paper, u32);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 += 1;
        match self.1 {
            2 => self.0.write(&bytes[..bytes.len() / 2]),
            3 => Err(io::ErrorKind::StorageFull.into()),
            _ => self.0.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_broke_off_does_not_spoil_the_next() {
    let paper = Paper::default();
    let audit = Audit::to(Box::new(Full(paper.clone(), 0))).unwrap();
    for action in ["one", "two", "three", "four"] {
        audit.record(&Deed::typed(action, Outcome::Done));
    }
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let whole: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told: Vec<&str> = whole.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!((told, text.lines().count()), (vec!["one", "three", "four"], 4));
    // The next one tells of what is missing.
    let missing: Vec<&Value> = whole.iter().map(|line| &line["lost"]).collect();
    assert_eq!((missing, audit.lost()), (vec![&Value::Null, &json!(1), &Value::Null], 1));
}

/// A disk that writes nothing before it is let go.
struct Stuck(Paper, std::sync::mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Once the other end is gone nothing is waited for.
        let _ = self.1.recv();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_is_stuck_holds_up_deeds_before_they_are_done_and_no_thread() {
    let (paper, (go, stuck)) = (Paper::default(), std::sync::mpsc::channel());
    let audit = Arc::new(Audit::to(Box::new(Stuck(paper.clone(), stuck))).unwrap());
    let db = Database::open(Options::default()).unwrap();
    let app = App::new(db).fitted(|fittings| Fittings { audit: Arc::clone(&audit), ..fittings });
    let done = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&done);
    let recorded = Recorded { app: app.clone(), action: "deleteSegment", method: Method::DELETE };
    let call = move |request: Request| {
        let (app, counted) = (app.clone(), Arc::clone(&counted));
        async move {
            let doer = request.extensions().get::<Doer>().unwrap().clone();
            doer.passed(app.audit.place().await);
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    };
    let router = Router::new().route("/x", delete(call).layer(from_fn_with_state(recorded, note)));
    let mut context = Context::from_waker(Waker::noop());
    let mut calls: Vec<_> = (0..3_000)
        .map(|_| Box::pin(router.clone().oneshot(Request::delete("/x").body(Body::empty()).unwrap())))
        .collect();
    // All on this one thread: none is answered, and of those that are done there are no more than can be told.
    let answered =
        calls.iter_mut().filter_map(|call| call.as_mut().poll(&mut context).is_ready().then_some(())).count();
    let told = done.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(answered, 0);
    assert!((1_024..=1_026).contains(&told), "{told}");
    // Half of them hang up; each that was done is told all the same, and those that wait are done now.
    drop(calls.drain(..1_500));
    drop(go);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for call in calls {
        assert_eq!(runtime.block_on(call).unwrap().status(), 200);
    }
    audit.finish();
    let lines = paper.lines();
    let all = done.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!((all, lines.len()), (told + 1_500, told + 1_500));
    assert!(lines.iter().all(|line| line["outcome"] == "done"));
    // Of those who hung up before anything was done one would have had a line, which found no room; that is told.
    let sum = |name: &str| lines.iter().filter_map(|line| line[name].as_u64()).sum::<u64>();
    assert_eq!((sum("lost"), audit.lost(), sum("more_refused")), (1, 1, 1_499 - told as u64));
}

#[test]
fn every_recorded_call_is_one_and_every_operation_is_recorded() {
    let all: Vec<_> = calls::chapters().into_iter().flat_map(|chapter| chapter.calls).collect();
    for action in RECORDED {
        assert!(all.iter().any(|call| call.id == *action), "{action}");
    }
    // What comes in as data: contacts and events.
    let data = ["importContacts", "putContact", "patchContact", "recordEvents", "removeEvent"];
    for call in all.iter().filter(|call| call.method != "GET") {
        let changes = matches!(call.needs, Needs::Write | Needs::Admin);
        let is_data = data.contains(&call.id) || call.id.starts_with("import");
        assert_eq!(RECORDED.contains(&call.id), changes && !is_data, "{}", call.id);
    }
}
