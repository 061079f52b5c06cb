//! A test of events made ready for one index: it reads the events of a contact and says whether the test holds.

use crate::{
    bitmap::words::Words,
    index::{Index, event_group::EventGroup, event_index::EventIndex, event_marks::RowFilter},
    model::{
        id::ContactId,
        schema::Function,
        time::{Day, Timestamp},
    },
    query::{
        behavior::{Behavior, Passing, Source, whole},
        bounds::Clock,
        distinct::{Spellings, distinct},
        fold::{Days, enough, following, spans_passing},
        sieve::{Effort, Sieve},
        spans::{CountTest, Interval, Wide},
    },
    rule::ast::End,
};

/// A test of events, its logs and its filters.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    behavior: &'a Behavior,
    /// For each source of the test its log; `None` when the index has none.
    logs: Vec<Option<&'a EventIndex>>,
    sieves: Vec<Sieve<'a>>,
    having: Sieve<'a>,
    /// The days from the log's first event on, where they are counted of many contacts.
    days: Days<'a>,
    /// Which texts are one, where distinct ones are counted.
    spellings: Spellings<'a>,
    /// Which counts pass, where a figure is one.
    passing: Option<Passing>,
}

/// More days than a century has are found one by one.
const DAYS_MAX: i64 = 36_600;

impl<'a> Reader<'a> {
    /// Makes a test ready for an index.
    pub fn new(behavior: &'a Behavior, index: &'a Index, clock: &'a Clock, effort: Effort) -> Reader<'a> {
        let sources = behavior.sources();
        let logs: Vec<Option<&EventIndex>> = sources.iter().map(|source| index.events().kind(source.kind)).collect();
        let sieve = |filter, log: Option<&'a EventIndex>| match log {
            Some(log) => Sieve::new(filter, log, &clock.zone, effort),
            None => Sieve::All(vec![]),
        };
        let sieves = sources.iter().zip(&logs).map(|(source, log)| sieve(&source.filter, *log)).collect();
        let having = match behavior {
            Behavior::Edge { having, .. } => sieve(having, logs[0]),
            _ => Sieve::All(vec![]),
        };
        let starts = match (behavior, effort) {
            (Behavior::Days(source, _), Effort::Many) => day_starts(source, logs[0], clock).unwrap_or_default(),
            _ => vec![],
        };
        let days = Days { clock, starts };
        let spellings = match behavior {
            Behavior::Aggregate { function: Function::Distinct, of: Some(of), case_sensitive, .. } => {
                Spellings::new(logs[0].and_then(|log| log.dictionary(*of)), *case_sensitive, effort)
            }
            _ => Spellings::Own,
        };
        let passing = match behavior {
            Behavior::Aggregate { interval, negated, .. } => Some(Passing::of(*interval, *negated)),
            _ => None,
        };
        let passing = if effort == Effort::Many { passing.map(Passing::prepared) } else { passing };
        Reader { behavior, logs, sieves, having, days, spellings, passing }
    }

