//! Keys and scopes over a socket: every route with every key, every way to show one, and who is served without.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use throng::http::calls;

use crate::support::server::{Reply, Server};

/// Questions that come in a body, and what only an operator does; of the rest a GET reads and the others write.
const ASKS: [&str; 6] = ["query", "explainQuery", "parseRule", "lookUp", "audience", "previewSegment"];
const OPERATES: [&str; 13] = [
    "listAudit",
    "snapshot",
    "moveClock",
    "createWebhook",
    "listWebhooks",
    "getWebhook",
    "patchWebhook",
    "deleteWebhook",
    "testWebhook",
    "rotateWebhook",
    "webhookDeliveries",
    "replayWebhook",
    "cancelReplay",
];
const TRACKS: [&str; 9] =
    ["identify", "track", "page", "screen", "group", "alias", "batch", "import", "trackingSettings"];
const OPEN: [&str; 5] = ["health", "ready", "openapi", "docs", "docsStyle"];

/// The scopes that let a call pass, besides `admin`; `None` for one that wants no key.
fn allowed(id: &str, method: &str) -> Option<&'static [&'static str]> {
    if OPEN.contains(&id) {
        return None;
    }
    Some(match method {
        _ if OPERATES.contains(&id) => &[],
        _ if TRACKS.contains(&id) => &["track", "write"],
        _ if ASKS.contains(&id) || method == "GET" => &["read"],
        _ => &["write"],
    })
}

/// Every call of the table, and others that are served: method, path, and the scopes that let it pass.
fn calls() -> Vec<(String, String, Option<&'static [&'static str]>)> {
    let mut all = vec![];
    for call in calls::chapters().into_iter().flat_map(|chapter| chapter.calls) {
        let path: Vec<&str> = call.path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
        all.push((call.method.to_string(), path.join("/"), allowed(call.id, call.method.as_str())));
    }
    assert!(all.len() > 75, "{}", all.len());
    let more: [(&str, &str, &'static [&'static str]); 12] = [
        ("POST", "/v1/t", &["track", "write"]),
        ("POST", "/v1/import/", &["track", "write"]),
        ("POST", "/beacon/v1/batch", &["track", "write"]),
        ("PUT", "/v1/contacts/import", &["write"]),
        ("HEAD", "/v1/contacts", &["read"]),
        ("GET", "/ui/", &["read"]),
        ("GET", "/ui/segments/1", &["read"]),
        ("GET", "/ui/no/such/page", &["read"]),
        ("POST", "/ui/ask/preview", &["read"]),
        ("GET", "/ui/ask/values?property=email&like=a", &["read"]),
        ("POST", "/no/such/path", &["read", "write", "track"]),
        ("GET", "/no/such/path", &["read", "write", "track"]),
    ];
    all.extend(more.map(|(method, path, allowed)| (method.to_owned(), path.to_owned(), Some(allowed))));
    all
}

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
    let has_body = ["POST", "PUT", "PATCH"].contains(&method) && !body.is_null();
    let body = if has_body { body.to_string().into_bytes() } else { Vec::new() };
    server.with_headers(method, path, &headers, body)
}

