//! Judgement: whether a rule fits the schema and keeps within its limits.

use crate::{
    model::{limits, name::Name, schema::EventKind, schema::Schema, value::ValueType},
    rule::{
        ast::{
            AggregateTest, BucketRange, Counts, EdgeTest, EventTest, Operand, PropertyTest, RegularTest, Rule,
            SequenceTest, Where, Window,
        },
        error::RuleError,
        suggest,
    },
};

pub mod event;
pub mod limit;
pub mod test;

/// Judges a whole rule.
///
/// Errors: the first thing that is wrong, without a place in a text.
pub fn rule(rule: &Rule, schema: &Schema) -> Result<(), RuleError> {
    limit::rule(rule)?;
    inside(rule, schema)
}

/// Judges names, types and operands; the depth has been judged before.
fn inside(rule: &Rule, schema: &Schema) -> Result<(), RuleError> {
    match rule {
        Rule::All | Rule::None => Ok(()),
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
            rules.iter().try_for_each(|rule| inside(rule, schema))
        }
        Rule::Not(rule) => inside(rule, schema),
        Rule::Property(test) => test::fits(&test.property, property(&test.property, schema)?, test),
        Rule::Tag(tag) => tags(std::slice::from_ref(tag), schema),
        Rule::AnyTag(list) | Rule::AllTags(list) => tags(list, schema),
        Rule::EmailDomain { property: name, domains: list } => {
            let email = Name::new("email").expect("a plain word is a name");
            let name = name.as_ref().unwrap_or(&email);
            email_property(name, property(name, schema)?)?;
            domains(list)
        }
        Rule::Event(EventTest { event: name, filter: list, counts: bounds, window: span }) => {
            let kind = event_kind(name, schema)?;
            filter(list, kind)?;
            counts(bounds)?;
            window(span)
        }
        Rule::Days(EventTest { event: name, filter: list, counts: bounds, window: span }) => {
            let kind = event_kind(name, schema)?;
            filter(list, kind)?;
            counts(bounds)?;
            window(span)
        }
        Rule::Aggregate(aggregate) => check_aggregate(aggregate, schema),
        Rule::Edge(EdgeTest { event: name, filter: list, having, window: span, .. }) => {
            let kind = event_kind(name, schema)?;
            filter(list, kind)?;
            filter(having, kind)?;
            window(span)
        }
        Rule::Sequence(sequence) => check_sequence(sequence, schema),
        Rule::Regularly(regular) => check_regular(regular, schema),
        Rule::Segment(name) => segment(name),
        Rule::Bucket { name, of, range } => bucket(name, *of, *range),
    }
}

/// The type of a contact's property, by canonical name.
///
/// Errors: unknown, with the nearest known one.
pub fn property(name: &Name, schema: &Schema) -> Result<ValueType, RuleError> {
    match schema.property(name.as_str()) {
        Some(property) => Ok(property.ty),
        None => Err(unknown_property(name.as_str(), schema)),
    }
}

/// The error of a property that the schema does not know.
pub fn unknown_property(name: &str, schema: &Schema) -> RuleError {
    let message = format!("there is no property {}; declare it first", quoted(name));
    RuleError::new("unknown_property", message).suggesting(suggest::property(name, schema))
}

/// An event kind, by canonical name.
///
/// Errors: unknown, with the nearest known one.
pub fn event_kind<'a>(name: &Name, schema: &'a Schema) -> Result<&'a EventKind, RuleError> {
    schema.event(name.as_str()).ok_or_else(|| unknown_event(name.as_str(), schema))
}

/// The error of an event that the schema does not know.
pub fn unknown_event(name: &str, schema: &Schema) -> RuleError {
    let message = format!("there is no event {}; declare it first", quoted(name));
    RuleError::new("unknown_event", message).suggesting(suggest::event(name, schema))
}

/// The type of an event's property, by canonical name.
///
/// Errors: unknown, with the nearest known one.
pub fn event_property(name: &Name, kind: &EventKind) -> Result<ValueType, RuleError> {
    match kind.property(name.as_str()) {
        Some((_, property)) => Ok(property.ty),
        None => Err(unknown_event_property(name.as_str(), kind)),
    }
}

/// The error of an event's property that the schema does not know.
pub fn unknown_event_property(name: &str, kind: &EventKind) -> RuleError {
    let message =
        format!("the event {} has no property {}; declare it first", quoted(kind.name.as_str()), quoted(name));
    let live = kind.properties.iter().filter(|property| !property.dropped);
    RuleError::new("unknown_event_property", message)
        .suggesting(suggest::event_property(name, kind))
        .expecting(live.take(20).map(|property| property.name.as_str()))
}

/// A name as messages show it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.chars().take(80).collect::<String>())
}

