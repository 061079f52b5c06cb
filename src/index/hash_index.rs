//! From the hash of a text to the ids that may have it: sorted runs, each at least four times as long as the next.
//!
//! A run is never written to, only merged, so that a writer whose state is shared copies nothing but the few newest
//! entries; a tree of buckets would copy one for every entry of a growing set. An image is a run, used in place.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{
    bitmap::posting::Posting,
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::mapped,
};

/// Slots of the newest entries; a power of two. Half of them are filled before they become a run.
const SLOTS: usize = 2_048;
/// A run is merged into the one before unless that is so many times as long.
const RATIO: usize = 4;
/// Mean entries between two marks of a run's directory, as a power of two.
const MARK_BITS: u32 = 3;
/// A slot never used.
const EMPTY: u64 = u64::MAX;
/// A slot whose entry was removed.
const REMOVED: u64 = u64::MAX - 1;

/// Ids by hash. Several ids may have one hash; whoever asks compares the texts. An entry is `hash << 32 | id`.
#[derive(Clone, Debug, Default)]
pub struct HashIndex {
    /// The longest first.
    runs: Vec<Run>,
    newest: Newest,
    len: usize,
}

/// Entries in an open table, the place of each by its hash.
#[derive(Clone, Debug, Default)]
struct Newest {
    slots: Arc<Vec<u64>>,
    used: usize,
}

/// Entries ascending, and where those begin that share their leading bits.
#[derive(Clone, Debug)]
struct Run {
    entries: Array,
    marks: Array,
    bits: u32,
    /// For each mark which of 64 are the next leading bits of an entry there. New texts are sought in vain in every run:
    /// so most runs are passed over at the cost of one word. A run in an image has none.
    sieve: Arc<Vec<u64>>,
    /// Places of entries that were removed.
    removed: Posting,
}

#[derive(Clone, Debug)]
enum Array {
    Longs(Arc<Vec<u64>>),
    Shorts(Arc<Vec<u32>>),
    Mapped(Bytes),
}

impl HashIndex {
    /// The first id under the hash that `same` recognizes.
    #[inline]
    pub fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = hash as u32;
        let newest = self.newest.find(hash, |entry| same(entry as u32)).map(|slot| self.newest.slots[slot] as u32);
        newest.or_else(|| self.runs.iter().find_map(|run| run.find(hash, &mut same)))
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
        let entry = u64::from(hash as u32) << 32 | u64::from(id);
        self.len += 1;
        if let Some((run, at)) = self.place_of_removed(entry) {
            self.runs[run].removed.remove(at);
            return;
        }
        self.newest.push(entry);
        if self.newest.used >= SLOTS / 2 {
            self.settle();
        }
    }

    /// Takes an id away from under the hash.
    pub fn remove(&mut self, hash: u64, id: u32) {
        let entry = u64::from(hash as u32) << 32 | u64::from(id);
        if let Some(slot) = self.newest.find(hash as u32, |other| other == entry) {
            Arc::make_mut(&mut self.newest.slots)[slot] = REMOVED;
            self.len -= 1;
        } else if let Some((run, at)) = self.place(entry)
            && self.runs[run].removed.insert(at)
        {
            self.len -= 1;
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The run and the place of an entry, removed or not.
    fn place(&self, entry: u64) -> Option<(usize, u32)> {
        self.runs.iter().enumerate().find_map(|(number, run)| Some((number, run.place(entry)?)))
    }

    /// The run and the place of an entry that was removed.
    fn place_of_removed(&self, entry: u64) -> Option<(usize, u32)> {
        let runs = self.runs.iter().enumerate().filter(|(_, run)| !run.removed.is_empty());
        runs.filter_map(|(number, run)| Some((number, run.place(entry)?)))
            .find(|(number, at)| self.runs[*number].removed.contains(*at))
    }

    /// Makes a run of the newest entries, and one of it and the runs before that are not much longer.
    fn settle(&mut self) {
        let mut entries = self.newest.sorted();
        self.newest = Newest::default();
        while self.runs.last().is_some_and(|run| run.len() < RATIO * entries.len()) {
            let run = self.runs.pop().expect("it was just looked at");
            entries = run.merged(&entries);
        }
        if !entries.is_empty() {
            self.runs.push(Run::new(entries));
        }
    }

    /// Every entry, `hash << 32 | id`, ascending.
    fn ascending(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        let mut all: Box<dyn Iterator<Item = u64> + '_> = Box::new(self.newest.sorted().into_iter());
        for run in self.runs.iter().rev() {
            all = Box::new(Merged { a: run.live().peekable(), b: all.peekable() });
        }
        all
    }

    /// The entries, `hash << 32 | id`, whose hash another one has too, ascending: what is not among them is equal to
    /// nothing else.
    pub fn crowded(&self) -> Vec<u64> {
        let (mut found, mut before, mut is_found) = (Vec::new(), None, false);
        for entry in self.ascending() {
            match before {
                Some(other) if other >> 32 == entry >> 32 => {
                    if !is_found {
                        found.push(other);
                    }
                    found.push(entry);
                    is_found = true;
                }
                _ => is_found = false,
            }
            before = Some(entry);
        }
        found
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let run = |run: &Run| {
            let sieve = 8 * run.sieve.capacity() as u64;
            run.entries.memory_bytes() + run.marks.memory_bytes() + sieve + run.removed.memory_bytes() as u64
        };
        8 * self.newest.slots.len() as u64 + self.runs.iter().map(run).sum::<u64>()
    }

    /// Writes the entries as one run in sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        sink.begin(&format!("{name}/entries"))?;
        let mut marks = Marks::new(self.len);
        let mut buffer = Vec::with_capacity(1 << 16);
        let mut outcome = Ok(());
        self.ascending().for_each(|entry| {
            marks.count(entry);
            buffer.extend_from_slice(&entry.to_le_bytes());
            if buffer.len() >= 1 << 16 {
                if outcome.is_ok() {
                    outcome = sink.put(&buffer);
                }
                buffer.clear();
            }
        });
        outcome?;
        sink.put(&buffer)?;
        sink.begin(&format!("{name}/marks"))?;
        sink.put(&mapped::u32_bytes(marks.finish()))
    }

    /// Reads what [`HashIndex::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<HashIndex, Damage> {
        let entries = source.section(&format!("{name}/entries"))?;
        let marks = source.section(&format!("{name}/marks"))?;
        let (len, count) = (mapped::items(name, &entries, 8)?, mapped::items(name, &marks, 4)?);
        let bits = count.saturating_sub(1).checked_ilog2().unwrap_or(0);
        if count != (1 << bits) + 1 || bits > 32 {
            return Err(Damage::at(name, 0, "a power of two of marks, and one", count));
        }
        let (entries, marks) = (Array::Mapped(entries), Array::Mapped(marks));
        let run = Run { entries, marks, bits, sieve: Arc::default(), removed: Posting::new() };
        let runs = if len == 0 { vec![] } else { vec![run] };
        Ok(HashIndex { runs, newest: Newest::default(), len })
    }
}

