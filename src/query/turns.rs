//! Where the calendar turns: midnights, clocks that are set, and how long a calendar length keeps its pace.

use crate::model::{
    calendar::{DAY_MS, Length, Unit, Zone},
    time::{Day, Timestamp},
};

/// Clocks are set back by less than this.
const SET_BACK_MAX: i64 = 4 * 3_600_000;
/// A calendar length lies within this of its mean, on either side; months differ by some days, leap years by one.
const SPREAD_MS: i128 = 9 * DAY_MS as i128;
/// The mean month of 400 years. Units: milliseconds.
const MONTH_MS: i128 = 2_629_746_000;

/// The first instant after `at` at which another day may be today.
pub fn next_turn(zone: &Zone, at: Timestamp) -> Timestamp {
    let into_the_day = (at.0 + zone.offset_ms(at)).rem_euclid(DAY_MS);
    let midnight = Timestamp(at.0 + DAY_MS - into_the_day);
    zone.shift_after(at).map_or(midnight, |shift| shift.min(midnight))
}

/// The first instant after `at` at which the instant a calendar length away may cease to move as `at` does; `away` is
/// that instant. The two keep their distance while neither the day of `at` ends, nor the clocks are set here or there.
pub fn steady_until(zone: &Zone, at: Timestamp, away: Timestamp) -> Timestamp {
    let mut until = next_turn(zone, at).0;
    let mut there = |turn: i64| until = until.min(at.0.saturating_add(turn - away.0));
    if let Some(shift) = zone.shift_after(away) {
        there(shift.0);
    }
    // Times of day that are left out are taken as later ones, up to the end of what was left out.
    if let Some(shift) = zone.shift_up_to(away) {
        let set_by = zone.offset_ms(shift) - zone.offset_ms(shift.plus_ms(-1));
        let end = shift.0.saturating_add(set_by);
        if away.0 < end {
            there(end);
        }
    }
    Timestamp(until.max(at.0 + 1))
}

/// The instants between which a calendar length must lie that ends, or begins, at an instant `length` away.
pub fn calendar_bounds(from: i128, length: Length, later: bool) -> (i128, i128) {
    let months = i128::from(length.n) * if length.unit == Unit::Year { 12 } else { 1 };
    let mean = months * MONTH_MS * if later { 1 } else { -1 };
    (from + mean - SPREAD_MS, from + mean + SPREAD_MS)
}

/// The last day that has started by an instant.
pub fn day_begun(zone: &Zone, at: Timestamp) -> Day {
    let day = zone.day_of(at);
    let next = day.plus_days(1);
    if zone.start_of(next) <= at { next } else { day }
}

/// The instants, ascending, at which a day may come to have begun or not to have: its start, and if the clocks are set
/// back across it, when they are and the second start.
pub fn starts(zone: &Zone, day: Day) -> impl Iterator<Item = Timestamp> + use<> {
    let start = zone.start_of(day);
    let shift = zone.shift_after(start).filter(|shift| shift.0 - start.0 <= SET_BACK_MAX);
    let again = shift.map(|shift| Timestamp(i64::from(day.0) * DAY_MS - zone.offset_ms(shift)));
    [Some(start), shift, again].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_lengths_lie_within_their_bounds() {
        let zone = Zone::utc();
        for n in [0, 1, 2, 3, 5, 6, 7, 11, 12, 13, 24, 37, 48, 49, 600, 1_200, 2_400] {
            let length = Length { n, unit: Unit::Month };
            for day in (Day::parse("1890-01-01").unwrap().0..Day::parse("2110-01-01").unwrap().0).step_by(7) {
                for day in [day, zone.day_of(zone.start_of(Day(day)).plus_ms(DAY_MS * 3)).0] {
                    let at = Timestamp(i64::from(day) * DAY_MS);
                    for (away, later) in [(zone.before(at, length), false), (zone.after(at, length), true)] {
                        let (least, most) = calendar_bounds(i128::from(at.0), length, later);
                        let spare = 3 * i128::from(DAY_MS);
                        assert!(least + spare <= i128::from(away.0) && i128::from(away.0) <= most - spare, "{n} {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_midnight_may_come_twice() {
        let zone = Zone::named("America/St_Johns").unwrap();
        let day = Day::parse("2007-11-04").unwrap();
        // At 00:01 the clocks went back to 23:01 of the day before.
        let found: Vec<String> = starts(&zone, day).map(|at| at.to_string()).collect();
        assert_eq!(found, ["2007-11-04T02:30:00Z", "2007-11-04T02:31:00Z", "2007-11-04T03:30:00Z"]);
        assert_eq!(zone.day_of(Timestamp::parse("2007-11-04T02:45:00Z").unwrap()).to_string(), "2007-11-03");
        assert_eq!(day_begun(&zone, Timestamp::parse("2007-11-04T02:45:00Z").unwrap()), day);
        let turn = |at: &str| next_turn(&zone, Timestamp::parse(at).unwrap()).to_string();
        assert_eq!(turn("2007-11-04T02:30:10Z"), "2007-11-04T02:31:00Z");
        assert_eq!(turn("2007-11-04T02:31:00Z"), "2007-11-04T03:30:00Z");
    }

    #[test]
    fn lengths_keep_their_pace_between_turns() {
        let month = Length { n: 1, unit: Unit::Month };
        for (zone, from, to) in [
            ("Europe/Berlin", "2026-02-25", "2026-05-02"),
            ("America/Sao_Paulo", "2018-09-28", "2018-12-10"),
            ("America/St_Johns", "2007-10-30", "2007-12-10"),
        ] {
            let zone = Zone::named(zone).unwrap();
            let start = |day| zone.start_of(Day::parse(day).unwrap());
            let (mut at, end) = (start(from), start(to));
            let mut steps = 0;
            while at < end {
                for later in [false, true] {
                    let away = |at| if later { zone.after(at, month) } else { zone.before(at, month) };
                    let until = steady_until(&zone, at, away(at));
                    for t in (at.0..until.0).step_by(421_337).chain([until.0 - 1]) {
                        assert_eq!(away(Timestamp(t)).0 - t, away(at).0 - at.0, "{at} {until} {later}");
                    }
                }
                at =
                    steady_until(&zone, at, zone.before(at, month)).min(steady_until(&zone, at, zone.after(at, month)));
                steps += 1;
            }
            assert!(steps < 150, "{steps}");
        }
    }
}
