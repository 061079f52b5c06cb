//! Salvage: what of a damaged folder still verifies, in order. The folder is only read.

use std::path::{Path, PathBuf};

use crate::codec::damage::Damage;
use crate::model::id::Lsn;
use crate::storage::disk::{Disk, read_exact_at, read_whole};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::format::{HEAD_BYTES, HeadKind, Identity, check_head};
use crate::storage::frame::{FrameKind, read_frame};
use crate::storage::log_file::{LogHead, Place, Stop, walk_from};
use crate::storage::manifest::Manifest;
use crate::storage::names::{FileName, log_name, parse_name, snapshot_name};
use crate::storage::snapshot_reader::Snapshot;
use crate::storage::status::SnapshotInfo;
use crate::storage::store::StoreOptions;
use crate::storage::webhooks_file;

/// What to salvage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SalvageOptions {
    /// Nothing after this.
    pub up_to: Option<Lsn>,
    /// Go on behind damage with what still verifies; else it ends at the first damage.
    pub skip: bool,
    /// Begin with the intact snapshot before the newest one.
    pub from_previous: bool,
}

/// Positions of the log that are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// The first one.
    pub first: Lsn,
    /// The last one.
    pub last: Lsn,
    /// Why.
    pub why: String,
}

/// What a folder has to offer.
pub struct Survey<'a> {
    disk: &'a dyn Disk,
    dir: PathBuf,
    identity: Identity,
    /// The snapshots that verify, newest first.
    pub snapshots: Vec<SnapshotInfo>,
    /// Damage of heads and snapshots.
    pub notes: Vec<String>,
    logs: Vec<(PathBuf, LogHead)>,
    /// The last position that anything speaks of, and what.
    known: (u64, &'static str),
    /// Its manifest is lost or damaged.
    has_no_manifest: bool,
}

/// Takes a payload with its position; an error leaves it out.
pub type Take<'a> = dyn FnMut(Lsn, &[u8]) -> Result<(), Damage> + 'a;

/// Looks at every file of a folder.
///
/// Errors: when the folder cannot be read, holds nothing of ours, or something that a newer version wrote: this one would
/// leave it out although it is whole.
pub fn survey<'a>(disk: &'a dyn Disk, dir: &Path) -> Result<Survey<'a>, StorageError> {
    let names = disk.list(dir).map_err(|error| StorageError::io("listing", dir, &error))?;
    let manifest = Manifest::read(disk, dir);
    let mut found = Survey {
        disk,
        dir: dir.to_owned(),
        identity: Identity::default(),
        snapshots: Vec::new(),
        notes: Vec::new(),
        logs: Vec::new(),
        known: (0, ""),
        has_no_manifest: manifest.is_err(),
    };
    match &manifest {
        Err(error) if error.kind == StorageErrorKind::NewerFormat => return Err(error.clone()),
        Ok(manifest) => {
            found.identity = manifest.identity;
            found.known = found.known.max((manifest.floor.0, "the manifest"));
        }
        Err(error) => {
            found.notes.push(error.to_string());
            found.identity = found.most_common_identity(&names);
        }
    }
    for name in &names {
        match parse_name(name) {
            FileName::Snapshot(lsn) => found.snapshot(lsn, manifest.as_ref().ok())?,
            FileName::Log(sequence) => found.log(sequence)?,
            _ => {}
        }
    }
    if let Ok(Some(kept)) = webhooks_file::read(disk, dir, Some(&found.identity)) {
        found.known = found.known.max((kept.lsn.0, "the webhooks"));
    }
    found.snapshots.sort_by_key(|info| std::cmp::Reverse(info.lsn));
    if found.snapshots.is_empty() && found.logs.is_empty() {
        return Err(match manifest {
            Err(error) => error,
            Ok(_) => {
                let cause = "no snapshot and no log file in it verifies";
                StorageError::new(StorageErrorKind::CorruptLog, "salvaging", dir, cause)
            }
        });
    }
    Ok(found)
}

/// Adds to damage what is still intact and the commands that help.
pub fn advise(disk: &dyn Disk, dir: &Path, error: StorageError) -> StorageError {
    let found = survey(disk, dir).ok();
    let is_damage = matches!(error.kind, StorageErrorKind::CorruptLog | StorageErrorKind::CorruptSnapshot);
    // A folder whose manifest is lost looks like none of ours, but for what is in it.
    let is_headless =
        error.kind == StorageErrorKind::Config && found.as_ref().is_some_and(|found| found.has_no_manifest);
    if !is_damage && !is_headless {
        return error;
    }
    let intact = match found.and_then(|found| found.snapshots.first().copied()) {
        Some(info) => format!("the newest intact snapshot is \"{}\"", snapshot_name(info.lsn)),
        None => "no snapshot is intact".into(),
    };
    let (cause, dir) = (&error.cause, dir.display());
    let cause = format!(
        "{cause}; {intact}; to look at everything: throng verify --data \"{dir}\"; to write what still verifies to a new \
         folder: throng salvage --data \"{dir}\" --to NEW (up to the damage; with --skip also what fits behind it)"
    );
    StorageError { cause, ..error }
}

