//! Tests of behaviour, one contact at a time, over a plain list of its events.

use std::collections::BTreeSet;

use throng::{
    model::{
        name::Name,
        schema::Function,
        time::Timestamp,
        value::{Value, ValueType},
    },
    rule::ast::{
        AggregateBound, AggregateTest, Comparison, Counts, EdgeTest, End, EventTest, Moment, Operand, RegularTest,
        SequenceTest, Where, Window,
    },
};

use crate::support::{
    almanac::{Almanac, ms},
    naive::{Contact, Event, Naive},
    spelling,
};

impl Naive {
    /// The events of a kind that have happened by `now` and pass a filter, in order of arrival.
    fn happened<'a>(&self, kind: &Name, filter: &[Where], contact: &'a Contact, now: Timestamp) -> Vec<&'a Event> {
        let mine = contact.events.iter().filter(|event| event.kind == kind.as_str() && event.at <= now);
        mine.filter(|event| filter.iter().all(|condition| self.meets(condition, event, now))).collect()
    }

    fn meets(&self, condition: &Where, event: &Event, now: Timestamp) -> bool {
        match condition {
            Where::And(all) => all.iter().all(|condition| self.meets(condition, event, now)),
            Where::Or(any) => any.iter().any(|condition| self.meets(condition, event, now)),
            Where::Not(inner) => !self.meets(inner, event, now),
            Where::Test(test) => {
                let value = event.values.get(test.property.as_str());
                self.passes(test, value, self.event_case(&event.kind, test.property.as_str()), now)
            }
        }
    }

    fn event_case(&self, kind: &str, property: &str) -> bool {
        let kind = self.schema.event(kind).expect("checked: a known kind");
        kind.property(property).expect("checked: a known property").1.case_sensitive
    }

    fn in_window(&self, at: Timestamp, window: Option<Window>, now: Timestamp) -> bool {
        let (at, now) = (ms(at), ms(now));
        let start = |moment: Moment| match moment {
            Moment::Date(day) => self.whole(day).0,
            Moment::Instant(at) => ms(at),
        };
        match window {
            None => true,
            Some(Window::Last(length)) => self.almanac.before(now, length) <= at && at <= now,
            Some(Window::MoreThanAgo(length)) => at < self.almanac.before(now, length),
            Some(Window::Since(moment)) => at >= start(moment),
            Some(Window::Before(moment)) => at < start(moment),
            Some(Window::After(Moment::Date(day))) => at >= self.whole(day).1,
            Some(Window::After(Moment::Instant(moment))) => at > ms(moment),
            Some(Window::Between(from, Moment::Date(day))) => start(from) <= at && at < self.whole(day).1,
            Some(Window::Between(from, Moment::Instant(to))) => start(from) <= at && at < ms(to),
            Some(Window::InPeriod(period)) => {
                let (from, to) = self.almanac.period(period, now);
                self.almanac.start_of(from) <= at && at < self.almanac.start_of(to)
            }
        }
    }

    /// `did EVENT …`.
    pub fn did(&self, test: &EventTest, contact: &Contact, now: Timestamp) -> bool {
        let events = self.happened(&test.event, &test.filter, contact, now);
        let count = events.iter().filter(|event| self.in_window(event.at, test.window, now)).count();
        within_bounds(&test.counts, count as u64)
    }

    /// `did EVENT on at least N days`.
    pub fn on_days(&self, test: &EventTest, contact: &Contact, now: Timestamp) -> bool {
        let events = self.happened(&test.event, &test.filter, contact, now);
        let inside = events.iter().filter(|event| self.in_window(event.at, test.window, now));
        let days: BTreeSet<i64> = inside.map(|event| self.almanac.day_of(ms(event.at))).collect();
        within_bounds(&test.counts, days.len() as u64)
    }

    /// `first EVENT …`, `last EVENT …`.
    pub fn at_edge(&self, test: &EdgeTest, contact: &Contact, now: Timestamp) -> bool {
        let mut events = self.happened(&test.event, &test.filter, contact, now);
        events.sort_by_key(|event| (event.at, event.arrival));
        let chosen = match test.end {
            End::First => events.first(),
            End::Last => events.last(),
        };
        chosen.is_some_and(|event| {
            test.having.iter().all(|condition| self.meets(condition, event, now))
                && self.in_window(event.at, test.window, now)
        })
    }

    /// `did A then B …`: walks forward with every instant at which the steps so far can have ended.
    pub fn in_sequence(&self, test: &SequenceTest, contact: &Contact, now: Timestamp) -> bool {
        let mut ends: Option<BTreeSet<i128>> = None;
        for step in &test.steps {
            let events = self.happened(&step.event, &step.filter, contact, now);
            let times = events.iter().filter(|event| self.in_window(event.at, test.window, now)).map(|e| ms(e.at));
            let follows = |at: &i128| match &ends {
                None => true,
                Some(ends) => ends
                    .iter()
                    .any(|end| end < at && test.within.is_none_or(|within| at - end <= self.almanac.after(0, within))),
            };
            ends = Some(times.filter(follows).collect());
        }
        ends.is_some_and(|ends| !ends.is_empty())
    }

    /// `did EVENT in at least K of the last M units`.
    pub fn regularly(&self, test: &RegularTest, contact: &Contact, now: Timestamp) -> bool {
        let events = self.happened(&test.event, &test.filter, contact, now);
        let back = |spans: u32| times(&self.almanac, test, spans, now);
        let good = (1..=test.periods).filter(|k| {
            let (after, until) = (back(*k), back(k - 1));
            let count = events.iter().filter(|event| after < ms(event.at) && ms(event.at) <= until).count();
            within_bounds(&test.counts, count as u64)
        });
        good.count() as u64 >= u64::from(test.at_least)
    }

    /// `sum(EVENT.prop) op v` and its siblings.
    pub fn aggregates(&self, test: &AggregateTest, contact: &Contact, now: Timestamp) -> bool {
        let events = self.happened(&test.event, &test.filter, contact, now);
        let inside: Vec<&Event> = events.into_iter().filter(|e| self.in_window(e.at, test.window, now)).collect();
        let Some(of) = &test.of else {
            return self.bounded(test, Some(&Fraction::whole(inside.len() as i128)));
        };
        let values: Vec<&Value> = inside.iter().filter_map(|event| event.values.get(of.as_str())).collect();
        let kind = self.schema.event(test.event.as_str()).expect("checked: a known kind");
        let (_, property) = kind.property(of.as_str()).expect("checked: a known property");
        match test.function {
            Function::Count => self.bounded(test, Some(&Fraction::whole(values.len() as i128))),
            Function::Distinct => {
                let distinct = distinct(&values, property.case_sensitive);
                self.bounded(test, Some(&Fraction::whole(distinct as i128)))
            }
            Function::Sum => self.bounded(test, Some(&Fraction::sum(&values, 1))),
            Function::Avg if values.is_empty() => self.bounded(test, None),
            Function::Avg => self.bounded(test, Some(&Fraction::sum(&values, values.len() as i128))),
            Function::Min => self.extreme(test, values.iter().min_by_key(|v| v.ordered()).copied(), property.ty),
            Function::Max => self.extreme(test, values.iter().max_by_key(|v| v.ordered()).copied(), property.ty),
        }
    }

    /// The least or greatest value is compared as a property's value is.
    fn extreme(&self, test: &AggregateTest, value: Option<&Value>, ty: ValueType) -> bool {
        assert!(ty.is_ordered(), "checked: an ordered property");
        match (&test.test, value) {
            (AggregateBound::Compare(Comparison::Ne, _), None) => true,
            (_, None) => false,
            (AggregateBound::Compare(comparison, operand), Some(value)) => {
                self.compares(*comparison, value, operand, false)
            }
            (AggregateBound::Between(from, to), Some(value)) => {
                self.compares(Comparison::Ge, value, from, false) && self.compares(Comparison::Le, value, to, false)
            }
        }
    }

    fn bounded(&self, test: &AggregateTest, value: Option<&Fraction>) -> bool {
        let counts = matches!(test.function, Function::Count | Function::Distinct);
        let compares = |comparison, operand: &Operand| {
            let wanted = match operand {
                Operand::Number(number) => number.0,
                Operand::Money(minor, _) => i128::from(*minor),
                other => panic!("{other:?} for {:?}", test.function),
            };
            let unit = if counts { throng::model::number::ONE } else { 1 };
            value.is_some_and(|value| value.compares(unit, comparison, wanted))
        };
        match &test.test {
            AggregateBound::Compare(Comparison::Ne, operand) => !compares(Comparison::Eq, operand),
            AggregateBound::Compare(comparison, operand) => compares(*comparison, operand),
            AggregateBound::Between(from, to) => compares(Comparison::Ge, from) && compares(Comparison::Le, to),
        }
    }
}

