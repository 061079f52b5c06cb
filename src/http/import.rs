//! Imports: a stream of records into the database, read ahead while the last batch is written.

use std::{collections::VecDeque, io::Read, sync::mpsc, thread};

use serde_json::{Value, json};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::{
    db::{
        database::{Database, Once, Submitted, Write},
        error::Error,
        record::Written,
    },
    http::{
        problem::{Fault, Problem},
        records::{self, Kind, Record},
    },
    model::{
        id::Lsn,
        limits,
        request::{Applied, Input, Request},
    },
};

/// Records of a batch after the first, which has [`limits::INFER_RECORDS`].
const BATCH_RECORDS: usize = 4_096;
/// Once so many have come, room is made for a whole batch: a call that sends nothing, or little, holds next to none.
const FEW_RECORDS: usize = 256;
/// Memory of a batch, the first included: past it fat records go on in the next one. Units: bytes.
const BATCH_BYTES_MAX: usize = 64 << 20;
/// Batches that wait for the writer at once: it takes all that wait as one group, which shares the sync and the copies
/// of what readers hold.
const BATCHES_WAITING: usize = 8;
/// Memory of the batches that wait; a single larger one may. Units: bytes.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records that went in.
    pub accepted: u64,
    /// Contacts that were not there before.
    pub created: u64,
    /// Contacts that were.
    pub updated: u64,
    /// Events whose id was there before.
    pub duplicates: u64,
    /// Records that were refused.
    pub rejected: u64,
    /// The first [`limits::IMPORT_ERRORS_TOLD_MAX`] faults.
    pub errors: Vec<Fault>,
    /// The last write.
    pub lsn: u64,
    /// Whether every write was one that an earlier call under the same idempotency key had done.
    pub replayed: bool,
    /// Writes that were counted.
    writes: u64,
}

impl Summary {
    /// The answer of a contacts import.
    pub fn contacts_json(&self) -> Value {
        json!({
            "accepted": self.accepted, "created": self.created, "updated": self.updated, "rejected": self.rejected,
            "errors": self.errors(), "lsn": self.lsn,
        })
    }

    /// The answer of an events call.
    pub fn events_json(&self) -> Value {
        json!({
            "accepted": self.accepted, "duplicates": self.duplicates, "rejected": self.rejected,
            "errors": self.errors(), "lsn": self.lsn,
        })
    }

    fn errors(&self) -> Vec<Value> {
        self.errors.iter().map(Fault::to_json).collect()
    }

    /// Counts a record that was refused before it reached the database.
    pub fn reject(&mut self, fault: Fault) {
        self.rejected += 1;
        if self.errors.len() < limits::IMPORT_ERRORS_TOLD_MAX {
            self.errors.push(fault);
        }
    }

