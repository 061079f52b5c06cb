//! Segments: save, list, read, change, delete, and edit a static list.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    db::view::View,
    http::{
        app::{App, answer_json},
        body,
        json::Json,
        path::{Params, part},
        problem::Problem,
        query::rule_source,
        wire,
    },
    model::{
        name::ContactKey,
        request::{Applied, MembersEdit, MembersMode, Request, SegmentCreate, SegmentSource, SegmentUpdate},
    },
};

const MEMBERS: [&str; 6] = ["name", "description", "kind", "rule", "members", "create"];

/// `POST /v1/segments`
pub async fn create(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &MEMBERS)?;
    let name = wire::text_member(&request, "name")?
        .ok_or_else(|| Problem::refused("missing_member", "a segment needs a \"name\""))?
        .to_owned();
    let create = new_segment(&name, &request)?;
    app.write_one(Request::CreateSegment(create), &headers, &uri).await?;
    show(app, name, StatusCode::CREATED).await
}

fn new_segment(name: &str, request: &Json) -> Result<SegmentCreate, Problem> {
    let members = wire::key_list(request, "members")?;
    let kind = wire::text_member(request, "kind")?;
    let has_rule = !matches!(request.get("rule"), None | Some(Json::Null));
    if !matches!(kind, None | Some("dynamic" | "static")) {
        let kind = kind.unwrap_or_default();
        return Err(Problem::refused("bad_kind", format!("\"kind\" is dynamic or static, not \"{kind}\"")));
    }
    let is_static = kind == Some("static") || (kind.is_none() && !has_rule && members.is_some());
    let source = match (is_static, has_rule, members) {
        (true, false, members) => SegmentSource::Members(members.unwrap_or_default()),
        (false, true, None) => SegmentSource::Rule(rule_source(request)?),
        (true, true, _) => {
            return Err(Problem::refused("rule_on_static", "a static segment has \"members\", not a \"rule\""));
        }
        (false, _, Some(_)) => {
            return Err(Problem::refused("members_on_dynamic", "a dynamic segment has a \"rule\", not \"members\""));
        }
        (false, false, None) => {
            return Err(Problem::refused("missing_member", "a dynamic segment needs a \"rule\""));
        }
    };
    let description = wire::text_member(request, "description")?.map(Into::into);
    Ok(SegmentCreate { name: name.into(), description, source })
}

async fn show(app: App, name: String, status: StatusCode) -> Result<Response, Problem> {
    body::blocking(move || {
        let view = app.db.view();
        let mut object = described(&view, &name)?;
        object["lsn"] = view.lsn().0.into();
        Ok(answer_json(status, &object))
    })
    .await
}

fn described(view: &View, name: &str) -> Result<serde_json::Value, Problem> {
    let segment = view.segment(name).ok_or_else(|| unknown(name))?;
    Ok(wire::segment_json(&segment, view.member_count(name)?))
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("there is no segment \"{name}\""))
}

/// `GET /v1/segments`
pub async fn list(State(app): State<App>) -> Result<Response, Problem> {
    body::blocking(move || {
        let view = app.db.view();
        let mut segments = Vec::new();
        for segment in view.segments() {
            segments.push(wire::segment_json(&segment, view.member_count(&segment.name)?));
        }
        let body = json!({"segments": segments, "as_of": view.now().to_string(), "lsn": view.lsn().0});
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

/// `GET /v1/segments/{name}`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    show(app, part(&uri, 2)?, StatusCode::OK).await
}

/// `PUT /v1/segments/{name}`: what the body says and nothing else; made if it is not there.
pub async fn put(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &MEMBERS)?;
    let new_name = wire::text_member(&request, "name")?.unwrap_or(&name).to_owned();
    let create = new_segment(&new_name, &request)?;
    let Some(segment) = app.db.view().segment(&name) else {
        app.write_one(Request::CreateSegment(create), &headers, &uri).await?;
        return show(app, new_name, StatusCode::CREATED).await;
    };
    let update = |rule| SegmentUpdate {
        segment: name.as_str().into(),
        name: (new_name != *segment.name).then(|| new_name.as_str().into()),
        description: Some(create.description.clone()),
        rule,
    };
    let requests = match (create.source.clone(), segment.rule.is_some()) {
        (SegmentSource::Rule(rule), true) => vec![Request::UpdateSegment(update(Some(rule)))],
        (SegmentSource::Members(keys), false) => {
            let edits = vec![(MembersMode::Replace, keys)];
            let edit = MembersEdit { segment: name.as_str().into(), edits, create: false };
            vec![Request::EditMembers(edit), Request::UpdateSegment(update(None))]
        }
        (_, was_dynamic) => {
            let kind = if was_dynamic { "dynamic" } else { "static" };
            let detail = format!("\"{name}\" is {kind}; delete it first to make one of the other kind");
            return Err(Problem::new(StatusCode::CONFLICT, "other_kind", detail));
        }
    };
    for result in app.write(requests, &headers, &uri).await?.results {
        result?;
    }
    show(app, new_name, StatusCode::OK).await
}

/// `PATCH /v1/segments/{name}`: what the body does not name stays.
pub async fn patch(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["name", "description", "rule"])?;
    let new_name = wire::text_member(&request, "name")?.map(str::to_owned);
    let rule = request.get("rule").map(|_| rule_source(&request)).transpose()?;
    let description = match request.get("description") {
        None => None,
        Some(_) => Some(wire::text_member(&request, "description")?.map(Into::into)),
    };
    let update =
        SegmentUpdate { segment: name.as_str().into(), name: new_name.as_deref().map(Into::into), description, rule };
    app.write_one(Request::UpdateSegment(update), &headers, &uri).await?;
    show(app, new_name.unwrap_or(name), StatusCode::OK).await
}

