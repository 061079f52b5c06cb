//! Audiences: the members of a segment, streamed as of one instant in constant memory.

use std::io::{self, Write as _};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};

#[cfg(feature = "columnar")]
use crate::http::columnar::Sheet;
use crate::{
    db::{
        answer::Answer,
        record::{ContactRecord, Place},
        view::View,
    },
    http::{
        app::App,
        body,
        csv_rows::Rows,
        paging::{self, Cursor},
        path::{Params, part},
        problem::Problem,
        roaring_list,
        streams::{Outlet, Streams},
        wire,
    },
    model::{id::Lsn, name::Name, schema::Schema, value::Value},
};

/// Members read from the view at a time.
const BLOCK: usize = 4_096;
/// A block is sent once it is so long. Units: bytes.
const PIPE_BYTES: usize = 128 << 10;

/// How lines of members are written.
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

/// Files of typed columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columnar {
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
}

/// How members are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Export {
    /// As lines.
    Lines(Format),
    /// As columns.
    Columns(Columnar),
    /// As a bitmap of ids with their keys.
    Roaring,
}

/// Every export: its word, its media type.
const EXPORTS: [(&str, &str, Export); 5] = [
    ("ndjson", "application/x-ndjson", Export::Lines(Format::Ndjson)),
    ("csv", "text/csv", Export::Lines(Format::Csv)),
    ("arrow", ARROW, Export::Columns(Columnar::Arrow)),
    ("parquet", PARQUET, Export::Columns(Columnar::Parquet)),
    ("roaring", roaring_list::MEDIA, Export::Roaring),
];
/// An Arrow IPC stream (registered with IANA).
pub const ARROW: &str = "application/vnd.apache.arrow.stream";
/// A Parquet file (registered with IANA).
pub const PARQUET: &str = "application/vnd.apache.parquet";

impl Export {
    /// Its media type.
    pub(super) fn media(self) -> &'static str {
        match self {
            Export::Lines(format) => format.media(),
            Export::Columns(Columnar::Arrow) => ARROW,
            Export::Columns(Columnar::Parquet) => PARQUET,
            Export::Roaring => roaring_list::MEDIA,
        }
    }
}

/// `GET /v1/segments/{name}/members`
pub async fn get(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let params = Params::read(&uri, &["format", "fields", "after", "limit", "at_lsn"])?;
    let export = export(&params, &headers)?;
    let limit = params.parsed::<u64>("limit")?.map(|n| paging::limit(Some(n))).transpose()?;
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    let fields = params.text("fields").map(field_names).transpose()?;
    let at_lsn = params.parsed::<u64>("at_lsn")?;
    if export == Export::Roaring && (limit.is_some() || cursor.is_some() || fields.is_some()) {
        let detail =
            "a Roaring list is of everyone and has keys alone: it takes no \"after\", \"limit\" and \"fields\"";
        return Err(Problem::refused("whole_list", detail));
    }
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
        let table = Table { answer, told, fields, export, identity: app.db.identity() };
        match (limit, &cursor) {
            (None, None) => table.stream(&app.streams, None),
            (None, Some(cursor)) => table.stream(&app.streams, Some(cursor.place)),
            (Some(limit), cursor) => table.page(&app, &uri, cursor.as_ref(), limit),
        }
    })
    .await
}

/// Everyone of an answer, streamed.
pub(super) fn everyone(app: &App, answer: Answer, params: &Params, headers: &HeaderMap) -> Result<Response, Problem> {
    let (export, fields) = (export(params, headers)?, params.text("fields").map(field_names).transpose()?);
    let fields = fields.map(|fields| known_fields(&answer, fields)).transpose()?;
    let told = vec![("throng-lsn", answer.view().lsn().0)];
    Table { answer, told, fields, export, identity: app.db.identity() }.stream(&app.streams, None)
}

/// The export that `format` names; without it, the first that `Accept` does.
pub(super) fn export(params: &Params, headers: &HeaderMap) -> Result<Export, Problem> {
    let export = match params.text("format") {
        Some(word) => {
            EXPORTS.into_iter().find(|(known, ..)| *known == word).map(|(.., export)| export).ok_or_else(|| {
                let words = EXPORTS.map(|(word, ..)| word).join(", ");
                Problem::refused("bad_format", format!("\"format\" is one of {words}, not \"{word}\""))
            })?
        }
        None => {
            let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
            let found = EXPORTS.into_iter().find(|(_, media, _)| accept.starts_with(media));
            found.map_or(Export::Lines(Format::Ndjson), |(.., export)| export)
        }
    };
    if cfg!(not(feature = "columnar")) && matches!(export, Export::Columns(_)) {
        return Err(Problem::refused("bad_format", "this program was built without Arrow and Parquet"));
    }
    Ok(export)
}

