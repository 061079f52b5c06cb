//! What a simulated disk still has to make durable, and what of it survives a power cut.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a call does to the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Look,
    Change,
    Sync,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It returns the error and did nothing, or half of a write.
    Error(io::ErrorKind),
    /// It returns the error although it was done.
    ErrorAfter(io::ErrorKind),
    /// As [`FaultKind::Error`], with an error number of the operating system.
    Os(i32),
    /// A read or write does only half of what was asked, and says so; other calls are not disturbed.
    Short,
}

/// Which call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number of the call, from 0.
    pub at: u64,
    /// All later calls fail, too; of interruptions, which nothing makes endless, the next few.
    pub sticky: bool,
    /// How.
    pub kind: FaultKind,
}

/// What a thread did to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The name of the thread.
    pub thread: String,
    /// What it did.
    pub what: &'static str,
    /// The file or folder.
    pub path: PathBuf,
}

/// What a call has to do about a planned fault.
pub(super) enum Plan {
    Go,
    Half,
    Fail(io::Error),
    FailAfter(io::ErrorKind),
}

/// Interrupted in the middle: the caller is to try again.
pub(super) const EINTR: i32 = 4;
/// How many calls in a row are interrupted at most.
pub(super) const INTERRUPTIONS: u64 = 5;

const SECTOR: usize = 512;

/// A file: as it is seen, as it is on the medium, and what is on the way there.
#[derive(Clone, Default)]
pub(crate) struct Contents {
    pub(crate) live: Arc<Vec<u8>>,
    pub(crate) durable: Arc<Vec<u8>>,
    pub(crate) unsynced: Vec<DataOp>,
    pub(crate) mode: u32,
}

impl Contents {
    /// A file whose bytes are on the medium.
    pub(crate) fn durable(bytes: Vec<u8>, mode: u32) -> Contents {
        let bytes = Arc::new(bytes);
        Contents { live: Arc::clone(&bytes), durable: bytes, unsynced: Vec::new(), mode }
    }

    /// Changes it as it is seen.
    pub(crate) fn change(&mut self, op: DataOp) {
        op.apply(Arc::make_mut(&mut self.live));
        self.unsynced.push(op);
    }

    /// Brings what is on the way to the medium.
    pub(crate) fn sync(&mut self) {
        for op in std::mem::take(&mut self.unsynced) {
            op.apply(Arc::make_mut(&mut self.durable));
        }
    }

    /// From here on the medium is what is seen, with what is on the way.
    pub(crate) fn drop_cache(&mut self) {
        self.live = Arc::clone(&self.durable);
        for op in &self.unsynced {
            op.apply(Arc::make_mut(&mut self.live));
        }
    }

    /// Of what is on the way survives what `choose` picks.
    pub(crate) fn power_cut(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        for op in std::mem::take(&mut self.unsynced) {
            op.survive(Arc::make_mut(&mut self.durable), choose);
        }
        self.live = Arc::clone(&self.durable);
    }
}

/// A change of a file's bytes.
#[derive(Clone)]
pub(crate) enum DataOp {
    /// Bytes written at an offset.
    Write { at: usize, bytes: Arc<[u8]> },
    /// The length set.
    Resize(usize),
}

/// A change of the names in a folder.
#[derive(Clone)]
pub(crate) enum NameOp {
    /// A new name.
    Link { path: PathBuf, file: usize },
    /// A name gone.
    Unlink { path: PathBuf },
    /// A new folder.
    Folder { path: PathBuf },
    /// A name changed, in one step.
    Rename { from: PathBuf, to: PathBuf, file: usize },
}

impl NameOp {
    /// Carries the change out.
    pub(crate) fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameOp::Link { path, file } => {
                names.insert(path.clone(), *file);
            }
            NameOp::Unlink { path } => {
                names.remove(path);
            }
            NameOp::Folder { .. } => {}
            NameOp::Rename { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }

    /// The folder whose sync makes it durable.
    pub(crate) fn dir(&self) -> Option<&Path> {
        match self {
            NameOp::Link { path, .. } | NameOp::Unlink { path } | NameOp::Folder { path } => path.parent(),
            NameOp::Rename { to, .. } => to.parent(),
        }
    }
}

impl DataOp {
    /// Carries the change out.
    pub(crate) fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            DataOp::Write { at, bytes } => write_into(contents, *at, bytes),
            DataOp::Resize(len) => contents.resize(*len, 0),
        }
    }

    /// Carries the operation out, not at all, up to a byte, or in some of its sectors.
    pub(crate) fn survive(&self, contents: &mut Vec<u8>, choose: &mut dyn FnMut(usize) -> usize) {
        let DataOp::Write { at, bytes } = self else {
            if choose(2) == 1 {
                self.apply(contents);
            }
            return;
        };
        match choose(4) {
            0 => {}
            1 => self.apply(contents),
            2 => write_into(contents, *at, &bytes[..choose(bytes.len() + 1)]),
            _ => {
                let mut start = 0;
                while start < bytes.len() {
                    let end = ((at + start) / SECTOR * SECTOR + SECTOR - at).min(bytes.len());
                    if choose(2) == 1 {
                        write_into(contents, at + start, &bytes[start..end]);
                    }
                    start = end;
                }
            }
        }
    }
}

fn write_into(contents: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = at + bytes.len();
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[at..end].copy_from_slice(bytes);
}
