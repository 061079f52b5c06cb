//! What the writer, the keeper and every handle of a database share.

use std::{
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use uuid::Uuid;

use crate::{
    db::{
        alarm::{AlarmKind, Alarms},
        clock::{Stopwatch, system_now},
        database::{FaultHook, Listener},
        error::Error,
        keeper::Keeper,
        meter::{Meters, Total},
        open::Found,
        options::{ClockChoice, Options},
        queue::{Capture, Job, QUEUE_MAX, Queue},
        record::SnapshotInfo,
        since::Since,
        stall::Stall,
        sync::{ArcSwap, ArcSwapOption, AtomicI64, AtomicU64, Condvar, Mutex, sleep},
        view::View,
    },
    engine::state::State,
    model::{
        id::Lsn,
        planted::{Bug, planted},
        time::Timestamp,
    },
    storage::{
        error::StorageError,
        space::{Space, SpaceStep},
        store::Store,
    },
};

/// How long a patient writer waits before it asks for room again.
const BUSY_WAIT: Duration = Duration::from_millis(5);

/// What the writer, the snapshots and every handle share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) published: ArcSwap<State>,
    /// The latest time that a view was told by the system's clock; it binds no write. Units: milliseconds.
    told: AtomicI64,
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
    /// The same, as of the live snapshot, while files of before it may be left; 0 for none.
    pub(super) covered: AtomicU64,
    /// Since when such a trace is there.
    pub(super) erasing: Since,
    /// What was logged since the last snapshot began. Units: bytes.
    pub(super) logged: Total,
    /// Since when a write is in no snapshot.
    pub(super) unsaved: Since,
    /// Since when the log waits for the disk.
    pub(super) stall: Stall,
    pub(super) keeper: Keeper,
    pub(super) alarms: Alarms,
    pub(super) meters: Meters,
    /// What tells this database from any other, also from a salvaged one.
    pub(super) identity: [u8; 16],
    /// What to do when the writer stops by a fault of the program.
    pub(super) on_fault: Mutex<Option<FaultHook>>,
    started: Stopwatch,
    /// The uptime at which the disk was last looked at. Units: milliseconds.
    looked: AtomicU64,
    /// Held while the disk is looked at and what that changes is told.
    looking: Mutex<()>,
    pub(super) last_snapshot: Mutex<Option<SnapshotInfo>>,
    pub(super) last_scrub: Mutex<Option<(Timestamp, bool)>>,
    pub(super) last_damage: Mutex<Option<(Timestamp, Box<str>)>>,
    /// Who is told of what was published.
    pub(super) listeners: Mutex<Vec<Listener>>,
    failure: Mutex<Option<Error>>,
    /// How the log was closed, once it was.
    closed: Mutex<Option<Result<(), Error>>>,
    was_closed: Condvar,
}

