//! Random requests: contacts put and merged, events of all times, erasures, segments and their lists; some refused.

use std::sync::Arc;

use throng::{
    model::{
        name::{ContactKey, Name},
        number::{Number, ONE},
        request::{
            ContactJoin, ContactMerge, ContactWrite, EventWrite, Input, MembersEdit, MembersMode, Request, RuleSource,
            SegmentCreate, SegmentSource, SegmentUpdate, WriteMode,
        },
        schema::{EventKind, Property},
        value::{Value, ValueType},
    },
    rule,
};

use crate::support::{
    generate::{self, Dice},
    generate_rule,
    generate_schema::{self, name},
    naive::Naive,
};

const SEGMENTS: [&str; 5] = ["VIP", "Équipe", "in last 7 days", "a \"b\"", "list"];

/// A random request.
pub fn request(dice: &mut Dice, naive: &Naive) -> Request {
    match dice.below(100) {
        0..45 => Request::Contact(contact(dice, naive)),
        45..80 => Request::Event(event(dice, naive)),
        80..82 => Request::Erase(key(dice)),
        82..84 => Request::Merge(ContactMerge { from: key(dice), into: key(dice) }),
        84..86 => Request::Join(ContactJoin { from: key(dice), write: contact(dice, naive) }),
        86..88 => Request::RemoveEvent(event_id(dice)),
        88..91 => Request::CreateSegment(create(dice, naive)),
        91..93 => {
            let (named, ruled) = *dice.pick(&[(true, false), (false, true), (false, true), (true, true)]);
            Request::UpdateSegment(SegmentUpdate {
                segment: segment(dice),
                name: named.then(|| segment(dice)),
                description: None,
                rule: ruled.then(|| source(dice, naive)),
            })
        }
        93..94 => Request::Schema(generate_schema::change(dice, &naive.schema)),
        94..95 => Request::DeleteSegment(segment(dice)),
        _ => Request::EditMembers(edit(dice)),
    }
}

fn key(dice: &mut Dice) -> ContactKey {
    let key = match dice.below(30) {
        0 => "é".to_owned(),
        1 => "e\u{301}".to_owned(),
        n => format!("u-{n}"),
    };
    ContactKey::new(&key).expect("a good key")
}

fn event_id(dice: &mut Dice) -> Box<str> {
    format!("ev-{}", dice.below(60)).into()
}

fn segment(dice: &mut Dice) -> Box<str> {
    let name = dice.pick::<&str>(&SEGMENTS);
    if dice.chance(20) { name.to_uppercase().into() } else { (*name).into() }
}

fn contact(dice: &mut Dice, naive: &Naive) -> ContactWrite {
    let properties: Vec<&Property> = naive.schema.properties().collect();
    let mut values: Vec<(Name, Input)> = vec![];
    for _ in 0..dice.below(7) {
        let property = *dice.pick(&properties);
        let named = property.aliases.first().filter(|_| dice.chance(20)).unwrap_or(&property.name);
        let input = match dice.below(40) {
            0..5 => Input::Null,
            5 => Input::Text("".into()),
            6 => Input::Text("no such value".into()),
            7 => Input::Flag(true),
            _ => input(dice, naive, property.ty, property.case_sensitive),
        };
        // Two names of one property refuse the record, which is worth trying now and then.
        if dice.chance(3) || values.iter().all(|(before, _)| before != named) {
            values.push((named.clone(), input));
        }
    }
    if dice.chance(4) {
        values.push(unknown(dice, naive));
    }
    let mode = if dice.chance(35) { WriteMode::Replace } else { WriteMode::Merge };
    ContactWrite { key: key(dice), mode, values }
}

/// A name that the schema may not know yet, with a value of the type that its name tells.
fn unknown(dice: &mut Dice, naive: &Naive) -> (Name, Input) {
    let all = [ValueType::Text, ValueType::Boolean, ValueType::Number, ValueType::Timestamp, ValueType::Set];
    let ty = *dice.pick(&all);
    let value = match ty {
        // A batch may hold several; none of them may read as a time.
        ValueType::Text => Value::Text(format!("plain {}", dice.below(5)).into()),
        ty => generate::value(dice, naive, ty, false),
    };
    (name(&format!("new_{}_{}", ty.name(), dice.below(2))), plain(value))
}

