//! What time alone will do to a contact: the next change of each of its memberships.

use crate::{
    db::view::View,
    model::{id::SegmentId, time::Timestamp},
    segment::{live::Facts, outlook::NextChange},
};

/// A change of a membership by the passing of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coming {
    /// The segment.
    pub segment: Box<str>,
    /// When.
    pub at: Timestamp,
    /// Whether the contact is a member from then on.
    pub member: bool,
}

/// The next changes of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComingChanges {
    /// One for each segment that time alone will change, the nearest first.
    pub changes: Vec<Coming>,
    /// How many segments were looked at, until a change or as far as there is any.
    pub looked_at: usize,
    /// How many were not, or not to the end, as there are more or their windows hold very many events.
    pub left_out: usize,
}

impl View {
    /// The next change of each membership of a contact by time alone, the nearest first; `None` when the key is unknown.
    /// At most so many segments are looked at, those that hold the contact first.
    pub fn coming(&self, key: &str, most: usize) -> Option<ComingChanges> {
        let contact = self.id(key)?;
        let state = self.state();
        // While something due waits for its tick, as of the last write: see `View::reasons`.
        let waits = state.next_due().is_some_and(|due| due <= self.now());
        let at = if waits { state.as_of } else { self.now() };
        let mut segments: Vec<SegmentId> = state.book.listed().map(|segment| segment.id).collect();
        segments.sort_by_key(|segment| !state.live.members(*segment).contains(contact.0));
        let left_out = segments.len().saturating_sub(most);
        segments.truncate(most);
        // Once for all segments: what is to come for others matters to none of them.
        let mut index = state.index.clone();
        index.keep_due(|due| due.contact == contact);
        let facts = Facts { index: &index, ..state.facts() };
        let (mut changes, mut unsure) = (Vec::new(), 0);
        for segment in &segments {
            match state.live.outlook(facts, *segment, contact, at).next_change(at) {
                NextChange::At(at, member) => {
                    changes.push(Coming { segment: state.book.get(*segment)?.name.clone(), at, member });
                }
                NextChange::After(_) => unsure += 1,
                NextChange::Never => {}
            }
        }
        changes.sort_by(|a, b| (a.at, &a.segment).cmp(&(b.at, &b.segment)));
        Some(ComingChanges { changes, looked_at: segments.len() - unsure, left_out: left_out + unsure })
    }
}
