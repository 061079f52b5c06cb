//! What the document of the API tells once and names in many places: schemas, problems, headers.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    http::shape::{
        any, anything, asks, by_name, day, flag, instant, list, named, nullable, object, said, text, text_of, whole,
        word,
    },
    model::limits,
};

/// Every status that a problem may have.
pub const PROBLEMS: [(u16, &str); 15] = [
    (400, "Malformed: the request is not of the form it must have."),
    (401, "No key, or none that is known."),
    (403, "The key does not allow this, or a page of another site sends it through a browser."),
    (404, "There is no such thing."),
    (408, "The request came too slowly."),
    (409, "It conflicts with what is there."),
    (410, "The place asked for is gone: a listing's view, an entry of the feed, a history."),
    (413, "Too large."),
    (415, "The media type or encoding is not taken here."),
    (422, "Well-formed but refused: a wrong rule, a value of the wrong type."),
    (429, "Too many requests: try again after `Retry-After`."),
    (431, "The target and the headers of the request are too large."),
    (500, "A fault of the program or the disk."),
    (503, "Not now: try again after `Retry-After`."),
    (507, "No room on the disk. Nothing was written."),
];

/// The components of the document.
pub fn components() -> Value {
    let keys = json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key: `thr_ID_SECRET`."},
        "basic": {"type": "http", "scheme": "basic", "description": "A key as the user name, without a password."},
    });
    json!({"schemas": schemas(), "responses": responses(), "headers": headers(), "securitySchemes": keys})
}

fn schemas() -> Value {
    let parts = [facts(), rules(), segments(), problems()];
    let all: Map<String, Value> = parts.into_iter().flatten().map(|(name, shape)| (name.to_owned(), shape)).collect();
    Value::Object(all)
}

type Named = Vec<(&'static str, Value)>;

/// The name of a segment, suppression or the like.
pub fn title() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 256})
}

/// A contact's key.
pub fn key() -> Value {
    text_of(1, limits::KEY_BYTES_MAX)
}

fn facts() -> Named {
    let one = || json!({"type": ["string", "number", "boolean"]});
    let value = json!({"anyOf": [
        {"type": "string", "maxLength": limits::VALUE_BYTES_MAX}, {"type": "number"}, {"type": "boolean"},
        {"type": "null"}, list(text_of(0, limits::VALUE_BYTES_MAX)),
        asks([], [("add", list(one())), ("remove", list(one()))]),
    ]});
    let mut contact = object([("key", key())], []);
    contact["additionalProperties"] = named("Value");
    contact["description"] = "One flat object: the key, and the properties that it has a value of.".into();
    let mut values = by_name(named("Value"));
    // No pattern of names: a pattern cannot say all that is taken, and a document must not refuse what the server takes.
    values["description"] =
        "Properties by name. Names are words, such as `Created At`: `createdAt` and `created_at` are \
        the same. They have a letter or digit, no control character or backtick, and at most 256 bytes. A value that \
        does not fit the property's type is refused with its place."
            .into();
    let mut event = asks(
        [("contact", key()), ("event", said(text(), "The name of its kind: words, as those of properties."))],
        [
            ("id", nullable(said(text_of(1, limits::KEY_BYTES_MAX), "The same id twice counts once."))),
            ("at", nullable(said(instant(), "An instant or a day; now, if it is missing."))),
            ("properties", nullable(values.clone())),
        ],
    );
    event["description"] = "Something a contact did. An unknown contact is created.".into();
    vec![
        ("Value", value),
        ("Contact", contact),
        ("Values", values),
        ("Event", event),
        ("Fault", object([("pointer", text()), ("code", text()), ("detail", text())], [("line", whole())])),
    ]
}

fn rules() -> Named {
    let text_rule =
        said(text_of(1, limits::RULE_BYTES_MAX), "As people write it: `Has tag \"VIP\" AND Lead Score > 50`.");
    let json_rule = json!({"type": "object", "description": "The JSON form, as `POST /v1/rules/parse` gives it."});
    let node = object(
        [
            ("label", text()),
            ("index", text()),
            ("estimated", whole()),
            ("count", nullable(whole())),
            ("took_us", json!({"type": "number"})),
            ("children", list(named("PlanNode"))),
        ],
        [],
    );
    let why = object(
        [("rule", text()), ("holds", flag())],
        [
            ("value", anything()),
            ("index", text()),
            ("property", text()),
            ("of", whole()),
            ("segment", text()),
            ("pinned", nullable(word(&["in", "out"]))),
            ("shown_above", flag()),
            ("children", list(named("Why"))),
        ],
    );
    // What a predicate, a list or a pin would have to become.
    let change = object(
        [("must", text())],
        [
            ("rule", text()),
            ("rule_json", anything()),
            ("holds", flag()),
            ("value", anything()),
            ("threshold", anything()),
            ("property", text()),
            ("index", text()),
            ("of", whole()),
            ("segment", text()),
            ("pinned", word(&["in", "out"])),
        ],
    );
    let outline = object(
        [
            ("kind", word(&["and", "or", "xor", "not", "at_least", "at_most", "exactly", "test"])),
            ("count", whole()),
            ("children", list(named("RuleNode"))),
        ],
        [("n", whole()), ("text", text()), ("json", anything())],
    );
    vec![
        ("Rule", any(vec![text_rule, json_rule])),
        ("PlanNode", node),
        ("RuleNode", outline),
        ("Why", why),
        ("SingleChange", change),
    ]
}

