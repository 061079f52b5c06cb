//! Tests of a contact's events that their times or texts decide, in order: on how many days, in how many spans, how many
//! texts, one after the other.

use crate::{
    index::{
        event_distinct::{Distinct, Numbering},
        event_picks::{Ask, Read},
    },
    model::{calendar::DAY_MS, schema::Function, time::Timestamp},
    query::{
        behavior::{Behavior, Rolling},
        bounds::Clock,
        distinct::Spellings,
        reader::Reader,
        spans::CountTest,
    },
};

/// The first instants of days from one on; none where days are found one by one.
#[derive(Clone, Debug)]
pub(in crate::query) struct Days<'a> {
    pub(in crate::query) clock: &'a Clock,
    pub(in crate::query) starts: Vec<i64>,
}

impl Days<'_> {
    /// On how many days some ascending instants lie, or `enough`, if they are as many.
    pub(in crate::query) fn count(&self, times: impl Iterator<Item = i64>, enough: u64) -> u64 {
        let (mut days, mut last) = (0, i128::MIN);
        for at in times {
            if i128::from(at) <= last {
                continue;
            }
            if days >= enough {
                break;
            }
            days += 1;
            last = match self.starts_up_to(at) {
                0 => self.clock.day(self.clock.zone.day_of(Timestamp(at))).1,
                next => self.starts.get(next).map_or(i128::MAX, |start| i128::from(*start) - 1),
            };
        }
        days
    }

    /// How many of the days that are at hand begin up to an instant: about as many as whole days have passed since the
    /// first, as clocks are set by hours.
    #[inline]
    fn starts_up_to(&self, at: i64) -> usize {
        let starts = &self.starts[..];
        let Some(first) = starts.first().filter(|first| **first <= at) else { return 0 };
        let mut number = (at.abs_diff(*first) / DAY_MS.unsigned_abs()) as usize;
        number = number.min(starts.len() - 1);
        while starts[number] > at {
            number -= 1;
        }
        while starts.get(number + 1).is_some_and(|start| *start <= at) {
            number += 1;
        }
        number + 1
    }
}

impl Numbering for Days<'_> {
    fn number(&self, times: &mut [i64]) {
        times.iter_mut().for_each(|at| *at = self.starts_up_to(*at) as i64);
    }
}

impl Numbering for Rolling {
    fn number(&self, times: &mut [i64]) {
        times.iter_mut().for_each(|at| *at = self.number(*at).map_or(0, |number| number as i64));
    }
}

/// How many of the rolling spans pass a test of the number of ascending instants in them.
pub(in crate::query) fn spans_passing(
    times: impl Iterator<Item = i64>,
    spans: &Rolling,
    periods: u32,
    test: &CountTest,
) -> u64 {
    let periods = u64::from(periods);
    let mut numbers = times.filter_map(|at| spans.number(at)).filter(|number| *number <= periods).peekable();
    let (mut held, mut passed) = (0, 0);
    while let Some(number) = numbers.next() {
        let mut count = 1;
        while numbers.next_if_eq(&number).is_some() {
            count += 1;
        }
        held += 1;
        passed += u64::from(test.accepts(count));
    }
    passed + if test.accepts(0) { periods - held } else { 0 }
}

/// The count after which more events change nothing.
pub(in crate::query) fn enough(test: &CountTest) -> u64 {
    if test.most == u64::MAX && test.except.is_none() { test.least } else { u64::MAX }
}

/// Of ascending times those that can follow one of the ends, ascending too. Of the ends before a time the latest is the
/// best, so that it is one walk over both.
pub(in crate::query) fn following<'a>(
    ends: &'a [i64],
    times: impl Iterator<Item = i64> + 'a,
    within: i64,
) -> impl Iterator<Item = i64> + 'a {
    let mut before = 0;
    times.filter(move |at| {
        while before < ends.len() && ends[before] < *at {
            before += 1;
        }
        before > 0 && at.saturating_sub(ends[before - 1]) <= within
    })
}

/// Of ascending times those that one of some ascending ones can follow: of those after it the first is the best.
fn preceding<'a>(open: &'a [i64], times: &'a [i64], within: i64) -> impl Iterator<Item = i64> + 'a {
    let mut after = 0;
    times.iter().copied().filter(move |at| {
        while after < open.len() && open[after] <= *at {
            after += 1;
        }
        open.get(after).is_some_and(|next| next.saturating_sub(*at) <= within)
    })
}

