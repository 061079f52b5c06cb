//! What if: previews, forecasts, reasons and the ways back over a socket, against what then happens.

use serde_json::{Value, json};

use throng::model::time::Timestamp;

use crate::support::server::Server;

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    (folder, server)
}

/// A hundred contacts: scores 0 to 99, created on 100 days up to today, some with purchases.
fn filled() -> (tempfile::TempDir, Server) {
    let (folder, server) = server();
    let lines: String = (0..100)
        .map(|n| {
            let (month, day) = if n < 30 { (4, 30 - n) } else { (3, 31 - (n - 30) % 31) };
            format!("{{\"key\":\"k{n}\",\"lead_score\":{n},\"created\":\"2026-{month:02}-{day:02}T06:00:00Z\"}}\n")
        })
        .collect();
    assert_eq!(server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json()["accepted"], 100);
    let events: Vec<Value> = (0..20)
        .map(|n| {
            let at = format!("2026-04-{:02}T12:00:00Z", n + 10);
            json!({"contact": format!("k{n}"), "event": "purchase", "at": at, "properties": {"amount": 40 * n}})
        })
        .collect();
    server.ok("POST", "/v1/events", json!(events));
    for (name, rule) in [
        ("Warm", "Lead Score > 50"),
        ("New", "Created < 14 days ago"),
        ("Buyers", "did purchase in last 10 days AND Purchase Total > $100"),
        ("Top", "in segment \"Warm\" OR in segment \"New\""),
    ] {
        server.ok("POST", "/v1/segments", json!({"name": name, "rule": rule}));
    }
    (folder, server)
}

fn problem(server: &Server, method: &str, path: &str, body: Value, status: u16) -> Value {
    let reply = server.call(method, path, body);
    assert_eq!(reply.status, status, "{method} {path}: {}", reply.text);
    reply.json()
}

fn count(server: &Server, name: &str) -> u64 {
    server.ok("GET", &format!("/v1/segments/{name}"), Value::Null)["count"].as_u64().unwrap()
}

fn explain(server: &Server, key: &str, segment: &str) -> Value {
    server.ok("GET", &format!("/v1/contacts/{key}/segments/{segment}?explain=true"), Value::Null)
}

#[test]
fn a_preview_is_what_saving_then_does() {
    let (_folder, server) = filled();
    server.ok("POST", "/v1/segments/Warm/members", json!({"include": ["k3"], "exclude": ["k99"]}));
    let lsn = server.ok("GET", "/v1/status", Value::Null)["lsn"].clone();
    let body = json!({"rule": "Lead Score > 90 OR Lead Score < 2", "sample": 3});
    let told = server.ok("POST", "/v1/segments/warm/preview", body.clone());
    let n = |value: &Value, member: &str| value[member].as_u64().unwrap();
    assert_eq!(
        (n(&told, "now"), n(&told, "after"), n(&told, "entering"), n(&told, "leaving")),
        (49, 11, 2, 40),
        "{told}"
    );
    assert_eq!(told["samples"]["entering"], json!(["k0", "k1"]));
    assert_eq!(told["samples"]["leaving"].as_array().unwrap().len(), 3);
    assert_eq!(told["dependents"][0]["segment"], "Top");
    let top = &told["dependents"][0];
    assert_eq!(n(top, "now") + n(top, "entering") - n(top, "leaving"), n(top, "after"));
    assert_eq!(server.ok("GET", "/v1/status", Value::Null)["lsn"], lsn, "nothing is saved");
    assert_eq!(count(&server, "Warm"), 49);
    let after = n(top, "after");
    server.ok("PATCH", "/v1/segments/Warm", json!({"rule": body["rule"]}));
    assert_eq!((count(&server, "Warm"), count(&server, "Top")), (11, after));
    let cycle = problem(&server, "POST", "/v1/segments/Warm/preview", json!({"rule": "in segment \"Top\""}), 422);
    assert!(cycle["detail"].as_str().unwrap().contains("Warm → Top → Warm"), "{cycle}");
    problem(&server, "POST", "/v1/segments/Warm/preview", json!({"rule": "leed score > 1"}), 422);
    problem(&server, "POST", "/v1/segments/Nothing/preview", json!({"rule": "everyone"}), 404);
    let new = server.ok("POST", "/v1/segments/Nothing/preview?new=true", json!({"rule": "Lead Score < 5"}));
    assert_eq!((n(&new, "now"), n(&new, "entering"), n(&new, "after")), (0, 5, 5));
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": ["k1"]}));
    problem(&server, "POST", "/v1/segments/List/preview", json!({"rule": "everyone"}), 409);
}

