//! `throng bench`: every job of the database against what this very machine can do at best.

use std::{
    fs::{self, OpenOptions},
    io::{BufWriter, stdin, stdout},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    cli::{
        bench::{
            floors::Machine,
            rows::{Choice, Row},
            server::Server,
            work::Work,
        },
        failure::Failure,
        query::{pretty, print},
        show,
    },
    db::{clock::Stopwatch, clock::system_now},
};

pub mod ask;
pub mod calls;
pub mod change;
pub mod floors;
pub mod pipe;
pub mod questions;
pub mod report;
pub mod rows;
pub mod server;
pub mod stream;
pub mod work;

/// The least that is measured: below it a row would tell of the stopwatch alone.
const CONTACTS_MIN: u64 = 10_000;

/// Measure this machine: every job of the database against what the machine itself can do.
#[derive(Args, Debug)]
#[command(after_help = "Generates contacts with their events, imports them, asks fourteen rules, a predicate \
    of each kind that no set is kept for, and random segments, writes snapshots and opens them,\nstreams everyone's key from a server and has many clients call it, saves segments and has events and time go through them.\nEach row has the median of several runs, and \
    beside it a floor:\nwhat memory, disk, or a loop written for just this question needs on this machine, measured in the same run. \
    \"to floor\" is how\nmany times as long the database takes. Counts are compared with the loop's and with those of the `roaring` crate, and must \
    agree.\n\nQuestions use all cores, floors one: set RAYON_NUM_THREADS=1 to have both on one.\n\nExamples:\n  \
    throng bench                                       a million contacts, in a folder that goes afterwards\n  \
    throng bench --contacts 10000000 --data bench      keeps files and database, for the next run\n  \
    throng bench --data bench --only count: --only ids:  the rules alone\n  \
    throng bench --save before.json                    and after a change: --compare before.json\n  \
    throng bench --report bench.html                   the same with plots, one file")]
pub struct Bench {
    /// How many contacts, at least 10,000.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(CONTACTS_MIN..=100_000_000))]
    contacts: u64,
    /// How many random segments are counted and saved.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    segments: u64,
    /// How many runs a row has; long jobs have fewer.
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    runs: u64,
    /// The seed of the data.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The folder for files and database; what an earlier run left there of the same size and seed is used again, and
    /// of another is refused. Without it, a folder that goes when the run ends.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Measure only the rows that have this in their names; may be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Write the figures to a file, for `--compare`.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Tell for each row how many times as long as in an earlier run it takes.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Write a page with plots, one file that needs nothing else.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
    /// Measure nothing: answer questions from standard input, a JSON object a line, each with its time in microseconds.
    #[arg(long, conflicts_with_all = ["only", "save", "compare", "report", "json"])]
    ask: bool,
}

impl Bench {
    /// Measures, prints, and writes what was asked for.
    pub fn run(self) -> Result<(), Failure> {
        let choice = Choice(self.only.clone());
        choice.check(&names())?;
        let before = self.compare.as_deref().map(|path| self.earlier(path)).transpose()?;
        // Better now than after an hour.
        for path in [&self.save, &self.report].into_iter().flatten() {
            let opened = OpenOptions::new().append(true).create(true).open(path);
            opened.map_err(|error| Failure::operator(format!("{} cannot be written: {error}", path.display())))?;
        }
        if cfg!(debug_assertions) {
            eprintln!(
                "note: this program was built without optimisation; build it with --release for figures that mean something"
            );
        }
        let watch = Stopwatch::start();
        let work = Work::open(self.data.clone(), self.contacts, self.seed)?;
        if self.ask {
            return self.answer(&work);
        }
        let machine = Machine::measure(work.dir())?;
        let rows = self.measure(&work, &machine, &choice)?;
        let mut told = self.told(&work, &machine, &rows);
        told["took_s"] = json!(watch.elapsed().as_secs());
        if let Some(before) = &before {
            for (row, value) in rows.iter().zip(told["rows"].as_array_mut().into_iter().flatten()) {
                value["to_before"] = json!(rows::change(row, before));
            }
        }
        if let Some(path) = &self.save {
            write(path, &format!("{}\n", pretty(&told)))?;
        }
        if let Some(path) = &self.report {
            write(path, &report::page(&told))?;
        }
        if self.json {
            return print(&pretty(&told));
        }
        let machine = &told["machine"];
        print(&format!(
            "{} contacts, {} events, {}, {} cores; one core reads {:.1} GB/s; one sync {}\n",
            show::grouped(work.contacts),
            show::grouped(work.events),
            machine["cpu"].as_str().unwrap_or_default(),
            machine["cores"],
            machine["memory_read_gb_s"].as_f64().unwrap_or(0.0),
            rows::shown(machine["sync_us"].as_f64().unwrap_or(0.0), "us"),
        ))?;
        print(&rows::table(&rows, before.as_ref()))
    }

