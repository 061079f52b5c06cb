//! Since when the members of a segment are in it.

use std::sync::Arc;

use crate::{
    bitmap::posting::Posting,
    codec::{
        cursor::{Cursor, Writer},
        damage::Damage,
    },
    model::{id::ContactId, time::Timestamp},
};

/// Large entries that are kept as sets; beyond, the smallest is written out contact by contact.
const FILLS_MAX: usize = 16;
/// Entries that wait in the order in which they came. Few, for a write copies them.
const RECENT_MAX: usize = 64;
/// Entries of those who left are dropped when there are more entries than this and twice the members.
const TIDY_FROM: usize = 4_096;

/// A contact that entered alone, and when.
type Entry = (u32, Timestamp);

/// The instants at which members entered: of those who came alone by contact, of those who came together by set.
///
/// Nothing is done when someone leaves: of several entries the last one counts, and of those who are no members none.
/// Entries come in their order; they are kept in runs that are merged when they are about as long, newer over older
/// (a log-structured merge, as O'Neil and others describe it).
#[derive(Clone, Debug, Default)]
pub struct Since {
    recent: Arc<Vec<Entry>>,
    /// Oldest and longest first; each by contact, ascending.
    runs: Arc<Vec<Arc<Vec<Entry>>>>,
    /// Large entries, oldest first.
    fills: Arc<Vec<(Timestamp, Posting)>>,
}

/// When members entered, each of them once: those who came alone, ascending, and those who came together, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries {
    /// Contact and instant.
    pub alone: Vec<Entry>,
    /// Instant and contacts.
    pub together: Vec<(Timestamp, Posting)>,
}

impl Since {
    /// A contact entered alone, not before those that entered before it.
    pub fn enter(&mut self, contact: ContactId, at: Timestamp) {
        let recent = Arc::make_mut(&mut self.recent);
        recent.push((contact.0, at));
        if recent.len() < RECENT_MAX {
            return;
        }
        let mut run = std::mem::take(recent);
        // Those who came last go first, so that they are the ones that stay.
        run.reverse();
        run.sort_by_key(|(contact, _)| *contact);
        run.dedup_by_key(|(contact, _)| *contact);
        self.push_run(run);
    }

    fn push_run(&mut self, mut run: Vec<Entry>) {
        let runs = Arc::make_mut(&mut self.runs);
        while let Some(before) = runs.pop_if(|before| before.len() < 2 * run.len()) {
            run = merged(&before, &run);
        }
        if !run.is_empty() {
            runs.push(Arc::new(run));
        }
    }

    /// Many entered together; given are also who the members are since.
    pub fn fill(&mut self, entered: Posting, at: Timestamp, members: &Posting) {
        if entered.is_empty() {
            return;
        }
        Arc::make_mut(&mut self.fills).push((at, entered));
        self.tidy(members);
    }

    /// Drops the entries of those who left, once they are many.
    pub fn tidy_if_many(&mut self, members: &Posting) {
        let entries: usize = self.runs.iter().map(|run| run.len()).sum();
        if entries as u64 > TIDY_FROM as u64 + 2 * members.len() {
            self.tidy(members);
        }
    }

    /// Keeps one entry for each member, and few sets.
    fn tidy(&mut self, members: &Posting) {
        let Entries { mut alone, mut together } = self.entries(members);
        while together.len() > FILLS_MAX {
            let smallest = (0..together.len()).min_by_key(|place| together[*place].1.len()).unwrap_or(0);
            let (at, contacts) = together.remove(smallest);
            let contacts: Vec<Entry> = contacts.iter().map(|id| (id, at)).collect();
            alone = merged(&alone, &contacts);
        }
        *self = Since::of(Entries { alone, together });
    }

    fn of(entries: Entries) -> Since {
        let mut since = Since { fills: Arc::new(entries.together), ..Since::default() };
        since.push_run(entries.alone);
        since
    }

    /// When the members entered. It hangs on nothing but the members and their entries.
    pub fn entries(&self, members: &Posting) -> Entries {
        let mut alone = self.all_alone();
        alone.retain(|(contact, _)| members.contains(*contact));
        let mut together: Vec<(Timestamp, Posting)> = Vec::new();
        let mut later = Posting::new();
        for (at, entered) in self.fills.iter().rev() {
            let after: Posting = alone.iter().filter(|entry| entry.1 > *at).map(|entry| entry.0).collect();
            let held = entered.and(members).and_not(&later).and_not(&after);
            // Those who came alone before this are in it by a later entry.
            alone.retain(|(contact, entered_at)| *entered_at > *at || !entered.contains(*contact));
            later = later.or(&held);
            if !held.is_empty() {
                together.push((*at, held));
            }
        }
        together.reverse();
        Entries { alone, together }
    }

    /// The last entry of everyone who ever came alone, ascending by contact.
    fn all_alone(&self) -> Vec<Entry> {
        let mut recent: Vec<Entry> = self.recent.iter().rev().copied().collect();
        recent.sort_by_key(|(contact, _)| *contact);
        recent.dedup_by_key(|(contact, _)| *contact);
        self.runs.iter().rev().fold(recent, |newer, run| merged(run, &newer))
    }