impl Reader<'_> {
    /// What is to be counted of the events of many contacts, where that decides the test: how many distinct ones there are.
    pub(in crate::query) fn distinct(&self) -> Option<Distinct<'_>> {
        match self.behavior() {
            Behavior::Days(..) if !self.days().starts.is_empty() => Some(Distinct::Stretches(self.days())),
            Behavior::Regular { test, spans, .. } if *test == CountTest::SOME => Some(Distinct::Stretches(spans)),
            Behavior::Aggregate { function: Function::Distinct, of: Some(property), .. } => match self.spellings() {
                Spellings::Known(equals) => Some(Distinct::Texts(*property, equals)),
                Spellings::Own | Spellings::Asked(..) => None,
            },
            _ => None,
        }
    }

    /// Whether the test holds of a contact of whom that was counted.
    pub(in crate::query) fn holds_counted(&self, count: u64) -> bool {
        match self.behavior() {
            Behavior::Days(_, test) => test.accepts(count),
            Behavior::Regular { at_least, .. } => count >= u64::from(*at_least),
            Behavior::Aggregate { .. } => self.passing().is_some_and(|passing| passing.has(count)),
            Behavior::Count(..) | Behavior::Edge { .. } | Behavior::Sequence { .. } => {
                unreachable!("nothing distinct is counted for these")
            }
        }
    }

    /// Which events of many contacts are to be found, where their times decide the test.
    pub(in crate::query) fn asks(&self) -> Option<Vec<Ask<'_>>> {
        match self.behavior() {
            Behavior::Days(..) | Behavior::Regular { .. } | Behavior::Sequence { .. } => {}
            Behavior::Count(..) | Behavior::Aggregate { .. } | Behavior::Edge { .. } => return None,
        }
        let ask = |(number, log): (usize, &Option<_>)| {
            Some(Ask { log: (*log)?, window: self.asked(number), filter: self.filter(number) })
        };
        self.logs().iter().enumerate().map(ask).collect()
    }

    /// Whether the test holds of a contact whose times can be read. `room` is a scratch.
    pub(in crate::query) fn holds_read(&self, mut read: Read<'_>, [open, room]: &mut [Vec<i64>; 2]) -> bool {
        match self.behavior() {
            Behavior::Days(_, test) => test.accepts(self.days().count(read.times(0).iter().copied(), enough(test))),
            Behavior::Regular { test, at_least, spans, periods, .. } => {
                spans_passing(read.times(0).iter().copied(), spans, *periods, test) >= u64::from(*at_least)
            }
            Behavior::Sequence { steps, within } => {
                // From the end, of which there is mostly least: who has none of it is not asked for more.
                let (last, within) = (steps.len() - 1, within.unwrap_or(i64::MAX));
                open.clear();
                open.extend_from_slice(read.times(last));
                !open.is_empty()
                    && (0..last).rev().all(|number| {
                        room.clear();
                        room.extend(preceding(open, read.times(number), within));
                        std::mem::swap(open, room);
                        !open.is_empty()
                    })
            }
            Behavior::Count(..) | Behavior::Aggregate { .. } | Behavior::Edge { .. } => {
                unreachable!("no times are read for these")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_take_the_latest_end_before() {
        let chain =
            |ends: &[i64], times: &[i64], within| following(ends, times.iter().copied(), within).collect::<Vec<i64>>();
        assert_eq!(chain(&[1, 5], &[1, 2, 6, 20], i64::MAX), [2, 6, 20]);
        assert_eq!(chain(&[1, 5], &[1, 4, 6, 8], 2), [6]);
        assert_eq!(chain(&[5], &[5], i64::MAX), [] as [i64; 0], "strictly later");
        assert_eq!(chain(&[1, 5], &[7], 2), [7], "the first end would be too early");
        let back = |open: &[i64], times: &[i64], within| preceding(open, times, within).collect::<Vec<i64>>();
        assert_eq!(back(&[3, 9], &[1, 3, 4, 9], i64::MAX), [1, 3, 4]);
        assert_eq!(back(&[3, 9], &[1, 3, 7, 9], 2), [1, 7]);
        assert_eq!(back(&[], &[1], 5), [] as [i64; 0]);
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod fold_tests;
