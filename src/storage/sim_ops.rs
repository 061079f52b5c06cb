//! What a simulated disk still has to make durable, and what of it survives a power cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;

/// A change of a file's bytes.
#[derive(Clone)]
pub(crate) enum DataOp {
    /// Bytes written at an offset.
    Write { at: usize, bytes: Vec<u8> },
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
            NameOp::Rename { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }

    /// The folder whose sync makes it durable.
    pub(crate) fn dir(&self) -> Option<&Path> {
        match self {
            NameOp::Link { path, .. } | NameOp::Unlink { path } => path.parent(),
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
