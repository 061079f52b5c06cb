//! The past of segments over a socket: members as of earlier writes, differences, days; and look-ups beside an import.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use serde_json::{Value, json};

use crate::support::server::{Server, agent};

const SEED: u64 = 20_260_501;
const SEGMENTS: [&str; 4] = ["High", "Recent", "Both", "List"];

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    (folder, server)
}

type Keys = BTreeSet<String>;

/// The members that a call lists, with its headers LSN, feed position and number of the erased.
fn members(server: &Server, segment: &str, query: &str) -> (Keys, u64, u64, u64) {
    let reply = server.call("GET", &format!("/v1/segments/{segment}/members{query}"), Value::Null);
    assert_eq!(reply.status, 200, "{segment}{query}: {}", reply.text);
    let key = |line: &str| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
    let keys: Keys = reply.text.lines().map(key).collect();
    let number = |name| reply.header(name).map_or(0, |text: &str| text.parse().unwrap());
    assert_eq!(number("throng-count"), keys.len() as u64);
    (keys, number("throng-lsn"), number("throng-seq"), number("throng-erased"))
}

/// One write of a random history.
fn step(server: &Server, random: &mut Pcg32, day: &mut i64) {
    let contact = format!("c{}", random.random_range(0..12));
    match random.random_range(0..100) {
        0..45 => {
            let score = random.random_range(0..100);
            server.ok("PATCH", &format!("/v1/contacts/{contact}"), json!({"lead_score": score}));
        }
        45..60 => {
            let event = json!({"contact": contact, "event": "purchase", "properties": {"amount": 5}});
            server.ok("POST", "/v1/events", event);
        }
        60..75 => {
            let edit = if random.random_bool(0.5) { "add" } else { "remove" };
            server.ok("POST", "/v1/segments/list/members", json!({edit: [contact]}));
        }
        75..85 => {
            *day += random.random_range(1..4);
            let now = format!("2026-{:02}-{:02}T00:00:00Z", 5 + *day / 28, 1 + *day % 28);
            server.ok("POST", "/v1/clock", json!({"now": now}));
        }
        85..93 => {
            let rule = format!("Lead Score > {}", random.random_range(20..80));
            server.ok("PATCH", "/v1/segments/high", json!({"rule": rule}));
        }
        _ => {
            server.call("DELETE", &format!("/v1/contacts/{contact}"), Value::Null);
        }
    }
}

