//! Which segments hold a contact: memberships once more, by contact, so that one contact's are found side by side.
//!
//! A row holds the numbers of the segments that a contact is in. A change of one contact rewrites its row. A change of
//! a whole chunk makes the segment loose there: it is answered by its members until enough are loose, and then the rows
//! of the chunk are written anew.

use std::collections::BTreeSet;

use crate::{
    bitmap::{CHUNK, chunk::Chunk, words::Words},
    index::trie::Trie,
    model::id::{ContactId, SegmentId},
    segment::{define::in_parts, formula::Sets},
};

/// Rows of a page: the contacts of one word of a chunk.
const ROWS: usize = 64;
/// Pages whose rows are written anew together: the words of a line of memory.
const TOGETHER: usize = 8;
/// From so many loose segments on the rows of a chunk are written anew, one chunk after each batch.
const LOOSE_MAX: usize = 16;
/// From one of so many segments on they are written at once: what is written grows with the segments, so it is written
/// more and more seldom while many segments are made.
const LOOSE_SHARE: usize = 4;

/// The segments that hold each contact. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    /// By chunk.
    blocks: Trie<Block>,
    /// Changes that are not in the rows yet, in order: who, of which segment, and whether it holds them now.
    waiting: Vec<(u32, SegmentId, bool)>,
    /// Chunks whose rows are to be written anew.
    slack: BTreeSet<usize>,
}

/// The rows of one chunk.
#[derive(Clone, Debug, Default)]
struct Block {
    /// Segments that are not answered by the rows, ascending.
    loose: Vec<Loose>,
    pages: Trie<Page>,
}

#[derive(Clone, Copy, Debug)]
struct Loose {
    segment: SegmentId,
    /// Whether rows may name it still.
    is_stale: bool,
}

/// The rows of 64 contacts, one after the other.
#[derive(Clone, Debug)]
struct Page {
    /// Bytes of each row.
    lens: [u16; ROWS],
    rows: Vec<u8>,
}

impl Default for Page {
    fn default() -> Page {
        Page { lens: [0; ROWS], rows: Vec::new() }
    }
}

/// The numbers of a row, ascending: each as its distance from the one before, in one byte, or in two or four after a
/// mark.
struct Numbers<'a> {
    row: &'a [u8],
    last: u32,
}

const TWO: u8 = 254;
const FOUR: u8 = 255;

impl Iterator for Numbers<'_> {
    type Item = SegmentId;

    fn next(&mut self) -> Option<SegmentId> {
        let (&first, rest) = self.row.split_first()?;
        let (distance, rest) = match first {
            TWO => (u32::from(u16::from_le_bytes([rest[0], rest[1]])), &rest[2..]),
            FOUR => (u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]), &rest[4..]),
            small => (u32::from(small), rest),
        };
        self.row = rest;
        self.last += distance;
        Some(SegmentId(self.last))
    }
}

/// Appends a row of ascending numbers.
fn put(rows: &mut Vec<u8>, numbers: &[SegmentId]) {
    let mut last = 0;
    for number in numbers {
        let distance = number.0 - last;
        last = number.0;
        match distance {
            0..254 => rows.push(distance as u8),
            254..65_536 => {
                rows.push(TWO);
                rows.extend_from_slice(&(distance as u16).to_le_bytes());
            }
            _ => {
                rows.push(FOUR);
                rows.extend_from_slice(&distance.to_le_bytes());
            }
        }
    }
}

impl Page {
    fn start(&self, row: usize) -> usize {
        self.lens[..row].iter().map(|len| usize::from(*len)).sum()
    }

    fn numbers(&self, row: usize) -> Numbers<'_> {
        let start = self.start(row);
        Numbers { row: &self.rows[start..start + usize::from(self.lens[row])], last: 0 }
    }

    fn append(&mut self, row: usize, numbers: &[SegmentId]) {
        let before = self.rows.len();
        put(&mut self.rows, numbers);
        self.lens[row] = len(self.rows.len() - before);
    }

    fn replace(&mut self, row: usize, numbers: &[SegmentId]) {
        let (start, mut new) = (self.start(row), Vec::with_capacity(2 * numbers.len()));
        put(&mut new, numbers);
        let old = usize::from(std::mem::replace(&mut self.lens[row], len(new.len())));
        self.rows.splice(start..start + old, new);
    }
}

