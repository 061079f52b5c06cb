//! Instants, days, lengths and the calendar of the database's time zone. The only home of the calendar library.

use std::{fmt, str::FromStr};

use jiff::{Span, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// An instant. Units: milliseconds since 1970-01-01T00:00:00Z; the years 0000 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// A calendar day. Units: days since 1970-01-01; which instants it covers is the [`Zone`]'s to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub i32);

/// Why a text is no date or instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not of the form `2026-05-01`, or no such day.
    #[error("is not a date like 2026-05-01, from year 0000 to 9999")]
    Date,
    /// Not of the form `2026-05-01T10:00:00Z`, or no such instant.
    #[error("is not an instant like 2026-05-01T10:00:00Z (with its offset), from year 0000 to 9999")]
    Instant,
    /// Not the name of a time zone.
    #[error("\"{0}\" is not an IANA time zone like Europe/Berlin")]
    Zone(String),
}

impl Timestamp {
    /// 0000-01-01T00:00:00Z.
    pub const MIN: Timestamp = Timestamp(-62_167_219_200_000);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999);

    /// Reads an RFC 3339 instant; the offset is required, digits past the millisecond are cut off.
    ///
    /// Errors: [`TimeError::Instant`].
    pub fn parse(text: &str) -> Result<Timestamp, TimeError> {
        let b = text.as_bytes();
        let digit = |i: usize| b.get(i).is_some_and(u8::is_ascii_digit);
        let shape = b.len() >= 20
            && [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18].into_iter().all(digit)
            && (b[4], b[7], b[13], b[16]) == (b'-', b'-', b':', b':')
            && matches!(b[10], b'T' | b't' | b' ')
            && is_fraction_and_offset(&b[19..]);
        if !shape {
            return Err(TimeError::Instant);
        }
        let instant = jiff::Timestamp::from_str(text).map_err(|_| TimeError::Instant)?;
        let ms = instant.as_nanosecond().div_euclid(1_000_000);
        let ms = i64::try_from(ms).map_err(|_| TimeError::Instant)?;
        if (Timestamp::MIN.0..=Timestamp::MAX.0).contains(&ms) { Ok(Timestamp(ms)) } else { Err(TimeError::Instant) }
    }

    /// The instant moved by `ms` milliseconds, kept within the years 0000 to 9999.
    pub fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms).clamp(Timestamp::MIN.0, Timestamp::MAX.0))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        let ms = self.0.clamp(Timestamp::MIN.0, Timestamp::MAX.0);
        jiff::Timestamp::from_millisecond(ms).expect("years 0000 to 9999 are within the calendar's range")
    }
}

/// `.123456` and then `Z` or `+02:00`.
fn is_fraction_and_offset(rest: &[u8]) -> bool {
    let rest = match rest.split_first() {
        Some((b'.', tail)) => {
            let digits = tail.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 || digits > 9 {
                return false;
            }
            &tail[digits..]
        }
        _ => rest,
    };
    match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].into_iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.rem_euclid(1_000);
        let days = self.0.div_euclid(86_400_000);
        let seconds = self.0.rem_euclid(86_400_000) / 1_000;
        let day = Day(i32::try_from(days).unwrap_or(i32::MAX));
        write!(f, "{day}T{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
        if ms != 0 {
            write!(f, ".{ms:03}")?;
        }
        f.write_str("Z")
    }
}

impl Day {
    /// 0000-01-01.
    pub const MIN: Day = Day(-719_528);
    /// 9999-12-31.
    pub const MAX: Day = Day(2_932_896);

