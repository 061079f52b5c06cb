//! When the truth of a test of events next changes for a contact by time alone.

use crate::{
    index::{Index, event_group::EventGroup, event_index::EventIndex, event_page::partition},
    model::{
        calendar::{DAY_MS, Length},
        id::ContactId,
    },
    query::{
        behavior::{Behavior, Rolling, Source},
        bounds::Clock,
        flip::{Flip, linear},
        motion::{EventMotion, moving_positions},
        moving::{Moving, What},
        quick::is_of_some,
        reader::Reader,
        sieve::Effort,
        spans::CountTest,
    },
    rule::ast::{Comparison, End},
};

/// After so many instants at which something moved and the truth stayed, the next one is a time to look again.
const STEPS_MAX: usize = 32;

/// A test of events at a clock, over an index.
pub struct Ahead<'a> {
    /// The test.
    pub behavior: &'a Behavior,
    /// What of it moves.
    pub motion: &'a EventMotion,
    /// Now.
    pub clock: &'a Clock,
    /// The facts.
    pub index: &'a Index,
}

/// The events of a source that may matter: those up to now that pass its filter, or whatever they are if that moves.
struct Seen<'a> {
    group: EventGroup<'a>,
    /// Their numbers.
    events: Vec<usize>,
    /// Their times, ascending.
    times: Vec<i64>,
}

