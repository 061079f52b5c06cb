//! Webhooks: who outside is told of changes, how it fares, and what could not be told.

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    db::{clock::system_now, error::Error, feed::Followed, view::View},
    http::{
        app::{App, answer_json, at_lsn, idempotency_key, marked},
        audit::Made,
        body,
        import::hashed,
        json::Json,
        paging,
        path::{Params, part},
        problem::{Fault, Problem},
        trace::Trace,
        wire,
    },
    model::limits,
    webhook::{
        endpoint::{Endpoint, Kind, Status, Try},
        error::HookError,
        plan::Outcome,
        registry::Webhooks,
        sign::Secret,
        slot::Slot,
        target::Target,
    },
};

impl From<HookError> for Problem {
    fn from(error: HookError) -> Problem {
        let detail = error.to_string();
        match error {
            HookError::Unknown(_) => Problem::not_found(detail),
            HookError::Taken(_) => Problem::new(StatusCode::CONFLICT, "id_taken", detail),
            HookError::TooMany(_) => Problem::refused("too_many", detail),
            HookError::KeyReused => Problem::refused("idempotency_key_reused", detail),
            HookError::Testing(_) => Problem::new(StatusCode::CONFLICT, "test_under_way", detail),
            HookError::Refused(_) => Problem::refused("bad_webhook", detail),
            HookError::Unusable(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "webhooks_unusable", detail),
            HookError::Database(error) => error.into(),
            HookError::Random(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail),
        }
    }
}

/// A refused member, with its place.
pub(super) fn bad(member: &str, code: &'static str, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    let fault = Fault { line: None, pointer: format!("/{member}"), code, detail: detail.clone() };
    Problem { errors: vec![fault], ..Problem::refused(code, detail) }
}

/// A webhook, as it is shown: everything but its secrets.
pub(super) fn webhook_json(endpoint: &Endpoint, view: &View) -> Value {
    let newest = view.feed_bounds().newest;
    let trouble = endpoint.trouble.as_ref().or(endpoint.replay_trouble.as_ref()).map(|trouble| {
        let mut object = outcome_json(trouble.outcome);
        object["id"] = json!(trouble.id);
        object["tries"] = trouble.tries.into();
        object["first_try"] = trouble.first.to_string().into();
        object["next_try"] = trouble.next.to_string().into();
        object
    });
    let until = endpoint.old_secrets.iter().map(|(_, until)| *until).filter(|until| system_now() < *until).max();
    json!({
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "segments": Followed::restored(endpoint.segments.clone()).shown(view),
        "kinds": endpoint.kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>(),
        "status": endpoint.status.word(),
        "paused": endpoint.status == Status::Paused,
        "reason": endpoint.status.reason(),
        "created": endpoint.created.to_string(),
        "updated": endpoint.updated.to_string(),
        "position": endpoint.position,
        "behind": newest.saturating_sub(endpoint.position),
        "trouble": trouble,
        "failing_since": endpoint.failing_since.map(|since| since.to_string()),
        "dead_letters": endpoint.dead.len(),
        "replays": endpoint.replays.len(),
        "old_secret_until": until.map(|until| until.to_string()),
    })
}

/// What a call came to: in a word, and the receiver's status if it answered.
pub(super) fn outcome_json(outcome: Outcome) -> Value {
    let word = if outcome.is_taken() { "delivered" } else { outcome.word() };
    json!({"outcome": word, "status": outcome.status()})
}

pub(super) fn try_json(one: &Try) -> Value {
    let mut object = outcome_json(one.outcome);
    object["id"] = json!(one.id);
    object["seq"] = json!(one.seq);
    object["at"] = one.at.to_string().into();
    object["try"] = one.tries.into();
    object["took_ms"] = one.took_ms.into();
    object["next_try"] = json!(one.next.map(|at| at.to_string()));
    object
}

