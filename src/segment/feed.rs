//! The feed: who entered and who left which segment, in order, each change once.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    bitmap::posting::Posting,
    index::{bag::Bag, trie::Trie},
    model::{
        id::{ContactId, Lsn, SegmentId},
        time::Timestamp,
    },
};

/// Entries that are kept, at least; a cursor before them is too old.
pub const ENTRIES_KEPT: u64 = 1_000_000;
/// Memory that exact lists of large changes may take; beyond it the oldest entries go. Units: bytes.
pub const LISTS_BYTES_MAX: usize = 64 << 20;
/// Entries of a page. Small, for a write copies the last page.
const PAGE: u64 = 256;

/// What made a membership change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// A contact or an event was written.
    Write,
    /// Time passed.
    Time,
    /// A rule or the schema was changed, or a segment made or deleted.
    Rule,
    /// A list or a pin was edited.
    Manual,
    /// The contact was erased.
    Erase,
}

impl Cause {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Write => "write",
            Cause::Time => "time",
            Cause::Rule => "rule",
            Cause::Manual => "manual",
            Cause::Erase => "erase",
        }
    }
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A contact entered.
    Entered(ContactId),
    /// A contact left.
    Left(ContactId),
    /// Many did: so many entered, so many left. The lists are kept beside.
    Bulk(u32, u32),
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When: of a change by time its exact instant, else the stamp of the batch.
    pub at: Timestamp,
    /// The batch.
    pub lsn: Lsn,
    /// Which segment.
    pub segment: SegmentId,
    /// The version of the segment's rule that held after it.
    pub version: u32,
    /// What changed.
    pub what: What,
    /// Why.
    pub cause: Cause,
}

/// The exact lists of a large change.
#[derive(Clone, Debug, PartialEq)]
pub struct Lists {
    /// Who entered.
    pub entered: Posting,
    /// Who left.
    pub left: Posting,
}

impl Lists {
    fn memory_bytes(&self) -> usize {
        self.entered.memory_bytes() + self.left.memory_bytes()
    }
}

/// The newest entries. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// Pages by `sequence number / PAGE`; only the first and last may be short.
    pages: Trie<Vec<Change>>,
    /// The sequence number of the oldest entry kept.
    first: u64,
    /// That of the next one to come.
    end: u64,
    lists: Arc<BTreeMap<u64, Lists>>,
    /// What the lists take. Units: bytes.
    lists_bytes: usize,
    /// Keys of contacts that are gone, with the write that ended them; never written to an image.
    erased: Trie<(Lsn, Box<str>)>,
    /// When they were erased, the first one first.
    erased_at: Bag<(Timestamp, ContactId)>,
    /// Names of deleted segments that entries may name.
    deleted: Arc<BTreeMap<SegmentId, (u64, Box<str>)>>,
}

impl Feed {
    /// The sequence number of the oldest entry kept; that of the next entry when there is none.
    pub fn first(&self) -> u64 {
        self.first.max(1)
    }

    /// The sequence number of the next entry.
    pub fn end(&self) -> u64 {
        self.end.max(1)
    }

    /// The entry of a sequence number.
    pub fn get(&self, seq: u64) -> Option<&Change> {
        if seq < self.first() || seq >= self.end() {
            return None;
        }
        self.pages.get((seq / PAGE) as u32)?.get(self.place(seq))
    }

    fn place(&self, seq: u64) -> usize {
        let page = seq / PAGE * PAGE;
        // The page of the very first entry begins with it.
        (seq - page.max(1)) as usize
    }

    /// The entries from a sequence number on.
    pub fn from(&self, seq: u64) -> impl DoubleEndedIterator<Item = (u64, &Change)> {
        (seq.max(self.first())..self.end()).filter_map(|seq| Some((seq, self.get(seq)?)))
    }

    /// The exact lists of a large change.
    pub fn lists(&self, seq: u64) -> Option<&Lists> {
        self.lists.get(&seq)
    }

    /// Adds an entry.
    pub fn push(&mut self, change: Change) {
        let seq = self.end();
        self.first = self.first();
        self.pages.get_mut((seq / PAGE) as u32, Vec::new).push(change);
        self.end = seq + 1;
        while self.end - self.first > ENTRIES_KEPT + PAGE {
            self.drop_page();
        }
    }

