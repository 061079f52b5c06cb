//! Writes a snapshot: blocks with checksums, then verified, renamed and published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::codec::aligned::ALIGNMENT;
use crate::codec::checksum::crc64;
use crate::codec::section::{SectionSink, SinkError, check_section_name};
use crate::model::id::Lsn;
use crate::storage::disk::{DiskFile, write_all_at};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::manifest::{remove_if_there, rename};
use crate::storage::names::{TEMP, snapshot_name};
use crate::storage::snapshot_reader::{BLOCK_BYTES, Footer, Place, Snapshot, encode_snapshot_head};
use crate::storage::status::SnapshotInfo;
use crate::storage::store::{SnapshotTurn, Store};

/// Bytes gathered before they are written.
const RUN_BYTES: usize = 16 * BLOCK_BYTES;

/// Bytes written before they are synced.
const PORTION_BYTES: u64 = 32 << 20;

/// A snapshot being written; dropped before [`SnapshotWriter::finish`], it leaves nothing behind.
pub struct SnapshotWriter {
    store: Store,
    lsn: Lsn,
    temp: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    written: u64,
    run: Vec<u8>,
    blocks: Vec<u64>,
    sections: BTreeMap<String, Place>,
    open: Option<(String, u64)>,
    failed: Option<StorageError>,
    alone: bool,
    pace: Pace,
    unsynced: u64,
    _turn: SnapshotTurn,
}

/// Told how many bytes were just written or read; takes the time that they may take.
pub type Pace = Box<dyn FnMut(u64) + Send>;

impl SnapshotWriter {
    /// Starts the file; the store says whose turn it is.
    pub(crate) fn start(store: Store, lsn: Lsn, turn: SnapshotTurn) -> Result<SnapshotWriter, StorageError> {
        let temp = store.dir().join(format!("{}{TEMP}", snapshot_name(lsn)));
        remove_if_there(store.disk(), &temp)?;
        let file = store.disk().create(&temp, 0o600).map_err(|error| StorageError::io("creating", &temp, &error))?;
        let run = encode_snapshot_head(&store.identity(), lsn);
        Ok(SnapshotWriter {
            store,
            lsn,
            temp,
            file: Some(file),
            written: 0,
            run,
            blocks: Vec::new(),
            sections: BTreeMap::new(),
            open: None,
            failed: None,
            alone: false,
            pace: Box::new(|_| {}),
            unsynced: 0,
            _turn: turn,
        })
    }

    /// Writes and verifies no faster than the pace lets it, and in small portions.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Takes everything before it along when it goes live, in one step: the snapshot before it, and the log up to the
    /// last file that began at or before its position. For erasure.
    pub fn set_alone(&mut self) {
        self.alone = true;
    }

    /// Why it takes nothing any more, if so.
    pub fn failed(&self) -> Option<&StorageError> {
        self.failed.as_ref()
    }

    /// Bytes so far, the head included.
    pub fn bytes(&self) -> u64 {
        self.written + self.run.len() as u64
    }

    /// Writes the footer, syncs, verifies by reading back, publishes, and removes what is no longer needed.
    pub fn finish(mut self) -> Result<SnapshotInfo, StorageError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.end_section();
        self.pad(ALIGNMENT)?;
        self.write_run()?;
        let sections = std::mem::take(&mut self.sections);
        let footer = Footer { body: self.written, sections, blocks: std::mem::take(&mut self.blocks) };
        let bytes = footer.encode();
        let file = self.file.take().expect("the file is there until finish");
        write_all_at(&*file, &bytes, footer.body).map_err(|error| self.io("writing", &error))?;
        file.set_mode(0o400).map_err(|error| self.io("protecting", &error))?;
        file.sync_data().map_err(|error| self.io("syncing", &error))?;
        drop(file);
        let disk = self.store.disk();
        let pace = &mut self.pace;
        let (info, _) = Snapshot::verify(disk, &self.temp, &self.store.identity(), self.lsn, pace)?;
        if info.total != footer.total() || info.bytes != footer.body + bytes.len() as u64 {
            let cause = "what was read back is not what was written";
            return Err(StorageError::new(StorageErrorKind::CorruptSnapshot, "verifying", &self.temp, cause));
        }
        self.store.check_memory(pace)?;
        self.store.publish_snapshot(info, self.alone, &mut |name: &Path| {
            rename(disk, &self.temp, name)?;
            let dir = self.store.dir();
            disk.sync_dir(dir).map_err(|error| StorageError::io("syncing", dir, &error))
        })
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), StorageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        while !bytes.is_empty() {
            let room = RUN_BYTES - self.run.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.run.extend_from_slice(now);
            bytes = later;
            if self.run.len() == RUN_BYTES {
                self.write_run()?;
            }
        }
        Ok(())
    }

    fn write_run(&mut self) -> Result<(), StorageError> {
        self.blocks.extend(self.run.chunks(BLOCK_BYTES).map(crc64));
        let file = self.file.as_ref().expect("the file is there until finish");
        if let Err(error) = write_all_at(&**file, &self.run, self.written) {
            let error = self.io("writing", &error);
            self.failed = Some(error.clone());
            return Err(error);
        }
        let written = self.run.len() as u64;
        self.written += written;
        self.unsynced += written;
        self.run.clear();
        (self.pace)(written);
        if self.unsynced >= PORTION_BYTES {
            // A system that is left to gather gigabytes makes the log wait behind them.
            self.unsynced = 0;
            if let Err(error) = file.sync_data() {
                let error = self.io("syncing", &error);
                self.failed = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    fn pad(&mut self, to: usize) -> Result<(), StorageError> {
        let at = self.bytes();
        let padding = (at.next_multiple_of(to as u64) - at) as usize;
        self.take(&[0; ALIGNMENT][..padding])
    }

    fn end_section(&mut self) {
        if let Some((name, offset)) = self.open.take() {
            let len = self.bytes() - offset;
            self.sections.insert(name, Place { offset, len });
        }
    }

    fn io(&self, doing: &'static str, error: &std::io::Error) -> StorageError {
        StorageError::io(doing, &self.temp, error).at(self.written)
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        self.file = None;
        // Once published the file has another name, and nothing is removed here.
        if let Err(error) = remove_if_there(self.store.disk(), &self.temp) {
            tracing::warn!(%error, "an unfinished snapshot stays until the next start");
        }
    }
}

fn sink_error(error: StorageError) -> SinkError {
    SinkError { what: error.to_string() }
}

impl SectionSink for SnapshotWriter {
    fn begin(&mut self, name: &str) -> Result<(), SinkError> {
        check_section_name(name)?;
        self.end_section();
        if self.sections.contains_key(name) {
            return Err(SinkError { what: format!("section {name:?} is there already") });
        }
        self.pad(ALIGNMENT).map_err(sink_error)?;
        self.open = Some((name.to_owned(), self.bytes()));
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if self.open.is_none() {
            return Err(SinkError { what: "bytes were put before a section began".into() });
        }
        self.take(bytes).map_err(sink_error)
    }

    fn align(&mut self, to: usize) -> Result<(), SinkError> {
        debug_assert!(to.is_power_of_two() && to <= ALIGNMENT, "sections align to powers of two up to 64, not {to}");
        self.pad(to).map_err(sink_error)
    }

    fn position(&self) -> u64 {
        self.open.as_ref().map_or(0, |(_, offset)| self.bytes() - offset)
    }
}
