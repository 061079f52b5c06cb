//! An endpoint: where to, of what, how far it was told, and what could not be told.

use std::collections::VecDeque;

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
    /// When the first one was.
    pub first: Timestamp,
    /// When the next one is.
    pub next: Timestamp,
    /// What the last one came to.
    pub outcome: Outcome,
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
    /// The message that is being tried again.
    pub trouble: Option<Trouble>,
    /// Since when nothing could be delivered.
    pub failing_since: Option<Timestamp>,
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

    /// Drops what the feed, whose oldest entry this is, no longer holds.
    pub fn expire(&mut self, oldest: u64) {
        let before = self.dead.len();
        self.dead.retain(|letter| letter.seq >= oldest);
        self.dead_dropped += (before - self.dead.len()) as u64;
        self.replays.retain(|(_, to)| *to >= oldest);
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
            *from = seq + 1;
            if *from > *to {
                self.replays.pop_front();
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
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint {
            id: "wh_1".into(),
            url: "https://example.com/".into(),
            description: None,
            segments: vec![("VIP".into(), vec![SegmentId(3)])],
            kinds: Kind::ALL.to_vec(),
            secret: Secret::random().unwrap(),
            old_secrets: vec![],
            status: Status::Active,
            created: Timestamp(0),
            updated: Timestamp(0),
            position: 4,
            trouble: None,
            failing_since: None,
            dead: VecDeque::new(),
            dead_dropped: 0,
            replays: VecDeque::new(),
            made_by: None,
        }
    }

    fn letter(seq: u64) -> DeadLetter {
        let (first, last) = (Timestamp(1), Timestamp(2));
        let contact = Some(ContactId(seq as u32 % 7));
        DeadLetter {
            seq,
            id: format!("m{seq}"),
            contact,
            tries: 5,
            first,
            last,
            outcome: Outcome::Status(400),
            told: false,
        }
    }

    #[test]
    fn an_old_secret_signs_for_a_day() {
        let (mut endpoint, day) = (endpoint(), ROTATION_MS);
        for at in [0, 1_000] {
            endpoint.rotate(Secret::random().unwrap(), Timestamp(at));
        }
        let signing = |at: i64| endpoint.signing(Timestamp(at)).count();
        assert_eq!([signing(2_000), signing(day - 1), signing(day), signing(day + 1_000)], [3, 3, 2, 1]);
        for at in 0..100 {
            endpoint.rotate(Secret::random().unwrap(), Timestamp(at));
        }
        assert_eq!(endpoint.signing(Timestamp(0)).count(), 1 + limits::WEBHOOK_OLD_SECRETS_MAX);
    }

    #[test]
    fn dead_letters_are_bounded_and_counted() {
        let mut endpoint = endpoint();
        let many = limits::WEBHOOK_DEAD_LETTERS_MAX as u64 + 10;
        for seq in 1..=many {
            endpoint.bury(letter(seq));
            endpoint.bury(letter(seq));
        }
        assert_eq!((endpoint.dead.len(), endpoint.dead_dropped), (limits::WEBHOOK_DEAD_LETTERS_MAX, 10));
        endpoint.expire(many);
        assert_eq!((endpoint.dead.len() as u64, endpoint.dead_dropped), (1, many - 1));
    }

    #[test]
    fn what_is_missing_is_told_once() {
        let mut endpoint = endpoint();
        endpoint.bury(letter(5));
        let contact = Some(ContactId(5));
        assert!(endpoint.is_missing(contact) && !endpoint.is_missing(Some(ContactId(6))) && !endpoint.is_missing(None));
        endpoint.taken(9, contact, false);
        assert!(!endpoint.is_missing(contact) && endpoint.dead.len() == 1 && endpoint.position == 9);
        endpoint.replay([(5, 5), (5, 5)]).unwrap();
        endpoint.taken(5, contact, true);
        assert!(endpoint.dead.is_empty() && endpoint.replays.is_empty() && endpoint.position == 9);
    }

    #[test]
    fn replays_go_through_their_range_and_are_bounded() {
        let mut endpoint = endpoint();
        endpoint.replay([(1, 3), (2, 2), (8, 9)]).unwrap();
        assert_eq!(endpoint.replays, [(1, 3), (8, 9)]);
        for seq in [1, 2, 3, 8] {
            endpoint.pass(seq, true);
        }
        assert_eq!((endpoint.replays.front(), endpoint.position), (Some(&(9, 9)), 4));
        let many = (10..).step_by(2).map(|seq| (seq, seq)).take(limits::WEBHOOK_REPLAYS_MAX);
        assert!(endpoint.replay(many).is_err());
        assert_eq!(endpoint.replays.len(), limits::WEBHOOK_REPLAYS_MAX);
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut endpoint = endpoint();
        endpoint.bury(letter(5));
        endpoint.trouble = Some(Trouble {
            id: "m5".into(),
            tries: 2,
            first: Timestamp(1),
            next: Timestamp(9),
            outcome: Outcome::Timeout,
        });
        let text = serde_json::to_vec(&endpoint).unwrap();
        assert_eq!(serde_json::from_slice::<Endpoint>(&text).unwrap(), endpoint);
    }
}
