//! The log: groups of frames, each group durable by one write and one sync before the call returns.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::model::id::Lsn;
use crate::model::planted::{Bug, planted};
use crate::storage::disk::{Disk, DiskFile, preallocate, preallocate_from, write_all_at};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::format::HEAD_BYTES;
use crate::storage::frame::{COMMIT_BYTES, FrameHeader, FrameKind, MAX_PAYLOAD, SEAL_BYTES, encode_frame, frame_size};
use crate::storage::log_file::{LogHead, Walk};
use crate::storage::manifest::{CleanEnd, remove_if_there, rename};
use crate::storage::names::{SPARE, log_name};
use crate::storage::store::{LogFile, Store, locked};

/// Positions in one group: the place in it must fit in 16 bits.
const MAX_GROUP: usize = 1 << 16;
/// Room that is always kept for a seal. Units: bytes.
const SEAL_ROOM: u64 = frame_size(SEAL_BYTES) as u64;
/// Where there is no room for a whole file, one of this part of its size will do for what is urgent.
const SPARING_PART: u64 = 64;
/// A buffer that grew beyond this for a long payload is given back.
const KEPT_BUFFER: usize = 4 << 20;

/// The end of the log, where frames are appended. After its first error it takes nothing any more.
pub struct Log {
    store: Store,
    file: Box<dyn DiskFile>,
    head: LogHead,
    end: u64,
    /// Bytes that are there already, so that writing them allocates nothing.
    capacity: u64,
    last: u64,
    checksum: u32,
    /// There is nothing to seal, or no room for a seal.
    sealed: bool,
    buffer: Vec<u8>,
    /// A shorter file than usual will do.
    sparing: bool,
    failed: Option<StorageError>,
    /// Makes the next file ahead of need.
    worker: Option<JoinHandle<()>>,
}

impl Log {
    /// Goes on at the end that a walk found.
    pub(crate) fn new(store: Store, file: Box<dyn DiskFile>, head: LogHead, found: &Walk, capacity: u64) -> Log {
        Log {
            store,
            file,
            head,
            end: found.end,
            capacity,
            last: found.last,
            checksum: found.checksum,
            sealed: found.sealed,
            buffer: Vec::new(),
            sparing: false,
            failed: None,
            worker: None,
        }
    }

    /// Appends payloads with the positions that follow the last one; all of them are durable on return.
    ///
    /// Errors: [`StorageErrorKind::NoSpace`] when there is no room for them, which is found before anything is written:
    /// then [`Log::failed`] is `None`, and the call may be made again. Every other failure is kept, and every later
    /// call fails with it; only reopening clears it.
    /// Panics: when a position is not the next one.
    pub fn append(&mut self, frames: &[(Lsn, &[u8])]) -> Result<(), StorageError> {
        self.check()?;
        for (offset, (lsn, _)) in frames.iter().enumerate() {
            let next = self.last + 1 + offset as u64;
            assert_eq!(lsn.0, next, "positions in the log are contiguous");
        }
        for (number, group) in frames.chunks(MAX_GROUP).enumerate() {
            let size: usize = group.iter().map(|(_, payload)| long_size(payload.len())).sum();
            if let Err(error) = self.make_room(size as u64) {
                // Part of a call cannot be taken back once it is durable.
                return Err(if number > 0 { self.fail(error) } else { error });
            }
            self.buffer.clear();
            let mut checksum = self.checksum;
            for (offset, (lsn, payload)) in group.iter().enumerate() {
                let offset = if planted(Bug::ForgetGroup) { 0 } else { offset };
                checksum = encode_payload(&mut self.buffer, self.head.salt, checksum, offset as u16, lsn.0, payload);
            }
            let last = group.last().map_or(self.last, |(lsn, _)| lsn.0);
            self.write(last, checksum, false)?;
            self.prepare_spare();
        }
        Ok(())
    }

    /// Sees to it that the next write allocates nothing: in this file, in the next one, or in a longer one.
    fn make_room(&mut self, size: u64) -> Result<(), StorageError> {
        if self.end + size + SEAL_ROOM > self.capacity {
            self.roll()?;
        }
        self.make_longer(self.end + size + SEAL_ROOM)
    }

