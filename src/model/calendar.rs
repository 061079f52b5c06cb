//! Lengths, periods and the calendar of the database's time zone.

use std::fmt;

use jiff::{Span, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::model::time::{Day, TimeError, Timestamp};

/// A day of 24 hours. Unit: milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// A unit of length. The first five are exact; months and years step the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// 1,000 ms.
    Second,
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s, whatever the clocks on the wall do.
    Day,
    /// 7 days.
    Week,
    /// A calendar month, clamped to the month's end.
    Month,
    /// Twelve calendar months.
    Year,
}

impl Unit {
    /// Every unit, shortest first.
    pub const ALL: [Unit; 7] = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Year];

    /// The plural word, `days`, as the JSON form spells it.
    pub fn plural(self) -> &'static str {
        match self {
            Unit::Second => "seconds",
            Unit::Minute => "minutes",
            Unit::Hour => "hours",
            Unit::Day => "days",
            Unit::Week => "weeks",
            Unit::Month => "months",
            Unit::Year => "years",
        }
    }

    /// The unit of a word, singular or plural, in any case.
    pub fn of_word(word: &str) -> Option<Unit> {
        let word = word.to_ascii_lowercase();
        Unit::ALL.into_iter().find(|unit| word == unit.plural() || word == unit.plural().trim_end_matches('s'))
    }

    /// The exact length in milliseconds, or `None` for months and years.
    pub fn exact_ms(self) -> Option<i64> {
        match self {
            Unit::Second => Some(1_000),
            Unit::Minute => Some(60_000),
            Unit::Hour => Some(3_600_000),
            Unit::Day => Some(DAY_MS),
            Unit::Week => Some(604_800_000),
            Unit::Month | Unit::Year => None,
        }
    }
}

/// A length of time as written, `90 days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Length {
    /// How many.
    pub n: u32,
    /// Of what.
    pub unit: Unit,
}

impl Length {
    /// Reads `30d`, `12h`, `2 weeks`: a number and a unit, as a word or as `s`, `min`, `h`, `d`, `w`, `mo`, `y`.
    pub fn parse(text: &str) -> Option<Length> {
        let text = text.trim();
        let (number, word) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let word = word.trim_start().to_ascii_lowercase();
        let short = [
            ("s", Unit::Second),
            ("min", Unit::Minute),
            ("h", Unit::Hour),
            ("d", Unit::Day),
            ("w", Unit::Week),
            ("mo", Unit::Month),
            ("y", Unit::Year),
        ];
        let found = short.into_iter().find(|(short, _)| *short == word).map(|(_, unit)| unit);
        Some(Length { n: number.parse().ok()?, unit: found.or_else(|| Unit::of_word(&word))? })
    }

    /// The exact length in milliseconds, or `None` when it holds months or years.
    pub fn exact_ms(self) -> Option<i64> {
        self.unit.exact_ms().map(|unit| unit.saturating_mul(i64::from(self.n)))
    }

    fn months(self) -> i64 {
        i64::from(self.n).saturating_mul(if self.unit == Unit::Year { 12 } else { 1 })
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.unit.plural();
        write!(f, "{} {}", self.n, if self.n == 1 { word.trim_end_matches('s') } else { word })
    }
}

/// A calendar period around now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Period {
    /// The day of now.
    Today,
    /// The day before.
    Yesterday,
    /// The day after.
    Tomorrow,
    /// Monday to Sunday around now.
    ThisWeek,
    /// The week before.
    LastWeek,
    /// The week after.
    NextWeek,
    /// The calendar month of now.
    ThisMonth,
    /// The month before.
    LastMonth,
    /// The month after.
    NextMonth,
    /// The calendar year of now.
    ThisYear,
    /// The year before.
    LastYear,
    /// The year after.
    NextYear,
}

