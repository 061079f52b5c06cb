//! The one writer: admit, stamp, log, sync, publish, answer. What waits together shares one sync.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering, mpsc::TrySendError},
    time::Duration,
};

use crate::{
    db::{
        clock::Stopwatch,
        database::{Callback, Write},
        error::Error,
        payload::Payload,
        queue::{Capture, Job, Taken, Work},
        record::Written,
        shared::{Shared, told_low},
        sync::SyncSender,
    },
    engine::{
        admit::{Admitted, OnceKey, admit_by},
        command::Stamp,
        state::State,
    },
    model::{
        id::Lsn,
        planted::{Bug, planted},
        request::{Applied, Request},
        time::Timestamp,
    },
    storage::{
        error::{StorageError, StorageErrorKind},
        log::Log,
        space::{Space, SpaceStep},
    },
};

/// The longest sleep while something is to come due: a clock that is set ahead is noticed by then.
const NAP: Duration = Duration::from_millis(500);
/// What comes due within so long after a batch comes in one tick with what else does: each costs an entry of the log.
/// Units: milliseconds.
const TICK_MS: i64 = 200;
/// How long nothing is written before time is taken to make look-ups quicker.
const LULL: Duration = Duration::from_millis(2);
/// How long to wait after a tick that was refused for want of room.
const TICK_AGAIN: Duration = Duration::from_secs(5);

/// While writes wait, an automatic snapshot is put off until the log is so many times as long as it would have to be,
/// or as long as the last snapshot: it would take the time of what it is to spare.
const PUT_OFF: u64 = 4;

/// The writer's own things.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    /// `None` in memory alone.
    pub(super) log: Option<Log>,
    /// Runs since a tick was refused for want of room.
    pub(super) refused: Option<Stopwatch>,
    /// Runs since the last entries were done.
    pub(super) lull: Stopwatch,
}

/// A group of entries on its way to one sync.
struct Group {
    state: State,
    frames: Vec<(Lsn, Payload)>,
    answers: Vec<(Callback, Result<Written, Error>)>,
    /// The last write that erases a contact.
    erased: Option<Lsn>,
    /// Nothing in it but what is written with the last of the room.
    is_urgent: bool,
    /// Nothing in it but time that passes, which is not what the ballast is kept for.
    is_time: bool,
    space: Space,
}

impl Writer {
    /// Works until the queue is closed and empty, then closes the log.
    pub(super) fn run(self) {
        let guard = Abandon(Arc::clone(&self.shared));
        // Goes before the guard does: whoever is told that all is over may open the folder again.
        let mut writer = self;
        writer.work();
        let closed = writer.log.take().map_or(Ok(()), Log::close);
        writer.shared.release(closed.map_err(Error::from));
        drop(writer);
        drop(guard);
    }

    fn work(&mut self) {
        loop {
            match self.shared.queue.take(self.patience()) {
                Taken::Jobs(jobs) => {
                    self.group(jobs);
                    self.lull = Stopwatch::start();
                    // A stream of writes that are all refused must not keep time from passing.
                    self.wake();
                }
                Taken::Timeout => {
                    // While look-ups are tidied it wakes more often than it would.
                    if !self.has_slack() || self.lull.elapsed() >= self.shared.options.seal_after {
                        self.seal();
                    }
                    self.wake();
                    if self.lull.elapsed() >= LULL {
                        self.tidy();
                    }
                }
                Taken::Closed => return,
            }
        }
    }

