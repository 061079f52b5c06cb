//! Tests of one value, of a contact's property or of an event's, with every operand made absolute.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    index::matching::{TextMatch, key_of},
    model::{
        calendar::Zone,
        time::{Day, Timestamp},
    },
    query::spans::Spans,
    rule::ast::TextOp,
};

/// What must hold of a value that is there. All are positive: a missing value passes none of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValueTest {
    /// Anything.
    Present,
    /// This flag.
    Flag(bool),
    /// A position in one of the spans.
    Spans(Spans),
    /// Its month and day are in the calendar.
    Anniversary(Anniversary),
    /// The text, or some text of a set, is one of these.
    Texts(Texts),
    /// The text, or some text of a set, passes.
    Pattern(Pattern),
}

/// Months and days of the year.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Anniversary {
    /// Bit `d` of entry `m - 1` stands for day `d` of month `m`.
    months: [u32; 12],
    /// Whether values are instants, and not days.
    instants: bool,
}

impl Anniversary {
    /// The month and day of `today` and the `days` days after it. Where a year has no February 29, it counts on
    /// February 28.
    pub fn new(today: Day, days: u32, instants: bool) -> Anniversary {
        let mut months = [0; 12];
        // Two years hold every day of the year that a longer stretch would.
        for offset in 0..=days.min(366 * 8) {
            let (year, month, day) = today.plus_days(i64::from(offset)).year_month_day();
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            months[month as usize - 1] |= 1 << day;
            if (month, day) == (2, 28) && !leap {
                months[1] |= 1 << 29;
            }
        }
        Anniversary { months, instants }
    }

    /// Whether values are instants, and not days.
    pub fn of_instants(&self) -> bool {
        self.instants
    }

    /// Whether a day's month and day are among them.
    pub fn has(&self, day: Day) -> bool {
        let (_, month, day) = day.year_month_day();
        self.months[month as usize - 1] & (1 << day) != 0
    }

    /// Whether a position's month and day are among them.
    pub fn contains(&self, position: i128, zone: &Zone) -> bool {
        if self.instants { self.has(zone.day_of(Timestamp(position as i64))) } else { self.has(Day(position as i32)) }
    }

    /// The positions between two that pass, as spans.
    pub fn spans(&self, least: i128, most: i128, zone: &Zone) -> Spans {
        let day_of = |position: i128| match self.instants {
            true => zone.day_of(Timestamp(position as i64)),
            false => Day(position as i32),
        };
        let (first, last) = (day_of(least), day_of(most));
        let mut spans = Vec::new();
        let mut day = first;
        while day <= last {
            let from = day;
            while day <= last && self.has(day) {
                day = Day(day.0 + 1);
            }
            if from < day {
                let start = |of: Day| if self.instants { i128::from(zone.start_of(of).0) } else { i128::from(of.0) };
                let begin = if from == first { least } else { start(from) };
                spans.push((begin, if day > last { most } else { start(day) - 1 }));
            }
            day = Day(day.0 + 1);
        }
        Spans::new(spans)
    }
}

/// Texts to be equal to, under a case rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Texts {
    case_sensitive: bool,
    /// Key and spelling, ascending by key, no two keys equal.
    texts: Vec<(Box<str>, Box<str>)>,
}

impl Texts {
    /// These texts.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>, case_sensitive: bool) -> Texts {
        let keyed = |text: &'a str| (Box::from(key_of(text, case_sensitive)), Box::from(text));
        let mut texts: Vec<(Box<str>, Box<str>)> = texts.into_iter().map(keyed).collect();
        texts.sort_unstable();
        texts.dedup_by(|a, b| a.0 == b.0);
        Texts { case_sensitive, texts }
    }

    /// Whether case counts.
    pub fn is_case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    /// The spellings.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|(_, text)| &**text)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether a text is equal to one of them.
    pub fn has(&self, text: &str) -> bool {
        let key = key_of(text, self.case_sensitive);
        self.texts.binary_search_by(|(known, _)| (**known).cmp(&key)).is_ok()
    }
}

