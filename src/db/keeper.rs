//! The keeper: a thread that sleeps until something is to be kept in order: room, snapshots, files at rest.

use std::{
    sync::{Arc, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    db::{
        alarm::AlarmKind,
        checkpoint::{self, Manner},
        clock::Stopwatch,
        error::Error,
        shared::Shared,
        sync::{self, Condvar, Mutex, MutexGuard},
    },
    storage::{
        scrub::{Damaged, Scrub, Scrubbed},
        space::SpaceStep,
        store::Store,
    },
};

/// When a file that a scrub could not read is tried again.
const SCRUB_RETRY: Duration = Duration::from_secs(60);
/// When files of an erased contact that could not be removed are tried again.
const TIDY_RETRY: Duration = Duration::from_secs(60);
/// What can wait a little does not begin before: a command that is over sooner makes no ballast, and no snapshot
/// because the last one is old.
const AT_FIRST: Duration = Duration::from_secs(60);
/// An erased contact must have left the files by then.
const ERASED_BY: Duration = Duration::from_secs(24 * 3_600);
/// How often it is looked for torn tails that were kept for long enough.
const EXPIRE_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// So many failed snapshots in a row raise an alarm.
const FAILURES_MAX: usize = 3;

#[derive(Default)]
struct Inner {
    running: bool,
    closed: bool,
    woken: bool,
    /// The log has grown so much that a snapshot is due.
    grown: bool,
}

/// How others speak to the keeper.
#[derive(Default)]
pub(super) struct Keeper {
    inner: Mutex<Inner>,
    told: Condvar,
}

impl Keeper {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The flags are whole whatever panicked.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it look at what is due.
    pub(super) fn wake(&self) {
        self.lock().woken = true;
        self.told.notify_all();
    }

    /// Asks for a snapshot.
    pub(super) fn ask_snapshot(&self) {
        let mut inner = self.lock();
        if !inner.grown {
            (inner.grown, inner.woken) = (true, true);
            self.told.notify_all();
        }
    }

    /// No snapshot is asked for any more: there is one.
    pub(super) fn snapshot_taken(&self) {
        self.lock().grown = false;
    }

    fn is_asked(&self) -> bool {
        self.lock().grown
    }

    fn is_closing(&self) -> bool {
        self.lock().closed
    }

    /// Stops it and waits until it has stopped.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        self.told.notify_all();
        while inner.running {
            inner = self.told.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Sleeps until it is woken or told to stop, for at most so long.
    fn sleep(&self, patience: Option<Duration>) {
        let mut inner = self.lock();
        while !inner.closed && !inner.woken {
            match patience {
                None => inner = self.told.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    inner = self.told.wait_timeout(inner, patience).unwrap_or_else(PoisonError::into_inner).0;
                    break;
                }
            }
        }
        inner.woken = false;
    }

    /// Waits so long, whatever it is told, unless it is told to stop.
    pub(super) fn pause(&self, time: Duration) {
        let watch = Stopwatch::start();
        let mut inner = self.lock();
        while let Some(rest) = time.checked_sub(watch.elapsed()).filter(|rest| !rest.is_zero() && !inner.closed) {
            inner = self.told.wait_timeout(inner, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What the keeper remembers.
struct Upkeep {
    shared: Arc<Shared>,
    failures: usize,
    /// No snapshot by itself before this.
    retry_at: Option<Duration>,
    /// The last snapshot failed for want of room.
    no_room: bool,
    look_at: Option<Duration>,
    scrub_at: Option<Duration>,
    expire_at: Duration,
    scrub: Option<Scrub>,
    /// A scrub found what a snapshot of the memory replaces.
    damaged: bool,
    /// The writer takes nothing any more, so that no snapshot can be made.
    is_over: bool,
}

/// Starts the keeper of a database with a folder.
///
/// Errors: [`Error::NoThread`].
pub(super) fn start(shared: &Arc<Shared>) -> Result<(), Error> {
    let upkeep = Upkeep {
        shared: Arc::clone(shared),
        failures: 0,
        retry_at: None,
        no_room: false,
        look_at: Some(AT_FIRST),
        scrub_at: Some(shared.options.upkeep.scrub_every).filter(|every| !every.is_zero()),
        expire_at: EXPIRE_EVERY,
        scrub: None,
        damaged: false,
        is_over: false,
    };
    shared.keeper.lock().running = true;
    let stopped = Stopped(Arc::clone(shared));
    let work = move || {
        let _told_when_over = stopped;
        // What is due soon may take its time; who writes or asks may not.
        sync::give_way();
        upkeep.run();
    };
    let started = sync::spawn("throng-keeper", work);
    started.map(drop).map_err(|error| Error::NoThread(error.to_string().into()))
}

/// Tells that the keeper has stopped, also when it stops by a panic.
struct Stopped(Arc<Shared>);

impl Drop for Stopped {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.alarms.raise(AlarmKind::SnapshotFailing, "the keeper stopped by a fault of the program");
        }
        self.0.keeper.lock().running = false;
        self.0.keeper.told.notify_all();
    }
}

impl Upkeep {
    fn run(mut self) {
        loop {
            let Some(store) = self.shared.store().filter(|_| !self.shared.keeper.is_closing()) else { return };
            let now = self.shared.uptime();
            let is_settled = checkpoint::settle(&self.shared, &store);
            if !is_settled {
                self.tell_late("the files of before could not be removed");
            }
            let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
            if is_due(self.next_look(&store)) {
                self.look(&store, now);
            } else if is_due(self.next_snapshot(now)) {
                self.snapshot(&store);
            } else if is_due(self.scrub_at) {
                self.scrub(&store, now);
            } else if self.expire_at <= now {
                self.expire(&store, now);
            } else {
                let tidied = (!is_settled).then(|| now + TIDY_RETRY);
                let expire = Some(self.expire_at);
                let next = [self.next_look(&store), self.next_snapshot(now), self.scrub_at, expire, tidied];
                let next = next.into_iter().flatten().min();
                drop(store);
                self.shared.keeper.sleep(next.map(|next| next.saturating_sub(now)));
            }
        }
    }

    /// While there is little room, it is looked at again and again; else only for the ballast.
    fn next_look(&self, store: &Store) -> Option<Duration> {
        let is_low = store.space().step > SpaceStep::Ample || self.no_room;
        let soon = is_low.then(|| self.shared.looked() + self.shared.options.upkeep.space_poll);
        soon.into_iter().chain(self.look_at).min()
    }

    fn look(&mut self, store: &Store, now: Duration) {
        let space = self.shared.look_at_space(store);
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
        }
        if space.step == SpaceStep::Ample {
            if self.no_room {
                // Now it should fit.
                (self.no_room, self.retry_at) = (false, None);
            }
            if now >= AT_FIRST
                && let Err(error) = store.keep_ballast()
            {
                tracing::warn!(%error, "no ballast could be made");
            }
        }
    }

    /// When a snapshot is to be taken.
    fn next_snapshot(&self, now: Duration) -> Option<Duration> {
        let (shared, options) = (&self.shared, &self.shared.options);
        if shared.failure().is_some() || self.is_over {
            return None;
        }
        let asked = (shared.keeper.is_asked() || self.damaged).then_some(now);
        let age = options.upkeep.snapshot_age;
        let old = shared.unsaved.due(age).filter(|_| options.auto_snapshot);
        // It waited since before the start.
        let old = old.map(|due| if due < age { due.max(AT_FIRST) } else { due });
        let erased = shared.erasing.due(options.upkeep.erased_within);
        let wanted = [asked, old, erased].into_iter().flatten().min()?;
        Some(self.retry_at.map_or(wanted, |retry| retry.max(wanted)))
    }

    fn snapshot(&mut self, store: &Store) {
        let shared = &self.shared;
        let manner = if self.damaged { Manner::Afresh } else { Manner::ByItself };
        let done = checkpoint::take(shared, manner).and_then(|info| {
            if self.damaged {
                store.forget_damaged()?;
            }
            Ok(info)
        });
        match done {
            Ok(info) => {
                let (lsn, bytes, took_us, held_us) = (info.lsn.0, info.bytes, info.took_us, info.held_us);
                tracing::info!(lsn, bytes, took_us, held_us, "snapshot written");
                (self.failures, self.retry_at, self.no_room, self.damaged) = (0, None, false, false);
                self.look_at = Some(shared.uptime().max(AT_FIRST));
            }
            Err(Error::Closed) => self.is_over = true,
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &Error) {
        let shared = &self.shared;
        self.no_room = matches!(error, Error::NoRoom(_));
        self.failures += 1;
        let waits = &shared.options.upkeep.snapshot_retry;
        let wait = waits[self.failures.min(waits.len()) - 1];
        self.retry_at = Some(shared.uptime() + wait);
        tracing::error!(%error, failures = self.failures, "a snapshot failed; it is tried again in {} s", wait.as_secs());
        if self.failures >= FAILURES_MAX {
            let told = format!("{} snapshots in a row failed, the last one: {error}", self.failures);
            shared.alarms.raise(AlarmKind::SnapshotFailing, told);
        }
        self.tell_late("no snapshot could be made");
    }

    /// Raises an alarm once an erasure should have left the files long ago.
    fn tell_late(&self, why: &str) {
        let shared = &self.shared;
        if shared.erasing.due(ERASED_BY).is_some_and(|by| by <= shared.uptime()) {
            let told = format!("a contact that was erased more than a day ago is still in the files: {why}");
            shared.alarms.raise(AlarmKind::ErasureLate, told);
        }
    }

    /// Removes torn tails that were kept for long enough; a start does, too.
    fn expire(&mut self, store: &Store, now: Duration) {
        self.expire_at = now + EXPIRE_EVERY;
        if let Err(error) = store.expire_torn() {
            tracing::warn!(%error, "a torn tail that was kept for a week could not be removed yet");
        }
    }

    /// Reads a little, and says when to read on.
    fn scrub(&mut self, store: &Store, now: Duration) {
        let upkeep = &self.shared.options.upkeep;
        let scrub = self.scrub.get_or_insert_with(|| store.start_scrub());
        match scrub.step() {
            Scrubbed::Read(bytes) => {
                let rate = upkeep.scrub_bytes_per_second.max(1);
                self.scrub_at = Some(now + Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate));
            }
            Scrubbed::Damaged(damaged) => self.found(store, &damaged),
            Scrubbed::Failed(error) => {
                tracing::warn!(%error, "a file at rest could not be read again; it is tried once more");
                self.scrub_at = Some(now + SCRUB_RETRY);
            }
            Scrubbed::Done => {
                let (files, bytes, is_complete) = (scrub.files, scrub.bytes, scrub.is_complete());
                tracing::info!(files, bytes, is_complete, "the files at rest were read again");
                let is_whole =
                    is_complete && scrub.damaged == 0 && !store.has_damage() && self.shared.failure().is_none();
                self.shared.scrubbed(is_whole);
                if is_whole {
                    self.shared.alarms.clear(AlarmKind::DamageFound);
                }
                (self.scrub, self.scrub_at) = (None, Some(now + upkeep.scrub_every));
            }
        }
    }

    fn found(&mut self, store: &Store, damaged: &Damaged) {
        let shared = &self.shared;
        let before = shared.alarms.detail(AlarmKind::DamageFound).filter(|_| store.has_damage());
        let told = before.into_iter().map(String::from).chain([damaged.error.to_string()]).collect::<Vec<_>>();
        shared.found_damage(damaged.error.to_string().into());
        shared.alarms.raise(AlarmKind::DamageFound, told.join("; "));
        if damaged.in_memory {
            // What memory shows is read from there and is bad, or may be at any moment, so it is no good copy either.
            let told = format!("the snapshot that memory is mapped from is damaged: {}", damaged.error);
            shared.fail_with(told.into());
        } else {
            // Damage of a file that only memory needed is over: memory has copies of its own of those parts.
            self.damaged |= damaged.is_needed;
        }
    }
}
