//! What is sent again counts once: calls whose answer or whose request was cut off at any byte, retried, also over
//! restarts and kills.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::support::{
    generate::Dice,
    server::Server,
    wire::{self, Answer},
};

/// Cuts of answers without a restart between.
const CUTS: u64 = 10_000;
/// Restarts, every other one a kill, with so many cut calls before each.
const RESTARTS: u64 = 40;
const CALLS: u64 = 24;
const CLOCK: &[&str] = &["--clock", "2026-05-01T00:00:00Z"];
const READ_WHOLE: &[&str] = &["--clock", "2026-05-01T00:00:00Z", "--no-mmap"];
const JSON: (&str, &str) = ("content-type", "application/json");

/// The kinds of calls.
const KINDS: &[&str] = &[
    "events",
    "event lines",
    "import lines",
    "import table",
    "put",
    "patch",
    "erase",
    "delete event",
    "list",
    "list with contacts",
    "describe",
    "members",
    "delete segment",
    "suppression",
    "schema",
    "freeze",
    "revert",
];

/// Calls that need something to be there first.
fn prepared(kind: &str, n: u64) -> Option<(&'static str, String, Value)> {
    let key = format!("u{n}");
    Some(match kind {
        "erase" => ("PUT", format!("/v1/contacts/{key}"), json!({"name": "to be erased"})),
        "delete event" => {
            let event = json!({"id": format!("gone{n}"), "contact": key, "event": "visit"});
            ("POST", "/v1/events".into(), event)
        }
        "delete segment" => ("POST", "/v1/segments".into(), json!({"name": format!("gone {n}"), "members": []})),
        _ => return None,
    })
}

/// The request of a kind that nothing but its number tells from others; it has one effect each time it is done.
fn call(kind: &str, n: u64, key: &str) -> Vec<u8> {
    let contact = format!("u{n}");
    let line = json!({"contact": contact, "event": "purchase", "properties": {"amount": 1}});
    let member = format!("m{}", n % 50);
    let lines = "application/x-ndjson";
    let (method, path, media, body) = match kind {
        "events" => ("POST", "/v1/events".into(), JSON.1, json!([line, line]).to_string()),
        "event lines" => ("POST", "/v1/events".into(), lines, format!("{line}\n{line}\n")),
        "import lines" => {
            let contact = json!({"key": contact, "name": "imported", "lead_score": 1_234});
            ("POST", "/v1/contacts/import".into(), lines, format!("{contact}\n"))
        }
        "import table" => (
            "POST",
            "/v1/contacts/import".into(),
            "text/csv",
            format!("key,name,lead_score\n{contact},imported,1234\n"),
        ),
        "put" => ("PUT", format!("/v1/contacts/{contact}"), JSON.1, json!({"name": "put"}).to_string()),
        "patch" => ("PATCH", format!("/v1/contacts/{contact}"), JSON.1, json!({"tags": {"add": ["x"]}}).to_string()),
        "erase" => ("DELETE", format!("/v1/contacts/{contact}"), "", String::new()),
        "delete event" => ("DELETE", format!("/v1/events/gone{n}"), "", String::new()),
        "list" => {
            let body = json!({"name": format!("list {n}"), "kind": "static", "members": ["m1", "nobody"]});
            ("POST", "/v1/segments".into(), JSON.1, body.to_string())
        }
        "list with contacts" => {
            let body = json!({"name": format!("made {n}"), "kind": "static", "members": ["m1", contact]});
            ("POST", "/v1/segments?create=true".into(), JSON.1, body.to_string())
        }
        "describe" => {
            ("PATCH", "/v1/segments/shared".into(), JSON.1, json!({"description": format!("{n}")}).to_string())
        }
        "members" => {
            let body = json!({if n.is_multiple_of(2) { "add" } else { "remove" }: [member, "nobody"]});
            ("POST", "/v1/segments/shared/members".into(), JSON.1, body.to_string())
        }
        "delete segment" => ("DELETE", format!("/v1/segments/gone%20{n}"), "", String::new()),
        "suppression" => {
            let body = json!({"name": format!("mask {n}"), "members": ["m2"], "channels": ["email"]});
            ("POST", "/v1/suppressions".into(), JSON.1, body.to_string())
        }
        "schema" => {
            let body = json!({"properties": {"moving": {"aliases": [format!("alias{n}")]}}});
            ("PATCH", "/v1/schema".into(), JSON.1, body.to_string())
        }
        "freeze" => {
            ("POST", "/v1/segments/shared/freeze".into(), JSON.1, json!({"name": format!("frozen {n}")}).to_string())
        }
        "revert" => {
            let version = if n.is_multiple_of(2) { 1 } else { 2 };
            ("POST", "/v1/segments/ruled/revert".into(), JSON.1, json!({"version": version}).to_string())
        }
        other => panic!("{other}"),
    };
    let mut headers = vec![("idempotency-key", key)];
    headers.extend((!media.is_empty()).then_some(("content-type", media)));
    wire::request(method, &path, &headers, body.as_bytes())
}

