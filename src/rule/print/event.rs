//! Writing what rules say about events.

use std::fmt::Write;

use crate::{
    model::{
        calendar::Length,
        schema::{Function, Schema},
    },
    rule::{
        ast::{
            AggregateBound, AggregateTest, Comparison, Counts, EdgeTest, End, EventTest, Operand, RegularTest,
            SequenceTest, Test, Where, Window,
        },
        print::{guarded, joined, moment, name, operand, plain, property_test, sign, ticked},
    },
};

fn window(out: &mut String, span: Option<&Window>) {
    let Some(span) = span else { return };
    let _ = match span {
        Window::Last(n) => write!(out, " in last {n}"),
        Window::MoreThanAgo(n) => write!(out, " more than {n} ago"),
        Window::InPeriod(period) => write!(out, " during {}", period.name().replace('_', " ")),
        Window::Since(at) | Window::Before(at) | Window::After(at) => {
            out.push_str(match span {
                Window::Since(_) => " since ",
                Window::Before(_) => " before ",
                _ => " after ",
            });
            moment(out, *at);
            Ok(())
        }
        Window::Between(low, high) => {
            out.push_str(" between ");
            moment(out, *low);
            out.push_str(" and ");
            moment(out, *high);
            Ok(())
        }
    };
}

fn filter(out: &mut String, word: &str, conditions: &[Where]) {
    if conditions.is_empty() {
        return;
    }
    let _ = write!(out, " {word} (");
    joined(out, conditions, " and ", |out, item| condition(out, item, conditions.len() > 1));
    out.push(')');
}

fn condition(out: &mut String, item: &Where, inside: bool) {
    let group = |out: &mut String, items: &[Where], joint: &str| {
        if inside {
            out.push('(');
        }
        joined(out, items, joint, |out, item| condition(out, item, true));
        if inside {
            out.push(')');
        }
    };
    match item {
        Where::Test(test) => property_test(out, test),
        Where::And(items) => group(out, items, " and "),
        Where::Or(items) => group(out, items, " or "),
        Where::Not(inner) => {
            out.push_str("not ");
            condition(out, inner, true);
        }
    }
}

/// Bounds with the lower ones first.
fn in_order(bounds: &Counts) -> impl Iterator<Item = (&Comparison, &u64)> {
    let order = [Comparison::Ge, Comparison::Gt, Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Le];
    order.into_iter().filter_map(|comparison| bounds.get_key_value(&comparison))
}

/// Writes ` at least 2 and at most 5 times`.
fn counts(out: &mut String, bounds: &Counts, noun: &str) {
    let mut last = 0;
    for (place, (comparison, n)) in in_order(bounds).enumerate() {
        let words = match comparison {
            Comparison::Eq => "exactly",
            Comparison::Ne => "not exactly",
            Comparison::Lt => "fewer than",
            Comparison::Le => "at most",
            Comparison::Gt => "more than",
            Comparison::Ge => "at least",
        };
        let _ = write!(out, "{} {words} {n}", if place > 0 { " and" } else { "" });
        last = *n;
    }
    if !bounds.is_empty() {
        let _ = write!(out, " {noun}{}", if last == 1 { "" } else { "s" });
    }
}

/// How a schema says that an event happened, or that it did not: the phrase, and the name of its label if that is all
/// that is asked of it.
#[derive(Clone, Copy)]
pub struct Phrase<'a> {
    words: &'a str,
    label: Option<&'a Operand>,
}

/// The phrase of an event, if the schema has one.
pub fn phrase<'a>(test: &'a EventTest, schema: Option<&'a Schema>, negative: bool) -> Option<Phrase<'a>> {
    let kind = schema?.event(test.event.as_str())?;
    // "No conversation at least 2 times" is not how anyone says it.
    if negative && !test.counts.is_empty() {
        return None;
    }
    let words = if negative { kind.negative.first() } else { kind.phrases.first() };
    let label = match test.filter.as_slice() {
        [Where::Test(only)] if Some(&only.property) == kind.label.as_ref() && only.missing.is_none() => {
            match &only.test {
                Test::Compare(Comparison::Eq, value @ Operand::Text(_)) => Some(value),
                _ => None,
            }
        }
        _ => None,
    };
    Some(Phrase { words: words?, label })
}

/// `did …`, or as the schema says it
pub fn event(out: &mut String, test: &EventTest, phrase: Option<Phrase<'_>>) {
    if let Some(phrase) = phrase {
        out.push_str(phrase.words);
        match phrase.label {
            Some(label) => {
                out.push(' ');
                operand(out, label);
            }
            None => filter(out, "where", &test.filter),
        }
        counts(out, &test.counts, "time");
        return window(out, test.window.as_ref());
    }
    out.push_str("did ");
    let risky = matches!(test.window, Some(Window::InPeriod(_))) || test.counts.contains_key(&Comparison::Ne);
    if risky {
        guarded(out, &test.event)
    } else {
        name(out, &test.event)
    }
    filter(out, "where", &test.filter);
    counts(out, &test.counts, "time");
    window(out, test.window.as_ref());
}

/// `did … on at least N days`
pub fn days(out: &mut String, test: &EventTest) {
    out.push_str("did ");
    guarded(out, &test.event);
    filter(out, "where", &test.filter);
    out.push_str(" on");
    let least = Counts::from([(Comparison::Ge, 1)]);
    counts(out, if test.counts.is_empty() { &least } else { &test.counts }, "day");
    window(out, test.window.as_ref());
}

/// `sum(…) > …`
pub fn aggregate(out: &mut String, test: &AggregateTest) {
    let _ = write!(out, "{}(", test.function.name());
    name(out, &test.event);
    if let Some(of) = &test.of {
        out.push('.');
        let single = plain(of) && !of.as_str().contains('_');
        if single && test.function != Function::Count { name(out, of) } else { ticked(out, of) }
    }
    filter(out, "where", &test.filter);
    out.push(')');
    window(out, test.window.as_ref());
    match &test.test {
        AggregateBound::Compare(comparison, value) => {
            let _ = write!(out, " {} ", sign(*comparison));
            operand(out, value);
        }
        AggregateBound::Between(low, high) => {
            out.push_str(" between ");
            operand(out, low);
            out.push_str(" and ");
            operand(out, high);
        }
    }
}

/// `first …`, `last …`
pub fn edge(out: &mut String, test: &EdgeTest) {
    out.push_str(match test.end {
        End::First => "first ",
        End::Last => "last ",
    });
    guarded(out, &test.event);
    filter(out, "where", &test.filter);
    filter(out, "having", &test.having);
    window(out, test.window.as_ref());
}

/// `did … then …`
pub fn sequence(out: &mut String, test: &SequenceTest) {
    out.push_str("did ");
    joined(out, &test.steps, " then ", |out, step| {
        guarded(out, &step.event);
        filter(out, "where", &step.filter);
    });
    if let Some(within) = test.within {
        let _ = write!(out, " within {within}");
    }
    window(out, test.window.as_ref());
}

/// `did … in at least K of the last N …`
pub fn regularly(out: &mut String, test: &RegularTest) {
    out.push_str("did ");
    guarded(out, &test.event);
    filter(out, "where", &test.filter);
    counts(out, &test.counts, "time");
    let _ = write!(out, " in at least {} of the last ", test.at_least);
    let _ = match test.every {
        Length { n: 1, unit } => write!(out, "{}", Length { n: test.periods, unit }),
        every => write!(out, "{} periods of {every}", test.periods),
    };
}
