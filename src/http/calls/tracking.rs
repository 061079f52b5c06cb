//! The calls of customer-data SDKs. They are taken as SDKs send them, so the document asks for little.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Uri},
};
use serde_json::{Value, json};

use crate::http::{
    access::Needs,
    app::App,
    call::{Call, Chapter, JSON, PLAIN},
    shape::{any, anything, asks, flag, list, named, object, said, text, whole},
    tracking::{receive, settings},
    tracking_calls as tracked,
};

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter {
        name: "tracking",
        about: "What customer-data SDKs send, as they send it: docs/TRACKING.md says what becomes of it.",
        calls: vec![identify(), track(), page(), screen(), group(), alias(), batch(), import(), told()],
    }
}

const WHO: &str = "What was refused is told by headers, and with `verbose` in the body: SDKs would send again what is \
    refused for good.";

/// A call that takes what one kind of call says, or without `kind` a batch.
fn taken(kind: Option<tracked::Call>, id: &'static str, path: &'static str, summary: &str) -> Call {
    let door =
        move |State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body| receive(app, kind, uri, headers, body);
    let counts = [("accepted", whole()), ("duplicates", whole()), ("rejected", whole()), ("undated", whole())];
    let [accepted, duplicates, rejected, undated] = counts;
    let answer = object(
        [("success", flag())],
        [accepted, duplicates, rejected, undated, ("errors", list(named("Fault"))), ("lsn", whole())],
    );
    Call::post(Needs::Track, id, path, door, summary)
        .says(WHO)
        .query("writeKey", text(), "The key, where there is no header for it.")
        .query("verbose", text(), "With `true` the answer has counts, and the first faults.")
        .writes()
        .fails(&[408])
        .answers(answer, json!({"success": true}))
        .tells("Throng-Accepted", whole(), "Calls that were taken.")
        .tells("Throng-Duplicates", whole(), "Calls that had come before.")
        .tells("Throng-Rejected", whole(), "Calls that were refused.")
}

/// One call, whose members are looked at one by one.
fn single(kind: tracked::Call, id: &'static str, path: &'static str, summary: &str, example: Value) -> Call {
    let members = ["userId", "anonymousId", "messageId", "timestamp", "originalTimestamp", "sentAt", "context"];
    let mut shape = asks([], [("writeKey", said(anything(), "The key, where there is no header for it."))]);
    shape.as_object_mut().map(|shape| shape.remove("additionalProperties"));
    for member in members {
        shape["properties"][member] = anything();
    }
    let beacon = Value::String(example.to_string());
    taken(Some(kind), id, path, summary).takes(JSON, shape, example).takes(PLAIN, text(), beacon)
}

fn identify() -> Call {
    let example = json!({"userId": "u-1", "anonymousId": "a-1", "traits": {"email": "ada@example.org"}});
    single(tracked::Call::Identify, "identify", "/v1/identify", "Who someone is", example).also_at("/v1/i")
}

fn track() -> Call {
    let example = json!({
        "userId": "u-1", "event": "Order Completed", "properties": {"revenue": 39.95}, "messageId": "m-1",
        "timestamp": "2026-04-30T12:00:00Z",
    });
    single(tracked::Call::Track, "track", "/v1/track", "What someone did", example).also_at("/v1/t")
}

fn page() -> Call {
    let example = json!({"anonymousId": "a-1", "name": "Pricing", "properties": {"path": "/pricing"}});
    single(tracked::Call::Page, "page", "/v1/page", "Which page someone saw", example).also_at("/v1/p")
}

fn screen() -> Call {
    let example = json!({"userId": "u-1", "name": "Cart"});
    single(tracked::Call::Screen, "screen", "/v1/screen", "Which screen of an app someone saw", example)
        .also_at("/v1/s")
}

fn group() -> Call {
    let example = json!({"userId": "u-1", "groupId": "g-1"});
    single(tracked::Call::Group, "group", "/v1/group", "What someone belongs to", example).also_at("/v1/g")
}

fn alias() -> Call {
    let example = json!({"previousId": "a-1", "userId": "u-1"});
    single(tracked::Call::Alias, "alias", "/v1/alias", "That two ids are one person", example).also_at("/v1/a")
}

fn several(id: &'static str, path: &'static str, summary: &str) -> Call {
    let mut one = asks([("type", anything())], []);
    one.as_object_mut().map(|shape| shape.remove("additionalProperties"));
    let mut all = asks([("batch", list(anything()))], []);
    all.as_object_mut().map(|shape| shape.remove("additionalProperties"));
    let example = json!({"batch": [
        {"type": "identify", "userId": "u-1", "traits": {"plan": "pro"}},
        {"type": "track", "userId": "u-1", "event": "Signed Up"},
    ], "sentAt": "2026-05-01T00:00:00Z"});
    let beacon = Value::String(example.to_string());
    taken(None, id, path, summary).takes(JSON, any(vec![all, one]), example).takes(PLAIN, text(), beacon)
}

fn batch() -> Call {
    several("batch", "/v1/batch", "Several calls, each with its `type`").also_at("/v1/b").also_at("/beacon/v1/batch")
}

fn import() -> Call {
    several("import", "/v1/import", "Several calls of the past, as a batch")
}

fn told() -> Call {
    let shape = json!({"type": "object"});
    let example = json!({"integrations": {"Segment.io": {"apiKey": "wk", "apiHost": "127.0.0.1:7171/v1"}}});
    let path = "/v1/projects/{key}/settings";
    Call::get(Needs::Track, "trackingSettings", path, settings, "What SDKs ask before they send anything")
        .part("key", text(), "The tracking key; without keys anything.", "wk")
        .answers(shape, example)
        .fails(&[400])
}
