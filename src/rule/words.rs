//! A rule in words, for people who do not write rules. Nothing reads it back; the canonical text is exact.

use std::fmt::Write;

use crate::{
    model::{currency::Currency, name::Name, schema::Function},
    rule::ast::{
        AggregateBound, AggregateTest, BucketRange, Comparison, Counts, EdgeTest, End, EventTest, Moment, Operand,
        PropertyTest, Quantity, RegularTest, Rule, SequenceTest, Test, TextOp, Where, Window,
    },
};

/// A rule in words: of a group only what joins its parts.
pub fn words(rule: &Rule) -> String {
    capital(match rule {
        Rule::And(_) => "all of".to_owned(),
        Rule::Or(_) => "any of".to_owned(),
        Rule::Xor(_) => "an odd number of".to_owned(),
        Rule::Of { quantity, n, .. } => match quantity {
            Quantity::AtLeast => format!("at least {n} of"),
            Quantity::AtMost => format!("at most {n} of"),
            Quantity::Exactly => format!("exactly {n} of"),
        },
        Rule::Not(inner) => denied(inner),
        leaf => said(leaf, true),
    })
}

/// The first letter in upper case.
fn capital(text: String) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The opposite of a rule; of a group only that it is one.
fn denied(rule: &Rule) -> String {
    match rule {
        Rule::And(_) | Rule::Or(_) | Rule::Xor(_) | Rule::Of { .. } | Rule::Not(_) => "not".to_owned(),
        Rule::Tag(_) | Rule::Segment(_) | Rule::Event(_) | Rule::Days(_) | Rule::Sequence(_) | Rule::Regularly(_) => {
            said(rule, false)
        }
        Rule::AnyTag(tags) => format!("has none of the tags {}", listed(tags, |tag| quoted(tag), "or")),
        Rule::AllTags(_) | Rule::Bucket { .. } => format!("it is not so that it {}", said(rule, true)),
        _ => format!("it is not so that {}", said(rule, true)),
    }
}

/// A predicate, or where that reads well its opposite.
fn said(rule: &Rule, holds: bool) -> String {
    match rule {
        Rule::All => "everyone".to_owned(),
        Rule::None => "no one".to_owned(),
        Rule::Property(test) => property(test),
        Rule::Tag(tag) if holds => format!("has the tag {}", quoted(tag)),
        Rule::Tag(tag) => format!("does not have the tag {}", quoted(tag)),
        Rule::AnyTag(tags) => format!("has any of the tags {}", listed(tags, |tag| quoted(tag), "or")),
        Rule::AllTags(tags) => format!("has all of the tags {}", listed(tags, |tag| quoted(tag), "and")),
        Rule::EmailDomain { property, domains } => {
            let of = property.as_ref().map_or_else(|| "email".to_owned(), spoken);
            format!("the domain of {of} is {}", listed(domains, |domain| quoted(domain), "or"))
        }
        Rule::Event(test) => event(test, holds),
        Rule::Days(test) => days(test, holds),
        Rule::Aggregate(test) => aggregate(test),
        Rule::Edge(test) => edge(test),
        Rule::Sequence(test) => sequence(test, holds),
        Rule::Regularly(test) => regularly(test, holds),
        Rule::Segment(name) => format!("is {}in the segment {}", if holds { "" } else { "not " }, quoted(name)),
        Rule::Bucket { name, of, range } => bucket(name, *of, *range),
        Rule::And(_) | Rule::Or(_) | Rule::Xor(_) | Rule::Not(_) | Rule::Of { .. } => words(rule),
    }
}

// Names and values.

/// `lead_score` as `lead score`.
fn spoken(name: &Name) -> String {
    name.as_str().replace('_', " ")
}

fn quoted(text: &str) -> String {
    format!("“{text}”")
}

/// `a`, `a or b`, `a, b or c`.
fn listed<T>(items: &[T], told: impl Fn(&T) -> String, last: &str) -> String {
    let told: Vec<String> = items.iter().map(told).collect();
    match told.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}

fn operand(value: &Operand) -> String {
    match value {
        Operand::Text(text) => quoted(text),
        Operand::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Operand::Number(number) => number.to_string(),
        Operand::Money(minor, currency) => money(*minor, *currency),
        Operand::Date(day) => day.to_string(),
        Operand::Instant(at) => at.to_string(),
    }
}

fn money(minor: i64, currency: Currency) -> String {
    let amount = currency.format_minor(minor);
    match (currency.sign(), amount.strip_prefix('-')) {
        (Some(sign), Some(amount)) => format!("-{sign}{amount}"),
        (Some(sign), None) => format!("{sign}{amount}"),
        (None, _) => format!("{amount} {currency}"),
    }
}

