//! The import of a query: what is read from where, slice by slice, and how far it came.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::mpsc::Receiver,
};

use serde_json::{Value, json};

use crate::{
    cli::{
        failure::Failure,
        from_postgres::{
            Nulls, Outcome, Rows, Source,
            address::Address,
            columns::Column,
            mark::{Book, Identity, Position, hashed},
            query::{Marker, Query, Start},
            rows::{Next, Plan, Session, Slice},
        },
        show,
        target::{Target, Where},
    },
    model::{calendar::Zone, limits, request::WriteMode},
};

/// Bytes of a name of an import: it is a file's.
const NAME_BYTES_MAX: usize = 100;

impl Source {
    /// Imports the rows; the query is looked at before the target is opened, and has given some before one is made.
    ///
    /// Errors: an address, a query or a mark that is no good; a database that cannot be reached. What goes wrong after
    /// rows went in is told beside what they came to.
    pub fn import(&self, mode: WriteMode, place: &Where) -> Result<(Outcome, Target), Failure> {
        let sql = self.text()?;
        let url = self.from.as_ref().map(|from| from.0.as_str()).unwrap_or_default();
        let address = Address::parse(url, |name| std::env::var(name).ok())?;
        address.notes.iter().for_each(|note| eprintln!("warning: {note}"));
        let mut session = Session::open(&address)?;
        let columns = session.columns(&sql, self.rows)?;
        let find = |name: &String| Marker::find(&columns, name, self.overlap.as_deref());
        let marker = self.watermark.as_ref().map(find).transpose().map_err(Failure::caller)?;
        if marker.is_some() && self.rows == Rows::Events && !columns.iter().any(|column| column.name == "id") {
            let told = "rows at the mark are read more than once, and an event counts once only under an id";
            return Err(Failure::caller(format!("--watermark with events wants a column \"id\": {told}")));
        }
        let ask = Ask { sql, columns, marker };
        if is_new(place) {
            self.fill(&address, session, ask, mode, place)
        } else {
            self.load(&address, session, ask, mode, place)
        }
    }

    /// Imports into what there is.
    fn load(
        &self,
        address: &Address,
        session: Session,
        ask: Ask,
        mode: WriteMode,
        place: &Where,
    ) -> Result<(Outcome, Target), Failure> {
        let (target, now, zone) = opened(place)?;
        let book = self.book(address, &ask, place, &now)?;
        let start = match (&self.since, &book) {
            (Some(since), _) => Start::Named(since.clone()),
            (None, Some(book)) => book.start(),
            (None, None) => Start::First,
        };
        let nexts = self.begin(session, ask, &start, zone)?;
        let load = Load::of(&target, self.path(mode), now, book);
        let outcome = load.run(&address.shown, &start, nexts.into_iter());
        Ok((outcome, target))
    }

    /// Imports into a folder that is not there yet. It is made once the query gives rows, or has ended well without:
    /// one that fails as it runs leaves nothing behind.
    fn fill(
        &self,
        address: &Address,
        session: Session,
        ask: Ask,
        mode: WriteMode,
        place: &Where,
    ) -> Result<(Outcome, Target), Failure> {
        let zone = place.folder.time_zone.clone().unwrap_or_else(Zone::utc);
        let start = self.since.clone().map_or(Start::First, Start::Named);
        let asked = Ask { sql: ask.sql.clone(), columns: Vec::new(), marker: ask.marker.clone() };
        if self.state.is_some() {
            // A mark that is kept elsewhere is of another database: told before there is a folder.
            self.book(address, &asked, place, &Position { database: String::new(), lsn: 0 })?;
        }
        let mut nexts = self.begin(session, ask, &start, zone.clone())?.into_iter();
        let first = match nexts.next() {
            Some(Next::Broken(failure)) => return Err(failure),
            first => first,
        };
        let (target, now, own) = opened(place)?;
        if own.name() != zone.name() {
            let told = "was made by somebody else meanwhile, with another time zone; run the import again";
            return Err(Failure::operator(format!("{} {told}", place.folder.data.display())));
        }
        let book = self.book(address, &asked, place, &now)?;
        let load = Load::of(&target, self.path(mode), now, book);
        let outcome = load.run(&address.shown, &start, first.into_iter().chain(nexts));
        Ok((outcome, target))
    }

