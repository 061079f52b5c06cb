//! `throng import`: contacts and events from files or a query, into a folder or a running server.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::Value;

#[cfg(feature = "columnar")]
use std::{os::unix::fs::FileExt, sync::Arc};

#[cfg(feature = "columnar")]
use crate::http::{
    import::import_records,
    parquet_records::{self, Rows, Source},
};
use crate::{
    cli::{
        failure::Failure,
        from_postgres::Source as FromPostgres,
        query::{pretty, print},
        show,
        target::{Target, Where, remote, reply_body},
    },
    db::{clock::Stopwatch, database::Database},
    http::{
        import::{ImportError, Summary, import},
        members::PARQUET,
        records::Kind,
    },
    model::request::WriteMode,
};

/// What becomes of properties that a record does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// They stay.
    Merge,
    /// They are removed.
    Replace,
}

/// Load contacts (CSV, NDJSON, Parquet) and events (NDJSON, Parquet), or the rows of a PostgreSQL query.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  throng import contacts.csv\n  throng import contacts.csv --events events.ndjson\n  \
    throng import people.ndjson.gz --mode replace --url http://127.0.0.1:7171\n  cat more.csv | throng import -\n  \
    throng import --from postgres://crm@db/shop --sql 'SELECT id AS key, email, plan, updated_at FROM users' \\\n    \
    --watermark updated_at\n\n\
    A CSV file has a header row with a column \"key\"; several values of one field are separated by \";\".\n\
    An NDJSON file of contacts has one object a line with a \"key\"; one of events has\n  \
    {\"id\":\"e-1\",\"contact\":\"u-1\",\"event\":\"purchase\",\"at\":\"2026-05-01T10:00:00Z\",\"properties\":{\"amount\":120}}\n\
    A Parquet file of contacts has a column \"key\"; one of events has \"contact\" and \"event\", perhaps \"id\" and \"at\"; \
    others are properties.\n\
    Files ending in .gz or .zst are unpacked. Good records go in; bad ones are told by line.\n\
    The rows of a query are records by the names of their columns, as in Parquet; its transaction only reads. Of the\n\
    address sslmode (disable, prefer, require, verify-ca, verify-full), sslrootcert, sslcert and sslkey are heeded, and what\n\
    the library knows. docs/IMPORTS.md tells types, marks and ties."
)]
pub struct Import {
    /// Files of contacts, .csv, .ndjson (.jsonl) or .parquet; `-` reads CSV from standard input.
    contacts: Vec<PathBuf>,
    /// Files of events, NDJSON or .parquet; they are loaded after the contacts.
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    /// What becomes of properties that a record does not name.
    #[arg(long, value_enum, default_value = "merge")]
    mode: Mode,
    /// Write a snapshot at the end, so that the next start is quick.
    #[arg(long)]
    snapshot: bool,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Where,
    #[command(flatten)]
    source: FromPostgres,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Csv,
    Lines,
    Events,
    /// Contacts as Parquet.
    Columns,
    /// Events as Parquet.
    EventColumns,
}

impl Content {
    fn is_events(self) -> bool {
        matches!(self, Content::Events | Content::EventColumns)
    }

    fn is_parquet(self) -> bool {
        matches!(self, Content::Columns | Content::EventColumns)
    }

    fn media(self) -> &'static str {
        match self {
            Content::Csv => "text/csv",
            Content::Lines | Content::Events => "application/x-ndjson",
            Content::Columns | Content::EventColumns => PARQUET,
        }
    }
}

impl Import {
    /// Loads every file, or the rows of a query, and prints what became of it.
    pub fn run(self) -> Result<(), Failure> {
        if self.source.is_named() {
            return self.run_query();
        }
        if self.contacts.is_empty() && self.events.is_empty() {
            return Err(Failure::caller("name a file of contacts, or of events with --events"));
        }
        let contacts = self.contacts.iter().map(|path| Ok((path, content(path)?)));
        let events = self.events.iter().map(|path| Ok((path, event_content(path)?)));
        let files = contacts.chain(events).collect::<Result<Vec<_>, Failure>>()?;
        let target = self.target.open()?;
        let mut rejected = 0;
        for (path, content) in files {
            let watch = Stopwatch::start();
            let answer = self.load(&target, path, content)?;
            rejected += answer["rejected"].as_u64().unwrap_or(0);
            self.tell(&path.display().to_string(), "line", &answer, watch)?;
        }
        self.finish(&target, rejected)
    }

