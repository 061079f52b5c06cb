//! The folder that a run works in: generated files, the imported database, copies that are written to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    cli::{
        bench::{
            floors::{Machine, resident_bytes},
            rows::{Choice, Row},
        },
        failure::Failure,
        generate,
    },
    db::{clock::Stopwatch, database::Database, options::Options, options::Upkeep},
    http::{import::import, records::Kind},
    model::{request::WriteMode, time::Timestamp},
};

/// What says of a folder which data it holds.
const MARK: &str = "bench.json";

/// The folder, and what is generated.
pub struct Work {
    dir: PathBuf,
    /// Whether it goes when the run ends.
    is_passing: bool,
    /// How many contacts.
    pub contacts: u64,
    /// How many events; known once they are generated.
    pub events: u64,
    /// The instant at which everything is measured.
    pub until: Timestamp,
    /// What the process held before anything was done. Units: bytes.
    resident: Option<u64>,
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.is_passing {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::operator(format!("{}: {error}", path.display()))
}

impl Work {
    /// Opens a folder, or makes one that goes when the run ends, and generates what is not there.
    ///
    /// Errors: those of the disk; a folder that holds something else.
    pub fn open(dir: Option<PathBuf>, contacts: u64, seed: u64) -> Result<Work, Failure> {
        let until = Timestamp::parse(generate::UNTIL).expect("the instant is well formed");
        let is_passing = dir.is_none();
        let dir = dir.unwrap_or_else(|| std::env::temp_dir().join(format!("throng-bench-{}", std::process::id())));
        let mark = dir.join(MARK);
        let asked = json!({ "version": env!("CARGO_PKG_VERSION"), "contacts": contacts, "seed": seed });
        let found: Option<Value> = match fs::read_to_string(&mark) {
            Ok(text) => Some(serde_json::from_str(&text).unwrap_or(Value::Null)),
            Err(_) => None,
        };
        let empty = !fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some());
        if found.is_none() && !empty {
            return Err(Failure::caller(format!(
                "{} holds something that `throng bench` did not make; name an empty folder, or one of an earlier run",
                dir.display()
            )));
        }
        if let Some(found) = &found
            && ["contacts", "seed"].iter().any(|key| !found[key].is_null() && found[key] != asked[key])
        {
            return Err(Failure::caller(format!(
                "{} holds {} contacts of seed {} from an earlier run; name another folder, or delete it",
                dir.display(),
                found["contacts"],
                found["seed"]
            )));
        }
        let mut work = Work { dir, is_passing, contacts, events: 0, until, resident: resident_bytes() };
        let same =
            found.as_ref().filter(|found| asked.as_object().is_some_and(|all| all.iter().all(|(k, v)| found[k] == *v)));
        match same.and_then(|found| found["events"].as_u64()) {
            Some(events) if work.files().iter().all(|file| file.is_file()) => work.events = events,
            _ => {
                // The mark goes first: a folder without it is one whose making was cut off.
                work.clear("database")?;
                let _ = fs::remove_file(&mark);
                fs::create_dir_all(&work.dir).map_err(|error| cannot(&work.dir, &error))?;
                let mut unfinished = asked.clone();
                unfinished["events"] = Value::Null;
                work.mark(&unfinished)?;
                work.events = generate::files(&work.dir, contacts, seed, until)?.event_count;
                unfinished["events"] = json!(work.events);
                work.mark(&unfinished)?;
            }
        }
        Ok(work)
    }

    fn mark(&self, value: &Value) -> Result<(), Failure> {
        let path = self.dir.join(MARK);
        fs::write(&path, format!("{value}\n")).map_err(|error| cannot(&path, &error))
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn files(&self) -> [PathBuf; 2] {
        [self.dir.join("contacts.csv"), self.dir.join("events.ndjson")]
    }

    fn clear(&self, name: &str) -> Result<(), Failure> {
        let path = self.dir.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(cannot(&path, &error)),
            _ => Ok(()),
        }
    }

    /// Opens a database of the folder on a clock that stands still. What is measured takes no snapshot by itself.
    ///
    /// Errors: those of the database.
    pub fn database(&self, name: &str) -> Result<Database, Failure> {
        let upkeep = Upkeep { scrub_every: std::time::Duration::ZERO, ballast_bytes: 0, ..Upkeep::default() };
        let options = Options { upkeep, auto_snapshot: false, ..Options::folder(self.dir.join(name)) };
        Ok(Database::open(options.at(self.until))?)
    }

    /// A copy of a database that may be written to.
    ///
    /// Errors: those of the database and the disk.
    pub fn copy(&self, db: &Database, name: &str) -> Result<(), Failure> {
        self.clear(name)?;
        db.copy_to(&self.dir.join(name))?;
        Ok(())
    }

