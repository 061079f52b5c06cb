//! The past of a segment: its members as of an earlier LSN, what changed between two, and how it grew by day.

use crate::{
    bitmap::posting::Posting,
    db::{
        answer::Answer,
        error::Error,
        record::{Page, Place},
        view::View,
    },
    model::{id::Lsn, time::Day},
    segment::{
        feed::What,
        history::DayFigures,
        saved::{Body, Segment},
    },
};

/// Days that a history tells at most, a hundred years; of more the newest.
const DAYS_MAX: i64 = 36_525;

/// The members of a segment as of an earlier LSN.
#[derive(Clone)]
pub struct PastMembers {
    /// Those who are still there, whether or not they are still members. What else is told of them is of now.
    pub answer: Answer,
    /// How many more there were, who have been erased since.
    pub erased: u64,
    /// The last entry of the feed that these members hold: what came after follows it.
    pub seq: u64,
}

/// What changed of a segment's members between two LSNs.
#[derive(Clone)]
pub struct Difference {
    entered: Answer,
    changed: Answer,
    /// How many more changed, who have been erased since.
    pub erased: u64,
}

/// One day of a segment, in the database's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRecord {
    /// Which day.
    pub day: Day,
    /// Members at its end.
    pub size: u64,
    /// Entries on it; who enters twice counts twice.
    pub entered: u64,
    /// Exits on it.
    pub left: u64,
    /// The version of the rule at its end.
    pub version: u32,
}

impl Difference {
    /// How many are members at the later LSN and were none at the earlier.
    pub fn entered(&self) -> u64 {
        self.entered.count()
    }

    /// How many were members at the earlier LSN and are none at the later.
    pub fn left(&self) -> u64 {
        self.changed.count() - self.entered.count()
    }

    /// Keys in order of first sight, with whether they entered.
    pub fn changes(&self, after: Option<Place>, limit: usize) -> Page<(Box<str>, bool)> {
        let page = self.changed.keys(after, limit);
        let told = |key: Box<str>| {
            let entered = self.entered.contains(&key);
            (key, entered)
        };
        Page { items: page.items.into_iter().map(told).collect(), next: page.next }
    }
}

impl View {
    /// The members of a segment as they were at an LSN, by taking back what the feed tells since.
    ///
    /// Errors: [`Error::NoSegment`], [`Error::LsnAhead`], [`Error::MadeLater`], [`Error::HistoryGone`].
    pub fn members_at(&self, name: &str, lsn: Lsn) -> Result<PastMembers, Error> {
        let members = self.unfolded(self.saved(name)?, lsn)?;
        let there = members.and(self.state().index.live());
        let erased = members.len() - there.len();
        Ok(PastMembers { erased, answer: Answer::new(self.clone(), there), seq: self.seq_at(lsn) })
    }

    /// What changed of a segment's members from one LSN to another.
    ///
    /// Errors: as [`View::members_at`].
    pub fn diff(&self, name: &str, from: Lsn, to: Lsn) -> Result<Difference, Error> {
        let segment = self.saved(name)?;
        let (before, after) = (self.unfolded(segment, from)?, self.unfolded(segment, to)?);
        let live = self.state().index.live();
        let changed = before.xor(&after);
        let there = changed.and(live);
        let erased = changed.len() - there.len();
        let answer = |contacts| Answer::new(self.clone(), contacts);
        Ok(Difference { entered: answer(there.and(&after)), changed: answer(there), erased })
    }

    fn unfolded(&self, segment: &Segment, lsn: Lsn) -> Result<Posting, Error> {
        if lsn > self.lsn() {
            return Err(Error::LsnAhead { asked: lsn, newest: self.lsn() });
        }
        let (feed, bounds) = (self.state().live.feed(), self.feed_bounds());
        let gone = || Error::HistoryGone { lsn, bounds };
        let mut members = self.state().live.members(segment.id).clone();
        let (mut reached, mut oldest) = (bounds.oldest == 1, None);
        let mut older = feed.from(0).rev();
        for (seq, change) in older.by_ref() {
            if change.lsn <= lsn {
                let made = change.segment == segment.id;
                // What is left of the iterator begins after this entry.
                oldest = oldest.filter(|_| !made);
                reached = true;
                break;
            }
            if change.segment != segment.id {
                continue;
            }
            oldest = Some(change);
            match change.what {
                What::Entered(contact) => drop(members.remove(contact.0)),
                What::Left(contact) => drop(members.insert(contact.0)),
                What::Bulk(0, 0) => {}
                What::Bulk(..) => {
                    let lists = feed.lists(seq).ok_or_else(gone)?;
                    members = members.and_not(&lists.entered).or(&lists.left);
                }
            }
        }
        if !reached {
            return Err(gone());
        }
        // The first entry of a segment is its first fill, made when it was.
        let filled = oldest.filter(|change| matches!(change.what, What::Bulk(..)) && change.at == segment.created);
        match filled {
            Some(fill) if members.is_empty() && older.all(|(_, change)| change.segment != segment.id) => {
                Err(Error::MadeLater { segment: segment.name.clone(), made: fill.lsn, lsn })
            }
            _ => Ok(members),
        }
    }

    /// The last entry of the feed of an LSN or an earlier one.
    fn seq_at(&self, lsn: Lsn) -> u64 {
        let (feed, bounds) = (self.state().live.feed(), self.feed_bounds());
        let (mut from, mut to) = (bounds.oldest, bounds.newest + 1);
        while from < to {
            let middle = from + (to - from) / 2;
            match feed.get(middle) {
                Some(change) if change.lsn <= lsn => from = middle + 1,
                _ => to = middle,
            }
        }
        from - 1
    }

    /// How a segment grew: every day from one to another, both among them, of those that are known.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn history(&self, name: &str, from: Option<Day>, to: Option<Day>) -> Result<Vec<DayRecord>, Error> {
        let segment = self.saved(name)?;
        let history = self.state().live.history(segment.id);
        let mut figures = history.days().peekable();
        let Some(first) = figures.peek().map(|figures| figures.day) else { return Ok(Vec::new()) };
        let today = self.schema().zone().day_of(self.now());
        let (from, to) = (from.unwrap_or(first).max(first), to.unwrap_or(today).min(today));
        let from = from.max(to.plus_days(1 - DAYS_MAX));
        let mut versions = self.version_days(segment).into_iter().peekable();
        let mut days = Vec::new();
        let (mut day, mut size, mut version) = (first, 0, 1);
        while day <= to {
            let changed: Option<&DayFigures> = figures.next_if(|figures| figures.day == day);
            size = changed.map_or(size, |figures| figures.size);
            while let Some((_, newer)) = versions.next_if(|(since, _)| *since <= day) {
                version = newer;
            }
            if day >= from {
                let (entered, left) = changed.map_or((0, 0), |figures| (figures.entered, figures.left));
                days.push(DayRecord { day, size, entered, left, version });
            }
            if day == to {
                // No day follows the last of the calendar.
                break;
            }
            day = day.plus_days(1);
        }
        Ok(days)
    }

    /// The days since which the versions of a segment's rule hold.
    fn version_days(&self, segment: &Segment) -> Vec<(Day, u32)> {
        let Body::Dynamic(dynamic) = &segment.body else { return Vec::new() };
        let zone = self.schema().zone();
        dynamic.versions.iter().map(|version| (zone.day_of(version.at), version.number)).collect()
    }
}
