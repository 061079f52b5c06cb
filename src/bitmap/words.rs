//! One chunk as words: a bit per contact.

use crate::bitmap::CHUNK_WORDS;

/// The bits of one chunk; bit `i % 64` of word `i / 64` is contact `i` of the chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Words(pub [u64; CHUNK_WORDS]);

impl Words {
    /// No bit set.
    pub fn zero() -> Words {
        unimplemented!()
    }
    /// Every bit set.
    pub fn full() -> Words {
        unimplemented!()
    }
    /// No bit set, on the heap.
    pub fn boxed() -> Box<Words> {
        unimplemented!()
    }
    /// Whether bit `at` is set.
    pub fn get(&self, _at: u16) -> bool {
        unimplemented!()
    }
    /// Sets bit `at`; returns whether it was clear.
    pub fn set(&mut self, _at: u16) -> bool {
        unimplemented!()
    }
    /// Clears bit `at`; returns whether it was set.
    pub fn clear(&mut self, _at: u16) -> bool {
        unimplemented!()
    }
    /// How many bits are set.
    pub fn count(&self) -> u32 {
        unimplemented!()
    }
    /// Whether no bit is set.
    pub fn is_zero(&self) -> bool {
        unimplemented!()
    }
    /// Sets every bit, or clears every bit.
    pub fn fill(&mut self, _on: bool) {
        unimplemented!()
    }
    /// Copies `other` over all bits.
    pub fn copy_from(&mut self, _other: &Words) {
        unimplemented!()
    }
    /// Sets the bits `from..to` (`to` up to 65,536).
    pub fn or_range(&mut self, _from: u32, _to: u32) {
        unimplemented!()
    }
    /// Clears the bits `from..to` (`to` up to 65,536).
    pub fn clear_range(&mut self, _from: u32, _to: u32) {
        unimplemented!()
    }
    /// Keeps the bits that `other` has too.
    pub fn and(&mut self, _other: &Words) {
        unimplemented!()
    }
    /// Adds the bits of `other`.
    pub fn or(&mut self, _other: &Words) {
        unimplemented!()
    }
    /// Drops the bits of `other`.
    pub fn and_not(&mut self, _other: &Words) {
        unimplemented!()
    }
    /// Flips the bits of `other`.
    pub fn xor(&mut self, _other: &Words) {
        unimplemented!()
    }
    /// Flips every bit.
    pub fn not(&mut self) {
        unimplemented!()
    }
    /// Calls `f` with every set bit, ascending.
    pub fn for_each(&self, _f: impl FnMut(u16)) {
        unimplemented!()
    }
    /// The set bits, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        std::iter::empty()
    }
}
