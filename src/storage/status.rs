//! Positions and sizes of the data folder, for whoever asks how it is.

use std::path::PathBuf;

use crate::model::id::Lsn;

/// What the data folder holds right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageStatus {
    /// The folder.
    pub dir: PathBuf,
    /// The identity of this database, as 32 hexadecimal digits in groups.
    pub uuid: String,
    /// The last position known to be durable.
    pub durable: Lsn,
    /// The first position still in the log.
    pub log_first: Lsn,
    /// Log files, the preallocated spare not counted.
    pub log_files: u64,
    /// Bytes of frames and headers in the log.
    pub log_bytes: u64,
    /// Bytes of frames and headers after the live snapshot's position, in whole files from the one that holds it.
    pub log_bytes_since_snapshot: u64,
    /// The live snapshot.
    pub snapshot: Option<SnapshotInfo>,
    /// The snapshot before it, kept as a spare.
    pub previous: Option<SnapshotInfo>,
    /// Bytes that may still be written to this medium; `None` if it cannot say.
    pub free_bytes: Option<u64>,
    /// Why the log takes nothing any more, if so.
    pub failed: Option<String>,
}

/// A published snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The position it holds.
    pub lsn: Lsn,
    /// Its size in bytes.
    pub bytes: u64,
    /// The checksum over its block checksums.
    pub total: u64,
}
