//! Binding of a test of one property: operators and operands become positive tests with absolute operands.

use crate::{
    model::value::ValueType,
    query::{
        bounds::{Clock, FOREVER, NEVER},
        context::BindError,
        spans::{Interval, Spans},
        value_test::{Anniversary, Pattern, Texts, ValueTest},
    },
    rule::ast::{Comparison, Moment, Operand, PropertyTest, Test},
};

/// A bound test of one property: all of the parts hold of the value, or, negated, not all of them do.
#[derive(Clone, Debug)]
pub struct Tested {
    /// Positive tests, all of which must hold, each with the test as it would be written.
    pub parts: Vec<(ValueTest, Test)>,
    /// Whether it is the complement.
    pub negated: bool,
    /// What was said of those without a value.
    pub missing: Option<bool>,
}

/// What a property is, as far as a test of it must know.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// Its type.
    pub ty: ValueType,
    /// Whether texts are compared with case.
    pub case_sensitive: bool,
}

impl Subject<'_> {
    /// The error that something does not fit this property.
    pub fn mismatch(&self, what: &'static str) -> BindError {
        BindError::Mismatch { property: self.name.to_owned(), ty: self.ty.name(), what }
    }

    fn has_texts(&self) -> bool {
        self.ty.is_text() || self.ty == ValueType::Set
    }
}

/// Binds a test.
///
/// Errors: [`BindError::Mismatch`], [`BindError::Pattern`]; none for a checked rule.
pub fn bind_value(test: &PropertyTest, subject: Subject<'_>, clock: &Clock) -> Result<Tested, BindError> {
    let one = |part: ValueTest, written: Test, negated: bool| vec_tested(vec![(part, written)], negated, test.missing);
    Ok(match &test.test {
        Test::IsSet => one(ValueTest::Present, Test::IsSet, false),
        Test::IsNotSet => one(ValueTest::Present, Test::IsSet, true),
        Test::Compare(Comparison::Ne, operand) => {
            let part = compare(Comparison::Eq, operand, subject, clock)?;
            one(part, Test::Compare(Comparison::Eq, operand.clone()), true)
        }
        Test::Compare(comparison, operand) => one(compare(*comparison, operand, subject, clock)?, written(test), false),
        Test::In { negated, values } => {
            let part = any_of(values, subject, clock)?;
            one(part, Test::In { negated: false, values: values.clone() }, *negated)
        }
        Test::HasAll(texts) => {
            if subject.ty != ValueType::Set {
                return Err(subject.mismatch("`has all`"));
            }
            let part = |text: &str| {
                let texts = Texts::new([text], subject.case_sensitive);
                (ValueTest::Texts(texts), Test::Compare(Comparison::Eq, Operand::Text(text.into())))
            };
            vec_tested(texts.iter().map(|text| part(text)).collect(), false, test.missing)
        }
        Test::Text { op, negated, pattern } => {
            if !subject.has_texts() {
                return Err(subject.mismatch("a text operator"));
            }
            let compiled = Pattern::new(*op, pattern, subject.case_sensitive)
                .map_err(|reason| BindError::Pattern { property: subject.name.to_owned(), reason })?;
            let written = Test::Text { op: *op, negated: false, pattern: pattern.clone() };
            one(ValueTest::Pattern(compiled), written, *negated)
        }
        Test::Anniversary(days) => {
            if !subject.ty.is_temporal() {
                return Err(subject.mismatch("an anniversary"));
            }
            let today = clock.zone.day_of(clock.now);
            let calendar = Anniversary::new(today, *days, subject.ty == ValueType::Timestamp);
            one(ValueTest::Anniversary(calendar), written(test), false)
        }
        _ => one(ValueTest::Spans(temporal_or_between(&test.test, subject, clock)?), written(test), false),
    })
}

fn vec_tested(parts: Vec<(ValueTest, Test)>, negated: bool, missing: Option<bool>) -> Tested {
    Tested { parts, negated, missing }
}

fn written(test: &PropertyTest) -> Test {
    test.test.clone()
}