    fn alone_at(&self, contact: ContactId) -> Option<Timestamp> {
        if let Some((_, at)) = self.recent.iter().rev().find(|(held, _)| *held == contact.0) {
            return Some(*at);
        }
        let found = |run: &Arc<Vec<Entry>>| {
            let place = run.binary_search_by_key(&contact.0, |(held, _)| *held).ok()?;
            Some(run[place].1)
        };
        self.runs.iter().rev().find_map(found)
    }

    /// When a member entered.
    pub fn of_member(&self, contact: ContactId) -> Option<Timestamp> {
        let together = self.fills.iter().rev().find(|(_, entered)| entered.contains(contact.0)).map(|(at, _)| *at);
        self.alone_at(contact).max(together)
    }

    /// Bytes on the heap, about.
    pub fn memory_bytes(&self) -> u64 {
        let entries = self.recent.capacity() + self.runs.iter().map(|run| run.capacity()).sum::<usize>();
        let fills: usize = self.fills.iter().map(|(_, entered)| entered.memory_bytes()).sum();
        (entries * size_of::<Entry>() + fills) as u64
    }

    /// Everyone whose entry is known: the members, and some who left.
    pub fn everyone(&self) -> Posting {
        let alone = self.all_alone().into_iter().map(|(contact, _)| contact).collect();
        self.fills.iter().fold(alone, |all: Posting, (_, entered)| all.or(entered))
    }

    /// Reads what [`Entries::encode`] wrote; the large entries are given.
    pub fn decode(from: &mut Cursor, together: Vec<(Timestamp, Posting)>) -> Result<Since, Damage> {
        let mut alone: Vec<Entry> = Vec::new();
        for _ in 0..from.count(from.remaining() / 12)? {
            let (contact, at) = (from.u32()?, from.i64()?);
            if let Some((before, _)) = alone.last().filter(|(before, _)| *before >= contact) {
                return Err(from.damage(format!("a contact after {before}"), contact));
            }
            alone.push((contact, Timestamp(at)));
        }
        Ok(Since::of(Entries { alone, together }))
    }
}

impl Entries {
    /// Writes who entered alone.
    pub fn encode(&self, out: &mut Writer) {
        out.varint(self.alone.len() as u64);
        for (contact, at) in &self.alone {
            out.u32(*contact);
            out.i64(at.0);
        }
    }
}

/// Both lists by contact, ascending; who is in both is as in the newer one.
fn merged(older: &[Entry], newer: &[Entry]) -> Vec<Entry> {
    let mut all = Vec::with_capacity(older.len() + newer.len());
    let mut older = older.iter().peekable();
    for entry in newer {
        while let Some(before) = older.next_if(|before| before.0 < entry.0) {
            all.push(*before);
        }
        older.next_if(|same| same.0 == entry.0);
        all.push(*entry);
    }
    all.extend(older);
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};

    use super::*;

    fn round_trip(since: &Since, members: &Posting) -> Since {
        let mut out = Writer::new();
        let entries = since.entries(members);
        entries.encode(&mut out);
        Since::decode(&mut Cursor::new(out.into_vec().into()), entries.together).unwrap()
    }

    #[test]
    fn it_tells_the_last_entry_of_every_member() {
        let mut random = rand_pcg::Pcg64::seed_from_u64(3);
        let (mut since, mut again, mut model) = (Since::default(), Since::default(), BTreeMap::new());
        let mut members = Posting::new();
        for step in 0..12_000 {
            // Several things happen at one instant.
            let (id, at) = (random.random_range(0..2_000u32), Timestamp(step / 3));
            match random.random_range(0..200) {
                0..3 => {
                    let entered: Posting = (id..id + 300).filter(|id| !model.contains_key(id)).collect();
                    model.extend(entered.iter().map(|id| (id, at)));
                    members = model.keys().copied().collect();
                    since.fill(entered.clone(), at, &members);
                    again.fill(entered, at, &members);
                }
                3..5 => {
                    model.retain(|held, _| !(id..id + 200).contains(held));
                    members = model.keys().copied().collect();
                }
                5..110 => {
                    if members.insert(id) {
                        model.insert(id, at);
                        since.enter(ContactId(id), at);
                        again.enter(ContactId(id), at);
                    }
                }
                _ => {
                    model.remove(&id);
                    members.remove(id);
                }
            }
            since.tidy_if_many(&members);
            if step % 1_000 == 999 {
                assert!(members.and_not(&since.everyone()).is_empty());
                // One that was written and read now and then goes on as the other does.
                again = round_trip(&again, &members);
                let back = round_trip(&since, &members);
                assert_eq!(since.entries(&members), again.entries(&members));
                for (id, at) in &model {
                    assert_eq!(since.of_member(ContactId(*id)), Some(*at), "{id}");
                    assert_eq!(back.of_member(ContactId(*id)), Some(*at), "{id}");
                }
            }
        }
        assert!(since.fills.len() <= FILLS_MAX && since.fills.len() > FILLS_MAX / 2, "{}", since.fills.len());
    }

    #[test]
    fn those_who_left_are_forgotten() {
        let (mut since, mut members) = (Since::default(), Posting::new());
        for n in 0..1_000_000u32 {
            members = [n].into_iter().collect();
            since.enter(ContactId(n), Timestamp(i64::from(n)));
            since.tidy_if_many(&members);
        }
        assert!(since.memory_bytes() < 400_000, "{}", since.memory_bytes());
        assert_eq!(since.of_member(ContactId(999_999)), Some(Timestamp(999_999)));
        assert_eq!(since.entries(&members).alone.len(), 1);
    }
}
