//! A segment by the values of a property, and segments by whom they share.

use axum::{extract::State, http::Uri, response::Response};
use serde_json::{Value, json};

use crate::{
    db::{
        figures::{BreakdownFigures, Counts, Held},
        view::View,
    },
    http::{
        app::App,
        figures::{figured, lift, ordered, ratio},
        path::{Params, part},
        problem::Problem,
    },
    model::{limits, value::ValueType},
};

/// Values that are told one by one when the caller does not say.
const VALUES_DEFAULT: usize = 20;

/// `GET /v1/segments/{name}/breakdown?by=&step=&limit=`
pub async fn breakdown(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let params = Params::read(&uri, &["by", "step", "limit"])?;
    let by = params.text("by").map(str::trim);
    let by = by.ok_or_else(|| Problem::malformed("\"by\" is missing: a property, such as country"))?.to_owned();
    let limit = params.parsed::<usize>("limit")?.unwrap_or(VALUES_DEFAULT);
    if !(1..=limits::BREAKDOWN_VALUES_MAX).contains(&limit) {
        let detail = format!("\"limit\" is 1 to {}, not {limit}", limits::BREAKDOWN_VALUES_MAX);
        return Err(Problem::refused("bad_limit", detail));
    }
    figured(app, move |view| {
        let found = view.breakdown(&name, &by, params.text("step"), limit)?;
        let mut body = breakdown_json(&found);
        body["segment"] = json!(view.segment(&name).map(|segment| segment.name));
        Ok(body)
    })
    .await
}

fn breakdown_json(figures: &BreakdownFigures) -> Value {
    let BreakdownFigures { total, everyone, found, ty, .. } = figures;
    let counted = |mut row: Value, counts: &Counts| {
        row["count"] = counts.members.into();
        row["share"] = ratio(counts.members, *total);
        row["everyone"] = counts.everyone.into();
        row["everyone_share"] = ratio(counts.everyone, *everyone);
        row["lift"] = lift((counts.members, *total), (counts.everyone, *everyone));
        row
    };
    let rows = found.rows.iter().map(|(held, counts)| counted(held_json(held, *ty), counts));
    let mut body = json!({
        "by": figures.by.as_str(), "type": ty.name(), "total": total, "contacts": everyone,
        "values": rows.collect::<Vec<_>>(),
        "other": counted(json!({"values": found.other_values}), &found.other),
        "missing": counted(json!({}), &found.missing),
    });
    if let ValueType::Money(currency) = ty {
        body["currency"] = currency.code().into();
    }
    body
}

fn held_json(held: &Held, ty: ValueType) -> Value {
    match held {
        Held::Text(text) => json!({"value": text}),
        Held::Flag(flag) => json!({"value": flag}),
        Held::Range(from, to) => {
            let end = |at: &Option<i128>| at.map(|at| ordered(ty, at));
            let text = |at: Value| at.as_str().map_or_else(|| at.to_string(), str::to_owned);
            let (from, to) = (end(from), end(to));
            let label = match (from.clone().map(text), to.clone().map(text)) {
                (Some(from), Some(to)) => format!("{from} to below {to}"),
                (Some(from), None) => format!("{from} and above"),
                (None, Some(to)) => format!("below {to}"),
                (None, None) => "any".to_owned(),
            };
            json!({"value": label, "from": from, "to": to})
        }
    }
}

/// `GET /v1/overlap?segments=`
pub async fn overlap(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read_many(&uri, &["segments"], &["segments"])?;
    if params.text("segments").is_none() {
        return Err(Problem::malformed("\"segments\" is missing: the names of two or more, with commas between"));
    }
    figured(app, move |view| {
        let names = names(&params, view);
        if !(2..=limits::OVERLAP_SEGMENTS_MAX).contains(&names.len()) {
            let detail = format!(
                "an overlap is of 2 to {} different segments, not {}",
                limits::OVERLAP_SEGMENTS_MAX,
                names.len()
            );
            return Err(Problem::refused("bad_segments", detail));
        }
        overlap_json(view, &names)
    })
    .await
}

/// The names of a parameter that may stand several times or hold several names with commas between; a name that holds
/// a comma itself stands alone. Each segment is named once.
fn names(params: &Params, view: &View) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for text in params.texts("segments") {
        let parts: Vec<&str> = if view.segment(text).is_some() { vec![text] } else { text.split(',').collect() };
        for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
            let is_known = |known: &String| match (view.segment(known), view.segment(part)) {
                (Some(known), Some(part)) => known.name == part.name,
                _ => known == part,
            };
            if !named.iter().any(is_known) {
                named.push(part.to_owned());
            }
        }
    }
    named
}

fn overlap_json(view: &View, names: &[String]) -> Result<Value, Problem> {
    let (names, found) = view.overlap(names)?;
    let sizes = &found.sizes;
    let segments: Vec<Value> =
        names.iter().zip(sizes).map(|(name, count)| json!({"name": name, "count": count})).collect();
    let pairs: Vec<Value> = found
        .pairs
        .iter()
        .map(|(a, b, both)| {
            let union = sizes[*a] + sizes[*b] - both;
            json!({
                "a": names[*a], "b": names[*b], "both": both, "union": union,
                "only_a": sizes[*a] - both, "only_b": sizes[*b] - both, "jaccard": ratio(*both, union),
                "share_of_a": ratio(*both, sizes[*a]), "share_of_b": ratio(*both, sizes[*b]),
            })
        })
        .collect();
    let combinations = found.exactly.as_ref().zip(found.in_all_of()).map(|(exactly, all)| {
        let told = |combination: usize| {
            let of = names.iter().enumerate().filter(|(place, _)| combination & 1 << place != 0).map(|(_, name)| name);
            json!({
                "segments": of.collect::<Vec<_>>(), "count": all[combination], "only": exactly[combination],
            })
        };
        let mut numbers: Vec<usize> = (1..exactly.len()).collect();
        // Single ones first, then pairs; within each in the order of the names.
        numbers.sort_by_key(|combination| (combination.count_ones(), std::cmp::Reverse(combination.reverse_bits())));
        numbers.into_iter().map(told).collect::<Vec<Value>>()
    });
    Ok(json!({
        "segments": segments,
        "contacts": view.everyone().count(),
        "union": found.union,
        "joint": {"count": found.joint, "jaccard": ratio(found.joint, found.union)},
        "pairs": pairs,
        "combinations": combinations,
    }))
}
