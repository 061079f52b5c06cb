//! The index of a boolean property: who says yes, who says no.

use crate::{
    bitmap::posting::Posting,
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    model::id::ContactId,
};

/// One flag per contact, or none.
#[derive(Clone, Debug, Default)]
pub struct FlagIndex {
    yes: Posting,
    no: Posting,
}

impl FlagIndex {
    /// The flag of a contact.
    pub fn value(&self, contact: ContactId) -> Option<bool> {
        if self.yes.contains(contact.0) {
            return Some(true);
        }
        self.no.contains(contact.0).then_some(false)
    }

    /// Sets or removes the flag of a contact; says whether anything changed.
    pub fn set(&mut self, contact: ContactId, flag: Option<bool>) -> bool {
        let _ = (contact, flag);
        unimplemented!()
    }

    /// The contacts with the flag at yes.
    pub fn yes(&self) -> &Posting {
        &self.yes
    }

    /// The contacts with the flag at no.
    pub fn no(&self) -> &Posting {
        &self.no
    }

    /// The contacts that have the flag either way.
    pub fn present(&self) -> Posting {
        self.yes.or(&self.no)
    }

    /// Bytes of memory, about.
    pub fn memory_bytes(&self) -> u64 {
        unimplemented!()
    }

    /// Checks that no contact says both.
    pub fn check(&self) -> Result<(), String> {
        unimplemented!()
    }

    /// Writes the index as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let _ = (name, sink);
        unimplemented!()
    }

    /// Reads what [`FlagIndex::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<FlagIndex, Damage> {
        let _ = (name, source);
        unimplemented!()
    }
}