    /// Adds a large change with its lists. When lists take too much, the oldest go; their entries stay.
    pub fn push_lists(&mut self, change: Change, lists: Lists) {
        let seq = self.end();
        self.push(change);
        let kept = Arc::make_mut(&mut self.lists);
        self.lists_bytes += lists.memory_bytes();
        kept.insert(seq, lists);
        while self.lists_bytes > LISTS_BYTES_MAX && kept.len() > 1 {
            let gone = kept.pop_first().map_or(0, |(_, lists)| lists.memory_bytes());
            self.lists_bytes = self.lists_bytes.saturating_sub(gone);
        }
    }

    /// Drops the oldest page with what hangs on it.
    fn drop_page(&mut self) {
        self.pages.set((self.first / PAGE) as u32, None);
        self.first = ((self.first / PAGE + 1) * PAGE).min(self.end);
        let first = self.first;
        if self.lists.first_key_value().is_some_and(|(seq, _)| *seq < first) {
            Arc::make_mut(&mut self.lists).retain(|seq, _| *seq >= first);
            self.lists_bytes = self.lists.values().map(Lists::memory_bytes).sum();
        }
        if self.deleted.values().any(|(seq, _)| *seq < first) {
            Arc::make_mut(&mut self.deleted).retain(|_, (seq, _)| *seq >= first);
        }
    }

    /// Keeps the key of a contact that a write ended for a while, so that readers of the feed learn who left by it.
    pub fn remember_erased(&mut self, contact: ContactId, key: &str, at: Timestamp, lsn: Lsn) {
        self.erased.set(contact.0, Some((lsn, key.into())));
        self.erased_at.insert((at, contact));
    }

    /// Forgets the keys of contacts that were erased before an instant.
    pub fn forget_erased(&mut self, before: Timestamp) {
        for (_, contact) in self.erased_at.take_while(|(at, _)| *at < before) {
            self.erased.set(contact.0, None);
        }
    }

    /// The key of a contact that is gone, in an entry that tells that it left by its end, not long ago. No other entry
    /// names it.
    pub fn erased_key(&self, change: &Change) -> Option<&str> {
        let What::Left(contact) = change.what else { return None };
        self.erased.get(contact.0).filter(|(lsn, _)| *lsn == change.lsn).map(|(_, key)| &**key)
    }

    /// Keeps the name of a segment that is being deleted.
    pub fn remember_deleted(&mut self, segment: SegmentId, name: &str) {
        let seq = self.end();
        Arc::make_mut(&mut self.deleted).insert(segment, (seq, name.into()));
    }

    /// The name of a segment that was deleted.
    pub fn deleted_name(&self, segment: SegmentId) -> Option<&str> {
        self.deleted.get(&segment).map(|(_, name)| &**name)
    }

    /// The deleted segments whose names are kept, with the entry that tells of it.
    pub fn deleted(&self) -> impl Iterator<Item = (SegmentId, u64, &str)> {
        self.deleted.iter().map(|(id, (seq, name))| (*id, *seq, &**name))
    }

    /// The large changes whose lists are kept.
    pub fn all_lists(&self) -> impl Iterator<Item = (u64, &Lists)> {
        self.lists.iter().map(|(seq, lists)| (*seq, lists))
    }

    /// A feed of entries from a sequence number on.
    pub(super) fn restored(
        first: u64,
        changes: Vec<Change>,
        lists: BTreeMap<u64, Lists>,
        deleted: BTreeMap<SegmentId, (u64, Box<str>)>,
    ) -> Feed {
        let mut feed = Feed { first, end: first, ..Feed::default() };
        let mut at = 0;
        while at < changes.len() {
            let seq = feed.end();
            let page = ((PAGE - seq % PAGE) as usize).min(changes.len() - at);
            // A page that lost its beginning never does: pages go as a whole.
            feed.pages.set((seq / PAGE) as u32, Some(changes[at..at + page].to_vec()));
            feed.end = seq + page as u64;
            at += page;
        }
        let lists_bytes = lists.values().map(Lists::memory_bytes).sum();
        Feed { lists: Arc::new(lists), lists_bytes, deleted: Arc::new(deleted), ..feed }
    }

