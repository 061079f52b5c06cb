//! On how many distinct days, or in how many other stretches of time, or with how many texts each contact of a page has
//! events: counted for all of them together.

use crate::{
    bitmap::words::Words,
    index::{
        event_group::EventGroup,
        event_index::EventIndex,
        event_marks::{RowFilter, TOGETHER_MIN, asked},
        event_page::{PAGE, Page, bits},
        event_picks::{Picks, rank, sum_up},
    },
};

/// What tells events apart.
#[derive(Clone, Copy)]
pub enum Distinct<'a> {
    /// The stretch of time that they lie in.
    Stretches(&'a dyn Numbering),
    /// The text of a property, by position: by code the lowest code of the texts that count as the same one. Events
    /// without a text are not counted.
    Texts(usize, &'a [u32]),
}

/// Numbers of days, or of other stretches of time.
pub trait Numbering {
    /// Puts in the place of each time, in milliseconds, the number of the stretch that it lies in.
    fn number(&self, times: &mut [i64]);
}

/// So few numbers are compared with each other.
const FEW: usize = 16;

/// Room to count in, kept from page to page.
#[derive(Debug)]
struct Room {
    picks: Picks,
    /// A bit for each row that passes and is the first of its contact.
    firsts: Vec<u64>,
    /// How many of these come before each word.
    before: Vec<u32>,
    /// By contact of the page; read where there are events alone.
    counts: Box<[u32; PAGE]>,
}

impl EventIndex {
    /// Sets the bits of the contacts of a chunk, of those in `of` with events, whose events in `lo..=hi` that the filter,
    /// if there is one, lets pass are of an accepted number of distinct kinds. Who cannot be counted with the others is
    /// asked `alone`. Units: milliseconds.
    pub fn distinct_into(
        &self,
        chunk: usize,
        of: &Words,
        (window, filter): ((i64, i64), Option<&dyn RowFilter>),
        distinct: Distinct<'_>,
        accepts: impl Fn(u64) -> bool,
        alone: impl Fn(u16, &EventGroup<'_>) -> bool,
        out: &mut Words,
    ) {
        let mut room = Room { picks: Picks::default(), firsts: vec![], before: vec![], counts: Box::new([0; PAGE]) };
        for (number, page) in self.pages(chunk) {
            let words = number * PAGE / 64..(number + 1) * PAGE / 64;
            let (of, out, first) = (&of.0[words.clone()], &mut out.0[words], (number * PAGE) as u16);
            let mut set = |slot: u16, group: &EventGroup<'_>| {
                out[usize::from(slot) / 64] |= u64::from(alone(first + slot, group)) << (slot % 64);
            };
            // Who has events outside of the packed part is asked alone.
            let mut left = page.in_tail();
            if asked(of) <= TOGETHER_MIN || !room.count(page, window, filter, distinct) {
                left.fill(!0);
            }
            left.iter_mut().zip(of).for_each(|(left, of)| *left &= of);
            page.each_group(&left, |slot, group| set(slot, group));
            for (at, out) in out.iter_mut().enumerate() {
                for bit in bits(page.base.present[at] & of[at] & !left[at]) {
                    *out |= u64::from(accepts(room.counts[at * 64 + usize::from(bit)].into())) << bit;
                }
            }
        }
    }
}

impl Room {
    /// Counts for each contact of the packed part; returns whether that can be done for all together.
    fn count(
        &mut self,
        page: &Page,
        window: (i64, i64),
        filter: Option<&dyn RowFilter>,
        distinct: Distinct<'_>,
    ) -> bool {
        match distinct {
            Distinct::Stretches(stretches) => {
                self.picks.read_times(page, window, filter);
                stretches.number(&mut self.picks.values);
                self.find_firsts(page);
                self.count_turns(page);
            }
            Distinct::Texts(property, _) if page.has_sets(property) => return false,
            Distinct::Texts(property, equals) => {
                self.picks.read_codes(page, window, filter, property);
                self.picks.values.iter_mut().for_each(|code| *code = equals[*code as usize].into());
                if equals.len() <= u64::BITS as usize {
                    self.find_firsts(page);
                    self.count_low(page);
                } else {
                    self.count_each(page);
                }
            }
        }
        true
    }

    /// Marks the first row of each contact.
    fn find_firsts(&mut self, page: &Page) {
        self.firsts.clear();
        self.firsts.resize(self.picks.values.len() / 64 + 1, 0);
        for slot in page.base.slots() {
            let (from, to) = self.picks.own[usize::from(slot)];
            self.firsts[from as usize / 64] |= u64::from(from < to) << (from % 64);
        }
    }

    /// Counts numbers of which the same ones stand together: each row counts that has another one than the row before.
    fn count_turns(&mut self, page: &Page) {
        let mut last = i64::MIN;
        for (word, numbers) in self.firsts.iter_mut().zip(self.picks.values.chunks(64)) {
            let mut turns = 0;
            for (at, number) in numbers.iter().enumerate() {
                turns |= u64::from(*number != std::mem::replace(&mut last, *number)) << at;
            }
            *word |= turns;
        }
        sum_up(&self.firsts, &mut self.before);
        let mut from = 0;
        for slot in page.base.slots() {
            let to = rank(&self.firsts, &self.before, self.picks.own[usize::from(slot)].1);
            self.counts[usize::from(slot)] = to - std::mem::replace(&mut from, to);
        }
    }

    /// Counts numbers below 64: in the place of each comes what its contact had so far, a bit each.
    fn count_low(&mut self, page: &Page) {
        let mut seen = 0u64;
        for (firsts, numbers) in self.firsts.iter().zip(self.picks.values.chunks_mut(64)) {
            for (at, number) in numbers.iter_mut().enumerate() {
                let is_first = firsts >> at & 1;
                seen = seen & is_first.wrapping_sub(1) | 1 << *number;
                *number = seen as i64;
            }
        }
        for slot in page.base.slots() {
            let (from, to) = self.picks.own[usize::from(slot)];
            let seen = if from < to { self.picks.values[to as usize - 1] } else { 0 };
            self.counts[usize::from(slot)] = seen.count_ones();
        }
    }

    /// Counts any numbers.
    fn count_each(&mut self, page: &Page) {
        for slot in page.base.slots() {
            let (from, to) = self.picks.own[usize::from(slot)];
            self.counts[usize::from(slot)] = distinct_of(&mut self.picks.values[from as usize..to as usize]);
        }
    }
}

/// How many distinct numbers there are, which are sorted for it if there are many.
fn distinct_of(numbers: &mut [i64]) -> u32 {
    if numbers.len() > FEW {
        numbers.sort_unstable();
        return numbers.chunk_by(|a, b| a == b).count() as u32;
    }
    let (mut seen, mut len) = ([0; FEW], 0);
    for number in numbers {
        seen[len] = *number;
        len += usize::from(!seen[..len].contains(number));
    }
    len as u32
}
