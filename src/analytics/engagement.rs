//! Who did some events in a span of time.

use crate::{
    analytics::sweep::sweep,
    bitmap::{chunk::Chunk, posting::Posting, words::Words},
    index::Index,
    model::{id::EventKindId, time::Timestamp},
};

/// Who did some events in a span of time: found once, to be counted in any number of sets.
#[derive(Clone, Debug, Default)]
pub struct Doers {
    /// By event, in the order asked.
    pub each: Vec<Posting>,
    /// Who did any of them.
    pub any: Posting,
}

/// Finds the live contacts that did some events between two instants, both in.
pub fn doers(index: &Index, kinds: &[EventKindId], (from, to): (Timestamp, Timestamp)) -> Doers {
    let logs: Vec<_> = kinds.iter().map(|kind| index.events().kind(*kind)).collect();
    let live = index.live();
    let found = sweep(live.chunk_count(), |chunk| {
        let (mut any, mut words) = (Words::boxed(), Words::boxed());
        let mut chunks = Vec::with_capacity(logs.len() + 1);
        for log in &logs {
            let Some(log) = log else {
                chunks.push(Chunk::EMPTY);
                continue;
            };
            log.window_into(chunk, from.0, to.0, &mut words);
            live.chunk(chunk).and_into(&mut words);
            chunks.push(Chunk::from_words(&words));
            any.or(&words);
        }
        chunks.push(Chunk::from_words(&any));
        chunks
    });
    let set = |number: usize| {
        let chunks = found.iter().map(|chunks| chunks[number].clone()).enumerate();
        Posting::from_chunks(chunks.filter(|(_, chunk)| !chunk.is_empty()))
    };
    Doers { each: (0..kinds.len()).map(set).collect(), any: set(kinds.len()) }
}
