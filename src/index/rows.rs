//! The contacts of each dictionary code: one in place, a few as a list, many as a posting; persistent.

use bytes::Bytes;

use crate::{
    bitmap::{CHUNK, posting::Posting, words::Words},
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{mapped, numbers::Numbers, trie::Trie},
};

/// A list longer than this becomes a posting: a posting spends tens of bytes on every chunk it touches, and a copy of a
/// shared one counts an owner more in each, where a list is copied in one go.
const FEW_MAX: usize = 4_096;
/// A posting shorter than this becomes a list again.
const FEW_AGAIN: u64 = 2_048;
/// The slot of a code with several contacts. A slot holds one more than the only contact, or 0; no contact's id is as
/// high as this.
const SEVERAL: u32 = u32::MAX;

/// Contacts by code.
#[derive(Clone, Debug, Default)]
pub struct CodeRows {
    slots: Numbers,
    /// The lists changed since the last image, which override those in it.
    lists: Trie<List>,
    image: Image,
}

/// The contacts of one code.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// No one.
    None,
    /// One.
    One(u32),
    /// A few, ascending.
    Few(&'a [u32]),
    /// A few, ascending, as little-endian bytes in a mapped image.
    Mapped(&'a [u8]),
    /// Many.
    Many(&'a Posting),
}

#[derive(Clone, Debug)]
enum List {
    Few(Vec<u32>),
    Many(Posting),
}

/// The short lists of the last image: codes, ascending; after how many contacts the list of each ends; the contacts.
#[derive(Clone, Debug, Default)]
struct Image {
    codes: Bytes,
    ends: Bytes,
    ids: Bytes,
}

impl<'a> Rows<'a> {
    /// How many contacts.
    pub fn len(&self) -> u64 {
        match self {
            Rows::None => 0,
            Rows::One(_) => 1,
            Rows::Few(list) => list.len() as u64,
            Rows::Mapped(bytes) => bytes.len() as u64 / 4,
            Rows::Many(posting) => posting.len(),
        }
    }

    /// Returns whether there is no one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` with every contact, ascending.
    pub fn for_each(&self, mut f: impl FnMut(u32)) {
        match self {
            Rows::None => {}
            Rows::One(id) => f(*id),
            Rows::Few(list) => list.iter().copied().for_each(f),
            Rows::Mapped(bytes) => mapped::u32s(bytes).for_each(f),
            Rows::Many(posting) => posting.iter().for_each(f),
        }
    }

    /// Whether a contact is among them.
    pub fn contains(&self, id: u32) -> bool {
        match self {
            Rows::None => false,
            Rows::One(only) => *only == id,
            Rows::Few(list) => list.binary_search(&id).is_ok(),
            Rows::Mapped(bytes) => mapped::u32s(bytes).any(|other| other == id),
            Rows::Many(posting) => posting.contains(id),
        }
    }

    /// The contacts as a posting.
    pub fn to_posting(&self) -> Posting {
        match self {
            Rows::None => Posting::new(),
            Rows::One(id) => std::iter::once(*id).collect(),
            Rows::Few(list) => list.iter().copied().collect(),
            Rows::Mapped(bytes) => mapped::u32s(bytes).collect(),
            Rows::Many(posting) => (*posting).clone(),
        }
    }

    /// Adds the contacts of a chunk to `out`.
    pub fn or_into(&self, chunk: usize, out: &mut Words) {
        match self {
            Rows::Many(posting) => posting.chunk(chunk).or_into(out),
            Rows::Few(list) => {
                let from = list.partition_point(|id| (*id as usize) / CHUNK < chunk);
                let here = list[from..].iter().take_while(|id| **id as usize / CHUNK == chunk);
                here.for_each(|id| {
                    out.set(*id as u16);
                });
            }
            Rows::None | Rows::One(_) | Rows::Mapped(_) => self.for_each(|id| {
                if id as usize / CHUNK == chunk {
                    out.set(id as u16);
                }
            }),
        }
    }
}

impl CodeRows {
    /// The contacts of a code.
    #[inline]
    pub fn get(&self, code: u32) -> Rows<'_> {
        match self.slots.get(code) {
            0 => Rows::None,
            SEVERAL => match self.lists.get(code) {
                Some(List::Few(few)) => Rows::Few(few),
                Some(List::Many(posting)) => Rows::Many(posting),
                None => Rows::Mapped(self.image.list(code)),
            },
            slot => Rows::One(slot - 1),
        }
    }

    /// Adds a contact to a code; says whether it was not there.
    pub fn insert(&mut self, code: u32, id: u32) -> bool {
        match self.slots.get(code) {
            0 => self.slots.set(code, id + 1),
            SEVERAL => return self.list_mut(code).insert(id),
            slot if slot == id + 1 => return false,
            slot => {
                let only = slot - 1;
                self.lists.set(code, Some(List::Few(vec![only.min(id), only.max(id)])));
                self.slots.set(code, SEVERAL);
            }
        }
        true
    }

    /// Adds contacts to codes, each as `code << 32 | contact`, in any order and none that is there; leaves none behind.
    pub fn insert_all(&mut self, pairs: &mut Vec<u64>) {
        pairs.sort_unstable();
        let mut ids = Vec::new();
        for run in pairs.chunk_by(|a, b| a >> 32 == b >> 32) {
            let code = (run[0] >> 32) as u32;
            let at_once = if self.slots.get(code) == SEVERAL { 0 } else { run.len().min(2) };
            run[..at_once].iter().for_each(|pair| {
                self.insert(code, *pair as u32);
            });
            if at_once < run.len() {
                ids.clear();
                ids.extend(run[at_once..].iter().map(|pair| *pair as u32));
                self.list_mut(code).extend(&ids);
            }
        }
        pairs.clear();
    }

    /// Takes a contact away from a code; says whether it was there.
    pub fn remove(&mut self, code: u32, id: u32) -> bool {
        match self.slots.get(code) {
            SEVERAL => {
                if !self.get(code).contains(id) {
                    return false;
                }
                if let Some(last) = self.list_mut(code).remove(id) {
                    self.lists.set(code, None);
                    self.slots.set(code, last + 1);
                }
            }
            slot if slot == id + 1 => self.slots.set(code, 0),
            _ => return false,
        }
        true
    }

    /// The list of a code that has several contacts, to be written to.
    fn list_mut(&mut self, code: u32) -> &mut List {
        let image = &self.image;
        self.lists.get_mut(code, || List::Few(mapped::u32s(image.list(code)).collect()))
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let mut lists = 0;
        self.lists.each(&mut |_, list| {
            lists += match list {
                List::Few(few) => 4 * few.capacity() as u64,
                List::Many(posting) => posting.memory_bytes() as u64,
            };
        });
        self.slots.memory_bytes() + self.lists.memory_bytes() + lists
    }

    /// Writes the rows of the codes below `end` as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, end: u32, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        self.slots.encode(&format!("{name}/slots"), end, sink)?;
        let (mut codes, mut ends, mut many, mut total) = (vec![], vec![], vec![], 0u32);
        sink.begin(&format!("{name}/few"))?;
        for code in (0..end).filter(|code| self.slots.get(*code) == SEVERAL) {
            let rows = self.get(code);
            if let Rows::Many(posting) = rows {
                many.push((code, posting));
                continue;
            }
            let mut bytes = Vec::with_capacity(4 * rows.len() as usize);
            rows.for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
            sink.put(&bytes)?;
            total += rows.len() as u32;
            codes.push(code);
            ends.push(total);
        }
        sink.begin(&format!("{name}/few-codes"))?;
        sink.put(&mapped::u32_bytes(codes))?;
        sink.begin(&format!("{name}/few-ends"))?;
        sink.put(&mapped::u32_bytes(ends))?;
        sink.begin(&format!("{name}/many-codes"))?;
        sink.put(&mapped::u32_bytes(many.iter().map(|(code, _)| *code)))?;
        sink.begin(&format!("{name}/many"))?;
        many.into_iter().try_for_each(|(_, posting)| posting.encode(sink))
    }

    /// Reads what [`CodeRows::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<CodeRows, Damage> {
        let section = |part: &str| source.section(&format!("{name}/{part}"));
        let (slots, _) = Numbers::decode(&format!("{name}/slots"), source)?;
        let image = Image { codes: section("few-codes")?, ends: section("few-ends")?, ids: section("few")? };
        let (codes, ends) = (mapped::items(name, &image.codes, 4)?, mapped::items(name, &image.ends, 4)?);
        let ids = mapped::items(name, &image.ids, 4)?;
        let last = ends.checked_sub(1).map_or(0, |last| mapped::u32_at(&image.ends, last) as usize);
        if codes != ends || last != ids {
            return Err(Damage::at(name, 0, format!("{codes} lists of {last} contacts"), format!("{ends} of {ids}")));
        }
        let mut lists = Trie::default();
        let many = format!("{name}/many");
        let mut postings = Cursor::of(&many, source.section(&many)?);
        for code in mapped::u32s(&section("many-codes")?) {
            lists.set(code, Some(List::Many(Posting::decode(&mut postings)?)));
        }
        postings.end()?;
        Ok(CodeRows { slots, lists, image })
    }
}

