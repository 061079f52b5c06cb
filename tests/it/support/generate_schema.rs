//! Random schemas: the starter's, with properties and events of every type added, some with awkward names.

use throng::model::{
    calendar::Zone,
    currency::Currency,
    id::{EventKindId, PropertyId},
    name::Name,
    schema::{Derived, EventKind, EventProperty, Function, Property, Schema, Source, Writer},
    value::ValueType,
};

use crate::support::generate::Dice;

/// A canonical name.
pub fn name(spelling: &str) -> Name {
    Name::new(spelling).expect("a well-formed name")
}

fn money(code: &str) -> ValueType {
    ValueType::Money(Currency::of_code(code).expect("a currency"))
}

fn is_cased(ty: ValueType) -> bool {
    ty.is_text() || ty == ValueType::Set
}

/// The starter schema with properties and events of every type added.
pub fn schema(dice: &mut Dice, zone: Zone) -> Schema {
    let starter = Schema::starter(zone.clone());
    let (mut properties, mut events) = (starter.property_slots().to_vec(), starter.event_slots().to_vec());
    for (spelling, ty, derived) in added_properties() {
        properties.push(Some(Property {
            id: PropertyId(properties.len() as u16),
            name: name(spelling),
            ty,
            aliases: if spelling == "tier" { vec![name("plan_tier")] } else { vec![] },
            case_sensitive: is_cased(ty) && dice.chance(40),
            derived,
        }));
    }
    let kinds: [(&str, &[&str], &[&str], Option<&str>); 4] = [
        ("visit", &[], &[], None),
        ("webinar", &["attended webinar"], &["no webinar", "skipped webinar"], Some("title")),
        ("order_paid", &["paid"], &[], None),
        ("then", &[], &[], None),
    ];
    for (kind, phrases, negative, label) in kinds {
        let place = |(spelling, ty): (&str, ValueType)| {
            let case_sensitive = is_cased(ty) && dice.chance(40);
            EventProperty { name: name(spelling), ty, case_sensitive, dropped: false }
        };
        let texts = |list: &[&str]| list.iter().map(|text| (*text).into()).collect();
        let properties = event_properties(kind).into_iter().map(place).collect();
        events.push(Some(EventKind {
            phrases: texts(phrases),
            negative: texts(negative),
            label: label.map(name),
            activity: dice.chance(70),
            properties,
            ..EventKind::plain(EventKindId(events.len() as u16), name(kind))
        }));
    }
    Schema::new(zone, properties, events)
}

fn added_properties() -> Vec<(&'static str, ValueType, Option<Derived>)> {
    let aggregate = |function, of: Option<&str>| {
        let source = Source::Aggregate { function, event: name("webinar"), of: of.map(name) };
        Some(Derived { source, writer: Writer::Refuse })
    };
    let plain: &[(ValueType, &[&str])] = &[
        (ValueType::Text, &["nickname", "notes", "has_tag", "電話", "last"]),
        (ValueType::Category, &["code", "tier"]),
        (ValueType::Email, &["alt_email"]),
        (ValueType::Set, &["labels", "interests"]),
        (money("EUR"), &["balance"]),
        (money("JPY"), &["yen"]),
        (ValueType::Number, &["ratio", "größe", "in_last", "or"]),
        (ValueType::Timestamp, &["renewal", "not_before"]),
        (ValueType::Date, &["birthday", "contract_end", "first_purchase", "first"]),
        (ValueType::Boolean, &["vip", "no_show"]),
    ];
    let mut all = vec![];
    for (ty, names) in plain {
        all.extend(names.iter().map(|name| (*name, *ty, None)));
    }
    all.extend([
        ("webinars", ValueType::Number, aggregate(Function::Count, None)),
        ("minutes_mean", ValueType::Number, aggregate(Function::Avg, Some("minutes"))),
        ("minutes_least", ValueType::Number, aggregate(Function::Min, Some("minutes"))),
        ("topics", ValueType::Number, aggregate(Function::Distinct, Some("title"))),
    ]);
    all
}

fn event_properties(kind: &str) -> Vec<(&'static str, ValueType)> {
    match kind {
        "visit" => vec![
            ("page", ValueType::Text),
            ("path", ValueType::Category),
            ("seconds", ValueType::Number),
            ("spent", money("EUR")),
            ("opened_at", ValueType::Timestamp),
            ("due_day", ValueType::Date),
            ("logged_in", ValueType::Boolean),
            ("topics_seen", ValueType::Set),
            ("sender", ValueType::Email),
        ],
        "webinar" => vec![("title", ValueType::Text), ("minutes", ValueType::Number)],
        "order_paid" => vec![("amount", money("EUR")), ("lead_score", ValueType::Number)],
        _ => vec![],
    }
}
