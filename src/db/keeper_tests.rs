//! What the keeper does by itself: snapshots of old writes, again and again until one succeeds, at its pace; and damage
//! of files at rest.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    db::{
        alarm::AlarmKind,
        checkpoint::{self, Manner},
        clock::Stopwatch,
        database::Database,
        error::Error,
        options::{Options, Upkeep},
    },
    model::{
        id::Lsn,
        name::{ContactKey, Name},
        request::{ContactWrite, Input, Request, WriteMode},
        time::Timestamp,
    },
    storage::{names::snapshot_name, sim_disk::SimDisk, verify::verify_folder},
};

const MOMENT: Duration = Duration::from_millis(1);

fn options(upkeep: Upkeep) -> Options {
    let start = Timestamp(1_777_593_600_000);
    let seal_after = Duration::from_secs(3_600);
    Options { log_file_bytes: 4 << 10, seal_after, upkeep, ..Options::folder("/data").at(start) }
}

fn upkeep() -> Upkeep {
    Upkeep { space_poll: MOMENT, space_return: MOMENT, snapshot_retry: [MOMENT; 3], ..Upkeep::default() }
}

fn contact(n: u64) -> Request {
    let values = vec![(Name::new("company").unwrap(), Input::Text(format!("company {n}").into()))];
    let key = ContactKey::new(&format!("contact-{n}")).unwrap();
    Request::Contact(ContactWrite { key, mode: WriteMode::Merge, values })
}

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::sleep(MOMENT);
    }
}

fn has_alarm(db: &Database, kind: AlarmKind) -> bool {
    db.status().alarms.iter().any(|alarm| alarm.kind == kind)
}

#[test]
fn an_old_write_makes_a_snapshot_and_an_idle_database_none() {
    let disk = SimDisk::new();
    let upkeep = Upkeep { snapshot_age: MOMENT, ..upkeep() };
    let db = Database::open_on(Arc::new(disk.clone()), options(upkeep)).unwrap();
    for n in 0..5 {
        let lsn = db.write(contact(n)).unwrap().lsn;
        until(|| db.status().snapshot_lsn >= lsn);
    }
    let lsn = db.status().snapshot_lsn;
    std::thread::sleep(20 * MOMENT);
    assert_eq!((db.status().snapshot_lsn, db.status().lsn), (lsn, lsn), "nothing new, no snapshot");
}

#[test]
fn snapshots_that_fail_are_tried_again_with_an_alarm_until_one_succeeds() {
    let disk = SimDisk::new();
    let upkeep = Upkeep { snapshot_age: 5 * MOMENT, ..upkeep() };
    let db = Database::open_on(Arc::new(disk.clone()), options(upkeep)).unwrap();
    db.write(contact(0)).unwrap();
    until(|| db.status().snapshot_lsn == Lsn(2));
    disk.set_size(Some(disk.used() + 4_000));
    let lsn = loop {
        // It may be refused for want of room already, which is no write that could grow old.
        match db.write(Request::Erase(ContactKey::new("contact-0").unwrap())) {
            Ok(written) => break written.lsn,
            Err(error) => assert!(matches!(error, Error::NoRoom(_) | Error::StorageLow(_)), "{error}"),
        }
    };
    until(|| has_alarm(&db, AlarmKind::SnapshotFailing) && has_alarm(&db, AlarmKind::OperatorNeeded));
    assert!(db.failure().is_none() && db.view().lsn() == lsn);
    disk.set_size(None);
    until(|| db.status().snapshot_lsn == lsn && db.status().alarms.is_empty());
    db.write(contact(1)).unwrap();
}

#[test]
fn a_snapshot_that_nobody_waits_for_keeps_its_pace_until_the_database_closes() {
    let disk = SimDisk::new();
    let rate = 2_000_000;
    let upkeep = Upkeep { snapshot_bytes_per_second: rate, ..upkeep() };
    let db = Database::open_on(Arc::new(disk.clone()), options(upkeep.clone())).unwrap();
    db.write((0..2_000).map(contact).collect::<Vec<_>>()).unwrap();
    let watch = Stopwatch::start();
    let info = checkpoint::take(&db.handle.shared, Manner::ByItself).unwrap();
    let least = Duration::from_secs_f64(info.bytes as f64 / rate as f64);
    assert!(watch.elapsed() >= least, "{} bytes in {:?}, at least {least:?}", info.bytes, watch.elapsed());
    drop(db);
    // At a byte a second it would take days; closing lets it end.
    let upkeep = Upkeep { snapshot_bytes_per_second: 1, snapshot_age: MOMENT, ..upkeep };
    let db = Database::open_on(Arc::new(disk.clone()), options(upkeep)).unwrap();
    let lsn = db.write(contact(1)).unwrap().lsn;
    until(|| disk.names(Path::new("/data")).contains(&format!("{}.tmp", snapshot_name(lsn))));
    db.write(contact(2)).unwrap();
    db.close().unwrap();
    assert_eq!(db.status().lsn, Lsn(lsn.0 + 1));
    let db = Database::open_on(Arc::new(disk), options(Upkeep::default())).unwrap();
    assert_eq!(db.status().snapshot_lsn, lsn);
}

