//! Distinct texts by code: found by their hash, by what they are equal to, by what they hold.

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    bitmap::posting::Posting,
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{
        grams::{self, BLOCK, Grams},
        hash_index::HashIndex,
        lexicon_search::Keys,
        matching::key,
        strings::Strings,
    },
};

/// Trigrams are kept from so many texts on; fewer are simply read.
const GRAMS_STEP_MIN: u32 = 1_024;
/// At most so many texts wait to have their trigrams taken; reading them costs half a millisecond.
const GRAMS_STEP_MAX: u32 = 65_536;
/// So many texts may wait as there are, divided by this: each taking copies the trigrams that it shares.
const GRAMS_STEP_SHARE: u32 = 64;

/// Distinct texts, none of them empty. The code of a removed one is given again, the lowest first.
#[derive(Clone, Debug, Default)]
pub struct Lexicon {
    pub(super) case_sensitive: bool,
    pub(super) strings: Strings,
    hashes: HashIndex,
    free: Posting,
    pub(super) grams: Grams,
}

impl Lexicon {
    /// No texts.
    pub fn new(case_sensitive: bool) -> Lexicon {
        Lexicon { case_sensitive, ..Lexicon::default() }
    }

    /// Whether texts are compared with case.
    pub fn case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    /// Changes whether texts are compared with case; codes stay.
    pub fn set_case_sensitive(&mut self, case_sensitive: bool) {
        if self.case_sensitive == case_sensitive {
            return;
        }
        self.case_sensitive = case_sensitive;
        self.hashes = HashIndex::default();
        self.grams = Grams::default();
        for code in 0..self.strings.len() {
            let hash = self.hash(self.strings.get(code));
            if !self.strings.bytes(code).is_empty() {
                self.hashes.insert(hash, code);
            }
        }
        self.cover();
    }

    /// The code of exactly this spelling.
    pub fn find_exact(&self, text: &str) -> Option<u32> {
        self.find_hashed(self.hash(text), text)
    }

    fn find_hashed(&self, hash: u64, text: &str) -> Option<u32> {
        self.hashes.find(hash, |code| self.strings.bytes(code) == text.as_bytes())
    }

    /// The codes of every spelling that is equal under the case rule, ascending.
    pub fn find_equal(&self, text: &str) -> Vec<u32> {
        let wanted = key(text, self.case_sensitive);
        let mut codes = self.hashes.candidates(xxh3_64(wanted.as_bytes()));
        codes.retain(|code| key(self.strings.get(*code), self.case_sensitive) == wanted);
        codes.sort_unstable();
        codes
    }

    /// The codes whose texts may be equal to another one under the case rule, as `group << 32 | code`, by group: two that
    /// are equal are of one group, and what is in no group is equal to nothing else.
    pub fn crowded(&self) -> Vec<u64> {
        self.hashes.crowded()
    }

    /// The code of exactly this spelling, new if it is; says whether it is new.
    ///
    /// Panics: on an empty text, which is no value.
    pub fn intern(&mut self, text: &str) -> (u32, bool) {
        assert!(!text.is_empty(), "an empty text is no value");
        let hash = self.hash(text);
        if let Some(code) = self.find_hashed(hash, text) {
            return (code, false);
        }
        let code = match self.free.min() {
            Some(code) => {
                self.free.remove(code);
                self.strings.set(code, text);
                if code / BLOCK < self.grams.blocks() {
                    let new = grams::grams_of(key(text, self.case_sensitive).as_bytes());
                    self.grams.insert(code / BLOCK, &new);
                }
                code
            }
            None => self.strings.push(text),
        };
        self.hashes.insert(hash, code);
        self.cover();
        (code, true)
    }

    /// Removes a text without a trace and frees its code.
    pub fn remove(&mut self, code: u32) {
        let text = self.strings.get(code);
        if text.is_empty() {
            return;
        }
        let hash = self.hash(text);
        let covered = code / BLOCK < self.grams.blocks();
        let grams = covered.then(|| grams::grams_of(key(text, self.case_sensitive).as_bytes()));
        self.hashes.remove(hash, code);
        self.strings.set(code, "");
        self.free.insert(code);
        if let Some(mut gone) = grams {
            let mut keys = Keys::default();
            self.read_block(code / BLOCK, &mut keys);
            gone.retain(|gram| {
                let [_, first, second, third] = gram.to_be_bytes();
                let finder = memchr::memmem::Finder::new(&[first, second, third]).into_owned();
                !keys.any_contains(&finder)
            });
            self.grams.remove(code / BLOCK, &gone);
        }
    }

