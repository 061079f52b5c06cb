//! Relative times, days and windows, resolved against now and the zone into absolute positions.

use crate::{
    model::{
        calendar::{Length, Period, Unit, Zone},
        planted::{Bug, planted},
        time::{Day, Timestamp},
    },
    query::spans::Spans,
    rule::ast::{Comparison, Moment, Window},
};

/// Further than any instant or day.
pub const NEVER: i128 = i128::MIN;
/// Later than any instant or day.
pub const FOREVER: i128 = i128::MAX;

/// The instant that counts as now, and where days begin.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Now.
    pub now: Timestamp,
    /// Where days begin.
    pub zone: Zone,
}

impl Clock {
    /// Now as a position.
    pub fn now(&self) -> i128 {
        i128::from(self.now.0)
    }

    /// The instant a length before now; not clamped to the years that instants have.
    pub fn back(&self, length: Length) -> i128 {
        self.moved(length, -1)
    }

    /// The instant a length after now; not clamped either.
    pub fn ahead(&self, length: Length) -> i128 {
        self.moved(length, 1)
    }

    fn moved(&self, length: Length, sign: i128) -> i128 {
        if let Some(ms) = length.exact_ms() {
            return self.now() + sign * i128::from(ms);
        }
        let (year, month, _) = self.zone.day_of(self.now).year_month_day();
        let months = i128::from(length.n) * if length.unit == Unit::Year { 12 } else { 1 };
        match i128::from(year) * 12 + i128::from(month - 1) + sign * months {
            ..0 => NEVER,
            120_000.. => FOREVER,
            _ if sign < 0 => i128::from(self.zone.before(self.now, length).0),
            _ => i128::from(self.zone.after(self.now, length).0),
        }
    }

    /// The first and last instant of a day.
    pub fn day(&self, day: Day) -> (i128, i128) {
        (self.day_start(i64::from(day.0)), self.day_start(i64::from(day.0) + 1).saturating_sub(1))
    }

    /// The start of the day of a number; before the first day and after the last, the ends of time.
    pub fn day_start(&self, number: i64) -> i128 {
        if number < i64::from(Day::MIN.0) {
            NEVER
        } else if number > i64::from(Day::MAX.0) {
            FOREVER
        } else {
            let start = i128::from(self.zone.start_of(Day(number as i32)).0);
            // Instants of the first day's eve, in zones west of Greenwich, are counted to the first day.
            if number == i64::from(Day::MIN.0) { start.min(i128::from(Timestamp::MIN.0)) } else { start }
        }
    }

    /// The numbers, first and last, of the days whose start lies from `first` to `last`.
    pub fn days_starting(&self, first: i128, last: i128) -> (i128, i128) {
        let near = |at: i128| {
            let at = at.clamp(i128::from(Timestamp::MIN.0), i128::from(Timestamp::MAX.0));
            i64::from(self.zone.day_of(Timestamp(at as i64)).0)
        };
        let (mut from, mut to) = (near(first) - 3, near(last) + 3);
        while self.day_start(from) < first && from <= i64::from(Day::MAX.0) {
            from += 1;
        }
        while self.day_start(to) > last && to >= i64::from(Day::MIN.0) {
            to -= 1;
        }
        (i128::from(from), i128::from(to))
    }

    /// The numbers, first and last, of the days of a period around now, those among them that the zone left out.
    pub fn period_days(&self, period: Period) -> (i128, i128) {
        let (from, to) = period.days(self.zone.day_of(self.now));
        (i128::from(from.0), i128::from(to.0) - 1)
    }

    /// Days whose start lies in one of the spans of instants.
    pub fn days_in(&self, instants: &Spans) -> Spans {
        Spans::new(instants.as_slice().iter().map(|(first, last)| self.days_starting(*first, *last)).collect())
    }

    /// The instants that a comparison of the age with a length allows; see the table of ages.
    pub fn age(&self, comparison: Comparison, length: Length) -> Spans {
        let (first, last) = self.age_ends(comparison, length);
        Spans::one(first, last)
    }