    /// Has the rows read from a start on.
    fn begin(&self, session: Session, ask: Ask, start: &Start, zone: Zone) -> Result<Receiver<Next>, Failure> {
        let Ask { sql, columns, marker } = ask;
        let query = marker.as_ref().map_or_else(|| Query::plain(&sql), |marker| marker.query(&sql, start, zone.name()));
        session.start(query, Plan { columns, rows: self.rows, nulls: self.nulls, zone, marker })
    }

    /// The call that takes the rows.
    fn path(&self, mode: WriteMode) -> String {
        match (self.rows, mode) {
            (Rows::Events, _) => "/v1/events".into(),
            (Rows::Contacts, WriteMode::Merge) => "/v1/contacts/import?mode=merge".into(),
            (Rows::Contacts, WriteMode::Replace) => "/v1/contacts/import?mode=replace".into(),
        }
    }

    /// The mark of the import, if it has one.
    fn book(&self, address: &Address, ask: &Ask, place: &Where, now: &Position) -> Result<Option<Book>, Failure> {
        let Some(marker) = &ask.marker else { return Ok(None) };
        let rows = match (self.rows, self.nulls) {
            (Rows::Events, _) => "events",
            (Rows::Contacts, Nulls::Remove) => "contacts",
            (Rows::Contacts, Nulls::Keep) => "contacts, nulls kept",
        };
        // Who asks, and with which settings, decides what the same text gives: `search_path`, row security.
        let config = &address.config;
        let (role, options) = (config.get_user().unwrap_or_default(), config.get_options().unwrap_or_default());
        let identity = Identity {
            from: address.shown.clone(),
            query: hashed(&[&ask.sql, rows, role, options]),
            watermark: marker.column.clone(),
            ty: marker.ty().to_owned(),
        };
        let name = match &self.name {
            Some(name) => checked(name)?.to_owned(),
            None => hashed(&[&identity.from, &identity.query, &identity.watermark]),
        };
        let path = match &self.state {
            Some(file) => file.clone(),
            None => home(place)?.join(name),
        };
        Book::open(path, identity, now, !self.restart && self.since.is_none()).map(Some)
    }
}

/// What is asked.
struct Ask {
    sql: String,
    columns: Vec<Column>,
    marker: Option<Marker>,
}

/// Whether nothing is there yet that the rows could go into.
fn is_new(place: &Where) -> bool {
    let is_empty = |data: &Path| !fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    place.url.is_none() && is_empty(&place.folder.data)
}

/// The target, where it is, and the zone of its days.
fn opened(place: &Where) -> Result<(Target, Position, Zone), Failure> {
    let target = place.open()?;
    let status = target.json("GET", "/v1/status", None)?;
    let zone = Zone::named(status["time_zone"].as_str().unwrap_or("UTC"));
    let zone = zone.map_err(|error| Failure::operator(error.to_string()))?;
    Ok((target, position(&status), zone))
}

/// A name that is also one of a file.
fn checked(name: &str) -> Result<&str, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('.') || !name.chars().all(plain) {
        let told = "letters, digits, \"-\", \"_\" and \".\", and does not begin with \".\"";
        return Err(Failure::caller(format!("--name is 1 to {NAME_BYTES_MAX} {told}")));
    }
    Ok(name)
}

/// The folder of marks: beside the data they speak of, or, of a server's, in the caller's own.
fn home(place: &Where) -> Result<PathBuf, Failure> {
    let Some(url) = &place.url else { return Ok(place.folder.data.join("imports")) };
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    let Some(state) = state else {
        return Err(Failure::caller("there is no home folder to keep the mark in; --state names a file"));
    };
    let server = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).trim_end_matches('/');
    let server: String = server.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect();
    Ok(state.join("throng/imports").join(server))
}

fn position(status: &Value) -> Position {
    let database = status["database"].as_str().unwrap_or_default().to_owned();
    Position { database, lsn: status["lsn"].as_u64().unwrap_or(0) }
}

/// An import on its way.
struct Load<'a> {
    target: &'a Target,
    path: String,
    now: Position,
    book: Option<Book>,
    total: Total,
}

/// What became of the slices so far.
#[derive(Default)]
struct Total {
    counts: serde_json::Map<String, Value>,
    errors: Vec<Value>,
    lsn: u64,
    unmarked: u64,
    /// The first mark that was read.
    first: Option<String>,
    mark: Option<String>,
}

