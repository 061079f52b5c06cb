//! A column in a snapshot: bounds and codes as they are in memory, then who has a value.
//!
//! At a multiple of 16: the number of blocks (u32), zero (u32, u64), then for each block its number (u32), rows with a
//! value (u32), changes since the bounds were exact (u32), zero (u32) and its bounds (two i128); then the packed values of
//! each block, then the posting of who has one.

use std::sync::Arc;

use crate::bitmap::{CHUNK, posting::Posting};
use crate::codec::{
    cursor::{Cursor, Writer},
    damage::Damage,
    section::{SectionSink, SinkError},
};
use crate::index::{
    column::{BLOCK_ROWS, BLOCKS, Block, Column, Node, held_in, last_in},
    packed::Packed,
};

/// What is written of a block besides its values.
struct Head {
    number: usize,
    held: u32,
    stale: u32,
    min: i128,
    max: i128,
}

impl Column {
    /// Appends to the open section of `out`.
    pub fn encode(&self, out: &mut dyn SectionSink) -> Result<(), SinkError> {
        let slots = || self.nodes.iter().flatten().flat_map(|node| &node.blocks).flatten();
        let mut head = Writer::new();
        head.u32(slots().count() as u32);
        head.bytes(&[0; 12]);
        for (chunk, node) in self.nodes.iter().enumerate() {
            let blocks = node.iter().flat_map(|node| node.blocks.iter().enumerate());
            for (at, block) in blocks.filter_map(|(at, block)| Some((at, block.as_ref()?))) {
                head.u32((chunk * BLOCKS + at) as u32);
                head.u32(block.held);
                head.u32(block.stale);
                head.u32(0);
                head.i128(block.min);
                head.i128(block.max);
            }
        }
        out.align(16)?;
        out.put(head.as_slice())?;
        for block in slots() {
            block.packed.encode(out)?;
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
            let (number, held, stale, zero) = (from.u32()? as usize, from.u32()?, from.u32()?, from.u32()?);
            let head = Head { number, held, stale, min: from.i128()?, max: from.i128()? };
            let ascends = heads.last().is_none_or(|last| last.number < number) && number < CHUNK * BLOCKS;
            if !ascends || zero != 0 || head.min > head.max || stale as usize >= BLOCK_ROWS || held == 0 {
                return Err(from.damage("blocks in order with bounds", number));
            }
            heads.push(head);
        }
        let packed = heads.iter().map(|_| Packed::decode(from)).collect::<Result<Vec<_>, _>>()?;
        let present = Posting::decode(from)?;
        if heads.iter().map(|head| u64::from(head.held)).sum::<u64>() != present.len() {
            return Err(from.damage("a value for everyone who has one", "more or fewer"));
        }
        let mut nodes: Vec<Option<Node>> = Vec::new();
        for (head, packed) in heads.into_iter().zip(packed) {
            let (chunk, at) = (head.number / BLOCKS, head.number % BLOCKS);
            let rows = present.chunk(chunk);
            let reach = packed.len() == BLOCK_ROWS || last_in(rows, at).is_none_or(|last| last < packed.len());
            if packed.len() > BLOCK_ROWS || held_in(rows, at) != head.held || !reach {
                return Err(from.damage("a value for every row that has one", format!("block {}", head.number)));
            }
            if nodes.len() <= chunk {
                nodes.resize_with(chunk + 1, || None);
            }
            let Head { held, stale, min, max, .. } = head;
            let block = Block { packed: Arc::new(packed), min, max, held, stale };
            nodes[chunk].get_or_insert_default().blocks[at] = Some(block);
        }
        let nodes = nodes.into_iter().map(|node| node.map(Arc::new)).collect();
        Ok(Column { present, nodes: Arc::new(nodes) })
    }
}
