//! Emails by domain: the contacts of every folded domain.

use std::borrow::Cow;

use crate::{
    codec::{
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{
        lexicon::Lexicon,
        rows::{CodeRows, Rows},
    },
    model::fold::fold,
};

/// Contacts by folded domain.
#[derive(Clone, Debug)]
pub struct Domains {
    lexicon: Lexicon,
    rows: CodeRows,
}

impl Default for Domains {
    fn default() -> Domains {
        // Domains are kept folded, so that comparing them with case is comparing them without.
        Domains { lexicon: Lexicon::new(true), rows: CodeRows::default() }
    }
}

/// The folded domain of an email: what follows the last `@`, if anything does.
pub fn domain_of(email: &str) -> Option<Cow<'_, str>> {
    let (_, domain) = email.rsplit_once('@')?;
    (!domain.is_empty()).then(|| fold(domain))
}

impl Domains {
    /// The contacts of a folded domain.
    pub fn rows(&self, folded: &str) -> Rows<'_> {
        self.lexicon.find_exact(folded).map_or(Rows::None, |code| self.rows.get(code))
    }

    /// Follows a contact's email from one to another.
    pub fn change(&mut self, id: u32, old: Option<&str>, new: Option<&str>) {
        let (old, new) = (old.and_then(domain_of), new.and_then(domain_of));
        if old == new {
            return;
        }
        if let Some(code) = old.and_then(|old| self.lexicon.find_exact(&old)) {
            self.rows.remove(code, id);
            if self.rows.get(code).is_empty() {
                self.lexicon.remove(code);
            }
        }
        if let Some(new) = new {
            let (code, _) = self.lexicon.intern(&new);
            self.rows.insert(code, id);
        }
    }

    /// The code of the domain of an email, new if it is, for a contact that is to be added to it.
    pub fn intern(&mut self, email: &str) -> Option<u32> {
        let domain = domain_of(email)?;
        Some(self.lexicon.intern(&domain).0)
    }

    /// Adds contacts, each as `code << 32 | contact`, to domains that were interned for them.
    pub fn insert_all(&mut self, pairs: &mut Vec<u64>) {
        self.rows.insert_all(pairs);
    }

    /// The code of a folded domain.
    pub fn code(&self, folded: &str) -> Option<u32> {
        self.lexicon.find_exact(folded)
    }

    /// One more than the highest code of a domain.
    pub fn code_end(&self) -> u32 {
        self.lexicon.code_end()
    }

    /// The domain of a code, folded.
    pub fn text(&self, code: u32) -> &str {
        self.lexicon.get(code)
    }

    /// The contacts of a code.
    pub fn rows_of(&self, code: u32) -> Rows<'_> {
        self.rows.get(code)
    }

    /// Every domain with the number of its contacts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.lexicon.iter().map(|(code, domain)| (domain, self.rows.get(code).len()))
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        self.rows.memory_bytes() + self.lexicon.memory().iter().map(|(_, bytes)| bytes).sum::<u64>()
    }

    /// Checks against the emails of all contacts that have one.
    pub fn check<'a>(&self, emails: impl Iterator<Item = (u32, &'a str)>) -> Result<(), String> {
        self.lexicon.check()?;
        let mut known = 0;
        for (id, email) in emails {
            if let Some(domain) = domain_of(email) {
                known += 1;
                if !self.rows(&domain).contains(id) {
                    return Err(format!("contact {id} is not among those of its email's domain"));
                }
            }
        }
        if self.iter().any(|(_, rows)| rows == 0) {
            return Err("a domain has no contact".into());
        }
        let rows: u64 = self.iter().map(|(_, rows)| rows).sum();
        if rows == known { Ok(()) } else { Err(format!("{known} emails have a domain, but {rows} are in rows")) }
    }

    /// Writes the domains as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        self.lexicon.encode(name, sink)?;
        self.rows.encode(&format!("{name}/rows"), self.lexicon.code_end(), sink)
    }

    /// Reads what [`Domains::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<Domains, Damage> {
        let rows = CodeRows::decode(&format!("{name}/rows"), source)?;
        Ok(Domains { lexicon: Lexicon::decode(name, source)?, rows })
    }
}
