//! A disk in memory for tests: it keeps what is durable apart from what is seen, and fails, tears and forgets on demand.
//!
//! The model is harsher than real disks: of everything that was not synced any subset may survive a power cut, names
//! as well as bytes, a write may survive up to any byte or in any of its sectors, and a failed sync loses what it had
//! to sync while reads go on showing it until the cache is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::codec::aligned::aligned_copy;
use crate::storage::disk::{Disk, DiskFile, Lock, preallocate};
use crate::storage::mmap::Map;
use crate::storage::sim_ops::{Call, Contents, DataOp, EINTR, Fault, FaultKind, INTERRUPTIONS, NameOp, Plan};

/// A disk in memory; clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    files: Vec<Contents>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    names: Vec<NameOp>,
    dirs: BTreeMap<PathBuf, u32>,
    locks: BTreeSet<PathBuf>,
    /// Counts power cuts and restarts; files opened before are dead.
    epoch: u64,
    calls: u64,
    /// The numbers of the calls that were to make something durable.
    syncs: Vec<u64>,
    /// Copies of the state between calls that change something, while they are asked for.
    recorded: Option<Vec<State>>,
    fault: Option<Fault>,
    entropy: u64,
    /// Memory that is mapped cannot be made the process's own.
    stubborn: bool,
    /// How many bytes all files together may have.
    size: Option<u64>,
}

struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    file: usize,
    epoch: u64,
    writable: bool,
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    epoch: u64,
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// A second disk with the same state; handles of this one do not reach it.
    pub fn fork(&self) -> SimDisk {
        let copy = self.state().clone();
        SimDisk::of(State { recorded: None, ..copy })
    }

    fn of(state: State) -> SimDisk {
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// From here on keeps a copy of the disk before every call that changes something.
    pub fn record(&self) {
        self.state().recorded = Some(Vec::new());
    }

    /// The copies kept since [`SimDisk::record`], and last the disk as it is.
    pub fn take_recorded(&self) -> Vec<SimDisk> {
        let recorded = self.state().recorded.take().unwrap_or_default();
        let mut disks: Vec<SimDisk> = recorded.into_iter().map(SimDisk::of).collect();
        disks.push(self.fork());
        disks
    }

    /// How many changes of names and bytes were not made durable yet.
    pub fn unsynced(&self) -> usize {
        let state = self.state();
        state.names.len() + state.files.iter().map(|contents| contents.unsynced.len()).sum::<usize>()
    }

    /// The numbers of the calls so far that were to make something durable.
    pub fn sync_calls(&self) -> Vec<u64> {
        self.state().syncs.clone()
    }

    /// File calls so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Plans a fault, or none.
    pub fn plan(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// The process dies, the machine goes on: nothing that was written is lost, except what a failed sync lost.
    pub fn restart(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.locks.clear();
        state.fault = None;
    }

    /// The machine dies: of what was not synced survives what `choose(n)` (a number below n) picks.
    pub fn power_cut(&self, choose: &mut dyn FnMut(usize) -> usize) {
        self.restart();
        let mut state = self.state();
        for op in std::mem::take(&mut state.names) {
            if choose(2) == 1 {
                op.apply(&mut state.durable);
            }
        }
        for contents in &mut state.files {
            contents.power_cut(choose);
        }
        state.live = state.durable.clone();
    }

    /// The bytes of a file as a reader sees them.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.live.get(path).map(|&file| state.files[file].live.to_vec())
    }

    /// Puts a durable file in place, or takes one away; not counted as a call.
    pub fn set_contents(&self, path: &Path, bytes: Option<Vec<u8>>) {
        let mut state = self.state();
        let Some(bytes) = bytes else {
            state.live.remove(path);
            state.durable.remove(path);
            return;
        };
        let mode = state.live.get(path).map_or(0o600, |&file| state.files[file].mode);
        let file = state.files.len();
        state.files.push(Contents::durable(bytes, mode));
        state.live.insert(path.to_owned(), file);
        state.durable.insert(path.to_owned(), file);
    }

    /// Gives the disk a size: how many bytes all files together may have. `None` is without end.
    pub fn set_size(&self, size: Option<u64>) {
        self.state().size = size;
    }

    /// How many bytes all files together have.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// From here on mapped memory cannot be made the process's own, as on a system that does not offer it.
    pub fn set_stubborn(&self) {
        self.state().stubborn = true;
    }

    /// Flips a bit of the file that has a name now, whatever it is called later: gives a way to do it.
    pub fn flipper(&self, path: &Path) -> impl Fn(usize) + use<> {
        let (disk, file) = (self.clone(), self.state().live.get(path).copied());
        move |at| {
            let mut state = disk.state();
            let contents = file.map(|file| &mut state.files[file]).expect("the file was there");
            Arc::make_mut(&mut contents.live)[at] ^= 1 << (at % 8);
            contents.durable = Arc::clone(&contents.live);
        }
    }

    /// Changes the permission bits of a folder.
    pub fn set_dir_mode(&self, dir: &Path, mode: u32) {
        self.state().dirs.insert(dir.to_owned(), mode);
    }

    /// The names in a folder; not counted as a call.
    pub fn names(&self, dir: &Path) -> Vec<String> {
        names_in(&self.state(), dir)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, path: &Path, writable: bool) -> io::Result<Box<dyn DiskFile>> {
        let (file, epoch) = self.call(|state| Ok((*state.live.get(path).ok_or_else(not_found)?, state.epoch)))?;
        Ok(Box::new(SimFile { disk: self.clone(), path: path.to_owned(), file, epoch, writable }))
    }

    /// Counts a call that only looks, and carries it out or fails it as planned.
    fn call<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        self.counted(Call::Look, work)
    }

    /// The same of a call of some kind.
    fn counted<T>(&self, call: Call, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        match state.next_plan(call) {
            Plan::Go | Plan::Half => work(&mut state),
            Plan::Fail(error) => Err(error),
            Plan::FailAfter(kind) => work(&mut state).and(Err(kind.into())),
        }
    }
}

