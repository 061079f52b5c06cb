//! A database on a disk that fills up and is freed again, driven as a server is: reads and erasures go on, and writes
//! come back by themselves.

use std::{sync::Arc, time::Duration};

use crate::{
    db::{
        alarm::AlarmKind,
        database::Database,
        error::Error,
        options::{Options, Upkeep},
    },
    model::{
        name::{ContactKey, Name},
        request::{
            ContactWrite, Input, MembersEdit, MembersMode, Request, SegmentCreate, SegmentSource, SuppressionWrite,
            WriteMode,
        },
        time::Timestamp,
    },
    storage::sim_disk::SimDisk,
};

fn options() -> Options {
    let moment = Duration::from_millis(1);
    let upkeep = Upkeep {
        ballast_bytes: 16 << 10,
        space_poll: moment,
        space_return: moment,
        snapshot_retry: [moment; 3],
        ..Upkeep::default()
    };
    let seal_after = Duration::from_secs(3_600);
    let start = Timestamp(1_777_593_600_000);
    Options {
        log_file_bytes: 4 << 10,
        snapshot_log_bytes: 16 << 10,
        seal_after,
        upkeep,
        ..Options::folder("/data").at(start)
    }
}

fn open(disk: &SimDisk) -> Result<Database, Error> {
    Database::open_on(Arc::new(disk.clone()), options())
}

fn key(n: u64) -> ContactKey {
    ContactKey::new(&format!("contact-{n}")).unwrap()
}

fn contact(n: u64) -> Request {
    let text = Input::Text(format!("a text of some length, number {n}").into());
    let values = vec![(Name::new("company").unwrap(), text)];
    Request::Contact(ContactWrite { key: key(n), mode: WriteMode::Merge, values })
}

fn suppression(members: &[u64]) -> Request {
    let source = SegmentSource::Members(members.iter().map(|n| key(*n)).collect());
    let create = SegmentCreate { name: "unsubscribed".into(), description: None, source };
    Request::Suppression(SuppressionWrite::Create(create, Vec::new()))
}

fn is_for_room(error: &Error) -> bool {
    matches!(error, Error::NoRoom(_) | Error::StorageLow(_))
}

