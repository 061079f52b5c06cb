//! The state: everything known at one LSN.

use std::sync::Arc;

use crate::{
    engine::remembered::Memory,
    index::Index,
    model::{calendar::Zone, id::Lsn, schema::Schema, time::Timestamp},
    query::context::Context,
    segment::book::Book,
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
    /// Outcomes under idempotency keys.
    pub memory: Memory,
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
            memory: Memory::default(),
        }
    }

    /// What rules are bound against, measured from `now`; the segments that they name are measured from `as_of`.
    pub fn context(&self, now: Timestamp, as_of: Timestamp) -> Context<'_> {
        Context { schema: &self.schema, segments: &self.book, now, as_of }
    }

    /// When the next future-dated event comes due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.index.next_due()
    }
}
