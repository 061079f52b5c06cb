//! The API over a socket: every call, its answer and its errors.

use serde_json::{Value, json};

use crate::support::server::Server;

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    (folder, server)
}

/// Three contacts and a few events.
fn filled() -> (tempfile::TempDir, Server) {
    let (folder, server) = server();
    let lines = concat!(
        r#"{"key":"u-1","name":"Ada","email":"ada@Company.com","tags":["VIP","Customer"],"lead_score":80,"country":"US"}"#,
        "\n",
        r#"{"key":"u-2","name":"Bob","tags":["Customer"],"lead_score":12.5,"country":"de"}"#,
        "\n\n",
        r#"{"key":"ü/3","name":"Çelik","lead_score":95}"#,
    );
    let answer = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json();
    assert_eq!((&answer["accepted"], &answer["created"], &answer["rejected"]), (&json!(3), &json!(3), &json!(0)));
    let events = json!([
        {"id": "e-1", "contact": "u-1", "event": "purchase", "at": "2026-04-20T10:00:00Z", "properties": {"amount": 1200.5}},
        {"contact": "u-2", "event": "conversation", "at": "2026-04-30", "properties": {"channel": "email"}},
        {"id": "e-1", "contact": "u-1", "event": "purchase", "at": "2026-04-20T10:00:00Z", "properties": {"amount": 1200.5}},
    ]);
    let answer = server.ok("POST", "/v1/events", events);
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(2), &json!(1)));
    (folder, server)
}

fn problem(server: &Server, method: &str, path: &str, body: Value, status: u16) -> Value {
    let reply = server.call(method, path, body);
    assert_eq!(reply.status, status, "{method} {path}: {}", reply.text);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let problem = reply.json();
    assert_eq!(problem["status"], status);
    for member in ["type", "title", "detail", "request_id"] {
        assert!(problem[member].is_string(), "{member} is missing: {problem}");
    }
    problem
}

#[test]
fn contacts_are_written_read_merged_and_erased() {
    let (_folder, server) = server();
    let put = json!({"name": "Ada", "tags": ["VIP"], "lead_score": 80, "purchase_total": "10.50", "new_flag": true});
    assert_eq!(server.call("PUT", "/v1/contacts/u-1", put.clone()).status, 201);
    assert_eq!(server.call("PUT", "/v1/contacts/u-1", put).status, 200);
    let patch = json!({"name": null, "tags": {"add": ["Customer"], "remove": ["vip"]}, "Lead Score": 81.25});
    assert_eq!(server.call("PATCH", "/v1/contacts/u-1", patch).status, 200);
    let contact = server.ok("GET", "/v1/contacts/u-1", Value::Null);
    assert_eq!(contact["key"], "u-1");
    assert!(contact.get("name").is_none());
    assert_eq!(contact["tags"], json!(["Customer"]));
    assert_eq!(contact["lead_score"].to_string(), "81.25");
    assert_eq!(contact["purchase_total"].to_string(), "10.5");
    assert_eq!(contact["created"], "2026-05-01T00:00:00Z");
    assert_eq!(contact["new_flag"], true);
    assert_eq!(server.call("PATCH", "/v1/contacts/new", json!({"name": "Eve"})).status, 201);
    assert_eq!(server.call("DELETE", "/v1/contacts/u-1", Value::Null).status, 204);
    problem(&server, "GET", "/v1/contacts/u-1", Value::Null, 404);
    problem(&server, "DELETE", "/v1/contacts/u-1", Value::Null, 404);
    assert_eq!(server.count("everyone"), 1);
}

#[test]
fn keys_and_names_may_be_anything() {
    let (_folder, server) = server();
    for key in ["import", "a/b", "ü ñ?&#%", "..", "%2F"] {
        let path: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/v1/contacts/{path}");
        assert_eq!(server.call("PUT", &path, json!({"name": key})).status, 201, "{key}");
        assert_eq!(server.ok("GET", &path, Value::Null)["key"], key);
    }
    problem(&server, "PUT", &format!("/v1/contacts/{}", "k".repeat(513)), json!({}), 422);
    problem(&server, "PUT", "/v1/contacts/u-1", json!({"key": "u-2"}), 422);
    let segment = json!({"name": "members/é", "rule": "everyone"});
    assert_eq!(server.call("POST", "/v1/segments", segment).status, 201);
    assert_eq!(server.ok("GET", "/v1/segments/MEMBERS%2F%C3%89", Value::Null)["count"], 5);
}