    /// Bytes on the heap, about.
    pub fn memory_bytes(&self) -> u64 {
        self.pages.memory_bytes()
            + self.erased.memory_bytes()
            + (self.end() - self.first()) * size_of::<Change>() as u64
            + self.lists_bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(n: u32) -> Change {
        let (at, lsn) = (Timestamp(i64::from(n)), Lsn(u64::from(n)));
        let (segment, what) = (SegmentId(0), What::Entered(ContactId(n)));
        Change { at, lsn, segment, version: 1, what, cause: Cause::Write }
    }

    #[test]
    fn entries_are_numbered_from_one() {
        let mut feed = Feed::default();
        assert_eq!((feed.first(), feed.end(), feed.get(1)), (1, 1, None));
        for n in 1..=1_000 {
            feed.push(change(n));
        }
        for n in 1..=1_000 {
            assert_eq!(feed.get(u64::from(n)), Some(&change(n)));
        }
        assert_eq!((feed.get(0), feed.get(1_001)), (None, None));
        let tail: Vec<u64> = feed.from(998).map(|(seq, _)| seq).collect();
        assert_eq!(tail, [998, 999, 1_000]);
        let changes: Vec<Change> = feed.from(0).map(|(_, change)| *change).collect();
        let back = Feed::restored(feed.first(), changes, BTreeMap::new(), BTreeMap::new());
        assert!(back.from(0).eq(feed.from(0)));
    }

    #[test]
    fn the_oldest_go_a_page_at_a_time() {
        let mut feed = Feed::default();
        let many = (ENTRIES_KEPT + 3 * PAGE) as u32;
        for n in 1..=many {
            feed.push(change(n));
        }
        assert!(feed.first() > 1 && feed.end() - feed.first() >= ENTRIES_KEPT);
        assert_eq!(feed.get(feed.first()), Some(&change(feed.first() as u32)));
        assert_eq!(feed.get(feed.first() - 1), None);
        assert_eq!(feed.get(u64::from(many)), Some(&change(many)));
        let changes: Vec<Change> = feed.from(0).map(|(_, change)| *change).collect();
        let mut back = Feed::restored(feed.first(), changes, BTreeMap::new(), BTreeMap::new());
        assert!(back.from(0).eq(feed.from(0)));
        back.push(change(9));
        assert_eq!(back.get(u64::from(many) + 1), Some(&change(9)));
    }

    #[test]
    fn keys_of_the_erased_cost_a_write_little_and_are_forgotten_in_time() {
        let mut feed = Feed::default();
        // Every write clones the feed, and a reader may hold the clone: a copy of all keys for each would take minutes.
        let (many, mut held) = (100_000, Feed::default());
        for n in 0..many {
            feed.forget_erased(Timestamp(0));
            feed.remember_erased(ContactId(n), &format!("key-{n}"), Timestamp(i64::from(n / 2)), Lsn(u64::from(n)));
            held = feed.clone();
        }
        let left = |n: u32| Change { what: What::Left(ContactId(n)), ..change(n) };
        feed.forget_erased(Timestamp(100));
        assert_eq!((feed.erased_key(&left(199)), feed.erased_key(&left(200))), (None, Some("key-200")));
        assert_eq!(held.erased_key(&left(199)), Some("key-199"));
        // The entry by which it left at its end names it, and no other.
        assert_eq!(feed.erased_key(&change(200)), None);
        assert_eq!(feed.erased_key(&Change { lsn: Lsn(7), ..left(200) }), None);
        feed.forget_erased(Timestamp(i64::from(many)));
        assert!((0..many).all(|n| feed.erased_key(&left(n)).is_none()));
    }

    #[test]
    fn lists_are_bounded_in_bytes() {
        let mut feed = Feed::default();
        let odd: Posting = (0..4_000_000).filter(|id| id % 3 != 0).collect();
        let bytes = odd.memory_bytes();
        let rounds = LISTS_BYTES_MAX / bytes + 3;
        for n in 0..rounds as u32 {
            feed.push_lists(change(n), Lists { entered: odd.clone(), left: Posting::new() });
        }
        assert!(feed.all_lists().count() * bytes <= LISTS_BYTES_MAX);
        assert!(feed.lists(1).is_none() && feed.lists(rounds as u64).is_some());
        assert_eq!(feed.lists_bytes, feed.all_lists().map(|(_, lists)| lists.memory_bytes()).sum::<usize>());
    }
}
