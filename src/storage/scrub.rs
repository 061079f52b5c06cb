//! The scrub: reads what lies at rest again, from the medium, in small steps, while everything goes on.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::model::id::Lsn;
use crate::storage::disk::{DiskFile, read_exact_at};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::format::HEAD_BYTES;
use crate::storage::log_file::{LogHead, log_damage, walk};
use crate::storage::names::{FileName, log_name, parse_name, snapshot_name};
use crate::storage::recover::{Surveyed, check_link};
use crate::storage::snapshot_reader::{BLOCK_BYTES, Footer, Snapshot, check_blocks, snapshot_damage};
use crate::storage::status::SnapshotInfo;
use crate::storage::store::{Store, locked};

/// So often a file is tried that cannot be read, before the scrub goes on without it.
const TRIES: usize = 3;

/// Bytes of one step.
const STEP_BYTES: usize = 16 * BLOCK_BYTES;

/// What a step of a scrub did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scrubbed {
    /// It read so many bytes, and all was well.
    Read(u64),
    /// It found damage and goes on with the next file.
    Damaged(Damaged),
    /// A file could not be read, which need not lie with the file: too many are open, say. It is tried again at the end
    /// of the scrub, a few times.
    Failed(StorageError),
    /// There is nothing left to read.
    Done,
}

/// Damage that a scrub found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The position of the snapshot that is damaged; `None` for a log file.
    pub snapshot: Option<Lsn>,
    /// File, offset and what is wrong.
    pub error: StorageError,
}

enum Target {
    Snapshot(SnapshotInfo),
    /// A log file that is not appended to any more, by its sequence number.
    Log(u32),
}

enum Reading {
    Snapshot { file: Box<dyn DiskFile>, footer: Footer, at: u64 },
    Log { file: Box<dyn DiskFile>, bytes: Vec<u8>, at: usize },
}

/// A scrub under way.
pub struct Scrub {
    store: Store,
    targets: VecDeque<Target>,
    reading: Option<(PathBuf, Target, Reading)>,
    /// How often each file could not be read.
    failed: BTreeMap<PathBuf, usize>,
    /// Bytes read so far.
    pub bytes: u64,
    /// Files read so far.
    pub files: u64,
}

impl Store {
    /// Begins a scrub of the snapshots and of the log files that are no longer appended to.
    pub fn start_scrub(&self) -> Scrub {
        let manifest = self.manifest();
        let snapshots = [manifest.snapshot, manifest.previous].into_iter().flatten().map(Target::Snapshot);
        let position = self.position();
        let closed = &position.files[..position.files.len() - 1];
        let targets = snapshots.chain(closed.iter().map(|file| Target::Log(file.sequence))).collect();
        drop(position);
        Scrub { store: self.clone(), targets, reading: None, failed: BTreeMap::new(), bytes: 0, files: 0 }
    }
}

impl Scrub {
    /// Does one step: at most a megabyte is read.
    pub fn step(&mut self) -> Scrubbed {
        let (path, target, reading) = match self.reading.take() {
            Some(reading) => reading,
            None => {
                let Some(target) = self.targets.pop_front() else { return Scrubbed::Done };
                let path = self.store.dir().join(match target {
                    Target::Snapshot(info) => snapshot_name(info.lsn),
                    Target::Log(sequence) => log_name(sequence),
                });
                match self.open(&path, &target) {
                    Ok(reading) => (path, target, reading),
                    Err(error) => return self.judge(path, target, error),
                }
            }
        };
        match self.read(&path, &target, reading) {
            Ok((read, rest)) => {
                self.files += u64::from(rest.is_none());
                self.reading = rest.map(|rest| (path, target, rest));
                self.bytes += read;
                Scrubbed::Read(read)
            }
            Err(error) => self.judge(path, target, error),
        }
    }

    /// Whether every file was read.
    pub fn is_complete(&self) -> bool {
        self.failed.values().all(|tries| *tries < TRIES)
    }

