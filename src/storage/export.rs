//! Copies a consistent state of the folder elsewhere, while the original is in use.

use std::path::Path;
use std::sync::PoisonError;

use crate::model::id::Lsn;
use crate::storage::disk::{read_exact_at, write_all_at};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::folder::make_folder;
use crate::storage::lock::check_mode;
use crate::storage::manifest::{CleanEnd, Manifest};
use crate::storage::names::{log_name, snapshot_name};
use crate::storage::store::Store;
use crate::storage::verify::verify_folder;
use crate::storage::webhooks_file;

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The position the copy ends at.
    pub lsn: Lsn,
    /// Files copied.
    pub files: u64,
    /// Bytes copied.
    pub bytes: u64,
}

/// Copies the live snapshot and the log after it, writes a manifest for them, and verifies the copy.
pub(crate) fn export_folder(store: &Store, to: &Path) -> Result<Exported, StorageError> {
    let exported = copy_folder(store, to);
    // What could not be removed meanwhile goes now: it may hold somebody who was erased.
    store.tidy();
    exported
}

fn copy_folder(store: &Store, to: &Path) -> Result<Exported, StorageError> {
    let disk = store.disk();
    let made = make_folder(disk, to)?;
    check_mode(disk, to)?;
    let there = disk.list(to).map_err(|error| StorageError::io("listing", to, &error))?;
    if let Some(name) = there.first() {
        let cause = format!("the folder to copy to must be empty, but holds {name:?}");
        return Err(StorageError::new(StorageErrorKind::Config, "copying to", to, cause));
    }
    let _none_removed = store.shared.copying.read().unwrap_or_else(PoisonError::into_inner);
    // Read first: a place in the feed that is told may lag behind the log, and never leads.
    let webhooks = store.webhooks()?;
    let manifest = store.manifest();
    let position = store.position().clone();
    let mut exported = Exported { lsn: Lsn(position.last), files: 0, bytes: 0 };
    let base = manifest.snapshot.map_or(0, |snapshot| snapshot.lsn.0);
    if let Some(info) = manifest.snapshot {
        copy_file(store, to, &snapshot_name(info.lsn), info.bytes, 0o400, &mut exported)?;
    }
    let mut oldest = None;
    for (place, file) in position.files.iter().enumerate() {
        if position.files.get(place + 1).is_none_or(|next| next.first > base + 1) {
            oldest = oldest.or(Some(file.sequence));
            copy_file(store, to, &log_name(file.sequence), file.end, 0o600, &mut exported)?;
        }
    }
    if let Some(webhooks) = webhooks {
        webhooks_file::write(disk, to, &manifest.identity, webhooks.lsn, &webhooks.body)?;
        exported.files += 1;
        exported.bytes += webhooks.body.len() as u64;
    }
    let newest = position.files.last().expect("the log has a file");
    disk.sync_dir(to).map_err(|error| StorageError::io("syncing", to, &error))?;
    made.sync(disk, to)?;
    let copy = Manifest {
        identity: manifest.identity,
        generation: 1,
        oldest_log: oldest.unwrap_or(newest.sequence),
        newest_log: newest.sequence,
        floor: Lsn(position.last),
        snapshot: manifest.snapshot,
        previous: None,
        clean: Some(CleanEnd { end: newest.end, checksum: position.checksum }),
    };
    copy.publish(disk, to, None)?;
    if let Some(error) = verify_folder(disk, to)?.damage.into_iter().next() {
        return Err(error);
    }
    Ok(exported)
}

fn copy_file(
    store: &Store,
    to: &Path,
    name: &str,
    len: u64,
    mode: u32,
    exported: &mut Exported,
) -> Result<(), StorageError> {
    const STEP: u64 = 1 << 20;
    let disk = store.disk();
    let (from, to) = (store.dir().join(name), to.join(name));
    let source = disk.open(&from).map_err(|error| StorageError::io("reading", &from, &error))?;
    let target = disk.create(&to, 0o600).map_err(|error| StorageError::io("creating", &to, &error))?;
    let mut buffer = vec![0u8; STEP.min(len) as usize];
    let mut at = 0;
    while at < len {
        let step = &mut buffer[..(len - at).min(STEP) as usize];
        read_exact_at(&*source, step, at).map_err(|error| StorageError::io("reading", &from, &error).at(at))?;
        write_all_at(&*target, step, at).map_err(|error| StorageError::io("writing", &to, &error).at(at))?;
        at += step.len() as u64;
    }
    target.set_mode(mode).map_err(|error| StorageError::io("protecting", &to, &error))?;
    target.sync_data().map_err(|error| StorageError::io("syncing", &to, &error))?;
    exported.files += 1;
    exported.bytes += len;
    Ok(())
}