fn moment(moment: Moment) -> String {
    match moment {
        Moment::Date(day) => day.to_string(),
        Moment::Instant(at) => at.to_string(),
    }
}

/// `is more than`; of days and instants `is after`.
fn compared(comparison: Comparison, value: &Operand) -> String {
    let is_time = matches!(value, Operand::Date(_) | Operand::Instant(_));
    let sign = match (comparison, is_time) {
        (Comparison::Eq, _) => "is",
        (Comparison::Ne, _) => "is not",
        (Comparison::Lt, false) => "is less than",
        (Comparison::Le, false) => "is at most",
        (Comparison::Gt, false) => "is more than",
        (Comparison::Ge, false) => "is at least",
        (Comparison::Lt, true) => "is before",
        (Comparison::Le, true) => "is not after",
        (Comparison::Gt, true) => "is after",
        (Comparison::Ge, true) => "is not before",
    };
    format!("{sign} {}", operand(value))
}

/// `less than`, of ages and counts.
fn bound(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "exactly",
        Comparison::Ne => "not exactly",
        Comparison::Lt => "less than",
        Comparison::Le => "at most",
        Comparison::Gt => "more than",
        Comparison::Ge => "at least",
    }
}

// Properties.

fn property(test: &PropertyTest) -> String {
    let what = match &test.test {
        Test::IsSet => "is known".to_owned(),
        Test::IsNotSet => "is not known".to_owned(),
        Test::Compare(comparison, value) => compared(*comparison, value),
        Test::Between(low, high) => format!("is between {} and {}", operand(low), operand(high)),
        Test::In { negated: false, values } => format!("is {}", listed(values, operand, "or")),
        Test::In { negated: true, values } => format!("is not {}", listed(values, operand, "or")),
        Test::HasAll(values) => format!("has all of {}", listed(values, |value| quoted(value), "and")),
        Test::Text { op, negated, pattern } => text_test(*op, *negated, pattern),
        Test::Age(comparison, n) => format!("was {} {n} ago", bound(*comparison)),
        Test::Ahead(comparison, n) => format!("is {} {n} ahead", bound(*comparison)),
        Test::Within(n) => format!("was in the last {n}"),
        Test::Next(n) => format!("is in the next {n}"),
        Test::On(day) => format!("is on {day}"),
        Test::Before(at) => format!("is before {}", moment(*at)),
        Test::After(at) => format!("is after {}", moment(*at)),
        Test::InPeriod(period) => format!("is {}", period.name().replace('_', " ")),
        Test::Anniversary(0) => "has its anniversary today".to_owned(),
        Test::Anniversary(1) => "has its anniversary today or tomorrow".to_owned(),
        Test::Anniversary(n) => format!("has its anniversary in the next {n} days"),
    };
    let missing = match test.missing {
        Some(true) => ", or is not known",
        Some(false) => ", and is known",
        None => "",
    };
    format!("{} {what}{missing}", spoken(&test.property))
}

fn text_test(op: TextOp, negated: bool, pattern: &str) -> String {
    let (is, is_not) = match op {
        TextOp::Contains => ("contains", "does not contain"),
        TextOp::StartsWith => ("starts with", "does not start with"),
        TextOp::EndsWith => ("ends with", "does not end with"),
        TextOp::Glob => ("fits the pattern", "does not fit the pattern"),
        TextOp::Regex => ("fits the expression", "does not fit the expression"),
    };
    format!("{} {}", if negated { is_not } else { is }, quoted(pattern))
}

fn bucket(name: &str, of: u32, range: BucketRange) -> String {
    match range {
        BucketRange::Below(n) => {
            let percent = format!("{:.2}", 100.0 * f64::from(n) / f64::from(of.max(1)));
            let percent = percent.trim_end_matches('0').trim_end_matches('.');
            format!("is in the sample {} of {percent}%", quoted(name))
        }
        BucketRange::Between(low, high) => {
            format!("is in one of the parts {low} to {high} of {of} of {}", quoted(name))
        }
    }
}

// Events.

/// `the event “purchase”, where amount is more than $100,`
fn named(event: &Name, filter: &[Where]) -> String {
    let mut told = quoted(&spoken(event));
    if !filter.is_empty() {
        let _ = write!(told, ", where {},", conditions(filter));
    }
    told
}

fn conditions(filter: &[Where]) -> String {
    let told: Vec<String> = filter.iter().map(|item| condition(item, filter.len() > 1)).collect();
    told.join(" and ")
}

