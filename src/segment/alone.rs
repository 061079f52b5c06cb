//! Some segments alone: what is kept of them and of what they depend on, for looks ahead that leave the rest out.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use crate::{
    model::id::{EventKindId, PropertyId, SegmentId},
    segment::{history::History, live::Live},
};

impl Live {
    /// Some segments and all that they depend on, over any number of steps; those that others name come first.
    pub fn reach(&self, of: impl IntoIterator<Item = SegmentId>) -> Vec<SegmentId> {
        let mut open: Vec<SegmentId> = of.into_iter().collect();
        let mut found: BTreeSet<(u32, SegmentId)> = BTreeSet::new();
        while let Some(id) = open.pop() {
            let Some(kept) = self.kept.get(id.0) else { continue };
            if found.insert((kept.rank, id))
                && let Some(formula) = &kept.formula
            {
                open.extend(formula.parts().segments);
            }
        }
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// These segments alone, as they are now, without their past and without the feed. What it asks, it asks with
    /// predicates of its own, so that it holds up nobody.
    pub fn only(&self, segments: &[SegmentId]) -> Live {
        let mut live = Live { next_place: self.next_place, tuning: self.tuning, ..Live::default() };
        let mut places = HashMap::new();
        let chosen: BTreeSet<SegmentId> = segments.iter().copied().collect();
        let users = |users: &[SegmentId]| -> Arc<Vec<SegmentId>> {
            Arc::new(users.iter().filter(|user| chosen.contains(user)).copied().collect())
        };
        for id in segments {
            let Some(mut kept) = self.kept.get(id.0).cloned() else { continue };
            kept.history = History::default();
            kept.users = users(&kept.users);
            for place in kept.formula.iter().flat_map(|formula| formula.parts().predicates) {
                let Some(predicate) = self.predicates.get(place).filter(|_| live.predicates.get(place).is_none())
                else {
                    continue;
                };
                let standing = predicate.standing().clone();
                places.insert(standing.rule().clone(), place);
                let mut predicate = predicate.clone();
                predicate.standing = Arc::new(Mutex::new(standing));
                predicate.users = users(&predicate.users);
                if let Some(wake) = predicate.wake {
                    live.wakes.insert((wake, place));
                }
                live.predicates.set(place, Some(predicate));
            }
            live.kept.set(id.0, Some(kept));
        }
        live.places = Arc::new(places);
        live.index_readers();
        live
    }

    /// Whether some predicate reads a property.
    pub fn reads_property(&self, property: PropertyId) -> bool {
        self.readers.properties.get(property.index()).is_some_and(|readers| !readers.is_empty())
    }

    /// Whether some predicate reads events of a kind.
    pub fn reads_kind(&self, kind: EventKindId) -> bool {
        self.readers.kinds.get(kind.index()).is_some_and(|readers| !readers.is_empty())
    }
}
