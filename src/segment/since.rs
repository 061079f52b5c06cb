//! Since when the members of a segment are in it.

use crate::{
    bitmap::posting::Posting,
    codec::{
        cursor::{Cursor, Writer},
        damage::Damage,
    },
    index::trie::Trie,
    model::{id::ContactId, time::Timestamp},
};

/// Large entries that are kept as sets; beyond, the smallest is written out contact by contact.
const FILLS_MAX: usize = 16;

/// The instants at which members entered: of those who came alone by contact, of those who came together by set. Each
/// member is in one of them, and no one else is.
#[derive(Clone, Debug, Default)]
pub struct Since {
    /// By contact id / 256: place and instant, ascending by place.
    alone: Trie<Vec<(u8, Timestamp)>>,
    /// Large entries, oldest first; disjoint.
    fills: Vec<(Timestamp, Posting)>,
}

impl Since {
    /// A contact entered alone.
    pub fn enter(&mut self, contact: ContactId, at: Timestamp) {
        let place = contact.0 as u8;
        let block = self.alone.get_mut(contact.0 >> 8, Vec::new);
        match block.binary_search_by_key(&place, |(place, _)| *place) {
            Ok(found) => block[found].1 = at,
            Err(found) => block.insert(found, (place, at)),
        }
    }

    /// A contact left.
    pub fn leave(&mut self, contact: ContactId) {
        if self.alone_at(contact).is_none() {
            for (_, entered) in self.fills.iter_mut().filter(|(_, entered)| entered.contains(contact.0)) {
                entered.remove(contact.0);
            }
            self.fills.retain(|(_, entered)| !entered.is_empty());
            return;
        }
        let block = self.alone.get_mut(contact.0 >> 8, Vec::new);
        block.retain(|(place, _)| *place != contact.0 as u8);
        if block.is_empty() {
            self.alone.set(contact.0 >> 8, None);
        }
    }

    /// Many left together.
    pub fn leave_all(&mut self, left: &Posting) {
        if left.is_empty() {
            return;
        }
        let mut lone = Vec::new();
        self.alone.each(&mut |block, places| {
            let ids = places.iter().map(|(place, _)| block << 8 | u32::from(*place));
            lone.extend(ids.filter(|id| left.contains(*id)));
        });
        lone.into_iter().for_each(|id| self.leave(ContactId(id)));
        for (_, entered) in &mut self.fills {
            *entered = entered.and_not(left);
        }
        self.fills.retain(|(_, entered)| !entered.is_empty());
    }

    /// Many entered together.
    pub fn fill(&mut self, entered: Posting, at: Timestamp) {
        if entered.is_empty() {
            return;
        }
        self.fills.push((at, entered));
        if self.fills.len() > FILLS_MAX {
            let smallest = (0..self.fills.len()).min_by_key(|place| self.fills[*place].1.len()).unwrap_or(0);
            let (at, contacts) = self.fills.remove(smallest);
            contacts.iter().for_each(|id| self.enter(ContactId(id), at));
        }
    }

    fn alone_at(&self, contact: ContactId) -> Option<Timestamp> {
        let block = self.alone.get(contact.0 >> 8)?;
        let found = block.binary_search_by_key(&(contact.0 as u8), |(place, _)| *place).ok()?;
        Some(block[found].1)
    }

    /// When a member entered.
    pub fn of(&self, contact: ContactId) -> Option<Timestamp> {
        let together = || self.fills.iter().rev().find(|(_, entered)| entered.contains(contact.0)).map(|(at, _)| *at);
        self.alone_at(contact).or_else(together)
    }

    /// Bytes on the heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let mut bytes = self.alone.memory_bytes();
        self.alone.each(&mut |_, block| bytes += (block.capacity() * size_of::<(u8, Timestamp)>()) as u64);
        bytes + self.fills.iter().map(|(_, entered)| entered.memory_bytes() as u64).sum::<u64>()
    }

    /// Writes who entered alone.
    pub fn encode(&self, out: &mut Writer) {
        let mut alone = Vec::new();
        self.alone.each(&mut |block, places| {
            alone.extend(places.iter().map(|(place, at)| (block << 8 | u32::from(*place), *at)));
        });
        out.varint(alone.len() as u64);
        for (id, at) in alone {
            out.u32(id);
            out.i64(at.0);
        }
    }

    /// The large entries, oldest first.
    pub fn fills(&self) -> &[(Timestamp, Posting)] {
        &self.fills
    }

    /// Everyone whose entry is known: the members.
    pub fn everyone(&self) -> Posting {
        let mut ids = Vec::new();
        self.alone
            .each(&mut |block, places| ids.extend(places.iter().map(|(place, _)| block << 8 | u32::from(*place))));
        self.fills.iter().fold(ids.into_iter().collect(), |all: Posting, (_, entered)| all.or(entered))
    }

    /// Reads what [`Since::encode`] wrote; the large entries are given.
    pub fn decode(from: &mut Cursor, fills: Vec<(Timestamp, Posting)>) -> Result<Since, Damage> {
        let mut since = Since { fills, ..Since::default() };
        for _ in 0..from.count(from.remaining() / 12)? {
            let (id, at) = (from.u32()?, from.i64()?);
            since.enter(ContactId(id), Timestamp(at));
        }
        Ok(since)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn it_tells_the_last_entry_of_every_member() {
        let mut random = rand_pcg::Pcg64::seed_from_u64(3);
        let (mut since, mut model) = (Since::default(), BTreeMap::new());
        for step in 0..4_000 {
            let (id, at) = (random.random_range(0..2_000u32), Timestamp(step));
            match random.random_range(0..100) {
                0..2 => {
                    let absent = |id: &u32| !model.contains_key(id);
                    let entered: Posting = (id..id + 300).filter(absent).collect();
                    model.extend(entered.iter().map(|id| (id, at)));
                    since.fill(entered, at);
                }
                2..3 => {
                    let left: Posting = (id..id + 200).filter(|id| model.remove(id).is_some()).collect();
                    since.leave_all(&left);
                }
                3..50 if !model.contains_key(&id) => {
                    model.insert(id, at);
                    since.enter(ContactId(id), at);
                }
                _ => {
                    if model.remove(&id).is_some() {
                        since.leave(ContactId(id));
                    }
                }
            }
        }
        let members: Posting = model.keys().copied().collect();
        assert_eq!(since.everyone(), members);
        let mut out = Writer::new();
        since.encode(&mut out);
        let back = Since::decode(&mut Cursor::new(out.into_vec().into()), since.fills().to_vec()).unwrap();
        for (id, at) in model {
            assert_eq!(since.of(ContactId(id)), Some(at), "{id}");
            assert_eq!(back.of(ContactId(id)), Some(at), "{id}");
        }
    }
}
