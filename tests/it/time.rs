//! Time, by hand: `tests/cases/time.txt` says what each rule holds and does not hold at an instant. The naive database
//! and the product must both say so.

use throng::{
    model::{
        calendar::Zone,
        id::{EventKindId, PropertyId},
        name::Name,
        schema::{EventKind, Property, Schema},
        time::{Day, Timestamp},
        value::{Value, ValueType},
    },
    rule,
};

use crate::support::{
    loaded,
    naive::{Contact, Event, Naive},
};

const CASES: &str = include_str!("../cases/time.txt");

/// A rule at an instant in a zone, and what it holds.
#[derive(Clone, Default)]
struct Case {
    line: usize,
    zone: &'static str,
    rule: &'static str,
    now: &'static str,
    inside: Vec<&'static str>,
    outside: Vec<&'static str>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![];
    let mut zone = "UTC";
    for (place, line) in CASES.lines().enumerate() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let now = cases.last().map_or("", |case| case.now);
        match (word, cases.last_mut()) {
            ("" | "#", _) => {}
            ("zone", _) => zone = rest,
            ("rule", _) => cases.push(Case { line: place + 1, zone, rule: rest, now, ..Case::default() }),
            ("now", Some(case)) => case.now = rest,
            ("in", Some(case)) => case.inside.push(rest),
            ("out", Some(case)) => case.outside.push(rest),
            _ => panic!("tests/cases/time.txt:{}: {line}", place + 1),
        }
    }
    cases
}

fn schema(zone: &str) -> Schema {
    let zone = Zone::named(zone).unwrap();
    let starter = Schema::starter(zone.clone());
    let (mut properties, mut events) = (starter.property_slots().to_vec(), starter.event_slots().to_vec());
    for (spelling, ty) in [("seen", ValueType::Timestamp), ("born", ValueType::Date)] {
        properties.push(Some(Property {
            id: PropertyId(properties.len() as u16),
            name: Name::new(spelling).unwrap(),
            ty,
            aliases: vec![],
            case_sensitive: false,
            derived: None,
        }));
    }
    events.push(Some(EventKind::plain(EventKindId(events.len() as u16), Name::new("visit").unwrap())));
    Schema::new(zone, properties, events)
}

fn contact(rule: &str, key: String, value: &str) -> Contact {
    let mut contact = Contact { key, written: Default::default(), events: vec![] };
    let at = |text: &str| Timestamp::parse(text).unwrap_or_else(|why| panic!("{text} {why}"));
    let values: Vec<&str> = value.split_whitespace().filter(|value| *value != "-").collect();
    for (arrival, value) in values.into_iter().enumerate() {
        if rule.contains("seen") || rule.contains("born") {
            let (name, value) = match rule.contains("seen") {
                true => ("seen", Value::Time(at(value))),
                false => ("born", Value::Day(Day::parse(value).unwrap())),
            };
            contact.written.insert(name.to_owned(), value);
        } else {
            let (kind, arrival) = ("visit".to_owned(), arrival as u64);
            contact.events.push(Event { id: None, kind, at: at(value), values: Default::default(), arrival });
        }
    }
    contact
}

#[test]
fn every_case_holds_to_the_millisecond() {
    let cases = cases();
    assert!(cases.len() > 100, "{} cases", cases.len());
    for case in cases {
        let place = format!("tests/cases/time.txt:{}: {} at {} in {}", case.line, case.rule, case.now, case.zone);
        let schema = schema(case.zone);
        let now = Timestamp::parse(case.now).unwrap();
        let parsed = rule::parse(case.rule, &schema).unwrap_or_else(|why| panic!("{place}\n{}", why.render(case.rule)));
        let mut naive = Naive::new(schema, now);
        let all = case.inside.iter().chain(&case.outside).enumerate();
        naive.contacts = all.map(|(n, value)| contact(case.rule, format!("{n} {value}"), value)).collect();
        let inside = &naive.contacts[..case.inside.len()];
        let wanted: Vec<&str> = inside.iter().map(|contact| contact.key.as_str()).collect();
        assert_eq!(naive.members(&parsed, now), wanted, "the naive database: {place}");
        assert_eq!(loaded::load(&naive).keys(&parsed, now), wanted, "the product: {place}");
    }
}
