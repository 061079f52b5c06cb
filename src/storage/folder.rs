//! Folders: made so that they stay, with those above them; and what an interrupted run left in one goes.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::model::planted::{Bug, planted};
use crate::storage::disk::Disk;
use crate::storage::error::StorageError;
use crate::storage::manifest::{Manifest, remove_if_there};
use crate::storage::names::{FileName, parse_name};
use crate::storage::store::Store;

/// How long a torn tail that was cut off is kept for whoever wants to look: it holds what people said of people.
pub const TORN_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A folder that was made, and how many of those above it.
#[must_use = "it stays once it is synced"]
pub(crate) struct MadeFolder {
    missing: usize,
}

/// Makes a folder, and those above it that are not there.
pub(crate) fn make_folder(disk: &dyn Disk, dir: &Path) -> Result<MadeFolder, StorageError> {
    let is_missing = |dir: &&Path| {
        !dir.as_os_str().is_empty() && disk.mode(dir).is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    let missing = dir.ancestors().take_while(is_missing).count();
    disk.create_dir(dir).map_err(|error| StorageError::io("creating", dir, &error))?;
    Ok(MadeFolder { missing })
}

impl MadeFolder {
    /// Makes the name of the folder durable in the one above it, and so on up. Those that were there may be of a run that
    /// was stopped before it came to this; where one of them cannot be synced, it was not this program that made it.
    pub(crate) fn sync(&self, disk: &dyn Disk, dir: &Path) -> Result<(), StorageError> {
        for (place, above) in dir.ancestors().skip(1).enumerate() {
            if planted(Bug::SkipParentSync) && place > 0 {
                return Ok(());
            }
            // A bare name lies in the current folder.
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            match disk.sync_dir(above) {
                Err(error) if place < self.missing.max(1) => return Err(StorageError::io("syncing", above, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether there was none before.
    #[cfg(feature = "server")]
    pub(crate) fn is_new(&self) -> bool {
        self.missing > 0
    }
}

/// Removes what an interrupted run left, and torn tails that were kept for long enough; says whether nothing of it
/// stays. What stays is tried again later.
pub(crate) fn remove_leftovers(disk: &dyn Disk, dir: &Path, names: &[String], manifest: &Manifest) -> bool {
    let kept = [manifest.snapshot, manifest.previous].map(|snapshot| snapshot.map(|snapshot| snapshot.lsn));
    let mut is_tidy = true;
    for name in names {
        let path = dir.join(name);
        let is_leftover = match parse_name(name) {
            FileName::Unfinished => true,
            FileName::Torn(sequence) => sequence < manifest.oldest_log || is_old(disk, &path),
            FileName::Log(sequence) => sequence < manifest.oldest_log,
            FileName::Snapshot(lsn) => !kept.contains(&Some(lsn)),
            _ => false,
        };
        if is_leftover && let Err(error) = remove_if_there(disk, &path) {
            tracing::warn!(%error, "a leftover file could not be removed yet");
            is_tidy = false;
        }
    }
    is_tidy
}

fn is_old(disk: &dyn Disk, path: &Path) -> bool {
    disk.age(path).is_ok_and(|age| age >= TORN_KEPT)
}

impl Store {
    /// Removes torn tails that were kept for long enough.
    ///
    /// Errors: failed file calls; what stays is tried again the next time.
    pub fn expire_torn(&self) -> Result<(), StorageError> {
        self.remove_where(&mut |name, path| matches!(name, FileName::Torn(_)) && is_old(self.disk(), path))
    }
}
