//! Settling: what was touched is asked again, flips are kept, and the segments that depend on them are answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    bitmap::{CHUNK, chunk::Chunk, words::Words},
    model::{
        id::{ContactId, SegmentId},
        planted::{Bug, planted},
        time::Timestamp,
    },
    segment::{
        agenda::{Agenda, Look},
        delta::Delta,
        live::{Facts, Kept, Live, Moment, Predicate},
        saved::Body,
        touches::Fact,
    },
};

/// Where one way to the same answers becomes cheaper than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// From so many contacts of one chunk on a segment is answered for the whole chunk: its words are combined.
    pub segment: usize,
    /// The same of a predicate on values, whose columns are scanned.
    pub values: usize,
    /// The same of a predicate on events, whose logs are read.
    pub events: usize,
    /// Entries of an agenda that are found at a time, at least.
    pub looks: usize,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning { segment: 48, values: 512, events: 8_192, looks: 1_024 }
    }
}

/// The segments to answer, those that others name first, and where.
pub(super) type Dirty = BTreeMap<(u32, SegmentId), Spots>;

/// Where a segment is to be answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Spots {
    pub(super) contacts: Vec<u32>,
    pub(super) chunks: BTreeSet<usize>,
}

fn chunk_of(contact: u32) -> usize {
    contact as usize / CHUNK
}

impl Live {
    /// Brings everything touched since the last time up to date.
    pub fn settle(&mut self, facts: Facts<'_>, moment: Moment) {
        if self.touches.is_empty() {
            return;
        }
        let mut asks = Vec::new();
        let mut dirty = Dirty::new();
        self.introduce(&mut asks, &mut dirty);
        self.asked_by_touches(&mut asks);
        self.ask(facts, asks, moment.at, &mut dirty);
        self.answer(facts, dirty, moment, None);
    }

    /// Looks at everyone for whom time alone may have changed something by an instant, which is the first such
    /// instant or earlier, together with what was touched.
    pub fn step(&mut self, facts: Facts<'_>, moment: Moment) {
        let woken = self.wakes.take_while(|(at, _)| *at <= moment.at);
        let (mut asks, mut over, mut dirty) = (Vec::new(), Vec::new(), Dirty::new());
        for (_, place) in woken {
            let predicate = self.predicate_mut(place);
            predicate.wake = None;
            match predicate.agenda.take(moment.at) {
                Look::At(contacts) => {
                    asks.extend(contacts.into_iter().map(|contact| (place, contact)));
                    self.set_wake(place);
                }
                Look::Last(contacts) => {
                    asks.extend(contacts.into_iter().map(|contact| (place, contact)));
                    over.push(place);
                }
                Look::Everywhere => {
                    self.sweep(facts, place, moment.at, &mut dirty);
                    over.push(place);
                }
            }
        }
        self.introduce(&mut asks, &mut dirty);
        self.asked_by_touches(&mut asks);
        self.ask(facts, asks, moment.at, &mut dirty);
        for place in over {
            self.refill(facts, place, moment.at);
        }
        self.answer(facts, dirty, moment, None);
    }

    /// Asks a predicate of everyone.
    pub(super) fn sweep(&mut self, facts: Facts<'_>, place: u32, now: Timestamp, dirty: &mut Dirty) {
        let Some(predicate) = self.predicates.get(place) else { return };
        let mut standing = predicate.standing();
        standing.set_now(now);
        let truth = standing.evaluate(facts.index);
        drop(standing);
        let differing = (0..facts.index.chunk_count())
            .map(|chunk| (chunk, truth.chunk(chunk)))
            .filter(|(chunk, truth)| predicate.truth.chunk(*chunk) != *truth)
            .map(|(chunk, truth)| (chunk, truth.clone()));
        let found = Found { flips: vec![], chunks: differing.collect(), checks: vec![] };
        self.keep(place, &found, 0, dirty);
    }

    pub(super) fn predicate_mut(&mut self, place: u32) -> &mut Predicate {
        self.predicates.get_mut(place, || unreachable!("only places of kept predicates are asked for"))
    }

    /// Finds the next entries of a predicate's agenda, after an instant.
    pub(super) fn refill(&mut self, facts: Facts<'_>, place: u32, now: Timestamp) {
        let size = Agenda::size(facts.index.live().len(), self.tuning.looks);
        let predicate = self.predicate_mut(place);
        let mut standing = predicate.standing();
        standing.set_now(now);
        let (entries, horizon) = standing.upcoming(facts.index, size);
        drop(standing);
        predicate.agenda = Agenda::new(&entries, horizon, size);
        self.set_wake(place);
    }

