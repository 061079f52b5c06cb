//! The page over a socket: what it shows, what it escapes, the headers it bears, and writes that other sites send.

use serde_json::{Value, json};

use crate::support::{
    server::{Reply, Server},
    wire,
};

/// A name that would be a script, an attribute and an entity if it were not escaped.
const NASTY: &str = "<script>alert(1)</script>\"'&amp; ü/ñ";

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub fn filled() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    for (key, score, country) in [("u-1", 80, "US"), ("u-2", 12, "DE"), (NASTY, 95, "<b>US</b>")] {
        let body =
            json!({"name": format!("{key} {NASTY}"), "lead_score": score, "country": country, "tags": ["VIP", NASTY]});
        assert_eq!(server.call("PUT", &format!("/v1/contacts/{}", encoded(key)), body).status, 201);
    }
    let events = json!([
        {"contact": NASTY, "event": "purchase", "at": "2026-04-20T10:00:00Z", "properties": {"amount": 1200.5, "product": NASTY}},
        {"contact": "u-1", "event": "conversation", "at": "2026-04-30T00:00:00Z"},
        {"contact": "u-1", "event": "conversation", "at": "2026-05-30T00:00:00Z"},
    ]);
    server.ok("POST", "/v1/events", events);
    let rule = format!("Lead Score > 50 AND (Has tag {NASTY:?} OR Country = \"US\")");
    server.ok("POST", "/v1/segments", json!({"name": NASTY, "description": NASTY, "rule": rule}));
    server.ok("POST", "/v1/segments", json!({"name": "Users of it", "rule": {"segment": NASTY}}));
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": ["u-2"]}));
    (folder, server)
}

pub fn page(server: &Server, path: &str) -> Reply {
    let reply = server.call("GET", path, Value::Null);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    assert!(reply.text.contains("name=\"viewport\" content=\"width=device-width, initial-scale=1\""), "{path}");
    assert!(reply.text.contains("<html lang=\"en\">"), "{path}");
    headers(&reply);
    reply
}

