//! The scrub: reads what is durable again, from the medium, in small steps, while everything goes on.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::model::id::Lsn;
use crate::model::planted::{Bug, planted};
use crate::storage::disk::{DiskFile, read_exact_at};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::format::HEAD_BYTES;
use crate::storage::log_file::{LogHead, Stop, log_damage, walk};
use crate::storage::names::{log_name, snapshot_name};
use crate::storage::recover::{Surveyed, check_link};
use crate::storage::snapshot_reader::{BLOCK_BYTES, Footer, Snapshot, check_blocks, snapshot_damage};
use crate::storage::status::SnapshotInfo;
use crate::storage::store::{Store, locked};
use crate::storage::watch::Watch;

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
    /// Memory is mapped from there and has the damage, too, or may come to have it.
    pub in_memory: bool,
    /// The folder needs that file, so that a good copy of it is to be made.
    pub is_needed: bool,
    /// File, offset and what is wrong.
    pub error: StorageError,
}

enum Target {
    Snapshot(SnapshotInfo),
    /// The snapshot that memory is mapped from, which has no name any more.
    Mapped(Arc<Watch>),
    /// A log file, by its sequence number.
    Log(u32),
}

enum Reading {
    Snapshot {
        file: Arc<dyn DiskFile>,
        footer: Arc<Footer>,
        /// Memory is mapped from this file.
        watch: Option<Arc<Watch>>,
        at: u64,
        found: Option<Fault>,
    },
    Log {
        file: Box<dyn DiskFile>,
        bytes: Vec<u8>,
        at: usize,
        is_open: bool,
    },
}

/// What is wrong with a file.
struct Fault {
    error: StorageError,
    in_memory: bool,
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Fault {
        Fault { error, in_memory: false }
    }
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
    /// Damaged files found so far.
    pub damaged: u64,
}

impl Store {
    /// Begins a scrub of the snapshots, the one that memory is mapped from among them whether it still has a name or
    /// not, and of the log up to where it is durable.
    pub fn start_scrub(&self) -> Scrub {
        let manifest = self.manifest();
        let unnamed = self.watch().filter(|watch| !watch.is_named() && !planted(Bug::ForgetMapped));
        let snapshots = [manifest.snapshot, manifest.previous].into_iter().flatten().map(Target::Snapshot);
        let logs: Vec<Target> = self.position().files.iter().map(|file| Target::Log(file.sequence)).collect();
        let targets = unnamed.into_iter().map(Target::Mapped).chain(snapshots).chain(logs).collect();
        Scrub { store: self.clone(), targets, reading: None, failed: BTreeMap::new(), bytes: 0, files: 0, damaged: 0 }
    }
}