    /// The first and last of these instants; the first is after the last when there is none.
    pub fn age_ends(&self, comparison: Comparison, length: Length) -> (i128, i128) {
        let edge = self.back(length);
        match comparison {
            Comparison::Lt => (edge.saturating_add(1), self.now()),
            Comparison::Le | Comparison::Eq | Comparison::Ne => (edge, self.now()),
            Comparison::Gt => (NEVER, edge.saturating_sub(1)),
            Comparison::Ge => (NEVER, edge),
        }
    }

    /// The instants that a comparison of `−age`, which must be positive, allows.
    pub fn ahead_by(&self, comparison: Comparison, length: Length) -> Spans {
        let (first, last) = self.ahead_ends(comparison, length);
        Spans::one(first, last)
    }

    /// The first and last of these instants; the first is after the last when there is none.
    pub fn ahead_ends(&self, comparison: Comparison, length: Length) -> (i128, i128) {
        let (edge, next) = (self.ahead(length), self.now() + 1);
        match comparison {
            Comparison::Lt => (next, edge.saturating_sub(1)),
            Comparison::Le | Comparison::Eq | Comparison::Ne => (next, edge),
            Comparison::Gt => (edge.saturating_add(1).max(next), FOREVER),
            Comparison::Ge => (edge.max(next), FOREVER),
        }
    }

    /// The first and last instant of a moment.
    pub fn extent(&self, moment: Moment) -> (i128, i128) {
        match moment {
            Moment::Date(day) => self.day(day),
            Moment::Instant(at) => (i128::from(at.0), i128::from(at.0)),
        }
    }

    /// First and last instant of a window, cut off at now; the first is after the last when nothing lies inside.
    pub fn window(&self, window: Option<Window>) -> (i64, i64) {
        let (first, last) = match window {
            None => (NEVER, FOREVER),
            Some(Window::Last(length)) => {
                let late = i128::from(planted(Bug::WindowEdge));
                (self.back(length).saturating_add(late), self.now())
            }
            Some(Window::MoreThanAgo(length)) => (NEVER, self.back(length).saturating_sub(1)),
            Some(Window::InPeriod(period)) => {
                let (from, to) = self.zone.period(period, self.now);
                (i128::from(from.0), i128::from(to.0) - 1)
            }
            Some(fixed) => self.fixed_ends(fixed),
        };
        self.cut(first, last)
    }

    /// First and last instant of a window between moments, whatever now is; of others, the ends of time.
    pub fn fixed_ends(&self, window: Window) -> (i128, i128) {
        match window {
            Window::Since(moment) => (self.extent(moment).0, FOREVER),
            Window::Before(moment) => (NEVER, self.extent(moment).0.saturating_sub(1)),
            Window::After(moment) => (self.extent(moment).1.saturating_add(1), FOREVER),
            Window::Between(from, to) => {
                let last = match to {
                    Moment::Date(day) => self.day(day).1,
                    Moment::Instant(at) => i128::from(at.0) - 1,
                };
                (self.extent(from).0, last)
            }
            Window::Last(_) | Window::MoreThanAgo(_) | Window::InPeriod(_) => (NEVER, FOREVER),
        }
    }

