//! The chunks of a set by their numbers.

use crate::bitmap::chunk::Chunk;

/// The chunks that are not empty, by number, ascending. A set that has them all finds them without a search.
#[derive(Clone, Default)]
pub(super) struct Directory {
    pub(super) keys: Vec<u16>,
    pub(super) chunks: Vec<Chunk>,
    pub(super) len: u64,
}

pub(super) static EMPTY: Chunk = Chunk::EMPTY;

impl Directory {
    /// The place of chunk `key`, or where it would have to be.
    pub(super) fn place(&self, key: u16) -> Result<usize, usize> {
        // Distinct ascending keys: the key at a place is never smaller than the place.
        match self.keys.get(usize::from(key)) {
            Some(&there) if there == key => Ok(usize::from(key)),
            _ => match self.keys.last() {
                Some(&last) if last < key => Err(self.keys.len()),
                Some(&last) if last == key => Ok(self.keys.len() - 1),
                _ => self.keys[..self.keys.len().min(usize::from(key))].binary_search(&key),
            },
        }
    }

    pub(super) fn push(&mut self, key: u16, chunk: Chunk) {
        if !chunk.is_empty() {
            self.len += u64::from(chunk.len());
            self.keys.push(key);
            self.chunks.push(chunk);
        }
    }

    pub(super) fn chunk(&self, key: u16) -> &Chunk {
        self.place(key).map_or(&EMPTY, |place| &self.chunks[place])
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        let (key, at) = split(id);
        self.chunk(key).contains(at)
    }

    /// As `Posting::gather`.
    pub(super) fn gather(&self, ids: &[u32], out: &mut [u64]) {
        let mut place = 0;
        for run in ids.chunk_by(|a, b| a >> 16 == b >> 16) {
            self.chunk(split(run[0]).0).gather(run, place, out);
            place += run.len();
        }
    }

    pub(super) fn insert(&mut self, id: u32) -> bool {
        let (key, at) = split(id);
        let new = match self.place(key) {
            Ok(place) => self.chunks[place].insert(at),
            Err(place) => {
                self.keys.insert(place, key);
                self.chunks.insert(place, Chunk::from_sorted(&[at]));
                true
            }
        };
        self.len += u64::from(new);
        new
    }

    pub(super) fn remove(&mut self, id: u32) -> bool {
        let (key, at) = split(id);
        let Ok(place) = self.place(key) else { return false };
        let was = self.chunks[place].remove(at);
        self.len -= u64::from(was);
        if self.chunks[place].is_empty() {
            self.keys.remove(place);
            self.chunks.remove(place);
        }
        was
    }

    /// Puts in those ids that are not in, and takes out the others.
    pub(super) fn toggle(&mut self, ids: &[u32]) {
        for id in ids {
            let _ = self.insert(*id) || self.remove(*id);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let slots = 2 * self.keys.capacity() + size_of::<Chunk>() * self.chunks.capacity();
        let payloads: usize = self.chunks.iter().map(Chunk::memory_bytes).sum();
        2 * size_of::<usize>() + size_of::<Directory>() + slots + payloads
    }
}

pub(super) fn split(id: u32) -> (u16, u16) {
    ((id >> 16) as u16, id as u16)
}

pub(super) fn join(key: u16, at: u16) -> u32 {
    u32::from(key) << 16 | u32::from(at)
}
