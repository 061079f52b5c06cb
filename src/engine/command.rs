//! Commands: what was admitted, by ids and typed values. They cannot fail.

use serde::{Deserialize, Serialize};

use crate::{
    engine::remembered::Remembered,
    model::{
        calendar::Zone,
        id::{ContactId, EventKindId, Lsn, PropertyId, SegmentId},
        request::{Channels, MembersMode},
        schema::{EventKind, Property, Schema},
        time::Timestamp,
        value::Value,
    },
    segment::saved::RuleText,
};

/// Where a batch stands: its place in the log and its instant. Instants never run backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its place in the log.
    pub lsn: Lsn,
    /// Its instant.
    pub at: Timestamp,
}

/// Commands that become visible together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// In order.
    pub commands: Vec<Command>,
}

/// One admitted change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Starts a new database in a time zone, with the starter schema. Only the first command of all.
    Found(Zone),
    /// Lets come due what is due; every batch does that first, this one does nothing else.
    Tick,
    /// Changes what is declared.
    Declare(SchemaChange),
    /// Makes or changes a contact.
    Contact(ContactCommand),
    /// Removes a contact with every trace.
    Erase(ContactId),
    /// Records an event.
    Event(EventCommand),
    /// Takes an event away by its id.
    RemoveEvent(Box<str>),
    /// Saves a segment.
    CreateSegment(SegmentCommand),
    /// Changes a segment.
    UpdateSegment(SegmentChange),
    /// Deletes a segment.
    DeleteSegment(SegmentId),
    /// Changes a static list or pins.
    EditMembers {
        /// Of which segment.
        segment: SegmentId,
        /// How.
        mode: MembersMode,
        /// Which contacts.
        contacts: Vec<ContactId>,
    },
    /// Keeps the outcome of this batch under an idempotency key.
    Remember {
        /// The key.
        key: Box<str>,
        /// The outcome.
        outcome: Remembered,
    },
    /// Gives all that one contact has to another one, and takes the first away.
    Merge {
        /// Who is given up.
        from: ContactId,
        /// Who stays.
        into: ContactId,
    },
    /// Keeps that these messages came, by their digests.
    Messages(Vec<u64>),
}

/// The declarations that a change of the schema touches, by their places.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// Properties; `None` drops.
    pub properties: Vec<(PropertyId, Option<Property>)>,
    /// Event kinds; `None` drops.
    pub events: Vec<(EventKindId, Option<EventKind>)>,
}

impl SchemaChange {
    /// What differs from one schema to the next.
    pub fn between(before: &Schema, after: &Schema) -> SchemaChange {
        let properties = after.property_slots().iter().enumerate();
        let events = after.event_slots().iter().enumerate();
        SchemaChange {
            properties: properties
                .filter(|(place, slot)| before.property_slots().get(*place) != Some(slot))
                .map(|(place, slot)| (PropertyId(place as u16), slot.clone()))
                .collect(),
            events: events
                .filter(|(place, slot)| before.event_slots().get(*place) != Some(slot))
                .map(|(place, slot)| (EventKindId(place as u16), slot.clone()))
                .collect(),
        }
    }

    /// Returns whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.properties.is_empty() && self.events.is_empty()
    }

    /// Whether the answer of every rule that holds before and after the change is the same: what is new no rule names
    /// yet, and names, phrases and labels mean nothing to a rule that is saved.
    pub fn leaves_answers(&self, before: &Schema) -> bool {
        let properties = self.properties.iter().all(|(id, after)| match (before.property_by_id(*id), after) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(before), Some(after)) => {
                (before.ty, before.case_sensitive, &before.derived) == (after.ty, after.case_sensitive, &after.derived)
            }
        });
        let events = self.events.iter().all(|(id, after)| match (before.event_by_id(*id), after) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(before), Some(after)) => {
                before.activity == after.activity && after.properties.starts_with(&before.properties)
            }
        });
        properties && events
    }

    /// The schema with the change made.
    pub fn applied_to(&self, before: &Schema) -> Schema {
        let mut properties = before.property_slots().to_vec();
        for (id, slot) in &self.properties {
            properties.resize(properties.len().max(id.index() + 1), None);
            properties[id.index()] = slot.clone();
        }
        let mut events = before.event_slots().to_vec();
        for (id, slot) in &self.events {
            events.resize(events.len().max(id.index() + 1), None);
            events[id.index()] = slot.clone();
        }
        Schema::new(before.zone().clone(), properties, events)
    }
}

