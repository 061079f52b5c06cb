//! From the hash of a text to the ids that may have it: buckets that split one at a time, over a mapped sorted table.
//!
//! Source: W. Litwin, Linear Hashing: A New Tool for File and Table Addressing, VLDB 1980. Buckets are told apart by the
//! leading bits of the hash, so that walking them in bit-reversed order gives the entries in the order of their hashes.

use bytes::Bytes;

use crate::{
    bitmap::posting::Posting,
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{mapped, tree::Tree},
};

/// Mean entries of a bucket.
const BUCKET: usize = 128;
/// Mean entries of the sorted table between two marks of its directory, as a power of two.
const MARK_BITS: u32 = 4;

/// Ids by hash. Several ids may have one hash; whoever asks compares the texts.
#[derive(Clone, Debug)]
pub struct HashIndex {
    base: Base,
    buckets: Tree<Bucket>,
    /// Entries in the buckets.
    len: usize,
}

#[derive(Clone, Debug, Default)]
struct Bucket {
    hashes: Vec<u32>,
    ids: Vec<u32>,
}

/// The entries of the last image, ascending by hash and id.
#[derive(Clone, Debug, Default)]
struct Base {
    entries: Bytes,
    directory: Bytes,
    bits: u32,
    removed: Posting,
}

impl Default for HashIndex {
    fn default() -> HashIndex {
        HashIndex { base: Base::default(), buckets: [Bucket::default()].into_iter().collect(), len: 0 }
    }
}