pub(super) fn show(app: &App, slot: &Slot, status: StatusCode, secret: Option<&Secret>) -> Response {
    let view = app.db.view();
    let mut object = webhook_json(&slot.endpoint(), &view);
    if let Some(secret) = secret {
        object["secret"] = secret.reveal().into();
    }
    at_lsn(answer_json(status, &object), view.lsn())
}

/// The address of a body, read and looked up.
async fn url(app: &App, request: &Json) -> Result<Option<String>, Problem> {
    let Some(url) = wire::text_member(request, "url")? else { return Ok(None) };
    let client = app.webhooks.client();
    let target = Target::parse(url, client.reach).map_err(|detail| bad("url", "bad_url", detail))?;
    if client.is_denied(&target).await {
        let detail = "the host resolves to an address that webhooks may not go to; see --webhook-targets";
        return Err(bad("url", "url_denied", detail));
    }
    Ok(Some(url.to_owned()))
}

fn segments(app: &App, request: &Json) -> Result<Option<Followed>, Problem> {
    let Some(names) = wire::text_list(request, "segments")? else { return Ok(None) };
    if names.len() > limits::WEBHOOK_SEGMENTS_MAX {
        let detail = format!("a webhook names at most {} segments; none stands for all", limits::WEBHOOK_SEGMENTS_MAX);
        return Err(bad("segments", "too_many", detail));
    }
    match Followed::named(&app.db.view(), names.iter().map(String::as_str)) {
        Ok(followed) => Ok(Some(followed)),
        Err(Error::NoSegment(name)) => {
            Err(bad("segments", "unknown_segment", format!("there is no segment \"{name}\"")))
        }
        Err(error) => Err(error.into()),
    }
}

fn kinds(request: &Json) -> Result<Option<Vec<Kind>>, Problem> {
    let Some(words) = wire::text_list(request, "kinds")? else { return Ok(None) };
    let unknown = |word: &str| bad("kinds", "bad_kind", format!("\"{word}\" is not entered, left or bulk"));
    let mut kinds =
        words.iter().map(|word| Kind::named(word).ok_or_else(|| unknown(word))).collect::<Result<Vec<_>, _>>()?;
    kinds.sort_unstable();
    kinds.dedup();
    Ok(Some(if kinds.is_empty() { Kind::ALL.to_vec() } else { kinds }))
}

/// Whether it is told: by `paused`, or by `status` as it is shown.
fn status(request: &Json) -> Result<Option<Status>, Problem> {
    let paused = match request.get("paused") {
        None | Some(Json::Null) => None,
        Some(Json::Flag(paused)) => Some(if *paused { Status::Paused } else { Status::Active }),
        Some(other) => {
            return Err(bad("paused", "wrong_type", format!("\"paused\" is a boolean, not {}", other.kind())));
        }
    };
    match wire::text_member(request, "status")? {
        None => Ok(paused),
        Some(_) if paused.is_some() => Err(bad("status", "bad_webhook", "one of \"paused\" and \"status\" will do")),
        Some("active") => Ok(Some(Status::Active)),
        Some("paused") => Ok(Some(Status::Paused)),
        Some(other) => Err(bad("status", "bad_status", format!("\"{other}\" is not active or paused"))),
    }
}

fn description(request: &Json) -> Result<Option<Option<String>>, Problem> {
    let text = wire::text_member(request, "description")?;
    let max = limits::WEBHOOK_DESCRIPTION_BYTES_MAX;
    match (request.get("description"), text) {
        (None, _) => Ok(None),
        (_, Some(text)) if text.len() > max => {
            Err(bad("description", "value_too_long", format!("a description has at most {max} bytes")))
        }
        (_, text) => Ok(Some(text.map(str::to_owned))),
    }
}

/// From which entry on it is told: from the next one, unless the body says otherwise.
fn position(view: &View, request: &Json) -> Result<u64, Problem> {
    let bounds = view.feed_bounds();
    match wire::count_member(request, "after")? {
        None => Ok(bounds.newest),
        Some(after) if after > bounds.newest => Err(Error::CursorAhead { after, bounds }.into()),
        Some(after) if after > 0 && after + 1 < bounds.oldest => Err(Error::CursorTooOld { after, bounds }.into()),
        Some(after) => Ok(after.max(bounds.oldest - 1)),
    }
}

