//! The contacts of each dictionary code: one in place, a few as a list, many as a posting; paged and persistent.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    bitmap::{CHUNK, posting::Posting, words::Words},
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{mapped, tree::Tree},
};

/// Codes of one page.
const PAGE: usize = 1_024;
/// A list longer than this becomes a posting: a posting spends tens of bytes on every chunk it touches.
const FEW_MAX: usize = 1_024;
/// A posting shorter than this becomes a list again.
const FEW_AGAIN: u64 = 512;
/// A slot without contacts.
const NONE: u32 = u32::MAX;
/// Slots above this stand for the lists of the page, counted down from [`NONE`]; no contact has such an id.
const SINGLE_MAX: u32 = u32::MAX - 65_536;

/// Contacts by code.
#[derive(Clone, Debug, Default)]
pub struct CodeRows {
    pages: Tree<Page>,
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
enum Page {
    Owned(OwnedPage),
    Mapped(MappedPage),
}

#[derive(Clone, Debug, Default)]
struct OwnedPage {
    slots: Vec<u32>,
    lists: Vec<List>,
}

#[derive(Clone, Debug)]
enum List {
    Few(Arc<Vec<u32>>),
    Many(Posting),
}

/// As words: slots, the bounds of the lists, the lists. A list without a word is the next of the postings.
#[derive(Clone, Debug)]
struct MappedPage {
    slots: Bytes,
    bounds: Bytes,
    few: Bytes,
    many: Vec<Posting>,
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
            Rows::None | Rows::One(_) | Rows::Few(_) | Rows::Mapped(_) => self.for_each(|id| {
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
        let at = code as usize % PAGE;
        match self.pages.get(code as usize / PAGE) {
            Some(Page::Owned(page)) => page.get(at),
            Some(Page::Mapped(page)) => page.get(at),
            None => Rows::None,
        }
    }

    /// Adds a contact to a code; says whether it was not there.
    pub fn insert(&mut self, code: u32, id: u32) -> bool {
        let page = self.pages.grow(code as usize / PAGE, || Page::Owned(OwnedPage::default()));
        page.owned().insert(code as usize % PAGE, id)
    }

    /// Takes a contact away from a code; says whether it was there.
    pub fn remove(&mut self, code: u32, id: u32) -> bool {
        if !self.get(code).contains(id) {
            return false;
        }
        if let Some(page) = self.pages.get_mut(code as usize / PAGE) {
            page.owned().remove(code as usize % PAGE, id);
        }
        true
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let list = |list: &List| match list {
            List::Few(few) => 48 + 4 * few.capacity() as u64,
            List::Many(posting) => posting.memory_bytes() as u64,
        };
        let page = |page: &Page| match page {
            Page::Owned(page) => {
                let lists: u64 = page.lists.iter().map(list).sum();
                lists + (4 * page.slots.capacity() + size_of::<List>() * page.lists.capacity()) as u64
            }
            Page::Mapped(page) => page.many.iter().map(|posting| posting.memory_bytes() as u64).sum(),
        };
        self.pages.memory_bytes() + self.pages.iter().map(page).sum::<u64>()
    }

    /// Writes the rows of the codes below `end` as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, end: u32, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let mut heads = Vec::new();
        sink.begin(&format!("{name}/lists"))?;
        for first in (0..end).step_by(PAGE) {
            let codes = first..end.min(first.saturating_add(PAGE as u32));
            let (mut slots, mut bounds, mut few, mut many) = (vec![], vec![0u32], vec![], 0u32);
            for rows in codes.map(|code| self.get(code)) {
                match rows {
                    Rows::None => slots.push(NONE),
                    Rows::One(id) => slots.push(id),
                    Rows::Few(_) | Rows::Mapped(_) | Rows::Many(_) => {
                        slots.push(NONE - bounds.len() as u32);
                        if matches!(rows, Rows::Many(_)) {
                            many += 1;
                        } else {
                            rows.for_each(|id| few.push(id));
                        }
                        bounds.push(few.len() as u32);
                    }
                }
            }
            heads.extend([slots.len() as u32, bounds.len() as u32, few.len() as u32, many]);
            sink.put(&mapped::u32_bytes(slots.into_iter().chain(bounds).chain(few)))?;
        }
        sink.begin(&format!("{name}/pages"))?;
        sink.put(&mapped::u32_bytes(heads))?;
        sink.begin(&format!("{name}/postings"))?;
        (0..end).try_for_each(|code| match self.get(code) {
            Rows::Many(posting) => posting.encode(sink),
            Rows::None | Rows::One(_) | Rows::Few(_) | Rows::Mapped(_) => Ok(()),
        })
    }

