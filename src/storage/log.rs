//! The log: groups of frames, each group durable by one write and one sync before the call returns.
#![allow(clippy::unimplemented)]

use crate::model::id::Lsn;
use crate::storage::error::StorageError;

/// The end of the log, where frames are appended. After its first error it takes nothing any more.
pub struct Log {
    _last: Lsn,
}

impl Log {
    /// Appends payloads with the positions that follow the last one; all of them are durable on return.
    ///
    /// Errors: the first failure is kept, and every later call fails with it; only reopening clears it.
    pub fn append(&mut self, _frames: &[(Lsn, &[u8])]) -> Result<(), StorageError> {
        unimplemented!()
    }

    /// Marks everything so far as durable, so that later damage to it cannot pass for a torn write. For idle moments.
    pub fn seal(&mut self) -> Result<(), StorageError> {
        unimplemented!()
    }

    /// Goes on in a new file, so that the one before can be removed once a snapshot covers it.
    pub fn roll(&mut self) -> Result<(), StorageError> {
        unimplemented!()
    }

    /// Seals the log and notes the clean end in the manifest.
    pub fn close(self) -> Result<(), StorageError> {
        unimplemented!()
    }

    /// The last position appended; 0 for an empty log.
    pub fn last(&self) -> Lsn {
        self._last
    }

    /// Why the log takes nothing any more, if so.
    pub fn failed(&self) -> Option<&StorageError> {
        None
    }
}
