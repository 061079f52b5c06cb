//! A place for what must be whole before it can be read, such as a Parquet file that is sent: in the data folder, without
//! a name, and gone with its owner.

use std::{io, path::Path};

use crate::{
    db::{database::Database, error::Error},
    storage::{disk::DiskFile, error::StorageError},
};

/// So often the room on the disk is looked at. Units: bytes.
const LOOK_EVERY: u64 = 16 << 20;

/// Bytes that were sent, to be read anywhere.
pub struct Spool {
    db: Database,
    medium: Medium,
    len: u64,
    looked: u64,
}

enum Medium {
    File(Box<dyn DiskFile>),
    /// Of a database that has no folder.
    Memory(Vec<u8>),
}

impl Database {
    /// Makes an empty place.
    ///
    /// Errors: [`Error::StorageLow`], [`Error::Storage`], [`Error::NoRoom`]; [`Error::Closed`].
    pub fn spool(&self) -> Result<Spool, Error> {
        self.check_bulk()?;
        let shared = self.shared();
        let medium = match shared.store() {
            Some(store) => Medium::File(store.scratch()?),
            None if shared.is_stored => return Err(Error::Closed),
            None => Medium::Memory(Vec::new()),
        };
        Ok(Spool { db: self.clone(), medium, len: 0, looked: 0 })
    }
}

impl Spool {
    /// How many bytes it holds.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Adds bytes at the end.
    ///
    /// Errors: [`Error::StorageLow`] once there is too little room for imports, [`Error::NoRoom`], [`Error::Storage`].
    pub fn append(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        if self.len - self.looked >= LOOK_EVERY {
            self.db.check_bulk()?;
            self.looked = self.len;
        }
        let file = match &mut self.medium {
            Medium::File(file) => file,
            Medium::Memory(held) => {
                held.extend_from_slice(bytes);
                self.len += bytes.len() as u64;
                return Ok(());
            }
        };
        while !bytes.is_empty() {
            match file.write_at(bytes, self.len) {
                Ok(written) => {
                    bytes = &bytes[written..];
                    self.len += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StorageError::io("writing", Path::new("an upload"), &error).into()),
            }
        }
        Ok(())
    }

    /// Reads some bytes; 0 means the end.
    ///
    /// Errors: failed file calls.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.medium {
            Medium::File(file) => file.read_at(buffer, offset),
            Medium::Memory(held) => {
                let rest = usize::try_from(offset).ok().and_then(|at| held.get(at..)).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
        }
    }
}
