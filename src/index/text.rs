//! The index of a text, email or category property: a code a contact, rows a code, and the dictionary between.

use std::ops::Range;

use crate::{
    bitmap::{posting::Posting, words::Words},
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::matching::TextMatch,
    model::id::ContactId,
};

/// One text per contact, found by equality, by test and, for emails, by domain.
#[derive(Clone, Debug, Default)]
pub struct TextIndex {
    case_sensitive: bool,
    present: Posting,
}

impl TextIndex {
    /// An empty index; `email` adds the one by domain.
    pub fn new(case_sensitive: bool, email: bool) -> TextIndex {
        let _ = email;
        TextIndex { case_sensitive, ..TextIndex::default() }
    }

    /// Whether texts are compared with case.
    pub fn case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    /// Changes whether texts are compared with case; the index is built anew.
    pub fn set_case_sensitive(&mut self, case_sensitive: bool) {
        self.case_sensitive = case_sensitive;
    }

    /// The text of a contact.
    pub fn value(&self, contact: ContactId) -> Option<&str> {
        let _ = contact;
        unimplemented!()
    }

    /// The code of a contact's text; its cost does not grow.
    pub fn code(&self, contact: ContactId) -> Option<u32> {
        let _ = contact;
        unimplemented!()
    }

    /// The text of a code.
    pub fn text(&self, code: u32) -> &str {
        let _ = code;
        unimplemented!()
    }

    /// Sets or removes the text of a contact; says whether anything changed. An empty text is none.
    pub fn set(&mut self, contact: ContactId, text: Option<&str>) -> bool {
        let _ = (contact, text);
        unimplemented!()
    }

    /// The contacts that have a text.
    pub fn present(&self) -> &Posting {
        &self.present
    }

    /// The contacts whose text is equal under the case rule. Cheap when one spelling has many rows.
    pub fn equal(&self, text: &str) -> Posting {
        let _ = text;
        unimplemented!()
    }

    /// How many contacts [`TextIndex::equal`] would give, without making them.
    pub fn equal_len(&self, text: &str) -> u64 {
        let _ = text;
        unimplemented!()
    }

    /// The contacts whose text is equal to any of these.
    pub fn any_of(&self, texts: &[&str]) -> Posting {
        let _ = texts;
        unimplemented!()
    }

    /// The codes of every spelling that is equal under the case rule, ascending.
    pub fn codes_equal(&self, text: &str) -> Vec<u32> {
        let _ = text;
        unimplemented!()
    }

    /// The codes whose texts pass a test (all pieces of [`TextIndex::codes_matching_in`]).
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

    /// The contacts whose text has one of the codes, by whichever way is shorter. Prefer it to asking chunk by chunk.
    pub fn rows(&self, codes: &Posting) -> Posting {
        let _ = codes;
        unimplemented!()
    }

    /// How many contacts [`TextIndex::rows`] would give.
    pub fn rows_len(&self, codes: &Posting) -> u64 {
        let _ = codes;
        unimplemented!()
    }

    /// Overwrites `out` with the contacts of a chunk whose text has one of the codes.
    pub fn rows_of_codes(&self, codes: &Posting, chunk: usize, out: &mut Words) {
        let _ = (codes, chunk, out);
        unimplemented!()
    }

    /// The contacts whose email has this folded domain; `None` for no one or when this is no email index.
    pub fn domain(&self, folded: &str) -> Option<Posting> {
        let _ = folded;
        unimplemented!()
    }

    /// How many contacts [`TextIndex::domain`] would give.
    pub fn domain_len(&self, folded: &str) -> u64 {
        let _ = folded;
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

    /// Checks that postings are disjoint, that their union is the set of contacts with a text and that every
    /// dictionary entry is used.
    pub fn check(&self) -> Result<(), String> {
        unimplemented!()
    }

    /// Writes the index as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let _ = (name, sink);
        unimplemented!()
    }

    /// Reads what [`TextIndex::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<TextIndex, Damage> {
        let _ = (name, source);
        unimplemented!()
    }
}

/// The folded domain of an email: what follows the last `@`, if anything does.
pub fn domain_of(email: &str) -> Option<String> {
    let (_, domain) = email.rsplit_once('@')?;
    (!domain.is_empty()).then(|| crate::model::fold::fold(domain).into_owned())
}
