//! Damage that comes to files at rest after they were opened: every flip is found, and let go of for a good copy.

use std::io::ErrorKind;
use std::sync::Arc;

use crate::model::id::Lsn;
use crate::storage::disk::Disk;
use crate::storage::error::StorageErrorKind;
use crate::storage::names::log_name;
use crate::storage::real_disk::RealDisk;
use crate::storage::scrub::{Damaged, Scrubbed};
use crate::storage::sim_disk::SimDisk;
use crate::storage::sim_ops::{Fault, FaultKind};
use crate::storage::snapshot_reader::Snapshot;
use crate::storage::store::{Opened, Store};
use crate::storage::test_bench::{append, dir, file, open, options, recovered, snapshot};
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
    let end = opened.store.position().files.last().unwrap().end as usize;
    let mut flips = 0;
    for name in names.iter().filter(|name| name.starts_with("wal-") || name.starts_with("snap-")) {
        let bytes = disk.contents(&file(name)).unwrap();
        // Of the file that is appended to, up to where it is durable.
        for at in 0..if name == last { end } else { bytes.len() } {
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
    assert!(flips > 5_000 && end > 200, "{flips} flips");
}

#[test]
fn damage_of_the_log_in_use_is_healed_by_a_snapshot_and_a_new_file() {
    let (disk, mut opened) = sample();
    let last = opened.log.last().0;
    let name = log_name(opened.store.position().files.last().unwrap().sequence);
    let flip = disk.flipper(&file(&name));
    flip(opened.store.position().files.last().unwrap().end as usize - 9);
    let found = scrub(&opened.store);
    assert_eq!((found.len(), &found[0].error.path), (1, &file(&name)));
    opened.log.roll().unwrap();
    snapshot(&opened.store).unwrap();
    opened.store.forget_damaged().unwrap();
    assert!(!opened.store.has_damage() && !disk.names(&dir()).contains(&name));
    append(&mut opened, 3).unwrap();
    assert_eq!(scrub(&opened.store), []);
    drop(opened);
    assert_eq!(recovered(&open(&disk).unwrap()).unwrap(), last + 3);
}

/// A folder whose memory is mapped from its live snapshot; the snapshot stays in use as long as what is returned.
fn mapped() -> (SimDisk, Opened, Snapshot) {
    let (disk, opened) = sample();
    drop(opened);
    let opened = open(&disk).unwrap();
    let snapshot = opened.snapshot.clone().unwrap();
    (disk, opened, snapshot)
}

/// Takes the name of the mapped snapshot away.
fn unname(opened: &mut Opened) {
    for _ in 0..2 {
        append(opened, 1).unwrap();
        snapshot(&opened.store).unwrap();
    }
}

#[test]
fn the_mapped_snapshot_is_read_again_also_without_a_name() {
    let (disk, mut opened, in_use) = mapped();
    let flip = disk.flipper(in_use.path());
    unname(&mut opened);
    assert!(disk.contents(in_use.path()).is_none(), "its name is gone");
    let before = scrubbed_bytes(&opened.store);
    assert!(before > in_use.info().bytes, "{before} bytes");
    flip(300);
    let found = scrub(&opened.store);
    assert_eq!(found.len(), 1, "{found:?}");
    let Damaged { snapshot, in_memory, is_needed, error } = &found[0];
    assert_eq!((*snapshot, *in_memory, *is_needed, error.offset), (Some(in_use.lsn()), false, false, Some(0)));
    assert!(!opened.store.has_damage(), "the folder is whole");
    assert_eq!(scrub(&opened.store), [], "that block is memory's own now, and is told once");
    let rest = opened.snapshot.take();
    drop((in_use, rest));
    assert!(scrubbed_bytes(&opened.store) < before, "nobody uses it any more");
}

fn scrubbed_bytes(store: &Store) -> u64 {
    let mut scrub = store.start_scrub();
    while scrub.step() != Scrubbed::Done {}
    scrub.bytes
}

#[test]
fn damage_that_memory_cannot_be_saved_from_is_told_as_such() {
    for is_named in [true, false] {
        let (disk, opened) = sample();
        drop(opened);
        disk.set_stubborn();
        let mut opened = open(&disk).unwrap();
        let in_use = opened.snapshot.clone().unwrap();
        let flip = disk.flipper(in_use.path());
        if !is_named {
            unname(&mut opened);
        }
        flip(300);
        let found = scrub(&opened.store);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].in_memory, found[0].is_needed), (true, is_named));
    }
}

#[test]
fn a_named_mapped_snapshot_that_is_damaged_on_the_medium_alone_is_replaced() {
    let (disk, opened, in_use) = mapped();
    disk.flipper(in_use.path())(300);
    let found = scrub(&opened.store);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].in_memory, found[0].is_needed), (false, true));
    snapshot(&opened.store).unwrap();
    opened.store.forget_damaged().unwrap();
    assert!(!opened.store.has_damage());
    assert_eq!(scrub(&opened.store), []);
}

/// Real files: what is changed behind the program's back is seen in memory at once.
#[cfg(unix)]
#[test]
fn memory_that_was_read_from_a_damaged_file_goes_into_no_snapshot() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let disk = || Arc::new(RealDisk) as Arc<dyn Disk>;
    let mut opened = Store::open(disk(), &dir, options()).unwrap();
    append(&mut opened, 9).unwrap();
    snapshot(&opened.store).unwrap();
    drop(opened);
    let mut opened = Store::open(disk(), &dir, options()).unwrap();
    let in_use = opened.snapshot.clone().unwrap();
    append(&mut opened, 1).unwrap();
    let set_mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(in_use.path(), mode).unwrap();
    };
    set_mode(0o600);
    let mut bytes = std::fs::read(in_use.path()).unwrap();
    bytes[300] ^= 1;
    let file = std::fs::File::options().write(true).open(in_use.path()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
    file.sync_all().unwrap();
    set_mode(0o400);
    let error = snapshot(&opened.store).unwrap_err();
    assert_eq!((error.kind, &*error.path), (StorageErrorKind::CorruptSnapshot, in_use.path()));
    assert_eq!(append(&mut opened, 1), Err(error), "nothing is written on a memory that is in doubt");
    let found = scrub(&opened.store);
    assert!(found.iter().any(|found| found.in_memory), "{found:?}");
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