fn len(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("10,000 segments of five bytes fit")
}

impl Block {
    fn loose_at(&self, segment: SegmentId) -> Result<usize, usize> {
        self.loose.binary_search_by_key(&segment, |loose| loose.segment)
    }

    /// Calls `f` with each number in the row of a contact that the row answers for.
    fn of(&self, at: u16, mut f: impl FnMut(SegmentId)) {
        let Some(page) = self.pages.get(u32::from(at) / ROWS as u32) else { return };
        for number in page.numbers(usize::from(at) % ROWS).filter(|number| self.loose_at(*number).is_err()) {
            f(number);
        }
    }

    /// Makes changes to the row of one contact, in order.
    fn change(&mut self, at: u16, changes: &[(u32, SegmentId, bool)]) {
        let mut tight = Vec::with_capacity(changes.len());
        for change in changes {
            match self.loose_at(change.1) {
                // The row keeps what it says, which may be wrong from now on.
                Ok(place) => self.loose[place].is_stale = true,
                Err(_) => tight.push(change),
            }
        }
        if tight.is_empty() {
            return;
        }
        let (number, row) = (u32::from(at) / ROWS as u32, usize::from(at) % ROWS);
        let page = self.pages.get_mut(number, Page::default);
        let mut numbers: Vec<SegmentId> = page.numbers(row).collect();
        for (_, segment, is_in) in tight {
            match (numbers.binary_search(segment), is_in) {
                (Err(place), true) => numbers.insert(place, *segment),
                (Ok(place), false) => drop(numbers.remove(place)),
                _ => {}
            }
        }
        page.replace(row, &numbers);
        if page.rows.is_empty() {
            self.pages.set(number, None);
        }
    }

    /// Writes the rows anew, with those of the loose segments of whom a chunk has members.
    fn tighten(&mut self, chunk: usize, sets: &impl Sets) {
        let stale: Vec<SegmentId> =
            self.loose.iter().filter(|loose| loose.is_stale).map(|loose| loose.segment).collect();
        let mut loose = Vec::with_capacity(self.loose.len());
        for segment in self.loose.iter().map(|loose| loose.segment) {
            let members = sets.members(segment).chunk(chunk);
            if !members.is_empty() {
                let mut words = Words::boxed();
                members.load_into(&mut words);
                loose.push((segment, words));
            }
        }
        let mut rows: Vec<Vec<SegmentId>> = vec![Vec::new(); TOGETHER * ROWS];
        for first in (0..CHUNK / ROWS).step_by(TOGETHER) {
            self.gather(first, &stale, &loose, &mut rows);
            for (number, rows) in (first..).zip(rows.chunks_mut(ROWS)) {
                let mut page = Page::default();
                for (row, numbers) in rows.iter_mut().enumerate() {
                    if !numbers.is_sorted() {
                        numbers.sort_unstable();
                    }
                    page.append(row, numbers);
                    numbers.clear();
                }
                page.rows.shrink_to_fit();
                let has_rows = !page.rows.is_empty();
                self.pages.set(number as u32, has_rows.then_some(page));
            }
        }
        self.loose.clear();
    }

    /// The rows of some pages: what they held but for what is stale, and the loose segments.
    fn gather(
        &self,
        first: usize,
        stale: &[SegmentId],
        loose: &[(SegmentId, Box<Words>)],
        rows: &mut [Vec<SegmentId>],
    ) {
        for (page, rows) in rows.chunks_mut(ROWS).enumerate() {
            let Some(page) = self.pages.get((first + page) as u32) else { continue };
            let mut rest = &page.rows[..];
            for (numbers, len) in rows.iter_mut().zip(page.lens) {
                let (row, after) = rest.split_at(usize::from(len));
                let held = Numbers { row, last: 0 };
                numbers.extend(held.filter(|number| stale.is_empty() || stale.binary_search(number).is_err()));
                rest = after;
            }
        }
        for (segment, words) in loose {
            for (word, rows) in words.0[first..first + TOGETHER].iter().zip(rows.chunks_mut(ROWS)) {
                let mut bits = *word;
                while bits != 0 {
                    rows[bits.trailing_zeros() as usize].push(*segment);
                    bits &= bits - 1;
                }
            }
        }
    }
}

