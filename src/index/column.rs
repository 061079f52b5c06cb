//! One ordered value per contact: numbers, money, instants, days.

use crate::bitmap::{
    CHUNK,
    chunk::{Chunk, View},
    kernels,
    posting::Posting,
    words::Words,
};
use crate::index::{patched::Patched, trie::Trie};

/// Rows of one block.
pub const BLOCK_ROWS: usize = 4_096;
/// Blocks of one chunk.
pub(super) const BLOCKS: usize = CHUNK / BLOCK_ROWS;
/// Words of one block.
const BLOCK_WORDS: usize = BLOCK_ROWS / 64;

/// An ordered value (see `Value::ordered`) for each contact that has one. Cloning is a pointer or two.
#[derive(Clone, Debug, Default)]
pub struct Column {
    pub(super) present: Posting,
    /// By chunk.
    pub(super) nodes: Trie<Node>,
}

/// The blocks of one chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) blocks: [Option<Block>; BLOCKS],
}

/// Values of 4,096 rows, at least one of which has one, and where they lie: perhaps less far apart, never farther.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) values: Patched,
    pub(super) min: i128,
    pub(super) max: i128,
    /// Rows with a value.
    pub(super) held: u32,
    /// Values dropped or replaced since the bounds were exact.
    pub(super) stale: u32,
}

/// The block of a row and the place in it.
fn split(row: u16) -> (usize, usize) {
    (usize::from(row) / BLOCK_ROWS, usize::from(row) % BLOCK_ROWS)
}

/// The rows of a block that are in a chunk, as places in the block.
pub(super) fn places(chunk: &Chunk, block: usize) -> impl Iterator<Item = usize> + '_ {
    places_from(chunk, block, 0)
}

/// Those from a place in the block on.
pub(super) fn places_from(chunk: &Chunk, block: usize, from: usize) -> impl Iterator<Item = usize> + '_ {
    debug_assert!(from < BLOCK_ROWS, "a place in the block");
    let first = block * BLOCK_ROWS;
    let rows = chunk.iter_from((first + from) as u16).map(usize::from);
    rows.take_while(move |row| *row < first + BLOCK_ROWS).map(move |row| row - first)
}

/// How many rows of a block are in a chunk.
pub(super) fn held_in(chunk: &Chunk, block: usize) -> u32 {
    match chunk.view() {
        View::Full => BLOCK_ROWS as u32,
        View::Words(words) => kernels::count(&words.0[block * BLOCK_WORDS..][..BLOCK_WORDS]) as u32,
        View::Empty | View::Array(_) => places(chunk, block).count() as u32,
    }
}

/// Whether a place of a block is in a chunk.
pub(super) fn held(chunk: &Chunk, block: usize, place: usize) -> bool {
    chunk.contains((block * BLOCK_ROWS + place) as u16)
}

impl Column {
    /// No value.
    pub fn new() -> Column {
        Column::default()
    }

    /// Who has a value.
    pub fn present(&self) -> &Posting {
        &self.present
    }

    /// How many have a value.
    pub fn len(&self) -> u64 {
        self.present.len()
    }

    /// Whether no one has a value.
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    fn node(&self, chunk: usize) -> Option<&Node> {
        self.nodes.get(u32::try_from(chunk).ok()?)
    }

