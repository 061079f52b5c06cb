//! The audience of a send: streamed as of one instant, each contact once with where it landed, and its figures.

use std::io;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use serde_json::{Map, Value, json};

#[cfg(feature = "columnar")]
use crate::http::columnar::Sheet;
use crate::{
    db::{
        audience::{Audience, AudienceAsk, Counted, Draw, Group, Landing, Share, Split},
        record::{ContactRecord, Place},
    },
    http::{
        app::{App, answer_json},
        body,
        csv_rows::Rows,
        json::Json,
        members::{self, Export, Format, Pipe},
        paging,
        path::Params,
        problem::Problem,
        query::rule_source,
        streams::Streams,
        wire,
    },
    model::{limits, name::Name},
};

/// Buckets that parts in percent are counted in: two places after the point.
const PERCENT_BUCKETS: u32 = 10_000;
/// A summary that is longer is not sent as a header. Units: bytes.
const SUMMARY_HEADER_MAX: usize = 4_096;
/// What a draw is seeded by when the caller does not say.
const SEED_DEFAULT: &str = "sample";
/// What a line says of a contact beside its fields.
const RESERVED: [&str; 2] = ["segment", "part"];

/// `POST /v1/audience`
pub async fn post(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["format", "fields", "summary", "after", "limit"])?;
    let is_summary = params.parsed("summary")?.unwrap_or(false);
    let fields = params.text("fields").map(members::field_names).transpose()?;
    let export = members::export(&params, &headers)?;
    if export == Export::Roaring {
        let detail = "a Roaring list has keys alone, and an audience says where each contact landed: \"format\" is \
                      ndjson, csv, arrow or parquet here";
        return Err(Problem::refused("bad_format", detail));
    }
    let limit = params.parsed::<u64>("limit")?.map(|n| paging::limit(Some(n))).transpose()?;
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    let request = body::json(&headers, body).await?;
    let ask = ask(&request)?;
    body::blocking(move || {
        let view = app.view(cursor.as_ref());
        let audience = view.audience(&ask)?;
        let summary = summary(&audience, ask.channel.as_deref());
        if is_summary {
            return Ok(answer_json(StatusCode::OK, &summary));
        }
        let fields = members::known_fields(audience.members(), fields.unwrap_or_default())?;
        if let Some(name) = fields.iter().find(|name| RESERVED.contains(&name.as_str())) {
            let detail = format!("\"fields\" cannot have \"{name}\": a line says with it where the contact landed");
            return Err(Problem::refused("reserved_field", detail));
        }
        let (table, place) = (Table { audience, fields, export }, cursor.map(|cursor| cursor.place));
        match limit {
            None => table.stream(&app.streams, &summary, place),
            Some(limit) => table.page(&app, &uri, &summary, place, limit),
        }
    })
    .await
}

fn ask(request: &Json) -> Result<AudienceAsk, Problem> {
    wire::only_members(request, &["include", "exclude", "channel", "split", "sample", "seed"])?;
    let include = groups(request, "include")?
        .ok_or_else(|| Problem::refused("missing_member", "an audience needs \"include\", a list of segments"))?;
    let exclude = groups(request, "exclude")?.unwrap_or_default();
    if include.len() + exclude.len() > limits::AUDIENCE_GROUPS_MAX {
        let detail = format!("an audience is made of at most {} segments and rules", limits::AUDIENCE_GROUPS_MAX);
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many", detail));
    }
    let seed = match request.get("seed") {
        None | Some(Json::Null) => SEED_DEFAULT.into(),
        Some(Json::Text(seed) | Json::Number(seed)) => seed.as_str().into(),
        Some(other) => {
            return Err(Problem::refused("wrong_type", format!("\"seed\" is text or a number, not {}", other.kind())));
        }
    };
    let draw = wire::count_member(request, "sample")?.map(|n| Draw { n, seed });
    let channel = wire::text_member(request, "channel")?.filter(|channel| !channel.trim().is_empty()).map(Into::into);
    Ok(AudienceAsk { include, exclude, channel, split: split(request)?, draw })
}

/// A list of segments, by name, and rules, as `{"rule":…, "name":…?}`.
fn groups(request: &Json, member: &str) -> Result<Option<Vec<Group>>, Problem> {
    let wrong = |found: &Json| {
        let detail =
            format!("\"{member}\" is a list of segments' names and of {{\"rule\":…}}; it holds {}", found.kind());
        Problem::refused("wrong_type", detail)
    };
    let group = |item: &Json| match item {
        Json::Text(name) => Ok(Group::Segment(name.as_str().into())),
        Json::Object(_) if item.get("segment").is_some() => {
            wire::only_members(item, &["segment"])?;
            let name = wire::text_member(item, "segment")?.ok_or_else(|| wrong(item))?;
            Ok(Group::Segment(name.into()))
        }
        Json::Object(_) => {
            wire::only_members(item, &["rule", "name"])?;
            let source = rule_source(item)?;
            Ok(Group::Rule(wire::text_member(item, "name")?.map(Into::into), source))
        }
        other => Err(wrong(other)),
    };
    match request.get(member) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::List(items)) => items.iter().map(group).collect::<Result<Vec<_>, _>>().map(Some),
        Some(other) => Err(wrong(other)),
    }
}

