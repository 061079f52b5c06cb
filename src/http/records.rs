//! Records from a stream: contacts as NDJSON or CSV, events as NDJSON, each with the line it stands on.
//!
//! A bad record is a fault with its line; the ones around it are read on.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read},
    sync::Arc,
};

use crate::{
    http::{
        gauge::{Gauge, Seen},
        json::Json,
        problem::Fault,
        wire,
    },
    model::{
        calendar::Zone,
        limits,
        name::{ContactKey, Name, NameError},
        request::{ContactWrite, EventWrite, Input, Refusal, Request, WriteMode},
        time::{Day, Timestamp},
    },
};

/// One record: its line, and what it asks for or what is wrong with it.
pub type Record = (u64, Result<Request, Fault>);

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Contacts, one JSON object a line with a `key`.
    ContactLines(WriteMode),
    /// Contacts, CSV with a header row and a `key` column.
    ContactTable(WriteMode),
    /// Events, one JSON object a line; dates count from the start of the day in this zone.
    EventLines(Zone),
}

/// Opens a stream of records.
///
/// Errors: what is wrong with the stream as a whole, such as a CSV header without a `key`.
pub fn open(
    kind: Kind,
    reader: Box<dyn Read + Send>,
) -> Result<Box<dyn Iterator<Item = io::Result<Record>> + Send>, String> {
    Ok(match kind {
        Kind::ContactLines(mode) => {
            let mut names = Names::default();
            Box::new(Lines::new(reader).map(move |line| {
                line.map(|(at, text)| {
                    (
                        at,
                        text.and_then(|text| contact(&parse(&text)?, mode, &mut names).map_err(located))
                            .map_err(|fault| fault.on_line(at)),
                    )
                })
            }))
        }
        Kind::EventLines(zone) => {
            let mut names = Names::default();
            Box::new(Lines::new(reader).map(move |line| {
                line.map(|(at, text)| {
                    (
                        at,
                        text.and_then(|text| event(&parse(&text)?, &zone, &mut names).map_err(located))
                            .map_err(|fault| fault.on_line(at)),
                    )
                })
            }))
        }
        Kind::ContactTable(mode) => Box::new(Table::open(reader, mode)?),
    })
}

impl Fault {
    fn on_line(mut self, line: u64) -> Fault {
        self.line = Some(line);
        self
    }
}

fn fault(code: &'static str, pointer: &str, detail: impl Into<String>) -> Fault {
    Fault { line: None, pointer: pointer.to_owned(), code, detail: detail.into() }
}

fn located(refusal: Refusal) -> Fault {
    Fault { line: None, pointer: refusal.pointer, code: refusal.code, detail: refusal.detail }
}

fn parse(text: &[u8]) -> Result<Json, Fault> {
    Json::parse(text).map_err(|detail| fault("malformed_json", "", detail))
}

/// Spellings seen so far and the names they stand for; columns repeat, so each is judged once.
#[derive(Default)]
pub struct Names(HashMap<String, Result<Name, NameError>>);

impl Names {
    /// The name of a spelling.
    ///
    /// Errors: when it is no name.
    pub fn get(&mut self, spelling: &str) -> Result<Name, Refusal> {
        if let Some(known) = self.0.get(spelling) {
            return known.clone().map_err(|error| bad_name(spelling, &error));
        }
        let name = Name::new(spelling);
        if self.0.len() < limits::PROPERTIES_MAX {
            self.0.insert(spelling.to_owned(), name.clone());
        }
        name.map_err(|error| bad_name(spelling, &error))
    }
}

fn refusal(code: &'static str, pointer: String, detail: String) -> Refusal {
    Refusal { kind: crate::model::request::RefusalKind::Invalid, code, pointer, detail }
}

fn bad_name(spelling: &str, error: &NameError) -> Refusal {
    refusal("bad_name", pointer(spelling), format!("\"{spelling}\": {error}"))
}

