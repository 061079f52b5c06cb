//! The index of a multi-valued property: the values of each contact in the order written, and who has which.

use std::collections::HashSet;

use crate::{
    bitmap::posting::Posting,
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{
        lexicon::Lexicon,
        lexicon_search::Search,
        lists::Lists,
        matching::{TextMatch, key, key_of},
        rows::{CodeRows, Rows},
    },
    model::id::ContactId,
};

/// So many texts are compared each with each; more are sorted out by a set of their keys.
const COMPARED_MAX: usize = 16;

/// Several texts per contact, no two equal under the case rule.
#[derive(Clone, Debug, Default)]
pub struct SetIndex {
    lists: Lists,
    rows: CodeRows,
    lexicon: Lexicon,
    present: Posting,
}

impl SetIndex {
    /// An empty index.
    pub fn new(case_sensitive: bool) -> SetIndex {
        SetIndex { lexicon: Lexicon::new(case_sensitive), ..SetIndex::default() }
    }

    /// Whether texts are compared with case.
    pub fn case_sensitive(&self) -> bool {
        self.lexicon.case_sensitive()
    }

    /// Changes whether texts are compared with case; values that become equal become one, the first.
    pub fn set_case_sensitive(&mut self, case_sensitive: bool) {
        if self.case_sensitive() == case_sensitive {
            return;
        }
        self.lexicon.set_case_sensitive(case_sensitive);
        for id in self.present.clone().iter() {
            let texts: Vec<String> = self.value(ContactId(id)).into_iter().map(str::to_owned).collect();
            self.set(ContactId(id), &texts);
        }
    }

    /// The texts of a contact in the order written; empty when there are none.
    pub fn value(&self, contact: ContactId) -> Vec<&str> {
        self.lists.get(contact.0).map(|code| self.lexicon.get(code)).collect()
    }

    /// The codes of a contact's texts in the order written.
    pub fn codes(&self, contact: ContactId) -> Vec<u32> {
        self.lists.get(contact.0).collect()
    }

    /// The text of a code.
    pub fn text(&self, code: u32) -> &str {
        self.lexicon.get(code)
    }

    /// Replaces the texts of a contact; says whether anything changed. Empty texts and repeated ones fall away.
    pub fn set<T: AsRef<str>>(&mut self, contact: ContactId, texts: &[T]) -> bool {
        let id = contact.0;
        let kept = distinct(texts, self.case_sensitive());
        let old: Vec<u32> = self.lists.get(id).collect();
        let same = |(code, text): (&u32, &&str)| self.lexicon.bytes(*code) == text.as_bytes();
        if old.len() == kept.len() && old.iter().zip(&kept).all(same) {
            return false;
        }
        let new: Vec<u32> = kept.iter().map(|text| self.lexicon.intern(text).0).collect();
        for code in new.iter().filter(|code| !old.contains(code)) {
            self.rows.insert(*code, id);
        }
        for code in old.iter().filter(|code| !new.contains(code)) {
            self.rows.remove(*code, id);
            if self.rows.get(*code).is_empty() {
                self.lexicon.remove(*code);
            }
        }
        self.lists.set(id, &new);
        match (old.is_empty(), new.is_empty()) {
            (true, false) => self.present.insert(id),
            (false, true) => self.present.remove(id),
            (true, true) | (false, false) => true,
        }
    }

