//! Webhooks over a socket: what a receiver is told, in which order, and what becomes of it when the receiver, or the
//! server, is in trouble.

use std::{fs, thread, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    receiver::{Act, Receiver},
    server::Server,
};

/// Plans that a test can wait for. The plan of the standard is in the unit tests.
pub(crate) const QUICK: &[&str] = &[
    "--webhook-retries",
    "0ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms",
    "--webhook-refused-retries",
    "0ms,10ms,10ms",
    "--webhook-timeout",
    "2s",
];

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) receiver: Receiver,
}

impl World {
    pub(crate) fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("data"), QUICK);
        server.ok("POST", "/v1/segments", json!({"name": "VIP", "rule": "Has tag \"VIP\""}));
        server.ok("POST", "/v1/segments", json!({"name": "Rich", "rule": "Lead Score > 50"}));
        World { folder, server, receiver: Receiver::start(|_| Act::Status(200)) }
    }

    /// Makes a webhook to a path of the receiver.
    pub(crate) fn hook(&self, path: &str, mut body: Value) -> String {
        body["url"] = format!("{}{path}", self.receiver.url).into();
        self.server.ok("POST", "/v1/webhooks", body)["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn get(&self, id: &str) -> Value {
        self.server.ok("GET", &format!("/v1/webhooks/{id}"), Value::Null)
    }

    pub(crate) fn patch(&self, id: &str, body: Value) -> Value {
        self.server.ok("PATCH", &format!("/v1/webhooks/{id}"), body)
    }

    pub(crate) fn deliveries(&self, id: &str) -> Value {
        self.server.ok("GET", &format!("/v1/webhooks/{id}/deliveries"), Value::Null)
    }

    /// Waits until a webhook is as it should be.
    pub(crate) fn until(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let hook = self.get(id);
            if is_so(&hook) {
                return hook;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn tag(&self, key: &str, is_vip: bool) {
        let edit = if is_vip { json!({"add": ["VIP"]}) } else { json!({"remove": ["VIP"]}) };
        self.server.ok("PATCH", &format!("/v1/contacts/{key}"), json!({"tags": edit}));
    }

    pub(crate) fn restart(&mut self, arguments: &[&str]) {
        assert!(self.server.stop());
        self.server = Server::start(&self.folder.path().join("data"), arguments);
    }
}

#[test]
fn a_webhook_is_made_shown_changed_and_deleted() {
    let world = World::new();
    let url = format!("{}/a", world.receiver.url);
    let body = json!({"url": url, "segments": ["vip"], "kinds": ["left", "entered"], "description": "for the CRM"});
    let made = world.server.call("POST", "/v1/webhooks", body);
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!((&made["segments"], &made["kinds"]), (&json!(["VIP"]), &json!(["entered", "left"])));
    assert_eq!((&made["status"], &made["paused"]), (&json!("active"), &json!(false)));
    let shown = world.get(id);
    assert!(shown.get("secret").is_none(), "shown once");
    assert_eq!((&shown["url"], &shown["description"]), (&json!(url), &json!("for the CRM")));
    let list = world.server.ok("GET", "/v1/webhooks", Value::Null);
    assert_eq!((&list["count"], &list["webhooks"][0]), (&json!(1), &shown));
    assert_eq!(world.patch(id, json!({"paused": true}))["status"], "paused");
    assert_eq!(world.patch(id, json!({"status": "active", "description": null}))["description"], Value::Null);
    world.server.ok("PATCH", "/v1/segments/VIP", json!({"name": "Stars"}));
    assert_eq!(world.get(id)["segments"], json!(["Stars"]), "a segment is followed through a rename");
    assert_eq!(world.server.call("DELETE", &format!("/v1/webhooks/{id}"), Value::Null).status, 204);
    for (method, tail) in [("GET", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries"), ("POST", "/replay")]
    {
        let reply = world.server.call(method, &format!("/v1/webhooks/{id}{tail}"), Value::Null);
        assert_eq!((reply.status, &reply.json()["status"]), (404, &json!(404)), "{method} {tail}");
    }
}

#[test]
fn what_is_wrong_with_a_webhook_is_told() {
    let world = World::new();
    let refused = |body: Value, status: u16, code: &str| {
        let reply = world.server.call("POST", "/v1/webhooks", body.clone());
        let problem = reply.json();
        assert_eq!((reply.status, &problem["type"]), (status, &json!(format!("urn:throng:problem:{code}"))), "{body}");
    };
    let url = format!("{}/a", world.receiver.url);
    refused(json!({}), 422, "missing_member");
    refused(json!({"url": url, "segments": ["none"]}), 422, "unknown_segment");
    refused(json!({"url": url, "kinds": ["exploded"]}), 422, "bad_kind");
    refused(json!({"url": url, "secret": "whsec_abc"}), 422, "bad_secret");
    refused(json!({"url": url, "nmae": "x"}), 422, "unknown_member");
    refused(json!({"url": url, "id": "wh_NO"}), 422, "bad_id");
    world.hook("/named", json!({"id": "wh_named"}));
    refused(json!({"url": url, "id": "wh_named"}), 409, "id_taken");
    refused(json!({"url": url, "after": 1_000_000}), 410, "cursor_ahead");
    for bad in ["ftp://example.com/", "https://u:p@example.com/", "http://example.com/", "http://10.0.0.1/", "x", ""] {
        refused(json!({"url": bad}), 422, "bad_url");
    }
    refused(json!({"url": "http://169.254.169.254/latest/meta-data/"}), 422, "bad_url");
    refused(json!({"url": format!("{}/v1/contacts", world.server.url)}), 422, "url_denied");
    for n in 0..63 {
        world.hook(&format!("/{n}"), json!({}));
    }
    refused(json!({"url": url}), 422, "too_many");
}

#[test]
fn a_retried_creation_makes_one_webhook() {
    let mut world = World::new();
    let create = |world: &World, path: &str| {
        let body = json!({"url": format!("{}{path}", world.receiver.url)}).to_string().into_bytes();
        let headers = [("content-type", "application/json"), ("idempotency-key", "k-1")];
        world.server.with_headers("POST", "/v1/webhooks", &headers, body)
    };
    let first = create(&world, "/a").json();
    world.restart(QUICK);
    let again = create(&world, "/a");
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    let again = again.json();
    assert_eq!((&again["id"], &again["secret"]), (&first["id"], &first["secret"]));
    assert_eq!(create(&world, "/b").status, 422);
    assert_eq!(world.server.ok("GET", "/v1/webhooks", Value::Null)["count"], 1);
}

#[test]
fn a_message_is_a_signed_cloud_event_of_what_was_chosen() {
    let world = World::new();
    world.hook("/all", json!({}));
    world.hook("/vip", json!({"segments": ["VIP"], "kinds": ["entered"]}));
    world.server.ok("PATCH", "/v1/contacts/u-1", json!({"tags": ["VIP"], "lead_score": 80, "name": "Ada Canary"}));
    world.tag("u-1", false);
    let all = world.receiver.wait("/all", 3);
    let told: Vec<String> = all
        .iter()
        .map(|arrival| {
            let data = &arrival.event()["data"];
            format!("{} {} {}", data["contact"], data["kind"], data["segment"])
        })
        .collect();
    assert_eq!(told, [r#""u-1" "entered" "VIP""#, r#""u-1" "entered" "Rich""#, r#""u-1" "left" "VIP""#]);
    let vip = world.receiver.wait("/vip", 1);
    world.until(world.server.ok("GET", "/v1/webhooks", Value::Null)["webhooks"][1]["id"].as_str().unwrap(), |hook| {
        hook["behind"] == 0
    });
    assert_eq!(world.receiver.on("/vip").len(), 1);
    let arrival = &vip[0];
    assert_eq!(arrival.header("content-type"), "application/cloudevents+json");
    assert_eq!(arrival.header("webhook-id"), arrival.event()["id"].as_str().unwrap());
    assert!(arrival.header("webhook-signature").starts_with("v1,"));
    assert!(arrival.header("webhook-timestamp").parse::<u64>().unwrap() > 1_700_000_000);
    let event = arrival.event();
    assert_eq!((&event["type"], &event["subject"]), (&json!("throng.segment.entered"), &json!("u-1")));
    assert!(!String::from_utf8_lossy(&arrival.body).contains("Canary"), "no values of a contact");
    let feed = world.server.ok("GET", "/v1/feed", Value::Null);
    let entry = feed["changes"].as_array().unwrap().iter().find(|change| change["seq"] == event["data"]["seq"]);
    assert_eq!(Some(&event["data"]), entry, "the data are the entry of the feed");
}

#[test]
fn what_happens_in_a_pause_is_told_after_it_in_order() {
    let mut world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    world.tag("k-0", true);
    world.receiver.wait("/a", 1);
    world.patch(&id, json!({"paused": true}));
    for n in 1..40 {
        world.tag(&format!("k-{n}"), true);
    }
    let bulk = json!({"add": ["x-1", "x-2"]});
    world.server.ok("POST", "/v1/segments", json!({"name": "List", "members": []}));
    world.server.ok("POST", "/v1/segments/List/members?create=true", bulk);
    world.restart(QUICK);
    assert_eq!(world.get(&id)["status"], "paused");
    assert_eq!(world.receiver.on("/a").len(), 1);
    world.patch(&id, json!({"paused": false}));
    let arrivals = world.receiver.wait("/a", 40);
    let keys: Vec<String> =
        arrivals.iter().map(|arrival| arrival.event()["subject"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys, (0..40).map(|n| format!("k-{n}")).collect::<Vec<_>>());
    world.until(&id, |hook| hook["behind"] == 0);
}

#[test]
fn a_receiver_that_is_gone_is_left_alone_until_it_is_resumed() {
    let world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    world.receiver.script(|_| Act::Status(410));
    world.tag("k-1", true);
    let gone = world.until(&id, |hook| hook["status"] == "disabled");
    assert!(gone["reason"].as_str().unwrap().contains("410"));
    world.tag("k-2", true);
    world.receiver.script(|_| Act::Status(204));
    thread::sleep(Duration::from_millis(100));
    assert_eq!(world.receiver.on("/a").len(), 1, "one try, and no other");
    world.patch(&id, json!({"status": "active"}));
    let keys: Vec<Value> =
        world.receiver.wait("/a", 3).iter().map(|arrival| arrival.event()["subject"].clone()).collect();
    assert_eq!(keys, ["k-1", "k-1", "k-2"]);
}

#[test]
fn a_receiver_may_ask_for_time() {
    let world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    let mut first = true;
    world.receiver.script(move |_| if std::mem::take(&mut first) { Act::Later(429, 1) } else { Act::Status(200) });
    world.tag("k-1", true);
    let arrivals = world.receiver.wait("/a", 2);
    let between = arrivals[0].at.elapsed() - arrivals[1].at.elapsed();
    assert!(between >= Duration::from_millis(950), "the plan alone would have come at once");
    assert_eq!(arrivals[0].header("webhook-id"), arrivals[1].header("webhook-id"));
    world.until(&id, |hook| hook["trouble"].is_null() && hook["behind"] == 0);
    let tries = world.deliveries(&id);
    let outcomes: Vec<&Value> = tries["deliveries"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(outcomes, [&json!(200), &json!(429)]);
}

#[test]
fn what_is_refused_is_kept_told_of_and_replayed() {
    let mut world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    world.receiver.script(|_| Act::Status(422));
    world.tag("k-1", true);
    let hook = world.until(&id, |hook| hook["dead_letters"] == 1);
    assert_eq!((&hook["behind"], world.receiver.on("/a").len()), (&json!(0), 3));
    world.receiver.script(|_| Act::Status(200));
    world.tag("k-2", true);
    world.tag("k-1", false);
    world.tag("k-1", true);
    let told = world.receiver.wait("/a", 6).split_off(3);
    let gaps: Vec<Value> = told.iter().map(|arrival| arrival.event()["data"]["gap"].clone()).collect();
    assert_eq!(
        gaps,
        [Value::Null, json!(true), Value::Null],
        "the next message of that contact tells of the gap, once"
    );
    world.restart(QUICK);
    let letters = world.deliveries(&id);
    let letter = &letters["dead_letters"][0];
    assert_eq!((&letter["contact"], &letter["tries"], &letter["status"]), (&json!("k-1"), &json!(3), &json!(422)));
    let replay = world.server.call("POST", &format!("/v1/webhooks/{id}/replay"), Value::Null);
    assert_eq!((replay.status, &replay.json()["queued"]), (202, &json!(1)));
    let again = world.receiver.wait("/a", 7).pop().unwrap();
    assert_eq!(json!(again.header("webhook-id")), letter["id"], "under its old id");
    assert_eq!((&again.event()["data"]["replay"], again.seq()), (&json!(true), letter["seq"].as_u64().unwrap()));
    world.until(&id, |hook| hook["dead_letters"] == 0 && hook["replays"] == 0);
    // A range of the feed, what was delivered included.
    let first = again.seq();
    let body = json!({"from": first, "to": first + 2});
    assert_eq!(world.server.ok("POST", &format!("/v1/webhooks/{id}/replay"), body)["queued"], 3);
    let range = world.receiver.wait("/a", 10).split_off(7);
    assert_eq!(range.iter().map(|arrival| arrival.seq()).collect::<Vec<_>>(), [first, first + 1, first + 2]);
    for bad in [json!({"from": 0}), json!({"from": first + 2, "to": first}), json!({"seqs": ["x"]})] {
        assert_eq!(world.server.call("POST", &format!("/v1/webhooks/{id}/replay"), bad).status, 422);
    }
    let ahead = world.server.call("POST", &format!("/v1/webhooks/{id}/replay"), json!({"from": 1_000_000}));
    assert_eq!(ahead.status, 410);
}

#[test]
fn dead_letters_name_nobody_who_was_erased() {
    let mut world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"], "kinds": ["entered"]}));
    world.receiver.script(|_| Act::Status(400));
    world.tag("canary-key", true);
    world.until(&id, |hook| hook["dead_letters"] == 1);
    world.server.ok("DELETE", "/v1/contacts/canary-key", Value::Null);
    world.restart(QUICK);
    world.server.ok("POST", "/v1/snapshot", Value::Null);
    // The feed tells the key of whom it lost for a day; a start from the snapshot has forgotten it.
    world.restart(QUICK);
    let letter = world.deliveries(&id)["dead_letters"][0].clone();
    assert_eq!((&letter["contact"], &letter["erased"]), (&Value::Null, &json!(true)));
    world.receiver.script(|_| Act::Status(200));
    world.server.ok("POST", &format!("/v1/webhooks/{id}/replay"), Value::Null);
    world.until(&id, |hook| hook["dead_letters"] == 0);
    let again = world.receiver.arrivals().pop().unwrap().event();
    assert_eq!((&again["data"]["erased"], again.get("subject")), (&json!(true), None));
    let kept = fs::read(world.folder.path().join("data/webhooks")).unwrap();
    assert!(memchr::memmem::find(&kept, b"canary").is_none(), "nor does the file");
}

#[test]
fn two_secrets_sign_while_they_change() {
    let world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    let rotated = world.server.ok("POST", &format!("/v1/webhooks/{id}/rotate"), Value::Null);
    assert!(rotated["secret"].as_str().unwrap().starts_with("whsec_") && rotated["old_secret_until"].is_string());
    world.tag("k-1", true);
    let signed = world.receiver.wait("/a", 1)[0].header("webhook-signature").to_owned();
    assert_eq!(signed.split(' ').filter(|one| one.starts_with("v1,")).count(), 2, "{signed}");
    assert!(world.get(&id).get("secret").is_none());
}

#[test]
fn a_test_message_tells_what_it_came_to() {
    let world = World::new();
    let id = world.hook("/a", json!({"paused": true}));
    let test = || world.server.ok("POST", &format!("/v1/webhooks/{id}/test"), Value::Null);
    let taken = test();
    assert_eq!(
        (&taken["delivered"], &taken["status"], &taken["outcome"]),
        (&json!(true), &json!(200), &json!("delivered"))
    );
    assert_eq!(world.receiver.on("/a")[0].event()["type"], "throng.webhook.test");
    for (act, outcome, status) in [
        (Act::Status(500), "status", json!(500)),
        (Act::Redirect, "status", json!(307)),
        (Act::Drop, "connection", Value::Null),
        (Act::Reset, "connection", Value::Null),
        (Act::Nonsense, "malformed", Value::Null),
        (Act::Hang, "timeout", Value::Null),
        (Act::Dribble, "timeout", Value::Null),
        (Act::AnswerThenDrop, "delivered", json!(200)),
    ] {
        world.receiver.script(move |_| act);
        let told = test();
        assert_eq!((&told["outcome"], &told["status"]), (&json!(outcome), &status), "{act:?}");
        assert_eq!(told["delivered"], act.takes(), "{act:?}");
    }
    assert!(world.receiver.on("/elsewhere").is_empty(), "no redirect is followed");
    let unheard = world.hook("/b", json!({}));
    world.patch(&unheard, json!({"url": "http://127.0.0.1:1/"}));
    let told = world.server.ok("POST", &format!("/v1/webhooks/{unheard}/test"), Value::Null);
    assert_eq!(told["outcome"], "connection");
}

#[test]
fn a_test_message_carries_the_trace_of_whoever_asks_for_it_and_no_other_carries_one() {
    let world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let told = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("traceparent", &*told), ("tracestate", "vendor=1,other=2")];
    let test = format!("/v1/webhooks/{id}/test");
    assert_eq!(world.server.with_headers("POST", &test, &headers, vec![]).status, 200);
    assert_eq!(world.server.with_headers("POST", &test, &[], vec![]).status, 200);
    let body = json!({"tags": ["VIP"]}).to_string().into_bytes();
    let headers = [headers[0], headers[1], ("content-type", "application/json")];
    assert_eq!(world.server.with_headers("PUT", "/v1/contacts/traced", &headers, body).status, 201);
    let arrivals = world.receiver.wait("/a", 3);
    let parts: Vec<&str> = arrivals[0].header("traceparent").split('-').collect();
    assert!(parts.len() == 4 && parts[..2] == ["00", trace] && parts[3] == "01", "{parts:?}");
    assert!(parts[2].len() == 16 && parts[2] != "00f067aa0ba902b7", "a parent of its own: {parts:?}");
    assert_eq!(arrivals[0].header("tracestate"), "vendor=1,other=2");
    for arrival in &arrivals[1..] {
        assert_eq!((arrival.header("traceparent"), arrival.header("tracestate")), ("", ""));
    }
}

#[test]
fn where_webhooks_may_go_is_checked_at_every_call() {
    let mut world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    world.restart(&[QUICK, &["--webhook-targets", "public"]].concat());
    world.tag("k-1", true);
    let hook = world.until(&id, |hook| hook["trouble"]["outcome"] == "denied" || hook["dead_letters"] == 1);
    assert_eq!(hook["status"], "active");
    for url in [format!("{}/b", world.receiver.url), "https://localhost/".into(), "https://127.0.0.1/".into()] {
        assert_eq!(world.server.call("POST", "/v1/webhooks", json!({"url": url})).status, 422, "{url}");
    }
    assert!(world.receiver.arrivals().is_empty());
}

#[test]
fn receivers_that_hang_hold_nobody_up() {
    let world = World::new();
    world.receiver.script(|path| if path == "/good" { Act::Status(200) } else { Act::Hang });
    let good = world.hook("/good", json!({"segments": ["VIP"]}));
    let bad: Vec<String> = (0..20).map(|n| world.hook(&format!("/bad-{n}"), json!({}))).collect();
    for n in 0..50 {
        world.tag(&format!("k-{n}"), true);
    }
    world.until(&good, |hook| hook["behind"] == 0);
    assert_eq!(world.receiver.on("/good").len(), 50);
    let hook = world.until(&bad[0], |hook| !hook["trouble"].is_null());
    assert_eq!((&hook["trouble"]["outcome"], &hook["behind"]), (&json!("timeout"), &json!(50)));
}

#[test]
fn a_feed_that_no_longer_reaches_back_is_told_as_a_gap() {
    let world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"], "paused": true}));
    let before = world.get(&id)["position"].as_u64().unwrap();
    let import = |score: u32| {
        let lines: String = (0..10_000).map(|n| format!("{{\"key\":\"k{n}\",\"lead_score\":{score}}}\n")).collect();
        world.server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines);
    };
    import(0);
    for n in 0..60 {
        world.server.ok("POST", "/v1/segments", json!({"name": format!("s{n}"), "rule": "Lead Score > 50"}));
    }
    world.tag("k-lost", true);
    import(90);
    import(0);
    world.patch(&id, json!({"paused": false}));
    world.tag("k-kept", true);
    let arrivals = world.receiver.wait("/a", 2);
    let (gap, kept) = (arrivals[0].event(), arrivals[1].event());
    assert_eq!((&gap["type"], &gap["data"]["reason"]), (&json!("throng.webhook.gap"), &json!("cursor_too_old")));
    assert_eq!(gap["data"]["after"], before);
    assert!(gap["data"]["oldest"].as_u64().unwrap() > before + 1 && gap["data"]["resync"].is_string());
    assert_eq!(kept["subject"], "k-kept");
    world.until(&id, |hook| hook["behind"] == 0);
}

#[test]
fn a_restored_backup_is_told_as_a_gap_and_its_entries_have_ids_of_their_own() {
    let mut world = World::new();
    let (data, backup) = (world.folder.path().join("data"), world.folder.path().join("backup"));
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    world.tag("k-1", true);
    world.receiver.wait("/a", 1);
    assert!(world.server.stop());
    copy(&data, &backup);
    world.server = Server::start(&data, QUICK);
    for n in 2..6 {
        world.tag(&format!("k-{n}"), true);
    }
    let first = world.receiver.wait("/a", 5);
    world.until(&id, |hook| hook["behind"] == 0);
    assert!(world.server.stop());
    // The log of the backup, and how far webhooks were told of what came after it.
    crate::webhooks_trouble::copy_webhooks(&data, &backup);
    world.server = Server::start(&backup, QUICK);
    let gap = world.receiver.wait("/a", 6)[5].event();
    assert_eq!(gap["data"]["reason"], "cursor_ahead");
    world.tag("k-9", true);
    let fork = world.receiver.wait("/a", 7).pop().unwrap();
    let same = first.iter().find(|arrival| arrival.seq() == fork.seq()).unwrap();
    assert_ne!(same.header("webhook-id"), fork.header("webhook-id"));
}

pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_damaged_file_of_webhooks_is_told_and_left_alone() {
    let mut world = World::new();
    world.hook("/a", json!({}));
    assert!(world.server.stop());
    let path = world.folder.path().join("data/webhooks");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    world.server = Server::start(&world.folder.path().join("data"), QUICK);
    world.tag("k-1", true);
    for (method, body) in [("GET", Value::Null), ("POST", json!({"url": format!("{}/b", world.receiver.url)}))] {
        let reply = world.server.call(method, "/v1/webhooks", body);
        assert_eq!(reply.status, 503, "{}", reply.text);
        assert!(reply.json()["detail"].as_str().unwrap().contains("checksum"), "{}", reply.text);
    }
    assert!(world.server.stop());
    assert_eq!(fs::read(&path).unwrap(), bytes);
}
