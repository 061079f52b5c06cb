//! Writing the canonical text form, so that any schema that knows the names reads the same tree back.
//!
//! Why names of one word stand in back-ticks in some places: a schema may also know a longer name that begins the
//! same way and goes on with the language's own words, and the longest name wins. A name of several words is safe,
//! since it is written with `_`, and a word with `_` is a whole name.

use std::fmt::Write;

use crate::{
    model::{calendar::Length, currency::Currency, name::Name, schema::Schema},
    rule::{
        ast::{BucketRange, Comparison, Moment, Operand, PropertyTest, Quantity, Rule, Test, TextOp},
        parse::start::SAMPLE_BUCKETS,
    },
};

pub mod event;

/// Words that mean something by themselves, so that a name like that is put in back-ticks.
const WORDS: [&str; 56] = [
    "ago",
    "ahead",
    "all",
    "and",
    "any",
    "anniversary",
    "at",
    "avg",
    "before",
    "after",
    "between",
    "birthday",
    "bucket",
    "contains",
    "count",
    "did",
    "distinct",
    "does",
    "domain",
    "during",
    "ends",
    "everyone",
    "exactly",
    "excluding",
    "false",
    "first",
    "has",
    "having",
    "in",
    "including",
    "is",
    "last",
    "least",
    "matches",
    "max",
    "min",
    "most",
    "next",
    "no",
    "not",
    "of",
    "on",
    "once",
    "or",
    "sample",
    "segment",
    "since",
    "starts",
    "sum",
    "then",
    "this",
    "true",
    "twice",
    "where",
    "within",
    "xor",
];

/// Writes a rule.
pub fn rule(rule: &Rule) -> String {
    let mut text = String::new();
    write_rule(&mut text, rule, None, Strength::Loosest);
    text
}

/// Writes a rule as its schema says it, with a line for each part of the outermost group.
pub fn lines(rule: &Rule, schema: &Schema) -> String {
    in_lines(rule, Some(schema))
}

/// The same as any schema says it.
pub fn plain_lines(rule: &Rule) -> String {
    in_lines(rule, None)
}

fn in_lines(rule: &Rule, schema: Option<&Schema>) -> String {
    let (joint, parts) = match rule {
        Rule::And(parts) => ("\nAND ", parts.as_slice()),
        Rule::Or(parts) => ("\nOR ", parts.as_slice()),
        Rule::Xor(parts) => ("\nXOR ", parts.as_slice()),
        _ => ("", std::slice::from_ref(rule)),
    };
    let around = if joint.is_empty() { Strength::Loosest } else { Strength::Item };
    let mut text = String::new();
    joined(&mut text, parts, joint, |out, rule| write_rule(out, rule, schema, around));
    text
}

/// How tightly what stands around binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Loosest,
    /// Inside an `and`, `or`, `xor`, where every compound stands in parentheses.
    Item,
}

fn write_rule(out: &mut String, rule: &Rule, schema: Option<&Schema>, around: Strength) {
    match rule {
        Rule::All => out.push_str("everyone"),
        Rule::None => out.push_str("no one"),
        Rule::And(list) => compound(out, list, " and ", schema, around),
        Rule::Or(list) => compound(out, list, " or ", schema, around),
        Rule::Xor(list) => compound(out, list, " xor ", schema, around),
        Rule::Not(inner) => negation(out, inner, schema),
        Rule::Of { quantity, n, rules } => {
            let word = match quantity {
                Quantity::AtLeast => "at least",
                Quantity::AtMost => "at most",
                Quantity::Exactly => "exactly",
            };
            let _ = write!(out, "{word} {n} of ");
            parenthesized(out, rules, |out, rule| write_rule(out, rule, schema, Strength::Loosest));
        }
        Rule::Property(test) => property_test(out, test),
        Rule::Tag(tag) => {
            out.push_str("has tag ");
            quoted(out, tag);
        }
        Rule::AnyTag(tags) => {
            out.push_str("has any tag of ");
            parenthesized(out, tags, |out, tag| quoted(out, tag));
        }
        Rule::AllTags(tags) => {
            out.push_str("has all tags of ");
            parenthesized(out, tags, |out, tag| quoted(out, tag));
        }
        Rule::EmailDomain { property, domains } => email_domain(out, property.as_ref(), domains),
        Rule::Event(test) => event::event(out, test, event::phrase(test, schema, false)),
        Rule::Days(test) => event::days(out, test),
        Rule::Aggregate(test) => event::aggregate(out, test),
        Rule::Edge(test) => event::edge(out, test),
        Rule::Sequence(test) => event::sequence(out, test),
        Rule::Regularly(test) => event::regularly(out, test),
        Rule::Segment(name) => {
            out.push_str("in segment ");
            quoted(out, name);
        }
        Rule::Bucket { name, of, range } => bucket(out, name, *of, *range),
    }
}

