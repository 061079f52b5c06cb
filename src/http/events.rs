//! Events: record one, several or a stream, and take one away.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        app::{App, answer_json},
        body,
        import::Summary,
        json::Json,
        path::part,
        problem::{Fault, Problem},
        records::{self, Kind, Names},
    },
    model::request::Request,
};

/// `POST /v1/events`
pub async fn post(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let media = body::media_type(&headers);
    match media.as_deref() {
        Some("application/x-ndjson" | "application/ndjson" | "application/jsonl") => {
            let zone = app.db.view().schema().zone().clone();
            let summary = app.import(Kind::EventLines(zone), headers, body).await?;
            Ok(answer_json(StatusCode::OK, &summary.events_json()))
        }
        None | Some("application/json") => {
            let events = match body::json(&headers, body).await? {
                Json::List(events) => events,
                one => vec![one],
            };
            let summary = write(&app, events, &headers, &uri).await?;
            Ok(answer_json(StatusCode::OK, &summary.events_json()))
        }
        other => Err(body::unsupported(other, "application/json, application/x-ndjson")),
    }
}

async fn write(app: &App, events: Vec<Json>, headers: &HeaderMap, uri: &Uri) -> Result<Summary, Problem> {
    let view = app.db.view();
    let mut summary = Summary { lsn: view.lsn().0, ..Summary::default() };
    let mut names = Names::default();
    let (mut requests, mut places) = (Vec::new(), Vec::new());
    for (place, event) in events.iter().enumerate() {
        let line = place as u64 + 1;
        match records::event(event, view.schema().zone(), &mut names) {
            Ok(request) => {
                requests.push(request);
                places.push(line);
            }
            Err(refusal) => summary.reject(Fault {
                line: Some(line),
                pointer: refusal.pointer,
                code: refusal.code,
                detail: refusal.detail,
            }),
        }
    }
    if !requests.is_empty() {
        summary.count(app.write(requests, headers, uri).await?, &places);
    }
    Ok(summary)
}

/// `DELETE /v1/events/{id}`
pub async fn delete(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let request = Request::RemoveEvent(part(&uri, 2)?.into());
    app.write_one(request, &headers, &uri).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
