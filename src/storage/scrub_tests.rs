//! Damage that comes to files at rest after they were opened: every flip is found, and let go of for a good copy.

use std::io::ErrorKind;

use crate::model::id::Lsn;
use crate::storage::disk::Disk;
use crate::storage::error::StorageErrorKind;
use crate::storage::scrub::{Damaged, Scrubbed};
use crate::storage::sim_disk::{Fault, FaultKind, SimDisk};
use crate::storage::store::{Opened, Store};
use crate::storage::test_bench::{append, dir, file, open, recovered, snapshot};
use crate::storage::verify::verify_folder;

fn sample() -> (SimDisk, Opened) {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 9).unwrap();
    snapshot(&opened.store).unwrap();
    for _ in 0..5 {
        append(&mut opened, 9).unwrap();
    }
    snapshot(&opened.store).unwrap();
    for _ in 0..4 {
        append(&mut opened, 9).unwrap();
    }
    (disk, opened)
}

fn scrub(store: &Store) -> Vec<Damaged> {
    let mut scrub = store.start_scrub();
    let mut damaged = Vec::new();
    loop {
        match scrub.step() {
            Scrubbed::Read(_) => {}
            Scrubbed::Damaged(found) => damaged.push(found),
            Scrubbed::Failed(error) => panic!("{error}"),
            Scrubbed::Done => return damaged,
        }
    }
}

#[test]
fn a_read_that_fails_is_tried_again_and_is_no_damage() {
    let (disk, opened) = sample();
    let first = disk.calls();
    assert_eq!(scrub(&opened.store), []);
    let calls = disk.calls() - first;
    assert!(calls > 20, "{calls} calls");
    for sticky in [false, true] {
        for at in 0..calls {
            let kind = FaultKind::Error(ErrorKind::Other);
            disk.plan(Some(Fault { at: disk.calls() + at, sticky, kind }));
            let (mut scrub, mut failed) = (opened.store.start_scrub(), 0);
            loop {
                match scrub.step() {
                    Scrubbed::Read(_) => {}
                    Scrubbed::Failed(error) => {
                        assert_eq!(error.kind, StorageErrorKind::Io, "call {at}");
                        failed += 1;
                    }
                    Scrubbed::Damaged(damaged) => panic!("call {at}: {damaged:?}"),
                    Scrubbed::Done => break,
                }
            }
            assert!(!opened.store.has_damage() && scrub.is_complete() != sticky, "call {at}");
            assert!(if sticky { failed >= 3 } else { failed == 1 }, "call {at}: {failed}");
        }
    }
    disk.plan(None);
    assert_eq!(scrub(&opened.store), []);
}

#[test]
fn every_flip_at_rest_is_found_in_its_file() {
    let (disk, opened) = sample();
    assert_eq!(scrub(&opened.store), []);
    let names = disk.names(&dir());
    let last = names.iter().rfind(|name| name.starts_with("wal-")).unwrap();
    let mut flips = 0;
    for name in names.iter().filter(|name| *name != last && (name.starts_with("wal-") || name.starts_with("snap-"))) {
        let bytes = disk.contents(&file(name)).unwrap();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            disk.set_contents(&file(name), Some(bad));
            let found = scrub(&opened.store);
            assert!(found.iter().any(|damaged| damaged.error.path == file(name)), "{name}, byte {at}: {found:?}");
            assert!(found.iter().all(|damaged| damaged.error.offset.is_some()), "{found:?}");
            flips += 1;
        }
        disk.set_contents(&file(name), Some(bytes));
    }
    assert!(flips > 5_000, "{flips} flips");
}

#[test]
fn a_fresh_snapshot_takes_the_place_of_what_is_damaged() {
    let (disk, opened) = sample();
    let last = opened.log.last().0;
    drop(opened);
    let names = disk.names(&dir());
    let newest = names.iter().rfind(|name| name.starts_with("wal-")).unwrap();
    for name in names.iter().filter(|name| *name != newest && (name.starts_with("wal-") || name.starts_with("snap-"))) {
        for is_new in [false, true] {
            let disk = disk.fork();
            let mut opened = open(&disk).unwrap();
            if is_new {
                append(&mut opened, 1).unwrap();
            }
            let mut bytes = disk.contents(&file(name)).unwrap();
            bytes[70] ^= 1;
            disk.set_contents(&file(name), Some(bytes));
            let found = scrub(&opened.store);
            assert!(opened.store.has_damage() && !found.is_empty(), "{name}");
            assert_eq!(found[0].snapshot.is_some(), name.starts_with("snap-"));
            snapshot(&opened.store).unwrap();
            opened.store.forget_damaged().unwrap();
            assert!(!opened.store.has_damage(), "{name}");
            assert_eq!(scrub(&opened.store), [], "{name}");
            assert_eq!(verify_folder(&disk, &dir()).unwrap().damage, [], "{name}");
            drop(opened);
            assert_eq!(recovered(&open(&disk).unwrap()).unwrap(), last + u64::from(is_new), "{name}");
        }
    }
}

#[test]
fn a_damaged_snapshot_is_replaced_though_nothing_was_written_since() {
    let (disk, opened) = sample();
    snapshot(&opened.store).unwrap();
    let live = opened.store.status().snapshot.unwrap();
    let path = file(&crate::storage::names::snapshot_name(live.lsn));
    let good = disk.contents(&path).unwrap();
    let mut bad = good.clone();
    bad[200] ^= 1;
    disk.set_contents(&path, Some(bad));
    let found = scrub(&opened.store);
    assert_eq!(
        (found.len(), found[0].snapshot, found[0].error.kind),
        (1, Some(live.lsn), StorageErrorKind::CorruptSnapshot)
    );
    snapshot(&opened.store).unwrap();
    assert_eq!(disk.contents(&path).unwrap(), good);
    assert!(!opened.store.has_damage());
}

#[test]
fn files_that_go_meanwhile_are_no_damage() {
    let (disk, mut opened) = sample();
    let mut under_way = opened.store.start_scrub();
    append(&mut opened, 1).unwrap();
    snapshot(&opened.store).unwrap();
    append(&mut opened, 1).unwrap();
    snapshot(&opened.store).unwrap();
    assert!(disk.list(&dir()).unwrap().len() < 10);
    while under_way.step() != Scrubbed::Done {
        assert!(!opened.store.has_damage());
    }
    assert_eq!(opened.log.last(), Lsn(92));
}
