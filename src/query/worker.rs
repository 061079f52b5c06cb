//! One thread's way through the chunks: a node narrows a set of candidates, cheap children first.

use crate::{
    bitmap::{chunk::View, words::Words},
    query::{
        fused::Program,
        plan::{Node, NodeId},
        prepare::{Access, Prepared, Price},
    },
};

/// No more candidates than this are asked one by one rather than by words.
pub const FEW: u32 = 128;

/// A thread's scratch, and the place in the work.
#[derive(Debug)]
pub struct Worker<'p, 'a> {
    pub(in crate::query) prepared: &'p Prepared<'a>,
    /// The chunk being answered.
    pub(in crate::query) chunk: usize,
    /// Words that no one uses just now.
    spare: Vec<Box<Words>>,
    /// What nodes that are kept hold in this chunk.
    kept: Vec<Option<Box<Words>>>,
    /// Key hashes of a chunk, reused.
    pub(in crate::query) hashes: Vec<u32>,
    /// The set algebra of a chunk, reused.
    pub(in crate::query) program: Program<'p>,
}

impl<'p, 'a> Worker<'p, 'a> {
    /// A worker with no scratch yet.
    pub fn new(prepared: &'p Prepared<'a>) -> Worker<'p, 'a> {
        let kept = if prepared.kept.contains(&true) { vec![None; prepared.kept.len()] } else { vec![] };
        Worker { prepared, chunk: 0, spare: vec![], kept, hashes: vec![], program: Program::default() }
    }

    /// Goes to a chunk.
    pub fn enter(&mut self, chunk: usize) {
        self.chunk = chunk;
        for kept in &mut self.kept {
            self.spare.extend(kept.take());
        }
    }

    /// Words of any content.
    pub(in crate::query) fn take(&mut self) -> Box<Words> {
        self.spare.pop().unwrap_or_else(Words::boxed)
    }

    /// Words with no bit set.
    pub(in crate::query) fn take_zero(&mut self) -> Box<Words> {
        let mut words = self.take();
        words.fill(false);
        words
    }

    /// Gives words back.
    pub(in crate::query) fn give(&mut self, words: Box<Words>) {
        self.spare.push(words);
    }

    /// Keeps of the candidates those that a node holds.
    pub fn narrow(&mut self, id: NodeId, set: &mut Words) {
        if self.prepared.kept[id.index()] {
            self.keep(id);
            if let Some(kept) = &self.kept[id.index()] {
                set.and(kept);
            }
            return;
        }
        self.narrow_by(id, set);
    }

    /// Answers a kept node for the whole chunk, once.
    fn keep(&mut self, id: NodeId) {
        if self.kept[id.index()].is_none() {
            let mut all = self.take();
            self.prepared.index.live().chunk(self.chunk).load_into(&mut all);
            self.narrow_by(id, &mut all);
            self.kept[id.index()] = Some(all);
        }
    }

    /// Whether a kept node holds a contact of the chunk.
    pub(in crate::query) fn kept(&mut self, id: NodeId) -> Option<&Words> {
        if !self.prepared.kept[id.index()] {
            return None;
        }
        self.keep(id);
        self.kept[id.index()].as_deref()
    }

    fn narrow_by(&mut self, id: NodeId, set: &mut Words) {
        let prepared = self.prepared;
        let order = &prepared.order[id.index()];
        match prepared.plan.node(id) {
            Node::All => {}
            Node::None => set.fill(false),
            Node::Leaf(leaf, negated) => self.leaf(*leaf as usize, *negated, set),
            Node::And(_) => self.narrow_all(order, set),
            Node::Or(_) => self.narrow_any(order, set),
            Node::Parity(_, odd) => {
                let mut parity = self.take_zero();
                for child in order {
                    let mut part = self.take();
                    part.copy_from(set);
                    self.narrow(*child, &mut part);
                    parity.xor(&part);
                    self.give(part);
                }
                if *odd {
                    set.and(&parity)
                } else {
                    set.and_not(&parity)
                }
                self.give(parity);
            }
            Node::Of(_, least, most, inside) => {
                let passing = self.counted(order, *least, *most, set);
                if *inside {
                    set.and(&passing)
                } else {
                    set.and_not(&passing)
                }
                self.give(passing);
            }
        }
    }