/// A database with two snapshots and writes after them, which reads its files again all the time.
fn scrubbed(mmap: bool) -> (SimDisk, Options) {
    let disk = SimDisk::new();
    let small = |upkeep| Options { log_file_bytes: 1 << 10, ..options(upkeep) };
    let db = Database::open_on(Arc::new(disk.clone()), small(upkeep())).unwrap();
    for n in 0..60 {
        db.write(contact(n)).unwrap();
        if n % 20 == 19 {
            db.snapshot().unwrap();
        }
    }
    for n in 0..40 {
        db.write(contact(n)).unwrap();
    }
    drop(db);
    let upkeep = Upkeep { scrub_every: MOMENT, scrub_bytes_per_second: 1 << 40, ..upkeep() };
    (disk, Options { mmap, ..small(upkeep) })
}

fn flip(disk: &SimDisk, name: &str, at: usize) {
    let path = Path::new("/data").join(name);
    let mut bytes = disk.contents(&path).unwrap();
    bytes[at] ^= 16;
    disk.set_contents(&path, Some(bytes));
}

#[test]
fn damage_at_rest_is_found_told_and_healed_from_memory() {
    let (disk, options) = scrubbed(false);
    let names = disk.names(Path::new("/data"));
    let logs: Vec<&String> = names.iter().filter(|name| name.starts_with("wal-")).collect();
    assert!(logs.len() > 4);
    let files = names.iter().filter(|name| name.starts_with("snap-")).chain([logs[0], logs[1], logs[logs.len() - 2]]);
    for (number, name) in files.enumerate() {
        let disk = disk.fork();
        disk.restart();
        let db = Database::open_on(Arc::new(disk.clone()), options.clone()).unwrap();
        until(|| db.status().scrubbed.is_some_and(|(_, whole)| whole));
        if number % 2 == 0 {
            // Also when there was nothing to write since the damaged snapshot.
            db.snapshot().unwrap();
            if !disk.names(Path::new("/data")).contains(name) {
                continue;
            }
        }
        flip(&disk, name, 300);
        until(|| db.status().damaged.is_some());
        let told = db.status().damaged.unwrap().1;
        assert!(told.contains(name.as_str()) && told.contains("at offset"), "{told}");
        // A snapshot of the memory takes the place of what is damaged, and the next scrub says so.
        until(|| !has_alarm(&db, AlarmKind::DamageFound));
        assert!(db.failure().is_none());
        assert_eq!(verify_folder(&disk, Path::new("/data")).unwrap().damage, [], "{name}");
        drop(db);
        let db = Database::open_on(Arc::new(disk.clone()), options.clone()).unwrap();
        assert_eq!(db.view().everyone().count(), 60, "{name}");
        db.view().check().unwrap();
    }
}

/// The live snapshot of such a database, and a way to damage it whatever it is called by then.
fn live(disk: &SimDisk) -> (String, impl Fn(usize) + use<>) {
    let names = disk.names(Path::new("/data"));
    let live = names.into_iter().rfind(|name| name.starts_with("snap-")).unwrap();
    let flip = disk.flipper(&Path::new("/data").join(&live));
    (live, flip)
}

#[test]
fn damage_under_mapped_memory_ends_writing_where_memory_cannot_be_saved() {
    let (disk, options) = scrubbed(true);
    disk.set_stubborn();
    let (live, flip) = live(&disk);
    let db = Database::open_on(Arc::new(disk.clone()), options.clone()).unwrap();
    flip(300);
    until(|| db.failure().is_some());
    assert!(matches!(db.write(contact(1)), Err(Error::ReadOnly(_))));
    assert!(has_alarm(&db, AlarmKind::DamageFound) && has_alarm(&db, AlarmKind::ReadOnly));
    assert_eq!(db.view().everyone().count(), 60, "reading goes on");
    assert!(disk.names(Path::new("/data")).contains(&live), "nothing is removed");
    drop(db);
    let Err(Error::Storage(error)) = Database::open_on(Arc::new(disk.clone()), options) else { panic!("it opened") };
    for part in [live.as_str(), "newest intact snapshot", "throng salvage --data \"/data\" --to NEW"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn damage_under_mapped_memory_is_healed_where_memory_is_good() {
    for is_named in [true, false] {
        let (disk, options) = scrubbed(true);
        let (live, flip) = live(&disk);
        let db = Database::open_on(Arc::new(disk.clone()), options.clone()).unwrap();
        if !is_named {
            for n in 0..2 {
                db.write(contact(n)).unwrap();
                db.snapshot().unwrap();
            }
            assert!(!disk.names(Path::new("/data")).contains(&live));
        }
        flip(300);
        until(|| db.status().damaged.is_some_and(|(_, told)| told.contains(&live)));
        until(|| !has_alarm(&db, AlarmKind::DamageFound));
        assert!(db.failure().is_none());
        db.write(contact(61)).unwrap();
        assert_eq!(verify_folder(&disk, Path::new("/data")).unwrap().damage, []);
        drop(db);
        let db = Database::open_on(Arc::new(disk.clone()), options).unwrap();
        assert_eq!(db.view().everyone().count(), 61);
        db.view().check().unwrap();
    }
}
