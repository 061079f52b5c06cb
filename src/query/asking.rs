//! Asking a standing predicate of contacts, one after the other: whether it holds, and when to look again.

use crate::{
    index::{Index, event_index::EventIndex, property::PropertyIndex},
    model::{
        id::{ContactId, EventKindId, PropertyId},
        time::Timestamp,
    },
    query::{
        behavior::Behavior,
        look_ahead::Ahead,
        moving::Moving,
        plan::{Leaf, Node},
        quick,
        standing::{Standing, Timed},
        value_test::ValueTest,
    },
};

/// The position that a predicate hangs on first. Predicates that hang on the same are asked together, so that it is
/// read once for each contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hinge {
    /// The ordered value of a property.
    Value(PropertyId),
    /// The time of the newest event of a kind, whenever that is. Units: milliseconds.
    Newest(EventKindId),
}

impl Hinge {
    /// The position of a contact.
    pub fn position(self, index: &Index, contact: ContactId) -> Option<i128> {
        match self {
            Hinge::Value(property) => match index.property(property)? {
                PropertyIndex::Ordered(_, column) => column.get(contact.0),
                _ => None,
            },
            Hinge::Newest(kind) => index.events().kind(kind).map(EventIndex::last)?.get(contact.0),
        }
    }
}

impl Standing {
    /// What it hangs on, if on a position.
    pub fn hinge(&self) -> Option<Hinge> {
        match self.leaf()? {
            Leaf::Value(property, ValueTest::Spans(_)) if self.is_one_leaf() => Some(Hinge::Value(*property)),
            Leaf::Behavior(behavior, _) if self.is_one_leaf() => Some(Hinge::Newest(behavior.sources().first()?.kind)),
            _ => None,
        }
    }

    /// Whether it holds for a live contact, and when it is to be looked at next (see [`Standing::next_check`]).
    /// `position` is that of its hinge, if it has one.
    pub fn ask(&self, index: &Index, contact: ContactId, position: Option<i128>) -> (bool, Option<Timestamp>) {
        let timed = self.timed();
        match (self.root(), self.leaf()) {
            (Node::Leaf(_, negated), Some(Leaf::Value(_, ValueTest::Spans(spans)))) if self.is_one_leaf() => {
                let Some(position) = position else { return (*negated, None) };
                (spans.contains(position) != *negated, self.moves_at(position, &timed))
            }
            (Node::Leaf(_, negated), Some(Leaf::Behavior(behavior, differs))) if self.is_one_leaf() => {
                let quick =
                    quick::holds(behavior, index, contact, position).map(|holds| (holds != *differs) != *negated);
                let holds = quick.unwrap_or_else(|| self.holds_of_live(index, contact));
                (holds, self.behaves_at(index, contact, position, behavior, &timed))
            }
            _ => (self.holds_of_live(index, contact), self.next_check(index, contact)),
        }
    }

    fn moves_at(&self, position: i128, timed: &Timed<'_>) -> Option<Timestamp> {
        let Timed::Value(_, moving) = timed else { return None };
        Moving::flip(moving, position, self.clock()).map(|flip| flip.at)
    }

    fn behaves_at(
        &self,
        index: &Index,
        contact: ContactId,
        newest: Option<i128>,
        behavior: &Behavior,
        timed: &Timed<'_>,
    ) -> Option<Timestamp> {
        let Timed::Events(_, motion) = timed else { return None };
        let ahead = Ahead { behavior, motion, clock: self.clock(), index };
        ahead.check_of(contact, newest?).map(|flip| flip.at)
    }
}
