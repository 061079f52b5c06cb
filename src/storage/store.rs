//! The data folder as a whole: opened once, shared by the log, the snapshots and whoever asks how it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::codec::damage::Damage;
use crate::model::id::Lsn;
use crate::model::planted::{Bug, planted};
use crate::storage::disk::{Disk, DiskFile, read_whole};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::export::{Exported, export_folder};
use crate::storage::format::{Identity, identity_text};
use crate::storage::lock::FolderLock;
use crate::storage::log::Log;
use crate::storage::log_file::{LogHead, Stop, log_damage, walk};
use crate::storage::manifest::{Manifest, remove_if_there};
use crate::storage::names::{FileName, log_name, parse_name, snapshot_name};
use crate::storage::recover::{Recovery, open_folder};
use crate::storage::snapshot_reader::Snapshot;
use crate::storage::snapshot_writer::SnapshotWriter;
use crate::storage::space::Ladder;
use crate::storage::status::{SnapshotInfo, StorageStatus};
use crate::storage::watch::Watch;

/// How to open a data folder.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Makes the folder a new database if it is empty or missing.
    pub create: bool,
    /// Maps snapshots instead of reading them into memory.
    pub mmap: bool,
    /// Size of a log file in bytes, head included; a longer write makes one file longer.
    pub file_bytes: u64,
    /// Prepares the next log file on a thread of its own.
    pub background: bool,
    /// Starts from the snapshot before the newest one, when the newest is damaged and the operator says so.
    pub from_previous: bool,
    /// A position that is known to have been acknowledged; a log that ends before it is refused.
    pub at_least: Lsn,
    /// How much is kept to be given back when there is no other room; 0 for nothing. Units: bytes.
    pub ballast_bytes: u64,
    /// How long there must be more room before a step of the ladder is left.
    pub space_return: Duration,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            create: true,
            mmap: true,
            file_bytes: 64 << 20,
            background: true,
            from_previous: false,
            at_least: Lsn(0),
            ballast_bytes: 128 << 20,
            space_return: Duration::from_secs(60),
        }
    }
}

/// An opened data folder.
pub struct Opened {
    /// The folder; cheap to clone, usable from any thread.
    pub store: Store,
    /// The log, ready to take the next frame; one owner.
    pub log: Log,
    /// The newest snapshot, every block verified, or none.
    pub snapshot: Option<Snapshot>,
    /// What opening had to do.
    pub recovery: Recovery,
}

impl Opened {
    /// Hands every payload after the snapshot to `apply`, in order; returns how many. An error of `apply` stops it.
    pub fn replay(&self, apply: &mut dyn FnMut(Lsn, &[u8]) -> Result<(), Damage>) -> Result<u64, StorageError> {
        let base = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.lsn().0);
        let files = self.store.position().files.clone();
        let mut count = 0;
        for (place, file) in files.iter().enumerate() {
            if files.get(place + 1).is_some_and(|next| next.first <= base + 1) {
                continue;
            }
            let path = self.store.dir().join(log_name(file.sequence));
            let bytes = self
                .store
                .disk()
                .open(&path)
                .and_then(|file| read_whole(&*file))
                .map_err(|error| StorageError::io("reading", &path, &error))?;
            let head = LogHead::decode(&path, &bytes)?;
            let end = (file.end as usize).min(bytes.len());
            let found = walk(&path, &bytes[..end], &head, &mut |lsn, payload| {
                if lsn > base + u64::from(planted(Bug::ReplayLate)) {
                    apply(Lsn(lsn), payload)?;
                    count += 1;
                }
                Ok(())
            });
            // It was walked a moment ago: that it is read otherwise now is no torn write.
            let end = found.end;
            match found.stop {
                Stop::Damaged(error) => return Err(error),
                Stop::Torn(why) => return Err(log_damage(&path, why).at(end)),
                Stop::Zeros if end < file.end => {
                    return Err(log_damage(&path, "the log ends earlier than when it was first read").at(end));
                }
                Stop::Zeros => {}
            }
        }
        Ok(count)
    }
}

/// A log file as the folder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) sequence: u32,
    pub(crate) first: u64,
    pub(crate) end: u64,
}

/// The durable end of the log.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    /// Never empty; the last one is being appended to.
    pub(crate) files: Vec<LogFile>,
    pub(crate) last: u64,
    pub(crate) checksum: u32,
}

impl Position {
    /// The file that holds (or will hold) a position.
    fn file_of(&self, lsn: u64) -> u32 {
        let after = self.files.partition_point(|file| file.first <= lsn);
        self.files[after.saturating_sub(1)].sequence
    }
}

