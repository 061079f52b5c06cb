//! Tests of instants and days that are measured from now: where their ends lie, and how long they keep their pace.

use crate::{
    model::{
        calendar::{Length, Period},
        time::Timestamp,
    },
    query::{
        bounds::Clock,
        turns::{next_turn, steady_until},
        value_test::{Anniversary, ValueTest},
    },
    rule::ast::{Comparison, Test, Window},
};

/// What is measured from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing: positions from the first to the second pass.
    Fixed(i128, i128),
    /// The age.
    Age(Comparison, Length),
    /// How far ahead it is.
    Ahead(Comparison, Length),
    /// The calendar period that it is in.
    Period(Period),
    /// Its month and day, on today or one of so many days after.
    Anniversary(u32),
}

impl What {
    /// What a test of a value measures from now; `None` when it is the same at every instant.
    pub fn of_test(test: &Test) -> Option<What> {
        match test {
            Test::Age(comparison, length) => Some(What::Age(*comparison, *length)),
            Test::Within(length) => Some(What::Age(Comparison::Le, *length)),
            Test::Next(length) => Some(What::Ahead(Comparison::Le, *length)),
            Test::Ahead(comparison, length) => Some(What::Ahead(*comparison, *length)),
            Test::InPeriod(period) => Some(What::Period(*period)),
            Test::Anniversary(days) => Some(What::Anniversary(*days)),
            Test::IsSet
            | Test::IsNotSet
            | Test::Compare(..)
            | Test::Between(..)
            | Test::In { .. }
            | Test::HasAll(_)
            | Test::Text { .. }
            | Test::On(_)
            | Test::Before(_)
            | Test::After(_) => None,
        }
    }

    /// What a window measures from now, besides that nothing after now is in it.
    pub fn of_window(window: Option<Window>, clock: &Clock) -> What {
        match window {
            None => What::Fixed(i128::MIN, i128::MAX),
            Some(Window::Last(length)) => What::Age(Comparison::Le, length),
            Some(Window::MoreThanAgo(length)) => What::Age(Comparison::Gt, length),
            Some(Window::InPeriod(period)) => What::Period(period),
            Some(fixed @ (Window::Since(_) | Window::Before(_) | Window::After(_) | Window::Between(..))) => {
                let (first, last) = clock.fixed_ends(fixed);
                What::Fixed(first, last)
            }
        }
    }

    /// Whether it is measured from now.
    pub fn moves(&self) -> bool {
        !matches!(self, What::Fixed(..))
    }

    /// The length, unless its months are those of the calendar.
    pub fn calendar_length(&self) -> Option<Length> {
        match self {
            What::Age(_, length) | What::Ahead(_, length) if length.exact_ms().is_none() => Some(*length),
            What::Fixed(..) | What::Age(..) | What::Ahead(..) | What::Period(_) | What::Anniversary(_) => None,
        }
    }

    /// The first and last instant that passes; the first is after the last when none does.
    pub fn instants(&self, clock: &Clock) -> (i128, i128) {
        match self {
            What::Fixed(first, last) => (*first, *last),
            What::Age(comparison, length) => clock.age_ends(*comparison, *length),
            What::Ahead(comparison, length) => clock.ahead_ends(*comparison, *length),
            What::Period(period) => {
                let (from, to) = clock.zone.period(*period, clock.now);
                (i128::from(from.0), i128::from(to.0) - 1)
            }
            What::Anniversary(_) => (i128::MIN, i128::MAX),
        }
    }
}

/// Whether a position is an end of time rather than an instant.
pub fn is_far(position: i128) -> bool {
    i64::try_from(position).is_err()
}

/// A test that is measured from now, with the ends that it has for a while.
#[derive(Clone, Debug)]
pub struct Moving {
    what: What,
    /// Whether positions are days.
    days: bool,
    /// Whether its ends are a fixed time from now at every instant.
    is_steady: bool,
    shape: Shape,
    /// The shape holds from this instant on … Units: milliseconds.
    from: i64,
    /// … and before this one.
    until: i64,
}

#[derive(Clone, Debug)]
enum Shape {
    Span(End, End),
    Calendar(Anniversary),
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// Here.
    At(i128),
    /// So much after now.
    Moved(i128),
}

impl End {
    fn at(self, now: i64) -> i128 {
        match self {
            End::At(position) => position,
            End::Moved(by) => i128::from(now) + by,
        }
    }

    fn moved(position: i128, clock: &Clock) -> End {
        if is_far(position) { End::At(position) } else { End::Moved(position - clock.now()) }
    }
}