    fn open(&self, path: &Path, target: &Target) -> Result<Reading, StorageError> {
        let failed = |error: io::Error| unread(target, path, 0, &error);
        let file = self.store.disk().open_past_cache(path).map_err(failed)?;
        match target {
            Target::Snapshot(info) => {
                let footer = Snapshot::read_footer(&*file, path, &self.store.identity(), *info)?;
                Ok(Reading::Snapshot { file, footer, at: 0 })
            }
            Target::Log(_) => {
                let size = file.size().map_err(failed)?;
                let size = usize::try_from(size).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?;
                Ok(Reading::Log { file, bytes: vec![0; size], at: 0 })
            }
        }
    }

    /// Reads on; gives what is left to read.
    fn read(&self, path: &Path, target: &Target, reading: Reading) -> Result<(u64, Option<Reading>), StorageError> {
        let failed = |at: u64, error: io::Error| unread(target, path, at, &error);
        match reading {
            Reading::Snapshot { file, footer, at } => {
                let len = (footer.body - at).min(STEP_BYTES as u64);
                let mut run = vec![0u8; len as usize];
                read_exact_at(&*file, &mut run, at).map_err(|error| failed(at, error))?;
                check_blocks(path, &footer, at, &run)?;
                let at = at + len;
                let is_over = at == footer.body;
                Ok((len, (!is_over).then_some(Reading::Snapshot { file, footer, at })))
            }
            Reading::Log { file, mut bytes, at } => {
                let end = bytes.len().min(at + STEP_BYTES);
                read_exact_at(&*file, &mut bytes[at..end], at as u64).map_err(|error| failed(at as u64, error))?;
                let len = (end - at) as u64;
                if end < bytes.len() {
                    return Ok((len, Some(Reading::Log { file, bytes, at: end })));
                }
                self.walk_log(path, target, bytes.into())?;
                Ok((len, None))
            }
        }
    }

    fn walk_log(&self, path: &Path, target: &Target, bytes: Bytes) -> Result<(), StorageError> {
        let Target::Log(sequence) = target else { return Ok(()) };
        let head = LogHead::decode(path, &bytes)?;
        let found = walk(path, &bytes, &head, &mut |_, _| Ok(()));
        let next = self.store.dir().join(log_name(sequence + 1));
        let failed = |error: io::Error| unread(target, &next, 0, &error);
        let mut next_head = vec![0; HEAD_BYTES];
        let file = self.store.disk().open_past_cache(&next).map_err(failed)?;
        read_exact_at(&*file, &mut next_head, 0).map_err(failed)?;
        let next_head = LogHead::decode(&next, &next_head)?;
        let log = Surveyed { path: path.to_owned(), head, size: bytes.len() as u64 };
        check_link(&log, &found, &next_head)
    }

    /// Damage of a file that was let go meanwhile is none.
    fn judge(&mut self, path: PathBuf, target: Target, error: StorageError) -> Scrubbed {
        let manifest = self.store.manifest();
        let (snapshot, name) = match target {
            Target::Snapshot(info) => (Some(info.lsn), snapshot_name(info.lsn)),
            Target::Log(sequence) => (None, log_name(sequence)),
        };
        let is_needed = match parse_name(&name) {
            FileName::Log(sequence) => sequence >= manifest.oldest_log,
            FileName::Snapshot(lsn) => {
                [manifest.snapshot, manifest.previous].into_iter().flatten().any(|info| info.lsn == lsn)
            }
            _ => false,
        };
        if !is_needed {
            return Scrubbed::Read(0);
        }
        if !matches!(error.kind, StorageErrorKind::CorruptLog | StorageErrorKind::CorruptSnapshot) {
            let tries = self.failed.entry(path).or_default();
            *tries += 1;
            if *tries < TRIES {
                self.targets.push_back(target);
            }
            return Scrubbed::Failed(error);
        }
        self.failed.remove(&path);
        locked(&self.store.shared.damaged).insert(name);
        Scrubbed::Damaged(Damaged { snapshot, error })
    }
}

/// A file that is gone or too short is damaged; why else it could not be read need not lie with it.
fn unread(target: &Target, path: &Path, at: u64, error: &io::Error) -> StorageError {
    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) {
        return match target {
            Target::Snapshot(_) => snapshot_damage(path, error.to_string()).at(at),
            Target::Log(_) => log_damage(path, error.to_string()).at(at),
        };
    }
    StorageError::io("reading", path, error).at(at)
}
