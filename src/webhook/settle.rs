//! What follows from a call for its endpoint: told, tried again, given up, disabled.

use std::time::Duration;

use crate::{
    model::{id::ContactId, time::Timestamp},
    webhook::{
        endpoint::{DeadLetter, Endpoint, Status, Trouble},
        plan::{Outcome, Plan, Verdict},
    },
};

/// What a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// An entry of the feed, in its turn.
    Entry(u64, Option<ContactId>),
    /// An entry that was asked for again.
    Replay(u64, Option<ContactId>),
    /// Entries that are missing.
    Gap,
}

impl Of {
    /// The entry.
    pub fn seq(self) -> Option<u64> {
        match self {
            Of::Entry(seq, _) | Of::Replay(seq, _) => Some(seq),
            Of::Gap => None,
        }
    }

    fn is_replay(self) -> bool {
        matches!(self, Of::Replay(..))
    }
}

/// A call that ended.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The id of the message.
    pub id: &'a str,
    /// What it was of.
    pub of: Of,
    /// What it came to.
    pub outcome: Outcome,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
    /// When it ended.
    pub now: Timestamp,
    /// How long this process tried since the failure before.
    pub tried_for: Duration,
    /// Whether the owner changed the endpoint while it was under way.
    pub is_changed: bool,
}

/// What followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Tries of the message so far.
    pub tries: u32,
    /// When it is tried again.
    pub next: Option<Timestamp>,
    /// Whether the endpoint was disabled by it.
    pub is_disabled: bool,
}

impl Endpoint {
    /// Notes what a call came to.
    pub fn settle(&mut self, plan: &Plan, disable_after: Duration, call: &Call<'_>) -> Settled {
        let Call { id, of, outcome, now, .. } = *call;
        let trouble = if of.is_replay() { &mut self.replay_trouble } else { &mut self.trouble };
        let before = trouble.clone().filter(|trouble| trouble.id == id);
        let (tries, refused, first) =
            before.map_or((1, 0, now), |trouble| (trouble.tries + 1, trouble.refused, trouble.first));
        if call.is_changed && !outcome.is_taken() {
            // It tells of an endpoint that is another one by now, which gets its own try.
            return Settled { tries, ..Settled::default() };
        }
        *trouble = None;
        let refused = refused + u32::from(outcome.is_about_message());
        let of_class = if outcome.is_about_message() { refused } else { tries - refused };
        let verdict = match (of, plan.judge(outcome, call.retry_after, id, of_class)) {
            // Nothing tells of a gap that was not told, so it is tried for as long as the endpoint is.
            (Of::Gap, Verdict::GiveUp) => Verdict::Again(plan.receiver.last().copied().unwrap_or_default()),
            // Whoever asked for it again knows; the others do not wait for it.
            (Of::Replay(..), Verdict::Again(_)) if outcome.is_about_message() => Verdict::GiveUp,
            (_, verdict) => verdict,
        };
        let mut settled = Settled { tries, ..Settled::default() };
        match (verdict, of) {
            (Verdict::Taken, of) => self.take(of, call),
            (Verdict::Gone, _) => {
                self.status = Status::Gone;
                settled.is_disabled = true;
                return settled;
            }
            (Verdict::Again(wait), _) => {
                let next = now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
                settled.next = Some(next);
                let trouble = Trouble { id: id.to_owned(), tries, refused, first, last: now, next, outcome };
                *(if of.is_replay() { &mut self.replay_trouble } else { &mut self.trouble }) = Some(trouble);
            }
            (Verdict::GiveUp, Of::Entry(seq, contact) | Of::Replay(seq, contact)) => {
                let id = id.to_owned();
                self.bury(DeadLetter { seq, id, contact, tries, first, last: now, outcome, told: false });
                self.pass(seq, of.is_replay());
                tracing::warn!(webhook = self.id, seq, outcome = outcome.word(), "a message was given up");
            }
            (Verdict::GiveUp, Of::Gap) => {}
        }
        if !outcome.is_taken() {
            settled.is_disabled = self.fail(disable_after, call);
        }
        settled
    }

    fn take(&mut self, of: Of, call: &Call<'_>) {
        (self.failing_since, self.failing_ms) = (None, 0);
        match of {
            Of::Entry(seq, contact) => self.taken(seq, contact, false),
            Of::Replay(seq, contact) if call.is_changed => {
                // What waits to be told again may be something else by now: this is not passed, and comes once more.
                let replays = std::mem::take(&mut self.replays);
                self.taken(seq, contact, true);
                self.replays = replays;
            }
            Of::Replay(seq, contact) => self.taken(seq, contact, true),
            Of::Gap if self.gap.as_ref().is_some_and(|gap| gap.id(&self.id) == call.id) => self.gap = None,
            Of::Gap => {}
        }
    }

    /// Counts for how long nothing could be delivered. Gives whether the endpoint is disabled for it.
    fn fail(&mut self, disable_after: Duration, call: &Call<'_>) -> bool {
        match self.failing_since {
            Some(since) if since <= call.now => {
                let more = u64::try_from(call.tried_for.as_millis()).unwrap_or(u64::MAX);
                self.failing_ms = self.failing_ms.saturating_add(more);
            }
            // The first failure; or the clock was set back since, and what it said means nothing.
            _ => (self.failing_since, self.failing_ms) = (Some(call.now), 0),
        }
        let is_over = Duration::from_millis(self.failing_ms) >= disable_after && self.failing_ms > 0;
        if is_over && self.is_active() {
            self.status = Status::Failing;
            return true;
        }
        false
    }
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
