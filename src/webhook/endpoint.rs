//! An endpoint: where to, of what, how far it was told, and what could not be told.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        id::{ContactId, SegmentId},
        limits,
        time::Timestamp,
    },
    webhook::{plan::Outcome, sign::Secret},
};

/// How long an old secret signs beside the new one.
pub const ROTATION_MS: i64 = 24 * 3_600_000;
/// How long a retry of the call that made an endpoint is known as one.
const RETRY_KNOWN_MS: i64 = 24 * 3_600_000;
/// Tries of the last past that are remembered for people; they are in memory alone.
const TRIES_KEPT: usize = 128;

/// What of the feed an endpoint is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A contact entered.
    Entered,
    /// A contact left.
    Left,
    /// Many did at once.
    Bulk,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Entered, Kind::Left, Kind::Bulk];

    /// Its name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Entered => "entered",
            Kind::Left => "left",
            Kind::Bulk => "bulk",
        }
    }

    /// The kind of a name.
    pub fn named(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Whether it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is.
    Active,
    /// Its owner said to wait.
    Paused,
    /// The receiver answered 410: it wants nothing more.
    Gone,
    /// For days nothing could be delivered.
    Failing,
}

impl Status {
    /// Its name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Paused => "paused",
            Status::Gone | Status::Failing => "disabled",
        }
    }

    /// Why it is disabled.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Status::Gone => Some("the receiver answered 410 Gone"),
            Status::Failing => Some("nothing could be delivered for too long"),
            Status::Active | Status::Paused => None,
        }
    }
}

/// A message that is being tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Its id.
    pub id: String,
    /// Tries so far.
    pub tries: u32,
    /// Those of them that refused this message.
    pub refused: u32,
    /// When the first one was.
    pub first: Timestamp,
    /// When the last one was.
    pub last: Timestamp,
    /// When the next one is.
    pub next: Timestamp,
    /// What the last one came to.
    pub outcome: Outcome,
}

impl Trouble {
    /// How long to wait yet. A clock that was set back since the last try makes it no longer than was planned, and
    /// nothing makes it longer than `longest`.
    pub fn wait(&mut self, now: Timestamp, longest: Duration) -> Duration {
        let longest = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
        let planned = self.next.0.saturating_sub(self.last.0).clamp(0, longest);
        if now < self.last || self.next.0.saturating_sub(now.0) > longest {
            (self.last, self.next) = (now, now.plus_ms(planned));
        }
        Duration::from_millis(u64::try_from(self.next.0.saturating_sub(now.0)).unwrap_or(0))
    }
}

/// Why entries are missing for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GapReason {
    /// The feed no longer reaches back to them.
    TooOld,
    /// The feed ends before what was told: an older state was restored.
    Ahead,
    /// The database was salvaged from another, and its entries may be others.
    Salvaged,
}

impl GapReason {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            GapReason::TooOld => "cursor_too_old",
            GapReason::Ahead => "cursor_ahead",
            GapReason::Salvaged => "salvaged",
        }
    }
}

/// A gap that is to be told; it is kept as it was found until it is taken, so every try says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When it was found.
    pub at: Timestamp,
    /// Up to where everything had been told.
    pub after: u64,
    /// The oldest entry of the feed then.
    pub oldest: u64,
    /// The newest entry of the feed then.
    pub newest: u64,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// The id of its message.
    pub fn id(&self, endpoint: &str) -> String {
        format!("{endpoint}_gap_{}_{}_{}", self.after, self.newest, self.at.0)
    }
}

/// A message that was given up. It holds no text of a contact: what it said is read from the feed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The entry of the feed.
    pub seq: u64,
    /// The id of the message.
    pub id: String,
    /// Of whom it told.
    pub contact: Option<ContactId>,
    /// Tries before it was given up.
    pub tries: u32,
    /// When the first try was.
    pub first: Timestamp,
    /// When the last one was.
    pub last: Timestamp,
    /// What the last one came to.
    pub outcome: Outcome,
    /// Whether a later message of the same contact said that one is missing.
    pub told: bool,
}

