//! Contacts: write, read, erase, list, import, and the segments that hold one.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};

#[cfg(feature = "columnar")]
use crate::http::{members::PARQUET, parquet_records::Rows};
use crate::{
    db::view::View,
    http::{
        app::{App, answer_bytes, answer_json, at_lsn, marked},
        body,
        json::Json,
        paging,
        path::{Params, part},
        problem::{Fault, Problem},
        records::{self, Kind, Names},
        wire,
    },
    model::{
        limits,
        name::ContactKey,
        request::{Applied, ContactWrite, Request, WriteMode},
    },
};

/// Contacts that are looked up on the spot; more are looked up on a thread that may take its time.
const LOOKUP_HERE_MAX: usize = 100;

/// What an import takes.
#[cfg(feature = "columnar")]
const TAKEN: &str = "application/x-ndjson, text/csv, application/vnd.apache.parquet";
#[cfg(not(feature = "columnar"))]
const TAKEN: &str = "application/x-ndjson, text/csv";

/// `PUT /v1/contacts/{key}`
pub async fn put(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    write(app, uri, headers, body, WriteMode::Replace).await
}

/// `PATCH /v1/contacts/{key}`
pub async fn patch(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    write(app, uri, headers, body, WriteMode::Merge).await
}

async fn write(app: App, uri: Uri, headers: HeaderMap, body: Body, mode: WriteMode) -> Result<Response, Problem> {
    let key = contact_key(&uri)?;
    let record = body::json(&headers, body).await?;
    match record.get("key") {
        None => {}
        Some(Json::Text(inside)) if inside == key.as_str() => {}
        Some(_) => {
            let detail = "the body's \"key\" is not the one in the path";
            let fault = Fault { line: None, pointer: "/key".into(), code: "other_key", detail: detail.into() };
            return Err(Problem { errors: vec![fault], ..Problem::refused("other_key", detail) });
        }
    }
    let values = records::values(&record, &mut Names::default())?;
    let request = Request::Contact(ContactWrite { key: key.clone(), mode, values });
    let done = app.write_one(request, &headers, &uri).await?;
    let status = if done.applied == Applied::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(done.tell(answer_json(status, &json!({"key": key.as_str(), "lsn": done.lsn.0}))))
}

fn contact_key(uri: &Uri) -> Result<ContactKey, Problem> {
    ContactKey::new(&part(uri, 2)?).map_err(|error| Problem::refused("bad_key", error.to_string()))
}

fn unknown(key: &str) -> Problem {
    Problem::not_found(format!("there is no contact \"{key}\""))
}

/// `GET /v1/contacts/{key}`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let key = part(&uri, 2)?;
    let view = app.db.view();
    let record = view.contact(&key).ok_or_else(|| unknown(&key).at(view.lsn()))?;
    let mut bytes = Vec::with_capacity(512);
    wire::write_contact(&mut bytes, &record, view.schema());
    Ok(at_lsn(answer_bytes(StatusCode::OK, "application/json", bytes), view.lsn()))
}

/// `DELETE /v1/contacts/{key}`
pub async fn delete(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let request = Request::Erase(contact_key(&uri)?);
    Ok(app.write_one(request, &headers, &uri).await?.tell_nothing())
}

/// `GET /v1/contacts`
pub async fn list(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["after", "limit"])?;
    let limit = paging::limit(params.parsed("limit")?)?;
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    body::blocking(move || {
        let view = app.view(cursor.as_ref());
        let answer = view.everyone();
        let page = answer.contacts(cursor.as_ref().map(|cursor| cursor.place), limit, None);
        let schema = view.schema();
        let mut bytes = b"{\"contacts\":[".to_vec();
        for (place, record) in page.items.iter().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            wire::write_contact(&mut bytes, record, schema);
        }
        let mut tail = json!({"count": answer.count(), "lsn": view.lsn().0});
        if let Some(place) = page.next {
            tail["next"] = app.listings.next(&view, place).into();
        }
        bytes.extend_from_slice(b"],");
        bytes.extend_from_slice(&tail.to_string().as_bytes()[1..]);
        Ok(at_lsn(answer_bytes(StatusCode::OK, "application/json", bytes), view.lsn()))
    })
    .await
}

/// `POST /v1/contacts/import`
pub async fn import(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["mode"])?;
    let mode = match params.text("mode") {
        None | Some("merge") => WriteMode::Merge,
        Some("replace") => WriteMode::Replace,
        Some(other) => {
            return Err(Problem::malformed(format!("\"mode\" is merge or replace, not \"{other}\"")));
        }
    };
    let media = body::media_type(&headers);
    #[cfg(feature = "columnar")]
    if media.as_deref() == Some(PARQUET) {
        let summary = app.import_parquet(Rows::Contacts(mode), headers, body).await?;
        return Ok(marked(answer_json(StatusCode::OK, &summary.contacts_json()), summary.replayed));
    }
    let kind = match media.as_deref() {
        Some("application/x-ndjson" | "application/ndjson" | "application/jsonl") => Kind::ContactLines(mode),
        Some("text/csv") => Kind::ContactTable(mode),
        other => return Err(body::unsupported(other, TAKEN)),
    };
    let summary = app.import(kind, headers, body).await?;
    Ok(marked(answer_json(StatusCode::OK, &summary.contacts_json()), summary.replayed))
}

/// `GET /v1/contacts/{key}/segments`: read off the sets that are kept, on the spot.
pub async fn segments(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let key = part(&uri, 2)?;
    let view = app.db.view();
    let segments = view.segments_of(&key).ok_or_else(|| unknown(&key).at(view.lsn()))?;
    let answer = json!({
        "contact": key, "segments": segments, "as_of": view.now().to_string(), "lsn": view.lsn().0,
    });
    Ok(answer_json(StatusCode::OK, &answer))
}

/// `POST /v1/lookup`
pub async fn lookup(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["contacts", "segments"])?;
    let keys = wire::text_list(&request, "contacts")?
        .ok_or_else(|| Problem::refused("missing_member", "a look-up needs \"contacts\", a list of keys"))?;
    if keys.len() > limits::LOOKUP_CONTACTS_MAX {
        let detail = format!("a look-up is of at most {} contacts, not {}", limits::LOOKUP_CONTACTS_MAX, keys.len());
        return Err(Problem::refused("too_many_contacts", detail));
    }
    let wanted = wire::text_list(&request, "segments")?;
    let view = app.db.view();
    if keys.len() > LOOKUP_HERE_MAX {
        return body::blocking(move || looked_up(&view, &keys, wanted.as_deref())).await;
    }
    looked_up(&view, &keys, wanted.as_deref())
}

fn looked_up(view: &View, keys: &[String], wanted: Option<&[String]>) -> Result<Response, Problem> {
    let found = view.look_up(keys, wanted).map_err(|error| Problem::from(error).at(view.lsn()))?;
    let result = |(key, segments): (&String, Option<Vec<&str>>)| match segments {
        Some(segments) => json!({"contact": key, "segments": segments}),
        None => json!({"contact": key, "unknown": true, "segments": []}),
    };
    let results: Vec<Value> = keys.iter().zip(found).map(result).collect();
    let answer = json!({"results": results, "as_of": view.now().to_string(), "lsn": view.lsn().0});
    Ok(answer_json(StatusCode::OK, &answer))
}
