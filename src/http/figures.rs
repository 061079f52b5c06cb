//! Figures about a segment: growth, engagement, conversion, its rule node by node; and the recency-frequency-money grid.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde_json::{Map, Value, json};

use crate::{
    db::{
        figures::{Asked, Band, ConversionFigures, EngagementFigures, GridFigures, RulePart},
        view::View,
    },
    http::{
        app::{App, answer_json, at_lsn},
        body,
        json::tree,
        path::{Params, part},
        problem::Problem,
        wire,
    },
    model::{
        calendar::{Length, Unit},
        number::{Number, ONE},
        time::{Day, Timestamp},
        value::{Value as Known, ValueType},
    },
};

/// How far back engagement counts when the caller does not say.
const WINDOW: Length = Length { n: 30, unit: Unit::Day };
/// How soon the goal must be done when the caller does not say.
const WITHIN: Length = Length { n: 14, unit: Unit::Day };

/// A share, or nothing where there is nothing to share.
pub(super) fn ratio(part: u64, whole: u64) -> Value {
    if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64) }
}

/// How many times as much a share is as another.
pub(super) fn lift((part, whole): (u64, u64), (of_part, of_whole): (u64, u64)) -> Value {
    if whole == 0 || of_part == 0 {
        return Value::Null;
    }
    json!((part as f64 / whole as f64) / (of_part as f64 / of_whole as f64))
}

/// An ordered value as it is written.
pub(super) fn ordered(ty: ValueType, position: i128) -> Value {
    let within = |position: i128| position.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    let value = match ty {
        ValueType::Money(_) => Known::Money(within(position) as i64),
        ValueType::Number => {
            let (least, most) = (i128::from(i64::MIN) * ONE, i128::from(i64::MAX) * ONE);
            Known::Number(Number(position.clamp(least, most)))
        }
        ty => Known::from_ordered(ty, position),
    };
    let mut bytes = Vec::new();
    wire::write_value(&mut bytes, &value, Some(ty));
    tree(&bytes).unwrap_or(Value::Null)
}

/// Answers as of a view; problems name its write too.
pub(super) async fn figured(
    app: App,
    work: impl FnOnce(&View) -> Result<Value, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    body::blocking(move || {
        let view = app.db.view();
        let mut body = work(&view).map_err(|problem| problem.at(view.lsn()))?;
        body["as_of"] = view.now().to_string().into();
        body["lsn"] = view.lsn().0.into();
        Ok(at_lsn(answer_json(StatusCode::OK, &body), view.lsn()))
    })
    .await
}

/// A length of time, such as 30d.
///
/// Errors: 400 when it is none.
pub fn length(params: &Params, name: &str) -> Result<Option<Length>, Problem> {
    let read = |text: &str| {
        Length::parse(text).filter(|length| length.n > 0).ok_or_else(|| {
            let units = "s, min, h, d, w, mo, y";
            Problem::malformed(format!("\"{name}\" is a number with a unit ({units}), such as 30d, not \"{text}\""))
        })
    };
    params.text(name).map(read).transpose()
}

/// An end of a span of time: an instant as it is; of a day its start or, if it is the last one, its end.
fn edge(params: &Params, name: &str, view: &View, is_last: bool) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = params.text(name) else { return Ok(None) };
    if let Ok(day) = Day::parse(text) {
        return Ok(Some(view.schema().zone().start_of(if is_last { day.plus_days(1) } else { day })));
    }
    let wrong = |_| Problem::malformed(format!("\"{name}\" is a date or an instant with its offset, not \"{text}\""));
    Timestamp::parse(text).map(Some).map_err(wrong)
}

/// The names of a parameter, which may stand several times or hold several with commas between.
pub fn names(params: &Params, name: &str) -> Option<Vec<String>> {
    let mut named: Vec<String> = Vec::new();
    for text in params.texts(name).flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty()) {
        if !named.iter().any(|known| known == text) {
            named.push(text.to_owned());
        }
    }
    (!named.is_empty()).then_some(named)
}

/// `GET /v1/segments/{name}/analytics?from=&to=&engagement=&window=&goal=&within=`
pub async fn analytics(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let known = ["from", "to", "engagement", "window", "goal", "within"];
    let params = Params::read_many(&uri, &known, &["engagement"])?;
    let (window, within) = (length(&params, "window")?, length(&params, "within")?);
    if params.text("within").is_some() && params.text("goal").is_none() {
        let detail = "\"within\" is how soon after entering a \"goal\" is done, which is missing";
        return Err(Problem::refused("missing_goal", detail));
    }
    figured(app, move |view| {
        let asked = Asked {
            from: edge(&params, "from", view, false)?,
            to: edge(&params, "to", view, true)?,
            engagement: names(&params, "engagement"),
            window: window.unwrap_or(WINDOW),
            goal: params.text("goal").map(str::trim).filter(|goal| !goal.is_empty()).map(str::to_owned),
            within: within.unwrap_or(WITHIN),
        };
        let found = view.figures(&name, &asked)?;
        let growth = found.growth.iter().map(|day| {
            json!({
                "day": day.day.to_string(), "size": day.size, "entered": day.entered, "left": day.left,
                "version": day.version,
            })
        });
        let versions = view.versions(&name).unwrap_or_default();
        let versions = versions.iter().map(
            |version| json!({"version": version.version, "at": version.at.to_string(), "rule": version.rule.text}),
        );
        Ok(json!({
            "segment": view.segment(&name).map(|segment| segment.name),
            "total": found.total, "everyone": found.everyone, "share": ratio(found.total, found.everyone),
            "time_zone": view.schema().zone().name(),
            "growth": growth.collect::<Vec<_>>(),
            "versions": versions.collect::<Vec<_>>(),
            "engagement": engagement_json(&found.engagement, found.total, found.everyone, asked.window),
            "conversion": found.conversion.as_ref().map(|found| conversion_json(found, asked.within)),
        }))
    })
    .await
}

