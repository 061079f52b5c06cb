//! The database: one open folder, or one in memory.

use std::sync::Arc;

use crate::{
    db::{
        error::Error,
        options::Options,
        record::{SnapshotInfo, Status, Written},
        view::View,
    },
    model::{request::Request, time::Timestamp},
};

/// An open database. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Database {
    _inner: Arc<()>,
}

/// Makes a retried write safe: the same key with the same digest is answered as the first time, for 24 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The caller's idempotency key.
    pub key: Box<str>,
    /// A digest of the whole call; another one under the same key is refused.
    pub digest: u64,
}

/// What to write: requests, each judged by itself, all in one batch.
#[derive(Clone, Debug, Default)]
pub struct Write {
    /// What is asked.
    pub requests: Vec<Request>,
    /// How a retry is told.
    pub once: Option<Once>,
}

impl From<Vec<Request>> for Write {
    fn from(requests: Vec<Request>) -> Write {
        Write { requests, once: None }
    }
}

/// Called by the writer's thread with the outcome; must not block.
pub type Callback = Box<dyn FnOnce(Result<Written, Error>) + Send>;

impl Database {
    /// Opens a folder (made when it is not there) and recovers what it holds.
    ///
    /// Errors: [`Error::Storage`], [`Error::ZoneFixed`], [`Error::ClockBehind`].
    pub fn open(options: Options) -> Result<Database, Error> {
        let _ = options;
        unimplemented!()
    }

    /// Everything as of the last write, measured from now.
    pub fn view(&self) -> View {
        unimplemented!()
    }

    /// Writes a batch and waits until it is durable and visible.
    ///
    /// Errors: [`Error::Busy`], [`Error::OutcomeUnknown`], [`Error::ReadOnly`], [`Error::KeyReused`]. What is wrong
    /// with a single request is in [`Written::results`].
    pub fn write(&self, write: impl Into<Write>) -> Result<Written, Error> {
        let _ = write.into();
        unimplemented!()
    }

    /// Queues a batch; `done` is called once it is durable and visible, or at once when it cannot be queued.
    pub fn submit(&self, write: impl Into<Write>, done: Callback) {
        let _ = (write.into(), done);
        unimplemented!()
    }

    /// Moves a manual clock ahead; everything due by then has happened when this returns.
    ///
    /// Errors: [`Error::ClockBack`], [`Error::ClockNotManual`].
    pub fn move_clock(&self, to: Timestamp) -> Result<Written, Error> {
        let _ = to;
        unimplemented!()
    }

    /// Writes a snapshot of now while writes go on.
    ///
    /// Errors: [`Error::Storage`].
    pub fn snapshot(&self) -> Result<SnapshotInfo, Error> {
        unimplemented!()
    }

    /// Figures about the database.
    pub fn status(&self) -> Status {
        unimplemented!()
    }

    /// Writes what waits, seals the log and stops; later writes are [`Error::Closed`], views go on.
    ///
    /// Errors: [`Error::Storage`].
    pub fn close(&self) -> Result<(), Error> {
        unimplemented!()
    }
}