fn headers(reply: &Reply) {
    let policy = reply.header("content-security-policy").unwrap();
    for part in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("x-frame-options"), Some("DENY"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
}

#[test]
fn pages_render_and_escape_what_people_wrote() {
    let (_folder, server) = filled();
    let (name, paths) = (encoded(NASTY), ["/ui/", "/ui/new", "/ui/contacts", "/ui/advice"]);
    let mut paths: Vec<String> = paths.map(str::to_owned).to_vec();
    for tail in ["", "/edit", "/versions", "?days=365&field=tags&field=name&field=country"] {
        paths.push(format!("/ui/segments/{name}{tail}"));
    }
    paths.push(format!("/ui/contacts/{name}"));
    paths.push(format!("/ui/contacts?q={}", encoded("script")));
    paths.push(format!("/ui/?q={name}&sort=-count"));
    paths.push(format!("/ui/new?rule={name}&name={name}"));
    paths.push(format!("/ui/overlap?segment={name}&segment=list&segment={name}"));
    paths.push(format!("/ui/overlap?segment={}", encoded("<script>none")));
    paths.push("/ui/segments/List".to_owned());
    for path in &paths {
        let reply = page(&server, path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        assert!(!reply.text.contains("<script>"), "{path} has a script that is not its own");
        assert!(!reply.text.contains("<b>US</b>"), "{path} shows a value as markup");
        assert!(!reply.text.contains(" style=") && !reply.text.contains(" onclick="), "{path} has code within");
        let shows = reply.text.contains("&#60;script&#62;") || reply.text.contains("&lt;script&gt;");
        assert!(shows || path == "/ui/new" || path.ends_with("/List"), "{path} shows the name: {}", reply.text);
        assert!(!reply.text.contains("http://") && !reply.text.contains("https://"), "{path} asks nobody else");
    }
}

#[test]
fn pages_say_what_the_api_says() {
    let (_folder, server) = filled();
    let text = page(&server, &format!("/ui/segments/{}", encoded(NASTY))).text;
    assert!(text.contains("data-count=\"2\">2</span>"), "two contacts: {text}");
    for part in [
        "All of",
        "Any of",
        "Lead score is more than 50",
        "Country is “US”",
        "66.7%",
        "Users of it",
        "role=\"img\" aria-label=\"Members by day from 2026-05-01",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = page(&server, &format!("/ui/overlap?segment={}&segment=list&segment=nothing", encoded(NASTY))).text;
    assert!(
        text.contains("href=\"/ui/overlap?segment=List\"") && text.contains("There is no segment “nothing”"),
        "{text}"
    );
    assert!(text.contains("<option value=\"Users of it\">") && !text.contains("<option value=\"List\">"), "{text}");
    let text = page(&server, "/ui/contacts/u-1").text;
    for part in ["in 2 of 3", "2026-05-30 00:00 (to come)", "Lead score", "Conversation"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = page(&server, "/ui/").text;
    let row = |name: &str| text.find(name).unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(row("data-name=\"List\"") < row("data-name=\"Users of it\""), "by name");
    let text = page(&server, "/ui/?sort=-count&q=list").text;
    assert!(text.contains("data-name=\"List\"") && !text.contains("data-name=\"Users of it\""), "searched");
    let text = page(&server, "/ui/contacts?q=u-2").text;
    assert!(text.contains("/ui/contacts/u-2\"") && !text.contains("/ui/contacts/u-1\""), "found by key: {text}");
}

#[test]
fn members_come_page_by_page_as_of_one_instant() {
    let (_folder, server) = filled();
    let lines: String = (0..60).map(|n| format!("{{\"key\":\"p-{n:02}\",\"lead_score\":1}}\n")).collect();
    server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines);
    server.ok("POST", "/v1/segments", json!({"name": "Many", "rule": "Lead Score = 1"}));
    let (mut path, mut seen) = ("/ui/segments/Many?fields=lead_score".to_owned(), Vec::new());
    for round in 0..3 {
        let text = page(&server, &path).text;
        seen.extend((0..60).filter(|n| text.contains(&format!("/ui/contacts/p-{n:02}\""))).collect::<Vec<_>>());
        let next = text.split("rel=\"next\" href=\"?").nth(1).map(|rest| rest.split(['"', '#']).next().unwrap());
        assert_eq!(next.is_some(), round < 2, "three pages");
        let Some(next) = next else { break };
        path = format!("/ui/segments/Many?{}", next.replace("&amp;", "&").replace("&#38;", "&"));
        // A look at the first page keeps nothing; whoever turns pages stays at the instant of the second.
        assert_eq!(path.contains("from="), round == 0, "{path}");
        if round > 0 {
            server.call("PUT", "/v1/contacts/late", json!({"lead_score": 1}));
            assert!(!page(&server, &path).text.contains("/ui/contacts/late"));
        }
    }
    // Newcomers are told in the live list of changes, never among these members.
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
}

#[test]
fn what_is_not_there_is_a_page_that_says_so() {
    let (_folder, server) = filled();
    for path in
        ["/ui/nothing", "/ui/segments/none", "/ui/contacts/none", "/ui/segments/none/edit", "/ui/assets/none.js"]
    {
        let reply = page(&server, path);
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.text.contains("<h1>Not found</h1>"), "{}", reply.text);
    }
    assert_eq!(page(&server, "/ui/?what=1").status, 400);
    let reply = page(&server, &format!("/ui/contacts/{}", encoded("<i>x</i>")));
    assert!(reply.status == 404 && !reply.text.contains("<i>x</i>"), "{}", reply.text);
    assert_eq!(server.call("GET", "/v1/nothing", Value::Null).header("content-type"), Some("application/problem+json"));
}

#[test]
fn the_root_leads_to_the_page_and_assets_are_asked_for_once() {
    let (_folder, server) = filled();
    let root = server.call("GET", "/", Value::Null);
    assert!(root.status == 200 && root.text.contains("<h1>Segments</h1>"), "the client follows: {}", root.status);
    let list = page(&server, "/ui/").text;
    let mut files: Vec<&str> = list.split("/ui/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    files.extend([
        "editor.js",
        "editor.css",
        "builder.js",
        "rows.js",
        "fields.js",
        "patterns.js",
        "where.js",
        "segment.js",
        "contact.js",
        "highlight.js",
        "figures.js",
        "overlap.js",
        "svg.js",
    ]);
    for file in files {
        let path = format!("/ui/assets/{file}");
        let reply = server.call("GET", &path, Value::Null);
        assert_eq!(reply.status, 200, "{file}");
        headers(&reply);
        let tag = reply.header("etag").unwrap();
        let again = server.with_headers("GET", &path, &[("if-none-match", tag)], Vec::new());
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{file}");
    }
}

#[test]
fn the_editor_hears_what_a_rule_means() {
    let (_folder, server) = filled();
    let rule = "Lead Score > 50 AND NOT Country = \"US\"";
    let told = server.ok("POST", "/ui/ask/preview", json!({"rule": rule}));
    assert_eq!((&told["count"], &told["everyone"], &told["share"]), (&json!(1), &json!(3), &json!("33.3%")));
    assert_eq!(told["sample"][0]["key"], NASTY);
    let nodes = &told["nodes"];
    assert_eq!((&nodes["kind"], &nodes["count"]), (&json!("and"), &json!(1)));
    let (first, second) = (&nodes["children"][0], &nodes["children"][1]);
    assert_eq!((&first["kind"], &first["count"]), (&json!("test"), &json!(2)));
    assert_eq!((&second["kind"], &second["count"]), (&json!("not"), &json!(2)));
    assert_eq!(second["children"][0]["count"], 1);
    // Both forms lead to the same.
    let again = server.ok("POST", "/ui/ask/preview", json!({"rule": told["json"]}));
    assert_eq!((&again["text"], &again["nodes"]), (&told["text"], &told["nodes"]));
    let trial = server.ok("POST", "/ui/ask/preview", json!({"rule": rule, "segment": NASTY}))["trial"].clone();
    assert_eq!(
        (&trial["now"], &trial["after"], &trial["entering"], &trial["leaving"]),
        (&json!(2), &json!(1), &json!(0), &json!(1))
    );
    assert_eq!(trial["samples"]["leaving"], json!(["u-1"]));
    assert_eq!(trial["dependents"][0]["segment"], "Users of it");
    let wrong = server.call("POST", "/ui/ask/preview", json!({"rule": "Lead Scroe > 50"}));
    assert_eq!(wrong.status, 422);
    assert_eq!((&wrong.json()["rule"]["offset"], &wrong.json()["rule"]["length"]), (&json!(0), &json!(10)));
    // The same counts stand in the API, for those who ask for them.
    let explained = server.ok("POST", "/v1/query/explain", json!({"rule": rule, "nodes": true}));
    assert_eq!(explained["nodes"], told["nodes"]);
    assert!(server.ok("POST", "/v1/query/explain", json!({"rule": rule})).get("nodes").is_none());
    assert_eq!(server.call("POST", "/v1/query/explain", json!({"rule": rule, "nodes": 1})).status, 422);
}

#[test]
fn every_part_of_a_rule_counts_what_it_counts_alone() {
    let (_folder, server) = filled();
    let tests = ["Lead Score > 50", "Country = \"US\"", "Has tag \"VIP\"", "Had conversation in last 7 days", "no one"];
    let [a, b, c, d, none] = tests;
    let rules = [
        format!("({a} OR {b}) XOR NOT ({c} AND {d})"),
        format!("at least 2 of ({a}, {b}, {d}) AND NOT at most 1 of ({a}, {a}, NOT {b})"),
        format!("exactly 0 of ({a}, {none}) OR exactly 3 of ({a}, {b}, {c})"),
        format!("at least 0 of ({none}) XOR at most 5 of ({a}) XOR at least 3 of ({a}, {b})"),
        format!("NOT NOT {none}"),
        "everyone".to_owned(),
    ];
    /// The rule of a node, put together again, and every node on the way.
    fn rebuilt(node: &Value, nodes: &mut Vec<(Value, u64)>) -> Value {
        let parts: Vec<Value> = node["children"].as_array().unwrap().iter().map(|part| rebuilt(part, nodes)).collect();
        let rule = match node["kind"].as_str().unwrap() {
            "test" => node["json"].clone(),
            "not" => json!({"not": parts[0]}),
            kind @ ("and" | "or" | "xor") => json!({kind: parts}),
            kind => json!({kind: node["n"], "of": parts}),
        };
        nodes.push((rule.clone(), node["count"].as_u64().unwrap()));
        rule
    }
    let mut counted = 0;
    for rule in &rules {
        let told = server.ok("POST", "/ui/ask/preview", json!({"rule": rule}));
        let mut nodes = Vec::new();
        assert_eq!(rebuilt(&told["nodes"], &mut nodes), told["json"], "{rule}");
        for (part, count) in nodes {
            let asked = server.ok("POST", "/v1/query", json!({"rule": part}));
            assert_eq!(asked["count"].as_u64(), Some(count), "{part} of {rule}");
            counted += 1;
        }
        // In lines it is the same rule.
        assert_eq!(server.ok("POST", "/v1/rules/parse", json!({"rule": told["lines"]}))["json"], told["json"]);
    }
    assert!(counted > 35, "{counted} parts");
}

#[test]
fn many_segments_come_in_pages_with_counts_for_those_seen() {
    let (_folder, server) = filled();
    for n in 0..130 {
        let rule = if n == 125 { "everyone" } else { "no one" };
        server.ok("POST", "/v1/segments", json!({"name": format!("Many {n:03}"), "rule": rule}));
    }
    let rows = |text: &str| text.matches("<tr data-name=").count();
    let first = page(&server, "/ui/").text;
    assert_eq!((rows(&first), first.matches("class=\"spark\"").count()), (100, 100));
    assert!(first.contains("Page 1 of 2") && first.contains("rel=\"next\"") && !first.contains("rel=\"prev\""));
    let second = page(&server, "/ui/?page=2&sort=name&q=").text;
    assert!(rows(&second) == 33 && second.contains("data-name=\"Many 129\"") && second.contains("rel=\"prev\""));
    assert_eq!(rows(&page(&server, "/ui/?page=99").text), 33, "past the end is the last");
    assert!(page(&server, "/ui/?sort=-count").text.contains("data-name=\"Many 125\""), "sorted over all pages");
    let found = page(&server, "/ui/?q=many+12").text;
    assert!(rows(&found) == 10 && !found.contains("rel=\"next\""), "searched over all pages");
    let told = server.ok("POST", "/ui/ask/counts", json!({"names": ["many 125", "nothing", "List"]}));
    assert_eq!((&told["counts"], &told["everyone"]), (&json!([3, null, 1]), &json!(3)));
    assert_eq!(server.call("POST", "/ui/ask/counts", json!({"names": vec!["x"; 101]})).status, 422);
    // A contact shows those that hold it first, and finds others.
    let contact = page(&server, "/ui/contacts/u-2").text;
    assert!(contact.contains("in 2 of 133") && contact.matches("class=\"truth").count() == 100, "{contact}");
    let in_first = contact.find("Many 125").unwrap();
    assert!(contact.contains(" List</summary>") && in_first < contact.find("not in").unwrap());
    let contact = page(&server, "/ui/contacts/u-2?q=many+12").text;
    assert!(contact.matches("class=\"truth").count() == 10 && contact.contains("10 of 10 found"), "{contact}");
}

#[test]
fn advice_about_all_segments_has_a_page() {
    let (_folder, server) = filled();
    server.ok("POST", "/v1/segments", json!({"name": "Never ever", "rule": "Lead Score > 80 AND Lead Score < 20"}));
    let found = server.ok("GET", "/v1/review", Value::Null);
    let (all, findings) = (page(&server, "/ui/advice").text, found["findings"].as_array().unwrap());
    assert_eq!(all.matches("What to do: ").count(), findings.len());
    assert_eq!((&found["left_out"], &found["unreviewed"], &found["uncompared"]), (&json!(0), &json!(0), &json!(0)));
    assert!(all.contains("Problems (1)") && all.contains("href=\"/ui/segments/Never%20ever\""), "{all}");
    let problems = page(&server, "/ui/advice?weight=problem").text;
    assert!(problems.matches("What to do: ").count() == 1 && problems.contains("can hold for no one"), "{problems}");
    // So much as is asked for; what is not told is counted.
    let one = server.ok("GET", "/v1/review?limit=1", Value::Null);
    assert_eq!((one["findings"].as_array().unwrap().len(), &one["left_out"]), (1, &json!(findings.len() - 1)));
    assert_eq!((&one["problems"], &one["hints"]), (&found["problems"], &found["hints"]));
    assert_eq!(server.call("GET", "/v1/review?limit=0", Value::Null).status, 422);
}

#[test]
fn what_time_brings_to_a_contact_is_told_in_order() {
    let (_folder, server) = filled();
    server.ok("POST", "/v1/segments", json!({"name": "Talked", "rule": "Had conversation in last 7 days"}));
    server.ok(
        "POST",
        "/v1/segments",
        json!({"name": "Quiet", "rule": "No conversation in 3 days AND Lead Score > 50"}),
    );
    let told = server.ok("GET", "/ui/ask/next?contact=u-1", Value::Null);
    let change = |place: usize| &told["changes"][place];
    assert_eq!(
        (&change(0)["segment"], &change(0)["member"], &change(0)["at"]),
        (&json!("Quiet"), &json!(true), &json!("2026-05-03T00:00:00.001Z")),
        "{told}"
    );
    assert_eq!((&change(1)["segment"], &change(1)["member"]), (&json!("Talked"), &json!(false)));
    assert_eq!((&change(1)["told"], &change(1)["path"]), (&json!("2026-05-07 00:00"), &json!("Talked")));
    assert_eq!((change(2), &told["looked_at"], &told["left_out"]), (&Value::Null, &json!(5), &json!(0)));
    // Each is what the API says of it.
    for change in told["changes"].as_array().unwrap() {
        let path = format!("/v1/contacts/u-1/segments/{}?explain=true", change["segment"].as_str().unwrap());
        let why = server.ok("GET", &path, Value::Null);
        assert_eq!(why["next_change"], json!({"at": change["at"], "member": change["member"]}));
    }
    assert_eq!(server.call("GET", "/ui/ask/next?contact=none", Value::Null).status, 404);
    assert_eq!(server.call("GET", "/ui/ask/next", Value::Null).status, 400);
}

#[test]
fn versions_come_twenty_at_a_time() {
    let (_folder, server) = filled();
    server.ok("POST", "/v1/segments", json!({"name": "Often", "rule": "Lead Score > 1"}));
    for n in 2..=45 {
        server.ok("PATCH", "/v1/segments/Often", json!({"rule": format!("Lead Score > {n}")}));
    }
    let numbers = |path: &str| -> Vec<u32> {
        let text = page(&server, path).text;
        let found = text.split("<h2>Version ").skip(1);
        found.map(|rest| rest.split([' ', '<']).next().unwrap().parse().unwrap()).collect()
    };
    assert_eq!(numbers("/ui/segments/Often/versions"), (26..=45).rev().collect::<Vec<_>>());
    assert_eq!(numbers("/ui/segments/Often/versions?before=26"), (6..=25).rev().collect::<Vec<_>>());
    assert_eq!(numbers("/ui/segments/Often/versions?before=6"), [5, 4, 3, 2, 1]);
    let text = page(&server, "/ui/segments/Often/versions?before=26").text;
    assert!(
        text.contains("<del>5</del>") && text.contains("versions?before=6\""),
        "compared with the page before: {text}"
    );
    assert!(!page(&server, "/ui/segments/Often/versions?before=6").text.contains("Older"));
}

#[test]
fn what_has_no_page_is_named_without_a_link() {
    let (_folder, server) = filled();
    let lines = "{\"key\":\".\",\"lead_score\":99}\n{\"key\":\"..\",\"lead_score\":99}\n";
    server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines);
    server.ok("POST", "/v1/segments", json!({"name": "..", "rule": "Lead Score = 99"}));
    server.ok("POST", "/v1/segments", json!({"name": "Dots", "rule": {"segment": ".."}}));
    server.ok("POST", "/v1/suppressions", json!({"name": "Quiet", "rule": {"segment": "Dots"}}));
    for path in ["/ui/", "/ui/contacts", "/ui/segments/Dots", "/ui/contacts/u-1"] {
        let text = page(&server, path).text;
        for dead in ["/%2E\"", "/%2E%2E\"", "/.\"", "/..\"", "=\"%2E%2E\""] {
            assert!(!text.contains(dead), "{path} leads to {dead}");
        }
        assert!(text.contains("..") && (path == "/ui/segments/Dots" || text.contains("no page: ")), "{path}: {text}");
    }
    let text = page(&server, "/ui/segments/Dots").text;
    assert!(text.contains("suppression “Quiet”") && !text.contains("/ui/segments/Quiet"), "{text}");
}