fn engagement_json(found: &EngagementFigures, total: u64, everyone: u64, window: Length) -> Value {
    let events = found
        .events
        .iter()
        .map(|(event, engaged)| json!({"event": event.as_str(), "engaged": engaged, "rate": ratio(*engaged, total)}));
    json!({
        "window": window.to_string(), "from": found.from.to_string(),
        "members": total, "engaged": found.engaged, "rate": ratio(found.engaged, total),
        "events": events.collect::<Vec<_>>(),
        "everyone": {"contacts": everyone, "engaged": found.everyone, "rate": ratio(found.everyone, everyone)},
        "lift": lift((found.engaged, total), (found.everyone, everyone)),
    })
}

fn conversion_json(found: &ConversionFigures, within: Length) -> Value {
    let of = &found.found;
    let causes: Map<String, Value> =
        found.causes.iter().map(|(cause, count)| ((*cause).to_owned(), (*count).into())).collect();
    json!({
        "goal": found.goal.as_str(), "within": within.to_string(),
        "from": found.from.to_string(), "to": found.to.to_string(),
        "entered": of.entered, "converted": of.converted,
        "rate": ratio(of.closed_converted, of.closed), "rate_so_far": ratio(of.converted, of.entered),
        "closed": {"entered": of.closed, "converted": of.closed_converted},
        "open": {"entered": of.entered - of.closed, "converted": of.open_converted},
        "entries": of.entries, "causes": causes, "erased": of.erased, "unlisted": found.unlisted,
        "complete": found.is_complete, "known_since": found.known_since.map(|since| since.to_string()),
    })
}

/// `GET /v1/segments/{name}/funnel`
pub async fn funnel(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    Params::read(&uri, &[])?;
    figured(app, move |view| {
        let found = view.funnel(&name)?;
        let (total, everyone) = (view.member_count(&name)?, view.everyone().count());
        Ok(json!({
            "segment": view.segment(&name).map(|segment| segment.name),
            "everyone": everyone, "total": total, "share": ratio(total, everyone),
            "rule": found.as_ref().map(|found| part_json(&found.rule, everyone)),
            "pins": found.map(|found| json!({"included": found.pinned_in, "excluded": found.pinned_out})),
        }))
    })
    .await
}

fn part_json(part: &RulePart, everyone: u64) -> Value {
    let mut node =
        json!({"rule": part.text, "kind": part.kind, "count": part.count, "share": ratio(part.count, everyone)});
    if let Some(so_far) = part.so_far {
        node["so_far"] = so_far.into();
    }
    if !part.parts.is_empty() {
        node["parts"] = part.parts.iter().map(|part| part_json(part, everyone)).collect();
    }
    node
}

/// `GET /v1/analytics/rfm?segment=&event=&of=&window=`
pub async fn rfm(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["segment", "event", "of", "window"])?;
    let window = length(&params, "window")?;
    figured(app, move |view| {
        let segment = params.text("segment").filter(|segment| !segment.is_empty());
        let found = view.grid(segment, params.text("event"), params.text("of"), window)?;
        let mut body = grid_json(&found);
        body["segment"] = json!(segment.and_then(|name| view.segment(name)).map(|segment| segment.name));
        body["window"] = json!(window.map(|window| window.to_string()));
        Ok(body)
    })
    .await
}

fn grid_json(figures: &GridFigures) -> Value {
    let (found, ty) = (&figures.found, figures.ty);
    let bands = |bands: &[Band], told: &dyn Fn(i128) -> Value| -> Value {
        let band = |band: &Band| json!({"score": band.score, "from": told(band.least), "to": told(band.most), "contacts": band.contacts});
        bands.iter().map(band).collect()
    };
    let cells = found.cells.iter().map(|cell| {
        let [recency, frequency, monetary] = cell.scores;
        json!({
            "recency": recency, "frequency": frequency, "monetary": monetary, "contacts": cell.contacts,
            "events": cell.events, "total": ordered(ty, cell.money),
        })
    });
    let mut grid = [[0u64; 5]; 5];
    for cell in &found.cells {
        grid[usize::from(cell.scores[0]) - 1][usize::from(cell.scores[1]) - 1] += cell.contacts;
    }
    let [recency, frequency, monetary] = &found.bands;
    let mut body = json!({
        "event": figures.event.as_str(), "of": figures.of.as_str(),
        "from": figures.from.map(|from| from.to_string()),
        "contacts": found.scored + found.without, "scored": found.scored, "without": found.without,
        "scores": {
            "recency": bands(recency, &|at| ordered(ValueType::Timestamp, at)),
            "frequency": bands(frequency, &|often| json!(often as u64)),
            "monetary": bands(monetary, &|sum| ordered(ty, sum)),
        },
        "grid": grid,
        "cells": cells.collect::<Vec<_>>(),
    });
    if let ValueType::Money(currency) = ty {
        body["currency"] = currency.code().into();
    }
    body
}