impl Shared {
    pub(super) fn new(options: Options, state: State, found: Found) -> Shared {
        Shared {
            options,
            published: ArcSwap::from_pointee(state),
            told: AtomicI64::new(i64::MIN),
            latest: ArcSwapOption::empty(),
            queue: Queue::of(QUEUE_MAX),
            is_stored: found.store.is_some(),
            identity: found.store.as_ref().map_or_else(|| *Uuid::new_v4().as_bytes(), Store::identity),
            store: Mutex::new(found.store),
            snapshotting: Mutex::new(()),
            snapshot_bytes: AtomicU64::new(found.snapshot_bytes),
            erased: AtomicU64::new(found.erased.map_or(0, |lsn| lsn.0)),
            covered: AtomicU64::new(0),
            erasing: Since::new(found.erasing),
            logged: Total::default(),
            unsaved: Since::new(found.unsaved),
            stall: Stall::default(),
            keeper: Keeper::default(),
            alarms: Alarms::default(),
            meters: Meters::default(),
            on_fault: Mutex::default(),
            started: Stopwatch::start(),
            looked: AtomicU64::new(0),
            looking: Mutex::default(),
            last_snapshot: Mutex::default(),
            last_scrub: Mutex::default(),
            last_damage: Mutex::default(),
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

    /// How long it has been open.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The uptime at which the disk was last looked at.
    pub(super) fn looked(&self) -> Duration {
        Duration::from_millis(self.looked.load(Ordering::Relaxed))
    }

    /// Asks the disk how much room there is, and tells when that changes what is written.
    pub(super) fn look_at_space(&self, store: &Store) -> Space {
        // One look at a time, so that the alarm that is set last is that of the last step.
        let _one_looks = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let (uptime, before) = (self.uptime(), store.space().step);
        self.looked.store(u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let space = store.look_at_space(uptime);
        if space.step != before {
            tracing::info!(step = space.step.word(), free = space.free, "another step of the disk-space ladder");
            match space.step {
                SpaceStep::Ample => self.alarms.clear(AlarmKind::StorageLow),
                _ => self.alarms.raise(AlarmKind::StorageLow, told_low(&space)),
            }
            self.keeper.wake();
        }
        space
    }

    /// A start could not remove files that are no longer needed: nobody knows whom they hold.
    pub(super) fn remember_leftovers(&self) {
        if self.erased.load(Ordering::Acquire) == 0 {
            let lsn = self.published.load().lsn.0.max(1);
            self.erased.store(lsn, Ordering::Release);
            self.covered.store(lsn, Ordering::Release);
            self.erasing.begin(self.uptime());
        }
        let told = "files of before the last snapshot could not be removed at the start and may hold somebody who was \
                    erased; it is tried again every minute";
        self.alarms.raise(AlarmKind::ErasureLate, told);
    }

    /// What was handed out for a snapshot waits for the next one, as it became none.
    pub(super) fn still_unsaved(&self, capture: &Capture) {
        self.unsaved.restore(&capture.unsaved);
        self.logged.add(capture.logged);
    }

    /// Notes that the files at rest were read again.
    pub(super) fn scrubbed(&self, is_whole: bool) {
        *self.last_scrub.lock().unwrap_or_else(PoisonError::into_inner) = Some((system_now(), is_whole));
    }

    /// Notes that they are damaged.
    pub(super) fn found_damage(&self, what: Box<str>) {
        *self.last_damage.lock().unwrap_or_else(PoisonError::into_inner) = Some((system_now(), what));
    }

    /// Puts an entry in the queue, waiting for room where it must; what is refused for good is told so.
    pub(super) fn push_patiently(&self, mut job: Job) {
        while let Err((error, refused)) = self.queue.push(job) {
            let failure = self.failure().or_else(|| (!matches!(error, Error::Busy)).then_some(error));
            if let Some(failure) = failure {
                (refused.done)(Err(failure));
                return;
            }
            sleep(BUSY_WAIT);
            job = refused;
        }
    }

    /// Lets go of the folder once no snapshot is on its way, so that it can be opened again.
    pub(super) fn release(&self, how: Result<(), Error>) {
        self.keeper.end();
        let snapshotting =
            (!planted(Bug::ReleaseEarly)).then(|| self.snapshotting.lock().unwrap_or_else(PoisonError::into_inner));
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

    /// What time it is for the writer: that of the clock, never before a state's last instant.
    pub(super) fn clock(&self, state: &State) -> Timestamp {
        match self.options.clock {
            // A manual clock stands where the last batch put it; the founding one is put at its start.
            ClockChoice::Manual(start) if state.lsn == Lsn(0) => start,
            ClockChoice::Manual(_) => state.as_of,
            ClockChoice::System => system_now().max(state.as_of),
        }
    }

    /// What time it is for a view: never before what an earlier one was told, so that a clock that was set ahead and back
    /// again stands still for whoever asks. What was only asked does not make the writer hurry: it lasts until the
    /// database is closed, while a write lasts for ever.
    pub(super) fn tell_now(&self, state: &State) -> Timestamp {
        let now = self.clock(state).0;
        if self.is_manual() {
            return Timestamp(now);
        }
        let told = self.told.load(Ordering::Relaxed);
        Timestamp(if told < now { self.told.fetch_max(now, Ordering::Relaxed).max(now) } else { told })
    }

    /// Why writes are refused, if they are.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on the database only reads.
    pub(super) fn fail(&self, error: &StorageError) {
        tracing::error!(%error, "the log failed; the database only reads until it is opened again");
        self.fail_with(error.to_string().into());
    }

    pub(super) fn fail_with(&self, why: Box<str>) {
        self.alarms.raise(AlarmKind::ReadOnly, why.clone());
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Error::ReadOnly(why));
    }

    pub(super) fn wait_closed(&self) -> Result<(), Error> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(how) = &*closed {
                return how.clone();
            }
            closed = self.was_closed.wait(closed).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What a step of the ladder means, for people.
pub(super) fn told_low(space: &Space) -> String {
    let free = space.free.unwrap_or(0);
    let what = match space.step {
        SpaceStep::Ample => "everything is written",
        SpaceStep::Low => "everything is still written",
        SpaceStep::NoImports => "bulk imports are refused",
        SpaceStep::DeletesOnly => "only erasures, deletions and suppressions are written",
    };
    let needed = space.below(space.step) / 4 * 5;
    format!("{free} bytes are free on the disk: {what} until {needed} are")
}