/// The JSON pointer of a member (RFC 6901).
pub fn pointer(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// A contact from an object with a `key`.
///
/// Errors: what is wrong, with a pointer.
pub fn contact(record: &Json, mode: WriteMode, names: &mut Names) -> Result<Request, Refusal> {
    let key = match record.get("key") {
        Some(Json::Text(key)) => key,
        Some(other) => {
            let detail = format!("\"key\" must be a string, not {}", other.kind());
            return Err(refusal("bad_key", "/key".into(), detail));
        }
        None => return Err(refusal("no_key", String::new(), "a contact needs a \"key\"".into())),
    };
    let key = ContactKey::new(key).map_err(|error| refusal("bad_key", "/key".into(), error.to_string()))?;
    Ok(Request::Contact(ContactWrite { key, mode, values: values(record, names)? }))
}

/// The properties of an object, all members but `key`.
///
/// Errors: what is wrong, with a pointer; two spellings of one name.
pub fn values(record: &Json, names: &mut Names) -> Result<Vec<(Name, Input)>, Refusal> {
    let Json::Object(members) = record else {
        let detail = format!("a record must be an object, not {}", record.kind());
        return Err(refusal("wrong_type", String::new(), detail));
    };
    // Names are compared with each other; the key is one more member.
    if members.len() > limits::PROPERTIES_MAX + 1 {
        let detail = format!("a record names at most {} properties", limits::PROPERTIES_MAX);
        return Err(refusal("too_many", String::new(), detail));
    }
    let mut values: Vec<(Name, Input)> = Vec::with_capacity(members.len());
    for (member, value) in members.iter().filter(|(member, _)| member != "key") {
        let name = names.get(member)?;
        if values.iter().any(|(other, _)| *other == name) {
            let detail = format!("\"{member}\" is a second spelling of \"{name}\" in one record");
            return Err(refusal("name_twice", pointer(member), detail));
        }
        values.push((name, wire::input(value, &pointer(member))?));
    }
    Ok(values)
}

/// An event from an object.
///
/// Errors: what is wrong, with a pointer.
pub fn event(record: &Json, zone: &Zone, names: &mut Names) -> Result<Request, Refusal> {
    const KNOWN: [&str; 5] = ["id", "contact", "event", "at", "properties"];
    let Json::Object(members) = record else {
        let detail = format!("an event must be an object, not {}", record.kind());
        return Err(refusal("wrong_type", String::new(), detail));
    };
    if let Some((member, _)) = members.iter().find(|(member, _)| !KNOWN.contains(&member.as_str())) {
        let detail = format!("\"{member}\" is not known in an event; its values go under \"properties\"");
        return Err(refusal("unknown_member", pointer(member), detail));
    }
    let text = |member: &str| match record.get(member) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.as_str())),
        Some(other) => {
            let detail = format!("\"{member}\" must be a string, not {}", other.kind());
            Err(refusal("wrong_type", pointer(member), detail))
        }
    };
    let needed = |member: &str| {
        text(member)?.ok_or_else(|| refusal("missing_member", String::new(), format!("an event needs \"{member}\"")))
    };
    let contact =
        ContactKey::new(needed("contact")?).map_err(|e| refusal("bad_key", "/contact".into(), e.to_string()))?;
    let id = match text("id")? {
        Some(id) => Some(event_id(id)?),
        None => None,
    };
    let at = text("at")?.map(|at| instant(at, zone)).transpose()?;
    let at_event = |refusal: Refusal| Refusal { pointer: "/event".into(), ..refusal };
    let event = names.get(needed("event")?).map_err(at_event)?;
    let properties = match record.get("properties") {
        None | Some(Json::Null) => Vec::new(),
        Some(properties @ Json::Object(_)) => values_with_key(properties, names).map_err(|mut refusal| {
            refusal.pointer = format!("/properties{}", refusal.pointer);
            refusal
        })?,
        Some(other) => {
            let detail = format!("\"properties\" must be an object, not {}", other.kind());
            return Err(refusal("wrong_type", "/properties".into(), detail));
        }
    };
    Ok(Request::Event(EventWrite { id, contact, event, at, properties }))
}

/// As [`values`], where `key` is a name like any other.
fn values_with_key(record: &Json, names: &mut Names) -> Result<Vec<(Name, Input)>, Refusal> {
    let mut all = values(record, names)?;
    if let Some(value) = record.get("key") {
        let name = names.get("key")?;
        if all.iter().any(|(other, _)| *other == name) {
            let detail = "\"key\" is spelled in two ways in one record";
            return Err(refusal("name_twice", "/key".into(), detail.into()));
        }
        all.push((name, wire::input(value, "/key")?));
    }
    Ok(all)
}

fn event_id(id: &str) -> Result<Box<str>, Refusal> {
    match id.len() {
        1..=limits::KEY_BYTES_MAX => Ok(id.into()),
        bytes => {
            let detail = format!("an event's id is 1 to {} bytes long, not {bytes}", limits::KEY_BYTES_MAX);
            Err(refusal("bad_id", "/id".into(), detail))
        }
    }
}

fn instant(at: &str, zone: &Zone) -> Result<Timestamp, Refusal> {
    match Day::parse(at) {
        Ok(day) => Ok(zone.start_of(day)),
        Err(_) => {
            Timestamp::parse(at).map_err(|error| refusal("bad_instant", "/at".into(), format!("\"{at}\" {error}")))
        }
    }
}

/// Lines of a stream, numbered from 1; blank ones are passed over, overlong ones are faults.
struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    line: u64,
}

