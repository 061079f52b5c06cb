//! Which rows of a page's packed part hold what is asked for: found for all of them together, by scans of their columns.

use crate::{
    bitmap::words::Words,
    index::{
        event_counts::CountRoom,
        event_group::EventGroup,
        event_index::EventIndex,
        event_page::{PAGE, Page, bits},
        event_plane::Plane,
    },
};

/// A test of single events.
pub trait RowFilter {
    /// Keeps of some rows of a page's packed part, as bits, those that pass.
    fn narrow(&self, page: &Page, rows: &mut [u64]);
    /// Whether event `i` of a group passes.
    fn passes(&self, group: &EventGroup<'_>, i: usize) -> bool;
}

/// Fewer contacts of a page than this are asked one by one.
pub(super) const TOGETHER_MIN: usize = PAGE / 16;

impl Page {
    /// Whether the values of a property in the packed part are sets.
    pub fn has_sets(&self, property: usize) -> bool {
        self.base.plane(property).is_some_and(Plane::has_sets)
    }

    /// Keeps of some rows of the packed part those that have a value of a property.
    pub fn keep_present(&self, property: usize, rows: &mut [u64]) {
        match self.base.plane(property) {
            None => rows.fill(0),
            Some(plane) => plane.keep_present(rows),
        }
    }

    /// Keeps of some rows of the packed part those whose value, which is no set, lies in one of the spans.
    pub fn keep_between(&self, property: usize, spans: &[(i128, i128)], rows: &mut [u64]) {
        match self.base.plane(property) {
            None => rows.fill(0),
            Some(plane) => plane.keep_between(spans, rows),
        }
    }

    /// Keeps of some rows of the packed part those of which one value or one code of a set passes.
    pub fn keep_passing(&self, property: usize, passes: &dyn Fn(i128) -> bool, rows: &mut [u64]) {
        match self.base.plane(property) {
            None => rows.fill(0),
            Some(plane) => plane.keep_passing(passes, rows),
        }
    }

    /// The rows of the packed part that lie in `lo..=hi` and that the filter, if there is one, lets pass, as bits. Units:
    /// milliseconds.
    pub fn marks_into(&self, (lo, hi): (i64, i64), filter: Option<&dyn RowFilter>, rows: &mut Vec<u64>) {
        self.packed_in(lo, hi, rows);
        if let Some(filter) = filter.filter(|_| rows.iter().any(|word| *word != 0)) {
            filter.narrow(self, rows);
        }
    }
}

impl Page {
    /// Calls `f` with each of some contacts, by bits, that has events, and with these.
    pub(super) fn each_group(&self, of: &[u64; PAGE / 64], mut f: impl FnMut(u16, &EventGroup<'_>)) {
        if asked(of) > TOGETHER_MIN {
            self.for_each(|slot, run, list| {
                if of[usize::from(slot) / 64] >> (slot % 64) & 1 == 1 {
                    f(slot, &EventGroup::at(self, run, list));
                }
            });
            return;
        }
        each(of, |slot| {
            let group = EventGroup::of(self, slot);
            if !group.is_empty() {
                f(slot, &group);
            }
        });
    }
}

impl EventIndex {
    /// Calls `f` with the contacts of a chunk that are in `of` and have events in `lo..=hi` that the filter, if there is
    /// one, lets pass, ascending, and perhaps with others of `of`. A group knows which of its events these are where that
    /// was found for a whole page. Units: milliseconds.
    pub fn for_each_passing(
        &self,
        chunk: usize,
        of: &Words,
        window: (i64, i64),
        filter: Option<&dyn RowFilter>,
        mut f: impl FnMut(u16, &EventGroup<'_>),
    ) {
        let mut marks = Vec::new();
        for (number, page) in self.pages(chunk) {
            let words = &of.0[number * PAGE / 64..(number + 1) * PAGE / 64];
            let first = (number * PAGE) as u16;
            if asked(words) > TOGETHER_MIN {
                page.marks_into(window, filter, &mut marks);
                page.for_each(|slot, run, list| {
                    if !of.get(first + slot) {
                        return;
                    }
                    let group = EventGroup::with_marks(page, run, list, window, &marks);
                    if group.may_pass() {
                        f(first + slot, &group);
                    }
                });
                continue;
            }
            each(words, |slot| {
                let group = EventGroup::of(page, slot);
                if !group.is_empty() {
                    f(first + slot, &group);
                }
            });
        }
    }

    /// Sets the bits of the contacts of a chunk with events, at least of those in `of`, of whom the number of events in
    /// `lo..=hi` that the filter, if there is one, lets pass is accepted. Units: milliseconds.
    pub fn counts_into(
        &self,
        chunk: usize,
        of: &Words,
        (lo, hi): (i64, i64),
        filter: Option<&dyn RowFilter>,
        accepts: impl Fn(usize) -> bool,
        out: &mut Words,
    ) {
        let mut room = CountRoom::default();
        let is_one = |group: &EventGroup<'_>, i: usize| filter.is_none_or(|filter| filter.passes(group, i));
        for (number, page) in self.pages(chunk) {
            let words = number * PAGE / 64..(number + 1) * PAGE / 64;
            if asked(&of.0[words.clone()]) > TOGETHER_MIN {
                page.counts_into((lo, hi), filter, &accepts, &mut room, &mut out.0[words]);
                continue;
            }
            let first = (number * PAGE) as u16;
            each(&of.0[words], |slot| {
                let group = EventGroup::of(page, slot);
                let count = || group.between(lo, hi).filter(|i| is_one(&group, *i)).count();
                if !group.is_empty() && accepts(count()) {
                    out.set(first + slot);
                }
            });
        }
    }
}

/// How many bits are set.
pub(super) fn asked(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// Calls `f` with every place whose bit is set.
pub(super) fn each(words: &[u64], mut f: impl FnMut(u16)) {
    for (place, word) in (0..).zip(words) {
        bits(*word).for_each(|bit| f(place * 64 + bit));
    }
}
