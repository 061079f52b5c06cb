//! Every flip, every truncation, every file taken away, swapped or brought from elsewhere: refused, or harmless.

use crate::codec::checksum::crc32c;
use crate::model::id::Lsn;
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::names::{MANIFEST, MANIFEST_OLD, WEBHOOKS, log_name, snapshot_name};
use crate::storage::salvage::advise;
use crate::storage::sim_disk::SimDisk;
use crate::storage::store::{Opened, StoreOptions};
use crate::storage::test_bench::{append, dir, file, open, open_with, options, recovered, snapshot};
use crate::storage::verify::verify_folder;

/// A folder with a spare and a live snapshot and several log files; the last position and that of the live snapshot.
fn sample(clean: bool) -> (SimDisk, u64, u64) {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 3).unwrap();
    snapshot(&opened.store).unwrap();
    append(&mut opened, 7).unwrap();
    snapshot(&opened.store).unwrap();
    for _ in 0..4 {
        append(&mut opened, 6).unwrap();
    }
    opened.log.seal().unwrap();
    append(&mut opened, 1).unwrap();
    append(&mut opened, 1).unwrap();
    let status = opened.store.status();
    assert!(status.log_files >= 3, "{status:?}");
    if clean {
        opened.log.close().unwrap();
    }
    (disk, status.durable.0, status.snapshot.unwrap().lsn.0)
}

/// Opens a damaged folder: the last position with whether a torn tail was reported, or the error.
fn outcome(disk: &SimDisk) -> Result<(u64, bool), StorageError> {
    let opened = open(disk)?;
    let last = recovered(&opened)?;
    Ok((last, opened.recovery.torn.is_some()))
}

