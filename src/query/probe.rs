//! The answer of a plan for one contact.

#![allow(clippy::unimplemented)]
use crate::{index::Index, model::id::ContactId, query::plan::Plan};

impl Plan {
    /// Whether the rule holds for a contact, which must be live.
    pub fn contains(&self, index: &Index, contact: ContactId) -> bool {
        let _ = (index, contact);
        unimplemented!()
    }
}