/// `{"by":"exp-1", "parts":[{"name":"A","percent":50}, …]}`; parts that are only names share evenly.
fn split(request: &Json) -> Result<Option<Split>, Problem> {
    let refused = |detail: String| Problem::refused("bad_split", detail);
    let split = match request.get("split") {
        None | Some(Json::Null) => return Ok(None),
        Some(split @ Json::Object(_)) => split,
        Some(other) => {
            let detail = format!("\"split\" must be an object, {{\"by\":…, \"parts\":[…]}}, not {}", other.kind());
            return Err(refused(detail));
        }
    };
    wire::only_members(split, &["by", "parts"])?;
    let by = wire::text_member(split, "by")?
        .ok_or_else(|| refused("a split needs \"by\", the name of the experiment".into()))?;
    let Some(Json::List(parts)) = split.get("parts").filter(|parts| **parts != Json::List(vec![])) else {
        return Err(refused("a split needs \"parts\", a list of names or of {\"name\":…, \"percent\":…}".into()));
    };
    if parts.len() > limits::AUDIENCE_PARTS_MAX {
        return Err(refused(format!("a split has at most {} parts", limits::AUDIENCE_PARTS_MAX)));
    }
    let mut sizes: Vec<(&str, Option<u32>)> = Vec::with_capacity(parts.len());
    for part in parts {
        let (name, percent) = match part {
            Json::Text(name) => (name.as_str(), None),
            part => {
                wire::only_members(part, &["name", "percent"])?;
                let name = wire::text_member(part, "name")?
                    .ok_or_else(|| refused("each part of a split needs a \"name\"".into()))?;
                (name, part.get("percent").map(buckets).transpose()?)
            }
        };
        if sizes.iter().any(|(known, _)| *known == name) {
            return Err(refused(format!("the part \"{name}\" stands twice")));
        }
        sizes.push((name, percent));
    }
    let with_percent = sizes.iter().filter(|(_, size)| size.is_some()).count();
    let of = match with_percent {
        0 => sizes.len() as u32,
        all if all == sizes.len() => PERCENT_BUCKETS,
        _ => return Err(refused("either every part has a \"percent\" or none".into())),
    };
    let mut shares = Vec::with_capacity(sizes.len());
    let mut first = 0;
    for (name, size) in sizes {
        let end = first + size.unwrap_or(1);
        shares.push(Share { name: name.into(), first, end });
        first = end;
    }
    if first > of {
        return Err(refused("the parts of a split are 100 percent together at most".into()));
    }
    Ok(Some(Split { by: by.into(), of, shares }))
}

/// A share in percent, in buckets.
fn buckets(percent: &Json) -> Result<u32, Problem> {
    let wrong = || {
        let detail =
            format!("\"percent\" is a number from 0 to 100 with at most two digits after the point, not {percent}");
        Problem::refused("bad_split", detail)
    };
    let Json::Number(digits) = percent else { return Err(wrong()) };
    let hundredths = digits.parse::<f64>().map_err(|_| wrong())? * 100.0;
    let whole = hundredths.round();
    if (hundredths - whole).abs() > 1e-6 || !(0.0..=f64::from(PERCENT_BUCKETS)).contains(&whole) {
        return Err(wrong());
    }
    Ok(whole as u32)
}

/// The figures of an audience.
fn summary(audience: &Audience, channel: Option<&str>) -> Value {
    let by_name = |counted: &[Counted]| -> Map<String, Value> {
        counted.iter().map(|counted| (counted.name.to_string(), counted.count.into())).collect()
    };
    let view = audience.members().view();
    let landed = audience.landed();
    let segments: Vec<Value> =
        landed.iter().map(|counted| json!({"segment": counted.name, "count": counted.count})).collect();
    let mut body = json!({
        "count": audience.members().count(),
        "included": audience.included,
        "excluded": audience.excluded,
        "withheld": by_name(&audience.reasons),
        "withheld_count": audience.withheld,
        "not_drawn": audience.undrawn,
        "segments": segments,
        "channel": channel,
        "as_of": view.now().to_string(),
        "lsn": view.lsn().0,
    });
    if let Some((parts, none)) = audience.parts() {
        body["parts"] = Value::Object(by_name(&parts));
        body["no_part"] = none.into();
    }
    body
}

/// An audience on its way out.
struct Table {
    audience: Audience,
    fields: Vec<Name>,
    export: Export,
}

impl Table {
    /// Everyone after a place, block by block.
    fn stream(self, streams: &Streams, summary: &Value, from: Option<Place>) -> Result<Response, Problem> {
        let (outlet, body) = streams.answer()?;
        let response = self.response(body, summary);
        Pipe::to(outlet).fill(move |pipe| Ok(self.write(pipe, from, None)?.0));
        Ok(response)
    }