fn damaged(disk: &SimDisk, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> SimDisk {
    let copy = disk.fork();
    let mut bytes = copy.contents(&file(name)).unwrap();
    change(&mut bytes);
    copy.set_contents(&file(name), Some(bytes));
    copy
}

fn logs_after(disk: &SimDisk, base: u64) -> Vec<String> {
    let report = verify_folder(disk, &dir()).unwrap();
    let logs = report.files.into_iter().filter(|file| file.name.starts_with("wal-"));
    logs.filter(|file| file.last.is_none_or(|last| last.0 > base)).map(|file| file.name).collect()
}

#[test]
fn every_flipped_bit_of_the_log_is_refused_or_a_reported_tear() {
    let (disk, last, base) = sample(false);
    let logs = logs_after(&disk, base);
    let newest = logs.last().unwrap().clone();
    let mut torn = 0;
    for name in &logs {
        let size = disk.contents(&file(name)).unwrap().len();
        for bit in 0..size * 8 {
            let copy = damaged(&disk, name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let report = verify_folder(&copy, &dir()).unwrap();
            match outcome(&copy) {
                Ok((found, reported)) => {
                    assert!(*name == newest && reported, "{name} bit {bit}: {found} recovered, not reported");
                    assert!(found == last || found == last - 1, "{name} bit {bit}: {found} of {last} recovered");
                    assert!(report.files.iter().any(|file| file.note.starts_with("a torn tail")));
                    torn += 1;
                }
                Err(error) => {
                    assert!(error.offset.is_some() && error.path == file(name), "{error}");
                    assert_eq!(error.kind, StorageErrorKind::CorruptLog, "{error}");
                    assert!(!report.damage.is_empty(), "{name} bit {bit}: verify saw nothing");
                }
            }
        }
    }
    assert!(torn > 0, "the last frame and the zeros after it");
}

#[test]
fn every_flip_after_a_clean_stop_is_refused_or_costs_nothing() {
    let (disk, last, base) = sample(true);
    for name in logs_after(&disk, base) {
        let size = disk.contents(&file(&name)).unwrap().len();
        for bit in 0..size * 8 {
            let copy = damaged(&disk, &name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            if let Ok(found) = outcome(&copy) {
                assert_eq!(found, (last, true), "{name} bit {bit}: only the seal or zeros, and reported");
            }
        }
    }
}

#[test]
fn every_truncation_of_the_log_is_refused_or_a_whole_prefix() {
    for clean in [false, true] {
        let (disk, last, base) = sample(clean);
        let logs = logs_after(&disk, base);
        let newest = logs.last().unwrap().clone();
        for name in &logs {
            let size = disk.contents(&file(name)).unwrap().len();
            let used = disk.contents(&file(name)).unwrap().iter().rposition(|&byte| byte != 0).unwrap() + 1;
            for cut in 0..size {
                let copy = damaged(&disk, name, |bytes| bytes.truncate(cut));
                match outcome(&copy) {
                    // Whole groups before the cut; what was known to be durable is not given up.
                    Ok((found, _)) if cut < used => {
                        assert!(*name == newest && found <= last, "{name} cut at {cut}: {found}");
                        assert!(!clean || found == last, "{name} cut at {cut} after a clean stop: {found}");
                    }
                    Ok((found, torn)) => assert_eq!((found, torn), (last, false), "{name} cut at {cut}"),
                    Err(error) => {
                        assert_eq!(error.kind, StorageErrorKind::CorruptLog, "{error}");
                        assert!(cut < used, "{name} cut at {cut} in the zeros: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_flip_and_truncation_of_the_snapshot_is_refused() {
    let (disk, last, base) = sample(false);
    let name = snapshot_name(Lsn(base));
    let size = disk.contents(&file(&name)).unwrap().len();
    for mmap in [true, false] {
        for bit in 0..size * 8 {
            let copy = damaged(&disk, &name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let error = open_with(&copy, StoreOptions { mmap, ..options() }).err();
            let error = error.unwrap_or_else(|| panic!("bit {bit} is not detected"));
            assert_eq!((error.kind, &error.path), (StorageErrorKind::CorruptSnapshot, &file(&name)), "{error}");
            assert!(!verify_folder(&copy, &dir()).unwrap().damage.is_empty());
        }
    }
    for cut in 0..size {
        let copy = damaged(&disk, &name, |bytes| bytes.truncate(cut));
        assert_eq!(outcome(&copy).unwrap_err().kind, StorageErrorKind::CorruptSnapshot, "cut at {cut}");
    }
    let longer = damaged(&disk, &name, |bytes| bytes.push(0));
    assert_eq!(outcome(&longer).unwrap_err().kind, StorageErrorKind::CorruptSnapshot);
    // One bad snapshot does not cost the database: the one before and the log since are there.
    let copy = damaged(&disk, &name, |bytes| bytes[100] ^= 1);
    let mut opened = open_with(&copy, StoreOptions { from_previous: true, ..options() }).unwrap();
    assert_eq!(recovered(&opened).unwrap(), last);
    append(&mut opened, 1).unwrap();
    snapshot(&opened.store).unwrap();
    opened.log.close().unwrap();
    drop((opened.store, opened.snapshot));
    assert_eq!(outcome(&copy), Ok((last + 1, false)));
}

#[test]
fn every_flip_of_the_manifest_is_refused() {
    let (disk, ..) = sample(true);
    for bit in 0..128 * 8 {
        let copy = damaged(&disk, MANIFEST, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let error = outcome(&copy).unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Config, "bit {bit}: {error}");
        assert!(error.cause.contains(MANIFEST_OLD), "{error}");
    }
}

#[test]
fn missing_files_are_refused() {
    let (disk, last, base) = sample(false);
    let all = disk.names(&dir());
    for name in &all {
        let copy = disk.fork();
        copy.set_contents(&file(name), None);
        let needed = name == MANIFEST || *name == snapshot_name(Lsn(base)) || name.starts_with("wal-");
        match outcome(&copy) {
            Ok(found) => assert!(!needed && found == (last, false), "{name} is missing"),
            Err(error) => assert!(needed, "{name} is missing: {error}"),
        }
    }
}

#[test]
fn swapped_duplicated_and_foreign_files_are_refused() {
    let (disk, _, base) = sample(false);
    let logs = logs_after(&disk, base);
    let bytes = |disk: &SimDisk, name: &str| disk.contents(&file(name)).unwrap();
    for (a, b) in [(0, 1), (1, 0), (0, logs.len() - 1)] {
        let swapped = disk.fork();
        swapped.set_contents(&file(&logs[a]), Some(bytes(&disk, &logs[b])));
        assert_eq!(outcome(&swapped).unwrap_err().kind, StorageErrorKind::CorruptLog, "duplicated");
        swapped.set_contents(&file(&logs[b]), Some(bytes(&disk, &logs[a])));
        assert_eq!(outcome(&swapped).unwrap_err().kind, StorageErrorKind::CorruptLog, "swapped");
    }
    // Another database with the same history: only its identity and salts differ.
    let other = SimDisk::new();
    drop(open_with(&other, StoreOptions { file_bytes: 512, ..options() }).unwrap());
    for name in other.names(&dir()) {
        other.set_contents(&file(&name), None);
    }
    let mut opened = open(&other).unwrap();
    append(&mut opened, 3).unwrap();
    snapshot(&opened.store).unwrap();
    append(&mut opened, 7).unwrap();
    snapshot(&opened.store).unwrap();
    for name in [log_name(2), snapshot_name(Lsn(base))] {
        let mixed = disk.fork();
        let foreign = if name.starts_with("wal") { log_name(1) } else { name.clone() };
        mixed.set_contents(&file(&name), Some(bytes(&other, &foreign)));
        assert_eq!(outcome(&mixed).unwrap_err().kind, StorageErrorKind::Config, "{name} of another database");
        assert!(!verify_folder(&mixed, &dir()).unwrap().damage.is_empty());
    }
}

#[test]
fn evidence_of_vanished_data_is_refused() {
    let (disk, last, _) = sample(false);
    // The caller knows more than the log.
    let error = open_with(&disk.fork(), StoreOptions { at_least: Lsn(last + 1), ..options() }).err().unwrap();
    assert!(error.cause.contains(&format!("lsn {} was durable, as the caller shows", last + 1)), "{error}");
    assert!(open_with(&disk.fork(), StoreOptions { at_least: Lsn(last), ..options() }).is_ok());
    // An older copy of the log under a newer snapshot and manifest.
    let older = SimDisk::new();
    let mut opened = open(&older).unwrap();
    append(&mut opened, 2).unwrap();
    let before = older.contents(&file(&log_name(1))).unwrap();
    append(&mut opened, 2).unwrap();
    snapshot(&opened.store).unwrap();
    drop(opened);
    older.set_contents(&file(&log_name(1)), Some(before));
    let error = outcome(&older).unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::CorruptLog);
    assert!(error.cause.contains("the log ends at lsn 2, but lsn 4 was durable"), "{error}");
    let report = verify_folder(&older, &dir()).unwrap();
    assert_eq!(report.damage.len(), 1, "{report:?}");
}

#[test]
fn newer_formats_are_refused_politely() {
    let (disk, _, base) = sample(true);
    let newest = logs_after(&disk, base).pop().unwrap();
    for (name, size) in [(MANIFEST.to_owned(), 128), (newest, 64), (snapshot_name(Lsn(base)), 64)] {
        let copy = damaged(&disk, &name, |bytes| {
            bytes[8] = 2;
            let checksum = crc32c(&bytes[..size - 4]);
            bytes[size - 4..size].copy_from_slice(&checksum.to_le_bytes());
        });
        let error = outcome(&copy).unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::NewerFormat);
        assert!(error.cause.contains("format version 2; this program reads version 1"), "{error}");
    }
}

#[test]
fn webhooks_that_were_told_of_more_than_the_log_holds_refuse_it() {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 2).unwrap();
    let before = disk.contents(&file(&log_name(1))).unwrap();
    append(&mut opened, 3).unwrap();
    opened.store.keep_webhooks(b"{}").unwrap();
    assert_eq!(opened.store.webhooks().unwrap().unwrap().lsn, Lsn(5));
    drop(opened);
    assert_eq!(outcome(&disk.fork()).unwrap(), (5, false));
    let older = disk.fork();
    older.set_contents(&file(&log_name(1)), Some(before));
    assert!(!verify_folder(&older, &dir()).unwrap().damage.is_empty());
    let error = advise(&older, &dir(), outcome(&older).unwrap_err());
    assert_eq!(error.kind, StorageErrorKind::CorruptLog);
    for part in ["ends at lsn 2, but lsn 5 was durable, as the file of webhooks shows", "throng salvage"] {
        assert!(error.cause.contains(part), "{error}");
    }
    // Without what was told nobody knows better.
    older.set_contents(&file(WEBHOOKS), None);
    assert_eq!(outcome(&older).unwrap().0, 2);
}

#[test]
fn a_lost_or_damaged_manifest_is_refused_with_the_command_that_helps() {
    let (disk, ..) = sample(true);
    let lost = disk.fork();
    lost.set_contents(&file(MANIFEST), None);
    for copy in [lost, damaged(&disk, MANIFEST, |bytes| bytes[70] ^= 1)] {
        let error = advise(&copy, &dir(), outcome(&copy).unwrap_err());
        assert_eq!(error.kind, StorageErrorKind::Config);
        assert!(error.cause.contains("throng salvage --data") && error.cause.contains("snap-"), "{error}");
    }
    // A folder of somebody else's has nothing to salvage.
    let foreign = SimDisk::new();
    drop(open(&foreign));
    foreign.names(&dir()).iter().for_each(|name| foreign.set_contents(&file(name), None));
    foreign.set_contents(&file("letters"), Some(vec![1]));
    let error = advise(&foreign, &dir(), outcome(&foreign).unwrap_err());
    assert!(!error.cause.contains("salvage"), "{error}");
}

#[test]
fn an_older_copy_of_the_last_log_file_is_refused_where_something_knows_better() {
    // What may have happened since the copy, and whether it leaves a witness.
    type Since = fn(&mut Opened);
    let since: [(&str, Since, bool); 5] = [
        ("a clean stop", |_| {}, true),
        ("a snapshot", |opened| snapshot(&opened.store).unwrap(), true),
        ("a new log file", |opened| opened.log.roll().unwrap(), true),
        ("webhooks that were told", |opened| opened.store.keep_webhooks(b"{}").unwrap(), true),
        ("writes alone", |_| {}, false),
    ];
    for (what, since, is_known) in since {
        let disk = SimDisk::new();
        let mut opened = open(&disk).unwrap();
        append(&mut opened, 2).unwrap();
        let older = disk.contents(&file(&log_name(1))).unwrap();
        append(&mut opened, 3).unwrap();
        opened.log.seal().unwrap();
        since(&mut opened);
        if what == "a clean stop" {
            opened.log.close().unwrap();
        } else {
            drop(opened.log);
        }
        drop((opened.store, opened.snapshot));
        disk.set_contents(&file(&log_name(1)), Some(older));
        match (outcome(&disk), is_known) {
            (Err(error), true) => assert_eq!(error.kind, StorageErrorKind::CorruptLog, "{what}: {error}"),
            // Whole, and nothing tells that there was more.
            (Ok((last, _)), false) => assert_eq!(last, 2),
            (other, _) => panic!("{what}: {other:?}"),
        }
    }
}
