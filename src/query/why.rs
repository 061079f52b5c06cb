//! Why a contact is in or out: the truth of every node, with the value that decided it.

use crate::{
    index::Index,
    model::{id::ContactId, value::Value},
    query::{
        label::label,
        plan::{Leaf, Node, NodeId, Plan},
        probe::Probe,
        reader::{Found, Reader},
        sieve::Effort,
    },
};

/// The truth of one node for a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The canonical text of a predicate, or the logical operator.
    pub label: String,
    /// Whether it holds.
    pub holds: bool,
    /// What decided it, of a predicate.
    pub decided_by: DecidedBy,
    /// What it is made of; of a node that was shown already, nothing.
    pub children: Vec<Why>,
}

/// What decided the truth of a predicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// The contact's value, or that there is none.
    Value(Option<Value>),
    /// What was found among the contact's events.
    Events(Found),
    /// Nothing that one value tells.
    Nothing,
}

/// Why a live contact is in or out.
pub fn why(plan: &Plan, index: &Index, contact: ContactId) -> Why {
    let mut probe = Probe::new(plan, index, contact);
    let mut shown = vec![false; plan.len()];
    why_node(plan, index, contact, plan.root, &mut probe, &mut shown)
}

fn why_node(
    plan: &Plan,
    index: &Index,
    contact: ContactId,
    id: NodeId,
    probe: &mut Probe<'_>,
    shown: &mut [bool],
) -> Why {
    let node = plan.node(id);
    let decided_by = match node {
        Node::Leaf(leaf, _) => match &plan.leaves[*leaf as usize].leaf {
            Leaf::Value(property, _) | Leaf::Domain(property, _) => DecidedBy::Value(index.value(*property, contact)),
            Leaf::Behavior(behavior, _) => {
                DecidedBy::Events(Reader::new(behavior, index, &plan.clock, Effort::Few).told(contact))
            }
            Leaf::Spread(..) | Leaf::Pinned(_) => DecidedBy::Nothing,
        },
        _ => DecidedBy::Nothing,
    };
    let below: &[NodeId] = if shown[id.index()] { &[] } else { node.children() };
    shown[id.index()] = true;
    let mut children = Vec::with_capacity(below.len());
    for child in below {
        children.push(why_node(plan, index, contact, *child, probe, shown));
    }
    Why { label: label(plan, id), holds: probe.holds(id), decided_by, children }
}