    fn run_query(self) -> Result<(), Failure> {
        let watch = Stopwatch::start();
        let (outcome, target) = self.source.import(self.write_mode(), &self.target)?;
        self.tell(&outcome.from, "row", &outcome.answer, watch)?;
        outcome.notes.iter().for_each(|note| eprintln!("  {note}"));
        match outcome.broken {
            Some(failure) => Err(failure),
            None => self.finish(&target, outcome.answer["rejected"].as_u64().unwrap_or(0)),
        }
    }

    fn finish(&self, target: &Target, rejected: u64) -> Result<(), Failure> {
        if self.snapshot {
            target.json("POST", "/v1/snapshot", None)?;
        }
        match rejected {
            0 => Ok(()),
            n => Err(Failure::caller(format!("{} records were refused; the others went in", show::grouped(n)))),
        }
    }

    fn load(&self, target: &Target, path: &Path, content: Content) -> Result<Value, Failure> {
        let (file, size) = open(path)?;
        let bar = show::byte_bar(size).with_message(path.display().to_string());
        if let (Target::Folder(db, _), true) = (target, content.is_parquet()) {
            let answer = self.load_columns(db, path, content, &bar);
            bar.finish_and_clear();
            return answer;
        }
        let counted = Counted { inner: file, bar: bar.clone() };
        let answer = match target {
            Target::Folder(db, _) => self.load_here(db, unpacked(path, counted)?, content),
            Target::Server(url, agent) => {
                let call = match content.is_events() {
                    true => format!("{url}/v1/events"),
                    false => format!("{url}/v1/contacts/import?mode={}", self.mode_word()),
                };
                let reader = unpacked(path, counted)?;
                let reply = remote(agent, "POST", &call, Some(content.media()), reader)?;
                let text = io::read_to_string(reply_body(reply)?)
                    .map_err(|error| Failure::operator(format!("the answer broke off: {error}")))?;
                serde_json::from_str(&text).map_err(|error| Failure::operator(error.to_string()))
            }
        };
        bar.finish_and_clear();
        answer
    }

    fn load_here(&self, db: &Database, reader: Box<dyn Read + Send>, content: Content) -> Result<Value, Failure> {
        let kind = match content {
            Content::Csv => Kind::ContactTable(self.write_mode()),
            Content::Events => Kind::EventLines(db.view().schema().zone().clone()),
            Content::Lines | Content::Columns | Content::EventColumns => Kind::ContactLines(self.write_mode()),
        };
        answered(import(db, kind, reader, &mut |_| {}), content)
    }

    #[cfg(feature = "columnar")]
    fn load_columns(&self, db: &Database, path: &Path, content: Content, bar: &ProgressBar) -> Result<Value, Failure> {
        let cannot = |error: io::Error| Failure::caller(format!("{} cannot be read: {error}", path.display()));
        let file = File::open(path).map_err(cannot)?;
        let size = file.metadata().map_err(cannot)?.len();
        let rows = if content.is_events() { Rows::Events } else { Rows::Contacts(self.write_mode()) };
        let zone = db.view().schema().zone().clone();
        let source = Arc::new(OnDisk { file, size, bar: bar.clone() });
        let records = parquet_records::open(source, rows, zone).map_err(Failure::caller)?;
        answered(import_records(db, records, None, &mut |_| {}), content)
    }

    #[cfg(not(feature = "columnar"))]
    fn load_columns(&self, _: &Database, path: &Path, _: Content, _: &ProgressBar) -> Result<Value, Failure> {
        Err(Failure::caller(format!("{}: this program was built without Parquet", path.display())))
    }

    fn write_mode(&self) -> WriteMode {
        if self.mode == Mode::Merge { WriteMode::Merge } else { WriteMode::Replace }
    }

