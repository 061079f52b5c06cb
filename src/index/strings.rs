//! Texts by id, in pages of 1,024: a persistent vector of texts, usable in place from mapped bytes.

use bytes::Bytes;

use crate::{
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{mapped, tree::Tree},
};

/// Texts of one page.
pub const PAGE: usize = 1_024;

/// Texts by id.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    pages: Tree<Page>,
    len: u32,
}

#[derive(Clone, Debug)]
enum Page {
    Owned { ends: Vec<u32>, text: String },
    Mapped { ends: Bytes, text: Bytes },
}

impl Page {
    fn end(&self, at: usize) -> usize {
        match self {
            Page::Owned { ends, .. } => ends.get(at).map_or(0, |end| *end as usize),
            Page::Mapped { ends, .. } => mapped::u32_at(ends, at) as usize,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Page::Owned { text, .. } => text.as_bytes(),
            Page::Mapped { text, .. } => text,
        }
    }

    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.end(at - 1) }
    }

    fn range(&self, from: usize, to: usize) -> &[u8] {
        self.bytes().get(self.start(from)..self.start(to)).unwrap_or(&[])
    }

    fn count(&self) -> usize {
        match self {
            Page::Owned { ends, .. } => ends.len(),
            Page::Mapped { ends, .. } => ends.len() / 4,
        }
    }

    /// The page's own copy to write to.
    fn owned(&mut self) -> (&mut Vec<u32>, &mut String) {
        if let Page::Mapped { ends, text } = self {
            let text = String::from_utf8_lossy(text).into_owned();
            *self = Page::Owned { ends: mapped::u32s(ends).collect(), text };
        }
        match self {
            Page::Owned { ends, text } => (ends, text),
            Page::Mapped { .. } => unreachable!("the page was just made its own"),
        }
    }
}

impl Strings {
    /// One above the highest id.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Returns whether no id was given.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of a text; empty where there is none.
    #[inline]
    pub fn bytes(&self, id: u32) -> &[u8] {
        let at = id as usize % PAGE;
        self.pages.get(id as usize / PAGE).map_or(&[], |page| page.range(at, at + 1))
    }

    /// The text of an id; empty where there is none.
    pub fn get(&self, id: u32) -> &str {
        let at = id as usize % PAGE;
        match self.pages.get(id as usize / PAGE) {
            Some(page @ Page::Owned { text, .. }) => text.get(page.start(at)..page.start(at + 1)).unwrap_or(""),
            Some(page) => std::str::from_utf8(page.range(at, at + 1)).unwrap_or(""),
            None => "",
        }
    }

    /// The texts of `from..to`, which lie in one page, one after the other; `end` gives where each ends in them.
    pub fn run(&self, from: u32, to: u32, ends: &mut Vec<usize>) -> &[u8] {
        ends.clear();
        let Some(page) = self.pages.get(from as usize / PAGE) else { return &[] };
        let first = (from as usize % PAGE).min(page.count());
        let last = (first + (to - from) as usize).min(page.count());
        let start = page.start(first);
        let of = |end: u32| (end as usize).saturating_sub(start);
        match page {
            Page::Owned { ends: all, .. } => ends.extend(all[first..last].iter().map(|end| of(*end))),
            Page::Mapped { ends: all, .. } => ends.extend(mapped::u32s(&all[4 * first..4 * last]).map(of)),
        }
        page.range(first, last)
    }

    /// Adds a text; gives its id.
    pub fn push(&mut self, new: &str) -> u32 {
        let id = self.len;
        let fresh = || Page::Owned { ends: Vec::new(), text: String::new() };
        let (ends, text) = self.pages.grow(id as usize / PAGE, fresh).owned();
        if ends.is_empty() {
            ends.reserve_exact(PAGE.min(16.max(id as usize)));
        }
        text.push_str(new);
        ends.push(text.len() as u32);
        if ends.len() == PAGE {
            text.shrink_to_fit();
            ends.shrink_to_fit();
        }
        self.len += 1;
        id
    }

