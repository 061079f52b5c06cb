//! What the tests of this room share: a tiny database of known payloads on a disk, and runs of small workloads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::codec::cursor::{Cursor, Writer};
use crate::codec::section::{SectionSink, SectionSource};
use crate::model::id::Lsn;
use crate::storage::disk::Disk;
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::sim_disk::SimDisk;
use crate::storage::snapshot_reader::Snapshot;
use crate::storage::snapshot_writer::SnapshotWriter;
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
    finish_snapshot(start_snapshot(store)?)
}

/// The first half of [`snapshot`]; the log may go on before the second.
fn start_snapshot(store: &Store) -> Result<SnapshotWriter, StorageError> {
    let last = store.status().durable;
    let mut writer = store.start_snapshot(last)?;
    let mut section = Writer::new();
    section.u64(last.0);
    (1..=last.0).for_each(|lsn| section.bytes(&payload(lsn)));
    // A refused section shows again in finish, with its whole cause.
    let _shown_by_finish = writer.begin("payloads").and_then(|()| writer.put(section.as_slice()));
    Ok(writer)
}

fn finish_snapshot(mut writer: SnapshotWriter) -> Result<(), StorageError> {
    let _shown_by_finish = writer
        .begin("empty")
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

/// How many payloads, of whatever kind, come after the snapshot.
pub(crate) fn recovered_count(opened: &Opened) -> u64 {
    opened.replay(&mut |_, _| Ok(())).expect("what was just walked is walked again")
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Appends a group of that many payloads.
    Append(u64),
    /// Seals.
    Seal,
    /// Goes on in a new file.
    Roll,
    /// Writes a snapshot.
    Snapshot,
    /// Starts a snapshot that later steps run beside.
    Start,
    /// Finishes the snapshot that was started.
    Finish,
    /// Gives up what only the spare snapshot needs.
    Forget,
    /// Goes on in a new file and writes a snapshot that takes everything before it along, as after an erasure.
    Alone,
    /// Closes and opens again.
    Reopen,
    /// Drops everything without closing, and opens again.
    Drop,
}

/// Every kind of step.
pub(crate) const STEPS: [Step; 12] = [
    Step::Append(1),
    Step::Append(3),
    Step::Append(14),
    Step::Seal,
    Step::Roll,
    Step::Snapshot,
    Step::Start,
    Step::Finish,
    Step::Forget,
    Step::Alone,
    Step::Reopen,
    Step::Drop,
];

/// What a run got to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Everything up to here was acknowledged.
    pub(crate) acknowledged: u64,
    /// Nothing after here was ever asked for.
    pub(crate) attempted: u64,
    /// Some call returned an error.
    pub(crate) failed: bool,
    /// A snapshot was on its way when the first call failed, or in the last step.
    pub(crate) checkpointing: bool,
}

/// A run of steps on a disk.
pub(crate) struct Run {
    disk: SimDisk,
    opened: Result<Opened, StorageError>,
    writer: Option<SnapshotWriter>,
    pub(crate) reached: Reached,
}

impl Run {
    /// Opens the folder.
    pub(crate) fn start(disk: &SimDisk) -> Run {
        let opened = open(disk);
        let reached = Reached { failed: opened.is_err(), ..Reached::default() };
        Run { disk: disk.clone(), opened, writer: None, reached }
    }