    /// Reads `2026-05-01`.
    ///
    /// Errors: [`TimeError::Date`].
    pub fn parse(text: &str) -> Result<Day, TimeError> {
        let b = text.as_bytes();
        let digits = [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(|i| b.get(i).is_some_and(u8::is_ascii_digit));
        if b.len() != 10 || !digits || b[4] != b'-' || b[7] != b'-' {
            return Err(TimeError::Date);
        }
        let part = |from: usize, to: usize| text[from..to].parse::<i16>().map_err(|_| TimeError::Date);
        let (month, day) = (part(5, 7)?, part(8, 10)?);
        let date = Date::new(part(0, 4)?, month as i8, day as i8).map_err(|_| TimeError::Date)?;
        Ok(Day::from_civil(date))
    }

    /// Year, month (1 to 12) and day of the month (1 to 31).
    pub fn year_month_day(self) -> (i16, i8, i8) {
        let date = self.to_civil();
        (date.year(), date.month(), date.day())
    }

    /// The day `n` days later, kept within the years 0000 to 9999.
    pub fn plus_days(self, n: i64) -> Day {
        let day = i64::from(self.0).saturating_add(n).clamp(i64::from(Day::MIN.0), i64::from(Day::MAX.0));
        Day(day as i32)
    }

    fn from_civil(date: Date) -> Day {
        let epoch = Date::constant(1970, 1, 1);
        let days = epoch.until(date).map_or(0, |span| span.get_days());
        Day(days)
    }

    fn to_civil(self) -> Date {
        let day = self.0.clamp(Day::MIN.0, Day::MAX.0);
        let epoch = Date::constant(1970, 1, 1);
        epoch.checked_add(Span::new().days(day)).expect("years 0000 to 9999 are within the calendar's range")
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.year_month_day();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

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
    pub const ALL: [Unit; 7] =
        [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Year];

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
            Unit::Day => Some(86_400_000),
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
        Day::from_civil(self.zone.to_datetime(at.to_jiff()).date())
    }

    /// The first instant of `day`.
    pub fn start_of(&self, day: Day) -> Timestamp {
        match day.to_civil().to_zoned_datetime(self.zone.clone()) {
            Ok(start) => Timestamp(start.timestamp().as_millisecond()),
            Err(_) => Timestamp(i64::from(day.0) * 86_400_000),
        }
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
    fn instants_read_and_write() {
        assert_eq!(at("1970-01-01T00:00:00Z"), Timestamp(0));
        assert_eq!(at("2026-05-01T10:00:00.1239Z").to_string(), "2026-05-01T10:00:00.123Z");
        assert_eq!(at("2026-05-01T10:00:00+02:00").to_string(), "2026-05-01T08:00:00Z");
        assert_eq!(at("1969-12-31T23:59:59.9999Z"), Timestamp(-1), "cut off, not rounded");
        assert_eq!(at("0000-01-01T00:00:00Z"), Timestamp::MIN);
        assert_eq!(at("9999-12-31T23:59:59.999Z"), Timestamp::MAX);
        for bad in ["2026-05-01", "2026-05-01T10:00:00", "2026-13-01T00:00:00Z", "10000-01-01T00:00:00Z", "x", ""] {
            assert_eq!(Timestamp::parse(bad), Err(TimeError::Instant), "{bad}");
        }
    }

    #[test]
    fn days_read_and_write() {
        assert_eq!(Day::parse("1970-01-01"), Ok(Day(0)));
        assert_eq!(Day::parse("0000-01-01"), Ok(Day::MIN));
        assert_eq!(Day::parse("9999-12-31"), Ok(Day::MAX));
        assert_eq!(Day::parse("2024-02-29").unwrap().to_string(), "2024-02-29");
        for bad in ["2023-02-29", "2026-5-1", "26-05-01", "2026-05-01T", "99999-01-01"] {
            assert_eq!(Day::parse(bad), Err(TimeError::Date), "{bad}");
        }
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
    fn units_are_found_by_word() {
        assert_eq!(Unit::of_word("Days"), Some(Unit::Day));
        assert_eq!(Unit::of_word("day"), Some(Unit::Day));
        assert_eq!(Unit::of_word("fortnight"), None);
    }
}
