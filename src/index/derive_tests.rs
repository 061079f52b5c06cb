//! Derived properties, ids and what comes due against a plain list of events and of what was written.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt, SeedableRng, seq::IndexedRandom};

use crate::{
    codec::section::MemoryImage,
    index::{
        Index, derive_plan,
        event_record::{Recorded, Removed},
        event_store::EventStore,
    },
    model::{
        calendar::Zone,
        currency::Currency,
        id::{ContactId, EventKindId, PropertyId},
        name::Name,
        number::{Number, ONE},
        schema::{Derived, EventKind, EventProperty, Function, Property, Schema, Source, Writer},
        time::Timestamp,
        value::{Value, ValueType},
    },
};

const USD: ValueType = ValueType::Money(Currency::USD);
const CONTACTS: u32 = 12;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Two kinds with an amount, a score and a product each; the third is no activity.
fn kinds() -> Vec<Option<EventKind>> {
    let property =
        |name: &str, ty| EventProperty { name: Name::new(name).unwrap(), ty, case_sensitive: false, dropped: false };
    let kind = |(place, spelling): (usize, &str)| {
        let properties = vec![
            property("amount", USD),
            property("score", ValueType::Number),
            property("product", ValueType::Text),
            property("items", ValueType::Set),
        ];
        let plain = EventKind::plain(EventKindId(place as u16), name(spelling));
        Some(EventKind { properties, activity: place != 2, ..plain })
    };
    ["buy", "return", "sent"].into_iter().enumerate().map(kind).collect()
}

/// Every source with every writer that fits it.
fn sources() -> Vec<(ValueType, Source)> {
    let aggregate = |function, of: Option<&str>| Source::Aggregate { function, event: name("buy"), of: of.map(name) };
    let number = ValueType::Number;
    let mut sources = vec![
        (number, aggregate(Function::Count, None)),
        (number, aggregate(Function::Count, Some("product"))),
        (number, aggregate(Function::Distinct, Some("product"))),
        (number, aggregate(Function::Distinct, Some("items"))),
        (number, aggregate(Function::Distinct, Some("amount"))),
        (ValueType::Timestamp, Source::Latest { event: None }),
        (ValueType::Timestamp, Source::Latest { event: Some(name("sent")) }),
        (ValueType::Boolean, Source::OpenClose { open: name("buy"), close: name("return") }),
    ];
    for function in [Function::Sum, Function::Min, Function::Max, Function::Avg] {
        sources.push((USD, aggregate(function, Some("amount"))));
        sources.push((number, aggregate(function, Some("score"))));
    }
    sources
}

fn schema() -> Schema {
    let mut properties = Vec::new();
    for (ty, source) in sources() {
        for writer in Writer::ALL {
            let id = PropertyId(properties.len() as u16);
            let derived = Some(Derived { source: source.clone(), writer });
            let name = name(&format!("p {id}"));
            properties.push(Some(Property { id, name, ty, aliases: vec![], case_sensitive: false, derived }));
        }
    }
    Schema::new(Zone::utc(), properties, kinds())
}

#[derive(Clone, Debug)]
struct Event {
    contact: u32,
    kind: u16,
    at: i64,
    values: Vec<Option<Value>>,
    id: Option<String>,
}

#[derive(Clone, Default)]
struct Model {
    events: Vec<Event>,
    written: BTreeMap<(u16, u32), Value>,
    as_of: i64,
}

fn follows(source: &Source, kind: u16) -> bool {
    match source {
        Source::Aggregate { .. } => kind == 0,
        Source::Latest { event: None } | Source::OpenClose { .. } => kind < 2,
        Source::Latest { .. } => kind == 2,
    }
}

fn position(value: &Value) -> i128 {
    match value {
        Value::Flag(flag) => i128::from(*flag),
        other => other.ordered().unwrap(),
    }
}

fn limits(ty: ValueType) -> (i128, i128) {
    match ty {
        ValueType::Number => (Number::MIN.0, Number::MAX.0),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    }
}

impl Model {
    fn forget(&mut self, schema: &Schema, kind: u16, contact: u32) {
        for property in schema.properties() {
            let Some(derived) = &property.derived else { continue };
            if derived.writer == Writer::UntilNext && follows(&derived.source, kind) {
                self.written.remove(&(property.id.0, contact));
            }
        }
    }

    fn advance(&mut self, schema: &Schema, as_of: i64) {
        let due = |event: &&Event| event.at > self.as_of && event.at <= as_of;
        let due: BTreeSet<(u16, u32)> =
            self.events.iter().filter(due).map(|event| (event.kind, event.contact)).collect();
        due.into_iter().for_each(|(kind, contact)| self.forget(schema, kind, contact));
        self.as_of = as_of;
    }