    /// Counts one batch; `lines` are those of its requests, in order, `faults` are its records that became none.
    pub fn count(&mut self, written: Written, lines: &[u64], mut faults: Vec<Fault>) {
        self.lsn = self.lsn.max(written.lsn.0);
        if !written.results.is_empty() {
            self.replayed = written.replayed && (self.replayed || self.writes == 0);
            self.writes += 1;
        }
        for (result, line) in written.results.into_iter().zip(lines) {
            match result {
                Err(refusal) => faults.push(Fault {
                    line: Some(*line),
                    pointer: refusal.pointer,
                    code: refusal.code,
                    detail: refusal.detail,
                }),
                Ok(applied) => {
                    self.accepted += u64::from(applied != Applied::Duplicate);
                    match applied {
                        Applied::Created => self.created += 1,
                        Applied::Updated | Applied::Unchanged => self.updated += 1,
                        Applied::Duplicate => self.duplicates += 1,
                        Applied::Recorded | Applied::Removed | Applied::Members { .. } => {}
                    }
                }
            }
        }
        faults.sort_by_key(|fault| fault.line);
        faults.into_iter().for_each(|fault| self.reject(fault));
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that went in or were refused.
    pub records: u64,
    /// Of those, how many were refused.
    pub rejected: u64,
}

/// Why an import stopped before its end. What was acknowledged before stays.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImportError {
    /// The stream as a whole is wrong, such as a CSV header without a `key`.
    #[error("{0}")]
    Format(String),
    /// The stream broke off.
    #[error("the input broke off after {} records: {cause}", .so_far.accepted + .so_far.rejected)]
    Input {
        /// What the reader said.
        cause: String,
        /// What became of the records before.
        so_far: Box<Summary>,
    },
    /// The database refused.
    #[error("{0}")]
    Database(#[from] Error),
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Problem {
        match error {
            ImportError::Database(error) => error.into(),
            ImportError::Format(detail) => Problem::refused("bad_header", detail),
            ImportError::Input { .. } => Problem { errors: error.faults(), ..Problem::malformed(error.to_string()) },
        }
    }
}

impl ImportError {
    fn faults(&self) -> Vec<Fault> {
        match self {
            ImportError::Input { so_far, .. } => so_far.errors.clone(),
            ImportError::Format(_) | ImportError::Database(_) => Vec::new(),
        }
    }
}

#[derive(Default)]
struct Batch {
    requests: Vec<Request>,
    lines: Vec<u64>,
    faults: Vec<Fault>,
    broken: Option<String>,
    bytes: usize,
    /// Whether none comes after it.
    is_last: bool,
}

/// A batch that the writer has.
struct Waiting {
    /// `None` when there was nothing to write.
    submitted: Option<Submitted>,
    lines: Vec<u64>,
    faults: Vec<Fault>,
    bytes: usize,
}

/// Batches that the writer has, the first one first, and what became of those before.
struct Flight<'a> {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    summary: Summary,
    progress: &'a mut dyn FnMut(Progress),
}

impl Flight<'_> {
    fn push(&mut self, db: &Database, batch: Batch, once: Option<Once>) {
        let Batch { requests, lines, faults, bytes, broken: _, is_last: _ } = batch;
        let submitted =
            (!requests.is_empty()).then(|| db.submit_patiently(Write { requests, once, ..Write::default() }));
        self.waiting.push_back(Waiting { submitted, lines, faults, bytes });
        self.bytes += bytes;
    }

    /// Waits for the first batches until there are no more than so many and they are not too large.
    fn land(&mut self, most: usize) -> Result<(), Error> {
        while self.waiting.len() > most || (self.waiting.len() > 1 && self.bytes > WAITING_BYTES_MAX) {
            let Some(Waiting { submitted, lines, faults, bytes }) = self.waiting.pop_front() else { break };
            let nothing = Written { lsn: Lsn(0), results: Vec::new(), replayed: false };
            let written = submitted.map_or(Ok(nothing), Submitted::wait)?;
            self.bytes -= bytes;
            self.summary.count(written, &lines, faults);
            let Summary { accepted, duplicates, rejected, .. } = self.summary;
            (self.progress)(Progress { records: accepted + duplicates + rejected, rejected });
        }
        Ok(())
    }
}

