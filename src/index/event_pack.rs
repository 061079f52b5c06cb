//! Packed positions of any number: pieces of bounded length, so that far values in one do not widen the others.

use std::ops::Range;

use crate::{
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SinkError},
    },
    index::packed::Packed,
};

const PIECE_BITS: usize = 14;
const PIECE: usize = 1 << PIECE_BITS;

/// A list of positions, packed piece by piece. Never changed once made.
#[derive(Clone, Debug)]
pub struct Pieces {
    pieces: Box<[Packed]>,
    len: usize,
}

impl Pieces {
    /// These positions.
    pub fn from_values(values: &[i128]) -> Pieces {
        Pieces { pieces: values.chunks(PIECE).map(Packed::from_values).collect(), len: values.len() }
    }

    /// These positions; where there is none, anything may be read later.
    pub fn from_rows(rows: &[Option<i128>]) -> Pieces {
        Pieces { pieces: rows.chunks(PIECE).map(Packed::from_rows).collect(), len: rows.len() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Position `at`. Panics: past the end.
    pub fn get(&self, at: usize) -> i128 {
        self.pieces[at >> PIECE_BITS].get(at & (PIECE - 1))
    }

    /// `out` = all positions, which fit, in order.
    pub fn read_into(&self, out: &mut Vec<u32>) {
        out.clear();
        self.pieces.iter().for_each(|piece| piece.append_to(out));
    }

    /// Appends the positions whose bits are set, which fit, in order.
    pub fn pick_into(&self, wanted: &[u64], out: &mut Vec<i64>) {
        for (piece, words) in self.pieces.iter().zip(wanted.chunks(PIECE / 64)) {
            piece.pick_into(words, out);
        }
    }

    /// Appends the positions of a range, which fit, in order.
    pub fn read_range(&self, range: Range<usize>, out: &mut Vec<i64>) {
        let mut from = range.start;
        while from < range.end {
            let start = from & !(PIECE - 1);
            let end = range.end.min(start + PIECE);
            self.pieces[from >> PIECE_BITS].read_range(from - start..end - start, out);
            from = end;
        }
    }

    /// Sets the bits of the positions within `lo..=hi` in `out`, which becomes as long as it must be.
    pub fn range_into(&self, lo: i128, hi: i128, out: &mut Vec<u64>) {
        out.clear();
        out.resize(self.len.div_ceil(64), 0);
        for (piece, words) in self.pieces.iter().zip(out.chunks_mut(PIECE / 64)) {
            piece.range_into(lo, hi, words);
        }
    }

    /// Heap bytes; mapped codes count as none.
    pub fn memory_bytes(&self) -> usize {
        let own = self.pieces.len() * size_of::<Packed>();
        own + self.pieces.iter().map(Packed::memory_bytes).sum::<usize>()
    }

    /// Appends to the open section of `out`.
    pub fn encode(&self, out: &mut dyn SectionSink) -> Result<(), SinkError> {
        out.put(&(self.len as u64).to_le_bytes())?;
        self.pieces.iter().try_for_each(|piece| piece.encode(out))
    }

    /// Reads in place what [`Pieces::encode`] wrote; at most `limit` positions.
    pub fn decode(from: &mut Cursor, limit: usize) -> Result<Pieces, Damage> {
        let len = from.u64()?;
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= limit) else {
            return Err(from.damage(format!("at most {limit} positions"), len));
        };
        let mut pieces = Vec::new();
        for start in (0..len).step_by(PIECE) {
            let piece = Packed::decode(from)?;
            if piece.len() != (len - start).min(PIECE) {
                return Err(from.damage(format!("a piece of {}", (len - start).min(PIECE)), piece.len()));
            }
            pieces.push(piece);
        }
        Ok(Pieces { pieces: pieces.into(), len })
    }
}
