//! The main job at real size: generate, import, ask, snapshot, open. Prints a table; judges nothing.
//!
//! `cargo bench --bench scale -- --contacts 10000000`. Figures are for comparison within one run: the last rows tell
//! what this machine's memory and disk gave in the same minute.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::Instant,
};

use throng::{
    cli::{demo::EXAMPLES, generate::person::person},
    db::{database::Database, options::Options},
    http::{import::import, records::Kind},
    model::{
        request::{RuleSource, WriteMode},
        time::Timestamp,
    },
};

/// Further questions, one of each kind of index.
const QUESTIONS: &[&str] = &[
    "Has tag \"VIP\"",
    "Tag in (\"Partner\", \"Beta\", \"Press\")",
    "Country in (US, \"IN\", BR, GB, DE, FR, JP, MX, ES, IT)",
    "Name contains \"ann\"",
    "Email domain is \"company.com\"",
    "Lead Score between 40 and 60 AND No tag \"Newsletter\"",
    "No conversation in 60 days",
    "did email_opened at least 3 times in last 30 days",
    "sum(purchase.amount) in last 365 days > $500",
    "did form_submitted then purchase within 30 days",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let contacts: u64 = option("--contacts").map_or(1_000_000, |n| n.parse().expect("--contacts takes a number"));
    let until = Timestamp::parse("2026-05-01T00:00:00Z").expect("the instant is well formed");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut rows: Vec<(String, String)> = Vec::new();

    let watch = Instant::now();
    let (files, text_bytes, events) = generate(folder.path(), contacts, until);
    rows.push(("generate".into(), format!("{:.1} s", watch.elapsed().as_secs_f64())));

    let data = folder.path().join("data");
    let before = resident_bytes();
    let options = || Options::folder(&data).at(until);
    let db = Database::open(options()).expect("a new folder opens");
    let watch = Instant::now();
    let loaded = load(&db, &files[0], Kind::ContactTable(WriteMode::Merge));
    let seconds = watch.elapsed().as_secs_f64();
    assert_eq!(loaded, contacts, "every contact goes in");
    rows.push(("import contacts, CSV, durable".into(), format!("{:.0} contacts/s", contacts as f64 / seconds)));
    let memory = resident_bytes().saturating_sub(before);
    let beyond = memory.saturating_sub(text_bytes) as f64 / contacts as f64;
    rows.push(("memory beyond the text".into(), format!("{beyond:.0} bytes a contact")));

    let watch = Instant::now();
    let zone = db.view().schema().zone().clone();
    assert_eq!(load(&db, &files[1], Kind::EventLines(zone)), events, "every event goes in");
    rows.push((
        "import events, NDJSON, durable".into(),
        format!("{:.0} events/s", events as f64 / watch.elapsed().as_secs_f64()),
    ));
    let with_events = resident_bytes().saturating_sub(before).saturating_sub(memory);
    rows.push((
        "memory of events, columns included".into(),
        format!("{:.1} bytes an event", with_events as f64 / events.max(1) as f64),
    ));

    let counts = ask(&db, &mut rows);
    let watch = Instant::now();
    let snapshot = db.snapshot().expect("a snapshot is written");
    rows.push((
        "snapshot".into(),
        format!("{:.1} s, {:.2} GiB", watch.elapsed().as_secs_f64(), snapshot.bytes as f64 / (1u64 << 30) as f64),
    ));
    db.close().expect("the database closes");
    drop(db);

    let watch = Instant::now();
    let db = Database::open(options()).expect("the folder opens again");
    let opened = watch.elapsed();
    let first = counted(&db, EXAMPLES[0].1);
    rows.push((
        "open from the snapshot".into(),
        format!("{:.3} s; first answer after {:.3} s", opened.as_secs_f64(), watch.elapsed().as_secs_f64()),
    ));
    assert_eq!(first, counts[0], "the answers are the same after a restart");
    rows.push(("memory read, one core".into(), format!("{:.1} GB/s", memory_read())));
    rows.push(("one synced write of 4 KiB".into(), format!("{:.0} µs", sync_us(folder.path()))));

    println!("\n{contacts} contacts, {events} events");
    for (what, figure) in rows {
        println!("{what:<78} {figure:>36}");
    }
}

