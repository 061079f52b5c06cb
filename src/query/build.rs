//! Building a plan's graph: equal nodes become one, constants fold, nested ANDs and ORs flatten.

use std::collections::HashMap;

use crate::query::{
    bounds::Clock,
    plan::{Label, Labeled, Leaf, Node, NodeId, Plan},
};

/// A nested AND or OR is left nested when flattening would make a longer list than this.
const FLAT_MAX: usize = 4_096;

/// A plan in the making.
#[derive(Debug, Default)]
pub struct Builder {
    nodes: Vec<Node>,
    node_ids: HashMap<Node, NodeId>,
    depths: Vec<u32>,
    leaves: Vec<Labeled>,
    leaf_ids: HashMap<Leaf, u32>,
}

impl Builder {
    /// Everyone or no one.
    pub fn constant(&mut self, everyone: bool) -> NodeId {
        self.node(if everyone { Node::All } else { Node::None })
    }

    /// A leaf, or its complement. The label is asked for once.
    pub fn leaf(&mut self, leaf: Leaf, negated: bool, label: impl FnOnce() -> Label) -> NodeId {
        let position = match self.leaf_ids.get(&leaf) {
            Some(position) => *position,
            None => {
                let position = self.leaves.len() as u32;
                self.leaves.push(Labeled { leaf: leaf.clone(), label: label() });
                self.leaf_ids.insert(leaf, position);
                position
            }
        };
        self.node(Node::Leaf(position, negated))
    }

    /// Those in all of the nodes.
    pub fn and(&mut self, nodes: Vec<NodeId>) -> NodeId {
        self.gather(nodes, true)
    }

    /// Those in any of the nodes.
    pub fn or(&mut self, nodes: Vec<NodeId>) -> NodeId {
        self.gather(nodes, false)
    }