    /// As [`SetIndex::set`] for many contacts, in order.
    pub fn set_all<'a, T: AsRef<str> + 'a>(&mut self, writes: impl Iterator<Item = (ContactId, &'a [T])>) {
        let (mut rows, mut present, mut codes) = (Vec::new(), Vec::new(), Vec::new());
        for (contact, texts) in writes {
            let id = contact.0;
            if texts.is_empty() || self.lists.get(id).next().is_some() {
                self.join(&mut rows, &mut present);
                self.set(contact, texts);
                continue;
            }
            codes.clear();
            codes.extend(distinct(texts, self.case_sensitive()).iter().map(|text| self.lexicon.intern(text).0));
            if !codes.is_empty() {
                self.lists.set(id, &codes);
                rows.extend(codes.iter().map(|code| u64::from(*code) << 32 | u64::from(id)));
                present.push(id);
            }
        }
        self.join(&mut rows, &mut present);
    }

    /// Adds contacts to the rows of the codes that they have, as `code << 32 | contact`.
    fn join(&mut self, rows: &mut Vec<u64>, present: &mut Vec<u32>) {
        self.rows.insert_all(rows);
        present.sort_unstable();
        self.present.insert_all(present);
        present.clear();
    }

    /// Takes texts away and adds others at the end; says whether anything changed.
    pub fn edit<T: AsRef<str>>(&mut self, contact: ContactId, add: &[T], remove: &[T]) -> bool {
        let case_sensitive = self.case_sensitive();
        let gone: HashSet<String> = remove.iter().map(|text| key_of(text.as_ref(), case_sensitive)).collect();
        let kept = self.value(contact).into_iter().filter(|text| !gone.contains(&*key(text, case_sensitive)));
        let texts: Vec<String> = kept.chain(add.iter().map(AsRef::as_ref)).map(str::to_owned).collect();
        self.set(contact, &texts)
    }

    /// The contacts that have a text.
    pub fn present(&self) -> &Posting {
        &self.present
    }

    /// The contacts that have a text equal under the case rule.
    pub fn equal(&self, text: &str) -> Posting {
        match self.codes_equal(text).as_slice() {
            [code] => self.rows.get(*code).to_posting(),
            codes => self.rows(&codes.iter().copied().collect()),
        }
    }

    /// How many contacts [`SetIndex::equal`] would give.
    pub fn equal_len(&self, text: &str) -> u64 {
        self.codes_equal(text).into_iter().map(|code| self.rows.get(code).len()).sum()
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

    /// The contacts that have a text with one of the codes.
    pub fn rows(&self, codes: &Posting) -> Posting {
        let (mut all, mut ids) = (Posting::new(), Vec::new());
        for rows in codes.iter().map(|code| self.rows.get(code)) {
            match rows {
                Rows::Many(posting) => all = all.or(posting),
                Rows::None | Rows::One(_) | Rows::Few(_) | Rows::Mapped(_) => rows.for_each(|id| ids.push(id)),
            }
        }
        ids.sort_unstable();
        ids.dedup();
        all.or(&ids.into_iter().collect())
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
            ("lists", self.lists.memory_bytes()),
            ("rows", self.rows.memory_bytes()),
            ("present", self.present.memory_bytes() as u64),
        ]);
        parts
    }

    /// Checks the lists of contacts against the postings and that every dictionary entry is used.
    pub fn check(&self) -> Result<(), String> {
        self.lexicon.check()?;
        let mut listed = 0;
        for id in self.present.iter() {
            let codes = self.codes(ContactId(id));
            if codes.is_empty() {
                return Err(format!("contact {id} is present without a text"));
            }
            let texts = self.value(ContactId(id));
            if distinct(&texts, self.case_sensitive()).len() != texts.len() {
                return Err(format!("contact {id} has a text twice or an empty one"));
            }
            if let Some(code) = codes.iter().find(|code| !self.rows.get(**code).contains(id)) {
                return Err(format!("contact {id} has code {code}, but is not in its rows"));
            }
            listed += codes.len() as u64;
        }
        if let Some((code, _)) = self.lexicon.iter().find(|(code, _)| self.rows.get(*code).is_empty()) {
            return Err(format!("no contact has the text of code {code}"));
        }
        let rows: u64 = (0..self.code_end()).map(|code| self.rows.get(code).len()).sum();
        if rows == listed { Ok(()) } else { Err(format!("contacts have {listed} texts, but {rows} are in rows")) }
    }

    /// Writes the index as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        self.lexicon.encode(name, sink)?;
        self.lists.encode(&format!("{name}/lists"), sink)?;
        self.rows.encode(&format!("{name}/rows"), self.code_end(), sink)?;
        sink.begin(&format!("{name}/present"))?;
        self.present.encode(sink)
    }

    /// Reads what [`SetIndex::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<SetIndex, Damage> {
        let present = format!("{name}/present");
        Ok(SetIndex {
            lexicon: Lexicon::decode(name, source)?,
            lists: Lists::decode(&format!("{name}/lists"), source)?,
            rows: CodeRows::decode(&format!("{name}/rows"), source)?,
            present: Posting::decode(&mut Cursor::of(&present, source.section(&present)?))?,
        })
    }
}

/// The texts without empty ones and without those equal to one before.
fn distinct<T: AsRef<str>>(texts: &[T], case_sensitive: bool) -> Vec<&str> {
    let texts = texts.iter().map(AsRef::as_ref).filter(|text| !text.is_empty());
    let mut kept: Vec<&str> = Vec::new();
    let mut keys = HashSet::new();
    for text in texts {
        let new = if keys.is_empty() && kept.len() < COMPARED_MAX {
            kept.iter().all(|other| !equal(other, text, case_sensitive))
        } else {
            if keys.is_empty() {
                keys.extend(kept.iter().map(|text| key_of(text, case_sensitive)));
            }
            keys.insert(key_of(text, case_sensitive))
        };
        if new {
            kept.push(text);
        }
    }
    kept
}

fn equal(a: &str, b: &str, case_sensitive: bool) -> bool {
    match (a.is_ascii() && b.is_ascii(), case_sensitive) {
        (true, true) => a == b,
        (true, false) => a.eq_ignore_ascii_case(b),
        (false, _) => key(a, case_sensitive) == key(b, case_sensitive),
    }
}
