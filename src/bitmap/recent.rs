//! Places in which a set is no longer as its directory says, so that a write to what others hold copies no directory.
//!
//! A directory has a count of owners in every chunk, and a copy of it touches them all: at ten million contacts 153
//! lines of memory for one contact that enters. A list of some hundred ids is copied instead, and the directory once for
//! all of them. Whoever asks for chunks has the directory put together once; what is written after that begins there.

use std::sync::{Arc, OnceLock};

use crate::bitmap::directory::Directory;

/// A directory of fewer chunks is copied.
pub(super) const CHUNKS_MIN: usize = 8;
/// So many ids for each chunk may differ,
const PER_CHUNK: usize = 8;
/// and no more than these.
const MOST: usize = 2_048;

/// A set that differs from a directory in a few ids.
pub(super) struct Recent {
    base: Arc<Directory>,
    /// Those that are in the set or in its base and not in both, ascending.
    differing: Vec<u32>,
    len: u64,
    /// What it comes to, once somebody asked for it.
    whole: OnceLock<Arc<Directory>>,
}

impl Recent {
    /// No difference from a directory.
    pub(super) fn of(base: Arc<Directory>) -> Recent {
        Recent { len: base.len, base, differing: Vec::new(), whole: OnceLock::new() }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether one more may differ. Once somebody asked for the directory that it comes to, that is the one to go on with.
    pub(super) fn has_room(&self) -> bool {
        self.whole.get().is_none() && self.differing.len() < (PER_CHUNK * self.base.chunks.len()).min(MOST)
    }

    /// One that nobody else holds, in place of one that others may.
    pub(super) fn make_mut(recent: &mut Arc<Recent>) -> &mut Recent {
        if Arc::get_mut(recent).is_none() {
            let copy = if recent.has_room() {
                let mut differing = Vec::with_capacity(recent.differing.len() + 1);
                differing.extend_from_slice(&recent.differing);
                Recent { base: Arc::clone(&recent.base), differing, len: recent.len, whole: OnceLock::new() }
            } else {
                Recent::of(Arc::clone(recent.whole()))
            };
            *recent = Arc::new(copy);
        }
        Arc::get_mut(recent).expect("a copy just made has one owner")
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.base.contains(id) != self.differing.binary_search(&id).is_ok()
    }

    /// Puts in what is not in, or takes out what is; nobody asked for the directory yet.
    pub(super) fn set(&mut self, id: u32, is_in: bool) {
        debug_assert!(self.whole.get().is_none(), "a new one begins with what was asked for");
        match self.differing.binary_search(&id) {
            Ok(place) => drop(self.differing.remove(place)),
            Err(place) => self.differing.insert(place, id),
        }
        self.len = if is_in { self.len + 1 } else { self.len - 1 };
    }

    /// As `Posting::gather`.
    pub(super) fn gather(&self, ids: &[u32], out: &mut [u64]) {
        self.base.gather(ids, out);
        let mut flip = |place: usize| out[place / 64] ^= 1 << (place % 64);
        if ids.len() < self.differing.len() {
            let differs = |id: &u32| self.differing.binary_search(id).is_ok();
            ids.iter().enumerate().filter(|(_, id)| differs(id)).for_each(|(place, _)| flip(place));
        } else {
            self.differing.iter().filter_map(|id| ids.binary_search(id).ok()).for_each(flip);
        }
    }

    /// What it comes to.
    pub(super) fn whole(&self) -> &Arc<Directory> {
        self.whole.get_or_init(|| self.merged())
    }

    /// The same for one who is to write to it.
    pub(super) fn merged(&self) -> Arc<Directory> {
        if let Some(whole) = self.whole.get() {
            return Arc::clone(whole);
        }
        let mut whole = Directory::clone(&self.base);
        whole.toggle(&self.differing);
        debug_assert_eq!(whole.len, self.len, "the count is right");
        Arc::new(whole)
    }

    /// Heap bytes, those of the directory included, which others may hold too.
    pub(super) fn memory_bytes(&self) -> usize {
        let directory = self.whole.get().unwrap_or(&self.base);
        size_of::<Recent>() + size_of::<u32>() * self.differing.capacity() + directory.memory_bytes()
    }
}
