//! Suppressions: named masks over every audience.

use crate::{
    db::{
        answer::Answer,
        error::Error,
        record::SegmentInfo,
        view::{View, told},
    },
    engine::state::State,
    model::{id::ContactId, request::Channels},
    segment::saved::{Segment, folded},
};

/// A suppression, without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressionInfo {
    /// Its name, rule and version, as those of a segment.
    pub info: SegmentInfo,
    /// The channels that it masks, folded, sorted; none stands for every channel.
    pub channels: Channels,
    /// How many contacts it holds.
    pub count: u64,
}

/// Whether a suppression applies to a send over a channel. A send that names no channel may go over any: every
/// suppression applies.
pub(super) fn masks(suppression: &Segment, channel: Option<&str>) -> bool {
    let Some(channels) = &suppression.channels else { return false };
    match channel {
        None => true,
        Some(channel) => channels.is_empty() || channels.contains(&folded(channel)),
    }
}

impl View {
    fn suppression_info(&self, suppression: &Segment) -> SuppressionInfo {
        SuppressionInfo {
            info: told(suppression),
            channels: suppression.channels.clone().unwrap_or_default(),
            count: self.state().live.members(suppression.id).len(),
        }
    }

    /// All suppressions in order of creation.
    pub fn suppressions(&self) -> Vec<SuppressionInfo> {
        self.state().book.suppressions().map(|suppression| self.suppression_info(suppression)).collect()
    }

    /// A suppression by name, without regard to case.
    pub fn suppression(&self, name: &str) -> Option<SuppressionInfo> {
        self.state().book.find_suppression(name).map(|suppression| self.suppression_info(suppression))
    }

    /// The contacts that a suppression holds.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn suppressed(&self, name: &str) -> Result<Answer, Error> {
        let found = self.state().book.find_suppression(name).ok_or_else(|| Error::NoSegment(name.into()))?;
        Ok(Answer::new(self.clone(), self.state().live.members(found.id).clone()))
    }

    /// The suppressions that hold a contact.
    pub(super) fn suppressions_of(&self, contact: ContactId) -> Vec<SuppressionInfo> {
        let State { book, live, .. } = self.state();
        let holding = book.suppressions().filter(|suppression| live.members(suppression.id).contains(contact.0));
        holding.map(|suppression| self.suppression_info(suppression)).collect()
    }
}
