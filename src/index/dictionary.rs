//! A dictionary with counts: distinct texts and how often each is held. For the texts of events.

use crate::{
    bitmap::posting::Posting,
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{lexicon::Lexicon, matching::TextMatch, numbers::Numbers},
};

/// Distinct texts by code. A code lives as long as someone holds it and is given again afterwards.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    lexicon: Lexicon,
    counts: Numbers,
}

impl Dictionary {
    /// An empty dictionary.
    pub fn new(case_sensitive: bool) -> Dictionary {
        Dictionary { lexicon: Lexicon::new(case_sensitive), counts: Numbers::default() }
    }

    /// Whether texts are compared with case.
    pub fn case_sensitive(&self) -> bool {
        self.lexicon.case_sensitive()
    }

    /// Changes whether texts are compared with case; codes stay.
    pub fn set_case_sensitive(&mut self, case_sensitive: bool) {
        self.lexicon.set_case_sensitive(case_sensitive);
    }

    /// Takes hold of a text once more: its code, new if the text is.
    ///
    /// Panics: on an empty text, which is no value.
    pub fn intern(&mut self, text: &str) -> u32 {
        let (code, _) = self.lexicon.intern(text);
        self.hold(code);
        code
    }

    /// Takes hold of a code once more.
    pub fn hold(&mut self, code: u32) {
        self.counts.set(code, self.counts.get(code) + 1);
    }

    /// Lets go of a code once; the last one to do so removes the text.
    pub fn release(&mut self, code: u32) {
        let count = self.counts.get(code).saturating_sub(1);
        self.counts.set(code, count);
        if count == 0 {
            self.lexicon.remove(code);
        }
    }

    /// How often a code is held.
    pub fn count(&self, code: u32) -> u32 {
        self.counts.get(code)
    }

    /// The text of a code; empty if no one holds it.
    pub fn get(&self, code: u32) -> &str {
        self.lexicon.get(code)
    }

    /// The code of exactly this spelling.
    pub fn find_exact(&self, text: &str) -> Option<u32> {
        self.lexicon.find_exact(text)
    }

    /// The codes of every spelling that is equal under the case rule, ascending.
    pub fn find_equal(&self, text: &str) -> Vec<u32> {
        self.lexicon.find_equal(text)
    }

    /// The codes whose texts pass a test.
    pub fn codes_matching(&self, test: &TextMatch) -> Posting {
        self.lexicon.codes_matching(test)
    }

    /// One above the highest code given.
    pub fn code_end(&self) -> u32 {
        self.lexicon.code_end()
    }

    /// How many distinct texts are held.
    pub fn len(&self) -> usize {
        self.lexicon.len()
    }

    /// Returns whether no text is held.
    pub fn is_empty(&self) -> bool {
        self.lexicon.is_empty()
    }

    /// Every held text with its code, by code.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        self.lexicon.iter()
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        self.counts.memory_bytes() + self.lexicon.memory().iter().map(|(_, bytes)| bytes).sum::<u64>()
    }

    /// Checks that every text is found by its spelling and is held by someone.
    pub fn check(&self) -> Result<(), String> {
        self.lexicon.check()?;
        let wrong = (0..self.code_end()).find(|code| self.get(*code).is_empty() != (self.count(*code) == 0));
        wrong.map_or(Ok(()), |code| Err(format!("code {code} has a text without a holder or a holder without a text")))
    }

    /// Writes the dictionary as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        self.lexicon.encode(name, sink)?;
        self.counts.encode(&format!("{name}/counts"), self.code_end(), sink)
    }

    /// Reads what [`Dictionary::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<Dictionary, Damage> {
        let lexicon = Lexicon::decode(name, source)?;
        let (counts, len) = Numbers::decode(&format!("{name}/counts"), source)?;
        if len != lexicon.code_end() as usize {
            return Err(Damage::at(name, 0, format!("{} counts", lexicon.code_end()), len));
        }
        Ok(Dictionary { lexicon, counts })
    }
}
