//! Suppressions: named masks over every audience, by channel.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    db::{suppression::SuppressionInfo, view::View},
    http::{
        app::{App, Done, answer_json, at_lsn},
        body,
        json::Json,
        members, paging,
        path::{Params, part},
        problem::Problem,
        segments::{self, CONTACTS_PART, MEMBERS, listed, new_segment},
        wire,
    },
    model::{
        name::ContactKey,
        request::{Channels, MembersEdit, MembersMode, Request, SuppressionWrite},
    },
};

/// A suppression, as it is listed.
fn suppression_json(suppression: &SuppressionInfo) -> Value {
    let mut object = wire::segment_json(&suppression.info, suppression.count);
    object["channels"] = json!(suppression.channels);
    object
}

/// A suppression's name and channels.
pub fn short_json(suppression: &SuppressionInfo) -> Value {
    json!({"name": suppression.info.name, "channels": suppression.channels})
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("there is no suppression \"{name}\""))
}

fn found(view: &View, name: &str) -> Result<SuppressionInfo, Problem> {
    view.suppression(name).ok_or_else(|| unknown(name).at(view.lsn()))
}

/// The channels of a body: a list of names; an empty one is every channel.
fn channels(request: &Json) -> Result<Option<Channels>, Problem> {
    Ok(wire::text_list(request, "channels")?.map(|names| names.into_iter().map(Into::into).collect()))
}

fn known_members(request: &Json) -> Result<(), Problem> {
    let known: Vec<&str> = MEMBERS.into_iter().chain(["channels"]).collect();
    wire::only_members(request, &known)
}

/// A suppression as it is now; of the keys that were sent for it, those that are unknown are told.
fn show(
    app: &App,
    done: Option<&Done>,
    name: &str,
    status: StatusCode,
    sent: &[ContactKey],
) -> Result<Response, Problem> {
    let view = app.db.view();
    let known = match (found(&view, name), done) {
        (Err(_), Some(done)) => return Ok(segments::gone_since(done, name, status, Some(view.lsn()))),
        (known, _) => known?,
    };
    let mut object = suppression_json(&known);
    object["lsn"] = done.map_or(view.lsn(), |done| done.lsn).0.into();
    if !sent.is_empty() {
        let unknown: Vec<&str> = sent.iter().map(ContactKey::as_str).filter(|key| !view.has_contact(key)).collect();
        object["unknown"] = json!(unknown);
    }
    let answer = at_lsn(answer_json(status, &object), view.lsn());
    Ok(match done {
        Some(done) => done.tell(answer),
        None => answer,
    })
}

async fn write(app: &App, write: SuppressionWrite, headers: &HeaderMap, uri: &Uri) -> Result<Done, Problem> {
    app.write_one(Request::Suppression(write), headers, uri).await
}

/// `POST /v1/suppressions`
pub async fn create(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let with_contacts = Params::read(&uri, &["create"])?.parsed("create")?.unwrap_or(false);
    let request = body::json(&headers, body).await?;
    known_members(&request)?;
    let name = wire::text_member(&request, "name")?
        .ok_or_else(|| Problem::refused("missing_member", "a suppression needs a \"name\""))?
        .to_owned();
    make(&app, &name, &request, with_contacts, &headers, &uri).await
}

async fn make(
    app: &App,
    name: &str,
    request: &Json,
    with_contacts: bool,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Response, Problem> {
    let create = new_segment(app, name, request)?;
    let keys = listed(&create.source);
    let channels = channels(request)?.unwrap_or_default();
    let mut done = write(app, SuppressionWrite::Create(create, channels), headers, uri).await?;
    if with_contacts && !keys.is_empty() {
        let edits = vec![(MembersMode::Add, keys.clone())];
        let edit = SuppressionWrite::Edit(MembersEdit { segment: name.into(), edits, create: true });
        done = done.and(app.write_part(Request::Suppression(edit), CONTACTS_PART, headers, uri).await?);
    }
    show(app, Some(&done), name, StatusCode::CREATED, &keys)
}

/// `GET /v1/suppressions`
pub async fn list(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["after", "limit"])?;
    let limit = paging::limit(params.parsed("limit")?)?;
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    let view = app.view(cursor.as_ref());
    let all = view.suppressions();
    let count = all.len();
    let (page, next) = paging::slice(all, cursor.as_ref(), limit);
    let suppressions: Vec<Value> = page.iter().map(suppression_json).collect();
    let mut body = json!({
        "suppressions": suppressions, "count": count, "as_of": view.now().to_string(), "lsn": view.lsn().0,
    });
    if let Some(place) = next {
        body["next"] = app.listings.next(&view, place).into();
    }
    Ok(answer_json(StatusCode::OK, &body))
}

/// `GET /v1/suppressions/{name}`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    show(&app, None, &part(&uri, 2)?, StatusCode::OK, &[])
}

/// `PUT /v1/suppressions/{name}`: what the body says and nothing else; made if it is not there.
pub async fn put(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let with_contacts = Params::read(&uri, &["create"])?.parsed("create")?.unwrap_or(false);
    let request = body::json(&headers, body).await?;
    known_members(&request)?;
    let new_name = wire::text_member(&request, "name")?.unwrap_or(&name).to_owned();
    let no_key = HeaderMap::new();
    let Some(known) = app.db.view().suppression(&name) else {
        return make(&app, &new_name, &request, with_contacts, &no_key, &uri).await;
    };
    let create = new_segment(&app, &new_name, &request)?;
    let (update, keys) = segments::replacing(&known.info, &new_name, create, ["a list", "a rule"])?;
    let channels = channels(&request)?.unwrap_or_default();
    let mut done = write(&app, SuppressionWrite::Update(update, Some(channels)), &no_key, &uri).await?;
    if let Some(keys) = &keys {
        let edits = vec![(MembersMode::Replace, keys.clone())];
        let edit = MembersEdit { segment: new_name.as_str().into(), edits, create: with_contacts };
        done = write(&app, SuppressionWrite::Edit(edit), &no_key, &uri).await?;
    }
    show(&app, Some(&done), &new_name, StatusCode::OK, &keys.unwrap_or_default())
}

/// `PATCH /v1/suppressions/{name}`: what the body does not name stays.
pub async fn patch(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["name", "description", "rule", "channels"])?;
    let (update, new_name) = segments::update_of(&app, &name, &request)?;
    let done = write(&app, SuppressionWrite::Update(update, channels(&request)?), &headers, &uri).await?;
    show(&app, Some(&done), &new_name.unwrap_or(name), StatusCode::OK, &[])
}

/// `DELETE /v1/suppressions/{name}`
pub async fn delete(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(write(&app, SuppressionWrite::Delete(part(&uri, 2)?.into()), &headers, &uri).await?.tell_nothing())
}

/// `GET /v1/suppressions/{name}/members`
pub async fn members(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let params = Params::read(&uri, &["format", "fields"])?;
    let view = app.db.view();
    found(&view, &name)?;
    members::everyone(&app, view.suppressed(&name)?, &params, &headers)
}

/// `POST /v1/suppressions/{name}/members`
pub async fn edit_members(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (edit, unknown_ids) = segments::members_edit(&app, &uri, &headers, body).await?;
    let name = edit.segment.clone();
    let request = Request::Suppression(SuppressionWrite::Edit(edit));
    let done = app.write_one(request, &headers, &uri).await?;
    let view = app.db.view();
    Ok(segments::edited(&done, view.lsn(), found(&view, &name).ok().map(|known| known.count), unknown_ids))
}