    fn mode_word(&self) -> &'static str {
        if self.mode == Mode::Merge { "merge" } else { "replace" }
    }

    fn tell(&self, from: &str, record: &str, answer: &Value, watch: Stopwatch) -> Result<(), Failure> {
        if self.json {
            return print(&pretty(answer));
        }
        let number = |key: &str| answer[key].as_u64().unwrap_or(0);
        let seconds = watch.elapsed().as_secs_f64().max(1e-6);
        let rate = show::grouped((number("accepted") as f64 / seconds) as u64);
        let mut parts = vec![format!("{} accepted", show::grouped(number("accepted")))];
        for key in ["created", "updated", "duplicates", "rejected"] {
            if number(key) > 0 {
                parts.push(format!("{} {key}", show::grouped(number(key))));
            }
        }
        print(&format!("{from}: {} in {seconds:.1} s ({rate}/s)", parts.join(", ")))?;
        for error in answer["errors"].as_array().into_iter().flatten().take(20) {
            let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
            let place = if text("pointer").is_empty() { String::new() } else { format!(" {}", text("pointer")) };
            eprintln!("  {record} {}{place}: {}", error["line"], text("detail"));
        }
        Ok(())
    }
}

fn answered(outcome: Result<Summary, ImportError>, content: Content) -> Result<Value, Failure> {
    match outcome {
        Ok(summary) if content.is_events() => Ok(summary.events_json()),
        Ok(summary) => Ok(summary.contacts_json()),
        Err(ImportError::Database(error)) => Err(error.into()),
        Err(error) => Err(Failure::caller(error.to_string())),
    }
}

/// Whether a file is Parquet by its ending.
///
/// Errors: when it is, within another packing.
fn is_columns(path: &Path) -> Result<bool, Failure> {
    let name = path.to_string_lossy().to_lowercase();
    if bare(&name) != name && bare(&name).ends_with(".parquet") {
        return Err(Failure::caller(format!("{}: a Parquet file is packed inside; unpack it first", path.display())));
    }
    Ok(name.ends_with(".parquet"))
}

/// A name without the ending of its packing.
fn bare(name: &str) -> &str {
    name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(name)
}

/// Whatever is no Parquet is lines, also from a pipe.
fn event_content(path: &Path) -> Result<Content, Failure> {
    Ok(if is_columns(path)? { Content::EventColumns } else { Content::Events })
}

fn content(path: &Path) -> Result<Content, Failure> {
    let name = path.to_string_lossy().to_lowercase();
    let bare = bare(&name);
    if bare == "-" || bare.ends_with(".csv") {
        Ok(Content::Csv)
    } else if [".ndjson", ".jsonl", ".json"].iter().any(|ending| bare.ends_with(ending)) {
        Ok(Content::Lines)
    } else if is_columns(path)? {
        Ok(Content::Columns)
    } else {
        let told = "a file of contacts ends in .csv, .ndjson, .jsonl or .parquet";
        Err(Failure::caller(format!("{}: {told}", path.display())))
    }
}

fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), Failure> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(io::stdin()), None));
    }
    let cannot = |error: io::Error| Failure::caller(format!("{} cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(cannot)?;
    let meta = file.metadata().map_err(cannot)?;
    if meta.is_dir() {
        return Err(Failure::caller(format!("{} is a folder; name a file", path.display())));
    }
    Ok((Box::new(file), meta.is_file().then_some(meta.len())))
}

/// Unpacks by the file's ending.
fn unpacked(path: &Path, reader: Counted) -> Result<Box<dyn Read + Send>, Failure> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("gz") => Ok(Box::new(flate2::read::MultiGzDecoder::new(reader))),
        Some("zst") => match zstd::stream::read::Decoder::new(reader) {
            Ok(decoder) => Ok(Box::new(decoder)),
            Err(error) => Err(Failure::caller(format!("{} cannot be unpacked: {error}", path.display()))),
        },
        _ => Ok(Box::new(reader)),
    }
}

/// A file that is read anywhere, and moves the progress bar.
#[cfg(feature = "columnar")]
struct OnDisk {
    file: File,
    size: u64,
    bar: ProgressBar,
}

#[cfg(feature = "columnar")]
impl Source for OnDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buffer, offset)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}

/// A reader that moves the progress bar.
struct Counted {
    inner: Box<dyn Read + Send>,
    bar: ProgressBar,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}