impl HashIndex {
    /// The first id under the hash that `same` recognizes.
    #[inline]
    pub fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = hash as u32;
        self.bucket(hash).and_then(|bucket| bucket.find(hash, &mut same)).or_else(|| self.base.find(hash, &mut same))
    }

    /// Every id under the hash.
    pub fn candidates(&self, hash: u64) -> Vec<u32> {
        let mut ids = Vec::new();
        self.find(hash, |id| {
            ids.push(id);
            false
        });
        ids
    }

    /// Adds an id that is not there under this hash.
    pub fn insert(&mut self, hash: u64, id: u32) {
        let hash = hash as u32;
        if let Some(at) = self.base.place(hash, id) {
            self.base.removed.remove(at);
            return;
        }
        let place = place(hash, self.buckets.len());
        self.buckets.get_mut(place).expect("a place is below the number of buckets").push(hash, id);
        self.len += 1;
        if self.len > self.buckets.len() * BUCKET {
            self.split();
        }
    }

    /// Takes an id away from under the hash.
    pub fn remove(&mut self, hash: u64, id: u32) {
        let hash = hash as u32;
        if let Some(at) = self.base.place(hash, id) {
            self.base.removed.insert(at);
            return;
        }
        let place = place(hash, self.buckets.len());
        let found = self.buckets.get(place).and_then(|bucket| bucket.position(hash, id));
        if let (Some(at), Some(bucket)) = (found, self.buckets.get_mut(place)) {
            bucket.hashes.swap_remove(at);
            bucket.ids.swap_remove(at);
            self.len -= 1;
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len + self.base.len() - self.base.removed.len() as usize
    }

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bucket(&self, hash: u32) -> Option<&Bucket> {
        self.buckets.get(place(hash, self.buckets.len()))
    }

    fn split(&mut self) {
        let new = self.buckets.len();
        let level = new.ilog2();
        let Some(from) = self.buckets.get_mut(new - (1 << level)) else { return };
        let whole = std::mem::take(from);
        let mut moved = Bucket::default();
        for (hash, id) in whole.hashes.into_iter().zip(whole.ids) {
            let goes = hash.reverse_bits() >> level & 1 == 1;
            if goes { &mut moved } else { &mut *from }.push(hash, id);
        }
        self.buckets.push(moved);
    }

    /// Calls `f` with the buckets' entries in the order of hash and id, each `hash << 32 | id`.
    fn each_sorted(&self, f: &mut dyn FnMut(u64)) {
        self.visit(0, 0, f);
    }

    fn visit(&self, bucket: usize, level: u32, f: &mut dyn FnMut(u64)) {
        let sibling = bucket + (1usize << level);
        if sibling < self.buckets.len() {
            self.visit(bucket, level + 1, f);
            self.visit(sibling, level + 1, f);
        } else if let Some(bucket) = self.buckets.get(bucket) {
            let pairs = bucket.hashes.iter().zip(&bucket.ids);
            let mut entries: Vec<u64> = pairs.map(|(hash, id)| u64::from(*hash) << 32 | u64::from(*id)).collect();
            entries.sort_unstable();
            entries.into_iter().for_each(f);
        }
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let bucket = |bucket: &Bucket| 4 * (bucket.hashes.capacity() + bucket.ids.capacity()) as u64;
        let buckets: u64 = self.buckets.iter().map(bucket).sum();
        self.buckets.memory_bytes() + buckets + self.base.removed.memory_bytes() as u64
    }

    /// Writes the entries as a sorted table in sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        sink.begin(&format!("{name}/entries"))?;
        let bits = self.len().checked_ilog2().unwrap_or(0).saturating_sub(MARK_BITS);
        let mut marks: Vec<u32> = vec![0; (1 << bits) + 1];
        let mut buffer = Vec::with_capacity(1 << 16);
        let mut outcome = Ok(());
        let mut put = |entry: u64| {
            marks[(entry >> 32 >> (32 - bits)) as usize + 1] += 1;
            buffer.extend_from_slice(&entry.to_le_bytes());
            if buffer.len() >= 1 << 16 {
                if outcome.is_ok() {
                    outcome = sink.put(&buffer);
                }
                buffer.clear();
            }
        };
        let mut base = (0..self.base.len()).filter(|at| !self.base.removed.contains(*at as u32));
        let mut next = base.next().map(|at| self.base.entry(at));
        self.each_sorted(&mut |entry| {
            while let Some(earlier) = next.filter(|earlier| *earlier < entry) {
                put(earlier);
                next = base.next().map(|at| self.base.entry(at));
            }
            put(entry);
        });
        while let Some(entry) = next {
            put(entry);
            next = base.next().map(|at| self.base.entry(at));
        }
        outcome?;
        sink.put(&buffer)?;
        let mut sum = 0;
        marks.iter_mut().for_each(|mark| {
            sum += *mark;
            *mark = sum;
        });
        sink.begin(&format!("{name}/marks"))?;
        sink.put(&mapped::u32_bytes(marks))
    }

    /// Reads what [`HashIndex::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<HashIndex, Damage> {
        let entries = source.section(&format!("{name}/entries"))?;
        let directory = source.section(&format!("{name}/marks"))?;
        mapped::items(name, &entries, 8)?;
        let marks = mapped::items(name, &directory, 4)?;
        let bits = marks.saturating_sub(1).checked_ilog2().unwrap_or(0);
        if marks != (1 << bits) + 1 || bits > 32 {
            return Err(Damage::at(name, 0, "a power of two of marks, and one", marks));
        }
        Ok(HashIndex { base: Base { entries, directory, bits, removed: Posting::new() }, ..HashIndex::default() })
    }
}

/// The bucket of a hash among `buckets`: by as many leading bits as tell them apart.
#[inline]
fn place(hash: u32, buckets: usize) -> usize {
    let leading = hash.reverse_bits() as usize;
    let level = buckets.ilog2();
    let place = leading & ((2usize << level) - 1);
    if place < buckets { place } else { leading & ((1usize << level) - 1) }
}

impl Bucket {
    /// Compares sixteen hashes at a time.
    #[inline]
    fn find(&self, hash: u32, same: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        for (hashes, ids) in self.hashes.chunks(16).zip(self.ids.chunks(16)) {
            if hashes.iter().fold(false, |any, other| any | (*other == hash)) {
                let here = hashes.iter().zip(ids).filter(|(other, _)| **other == hash);
                if let Some((_, id)) = here.into_iter().find(|(_, id)| same(**id)) {
                    return Some(*id);
                }
            }
        }
        None
    }

