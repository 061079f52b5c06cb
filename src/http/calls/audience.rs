//! The call for the audience of a send.

use serde_json::json;

use crate::{
    http::{
        access::Needs,
        audience,
        call::{Call, Chapter, JSON},
        calls::members::tables,
        shape::{any, asks, by_name, flag, instant, list, list_of, named, nullable, object, text, text_of, whole},
    },
    model::limits,
};

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter { name: "audience", about: "Whom to send to, each once.", calls: vec![post()] }
}

fn post() -> Call {
    let group = || {
        any(vec![
            text_of(1, limits::NAME_BYTES_MAX),
            asks([("segment", text_of(1, limits::NAME_BYTES_MAX))], []),
            asks([("rule", named("Rule"))], [("name", nullable(text()))]),
        ])
    };
    let part = asks([("name", text())], [("percent", json!({"type": "number", "minimum": 0, "maximum": 100}))]);
    let mut parts = list_of(any(vec![text(), part]), limits::AUDIENCE_PARTS_MAX);
    parts["minItems"] = 1.into();
    let split = asks([("by", text()), ("parts", parts)], []);
    let body = asks(
        [("include", list_of(group(), limits::AUDIENCE_GROUPS_MAX))],
        [
            ("exclude", nullable(list_of(group(), limits::AUDIENCE_GROUPS_MAX))),
            ("channel", nullable(text())),
            ("split", nullable(split)),
            ("sample", nullable(whole())),
            ("seed", json!({"type": ["string", "number", "null"]})),
        ],
    );
    let example = json!({
        "include": ["VIP customers", {"rule": "Has tag \"Customer\"", "name": "customers"}],
        "channel": "email", "split": {"by": "exp-1", "parts": [{"name": "A", "percent": 50}, {"name": "B", "percent": 50}]},
    });
    let landed = object([("segment", text()), ("count", whole())], []);
    let summary = object(
        [
            ("count", whole()),
            ("included", whole()),
            ("excluded", whole()),
            ("withheld", by_name(whole())),
            ("withheld_count", whole()),
            ("not_drawn", whole()),
            ("segments", list(landed)),
            ("channel", nullable(text())),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        [("parts", by_name(whole())), ("no_part", whole())],
    );
    let answer = json!({
        "count": 1, "included": 1, "excluded": 0, "withheld": {"unsubscribed": 0}, "withheld_count": 0, "not_drawn": 0,
        "segments": [{"segment": "VIP customers", "count": 1}, {"segment": "customers", "count": 0}],
        "parts": {"A": 1, "B": 0}, "no_part": 0, "channel": "email", "as_of": "2026-05-01T00:00:00Z", "lsn": 14,
    });
    let call = Call::post(Needs::Read, "audience", "/v1/audience", audience::post, "The audience of a send, streamed")
        .says(
            "`include` is in priority order: each contact lands once, in the first that holds it. Who is under a \
             suppression of the channel is withheld whatever the rules say. `split` deals by bucket, `sample` draws. Without `limit` it is everyone; pages are of one instant, so \
             send the same body for each.",
        )
        .query("summary", flag(), "Only the figures, as JSON.")
        .takes(JSON, body, example);
    tables(call)
        .gives(200, "", JSON, summary, answer)
        .tells("Throng-Summary", text(), "The figures, if they fit a header.")
        .tells("Throng-Next", text(), "On a page: the `after` of the next one.")
        .fails(&[404, 410])
}
