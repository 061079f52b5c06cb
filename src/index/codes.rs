//! A dictionary code for each contact, in as many bytes as a page needs: a persistent, paged vector.

use bytes::Bytes;

use crate::{
    bitmap::CHUNK,
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{mapped, tree::Tree},
};

/// Contacts of one page.
const PAGE: usize = 4_096;

/// Codes by contact. Kept as one more than the code; 0 is none.
#[derive(Clone, Debug, Default)]
pub struct Codes {
    pages: Tree<Page>,
}

#[derive(Clone, Debug)]
enum Page {
    Bytes(Vec<u8>),
    Shorts(Vec<u16>),
    Longs(Vec<u32>),
    /// A full page in place, with the width of its items.
    Mapped(Bytes, u8),
}

impl Page {
    fn get(&self, at: usize) -> u32 {
        match self {
            Page::Bytes(items) => items.get(at).copied().map_or(0, u32::from),
            Page::Shorts(items) => items.get(at).copied().map_or(0, u32::from),
            Page::Longs(items) => items.get(at).copied().unwrap_or(0),
            Page::Mapped(bytes, 1) => bytes.get(at).copied().map_or(0, u32::from),
            Page::Mapped(bytes, 2) => {
                bytes.get(2 * at..2 * at + 2).map_or(0, |b| u32::from(b[0]) | u32::from(b[1]) << 8)
            }
            Page::Mapped(bytes, _) => mapped::u32_at(bytes, at),
        }
    }

    /// All items, in as narrow a page as `most` needs.
    fn rebuilt(&self, len: usize, most: u32) -> Page {
        let items = (0..len).map(|at| self.get(at));
        match width_of(most) {
            1 => Page::Bytes(items.map(|item| item as u8).collect()),
            2 => Page::Shorts(items.map(|item| item as u16).collect()),
            _ => Page::Longs(items.collect()),
        }
    }

    fn most(&self) -> u32 {
        (0..self.len()).map(|at| self.get(at)).max().unwrap_or(0)
    }

    fn len(&self) -> usize {
        match self {
            Page::Bytes(items) => items.len(),
            Page::Shorts(items) => items.len(),
            Page::Longs(items) => items.len(),
            Page::Mapped(..) => PAGE,
        }
    }

    fn set(&mut self, at: usize, item: u32) {
        if matches!(self, Page::Mapped(..)) || width_of(item) > self.width() {
            *self = self.rebuilt(self.len(), self.most().max(item));
        }
        match self {
            Page::Bytes(items) => put(items, at, item as u8),
            Page::Shorts(items) => put(items, at, item as u16),
            Page::Longs(items) => put(items, at, item),
            Page::Mapped(..) => {}
        }
    }

    fn width(&self) -> u8 {
        match self {
            Page::Bytes(_) => 1,
            Page::Shorts(_) => 2,
            Page::Longs(_) => 4,
            Page::Mapped(_, width) => *width,
        }
    }
}

fn put<T: Copy + Default>(items: &mut Vec<T>, at: usize, item: T) {
    if items.len() <= at {
        items.resize(at + 1, T::default());
    }
    items[at] = item;
}