/// Tags: the property `tags` is a set, and none of them is empty.
pub fn tags(list: &[Box<str>], schema: &Schema) -> Result<(), RuleError> {
    let name = Name::new("tags").expect("a plain word is a name");
    let ty = property(&name, schema)?;
    if ty != ValueType::Set {
        let message = format!("the property \"tags\" is a {}; tags need a set", ty.name());
        return Err(RuleError::new("type_mismatch", message));
    }
    test::list(list.len())?;
    list.iter().try_for_each(|tag| test::text(tag, "= \"\""))
}

/// Whether a property has addresses in it.
pub fn email_property(name: &Name, ty: ValueType) -> Result<(), RuleError> {
    if ty == ValueType::Email {
        return Ok(());
    }
    let message = format!("the property {} is a {}; only an email has a domain", quoted(name.as_str()), ty.name());
    Err(RuleError::new("type_mismatch", message))
}

/// Domains: at least one, none empty, none with an `@`.
pub fn domains(list: &[Box<str>]) -> Result<(), RuleError> {
    test::list(list.len())?;
    for domain in list {
        test::text(domain, "domain is \"\"")?;
        if let Some((_, after)) = domain.rsplit_once('@') {
            let message = format!("a domain is what follows the last @, so {} has none in it", quoted(domain));
            return Err(RuleError::new("bad_domain", message).suggesting(Some(after.to_owned())));
        }
    }
    Ok(())
}

/// Conditions on an event.
pub fn filter(conditions: &[Where], kind: &EventKind) -> Result<(), RuleError> {
    conditions.iter().try_for_each(|condition| match condition {
        Where::Test(test) => condition_test(test, kind),
        Where::And(items) | Where::Or(items) => filter(items, kind),
        Where::Not(item) => filter(std::slice::from_ref(item), kind),
    })
}

/// One condition on an event's property.
pub fn condition_test(test: &PropertyTest, kind: &EventKind) -> Result<(), RuleError> {
    test::fits(&test.property, event_property(&test.property, kind)?, test)
}

/// Bounds on a count; any are good.
fn counts(_: &Counts) -> Result<(), RuleError> {
    Ok(())
}

fn window(span: &Option<Window>) -> Result<(), RuleError> {
    span.as_ref().map_or(Ok(()), event::window)
}

fn check_aggregate(aggregate: &AggregateTest, schema: &Schema) -> Result<(), RuleError> {
    let kind = event_kind(&aggregate.event, schema)?;
    let ty = event::aggregated(aggregate.function, kind, aggregate.of.as_ref())?;
    filter(&aggregate.filter, kind)?;
    window(&aggregate.window)?;
    event::bound(aggregate.function, ty, &aggregate.test)
}

fn check_sequence(sequence: &SequenceTest, schema: &Schema) -> Result<(), RuleError> {
    if sequence.steps.len() < 2 {
        return Err(RuleError::new("bad_sequence", "a sequence has two steps or more"));
    }
    for step in &sequence.steps {
        filter(&step.filter, event_kind(&step.event, schema)?)?;
    }
    sequence.within.map_or(Ok(()), event::within)?;
    window(&sequence.window)
}

fn check_regular(regular: &RegularTest, schema: &Schema) -> Result<(), RuleError> {
    filter(&regular.filter, event_kind(&regular.event, schema)?)?;
    counts(&regular.counts)?;
    event::spans(regular.every, regular.periods)
}

/// The name of a segment.
pub fn segment(name: &str) -> Result<(), RuleError> {
    if name.trim().is_empty() {
        return Err(RuleError::new("empty_text", "a segment has a name; this one is empty"));
    }
    if name.len() > limits::NAME_BYTES_MAX {
        let message = format!("a segment's name has at most {} bytes", limits::NAME_BYTES_MAX);
        return Err(RuleError::new("too_long", message));
    }
    Ok(())
}

/// A range of buckets.
pub fn bucket(name: &str, of: u32, range: BucketRange) -> Result<(), RuleError> {
    if name.is_empty() {
        return Err(RuleError::new("empty_text", "a sample's name may not be empty"));
    }
    test::text(name, "bucket(\"\", …)")?;
    let good = match range {
        BucketRange::Below(n) => n <= of,
        BucketRange::Between(low, high) => low <= high && high < of,
    };
    if of > 0 && good {
        return Ok(());
    }
    let message = match of {
        0 => "there must be at least 1 bucket".to_owned(),
        _ => format!("the buckets of {of} are 0 to {}", of - 1),
    };
    Err(RuleError::new("out_of_range", message))
}

/// What an operand is, for messages.
pub fn operand_name(operand: &Operand) -> &'static str {
    match operand {
        Operand::Text(_) => "a text",
        Operand::Flag(_) => "true or false",
        Operand::Number(_) => "a number",
        Operand::Money(..) => "an amount of money",
        Operand::Date(_) => "a date",
        Operand::Instant(_) => "an instant",
    }
}
