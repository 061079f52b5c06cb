//! The database: one open folder, or one in memory.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, atomic::AtomicU64, mpsc},
    thread::{self, ThreadId},
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::{
    db::{
        checkpoint,
        clock::system_now,
        error::Error,
        open,
        options::{ClockChoice, Options},
        queue::{Job, Queue, Work},
        record::{SnapshotInfo, Status, Written},
        view::View,
    },
    engine::state::State,
    model::{id::Lsn, request::Request, time::Timestamp},
    storage::{
        disk::Disk,
        error::{StorageError, StorageErrorKind},
        real_disk::RealDisk,
        store::Store,
    },
};

/// How long a patient writer waits before it asks for room again.
const BUSY_WAIT: Duration = Duration::from_millis(5);

/// An open database. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Database {
    handle: Arc<Handle>,
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

impl From<Request> for Write {
    fn from(request: Request) -> Write {
        vec![request].into()
    }
}

/// Called by the writer's thread with the outcome; must not block.
pub type Callback = Box<dyn FnOnce(Result<Written, Error>) + Send>;

/// Called by the writer's thread after each group of writes that was published, with the newest entry of the feed; must
/// not block. Once it gives `false` it is called no more.
pub type Listener = Box<dyn Fn(u64) -> bool + Send>;

/// A write on its way.
pub struct Submitted(mpsc::Receiver<Result<Written, Error>>);

impl Submitted {
    /// Waits until the write is durable and visible.
    ///
    /// Errors: as [`Database::write`].
    pub fn wait(self) -> Result<Written, Error> {
        // The sender is dropped unused only when the writer stops in the middle of this very entry.
        self.0.recv().unwrap_or_else(|_| Err(Error::OutcomeUnknown("the writer stopped".into())))
    }
}

/// What the writer, the snapshots and every handle share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) published: ArcSwap<State>,
    /// The view given out last, until something is published.
    pub(super) latest: ArcSwapOption<View>,
    pub(super) queue: Queue,
    /// `None` in memory alone, and once the database is closed.
    store: Mutex<Option<Store>>,
    /// Whether there is a folder.
    pub(super) is_stored: bool,
    /// Held while a snapshot is written.
    pub(super) snapshotting: Mutex<()>,
    /// The size of the last snapshot. Units: bytes.
    pub(super) snapshot_bytes: AtomicU64,
    /// The last write that erased a contact of whom files may still hold a trace; 0 for none.
    pub(super) erased: AtomicU64,
    /// Who is told of what was published.
    listeners: Mutex<Vec<Listener>>,
    failure: Mutex<Option<Error>>,
    /// How the log was closed, once it was.
    closed: Mutex<Option<Result<(), Error>>>,
    was_closed: Condvar,
}

impl Shared {
    pub(super) fn new(
        options: Options,
        state: State,
        store: Option<Store>,
        snapshot_bytes: u64,
        erased: Lsn,
    ) -> Shared {
        Shared {
            options,
            published: ArcSwap::from_pointee(state),
            latest: ArcSwapOption::empty(),
            queue: Queue::default(),
            is_stored: store.is_some(),
            store: Mutex::new(store),
            snapshotting: Mutex::new(()),
            snapshot_bytes: AtomicU64::new(snapshot_bytes),
            erased: AtomicU64::new(erased.0),
            listeners: Mutex::default(),
            failure: Mutex::new(None),
            closed: Mutex::new(None),
            was_closed: Condvar::new(),
        }
    }

    /// The folder, while the database is open.
    pub(super) fn store(&self) -> Option<Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go of the folder once no snapshot is on its way, so that it can be opened again.
    pub(super) fn release(&self, how: Result<(), Error>) {
        let snapshotting = self.snapshotting.lock().unwrap_or_else(PoisonError::into_inner);
        self.store.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(snapshotting);
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(how);
        self.was_closed.notify_all();
    }

    /// Tells everyone who wants to know that something was published.
    pub(super) fn tell_published(&self) {
        let seq = self.published.load().live.feed().end() - 1;
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener(seq));
    }

    pub(super) fn is_manual(&self) -> bool {
        matches!(self.options.clock, ClockChoice::Manual(_))
    }

    /// What time it is, never before a state's last instant.
    pub(super) fn now(&self, state: &State) -> Timestamp {
        match self.options.clock {
            // A manual clock stands where the last batch put it; the founding one is put at its start.
            ClockChoice::Manual(start) if state.lsn == Lsn(0) => start,
            ClockChoice::Manual(_) => state.as_of,
            ClockChoice::System => system_now().max(state.as_of),
        }
    }

    /// Why writes are refused, if they are.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on the database only reads.
    pub(super) fn fail(&self, error: &StorageError) {
        let told: Box<str> = error.to_string().into();
        let full = error.kind == StorageErrorKind::NoSpace;
        tracing::error!(error = %told, "the log failed; the database only reads until it is opened again");
        self.latch(if full { Error::NoRoom(told) } else { Error::ReadOnly(told) });
    }

    pub(super) fn fail_with(&self, why: Box<str>) {
        self.latch(Error::ReadOnly(why));
    }

    fn latch(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn wait_closed(&self) -> Result<(), Error> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(how) = &*closed {
                return how.clone();
            }
            closed = self.was_closed.wait(closed).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Closes the database when the last clone goes.
struct Handle {
    shared: Arc<Shared>,
    writer: ThreadId,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
        // A callback may hold the last clone; the writer cannot wait for itself.
        if thread::current().id() != self.writer
            && let Err(error) = self.shared.wait_closed()
        {
            tracing::error!(%error, "the log was not closed cleanly");
        }
    }
}

