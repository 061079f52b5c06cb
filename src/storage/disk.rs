//! The trait through which every file call goes, so that tests can forget, tear and fail them.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::aligned::AlignedBuffer;
use crate::storage::mmap::Map;

/// A folder on some medium.
pub trait Disk: Send + Sync {
    /// Makes a folder (and those above it) that only its owner may enter. One that is there already is fine.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// The permission bits of a file or folder; `None` where the medium has none.
    fn mode(&self, path: &Path) -> io::Result<Option<u32>>;
    /// How long ago a file was last written, by the system's clock; nothing where that was in the future.
    fn age(&self, path: &Path) -> io::Result<Duration>;
    /// The names of the files in a folder, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a new file for reading and writing; one of that name is an error.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading only.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading what the medium holds, and not what the system remembers of it.
    fn open_past_cache(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.open(path)?;
        file.drop_cache()?;
        Ok(file)
    }
    /// Opens a file for reading and writing.
    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, replacing what had it, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that may still be written to the medium of this folder.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
    /// Takes the lock file, making it if needed and writing `owner` into it.
    fn lock(&self, path: &Path, owner: &str) -> io::Result<Lock>;
    /// Takes the folder itself, so that nobody else does also where the lock file was removed; `None` where somebody else
    /// has it. Where the medium does not offer that, the lock file has to do.
    fn lock_dir(&self, _dir: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        Ok(Some(Box::new(())))
    }
    /// A number nobody else has: for the identity of a database and the salts of its files.
    fn entropy(&self) -> u128;
}

/// The answer of [`Disk::lock`].
pub enum Lock {
    /// It is ours until this is dropped.
    Taken(Box<dyn Send + Sync>),
    /// Somebody else has it; the text is what that owner wrote.
    Held(String),
}

/// An open file. Calls may do less than asked (as the operating system's may); the functions below loop.
pub trait DiskFile: Send + Sync {
    /// Reads some bytes at `offset`; 0 means the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some bytes at `offset`, making the file longer if needed.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// The length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Cuts or stretches the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes a new file so long, with room on the medium for all of it; what it holds does not matter.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Makes contents and length durable. After an error nothing may be assumed about what was written.
    fn sync_data(&self) -> io::Result<()>;
    /// Changes the permission bits.
    fn set_mode(&self, mode: u32) -> io::Result<()>;
    /// Asks the system to forget its clean copies, so that the next read comes from the medium.
    fn drop_cache(&self) -> io::Result<()>;
    /// The whole file as memory that is read in on first touch.
    fn map(&self) -> io::Result<Map>;
}

/// Reads exactly `buffer.len()` bytes; the end of the file before that is an error.
pub fn read_exact_at(file: &dyn DiskFile, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than expected")),
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads the whole file to a 64-byte aligned place in memory.
pub fn read_whole(file: &dyn DiskFile) -> io::Result<Bytes> {
    let size = usize::try_from(file.size()?)
        .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than memory can be"))?;
    let mut buffer = AlignedBuffer::zeroed(size);
    read_exact_at(file, buffer.bytes_mut(), 0)?;
    Ok(buffer.freeze())
}

/// As [`read_whole`], from the end to the beginning in small steps: of a file that another process appends to, this
/// gives everything up to some moment and maybe some of what came after, but nothing that came after a part that is
/// missing.
pub fn read_backwards(file: &dyn DiskFile) -> io::Result<Bytes> {
    const STEP: usize = 4_096;
    let size = usize::try_from(file.size()?)
        .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than memory can be"))?;
    let mut buffer = AlignedBuffer::zeroed(size);
    let bytes = buffer.bytes_mut();
    // Read ahead once, or a medium that nothing is remembered of is asked for each step by itself.
    read_exact_at(file, bytes, 0)?;
    for start in (0..size).step_by(STEP).rev() {
        read_exact_at(file, &mut bytes[start..size.min(start + STEP)], start as u64)?;
    }
    Ok(buffer.freeze())
}

/// Writes all bytes.
pub fn write_all_at(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::WriteZero, "the medium takes no more bytes")),
            Ok(count) => {
                bytes = &bytes[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills a file with zeros up to `len`, so that later writes inside it allocate nothing.
pub fn preallocate(file: &dyn DiskFile, len: u64) -> io::Result<()> {
    preallocate_from(file, 0, len)
}

/// As [`preallocate`], from an offset on.
pub fn preallocate_from(file: &dyn DiskFile, from: u64, len: u64) -> io::Result<()> {
    const STEP: u64 = 1 << 20;
    let zeros = vec![0u8; len.saturating_sub(from).min(STEP) as usize];
    let mut at = from;
    while at < len {
        let step = (len - at).min(STEP);
        write_all_at(file, &zeros[..step as usize], at)?;
        at += step;
    }
    Ok(())
}