/// `POST /v1/webhooks`
pub async fn create(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let request = body::json(&headers, body).await?;
    let known = ["id", "url", "description", "segments", "kinds", "secret", "paused", "status", "after"];
    wire::only_members(&request, &known)?;
    let made_by = idempotency_key(&headers)?.map(|key| (hashed(key), xxh3_64(request.to_string().as_bytes())));
    if let Some(made_by) = &made_by
        && let Some(slot) = app.webhooks.made_before(made_by).await?
    {
        let secret = slot.endpoint().secret.clone();
        return Ok(made(&app, &slot, &secret, true));
    }
    let url = url(&app, &request).await?.ok_or_else(|| bad("url", "missing_member", "a webhook needs a \"url\""))?;
    let secret = match wire::text_member(&request, "secret")? {
        Some(text) => Secret::parse(text).map_err(|detail| bad("secret", "bad_secret", detail))?,
        None => Webhooks::fresh_secret()?,
    };
    let (view, now) = (app.db.view(), system_now());
    let endpoint = Endpoint {
        id: own_id(&request)?.map_or_else(Webhooks::fresh_id, Ok)?,
        url,
        description: description(&request)?.flatten(),
        segments: segments(&app, &request)?.unwrap_or_default().names().to_vec(),
        kinds: kinds(&request)?.unwrap_or_else(|| Kind::ALL.to_vec()),
        secret: secret.clone(),
        old_secrets: Vec::new(),
        status: status(&request)?.unwrap_or(Status::Active),
        created: now,
        updated: now,
        position: position(&view, &request)?,
        gap: None,
        trouble: None,
        replay_trouble: None,
        failing_since: None,
        failing_ms: 0,
        dead: Default::default(),
        dead_dropped: 0,
        replays: Default::default(),
        made_by,
    };
    let (slot, was_there) = app.webhooks.create(endpoint).await?;
    // A retry that was under way at the same time is shown what the first one made.
    let secret = if was_there { slot.endpoint().secret.clone() } else { secret };
    Ok(made(&app, &slot, &secret, was_there))
}

fn made(app: &App, slot: &Slot, secret: &Secret, was_there: bool) -> Response {
    let mut response = marked(show(app, slot, StatusCode::CREATED, Some(secret)), was_there);
    response.extensions_mut().insert(Made(slot.endpoint().id.clone()));
    response
}

/// A name of the caller's own: `wh_`, small letters and digits, for it is a part of the ids of messages.
fn own_id(request: &Json) -> Result<Option<String>, Problem> {
    let Some(id) = wire::text_member(request, "id")? else { return Ok(None) };
    let rest = id.strip_prefix("wh_").filter(|rest| (1..=OWN_ID_MAX).contains(&rest.len()));
    match rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())) {
        true => Ok(Some(id.to_owned())),
        false => Err(bad("id", "bad_id", format!("an id is \"wh_\" and 1 to {OWN_ID_MAX} small letters and digits"))),
    }
}

/// Letters and digits of an id that a caller chooses.
const OWN_ID_MAX: usize = 40;

/// `GET /v1/webhooks`
pub async fn list(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["after", "limit"])?;
    let limit = paging::limit(params.parsed("limit")?)?;
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    let view = app.view(cursor.as_ref());
    let all = app.webhooks.list()?;
    let count = all.len();
    let (page, next) = paging::slice(all, cursor.as_ref(), limit);
    let webhooks: Vec<Value> = page.iter().map(|slot| webhook_json(&slot.endpoint(), &view)).collect();
    let mut body = json!({"webhooks": webhooks, "count": count, "lsn": view.lsn().0});
    if let Some(place) = next {
        body["next"] = app.listings.next(&view, place).into();
    }
    Ok(answer_json(StatusCode::OK, &body))
}

