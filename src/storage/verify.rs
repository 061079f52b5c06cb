//! Looks at a whole folder without changing it: every file, every frame, every block.

use std::path::{Path, PathBuf};

use crate::codec::damage::Damage;
use crate::model::id::Lsn;
use crate::storage::disk::{Disk, read_backwards, read_whole};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::format::{Identity, identity_text};
use crate::storage::log_file::{LogHead, Stop, Walk, log_damage, walk};
use crate::storage::manifest::Manifest;
use crate::storage::names::{FileName, MANIFEST, log_name, parse_name};
use crate::storage::recover::{Surveyed, check_link};
use crate::storage::snapshot_reader::{Snapshot, snapshot_damage, unreadable};
use crate::storage::webhooks_file;

/// What a folder holds and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// The folder.
    pub dir: PathBuf,
    /// The identity of the database, where a manifest tells it.
    pub uuid: Option<String>,
    /// The manifest, where it can be read.
    pub manifest: Option<Manifest>,
    /// Every file, by name.
    pub files: Vec<FileReport>,
    /// The last position in the log.
    pub last: Lsn,
    /// Everything that would make opening refuse, or that a spare would be missing for.
    pub damage: Vec<StorageError>,
}

/// One file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Frames of a log file before its end or its first damage.
    pub frames: u64,
    /// The first position it holds (the position of a snapshot).
    pub first: Option<Lsn>,
    /// The last position it holds.
    pub last: Option<Lsn>,
    /// The sections of a snapshot.
    pub sections: Vec<String>,
    /// What else there is to say, in words.
    pub note: String,
}

struct Verifier<'a> {
    disk: &'a dyn Disk,
    report: VerifyReport,
    identity: Option<Identity>,
    versions: Versions<'a>,
    /// What was durable when the webhooks were kept.
    told: Lsn,
}

/// Says whether something is of a version that this program reads.
pub type CheckVersion<'a> = &'a dyn Fn(&[u8]) -> Result<(), Damage>;

/// What the rooms above know of what is in the files: their versions.
#[derive(Clone, Copy)]
pub struct Versions<'a> {
    /// Of the payloads of the log.
    pub payload: CheckVersion<'a>,
    /// The name of a section of snapshots, and of what is in it.
    pub section: (&'a str, CheckVersion<'a>),
}

/// Verifies a folder whatever the versions of what is in its files; see [`verify_versions`].
///
/// Errors: as there.
pub fn verify_folder(disk: &dyn Disk, dir: &Path) -> Result<VerifyReport, StorageError> {
    verify_versions(disk, dir, Versions { payload: &|_| Ok(()), section: ("", &|_| Ok(())) })
}

/// Verifies a folder. Of a folder in use, the end of the log may look torn, and files that come or go meanwhile look
/// missing: whoever finds damage there should look again.
///
/// Errors: only when the folder itself cannot be read; everything else is in the report.
pub fn verify_versions(disk: &dyn Disk, dir: &Path, versions: Versions<'_>) -> Result<VerifyReport, StorageError> {
    let names = disk.list(dir).map_err(|error| StorageError::io("listing", dir, &error))?;
    let mut damage = Vec::new();
    let manifest = match Manifest::read(disk, dir) {
        Ok(manifest) => Some(manifest),
        Err(error) => {
            damage.push(error);
            None
        }
    };
    let identity = manifest.map(|manifest| manifest.identity);
    // Before the log, which goes on meanwhile.
    let told = webhooks_file::read(disk, dir, identity.as_ref()).ok().flatten().map_or(Lsn(0), |kept| kept.lsn);
    let uuid = identity.as_ref().map(identity_text);
    let report = VerifyReport { dir: dir.to_owned(), uuid, manifest, files: Vec::new(), last: Lsn(0), damage };
    let mut verifier = Verifier { disk, report, identity, versions, told };
    verifier.logs(&names);
    verifier.snapshots(&names);
    verifier.others(&names);
    verifier.evidence();
    verifier.report.files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(verifier.report)
}