impl Holders {
    /// The holders of everyone in the chunks of some sets.
    pub(super) fn restored(chunks: usize, segments: &[SegmentId], sets: &(impl Sets + Sync)) -> Holders {
        let loose: Vec<Loose> = segments.iter().map(|segment| Loose { segment: *segment, is_stale: false }).collect();
        let block = |chunk: usize| {
            let mut block = Block { loose: loose.clone(), pages: Trie::default() };
            if loose.len() > LOOSE_MAX {
                block.tighten(chunk, sets);
            }
            block
        };
        let chunks: Vec<usize> = (0..chunks).collect();
        let mut holders = Holders::default();
        for (chunk, block) in in_parts(&chunks, |chunk| block(*chunk)).into_iter().enumerate() {
            holders.blocks.set(chunk as u32, Some(block));
        }
        holders
    }

    /// Notes that a segment holds a contact from now on, or no longer; [`Holders::catch_up`] writes it to the rows.
    pub(super) fn change(&mut self, segment: SegmentId, contact: u32, is_in: bool) {
        self.waiting.push((contact, segment, is_in));
    }

    /// Notes that the members of a segment in a chunk, of whom these were there before, are others.
    pub(super) fn loosen(&mut self, segment: SegmentId, chunk: usize, before: &Chunk) {
        let block = self.blocks.get_mut(chunk as u32, Block::default);
        if let Err(place) = block.loose_at(segment) {
            block.loose.insert(place, Loose { segment, is_stale: !before.is_empty() });
            if block.loose.len() > LOOSE_MAX {
                self.slack.insert(chunk);
            }
        }
    }

    /// Whether there are chunks whose rows are to be written anew.
    pub(super) fn has_slack(&self) -> bool {
        !self.slack.is_empty()
    }

    /// Writes the changes to the rows, and the rows of those chunks anew where many of so many segments are loose.
    pub(super) fn catch_up(&mut self, segments: usize, sets: &(impl Sets + Sync)) {
        let mut waiting = std::mem::take(&mut self.waiting);
        // The changes of a contact stay in their order.
        waiting.sort_by_key(|(contact, ..)| *contact);
        for changes in waiting.chunk_by(|a, b| a.0 == b.0) {
            let contact = changes[0].0;
            self.blocks.get_mut(contact >> 16, Block::default).change(contact as u16, changes);
        }
        waiting.clear();
        self.waiting = waiting;
        let loose = |chunk: &usize| self.blocks.get(*chunk as u32).map_or(0, |block| block.loose.len());
        // Chunks take turns.
        let is_urgent = |chunk: &&usize| loose(chunk) > LOOSE_MAX + *chunk % LOOSE_MAX + segments / LOOSE_SHARE;
        let mut chunks: Vec<usize> = self.slack.iter().filter(is_urgent).copied().collect();
        if chunks.is_empty() {
            chunks.extend(self.slack.first());
        }
        let written = in_parts(&chunks, |chunk| {
            let mut block = self.blocks.get(*chunk as u32).cloned().unwrap_or_default();
            block.tighten(*chunk, sets);
            block
        });
        for (chunk, block) in chunks.iter().zip(written) {
            self.blocks.set(*chunk as u32, Some(block));
            self.slack.remove(chunk);
        }
    }

    /// The segments that hold a contact, ascending.
    pub(super) fn of(&self, contact: ContactId, sets: &impl Sets) -> Vec<SegmentId> {
        let mut holding = Vec::new();
        if let Some(block) = self.blocks.get(contact.0 >> 16) {
            block.of(contact.0 as u16, |segment| holding.push(segment));
            let loose = block.loose.iter().map(|loose| loose.segment);
            holding.extend(loose.filter(|segment| sets.members(*segment).contains(contact.0)));
            holding.sort_unstable();
        }
        holding
    }

