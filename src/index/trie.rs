//! A sparse persistent map from 32-bit numbers: narrow nodes, so that a write among shared ones copies little.

use std::sync::Arc;

/// Children of a node, as a power of two. Narrow: a copied node touches every child's count of owners.
const BITS: u32 = 4;
const FAN: usize = 1 << BITS;

/// Items by number. Cloning is a pointer.
#[derive(Clone, Debug)]
pub struct Trie<T> {
    root: Slot<T>,
    /// Levels of nodes; numbers are below 16 to the power of it.
    levels: u32,
    len: usize,
}

type Node<T> = [Slot<T>; FAN];

#[derive(Clone, Debug)]
enum Slot<T> {
    Empty,
    Branch(Arc<Node<T>>),
    Leaf(Arc<T>),
}

impl<T> Default for Trie<T> {
    fn default() -> Trie<T> {
        Trie { root: Slot::Empty, levels: 0, len: 0 }
    }
}

impl<T: Clone> Trie<T> {
    /// The item of a number.
    pub fn get(&self, number: u32) -> Option<&T> {
        if !self.reaches(number) {
            return None;
        }
        let (mut slot, mut level) = (&self.root, self.levels);
        loop {
            match slot {
                Slot::Empty => return None,
                Slot::Leaf(item) => return Some(item),
                Slot::Branch(node) => {
                    level = level.checked_sub(1)?;
                    slot = &node[digit(number, level)];
                }
            }
        }
    }

    /// The items of a stretch of numbers, ascending.
    pub fn stretch(&self, numbers: std::ops::Range<u32>) -> impl Iterator<Item = (u32, &T)> {
        numbers.filter_map(|number| Some((number, self.get(number)?)))
    }

    /// The item of a number to be written to, made by `new` if there is none.
    pub fn get_mut(&mut self, number: u32, new: impl FnOnce() -> T) -> &mut T {
        Arc::make_mut(self.owner_mut(number, new))
    }

    /// The item of a number, which others may hold too, to be replaced; made by `new` if there is none.
    pub fn owner_mut(&mut self, number: u32, new: impl FnOnce() -> T) -> &mut Arc<T> {
        if self.get(number).is_none() {
            self.set(number, Some(new()));
        }
        let (mut slot, mut level) = (&mut self.root, self.levels);
        loop {
            match slot {
                Slot::Leaf(item) => return item,
                Slot::Branch(node) => {
                    level -= 1;
                    slot = &mut Arc::make_mut(node)[digit(number, level)];
                }
                Slot::Empty => unreachable!("the item is there"),
            }
        }
    }

    /// Sets or removes the item of a number.
    pub fn set(&mut self, number: u32, item: Option<T>) {
        let before = self.get(number).is_some();
        self.len = self.len + usize::from(item.is_some()) - usize::from(before);
        if item.is_none() && !before {
            return;
        }
        while !self.reaches(number) {
            let root = std::mem::replace(&mut self.root, Slot::Empty);
            if !matches!(root, Slot::Empty) {
                let mut node = [const { Slot::Empty }; FAN];
                node[0] = root;
                self.root = Slot::Branch(Arc::new(node));
            }
            self.levels += 1;
        }
        put(&mut self.root, self.levels, number, item);
    }

    /// How many items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One more than the greatest number of an item.
    pub fn end(&self) -> usize {
        let (mut slot, mut last) = (&self.root, 0);
        loop {
            match slot {
                Slot::Empty => return 0,
                Slot::Leaf(_) => return last + 1,
                Slot::Branch(node) => {
                    let place = node.iter().rposition(|slot| !matches!(slot, Slot::Empty));
                    let place = place.expect("a node without items goes away");
                    (slot, last) = (&node[place], last << BITS | place);
                }
            }
        }
    }

    fn reaches(&self, number: u32) -> bool {
        self.levels * BITS >= 32 || number >> (self.levels * BITS) == 0
    }

    /// Calls `f` with every number and item, ascending.
    pub fn each(&self, f: &mut dyn FnMut(u32, &T)) {
        walk(&self.root, 0, f);
    }

    /// Replaces those items for which `f` gives another.
    pub fn replace(&mut self, f: impl Fn(&T) -> Option<T>) {
        let mut new = Vec::new();
        self.each(&mut |number, item| new.extend(f(item).map(|item| (number, item))));
        new.into_iter().for_each(|(number, item)| self.set(number, Some(item)));
    }

    /// Bytes of the nodes, the items' own heap not counted.
    pub fn memory_bytes(&self) -> u64 {
        (self.len * (size_of::<T>() + 16 + 2 * size_of::<Slot<T>>())) as u64
    }
}

fn digit(number: u32, level: u32) -> usize {
    (number >> (level * BITS)) as usize % FAN
}

/// Sets or removes an item at or below `slot`; a node without items goes away.
fn put<T: Clone>(slot: &mut Slot<T>, levels: u32, number: u32, item: Option<T>) {
    let Some(level) = levels.checked_sub(1) else {
        *slot = item.map_or(Slot::Empty, |item| Slot::Leaf(Arc::new(item)));
        return;
    };
    if matches!(slot, Slot::Empty) {
        *slot = Slot::Branch(Arc::new([const { Slot::Empty }; FAN]));
    }
    if let Slot::Branch(node) = slot {
        let node = Arc::make_mut(node);
        put(&mut node[digit(number, level)], level, number, item);
        if node.iter().all(|slot| matches!(slot, Slot::Empty)) {
            *slot = Slot::Empty;
        }
    }
}

fn walk<T>(slot: &Slot<T>, prefix: u32, f: &mut dyn FnMut(u32, &T)) {
    match slot {
        Slot::Empty => {}
        Slot::Leaf(item) => f(prefix, item),
        Slot::Branch(node) => {
            for (digit, slot) in node.iter().enumerate() {
                walk(slot, prefix << BITS | digit as u32, f);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_answers_like_a_map_and_clones_stay() {
        let (mut trie, mut model, mut kept) = (Trie::default(), BTreeMap::new(), vec![]);
        for i in 0..20_000u32 {
            let number = [i % 300, i.wrapping_mul(2_654_435_761) % 5_000, i.wrapping_mul(40_503) << 13][i as usize % 3];
            if i % 4 == 3 {
                trie.set(number, None);
                model.remove(&number);
            } else {
                *trie.get_mut(number, || 0) += i;
                *model.entry(number).or_insert(0) += i;
            }
            if i % 5_000 == 0 {
                kept.push((trie.clone(), model.clone()));
            }
        }
        kept.push((trie, model));
        for (trie, model) in kept {
            let mut all = BTreeMap::new();
            trie.each(&mut |number, item| {
                all.insert(number, *item);
            });
            assert_eq!(all, model);
            assert_eq!(trie.len, model.len());
            assert_eq!(trie.end(), model.keys().last().map_or(0, |last| *last as usize + 1));
            assert!(
                trie.stretch(90..400)
                    .map(|(number, item)| (number, *item))
                    .eq(model.range(90..400).map(|(n, i)| (*n, *i)))
            );
            assert!((0..5_100).all(|number| trie.get(number) == model.get(&number)));
        }
    }
}
