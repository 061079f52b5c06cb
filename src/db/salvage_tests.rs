//! Damaged folders are salvaged: the new one opens, holds a prefix of what was written, or all but what is told.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    codec::section::SectionSink,
    db::{
        database::Database,
        error::Error,
        options::Options,
        salvage::{SalvageWish, Salvaged, salvage_on},
        verify,
    },
    engine::{
        image::{self, IMAGE_VERSION},
        record::RECORD_VERSION,
    },
    model::{
        id::Lsn,
        name::{ContactKey, Name},
        number::Number,
        request::{ContactWrite, Input, Request, WriteMode},
        time::Timestamp,
        value::Value,
    },
    storage::{
        error::StorageErrorKind,
        names::MANIFEST,
        sim_disk::SimDisk,
        store::{Store, StoreOptions},
    },
};

const DATA: &str = "/data";
const NEW: &str = "/new";
/// The last write: the founding, ten contacts, then a figure of one of them with each write.
const LAST: u64 = 60;

fn options(dir: &str) -> Options {
    let seal_after = Duration::from_secs(3_600);
    Options { log_file_bytes: 512, seal_after, ..Options::folder(dir).at(Timestamp(1_777_593_600_000)) }
}

/// The write of an LSN from 2 on.
fn write(lsn: u64) -> Request {
    let who = if lsn <= 11 { lsn } else { 2 + lsn % 10 };
    let values = vec![(Name::new("lead_score").unwrap(), Input::Number(Number::from_int(lsn as i64)))];
    Request::Contact(ContactWrite { key: ContactKey::new(&format!("c{who}")).unwrap(), mode: WriteMode::Merge, values })
}

/// What each contact's figure is after these writes.
fn figures(writes: impl Iterator<Item = u64>) -> Vec<(String, i64)> {
    let mut figures = std::collections::BTreeMap::new();
    for lsn in writes.filter(|lsn| *lsn > 1) {
        let who = if lsn <= 11 { lsn } else { 2 + lsn % 10 };
        figures.insert(format!("c{who}"), lsn as i64);
    }
    figures.into_iter().collect()
}

fn found(disk: &SimDisk, dir: &str) -> (Lsn, Vec<(String, i64)>) {
    let db = Database::open_on(Arc::new(disk.clone()), options(dir)).unwrap();
    let view = db.view();
    view.check().unwrap();
    let mut figures = Vec::new();
    for record in view.everyone().contacts(None, 1_000, None).items {
        let score =
            record.values.iter().find(|(name, _)| name.as_str() == "lead_score").map(|(_, value)| value.clone());
        let Some(Value::Number(number)) = score else { panic!("{record:?}") };
        figures.push((record.key.to_string(), (0..=LAST as i64).find(|n| Number::from_int(*n) == number).unwrap()));
    }
    figures.sort();
    (view.lsn(), figures)
}

/// A folder with two snapshots, at 20 and 40, and a log of many files.
fn folder() -> SimDisk {
    let disk = SimDisk::new();
    let db = Database::open_on(Arc::new(disk.clone()), options(DATA)).unwrap();
    for lsn in 2..=LAST {
        assert_eq!(db.write(write(lsn)).unwrap().lsn, Lsn(lsn));
        if lsn == 20 || lsn == 40 {
            db.snapshot().unwrap();
        }
    }
    db.close().unwrap();
    drop(db);
    assert_eq!(found(&disk, DATA), (Lsn(LAST), figures(2..=LAST)));
    disk
}

fn files(disk: &SimDisk, start: &str) -> Vec<String> {
    disk.names(Path::new(DATA)).into_iter().filter(|name| name.starts_with(start)).collect()
}

fn change(disk: &SimDisk, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = Path::new(DATA).join(name);
    let mut bytes = disk.contents(&path).unwrap();
    change(&mut bytes);
    disk.set_contents(&path, Some(bytes));
}

fn salvaged(disk: &SimDisk, wish: SalvageWish) -> Result<Salvaged, Error> {
    salvage_on(Arc::new(disk.clone()), Path::new(DATA), Path::new(NEW), wish)
}

/// Salvages, and checks that the new folder holds what is not told to be left out, and that everything is told.
fn check(disk: &SimDisk, wish: SalvageWish, what: &str) -> Salvaged {
    let before: Vec<_> = disk.names(Path::new(DATA)).into_iter().map(|name| content(disk, &name)).collect();
    let done = salvaged(disk, wish).unwrap_or_else(|error| panic!("{what}: {error}"));
    let is_out = |lsn: &u64| done.discarded.iter().any(|(first, last, _)| (first.0..=last.0).contains(lsn));
    let kept: Vec<u64> = (1..=LAST).filter(|lsn| !is_out(lsn)).collect();
    assert_eq!(kept.last(), Some(&done.lsn.0), "{what}: {done:?}");
    assert!(wish.skip || kept.len() as u64 == done.lsn.0, "{what}: a prefix, {done:?}");
    assert_eq!(found(disk, NEW), (done.lsn, figures(kept.into_iter())), "{what}: {done:?}");
    let told = disk.contents(&Path::new(NEW).join("salvage-report.txt")).unwrap();
    assert_eq!(String::from_utf8(told).unwrap(), done.report());
    let after: Vec<_> = disk.names(Path::new(DATA)).into_iter().map(|name| content(disk, &name)).collect();
    assert!(before == after, "{what}: the damaged folder is as it was");
    done
}