    /// The text of a code; empty if it has none.
    pub fn get(&self, code: u32) -> &str {
        self.strings.get(code)
    }

    /// The text of a code as bytes, which costs less to reach.
    pub fn bytes(&self, code: u32) -> &[u8] {
        self.strings.bytes(code)
    }

    /// One above the highest code given.
    pub fn code_end(&self) -> u32 {
        self.strings.len()
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.strings.len() as usize - self.free.len() as usize
    }

    /// Returns whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every text with its code, by code.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        (0..self.strings.len()).map(|code| (code, self.get(code))).filter(|(_, text)| !text.is_empty())
    }

    /// Brings the trigrams up to date once enough texts wait: more of a larger lexicon, as it copies what it shares.
    fn cover(&mut self) {
        let covered = self.grams.blocks();
        if self.code_end() - covered * BLOCK
            < (self.code_end() / GRAMS_STEP_SHARE).clamp(GRAMS_STEP_MIN, GRAMS_STEP_MAX)
        {
            return;
        }
        let mut keys = Keys::default();
        let mut pairs = Vec::new();
        let end = self.code_end() / BLOCK;
        for first in (covered..end).step_by(grams::STEP as usize) {
            let last = end.min(first + grams::STEP);
            for block in first..last {
                self.read_block(block, &mut keys);
                keys.iter().for_each(|key| grams::collect(key, block - first, &mut pairs));
            }
            self.grams.extend(last - first, &mut pairs);
        }
    }

    /// The hash of a text's key; short ASCII allocates nothing.
    #[inline]
    fn hash(&self, text: &str) -> u64 {
        if text.is_ascii() {
            if self.case_sensitive {
                return xxh3_64(text.as_bytes());
            }
            let mut lower = [0u8; 128];
            if let Some(lower) = lower.get_mut(..text.len()) {
                lower.copy_from_slice(text.as_bytes());
                lower.make_ascii_lowercase();
                return xxh3_64(lower);
            }
        }
        xxh3_64(key(text, self.case_sensitive).as_bytes())
    }

    /// Bytes of heap by part, about.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        let hashes = self.hashes.memory_bytes() + self.free.memory_bytes() as u64;
        vec![("texts", self.strings.memory_bytes()), ("hashes", hashes), ("grams", self.grams.memory_bytes())]
    }

    /// Checks that every text is found by its spelling and that the free codes are those without a text.
    pub fn check(&self) -> Result<(), String> {
        for code in 0..self.code_end() {
            let text = self.get(code);
            if text.is_empty() != self.free.contains(code) {
                return Err(format!("code {code} is free without being empty or empty without being free"));
            }
            if !text.is_empty() && self.find_exact(text) != Some(code) {
                return Err(format!("the text of code {code} is not found by its hash"));
            }
        }
        let hashed = self.hashes.len();
        let texts = self.len();
        if hashed != texts { Err(format!("{texts} texts, but {hashed} hashes")) } else { Ok(()) }
    }

    /// Writes the texts as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        sink.begin(&format!("{name}/case"))?;
        sink.put(&[u8::from(self.case_sensitive)])?;
        self.strings.encode(&format!("{name}/strings"), sink)?;
        self.hashes.encode(&format!("{name}/hashes"), sink)?;
        self.grams.encode(&format!("{name}/grams"), sink)?;
        sink.begin(&format!("{name}/free"))?;
        self.free.encode(sink)
    }

    /// Reads what [`Lexicon::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<Lexicon, Damage> {
        let open = |part: &str| source.section(&format!("{name}/{part}")).map(|bytes| Cursor::of(part, bytes));
        Ok(Lexicon {
            case_sensitive: open("case")?.u8()? != 0,
            strings: Strings::decode(&format!("{name}/strings"), source)?,
            hashes: HashIndex::decode(&format!("{name}/hashes"), source)?,
            grams: Grams::decode(&format!("{name}/grams"), source)?,
            free: Posting::decode(&mut open("free")?)?,
        })
    }
}
