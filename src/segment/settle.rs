//! Settling: what was touched is asked again, flips are kept, and the segments that depend on them are answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    bitmap::{CHUNK, words::Words},
    model::{
        id::{ContactId, SegmentId},
        planted::{Bug, planted},
        time::Timestamp,
    },
    query::standing::Standing,
    segment::{
        agenda::{Agenda, Look},
        delta::Delta,
        formula::Formula,
        live::{Facts, Kept, Live, Moment, Predicate},
        looking::{Found, Hinges, look},
        panel::{Differing, Panel},
        saved::Body,
        touches::Fact,
    },
};

/// Where one way to the same answers becomes cheaper than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// From so many contacts of one chunk on a segment is answered for the whole chunk: its words are combined.
    pub segment: usize,
    /// The same of contacts in whom something flipped, whose bits are gathered first.
    pub panel: usize,
    /// The same of a predicate on values, whose columns are scanned.
    pub values: usize,
    /// The same of a predicate on events, whose logs are read.
    pub events: usize,
    /// Entries of an agenda that are found at a time, at least.
    pub looks: usize,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning { segment: 48, panel: 2_048, values: 512, events: 8_192, looks: 1_024 }
    }
}

/// What is to be answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Dirty {
    /// The segments, those that others name first, and where each is to be answered beside the flips.
    segments: BTreeMap<(u32, SegmentId), Spots>,
    /// Predicates, by place, that flipped for a contact, and the contact.
    flips: Vec<(u32, u32)>,
    /// Contacts that were just made, ascending. What held of them before is what holds of those of whom nothing is
    /// known, but they were members of nothing.
    new: Vec<u32>,
}

impl Dirty {
    /// The next segment, and where it is to be answered beside the flips.
    pub(super) fn next(&mut self) -> Option<(SegmentId, Spots)> {
        self.segments.pop_first().map(|((_, segment), spots)| (segment, spots))
    }

    /// Takes out what flipped.
    pub(super) fn take_flips(&mut self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.flips)
    }

    fn is_new(&self, contact: u32) -> bool {
        self.new.binary_search(&contact).is_ok()
    }
}

/// Where a segment is to be answered whatever flipped.
#[derive(Clone, Debug, Default)]
pub(super) struct Spots {
    pub(super) contacts: Vec<u32>,
    pub(super) chunks: BTreeSet<usize>,
}

/// Whether a contact is among those who differ, which are ascending.
fn is_among(differing: &[Differing], contact: u32) -> bool {
    differing.binary_search_by_key(&contact, |one| one.contact).is_ok()
}

pub(super) fn chunk_of(contact: u32) -> usize {
    contact as usize / CHUNK
}

impl Live {
    /// Brings everything touched since the last time up to date.
    pub fn settle(&mut self, facts: Facts<'_>, moment: Moment) {
        if self.touches.is_empty() {
            return;
        }
        self.settle_with(facts, Dirty::default(), moment);
    }

    /// The same, together with what is to be answered for other reasons.
    pub(super) fn settle_with(&mut self, facts: Facts<'_>, mut dirty: Dirty, moment: Moment) {
        let mut asks = Vec::new();
        self.introduce(&mut asks, &mut dirty);
        self.asked_by_touches(&mut asks);
        self.ask(facts, asks, moment.at, &mut dirty);
        self.answer(facts, dirty, moment, None);
    }

    /// Looks at everyone for whom time alone may have changed something by an instant, which is the first such
    /// instant or earlier, together with what was touched.
    pub fn step(&mut self, facts: Facts<'_>, moment: Moment) {
        let woken = self.wakes.take_while(|(at, _)| *at <= moment.at);
        let (mut asks, mut over, mut dirty) = (Vec::new(), Vec::new(), Dirty::default());
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
        self.keep(place, found, 0, dirty);
    }

    pub(super) fn predicate_mut(&mut self, place: u32) -> &mut Predicate {
        self.predicates.get_mut(place, || unreachable!("only places of kept predicates are asked for"))
    }

    /// Finds the next entries of a predicate's agenda, after an instant.
    pub(super) fn refill(&mut self, facts: Facts<'_>, place: u32, now: Timestamp) {
        let Some(predicate) = self.predicates.get(place) else { return };
        let mut standing = predicate.standing();
        standing.set_now(now);
        let agenda = self.agenda(facts, &standing);
        drop(standing);
        self.predicate_mut(place).agenda = agenda;
        self.set_wake(place);
    }

