//! Audiences: the members of a segment, streamed as of one instant in constant memory.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use crate::{
    db::{
        answer::Answer,
        record::{ContactRecord, Place},
    },
    http::{
        app::App,
        body,
        paging::{self, Cursor},
        path::{Params, part},
        problem::Problem,
        wire,
    },
    model::{id::Lsn, name::Name, value::Value},
};

/// Members read from the view at a time.
const BLOCK: usize = 4_096;
/// Blocks that wait for a slow reader; past it the stream waits for the reader.
const BLOCKS_WAITING: usize = 4;

/// How members are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A JSON object a line.
    Ndjson,
    /// A header row and a row each.
    Csv,
}

impl Format {
    /// Its media type.
    pub(super) fn media(self) -> &'static str {
        match self {
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// `GET /v1/segments/{name}/members`
pub async fn get(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let params = Params::read(&uri, &["format", "fields", "after", "limit", "at_lsn"])?;
    let format = format(&params, &headers)?;
    let limit = params.parsed::<u64>("limit")?.map(|n| paging::limit(Some(n))).transpose()?;
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    let fields = params.text("fields").map(field_names).transpose()?;
    let at_lsn = params.parsed::<u64>("at_lsn")?;
    body::blocking(move || {
        let view = app.view(cursor.as_ref());
        let gone = |error| Problem::from(error).at(view.lsn());
        let past = at_lsn.map(|lsn| view.members_at(&name, Lsn(lsn))).transpose().map_err(gone)?;
        let mut told = vec![("throng-lsn", at_lsn.unwrap_or(view.lsn().0))];
        let answer = match past {
            None => {
                told.push(("throng-seq", view.feed_bounds().newest));
                view.members(&name).map_err(gone)?
            }
            Some(past) => {
                told.extend([("throng-seq", past.seq), ("throng-erased", past.erased)]);
                past.answer
            }
        };
        let fields = fields.map(|fields| known_fields(&answer, fields)).transpose()?;
        let table = Table { answer, told, fields, format };
        Ok(match (limit, &cursor) {
            (None, None) => table.stream(None),
            (None, Some(cursor)) => table.stream(Some(cursor.place)),
            (Some(limit), cursor) => table.page(&app, &uri, cursor.as_ref(), limit),
        })
    })
    .await
}

/// What a call asks for: the format and the names of fields, if any.
pub(super) fn shape(params: &Params, headers: &HeaderMap) -> Result<(Format, Option<Vec<Name>>), Problem> {
    Ok((format(params, headers)?, params.text("fields").map(field_names).transpose()?))
}

/// Everyone of an answer, streamed.
pub(super) fn everyone(answer: Answer, fields: Option<Vec<Name>>, format: Format) -> Result<Response, Problem> {
    let fields = fields.map(|fields| known_fields(&answer, fields)).transpose()?;
    let told = vec![("throng-lsn", answer.view().lsn().0)];
    Ok(Table { answer, told, fields, format }.stream(None))
}

fn format(params: &Params, headers: &HeaderMap) -> Result<Format, Problem> {
    match params.text("format") {
        Some("ndjson") => Ok(Format::Ndjson),
        Some("csv") => Ok(Format::Csv),
        Some(other) => Err(Problem::refused("bad_format", format!("\"format\" is ndjson or csv, not \"{other}\""))),
        None => {
            let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
            Ok(if accept.starts_with("text/csv") { Format::Csv } else { Format::Ndjson })
        }
    }
}

fn field_names(list: &str) -> Result<Vec<Name>, Problem> {
    let name = |spelling: &str| {
        Name::new(spelling).map_err(|error| Problem::refused("bad_name", format!("\"fields\": {error}")))
    };
    let spellings = list.split(',').map(str::trim).filter(|spelling| !spelling.is_empty() && *spelling != "key");
    spellings.map(name).collect()
}

/// The canonical names of the fields asked for, each once.
pub(super) fn known_fields(answer: &Answer, fields: Vec<Name>) -> Result<Vec<Name>, Problem> {
    let schema = answer.view().schema();
    let mut known = Vec::with_capacity(fields.len());
    for field in fields {
        let Some(property) = schema.property(field.as_str()) else {
            return Err(Problem::refused("unknown_field", format!("there is no property \"{field}\"")));
        };
        if !known.contains(&property.name) {
            known.push(property.name.clone());
        }
    }
    Ok(known)
}

/// Members on their way out.
struct Table {
    answer: Answer,
    /// What the headers tell beside the count.
    told: Vec<(&'static str, u64)>,
    fields: Option<Vec<Name>>,
    format: Format,
}

impl Table {
    fn response(&self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.format.media()));
        headers.insert("throng-count", HeaderValue::from(self.answer.count()));
        for (name, number) in &self.told {
            headers.insert(*name, HeaderValue::from(*number));
        }
        response
    }

    /// Everyone after a place, block by block.
    fn stream(self, from: Option<Place>) -> Response {
        let (sender, receiver) = mpsc::channel::<Bytes>(BLOCKS_WAITING);
        let response = self.response(Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, std::io::Error>)));
        tokio::task::spawn_blocking(move || {
            let mut place = from;
            let mut block = self.header();
            loop {
                let next = self.write_block(&mut block, place, BLOCK);
                // The reader has gone when nothing takes the block: then there is no one to write for.
                if sender.blocking_send(std::mem::take(&mut block).into()).is_err() || next.is_none() {
                    return;
                }
                place = next;
            }
        });
        response
    }

    /// One page; the cursor of the next is in `Throng-Next` and in `Link`.
    fn page(&self, app: &App, uri: &Uri, cursor: Option<&Cursor>, limit: usize) -> Response {
        let mut block = self.header();
        let next = self.write_block(&mut block, cursor.map(|cursor| cursor.place), limit);
        let mut response = self.response(Body::from(block));
        if let Some(place) = next {
            let after = app.listings.next(self.answer.view(), place);
            let others = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("after="));
            let query: Vec<&str> = others.filter(|pair| !pair.is_empty()).collect();
            let link = format!("<{}?{}&after={after}>; rel=\"next\"", uri.path(), query.join("&"));
            for (name, value) in [("throng-next", after), ("link", link)] {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(name, value);
                }
            }
        }
        response
    }

    fn header(&self) -> Vec<u8> {
        match self.format {
            Format::Ndjson => Vec::new(),
            Format::Csv => {
                let fields = self.fields.iter().flatten().map(Name::as_str);
                csv_row(std::iter::once("key").chain(fields).map(str::to_owned))
            }
        }
    }

    /// Appends up to `limit` members after a place; gives the next place.
    fn write_block(&self, out: &mut Vec<u8>, after: Option<Place>, limit: usize) -> Option<Place> {
        let schema = self.answer.view().schema();
        let Some(fields) = &self.fields else {
            let page = self.answer.keys(after, limit);
            for key in page.items {
                match self.format {
                    Format::Ndjson => {
                        out.extend_from_slice(b"{\"key\":");
                        wire::write_text(out, &key);
                        out.extend_from_slice(b"}\n");
                    }
                    Format::Csv => out.extend_from_slice(&csv_row([guarded(key.into())].into_iter())),
                }
            }
            return page.next;
        };
        let page = self.answer.contacts(after, limit, Some(fields));
        for record in &page.items {
            match self.format {
                Format::Ndjson => {
                    wire::write_contact(out, record, schema);
                    out.push(b'\n');
                }
                Format::Csv => {
                    let cells = fields.iter().map(|field| {
                        let ty = schema.property(field.as_str()).map(|property| property.ty);
                        match value(record, field) {
                            Some(value @ (Value::Text(_) | Value::Set(_))) => guarded(wire::plain_text(value, ty)),
                            Some(value) => wire::plain_text(value, ty),
                            None => String::new(),
                        }
                    });
                    let key = guarded(record.key.to_string());
                    out.extend_from_slice(&csv_row(std::iter::once(key).chain(cells)));
                }
            }
        }
        page.next
    }
}

/// The value of a field, if the contact has one.
pub(super) fn value<'a>(record: &'a ContactRecord, field: &Name) -> Option<&'a Value> {
    record.values.iter().find(|(name, _)| name == field).map(|(_, value)| value)
}

/// One row of CSV, with its line end.
pub(super) fn csv_row(cells: impl Iterator<Item = String>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells).expect("writing to memory cannot fail");
    writer.into_inner().expect("writing to memory cannot fail")
}

/// A text that a spreadsheet would run as a formula is quoted with an apostrophe.
///
/// Source: OWASP, CSV injection.
pub(super) fn guarded(text: String) -> String {
    let risky = ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＋', '－', '＠'];
    let plain_number = text.parse::<f64>().is_ok();
    if text.starts_with(risky) && !plain_number { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_disarmed_and_numbers_are_not() {
        assert_eq!(guarded("=1+1".into()), "'=1+1");
        assert_eq!(guarded("@home".into()), "'@home");
        assert_eq!(guarded("-3.5".into()), "-3.5");
        assert_eq!(guarded("+49".into()), "+49");
        assert_eq!(guarded("plain".into()), "plain");
    }
}
