//! The calls about segments: save, read, change, what if, and their past.

use serde_json::{Value, json};

use crate::{
    http::{
        access::Needs,
        call::{Call, Chapter, JSON},
        components::{key, title},
        past, segments,
        shape::{
            any, anything, asks, day, flag, instant, list, named, nullable, object, position, said, text, text_of,
            whole, whole_of, word,
        },
        what_if,
    },
    model::limits,
};

const NAME: &str = "The segment's name, percent-encoded, without regard to case.";
const VIP: &str = "VIP customers";

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter {
        name: "segments",
        about: "Named rules and lists, kept up to date.",
        calls: vec![
            create(),
            list_all(),
            get(),
            put(),
            patch(),
            delete(),
            versions(),
            preview(),
            forecast(),
            freeze(),
            revert(),
            diff(),
            history(),
        ],
    }
}

fn named_call(call: Call) -> Call {
    call.part("name", title(), NAME, VIP).fails(&[400, 404])
}

/// What a segment may be told as: itself, or its name and the write when it is gone since.
pub(super) fn told(name: &str) -> Value {
    any(vec![named(name), named("SegmentGone")])
}

/// A segment, as an example.
fn example() -> Value {
    json!({
        "name": VIP, "description": "High scorers", "kind": "dynamic", "count": 1, "version": 1,
        "created": "2026-05-01T00:00:00Z", "updated": "2026-05-01T00:00:00Z",
        "rule": "lead_score > 50", "rule_json": {"property": "lead_score", "op": "gt", "value": 50}, "lsn": 12,
    })
}