    /// Drops a copy.
    ///
    /// Errors: those of the disk.
    pub fn drop_copy(&self, name: &str) -> Result<(), Failure> {
        self.clear(name)
    }

    /// The database with everything in it: imported if a row asks for that, or if it is not there.
    ///
    /// Errors: those of the database and the disk.
    pub fn loaded(&self, machine: &Machine, choice: &Choice, rows: &mut Vec<Row>) -> Result<Database, Failure> {
        let is_measured = IMPORT_ROWS.iter().any(|name| choice.wants(name));
        if !is_measured && self.dir.join("database").is_dir() {
            let db = self.database("database")?;
            let status = db.status();
            if (status.contacts, status.events) == (self.contacts, self.events) {
                return Ok(db);
            }
        }
        let mut imports = Imports::default();
        let watch = Stopwatch::start();
        loop {
            self.clear("database")?;
            let db = self.import(&mut imports)?;
            // Small imports several times; a large one takes minutes, and is its own mean.
            if !is_measured || imports.contacts.len() == 3 || watch.elapsed().as_secs() >= 20 {
                rows.extend(self.rows(imports, machine).into_iter().filter(|row| choice.wants(&row.name)));
                return Ok(db);
            }
            db.close()?;
        }
    }

    fn import(&self, imports: &mut Imports) -> Result<Database, Failure> {
        let memory = |db: &Database| db.status().memory.iter().map(|(_, bytes)| *bytes).sum::<u64>() as f64;
        let db = self.database("database")?;
        let [contacts, events] = self.files();
        let watch = Stopwatch::start();
        load(&db, &contacts, Kind::ContactTable(WriteMode::Merge), self.contacts)?;
        imports.contacts.push(watch.elapsed_ns() as f64 / 1e3 / self.contacts as f64);
        let of_contacts = memory(&db);
        let watch = Stopwatch::start();
        load(&db, &events, Kind::EventLines(db.view().schema().zone().clone()), self.events)?;
        imports.events.push(watch.elapsed_ns() as f64 / 1e3 / self.events as f64);
        imports.of_contacts.push(of_contacts / self.contacts as f64);
        imports.of_events.push((memory(&db) - of_contacts).max(0.0) / self.events as f64);
        // Only the first import starts from a process that holds nothing.
        if let (true, Some(before), Some(after)) = (imports.resident.is_empty(), self.resident, resident_bytes()) {
            imports.resident.push((after.saturating_sub(before) as f64).max(1.0) / self.contacts as f64);
        }
        Ok(db)
    }

    fn rows(&self, imports: Imports, machine: &Machine) -> Vec<Row> {
        let [contacts, events] = self.files().map(|file| fs::metadata(file).map_or(0, |meta| meta.len()) as f64);
        let [each, each_event] = [contacts / self.contacts as f64, events / self.events.max(1) as f64];
        let [a, b, c, d, e] = IMPORT_ROWS;
        const WRITTEN: &str = "the file's bytes, written to this disk and synced";
        const BYTES: &str = "the file's own bytes";
        let mut rows = vec![
            Row::new(a, "us/contact", imports.contacts, (each / machine.write, WRITTEN)).of(self.contacts),
            Row::new(b, "us/event", imports.events, (each_event / machine.write, WRITTEN)).of(self.events),
            Row::new(c, "bytes/contact", imports.of_contacts, (each, BYTES)),
            Row::new(d, "bytes/event", imports.of_events, (12.0, "four bytes for who, eight for when")),
        ];
        if !imports.resident.is_empty() {
            let floor = (contacts + events) / self.contacts as f64;
            rows.push(Row::new(e, "bytes/contact", imports.resident, (floor, "both files' own bytes")));
        }
        rows
    }
}

/// The rows that an import makes.
pub const IMPORT_ROWS: [&str; 5] =
    ["import contacts", "import events", "memory of contacts", "memory of events", "resident memory, all together"];

/// Figures of some imports, one each.
#[derive(Default)]
struct Imports {
    contacts: Vec<f64>,
    events: Vec<f64>,
    of_contacts: Vec<f64>,
    of_events: Vec<f64>,
    resident: Vec<f64>,
}

fn load(db: &Database, path: &Path, kind: Kind, wanted: u64) -> Result<(), Failure> {
    let file = fs::File::open(path).map_err(|error| cannot(path, &error))?;
    let summary =
        import(db, kind, Box::new(file), &mut |_| {}).map_err(|error| Failure::operator(error.to_string()))?;
    if (summary.accepted, summary.rejected) != (wanted, 0) {
        return Err(Failure::operator(format!(
            "{}: {} records went in and {} were refused, where {wanted} were generated",
            path.display(),
            summary.accepted,
            summary.rejected
        )));
    }
    Ok(())
}
