//! The calls that tell figures: how a segment grows, who of it does what, how it is made up; advice.

use serde_json::{Value, json};

use crate::{
    http::{
        access::Needs,
        breakdown,
        call::{Call, Chapter},
        components::title,
        figures, review,
        shape::{
            any, anything, by_name, day, flag, instant, list, named, nullable, number, object, said, text, whole,
            whole_of,
        },
    },
    model::limits,
};

const NAME: &str = "The segment's name, percent-encoded, without regard to case.";
const VIP: &str = "VIP customers";
const NOW: &str = "2026-05-01T00:00:00Z";

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter {
        name: "figures",
        about: "Exact figures as of one write, each defined in docs/ANALYTICS.md, and advice.",
        calls: vec![analytics(), funnel(), breakdown(), overlap(), rfm(), review_one(), review_all()],
    }
}

fn of_segment(call: Call) -> Call {
    call.part("name", title(), NAME, VIP).fails(&[400, 404])
}

fn share() -> Value {
    nullable(number())
}

fn length() -> Value {
    let shape = json!({"type": "string", "pattern": "^[1-9][0-9]{0,8}(s|min|h|d|w|mo|y)$"});
    said(shape, "A number with a unit (s, min, h, d, w, mo, y), such as 30d.")
}

fn analytics() -> Call {
    let edge = "An instant with its offset, or a day.";
    let version = object([("version", whole()), ("at", instant()), ("rule", text())], []);
    let shape = object(
        [
            ("segment", nullable(text())),
            ("total", whole()),
            ("everyone", whole()),
            ("share", share()),
            ("time_zone", text()),
            ("growth", list(named("Day"))),
            ("versions", list(version)),
            ("engagement", engagement()),
            ("conversion", any(vec![conversion(), json!({"type": "null"})])),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        [],
    );
    let example = json!({
        "segment": VIP, "total": 1, "everyone": 1, "share": 1.0, "time_zone": "UTC", "as_of": NOW, "lsn": 12,
        "growth": [{"day": "2026-05-01", "size": 1, "entered": 1, "left": 0, "version": 1}],
        "versions": [{"version": 1, "at": NOW, "rule": "lead_score > 50"}],
        "engagement": {
            "window": "30 days", "from": "2026-04-01T00:00:00Z", "members": 1, "engaged": 1, "rate": 1.0, "lift": 1.0,
            "events": [{"event": "purchase", "engaged": 1, "rate": 1.0}],
            "everyone": {"contacts": 1, "engaged": 1, "rate": 1.0},
        },
        "conversion": null,
    });
    of_segment(Call::get(
        Needs::Read,
        "segmentAnalytics",
        "/v1/segments/{name}/analytics",
        figures::analytics,
        "Growth, engagement and conversion",
    ))
    .query("from", any(vec![instant(), day()]), &format!("From here on. {edge}"))
    .query(
        "to",
        any(vec![instant(), day()]),
        &format!("Up to here: of a day its end, of an instant itself left out. {edge}"),
    )
    .query(
        "engagement",
        text(),
        "Events that count as engagement, with commas between; all that count as activity, if missing.",
    )
    .query("window", length(), "How far back engagement counts; 30d if missing.")
    .query("goal", text(), "An event: how many of those who entered did it in time.")
    .query("within", length(), "How soon after entering the goal must be done; 14d if missing.")
    .answers(shape, example)
    .fails(&[422])
}

fn engagement() -> Value {
    let event = object([("event", text()), ("engaged", whole()), ("rate", share())], []);
    let everyone = object([("contacts", whole()), ("engaged", whole()), ("rate", share())], []);
    object(
        [
            ("window", text()),
            ("from", instant()),
            ("members", whole()),
            ("engaged", whole()),
            ("rate", share()),
            ("events", list(event)),
            ("everyone", everyone),
            ("lift", share()),
        ],
        [],
    )
}

fn conversion() -> Value {
    let part = || object([("entered", whole()), ("converted", whole())], []);
    object(
        [
            ("goal", text()),
            ("within", text()),
            ("from", instant()),
            ("to", instant()),
            ("entered", whole()),
            ("converted", whole()),
            ("rate", share()),
            ("rate_so_far", share()),
            ("closed", part()),
            ("open", part()),
            ("entries", whole()),
            ("causes", by_name(whole())),
            ("erased", whole()),
            ("unlisted", whole()),
            ("complete", flag()),
            ("known_since", nullable(instant())),
        ],
        [],
    )
}

fn funnel() -> Call {
    let pins = object([("included", whole()), ("excluded", whole())], []);
    let shape = object(
        [
            ("segment", nullable(text())),
            ("everyone", whole()),
            ("total", whole()),
            ("share", share()),
            ("rule", any(vec![named("RulePart"), json!({"type": "null"})])),
            ("pins", nullable(pins)),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        [],
    );
    let example = json!({
        "segment": VIP, "everyone": 1, "total": 1, "share": 1.0, "pins": {"included": 0, "excluded": 0},
        "rule": {"rule": "lead_score > 50", "kind": "predicate", "count": 1, "share": 1.0}, "as_of": NOW, "lsn": 12,
    });
    of_segment(Call::get(
        Needs::Read,
        "segmentFunnel",
        "/v1/segments/{name}/funnel",
        figures::funnel,
        "The rule with a count at each part",
    ))
    .says("In the order written. `so_far` is whom an AND holds after this part, or an OR up to it. A list has no rule.")
    .answers(shape, example)
}

fn counts() -> [(&'static str, Value); 5] {
    [("count", whole()), ("share", share()), ("everyone", whole()), ("everyone_share", share()), ("lift", share())]
}

fn breakdown() -> Call {
    let [a, b, c, d, e] = counts();
    let row = object([("value", anything()), a, b, c, d, e], [("from", anything()), ("to", anything())]);
    let [a, b, c, d, e] = counts();
    let other = object([("values", whole()), a, b, c, d, e], []);
    let shape = object(
        [
            ("segment", nullable(text())),
            ("by", text()),
            ("type", text()),
            ("total", whole()),
            ("contacts", whole()),
            ("values", list(row)),
            ("other", other),
            ("missing", object(counts(), [])),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        [("currency", text())],
    );
    let none = |values: Value| {
        let mut row = values;
        for (name, value) in [("count", json!(0)), ("share", json!(0.0)), ("everyone", json!(0))] {
            row[name] = value;
        }
        row["everyone_share"] = json!(0.0);
        row["lift"] = Value::Null;
        row
    };
    let value = json!({
        "value": "US", "count": 1, "share": 1.0, "everyone": 1, "everyone_share": 1.0, "lift": 1.0,
    });
    let example = json!({
        "segment": VIP, "by": "country", "type": "category", "total": 1, "contacts": 1, "values": [value],
        "other": none(json!({"values": 0})), "missing": none(json!({})), "as_of": NOW, "lsn": 12,
    });
    of_segment(Call::get(
        Needs::Read,
        "segmentBreakdown",
        "/v1/segments/{name}/breakdown",
        breakdown::breakdown,
        "By the values of a property, with lift against everyone",
    ))
    .query_must("by", text(), "The property, by any spelling or alias.", "country")
    .query("step", text(), "Of dates: day, week, month, quarter, year or decade; what fits, if missing.")
    .query("limit", whole_of(1, limits::BREAKDOWN_VALUES_MAX as u64), "Values told one by one; 20 if missing.")
    .answers(shape, example)
    .fails(&[422])
}

fn overlap() -> Call {
    let segment = object([("name", text()), ("count", whole())], []);
    let pair = object(
        [
            ("a", text()),
            ("b", text()),
            ("both", whole()),
            ("union", whole()),
            ("only_a", whole()),
            ("only_b", whole()),
            ("jaccard", share()),
            ("share_of_a", share()),
            ("share_of_b", share()),
        ],
        [],
    );
    let combination = object([("segments", list(text())), ("count", whole()), ("only", whole())], []);
    let shape = object(
        [
            ("segments", list(segment)),
            ("contacts", whole()),
            ("union", whole()),
            ("joint", object([("count", whole()), ("jaccard", share())], [])),
            ("pairs", list(pair)),
            ("combinations", nullable(list(combination))),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        [],
    );
    let combined = |segments: Value, only: u64| json!({"segments": segments, "count": 1, "only": only});
    let example = json!({
        "segments": [{"name": VIP, "count": 1}, {"name": "Webinar list", "count": 1}], "contacts": 1, "union": 1,
        "joint": {"count": 1, "jaccard": 1.0}, "as_of": NOW, "lsn": 12,
        "pairs": [{"a": VIP, "b": "Webinar list", "both": 1, "union": 1, "only_a": 0, "only_b": 0, "jaccard": 1.0,
                   "share_of_a": 1.0, "share_of_b": 1.0}],
        "combinations": [combined(json!([VIP]), 0), combined(json!(["Webinar list"]), 0),
                         combined(json!([VIP, "Webinar list"]), 1)],
    });
    Call::get(Needs::Read, "overlapSegments", "/v1/overlap", breakdown::overlap, "How segments overlap")
        .says("Pairs of 2 to 20 segments with Jaccard; up to 10 of them in every combination too.")
        .query_must(
            "segments",
            text(),
            "Names with commas between; the parameter may stand several times.",
            "VIP customers,Webinar list",
        )
        .answers(shape, example)
        .fails(&[400, 404, 422])
}

fn rfm() -> Call {
    let band = object([("score", whole()), ("from", anything()), ("to", anything()), ("contacts", whole())], []);
    let scores =
        object([("recency", list(band.clone())), ("frequency", list(band.clone())), ("monetary", list(band))], []);
    let cell = object(
        [
            ("recency", whole()),
            ("frequency", whole()),
            ("monetary", whole()),
            ("contacts", whole()),
            ("events", whole()),
            ("total", anything()),
        ],
        [],
    );
    let shape = object(
        [
            ("segment", nullable(text())),
            ("event", text()),
            ("of", text()),
            ("window", nullable(text())),
            ("from", nullable(instant())),
            ("contacts", whole()),
            ("scored", whole()),
            ("without", whole()),
            ("scores", scores),
            ("grid", list(list(whole()))),
            ("cells", list(cell)),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        [("currency", text())],
    );
    let band = |from: Value| json!([{"score": 1, "from": from.clone(), "to": from, "contacts": 1}]);
    let example = json!({
        "segment": null, "event": "purchase", "of": "amount", "window": null, "from": null, "currency": "USD",
        "contacts": 1, "scored": 1, "without": 0, "as_of": NOW, "lsn": 12,
        "scores": {"recency": band(json!(NOW)), "frequency": band(json!(1)), "monetary": band(json!(5))},
        "grid": [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        "cells": [{"recency": 1, "frequency": 1, "monetary": 1, "contacts": 1, "events": 1, "total": 5}],
    });
    Call::get(Needs::Read, "rfmGrid", "/v1/analytics/rfm", figures::rfm, "The recency-frequency-money grid")
        .says(
            "Everyone with an event is scored 1 to 5 by how lately, how often and for how much; equals share a score.",
        )
        .query("segment", text(), "Of this segment; of everyone, if missing.")
        .query("event", text(), "The event; purchase if missing.")
        .query("of", text(), "Its number or money that is summed up; amount if missing.")
        .query("window", length(), "How far back events count; all, if missing.")
        .answers(shape, example)
        .fails(&[400, 404, 422])
}

fn reviewed<const N: usize>(may: [(&str, Value); N]) -> Value {
    object(
        [
            ("findings", list(named("Finding"))),
            ("left_out", whole()),
            ("problems", whole()),
            ("warnings", whole()),
            ("hints", whole()),
            ("reviewed", whole()),
            ("unreviewed", whole()),
            ("compared", whole()),
            ("uncompared", whole()),
            ("as_of", instant()),
            ("lsn", whole()),
        ],
        may,
    )
}

fn advice() -> Value {
    let finding = json!({
        "segment": VIP, "code": "everyone", "severity": "warning",
        "detail": "everyone is in it, all 1 contacts: it tells no one apart",
        "suggestion": "narrow its rule, or delete the segment", "part": null, "related": [],
    });
    json!({
        "findings": [finding], "left_out": 0, "problems": 0, "warnings": 1, "hints": 0, "reviewed": 1, "unreviewed": 0,
        "compared": 2, "uncompared": 0, "as_of": NOW, "lsn": 12,
    })
}

fn review_one() -> Call {
    let mut example = advice();
    example["segment"] = VIP.into();
    of_segment(Call::get(
        Needs::Read,
        "reviewSegment",
        "/v1/segments/{name}/review",
        review::one,
        "Advice about a segment",
    ))
    .says("What is wrong or could be better, the weightiest first, with the reason and what to do.")
    .answers(reviewed([("segment", nullable(text()))]), example)
}

fn review_all() -> Call {
    Call::get(Needs::Read, "reviewSegments", "/v1/review", review::all, "Advice about all segments")
        .says(
            "As of each one, the weightiest first; `left_out` tells how many are beyond the limit. The work is bounded: of \
             very many or very large segments those changed last go first, and `unreviewed` and `uncompared` tell how \
             many were not looked at or not compared.",
        )
        .query("limit", whole_of(1, limits::PAGE_MAX as u64), "Findings told; 1,000 if missing. The counts are of all.")
        .answers(reviewed([]), advice())
        .fails(&[400, 422])
}