/// Writes both files; gives them, the bytes of text that differs from contact to contact, and the number of events.
fn generate(folder: &Path, contacts: u64, until: Timestamp) -> ([PathBuf; 2], u64, u64) {
    let (mut text_bytes, mut events) = (0, 0);
    for number in 0..contacts {
        let (who, deeds) = person(1, number, until);
        let texts = [Some(&who.key), who.email.as_ref(), who.phone.as_ref()];
        text_bytes += texts.into_iter().flatten().map(|text| text.len() as u64).sum::<u64>();
        events += deeds.len() as u64;
    }
    let program = env!("CARGO_BIN_EXE_throng");
    let status = std::process::Command::new(program)
        .args(["generate", "--contacts", &contacts.to_string(), "--out"])
        .arg(folder)
        .status()
        .expect("the program runs");
    assert!(status.success(), "throng generate succeeds");
    ([folder.join("contacts.csv"), folder.join("events.ndjson")], text_bytes, events)
}

fn load(db: &Database, file: &Path, kind: Kind) -> u64 {
    let file: Box<dyn Read + Send> = Box::new(fs::File::open(file).expect("the file is there"));
    let summary = import(db, kind, file, &mut |_| {}).expect("the import succeeds");
    assert_eq!(summary.rejected, 0, "nothing is refused: {:?}", summary.errors);
    summary.accepted
}

fn counted(db: &Database, text: &str) -> u64 {
    let view = db.view();
    let rule = view.parse_rule(&RuleSource::Text(text.into())).expect("the rule parses");
    view.count(&rule, None).expect("the rule is answered")
}

/// Each question several times, unsaved; gives the counts.
fn ask(db: &Database, rows: &mut Vec<(String, String)>) -> Vec<u64> {
    let mut counts = Vec::new();
    for text in EXAMPLES.iter().map(|(_, rule)| *rule).chain(QUESTIONS.iter().copied()) {
        counts.push(timed(text.replace('\n', " "), rows, || counted(db, text)));
    }
    // What the editor shows while a rule is typed: every part of it by itself.
    for ((name, text), wanted) in EXAMPLES.iter().zip(&counts) {
        let count = timed(format!("every part of \"{name}\""), rows, || outlined(db, text));
        assert_eq!(count, *wanted, "the whole of the parts is the rule");
    }
    counts
}

/// A row with the median of seven runs, and the fastest.
fn timed(what: String, rows: &mut Vec<(String, String)>, mut run: impl FnMut() -> u64) -> u64 {
    let (mut times, mut count) = (Vec::<f64>::new(), 0);
    for _ in 0..7 {
        let watch = Instant::now();
        count = run();
        times.push(watch.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    rows.push((what, format!("{count:>10}  {:>9.3} ms [{:.3}]", times[3], times[0])));
    count
}

fn outlined(db: &Database, text: &str) -> u64 {
    let view = db.view();
    let rule = view.parse_rule(&RuleSource::Text(text.into())).expect("the rule is one");
    view.outline(&rule, None).expect("the rule can be asked").0.count
}

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

fn memory_read() -> f64 {
    let words = vec![1u64; 1 << 26];
    let watch = Instant::now();
    let sum: u64 = words.chunks_exact(8).map(|chunk| chunk.iter().sum::<u64>()).sum();
    assert_eq!(sum, 1 << 26, "every word was read");
    (words.len() * 8) as f64 / watch.elapsed().as_secs_f64() / 1e9
}

fn sync_us(folder: &Path) -> f64 {
    use std::io::Write;
    let mut file = fs::File::create(folder.join("sync")).expect("a file");
    let mut times: Vec<f64> = (0..50)
        .map(|_| {
            let watch = Instant::now();
            file.write_all(&[0; 4_096]).and_then(|()| file.sync_data()).expect("a synced write");
            watch.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[25]
}