/// Contacts, segments and a property that the calls are about.
fn furnish(server: &Server) {
    let lines: String = (0..50).map(|n| format!("{{\"key\":\"m{n}\"}}\n")).collect();
    assert_eq!(server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).status, 200);
    server.ok("POST", "/v1/segments", json!({"name": "shared", "members": []}));
    server.ok("POST", "/v1/segments", json!({"name": "ruled", "rule": "lead_score > 1"}));
    server.ok("PATCH", "/v1/segments/ruled", json!({"rule": "lead_score > 2"}));
    server.ok("PATCH", "/v1/schema", json!({"properties": {"moving": {"type": "text"}}}));
}

/// Makes what a call needs; gives how many writes that was, and the call will be.
fn prepare(server: &Server, kind: &str, n: u64) -> u64 {
    let own = if kind == "list with contacts" { 2 } else { 1 };
    let Some((method, path, body)) = prepared(kind, n) else { return own };
    server.ok(method, &path, body);
    own + 1
}

fn lsn(server: &Server) -> u64 {
    server.ok("GET", "/v1/status", Value::Null)["lsn"].as_u64().unwrap()
}

/// The answers to a call and to it sent again are the same but for the mark and the request's name.
fn same(first: &Answer, again: &Answer) {
    assert!(!first.is_replay() && again.is_replay(), "{}\n{}", first.head, again.head);
    assert_eq!((first.status, first.lsn()), (again.status, again.lsn()), "{}\n{}", first.body, again.body);
    let (mut first, mut again) = (first.json(), again.json());
    // What is told of a segment or the schema beside the write is of now, which others may have changed.
    for told in [&mut first, &mut again] {
        if let Some(told) = told.as_object_mut() {
            for moving in ["count", "updated", "version", "rule", "rule_json", "description", "properties"] {
                told.remove(moving);
            }
        }
    }
    assert_eq!(first, again);
}

