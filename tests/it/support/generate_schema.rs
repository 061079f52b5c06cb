//! Random schemas: the starter's, with properties and events of every type added, some with awkward names.

use throng::model::{
    calendar::Zone,
    currency::Currency,
    id::{EventKindId, PropertyId},
    name::Name,
    request::{EventPatch, EventPropertyPatch, PropertyPatch, SchemaPatch},
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

/// Names that random rules count on.
const KEPT: [&str; 4] = ["tags", "email", "alt_email", "created"];

/// A random change of a schema; some are refused.
pub fn change(dice: &mut Dice, schema: &Schema) -> SchemaPatch {
    let properties: Vec<&Property> = schema.properties().filter(|p| !KEPT.contains(&p.name.as_str())).collect();
    let kinds: Vec<&EventKind> = schema.events().collect();
    if dice.chance(50) || kinds.is_empty() {
        let property = *dice.pick(&properties);
        let change = match dice.below(6) {
            0 => None,
            1 | 2 => {
                let case_sensitive = Some(!property.case_sensitive);
                Some(PropertyPatch { case_sensitive, ..PropertyPatch::default() })
            }
            3 => Some(PropertyPatch { derived: Some(None), ..PropertyPatch::default() }),
            4 => Some(PropertyPatch { derived: Some(Some(derivation(dice))), ..PropertyPatch::default() }),
            _ => Some(PropertyPatch { ty: Some("number".into()), ..PropertyPatch::default() }),
        };
        // A name that was dropped may come back.
        let fresh = name(dice.pick::<&str>(&["later", "vip", "balance", "notes"]));
        let named = if matches!(&change, Some(change) if change.ty.is_some()) { fresh } else { property.name.clone() };
        return SchemaPatch { properties: vec![(named, change)], events: vec![] };
    }
    let kind = *dice.pick(&kinds);
    let mut patch = EventPatch::default();
    let property = kind.properties.get(dice.below(kind.properties.len().max(1)));
    match (dice.below(5), property) {
        (0, _) => return SchemaPatch { properties: vec![], events: vec![(kind.name.clone(), None)] },
        (1, Some(property)) => patch.properties.push((property.name.clone(), None)),
        (2, Some(property)) => {
            let case_sensitive = Some(!property.case_sensitive);
            let change = EventPropertyPatch { case_sensitive, ..EventPropertyPatch::default() };
            patch.properties.push((property.name.clone(), Some(change)));
        }
        (3, _) => patch.activity = Some(!kind.activity),
        _ => {
            let fresh = dice.pick::<&str>(&["later", "page", "seconds"]);
            let ty = dice.pick::<&str>(&["number", "text", "set", "date"]);
            let change = EventPropertyPatch { ty: Some((*ty).into()), ..EventPropertyPatch::default() };
            patch.properties.push((name(fresh), Some(change)));
        }
    }
    SchemaPatch { properties: vec![], events: vec![(kind.name.clone(), Some(patch))] }
}

fn derivation(dice: &mut Dice) -> Derived {
    let writer = *dice.pick(&Writer::ALL);
    let aggregate =
        |function, event: &str, of: Option<&str>| Source::Aggregate { function, event: name(event), of: of.map(name) };
    let source = match dice.below(8) {
        0 => aggregate(Function::Count, "visit", None),
        1 => aggregate(Function::Sum, "visit", Some("spent")),
        2 => aggregate(Function::Max, "visit", Some("opened_at")),
        3 => aggregate(Function::Min, "visit", Some("due_day")),
        4 => aggregate(Function::Distinct, "visit", Some("topics_seen")),
        5 => Source::Latest { event: Some(name("purchase")) },
        6 => Source::OpenClose { open: name("visit"), close: name("webinar") },
        _ => aggregate(Function::Avg, "order_paid", Some("amount")),
    };
    Derived { source, writer }
}