impl Verifier<'_> {
    fn logs(&mut self, names: &[String]) {
        let mut present: Vec<u32> = Vec::new();
        for name in names {
            if let FileName::Log(sequence) = parse_name(name) {
                present.push(sequence);
            }
        }
        let oldest = self.report.manifest.map_or(present.first().copied().unwrap_or(1), |m| m.oldest_log);
        let newest = present.last().copied().unwrap_or(0).max(self.report.manifest.map_or(0, |m| m.newest_log));
        for leftover in present.iter().filter(|&&sequence| sequence < oldest) {
            let note = "left over; removed at the next start".into();
            self.file(&log_name(*leftover), note);
        }
        let mut before: Option<(Surveyed, Walk)> = None;
        for sequence in oldest..=newest {
            let path = self.report.dir.join(log_name(sequence));
            if !present.contains(&sequence) {
                self.report.damage.push(log_damage(&path, "this log file is needed and missing"));
                before = None;
                continue;
            }
            before = match self.log(sequence, &path, before, sequence == newest) {
                Ok(found) => Some(found),
                Err(error) => {
                    self.report.damage.push(error);
                    None
                }
            };
        }
    }

    fn log(
        &mut self,
        sequence: u32,
        path: &Path,
        before: Option<(Surveyed, Walk)>,
        is_last: bool,
    ) -> Result<(Surveyed, Walk), StorageError> {
        let mut entry = self.file(&log_name(sequence), String::new());
        // Of a file that is being appended to, what was written last is read first: so there are no holes.
        let read = if is_last { read_backwards } else { read_whole };
        let bytes = self.disk.open(path).and_then(|file| read(&*file));
        let bytes = bytes.map_err(|error| StorageError::io("reading", path, &error))?;
        let head = LogHead::decode(path, &bytes)?;
        let identity = *self.identity.get_or_insert(head.identity);
        if head.identity != identity {
            let (found, wanted) = (identity_text(&head.identity), identity_text(&identity));
            let cause = format!("this log file belongs to database {found}, the folder to {wanted}");
            return Err(StorageError::new(StorageErrorKind::Config, "reading", path, cause).at(16));
        }
        if head.sequence != sequence {
            let cause = format!("this log file is number {} by its head, so files were swapped", head.sequence);
            return Err(log_damage(path, cause).at(32));
        }
        let kept = self.report.manifest.and_then(|manifest| manifest.previous.or(manifest.snapshot));
        let base = kept.map_or(0, |snapshot| snapshot.lsn.0);
        let is_first = self.report.manifest.is_some_and(|manifest| manifest.oldest_log == sequence);
        if is_first && head.first > base + 1 {
            let cause = format!("this log file begins at lsn {}, expected at most {}", head.first, base + 1);
            self.report.damage.push(log_damage(path, cause).at(36));
        }
        if let Some((log, found)) = before
            && let Err(error) = check_link(&log, &found, &head)
        {
            self.report.damage.push(error);
        }
        let found = walk(path, &bytes, &head, &mut |_, payload| (self.versions.payload)(payload));
        entry.frames = found.frames;
        entry.first = (found.last >= head.first).then_some(Lsn(head.first));
        entry.last = entry.first.map(|_| Lsn(found.last));
        entry.note = match (&found.stop, found.sealed) {
            (Stop::Damaged(error), _) if error.kind == StorageErrorKind::NewerFormat => {
                format!("of a newer version after offset {}", found.end)
            }
            (Stop::Damaged(_), _) => format!("damaged after offset {}", found.end),
            (Stop::Torn(why), _) => format!("a torn tail at offset {}: {why}", found.end),
            (Stop::Zeros, true) => "sealed".into(),
            (Stop::Zeros, false) => String::new(),
        };
        self.replace(entry);
        self.report.last = Lsn(found.last.max(self.report.last.0));
        if let (Stop::Damaged(error), true) = (&found.stop, is_last) {
            self.report.damage.push(error.clone());
        }
        Ok((Surveyed { path: path.to_owned(), head, size: bytes.len() as u64 }, found))
    }

    fn snapshots(&mut self, names: &[String]) {
        let wanted = self.report.manifest.map_or([None, None], |manifest| [manifest.snapshot, manifest.previous]);
        for name in names {
            let FileName::Snapshot(lsn) = parse_name(name) else { continue };
            let path = self.report.dir.join(name);
            let mut entry = self.file(name, String::new());
            (entry.first, entry.last) = (Some(lsn), Some(lsn));
            let named = wanted.iter().flatten().find(|info| info.lsn == lsn);
            let identity = self.identity.unwrap_or_default();
            match Snapshot::verify(self.disk, &path, &identity, lsn, &mut |_| {}) {
                Ok((info, sections)) => {
                    entry.sections = sections;
                    if let Err(error) = self.check_version(&path, &identity, lsn) {
                        self.report.damage.extend(named.map(|_| error));
                    }
                    match named {
                        Some(named) if *named != info => {
                            let cause = format!("the manifest names {named:?}, the file is {info:?}");
                            self.report.damage.push(snapshot_damage(&path, cause));
                        }
                        Some(_) => {}
                        None => entry.note = "not in the manifest; removed at the next start".into(),
                    }
                }
                Err(error) if named.is_some() => {
                    entry.note = "damaged".into();
                    self.report.damage.push(error);
                }
                Err(error) => entry.note = format!("not in the manifest, and damaged: {}", error.cause),
            }
            self.replace(entry);
        }
        for info in wanted.into_iter().flatten() {
            let name = crate::storage::names::snapshot_name(info.lsn);
            if !names.contains(&name) {
                let path = self.report.dir.join(name);
                self.report.damage.push(snapshot_damage(&path, "this snapshot is needed and missing".into()));
            }
        }
    }

    /// Whether a snapshot that verifies is of a version that this program reads.
    fn check_version(&self, path: &Path, identity: &Identity, lsn: Lsn) -> Result<(), StorageError> {
        let (name, check) = self.versions.section;
        match Snapshot::read_section(self.disk, path, identity, lsn, name)? {
            Some(section) => check(&section).map_err(|damage| unreadable(path, damage)),
            None => Ok(()),
        }
    }

    fn others(&mut self, names: &[String]) {
        for name in names {
            let note = match parse_name(name) {
                FileName::Log(_) | FileName::Snapshot(_) => continue,
                FileName::Webhooks => {
                    if let Err(error) = webhooks_file::read(self.disk, &self.report.dir, self.identity.as_ref()) {
                        self.report.damage.push(error);
                    }
                    "the webhooks, and how far each was told"
                }
                FileName::Manifest if name == MANIFEST => "the manifest",
                FileName::Manifest => "the manifest before",
                FileName::Lock => "the lock",
                FileName::Unfinished => "unfinished; removed at the next start",
                FileName::Torn(_) => "a torn tail that was cut off and saved",
                FileName::Ballast => "the ballast, given back when there is no other room",
                FileName::Report => "what the salvage that made this folder left out",
                FileName::Keys => "access keys, and the lock of whoever changes them",
                FileName::Foreign => "not ours",
            };
            self.file(name, note.into());
        }
    }

    /// What proves that the log once went further.
    fn evidence(&mut self) {
        let Some(manifest) = self.report.manifest else { return };
        let snapshot = manifest.snapshot.map_or(Lsn(0), |snapshot| snapshot.lsn);
        let known = manifest.floor.max(snapshot).max(self.told);
        if known > self.report.last && self.report.damage.is_empty() {
            let path = self.report.dir.join(log_name(manifest.newest_log));
            let cause = format!("the log ends at lsn {}, but lsn {known} was durable", self.report.last);
            self.report.damage.push(log_damage(&path, cause));
        }
    }

    fn file(&mut self, name: &str, note: String) -> FileReport {
        let bytes = self.disk.open(&self.report.dir.join(name)).and_then(|file| file.size()).unwrap_or(0);
        let entry =
            FileReport { name: name.to_owned(), bytes, frames: 0, first: None, last: None, sections: Vec::new(), note };
        self.report.files.push(entry.clone());
        entry
    }

    fn replace(&mut self, entry: FileReport) {
        if let Some(there) = self.report.files.iter_mut().rev().find(|there| there.name == entry.name) {
            *there = entry;
        }
    }
}