    /// Replaces the text of an id that was given; an empty one leaves no trace of it.
    pub fn set(&mut self, id: u32, new: &str) {
        let at = id as usize % PAGE;
        let Some(page) = self.pages.get_mut(id as usize / PAGE) else { return };
        let (start, end) = (page.start(at), page.end(at));
        let (ends, text) = page.owned();
        if at >= ends.len() || text.get(start..end).is_none() {
            return;
        }
        text.replace_range(start..end, new);
        for later in &mut ends[at..] {
            *later = (*later as usize - (end - start) + new.len()) as u32;
        }
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let owned = |page: &Page| match page {
            Page::Owned { ends, text } => (4 * ends.capacity() + text.capacity()) as u64,
            Page::Mapped { .. } => 0,
        };
        self.pages.memory_bytes() + self.pages.iter().map(owned).sum::<u64>()
    }

    /// Writes the texts as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        sink.begin(&format!("{name}/ends"))?;
        for page in self.pages.iter() {
            sink.put(&mapped::u32_bytes((0..page.count()).map(|at| page.end(at) as u32)))?;
        }
        sink.begin(&format!("{name}/starts"))?;
        let mut start = 0u64;
        for page in self.pages.iter() {
            sink.put(&start.to_le_bytes())?;
            start += page.bytes().len() as u64;
        }
        sink.put(&start.to_le_bytes())?;
        sink.begin(&format!("{name}/text"))?;
        self.pages.iter().try_for_each(|page| sink.put(page.bytes()))
    }

    /// Reads what [`Strings::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<Strings, Damage> {
        let section = |part: &str| source.section(&format!("{name}/{part}"));
        let (ends, starts, text) = (section("ends")?, section("starts")?, section("text")?);
        let len = mapped::items(name, &ends, 4)?;
        if starts.len() != 8 * (len.div_ceil(PAGE) + 1) || u32::try_from(len).is_err() {
            return Err(Damage::at(name, 0, "a start for each page of texts", format!("{} bytes", starts.len())));
        }
        let mut pages = Tree::default();
        for (page, first) in (0..len).step_by(PAGE).enumerate() {
            let (from, to) = (mapped::u64_at(&starts, page), mapped::u64_at(&starts, page + 1));
            let ends = ends.slice(4 * first..4 * len.min(first + PAGE));
            pages.push(Page::Mapped { ends, text: mapped::part(name, &text, from, to)? });
        }
        Ok(Strings { pages, len: len as u32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::section::MemoryImage;

    #[test]
    fn texts_change_in_place_and_survive_the_image() {
        let mut strings = Strings::default();
        let mut model: Vec<String> = vec![];
        for i in 0..5_000u32 {
            let text = format!("text-{i}-ä{}", "x".repeat(i as usize % 13));
            assert_eq!(strings.push(&text), i);
            model.push(text);
        }
        let kept = strings.clone();
        for (i, new) in [(0u32, ""), (1_023, "longer than it was before"), (1_024, "ß"), (4_999, "")] {
            strings.set(i, new);
            model[i as usize] = new.into();
        }
        let same = |strings: &Strings, model: &[String]| {
            strings.len() as usize == model.len() && (0..strings.len()).all(|i| strings.get(i) == model[i as usize])
        };
        assert!(same(&strings, &model));
        assert_eq!(kept.get(1_024), "text-1024-äxxxxxxxxxx");
        let mut image = MemoryImage::new();
        strings.encode("s", &mut image).unwrap();
        let mut back = Strings::decode("s", &image).unwrap();
        assert!(same(&back, &model));
        back.set(7, "seven");
        model[7] = "seven".into();
        model.push("end".into());
        assert_eq!(back.push("end"), 5_000);
        assert!(same(&back, &model));
        let mut ends = vec![];
        assert_eq!(back.run(1_024, 1_026, &mut ends), [model[1_024].as_bytes(), model[1_025].as_bytes()].concat());
        assert_eq!(ends, [2, 2 + model[1_025].len()]);
        assert_eq!((back.get(9_999), back.bytes(9_999)), ("", &[][..]));
    }
}
