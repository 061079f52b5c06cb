//! The feed as readers see it: changes by outside names, page by page, and the exact lists of large ones.

use crate::{
    bitmap::posting::Posting,
    db::{
        error::Error,
        record::{Page, Place},
        view::View,
    },
    model::{
        id::{ContactId, Lsn, SegmentId},
        time::Timestamp,
    },
    segment::{
        feed::{Change, What},
        saved::folded,
    },
};

/// Which entries of the feed a view holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedBounds {
    /// The oldest entry kept; one more than the newest when there is none.
    pub oldest: u64,
    /// The newest entry; 0 before the first.
    pub newest: u64,
}

/// One entry of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedChange {
    /// Its number: they count up from 1 without a gap.
    pub seq: u64,
    /// When: of a change by time its exact instant.
    pub at: Timestamp,
    /// The segment's name as it is now, or was when it was deleted.
    pub segment: Box<str>,
    /// What changed.
    pub kind: FeedKind,
    /// Of whom it tells, if of one: a number that is nobody else's and stays when the key is gone.
    pub contact: Option<ContactId>,
    /// Whether that contact is gone: erased, or part of another one by now.
    pub is_erased: bool,
    /// Why: `write`, `time`, `rule`, `manual` or `erase`.
    pub cause: &'static str,
    /// The write that it came with.
    pub lsn: Lsn,
    /// The version of the segment's rule that held after it.
    pub version: u32,
}

/// What an entry tells. The key of a contact that is gone is `None`, but for a day in the entry by which it left at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedKind {
    /// A contact entered.
    Entered(Option<Box<str>>),
    /// A contact left.
    Left(Option<Box<str>>),
    /// Many did; [`View::bulk_lists`] tells who.
    Bulk {
        /// How many entered.
        entered: u64,
        /// How many left.
        left: u64,
    },
}

/// Some entries of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// The entries in order.
    pub changes: Vec<FeedChange>,
    /// The last entry that was looked at: go on after it.
    pub next: u64,
    /// The newest write when it was read.
    pub lsn: Lsn,
}

/// The segments that a reader of the feed follows. Once found by its name a segment is followed through a rename.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// Names with the segments that had them; all segments are followed when there is no name.
    names: Vec<(Box<str>, Vec<SegmentId>)>,
}

impl Followed {
    /// Follows everything.
    pub fn all() -> Followed {
        Followed::default()
    }

    /// Follows the segments of some names, those of deleted segments among them; a name that no segment has is taken
    /// as several with commas between.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn named<'a>(view: &View, names: impl IntoIterator<Item = &'a str>) -> Result<Followed, Error> {
        let mut followed = Followed::default();
        for name in names {
            let whole = view.ids_named(name);
            if !whole.is_empty() {
                followed.names.push((name.into(), whole));
                continue;
            }
            for part in name.split(',').map(str::trim) {
                let ids = view.ids_named(part);
                if ids.is_empty() {
                    return Err(Error::NoSegment(part.into()));
                }
                followed.names.push((part.into(), ids));
            }
        }
        Ok(followed)
    }

    /// What was followed before, by the names and segments that [`Followed::names`] gave.
    pub fn restored(names: Vec<(Box<str>, Vec<SegmentId>)>) -> Followed {
        Followed { names }
    }

    /// The names that are followed, each with the segments found by it; none stands for every segment.
    pub fn names(&self) -> &[(Box<str>, Vec<SegmentId>)] {
        &self.names
    }

    /// What is followed, by the names that the segments have now.
    pub fn shown(&self, view: &View) -> Vec<Box<str>> {
        let book = &view.state().book;
        let now = |ids: &[SegmentId]| ids.iter().find_map(|id| book.get(*id).map(|segment| segment.name.clone()));
        self.names.iter().map(|(name, ids)| now(ids).unwrap_or_else(|| name.clone())).collect()
    }

    /// Takes in segments that have got one of the names since: after a deletion, not while one that was found by it is
    /// there, under whatever name.
    fn refresh(&mut self, view: &View) {
        let book = &view.state().book;
        for (name, ids) in self.names.iter_mut().filter(|(_, ids)| !ids.iter().any(|id| book.get(*id).is_some())) {
            let new: Vec<SegmentId> = view.ids_named(name).into_iter().filter(|id| !ids.contains(id)).collect();
            ids.extend(new);
        }
    }

    /// The segments that are followed, sorted; `None` for all.
    fn segments(&self) -> Option<Vec<SegmentId>> {
        let mut all: Vec<SegmentId> = self.names.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
        all.sort_unstable();
        (!self.names.is_empty()).then_some(all)
    }
}

/// Who is in one list of a large change, in order of first sight. Contacts that were erased since still count.
#[derive(Clone)]
pub struct KeyList {
    view: View,
    contacts: Posting,
}

impl KeyList {
    /// How many.
    pub fn count(&self) -> u64 {
        self.contacts.len()
    }

    /// Contacts after a place, with their keys; `None` for one that is gone.
    pub fn keys(&self, after: Option<Place>, limit: usize) -> Page<(ContactId, Option<Box<str>>)> {
        let mut ids = self.contacts.iter_from(after.map_or(0, |place| place.0.saturating_add(1)));
        let page: Vec<u32> = ids.by_ref().take(limit).collect();
        let next = page.last().copied().filter(|_| ids.next().is_some()).map(Place);
        let told = |id| (ContactId(id), self.view.key_now(ContactId(id)).map(Into::into));
        Page { items: page.into_iter().map(told).collect(), next }
    }
}