fn input(dice: &mut Dice, naive: &Naive, ty: ValueType, sensitive: bool) -> Input {
    let value = generate::value(dice, naive, ty, sensitive);
    match (ty, value) {
        (ValueType::Set, Value::Set(texts)) if dice.chance(50) => {
            let (add, remove) = (texts.clone(), generate::value(dice, naive, ty, sensitive));
            let Value::Set(remove) = remove else { unreachable!("a set was asked for") };
            let list = |texts: Vec<Box<str>>| texts.into_iter().map(Input::Text).collect();
            Input::Edit { add: list(add), remove: list(remove) }
        }
        (ValueType::Money(currency), Value::Money(minor)) if dice.chance(50) => {
            Input::Text(currency.format_minor(minor).into())
        }
        (ValueType::Money(currency), Value::Money(minor)) => {
            let number = Number(i128::from(minor) * (ONE / 10i128.pow(currency.decimals())));
            // A cent's fraction is refused, never rounded.
            Input::Number(if dice.chance(5) { Number(number.0 + 1) } else { number })
        }
        (ValueType::Timestamp, _) if dice.chance(15) => Input::Text(generate::day(dice, naive).to_string().into()),
        (_, value) => plain(value),
    }
}

fn plain(value: Value) -> Input {
    match value {
        Value::Text(text) => Input::Text(text),
        Value::Flag(flag) => Input::Flag(flag),
        Value::Number(number) => Input::Number(number),
        Value::Money(minor) => Input::Number(Number(i128::from(minor) * ONE / 100)),
        Value::Time(at) => Input::Text(at.to_string().into()),
        Value::Day(day) => Input::Text(day.to_string().into()),
        Value::Set(texts) => Input::List(texts.into_iter().map(Input::Text).collect()),
    }
}

fn event(dice: &mut Dice, naive: &Naive) -> EventWrite {
    let kinds: Vec<&EventKind> = naive.schema.events().collect();
    let kind = *dice.pick(&kinds);
    let fresh = dice.chance(3);
    let mut properties: Vec<(Name, Input)> = vec![];
    for property in kind.properties.iter().filter(|property| !property.dropped && !fresh) {
        if !dice.chance(30) {
            let input = match dice.below(30) {
                0 => Input::Null,
                1 => Input::Object,
                _ => input(dice, naive, property.ty, property.case_sensitive),
            };
            properties.push((property.name.clone(), input));
        }
    }
    if dice.chance(4) {
        let (name, input) = unknown(dice, naive);
        if properties.iter().all(|(known, _)| *known != name) {
            properties.push((name, input));
        }
    }
    EventWrite {
        id: dice.chance(50).then(|| event_id(dice)),
        contact: key(dice),
        event: if fresh { name(&format!("new_kind_{}", dice.below(3))) } else { kind.name.clone() },
        at: dice.chance(85).then(|| generate::instant(dice, naive)),
        properties,
    }
}

fn source(dice: &mut Dice, naive: &Naive) -> RuleSource {
    let rule = match dice.below(4) {
        // Any of the names, known or not, in a circle or not.
        0 => rule::ast::Rule::Segment(segment(dice)),
        1 => rule::ast::Rule::Not(Box::new(rule::ast::Rule::Segment(segment(dice)))),
        _ => generate_rule::rule(dice, naive, 4),
    };
    RuleSource::Json(Arc::from(rule::to_json(&rule).to_string()))
}

fn create(dice: &mut Dice, naive: &Naive) -> SegmentCreate {
    let source = if dice.chance(30) {
        SegmentSource::Members((0..dice.below(12)).map(|_| key(dice)).collect())
    } else {
        SegmentSource::Rule(source(dice, naive))
    };
    SegmentCreate { name: segment(dice), description: None, source }
}

fn edit(dice: &mut Dice) -> MembersEdit {
    let modes = if dice.chance(50) {
        [MembersMode::Add, MembersMode::Remove, MembersMode::Replace]
    } else {
        [MembersMode::Include, MembersMode::Exclude, MembersMode::Clear]
    };
    let one = |dice: &mut Dice| (*dice.pick(&modes), (0..dice.below(6)).map(|_| key(dice)).collect());
    let edits = (0..=dice.below(2)).map(|_| one(dice)).collect();
    MembersEdit { segment: segment(dice), edits, create: dice.chance(30) }
}
