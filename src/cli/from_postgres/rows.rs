//! Rows on their way: read by a thread of its own as they come, made into lines of NDJSON, a slice of them at a time.

use std::{
    fmt::Write as _,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use postgres::{Client, Row, Statement, fallible_iterator::FallibleIterator};
use serde_json::{Value, json};

use crate::{
    cli::{
        failure::Failure,
        from_postgres::{
            Nulls, Rows,
            address::Address,
            columns::{self, Column, Role},
            failures,
            query::{Marker, Query},
            trust,
            value::{Raw, json as value},
        },
    },
    http::{json::Json, problem::Fault, records::pointer},
    model::{calendar::Zone, limits},
};

/// A slice has so many rows at most, and enough for the types of new properties to be settled by the first one.
const SLICE_ROWS: usize = 5 * limits::INFER_RECORDS;
/// Past so much text a slice goes as it is: one is sent, one waits, one is made. Units: bytes.
const SLICE_BYTES: usize = 8 << 20;

/// A connection in a transaction that only reads.
pub(super) struct Session {
    client: Client,
    shown: String,
}

/// How rows become records.
pub(super) struct Plan {
    /// The columns of the query, in order.
    pub(super) columns: Vec<Column>,
    /// What the rows are.
    pub(super) rows: Rows,
    /// What a NULL does.
    pub(super) nulls: Nulls,
    /// Where what clocks on the wall show is taken.
    pub(super) zone: Zone,
    /// Where the rows are marked.
    pub(super) marker: Option<Marker>,
}

/// Some rows.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// A line for each; an empty one for what is no record.
    pub(super) body: Vec<u8>,
    /// How many there are.
    pub(super) rows: u64,
    /// Rows before them.
    pub(super) before: u64,
    /// What is wrong with those that are no records.
    pub(super) faults: Vec<Fault>,
    /// How many have a fault, told or not.
    pub(super) rejected: u64,
    /// The first mark of the slice.
    pub(super) first: Option<String>,
    /// The greatest mark so far.
    pub(super) mark: Option<String>,
    /// How many have none.
    pub(super) unmarked: u64,
}

/// What comes from the thread that reads.
pub(super) enum Next {
    /// Some rows, perhaps the last.
    Slice(Slice),
    /// All rows came.
    End,
    /// They broke off; those before are whole.
    Broken(Failure),
}

impl Session {
    /// Connects and opens the transaction.
    ///
    /// Errors: a database that cannot be reached, or lets nobody in; certificates that are no good.
    pub(super) fn open(address: &Address) -> Result<Session, Failure> {
        let connector = trust::connector(address.trust, &address.certificates)?;
        let shown = address.shown.clone();
        let opened = address.config.connect(connector).and_then(|mut client| {
            // One instant for all that is read, and nothing is written whatever the query calls.
            client.batch_execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
            Ok(client)
        });
        match opened {
            Ok(client) => Ok(Session { client, shown }),
            Err(error) => Err(failures::unreachable(&shown, &error)),
        }
    }

    /// The columns that a query has.
    ///
    /// Errors: what PostgreSQL says of it; a parameter in it; columns that are no record.
    pub(super) fn columns(&mut self, sql: &str, rows: Rows) -> Result<Vec<Column>, Failure> {
        let prepared = self.prepare(&Query::plain(sql))?;
        if !prepared.params().is_empty() {
            return Err(Failure::caller("the query has parameters such as $1; write their values into it"));
        }
        columns::columns(prepared.columns(), rows).map_err(Failure::caller)
    }

    fn prepare(&mut self, query: &Query) -> Result<Statement, Failure> {
        self.client.prepare(&query.text).map_err(|error| failures::refused(&self.shown, &error, query))
    }

    /// Starts to read; the thread ends when nobody takes what it reads.
    ///
    /// Errors: what PostgreSQL says of the query; a thread that cannot be started.
    pub(super) fn start(mut self, query: Query, plan: Plan) -> Result<Receiver<Next>, Failure> {
        let statement = self.prepare(&query)?;
        let (sender, receiver) = sync_channel(1);
        let read = move || {
            let end = match self.read(&statement, &query, &plan, &sender) {
                Ok(()) => Next::End,
                Err(failure) => Next::Broken(failure),
            };
            // Nobody takes it any more: there is no one to tell.
            let _ = sender.send(end);
        };
        let started = thread::Builder::new().name("postgres".into()).spawn(read);
        started.map_err(|error| Failure::operator(format!("no thread can be started: {error}")))?;
        Ok(receiver)
    }

    /// Reads to the end, a row at a time: the database waits for who is slow.
    fn read(
        &mut self,
        statement: &Statement,
        query: &Query,
        plan: &Plan,
        sender: &SyncSender<Next>,
    ) -> Result<(), Failure> {
        let shown = &self.shown;
        let broken = |error: postgres::Error| failures::refused(shown, &error, query);
        let mut rows = self.client.query_raw(statement, query.mark.iter()).map_err(broken)?;
        let mut slice = Slice::default();
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(error) => {
                    // What came before it is good.
                    if slice.rows > 0 {
                        let _ = sender.send(Next::Slice(slice));
                    }
                    return Err(broken(error));
                }
            };
            slice.push(plan, &row).map_err(broken)?;
            if slice.rows >= SLICE_ROWS as u64 || slice.body.len() >= SLICE_BYTES {
                let next = Slice { before: slice.before + slice.rows, mark: slice.mark.clone(), ..Slice::default() };
                if sender.send(Next::Slice(std::mem::replace(&mut slice, next))).is_err() {
                    return Ok(());
                }
            }
        }
        let _ = sender.send(Next::Slice(slice));
        Ok(())
    }
}