    pub(super) fn blocks(&self, chunk: usize) -> impl Iterator<Item = (usize, &Block)> + '_ {
        let blocks = self.node(chunk).map_or(&[][..], |node| &node.blocks);
        blocks.iter().enumerate().filter_map(|(at, block)| Some((at, block.as_ref()?)))
    }

    /// The value of `id`.
    pub fn get(&self, id: u32) -> Option<i128> {
        if self.present.contains(id) { self.there(id) } else { None }
    }

    /// What lies at the place of `id`; a value only if one is present.
    fn there(&self, id: u32) -> Option<i128> {
        let (block, at) = split(id as u16);
        Some(self.node((id >> 16) as usize)?.blocks[block].as_ref()?.values.get(at))
    }

    /// Sets or drops the value of `id`; returns the one before.
    pub fn set(&mut self, id: u32, value: Option<i128>) -> Option<i128> {
        let old = self.get(id);
        if old == value {
            return old;
        }
        let (chunk, (block, at)) = ((id >> 16) as usize, split(id as u16));
        match value {
            Some(_) if old.is_none() => self.present.insert(id),
            Some(_) => false,
            None => self.present.remove(id),
        };
        let slot = &mut self.nodes.get_mut(chunk as u32, Node::default).blocks[block];
        // Whoever asks for a chunk has it put together, so it is asked for where a block is packed anew alone.
        let present = &self.present;
        let held = |place| held(present.chunk(chunk), block, place);
        match value {
            Some(value) => Block::write(slot, at, value, old.is_some(), &held),
            None => Block::drop_row(slot, at, &held),
        }
        if let Some(found) = slot.as_mut().filter(|found| found.stale as usize >= BLOCK_ROWS) {
            found.tighten(places(present.chunk(chunk), block));
        }
        old
    }

    /// `out` = the contacts of `chunk` whose value is within `lo..=hi`.
    pub fn range_into(&self, chunk: usize, lo: i128, hi: i128, out: &mut Words) {
        let present = self.present.chunk(chunk);
        let Some((min, max)) = self.chunk_zone(chunk).filter(|zone| lo <= hi && lo <= zone.1 && zone.0 <= hi) else {
            return out.fill(false);
        };
        if lo <= min && max <= hi {
            return present.load_into(out);
        }
        let blocks = self.node(chunk).map_or(&[][..], |node| &node.blocks);
        for (block, words) in blocks.iter().zip(out.0.chunks_exact_mut(BLOCK_WORDS)) {
            match block {
                Some(block) if lo <= block.min && block.max <= hi => words.fill(!0),
                Some(block) if lo <= block.max && block.min <= hi => block.values.range_into(lo, hi, words),
                _ => words.fill(0),
            }
        }
        present.and_into(out);
    }

    /// Keeps of contacts of a chunk, who have a value here and in another column, those whose value here is less than the
    /// other and `more` together. All values are instants, and `more` is no more than they can be apart, and one.
    pub fn keep_less(&self, other: &Column, more: i64, chunk: usize, set: &mut Words) {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let (own, others) = (self.node(chunk), other.node(chunk));
        for (number, words) in set.0.chunks_exact_mut(BLOCK_WORDS).enumerate() {
            if words.iter().all(|word| *word == 0) {
                continue;
            }
            let blocks = own.zip(others).map(|(own, others)| (&own.blocks[number], &others.blocks[number]));
            let Some((Some(own), Some(other))) = blocks else {
                words.fill(0);
                continue;
            };
            own.values.read_into(BLOCK_ROWS, &mut here);
            other.values.read_into(BLOCK_ROWS, &mut there);
            for (word, (here, there)) in words.iter_mut().zip(here.chunks(64).zip(there.chunks(64))) {
                let less = here.iter().zip(there).enumerate();
                *word &=
                    less.fold(0, |bits, (at, (here, there))| bits | u64::from(*here < there.wrapping_add(more)) << at);
            }
        }
    }

    /// Bounds of the values of a chunk, perhaps too wide, never too narrow; none when it has no value.
    pub fn chunk_zone(&self, chunk: usize) -> Option<(i128, i128)> {
        let zones = self.blocks(chunk).map(|(_, block)| (block.min, block.max));
        zones.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Bounds of all values, perhaps too wide, never too narrow; none when there is no value.
    pub fn zone(&self) -> Option<(i128, i128)> {
        let zones = (0..self.nodes.end()).filter_map(|chunk| self.chunk_zone(chunk));
        zones.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// The smallest value.
    pub fn min(&self) -> Option<i128> {
        self.extreme(|block| block.min, |a, b| a < b)
    }

    /// The largest value.
    pub fn max(&self) -> Option<i128> {
        self.extreme(|block| block.max, |a, b| a > b)
    }

    /// The value farthest out: the blocks that promise most are looked at first, until none promises more.
    fn extreme(&self, promise: fn(&Block) -> i128, farther: fn(&i128, &i128) -> bool) -> Option<i128> {
        let all = (0..self.nodes.end()).flat_map(|chunk| self.blocks(chunk).map(move |found| (chunk, found)));
        let mut left: Vec<(usize, usize, &Block)> = all.map(|(chunk, (at, block))| (chunk, at, block)).collect();
        left.sort_by(|a, b| {
            let (a, b) = (promise(a.2), promise(b.2));
            farther(&b, &a).cmp(&farther(&a, &b))
        });
        let mut best = None;
        for (chunk, at, block) in left {
            if best.is_some_and(|best| !farther(&promise(block), &best)) {
                break;
            }
            let values = places(self.present.chunk(chunk), at).map(|place| block.values.get(place));
            best = best.into_iter().chain(values).reduce(|a, b| if farther(&b, &a) { b } else { a });
        }
        best
    }

    /// One more than the number of the last chunk with a value.
    pub fn chunk_count(&self) -> usize {
        self.present.chunk_count()
    }

    /// The values of a chunk by row, ascending by row.
    pub fn iter_chunk(&self, chunk: usize) -> impl Iterator<Item = (u16, i128)> + '_ {
        let node = self.node(chunk);
        self.present.chunk(chunk).iter().filter_map(move |row| {
            let (block, at) = split(row);
            Some((row, node?.blocks[block].as_ref()?.values.get(at)))
        })
    }

    /// The values of about `most` ids that lie evenly apart.
    pub fn sample(&self, most: usize) -> Vec<i128> {
        // An odd step does not keep time with ids that were dealt out in turns.
        let step = (self.chunk_count() * CHUNK / most.max(1)) | 1;
        (0..self.chunk_count() * CHUNK).step_by(step).filter_map(|id| self.get(id as u32)).collect()
    }

    /// All values by id, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = (u32, i128)> + '_ {
        (0..self.chunk_count()).flat_map(|chunk| {
            self.iter_chunk(chunk).map(move |(row, value)| ((chunk << 16) as u32 | u32::from(row), value))
        })
    }

    /// Heap bytes, the presence included; mapped codes count as none.
    pub fn memory_bytes(&self) -> usize {
        let nodes = self.nodes.memory_bytes() as usize;
        let all = (0..self.nodes.end()).flat_map(|chunk| self.blocks(chunk));
        let blocks: usize = all.map(|(_, block)| block.values.memory_bytes()).sum();
        self.present.memory_bytes() + nodes + blocks
    }
}

