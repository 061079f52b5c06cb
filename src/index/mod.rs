//! What is known of every contact? Facts and their indexes.
//!
//! Owns:   the key directory, one index per property, the logs of events; all of it shared by cheap clones.
//! Never:  judges a rule, reads a clock, touches a file, starts a thread (but to read an image).
//! Start:  [`Index`], [`property::PropertyIndex`], [`text::TextIndex`], [`column::Column`].

use std::{sync::Arc, thread};

use crate::{
    bitmap::{CHUNK, posting::Posting},
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{directory::Directory, event_store::EventStore, property::PropertyIndex},
    model::{
        id::{ContactId, PropertyId},
        schema::{Property, Schema},
        time::Timestamp,
        value::Value,
    },
};

pub mod bag;
pub mod codes;
pub mod column;
mod column_image;
pub mod derive;
pub mod derive_plan;
#[cfg(test)]
mod derive_tests;
pub mod derive_total;
pub mod dictionary;
pub mod directory;
pub mod distinct;
pub mod domains;
pub mod event_counts;
pub mod event_distinct;
pub mod event_group;
pub mod event_ids;
pub mod event_image;
pub mod event_index;
pub mod event_marks;
pub mod event_pack;
pub mod event_page;
pub mod event_picks;
pub mod event_plane;
pub mod event_record;
pub mod event_store;
pub mod event_tail;
#[cfg(test)]
mod event_tests;
pub mod expression;
pub mod flag;
pub mod grams;
pub mod hash_index;
#[cfg(test)]
mod index_tests;
pub mod lexicon;
pub mod lexicon_search;
#[cfg(test)]
mod lexicon_tests;
pub mod lists;
pub mod mapped;
pub mod matching;
pub mod merge;
pub mod numbers;
pub mod packed;
mod packed_fit;
mod packed_image;
mod patched;
pub mod pending;
pub mod property;
pub mod rows;
#[cfg(test)]
mod rows_tests;
pub mod set;
pub mod strings;
pub mod text;
#[cfg(test)]
mod text_tests;
pub mod tree;
pub mod trie;

/// Every fact of every contact. Cloning is cheap; a clone stays as it was while the original is written to.
#[derive(Clone, Debug, Default)]
pub struct Index {
    directory: Directory,
    properties: Vec<Option<Arc<PropertyIndex>>>,
    events: EventStore,
}

impl Index {
    /// The empty index of a schema.
    pub fn new(schema: &Schema) -> Index {
        let mut index = Index::default();
        index.sync_schema(schema);
        index.sync_events(schema, Timestamp::MIN);
        index
    }

    /// Follows the schema: new slots for what it declares, none for what it dropped; a property of another type starts
    /// empty; a changed case rule rebuilds what hangs on it.
    pub fn sync_schema(&mut self, schema: &Schema) {
        self.properties.resize(schema.property_slots().len(), None);
        for (slot, property) in self.properties.iter_mut().zip(schema.property_slots()) {
            match (&mut *slot, property) {
                (_, None) => *slot = None,
                (Some(index), Some(property)) if index.ty() == property.ty => {
                    if index.holds_texts() && index.case_sensitive() != property.case_sensitive {
                        Arc::make_mut(index).set_case_sensitive(property.case_sensitive);
                    }
                }
                (Some(_) | None, Some(property)) => {
                    *slot = Some(Arc::new(PropertyIndex::new(property.ty, property.case_sensitive)));
                }
            }
        }
    }

    /// Keys and ids.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The contacts that are live.
    pub fn live(&self) -> &Posting {
        self.directory.live()
    }

    /// How many chunks the ids given so far take.
    pub fn chunk_count(&self) -> usize {
        (self.directory.next_id() as usize).div_ceil(CHUNK)
    }

    /// Finds the contact of a key or makes it; says whether it is new.
    pub fn insert(&mut self, key: &str) -> (ContactId, bool) {
        self.directory.insert(key)
    }

    /// Removes every trace of a contact; says whether it was live.
    pub fn erase(&mut self, contact: ContactId) -> bool {
        self.erase_events(contact);
        for index in self.properties.iter_mut().flatten() {
            if index.has(contact) {
                Arc::make_mut(index).set(contact, None);
            }
        }
        self.directory.erase(contact)
    }

    /// The index of a property, unless the schema dropped it.
    pub fn property(&self, property: PropertyId) -> Option<&PropertyIndex> {
        self.properties.get(property.index())?.as_deref()
    }