#[test]
fn bad_records_are_told_by_line_and_good_ones_go_in() {
    let (_folder, server) = server();
    let lines = [
        r#"{"key":"a","lead_score":1}"#,
        r#"{"key":"b","lead_score":"many"}"#,
        r#"{"lead_score":1}"#,
        r#"{"key":"","lead_score":1}"#,
        r#"{"key":"c","lead_score":1,"lead_score":2}"#,
        r#"{"key":"d","createdAt":"2026-01-01","created_at":"2026-01-01"}"#,
        r#"{"key":"e","lead_score":99999999999999999999}"#,
        "not json",
        r#"{"key":"f","created":"2026-13-01T00:00:00Z"}"#,
        r#"{"key":"g","created":"2026-02-01"}"#,
        r#"{"key":"h","email_consent":"perhaps"}"#,
        r#"{"key":"i","lead_score":{"x":1}}"#,
    ];
    let answer = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines.join("\n")).json();
    assert_eq!(answer["accepted"], 2, "{answer}");
    assert_eq!(answer["rejected"], 10);
    let told: Vec<u64> = answer["errors"].as_array().unwrap().iter().map(|e| e["line"].as_u64().unwrap()).collect();
    assert_eq!(told, [2, 3, 4, 5, 6, 7, 8, 9, 11, 12]);
    assert_eq!(server.count("everyone"), 2);
    let csv = "key,name,lead_score,zip,tags\na,,7,01234,x;y\nb,Bob,nine,1,\nc,Cy\n\"d\",\"D, \"\"Q\"\"\",-3.5,00,z\n";
    let answer = server.send("POST", "/v1/contacts/import", "text/csv", csv).json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(2)), "{answer}");
    let open = server.send("POST", "/v1/contacts/import", "text/csv", "key,name\nq1,\"abc\nq2,x\n").json();
    assert_eq!(
        (&open["rejected"], &open["errors"][0]["code"], &open["errors"][0]["line"]),
        (&json!(1), &json!("open_quote"), &json!(2))
    );
    let a = server.ok("GET", "/v1/contacts/a", Value::Null);
    assert_eq!((&a["zip"], &a["tags"]), (&json!("01234"), &json!(["x", "y"])), "leading zeros make a text");
    assert_eq!(server.ok("GET", "/v1/contacts/d", Value::Null)["name"], "D, \"Q\"");
    let csv = "key,lead_score\r\na,1\r\nb,many\r\n";
    let answer = server.send("POST", "/v1/contacts/import", "text/csv", csv).json();
    assert_eq!((&answer["accepted"], &answer["errors"][0]["line"]), (&json!(1), &json!(3)), "{answer}");
}

#[test]
fn streams_may_be_packed() {
    let (_folder, server) = server();
    let lines: String = (0..5_000).map(|n| format!("{{\"key\":\"k{n}\",\"lead_score\":{n}}}\n")).collect();
    let mut gzip = flate2_bytes(&lines);
    let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
    let answer = server.with_headers("POST", "/v1/contacts/import", &headers, gzip.clone()).json();
    assert_eq!(answer["accepted"], 5_000);
    gzip.truncate(gzip.len() / 2);
    let reply = server.with_headers("POST", "/v1/contacts/import", &headers, gzip);
    assert_eq!(reply.status, 400, "{}", reply.text);
    let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "br")];
    assert_eq!(server.with_headers("POST", "/v1/contacts/import", &headers, vec![1]).status, 415);
    assert_eq!(server.send("POST", "/v1/contacts/import", "text/html", "x").status, 415);
    assert_eq!(server.send("POST", "/v1/contacts/import", "text/csv", "name\nx\n").status, 422);
}

