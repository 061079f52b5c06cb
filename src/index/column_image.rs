//! A column in a snapshot: bounds and codes as they are in memory, then who has a value.
//!
//! At a multiple of 16: the number of blocks (u32), zero (u32, u64), then for each block its number (u32), rows with a
//! value (u32), changes since the bounds were exact (u32), rows written since the others were packed (u32) and its bounds
//! (two i128); then of each block its packed values and, at a multiple of 16, the values of the rows written since (i128)
//! and their places (u16), ascending; then the posting of who has a value.

use crate::bitmap::{CHUNK, chunk::Chunk, posting::Posting};
use crate::codec::{
    cursor::{Cursor, Writer},
    damage::Damage,
    section::{SectionSink, SinkError},
};
use crate::index::{
    column::{BLOCK_ROWS, BLOCKS, Block, Column, Node, held, held_in, places_from},
    packed::Packed,
    patched::{Patched, ROWS_MAX},
    trie::Trie,
};

/// What is written of a block besides its values.
struct Head {
    number: usize,
    held: u32,
    stale: u32,
    rows: usize,
    min: i128,
    max: i128,
}

impl Column {
    /// Appends to the open section of `out`.
    pub fn encode(&self, out: &mut dyn SectionSink) -> Result<(), SinkError> {
        let slots = || {
            let chunks = (0..self.nodes.end()).flat_map(|chunk| self.blocks(chunk).map(move |found| (chunk, found)));
            chunks.map(|(chunk, (at, block))| (chunk * BLOCKS + at, block))
        };
        let mut head = Writer::new();
        head.u32(slots().count() as u32);
        head.bytes(&[0; 12]);
        for (number, block) in slots() {
            head.u32(number as u32);
            head.u32(block.held);
            head.u32(block.stale);
            head.u32(block.values.rows().count() as u32);
            head.i128(block.min);
            head.i128(block.max);
        }
        out.align(16)?;
        out.put(head.as_slice())?;
        for (_, block) in slots() {
            block.values.packed().encode(out)?;
            let (mut values, mut places) = (Writer::new(), Writer::new());
            for (at, value) in block.values.rows() {
                values.i128(value);
                places.u16(at as u16);
            }
            out.align(16)?;
            out.put(values.as_slice())?;
            out.put(places.as_slice())?;
        }
        self.present.encode(out)
    }

    /// Reads in place. The cursor must count from the start of the section, whose bytes are 64-byte aligned.
    pub fn decode(from: &mut Cursor) -> Result<Column, Damage> {
        from.align(16)?;
        let count = from.u32()? as usize;
        if from.take(12)?[..] != [0; 12] || count > CHUNK * BLOCKS {
            return Err(from.damage("a number of blocks, then zeros", count));
        }
        let mut heads: Vec<Head> = Vec::with_capacity(count.min(from.remaining() / 48));
        for _ in 0..count {
            let (number, held, stale, rows) = (from.u32()? as usize, from.u32()?, from.u32()?, from.u32()? as usize);
            let head = Head { number, held, stale, rows, min: from.i128()?, max: from.i128()? };
            let ascends = heads.last().is_none_or(|last| last.number < number) && number < CHUNK * BLOCKS;
            if !ascends || rows > ROWS_MAX || head.min > head.max || stale as usize >= BLOCK_ROWS || held == 0 {
                return Err(from.damage("blocks in order with bounds", number));
            }
            heads.push(head);
        }
        let values = heads.iter().map(|head| read_values(from, head)).collect::<Result<Vec<_>, _>>()?;
        let present = Posting::decode(from)?;
        if heads.iter().map(|head| u64::from(head.held)).sum::<u64>() != present.len() {
            return Err(from.damage("a value for everyone who has one", "more or fewer"));
        }
        let mut nodes = Trie::default();
        for (head, values) in heads.into_iter().zip(values) {
            let (chunk, at) = (head.number / BLOCKS, head.number % BLOCKS);
            let rows = present.chunk(chunk);
            if held_in(rows, at) != head.held || !reaches(&values, rows, at) {
                return Err(from.damage("a value for every row that has one", format!("block {}", head.number)));
            }
            let Head { held, stale, min, max, .. } = head;
            let block = Block { values, min, max, held, stale };
            nodes.get_mut(chunk as u32, Node::default).blocks[at] = Some(block);
        }
        Ok(Column { present, nodes })
    }
}

fn read_values(from: &mut Cursor, head: &Head) -> Result<Patched, Damage> {
    let packed = Packed::decode(from)?;
    from.align(16)?;
    let values = (0..head.rows).map(|_| from.i128()).collect::<Result<Vec<i128>, _>>()?;
    let places = (0..head.rows).map(|_| Ok(usize::from(from.u16()?))).collect::<Result<Vec<usize>, Damage>>()?;
    if packed.len() > BLOCK_ROWS
        || !places.is_sorted_by(|a, b| a < b)
        || places.last().is_some_and(|at| *at >= BLOCK_ROWS)
    {
        return Err(from.damage("places of a block, ascending", format!("block {}", head.number)));
    }
    Ok(Patched::new(packed, &places.into_iter().zip(values).collect::<Vec<_>>()))
}

/// Whether there is a value for every row of a block that has one.
fn reaches(values: &Patched, rows: &Chunk, block: usize) -> bool {
    let packed = values.packed().len();
    packed == BLOCK_ROWS
        || places_from(rows, block, packed)
            .eq(values.rows().map(|(at, _)| at).filter(|at| *at >= packed && held(rows, block, *at)))
}
