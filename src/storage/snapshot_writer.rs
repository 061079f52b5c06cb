//! Writes a snapshot: blocks with checksums, then verified, renamed and published.
#![allow(clippy::unimplemented)]

use crate::codec::section::{SectionSink, SinkError};
use crate::storage::error::StorageError;
use crate::storage::status::SnapshotInfo;

/// A snapshot being written; dropped before [`SnapshotWriter::finish`], it leaves nothing behind.
pub struct SnapshotWriter {
    _position: u64,
}

impl SnapshotWriter {
    /// Writes the footer, syncs, verifies by reading back, publishes, and removes what is no longer needed.
    pub fn finish(self) -> Result<SnapshotInfo, StorageError> {
        unimplemented!()
    }
}

impl SectionSink for SnapshotWriter {
    fn begin(&mut self, _name: &str) -> Result<(), SinkError> {
        unimplemented!()
    }

    fn put(&mut self, _bytes: &[u8]) -> Result<(), SinkError> {
        unimplemented!()
    }

    fn align(&mut self, _to: usize) -> Result<(), SinkError> {
        unimplemented!()
    }

    fn position(&self) -> u64 {
        self._position
    }
}
