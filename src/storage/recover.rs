//! Opening a folder: what is there, does it fit together, and what a stop in the middle of a write left behind.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};

use bytes::Bytes;

use crate::model::id::Lsn;
use crate::model::planted::{Bug, planted};
use crate::storage::disk::{Disk, read_exact_at, read_whole, write_all_at};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::folder::{MadeFolder, make_folder, remove_leftovers};
use crate::storage::format::{HEAD_BYTES, identity_text};
use crate::storage::lock::{FolderLock, check_mode, lock_folder};
use crate::storage::log::{Log, first_log_head, make_spare};
use crate::storage::log_file::{LogHead, Stop, Walk, log_damage, walk};
use crate::storage::manifest::{CleanEnd, Manifest, remove_if_there, rename, write_new};
use crate::storage::names::{BALLAST, FileName, MANIFEST, TEMP, log_name, parse_name, snapshot_name, torn_name};
use crate::storage::snapshot_reader::{Snapshot, snapshot_damage};
use crate::storage::space::Ladder;
use crate::storage::store::{LogFile, Manifests, Opened, Position, Shared, Store, StoreOptions};
use crate::storage::watch::Watch;
use crate::storage::webhooks_file;

/// What opening had to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The folder was made just now.
    pub created: bool,
    /// The last stop was not clean, and the last log file was copied to a fresh one.
    pub unclean: bool,
    /// A torn last write that was cut off.
    pub torn: Option<TornTail>,
    /// The last position in the log.
    pub last: Lsn,
}

/// The end of the log that a stop in the middle of a write left behind; none of it was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The log file.
    pub path: PathBuf,
    /// Where the tail begins.
    pub offset: u64,
    /// Its length up to its last byte that is not zero.
    pub bytes: u64,
    /// Where the tail was saved.
    pub saved: PathBuf,
    /// The last position before it.
    pub last: Lsn,
}

/// A log file whose head fits in the chain.
#[derive(Clone, Debug)]
pub(crate) struct Surveyed {
    pub(crate) path: PathBuf,
    pub(crate) head: LogHead,
    pub(crate) size: u64,
}

/// Opens a folder; see [`Store::open`].
pub(crate) fn open_folder(disk: Arc<dyn Disk>, dir: &Path, options: StoreOptions) -> Result<Opened, StorageError> {
    let made = if options.create { Some(make_folder(&*disk, dir)?) } else { None };
    check_mode(&*disk, dir)?;
    let lock = lock_folder(&*disk, dir)?;
    let mut names = list(&*disk, dir)?;
    let created = !names.iter().any(|name| name == MANIFEST);
    if created {
        create_folder(&disk, dir, &names, made, &options)?;
        names = list(&*disk, dir)?;
    }
    let published = Manifest::read(&*disk, dir)?;
    let mut current = published;
    if options.from_previous && published.snapshot.is_some() {
        (current.snapshot, current.previous) = (published.previous, None);
    }
    let snapshot = open_snapshot(&*disk, dir, &current, options.mmap)?;
    let watch = snapshot.as_ref().map(|snapshot| Watch::of(&*disk, snapshot)).transpose();
    let watch = watch.map_err(|error| StorageError::io("opening a snapshot in", dir, &error))?.flatten();
    let base = current.snapshot.map_or(0, |snapshot| snapshot.lsn.0);
    let logs = survey_logs(&*disk, dir, &names, &current, base)?;
    let (before, last) = check_logs(&*disk, &logs, base)?;
    check_evidence(&*disk, dir, &names, &published, &options, &logs, last.found.last, last.found.end)?;
    let (last, recovery) = settle_end(&*disk, dir, &names, &published, &options, last, created)?;
    let is_tidy = remove_leftovers(&*disk, dir, &names, &published);
    // A stop between the name of a new file and the manifest leaves the manifest one file behind.
    current.newest_log = last.log.head.sequence;
    let mut files = before;
    files.push(LogFile { sequence: last.log.head.sequence, first: last.log.head.first, end: last.found.end });
    let position = Position { files, last: last.found.last, checksum: last.found.checksum };
    let ballast = disk.open(&dir.join(BALLAST)).and_then(|file| file.size()).unwrap_or(0);
    let file = disk.open_for_writing(&last.log.path);
    let file = file.map_err(|error| StorageError::io("opening", &last.log.path, &error))?;
    let manifests = Manifests { published, current };
    let mut shared = new_shared(disk, dir, options, manifests, position, lock);
    shared.failed = Mutex::new(last.failed);
    shared.ladder = Mutex::new(Ladder::new(ballast, current.snapshot.map(|live| live.bytes)));
    shared.watch = Mutex::new(watch.map(Arc::new));
    shared.untidy = AtomicU64::new(u64::from(!is_tidy));
    let store = Store { shared: Arc::new(shared) };
    let log = Log::new(store.clone(), file, last.log.head, &last.found, last.log.size);
    Ok(Opened { store, log, snapshot, recovery })
}

