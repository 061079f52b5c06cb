//! A bound rule: a graph of nodes over leaves, all operands absolute, negation only at the leaves.

use std::hash::{Hash, Hasher};

use crate::{
    bitmap::posting::Posting,
    model::id::{PropertyId, SegmentId},
    query::{behavior::Behavior, bounds::Clock, value_test::ValueTest},
    rule::ast::Rule,
};

/// A bound rule. It holds no facts but the postings of the segments it names, and is asked of an [`Index`] under the
/// schema that it was bound with.
///
/// Nodes that say the same are one node; a node's children have smaller numbers than the node.
///
/// [`Index`]: crate::index::Index
#[derive(Clone, Debug)]
pub struct Plan {
    /// The nodes; children before parents.
    pub(in crate::query) nodes: Vec<Node>,
    /// What the leaf nodes ask.
    pub(in crate::query) leaves: Vec<Labeled>,
    /// The node that is the rule.
    pub(in crate::query) root: NodeId,
    /// When and where.
    pub(in crate::query) clock: Clock,
    /// The nodes that are named segments.
    pub(in crate::query) named: Vec<(NodeId, Box<str>)>,
}

/// A node's number in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The number as a position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of contacts made of other sets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// Everyone.
    All,
    /// No one.
    None,
    /// A leaf, by its position, or its complement.
    Leaf(u32, bool),
    /// In all of two or more, ascending.
    And(Vec<NodeId>),
    /// In any of two or more, ascending.
    Or(Vec<NodeId>),
    /// In an odd number of two or more, ascending; or, if the flag is clear, in an even number.
    Parity(Vec<NodeId>, bool),
    /// In at least so many and at most so many; or, if the flag is clear, in fewer or more.
    Of(Vec<NodeId>, u32, u32, bool),
}

impl Node {
    /// What it is made of.
    pub fn children(&self) -> &[NodeId] {
        match self {
            Node::All | Node::None | Node::Leaf(..) => &[],
            Node::And(children) | Node::Or(children) | Node::Parity(children, _) | Node::Of(children, ..) => children,
        }
    }
}

/// A question with an index of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// The value of a property passes.
    Value(PropertyId, ValueTest),
    /// The domain of an email property is one of these, which are folded.
    Domain(PropertyId, Vec<Box<str>>),
    /// Events; with the flag set the leaf is those for whom the test does *not* hold, so that in either case a
    /// contact without events of the kinds is not in it.
    Behavior(Box<Behavior>, bool),
    /// A hash between two, both included, under a salt.
    Spread(u64, u32, u32),
    /// A posting of a named segment.
    Pinned(Pinned),
}

/// A posting of a named segment; equal when of the same segment and part.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The segment.
    pub segment: SegmentId,
    /// Which of its postings.
    pub part: Part,
    /// The contacts.
    pub posting: Posting,
}

/// Which of a segment's postings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The members of a static one.
    Members,
    /// Those pinned in by hand.
    Include,
    /// Those pinned out by hand.
    Exclude,
}

impl PartialEq for Pinned {
    fn eq(&self, other: &Pinned) -> bool {
        (self.segment, self.part) == (other.segment, other.part)
    }
}

impl Eq for Pinned {}

impl Hash for Pinned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.segment, self.part).hash(state);
    }
}

/// A leaf and how it would be written.
#[derive(Clone, Debug)]
pub struct Labeled {
    /// The leaf.
    pub leaf: Leaf,
    /// How it would be written.
    pub label: Label,
}

/// How a leaf would be written.
#[derive(Clone, Debug)]
pub enum Label {
    /// As this predicate; with the flag set as its complement.
    Rule(Rule, bool),
    /// In words that are no rule.
    Words(String),
}

impl Plan {
    /// The node of a number.
    pub(in crate::query) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// How many nodes it has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has none; it never does.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether the answer is everyone or no one whatever the facts are.
    pub fn constant(&self) -> Option<bool> {
        match self.node(self.root) {
            Node::All => Some(true),
            Node::None => Some(false),
            _ => None,
        }
    }
}
