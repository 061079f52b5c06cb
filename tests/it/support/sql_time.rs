//! Instants, days and calendar periods in SQL. In UTC they are worked out by SQLite's own date functions; in other
//! zones, which it does not know, the bounds come from the naive almanac.

use throng::{
    model::{
        calendar::{Length, Period, Unit},
        schema::Schema,
        time::{Day, Timestamp},
    },
    rule::ast::{Moment, Window},
};

use crate::support::{
    almanac::{Almanac, ms, number},
    naive::Naive,
};

const DAY_MS: i64 = 86_400_000;
/// Further than any instant, and small enough to add to.
const FAR: i128 = 1 << 60;
/// What SQLite's date functions can step to and come back from.
const YEARS: std::ops::RangeInclusive<i64> = 1..=9_998;

/// A translator of rules: it asks for what holds at `now`.
pub struct Sql<'a> {
    /// What is declared and what the calendar is.
    pub naive: &'a Naive,
    /// The instant to ask at.
    pub now: Timestamp,
}

/// An instant as a number that SQLite holds.
pub fn literal(at: i128) -> String {
    at.clamp(-FAR, FAR).to_string()
}

impl Sql<'_> {
    /// What is declared.
    pub fn schema(&self) -> &Schema {
        &self.naive.schema
    }

    fn almanac(&self) -> &Almanac {
        &self.naive.almanac
    }

    fn is_utc(&self) -> bool {
        self.schema().zone().name() == "UTC"
    }

    /// Now moved `times` times a length, back for a negative number.
    pub fn moved(&self, length: Length, times: i64) -> String {
        let n = i64::from(length.n) * times;
        let months = match length.unit {
            Unit::Month => n,
            Unit::Year => n * 12,
            Unit::Second | Unit::Minute | Unit::Hour | Unit::Day | Unit::Week => {
                let unit = i128::from(Length { n: 1, unit: length.unit }.exact_ms().expect("an exact unit"));
                return literal(ms(self.now) + i128::from(n) * unit);
            }
        };
        let year = self.now.0 / DAY_MS / 365 + 1970 + months / 12;
        if self.is_utc() && YEARS.contains(&year) {
            let (seconds, rest) = (self.now.0.div_euclid(1_000), self.now.0.rem_euclid(1_000));
            return format!("(unixepoch({seconds},'unixepoch','{months:+} months','floor')*1000+{rest})");
        }
        let whole = Length { n: n.unsigned_abs() as u32, unit: length.unit };
        literal(self.almanac().moved(ms(self.now), whole, if n < 0 { -1 } else { 1 }))
    }

    /// The first instant of a day.
    pub fn start(&self, day: i64) -> String {
        if self.is_utc() { format!("({day}*{DAY_MS})") } else { literal(self.almanac().start_of(day)) }
    }

    /// The first instant of a day that is itself an expression.
    pub fn start_of(&self, day: &str) -> String {
        if self.is_utc() { format!("({day}*{DAY_MS})") } else { format!("day_start({day})") }
    }

    /// The day of an instant that is itself an expression.
    pub fn day_of(&self, at: &str) -> String {
        // Division cuts towards zero, and there are instants before 1970: the line begins a million days earlier.
        if self.is_utc() { format!("(({at}+{DAY_MS}*1000000)/{DAY_MS}-1000000)") } else { format!("day_of({at})") }
    }

    /// Today's number.
    pub fn today(&self) -> i64 {
        self.almanac().day_of(ms(self.now))
    }

    /// First day of a period, and the first day after it.
    pub fn period(&self, period: Period) -> (String, String) {
        if !self.is_utc() {
            let (from, to) = self.almanac().period(period, ms(self.now));
            return (from.to_string(), to.to_string());
        }
        let (base, unit, offset) = match period {
            Period::Yesterday => ("'start of day'", "days", -1),
            Period::Today => ("'start of day'", "days", 0),
            Period::Tomorrow => ("'start of day'", "days", 1),
            // The next Sunday or today, and six days back from it: Monday.
            Period::LastWeek => ("'start of day','weekday 0','-6 days'", "weeks", -1),
            Period::ThisWeek => ("'start of day','weekday 0','-6 days'", "weeks", 0),
            Period::NextWeek => ("'start of day','weekday 0','-6 days'", "weeks", 1),
            Period::LastMonth => ("'start of month'", "months", -1),
            Period::ThisMonth => ("'start of month'", "months", 0),
            Period::NextMonth => ("'start of month'", "months", 1),
            Period::LastYear => ("'start of year'", "years", -1),
            Period::ThisYear => ("'start of year'", "years", 0),
            Period::NextYear => ("'start of year'", "years", 1),
        };
        let seconds = self.now.0.div_euclid(1_000);
        let bound = |offset: i64| {
            let (unit, offset) = if unit == "weeks" { ("days", offset * 7) } else { (unit, offset) };
            format!("(unixepoch({seconds},'unixepoch',{base},'{offset:+} {unit}')/86400)")
        };
        (bound(offset), bound(offset + 1))
    }

    /// The first instant of a moment.
    pub fn moment(&self, moment: Moment) -> String {
        match moment {
            Moment::Date(day) => self.start(number(day)),
            Moment::Instant(at) => literal(ms(at)),
        }
    }

    /// First instant of a day, and of the next.
    pub fn whole(&self, day: Day) -> (String, String) {
        (self.start(number(day)), self.start(number(day) + 1))
    }

    /// Whether an instant lies in a window.
    pub fn in_window(&self, at: &str, window: Option<Window>) -> String {
        match window {
            None => "1".into(),
            Some(Window::Last(length)) => format!("({at} BETWEEN {} AND {})", self.moved(length, -1), self.now.0),
            Some(Window::MoreThanAgo(length)) => format!("({at}<{})", self.moved(length, -1)),
            Some(Window::Since(moment)) => format!("({at}>={})", self.moment(moment)),
            Some(Window::Before(moment)) => format!("({at}<{})", self.moment(moment)),
            Some(Window::After(Moment::Date(day))) => format!("({at}>={})", self.whole(day).1),
            Some(Window::After(Moment::Instant(moment))) => format!("({at}>{})", moment.0),
            Some(Window::Between(from, to)) => {
                let end = match to {
                    Moment::Date(day) => self.whole(day).1,
                    Moment::Instant(to) => literal(ms(to)),
                };
                format!("({at}>={} AND {at}<{end})", self.moment(from))
            }
            Some(Window::InPeriod(period)) => {
                let (from, to) = self.period(period);
                format!("({at}>={} AND {at}<{})", self.start_of(&from), self.start_of(&to))
            }
        }
    }

    /// Whether a day's month and day come round on one of the days from today to `n` days later.
    pub fn anniversary(&self, day: &str, n: u32) -> String {
        let today = self.today();
        let month_day = |day: &str| format!("strftime('%m-%d',{day}*86400,'unixepoch')");
        let ahead = month_day(&format!("({today}+n)"));
        let after = month_day(&format!("({today}+n+1)"));
        let mine = month_day(day);
        // In a year without it, the 29th of February is on the 28th, which the first of March follows.
        format!(
            "EXISTS(SELECT 1 FROM ahead WHERE n<={n} AND ({mine}={ahead} OR \
             ({mine}='02-29' AND {ahead}='02-28' AND {after}='03-01')))"
        )
    }
}
