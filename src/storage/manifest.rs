//! The manifest: which snapshot is live, which log files are needed, and what is known to be durable.

use std::path::{Path, PathBuf};

use crate::codec::cursor::Writer;
use crate::model::id::Lsn;
use crate::model::planted::{Bug, planted};
use crate::storage::disk::{Disk, read_whole, write_all_at};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::format::{HeadKind, Identity, MANIFEST_BYTES, check_head, finish_head, le_u32, le_u64, start_head};
use crate::storage::names::{MANIFEST, MANIFEST_OLD, TEMP};
use crate::storage::status::SnapshotInfo;

const HAS_SNAPSHOT: u32 = 1;
const HAS_PREVIOUS: u32 = 2;
const HAS_CLEAN_END: u32 = 4;

/// Where the log ended when it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanEnd {
    /// Offset after the last frame of the newest log file.
    pub end: u64,
    /// The checksum of that frame.
    pub checksum: u32,
}

/// The contents of the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The database.
    pub identity: Identity,
    /// Counts publications.
    pub generation: u64,
    /// The oldest log file needed.
    pub oldest_log: u32,
    /// A log file that exists; newer ones may, too.
    pub newest_log: u32,
    /// A position that was durable when this was written.
    pub floor: Lsn,
    /// The live snapshot.
    pub snapshot: Option<SnapshotInfo>,
    /// The one before it.
    pub previous: Option<SnapshotInfo>,
    /// Set by a clean stop.
    pub clean: Option<CleanEnd>,
}

impl Manifest {
    /// The manifest as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut head: Writer = start_head(HeadKind::Manifest, &self.identity);
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        let clean = self.clean.unwrap_or(CleanEnd { end: 0, checksum: 0 });
        head.u64(self.generation);
        head.u32(
            flag(self.snapshot.is_some(), HAS_SNAPSHOT)
                | flag(self.previous.is_some(), HAS_PREVIOUS)
                | flag(self.clean.is_some(), HAS_CLEAN_END),
        );
        head.u32(self.oldest_log);
        head.u32(self.newest_log);
        head.u32(clean.checksum);
        head.u64(clean.end);
        head.u64(self.floor.0);
        for snapshot in [self.snapshot, self.previous] {
            let SnapshotInfo { lsn, bytes, total } =
                snapshot.unwrap_or(SnapshotInfo { lsn: Lsn(0), bytes: 0, total: 0 });
            head.u64(lsn.0);
            head.u64(bytes);
            head.u64(total);
        }
        finish_head(HeadKind::Manifest, head)
    }

    /// Reads and checks a manifest.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Manifest, StorageError> {
        let identity = check_head(HeadKind::Manifest, path, bytes)?;
        if bytes.len() != MANIFEST_BYTES {
            let cause = format!("a manifest has {MANIFEST_BYTES} bytes, this one {}", bytes.len());
            return Err(StorageError::new(StorageErrorKind::Config, "reading", path, cause));
        }
        let flags = le_u32(&bytes[40..]);
        if flags & !(HAS_SNAPSHOT | HAS_PREVIOUS | HAS_CLEAN_END) != 0 {
            let cause = format!("the manifest has flags {flags:08x}, some of which this program does not know");
            return Err(StorageError::new(StorageErrorKind::NewerFormat, "reading", path, cause).at(40));
        }
        let snapshot = |at: usize, bit: u32| {
            let info = SnapshotInfo {
                lsn: Lsn(le_u64(&bytes[at..])),
                bytes: le_u64(&bytes[at + 8..]),
                total: le_u64(&bytes[at + 16..]),
            };
            (flags & bit != 0).then_some(info)
        };
        let clean = CleanEnd { checksum: le_u32(&bytes[52..]), end: le_u64(&bytes[56..]) };
        Ok(Manifest {
            identity,
            generation: le_u64(&bytes[32..]),
            oldest_log: le_u32(&bytes[44..]),
            newest_log: le_u32(&bytes[48..]),
            floor: Lsn(le_u64(&bytes[64..])),
            snapshot: snapshot(72, HAS_SNAPSHOT),
            previous: snapshot(96, HAS_PREVIOUS),
            clean: (flags & HAS_CLEAN_END != 0).then_some(clean),
        })
    }

    /// Reads the manifest of a folder.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Manifest, StorageError> {
        let path = dir.join(MANIFEST);
        let bytes = disk
            .open(&path)
            .and_then(|file| read_whole(&*file))
            .map_err(|error| StorageError::io("reading", &path, &error))?;
        Manifest::decode(&path, &bytes).map_err(|error| {
            let older = dir.join(MANIFEST_OLD);
            let hint = format!("{}; the generation before it may be in \"{}\"", error.cause, older.display());
            StorageError { cause: hint, ..error }
        })
    }

    /// Makes this the manifest of a folder: written aside, synced, renamed, and the folder synced.
    pub fn publish(&self, disk: &dyn Disk, dir: &Path, before: Option<&Manifest>) -> Result<(), StorageError> {
        self.stage(disk, dir, before)?;
        Manifest::place(disk, dir, before.is_some())
    }

    /// Writes it aside, and the generation before it. Until it is placed nothing has changed.
    pub(crate) fn stage(&self, disk: &dyn Disk, dir: &Path, before: Option<&Manifest>) -> Result<(), StorageError> {
        write_new(disk, &aside(dir, MANIFEST), &self.encode(), 0o600)?;
        match before {
            Some(before) => write_new(disk, &aside(dir, MANIFEST_OLD), &before.encode(), 0o600),
            None => Ok(()),
        }
    }

    /// Gives what was written aside its name. After an error either generation may be the one on disk.
    pub(crate) fn place(disk: &dyn Disk, dir: &Path, has_before: bool) -> Result<(), StorageError> {
        if has_before {
            rename(disk, &aside(dir, MANIFEST_OLD), &dir.join(MANIFEST_OLD))?;
        }
        rename(disk, &aside(dir, MANIFEST), &dir.join(MANIFEST))?;
        if planted(Bug::SkipFolderSync) {
            return Ok(());
        }
        disk.sync_dir(dir).map_err(|error| StorageError::io("syncing", dir, &error))
    }
}