fn content(disk: &SimDisk, name: &str) -> (String, Option<Vec<u8>>) {
    let bytes = (name != "lock").then(|| disk.contents(&Path::new(DATA).join(name)).unwrap());
    (name.to_owned(), bytes)
}

const PLAIN: SalvageWish = SalvageWish { up_to: None, skip: false, from_previous: false };
const SKIP: SalvageWish = SalvageWish { skip: true, ..PLAIN };

#[test]
fn a_sound_folder_is_salvaged_whole_and_as_far_as_wished() {
    let disk = folder();
    let done = check(&disk.fork(), PLAIN, "sound");
    assert_eq!((done.from, done.lsn, done.discarded.len(), done.notes.len()), (Some(Lsn(40)), Lsn(LAST), 0, 0));
    let done = check(&disk.fork(), SalvageWish { from_previous: true, ..PLAIN }, "from the previous");
    assert_eq!((done.from, done.lsn), (Some(Lsn(20)), Lsn(LAST)));
    for up_to in [20, 33, 40, 41, 59] {
        let done = check(&disk.fork(), SalvageWish { up_to: Some(Lsn(up_to)), ..PLAIN }, "up to");
        assert_eq!((done.lsn, done.discarded[0].0), (Lsn(up_to), Lsn(up_to + 1)));
    }
    let twice = disk.fork();
    check(&twice, PLAIN, "once");
    let again = salvaged(&twice, PLAIN).unwrap_err();
    assert!(matches!(&again, Error::Storage(error) if error.kind == StorageErrorKind::Config), "{again}");
    let held = disk.fork();
    held.restart();
    let _db = Database::open_on(Arc::new(held.clone()), options(DATA)).unwrap();
    let refused = salvaged(&held, PLAIN).unwrap_err();
    assert!(matches!(&refused, Error::Storage(error) if error.kind == StorageErrorKind::Locked), "{refused}");
}

#[test]
fn the_new_folder_goes_on() {
    let disk = folder();
    check(&disk, PLAIN, "sound");
    let db = Database::open_on(Arc::new(disk.clone()), options(NEW)).unwrap();
    for lsn in LAST + 1..LAST + 30 {
        assert_eq!(db.write(write(2 + lsn % 10)).unwrap().lsn, Lsn(lsn));
    }
    db.snapshot().unwrap();
    db.write(Request::Erase(ContactKey::new("c5").unwrap())).unwrap();
    drop(db);
    let db = Database::open_on(Arc::new(disk.clone()), options(NEW)).unwrap();
    assert_eq!((db.view().lsn(), db.view().everyone().count()), (Lsn(LAST + 30), 9));
}

#[test]
fn damaged_snapshots_are_gone_round() {
    let disk = folder();
    let snapshots = files(&disk, "snap-");
    assert_eq!(snapshots.len(), 2);
    let live = disk.fork();
    change(&live, &snapshots[1], |bytes| bytes[500] ^= 1);
    let refused = Database::open_on(Arc::new(live.clone()), options(DATA)).err().unwrap().to_string();
    for part in [&snapshots[1], &format!("newest intact snapshot is \"{}\"", snapshots[0]), "throng salvage"] {
        assert!(refused.contains(part), "{refused}");
    }
    let done = check(&live, PLAIN, "live snapshot damaged");
    assert_eq!((done.from, done.lsn, done.discarded.len(), done.notes.len()), (Some(Lsn(20)), Lsn(LAST), 0, 1));
    change(&disk, &snapshots[0], |bytes| bytes.truncate(100));
    let both = disk.fork();
    let done = check(&disk, PLAIN, "the spare damaged");
    assert_eq!((done.from, done.lsn), (Some(Lsn(40)), Lsn(LAST)));
    change(&both, &snapshots[1], |bytes| bytes[500] ^= 1);
    let none = salvaged(&both, PLAIN).unwrap_err().to_string();
    assert!(none.contains("not one write verifies"), "{none}");
}

#[test]
fn a_lost_or_damaged_manifest_is_gone_round() {
    let disk = folder();
    for lost in [false, true] {
        let disk = disk.fork();
        match lost {
            true => disk.set_contents(&Path::new(DATA).join(MANIFEST), None),
            false => change(&disk, MANIFEST, |bytes| bytes[60] ^= 1),
        }
        assert!(Database::open_on(Arc::new(disk.clone()), options(DATA)).is_err());
        let done = check(&disk, PLAIN, "no manifest");
        assert_eq!((done.lsn, done.discarded.len(), done.notes.len()), (Lsn(LAST), 0, 1));
    }
}

