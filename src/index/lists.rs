//! The codes of each contact of a multi-valued property, in order: persistent pages of 1,024 contacts.

use bytes::Bytes;

use crate::{
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{mapped, tree::Tree},
};

/// Contacts of one page.
const PAGE: usize = 1_024;

/// Lists of codes by contact.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    pages: Tree<Page>,
}

/// Items of `width` bytes, and after how many of them each contact's list ends.
#[derive(Clone, Debug)]
struct Page {
    width: u8,
    ends: Ends,
    items: Items,
}

#[derive(Clone, Debug)]
enum Ends {
    Owned(Vec<u32>),
    Mapped(Bytes),
}

#[derive(Clone, Debug)]
enum Items {
    Owned(Vec<u8>),
    Mapped(Bytes),
}

impl Default for Page {
    fn default() -> Page {
        Page { width: 1, ends: Ends::Owned(Vec::new()), items: Items::Owned(Vec::new()) }
    }
}

impl Page {
    /// Where the list of a row begins and ends, in items.
    fn range(&self, row: usize) -> (usize, usize) {
        let end = |row: usize| match &self.ends {
            Ends::Owned(ends) => ends.get(row).or(ends.last()).map_or(0, |end| *end as usize),
            Ends::Mapped(bytes) => mapped::u32_at(bytes, row) as usize,
        };
        (if row == 0 { 0 } else { end(row - 1) }, end(row))
    }

    fn bytes(&self) -> &[u8] {
        match &self.items {
            Items::Owned(bytes) => bytes,
            Items::Mapped(bytes) => bytes,
        }
    }

    fn list(&self, row: usize) -> impl Iterator<Item = u32> {
        let (start, end) = self.range(row);
        let width = usize::from(self.width);
        self.bytes().get(start * width..end * width).unwrap_or(&[]).chunks_exact(width).map(item)
    }

    fn set(&mut self, row: usize, list: &[u32]) {
        let width = list.iter().copied().max().map_or(1, width_of).max(self.width);
        self.widen(width);
        let (start, end) = self.range(row);
        if let Ends::Mapped(bytes) = &self.ends {
            self.ends = Ends::Owned(mapped::u32s(bytes).collect());
        }
        if let (Ends::Owned(ends), Items::Owned(bytes)) = (&mut self.ends, &mut self.items) {
            if ends.len() <= row {
                ends.resize(row + 1, end as u32);
            }
            for later in &mut ends[row..] {
                *later = (*later as usize - (end - start) + list.len()) as u32;
            }
            let width = usize::from(width);
            let new = list.iter().flat_map(|code| code.to_le_bytes().into_iter().take(width));
            bytes.splice(start * width..end * width, new);
        }
    }

    /// Makes the items the page's own, with a width.
    fn widen(&mut self, width: u8) {
        if width == self.width && matches!(self.items, Items::Owned(_)) {
            return;
        }
        let items = self.bytes().chunks_exact(usize::from(self.width)).map(item);
        let bytes = items.flat_map(|code| code.to_le_bytes().into_iter().take(usize::from(width))).collect();
        self.items = Items::Owned(bytes);
        self.width = width;
    }
}

fn item(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |code, byte| code << 8 | u32::from(*byte))
}

