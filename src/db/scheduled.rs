//! The meeting points of `sync.rs` in unit tests. Made by a thread under a scheduler they are those of `shuttle`, so that
//! every step at one of them is a place where another thread may come first; else they are the standard library's. The
//! code of the database is the same for both.
//!
//! Time under a scheduler: a wait with a limit either ends at once as if the limit were over, or only when somebody
//! wakes it. Nothing may depend on which. Without limits it is always the latter, so that nobody who forgot to wake a
//! thread is saved by its limit.

use std::{
    cell::Cell,
    io,
    ops::{Deref, DerefMut},
    sync::{self, Arc, LockResult, PoisonError, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use shuttle::rand::Rng;

use crate::{model::time::Timestamp, storage::real_disk};

thread_local! {
    static SCHEDULED: Cell<bool> = const { Cell::new(false) };
    static TIME: Cell<Option<Timestamp>> = const { Cell::new(None) };
    static LIMITS: Cell<bool> = const { Cell::new(true) };
}

/// The time of day that was set for the threads under this scheduler, if it was.
pub(super) fn set_time() -> Option<Timestamp> {
    TIME.get()
}

/// Sets the system's clock for them, to whatever time.
pub(super) fn set_clock(to: Option<Timestamp>) {
    TIME.set(to);
}

/// Whether waits of the threads under this scheduler may end by their limits.
pub(super) fn set_limits(to: bool) {
    LIMITS.set(to);
}

/// Whether this thread is under a scheduler.
fn is_scheduled() -> bool {
    SCHEDULED.get()
}

/// Runs what a scheduler schedules: all its threads share the one of the system that this is called on.
pub(super) fn under_a_scheduler<R>(work: impl FnOnce() -> R) -> R {
    let _ended = Ended;
    SCHEDULED.set(true);
    work()
}

/// Ends it for this thread, also where a life failed: the next test on it is not under a scheduler.
struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        SCHEDULED.set(false);
        TIME.set(None);
        LIMITS.set(true);
    }
}

/// A lock.
pub(super) enum Mutex<T> {
    Free(sync::Mutex<T>),
    Scheduled(shuttle::sync::Mutex<T>),
}

/// A lock that is held.
pub(super) enum MutexGuard<'a, T> {
    Free(sync::MutexGuard<'a, T>),
    Scheduled(shuttle::sync::MutexGuard<'a, T>, &'a shuttle::sync::Mutex<T>),
}

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Mutex<T> {
        match is_scheduled() {
            false => Mutex::Free(sync::Mutex::new(value)),
            true => Mutex::Scheduled(shuttle::sync::Mutex::new(value)),
        }
    }

    pub(super) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self {
            Mutex::Free(lock) => wrapped(lock.lock(), MutexGuard::Free),
            Mutex::Scheduled(lock) => wrapped(lock.lock(), |guard| MutexGuard::Scheduled(guard, lock)),
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

fn wrapped<A, B>(result: LockResult<A>, f: impl Fn(A) -> B) -> LockResult<B> {
    result.map(&f).map_err(|poisoned| PoisonError::new(f(poisoned.into_inner())))
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            MutexGuard::Free(guard) => guard,
            MutexGuard::Scheduled(guard, _) => guard,
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            MutexGuard::Free(guard) => guard,
            MutexGuard::Scheduled(guard, _) => guard,
        }
    }
}

/// A wake-up.
pub(super) enum Condvar {
    Free(sync::Condvar),
    Scheduled(shuttle::sync::Condvar),
}

/// Whether a wait ended by its limit.
pub(super) struct Waited(bool);

