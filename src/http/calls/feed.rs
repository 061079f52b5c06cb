//! The calls about the feed.

use serde_json::json;

use crate::http::{
    access::Needs,
    call::{Call, Chapter, NDJSON},
    feed,
    shape::{any, list, named, object, position, text, text_of, whole},
};

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter { name: "feed", about: "Who entered and who left, in order.", calls: vec![follow(), lists()] }
}

fn follow() -> Call {
    let shape = object([("changes", list(named("Change"))), ("next", whole())], []);
    let answer = json!({
        "changes": [{"seq": 1, "at": "2026-05-01T00:00:00Z", "contact": "u-1", "contact_id": 0, "segment": "VIP customers",
                     "kind": "entered", "cause": "write", "lsn": 12, "version": 1}],
        "next": 1,
    });
    let stream = "retry: 1000\n\nid: 1\nevent: entered\ndata: {\"seq\":1,\"kind\":\"entered\"}\n\n";
    Call::get(Needs::Read, "feed", "/v1/feed", feed::get, "Enter and leave changes, in order")
        .says(
            "Pass `next` as the next `after`. With `Accept: text/event-stream` it is a live stream that heeds \
             `Last-Event-ID`; `limit` and `wait` mean nothing there.",
        )
        .query_like("after", position(), "The last number seen; 0 or absent begins at the oldest entry kept.", 0)
        .query(
            "segment",
            json!({"type": "array", "items": {"type": "string"}}),
            "Only these segments; may stand several times, or hold several with commas between.",
        )
        .limited()
        .query(
            "wait",
            json!({"type": "number", "minimum": 0, "maximum": 60}),
            "Seconds to wait for a change if there is none.",
        )
        .header(
            "Last-Event-ID",
            any(vec![position(), text_of(0, 0)]),
            "Of a stream: the last number seen; goes before `after`.",
        )
        .answers(shape, answer)
        .gives(200, "", "text/event-stream", text(), json!(stream))
        .fails(&[400, 404, 410, 422])
}

fn lists() -> Call {
    Call::get(
        Needs::Read,
        "bulkChanges",
        "/v1/feed/{seq}/changes",
        feed::changes,
        "The exact lists of a large change, streamed",
    )
    .part("seq", position(), "The number of the entry.", "1")
    .gives(
        200,
        "The contacts, a line each.",
        NDJSON,
        text(),
        json!("{\"contact\":\"u-1\",\"contact_id\":0,\"kind\":\"entered\"}\n"),
    )
    .tells("Throng-Entered", whole(), "How many entered.")
    .tells("Throng-Left", whole(), "How many left.")
    .fails(&[400, 404, 410])
}
