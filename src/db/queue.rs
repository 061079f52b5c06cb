//! The queue before the writer: bounded in entries and in bytes, so that a flood is told to come back.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
    time::Duration,
};

use crate::{
    db::{
        database::{Callback, Write},
        error::Error,
        since::Since,
        sync::{Condvar, Mutex, MutexGuard, SyncSender},
    },
    engine::state::State,
    model::{
        id::Lsn,
        planted::{Bug, planted},
        request::{Input, MembersEdit, Request, RuleSource, SegmentCreate, SegmentSource, SuppressionWrite},
        time::Timestamp,
    },
};

/// Entries that may wait.
pub const QUEUE_MAX: usize = 4_096;
/// Bytes that may wait; a single larger entry may when nothing else does.
pub const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Entries that share one sync.
const GROUP_MAX: usize = 1_024;
/// Bytes that share one sync.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// What the writer is asked to do.
pub(super) enum Work {
    /// A batch.
    Write(Write),
    /// Moves a manual clock.
    Move(Timestamp),
    /// Hands out the state for a snapshot.
    Capture {
        /// Whether the log is to go on in a new file, so that the ones before can be let go.
        roll: bool,
        /// Whether the writer is to make that file itself if there is none yet. Else it hands out nothing then.
        makes: bool,
        /// Where to.
        into: SyncSender<Capture>,
    },
}

/// What a snapshot is made of.
pub(super) struct Capture {
    /// Everything published.
    pub(super) state: Arc<State>,
    /// The last erasure that files may still hold a trace of; 0 for none. If there is one, the log goes on in a new file.
    pub(super) erased: Lsn,
    /// Since when something waited for this snapshot.
    pub(super) unsaved: Since,
    /// What was logged since the snapshot before. Units: bytes.
    pub(super) logged: u64,
    /// How long it took the writer. Units: microseconds.
    pub(super) held_us: u64,
}

/// An entry of the queue.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) done: Callback,
}

/// What the writer wakes up to.
pub(super) enum Taken {
    /// These entries, which share one sync.
    Jobs(Vec<Job>),
    /// The time it wanted to wait is over.
    Timeout,
    /// Nothing waits and nothing will come.
    Closed,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<(usize, Job)>,
    bytes: usize,
    closed: bool,
}

/// Entries on their way to the writer.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    woken: Condvar,
    /// How many may wait.
    max: usize,
}

impl Queue {
    /// An empty one in which so many may wait.
    pub(super) fn of(max: usize) -> Queue {
        Queue { inner: Mutex::default(), woken: Condvar::new(), max }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock; were it to, the entries are still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry.
    ///
    /// Errors: [`Error::Busy`] or [`Error::Closed`], with the entry.
    pub(super) fn push(&self, job: Job) -> Result<(), (Error, Job)> {
        let weight = match &job.work {
            Work::Write(write) => write.requests.iter().map(weigh).sum(),
            Work::Move(_) | Work::Capture { .. } => 0,
        };
        let mut inner = self.lock();
        if inner.closed {
            return Err((Error::Closed, job));
        }
        let full = inner.jobs.len() >= self.max || inner.bytes + weight > QUEUE_BYTES_MAX;
        if full && !inner.jobs.is_empty() {
            return Err((Error::Busy, job));
        }
        if planted(Bug::WakeFirst) {
            drop(inner);
            self.woken.notify_one();
            inner = self.lock();
        }
        inner.bytes += weight;
        inner.jobs.push_back((weight, job));
        drop(inner);
        if !planted(Bug::WakeFirst) {
            self.woken.notify_one();
        }
        Ok(())
    }

    /// Waits for entries, for at most `patience`.
    pub(super) fn take(&self, patience: Option<Duration>) -> Taken {
        let mut inner = self.lock();
        while inner.jobs.is_empty() {
            if inner.closed {
                return Taken::Closed;
            }
            inner = match patience {
                None => self.woken.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let (guard, over) =
                        self.woken.wait_timeout(inner, patience).unwrap_or_else(PoisonError::into_inner);
                    if over.timed_out() && guard.jobs.is_empty() && !guard.closed {
                        return Taken::Timeout;
                    }
                    guard
                }
            };
        }
        let mut jobs = Vec::new();
        let mut bytes = 0;
        while let Some((weight, job)) = inner.jobs.front() {
            // What is handed out is what is published, and a new log file begins where nothing waits to go to the old one.
            let first = matches!(job.work, Work::Capture { .. });
            if !jobs.is_empty() && (first || jobs.len() >= GROUP_MAX || bytes + weight > GROUP_BYTES_MAX) {
                break;
            }
            let (weight, job) = inner.jobs.pop_front().expect("there is a front entry");
            bytes += weight;
            jobs.push(job);
        }
        inner.bytes -= bytes;
        Taken::Jobs(jobs)
    }

    /// Takes no more entries; those that wait are still handed out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.woken.notify_all();
    }

    /// Takes no more entries and hands back those that wait.
    pub(super) fn abandon(&self) -> Vec<Job> {
        let mut inner = self.lock();
        inner.closed = true;
        inner.bytes = 0;
        inner.jobs.drain(..).map(|(_, job)| job).collect()
    }

    /// How many entries wait.
    pub(super) fn len(&self) -> usize {
        self.lock().jobs.len()
    }
}

