//! Tests of a contact's events, bound: kinds and properties by number, windows in milliseconds, cut off at now.

use crate::{
    model::{id::EventKindId, number::ONE, schema::Function},
    query::{
        spans::{CountTest, Interval, Wide},
        value_test::ValueTest,
    },
    rule::ast::End,
};

/// What must hold of one event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All of these; of none, every event passes.
    All(Vec<Filter>),
    /// Any of these.
    Any(Vec<Filter>),
    /// The complement.
    Not(Box<Filter>),
    /// The value of a property, by its position in the kind, passes; missing values do not.
    Test(usize, ValueTest),
}

impl Filter {
    /// The filter that every event passes.
    pub const PASS: Filter = Filter::All(Vec::new());

    /// Whether every event passes.
    pub fn is_pass(&self) -> bool {
        *self == Filter::PASS
    }
}

/// Events of one kind that pass a filter and lie in a window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The kind.
    pub kind: EventKindId,
    /// What must hold of an event.
    pub filter: Filter,
    /// The first instant of the window.
    pub first: i64,
    /// The last one, not after now; before the first when the window is empty.
    pub last: i64,
}

/// A test of a contact's events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Behavior {
    /// How many events there are.
    Count(Source, CountTest),
    /// A figure over the events.
    Aggregate {
        /// Over these.
        source: Source,
        /// Which figure.
        function: Function,
        /// Of which property, by position; `None` counts events.
        of: Option<usize>,
        /// Whether texts are distinct when spelled with other cases.
        case_sensitive: bool,
        /// What the figure must lie in.
        interval: Interval,
        /// Whether it is the complement.
        negated: bool,
    },
    /// The first or last of the events up to now, which must lie in a window.
    Edge {
        /// Among these, up to now.
        source: Source,
        /// First or last.
        end: End,
        /// What must hold of it besides.
        having: Filter,
        /// The first instant it may have.
        first: i64,
        /// The last one.
        last: i64,
    },
    /// One event of each, each strictly later than the one before.
    Sequence {
        /// Two or more.
        steps: Vec<Source>,
        /// At most so much later. Units: milliseconds.
        within: Option<i64>,
    },
    /// On how many calendar days there is an event.
    Days(Source, CountTest),
    /// In how many rolling spans there are so many events.
    Regular {
        /// Of these.
        source: Source,
        /// How many a span needs.
        test: CountTest,
        /// Where the spans end.
        spans: Rolling,
        /// How many spans are looked at.
        periods: u32,
        /// How many of them must pass.
        at_least: u32,
    },
}

/// Edges by the calendar that are counted one by one.
const EDGES_COUNTED_MAX: usize = 16;

/// Rolling spans back from now, from 1: `edge(k) < t <= edge(k - 1)`, where `edge(0)` is now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rolling {
    /// Of one length. Units: milliseconds.
    Exact {
        /// Now.
        now: i64,
        /// The length; spans of no length hold nothing.
        every: i64,
    },
    /// The edges by the calendar, from now back; descending.
    Calendar(Vec<i64>),
}

impl Rolling {
    /// The number of the span that holds an instant not after now; `None` when none does.
    pub fn number(&self, at: i64) -> Option<u64> {
        match self {
            Rolling::Exact { every: ..=0, .. } => None,
            Rolling::Exact { now, every } => Some(now.saturating_sub(at) as u64 / *every as u64 + 1),
            Rolling::Calendar(edges) => {
                let number = match edges.len() {
                    // A few are counted sooner than searched.
                    ..=EDGES_COUNTED_MAX => edges.iter().filter(|edge| **edge >= at).count(),
                    _ => edges.partition_point(|edge| *edge >= at),
                };
                (0 < number && number < edges.len()).then_some(number as u64)
            }
        }
    }