/// The manifest on disk and the one to go on from; they differ after opening from the previous snapshot.
pub(crate) struct Manifests {
    pub(crate) published: Manifest,
    pub(crate) current: Manifest,
}

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) options: StoreOptions,
    pub(crate) identity: Identity,
    pub(crate) manifests: Mutex<Manifests>,
    pub(crate) position: Mutex<Position>,
    pub(crate) failed: Mutex<Option<StorageError>>,
    pub(crate) ladder: Mutex<Ladder>,
    /// Snapshots and log files that a scrub found damaged, by name.
    pub(crate) damaged: Mutex<BTreeSet<String>>,
    /// How many removals of files that are no longer needed were wanted since the last that left none.
    pub(crate) untidy: AtomicU64,
    /// The next log file, full of zeros, once it is made; held while it is made, and until it has its name.
    pub(crate) spare: Mutex<Option<Box<dyn DiskFile>>>,
    /// The snapshot that memory is mapped from, while memory uses it.
    pub(crate) watch: Mutex<Option<Arc<Watch>>>,
    pub(crate) snapshot_busy: Arc<AtomicBool>,
    /// Held while a snapshot gets its name and its place in the manifest, and while files are removed: between the
    /// two a snapshot would look like a leftover.
    pub(crate) placing: Mutex<()>,
    /// Held for reading while files are copied out; the removal of files needs it for writing.
    pub(crate) copying: RwLock<()>,
    pub(crate) _lock: FolderLock,
}

/// The data folder.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

/// The right to write a snapshot; one at a time.
pub(crate) struct SnapshotTurn(Arc<AtomicBool>);

