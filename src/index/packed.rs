//! Many positions in few bits: base + step × code, with codes of 1, 2, 4 or 8 bytes, or whole when that cannot be.

use crate::codec::{
    cursor::Cursor,
    damage::Damage,
    section::{SectionSink, SinkError},
};

/// The most positions of one `Packed`.
pub const PACKED_MAX: usize = 65_536;

/// A list of i128 positions. Which of them mean something is the caller's to know.
#[derive(Clone, Debug, Default)]
pub struct Packed(());

impl Packed {
    /// No position.
    pub fn new() -> Packed {
        unimplemented!()
    }
    /// These positions, packed tightly.
    pub fn from_values(_values: &[i128]) -> Packed {
        unimplemented!()
    }
    /// These positions, packed tightly; where there is none, anything may be read later.
    pub fn from_rows(_rows: &[Option<i128>]) -> Packed {
        unimplemented!()
    }
    /// How many positions.
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    /// Position `at`. Panics: past the end.
    pub fn get(&self, _at: usize) -> i128 {
        unimplemented!()
    }
    /// Replaces or adds position `at` (grows to `at + 1`). `held` says of every other place whether it means something; the rest may change.
    pub fn set(&mut self, _at: usize, _value: i128, _held: &dyn Fn(usize) -> bool) {
        unimplemented!()
    }
    /// Forgets what place `at` held; it reads as anything afterwards.
    pub fn forget(&mut self, _at: usize) {
        unimplemented!()
    }
    /// Adds a position at the end; all before it mean something.
    pub fn push(&mut self, _value: i128) {
        unimplemented!()
    }
    /// All positions, in order.
    pub fn iter(&self) -> impl Iterator<Item = i128> + '_ {
        std::iter::empty()
    }
    /// Bit `i` of `out` = `lo <= position i <= hi`. Overwrites all of `out`; bits past the end are clear.
    pub fn range_into(&self, _lo: i128, _hi: i128, _out: &mut [u64]) {
        unimplemented!()
    }
    /// Heap bytes; mapped codes count as none.
    pub fn memory_bytes(&self) -> usize {
        unimplemented!()
    }
    /// Appends to the open section of `out`.
    pub fn encode(&self, _out: &mut dyn SectionSink) -> Result<(), SinkError> {
        unimplemented!()
    }
    /// Reads in place. The cursor must count from the start of the section.
    pub fn decode(_from: &mut Cursor) -> Result<Packed, Damage> {
        unimplemented!()
    }
}
