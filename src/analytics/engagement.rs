//! Who of a set did some events in a span of time.

use crate::{
    analytics::sweep::{summed, sweep},
    bitmap::{posting::Posting, words::Words},
    index::Index,
    model::{id::EventKindId, time::Timestamp},
};

/// How many of a set did each of some events in a span of time, and how many any of them, last. Both ends are in.
pub fn engaged(index: &Index, kinds: &[EventKindId], (from, to): (Timestamp, Timestamp), of: &Posting) -> Vec<u64> {
    let logs: Vec<_> = kinds.iter().map(|kind| index.events().kind(*kind)).collect();
    let counted = sweep(of.chunk_count(), |chunk| {
        let (mut any, mut found) = (Words::boxed(), Words::boxed());
        let mut counts = Vec::with_capacity(logs.len() + 1);
        for log in &logs {
            match log {
                Some(log) => log.window_into(chunk, from.0, to.0, &mut found),
                None => found.fill(false),
            }
            of.chunk(chunk).and_into(&mut found);
            counts.push(u64::from(found.count()));
            any.or(&found);
        }
        counts.push(u64::from(any.count()));
        counts
    });
    summed(counted, kinds.len() + 1)
}