impl Period {
    /// The period that holds today on the days that lie in this one of today: next week for last week.
    pub fn mirrored(self) -> Period {
        match self {
            Period::Yesterday => Period::Tomorrow,
            Period::Tomorrow => Period::Yesterday,
            Period::LastWeek => Period::NextWeek,
            Period::NextWeek => Period::LastWeek,
            Period::LastMonth => Period::NextMonth,
            Period::NextMonth => Period::LastMonth,
            Period::LastYear => Period::NextYear,
            Period::NextYear => Period::LastYear,
            Period::Today | Period::ThisWeek | Period::ThisMonth | Period::ThisYear => self,
        }
    }

    /// Every period.
    pub const ALL: [Period; 12] = [
        Period::Today,
        Period::Yesterday,
        Period::Tomorrow,
        Period::ThisWeek,
        Period::LastWeek,
        Period::NextWeek,
        Period::ThisMonth,
        Period::LastMonth,
        Period::NextMonth,
        Period::ThisYear,
        Period::LastYear,
        Period::NextYear,
    ];

    /// The name in the JSON form, `this_week`; the text form writes a space for the underscore.
    pub fn name(self) -> &'static str {
        match self {
            Period::Today => "today",
            Period::Yesterday => "yesterday",
            Period::Tomorrow => "tomorrow",
            Period::ThisWeek => "this_week",
            Period::LastWeek => "last_week",
            Period::NextWeek => "next_week",
            Period::ThisMonth => "this_month",
            Period::LastMonth => "last_month",
            Period::NextMonth => "next_month",
            Period::ThisYear => "this_year",
            Period::LastYear => "last_year",
            Period::NextYear => "next_year",
        }
    }

    /// First day, and the first day after the period, when today is `today`.
    pub fn days(self, today: Day) -> (Day, Day) {
        let date = today.to_civil();
        let weekday = i64::from(date.weekday().to_monday_zero_offset());
        let week = |offset: i64| {
            let monday = today.plus_days(7 * offset - weekday);
            (monday, monday.plus_days(7))
        };
        let month = |offset: i64| (month_start(date, offset), month_start(date, offset + 1));
        let year = |offset: i64| {
            let january = 1 - i64::from(date.month());
            (month_start(date, january + 12 * offset), month_start(date, january + 12 * (offset + 1)))
        };
        match self {
            Period::Today => (today, today.plus_days(1)),
            Period::Yesterday => (today.plus_days(-1), today),
            Period::Tomorrow => (today.plus_days(1), today.plus_days(2)),
            Period::ThisWeek => week(0),
            Period::LastWeek => week(-1),
            Period::NextWeek => week(1),
            Period::ThisMonth => month(0),
            Period::LastMonth => month(-1),
            Period::NextMonth => month(1),
            Period::ThisYear => year(0),
            Period::LastYear => year(-1),
            Period::NextYear => year(1),
        }
    }
}

/// The first day of the month `offset` months from the month of `date`.
fn month_start(date: Date, offset: i64) -> Day {
    let months = i64::from(date.year()) * 12 + i64::from(date.month() - 1) + offset;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    match i16::try_from(year).ok().and_then(|year| Date::new(year, month as i8, 1).ok()) {
        Some(first) => Day::from_civil(first),
        None if offset < 0 => Day::MIN,
        None => Day::MAX,
    }
}

/// The database's time zone: where days begin and months end.
#[derive(Clone, Debug)]
pub struct Zone {
    name: Box<str>,
    zone: TimeZone,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Zone {
        Zone { name: "UTC".into(), zone: TimeZone::UTC }
    }

