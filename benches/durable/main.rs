//! Durable writes: how many a second against what the disk can sync, and what a snapshot beside them costs. Prints a
//! table; judges nothing.
//!
//! `cargo bench --bench durable -- --contacts 1000000 --clients 64 --seconds 10 --rounds 5`. Rounds with snapshots and
//! without take turns, as a disk that others use, too, is not the same from one minute to the next. Every write is one contact, one batch,
//! synced before it is answered. The disk's own rate is taken in the same minute, before and after each row: synced
//! writes of 4 KiB into a file whose room is there already, one after the other. A ratio above 1 is group commit.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use throng::{
    cli::{bench::floors, generate::person::person},
    db::{
        database::Database,
        options::{Options, Upkeep},
    },
    model::{
        name::{ContactKey, Name},
        number::Number,
        request::{ContactWrite, Input, Request, WriteMode},
        time::Timestamp,
    },
};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: u64| {
        let value = arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
        value.map_or(default, |n| n.parse().unwrap_or_else(|_| panic!("{name} takes a number")))
    };
    let (contacts, clients) = (option("--contacts", 1_000_000), option("--clients", 64));
    let time = Duration::from_secs(option("--seconds", 10));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let open = |snapshot_age| {
        let upkeep = Upkeep { snapshot_age, scrub_every: Duration::ZERO, ..Upkeep::default() };
        // Room enough for no snapshot to be due by the length of the log.
        let snapshot_log_bytes = 1 << 40;
        let options = Options { upkeep, snapshot_log_bytes, ..Options::folder(&data) };
        Database::open(options).expect("the folder opens")
    };
    let db = open(MONTH);
    load(&db, contacts);
    db.close().expect("the database closes");
    drop(db);
    let mut ratios = Vec::new();
    for round in 1..=option("--rounds", 3) {
        println!("{contacts} contacts, {clients} clients, round {round}");
        let db = open(MONTH);
        let alone = measure(&db, clients, contacts, time, folder.path());
        alone.print("no snapshot", None);
        // A write that no snapshot holds would keep the next one waiting for a minute after the start.
        db.snapshot().expect("a snapshot is written");
        db.close().expect("the database closes");
        drop(db);
        // As soon as one snapshot is done the next one is due.
        let db = open(Duration::from_millis(1));
        let beside = measure(&db, clients, contacts, time, folder.path());
        beside.print("snapshots one after the other", Some(&alone));
        db.close().expect("the database closes");
        ratios.push(beside.at(0.99) / alone.at(0.99));
    }
    ratios.sort_unstable_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (ratios.first(), ratios.last()) {
        let median = ratios[ratios.len() / 2];
        let told = format!("{median:.2} to 1, of {} rounds from {least:.2} to {most:.2}", ratios.len());
        println!("{:<62} {told:>52}", "p99 beside snapshots against none, the median");
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("the name is short")
}

fn load(db: &Database, contacts: u64) {
    let now = Timestamp::parse("2026-05-01T00:00:00Z").expect("the instant is well formed");
    let text = |text: &str| Input::Cell(text.into());
    let numbers: Vec<u64> = (0..contacts).collect();
    for part in numbers.chunks(10_000) {
        let requests = part.iter().map(|number| {
            let (who, _) = person(1, *number, now);
            let mut values = vec![(name("country"), text(who.country)), (name("city"), text(who.city))];
            values.extend(who.email.as_deref().map(|email| (name("email"), text(email))));
            Request::Contact(ContactWrite { key: key(*number), mode: WriteMode::Merge, values })
        });
        db.write(requests.collect::<Vec<_>>()).expect("the contacts are written");
    }
}

fn key(number: u64) -> ContactKey {
    ContactKey::new(&format!("c{number:08}")).expect("keys are short")
}

/// What was measured of writes.
struct Row {
    /// Units: microseconds, ascending.
    times: Vec<u32>,
    seconds: f64,
    /// Syncs a second of the disk alone.
    syncs: f64,
    snapshots: u64,
    /// The longest that a snapshot held up the writer. Units: microseconds.
    held_us: u64,
}

fn measure(db: &Database, clients: u64, contacts: u64, time: Duration, folder: &Path) -> Row {
    let before = syncs(folder);
    let is_over = AtomicBool::new(false);
    let times = Mutex::new(Vec::new());
    let (mut snapshots, mut held_us) = (0, 0);
    let watch = Instant::now();
    let mut seconds = 0.0;
    thread::scope(|scope| {
        for client in 0..clients {
            let (is_over, times) = (&is_over, &times);
            scope.spawn(move || {
                let mut own = Vec::new();
                let mut number = client;
                while !is_over.load(Ordering::Relaxed) {
                    number = (number + 7_919 * clients) % contacts;
                    let score = Input::Number(Number::from_int((own.len() % 100) as i64));
                    let values = vec![(name("lead_score"), score)];
                    let write = ContactWrite { key: key(number), mode: WriteMode::Merge, values };
                    let watch = Instant::now();
                    db.write(Request::Contact(write)).expect("the write is taken");
                    own.push(u32::try_from(watch.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
                times.lock().expect("no client panics").append(&mut own);
            });
        }
        let mut last = db.status().last_snapshot.map(|info| info.lsn);
        while watch.elapsed() < time {
            thread::sleep(Duration::from_millis(20));
            if let Some(info) = db.status().last_snapshot.filter(|info| Some(info.lsn) != last) {
                (last, snapshots, held_us) = (Some(info.lsn), snapshots + 1, info.held_us.max(held_us));
            }
        }
        seconds = watch.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Relaxed);
    });
    let mut times = times.into_inner().expect("no client panics");
    times.sort_unstable();
    Row { times, seconds, syncs: (before + syncs(folder)) / 2.0, snapshots, held_us }
}

/// How often a second the disk alone syncs.
fn syncs(folder: &Path) -> f64 {
    1e6 / floors::sync_us(folder).expect("the disk is measured")
}

impl Row {
    fn at(&self, share: f64) -> f64 {
        let place = (self.times.len() as f64 * share) as usize;
        self.times.get(place.min(self.times.len().saturating_sub(1))).map_or(0.0, |us| f64::from(*us) / 1_000.0)
    }

    fn print(&self, told: &str, alone: Option<&Row>) {
        let row = |what: &str, figure: String| println!("{:<62} {figure:>52}", format!("{told}: {what}"));
        let rate = self.times.len() as f64 / self.seconds;
        let ratio = rate / self.syncs;
        row("durable writes", format!("{rate:.0}/s; disk {:.0} syncs/s; {ratio:.2} to 1", self.syncs));
        let (p50, p99, most) = (self.at(0.5), self.at(0.99), self.at(1.0));
        row("latency p50, p99, most", format!("{p50:.2} ms, {p99:.2} ms, {most:.2} ms"));
        if let Some(alone) = alone {
            let times = p99 / alone.at(0.99);
            row("p99 against no snapshot (at most 2 is asked for)", format!("{times:.2} to 1"));
            let held = self.held_us;
            row("the writer held up by a snapshot, the longest", format!("{held} µs, of {} snapshots", self.snapshots));
        }
    }
}
