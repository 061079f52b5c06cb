//! The document of the API: complete, true of the server, and of one piece with the routes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};
use throng::http::{calls, docs_page::example_path, openapi};

use crate::support::{
    schema::faults,
    server::{Reply, Server},
    source::{root, rust, words},
};

type Operations = Vec<(String, String, Value)>;

/// Every operation: its method, its path, and what is said of it.
fn operations(document: &Value) -> Operations {
    let mut all = vec![];
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

/// Whether a body is no text, so that the document has no example of it.
fn is_binary(media: &str) -> bool {
    media.starts_with("application/vnd.")
}

/// The document as served, read by the tree that keeps no digits, as most clients do.
fn served(server: &Server) -> Value {
    let document = server.ok("GET", "/openapi.json", Value::Null);
    assert_eq!(document, openapi::document());
    document
}

#[test]
fn routes_come_from_the_table_alone() {
    let mut strays = vec![];
    // Some answer whoever asks for anything, before there is a table or instead of it; one is what we are measured against.
    let others = ["src/http/call.rs", "src/http/heads.rs", "src/http/starting.rs", "src/http/yardstick.rs"];
    let is_told = |path: &str| !others.contains(&path) && !path.ends_with("_tests.rs");
    for source in rust("src/http").iter().filter(|source| is_told(&source.path)) {
        for name in ["route", "nest", "merge", "fallback", "route_service"] {
            let calls = words(&source.code, name).filter(|at| source.code[..*at].ends_with('.'));
            strays.extend(calls.map(|at| format!("{}:{}: .{name}(", source.path, source.line(at))));
        }
    }
    assert!(strays.is_empty(), "a route stands in a table of src/http/calls:\n  {}", strays.join("\n  "));
}

#[test]
fn every_operation_is_told_whole() {
    let document = openapi::document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let shown = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{shown}: its id is another's");
        assert!(operation["summary"].as_str().is_some_and(|summary| summary.len() > 5), "{shown}: no summary");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let parts: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
        let told: BTreeSet<&str> = in_path.filter_map(|parameter| parameter["name"].as_str()).collect();
        assert_eq!(parts, told, "{shown}: the parts of the path");
        for parameter in &parameters {
            assert!(parameter["description"].as_str().is_some_and(|text| text.len() > 5), "{shown}: {parameter}");
            if parameter["required"] == true {
                assert!(parameter.get("example").is_some(), "{shown}: {parameter}");
            }
        }
        for (media, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            if is_binary(media) {
                continue;
            }
            let found = faults(&document, &content["schema"], &content["example"]);
            assert!(found.is_empty(), "{shown}: the example of {media}: {found:?}");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{shown}: no way to go well");
        assert!(operation["requestBody"].is_null() || responses.contains_key("400"), "{shown}: no malformed body");
        for (status, response) in responses {
            if let Some(place) = response["$ref"].as_str() {
                assert!(document.pointer(&place[1..]).is_some(), "{shown}: {place} is not there");
                continue;
            }
            assert!(!response["description"].as_str().unwrap().is_empty(), "{shown}: {status} says nothing");
            for (media, content) in response["content"].as_object().into_iter().flatten() {
                let is_text = ["html", "css", "metrics", "openmetrics"].iter().any(|kind| media.contains(kind));
                let Some(example) = content.get("example") else {
                    assert!(
                        is_text || is_binary(media) || path == "/openapi.json",
                        "{shown}: {status} {media} has no example"
                    );
                    continue;
                };
                let found = faults(&document, &content["schema"], example);
                assert!(found.is_empty(), "{shown}: the example of {status} {media}: {found:?}");
            }
            for (_, link) in response["links"].as_object().into_iter().flatten() {
                let leads = link["operationId"].as_str().unwrap();
                let known = operations(&document).iter().any(|(_, _, other)| other["operationId"] == leads);
                assert!(known, "{shown}: leads to {leads}, which is not there");
            }
        }
    }
    assert!(ids.len() > 45, "{} operations", ids.len());
    let text = document.to_string();
    for place in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()) {
        assert!(document.pointer(place).is_some(), "{place} is not there");
    }
}

#[test]
fn the_document_and_the_table_of_api_md_have_the_same_calls() {
    let text = fs::read_to_string(root().join("docs/API.md")).unwrap();
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let mut paths: Vec<String> = vec![];
        for token in line.split('`').skip(1).step_by(2) {
            let mut words = token.split_whitespace();
            let (first, second) = (words.next().unwrap_or_default(), words.next());
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&first) {
                continue;
            }
            match second.filter(|path| path.starts_with('/')) {
                Some(path) => {
                    let path = path.split(['?', '\\']).next().unwrap_or_default().to_owned();
                    told.entry(path.clone()).or_default().insert(first.into());
                    paths.push(path);
                }
                // A method by itself is one more of the row's path.
                None => {
                    let path = paths.last().unwrap_or_else(|| panic!("no path before {token}: {line}"));
                    told.entry(path.clone()).or_default().insert(first.into());
                }
            }
        }
    }
    let mut served: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, path, _) in operations(&openapi::document()) {
        served.entry(path).or_default().insert(method);
    }
    assert_eq!(told, served);
}

