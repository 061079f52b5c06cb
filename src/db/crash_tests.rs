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
        request::{
            Applied, ContactWrite, Input, MembersEdit, MembersMode, Request, SegmentCreate, SegmentSource, WriteMode,
        },
        time::Timestamp,
    },
    storage::{
        sim_disk::SimDisk,
        sim_ops::{Fault, FaultKind},
        test_bench::{Dice, on_all_cores},
    },
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
    let write = || Write { requests: pair(0), once: Some(Once { key: "k".into(), digest: 7 }), ..Write::default() };
    let first = open(&disk).unwrap().write(write()).unwrap();
    for _ in 0..2 {
        let db = open(&disk).unwrap();
        let again = db.write(write()).unwrap();
        assert_eq!((again.lsn, &again.results, again.replayed), (first.lsn, &first.results, true));
        db.snapshot().unwrap();
    }
}

/// What became of each write of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    Unknown,
    Refused,
}

/// Opens, writes pairs beside snapshots, and closes; what each writer was told.
fn scenario(disk: &SimDisk) -> Vec<Told> {
    let Ok(db) = open(disk) else { return Vec::new() };
    let mut told = Vec::new();
    for n in 0..6 {
        told.push(match db.write(pair(n)) {
            Ok(written) => {
                assert!(written.results.iter().all(Result::is_ok));
                Told::Done
            }
            Err(Error::OutcomeUnknown(_)) => Told::Unknown,
            Err(error) => {
                assert!(
                    !matches!(error, Error::Rule(_) | Error::Refused(_)) && error.who() == Who::Operator,
                    "{error}"
                );
                Told::Refused
            }
        });
        let seen = db.view().everyone().count() / 2;
        assert_eq!(
            seen,
            told.iter().filter(|told| **told == Told::Done).count() as u64,
            "only what is durable is seen"
        );
        if n % 3 == 1 {
            // It may fail; the next start must not.
            let _failed_or_not = db.snapshot();
        }
    }
    let _failed_or_not = db.close();
    told
}

/// Opens what is left: done is there, refused is not, and of what is unknown both or neither.
fn check_told(disk: &SimDisk, told: &[Told], what: &str) {
    let db = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let view = db.view();
    view.check().unwrap_or_else(|error| panic!("{what}: {error}"));
    for (n, told) in told.iter().enumerate() {
        let there = ["left", "right"].map(|side| view.has_contact(&format!("{side}-{n}")));
        let fits = match told {
            Told::Done => there == [true, true],
            Told::Refused => there == [false, false],
            Told::Unknown => there[0] == there[1],
        };
        assert!(fits, "{what}: pair {n} was {told:?}, and is there: {there:?}");
    }
    assert!(db.write(pair(99)).is_ok(), "{what}: it goes on from there");
}

#[test]
fn every_file_call_of_the_database_fails_and_each_writer_is_told_the_truth() {
    let disk = SimDisk::new();
    assert_eq!(scenario(&disk), [Told::Done; 6]);
    let kinds = [FaultKind::Os(5), FaultKind::Os(28), FaultKind::Short, FaultKind::ErrorAfter(ErrorKind::Other)];
    let calls = disk.calls() as usize;
    let [cases, unknown] = on_all_cores(calls, &|at| {
        let mut sums = [0, 0];
        for (kind, sticky) in kinds.iter().flat_map(|kind| [(*kind, false), (*kind, true)]) {
            let disk = SimDisk::new();
            disk.plan(Some(Fault { at: at as u64, sticky, kind }));
            let told = scenario(&disk);
            let what = format!("call {at} fails, {kind:?}, for ever: {sticky}");
            let cut = disk.fork();
            let mut dice = Dice(at as u64);
            cut.power_cut(&mut |n| dice.roll(n));
            check_told(&cut, &told, &format!("{what}, power cut"));
            disk.restart();
            check_told(&disk, &told, &format!("{what}, restarted"));
            sums[0] += 1;
            sums[1] += u64::from(told.contains(&Told::Unknown));
        }
        sums
    });
    println!("{cases} faults in {calls} calls of the database, {unknown} with an outcome that is unknown");
    assert!(cases == calls as u64 * 8 && cases > 800 && unknown > 50, "{cases}, {unknown}");
}

#[test]
fn the_power_is_cut_at_every_change_while_a_snapshot_is_written_beside_writes() {
    let disk = SimDisk::new();
    let db = open(&disk).unwrap();
    (0..4).for_each(|n| drop(db.write(pair(n)).unwrap()));
    disk.record();
    std::thread::scope(|scope| {
        let snapshots = scope.spawn(|| (0..3).map(|_| db.snapshot().unwrap().lsn).max());
        (4..12).for_each(|n| drop(db.write(pair(n)).unwrap()));
        assert!(snapshots.join().unwrap() > Some(Lsn(4)));
    });
    let moments = disk.take_recorded();
    let mut last = 4;
    for (place, moment) in moments.iter().enumerate() {
        for seed in 0..4 {
            let cut = moment.fork();
            let mut dice = Dice(seed * 1_000 + place as u64);
            cut.power_cut(&mut |n| if seed == 0 { 0 } else { dice.roll(n) });
            let found = pairs(&open(&cut).unwrap());
            assert!((4..=12).contains(&found), "cut at change {place}: {found} pairs");
            // With nothing unsynced surviving, what is there only grows.
            if seed == 0 {
                assert!(found >= last, "cut at change {place}: {found} pairs after {last}");
                last = found;
            }
        }
    }
    assert_eq!(last, 12);
    assert!(moments.len() > 40, "{} changes", moments.len());
}

#[test]
fn an_erased_key_is_in_no_remembered_outcome() {
    let disk = SimDisk::new();
    let db = open(&disk).unwrap();
    let canary = ContactKey::new("canary-4711").unwrap();
    let create = SegmentCreate { name: "list".into(), description: None, source: SegmentSource::Members(vec![]) };
    db.write(Request::CreateSegment(create)).unwrap();
    // The outcome names the key, which is not known yet.
    let edits = vec![(MembersMode::Add, vec![canary.clone()])];
    let edit = Request::EditMembers(MembersEdit { segment: "list".into(), edits, create: false });
    let once = || Some(Once { key: "k".into(), digest: 7 });
    let told = db.write(Write { requests: vec![edit], once: once(), ..Write::default() }).unwrap();
    assert_eq!(told.results, [Ok(Applied::Members { unknown: vec![canary.clone()] })]);
    let values = vec![(Name::new("lead_score").unwrap(), Input::Number(Number::from_int(1)))];
    db.write(Request::Contact(ContactWrite { key: canary.clone(), mode: WriteMode::Merge, values })).unwrap();
    db.write(Request::Erase(canary)).unwrap();
    db.snapshot().unwrap();
    let dir = std::path::Path::new("/data");
    for name in disk.names(dir) {
        let bytes = disk.contents(&dir.join(&name)).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"canary-4711"), "{name}");
    }
}
