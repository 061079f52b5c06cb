//! A set of contact ids. Cloning is a pointer; a write to a shared one copies its directory and the chunk it touches.

use crate::bitmap::chunk::Chunk;
use crate::codec::{
    cursor::Cursor,
    damage::Damage,
    section::{SectionSink, SinkError},
};

/// A set of contact ids, ordered.
#[derive(Clone, Debug, Default)]
pub struct Posting(());

impl PartialEq for Posting {
    fn eq(&self, _other: &Posting) -> bool {
        unimplemented!()
    }
}
impl Eq for Posting {}
impl FromIterator<u32> for Posting {
    fn from_iter<I: IntoIterator<Item = u32>>(_ids: I) -> Posting {
        unimplemented!()
    }
}

impl Posting {
    /// The empty set; allocates nothing.
    pub fn new() -> Posting {
        unimplemented!()
    }
    /// The ids below `n`.
    pub fn range(_n: u32) -> Posting {
        unimplemented!()
    }
    /// How many ids; known, not counted.
    pub fn len(&self) -> u64 {
        unimplemented!()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    /// Whether `id` is in.
    pub fn contains(&self, _id: u32) -> bool {
        unimplemented!()
    }
    /// Puts `id` in; returns whether it was not.
    pub fn insert(&mut self, _id: u32) -> bool {
        unimplemented!()
    }
    /// Takes `id` out; returns whether it was in.
    pub fn remove(&mut self, _id: u32) -> bool {
        unimplemented!()
    }
    /// Chunk `at`; empty past the end.
    pub fn chunk(&self, _at: usize) -> &Chunk {
        unimplemented!()
    }
    /// One more than the number of the last chunk that is not empty.
    pub fn chunk_count(&self) -> usize {
        unimplemented!()
    }
    /// The chunks that are not empty, with their numbers, ascending.
    pub fn chunks(&self) -> impl Iterator<Item = (usize, &Chunk)> + '_ {
        std::iter::empty()
    }
    /// Replaces chunk `at`.
    pub fn set_chunk(&mut self, _at: usize, _chunk: Chunk) {
        unimplemented!()
    }
    /// The ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::empty()
    }
    /// The ids from `from` on, ascending.
    pub fn iter_from(&self, _from: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::empty()
    }
    /// The smallest id.
    pub fn min(&self) -> Option<u32> {
        unimplemented!()
    }
    /// The largest id.
    pub fn max(&self) -> Option<u32> {
        unimplemented!()
    }
    /// How many ids are smaller than `id`.
    pub fn rank(&self, _id: u32) -> u64 {
        unimplemented!()
    }
    /// The `n`-th id, from 0.
    pub fn select(&self, _n: u64) -> Option<u32> {
        unimplemented!()
    }
    /// Ids in both.
    pub fn and(&self, _other: &Posting) -> Posting {
        unimplemented!()
    }
    /// Ids in either.
    pub fn or(&self, _other: &Posting) -> Posting {
        unimplemented!()
    }
    /// Ids of this one that `other` does not have.
    pub fn and_not(&self, _other: &Posting) -> Posting {
        unimplemented!()
    }
    /// Ids in exactly one.
    pub fn xor(&self, _other: &Posting) -> Posting {
        unimplemented!()
    }
    /// How many ids are in both.
    pub fn and_len(&self, _other: &Posting) -> u64 {
        unimplemented!()
    }
    /// Whether the two are the same object in memory (a cheap, sufficient test of equality).
    pub fn is_same(&self, _other: &Posting) -> bool {
        unimplemented!()
    }
    /// Heap bytes; mapped payloads count as none.
    pub fn memory_bytes(&self) -> usize {
        unimplemented!()
    }
    /// Appends the set to the open section of `out`.
    pub fn encode(&self, _out: &mut dyn SectionSink) -> Result<(), SinkError> {
        unimplemented!()
    }
    /// Reads a set in place. The cursor must count from the start of the section, whose bytes are 64-byte aligned.
    pub fn decode(_from: &mut Cursor) -> Result<Posting, Damage> {
        unimplemented!()
    }
}
