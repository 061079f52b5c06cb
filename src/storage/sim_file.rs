//! Open files and locks of the simulated disk.

use std::io;
use std::path::PathBuf;

use crate::codec::aligned::aligned_copy;
use crate::storage::disk::{DiskFile, preallocate};
use crate::storage::mmap::Map;
use crate::storage::sim_disk::SimDisk;
use crate::storage::sim_ops::{Call, Contents, DataOp, Plan};

/// An open file.
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) path: PathBuf,
    pub(super) file: usize,
    pub(super) epoch: u64,
    pub(super) writable: bool,
}

/// A lock that is held.
pub(super) struct SimLock {
    pub(super) disk: SimDisk,
    pub(super) path: PathBuf,
    pub(super) epoch: u64,
}

impl SimFile {
    fn call<T>(&self, call: Call, work: impl FnOnce(&mut Contents, bool) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.epoch != self.epoch {
            return Err(io::Error::other("this file was opened before the machine or process died"));
        }
        let plan = state.next_plan(call);
        let contents = &mut state.files[self.file];
        match plan {
            Plan::Go => work(contents, false),
            Plan::Half => work(contents, true),
            Plan::Fail(error) => Err(error),
            Plan::FailAfter(kind) => work(contents, false).and(Err(kind.into())),
        }
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.writable {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{:?} is read-only", self.path))),
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(Call::Look, |contents, half| {
            let rest = contents.live.get(offset as usize..).unwrap_or_default();
            let mut count = rest.len().min(buffer.len());
            if half && count > 1 {
                count /= 2;
            }
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.check_writable()?;
        self.disk.tell("write", &self.path);
        let put = |contents: &mut Contents, bytes: &[u8]| {
            contents.change(DataOp::Write { at: offset as usize, bytes: bytes.into() });
            Ok(bytes.len())
        };
        let free = self.disk.state().free();
        let written = self.call(Call::Change, |contents, half| {
            let count = if half && bytes.len() > 1 { bytes.len() / 2 } else { bytes.len() };
            let room = (contents.live.len() as u64).saturating_add(free).saturating_sub(offset);
            match usize::try_from(room).map_or(count, |room| room.min(count)) {
                0 if count > 0 => Err(io::ErrorKind::StorageFull.into()),
                fits => put(contents, &bytes[..fits]),
            }
        });
        if written.is_err() {
            // A failed write may have written something.
            let mut state = self.disk.state();
            if state.epoch == self.epoch && bytes.len() as u64 / 2 <= free {
                let _half = put(&mut state.files[self.file], &bytes[..bytes.len() / 2]);
            }
        }
        written
    }

    fn size(&self) -> io::Result<u64> {
        self.call(Call::Look, |contents, _| Ok(contents.live.len() as u64))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.call(Call::Change, |contents, _| {
            contents.change(DataOp::Resize(len as usize));
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        preallocate(self, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.tell("sync", &self.path);
        self.disk.wait_while_hanging();
        let synced = self.call(Call::Sync, |contents, _| {
            contents.sync();
            Ok(())
        });
        if synced.is_err() {
            // The system takes the pages for clean although they never got to the medium.
            let mut state = self.disk.state();
            if state.epoch == self.epoch {
                state.files[self.file].unsynced.clear();
            }
        }
        synced
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.call(Call::Change, |contents, _| {
            contents.mode = mode;
            Ok(())
        })
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.call(Call::Change, |contents, _| {
            contents.drop_cache();
            Ok(())
        })
    }

    fn map(&self) -> io::Result<Map> {
        let stubborn = self.disk.state().stubborn;
        let of = if stubborn { Map::of_stubborn_memory } else { Map::of_memory };
        self.call(Call::Look, |contents, _| Ok(of(aligned_copy(&contents.live))))
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.epoch == self.epoch {
            state.locks.remove(&self.path);
        }
    }
}
