//! The file of access keys: read whole and replaced whole, beside a database that may be open. What is in it is opaque.

use std::{io, path::Path};

use bytes::Bytes;

use crate::storage::{
    disk::{Disk, Lock, read_whole, write_all_at},
    error::{StorageError, StorageErrorKind},
    folder::make_folder,
    lock::check_mode,
    names::{KEYS, KEYS_LOCK, TEMP},
};

/// Reads the file; `None` when there is none.
pub fn read_keys(disk: &dyn Disk, dir: &Path) -> Result<Option<Bytes>, StorageError> {
    let path = dir.join(KEYS);
    match disk.open(&path).and_then(|file| read_whole(&*file)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("reading", &path, &error)),
    }
}

/// Replaces the file by what `edit` makes of it, in one step; the folder is made when it is not there. One edit at a
/// time: another process that edits is told, not waited for.
///
/// Errors: those of the disk, and what `edit` says.
pub fn edit_keys<T, E: From<StorageError>>(
    disk: &dyn Disk,
    dir: &Path,
    edit: impl FnOnce(Option<Bytes>) -> Result<(Vec<u8>, T), E>,
) -> Result<T, E> {
    let failed = |doing: &'static str, path: &Path, error: &io::Error| E::from(StorageError::io(doing, path, error));
    let made = make_folder(disk, dir)?;
    check_mode(disk, dir)?;
    let lock = dir.join(KEYS_LOCK);
    let owner = std::process::id().to_string();
    let _held = match disk.lock(&lock, &owner).map_err(|error| failed("locking", &lock, &error))? {
        Lock::Taken(held) => held,
        Lock::Held(by) => {
            let cause = format!("process {} changes the keys at this moment", by.trim());
            return Err(StorageError::new(StorageErrorKind::Locked, "changing", dir.join(KEYS), cause).into());
        }
    };
    let (bytes, told) = edit(read_keys(disk, dir)?)?;
    let (path, temp) = (dir.join(KEYS), dir.join(format!("{KEYS}{TEMP}")));
    // One that was left behind by a process that died.
    let _ = disk.remove(&temp);
    let write = || {
        let file = disk.create(&temp, 0o600)?;
        write_all_at(&*file, &bytes, 0)?;
        file.sync_data()?;
        disk.rename(&temp, &path)?;
        disk.sync_dir(dir)
    };
    write().map_err(|error| failed("writing", &path, &error))?;
    if made.is_new() {
        made.sync(disk, dir)?;
    }
    Ok(told)
}