fn flate2_bytes(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn questions_are_answered() {
    let (_folder, server) = filled();
    let ask = |body: Value| server.ok("POST", "/v1/query", body);
    let both = json!({"rule": "(Tag = \"Customer\" AND Country = \"US\") OR (Lead Score > 80)", "return": "keys"});
    let answer = ask(both);
    assert_eq!((&answer["count"], &answer["keys"]), (&json!(2), &json!(["u-1", "ü/3"])));
    assert!(answer["took_us"].is_u64() && answer["lsn"].is_u64());
    assert_eq!(ask(json!({"rule": {"tag": "vip"}}))["count"], 1);
    assert_eq!(server.count("Purchase Total > $1000 AND Last Activity < 90 days ago"), 1);
    assert_eq!(server.count("Country = DE"), 1);
    assert_eq!(server.count("Email domain is \"company.com\""), 1);
    assert_eq!(server.count("Had conversation in last 7 days"), 1);
    let later = json!({"rule": "Had conversation in last 7 days", "as_of": "2026-05-09T00:00:00Z"});
    assert_eq!(ask(later)["count"], 0);
    let contacts = ask(json!({"rule": "Name = ADA", "return": "contacts"}));
    assert_eq!(contacts["contacts"][0]["email"], "ada@Company.com");
    assert_eq!(contacts["contacts"][0]["purchase_total"].to_string(), "1200.5");
    assert_eq!(ask(json!({"rule": "everyone", "return": "sample", "limit": 2}))["keys"].as_array().unwrap().len(), 2);
    problem(&server, "POST", "/v1/query", json!({"rule": "everyone", "as_of": "2026-04-01"}), 422);
    problem(&server, "POST", "/v1/query", json!({"rule": "everyone", "limit": 0, "return": "keys"}), 422);
    problem(&server, "POST", "/v1/query", json!({"rules": "everyone"}), 422);
    let wrong = problem(&server, "POST", "/v1/query", json!({"rule": "Leed Score > 5"}), 422);
    assert_eq!(
        (&wrong["rule"]["offset"], &wrong["rule"]["line"], &wrong["rule"]["column"]),
        (&json!(0), &json!(1), &json!(1))
    );
    assert!(wrong["rule"]["suggestion"].as_str().unwrap().to_lowercase().contains("lead"), "{wrong}");
    let explained = server.ok("POST", "/v1/query/explain", json!({"rule": "Tag = VIP AND Lead Score > 50"}));
    assert_eq!(explained["count"], 1);
    assert_eq!(explained["plan"]["children"].as_array().unwrap().len(), 2, "{explained}");
    let parsed = server.ok("POST", "/v1/rules/parse", json!({"rule": "tag = vip and not Country = us"}));
    assert_eq!(
        parsed["json"],
        json!({"and": [{"tag": "vip"}, {"not": {"property": "country", "op": "eq", "value": "us"}}]})
    );
    let again = server.ok("POST", "/v1/rules/parse", json!({"rule": parsed["text"]}));
    assert_eq!(again, parsed);
    let deep = (0..60).fold("Country = US".to_owned(), |rule, n| format!("({rule} {} Name = x)", ["and", "or"][n % 2]));
    let deep = server.ok("POST", "/v1/rules/parse", json!({"rule": deep}));
    assert_eq!(server.ok("POST", "/v1/rules/parse", json!({"rule": deep["json"]})), deep, "both forms go as deep");
    server.ok("POST", "/v1/segments", json!({"name": "Deep", "rule": deep["text"]}));
    assert_eq!(server.ok("GET", "/v1/segments/Deep", Value::Null)["rule_json"], deep["json"]);
}

#[test]
fn pages_show_one_instant() {
    let (_folder, server) = server();
    let lines: String = (0..2_500).map(|n| format!("{{\"key\":\"k{n:04}\"}}\n")).collect();
    server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines);
    let mut keys = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = match &after {
            None => server.ok("GET", "/v1/contacts?limit=1000", Value::Null),
            Some(after) => server.ok("GET", &format!("/v1/contacts?limit=1000&after={after}"), Value::Null),
        };
        keys.extend(page["contacts"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap().to_owned()));
        server.call("PUT", "/v1/contacts/late", json!({}));
        server.call("DELETE", "/v1/contacts/k2499", Value::Null);
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    let wanted: Vec<String> = (0..2_500).map(|n| format!("k{n:04}")).collect();
    assert_eq!(keys, wanted, "what was written meanwhile is not seen");
    problem(&server, "GET", "/v1/contacts?after=nonsense", Value::Null, 400);
    problem(&server, "GET", "/v1/contacts?after=0-1-1-1", Value::Null, 410);
    let query = json!({"rule": "everyone", "return": "keys", "limit": 2_000});
    let first = server.ok("POST", "/v1/query", query);
    let next = json!({"rule": "everyone", "return": "keys", "limit": 2_000, "after": first["next"]});
    assert_eq!(server.ok("POST", "/v1/query", next)["keys"].as_array().unwrap().len(), 500);
}

