//! A persistent vector of pages: clones share, a write copies one page and the two nodes above it, if they are shared.

use std::sync::Arc;

/// Pages below one branch.
const FAN: usize = 128;

/// Pages by number. Cloning is a pointer.
#[derive(Debug)]
pub struct Tree<P> {
    branches: Arc<Vec<Branch<P>>>,
    len: usize,
}

type Branch<P> = Arc<Vec<Arc<P>>>;

impl<P> Clone for Tree<P> {
    fn clone(&self) -> Tree<P> {
        Tree { branches: Arc::clone(&self.branches), len: self.len }
    }
}

impl<P> Default for Tree<P> {
    fn default() -> Tree<P> {
        Tree { branches: Arc::default(), len: 0 }
    }
}

impl<P: Clone> Tree<P> {
    /// How many pages.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no page.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A page, if there is one of that number.
    pub fn get(&self, page: usize) -> Option<&P> {
        self.branches.get(page / FAN)?.get(page % FAN).map(|page| &**page)
    }

    /// A page to be written to; copied first if a clone shares it.
    pub fn get_mut(&mut self, page: usize) -> Option<&mut P> {
        if page >= self.len {
            return None;
        }
        let branch = Arc::make_mut(&mut Arc::make_mut(&mut self.branches)[page / FAN]);
        Some(Arc::make_mut(&mut branch[page % FAN]))
    }

    /// A page to be written to; pages up to it are made by `new`.
    pub fn grow(&mut self, page: usize, new: impl Fn() -> P) -> &mut P {
        while self.len <= page {
            self.push(new());
        }
        self.get_mut(page).expect("pages up to it were just made")
    }

    /// Adds a page at the end.
    pub fn push(&mut self, page: P) {
        let branches = Arc::make_mut(&mut self.branches);
        if self.len.is_multiple_of(FAN) {
            branches.push(Arc::default());
        }
        let branch = branches.last_mut().expect("a branch was pushed when the last was full");
        Arc::make_mut(branch).push(Arc::new(page));
        self.len += 1;
    }

    /// The pages, in order.
    pub fn iter(&self) -> impl Iterator<Item = &P> {
        self.branches.iter().flat_map(|branch| branch.iter().map(|page| &**page))
    }

    /// Bytes of the tree itself, the pages' own heap not counted.
    pub fn memory_bytes(&self) -> u64 {
        (self.len * (size_of::<Arc<P>>() + size_of::<P>() + 16)) as u64
    }
}

impl<P: Clone> FromIterator<P> for Tree<P> {
    fn from_iter<I: IntoIterator<Item = P>>(pages: I) -> Tree<P> {
        let mut tree = Tree::default();
        pages.into_iter().for_each(|page| tree.push(page));
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_stay_while_the_writer_goes_on() {
        let mut tree: Tree<Vec<u32>> = (0..300).map(|i| vec![i]).collect();
        let before = tree.clone();
        tree.get_mut(129).unwrap().push(7);
        tree.grow(310, Vec::new).push(8);
        assert_eq!(before.len(), 300);
        assert_eq!(before.get(129), Some(&vec![129]));
        assert_eq!(before.get(300), None);
        assert_eq!(tree.get(129), Some(&vec![129, 7]));
        assert_eq!(tree.get(310), Some(&vec![8]));
        assert_eq!((tree.len(), tree.iter().count()), (311, 311));
        assert!(tree.get_mut(311).is_none());
    }
}
