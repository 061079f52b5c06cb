//! The events of every kind with what hangs on them: ids, what is to come due, written values of derived properties.

use std::sync::Arc;

use crate::{
    index::{
        derive_plan::Plan, event_ids::EventIds, event_index::EventIndex, pending::Pending, property::PropertyIndex,
    },
    model::id::EventKindId,
};

/// Everything of the index that comes from events.
#[derive(Clone, Debug, Default)]
pub struct EventStore {
    /// By kind id; `None` where one was dropped.
    pub(super) kinds: Vec<Option<Arc<EventIndex>>>,
    pub(super) ids: EventIds,
    pub(super) pending: Pending,
    /// By property id; what was written of a derived property, beside what is computed.
    pub(super) written: Vec<Option<Arc<PropertyIndex>>>,
    /// How derived properties follow from events; made from the schema.
    pub(super) plan: Arc<Plan>,
}

impl EventStore {
    /// The events of a kind, unless it was dropped.
    pub fn kind(&self, kind: EventKindId) -> Option<&EventIndex> {
        self.kinds.get(kind.index())?.as_deref()
    }

    /// How many events there are of all kinds.
    pub fn len(&self) -> u64 {
        self.kinds.iter().flatten().map(|kind| kind.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