/// What everyone shares of a folder that is ready.
pub(crate) fn new_shared(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: StoreOptions,
    manifests: Manifests,
    position: Position,
    lock: FolderLock,
) -> Shared {
    Shared {
        disk,
        dir: dir.to_owned(),
        options,
        identity: manifests.published.identity,
        manifests: Mutex::new(manifests),
        position: Mutex::new(position),
        failed: Mutex::default(),
        ladder: Mutex::default(),
        damaged: Mutex::default(),
        watch: Mutex::default(),
        untidy: AtomicU64::new(0),
        spare: Mutex::default(),
        snapshot_busy: Arc::new(AtomicBool::new(false)),
        placing: Mutex::new(()),
        copying: RwLock::new(()),
        _lock: lock,
    }
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, StorageError> {
    disk.list(dir).map_err(|error| StorageError::io("listing", dir, &error))
}

/// Makes a new database in an empty folder, or in one where making it was interrupted.
fn create_folder(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    names: &[String],
    made: Option<MadeFolder>,
    options: &StoreOptions,
) -> Result<(), StorageError> {
    let config = |cause: String| Err(StorageError::new(StorageErrorKind::Config, "opening", dir, cause));
    for name in names {
        let ours = match parse_name(name) {
            FileName::Lock | FileName::Unfinished | FileName::Keys => true,
            FileName::Log(1) => has_no_frames(&**disk, &dir.join(name))?,
            FileName::Foreign => name == "lost+found",
            _ => false,
        };
        if !ours {
            return config(format!("this is not a Throng data folder, or its MANIFEST is lost: it holds {name:?}"));
        }
    }
    let Some(made) = made else { return config("there is no Throng database in this folder".into()) };
    let identity = disk.entropy().to_le_bytes();
    let head = first_log_head(disk, identity);
    let path = dir.join(log_name(head.sequence));
    let temp = dir.join(format!("{}{TEMP}", log_name(head.sequence)));
    let failed = |error: std::io::Error| StorageError::io("creating", &temp, &error);
    let file = make_spare(&**disk, &temp, options.file_bytes).map_err(failed)?;
    write_all_at(&*file, &head.encode(), 0).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    drop(file);
    rename(&**disk, &temp, &path)?;
    disk.sync_dir(dir).map_err(|error| StorageError::io("syncing", dir, &error))?;
    made.sync(&**disk, dir)?;
    let manifest = Manifest {
        identity,
        generation: 1,
        oldest_log: 1,
        newest_log: 1,
        floor: Lsn(0),
        snapshot: None,
        previous: None,
        clean: Some(CleanEnd { end: HEAD_BYTES as u64, checksum: 0 }),
    };
    manifest.publish(&**disk, dir, None)
}

fn has_no_frames(disk: &dyn Disk, path: &Path) -> Result<bool, StorageError> {
    let bytes = disk.open(path).and_then(|file| read_whole(&*file));
    let bytes = bytes.map_err(|error| StorageError::io("reading", path, &error))?;
    let Ok(head) = LogHead::decode(path, &bytes) else { return Ok(false) };
    let found = walk(path, &bytes, &head, &mut |_, _| Ok(()));
    Ok(found.frames == 0 && found.stop == Stop::Zeros)
}

fn open_snapshot(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &Manifest,
    mapped: bool,
) -> Result<Option<Snapshot>, StorageError> {
    let Some(info) = manifest.snapshot else { return Ok(None) };
    let path = dir.join(snapshot_name(info.lsn));
    let snapshot = Snapshot::open(disk, &path, &manifest.identity, info.lsn, mapped)?;
    if snapshot.info() != info {
        let cause = format!("the manifest names {info:?}, the file is {:?}", snapshot.info());
        return Err(snapshot_damage(&path, cause));
    }
    Ok(Some(snapshot))
}

/// Reads the heads of all log files needed and checks that they follow each other without a gap from `base`.
pub(crate) fn survey_logs(
    disk: &dyn Disk,
    dir: &Path,
    names: &[String],
    manifest: &Manifest,
    base: u64,
) -> Result<Vec<Surveyed>, StorageError> {
    let needed = |name: &String| match parse_name(name) {
        FileName::Log(sequence) if sequence >= manifest.oldest_log => Some(sequence),
        _ => None,
    };
    let newest = names.iter().filter_map(needed).max().unwrap_or(0).max(manifest.newest_log);
    let mut logs: Vec<Surveyed> = Vec::new();
    for sequence in manifest.oldest_log..=newest {
        let path = dir.join(log_name(sequence));
        if !names.contains(&log_name(sequence)) {
            return Err(log_damage(&path, "this log file is needed and missing"));
        }
        let log = survey_log(disk, path)?;
        if log.head.identity != manifest.identity {
            let (found, wanted) = (identity_text(&log.head.identity), identity_text(&manifest.identity));
            let dir = dir.display();
            let cause = format!(
                "this log file belongs to database {found}, the folder to {wanted}; run: throng verify --data \"{dir}\""
            );
            return Err(StorageError::new(StorageErrorKind::Config, "reading", &log.path, cause).at(16));
        }
        if log.head.sequence != sequence {
            let cause = format!("this log file is number {} by its head, so files were swapped", log.head.sequence);
            return Err(log_damage(&log.path, cause).at(32));
        }
        let least = logs.last().map_or(1, |before| before.head.first);
        let most = if logs.is_empty() { base.saturating_add(1) } else { u64::MAX };
        if log.head.first < least || log.head.first > most || (sequence == 1 && log.head.first != 1) {
            let wanted = if logs.is_empty() { format!("at most {most}") } else { format!("at least {least}") };
            let cause = format!("this log file begins at lsn {}, expected {wanted}", log.head.first);
            return Err(log_damage(&log.path, cause).at(36));
        }
        logs.push(log);
    }
    Ok(logs)
}

/// Reads one head.
pub(crate) fn survey_log(disk: &dyn Disk, path: PathBuf) -> Result<Surveyed, StorageError> {
    let failed = |error: std::io::Error| StorageError::io("reading", &path, &error);
    let file = disk.open(&path).map_err(failed)?;
    let size = file.size().map_err(failed)?;
    let mut bytes = vec![0; (HEAD_BYTES as u64).min(size) as usize];
    read_exact_at(&*file, &mut bytes, 0).map_err(failed)?;
    let head = LogHead::decode(&path, &bytes)?;
    Ok(Surveyed { path, head, size })
}

/// The last log file, read whole.
struct Last {
    log: Surveyed,
    bytes: Bytes,
    found: Walk,
    /// Why nothing may be appended to it.
    failed: Option<StorageError>,
}

/// Walks over every file that holds something after `base`; all but the last must end as the next one says.
fn check_logs(disk: &dyn Disk, logs: &[Surveyed], base: u64) -> Result<(Vec<LogFile>, Last), StorageError> {
    let (last, before) = logs.split_last().expect("the manifest names at least one log file");
    let mut files = Vec::new();
    for (log, next) in before.iter().zip(&logs[1..]) {
        let mut end = log.size;
        if next.head.previous_last > base {
            let found = read_log(disk, log, false)?.found;
            end = found.end;
            check_link(log, &found, &next.head)?;
        }
        files.push(LogFile { sequence: log.head.sequence, first: log.head.first, end });
    }
    Ok((files, read_log(disk, last, false)?))
}

/// Requires that a file which is not the last ends as the head of the next one says.
pub(crate) fn check_link(log: &Surveyed, found: &Walk, next: &LogHead) -> Result<(), StorageError> {
    match &found.stop {
        Stop::Damaged(error) => return Err(error.clone()),
        Stop::Torn(why) => {
            let cause = format!("expected lsn {}, found damage before the last log file: {why}", found.last + 1);
            return Err(log_damage(&log.path, cause).at(found.end));
        }
        Stop::Zeros => {}
    }
    if (found.last, found.checksum) != (next.previous_last, next.previous_checksum) {
        let cause = format!(
            "this log file ends at lsn {} with checksum {:08x}, but the next one follows lsn {} with checksum {:08x}",
            found.last, found.checksum, next.previous_last, next.previous_checksum
        );
        return Err(log_damage(&log.path, cause).at(found.end));
    }
    Ok(())
}

fn read_log(disk: &dyn Disk, log: &Surveyed, past_cache: bool) -> Result<Last, StorageError> {
    let failed = |error: std::io::Error| StorageError::io("reading", &log.path, &error);
    let file = disk.open(&log.path).map_err(failed)?;
    if past_cache {
        file.drop_cache().map_err(failed)?;
    }
    let bytes = read_whole(&*file).map_err(failed)?;
    let head = LogHead::decode(&log.path, &bytes)?;
    let found = walk(&log.path, &bytes, &head, &mut |_, _| Ok(()));
    Ok(Last { log: Surveyed { head, ..log.clone() }, bytes, found, failed: None })
}

/// The witness that nobody but this file knows of.
const TOLD: &str = "the file of webhooks";

/// Refuses a log that ends before something that is known to have been durable.
fn check_evidence(
    disk: &dyn Disk,
    dir: &Path,
    names: &[String],
    manifest: &Manifest,
    options: &StoreOptions,
    logs: &[Surveyed],
    last: u64,
    end: u64,
) -> Result<(), StorageError> {
    let mut known = vec![(manifest.floor, "the manifest"), (options.at_least, "the caller")];
    for name in names {
        if let FileName::Snapshot(lsn) = parse_name(name) {
            known.push((lsn, "a snapshot"));
        }
    }
    for info in [manifest.snapshot, manifest.previous].into_iter().flatten() {
        known.push((info.lsn, "the snapshot in the manifest"));
    }
    if let Ok(Some(webhooks)) = webhooks_file::read(disk, dir, Some(&manifest.identity)) {
        known.push((webhooks.lsn, TOLD));
    }
    known.retain(|_| !planted(Bug::IgnoreEvidence));
    let most = known.into_iter().max_by_key(|(lsn, _)| *lsn).filter(|(lsn, _)| lsn.0 > last);
    let Some((lsn, witness)) = most else { return Ok(()) };
    let path = logs.last().map_or(dir, |log| &log.path);
    let mut cause = format!("the log ends at lsn {last}, but lsn {lsn} was durable, as {witness} shows");
    if witness == TOLD {
        cause.push_str(" (where an older copy was restored on purpose, its own file of webhooks belongs beside it)");
    }
    Err(log_damage(path, cause).at(end))
}

/// Decides how to go on after the last frame: in place after a clean stop, else in a fresh copy of the file.
fn settle_end(
    disk: &dyn Disk,
    dir: &Path,
    names: &[String],
    manifest: &Manifest,
    options: &StoreOptions,
    last: Last,
    created: bool,
) -> Result<(Last, Recovery), StorageError> {
    if let Stop::Damaged(error) = last.found.stop {
        return Err(error);
    }
    let mut recovery = Recovery { created, unclean: false, torn: None, last: Lsn(last.found.last) };
    let end = CleanEnd { end: last.found.end, checksum: last.found.checksum };
    let newest = last.log.head.sequence == manifest.newest_log;
    if newest && manifest.clean == Some(end) && last.found.stop == Stop::Zeros {
        return Ok((last, recovery));
    }
    // What the system remembers may not be what the medium holds: a failed sync leaves clean pages of lost bytes.
    let mut last = read_log(disk, &last.log, !planted(Bug::TrustCache))?;
    recovery.unclean = true;
    recovery.last = Lsn(last.found.last);
    if let Stop::Damaged(error) = last.found.stop {
        return Err(error);
    }
    check_evidence(
        disk,
        dir,
        names,
        manifest,
        options,
        std::slice::from_ref(&last.log),
        last.found.last,
        last.found.end,
    )?;
    match renew(disk, dir, manifest, &last, options.file_bytes) {
        Ok((torn, size)) => (recovery.torn, last.log.size) = (torn, size),
        Err(error) if error.kind == StorageErrorKind::NoSpace => {
            let told = "there is no room to copy the end of the log to a fresh file, as must be after this stop";
            tracing::error!(%error, "{told}; the database only reads until there is, and it is opened again");
            last.failed = Some(StorageError { cause: format!("{told}: {}", error.cause), ..error });
        }
        Err(error) => return Err(error),
    }
    Ok((last, recovery))
}

/// Saves a torn tail and copies the valid frames to a fresh file; gives its size. On a full disk what is left over and
/// the ballast go for it, and the fresh file is made no longer than it must be.
fn renew(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &Manifest,
    last: &Last,
    file_bytes: u64,
) -> Result<(Option<TornTail>, u64), StorageError> {
    let renew = |file_bytes| -> Result<(Option<TornTail>, u64), StorageError> {
        let torn = match &last.found.stop {
            Stop::Torn(why) => Some(save_tail(disk, dir, last, why)?),
            _ => None,
        };
        Ok((torn, copy_frames(disk, dir, last, file_bytes)?))
    };
    let renewed = renew(file_bytes);
    if !matches!(&renewed, Err(error) if error.kind == StorageErrorKind::NoSpace) {
        return renewed;
    }
    remove_leftovers(disk, dir, &list(disk, dir)?, manifest);
    remove_if_there(disk, &dir.join(BALLAST))?;
    renew(0)
}

/// Keeps the bytes that are cut off, for whoever wants to look; only the owner may read them.
fn save_tail(disk: &dyn Disk, dir: &Path, last: &Last, why: &str) -> Result<TornTail, StorageError> {
    let start = last.found.end as usize;
    let len = last.bytes[start..].iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    let saved = dir.join(torn_name(last.log.head.sequence, last.found.end));
    let temp = saved.with_extension(&TEMP[1..]);
    write_new(disk, &temp, &last.bytes[start..start + len], 0o600)?;
    rename(disk, &temp, &saved)?;
    disk.sync_dir(dir).map_err(|error| StorageError::io("syncing", dir, &error))?;
    let (path, lsn) = (last.log.path.display(), last.found.last);
    tracing::warn!("cut a torn tail of {len} bytes at offset {start} of \"{path}\" after lsn {lsn}: {why}");
    Ok(TornTail {
        path: last.log.path.clone(),
        offset: last.found.end,
        bytes: len as u64,
        saved,
        last: Lsn(last.found.last),
    })
}

/// Replaces the file by a fresh one with the valid frames only; returns its size.
fn copy_frames(disk: &dyn Disk, dir: &Path, last: &Last, file_bytes: u64) -> Result<u64, StorageError> {
    let temp = dir.join(format!("{}{TEMP}", log_name(last.log.head.sequence)));
    let size = file_bytes.max(last.found.end);
    let file = make_spare(disk, &temp, size).map_err(|error| StorageError::io("writing", &temp, &error))?;
    let written = write_all_at(&*file, &last.bytes[..last.found.end as usize], 0);
    written.map_err(|error| StorageError::io("writing", &temp, &error))?;
    file.sync_data().map_err(|error| StorageError::io("syncing", &temp, &error))?;
    drop(file);
    rename(disk, &temp, &last.log.path)?;
    disk.sync_dir(dir).map_err(|error| StorageError::io("syncing", dir, &error))?;
    Ok(size)
}