/// The names of the fields that a call asks for.
pub(super) fn field_names(list: &str) -> Result<Vec<Name>, Problem> {
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

/// A page with the cursor of the next one, if there is one, in `Throng-Next` and in `Link`.
pub(super) fn linked(mut response: Response, app: &App, uri: &Uri, view: &View, next: Option<Place>) -> Response {
    let Some(place) = next else { return response };
    let after = app.listings.next(view, place);
    let others = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("after="));
    let query: Vec<&str> = others.filter(|pair| !pair.is_empty()).collect();
    let link = format!("<{}?{}&after={after}>; rel=\"next\"", uri.path(), query.join("&"));
    for (name, value) in [("throng-next", after), ("link", link)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Members on their way out.
pub(super) struct Table {
    pub(super) answer: Answer,
    /// What the headers tell beside the count.
    told: Vec<(&'static str, u64)>,
    fields: Option<Vec<Name>>,
    export: Export,
    /// The database's.
    identity: [u8; 16],
}

impl Table {
    fn response(&self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.export.media()));
        headers.insert("throng-count", HeaderValue::from(self.answer.count()));
        for (name, number) in &self.told {
            headers.insert(*name, HeaderValue::from(*number));
        }
        if let Ok(identity) = HeaderValue::from_str(&roaring_list::identity_text(self.identity)) {
            headers.insert("throng-database", identity);
        }
        response
    }

    /// Everyone after a place, block by block.
    fn stream(self, streams: &Streams, from: Option<Place>) -> Result<Response, Problem> {
        let (outlet, body) = streams.answer()?;
        let mut response = self.response(body);
        let ids = (self.export == Export::Roaring).then(|| self.answer.to_roaring());
        if let Some(ids) = &ids {
            response.headers_mut().insert("throng-roaring-bytes", HeaderValue::from(ids.len()));
        }
        let pipe = Pipe { outlet, waiting: ids.unwrap_or_default() };
        pipe.fill(move |pipe| Ok(self.write(pipe, from, None)?.0));
        Ok(response)
    }

    /// One page; the cursor of the next is in `Throng-Next` and in `Link`.
    fn page(&self, app: &App, uri: &Uri, cursor: Option<&Cursor>, limit: usize) -> Result<Response, Problem> {
        let written = self.write(Vec::new(), cursor.map(|cursor| cursor.place), Some(limit));
        let (block, next) =
            written.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
        Ok(linked(self.response(Body::from(block)), app, uri, self.answer.view(), next))
    }

    /// Writes up to `limit` members after a place, or all; gives the next place.
    fn write<W: io::Write + Send>(
        &self,
        out: W,
        after: Option<Place>,
        limit: Option<usize>,
    ) -> io::Result<(W, Option<Place>)> {
        match self.export {
            Export::Lines(format) => self.write_blocks(out, self.header(format), after, limit, |block, place, n| {
                self.write_block(format, block, place, n)
            }),
            Export::Roaring => {
                let head = roaring_list::head(self.identity, self.answer.view().lsn().0, self.answer.count());
                self.write_blocks(out, head, after, limit, |block, place, n| {
                    roaring_list::write_keys(block, &self.answer, place, n)
                })
            }
            #[cfg(feature = "columnar")]
            Export::Columns(kind) => {
                let fields = self.fields.as_deref().unwrap_or_default();
                let mut sheet = Sheet::begin(kind, self.answer.view().schema(), &[], fields, out)?;
                let next = in_blocks(after, limit, |place, n| sheet.block(self, place, n))?;
                Ok((sheet.end()?, next))
            }
            #[cfg(not(feature = "columnar"))]
            Export::Columns(_) => Err(io::Error::other("built without columns")),
        }
    }

    fn write_blocks<W: io::Write + Send>(
        &self,
        mut out: W,
        mut block: Vec<u8>,
        after: Option<Place>,
        limit: Option<usize>,
        mut write: impl FnMut(&mut Vec<u8>, Option<Place>, usize) -> Option<Place>,
    ) -> io::Result<(W, Option<Place>)> {
        let next = in_blocks(after, limit, |place, n| {
            let next = write(&mut block, place, n);
            out.write_all(&block)?;
            block.clear();
            Ok(next)
        })?;
        Ok((out, next))
    }

    fn header(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Ndjson => Vec::new(),
            Format::Csv => {
                let mut block = Vec::new();
                let mut rows = Rows::on(&mut block);
                std::iter::once("key").chain(self.fields.iter().flatten().map(Name::as_str)).for_each(|n| rows.text(n));
                rows.end();
                drop(rows);
                block
            }
        }
    }

    /// Appends up to `limit` members after a place; gives the next place.
    fn write_block(&self, format: Format, out: &mut Vec<u8>, after: Option<Place>, limit: usize) -> Option<Place> {
        let Some(fields) = &self.fields else {
            return match format {
                Format::Ndjson => self.answer.each_key(after, limit, |key| {
                    out.extend_from_slice(b"{\"key\":");
                    wire::write_text(out, key);
                    out.extend_from_slice(b"}\n");
                }),
                Format::Csv => {
                    let mut rows = Rows::on(out);
                    self.answer.each_key(after, limit, |key| {
                        rows.text(key);
                        rows.end();
                    })
                }
            };
        };
        let schema = self.answer.view().schema();
        let page = self.answer.contacts(after, limit, Some(fields));
        match format {
            Format::Ndjson => {
                for record in &page.items {
                    wire::write_contact(out, record, schema);
                    out.push(b'\n');
                }
            }
            Format::Csv => {
                let mut rows = Rows::on(out);
                for record in &page.items {
                    rows.text(&record.key);
                    write_cells(&mut rows, record, fields, schema);
                    rows.end();
                }
            }
        }
        page.next
    }
}

