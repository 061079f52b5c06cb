//! Segments: save, list, read, change, delete, and edit a static list.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::json;

use crate::{
    db::{record::SegmentInfo, view::View},
    http::{
        app::{App, Done, answer_json, at_lsn},
        body,
        json::Json,
        paging,
        path::{Params, part},
        problem::Problem,
        query::rule_source,
        roaring_list, wire,
    },
    model::{
        id::Lsn,
        name::ContactKey,
        request::{
            Applied, MembersEdit, MembersMode, Request, RuleSource, SegmentCreate, SegmentSource, SegmentUpdate,
        },
    },
};

/// Of a call that makes a list, the part that makes its contacts.
pub(super) const CONTACTS_PART: &str = "contacts";
/// What the body of a segment may have.
pub(super) const MEMBERS: [&str; 5] = ["name", "description", "kind", "rule", "members"];

/// `POST /v1/segments`
pub async fn create(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let with_contacts = Params::read(&uri, &["create"])?.parsed("create")?.unwrap_or(false);
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &MEMBERS)?;
    let name = wire::text_member(&request, "name")?
        .ok_or_else(|| Problem::refused("missing_member", "a segment needs a \"name\""))?
        .to_owned();
    let create = new_segment(&app, &name, &request)?;
    make(app, create, with_contacts, &headers, &uri).await
}