    /// Whether they are the same as the members of these segments, and of no others.
    pub(super) fn agree(&self, chunks: usize, segments: &[SegmentId], sets: &impl Sets) -> bool {
        let mut told = vec![Words::zero(); segments.len()];
        let nothing = Block::default();
        self.waiting.is_empty()
            && (0..chunks).all(|chunk| {
                let block = self.blocks.get(chunk as u32).unwrap_or(&nothing);
                told.iter_mut().for_each(|words| words.fill(false));
                let mut are_known = true;
                for at in 0..=u16::MAX {
                    block.of(at, |segment| match segments.binary_search(&segment) {
                        Ok(place) => drop(told[place].set(at)),
                        Err(_) => are_known = false,
                    });
                }
                let is_told = |(segment, words): (&SegmentId, &Words)| {
                    block.loose_at(*segment).is_ok() || Chunk::from_words(words) == *sets.members(*segment).chunk(chunk)
                };
                are_known && segments.iter().zip(&told).all(is_told)
            })
    }

    /// Bytes on the heap, about.
    pub(super) fn memory_bytes(&self) -> u64 {
        let mut bytes = self.blocks.memory_bytes();
        self.blocks.each(&mut |_, block| {
            bytes += block.pages.memory_bytes() + (block.loose.capacity() * size_of::<Loose>()) as u64;
            block.pages.each(&mut |_, page| bytes += page.rows.capacity() as u64);
        });
        bytes
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::bitmap::posting::Posting;

    struct Members(Vec<Posting>);

    impl Sets for Members {
        fn predicate(&self, _: u32) -> &Posting {
            unreachable!("holders ask for members alone")
        }

        fn members(&self, id: SegmentId) -> &Posting {
            static NO_ONE: std::sync::LazyLock<Posting> = std::sync::LazyLock::new(Posting::new);
            self.0.get(id.index() / 150).unwrap_or(&NO_ONE)
        }
    }

    /// Far apart, so that rows have distances of every length.
    fn number(place: usize) -> SegmentId {
        SegmentId(place as u32 * 150 + u32::from(place > 70) * 70_000 * 150)
    }

    #[test]
    fn it_tells_who_holds_whom_after_changes_of_every_kind() {
        let mut random = rand_pcg::Pcg64::seed_from_u64(5);
        let (mut holders, mut members) = (Holders::default(), Members(vec![Posting::new(); 60]));
        let segments: Vec<SegmentId> = (0..60).map(number).collect();
        let contacts: Vec<u32> = (0..300).map(|n| n * n * 2).collect();
        for round in 0..400 {
            let place = random.random_range(0..60);
            let (segment, set) = (number(place), &mut members.0[place]);
            if random.random_bool(0.3) {
                let chunk = random.random_range(0..3);
                holders.loosen(segment, chunk, set.chunk(chunk));
                let few = contacts.iter().filter(|who| **who as usize / CHUNK == chunk).map(|who| *who as u16);
                set.set_chunk(chunk, Chunk::from_sorted(&few.filter(|_| random.random_bool(0.5)).collect::<Vec<_>>()));
            } else {
                let who: BTreeSet<u32> = (0..40).map(|_| contacts[random.random_range(0..contacts.len())]).collect();
                for contact in who {
                    let is_in = if set.contains(contact) { !set.remove(contact) } else { set.insert(contact) };
                    holders.change(segment, contact, is_in);
                }
            }
            holders.catch_up(round / 8, &members);
            if round % 20 == 0 {
                assert!(holders.agree(3, &segments, &members), "round {round}");
                let afresh = Holders::restored(3, &segments, &members);
                for contact in &contacts {
                    let expected: Vec<SegmentId> =
                        segments.iter().copied().filter(|id| members.members(*id).contains(*contact)).collect();
                    assert_eq!(holders.of(ContactId(*contact), &members), expected, "round {round}");
                    assert_eq!(afresh.of(ContactId(*contact), &members), expected, "round {round}");
                }
            }
        }
        members.0[7].insert(contacts[0] + 1);
        assert!(!holders.agree(3, &segments, &members), "a member that no row names");
    }

    #[test]
    fn rows_hold_numbers_of_every_size() {
        let numbers = [0, 1, 254, 255, 509, 65_535, 131_070, 131_071, 4_000_000_000].map(SegmentId);
        let mut page = Page::default();
        (0..ROWS).for_each(|row| page.append(row, &numbers[row % 9..]));
        page.replace(3, &numbers);
        page.replace(5, &[]);
        assert_eq!(page.numbers(3).collect::<Vec<_>>(), numbers);
        assert_eq!(page.numbers(5).count(), 0);
        assert_eq!(page.numbers(63).collect::<Vec<_>>(), numbers);
    }
}