#[test]
fn segments_live_their_life() {
    let (_folder, server) = filled();
    let made =
        server.call("POST", "/v1/segments", json!({"name": "Leads", "rule": "Lead Score > 50", "description": "d"}));
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["count"], &made["version"], &made["kind"]), (&json!(2), &json!(1), &json!("dynamic")));
    problem(&server, "POST", "/v1/segments", json!({"name": "LEADS", "rule": "everyone"}), 409);
    problem(&server, "POST", "/v1/segments", json!({"name": "x", "rule": "in segment \"nowhere\""}), 422);
    let wrong =
        problem(&server, "POST", "/v1/segments", json!({"name": "x", "rule": "Country = US and\n lead scre > 5"}), 422);
    assert_eq!((&wrong["rule"]["line"], &wrong["rule"]["offset"]), (&json!(2), &json!(18)), "{wrong}");
    let wrong = problem(&server, "PATCH", "/v1/segments/leads", json!({"rule": "lead scre > 5"}), 422);
    assert!(wrong["rule"]["suggestion"].is_string(), "{wrong}");
    let nested = json!({"name": "Top", "rule": "in segment \"leads\" AND Tag = VIP"});
    assert_eq!(server.call("POST", "/v1/segments", nested).json()["count"], 1);
    let cycle = problem(&server, "PATCH", "/v1/segments/leads", json!({"rule": "in segment \"Top\""}), 422);
    assert!(cycle["detail"].as_str().unwrap().contains("Top"), "{cycle}");
    let used = problem(&server, "DELETE", "/v1/segments/leads", Value::Null, 409);
    assert!(used["detail"].as_str().unwrap().contains("Top"), "{used}");
    let renamed = server.ok("PATCH", "/v1/segments/leads", json!({"name": "Good leads", "rule": "Lead Score > 10"}));
    assert_eq!((&renamed["count"], &renamed["version"]), (&json!(3), &json!(2)));
    assert_eq!(server.ok("GET", "/v1/segments/Top", Value::Null)["count"], 1, "a rename is safe");
    let versions = server.ok("GET", "/v1/segments/good%20leads/versions", Value::Null);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2);
    let held = server.ok("GET", "/v1/contacts/u-1/segments", Value::Null);
    assert_eq!(held["segments"], json!(["Good leads", "Top"]));
    assert_eq!(server.ok("GET", "/v1/contacts/u-2/segments/Top", Value::Null)["member"], false);
    let looked =
        server.ok("POST", "/v1/lookup", json!({"contacts": ["u-2", "nobody"], "segments": ["top", "good leads"]}));
    assert_eq!(looked["results"][0]["segments"], json!(["Good leads"]));
    assert_eq!(looked["results"][1]["unknown"], true);
    assert_eq!(server.call("DELETE", "/v1/segments/Top", Value::Null).status, 204);
    problem(&server, "GET", "/v1/segments/Top", Value::Null, 404);
    let put = json!({"rule": "everyone"});
    assert_eq!(server.call("PUT", "/v1/segments/All", put.clone()).status, 201);
    assert_eq!(server.call("PUT", "/v1/segments/All", put).status, 200);
    assert_eq!(server.ok("GET", "/v1/segments", Value::Null)["segments"].as_array().unwrap().len(), 2);
    let first = server.ok("GET", "/v1/segments?limit=1", Value::Null);
    let next = format!("/v1/segments?limit=1&after={}", first["next"].as_str().unwrap());
    let second = server.ok("GET", &next, Value::Null);
    assert_eq!((&first["segments"][0]["name"], &second["segments"][0]["name"]), (&json!("Good leads"), &json!("All")));
    assert!(second.get("next").is_none());
}