/// About how many bytes a request takes.
fn weigh(request: &Request) -> usize {
    const BASE: usize = 64;
    let values = |values: &[(_, Input)]| -> usize { values.iter().map(|(_, input)| 24 + weigh_input(input)).sum() };
    let keys =
        |keys: &[crate::model::name::ContactKey]| -> usize { keys.iter().map(|key| 16 + key.as_str().len()).sum() };
    let rule = |source: &RuleSource| match source {
        RuleSource::Text(text) | RuleSource::Json(text) => text.len(),
    };
    let create = |create: &SegmentCreate| match &create.source {
        SegmentSource::Rule(source) => rule(source),
        SegmentSource::Members(members) => keys(members),
        SegmentSource::Frozen(_) => 0,
    };
    let edit = |edit: &MembersEdit| -> usize { edit.edits.iter().map(|(_, members)| keys(members)).sum() };
    BASE + match request {
        Request::Contact(write) => write.key.as_str().len() + values(&write.values),
        Request::Join(join) => join.write.key.as_str().len() + values(&join.write.values),
        Request::Message(message) => message.requests.iter().map(weigh).sum(),
        Request::Event(write) => write.contact.as_str().len() + values(&write.properties),
        Request::CreateSegment(new) | Request::Suppression(SuppressionWrite::Create(new, _)) => create(new),
        Request::UpdateSegment(update) | Request::Suppression(SuppressionWrite::Update(update, _)) => {
            update.rule.as_ref().map_or(0, rule)
        }
        Request::EditMembers(members) | Request::Suppression(SuppressionWrite::Edit(members)) => edit(members),
        Request::Schema(patch) => (patch.properties.len() + patch.events.len()) * BASE,
        Request::Erase(_)
        | Request::Merge(_)
        | Request::RemoveEvent(_)
        | Request::DeleteSegment(_)
        | Request::Suppression(SuppressionWrite::Delete(_))
        | Request::Tick(_)
        | Request::Found(_) => 0,
    }
}

fn weigh_input(input: &Input) -> usize {
    let list = |items: &[Input]| -> usize { items.iter().map(|item| 24 + weigh_input(item)).sum() };
    match input {
        Input::Text(text) | Input::Cell(text) => text.len(),
        Input::List(items) => list(items),
        Input::Edit { add, remove } => list(add) + list(remove),
        Input::Null | Input::Flag(_) | Input::Number(_) | Input::Object => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job { work: Work::Write(Write::default()), done: Box::new(|_| {}) }
    }

    fn heavy(bytes: usize) -> Job {
        let request = Request::RemoveEvent("x".into());
        let text = RuleSource::Text("x".repeat(bytes).into());
        let create = crate::model::request::SegmentCreate {
            name: "x".into(),
            description: None,
            source: SegmentSource::Rule(text),
        };
        let requests = vec![request, Request::CreateSegment(create)];
        Job { work: Work::Write(requests.into()), done: Box::new(|_| {}) }
    }

    #[test]
    fn it_is_bounded_in_entries() {
        let queue = Queue::of(QUEUE_MAX);
        for _ in 0..QUEUE_MAX {
            assert!(queue.push(job()).is_ok());
        }
        assert!(matches!(queue.push(job()), Err((Error::Busy, _))));
        let Taken::Jobs(jobs) = queue.take(None) else { panic!("jobs wait") };
        assert_eq!((jobs.len(), queue.len()), (GROUP_MAX, QUEUE_MAX - GROUP_MAX));
        assert!(queue.push(job()).is_ok());
    }

    #[test]
    fn it_is_bounded_in_bytes_but_takes_one_of_any_size() {
        let queue = Queue::of(QUEUE_MAX);
        assert!(queue.push(heavy(QUEUE_BYTES_MAX + 1)).is_ok());
        assert!(matches!(queue.push(job()), Err((Error::Busy, _))) || queue.len() == 2);
        assert!(matches!(queue.push(heavy(1)), Err((Error::Busy, _))));
        assert!(matches!(queue.take(None), Taken::Jobs(_)));
        assert!(queue.push(heavy(1)).is_ok());
    }

    #[test]
    fn a_new_log_file_comes_first_in_its_group() {
        let queue = Queue::of(QUEUE_MAX);
        let into = crate::db::sync::sync_channel(1).0;
        let roll =
            || Job { work: Work::Capture { roll: true, makes: true, into: into.clone() }, done: Box::new(|_| {}) };
        for job in [job(), job(), roll(), job(), roll()] {
            assert!(queue.push(job).is_ok());
        }
        let group = || {
            let Taken::Jobs(jobs) = queue.take(None) else { panic!("jobs wait") };
            jobs.iter().map(|job| matches!(job.work, Work::Capture { .. })).collect::<Vec<_>>()
        };
        assert_eq!([group(), group(), group()], [vec![false, false], vec![true, false], vec![true]]);
    }

    #[test]
    fn closing_hands_out_what_waits() {
        let queue = Queue::of(QUEUE_MAX);
        assert!(matches!(queue.take(Some(Duration::from_millis(1))), Taken::Timeout));
        queue.push(job()).map_err(|(error, _)| error).unwrap();
        queue.close();
        assert!(matches!(queue.push(job()), Err((Error::Closed, _))));
        assert!(matches!(queue.take(None), Taken::Jobs(jobs) if jobs.len() == 1));
        assert!(matches!(queue.take(None), Taken::Closed));
        assert!(queue.abandon().is_empty());
    }
}