impl Load<'_> {
    fn of(target: &Target, path: String, now: Position, book: Option<Book>) -> Load<'_> {
        let total = Total { lsn: now.lsn, ..Total::default() };
        Load { target, path, now, book, total }
    }

    fn run(mut self, from: &str, start: &Start, nexts: impl Iterator<Item = Next>) -> Outcome {
        let bar = show::spinner();
        let mut end = None;
        for next in nexts {
            let Next::Slice(slice) = next else {
                end = Some(next);
                break;
            };
            let through = slice.before + slice.rows;
            if let Err(failure) = self.deliver(slice) {
                end = Some(Next::Broken(failure));
                break;
            }
            bar.set_message(format!("{from}: {} rows", show::grouped(through)));
        }
        bar.finish_and_clear();
        let broken = match end {
            Some(Next::End) => None,
            Some(Next::Broken(failure)) => Some(failure),
            // The thread always says how it ended, unless it did by a fault of the program.
            Some(Next::Slice(_)) | None => Some(Failure::operator("the reader of the rows stopped without a word")),
        };
        let notes = self.notes(start);
        Outcome { from: from.to_owned(), answer: self.total.answer(), notes, broken }
    }

    /// Has a slice written, and then keeps its mark.
    fn deliver(&mut self, mut slice: Slice) -> Result<(), Failure> {
        if slice.rows > 0 {
            let body = std::mem::take(&mut slice.body);
            let mut text = Vec::new();
            self.target
                .call("POST", &self.path, Some("application/x-ndjson"), body)?
                .read_to_end(&mut text)
                .map_err(|error| Failure::operator(format!("the answer broke off: {error}")))?;
            let answer: Value = serde_json::from_slice(&text)
                .map_err(|error| Failure::operator(format!("the answer is not JSON: {error}")))?;
            if answer["accepted"].as_u64().is_none() {
                return Err(Failure::operator("the answer is not that of an import"));
            }
            self.total.add(&slice.settle(answer));
        }
        self.total.unmarked += slice.unmarked;
        self.total.first = self.total.first.take().or_else(|| slice.first.take());
        if let (Some(book), Some(mark)) = (&mut self.book, &slice.mark) {
            if self.total.mark.as_ref() != Some(mark) {
                book.keep(mark, Position { lsn: self.total.lsn, ..self.now.clone() })?;
            }
            self.total.mark = Some(mark.clone());
        }
        Ok(())
    }

    fn notes(&self, start: &Start) -> Vec<String> {
        let Some(book) = &self.book else { return Vec::new() };
        let mut notes = Vec::new();
        match &self.total.mark {
            Some(mark) => notes.push(format!("read up to {mark}, kept in {}", book.path().display())),
            None => notes.push("no row has moved the mark".into()),
        }
        if self.total.unmarked > 0 {
            let told = "have no value to mark them by: they are read at every run";
            notes.push(format!("{} rows {told}", show::grouped(self.total.unmarked)));
        }
        if self.total.count("rejected") > 0 {
            // Not from the mark of the last run on: this one began before it, by the overlap.
            let again = match (start, &self.total.first) {
                (Start::Kept(_) | Start::Named(_), Some(first)) => format!("--since '{first}'"),
                _ => "--restart".to_owned(),
            };
            notes.push(format!("the mark has passed what was refused: once that is mended, {again} reads it again"));
        }
        notes
    }
}

impl Total {
    fn count(&self, key: &str) -> u64 {
        self.counts.get(key).and_then(Value::as_u64).unwrap_or(0)
    }

    fn add(&mut self, answer: &Value) {
        for (key, value) in answer.as_object().into_iter().flatten() {
            if let (Some(number), true) = (value.as_u64(), key != "lsn") {
                self.counts.insert(key.clone(), json!(self.count(key) + number));
            }
        }
        let room = limits::IMPORT_ERRORS_TOLD_MAX - self.errors.len();
        self.errors.extend(answer["errors"].as_array().into_iter().flatten().take(room).cloned());
        self.lsn = self.lsn.max(answer["lsn"].as_u64().unwrap_or(0));
    }

    fn answer(mut self) -> Value {
        for key in ["accepted", "rejected"] {
            self.counts.entry(key).or_insert(json!(0));
        }
        self.counts.insert("errors".into(), self.errors.into());
        self.counts.insert("lsn".into(), self.lsn.into());
        if let Some(mark) = self.mark {
            self.counts.insert("watermark".into(), mark.into());
        }
        self.counts.into()
    }
}