    fn position(&self, hash: u32, id: u32) -> Option<usize> {
        self.hashes.iter().zip(&self.ids).position(|entry| entry == (&hash, &id))
    }

    fn push(&mut self, hash: u32, id: u32) {
        if self.hashes.len() == self.hashes.capacity() {
            let more = (self.hashes.len() / 8).max(8);
            self.hashes.reserve_exact(more);
            self.ids.reserve_exact(more);
        }
        self.hashes.push(hash);
        self.ids.push(id);
    }
}

impl Base {
    fn len(&self) -> usize {
        self.entries.len() / 8
    }

    fn entry(&self, at: usize) -> u64 {
        mapped::u64_at(&self.entries, at)
    }

    fn range(&self, hash: u32) -> std::ops::Range<usize> {
        let mark = (u64::from(hash) >> (32 - self.bits)) as usize;
        mapped::u32_at(&self.directory, mark) as usize..mapped::u32_at(&self.directory, mark + 1) as usize
    }

    fn find(&self, hash: u32, same: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        if self.entries.is_empty() {
            return None;
        }
        let here = self.range(hash).filter(|at| (self.entry(*at) >> 32) as u32 == hash);
        here.filter(|at| !self.removed.contains(*at as u32)).map(|at| self.entry(at) as u32).find(|id| same(*id))
    }

    /// The place of an entry, removed or not.
    fn place(&self, hash: u32, id: u32) -> Option<u32> {
        if self.entries.is_empty() {
            return None;
        }
        let entry = u64::from(hash) << 32 | u64::from(id);
        self.range(hash).find(|at| self.entry(*at) == entry).map(|at| at as u32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::codec::section::MemoryImage;

    /// Hashes with many collisions and uneven leading bits.
    fn hash(id: u32) -> u64 {
        let mixed = (id % 9_000).wrapping_mul(0x9e37_79b1);
        u64::from(if id % 3 == 0 { mixed >> 7 } else { mixed })
    }

    fn agrees(index: &HashIndex, model: &BTreeMap<u32, BTreeSet<u32>>) {
        assert_eq!(index.len(), model.values().map(BTreeSet::len).sum::<usize>());
        for id in 0..9_100 {
            let mut found = index.candidates(hash(id));
            found.sort_unstable();
            let wanted: Vec<u32> = model.get(&(hash(id) as u32)).into_iter().flatten().copied().collect();
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn it_answers_like_a_map_across_images_and_clones() {
        let mut index = HashIndex::default();
        let mut model: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let mut kept = vec![];
        for round in 0..3u32 {
            for id in round * 8_000..round * 8_000 + 12_000 {
                if model.entry(hash(id) as u32).or_default().insert(id) {
                    index.insert(hash(id), id);
                }
                let gone = id.wrapping_mul(17) % (id + 1);
                if id % 4 == 0 {
                    model.entry(hash(gone) as u32).or_default().remove(&gone);
                    index.remove(hash(gone), gone);
                }
            }
            agrees(&index, &model);
            kept.push((index.clone(), model.clone()));
            let mut image = MemoryImage::new();
            index.encode("h", &mut image).unwrap();
            index = HashIndex::decode("h", &image).unwrap();
            let mut again = MemoryImage::new();
            index.encode("h", &mut again).unwrap();
            assert_eq!(image, again);
            agrees(&index, &model);
        }
        kept.iter().for_each(|(index, model)| agrees(index, model));
    }

    #[test]
    fn the_table_is_the_same_whether_built_at_once_or_over_an_image() {
        let (mut at_once, mut over) = (HashIndex::default(), HashIndex::default());
        for id in 0..5_000 {
            at_once.insert(hash(id), id);
            over.insert(hash(id), id);
            if id == 2_500 {
                let mut image = MemoryImage::new();
                over.encode("h", &mut image).unwrap();
                over = HashIndex::decode("h", &image).unwrap();
            }
        }
        let (mut one, mut two) = (MemoryImage::new(), MemoryImage::new());
        at_once.encode("h", &mut one).unwrap();
        over.encode("h", &mut two).unwrap();
        assert_eq!(one, two);
    }
}
