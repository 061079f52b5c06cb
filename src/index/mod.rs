//! What is known of every contact? Facts and their indexes.
//!
//! Owns:   the key directory, one index per property, the logs of events; all of it shared by cheap clones.
//! Never:  judges a rule, reads a clock, starts a thread, touches a file.
//! Start:  [`Index`], [`property::PropertyIndex`], [`text::TextIndex`], [`column::Column`].

#![allow(clippy::unimplemented)]

use std::sync::Arc;

use crate::{
    bitmap::{CHUNK, posting::Posting},
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{directory::Directory, event_store::EventStore, property::PropertyIndex},
    model::{
        id::{ContactId, PropertyId},
        schema::Schema,
        value::Value,
    },
};

pub mod column;
pub mod derive;
pub mod derive_plan;
#[cfg(test)]
mod derive_tests;
pub mod derive_total;
pub mod dictionary;
pub mod directory;
pub mod event_group;
pub mod event_ids;
pub mod event_image;
pub mod event_index;
pub mod event_pack;
pub mod event_page;
pub mod event_plane;
pub mod event_record;
pub mod event_store;
pub mod event_tail;
#[cfg(test)]
mod event_tests;
pub mod flag;
pub mod matching;
pub mod packed;
pub mod pending;
pub mod property;
pub mod set;
pub mod text;

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
        index
    }

    /// Follows the schema: new slots for what it declares, none for what it dropped; a property of another type starts
    /// empty; a changed case rule rebuilds what hangs on it.
    pub fn sync_schema(&mut self, schema: &Schema) {
        let _ = schema;
        unimplemented!()
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
        let _ = contact;
        unimplemented!()
    }

    /// The index of a property, unless the schema dropped it.
    pub fn property(&self, property: PropertyId) -> Option<&PropertyIndex> {
        self.properties.get(property.index())?.as_deref()
    }

    /// The value of a contact (the computed one, where the property is derived).
    pub fn value(&self, property: PropertyId, contact: ContactId) -> Option<Value> {
        self.property(property)?.value(contact)
    }

    /// Sets or removes the value of a contact; says whether anything changed.
    ///
    /// Panics: when the value is not of the property's type.
    pub fn set(&mut self, property: PropertyId, contact: ContactId, value: Option<&Value>) -> bool {
        let _ = (property, contact, value);
        unimplemented!()
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
        unimplemented!()
    }

    /// Walks the laws of the facts: postings disjoint, their union presence, all of it live, every text of a dictionary
    /// in use. Tells the first one broken.
    pub fn check(&self) -> Result<(), String> {
        unimplemented!()
    }

    /// Writes everything as sections whose names begin with `index/`.
    pub fn encode(&self, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let _ = sink;
        unimplemented!()
    }

    /// Reads what [`Index::encode`] wrote under the same schema, in place where it is big.
    pub fn decode(schema: &Schema, source: &dyn SectionSource) -> Result<Index, Damage> {
        let _ = (schema, source);
        unimplemented!()
    }
}
