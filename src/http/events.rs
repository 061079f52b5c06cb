//! Events: record one, several or a stream, and take one away.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};

#[cfg(feature = "columnar")]
use crate::http::{members::PARQUET, parquet_records::Rows};
use crate::{
    db::record::Written,
    http::{
        app::{App, answer_json, marked},
        body,
        import::Summary,
        json::Json,
        path::{Params, part},
        problem::{Fault, Problem},
        records::{self, Kind, Names},
    },
    model::{
        calendar::Zone,
        request::{Refusal, Request},
    },
};

/// Events that are read on the spot; more of them are read on a thread that may take its time.
const READ_HERE_MAX: usize = 256;

/// What the call takes.
#[cfg(feature = "columnar")]
const TAKEN: &str = "application/json, application/x-ndjson, application/vnd.apache.parquet";
#[cfg(not(feature = "columnar"))]
const TAKEN: &str = "application/json, application/x-ndjson";

/// `POST /v1/events`
pub async fn post(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let media = body::media_type(&headers);
    match media.as_deref() {
        Some("application/x-ndjson" | "application/ndjson" | "application/jsonl") => {
            let zone = app.db.view().schema().zone().clone();
            let summary = app.import(Kind::EventLines(zone), headers, body).await?;
            Ok(marked(answer_json(StatusCode::OK, &summary.events_json()), summary.replayed))
        }
        None | Some("application/json") => {
            let events = match body::json(&headers, body).await? {
                Json::List(events) => events,
                one => vec![one],
            };
            let summary = write(&app, events, &headers, &uri).await?;
            Ok(marked(answer_json(StatusCode::OK, &summary.events_json()), summary.replayed))
        }
        #[cfg(feature = "columnar")]
        Some(PARQUET) => {
            let summary = app.import_parquet(Rows::Events, headers, body).await?;
            Ok(marked(answer_json(StatusCode::OK, &summary.events_json()), summary.replayed))
        }
        other => Err(body::unsupported(other, TAKEN)),
    }
}

async fn write(app: &App, events: Vec<Json>, headers: &HeaderMap, uri: &Uri) -> Result<Summary, Problem> {
    let view = app.db.view();
    let (lsn, zone) = (view.lsn(), view.schema().zone().clone());
    drop(view);
    let (requests, places, faults) = if events.len() > READ_HERE_MAX {
        body::blocking(move || Ok(read(&events, &zone))).await?
    } else {
        read(&events, &zone)
    };
    let written = if requests.is_empty() {
        Written { lsn, results: Vec::new(), replayed: false }
    } else {
        app.write(requests, headers, uri).await?
    };
    let mut summary = Summary::default();
    summary.count(written, &places, faults);
    Ok(summary)
}

/// What the events ask for with their places from 1, and what is wrong with the others.
fn read(events: &[Json], zone: &Zone) -> (Vec<Request>, Vec<u64>, Vec<Fault>) {
    let mut names = Names::default();
    let (mut requests, mut places, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (line, event) in (1..).zip(events) {
        match records::event(event, zone, &mut names) {
            Ok(request) => {
                requests.push(request);
                places.push(line);
            }
            Err(Refusal { pointer, code, detail, .. }) => {
                faults.push(Fault { line: Some(line), pointer, code, detail });
            }
        }
    }
    (requests, places, faults)
}

/// `DELETE /v1/events/{id}`
pub async fn delete(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let request = Request::RemoveEvent(part(&uri, 2)?.into());
    Ok(app.write_one(request, &headers, &uri).await?.tell_nothing())
}