/// One try, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// The id of the message.
    pub id: String,
    /// The entry of the feed; `None` for what is not of the feed.
    pub seq: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// The how-manieth try of the message, from 1.
    pub tries: u32,
    /// What it came to.
    pub outcome: Outcome,
    /// How long it took. Units: milliseconds.
    pub took_ms: u64,
    /// When it is tried again, if it is.
    pub next: Option<Timestamp>,
}

/// An endpoint, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id, `wh_` and hexadecimal digits.
    pub id: String,
    /// Where to.
    pub url: String,
    /// What it is for.
    pub description: Option<String>,
    /// The segments it is told of, by the names given, with what was found by them; none stands for all.
    pub segments: Vec<(Box<str>, Vec<SegmentId>)>,
    /// The kinds it is told of, sorted.
    pub kinds: Vec<Kind>,
    /// What signs.
    pub secret: Secret,
    /// What signs as well, until an instant.
    pub old_secrets: Vec<(Secret, Timestamp)>,
    /// Whether it is told.
    pub status: Status,
    /// When it was made.
    pub created: Timestamp,
    /// When its owner changed it last.
    pub updated: Timestamp,
    /// Everything in the feed up to here was told, given up, or is not for it. It may lag; it never leads.
    pub position: u64,
    /// What is to be told before anything after the position.
    pub gap: Option<Gap>,
    /// The message of the feed that is being tried again.
    pub trouble: Option<Trouble>,
    /// The message that was asked for again and is being tried again.
    pub replay_trouble: Option<Trouble>,
    /// Since when nothing could be delivered.
    pub failing_since: Option<Timestamp>,
    /// How long of that it was tried: neither the clock's steps nor a server that is down count. Units: milliseconds.
    pub failing_ms: u64,
    /// What was given up, the oldest first.
    pub dead: VecDeque<DeadLetter>,
    /// How many of these were dropped for want of room, or because the feed no longer holds their entries.
    pub dead_dropped: u64,
    /// Entries to be told again, from and to, both included.
    pub replays: VecDeque<(u64, u64)>,
    /// The call that made it, by its idempotency key, hashed, and a digest of what it asked.
    pub made_by: Option<(Box<str>, u64)>,
}

impl Endpoint {
    /// The secrets that sign at an instant, the newest first.
    pub fn signing(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        let old = self.old_secrets.iter().filter(move |(_, until)| now < *until).map(|(secret, _)| secret);
        std::iter::once(&self.secret).chain(old)
    }

    /// Takes a new secret; the one before signs beside it for a day.
    pub fn rotate(&mut self, secret: Secret, now: Timestamp) {
        self.old_secrets.retain(|(_, until)| now < *until);
        // A retry of the creation shows the secret, and this one is not of that call.
        self.made_by = None;
        let old = std::mem::replace(&mut self.secret, secret);
        self.old_secrets.insert(0, (old, now.plus_ms(ROTATION_MS)));
        self.old_secrets.truncate(limits::WEBHOOK_OLD_SECRETS_MAX);
    }

    /// Keeps a message that was given up, in the place of an earlier one of the same entry.
    pub fn bury(&mut self, letter: DeadLetter) {
        match self.dead.iter_mut().find(|known| known.seq == letter.seq) {
            Some(known) => *known = DeadLetter { told: known.told, first: known.first, ..letter },
            None => self.dead.push_back(letter),
        }
        while self.dead.len() > limits::WEBHOOK_DEAD_LETTERS_MAX {
            self.dead.pop_front();
            self.dead_dropped += 1;
        }
    }

    /// Drops what the feed, whose oldest entry this is, no longer holds, and what is over by now.
    pub fn expire(&mut self, oldest: u64, now: Timestamp) {
        self.keep_letters(|seq| seq >= oldest);
        self.replays.retain(|(_, to)| *to >= oldest);
        let age = now.0.saturating_sub(self.created.0);
        if age >= RETRY_KNOWN_MS {
            self.made_by = None;
        }
    }

