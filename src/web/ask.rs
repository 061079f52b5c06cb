//! Questions that only the page asks: a rule on trial while it is typed, and values to complete with.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    db::{answer::Answer, clock::Stopwatch, view::View, what_if::Trial},
    http::{
        app::{App, answer_json},
        body,
        path::Params,
        problem::Problem,
        query::{forms, in_lines, outline_json, rule_source},
        wire,
    },
    model::name::Name,
    web::tell,
};

/// Contacts and keys that are shown of many.
const SAMPLE: usize = 8;
/// Values that are offered.
const VALUES: usize = 50;
/// Segments whose counts are told at once: a page of the list.
pub const NAMES_MAX: usize = 100;

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
        let (outline, answer, tested) = view.outline(&rule, None)?;
        let everyone = view.everyone().count();
        let mut told = forms(&rule);
        told["lines"] = in_lines(&rule, view.schema()).into();
        told["nodes"] = outline_json(&outline);
        told["count"] = outline.count.into();
        told["everyone"] = everyone.into();
        told["share"] = tell::share(outline.count, everyone).into();
        told["sample"] = sample(&view, &answer);
        if let Some(segment) = segment {
            told["trial"] = trial(&view.trial_of(&segment, &rule, &tested)?, view.lsn().0);
        }
        told["took_us"] = watch.elapsed_us().into();
        told["lsn"] = view.lsn().0.into();
        Ok(answer_json(StatusCode::OK, &told))
    })
    .await
}

/// A few contacts for whom the rule holds, drawn evenly, with the name if there is one.
fn sample(view: &View, answer: &Answer) -> Value {
    let shown = ["name", "email"].into_iter().filter_map(|name| Name::new(name).ok()).collect::<Vec<_>>();
    let contact = |key: Box<str>| {
        let record = view.contact(&key)?;
        let values = record.values.iter().filter(|(name, _)| shown.contains(name));
        let about: Vec<String> = values.map(|(_, value)| wire::plain_text(value, None)).collect();
        Some(json!({"key": key, "about": about.join(" · ")}))
    };
    answer.sample(SAMPLE, view.lsn().0).into_iter().filter_map(contact).collect()
}

/// What saving the rule would change.
fn trial(trials: &[Trial], seed: u64) -> Value {
    let figures = |trial: &Trial| {
        json!({
            "segment": trial.segment, "now": trial.now, "after": trial.after,
            "entering": trial.entering.count(), "leaving": trial.leaving.count(),
        })
    };
    let Some((own, dependents)) = trials.split_first() else { return Value::Null };
    let mut told = figures(own);
    told["samples"] =
        json!({"entering": own.entering.sample(SAMPLE, seed), "leaving": own.leaving.sample(SAMPLE, seed)});
    told["dependents"] = dependents.iter().map(figures).collect();
    told
}

/// `POST /ui/ask/counts` `{"names":[…]}`: how many contacts some segments hold now, in the order of the names; nothing
/// for one that is not there.
pub async fn counts(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["names"])?;
    let names = wire::text_list(&request, "names")?.unwrap_or_default();
    if names.len() > NAMES_MAX {
        return Err(Problem::refused("too_many", format!("\"names\" has at most {NAMES_MAX} names")));
    }
    let view = app.db.view();
    let counts: Vec<Option<u64>> = names.iter().map(|name| view.member_count(name).ok()).collect();
    let told = json!({"counts": counts, "everyone": view.everyone().count(), "lsn": view.lsn().0});
    Ok(answer_json(StatusCode::OK, &told))
}

/// `GET /ui/ask/values?property=&event=&domain=&q=`: values to complete with, those of the most contacts (or events) first;
/// none for numbers and instants. `domain` asks for the domains of a property of emails (of the first one, if none is named).
pub async fn values(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["property", "event", "domain", "q"])?;
    let text = |name: &str| params.text(name).unwrap_or_default().to_owned();
    let (property, event, needle) = (text("property"), text("event"), text("q"));
    let is_domain = params.text("domain").is_some();
    body::blocking(move || {
        let view = app.db.view();
        let found = match event.as_str() {
            "" if is_domain => view.email_domains(&property, needle.trim(), VALUES),
            "" => view.values(&property, needle.trim(), VALUES),
            event => view.event_values(event, &property, needle.trim(), VALUES),
        };
        let found = found.unwrap_or_default();
        let values: Vec<Value> = found.iter().map(|(value, count)| json!({"value": value, "count": count})).collect();
        Ok(answer_json(StatusCode::OK, &json!({"values": values, "lsn": view.lsn().0})))
    })
    .await
}