    fn make_longer(&mut self, needed: u64) -> Result<(), StorageError> {
        if needed > self.capacity {
            if let Err(error) = preallocate_from(&*self.file, self.capacity, needed) {
                let path = self.store.dir().join(log_name(self.head.sequence));
                let error = StorageError::io("making room in", path, &error).at(self.capacity);
                return Err(if error.kind == StorageErrorKind::NoSpace { error } else { self.fail(error) });
            }
            self.capacity = needed;
        }
        Ok(())
    }

    /// Marks everything so far as durable, so that later damage to it cannot pass for a torn write. For idle moments.
    pub fn seal(&mut self) -> Result<(), StorageError> {
        self.check()?;
        if self.sealed || planted(Bug::SkipSeal) {
            return Ok(());
        }
        match self.make_longer(self.end + SEAL_ROOM) {
            Err(error) if error.kind == StorageErrorKind::NoSpace => {
                tracing::warn!(%error, "there is no room for a seal");
                self.sealed = true;
                return Ok(());
            }
            done => done?,
        }
        let payload = self.end.to_le_bytes();
        let header = FrameHeader {
            len: payload.len() as u32,
            kind: FrameKind::Seal,
            group_offset: 0,
            lsn: self.last,
            previous: self.checksum,
        };
        self.buffer.clear();
        let checksum = encode_frame(&mut self.buffer, &header, self.head.salt, &payload);
        self.write(self.last, checksum, true)
    }

    /// Whether everything so far is marked as durable.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Goes on in a new file, so that the one before can be removed once a snapshot covers it. A file without
    /// frames is gone on with as it is.
    ///
    /// Errors: as [`Log::append`].
    pub fn roll(&mut self) -> Result<(), StorageError> {
        self.roll_ahead()?;
        self.store.list_newest().map_err(|error| self.fail(error))
    }