fn width_of(code: u32) -> u8 {
    match code {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

impl Lists {
    /// The codes of a contact, in order.
    pub fn get(&self, id: u32) -> impl Iterator<Item = u32> {
        self.pages.get(id as usize / PAGE).into_iter().flat_map(move |page| page.list(id as usize % PAGE))
    }

    /// Replaces the codes of a contact.
    pub fn set(&mut self, id: u32, list: &[u32]) {
        self.pages.grow(id as usize / PAGE, Page::default).set(id as usize % PAGE, list);
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let owned = |page: &Page| {
            let ends = if let Ends::Owned(ends) = &page.ends { 4 * ends.capacity() } else { 0 };
            (ends + if let Items::Owned(bytes) = &page.items { bytes.capacity() } else { 0 }) as u64
        };
        self.pages.memory_bytes() + self.pages.iter().map(owned).sum::<u64>()
    }

    /// Writes the lists as sections whose names begin with `name`, each page as narrow as it can be.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let used = self.pages.iter().map(|page| page.bytes().len());
        let used = used.collect::<Vec<_>>().iter().rposition(|len| *len > 0).map_or(0, |last| last + 1);
        let (mut widths, mut ends) = (vec![], vec![]);
        sink.begin(&format!("{name}/items"))?;
        for page in self.pages.iter().take(used) {
            let items = || page.bytes().chunks_exact(usize::from(page.width)).map(item);
            let width = items().max().map_or(1, width_of);
            let bytes: Vec<u8> =
                items().flat_map(|code| code.to_le_bytes().into_iter().take(usize::from(width))).collect();
            sink.put(&bytes)?;
            widths.push(width);
            ends.extend((0..PAGE).map(|row| page.range(row).1 as u32));
        }
        sink.begin(&format!("{name}/widths"))?;
        sink.put(&widths)?;
        sink.begin(&format!("{name}/ends"))?;
        sink.put(&mapped::u32_bytes(ends))
    }

    /// Reads what [`Lists::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<Lists, Damage> {
        let section = |part: &str| source.section(&format!("{name}/{part}"));
        let (items, widths, ends) = (section("items")?, section("widths")?, section("ends")?);
        let (mut pages, mut from) = (Tree::default(), 0u64);
        for (number, width) in widths.iter().enumerate() {
            let first = 4 * PAGE as u64 * number as u64;
            let ends = mapped::part(name, &ends, first, first + 4 * PAGE as u64)?;
            if !matches!(width, 1 | 2 | 4) {
                return Err(Damage::at(name, number as u64, "a width of 1, 2 or 4 bytes", width));
            }
            let to = from + u64::from(mapped::u32_at(&ends, PAGE - 1)) * u64::from(*width);
            let items = Items::Mapped(mapped::part(name, &items, from, to)?);
            pages.push(Page { width: *width, ends: Ends::Mapped(ends), items });
            from = to;
        }
        Ok(Lists { pages })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::codec::section::MemoryImage;

    fn agrees(lists: &Lists, model: &BTreeMap<u32, Vec<u32>>) {
        for id in 0..6_000 {
            assert_eq!(lists.get(id).collect::<Vec<_>>(), model.get(&id).cloned().unwrap_or_default(), "{id}");
        }
    }

    #[test]
    fn lists_change_in_place_and_survive_the_image() {
        let (mut lists, mut model) = (Lists::default(), BTreeMap::new());
        let step = |lists: &mut Lists, model: &mut BTreeMap<u32, Vec<u32>>, i: u32| {
            let id = i.wrapping_mul(2_654_435_761) % 5_000;
            let code = |n: u32| [n % 9, n % 900, n.wrapping_mul(977) % 90_000][(i / 1_500 % 3) as usize];
            let list: Vec<u32> = (0..i % 5).map(|k| code(i + k)).collect();
            lists.set(id, &list);
            model.insert(id, list);
        };
        (0..4_000).for_each(|i| step(&mut lists, &mut model, i));
        agrees(&lists, &model);
        let (kept, kept_model) = (lists.clone(), model.clone());
        let mut image = MemoryImage::new();
        lists.encode("l", &mut image).unwrap();
        let mut back = Lists::decode("l", &image).unwrap();
        agrees(&back, &model);
        (4_000..9_000).for_each(|i| step(&mut back, &mut model, i));
        agrees(&back, &model);
        agrees(&kept, &kept_model);
        (4_000..9_000).for_each(|i| step(&mut lists, &mut kept_model.clone(), i));
        let (mut one, mut two) = (MemoryImage::new(), MemoryImage::new());
        lists.encode("l", &mut one).unwrap();
        back.encode("l", &mut two).unwrap();
        assert_eq!(one, two, "whether over an image or not, the same lists are the same bytes");
    }
}