#[test]
fn static_lists_and_audiences() {
    let (_folder, server) = filled();
    let made =
        server.ok("POST", "/v1/segments", json!({"name": "List", "kind": "static", "members": ["u-1", "ghost"]}));
    assert_eq!((&made["count"], &made["kind"], &made["unknown"]), (&json!(1), &json!("static"), &json!(["ghost"])));
    let edit = server.ok("POST", "/v1/segments/list/members", json!({"add": ["ü/3", "ghost"], "remove": ["u-1"]}));
    assert_eq!((&edit["count"], &edit["unknown"]), (&json!(1), &json!(["ghost"])));
    let reply = server.send("POST", "/v1/segments/list/members?mode=replace&create=true", "text/plain", "u-1\nghost\n");
    assert_eq!((reply.status, &reply.json()["count"]), (200, &json!(2)), "{}", reply.text);
    let reply = server.with_headers("GET", "/v1/segments/list/members", &[], vec![]);
    assert_eq!(reply.text, "{\"key\":\"u-1\"}\n{\"key\":\"ghost\"}\n");
    assert_eq!(reply.header("throng-count"), Some("2"));
    assert!(reply.header("throng-lsn").is_some());
    let csv = server.with_headers("GET", "/v1/segments/list/members?format=csv&fields=name,tags", &[], vec![]);
    assert_eq!(csv.text, "key,name,tags\r\nu-1,Ada,VIP;Customer\r\nghost,,\r\n");
    let page = server.with_headers("GET", "/v1/segments/list/members?limit=1", &[], vec![]);
    let next = page.header("throng-next").expect("a next page").to_owned();
    let page = server.with_headers("GET", &format!("/v1/segments/list/members?limit=1&after={next}"), &[], vec![]);
    assert_eq!((page.text.as_str(), page.header("throng-count")), ("{\"key\":\"ghost\"}\n", Some("2")));
    assert_eq!(page.header("throng-next"), None);
    problem(&server, "GET", "/v1/segments/list/members?format=xml", Value::Null, 422);
    problem(&server, "GET", "/v1/segments/list/members?fields=nothing", Value::Null, 422);
    assert_eq!(server.call("DELETE", "/v1/contacts/ghost", Value::Null).status, 204);
    assert_eq!(server.ok("GET", "/v1/segments/list", Value::Null)["count"], 1, "erasing takes memberships along");
}

#[test]
fn the_schema_grows_and_refuses() {
    let (_folder, server) = filled();
    let patch = json!({
        "properties": {
            "plan": {"type": "text", "aliases": ["tier"], "case_sensitive": true},
            "mrr": {"type": "money", "currency": "EUR"},
            "ltv": {"type": "money", "currency": "USD", "derived": {"aggregate": "sum", "event": "purchase", "of": "amount"}},
        },
        "events": {"webinar": {
            "phrases": ["attended webinar"], "negative": ["no webinar"], "label": "title",
            "properties": {"minutes": {"type": "number"}, "title": {"type": "text"}},
        }},
    });
    let schema = server.ok("PATCH", "/v1/schema", patch);
    assert_eq!(schema["properties"]["plan"]["aliases"], json!(["tier"]));
    assert_eq!(schema["events"]["webinar"]["label"], "title");
    assert_eq!(server.count("ltv > $1000"), 1, "a new derived property looks back");
    server.ok("PATCH", "/v1/contacts/u-1", json!({"tier": "Gold", "mrr": "12.34"}));
    assert_eq!((server.count("plan = Gold"), server.count("tier = gold"), server.count("mrr > €12")), (1, 0, 1));
    problem(&server, "POST", "/v1/query", json!({"rule": "mrr > $12"}), 422);
    let event = json!({"contact": "u-2", "event": "webinar", "properties": {"title": "Intro", "minutes": 30}});
    assert_eq!(server.ok("POST", "/v1/events", event)["accepted"], 1);
    assert_eq!((server.count("Attended webinar \"intro\""), server.count("No webinar")), (1, 2));
    problem(&server, "PATCH", "/v1/schema", json!({"properties": {"lead_score": {"type": "text"}}}), 409);
    problem(&server, "PATCH", "/v1/schema", json!({"properties": {"x": {"type": "colour"}}}), 422);
    problem(&server, "PATCH", "/v1/schema", json!({"properties": {"tag": {"type": "text"}}}), 409);
    server.ok("POST", "/v1/segments", json!({"name": "Gold", "rule": "plan = Gold"}));
    let followed = problem(&server, "PATCH", "/v1/schema", json!({"events": {"purchase": null}}), 409);
    assert!(followed["detail"].as_str().unwrap().contains("purchase_value"), "{followed}");
    let used = problem(&server, "PATCH", "/v1/schema", json!({"properties": {"plan": null}}), 409);
    assert!(used["detail"].as_str().unwrap().contains("Gold"), "{used}");
    server.ok("DELETE", "/v1/segments/Gold", Value::Null);
    let schema = server.ok("PATCH", "/v1/schema", json!({"properties": {"plan": null}}));
    assert!(schema["properties"].get("plan").is_none());
}