#[test]
fn the_past_is_what_was_told_then() {
    let (folder, mut server) = server();
    let mut random = Pcg32::seed_from_u64(SEED);
    let rules = [
        ("High", "Lead Score > 50"),
        ("Recent", "did purchase in last 5 days"),
        ("Both", "in segment \"High\" AND in segment \"Recent\""),
    ];
    for (name, rule) in rules {
        server.ok("POST", "/v1/segments", json!({"name": name, "rule": rule}));
    }
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": []}));
    // By segment and LSN: the members, and the last entry of the feed.
    let mut seen: BTreeMap<(&str, u64), (Keys, u64)> = BTreeMap::new();
    let mut day = 0;
    for round in 0..90 {
        step(&server, &mut random, &mut day);
        for name in SEGMENTS {
            let (keys, lsn, seq, _) = members(&server, name, "");
            seen.insert((name, lsn), (keys, seq));
        }
        if round == 60 {
            server.ok("POST", "/v1/snapshot", Value::Null);
            assert!(server.stop());
            server = Server::start(&folder.path().join("data"), &[]);
            break;
        }
    }
    let everyone: Keys = {
        let answer = server.ok("POST", "/v1/query", json!({"rule": "everyone", "return": "keys"}));
        answer["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
    };
    for ((name, lsn), (keys, seq)) in &seen {
        let (then, told, at, erased) = members(&server, name, &format!("?at_lsn={lsn}"));
        // Contacts that were erased are counted; one who came back under the same key is someone else.
        assert!(then.is_subset(keys), "{name} at {lsn}");
        assert_eq!((then.len() as u64 + erased, told, at), (keys.len() as u64, *lsn, *seq), "{name} at {lsn}");
        assert!(keys.iter().all(|key| then.contains(key) || erased > 0 || !everyone.contains(key)));
    }
    let lsns: Vec<u64> = seen.keys().filter(|(name, _)| *name == "High").map(|(_, lsn)| *lsn).collect();
    for _ in 0..60 {
        let [a, b] = [(); 2].map(|()| lsns[random.random_range(0..lsns.len())]);
        for name in SEGMENTS {
            let path = format!("/v1/segments/{name}/diff?from_lsn={a}&to_lsn={b}");
            let answer = server.ok("GET", &path, Value::Null);
            let keys = |kind: &str| -> Keys {
                let changes = answer["changes"].as_array().unwrap().iter().filter(|change| change["kind"] == kind);
                changes.map(|change| change["contact"].as_str().unwrap().to_owned()).collect()
            };
            let then = |lsn: u64| members(&server, name, &format!("?at_lsn={lsn}")).0;
            let (before, after) = (then(a), then(b));
            assert_eq!(keys("entered"), &after - &before, "{path}");
            assert_eq!(keys("left"), &before - &after, "{path}");
            assert_eq!(
                (answer["entered"].as_u64(), answer["left"].as_u64()),
                (Some(keys("entered").len() as u64), Some(keys("left").len() as u64))
            );
        }
    }
}

#[test]
fn the_past_ends_where_a_segment_begins() {
    let (_folder, server) = server();
    let lsn = |answer: Value| answer["lsn"].as_u64().unwrap();
    let before = lsn(server.ok("PUT", "/v1/contacts/ann", json!({"lead_score": 60})));
    let made = lsn(server.ok("POST", "/v1/segments", json!({"name": "Hot", "rule": "Lead Score > 50"})));
    let after = lsn(server.ok("PUT", "/v1/contacts/bob", json!({"lead_score": 70})));
    let get = |path: String| server.call("GET", &path, Value::Null);
    let reply = get(format!("/v1/segments/hot/members?at_lsn={before}"));
    assert_eq!(reply.status, 404);
    assert!(reply.json()["detail"].as_str().unwrap().contains(&format!("made by LSN {made}")), "{}", reply.text);
    assert_eq!(get(format!("/v1/segments/hot/members?at_lsn={made}")).text, "{\"key\":\"ann\"}\n");
    assert_eq!(get(format!("/v1/segments/hot/members?at_lsn={}", after + 1)).status, 422);
    assert_eq!(get("/v1/segments/nothing/members?at_lsn=1".into()).status, 404);
    assert_eq!(get("/v1/segments/hot/diff".into()).status, 400);
    assert_eq!(get(format!("/v1/segments/hot/diff?from_lsn={before}")).status, 404);
    let both = get(format!("/v1/segments/hot/members?at_lsn={after}&limit=1"));
    let next = both.header("throng-next").expect("a next page").to_owned();
    server.ok("DELETE", "/v1/contacts/bob", Value::Null);
    let page = get(format!("/v1/segments/hot/members?at_lsn={after}&limit=1&after={next}"));
    assert_eq!(page.text, "{\"key\":\"bob\"}\n", "pages are of one view");
    let page = server.ok("GET", &format!("/v1/segments/hot/diff?from_lsn={made}"), Value::Null);
    assert_eq!((&page["changes"], &page["erased"]), (&json!([]), &json!(0)), "bob came and went");
    let page = server.ok("GET", &format!("/v1/segments/hot/diff?from_lsn={made}&to_lsn={after}"), Value::Null);
    assert_eq!((&page["changes"], &page["erased"]), (&json!([]), &json!(1)));
}

#[test]
fn days_tell_size_change_and_rule() {
    let (_folder, server) = server();
    let day = |text: &str| drop(server.ok("POST", "/v1/clock", json!({"now": format!("2026-05-{text}T12:00:00Z")})));
    server.ok("POST", "/v1/segments", json!({"name": "Hot", "rule": "Lead Score > 50"}));
    server.ok("PUT", "/v1/contacts/ann", json!({"lead_score": 60}));
    day("03");
    server.ok("PUT", "/v1/contacts/bob", json!({"lead_score": 70}));
    server.ok("PUT", "/v1/contacts/bob", json!({"lead_score": 40}));
    day("04");
    server.ok("PATCH", "/v1/segments/hot", json!({"rule": "Lead Score > 55"}));
    day("06");
    let row = |day: &str, size: u64, entered: u64, left: u64, version: u64| {
        let day = format!("2026-05-{day}");
        json!({"day": day, "size": size, "entered": entered, "left": left, "version": version})
    };
    let all = server.ok("GET", "/v1/segments/hot/history", Value::Null);
    let wanted = [
        row("01", 1, 1, 0, 1),
        row("02", 1, 0, 0, 1),
        row("03", 1, 1, 1, 1),
        row("04", 1, 0, 0, 2),
        row("05", 1, 0, 0, 2),
        row("06", 1, 0, 0, 2),
    ];
    assert_eq!(all["days"], json!(wanted));
    let some = server.ok("GET", "/v1/segments/hot/history?from=2026-05-03&to=2026-05-04", Value::Null);
    assert_eq!(some["days"], json!(wanted[2..4]));
    let none = server.ok("GET", "/v1/segments/hot/history?from=2027-01-01", Value::Null);
    assert_eq!(none["days"], json!([]));
    assert_eq!(server.call("GET", "/v1/segments/hot/history?from=May", Value::Null).status, 400);
    assert_eq!(server.call("GET", "/v1/segments/nothing/history", Value::Null).status, 404);
}

/// Lines as they are sent, until no more come.
struct Lines(Receiver<Vec<u8>>);

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Ok(line) = self.0.recv() else { return Ok(0) };
        buffer[..line.len()].copy_from_slice(&line);
        Ok(line.len())
    }
}

