//! The calls about the system: schema, status, clock, snapshots, health, and the documents of the API.

use serde_json::{Value, json};

use crate::http::{
    access::Needs,
    call::{Call, Chapter, JSON, PLAIN},
    docs_page, metrics, openapi,
    shape::{anything, asks, by_name, flag, instant, list, nullable, object, text, whole, word},
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
