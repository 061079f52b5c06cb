//! A file of the data folder that has no name: room for what must be whole before it is read. It goes with its handle.

use crate::storage::disk::DiskFile;
use crate::storage::error::StorageError;
use crate::storage::names::TEMP;
use crate::storage::store::Store;

impl Store {
    /// Makes an empty file that no name leads to: it is gone once it is dropped, also when the process dies. One that a
    /// stop between its making and its unnaming left behind is removed at the next start, as all unfinished files are.
    ///
    /// Errors: failed file calls, also for want of room.
    pub fn scratch(&self) -> Result<Box<dyn DiskFile>, StorageError> {
        let path = self.dir().join(format!("upload-{:032x}{TEMP}", self.disk().entropy()));
        let file = self.disk().create(&path, 0o600).map_err(|error| StorageError::io("making", &path, &error))?;
        self.disk().remove(&path).map_err(|error| StorageError::io("removing", &path, &error))?;
        Ok(file)
    }
}
