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

/// Reads until there is something behind what is skipped, or until the end: a call may end early anywhere.
fn read_past(
    read: &mut dyn FnMut(&mut [u8], u64) -> io::Result<usize>,
    memory: &mut [u8],
    start: u64,
    skip: usize,
) -> io::Result<usize> {
    let mut got = 0;
    loop {
        let more = read(&mut memory[got..], start + got as u64)?;
        got += more;
        if more == 0 || got > skip {
            return Ok(got);
        }
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
        match read_past(&mut |part, at| read_some(&self.direct, part, at), memory, start, skip) {
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
    use super::read_past;
    use crate::storage::disk::{Disk, read_exact_at};
    use crate::storage::real_disk::RealDisk;

    #[test]
    fn a_read_that_ends_before_what_is_wanted_is_not_the_end_of_the_file() {
        let bytes: Vec<u8> = (0..4_096u32).map(|i| i as u8).collect();
        for (step, skip) in [(512, 3_000), (1_024, 1_024), (4_096, 0), (1, 100)] {
            let mut read = |part: &mut [u8], at: u64| {
                let rest = &bytes[(at as usize).min(bytes.len())..];
                let count = step.min(rest.len()).min(part.len());
                part[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            };
            let mut memory = vec![0; 8_192];
            let got = read_past(&mut read, &mut memory, 0, skip).unwrap();
            assert!(got > skip && memory[skip..got] == bytes[skip..got], "{got} bytes in steps of {step}");
            assert_eq!(read_past(&mut read, &mut memory, 4_096, skip).unwrap(), 0, "the end is the end");
        }
    }

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