#[test]
fn a_forecast_is_what_time_then_does() {
    let (_folder, server) = filled();
    let future =
        json!({"contact": "k50", "event": "purchase", "at": "2026-05-03T10:00:00Z", "properties": {"amount": 500}});
    server.ok("POST", "/v1/events", future);
    let names = ["Buyers", "New", "Top", "Warm"];
    let ahead: Vec<Value> = names
        .iter()
        .map(|name| server.ok("GET", &format!("/v1/segments/{name}/forecast?days=14"), Value::Null))
        .collect();
    assert_eq!(ahead[0]["days"][0]["day"], "2026-05-01");
    assert_eq!(ahead[0]["days"][2]["samples"]["entering"], json!(["k50"]), "{}", ahead[0]);
    assert_eq!((&ahead[3]["entering"], &ahead[3]["leaving"]), (&json!(0), &json!(0)));
    let mut sizes: Vec<u64> = names.iter().map(|name| count(&server, name)).collect();
    for day in 1..=14 {
        server.ok("POST", "/v1/clock", json!({"now": format!("2026-05-{day:02}T23:59:59.999Z")}));
        for (place, name) in names.iter().enumerate() {
            let told = &ahead[place]["days"][day - 1];
            let now = count(&server, name);
            assert_eq!(told["size"], now, "{name} on day {day}: {told}");
            let moved = told["entering"].as_i64().unwrap() - told["leaving"].as_i64().unwrap();
            assert_eq!(sizes[place] as i64 + moved, now as i64, "{name} on day {day}: {told}");
            sizes[place] = now;
        }
    }
    problem(&server, "GET", "/v1/segments/New/forecast?days=0", Value::Null, 422);
    problem(&server, "GET", "/v1/segments/Nothing/forecast", Value::Null, 404);
}