    /// The test.
    pub fn behavior(&self) -> &'a Behavior {
        self.behavior
    }

    /// The log of the first source.
    pub fn log(&self) -> Option<&'a EventIndex> {
        self.logs[0]
    }

    /// The logs of all sources.
    pub fn logs(&self) -> &[Option<&'a EventIndex>] {
        &self.logs
    }

    /// How the contacts of a chunk are found without reading the events of each, where they can be.
    pub fn shortcut(&self) -> Option<Shortcut> {
        let plain = self.sieves[0].is_pass() && self.having.is_pass();
        match self.behavior {
            _ if !plain => None,
            Behavior::Count(source, test) if *test == CountTest::SOME || *test == CountTest::NONE => {
                Some(Shortcut::Window(source.first, source.last))
            }
            Behavior::Edge { end: End::First, first, last, .. } => Some(Shortcut::First(*first, *last)),
            Behavior::Edge { source, end: End::Last, first, last, .. } => {
                Some(Shortcut::Last(*first, *last, source.last))
            }
            _ => None,
        }
    }

    /// Whether a number of events that pass decides alone, and of which contacts: a test that the number passes.
    pub fn plain_count(&self) -> Option<PlainCount<'_>> {
        match self.behavior {
            Behavior::Count(_, test) => Some(PlainCount::Test(test)),
            Behavior::Aggregate { function: Function::Count, of: None, .. } => self.passing().map(PlainCount::Figure),
            _ => None,
        }
    }

    /// What the first and last times of contacts say of a chain of steps, if the test is one.
    pub fn order(&self) -> Option<Order<'a>> {
        let Behavior::Sequence { steps, within } = self.behavior else { return None };
        let logs = self.logs.iter().copied().collect::<Option<Vec<_>>>()?;
        let is_free = self.sieves.iter().all(Sieve::is_pass) && within.is_none();
        let decides = match steps.as_slice() {
            [from, to] if is_free => Some([(from.first, from.last), (to.first, to.last)]),
            _ => None,
        };
        Some(Order { logs, within: *within, decides })
    }

    /// The window outside of which events change nothing for a contact.
    pub fn window(&self) -> (i64, i64) {
        match self.behavior {
            Behavior::Edge { first, last, .. } => (*first, *last),
            _ => self.asked(0),
        }
    }

    /// The window of a source's events that can count.
    pub fn asked(&self, source: usize) -> (i64, i64) {
        match self.behavior {
            Behavior::Regular { source, spans, periods, .. } => (source.first.max(spans.first(*periods)), source.last),
            behavior => {
                let source = &behavior.sources()[source];
                (source.first, source.last)
            }
        }
    }

    /// What must hold of a source's events, unless all pass.
    pub fn filter(&self, source: usize) -> Option<&dyn RowFilter> {
        Some(&self.sieves[source] as &dyn RowFilter).filter(|_| !self.sieves[source].is_pass())
    }

    /// Where days begin.
    pub(in crate::query) fn days(&self) -> &Days<'a> {
        &self.days
    }

    /// Which counts pass, where a figure is one.
    pub(in crate::query) fn passing(&self) -> Option<&Passing> {
        self.passing.as_ref()
    }

    /// Which texts are one.
    pub(in crate::query) fn spellings(&self) -> &Spellings<'a> {
        &self.spellings
    }

    /// Whether the test holds of a contact.
    pub fn holds(&self, contact: ContactId) -> bool {
        self.holds_of(contact, &self.logs[0].map_or(EventGroup::empty(), |log| log.group(contact)))
    }

    /// Whether the test holds of a contact whose events of the first source's kind are at hand.
    pub fn holds_of(&self, contact: ContactId, group: &EventGroup<'_>) -> bool {
        match self.behavior {
            Behavior::Count(source, test) => test.accepts(self.count(source, group, enough(test))),
            Behavior::Aggregate { interval, negated, .. } => self.figure_in(group, interval) != *negated,
            Behavior::Edge { first, last, .. } => self.edge(group).is_some_and(|i| {
                let at = group.time(i).0;
                *first <= at && at <= *last && self.having.passes(group, i)
            }),
            Behavior::Sequence { steps, within } => self.sequence(contact, group, steps, *within),
            Behavior::Days(source, test) => test.accepts(self.day_count(source, group, enough(test))),
            Behavior::Regular { source, at_least, .. } => self.regular(source, group) >= u64::from(*at_least),
        }
    }

    /// The events of the first source, by number, in order.
    fn events<'s>(&'s self, source: &Source, group: &'s EventGroup<'_>) -> impl DoubleEndedIterator<Item = usize> + 's {
        let sieve = &self.sieves[0];
        group.passing((source.first, source.last), move |i| sieve.passes(group, i))
    }

    fn count(&self, source: &Source, group: &EventGroup<'_>, enough: u64) -> u64 {
        if self.sieves[0].is_pass() {
            return group.between(source.first, source.last).len() as u64;
        }
        self.events(source, group).take(usize::try_from(enough).unwrap_or(usize::MAX)).count() as u64
    }

    /// The figure of an aggregate: a sum and the number it is to be divided by; `None` when it is missing.
    fn figure(&self, group: &EventGroup<'_>) -> Option<(Wide, u32)> {
        let Behavior::Aggregate { source, function, of, .. } = self.behavior else {
            return None;
        };
        let events = self.events(source, group);
        let Some(of) = *of else {
            return Some((whole(events.count() as u64), 1));
        };
        let values = |i: usize| group.ordered(of, i);
        let one = |value: i128| (Wide::default().plus(value), 1);
        match function {
            Function::Count => Some((whole(events.filter(|i| group.is_set(of, *i)).count() as u64), 1)),
            Function::Distinct => Some((whole(distinct(group, of, events, &self.spellings)), 1)),
            Function::Min => events.filter_map(values).min().map(one),
            Function::Max => events.filter_map(values).max().map(one),
            Function::Sum => Some((events.filter_map(values).fold(Wide::default(), Wide::plus), 1)),
            Function::Avg => {
                let add = |(sum, count): (Wide, u32), value| (sum.plus(value), count + 1);
                Some(events.filter_map(values).fold((Wide::default(), 0), add)).filter(|(_, count)| *count > 0)
            }
        }
    }

    fn figure_in(&self, group: &EventGroup<'_>, interval: &Interval) -> bool {
        self.figure(group).is_some_and(|(sum, count)| interval.contains(sum, count))
    }

    /// Whether an event passes the filter of a source.
    pub(in crate::query) fn passes(&self, source: usize, group: &EventGroup<'_>, event: usize) -> bool {
        self.sieves[source].passes(group, event)
    }

    /// Whether a first or last event has what it must have besides.
    pub(in crate::query) fn has(&self, group: &EventGroup<'_>, event: usize) -> bool {
        self.having.passes(group, event)
    }

    /// The first or last event that passes, by number.
    pub(in crate::query) fn edge(&self, group: &EventGroup<'_>) -> Option<usize> {
        match self.behavior {
            Behavior::Edge { source, end: End::First, .. } => self.events(source, group).next(),
            Behavior::Edge { source, end: End::Last, .. } => self.events(source, group).next_back(),
            _ => None,
        }
    }

    fn day_count(&self, source: &Source, group: &EventGroup<'_>, enough: u64) -> u64 {
        self.days.count(self.events(source, group).map(|i| group.time(i).0), enough)
    }

    fn regular(&self, source: &Source, group: &EventGroup<'_>) -> u64 {
        let Behavior::Regular { test, spans, periods, .. } = self.behavior else {
            return 0;
        };
        spans_passing(self.events(source, group).map(|i| group.time(i).0), spans, *periods, test)
    }

    /// Without a limit between steps, the earliest chain is as good as any. With one, the instants are kept, step by
    /// step, at which a chain of the steps so far can end.
    fn sequence(&self, contact: ContactId, group: &EventGroup<'_>, steps: &[Source], within: Option<i64>) -> bool {
        let (mut ends, mut earliest) = (Vec::new(), None);
        for (number, step) in steps.iter().enumerate() {
            let other;
            let events = if step.kind == steps[0].kind {
                group
            } else {
                other = self.logs[number].map_or(EventGroup::empty(), |log| log.group(contact));
                &other
            };
            let Some(within) = within else {
                let sieve = &self.sieves[number];
                let from = earliest.map_or(step.first, |end: i64| step.first.max(end.saturating_add(1)));
                let next = if number == 0 {
                    self.events(step, events).next()
                } else {
                    events.between(from, step.last).find(|i| sieve.passes(events, *i))
                };
                let Some(found) = next else { return false };
                earliest = Some(events.time(found).0);
                continue;
            };
            if number == 0 {
                ends = self.events(step, events).map(|i| events.time(i).0).collect();
            } else {
                let sieve = &self.sieves[number];
                let passing = events.between(step.first, step.last).filter(|i| sieve.passes(events, *i));
                ends = following(&ends, passing.map(|i| events.time(i).0), within).collect();
            }
            if ends.is_empty() {
                return false;
            }
        }
        true
    }

    /// What was found for a contact, for people: a count, a figure, an instant.
    pub fn told(&self, contact: ContactId) -> Found {
        let group = self.logs[0].map_or(EventGroup::empty(), |log| log.group(contact));
        match self.behavior {
            Behavior::Count(source, _) => Found::Count(self.count(source, &group, u64::MAX)),
            Behavior::Days(source, _) => Found::Count(self.day_count(source, &group, u64::MAX)),
            Behavior::Regular { source, .. } => Found::Count(self.regular(source, &group)),
            Behavior::Aggregate { .. } => {
                self.figure(&group).map_or(Found::Missing, |(sum, count)| Found::Figure(sum, count))
            }
            Behavior::Edge { .. } => self.edge(&group).map_or(Found::Missing, |i| Found::At(group.time(i))),
            Behavior::Sequence { .. } => Found::Nothing,
        }
    }
}