    /// The zone of an IANA name, from the table built into the program, so that every machine agrees.
    ///
    /// Errors: [`TimeError::Zone`].
    pub fn named(name: &str) -> Result<Zone, TimeError> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Zone::utc());
        }
        let zone = TimeZone::get(name).map_err(|_| TimeError::Zone(name.to_owned()))?;
        let name = zone.iana_name().unwrap_or(name).into();
        Ok(Zone { name, zone })
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The day on which `at` falls.
    pub fn day_of(&self, at: Timestamp) -> Day {
        Day::MIN.plus_days((at.0 + self.offset_ms(at)).div_euclid(DAY_MS) - i64::from(Day::MIN.0))
    }

    /// The first instant of `day`.
    pub fn start_of(&self, day: Day) -> Timestamp {
        match day.to_civil().to_zoned_datetime(self.zone.clone()) {
            Ok(start) => Timestamp(start.timestamp().as_millisecond()),
            Err(_) => {
                let utc_ms = i64::from(day.0) * DAY_MS;
                let offset = self.zone.to_offset(Timestamp(utc_ms).to_jiff()).seconds();
                Timestamp(utc_ms - i64::from(offset) * 1_000).plus_ms(0)
            }
        }
    }

    /// The first instants of the days from `from` to `to`, as [`Zone::start_of`] tells them one by one: between two
    /// settings of the clocks they are a day apart.
    pub fn starts_of(&self, from: Day, to: Day) -> Vec<i64> {
        let mut starts = Vec::with_capacity(usize::try_from(i64::from(to.0) - i64::from(from.0) + 1).unwrap_or(0));
        let mut day = from;
        while day <= to {
            let start = self.start_of(day);
            starts.push(start.0);
            // Where midnight was skipped, or the whole day, the next day begins at another hour.
            let is_midnight = self.day_of(start) == day && (start.0 + self.offset_ms(start)).rem_euclid(DAY_MS) == 0;
            let left = i64::from(to.0) - i64::from(day.0);
            let alike = match self.shift_after(start) {
                _ if !is_midnight => 0,
                Some(shift) => ((shift.0 - start.0 - 1) / DAY_MS).min(left),
                None => left,
            };
            starts.extend((1..=alike).map(|n| start.0 + n * DAY_MS));
            if alike == left {
                break;
            }
            day = day.plus_days(alike + 1);
        }
        starts
    }

    /// The instant at which the clocks on the wall show what a clock of coordinated universal time shows at `shown`. What
    /// they show twice is the first time; what they skip is as much later as they were put forward.
    pub fn at_wall(&self, shown: Timestamp) -> Timestamp {
        let read = TimeZone::UTC.to_datetime(shown.to_jiff());
        let at = read.to_zoned_datetime(self.zone.clone()).map(|at| Timestamp(at.timestamp().as_millisecond()));
        at.unwrap_or(Timestamp(shown.0.saturating_sub(self.offset_ms(shown)))).plus_ms(0)
    }

    /// How far the clocks on the wall are ahead of coordinated universal time. Units: milliseconds.
    pub fn offset_ms(&self, at: Timestamp) -> i64 {
        i64::from(self.zone.to_offset(at.to_jiff()).seconds()) * 1_000
    }

    /// The first instant after `at` at which the clocks on the wall are set.
    pub fn shift_after(&self, at: Timestamp) -> Option<Timestamp> {
        let shift = self.zone.following(at.to_jiff()).next()?;
        Some(Timestamp(shift.timestamp().as_millisecond()))
    }

    /// The last instant up to `at` at which the clocks on the wall were set.
    pub fn shift_up_to(&self, at: Timestamp) -> Option<Timestamp> {
        let shift = self.zone.preceding(at.plus_ms(1).to_jiff()).next()?;
        Some(Timestamp(shift.timestamp().as_millisecond()))
    }

    /// `at` moved back by `length`: exactly, or by the calendar keeping the time of day and the day of the month
    /// (clamped to the month's end). Kept within the years 0000 to 9999.
    pub fn before(&self, at: Timestamp, length: Length) -> Timestamp {
        self.moved(at, length, -1)
    }

    /// `at` moved ahead by `length`, as [`Zone::before`] moves it back.
    pub fn after(&self, at: Timestamp, length: Length) -> Timestamp {
        self.moved(at, length, 1)
    }

    fn moved(&self, at: Timestamp, length: Length, sign: i64) -> Timestamp {
        if let Some(ms) = length.exact_ms() {
            return at.plus_ms(sign * ms);
        }
        let end = if sign < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let Ok(span) = Span::new().try_months(sign * length.months()) else {
            return end;
        };
        let from = at.to_jiff().to_zoned_datetime(self.zone.clone());
        match from.checked_add(span) {
            Ok(to) => Timestamp(to.timestamp().as_millisecond()).plus_ms(0),
            Err(_) => end,
        }
    }

    /// The instants of a period around `now`: first, and first after.
    pub fn period(&self, period: Period, now: Timestamp) -> (Timestamp, Timestamp) {
        let (from, to) = period.days(self.day_of(now));
        (self.start_of(from), self.start_of(to))
    }
}

