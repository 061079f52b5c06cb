//! A payload and a few places in which it is no longer right, so that a write to what others hold copies no payload.
//!
//! A live set is written to in one place of many chunks, again and again, while readers hold how it was. A copy of
//! 8 KiB for one bit is most of such a write; a patch is a hundred bytes, and the payload is copied once for dozens of
//! bits. Whoever reads the words of a patched chunk has them put together once.

use std::sync::OnceLock;

use crate::bitmap::{
    CHUNK,
    chunk::{ARRAY_MAX, Chunk, DEMOTE_AT, View},
};

/// The most places of a patch.
pub(super) const PLACES_MAX: usize = 48;

/// A chunk that differs from a base in a few places.
pub(super) struct Patch {
    /// A list or words, never a patch.
    base: Chunk,
    len: u8,
    /// Ascending; the first `len` count.
    places: [u16; PLACES_MAX],
    /// What it comes to, once somebody asked for it.
    whole: OnceLock<Chunk>,
}

impl Clone for Patch {
    /// As it is to be written to, without what it comes to now.
    fn clone(&self) -> Patch {
        Patch { base: self.base.clone(), len: self.len, places: self.places, whole: OnceLock::new() }
    }
}

impl Patch {
    /// No difference from a list or words.
    pub(super) fn of(base: Chunk) -> Patch {
        Patch { base, len: 0, places: [0; PLACES_MAX], whole: OnceLock::new() }
    }

    fn places(&self) -> &[u16] {
        &self.places[..usize::from(self.len)]
    }

    /// Whether it has room for a difference at a place.
    pub(super) fn takes(&self, at: u16) -> bool {
        self.places().len() < PLACES_MAX || self.places().binary_search(&at).is_ok()
    }

    /// Puts `at` in, or takes it out if it is in; there is room for it.
    pub(super) fn toggle(&mut self, at: u16) {
        self.whole = OnceLock::new();
        let len = usize::from(self.len);
        match self.places().binary_search(&at) {
            Ok(place) => {
                self.places.copy_within(place + 1..len, place);
                self.len -= 1;
            }
            Err(place) => {
                self.places.copy_within(place..len, place + 1);
                self.places[place] = at;
                self.len += 1;
            }
        }
    }

    /// Whether `at` is in.
    pub(super) fn contains(&self, at: u16) -> bool {
        self.base.contains(at) != self.places().binary_search(&at).is_ok()
    }

    /// As `Chunk::gather`.
    pub(super) fn gather(&self, ids: &[u32], place: usize, out: &mut [u64]) {
        self.base.gather(ids, place, out);
        for (at, id) in (place..).zip(ids) {
            let is_other = self.places().binary_search(&(*id as u16)).is_ok();
            out[at / 64] ^= u64::from(is_other) << (at % 64);
        }
    }

    /// Whether with so many values it has the form of its base.
    pub(super) fn keeps_its_form(&self, len: u32) -> bool {
        match self.base.view() {
            View::Array(_) => len as usize <= ARRAY_MAX,
            View::Words(_) => len as usize > DEMOTE_AT && (len as usize) < CHUNK,
            View::Empty | View::Full => false,
        }
    }

    /// What it comes to.
    pub(super) fn whole(&self) -> &Chunk {
        self.whole.get_or_init(|| self.merged())
    }

    /// The same without a patch, in memory that nobody else holds.
    pub(super) fn merged(&self) -> Chunk {
        self.base.toggled(self.places())
    }

    /// Heap bytes, those of the base included, which others may hold too.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Patch>() + self.base.memory_bytes() + self.whole.get().map_or(0, Chunk::memory_bytes)
    }
}