    fn gather(&mut self, nodes: Vec<NodeId>, all: bool) -> NodeId {
        let (neutral, absorbing) = if all { (Node::All, Node::None) } else { (Node::None, Node::All) };
        let mut flat: Vec<NodeId> = Vec::with_capacity(nodes.len());
        for id in nodes {
            match &self.nodes[id.index()] {
                node if *node == neutral => {}
                node if *node == absorbing => return id,
                Node::And(children) if all && flat.len() + children.len() <= FLAT_MAX => flat.extend(children),
                Node::Or(children) if !all && flat.len() + children.len() <= FLAT_MAX => flat.extend(children),
                _ => flat.push(id),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        if self.holds_both_signs(&flat) {
            return self.node(absorbing);
        }
        match flat[..] {
            [] => self.node(neutral),
            [only] => only,
            _ => self.node(if all { Node::And(flat) } else { Node::Or(flat) }),
        }
    }

    /// Whether a leaf and its complement are both among the nodes.
    fn holds_both_signs(&self, ids: &[NodeId]) -> bool {
        let mut signs: Vec<(u32, bool)> = ids
            .iter()
            .filter_map(|id| match self.nodes[id.index()] {
                Node::Leaf(leaf, negated) => Some((leaf, negated)),
                _ => None,
            })
            .collect();
        signs.sort_unstable();
        signs.windows(2).any(|pair| pair[0].0 == pair[1].0)
    }

    /// Those in an odd number of the nodes, or else in an even number.
    pub fn parity(&mut self, nodes: Vec<NodeId>, mut odd: bool) -> NodeId {
        let mut kept: Vec<NodeId> = Vec::with_capacity(nodes.len());
        for id in nodes {
            match self.nodes[id.index()].clone() {
                Node::None => {}
                Node::All => odd = !odd,
                Node::Leaf(leaf, true) => {
                    odd = !odd;
                    kept.push(self.node(Node::Leaf(leaf, false)));
                }
                Node::Parity(children, inner) => {
                    odd ^= !inner;
                    kept.extend(children);
                }
                _ => kept.push(id),
            }
        }
        kept.sort_unstable();
        // Of two equal ones, neither matters.
        let mut single: Vec<NodeId> = Vec::with_capacity(kept.len());
        for id in kept {
            if single.last() == Some(&id) {
                single.pop();
            } else {
                single.push(id);
            }
        }
        match single[..] {
            [] => self.constant(!odd),
            [only] => match (self.nodes[only.index()].clone(), odd) {
                (_, true) => only,
                (Node::Leaf(leaf, negated), false) => self.node(Node::Leaf(leaf, !negated)),
                _ => self.node(Node::Parity(single, odd)),
            },
            _ => self.node(Node::Parity(single, odd)),
        }
    }

    /// Those in at least `least` and at most `most` of the nodes, or else those in fewer or more.
    pub fn of(&mut self, nodes: Vec<NodeId>, least: i64, most: i64, inside: bool) -> NodeId {
        let always = nodes.iter().filter(|id| self.nodes[id.index()] == Node::All).count() as i64;
        let kept: Vec<NodeId> =
            nodes.into_iter().filter(|id| !matches!(self.nodes[id.index()], Node::All | Node::None)).collect();
        let count = kept.len() as i64;
        let (least, most) = ((least - always).max(0), (most - always).min(count));
        if least > most {
            return self.constant(!inside);
        }
        match (least, most) {
            (0, most) if most == count => self.constant(inside),
            (least, _) if least == count && inside => self.and(kept),
            (1, most) if most == count && inside => self.or(kept),
            (least, most) => {
                let mut kept = kept;
                kept.sort_unstable();
                self.node(Node::Of(kept, least as u32, most as u32, inside))
            }
        }
    }

    fn node(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.node_ids.get(&node) {
            return *id;
        }
        let id = NodeId(self.nodes.len() as u32);
        let below = node.children().iter().map(|child| self.depths[child.index()]).max();
        self.depths.push(below.map_or(0, |depth| depth + 1));
        self.node_ids.insert(node.clone(), id);
        self.nodes.push(node);
        id
    }

    /// How many nodes lie on the longest way down from a node.
    pub fn depth(&self, id: NodeId) -> u32 {
        self.depths[id.index()]
    }

    /// The plan whose rule is a node.
    pub fn finish(self, root: NodeId, clock: Clock) -> Plan {
        Plan { nodes: self.nodes, leaves: self.leaves, root, clock, named: vec![] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(builder: &mut Builder, salt: u64, negated: bool) -> NodeId {
        builder.leaf(Leaf::Spread(salt, 0, 1), negated, || Label::Words(String::new()))
    }

    #[test]
    fn constants_fold_and_equals_meet() {
        let mut b = Builder::default();
        let (a, c, not_a) = (leaf(&mut b, 1, false), leaf(&mut b, 2, false), leaf(&mut b, 1, true));
        let (all, none) = (b.constant(true), b.constant(false));
        assert_eq!(leaf(&mut b, 1, false), a);
        assert_eq!(b.and(vec![a, all, a]), a);
        assert_eq!(b.and(vec![a, none]), none);
        assert_eq!(b.and(vec![a, c, not_a]), none);
        assert_eq!(b.or(vec![not_a, a]), all);
        assert_eq!(b.and(vec![]), all);
        assert_eq!(b.or(vec![]), none);
        let (ac, ca) = (b.and(vec![a, c]), b.and(vec![c, a]));
        assert_eq!(ac, ca);
        let d = leaf(&mut b, 3, false);
        let (nested, flat) = (b.and(vec![ac, d]), b.and(vec![a, c, d]));
        assert_eq!(nested, flat);
    }

    #[test]
    fn parity_drops_pairs_and_signs() {
        let mut b = Builder::default();
        let (a, c, not_a) = (leaf(&mut b, 1, false), leaf(&mut b, 2, false), leaf(&mut b, 1, true));
        let (all, none) = (b.constant(true), b.constant(false));
        assert_eq!(b.parity(vec![a, a], true), none);
        assert_eq!(b.parity(vec![a, not_a], true), all);
        assert_eq!(b.parity(vec![a, all], true), not_a);
        let (xor, xnor) = (b.parity(vec![a, c], true), b.parity(vec![not_a, c], true));
        assert_ne!(xor, xnor);
        let even = b.parity(vec![a, c], false);
        assert_eq!(xnor, even);
        assert_eq!(b.parity(vec![xor, c], true), a);
    }

    #[test]
    fn counts_of_rules_become_what_they_are() {
        let mut b = Builder::default();
        let (a, c, d) = (leaf(&mut b, 1, false), leaf(&mut b, 2, false), leaf(&mut b, 3, false));
        let (all, none) = (b.constant(true), b.constant(false));
        let (and, or) = (b.and(vec![a, c, d]), b.or(vec![a, c, d]));
        assert_eq!(b.of(vec![a, c, d], 3, i64::MAX, true), and);
        assert_eq!(b.of(vec![a, c, d], 1, i64::MAX, true), or);
        assert_eq!(b.of(vec![a, c, d], 4, i64::MAX, true), none);
        assert_eq!(b.of(vec![a, c, d], 0, 3, true), all);
        assert_eq!(b.of(vec![a, c, d], 0, 3, false), none);
        let fewer = b.of(vec![a, c], 1, 1, true);
        assert_eq!(b.of(vec![a, c, all, none], 2, 2, true), fewer);
        assert_eq!(b.of(vec![a, all], 0, 0, true), none);
    }
}
