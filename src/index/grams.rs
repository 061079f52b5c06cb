//! Trigrams over a dictionary: which blocks of 64 codes hold a text with these three bytes of its key.
//!
//! Blocks and not codes: a block is read in the time that one lookup takes, and common trigrams shrink to a bit a block.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    bitmap::posting::Posting,
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::mapped,
};

/// Codes of one block.
pub const BLOCK: u32 = 64;

/// Blocks by trigram, for the blocks below [`Grams::blocks`]. A trigram changed since the last image overrides it.
#[derive(Clone, Debug, Default)]
pub struct Grams {
    blocks: u32,
    /// By the first byte, the second, then the third among those in use.
    changed: Arc<Vec<Option<Branch>>>,
    base: Base,
}

type Branch = Arc<Vec<Option<Arc<Leaf>>>>;

#[derive(Clone, Debug, Default)]
struct Leaf {
    grams: Vec<(u8, Posting)>,
}

/// The trigrams of the last image, ascending, each with the place of its posting.
#[derive(Clone, Debug, Default)]
struct Base {
    grams: Bytes,
    places: Bytes,
    postings: Bytes,
}

/// The distinct trigrams of a key, ascending.
pub fn grams_of(key: &[u8]) -> Vec<u32> {
    let mut grams: Vec<u32> = key.windows(3).map(gram).collect();
    grams.sort_unstable();
    grams.dedup();
    grams
}

#[inline]
fn gram(bytes: &[u8]) -> u32 {
    u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2])
}

/// Blocks that are covered at once.
pub const STEP: u32 = 64;

/// Appends the trigrams of a key, each with the place of its block among those that [`Grams::extend`] is to cover.
pub fn collect(key: &[u8], place: u32, out: &mut Vec<u32>) {
    out.extend(key.windows(3).map(|bytes| gram(bytes) << 8 | place));
}

impl Grams {
    /// How many blocks are covered; those from there on must be read.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Covers the next `more` blocks, at most [`STEP`], given what [`collect`] made of all texts there.
    pub fn extend(&mut self, more: u32, pairs: &mut Vec<u32>) {
        pairs.sort_unstable();
        pairs.dedup();
        let (first, mut blocks) = (self.blocks, Vec::with_capacity(STEP as usize));
        for run in pairs.chunk_by(|a, b| a >> 8 == b >> 8) {
            blocks.clear();
            blocks.extend(run.iter().map(|pair| first + (pair & 0xff)));
            self.posting_mut(run[0] >> 8).insert_all(&blocks);
        }
        self.blocks += more;
        pairs.clear();
    }

    /// Adds a block to trigrams.
    pub fn insert(&mut self, block: u32, grams: &[u32]) {
        grams.iter().for_each(|gram| {
            self.posting_mut(*gram).insert(block);
        });
    }

    /// Takes a block away from trigrams that none of its texts has any more.
    pub fn remove(&mut self, block: u32, grams: &[u32]) {
        grams.iter().for_each(|gram| {
            self.posting_mut(*gram).remove(block);
        });
    }

    /// The covered blocks that may hold a text with all of these runs of bytes; `None` when the runs are too short to
    /// tell.
    pub fn candidates(&self, literals: &[&[u8]]) -> Option<Posting> {
        let mut grams: Vec<u32> = literals.iter().flat_map(|literal| literal.windows(3).map(gram)).collect();
        grams.sort_unstable();
        grams.dedup();
        let mut postings: Vec<Posting> = grams.into_iter().map(|gram| self.posting(gram)).collect();
        postings.sort_by_key(Posting::len);
        let mut postings = postings.into_iter();
        let mut blocks = postings.next()?;
        for posting in postings {
            if blocks.len() <= 1 {
                break;
            }
            blocks = blocks.and(&posting);
        }
        Some(blocks)
    }

    fn posting(&self, gram: u32) -> Posting {
        match self.leaf(gram).and_then(|leaf| leaf.find(gram as u8)) {
            Some(posting) => posting.clone(),
            None => self.base.posting(gram, self.blocks),
        }
    }

    fn leaf(&self, gram: u32) -> Option<&Leaf> {
        let branch = self.changed.get((gram >> 16) as usize)?.as_ref()?;
        branch.get((gram >> 8 & 0xff) as usize)?.as_deref()
    }