#[test]
fn reasons_are_told_node_by_node() {
    let (_folder, server) = filled();
    let cheap = server.ok("GET", "/v1/contacts/k60/segments/warm", Value::Null);
    assert_eq!((&cheap["member"], &cheap["since"]), (&json!(true), &json!("2026-05-01T00:00:00Z")));
    assert!(cheap.get("why").is_none());
    let why = explain(&server, "k5", "Top");
    assert_eq!((&why["member"], &why["why"]["rule"]), (&json!(true), &json!("OR")));
    let [warm, new] = &why["why"]["children"].as_array().unwrap()[..] else { panic!("{why}") };
    assert_eq!((&warm["segment"], &warm["holds"], &new["holds"]), (&json!("Warm"), &json!(false), &json!(true)));
    let score = &warm["children"][0];
    assert_eq!(
        (&score["rule"], &score["value"], &score["index"]),
        (&json!("lead_score > 50"), &json!(5), &json!("column"))
    );
    assert_eq!(new["children"][0]["value"], "2026-04-25T06:00:00Z");
    assert_eq!(why["next_change"], json!({"at": "2026-05-09T06:00:00Z", "member": false}));
    let change = &why["smallest_change"];
    assert_eq!((&change["rule"], &change["holds"]), (&json!("created < 14 days ago"), &json!(true)), "{change}");
    let why = explain(&server, "k48", "Warm");
    let change = &why["smallest_change"];
    assert_eq!(
        (&change["value"], &change["threshold"], &change["must"]),
        (&json!(48), &json!(50), &json!("lead_score > 50"))
    );
    assert_eq!(why["next_change"], Value::Null);
    let why = explain(&server, "k12", "Buyers");
    let purchase = &why["why"]["children"][0];
    assert_eq!((&why["member"], &purchase["value"]), (&json!(true), &json!(1)), "{why}");
    assert_eq!(why["why"]["children"][1]["value"].to_string(), "480", "{why}");
    assert_eq!(why["next_change"], json!({"at": "2026-05-02T12:00:00.001Z", "member": false}));
    let sum = json!({"name": "Spent", "rule": "sum(purchase.amount) in last 30 days > $479"});
    server.ok("POST", "/v1/segments", sum);
    assert_eq!(explain(&server, "k12", "Spent")["why"]["value"].to_string(), "480");
    server.ok("POST", "/v1/segments", json!({"name": "Half", "rule": "bucket(\"x\", 2) < 1"}));
    let half = explain(&server, "k1", "Half");
    assert_eq!((half["why"]["value"] == 0, &half["why"]["of"]), (half["member"] == true, &json!(2)));
    server.ok("POST", "/v1/segments/Warm/members", json!({"include": ["k5"], "exclude": ["k5", "k60"]}));
    let why = explain(&server, "k60", "Warm");
    assert_eq!((&why["member"], &why["since"], &why["pinned"]), (&json!(false), &Value::Null, &json!("out")));
    assert_eq!(why["smallest_change"]["pinned"], "out", "{why}");
    assert_eq!(explain(&server, "k5", "Warm")["pinned"], "out", "exclusion wins");
    server.ok("POST", "/v1/segments/Warm/members", json!({"include": ["k5"], "clear": ["k60"]}));
    let why = explain(&server, "k5", "Warm");
    assert_eq!((&why["member"], &why["pinned"], &why["why"]["holds"]), (&json!(true), &json!("in"), &json!(false)));
    assert_eq!(explain(&server, "k60", "Warm")["pinned"], Value::Null);
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": ["k1"]}));
    server.ok("POST", "/v1/segments", json!({"name": "Listed", "rule": "in segment \"List\""}));
    assert_eq!(explain(&server, "k2", "Listed")["smallest_change"]["segment"], "List");
    problem(&server, "POST", "/v1/segments/List/members", json!({"include": ["k2"]}), 409);
    problem(&server, "GET", "/v1/contacts/nobody/segments/Warm?explain=true", Value::Null, 404);
    problem(&server, "GET", "/v1/contacts/nobody/segments/Warm", Value::Null, 404);
    problem(&server, "GET", "/v1/contacts/k1/segments/Nothing?explain=true", Value::Null, 404);
}

/// At the instant told, and not a millisecond earlier, the membership flips.
#[test]
fn the_next_change_comes_when_it_was_told() {
    let (_folder, server) = filled();
    let rules = [
        ("R1", "Created in last 7 days AND NOT did purchase in last 5 days"),
        ("R2", "did purchase at least 2 times in last 20 days"),
        ("R3", "Created is this month XOR Last Activity > 15 days ago"),
        ("R4", "in segment \"R1\" OR Purchase Total > $700"),
        ("R5", "Created anniversary is today"),
    ];
    for (name, rule) in rules {
        server.ok("POST", "/v1/segments", json!({"name": name, "rule": rule}));
    }
    for (n, at) in [(3, "2026-05-04T01:02:03.004Z"), (9, "2026-05-02T00:00:00Z"), (19, "2026-05-06T00:00:00.001Z")] {
        let event = json!({"contact": format!("k{n}"), "event": "purchase", "at": at, "properties": {"amount": 400}});
        server.ok("POST", "/v1/events", event);
    }
    let mut checked = 0;
    for _ in 0..60 {
        let mut due: Vec<(String, String, &str, bool)> = Vec::new();
        for n in [0, 3, 9, 12, 19] {
            for (name, _) in rules {
                let why = explain(&server, &format!("k{n}"), name);
                if let Some(at) = why["next_change"]["at"].as_str() {
                    assert_eq!(why["next_change"]["member"], why["member"] == false);
                    due.push((at.to_owned(), format!("k{n}"), name, why["member"] == true));
                }
            }
        }
        let Some((at, ..)) = due.iter().min().cloned() else { break };
        let member = |key: &str, name: &str| {
            server.ok("GET", &format!("/v1/contacts/{key}/segments/{name}"), Value::Null)["member"] == true
        };
        let instant = throng::model::time::Timestamp::parse(&at).unwrap();
        server.ok("POST", "/v1/clock", json!({"now": instant.plus_ms(-1).to_string()}));
        for (_, key, name, was) in &due {
            assert_eq!(member(key, name), *was, "{key} in {name} before {at}");
        }
        server.ok("POST", "/v1/clock", json!({"now": at}));
        for (when, key, name, was) in &due {
            assert_eq!(member(key, name), *was != (*when == at), "{key} in {name} at {at}");
        }
        checked += 1;
        if at.as_str() > "2026-08" {
            break;
        }
    }
    assert!(checked > 8, "{checked}");
}