    fn keep_letters(&mut self, is_kept: impl Fn(u64) -> bool) {
        let before = self.dead.len();
        self.dead.retain(|letter| is_kept(letter.seq));
        self.dead_dropped += (before - self.dead.len()) as u64;
    }

    /// Compares with the feed of a database that was opened: what was told and is not there is a gap. It has to be seen
    /// at once, before the feed grows past the place. `is_other` tells that the database is not the one that was told of.
    /// Gives whether there is a gap.
    pub fn meet(&mut self, oldest: u64, newest: u64, is_other: bool, now: Timestamp) -> bool {
        if is_other {
            self.dead_dropped += self.dead.len() as u64;
            self.dead.clear();
            self.replays.clear();
        }
        if !is_other && self.position <= newest {
            return false;
        }
        self.keep_letters(|seq| seq <= newest);
        self.replays.retain(|(from, _)| *from <= newest);
        self.replays.iter_mut().for_each(|(_, to)| *to = newest.min(*to));
        let reason = if is_other { GapReason::Salvaged } else { GapReason::Ahead };
        self.miss(oldest, newest, reason, now);
        self.position = self.position.min(newest);
        true
    }

    /// Notes that the feed, as it is, does not hold what follows the position.
    pub fn miss(&mut self, oldest: u64, newest: u64, reason: GapReason, now: Timestamp) {
        // One that was not told yet began earlier.
        let after = self.gap.as_ref().map_or(self.position, |gap| gap.after);
        self.gap = Some(Gap { at: now, after, oldest, newest, reason });
        if reason == GapReason::TooOld {
            self.position = oldest - 1;
        }
    }

    /// Lets it be tried at once: whoever mends something wants to see whether it works.
    pub fn retry_now(&mut self, now: Timestamp) {
        (self.failing_since, self.failing_ms) = (None, 0);
        for trouble in [&mut self.trouble, &mut self.replay_trouble].into_iter().flatten() {
            trouble.next = now;
        }
    }

    /// Whether a message of this contact is missing that no later one told of.
    pub fn is_missing(&self, contact: Option<ContactId>) -> bool {
        contact.is_some() && self.dead.iter().any(|letter| letter.contact == contact && !letter.told)
    }

    /// Asks for entries to be told again; what waits already is not asked for twice.
    ///
    /// Errors: a sentence, when too many wait.
    pub fn replay(&mut self, ranges: impl IntoIterator<Item = (u64, u64)>) -> Result<(), String> {
        for (from, to) in ranges {
            if self.replays.iter().any(|(first, last)| (*first..=*last).contains(&from) && to <= *last) {
                continue;
            }
            if self.replays.len() >= limits::WEBHOOK_REPLAYS_MAX {
                return Err(format!("{} replays wait already", self.replays.len()));
            }
            self.replays.push_back((from, to));
        }
        Ok(())
    }

    /// Notes that an entry was told.
    pub fn taken(&mut self, seq: u64, contact: Option<ContactId>, is_replay: bool) {
        if is_replay {
            self.dead.retain(|letter| letter.seq != seq);
        }
        for letter in self.dead.iter_mut().filter(|letter| contact.is_some() && letter.contact == contact) {
            letter.told = true;
        }
        self.pass(seq, is_replay);
    }

    /// Moves on past an entry.
    pub fn pass(&mut self, seq: u64, is_replay: bool) {
        if !is_replay {
            self.position = self.position.max(seq);
        } else if let Some((from, to)) = self.replays.front_mut() {
            // Another one may be in front by now, if the feed lost the entries of this one.
            if (*from..=*to).contains(&seq) {
                *from = seq + 1;
                if *from > *to {
                    self.replays.pop_front();
                }
            }
        }
    }
}

/// Adds a try to those that are remembered.
pub fn remember(tries: &mut VecDeque<Try>, one: Try) {
    tries.push_front(one);
    tries.truncate(TRIES_KEPT);
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
