//! The whole index: values of every type, erasure, a changing schema, images.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{
    codec::section::MemoryImage,
    index::{Index, property::PropertyIndex},
    model::{
        calendar::Zone,
        id::{ContactId, PropertyId},
        name::Name,
        number::Number,
        schema::{Property, Schema},
        time::{Day, Timestamp},
        value::{Value, ValueType},
    },
};

fn value(ty: ValueType, dice: &mut Pcg64Mcg) -> Value {
    let n: u32 = dice.random_range(0..2_000);
    match ty {
        ValueType::Text => Value::Text(format!("Canary{n} text").into()),
        ValueType::Email => Value::Text(format!("u{n}@canary{}.com", n % 40).into()),
        ValueType::Category => Value::Text(["us", "de", "fr"][n as usize % 3].into()),
        ValueType::Boolean => Value::Flag(n.is_multiple_of(2)),
        ValueType::Number => Value::Number(Number(i128::from(n) * 500_000_000_000_000_000)),
        ValueType::Money(_) => Value::Money(i64::from(n)),
        ValueType::Timestamp => Value::Time(Timestamp(1_700_000_000_000 + i64::from(n) * 1_234)),
        ValueType::Date => Value::Day(Day(n as i32)),
        ValueType::Set => Value::Set((0..=n % 3).map(|k| format!("canary-tag{}", n % 7 + k).into()).collect()),
    }
}

fn image(index: &Index) -> MemoryImage {
    let mut image = MemoryImage::new();
    index.encode(&mut image).unwrap();
    image
}

type Model = BTreeMap<(u32, u16), Value>;

fn agrees(index: &Index, model: &Model, schema: &Schema, ids: u32) {
    index.check().unwrap();
    for property in schema.properties() {
        for id in 0..ids {
            let wanted = model.get(&(id, property.id.0));
            assert_eq!(index.value(property.id, ContactId(id)).as_ref(), wanted);
            assert_eq!(index.has(property.id, ContactId(id)), wanted.is_some());
        }
        let present = model.keys().filter(|(_, place)| *place == property.id.0).map(|(id, _)| *id);
        assert!(index.present(property.id).iter().eq(present));
    }
}

fn plain_schema() -> Schema {
    let starter = Schema::starter(Zone::utc());
    let mut properties: Vec<Option<Property>> = starter.property_slots().to_vec();
    properties.iter_mut().flatten().for_each(|property| property.derived = None);
    let day = Property {
        id: PropertyId(properties.len() as u16),
        name: Name::new("birthday").unwrap(),
        ty: ValueType::Date,
        aliases: vec![],
        case_sensitive: false,
        derived: None,
    };
    properties.push(Some(day));
    Schema::new(Zone::utc(), properties, vec![])
}

#[test]
fn values_of_every_type_come_back_from_images_and_erasure_leaves_no_trace() {
    let mut dice = Pcg64Mcg::seed_from_u64(5);
    let schema = plain_schema();
    let (mut index, mut model) = (Index::new(&schema), Model::new());
    let mut ids = 0;
    for round in 0..3 {
        for _ in 0..700 {
            let (contact, new) = index.insert(&format!("key-canary-{}", dice.random_range(0..900)));
            ids += u32::from(new);
            for property in schema.properties() {
                let new = (dice.random_range(0..4) > 0).then(|| value(property.ty, &mut dice));
                let place = (contact.0, property.id.0);
                let before = match &new {
                    Some(new) => model.insert(place, new.clone()),
                    None => model.remove(&place),
                };
                assert_eq!(index.set(property.id, contact, new.as_ref()), before != new);
            }
            if dice.random_range(0..6) == 0 {
                assert!(index.erase(contact) && !index.erase(contact));
                model.retain(|(id, _), _| *id != contact.0);
            }
        }
        agrees(&index, &model, &schema, ids);
        let kept = (index.clone(), model.clone());
        let written = image(&index);
        index = Index::decode(&schema, &written).unwrap();
        assert_eq!(image(&index), written, "round {round}");
        agrees(&index, &model, &schema, ids);
        agrees(&kept.0, &kept.1, &schema, ids);
    }
    assert!(index.memory().iter().any(|(part, bytes)| part == "property/0/texts" && *bytes > 0));
    for id in index.live().clone().iter() {
        index.erase(ContactId(id));
    }
    index.check().unwrap();
    let left = image(&index);
    let traces = |bytes: &Vec<u8>| bytes.to_ascii_lowercase().windows(6).any(|window| window == b"canary");
    assert!(!left.sections().values().any(traces));
    assert_eq!(left, image(&Index::decode(&schema, &left).unwrap()));
}