impl Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Zone, D::Error> {
        let name = String::deserialize(deserializer)?;
        Zone::named(&name).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn months_clamp_and_keep_the_time_of_day_across_dst() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let month = Length { n: 1, unit: Unit::Month };
        assert_eq!(berlin.before(at("2026-03-31T10:00:00+02:00"), month), at("2026-02-28T10:00:00+01:00"));
        assert_eq!(berlin.before(at("2026-04-15T12:00:00+02:00"), month), at("2026-03-15T12:00:00+01:00"));
        let year = Length { n: 1, unit: Unit::Year };
        assert_eq!(berlin.before(at("2024-02-29T00:00:00Z"), year), at("2023-02-28T00:00:00Z"));
        let day = Length { n: 1, unit: Unit::Day };
        assert_eq!(berlin.before(at("2026-03-29T12:00:00+02:00"), day), at("2026-03-28T11:00:00+01:00"));
        assert_eq!(berlin.before(at("2026-01-01T00:00:00Z"), Length { n: u32::MAX, unit: Unit::Year }), Timestamp::MIN);
    }

    #[test]
    fn periods_follow_the_zone() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let now = at("2026-03-29T22:30:00Z"); // Monday 30 March, 00:30 in Berlin, the day after the clocks went ahead
        assert_eq!(berlin.day_of(now).to_string(), "2026-03-30");
        assert_eq!(berlin.period(Period::Yesterday, now), (at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z")));
        assert_eq!(berlin.period(Period::ThisWeek, now).0, at("2026-03-29T22:00:00Z"));
        assert_eq!(berlin.period(Period::LastMonth, now), (at("2026-01-31T23:00:00Z"), at("2026-02-28T23:00:00Z")));
        assert_eq!(berlin.period(Period::NextYear, now).0, at("2026-12-31T23:00:00Z"));
    }

    #[test]
    fn the_starts_of_many_days_are_those_of_each() {
        // Midnights that were skipped or came twice, days that were left out, clocks set by half hours and seconds.
        let zones = [
            "UTC",
            "Europe/Berlin",
            "America/Sao_Paulo",
            "Pacific/Apia",
            "Asia/Manila",
            "Africa/Cairo",
            "Africa/Casablanca",
        ];
        for zone in zones.into_iter().chain(["Australia/Lord_Howe", "America/St_Johns", "Asia/Gaza", "Africa/Monrovia"])
        {
            let zone = Zone::named(zone).unwrap();
            let days = [
                ("0000-01-01", "0000-03-01"),
                ("1844-12-01", "1845-02-01"),
                ("1900-01-01", "2045-01-01"),
                ("9998-06-01", "9999-12-31"),
                ("2020-01-02", "2020-01-01"),
            ];
            for (from, to) in days.map(|(from, to)| (Day::parse(from).unwrap(), Day::parse(to).unwrap())) {
                let one_by_one: Vec<i64> = (from.0..=to.0).map(|day| zone.start_of(Day(day)).0).collect();
                assert_eq!(zone.starts_of(from, to), one_by_one, "{} {from} {to}", zone.name());
            }
        }
    }

    #[test]
    fn units_are_found_by_word() {
        assert_eq!(Unit::of_word("Days"), Some(Unit::Day));
        assert_eq!(Unit::of_word("day"), Some(Unit::Day));
        assert_eq!(Unit::of_word("fortnight"), None);
    }
}
