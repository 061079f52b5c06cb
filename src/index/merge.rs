//! Merging: all that is known of one contact becomes another one's.

use std::sync::Arc;

use crate::{
    index::{Index, event_index::EventIndex, pending::Due},
    model::{
        convert::DistinctTexts,
        id::{ContactId, EventKindId, PropertyId},
        limits,
        schema::{Schema, Writer},
        time::Timestamp,
        value::Value,
    },
};

/// What may have changed of the contact that stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Properties.
    pub properties: Vec<PropertyId>,
    /// Kinds of events.
    pub kinds: Vec<EventKindId>,
}

impl Index {
    /// Gives what one contact has to another one, and takes the first away. Where both have a value that of the second
    /// stays; a set holds what it had and then what is new, as far as its limit goes. Events keep their ids, instants
    /// and values; they happened before, so none is the next one that a written value stands until.
    pub fn merge(&mut self, schema: &Schema, as_of: Timestamp, from: ContactId, into: ContactId) -> Moved {
        let mut moved = Moved::default();
        for property in schema.properties() {
            let changed = match &property.derived {
                // What stands until the next event would hide what the one that stays has.
                Some(derived) if derived.writer == Writer::UntilNext && self.value(property.id, into).is_some() => {
                    false
                }
                Some(_) => self.give_written(property.id, from, into),
                None => self.give_value(property.id, from, into),
            };
            if changed {
                moved.properties.push(property.id);
            }
        }
        for kind in schema.events() {
            if self.give_events(kind.id, as_of, from, into) {
                moved.kinds.push(kind.id);
            }
        }
        self.erase(from);
        let plan = Arc::clone(&self.events.plan);
        for formula in plan.formulas() {
            if self.rederive(formula, into, as_of) {
                moved.properties.push(formula.property);
            }
        }
        moved
    }

    fn give_value(&mut self, property: PropertyId, from: ContactId, into: ContactId) -> bool {
        let Some(value) = self.value(property, from) else { return false };
        let value = match (self.value(property, into), value) {
            (None, value) => value,
            (Some(Value::Set(held)), Value::Set(more)) => {
                let case_sensitive = self.property(property).is_some_and(|index| index.case_sensitive());
                Value::Set(united(held, &more, case_sensitive))
            }
            (Some(_), _) => return false,
        };
        self.set(property, into, Some(&value))
    }

    /// What was written of a derived property, beside what is computed.
    fn give_written(&mut self, property: PropertyId, from: ContactId, into: ContactId) -> bool {
        let Some(written) = self.events.written.get_mut(property.index()).and_then(Option::as_mut) else {
            return false;
        };
        let Some(value) = written.value(from).filter(|_| !written.has(into)) else { return false };
        Arc::make_mut(written).set(into, Some(&value))
    }

    fn give_events(&mut self, kind: EventKindId, as_of: Timestamp, from: ContactId, into: ContactId) -> bool {
        let store = &mut self.events;
        let Some(log) = store.kinds.get_mut(kind.index()).and_then(Option::as_mut) else { return false };
        if !log.presence().contains(from.0) {
            return false;
        }
        for (at, id) in Arc::make_mut(log).give(from, into) {
            if let Some(id) = id {
                store.ids.give(id, into);
            }
            if at > as_of && store.pending.remove(Due { at, kind, contact: from }) {
                store.pending.insert(Due { at, kind, contact: into });
            }
        }
        true
    }
}

/// A set with what another one has beside, as far as the limit goes.
fn united(held: Vec<Box<str>>, more: &[Box<str>], case_sensitive: bool) -> Vec<Box<str>> {
    let mut texts = DistinctTexts::new(case_sensitive, held);
    more.iter().for_each(|text| texts.add(text));
    let mut texts = texts.into_texts();
    texts.truncate(limits::SET_VALUES_MAX);
    texts
}

impl EventIndex {
    /// Gives every event of one contact to another one. Returns their instants, and the references of their ids.
    fn give(&mut self, from: ContactId, into: ContactId) -> Vec<(Timestamp, Option<u32>)> {
        let group = self.group(from);
        let width = self.types.len();
        let events: Vec<(Timestamp, Option<u32>, Vec<Option<Value>>)> = (0..group.len())
            .map(|i| (group.time(i), group.id(i), (0..width).map(|at| self.value(&group, at, i)).collect()))
            .collect();
        for (at, id, values) in &events {
            self.record(into, *at, values, *id);
        }
        // Last, so that no text leaves its dictionary to come back at once.
        self.erase(from);
        events.into_iter().map(|(at, id, _)| (at, id)).collect()
    }
}
