//! Tracking calls over a socket: what each SDK sends, as it was recorded; ids, clocks, limits, errors, CORS; and who
//! was anonymous becomes known. The SDKs themselves are driven by `tests/sdk/run`.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::support::server::{Reply, Server};

const CLOCK: &str = "2026-05-01T00:00:00Z";
/// What was recorded of each SDK: its calls, and the keys that they are about.
const RECORDED: [(&str, &str, &str, &str); 4] = [
    ("segment-python", include_str!("../cases/tracking/segment-python.json"), "py-1", "py@x.org"),
    ("rudderstack-python", include_str!("../cases/tracking/rudderstack-python.json"), "rpy-1", "rpy@x.org"),
    ("segment-node", include_str!("../cases/tracking/segment-node.json"), "n-1", "n@x.org"),
    ("rudderstack-node", include_str!("../cases/tracking/rudderstack-node.json"), "rn-1", "rn@x.org"),
];

fn server(arguments: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = ["--clock", CLOCK].iter().chain(arguments).copied().collect();
    let server = Server::start(&folder.path().join("data"), &arguments);
    (folder, server)
}

/// A call that is taken whole.
fn sent(server: &Server, path: &str, body: Value) -> Reply {
    let reply = server.call("POST", path, body);
    assert_eq!((reply.status, reply.text.as_str()), (200, r#"{"success":true}"#), "{path}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("throng-rejected"), Some("0"), "{path}");
    reply
}

fn contact(server: &Server, key: &str) -> Value {
    server.ok("GET", &format!("/v1/contacts/{key}"), Value::Null)
}

fn is_there(server: &Server, key: &str) -> bool {
    server.call("GET", &format!("/v1/contacts/{key}"), Value::Null).status == 200
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_each_sdk_sends_is_taken() {
    for (sdk, recorded, user, email) in RECORDED {
        let (_folder, server) = server(&[]);
        let calls: Vec<Value> = serde_json::from_str(recorded).unwrap();
        for round in 0..2 {
            for call in &calls {
                let headers = call["headers"].as_object().unwrap();
                let headers: Vec<(&str, &str)> =
                    headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
                let body = call["body"].to_string().into_bytes();
                let is_packed = headers.contains(&("content-encoding", "gzip"));
                let body = if is_packed { packed(&body) } else { body };
                let reply = server.with_headers("POST", call["path"].as_str().unwrap(), &headers, body);
                assert_eq!((reply.status, reply.text.as_str()), (200, r#"{"success":true}"#), "{sdk}");
                assert_eq!(reply.header("throng-rejected"), Some("0"), "{sdk}");
            }
            // Sent again, each event counts once.
            let status = server.ok("GET", "/v1/status", Value::Null);
            let events = if sdk == "segment-python" { 4 } else { 3 };
            assert_eq!(status["events"], events, "{sdk}, round {round}");
        }
        let known = contact(&server, user);
        assert_eq!((&known["email"], &known["groups"]), (&json!(email), &json!(["g-9"])), "{sdk}: {known}");
        for rule in [
            "did order_completed in last 1 year",
            "did page_viewed where name = \"Home\"",
            "did screen_viewed where name = \"Main\" in last 5 minutes",
        ] {
            assert_eq!(server.count(rule), 1, "{sdk}: {rule}");
        }
        if sdk == "segment-python" {
            assert_eq!(known["address_city"], "Oslo");
            // What is dated by the caller stays so far from the moment of sending, and a number is an id.
            assert_eq!(server.count("did order_completed where products_sku contains \"x\" and revenue = 39.95"), 1);
            assert!(is_there(&server, "42"));
        }
    }
}

#[test]
fn every_path_takes_its_call() {
    let (_folder, server) = server(&[]);
    sent(
        &server,
        "/v1/identify",
        json!({"userId": "u", "traits": {"plan": "pro", "createdAt": "2026-01-01T00:00:00Z"}}),
    );
    sent(&server, "/v1/i", json!({"userId": "u", "traits": {"seats": 3}}));
    for path in ["/v1/track", "/v1/t", "/v1/track/"] {
        sent(&server, path, json!({"userId": "u", "event": "Signed Up"}));
    }
    for path in ["/v1/page", "/v1/p"] {
        sent(&server, path, json!({"userId": "u", "name": "Pricing", "properties": {"path": "/pricing"}}));
    }
    for path in ["/v1/screen", "/v1/s"] {
        sent(&server, path, json!({"userId": "u", "name": "Cart"}));
    }
    sent(&server, "/v1/group", json!({"userId": "u", "groupId": "a"}));
    sent(&server, "/v1/g", json!({"userId": "u", "groupId": 7}));
    for path in ["/v1/batch", "/v1/b", "/v1/import", "/v1/import/", "/beacon/v1/batch?writeKey=k"] {
        sent(&server, path, json!({"batch": [{"type": "track", "userId": "u", "event": "Batched"}]}));
    }
    let known = contact(&server, "u");
    assert_eq!((&known["plan"], &known["seats"]), (&json!("pro"), &json!(3)));
    assert_eq!((&known["created"], &known["groups"]), (&json!("2026-01-01T00:00:00Z"), &json!(["a", "7"])));
    assert_eq!(server.count("did signed_up exactly 3 times and did batched exactly 5 times"), 1);
    assert_eq!(server.count("did page_viewed exactly 2 times and did screen_viewed exactly 2 times"), 1);
    let schema = server.ok("GET", "/v1/schema", Value::Null);
    assert_eq!(schema["events"]["page_viewed"]["label"], "name");
    assert_eq!(server.count("did page_viewed \"Pricing\" exactly 2 times"), 1);
}

#[test]
fn who_was_anonymous_becomes_known() {
    let (_folder, server) = server(&[]);
    server.ok("PATCH", "/v1/schema", json!({"events": {"bought": {}}}));
    server.ok("POST", "/v1/segments", json!({"name": "buyers", "rule": "did bought"}));
    server.ok("POST", "/v1/segments", json!({"name": "listed", "members": []}));
    sent(
        &server,
        "/v1/identify",
        json!({"anonymousId": "a", "traits": {"city": "Oslo", "plan": "free", "tags": ["x"]}}),
    );
    sent(
        &server,
        "/v1/track",
        json!({"anonymousId": "a", "event": "Bought", "messageId": "m-1", "properties": {"n": 1}}),
    );
    server.ok("POST", "/v1/segments/listed/members", json!({"add": ["anon:a"]}));
    assert_eq!(server.ok("GET", "/v1/contacts/anon:a/segments", Value::Null)["segments"], json!(["buyers", "listed"]));
    let call = json!({"userId": "u", "anonymousId": "a", "traits": {"plan": "pro", "tags": ["y"]}});
    sent(&server, "/v1/identify", call.clone());
    assert!(!is_there(&server, "anon:a"));
    let known = contact(&server, "u");
    assert_eq!((&known["city"], &known["plan"]), (&json!("Oslo"), &json!("pro")), "{known}");
    assert_eq!(server.ok("GET", "/v1/contacts/u/segments", Value::Null)["segments"], json!(["buyers", "listed"]));
    // Both changed at once: whoever follows the feed sees one leave and the other enter, each once.
    let changes = server.ok("GET", "/v1/feed", Value::Null)["changes"].clone();
    let told: Vec<(String, String, String)> = changes.as_array().unwrap()[2..]
        .iter()
        .map(|change| {
            let text = |member: &str| change[member].as_str().unwrap_or("-").to_owned();
            assert_eq!(change["erased"] == true, text("contact") != "u", "{change}");
            (text("contact"), text("segment"), text("kind"))
        })
        .collect();
    let before: Vec<_> = told.iter().filter(|told| told.0 == "-").map(|told| told.2.as_str()).collect();
    assert_eq!(before, ["entered"; 2], "what was told of the first one before names nobody any more");
    for (contact, kind) in [("-", "entered"), ("anon:a", "left"), ("u", "entered")] {
        for segment in ["buyers", "listed"] {
            let wanted = (contact.to_owned(), segment.to_owned(), kind.to_owned());
            assert_eq!(told.iter().filter(|told| **told == wanted).count(), 1, "{told:?}");
        }
    }
    // Traits that are refused join nobody, also in the midst of a batch.
    sent(&server, "/v1/identify", json!({"anonymousId": "b", "traits": {"lead_score": 1}}));
    let scored =
        |score: Value| json!({"type": "identify", "userId": "w", "anonymousId": "b", "traits": {"lead_score": score}});
    let reply = server.call("POST", "/v1/batch", json!({"batch": [scored(json!("high"))]}));
    assert_eq!(reply.header("throng-rejected"), Some("1"));
    assert!(is_there(&server, "anon:b") && !is_there(&server, "w"));
    sent(&server, "/v1/batch", json!({"batch": [scored(json!(2))]}));
    assert_eq!((is_there(&server, "anon:b"), &contact(&server, "w")["lead_score"]), (false, &json!(2)));
    assert_eq!(server.call("DELETE", "/v1/contacts/w", Value::Null).status, 204);
    // The event kept its id: sent late, it counts once. A second identify has nothing to merge.
    sent(&server, "/v1/track", json!({"anonymousId": "a", "event": "Bought", "messageId": "m-1"}));
    sent(&server, "/v1/identify", call);
    assert_eq!(server.count("did bought exactly 1 time"), 1);
    assert_eq!(server.count("everyone"), 1);
    assert_eq!(server.call("DELETE", "/v1/events/m-1", Value::Null).status, 204);
    assert_eq!(server.count("did bought"), 0);
}

#[test]
fn a_message_that_comes_again_undoes_nothing() {
    let (folder, mut server) = server(&[]);
    let identify =
        |id: &str, plan: &str| json!({"type": "identify", "userId": "u", "messageId": id, "traits": {"plan": plan}});
    let counts = |reply: &Reply| {
        let count = |name: &str| reply.header(name).unwrap().parse::<u64>().unwrap();
        ["throng-accepted", "throng-duplicates", "throng-rejected"].map(count)
    };
    let send = |server: &Server, path: &str, body: Value| counts(&server.call("POST", path, body));
    assert_eq!(send(&server, "/v1/identify", identify("m-1", "free")), [1, 0, 0]);
    assert_eq!(send(&server, "/v1/identify", identify("m-2", "pro")), [1, 0, 0]);
    assert_eq!(send(&server, "/v1/identify", identify("m-1", "free")), [0, 1, 0]);
    assert_eq!(contact(&server, "u")["plan"], "pro", "a late retry");
    // In one batch, too, with other calls; one that is refused may come again in a better shape.
    let group = json!({"type": "group", "userId": "u", "groupId": "g", "messageId": "m-1"});
    let wrong = json!({"type": "identify", "userId": "u", "messageId": "m-3", "traits": {"lead_score": "high"}});
    let batch = json!([identify("m-2", "free"), group, group, identify("m-4", "max"), identify("m-4", "min"), wrong]);
    assert_eq!(send(&server, "/v1/batch", json!({"batch": batch})), [2, 3, 1]);
    assert_eq!((&contact(&server, "u")["plan"], &contact(&server, "u")["groups"]), (&json!("max"), &json!(["g"])));
    assert_eq!(send(&server, "/v1/identify", identify("m-3", "max")), [1, 0, 0]);
    let alias = json!({"previousId": "old", "userId": "u", "messageId": "m-5"});
    assert_eq!(send(&server, "/v1/alias", alias.clone()), [1, 0, 0]);
    server.ok("PUT", "/v1/contacts/old", json!({}));
    // What the group of long ago was left of is not entered again by a retry, over restarts with and without a snapshot.
    server.ok("PATCH", "/v1/contacts/u", json!({"groups": null}));
    for round in 0..3 {
        assert_eq!(send(&server, "/v1/group", group.clone()), [0, 1, 0], "round {round}");
        assert_eq!(send(&server, "/v1/a", alias.clone()), [0, 1, 0], "round {round}");
        assert!(is_there(&server, "old") && contact(&server, "u").get("groups").is_none());
        match round {
            0 => server.kill(),
            _ => {
                server.ok("POST", "/v1/snapshot", Value::Null);
                assert!(server.stop());
            }
        }
        server = Server::start(&folder.path().join("data"), &["--clock", CLOCK]);
    }
    // Without an id a call counts each time, and the day after an id is forgotten.
    assert_eq!(send(&server, "/v1/identify", json!({"userId": "u"})), [1, 0, 0]);
    assert_eq!(send(&server, "/v1/identify", json!({"userId": "u", "messageId": null})), [1, 0, 0]);
    server.ok("POST", "/v1/clock", json!({"now": "2026-05-03T00:00:00Z"}));
    assert_eq!(send(&server, "/v1/group", group), [1, 0, 0]);
    let long = server.ok("POST", "/v1/identify?verbose=true", identify(&"x".repeat(600), "pro"));
    assert_eq!((&long["rejected"], &long["errors"][0]["pointer"]), (&json!(1), &json!("/messageId")));
}

#[test]
fn an_alias_makes_two_one() {
    let (_folder, server) = server(&[]);
    sent(&server, "/v1/track", json!({"anonymousId": "a", "event": "Seen"}));
    sent(&server, "/v1/track", json!({"userId": "old", "event": "Seen"}));
    sent(&server, "/v1/alias", json!({"previousId": "a", "userId": "u"}));
    sent(&server, "/v1/a", json!({"previousId": "old", "userId": "u"}));
    sent(&server, "/v1/alias", json!({"previousId": "never seen", "userId": "v"}));
    assert_eq!(server.count("did seen exactly 2 times"), 1);
    assert!(is_there(&server, "u") && is_there(&server, "v") && !is_there(&server, "old"));
    assert_eq!(server.count("everyone"), 2);
}

#[test]
fn clocks_are_corrected() {
    let (_folder, server) = server(&[]);
    // A client two days ahead sends an hour late what happened a day before.
    let call = json!({
        "userId": "u", "event": "Late", "originalTimestamp": "2026-05-02T00:00:00.000Z",
        "timestamp": "2030-01-01T00:00:00Z", "sentAt": "2026-05-03T00:00:00.000+00:00",
    });
    sent(&server, "/v1/track", call);
    assert_eq!(server.count("last late in last 24 hours"), 1);
    assert_eq!(server.count("last late in last 23 hours"), 0);
    // Said once for a batch; and without it, what is stated is so. No instant at all is now.
    let calls = json!([
        {"type": "track", "userId": "a", "event": "Dated", "timestamp": "2026-04-01T00:00:00Z"},
        {"type": "track", "userId": "b", "event": "Dated"},
        {"type": "track", "userId": "c", "event": "Dated", "timestamp": 1_777_000_000_000_u64},
    ]);
    sent(&server, "/v1/batch", json!({"batch": calls, "sentAt": "2026-04-01T01:00:00Z"}));
    assert_eq!(server.count("did dated in last 61 minutes and not (did dated in last 59 minutes)"), 1);
    sent(&server, "/v1/track", json!({"userId": "d", "event": "Stated", "timestamp": "2026-04-01T00:00:00Z"}));
    assert_eq!(server.count("did stated in last 30 days"), 1);
    assert_eq!(server.count("did stated in last 29 days"), 0);
}

#[test]
fn an_instant_that_cannot_be_read_is_as_good_as_none() {
    let (_folder, server) = server(&[]);
    let stated = [
        json!("yesterday"),
        json!(""),
        json!(1.5),
        json!({"at": "2026-04-01T00:00:00Z"}),
        json!("2026-02-30T00:00:00Z"),
        json!(null),
        json!("2026-04-01"),
        json!("2026-04-01T00:00:00"),
        json!("2026-04-01T00:00:00.000Z"),
    ];
    let calls: Vec<Value> = stated
        .iter()
        .enumerate()
        .map(|(n, at)| json!({"type": "track", "userId": n, "event": "Stated", "timestamp": at}))
        .collect();
    let told = server.ok("POST", "/v1/batch?verbose=true", json!({"batch": calls}));
    let counts = ["accepted", "rejected", "undated"].map(|name| told[name].as_u64());
    assert_eq!(counts, [Some(9), Some(0), Some(5)]);
    assert_eq!(server.count("did stated in last 1 minute"), 6);
    assert_eq!(server.count("did stated between 2026-04-01 and 2026-04-01"), 3);
    // What `originalTimestamp` does not say, `timestamp` may.
    let call = json!({"userId": "u", "event": "Said", "originalTimestamp": "?", "timestamp": "2026-04-01T00:00:00Z"});
    sent(&server, "/v1/track", call);
    assert_eq!(server.count("did said between 2026-04-01 and 2026-04-01"), 1);
    // Nor is the clock corrected by a moment of sending that nobody can read.
    let call = json!({"userId": "u", "event": "Sent", "timestamp": "2026-04-01T00:00:00Z", "sentAt": "?"});
    sent(&server, "/v1/track", call);
    assert_eq!(server.count("did sent between 2026-04-01 and 2026-04-01"), 1);
}

#[test]
fn what_is_refused_harms_nothing_else() {
    let (_folder, server) = server(&[]);
    let long = "x".repeat(33_000);
    let calls = json!([
        {"type": "track", "userId": "u", "event": "Good", "messageId": "m"},
        {"type": "track", "event": "Of Nobody"},
        {"type": "track", "userId": "u"},
        {"type": "dance", "userId": "u"},
        {"type": "track", "userId": ["u"], "event": "Good"},
        {"type": "track", "userId": "u", "event": "Long", "properties": {"text": long}},
        {"type": "track", "userId": "u", "event": "Dated", "timestamp": "yesterday"},
        {"type": "identify", "userId": "u", "traits": {"lead_score": "high"}},
        {"type": "group", "userId": "u"},
        {"type": "alias", "userId": "u"},
        {"type": "track", "userId": "u", "event": "Good", "messageId": "m"},
        "no object",
    ]);
    let reply = server.call("POST", "/v1/batch", json!({"batch": calls}));
    assert_eq!((reply.status, reply.text.as_str()), (200, r#"{"success":true}"#));
    let counts = ["throng-accepted", "throng-duplicates", "throng-rejected"].map(|name| reply.header(name));
    assert_eq!(counts, [Some("2"), Some("1"), Some("9")]);
    let told = server.call("POST", "/v1/batch?verbose=true", json!({"batch": calls})).json();
    assert_eq!((&told["success"], &told["duplicates"], &told["rejected"]), (&json!(true), &json!(2), &json!(9)));
    let codes: Vec<(u64, &str)> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["line"].as_u64().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    let wanted = [
        (2, "no_key"),
        (3, "missing_member"),
        (4, "unknown_call"),
        (5, "wrong_type"),
        (6, "too_long"),
        (8, "wrong_type"),
        (9, "missing_member"),
        (10, "missing_member"),
        (12, "unknown_call"),
    ];
    assert_eq!(codes, wanted);
    let many: Vec<Value> = (0..2_501).map(|n| json!({"type": "track", "userId": n, "event": "Many"})).collect();
    let reply = server.call("POST", "/v1/batch", json!({"batch": many}));
    assert_eq!((reply.status, reply.header("throng-rejected")), (200, Some("1")));
    assert_eq!(server.count("did many"), 2_500);
}

#[test]
fn errors_speak_to_sdks() {
    let (_folder, server) = server(&[]);
    for (path, body, status) in
        [("/v1/track", "{\"event\":", 400), ("/v1/batch", "{}", 400), ("/v1/batch", "", 400), ("/v1/track", "[]", 400)]
    {
        let reply = server.send("POST", path, "application/json", body);
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.text);
        let told = reply.json();
        for member in ["error", "code", "message", "detail", "request_id"] {
            assert!(told[member].is_string(), "{member} is missing: {told}");
        }
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
    // So do those that are made at the door, and by the framework.
    let speaks = |reply: &Reply, status: u16| {
        let told = reply.json();
        let is_there = ["error", "code", "message"].map(|member| told[member].is_string());
        assert_eq!((reply.status, is_there), (status, [true; 3]), "{told}");
    };
    let plain = [("content-type", "text/plain")];
    speaks(&server.call("PUT", "/v1/track", Value::Null), 405);
    speaks(&server.call("GET", "/v1/batch/", Value::Null), 405);
    speaks(&server.with_headers("POST", "/v1/t", &[plain[0], ("host", "evil.example")], b"{}".to_vec()), 403);
    speaks(&server.with_headers("POST", "/v1/t", &[plain[0], ("x-forwarded-for", "10.0.0.7")], b"{}".to_vec()), 403);
    let (_slow, slow) = self::server(&["--rate-limit", "1/h"]);
    let calls = [0, 1].map(|_| slow.call("POST", "/v1/track", json!({"userId": "u", "event": "x"})));
    speaks(&calls[1], 429);
    assert!(calls[1].header("retry-after").is_some());
    // What is no call of theirs stays as it is.
    assert!(server.call("GET", "/v1/nothing", Value::Null).json().get("message").is_none());
    let large = server.send("POST", "/v1/batch", "text/plain", vec![b' '; (16 << 20) + 1]);
    assert_eq!((large.status, large.json()["code"].as_str()), (413, Some("body_too_large")));
    let broken = server.with_headers("POST", "/v1/t", &[("content-encoding", "gzip")], b"no gzip".to_vec());
    assert_eq!((broken.status, broken.json()["code"].as_str()), (400, Some("malformed")));
}

#[test]
fn browsers_may_call_from_any_page() {
    let (_folder, server) = server(&[]);
    let asked = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-retry-count"),
    ];
    for path in ["/v1/t", "/v1/batch", "/v1/import/", "/v1/projects/wk/settings"] {
        let reply = server.with_headers("OPTIONS", path, &asked, vec![]);
        assert!(reply.status == 200 || reply.status == 204, "{path}: {}", reply.status);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        let allowed = reply.header("access-control-allow-headers").unwrap().to_lowercase();
        for header in ["authorization", "content-type", "x-retry-count"] {
            assert!(allowed.contains(header), "{path}: {allowed}");
        }
        assert!(reply.header("access-control-allow-methods").unwrap().contains("POST"));
    }
    // The rest of the API is for no page.
    let other = server.with_headers("OPTIONS", "/v1/query", &asked, vec![]);
    assert_eq!((other.status, other.header("access-control-allow-origin")), (405, None));
    // A beacon comes as plain text, and names the key in its body.
    let beacon = json!({"type": "track", "writeKey": "wk", "userId": "b", "event": "Left", "sentAt": null}).to_string();
    let headers = [("content-type", "text/plain;charset=UTF-8"), ("origin", "https://shop.example")];
    let reply = server.with_headers("POST", "/v1/t", &headers, beacon.into_bytes());
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, Some("*")));
    assert_eq!(server.count("did left"), 1);
    let settings = server.with_headers("GET", "/v1/projects/wk/settings", &headers[1..], vec![]);
    assert_eq!((settings.status, settings.header("access-control-allow-origin")), (200, Some("*")));
    let segment = &settings.json()["integrations"]["Segment.io"];
    assert_eq!(segment["apiKey"], "wk");
    assert_eq!(format!("http://{}", segment["apiHost"].as_str().unwrap()), format!("{}/v1", server.url));
}

#[test]
fn a_file_says_what_becomes_of_what() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tracking.json");
    let mapping = json!({
        "page": "Visit", "traits": {"company.name": "company", "password": null},
        "events": {"Order Completed": {"event": "purchase", "properties": {"revenue": "amount", "total": null}}, "Noise": null},
        "context": {"campaign.source": "utm_source"},
    });
    std::fs::write(&file, mapping.to_string()).unwrap();
    let (_data, server) = server(&["--tracking", file.to_str().unwrap()]);
    let traits = json!({"company": {"name": "Acme"}, "password": "secret"});
    sent(&server, "/v1/identify", json!({"userId": "u", "traits": traits}));
    let order = json!({"userId": "u", "event": "Order Completed", "properties": {"revenue": 120.5, "total": 130},
        "context": {"campaign": {"source": "mail"}}});
    sent(&server, "/v1/track", order);
    sent(&server, "/v1/track", json!({"userId": "u", "event": "Noise"}));
    sent(&server, "/v1/page", json!({"userId": "u", "name": "Home"}));
    let known = contact(&server, "u");
    assert_eq!((&known["company"], &known["purchase_total"]), (&json!("Acme"), &json!(120.5)), "{known}");
    assert!(known.get("password").is_none());
    assert_eq!(server.count("did purchase where utm_source = \"mail\" and did visit \"Home\""), 1);
    assert_eq!(server.ok("GET", "/v1/status", Value::Null)["events"], 2);
}

#[test]
fn what_is_said_for_all_calls_counts_for_each() {
    let (_folder, server) = server(&[]);
    let identify = |n: usize| json!({"type": "identify", "userId": format!("u-{n}")});
    let batch = |context: Value, calls: usize| {
        let calls: Vec<Value> = (0..calls).map(identify).collect();
        server.call("POST", "/v1/batch", json!({"batch": calls, "context": context}))
    };
    let traits = |count: usize| {
        let members: serde_json::Map<String, Value> =
            (0..count).map(|n| (format!("trait_number_{n}"), json!("some text or other"))).collect();
        json!({"traits": members})
    };
    assert_eq!(batch(traits(1_000), 1).status, 400);
    // Each is 30 KB or so: of a thousand about half fit.
    let reply = batch(traits(600), 1_000);
    let rejected: u64 = reply.header("throng-rejected").unwrap().parse().unwrap();
    assert_eq!(reply.status, 200);
    assert!((300..700).contains(&rejected), "{rejected}");
    assert_eq!(contact(&server, "u-0")["trait_number_599"], "some text or other");
}

#[test]
fn odd_shapes_cost_no_more_than_themselves() {
    let (_folder, server) = server(&[]);
    sent(&server, "/v1/identify", json!({"userId": "u", "traits": []}));
    let properties = json!({"a": {"b": "second"}, "a.b": "first", "`": 1, "x".repeat(300): 2, "kept": 3});
    sent(&server, "/v1/track", json!({"userId": "u", "event": "Odd", "properties": properties, "context": []}));
    assert_eq!(server.count("did odd where kept = 3 and a_b = \"second\""), 1);
    // One retry under a key counts as one call, though the moment is another and the kind is declared by now.
    let body =
        json!({"userId": "u", "name": "Home", "timestamp": "2026-04-30T00:00:00Z", "sentAt": "2026-04-30T00:00:01Z"});
    let page = || {
        let headers = [("content-type", "application/json"), ("idempotency-key", "page-1")];
        server.with_headers("POST", "/v1/page", &headers, body.to_string().into_bytes())
    };
    let (first, again) = (page(), page());
    assert_eq!((first.status, again.status), (200, 200), "{}", again.text);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(server.count("did page_viewed exactly 1 time"), 1);
}
