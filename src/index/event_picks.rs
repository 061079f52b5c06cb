//! Which events of each contact of a page pass, and when they happened: found for all of them together, column by column.

use crate::{
    bitmap::words::Words,
    index::{
        event_group::EventGroup,
        event_index::EventIndex,
        event_marks::{RowFilter, TOGETHER_MIN, asked, each},
        event_page::{PAGE, Page},
    },
};

/// Of more events than this those in a window are searched for; fewer are read all.
const SEARCHED_MIN: usize = 64;

/// Which events of a log are asked for.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The log.
    pub log: &'a EventIndex,
    /// The first and last instant. Units: milliseconds.
    pub window: (i64, i64),
    /// What they must pass, if anything.
    pub filter: Option<&'a dyn RowFilter>,
}

/// The rows of a page's packed part that pass, by contact, and what was read of them; the room is kept from page to page.
#[derive(Debug)]
pub struct Picks {
    /// The rows that pass, a bit each.
    rows: Vec<u64>,
    /// The first row of each present contact, and the end.
    starts: Vec<u32>,
    /// How many rows that pass come before each word.
    before: Vec<u32>,
    /// By contact of the page: which of the rows that pass are its own, from the first to before the second.
    pub(super) own: Box<[(u32, u32); PAGE]>,
    /// Of each row that passes.
    pub(super) values: Vec<i64>,
}

impl Default for Picks {
    fn default() -> Picks {
        let own = Box::new([(0, 0); PAGE]);
        Picks { rows: vec![], starts: vec![], before: vec![], own, values: vec![] }
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

    /// Finds the rows in a window that pass, and reads when they happened. Units: milliseconds.
    pub(super) fn read_times(&mut self, page: &Page, window: (i64, i64), filter: Option<&dyn RowFilter>) {
        self.find(page, window, filter);
        self.values.clear();
        page.base.times.pick_into(&self.rows, &mut self.values);
    }

    /// Finds the rows in a window that pass and have a text of a property, which has no sets here, and reads the codes of
    /// the texts. Units: milliseconds.
    pub(super) fn read_codes(
        &mut self,
        page: &Page,
        window: (i64, i64),
        filter: Option<&dyn RowFilter>,
        property: usize,
    ) {
        page.marks_into(window, filter, &mut self.rows);
        page.keep_present(property, &mut self.rows);
        self.values.clear();
        if let Some(plane) = page.base.plane(property) {
            plane.pick_into(&self.rows, &mut self.values);
        }
        self.share_out(page);
    }

    /// Reads when the events of one contact happened, all of which are in the packed part.
    fn read_one(&mut self, page: &Page, slot: u16, ask: &Ask<'_>) {
        let (mut run, (lo, hi)) = (page.packed_rows(slot), ask.window);
        if run.len() > SEARCHED_MIN {
            run = page.packed_between(slot, lo, hi);
        }
        self.values.clear();
        page.base.times.read_range(run.clone(), &mut self.values);
        match ask.filter {
            None => self.values.retain(|at| lo <= *at && *at <= hi),
            Some(filter) => {
                let (group, mut number) = (EventGroup::at(page, run, None), 0);
                self.values.retain(|at| {
                    number += 1;
                    lo <= *at && *at <= hi && filter.passes(&group, number - 1)
                });
            }
        }
        self.own[usize::from(slot)] = (0, self.values.len() as u32);
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
pub(super) fn sum_up(words: &[u64], before: &mut Vec<u32>) {
    before.clear();
    before.extend(words.iter().scan(0, |sum, word| Some(std::mem::replace(sum, *sum + word.count_ones()))));
}

/// How many bits are set before a place.
#[inline]
pub(super) fn rank(words: &[u64], before: &[u32], at: u32) -> u32 {
    let (word, bit) = (at as usize / 64, at % 64);
    before[word] + (words[word] & ((1 << bit) - 1)).count_ones()
}

/// What is known of a contact.
pub enum Picked<'a> {
    /// When they happened.
    Read(Read<'a>),
    /// Its events of the first log, to be read.
    Group(&'a EventGroup<'a>),
}

/// When a contact's events happened.
pub struct Read<'a> {
    asks: &'a [Ask<'a>],
    picks: &'a mut [Picks],
    /// The chunk and the number of the page, if nobody was read yet.
    unread: Option<(usize, usize)>,
    slot: u16,
}

impl Read<'_> {
    /// The times of those that a question is about, by its number, in order. Units: milliseconds.
    #[inline]
    pub fn times(&mut self, question: usize) -> &[i64] {
        let (ask, picks) = (&self.asks[question], &mut self.picks[question]);
        if let Some((chunk, number)) = self.unread
            && let Some(page) = ask.log.page_of(chunk, number)
        {
            picks.read_one(page, self.slot, ask);
        }
        picks.values(self.slot)
    }
}

/// Calls `f` with the contacts of a chunk that are in `of` and have events of the first log. There is one question or
/// more, the first about the first log.
pub fn each_picked(asks: &[Ask<'_>], chunk: usize, of: &Words, mut f: impl FnMut(u16, Picked<'_>)) {
    let mut picks: Vec<Picks> = asks.iter().map(|_| Picks::default()).collect();
    for (number, page) in asks[0].log.pages(chunk) {
        let words = &of.0[number * PAGE / 64..(number + 1) * PAGE / 64];
        let (first, count) = ((number * PAGE) as u16, asked(words));
        if count == 0 {
            continue;
        }
        let is_few = count <= TOGETHER_MIN;
        // Who has events outside of a packed part is read alone.
        let mut alone = [0u64; PAGE / 64];
        for (ask, picks) in asks.iter().zip(&mut picks) {
            match ask.log.page_of(chunk, number) {
                Some(page) => {
                    alone.iter_mut().zip(page.in_tail()).for_each(|(alone, more)| *alone |= more);
                    if !is_few {
                        picks.read_times(page, ask.window, ask.filter);
                    }
                }
                None => picks.own.fill((0, 0)),
            }
        }
        let mut together = page.base.present;
        together.iter_mut().zip(words).zip(&alone).for_each(|((word, of), alone)| *word &= of & !alone);
        let unread = is_few.then_some((chunk, number));
        each(&together, |slot| {
            f(first + slot, Picked::Read(Read { asks, picks: &mut picks, unread, slot }));
        });
        alone.iter_mut().zip(words).for_each(|(alone, of)| *alone &= of);
        page.each_group(&alone, |slot, group| f(first + slot, Picked::Group(group)));
    }
}
