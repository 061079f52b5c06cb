//! Files as memory: the one place where the operating system may read for us.

use std::fs::File;
use std::io;
use std::sync::{Arc, Weak};

use bytes::Bytes;

/// Parts of a map are made the process's own by so many bytes. Units: bytes.
pub const PART_BYTES: usize = 1 << 16;

/// What memory is of.
type Owner = dyn AsRef<[u8]> + Send + Sync;

/// A file as memory, or memory that stands for one; cheap to clone.
#[derive(Clone)]
pub struct Map {
    owner: Arc<Owner>,
    pages: Pages,
}

/// A map that is there as long as others use it.
pub struct WeakMap {
    owner: Weak<Owner>,
    pages: Pages,
}

/// A share of a map.
struct Share(Arc<Owner>);

impl AsRef<[u8]> for Share {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// Where the pages of a map come from.
#[derive(Clone, Debug)]
enum Pages {
    /// A file, which they may be read from again at any moment.
    File(Arc<File>),
    /// Memory of the process.
    Memory,
    /// As those of a file, on a system that lets none be made the process's own.
    Stubborn,
}

/// Maps a whole file, read-only. Its first byte is aligned to a page.
pub fn map_file(file: &File) -> io::Result<Map> {
    if file.metadata()?.len() == 0 {
        return Ok(Map::of_memory(Bytes::new()));
    }
    let pages = Pages::File(Arc::new(file.try_clone()?));
    #[expect(unsafe_code, reason = "mapping a file is unsafe because somebody else could change it")]
    // SAFETY: the map is sound as long as nobody changes or shortens the file while it is mapped. Only snapshots are
    // mapped: they get mode 0400 in a folder of mode 0700 that this process has locked, they are complete before they
    // get their name, and this program never opens them for writing again; removal and replacement go by name and
    // leave the mapped file as it is.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Map { owner: Arc::new(map), pages })
}

impl Map {
    /// Memory in the place of a file.
    pub fn of_memory(bytes: Bytes) -> Map {
        Map { owner: Arc::new(bytes), pages: Pages::Memory }
    }

    /// As [`Map::of_memory`], but [`Map::own`] is refused as by a system that does not offer it.
    pub fn of_stubborn_memory(bytes: Bytes) -> Map {
        Map { owner: Arc::new(bytes), pages: Pages::Stubborn }
    }

    /// The memory, for whoever keeps a part of it.
    pub fn bytes(&self) -> Bytes {
        Bytes::from_owner(Share(Arc::clone(&self.owner)))
    }

    /// The memory, to look at.
    pub fn as_slice(&self) -> &[u8] {
        (*self.owner).as_ref()
    }

    /// The same map without keeping it.
    pub fn downgrade(&self) -> WeakMap {
        WeakMap { owner: Arc::downgrade(&self.owner), pages: self.pages.clone() }
    }

    /// Makes the part of that number (of [`PART_BYTES`] each, the last one shorter) the process's own, if what the
    /// system has of it is good: it is never read from the file again, and stays also when the file is cut short.
    /// Says whether it was good.
    ///
    /// Errors: a system that does not offer it; a part that the file cannot give any more.
    pub fn own(&self, part: usize, is_good: &dyn Fn(&[u8]) -> bool) -> io::Result<bool> {
        let start = part.checked_mul(PART_BYTES).filter(|start| *start < self.as_slice().len());
        let start = start.ok_or(io::ErrorKind::InvalidInput)?;
        let part = &self.as_slice()[start..];
        let part = &part[..part.len().min(PART_BYTES)];
        match &self.pages {
            Pages::Memory => Ok(is_good(part)),
            Pages::Stubborn => Err(io::ErrorKind::Unsupported.into()),
            Pages::File(file) => own_pages(file, part, start as u64, is_good),
        }
    }

