//! The file that memory is mapped from, kept under watch also when its name is gone.
//!
//! The system may drop a page of a mapped file and read it again at any time, so damage that comes to the file after it
//! was verified could come to memory. A block that is damaged on the medium is therefore verified as the system has it,
//! and if that is good made the process's own ([`Map::own`]): then it stays so for ever, and only the file is bad.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::model::planted::{Bug, planted};
use crate::storage::disk::{Disk, DiskFile};
use crate::storage::error::StorageError;
use crate::storage::mmap::{Map, PART_BYTES, WeakMap};
use crate::storage::snapshot_reader::{BLOCK_BYTES, Footer, Snapshot, block_damage, check_blocks, is_good_block};
use crate::storage::status::SnapshotInfo;
use crate::storage::store::{Store, locked};

/// Blocks looked at in one step. Units: bytes.
const STEP_BYTES: usize = 16 * BLOCK_BYTES;

const _: () = assert!(PART_BYTES == BLOCK_BYTES, "a part of a map is a block of a snapshot");

/// A mapped snapshot under watch.
pub(crate) struct Watch {
    pub(crate) info: SnapshotInfo,
    /// Where it was when it was opened.
    pub(crate) path: PathBuf,
    /// Reads from the medium, whatever name the file has by now.
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) footer: Arc<Footer>,
    map: WeakMap,
    /// Whether the file is still the one of that name.
    is_named: AtomicBool,
    /// Blocks that memory no longer reads from the file.
    owned: Mutex<BTreeSet<usize>>,
}

impl Watch {
    /// Watches a snapshot that is mapped; one that was read into memory needs none.
    pub(crate) fn of(disk: &dyn Disk, snapshot: &Snapshot) -> io::Result<Option<Watch>> {
        let Some(map) = snapshot.map().map(Map::downgrade) else { return Ok(None) };
        Ok(Some(Watch {
            info: snapshot.info(),
            path: snapshot.path().to_owned(),
            file: disk.open_past_cache(snapshot.path())?.into(),
            footer: snapshot.footer(),
            map,
            is_named: AtomicBool::new(true),
            owned: Mutex::default(),
        }))
    }

    /// Another file takes the name, or nobody has it any more.
    pub(crate) fn lose_name(&self) {
        self.is_named.store(false, Ordering::Release);
    }

    /// Whether the file in the folder is this one.
    pub(crate) fn is_named(&self) -> bool {
        self.is_named.load(Ordering::Acquire)
    }

    /// The bytes of a block.
    fn len_of(&self, block: usize) -> usize {
        (self.footer.body as usize - block * BLOCK_BYTES).min(BLOCK_BYTES)
    }

    /// Makes a block memory's own, and says whether what memory then holds is good.
    fn save(&self, block: usize) -> bool {
        let mut owned = locked(&self.owned);
        if owned.contains(&block) {
            return true;
        }
        let len = self.len_of(block);
        let is_good = |part: &[u8]| is_good_block(&self.footer, block, &part[..len]) || planted(Bug::TrustMemory);
        // Where nobody uses it any more, nothing is to be saved.
        let is_saved = self.map.upgrade().is_none_or(|map| map.own(block, &is_good).unwrap_or(false));
        if is_saved {
            owned.insert(block);
        }
        is_saved
    }

    /// Compares a run of blocks as the medium has it; `None` if it cannot be read. Of what is damaged there memory is
    /// given its own copies. Gives the first damage, and whether memory has it, too.
    pub(crate) fn check_run(&self, at: u64, run: Option<&[u8]>) -> Option<(StorageError, bool)> {
        let first = (at / BLOCK_BYTES as u64) as usize;
        let count = (self.footer.body - at).min(STEP_BYTES as u64).div_ceil(BLOCK_BYTES as u64) as usize;
        let (mut found, mut is_lost) = (None, false);
        for place in 0..count {
            let block = first + place;
            let len = self.len_of(block);
            let bytes = run.map(|run| &run[place * BLOCK_BYTES..][..len]);
            if bytes.is_some_and(|bytes| is_good_block(&self.footer, block, bytes)) {
                continue;
            }
            // What has no name and is not read any more is of no use to anyone.
            let is_known = !self.is_named() && locked(&self.owned).contains(&block);
            if !is_known {
                is_lost |= !self.save(block);
                found.get_or_insert_with(|| block_damage(&self.path, block));
            }
        }
        found.map(|error| (error, is_lost))
    }
}

impl Store {
    /// The mapped snapshot, while memory uses it.
    pub(crate) fn watch(&self) -> Option<Arc<Watch>> {
        let mut watch = locked(&self.shared.watch);
        if watch.as_ref().is_some_and(|watch| watch.map.upgrade().is_none()) {
            *watch = None;
        }
        watch.clone()
    }

    /// Verifies memory that is mapped, so that no snapshot of it gives a good checksum to bytes that were read wrong
    /// since. What is damaged is latched.
    pub(crate) fn check_memory(&self, pace: &mut dyn FnMut(u64)) -> Result<(), StorageError> {
        let Some(watch) = self.watch().filter(|_| !planted(Bug::TrustMemory)) else { return Ok(()) };
        let Some(map) = watch.map.upgrade() else { return Ok(()) };
        let mut at = 0;
        while at < watch.footer.body {
            let len = (watch.footer.body - at).min(STEP_BYTES as u64);
            let run = &map.as_slice()[at as usize..(at + len) as usize];
            if let Err(error) = check_blocks(&watch.path, &watch.footer, at, run) {
                let cause = format!("memory that is mapped from this snapshot is damaged: {}", error.cause);
                return Err(self.latch(StorageError { cause, ..error }));
            }
            at += len;
            pace(len);
        }
        Ok(())
    }

    /// Should a page of mapped memory be lost, the process tells so and ends with the exit code of a damaged snapshot,
    /// instead of by a bare signal. For programs: it sets a handler for the whole process.
    pub fn explain_lost_pages(&self) {
        if let Some(watch) = self.watch() {
            let (path, dir) = (watch.path.display(), self.dir().display());
            let told = format!(
                "throng: a page of \"{path}\", which memory is mapped from, cannot be read: the medium failed, or the \
                 file was cut short from outside. Nothing acknowledged is lost. What helps is told by: throng verify \
                 --data \"{dir}\"\n"
            );
            let damage = crate::storage::error::StorageErrorKind::CorruptSnapshot;
            watch.map.upgrade().inspect(|map| map.explain_loss(told, damage.exit_code()));
        }
    }
}
