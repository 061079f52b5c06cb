//! The past of a segment: what changed between two LSNs, and how it grew by day.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    http::{
        app::{App, answer_json, at_lsn},
        body, paging,
        path::{Params, part},
        problem::Problem,
    },
    model::{id::Lsn, time::Day},
};

/// `GET /v1/segments/{name}/diff`
pub async fn diff(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let params = Params::read(&uri, &["from_lsn", "to_lsn", "after", "limit"])?;
    let limit = paging::limit(params.parsed("limit")?)?;
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    let from = params.parsed::<u64>("from_lsn")?;
    let from = from.ok_or_else(|| Problem::malformed("\"from_lsn\" is missing: the LSN of an earlier write"))?;
    let to = params.parsed::<u64>("to_lsn")?;
    body::blocking(move || {
        let view = app.view(cursor.as_ref());
        let to = to.unwrap_or(view.lsn().0);
        let difference = view.diff(&name, Lsn(from), Lsn(to))?;
        let page = difference.changes(cursor.map(|cursor| cursor.place), limit);
        let kind = |entered: bool| if entered { "entered" } else { "left" };
        let change = |(contact, entered): (Box<str>, bool)| json!({"contact": contact, "kind": kind(entered)});
        let mut body = json!({
            "segment": view.segment(&name).map(|segment| segment.name),
            "from_lsn": from, "to_lsn": to,
            "entered": difference.entered(), "left": difference.left(), "erased": difference.erased,
            "changes": page.items.into_iter().map(change).collect::<Vec<_>>(),
        });
        if let Some(place) = page.next {
            body["next"] = app.listings.next(&view, place).into();
        }
        Ok(at_lsn(answer_json(StatusCode::OK, &body), view.lsn()))
    })
    .await
}

/// `GET /v1/segments/{name}/history`
pub async fn history(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let params = Params::read(&uri, &["from", "to"])?;
    let (from, to) = (day(&params, "from")?, day(&params, "to")?);
    body::blocking(move || {
        let view = app.db.view();
        let days: Vec<Value> = view
            .history(&name, from, to)?
            .into_iter()
            .map(|day| {
                json!({
                    "day": day.day.to_string(), "size": day.size, "entered": day.entered, "left": day.left,
                    "version": day.version,
                })
            })
            .collect();
        let segment = view.segment(&name).map(|segment| segment.name);
        let body = json!({
            "segment": segment, "time_zone": view.schema().zone().name(), "days": days,
            "as_of": view.now().to_string(), "lsn": view.lsn().0,
        });
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

fn day(params: &Params, name: &str) -> Result<Option<Day>, Problem> {
    let read = |text| Day::parse(text).map_err(|error| Problem::malformed(format!("\"{name}\": \"{text}\" {error}")));
    params.text(name).map(read).transpose()
}
