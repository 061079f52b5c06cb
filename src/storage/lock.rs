//! One process at a time: the lock on the folder and who may enter it.

use std::io;
use std::path::Path;
use std::{thread, time::Duration};

use crate::model::planted::{Bug, planted};
use crate::storage::disk::{Disk, Lock};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::names::LOCK;

/// How often a lock that is this process's own is asked for, and the time between.
const OWN_TRIES: usize = 100;
const OWN_WAIT: Duration = Duration::from_millis(2);

/// Keeps the folder ours until dropped.
pub struct FolderLock {
    _held: Box<dyn Send + Sync>,
    /// The folder, which nobody removes and makes anew under us.
    _dir: Box<dyn Send + Sync>,
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
///
/// A program that is just being started by this one has, for a moment, all files of this process, and with them locks
/// that it gave back. So a lock that is this process's own is asked for again for a while before it is told.
pub fn lock_folder(disk: &dyn Disk, dir: &Path) -> Result<FolderLock, StorageError> {
    let path = dir.join(LOCK);
    let owner = std::process::id().to_string();
    for tries in 1.. {
        match take(disk, dir, &owner).map_err(|error| StorageError::io("locking", &path, &error))? {
            Ok(lock) => return Ok(lock),
            Err(_) if planted(Bug::IgnoreLock) => return Ok(FolderLock { _held: Box::new(()), _dir: Box::new(()) }),
            Err(by) if (by.trim() == owner || by.is_empty()) && tries < OWN_TRIES => thread::sleep(OWN_WAIT),
            Err(by) => {
                let cause = match by.trim() {
                    "" => "another process has this data folder open".to_owned(),
                    by => format!("process {by} has this data folder open"),
                };
                return Err(StorageError::new(StorageErrorKind::Locked, "opening", dir, cause));
            }
        }
    }
    unreachable!("the last try returns")
}

/// Takes the file and the folder, or tells who has them. Of the folder alone nobody tells: its lock file was removed.
fn take(disk: &dyn Disk, dir: &Path, owner: &str) -> io::Result<Result<FolderLock, String>> {
    match disk.lock(&dir.join(LOCK), owner)? {
        Lock::Taken(held) => Ok(match disk.lock_dir(dir)? {
            Some(dir) => Ok(FolderLock { _held: held, _dir: dir }),
            None => Err(String::new()),
        }),
        Lock::Held(by) => Ok(Err(by)),
    }
}
