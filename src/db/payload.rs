//! Payloads of the log: that of a long batch is made on a thread of its own while the next batch is admitted.

use std::{
    panic::resume_unwind,
    sync::Arc,
    thread::{self, JoinHandle},
};

use crate::{
    engine::{command::Batch, record},
    model::{request::Request, time::Timestamp},
};

/// Shorter batches are encoded sooner than a thread starts.
const LONG: usize = 512;

/// The payload of one entry of the log.
pub(super) enum Payload {
    /// As bytes.
    Ready(Vec<u8>),
    /// On its way.
    Coming(JoinHandle<Vec<u8>>),
}

impl Payload {
    /// The payload of a batch; what it was made from goes away on the same thread.
    pub(super) fn of(at: Timestamp, batch: Batch, requests: Vec<Request>) -> Payload {
        if batch.commands.len() < LONG {
            return Payload::Ready(record::encode(at, &batch));
        }
        let done_with = Arc::new((batch, requests));
        let work = Arc::clone(&done_with);
        let coming = thread::Builder::new().name("throng-payload".into()).spawn(move || record::encode(at, &work.0));
        coming.map_or_else(|_no_thread| Payload::Ready(record::encode(at, &done_with.0)), Payload::Coming)
    }

    /// The bytes, once they are there.
    pub(super) fn wait(self) -> Vec<u8> {
        match self {
            Payload::Ready(bytes) => bytes,
            Payload::Coming(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        }
    }
}
