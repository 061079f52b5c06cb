//! A disk in memory for tests: it keeps what is durable apart from what is seen, and fails, tears and forgets on demand.
//!
//! The model is harsher than real disks: of everything that was not synced any subset may survive a power cut, names
//! as well as bytes, a write may survive up to any byte or in any of its sectors, and a failed sync loses what it had
//! to sync while reads go on showing it until the cache is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::storage::disk::{Disk, DiskFile, Lock};
use crate::storage::sim_file::{SimFile, SimLock};
use crate::storage::sim_ops::{Call, Contents, EINTR, Fault, FaultKind, INTERRUPTIONS, NameOp, Plan, Told};

/// A disk in memory; clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    /// Told when syncs hang no more.
    let_go: Arc<Condvar>,
}

#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) files: Vec<Contents>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    names: Vec<NameOp>,
    dirs: BTreeMap<PathBuf, u32>,
    pub(super) locks: BTreeSet<PathBuf>,
    /// Counts power cuts and restarts; files opened before are dead.
    pub(super) epoch: u64,
    calls: u64,
    /// The numbers of the calls that were to make something durable.
    syncs: Vec<u64>,
    /// Copies of the state between calls that change something, while they are asked for.
    recorded: Option<Vec<State>>,
    fault: Option<Fault>,
    entropy: u64,
    /// Memory that is mapped cannot be made the process's own.
    pub(super) stubborn: bool,
    /// How many bytes all files together may have.
    size: Option<u64>,
    /// How long ago files were last written, where that is not just now.
    ages: BTreeMap<PathBuf, Duration>,
    /// No file can be removed.
    keeps_all: bool,
    /// No sync of a file comes to an end.
    hangs: bool,
    /// Which thread did what to which file, while it is asked for.
    told: Option<Vec<Told>>,
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
        SimDisk { state: Arc::new(Mutex::new(state)), let_go: Arc::default() }
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
        let mut lost = Vec::new();
        for op in std::mem::take(&mut state.names) {
            match (choose(2), op) {
                (1, op) => op.apply(&mut state.durable),
                (_, NameOp::Folder { path }) => lost.push(path),
                _ => {}
            }
        }
        // What lies in a folder that has no name is nowhere.
        let is_lost = |path: &Path| lost.iter().any(|dir| path.starts_with(dir));
        state.durable.retain(|path, _| !is_lost(path));
        state.dirs.retain(|dir, _| !is_lost(dir));
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

    /// Says how long ago a file was last written.
    pub fn set_age(&self, path: &Path, age: Duration) {
        self.state().ages.insert(path.to_owned(), age);
    }

    /// From here on files can be removed or not.
    pub fn set_removable(&self, is_removable: bool) {
        self.state().keeps_all = !is_removable;
    }

    /// From here on syncs of files hang, or go on.
    pub fn set_hanging(&self, hangs: bool) {
        self.state().hangs = hangs;
        self.let_go.notify_all();
    }

    /// Waits while syncs hang.
    pub(super) fn wait_while_hanging(&self) {
        let state = self.state();
        let _goes_on = self.let_go.wait_while(state, |state| state.hangs).unwrap_or_else(PoisonError::into_inner);
    }

    /// From here on notes which thread does what to which file; gives what was noted so far.
    pub fn listen(&self) -> Vec<Told> {
        self.state().told.replace(Vec::new()).unwrap_or_default()
    }

    /// Notes what a thread does, if somebody listens.
    pub(super) fn tell(&self, what: &'static str, path: &Path) {
        if let Some(told) = &mut self.state().told {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            told.push(Told { thread, what, path: path.to_owned() });
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
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
    pub(super) fn next_plan(&mut self, call: Call) -> Plan {
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

    pub(super) fn free(&self) -> u64 {
        self.size.map_or(u64::MAX, |size| size.saturating_sub(self.used()))
    }

    /// Whether it is a folder that is not there; the uppermost one always is.
    fn is_missing(&self, dir: &Path) -> bool {
        dir.parent().is_some_and(|above| !above.as_os_str().is_empty() || !dir.as_os_str().is_empty())
            && !self.dirs.contains_key(dir)
    }

    fn change_names(&mut self, op: NameOp) {
        op.apply(&mut self.live);
        self.names.push(op);
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.counted(Call::Change, |state| {
            let missing: Vec<_> = dir.ancestors().take_while(|dir| state.is_missing(dir)).map(Path::to_owned).collect();
            for path in missing.into_iter().rev() {
                state.dirs.insert(path.clone(), 0o700);
                state.names.push(NameOp::Folder { path });
            }
            Ok(())
        })
    }

    fn mode(&self, path: &Path) -> io::Result<Option<u32>> {
        self.call(|state| match (state.dirs.get(path), state.live.get(path)) {
            (Some(&mode), _) => Ok(Some(mode)),
            (None, Some(&file)) => Ok(Some(state.files[file].mode)),
            _ if !state.is_missing(path) => Ok(None),
            _ => Err(not_found()),
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.call(|state| if state.dirs.contains_key(dir) { Ok(names_in(state, dir)) } else { Err(not_found()) })
    }

    fn age(&self, path: &Path) -> io::Result<Duration> {
        self.call(|state| Ok(state.ages.get(path).copied().unwrap_or_default()))
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        self.tell("create", path);
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
        self.tell("rename", from);
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
            if state.keeps_all {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            state.change_names(NameOp::Unlink { path: path.to_owned() });
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.tell("sync folder", dir);
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
