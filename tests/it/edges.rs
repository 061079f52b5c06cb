//! Edges of the API over a socket: what is sent in another shape than usual, is too large, or is asked for without saying
//! all.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::support::{
    http_2::Http2,
    server::{Reply, Server, agent, call},
};

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T22:30:00Z"]);
    (folder, server)
}

fn members(server: &Server, name: &str) -> Vec<String> {
    let text = server.call("GET", &format!("/v1/segments/{name}/members?format=csv"), Value::Null).text;
    text.lines().skip(1).map(str::to_owned).collect()
}

fn refused(reply: &Reply, status: u16, code: &str) -> Value {
    let problem = reply.json();
    assert_eq!((reply.status, &problem["type"]), (status, &json!(format!("urn:throng:problem:{code}"))), "{problem}");
    problem
}

#[test]
fn a_list_as_csv_is_read_by_its_column_of_keys() {
    let (_folder, server) = server();
    server.ok("POST", "/v1/segments", json!({"name": "list", "members": []}));
    let send = |csv: &str| {
        let path = "/v1/segments/list/members?mode=replace&create=true";
        let reply = server.send("POST", path, "text/csv", csv);
        assert_eq!(reply.status, 200, "{}", reply.text);
        members(&server, "list")
    };
    assert_eq!(send("name,key\nAda,u-1\nBob,u-2\n"), ["u-1", "u-2"]);
    assert_eq!(send("\u{feff}Key ,name\r\nu-1,Ada\r\n"), ["u-1"]);
    assert_eq!(send("u-2,Ada\nu-1,Bob\n"), ["u-1", "u-2"], "without a head it is the first column");
    assert_eq!(send("name,key,x\nAda\nBob,u-2,y\n,,\n"), ["u-2"], "a row without such a cell names nobody");
    server.ok("PUT", "/v1/suppressions/gone", json!({"members": [], "channels": ["email"]}));
    let reply = server.send("POST", "/v1/suppressions/gone/members", "text/csv", "why,key\nleft,u-1\n");
    assert_eq!((reply.status, &reply.json()["count"]), (200, &json!(1)));
}

#[test]
fn a_mode_beside_json_is_refused() {
    let (_folder, server) = server();
    server.ok("POST", "/v1/segments?create=true", json!({"name": "list", "members": ["u-1"]}));
    for query in ["mode=replace", "mode=add", "database=x"] {
        let reply = server.call("POST", &format!("/v1/segments/list/members?{query}"), json!({"remove": ["u-1"]}));
        let problem = refused(&reply, 400, "malformed");
        assert!(problem["detail"].as_str().unwrap().contains(query.split('=').next().unwrap()), "{problem}");
    }
    assert_eq!(members(&server, "list"), ["u-1"]);
}

#[test]
fn heads_of_columns_are_no_formulas() {
    let (_folder, server) = server();
    let lines = "{\"key\":\"u-1\",\"=cmd()\":1,\"@x\":2}\n";
    assert_eq!(server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json()["accepted"], 1);
    server.ok("POST", "/v1/segments", json!({"name": "all", "rule": "everyone"}));
    let path = "/v1/segments/all/members?format=csv&fields=%3Dcmd(),@x";
    assert_eq!(server.call("GET", path, Value::Null).text, "key,'=cmd(),'@x\r\nu-1,1,2\r\n");
    let path = "/v1/audience?format=csv&fields=%3Dcmd()";
    assert_eq!(server.call("POST", path, json!({"include": ["all"]})).text, "key,segment,'=cmd()\r\nu-1,all,1\r\n");
}

#[test]
fn a_frozen_copy_needs_no_name() {
    let (_folder, server) = server();
    server.ok("PATCH", "/v1/contacts/u-1", json!({"lead_score": 80}));
    let long = "x".repeat(256);
    for name in ["VIP", long.as_str()] {
        server.ok("POST", "/v1/segments", json!({"name": name, "rule": "lead_score > 50"}));
    }
    let freeze = |name: &str, key: &str| {
        let headers = if key.is_empty() { vec![] } else { vec![("idempotency-key", key)] };
        server.with_headers("POST", &format!("/v1/segments/{name}/freeze"), &headers, vec![])
    };
    let first = freeze("vip", "");
    assert_eq!((first.status, &first.json()["name"]), (201, &json!("VIP (frozen 2026-05-01)")), "{}", first.text);
    assert_eq!((&first.json()["kind"], &first.json()["count"]), (&json!("static"), &json!(1)));
    // A retry is the same copy, also after others, and past midnight.
    let second = freeze("VIP", "k").json();
    assert_eq!(second["name"], "VIP (frozen 2026-05-01, 2)");
    assert_eq!(freeze("VIP", "").json()["name"], "VIP (frozen 2026-05-01, 3)");
    assert_eq!(freeze("VIP", "k").json()["name"], second["name"]);
    server.ok("POST", "/v1/clock", json!({"now": "2026-05-02T01:00:00Z"}));
    let again = freeze("VIP", "k");
    assert_eq!((&again.json()["name"], again.header("idempotency-replayed")), (&second["name"], Some("true")));
    assert_eq!(freeze("VIP", "other").json()["name"], "VIP (frozen 2026-05-02)");
    assert_eq!(freeze(&long, "").json()["name"].as_str().unwrap().len(), 256);
    assert_eq!(freeze("nobody", "").status, 404);
    refused(&server.call("POST", "/v1/segments/VIP/freeze", json!({})), 422, "missing_member");
    let named = server.call("POST", "/v1/segments/VIP/freeze", json!({"name": "VIP of May"}));
    assert_eq!((named.status, &named.json()["name"]), (201, &json!("VIP of May")));
}

