//! The events of one kind of one contact, in the order of time and arrival, whatever part of the page they lie in.

use std::{borrow::Cow, ops::Range};

use crate::{
    index::{
        event_page::{Page, partition},
        event_tail::NO_ID,
    },
    model::time::Timestamp,
};

/// A view of one contact's events of one kind. Properties are named by their position in the kind.
#[derive(Clone, Debug)]
pub struct EventGroup<'a> {
    page: Option<&'a Page>,
    rows: Rows<'a>,
    /// A window, and which events lie in it.
    known: Option<((i64, i64), Range<usize>)>,
}

#[derive(Clone, Debug)]
enum Rows<'a> {
    /// A run of the packed part.
    Run(Range<usize>),
    /// Rows of both parts, in order.
    List(Cow<'a, [u32]>),
}

impl<'a> EventGroup<'a> {
    /// A contact without events.
    pub fn empty() -> EventGroup<'a> {
        EventGroup { page: None, rows: Rows::Run(0..0), known: None }
    }

    /// A contact's events in a page.
    pub fn of(page: &'a Page, slot: u16) -> EventGroup<'a> {
        let rows = match page.mixed_rows(slot) {
            Some(list) => Rows::List(Cow::Owned(list)),
            None => Rows::Run(page.packed_rows(slot)),
        };
        EventGroup { page: Some(page), rows, known: None }
    }

    /// Events at known rows of a page, in order.
    pub fn at(page: &'a Page, run: Range<usize>, list: Option<&'a [u32]>) -> EventGroup<'a> {
        let rows = list.map_or(Rows::Run(run), |list| Rows::List(Cow::Borrowed(list)));
        EventGroup { page: Some(page), rows, known: None }
    }

    /// As [`EventGroup::at`], with the rows of the packed part that lie in a window as bits. Units: milliseconds.
    pub fn with_window(
        page: &'a Page,
        run: Range<usize>,
        list: Option<&'a [u32]>,
        window: (i64, i64),
        inside: &[u64],
    ) -> EventGroup<'a> {
        let known = list.is_none().then(|| (window, side_by_side(inside, &run)));
        EventGroup { known, ..EventGroup::at(page, run, list) }
    }

    /// How many events.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Run(run) => run.len(),
            Rows::List(list) => list.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place(&self, i: usize) -> Option<(&'a Page, usize)> {
        let row = match &self.rows {
            Rows::Run(run) if i < run.len() => run.start + i,
            Rows::Run(_) => return None,
            Rows::List(list) => *list.get(i)? as usize,
        };
        Some((self.page?, row))
    }

    /// When event `i` happened. Panics: past the end.
    pub fn time(&self, i: usize) -> Timestamp {
        let (page, row) = self.place(i).expect("the event is within the group");
        Timestamp(page.time(row))
    }

    /// The events with `lo <= time <= hi`, as a range of their numbers. Units: milliseconds.
    pub fn between(&self, lo: i64, hi: i64) -> Range<usize> {
        if let Some((window, inside)) = &self.known
            && *window == (lo, hi)
        {
            return inside.clone();
        }
        let from = partition(0..self.len(), |i| self.time(i).0 < lo);
        from..partition(from..self.len(), |i| self.time(i).0 <= hi)
    }

    /// The position of a number, amount, instant or day of event `i` (see `Value::ordered`).
    pub fn ordered(&self, property: usize, i: usize) -> Option<i128> {
        let (page, row) = self.place(i)?;
        page.one(row, property)
    }

    /// A boolean of event `i`.
    pub fn flag(&self, property: usize, i: usize) -> Option<bool> {
        self.ordered(property, i).map(|position| position != 0)
    }

    /// The dictionary code of a text, email or category of event `i`.
    pub fn text_code(&self, property: usize, i: usize) -> Option<u32> {
        self.ordered(property, i).map(|position| position as u32)
    }

    /// The dictionary codes of a set of event `i`, in the order written; `None` when it has none.
    pub fn set_codes(&self, property: usize, i: usize) -> Option<Vec<u32>> {
        let (page, row) = self.place(i)?;
        page.many(row, property)
    }

    /// Whether event `i` has a value of any type.
    pub fn is_set(&self, property: usize, i: usize) -> bool {
        self.ordered(property, i).is_some() || self.set_codes(property, i).is_some()
    }

    /// The reference of event `i`'s id (see `EventIds`), if it came with one.
    pub fn id(&self, i: usize) -> Option<u32> {
        let (page, row) = self.place(i)?;
        Some(page.id(row)).filter(|id| *id != NO_ID)
    }
}

/// Which of a run of rows are set, counted from its first; they lie side by side, as times ascend.
fn side_by_side(rows: &[u64], run: &Range<usize>) -> Range<usize> {
    let mut found = 0..0;
    if run.is_empty() {
        return found;
    }
    let (first, last) = (run.start / 64, (run.end - 1) / 64);
    for (place, word) in (first..).zip(&rows[first..=last]) {
        let mut bits = *word;
        if place == first {
            bits &= !0 << (run.start % 64);
        }
        if place == last {
            bits &= !0 >> (63 - (run.end - 1) % 64);
        }
        if bits != 0 && found.is_empty() {
            let start = 64 * place + bits.trailing_zeros() as usize - run.start;
            found = start..start;
        }
        found.end += bits.count_ones() as usize;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_side_by_side_are_found_across_words() {
        for (from, to) in [(0, 0), (3, 9), (60, 70), (64, 128), (10, 300), (299, 300)] {
            let mut rows = vec![0u64; 5];
            (from..to).for_each(|row: usize| rows[row / 64] |= 1 << (row % 64));
            for (start, end) in [(0, 300), (0, 1), (5, 65), (63, 64), (64, 64), (128, 320), (299, 301)] {
                let expected: Vec<usize> = (start..end).filter(|row| (from..to).contains(row)).collect();
                let found = side_by_side(&rows, &(start..end));
                assert_eq!(
                    found.map(|number| start + number).collect::<Vec<_>>(),
                    expected,
                    "{from}..{to} of {start}..{end}"
                );
            }
        }
    }
}