/// Tries again until it is taken; only want of room may stand against it.
fn until_taken(db: &Database, request: &Request) {
    loop {
        match db.write(request.clone()) {
            Ok(written) => {
                assert!(written.results[0].is_ok(), "{written:?}");
                return;
            }
            Err(error) => assert!(is_for_room(&error), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One disk of a size: filled by writes, with snapshots asked for between; then read, erased from, freed, written to.
fn run(size: u64, every: u64) -> (u64, u64, u64) {
    let disk = SimDisk::new();
    disk.set_size(Some(size));
    let Ok(db) = open(&disk) else { return (0, 0, 0) };
    // As the keeper does after a while, where there is room for it.
    db.handle.shared.store().unwrap().keep_ballast().unwrap();
    let (mut written, mut refused) = (Vec::new(), 0);
    for n in 0..4_000 {
        match db.write(contact(n)) {
            Ok(done) => {
                assert!(done.results[0].is_ok());
                written.push(n);
            }
            Err(error) => {
                assert!(is_for_room(&error), "size {size}: {error}");
                refused += 1;
                if refused > 3 {
                    break;
                }
            }
        }
        if n % every == every - 1
            && let Err(error) = db.snapshot()
        {
            assert!(is_for_room(&error), "size {size}: {error}");
        }
    }
    assert!(refused > 0, "size {size}: {} contacts fit", written.len());
    assert!(db.failure().is_none(), "size {size}: {:?}", db.failure());
    let holds = |db: &Database, gone: usize| {
        let view = db.view();
        view.check().unwrap();
        assert_eq!(view.everyone().count(), (written.len() - gone) as u64, "size {size}");
        assert!(written[gone..].iter().all(|n| view.has_contact(key(*n).as_str())), "size {size}");
    };
    holds(&db, 0);
    // A start on the full disk loses nothing either.
    if size.is_multiple_of(3) {
        let killed = disk.fork();
        killed.restart();
        holds(&open(&killed).unwrap(), 0);
    }
    // What the ballast is kept for: with it an erasure is always taken. Without it, it depends on the last log file.
    let has_ballast = db.status().disk.unwrap().ballast_bytes > 0;
    let mut gone = 0;
    for n in &written[..written.len().min(3)] {
        match db.write(Request::Erase(key(*n))) {
            Ok(_) => gone += 1,
            Err(error) => assert!(matches!(error, Error::NoRoom(_)) && !has_ballast, "size {size}: {error}"),
        }
    }
    holds(&db, gone);
    disk.set_size(Some(size + (16 << 20)));
    until_taken(&db, &contact(9_999));
    until_taken(&db, &Request::Erase(key(9_999)));
    db.snapshot().unwrap();
    assert!(db.failure().is_none(), "size {size}: {:?}", db.failure());
    while db.check_bulk().is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    holds(&db, gone);
    db.close().unwrap();
    drop(db);
    disk.restart();
    holds(&open(&disk).unwrap(), gone);
    (1, gone as u64, u64::from(has_ballast))
}

#[test]
fn a_full_disk_refuses_what_is_new_and_takes_it_again_once_there_is_room() {
    let (mut runs, mut erased, mut ballasts) = (0, 0, 0);
    for size in (12_000..150_000).step_by(523) {
        for every in [5_000, 37] {
            let (ran, gone, had_ballast) = run(size, every);
            runs += ran;
            erased += gone;
            ballasts += had_ballast;
        }
    }
    println!("{runs} disks, {erased} erasures while they were full, {ballasts} of them with a ballast");
    assert!(
        runs >= 500 && ballasts >= 100 && erased >= runs * 2,
        "{runs} runs, {erased} erasures, {ballasts} ballasts"
    );
}

#[test]
fn the_steps_refuse_what_they_say() {
    let disk = SimDisk::new();
    let db = open(&disk).unwrap();
    for n in 0..20 {
        db.write(contact(n)).unwrap();
    }
    db.snapshot().unwrap();
    let steps = db.status().disk.unwrap().steps;
    let words: Vec<&str> = steps.iter().map(|(word, _)| *word).collect();
    assert_eq!(words, ["low", "no_imports", "deletes_only"]);
    let leave = |bytes: u64| disk.set_size(Some(disk.used() + bytes));
    leave(steps[0].1 - 1);
    let status = db.status();
    assert_eq!(status.disk.unwrap().step, "low");
    assert!(status.alarms.iter().any(|alarm| alarm.kind == AlarmKind::StorageLow), "{:?}", status.alarms);
    assert!(db.check_bulk().is_ok() && db.storage_low().is_none());
    leave(steps[1].1 - 1);
    db.write(contact(1)).unwrap();
    assert!(matches!(db.check_bulk(), Err(Error::StorageLow(_))) && db.storage_low().is_none());
    assert!(matches!(db.submit_patiently(contact(2)).wait(), Err(Error::StorageLow(_))), "as imports write");
    leave(steps[2].1 - 1);
    assert!(matches!(db.write(contact(3)), Err(Error::StorageLow(_))));
    assert!(db.storage_low().is_some());
    let mixed = vec![Request::Erase(key(3)), contact(3)];
    assert!(matches!(db.write(mixed), Err(Error::StorageLow(_))), "a batch is whole");
    assert!(db.write(Request::Erase(key(3))).unwrap().results[0].is_ok());
    assert!(!db.view().has_contact("contact-3"));
    assert!(db.write(suppression(&[1])).unwrap().results[0].is_ok(), "who unsubscribes is never refused");
    let edit =
        |mode, n| MembersEdit { segment: "unsubscribed".into(), edits: vec![(mode, vec![key(n)])], create: false };
    let suppress = |mode, n| db.write(Request::Suppression(SuppressionWrite::Edit(edit(mode, n))));
    assert!(suppress(MembersMode::Add, 2).unwrap().results[0].is_ok());
    assert!(matches!(suppress(MembersMode::Replace, 2), Err(Error::StorageLow(_))));
    assert_eq!(db.view().suppressions()[0].count, 2);
    disk.set_size(None);
    until_taken(&db, &contact(3));
    let status = db.status();
    assert_eq!((status.disk.unwrap().step, status.alarms.len()), ("ample", 0));
}

#[test]
fn a_snapshot_that_does_not_fit_calls_the_operator_until_it_does() {
    let disk = SimDisk::new();
    let options = Options { log_file_bytes: 1 << 10, ..options() };
    let db = Database::open_on(Arc::new(disk.clone()), options).unwrap();
    for n in 0..50 {
        db.write(contact(n)).unwrap();
    }
    db.snapshot().unwrap();
    db.write(contact(50)).unwrap();
    disk.set_size(Some(disk.used() + 2_000));
    assert!(matches!(db.snapshot(), Err(Error::NoRoom(_))));
    let alarms = db.status().alarms;
    assert!(alarms.iter().any(|alarm| alarm.kind == AlarmKind::OperatorNeeded), "{alarms:?}");
    assert!(db.view().has_contact("contact-50"));
    disk.set_size(None);
    db.snapshot().unwrap();
    let called = |db: &Database| db.status().alarms.iter().any(|alarm| alarm.kind == AlarmKind::OperatorNeeded);
    assert!(!called(&db));
}