    /// The next entries of a predicate's agenda, after its instant.
    pub(super) fn agenda(&self, facts: Facts<'_>, standing: &Standing) -> Agenda {
        let size = Agenda::size(facts.index.live().len(), self.tuning.looks);
        let (entries, horizon) = standing.upcoming(facts.index, size);
        Agenda::new(&entries, horizon, size)
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
        dirty.new = new.iter().map(|contact| contact.0).collect();
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
        dirty.segments.entry((rank, segment)).or_default()
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
        let mut hinges = Hinges::default();
        for run in asks.chunk_by(|a, b| a.0 == b.0) {
            let place = run[0].0;
            let Some(predicate) = self.predicates.get(place) else { continue };
            let found = look(predicate, facts, run, now, self.tuning, &mut hinges);
            if !found.is_nothing() {
                self.keep(place, found, size, dirty);
            }
        }
    }

    fn keep(&mut self, place: u32, found: Found, size: usize, dirty: &mut Dirty) {
        let Found { flips, chunks, checks } = found;
        let predicate = self.predicate_mut(place);
        for (chunk, truth) in &chunks {
            predicate.truth.set_chunk(*chunk, truth.clone());
        }
        if !chunks.is_empty() {
            let users = Arc::clone(&predicate.users);
            for segment in users.iter() {
                self.spots(*segment, dirty).chunks.extend(chunks.iter().map(|(chunk, _)| *chunk));
            }
        }
        self.keep_flips(place, &flips, &checks, size, dirty);
    }

    /// Keeps for whom a predicate flipped, and when to look at whom again.
    pub(super) fn keep_flips(
        &mut self,
        place: u32,
        flips: &[(u32, bool)],
        checks: &[(Timestamp, ContactId)],
        size: usize,
        dirty: &mut Dirty,
    ) {
        if flips.is_empty() && checks.is_empty() {
            return;
        }
        let predicate = self.predicate_mut(place);
        for (contact, holds) in flips {
            if *holds {
                predicate.truth.insert(*contact)
            } else {
                predicate.truth.remove(*contact)
            };
        }
        for (at, contact) in checks {
            predicate.agenda.note(*at, *contact, size);
        }
        let users = Arc::clone(&predicate.users);
        if !checks.is_empty() {
            self.set_wake(place);
        }
        if flips.is_empty() {
            return;
        }
        let (new, old): (Vec<u32>, Vec<u32>) =
            flips.iter().map(|(contact, _)| *contact).partition(|contact| dirty.is_new(*contact));
        let old = old.into_iter().filter(|_| !planted(Bug::MissFlip));
        dirty.flips.extend(old.map(|contact| (place, contact)));
        for segment in users.iter() {
            self.spots(*segment, dirty).contacts.extend(&new);
        }
    }

    /// Answers segments where they may have changed, in order of their ranks, and tells the feed. The first fill of
    /// `first` is one entry, however small.
    pub(super) fn answer(&mut self, facts: Facts<'_>, mut dirty: Dirty, moment: Moment, first: Option<SegmentId>) {
        let (mut panel, whole) = self.panel(dirty.take_flips());
        let mut deltas: BTreeMap<SegmentId, Delta> = BTreeMap::new();
        while let Some((segment, mut spots)) = dirty.next() {
            let Some(users) = self.kept.get(segment.0).map(|kept| Arc::clone(&kept.users)) else { continue };
            if !users.is_empty() {
                // Whoever names it may hold of a newcomer what it does not, even if the newcomer was never in it.
                let new: Vec<u32> = spots.contacts.iter().copied().filter(|contact| dirty.is_new(*contact)).collect();
                users.iter().for_each(|user| self.spots(*user, &mut dirty).contacts.extend(&new));
            }
            spots.chunks.extend(&whole);
            let (delta, differing) = self.delta(facts, segment, spots, &mut panel);
            if delta.is_empty() && first != Some(segment) {
                continue;
            }
            self.change_members(segment, &delta);
            if !users.is_empty() {
                panel.note_members(self, segment, &differing);
            }
            for user in users.iter() {
                let spots = self.spots(*user, &mut dirty);
                // Who differs in the panel is answered by it there too.
                let others = delta.entered.iter().chain(&delta.left);
                spots.contacts.extend(others.filter(|contact| !is_among(&differing, **contact)));
                spots.chunks.extend(delta.chunks.iter().map(|change| change.chunk));
            }
            deltas.insert(segment, delta);
        }
        self.catch_up();
        for (segment, delta) in deltas {
            self.tell(facts, segment, delta, moment, first == Some(segment));
        }
    }

    /// Makes a change of a segment's members.
    pub(super) fn change_members(&mut self, segment: SegmentId, delta: &Delta) {
        let kept = self.kept.get_mut(segment.0, Default::default);
        if kept.is_listed {
            delta.entered.iter().for_each(|contact| self.holders.change(segment, *contact, true));
            delta.left.iter().for_each(|contact| self.holders.change(segment, *contact, false));
            for chunk in delta.chunks.iter().map(|change| change.chunk) {
                self.holders.loosen(segment, chunk, kept.members.chunk(chunk));
            }
        }
        delta.apply(&mut kept.members);
    }

