//! Reading a chunk: into words, one contact after the other, by rank.

use crate::bitmap::{
    CHUNK,
    chunk::{Chunk, View},
    kernels,
    words::{Bits, Words},
};

/// Ids that are searched for at the same time: a step of a search waits for memory, so that those of others fit in.
const TOGETHER: usize = 8;

impl View<'_> {
    /// As [`Chunk::gather`].
    pub(super) fn gather(self, ids: &[u32], place: usize, out: &mut [u64]) {
        let mut put = |at: usize, is_in: bool| out[at / 64] |= u64::from(is_in) << (at % 64);
        match self {
            View::Empty => {}
            View::Full => (place..).zip(ids).for_each(|(at, _)| put(at, true)),
            View::Words(words) => (place..).zip(ids).for_each(|(at, id)| put(at, words.get(*id as u16))),
            View::Array(values) => {
                for (group, ids) in ids.chunks(TOGETHER).enumerate() {
                    // The last value not after the id begins here, among so many.
                    let (mut starts, mut size) = ([0; TOGETHER], values.len());
                    while size > 1 {
                        let half = size / 2;
                        for (start, id) in starts.iter_mut().zip(ids) {
                            let middle = *start + half;
                            *start = if values[middle] <= *id as u16 { middle } else { *start };
                        }
                        size -= half;
                    }
                    for ((at, id), start) in (place + group * TOGETHER..).zip(ids).zip(starts) {
                        put(at, values[start] == *id as u16);
                    }
                }
            }
        }
    }
}

impl Chunk {
    /// Writes the chunk over `out`.
    pub fn load_into(&self, out: &mut Words) {
        match self.view() {
            View::Words(words) => out.copy_from(words),
            View::Full => out.fill(true),
            View::Empty => out.fill(false),
            View::Array(values) => {
                out.fill(false);
                out.set_all(values);
            }
        }
    }

    /// Adds the chunk to `out`.
    pub fn or_into(&self, out: &mut Words) {
        match self.view() {
            View::Empty => {}
            View::Full => out.fill(true),
            View::Array(values) => out.set_all(values),
            View::Words(words) => out.or(words),
        }
    }

    /// Keeps of `out` what the chunk has too.
    pub fn and_into(&self, out: &mut Words) {
        match self.view() {
            View::Empty => out.fill(false),
            View::Full => {}
            View::Array(values) => {
                // Between two words that hold a value, all bits go; within one, those that are not values.
                let (mut word, mut kept) = (0, 0);
                for &at in values {
                    let of = usize::from(at) / 64;
                    if of != word {
                        out.0[word] &= kept;
                        out.0[word + 1..of].fill(0);
                        (word, kept) = (of, 0);
                    }
                    kept |= 1 << (at % 64);
                }
                out.0[word] &= kept;
                out.0[word + 1..].fill(0);
            }
            View::Words(words) => out.and(words),
        }
    }

    /// Drops the chunk from `out`.
    pub fn and_not_into(&self, out: &mut Words) {
        match self.view() {
            View::Empty => {}
            View::Full => out.fill(false),
            View::Array(values) => out.clear_all(values),
            View::Words(words) => out.and_not(words),
        }
    }

    /// Calls `f` with every contact, ascending.
    pub fn for_each(&self, mut f: impl FnMut(u16)) {
        match self.view() {
            View::Empty => {}
            View::Full => (0..=u16::MAX).for_each(f),
            View::Array(values) => values.iter().for_each(|&at| f(at)),
            View::Words(words) => words.for_each(f),
        }
    }

    /// Appends every contact's id, of which `base` is the first of the chunk, ascending.
    pub fn push_ids(&self, base: u32, out: &mut Vec<u32>) {
        match self.view() {
            View::Empty => {}
            View::Full => out.extend(base..=base + u32::from(u16::MAX)),
            View::Array(values) => out.extend(values.iter().map(|&at| base + u32::from(at))),
            View::Words(words) => kernels::push_ids(&words.0, base, out),
        }
    }

    /// The contacts, ascending.
    pub fn iter(&self) -> Ids<'_> {
        self.iter_from(0)
    }

    /// The contacts from `from` on, ascending.
    pub fn iter_from(&self, from: u16) -> Ids<'_> {
        match self.view() {
            View::Empty => Ids::Array([].iter()),
            View::Full => Ids::Full(u32::from(from)..CHUNK as u32),
            View::Array(values) => Ids::Array(values[values.partition_point(|&at| at < from)..].iter()),
            View::Words(words) => Ids::Words(words.iter_from(from)),
        }
    }

    /// How many contacts come before `at`.
    pub fn rank(&self, at: u16) -> u32 {
        match self.view() {
            View::Empty => 0,
            View::Full => u32::from(at),
            View::Array(values) => values.partition_point(|&value| value < at) as u32,
            View::Words(words) => {
                let (before, bit) = (usize::from(at) / 64, at % 64);
                let whole: u32 = words.0[..before].iter().map(|word| word.count_ones()).sum();
                whole + (words.0[before] & ((1 << bit) - 1)).count_ones()
            }
        }
    }

    /// The `n`-th contact, from 0.
    pub fn select(&self, n: u32) -> Option<u16> {
        match self.view() {
            View::Empty => None,
            View::Full => u16::try_from(n).ok(),
            View::Array(values) => values.get(n as usize).copied(),
            View::Words(words) => {
                let mut left = n;
                let at = words.0.iter().position(|word| match left.checked_sub(word.count_ones()) {
                    Some(rest) => {
                        left = rest;
                        false
                    }
                    None => true,
                })?;
                let word = (0..left).fold(words.0[at], |word, _| word & (word - 1));
                Some((64 * at) as u16 + word.trailing_zeros() as u16)
            }
        }
    }
}

/// The contacts of a chunk, ascending.
#[derive(Clone, Debug)]
pub enum Ids<'a> {
    /// Of a full chunk.
    Full(std::ops::Range<u32>),
    /// Of a list.
    Array(std::slice::Iter<'a, u16>),
    /// Of words.
    Words(Bits<'a>),
}

impl Iterator for Ids<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        match self {
            Ids::Full(range) => range.next().map(|at| at as u16),
            Ids::Array(values) => values.next().copied(),
            Ids::Words(bits) => bits.next(),
        }
    }
}