impl Survey<'_> {
    /// Without a manifest, the database that most of the files belong to; the first of several as many.
    fn most_common_identity(&self, names: &[String]) -> Identity {
        let mut counts: Vec<(Identity, usize)> = Vec::new();
        for name in names {
            let kind = match parse_name(name) {
                FileName::Snapshot(_) => HeadKind::Snapshot,
                FileName::Log(_) => HeadKind::Log,
                _ => continue,
            };
            let Some(identity) = self.identity_of(&self.dir.join(name), kind) else { continue };
            match counts.iter_mut().find(|(known, _)| *known == identity) {
                Some((_, count)) => *count += 1,
                None => counts.push((identity, 1)),
            }
        }
        counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(Identity::default(), |(identity, _)| identity)
    }

    fn identity_of(&self, path: &Path, kind: HeadKind) -> Option<Identity> {
        let mut head = [0u8; HEAD_BYTES];
        let file = self.disk.open(path).ok()?;
        read_exact_at(&*file, &mut head, 0).ok()?;
        check_head(kind, path, &head).ok()
    }

    fn snapshot(&mut self, lsn: Lsn, manifest: Option<&Manifest>) -> Result<(), StorageError> {
        let path = self.dir.join(snapshot_name(lsn));
        self.known = self.known.max((lsn.0, "a snapshot"));
        match Snapshot::verify(self.disk, &path, &self.identity, lsn, &mut |_| {}) {
            Ok((info, _)) => {
                let named = manifest.into_iter().flat_map(|manifest| [manifest.snapshot, manifest.previous]).flatten();
                match named.into_iter().find(|named| named.lsn == lsn && *named != info) {
                    Some(named) => self.notes.push(format!(
                        "\"{}\" is left out: the manifest names {named:?}, the file is {info:?}",
                        path.display()
                    )),
                    None => self.snapshots.push(info),
                }
                Ok(())
            }
            Err(error) => self.note(error),
        }
    }

    /// Notes what cannot be used because it is damaged.
    fn note(&mut self, error: StorageError) -> Result<(), StorageError> {
        if error.kind == StorageErrorKind::NewerFormat {
            return Err(error);
        }
        self.notes.push(error.to_string());
        Ok(())
    }

    fn log(&mut self, sequence: u32) -> Result<(), StorageError> {
        let path = self.dir.join(log_name(sequence));
        let mut bytes = [0u8; HEAD_BYTES];
        let read = self.disk.open(&path).and_then(|file| read_exact_at(&*file, &mut bytes, 0));
        let read = read.map_err(|error| StorageError::io("reading", &path, &error));
        match read.and_then(|()| LogHead::decode(&path, &bytes)) {
            Ok(head) if head.identity != self.identity || head.sequence != sequence => {
                self.notes.push(format!("\"{}\" is left out: it is not what its name says", path.display()));
            }
            Ok(head) => self.logs.push((path, head)),
            Err(error) => return self.note(error),
        }
        Ok(())
    }

    /// How long its log files are.
    pub fn log_file_bytes(&self) -> u64 {
        let size = |path: &PathBuf| self.disk.open(path).and_then(|file| file.size()).ok();
        let longest = self.logs.iter().filter_map(|(path, _)| size(path)).max();
        longest.unwrap_or(StoreOptions::default().file_bytes)
    }

    /// Opens one of the snapshots.
    pub fn open(&self, info: SnapshotInfo) -> Result<Snapshot, StorageError> {
        Snapshot::open(self.disk, &self.dir.join(snapshot_name(info.lsn)), &self.identity, info.lsn, false)
    }

    /// Hands out what the log holds after a position, in order, as far as the options let it; gives what is left out.
    ///
    /// Errors: a newer version wrote some of it, so that this one would leave out what is whole.
    pub fn replay(
        &self,
        base: Lsn,
        options: SalvageOptions,
        take: &mut Take<'_>,
    ) -> Result<Vec<Discarded>, StorageError> {
        let mut pass = Pass { options, take, seen: base.0, ended: None, newer: None, discarded: Vec::new() };
        for (number, (path, head)) in self.logs.iter().enumerate() {
            if self.logs.get(number + 1).is_some_and(|(_, next)| next.first <= base.0 + 1) {
                continue;
            }
            if head.first > pass.seen + 1 {
                let before = format!("the log before \"{}\" is missing or ends too soon", path.display());
                pass.gap(head.first - 1, &before);
            }
            match self.disk.open(path).and_then(|file| read_whole(&*file)) {
                Ok(bytes) => pass.file(path, head, &bytes),
                Err(error) => pass.end(StorageError::io("reading", path, &error).to_string()),
            }
        }
        let (known, witness) = self.known;
        pass.gap(known, &format!("it is nowhere in the log; {witness} shows that it was there"));
        pass.newer.map_or(Ok(pass.discarded), Err)
    }
}

