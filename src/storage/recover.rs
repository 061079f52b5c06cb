//! What opening found and did.

use std::path::PathBuf;

use crate::model::id::Lsn;

/// What opening had to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The folder was made just now.
    pub created: bool,
    /// The last stop was not clean, and the last log file was copied to a fresh one.
    pub unclean: bool,
    /// A torn last write that was cut off.
    pub torn: Option<TornTail>,
    /// The last position in the log.
    pub last: Lsn,
}

/// The end of the log that a stop in the middle of a write left behind; none of it was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The log file.
    pub path: PathBuf,
    /// Where the tail begins.
    pub offset: u64,
    /// Its length up to its last byte that is not zero.
    pub bytes: u64,
    /// Where the tail was saved.
    pub saved: PathBuf,
    /// The last position before it.
    pub last: Lsn,
}
