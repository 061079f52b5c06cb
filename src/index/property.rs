//! The index of one property, whatever its type.

use crate::{
    bitmap::posting::Posting,
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{column::Column, flag::FlagIndex, set::SetIndex, text::TextIndex},
    model::{
        id::ContactId,
        value::{Value, ValueType},
    },
};

/// The values of one property and how they are found.
#[derive(Clone, Debug)]
pub enum PropertyIndex {
    /// Text, email or category (which one is the type).
    Text(ValueType, TextIndex),
    /// Boolean.
    Flag(FlagIndex),
    /// Number, money, timestamp or date (which one is the type).
    Ordered(ValueType, Column),
    /// Set.
    Set(SetIndex),
}

impl PropertyIndex {
    /// An empty index of a type.
    pub fn new(ty: ValueType, case_sensitive: bool) -> PropertyIndex {
        let _ = (ty, case_sensitive);
        unimplemented!()
    }

    /// The type it was made for.
    pub fn ty(&self) -> ValueType {
        match self {
            PropertyIndex::Text(ty, _) | PropertyIndex::Ordered(ty, _) => *ty,
            PropertyIndex::Flag(_) => ValueType::Boolean,
            PropertyIndex::Set(_) => ValueType::Set,
        }
    }

    /// The value of a contact.
    pub fn value(&self, contact: ContactId) -> Option<Value> {
        let _ = contact;
        unimplemented!()
    }

    /// Sets or removes the value of a contact; says whether anything changed.
    ///
    /// Panics: when the value is not of the property's type.
    pub fn set(&mut self, contact: ContactId, value: Option<&Value>) -> bool {
        let _ = (contact, value);
        unimplemented!()
    }

    /// Whether the contact has a value.
    pub fn has(&self, contact: ContactId) -> bool {
        let _ = contact;
        unimplemented!()
    }

    /// The contacts that have a value.
    pub fn present(&self) -> Posting {
        unimplemented!()
    }

    /// Bytes of memory by part, about.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        unimplemented!()
    }

    /// Checks the index's own laws.
    pub fn check(&self) -> Result<(), String> {
        unimplemented!()
    }

    /// Writes the index as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let _ = (name, sink);
        unimplemented!()
    }

    /// Reads what [`PropertyIndex::encode`] wrote for the type.
    pub fn decode(ty: ValueType, name: &str, source: &dyn SectionSource) -> Result<PropertyIndex, Damage> {
        let _ = (ty, name, source);
        unimplemented!()
    }
}
