//! The facts against the naive database: values, events and derived values as they were written, the laws of the
//! index, and images that come back as they were.

use throng::{
    codec::section::MemoryImage,
    index::Index,
    model::{
        id::ContactId,
        schema::{EventProperty, Schema},
        time::Timestamp,
        value::Value,
    },
};

use crate::support::{
    generate::{self, Dice},
    loaded,
    naive::{Contact, Event, Naive},
};

/// What the index has of a contact is what the naive database has.
pub fn same(seed: u64, naive: &Naive, index: &Index) {
    let schema: &Schema = &naive.schema;
    index.check().unwrap_or_else(|law| panic!("seed {seed}: {law}"));
    assert_eq!(index.live().len(), naive.contacts.len() as u64, "seed {seed}");
    for contact in &naive.contacts {
        let id = index.directory().id(&contact.key).expect("every contact is there");
        assert_eq!(index.directory().key(id), contact.key);
        for property in schema.properties() {
            let wanted = naive.value(contact, property.name.as_str());
            assert_eq!(index.value(property.id, id), wanted, "seed {seed}: {} of {contact:#?}", property.name);
        }
        for kind in schema.events() {
            let mut wanted: Vec<&Event> = contact.events.iter().filter(|e| e.kind == kind.name.as_str()).collect();
            wanted.sort_by_key(|event| (event.at, event.arrival));
            let found = events_of(index, naive, id, kind.name.as_str());
            let values = |event: &Event| -> Vec<Option<Value>> {
                let value = |p: &EventProperty| event.values.get(p.name.as_str()).filter(|_| !p.dropped).cloned();
                kind.properties.iter().map(value).collect()
            };
            let wanted: Vec<_> = wanted.into_iter().map(|event| (event.at, values(event))).collect();
            assert_eq!(found, wanted, "seed {seed}: {} of {}", kind.name, contact.key);
        }
    }
}

fn events_of(index: &Index, naive: &Naive, id: ContactId, kind: &str) -> Vec<(Timestamp, Vec<Option<Value>>)> {
    let kind = naive.schema.event(kind).expect("a declared kind");
    let Some(log) = index.events().kind(kind.id) else { return vec![] };
    let group = log.group(id);
    let values = |i| (0..kind.properties.len()).map(|property| log.value(&group, property, i)).collect();
    (0..group.len()).map(|i| (group.time(i), values(i))).collect()
}

fn image(index: &Index) -> MemoryImage {
    let mut image = MemoryImage::default();
    index.encode(&mut image).expect("memory takes everything");
    image
}

#[test]
fn facts_come_back_as_they_were_written() {
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let contacts = *dice.pick(&[0, 1, 60, 150]);
        let world = generate::world(&mut dice, contacts);
        let loaded = loaded::load(&world.naive);
        same(seed, &world.naive, &loaded.index);
        let first = image(&loaded.index);
        let decoded = Index::decode(&world.naive.schema, &first).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        same(seed, &world.naive, &decoded);
        assert_eq!(image(&decoded), first, "seed {seed}: an image of what was read from an image is the same");
    }
}

#[test]
fn an_index_goes_on_from_its_image() {
    for seed in 100..115 {
        let mut dice = Dice::new(seed);
        let mut world = generate::world(&mut dice, 50);
        let loaded = loaded::load(&world.naive);
        let mut index = Index::decode(&world.naive.schema, &image(&loaded.index)).unwrap();
        let more = generate::world(&mut dice, 40);
        let mut erased = 0;
        world.naive.contacts.retain(|contact| {
            let gone = dice.chance(20);
            if gone {
                let id = index.directory().id(&contact.key).unwrap();
                assert!(index.erase(id));
                erased += 1;
            }
            !gone
        });
        assert!(erased > 0);
        same(seed, &world.naive, &index);
        // The same schema is needed on both sides: only the starter's names are shared between worlds.
        for contact in &more.naive.contacts {
            let key = format!("more {}", contact.key);
            let fresh = Contact { key: key.clone(), ..generate::blank(key.clone()) };
            let (id, new) = index.insert(&fresh.key);
            assert!(new);
            for property in world.naive.schema.properties().filter(|property| property.derived.is_none()) {
                let value = contact.written.get(property.name.as_str());
                index.set(property.id, id, value);
            }
            let mut fresh = fresh;
            let plain = |name: &str| world.naive.schema.property(name).is_some_and(|p| p.derived.is_none());
            fresh.written = contact.written.clone().into_iter().filter(|(name, _)| plain(name)).collect();
            world.naive.contacts.push(fresh);
        }
        same(seed, &world.naive, &index);
    }
}
