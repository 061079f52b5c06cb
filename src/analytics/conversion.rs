//! Who entered a segment in a span of time, and who of them did a goal in time after it.

use std::collections::BTreeMap;

use crate::{
    analytics::sweep::sweep,
    bitmap::{CHUNK, chunk::Chunk, posting::Posting, words::Words},
    index::{Index, event_index::EventIndex},
    model::{
        calendar::{Length, Zone},
        id::{ContactId, EventKindId, SegmentId},
        time::Timestamp,
    },
    segment::feed::{Cause, Feed, What},
};

/// Single entries that one task looks at.
const TASK: usize = 8_192;

/// The entries into a segment in a span of time, as far as the feed tells them.
#[derive(Clone, Debug)]
pub struct Entries {
    /// Contacts that entered alone, and when, in order.
    pub alone: Vec<(ContactId, Timestamp)>,
    /// Contacts that entered together, and when.
    pub together: Vec<(Timestamp, Posting)>,
    /// How many entries by cause.
    pub causes: BTreeMap<&'static str, u64>,
    /// Entries of large changes whose lists are no longer kept.
    pub unlisted: u64,
    /// From here on every entry is known.
    pub known_since: Timestamp,
}

/// Reads the entries into a segment from one instant to another, the latter left out.
pub fn entries(feed: &Feed, segment: SegmentId, from: Timestamp, to: Timestamp) -> Entries {
    let (alone, together, causes) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut found = Entries { alone, together, causes, unlisted: 0, known_since: Timestamp::MIN };
    if feed.first() > 1 {
        // Of those at the very instant of the oldest one some may be gone.
        let oldest = feed.get(feed.first()).map_or(Timestamp::MAX, |change| change.at.plus_ms(1));
        found.known_since = oldest;
    }
    for (seq, change) in feed.from(0) {
        if change.segment != segment || change.at < from || change.at >= to {
            continue;
        }
        let entered = match change.what {
            What::Entered(contact) => {
                found.alone.push((contact, change.at));
                1
            }
            What::Left(_) => 0,
            What::Bulk(entered, _) => {
                match feed.lists(seq) {
                    Some(lists) => found.together.push((change.at, lists.entered.clone())),
                    None if entered > 0 => {
                        found.unlisted += u64::from(entered);
                        found.known_since = found.known_since.max(change.at.plus_ms(1));
                    }
                    None => {}
                }
                u64::from(entered)
            }
        };
        if entered > 0 {
            *found.causes.entry(Cause::name(change.cause)).or_default() += entered;
        }
    }
    found
}

/// What became of those who entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Entries; who enters twice counts twice.
    pub entries: u64,
    /// Contacts that entered and are there.
    pub entered: u64,
    /// Contacts that entered and have been erased since.
    pub erased: u64,
    /// Contacts of `entered` that did the goal in time after one of their entries.
    pub converted: u64,
    /// Contacts of `entered` of whom the time of an entry is over; however often they came back since.
    pub closed: u64,
    /// Those of them that did the goal in time after an entry whose time is over.
    pub closed_converted: u64,
    /// Contacts that did the goal, of whom no entry's time is over.
    pub open_converted: u64,
}

/// The goal and how soon it must be done.
#[derive(Clone, Copy, Debug)]
pub struct Goal<'a> {
    /// The event.
    pub kind: EventKindId,
    /// How long after the entry it may be.
    pub within: Length,
    /// In whose calendar months and years are counted.
    pub zone: &'a Zone,
    /// What time it is.
    pub now: Timestamp,
    /// Whether it counts at the very instant of the entry. Not where it may be what let the contact in.
    pub at_once: bool,
}

impl Goal<'_> {
    /// The last instant at which the goal counts for an entry.
    fn end(&self, entered: Timestamp) -> Timestamp {
        self.zone.after(entered, self.within)
    }

    /// The first and the last instant at which the goal counts by now, and whether the time is over.
    fn span(&self, entered: Timestamp) -> (i64, i64, bool) {
        let end = self.end(entered);
        (entered.0 + i64::from(!self.at_once), end.min(self.now).0, end <= self.now)
    }
}

/// Counts who did the goal: after an entry, at most so long after it, and not after now.
pub fn conversion(index: &Index, entries: &Entries, goal: &Goal<'_>) -> Conversion {
    let log = index.events().kind(goal.kind);
    let tasks = entries.alone.len().div_ceil(TASK);
    let parts = sweep(tasks, |task| {
        let slice = &entries.alone[task * TASK..entries.alone.len().min((task + 1) * TASK)];
        let mut part = Part::default();
        for (contact, at) in slice {
            let (from, to, is_over) = goal.span(*at);
            let done = log.is_some_and(|log| log.count_in(*contact, from, to) > 0);
            for (list, is_in) in [
                (&mut part.converted, done),
                (&mut part.closed, is_over),
                (&mut part.closed_converted, is_over && done),
            ] {
                list.extend(is_in.then_some(contact.0));
            }
        }
        part
    });
    let list = |of: fn(&Part) -> &[u32]| ids(parts.iter().flat_map(of).copied().collect());
    let mut converted = list(|part| &part.converted);
    let mut closed = list(|part| &part.closed);
    let mut closed_converted = list(|part| &part.closed_converted);
    let mut entered = ids(entries.alone.iter().map(|(contact, _)| contact.0).collect());
    for (at, together) in &entries.together {
        let (from, to, is_over) = goal.span(*at);
        let done = log.map(|log| did(log, from, to, together)).unwrap_or_default();
        entered = entered.or(together);
        if is_over {
            closed = closed.or(together);
            closed_converted = closed_converted.or(&done);
        }
        converted = converted.or(&done);
    }
    let there = entered.and(index.live());
    let [converted, closed, closed_converted] = [converted, closed, closed_converted].map(|set| set.and(&there));
    let together: u64 = entries.together.iter().map(|(_, together)| together.len()).sum();
    Conversion {
        entries: entries.alone.len() as u64 + together,
        erased: entered.len() - there.len(),
        entered: there.len(),
        converted: converted.len(),
        closed: closed.len(),
        closed_converted: closed_converted.len(),
        open_converted: converted.len() - converted.and_len(&closed),
    }
}

/// What became of some single entries, by contact; a contact may stand there more than once.
#[derive(Debug, Default)]
struct Part {
    converted: Vec<u32>,
    closed: Vec<u32>,
    closed_converted: Vec<u32>,
}

fn ids(mut ids: Vec<u32>) -> Posting {
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().collect()
}

/// Those of a set who have an event between two instants, both in.
fn did(log: &EventIndex, from: i64, to: i64, of: &Posting) -> Posting {
    let found = sweep(of.chunk_count(), |chunk| {
        let asked = of.chunk(chunk);
        if asked.is_empty() {
            return Chunk::EMPTY;
        }
        let mut words = Words::boxed();
        if (asked.len() as usize) < CHUNK / 64 {
            for at in asked.iter() {
                let contact = ContactId((chunk * CHUNK) as u32 + u32::from(at));
                if log.count_in(contact, from, to) > 0 {
                    words.set(at);
                }
            }
        } else {
            log.window_into(chunk, from, to, &mut words);
            asked.and_into(&mut words);
        }
        Chunk::from_words(&words)
    });
    Posting::from_chunks(found.into_iter().enumerate())
}
