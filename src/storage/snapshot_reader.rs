//! Reads a snapshot: verified whole, then handed out section by section.
#![allow(clippy::unimplemented)]

use bytes::Bytes;

use crate::codec::damage::Damage;
use crate::codec::section::SectionSource;
use crate::model::id::Lsn;
use crate::storage::status::SnapshotInfo;

/// A verified snapshot.
#[derive(Clone)]
pub struct Snapshot {
    info: SnapshotInfo,
}

impl Snapshot {
    /// The position it holds.
    pub fn lsn(&self) -> Lsn {
        self.info.lsn
    }

    /// Position, size and checksum.
    pub fn info(&self) -> SnapshotInfo {
        self.info
    }
}

impl SectionSource for Snapshot {
    fn section(&self, _name: &str) -> Result<Bytes, Damage> {
        unimplemented!()
    }

    fn has(&self, _name: &str) -> bool {
        unimplemented!()
    }

    fn names(&self) -> Vec<String> {
        unimplemented!()
    }
}
