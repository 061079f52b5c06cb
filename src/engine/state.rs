//! The state: everything known at one LSN.

use std::sync::Arc;

use crate::model::{id::Lsn, schema::Schema, time::Timestamp};

/// Everything known at one LSN. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    /// The last batch applied.
    pub lsn: Lsn,
    /// The instant that derived values count up to: the stamp of the last batch.
    pub as_of: Timestamp,
    /// Everything declared.
    pub schema: Arc<Schema>,
}