impl Database {
    /// Opens a folder (made when it is not there) and recovers what it holds.
    ///
    /// Errors: [`Error::Storage`], [`Error::ZoneFixed`], [`Error::ClockBehind`].
    pub fn open(options: Options) -> Result<Database, Error> {
        Database::start(options.dir.is_some().then(|| Arc::new(RealDisk) as Arc<dyn Disk>), options)
    }

    /// Opens a folder of another medium than the machine's own disk.
    ///
    /// Errors: as [`Database::open`].
    pub fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Database, Error> {
        Database::start(Some(disk), options)
    }

    fn start(disk: Option<Arc<dyn Disk>>, options: Options) -> Result<Database, Error> {
        let writer = open::open(disk, options)?;
        let shared = Arc::clone(&writer.shared);
        let running = thread::Builder::new().name("throng-writer".into()).spawn(move || writer.run());
        let running = running.map_err(|error| Error::NoThread(error.to_string().into()))?;
        Ok(Database { handle: Arc::new(Handle { shared, writer: running.thread().id() }) })
    }

    /// Everything as of the last write, measured from now.
    pub fn view(&self) -> View {
        let shared = &self.handle.shared;
        let state = shared.published.load_full();
        let now = shared.now(&state);
        // Within one write and one millisecond everyone shares a view, and with it the plans bound for it.
        let latest = shared.latest.load();
        if let Some(view) = latest.as_ref().filter(|view| view.lsn() == state.lsn && view.now() == now) {
            return View::clone(view);
        }
        let view = View::new(state, now);
        shared.latest.store(Some(Arc::new(view.clone())));
        view
    }

    /// Writes a batch and waits until it is durable and visible.
    ///
    /// Errors: [`Error::Busy`], [`Error::OutcomeUnknown`], [`Error::ReadOnly`], [`Error::KeyReused`]. What is wrong
    /// with a single request is in [`Written::results`].
    pub fn write(&self, write: impl Into<Write>) -> Result<Written, Error> {
        self.wait_for(Work::Write(write.into()))
    }

    /// As [`Database::submit`], but waits for room where that would answer [`Error::Busy`]; for imports.
    pub fn submit_patiently(&self, write: impl Into<Write>) -> Submitted {
        let shared = &self.handle.shared;
        let (sender, receiver) = mpsc::sync_channel(1);
        let mut job = Job { work: Work::Write(write.into()), done: Box::new(move |result| drop(sender.send(result))) };
        while let Err((error, refused)) = shared.queue.push(job) {
            let failure = shared.failure().or_else(|| (!matches!(error, Error::Busy)).then_some(error));
            if let Some(failure) = failure {
                (refused.done)(Err(failure));
                break;
            }
            thread::sleep(BUSY_WAIT);
            job = refused;
        }
        Submitted(receiver)
    }

    /// Why the database only reads, if it does.
    pub fn failure(&self) -> Option<Error> {
        self.handle.shared.failure()
    }

    /// Queues a batch; `done` is called once it is durable and visible, or at once when it cannot be queued.
    pub fn submit(&self, write: impl Into<Write>, done: Callback) {
        self.queue(Work::Write(write.into()), done);
    }

    /// Moves a manual clock ahead; everything due by then has happened when this returns.
    ///
    /// Errors: [`Error::ClockBack`], [`Error::ClockNotManual`].
    pub fn move_clock(&self, to: Timestamp) -> Result<Written, Error> {
        self.wait_for(Work::Move(to))
    }

    /// As [`Database::move_clock`], without waiting.
    pub fn submit_clock(&self, to: Timestamp, done: Callback) {
        self.queue(Work::Move(to), done);
    }

    /// Has a listener called whenever something was published; what it hears of is seen by every view made then.
    pub fn on_publish(&self, listener: Listener) {
        self.handle.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Whether the clock is manual.
    pub fn has_manual_clock(&self) -> bool {
        self.handle.shared.is_manual()
    }

    fn queue(&self, work: Work, done: Callback) {
        let shared = &self.handle.shared;
        if let Err((error, job)) = shared.queue.push(Job { work, done }) {
            let error = shared.failure().unwrap_or(error);
            (job.done)(Err(error));
        }
    }

    fn wait_for(&self, work: Work) -> Result<Written, Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.queue(work, Box::new(move |result| drop(sender.send(result))));
        Submitted(receiver).wait()
    }

    /// Writes a snapshot of now while writes go on.
    ///
    /// Errors: [`Error::Storage`]; [`Error::InMemory`] without a folder.
    pub fn snapshot(&self) -> Result<SnapshotInfo, Error> {
        if !self.handle.shared.is_stored {
            return Err(Error::InMemory);
        }
        self.wait_for(Work::Roll)?;
        checkpoint::take(&self.handle.shared)
    }

    /// Figures about the database.
    pub fn status(&self) -> Status {
        let shared = &self.handle.shared;
        let mut status = self.view().status();
        status.manual_clock = shared.is_manual();
        status.queued = shared.queue.len() as u64;
        status.read_only = shared.failure().map(|error| error.to_string().into());
        if let Some(store) = shared.store() {
            let stored = store.status();
            status.log_bytes = stored.log_bytes;
            status.log_bytes_since_snapshot = stored.log_bytes_since_snapshot;
            status.free_bytes = stored.free_bytes;
            if let Some(snapshot) = stored.snapshot {
                (status.snapshot_lsn, status.snapshot_bytes) = (snapshot.lsn, snapshot.bytes);
            }
        }
        status
    }

    /// Writes what waits, seals the log and stops; later writes are [`Error::Closed`], views go on.
    ///
    /// Errors: [`Error::Storage`].
    pub fn close(&self) -> Result<(), Error> {
        self.handle.shared.queue.close();
        self.handle.shared.wait_closed()
    }
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "crash_tests.rs"]
mod crash_tests;