    /// The value of a contact (the computed one, where the property is derived).
    pub fn value(&self, property: PropertyId, contact: ContactId) -> Option<Value> {
        self.property(property)?.value(contact)
    }

    /// Sets or removes the value of a contact; says whether anything changed. A dropped property takes none.
    ///
    /// Panics: when the value is not of the property's type.
    pub fn set(&mut self, property: PropertyId, contact: ContactId, value: Option<&Value>) -> bool {
        match self.properties.get_mut(property.index()) {
            Some(Some(index)) => Arc::make_mut(index).set(contact, value),
            Some(None) | None => false,
        }
    }

    /// As [`Index::set`], but copies nothing when there is no value and none before.
    pub fn write(&mut self, property: PropertyId, contact: ContactId, value: Option<&Value>) {
        if value.is_some() || self.has(property, contact) {
            self.set(property, contact, value);
        }
    }

    /// The indexes by property, each a part of its own, for writes to several at once.
    pub fn properties_mut(&mut self) -> &mut [Option<Arc<PropertyIndex>>] {
        &mut self.properties
    }

    /// Whether a contact has a value.
    pub fn has(&self, property: PropertyId, contact: ContactId) -> bool {
        self.property(property).is_some_and(|property| property.has(contact))
    }

    /// The contacts that have a value.
    pub fn present(&self, property: PropertyId) -> Posting {
        self.property(property).map(PropertyIndex::present).unwrap_or_default()
    }

    /// Bytes of memory by part, about; parts of properties as `property/3/rows`.
    pub fn memory(&self) -> Vec<(String, u64)> {
        let mut parts: Vec<(String, u64)> =
            self.directory.memory().into_iter().map(|(part, bytes)| (format!("keys/{part}"), bytes)).collect();
        for (place, index) in self.properties.iter().enumerate() {
            let memory = index.iter().flat_map(|index| index.memory());
            parts.extend(memory.map(|(part, bytes)| (format!("property/{place}/{part}"), bytes)));
        }
        parts.extend(self.events.memory());
        parts
    }

    /// Walks the laws of the facts: postings disjoint, their union presence, all of it live, every text of a dictionary
    /// in use. Tells the first one broken.
    pub fn check(&self) -> Result<(), String> {
        self.directory.check()?;
        for (place, index) in self.properties.iter().enumerate() {
            let Some(index) = index else { continue };
            index.check().map_err(|what| format!("property {place}: {what}"))?;
            if let Some(dead) = index.present().and_not(self.live()).min() {
                return Err(format!("property {place}: contact {dead} has a value, but is not live"));
            }
        }
        self.events.check()?;
        let logs = self.events.kinds.iter().flatten().map(|log| log.presence());
        match logs.filter_map(|present| present.and_not(self.live()).min()).next() {
            Some(dead) => Err(format!("contact {dead} has events, but is not live")),
            None => Ok(()),
        }
    }

    /// Writes everything as sections whose names begin with `index/`.
    pub fn encode(&self, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        self.directory.encode("index/keys", sink)?;
        for (place, index) in self.properties.iter().enumerate() {
            if let Some(index) = index {
                index.encode(&format!("index/property/{place}"), sink)?;
            }
        }
        self.events.encode(sink)
    }

    /// Reads what [`Index::encode`] wrote under the same schema, in place where it is big.
    pub fn decode(schema: &Schema, source: &dyn SectionSource) -> Result<Index, Damage> {
        let read = |(place, property): (usize, &Option<Property>)| {
            let name = format!("index/property/{place}");
            let read = |property: &Property| PropertyIndex::decode(property.ty, &name, source).map(Arc::new);
            property.as_ref().map(read).transpose()
        };
        // Both are half of the work, about. Where no thread can be had, one does it all.
        thread::scope(|scope| {
            let decode = || EventStore::decode(schema, source);
            let beside = thread::Builder::new().spawn_scoped(scope, decode);
            let directory = Directory::decode("index/keys", source)?;
            let properties =
                schema.property_slots().iter().enumerate().map(read).collect::<Result<Vec<_>, Damage>>()?;
            let events = match beside {
                Ok(thread) => thread.join().expect("bytes that were not expected are damage, and no panic")?,
                Err(_) => decode()?,
            };
            Ok(Index { directory, properties, events })
        })
    }
}