    /// One page.
    fn page(
        &self,
        app: &App,
        uri: &Uri,
        summary: &Value,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Response, Problem> {
        let (block, next) = self
            .write(Vec::new(), after, Some(limit))
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
        let response = self.response(Body::from(block), summary);
        Ok(members::linked(response, app, uri, self.audience.members().view(), next))
    }

    fn response(&self, body: Body, summary: &Value) -> Response {
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.export.media()));
        headers.insert("throng-count", HeaderValue::from(self.audience.members().count()));
        headers.insert("throng-lsn", HeaderValue::from(self.audience.members().view().lsn().0));
        if let Ok(value) = HeaderValue::from_str(&ascii(summary))
            && value.len() <= SUMMARY_HEADER_MAX
        {
            headers.insert("throng-summary", value);
        }
        response
    }

    /// What is said of each contact beside its key and its fields.
    fn own(&self) -> &'static [&'static str] {
        if self.audience.is_split() { &RESERVED } else { &RESERVED[..1] }
    }

    /// Writes up to `limit` contacts after a place, or all; gives the next place.
    fn write<W: io::Write + Send>(
        &self,
        mut out: W,
        after: Option<Place>,
        limit: Option<usize>,
    ) -> io::Result<(W, Option<Place>)> {
        match self.export {
            Export::Lines(format) => {
                let mut block = self.header(format);
                let next = members::in_blocks(after, limit, |place, n| {
                    let next = self.write_block(format, &mut block, place, n);
                    out.write_all(&block)?;
                    block.clear();
                    Ok(next)
                })?;
                Ok((out, next))
            }
            #[cfg(feature = "columnar")]
            Export::Columns(kind) => {
                let schema = self.audience.members().view().schema();
                let mut sheet = Sheet::begin(kind, schema, self.own(), &self.fields, out)?;
                let next = members::in_blocks(after, limit, |place, n| {
                    let page = self.audience.contacts(place, n, &self.fields);
                    let (records, landings): (Vec<_>, Vec<_>) = page.items.into_iter().unzip();
                    let mut own = vec![landings.iter().map(|landing| Some(landing.group)).collect::<Vec<_>>()];
                    if self.audience.is_split() {
                        own.push(landings.iter().map(|landing| landing.part).collect());
                    }
                    sheet.rows(&records, own)?;
                    Ok(page.next)
                })?;
                Ok((sheet.end()?, next))
            }
            // Refused before there is anything to write.
            _ => Err(io::Error::other("an audience is no such file")),
        }
    }

    fn header(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Ndjson => Vec::new(),
            Format::Csv => {
                let own = std::iter::once("key").chain(self.own().iter().copied());
                let mut block = Vec::new();
                let mut rows = Rows::on(&mut block);
                own.chain(self.fields.iter().map(Name::as_str)).for_each(|name| rows.text(name));
                rows.end();
                drop(rows);
                block
            }
        }
    }

    /// Appends contacts after a place; gives the next place.
    fn write_block(&self, format: Format, out: &mut Vec<u8>, after: Option<Place>, limit: usize) -> Option<Place> {
        let page = self.audience.contacts(after, limit, &self.fields);
        match format {
            Format::Ndjson => page.items.iter().for_each(|(record, landing)| self.write_line(out, record, *landing)),
            Format::Csv => {
                let mut rows = Rows::on(out);
                page.items.iter().for_each(|(record, landing)| self.write_row(&mut rows, record, *landing));
            }
        }
        page.next
    }

    fn write_line(&self, out: &mut Vec<u8>, record: &ContactRecord, landing: Landing<'_>) {
        out.extend_from_slice(b"{\"key\":");
        wire::write_text(out, &record.key);
        out.extend_from_slice(b",\"segment\":");
        wire::write_text(out, landing.group);
        if self.audience.is_split() {
            out.extend_from_slice(b",\"part\":");
            match landing.part {
                Some(part) => wire::write_text(out, part),
                None => out.extend_from_slice(b"null"),
            }
        }
        let schema = self.audience.members().view().schema();
        for (name, value) in &record.values {
            out.push(b',');
            wire::write_text(out, name.as_str());
            out.push(b':');
            wire::write_value(out, value, schema.property(name.as_str()).map(|property| property.ty));
        }
        out.extend_from_slice(b"}\n");
    }

    fn write_row(&self, rows: &mut Rows<'_>, record: &ContactRecord, landing: Landing<'_>) {
        rows.text(&record.key);
        rows.text(landing.group);
        if self.audience.is_split() {
            rows.text(landing.part.unwrap_or_default());
        }
        members::write_cells(rows, record, &self.fields, self.audience.members().view().schema());
        rows.end();
    }
}

/// JSON in ASCII alone, as a header must be.
fn ascii(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}
