//! Random rules over every node of the tree, with operands taken mostly from the data.

use std::collections::BTreeMap;

use throng::{
    model::{
        calendar::{Length, Period},
        schema::{EventKind, EventProperty, Function, Property},
        time::Timestamp,
        value::{Value, ValueType},
    },
    rule::ast::{
        AggregateBound, AggregateTest, BucketRange, Comparison, Counts, EdgeTest, End, EventTest, Moment, Operand,
        Quantity, RegularTest, Rule, SequenceTest, Step, Where, Window,
    },
};

use crate::support::{
    generate::{self, Dice, EMAILS, LENGTHS, TEXTS},
    generate_schema, generate_test,
    naive::{Contact, Naive},
};

const COMPARISONS: [Comparison; 6] =
    [Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge];

/// A random rule at most `depth` deep.
pub fn rule(dice: &mut Dice, naive: &Naive, depth: usize) -> Rule {
    if depth <= 1 || dice.chance(35) {
        return leaf(dice, naive);
    }
    let some = |dice: &mut Dice, least: usize| -> Vec<Rule> {
        let count = least + dice.below(3);
        (0..count).map(|_| rule(dice, naive, depth - 1)).collect()
    };
    match dice.below(20) {
        0..6 => Rule::And(some(dice, 2)),
        6..12 => Rule::Or(some(dice, 2)),
        12..14 => Rule::Xor(some(dice, 2)),
        14..18 => Rule::Not(Box::new(rule(dice, naive, depth - 1))),
        _ => {
            let rules = some(dice, 1);
            let quantity = *dice.pick(&[Quantity::AtLeast, Quantity::AtMost, Quantity::Exactly]);
            let n = dice.between(0, rules.len() as i64 + 1) as u32;
            Rule::Of { quantity, n, rules }
        }
    }
}

/// A random rule over texts alone.
pub fn text_rule(dice: &mut Dice, naive: &Naive, depth: usize) -> Rule {
    if depth <= 1 || dice.chance(35) {
        let texts = |property: &&Property| property.ty.is_text() || property.ty == ValueType::Set;
        let properties: Vec<&Property> = naive.schema.properties().filter(texts).collect();
        let property = *dice.pick(&properties);
        let taken = |dice: &mut Dice| held_value(dice, naive, property);
        return Rule::Property(generate_test::property(dice, naive, property.name.clone(), property.ty, &taken));
    }
    let two = vec![text_rule(dice, naive, depth - 1), text_rule(dice, naive, depth - 1)];
    match dice.below(4) {
        0 => Rule::Or(two),
        1 => Rule::Xor(two),
        2 => Rule::Not(Box::new(text_rule(dice, naive, depth - 1))),
        _ => Rule::And(two),
    }
}

fn leaf(dice: &mut Dice, naive: &Naive) -> Rule {
    match dice.below(100) {
        0 => Rule::All,
        1 => Rule::None,
        2..5 => Rule::Tag(tag(dice, naive)),
        5..7 => Rule::AnyTag(tags(dice, naive)),
        7..9 => Rule::AllTags(tags(dice, naive)),
        9..12 => domain(dice),
        12..15 => bucket(dice),
        15..18 => match naive.segments.len() {
            0 => Rule::Tag(tag(dice, naive)),
            count => {
                let name = &naive.segments[dice.below(count)].name;
                Rule::Segment(if dice.chance(30) { name.to_uppercase().into() } else { name.as_str().into() })
            }
        },
        18..55 => {
            let properties: Vec<&Property> = naive.schema.properties().collect();
            let property = *dice.pick(&properties);
            let taken = |dice: &mut Dice| held_value(dice, naive, property);
            Rule::Property(generate_test::property(dice, naive, property.name.clone(), property.ty, &taken))
        }
        _ => behavior(dice, naive),
    }
}

