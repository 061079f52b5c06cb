//! Which events of each contact of a page pass, and what they hold: found for all of them together, column by column.

use crate::{
    bitmap::words::Words,
    index::{
        event_group::EventGroup,
        event_index::EventIndex,
        event_marks::{RowFilter, TOGETHER_MIN, asked, each},
        event_page::{PAGE, Page},
    },
};

/// What is read of an event.
#[derive(Clone, Copy)]
pub enum Of<'a> {
    /// When it happened. Units: milliseconds.
    Times,
    /// The code of the text of a property, by position; events without one do not pass.
    Codes(usize),
    /// The number of the stretch of time that it lies in.
    Numbers(&'a dyn Numbering),
}

/// Numbers of days, or of other stretches of time.
pub trait Numbering {
    /// Puts in the place of each time, in milliseconds, the number of the stretch that it lies in.
    fn number(&self, times: &mut [i64]);
}

/// Which events of a log are asked for, and what is read of them.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The log.
    pub log: &'a EventIndex,
    /// The first and last instant. Units: milliseconds.
    pub window: (i64, i64),
    /// What they must pass, if anything.
    pub filter: Option<&'a dyn RowFilter>,
    /// What is read.
    pub of: Of<'a>,
}

/// The rows of a page's packed part that pass, by contact, and what was read of them; its room is kept from page to page.
#[derive(Debug)]
pub struct Picks {
    /// The rows that pass, a bit each.
    rows: Vec<u64>,
    /// The first row of each present contact, and the end.
    starts: Vec<u32>,
    /// How many rows that pass come before each word.
    before: Vec<u32>,
    /// By contact of the page: which of the rows that pass are its own, from the first to before the second.
    own: Box<[(u32, u32); PAGE]>,
    /// Of each row that passes.
    values: Vec<i64>,
    /// Where numbers are asked for: a bit for each row that passes and has another number than the one before, and how
    /// many there are before each word.
    turns: (Vec<u64>, Vec<u32>),
}

impl Default for Picks {
    fn default() -> Picks {
        let own = Box::new([(0, 0); PAGE]);
        Picks { rows: vec![], starts: vec![], before: vec![], own, values: vec![], turns: (vec![], vec![]) }
    }
}

impl Picks {
    /// Finds the rows in a window that the filter, if there is one, lets pass. Units: milliseconds.
    pub(super) fn find(&mut self, page: &Page, window: (i64, i64), filter: Option<&dyn RowFilter>) {
        page.marks_into(window, filter, &mut self.rows);
        self.share_out(page);
    }

    /// Finds out whose the rows are.
    fn share_out(&mut self, page: &Page) {
        let Picks { rows, starts, before, own, .. } = self;
        page.base.starts.read_into(starts);
        rows.push(0);
        sum_up(rows, before);
        let is_all = before.last().is_some_and(|passing| *passing as usize == page.base.times.len());
        own.fill((0, 0));
        let mut from = 0;
        for (slot, end) in page.base.slots().zip(&starts[1..]) {
            let to = if is_all { *end } else { rank(rows, before, *end) };
            own[usize::from(slot)] = (from, to);
            from = to;
        }
    }

    /// Finds what is asked for and reads it; returns whether that can be done for all contacts together.
    fn read(&mut self, page: &Page, ask: &Ask<'_>) -> bool {
        page.marks_into(ask.window, ask.filter, &mut self.rows);
        self.values.clear();
        match ask.of {
            Of::Times => page.base.times.pick_into(&self.rows, &mut self.values),
            Of::Numbers(stretches) => {
                page.base.times.pick_into(&self.rows, &mut self.values);
                stretches.number(&mut self.values);
                self.find_turns();
            }
            Of::Codes(property) if page.has_sets(property) => return false,
            Of::Codes(property) => {
                page.keep_present(property, &mut self.rows);
                if let Some(plane) = page.base.plane(property) {
                    plane.pick_into(&self.rows, &mut self.values);
                }
            }
        }
        self.share_out(page);
        true
    }

    /// Marks each row whose number differs from the one before.
    fn find_turns(&mut self) {
        let (turns, before) = &mut self.turns;
        turns.clear();
        let mut last = i64::MIN;
        for numbers in self.values.chunks(64) {
            let mut word = 0;
            for (at, number) in numbers.iter().enumerate() {
                word |= u64::from(*number != std::mem::replace(&mut last, *number)) << at;
            }
            turns.push(word);
        }
        turns.push(0);
        sum_up(turns, before);
    }