/// `spans` times the length of a span before now.
fn times(almanac: &Almanac, test: &RegularTest, spans: u32, now: Timestamp) -> i128 {
    let mut every = test.every;
    every.n = every.n.checked_mul(spans).expect("generated spans are short");
    almanac.before(ms(now), every)
}

/// How many different values there are; texts are compared as rules compare them, sets text by text.
pub fn distinct(values: &[&Value], case_sensitive: bool) -> usize {
    let mut seen = BTreeSet::new();
    for value in values {
        match value {
            Value::Text(text) => drop(seen.insert(spelling::comparable(text, case_sensitive))),
            Value::Set(texts) => seen.extend(texts.iter().map(|text| spelling::comparable(text, case_sensitive))),
            Value::Flag(flag) => drop(seen.insert(flag.to_string())),
            other => drop(seen.insert(format!("{:?}", other.ordered()))),
        }
    }
    seen.len()
}

/// Whether a count lies within bounds; none at all mean at least 1.
pub fn within_bounds(counts: &Counts, count: u64) -> bool {
    if counts.is_empty() {
        return count >= 1;
    }
    counts.iter().all(|(comparison, bound)| match comparison {
        Comparison::Eq => count == *bound,
        Comparison::Ne => count != *bound,
        Comparison::Lt => count < *bound,
        Comparison::Le => count <= *bound,
        Comparison::Gt => count > *bound,
        Comparison::Ge => count >= *bound,
    })
}

