//! The database: one open folder, or one in memory.

use std::{
    path::Path,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use bytes::Bytes;

use crate::{
    db::{
        alarm::AlarmKind,
        checkpoint::{self, Manner},
        error::Error,
        keeper,
        meter::Meters,
        open,
        options::Options,
        queue::{Job, Work},
        record::{DiskInfo, SnapshotInfo, Status, Written},
        shared::{Shared, told_low},
        sync::{self, Receiver, ThreadId, sync_channel},
        view::View,
        writer::Writer,
    },
    model::{id::Lsn, request::Request, time::Timestamp},
    storage::{
        disk::Disk,
        real_disk::RealDisk,
        space::{Space, SpaceStep},
    },
};

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
    /// The id of the access key of whoever asks.
    pub by: Option<Box<str>>,
}

impl From<Vec<Request>> for Write {
    fn from(requests: Vec<Request>) -> Write {
        Write { requests, ..Write::default() }
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

/// Called by the writer's thread when it stops by a fault of the program, with what there is to say.
pub type FaultHook = Box<dyn FnOnce(&str) + Send>;

/// A write on its way.
pub struct Submitted(Receiver<Result<Written, Error>>);

impl Submitted {
    pub(super) fn new(receiver: Receiver<Result<Written, Error>>) -> Submitted {
        Submitted(receiver)
    }

    /// Waits until the write is durable and visible.
    ///
    /// Errors: as [`Database::write`].
    pub fn wait(self) -> Result<Written, Error> {
        // The sender is dropped unused only when the writer stops in the middle of this very entry.
        self.0.recv().unwrap_or_else(|_| Err(Error::OutcomeUnknown("the writer stopped".into())))
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
        if sync::me() != self.writer
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
        Database::run(open::open(disk, options)?)
    }

    /// Starts the threads of a database that was opened.
    pub(super) fn run(writer: Writer) -> Result<Database, Error> {
        let shared = Arc::clone(&writer.shared);
        if shared.is_stored {
            keeper::start(&shared)?;
        }
        let running = sync::spawn("throng-writer", move || writer.run());
        let writer = running.map_err(|error| {
            shared.release(Ok(()));
            Error::NoThread(error.to_string().into())
        })?;
        Ok(Database { handle: Arc::new(Handle { shared, writer }) })
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Everything as of the last write, measured from now.
    pub fn view(&self) -> View {
        let shared = &self.handle.shared;
        let state = shared.published.load_full();
        let now = shared.tell_now(&state);
        // Within one write and one millisecond everyone shares a view, and with it the plans bound for it. The state is
        // compared, not its LSN: one that was tidied has that of the one before it.
        let latest = shared.latest.load();
        if let Some(view) = latest.as_ref().filter(|view| view.is_of(&state) && view.now() == now) {
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
        let (sender, receiver) = sync_channel(1);
        let job = Job { work: Work::Write(write.into()), done: Box::new(move |result| drop(sender.send(result))) };
        match self.check_bulk() {
            Ok(()) => self.handle.shared.push_patiently(job),
            Err(error) => (job.done)(Err(error)),
        }
        Submitted(receiver)
    }

    /// Whether bulk imports are taken.
    ///
    /// Errors: [`Error::StorageLow`] while there is too little room on the disk for them.
    pub fn check_bulk(&self) -> Result<(), Error> {
        let space = self.handle.shared.store().map(|store| store.space());
        match space.filter(|space| space.step >= SpaceStep::NoImports) {
            Some(space) => Err(Error::StorageLow(told_low(&space).into())),
            None => Ok(()),
        }
    }

    /// Why plain writes are refused for want of room, if they are.
    pub fn storage_low(&self) -> Option<Error> {
        let shared = &self.handle.shared;
        let space = shared.look_at_space(&shared.store()?);
        (space.step == SpaceStep::DeletesOnly).then(|| Error::StorageLow(told_low(&space).into()))
    }

    /// Why plain writes wait, if the disk has kept the log waiting for too long.
    pub fn stalled(&self) -> Option<Error> {
        self.handle.shared.stalled()
    }

    /// Says what is to be done when the writer stops by a fault of the program: what is published is whole, but
    /// nothing can be written any more, and a process that has nothing else to do should end.
    pub fn on_fault(&self, hook: FaultHook) {
        *self.handle.shared.on_fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
    }

    /// Should the medium lose a page of the snapshot that memory is mapped from, the process says so and ends with the
    /// exit code of a damaged snapshot, and not by a bare signal. It sets a handler for the whole process, so it is for
    /// programs, and the first call counts.
    pub fn explain_lost_pages(&self) {
        self.handle.shared.store().iter().for_each(|store| store.explain_lost_pages());
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
        let (sender, receiver) = sync_channel(1);
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
        checkpoint::take(&self.handle.shared, Manner::OnDemand)
    }

    /// Copies the live snapshot and the log after it to an empty folder while writes go on, and verifies the copy. Gives
    /// the last write that is in it.
    ///
    /// Errors: [`Error::Storage`], [`Error::NoRoom`]; [`Error::InMemory`] without a folder.
    pub fn copy_to(&self, dir: &Path) -> Result<Lsn, Error> {
        let shared = &self.handle.shared;
        let store = shared.store().ok_or(if shared.is_stored { Error::Closed } else { Error::InMemory })?;
        Ok(store.export(dir)?.lsn)
    }

    /// What [`Database::keep_webhooks`] kept last; `None` when that was nothing, and in memory alone.
    ///
    /// Errors: [`Error::Storage`]; [`Error::Closed`].
    pub fn webhooks(&self) -> Result<Option<Bytes>, Error> {
        let shared = &self.handle.shared;
        match shared.store() {
            Some(store) => Ok(store.webhooks()?.map(|kept| kept.body)),
            None if shared.is_stored => Err(Error::Closed),
            None => Ok(None),
        }
    }

    /// Keeps the webhooks in the folder, in one step and apart from the log; durable when this returns. In memory alone
    /// nothing is kept. One caller at a time.
    ///
    /// Errors: [`Error::Storage`], [`Error::NoRoom`]: what was kept before then stays; [`Error::Closed`].
    pub fn keep_webhooks(&self, body: &[u8]) -> Result<(), Error> {
        let shared = &self.handle.shared;
        match shared.store() {
            Some(store) => Ok(store.keep_webhooks(body)?),
            None if shared.is_stored => Err(Error::Closed),
            None => Ok(()),
        }
    }

    /// Says, in the status, what is wrong with the webhooks, until nothing is.
    pub fn alarm_of_webhooks(&self, wrong: Option<String>) {
        let alarms = &self.handle.shared.alarms;
        match wrong {
            Some(wrong) => alarms.raise(AlarmKind::WebhookDisabled, wrong),
            None => alarms.clear(AlarmKind::WebhookDisabled),
        }
    }

    /// What was counted since it was opened.
    pub fn meters(&self) -> &Meters {
        &self.handle.shared.meters
    }

    /// What tells this database from any other: ids of contacts mean something in it alone.
    pub fn identity(&self) -> [u8; 16] {
        self.handle.shared.identity
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
            status.disk = Some(disk_info(&shared.look_at_space(&store)));
            checkpoint::settle(shared, &store);
            status.erasing = shared.erased.load(Ordering::Acquire) > 0;
            status.damaged = shared.last_damage.lock().unwrap_or_else(PoisonError::into_inner).clone();
            status.scrubbed = *shared.last_scrub.lock().unwrap_or_else(PoisonError::into_inner);
            status.last_snapshot = *shared.last_snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(snapshot) = stored.snapshot {
                (status.snapshot_lsn, status.snapshot_bytes) = (snapshot.lsn, snapshot.bytes);
            }
        }
        let _raises_an_alarm = shared.stalled();
        status.alarms = shared.alarms.all();
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

fn disk_info(space: &Space) -> DiskInfo {
    DiskInfo {
        free_bytes: space.free,
        step: space.step.word(),
        steps: space.table().collect(),
        ballast_bytes: space.ballast,
    }
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "crash_tests.rs"]
mod crash_tests;

#[cfg(test)]
#[path = "space_tests.rs"]
mod space_tests;

#[cfg(test)]
#[path = "erase_tests.rs"]
mod erase_tests;

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod keeper_tests;

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod snapshot_tests;

#[cfg(test)]
#[path = "schedule_tests.rs"]
pub(super) mod schedule_tests;

#[cfg(test)]
#[path = "salvage_tests.rs"]
mod salvage_tests;
