//! Whether a batch fits the state: for a log with holes, where what a batch builds on may be missing.

use std::{borrow::Cow, collections::BTreeSet};

use crate::{
    engine::{
        command::{Batch, Command, SegmentBody},
        state::State,
    },
    model::{
        id::{ContactId, SegmentId},
        schema::Schema,
    },
};

/// What a batch has changed so far, as far as its later commands ask for it.
struct Seen<'a> {
    state: &'a State,
    schema: Cow<'a, Schema>,
    next_contact: u32,
    segments: BTreeSet<SegmentId>,
}

/// Whether every contact, property, event kind and segment that a batch names is there when it is needed. A batch of a
/// whole log always fits; to [`crate::engine::apply::apply`] only what fits may be given.
///
/// Errors: what is missing.
pub fn fits(state: &State, batch: &Batch) -> Result<(), String> {
    let next_contact = state.index.directory().next_id();
    let mut seen = Seen { state, schema: Cow::Borrowed(&state.schema), next_contact, segments: BTreeSet::new() };
    batch.commands.iter().try_for_each(|command| seen.check(command))
}

impl Seen<'_> {
    fn check(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::Found(_) if self.state.lsn.0 > 0 => Err("it founds a database that is there".into()),
            Command::Declare(change) => {
                self.schema = Cow::Owned(change.applied_to(&self.schema));
                Ok(())
            }
            Command::Contact(command) => {
                match &command.key {
                    Some(key) => self.make(command.contact, key)?,
                    None => self.contact(command.contact)?,
                }
                let known = |id| self.schema.property_by_id(id).is_some();
                match command.values.iter().find(|(id, _)| !known(*id)) {
                    Some((id, _)) => Err(format!("property {id} is missing")),
                    None => Ok(()),
                }
            }
            Command::Event(command) if self.schema.event_by_id(command.kind).is_none() => {
                Err(format!("event kind {} is missing", command.kind))
            }
            Command::Event(command) => self.contact(command.contact),
            Command::Erase(contact) => self.contact(*contact),
            Command::Merge { from, into } if from == into => Err(format!("contact {from} is merged into itself")),
            Command::Merge { from, into } => self.contacts(&[*from, *into]),
            Command::CreateSegment(command) => {
                if command.id < self.state.book.next_id() {
                    return Err(format!("segment {} is there already", command.id));
                }
                self.segments.insert(command.id);
                match &command.body {
                    SegmentBody::List(contacts) => self.contacts(contacts),
                    SegmentBody::Frozen(of) => self.segment(*of),
                    SegmentBody::Rule(_) => Ok(()),
                }
            }
            Command::UpdateSegment(change) => self.segment(change.id),
            Command::DeleteSegment(id) => self.segment(*id),
            Command::EditMembers { segment, contacts, .. } => {
                self.segment(*segment)?;
                self.contacts(contacts)
            }
            Command::Found(_)
            | Command::Tick
            | Command::RemoveEvent(_)
            | Command::Remember { .. }
            | Command::Messages(_) => Ok(()),
        }
    }

    fn make(&mut self, contact: ContactId, key: &str) -> Result<(), String> {
        if contact.0 != self.next_contact {
            return Err(format!("contact {contact} is made, but {} would be next", self.next_contact));
        }
        if self.state.index.directory().id(key).is_some_and(|id| self.state.index.live().contains(id.0)) {
            return Err(format!("contact {contact} is made, but its key is there already"));
        }
        self.next_contact += 1;
        Ok(())
    }

    fn contact(&self, contact: ContactId) -> Result<(), String> {
        let is_new = (self.state.index.directory().next_id()..self.next_contact).contains(&contact.0);
        match is_new || self.state.index.live().contains(contact.0) {
            true => Ok(()),
            false => Err(format!("contact {contact} is missing")),
        }
    }

    fn contacts(&self, contacts: &[ContactId]) -> Result<(), String> {
        contacts.iter().try_for_each(|contact| self.contact(*contact))
    }

    fn segment(&self, segment: SegmentId) -> Result<(), String> {
        match self.segments.contains(&segment) || self.state.book.get(segment).is_some() {
            true => Ok(()),
            false => Err(format!("segment {segment} is missing")),
        }
    }
}