impl Waited {
    pub(super) fn timed_out(&self) -> bool {
        self.0
    }
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl Condvar {
    pub(super) fn new() -> Condvar {
        match is_scheduled() {
            false => Condvar::Free(sync::Condvar::new()),
            true => Condvar::Scheduled(shuttle::sync::Condvar::new()),
        }
    }

    pub(super) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        match (self, guard) {
            (Condvar::Free(woken), MutexGuard::Free(guard)) => wrapped(woken.wait(guard), MutexGuard::Free),
            (Condvar::Scheduled(woken), MutexGuard::Scheduled(guard, lock)) => {
                wrapped(woken.wait(guard), |guard| MutexGuard::Scheduled(guard, lock))
            }
            _ => unreachable!("a lock and its wake-up are made together"),
        }
    }

    pub(super) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, Waited)> {
        match (self, guard) {
            (Condvar::Free(woken), MutexGuard::Free(guard)) => {
                wrapped(woken.wait_timeout(guard, limit), |(guard, over)| {
                    (MutexGuard::Free(guard), Waited(over.timed_out()))
                })
            }
            (Condvar::Scheduled(_), MutexGuard::Scheduled(guard, lock))
                if LIMITS.get() && shuttle::rand::thread_rng().gen_bool(0.5) =>
            {
                drop(guard);
                shuttle::thread::yield_now();
                wrapped(lock.lock(), |guard| (MutexGuard::Scheduled(guard, lock), Waited(true)))
            }
            (_, guard) => wrapped(self.wait(guard), |guard| (guard, Waited(false))),
        }
    }

    pub(super) fn notify_one(&self) {
        match self {
            Condvar::Free(woken) => woken.notify_one(),
            Condvar::Scheduled(woken) => woken.notify_one(),
        }
    }

    pub(super) fn notify_all(&self) {
        match self {
            Condvar::Free(woken) => woken.notify_all(),
            Condvar::Scheduled(woken) => woken.notify_all(),
        }
    }
}

/// The sending end of a channel of few places.
pub(super) enum SyncSender<T> {
    Free(mpsc::SyncSender<T>),
    Scheduled(shuttle::sync::mpsc::SyncSender<T>),
}

/// Its receiving end.
pub(super) enum Receiver<T> {
    Free(mpsc::Receiver<T>),
    Scheduled(shuttle::sync::mpsc::Receiver<T>),
}

pub(super) fn sync_channel<T>(places: usize) -> (SyncSender<T>, Receiver<T>) {
    match is_scheduled() {
        false => {
            let (sender, receiver) = mpsc::sync_channel(places);
            (SyncSender::Free(sender), Receiver::Free(receiver))
        }
        true => {
            let (sender, receiver) = shuttle::sync::mpsc::sync_channel(places);
            (SyncSender::Scheduled(sender), Receiver::Scheduled(receiver))
        }
    }
}

impl<T> SyncSender<T> {
    pub(super) fn send(&self, value: T) -> Result<(), mpsc::SendError<T>> {
        match self {
            SyncSender::Free(sender) => sender.send(value),
            SyncSender::Scheduled(sender) => sender.send(value),
        }
    }

    pub(super) fn try_send(&self, value: T) -> Result<(), mpsc::TrySendError<T>> {
        match self {
            SyncSender::Free(sender) => sender.try_send(value),
            SyncSender::Scheduled(sender) => sender.try_send(value),
        }
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> SyncSender<T> {
        match self {
            SyncSender::Free(sender) => SyncSender::Free(sender.clone()),
            SyncSender::Scheduled(sender) => SyncSender::Scheduled(sender.clone()),
        }
    }
}

impl<T> Receiver<T> {
    pub(super) fn recv(&self) -> Result<T, mpsc::RecvError> {
        match self {
            Receiver::Free(receiver) => receiver.recv(),
            Receiver::Scheduled(receiver) => receiver.recv(),
        }
    }

