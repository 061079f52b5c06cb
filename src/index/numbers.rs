//! A 32-bit number for each id: a persistent, paged vector, usable in place from mapped bytes.

use bytes::Bytes;

use crate::{
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{mapped, tree::Tree},
};

/// Numbers of one page.
const PAGE: usize = 4_096;

/// Numbers by id; 0 where none was set.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    pages: Tree<Page>,
}

#[derive(Clone, Debug)]
enum Page {
    Owned(Vec<u32>),
    Mapped(Bytes),
}

impl Numbers {
    /// The number of an id.
    #[inline]
    pub fn get(&self, id: u32) -> u32 {
        let at = id as usize % PAGE;
        match self.pages.get(id as usize / PAGE) {
            Some(Page::Owned(numbers)) => numbers.get(at).copied().unwrap_or(0),
            Some(Page::Mapped(bytes)) => mapped::u32_at(bytes, at),
            None => 0,
        }
    }

    /// Sets the number of an id.
    pub fn set(&mut self, id: u32, number: u32) {
        let at = id as usize % PAGE;
        let page = self.pages.grow(id as usize / PAGE, || Page::Owned(Vec::new()));
        if let Page::Mapped(bytes) = page {
            *page = Page::Owned(mapped::u32s(bytes).collect());
        }
        if let Page::Owned(numbers) = page {
            if numbers.len() <= at {
                numbers.resize(at + 1, 0);
            }
            numbers[at] = number;
        }
    }

    /// Appends the numbers of `from..to` to `out`.
    pub fn copy_into(&self, from: u32, to: u32, out: &mut Vec<u32>) {
        let (mut at, to) = (from as usize, to as usize);
        while at < to {
            let (first, end) = (at % PAGE, to.min((at / PAGE + 1) * PAGE) - at + at % PAGE);
            let len = out.len() + end - first;
            match self.pages.get(at / PAGE) {
                Some(Page::Owned(numbers)) => out.extend(numbers.iter().take(end).skip(first)),
                Some(Page::Mapped(bytes)) => out.extend(mapped::u32s(bytes).take(end).skip(first)),
                None => {}
            }
            out.resize(len, 0);
            at += end - first;
        }
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let owned = |page: &Page| match page {
            Page::Owned(numbers) => 4 * numbers.capacity() as u64,
            Page::Mapped(_) => 0,
        };
        self.pages.memory_bytes() + self.pages.iter().map(owned).sum::<u64>()
    }

    /// Writes the numbers of the ids below `end` as a section.
    pub fn encode(&self, name: &str, end: u32, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        sink.begin(name)?;
        let mut numbers = Vec::with_capacity(PAGE);
        for from in (0..end).step_by(PAGE) {
            numbers.clear();
            self.copy_into(from, end.min(from.saturating_add(PAGE as u32)), &mut numbers);
            sink.put(&mapped::u32_bytes(numbers.iter().copied()))?;
        }
        Ok(())
    }

    /// Reads what [`Numbers::encode`] wrote; gives how many there are, too.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<(Numbers, usize), Damage> {
        let bytes = source.section(name)?;
        let len = mapped::items(name, &bytes, 4)?;
        let page = |from: usize| Page::Mapped(bytes.slice(4 * from..4 * len.min(from + PAGE)));
        Ok((Numbers { pages: (0..len).step_by(PAGE).map(page).collect() }, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::section::MemoryImage;

    #[test]
    fn numbers_survive_the_image_and_later_writes() {
        let mut numbers = Numbers::default();
        for id in (0..10_000u32).step_by(3) {
            numbers.set(id, id * 7 + 1);
        }
        let kept = numbers.clone();
        numbers.set(9, 5);
        assert_eq!((kept.get(9), numbers.get(9), numbers.get(10), numbers.get(1 << 30)), (64, 5, 0, 0));
        let mut image = MemoryImage::new();
        numbers.encode("n", 10_000, &mut image).unwrap();
        let (mut back, len) = Numbers::decode("n", &image).unwrap();
        assert_eq!(len, 10_000);
        let all = |numbers: &Numbers| {
            let mut out = vec![];
            numbers.copy_into(0, 12_000, &mut out);
            out
        };
        assert_eq!(all(&back), all(&numbers));
        assert_eq!(all(&back).len(), 12_000);
        back.set(4_097, 1);
        back.set(11_000, 2);
        assert_eq!((back.get(4_097), back.get(11_000), back.get(9)), (1, 2, 5));
    }
}
