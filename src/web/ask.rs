//! Questions that only the page asks: a rule on trial while it is typed, and values to complete with.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    db::{clock::Stopwatch, view::View, what_if::Trial},
    http::{
        app::{App, answer_json},
        body,
        path::Params,
        problem::Problem,
        query::{outline_json, rule_source},
        wire,
    },
    model::{name::Name, request::RuleSource},
    web::tell,
};

/// Contacts and keys that are shown of many.
const SAMPLE: usize = 8;
/// Values that are offered.
const VALUES: usize = 50;

/// `POST /ui/ask/preview` `{"rule":…, "segment":…?}`: everything that the editor shows of a rule, as of one instant.
pub async fn preview(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["rule", "segment"])?;
    let segment = wire::text_member(&request, "segment")?.map(str::to_owned);
    let source = rule_source(&request)?;
    body::blocking(move || {
        let watch = Stopwatch::start();
        let view = app.db.view();
        let rule = view.parse_rule(&source)?;
        let outline = view.outline(&rule, None)?;
        let everyone = view.everyone().count();
        let mut told = json!({
            "text": outline.text, "json": outline.json, "nodes": outline_json(&outline),
            "count": outline.count, "everyone": everyone, "share": tell::share(outline.count, everyone),
            "sample": sample(&view, &source)?,
        });
        if let Some(segment) = segment {
            told["trial"] = trial(&view, &segment, &source)?;
        }
        told["took_us"] = watch.elapsed_us().into();
        told["lsn"] = view.lsn().0.into();
        Ok(answer_json(StatusCode::OK, &told))
    })
    .await
}

/// A few contacts for whom the rule holds, drawn evenly, with the name if there is one.
fn sample(view: &View, source: &RuleSource) -> Result<Value, Problem> {
    let answer = view.query(&view.parse_rule(source)?, None)?;
    let shown = ["name", "email"].into_iter().filter_map(|name| Name::new(name).ok()).collect::<Vec<_>>();
    let contact = |key: Box<str>| {
        let record = view.contact(&key)?;
        let values = record.values.iter().filter(|(name, _)| shown.contains(name));
        let about: Vec<String> = values.map(|(_, value)| wire::plain_text(value, None)).collect();
        Some(json!({"key": key, "about": about.join(" · ")}))
    };
    Ok(answer.sample(SAMPLE, view.lsn().0).into_iter().filter_map(contact).collect())
}

/// What saving the rule would change.
fn trial(view: &View, segment: &str, source: &RuleSource) -> Result<Value, Problem> {
    let trials = view.trial(segment, source)?;
    let figures = |trial: &Trial| {
        json!({
            "segment": trial.segment, "now": trial.now, "after": trial.after,
            "entering": trial.entering.count(), "leaving": trial.leaving.count(),
        })
    };
    let Some((own, dependents)) = trials.split_first() else { return Ok(Value::Null) };
    let seed = view.lsn().0;
    let mut told = figures(own);
    told["samples"] =
        json!({"entering": own.entering.sample(SAMPLE, seed), "leaving": own.leaving.sample(SAMPLE, seed)});
    told["dependents"] = dependents.iter().map(figures).collect();
    Ok(told)
}

/// `GET /ui/ask/values?property=&event=&q=`: values to complete with, those of the most contacts (or events) first;
/// none for numbers and instants.
pub async fn values(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["property", "event", "q"])?;
    let text = |name: &str| params.text(name).unwrap_or_default().to_owned();
    let (property, event, needle) = (text("property"), text("event"), text("q"));
    body::blocking(move || {
        let view = app.db.view();
        let found = match event.as_str() {
            "" => view.values(&property, needle.trim(), VALUES),
            event => view.event_values(event, &property, needle.trim(), VALUES),
        };
        let found = found.unwrap_or_default();
        let values: Vec<Value> = found.iter().map(|(value, count)| json!({"value": value, "count": count})).collect();
        Ok(answer_json(StatusCode::OK, &json!({"values": values, "lsn": view.lsn().0})))
    })
    .await
}
