//! Writing the canonical JSON form.

use serde_json::{Map, Value, json};

use crate::{
    model::calendar::Length,
    rule::{
        ast::{
            AggregateBound, AggregateTest, BucketRange, Comparison, Counts, EdgeTest, End, EventTest, Moment, Operand,
            PropertyTest, Quantity, RegularTest, Rule, SequenceTest, Test, Where, Window,
        },
        json_in::test::{AGES, SIGNS, TEXT_OPS},
    },
};

/// Writes a rule.
pub fn rule(rule: &Rule) -> Value {
    match rule {
        Rule::All => json!({"all": true}),
        Rule::None => json!({"none": true}),
        Rule::And(list) => json!({"and": rules(list)}),
        Rule::Or(list) => json!({"or": rules(list)}),
        Rule::Xor(list) => json!({"xor": rules(list)}),
        Rule::Not(inner) => json!({"not": self::rule(inner)}),
        Rule::Of { quantity, n, rules: list } => {
            let key = match quantity {
                Quantity::AtLeast => "at_least",
                Quantity::AtMost => "at_most",
                Quantity::Exactly => "exactly",
            };
            object([(key, json!(n)), ("of", rules(list))])
        }
        Rule::Property(test) => property_test(test),
        Rule::Tag(tag) => json!({"tag": tag}),
        Rule::AnyTag(tags) => json!({"any_tag": tags}),
        Rule::AllTags(tags) => json!({"all_tags": tags}),
        Rule::EmailDomain { property, domains } => {
            let domains = match domains.as_slice() {
                [domain] => json!(domain),
                _ => json!(domains),
            };
            let mut node = object([("email_domain", domains)]);
            if let Some(property) = property {
                insert(&mut node, "property", json!(property.as_str()));
            }
            node
        }
        Rule::Event(test) => event(test),
        Rule::Days(test) => days(test),
        Rule::Aggregate(test) => aggregate(test),
        Rule::Edge(test) => edge(test),
        Rule::Sequence(test) => sequence(test),
        Rule::Regularly(test) => regularly(test),
        Rule::Segment(name) => json!({"segment": name}),
        Rule::Bucket { name, of, range } => {
            let (key, value) = match range {
                BucketRange::Below(n) => ("lt", json!(n)),
                BucketRange::Between(low, high) => ("between", json!([low, high])),
            };
            object([("bucket", json!(name)), ("of", json!(of)), (key, value)])
        }
    }
}

fn rules(list: &[Rule]) -> Value {
    list.iter().map(rule).collect()
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

fn insert(node: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = node {
        map.insert(key.to_owned(), value);
    }
}

fn property_test(test: &PropertyTest) -> Value {
    let (op, value) = op_and_value(&test.test);
    let mut node = object([("property", json!(test.property.as_str())), ("op", json!(op))]);
    if let Some(value) = value {
        insert(&mut node, "value", value);
    }
    if let Some(missing) = test.missing {
        insert(&mut node, "missing", json!(missing));
    }
    node
}

fn op_and_value(test: &Test) -> (&'static str, Option<Value>) {
    let (op, value) = match test {
        Test::IsSet => return ("is_set", None),
        Test::IsNotSet => return ("is_not_set", None),
        Test::Compare(comparison, value) => (sign(*comparison), operand(value)),
        Test::Between(low, high) => ("between", json!([operand(low), operand(high)])),
        Test::In { negated, values } => (if *negated { "not_in" } else { "in" }, values.iter().map(operand).collect()),
        Test::HasAll(values) => ("has_all", json!(values)),
        Test::Text { op, negated, pattern } => {
            let row = TEXT_OPS.iter().find(|(_, _, known)| known == op).expect("the table has every operator");
            (if *negated { row.1 } else { row.0 }, json!(pattern))
        }
        Test::Age(comparison, n) => (age(*comparison).0, length(*n)),
        Test::Ahead(comparison, n) => (age(*comparison).1, length(*n)),
        Test::Within(n) => ("within", length(*n)),
        Test::Next(n) => ("next", length(*n)),
        Test::On(day) => ("on", moment(Moment::Date(*day))),
        Test::Before(at) => ("before", moment(*at)),
        Test::After(at) => ("after", moment(*at)),
        Test::InPeriod(period) => ("period", json!(period.name())),
        Test::Anniversary(n) => ("anniversary", json!({"n": n, "unit": "days"})),
    };
    (op, Some(value))
}

fn sign(comparison: Comparison) -> &'static str {
    SIGNS.iter().find(|(_, known)| *known == comparison).map(|(name, _)| *name).expect("the table has every sign")
}

/// An age is never compared by equality, which the checks refuse; if one were, it is written as the nearest.
fn age(comparison: Comparison) -> (&'static str, &'static str) {
    let row = AGES.iter().find(|(_, _, known)| *known == comparison).unwrap_or(&AGES[1]);
    (row.0, row.1)
}