/// Two ascending iterators as one.
struct Merged<A: Iterator<Item = u64>, B: Iterator<Item = u64>> {
    a: std::iter::Peekable<A>,
    b: std::iter::Peekable<B>,
}

impl<A: Iterator<Item = u64>, B: Iterator<Item = u64>> Iterator for Merged<A, B> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        match (self.a.peek(), self.b.peek()) {
            (Some(a), Some(b)) if b < a => self.b.next(),
            (Some(_), _) => self.a.next(),
            (None, _) => self.b.next(),
        }
    }
}

/// Two ascending lists as one.
fn merge(mut a: &[u64], mut b: &[u64]) -> Vec<u64> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    while let (Some(first), Some(second)) = (a.first(), b.first()) {
        let from_a = first <= second;
        merged.push(if from_a { *first } else { *second });
        a = &a[usize::from(from_a)..];
        b = &b[usize::from(!from_a)..];
    }
    merged.extend_from_slice(a);
    merged.extend_from_slice(b);
    merged
}

impl Newest {
    /// The slot of the first entry under the hash that `same` recognizes.
    #[inline]
    fn find(&self, hash: u32, mut same: impl FnMut(u64) -> bool) -> Option<usize> {
        let slots = self.slots.as_slice();
        if slots.is_empty() {
            return None;
        }
        let mut slot = hash as usize % SLOTS;
        while slots[slot] != EMPTY {
            let entry = slots[slot];
            if (entry >> 32) as u32 == hash && entry != REMOVED && same(entry) {
                return Some(slot);
            }
            slot = (slot + 1) % SLOTS;
        }
        None
    }