    /// The first instant that lies in one of so many spans; after now when none does.
    pub fn first(&self, periods: u32) -> i64 {
        match self {
            Rolling::Exact { every: ..=0, .. } => i64::MAX,
            Rolling::Exact { now, every } => {
                now.saturating_sub(every.saturating_mul(i64::from(periods))).saturating_add(1)
            }
            Rolling::Calendar(edges) => edges.last().map_or(i64::MAX, |edge| edge.saturating_add(1)),
        }
    }
}

impl Behavior {
    /// Whether it holds of a contact without events of the kinds: then the contacts for whom it does not hold are
    /// those to look for.
    pub fn at_empty(&self) -> bool {
        match self {
            Behavior::Count(_, test) | Behavior::Days(_, test) => test.accepts(0),
            Behavior::Aggregate { function, interval, negated, .. } => match function {
                Function::Count | Function::Sum | Function::Distinct => {
                    interval.contains(Wide::default(), 1) != *negated
                }
                Function::Min | Function::Max | Function::Avg => *negated,
            },
            Behavior::Edge { .. } | Behavior::Sequence { .. } => false,
            Behavior::Regular { test, periods, at_least, .. } => {
                *at_least == 0 || (test.accepts(0) && periods >= at_least)
            }
        }
    }

    /// The events that it reads, by kind.
    pub fn sources(&self) -> &[Source] {
        match self {
            Behavior::Count(source, _) | Behavior::Days(source, _) => std::slice::from_ref(source),
            Behavior::Aggregate { source, .. } | Behavior::Edge { source, .. } | Behavior::Regular { source, .. } => {
                std::slice::from_ref(source)
            }
            Behavior::Sequence { steps, .. } => steps,
        }
    }
}

/// Which counts pass a test of figures.
#[derive(Clone, Debug)]
pub struct Passing {
    /// Whether the low ones do, a bit each, once many are asked about.
    low: Option<u64>,
    interval: Interval,
    negated: bool,
}

impl Passing {
    /// Those in an interval or, if so told, all others.
    pub fn of(interval: Interval, negated: bool) -> Passing {
        Passing { low: None, interval, negated }
    }

    /// The same, made ready for many.
    pub fn prepared(self) -> Passing {
        let bit = |count: u64| u64::from(self.is_in(count)) << count;
        Passing { low: Some((0..u64::BITS.into()).map(bit).sum()), ..self }
    }

    fn is_in(&self, count: u64) -> bool {
        self.interval.contains(whole(count), 1) != self.negated
    }

    /// Whether a count passes.
    #[inline]
    pub fn has(&self, count: u64) -> bool {
        match self.low {
            Some(low) if count < u64::BITS.into() => low >> count & 1 == 1,
            _ => self.is_in(count),
        }
    }
}

/// A count as a number of the rule language.
#[inline]
pub fn whole(count: u64) -> Wide {
    Wide::default().plus(i128::from(count) * ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_pass_are_those_of_the_interval() {
        let bound = |count: i128, is_inside| Some((count * ONE + ONE / 2, is_inside));
        for (lower, upper) in [(None, None), (bound(2, true), None), (bound(1, false), bound(70, true))] {
            for negated in [false, true] {
                let passing = Passing::of(Interval { lower, upper }, negated);
                let ready = passing.clone().prepared();
                for count in 0..80 {
                    let wide = whole(count);
                    assert_eq!(passing.has(count), passing.interval.contains(wide, 1) != negated);
                    assert_eq!(ready.has(count), passing.has(count));
                }
            }
        }
    }

    #[test]
    fn rolling_spans_hold_their_later_end() {
        let exact = Rolling::Exact { now: 1_000, every: 100 };
        assert_eq!([1_000, 901, 900, 801, 800].map(|t| exact.number(t)), [1, 1, 2, 2, 3].map(Some));
        assert_eq!(Rolling::Exact { now: 1_000, every: 0 }.number(1_000), None);
        let calendar = Rolling::Calendar(vec![1_000, 900, 700]);
        assert_eq!([1_000, 901, 900, 701].map(|t| calendar.number(t)), [1, 1, 2, 2].map(Some));
        assert_eq!([700, 1_001].map(|t| calendar.number(t)), [None, None]);
    }
}
