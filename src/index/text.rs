//! The index of a text, email or category property: a code a contact, rows a code, and the dictionary between.

use crate::{
    bitmap::{CHUNK, CHUNK_WORDS, chunk::Chunk, posting::Posting, words::Words},
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{
        codes::Codes,
        domains::Domains,
        lexicon::Lexicon,
        lexicon_search::Search,
        matching::TextMatch,
        rows::{CodeRows, Rows},
    },
    model::id::ContactId,
};

/// So few codes are asked one by one; with more, every contact's code is looked at.
const CODES_ASKED_MAX: u64 = 32;

/// One text per contact, found by equality, by test and, for emails, by domain.
#[derive(Clone, Debug, Default)]
pub struct TextIndex {
    codes: Codes,
    rows: CodeRows,
    lexicon: Lexicon,
    present: Posting,
    domains: Option<Domains>,
}

/// Contacts that have a code already and are to be added to its rows, as `code << 32 | contact`.
#[derive(Default)]
struct Joining {
    rows: Vec<u64>,
    domains: Vec<u64>,
    present: Vec<u32>,
}

/// Codes as bits, quick to ask in any order.
pub struct CodeBits(Vec<u64>);

impl CodeBits {
    /// These codes.
    pub fn of(codes: &Posting) -> CodeBits {
        let mut bits = vec![0; codes.chunk_count() * CHUNK_WORDS];
        let mut words = Words::boxed();
        for (at, chunk) in codes.chunks() {
            chunk.load_into(&mut words);
            bits[at * CHUNK_WORDS..(at + 1) * CHUNK_WORDS].copy_from_slice(&words.0);
        }
        CodeBits(bits)
    }

    #[inline]
    fn has(&self, code: u32) -> bool {
        self.0.get(code as usize / 64).is_some_and(|word| word >> (code % 64) & 1 == 1)
    }
}

impl TextIndex {
    /// An empty index; `email` adds the one by domain.
    pub fn new(case_sensitive: bool, email: bool) -> TextIndex {
        let domains = email.then(Domains::default);
        TextIndex { lexicon: Lexicon::new(case_sensitive), domains, ..TextIndex::default() }
    }

    /// Whether texts are compared with case.
    pub fn case_sensitive(&self) -> bool {
        self.lexicon.case_sensitive()
    }

    /// Changes whether texts are compared with case; what hangs on it is built anew.
    pub fn set_case_sensitive(&mut self, case_sensitive: bool) {
        self.lexicon.set_case_sensitive(case_sensitive);
    }

    /// The text of a contact.
    pub fn value(&self, contact: ContactId) -> Option<&str> {
        self.code(contact).map(|code| self.lexicon.get(code))
    }

    /// The code of a contact's text; its cost does not grow.
    #[inline]
    pub fn code(&self, contact: ContactId) -> Option<u32> {
        self.codes.get(contact.0)
    }

    /// The text of a code.
    pub fn text(&self, code: u32) -> &str {
        self.lexicon.get(code)
    }

    /// Sets or removes the text of a contact; says whether anything changed. An empty text is none.
    pub fn set(&mut self, contact: ContactId, text: Option<&str>) -> bool {
        let id = contact.0;
        let text = text.filter(|text| !text.is_empty());
        let old = self.codes.get(id);
        match (old, text) {
            (None, None) => return false,
            (Some(old), Some(text)) if self.lexicon.bytes(old) == text.as_bytes() => return false,
            (Some(_), _) | (None, Some(_)) => {}
        }
        if let Some(domains) = &mut self.domains {
            domains.change(id, old.map(|old| self.lexicon.get(old)), text);
        }
        let new = text.map(|text| self.lexicon.intern(text).0);
        if let Some(new) = new {
            self.rows.insert(new, id);
        }
        if let Some(old) = old {
            self.rows.remove(old, id);
            if self.rows.get(old).is_empty() {
                self.lexicon.remove(old);
            }
        }
        self.codes.set(id, new);
        match (old, new) {
            (None, Some(_)) => self.present.insert(id),
            (Some(_), None) => self.present.remove(id),
            (Some(_), Some(_)) | (None, None) => true,
        }
    }