/// An exact quotient. The upper part is in units of 10¹⁸, so that a sum of many large numbers has room.
pub struct Fraction {
    high: i128,
    low: i128,
    over: i128,
}

const SPLIT: i128 = 1_000_000_000_000_000_000;

impl Fraction {
    fn whole(n: i128) -> Fraction {
        Fraction { high: 0, low: n, over: 1 }
    }

    /// The sum of ordered values, divided by `over`.
    pub fn sum(values: &[&Value], over: i128) -> Fraction {
        let (mut high, mut low) = (0, 0);
        for value in values {
            let position = value.ordered().expect("checked: a number or money");
            high += position.div_euclid(SPLIT);
            low += position.rem_euclid(SPLIT);
        }
        Fraction { high, low, over }
    }

    /// Whether the quotient, in units of `unit`, stands in a relation to `wanted`.
    fn compares(&self, unit: i128, comparison: Comparison, wanted: i128) -> bool {
        let carry = |high: i128, low: i128| (high + low.div_euclid(SPLIT), low.rem_euclid(SPLIT));
        let left = if unit == 1 { carry(self.high, self.low) } else { carry(self.low, 0) };
        let right = carry(wanted.div_euclid(SPLIT) * self.over, wanted.rem_euclid(SPLIT) * self.over);
        assert!(unit == 1 || (unit == SPLIT && self.high == 0 && self.over == 1), "counts are whole numbers");
        match comparison {
            Comparison::Eq => left == right,
            Comparison::Ne => left != right,
            Comparison::Lt => left < right,
            Comparison::Le => left <= right,
            Comparison::Gt => left > right,
            Comparison::Ge => left >= right,
        }
    }
}
