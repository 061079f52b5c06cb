//! Messages that were taken, by a digest of the id that their sender gave them, so that one that comes again counts once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{index::bag::Bag, model::time::Timestamp};

/// How long a message is known, at least, by the instants of the log, unless too many come. Units: milliseconds.
pub const KEPT_MS: i64 = 86_400_000;
/// Messages that are known at most, about; beyond that the oldest are forgotten.
pub const KEPT_MAX: usize = 8 << 20;
/// How long a stretch is; messages are forgotten a stretch at a time. Units: milliseconds.
const STRETCH_MS: i64 = KEPT_MS / 4;
/// Messages of a stretch.
const STRETCH_MAX: usize = KEPT_MAX / 8;

/// Messages that came after each other.
#[derive(Clone, Debug)]
struct Stretch {
    first: Timestamp,
    last: Timestamp,
    digests: Bag<u64>,
}

/// A stretch as it is kept in an image: from when, until when, and its digests in order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept(Timestamp, Timestamp, Vec<u64>);

/// All messages that are known. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    /// The oldest first.
    stretches: Arc<Vec<Stretch>>,
}

impl Messages {
    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Whether a message is known.
    pub fn contains(&self, digest: u64, now: Timestamp) -> bool {
        let mut stretches = self.stretches.iter().filter(|stretch| is_young(stretch, now));
        stretches.any(|stretch| stretch.digests.contains(digest))
    }

    /// Keeps messages of one instant, and forgets those that are too old or too many beside them.
    pub fn keep(&mut self, digests: &[u64], at: Timestamp) {
        let stretches = Arc::make_mut(&mut self.stretches);
        stretches.retain(|stretch| is_young(stretch, at));
        for digest in digests {
            let has_room = |stretch: &Stretch| {
                stretch.digests.len() < STRETCH_MAX && at.0.saturating_sub(stretch.first.0) < STRETCH_MS
            };
            if !stretches.last().is_some_and(has_room) {
                stretches.push(Stretch { first: at, last: at, digests: Bag::default() });
            }
            if let Some(stretch) = stretches.last_mut() {
                stretch.last = at;
                stretch.digests.insert(*digest);
            }
        }
        while stretches.len() > 1 && stretches.iter().map(|stretch| stretch.digests.len()).sum::<usize>() > KEPT_MAX {
            stretches.remove(0);
        }
    }

    /// All messages, for an image.
    pub fn kept(&self) -> Vec<Kept> {
        let kept = |stretch: &Stretch| Kept(stretch.first, stretch.last, stretch.digests.iter().collect());
        self.stretches.iter().map(kept).collect()
    }

    /// What [`Messages::kept`] gave.
    pub fn restored(kept: Vec<Kept>) -> Messages {
        let stretch = |Kept(first, last, mut digests): Kept| {
            digests.sort_unstable();
            Stretch { first, last, digests: Bag::from_sorted(&digests) }
        };
        Messages { stretches: Arc::new(kept.into_iter().map(stretch).collect()) }
    }

    /// Bytes on the heap, about.
    pub fn memory_bytes(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.digests.memory_bytes() as u64).sum()
    }
}

fn is_young(stretch: &Stretch, now: Timestamp) -> bool {
    now.0.saturating_sub(stretch.last.0) < KEPT_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_known_for_a_day() {
        let mut messages = Messages::default();
        let hour = KEPT_MS / 24;
        for n in 0..100 {
            messages.keep(&[n, n << 40], Timestamp(n as i64 * hour));
        }
        let now = Timestamp(99 * hour);
        assert!((76..100).all(|n| messages.contains(n, now) && messages.contains(n << 40, now)));
        assert!((0..69).all(|n| !messages.contains(n, now)), "about a day, not for ever");
        assert!(!messages.contains(99, Timestamp(now.0 + KEPT_MS)));
        let back = Messages::restored(messages.kept());
        assert!((0..100).all(|n| back.contains(n, now) == messages.contains(n, now)));
        assert_eq!(format!("{:?}", back.kept()), format!("{:?}", messages.kept()));
    }

    #[test]
    fn the_oldest_of_too_many_are_forgotten() {
        let mut messages = Messages::default();
        let many: Vec<u64> = (0..STRETCH_MAX as u64).collect();
        for round in 0..10 {
            let digests: Vec<u64> = many.iter().map(|n| n + round * STRETCH_MAX as u64).collect();
            messages.keep(&digests, Timestamp(round as i64));
        }
        let known = |round: u64| messages.contains(round * STRETCH_MAX as u64 + 7, Timestamp(10));
        assert_eq!((0..10).map(known).collect::<Vec<_>>(), [vec![false; 2], vec![true; 8]].concat());
        assert!(messages.memory_bytes() < 3 * 8 * KEPT_MAX as u64);
    }
}
