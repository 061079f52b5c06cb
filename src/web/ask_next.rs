//! What time alone will do to a contact next: into which segments it comes and out of which it goes, and when.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    http::{
        app::{App, answer_json},
        body,
        path::Params,
        problem::Problem,
    },
    web::tell,
};

/// Segments that are looked at: those that hold the contact first.
const LOOKED_AT: usize = 500;
/// Changes that are told.
const TOLD: usize = 20;

/// `GET /ui/ask/next?contact=`: the next changes due by the passing of time, the nearest first. `left_out` tells how many
/// segments were not looked at, or not to the end.
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["contact"])?;
    let key = params.text("contact").ok_or_else(|| Problem::malformed("\"contact\" is missing"))?.to_owned();
    body::blocking(move || {
        let view = app.db.view();
        let coming = view
            .coming(&key, LOOKED_AT)
            .ok_or_else(|| Problem::not_found(format!("there is no contact \"{key}\"")).at(view.lsn()))?;
        let zone = view.schema().zone();
        let changes = coming.changes.iter().take(TOLD).map(|change| {
            json!({
                "segment": change.segment, "path": tell::path(&change.segment), "member": change.member,
                "at": change.at.to_string(), "told": tell::instant(change.at, zone),
            })
        });
        let changes: Vec<Value> = changes.collect();
        let body = json!({
            "changes": changes, "more": coming.changes.len().saturating_sub(TOLD), "looked_at": coming.looked_at,
            "left_out": coming.left_out, "time_zone": zone.name(), "lsn": view.lsn().0,
        });
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}
