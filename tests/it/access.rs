//! Keys and scopes over a socket: every route with every key, every way to show one, and who is served without.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::server::{Reply, Server};

/// Calls and the scopes that let them pass, besides `admin`.
const CALLS: &[(&str, &str, &[&str])] = &[
    ("GET", "/v1/contacts", &["read"]),
    ("GET", "/v1/contacts/u", &["read"]),
    ("PUT", "/v1/contacts/u", &["write"]),
    ("PATCH", "/v1/contacts/u", &["write"]),
    ("DELETE", "/v1/contacts/u", &["write"]),
    ("POST", "/v1/contacts/import", &["write"]),
    ("GET", "/v1/contacts/u/segments", &["read"]),
    ("GET", "/v1/contacts/u/segments/s", &["read"]),
    ("POST", "/v1/lookup", &["read"]),
    ("POST", "/v1/events", &["write"]),
    ("DELETE", "/v1/events/e", &["write"]),
    ("POST", "/v1/query", &["read"]),
    ("POST", "/v1/query/explain", &["read"]),
    ("POST", "/v1/rules/parse", &["read"]),
    ("GET", "/v1/segments", &["read"]),
    ("POST", "/v1/segments", &["write"]),
    ("GET", "/v1/segments/s", &["read"]),
    ("PUT", "/v1/segments/s", &["write"]),
    ("PATCH", "/v1/segments/s", &["write"]),
    ("DELETE", "/v1/segments/s", &["write"]),
    ("GET", "/v1/segments/s/versions", &["read"]),
    ("GET", "/v1/segments/s/members", &["read"]),
    ("POST", "/v1/segments/s/members", &["write"]),
    ("GET", "/v1/segments/s/diff", &["read"]),
    ("GET", "/v1/segments/s/history", &["read"]),
    ("POST", "/v1/segments/s/preview", &["read"]),
    ("GET", "/v1/segments/s/forecast", &["read"]),
    ("POST", "/v1/segments/s/freeze", &["write"]),
    ("POST", "/v1/segments/s/revert", &["write"]),
    ("POST", "/v1/audience", &["read"]),
    ("GET", "/v1/suppressions", &["read"]),
    ("POST", "/v1/suppressions", &["write"]),
    ("GET", "/v1/suppressions/m", &["read"]),
    ("DELETE", "/v1/suppressions/m", &["write"]),
    ("GET", "/v1/suppressions/m/members", &["read"]),
    ("POST", "/v1/suppressions/m/members", &["write"]),
    ("GET", "/v1/feed", &["read"]),
    ("GET", "/v1/feed/1/changes", &["read"]),
    ("GET", "/v1/schema", &["read"]),
    ("PATCH", "/v1/schema", &["write"]),
    ("GET", "/v1/status", &["read"]),
    ("POST", "/v1/snapshot", &[]),
    ("GET", "/v1/clock", &["read"]),
    ("POST", "/v1/clock", &[]),
    ("POST", "/v1/identify", &["track", "write"]),
    ("POST", "/v1/track", &["track", "write"]),
    ("POST", "/v1/batch", &["track", "write"]),
    ("POST", "/v1/t", &["track", "write"]),
    ("POST", "/v1/import/", &["track", "write"]),
    ("POST", "/no/such/path", &["write"]),
    ("GET", "/no/such/path", &["read"]),
];

fn throng(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.args(arguments).env("THRONG_DATA", data).output().expect("the program runs")
}

/// Makes a key; gives its id and the whole of it.
fn key(data: &Path, scopes: &[&str]) -> (String, String) {
    let mut arguments = vec!["key", "create", "--name", "a test"];
    scopes.iter().for_each(|scope| arguments.extend(["--scope", scope]));
    let made = throng(data, &arguments);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    (token.split('_').nth(1).expect("an id").to_owned(), token)
}

fn call(server: &Server, method: &str, path: &str, key: &str, body: &Value) -> Reply {
    let authorization = format!("Bearer {key}");
    let mut headers = vec![("content-type", "application/json")];
    if !key.is_empty() {
        headers.push(("authorization", &authorization));
    }
    let has_body = ["POST", "PUT", "PATCH"].contains(&method);
    let body = if has_body { body.to_string().into_bytes() } else { Vec::new() };
    server.with_headers(method, path, &headers, body)
}

