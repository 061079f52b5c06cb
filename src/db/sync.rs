//! Where the threads of a database meet: locks, wake-ups, channels, the published pointer. They are the standard
//! library's; in unit tests each of them can stand under a scheduler that tries other orders (`scheduled.rs`).

#[cfg(not(test))]
pub(super) use arc_swap::{ArcSwap, ArcSwapOption};
#[cfg(not(test))]
pub(super) use std::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicI64, AtomicU64},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{ThreadId, sleep},
};

#[cfg(not(test))]
pub(super) use crate::storage::real_disk::give_way;

#[cfg(test)]
pub(super) use crate::db::scheduled::{
    ArcSwap, ArcSwapOption, AtomicI64, AtomicU64, Condvar, Mutex, MutexGuard, Receiver, SyncSender, ThreadId, give_way,
    me, sleep, spawn, sync_channel,
};

/// Starts a thread of the database.
///
/// Errors: those of the system.
#[cfg(not(test))]
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<ThreadId> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(|running| running.thread().id())
}

/// The thread that asks.
#[cfg(not(test))]
pub(super) fn me() -> ThreadId {
    std::thread::current().id()
}
