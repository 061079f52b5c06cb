//! Where ordered values are cut into ranges that read well: round steps, or days, weeks, months and years.

use crate::{
    index::column::Column,
    model::{
        calendar::Zone,
        time::{Day, Timestamp},
        value::ValueType,
    },
};

/// Values that are looked at to choose the cuts; of no more than that all are.
const SAMPLE: usize = 4_096;
/// Round steps across what most values span, at most about.
const STEPS: u128 = 10;
/// Ranges of days or instants, about, at most.
const RANGES_MAX: i64 = 1_000;
/// Most values: all but one in so many at each end.
const TAIL: usize = 50;

/// How long the ranges of days and instants are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A day.
    Day,
    /// A week from Monday on.
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months, from January on.
    Quarter,
    /// A calendar year.
    Year,
    /// Ten calendar years.
    Decade,
}

impl Step {
    /// Every step, the shortest first, with the days that it spans at most so many ranges of.
    const ALL: [(Step, &'static str, i32); 6] = [
        (Step::Day, "day", 31),
        (Step::Week, "week", 26 * 7),
        (Step::Month, "month", 24 * 31),
        (Step::Quarter, "quarter", 6 * 366),
        (Step::Year, "year", 30 * 366),
        (Step::Decade, "decade", i32::MAX),
    ];

    /// The step of a word.
    pub fn of_word(word: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|(_, name, _)| *name == word).map(|(step, ..)| step)
    }

    /// The words of all steps.
    pub fn words() -> Vec<&'static str> {
        Step::ALL.into_iter().map(|(_, name, _)| name).collect()
    }

    /// The word.
    pub fn name(self) -> &'static str {
        Step::ALL[self as usize].1
    }

    /// The first day of the range that holds a day.
    fn start(self, day: Day) -> Day {
        let (year, month, _) = day.year_month_day();
        let first = |year: i16, month: i8| Day::of(year, month, 1).unwrap_or(Day::MIN);
        match self {
            Step::Day => day,
            // 1970-01-01 was a Thursday.
            Step::Week => day.plus_days(-i64::from((day.0 + 3).rem_euclid(7))),
            Step::Month => first(year, month),
            Step::Quarter => first(year, month - (month - 1) % 3),
            Step::Year => first(year, 1),
            Step::Decade => first(year - year.rem_euclid(10), 1),
        }
    }

    /// The first day of the range after the one that begins with a day.
    fn next(self, start: Day) -> Day {
        self.start(start.plus_days(self.days()))
    }

    /// The days of the longest range.
    fn days(self) -> i64 {
        match self {
            Step::Day => 1,
            Step::Week => 7,
            Step::Month => 31,
            Step::Quarter => 92,
            Step::Year => 366,
            Step::Decade => 3_653,
        }
    }
}

/// The cuts of a column's values: positions, ascending, each the first of a range; what lies before the first is a
/// range too. None when there is no value.
pub fn cuts(column: &Column, ty: ValueType, step: Option<Step>, zone: &Zone) -> Vec<i128> {
    let mut values = if column.len() as usize <= SAMPLE {
        column.iter().map(|(_, value)| value).collect()
    } else {
        column.sample(SAMPLE)
    };
    values.extend(if values.is_empty() { [column.min(), column.max()] } else { [None; 2] }.into_iter().flatten());
    values.sort_unstable();
    let tail = values.len() / TAIL;
    let Some((low, high)) = values.get(tail).copied().zip(values.iter().rev().nth(tail).copied()) else {
        return Vec::new();
    };
    let as_day = |at: i128| match ty {
        ValueType::Timestamp => zone.day_of(Timestamp(at as i64)),
        _ => Day(at as i32),
    };
    let position = |day: Day| match ty {
        ValueType::Timestamp => i128::from(zone.start_of(day).0),
        _ => i128::from(day.0),
    };
    if ty.is_temporal() {
        let mut cuts: Vec<i128> = by_calendar(as_day(low), as_day(high), step).into_iter().map(position).collect();
        // A day that the zone left out begins when the next one does.
        cuts.dedup();
        return cuts;
    }
    round(low, high)
}

