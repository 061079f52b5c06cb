//! The state: everything known at one LSN.

use std::sync::Arc;

use crate::{
    engine::{messages::Messages, remembered::Memory},
    index::Index,
    model::{calendar::Zone, id::Lsn, schema::Schema, time::Timestamp},
    query::context::Context,
    segment::{
        book::Book,
        live::{Facts, Holding, Live},
    },
};

/// Everything known at one LSN. Cheap to clone; a clone stays as it was.
#[derive(Clone, Debug)]
pub struct State {
    /// The last batch applied; 0 before the first.
    pub lsn: Lsn,
    /// The instant that derived values count up to: the stamp of the last batch.
    pub as_of: Timestamp,
    /// Everything declared.
    pub schema: Arc<Schema>,
    /// The facts.
    pub index: Index,
    /// The saved segments.
    pub book: Book,
    /// Who is in them.
    pub live: Live,
    /// Outcomes under idempotency keys.
    pub memory: Memory,
    /// Messages that came.
    pub messages: Messages,
}

impl State {
    /// The state before the first batch.
    pub fn empty() -> State {
        let schema = Schema::starter(Zone::utc());
        let mut index = Index::new(&schema);
        index.sync_events(&schema, Timestamp::MIN);
        State {
            lsn: Lsn(0),
            as_of: Timestamp::MIN,
            index,
            schema: Arc::new(schema),
            book: Book::default(),
            live: Live::default(),
            memory: Memory::default(),
            messages: Messages::default(),
        }
    }

    /// What rules are bound against, measured from `now`; the segments that they name hold whom they hold at `as_of`.
    pub fn context<'a>(&'a self, segments: &'a Holding<'a>, now: Timestamp) -> Context<'a> {
        Context { schema: &self.schema, segments, now, as_of: self.as_of }
    }

    /// The saved segments as sets of whom they hold.
    pub fn holding(&self) -> Holding<'_> {
        Holding { book: &self.book, live: &self.live }
    }

    /// What is kept of segments, to be changed, and the facts that it follows.
    pub(super) fn live_and_facts(&mut self) -> (&mut Live, Facts<'_>) {
        let State { live, index, book, schema, .. } = self;
        (live, Facts { schema, index, book })
    }

    /// The facts that memberships follow.
    pub fn facts(&self) -> Facts<'_> {
        Facts { schema: &self.schema, index: &self.index, book: &self.book }
    }

    /// When something comes due by time alone: a future-dated event, or what may be a change of a membership.
    pub fn next_due(&self) -> Option<Timestamp> {
        [self.index.next_due(), self.live.next_due()].into_iter().flatten().min()
    }
}