fn segments() -> Named {
    let about = || {
        [
            ("name", text()),
            ("kind", word(&["dynamic", "static"])),
            ("count", whole()),
            ("version", whole()),
            ("created", instant()),
            ("updated", instant()),
            ("description", nullable(text())),
        ]
    };
    let may = || [("rule", text()), ("rule_json", anything()), ("lsn", whole()), ("unknown", list(text()))];
    let [name, kind, count, version, created, updated, description] = about();
    let suppression =
        object([name, kind, count, version, created, updated, description, ("channels", list(text()))], may());
    // Of a segment that is gone since the write there are only the name and the write.
    let gone = object([("name", text()), ("lsn", whole())], []);
    let change = object(
        [
            ("seq", whole()),
            ("at", instant()),
            ("segment", text()),
            ("kind", word(&["entered", "left", "bulk"])),
            ("cause", word(&["write", "time", "rule", "manual", "erase"])),
            ("lsn", whole()),
            ("version", whole()),
        ],
        [
            ("contact", nullable(text())),
            ("contact_id", whole()),
            ("erased", flag()),
            ("entered", whole()),
            ("left", whole()),
            ("changes", text()),
        ],
    );
    let day_of = object(
        [("day", day()), ("size", whole()), ("entered", whole()), ("left", whole()), ("version", nullable(whole()))],
        [],
    );
    vec![
        ("Segment", object(about(), may())),
        ("SegmentGone", gone),
        ("Suppression", suppression),
        ("Change", change),
        ("Day", day_of),
        ("RulePart", rule_part()),
        ("Finding", finding()),
    ]
}

fn rule_part() -> Value {
    let kinds = ["and", "or", "xor", "not", "of", "segment", "constant", "predicate"];
    object(
        [("rule", text()), ("kind", word(&kinds)), ("count", whole()), ("share", nullable(json!({"type": "number"})))],
        [("so_far", whole()), ("parts", list(named("RulePart")))],
    )
}

fn finding() -> Value {
    object(
        [
            ("segment", text()),
            ("code", text()),
            ("severity", word(&["problem", "warning", "hint"])),
            ("detail", text()),
            ("suggestion", text()),
            ("part", nullable(text())),
            ("related", list(text())),
        ],
        [],
    )
}

fn problems() -> Named {
    let rule = object(
        [
            ("code", text()),
            ("message", text()),
            ("offset", nullable(whole())),
            ("line", nullable(whole())),
            ("column", nullable(whole())),
        ],
        [
            ("length", nullable(whole())),
            ("expected", anything()),
            ("suggestion", nullable(text())),
            ("pointer", nullable(text())),
        ],
    );
    let problem = object(
        [("type", text()), ("title", text()), ("status", whole()), ("detail", text()), ("request_id", text())],
        [("errors", list(named("Fault"))), ("rule", named("RuleFault")), ("oldest", whole()), ("newest", whole())],
    );
    vec![("RuleFault", rule), ("Problem", problem)]
}

fn responses() -> Value {
    let mut all = Map::new();
    for (status, sentence) in PROBLEMS {
        let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
        let code = PROBLEM_CODES.iter().find(|(known, _)| *known == status).map_or("error", |(_, code)| code);
        let mut response = json!({
            "description": sentence,
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
            "content": {"application/problem+json": {"schema": named("Problem"), "example": {
                "type": format!("urn:throng:problem:{code}"), "title": title, "status": status,
                "detail": sentence, "request_id": "3f2a9d0c5e6b4f7a8c1d2e3f4a5b6c7d",
            }}},
        });
        if matches!(status, 429 | 503) {
            response["headers"]["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"});
        }
        all.insert(format!("Problem{status}"), response);
    }
    Value::Object(all)
}

/// The usual word of each status.
const PROBLEM_CODES: [(u16, &str); 15] = [
    (400, "malformed"),
    (401, "unauthorized"),
    (403, "forbidden"),
    (404, "not_found"),
    (408, "too_slow"),
    (409, "conflict"),
    (410, "cursor_gone"),
    (413, "body_too_large"),
    (415, "unsupported_media_type"),
    (422, "rule"),
    (429, "rate_limited"),
    (431, "head_too_large"),
    (500, "internal"),
    (503, "busy"),
    (507, "storage_low"),
];

fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The request's id: the one that was sent, or a new one. It stands in the logs, too.",
            "schema": text(), "required": true,
        },
        "Lsn": {"description": "As of which write the answer is.", "schema": whole()},
        "RetryAfter": {"description": "When to try again, in seconds.", "schema": whole()},
    })
}
