//! What a run of commands may have changed.

use crate::model::id::{ContactId, EventKindId, PropertyId};

/// A fact of a contact: a property, or, from here on, an event kind.
const KINDS: u32 = 1 << 16;

/// Contacts made and facts touched, in order of touch.
#[derive(Clone, Debug, Default)]
pub struct Touches {
    new: Vec<ContactId>,
    facts: Vec<(u32, ContactId)>,
}

/// One kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A property.
    Property(PropertyId),
    /// An event kind.
    Kind(EventKindId),
}

impl Touches {
    /// Whether nothing was touched.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.facts.is_empty()
    }

    /// A contact was made.
    pub fn new_contact(&mut self, contact: ContactId) {
        self.new.push(contact);
    }

    /// A value may have changed.
    pub fn property(&mut self, contact: ContactId, property: PropertyId) {
        self.facts.push((u32::from(property.0), contact));
    }

    /// An event came, went or came due.
    pub fn kind(&mut self, contact: ContactId, kind: EventKindId) {
        self.facts.push((KINDS | u32::from(kind.0), contact));
    }

    /// Leaves out a contact that is gone.
    pub fn forget(&mut self, contact: ContactId) {
        self.new.retain(|new| *new != contact);
        self.facts.retain(|(_, touched)| *touched != contact);
    }

    /// The contacts made, ascending.
    pub fn new_contacts(&self) -> &[ContactId] {
        &self.new
    }

    /// Each fact touched with its contacts, which are ascending.
    pub fn facts(&mut self) -> impl Iterator<Item = (Fact, impl Iterator<Item = ContactId>)> {
        self.facts.sort_unstable();
        self.facts.dedup();
        self.facts.chunk_by(|a, b| a.0 == b.0).map(|run| {
            let code = run[0].0;
            let fact = match code.checked_sub(KINDS) {
                Some(kind) => Fact::Kind(EventKindId(kind as u16)),
                None => Fact::Property(PropertyId(code as u16)),
            };
            (fact, run.iter().map(|(_, contact)| *contact))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_comes_once_with_its_contacts() {
        let mut touches = Touches::default();
        assert!(touches.is_empty());
        for contact in [3, 1, 3, 2] {
            touches.kind(ContactId(contact), EventKindId(1));
        }
        touches.property(ContactId(9), PropertyId(1));
        let facts: Vec<(Fact, Vec<u32>)> =
            touches.facts().map(|(fact, who)| (fact, who.map(|id| id.0).collect())).collect();
        let (property, kind) = (Fact::Property(PropertyId(1)), Fact::Kind(EventKindId(1)));
        assert_eq!(facts, [(property, vec![9]), (kind, vec![1, 2, 3])]);
    }
}