    /// Does a step; `false` when it failed, or when the folder could not be opened before.
    pub(crate) fn step(&mut self, step: Step) -> bool {
        let Ok(current) = &mut self.opened else { return false };
        if !self.reached.failed {
            self.reached.checkpointing =
                matches!(step, Step::Snapshot | Step::Alone | Step::Start | Step::Finish) || self.writer.is_some();
        }
        let latched = current.log.failed().cloned();
        let done = match step {
            Step::Append(count) => {
                if latched.is_none() {
                    self.reached.attempted = current.log.last().0 + count;
                }
                let done = append(current, count);
                // Only want of room that was found before anything was written may be tried again.
                let again =
                    |error: &StorageError| error.kind == StorageErrorKind::NoSpace && current.log.failed().is_none();
                let last = done.as_ref().err() == current.log.failed() || done.as_ref().is_err_and(again);
                assert!(last, "an append that fails is the last one: {done:?}");
                done
            }
            Step::Seal => current.log.seal(),
            Step::Roll => current.log.roll(),
            Step::Snapshot => snapshot(&current.store),
            Step::Start => match self.writer {
                None => start_snapshot(&current.store).map(|writer| self.writer = Some(writer)),
                Some(_) => Ok(()),
            },
            Step::Finish => self.writer.take().map_or(Ok(()), finish_snapshot),
            Step::Forget => current.store.forget_previous().map(drop),
            Step::Alone => (current.store.ready_spare())
                .and_then(|()| current.log.roll_ahead())
                .and_then(|()| current.store.list_newest())
                .and_then(|()| start_snapshot(&current.store))
                .and_then(|mut writer| {
                    writer.set_alone();
                    finish_snapshot(writer)
                }),
            Step::Reopen | Step::Drop => self.reopen(step == Step::Reopen),
        };
        if let Ok(current) = &self.opened {
            self.reached.acknowledged = self.reached.acknowledged.max(current.log.last().0);
            self.reached.attempted = self.reached.attempted.max(self.reached.acknowledged);
        }
        if let (Some(first), Step::Append(_)) = (&latched, step) {
            assert_eq!(done.as_ref().unwrap_err(), first, "after a failure every append fails the same");
        }
        // A second snapshot beside the first one is refused, and that is no failure of the disk.
        let refused = done.as_ref().is_err_and(|error| error.kind == StorageErrorKind::Config);
        let failed = (done.is_err() && !refused) || self.opened.is_err();
        self.reached.failed |= failed;
        !failed
    }

    fn reopen(&mut self, close: bool) -> Result<(), StorageError> {
        self.writer = None;
        let nothing = StorageError::new(StorageErrorKind::Config, "opening", dir(), "between two openings");
        let Ok(current) = std::mem::replace(&mut self.opened, Err(nothing)) else { return Ok(()) };
        let Opened { store, log, snapshot, .. } = current;
        let closed = if close {
            log.close()
        } else {
            drop(log);
            Ok(())
        };
        drop((store, snapshot));
        self.opened = open(&self.disk);
        closed
    }
}

/// Runs a workload from an empty disk; goes on after errors when `stubborn`.
pub(crate) fn run(disk: &SimDisk, steps: &[Step], stubborn: bool) -> Reached {
    let mut run = Run::start(disk);
    for step in steps {
        if !run.step(*step) && (!stubborn || run.opened.is_err()) {
            break;
        }
    }
    run.reached
}

/// The calls that a workload makes.
pub(crate) fn calls_of(steps: &[Step]) -> u64 {
    let disk = SimDisk::new();
    assert!(!run(&disk, steps, false).failed, "{steps:?} runs");
    disk.calls()
}

/// Opens, and checks that what is there is what was acknowledged, and at most what was asked for.
pub(crate) fn check_prefix(disk: &SimDisk, reached: Reached, what: &dyn Fn() -> String) -> Opened {
    let opened = open(disk).unwrap_or_else(|error| panic!("{}: {error}", what()));
    let last = recovered(&opened).unwrap_or_else(|error| panic!("{}: {error}", what()));
    let range = reached.acknowledged..=reached.attempted;
    assert!(range.contains(&last), "{}: recovered {last}, not in {range:?}", what());
    opened
}

/// As [`check_prefix`], and that the database goes on from there.
pub(crate) fn check(disk: &SimDisk, reached: Reached, what: &dyn Fn() -> String) {
    let mut opened = check_prefix(disk, reached, what);
    let last = opened.log.last().0;
    append(&mut opened, 1).unwrap_or_else(|error| panic!("{}: {error}", what()));
    snapshot(&opened.store).unwrap_or_else(|error| panic!("{}: {error}", what()));
    opened.log.close().unwrap_or_else(|error| panic!("{}: {error}", what()));
    drop((opened.store, opened.snapshot));
    let again = open(disk).unwrap_or_else(|error| panic!("{}, opened again: {error}", what()));
    assert!(!again.recovery.unclean, "{}: the stop was clean", what());
    assert_eq!(recovered(&again).unwrap(), last + 1, "{}", what());
}

/// Does the work of every number below `count` on all cores; the sums of what each gives.
pub(crate) fn on_all_cores<const N: usize>(count: usize, work: &(dyn Fn(usize) -> [u64; N] + Sync)) -> [u64; N] {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let one = || {
            let mut sums = [0; N];
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return sums;
                }
                let found = work(number);
                (0..N).for_each(|place| sums[place] += found[place]);
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        workers.into_iter().fold([0; N], |mut sums, worker| {
            let found = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (0..N).for_each(|place| sums[place] += found[place]);
            sums
        })
    })
}

/// A number from the environment, for long runs; `usual` where there is none.
pub(crate) fn asked(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number is asked for"))
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
