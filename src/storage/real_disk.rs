//! The real file system.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

#[cfg(target_os = "linux")]
use crate::storage::direct_file::DirectFile;
use crate::storage::disk::{Disk, DiskFile, Lock, preallocate, write_all_at};
use crate::storage::mmap::{Map, map_file};

/// How far a thread steps back that gives way: to a tenth of the share of a processor that it would have beside others.
#[cfg(target_os = "linux")]
const STEP_BACK: i32 = 10;

/// Files of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

/// An open file of the operating system.
pub(crate) struct RealFile {
    file: File,
}

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir)
    }

    #[cfg(unix)]
    fn mode(&self, path: &Path) -> io::Result<Option<u32>> {
        use std::os::unix::fs::PermissionsExt;
        Ok(Some(std::fs::metadata(path)?.permissions().mode() & 0o7777))
    }

    #[cfg(not(unix))]
    fn mode(&self, path: &Path) -> io::Result<Option<u32>> {
        std::fs::metadata(path).map(|_| None)
    }

    fn age(&self, path: &Path) -> io::Result<Duration> {
        Ok(std::fs::metadata(path)?.modified()?.elapsed().unwrap_or_default())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        Ok(Box::new(RealFile { file: options.open(path)? }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile { file: File::open(path)? }))
    }

    #[cfg(target_os = "linux")]
    fn open_past_cache(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let plain = RealFile { file: File::open(path)? };
        let mut options = OpenOptions::new();
        let flags = rustix::fs::OFlags::DIRECT.bits().cast_signed();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options.read(true), flags);
        match options.open(path) {
            Ok(direct) => Ok(Box::new(DirectFile::new(direct, plain))),
            // Not every file system reads around its cache.
            Err(_) => plain.drop_cache().map(|()| Box::new(plain) as Box<dyn DiskFile>),
        }
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile { file: OpenOptions::new().read(true).write(true).open(path)? }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        fs4::available_space(dir)
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<Lock> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {
                let file = RealFile { file };
                // The lock holds also on a disk without room for its owner's name.
                let _unnamed = file.truncate(0).and_then(|()| write_all_at(&file, owner.as_bytes(), 0));
                Ok(Lock::Taken(Box::new(file)))
            }
            Err(TryLockError::WouldBlock) => Ok(Lock::Held(std::fs::read_to_string(path).unwrap_or_default())),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    #[cfg(unix)]
    fn lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let file = File::open(dir)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            // Not every file system locks folders.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(Box::new(file))),
        }
    }

    fn entropy(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }
}

/// The calling thread leaves the processors to all others from now on, where the system offers that for a thread.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        // For Linux that is the thread alone, and threads that it starts. Where it is not allowed, it goes on as it is.
        let _as_before = getpriority_process(None).and_then(|nice| setpriority_process(None, nice + STEP_BACK));
    }
}

#[cfg(unix)]
pub(crate) fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(unix)]
fn write_some(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
pub(crate) fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(windows)]
fn write_some(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        read_some(&self.file, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        write_some(&self.file, bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, len) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => preallocate(self, len),
            done => Ok(done?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn allocate(&self, len: u64) -> io::Result<()> {
        preallocate(self, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    #[cfg(unix)]
    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
    }

    #[cfg(not(unix))]
    fn set_mode(&self, _mode: u32) -> io::Result<()> {
        Ok(())
    }

    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    fn drop_cache(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed)?)
    }

    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    fn drop_cache(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self) -> io::Result<Map> {
        map_file(&self.file)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gives_way_and_no_other() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let within = std::thread::spawn(move || {
            give_way();
            nice()
        });
        assert_eq!(within.join().unwrap(), (before + STEP_BACK).min(19));
        assert_eq!(nice(), before);
    }
}
