//! The container of one chunk: nothing, everything, a short sorted list, or words; owned, or a view into a mapped file.

use crate::bitmap::words::Words;

/// The most values a sorted list holds before it turns into words.
pub const ARRAY_MAX: usize = 4_096;
/// Words turn back into a list when they hold no more than this.
pub const DEMOTE_AT: usize = ARRAY_MAX / 2;

/// The contacts of one chunk. Cloning shares; a write to what is shared copies it first.
#[derive(Clone, Debug)]
pub struct Chunk(());

/// What a chunk is made of, to be read without a copy.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// No contact.
    Empty,
    /// All 65,536.
    Full,
    /// These, ascending; at least one.
    Array(&'a [u16]),
    /// The set bits; neither none nor all.
    Words(&'a Words),
}

impl Chunk {
    /// No contact.
    pub const EMPTY: Chunk = Chunk(());
    /// All 65,536.
    pub const FULL: Chunk = Chunk(());
    /// The chunk of ascending, distinct values.
    pub fn from_sorted(_values: &[u16]) -> Chunk {
        unimplemented!()
    }
    /// The chunk of the set bits, in its smallest form.
    pub fn from_words(_words: &Words) -> Chunk {
        unimplemented!()
    }
    /// What it is made of.
    pub fn view(&self) -> View<'_> {
        unimplemented!()
    }
    /// How many contacts; known, not counted.
    pub fn len(&self) -> u32 {
        unimplemented!()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    /// Whether all 65,536 are in.
    pub fn is_full(&self) -> bool {
        unimplemented!()
    }
    /// Whether `at` is in.
    pub fn contains(&self, _at: u16) -> bool {
        unimplemented!()
    }
    /// Puts `at` in; returns whether it was not.
    pub fn insert(&mut self, _at: u16) -> bool {
        unimplemented!()
    }
    /// Takes `at` out; returns whether it was in.
    pub fn remove(&mut self, _at: u16) -> bool {
        unimplemented!()
    }
    /// Writes the chunk over `out`.
    pub fn load_into(&self, _out: &mut Words) {
        unimplemented!()
    }
    /// Adds the chunk to `out`.
    pub fn or_into(&self, _out: &mut Words) {
        unimplemented!()
    }
    /// Keeps of `out` what the chunk has too.
    pub fn and_into(&self, _out: &mut Words) {
        unimplemented!()
    }
    /// Drops the chunk from `out`.
    pub fn and_not_into(&self, _out: &mut Words) {
        unimplemented!()
    }
    /// Calls `f` with every contact, ascending.
    pub fn for_each(&self, _f: impl FnMut(u16)) {
        unimplemented!()
    }
    /// The contacts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        std::iter::empty()
    }
    /// Heap bytes; of a mapped view none.
    pub fn memory_bytes(&self) -> usize {
        unimplemented!()
    }
}
