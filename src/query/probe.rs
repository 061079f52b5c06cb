//! The answer of a plan for one contact: facts are asked as they are, no index is searched.

use crate::{
    index::{Index, directory::Directory, domains::domain_of, property::PropertyIndex},
    model::{calendar::Zone, id::ContactId},
    query::{
        bucket::spread,
        plan::{Leaf, Node, NodeId, Plan},
        reader::Reader,
        sieve::Effort,
        value_test::ValueTest,
    },
};

impl Plan {
    /// Whether the rule holds for a contact of whom nothing is known; a rule that reads keys holds for none.
    pub fn holds_of_nobody(&self, index: &Index) -> bool {
        let reads_keys = self.leaves.iter().any(|labeled| matches!(labeled.leaf, Leaf::Spread(..)));
        !reads_keys && Probe::new(self, index, ContactId(u32::MAX)).holds(self.root)
    }

    /// Whether a contact is live and the rule holds for it.
    pub fn contains(&self, index: &Index, contact: ContactId) -> bool {
        index.live().contains(contact.0) && Probe::new(self, index, contact).holds(self.root)
    }
}

/// The truth of a plan's nodes for one live contact, found as it is asked for.
#[derive(Debug)]
pub struct Probe<'a> {
    plan: &'a Plan,
    index: &'a Index,
    contact: ContactId,
    /// Of nodes with children, what is known.
    known: Vec<Option<bool>>,
}

impl<'a> Probe<'a> {
    /// Nothing is known yet.
    pub fn new(plan: &'a Plan, index: &'a Index, contact: ContactId) -> Probe<'a> {
        Probe { plan, index, contact, known: vec![None; plan.nodes.len()] }
    }

    /// Whether a node holds the contact.
    pub fn holds(&mut self, id: NodeId) -> bool {
        if let Some(known) = self.known[id.index()] {
            return known;
        }
        let plan = self.plan;
        let node = plan.node(id);
        let truth = match node {
            Node::All => true,
            Node::None => false,
            Node::Leaf(leaf, negated) => {
                let leaf = &plan.leaves[*leaf as usize].leaf;
                leaf_holds(leaf, plan, self.index, self.contact) != *negated
            }
            Node::And(children) => children.iter().all(|child| self.holds(*child)),
            Node::Or(children) => children.iter().any(|child| self.holds(*child)),
            Node::Parity(children, odd) => (self.count(children) % 2 == 1) == *odd,
            Node::Of(children, least, most, inside) => (*least..=*most).contains(&self.count(children)) == *inside,
        };
        self.known[id.index()] = Some(truth);
        truth
    }

    fn count(&mut self, children: &[NodeId]) -> u32 {
        children.iter().map(|child| u32::from(self.holds(*child))).sum()
    }
}

/// Whether a leaf holds a contact.
pub fn leaf_holds(leaf: &Leaf, plan: &Plan, index: &Index, contact: ContactId) -> bool {
    match leaf {
        Leaf::Value(property, test) => {
            index.property(*property).is_some_and(|property| value_holds(property, test, contact, &plan.clock.zone))
        }
        Leaf::Domain(property, domains) => match index.property(*property) {
            Some(PropertyIndex::Text(_, texts)) => texts
                .value(contact)
                .and_then(domain_of)
                .is_some_and(|domain| domains.binary_search_by(|known| (**known).cmp(domain.as_ref())).is_ok()),
            _ => false,
        },
        Leaf::Behavior(behavior, differs) => {
            Reader::new(behavior, index, &plan.clock, Effort::Few).holds(contact) != *differs
        }
        Leaf::Spread(salt, from, to) => (*from..=*to).contains(&hash(index.directory(), contact, *salt)),
        Leaf::Pinned(pinned) => pinned.posting.contains(contact.0),
    }
}

fn hash(directory: &Directory, contact: ContactId, salt: u64) -> u32 {
    spread(directory.bucket_hash(contact), salt)
}

fn value_holds(property: &PropertyIndex, test: &ValueTest, contact: ContactId, zone: &Zone) -> bool {
    match (property, test) {
        (property, ValueTest::Present) => property.has(contact),
        (PropertyIndex::Flag(flags), ValueTest::Flag(flag)) => flags.value(contact) == Some(*flag),
        (PropertyIndex::Ordered(_, column), ValueTest::Spans(spans)) => {
            column.get(contact.0).is_some_and(|position| spans.contains(position))
        }
        (PropertyIndex::Ordered(_, column), ValueTest::Anniversary(calendar)) => {
            column.get(contact.0).is_some_and(|position| calendar.contains(position, zone))
        }
        (PropertyIndex::Text(_, texts), ValueTest::Texts(wanted)) => {
            texts.value(contact).is_some_and(|text| wanted.has(text))
        }
        (PropertyIndex::Text(_, texts), ValueTest::Pattern(pattern)) => {
            texts.value(contact).is_some_and(|text| pattern.has(text))
        }
        (PropertyIndex::Set(sets), ValueTest::Texts(wanted)) => sets.value(contact).iter().any(|text| wanted.has(text)),
        (PropertyIndex::Set(sets), ValueTest::Pattern(pattern)) => {
            sets.value(contact).iter().any(|text| pattern.has(text))
        }
        _ => false,
    }
}