#[test]
fn every_call_wants_a_key_of_its_scope() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let keys = ["read", "write", "track", "admin"].map(|scope| (scope, key(&data, &[scope]).1));
    let server = Server::start(&data, &["--clock", "2026-05-01T00:00:00Z"]);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(call(&server, "GET", path, "", &Value::Null).status, 200, "{path}");
    }
    let mut tried = 0;
    for (method, path, allowed) in CALLS {
        let none = call(&server, method, path, "", &json!({}));
        assert_eq!((none.status, none.header("www-authenticate").is_some()), (401, true), "{method} {path}");
        assert_eq!(none.json()["type"], "urn:throng:problem:no_key");
        let strange = call(&server, method, path, &format!("{}x", keys[3].1), &json!({}));
        assert_eq!((strange.status, &strange.json()["status"]), (401, &json!(401)), "{method} {path}");
        for (scope, key) in &keys {
            let reply = call(&server, method, path, key, &json!({}));
            let passes = allowed.contains(scope) || *scope == "admin";
            assert_eq!(reply.status == 403, !passes, "{method} {path} with {scope}: {}", reply.text);
            assert!(reply.status != 401, "{method} {path} with {scope}");
            tried += 1;
        }
    }
    assert_eq!(tried, CALLS.len() * keys.len());
}