#[test]
fn events_come_and_go() {
    let (_folder, server) = filled();
    let future = json!({"id": "f", "contact": "u-2", "event": "purchase", "at": "2026-05-03T00:00:00Z", "properties": {"amount": 5000}});
    server.ok("POST", "/v1/events", future);
    assert_eq!(server.count("purchase_total > $1000"), 1, "not before its time");
    server.ok("POST", "/v1/clock", json!({"now": "2026-05-03T00:00:00Z"}));
    assert_eq!(server.count("purchase_total > $1000"), 2);
    assert_eq!(server.call("DELETE", "/v1/events/e-1", Value::Null).status, 204);
    problem(&server, "DELETE", "/v1/events/e-1", Value::Null, 404);
    assert_eq!(server.count("purchase_total > $1000"), 1);
    let lines = "{\"contact\":\"n\",\"event\":\"visit\",\"at\":\"2026-05-01T00:00:00Z\"}\n{\"contact\":\"n\"}\n";
    let answer = server.send("POST", "/v1/events", "application/x-ndjson", lines).json();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"], &answer["errors"][0]["line"]),
        (&json!(1), &json!(1), &json!(2))
    );
    assert_eq!(server.count("did visit"), 1, "a new kind is declared by its first event");
    problem(&server, "POST", "/v1/clock", json!({"now": "2026-05-01T00:00:00Z"}), 409);
}

#[test]
fn the_edge_refuses_what_it_should() {
    let (_folder, server) = server();
    problem(&server, "GET", "/nothing", Value::Null, 404);
    problem(&server, "PUT", "/v1/query", json!({}), 405);
    assert_eq!(server.send("POST", "/v1/query", "application/json", "{").status, 400);
    assert_eq!(server.send("POST", "/v1/query", "application/json", "{\"rule\":\"a\",\"rule\":\"b\"}").status, 400);
    assert_eq!(server.send("POST", "/v1/query", "application/json", "[".repeat(100_000)).status, 422, "a limit");
    assert_eq!(server.send("POST", "/v1/query", "text/plain", "x").status, 415);
    let huge = format!("{{\"rule\":\"{}\"}}", "x".repeat(17 << 20));
    assert_eq!(server.send("POST", "/v1/query", "application/json", huge).status, 413);
    let deep = format!("{}everyone{}", "(".repeat(100), ")".repeat(100));
    problem(&server, "POST", "/v1/query", json!({"rule": deep}), 422);
    let reply = server.with_headers("GET", "/healthz", &[("x-request-id", "abc")], vec![]);
    assert_eq!((reply.status, reply.header("x-request-id")), (200, Some("abc")));
    assert_eq!(server.call("GET", "/readyz", Value::Null).status, 200);
    let status = server.ok("GET", "/v1/status", Value::Null);
    for member in ["contacts", "events", "segments", "lsn"] {
        assert!(status[member].is_u64(), "{member}: {status}");
    }
    assert_eq!((&status["now"], &status["limits"]["rule_depth"]), (&json!("2026-05-01T00:00:00Z"), &json!(64)));
}

#[test]
fn a_retry_with_its_key_counts_once() {
    let (folder, mut server) = server();
    let body = json!({"contact": "u-1", "event": "purchase", "properties": {"amount": 10}}).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "k-1")];
    let post = |server: &Server, body: &str| server.with_headers("POST", "/v1/events", &headers, body.into());
    let first = post(&server, &body).json();
    assert_eq!(post(&server, &body).json()["lsn"], first["lsn"]);
    server.kill();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    assert_eq!(post(&server, &body).json()["lsn"], first["lsn"]);
    assert_eq!(server.ok("GET", "/v1/status", Value::Null)["events"], 1);
    assert_eq!(post(&server, &body.replace("10", "11")).status, 422);
    let lines = "{\"contact\":\"u-2\",\"event\":\"purchase\"}\n".repeat(12_000);
    let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", "k-2")];
    for _ in 0..2 {
        let answer = server.with_headers("POST", "/v1/events", &headers, lines.clone().into()).json();
        assert_eq!(answer["accepted"], 12_000, "a stream is answered as the first time: {answer}");
    }
    assert_eq!(server.ok("GET", "/v1/status", Value::Null)["events"], 12_001);
}

#[test]
fn a_restart_changes_nothing() {
    let (folder, mut server) = filled();
    server.ok("POST", "/v1/segments", json!({"name": "Leads", "rule": "Lead Score > 50"}));
    server.ok("POST", "/v1/snapshot", Value::Null);
    server.ok("PUT", "/v1/contacts/after", json!({"lead_score": 51}));
    let before = server.ok("GET", "/v1/contacts", Value::Null)["contacts"].clone();
    assert!(server.stop(), "SIGTERM ends it well");
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    assert_eq!(server.ok("GET", "/v1/contacts", Value::Null)["contacts"], before);
    assert_eq!(server.ok("GET", "/v1/segments/Leads", Value::Null)["count"], 3);
}
