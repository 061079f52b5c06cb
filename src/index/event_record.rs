//! Recording and removing events across the index: the log, the ids, what is to come due, what is derived.

use std::sync::Arc;

use crate::{
    index::{
        Index,
        derive_plan::{Formula, Measure, Plan},
        event_index::{EventIndex, Taken},
        event_store::EventStore,
        pending::Due,
    },
    model::{
        id::{ContactId, EventKindId},
        schema::Schema,
        time::Timestamp,
        value::Value,
    },
};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is in the log.
    Recorded,
    /// An event of this id was there already; nothing changed.
    Duplicate,
}

/// An event that is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Whose it was.
    pub contact: ContactId,
    /// Of what kind.
    pub kind: EventKindId,
    /// When.
    pub at: Timestamp,
}

impl Index {
    /// Everything that comes from events.
    pub fn events(&self) -> &EventStore {
        &self.events
    }

    /// The events of a kind, unless it was dropped.
    pub fn event(&self, kind: EventKindId) -> Option<&EventIndex> {
        self.events.kind(kind)
    }

    /// Records an event of a kind that the schema has. `values` go by property position; the same id twice counts once.
    /// Derived properties take in at once what is not dated after `as_of`.
    pub fn record_event(
        &mut self,
        schema: &Schema,
        as_of: Timestamp,
        contact: ContactId,
        kind: EventKindId,
        at: Timestamp,
        values: &[Option<Value>],
        id: Option<&str>,
    ) -> Recorded {
        let store = &mut self.events;
        let reference = match id {
            None => None,
            Some(id) => match store.ids.insert(id, kind, contact) {
                None => return Recorded::Duplicate,
                reference => reference,
            },
        };
        store.kind_mut(schema, kind).record(contact, at, values, reference);
        if at > as_of {
            store.pending.insert(Due { at, kind, contact });
        } else {
            self.take_effect(as_of, contact, kind, at, values);
        }
        Recorded::Recorded
    }

    /// Whose event an id names, and of which kind.
    pub fn find_event(&self, id: &str) -> Option<(EventKindId, ContactId)> {
        self.events.ids.place(self.events.ids.find(id)?)
    }

    /// Takes out the event of an id; the id may be used again. `None` when there is no such event.
    pub fn remove_event(&mut self, as_of: Timestamp, id: &str) -> Option<Removed> {
        let reference = self.events.ids.find(id)?;
        let (kind, contact) = self.events.ids.place(reference)?;
        let log = self.events.kinds.get_mut(kind.index()).and_then(Option::as_mut)?;
        let taken = Arc::make_mut(log).remove(contact, reference)?;
        self.events.ids.remove(reference);
        if !self.events.pending.remove(Due { at: taken.at, kind, contact }) {
            self.lose_effect(as_of, contact, kind);
        }
        Some(Removed { contact, kind, at: taken.at })
    }

    /// Follows the schema: logs for new kinds, none for dropped ones, new properties missing in older events, dropped
    /// ones gone; and every derived property whose definition is new or changed is computed anew. A plain property that
    /// became derived keeps its values as written ones; a derived one that became plain keeps its effective values.
    ///
    /// Call it after [`Index::sync_schema`], with the clock of the data.
    pub fn sync_events(&mut self, schema: &Schema, as_of: Timestamp) {
        self.events.sync_kinds(schema);
        let plan = Arc::new(Plan::of(schema));
        let before = std::mem::replace(&mut self.events.plan, Arc::clone(&plan));
        for place in 0..self.events.written.len() {
            let written = &mut self.events.written[place];
            let ty = written.as_ref().map(|written| written.ty());
            let formula = schema.property_slots().get(place).and_then(Option::as_ref);
            let formula = formula.and_then(|property| plan.formula(property.id));
            if formula.map(|formula| formula.ty) != ty {
                *written = None;
            }
        }
        for formula in plan.changed_since(&before) {
            // A first event of a new name must not cost a walk over all contacts.
            if before.formula(formula.property).is_some_and(|old| self.events.gained_nothing(old, formula)) {
                continue;
            }
            let plain = before.formula(formula.property).is_none();
            if plain && let Some(values) = self.properties.get(formula.property.index()).cloned().flatten() {
                *self.written_slot(formula.property) = Some(values);
            }
            self.rederive_all(formula, as_of);
        }
    }

    /// Takes out every event of a contact with its ids, and what was written of its derived properties. Says whether
    /// there was an event.
    pub fn erase_events(&mut self, contact: ContactId) -> bool {
        let store = &mut self.events;
        let mut any = false;
        for place in 0..store.kinds.len() {
            let Some(log) = store.kinds[place].as_mut().filter(|log| log.presence().contains(contact.0)) else {
                continue;
            };
            let kind = EventKindId(place as u16);
            for Taken { at, id } in Arc::make_mut(log).erase(contact) {
                any = true;
                if let Some(id) = id {
                    store.ids.remove(id);
                }
                store.pending.remove(Due { at, kind, contact });
            }
        }
        for written in store.written.iter_mut().flatten() {
            if written.has(contact) {
                Arc::make_mut(written).set(contact, None);
            }
        }
        any
    }

    /// Merges what arrived lately into the packed logs: after a bulk load, to give memory back. Nothing seen changes.
    pub fn settle_events(&mut self) {
        for log in self.events.kinds.iter_mut().flatten() {
            Arc::make_mut(log).settle();
        }
    }
}

impl EventStore {
    /// Whether a formula differs from what it was only by kinds that have no event yet.
    fn gained_nothing(&self, old: &Formula, new: &Formula) -> bool {
        let (Some(Measure::Latest(had)), Some(Measure::Latest(has))) = (&old.measure, &new.measure) else {
            return false;
        };
        let adds_nothing = |kind: &EventKindId| had.contains(kind) || self.kind(*kind).is_none_or(EventIndex::is_empty);
        old.ty == new.ty
            && old.writer == new.writer
            && had.iter().all(|kind| has.contains(kind))
            && has.iter().all(adds_nothing)
    }

    fn kind_mut(&mut self, schema: &Schema, kind: EventKindId) -> &mut EventIndex {
        if self.kinds.len() <= kind.index() {
            self.kinds.resize(kind.index() + 1, None);
        }
        let slot = &mut self.kinds[kind.index()];
        let log =
            slot.get_or_insert_with(|| Arc::new(schema.event_by_id(kind).map(EventIndex::new).unwrap_or_default()));
        Arc::make_mut(log)
    }

    fn sync_kinds(&mut self, schema: &Schema) {
        for place in 0..self.kinds.len().max(schema.event_slots().len()) {
            let kind = EventKindId(place as u16);
            match schema.event_by_id(kind) {
                Some(declared) => {
                    self.kind_mut(schema, kind).sync_kind(declared);
                }
                None if self.kind(kind).is_some() => self.drop_kind(kind),
                None => {}
            }
        }
    }

    /// Forgets a kind with its events, their ids and what of it was to come due.
    fn drop_kind(&mut self, kind: EventKindId) {
        self.kinds[kind.index()] = None;
        let ids: Vec<u32> =
            self.ids.iter().filter(|id| self.ids.place(*id).is_some_and(|(of, _)| of == kind)).collect();
        ids.into_iter().for_each(|id| self.ids.remove(id));
        if self.pending.iter().any(|due| due.kind == kind) {
            self.pending.retain(|due| due.kind != kind);
        }
    }
}