    fn computed(&self, ty: ValueType, source: &Source, contact: u32) -> Option<i128> {
        let effective: Vec<&Event> =
            self.events.iter().filter(|event| event.contact == contact && event.at <= self.as_of).collect();
        let of_kind = |kind: u16| effective.iter().filter(move |event| event.kind == kind);
        let (function, of) = match source {
            Source::Latest { .. } => {
                let followed = effective.iter().filter(|event| follows(source, event.kind));
                return followed.map(|event| i128::from(event.at)).max();
            }
            Source::OpenClose { .. } => {
                let (open, close) = (of_kind(0).count(), of_kind(1).count());
                return (open + close > 0).then_some(i128::from(open > close));
            }
            Source::Aggregate { function, of, .. } => (*function, of.as_ref().map(|of| of.as_str().to_owned())),
        };
        let place = match of.as_deref() {
            None => return Some(of_kind(0).count()).filter(|count| *count > 0).map(|count| count as i128 * ONE),
            Some(of) => ["amount", "score", "product", "items"].iter().position(|name| *name == of).unwrap(),
        };
        let values: Vec<&Value> = of_kind(0).filter_map(|event| event.values[place].as_ref()).collect();
        if values.is_empty() {
            return None;
        }
        let (least, greatest) = limits(ty);
        let positions = || values.iter().map(|value| position(value));
        // Small enough here to add in 128 bits, but for the few huge ones: those are added apart.
        let sum = || positions().fold((0i128, 0i128), |(ones, rest), p| (ones + p / ONE, rest + p % ONE));
        Some(match function {
            Function::Count => values.len() as i128 * ONE,
            Function::Min => positions().min()?,
            Function::Max => positions().max()?,
            Function::Sum => {
                let (ones, rest) = sum();
                let near = ones.clamp(-10 * ONE, 10 * ONE);
                (near * ONE + rest).clamp(least, greatest)
            }
            Function::Avg => {
                let (ones, rest) = sum();
                let count = values.len() as i128;
                let units = (ones % count) * ONE + rest;
                let (down, left) = (units.div_euclid(count), units.rem_euclid(count));
                let mean = ones / count * ONE + down;
                mean + i128::from(2 * left > count || (2 * left == count && mean % 2 != 0))
            }
            Function::Distinct => {
                let texts = |value: &Value| match value {
                    Value::Text(text) => vec![text.to_lowercase()],
                    Value::Set(texts) => texts.iter().map(|text| text.to_lowercase()).collect(),
                    other => vec![position(other).to_string()],
                };
                values.iter().flat_map(|value| texts(value)).collect::<BTreeSet<_>>().len() as i128 * ONE
            }
        })
    }

    fn effective(&self, property: &Property, contact: u32) -> Option<i128> {
        let derived = property.derived.as_ref().unwrap();
        let computed = self.computed(property.ty, &derived.source, contact);
        let written = self.written.get(&(property.id.0, contact)).map(position);
        let (least, greatest) = limits(property.ty);
        match (computed, written, derived.writer) {
            (computed, None, _) => computed,
            (None, written, _) => written,
            (Some(computed), Some(written), Writer::Add) if matches!(property.ty, ValueType::Number | USD) => {
                Some((computed + written).clamp(least, greatest))
            }
            (Some(computed), Some(written), Writer::Add | Writer::Max) => Some(computed.max(written)),
            (_, written, Writer::UntilNext) => written,
            (computed, _, Writer::Refuse) => computed,
        }
    }
}

fn text(random: &mut impl Rng) -> Box<str> {
    ["tea", "Tea", "milk", "MILK", "jam"].choose(random).copied().unwrap().into()
}

fn score(random: &mut impl Rng) -> Number {
    match random.random_range(0..12) {
        0 => Number::MAX,
        1 => Number::MIN,
        2 => Number(random.random_range(-5..5)),
        _ => Number::from_int(random.random_range(-9..9)),
    }
}

fn money(random: &mut impl Rng) -> i64 {
    if random.random_range(0..15) == 0 {
        [i64::MAX, i64::MIN][random.random_range(0..2)]
    } else {
        random.random_range(-50..90)
    }
}

fn values(random: &mut impl Rng) -> Vec<Option<Value>> {
    let all = [
        Value::Money(money(random)),
        Value::Number(score(random)),
        Value::Text(text(random)),
        Value::Set(BTreeSet::from([text(random), text(random)]).into_iter().collect()),
    ];
    all.into_iter().map(|value| (random.random_range(0..4) > 0).then_some(value)).collect()
}