fn operand(value: &Operand) -> Value {
    match value {
        Operand::Text(text) => json!(text),
        Operand::Flag(flag) => json!(flag),
        Operand::Number(number) => decimal(&number.to_string()),
        Operand::Money(minor, currency) => decimal(&currency.format_minor(*minor)),
        Operand::Date(day) => moment(Moment::Date(*day)),
        Operand::Instant(at) => moment(Moment::Instant(*at)),
    }
}

/// A decimal as a JSON number, every digit kept.
fn decimal(text: &str) -> Value {
    text.parse::<serde_json::Number>().map_or_else(|_| json!(text), Value::Number)
}

fn moment(moment: Moment) -> Value {
    match moment {
        Moment::Date(day) => json!({"date": day.to_string()}),
        Moment::Instant(at) => json!({"instant": at.to_string()}),
    }
}

fn length(length: Length) -> Value {
    object([("n", json!(length.n)), ("unit", json!(length.unit.plural()))])
}

fn window(window: &Window) -> Value {
    match window {
        Window::Last(n) => json!({"last": length(*n)}),
        Window::Since(at) => json!({"since": moment(*at)}),
        Window::Before(at) => json!({"before": moment(*at)}),
        Window::After(at) => json!({"after": moment(*at)}),
        Window::Between(low, high) => json!({"between": [moment(*low), moment(*high)]}),
        Window::MoreThanAgo(n) => json!({"more_than_ago": length(*n)}),
        Window::InPeriod(period) => json!({"period": period.name()}),
    }
}

fn condition(condition: &Where) -> Value {
    match condition {
        Where::Test(test) => property_test(test),
        Where::And(items) => json!({"and": conditions(items)}),
        Where::Or(items) => json!({"or": conditions(items)}),
        Where::Not(item) => json!({"not": self::condition(item)}),
    }
}

fn conditions(items: &[Where]) -> Value {
    items.iter().map(condition).collect()
}

fn counts(bounds: &Counts) -> Map<String, Value> {
    bounds.iter().map(|(comparison, n)| (sign(*comparison).to_owned(), json!(n))).collect()
}

/// Adds what most nodes about events may have.
fn with(mut node: Value, filter: &[Where], bounds: &Counts, span: Option<&Window>) -> Value {
    if !filter.is_empty() {
        insert(&mut node, "where", conditions(filter));
    }
    if !bounds.is_empty() {
        insert(&mut node, "count", counts(bounds).into());
    }
    if let Some(span) = span {
        insert(&mut node, "window", window(span));
    }
    node
}

fn event(test: &EventTest) -> Value {
    with(json!({"event": test.event.as_str()}), &test.filter, &test.counts, test.window.as_ref())
}

fn days(test: &EventTest) -> Value {
    let mut node = with(json!({"event": test.event.as_str()}), &test.filter, &Counts::new(), test.window.as_ref());
    let bounds = if test.counts.is_empty() { Counts::from([(Comparison::Ge, 1)]) } else { test.counts.clone() };
    for (sign, n) in counts(&bounds) {
        insert(&mut node, &sign, n);
    }
    json!({"days": node})
}

fn aggregate(test: &AggregateTest) -> Value {
    let mut node = object([("aggregate", json!(test.function.name())), ("event", json!(test.event.as_str()))]);
    if let Some(of) = &test.of {
        insert(&mut node, "of", json!(of.as_str()));
    }
    let mut node = with(node, &test.filter, &Counts::new(), test.window.as_ref());
    let (op, value) = match &test.test {
        AggregateBound::Compare(comparison, value) => (sign(*comparison), operand(value)),
        AggregateBound::Between(low, high) => ("between", json!([operand(low), operand(high)])),
    };
    insert(&mut node, "op", json!(op));
    insert(&mut node, "value", value);
    node
}

fn edge(test: &EdgeTest) -> Value {
    let key = match test.end {
        End::First => "first",
        End::Last => "last",
    };
    let node = object([(key, json!(test.event.as_str()))]);
    let mut node = with(node, &test.filter, &Counts::new(), test.window.as_ref());
    if !test.having.is_empty() {
        insert(&mut node, "having", conditions(&test.having));
    }
    node
}

fn sequence(test: &SequenceTest) -> Value {
    let steps: Value = test
        .steps
        .iter()
        .map(|step| with(json!({"event": step.event.as_str()}), &step.filter, &Counts::new(), None))
        .collect();
    let mut node = with(json!({"sequence": steps}), &[], &Counts::new(), test.window.as_ref());
    if let Some(within) = test.within {
        insert(&mut node, "within", length(within));
    }
    node
}

fn regularly(test: &RegularTest) -> Value {
    let mut node = with(json!({"event": test.event.as_str()}), &test.filter, &test.counts, None);
    insert(&mut node, "every", length(test.every));
    insert(&mut node, "periods", json!(test.periods));
    insert(&mut node, "at_least", json!(test.at_least));
    json!({"regularly": node})
}