fn by_calendar(low: Day, high: Day, step: Option<Step>) -> Vec<Day> {
    let span = high.0 - low.0 + 1;
    let fitting = Step::ALL.into_iter().find(|(.., days)| span <= *days).map_or(Step::Decade, |(step, ..)| step);
    // A step that would make too many ranges gives way to the next one.
    let is_few = |step: &Step| i64::from(span) / step.days() <= RANGES_MAX;
    let longer = |asked: Step| Step::ALL.into_iter().map(|(step, ..)| step).filter(move |step| *step >= asked);
    let step = longer(step.unwrap_or(fitting)).find(is_few).unwrap_or(Step::Decade);
    let mut cuts = vec![step.start(low)];
    while let Some(last) = cuts.last().copied().filter(|last| *last <= high) {
        let next = step.next(last);
        if next <= last {
            break;
        }
        cuts.push(next);
    }
    cuts
}

/// Multiples of the least of 1, 2, 5, 10, 20 … of which ten span from one value to the other.
fn round(low: i128, high: i128) -> Vec<i128> {
    let wanted = i128::try_from(high.abs_diff(low).div_ceil(STEPS)).unwrap_or(i128::MAX);
    let mut ten: i128 = 1;
    let step = loop {
        let found = [1, 2, 5].into_iter().filter_map(|n| ten.checked_mul(n)).find(|step| *step >= wanted);
        match (found, ten.checked_mul(10)) {
            (Some(step), _) => break step,
            (None, Some(more)) => ten = more,
            (None, None) => break i128::MAX,
        }
    };
    let first = low.div_euclid(step).saturating_mul(step);
    let mut cuts = vec![first];
    while let Some(last) = cuts.last().copied().filter(|last| *last <= high) {
        let next = last.saturating_add(step);
        if next == last {
            break;
        }
        cuts.push(next);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn steps_are_round_and_reach_from_end_to_end() {
        assert_eq!(round(3, 97), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
        assert_eq!(round(7, 7), [7, 8]);
        assert_eq!(round(-12, 12), [-15, -10, -5, 0, 5, 10, 15]);
        for (low, high) in [(0, 1), (i128::MIN, i128::MAX), (-1_000_003, 77), (12_345, 999_999_999)] {
            let cuts = round(low, high);
            assert!(cuts[0] <= low && (2..=13).contains(&cuts.len()), "{low} {high} {cuts:?}");
            assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(*cuts.last().unwrap() > high || high == i128::MAX);
        }
    }

    #[test]
    fn calendar_steps_begin_where_they_should() {
        let weeks = by_calendar(day("2026-05-01"), day("2026-07-01"), None);
        assert_eq!((weeks[0], weeks[1]), (day("2026-04-27"), day("2026-05-04")));
        let months = by_calendar(day("2025-11-30"), day("2026-12-02"), None);
        assert_eq!((months[0], months[1], months.len()), (day("2025-11-01"), day("2025-12-01"), 15));
        let quarters = by_calendar(day("2026-05-20"), day("2026-05-20"), Some(Step::Quarter));
        assert_eq!(quarters, [day("2026-04-01"), day("2026-07-01")]);
        assert_eq!(by_calendar(day("0000-01-01"), day("9999-12-31"), Some(Step::Day))[0], day("0000-01-01"));
        for (step, ..) in Step::ALL {
            let all = by_calendar(Day::MIN, Day::MAX, Some(step));
            assert!((1_000..=1_002).contains(&all.len()), "{step:?}: {} ranges", all.len());
        }
        for (step, name, _) in Step::ALL {
            assert_eq!((step.name(), Step::of_word(name)), (name, Some(step)));
            let start = step.start(day("2024-02-29"));
            assert!(start <= day("2024-02-29") && step.next(start) > day("2024-02-29"));
            assert_eq!(step.start(step.next(start)), step.next(start));
        }
    }
}
