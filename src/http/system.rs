//! The system: schema, status, clock, snapshots, health.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    db::{
        alarm::Alarm,
        record::{DiskInfo, Status},
    },
    http::{
        app::{App, answer_json, at_lsn},
        body,
        problem::Problem,
        roaring_list::identity_text,
        schema_patch, wire,
    },
    model::{limits, request::Request, time::Timestamp},
};

/// `GET /v1/schema`
pub async fn schema(State(app): State<App>) -> Response {
    let view = app.db.view();
    at_lsn(answer_json(StatusCode::OK, &wire::schema_json(view.schema())), view.lsn())
}

/// `PATCH /v1/schema`
pub async fn patch_schema(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::json(&headers, body).await?;
    let patch = schema_patch::read(&body, app.db.view().schema().zone().name())?;
    let done = app.write_one(Request::Schema(patch), &headers, &uri).await?;
    let view = app.db.view();
    let mut answer = wire::schema_json(view.schema());
    answer["lsn"] = done.lsn.0.into();
    Ok(done.tell(at_lsn(answer_json(StatusCode::OK, &answer), view.lsn())))
}

/// `GET /v1/status`
pub async fn status(State(app): State<App>) -> Result<Response, Problem> {
    body::blocking(move || {
        let mut told = status_json(&app.db.status());
        told["database"] = identity_text(app.db.identity()).into();
        told["limits"]["rate"] = app.rates.to_json();
        Ok(answer_json(StatusCode::OK, &told))
    })
    .await
}

/// The status as it is sent.
pub fn status_json(status: &Status) -> Value {
    let memory: serde_json::Map<String, Value> =
        status.memory.iter().map(|(index, bytes)| (index.to_string(), (*bytes).into())).collect();
    json!({
        "version": status.version,
        "contacts": status.contacts,
        "events": status.events,
        "segments": status.segments,
        "properties": status.properties,
        "event_kinds": status.event_kinds,
        "lsn": status.lsn.0,
        "seq": status.seq,
        "now": status.now.to_string(),
        "clock": if status.manual_clock { "manual" } else { "system" },
        "time_zone": status.zone,
        "memory_bytes": memory,
        "snapshot": {"lsn": status.snapshot_lsn.0, "bytes": status.snapshot_bytes},
        "log": {"bytes": status.log_bytes, "queued": status.queued},
        "read_only": status.read_only,
        "erasing": status.erasing,
        "disk": status.disk.as_ref().map(disk_json),
        "scrub": scrub_json(status),
        "alarms": status.alarms.iter().map(alarm_json).collect::<Vec<_>>(),
        "limits": limits_json(),
    })
}

fn disk_json(disk: &DiskInfo) -> Value {
    let steps: serde_json::Map<String, Value> =
        disk.steps.iter().map(|(word, below)| ((*word).to_owned(), (*below).into())).collect();
    json!({
        "free_bytes": disk.free_bytes,
        "step": disk.step,
        "steps_below": steps,
        "ballast_bytes": disk.ballast_bytes,
    })
}

fn scrub_json(status: &Status) -> Value {
    let damaged = status.damaged.as_ref();
    json!({
        "at": status.scrubbed.map(|(at, _)| at.to_string()),
        "whole": status.scrubbed.map(|(_, whole)| whole),
        "last_damage": damaged.map(|(at, detail)| json!({"at": at.to_string(), "detail": detail})),
    })
}

fn alarm_json(alarm: &Alarm) -> Value {
    json!({"code": alarm.kind.word(), "since": alarm.since.to_string(), "detail": alarm.detail})
}

fn limits_json() -> Value {
    json!({
        "key_bytes": limits::KEY_BYTES_MAX,
        "name_bytes": limits::NAME_BYTES_MAX,
        "value_bytes": limits::VALUE_BYTES_MAX,
        "set_values": limits::SET_VALUES_MAX,
        "properties": limits::PROPERTIES_MAX,
        "event_kinds": limits::EVENT_KINDS_MAX,
        "event_properties": limits::EVENT_PROPERTIES_MAX,
        "segments": limits::SEGMENTS_MAX,
        "rule_bytes": limits::RULE_BYTES_MAX,
        "rule_depth": limits::RULE_DEPTH_MAX,
        "rule_predicates": limits::RULE_PREDICATES_MAX,
        "rule_list_values": limits::RULE_LIST_MAX,
        "regex_bytes": limits::REGEX_BYTES_MAX,
        "json_depth": limits::JSON_DEPTH_MAX,
        "head_bytes": limits::HEAD_BYTES_MAX,
        "body_bytes": limits::BODY_BYTES_MAX,
        "parquet_bytes": limits::PARQUET_BYTES_MAX,
        "parquet_uploads": limits::PARQUET_UPLOADS_MAX,
        "line_bytes": limits::LINE_BYTES_MAX,
        "page": limits::PAGE_MAX,
        "contacts": limits::CONTACTS_MAX,
        "lookup_contacts": limits::LOOKUP_CONTACTS_MAX,
        "tracked_calls": limits::TRACKED_CALLS_MAX,
        "tracked_call_bytes": limits::TRACKED_CALL_BYTES_MAX,
        "channels": limits::CHANNELS_MAX,
        "forecast_days": limits::FORECAST_DAYS_MAX,
        "report_days": limits::REPORT_DAYS_MAX,
        "audience_groups": limits::AUDIENCE_GROUPS_MAX,
        "audience_parts": limits::AUDIENCE_PARTS_MAX,
        "webhooks": limits::WEBHOOKS_MAX,
        "webhook_url_bytes": limits::WEBHOOK_URL_BYTES_MAX,
        "webhook_segments": limits::WEBHOOK_SEGMENTS_MAX,
        "webhook_dead_letters": limits::WEBHOOK_DEAD_LETTERS_MAX,
    })
}

/// `GET /v1/clock`
pub async fn clock(State(app): State<App>) -> Response {
    let view = app.db.view();
    at_lsn(answer_json(StatusCode::OK, &json!({"now": view.now().to_string()})), view.lsn())
}

/// `POST /v1/clock`
pub async fn move_clock(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["now"])?;
    let to = wire::text_member(&request, "now")?.ok_or_else(|| {
        Problem::refused("missing_member", "\"now\" is missing: an instant like 2026-05-01T00:00:00Z")
    })?;
    let to =
        Timestamp::parse(to).map_err(|error| Problem::refused("bad_instant", format!("\"now\": \"{to}\" {error}")))?;
    body::blocking(move || {
        let written = app.db.move_clock(to)?;
        let body = json!({"now": app.db.view().now().to_string(), "lsn": written.lsn.0});
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

/// `POST /v1/snapshot`
pub async fn snapshot(State(app): State<App>) -> Result<Response, Problem> {
    body::blocking(move || {
        let snapshot = app.db.snapshot()?;
        let body = json!({"lsn": snapshot.lsn.0, "bytes": snapshot.bytes, "took_us": snapshot.took_us});
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

/// `GET /healthz`: the process answers.
pub async fn health() -> Response {
    (StatusCode::OK, "ok\n").into_response()
}

/// `GET /readyz`: it may be used. Until the database is open another route answers here (`src/http/starting.rs`), so this asks about writes.
pub async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    body::blocking(move || match app.db.failure().or_else(|| app.db.stalled()).or_else(|| app.db.storage_low()) {
        None => Ok((StatusCode::OK, "ready\n").into_response()),
        Some(failure) => Err(failure.into()),
    })
    .await
}
