//! The report: one file that needs nothing else, with the figures that the API gives, from a folder and from a server.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::server::Server;

/// A name that would be markup if it were not escaped.
const NASTY: &str = "<script>alert(1)</script>\"'& ü";
const CLOCK: &str = "2026-05-03T00:00:00Z";

fn throng(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_throng"));
    program.args(arguments).current_dir(folder).env_remove("THRONG_DATA").env_remove("THRONG_URL");
    program.output().expect("the program runs")
}

fn report(folder: &Path, arguments: &[&str]) -> String {
    let output = throng(folder, &[&["report", "--out", "-"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a report that cannot be made says; the caller must act.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = throng(folder, &[&["report", "--out", "-", "--data", "data", "--clock", CLOCK], arguments].concat());
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// A folder with a server over it: ten contacts, a few segments, two days of history, in Berlin.
fn filled() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let zone = ["--clock", "2026-05-01T00:00:00Z", "--time-zone", "Europe/Berlin"];
    let server = Server::start(&folder.path().join("data"), &zone);
    server.ok("POST", "/v1/segments", json!({"name": "Hot leads", "description": NASTY, "rule": "Lead Score > 50"}));
    for n in 0..10u64 {
        let body = json!({"lead_score": 10 * n, "country": if n < 5 { "US" } else { "DE" }, "tags": ["VIP"]});
        server.ok("PUT", &format!("/v1/contacts/k{n}"), body);
    }
    let bought = json!([
        {"contact": "k6", "event": "purchase", "at": "2026-05-01T00:00:00.001Z", "properties": {"amount": 5}},
        {"contact": "k1", "event": "conversation", "at": "2026-04-30T00:00:00Z"},
    ]);
    server.ok("POST", "/v1/events", bought);
    let rule = "Country = \"DE\" AND (Has tag \"VIP\" OR NOT Lead Score > 80) AND No conversation in 60 days";
    server.ok("POST", "/v1/segments", json!({"name": NASTY, "rule": rule}));
    server.ok("POST", "/v1/segments", json!({"name": "A list", "members": ["k1"]}));
    server.ok("POST", "/v1/segments", json!({"name": "Warm", "rule": "in segment \"Hot leads\""}));
    server.ok("POST", "/v1/clock", json!({"now": "2026-05-02T12:00:00Z"}));
    server.ok("PATCH", "/v1/contacts/k9", json!({"lead_score": 1}));
    server.ok("POST", "/v1/clock", json!({"now": CLOCK}));
    (folder, server)
}

/// That a page brings all that it needs, and may do nothing but be read.
fn needs_nothing(page: &str) {
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">") && page.trim_end().ends_with("</html>"));
    for part in ["<script", "http:", "https:", "src=", "url(", "@import", " style=", " onclick=", "<img", "<iframe"] {
        assert!(!page.contains(part), "the file has {part}");
    }
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let digest = STANDARD.encode(Sha256::digest(style.as_bytes()));
    let policy = page.split("http-equiv=\"Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split('"').next().unwrap().replace("&#39;", "'");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.contains(&format!("style-src 'sha256-{digest}'")), "{policy} does not let {digest}");
    for part in ["prefers-color-scheme: dark", "@media print", "name=\"viewport\""] {
        assert!(page.contains(part), "the file lacks {part}");
    }
    for drawn in page.split("<svg").skip(1) {
        assert!(drawn.contains("role=\"img\"") && drawn.contains("aria-label=\""), "a chart without words: {drawn}");
    }
}

/// The part of one segment.
fn part(page: &str, number: usize) -> &str {
    let start = page.find(&format!("id=\"part-{number}\"")).unwrap_or_else(|| panic!("no part {number}: {page}"));
    let rest = &page[start..];
    &rest[..rest.find("</section>").unwrap()]
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;");
    text.replace('"', "&#34;").replace('\'', "&#39;")
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn a_report_says_what_the_api_says() {
    let (folder, mut server) = filled();
    let found = server.ok("GET", "/v1/segments/hot%20leads/analytics?goal=purchase&within=1d", Value::Null);
    let conversion = &found["conversion"];
    assert_eq!((&conversion["closed"]["entered"], &conversion["closed"]["converted"]), (&json!(4), &json!(1)));
    let lsn = server.ok("GET", "/v1/status", Value::Null)["lsn"].to_string();
    let asked = ["--goal", "purchase", "--within", "1d"];
    let page = report(folder.path(), &[&["--url", &server.url], &asked[..]].concat());
    needs_nothing(&page);
    let as_of = format!("After write {lsn} (LSN)").to_lowercase();
    assert!(page.to_lowercase().contains(&as_of), "{as_of}");
    says(
        &page,
        &["2026-05-03 02:00 (Europe/Berlin; ", "datetime=\"2026-05-03T00:00:00Z\"", "All 4 segments", "10 contacts"],
    );
    let first = part(&page, 1);
    says(
        first,
        &[
            ">5 <small>contacts · 50.0% of all",
            "Country is “DE”",
            "Any of",
            "It is not so that lead score is more than 80",
        ],
    );
    says(
        first,
        &["“conversation” did not happen in the last 60 days", "country = &#34;DE&#34;\nAND (has tag &#34;VIP&#34;"],
    );
    let hot = part(&page, 2);
    says(
        hot,
        &[
            "Hot leads",
            "Lead score is more than 50",
            "aria-label=\"Members by day from 2026-05-01 to 2026-05-03: 4 at first, 3 at the end; 4 entered and 1 left\"",
        ],
    );
    says(
        hot,
        &[
            "<strong>25.0%</strong> did Purchase within 1 day",
            "1 of the 4 whose time of 1 day is over",
            "Used by “Warm”",
            "<strong>33.3%</strong> did something",
        ],
    );
    assert!(!page.contains("Not all is known"), "the feed reaches back to the beginning");
    says(&page, &["id=\"overlap\"", "title=\"3 in both\">100%", "Hot leads and Warm"]);
    let advice = server.ok("GET", "/v1/review", Value::Null);
    let advice = advice["findings"].as_array().unwrap();
    assert!(!advice.is_empty());
    for found in advice.iter().filter(|found| found["segment"] != NASTY) {
        says(&page, &[&escaped(found["detail"].as_str().unwrap())]);
    }
    // The folder says the same, to the byte, once the server has let it go.
    assert!(server.stop());
    let again = report(folder.path(), &[&["--data", "data", "--clock", CLOCK], &asked[..]].concat());
    assert_eq!(again, page);
}

#[test]
fn a_report_of_some_keeps_their_order_and_goes_to_a_file() {
    let (folder, mut server) = filled();
    let web = server.call("GET", "/ui/report?segment=warm&segment=A+list&segment=Warm", Value::Null);
    assert_eq!((web.status, web.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = web.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(web.header("throng-lsn").is_some());
    needs_nothing(&web.text);
    says(&web.text, &["2 segments over"]);
    says(part(&web.text, 1), &["Warm"]);
    says(part(&web.text, 2), &["A list", "A list: contacts are added"]);
    assert!(!web.text.contains("id=\"part-3\"") && !web.text.contains("href=\"#part-3\""));
    let wrong = server.call("GET", "/ui/report?segment=worm", Value::Null);
    assert!(wrong.status == 404 && wrong.text.contains("did you mean"), "{}", wrong.text);
    let many = "segment=warm&".repeat(101);
    let refused_at_once = server.call("GET", &format!("/ui/report?{many}"), Value::Null);
    assert!(refused_at_once.status == 422 && refused_at_once.text.contains("at most 100 segments, not 101"));
    assert!(server.stop());
    let at = folder.path();
    let told = throng(at, &["report", "--data", "data", "--clock", CLOCK, "--segment", "warm"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.starts_with("wrote throng-report.html, "), "{told}");
    needs_nothing(&fs::read_to_string(at.join("throng-report.html")).unwrap());
    assert!(!at.join("throng-report.html.part").exists());
    assert!(refused(at, &["--segment", "worm"]).contains("did you mean \"Warm\"?"));
    assert!(refused(at, &["--goal", "purchace"]).contains("did you mean \"purchase\"?"));
    assert!(refused(at, &["--engagement", "conversaton"]).contains("did you mean \"conversation\"?"));
    assert!(refused(at, &["--days", "0"]).contains("\"days\" is 1 to 3653"));
    assert!(refused(at, &["--window", "30"]).contains("such as 30d"));
    assert!(refused(at, &["--within", "3d"]).contains("--goal"));
    let nowhere = throng(at, &["report", "--data", "data", "--clock", CLOCK, "--out", "no/such/folder/x.html"]);
    assert_eq!(nowhere.status.code(), Some(1));
    fs::create_dir(at.join("taken")).unwrap();
    let taken = throng(at, &["report", "--data", "data", "--clock", CLOCK, "--out", "taken"]);
    assert!(taken.status.code() == Some(1) && !at.join("taken.part").exists(), "half a report stays nowhere");
}

#[test]
fn an_empty_database_and_very_many_segments_are_reported_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    let page = server.call("GET", "/ui/report", Value::Null).text;
    needs_nothing(&page);
    says(&page, &["All 0 segments over 0 contacts", "There are no segments.", "Nothing to mend."]);
    server.ok("PUT", "/v1/contacts/u", json!({"lead_score": 1}));
    for n in 0..130 {
        let rule = if n < 40 { "everyone".to_owned() } else { format!("Lead Score > {n}") };
        server.ok("POST", "/v1/segments", json!({"name": format!("Many {n:03}"), "rule": rule}));
    }
    let page = server.call("GET", "/ui/report", Value::Null).text;
    needs_nothing(&page);
    says(&page, &["The 100 largest have a part of their own below; 30 more are in this table alone", "Many 129"]);
    says(&page, &["20 more segments are left out: a matrix has 20."]);
    assert_eq!((page.matches("class=\"card part\"").count(), page.matches("class=\"spark\"").count()), (100, 130));
}