fn compound(out: &mut String, list: &[Rule], joint: &str, schema: Option<&Schema>, around: Strength) {
    if around > Strength::Loosest {
        out.push('(');
    }
    joined(out, list, joint, |out, rule| write_rule(out, rule, schema, Strength::Item));
    if around > Strength::Loosest {
        out.push(')');
    }
}

/// Items with something between them.
pub fn joined<T>(out: &mut String, items: &[T], joint: &str, mut write: impl FnMut(&mut String, &T)) {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push_str(joint);
        }
        write(out, item);
    }
}

fn parenthesized<T>(out: &mut String, items: &[T], write: impl FnMut(&mut String, &T)) {
    out.push('(');
    joined(out, items, ", ", write);
    out.push(')');
}

fn negation(out: &mut String, inner: &Rule, schema: Option<&Schema>) {
    if let Rule::Event(test) = inner
        && let Some(phrase) = event::phrase(test, schema, true)
    {
        return event::event(out, test, Some(phrase));
    }
    match inner {
        Rule::Tag(tag) => {
            out.push_str("no tag ");
            quoted(out, tag);
        }
        Rule::Event(_) | Rule::Days(_) | Rule::Sequence(_) | Rule::Regularly(_) => {
            let at = out.len();
            write_rule(out, inner, None, Strength::Item);
            out.insert_str(at + "did".len(), " not");
        }
        Rule::Segment(_) => {
            out.push_str("not ");
            write_rule(out, inner, schema, Strength::Item);
        }
        // In parentheses always, lest `not …` is taken for an event's phrase.
        _ => {
            out.push_str("not (");
            write_rule(out, inner, schema, Strength::Loosest);
            out.push(')');
        }
    }
}

// Names and values.

/// Whether a name can stand bare wherever names of several words can.
pub fn plain(name: &Name) -> bool {
    let text = name.as_str();
    text.starts_with(char::is_alphabetic)
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !text.ends_with("_not")
        && !WORDS.contains(&text)
}

/// A name where one of any words is safe.
pub fn name(out: &mut String, name: &Name) {
    if plain(name) { out.push_str(name.as_str()) } else { ticked(out, name) }
}

/// A name where one of a single word could be read together with what follows or goes before.
pub fn guarded(out: &mut String, name: &Name) {
    if plain(name) && name.as_str().contains('_') { out.push_str(name.as_str()) } else { ticked(out, name) }
}

/// A name in back-ticks.
pub fn ticked(out: &mut String, name: &Name) {
    let _ = write!(out, "`{name}`");
}

/// A quoted string.
fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            _ if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// A value.
pub fn operand(out: &mut String, value: &Operand) {
    let _ = match value {
        Operand::Text(text) => {
            quoted(out, text);
            Ok(())
        }
        Operand::Flag(flag) => write!(out, "{flag}"),
        Operand::Number(number) => write!(out, "{number}"),
        Operand::Money(minor, currency) => {
            money(out, *minor, *currency);
            Ok(())
        }
        Operand::Date(day) => write!(out, "{day}"),
        Operand::Instant(at) => write!(out, "{at}"),
    };
}

fn money(out: &mut String, minor: i64, currency: Currency) {
    let amount = currency.format_minor(minor);
    let _ = match (currency.sign(), amount.strip_prefix('-')) {
        (Some(sign), Some(amount)) => write!(out, "-{sign}{amount}"),
        (Some(sign), None) => write!(out, "{sign}{amount}"),
        (None, _) => write!(out, "{amount} {currency}"),
    };
}

/// A date or an instant.
pub fn moment(out: &mut String, moment: Moment) {
    let _ = match moment {
        Moment::Date(day) => write!(out, "{day}"),
        Moment::Instant(at) => write!(out, "{at}"),
    };
}

/// A comparison sign.
pub fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "=",
        Comparison::Ne => "!=",
        Comparison::Lt => "<",
        Comparison::Le => "<=",
        Comparison::Gt => ">",
        Comparison::Ge => ">=",
    }
}

// Properties.

