//! The feed over a socket: every change once, in order, without a gap, for those who ask, wait and listen.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Stdio},
    thread,
};

use serde_json::{Value, json};

use crate::support::{
    events::{Event, Events},
    server::{Server, agent, call},
};

const CLOCK: [&str; 2] = ["--clock", "2026-05-01T00:00:00Z"];

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &CLOCK);
    (folder, server)
}

/// Two segments, one of them by time, and one contact that enters both.
fn filled() -> (tempfile::TempDir, Server) {
    let (folder, server) = server();
    server.ok("POST", "/v1/segments", json!({"name": "Hot", "rule": "Lead Score > 50"}));
    server.ok(
        "POST",
        "/v1/segments",
        json!({"name": "New, hot", "rule": "in segment \"Hot\" AND created in last 7 days"}),
    );
    server.ok("PUT", "/v1/contacts/ann", json!({"lead_score": 60}));
    (folder, server)
}

fn feed(server: &Server, query: &str) -> Value {
    server.ok("GET", &format!("/v1/feed?{query}"), Value::Null)
}

fn changes(server: &Server, query: &str) -> Vec<Value> {
    feed(server, query)["changes"].as_array().unwrap().clone()
}

/// What an entry says, in short.
fn short(change: &Value) -> String {
    let text = |key: &str| change[key].as_str().unwrap_or("-").to_owned();
    match text("kind").as_str() {
        "bulk" => format!("{} bulk +{} -{} {}", text("segment"), change["entered"], change["left"], text("cause")),
        kind => format!("{} {} {kind} {}", text("segment"), text("contact"), text("cause")),
    }
}

fn shorts(changes: &[Value]) -> Vec<String> {
    changes.iter().map(short).collect()
}

fn gone(server: &Server, path: &str, code: &str) -> Value {
    let reply = server.call("GET", path, Value::Null);
    assert_eq!(reply.status, 410, "{path}: {}", reply.text);
    let problem = reply.json();
    assert_eq!(problem["type"], format!("urn:throng:problem:{code}"));
    assert!(problem["oldest"].is_u64() && problem["newest"].is_u64(), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("Throng-Seq"), "the way to start again: {problem}");
    problem
}

