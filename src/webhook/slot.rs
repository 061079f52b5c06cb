//! One endpoint at work: what is kept of it, and what is in memory alone.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    db::clock::Stopwatch,
    webhook::endpoint::{Endpoint, Try, remember},
};

/// One endpoint at work.
pub struct Slot {
    endpoint: Mutex<Endpoint>,
    tries: Mutex<VecDeque<Try>>,
    /// Counts the owner's changes, and wakes the task.
    changes: watch::Sender<u64>,
    gone: AtomicBool,
    /// Whether its task stopped by a fault of the program and has told nothing since.
    faulty: AtomicBool,
    /// Since the last call that ended, or the start.
    tried: Mutex<Stopwatch>,
    /// Held while a test message is under way.
    pub(super) testing: tokio::sync::Mutex<()>,
}

impl Slot {
    pub(super) fn new(endpoint: Endpoint) -> Arc<Slot> {
        Arc::new(Slot {
            endpoint: Mutex::new(endpoint),
            tries: Mutex::default(),
            changes: watch::Sender::new(0),
            gone: AtomicBool::new(false),
            faulty: AtomicBool::new(false),
            tried: Mutex::new(Stopwatch::start()),
            testing: tokio::sync::Mutex::default(),
        })
    }

    /// The endpoint, for a moment.
    pub fn endpoint(&self) -> MutexGuard<'_, Endpoint> {
        // Changes are made by whole assignments, so it is whole whatever panicked.
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tries of the last past, the newest first.
    pub fn tries(&self) -> Vec<Try> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Remembers a try.
    pub(super) fn note(&self, one: Try) {
        remember(&mut self.tries.lock().unwrap_or_else(PoisonError::into_inner), one);
    }

    /// Hears of the owner's changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How many changes the owner has made.
    pub(super) fn changed(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Changes the endpoint and wakes its task, in one step for whoever holds the endpoint.
    pub(super) fn change<E>(&self, change: impl FnOnce(&mut Endpoint) -> Result<(), E>) -> Result<(), E> {
        let mut endpoint = self.endpoint();
        let mut next = endpoint.clone();
        change(&mut next)?;
        *endpoint = next;
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Lets its task end.
    pub(super) fn delete(&self) {
        self.gone.store(true, Ordering::Release);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Whether it was deleted.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Notes that its task stopped by a fault, or that it works. Gives what was noted before.
    pub(super) fn set_faulty(&self, is_faulty: bool) -> bool {
        self.faulty.swap(is_faulty, Ordering::AcqRel)
    }

    /// For how long it was tried since this was asked last.
    pub(super) fn tried_for(&self) -> Duration {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *tried, Stopwatch::start()).elapsed()
    }

    /// What an operator has to know of it.
    pub(super) fn wrong(&self) -> Option<String> {
        let endpoint = self.endpoint();
        let fault =
            self.faulty.load(Ordering::Acquire).then_some("stopped by a fault of the program, and started again");
        endpoint.status.reason().or(fault).map(|reason| format!("{}: {reason}", endpoint.id))
    }
}