    /// Two ends of a window, cut off at now.
    pub fn cut(&self, first: i128, last: i128) -> (i64, i64) {
        let narrow = |at: i128| at.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        if last < i128::from(Timestamp::MIN.0) {
            return (0, -1);
        }
        (narrow(first), narrow(last.min(self.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(now: &str, zone: &str) -> Clock {
        Clock { now: Timestamp::parse(now).unwrap(), zone: Zone::named(zone).unwrap() }
    }

    fn at(text: &str) -> i128 {
        i128::from(Timestamp::parse(text).unwrap().0)
    }

    #[test]
    fn ages_hold_their_ends_to_the_millisecond() {
        let clock = clock("2026-05-01T12:00:00Z", "UTC");
        let ninety = Length { n: 90, unit: Unit::Day };
        let (edge, now) = (at("2026-01-31T12:00:00Z"), at("2026-05-01T12:00:00Z"));
        assert_eq!(clock.age(Comparison::Lt, ninety), Spans::one(edge + 1, now));
        assert_eq!(clock.age(Comparison::Le, ninety), Spans::one(edge, now));
        assert_eq!(clock.age(Comparison::Gt, ninety), Spans::one(NEVER, edge - 1));
        assert_eq!(clock.age(Comparison::Ge, ninety), Spans::one(NEVER, edge));
        assert!(clock.age(Comparison::Lt, Length { n: 0, unit: Unit::Day }).is_empty());
        let hour = Length { n: 1, unit: Unit::Hour };
        assert_eq!(clock.ahead_by(Comparison::Lt, hour), Spans::one(now + 1, now + 3_599_999));
        assert_eq!(clock.ahead_by(Comparison::Ge, Length { n: 0, unit: Unit::Day }), Spans::one(now + 1, FOREVER));
    }

    #[test]
    fn lengths_beyond_the_calendar_reach_past_every_value() {
        let clock = clock("2026-05-01T12:00:00Z", "UTC");
        for unit in [Unit::Month, Unit::Year] {
            assert_eq!(clock.back(Length { n: u32::MAX, unit }), NEVER);
            assert_eq!(clock.ahead(Length { n: u32::MAX, unit }), FOREVER);
        }
        assert!(clock.back(Length { n: u32::MAX, unit: Unit::Week }) < i128::from(Timestamp::MIN.0));
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let clock = clock("2026-03-29T22:30:00Z", "Europe/Berlin");
        let day = Day::parse("2026-03-29").unwrap(); // 23 hours long
        assert_eq!(clock.day(day), (at("2026-03-28T23:00:00Z"), at("2026-03-29T21:59:59.999Z")));
        let number = i128::from(day.0);
        let (start, _) = clock.day(day);
        assert_eq!(clock.days_starting(start, start), (number, number));
        assert_eq!(clock.days_starting(start + 1, start + 86_400_000), (number + 1, number + 1));
        assert_eq!(clock.days_starting(NEVER, start - 1).1, number - 1);
        assert_eq!(clock.day(Day::MAX).1, FOREVER - 1);
        let (from, to) = clock.days_starting(start + 1, start + 2);
        assert!(from > to, "no day starts there");
    }

    #[test]
    fn windows_end_where_the_contract_says() {
        let clock = clock("2026-05-20T12:00:00Z", "UTC");
        let date = |text: &str| Moment::Date(Day::parse(text).unwrap());
        let instant = |text: &str| Moment::Instant(Timestamp::parse(text).unwrap());
        let window = |window: Window| {
            let (first, last) = clock.window(Some(window));
            (Timestamp(first).to_string(), Timestamp(last).to_string())
        };
        let span = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let now = "2026-05-20T12:00:00Z";
        assert_eq!(window(Window::Last(Length { n: 7, unit: Unit::Day })), span("2026-05-13T12:00:00Z", now));
        assert_eq!(window(Window::Since(date("2026-05-01"))), span("2026-05-01T00:00:00Z", now));
        assert_eq!(window(Window::After(date("2026-05-01"))), span("2026-05-02T00:00:00Z", now));
        assert_eq!(window(Window::After(instant("2026-05-01T10:00:00Z"))), span("2026-05-01T10:00:00.001Z", now));
        let days = Window::Between(date("2026-05-01"), date("2026-05-02"));
        assert_eq!(window(days), span("2026-05-01T00:00:00Z", "2026-05-02T23:59:59.999Z"));
        let instants = Window::Between(instant("2026-05-01T10:00:00Z"), instant("2026-05-01T11:00:00Z"));
        assert_eq!(window(instants), span("2026-05-01T10:00:00Z", "2026-05-01T10:59:59.999Z"));
        assert_eq!(window(Window::InPeriod(Period::ThisMonth)), span("2026-05-01T00:00:00Z", now));
        assert_eq!(clock.window(Some(Window::Before(date("2026-05-01")))).1 as i128, at("2026-04-30T23:59:59.999Z"));
        assert_eq!(clock.window(None), (i64::MIN, clock.now.0));
    }
}
