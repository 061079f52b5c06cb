//! Nothing personal in the logs: planted keys, values, names and rules, in good calls and bad ones, at the wordiest level;
//! and what the audit log tells instead. Rates too, as they are told to whoever meets them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::server::{Reply, agent, call};

/// What every planted word holds, in whatever form it is spelled.
const CANARY: &str = "canary7f3a";

/// A server whose standard error goes to a file; killed when dropped.
struct Told {
    child: std::process::Child,
    url: String,
    key: String,
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn throng(at: &Path, arguments: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_throng")).args(arguments).current_dir(at).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// Starts with a key of the scope admin.
fn started(at: &Path, arguments: &[&str]) -> Told {
    let key =
        throng(at, &["key", "create", "--name", "ops", "--scope", "admin", "--audit-log", "audit", "--data", "data"]);
    let log = fs::File::create(at.join("log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data", "data", "--audit-log", "audit", "--log-format", "json"])
        .args(arguments)
        .env("THRONG_LOG", "trace")
        .current_dir(at)
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    let mut server = Told { child, url: String::new(), key };
    loop {
        let text = fs::read_to_string(at.join("log")).unwrap();
        if let Some((url, _)) = text.rsplit_once("page is at ").and_then(|(_, rest)| rest.split_once("/\n")) {
            server.url = url.to_owned();
            return server;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

impl Told {
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
        let shown = format!("Bearer {}", self.key);
        let headers = [&[("authorization", &*shown), ("content-type", "application/json")], headers].concat();
        call(&agent(), &self.url, method, path, &headers, body.into()).expect("an answer")
    }

    fn json(&self, method: &str, path: &str, body: Value) -> u16 {
        self.send(method, path, &[], if body.is_null() { String::new() } else { body.to_string() }).status
    }
}

/// Good and bad calls that hold planted words wherever one can stand. Gives how many were made, well and not.
fn plant(server: &Told) -> (usize, usize) {
    let name = format!("Segment {CANARY}");
    let rule = format!("email contains \"{CANARY}\"");
    let contact = format!("/v1/contacts/{CANARY}@example.com");
    let segment = format!("/v1/segments/Segment%20{CANARY}");
    let property = format!("secret_{CANARY}");
    let hook = format!("https://{CANARY}.example/hook");
    let calls = [
        ("PUT", contact.clone(), json!({"email": format!("{CANARY}@example.com"), property.clone(): CANARY})),
        ("PUT", contact.clone(), json!({"lead_score": CANARY})),
        ("PATCH", contact.clone(), json!({"name": [CANARY]})),
        ("GET", contact.clone(), Value::Null),
        ("GET", format!("/v1/contacts/{CANARY}-none"), Value::Null),
        (
            "POST",
            "/v1/events".into(),
            json!({"id": CANARY, "contact": CANARY, "event": CANARY, "properties": {CANARY: CANARY}}),
        ),
        ("POST", "/v1/events".into(), json!({"contact": {CANARY: CANARY}})),
        ("POST", "/v1/query".into(), json!({"rule": rule, "return": "contacts"})),
        ("POST", "/v1/query".into(), json!({"rule": format!("{CANARY} >> \"{CANARY}\"")})),
        ("POST", "/v1/rules/parse".into(), json!({"rule": CANARY})),
        ("POST", "/v1/segments".into(), json!({"name": name, "description": CANARY, "rule": rule})),
        ("POST", "/v1/segments".into(), json!({"name": name, "rule": rule})),
        ("POST", "/v1/segments".into(), json!({"name": CANARY, "rule": CANARY})),
        ("GET", format!("{segment}/members"), Value::Null),
        ("GET", format!("{segment}?{CANARY}={CANARY}"), Value::Null),
        ("GET", format!("/v1/{CANARY}"), Value::Null),
        ("GET", format!("/ui/contacts/{CANARY}@example.com"), Value::Null),
        ("GET", format!("/ui/segments/Segment%20{CANARY}"), Value::Null),
        ("GET", format!("/ui/contacts?key={CANARY}"), Value::Null),
        ("POST", "/v1/suppressions".into(), json!({"name": CANARY, "channels": [CANARY], "contacts": [CANARY]})),
        ("POST", "/v1/audience".into(), json!({"include": [CANARY]})),
        ("POST", "/v1/webhooks".into(), json!({"url": hook, "description": CANARY})),
        ("POST", "/v1/webhooks".into(), json!({"url": CANARY})),
        ("PATCH", format!("/v1/webhooks/{CANARY}"), json!({"description": CANARY})),
        ("PATCH", "/v1/schema".into(), json!({"properties": {format!("p_{CANARY}"): {"type": CANARY}}})),
        ("POST", "/v1/track".into(), json!({"userId": CANARY, "event": CANARY, "properties": {"email": CANARY}})),
        ("POST", "/v1/identify".into(), json!({"userId": CANARY, "traits": {"name": CANARY}})),
        ("POST", "/v1/lookup".into(), json!({"contacts": [CANARY]})),
        ("POST", "/v1/snapshot".into(), Value::Null),
        ("DELETE", segment.clone(), Value::Null),
        ("DELETE", contact.clone(), Value::Null),
    ];
    let statuses: Vec<u16> = calls.into_iter().map(|(method, path, body)| server.json(method, &path, body)).collect();
    let csv = format!("key,email,lead_score\n{CANARY}1,{CANARY},1\n{CANARY}2,x,{CANARY}\n\"{CANARY}");
    server.send("POST", "/v1/contacts/import", &[("content-type", "text/csv")], csv);
    server.send("POST", "/v1/query", &[], format!("{{{CANARY}"));
    // A key that is none, a cookie, an agent, an origin.
    let odd = [
        ("authorization", CANARY),
        ("cookie", CANARY),
        ("user-agent", CANARY),
        ("origin", "https://canary7f3a.example"),
    ];
    call(&agent(), &server.url, "GET", &contact, &odd, Vec::new());
    let named = format!("{CANARY}@example.com level=error");
    server.send("POST", "/v1/snapshot", &[("x-request-id", &named)], "");
    let none = format!("Bearer thr_{CANARY}_{CANARY}");
    call(&agent(), &server.url, "DELETE", &contact, &[("authorization", &none)], Vec::new());
    (statuses.iter().filter(|status| **status < 300).count(), statuses.iter().filter(|status| **status >= 400).count())
}

#[test]
fn no_planted_word_gets_into_logs_audit_or_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = started(at, &[]);
    let (good, bad) = plant(&server);
    assert!(good >= 12 && bad >= 8, "{good} good, {bad} bad");
    let metrics = server.send("GET", "/metrics", &[], "").text;
    let secret = server.key.rsplit('_').next().unwrap().to_owned();
    drop(server);
    let log = fs::read_to_string(at.join("log")).unwrap();
    assert!(log.matches("\"answered\"").count() > good + bad, "the log is wordy");
    for line in log.lines().filter(|line| line.starts_with('{')) {
        assert!(serde_json::from_str::<Value>(line).unwrap()["level"].is_string(), "{line}");
    }
    let files = fs::read_dir(at.join("audit")).unwrap().flatten();
    let audit: String = files.map(|file| fs::read_to_string(file.path()).unwrap()).collect();
    println!(
        "{} calls, {} bytes of log, {} of audit, {} of metrics",
        good + bad,
        log.len(),
        audit.len(),
        metrics.len()
    );
    for (what, text) in [("log", &log), ("audit", &audit), ("metrics", &metrics)] {
        for planted in [CANARY, &secret] {
            let hit = text.to_lowercase().find(&planted.to_lowercase());
            let around = hit.map(|at| text[at.saturating_sub(300)..].chars().take(500).collect::<String>());
            assert_eq!(around, None, "{what}");
        }
    }
}

#[test]
fn the_audit_log_tells_who_did_what_and_how_it_went() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = started(at, &[]);
    let id = server.key.split('_').nth(1).unwrap().to_owned();
    assert_eq!(server.json("PUT", "/v1/contacts/x", json!({"lead_score": 1})), 201);
    assert_eq!(server.send("POST", "/v1/snapshot", &[("x-request-id", "asked-for-1")], "").status, 200);
    assert_eq!(server.json("DELETE", "/v1/contacts/x", Value::Null), 204);
    assert_eq!(server.json("DELETE", "/v1/segments/none", Value::Null), 404);
    let made = server.send("POST", "/v1/webhooks", &[], json!({"url": "http://127.0.0.1:9/x"}).to_string()).json();
    let hook = made["id"].as_str().unwrap().to_owned();
    assert_eq!(server.json("DELETE", &format!("/v1/webhooks/{hook}"), Value::Null), 204);
    call(&agent(), &server.url, "POST", "/v1/snapshot", &[], Vec::new()).unwrap();
    throng(at, &["key", "revoke", &id, "--audit-log", "audit", "--data", "data"]);
    drop(server);
    let mut files: Vec<_> = fs::read_dir(at.join("audit")).unwrap().flatten().map(|file| file.path()).collect();
    files.sort();
    let name = files[0].file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("audit.20") && name.ends_with(".jsonl"), "{name}");
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, &str, Option<u64>)> = lines
        .iter()
        .map(|line| (line["action"].as_str().unwrap(), line["outcome"].as_str().unwrap(), line["status"].as_u64()))
        .collect();
    assert_eq!(
        told,
        [
            ("createKey", "done", None),
            ("snapshot", "done", Some(200)),
            ("eraseContact", "done", Some(204)),
            ("deleteSegment", "refused", Some(404)),
            ("createWebhook", "done", Some(201)),
            ("deleteWebhook", "done", Some(204)),
            ("snapshot", "refused", Some(401)),
            ("revokeKey", "done", None),
        ]
    );
    assert!(lines[1..6].iter().all(|line| line["by"] == *id), "{text}");
    assert_eq!((&lines[0]["scopes"], lines[4]["target"].as_str()), (&json!(["admin"]), Some(&*hook)));
    assert_eq!((lines[1]["request_id"].as_str(), lines[6]["by"].as_str()), (Some("asked-for-1"), None));
    assert_eq!((lines[0]["target"].as_str(), lines[5]["target"].as_str()), (Some(&*id), Some(&*hook)));
    assert!(lines.iter().all(|line| line["at"].as_str().unwrap().ends_with('Z')) && lines[2]["lsn"].is_u64());
}

