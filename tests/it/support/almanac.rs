//! The calendar, done slowly and plainly, so that the product's own arithmetic has something to be compared with.
//!
//! Only the offset of an instant is asked of the time zone library. Days, months, the first instant of a day and the
//! stepping of months are worked out here. Instants are milliseconds in 128 bits and are never clamped.

use std::{cell::RefCell, collections::HashMap};

use jiff::tz::TimeZone;
use throng::model::{
    calendar::{Length, Period, Unit},
    time::{Day, Timestamp},
};

const DAY_MS: i128 = 86_400_000;
/// Further away than any instant.
pub const FAR: i128 = 1 << 100;

/// A time zone's calendar.
#[derive(Clone)]
pub struct Almanac {
    zone: TimeZone,
    starts: RefCell<HashMap<i64, i128>>,
}

/// Year, month and day of the month of a day number (0 is 1970-01-01).
pub fn civil(day: i64) -> (i64, i64, i64) {
    // Counts whole 400-year cycles, then walks years and months.
    let since = day + 719_528;
    let (mut year, mut left) = (since.div_euclid(146_097) * 400, since.rem_euclid(146_097));
    while left >= year_days(year) {
        left -= year_days(year);
        year += 1;
    }
    let mut month = 1;
    while left >= month_days(year, month) {
        left -= month_days(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

/// The day number of a year, month and day of the month; the inverse of [`civil`].
pub fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let cycle = year.div_euclid(400);
    let years: i64 = (cycle * 400..year).map(year_days).sum();
    let months: i64 = (1..month).map(|m| month_days(year, m)).sum();
    cycle * 146_097 + years + months + day - 1 - 719_528
}

/// Whether a year has a 29 February.
pub fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn year_days(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

/// How many days a month has.
pub fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Almanac {
    /// The calendar of an IANA zone.
    pub fn new(zone: &str) -> Almanac {
        let zone =
            if zone == "UTC" { TimeZone::UTC } else { TimeZone::get(zone).expect("a zone of the built-in table") };
        Almanac { zone, starts: RefCell::default() }
    }

    fn offset(&self, ms: i128) -> i128 {
        let reach = |end: jiff::Timestamp| i128::from(end.as_second()) * 1_000;
        let clamped = ms.clamp(reach(jiff::Timestamp::MIN), reach(jiff::Timestamp::MAX));
        let at = jiff::Timestamp::from_millisecond(clamped as i64).expect("clamped into range");
        i128::from(self.zone.to_offset(at).seconds()) * 1_000
    }

    /// What the clock on the wall shows, as milliseconds of a day-and-time line without zones.
    fn wall(&self, ms: i128) -> i128 {
        ms + self.offset(ms)
    }

    /// The day number on the wall at an instant. The last day there is has no end.
    pub fn day_of(&self, ms: i128) -> i64 {
        (self.wall(ms).div_euclid(DAY_MS) as i64).min(Day::MAX.0.into())
    }

    /// The first instant at which the wall shows the day (or, where the day was skipped, a later one).
    pub fn start_of(&self, day: i64) -> i128 {
        if day > i64::from(Day::MAX.0) {
            return FAR;
        }
        if let Some(start) = self.starts.borrow().get(&day) {
            return *start;
        }
        let midnight = i128::from(day) * DAY_MS;
        let quarter = 900_000;
        let reached = |at: &i128| self.day_of(*at) >= day;
        let by_quarter = (-66..=66).map(|step| midnight + step * quarter);
        let coarse = by_quarter.into_iter().find(reached).expect("offsets are below 16 hours");
        let by_second = (-900..=0).map(|step| coarse + step * 1_000);
        let start = by_second.into_iter().find(reached).expect("the last one is reached");
        self.starts.borrow_mut().insert(day, start);
        start
    }

    /// The instant at which the wall shows `wall`: the earlier of two; in a gap, as if the clock had not been moved.
    fn instant_of(&self, wall: i128) -> i128 {
        let before = self.offset(wall - DAY_MS);
        let after = self.offset(wall + DAY_MS);
        let valid = [wall - before, wall - after].into_iter().filter(|at| self.wall(*at) == wall).min();
        valid.unwrap_or(wall - before)
    }

    /// `at` moved by `sign` times `length`; past the calendar's reach it is [`FAR`] away.
    pub fn moved(&self, at: i128, length: Length, sign: i128) -> i128 {
        let n = i128::from(length.n);
        let exact = match length.unit {
            Unit::Second => 1_000,
            Unit::Minute => 60_000,
            Unit::Hour => 3_600_000,
            Unit::Day => DAY_MS,
            Unit::Week => 7 * DAY_MS,
            Unit::Month => return self.moved_months(at, sign * n),
            Unit::Year => return self.moved_months(at, sign * n * 12),
        };
        at + sign * n * exact
    }

    fn moved_months(&self, at: i128, months: i128) -> i128 {
        if months == 0 {
            return at;
        }
        let wall = self.wall(at);
        let (year, month, day) = civil(wall.div_euclid(DAY_MS) as i64);
        let total = i128::from(year) * 12 + i128::from(month - 1) + months;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as i64 + 1);
        if !(-9_000..=19_000).contains(&year) {
            return if months < 0 { -FAR } else { FAR };
        }
        let year = year as i64;
        let day = day.min(month_days(year, month));
        self.instant_of(i128::from(day_number(year, month, day)) * DAY_MS + wall.rem_euclid(DAY_MS))
    }

    /// `at` moved back by a length.
    pub fn before(&self, at: i128, length: Length) -> i128 {
        self.moved(at, length, -1)
    }

    /// `at` moved ahead by a length.
    pub fn after(&self, at: i128, length: Length) -> i128 {
        self.moved(at, length, 1)
    }

    /// First day of a period around an instant, and the first day after it.
    pub fn period(&self, period: Period, now: i128) -> (i64, i64) {
        let today = self.day_of(now);
        let (year, month, _) = civil(today);
        let monday = today - (today + 3).rem_euclid(7); // day 0 was a Thursday
        let month_start = |offset: i64| {
            let total = year * 12 + month - 1 + offset;
            day_number(total.div_euclid(12), total.rem_euclid(12) + 1, 1)
        };
        let year_start = |offset: i64| day_number(year + offset, 1, 1);
        match period {
            Period::Yesterday => (today - 1, today),
            Period::Today => (today, today + 1),
            Period::Tomorrow => (today + 1, today + 2),
            Period::LastWeek => (monday - 7, monday),
            Period::ThisWeek => (monday, monday + 7),
            Period::NextWeek => (monday + 7, monday + 14),
            Period::LastMonth => (month_start(-1), month_start(0)),
            Period::ThisMonth => (month_start(0), month_start(1)),
            Period::NextMonth => (month_start(1), month_start(2)),
            Period::LastYear => (year_start(-1), year_start(0)),
            Period::ThisYear => (year_start(0), year_start(1)),
            Period::NextYear => (year_start(1), year_start(2)),
        }
    }

    /// Whether a day's month and day come round on one of the days from today to `n` days later.
    pub fn anniversary(&self, day: i64, now: i128, n: u32) -> bool {
        let (_, month, date) = civil(day);
        let today = self.day_of(now);
        // Two years hold every anniversary, so that looking further adds nothing.
        (0..=i64::from(n).min(800)).any(|ahead| {
            let (year, m, d) = civil(today + ahead);
            (m, d) == (month, date) || ((month, date) == (2, 29) && (m, d) == (2, 28) && !is_leap(year))
        })
    }
}

/// An instant as 128-bit milliseconds.
pub fn ms(at: Timestamp) -> i128 {
    i128::from(at.0)
}

/// A day as a day number.
pub fn number(day: Day) -> i64 {
    i64::from(day.0)
}
