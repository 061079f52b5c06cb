//! How many distinct values a contact's events have, texts compared by the case rule.

use std::collections::HashMap;

use crate::{
    index::{dictionary::Dictionary, event_group::EventGroup, matching::key_of},
    query::sieve::Effort,
};

/// Which texts count as one.
#[derive(Clone, Debug)]
pub(in crate::query) enum Spellings<'a> {
    /// Each position is a value of its own: numbers, instants and the like.
    Own,
    /// By the code of a text the lowest code of its equals.
    Known(Vec<u32>),
    /// To be compared as they come, with case or without.
    Asked(&'a Dictionary, bool),
}

impl<'a> Spellings<'a> {
    /// Those of a property's dictionary, if it has one.
    pub(in crate::query) fn new(
        dictionary: Option<&'a Dictionary>,
        case_sensitive: bool,
        effort: Effort,
    ) -> Spellings<'a> {
        match (dictionary, effort) {
            (None, _) => Spellings::Own,
            (Some(dictionary), Effort::Few) => Spellings::Asked(dictionary, case_sensitive),
            (Some(dictionary), Effort::Many) => {
                let mut first: HashMap<String, u32> = HashMap::new();
                let codes = 0..dictionary.code_end();
                let key = |code| key_of(dictionary.get(code), case_sensitive);
                Spellings::Known(codes.map(|code| *first.entry(key(code)).or_insert(code)).collect())
            }
        }
    }
}

/// How many distinct values a property has over some events of a group.
pub(in crate::query) fn distinct(
    group: &EventGroup<'_>,
    property: usize,
    events: impl Iterator<Item = usize>,
    spellings: &Spellings<'_>,
) -> u64 {
    let mut positions: Vec<i128> = Vec::new();
    for i in events {
        match group.ordered(property, i) {
            Some(position) => positions.push(position),
            None => positions.extend(group.set_codes(property, i).into_iter().flatten().map(i128::from)),
        }
    }
    if let Spellings::Known(firsts) = spellings {
        positions.iter_mut().for_each(|code| *code = firsts[*code as usize].into());
    }
    positions.sort_unstable();
    positions.dedup();
    match spellings {
        Spellings::Asked(dictionary, case_sensitive) if positions.len() > 1 => {
            let text = |position: &i128| key_of(dictionary.get(*position as u32), *case_sensitive);
            let mut texts: Vec<String> = positions.iter().map(text).collect();
            texts.sort_unstable();
            texts.dedup();
            texts.len() as u64
        }
        _ => positions.len() as u64,
    }
}