/// A webhook that is told of a segment, as those may know who may only read: its address is not for them.
pub struct Consumer {
    /// What it is for, or where it goes.
    pub name: String,
    /// Whether it is told of every segment.
    pub is_of_all: bool,
    /// How it fares.
    pub status: &'static str,
}

/// Where an address leads, without the path: there may be a secret in it.
fn host(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    format!("{scheme}://{}{}", &rest[..end], if rest[end..].len() > 1 { "/…" } else { "" })
}

/// The webhooks that are told of a segment, in order of creation; none while they cannot be read. Where one without a
/// description goes is told to those who may change it.
pub fn consumers(app: &App, view: &View, segment: &str, tells_where: bool) -> Result<Vec<Consumer>, Problem> {
    let consumer = |endpoint: &Endpoint| {
        let followed = Followed::restored(endpoint.segments.clone());
        let is_of_all = followed.names().is_empty();
        let is_told = is_of_all || followed.shown(view).iter().any(|name| **name == *segment);
        let name = endpoint.description.clone().unwrap_or_else(|| match tells_where {
            true => host(&endpoint.url),
            false => "without a description".to_owned(),
        });
        is_told.then(|| Consumer { name, is_of_all, status: endpoint.status.word() })
    };
    Ok(app.webhooks.list()?.iter().filter_map(|slot| consumer(&slot.endpoint())).collect())
}

/// `GET /v1/webhooks/{id}`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let slot = app.webhooks.get(&part(&uri, 2)?)?;
    Ok(show(&app, &slot, StatusCode::OK, None))
}

/// `PATCH /v1/webhooks/{id}`: pauses, resumes, changes; what the body does not name stays.
pub async fn patch(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let id = part(&uri, 2)?;
    app.webhooks.get(&id)?;
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["url", "description", "segments", "kinds", "paused", "status"])?;
    let (url, segments, kinds) = (url(&app, &request).await?, segments(&app, &request)?, kinds(&request)?);
    let (status, description) = (status(&request)?, description(&request)?);
    let slot = app
        .webhooks
        .change(&id, |endpoint| {
            let now = system_now();
            if url.is_some() || status == Some(Status::Active) {
                endpoint.retry_now(now);
            }
            endpoint.url = url.unwrap_or_else(|| std::mem::take(&mut endpoint.url));
            if let Some(followed) = segments {
                endpoint.segments = followed.names().to_vec();
            }
            endpoint.kinds = kinds.unwrap_or_else(|| std::mem::take(&mut endpoint.kinds));
            endpoint.status = status.unwrap_or(endpoint.status);
            endpoint.description = description.unwrap_or_else(|| endpoint.description.take());
            endpoint.updated = now;
            Ok(())
        })
        .await?;
    Ok(show(&app, &slot, StatusCode::OK, None))
}

/// `DELETE /v1/webhooks/{id}`
pub async fn delete(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    app.webhooks.delete(&part(&uri, 2)?).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(at_lsn(response, app.db.view().lsn()))
}

/// `POST /v1/webhooks/{id}/test`: sends a test message now and says what it came to.
pub async fn test(State(app): State<App>, trace: Option<Extension<Trace>>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let carried = trace.map(|Extension(trace)| trace.carried());
    let one = app.webhooks.test(&part(&uri, 2)?, carried).await?;
    let mut object = try_json(&one);
    object["delivered"] = one.outcome.is_taken().into();
    Ok(at_lsn(answer_json(StatusCode::OK, &object), app.db.view().lsn()))
}

/// `POST /v1/webhooks/{id}/rotate`: a new secret; the one before signs beside it for a day.
pub async fn rotate(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let id = part(&uri, 2)?;
    let secret = Webhooks::fresh_secret()?;
    let slot = app.webhooks.rotate(&id, secret.clone()).await?;
    Ok(show(&app, &slot, StatusCode::OK, Some(&secret)))
}
