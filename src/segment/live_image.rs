//! What is kept of segments as sections: the feed with its lists, histories and entries. Members and predicates are
//! found again from the facts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    bitmap::posting::Posting,
    codec::{
        cursor::{Cursor, Writer},
        damage::Damage,
        pack::{pack, unpack},
        section::{SectionSink, SectionSource, SinkError},
    },
    model::{id::SegmentId, time::Timestamp},
    segment::{
        define::Record,
        feed::{Change, Feed, Lists},
        history::{DayFigures, History},
        live::{Facts, Live},
        since::Since,
    },
};

const FEED: &str = "live/feed";
const CHANGES: &str = "live/changes";
const KEPT: &str = "live/kept";

#[derive(Serialize, Deserialize)]
struct Head {
    /// The sequence number of the oldest entry.
    first: u64,
    /// Large changes whose lists follow.
    lists: Vec<u64>,
    /// Deleted segments with the entry that tells of it.
    deleted: Vec<(SegmentId, u64, Box<str>)>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    id: SegmentId,
    days: Vec<DayFigures>,
    /// The instants of large entries, whose sets follow.
    fills: Vec<Timestamp>,
}

fn put_posting(sink: &mut dyn SectionSink, name: &str, posting: &Posting) -> Result<(), SinkError> {
    sink.begin(name)?;
    posting.encode(sink)
}

fn posting(source: &dyn SectionSource, name: &str) -> Result<Posting, Damage> {
    Posting::decode(&mut Cursor::of(name, source.section(name)?))
}

impl Live {
    /// Writes sections whose names begin with `live/`.
    pub fn encode(&self, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let feed = self.feed();
        let lists = feed.all_lists().map(|(seq, _)| seq).collect();
        let deleted = feed.deleted().map(|(id, seq, name)| (id, seq, name.into())).collect();
        sink.begin(FEED)?;
        sink.put(&pack(&Head { first: feed.first(), lists, deleted }))?;
        sink.begin(CHANGES)?;
        sink.put(&pack(&feed.from(0).map(|(_, change)| *change).collect::<Vec<Change>>()))?;
        for (seq, lists) in feed.all_lists() {
            put_posting(sink, &format!("live/lists/{seq}/entered"), &lists.entered)?;
            put_posting(sink, &format!("live/lists/{seq}/left"), &lists.left)?;
        }
        let mut entries = Vec::new();
        self.kept.each(&mut |id, kept| {
            let days = kept.history.days().copied().collect();
            let fills = kept.since.entries(&kept.members).together.iter().map(|(at, _)| *at).collect();
            entries.push(Entry { id: SegmentId(id), days, fills });
        });
        sink.begin(KEPT)?;
        sink.put(&pack(&entries))?;
        for Entry { id, .. } in &entries {
            let Some(kept) = self.kept.get(id.0) else { continue };
            let (mut alone, entered) = (Writer::new(), kept.since.entries(&kept.members));
            entered.encode(&mut alone);
            sink.begin(&format!("live/since/{id}"))?;
            sink.put(alone.as_slice())?;
            for (number, (_, entered)) in entered.together.iter().enumerate() {
                put_posting(sink, &format!("live/since/{id}/{number}"), entered)?;
            }
        }
        Ok(())
    }

    /// Reads what [`Live::encode`] wrote beside the same facts.
    ///
    /// Errors: [`Damage`] when a section is missing or is not what it should be.
    pub fn decode(facts: Facts<'_>, as_of: Timestamp, source: &dyn SectionSource) -> Result<Live, Damage> {
        let head: Head = unpack(&source.section(FEED)?)?;
        let changes: Vec<Change> = unpack(&source.section(CHANGES)?)?;
        let mut lists = BTreeMap::new();
        for seq in head.lists {
            let entered = posting(source, &format!("live/lists/{seq}/entered"))?;
            let left = posting(source, &format!("live/lists/{seq}/left"))?;
            lists.insert(seq, Lists { entered, left });
        }
        let deleted = head.deleted.into_iter().map(|(id, seq, name)| (id, (seq, name))).collect();
        let feed = Feed::restored(head.first, changes, lists, deleted);
        let entries: Vec<Entry> = unpack(&source.section(KEPT)?)?;
        let mut records = BTreeMap::new();
        for Entry { id, days, fills } in entries {
            if facts.book.get(id).is_none() {
                return Err(Damage::new(format!("members are kept of a segment that is not there, {id}")));
            }
            let mut sets = Vec::with_capacity(fills.len());
            for (number, at) in fills.into_iter().enumerate() {
                sets.push((at, posting(source, &format!("live/since/{id}/{number}"))?));
            }
            let name = format!("live/since/{id}");
            let mut alone = Cursor::of(&name, source.section(&name)?);
            let since = Since::decode(&mut alone, sets)?;
            alone.end()?;
            records.insert(id, Record { since, history: History::new(days) });
        }
        Ok(Live::restored(facts, as_of, feed, records))
    }
}
