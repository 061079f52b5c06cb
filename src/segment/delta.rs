//! What changed of a segment's members in one go, and how the feed, the history and `since` learn of it.

use crate::{
    bitmap::{CHUNK, chunk::Chunk, posting::Posting, words::Words},
    model::id::{ContactId, SegmentId},
    segment::{
        feed::{Change, Lists, What},
        live::{Facts, Live, Moment},
        panel::Differing,
    },
};

/// A single change of more contacts than this is one entry of the feed.
pub const SINGLY_MAX: u64 = 10_000;

/// Who entered and who left.
#[derive(Clone, Debug, Default)]
pub(super) struct Delta {
    /// Contacts that entered, ascending.
    pub(super) entered: Vec<u32>,
    /// Contacts that left, ascending.
    pub(super) left: Vec<u32>,
    /// Chunks that were compared as a whole; no contact above is of one.
    pub(super) chunks: Vec<ChunkDelta>,
}

/// What changed in one chunk.
#[derive(Clone, Debug)]
pub(super) struct ChunkDelta {
    pub(super) chunk: usize,
    now: Chunk,
    entered: Chunk,
    left: Chunk,
}

impl Delta {
    pub(super) fn is_empty(&self) -> bool {
        self.entered.is_empty() && self.left.is_empty() && self.chunks.is_empty()
    }

    /// Notes how a chunk differs.
    pub(super) fn compare(&mut self, chunk: usize, before: &Words, now: &Words) {
        if before.0 == now.0 {
            return;
        }
        let (mut entered, mut left) = (Words::boxed(), Words::boxed());
        entered.copy_from(now);
        entered.and_not(before);
        left.copy_from(before);
        left.and_not(now);
        let [now, entered, left] = [now, &*entered, &*left].map(Chunk::from_words);
        self.chunks.push(ChunkDelta { chunk, now, entered, left });
    }

    /// Adds contacts who are not in it yet.
    pub(super) fn add(&mut self, differing: &[Differing]) {
        for one in differing {
            if one.is_in { self.entered.push(one.contact) } else { self.left.push(one.contact) }
        }
        self.entered.sort_unstable();
        self.left.sort_unstable();
    }

    /// Makes the change.
    pub(super) fn apply(&self, members: &mut Posting) {
        for contact in &self.entered {
            members.insert(*contact);
        }
        for contact in &self.left {
            members.remove(*contact);
        }
        self.chunks.iter().for_each(|change| members.set_chunk(change.chunk, change.now.clone()));
    }

    /// How many entered and left.
    fn counts(&self) -> (u64, u64) {
        let sum = |few: usize, of: fn(&ChunkDelta) -> &Chunk| {
            few as u64 + self.chunks.iter().map(|change| u64::from(of(change).len())).sum::<u64>()
        };
        (sum(self.entered.len(), |change| &change.entered), sum(self.left.len(), |change| &change.left))
    }

    fn lists(&self) -> Lists {
        let list = |few: &[u32], of: fn(&ChunkDelta) -> &Chunk| {
            let parts = self.chunks.iter().map(|change| (change.chunk, of(change).clone()));
            let parts = parts.filter(|(_, part)| !part.is_empty());
            let mut list = Posting::from_chunks(parts);
            for contact in few {
                list.insert(*contact);
            }
            list
        };
        Lists { entered: list(&self.entered, |change| &change.entered), left: list(&self.left, |change| &change.left) }
    }

    /// Every change by contact, ascending: whether the contact entered.
    fn singly(&self) -> Vec<(u32, bool)> {
        let mut all: Vec<(u32, bool)> = self.entered.iter().map(|contact| (*contact, true)).collect();
        all.extend(self.left.iter().map(|contact| (*contact, false)));
        for change in &self.chunks {
            let id = |at: u16| (change.chunk * CHUNK) as u32 + u32::from(at);
            all.extend(change.entered.iter().map(|at| (id(at), true)));
            all.extend(change.left.iter().map(|at| (id(at), false)));
        }
        all.sort_unstable();
        all
    }
}

impl Live {
    /// Writes a change, which was made, to the history, to `since` and to the feed.
    pub(super) fn tell(&mut self, facts: Facts<'_>, segment: SegmentId, delta: Delta, moment: Moment, first: bool) {
        let Some(saved) = facts.book.get(segment) else { return };
        let version = saved.version();
        let (entered, left) = delta.counts();
        let day = facts.schema.zone().day_of(moment.at);
        let kept = self.kept.get_mut(segment.0, Default::default);
        kept.history.note(day, kept.members.len(), entered, left, version);
        let change = |what| Change { at: moment.at, lsn: moment.lsn, segment, version, what, cause: moment.cause };
        if first || entered + left > SINGLY_MAX {
            let lists = delta.lists();
            kept.since.fill(lists.entered.clone(), moment.at, &kept.members);
            let what = What::Bulk(entered as u32, left as u32);
            if saved.is_listed() {
                self.feed.push_lists(change(what), lists);
            }
            return;
        }
        for (contact, has_entered) in delta.singly() {
            let contact = ContactId(contact);
            let what = if has_entered {
                kept.since.enter(contact, moment.at);
                What::Entered(contact)
            } else {
                What::Left(contact)
            };
            if saved.is_listed() {
                self.feed.push(change(what));
            }
        }
        kept.since.tidy_if_many(&kept.members);
    }
}
