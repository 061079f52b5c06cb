//! The calls that ask by a rule.

use serde_json::json;

use crate::{
    http::{
        access::Needs,
        call::{Call, Chapter, JSON},
        query,
        shape::{
            anything, asks, cursor, flag, instant, list, named, nullable, object, said, text, whole, whole_of, word,
        },
    },
    model::limits,
};

const RULE: &str = "Has tag \"VIP\" AND Lead Score > 50";

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter {
        name: "queries",
        about: "Rules asked at once, explained, and read without being asked.",
        calls: vec![ask(), explain(), parse()],
    }
}

fn ask() -> Call {
    let as_of = "Now or later: ages, windows and periods are measured from it. An instant or a day.";
    let body = asks(
        [("rule", named("Rule"))],
        [
            ("return", nullable(word(&["count", "keys", "contacts", "sample"]))),
            ("limit", nullable(whole_of(1, limits::PAGE_MAX as u64))),
            ("after", nullable(cursor())),
            ("as_of", nullable(said(text(), as_of))),
        ],
    );
    let shape = object(
        [("count", whole()), ("as_of", instant()), ("lsn", whole()), ("took_us", whole())],
        [("keys", list(text())), ("contacts", list(named("Contact"))), ("next", text())],
    );
    let example = json!({"count": 1, "keys": ["u-1"], "as_of": "2026-05-01T00:00:00Z", "lsn": 10, "took_us": 35});
    Call::post(Needs::Read, "query", "/v1/query", query::query, "Who is it, and how many?")
        .says("`count` is always the total, also on a page. A segment that the rule names is whom it holds now.")
        .takes(JSON, body, json!({"rule": RULE, "return": "keys", "limit": 100}))
        .answers(shape, example)
        .fails(&[410])
}

fn explain() -> Call {
    let nodes = "Whether to tell the count of every part of the rule too; each predicate is then asked by itself.";
    let body = asks([("rule", named("Rule"))], [("as_of", nullable(text())), ("nodes", nullable(said(flag(), nodes)))]);
    let shape = object(
        [
            ("count", whole()),
            ("as_of", instant()),
            ("lsn", whole()),
            ("took_us", whole()),
            ("rule", text()),
            ("plan", named("PlanNode")),
        ],
        [("nodes", named("RuleNode"))],
    );
    let example = json!({
        "count": 1, "as_of": "2026-05-01T00:00:00Z", "lsn": 10, "took_us": 51, "rule": "lead_score > 50",
        "plan": {"label": "lead_score > 50", "index": "column", "estimated": 1, "count": 1, "took_us": 4.2,
                 "children": []},
        "nodes": {"kind": "test", "text": "lead_score > 50", "count": 1, "children": [],
                  "json": {"property": "lead_score", "op": "gt", "value": 50}},
    });
    Call::post(Needs::Read, "explainQuery", "/v1/query/explain", query::explain, "How a rule is answered")
        .says(
            "`plan`: nodes with index, estimate, count and time, in the order chosen. With `nodes` also the rule as \
             it was written, each part with how many contacts it holds for alone.",
        )
        .takes(JSON, body, json!({"rule": RULE, "nodes": true}))
        .answers(shape, example)
}

fn parse() -> Call {
    let shape = object([("json", anything()), ("text", text())], []);
    let example = json!({
        "text": "lead_score > 50", "json": {"property": "lead_score", "op": "gt", "value": 50},
    });
    Call::post(Needs::Read, "parseRule", "/v1/rules/parse", query::parse, "A rule in both its canonical forms")
        .takes(JSON, asks([("rule", named("Rule"))], []), json!({"rule": RULE}))
        .answers(shape, example)
}