    pub(super) fn try_recv(&self) -> Result<T, mpsc::TryRecvError> {
        match self {
            Receiver::Free(receiver) => receiver.try_recv(),
            Receiver::Scheduled(receiver) => receiver.try_recv(),
        }
    }
}

/// Lets any other thread come first, if a scheduler watches. Loads and stores are one step each, in one order for all.
fn step() {
    if is_scheduled() {
        shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
    }
}

/// A published pointer.
pub(super) struct ArcSwap<T>(arc_swap::ArcSwap<T>);

impl<T> ArcSwap<T> {
    pub(super) fn from_pointee(value: T) -> ArcSwap<T> {
        ArcSwap(arc_swap::ArcSwap::from_pointee(value))
    }

    pub(super) fn load(&self) -> arc_swap::Guard<Arc<T>> {
        step();
        self.0.load()
    }

    pub(super) fn load_full(&self) -> Arc<T> {
        step();
        self.0.load_full()
    }

    pub(super) fn store(&self, value: Arc<T>) {
        step();
        self.0.store(value);
        step();
    }
}

/// A published pointer to something that may not be there.
pub(super) struct ArcSwapOption<T>(arc_swap::ArcSwapOption<T>);

impl<T> ArcSwapOption<T> {
    pub(super) fn empty() -> ArcSwapOption<T> {
        ArcSwapOption(arc_swap::ArcSwapOption::empty())
    }

    pub(super) fn load(&self) -> arc_swap::Guard<Option<Arc<T>>> {
        step();
        self.0.load()
    }

    pub(super) fn store(&self, value: Option<Arc<T>>) {
        step();
        self.0.store(value);
    }
}

/// A whole number that threads share.
pub(super) struct AtomicU64(sync::atomic::AtomicU64);

impl AtomicU64 {
    pub(super) fn new(value: u64) -> AtomicU64 {
        AtomicU64(sync::atomic::AtomicU64::new(value))
    }

    pub(super) fn load(&self, order: Ordering) -> u64 {
        step();
        self.0.load(order)
    }

    pub(super) fn store(&self, value: u64, order: Ordering) {
        step();
        self.0.store(value, order);
    }

    pub(super) fn compare_exchange(&self, old: u64, new: u64, done: Ordering, not: Ordering) -> Result<u64, u64> {
        step();
        self.0.compare_exchange(old, new, done, not)
    }
}

/// The same, with a sign.
pub(super) struct AtomicI64(sync::atomic::AtomicI64);

impl AtomicI64 {
    pub(super) fn new(value: i64) -> AtomicI64 {
        AtomicI64(sync::atomic::AtomicI64::new(value))
    }

    pub(super) fn load(&self, order: Ordering) -> i64 {
        step();
        self.0.load(order)
    }

    pub(super) fn swap(&self, value: i64, order: Ordering) -> i64 {
        step();
        self.0.swap(value, order)
    }

    pub(super) fn fetch_max(&self, value: i64, order: Ordering) -> i64 {
        step();
        self.0.fetch_max(value, order)
    }

    pub(super) fn fetch_min(&self, value: i64, order: Ordering) -> i64 {
        step();
        self.0.fetch_min(value, order)
    }
}

/// The name of a thread.
#[derive(PartialEq, Eq)]
pub(super) enum ThreadId {
    Free(thread::ThreadId),
    Scheduled(shuttle::thread::ThreadId),
}

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<ThreadId> {
    let name = name.to_owned();
    Ok(match is_scheduled() {
        false => ThreadId::Free(thread::Builder::new().name(name).spawn(work)?.thread().id()),
        true => ThreadId::Scheduled(shuttle::thread::Builder::new().name(name).spawn(work)?.thread().id()),
    })
}

/// Threads under a scheduler share one of the system, which the next test needs as it was.
pub(super) fn give_way() {
    if !is_scheduled() {
        real_disk::give_way();
    }
}

pub(super) fn me() -> ThreadId {
    match is_scheduled() {
        false => ThreadId::Free(thread::current().id()),
        true => ThreadId::Scheduled(shuttle::thread::current().id()),
    }
}

pub(super) fn sleep(time: Duration) {
    match is_scheduled() {
        false => thread::sleep(time),
        true => shuttle::thread::yield_now(),
    }
}