fn aside(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}{TEMP}"))
}

/// Writes a new file whole and syncs it; a leftover of the same name goes first.
pub fn write_new(disk: &dyn Disk, path: &Path, bytes: &[u8], mode: u32) -> Result<(), StorageError> {
    let failed = |error: std::io::Error| StorageError::io("writing", path, &error);
    remove_if_there(disk, path)?;
    let file = disk.create(path, mode).map_err(failed)?;
    write_all_at(&*file, bytes, 0).map_err(failed)?;
    file.sync_data().map_err(|error| StorageError::io("syncing", path, &error))
}

/// Renames, with both names in the error.
pub fn rename(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), StorageError> {
    disk.rename(from, to).map_err(|error| {
        let cause = StorageError::io("renaming", from, &error);
        StorageError { cause: format!("to \"{}\": {}", to.display(), cause.cause), ..cause }
    })
}

/// Removes a file; one that is not there is fine.
pub fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    match disk.remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StorageError::io("removing", path, &error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_round_trip_and_every_flip_is_seen() {
        let info = SnapshotInfo { lsn: Lsn(9), bytes: 1_000, total: u64::MAX };
        let mut manifest = Manifest {
            identity: [3; 16],
            generation: 5,
            oldest_log: 2,
            newest_log: 4,
            floor: Lsn(12),
            snapshot: Some(info),
            previous: None,
            clean: Some(CleanEnd { end: 64, checksum: 1 }),
        };
        for _ in 0..2 {
            let bytes = manifest.encode();
            assert_eq!(Manifest::decode(Path::new("m"), &bytes), Ok(manifest));
            for bit in 0..bytes.len() * 8 {
                let mut bad = bytes.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(Manifest::decode(Path::new("m"), &bad).is_err(), "bit {bit}");
            }
            for cut in 0..bytes.len() {
                assert!(Manifest::decode(Path::new("m"), &bytes[..cut]).is_err(), "cut {cut}");
            }
            assert!(Manifest::decode(Path::new("m"), &[&bytes[..], b"x"].concat()).is_err());
            (manifest.previous, manifest.clean, manifest.snapshot) = (Some(info), None, None);
        }
    }
}
