//! Events dated ahead of the clock, in the order in which they come due.
//!
//! Leaves of bounded length behind one root: a clone is one pointer, a write copies the root's pointers and one leaf.

use std::sync::Arc;

use crate::{
    codec::{
        cursor::{Cursor, Writer},
        damage::Damage,
    },
    model::{
        id::{ContactId, EventKindId},
        time::Timestamp,
    },
};

const LEAF_MAX: usize = 512;

/// An event that is to come due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Of what kind.
    pub kind: EventKindId,
    /// Whose.
    pub contact: ContactId,
}

/// A sorted bag of [`Due`].
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// No leaf is empty.
    leaves: Arc<Vec<Arc<Vec<Due>>>>,
    len: usize,
}

impl Pending {
    /// How many events wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When the next one comes due.
    pub fn next(&self) -> Option<Timestamp> {
        self.leaves.first().and_then(|leaf| leaf.first()).map(|due| due.at)
    }

    /// All of them, the next one first.
    pub fn iter(&self) -> impl Iterator<Item = Due> + '_ {
        self.leaves.iter().flat_map(|leaf| leaf.iter().copied())
    }

    /// The leaf in which `due` is or belongs.
    fn leaf_of(&self, due: &Due) -> usize {
        self.leaves.partition_point(|leaf| leaf.last().is_some_and(|last| last < due))
    }

    /// Adds an event.
    pub fn insert(&mut self, due: Due) {
        let leaf = self.leaf_of(&due).min(self.leaves.len().saturating_sub(1));
        let leaves = Arc::make_mut(&mut self.leaves);
        let newest = leaf + 1 == leaves.len();
        self.len += 1;
        let Some(entries) = leaves.get_mut(leaf) else {
            leaves.push(Arc::new(vec![due]));
            return;
        };
        let entries = Arc::make_mut(entries);
        entries.insert(entries.partition_point(|held| *held <= due), due);
        if entries.len() > LEAF_MAX {
            // Times mostly grow: a full last leaf stays full and a new one begins.
            let right = entries.split_off(if newest { LEAF_MAX } else { LEAF_MAX / 2 });
            leaves.insert(leaf + 1, Arc::new(right));
        }
    }

    /// Takes one such event out; says whether there was one.
    pub fn remove(&mut self, due: Due) -> bool {
        let leaf = self.leaf_of(&due);
        let Some(place) = self.leaves.get(leaf).and_then(|entries| entries.binary_search(&due).ok()) else {
            return false;
        };
        let leaves = Arc::make_mut(&mut self.leaves);
        if leaves[leaf].len() == 1 {
            leaves.remove(leaf);
        } else {
            Arc::make_mut(&mut leaves[leaf]).remove(place);
        }
        self.len -= 1;
        true
    }

    /// Takes out everything due at `as_of` or before, in order.
    pub fn take_due(&mut self, as_of: Timestamp) -> Vec<Due> {
        if self.next().is_none_or(|next| next > as_of) {
            return Vec::new();
        }
        let due: Vec<Due> = self.iter().take_while(|due| due.at <= as_of).collect();
        let leaves = Arc::make_mut(&mut self.leaves);
        let whole = leaves.partition_point(|leaf| leaf.last().is_some_and(|last| last.at <= as_of));
        leaves.drain(..whole);
        if let Some(leaf) = leaves.first_mut() {
            let count = leaf.partition_point(|held| held.at <= as_of);
            Arc::make_mut(leaf).drain(..count);
        }
        self.len -= due.len();
        due
    }

    /// Keeps only what `keep` says.
    pub fn retain(&mut self, keep: impl Fn(&Due) -> bool) {
        *self = Pending::from_sorted(self.iter().filter(keep).collect());
    }

    fn from_sorted(sorted: Vec<Due>) -> Pending {
        let leaves = sorted.chunks(LEAF_MAX).map(|leaf| Arc::new(leaf.to_vec())).collect();
        Pending { len: sorted.len(), leaves: Arc::new(leaves) }
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.capacity() * size_of::<Due>() + 64).sum()
    }

    /// Writes every entry.
    pub fn encode(&self, out: &mut Writer) {
        out.varint(self.len as u64);
        for due in self.iter() {
            out.i64(due.at.0);
            out.u16(due.kind.0);
            out.u32(due.contact.0);
        }
    }

    /// Reads what [`Pending::encode`] wrote.
    pub fn decode(from: &mut Cursor) -> Result<Pending, Damage> {
        let len = from.count(from.remaining())?;
        let mut sorted: Vec<Due> = Vec::new();
        for _ in 0..len {
            let (at, kind, contact) = (from.i64()?, from.u16()?, from.u32()?);
            let due = Due { at: Timestamp(at), kind: EventKindId(kind), contact: ContactId(contact) };
            if sorted.last().is_some_and(|last| *last > due) {
                return Err(from.damage("pending events in order", format!("{due:?}")));
            }
            sorted.push(due);
        }
        Ok(Pending::from_sorted(sorted))
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn due(at: i64, kind: u16, contact: u32) -> Due {
        Due { at: Timestamp(at), kind: EventKindId(kind), contact: ContactId(contact) }
    }

    #[test]
    fn it_is_a_sorted_bag() {
        let mut random = rand_pcg::Pcg64::seed_from_u64(7);
        let (mut pending, mut model) = (Pending::default(), Vec::new());
        for step in 0..6_000 {
            let entry = due(random.random_range(0..300), random.random_range(0..2), random.random_range(0..9));
            match random.random_range(0..100) {
                0..70 => {
                    pending.insert(entry);
                    model.push(entry);
                    model.sort();
                }
                70..98 => {
                    let place = model.iter().position(|held| *held == entry);
                    assert_eq!(pending.remove(entry), place.is_some());
                    place.map(|place| model.remove(place));
                }
                _ => {
                    let before = pending.clone();
                    let limit = Timestamp(model.first().map_or(0, |due: &Due| due.at.0) + 3);
                    let taken = pending.take_due(limit);
                    let split = model.partition_point(|held| held.at <= limit);
                    assert_eq!(taken, model.drain(..split).collect::<Vec<_>>());
                    assert_eq!(before.len(), pending.len() + taken.len(), "a clone stays");
                }
            }
            if step % 500 == 0 {
                assert_eq!(pending.iter().collect::<Vec<_>>(), model);
            }
            assert_eq!((pending.len(), pending.next()), (model.len(), model.first().map(|due| due.at)));
        }
        let mut out = Writer::new();
        pending.encode(&mut out);
        let back = Pending::decode(&mut Cursor::new(out.into_vec().into())).unwrap();
        assert!(back.iter().eq(model));
    }
}