/// Saves a new segment; then, if asked, makes contacts of the keys that are unknown.
async fn make(
    app: App,
    create: SegmentCreate,
    with_contacts: bool,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Response, Problem> {
    let (name, keys) = (create.name.to_string(), listed(&create.source));
    let mut done = app.write_one(Request::CreateSegment(create), headers, uri).await?;
    if with_contacts && !keys.is_empty() {
        let edits = vec![(MembersMode::Add, keys.clone())];
        let edit = MembersEdit { segment: name.as_str().into(), edits, create: true };
        done = done.and(app.write_part(Request::EditMembers(edit), CONTACTS_PART, headers, uri).await?);
    }
    show_written(app, &done, name, StatusCode::CREATED, keys).await
}

/// The keys that a new segment lists.
pub(super) fn listed(source: &SegmentSource) -> Vec<ContactKey> {
    match source {
        SegmentSource::Members(keys) => keys.clone(),
        SegmentSource::Rule(_) | SegmentSource::Frozen(_) => Vec::new(),
    }
}

/// The rule of a body, read once before it is written, so that a wrong one is answered with its place. What hangs on
/// other segments, such as a cycle, is judged when it is written.
fn checked_rule(app: &App, request: &Json) -> Result<RuleSource, Problem> {
    let source = rule_source(request)?;
    app.db.view().parse_rule(&source)?;
    Ok(source)
}

/// The new segment that a body describes.
pub(super) fn new_segment(app: &App, name: &str, request: &Json) -> Result<SegmentCreate, Problem> {
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
        (false, true, None) => SegmentSource::Rule(checked_rule(app, request)?),
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

/// A segment that was written, as it is now: `lsn` is the write, and the header says as of which one the rest is. Of one
/// that is gone or has another name since there is nothing else to tell.
pub(super) async fn show_written(
    app: App,
    done: &Done,
    name: String,
    status: StatusCode,
    sent: Vec<ContactKey>,
) -> Result<Response, Problem> {
    match show(app, Some(done.lsn), name.clone(), status, sent).await {
        Err(gone) if gone.status == StatusCode::NOT_FOUND => Ok(gone_since(done, &name, status, gone.lsn)),
        shown => Ok(done.tell(shown?)),
    }
}

/// The answer to a write of what is gone since.
pub(super) fn gone_since(done: &Done, name: &str, status: StatusCode, lsn: Option<Lsn>) -> Response {
    let answer = answer_json(status, &json!({"name": name, "lsn": done.lsn.0}));
    done.tell(at_lsn(answer, lsn.unwrap_or(done.lsn)))
}

/// A segment as it is now; of the keys that were sent for it, those that are unknown are told.
async fn show(
    app: App,
    written: Option<Lsn>,
    name: String,
    status: StatusCode,
    sent: Vec<ContactKey>,
) -> Result<Response, Problem> {
    body::blocking(move || {
        let view = app.db.view();
        let mut object = described(&view, &name).map_err(|problem| problem.at(view.lsn()))?;
        object["lsn"] = written.unwrap_or(view.lsn()).0.into();
        if !sent.is_empty() {
            let unknown: Vec<&str> = sent.iter().map(ContactKey::as_str).filter(|key| !view.has_contact(key)).collect();
            object["unknown"] = json!(unknown);
        }
        Ok(at_lsn(answer_json(status, &object), view.lsn()))
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
pub async fn list(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["after", "limit"])?;
    let limit = paging::limit(params.parsed("limit")?)?;
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    body::blocking(move || {
        let view = app.view(cursor.as_ref());
        let all = view.segments();
        let count = all.len();
        let (page, next) = paging::slice(all, cursor.as_ref(), limit);
        let mut segments = Vec::with_capacity(page.len());
        for segment in &page {
            segments.push(wire::segment_json(segment, view.member_count(&segment.name)?));
        }
        let mut body = json!({
            "segments": segments, "count": count, "as_of": view.now().to_string(), "lsn": view.lsn().0,
        });
        if let Some(place) = next {
            body["next"] = app.listings.next(&view, place).into();
        }
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

/// `GET /v1/segments/{name}`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    show(app, None, part(&uri, 2)?, StatusCode::OK, Vec::new()).await
}

/// `PUT /v1/segments/{name}`: what the body says and nothing else; made if it is not there. Safe to repeat as it is,
/// so it heeds no `Idempotency-Key`.
pub async fn put(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let with_contacts = Params::read(&uri, &["create"])?.parsed("create")?.unwrap_or(false);
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &MEMBERS)?;
    let new_name = wire::text_member(&request, "name")?.unwrap_or(&name).to_owned();
    let create = new_segment(&app, &new_name, &request)?;
    let no_key = HeaderMap::new();
    let Some(segment) = app.db.view().segment(&name) else {
        return make(app, create, with_contacts, &no_key, &uri).await;
    };
    let (update, keys) = replacing(&segment, &new_name, create, ["static", "dynamic"])?;
    let mut done = app.write_one(Request::UpdateSegment(update), &no_key, &uri).await?;
    // Only once the rest was taken: requests of one batch are judged each by itself.
    if let Some(keys) = &keys {
        let edits = vec![(MembersMode::Replace, keys.clone())];
        let edit = MembersEdit { segment: new_name.as_str().into(), edits, create: with_contacts };
        done = app.write_one(Request::EditMembers(edit), &no_key, &uri).await?;
    }
    show_written(app, &done, new_name, StatusCode::OK, keys.unwrap_or_default()).await
}

/// What turns a segment or suppression into the one that a body describes, and the keys of its list if it is one.
/// `kinds` are the words for a list and for a rule.
///
/// Errors: 409 when the body describes one of the other kind.
pub(super) fn replacing(
    known: &SegmentInfo,
    new_name: &str,
    create: SegmentCreate,
    kinds: [&str; 2],
) -> Result<(SegmentUpdate, Option<Vec<ContactKey>>), Problem> {
    let is_dynamic = known.rule.is_some();
    let (rule, keys) = match create.source {
        SegmentSource::Rule(rule) if is_dynamic => (Some(rule), None),
        SegmentSource::Members(keys) if !is_dynamic => (None, Some(keys)),
        SegmentSource::Rule(_) | SegmentSource::Members(_) | SegmentSource::Frozen(_) => {
            let (name, kind) = (&known.name, kinds[usize::from(is_dynamic)]);
            let detail = format!("\"{name}\" is {kind}; delete it first to make one of the other kind");
            return Err(Problem::new(StatusCode::CONFLICT, "other_kind", detail));
        }
    };
    let update = SegmentUpdate {
        segment: known.name.clone(),
        name: (*new_name != *known.name).then(|| new_name.into()),
        description: Some(create.description),
        rule,
    };
    Ok((update, keys))
}

/// `PATCH /v1/segments/{name}`: what the body does not name stays.
pub async fn patch(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["name", "description", "rule"])?;
    let (update, new_name) = update_of(&app, &name, &request)?;
    let done = app.write_one(Request::UpdateSegment(update), &headers, &uri).await?;
    show_written(app, &done, new_name.unwrap_or(name), StatusCode::OK, Vec::new()).await
}

/// The change that a body describes, and the new name if it gives one.
pub(super) fn update_of(app: &App, name: &str, request: &Json) -> Result<(SegmentUpdate, Option<String>), Problem> {
    let new_name = wire::text_member(request, "name")?.map(str::to_owned);
    let rule = request.get("rule").map(|_| checked_rule(app, request)).transpose()?;
    let description = match request.get("description") {
        None => None,
        Some(_) => Some(wire::text_member(request, "description")?.map(Into::into)),
    };
    let update = SegmentUpdate { segment: name.into(), name: new_name.as_deref().map(Into::into), description, rule };
    Ok((update, new_name))
}

/// `DELETE /v1/segments/{name}`
pub async fn delete(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let request = Request::DeleteSegment(part(&uri, 2)?.into());
    Ok(app.write_one(request, &headers, &uri).await?.tell_nothing())
}

/// `GET /v1/segments/{name}/versions`
pub async fn versions(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let params = Params::read(&uri, &["after", "limit"])?;
    let limit = paging::limit(params.parsed("limit")?)?;
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    let view = app.view(cursor.as_ref());
    let versions = view.versions(&name).ok_or_else(|| unknown(&name).at(view.lsn()))?;
    let (page, next) = paging::slice(versions, cursor.as_ref(), limit);
    let versions: Vec<_> = page
        .iter()
        .map(|version| {
            let forms = wire::rule_json(&version.rule);
            json!({
                "version": version.version, "at": version.at.to_string(), "by": version.by,
                "rule": forms["text"], "rule_json": forms["json"],
            })
        })
        .collect();
    let mut body = json!({"versions": versions, "lsn": view.lsn().0});
    if let Some(place) = next {
        body["next"] = app.listings.next(&view, place).into();
    }
    Ok(answer_json(StatusCode::OK, &body))
}

/// `POST /v1/segments/{name}/members`
pub async fn edit_members(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (edit, unknown_ids) = members_edit(&app, &uri, &headers, body).await?;
    let segment = edit.segment.clone();
    let done = app.write_one(Request::EditMembers(edit), &headers, &uri).await?;
    let view = app.db.view();
    Ok(edited(&done, view.lsn(), view.member_count(&segment).ok(), unknown_ids))
}

/// What became of an edit of a list or of pins, with the count as of a view, `null` if the segment is gone since.
pub(super) fn edited(done: &Done, view: Lsn, count: Option<u64>, unknown_ids: u64) -> Response {
    let unknown: Vec<&str> = match &done.applied {
        Applied::Members { unknown } => unknown.iter().map(ContactKey::as_str).collect(),
        _ => Vec::new(),
    };
    let mut body = json!({"count": count, "unknown": unknown, "lsn": done.lsn.0});
    if unknown_ids > 0 {
        body["unknown_ids"] = unknown_ids.into();
    }
    done.tell(at_lsn(answer_json(StatusCode::OK, &body), view))
}

/// The edit of a list or of pins that a call asks for. Of a key named twice, the last of clear, include and exclude
/// counts, so that exclusion wins. Gives also how many ids of a bitmap are no contact.
pub(super) async fn members_edit(
    app: &App,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<(MembersEdit, u64), Problem> {
    let segment: Box<str> = part(uri, 2)?.into();
    let params = Params::read(uri, &["mode", "create", "database"])?;
    let create = params.parsed("create")?.unwrap_or(false);
    let media = body::media_type(headers);
    let mut unknown_ids = 0;
    let edits = match media.as_deref() {
        None | Some("application/json") => {
            if let Some(name) = ["mode", "database"].into_iter().find(|name| params.text(name).is_some()) {
                body::pass_over(body).await;
                let detail = format!(
                    "\"{name}\" goes with a list sent as text, CSV or Roaring; a JSON body says by its members what is \
                     done: {{\"add\":[…], \"remove\":[…]}}"
                );
                return Err(Problem::malformed(detail));
            }
            let request = body::json(headers, body).await?;
            wire::only_members(&request, &MODES.map(|(_, member)| member))?;
            let mut listed = Vec::new();
            for (mode, member) in MODES {
                listed.extend(wire::key_list(&request, member)?.map(|keys| (mode, keys)));
            }
            listed
        }
        Some("text/plain" | "text/csv") => {
            let mode = list_mode(&params)?;
            let bytes = body::bytes(headers, body).await?;
            vec![(mode, listed_keys(&bytes, media.as_deref() == Some("text/csv"))?)]
        }
        Some(roaring_list::MEDIA | "application/octet-stream") => {
            let mode = list_mode(&params)?;
            let bytes = body::bytes(headers, body).await?;
            let (app, database) = (app.clone(), params.text("database").map(str::to_owned));
            let sent = body::blocking(move || {
                roaring_list::read(&app.db.view(), app.db.identity(), database.as_deref(), &bytes)
            });
            let sent = sent.await?;
            unknown_ids = sent.unknown;
            vec![(mode, sent.keys)]
        }
        other => {
            let taken = "application/json, text/csv, text/plain, application/vnd.roaring";
            return Err(body::unsupported(other, taken));
        }
    };
    // Taking away needs no contact made first.
    let makes = |mode: MembersMode| !matches!(mode, MembersMode::Remove | MembersMode::Clear);
    let create = create && edits.iter().any(|(mode, _)| makes(*mode));
    Ok((MembersEdit { segment, edits, create }, unknown_ids))
}

/// What may be done with keys, in the order in which it is done, by the words for it.
const MODES: [(MembersMode, &str); 5] = [
    (MembersMode::Add, "add"),
    (MembersMode::Remove, "remove"),
    (MembersMode::Clear, "clear"),
    (MembersMode::Include, "include"),
    (MembersMode::Exclude, "exclude"),
];

/// What is done with a list that is not JSON.
fn list_mode(params: &Params) -> Result<MembersMode, Problem> {
    match params.text("mode") {
        None => Ok(MembersMode::Add),
        Some("replace") => Ok(MembersMode::Replace),
        Some(word) => MODES.into_iter().find(|(_, known)| *known == word).map(|(mode, _)| mode).ok_or_else(|| {
            let known = "add, remove, replace, include, exclude or clear";
            Problem::malformed(format!("\"mode\" is {known}, not \"{word}\""))
        }),
    }
}

/// The keys of a text (one a line) or a CSV file: the column that the first row heads `key`; without such a row, the
/// first column.
fn listed_keys(bytes: &[u8], csv: bool) -> Result<Vec<ContactKey>, Problem> {
    let key = |line: usize, text: &str| {
        ContactKey::new(text).map_err(|error| Problem::refused("bad_key", format!("line {line}: {error}")))
    };
    if !csv {
        let text = std::str::from_utf8(bytes).map_err(|_| Problem::malformed("the list is not UTF-8"))?;
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        return lines.map(|(at, line)| key(at + 1, line)).collect();
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (mut keys, mut column) = (Vec::new(), 0);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|error| Problem::malformed(format!("the list is not CSV: {error}")))?;
        if at == 0
            && let Some(headed) = record.iter().position(|cell| cell.trim().eq_ignore_ascii_case("key"))
        {
            column = headed;
            continue;
        }
        let cell = record.get(column).unwrap_or_default();
        if !cell.is_empty() {
            keys.push(key(at + 1, cell)?);
        }
    }
    Ok(keys)
}