impl Block {
    /// Writes a value; `again` says that the row had one. `held` tells of places who has one, this row among them.
    fn write(slot: &mut Option<Block>, at: usize, value: i128, again: bool, held: &dyn Fn(usize) -> bool) {
        let found =
            slot.get_or_insert_with(|| Block { values: Patched::default(), min: value, max: value, held: 0, stale: 0 });
        found.values.set(at, value, held);
        found.min = found.min.min(value);
        found.max = found.max.max(value);
        found.held += u32::from(!again);
        found.stale += u32::from(again);
    }

    /// Drops the value of a row, and the block with its last.
    fn drop_row(slot: &mut Option<Block>, at: usize, held: &dyn Fn(usize) -> bool) {
        let Some(found) = slot else { return };
        found.held -= 1;
        if found.held == 0 {
            *slot = None;
            return;
        }
        found.values.forget(at, held);
        found.stale += 1;
    }

    /// Makes the bounds exact again, after as many changes as there are rows, from the places that have a value.
    fn tighten(&mut self, places: impl Iterator<Item = usize>) {
        let values = places.map(|place| self.values.get(place)).map(|value| (value, value));
        if let Some((min, max)) = values.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
            (self.min, self.max) = (min, max);
        }
        self.stale = 0;
    }
}

#[cfg(test)]
#[path = "column_tests.rs"]
mod tests;