    /// From now on, should one of these pages be lost (the medium cannot give it, or the file was cut short from
    /// outside), the process tells so on standard error and ends with the exit code, instead of by a bare signal.
    /// For programs, not libraries: it is a handler for the whole process. The first call counts.
    pub fn explain_loss(&self, told: String, exit_code: u8) {
        if matches!(self.pages, Pages::File(_)) {
            #[cfg(target_os = "linux")]
            lost_page::explain(self.as_slice(), told, exit_code);
            #[cfg(not(target_os = "linux"))]
            let _ = (told, exit_code);
        }
    }
}

impl WeakMap {
    /// The map, if anybody still uses it.
    pub fn upgrade(&self) -> Option<Map> {
        Some(Map { owner: self.owner.upgrade()?, pages: self.pages.clone() })
    }
}

/// Puts a copy of a part of a map in its place. It is read by a call, which sees the same pages of the system and fails
/// where a look into the memory would end the process.
#[cfg(target_os = "linux")]
fn own_pages(file: &File, part: &[u8], start: u64, is_good: &dyn Fn(&[u8]) -> bool) -> io::Result<bool> {
    use rustix::mm::{MapFlags, MprotectFlags, MremapFlags, ProtFlags, mmap_anonymous, mprotect, mremap_fixed, munmap};
    let len = part.len();
    let mut copy = vec![0; len];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut copy, start)?;
    if !is_good(&copy) {
        return Ok(false);
    }
    #[expect(unsafe_code, reason = "the system is told what to do with addresses")]
    // SAFETY: the new pages are nobody's until they are moved, and as long as the copy. The part begins at a page of a
    // map of ours, which `part` keeps alive and which is unmapped by its address range at the end, whatever is there.
    // The copy ends within the last page of the part, behind which there is nothing of the map. Moving is one step for
    // everyone who reads there meanwhile, and the bytes there are what the file's checksum says before and after.
    unsafe {
        let new = mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?;
        std::ptr::copy_nonoverlapping(copy.as_ptr(), new.cast(), len);
        let moved = mprotect(new, len, MprotectFlags::READ)
            .and_then(|()| mremap_fixed(new, len, len, MremapFlags::MAYMOVE, part.as_ptr().cast_mut().cast()));
        if let Err(error) = moved {
            munmap(new, len)?;
            return Err(error.into());
        }
    }
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn own_pages(_file: &File, _part: &[u8], _start: u64, _is_good: &dyn Fn(&[u8]) -> bool) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What to do when a page is lost.
#[cfg(target_os = "linux")]
mod lost_page {
    use std::ffi::{c_int, c_void};
    use std::sync::OnceLock;

    struct Plan {
        start: usize,
        end: usize,
        told: Vec<u8>,
        exit_code: c_int,
    }

    static PLAN: OnceLock<Plan> = OnceLock::new();

    pub(super) fn explain(bytes: &[u8], told: String, exit_code: u8) {
        let start = bytes.as_ptr().addr();
        let plan = Plan { start, end: start + bytes.len(), told: told.into_bytes(), exit_code: exit_code.into() };
        if PLAN.set(plan).is_err() {
            return;
        }
        #[expect(unsafe_code, reason = "a signal handler is set")]
        // SAFETY: the action is a plain value that is filled in before it is used, and the handler has the signature
        // that `SA_SIGINFO` asks for and does nothing but what a handler may.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_lost_page as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut());
        }
    }

    extern "C" fn on_lost_page(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
        #[expect(unsafe_code, reason = "a signal handler asks where it happened, writes and ends the process")]
        // SAFETY: the system gives a valid `info`; `write`, `_exit` and `signal` may be called in a handler, and reading
        // the plan is one atomic load of what was complete before the handler was set.
        unsafe {
            let at = (*info).si_addr().addr();
            if let Some(plan) = PLAN.get().filter(|plan| (plan.start..plan.end).contains(&at)) {
                let _nobody_may_read_it = libc::write(2, plan.told.as_ptr().cast(), plan.told.len());
                libc::_exit(plan.exit_code);
            }
            // None of ours: it happens again at once, and then as if nobody had looked.
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_owned_do_not_follow_the_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let mut bytes: Vec<u8> = (0..200_000u32).map(|i| (i ^ (i >> 5)) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let map = map_file(&File::open(&path).unwrap()).unwrap();
        assert_eq!(map.as_slice(), bytes);
        assert_eq!(map.bytes().slice(3..), bytes[3..]);
        let weak = map.downgrade();
        assert!(weak.upgrade().is_some());
        for part in [1, 3] {
            assert!(!map.own(part, &|_| false).unwrap());
            assert!(map.own(part, &|copy| copy == &map.as_slice()[part << 16..(part << 16) + copy.len()]).unwrap());
        }
        assert_eq!(map.own(4, &|_| true).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let seen = std::thread::spawn({
            let map = map.clone();
            move || (0..100).all(|_| map.own(1, &|_| true).unwrap())
        });
        let wanted: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
        for _ in 0..20 {
            assert_eq!(
                map.as_slice().iter().map(|byte| u64::from(*byte)).sum::<u64>(),
                wanted,
                "no reader is disturbed"
            );
        }
        assert!(seen.join().unwrap());
        // The file is changed behind our back, and cut short.
        let good = bytes.clone();
        bytes.iter_mut().for_each(|byte| *byte ^= 0xff);
        let file = File::options().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
        assert_eq!(map.as_slice()[0], bytes[0], "others do");
        assert_eq!(map.as_slice()[1 << 16..2 << 16], good[1 << 16..2 << 16]);
        file.set_len(1 << 16).unwrap();
        assert_eq!(map.as_slice()[1 << 16..2 << 16], good[1 << 16..2 << 16]);
        assert_eq!(map.as_slice()[3 << 16..], good[3 << 16..]);
        assert!(map.own(2, &|_| true).is_err(), "what is lost is told, and no signal");
        let rest = map.bytes().slice(1 << 16..1 << 17);
        drop(map);
        assert!(weak.upgrade().is_some() && rest == good[1 << 16..2 << 16]);
        drop(rest);
        assert!(weak.upgrade().is_none(), "nobody uses it");
    }
}