impl Moving {
    /// A test of days or of instants, at a clock.
    pub fn new(what: What, days: bool, clock: &Clock) -> Moving {
        let (shape, until) = shape(what, days, clock);
        let is_steady = !days && matches!(what, What::Age(..) | What::Ahead(..)) && what.calendar_length().is_none();
        Moving { what, days, is_steady, shape, from: clock.now.0, until }
    }

    /// Whether it is of instants, and its ends are a fixed time from now at every instant.
    pub fn is_steady(&self) -> bool {
        self.is_steady
    }

    /// What is measured.
    pub fn what(&self) -> What {
        self.what
    }

    /// Whether positions are days.
    pub fn of_days(&self) -> bool {
        self.days
    }

    /// Whether the shape holds at an instant.
    #[inline]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.from <= now.0 && now.0 < self.until
    }

    /// Follows the clock.
    #[inline]
    pub fn follow(&mut self, clock: &Clock) {
        if !self.holds_at(clock.now) {
            *self = Moving::new(self.what, self.days, clock);
        }
    }

    /// The first and last position that pass at an instant for which the shape holds.
    #[inline]
    pub fn ends(&self, now: Timestamp) -> (i128, i128) {
        match &self.shape {
            Shape::Span(first, last) => (first.at(now.0), last.at(now.0)),
            Shape::Calendar(_) => (i128::MIN, i128::MAX),
        }
    }

    /// Writes the test as it is at an instant for which the shape holds into its bound form.
    pub fn write(&self, now: Timestamp, test: &mut ValueTest) {
        match (&self.shape, test) {
            (Shape::Span(..), ValueTest::Spans(spans)) => {
                let (first, last) = self.ends(now);
                spans.set_one(first, last);
            }
            (Shape::Calendar(calendar), ValueTest::Anniversary(bound)) => bound.clone_from(calendar),
            (Shape::Span(..) | Shape::Calendar(_), _) => {}
        }
    }
}

/// The ends of a test, and the instant before which they stay so or move with now.
fn shape(what: What, days: bool, clock: &Clock) -> (Shape, i64) {
    match what {
        What::Fixed(first, last) => (Shape::Span(End::At(first), End::At(last)), i64::MAX),
        What::Age(..) | What::Ahead(..) => {
            let (first, last) = what.instants(clock);
            let until = pace(what, clock, first, last);
            if days {
                return shape_of_days(clock, first, last, until);
            }
            (Shape::Span(End::moved(first, clock), End::moved(last, clock)), until)
        }
        What::Period(period) => {
            let (first, last) = if days { clock.period_days(period) } else { what.instants(clock) };
            (Shape::Span(End::At(first), End::At(last)), next_turn(&clock.zone, clock.now).0)
        }
        What::Anniversary(days_ahead) => {
            let calendar = Anniversary::new(clock.zone.day_of(clock.now), days_ahead, !days);
            (Shape::Calendar(calendar), next_turn(&clock.zone, clock.now).0)
        }
    }
}

/// The instant before which both ends move as now does.
fn pace(what: What, clock: &Clock, first: i128, last: i128) -> i64 {
    let Some(length) = what.calendar_length() else {
        return i64::MAX;
    };
    let ahead = matches!(what, What::Ahead(..));
    let edge = if ahead { clock.zone.after(clock.now, length) } else { clock.zone.before(clock.now, length) };
    if edge <= Timestamp::MIN || edge >= Timestamp::MAX {
        // At the ends of the calendar an edge stands still, perhaps for a part of a day.
        return if is_far(first) && is_far(last) { next_turn(&clock.zone, clock.now).0 } else { clock.now.0 + 1 };
    }
    steady_until(&clock.zone, clock.now, edge).0
}

/// The days that start between two instants which move with now until an instant; they stay until a start is crossed.
fn shape_of_days(clock: &Clock, first: i128, last: i128, mut until: i64) -> (Shape, i64) {
    if first > last {
        return (Shape::Span(End::At(0), End::At(-1)), until);
    }
    let (from, to) = clock.days_starting(first, last);
    let mut crossed = |at: i128| until = until.min(at.clamp(clock.now() + 1, i128::from(i64::MAX)) as i64);
    if !is_far(first) {
        let start = clock.day_start(from as i64);
        crossed(start.saturating_add(1).saturating_sub(first - clock.now()));
    }
    if !is_far(last) {
        let start = clock.day_start(to as i64 + 1);
        crossed(start.saturating_sub(last - clock.now()));
    }
    (Shape::Span(End::At(from), End::At(to)), until)
}