#[test]
fn every_change_is_told_in_order() {
    let (_folder, server) = filled();
    server.ok("POST", "/v1/clock", json!({"now": "2026-05-09T00:00:00Z"}));
    server.ok("PATCH", "/v1/segments/hot", json!({"rule": "Lead Score > 70"}));
    server.ok("PATCH", "/v1/contacts/ann", json!({"lead_score": 80}));
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": ["ann"]}));
    server.ok("POST", "/v1/segments/list/members", json!({"remove": ["ann"]}));
    server.ok("PATCH", "/v1/segments/list", json!({"name": "Renamed"}));
    server.ok("DELETE", "/v1/contacts/ann", Value::Null);
    let all = feed(&server, "");
    let told = all["changes"].as_array().unwrap();
    let wanted = [
        "Hot bulk +0 -0 rule",
        "New, hot bulk +0 -0 rule",
        "Hot - entered write",
        "New, hot - entered write",
        "New, hot - left time",
        "Hot - left rule",
        "Hot - entered write",
        "Renamed bulk +1 -0 manual",
        "Renamed - left manual",
        "Hot ann left erase",
    ];
    assert_eq!(shorts(told), wanted);
    let seqs: Vec<u64> = told.iter().map(|change| change["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
    assert!(told.windows(2).all(|pair| pair[0]["lsn"].as_u64() <= pair[1]["lsn"].as_u64()));
    assert_eq!(told[4]["at"], "2026-05-08T00:00:00.001Z", "a change by time is told at its own instant");
    assert_eq!((&told[2]["version"], &told[5]["version"]), (&json!(1), &json!(2)));
    assert_eq!((&all["next"], &told[0]["changes"]), (&json!(10), &json!("/v1/feed/1/changes")));
    assert_eq!(server.ok("GET", "/v1/status", Value::Null)["seq"], 10);
    assert_eq!(feed(&server, "after=10"), json!({"changes": [], "next": 10}));
}

#[test]
fn a_filter_leaves_out_and_goes_on() {
    let (_folder, server) = filled();
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": ["ann"]}));
    assert_eq!(shorts(&changes(&server, "segment=hot")), ["Hot bulk +0 -0 rule", "Hot ann entered write"]);
    assert_eq!(changes(&server, "segment=new,%20hot").len(), 2, "a name with a comma is a name");
    assert_eq!(changes(&server, "segment=hot,list").len(), 3);
    assert_eq!(changes(&server, "segment=hot&segment=list&segment=new,+hot").len(), 5);
    assert_eq!(
        feed(&server, "after=3&segment=hot"),
        json!({"changes": [], "next": 5}),
        "nothing for it, yet it goes on"
    );
    let page = feed(&server, "segment=hot&limit=1");
    assert_eq!((page["changes"].as_array().unwrap().len(), &page["next"]), (1, &json!(1)));
    let status = |path: &str| server.call("GET", path, Value::Null).status;
    assert_eq!(status("/v1/feed?segment=hot,nothing"), 404);
    for wrong in ["after=x", "after=-1", "wait=x", "limit=x", "other=1", "after=1&after=2"] {
        assert_eq!(status(&format!("/v1/feed?{wrong}")), 400, "{wrong}");
    }
    for wrong in ["wait=61", "wait=-1", "limit=0", "limit=100001"] {
        assert_eq!(status(&format!("/v1/feed?{wrong}")), 422, "{wrong}");
    }
    // What is deleted stays told by its name, also beside a new segment of that name.
    server.ok("DELETE", "/v1/segments/list", Value::Null);
    server.ok("POST", "/v1/segments", json!({"name": "LIST", "members": []}));
    let told = changes(&server, "segment=list");
    assert_eq!(shorts(&told), ["List bulk +1 -0 manual", "List bulk +0 -1 rule", "LIST bulk +0 -0 manual"]);
}

#[test]
fn who_was_erased_is_named_by_the_last_entry_alone() {
    let (folder, mut server) = filled();
    server.ok("PATCH", "/v1/contacts/ann", json!({"lead_score": 1}));
    server.ok("PUT", "/v1/contacts/ann", json!({"lead_score": 70}));
    let before = changes(&server, "after=2");
    let id = before[0]["contact_id"].clone();
    assert!(id.is_u64() && before.iter().all(|change| change["contact_id"] == id && change.get("erased").is_none()));
    server.ok("DELETE", "/v1/contacts/ann", Value::Null);
    // Someone else under the same key is not the one who was erased.
    server.ok("PUT", "/v1/contacts/ann", json!({"lead_score": 90}));
    let told = changes(&server, "after=2");
    // Entered twice, left and entered again, then left by the erasure; two more of the new one.
    let is_last = |change: &Value| change["cause"] == "erase";
    let (old, new) = told.split_at(told.iter().rposition(is_last).unwrap() + 1);
    assert_eq!((old.iter().filter(|change| is_last(change)).count(), new.len()), (2, 2), "{told:?}");
    for change in old {
        let wanted = if is_last(change) { json!("ann") } else { Value::Null };
        assert_eq!((&change["contact"], &change["contact_id"], &change["erased"]), (&wanted, &id, &json!(true)));
    }
    for change in new {
        assert_eq!((&change["contact"], change.get("erased")), (&json!("ann"), None));
        assert_ne!(change["contact_id"], id);
    }
    let mut stream = Events::open(&server, "/v1/feed?after=2", None);
    let streamed: Vec<Value> = (0..told.len()).map(|_| stream.next().unwrap().data).collect();
    assert_eq!(streamed, told, "a stream tells the same");
    drop(stream);
    server.ok("POST", "/v1/snapshot", Value::Null);
    assert!(server.stop());
    let server = Server::start(&folder.path().join("data"), &CLOCK);
    let told = changes(&server, "");
    assert_eq!(told.len(), 12);
    let gone = |change: &&Value| change["erased"] == true && change["contact_id"] == id && change["contact"].is_null();
    assert_eq!(told.iter().skip(2).filter(gone).count(), 8, "{told:?}");
    assert!(told[9].as_object().unwrap().contains_key("contact"));
}

#[test]
fn readers_resume_without_a_gap_or_a_repeat() {
    let (folder, mut server) = filled();
    let mut seen: Vec<Value> = Vec::new();
    let mut after = 0;
    for round in 0..12 {
        for n in 0..4 {
            let score = if (round + n) % 2 == 0 { 90 } else { 10 };
            server.ok("PUT", &format!("/v1/contacts/c{n}"), json!({"lead_score": score}));
        }
        if round % 3 == 0 {
            let last = after.to_string();
            let mut events = Events::open(&server, "/v1/feed?after=999999", Some(&last));
            for _ in 0..5 {
                let Event { id, kind, data } = events.next().unwrap();
                assert_eq!((&json!(id), &json!(kind)), (&data["seq"], &data["kind"]));
                after = id.unwrap();
                seen.push(data);
            }
        } else {
            let page = feed(&server, &format!("after={after}&limit=7"));
            after = page["next"].as_u64().unwrap();
            seen.extend(page["changes"].as_array().unwrap().clone());
        }
        match round % 4 {
            1 => server.kill(),
            2 => assert!(server.stop()),
            3 => {
                server.ok("POST", "/v1/snapshot", Value::Null);
                continue;
            }
            _ => continue,
        }
        server = Server::start(&folder.path().join("data"), &CLOCK);
    }
    seen.extend(changes(&server, &format!("after={after}")));
    let seqs: Vec<u64> = seen.iter().map(|change| change["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seen.len() as u64).collect::<Vec<_>>());
    assert_eq!(seen, changes(&server, ""), "what was told before a restart is what is told after it");
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for change in seen.iter().filter(|change| change["kind"] != "bulk") {
        let set = members.entry(change["segment"].as_str().unwrap().into()).or_default();
        let contact = change["contact"].as_str().unwrap().to_owned();
        let was_new = if change["kind"] == "entered" { set.insert(contact) } else { set.remove(&contact) };
        assert!(was_new, "told twice: {change}");
    }
    for (segment, set) in members {
        let path = format!("/v1/segments/{}/members", segment.replace(' ', "%20"));
        let lines = server.call("GET", &path, Value::Null).text;
        let keys: BTreeSet<String> = lines.lines().map(|line| line[8..line.len() - 2].to_owned()).collect();
        assert_eq!(keys, set, "{segment}");
    }
}

#[test]
fn those_who_wait_are_woken() {
    let (_folder, server) = filled();
    let waiting = |query: &'static str| {
        let url = server.url.clone();
        thread::spawn(move || {
            call(&agent(), &url, "GET", &format!("/v1/feed?{query}"), &[], Vec::new()).unwrap().json()
        })
    };
    assert_eq!(changes(&server, "wait=60").len(), 4, "what is there is answered at once");
    let all = waiting("after=4&wait=60");
    let hot = waiting("after=4&wait=60&segment=hot");
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": ["ann"]}));
    assert_eq!(shorts(all.join().unwrap()["changes"].as_array().unwrap()), ["List bulk +1 -0 manual"]);
    server.ok("PATCH", "/v1/contacts/ann", json!({"lead_score": 1}));
    let hot = hot.join().unwrap();
    assert_eq!(
        (shorts(hot["changes"].as_array().unwrap()), &hot["next"]),
        (vec!["Hot ann left write".into()], &json!(7))
    );
    let late = feed(&server, "after=5&segment=list&wait=0.05");
    assert_eq!(late, json!({"changes": [], "next": 7}), "the time is over");
}

#[test]
fn listeners_hear_at_once_and_go_when_the_server_stops() {
    let (_folder, mut server) = filled();
    let mut all = Events::open(&server, "/v1/feed", None);
    let mut hot = Events::open(&server, "/v1/feed?after=2&segment=Hot", None);
    let first: Vec<u64> = (0..4).map(|_| all.next().unwrap().id.unwrap()).collect();
    assert_eq!(first, [1, 2, 3, 4], "without a place it begins at the oldest");
    assert_eq!(short(&hot.next().unwrap().data), "Hot ann entered write");
    server.ok("PATCH", "/v1/segments/hot", json!({"name": "Very hot"}));
    server.ok("PATCH", "/v1/contacts/ann", json!({"lead_score": 1}));
    assert_eq!(short(&all.next().unwrap().data), "Very hot ann left write");
    assert_eq!(short(&all.next().unwrap().data), "New, hot ann left write");
    assert_eq!(short(&hot.next().unwrap().data), "Very hot ann left write", "a segment is followed through a rename");
    let url = server.url.clone();
    let waits = thread::spawn(move || call(&agent(), &url, "GET", "/v1/feed?after=6&wait=60", &[], vec![]));
    let reply =
        server.with_headers("GET", "/v1/feed", &[("accept", "text/event-stream"), ("last-event-id", "x")], vec![]);
    assert_eq!(reply.status, 400);
    assert!(server.stop(), "those who listen do not keep it from stopping");
    assert_eq!((all.next(), hot.next()), (None, None));
    drop(waits.join().unwrap());
}

#[test]
fn a_place_that_has_not_come_is_gone() {
    let (_folder, server) = filled();
    let problem = gone(&server, "/v1/feed?after=5", "cursor_ahead");
    assert_eq!((&problem["oldest"], &problem["newest"]), (&json!(1), &json!(4)));
    let headers = [("accept", "text/event-stream"), ("last-event-id", "77")];
    assert_eq!(server.with_headers("GET", "/v1/feed", &headers, vec![]).status, 410);
    for missing in ["/v1/feed/3/changes", "/v1/feed/5/changes", "/v1/feed/0/changes"] {
        assert_eq!(server.call("GET", missing, Value::Null).status, 404, "{missing}");
    }
    assert_eq!(server.call("GET", "/v1/feed/x/changes", Value::Null).status, 400);
}

#[test]
fn large_changes_have_their_exact_lists() {
    let (_folder, server) = server();
    let lines: String = (0..20_002).map(|n| format!("{{\"key\":\"k{n:05}\",\"lead_score\":{}}}\n", n % 4)).collect();
    server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines);
    server.ok("POST", "/v1/segments", json!({"name": "Low", "rule": "Lead Score < 2"}));
    server.ok("PATCH", "/v1/segments/low", json!({"rule": "Lead Score >= 1 AND Lead Score <= 3"}));
    let told = changes(&server, "");
    assert_eq!(shorts(&told), ["Low bulk +10002 -0 rule", "Low bulk +10000 -5001 rule"]);
    let list = |seq: u64| {
        let reply = server.call("GET", &format!("/v1/feed/{seq}/changes"), Value::Null);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")));
        let counts: [usize; 2] =
            ["throng-entered", "throng-left"].map(|name| reply.header(name).unwrap().parse().unwrap());
        let lines: Vec<Value> = reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let keys = |kind: &str| -> Vec<String> {
            let of_kind = lines.iter().filter(|line| line["kind"] == kind);
            of_kind.map(|line| line["contact"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!([keys("entered").len(), keys("left").len()], counts);
        assert_eq!(lines.len(), counts[0] + counts[1]);
        (keys("entered"), keys("left"))
    };
    let of = |scores: &[usize]| -> Vec<String> {
        (0..20_002).filter(|n| scores.contains(&(n % 4))).map(|n| format!("k{n:05}")).collect()
    };
    assert_eq!(list(1), (of(&[0, 1]), vec![]));
    assert_eq!(list(2), (of(&[2, 3]), of(&[0])));
    server.ok("DELETE", "/v1/contacts/k00001", Value::Null);
    let lines = server.call("GET", "/v1/feed/1/changes", Value::Null).text;
    assert_eq!(lines.lines().count(), 10_002, "whoever was erased was there");
    let gone: Vec<&str> = lines.lines().filter(|line| line.contains("erased")).collect();
    assert_eq!(gone, [r#"{"contact":null,"contact_id":1,"erased":true,"kind":"entered"}"#]);
}

#[test]
fn a_reader_that_is_too_slow_is_told() {
    let (_folder, server) = server();
    let import = |score: u32| {
        let lines: String = (0..10_000).map(|n| format!("{{\"key\":\"k{n}\",\"lead_score\":{score}}}\n")).collect();
        let answer = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json();
        assert_eq!(answer["accepted"], 10_000);
    };
    import(0);
    for n in 0..60 {
        server.ok("POST", "/v1/segments", json!({"name": format!("s{n}"), "rule": "Lead Score > 50"}));
    }
    let made = server.ok("GET", "/v1/status", Value::Null)["lsn"].clone();
    let mut slow = Events::open(&server, "/v1/feed?after=30", None);
    assert_eq!(slow.next().unwrap().id, Some(31));
    import(90);
    import(0);
    let status = server.ok("GET", "/v1/status", Value::Null);
    assert_eq!(status["seq"], 60 + 2 * 60 * 10_000);
    let mut seen = 31;
    let last = loop {
        let event = slow.next().unwrap();
        if event.kind == "gone" {
            break event;
        }
        seen += 1;
        assert_eq!((event.id, &event.data["seq"]), (Some(seen), &json!(seen)));
    };
    assert_eq!(slow.next(), None, "and then it ends");
    assert_eq!(last.data["code"], "cursor_too_old");
    assert!(last.data["oldest"].as_u64().unwrap() > seen + 1);
    let problem = gone(&server, &format!("/v1/feed?after={seen}"), "cursor_too_old");
    assert_eq!(problem["oldest"], last.data["oldest"]);
    gone(&server, "/v1/feed/1/changes", "cursor_too_old");
    gone(&server, &format!("/v1/segments/s1/members?at_lsn={made}"), "history_gone");
    let first = changes(&server, "after=0&limit=1");
    assert_eq!(first[0]["seq"], last.data["oldest"], "without a place it begins at the oldest that is kept");
}

#[test]
fn watch_shows_the_feed() {
    let (_folder, server) = filled();
    let watch = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
        command.arg("watch").args(arguments).args(["--url", &server.url]).stdout(Stdio::piped());
        command.spawn().expect("the program runs")
    };
    let text = |child: std::process::Child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let all = text(watch(&["--from", "0", "--no-follow"]));
    assert_eq!(all.lines().count(), 4, "{all}");
    assert!(all.contains("Hot: + ann  (write)") && all.contains("Hot: 0 entered, 0 left  (rule)"), "{all}");
    let follows = watch(&["--segment", "hot", "--from", "3", "--changes", "1", "--json"]);
    server.ok("PATCH", "/v1/contacts/ann", json!({"lead_score": 1}));
    let line: Value = serde_json::from_str(&text(follows)).unwrap();
    assert_eq!(short(&line), "Hot ann left write");
    assert!(!watch(&["--segment", "nothing", "--no-follow"]).wait().unwrap().success());
}