impl Slice {
    fn push(&mut self, plan: &Plan, row: &Row) -> Result<(), postgres::Error> {
        self.rows += 1;
        let number = self.before + self.rows;
        match plan.object(row)? {
            Ok(object) => {
                let mut line = String::new();
                write!(line, "{object}").expect("a text takes all that is written to it");
                self.body.extend_from_slice(line.as_bytes());
            }
            Err(fault) => {
                self.rejected += 1;
                if self.faults.len() < limits::IMPORT_ERRORS_TOLD_MAX {
                    self.faults.push(Fault { line: Some(number), ..fault });
                }
            }
        }
        self.body.push(b'\n');
        if let Some(marker) = &plan.marker {
            match row.try_get::<_, Option<&str>>(plan.columns.len())? {
                Some(mark) if marker.is_mark(mark) => {
                    self.first.get_or_insert_with(|| mark.to_owned());
                    self.mark = Some(mark.to_owned());
                }
                Some(_) => {}
                None => self.unmarked += 1,
            }
        }
        Ok(())
    }

    /// What became of the slice: the answer to its body, in which lines are those of the body, and its own faults.
    pub(super) fn settle(&self, mut answer: Value) -> Value {
        let mut errors: Vec<Value> = self.faults.iter().map(Fault::to_json).collect();
        for mut error in answer["errors"].as_array().cloned().unwrap_or_default() {
            error["line"] = json!(error["line"].as_u64().unwrap_or(0) + self.before);
            errors.push(error);
        }
        errors.sort_by_key(|error| error["line"].as_u64());
        errors.truncate(limits::IMPORT_ERRORS_TOLD_MAX);
        answer["errors"] = errors.into();
        answer["rejected"] = json!(answer["rejected"].as_u64().unwrap_or(0) + self.rejected);
        answer
    }
}

impl Plan {
    /// Whether the same event may come more than once.
    fn is_read_again(&self) -> bool {
        self.rows == Rows::Events && self.marker.is_some()
    }

    /// The row as the object that it would be in a file.
    fn object(&self, row: &Row) -> Result<Result<Json, Fault>, postgres::Error> {
        if row.raw_size_bytes() > limits::LINE_BYTES_MAX {
            let detail = format!("the row is longer than {} bytes", limits::LINE_BYTES_MAX);
            return Ok(Err(Fault { line: None, pointer: String::new(), code: "line_too_long", detail }));
        }
        let (mut members, mut properties) = (Vec::with_capacity(self.columns.len()), Vec::new());
        for (place, column) in self.columns.iter().enumerate() {
            let Raw(raw) = match row.try_get::<_, Option<Raw<'_>>>(place)? {
                Some(raw) => raw,
                None => {
                    if self.is_read_again() && column.role == Role::Key && column.name == "id" {
                        let told = "is NULL; by a watermark rows are read more than once, and an event counts once only under an id";
                        return Ok(Err(column.fault(told)));
                    }
                    // A property of an event is not there without a value; a contact without a key is told as such.
                    if self.rows == Rows::Contacts && self.nulls == Nulls::Remove && column.role == Role::Property {
                        members.push((column.name.clone(), Json::Null));
                    }
                    continue;
                }
            };
            let value = match value(&column.shape, raw, &self.zone).and_then(|value| column.fit(value)) {
                Ok(value) => value,
                Err(wrong) => return Ok(Err(column.fault(&wrong))),
            };
            match (column.role, value) {
                (Role::Properties, Json::Object(inside)) => properties.extend(inside),
                (Role::Property, value) if self.rows == Rows::Events => properties.push((column.name.clone(), value)),
                (_, value) => members.push((column.name.clone(), value)),
            }
        }
        if !properties.is_empty() {
            members.push(("properties".into(), Json::Object(properties)));
        }
        Ok(Ok(Json::Object(members)))
    }
}

impl Column {
    /// The value as its place in a record wants it.
    fn fit(&self, value: Json) -> Result<Json, String> {
        Ok(match (self.role, value) {
            (Role::Key, Json::Number(digits)) if digits.contains('.') => {
                return Err(format!("is {digits}; a key or an id is a text or a whole number"));
            }
            (Role::Key, Json::Number(digits)) => Json::Text(digits),
            (Role::Properties, Json::Object(members)) => {
                Json::Object(members.into_iter().filter(|(_, value)| *value != Json::Null).collect())
            }
            (Role::Properties, Json::Null) => Json::Object(Vec::new()),
            (Role::Properties, other) => return Err(format!("is {}; it wants to be an object", other.kind())),
            (_, value) => value,
        })
    }

    fn fault(&self, wrong: &str) -> Fault {
        let detail = format!("column \"{}\" {wrong}", self.spelling);
        Fault { line: None, pointer: pointer(&self.name), code: "bad_value", detail }
    }
}
