//! Records from a Parquet file: contacts and events by typed columns, batch by batch in bounded memory.
//!
//! A row becomes what the same record would be as JSON, so that both mean the same. A null is absent.

use std::{
    collections::HashSet,
    io::{self, BufReader, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, FieldRef, Schema as Columns, TimeUnit};
use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    basic::{LogicalType, Type as Physical},
    errors::{ParquetError, Result as ParquetResult},
    file::reader::{ChunkReader, Length},
};

use crate::{
    db::spool::Spool,
    http::{
        json::Json,
        parquet_value::{Cell, is_taken, is_whole},
        problem::Fault,
        records::{self, Names, Record, pointer},
    },
    model::{calendar::Zone, name::Name, request::WriteMode},
};

/// Rows that are read at a time.
const BATCH_ROWS: usize = 1_024;
/// What is wrong with a file that the library does not get through.
const DAMAGED: &str = "the Parquet file is damaged: the reader could not make sense of it";
/// The columns of events that are not properties.
const EVENT_COLUMNS: [&str; 5] = ["id", "contact", "event", "at", "properties"];

/// Bytes that can be read anywhere: a Parquet file begins at its end.
pub trait Source: Send + Sync {
    /// How many there are.
    fn size(&self) -> u64;
    /// Reads some; 0 means the end.
    ///
    /// Errors: failed reads.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for Spool {
    fn size(&self) -> u64 {
        Spool::size(self)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Spool::read_at(self, buffer, offset)
    }
}

/// What the rows of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Contacts, with a column `key`.
    Contacts(WriteMode),
    /// Events, with the columns `contact` and `event`; `id`, `at` and `properties` if they are there, others are
    /// properties.
    Events,
}

/// A source as the library reads it.
#[derive(Clone)]
struct File(Arc<dyn Source>);

/// A place in it.
struct Place {
    file: File,
    at: u64,
}

impl Read for Place {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.0.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Length for File {
    fn len(&self) -> u64 {
        self.0.size()
    }
}

impl ChunkReader for File {
    type T = BufReader<Place>;

    fn get_read(&self, at: u64) -> ParquetResult<BufReader<Place>> {
        Ok(BufReader::new(Place { file: self.clone(), at }))
    }

    fn get_bytes(&self, at: u64, length: usize) -> ParquetResult<Bytes> {
        // What the file says of itself is not believed before there is room for it.
        if at.checked_add(length as u64).is_none_or(|end| end > self.0.size()) {
            return Err(ParquetError::EOF(format!("{length} bytes at {at} reach past the end of the file")));
        }
        let mut bytes = vec![0; length];
        Place { file: self.clone(), at }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A column of the file.
struct Column {
    /// As it is called in records.
    name: String,
    /// Whether whole numbers stand for texts there: in a key, in an id.
    is_key: bool,
    is_uuid: bool,
    /// Its values stand among the others of `properties`.
    is_property: bool,
}

/// A file that is read row by row.
struct Table {
    batches: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    at: usize,
    row: u64,
    columns: Vec<Column>,
    rows: Rows,
    zone: Zone,
    names: Names,
    done: bool,
}

/// Opens a file; instants without a zone are those of `zone`.
///
/// Errors: what is wrong with the file as a whole: no Parquet, no column `key`, a column of a type that is not taken.
pub fn open(
    source: Arc<dyn Source>,
    rows: Rows,
    zone: Zone,
) -> Result<Box<dyn Iterator<Item = io::Result<Record>> + Send>, String> {
    let opened = catch_unwind(AssertUnwindSafe(|| Table::open(File(source), rows, zone)));
    Ok(Box::new(opened.unwrap_or_else(|_| Err(DAMAGED.into()))?))
}

impl Table {
    fn open(file: File, rows: Rows, zone: Zone) -> Result<Table, String> {
        let no_parquet = |error: ParquetError| format!("this is no Parquet file that can be read: {error}");
        // What Parquet itself says of the columns is enough, and comes in fewer types.
        let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let found = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), plain).map_err(no_parquet)?;
        let mut leaves = found.parquet_schema().columns().iter().map(|leaf| leaf.physical_type());
        let columns = found.schema().fields().iter().map(|field| shared(&zoned(field, &mut leaves)));
        let columns = Columns::new(columns.collect::<Vec<_>>());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(columns));
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(no_parquet)?;
        let uuids: HashSet<usize> = (builder.parquet_schema().root_schema().get_fields().iter().enumerate())
            .filter(|(_, field)| matches!(field.get_basic_info().logical_type_ref(), Some(LogicalType::Uuid)))
            .map(|(place, _)| place)
            .collect();
        let fields = builder.schema().fields().iter().enumerate();
        let columns = fields.map(|(place, field)| column(field, rows, uuids.contains(&place)));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        complete(&columns, rows)?;
        let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(no_parquet)?;
        let names = Names::default();
        Ok(Table { batches, batch: None, at: 0, row: 0, columns, rows, zone, names, done: false })
    }

    /// The next row, from 1, or the end.
    fn advance(&mut self) -> io::Result<bool> {
        while self.batch.as_ref().is_none_or(|batch| self.at >= batch.num_rows()) {
            let batches = &mut self.batches;
            let next = catch_unwind(AssertUnwindSafe(|| batches.next())).map_err(|_| io::Error::other(DAMAGED))?;
            let Some(batch) = next else { return Ok(false) };
            self.batch = Some(batch.map_err(|error| io::Error::other(format!("{DAMAGED}: {error}")))?);
            self.at = 0;
        }
        self.at += 1;
        self.row += 1;
        Ok(true)
    }

