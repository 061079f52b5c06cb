//! The calls about the system: schema, status, clock, snapshots, health, and the documents of the API.

use serde_json::{Value, json};

use crate::http::{
    access::Needs,
    audit_list::{self, ORDERS, OUTCOMES},
    call::{Call, Chapter, JSON, PLAIN},
    docs_page, metrics, openapi,
    shape::{anything, asks, by_name, flag, instant, list, nullable, object, said, text, whole, word},
    system,
};

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter {
        name: "system",
        about: "The schema, the state of the server, its clock, and the documents of the API.",
        calls: vec![
            schema(),
            patch_schema(),
            status(),
            snapshot(),
            audit(),
            clock(),
            move_clock(),
            health(),
            ready(),
            metrics(),
            document(),
            page(),
            style(),
        ],
    }
}

const TYPES: [&str; 9] = ["text", "email", "category", "boolean", "number", "money", "timestamp", "date", "set"];

fn schema_example() -> Value {
    json!({
        "properties": {
            "plan": {"type": "text", "aliases": ["tier"], "case_sensitive": true},
            "mrr": {"type": "money", "currency": "EUR"},
        },
        "events": {
            "webinar": {"phrases": ["attended webinar"], "negative": ["no webinar"], "label": "title",
                        "activity": true, "properties": {"minutes": {"type": "number"}}},
        },
        "time_zone": "UTC",
    })
}

fn schema_shape() -> Value {
    let typed = || [("currency", text()), ("case_sensitive", flag())];
    let [currency, case_sensitive] = typed();
    let property = object(
        [("type", word(&TYPES))],
        [currency, case_sensitive, ("aliases", list(text())), ("derived", anything())],
    );
    let event = object(
        [
            ("phrases", list(text())),
            ("negative", list(text())),
            ("label", nullable(text())),
            ("activity", flag()),
            ("properties", by_name(object([("type", word(&TYPES))], typed()))),
        ],
        [],
    );
    object([("properties", by_name(property)), ("events", by_name(event)), ("time_zone", text())], [("lsn", whole())])
}

fn schema() -> Call {
    Call::get(Needs::Read, "schema", "/v1/schema", system::schema, "Properties and event kinds")
        .answers(schema_shape(), schema_example())
}

fn patch_schema() -> Call {
    let derived = asks(
        [],
        [
            ("aggregate", nullable(word(&["count", "sum", "min", "max", "avg", "distinct"]))),
            ("event", nullable(text())),
            ("of", nullable(text())),
            ("latest", nullable(text())),
            ("open", nullable(text())),
            ("close", nullable(text())),
            ("writer", nullable(word(&["add", "max", "until_next", "refuse"]))),
        ],
    );
    let typed =
        || [("type", nullable(word(&TYPES))), ("currency", nullable(text())), ("case_sensitive", nullable(flag()))];
    let [ty, currency, case_sensitive] = typed();
    let property =
        asks([], [ty, currency, case_sensitive, ("aliases", nullable(list(text()))), ("derived", nullable(derived))]);
    let event = asks(
        [],
        [
            ("phrases", nullable(list(text()))),
            ("negative", nullable(list(text()))),
            ("label", nullable(text())),
            ("activity", nullable(flag())),
            ("properties", by_name(nullable(asks([], typed())))),
        ],
    );
    let body = asks(
        [],
        [
            ("properties", by_name(nullable(property))),
            ("events", by_name(nullable(event))),
            ("time_zone", nullable(text())),
        ],
    );
    Call::patch(
        Needs::Write,
        "patchSchema",
        "/v1/schema",
        system::patch_schema,
        "Add, change or drop properties and event kinds",
    )
    .says(
        "Objects are merged key by key, lists replaced, `null` drops. A change that existing values or segments do \
             not fit is refused with the places named.",
    )
    .writes()
    .takes(JSON, body, json!({"properties": {"plan": {"type": "text", "aliases": ["tier"]}}}))
    .answers(schema_shape(), schema_example())
    .fails(&[404, 409])
}

fn status() -> Call {
    let numbers = ["contacts", "events", "segments", "lsn"];
    let mut shape = object([("version", text()), ("now", instant())], []);
    for name in numbers {
        shape["properties"][name] = whole();
    }
    shape["required"] = json!(["version", "now", "contacts", "events", "segments", "lsn"]);
    let example = json!({
        "version": env!("CARGO_PKG_VERSION"), "contacts": 1, "events": 1, "segments": 1, "lsn": 12,
        "now": "2026-05-01T00:00:00Z",
    });
    Call::get(
        Needs::Read,
        "status",
        "/v1/status",
        system::status,
        "Figures, memory by index, positions, limits, alarms",
    )
    .answers(shape, example)
}