    /// Narrows by every child. Before a dear one, a set of few is asked one by one.
    pub(in crate::query) fn narrow_all(&mut self, children: &[NodeId], set: &mut Words) {
        for (place, child) in children.iter().enumerate() {
            let price = self.prepared.prices[child.index()];
            if price == Price::Posting {
                self.narrow(*child, set);
                continue;
            }
            match set.count() {
                0 => return,
                1..=FEW => {
                    let mut few: Vec<u16> = set.iter().collect();
                    self.sift_all(&children[place..], &mut few);
                    set.fill(false);
                    for at in few {
                        set.set(at);
                    }
                    return;
                }
                _ => self.narrow(*child, set),
            }
        }
    }

    fn narrow_any(&mut self, children: &[NodeId], set: &mut Words) {
        let mut found = self.take_zero();
        let mut left = self.take();
        for child in children {
            if let Some(view) = self.plain(*child) {
                // A posting is cheaper to unite than to narrow by; what it has too much goes in the end.
                match view {
                    View::Full => found.fill(true),
                    View::Empty => {}
                    View::Array(list) => {
                        for at in list {
                            found.set(*at);
                        }
                    }
                    View::Words(words) => found.or(words),
                }
                continue;
            }
            left.copy_from(set);
            left.and_not(&found);
            if left.is_zero() {
                break;
            }
            self.narrow(*child, &mut left);
            found.or(&left);
        }
        set.and(&found);
        self.give(left);
        self.give(found);
    }

    /// The chunk of a node that is one posting, as it is.
    pub(in crate::query) fn plain(&self, id: NodeId) -> Option<View<'p>> {
        match self.signed(id) {
            Some((view, false)) => Some(view),
            _ => None,
        }
    }

    /// The chunk of a node that is one posting, or its complement if the flag is set.
    pub(in crate::query) fn signed(&self, id: NodeId) -> Option<(View<'p>, bool)> {
        let Node::Leaf(leaf, negated) = self.prepared.plan.node(id) else {
            return None;
        };
        match &self.prepared.access[*leaf as usize] {
            Access::Posting(posting) => Some((posting.chunk(self.chunk).view(), *negated)),
            _ => None,
        }
    }

    /// Those of the candidates in at least so many and at most so many of the nodes: counters of one bit a plane.
    fn counted(&mut self, children: &[NodeId], least: u32, most: u32, set: &Words) -> Box<Words> {
        let mut planes: Vec<Box<Words>> = Vec::new();
        for child in children {
            let mut carry = self.take();
            carry.copy_from(set);
            self.narrow(*child, &mut carry);
            for plane in &mut planes {
                if carry.is_zero() {
                    break;
                }
                for (bit, carried) in plane.0.iter_mut().zip(&mut carry.0) {
                    (*bit, *carried) = (*bit ^ *carried, *bit & *carried);
                }
            }
            if carry.is_zero() {
                self.give(carry);
            } else {
                planes.push(carry);
            }
        }
        let mut passing = self.take();
        passing.copy_from(set);
        let mut fewer = self.take();
        below(&planes, least, &mut fewer);
        passing.and_not(&fewer);
        below(&planes, most.saturating_add(1), &mut fewer);
        passing.and(&fewer);
        self.give(fewer);
        self.spare.append(&mut planes);
        passing
    }
}

/// The bits whose counter, with the lowest plane first, is below a bound.
fn below(planes: &[Box<Words>], bound: u32, out: &mut Words) {
    let width = planes.len() as u32;
    if width < 32 && bound >> width != 0 {
        out.fill(true);
        return;
    }
    // From the highest plane down: already below, or equal so far.
    for (word, below) in out.0.iter_mut().enumerate() {
        let (mut less, mut equal) = (0u64, !0u64);
        for (number, plane) in planes.iter().enumerate().rev() {
            let bits = plane.0[word];
            if bound >> number & 1 == 1 {
                less |= equal & !bits;
                equal &= bits;
            } else {
                equal &= !bits;
            }
        }
        *below = less;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_compare_with_any_bound() {
        let mut planes = vec![Words::boxed(), Words::boxed(), Words::boxed()];
        for count in 0..8u16 {
            for (number, plane) in planes.iter_mut().enumerate() {
                if count >> number & 1 == 1 {
                    plane.set(count * 100);
                }
            }
        }
        let mut out = Words::boxed();
        for bound in 0..20 {
            below(&planes, bound, &mut out);
            for count in 0..8u16 {
                assert_eq!(out.get(count * 100), u32::from(count) < bound, "{count} < {bound}");
            }
        }
        below(&[], 0, &mut out);
        assert!(out.is_zero());
        below(&[], 1, &mut out);
        assert_eq!(out.count(), 65_536);
    }
}