fn condition(item: &Where, inside: bool) -> String {
    let group = |items: &[Where], joint: &str| {
        let told: Vec<String> = items.iter().map(|item| condition(item, true)).collect();
        let told = told.join(joint);
        if inside { format!("({told})") } else { told }
    };
    match item {
        Where::Test(test) => property(test),
        Where::And(items) => group(items, " and "),
        Where::Or(items) => group(items, " or "),
        Where::Not(inner) => format!("not ({})", condition(inner, false)),
    }
}

/// ` in the last 30 days`, or nothing.
fn window(span: Option<&Window>) -> String {
    match span {
        None => String::new(),
        Some(Window::Last(n)) => format!(" in the last {n}"),
        Some(Window::MoreThanAgo(n)) => format!(" more than {n} ago"),
        Some(Window::InPeriod(period)) => format!(" {}", period.name().replace('_', " ")),
        Some(Window::Since(at)) => format!(" since {}", moment(*at)),
        Some(Window::Before(at)) => format!(" before {}", moment(*at)),
        Some(Window::After(at)) => format!(" after {}", moment(*at)),
        Some(Window::Between(low, high)) => format!(" between {} and {}", moment(*low), moment(*high)),
    }
}

/// ` at least 2 and at most 5 times`, or nothing.
fn counted(bounds: &Counts, noun: &str) -> String {
    let order = [Comparison::Ge, Comparison::Gt, Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Le];
    let bounds = order.into_iter().filter_map(|comparison| Some((comparison, *bounds.get(&comparison)?)));
    let bounds: Vec<(Comparison, u64)> = bounds.collect();
    let Some((_, last)) = bounds.last().copied() else { return String::new() };
    let told: Vec<String> = bounds.into_iter().map(|(comparison, n)| format!("{} {n}", bound(comparison))).collect();
    format!(" {} {noun}{}", told.join(" and "), if last == 1 { "" } else { "s" })
}

fn happened(holds: bool) -> &'static str {
    if holds { "happened" } else { "did not happen" }
}

fn event(test: &EventTest, holds: bool) -> String {
    let (counts, when) = (counted(&test.counts, "time"), window(test.window.as_ref()));
    format!("{} {}{counts}{when}", named(&test.event, &test.filter), happened(holds))
}

fn days(test: &EventTest, holds: bool) -> String {
    let least = Counts::from([(Comparison::Ge, 1)]);
    let counts = counted(if test.counts.is_empty() { &least } else { &test.counts }, "day");
    let when = window(test.window.as_ref());
    format!("{} {} on{counts}{when}", named(&test.event, &test.filter), happened(holds))
}

fn aggregate(test: &AggregateTest) -> String {
    let function = match test.function {
        Function::Count => "number",
        Function::Sum => "sum",
        Function::Min => "least",
        Function::Max => "greatest",
        Function::Avg => "average",
        Function::Distinct => "number of different values",
    };
    let of = test.of.as_ref().map_or_else(String::new, |of| format!(" of {}", spoken(of)));
    let when = window(test.window.as_ref());
    let bound = match &test.test {
        AggregateBound::Compare(comparison, value) => compared(*comparison, value),
        AggregateBound::Between(low, high) => format!("is between {} and {}", operand(low), operand(high)),
    };
    let each = if test.of.is_some() { "over all" } else { "of all" };
    format!("the {function}{of} {each} {}{when} {bound}", named(&test.event, &test.filter))
}

fn edge(test: &EdgeTest) -> String {
    let end = match test.end {
        End::First => "first",
        End::Last => "last",
    };
    let mut told = format!("the {end} {}", named(&test.event, &test.filter));
    match &test.window {
        Some(span) => {
            let _ = write!(told, " was{}", window(Some(span)));
        }
        None if test.having.is_empty() => told.push_str(" happened"),
        None => {}
    }
    if !test.having.is_empty() {
        let and = if test.window.is_some() { ", and of it" } else { " is one of which" };
        let _ = write!(told, "{and} {}", conditions(&test.having));
    }
    told
}

fn sequence(test: &SequenceTest, holds: bool) -> String {
    let steps: Vec<String> = test.steps.iter().map(|step| named(&step.event, &step.filter)).collect();
    let mut told = format!("{} {}", steps.join(" and then "), happened(holds));
    if let Some(within) = test.within {
        let _ = write!(told, ", each at most {within} after the one before");
    }
    match &test.window {
        Some(span) if test.within.is_some() => told + ", all" + &window(Some(span)),
        span => told + &window(span.as_ref()),
    }
}

