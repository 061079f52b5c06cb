//! One ordered value per contact: numbers, money, instants, days.

use crate::bitmap::{posting::Posting, words::Words};
use crate::codec::{
    cursor::Cursor,
    damage::Damage,
    section::{SectionSink, SinkError},
};

/// Rows of one block.
pub const BLOCK_ROWS: usize = 4_096;

/// An ordered value (see `Value::ordered`) for each contact that has one. Cloning is a pointer.
#[derive(Clone, Debug, Default)]
pub struct Column(Posting);

impl Column {
    /// No value.
    pub fn new() -> Column {
        unimplemented!()
    }
    /// Who has a value.
    pub fn present(&self) -> &Posting {
        &self.0
    }
    /// The value of `id`.
    pub fn get(&self, _id: u32) -> Option<i128> {
        unimplemented!()
    }
    /// Sets or drops the value of `id`; returns the one before.
    pub fn set(&mut self, _id: u32, _value: Option<i128>) -> Option<i128> {
        unimplemented!()
    }
    /// `out` = the contacts of `chunk` whose value is within `lo..=hi`.
    pub fn range_into(&self, _chunk: usize, _lo: i128, _hi: i128, _out: &mut Words) {
        unimplemented!()
    }
    /// Bounds of the values of a chunk, perhaps too wide, never too narrow; none when it has no value.
    pub fn chunk_zone(&self, _chunk: usize) -> Option<(i128, i128)> {
        unimplemented!()
    }
    /// The smallest value.
    pub fn min(&self) -> Option<i128> {
        unimplemented!()
    }
    /// The largest value.
    pub fn max(&self) -> Option<i128> {
        unimplemented!()
    }
    /// One more than the number of the last chunk with a value.
    pub fn chunk_count(&self) -> usize {
        unimplemented!()
    }
    /// The values of a chunk by row, ascending by row.
    pub fn iter_chunk(&self, _chunk: usize) -> impl Iterator<Item = (u16, i128)> + '_ {
        std::iter::empty()
    }
    /// Heap bytes, the presence included; mapped codes count as none.
    pub fn memory_bytes(&self) -> usize {
        unimplemented!()
    }
    /// Appends to the open section of `out`.
    pub fn encode(&self, _out: &mut dyn SectionSink) -> Result<(), SinkError> {
        unimplemented!()
    }
    /// Reads in place. The cursor must count from the start of the section, whose bytes are 64-byte aligned.
    pub fn decode(_from: &mut Cursor) -> Result<Column, Damage> {
        unimplemented!()
    }
}
