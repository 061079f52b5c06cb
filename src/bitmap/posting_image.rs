//! A posting in a snapshot: written in one form whatever its history, read where it lies.
//!
//! At a multiple of 8: the number of chunks (u32), zero (u32), then for each chunk its key (u16) and its contacts less
//! one (u16). The form follows from the contacts: all 65,536 have no payload, more than [`ARRAY_MAX`] are words, fewer a
//! list. The words follow at a multiple of 64, in order of key, then the lists, then zeros up to a multiple of 8.

use std::sync::Arc;

use bytes::Bytes;

use crate::bitmap::{
    CHUNK, CHUNK_WORDS,
    chunk::{ARRAY_MAX, Chunk, View},
    kernels,
    posting::Posting,
    words::Words,
};
use crate::codec::{
    aligned::{ALIGNMENT, aligned_copy},
    cursor::{Cursor, Writer},
    damage::Damage,
    section::{SectionSink, SinkError},
};

fn is_list(len: usize) -> bool {
    len <= ARRAY_MAX
}

fn is_words(len: usize) -> bool {
    !is_list(len) && len < CHUNK
}

impl Posting {
    /// Appends the set to the open section of `out`.
    pub fn encode(&self, out: &mut dyn SectionSink) -> Result<(), SinkError> {
        let mut head = Writer::new();
        head.u32(self.chunks().count() as u32);
        head.u32(0);
        for (key, chunk) in self.chunks() {
            head.u16(key as u16);
            head.u16((chunk.len() - 1) as u16);
        }
        out.align(8)?;
        out.put(head.as_slice())?;
        let dense = || self.chunks().filter(|(_, chunk)| is_words(chunk.len() as usize));
        if dense().next().is_some() {
            out.align(ALIGNMENT)?;
        }
        for (_, chunk) in dense() {
            if let View::Words(words) = chunk.view() {
                out.put(bytemuck::cast_slice(&words.0))?;
            }
        }
        for (_, chunk) in self.chunks().filter(|(_, chunk)| is_list(chunk.len() as usize)) {
            match chunk.view() {
                View::Array(values) => out.put(bytemuck::cast_slice(values))?,
                _ => out.put(bytemuck::cast_slice(&chunk.iter().collect::<Vec<u16>>()))?,
            }
        }
        out.align(8)
    }

    /// Reads a set in place and checks all of it. The cursor must count from the start of the section, whose bytes are
    /// 64-byte aligned; elsewhere the payload is copied.
    pub fn decode(from: &mut Cursor) -> Result<Posting, Damage> {
        from.align(8)?;
        let count = from.u32()? as usize;
        if count > CHUNK || from.u32()? != 0 {
            return Err(from.damage("at most 65,536 chunks, then zero", count));
        }
        let slots: Vec<(u16, usize)> = from
            .take_array(count, 4)?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&[k, y, l, n]| (u16::from_le_bytes([k, y]), usize::from(u16::from_le_bytes([l, n])) + 1))
            .collect();
        if !slots.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(from.damage("ascending chunk keys", "others"));
        }
        let words = slots.iter().filter(|(_, len)| is_words(*len)).count() * size_of::<Words>();
        let lists: usize = slots.iter().map(|&(_, len)| if is_list(len) { 2 * len } else { 0 }).sum();
        if words > 0 {
            from.align(ALIGNMENT)?;
        }
        let payload = from.take(words + lists)?;
        let aligned = payload.as_ptr().addr() % if words > 0 { ALIGNMENT } else { 2 } == 0;
        let payload = Arc::new(if aligned { payload } else { aligned_copy(&payload) });
        let chunks = read_chunks(&slots, &payload, words)
            .map_err(|(wanted, key)| from.damage(wanted, format!("other payload of chunk {key}, which ends before")))?;
        from.align(8)?;
        Ok(Posting::from_chunks(chunks))
    }
}

/// The chunks of a checked payload, or what was wanted of which chunk.
fn read_chunks(
    slots: &[(u16, usize)],
    payload: &Arc<Bytes>,
    words: usize,
) -> Result<Vec<(usize, Chunk)>, (&'static str, u16)> {
    let (mut next_words, mut next_list) = (0, words);
    let mut chunks = Vec::with_capacity(slots.len());
    for &(key, len) in slots {
        let chunk = if len == CHUNK {
            Chunk::FULL
        } else if is_words(len) {
            let at = next_words;
            next_words += size_of::<Words>();
            let words: &[u64] = bytemuck::cast_slice(&payload[at..next_words]);
            debug_assert_eq!(words.len(), CHUNK_WORDS);
            if kernels::count(words) != len as u64 {
                return Err(("as many set bits as the directory says", key));
            }
            Chunk::mapped_words(payload, (at / 2) as u32, len as u16)
        } else {
            let at = next_list;
            next_list += 2 * len;
            let values: &[u16] = bytemuck::cast_slice(&payload[at..next_list]);
            if !values.is_sorted_by(|a, b| a < b) {
                return Err(("ascending values", key));
            }
            Chunk::mapped_array(payload, (at / 2) as u32, len as u16)
        };
        chunks.push((usize::from(key), chunk));
    }
    Ok(chunks)
}