fn compare(
    comparison: Comparison,
    operand: &Operand,
    subject: Subject<'_>,
    clock: &Clock,
) -> Result<ValueTest, BindError> {
    match operand {
        Operand::Text(text) if subject.has_texts() && comparison == Comparison::Eq => {
            Ok(ValueTest::Texts(Texts::new([&**text], subject.case_sensitive)))
        }
        Operand::Flag(flag) if subject.ty == ValueType::Boolean && comparison == Comparison::Eq => {
            Ok(ValueTest::Flag(*flag))
        }
        _ => {
            let (first, last) = extent(operand, subject, clock)?;
            Ok(ValueTest::Spans(match comparison {
                Comparison::Eq | Comparison::Ne => Spans::one(first, last),
                Comparison::Lt => Spans::one(NEVER, first.saturating_sub(1)),
                Comparison::Le => Spans::one(NEVER, last),
                Comparison::Gt => Spans::one(last.saturating_add(1), FOREVER),
                Comparison::Ge => Spans::one(first, FOREVER),
            }))
        }
    }
}

fn any_of(values: &[Operand], subject: Subject<'_>, clock: &Clock) -> Result<ValueTest, BindError> {
    if subject.has_texts() {
        let text = |operand: &'_ Operand| match operand {
            Operand::Text(text) => Ok(text.clone()),
            _ => Err(subject.mismatch("an operand that is no text")),
        };
        let texts: Vec<Box<str>> = values.iter().map(text).collect::<Result<_, _>>()?;
        return Ok(ValueTest::Texts(Texts::new(texts.iter().map(|text| &**text), subject.case_sensitive)));
    }
    if subject.ty == ValueType::Boolean {
        let flag = |operand: &Operand| match operand {
            Operand::Flag(flag) => Ok(*flag),
            _ => Err(subject.mismatch("an operand that is neither true nor false")),
        };
        let flags: Vec<bool> = values.iter().map(flag).collect::<Result<_, _>>()?;
        let first = flags.first().copied().ok_or_else(|| subject.mismatch("an empty list"))?;
        let both = flags.iter().any(|flag| *flag != first);
        return Ok(if both { ValueTest::Present } else { ValueTest::Flag(first) });
    }
    let spans: Vec<(i128, i128)> =
        values.iter().map(|operand| extent(operand, subject, clock)).collect::<Result<_, _>>()?;
    Ok(ValueTest::Spans(Spans::new(spans)))
}

/// The first and last position that an operand covers on the line of the property's type.
fn extent(operand: &Operand, subject: Subject<'_>, clock: &Clock) -> Result<(i128, i128), BindError> {
    let point = |position: i128| Ok((position, position));
    match (operand, subject.ty) {
        (Operand::Number(number), ValueType::Number) => point(number.0),
        (Operand::Money(minor, currency), ValueType::Money(own)) if *currency == own => point(i128::from(*minor)),
        (Operand::Date(day), ValueType::Date) => point(i128::from(day.0)),
        (Operand::Date(day), ValueType::Timestamp) => Ok(clock.day(*day)),
        (Operand::Instant(at), ValueType::Timestamp) => point(i128::from(at.0)),
        _ => Err(subject.mismatch("an operand of another type")),
    }
}

/// The positions that pass `between` or one of the tests of dates.
fn temporal_or_between(test: &Test, subject: Subject<'_>, clock: &Clock) -> Result<Spans, BindError> {
    if let Test::Between(from, to) = test {
        let (first, last) = (extent(from, subject, clock)?.0, extent(to, subject, clock)?.1);
        return Ok(Spans::one(first, last));
    }
    if !subject.ty.is_temporal() {
        return Err(subject.mismatch("an operator of dates"));
    }
    if let (ValueType::Date, Some((first, last))) = (subject.ty, calendar_days(test, clock)) {
        return Ok(Spans::one(first, last));
    }
    let day = |moment: &Moment| match (moment, subject.ty) {
        (Moment::Instant(_), ValueType::Date) => Err(subject.mismatch("an instant")),
        _ => Ok(clock.extent(*moment)),
    };
    let instants = match test {
        Test::Age(comparison, length) => clock.age(*comparison, *length),
        Test::Within(length) => clock.age(Comparison::Le, *length),
        Test::Next(length) => clock.ahead_by(Comparison::Le, *length),
        Test::Ahead(comparison, length) => clock.ahead_by(*comparison, *length),
        Test::On(on) => {
            let (first, last) = clock.day(*on);
            Spans::one(first, last)
        }
        Test::Before(moment) => Spans::one(NEVER, day(moment)?.0.saturating_sub(1)),
        Test::After(moment) => Spans::one(day(moment)?.1.saturating_add(1), FOREVER),
        Test::InPeriod(period) => {
            let (from, to) = clock.zone.period(*period, clock.now);
            Spans::one(i128::from(from.0), i128::from(to.0) - 1)
        }
        _ => return Err(subject.mismatch("this operator")),
    };
    // A day counts from its start, so the spans of instants hold the days that start inside them.
    Ok(if subject.ty == ValueType::Date { clock.days_in(&instants) } else { instants })
}