    /// As [`TextIndex::set`] for many contacts, in order.
    pub fn set_all<'a>(&mut self, writes: impl Iterator<Item = (ContactId, Option<&'a str>)>) {
        let mut joining = Joining::default();
        for (contact, text) in writes {
            let id = contact.0;
            match text.filter(|text| !text.is_empty()) {
                Some(text) if self.codes.get(id).is_none() => {
                    if let Some(code) = self.domains.as_mut().and_then(|domains| domains.intern(text)) {
                        joining.domains.push(u64::from(code) << 32 | u64::from(id));
                    }
                    let (code, _) = self.lexicon.intern(text);
                    joining.rows.push(u64::from(code) << 32 | u64::from(id));
                    joining.present.push(id);
                    self.codes.set(id, Some(code));
                }
                text => {
                    self.join(&mut joining);
                    self.set(contact, text);
                }
            }
        }
        self.join(&mut joining);
    }

    fn join(&mut self, joining: &mut Joining) {
        self.rows.insert_all(&mut joining.rows);
        if let Some(domains) = &mut self.domains {
            domains.insert_all(&mut joining.domains);
        }
        joining.present.sort_unstable();
        self.present.insert_all(&joining.present);
        joining.present.clear();
    }

    /// The contacts that have a text.
    pub fn present(&self) -> &Posting {
        &self.present
    }

    /// The contacts whose text is equal under the case rule. Cheap when one spelling has many rows.
    pub fn equal(&self, text: &str) -> Posting {
        match self.codes_equal(text).as_slice() {
            [] => Posting::new(),
            [code] => self.rows.get(*code).to_posting(),
            codes => self.rows(&codes.iter().copied().collect()),
        }
    }

    /// How many contacts [`TextIndex::equal`] would give, without making them.
    pub fn equal_len(&self, text: &str) -> u64 {
        self.codes_equal(text).into_iter().map(|code| self.rows.get(code).len()).sum()
    }

    /// The contacts whose text is equal to any of these.
    pub fn any_of(&self, texts: &[&str]) -> Posting {
        let mut codes: Vec<u32> = texts.iter().flat_map(|text| self.codes_equal(text)).collect();
        codes.sort_unstable();
        codes.dedup();
        self.rows(&codes.into_iter().collect())
    }

    /// The codes whose texts may be equal to another one, by group; see [`Lexicon::crowded`].
    pub fn crowded(&self) -> Vec<u64> {
        self.lexicon.crowded()
    }

    /// The codes of every spelling that is equal under the case rule, ascending.
    pub fn codes_equal(&self, text: &str) -> Vec<u32> {
        self.lexicon.find_equal(text)
    }

    /// Makes a test of the texts ready, to be asked chunk by chunk.
    pub fn search<'a>(&'a self, test: &'a TextMatch) -> Search<'a> {
        self.lexicon.search(test)
    }

    /// One above the highest code given.
    pub fn code_end(&self) -> u32 {
        self.lexicon.code_end()
    }

    /// How many distinct texts there are.
    pub fn distinct(&self) -> usize {
        self.lexicon.len()
    }

    /// The contacts of one code.
    pub fn rows_of(&self, code: u32) -> Rows<'_> {
        self.rows.get(code)
    }

    /// The contacts whose text has one of the codes, by whichever way is shorter. Prefer it to asking chunk by chunk.
    pub fn rows(&self, codes: &Posting) -> Posting {
        self.few_rows(codes).unwrap_or_else(|| {
            let wanted = CodeBits::of(codes);
            Posting::from_chunks((0..self.chunk_count()).map(|chunk| (chunk, self.rows_in(&wanted, chunk))))
        })
    }

    /// As [`TextIndex::rows`], or `None` where it is shorter to ask [`TextIndex::rows_in`] of every chunk, which several
    /// threads may do.
    pub fn few_rows(&self, codes: &Posting) -> Option<Posting> {
        let few_max = self.present.len() / 16 + 1_024;
        if codes.len() > few_max {
            return None;
        }
        let (mut many, mut few) = (Vec::new(), 0);
        for code in codes.iter() {
            match self.rows.get(code) {
                Rows::Many(posting) => many.push(posting),
                rows @ (Rows::None | Rows::One(_) | Rows::Few(_) | Rows::Mapped(_)) => few += rows.len(),
            }
            if many.len() as u64 > CODES_ASKED_MAX || few > few_max {
                return None;
            }
        }
        let mut ids = Vec::with_capacity(few as usize);
        for rows in codes.iter().map(|code| self.rows.get(code)) {
            if !matches!(rows, Rows::Many(_)) {
                rows.for_each(|id| ids.push(id));
            }
        }
        ids.sort_unstable();
        let few: Posting = ids.into_iter().collect();
        Some(many.into_iter().fold(few, |all, posting| all.or(posting)))
    }

    /// How many chunks of contacts may have a text.
    pub fn chunk_count(&self) -> usize {
        self.codes.chunk_count()
    }

    /// The contacts of a chunk whose text has one of the codes, by looking at every contact's code.
    pub fn rows_in(&self, wanted: &CodeBits, chunk: usize) -> Chunk {
        let mut words = Words::zero();
        self.codes.each_of_chunk(chunk, |row, code| {
            words.0[usize::from(row) / 64] |= u64::from(wanted.has(code)) << (row % 64);
        });
        Chunk::from_words(&words)
    }

    /// How many contacts [`TextIndex::rows`] would give.
    pub fn rows_len(&self, codes: &Posting) -> u64 {
        codes.iter().map(|code| self.rows.get(code).len()).sum()
    }

    /// The contacts whose email has this folded domain; `None` for no one or when this is no email index.
    pub fn domain(&self, folded: &str) -> Option<Posting> {
        let rows = self.domains.as_ref()?.rows(folded);
        (!rows.is_empty()).then(|| rows.to_posting())
    }

    /// How many contacts [`TextIndex::domain`] would give.
    pub fn domain_len(&self, folded: &str) -> u64 {
        self.domains.as_ref().map_or(0, |domains| domains.rows(folded).len())
    }

    /// The contacts by domain, of emails.
    pub fn domains(&self) -> Option<&Domains> {
        self.domains.as_ref()
    }

    /// Every distinct text with its contacts, in order of code. For breakdowns.
    pub fn breakdown(&self) -> impl Iterator<Item = (&str, Posting)> {
        self.lexicon.iter().map(|(code, text)| (text, self.rows.get(code).to_posting()))
    }

    /// Every distinct text with the number of its contacts, in order of code.
    pub fn breakdown_len(&self) -> impl Iterator<Item = (&str, u64)> {
        self.lexicon.iter().map(|(code, text)| (text, self.rows.get(code).len()))
    }

    /// Bytes of heap by part, about.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        let mut parts = self.lexicon.memory();
        parts.extend([
            ("codes", self.codes.memory_bytes()),
            ("rows", self.rows.memory_bytes()),
            ("present", self.present.memory_bytes() as u64),
            ("domains", self.domains.as_ref().map_or(0, Domains::memory_bytes)),
        ]);
        parts
    }

    /// Checks that postings are disjoint, that their union is the set of contacts with a text and that every
    /// dictionary entry is used.
    pub fn check(&self) -> Result<(), String> {
        self.lexicon.check()?;
        let mut coded = 0;
        for chunk in 0..self.codes.chunk_count() {
            let mut broken = None;
            self.codes.each_of_chunk(chunk, |row, code| {
                let id = (chunk * CHUNK) as u32 + u32::from(row);
                coded += 1;
                if !self.present.contains(id) || !self.rows.get(code).contains(id) {
                    broken = Some(format!("contact {id} has code {code}, but is not in its rows and in presence"));
                }
            });
            broken.map_or(Ok(()), Err)?;
        }
        let rows: u64 = (0..self.code_end()).map(|code| self.rows.get(code).len()).sum();
        if coded != self.present.len() || rows != coded {
            return Err(format!("{} contacts are present, {coded} have codes, {rows} are in rows", self.present.len()));
        }
        if let Some((code, _)) = self.lexicon.iter().find(|(code, _)| self.rows.get(*code).is_empty()) {
            return Err(format!("no contact has the text of code {code}"));
        }
        let texts = || self.present.iter().filter_map(|id| Some((id, self.value(ContactId(id))?)));
        self.domains.as_ref().map_or(Ok(()), |domains| domains.check(texts()))
    }

    /// Writes the index as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        self.lexicon.encode(name, sink)?;
        self.codes.encode(&format!("{name}/codes"), sink)?;
        self.rows.encode(&format!("{name}/rows"), self.code_end(), sink)?;
        sink.begin(&format!("{name}/present"))?;
        self.present.encode(sink)?;
        self.domains.as_ref().map_or(Ok(()), |domains| domains.encode(&format!("{name}/domains"), sink))
    }

    /// Reads what [`TextIndex::encode`] wrote of an index with or without domains.
    pub fn decode(email: bool, name: &str, source: &dyn SectionSource) -> Result<TextIndex, Damage> {
        let present = format!("{name}/present");
        Ok(TextIndex {
            lexicon: Lexicon::decode(name, source)?,
            codes: Codes::decode(&format!("{name}/codes"), source)?,
            rows: CodeRows::decode(&format!("{name}/rows"), source)?,
            present: Posting::decode(&mut Cursor::of(&present, source.section(&present)?))?,
            domains: email.then(|| Domains::decode(&format!("{name}/domains"), source)).transpose()?,
        })
    }
}