/// The first instants of every day that a source's events may lie on; `None` when there are too many.
fn day_starts(source: &Source, log: Option<&EventIndex>, clock: &Clock) -> Option<Vec<i64>> {
    let first = log?.first().min()?.max(i128::from(source.first));
    let instants = i128::from(Timestamp::MIN.0)..=i128::from(Timestamp::MAX.0);
    let day = |at: i128| instants.contains(&at).then(|| i64::from(clock.zone.day_of(Timestamp(at as i64)).0));
    let (from, to) = (day(first)?, day(i128::from(source.last))?);
    if from > to || to - from > DAYS_MAX {
        return None;
    }
    let mut starts = clock.zone.starts_of(Day(i32::try_from(from).ok()?), Day(i32::try_from(to).ok()?));
    // Of days at the ends of time the clock knows more.
    for number in [from, to] {
        starts[(number - from) as usize] = i64::try_from(clock.day_start(number)).ok()?;
    }
    Some(starts)
}

/// A way to find contacts by the columns of first and last times. Units: milliseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// Those with an event between two instants.
    Window(i64, i64),
    /// Those whose first event lies between two instants.
    First(i64, i64),
    /// Those whose last event up to the third instant lies between the first two.
    Last(i64, i64, i64),
}

/// What the first and last times of a chain's kinds of events say of it.
pub struct Order<'a> {
    /// By step.
    logs: Vec<&'a EventIndex>,
    /// Between two steps at most. Units: milliseconds.
    within: Option<i64>,
    /// The windows of two steps without filter and limit. One follows the other where the last comes after the first, if
    /// both lie in them.
    decides: Option<[(i64, i64); 2]>,
}