#[test]
fn look_ups_go_on_beside_an_import() {
    let (_folder, server) = server();
    server.ok("POST", "/v1/segments", json!({"name": "Hot", "rule": "Lead Score > 50"}));
    server.ok("POST", "/v1/segments", json!({"name": "Cold", "rule": "Lead Score < 20"}));
    server.ok("PUT", "/v1/contacts/ann", json!({"lead_score": 60}));
    let (sender, receiver) = sync_channel::<Vec<u8>>(0);
    let url = server.url.clone();
    let import = thread::spawn(move || {
        let request = ureq::http::Request::builder().method("POST").uri(format!("{url}/v1/contacts/import"));
        let request = request.header("content-type", "application/x-ndjson");
        let mut lines = Lines(receiver);
        let body = ureq::SendBody::from_reader(&mut lines);
        agent().run(request.body(body).unwrap()).unwrap().body_mut().read_to_string().unwrap()
    });
    for n in 0..200 {
        // The import is under way all the while: its next line is sent only after these answers.
        sender.send(format!("{{\"key\":\"k{n}\",\"lead_score\":{n}}}\n").into_bytes()).unwrap();
        let held = server.ok("GET", "/v1/contacts/ann/segments", Value::Null);
        assert_eq!(held["segments"], json!(["Hot"]));
        let looked =
            server.ok("POST", "/v1/lookup", json!({"contacts": ["nobody", "ann"], "segments": ["cold", "hot"]}));
        let wanted = json!([
            {"contact": "nobody", "unknown": true, "segments": []},
            {"contact": "ann", "segments": ["Hot"]},
        ]);
        assert_eq!(looked["results"], wanted);
    }
    drop(sender);
    assert!(import.join().unwrap().contains("\"accepted\":200"));
    let many: Vec<String> = (0..10_000).map(|n| format!("k{n}")).collect();
    let looked = server.ok("POST", "/v1/lookup", json!({"contacts": many}));
    assert_eq!(looked["results"][199]["segments"], json!(["Hot"]));
    assert_eq!(
        (&looked["results"][10]["segments"], &looked["results"][200]["unknown"]),
        (&json!(["Cold"]), &json!(true))
    );
    let more: Vec<&str> = vec!["x"; 10_001];
    assert_eq!(server.call("POST", "/v1/lookup", json!({"contacts": more})).status, 422);
    let unknown = json!({"contacts": ["ann"], "segments": ["nothing"]});
    assert_eq!(server.call("POST", "/v1/lookup", unknown).status, 404);
    assert_eq!(server.call("GET", "/v1/contacts/nobody/segments", Value::Null).status, 404);
}