#[test]
fn every_flip_of_the_log_costs_what_is_told_and_no_more() {
    let disk = folder();
    let (mut cases, mut whole, mut skipped) = (0, 0, 0);
    for name in files(&disk, "wal-") {
        let size = disk.contents(&Path::new(DATA).join(&name)).unwrap().len();
        for at in (0..size).step_by(5) {
            let flipped = disk.fork();
            change(&flipped, &name, |bytes| bytes[at] ^= 1 << (at % 8));
            let what = format!("{name}, byte {at}");
            let plain = check(&flipped.fork(), PLAIN, &what);
            let skip = check(&flipped, SKIP, &what);
            assert!(skip.lsn >= plain.lsn, "{what}");
            let left =
                |done: &Salvaged| done.discarded.iter().map(|(first, last, _)| last.0 + 1 - first.0).sum::<u64>();
            // One frame is lost, or a head with what is in its file; what follows fits, as it is of known contacts.
            assert!(left(&skip) <= if at < 64 { 8 } else { 1 }, "{what}: {skip:?}");
            assert!(left(&skip) <= left(&plain), "{what}");
            cases += 1;
            whole += u64::from(left(&plain) == 0);
            skipped += u64::from(left(&plain) > left(&skip));
        }
    }
    assert!(cases > 500 && whole > 50 && skipped > 100, "{cases} cases, {whole} whole, {skipped} with skip");
}

#[test]
fn a_missing_file_of_the_log_is_a_gap() {
    let disk = folder();
    for name in files(&disk, "wal-") {
        let missing = disk.fork();
        missing.set_contents(&Path::new(DATA).join(&name), None);
        let plain = check(&missing.fork(), PLAIN, &name);
        let skip = check(&missing, SKIP, &name);
        assert!(skip.lsn >= plain.lsn && plain.lsn >= Lsn(40), "{name}: {plain:?}");
    }
}

#[test]
fn what_builds_on_what_is_missing_is_left_out() {
    let disk = SimDisk::new();
    let db = Database::open_on(Arc::new(disk.clone()), Options { log_file_bytes: 1 << 16, ..options(DATA) }).unwrap();
    for lsn in 2..=LAST {
        db.write(write(lsn)).unwrap();
    }
    db.close().unwrap();
    drop(db);
    // The frame of the fifth contact: nobody after it can have the number that they were given.
    let name = files(&disk, "wal-")[0].clone();
    let at = {
        let bytes = disk.contents(&Path::new(DATA).join(&name)).unwrap();
        bytes.windows(2).position(|window| window == b"c6").unwrap()
    };
    change(&disk, &name, |bytes| bytes[at] ^= 1);
    let done = check(&disk, SKIP, "a contact is missing");
    let whys: Vec<&str> = done.discarded.iter().map(|(_, _, why)| why.as_str()).collect();
    assert!(whys.iter().any(|why| why.contains("is made, but 4 would be next")), "{whys:?}");
    assert!(whys.iter().any(|why| why.contains("is missing")), "{whys:?}");
}

/// The same folder, as a newer program left it: with one more write than this one reads, or a whole newer snapshot.
fn of_a_newer_program(disk: &SimDisk, is_snapshot: bool) -> SimDisk {
    let newer = disk.fork();
    newer.restart();
    let options = StoreOptions { background: false, ..StoreOptions::default() };
    let mut opened = Store::open(Arc::new(newer.clone()), Path::new(DATA), options).unwrap();
    if is_snapshot {
        let mut writer = opened.store.start_snapshot(Lsn(LAST)).unwrap();
        writer.begin(image::STATE).unwrap();
        writer.put(&[IMAGE_VERSION as u8 + 1, 7, 7]).unwrap();
        writer.finish().unwrap();
    } else {
        opened.log.append(&[(Lsn(LAST + 1), &[RECORD_VERSION + 1, 7, 7])]).unwrap();
    }
    opened.log.close().unwrap();
    newer
}

#[test]
fn what_a_newer_version_wrote_is_refused_as_such_and_not_salvaged() {
    let disk = folder();
    for is_snapshot in [false, true] {
        let newer = of_a_newer_program(&disk, is_snapshot);
        let refused = Database::open_on(Arc::new(newer.clone()), options(DATA)).err().unwrap();
        assert_eq!(refused.exit_code(), StorageErrorKind::NewerFormat.exit_code(), "{refused}");
        assert!(!refused.to_string().contains("salvage"), "{refused}");
        let found = verify::verify_on(&newer, Path::new(DATA)).unwrap();
        assert_eq!(found.exit_code, StorageErrorKind::NewerFormat.exit_code(), "{found:?}");
        for skip in [false, true] {
            let wish = SalvageWish { skip, ..SalvageWish::default() };
            let refused = salvage_on(Arc::new(newer.clone()), Path::new(DATA), Path::new(NEW), wish).unwrap_err();
            assert_eq!(refused.exit_code(), StorageErrorKind::NewerFormat.exit_code(), "{refused}");
            assert_eq!(newer.names(Path::new(NEW)), Vec::<String>::new());
        }
    }
}
