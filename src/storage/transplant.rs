//! Makes a new folder that begins in the middle: with a snapshot, and a log that goes on after it.

use std::path::Path;
use std::sync::Arc;

use crate::model::id::Lsn;
use crate::storage::disk::{Disk, write_all_at};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::folder::make_folder;
use crate::storage::format::HEAD_BYTES;
use crate::storage::lock::{check_mode, lock_folder};
use crate::storage::log::make_spare;
use crate::storage::log_file::LogHead;
use crate::storage::manifest::{CleanEnd, Manifest, rename};
use crate::storage::names::{REPORT, TEMP, log_name};
use crate::storage::recover::new_shared;
use crate::storage::store::{LogFile, Manifests, Position, Store, StoreOptions};

/// Makes an empty folder ready for a snapshot of a position; without one it is no database. Its identity is new, so
/// that no file of the old one passes there.
///
/// Errors: a folder that is not empty, or that others may write to; failed file calls.
pub fn found_at(disk: Arc<dyn Disk>, dir: &Path, lsn: Lsn, options: StoreOptions) -> Result<Store, StorageError> {
    let made = make_folder(&*disk, dir)?;
    check_mode(&*disk, dir)?;
    let there = disk.list(dir).map_err(|error| StorageError::io("listing", dir, &error))?;
    if let Some(name) = there.first() {
        let cause = format!("the new folder must be empty, but holds {name:?}");
        return Err(StorageError::new(StorageErrorKind::Config, "writing to", dir, cause));
    }
    let lock = lock_folder(&*disk, dir)?;
    let identity = disk.entropy().to_le_bytes();
    // The first log file of a database begins at its first position; this one goes on from elsewhere.
    let sequence = 2;
    let head = LogHead {
        identity,
        sequence,
        first: lsn.0 + 1,
        previous_last: lsn.0,
        previous_checksum: 0,
        salt: disk.entropy() as u32,
    };
    let path = dir.join(log_name(sequence));
    let temp = dir.join(format!("{}{TEMP}", log_name(sequence)));
    let failed = |error: std::io::Error| StorageError::io("creating", &temp, &error);
    let file = make_spare(&*disk, &temp, options.file_bytes).map_err(failed)?;
    write_all_at(&*file, &head.encode(), 0).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    drop(file);
    rename(&*disk, &temp, &path)?;
    disk.sync_dir(dir).map_err(|error| StorageError::io("syncing", dir, &error))?;
    made.sync(&*disk, dir)?;
    let manifest = Manifest {
        identity,
        generation: 0,
        oldest_log: sequence,
        newest_log: sequence,
        floor: lsn,
        snapshot: None,
        previous: None,
        clean: None,
    };
    let files = vec![LogFile { sequence, first: head.first, end: HEAD_BYTES as u64 }];
    let position = Position { files, last: lsn.0, checksum: 0 };
    let manifests = Manifests { published: manifest, current: manifest };
    Ok(Store { shared: Arc::new(new_shared(disk, dir, options, manifests, position, lock)) })
}

impl Store {
    /// Ends the making of a new folder: with a report, and as after a clean stop.
    ///
    /// Errors: failed file calls.
    pub fn finish_founding(&self, report: &str) -> Result<(), StorageError> {
        let path = self.dir().join(REPORT);
        crate::storage::manifest::write_new(self.disk(), &path, report.as_bytes(), 0o600)?;
        let clean = CleanEnd { end: HEAD_BYTES as u64, checksum: 0 };
        self.publish(&mut |manifest| manifest.clean = Some(clean))
    }
}