#[test]
fn calls_whose_answer_is_cut_at_any_byte_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), CLOCK);
    furnish(&server);
    let before = lsn(&server);
    let (next, cuts, writes, purchases) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = |kinds: &[&str]| {
        let unit = || next.fetch_add(1, Ordering::Relaxed);
        for round in 0.. {
            if cuts.load(Ordering::Relaxed) >= CUTS {
                return;
            }
            for kind in kinds {
                // One that is not cut tells how long an answer is.
                let n = unit();
                writes.fetch_add(prepare(&server, kind, n), Ordering::Relaxed);
                let (key, mut places) = (format!("whole {n}"), BTreeSet::new());
                let first = wire::whole(&server.url, &call(kind, n, &key));
                assert!(first.status < 300, "{kind}: {} {}", first.status, first.body);
                same(&first, &wire::whole(&server.url, &call(kind, n, &key)));
                let other = wire::whole(&server.url, &call(kind, n + 1, &key));
                assert_eq!(other.status, 422, "{kind}: {}", other.body);
                purchases.fetch_add(u64::from(kind.starts_with("event")), Ordering::Relaxed);
                places.extend(0..=first.bytes);
                for place in places {
                    let n = unit();
                    writes.fetch_add(prepare(&server, kind, n), Ordering::Relaxed);
                    purchases.fetch_add(u64::from(kind.starts_with("event")), Ordering::Relaxed);
                    let request = call(kind, n, &format!("cut {round} {n}"));
                    let was_answered = wire::cut_answer(&server.url, &request, place);
                    let again = wire::whole(&server.url, &request);
                    assert_eq!(again.status, first.status, "{kind} at {place}: {}", again.body);
                    assert!(again.is_replay() || place == 0 || !was_answered, "{kind} at {place}: {}", again.head);
                    cuts.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    thread::scope(|scope| KINDS.chunks(4).for_each(|kinds| drop(scope.spawn(|| work(kinds)))));
    let (cuts, writes) = (cuts.into_inner(), writes.into_inner());
    println!("{cuts} answers cut, {writes} writes");
    assert!(cuts >= CUTS);
    assert_eq!(lsn(&server) - before, writes, "each call was one write, however often it was sent");
    let twice = server.count("did purchase exactly 2 times");
    assert_eq!((twice, server.count("did purchase")), (purchases.into_inner(), twice), "each event was recorded once");
}

/// A call that was sent under its key, maybe cut off.
struct Sent {
    kind: &'static str,
    n: u64,
    request: Vec<u8>,
    /// Whether some of the answer was there, so that it had been done.
    was_done: bool,
}

#[test]
fn cut_calls_count_once_over_restarts_and_kills() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut dice = Dice::new(77);
    let mut server = Server::start(&data, CLOCK);
    furnish(&server);
    let (mut n, mut replays, mut fresh, mut purchases) = (0, 0, 0, 0);
    for restart in 0..RESTARTS {
        let (mut writes, before) = (0, lsn(&server));
        let mut sent: Vec<Sent> = vec![];
        for _ in 0..CALLS {
            n += 1;
            let kind = *dice.pick(KINDS);
            writes += prepare(&server, kind, n);
            purchases += u64::from(kind.starts_with("event"));
            let request = call(kind, n, &format!("restart {n}"));
            let was_done = match dice.below(3) {
                0 => {
                    wire::cut_answer(&server.url, &request, 0);
                    false
                }
                1 => {
                    wire::cut_request(&server.url, &request, dice.below(request.len() + 1));
                    false
                }
                _ => wire::cut_answer(&server.url, &request, 1 + dice.below(150)),
            };
            sent.push(Sent { kind, n, request, was_done });
        }
        if dice.chance(30) {
            server.ok("POST", "/v1/snapshot", Value::Null);
        }
        if restart % 2 == 0 {
            server.kill();
        } else {
            assert!(server.stop());
        }
        server = Server::start(&data, if dice.chance(20) { READ_WHOLE } else { CLOCK });
        if dice.chance(30) {
            // A second one between, with a snapshot of what was read from the log.
            server.ok("POST", "/v1/snapshot", Value::Null);
            server.kill();
            server = Server::start(&data, CLOCK);
        }
        for Sent { kind, n, request, was_done } in &sent {
            let again = wire::whole(&server.url, request);
            assert!(again.status < 300, "{kind} {n}: {} {}", again.status, again.body);
            assert!(again.is_replay() || !was_done, "{kind} {n}: {}", again.head);
            replays += u64::from(again.is_replay());
            fresh += u64::from(!again.is_replay());
            same_replay(&again, &wire::whole(&server.url, request));
            let other = wire::whole(&server.url, &call(kind, n + 1, &format!("restart {n}")));
            assert_eq!(other.status, 422, "{kind} {n}: {}", other.body);
        }
        assert_eq!(lsn(&server) - before, writes, "restart {restart}: each call was one write");
        let twice = server.count("did purchase exactly 2 times");
        assert_eq!((twice, server.count("did purchase")), (purchases, twice), "each event was recorded once");
    }
    println!("{RESTARTS} restarts, {n} cut calls: {replays} had been done, {fresh} had not");
    assert!(replays > 300 && fresh > 100, "{replays} had been done, {fresh} had not");
}

/// A third time, after a restart: the write is the same.
fn same_replay(first: &Answer, again: &Answer) {
    assert!(again.is_replay(), "{}", again.head);
    assert_eq!((first.status, first.lsn()), (again.status, again.lsn()));
}

#[test]
fn calls_whose_request_is_cut_at_any_byte_are_done_once_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), CLOCK);
    furnish(&server);
    let (mut n, mut cuts, before, mut writes, mut purchases) = (0, 0, lsn(&server), 0, 0);
    for kind in KINDS {
        let mut sent = vec![];
        let length = call(kind, 100_000, "request 100000").len();
        for bytes in 0..=length {
            n += 1;
            writes += prepare(&server, kind, n);
            purchases += u64::from(kind.starts_with("event"));
            let request = call(kind, n, &format!("request {n}"));
            wire::cut_request(&server.url, &request, bytes.min(request.len()));
            sent.push(request);
            cuts += 1;
        }
        // What is there of them is whole: both events or none, the number as it was sent or no contact.
        let (once, short) =
            (server.count("did purchase exactly 1 time"), server.count("Lead Score != 1234 excluding missing"));
        assert_eq!((once, short), (0, 0), "{kind}: a call is half there");
        let nameless = server.count("name is not \"imported\" excluding missing and lead_score is set");
        assert_eq!(nameless, 0, "{kind}: a record is half there");
        for request in &sent {
            let again = wire::whole(&server.url, request);
            assert!(again.status < 300, "{kind}: {} {}", again.status, again.body);
        }
    }
    assert_eq!(lsn(&server) - before, writes, "each call was one write, sent twice");
    // A table without a key: its records before the cut may be there, and none of them cut.
    let table = |n: u64| format!("key,name,lead_score\ncut{n}a,imported,1234\ncut{n}b,imported,1234").into_bytes();
    let send = |n: u64| wire::request("POST", "/v1/contacts/import", &[("content-type", "text/csv")], &table(n));
    for bytes in 0..=send(1_000).len() as u64 {
        wire::cut_request(&server.url, &send(1_000 + bytes), bytes as usize);
        cuts += 1;
    }
    assert_eq!(server.count("name is not \"imported\" excluding missing and lead_score is set"), 0);
    assert_eq!(server.count("Lead Score != 1234 excluding missing or (name = imported and lead_score is not set)"), 0);
    println!("{cuts} requests cut");
    let twice = server.count("did purchase exactly 2 times");
    assert_eq!((twice, server.count("did purchase")), (purchases, twice), "each event was recorded once");
}

