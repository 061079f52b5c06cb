//! Answers of a plan over all contacts.

#![allow(clippy::unimplemented)]
use crate::{bitmap::posting::Posting, index::Index, query::plan::Plan};

impl Plan {
    /// The live contacts that the rule holds for.
    pub fn evaluate(&self, index: &Index) -> Posting {
        let _ = index;
        unimplemented!()
    }

    /// How many they are; nothing is built.
    pub fn count(&self, index: &Index) -> u64 {
        let _ = index;
        unimplemented!()
    }
}