#[test]
fn every_call_wants_a_key_of_its_scope() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let keys = ["read", "write", "track", "admin"].map(|scope| (scope, key(&data, &[scope]).1));
    let server = Server::start(&data, &["--clock", "2026-05-01T00:00:00Z"]);
    let mut tried = 0;
    for (method, path, allowed) in calls() {
        let bodyless = ["/test", "/rotate", "/v1/snapshot"].iter().any(|end| path.ends_with(end));
        let body = if bodyless { Value::Null } else { json!({}) };
        let shown = format!("{method} {path}");
        let none = call(&server, &method, &path, "", &body);
        let Some(allowed) = allowed else {
            assert_eq!(none.status, 200, "{shown}");
            continue;
        };
        assert_eq!((none.status, none.header("www-authenticate").is_some()), (401, true), "{shown}");
        // The key stands in the path.
        if path.contains("/projects/") {
            continue;
        }
        let is_page = path.starts_with("/ui/") && !path.starts_with("/ui/ask/");
        if is_page {
            assert_eq!(none.header("content-type"), Some("text/html; charset=utf-8"), "{shown}");
            assert!(none.header("www-authenticate").unwrap().starts_with("Basic "), "{shown}");
        } else if method != "HEAD" {
            assert_eq!(none.json()["type"], "urn:throng:problem:no_key", "{shown}");
        }
        let strange = call(&server, &method, &path, &format!("{}x", keys[3].1), &body);
        assert_eq!(strange.status, 401, "{shown}");
        for (scope, key) in &keys {
            let reply = call(&server, &method, &path, key, &body);
            let passes = allowed.contains(scope) || *scope == "admin";
            assert_eq!(reply.status == 403, !passes, "{shown} with {scope}: {}", reply.text);
            assert!(reply.status != 401, "{shown} with {scope}");
            tried += 1;
        }
    }
    println!("{tried} calls with a key");
    assert!(tried > 300, "{tried}");
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
fn strangers_keep_out_nobody_who_shows_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (_, track) = key(&data, &["track"]);
    let server = Server::start(&data, &[]);
    let address = server.url.strip_prefix("http://").unwrap();
    // Long bodies without a key, which stop where they have begun: all 64 places are taken, and six find none.
    let begin = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = "POST /v1/batch HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n{\"batch\":[\"";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&[b'x'; 20_000]).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let strangers: Vec<TcpStream> = (0..70).map(begin).collect();
    let told = |mut stream: &TcpStream| {
        let mut bytes = [0; 12];
        stream.read(&mut bytes).is_ok_and(|read| read == 12) && &bytes == b"HTTP/1.1 503"
    };
    let mut refused = vec![false; strangers.len()];
    while refused.iter().filter(|refused| **refused).count() < 6 {
        strangers.iter().zip(&mut refused).for_each(|(stream, refused)| *refused |= told(stream));
        thread::sleep(Duration::from_millis(10));
    }
    let event = json!({"type": "track", "userId": "u", "event": "Seen", "properties": {"text": "y".repeat(20_000)}});
    let sent = |body: &str, packed: bool| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        let bytes = if packed { encoder.finish().unwrap() } else { body.as_bytes().to_vec() };
        let encoding: &[(&str, &str)] = if packed { &[("content-encoding", "gzip")] } else { &[] };
        server.with_headers("POST", "/v1/batch", encoding, bytes).status
    };
    let short = json!({"writeKey": track, "batch": []}).to_string();
    let first = format!("{{\"writeKey\": \"{track}\", \"batch\": [{event}]}}");
    let none = format!("{{\"writeKey\": \"thr_no_ne\", \"batch\": [{event}]}}");
    assert_eq!([sent(&short, false), sent(&first, false), sent(&short, true), sent(&first, true)], [200; 4]);
    assert_eq!(sent(r#"{"batch": []}"#, false), 401);
    // Once they are gone there is room for whoever shows it late, or not at all.
    drop(strangers);
    let last = format!("{{\"batch\": [{event}], \"writeKey\": \"{track}\"}}");
    while sent(&last, false) != 200 {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!((sent(&last, true), sent(&none, false), sent(&none, true)), (200, 401, 401));
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
    let server = Server::start(&data, &["--allow-host", "db.internal"]);
    let from = |headers: &[(&str, &str)]| server.with_headers("GET", "/v1/status", headers, vec![]).status;
    assert_eq!(from(&[]), 200);
    // A page may say of itself what it likes, and have its own name lead here.
    for agent in ["Mozilla/5.0", "curl/8"] {
        for (host, status) in [("localhost:7171", 200), ("shop.example:7171", 403), ("db.internal", 200)] {
            assert_eq!(from(&[("user-agent", agent), ("host", host)]), status, "{agent} {host}");
        }
    }
    for path in ["/healthz", "/docs", "/ui/", "/ui/assets/page.css", "/metrics", "/v1/projects/k/settings", "/no"] {
        let reply = server.with_headers("GET", path, &[("host", "shop.example")], vec![]);
        assert_eq!(reply.status, 403, "{path}");
    }
    let tracked = |host: &str| {
        let body = json!({"userId": "u", "event": "x"}).to_string().into_bytes();
        server.with_headers("POST", "/v1/t", &[("host", host), ("origin", "https://shop.example")], body).status
    };
    assert_eq!((tracked("shop.example"), tracked("127.0.0.1")), (403, 200));
    assert_eq!(from(&[("x-forwarded-for", "10.0.0.7")]), 403);
    assert_eq!(from(&[("x-forwarded-for", "10.0.0.7"), ("host", "db.internal")]), 200);
    // What another site reads its browser keeps from it.
    let reply = server.with_headers("GET", "/v1/status", &[("origin", "https://shop.example")], vec![]);
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, None));
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