fn written(random: &mut impl Rng, ty: ValueType) -> Option<Value> {
    let value = match ty {
        ValueType::Number => Value::Number(score(random)),
        ValueType::Timestamp => Value::Time(Timestamp(random.random_range(-9_000..9_000))),
        ValueType::Boolean => Value::Flag(random.random()),
        _ => Value::Money(money(random)),
    };
    (random.random_range(0..4) > 0).then_some(value)
}

fn image(index: &Index) -> MemoryImage {
    let mut image = MemoryImage::new();
    index.events().encode(&mut image).unwrap();
    image
}

fn compare(index: &Index, schema: &Schema, model: &Model) {
    index.events().check().unwrap();
    index.check_derived(schema, Timestamp(model.as_of)).unwrap();
    for property in schema.properties() {
        for contact in 0..CONTACTS {
            let held = index.value(property.id, ContactId(contact)).as_ref().map(position);
            let derived = &property.derived;
            assert_eq!(held, model.effective(property, contact), "{derived:?} of contact {contact}");
            let kept = index.written(property.id, ContactId(contact));
            assert_eq!(kept.as_ref(), model.written.get(&(property.id.0, contact)));
        }
    }
    let next = model.events.iter().map(|event| event.at).filter(|at| *at > model.as_of).min();
    assert_eq!(index.next_due().map(|at| at.0), next);
}

fn record(index: &mut Index, schema: &Schema, model: &mut Model, random: &mut impl Rng) {
    let (contact, kind) = (random.random_range(0..CONTACTS), random.random_range(0..3));
    let at = model.as_of + random.random_range(-3_000..1_500) / 250 * 250;
    let id = (random.random_range(0..3) == 0).then(|| format!("ev-{}", random.random_range(0..400)));
    let event = Event { contact, kind, at, values: values(random), id };
    let known = event.id.is_some() && model.events.iter().any(|held| held.id == event.id);
    let (as_of, who, of) = (Timestamp(model.as_of), ContactId(contact), EventKindId(kind));
    let done = index.record_event(schema, as_of, who, of, Timestamp(at), &event.values, event.id.as_deref());
    assert_eq!(done, if known { Recorded::Duplicate } else { Recorded::Recorded });
    if !known {
        if at <= model.as_of {
            model.forget(schema, kind, contact);
        }
        model.events.push(event);
    }
}

fn remove(index: &mut Index, model: &mut Model, random: &mut impl Rng) {
    let id = format!("ev-{}", random.random_range(0..400));
    let place = model.events.iter().position(|event| event.id.as_deref() == Some(&id));
    let removed = place.map(|place| model.events.remove(place)).map(|event| Removed {
        contact: ContactId(event.contact),
        kind: EventKindId(event.kind),
        at: Timestamp(event.at),
    });
    assert_eq!(index.find_event(&id), removed.map(|removed| (removed.kind, removed.contact)));
    assert_eq!(index.remove_event(Timestamp(model.as_of), &id), removed);
}

fn write(index: &mut Index, schema: &Schema, model: &mut Model, random: &mut impl Rng) {
    let contact = random.random_range(0..CONTACTS);
    for property in schema.properties() {
        if random.random_range(0..8) > 0 {
            continue;
        }
        let value = written(random, property.ty);
        index.write_derived(schema, Timestamp(model.as_of), property.id, ContactId(contact), value.as_ref());
        if property.derived.as_ref().unwrap().writer != Writer::Refuse {
            match value {
                Some(value) => model.written.insert((property.id.0, contact), value),
                None => model.written.remove(&(property.id.0, contact)),
            };
        }
    }
}

fn erase(index: &mut Index, schema: &Schema, model: &mut Model, random: &mut impl Rng) {
    let contact = random.random_range(0..CONTACTS);
    index.erase_events(ContactId(contact));
    for property in schema.properties() {
        index.set(property.id, ContactId(contact), None);
    }
    model.events.retain(|event| event.contact != contact);
    model.written.retain(|(_, of), _| *of != contact);
}

fn advance(index: &mut Index, schema: &Schema, model: &mut Model, random: &mut impl Rng) {
    let to = match index.next_due() {
        Some(next) if random.random() => next.0,
        _ => model.as_of + random.random_range(0..700),
    };
    let due: Vec<_> = index.due(Timestamp(to)).collect();
    let ahead = model.events.iter().filter(|event| event.at > model.as_of && event.at <= to);
    let mut expected: Vec<_> = ahead.map(|event| (event.at, event.kind, event.contact)).collect();
    expected.sort_unstable();
    assert!(due.iter().map(|due| (due.at.0, due.kind.0, due.contact.0)).eq(expected));
    assert_eq!(index.advance(Timestamp(to)), due);
    model.advance(schema, to);
}