impl Image {
    /// The contacts of a code, as bytes; empty if it has none here.
    fn list(&self, code: u32) -> &[u8] {
        let (mut low, mut high) = (0, self.codes.len() / 4);
        while low < high {
            let middle = low + (high - low) / 2;
            if mapped::u32_at(&self.codes, middle) < code { low = middle + 1 } else { high = middle }
        }
        if 4 * low >= self.codes.len() || mapped::u32_at(&self.codes, low) != code {
            return &[];
        }
        let start = if low == 0 { 0 } else { mapped::u32_at(&self.ends, low - 1) as usize };
        self.ids.get(4 * start..4 * mapped::u32_at(&self.ends, low) as usize).unwrap_or(&[])
    }
}

impl List {
    fn insert(&mut self, id: u32) -> bool {
        match self {
            List::Few(few) => {
                let at = match few.last() {
                    Some(last) if *last < id => few.len(),
                    _ => match few.binary_search(&id) {
                        Ok(_) => return false,
                        Err(at) => at,
                    },
                };
                if few.len() >= FEW_MAX {
                    let mut posting: Posting = few.iter().copied().collect();
                    posting.insert(id);
                    *self = List::Many(posting);
                } else {
                    few.insert(at, id);
                }
                true
            }
            List::Many(posting) => posting.insert(id),
        }
    }

    /// Adds contacts, ascending.
    fn extend(&mut self, ids: &[u32]) {
        match self {
            List::Few(few) if few.len() + ids.len() <= FEW_MAX && few.last() < ids.first() => {
                if few.capacity() < few.len() + ids.len() {
                    few.reserve_exact(ids.len().max(few.len() / 8));
                }
                few.extend_from_slice(ids);
            }
            List::Few(_) => ids.iter().for_each(|id| {
                self.insert(*id);
            }),
            List::Many(posting) => posting.insert_all(ids),
        }
    }

    /// Takes a contact away; gives the last one if only one is left.
    fn remove(&mut self, id: u32) -> Option<u32> {
        match self {
            List::Few(few) => {
                if let Ok(at) = few.binary_search(&id) {
                    few.remove(at);
                }
                if few.len() == 1 { few.first().copied() } else { None }
            }
            List::Many(posting) => {
                posting.remove(id);
                if posting.len() < FEW_AGAIN {
                    *self = List::Few(posting.iter().collect());
                }
                None
            }
        }
    }
}