    fn posting_mut(&mut self, gram: u32) -> &mut Posting {
        let root = Arc::make_mut(&mut self.changed);
        root.resize(256, None);
        let branch = Arc::make_mut(root[(gram >> 16) as usize].get_or_insert_with(|| Arc::new(vec![None; 256])));
        let leaf = Arc::make_mut(branch[(gram >> 8 & 0xff) as usize].get_or_insert_with(Arc::default));
        let at = leaf.grams.binary_search_by_key(&(gram as u8), |(third, _)| *third);
        let at = at.unwrap_or_else(|at| {
            leaf.grams.insert(at, (gram as u8, self.base.posting(gram, self.blocks)));
            at
        });
        &mut leaf.grams[at].1
    }

    /// Every trigram in use with its blocks, ascending.
    fn each(&self, mut f: impl FnMut(u32, Posting) -> Result<(), SinkError>) -> Result<(), SinkError> {
        let mut changed = Vec::new();
        for (first, branch) in self.changed.iter().enumerate() {
            for (second, leaf) in branch.iter().flat_map(|branch| branch.iter()).enumerate() {
                let grams = leaf.iter().flat_map(|leaf| &leaf.grams);
                changed.extend(grams.map(|(third, _)| (first << 16 | second << 8) as u32 | u32::from(*third)));
            }
        }
        let base = mapped::u32s(&self.base.grams).collect::<Vec<u32>>();
        let mut all = [changed, base].concat();
        all.sort_unstable();
        all.dedup();
        for gram in all {
            let posting = self.posting(gram);
            if !posting.is_empty() {
                f(gram, posting)?;
            }
        }
        Ok(())
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let branches = self.changed.iter().flatten();
        let leaves = branches.clone().flat_map(|branch| branch.iter().flatten());
        let postings: u64 =
            leaves.clone().flat_map(|leaf| &leaf.grams).map(|(_, p)| 24 + p.memory_bytes() as u64).sum();
        postings + (leaves.count() * 48 + branches.count() * 2_064 + self.changed.len() * 8) as u64
    }

    /// Writes the trigrams as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let (mut grams, mut places) = (Vec::new(), Vec::new());
        sink.begin(&format!("{name}/postings"))?;
        self.each(|gram, posting| {
            grams.extend_from_slice(&gram.to_le_bytes());
            places.extend_from_slice(&sink.position().to_le_bytes());
            posting.encode(sink)
        })?;
        sink.begin(&format!("{name}/grams"))?;
        sink.put(&grams)?;
        sink.begin(&format!("{name}/places"))?;
        sink.put(&places)?;
        sink.begin(&format!("{name}/blocks"))?;
        sink.put(&self.blocks.to_le_bytes())
    }

    /// Reads what [`Grams::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<Grams, Damage> {
        let section = |part: &str| source.section(&format!("{name}/{part}"));
        let base = Base { grams: section("grams")?, places: section("places")?, postings: section("postings")? };
        let (grams, places) = (mapped::items(name, &base.grams, 4)?, mapped::items(name, &base.places, 8)?);
        if grams != places {
            return Err(Damage::at(name, 0, format!("{grams} places of postings"), places));
        }
        let blocks = Cursor::of(name, section("blocks")?).u32()?;
        Ok(Grams { blocks, changed: Arc::default(), base })
    }
}

impl Leaf {
    fn find(&self, third: u8) -> Option<&Posting> {
        let at = self.grams.binary_search_by_key(&third, |(third, _)| *third).ok()?;
        Some(&self.grams[at].1)
    }
}

impl Base {
    /// The blocks of a trigram. A posting that cannot be read stands for every block: they will be read instead.
    fn posting(&self, gram: u32, blocks: u32) -> Posting {
        let (mut low, mut high) = (0, self.grams.len() / 4);
        while low < high {
            let middle = low + (high - low) / 2;
            if mapped::u32_at(&self.grams, middle) < gram { low = middle + 1 } else { high = middle }
        }
        if low >= self.grams.len() / 4 || mapped::u32_at(&self.grams, low) != gram {
            return Posting::new();
        }
        let mut cursor = Cursor::new(self.postings.clone());
        let place = usize::try_from(mapped::u64_at(&self.places, low)).unwrap_or(usize::MAX);
        let read = cursor.take(place).and_then(|_| Posting::decode(&mut cursor));
        read.unwrap_or_else(|_| Posting::range(blocks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigrams_are_distinct_and_short_needles_tell_nothing() {
        assert_eq!(grams_of(b"aaaab"), [0x61_6161, 0x61_6162]);
        assert!(grams_of(b"ab").is_empty());
        assert_eq!(Grams::default().candidates(&[b"ab"]), None);
        assert_eq!(Grams::default().candidates(&[b"abc"]), Some(Posting::new()));
    }
}