    fn measure(&self, work: &Work, machine: &Machine, choice: &Choice) -> Result<Vec<Row>, Failure> {
        let (runs, mut rows) = (self.runs as usize, Vec::new());
        let spinner = show::spinner();
        let stage = |told: &'static str| spinner.set_message(told);
        stage("importing");
        let db = work.loaded(machine, choice, &mut rows)?;
        stage("asking the rules");
        {
            let view = db.view();
            ask::rules(&view, runs, choice, &mut rows)?;
            stage("asking for each kind of predicate");
            ask::kinds(&view, runs, choice, &mut rows)?;
            stage("asking random segments");
            ask::random(&view, self.segments, runs, choice, &mut rows)?;
        }
        let mut db = db;
        if change::FILE_ROWS.iter().any(|name| choice.wants(name)) {
            stage("writing snapshots and opening them");
            db = change::files(work, db, machine, runs, choice, &mut rows)?;
        }
        let served = stream::names().into_iter().chain(calls::names()).any(|name| choice.wants(&name));
        if served {
            stage("serving a copy");
            let server = Server::start(work, &db)?;
            stage("streaming everyone's key over HTTP");
            stream::rows(&server, work.contacts, runs, choice, &mut rows)?;
            stage("calling over HTTP");
            calls::rows(&server, work.contacts, runs, choice, &mut rows)?;
        }
        stage("saving segments, events and time through them");
        change::live(work, &db, machine, (self.segments, runs), choice, &mut rows)?;
        db.close()?;
        spinner.finish_and_clear();
        Ok(rows)
    }

    fn answer(&self, work: &Work) -> Result<(), Failure> {
        let none = Choice(vec![ask::RANDOM_ROW.into()]);
        let machine = Machine::measure(work.dir())?;
        let db = work.loaded(&machine, &none, &mut Vec::new())?;
        // What a script writes is not to be found by the next run.
        work.copy(&db, "asked")?;
        db.close()?;
        let copy = work.database("asked")?;
        pipe::answer(&copy, stdin().lock(), BufWriter::new(stdout().lock()))?;
        copy.close()?;
        work.drop_copy("asked")
    }

    fn told(&self, work: &Work, machine: &Machine, rows: &[Row]) -> Value {
        json!({
            "machine": machine.json(), "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
            "throng": env!("CARGO_PKG_VERSION"), "optimised": !cfg!(debug_assertions), "at": system_now().to_string(),
            "contacts": work.contacts, "events": work.events, "segments": self.segments, "seed": self.seed,
        })
    }

    /// The rows of an earlier run, by name.
    fn earlier(&self, path: &Path) -> Result<Map<String, Value>, Failure> {
        let cannot = |what: String| Failure::caller(format!("{}: {what}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
        let told: Value = serde_json::from_str(&text).map_err(|error| cannot(error.to_string()))?;
        let rows = told["rows"].as_array().ok_or_else(|| cannot("not the figures of a run (--save)".into()))?;
        for (key, own) in [("contacts", self.contacts), ("segments", self.segments), ("seed", self.seed)] {
            if told[key].as_u64() != Some(own) {
                return Err(cannot(format!(
                    "a run with {key} {}, this one has {own}; such figures say nothing",
                    told[key]
                )));
            }
        }
        if told["optimised"].as_bool() != Some(!cfg!(debug_assertions)) {
            return Err(cannot(
                "a run of a program that was built with other optimisation; such figures say nothing".into(),
            ));
        }
        Ok(rows.iter().filter_map(|row| Some((row["name"].as_str()?.to_owned(), row.clone()))).collect())
    }
}

/// The names of all rows.
fn names() -> Vec<String> {
    let fixed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let [import, file, live] = [fixed(&work::IMPORT_ROWS), fixed(&change::FILE_ROWS), fixed(&change::LIVE_ROWS)];
    [import, ask::names(), file, stream::names(), calls::names(), live].concat()
}

/// Writes a file in one step, so that what an earlier run left there stays until this one is whole.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| Failure::operator(format!("{} cannot be written: {error}", path.display())))
}
