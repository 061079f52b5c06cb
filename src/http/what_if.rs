//! What if: a rule on trial, what time will bring; and the ways back: a frozen copy, an earlier version.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::json;

use crate::{
    db::what_if::Trial,
    http::{
        app::{App, answer_json},
        body,
        path::{Params, part},
        problem::Problem,
        query::rule_source,
        segments, wire,
    },
    model::{
        limits,
        request::{Request, RuleSource, SegmentCreate, SegmentSource, SegmentUpdate},
        time::Day,
    },
    rule,
};

/// Keys that are shown of those who enter and leave, when the caller does not say.
const SAMPLE_DEFAULT: u64 = 10;
/// Days of a forecast, when the caller does not say.
const DAYS_DEFAULT: u32 = 7;

fn sample(n: Option<u64>) -> Result<usize, Problem> {
    match n.unwrap_or(SAMPLE_DEFAULT) {
        n if n <= limits::PAGE_MAX as u64 => Ok(n as usize),
        n => Err(Problem::refused("bad_sample", format!("\"sample\" is at most {}, not {n}", limits::PAGE_MAX))),
    }
}

/// `POST /v1/segments/{name}/preview`
pub async fn preview(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let is_new = Params::read(&uri, &["new"])?.parsed("new")?.unwrap_or(false);
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["rule", "sample"])?;
    let sample = sample(wire::count_member(&request, "sample")?)?;
    let source = rule_source(&request)?;
    body::blocking(move || {
        let view = app.db.view();
        let rule = rule::print(&view.parse_rule(&source)?);
        let trials = if is_new && view.segment(&name).is_none() {
            vec![view.trial_of_new(&name, &source)?]
        } else {
            view.trial(&name, &source)?
        };
        let Some((own, dependents)) = trials.split_first() else {
            return Err(Problem::not_found(format!("there is no segment \"{name}\"")));
        };
        let figures = |trial: &Trial| {
            json!({
                "segment": trial.segment, "now": trial.now, "after": trial.after,
                "entering": trial.entering.count(), "leaving": trial.leaving.count(),
            })
        };
        let seed = view.lsn().0;
        let mut body = figures(own);
        body["rule"] = rule.into();
        body["samples"] =
            json!({"entering": own.entering.sample(sample, seed), "leaving": own.leaving.sample(sample, seed)});
        body["dependents"] = dependents.iter().map(figures).collect();
        body["as_of"] = view.now().to_string().into();
        body["lsn"] = view.lsn().0.into();
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

/// `GET /v1/segments/{name}/forecast?days=&sample=`
pub async fn forecast(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let params = Params::read(&uri, &["days", "sample"])?;
    let days = params.parsed::<u32>("days")?.unwrap_or(DAYS_DEFAULT);
    if !(1..=limits::FORECAST_DAYS_MAX).contains(&days) {
        let detail = format!("\"days\" is 1 to {}, not {days}", limits::FORECAST_DAYS_MAX);
        return Err(Problem::refused("bad_days", detail));
    }
    let sample = sample(params.parsed("sample")?)?;
    body::blocking(move || {
        let view = app.db.view();
        let ahead = view.forecast(&name, days, sample)?;
        let days: Vec<_> = ahead
            .iter()
            .map(|day| {
                json!({
                    "day": day.day.to_string(), "entering": day.entering, "leaving": day.leaving, "size": day.size,
                    "samples": {"entering": day.entered, "leaving": day.left},
                })
            })
            .collect();
        let body = json!({
            "segment": view.segment(&name).map(|segment| segment.name),
            "now": view.member_count(&name)?,
            "days": days,
            "entering": ahead.iter().map(|day| day.entering).sum::<u64>(),
            "leaving": ahead.iter().map(|day| day.leaving).sum::<u64>(),
            "time_zone": view.schema().zone().name(),
            "as_of": view.now().to_string(),
            "lsn": view.lsn().0,
        });
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

/// `POST /v1/segments/{name}/freeze`; without a body under a name that is free.
pub async fn freeze(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let of = part(&uri, 2)?;
    let Some(request) = body::json_or_nothing(&headers, body).await? else {
        return freeze_by_day(app, &of, &headers, &uri).await;
    };
    wire::only_members(&request, &["name", "description"])?;
    let name = wire::text_member(&request, "name")?
        .ok_or_else(|| Problem::refused("missing_member", "a frozen copy needs a \"name\""))?
        .to_owned();
    let description = wire::text_member(&request, "description")?.map(Into::into);
    let create =
        SegmentCreate { name: name.as_str().into(), description, source: SegmentSource::Frozen(of.as_str().into()) };
    let done = app.write_one(Request::CreateSegment(create), &headers, &uri).await?;
    segments::show_written(app, &done, name, StatusCode::CREATED, Vec::new()).await
}

/// A copy under the segment's name with the day, and a number where that is taken.
async fn freeze_by_day(app: App, of: &str, headers: &HeaderMap, uri: &Uri) -> Result<Response, Problem> {
    let view = app.db.view();
    let saved = view.segment(of).ok_or_else(|| Problem::not_found(format!("there is no segment \"{of}\"")))?;
    let today = view.schema().zone().day_of(view.now());
    'days: for day in [today, Day(today.0 - 1)] {
        for number in 1..=limits::SEGMENTS_MAX {
            let (name, source) = (frozen_name(&saved.name, day, number), SegmentSource::Frozen(saved.name.clone()));
            let create = SegmentCreate { name: name.as_str().into(), description: None, source };
            // Each name that is tried is a part of the call, so a retry comes to the same one.
            let part = format!("frozen {number}");
            match app.write_part(Request::CreateSegment(create), &part, headers, uri).await {
                Err(taken) if taken.code == "name_taken" => {}
                // The call that this one repeats was made before midnight.
                Err(other) if other.code == "idempotency_key_reused" && day == today => continue 'days,
                done => return segments::show_written(app, &done?, name, StatusCode::CREATED, Vec::new()).await,
            }
        }
        break;
    }
    Err(Problem::new(StatusCode::CONFLICT, "name_taken", "every name of such a copy is taken; give it a \"name\""))
}

fn frozen_name(of: &str, day: Day, number: usize) -> String {
    let end = if number == 1 { format!(" (frozen {day})") } else { format!(" (frozen {day}, {number})") };
    let room = of.floor_char_boundary(limits::NAME_BYTES_MAX - end.len());
    format!("{}{end}", of[..room].trim_end())
}

/// `POST /v1/segments/{name}/revert`: a new version that says what an earlier one said.
pub async fn revert(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["version"])?;
    let version = wire::count_member(&request, "version")?.ok_or_else(|| {
        Problem::refused("missing_member", "\"version\" is missing: the number of an earlier version")
    })?;
    let view = app.db.view();
    let versions = view.versions(&name).ok_or_else(|| Problem::not_found(format!("there is no segment \"{name}\"")))?;
    let Some(found) = versions.iter().find(|known| u64::from(known.version) == version) else {
        let detail = match versions.last() {
            Some(newest) => format!("there is no version {version}; the versions are 1 to {}", newest.version),
            None => format!("\"{name}\" is a static list and has no versions"),
        };
        let status = if versions.is_empty() { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
        return Err(Problem::new(status, if versions.is_empty() { "not_dynamic" } else { "unknown_version" }, detail));
    };
    let rule = RuleSource::Json((&*found.rule.json).into());
    // The rule is read by the schema of today: what was dropped since is told with its place.
    view.parse_rule(&rule)?;
    let update = SegmentUpdate { segment: name.as_str().into(), name: None, description: None, rule: Some(rule) };
    let done = app.write_one(Request::UpdateSegment(update), &headers, &uri).await?;
    segments::show_written(app, &done, name, StatusCode::OK, Vec::new()).await
}