#[test]
fn values_are_offered_with_their_counts() {
    let (_folder, server) = filled();
    server.ok("PUT", "/v1/contacts/u-3", json!({"country": "DE", "email_consent": true}));
    let offered = |query: &str| server.ok("GET", &format!("/ui/ask/values?{query}"), Value::Null)["values"].clone();
    let value = |value: &str, count: u64| json!({"value": value, "count": count});
    assert_eq!(offered("property=country"), json!([value("DE", 2), value("<b>US</b>", 1), value("US", 1)]));
    assert_eq!(offered("property=country&q=us"), json!([value("<b>US</b>", 1), value("US", 1)]));
    assert_eq!(offered("property=tag&q=vi"), json!([value("VIP", 3)]));
    assert_eq!(offered("property=email_consent"), json!([value("true", 1)]));
    assert_eq!(offered("event=purchase&property=product&q=SCRIPT"), json!([value(NASTY, 1)]));
    for none in ["property=lead_score", "property=unknown", "event=unknown&property=product"] {
        assert_eq!(offered(none), json!([]), "{none}");
    }
}

#[test]
fn writes_that_another_site_sends_are_refused() {
    let (_folder, server) = filled();
    // A connection for each call: one that is refused before its body was read may be closed.
    let send = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        wire::whole(&server.url, &wire::request(method, path, headers, body))
    };
    let body = json!({"name": "Forged", "rule": "everyone"}).to_string().into_bytes();
    let json_type = ("content-type", "application/json");
    // The host of these requests is `localhost`.
    for foreign in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site"), ("origin", "http://localhost")],
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
    ] {
        let mut headers = vec![json_type];
        headers.extend(&foreign);
        let calls = [("POST", "/v1/segments"), ("POST", "/ui/ask/preview"), ("PUT", "/v1/contacts/u-1")];
        for (method, path) in calls.into_iter().chain([("DELETE", "/v1/contacts/u-1")]) {
            let answer = send(method, path, &headers, &body);
            let code = answer.json()["type"].as_str().map(str::to_owned);
            assert_eq!(
                (answer.status, code.as_deref()),
                (403, Some("urn:throng:problem:cross_site")),
                "{path} {foreign:?}"
            );
        }
    }
    // What a form of another site could send is no JSON, whoever sends it.
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        for path in ["/v1/segments", "/v1/query", "/v1/lookup", "/v1/audience", "/ui/ask/preview", "/v1/suppressions"] {
            assert_eq!(send("POST", path, &[("content-type", media)], &body).status, 415, "{path} {media}");
        }
    }
    // Bytes without a type can be sent from another site; of a browser they are no JSON, of a program they are.
    for headers in [[("sec-fetch-site", "same-origin")], [("origin", "http://localhost")]] {
        assert_eq!(send("POST", "/v1/query", &headers, br#"{"rule":"everyone"}"#).status, 415, "{headers:?}");
    }
    assert_eq!(send("POST", "/v1/query", &[], br#"{"rule":"everyone"}"#).status, 200);
    assert_eq!(send("GET", "/v1/segments/Forged", &[], b"").status, 404);
    let own = [json_type, ("sec-fetch-site", "same-origin"), ("origin", "http://localhost")];
    assert_eq!(send("POST", "/v1/segments", &own, &body).status, 201);
    let read = send("GET", "/v1/segments", &[("sec-fetch-site", "cross-site")], b"");
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, None));
}
