//! The distinct values of a property and how many contacts have each: what completion and charts offer.

use crate::{
    index::{Index, lexicon_search::Search, matching::TextMatch, property::PropertyIndex, rows::Rows},
    model::{
        fold::fold,
        id::{EventKindId, PropertyId},
    },
};

/// Chunks of codes that a needle without a trigram is sought in: it would be sought in all of them, one by one.
const CHUNKS_READ_MAX: usize = 4;
/// Characters that make a trigram.
const TRIGRAM: usize = 3;
/// Texts that are looked at for one answer; of a property with more, such as a name, a needle finds the rest.
const TEXTS_ASKED_MAX: usize = 50_000;

impl Index {
    /// The values of a text, category, set or boolean property that have `needle` in them, those of the most contacts
    /// first; `None` for numbers and instants, which are not told one by one. Of very many distinct values only the
    /// first that were seen are looked at.
    pub fn distinct(&self, property: PropertyId, needle: &str, limit: usize) -> Option<Vec<(String, u64)>> {
        let mut found = match self.property(property)? {
            PropertyIndex::Text(_, index) if needle.is_empty() => first(index.breakdown_len()),
            PropertyIndex::Set(index) if needle.is_empty() => first(index.breakdown_len()),
            PropertyIndex::Text(_, index) => {
                let test = TextMatch::contains(needle, index.case_sensitive());
                let codes = likely(&index.search(&test), needle);
                codes.iter().map(|code| counted(index.text(*code), index.rows_of(*code))).collect()
            }
            PropertyIndex::Set(index) => {
                let test = TextMatch::contains(needle, index.case_sensitive());
                let codes = likely(&index.search(&test), needle);
                codes.iter().map(|code| counted(index.text(*code), index.rows_of(*code))).collect()
            }
            PropertyIndex::Flag(flags) => {
                vec![("true".to_owned(), flags.yes().len()), ("false".to_owned(), flags.no().len())]
            }
            PropertyIndex::Ordered(..) => return None,
        };
        most(&mut found, limit);
        Some(found)
    }

    /// The domains of a property of emails that have `needle` in them, as [`Index::distinct`] tells values.
    pub fn distinct_domains(&self, property: PropertyId, needle: &str, limit: usize) -> Option<Vec<(String, u64)>> {
        let PropertyIndex::Text(_, index) = self.property(property)? else { return None };
        let needle = fold(needle.trim_start_matches('@'));
        let seen = index.domains()?.iter().filter(|(domain, _)| domain.contains(&*needle));
        let mut found: Vec<(String, u64)> = seen.map(|(domain, count)| (domain.to_owned(), count)).collect();
        most(&mut found, limit);
        Some(found)
    }

    /// The texts that events of a kind have in a property (by position) and that have `needle` in them, with the
    /// number of events that have each, the most first; `None` for what is no text.
    pub fn distinct_of_events(
        &self,
        kind: EventKindId,
        property: usize,
        needle: &str,
        limit: usize,
    ) -> Option<Vec<(String, u64)>> {
        let dictionary = self.event(kind)?.dictionary(property)?;
        let codes: Vec<u32> = if needle.is_empty() {
            dictionary.iter().map(|(code, _)| code).take(TEXTS_ASKED_MAX).collect()
        } else {
            let test = TextMatch::contains(needle, dictionary.case_sensitive());
            dictionary.codes_matching(&test).iter().take(TEXTS_ASKED_MAX).collect()
        };
        let told = |code| (dictionary.get(code).to_owned(), u64::from(dictionary.count(code)));
        let mut found: Vec<(String, u64)> = codes.into_iter().map(told).collect();
        most(&mut found, limit);
        Some(found)
    }
}

/// The codes of the texts that are looked at of those that have a needle.
fn likely(search: &Search<'_>, needle: &str) -> Vec<u32> {
    match is_short(needle) {
        true => search.first(CHUNKS_READ_MAX).to_ids(),
        false => search.first(usize::MAX).iter().take(TEXTS_ASKED_MAX).collect(),
    }
}

fn first<'a>(texts: impl Iterator<Item = (&'a str, u64)>) -> Vec<(String, u64)> {
    texts.take(TEXTS_ASKED_MAX).map(|(text, count)| (text.to_owned(), count)).collect()
}

fn is_short(needle: &str) -> bool {
    needle.chars().count() < TRIGRAM
}

fn counted(text: &str, rows: Rows<'_>) -> (String, u64) {
    (text.to_owned(), rows.len())
}

/// The `limit` with the highest counts, in that order, then by text; what nobody has is left out.
fn most(found: &mut Vec<(String, u64)>, limit: usize) {
    found.retain(|(_, count)| *count > 0);
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    found.truncate(limit);
}
