//! What the tests of this room share: a tiny database of known payloads on a disk, and runs of small workloads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::codec::cursor::{Cursor, Writer};
use crate::codec::section::{SectionSink, SectionSource};
use crate::model::id::Lsn;
use crate::storage::disk::Disk;
use crate::storage::error::StorageError;
use crate::storage::sim_disk::SimDisk;
use crate::storage::snapshot_reader::Snapshot;
use crate::storage::store::{Opened, Store, StoreOptions};

/// The folder of all tests on the simulated disk.
pub(crate) fn dir() -> PathBuf {
    PathBuf::from("/data")
}

/// Small files, everything on the calling thread.
pub(crate) fn options() -> StoreOptions {
    StoreOptions { file_bytes: 1_024, background: false, ..StoreOptions::default() }
}

/// The payload of a position; always the same.
pub(crate) fn payload(lsn: u64) -> Vec<u8> {
    let len = (lsn * 37 % 111) as usize;
    (0..len as u64).map(|i| (lsn * 31 + i * 7 + 1) as u8).collect()
}

/// Appends the next `count` payloads as one group.
pub(crate) fn append(opened: &mut Opened, count: u64) -> Result<(), StorageError> {
    let first = opened.log.last().0 + 1;
    let payloads: Vec<Vec<u8>> = (first..first + count).map(payload).collect();
    let frames: Vec<(Lsn, &[u8])> = (first..).map(Lsn).zip(payloads.iter().map(Vec::as_slice)).collect();
    opened.log.append(&frames)
}

/// Snapshots the payloads up to the end of the log.
pub(crate) fn snapshot(store: &Store) -> Result<(), StorageError> {
    let last = store.status().durable;
    let mut writer = store.start_snapshot(last)?;
    let mut section = Writer::new();
    section.u64(last.0);
    (1..=last.0).for_each(|lsn| section.bytes(&payload(lsn)));
    // A refused section shows again in finish, with its whole cause.
    let _shown_by_finish = writer
        .begin("payloads")
        .and_then(|()| writer.put(section.as_slice()))
        .and_then(|()| writer.begin("empty"))
        .and_then(|()| writer.begin("odd"))
        .and_then(|()| writer.put(b"odd").and_then(|()| writer.align(8)));
    writer.finish().map(|_| ())
}

fn check_snapshot(snapshot: &Snapshot) -> u64 {
    assert_eq!(snapshot.names(), ["empty", "odd", "payloads"]);
    assert_eq!(&snapshot.section("odd").unwrap()[..], b"odd\0\0\0\0\0");
    assert!(snapshot.section("empty").unwrap().is_empty());
    let bytes = snapshot.section("payloads").unwrap();
    assert_eq!(bytes.as_ptr().addr() % 64, 0);
    let mut cursor = Cursor::of("payloads", bytes);
    let last = cursor.u64().unwrap();
    assert_eq!(last, snapshot.lsn().0);
    for lsn in 1..=last {
        let wanted = payload(lsn);
        assert_eq!(cursor.take(wanted.len()).unwrap(), wanted);
    }
    cursor.end().unwrap();
    last
}

/// The last position recovered, after checking that every payload up to it is what it was.
pub(crate) fn recovered(opened: &Opened) -> Result<u64, StorageError> {
    let mut last = opened.snapshot.as_ref().map_or(0, check_snapshot);
    opened.replay(&mut |lsn, bytes| {
        assert_eq!(lsn.0, last + 1, "replay goes on where the snapshot or the frame before ended");
        assert_eq!(bytes, payload(lsn.0), "the payload of lsn {lsn}");
        last = lsn.0;
        Ok(())
    })?;
    assert_eq!(last, opened.log.last().0);
    assert_eq!(last, opened.recovery.last.0);
    Ok(last)
}

/// Opens the folder on a simulated disk.
pub(crate) fn open(disk: &SimDisk) -> Result<Opened, StorageError> {
    open_with(disk, options())
}

/// Opens the folder on a simulated disk with other options.
pub(crate) fn open_with(disk: &SimDisk, options: StoreOptions) -> Result<Opened, StorageError> {
    Store::open(Arc::new(disk.clone()) as Arc<dyn Disk>, &dir(), options)
}

/// The file of that name.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(&dir()).join(name)
}

/// One step of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Appends a group of that many payloads.
    Append(u64),
    /// Seals.
    Seal,
    /// Goes on in a new file.
    Roll,
    /// Writes a snapshot.
    Snapshot,
    /// Gives up what only the spare snapshot needs.
    Forget,
    /// Trims what the snapshots do not need.
    Trim,
    /// Closes and opens again.
    Reopen,
    /// Drops everything without closing, and opens again.
    Drop,
}

/// What a run got to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Everything up to here was acknowledged.
    pub(crate) acknowledged: u64,
    /// Nothing after here was ever asked for.
    pub(crate) attempted: u64,
    /// Some call returned an error.
    pub(crate) failed: bool,
}

/// Runs a workload from an empty disk; goes on after errors when `stubborn`.
pub(crate) fn run(disk: &SimDisk, steps: &[Step], stubborn: bool) -> Reached {
    let mut reached = Reached::default();
    let mut opened = open(disk);
    for step in steps {
        let Ok(current) = &mut opened else {
            reached.failed = true;
            return reached;
        };
        let latched = current.log.failed().cloned();
        let done = match step {
            Step::Append(count) => {
                if latched.is_none() {
                    reached.attempted = current.log.last().0 + count;
                }
                append(current, *count)
            }
            Step::Seal => current.log.seal(),
            Step::Roll => current.log.roll(),
            Step::Snapshot => snapshot(&current.store),
            Step::Forget => current.store.forget_previous().map(drop),
            Step::Trim => current.store.trim(current.log.last()).map(|_| ()),
            Step::Reopen => {
                let Ok(current) = opened else { return reached };
                let closed = current.log.close();
                drop((current.store, current.snapshot));
                opened = open(disk);
                closed
            }
            Step::Drop => {
                drop(opened);
                opened = open(disk);
                Ok(())
            }
        };
        if let Ok(current) = &opened {
            reached.acknowledged = reached.acknowledged.max(current.log.last().0);
            reached.attempted = reached.attempted.max(reached.acknowledged);
        }
        if let (Some(first), Step::Append(_)) = (&latched, step) {
            assert_eq!(done.as_ref().unwrap_err(), first, "after a failure every append fails the same");
        }
        if done.is_err() {
            reached.failed = true;
            if !stubborn {
                return reached;
            }
        }
    }
    reached.failed |= opened.is_err();
    reached
}

/// Small, repeatable random numbers.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `n`.
    pub(crate) fn roll(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}