fn width_of(item: u32) -> u8 {
    match item {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

/// Calls `f` with the row and the code of every item that is one.
#[inline]
fn each(base: usize, items: impl Iterator<Item = u32>, f: &mut impl FnMut(u16, u32)) {
    for (row, item) in (base..).zip(items) {
        if let Some(code) = item.checked_sub(1) {
            f(row as u16, code);
        }
    }
}

impl Codes {
    /// The code of a contact.
    #[inline]
    pub fn get(&self, id: u32) -> Option<u32> {
        self.pages.get(id as usize / PAGE)?.get(id as usize % PAGE).checked_sub(1)
    }

    /// Sets or removes the code of a contact.
    pub fn set(&mut self, id: u32, code: Option<u32>) {
        let item = code.map_or(0, |code| code + 1);
        if item == 0 && self.get(id).is_none() {
            return;
        }
        let new = || Page::Bytes(Vec::new());
        self.pages.grow(id as usize / PAGE, new).set(id as usize % PAGE, item);
    }

    /// Calls `f` with the row and the code of every contact of a chunk that has one, ascending.
    pub fn each_of_chunk(&self, chunk: usize, mut f: impl FnMut(u16, u32)) {
        let first = chunk * (CHUNK / PAGE);
        for number in first..first + CHUNK / PAGE {
            let Some(page) = self.pages.get(number) else { return };
            let base = (number - first) * PAGE;
            // The width is looked at once and not for every item.
            match page {
                Page::Bytes(items) => each(base, items.iter().map(|item| u32::from(*item)), &mut f),
                Page::Shorts(items) => each(base, items.iter().map(|item| u32::from(*item)), &mut f),
                Page::Longs(items) => each(base, items.iter().copied(), &mut f),
                Page::Mapped(bytes, 4) => each(base, mapped::u32s(bytes), &mut f),
                Page::Mapped(..) => each(base, (0..page.len()).map(|at| page.get(at)), &mut f),
            }
        }
    }

    /// How many chunks may have codes.
    pub fn chunk_count(&self) -> usize {
        (self.pages.len() * PAGE).div_ceil(CHUNK)
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let owned = |page: &Page| match page {
            Page::Bytes(items) => items.capacity() as u64,
            Page::Shorts(items) => 2 * items.capacity() as u64,
            Page::Longs(items) => 4 * items.capacity() as u64,
            Page::Mapped(..) => 0,
        };
        self.pages.memory_bytes() + self.pages.iter().map(owned).sum::<u64>()
    }

    /// Writes the codes as sections whose names begin with `name`, each page as narrow as it can be.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let most: Vec<u32> = self.pages.iter().map(Page::most).collect();
        let used = most.iter().rposition(|most| *most != 0).map_or(0, |last| last + 1);
        let widths: Vec<u8> = most.into_iter().take(used).map(width_of).collect();
        sink.begin(&format!("{name}/widths"))?;
        sink.put(&widths)?;
        sink.begin(&format!("{name}/items"))?;
        let mut bytes = Vec::with_capacity(4 * PAGE);
        for (page, width) in self.pages.iter().zip(widths) {
            bytes.clear();
            for at in 0..PAGE {
                bytes.extend_from_slice(&page.get(at).to_le_bytes()[..usize::from(width)]);
            }
            sink.put(&bytes)?;
        }
        Ok(())
    }

    /// Reads what [`Codes::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<Codes, Damage> {
        let widths = source.section(&format!("{name}/widths"))?;
        let section = format!("{name}/items");
        let items = source.section(&section)?;
        let mut pages = Tree::default();
        let mut from = 0;
        for width in &widths[..] {
            if !matches!(width, 1 | 2 | 4) {
                return Err(Damage::at(name, pages.len() as u64, "a width of 1, 2 or 4 bytes", width));
            }
            let to = from + PAGE as u64 * u64::from(*width);
            pages.push(Page::Mapped(mapped::part(&section, &items, from, to)?, *width));
            from = to;
        }
        Ok(Codes { pages })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::codec::section::MemoryImage;

    fn all(codes: &Codes) -> BTreeMap<u32, u32> {
        let mut out = BTreeMap::new();
        for chunk in 0..codes.chunk_count() {
            codes.each_of_chunk(chunk, |row, code| {
                out.insert((chunk * CHUNK) as u32 + u32::from(row), code);
            });
        }
        out
    }

    #[test]
    fn codes_widen_and_survive_the_image() {
        let mut codes = Codes::default();
        let mut model = BTreeMap::new();
        for i in 0..30_000u32 {
            let (id, code) = (i * 7 % 70_001, [i % 3, i % 300, i * 97 % 70_000][i as usize % 3]);
            codes.set(id, Some(code));
            model.insert(id, code);
            if i % 5 == 0 {
                codes.set(i, None);
                model.remove(&i);
            }
        }
        assert_eq!(all(&codes), model);
        let kept = codes.clone();
        codes.set(1 << 20, Some(254));
        codes.set(1 << 20, None);
        let (mut one, mut two) = (MemoryImage::new(), MemoryImage::new());
        kept.encode("c", &mut one).unwrap();
        codes.encode("c", &mut two).unwrap();
        assert_eq!(one, two, "what was taken away again leaves nothing");
        let mut back = Codes::decode("c", &one).unwrap();
        assert_eq!(all(&back), model);
        back.set(3, Some(u32::MAX - 2));
        model.insert(3, u32::MAX - 2);
        assert_eq!(all(&back), model);
        assert_eq!(all(&kept).get(&3), kept.get(3).as_ref());
    }
}
