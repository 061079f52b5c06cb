//! A sorted bag that is cheap to clone.
//!
//! Leaves of bounded length behind one root: a clone is one pointer, a write copies the root's pointers and one leaf.

use std::sync::Arc;

const LEAF_MAX: usize = 512;

/// Items in order; equal ones may be there more than once.
#[derive(Clone, Debug)]
pub struct Bag<T> {
    /// No leaf is empty.
    leaves: Arc<Vec<Arc<Vec<T>>>>,
    len: usize,
}

impl<T> Default for Bag<T> {
    fn default() -> Bag<T> {
        Bag { leaves: Arc::default(), len: 0 }
    }
}

impl<T: Copy + Ord> Bag<T> {
    /// A bag of items that are in order.
    pub fn from_sorted(sorted: &[T]) -> Bag<T> {
        let leaves = sorted.chunks(LEAF_MAX).map(|leaf| Arc::new(leaf.to_vec())).collect();
        Bag { len: sorted.len(), leaves: Arc::new(leaves) }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first item.
    pub fn first(&self) -> Option<T> {
        self.leaves.first().and_then(|leaf| leaf.first()).copied()
    }

    /// All of them, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.leaves.iter().flat_map(|leaf| leaf.iter().copied())
    }

    /// The leaf in which an item is or belongs.
    fn leaf_of(&self, item: &T) -> usize {
        self.leaves.partition_point(|leaf| leaf.last().is_some_and(|last| last < item))
    }

    /// Whether there is such an item.
    pub fn contains(&self, item: T) -> bool {
        self.leaves.get(self.leaf_of(&item)).is_some_and(|leaf| leaf.binary_search(&item).is_ok())
    }

    /// Adds an item.
    pub fn insert(&mut self, item: T) {
        let leaf = self.leaf_of(&item).min(self.leaves.len().saturating_sub(1));
        let leaves = Arc::make_mut(&mut self.leaves);
        let newest = leaf + 1 == leaves.len();
        self.len += 1;
        let Some(items) = leaves.get_mut(leaf) else {
            leaves.push(Arc::new(vec![item]));
            return;
        };
        let items = Arc::make_mut(items);
        items.insert(items.partition_point(|held| *held <= item), item);
        if items.len() > LEAF_MAX {
            // Times mostly grow: a full last leaf stays full and a new one begins.
            let right = items.split_off(if newest { LEAF_MAX } else { LEAF_MAX / 2 });
            leaves.insert(leaf + 1, Arc::new(right));
        }
    }

    /// Takes one such item out; says whether there was one.
    pub fn remove(&mut self, item: T) -> bool {
        let leaf = self.leaf_of(&item);
        let Some(place) = self.leaves.get(leaf).and_then(|items| items.binary_search(&item).ok()) else {
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

    /// Takes out the items in front for which `until` holds, in order. It must hold for a front part of the items.
    pub fn take_while(&mut self, until: impl Fn(&T) -> bool) -> Vec<T> {
        if !self.first().is_some_and(|first| until(&first)) {
            return Vec::new();
        }
        let taken: Vec<T> = self.iter().take_while(|item| until(item)).collect();
        let leaves = Arc::make_mut(&mut self.leaves);
        let whole = leaves.partition_point(|leaf| leaf.last().is_some_and(&until));
        leaves.drain(..whole);
        if let Some(leaf) = leaves.first_mut() {
            let count = leaf.partition_point(&until);
            Arc::make_mut(leaf).drain(..count);
        }
        self.len -= taken.len();
        taken
    }

    /// Keeps only what `keep` says.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        *self = Bag::from_sorted(&self.iter().filter(keep).collect::<Vec<T>>());
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.capacity() * size_of::<T>() + 64).sum()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn it_is_a_sorted_bag() {
        let mut random = rand_pcg::Pcg64::seed_from_u64(7);
        let (mut bag, mut model) = (Bag::default(), Vec::new());
        for step in 0..6_000 {
            let item = (random.random_range(0..300), random.random_range(0..9));
            match random.random_range(0..100) {
                0..70 => {
                    bag.insert(item);
                    model.push(item);
                    model.sort();
                }
                70..98 => {
                    let place = model.iter().position(|held| *held == item);
                    assert_eq!(bag.contains(item), place.is_some());
                    assert_eq!(bag.remove(item), place.is_some());
                    place.map(|place| model.remove(place));
                }
                _ => {
                    let before = bag.clone();
                    let limit = model.first().map_or(0, |item: &(i64, i64)| item.0) + 3;
                    let taken = bag.take_while(|item| item.0 <= limit);
                    let split = model.partition_point(|held| held.0 <= limit);
                    assert_eq!(taken, model.drain(..split).collect::<Vec<_>>());
                    assert_eq!(before.len(), bag.len() + taken.len(), "a clone stays");
                }
            }
            if step % 500 == 0 {
                assert_eq!(bag.iter().collect::<Vec<_>>(), model);
            }
            assert_eq!((bag.len(), bag.first()), (model.len(), model.first().copied()));
        }
        bag.retain(|item| item.1 == 4);
        model.retain(|item| item.1 == 4);
        assert!(bag.iter().eq(model));
    }
}
