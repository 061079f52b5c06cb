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
    if let Spellings::Known(firsts) = spellings
        && firsts.len() <= u128::BITS as usize
    {
        let mut seen = 0u128;
        for i in events {
            match group.ordered(property, i) {
                Some(position) => seen |= 1 << firsts[position as usize],
                None => {
                    let codes = group.set_codes(property, i).into_iter().flatten();
                    codes.for_each(|code| seen |= 1 << firsts[code as usize]);
                }
            }
        }
        return seen.count_ones().into();
    }
    let mut seen = Seen::default();
    let one = |position: i128| match spellings {
        Spellings::Known(firsts) => firsts[position as usize].into(),
        Spellings::Own | Spellings::Asked(..) => position,
    };
    for i in events {
        match group.ordered(property, i) {
            Some(position) => seen.add(one(position)),
            None => group.set_codes(property, i).into_iter().flatten().for_each(|code| seen.add(one(code.into()))),
        }
    }
    let positions = seen.positions();
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

/// Distinct positions: most contacts have few, which take no room of their own.
#[derive(Default)]
struct Seen {
    few: [i128; 8],
    len: usize,
    /// All of them, some more than once, as soon as there are more than a few.
    many: Vec<i128>,
}

impl Seen {
    fn add(&mut self, position: i128) {
        if !self.many.is_empty() {
            self.many.push(position);
        } else if !self.few[..self.len].contains(&position) {
            match self.few.get_mut(self.len) {
                Some(room) => {
                    *room = position;
                    self.len += 1;
                }
                None => self.many.extend(self.few.iter().chain([&position])),
            }
        }
    }

    fn positions(&mut self) -> &[i128] {
        if self.many.is_empty() {
            return &self.few[..self.len];
        }
        self.many.sort_unstable();
        self.many.dedup();
        &self.many
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_position_counts_once_however_many_there_are() {
        for most in [1, 2, 7, 8, 9, 40] {
            let mut seen = Seen::default();
            (0..3 * most).for_each(|n: i128| seen.add(n * 11 % most));
            let mut found = seen.positions().to_vec();
            found.sort_unstable();
            assert_eq!(found, (0..most).collect::<Vec<i128>>());
        }
    }
}