fn snapshot() -> Call {
    let shape = object([("lsn", whole()), ("bytes", whole()), ("took_us", whole())], []);
    Call::post(Needs::Admin, "snapshot", "/v1/snapshot", system::snapshot, "Write a snapshot now")
        .answers(shape, json!({"lsn": 12, "bytes": 40_960, "took_us": 21_000}))
        .fails(&[409, 507])
}

fn audit() -> Call {
    let mut deed = object(
        [("at", instant()), ("action", text())],
        [
            ("by", said(nullable(text()), "The id of the key.")),
            ("target", said(nullable(text()), "The id of a webhook or a key.")),
            ("outcome", word(&OUTCOMES)),
            ("status", nullable(whole())),
            ("request_id", nullable(text())),
            ("trace_id", nullable(text())),
            ("lsn", nullable(whole())),
            ("scopes", list(text())),
            ("rate", nullable(text())),
        ],
    );
    deed["properties"]["more_refused"] = said(whole(), "Calls refused at the door since, which have no line.");
    deed["properties"]["lost"] = said(whole(), "Lines before it that could not be written.");
    let shape = object(
        [("entries", list(deed)), ("unreadable", said(whole(), "Lines that broke off, as on a full disk."))],
        [("next", text())],
    );
    let example = json!({
        "entries": [{
            "at": "2026-05-01T00:00:00Z", "action": "snapshot", "by": "3fV9kQ2mZx1B", "target": null, "outcome": "done",
            "status": 200, "request_id": "5c1f0e", "trace_id": null, "lsn": 12,
        }],
        "unreadable": 0,
    });
    let after = json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[.][0-9]{1,15}$"});
    Call::get(Needs::Admin, "listAudit", "/v1/audit", audit_list::list, "Who changed what, from the audit log")
        .says(
            "A page looks through so much of the log: with fewer entries than `limit`, or none, there may still be a \
             `next`. Without `--audit-log` it is 404.",
        )
        .query("order", word(&ORDERS), "Newest first, which is usual, or oldest first.")
        .query("since", instant(), "From this instant on.")
        .query("until", instant(), "Before this instant.")
        .query_like("action", text(), "The id of a call, or createKey or revokeKey.", "snapshot")
        .query("by", text(), "The id of a key.")
        .query("target", text(), "The id of a webhook or a key.")
        .query("outcome", word(&OUTCOMES), "How it went.")
        .query("after", after, "The `next` of the page before.")
        .limited()
        .answers(shape, example)
        .fails(&[400, 404, 410, 422])
}

fn clock() -> Call {
    Call::get(Needs::Read, "clock", "/v1/clock", system::clock, "What time it is for the database")
        .answers(object([("now", instant())], []), json!({"now": "2026-05-01T00:00:00Z"}))
}

fn move_clock() -> Call {
    Call::post(Needs::Admin, "moveClock", "/v1/clock", system::move_clock, "Move a manual clock ahead")
        .says("Everything due by then happens, in order, before the answer. The system's clock is not moved: 409.")
        .takes(JSON, asks([("now", instant())], []), json!({"now": "2026-05-02T00:00:00Z"}))
        .answers(object([("now", instant()), ("lsn", whole())], []), json!({"now": "2026-05-02T00:00:00Z", "lsn": 16}))
        .fails(&[409, 507])
}

fn health() -> Call {
    Call::get(Needs::Nothing, "health", "/healthz", system::health, "Whether the process answers").gives(
        200,
        "It does.",
        PLAIN,
        text(),
        json!("ok\n"),
    )
}

fn ready() -> Call {
    Call::get(Needs::Nothing, "ready", "/readyz", system::ready, "Whether it takes writes")
        .gives(200, "It does.", PLAIN, text(), json!("ready\n"))
        .fails(&[503, 507])
}

fn metrics() -> Call {
    let example = "# TYPE throng_contacts gauge\nthrong_contacts 1\n";
    Call::get(Needs::Read, "metrics", "/metrics", metrics::get, "Figures for Prometheus")
        .says("In the text format 0.0.4. No label holds a name, key or value of yours.")
        .gives(200, "The figures.", PLAIN, text(), json!(example))
        .fails(&[500])
}

fn document() -> Call {
    Call::get(Needs::Nothing, "openapi", "/openapi.json", openapi::get, "This document").gives(
        200,
        "OpenAPI 3.1.",
        JSON,
        json!({"type": "object"}),
        Value::Null,
    )
}

fn page() -> Call {
    Call::get(Needs::Nothing, "docs", "/docs", docs_page::get, "The document for people").gives(
        200,
        "A page without scripts.",
        "text/html",
        text(),
        Value::Null,
    )
}

fn style() -> Call {
    Call::get(Needs::Nothing, "docsStyle", "/docs/style.css", docs_page::style, "What the page looks like").gives(
        200,
        "A style sheet.",
        "text/css",
        text(),
        Value::Null,
    )
}