    /// Brings a predicate's entry among the wakes in line with its agenda.
    pub(super) fn set_wake(&mut self, place: u32) {
        let Some(predicate) = self.predicates.get(place) else { return };
        let (old, new) = (predicate.wake, predicate.agenda.next());
        if old == new {
            return;
        }
        self.predicate_mut(place).wake = new;
        if let Some(old) = old {
            self.wakes.remove((old, place));
        }
        if let Some(new) = new {
            self.wakes.insert((new, place));
        }
    }

    /// New contacts: what holds of those of whom nothing is known holds of them, until they are asked.
    fn introduce(&mut self, asks: &mut Vec<(u32, ContactId)>, dirty: &mut Dirty) {
        let new = self.touches.new_contacts().to_vec();
        if new.is_empty() {
            return;
        }
        let readers = Arc::clone(&self.readers);
        for place in &readers.of_nobody {
            let truth = &mut self.predicate_mut(*place).truth;
            for contact in &new {
                truth.insert(contact.0);
            }
        }
        for place in &readers.keys {
            asks.extend(new.iter().map(|contact| (*place, *contact)));
        }
        for segment in &readers.holding_nobody {
            let spots = self.spots(*segment, dirty);
            spots.contacts.extend(new.iter().map(|contact| contact.0));
        }
    }

    pub(super) fn spots<'d>(&self, segment: SegmentId, dirty: &'d mut Dirty) -> &'d mut Spots {
        let rank = self.kept.get(segment.0).map_or(0, |kept| kept.rank);
        dirty.entry((rank, segment)).or_default()
    }

    /// Which predicates are to be asked of which contacts.
    fn asked_by_touches(&mut self, asks: &mut Vec<(u32, ContactId)>) {
        let mut touches = std::mem::take(&mut self.touches);
        for (fact, contacts) in touches.facts() {
            let readers = match fact {
                Fact::Property(property) => self.readers.properties.get(property.index()),
                Fact::Kind(kind) => self.readers.kinds.get(kind.index()),
            };
            let readers: &[u32] = readers.map_or(&[], |readers| readers);
            for contact in contacts {
                asks.extend(readers.iter().map(|place| (*place, contact)));
            }
        }
    }

    /// Asks predicates of contacts, keeps what flipped, and tells which segments that may bear on.
    fn ask(&mut self, facts: Facts<'_>, mut asks: Vec<(u32, ContactId)>, now: Timestamp, dirty: &mut Dirty) {
        asks.sort_unstable();
        asks.dedup();
        let size = Agenda::size(facts.index.live().len(), self.tuning.looks);
        for run in asks.chunk_by(|a, b| a.0 == b.0) {
            let place = run[0].0;
            let Some(predicate) = self.predicates.get(place) else { continue };
            let found = look(predicate, facts, run, now, self.tuning);
            if !found.is_nothing() {
                self.keep(place, &found, size, dirty);
            }
        }
    }

    fn keep(&mut self, place: u32, found: &Found, size: usize, dirty: &mut Dirty) {
        let predicate = self.predicate_mut(place);
        for (contact, holds) in &found.flips {
            if *holds {
                predicate.truth.insert(*contact)
            } else {
                predicate.truth.remove(*contact)
            };
        }
        for (chunk, truth) in &found.chunks {
            predicate.truth.set_chunk(*chunk, truth.clone());
        }
        for (at, contact) in &found.checks {
            predicate.agenda.note(*at, *contact, size);
        }
        if !found.checks.is_empty() {
            self.set_wake(place);
        }
        if found.flips.is_empty() && found.chunks.is_empty() {
            return;
        }
        let users = self.predicates.get(place).map(|predicate| Arc::clone(&predicate.users));
        for segment in users.iter().flat_map(|users| users.iter()) {
            let spots = self.spots(*segment, dirty);
            let flips = found.flips.iter().filter(|_| !planted(Bug::MissFlip));
            spots.contacts.extend(flips.map(|(contact, _)| *contact));
            spots.chunks.extend(found.chunks.iter().map(|(chunk, _)| *chunk));
        }
    }

    /// Answers segments where they may have changed, in order of their ranks, and tells the feed. The first fill of
    /// `first` is one entry, however small.
    pub(super) fn answer(&mut self, facts: Facts<'_>, mut dirty: Dirty, moment: Moment, first: Option<SegmentId>) {
        let mut deltas: BTreeMap<SegmentId, Delta> = BTreeMap::new();
        while let Some(((_, segment), spots)) = dirty.pop_first() {
            let delta = self.delta(facts, segment, spots);
            if delta.is_empty() && first != Some(segment) {
                continue;
            }
            let kept = self.kept.get_mut(segment.0, Default::default);
            delta.apply(&mut kept.members);
            for user in Arc::clone(&kept.users).iter() {
                let spots = self.spots(*user, &mut dirty);
                spots.contacts.extend(delta.entered.iter().chain(&delta.left));
                spots.chunks.extend(delta.chunks.iter().map(|change| change.chunk));
            }
            deltas.insert(segment, delta);
        }
        for (segment, delta) in deltas {
            self.tell(facts, segment, delta, moment, first == Some(segment));
        }
    }

    /// What changes of a segment's members at some spots.
    pub(super) fn delta(&self, facts: Facts<'_>, segment: SegmentId, spots: Spots) -> Delta {
        let Spots { mut contacts, mut chunks } = spots;
        let mut delta = Delta::default();
        let (Some(kept), Some(saved)) = (self.kept.get(segment.0), facts.book.get(segment)) else { return delta };
        let live = facts.index.live();
        contacts.sort_unstable();
        contacts.dedup();
        for run in contacts.chunk_by(|a, b| chunk_of(*a) == chunk_of(*b)) {
            if run.len() >= self.tuning.segment {
                chunks.insert(chunk_of(run[0]));
            }
        }
        for contact in contacts.into_iter().filter(|contact| !chunks.contains(&chunk_of(*contact))) {
            let is_member = live.contains(contact)
                && match (&saved.body, &kept.formula) {
                    (Body::Static(list), _) => list.contains(contact),
                    (Body::Dynamic(dynamic), Some(formula)) => {
                        (planted(Bug::IgnorePin) || !dynamic.exclude.contains(contact))
                            && (dynamic.include.contains(contact) || formula.holds_of(self, contact))
                    }
                    (Body::Dynamic(_), None) => false,
                };
            match (kept.members.contains(contact), is_member) {
                (false, true) => delta.entered.push(contact),
                (true, false) => delta.left.push(contact),
                _ => {}
            }
        }
        if !chunks.is_empty() {
            self.compare_chunks(facts, kept, &saved.body, chunks, &mut delta);
        }
        delta
    }

    fn compare_chunks(&self, facts: Facts<'_>, kept: &Kept, body: &Body, chunks: BTreeSet<usize>, delta: &mut Delta) {
        let (mut now, mut before) = (Words::boxed(), Words::boxed());
        for chunk in chunks {
            match (body, &kept.formula) {
                (Body::Static(list), _) => list.chunk(chunk).load_into(&mut now),
                (Body::Dynamic(dynamic), Some(formula)) => {
                    formula.fill(self, chunk, &mut now);
                    dynamic.include.chunk(chunk).or_into(&mut now);
                    dynamic.exclude.chunk(chunk).and_not_into(&mut now);
                }
                (Body::Dynamic(_), None) => now.fill(false),
            }
            facts.index.live().chunk(chunk).and_into(&mut now);
            kept.members.chunk(chunk).load_into(&mut before);
            delta.compare(chunk, &before, &now);
        }
    }
}