fn behavior(dice: &mut Dice, naive: &Naive) -> Rule {
    let kinds: Vec<&EventKind> = naive.schema.events().collect();
    let kind = *dice.pick(&kinds);
    let event = kind.name.clone();
    let filter = conditions(dice, naive, kind, 40);
    let window = if dice.chance(60) { Some(window(dice, naive)) } else { None };
    match dice.below(12) {
        0..4 => Rule::Event(EventTest { event, filter, counts: counts(dice), window }),
        4..7 => aggregate(dice, naive, kind, filter, window),
        7..9 => {
            let end = if dice.chance(50) { End::First } else { End::Last };
            Rule::Edge(EdgeTest { end, event, filter, having: conditions(dice, naive, kind, 50), window })
        }
        9 => {
            let mut steps = vec![Step { event, filter }];
            for _ in 0..=dice.below(3) {
                let kind = if dice.chance(30) { kind } else { *dice.pick(&kinds) };
                steps.push(Step { event: kind.name.clone(), filter: conditions(dice, naive, kind, 20) });
            }
            let exact = |length: &Length| length.exact_ms().is_some();
            let within = if dice.chance(60) { Some(length(dice)).filter(exact) } else { None };
            Rule::Sequence(SequenceTest { steps, within, window })
        }
        10 => Rule::Days(EventTest { event, filter, counts: counts(dice), window }),
        _ => {
            let periods = dice.between(1, 8) as u32;
            let every = loop {
                let length = length(dice);
                if length.n < 1_000 && length.n > 0 {
                    break length;
                }
            };
            let at_least = dice.between(1, i64::from(periods)) as u32;
            Rule::Regularly(RegularTest { event, filter, counts: counts(dice), every, periods, at_least })
        }
    }
}

fn aggregate(dice: &mut Dice, naive: &Naive, kind: &EventKind, filter: Vec<Where>, window: Option<Window>) -> Rule {
    let event = kind.name.clone();
    let mut choices: Vec<(Function, Option<usize>)> = vec![(Function::Count, None)];
    for (place, property) in kind.properties.iter().enumerate().filter(|(_, property)| !property.dropped) {
        choices.extend([(Function::Distinct, Some(place)), (Function::Count, Some(place))]);
        if property.ty.is_ordered() {
            choices.extend([(Function::Min, Some(place)), (Function::Max, Some(place))]);
        }
        if matches!(property.ty, ValueType::Number | ValueType::Money(_)) {
            choices.extend([(Function::Sum, Some(place)), (Function::Avg, Some(place))]);
        }
    }
    let (function, place) = *dice.pick(&choices);
    let property = place.map(|place| &kind.properties[place]);
    let operand = |dice: &mut Dice| match (function, property) {
        (Function::Count | Function::Distinct, _) | (_, None) => {
            Operand::Number(throng::model::number::Number::from_int(dice.between(0, 4)))
        }
        (_, Some(property)) => {
            let taken = |dice: &mut Dice| held_in_event(dice, naive, kind, property.name.as_str());
            generate_test::operand(dice, naive, property.ty, &taken)
        }
    };
    let test = if dice.chance(20) {
        let (from, to) = generate_test::same_kind(operand(dice), operand(dice));
        AggregateBound::Between(from, to)
    } else {
        AggregateBound::Compare(*dice.pick(&COMPARISONS), operand(dice))
    };
    Rule::Aggregate(AggregateTest { function, event, of: property.map(|p| p.name.clone()), filter, window, test })
}

/// Conditions on an event's properties; `percent` is how often there are any.
fn conditions(dice: &mut Dice, naive: &Naive, kind: &EventKind, percent: usize) -> Vec<Where> {
    if kind.properties.iter().all(|property| property.dropped) || !dice.chance(percent) {
        return vec![];
    }
    let many = 1 + dice.below(2);
    let list: Vec<Where> = (0..many).map(|_| condition(dice, naive, kind, 3)).collect();
    match list.as_slice() {
        [Where::And(_)] => vec![],
        _ => list,
    }
}

fn condition(dice: &mut Dice, naive: &Naive, kind: &EventKind, depth: usize) -> Where {
    let roll = if depth <= 1 { 0 } else { dice.below(10) };
    let some = |dice: &mut Dice| -> Vec<Where> {
        let count = 2 + dice.below(2);
        (0..count).map(|_| condition(dice, naive, kind, depth - 1)).collect()
    };
    match roll {
        7 => Where::And(some(dice)),
        8 => Where::Or(some(dice)),
        9 => Where::Not(Box::new(condition(dice, naive, kind, depth - 1))),
        _ => {
            let live: Vec<&EventProperty> = kind.properties.iter().filter(|property| !property.dropped).collect();
            let property = *dice.pick(&live);
            let taken = |dice: &mut Dice| held_in_event(dice, naive, kind, property.name.as_str());
            Where::Test(generate_test::property(dice, naive, property.name.clone(), property.ty, &taken))
        }
    }
}

fn counts(dice: &mut Dice) -> Counts {
    let mut counts = BTreeMap::new();
    if dice.chance(50) {
        return counts;
    }
    for _ in 0..=dice.below(2) {
        counts.insert(*dice.pick(&COMPARISONS), dice.between(0, 4) as u64);
    }
    if counts == BTreeMap::from([(Comparison::Ge, 1)]) { BTreeMap::new() } else { counts }
}