/// A compiled text test; equal when written equal.
#[derive(Clone, Debug)]
pub struct Pattern {
    op: TextOp,
    written: Box<str>,
    case_sensitive: bool,
    compiled: Arc<TextMatch>,
}

impl Pattern {
    /// Compiles a test.
    ///
    /// Errors: what is wrong with a regular expression.
    pub fn new(op: TextOp, written: &str, case_sensitive: bool) -> Result<Pattern, String> {
        let compiled = match op {
            TextOp::Contains => TextMatch::contains(written, case_sensitive),
            TextOp::StartsWith => TextMatch::starts_with(written, case_sensitive),
            TextOp::EndsWith => TextMatch::ends_with(written, case_sensitive),
            TextOp::Glob => TextMatch::glob(written, case_sensitive),
            TextOp::Regex => {
                let mut builder = regex::RegexBuilder::new(written);
                builder.size_limit(crate::model::limits::REGEX_COMPILED_BYTES_MAX);
                TextMatch::regex(builder.build().map_err(|error| error.to_string())?)
            }
        };
        Ok(Pattern { op, written: written.into(), case_sensitive, compiled: Arc::new(compiled) })
    }

    /// The compiled test.
    pub fn compiled(&self) -> &TextMatch {
        &self.compiled
    }

    /// Which test.
    pub fn op(&self) -> TextOp {
        self.op
    }

    /// Whether a text passes.
    pub fn has(&self, text: &str) -> bool {
        self.compiled.matches_text(text, self.case_sensitive)
    }

    fn identity(&self) -> (TextOp, &str, bool) {
        (self.op, &self.written, self.case_sensitive)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn leap_days_are_kept_on_the_28th_of_other_years() {
        let on = |today: &str, days, born: &str| Anniversary::new(day(today), days, false).has(day(born));
        assert!(on("2026-02-28", 0, "2000-02-29"));
        assert!(on("2026-02-28", 0, "1999-02-28"));
        assert!(!on("2024-02-28", 0, "2000-02-29"));
        assert!(on("2024-02-29", 0, "2000-02-29"));
        assert!(!on("2024-02-29", 0, "2001-02-28"));
        assert!(!on("2026-03-01", 0, "2000-02-29"));
        assert!(on("2026-12-30", 5, "1990-01-04") && !on("2026-12-30", 5, "1990-01-05"), "across the year's end");
        assert!(on("2026-05-01", u32::MAX, "1990-04-30"));
    }

    #[test]
    fn spans_of_anniversaries_agree_with_asking_each() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        for (today, days) in [("2026-02-27", 3), ("2026-12-30", 5), ("2024-02-29", 0), ("2026-07-01", 400)] {
            let dates = Anniversary::new(day(today), days, false);
            let (least, most) = (i128::from(day("1995-06-01").0), i128::from(day("2005-06-01").0));
            let spans = dates.spans(least, most, &zone);
            assert!((least..=most).all(|d| spans.contains(d) == dates.contains(d, &zone)));
            let instants = Anniversary::new(day(today), days, true);
            let (least, most) = (least * 86_400_000, most * 86_400_000);
            let spans = instants.spans(least, most, &zone);
            let step = 86_400_000 / 24 * 5 + 1;
            assert!((least..=most).step_by(step).all(|t| spans.contains(t) == instants.contains(t, &zone)));
        }
    }

    #[test]
    fn texts_are_compared_by_the_case_rule() {
        let loose = Texts::new(["US", "us", "São Paulo"], false);
        assert_eq!(loose.len(), 2);
        assert!(loose.has("Us") && loose.has("SÃO PAULO") && !loose.has("Sao Paulo"));
        let strict = Texts::new(["US", "us"], true);
        assert!(strict.has("US") && !strict.has("Us"));
    }
}