impl Lines {
    fn new(reader: Box<dyn Read + Send>) -> Lines {
        Lines { reader: BufReader::with_capacity(1 << 17, reader), line: 0 }
    }

    /// The next line without its end, or a fault if it is too long; `None` at the end of the stream.
    fn read(&mut self) -> io::Result<Option<Result<Vec<u8>, Fault>>> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(limits::LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if line.last() != Some(&b'\n') && line.len() > limits::LINE_BYTES_MAX {
            self.skip_line()?;
            let detail = format!("the line is longer than {} bytes", limits::LINE_BYTES_MAX);
            return Ok(Some(Err(fault("line_too_long", "", detail))));
        }
        if self.line == 1 && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(..3);
        }
        Ok(Some(Ok(line)))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = memchr::memchr(b'\n', buffer);
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

impl Iterator for Lines {
    type Item = io::Result<(u64, Result<Vec<u8>, Fault>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read() {
                Err(error) => return Some(Err(error)),
                Ok(None) => return None,
                Ok(Some(Ok(line))) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => return Some(Ok((self.line, line))),
            }
        }
    }
}

/// A CSV file of contacts.
struct Table {
    reader: csv::Reader<Gauge>,
    /// What the bytes tell that the CSV reader does not.
    seen: Arc<Seen>,
    columns: Vec<Option<Name>>,
    key: usize,
    mode: WriteMode,
    record: csv::ByteRecord,
    done: bool,
}

impl Table {
    fn open(inner: Box<dyn Read + Send>, mode: WriteMode) -> Result<Table, String> {
        let (gauge, seen) = Gauge::over(inner);
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 17).from_reader(gauge);
        let header = reader.headers().map_err(|error| format!("the header row could not be read: {error}"))?.clone();
        let (mut columns, mut key) = (Vec::new(), None);
        for (place, spelling) in header.iter().enumerate() {
            let spelling = spelling.trim_start_matches('\u{feff}').trim();
            if spelling.eq_ignore_ascii_case("key") {
                if key.replace(place).is_some() {
                    return Err("the header names the column \"key\" twice".into());
                }
                columns.push(None);
                continue;
            }
            let name = Name::new(spelling).map_err(|error| format!("column {}: {error}", place + 1))?;
            if columns.iter().flatten().any(|other| *other == name) {
                return Err(format!("column {} (\"{spelling}\") is a second spelling of \"{name}\"", place + 1));
            }
            columns.push(Some(name));
        }
        let key = key.ok_or("the header has no column \"key\"")?;
        Ok(Table { reader, seen, columns, key, mode, record: csv::ByteRecord::new(), done: false })
    }

    fn contact(&self) -> Result<Request, Fault> {
        let cell = |place: usize| {
            let bytes = self.record.get(place).unwrap_or_default();
            std::str::from_utf8(bytes).map_err(|_| {
                let column = self.columns[place].as_ref().map_or("key", Name::as_str);
                fault("invalid_utf8", &pointer(column), format!("\"{column}\" is not valid UTF-8"))
            })
        };
        let key = ContactKey::new(cell(self.key)?).map_err(|error| fault("bad_key", "/key", error.to_string()))?;
        let mut values = Vec::with_capacity(self.columns.len());
        for (place, name) in self.columns.iter().enumerate() {
            if let Some(name) = name {
                let text = cell(place)?;
                if !text.is_empty() {
                    values.push((name.clone(), Input::Cell(text.into())));
                }
            }
        }
        Ok(Request::Contact(ContactWrite { key, mode: self.mode, values }))
    }
}

impl Iterator for Table {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<io::Result<Record>> {
        if self.done {
            return None;
        }
        let outcome = self.reader.read_byte_record(&mut self.record);
        self.seen.whole_record();
        let behind = u64::from(self.seen.crlf());
        let line = |position: Option<&csv::Position>| position.map_or(0, |position| position.line() + behind);
        match outcome {
            Ok(false) => None,
            Ok(true) => {
                let at = line(self.record.position());
                if self.seen.left_open() {
                    let detail = "a quote is opened in this record and never closed: the rest of the file is in it";
                    return Some(Ok((at, Err(fault("open_quote", "", detail).on_line(at)))));
                }
                Some(Ok((at, self.contact().map_err(|fault| fault.on_line(at)))))
            }
            Err(error) => match error.into_kind() {
                csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
                    let at = line(pos.as_ref());
                    let detail = format!("the row has {len} fields; the header has {expected_len}");
                    Some(Ok((at, Err(fault("wrong_field_count", "", detail).on_line(at)))))
                }
                csv::ErrorKind::Io(error) => {
                    self.done = true;
                    Some(Err(error))
                }
                other => {
                    self.done = true;
                    Some(Err(io::Error::new(io::ErrorKind::InvalidData, format!("{other:?}"))))
                }
            },
        }
    }
}