#[test]
fn the_ways_back() {
    let (_folder, server) = filled();
    let made = server.call("POST", "/v1/segments/warm/freeze", json!({"name": "Frozen"}));
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!((&made.json()["kind"], &made.json()["count"]), (&json!("static"), &json!(49)));
    problem(&server, "POST", "/v1/segments/warm/freeze", json!({"name": "FROZEN"}), 409);
    problem(&server, "POST", "/v1/segments/nothing/freeze", json!({"name": "x"}), 404);
    problem(&server, "POST", "/v1/segments/warm/freeze", json!({}), 422);
    server.ok("PATCH", "/v1/segments/Warm", json!({"rule": "Lead Score > 97"}));
    assert_eq!((count(&server, "Warm"), count(&server, "Frozen")), (2, 49));
    let back = server.ok("POST", "/v1/segments/warm/revert", json!({"version": 1}));
    assert_eq!((&back["version"], &back["count"], &back["rule"]), (&json!(3), &json!(49), &json!("lead_score > 50")));
    problem(&server, "POST", "/v1/segments/warm/revert", json!({"version": 9}), 422);
    problem(&server, "POST", "/v1/segments/frozen/revert", json!({"version": 1}), 409);
    problem(&server, "POST", "/v1/segments/nothing/revert", json!({"version": 1}), 404);
    server.ok("PATCH", "/v1/segments/Warm", json!({"name": "Warmer"}));
    assert_eq!(
        server.ok("GET", "/v1/segments/Top", Value::Null)["rule"],
        "in segment \"Warmer\" or in segment \"New\""
    );
    let used = problem(&server, "DELETE", "/v1/segments/warmer", Value::Null, 409);
    assert!(used["detail"].as_str().unwrap().contains("\"Top\""), "{used}");
    let cycle = problem(&server, "POST", "/v1/segments/warmer/preview", json!({"rule": "in segment \"warmer\""}), 422);
    assert!(cycle["detail"].as_str().unwrap().contains("Warmer → Warmer"), "{cycle}");
}

#[test]
fn what_is_told_is_of_now_and_not_of_the_last_write() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    server.ok("POST", "/v1/segments", json!({"name": "Odd", "rule": "Lead Score > 5"}));
    server.ok("POST", "/v1/segments", json!({"name": "Buyers", "rule": "did purchase in last 1 minute"}));
    let now = server.ok("GET", "/v1/clock", Value::Null)["now"].as_str().unwrap().to_owned();
    let ago = |seconds: i64| Timestamp::parse(&now).unwrap().plus_ms(-1_000 * seconds).to_string();
    for (contact, seconds) in [("ann", 57), ("ann", 0)] {
        let event = json!({"contact": contact, "event": "purchase", "at": ago(seconds)});
        server.ok("POST", "/v1/events", event);
    }
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(explain(&server, "ann", "Buyers")["why"]["value"], json!(1), "one of two has left the window");
    let two = "did purchase at least 2 times in last 1 minute";
    let told = server.ok("POST", "/v1/segments/Odd/preview", json!({"rule": two}));
    server.ok("PATCH", "/v1/segments/Odd", json!({"rule": two}));
    assert_eq!((&told["entering"], count(&server, "Odd")), (&json!(0), 0));
}
