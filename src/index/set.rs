//! The index of a multi-valued property: the values of each contact in the order written, and who has which.

use std::ops::Range;

use crate::{
    bitmap::posting::Posting,
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::matching::TextMatch,
    model::id::ContactId,
};

/// Several texts per contact, no two equal under the case rule.
#[derive(Clone, Debug, Default)]
pub struct SetIndex {
    case_sensitive: bool,
    present: Posting,
}

impl SetIndex {
    /// An empty index.
    pub fn new(case_sensitive: bool) -> SetIndex {
        SetIndex { case_sensitive, ..SetIndex::default() }
    }

    /// Whether texts are compared with case.
    pub fn case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    /// Changes whether texts are compared with case; values that become equal become one, the first.
    pub fn set_case_sensitive(&mut self, case_sensitive: bool) {
        self.case_sensitive = case_sensitive;
    }

    /// The texts of a contact in the order written; empty when there are none.
    pub fn value(&self, contact: ContactId) -> Vec<&str> {
        let _ = contact;
        unimplemented!()
    }

    /// The codes of a contact's texts in the order written.
    pub fn codes(&self, contact: ContactId) -> Vec<u32> {
        let _ = contact;
        unimplemented!()
    }

    /// The text of a code.
    pub fn text(&self, code: u32) -> &str {
        let _ = code;
        unimplemented!()
    }

    /// Replaces the texts of a contact; says whether anything changed. Empty texts and repeated ones fall away.
    pub fn set<T: AsRef<str>>(&mut self, contact: ContactId, texts: &[T]) -> bool {
        let _ = (contact, texts);
        unimplemented!()
    }

    /// Adds texts at the end and takes others away; says whether anything changed.
    pub fn edit<T: AsRef<str>>(&mut self, contact: ContactId, add: &[T], remove: &[T]) -> bool {
        let _ = (contact, add, remove);
        unimplemented!()
    }

    /// The contacts that have a text.
    pub fn present(&self) -> &Posting {
        &self.present
    }

    /// The contacts that have a text equal under the case rule.
    pub fn equal(&self, text: &str) -> Posting {
        let _ = text;
        unimplemented!()
    }

    /// How many contacts [`SetIndex::equal`] would give.
    pub fn equal_len(&self, text: &str) -> u64 {
        let _ = text;
        unimplemented!()
    }

    /// The codes of every spelling that is equal under the case rule, ascending.
    pub fn codes_equal(&self, text: &str) -> Vec<u32> {
        let _ = text;
        unimplemented!()
    }

    /// The codes whose texts pass a test.
    pub fn codes_matching(&self, test: &TextMatch) -> Posting {
        let _ = test;
        unimplemented!()
    }

    /// The codes of a range whose texts pass a test, ascending; for splitting `0..code_end()` among threads.
    pub fn codes_matching_in(&self, test: &TextMatch, codes: Range<u32>) -> Vec<u32> {
        let _ = (test, codes);
        unimplemented!()
    }

    /// One above the highest code given.
    pub fn code_end(&self) -> u32 {
        unimplemented!()
    }

    /// How many distinct texts there are.
    pub fn distinct(&self) -> usize {
        unimplemented!()
    }

    /// The contacts that have a text with one of the codes.
    pub fn rows(&self, codes: &Posting) -> Posting {
        let _ = codes;
        unimplemented!()
    }

    /// Every distinct text with its contacts, in order of code. For breakdowns.
    pub fn breakdown(&self) -> impl Iterator<Item = (&str, Posting)> {
        std::iter::empty()
    }

    /// Every distinct text with the number of its contacts, in order of code.
    pub fn breakdown_len(&self) -> impl Iterator<Item = (&str, u64)> {
        std::iter::empty()
    }

    /// Bytes of memory by part, about.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        unimplemented!()
    }

    /// Checks the lists of contacts against the postings and that every dictionary entry is used.
    pub fn check(&self) -> Result<(), String> {
        unimplemented!()
    }

    /// Writes the index as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let _ = (name, sink);
        unimplemented!()
    }

    /// Reads what [`SetIndex::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<SetIndex, Damage> {
        let _ = (name, source);
        unimplemented!()
    }
}