/// The first and last day that pass a test which names days. Days that a zone left out have the start of the next one,
/// so that days are compared as days, and not by their starts.
fn calendar_days(test: &Test, clock: &Clock) -> Option<(i128, i128)> {
    match test {
        Test::On(day) => Some((day.0.into(), day.0.into())),
        Test::Before(Moment::Date(day)) => Some((NEVER, i128::from(day.0) - 1)),
        Test::After(Moment::Date(day)) => Some((i128::from(day.0) + 1, FOREVER)),
        Test::InPeriod(period) => Some(clock.period_days(*period)),
        _ => None,
    }
}

/// The bounds that a comparison of an aggregate sets, and whether it is the complement.
///
/// Errors: [`BindError::Mismatch`].
pub fn bind_interval(
    comparison: Comparison,
    operand: &Operand,
    subject: Subject<'_>,
    clock: &Clock,
) -> Result<(Interval, bool), BindError> {
    let (first, last) = whole_extent(operand, subject, clock)?;
    // A whole day reaches up to the start of the next, which averages between two milliseconds show.
    let (lower, upper) = (Some((first, true)), Some((last.0, last.1)));
    let interval = |lower, upper| Interval { lower, upper };
    Ok(match comparison {
        Comparison::Eq => (interval(lower, upper), false),
        Comparison::Ne => (interval(lower, upper), true),
        Comparison::Lt => (interval(None, Some((first, false))), false),
        Comparison::Le => (interval(None, upper), false),
        Comparison::Gt => (interval(Some((last.0, !last.1)), None), false),
        Comparison::Ge => (interval(lower, None), false),
    })
}

/// The bounds that `between` sets on an aggregate.
///
/// Errors: [`BindError::Mismatch`].
pub fn bind_between(from: &Operand, to: &Operand, subject: Subject<'_>, clock: &Clock) -> Result<Interval, BindError> {
    let (first, _) = whole_extent(from, subject, clock)?;
    let (_, last) = whole_extent(to, subject, clock)?;
    Ok(Interval { lower: Some((first, true)), upper: Some(last) })
}

type Edge = (i128, bool);

