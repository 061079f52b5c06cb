//! The data folder as a whole: opened once, shared by the log, the snapshots and whoever asks how it is.
#![allow(clippy::unimplemented)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::id::Lsn;
use crate::storage::disk::Disk;
use crate::storage::error::StorageError;
use crate::storage::export::Exported;
use crate::storage::log::Log;
use crate::storage::recover::Recovery;
use crate::storage::snapshot_reader::Snapshot;
use crate::storage::snapshot_writer::SnapshotWriter;
use crate::storage::status::StorageStatus;

/// How to open a data folder.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Makes the folder a new database if it is empty or missing.
    pub create: bool,
    /// Maps snapshots instead of reading them into memory.
    pub mmap: bool,
    /// Size of a log file in bytes, header included.
    pub file_bytes: u64,
    /// Prepares the next log file on a thread of its own.
    pub background: bool,
    /// Starts from the snapshot before the newest one, when the newest is damaged and the operator says so.
    pub from_previous: bool,
    /// A position that is known to have been acknowledged; a log that ends before it is refused.
    pub at_least: Lsn,
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
    pub fn replay(&self, _apply: &mut dyn FnMut(Lsn, &[u8]) -> Result<(), String>) -> Result<u64, StorageError> {
        unimplemented!()
    }
}

/// The data folder.
#[derive(Clone)]
pub struct Store {
    _dir: Arc<PathBuf>,
}

impl Store {
    /// Opens a data folder: takes the lock, reads the manifest, verifies the snapshot and the log, cuts a torn tail.
    pub fn open(_disk: Arc<dyn Disk>, _dir: &Path, _options: StoreOptions) -> Result<Opened, StorageError> {
        unimplemented!()
    }

    /// Starts a snapshot of the state at `lsn`. One at a time; may be used on another thread while the log goes on.
    pub fn start_snapshot(&self, _lsn: Lsn) -> Result<SnapshotWriter, StorageError> {
        unimplemented!()
    }

    /// Removes log files that hold nothing after `up_to` and that no kept snapshot needs; returns how many.
    pub fn trim(&self, _up_to: Lsn) -> Result<u64, StorageError> {
        unimplemented!()
    }

    /// Gives up the spare snapshot, the log files only it needs and saved torn tails (for erasure).
    pub fn forget_previous(&self) -> Result<(), StorageError> {
        unimplemented!()
    }

    /// Copies the live snapshot and the log after it to an empty folder, while writing goes on.
    pub fn export(&self, _to: &Path) -> Result<Exported, StorageError> {
        unimplemented!()
    }

    /// Positions and sizes.
    pub fn status(&self) -> StorageStatus {
        unimplemented!()
    }
}
