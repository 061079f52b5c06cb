//! A file read around the system's cache, also where others have it mapped: what the medium holds, and nothing else.

use std::fs::File;
use std::io;

use crate::storage::disk::DiskFile;
use crate::storage::mmap::Map;
use crate::storage::real_disk::{RealFile, read_some};

/// Reads around the cache begin and end at multiples of this, and go to memory that does. Units: bytes.
const GRAIN: u64 = 4_096;
/// The most that one call reads. Units: bytes.
const MOST: u64 = 1 << 20;

/// A file opened for reading around the cache. Where the system does not offer it, its copies are dropped instead.
pub(crate) struct DirectFile {
    direct: File,
    plain: RealFile,
}

impl DirectFile {
    /// Takes one handle that reads around the cache and an ordinary one.
    pub(crate) fn new(direct: File, plain: RealFile) -> DirectFile {
        DirectFile { direct, plain }
    }
}

fn refused<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "this file was opened for reading"))
}

impl DiskFile for DirectFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = offset / GRAIN * GRAIN;
        let skip = (offset - start) as usize;
        let len = (skip as u64 + buffer.len() as u64).next_multiple_of(GRAIN).min(MOST) as usize;
        let mut memory = vec![0u8; len + GRAIN as usize];
        let aligned = memory.as_ptr().align_offset(GRAIN as usize).min(GRAIN as usize);
        let memory = &mut memory[aligned..aligned + len];
        match read_some(&self.direct, memory, start) {
            Ok(read) => {
                let count = read.saturating_sub(skip).min(buffer.len());
                buffer[..count].copy_from_slice(&memory[skip..skip + count]);
                Ok(count)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
                self.plain.drop_cache()?;
                self.plain.read_at(buffer, offset)
            }
            Err(error) => Err(error),
        }
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        refused()
    }

    fn size(&self) -> io::Result<u64> {
        self.plain.size()
    }

    fn truncate(&self, _len: u64) -> io::Result<()> {
        refused()
    }

    fn allocate(&self, _len: u64) -> io::Result<()> {
        refused()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.plain.sync_data()
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.plain.set_mode(mode)
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.plain.drop_cache()
    }

    fn map(&self) -> io::Result<Map> {
        self.plain.map()
    }
}

#[cfg(test)]
mod tests {
    use crate::storage::disk::{Disk, read_exact_at};
    use crate::storage::real_disk::RealDisk;

    #[test]
    fn what_is_read_around_the_cache_is_what_was_written() {
        let home = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..2_500_003u32).map(|i| (i ^ (i >> 7)) as u8).collect();
        let path = home.path().join("file");
        std::fs::write(&path, &bytes).unwrap();
        let file = RealDisk.open_past_cache(&path).unwrap();
        assert_eq!(file.size().unwrap(), bytes.len() as u64);
        for (offset, len) in
            [(0, 0), (0, 1), (1, 4_095), (4_000, 200), (65_535, 2_000_000), (2_500_002, 1), (0, 2_500_003)]
        {
            let mut read = vec![0; len];
            read_exact_at(&*file, &mut read, offset as u64).unwrap();
            assert!(read == bytes[offset..offset + len], "{len} bytes at {offset}");
        }
        assert!(read_exact_at(&*file, &mut [0; 2], 2_500_002).is_err(), "the end is the end");
        assert!(file.write_at(b"x", 0).is_err());
    }
}