impl Drop for SnapshotTurn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Takes a lock; the data behind ours are whole whatever panicked.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens a data folder: takes the lock, reads the manifest, verifies the snapshot and the log, cuts a torn tail.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: StoreOptions) -> Result<Opened, StorageError> {
        open_folder(disk, dir, options)
    }

    /// Starts a snapshot of the state at `lsn`. One at a time; may be used on another thread while the log goes on.
    ///
    /// Errors: when one is being written, when `lsn` is not between the live snapshot and the end of the log, or
    /// when the medium has no room for 1.2 times the live one.
    pub fn start_snapshot(&self, lsn: Lsn) -> Result<SnapshotWriter, StorageError> {
        self.check_failed()?;
        let refused = |kind, cause: String| Err(StorageError::new(kind, "starting a snapshot in", self.dir(), cause));
        let live = locked(&self.shared.manifests).current.snapshot;
        let durable = self.position().last;
        let least = live.map_or(0, |live| live.lsn.0);
        if lsn.0 < least || lsn.0 > durable {
            let cause =
                format!("lsn {lsn} is not between the live snapshot ({least}) and the end of the log ({durable})");
            return refused(StorageErrorKind::Config, cause);
        }
        let needed = live.map_or(0, |live| live.bytes / 5 * 6);
        let free = self.disk().free_space(self.dir());
        let free = free.map_err(|error| StorageError::io("looking at", self.dir(), &error))?;
        if free < needed {
            let cause = format!("{free} bytes are free, a snapshot may need {needed}");
            return refused(StorageErrorKind::NoSpace, cause);
        }
        if self.shared.snapshot_busy.swap(true, Ordering::Acquire) {
            return refused(StorageErrorKind::Config, "another snapshot is being written".into());
        }
        SnapshotWriter::start(self.clone(), lsn, SnapshotTurn(self.shared.snapshot_busy.clone()))
    }

    /// Makes a written and verified snapshot the live one. `place` gives the file its name. A snapshot that is `alone`
    /// takes everything before it along, in the same step.
    pub(crate) fn publish_snapshot(
        &self,
        info: SnapshotInfo,
        alone: bool,
        place: &mut dyn FnMut(&Path) -> Result<(), StorageError>,
    ) -> Result<SnapshotInfo, StorageError> {
        self.check_failed()?;
        let alone = alone && !planted(Bug::KeepErased);
        let live = locked(&self.shared.manifests).current.snapshot;
        let name = snapshot_name(info.lsn);
        let is_there = live.is_some_and(|live| live.lsn == info.lsn);
        if is_there && live == Some(info) && locked(&self.shared.damaged).contains(&name) {
            // One state has one image: the good copy takes the place of the damaged one.
            place(&self.dir().join(&name))?;
            self.watch().filter(|watch| watch.info == info).inspect(|watch| watch.lose_name());
            locked(&self.shared.damaged).remove(&name);
        }
        if is_there && !alone {
            return Ok(live.unwrap_or(info));
        }
        let placing = locked(&self.shared.placing);
        if !is_there {
            place(&self.dir().join(&name))?;
        }
        let kept = if alone { info.lsn.0 } else { live.map_or(0, |live| live.lsn.0) };
        let needed = self.position().file_of(kept + 1);
        let published = self.publish(&mut |manifest| {
            manifest.previous = manifest.snapshot.filter(|_| !alone && !planted(Bug::DropSpare));
            manifest.snapshot = live.filter(|_| is_there).or(Some(info));
            manifest.oldest_log = manifest.oldest_log.max(needed);
        });
        if let Err(error) = published {
            if self.check_failed().is_ok() && !is_there {
                // Without a place in the manifest it only takes room.
                remove_if_there(self.disk(), &self.dir().join(&name))?;
            }
            return Err(error);
        }
        drop(placing);
        self.collect();
        Ok(live.filter(|_| is_there).unwrap_or(info))
    }

    /// Gives up the spare snapshot, the log files only it needs and the torn tails cut off these; returns the first
    /// position that the log still holds.
    pub fn forget_previous(&self) -> Result<Lsn, StorageError> {
        let live = locked(&self.shared.manifests).current.snapshot.map_or(0, |live| live.lsn.0);
        let needed = self.position().file_of(live.saturating_add(1));
        self.publish(&mut |manifest| {
            manifest.previous = None;
            manifest.oldest_log = manifest.oldest_log.max(needed);
        })?;
        self.collect();
        self.remove_where(&mut |name, _| matches!(name, FileName::Torn(_)))?;
        Ok(Lsn(self.position().files[0].first))
    }

    /// Gives up the spare snapshot if it, or the log that only it needs, was found damaged.
    pub fn forget_damaged(&self) -> Result<(), StorageError> {
        let manifest = self.manifest();
        let live = manifest.snapshot.map_or(0, |live| live.lsn.0);
        let needed = self.position().file_of(live.saturating_add(1));
        let only_for_spare = |name: &String| match parse_name(name) {
            FileName::Snapshot(lsn) => manifest.previous.is_some_and(|previous| previous.lsn == lsn),
            FileName::Log(sequence) => sequence < needed,
            _ => false,
        };
        if locked(&self.shared.damaged).iter().any(only_for_spare) {
            self.forget_previous()?;
        }
        let manifest = self.manifest();
        let kept = [manifest.snapshot, manifest.previous].map(|snapshot| snapshot.map(|snapshot| snapshot.lsn));
        locked(&self.shared.damaged).retain(|name| match parse_name(name) {
            FileName::Snapshot(lsn) => kept.contains(&Some(lsn)),
            FileName::Log(sequence) => sequence >= manifest.oldest_log,
            _ => false,
        });
        Ok(())
    }

    /// Fails with the first failure of log, manifest or mapped memory, once there was one.
    pub fn whole(&self) -> Result<(), StorageError> {
        self.check_failed()
    }

    /// Whether a scrub found damage that is still in the folder.
    pub fn has_damage(&self) -> bool {
        !locked(&self.shared.damaged).is_empty()
    }

    /// Whether nothing is left of what is no longer needed.
    pub fn is_tidy(&self) -> bool {
        self.shared.untidy.load(Ordering::Acquire) == 0
    }

    /// Removes what is no longer needed, if some of it is still there; says whether nothing is.
    pub fn tidy(&self) -> bool {
        if !self.is_tidy() {
            self.collect();
        }
        self.is_tidy()
    }

    /// Copies the live snapshot and the log after it to an empty folder, while writing goes on.
    pub fn export(&self, to: &Path) -> Result<Exported, StorageError> {
        export_folder(self, to)
    }

    /// Positions and sizes.
    pub fn status(&self) -> StorageStatus {
        let current = locked(&self.shared.manifests).current;
        let position = self.position();
        let base = current.snapshot.map_or(0, |snapshot| snapshot.lsn.0);
        let since = position.file_of(base + 1);
        let bytes = |from: u32| position.files.iter().filter(|f| f.sequence >= from).map(|f| f.end).sum();
        StorageStatus {
            dir: self.dir().to_owned(),
            uuid: identity_text(&self.shared.identity),
            durable: Lsn(position.last),
            log_first: Lsn(position.files[0].first),
            log_files: position.files.len() as u64,
            log_bytes: bytes(0),
            log_bytes_since_snapshot: bytes(since),
            snapshot: current.snapshot,
            previous: current.previous,
            free_bytes: self.disk().free_space(self.dir()).ok(),
            failed: locked(&self.shared.failed).as_ref().map(StorageError::to_string),
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// The medium.
    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.shared.disk
    }

    /// The identity of the database.
    pub fn identity(&self) -> Identity {
        self.shared.identity
    }

    pub(crate) fn position(&self) -> MutexGuard<'_, Position> {
        locked(&self.shared.position)
    }

    pub(crate) fn manifest(&self) -> Manifest {
        locked(&self.shared.manifests).current
    }

    /// Fails with the first failure, once there was one.
    pub(crate) fn check_failed(&self) -> Result<(), StorageError> {
        locked(&self.shared.failed).clone().map_or(Ok(()), Err)
    }

    /// Keeps the first failure of log or manifest; nothing may be acknowledged any more.
    pub(crate) fn latch(&self, error: StorageError) -> StorageError {
        locked(&self.shared.failed).get_or_insert(error).clone()
    }

    /// Publishes a changed manifest. A failure is latched, since either one may now be on disk; that there is no room
    /// shows before anything is changed, and is not.
    pub(crate) fn publish(&self, change: &mut dyn FnMut(&mut Manifest)) -> Result<(), StorageError> {
        let mut manifests = locked(&self.shared.manifests);
        self.check_failed()?;
        let mut next = manifests.current;
        next.clean = None;
        next.generation += 1;
        next.floor = Lsn(self.position().last);
        change(&mut next);
        if planted(Bug::CollectEarly) {
            self.remove_where(&mut |name, _| matches!(name, FileName::Log(sequence) if sequence < next.oldest_log))?;
        }
        if let Err(error) = next.stage(self.disk(), self.dir(), Some(&manifests.published)) {
            return Err(if error.kind == StorageErrorKind::NoSpace { error } else { self.latch(error) });
        }
        Manifest::place(self.disk(), self.dir(), true).map_err(|error| self.latch(error))?;
        *manifests = Manifests { published: next, current: next };
        locked(&self.shared.ladder).set_live(next.snapshot.map(|live| live.bytes));
        Ok(())
    }

    /// As [`Store::publish`], for what a start finds without the manifest: where there is no room for a new one, it
    /// goes into the next that is published.
    pub(crate) fn publish_or_remember(&self, change: &mut dyn FnMut(&mut Manifest)) -> Result<(), StorageError> {
        match self.publish(change) {
            Err(error) if error.kind == StorageErrorKind::NoSpace && self.check_failed().is_ok() => {
                change(&mut locked(&self.shared.manifests).current);
                tracing::warn!(%error, "there is no room for a new manifest yet");
                Ok(())
            }
            done => done,
        }
    }

    /// There is a newer log file, which goes into the next manifest that is published.
    pub(crate) fn remember_newest(&self, sequence: u32) {
        locked(&self.shared.manifests).current.newest_log = sequence;
    }

    /// Has the newest log file in the manifest, so that it would be missed.
    ///
    /// Errors: as those of a failed log. Where there is no room it goes into the next manifest.
    pub fn list_newest(&self) -> Result<(), StorageError> {
        let is_listed = {
            let manifests = locked(&self.shared.manifests);
            manifests.published.newest_log == manifests.current.newest_log
        };
        if is_listed { Ok(()) } else { self.publish_or_remember(&mut |_| {}) }
    }

    /// Removes what the manifest no longer needs; while files are being copied out, the next time.
    pub(crate) fn collect(&self) {
        let wanted = self.shared.untidy.fetch_add(1, Ordering::AcqRel) + 1;
        let Ok(_none_copied) = self.shared.copying.try_write() else { return };
        let _none_placed = locked(&self.shared.placing);
        let manifest = self.manifest();
        let oldest = manifest.oldest_log;
        self.position().files.retain(|file| file.sequence >= oldest);
        let kept = [manifest.snapshot, manifest.previous].map(|snapshot| snapshot.map(|snapshot| snapshot.lsn));
        self.watch().filter(|watch| !kept.contains(&Some(watch.info.lsn))).inspect(|watch| watch.lose_name());
        let removed = self.remove_where(&mut |name, _| match name {
            FileName::Log(sequence) | FileName::Torn(sequence) => sequence < oldest,
            FileName::Snapshot(lsn) => !kept.contains(&Some(lsn)),
            _ => false,
        });
        match removed {
            Ok(()) => {
                let untidy = &self.shared.untidy;
                let _another_waits = untidy.compare_exchange(wanted, 0, Ordering::AcqRel, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(%error, "files that are no longer needed could not be removed yet"),
        }
    }

    pub(crate) fn remove_where(&self, wanted: &mut dyn FnMut(FileName, &Path) -> bool) -> Result<(), StorageError> {
        let names = self.disk().list(self.dir());
        let names = names.map_err(|error| StorageError::io("listing", self.dir(), &error))?;
        for name in &names {
            let path = self.dir().join(name);
            if wanted(parse_name(name), &path) {
                remove_if_there(self.disk(), &path)?;
            }
        }
        self.disk().sync_dir(self.dir()).map_err(|error| StorageError::io("syncing", self.dir(), &error))
    }
}
