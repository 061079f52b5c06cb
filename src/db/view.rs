//! A view: everything as it was at one LSN, free to hold.

use std::sync::Arc;

use crate::{
    db::{
        answer::Answer,
        error::Error,
        record::{ContactRecord, Page, Place, PlanNode, SegmentInfo, Status, VersionInfo},
    },
    engine::state::State,
    model::{id::Lsn, request::RuleSource, schema::Schema, time::Timestamp},
    rule::{ast::Rule, error::RuleError},
};

/// Everything at one LSN and one instant. Cheap to clone and to keep; never blocks a writer.
#[derive(Clone)]
pub struct View {
    pub(super) state: Arc<State>,
    pub(super) now: Timestamp,
}

impl View {
    /// The last write that this view holds.
    pub fn lsn(&self) -> Lsn {
        unimplemented!()
    }

    /// The instant that ages, windows and periods are measured from.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Everything declared.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.state.schema
    }

    /// Reads a rule by the schema, and checks the segments it names.
    ///
    /// Errors: [`RuleError`] with the place in the source.
    pub fn parse_rule(&self, source: &RuleSource) -> Result<Rule, Box<RuleError>> {
        let _ = source;
        unimplemented!()
    }

    /// The contacts that a rule holds for, measured from `as_of` (`None`: now).
    ///
    /// Errors: [`Error::AsOfPast`], [`Error::Rule`] when the rule names what is not there.
    pub fn query(&self, rule: &Rule, as_of: Option<Timestamp>) -> Result<Answer, Error> {
        let _ = (rule, as_of);
        unimplemented!()
    }

    /// How many contacts a rule holds for.
    ///
    /// Errors: as [`View::query`].
    pub fn count(&self, rule: &Rule, as_of: Option<Timestamp>) -> Result<u64, Error> {
        let _ = (rule, as_of);
        unimplemented!()
    }

    /// How a rule is answered: its plan, with the exact count and the time of each node.
    ///
    /// Errors: as [`View::query`].
    pub fn explain(&self, rule: &Rule, as_of: Option<Timestamp>) -> Result<PlanNode, Error> {
        let _ = (rule, as_of);
        unimplemented!()
    }

    /// Whether a rule holds for one contact, `None` when the key is unknown.
    ///
    /// Errors: as [`View::query`].
    pub fn holds(&self, rule: &Rule, key: &str) -> Result<Option<bool>, Error> {
        let _ = (rule, key);
        unimplemented!()
    }

    /// Everyone, as an answer.
    pub fn everyone(&self) -> Answer {
        unimplemented!()
    }

    /// A contact with its values.
    pub fn contact(&self, key: &str) -> Option<ContactRecord> {
        let _ = key;
        unimplemented!()
    }

    /// Contacts in order of first sight.
    pub fn contacts(&self, after: Option<Place>, limit: usize) -> Page<ContactRecord> {
        let _ = (after, limit);
        unimplemented!()
    }

    /// All segments in order of creation.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        unimplemented!()
    }

    /// A segment by name, without regard to case.
    pub fn segment(&self, name: &str) -> Option<SegmentInfo> {
        let _ = name;
        unimplemented!()
    }

    /// The versions of a dynamic segment's rule, oldest first; empty for a static one.
    pub fn versions(&self, name: &str) -> Option<Vec<VersionInfo>> {
        let _ = name;
        unimplemented!()
    }

    /// The members of a segment.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn members(&self, name: &str) -> Result<Answer, Error> {
        let _ = name;
        unimplemented!()
    }

    /// How many members a segment has.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn member_count(&self, name: &str) -> Result<u64, Error> {
        let _ = name;
        unimplemented!()
    }

    /// Whether a segment holds a contact; an unknown key is in none.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn is_member(&self, name: &str, key: &str) -> Result<bool, Error> {
        let _ = (name, key);
        unimplemented!()
    }

    /// The names of all segments that hold a contact, in order of creation; `None` when the key is unknown.
    pub fn segments_of(&self, key: &str) -> Option<Vec<Box<str>>> {
        let _ = key;
        unimplemented!()
    }

    /// Whether there is an event of this id.
    pub fn has_event(&self, id: &str) -> bool {
        let _ = id;
        unimplemented!()
    }

    /// Figures about this view. Those of the log, the queue and the clock are the database's to tell
    /// ([`crate::db::database::Database::status`]).
    pub fn status(&self) -> Status {
        unimplemented!()
    }
}
