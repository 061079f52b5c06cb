//! The pieces under criterion: evaluation and import, at a size that a laptop runs in a minute.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use throng::{
    cli::{
        bench::questions,
        demo::EXAMPLES,
        generate::{HEADER, person::person, write_event, write_row},
    },
    db::{database::Database, options::Options},
    http::{import::import, records::Kind},
    model::{
        request::{RuleSource, WriteMode},
        time::Timestamp,
    },
};

const CONTACTS: u64 = 50_000;

fn until() -> Timestamp {
    Timestamp::parse("2026-05-01T00:00:00Z").expect("the instant is well formed")
}

/// Generated contacts as CSV and their events as NDJSON.
fn files(contacts: u64) -> (Vec<u8>, Vec<u8>) {
    let (mut table, mut lines) = (HEADER.as_bytes().to_vec(), Vec::new());
    for number in 0..contacts {
        let (who, deeds) = person(1, number, until());
        write_row(&mut table, &who);
        deeds.iter().for_each(|deed| write_event(&mut lines, &who.key, deed));
    }
    (table, lines)
}

fn loaded() -> Database {
    let db = Database::open(Options::default().at(until())).expect("a database in memory opens");
    let (table, lines) = files(CONTACTS);
    let zone = db.view().schema().zone().clone();
    for (kind, bytes) in [(Kind::ContactTable(WriteMode::Merge), table), (Kind::EventLines(zone), lines)] {
        let summary = import(&db, kind, Box::new(std::io::Cursor::new(bytes)), &mut |_| {}).expect("it loads");
        assert_eq!(summary.rejected, 0, "nothing is refused: {:?}", summary.errors);
    }
    db
}

fn evaluation(criterion: &mut Criterion) {
    let db = loaded();
    let view = db.view();
    let mut group = criterion.benchmark_group("count");
    for (name, text) in questions::rules() {
        let rule = view.parse_rule(&RuleSource::Text(text.into())).expect("the rule parses");
        group.bench_function(name, |bencher| bencher.iter(|| black_box(view.count(&rule, None))));
    }
    group.finish();
    // What the editor shows while a rule is typed: every part of it by itself.
    let mut group = criterion.benchmark_group("every part");
    for (name, text) in EXAMPLES {
        let rule = view.parse_rule(&RuleSource::Text((*text).into())).expect("the rule parses");
        group.bench_function(*name, |bencher| {
            bencher.iter(|| black_box(view.outline(&rule, None).map(|told| told.0.count)))
        });
    }
    group.finish();
}

fn importing(criterion: &mut Criterion) {
    let (table, lines) = files(5_000);
    let mut group = criterion.benchmark_group("import");
    group.sample_size(10);
    group.throughput(Throughput::Elements(5_000));
    group.bench_function("contacts, in memory", |bencher| {
        bencher.iter_batched(
            || Database::open(Options::default().at(until())).expect("a database in memory opens"),
            |db| {
                let reader = Box::new(std::io::Cursor::new(table.clone()));
                import(&db, Kind::ContactTable(WriteMode::Merge), reader, &mut |_| {}).expect("it loads")
            },
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(lines.iter().filter(|byte| **byte == b'\n').count() as u64));
    group.bench_function("events, in memory", |bencher| {
        bencher.iter_batched(
            || Database::open(Options::default().at(until())).expect("a database in memory opens"),
            |db| {
                let zone = db.view().schema().zone().clone();
                let reader = Box::new(std::io::Cursor::new(lines.clone()));
                import(&db, Kind::EventLines(zone), reader, &mut |_| {}).expect("it loads")
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, evaluation, importing);
criterion_main!(benches);
