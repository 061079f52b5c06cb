//! Instants and days: reading, writing and stepping them.

use std::fmt;

use jiff::{Span, civil::Date};
use serde::{Deserialize, Serialize};

/// An instant. Units: milliseconds since 1970-01-01T00:00:00Z; the years 0000 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// A calendar day. Units: days since 1970-01-01; which instants it covers is the time zone's to say.
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
        let ms = instant_ms(text).ok_or(TimeError::Instant)?;
        if (Timestamp::MIN.0..=Timestamp::MAX.0).contains(&ms) { Ok(Timestamp(ms)) } else { Err(TimeError::Instant) }
    }

    /// The instant moved by `ms` milliseconds, kept within the years 0000 to 9999.
    pub fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms).clamp(Timestamp::MIN.0, Timestamp::MAX.0))
    }

    /// The calendar library's instant; its range ends a day before the year 9999 does.
    pub(super) fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

/// Milliseconds since 1970 of `2026-05-01T10:00:00.123+02:00`. A leap second is its minute's last.
fn instant_ms(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    let number = |at: usize| {
        let (tens, ones) = (b.get(at)?, b.get(at + 1)?);
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from((tens - b'0') * 10 + (ones - b'0')))
    };
    let marks = (b.get(10)?, b.get(13)?, b.get(16)?);
    let day = Day::parse(text.get(..10)?).ok()?;
    if !matches!(marks, (b'T' | b't' | b' ', b':', b':')) {
        return None;
    }
    let (hour, minute, second) = (number(11)?, number(14)?, number(17)?.min(59));
    if hour > 23 || minute > 59 || number(17)? > 60 {
        return None;
    }
    let (ms, zone) = match &b[19..] {
        [b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let kept = (0..3).map(|i| if i < digits { i64::from(rest[i] - b'0') } else { 0 });
            (kept.fold(0, |ms, digit| ms * 10 + digit), (digits > 0).then(|| 20 + digits)?)
        }
        _ => (0, 19),
    };
    let offset_minutes = match &b[zone..] {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (number(zone + 1)?, number(zone + 4)?);
            (hours < 24 && minutes < 60).then_some((hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 })?
        }
        _ => return None,
    };
    let seconds = (hour * 60 + minute - offset_minutes) * 60 + second;
    Some(i64::from(day.0) * 86_400_000 + seconds * 1_000 + ms)
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

    /// The day of a year, month and day of the month, if there is one.
    pub fn of(year: i16, month: i8, day: i8) -> Option<Day> {
        Date::new(year, month, day).ok().map(Day::from_civil).filter(|day| (Day::MIN..=Day::MAX).contains(day))
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

    pub(super) fn from_civil(date: Date) -> Day {
        let epoch = Date::constant(1970, 1, 1);
        let days = epoch.until(date).map_or(0, |span| span.get_days());
        Day(days)
    }

    pub(super) fn to_civil(self) -> Date {
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
        assert_eq!(at("2026-12-31T23:59:60Z"), at("2026-12-31T23:59:59Z"), "a leap second is its minute's last");
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
}