    /// As [`Log::roll`], and leaves it to the caller to have [`Store::list_newest`] done soon, on any thread: until then
    /// nothing would miss the new file, should it vanish.
    ///
    /// Errors: as [`Log::append`].
    pub fn roll_ahead(&mut self) -> Result<(), StorageError> {
        self.check()?;
        if self.end == HEAD_BYTES as u64 {
            return Ok(());
        }
        if let Some(worker) = self.worker.take() {
            let _told_by_the_next_try = worker.join();
        }
        let shared = Arc::clone(&self.store.shared);
        // Until it has its name: another one made meanwhile would take its place.
        let mut spare = locked(&shared.spare);
        match self.take_spare(&mut spare) {
            Ok((file, size)) => self.start_next_file(file, size).map_err(|error| self.fail(error)),
            Err(error) if error.kind == StorageErrorKind::NoSpace => Err(error),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Whether [`Log::roll`] has to make no file, since there is one or none is needed.
    pub fn can_roll(&self) -> bool {
        self.end == HEAD_BYTES as u64 || self.store.shared.spare.try_lock().is_ok_and(|spare| spare.is_some())
    }

    /// Does some work that may go on in a shorter file than usual, where there is no room for a whole one.
    pub fn sparingly<T>(&mut self, work: impl FnOnce(&mut Log) -> T) -> T {
        self.sparing = true;
        let done = work(self);
        self.sparing = false;
        done
    }

    /// The next file, full of zeros, and its size. One that could not be made ahead of time is tried again, here where
    /// it counts.
    fn take_spare(&self, spare: &mut Option<Box<dyn DiskFile>>) -> Result<(Box<dyn DiskFile>, u64), StorageError> {
        let size = self.store.shared.options.file_bytes;
        if let Some(file) = spare.take() {
            return Ok((file, size));
        }
        let path = self.store.dir().join(SPARE);
        let make = |size| {
            let made = make_spare(self.store.disk(), &path, size);
            made.map(|file| (file, size)).map_err(|error| StorageError::io("creating", &path, &error))
        };
        match make(size) {
            Err(error) if error.kind == StorageErrorKind::NoSpace && self.sparing => {
                make((size / SPARING_PART).max(HEAD_BYTES as u64))
            }
            made => made,
        }
    }

    /// Seals the log and notes the clean end in the manifest. Without room for that the next start is as after a kill.
    pub fn close(mut self) -> Result<(), StorageError> {
        self.seal()?;
        let clean = CleanEnd { end: self.end, checksum: self.checksum };
        match self.store.publish(&mut |manifest| manifest.clean = Some(clean)) {
            Err(error) if error.kind == StorageErrorKind::NoSpace => {
                tracing::warn!(%error, "there is no room to note the clean stop; nothing is lost");
                Ok(())
            }
            done => done,
        }
    }

    /// The last position appended; 0 for an empty log.
    pub fn last(&self) -> Lsn {
        Lsn(self.last)
    }

    /// Why the log takes nothing any more, if so.
    pub fn failed(&self) -> Option<&StorageError> {
        self.failed.as_ref()
    }

    fn check(&mut self) -> Result<(), StorageError> {
        if self.failed.is_none() {
            self.failed = self.store.check_failed().err();
        }
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, error: StorageError) -> StorageError {
        let first = self.store.latch(error);
        self.failed.get_or_insert(first).clone()
    }

    /// Writes the buffer at the end, makes it durable, and only then moves the end.
    fn write(&mut self, last: u64, checksum: u32, sealed: bool) -> Result<(), StorageError> {
        let path = || self.store.dir().join(log_name(self.head.sequence));
        if planted(Bug::AckBeforeSync) {
            let _too_late = self.file.sync_data();
        }
        let written = write_all_at(&*self.file, &self.buffer, self.end)
            .map_err(|error| StorageError::io("appending to", path(), &error).at(self.end))
            .and_then(|()| self.sync().map_err(|error| StorageError::io("syncing", path(), &error).at(self.end)));
        match written {
            Err(error) if planted(Bug::IgnoreNoSpace) && error.kind == StorageErrorKind::NoSpace => {}
            Err(error) => return Err(self.fail(error)),
            Ok(()) => {}
        }
        self.end += self.buffer.len() as u64;
        self.capacity = self.capacity.max(self.end);
        (self.last, self.checksum, self.sealed) = (last, checksum, sealed);
        if self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = Vec::new();
        }
        let mut position = self.store.position();
        (position.last, position.checksum) = (last, checksum);
        position.files.last_mut().expect("the log has a file").end = self.end;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if planted(Bug::SkipLogSync) || planted(Bug::AckBeforeSync) {
            return Ok(());
        }
        match self.file.sync_data() {
            Err(_) if planted(Bug::RetrySync) => self.file.sync_data(),
            synced => synced,
        }
    }

    fn start_next_file(&mut self, file: Box<dyn DiskFile>, size: u64) -> Result<(), StorageError> {
        let dir = self.store.dir().to_owned();
        let disk = self.store.shared.disk.clone();
        let spare = dir.join(SPARE);
        let sequence = self.head.sequence.checked_add(1).ok_or_else(|| {
            let full = io::Error::other("there is no log file number left");
            StorageError::io("creating", &spare, &full)
        })?;
        let head = LogHead {
            identity: self.head.identity,
            sequence,
            first: self.last + 1,
            previous_last: self.last,
            previous_checksum: self.checksum,
            salt: disk.entropy() as u32,
        };
        write_all_at(&*file, &head.encode(), 0).map_err(|error| StorageError::io("writing", &spare, &error))?;
        if !planted(Bug::SkipNewFileSync) {
            file.sync_data().map_err(|error| StorageError::io("syncing", &spare, &error))?;
        }
        rename(&*disk, &spare, &dir.join(log_name(sequence)))?;
        disk.sync_dir(&dir).map_err(|error| StorageError::io("syncing", &dir, &error))?;
        self.store.remember_newest(sequence);
        (self.file, self.head) = (file, head);
        (self.end, self.capacity, self.sealed) = (HEAD_BYTES as u64, size, true);
        self.store.position().files.push(LogFile { sequence, first: head.first, end: self.end });
        Ok(())
    }

    /// Starts to make the next file once this one is half full.
    fn prepare_spare(&mut self) {
        let options = &self.store.shared.options;
        if !options.background || self.worker.is_some() || self.end < options.file_bytes / 2 || self.can_roll() {
            return;
        }
        let store = self.store.clone();
        let work = move || {
            if let Err(error) = store.ready_spare() {
                tracing::warn!(%error, "the next log file could not be made ahead of need");
            }
        };
        self.worker = std::thread::Builder::new().name("throng-spare".into()).spawn(work).ok();
    }
}

impl Store {
    /// Makes the next log file, full of zeros, unless there is one already or none would be needed to go on in a new
    /// one; waits for whoever is making it. So the log does not have to when it goes on there.
    ///
    /// Errors: failed file calls. The log then tries again by itself, where it counts.
    pub fn ready_spare(&self) -> Result<(), StorageError> {
        let mut spare = locked(&self.shared.spare);
        let is_empty = self.position().files.last().is_some_and(|file| file.end == HEAD_BYTES as u64);
        if spare.is_none() && !is_empty {
            let path = self.dir().join(SPARE);
            let made = make_spare(self.disk(), &path, self.shared.options.file_bytes);
            *spare = Some(made.map_err(|error| StorageError::io("creating", &path, &error))?);
        }
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // The worker must not meet the next opener of this folder.
        if let Some(worker) = self.worker.take() {
            let _unused_spare = worker.join();
        }
    }
}

/// Makes a file of zeros, durable except for its name.
pub(crate) fn make_spare(disk: &dyn Disk, path: &Path, size: u64) -> io::Result<Box<dyn DiskFile>> {
    remove_if_there(disk, path).map_err(|error| io::Error::other(error.cause))?;
    let file = disk.create(path, 0o600)?;
    match preallocate(&*file, size).and_then(|()| file.sync_data()) {
        Ok(()) => Ok(file),
        Err(error) => {
            drop(file);
            // Half a file would take the room that others need now; what stays is removed at the next try.
            let _stays = disk.remove(path);
            Err(error)
        }
    }
}

/// Makes the first file of a new log.
pub(crate) fn first_log_head(disk: &Arc<dyn Disk>, identity: [u8; 16]) -> LogHead {
    LogHead { identity, sequence: 1, first: 1, previous_last: 0, previous_checksum: 0, salt: disk.entropy() as u32 }
}

/// Bytes that a payload takes, spanning frames if need be.
fn long_size(len: usize) -> usize {
    if len <= MAX_PAYLOAD {
        return frame_size(len);
    }
    let (whole, rest) = (len / MAX_PAYLOAD, len % MAX_PAYLOAD);
    let rest = if rest == 0 { 0 } else { frame_size(rest) };
    whole * frame_size(MAX_PAYLOAD) + rest + frame_size(COMMIT_BYTES)
}

/// Encodes a payload as one frame, or as parts and a commit; returns the last checksum.
fn encode_payload(out: &mut Vec<u8>, salt: u32, mut previous: u32, group_offset: u16, lsn: u64, payload: &[u8]) -> u32 {
    let mut put = |kind: FrameKind, bytes: &[u8]| {
        let header = FrameHeader { len: bytes.len() as u32, kind, group_offset, lsn, previous };
        previous = encode_frame(out, &header, salt, bytes);
    };
    if payload.len() <= MAX_PAYLOAD {
        put(FrameKind::Data, payload);
        return previous;
    }
    payload.chunks(MAX_PAYLOAD).for_each(|part| put(FrameKind::Part, part));
    let mut commit = [0u8; COMMIT_BYTES];
    commit[..8].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    commit[8..].copy_from_slice(&(payload.len().div_ceil(MAX_PAYLOAD) as u32).to_le_bytes());
    put(FrameKind::Commit, &commit);
    previous
}