/// Reads a stream to its end into the database, batch by batch, with memory for a few batches only.
///
/// Errors: [`ImportError`]; the batches before it stay written, and a few that were on their way may be.
pub fn import(
    db: &Database,
    kind: Kind,
    reader: Box<dyn Read + Send>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, ImportError> {
    import_once(db, kind, reader, None, progress)
}

/// As [`import`]. Under an idempotency key each batch counts once, so that a stream sent again goes on where the
/// first one ended.
///
/// Errors: as [`import`].
pub fn import_once(
    db: &Database,
    kind: Kind,
    reader: Box<dyn Read + Send>,
    key: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, ImportError> {
    import_records(db, records::open(kind, reader).map_err(ImportError::Format)?, key, progress)
}

/// As [`import_once`], of records that were read by others.
///
/// Errors: as [`import`].
pub fn import_records(
    db: &Database,
    mut records: Box<dyn Iterator<Item = std::io::Result<Record>> + Send>,
    key: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, ImportError> {
    db.check_bulk()?;
    let mut flight = Flight { waiting: VecDeque::new(), bytes: 0, summary: Summary::default(), progress };
    // A batch under a key goes alone: none after it may be written once it was refused.
    let most = if key.is_some() { 0 } else { BATCHES_WAITING - 1 };
    let first = next_batch(&mut *records, limits::INFER_RECORDS);
    // One batch needs nobody who reads ahead: most calls are short, and whoever sends nothing is to hold no thread more.
    let is_all = first.as_ref().is_none_or(|batch| batch.is_last);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(2);
        match is_all {
            true => drop(sender),
            false => drop(scope.spawn(move || {
                while let Some(batch) = next_batch(&mut *records, BATCH_RECORDS) {
                    let is_last = batch.is_last;
                    if sender.send(batch).is_err() || is_last {
                        break;
                    }
                }
            })),
        }
        // Dropping the receiver on an error ends the reader at its next batch.
        for (number, mut batch) in first.into_iter().chain(receiver).enumerate() {
            let broken = batch.broken.take();
            // The batch that a stream broke off in would be another one when it is sent again.
            if key.is_some() && broken.is_some() {
                batch.requests.clear();
            }
            let once = key.map(|key| once(key, number, &batch.requests));
            flight.push(db, batch, once);
            flight.land(most)?;
            if let Some(cause) = broken {
                flight.land(0)?;
                return Err(ImportError::Input { cause, so_far: Box::new(flight.summary) });
            }
        }
        flight.land(0)?;
        if flight.summary.writes == 0 {
            // Nothing was to be written: the answer is as of what is there.
            flight.summary.lsn = db.view().lsn().0;
        }
        Ok(flight.summary)
    })
}

fn next_batch(records: &mut dyn Iterator<Item = std::io::Result<Record>>, size: usize) -> Option<Batch> {
    let mut batch = Batch::default();
    for _ in 0..size {
        match records.next() {
            Some(Ok((line, Ok(request)))) => {
                batch.bytes += weight(&request);
                if batch.requests.len() == FEW_RECORDS {
                    batch.requests.reserve_exact(size - FEW_RECORDS);
                }
                batch.requests.push(request);
                batch.lines.push(line);
            }
            Some(Ok((_, Err(fault)))) => batch.faults.push(fault),
            Some(Err(error)) => {
                batch.broken = Some(error.to_string());
                batch.is_last = true;
                break;
            }
            None => {
                batch.is_last = true;
                break;
            }
        }
        if batch.bytes > BATCH_BYTES_MAX {
            break;
        }
    }
    let empty = batch.requests.is_empty() && batch.faults.is_empty() && batch.broken.is_none();
    (!empty).then_some(batch)
}

/// About how much memory a record takes. Units: bytes.
fn weight(request: &Request) -> usize {
    let values = match request {
        Request::Contact(contact) => &contact.values,
        Request::Event(event) => &event.properties,
        _ => return 0,
    };
    values.iter().map(|(_, value)| weight_of(value)).sum()
}

fn weight_of(value: &Input) -> usize {
    let inside: usize = match value {
        Input::Text(text) | Input::Cell(text) => text.len(),
        Input::List(values) => values.iter().map(weight_of).sum(),
        Input::Edit { add, remove } => add.iter().chain(remove).map(weight_of).sum(),
        Input::Null | Input::Flag(_) | Input::Number(_) | Input::Object => 0,
    };
    size_of::<Input>() + inside
}

/// An idempotency key as it is kept: a hash, for callers put names and addresses into their keys, which no erasure of a
/// contact would find.
pub(super) fn hashed(key: &str) -> Box<str> {
    format!("{:032x}", xxh3_128(key.as_bytes())).into()
}

/// How a batch of a stream is told again. A header's value has no line end, so no other call has this key.
fn once(key: &str, number: usize, requests: &[Request]) -> Once {
    Once { key: hashed(&format!("{key}\n{number}")), digest: xxh3_64(format!("{requests:?}").as_bytes()) }
}