#[test]
fn a_refused_call_leaves_its_connection_usable() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    key(&data, &["read"]);
    let server = Server::start(&data, &[]);
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    for _ in 0..20 {
        let body = vec![b' '; 20_000];
        let head = format!("POST /v1/query HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        // The body comes once the call could have been refused by its head.
        thread::sleep(Duration::from_millis(20));
        stream.write_all(&body).unwrap();
        let mut answer = vec![];
        while !answer.ends_with(b"}") {
            let mut some = [0; 4_096];
            let read = stream.read(&mut some).unwrap();
            assert!(read > 0, "the connection ended");
            answer.extend_from_slice(&some[..read]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn tracking_keys_are_shown_as_sdks_show_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (_, track) = key(&data, &["track"]);
    let (_, read) = key(&data, &["read"]);
    let server = Server::start(&data, &[]);
    let base64 = |text: &str| {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let six = |chunk: &[u8], at: usize| {
            let word = (0..3).fold(0u32, |word, i| word << 8 | u32::from(*chunk.get(i).unwrap_or(&0)));
            if at > chunk.len() { '=' } else { char::from(LETTERS[(word >> (18 - 6 * at) & 63) as usize]) }
        };
        text.as_bytes().chunks(3).flat_map(|chunk| (0..4).map(move |at| six(chunk, at))).collect::<String>()
    };
    let event = json!({"userId": "u", "event": "Seen"});
    let with = |path: &str, authorization: Option<String>, body: Value| {
        let mut headers = vec![("content-type", "text/plain")];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        server.with_headers("POST", path, &headers, body.to_string().into_bytes()).status
    };
    let in_body = json!({"userId": "u", "event": "Seen", "writeKey": track});
    let good = [
        with("/v1/t", Some(format!("Basic {}", base64(&format!("{track}:")))), event.clone()),
        with("/v1/t", Some(format!("Basic {}", base64(&track))), event.clone()),
        with("/v1/t", Some(format!("Bearer {track}")), event.clone()),
        with("/v1/t", Some("Bearer of-another-party".into()), in_body.clone()),
        with("/v1/t", None, in_body),
        with(&format!("/beacon/v1/batch?writeKey={track}"), None, json!({"batch": []})),
    ];
    assert_eq!(good, [200; 6]);
    let wrong = [
        with("/v1/t", None, event.clone()),
        with("/v1/t", Some(format!("Basic {}", base64("wk:"))), event.clone()),
        with("/v1/t", Some(format!("Bearer {read}")), event),
    ];
    assert_eq!(wrong, [401, 401, 403]);
    let told = server.call("POST", "/v1/t", json!({"userId": "u", "event": "x"})).json();
    assert_eq!((&told["code"], told["message"].is_string()), (&json!("no_key"), true), "{told}");
    let settings = |key: &str| server.call("GET", &format!("/v1/projects/{key}/settings"), Value::Null).status;
    assert_eq!((settings(&track), settings("wk"), settings(&read)), (200, 401, 403));
    // What stands in a web page joins visitors to users, and no users.
    let alias = |previous: &str| json!({"previousId": previous, "userId": "u", "writeKey": track});
    assert_eq!(with("/v1/t", None, json!({"userId": "victim", "event": "Seen", "writeKey": track})), 200);
    assert_eq!(with("/v1/a", None, alias("victim")), 200);
    let victim = |key: &str| call(&server, "GET", "/v1/contacts/victim", key, &Value::Null).status;
    assert_eq!(victim(&read), 200);
    let (_, write) = key(&data, &["write"]);
    let by_write = json!({"previousId": "victim", "userId": "u", "writeKey": write});
    // A new key counts within half a second.
    thread::sleep(Duration::from_millis(600));
    assert_eq!((with("/v1/a", None, by_write), victim(&read)), (200, 404));
}

#[test]
fn a_revoked_key_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (id, admin) = key(&data, &["admin"]);
    let server = Server::start(&data, &[]);
    let status = || call(&server, "GET", "/v1/status", &admin, &Value::Null).status;
    assert_eq!(status(), 200);
    // Which key made which version is told, whatever a caller says of itself.
    let own = [("authorization", format!("Bearer {admin}")), ("throng-by", "someone".into())];
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = json!({"name": "s", "rule": "everyone"}).to_string().into_bytes();
    assert_eq!(server.with_headers("POST", "/v1/segments", &own, body).status, 201);
    let body = json!({"rule": "no one"}).to_string().into_bytes();
    assert_eq!(server.with_headers("PATCH", "/v1/segments/s", &own, body).status, 200);
    let versions = call(&server, "GET", "/v1/segments/s/versions", &admin, &Value::Null).json();
    assert_eq!(
        (&versions["versions"][0]["by"], &versions["versions"][1]["by"]),
        (&json!(id), &json!(id)),
        "{versions}"
    );
    // The program shows its key, too.
    let told = |key: &str| throng(&data, &["status", "--url", &server.url, "--key", key]);
    assert!(told(&admin).status.success() && !told("thr_none").status.success());
    let revoked = throng(&data, &["key", "revoke", &id]);
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    thread::sleep(Duration::from_millis(600));
    assert_eq!(status(), 401);
    let listed = String::from_utf8(throng(&data, &["key", "list"]).stdout).unwrap();
    assert!(listed.contains(&id) && !listed.contains(admin.split('_').nth(2).unwrap()), "{listed}");
    assert!(!throng(&data, &["key", "revoke", "nobody"]).status.success());
}

#[test]
fn without_keys_this_machine_alone_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let refused = throng(&data, &["serve", "--listen", "0.0.0.0:0"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("throng key create"), "{told}");
    let server = Server::start(&data, &[]);
    let from = |headers: &[(&str, &str)]| server.with_headers("GET", "/v1/status", headers, vec![]).status;
    assert_eq!(from(&[]), 200);
    assert_eq!(from(&[("origin", "http://localhost:3000"), ("user-agent", "Mozilla/5.0")]), 200);
    assert_eq!(from(&[("origin", "https://shop.example"), ("user-agent", "Mozilla/5.0")]), 403);
    let reply = server.call("GET", "/v1/status", Value::Null);
    for (header, value) in
        [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")]
    {
        assert_eq!(reply.header(header), Some(value));
    }
    // The first key ends that for a server that runs.
    key(&data, &["read"]);
    thread::sleep(Duration::from_millis(600));
    assert_eq!(from(&[]), 401);
}

#[test]
fn with_keys_others_may_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (_, read) = key(&data, &["read"]);
    let server = Server::start_at(&data, "0.0.0.0:0", &[]);
    assert_eq!(call(&server, "GET", "/v1/status", &read, &Value::Null).status, 200);
    assert_eq!(call(&server, "GET", "/v1/status", "", &Value::Null).status, 401);
}