    /// The row as the object that it would be as JSON.
    fn object(&self, batch: &RecordBatch) -> Result<Json, Fault> {
        let (mut members, mut properties) = (Vec::with_capacity(self.columns.len()), Vec::new());
        for (column, array) in self.columns.iter().zip(batch.columns()) {
            let cell = Cell { array, row: self.at - 1, zone: &self.zone, is_uuid: column.is_uuid };
            let value = cell.json().map_err(|wrong| {
                let detail = format!("row {}, column \"{}\": {wrong}", self.row, column.name);
                let pointer = pointer(&column.name);
                Fault { line: Some(self.row), pointer, code: "bad_value", detail }
            })?;
            match value {
                Json::Null => {}
                Json::Number(digits) if column.is_key => members.push((column.name.clone(), Json::Text(digits))),
                Json::Object(inside) if column.name == "properties" && self.rows == Rows::Events => {
                    properties.extend(inside.into_iter().filter(|(_, value)| *value != Json::Null));
                }
                value if column.is_property => properties.push((column.name.clone(), value)),
                value => members.push((column.name.clone(), value)),
            }
        }
        if !properties.is_empty() {
            members.push(("properties".into(), Json::Object(properties)));
        }
        Ok(Json::Object(members))
    }

    fn record(&mut self) -> Record {
        let Some(batch) = self.batch.take() else { return (self.row, Err(nothing(self.row))) };
        let row = self.row;
        let request = self.object(&batch).and_then(|object| {
            let read = match self.rows {
                Rows::Contacts(mode) => records::contact(&object, mode, &mut self.names),
                Rows::Events => records::event(&object, &self.zone, &mut self.names),
            };
            read.map_err(|refusal| Fault {
                line: Some(row),
                pointer: refusal.pointer,
                code: refusal.code,
                detail: refusal.detail,
            })
        });
        self.batch = Some(batch);
        (row, request)
    }
}

impl Iterator for Table {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<io::Result<Record>> {
        if self.done {
            return None;
        }
        match self.advance() {
            Ok(true) => Some(Ok(self.record())),
            Ok(false) => {
                self.done = true;
                None
            }
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }
}

fn nothing(row: u64) -> Fault {
    Fault { line: Some(row), pointer: String::new(), code: "bad_value", detail: DAMAGED.into() }
}

/// The field with its INT96 as instants: the library takes them for wall clocks. Leaves come in the order of the file.
fn zoned(field: &Field, leaves: &mut impl Iterator<Item = Physical>) -> Field {
    let ty = match field.data_type() {
        DataType::List(element) => DataType::List(Arc::new(zoned(element, leaves))),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| FieldRef::new(zoned(field, leaves))).collect())
        }
        DataType::Map(entries, is_sorted) => DataType::Map(Arc::new(zoned(entries, leaves)), *is_sorted),
        other => match leaves.next() {
            // In milliseconds, as 64 bits of nanoseconds end in the year 2262.
            Some(Physical::INT96) => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            _ => other.clone(),
        },
    };
    field.clone().with_data_type(ty)
}

/// The field with texts that are shared among rows: one that stands in many is not copied for each.
fn shared(field: &Field) -> Field {
    match field.data_type() {
        DataType::Utf8 => field.clone().with_data_type(DataType::Utf8View),
        _ => field.clone(),
    }
}

/// What a column is for.
fn column(field: &Field, rows: Rows, is_uuid: bool) -> Result<Column, String> {
    let spelling = field.name();
    let known: &[&str] = match rows {
        Rows::Contacts(_) => &["key"],
        Rows::Events => &EVENT_COLUMNS,
    };
    let known = known.iter().find(|known| spelling.eq_ignore_ascii_case(known));
    let name = known.map_or(spelling.clone(), |known| (*known).to_owned());
    if known.is_none() {
        Name::new(&name).map_err(|error| format!("column \"{spelling}\": {error}"))?;
    }
    let is_key = ["key", "contact", "id"].contains(&name.as_str()) && known.is_some();
    let is_struct = known.is_some() && name == "properties";
    let ty = field.data_type();
    let is_bytes = is_uuid && *ty == DataType::FixedSizeBinary(16);
    if !is_taken(ty, is_struct) && !is_bytes {
        return Err(format!("column \"{spelling}\" is of the type {ty}, which no property can have; leave it out"));
    }
    if is_key && !is_uuid && !is_whole(ty) && !matches!(ty, DataType::Utf8 | DataType::Utf8View) {
        return Err(format!("column \"{spelling}\" is of the type {ty}; a key or an id is a text or a whole number"));
    }
    Ok(Column { name, is_key, is_uuid, is_property: known.is_none() && rows == Rows::Events })
}

/// Refuses a file without the columns that it needs, or with one twice.
fn complete(columns: &[Column], rows: Rows) -> Result<(), String> {
    let needed: &[&str] = match rows {
        Rows::Contacts(_) => &["key"],
        Rows::Events => &["contact", "event"],
    };
    for name in needed {
        if !columns.iter().any(|column| column.name == *name && !column.is_property) {
            return Err(format!("the file has no column \"{name}\""));
        }
    }
    let mut seen = HashSet::new();
    for column in columns {
        let name = Name::new(&column.name).map_or(column.name.clone(), |name| name.as_str().to_owned());
        if !seen.insert((name, column.is_property)) {
            return Err(format!("column \"{}\" is a second spelling of another one", column.name));
        }
    }
    Ok(())
}