/// Makes or changes a contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactCommand {
    /// Who.
    pub contact: ContactId,
    /// The key, when the contact is new.
    pub key: Option<Box<str>>,
    /// Whether properties that are not named lose their (written) values.
    pub replace: bool,
    /// Values by property, sorted by property, each at most once; `None` removes.
    pub values: Vec<(PropertyId, Option<Value>)>,
}

/// Records an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventCommand {
    /// Of which kind.
    pub kind: EventKindId,
    /// Whose.
    pub contact: ContactId,
    /// When.
    pub at: Timestamp,
    /// The caller's id.
    pub id: Option<Box<str>>,
    /// Values by position of the kind's properties, sorted, each at most once.
    pub values: Vec<(u16, Value)>,
}

/// Saves a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentCommand {
    /// Its number.
    pub id: SegmentId,
    /// Its name.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// Of a suppression, the channels that it masks.
    pub channels: Option<Channels>,
    /// What it is made from.
    pub body: SegmentBody,
    /// By which access key, if by one.
    pub by: Option<Box<str>>,
}

/// What a new segment is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SegmentBody {
    /// A rule.
    Rule(RuleText),
    /// A list.
    List(Vec<ContactId>),
    /// A list of whom another segment holds.
    Frozen(SegmentId),
}

/// Changes a segment; what is `None` stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentChange {
    /// Which one.
    pub id: SegmentId,
    /// A new name.
    pub name: Option<Box<str>>,
    /// A new description.
    pub description: Option<Option<Box<str>>>,
    /// New channels of a suppression.
    pub channels: Option<Channels>,
    /// A new rule.
    pub rule: Option<RuleText>,
    /// By which access key, if by one.
    pub by: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        calendar::Zone,
        name::Name,
        request::{EventPatch, EventPropertyPatch, PropertyPatch, SchemaPatch},
    };

    #[test]
    fn only_what_may_change_an_answer_is_told_apart() {
        let before = Schema::starter(Zone::utc());
        let name = |name: &str| Name::new(name).unwrap();
        let property = |of: &str, patch: Option<PropertyPatch>| SchemaPatch {
            properties: vec![(name(of), patch)],
            ..SchemaPatch::default()
        };
        let event = |of: &str, patch: Option<EventPatch>| SchemaPatch {
            events: vec![(name(of), patch)],
            ..SchemaPatch::default()
        };
        let number = Some(EventPropertyPatch { ty: Some("number".into()), ..EventPropertyPatch::default() });
        let with = |of: &str, patch: Option<EventPropertyPatch>| EventPatch {
            properties: vec![(name(of), patch)],
            ..EventPatch::default()
        };
        let text = PropertyPatch { ty: Some("text".into()), ..PropertyPatch::default() };
        let alias = PropertyPatch { aliases: Some(vec![name("town")]), ..PropertyPatch::default() };
        let cased = PropertyPatch { case_sensitive: Some(true), ..PropertyPatch::default() };
        let plain = PropertyPatch { derived: Some(None), ..PropertyPatch::default() };
        let phrase = EventPatch { phrases: Some(vec!["rang".into()]), ..EventPatch::default() };
        let idle = EventPatch { activity: Some(false), ..EventPatch::default() };
        let cases = [
            (property("nickname", Some(text)), true),
            (property("city", Some(alias)), true),
            (property("city", Some(cased)), false),
            (property("city", None), false),
            (property("purchase_total", Some(plain)), false),
            (event("call", Some(EventPatch::default())), true),
            (event("conversation", Some(with("minutes", number))), true),
            (event("conversation", Some(phrase)), true),
            (event("conversation", Some(idle)), false),
            (event("conversation", Some(EventPatch { label: Some(None), ..EventPatch::default() })), true),
            (event("conversation", Some(EventPatch { label: Some(None), ..with("channel", None) })), false),
            (event("conversation", None), false),
        ];
        for (patch, leaves) in cases {
            let change = SchemaChange::between(&before, &before.patched(&patch).unwrap());
            assert!(!change.is_empty(), "{patch:?}");
            assert_eq!(change.leaves_answers(&before), leaves, "{patch:?}");
        }
    }
}