impl Ahead<'_> {
    /// When the truth for a contact next changes or, if that is not exact, must be looked at.
    pub fn check(&self, contact: ContactId) -> Option<Flip> {
        let log = self.index.events().kind(self.behavior.sources().first()?.kind)?;
        self.check_of(contact, log.last().get(contact.0)?)
    }

    /// The same for a contact whose last event of the first kind is at a known time.
    pub fn check_of(&self, contact: ContactId, last: i128) -> Option<Flip> {
        let sources = self.behavior.sources();
        if let [source] = sources {
            let log = self.index.events().kind(source.kind)?;
            if self.is_past(last) {
                return None;
            }
            if let Some(found) = self.plain(log, contact, last) {
                return found;
            }
        }
        let reader = Reader::new(self.behavior, self.index, self.clock, Effort::Few);
        let mut seen = Vec::with_capacity(sources.len());
        for number in 0..sources.len() {
            let group = reader.logs()[number].map_or(EventGroup::empty(), |log| log.group(contact));
            let found = self.seen(&reader, number, group);
            if found.times.is_empty() {
                return None;
            }
            seen.push(found);
        }
        match self.behavior {
            Behavior::Count(_, test) if self.counts_one_way() => {
                let times = &seen[0].times;
                self.count(test, times.len(), |event| times[event])
            }
            Behavior::Edge { .. } if self.motion.filters[0].is_empty() && self.motion.having.is_empty() => {
                let event = reader.edge(&seen[0].group).filter(|event| reader.has(&seen[0].group, *event))?;
                self.motion.window.flip(i128::from(seen[0].group.time(event).0), self.clock)
            }
            _ => {
                let truth = reader.holds_of(contact, &seen[0].group);
                if self.is_settled(&seen, truth) { None } else { self.walk(contact, &seen, truth) }
            }
        }
    }

    /// Whether events only leave, and fewer of them do not make true what is false.
    fn is_settled(&self, seen: &[Seen<'_>], truth: bool) -> bool {
        let EventMotion { window, filters, .. } = self.motion;
        if truth || filters.iter().any(|slots| !slots.is_empty()) {
            return false;
        }
        let leaving = matches!(window.what(), What::Age(Comparison::Le, length) if length.exact_ms().is_some());
        match self.behavior {
            Behavior::Days(_, test) => leaving && test.most == u64::MAX && test.except.is_none(),
            Behavior::Sequence { .. } => leaving,
            // Spans that need an event are no more than the events.
            Behavior::Regular { test, spans: Rolling::Exact { now, every }, periods, at_least, .. } => {
                let reach = i128::from(*now) - i128::from(*every) * i128::from(*periods);
                let within = seen[0].times.iter().filter(|at| i128::from(**at) > reach).count();
                !test.accepts(0) && within < *at_least as usize
            }
            Behavior::Count(..) | Behavior::Aggregate { .. } | Behavior::Edge { .. } | Behavior::Regular { .. } => {
                false
            }
        }
    }

    /// Whether all events of a contact have left a window that goes on from them, so that no more changes.
    fn is_past(&self, newest: i128) -> bool {
        let EventMotion { window, filters, having, rolling } = self.motion;
        if rolling.is_some() || !having.is_empty() || filters.iter().any(|slots| !slots.is_empty()) {
            return false;
        }
        // Months may reach back again, by a few days.
        let spare = if window.what().calendar_length().is_some() { 20 * DAY_MS } else { 0 };
        let leaving = matches!(window.what(), What::Age(Comparison::Le, _));
        leaving && newest < window.ends(self.clock.now).0.saturating_sub(i128::from(spare))
    }

    /// The answer where no filter is to be made ready; `None` where one is.
    fn plain(&self, log: &EventIndex, contact: ContactId, newest: i128) -> Option<Option<Flip>> {
        let now = self.clock.now;
        let exact = self.motion.window.what().calendar_length().is_none();
        match self.behavior {
            // The last to leave decides whether there is one.
            Behavior::Count(source, test)
                if newest <= self.clock.now()
                    && exact
                    && is_of_some(test)
                    && source.filter.is_pass()
                    && matches!(self.motion.window.what(), What::Age(Comparison::Le, _)) =>
            {
                Some(self.motion.window.flip(newest, self.clock))
            }
            Behavior::Count(source, test) if source.filter.is_pass() && self.counts_one_way() => {
                let group = log.group(contact);
                let known = group.between(i64::MIN, now.0).len();
                Some(self.count(test, known, |event| group.time(event).0))
            }
            Behavior::Edge { source, end, having, .. } if source.filter.is_pass() && having.is_pass() => {
                let at = match end {
                    End::First => log.first().get(contact.0).filter(|at| *at <= self.clock.now()),
                    End::Last => log.newest(contact, now).map(|at| i128::from(at.0)),
                };
                Some(at.and_then(|at| self.motion.window.flip(at, self.clock)))
            }
            _ => None,
        }
    }

    fn seen<'a>(&self, reader: &Reader<'_>, number: usize, group: EventGroup<'a>) -> Seen<'a> {
        let all = !self.motion.filters[number].is_empty();
        let known = group.between(i64::MIN, self.clock.now.0);
        let events: Vec<usize> = known.filter(|event| all || reader.passes(number, &group, *event)).collect();
        let times = events.iter().map(|event| group.time(*event).0).collect();
        Seen { group, events, times }
    }

    /// Whether events only leave the window one after the other, or only enter it.
    fn counts_one_way(&self) -> bool {
        let window = self.motion.window.what();
        self.motion.filters[0].is_empty() && matches!(window, What::Age(Comparison::Le | Comparison::Gt, _))
    }

    /// The event whose leaving, or entering, makes the count pass or fail decides. Given are the times, ascending, of
    /// events up to now.
    fn count(&self, test: &CountTest, events: usize, time: impl Fn(usize) -> i64) -> Option<Flip> {
        let window = &self.motion.window;
        let (first, last) = window.ends(self.clock.now);
        let leaving = matches!(window.what(), What::Age(Comparison::Le, _));
        let start = partition(0..events, |event| i128::from(time(event)) < first);
        let end = partition(start..events, |event| i128::from(time(event)) <= last);
        let count = (end - start) as u64;
        let truth = test.accepts(count);
        let (from, stop) = if leaving { (start, end) } else { (end, events) };
        let (mut next, mut found) = (from, None);
        while next < stop && found.is_none() {
            let at = time(next);
            next += 1;
            // Events of one instant go together.
            if next < stop && time(next) == at {
                continue;
            }
            let moved = (next - from) as u64;
            if test.accepts(if leaving { count - moved } else { count + moved }) != truth {
                found = window.flip(i128::from(at), self.clock);
            }
        }
        // An edge that goes by the calendar may go back a little.
        if window.what().calendar_length().is_some() && from > 0 {
            found = earliest(found, window.flip(i128::from(time(from - 1)), self.clock));
        }
        found
    }

    /// Goes from one instant at which something moves to the next until the truth is another.
    fn walk(&self, contact: ContactId, seen: &[Seen<'_>], truth: bool) -> Option<Flip> {
        let mut behavior = self.behavior.clone();
        let mut motion = self.motion.clone();
        let mut clock = self.clock.clone();
        let mut steps = 0;
        loop {
            let flip = next_move(&behavior, &motion, &clock, seen)?;
            steps += 1;
            if !flip.exact || steps == STEPS_MAX {
                return Some(Flip { exact: false, ..flip });
            }
            clock.now = flip.at;
            motion.follow(&clock, self.clock.now, &mut behavior);
            let reader = Reader::new(&behavior, self.index, &clock, Effort::Few);
            if reader.holds_of(contact, &seen[0].group) != truth {
                return Some(flip);
            }
        }
    }
}

fn earliest(a: Option<Flip>, b: Option<Flip>) -> Option<Flip> {
    match a {
        Some(a) => Some(a.earlier(b)),
        None => b,
    }
}

/// The first instant after a clock's now at which an event comes into a window or filter, or leaves it.
fn next_move(behavior: &Behavior, motion: &EventMotion, clock: &Clock, seen: &[Seen<'_>]) -> Option<Flip> {
    let mut next = None;
    for (number, (source, seen)) in behavior.sources().iter().zip(seen).enumerate() {
        if motion.window.what().moves() {
            next = earliest(next, at_window(&motion.window, clock, &seen.times));
        }
        next = earliest(next, in_filters(behavior, source, motion, number, clock, seen));
    }
    if let (Behavior::Regular { spans, .. }, Some(seen)) = (behavior, seen.first()) {
        next = earliest(next, at_spans(spans, motion, clock, seen));
    }
    next
}

/// The events nearest to the ends of a window, on either side, are the first to cross them.
fn at_window(window: &Moving, clock: &Clock, times: &[i64]) -> Option<Flip> {
    let (first, last) = window.ends(clock.now);
    let start = times.partition_point(|at| i128::from(*at) < first);
    let end = times.partition_point(|at| i128::from(*at) <= last).max(start);
    let mut near = [start.checked_sub(1), Some(start), end.checked_sub(1), Some(end)];
    for place in 1..near.len() {
        if near[..place].contains(&near[place]) {
            near[place] = None;
        }
    }
    let times = near.into_iter().flatten().filter_map(|place| times.get(place));
    times.fold(None, |next, at| earliest(next, window.flip(i128::from(*at), clock)))
}

fn in_filters(
    behavior: &Behavior,
    source: &Source,
    motion: &EventMotion,
    number: usize,
    clock: &Clock,
    seen: &Seen<'_>,
) -> Option<Flip> {
    let mut next = None;
    let mut flips = |moving: &Moving, position: i128| next = earliest(next, moving.flip(position, clock));
    for event in &seen.events {
        moving_positions(&source.filter, &motion.filters[number], &seen.group, *event, &mut flips);
        if let Behavior::Edge { having, .. } = behavior {
            moving_positions(having, &motion.having, &seen.group, *event, &mut flips);
        }
    }
    next
}

/// When an event goes over into the span before.
fn at_spans(spans: &Rolling, motion: &EventMotion, clock: &Clock, seen: &Seen<'_>) -> Option<Flip> {
    let (length, periods) = motion.rolling?;
    let mut next = None;
    for at in &seen.times {
        let number = spans.number(*at).map_or(i128::from(periods) + 1, i128::from);
        match spans {
            Rolling::Exact { every, .. } if number <= i128::from(periods) => {
                let every = number * i128::from(*every);
                let found = linear((clock.now() - every + 1, clock.now()), i128::from(*at), clock.now());
                next = earliest(next, found.and_then(Flip::exact));
            }
            Rolling::Exact { .. } => {}
            Rolling::Calendar(_) => {
                // Edges may go back a little: those before and after are looked at too.
                for k in (number - 1).max(1)..=(number + 1).min(i128::from(periods)) {
                    let Some(n) = u32::try_from(k).ok().and_then(|k| length.n.checked_mul(k)) else { continue };
                    let what = What::Age(Comparison::Lt, Length { n, ..length });
                    let moving = Moving::new(what, false, clock);
                    next = earliest(next, moving.flip(i128::from(*at), clock));
                }
            }
        }
    }
    next
}