/// The exact lists of a large change.
#[derive(Clone)]
pub struct BulkLists {
    /// Who entered.
    pub entered: KeyList,
    /// Who left.
    pub left: KeyList,
}

impl View {
    /// Which entries of the feed this view holds.
    pub fn feed_bounds(&self) -> FeedBounds {
        let feed = self.state().live.feed();
        FeedBounds { oldest: feed.first(), newest: feed.end() - 1 }
    }

    /// Entries after a number, 0 being the oldest kept; at most `limit` of those that are followed.
    ///
    /// Errors: [`Error::CursorTooOld`], [`Error::CursorAhead`].
    pub fn feed(&self, after: u64, followed: &mut Followed, limit: usize) -> Result<FeedPage, Error> {
        self.feed_until(after, u64::MAX, followed, limit)
    }

    /// As [`View::feed`], and none after `to`.
    ///
    /// Errors: as [`View::feed`].
    pub fn feed_until(&self, after: u64, to: u64, followed: &mut Followed, limit: usize) -> Result<FeedPage, Error> {
        let bounds = self.feed_bounds();
        if after > bounds.newest {
            return Err(Error::CursorAhead { after, bounds });
        }
        if after > 0 && after + 1 < bounds.oldest {
            return Err(Error::CursorTooOld { after, bounds });
        }
        followed.refresh(self);
        let wanted = followed.segments();
        let has = |segment: &SegmentId| wanted.as_ref().is_none_or(|wanted| wanted.binary_search(segment).is_ok());
        let range = self.state().live.feed().from(after + 1).take_while(|(seq, _)| *seq <= to);
        let entries = range.filter(|(_, change)| has(&change.segment));
        let changes: Vec<FeedChange> = entries.take(limit).map(|(seq, change)| self.told(seq, change)).collect();
        let next = match changes.last() {
            Some(last) if changes.len() == limit => last.seq,
            _ => bounds.newest.min(to.max(after)),
        };
        Ok(FeedPage { changes, next, lsn: self.lsn() })
    }

    /// One entry, if it is kept.
    pub fn feed_entry(&self, seq: u64) -> Option<FeedChange> {
        self.state().live.feed().get(seq).map(|change| self.told(seq, change))
    }

    pub(super) fn told(&self, seq: u64, change: &Change) -> FeedChange {
        let Change { at, lsn, segment, version, what, cause } = *change;
        let contact = match what {
            What::Entered(contact) | What::Left(contact) => Some(contact),
            What::Bulk(..) => None,
        };
        let now = contact.and_then(|contact| self.key_now(contact));
        let key = || now.or_else(|| self.state().live.feed().erased_key(change)).map(Into::into);
        let kind = match what {
            What::Entered(_) => FeedKind::Entered(key()),
            What::Left(_) => FeedKind::Left(key()),
            What::Bulk(entered, left) => FeedKind::Bulk { entered: entered.into(), left: left.into() },
        };
        let is_erased = contact.is_some() && now.is_none();
        let saved = self.state().book.get(segment).map(|saved| saved.name.clone());
        let deleted = || self.state().live.feed().deleted_name(segment).map(Into::into);
        let segment = saved.or_else(deleted).unwrap_or_default();
        FeedChange { seq, at, segment, kind, contact, is_erased, cause: cause.name(), lsn, version }
    }

    /// The key of a contact, unless it is gone.
    fn key_now(&self, contact: ContactId) -> Option<&str> {
        Some(self.state().index.directory().key(contact)).filter(|key| !key.is_empty())
    }

    /// The segment of a name, and the deleted ones that had it.
    fn ids_named(&self, name: &str) -> Vec<SegmentId> {
        let name = folded(name);
        let saved = self.state().book.find(&name).map(|segment| segment.id);
        let deleted = self.state().live.feed().deleted().filter(|(_, _, known)| folded(known) == name);
        saved.into_iter().chain(deleted.map(|(id, _, _)| id)).collect()
    }

    /// The exact lists of a large change.
    ///
    /// Errors: [`Error::NoBulk`] when the entry tells of one contact or has not come; [`Error::CursorTooOld`],
    /// [`Error::ListsGone`].
    pub fn bulk_lists(&self, seq: u64) -> Result<BulkLists, Error> {
        let (feed, bounds) = (self.state().live.feed(), self.feed_bounds());
        match feed.get(seq).map(|change| change.what) {
            None if seq > 0 && seq < bounds.oldest => Err(Error::CursorTooOld { after: seq, bounds }),
            None | Some(What::Entered(_) | What::Left(_)) => Err(Error::NoBulk(seq)),
            Some(What::Bulk(..)) => {
                let lists = feed.lists(seq).ok_or(Error::ListsGone { seq, bounds })?;
                let list = |contacts: &Posting| KeyList { view: self.clone(), contacts: contacts.clone() };
                Ok(BulkLists { entered: list(&lists.entered), left: list(&lists.left) })
            }
        }
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
