//! `/metrics` and request ids, over a socket.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use throng::http::calls;

use crate::support::server::{Server, agent, call};

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    (folder, server)
}

/// The samples of a text in the format 0.0.4, read by its grammar; fails on anything else.
fn scrape(server: &Server) -> BTreeMap<String, f64> {
    let reply = server.call("GET", "/metrics", Value::Null);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let (mut samples, mut families) = (BTreeMap::new(), BTreeMap::new());
    let mut current = (String::new(), String::new());
    for line in reply.text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.ends_with('.') && !families.contains_key(name), "{line}");
            current.0 = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, current.0, "HELP comes before TYPE");
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            families.insert(name.to_owned(), kind.to_owned());
            current.1 = kind.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let name = series.split('{').next().unwrap();
            let family = match current.1.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap(),
                _ => name,
            };
            assert_eq!(family, current.0, "{line} stands with its family");
            assert!(name.starts_with("throng_"), "{line}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "{line} stands twice");
        }
    }
    samples
}

#[test]
fn figures_follow_what_is_done() {
    let (_folder, server) = server();
    let before = scrape(&server);
    for n in 0..5 {
        server.ok(
            "PUT",
            &format!("/v1/contacts/planted-key-{n}"),
            json!({"name": "Planted Name", "planted_property": n}),
        );
    }
    server.ok("POST", "/v1/segments", json!({"name": "Planted segment", "rule": "planted property >= 0"}));
    server.ok("POST", "/v1/events", json!({"contact": "planted-key-1", "event": "planted_event"}));
    assert_eq!(server.call("GET", "/v1/contacts/planted-nobody", Value::Null).status, 404);
    assert_eq!(server.call("GET", "/planted-path", Value::Null).status, 404);
    server.ok("POST", "/v1/snapshot", Value::Null);
    let after = scrape(&server);
    let gained = |series: &str| after[series] - before.get(series).copied().unwrap_or(0.0);
    assert_eq!(gained("throng_contacts"), 5.0);
    assert_eq!(gained("throng_events"), 1.0);
    assert_eq!(gained("throng_segments"), 1.0);
    assert_eq!(gained("throng_writer_batches_total"), 7.0);
    assert_eq!(gained("throng_log_sync_duration_seconds_count"), 7.0);
    assert_eq!(gained("throng_snapshot_duration_seconds_count"), 1.0);
    assert!(gained("throng_feed_entries_total") >= 1.0 && gained("throng_log_written_bytes_total") > 0.0);
    let calls = |route: &str, method: &str, status: u16| {
        let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
        gained(&format!("throng_http_requests_total{{{labels}}}"))
    };
    assert_eq!(calls("/v1/contacts/{key}", "PUT", 201), 5.0);
    assert_eq!(calls("/v1/contacts/{key}", "GET", 404), 1.0);
    assert_eq!(calls("none", "GET", 404), 1.0);
    let labels = "route=\"/v1/contacts/{key}\",method=\"GET\"";
    assert_eq!(gained(&format!("throng_http_request_duration_seconds_count{{{labels}}}")), 1.0);
    for (series, count) in after.iter().filter(|(series, _)| series.contains("le=\"+Inf\"")) {
        let of = series.replace("_bucket{", "_count{").replace(",le=\"+Inf\"", "").replace("{le=\"+Inf\"}", "");
        assert_eq!(after.get(&of).or_else(|| after.get(&of.replace("_count{}", "_count"))), Some(count), "{series}");
    }
    assert_eq!(after["throng_disk_step{step=\"ample\"}"] + after["throng_alarm{code=\"storage_low\"}"], 1.0);
    assert_eq!((after["throng_read_only"], after["throng_live_lag_seconds"]), (0.0, 0.0));
    assert!(after.len() < 2_000, "{} series", after.len());
    let text = server.call("GET", "/metrics", Value::Null).text.to_lowercase();
    assert!(!text.contains("planted"), "no label holds what a caller brought along");
}

#[test]
fn however_many_calls_are_made_there_are_only_so_many_series() {
    let (_folder, server) = server();
    let calls: Vec<(String, String)> = calls::chapters()
        .into_iter()
        .flat_map(|chapter| chapter.calls)
        .map(|call| {
            let part = |part: &str| if part.starts_with('{') { "1".to_owned() } else { part.to_owned() };
            (call.method.to_string(), call.path.split('/').map(part).collect::<Vec<_>>().join("/"))
        })
        .collect();
    // A stream that never ends is not waited for; each call comes to several statuses.
    for (method, path) in calls.iter().filter(|(_, path)| path != "/metrics") {
        for (path, media, body) in
            [(path.clone(), "", ""), (path.clone(), "application/json", "{}"), (format!("{path}?x=1"), "a/b", "x")]
        {
            let headers = [("content-type", media)];
            let headers = if media.is_empty() { &headers[..0] } else { &headers[..] };
            // Each on a connection of its own: a body that nobody wants ends one.
            call(&agent(), &server.url, method, &path, headers, body.as_bytes().to_vec());
        }
    }
    let series = scrape(&server).len();
    assert!(calls.len() > 75 && (1_000..2_500).contains(&series), "{series} series of {} calls", calls.len());
}

#[test]
fn request_ids_go_in_and_come_out_everywhere() {
    let (_folder, server) = server();
    let calls = [
        ("GET", "/v1/status"),
        ("GET", "/v1/contacts/nobody"),
        ("POST", "/v1/query"),
        ("GET", "/nowhere"),
        ("TRACE", "/v1/status"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/healthz"),
        ("DELETE", "/v1/segments/x"),
    ];
    for (method, path) in calls {
        let reply = server.with_headers(method, path, &[("x-request-id", "trace-4711")], vec![]);
        assert_eq!(reply.header("x-request-id"), Some("trace-4711"), "{method} {path}");
        if reply.status >= 400 {
            assert_eq!(reply.json()["request_id"], "trace-4711", "{method} {path}");
        }
        let fresh = |reply: &crate::support::server::Reply| reply.header("x-request-id").unwrap().to_owned();
        let (one, two) =
            (server.with_headers(method, path, &[], vec![]), server.with_headers(method, path, &[], vec![]));
        assert!(fresh(&one).len() == 32 && fresh(&one) != fresh(&two), "{method} {path}");
    }
    let long = "x".repeat(200);
    let reply = server.with_headers("GET", "/healthz", &[("x-request-id", &long)], vec![]);
    assert_eq!(reply.header("x-request-id").map(str::len), Some(32), "a longer one is not taken over");
}

#[test]
fn the_dashboard_names_only_series_that_there_are() {
    let (_folder, server) = server();
    server.ok("POST", "/v1/snapshot", Value::Null);
    let samples = scrape(&server);
    let text = std::fs::read_to_string(crate::support::source::root().join("docs/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 8);
    let mut named = 0;
    for word in
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| word.starts_with("throng_"))
    {
        // A scrub has not been yet, and the disk may not tell.
        let known = samples.keys().any(|series| series.split('{').next() == Some(word));
        assert!(known || word.contains("_scrub_"), "{word} is not told by /metrics");
        named += 1;
    }
    assert!(named > 15, "{named}");
}
