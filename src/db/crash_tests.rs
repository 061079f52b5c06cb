//! Tests of stops at any moment: what was acknowledged is there again, and nothing else is half there.

use std::{io::ErrorKind, sync::Arc};

use crate::{
    db::{
        database::{Database, Once, Write},
        error::{Error, Who},
        options::Options,
    },
    model::{
        id::Lsn,
        name::{ContactKey, Name},
        number::Number,
        request::{ContactWrite, Input, Request, WriteMode},
        time::Timestamp,
    },
    storage::sim_disk::{Fault, FaultKind, SimDisk},
};

fn options() -> Options {
    // Calls to the disk are counted: none may come by itself.
    let seal_after = std::time::Duration::from_secs(3_600);
    Options { log_file_bytes: 64 << 10, seal_after, ..Options::folder("/data").at(Timestamp(1_777_593_600_000)) }
}

fn open(disk: &SimDisk) -> Result<Database, Error> {
    Database::open_on(Arc::new(disk.clone()), options())
}

/// Two contacts that must come and go together.
fn pair(n: u64) -> Vec<Request> {
    let contact = |key: String| {
        let values = vec![(Name::new("lead_score").unwrap(), Input::Number(Number::from_int(n as i64)))];
        Request::Contact(ContactWrite { key: ContactKey::new(&key).unwrap(), mode: WriteMode::Merge, values })
    };
    vec![contact(format!("left-{n}")), contact(format!("right-{n}"))]
}

/// The pairs that are there: all of a prefix, each whole.
fn pairs(db: &Database) -> u64 {
    let view = db.view();
    view.check().unwrap();
    let count = view.everyone().count();
    assert_eq!(count % 2, 0, "a batch is there whole or not at all");
    for n in 0..count / 2 {
        assert!(view.has_contact(&format!("left-{n}")) && view.has_contact(&format!("right-{n}")));
    }
    count / 2
}

#[test]
fn a_kill_or_a_power_cut_after_any_write_loses_nothing_acknowledged() {
    let disk = SimDisk::new();
    let db = open(&disk).unwrap();
    let mut dice = 12_345u64;
    let mut choose = move |n: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % n
    };
    for n in 0..12 {
        db.write(pair(n)).unwrap();
        if n % 5 == 3 {
            db.snapshot().unwrap();
        }
        let killed = disk.fork();
        killed.restart();
        assert_eq!(pairs(&open(&killed).unwrap()), n + 1);
        let cut = disk.fork();
        cut.power_cut(&mut choose);
        let again = open(&cut).unwrap();
        assert_eq!(pairs(&again), n + 1);
        assert!(again.write(pair(n + 1)).is_ok(), "it goes on from there");
    }
}

#[test]
fn a_failed_sync_latches_until_it_is_opened_again() {
    for kind in [FaultKind::Error(ErrorKind::Other), FaultKind::ErrorAfter(ErrorKind::Other)] {
        let disk = SimDisk::new();
        let db = open(&disk).unwrap();
        db.write(pair(0)).unwrap();
        disk.plan(Some(Fault { at: disk.calls(), sticky: true, kind }));
        let error = db.write(pair(1)).unwrap_err();
        assert!(matches!(error, Error::OutcomeUnknown(_)) && error.who() == Who::Operator, "{error}");
        disk.plan(None);
        assert!(matches!(db.write(pair(2)), Err(Error::ReadOnly(_))), "never again after a failed sync");
        assert_eq!((pairs(&db), db.view().lsn()), (1, Lsn(2)), "reads go on, at what was acknowledged");
        assert!(db.status().read_only.is_some());
        drop(db);
        disk.restart();
        let db = open(&disk).unwrap();
        assert!((1..=2).contains(&pairs(&db)));
    }
}

#[test]
fn dropped_without_close_in_the_middle_of_a_stream() {
    let disk = SimDisk::new();
    let db = open(&disk).unwrap();
    let acknowledged = Arc::new(std::sync::atomic::AtomicU64::new(0));
    for n in 0..300 {
        let acknowledged = Arc::clone(&acknowledged);
        let done = move |result: Result<crate::db::record::Written, Error>| {
            result.unwrap();
            acknowledged.fetch_max(n + 1, std::sync::atomic::Ordering::SeqCst);
        };
        db.submit(pair(n), Box::new(done));
    }
    let before = acknowledged.load(std::sync::atomic::Ordering::SeqCst);
    let killed = disk.fork();
    killed.restart();
    let recovered = pairs(&open(&killed).unwrap());
    assert!((before..=300).contains(&recovered), "{recovered} of at least {before}");
    drop(db);
    assert_eq!(pairs(&open(&disk).unwrap()), 300, "closing writes what waits");
}

#[test]
fn nobody_is_told_of_a_write_that_failed() {
    let disk = SimDisk::new();
    let db = open(&disk).unwrap();
    let told = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = Arc::clone(&told);
    db.on_publish(Box::new(move |_| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        true
    }));
    disk.plan(Some(Fault { at: disk.calls(), sticky: true, kind: FaultKind::Error(ErrorKind::Other) }));
    assert!(matches!(db.write(pair(0)), Err(Error::OutcomeUnknown(_))));
    drop(db);
    assert_eq!(told.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[test]
fn a_retry_after_a_restart_is_answered_as_before() {
    let disk = SimDisk::new();
    let write = || Write { requests: pair(0), once: Some(Once { key: "k".into(), digest: 7 }) };
    let first = open(&disk).unwrap().write(write()).unwrap();
    for _ in 0..2 {
        let db = open(&disk).unwrap();
        let again = db.write(write()).unwrap();
        assert_eq!((again.lsn, &again.results, again.replayed), (first.lsn, &first.results, true));
        db.snapshot().unwrap();
    }
}
