//! Copies a consistent state of the folder elsewhere, while the original is in use.

use crate::model::id::Lsn;

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