impl Scrub {
    /// Does one step: at most a megabyte is read.
    pub fn step(&mut self) -> Scrubbed {
        let (path, target, reading) = match self.reading.take() {
            Some(reading) => reading,
            None => {
                let Some(target) = self.targets.pop_front() else { return Scrubbed::Done };
                let path = match &target {
                    Target::Snapshot(info) => self.store.dir().join(snapshot_name(info.lsn)),
                    Target::Mapped(watch) => watch.path.clone(),
                    Target::Log(sequence) => self.store.dir().join(log_name(*sequence)),
                };
                match self.open(&path, &target) {
                    Ok(reading) => (path, target, reading),
                    Err(fault) => return self.judge(path, target, fault),
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
            Err(fault) => self.judge(path, target, fault),
        }
    }

    /// Whether every file was read.
    pub fn is_complete(&self) -> bool {
        self.failed.values().all(|tries| *tries < TRIES)
    }

    fn open(&self, path: &Path, target: &Target) -> Result<Reading, Fault> {
        let failed = |error: io::Error| unread(target, path, 0, &error);
        let open = || self.store.disk().open_past_cache(path).map_err(failed);
        match target {
            Target::Snapshot(info) => {
                let file: Arc<dyn DiskFile> = open()?.into();
                let footer = Snapshot::read_footer(&*file, path, &self.store.identity(), *info)?;
                let watch = self.store.watch().filter(|watch| watch.is_named() && watch.info == *info);
                Ok(Reading::Snapshot { file, footer: footer.into(), watch, at: 0, found: None })
            }
            Target::Mapped(watch) => {
                let (file, footer) = (Arc::clone(&watch.file), Arc::clone(&watch.footer));
                Ok(Reading::Snapshot { file, footer, watch: Some(Arc::clone(watch)), at: 0, found: None })
            }
            Target::Log(sequence) => {
                let file = open()?;
                // The one that is appended to is durable up to its end, and full of zeros behind it.
                let end =
                    self.store.position().files.last().filter(|last| last.sequence == *sequence).map(|last| last.end);
                let size = file.size().map_err(failed)?;
                let size =
                    usize::try_from(end.unwrap_or(size)).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?;
                Ok(Reading::Log { file, bytes: vec![0; size], at: 0, is_open: end.is_some() })
            }
        }
    }

    /// Reads on; gives what is left to read.
    fn read(&self, path: &Path, target: &Target, reading: Reading) -> Result<(u64, Option<Reading>), Fault> {
        let failed = |at: u64, error: io::Error| unread(target, path, at, &error);
        match reading {
            Reading::Snapshot { file, footer, watch, at, mut found } => {
                let len = (footer.body - at).min(STEP_BYTES as u64);
                let mut run = vec![0u8; len as usize];
                let read = read_exact_at(&*file, &mut run, at).map_err(|error| failed(at, error));
                match (&watch, read) {
                    (None, read) => read.and_then(|()| check_blocks(path, &footer, at, &run))?,
                    // A part that is missing is as good as damaged; why else it cannot be read tells nothing.
                    (Some(_), Err(error)) if error.kind != StorageErrorKind::CorruptSnapshot => {
                        return Err(error.into());
                    }
                    (Some(watch), read) => {
                        if let Some((error, in_memory)) = watch.check_run(at, read.is_ok().then_some(&run)) {
                            let fault = found.get_or_insert(Fault { error, in_memory });
                            fault.in_memory |= in_memory;
                        }
                    }
                }
                let at = at + len;
                match (at == footer.body, found) {
                    (true, Some(fault)) => Err(fault),
                    (true, None) => Ok((len, None)),
                    (false, found) => Ok((len, Some(Reading::Snapshot { file, footer, watch, at, found }))),
                }
            }
            Reading::Log { file, mut bytes, at, is_open } => {
                let end = bytes.len().min(at + STEP_BYTES);
                read_exact_at(&*file, &mut bytes[at..end], at as u64).map_err(|error| failed(at as u64, error))?;
                let len = (end - at) as u64;
                if end < bytes.len() {
                    return Ok((len, Some(Reading::Log { file, bytes, at: end, is_open })));
                }
                self.walk_log(path, target, bytes.into(), is_open)?;
                Ok((len, None))
            }
        }
    }

    fn walk_log(&self, path: &Path, target: &Target, bytes: Bytes, is_open: bool) -> Result<(), StorageError> {
        let Target::Log(sequence) = target else { return Ok(()) };
        if planted(Bug::SkipLogScrub) {
            return Ok(());
        }
        let head = LogHead::decode(path, &bytes)?;
        let found = walk(path, &bytes, &head, &mut |_, _| Ok(()));
        if is_open {
            return match found.stop {
                Stop::Damaged(error) => Err(error),
                _ if found.end == bytes.len() as u64 => Ok(()),
                _ => Err(log_damage(path, "what was durable does not verify any more").at(found.end)),
            };
        }
        let next = self.store.dir().join(log_name(sequence + 1));
        let failed = |error: io::Error| unread(target, &next, 0, &error);
        let mut next_head = vec![0; HEAD_BYTES];
        let file = self.store.disk().open_past_cache(&next).map_err(failed)?;
        read_exact_at(&*file, &mut next_head, 0).map_err(failed)?;
        let next_head = LogHead::decode(&next, &next_head)?;
        let log = Surveyed { path: path.to_owned(), head, size: bytes.len() as u64 };
        check_link(&log, &found, &next_head)
    }

    /// Damage of a file that was let go meanwhile is none, unless memory is mapped from it.
    fn judge(&mut self, path: PathBuf, target: Target, fault: Fault) -> Scrubbed {
        let Fault { error, in_memory } = fault;
        let manifest = self.store.manifest();
        let snapshots = || [manifest.snapshot, manifest.previous].into_iter().flatten();
        let (snapshot, is_needed) = match &target {
            Target::Snapshot(info) => (Some(info.lsn), snapshots().any(|kept| kept.lsn == info.lsn)),
            Target::Mapped(watch) => (Some(watch.info.lsn), false),
            Target::Log(sequence) => (None, *sequence >= manifest.oldest_log),
        };
        if !is_needed && !in_memory && !matches!(target, Target::Mapped(_)) {
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
        self.damaged += 1;
        if is_needed && let Some(name) = path.file_name() {
            locked(&self.store.shared.damaged).insert(name.to_string_lossy().into_owned());
        }
        Scrubbed::Damaged(Damaged { snapshot, in_memory, is_needed, error })
    }
}

/// A file that is gone or too short is damaged; why else it could not be read need not lie with it.
fn unread(target: &Target, path: &Path, at: u64, error: &io::Error) -> StorageError {
    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) {
        return match target {
            Target::Snapshot(_) | Target::Mapped(_) => snapshot_damage(path, error.to_string()).at(at),
            Target::Log(_) => log_damage(path, error.to_string()).at(at),
        };
    }
    StorageError::io("reading", path, error).at(at)
}
