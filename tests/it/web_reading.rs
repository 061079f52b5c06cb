//! What one reads in the page: a timeline in pages, a rule as its schema says it, who is told of a segment.

use serde_json::json;

use crate::web::{filled, page};

#[test]
fn a_timeline_comes_page_by_page() {
    let (_folder, server) = filled();
    let event = |n: i32| json!({"contact": "u-2", "event": "conversation", "at": format!("2026-04-{:02}T00:{:02}:00Z", 1 + n / 60, n % 60)});
    server.ok("POST", "/v1/events", (0..260).map(event).collect::<Vec<_>>().into());
    let times = |path: &str| -> Vec<String> {
        let text = page(&server, path).text;
        text.split("<time class=\"dim\">").skip(1).map(|rest| rest[..16].to_owned()).collect()
    };
    let pages = ["/ui/contacts/u-2", "/ui/contacts/u-2?skip=100", "/ui/contacts/u-2?skip=200"].map(times);
    assert_eq!(pages.each_ref().map(Vec::len), [100, 100, 60]);
    let all = pages.concat();
    assert!(all.is_sorted_by(|a, b| a > b) && all.first().unwrap() == "2026-04-05 00:19", "each once, newest first");
    let text = page(&server, "/ui/contacts/u-2").text;
    assert!(
        text.contains("100 of 260") && text.contains("?skip=100#events") && !text.contains("rel=\"prev\""),
        "{text}"
    );
    let text = page(&server, "/ui/contacts/u-2?skip=200").text;
    assert!(
        text.contains("201 to 260 of 260") && text.contains("?skip=100#events") && !text.contains("Older"),
        "{text}"
    );
    assert!(page(&server, "/ui/contacts/u-2?skip=300").text.contains("none of 260 from here on"));
}

#[test]
fn a_rule_reads_as_its_schema_says_it() {
    let (_folder, server) = filled();
    let rule =
        "Lead Score > 30 AND No conversation in 60 days AND (Opened email campaign \"Spring\" OR NOT did purchase)";
    server.ok("POST", "/v1/segments", json!({"name": "Said", "rule": rule}));
    let wanted =
        "lead_score &#62; 30\nAND no conversation in last 60 days\nAND (opened email campaign &#34;Spring&#34; or ";
    for path in ["/ui/segments/Said", "/ui/segments/Said/edit"] {
        let text = page(&server, path).text;
        assert!(text.contains(wanted), "{path}: {text}");
    }
}

#[test]
fn a_segment_tells_who_is_told_of_it() {
    let (_folder, server) = filled();
    let url = "https://secret.example/hook";
    for hook in [
        json!({"url": url, "segments": ["List"], "description": "The <b>CRM</b>", "paused": true}),
        json!({"url": url, "id": "wh_all", "paused": true}),
        json!({"url": url, "segments": ["Users of it"], "description": "Another", "paused": true}),
    ] {
        server.ok("POST", "/v1/webhooks", hook);
    }
    let text = page(&server, "/ui/segments/List").text;
    assert!(text.contains("Webhook “The &#60;b&#62;CRM&#60;/b&#62;”") && text.contains("of every segment"), "{text}");
    assert!(
        text.contains("Webhook “https://secret.example/…”") && !text.contains("wh_all"),
        "by where it goes: {text}"
    );
    assert!(!text.contains("Another") && !text.contains("/hook"), "what may be a secret is not told: {text}");
}