/// Longer than all of time. Units: milliseconds.
const TIME_MS: i64 = Timestamp::MAX.0 - Timestamp::MIN.0 + 1;

impl Order<'_> {
    /// Keeps of contacts of a chunk, who have events of all kinds, those whose events must be read, and adds those who
    /// pass to `found`. `room` is a scratch.
    pub fn sort_out(&self, chunk: usize, open: &mut Words, found: &mut Words, room: [&mut Words; 2]) {
        let [from, .., to] = self.logs[..] else { return };
        // What follows comes after the first of what it follows, and, within a limit, begins soon after the last. The ends
        // of a longer chain are compared where no limit tells more.
        if self.logs.len() > 2 && self.within.is_none() {
            from.first().keep_less(to.last(), 0, chunk, open);
        }
        for step in self.logs.windows(2) {
            step[0].first().keep_less(step[1].last(), 0, chunk, open);
            if std::ptr::eq(step[0], step[1]) {
                continue;
            }
            if let Some(within) = self.within {
                step[1].first().keep_less(step[0].last(), within.clamp(-1, TIME_MS) + 1, chunk, open);
            }
        }
        if let Some([from_window, to_window]) = self.decides {
            let [sure, in_time] = room;
            let wide = |(first, last): (i64, i64)| (i128::from(first), i128::from(last));
            let ((from_lo, from_hi), (to_lo, to_hi)) = (wide(from_window), wide(to_window));
            from.first().range_into(chunk, from_lo, from_hi, sure);
            to.last().range_into(chunk, to_lo, to_hi, in_time);
            sure.and(in_time);
            sure.and(open);
            open.and_not(sure);
            found.or(sure);
        }
    }
}

/// A test of the number of events in a window.
#[derive(Clone, Copy, Debug)]
pub enum PlainCount<'a> {
    /// This one.
    Test(&'a CountTest),
    /// The number, as a figure, is one of these.
    Figure(&'a Passing),
}

impl PlainCount<'_> {
    /// Whether a number passes.
    pub fn passes(self, count: usize) -> bool {
        match self {
            PlainCount::Test(test) => test.accepts(count as u64),
            PlainCount::Figure(passing) => passing.has(count as u64),
        }
    }
}

/// What a test of events found for one contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// So many events, days or spans.
    Count(u64),
    /// A sum and the number it is divided by.
    Figure(Wide, u32),
    /// An event at this instant.
    At(Timestamp),
    /// No event bears on it.
    Missing,
    /// Nothing that one value tells.
    Nothing,
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod events_tests;
