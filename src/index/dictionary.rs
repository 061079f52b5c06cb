//! A dictionary with counts: distinct texts and how often each is held. For the texts of events.

use std::ops::Range;

use crate::{
    bitmap::posting::Posting,
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::matching::TextMatch,
};

/// Distinct texts by code. A code lives as long as someone holds it and is given again afterwards.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    case_sensitive: bool,
}

impl Dictionary {
    /// An empty dictionary.
    pub fn new(case_sensitive: bool) -> Dictionary {
        Dictionary { case_sensitive }
    }

    /// Whether texts are compared with case.
    pub fn case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    /// Changes whether texts are compared with case.
    pub fn set_case_sensitive(&mut self, case_sensitive: bool) {
        self.case_sensitive = case_sensitive;
    }

    /// Takes hold of a text once more: its code, new if the text is.
    pub fn intern(&mut self, text: &str) -> u32 {
        let _ = text;
        unimplemented!()
    }

    /// Takes hold of a code once more.
    pub fn hold(&mut self, code: u32) {
        let _ = code;
        unimplemented!()
    }

    /// Lets go of a code once; the last one to do so removes the text.
    pub fn release(&mut self, code: u32) {
        let _ = code;
        unimplemented!()
    }

    /// How often a code is held.
    pub fn count(&self, code: u32) -> u32 {
        let _ = code;
        unimplemented!()
    }

    /// The text of a code; empty if no one holds it.
    pub fn get(&self, code: u32) -> &str {
        let _ = code;
        unimplemented!()
    }

    /// The code of exactly this spelling.
    pub fn find_exact(&self, text: &str) -> Option<u32> {
        let _ = text;
        unimplemented!()
    }

    /// The codes of every spelling that is equal under the case rule, ascending.
    pub fn find_equal(&self, text: &str) -> Vec<u32> {
        let _ = text;
        unimplemented!()
    }

    /// The codes whose texts pass a test.
    pub fn codes_matching(&self, test: &TextMatch) -> Posting {
        let _ = test;
        unimplemented!()
    }

    /// The codes of a range whose texts pass a test, ascending; pieces may be asked in parallel.
    pub fn codes_matching_in(&self, test: &TextMatch, codes: Range<u32>) -> Vec<u32> {
        let _ = (test, codes);
        unimplemented!()
    }

    /// One above the highest code given.
    pub fn code_end(&self) -> u32 {
        unimplemented!()
    }

    /// How many distinct texts are held.
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Returns whether no text is held.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }

    /// Every held text with its code, by code.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        std::iter::empty()
    }

    /// Bytes of memory, about.
    pub fn memory_bytes(&self) -> u64 {
        unimplemented!()
    }

    /// Writes the dictionary as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let _ = (name, sink);
        unimplemented!()
    }

    /// Reads what [`Dictionary::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<Dictionary, Damage> {
        let _ = (name, source);
        unimplemented!()
    }
}