#[test]
fn derived_values_follow_events_writes_and_the_clock() {
    let schema = schema();
    for property in schema.properties() {
        let adds = matches!(property.ty, ValueType::Number | USD);
        let fits = adds || property.derived.as_ref().unwrap().writer != Writer::Add;
        assert_eq!(derive_plan::check(&schema, property).is_ok(), fits);
    }
    for seed in 0..6 {
        let mut random = rand_pcg::Pcg64::seed_from_u64(seed);
        let (mut index, mut model) = (Index::new(&schema), Model::default());
        index.sync_events(&schema, Timestamp(0));
        (0..CONTACTS).for_each(|contact| assert!(index.insert(&format!("c{contact}")).1));
        let mut held = Vec::new();
        for round in 0..400 {
            match random.random_range(0..100) {
                0..70 => record(&mut index, &schema, &mut model, &mut random),
                70..76 => remove(&mut index, &mut model, &mut random),
                76..88 => write(&mut index, &schema, &mut model, &mut random),
                88 => erase(&mut index, &schema, &mut model, &mut random),
                89 => index.settle_events(),
                90 => index.events = EventStore::decode(&schema, &image(&index)).unwrap(),
                _ => advance(&mut index, &schema, &mut model, &mut random),
            }
            if round % 20 == 0 {
                compare(&index, &schema, &model);
                held.push((index.clone(), model.clone()));
            }
        }
        held.iter().for_each(|(clone, model)| compare(clone, &schema, model));
        let back = EventStore::decode(&schema, &image(&index)).unwrap();
        let first = image(&index);
        index.events = back;
        compare(&index, &schema, &model);
        assert_eq!(first, image(&index));
    }
}

#[test]
fn a_definition_declared_or_changed_later_counts_what_is_there() {
    let whole = schema();
    let plain = |derived: &dyn Fn(&Property) -> Option<Derived>| {
        let property = |property: &Property| Some(Property { derived: derived(property), ..property.clone() });
        Schema::new(Zone::utc(), whole.properties().map(property).collect(), kinds())
    };
    let mut random = rand_pcg::Pcg64::seed_from_u64(11);
    let before = plain(&|_| None);
    let (mut index, mut model) = (Index::new(&before), Model::default());
    index.sync_events(&before, Timestamp(0));
    (0..CONTACTS).for_each(|contact| assert!(index.insert(&format!("c{contact}")).1));
    for _ in 0..300 {
        record(&mut index, &before, &mut model, &mut random);
    }
    // What was plain becomes derived: its values stand as written ones.
    index.set(PropertyId(0), ContactId(1), Some(&Value::Number(Number::from_int(5))));
    model.written.insert((0, 1), Value::Number(Number::from_int(5)));
    index.sync_schema(&whole);
    index.sync_events(&whole, Timestamp(0));
    compare(&index, &whole, &model);
    let held: Vec<_> = whole.properties().map(|property| index.value(property.id, ContactId(1))).collect();
    // And plain again: what was effective stays.
    index.sync_schema(&before);
    index.sync_events(&before, Timestamp(0));
    assert!(whole.properties().map(|property| index.value(property.id, ContactId(1))).eq(held));
    assert_eq!(index.written(PropertyId(0), ContactId(1)), None);
}

#[test]
fn a_dropped_kind_leaves_nothing_behind() {
    let schema = schema();
    let mut random = rand_pcg::Pcg64::seed_from_u64(3);
    let (mut index, mut model) = (Index::new(&schema), Model::default());
    index.sync_events(&schema, Timestamp(0));
    for _ in 0..300 {
        record(&mut index, &schema, &mut model, &mut random);
    }
    let mut left = kinds();
    left[0] = None;
    let properties = schema.property_slots().to_vec();
    let without = Schema::new(Zone::utc(), properties, left);
    index.sync_schema(&without);
    index.sync_events(&without, Timestamp(0));
    model.events.retain(|event| event.kind != 0);
    index.events().check().unwrap();
    index.check_derived(&without, Timestamp(0)).unwrap();
    assert!(index.event(EventKindId(0)).is_none());
    assert_eq!(index.events().len(), model.events.len() as u64);
    assert_eq!(index.events().ids.len(), model.events.iter().filter(|event| event.id.is_some()).count());
    assert_eq!(index.value(PropertyId(0), ContactId(0)), None, "nothing bears on a count of what is gone");
    let image = image(&index);
    assert!(image.sections().keys().all(|name| !name.starts_with("index/events/0")));
}