/// A server on which the examples of the document mean something.
fn furnished() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit");
    let arguments = ["--clock", "2026-05-01T00:00:00Z", "--audit-log", audit.to_str().unwrap()];
    let server = Server::start(&folder.path().join("data"), &arguments);
    server.ok("PUT", "/v1/contacts/u-1", json!({"name": "Ada", "tags": ["VIP"], "lead_score": 80}));
    server.ok("POST", "/v1/segments", json!({"name": "VIP customers", "rule": "Lead Score > 50"}));
    let rule = "Email Consent is false";
    server.ok("POST", "/v1/suppressions", json!({"name": "unsubscribed", "channels": ["email"], "rule": rule}));
    let event = json!({"id": "e-1", "contact": "u-1", "event": "purchase", "properties": {"amount": 5}});
    server.ok("POST", "/v1/events", event);
    server.ok("POST", "/v1/segments", json!({"name": "Webinar list", "members": ["u-1"]}));
    server.ok("POST", "/v1/suppressions", json!({"name": "bounced", "members": []}));
    // Nobody listens there.
    let hook = json!({"id": "wh_crm", "url": "http://127.0.0.1:9/hook", "segments": ["VIP customers"]});
    server.ok("POST", "/v1/webhooks", hook);
    (folder, server)
}

/// Whether a reply is one that the document tells of, down to its members.
fn is_told(document: &Value, operation: &Value, reply: &Reply) -> Result<(), String> {
    let response = &operation["responses"][reply.status.to_string()];
    let response = match response["$ref"].as_str() {
        Some(place) => document.pointer(&place[1..]).unwrap_or(&Value::Null),
        None => response,
    };
    if response.is_null() {
        return Err(format!("{} is not told of: {}", reply.status, reply.text));
    }
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let place = header["$ref"].as_str().unwrap_or("#");
        let must = document.pointer(&place[1..]).is_some_and(|header| header["required"] == true);
        if must && reply.header(&name.to_lowercase()).is_none() {
            return Err(format!("{name} is missing"));
        }
    }
    let Some(media) = reply.header("content-type").map(|media| media.split(';').next().unwrap_or_default()) else {
        let empty = response.get("content").is_none() && reply.text.is_empty();
        return if empty { Ok(()) } else { Err("a body without a media type".into()) };
    };
    let Some(content) = response["content"].get(media) else {
        return Err(format!("{} as {media} is not told of", reply.status));
    };
    let media = media.trim();
    if !media.ends_with("json") || media == "application/x-ndjson" {
        return Ok(());
    }
    let found = faults(document, &content["schema"], &serde_json::from_str(&reply.text).map_err(|e| e.to_string())?);
    if found.is_empty() { Ok(()) } else { Err(found.join("; ")) }
}

#[test]
fn every_example_runs_and_answers_as_told() {
    let document = openapi::document();
    let (mut problems, mut calls) = (vec![], 0);
    for (method, path, operation) in operations(&document) {
        let (_folder, server) = furnished();
        let target = example_path(&path, &operation);
        let bodies = operation["requestBody"]["content"].as_object().cloned().unwrap_or_default();
        let bodies: Vec<(Option<String>, Value)> = match bodies.is_empty() {
            true => vec![(None, Value::Null)],
            false => (bodies.into_iter().filter(|(media, _)| !is_binary(media)))
                .map(|(media, content)| (Some(media), content["example"].clone()))
                .collect(),
        };
        // What the example makes is not there yet.
        match operation["operationId"].as_str().unwrap() {
            "createSegment" => drop(server.ok("DELETE", "/v1/segments/VIP%20customers", Value::Null)),
            "createSuppression" => drop(server.ok("DELETE", "/v1/suppressions/unsubscribed", Value::Null)),
            _ => {}
        }
        for (media, example) in bodies {
            let reply = match (&media, example) {
                (None, _) => server.with_headers(&method, &target, &[], vec![]),
                (Some(media), Value::String(text)) => server.send(&method, &target, media, text),
                (Some(media), body) => server.send(&method, &target, media, body.to_string()),
            };
            calls += 1;
            let shown = format!("{method} {target} {media:?}");
            if reply.status >= 300 && path != "/v1/feed/{seq}/changes" {
                problems.push(format!("{shown}: {} {}", reply.status, reply.text));
            }
            if let Err(problem) = is_told(&document, &operation, &reply) {
                problems.push(format!("{shown}: {problem}"));
            }
        }
    }
    assert!(problems.is_empty(), "\n  {}", problems.join("\n  "));
    assert!(calls > 50, "{calls}");
    println!("{calls} examples run");
}

#[test]
fn what_the_document_forbids_is_refused() {
    let (_folder, server) = furnished();
    let long = format!("/v1/segments/{}/preview?new=true", "n".repeat(257));
    let rule = json!({"rule": "Lead Score > 50"});
    let edit = json!({"unheard_of": {"add": [], "remove": [{}]}});
    assert_eq!(server.call("POST", &long, rule).status, 422);
    assert_eq!(server.call("PUT", "/v1/contacts/u-1", edit.clone()).status, 422);
    assert_eq!(server.call("PATCH", "/v1/contacts/u-1", edit).status, 422);
    assert_eq!(server.with_headers("GET", "/v1/feed", &[("last-event-id", ":*")], vec![]).status, 400);
    let keyed = [("idempotency-key", "a\tb")];
    assert_eq!(server.with_headers("DELETE", "/v1/events/e-1", &keyed, vec![]).status, 400);
    assert_eq!(server.call("GET", "/v1/contacts?after=", Value::Null).status, 400);
}

#[test]
fn the_page_tells_every_call_and_fetches_nothing() {
    let (_folder, server) = furnished();
    let page = server.call("GET", "/docs", Value::Null);
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for (_, path, operation) in operations(&served(&server)) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(page.text.contains(&format!("<details id=\"{id}\">")) && page.text.contains(&path), "{path}");
    }
    for banned in ["<script", "onclick", "style=", "src=", "href=\"http", "@import", "url("] {
        assert!(!page.text.contains(banned), "{banned}");
    }
    let style = server.call("GET", "/docs/style.css", Value::Null);
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert!(!style.text.contains("url(") && !style.text.contains("@import"));
    assert_eq!(calls::chapters().len(), served(&server)["tags"].as_array().unwrap().len());
}
