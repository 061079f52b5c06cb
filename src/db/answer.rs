//! An answer: a set of contacts at one view, told as keys, counts and records.

use std::{
    collections::{BTreeSet, HashSet},
    ops::ControlFlow,
};

use crate::{
    bitmap::{portable, posting::Posting},
    db::{
        record::{ContactRecord, Page, Place},
        view::View,
    },
    model::{id::ContactId, name::Name},
};

/// A set of contacts at one view. Cheap to clone and to keep.
#[derive(Clone)]
pub struct Answer {
    view: View,
    members: Posting,
}

impl Answer {
    pub(super) fn new(view: View, members: Posting) -> Answer {
        Answer { view, members }
    }

    /// The view that it was asked of.
    pub fn view(&self) -> &View {
        &self.view
    }

    pub(super) fn posting(&self) -> &Posting {
        &self.members
    }

    pub(super) fn into_members(self) -> Posting {
        self.members
    }

    /// How many contacts.
    pub fn count(&self) -> u64 {
        self.members.len()
    }

    /// Whether a contact is among them.
    pub fn contains(&self, key: &str) -> bool {
        self.view.id(key).is_some_and(|contact| self.members.contains(contact.0))
    }

    fn key(&self, id: u32) -> &str {
        self.view.state().index.directory().key(ContactId(id))
    }

    pub(super) fn page<T>(&self, after: Option<Place>, limit: usize, told: impl FnMut(u32) -> T) -> Page<T> {
        // Ids end well below the last u32, so the place after one is always an id.
        let from = after.map_or(0, |place| place.0.saturating_add(1));
        let mut ids = self.members.iter_from(from);
        let mut last = None;
        let items = ids.by_ref().take(limit).inspect(|id| last = Some(Place(*id))).map(told).collect();
        Page { items, next: last.filter(|_| ids.next().is_some()) }
    }

    /// Keys in order of first sight.
    pub fn keys(&self, after: Option<Place>, limit: usize) -> Page<Box<str>> {
        self.page(after, limit, |id| self.key(id).into())
    }

    /// Hands up to `limit` keys after a place to `each`, in order of first sight; gives the next place.
    pub fn each_key(&self, after: Option<Place>, limit: usize, mut each: impl FnMut(&str)) -> Option<Place> {
        self.page(after, limit, |id| each(self.key(id))).next
    }

    /// Contacts in order of first sight, with the values of the `fields` (canonical names or aliases), or all.
    pub fn contacts(&self, after: Option<Place>, limit: usize, fields: Option<&[Name]>) -> Page<ContactRecord> {
        let fields = self.view.fields(fields);
        self.page(after, limit, |id| self.view.record(ContactId(id), &fields))
    }

    /// Up to `n` keys drawn evenly without repeats, in order of first sight; one seed always draws the same.
    pub fn sample(&self, n: usize, seed: u64) -> Vec<Box<str>> {
        let ranks = draw(n as u64, self.count(), seed);
        ranks.into_iter().filter_map(|rank| self.members.select(rank)).map(|id| self.key(id).into()).collect()
    }

    /// Hands every key to `each`, in order of first sight, until it says to stop.
    pub fn for_each_key(&self, mut each: impl FnMut(&str) -> ControlFlow<()>) {
        for id in self.members.iter() {
            if each(self.key(id)).is_break() {
                return;
            }
        }
    }

    /// The ids of the contacts in Roaring's portable format. They mean something in this database alone, and there for
    /// as long as it lasts: an id is never given again.
    pub fn to_roaring(&self) -> Vec<u8> {
        portable::to_roaring(&self.members)
    }

    /// The same as a plain list, ascending.
    pub fn to_ids(&self) -> Vec<u32> {
        self.members.to_ids()
    }

    /// The first key, in order of first sight, that is not among some.
    pub fn first_key_not_in(&self, keys: &HashSet<&str>) -> Option<Box<str>> {
        self.members.iter().map(|id| self.key(id)).find(|key| !keys.contains(key)).map(Into::into)
    }

    /// The two answers' common contacts. Both must be of one view.
    ///
    /// Panics: when they are of different states, for an id means nothing across them.
    pub fn and(&self, other: &Answer) -> Answer {
        assert_eq!(self.view.lsn(), other.view.lsn(), "answers are combined within one view");
        Answer::new(self.view.clone(), self.members.and(&other.members))
    }

    /// The contacts of this answer that the other does not have. Both must be of one view.
    ///
    /// Panics: as [`Answer::and`].
    pub fn and_not(&self, other: &Answer) -> Answer {
        assert_eq!(self.view.lsn(), other.view.lsn(), "answers are combined within one view");
        Answer::new(self.view.clone(), self.members.and_not(&other.members))
    }
}

/// `n` distinct numbers below `of`, evenly drawn. Source: Floyd's algorithm (Bentley, CACM 30(9), 1987).
fn draw(n: u64, of: u64, seed: u64) -> BTreeSet<u64> {
    if n >= of {
        return (0..of).collect();
    }
    let mut random = seed;
    let mut drawn = BTreeSet::new();
    for top in of - n..of {
        let candidate = below(next(&mut random), top + 1);
        if !drawn.insert(candidate) {
            drawn.insert(top);
        }
    }
    drawn
}

/// The next of a row of random numbers. Source: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A random number scaled to below `end`.
fn below(random: u64, end: u64) -> u64 {
    ((u128::from(random) * u128::from(end)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_distinct_even_and_repeatable() {
        assert_eq!(draw(5, 3, 1).len(), 3);
        assert_eq!(draw(0, 3, 1).len(), 0);
        assert_eq!(draw(10, 1_000, 7), draw(10, 1_000, 7));
        assert_ne!(draw(10, 1_000, 7), draw(10, 1_000, 8));
        let mut hits = [0u32; 10];
        for seed in 0..10_000 {
            let drawn = draw(3, 10, seed);
            assert_eq!(drawn.len(), 3);
            drawn.into_iter().for_each(|rank| hits[rank as usize] += 1);
        }
        assert!(hits.iter().all(|hits| (2_700..3_300).contains(hits)), "{hits:?}");
    }
}