    /// In how many stretches of time the rows of a contact lie.
    fn numbers(&self, slot: u16) -> u32 {
        let (from, to) = self.own[usize::from(slot)];
        let (turns, before) = &self.turns;
        // The first row may have the number of the contact before.
        if from == to { 0 } else { 1 + rank(turns, before, to) - rank(turns, before, from + 1) }
    }

    /// How many rows of a contact pass.
    #[inline]
    pub(super) fn count(&self, slot: u16) -> u32 {
        let (from, to) = self.own[usize::from(slot)];
        to - from
    }

    #[inline]
    fn values(&self, slot: u16) -> &[i64] {
        let (from, to) = self.own[usize::from(slot)];
        &self.values[from as usize..to as usize]
    }
}

/// `before` = how many bits are set before each word.
fn sum_up(words: &[u64], before: &mut Vec<u32>) {
    before.clear();
    before.extend(words.iter().scan(0, |sum, word| Some(std::mem::replace(sum, *sum + word.count_ones()))));
}

/// How many bits are set before a place.
#[inline]
fn rank(words: &[u64], before: &[u32], at: u32) -> u32 {
    let (word, bit) = (at as usize / 64, at % 64);
    before[word] + (words[word] & ((1 << bit) - 1)).count_ones()
}

/// What is known of a contact.
pub enum Picked<'a> {
    /// What was asked for, read.
    Read(Read<'a>),
    /// Its events of the first log, to be read.
    Group(&'a EventGroup<'a>),
}

/// What was read of a contact's events.
#[derive(Clone, Copy)]
pub struct Read<'a> {
    picks: &'a [Picks],
    slot: u16,
}

impl<'a> Read<'a> {
    /// What was read for a question, by its number, in the order of time and arrival.
    #[inline]
    pub fn values(self, question: usize) -> &'a [i64] {
        self.picks[question].values(self.slot)
    }

    /// In how many stretches of time its events lie, where their numbers were asked for.
    #[inline]
    pub fn numbers(self, question: usize) -> u64 {
        self.picks[question].numbers(self.slot).into()
    }
}

/// Calls `f` with the contacts of a chunk that are in `of` and have events of the first log. There is one question or
/// more, the first about the first log.
pub fn each_picked(asks: &[Ask<'_>], chunk: usize, of: &Words, mut f: impl FnMut(u16, Picked<'_>)) {
    let mut picks: Vec<Picks> = asks.iter().map(|_| Picks::default()).collect();
    for (number, page) in asks[0].log.pages(chunk) {
        let words = &of.0[number * PAGE / 64..(number + 1) * PAGE / 64];
        let first = (number * PAGE) as u16;
        if asked(words) <= TOGETHER_MIN {
            each(words, |slot| {
                let group = EventGroup::of(page, slot);
                if !group.is_empty() {
                    f(first + slot, Picked::Group(&group));
                }
            });
            continue;
        }
        // Who has events outside of a packed part is read alone.
        let mut alone = [0u64; PAGE / 64];
        for (ask, picks) in asks.iter().zip(&mut picks) {
            let page = ask.log.page_of(chunk, number);
            match page.map(|page| (page, picks.read(page, ask))) {
                Some((page, true)) => {
                    page.tail.slots().iter().for_each(|slot| alone[usize::from(*slot) / 64] |= 1 << (slot % 64));
                }
                Some((_, false)) => alone.fill(!0),
                None => picks.own.fill((0, 0)),
            }
        }
        let mut together = page.base.present;
        together.iter_mut().zip(words).zip(&alone).for_each(|((word, of), alone)| *word &= of & !alone);
        each(&together, |slot| f(first + slot, Picked::Read(Read { picks: &picks, slot })));
        if alone != [0; PAGE / 64] {
            page.for_each(|slot, run, list| {
                if of.get(first + slot) && alone[usize::from(slot) / 64] >> (slot % 64) & 1 == 1 {
                    f(first + slot, Picked::Group(&EventGroup::at(page, run, list)));
                }
            });
        }
    }
}