/// What asking a predicate of some contacts found.
struct Found {
    /// Contacts for whom it is not as it was, and what it is now.
    flips: Vec<(u32, bool)>,
    /// Chunks in which it is not as it was.
    chunks: Vec<(usize, Chunk)>,
    /// When to look again at whom.
    checks: Vec<(Timestamp, ContactId)>,
}

impl Found {
    fn is_nothing(&self) -> bool {
        self.flips.is_empty() && self.chunks.is_empty() && self.checks.is_empty()
    }
}

/// Asks a predicate of contacts, which are ascending.
fn look(predicate: &Predicate, facts: Facts<'_>, run: &[(u32, ContactId)], now: Timestamp, tuning: Tuning) -> Found {
    let mut found = Found { flips: vec![], chunks: vec![], checks: vec![] };
    let mut whole = Vec::new();
    let mut standing = predicate.standing();
    standing.set_now(now);
    let many = if standing.reads().kinds.is_empty() { tuning.values } else { tuning.events };
    for contacts in run.chunk_by(|a, b| chunk_of(a.1.0) == chunk_of(b.1.0)) {
        if contacts.len() >= many {
            whole.push(chunk_of(contacts[0].1.0));
        }
        for (_, contact) in contacts.iter().filter(|(_, contact)| facts.index.live().contains(contact.0)) {
            if contacts.len() < many {
                let holds = standing.holds(facts.index, *contact);
                if holds != predicate.truth.contains(contact.0) {
                    found.flips.push((contact.0, holds));
                }
            }
            if predicate.is_timed
                && let Some(at) = standing.next_check(facts.index, *contact)
                && predicate.agenda.wants(at, *contact)
            {
                found.checks.push((at, *contact));
            }
        }
    }
    if !whole.is_empty() {
        let truths = standing.evaluate_chunks(facts.index, &whole);
        let changed = whole.into_iter().zip(truths).filter(|(chunk, truth)| predicate.truth.chunk(*chunk) != truth);
        found.chunks.extend(changed);
    }
    found
}