fn regularly(test: &RegularTest, holds: bool) -> String {
    let counts = counted(&test.counts, "time");
    let spans = format!("{} of the last {} spans of {}", test.at_least, test.periods, test.every);
    format!("{} {}{counts} in at least {spans}", named(&test.event, &test.filter), happened(holds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{calendar::Zone, schema::Schema},
        rule::{arbitrary, parse},
    };

    #[test]
    fn predicates_read_as_people_say_them() {
        let schema = Schema::starter(Zone::utc());
        for (rule, said) in [
            ("Lead Score > 50", "Lead score is more than 50"),
            ("Purchase Total >= $1000.50", "Purchase total is at least $1000.5"),
            ("Country in (\"US\", \"DE\", \"FR\")", "Country is “US”, “DE” or “FR”"),
            ("Country != \"US\" excluding missing", "Country is not “US”, and is known"),
            ("Last Activity < 90 days ago", "Last activity was less than 90 days ago"),
            ("Created in last 30 days", "Created was in the last 30 days"),
            ("Created is last month", "Created is last month"),
            ("Created anniversary in next 7 days", "Created has its anniversary in the next 7 days"),
            ("Has tag \"VIP\"", "Has the tag “VIP”"),
            ("No tag \"VIP\"", "Does not have the tag “VIP”"),
            ("Has all tags of (\"A\", \"B\")", "Has all of the tags “A” and “B”"),
            ("Email domain in (\"a.com\", \"b.com\")", "The domain of email is “a.com” or “b.com”"),
            ("Name does not start with \"A\"", "Name does not start with “A”"),
            ("NOT Lead Score > 5", "It is not so that lead score is more than 5"),
            ("NOT has any tag of (\"A\", \"B\")", "Has none of the tags “A” or “B”"),
            ("NOT has all tags of (\"A\", \"B\")", "It is not so that it has all of the tags “A” and “B”"),
            ("NOT sample 12.5% of \"exp-1\"", "It is not so that it is in the sample “exp-1” of 12.5%"),
            ("No conversation in 60 days", "“conversation” did not happen in the last 60 days"),
            (
                "did purchase where (amount > $100 and product = \"Team Plan\") at least 2 and at most 5 times",
                "“purchase”, where amount is more than $100 and product is “Team Plan”, happened at least 2 and at most 5 times",
            ),
            ("did purchase exactly 1 times during last month", "“purchase” happened exactly 1 time last month"),
            (
                "sum(purchase.amount) in last 6 months > $200",
                "The sum of amount over all “purchase” in the last 6 months is more than $200",
            ),
            ("count(conversation) >= 3", "The number of all “conversation” is at least 3"),
            ("first purchase in last 14 weeks", "The first “purchase” was in the last 14 weeks"),
            ("last purchase having amount > $100", "The last “purchase” is one of which amount is more than $100"),
            (
                "did email_opened then purchase within 7 days",
                "“email opened” and then “purchase” happened, each at most 7 days after the one before",
            ),
            ("did purchase on at least 2 days", "“purchase” happened on at least 2 days"),
            (
                "did purchase in at least 3 of the last 4 months",
                "“purchase” happened in at least 3 of the last 4 spans of 1 month",
            ),
            ("sample 12.5% of \"exp-1\"", "Is in the sample “exp-1” of 12.5%"),
            ("bucket(\"exp-1\", 100) between 10 and 19", "Is in one of the parts 10 to 19 of 100 of “exp-1”"),
            ("not in segment \"Hot\"", "Is not in the segment “Hot”"),
            ("at least 2 of (Has tag \"A\", Has tag \"B\")", "At least 2 of"),
            ("NOT (Has tag \"A\" OR Has tag \"B\")", "Not"),
            ("everyone", "Everyone"),
        ] {
            let read = parse(rule, &schema).unwrap_or_else(|error| panic!("{}", error.render(rule)));
            assert_eq!(words(&read), said, "{rule}");
        }
    }

    proptest! {
        #[test]
        fn every_rule_has_words(rule in arbitrary::rule()) {
            let said = words(&rule);
            prop_assert!(!said.trim().is_empty(), "{rule:?}");
            let is_group = matches!(rule, Rule::And(_) | Rule::Or(_) | Rule::Xor(_) | Rule::Of { .. } | Rule::Not(_));
            if !is_group {
                prop_assert_ne!(said, words(&Rule::Not(Box::new(rule.clone()))), "{:?}", rule);
            }
        }
    }
}