#[test]
fn the_schema_is_followed() {
    let schema = plain_schema();
    let mut index = Index::new(&schema);
    let (contact, _) = index.insert("someone");
    let (city, status) = (schema.property("city").unwrap().id, schema.property("status").unwrap().id);
    index.set(city, contact, Some(&Value::Text("Berlin".into())));
    index.set(status, contact, Some(&Value::Text("Active".into())));
    let mut properties = schema.property_slots().to_vec();
    properties[city.index()] = None;
    properties[status.index()].as_mut().unwrap().case_sensitive = true;
    let second = Schema::new(Zone::utc(), properties.clone(), vec![]);
    let before = index.clone();
    index.sync_schema(&second);
    assert!(index.property(city).is_none() && index.value(city, contact).is_none() && index.present(city).is_empty());
    assert!(!index.set(city, contact, Some(&Value::Text("Berlin".into()))));
    assert_eq!(index.value(status, contact), Some(Value::Text("Active".into())));
    assert!(index.property(status).unwrap().case_sensitive() && !before.property(status).unwrap().case_sensitive());
    properties[status.index()].as_mut().unwrap().ty = ValueType::Number;
    index.sync_schema(&Schema::new(Zone::utc(), properties, vec![]));
    assert_eq!(index.value(status, contact), None);
    assert_eq!(before.value(city, contact), Some(Value::Text("Berlin".into())));
    index.check().unwrap();
}

/// Newcomers in order, and now and then someone from before, or someone again; most get a value.
fn column(ty: ValueType, first: u32, dice: &mut Pcg64Mcg) -> Vec<(ContactId, Option<Value>)> {
    let writes = (first..first + 4_000).map(|newcomer| {
        let contact = if dice.random_range(0..20) == 0 { dice.random_range(0..=newcomer) } else { newcomer };
        (ContactId(contact), (dice.random_range(0..30) > 0).then(|| value(ty, dice)))
    });
    writes.collect()
}

#[test]
fn a_column_at_once_leaves_what_one_by_one_leaves() {
    let mut dice = Pcg64Mcg::seed_from_u64(23);
    let image_of = |index: &PropertyIndex| {
        let mut image = MemoryImage::new();
        index.encode("p", &mut image).unwrap();
        image
    };
    for ty in plain_schema().properties().map(|property| property.ty) {
        let (mut index, mut single) = (PropertyIndex::new(ty, false), PropertyIndex::new(ty, false));
        let mut kept = vec![];
        for round in 0..5 {
            kept.push((index.clone(), image_of(&index)));
            let writes = column(ty, round * 4_000, &mut dice);
            let writes: Vec<_> = writes.iter().map(|(contact, value)| (*contact, value.as_ref())).collect();
            index.set_all(&writes);
            for (contact, value) in &writes {
                single.set(*contact, *value);
            }
            index.check().unwrap();
            let image = image_of(&index);
            assert!(image == image_of(&single), "one form, whichever way: {ty:?}");
            if round == 2 {
                index = PropertyIndex::decode(ty, "p", &image).unwrap();
            }
        }
        assert!(kept.iter().all(|(index, image)| image_of(index) == *image), "clones stay as they were");
    }
}