/// `DELETE /v1/segments/{name}`
pub async fn delete(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let request = Request::DeleteSegment(part(&uri, 2)?.into());
    app.write_one(request, &headers, &uri).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/segments/{name}/versions`
pub async fn versions(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let versions = app.db.view().versions(&name).ok_or_else(|| unknown(&name))?;
    let versions: Vec<_> = versions
        .iter()
        .map(|version| {
            let forms = wire::rule_json(&version.rule);
            json!({
                "version": version.version, "at": version.at.to_string(),
                "rule": forms["text"], "rule_json": forms["json"],
            })
        })
        .collect();
    Ok(answer_json(StatusCode::OK, &json!({"versions": versions})))
}

/// `POST /v1/segments/{name}/members`
pub async fn edit_members(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let segment: Box<str> = part(&uri, 2)?.into();
    let params = Params::read(&uri, &["mode", "create"])?;
    let create = params.parsed("create")?.unwrap_or(false);
    let media = body::media_type(&headers);
    let edits = match media.as_deref() {
        None | Some("application/json") => {
            let request = body::json(&headers, body).await?;
            wire::only_members(&request, &["add", "remove"])?;
            let edits = [(MembersMode::Add, "add"), (MembersMode::Remove, "remove")];
            let mut listed = Vec::new();
            for (mode, member) in edits {
                listed.extend(wire::key_list(&request, member)?.map(|keys| (mode, keys)));
            }
            listed
        }
        Some("text/plain" | "text/csv") => {
            let mode = match params.text("mode") {
                None | Some("add") => MembersMode::Add,
                Some("remove") => MembersMode::Remove,
                Some("replace") => MembersMode::Replace,
                Some(other) => {
                    return Err(Problem::malformed(format!("\"mode\" is add, remove or replace, not \"{other}\"")));
                }
            };
            let bytes = body::bytes(&headers, body).await?;
            vec![(mode, listed_keys(&bytes, media.as_deref() == Some("text/csv"))?)]
        }
        other => return Err(body::unsupported(other, "application/json, text/csv, text/plain")),
    };
    let edit = MembersEdit { segment: segment.clone(), edits, create };
    let (applied, lsn) = app.write_one(Request::EditMembers(edit), &headers, &uri).await?;
    let unknown = match applied {
        Applied::Members { unknown } => unknown,
        _ => Vec::new(),
    };
    let count = app.db.view().member_count(&segment)?;
    let unknown: Vec<&str> = unknown.iter().map(ContactKey::as_str).collect();
    Ok(answer_json(StatusCode::OK, &json!({"count": count, "unknown": unknown, "lsn": lsn.0})))
}

/// The keys of a text (one a line) or a CSV file (its first column; a header `key` is passed over).
fn listed_keys(bytes: &[u8], csv: bool) -> Result<Vec<ContactKey>, Problem> {
    let key = |line: usize, text: &str| {
        ContactKey::new(text).map_err(|error| Problem::refused("bad_key", format!("line {line}: {error}")))
    };
    if !csv {
        let text = std::str::from_utf8(bytes).map_err(|_| Problem::malformed("the list is not UTF-8"))?;
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        return lines.map(|(at, line)| key(at + 1, line)).collect();
    }
    let mut keys = Vec::new();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|error| Problem::malformed(format!("the list is not CSV: {error}")))?;
        let first = record.get(0).unwrap_or_default();
        if !(first.is_empty() || at == 0 && first.eq_ignore_ascii_case("key")) {
            keys.push(key(at + 1, first)?);
        }
    }
    Ok(keys)
}