#[test]
fn a_replay_does_nothing_anew_and_tells_of_what_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), CLOCK);
    let send = |path: &str, key: &str, body: &Value| {
        wire::whole(
            &server.url,
            &wire::request("POST", path, &[JSON, ("idempotency-key", key)], body.to_string().as_bytes()),
        )
    };
    for (resource, list) in [("segments", "A list"), ("suppressions", "A mask")] {
        let (make, path) =
            (format!("/v1/{resource}?create=true"), format!("/v1/{resource}/{}", list.replace(' ', "%20")));
        let body = json!({"name": list, "members": ["x", "y"]});
        let first = send(&make, &format!("make {list}"), &body);
        assert_eq!((first.status, first.json()["count"].as_u64()), (201, Some(2)), "{}", first.body);
        let edit = json!({"remove": ["x"]});
        let edited = send(&format!("{path}/members"), &format!("edit {list}"), &edit);
        assert_eq!(edited.json()["count"], 1);
        // What was added is not added again after it was taken away.
        let again = send(&make, &format!("make {list}"), &body);
        assert_eq!((again.status, again.is_replay(), again.lsn()), (201, true, first.lsn()));
        assert_eq!(again.json()["count"], 1, "{}", again.body);
        assert_eq!(server.call("DELETE", &path, Value::Null).status, 204);
        let gone = send(&make, &format!("make {list}"), &body);
        assert_eq!((gone.status, gone.is_replay(), gone.lsn()), (201, true, first.lsn()), "{}", gone.body);
        let gone = send(&format!("{path}/members"), &format!("edit {list}"), &edit);
        assert_eq!((gone.status, gone.is_replay(), gone.lsn()), (200, true, edited.lsn()), "{}", gone.body);
        assert!(gone.json()["count"].is_null(), "{}", gone.body);
    }
}

#[test]
fn events_with_ids_count_once_without_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start(&data, CLOCK);
    let mut dice = Dice::new(78);
    let mut made = 0;
    for round in 0..12 {
        let mut sent = vec![];
        for n in 0..60 {
            let event = |part: u64| {
                let id = format!("id {round} {n} {part}");
                json!({"id": id, "contact": format!("c{round}-{n}"), "event": "purchase", "properties": {"amount": 5}})
            };
            let (media, body) = match n % 2 {
                0 => ("application/json", json!([event(0), event(1)]).to_string()),
                _ => ("application/x-ndjson", format!("{}\n{}\n", event(0), event(1))),
            };
            let request = wire::request("POST", "/v1/events", &[("content-type", media)], body.as_bytes());
            if dice.chance(50) {
                wire::cut_request(&server.url, &request, dice.below(request.len() + 1));
            } else {
                wire::cut_answer(&server.url, &request, dice.below(120));
            }
            sent.push(request);
            made += 1;
        }
        if round % 2 == 0 {
            server.kill()
        } else {
            assert!(server.stop())
        }
        server = Server::start(&data, CLOCK);
        for request in &sent {
            let answer = wire::whole(&server.url, request).json();
            let told = (answer["accepted"].as_u64().unwrap(), answer["duplicates"].as_u64().unwrap());
            assert_eq!(told.0 + told.1, 2, "{answer}");
        }
        assert_eq!(server.count("did purchase exactly 2 times"), made);
        assert_eq!(server.count("sum(purchase.amount) = $10"), made);
    }
}