fn names_in(state: &State, dir: &Path) -> Vec<String> {
    let inside = state.live.keys().filter(|path| path.parent() == Some(dir));
    inside.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect()
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    fn next_plan(&mut self, call: Call) -> Plan {
        let number = self.calls;
        self.calls += 1;
        if call == Call::Sync {
            self.syncs.push(number);
        }
        if call != Call::Look
            && let Some(mut recorded) = self.recorded.take()
        {
            recorded.push(self.clone());
            self.recorded = Some(recorded);
        }
        let strikes = |fault: &Fault| {
            let ends = if fault.kind == FaultKind::Os(EINTR) { fault.at + INTERRUPTIONS } else { u64::MAX };
            number == fault.at || (fault.sticky && number > fault.at && number < ends)
        };
        match self.fault {
            Some(fault) if strikes(&fault) => match fault.kind {
                FaultKind::Error(kind) => Plan::Fail(kind.into()),
                FaultKind::Os(number) => Plan::Fail(io::Error::from_raw_os_error(number)),
                FaultKind::ErrorAfter(kind) => Plan::FailAfter(kind),
                FaultKind::Short => Plan::Half,
            },
            _ => Plan::Go,
        }
    }

    fn used(&self) -> u64 {
        self.live.values().map(|&file| self.files[file].live.len() as u64).sum()
    }

    fn free(&self) -> u64 {
        self.size.map_or(u64::MAX, |size| size.saturating_sub(self.used()))
    }

    fn change_names(&mut self, op: NameOp) {
        op.apply(&mut self.live);
        self.names.push(op);
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.counted(Call::Change, |state| {
            state.dirs.entry(dir.to_owned()).or_insert(0o700);
            Ok(())
        })
    }

    fn mode(&self, path: &Path) -> io::Result<Option<u32>> {
        self.call(|state| match (state.dirs.get(path), state.live.get(path)) {
            (Some(&mode), _) => Ok(Some(mode)),
            (None, Some(&file)) => Ok(Some(state.files[file].mode)),
            _ => Err(not_found()),
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.call(|state| if state.dirs.contains_key(dir) { Ok(names_in(state, dir)) } else { Err(not_found()) })
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let (file, epoch) = self.counted(Call::Change, |state| {
            if state.live.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let file = state.files.len();
            state.files.push(Contents { mode, ..Contents::default() });
            state.change_names(NameOp::Link { path: path.to_owned(), file });
            Ok((file, state.epoch))
        })?;
        Ok(Box::new(SimFile { disk: self.clone(), path: path.to_owned(), file, epoch, writable: true }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.handle(path, false)
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.handle(path, true)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.counted(Call::Change, |state| {
            let file = *state.live.get(from).ok_or_else(not_found)?;
            state.change_names(NameOp::Rename { from: from.to_owned(), to: to.to_owned(), file });
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.counted(Call::Change, |state| {
            if !state.live.contains_key(path) {
                return Err(not_found());
            }
            state.change_names(NameOp::Unlink { path: path.to_owned() });
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.counted(Call::Sync, |state| {
            let (now, later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut state.names).into_iter().partition(|op| op.dir() == Some(dir));
            now.iter().for_each(|op| op.apply(&mut state.durable));
            state.names = later;
            Ok(())
        })
    }

    fn free_space(&self, _dir: &Path) -> io::Result<u64> {
        self.call(|state| Ok(state.free()))
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<Lock> {
        let taken = self.counted(Call::Change, |state| {
            let epoch = state.epoch;
            let file = match state.live.get(path) {
                Some(&file) => file,
                None => {
                    let file = state.files.len();
                    state.files.push(Contents { mode: 0o600, ..Contents::default() });
                    state.change_names(NameOp::Link { path: path.to_owned(), file });
                    file
                }
            };
            if !state.locks.insert(path.to_owned()) {
                return Ok(Err(String::from_utf8_lossy(&state.files[file].live).into_owned()));
            }
            state.files[file].live = Arc::new(owner.as_bytes().to_vec());
            Ok(Ok(epoch))
        })?;
        Ok(match taken {
            Ok(epoch) => Lock::Taken(Box::new(SimLock { disk: self.clone(), path: path.to_owned(), epoch })),
            Err(owner) => Lock::Held(owner),
        })
    }

    fn entropy(&self) -> u128 {
        let mut state = self.state();
        state.entropy += 1;
        // A fixed scramble of a counter: different every time, the same in every run.
        u128::from(state.entropy).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
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