    /// Brings what is told of a contact in line with the members of segments.
    pub(super) fn catch_up(&mut self) {
        let mut holders = std::mem::take(&mut self.holders);
        holders.catch_up(self.kept.len(), self);
        self.holders = holders;
    }

    /// The panel of those in whom something flipped, and the chunks that have so many of them that they are answered
    /// as a whole.
    fn panel(&self, mut flips: Vec<(u32, u32)>) -> (Panel, Vec<usize>) {
        let mut chunks: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
        if flips.len() >= self.tuning.panel {
            for (_, contact) in &flips {
                chunks.entry(chunk_of(*contact)).or_default().insert(*contact);
            }
        }
        let is_whole = |contacts: &BTreeSet<u32>| contacts.len() >= self.tuning.panel;
        let whole: Vec<usize> =
            chunks.into_iter().filter(|(_, contacts)| is_whole(contacts)).map(|(chunk, _)| chunk).collect();
        if !whole.is_empty() {
            flips.retain(|(_, contact)| whole.binary_search(&chunk_of(*contact)).is_err());
        }
        (Panel::of_flips(flips), whole)
    }

    /// What changes of a segment's members: at some spots, and in a panel, of which those who differ are named again.
    pub(super) fn delta(
        &self,
        facts: Facts<'_>,
        segment: SegmentId,
        spots: Spots,
        panel: &mut Panel,
    ) -> (Delta, Vec<Differing>) {
        let Spots { mut contacts, mut chunks } = spots;
        let mut delta = Delta::default();
        let (Some(kept), Some(saved)) = (self.kept.get(segment.0), facts.book.get(segment)) else {
            return (delta, vec![]);
        };
        contacts.sort_unstable();
        contacts.dedup();
        for run in contacts.chunk_by(|a, b| chunk_of(*a) == chunk_of(*b)) {
            if run.len() >= self.tuning.segment {
                chunks.insert(chunk_of(run[0]));
            }
        }
        contacts.retain(|contact| !chunks.contains(&chunk_of(*contact)));
        for contact in &contacts {
            match (kept.members.contains(*contact), self.is_member(facts, kept, &saved.body, *contact)) {
                (false, true) => delta.entered.push(*contact),
                (true, false) => delta.left.push(*contact),
                _ => {}
            }
        }
        let mut differing = self.differing(facts, segment, panel);
        differing
            .retain(|one| !chunks.contains(&chunk_of(one.contact)) && contacts.binary_search(&one.contact).is_err());
        delta.add(&differing);
        if !chunks.is_empty() {
            self.compare_chunks(facts, kept, &saved.body, chunks, &mut delta);
        }
        (delta, differing)
    }

    fn is_member(&self, facts: Facts<'_>, kept: &Kept, body: &Body, contact: u32) -> bool {
        facts.index.live().contains(contact)
            && match (body, &kept.formula) {
                (Body::Static(list), _) => list.contains(contact),
                (Body::Dynamic(dynamic), Some(formula)) => {
                    (planted(Bug::IgnorePin) || !dynamic.exclude.contains(contact))
                        && (dynamic.include.contains(contact) || formula.holds_of(self, contact))
                }
                (Body::Dynamic(_), None) => false,
            }
    }

    fn compare_chunks(&self, facts: Facts<'_>, kept: &Kept, body: &Body, chunks: BTreeSet<usize>, delta: &mut Delta) {
        let (mut now, mut before) = (Words::boxed(), Words::boxed());
        for chunk in chunks {
            self.fill_members(facts, kept.formula.as_deref(), body, chunk, &mut now);
            kept.members.chunk(chunk).load_into(&mut before);
            delta.compare(chunk, &before, &now);
        }
    }

    /// `out` = who of a chunk is to be in a segment.
    pub(super) fn fill_members(
        &self,
        facts: Facts<'_>,
        formula: Option<&Formula>,
        body: &Body,
        chunk: usize,
        out: &mut Words,
    ) {
        match (body, formula) {
            (Body::Static(list), _) => list.chunk(chunk).load_into(out),
            (Body::Dynamic(dynamic), Some(formula)) => {
                formula.fill(self, chunk, out);
                dynamic.include.chunk(chunk).or_into(out);
                dynamic.exclude.chunk(chunk).and_not_into(out);
            }
            (Body::Dynamic(_), None) => out.fill(false),
        }
        facts.index.live().chunk(chunk).and_into(out);
    }
}
