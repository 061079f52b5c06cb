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
    /// A window, which events lie in it, and the rows of those of them that pass, as bits.
    marked: Option<((i64, i64), Range<usize>, &'a [u64])>,
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
        EventGroup { page: None, rows: Rows::Run(0..0), marked: None }
    }

    /// A contact's events in a page.
    pub fn of(page: &'a Page, slot: u16) -> EventGroup<'a> {
        let rows = match page.mixed_rows(slot) {
            Some(list) => Rows::List(Cow::Owned(list)),
            None => Rows::Run(page.packed_rows(slot)),
        };
        EventGroup { page: Some(page), rows, marked: None }
    }

    /// Events at known rows of a page, in order.
    pub fn at(page: &'a Page, run: Range<usize>, list: Option<&'a [u32]>) -> EventGroup<'a> {
        let rows = list.map_or(Rows::Run(run), |list| Rows::List(Cow::Borrowed(list)));
        EventGroup { page: Some(page), rows, marked: None }
    }

    /// As [`EventGroup::at`], with the rows of the packed part that lie in a window and pass a filter, as bits. Units:
    /// milliseconds.
    pub fn with_marks(
        page: &'a Page,
        run: Range<usize>,
        list: Option<&'a [u32]>,
        window: (i64, i64),
        marks: &'a [u64],
    ) -> EventGroup<'a> {
        let marked = list.is_none().then(|| (window, around(marks, &run), marks));
        EventGroup { marked, ..EventGroup::at(page, run, list) }
    }

    /// Whether some event may lie in the window and pass the filter that the group was made with.
    pub fn may_pass(&self) -> bool {
        self.marked.as_ref().is_none_or(|(_, inside, _)| !inside.is_empty())
    }

    /// The numbers of the events in a window that pass a filter, in order. It is the filter of the marks, if there are
    /// any. Units: milliseconds.
    pub fn passing<'s>(
        &'s self,
        (lo, hi): (i64, i64),
        passes: impl Fn(usize) -> bool + 's,
    ) -> impl DoubleEndedIterator<Item = usize> + 's {
        let marks = self.marked.as_ref().filter(|(window, ..)| *window == (lo, hi));
        let numbers = marks.map_or_else(|| self.between(lo, hi), |(_, inside, _)| inside.clone());
        let first = match &self.rows {
            Rows::Run(run) => run.start,
            Rows::List(_) => 0,
        };
        numbers.filter(move |i| match marks {
            Some((_, _, marks)) => marks[(first + i) / 64] >> ((first + i) % 64) & 1 == 1,
            None => passes(*i),
        })
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

/// The shortest range of a run of rows, counted from its first, that has all those that are set.
fn around(rows: &[u64], run: &Range<usize>) -> Range<usize> {
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
        if bits != 0 {
            if found.is_empty() {
                found.start = 64 * place + bits.trailing_zeros() as usize - run.start;
            }
            found.end = 64 * place + 64 - bits.leading_zeros() as usize - run.start;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_that_are_set_are_found_across_words() {
        let sets =
            [vec![], vec![3, 5, 8], (60..70).collect(), vec![64, 127], (10..300).step_by(7).collect(), vec![299]];
        for set in sets {
            let mut rows = vec![0u64; 5];
            set.iter().for_each(|row: &usize| rows[row / 64] |= 1 << (row % 64));
            for run in [0..0, 0..300, 0..1, 5..65, 63..64, 64..64, 128..320, 299..301] {
                let inside: Vec<usize> = set.iter().copied().filter(|row| run.contains(row)).collect();
                let expected = match (inside.first(), inside.last()) {
                    (Some(first), Some(last)) => first - run.start..last + 1 - run.start,
                    _ => 0..0,
                };
                assert_eq!(around(&rows, &run), expected, "{set:?} of {run:?}");
            }
        }
    }
}