    /// How long to wait for entries before something else is to be done.
    fn patience(&self) -> Option<Duration> {
        if self.shared.failure().is_some() {
            return None;
        }
        let state = self.shared.published.load();
        let due = match (state.next_due(), self.shared.is_manual()) {
            (Some(_), false) if self.refused.is_some() => self.refused_for(),
            (Some(due), false) => {
                let now = self.shared.clock(&state);
                let due = due.max(state.as_of.plus_ms(TICK_MS));
                Some(Duration::from_millis(u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0)).min(NAP))
            }
            _ => None,
        };
        let unsealed = self.log.as_ref().filter(|log| !log.is_sealed()).map(|_| self.shared.options.seal_after);
        due.into_iter().chain(unsealed).chain(self.has_slack().then_some(LULL)).min()
    }

    fn refused_for(&self) -> Option<Duration> {
        self.refused.map(|since| TICK_AGAIN.saturating_sub(since.elapsed()))
    }

    /// Whether something is left for a moment in which nothing is written.
    fn has_slack(&self) -> bool {
        self.shared.failure().is_none() && self.shared.published.load().live.has_slack()
    }

    /// Nothing was written for a moment: what many new segments left for later is done, a part each time, so that a write
    /// that comes does not wait for long. It is no change, so it has no place in the log.
    fn tidy(&mut self) {
        if self.has_slack() {
            let mut state = State::clone(&self.shared.published.load());
            state.live.tidy();
            self.shared.published.store(Arc::new(state));
        }
    }

    /// Nothing was written for a while: from here on damage to the last frame is told from a torn write.
    fn seal(&mut self) {
        if self.shared.failure().is_none()
            && let Some(Err(error)) = self.log.as_mut().map(|log| self.shared.on_disk(|| log.seal()))
        {
            self.shared.fail(&error);
        }
    }

    fn wake(&mut self) {
        if self.shared.failure().is_some() || self.refused_for().is_some_and(|rest| !rest.is_zero()) {
            return;
        }
        self.refused = None;
        let state = self.shared.published.load();
        let now = self.shared.clock(&state);
        let due = state.next_due().map(|due| due.max(state.as_of.plus_ms(TICK_MS)));
        if !self.shared.is_manual() && due.is_some_and(|due| due <= now) && !planted(Bug::DropTick) {
            let before = state.lsn;
            drop(state);
            self.group(vec![Job { work: Work::Write(vec![Request::Tick(now)].into()), done: Box::new(|_| {}) }]);
            self.lull = Stopwatch::start();
            self.refused = (self.shared.published.load().lsn == before).then(Stopwatch::start);
        }
    }

    /// Does everything of some entries with one sync.
    pub(super) fn group(&mut self, jobs: Vec<Job>) {
        let watch = Stopwatch::start();
        let mut group = Group {
            state: State::clone(&self.shared.published.load()),
            frames: Vec::new(),
            answers: Vec::with_capacity(jobs.len()),
            erased: None,
            is_urgent: true,
            is_time: true,
            space: self.shared.store().map(|store| self.shared.look_at_space(&store)).unwrap_or_default(),
        };
        for Job { work, done } in jobs {
            let result = match (self.shared.failure(), work) {
                (Some(error), _) => Err(error),
                (None, Work::Write(write)) => self.write(&mut group, write),
                (None, Work::Move(to)) => self.move_clock(&mut group, to),
                (None, Work::Capture { roll, makes, into }) => {
                    done(self.capture(&group, roll, makes, &into));
                    continue;
                }
            };
            group.answers.push((done, result));
        }
        let Group { state, frames, mut answers, erased, is_urgent, is_time, .. } = group;
        let is_changed = !frames.is_empty();
        if is_changed {
            let frames: Vec<_> = frames.into_iter().map(|(lsn, payload)| (lsn, payload.wait())).collect();
            if planted(Bug::PublishEarly) {
                self.shared.published.store(Arc::new(state.clone()));
            }
            if planted(Bug::TellEarly) {
                self.shared.tell_published();
            }
            self.shared.meters.apply.record(watch.elapsed());
            let watch = Stopwatch::start();
            if let Err(error) = self.append(&frames, is_urgent, !is_time) {
                self.shared.meters.log_failures.add(1);
                let error = self.failed(&error);
                answers.into_iter().for_each(|(done, _)| done(Err(error.clone())));
                return;
            }
            let bytes = frames.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
            self.shared.logged.add(bytes);
            self.shared.meters.sync.record(watch.elapsed());
            self.shared.meters.batches.add(frames.len() as u64);
            self.shared.meters.logged_bytes.add(bytes);
            if planted(Bug::AnswerFirst) {
                std::mem::take(&mut answers).into_iter().for_each(|(done, result)| done(result));
            }
            if planted(Bug::TellFirst) {
                self.shared.tell_published();
            }
            self.shared.published.store(Arc::new(state));
            let now = self.shared.uptime();
            let mut is_new = self.shared.unsaved.begin(now);
            self.shared.latest.store(None);
            if let Some(lsn) = erased {
                self.shared.erased.store(lsn.0, Ordering::Release);
                is_new |= self.shared.erasing.begin(now);
            }
            if is_new {
                self.shared.keeper.wake();
            }
        }
        answers.into_iter().for_each(|(done, result)| done(result));
        if is_changed && !planted(Bug::TellFirst) {
            self.shared.tell_published();
        }
        if self.snapshot_is_due() {
            self.shared.keeper.ask_snapshot();
        }
    }

    /// Appends to the log. Where there is little room, what is urgent may go to a shorter file, and the ballast goes.
    fn append(&mut self, frames: &[(Lsn, Vec<u8>)], is_urgent: bool, ballast: bool) -> Result<(), StorageError> {
        let frames: Vec<(Lsn, &[u8])> = frames.iter().map(|(lsn, bytes)| (*lsn, bytes.as_slice())).collect();
        self.with_room(is_urgent, ballast, &mut |log| log.append(&frames))
    }

    fn with_room(
        &mut self,
        is_urgent: bool,
        ballast: bool,
        work: &mut dyn FnMut(&mut Log) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let Some(log) = &mut self.log else { return Ok(()) };
        if !is_urgent {
            return self.shared.on_disk(|| work(log));
        }
        let done = self.shared.on_disk(|| log.sparingly(&mut *work));
        let store = self.shared.store().filter(|_| ballast && log.failed().is_none());
        match (done, store) {
            (Err(error), Some(store)) if error.kind == StorageErrorKind::NoSpace => match store.give_ballast()? {
                0 => Err(error),
                _ => self.shared.on_disk(|| log.sparingly(work)),
            },
            (done, _) => done,
        }
    }

    /// What those hear whose writes are not in the log. Where it had no room it is as it was before.
    fn failed(&self, error: &StorageError) -> Error {
        if self.log.as_ref().is_some_and(|log| log.failed().is_none()) {
            return Error::NoRoom(error.to_string().into());
        }
        self.shared.fail(error);
        Error::OutcomeUnknown(error.to_string().into())
    }

    fn write(&self, group: &mut Group, write: Write) -> Result<Written, Error> {
        let at = self.shared.clock(&group.state);
        if let Some(once) = &write.once
            && let Some(kept) = group.state.memory.find(&once.key, at)
        {
            if kept.digest != once.digest && !planted(Bug::IgnoreDigest) {
                return Err(Error::KeyReused(once.key.clone()));
            }
            return Ok(Written { lsn: kept.lsn, results: kept.results(), replayed: true });
        }
        let is_urgent = write.requests.iter().all(Request::is_urgent);
        if group.space.step == SpaceStep::DeletesOnly && !is_urgent && !planted(Bug::WriteWhenLow) {
            return Err(Error::StorageLow(told_low(&group.space).into()));
        }
        group.is_urgent &= is_urgent;
        group.is_time &= write.requests.iter().all(|request| matches!(request, Request::Tick(_)));
        let once = write.once.as_ref().map(|once| OnceKey { key: &once.key, digest: once.digest });
        Ok(self.admit(group, at, write.requests, once, write.by.as_deref()))
    }

    fn admit(
        &self,
        group: &mut Group,
        at: Timestamp,
        requests: Vec<Request>,
        once: Option<OnceKey<'_>>,
        by: Option<&str>,
    ) -> Written {
        let stamp = Stamp { lsn: Lsn(group.state.lsn.0 + 1), at };
        let Admitted { batch, results, outcome } = admit_by(&mut group.state, stamp, &requests, once, by);
        if !batch.commands.is_empty() {
            let logged = self.log.is_some();
            let payload = if logged { Payload::of(at, batch, requests) } else { Payload::Ready(Vec::new()) };
            group.frames.push((stamp.lsn, payload));
            group.erased = if outcome.erased > 0 { Some(stamp.lsn) } else { group.erased };
        }
        Written { lsn: group.state.lsn, results, replayed: false }
    }

    fn move_clock(&self, group: &mut Group, to: Timestamp) -> Result<Written, Error> {
        let now = group.state.as_of;
        if !self.shared.is_manual() {
            return Err(Error::ClockNotManual);
        }
        if to < now {
            return Err(Error::ClockBack { now, to });
        }
        if to == now {
            return Ok(Written { lsn: group.state.lsn, results: vec![Ok(Applied::Unchanged)], replayed: false });
        }
        Ok(self.admit(group, to, vec![Request::Tick(to)], None, None))
    }

    /// Hands out what is published, for a snapshot. When somebody was erased the log goes on in a new file; where that is
    /// still to be made, and not here, nothing is handed out. It is answered at once: whatever becomes of the writes
    /// beside it is nothing to it.
    fn capture(
        &mut self,
        group: &Group,
        roll: bool,
        makes: bool,
        into: &SyncSender<Capture>,
    ) -> Result<Written, Error> {
        let watch = Stopwatch::start();
        let written = Written { lsn: group.state.lsn, results: Vec::new(), replayed: false };
        let erased = Lsn(self.shared.erased.load(Ordering::Acquire));
        if erased > Lsn(0) || roll {
            if !makes && self.log.as_ref().is_some_and(|log| !log.can_roll()) {
                return Ok(written);
            }
            // A snapshot may be what makes room, so the ballast is there for its sake.
            let rolled = self.with_room(true, true, &mut |log| log.roll_ahead());
            match rolled.map_err(|error| self.failed(&error)) {
                Err(Error::NoRoom(_)) if erased == Lsn(0) => {}
                rolled => rolled?,
            }
        }
        let logged = self.shared.logged.take();
        let (state, unsaved) = (self.shared.published.load_full(), self.shared.unsaved.end());
        let capture = Capture { state, erased, unsaved, logged, held_us: watch.elapsed_us() };
        if let Err(TrySendError::Disconnected(capture) | TrySendError::Full(capture)) = into.try_send(capture) {
            self.shared.still_unsaved(&capture);
        }
        Ok(written)
    }

    fn snapshot_is_due(&self) -> bool {
        let options = &self.shared.options;
        let last = self.shared.snapshot_bytes.load(Ordering::Relaxed);
        let least = if self.shared.queue.len() == 0 {
            options.snapshot_log_bytes.max(last / 2)
        } else {
            options.snapshot_log_bytes.saturating_mul(PUT_OFF).max(last)
        };
        options.auto_snapshot && self.log.is_some() && self.shared.logged.get() > least
    }
}

/// Should the writer stop by a panic, everyone who waits is told.
struct Abandon(Arc<Shared>);

impl Drop for Abandon {
    fn drop(&mut self) {
        let fault = std::thread::panicking().then_some("the writer stopped by a fault of the program");
        if let Some(fault) = fault {
            self.0.fail_with(fault.into());
            let hook = self.0.on_fault.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(hook) = hook {
                hook(fault);
            }
        }
        for Job { done, .. } in self.0.queue.abandon() {
            done(Err(Error::Closed));
        }
        self.0.release(fault.map_or(Ok(()), |fault| Err(Error::ReadOnly(fault.into()))));
    }
}
