//! When a position comes into a test that is measured from now, or out of it.

use crate::{
    model::{
        calendar::{DAY_MS, Length, Period},
        time::{Day, Timestamp},
    },
    query::{
        bounds::Clock,
        moving::{Moving, What, is_far},
        turns::{calendar_bounds, day_begun, starts, steady_until},
    },
};

/// An instant after now before which a truth does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip {
    /// The instant.
    pub at: Timestamp,
    /// Whether it does change then; otherwise it must be looked at again.
    pub exact: bool,
}

impl Flip {
    /// A change at a position on the line of instants.
    pub fn exact(at: i128) -> Option<Flip> {
        Flip::checked(at, true)
    }

    /// No now comes after the last instant of the calendar.
    fn checked(at: i128, exact: bool) -> Option<Flip> {
        let at = i64::try_from(at).ok().filter(|at| *at <= Timestamp::MAX.0)?;
        Some(Flip { at: Timestamp(at), exact })
    }

    /// The earlier one.
    pub fn earlier(self, other: Option<Flip>) -> Flip {
        match other {
            Some(other) if (other.at, other.exact) < (self.at, self.exact) => other,
            Some(_) | None => self,
        }
    }
}

impl Moving {
    /// When a position that passes at the clock's now ceases to, or one that does not begins to.
    pub fn flip(&self, position: i128, clock: &Clock) -> Option<Flip> {
        match self.what() {
            What::Fixed(..) => None,
            What::Age(..) | What::Ahead(..) => {
                if self.is_steady() && self.holds_at(clock.now) {
                    return linear(self.ends(clock.now), position, clock.now()).and_then(Flip::exact);
                }
                let at = self.instant(position, clock);
                match self.what().calendar_length() {
                    None => linear(self.what().instants(clock), at, clock.now()).and_then(Flip::exact),
                    Some(length) => by_calendar(self.what(), length, at, clock),
                }
            }
            What::Period(period) => {
                // Periods go forward; what lies well before this one is past.
                let well_before = if self.of_days() { 2 } else { 2 * i128::from(DAY_MS) };
                if self.holds_at(clock.now) && position < self.ends(clock.now).0.saturating_sub(well_before) {
                    return None;
                }
                let day = match self.of_days() {
                    true => Day(position as i32),
                    false => day_begun(&clock.zone, Timestamp(position as i64)),
                };
                by_period(period, day, (!self.of_days()).then_some(position), clock)
            }
            What::Anniversary(days) => {
                let day = match self.of_days() {
                    true => Day(position as i32),
                    false => clock.zone.day_of(Timestamp(position as i64)),
                };
                by_anniversary(day, i64::from(days), clock)
            }
        }
    }

    /// The instant that a position counts as: a day its start.
    fn instant(&self, position: i128, clock: &Clock) -> i128 {
        if self.of_days() { clock.day_start(position as i64) } else { position }
    }
}

/// When an instant comes between two ends that move with now, or leaves them.
pub fn linear(ends: (i128, i128), at: i128, now: i128) -> Option<i128> {
    let (first, last) = ends;
    if first > last || is_far(at) {
        return None;
    }
    let enter = if is_far(last) { now } else { at + now - last };
    if enter > now {
        return Some(enter);
    }
    let leave = if is_far(first) { now } else { at + now - first + 1 };
    (leave > now).then_some(leave)
}

impl Moving {
    /// A number that positions share which have one flip; `None` if that is not worth the while.
    pub fn alike(&self, position: i128, clock: &Clock) -> Option<i128> {
        match self.what() {
            What::Anniversary(_) => {
                let day = match self.of_days() {
                    true => Day(position as i32),
                    false => clock.zone.day_of(Timestamp(position as i64)),
                };
                let (_, month, date) = day.year_month_day();
                Some(i128::from(month) * 32 + i128::from(date))
            }
            What::Fixed(..) | What::Age(..) | What::Ahead(..) | What::Period(_) => self.of_days().then_some(position),
        }
    }
}