    /// Reads what [`CodeRows::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<CodeRows, Damage> {
        let open = |part: &str| {
            let section = format!("{name}/{part}");
            source.section(&section).map(|bytes| Cursor::of(&section, bytes))
        };
        let (mut heads, mut lists, mut postings) = (open("pages")?, open("lists")?, open("postings")?);
        let mut pages = Tree::default();
        while heads.remaining() > 0 {
            let mut next = || heads.u32().map(|n| n as usize);
            let (slots, bounds, few, many) = (next()?, next()?, next()?, next()?);
            if slots > PAGE || bounds > PAGE + 1 || bounds == 0 || many >= bounds {
                return Err(heads.damage("counts that fit a page of rows", format!("{slots}, {bounds}, {many}")));
            }
            let page = MappedPage {
                slots: lists.take_array(slots, 4)?,
                bounds: lists.take_array(bounds, 4)?,
                few: lists.take_array(few, 4)?,
                many: (0..many).map(|_| Posting::decode(&mut postings)).collect::<Result<_, _>>()?,
            };
            pages.push(Page::Mapped(page));
        }
        lists.end()?;
        Ok(CodeRows { pages })
    }
}

impl Page {
    /// The page's own copy to write to.
    fn owned(&mut self) -> &mut OwnedPage {
        if let Page::Mapped(page) = self {
            *self = Page::Owned(page.copied());
        }
        match self {
            Page::Owned(page) => page,
            Page::Mapped(_) => unreachable!("the page was just made its own"),
        }
    }
}

impl OwnedPage {
    fn get(&self, at: usize) -> Rows<'_> {
        match self.slots.get(at).copied().unwrap_or(NONE) {
            NONE => Rows::None,
            id if id <= SINGLE_MAX => Rows::One(id),
            slot => match &self.lists[list_of(slot)] {
                List::Few(few) => Rows::Few(few),
                List::Many(posting) => Rows::Many(posting),
            },
        }
    }

    fn insert(&mut self, at: usize, id: u32) -> bool {
        if self.slots.len() <= at {
            self.slots.resize(at + 1, NONE);
        }
        match self.slots[at] {
            NONE => self.slots[at] = id,
            only if only == id => return false,
            only if only <= SINGLE_MAX => {
                self.slots[at] = NONE - 1 - self.lists.len() as u32;
                self.lists.push(List::Few(Arc::new(vec![only.min(id), only.max(id)])));
            }
            slot => return self.lists[list_of(slot)].insert(id),
        }
        true
    }

    fn remove(&mut self, at: usize, id: u32) {
        let slot = self.slots[at];
        if slot <= SINGLE_MAX {
            self.slots[at] = NONE;
            return;
        }
        let number = list_of(slot);
        if let Some(last) = self.lists[number].remove(id) {
            self.slots[at] = last;
            self.lists.swap_remove(number);
            // The list that took the place of the one that went has a new number.
            let moved = NONE - 1 - self.lists.len() as u32;
            if let Some(slot) = self.slots.iter_mut().find(|slot| **slot == moved) {
                *slot = NONE - 1 - number as u32;
            }
        }
    }
}

/// The number of the list that a slot stands for.
fn list_of(slot: u32) -> usize {
    (NONE - 1 - slot) as usize
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
                    Arc::make_mut(few).insert(at, id);
                }
                true
            }
            List::Many(posting) => posting.insert(id),
        }
    }

    /// Takes a contact away; gives the last one if only one is left.
    fn remove(&mut self, id: u32) -> Option<u32> {
        match self {
            List::Few(few) => {
                let few = Arc::make_mut(few);
                if let Ok(at) = few.binary_search(&id) {
                    few.remove(at);
                }
                if few.len() == 1 { few.first().copied() } else { None }
            }
            List::Many(posting) => {
                posting.remove(id);
                if posting.len() < FEW_AGAIN {
                    *self = List::Few(Arc::new(posting.iter().collect()));
                }
                None
            }
        }
    }
}

impl MappedPage {
    fn get(&self, at: usize) -> Rows<'_> {
        let slot = if 4 * at < self.slots.len() { mapped::u32_at(&self.slots, at) } else { NONE };
        if slot == NONE {
            return Rows::None;
        }
        if slot <= SINGLE_MAX {
            return Rows::One(slot);
        }
        let number = list_of(slot);
        let bound = |at: usize| 4 * mapped::u32_at(&self.bounds, at) as usize;
        match self.few.get(bound(number)..bound(number + 1)) {
            Some([]) => {
                let before = (0..number).filter(|list| bound(*list) == bound(list + 1)).count();
                self.many.get(before).map_or(Rows::None, Rows::Many)
            }
            Some(bytes) => Rows::Mapped(bytes),
            None => Rows::None,
        }
    }

    fn copied(&self) -> OwnedPage {
        let mut page = OwnedPage::default();
        for at in 0..self.slots.len() / 4 {
            let slot = match self.get(at) {
                Rows::None => NONE,
                Rows::One(id) => id,
                rows @ (Rows::Few(_) | Rows::Mapped(_)) => {
                    let mut few = Vec::with_capacity(rows.len() as usize);
                    rows.for_each(|id| few.push(id));
                    page.lists.push(List::Few(Arc::new(few)));
                    NONE - page.lists.len() as u32
                }
                Rows::Many(posting) => {
                    page.lists.push(List::Many(posting.clone()));
                    NONE - page.lists.len() as u32
                }
            };
            page.slots.push(slot);
        }
        page
    }
}