    fn push(&mut self, entry: u64) {
        let slots = Arc::make_mut(&mut self.slots);
        slots.resize(SLOTS, EMPTY);
        let mut slot = (entry >> 32) as usize % SLOTS;
        while slots[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = entry;
        self.used += 1;
    }

    fn sorted(&self) -> Vec<u64> {
        let mut entries: Vec<u64> = self.slots.iter().copied().filter(|entry| *entry < REMOVED).collect();
        entries.sort_unstable();
        entries
    }
}

/// The mark of a hash when `bits` of them lead, and the bit of its next six.
#[inline]
fn split(hash: u32, bits: u32) -> (usize, u64) {
    let mark = (u64::from(hash) >> (32 - bits)) as usize;
    (mark, 1 << (u64::from(hash) << bits >> 26 & 63))
}

impl Run {
    fn new(entries: Vec<u64>) -> Run {
        let mut marks = Marks::new(entries.len());
        entries.iter().for_each(|entry| marks.count(*entry));
        let bits = marks.bits;
        let mut sieve = vec![0; 1 << bits];
        entries.iter().for_each(|entry| {
            let (mark, bit) = split((entry >> 32) as u32, bits);
            sieve[mark] |= bit;
        });
        let (entries, marks) = (Array::Longs(Arc::new(entries)), Array::Shorts(Arc::new(marks.finish())));
        Run { entries, marks, bits, sieve: Arc::new(sieve), removed: Posting::new() }
    }

    fn len(&self) -> usize {
        match &self.entries {
            Array::Longs(entries) => entries.len(),
            Array::Shorts(_) => 0,
            Array::Mapped(bytes) => bytes.len() / 8,
        }
    }

    /// Where entries of a hash would be.
    #[inline]
    fn range(&self, hash: u32) -> Range<usize> {
        let (mark, bit) = split(hash, self.bits);
        if self.sieve.get(mark).is_some_and(|word| word & bit == 0) {
            return 0..0;
        }
        self.marks.short(mark) as usize..(self.marks.short(mark + 1) as usize).min(self.len())
    }

    /// The place of an entry, removed or not.
    fn place(&self, entry: u64) -> Option<u32> {
        self.range((entry >> 32) as u32).find(|at| self.entries.long(*at) == entry).map(|at| at as u32)
    }

    fn find(&self, hash: u32, same: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        for at in self.range(hash) {
            let entry = self.entries.long(at);
            if (entry >> 32) as u32 == hash && !self.removed.contains(at as u32) && same(entry as u32) {
                return Some(entry as u32);
            }
        }
        None
    }

    /// The entries that were not removed, together with others.
    fn merged(&self, others: &[u64]) -> Vec<u64> {
        match &self.entries {
            Array::Longs(entries) if self.removed.is_empty() => merge(entries, others),
            _ => merge(&self.live().collect::<Vec<u64>>(), others),
        }
    }

    /// The entries that were not removed.
    fn live(&self) -> impl Iterator<Item = u64> {
        let all = self.removed.is_empty();
        let live = (0..self.len()).filter(move |at| all || !self.removed.contains(*at as u32));
        live.map(|at| self.entries.long(at))
    }
}

impl Array {
    #[inline]
    fn long(&self, at: usize) -> u64 {
        match self {
            Array::Longs(longs) => longs.get(at).copied().unwrap_or(0),
            Array::Shorts(shorts) => shorts.get(at).copied().map_or(0, u64::from),
            Array::Mapped(bytes) => mapped::u64_at(bytes, at),
        }
    }

    #[inline]
    fn short(&self, at: usize) -> u32 {
        match self {
            Array::Longs(longs) => longs.get(at).copied().unwrap_or(0) as u32,
            Array::Shorts(shorts) => shorts.get(at).copied().unwrap_or(0),
            Array::Mapped(bytes) => mapped::u32_at(bytes, at),
        }
    }

    fn memory_bytes(&self) -> u64 {
        match self {
            Array::Longs(longs) => 8 * longs.capacity() as u64,
            Array::Shorts(shorts) => 4 * shorts.capacity() as u64,
            Array::Mapped(_) => 0,
        }
    }
}

/// The directory of a run in the making.
struct Marks {
    counts: Vec<u32>,
    bits: u32,
}

impl Marks {
    fn new(len: usize) -> Marks {
        let bits = len.checked_ilog2().unwrap_or(0).saturating_sub(MARK_BITS);
        Marks { counts: vec![0; (1 << bits) + 1], bits }
    }

    fn count(&mut self, entry: u64) {
        self.counts[(entry >> 32 >> (32 - self.bits)) as usize + 1] += 1;
    }

    /// For each value of the leading bits the place of its first entry, and the end.
    fn finish(mut self) -> Vec<u32> {
        let mut sum = 0;
        self.counts.iter_mut().for_each(|count| {
            sum += *count;
            *count = sum;
        });
        self.counts
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
        u64::from(if id.is_multiple_of(3) { mixed >> 7 } else { mixed })
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