/// A length of months: until its mean is near, nothing changes; near it, piece by piece of steady pace.
fn by_calendar(what: What, length: Length, at: i128, clock: &Clock) -> Option<Flip> {
    let now = clock.now();
    let (near, past) = calendar_bounds(at, length, matches!(what, What::Age(..)));
    // Before and after that, only now itself is an end.
    if is_far(at) || (at <= now && past <= now) {
        return None;
    }
    if at <= now && now < near {
        return Flip::checked(near, false);
    }
    let mut later = clock.clone();
    let mut holds = |t: i128| {
        later.now = Timestamp(t as i64);
        let (first, last) = what.instants(&later);
        first <= at && at <= last
    };
    let held = holds(now);
    if now < near {
        if now < at && at < near && holds(at) != held {
            return Flip::exact(at);
        }
        return Flip::checked(near, false);
    }
    if now < past
        && let Some(found) = walk(what, length, at, clock, held, past.min(i128::from(Timestamp::MAX.0)))
    {
        return Flip::exact(found);
    }
    if at > now.max(past) && holds(at) != held { Flip::exact(at) } else { None }
}

/// The first instant after now, up to about `past`, at which an instant does not pass as it does now.
fn walk(what: What, length: Length, at: i128, clock: &Clock, held: bool, past: i128) -> Option<i128> {
    let mut later = clock.clone();
    while later.now() < past {
        let ends = what.instants(&later);
        let ahead = matches!(what, What::Ahead(..));
        let away = if ahead { later.zone.after(later.now, length) } else { later.zone.before(later.now, length) };
        let until = steady_until(&later.zone, later.now, away);
        if (ends.0 <= at && at <= ends.1) != held {
            return Some(later.now());
        }
        if let Some(found) = linear(ends, at, later.now()).filter(|found| *found < i128::from(until.0)) {
            return Some(found);
        }
        later.now = until;
    }
    let (first, last) = what.instants(&later);
    ((first <= at && at <= last) != held).then(|| later.now())
}

/// When an instant of a day, or the day itself, comes into a period or goes out of it.
fn by_period(period: Period, day: Day, at: Option<i128>, clock: &Clock) -> Option<Flip> {
    let holds = |t: Timestamp| match at {
        Some(at) => {
            let (from, to) = clock.zone.period(period, t);
            i128::from(from.0) <= at && at < i128::from(to.0)
        }
        None => {
            let (from, to) = period.days(clock.zone.day_of(t));
            from <= day && day < to
        }
    };
    let held = holds(clock.now);
    // The days on which it is inside.
    let (from, to) = period.mirrored().days(day);
    let turns = starts(&clock.zone, from).chain(starts(&clock.zone, to));
    let flip = turns.filter(|t| *t > clock.now).find(|t| holds(*t) != held)?;
    Flip::exact(i128::from(flip.0))
}

fn by_anniversary(day: Day, days: i64, clock: &Clock) -> Option<Flip> {
    if days >= 366 {
        return None;
    }
    let (_, month, date) = day.year_month_day();
    let in_year = |year: i16| Day::of(year, month, date).or_else(|| Day::of(year, 2, 28));
    let holds = |today: Day| {
        let (year, ..) = today.year_month_day();
        let in_time = |on: Day| today <= on && i64::from(on.0) <= i64::from(today.0) + days;
        (year..=year.saturating_add(1)).filter_map(in_year).any(in_time)
    };
    let today = clock.zone.day_of(clock.now);
    let held = holds(today);
    let (year, ..) = today.year_month_day();
    // It comes in so many days before, and is out the day after. Nearly a year before is out only around leap days.
    let years = if days < 364 { 2 } else { 9 };
    let on = (year.saturating_sub(1)..=year.saturating_add(years)).filter_map(in_year);
    let mut turns: Vec<Day> = on.flat_map(|on| [on.plus_days(-days), on.plus_days(1)]).collect();
    turns.retain(|turn| *turn >= today);
    turns.sort_unstable();
    let turns = turns.into_iter().flat_map(|turn| starts(&clock.zone, turn));
    let flip = turns.filter(|t| *t > clock.now).find(|t| holds(clock.zone.day_of(*t)) != held)?;
    Flip::exact(i128::from(flip.0))
}