/// One pass over the log.
struct Pass<'a, 'b> {
    options: SalvageOptions,
    take: &'a mut Take<'b>,
    /// The last position seen.
    seen: u64,
    /// Why nothing more is taken, once that is so.
    ended: Option<String>,
    /// What a newer version wrote.
    newer: Option<StorageError>,
    discarded: Vec<Discarded>,
}

impl Pass<'_, '_> {
    fn end(&mut self, why: String) {
        if !self.options.skip {
            self.ended.get_or_insert(why);
        }
    }

    /// Notes that everything up to a position is not there.
    fn gap(&mut self, up_to: u64, why: &str) {
        if up_to > self.seen {
            self.discard(self.seen + 1, up_to, why);
            self.seen = up_to;
            self.end(why.to_owned());
        }
    }

    fn discard(&mut self, first: u64, last: u64, why: &str) {
        match self.discarded.last_mut().filter(|before| before.why == why && before.last.0 + 1 == first) {
            Some(before) => before.last = Lsn(last),
            None => self.discarded.push(Discarded { first: Lsn(first), last: Lsn(last), why: why.to_owned() }),
        }
    }

    fn payload(&mut self, path: &Path, lsn: u64, bytes: &[u8]) {
        if lsn <= self.seen {
            return;
        }
        self.seen = lsn;
        if self.options.up_to.is_some_and(|up_to| lsn > up_to.0) {
            return self.discard(lsn, lsn, "it is after the position that was asked for");
        }
        if let Some(why) = &self.ended {
            let why = format!("it is whole, but after the damage: {why}");
            return self.discard(lsn, lsn, &why);
        }
        match (self.take)(Lsn(lsn), bytes) {
            Ok(()) => {}
            Err(Damage { what, is_newer: true }) => self.is_newer(path, format!("lsn {lsn} is not known: {what}")),
            Err(Damage { what, .. }) => {
                let why = format!("it does not fit what is before it: {what}");
                self.discard(lsn, lsn, &why);
                self.end(why);
            }
        }
    }

    fn is_newer(&mut self, path: &Path, cause: String) {
        self.newer.get_or_insert_with(|| StorageError::new(StorageErrorKind::NewerFormat, "salvaging", path, cause));
        self.ended.get_or_insert_with(|| "a newer version wrote it".into());
    }

    fn file(&mut self, path: &Path, head: &LogHead, bytes: &[u8]) {
        let mut from = Place::start(head);
        loop {
            let found = walk_from(path, bytes, head, from, &mut |lsn, payload| {
                self.payload(path, lsn, payload);
                Ok(())
            });
            let why = match found.stop {
                Stop::Zeros => return,
                Stop::Torn(why) => format!("\"{}\" at offset {}: {why}", path.display(), found.end),
                Stop::Damaged(error) if error.kind == StorageErrorKind::NewerFormat => {
                    return self.is_newer(path, error.cause);
                }
                Stop::Damaged(error) => error.to_string(),
            };
            let Some(next) = next_frame(bytes, head, found.end as usize + 8, found.last) else {
                return self.end(why);
            };
            self.end(why.clone());
            self.gap(next.last, &why);
            from = next;
        }
    }
}

/// The next place at which a frame after a position verifies.
fn next_frame(bytes: &[u8], head: &LogHead, from: usize, last: u64) -> Option<Place> {
    (from..bytes.len().saturating_sub(7)).step_by(8).find_map(|at| {
        if bytes[at..at + 8].iter().all(|byte| *byte == 0) {
            return None;
        }
        let header = read_frame(&bytes[at..], head.salt).ok()?.header;
        let before = header.lsn.checked_sub(u64::from(header.kind != FrameKind::Seal))?;
        let goes_on = header.lsn > last && header.kind != FrameKind::Commit;
        goes_on.then_some(Place {
            at,
            last: before,
            checksum: header.previous,
            next_offset: u32::from(header.group_offset),
        })
    })
}