/// A test of one property.
pub fn property_test(out: &mut String, test: &PropertyTest) {
    match test.test {
        Test::Anniversary(_) => guarded(out, &test.property),
        _ => name(out, &test.property),
    }
    out.push(' ');
    let _ = match &test.test {
        Test::IsSet => write!(out, "is set"),
        Test::IsNotSet => write!(out, "is not set"),
        Test::Compare(comparison, value) => {
            let _ = write!(out, "{} ", sign(*comparison));
            operand(out, value);
            Ok(())
        }
        Test::Between(low, high) => {
            out.push_str("is between ");
            operand(out, low);
            out.push_str(" and ");
            operand(out, high);
            Ok(())
        }
        Test::In { negated, values } => {
            out.push_str(if *negated { "not in " } else { "in " });
            parenthesized(out, values, operand);
            Ok(())
        }
        Test::HasAll(values) => {
            out.push_str("has all of ");
            parenthesized(out, values, |out, value| quoted(out, value));
            Ok(())
        }
        Test::Text { op, negated, pattern } => {
            text_test(out, *op, *negated, pattern);
            Ok(())
        }
        Test::Age(comparison, n) => write!(out, "{} {n} ago", sign(*comparison)),
        Test::Ahead(comparison, n) => write!(out, "{} {n} ahead", sign(*comparison)),
        Test::Within(n) => write!(out, "within last {n}"),
        Test::Next(n) => write!(out, "in next {n}"),
        Test::On(day) => write!(out, "on {day}"),
        Test::Before(at) => {
            out.push_str("is before ");
            moment(out, *at);
            Ok(())
        }
        Test::After(at) => {
            out.push_str("is after ");
            moment(out, *at);
            Ok(())
        }
        Test::InPeriod(period) => write!(out, "is {}", period.name().replace('_', " ")),
        Test::Anniversary(0) => write!(out, "anniversary is today"),
        Test::Anniversary(n) => {
            write!(out, "anniversary in next {}", Length { n: *n, unit: crate::model::calendar::Unit::Day })
        }
    };
    match test.missing {
        Some(true) => out.push_str(" including missing"),
        Some(false) => out.push_str(" excluding missing"),
        None => {}
    }
}

fn text_test(out: &mut String, op: TextOp, negated: bool, pattern: &str) {
    out.push_str(match (op, negated) {
        (TextOp::Contains, false) => "contains ",
        (TextOp::Contains, true) => "does not contain ",
        (TextOp::StartsWith, false) => "starts with ",
        (TextOp::StartsWith, true) => "does not start with ",
        (TextOp::EndsWith, false) => "ends with ",
        (TextOp::EndsWith, true) => "does not end with ",
        (TextOp::Glob | TextOp::Regex, false) => "matches ",
        (TextOp::Glob | TextOp::Regex, true) => "does not match ",
    });
    if op != TextOp::Regex {
        quoted(out, pattern);
    } else if pattern.contains("\\/") || pattern.contains(char::is_control) || pattern.ends_with('\\') {
        out.push_str("regex ");
        quoted(out, pattern);
    } else {
        let _ = write!(out, "/{}/", pattern.replace('/', "\\/"));
    }
}

fn email_domain(out: &mut String, property: Option<&Name>, domains: &[Box<str>]) {
    match property {
        None => out.push_str("email"),
        Some(property) => guarded(out, property),
    }
    out.push_str(" domain ");
    match domains {
        [domain] => {
            out.push_str("is ");
            quoted(out, domain);
        }
        _ => {
            out.push_str("in ");
            parenthesized(out, domains, |out, domain| quoted(out, domain));
        }
    }
}

fn bucket(out: &mut String, label: &str, of: u32, range: BucketRange) {
    match range {
        BucketRange::Below(n) if of == SAMPLE_BUCKETS => {
            let _ = write!(out, "sample {}", n / 100);
            if n % 100 != 0 {
                let hundredths = format!("{:02}", n % 100);
                let _ = write!(out, ".{}", hundredths.trim_end_matches('0'));
            }
            out.push('%');
            if label != "sample" {
                out.push_str(" of ");
                quoted(out, label);
            }
        }
        _ => {
            out.push_str("bucket(");
            quoted(out, label);
            let _ = match range {
                BucketRange::Below(n) => write!(out, ", {of}) < {n}"),
                BucketRange::Between(low, high) => write!(out, ", {of}) between {low} and {high}"),
            };
        }
    }
}