/// The members of a body that makes or replaces a segment or suppression.
pub(super) fn members() -> [(&'static str, Value); 4] {
    [
        ("description", nullable(text_of(0, limits::VALUE_BYTES_MAX))),
        (
            "kind",
            nullable(said(
                word(&["dynamic", "static"]),
                "Static without a rule, if there are `members`; else dynamic.",
            )),
        ),
        ("rule", nullable(named("Rule"))),
        ("members", nullable(list(key()))),
    ]
}

/// Whether contacts are made of keys that are unknown.
pub(super) fn creates(call: Call) -> Call {
    call.query(
        "create",
        flag(),
        "Make contacts of keys that are unknown; else they are left out and told in `unknown`.",
    )
}

fn create() -> Call {
    let body = asks([("name", title())], members());
    let links = ["getSegment", "segmentMembers", "patchSegment", "deleteSegment", "segmentVersions", "forecastSegment"];
    let call = creates(Call::post(Needs::Write, "createSegment", "/v1/segments", segments::create, "Save a segment"))
        .says("A dynamic segment has a `rule`, a static one `members`. Names are unique without regard to case.")
        .writes()
        .takes(JSON, body, json!({"name": VIP, "description": "High scorers", "rule": "Lead Score > 50"}))
        .gives(201, "It is saved and filled.", JSON, told("Segment"), example());
    let call = links.iter().fold(call, |call, to| call.leads_to(201, to, &[("name", "$response.body#/name")]));
    call.fails(&[404, 409])
}

fn list_all() -> Call {
    let shape = object(
        [("segments", list(named("Segment"))), ("count", whole()), ("as_of", instant()), ("lsn", whole())],
        [("next", text())],
    );
    let answer = json!({"segments": [example()], "count": 1, "as_of": "2026-05-01T00:00:00Z", "lsn": 12});
    Call::get(
        Needs::Read,
        "listSegments",
        "/v1/segments",
        segments::list,
        "Segments with their counts, in order of creation",
    )
    .paged()
    .answers(shape, answer)
}

fn get() -> Call {
    named_call(Call::get(Needs::Read, "getSegment", "/v1/segments/{name}", segments::get, "Read a segment"))
        .answers(named("Segment"), example())
}

fn put() -> Call {
    let [description, kind, rule, keys] = members();
    let body = asks([], [("name", nullable(title())), description, kind, rule, keys]);
    creates(named_call(Call::put(
        Needs::Write,
        "putSegment",
        "/v1/segments/{name}",
        segments::put,
        "Create or replace a segment",
    )))
    .says("It is what the body says and nothing else. Safe to repeat as it is.")
    .writes()
    .takes(JSON, body, json!({"description": "High scorers", "rule": "Lead Score > 50"}))
    .answers(told("Segment"), example())
    .gives(201, "It is new.", JSON, told("Segment"), example())
    .fails(&[409])
}

fn patch() -> Call {
    let [description, _, rule, _] = members();
    let body = asks([], [("name", nullable(title())), description, rule]);
    named_call(Call::patch(Needs::Write, "patchSegment", "/v1/segments/{name}", segments::patch, "Change a segment"))
        .says("What the body does not name stays. A new rule is a new version.")
        .writes()
        .takes(JSON, body, json!({"rule": "Lead Score > 60"}))
        .answers(told("Segment"), example())
        .fails(&[409])
}

fn delete() -> Call {
    named_call(Call::delete(Needs::Write, "deleteSegment", "/v1/segments/{name}", segments::delete, "Delete a segment"))
        .says("Refused while another segment or a suppression uses it.")
        .writes()
        .gives_nothing("It is gone.")
        .fails(&[409, 422])
}

fn versions() -> Call {
    let version = object([("version", whole()), ("at", instant()), ("rule", text()), ("rule_json", anything())], []);
    let shape = object([("versions", list(version)), ("lsn", whole())], [("next", text())]);
    let answer = json!({
        "versions": [{"version": 1, "at": "2026-05-01T00:00:00Z", "rule": "lead_score > 50",
                      "rule_json": {"property": "lead_score", "op": "gt", "value": 50}}],
        "lsn": 12,
    });
    named_call(Call::get(
        Needs::Read,
        "segmentVersions",
        "/v1/segments/{name}/versions",
        segments::versions,
        "The versions of its rule",
    ))
    .paged()
    .answers(shape, answer)
}

fn samples() -> Value {
    object([("entering", list(text())), ("leaving", list(text()))], [])
}

fn preview() -> Call {
    let figures =
        || [("segment", text()), ("now", whole()), ("after", whole()), ("entering", whole()), ("leaving", whole())];
    let [segment, now, after, entering, leaving] = figures();
    let shape = object(
        [
            segment,
            now,
            after,
            entering,
            leaving,
            ("rule", text()),
            ("samples", samples()),
            ("dependents", list(object(figures(), []))),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        [],
    );
    let answer = json!({
        "segment": VIP, "now": 1, "after": 0, "entering": 0, "leaving": 1, "rule": "lead_score > 90",
        "samples": {"entering": [], "leaving": ["u-1"]}, "dependents": [], "as_of": "2026-05-01T00:00:00Z", "lsn": 12,
    });
    let body = asks([("rule", named("Rule"))], [("sample", nullable(whole_of(0, limits::PAGE_MAX as u64)))]);
    named_call(Call::post(
        Needs::Read,
        "previewSegment",
        "/v1/segments/{name}/preview",
        what_if::preview,
        "What saving a rule would change",
    ))
    .says("Exact counts and samples, of the segments that depend on it too. Nothing is saved.")
    .query("new", flag(), "Preview a segment that is to be made.")
    .takes(JSON, body, json!({"rule": "Lead Score > 90"}))
    .answers(shape, answer)
    .fails(&[409])
}

fn forecast() -> Call {
    let one = object(
        [("day", day()), ("entering", whole()), ("leaving", whole()), ("size", whole()), ("samples", samples())],
        [],
    );
    let shape = object(
        [
            ("segment", text()),
            ("now", whole()),
            ("days", list(one)),
            ("entering", whole()),
            ("leaving", whole()),
            ("time_zone", text()),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        [],
    );
    let answer = json!({
        "segment": VIP, "now": 1, "entering": 0, "leaving": 0, "time_zone": "UTC", "as_of": "2026-05-01T00:00:00Z",
        "days": [{"day": "2026-05-01", "entering": 0, "leaving": 0, "size": 1,
                  "samples": {"entering": [], "leaving": []}}],
        "lsn": 12,
    });
    named_call(Call::get(
        Needs::Read,
        "forecastSegment",
        "/v1/segments/{name}/forecast",
        what_if::forecast,
        "Who enters and leaves by time alone",
    ))
    .query_like(
        "days",
        whole_of(1, u64::from(limits::FORECAST_DAYS_MAX)),
        "Days, the rest of today first; 7 if missing.",
        7,
    )
    .query("sample", whole_of(0, limits::PAGE_MAX as u64), "Keys that are shown of each day; 10 if missing.")
    .answers(shape, answer)
    .fails(&[422])
}

fn freeze() -> Call {
    let body = asks([("name", title())], [("description", nullable(text_of(0, limits::VALUE_BYTES_MAX)))]);
    let answer = json!({
        "name": "VIP in May", "description": null, "kind": "static", "count": 1, "version": 0,
        "created": "2026-05-01T00:00:00Z", "updated": "2026-05-01T00:00:00Z", "lsn": 13,
    });
    named_call(Call::post(
        Needs::Write,
        "freezeSegment",
        "/v1/segments/{name}/freeze",
        what_if::freeze,
        "A static copy of whom it holds now",
    ))
    .says("Without a body it gets a name that is free: the segment's with the day, `VIP customers (frozen 2026-05-01)`, and a number where that is taken.")
    .writes()
    .takes(JSON, body, json!({"name": "VIP in May"}))
    .or_nothing()
    .gives(201, "The copy is saved.", JSON, told("Segment"), answer)
    .fails(&[409])
}

fn revert() -> Call {
    named_call(Call::post(
        Needs::Write,
        "revertSegment",
        "/v1/segments/{name}/revert",
        what_if::revert,
        "An earlier rule again, as a new version",
    ))
    .writes()
    .takes(JSON, asks([("version", whole())], []), json!({"version": 1}))
    .answers(told("Segment"), example())
    .fails(&[409])
}

fn diff() -> Call {
    let change = object([("contact", text()), ("kind", word(&["entered", "left"]))], []);
    let shape = object(
        [
            ("segment", nullable(text())),
            ("from_lsn", whole()),
            ("to_lsn", whole()),
            ("entered", whole()),
            ("left", whole()),
            ("erased", whole()),
            ("changes", list(change)),
        ],
        [("next", text())],
    );
    let answer = json!({
        "segment": VIP, "from_lsn": 3, "to_lsn": 13, "entered": 1, "left": 0, "erased": 0,
        "changes": [{"contact": "u-1", "kind": "entered"}],
    });
    named_call(Call::get(
        Needs::Read,
        "diffSegment",
        "/v1/segments/{name}/diff",
        past::diff,
        "Who entered and who left between two writes",
    ))
    .says("While the history lasts. Contacts that are erased since are only counted.")
    .query_must("from_lsn", position(), "The earlier write.", 3)
    .query("to_lsn", position(), "The later write; now, if it is missing.")
    .paged()
    .answers(shape, answer)
}

fn history() -> Call {
    let shape = object(
        [
            ("segment", nullable(text())),
            ("time_zone", text()),
            ("days", list(named("Day"))),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        [],
    );
    let answer = json!({
        "segment": VIP, "time_zone": "UTC", "as_of": "2026-05-01T00:00:00Z", "lsn": 13,
        "days": [{"day": "2026-05-01", "size": 1, "entered": 1, "left": 0, "version": 1}],
    });
    named_call(Call::get(
        Needs::Read,
        "segmentHistory",
        "/v1/segments/{name}/history",
        past::history,
        "How it grew, day by day",
    ))
    .query("from", day(), "The first day.")
    .query("to", day(), "The last day, which is in it.")
    .answers(shape, answer)
    .fails(&[410, 422])
}
