//! A folder that only reads, cheap to copy with one file changed: for sweeps over a million damaged copies.
//!
//! Opening such a folder goes all the way to the first write. Where that would go tells what recovery decided.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::aligned::aligned_copy;
use crate::storage::disk::{Disk, DiskFile, Lock};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::mmap::Map;
use crate::storage::names::{FileName, TEMP, parse_name};
use crate::storage::sim_disk::SimDisk;
use crate::storage::store::{Store, StoreOptions};
use crate::storage::test_bench::{dir, file, recovered_count};

/// A folder that only reads.
#[derive(Clone, Default)]
pub(crate) struct FrozenDisk {
    files: BTreeMap<PathBuf, Bytes>,
}

struct FrozenFile(Bytes);

/// What opening a frozen folder comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It refuses.
    Refused(StorageError),
    /// It would save and report a torn tail from this offset on, and go on from there.
    Torn(u64),
    /// It would copy the last log file whole, and go on.
    Whole,
    /// It opens as after a clean stop, with so many payloads after the snapshot.
    Clean(u64),
}

impl FrozenDisk {
    /// The files of a folder as they are seen.
    pub(crate) fn of(disk: &SimDisk) -> FrozenDisk {
        let read = |name: String| {
            let path = file(&name);
            let bytes = disk.contents(&path).expect("a listed file is there");
            (path, bytes.into())
        };
        FrozenDisk { files: disk.names(&dir()).into_iter().map(read).collect() }
    }

    /// The same with one file changed or added.
    pub(crate) fn with(&self, name: &str, bytes: impl Into<Bytes>) -> FrozenDisk {
        let mut copy = self.clone();
        copy.files.insert(file(name), bytes.into());
        copy
    }

    /// The bytes of a file.
    pub(crate) fn contents(&self, name: &str) -> &Bytes {
        &self.files[&file(name)]
    }

    /// Opens the folder as far as that goes without writing.
    pub(crate) fn verdict(&self, mmap: bool) -> Verdict {
        let options = StoreOptions { background: false, mmap, ..StoreOptions::default() };
        let error = match Store::open(Arc::new(self.clone()), &dir(), options) {
            Ok(opened) => return Verdict::Clean(recovered_count(&opened)),
            Err(error) => error,
        };
        let name = error.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if error.kind != StorageErrorKind::Io || !error.cause.contains(&read_only().to_string()) {
            return Verdict::Refused(error);
        }
        let stem = name.strip_suffix(TEMP).unwrap_or_else(|| panic!("the first write is aside: {error}"));
        match parse_name(stem) {
            FileName::Log(_) => Verdict::Whole,
            _ => {
                let offset = stem.rsplit('-').next().and_then(|digits| digits.parse().ok());
                Verdict::Torn(offset.unwrap_or_else(|| panic!("a saved tail has its offset in its name: {error}")))
            }
        }
    }
}

fn read_only() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

impl Disk for FrozenDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn mode(&self, _path: &Path) -> io::Result<Option<u32>> {
        Ok(Some(0o700))
    }

    fn age(&self, _path: &Path) -> io::Result<Duration> {
        Ok(Duration::ZERO)
    }

    fn list(&self, _dir: &Path) -> io::Result<Vec<String>> {
        let names = self.files.keys().filter_map(|path| path.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn create(&self, _path: &Path, _mode: u32) -> io::Result<Box<dyn DiskFile>> {
        Err(read_only())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let bytes = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(FrozenFile(bytes.clone())))
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path)
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn free_space(&self, _dir: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn lock(&self, _path: &Path, _owner: &str) -> io::Result<Lock> {
        Ok(Lock::Taken(Box::new(())))
    }

    fn entropy(&self) -> u128 {
        0
    }
}

impl DiskFile for FrozenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(read_only())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn truncate(&self, _len: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn allocate(&self, _len: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(read_only())
    }

    fn set_mode(&self, _mode: u32) -> io::Result<()> {
        Err(read_only())
    }

    fn drop_cache(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self) -> io::Result<Map> {
        Ok(Map::of_memory(aligned_copy(&self.0)))
    }
}