#[test]
fn a_cycle_is_told_the_same_way_wherever_it_is_found() {
    let (_folder, server) = server();
    server.ok("POST", "/v1/segments", json!({"name": "a", "rule": "lead_score > 50"}));
    server.ok("POST", "/v1/segments", json!({"name": "b", "rule": "in segment \"a\""}));
    let rule = json!({"rule": "in segment \"b\""});
    for (method, path) in [("PATCH", "/v1/segments/a"), ("PUT", "/v1/segments/a"), ("POST", "/v1/segments/a/preview")] {
        let problem = refused(&server.call(method, path, rule.clone()), 422, "rule");
        assert_eq!(problem["rule"]["code"], "cycle", "{method} {path}: {problem}");
        assert!(problem["rule"]["message"].is_string(), "{problem}");
    }
}

#[test]
fn a_head_of_more_than_its_limit_is_refused() {
    let (_folder, server) = server();
    let limit = server.ok("GET", "/v1/status", Value::Null)["limits"]["head_bytes"].as_u64().unwrap() as usize;
    assert_eq!(limit, 16 << 10);
    let with = |bytes: usize| {
        let filler = "x".repeat(bytes);
        server.with_headers("GET", "/healthz", &[("x-filler", filler.as_str())], vec![])
    };
    assert_eq!(with(limit - 1_000).status, 200);
    refused(&with(limit), 431, "head_too_large");
    let path = format!("/v1/segments/{}", "x".repeat(limit));
    assert_eq!(server.call("GET", &path, Value::Null).status, 431, "the target counts");
    // Far more than that is not even read.
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Filler: {}", "x".repeat(300 << 10));
    let _ = stream.write_all(head.as_bytes());
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&told));
    let mut second = Http2::connect(server.url.strip_prefix("http://").unwrap(), 1 << 16);
    second.get_filled(1, "/healthz", 1_000).unwrap();
    second.get_filled(3, "/healthz", limit).unwrap();
    let mut heads = vec![];
    while heads.len() < 2 {
        let frame = second.frame().expect("it answers");
        if frame.is_head() {
            heads.push((frame.stream, frame.is_ok()));
        }
    }
    heads.sort_unstable();
    assert_eq!(heads, [(1, true), (3, false)]);
}

#[test]
fn what_is_wrong_is_told_at_its_place() {
    let (_folder, server) = server();
    let told = server.ok("POST", "/v1/events", json!({"contact": "u", "event": ""}));
    assert_eq!((&told["rejected"], &told["errors"][0]["pointer"]), (&json!(1), &json!("/event")), "{told}");
    let track = json!({"userId": "u", "event": "", "messageId": "m"});
    assert_eq!(server.ok("POST", "/v1/track?verbose=true", track)["errors"][0]["pointer"], "/event");
    let track = json!({"userId": "u", "event": "x", "messageId": "m".repeat(600)});
    assert_eq!(server.ok("POST", "/v1/track?verbose=true", track)["errors"][0]["pointer"], "/messageId");
    server.ok("POST", "/v1/segments", json!({"name": "all", "rule": "everyone"}));
    let problem =
        refused(&server.call("POST", "/v1/audience", json!({"include": ["all"], "split": 5})), 422, "bad_split");
    assert!(problem["detail"].as_str().unwrap().contains("\"split\" must be an object"), "{problem}");
    let event = json!({"contact": "u", "event": "visit"});
    let json = [("content-type", "application/json")];
    let path = "/v1/events?mode=merge";
    let reply = call(&agent(), &server.url, "POST", path, &json, event.to_string().into_bytes()).unwrap();
    refused(&reply, 400, "malformed");
    let sum = json!({"aggregate": "sum", "event": "purchase", "of": "amount"});
    let patch = json!({"properties": {"ltv": {"type": "money", "currency": "EUR", "derived": sum}}});
    let problem = server.call("PATCH", "/v1/schema", patch).json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("money in EUR") && detail.contains("money in USD"), "{detail}");
}