#[test]
fn the_audit_log_is_read_by_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let other =
        throng(at, &["key", "create", "--name", "app", "--scope", "write", "--scope", "read", "--data", "data"]);
    let server = started(at, &[]);
    let trace = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    for n in 0..25 {
        let id = format!("asked-for-{n}");
        assert_eq!(server.send("POST", "/v1/snapshot", &[("x-request-id", &id), trace], "").status, 200);
    }
    assert_eq!(server.json("DELETE", "/v1/segments/none", Value::Null), 404);
    let read = |query: &str| server.send("GET", &format!("/v1/audit?{query}"), &[], "").json();
    let ids = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["request_id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let newest = read("limit=1");
    assert_eq!(
        (&newest["entries"][0]["action"], &newest["entries"][0]["outcome"]),
        (&json!("deleteSegment"), &json!("refused"))
    );
    // The trace of the caller stands beside the request's id, and none where there is none.
    let traced = read("action=snapshot&limit=1")["entries"][0].clone();
    assert_eq!(traced["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736", "{traced}");
    assert_eq!(newest["entries"][0]["trace_id"], Value::Null);
    let (mut told, mut after) = (Vec::new(), String::new());
    loop {
        let page = read(&format!("action=snapshot&order=oldest&limit=4{after}"));
        told.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(told, (0..25).map(|n| format!("asked-for-{n}")).collect::<Vec<_>>());
    assert_eq!(read("since=2020-01-01T00:00:00Z&until=2021-01-01T00:00:00Z")["entries"], json!([]));
    let first = read("order=oldest&limit=1")["entries"][0].clone();
    assert_eq!(
        (&first["action"], &first["scopes"]),
        (&json!("createKey"), &json!(["admin"])),
        "commands are told, too"
    );
    // It tells who did what: that is for whoever operates.
    let shown = format!("Bearer {other}");
    let reply = call(&agent(), &server.url, "GET", "/v1/audit", &[("authorization", &shown)], Vec::new()).unwrap();
    assert_eq!(reply.status, 403);
    let bare = tempfile::tempdir().unwrap();
    let bare = crate::support::server::Server::start(&bare.path().join("data"), &[]);
    let reply = bare.call("GET", "/v1/audit", Value::Null);
    assert_eq!((reply.status, &reply.json()["type"]), (404, &json!("urn:throng:problem:no_audit_log")));
}

#[test]
fn the_trace_of_a_call_stands_in_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = started(at, &[]);
    let id = "0af7651916cd43dd8448eb211c80319c";
    let good = format!("00-{id}-b7ad6b7169203331-00");
    let calls: [(&str, &[(&str, &str)]); 4] = [
        ("good", &[("traceparent", &good)]),
        ("twice", &[("traceparent", &good), ("traceparent", &good)]),
        ("malformed", &[("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-00")]),
        ("without", &[]),
    ];
    for (name, headers) in calls {
        let headers = [&[("x-request-id", name)], headers].concat();
        assert_eq!(server.send("GET", "/v1/status", &headers, "").status, 200, "{name}");
    }
    drop(server);
    let log = fs::read_to_string(at.join("log")).unwrap();
    for (name, _) in calls {
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let spans: Vec<Value> =
            lines.map(|line| line["span"].clone()).filter(|span| span["request_id"] == name).collect();
        assert!(!spans.is_empty(), "{name} has lines");
        let wanted = if name == "good" { json!(id) } else { Value::Null };
        assert!(spans.iter().all(|span| span["trace_id"] == wanted), "{name}: {spans:?}");
    }
}

#[test]
fn whoever_calls_too_often_is_told_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let make = |name: &str, rest: &[&str]| {
        throng(
            at,
            &[&["key", "create", "--name", name, "--scope", "read", "--scope", "track", "--data", "data"], rest]
                .concat(),
        )
    };
    let (usual, own) = (make("usual", &[]), make("own", &["--rate", "9/h"]));
    let server = started(at, &["--rate-limit", "5/h", "--failed-logins", "3/h"]);
    let get = |key: Option<&str>, path: &str| {
        let shown = format!("Bearer {}", key.unwrap_or_default());
        let headers: &[(&str, &str)] = if key.is_some() { &[("authorization", &shown)] } else { &[] };
        call(&agent(), &server.url, "GET", path, headers, Vec::new()).unwrap()
    };
    let passed = |key: &str| (0..12).filter(|_| get(Some(key), "/v1/status").status == 200).count();
    assert_eq!((passed(&usual), passed(&own)), (5, 9));
    let late = get(Some(&usual), "/v1/status");
    let wait: u64 = late.header("retry-after").unwrap().parse().unwrap();
    assert!(
        late.status == 429 && (1..=720).contains(&wait) && late.json()["type"] == "urn:throng:problem:rate_limited"
    );
    // Also by what tracks.
    let track = json!({"writeKey": usual, "userId": "u", "event": "e"}).to_string();
    let media: &[(&str, &str)] = &[("content-type", "application/json")];
    assert_eq!(call(&agent(), &server.url, "POST", "/v1/track", media, track.into_bytes()).unwrap().status, 429);
    // Keys that are none; a good one is served all the same.
    let failed: Vec<u16> = (0..8).map(|_| get(Some("thr_none"), "/v1/status").status).collect();
    assert!(failed.ends_with(&[429, 429, 429]) && !failed.contains(&200), "{failed:?}");
    let told = server.send("GET", "/v1/status", &[], "").json();
    assert_eq!(told["limits"]["rate"], json!({"per_key": "5/h", "per_address": "5/h", "failed_logins": "3/h"}));
    // Calls without a key, by address.
    let open: Vec<u16> = (0..8).map(|_| get(None, "/openapi.json").status).collect();
    assert!(open.starts_with(&[200]) && open.ends_with(&[429, 429]), "{open:?}");
    // Whoever watches the server is answered for all that, and so is an SDK whose key stands in the body.
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(None, path).status, 200, "{path}");
    }
    let track = json!({"writeKey": make("web", &["--rate", "9/h"]), "userId": "u", "event": "e"}).to_string();
    std::thread::sleep(std::time::Duration::from_millis(600));
    let other: &[(&str, &str)] = &[("content-type", "application/json"), ("authorization", "Bearer of-another-party")];
    for headers in [media, other].iter().cycle().take(8) {
        let reply = call(&agent(), &server.url, "POST", "/v1/track", headers, track.clone().into_bytes()).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
}