/// The cells of some fields of a contact; one that it has no value of is empty.
pub(super) fn write_cells(rows: &mut Rows<'_>, record: &ContactRecord, fields: &[Name], schema: &Schema) {
    for field in fields {
        let ty = schema.property(field.as_str()).map(|property| property.ty);
        match value(record, field) {
            Some(Value::Text(text)) => rows.text(text),
            Some(value @ Value::Set(_)) => rows.text(&wire::plain_text(value, ty)),
            Some(value) => rows.cell(&wire::plain_text(value, ty)),
            None => rows.cell(""),
        }
    }
}

/// Does work block by block until `limit` is reached or there is no next place, which it gives.
/// Has `work` done on blocks of contacts after a place, up to `limit` in all; gives the next place.
pub(super) fn in_blocks(
    after: Option<Place>,
    limit: Option<usize>,
    mut work: impl FnMut(Option<Place>, usize) -> io::Result<Option<Place>>,
) -> io::Result<Option<Place>> {
    let (mut place, mut left) = (after, limit.unwrap_or(usize::MAX));
    loop {
        let n = left.min(BLOCK);
        let next = work(place, n)?;
        left -= n;
        if next.is_none() || left == 0 {
            return Ok(next);
        }
        place = next;
    }
}

/// What is written goes to the reader in blocks; waits while it is slow.
pub(super) struct Pipe {
    outlet: Outlet,
    waiting: Vec<u8>,
}

impl Pipe {
    /// An empty one.
    pub(super) fn to(outlet: Outlet) -> Pipe {
        Pipe { outlet, waiting: Vec::new() }
    }

    /// Has it written to on a thread that may take its time, and ends it.
    pub(super) fn fill(self, write: impl FnOnce(Pipe) -> io::Result<Pipe> + Send + 'static) {
        tokio::task::spawn_blocking(move || -> io::Result<()> {
            // It fails when the reader has gone: then there is no one to write for.
            let mut pipe = write(self)?;
            pipe.flush()?;
            pipe.outlet.end()
        });
    }
}

impl io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIPE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.outlet.send(std::mem::take(&mut self.waiting))
    }
}

/// The value of a field, if the contact has one.
pub(super) fn value<'a>(record: &'a ContactRecord, field: &Name) -> Option<&'a Value> {
    record.values.iter().find(|(name, _)| name == field).map(|(_, value)| value)
}