/// A random length, mostly one that the data has ends at.
pub fn length(dice: &mut Dice) -> Length {
    let (n, unit) = *dice.pick(LENGTHS);
    Length { n, unit }
}

fn window(dice: &mut Dice, naive: &Naive) -> Window {
    match dice.below(12) {
        0..4 => Window::Last(length(dice)),
        4 => Window::MoreThanAgo(length(dice)),
        5 => Window::Since(moment(dice, naive)),
        6 => Window::Before(moment(dice, naive)),
        7 => Window::After(moment(dice, naive)),
        8 => Window::InPeriod(*dice.pick(&Period::ALL)),
        9 => {
            let (a, b) = (generate::day(dice, naive), generate::day(dice, naive));
            Window::Between(Moment::Date(a.min(b)), Moment::Date(a.max(b)))
        }
        10 => {
            let (a, b) = (event_instant(dice, naive), event_instant(dice, naive));
            Window::Between(Moment::Instant(a.min(b)), Moment::Instant(a.max(b)))
        }
        _ => Window::InPeriod(*dice.pick(&[Period::Today, Period::ThisWeek, Period::ThisMonth, Period::ThisYear])),
    }
}

/// A date or an instant, near the data.
pub fn moment(dice: &mut Dice, naive: &Naive) -> Moment {
    if dice.chance(50) { Moment::Date(generate::day(dice, naive)) } else { Moment::Instant(event_instant(dice, naive)) }
}

fn event_instant(dice: &mut Dice, naive: &Naive) -> Timestamp {
    let some = someone(dice, naive);
    match some.map(|contact| contact.events.as_slice()) {
        None | Some([]) => generate::instant(dice, naive),
        Some(events) => dice.pick(events).at.plus_ms(*dice.pick(&[0, 0, 1, -1])),
    }
}

fn someone<'a>(dice: &mut Dice, naive: &'a Naive) -> Option<&'a Contact> {
    if naive.contacts.is_empty() { None } else { Some(dice.pick(&naive.contacts)) }
}

/// A value that some contact has.
fn held_value(dice: &mut Dice, naive: &Naive, property: &Property) -> Option<Value> {
    (0..6).find_map(|_| naive.value(someone(dice, naive)?, property.name.as_str()))
}

/// A value that some event has.
fn held_in_event(dice: &mut Dice, naive: &Naive, kind: &EventKind, property: &str) -> Option<Value> {
    (0..12).find_map(|_| {
        let contact = someone(dice, naive)?;
        let mut mine = contact.events.iter().filter(|event| event.kind == kind.name.as_str());
        mine.find_map(|event| event.values.get(property).cloned())
    })
}

fn tag(dice: &mut Dice, naive: &Naive) -> Box<str> {
    let held = naive.schema.property("tags").and_then(|tags| held_value(dice, naive, tags));
    match held {
        Some(Value::Set(tags)) if dice.chance(90) => generate_test::respelled(dice, dice_pick(&tags)),
        _ => (*dice.pick(TEXTS)).into(),
    }
}

fn dice_pick(tags: &[Box<str>]) -> &str {
    &tags[0]
}

fn tags(dice: &mut Dice, naive: &Naive) -> Vec<Box<str>> {
    (0..=dice.below(3)).map(|_| tag(dice, naive)).collect()
}

fn domain(dice: &mut Dice) -> Rule {
    let one = |dice: &mut Dice| -> Box<str> {
        let domain = dice.pick(EMAILS).rsplit('@').next().unwrap_or_default();
        if domain.is_empty() { "company.com".into() } else { generate_test::respelled(dice, domain) }
    };
    let domains = (0..=dice.below(2)).map(|_| one(dice)).collect();
    Rule::EmailDomain { property: dice.chance(40).then(|| generate_schema::name("alt_email")), domains }
}

fn bucket(dice: &mut Dice) -> Rule {
    let of = *dice.pick(&[1, 2, 3, 10, 100, 10_000, 1_000_000]);
    let range = if dice.chance(50) {
        BucketRange::Below(dice.between(0, i64::from(of)) as u32)
    } else {
        let from = dice.between(0, i64::from(of) - 1);
        BucketRange::Between(from as u32, dice.between(from, i64::from(of) - 1) as u32)
    };
    Rule::Bucket { name: (*dice.pick(&["sample", "exp-1", "größe 2", "\"q\""])).into(), of, range }
}