fn whole_extent(operand: &Operand, subject: Subject<'_>, clock: &Clock) -> Result<(i128, Edge), BindError> {
    let (first, last) = extent(operand, subject, clock)?;
    let whole_day = matches!(operand, Operand::Date(_)) && subject.ty == ValueType::Timestamp;
    Ok((first, if whole_day { (last.saturating_add(1), false) } else { (last, true) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        calendar::{Length, Period, Unit, Zone},
        name::Name,
        number::Number,
        time::{Day, Timestamp},
    };

    fn clock() -> Clock {
        let now = Timestamp::parse("2026-05-01T12:00:00Z").unwrap();
        Clock { now, zone: Zone::named("Europe/Berlin").unwrap() }
    }

    fn subject(ty: ValueType) -> Subject<'static> {
        Subject { name: "p", ty, case_sensitive: false }
    }

    #[test]
    fn a_day_that_the_zone_left_out_is_not_the_next_one() {
        let now = Timestamp::parse("2011-12-31T10:00:01Z").unwrap();
        let clock = Clock { now: now.plus_ms(-43_200_000), zone: Zone::named("Pacific/Apia").unwrap() };
        let day = |text: &str| Day::parse(text).unwrap();
        let days = |test: Test| {
            let spans = temporal_or_between(&test, subject(ValueType::Date), &clock).unwrap();
            spans.as_slice().to_vec()
        };
        let (left_out, next) = (i128::from(day("2011-12-30").0), i128::from(day("2011-12-31").0));
        assert_eq!(days(Test::On(day("2011-12-30"))), [(left_out, left_out)]);
        assert_eq!(days(Test::On(day("2011-12-31"))), [(next, next)]);
        assert_eq!(days(Test::Before(Moment::Date(day("2011-12-31")))), [(NEVER, left_out)]);
        assert_eq!(days(Test::After(Moment::Date(day("2011-12-30")))), [(next, FOREVER)]);
        assert_eq!(days(Test::InPeriod(Period::Today)), [(next, next)]);
        assert_eq!(days(Test::InPeriod(Period::Yesterday)), [(left_out, left_out)]);
    }

    fn spans(test: Test, ty: ValueType) -> Vec<(i128, i128)> {
        let test = PropertyTest { property: Name::new("p").unwrap(), test, missing: None };
        let bound = bind_value(&test, subject(ty), &clock()).unwrap();
        match &bound.parts[..] {
            [(ValueTest::Spans(spans), _)] => spans.as_slice().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn number(text: &str) -> i128 {
        i128::from(Day::parse(text).unwrap().0)
    }

    #[test]
    fn a_days_age_counts_from_its_start_in_the_zone() {
        let one_day = Length { n: 1, unit: Unit::Day };
        // Now is 14:00 in Berlin on 1 May: the age of 30 April is 38 hours, that of 1 May 14.
        let age = |comparison| spans(Test::Age(comparison, one_day), ValueType::Date);
        assert_eq!(age(Comparison::Lt), [(number("2026-05-01"), number("2026-05-01"))]);
        assert_eq!(age(Comparison::Gt)[0].1, number("2026-04-30"));
        let next = spans(Test::Next(Length { n: 10, unit: Unit::Hour }), ValueType::Date);
        assert_eq!(next, [(number("2026-05-02"), number("2026-05-02"))], "it starts in exactly 10 hours");
        assert!(spans(Test::Next(Length { n: 9, unit: Unit::Hour }), ValueType::Date).is_empty());
        let week = spans(Test::InPeriod(Period::ThisWeek), ValueType::Date);
        assert_eq!(week, [(number("2026-04-27"), number("2026-05-03"))]);
    }

    #[test]
    fn a_date_is_its_whole_day_against_an_instant() {
        let ms = |text: &str| i128::from(Timestamp::parse(text).unwrap().0);
        let day = || Operand::Date(Day::parse("2026-05-01").unwrap());
        let (start, end) = (ms("2026-04-30T22:00:00Z"), ms("2026-05-01T22:00:00Z"));
        let compare = |comparison| spans(Test::Compare(comparison, day()), ValueType::Timestamp);
        assert_eq!(compare(Comparison::Eq), [(start, end - 1)]);
        assert_eq!(compare(Comparison::Lt), [(NEVER, start - 1)]);
        assert_eq!(compare(Comparison::Le), [(NEVER, end - 1)]);
        assert_eq!(compare(Comparison::Gt), [(end, FOREVER)]);
        assert_eq!(compare(Comparison::Ge), [(start, FOREVER)]);
        assert_eq!(spans(Test::Between(day(), day()), ValueType::Timestamp), [(start, end - 1)]);
        assert_eq!(
            compare(Comparison::Lt),
            spans(Test::Before(Moment::Date(Day::parse("2026-05-01").unwrap())), ValueType::Timestamp)
        );
    }

    #[test]
    fn operands_of_another_type_are_refused() {
        let test = |test| PropertyTest { property: Name::new("p").unwrap(), test, missing: None };
        let number = Operand::Number(Number::from_int(1));
        let wrong = [
            (Test::Compare(Comparison::Eq, number.clone()), ValueType::Text),
            (Test::Compare(Comparison::Lt, Operand::Text("x".into())), ValueType::Text),
            (Test::Compare(Comparison::Eq, Operand::Instant(Timestamp(0))), ValueType::Date),
            (Test::In { negated: false, values: vec![number] }, ValueType::Boolean),
            (Test::HasAll(vec!["x".into()]), ValueType::Text),
            (Test::Within(Length { n: 1, unit: Unit::Day }), ValueType::Number),
            (Test::Anniversary(0), ValueType::Number),
        ];
        for (what, ty) in wrong {
            assert!(bind_value(&test(what.clone()), subject(ty), &clock()).is_err(), "{what:?}");
        }
    }
}
