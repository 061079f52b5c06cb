//! One process at a time: the lock on the folder and who may enter it.

use std::path::Path;

use crate::model::planted::{Bug, planted};
use crate::storage::disk::{Disk, Lock};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::names::LOCK;

/// Keeps the folder ours until dropped.
pub struct FolderLock {
    _held: Box<dyn Send + Sync>,
}

/// Refuses a folder that other users could write to.
pub fn check_mode(disk: &dyn Disk, dir: &Path) -> Result<(), StorageError> {
    let mode = disk.mode(dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            StorageError::new(StorageErrorKind::Config, "opening", dir, "there is no such folder")
        }
        _ => StorageError::io("looking at", dir, &error),
    })?;
    match mode {
        Some(mode) if mode & 0o022 != 0 => {
            let cause = format!("other users may write here (mode {mode:04o}); run chmod 700 on it");
            Err(StorageError::new(StorageErrorKind::Config, "opening", dir, cause))
        }
        _ => Ok(()),
    }
}

/// Takes the lock or tells who has it.
pub fn lock_folder(disk: &dyn Disk, dir: &Path) -> Result<FolderLock, StorageError> {
    let path = dir.join(LOCK);
    let owner = std::process::id().to_string();
    match disk.lock(&path, &owner).map_err(|error| StorageError::io("locking", &path, &error))? {
        Lock::Taken(held) => Ok(FolderLock { _held: held }),
        Lock::Held(_) if planted(Bug::IgnoreLock) => Ok(FolderLock { _held: Box::new(()) }),
        Lock::Held(by) => {
            let cause = match by.trim() {
                "" => "another process has this data folder open".to_owned(),
                by => format!("process {by} has this data folder open"),
            };
            Err(StorageError::new(StorageErrorKind::Locked, "opening", dir, cause))
        }
    }
}
