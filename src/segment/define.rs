//! Defining: segments made, changed and deleted; lists and pins edited; contacts erased; schemas changed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZero,
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    bitmap::{chunk::Chunk, posting::Posting, words::Words},
    model::{
        id::{ContactId, PropertyId, SegmentId},
        schema::Schema,
        time::Timestamp,
    },
    query::standing::Standing,
    rule::ast::Rule,
    segment::{
        agenda::Agenda,
        feed::{Change, Feed, Lists, What},
        formula::{Formula, Parts},
        history::History,
        holders::Holders,
        live::{Facts, Kept, Live, Moment, Predicate, Readers},
        saved::Body,
        settle::Dirty,
        since::Since,
    },
};

/// Fewer items than this are not worth threads of their own.
const APART_MIN: usize = 32;
/// Segments whose members in a chunk are found by one thread, one after the other, at most.
const GROUP_MAX: usize = 128;

/// What of a segment cannot be found again from the facts.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Since when members are in it.
    pub since: Since,
    /// How it grew.
    pub history: History,
}

impl Live {
    /// Everything from the facts, and what the facts do not tell from records.
    pub fn restored(facts: Facts<'_>, as_of: Timestamp, feed: Feed, records: BTreeMap<SegmentId, Record>) -> Live {
        let mut live = Live { feed, ..Live::default() };
        for (id, Record { since, history }) in records {
            live.kept.set(id.0, Some(Kept { since, history, ..Kept::default() }));
        }
        live.make_predicates(facts, as_of);
        for segment in facts.book.iter() {
            live.bind(facts, segment.id, as_of);
        }
        live.rank(facts);
        let mut order: Vec<(u32, SegmentId)> = Vec::new();
        live.kept.each(&mut |id, kept| order.push((kept.rank, SegmentId(id))));
        order.sort_unstable();
        // Each rank hangs on those below it alone.
        for run in order.chunk_by(|a, b| a.0 == b.0) {
            let run: Vec<SegmentId> = run.iter().map(|(_, id)| *id).collect();
            for (id, members) in live.members_afresh(facts, &run) {
                live.kept.get_mut(id.0, Kept::default).members = members;
            }
        }
        live.holders = Holders::restored(facts.index.chunk_count(), &live.listed(), &live);
        live
    }

    /// The segments that are no suppressions, ascending.
    fn listed(&self) -> Vec<SegmentId> {
        let mut listed = Vec::new();
        self.kept.each(&mut |id, kept| listed.extend(kept.is_listed.then_some(SegmentId(id))));
        listed
    }

    /// The members that segments have by the sets that are kept of their predicates and of the segments that they name:
    /// found again chunk by chunk, so that sets that several are made of stay in the caches, on all cores.
    pub fn members_afresh(&self, facts: Facts<'_>, segments: &[SegmentId]) -> Vec<(SegmentId, Posting)> {
        let chunks = facts.index.chunk_count();
        // Where there are few chunks, smaller groups give every thread its share.
        let size = (segments.len() * chunks / APART_MIN).clamp(1, GROUP_MAX);
        let groups: Vec<&[SegmentId]> = segments.chunks(size).collect();
        let places: Vec<(usize, usize)> =
            (0..chunks).flat_map(|chunk| (0..groups.len()).map(move |group| (chunk, group))).collect();
        let made = in_parts(&places, |(chunk, group)| {
            let mut words = Words::boxed();
            let members = groups[*group].iter().map(|id| match (self.kept.get(id.0), facts.book.get(*id)) {
                (Some(kept), Some(saved)) => {
                    self.fill_members(facts, kept.formula.as_deref(), &saved.body, *chunk, &mut words);
                    Chunk::from_words(&words)
                }
                _ => Chunk::EMPTY,
            });
            members.collect::<Vec<Chunk>>()
        });
        let of = |place: usize| {
            let (group, within) = (place / size, place % size);
            Posting::from_chunks((0..chunks).map(|chunk| (chunk, made[chunk * groups.len() + group][within].clone())))
        };
        segments.iter().enumerate().map(|(place, id)| (*id, of(place))).collect()
    }

    /// A segment was made, or its rule is a new one.
    pub fn define(&mut self, facts: Facts<'_>, id: SegmentId, moment: Moment) {
        let is_new = self.kept.get(id.0).is_none();
        self.bind(facts, id, moment.at);
        self.rank(facts);
        let mut dirty = Dirty::default();
        self.spots(id, &mut dirty).chunks.extend(0..facts.index.chunk_count());
        self.answer(facts, dirty, moment, is_new.then_some(id));
    }

    /// A segment, which no other names, is about to be deleted.
    pub fn delete(&mut self, facts: Facts<'_>, id: SegmentId, moment: Moment) {
        let (Some(kept), Some(saved)) = (self.kept.get(id.0).cloned(), facts.book.get(id)) else { return };
        if saved.is_listed() {
            let lists = Lists { entered: Posting::new(), left: kept.members.clone() };
            let what = What::Bulk(0, kept.members.len() as u32);
            let Moment { at, lsn, cause } = moment;
            self.feed.push_lists(Change { at, lsn, segment: id, version: saved.version(), what, cause }, lists);
            self.feed.remember_deleted(id, &saved.name);
        }
        if let Some(formula) = &kept.formula {
            self.let_go(id, formula.parts());
        }
        if kept.is_listed {
            kept.members.chunks().for_each(|(at, members)| self.holders.loosen(id, at, members));
        }
        self.kept.set(id.0, None);
        self.catch_up();
        self.index_readers();
    }

    /// A list or pins were edited for some contacts; `None`: perhaps for all.
    pub fn edited(&mut self, facts: Facts<'_>, id: SegmentId, contacts: Option<&[ContactId]>, moment: Moment) {
        let mut dirty = Dirty::default();
        let spots = self.spots(id, &mut dirty);
        match contacts {
            Some(contacts) => spots.contacts.extend(contacts.iter().map(|contact| contact.0)),
            None => spots.chunks.extend(0..facts.index.chunk_count()),
        }
        self.answer(facts, dirty, moment, None);
    }

    /// A contact, of this key, is gone from the facts and the book.
    pub fn erase(&mut self, facts: Facts<'_>, contact: ContactId, key: &str, moment: Moment) {
        let dirty = self.let_contact_go(contact);
        self.feed.remember_erased(contact, key, moment.at, moment.lsn);
        self.answer(facts, dirty, moment, None);
    }

    /// A contact, of this key, is gone, and what it had is another one's by now, in the facts and in the book; of these
    /// segments the list or the pins changed for the other one. Whatever was touched is settled with it.
    pub fn merge(
        &mut self,
        facts: Facts<'_>,
        (from, key): (ContactId, &str),
        into: ContactId,
        lists: &[SegmentId],
        moment: Moment,
    ) {
        self.touches.forget(from);
        let mut dirty = self.let_contact_go(from);
        for id in lists {
            self.spots(*id, &mut dirty).contacts.push(into.0);
        }
        self.feed.remember_erased(from, key, moment.at, moment.lsn);
        self.settle_with(facts, dirty, moment);
    }

    /// No predicate holds of a contact any more; the segments that have it are to be answered.
    fn let_contact_go(&mut self, contact: ContactId) -> Dirty {
        let mut holding = Vec::new();
        self.predicates.each(&mut |place, predicate| {
            if predicate.truth.contains(contact.0) {
                holding.push(place);
            }
        });
        for place in holding {
            self.predicate_mut(place).truth.remove(contact.0);
        }
        let mut dirty = Dirty::default();
        let mut members = Vec::new();
        self.kept.each(&mut |id, kept| {
            if kept.members.contains(contact.0) {
                members.push(SegmentId(id));
            }
        });
        for id in &members {
            self.spots(*id, &mut dirty).contacts.push(contact.0);
        }
        dirty
    }

    /// The schema is another one. Everything is asked again, unless the change is such that no answer can be another.
    pub fn redeclare(&mut self, facts: Facts<'_>, is_harmless: bool, moment: Moment) {
        let mut places = Vec::new();
        self.predicates.each(&mut |place, _| places.push(place));
        let mut dirty = Dirty::default();
        for place in places {
            let Some(predicate) = self.predicates.get(place) else { continue };
            let rule = predicate.standing().rule().clone();
            let standing = stand(&rule, facts.schema, moment.at);
            if is_harmless {
                self.predicate_mut(place).standing = Arc::new(Mutex::new(standing));
                continue;
            }
            let predicate = self.predicate_mut(place);
            predicate.is_timed = standing.is_timed();
            predicate.of_nobody = standing.holds_of_nobody(facts.index);
            predicate.standing = Arc::new(Mutex::new(standing));
            self.sweep(facts, place, moment.at, &mut dirty);
            let predicate = self.predicate_mut(place);
            if predicate.is_timed {
                self.refill(facts, place, moment.at);
            } else {
                predicate.agenda = Agenda::default();
                self.set_wake(place);
            }
        }
        self.rank(facts);
        self.answer(facts, dirty, moment, None);
    }

    /// Makes the formula of a segment, with the predicates that it needs; those it no longer needs go.
    fn bind(&mut self, facts: Facts<'_>, id: SegmentId, now: Timestamp) {
        let old = self.kept.get(id.0).and_then(|kept| kept.formula.clone());
        let formula = match facts.book.get(id).map(|saved| &saved.body) {
            Some(Body::Dynamic(dynamic)) => {
                let number = |name: &str| facts.book.find(name).map(|segment| segment.id);
                let rule = Arc::clone(&dynamic.rule);
                Some(Formula::of(&rule, &mut |predicate| self.place(facts, predicate, now), &number))
            }
            Some(Body::Static(_)) | None => None,
        };
        let (before, after) = (old.map(|old| old.parts()).unwrap_or_default(), formula.as_ref().map(Formula::parts));
        let after = after.unwrap_or_default();
        self.take_up(id, &after);
        let gone =
            Parts { predicates: &before.predicates - &after.predicates, segments: &before.segments - &after.segments };
        self.let_go(id, gone);
        let kept = self.kept.get_mut(id.0, Kept::default);
        kept.formula = formula.map(Arc::new);
        kept.is_listed = facts.book.get(id).is_some_and(|saved| saved.is_listed());
    }

    /// A segment uses these from now on.
    fn take_up(&mut self, id: SegmentId, parts: &Parts) {
        let add = |users: &mut Arc<Vec<SegmentId>>| {
            let users = Arc::make_mut(users);
            if let Err(at) = users.binary_search(&id) {
                users.insert(at, id);
            }
        };
        for place in &parts.predicates {
            add(&mut self.predicate_mut(*place).users);
        }
        for other in &parts.segments {
            add(&mut self.kept.get_mut(other.0, Kept::default).users);
        }
    }

    /// A segment no longer uses these; predicates without a user go.
    fn let_go(&mut self, id: SegmentId, parts: Parts) {
        for place in parts.predicates {
            let predicate = self.predicate_mut(place);
            Arc::make_mut(&mut predicate.users).retain(|user| *user != id);
            if !predicate.users.is_empty() {
                continue;
            }
            let rule = predicate.standing().rule().clone();
            if let Some(wake) = predicate.wake {
                self.wakes.remove((wake, place));
            }
            Arc::make_mut(&mut self.places).remove(&rule);
            self.predicates.set(place, None);
        }
        for other in parts.segments {
            if self.kept.get(other.0).is_some() {
                Arc::make_mut(&mut self.kept.get_mut(other.0, Kept::default).users).retain(|user| *user != id);
            }
        }
    }

    /// The place of a predicate, which is made if no rule had it so far.
    fn place(&mut self, facts: Facts<'_>, rule: &Rule, now: Timestamp) -> u32 {
        if let Some(place) = self.places.get(rule) {
            return *place;
        }
        let predicate = self.predicate_afresh(facts, rule, now);
        self.put_predicate(rule, predicate)
    }

    fn predicate_afresh(&self, facts: Facts<'_>, rule: &Rule, now: Timestamp) -> Predicate {
        let standing = stand(rule, facts.schema, now);
        let is_timed = standing.is_timed();
        Predicate {
            is_timed,
            truth: standing.evaluate(facts.index),
            of_nobody: standing.holds_of_nobody(facts.index),
            agenda: if is_timed { self.agenda(facts, &standing) } else { Agenda::default() },
            standing: Arc::new(Mutex::new(standing)),
            users: Arc::default(),
            wake: None,
        }
    }

    fn put_predicate(&mut self, rule: &Rule, predicate: Predicate) -> u32 {
        let place = self.next_place;
        self.next_place += 1;
        self.predicates.set(place, Some(predicate));
        Arc::make_mut(&mut self.places).insert(rule.clone(), place);
        self.set_wake(place);
        place
    }

    /// On a copy that is only looked at: takes it as known for whom a predicate holds at an instant, so that a rule that has
    /// it need not ask. Time does not change it there.
    pub fn suppose(&mut self, facts: Facts<'_>, rule: &Rule, truth: &Posting, now: Timestamp) {
        let is_known = matches!(rule, Rule::All | Rule::None | Rule::Segment(_)) || self.places.contains_key(rule);
        let Some(standing) = Standing::new(rule, facts.schema, now).ok().filter(|_| !is_known) else { return };
        let predicate = Predicate {
            is_timed: standing.is_timed(),
            truth: truth.clone(),
            of_nobody: standing.holds_of_nobody(facts.index),
            agenda: Agenda::default(),
            standing: Arc::new(Mutex::new(standing)),
            users: Arc::default(),
            wake: None,
        };
        self.put_predicate(rule, predicate);
    }

    /// Makes the predicates of all rules, several at a time.
    fn make_predicates(&mut self, facts: Facts<'_>, now: Timestamp) {
        let (mut known, mut rules) = (HashSet::new(), Vec::new());
        for segment in facts.book.iter() {
            if let Body::Dynamic(dynamic) = &segment.body {
                let mut note = |rule: &Rule| {
                    if known.insert(rule.clone()) {
                        rules.push(rule.clone());
                    }
                    0
                };
                Formula::of(&dynamic.rule, &mut note, &|_| None);
            }
        }
        let made = in_parts(&rules, |rule| self.predicate_afresh(facts, rule, now));
        for (rule, predicate) in rules.iter().zip(made) {
            self.put_predicate(rule, predicate);
        }
    }

    /// Finds the ranks of all segments, and who holds a contact of whom nothing is known.
    fn rank(&mut self, facts: Facts<'_>) {
        let mut ranks: HashMap<SegmentId, (u32, bool)> = HashMap::new();
        for segment in facts.book.iter() {
            self.rank_of(segment.id, &mut ranks);
        }
        for (id, (rank, holds)) in ranks {
            let Some(kept) = self.kept.get(id.0) else { continue };
            if (kept.rank, kept.of_nobody) != (rank, holds) {
                let kept = self.kept.get_mut(id.0, Kept::default);
                (kept.rank, kept.of_nobody) = (rank, holds);
            }
        }
        self.index_readers();
    }

    fn rank_of(&self, id: SegmentId, ranks: &mut HashMap<SegmentId, (u32, bool)>) -> (u32, bool) {
        if let Some(known) = ranks.get(&id) {
            return *known;
        }
        let Some(formula) = self.kept.get(id.0).and_then(|kept| kept.formula.as_ref()) else {
            return (0, false);
        };
        let mut rank = 0;
        for other in formula.parts().segments {
            rank = rank.max(1 + self.rank_of(other, ranks).0);
        }
        let holds = formula.holds(&|leaf| match leaf {
            Formula::Predicate(place) => self.predicates.get(*place).is_some_and(|predicate| predicate.of_nobody),
            Formula::Members(other) => ranks.get(other).is_some_and(|(_, holds)| *holds),
            _ => false,
        });
        ranks.insert(id, (rank, holds));
        (rank, holds)
    }

    /// Finds which predicates read which facts.
    pub(super) fn index_readers(&mut self) {
        let mut readers = Readers::default();
        let put = |table: &mut Vec<Vec<u32>>, at: usize, place: u32| {
            table.resize_with(table.len().max(at + 1), Vec::new);
            table[at].push(place);
        };
        self.predicates.each(&mut |place, predicate| {
            let standing = predicate.standing();
            let reads = standing.reads();
            for PropertyId(property) in &reads.properties {
                put(&mut readers.properties, usize::from(*property), place);
            }
            for kind in &reads.kinds {
                put(&mut readers.kinds, kind.index(), place);
            }
            if matches!(standing.rule(), Rule::Bucket { .. }) {
                readers.keys.push(place);
            }
            if predicate.of_nobody {
                readers.of_nobody.push(place);
            }
        });
        self.kept.each(&mut |id, kept| {
            if kept.of_nobody {
                readers.holding_nobody.push(SegmentId(id));
            }
        });
        self.readers = Arc::new(readers);
    }

    /// Walks the laws of what is kept: it is what the facts say. Tells the first one broken.
    pub fn check(&self, facts: Facts<'_>, as_of: Timestamp) -> Result<(), String> {
        if !self.touches.is_empty() {
            return Err("touches wait between batches".into());
        }
        if let Some(due) = self.next_due().filter(|due| *due <= as_of) {
            return Err(format!("what is due at {due} still waits at {as_of}"));
        }
        for (rule, place) in self.places.iter() {
            let Some(predicate) = self.predicates.get(*place) else {
                return Err(format!("there is nothing at the place of {rule:?}"));
            };
            let afresh = stand(rule, facts.schema, as_of).evaluate(facts.index);
            if predicate.truth != afresh || predicate.users.is_empty() {
                return Err(format!("a predicate is not kept right, or no rule has it: {rule:?}"));
            }
        }
        let ids: Vec<SegmentId> = facts.book.iter().map(|segment| segment.id).collect();
        for (id, afresh) in ids.chunks(GROUP_MAX).flat_map(|ids| self.members_afresh(facts, ids)) {
            let members = self.members(id);
            let name = || facts.book.get(id).map_or("", |segment| &segment.name).to_owned();
            if *members != afresh {
                return Err(format!("segment \"{}\": its members are not what its rule and pins say", name()));
            }
            let since = self.kept.get(id.0).map(|kept| kept.since.everyone()).unwrap_or_default();
            if !members.and_not(&since).is_empty() {
                return Err(format!("segment \"{}\": not every member's entry is known", name()));
            }
        }
        if !self.holders.agree(facts.index.chunk_count(), &self.listed(), self) {
            return Err("the segments that hold a contact are not those that it is a member of".into());
        }
        Ok(())
    }
}

/// What `f` makes of items, in their order, on all cores.
pub(super) fn in_parts<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() < APART_MIN {
        return items.iter().map(f).collect();
    }
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(threads).max(1));
        let parts: Vec<_> = parts.map(|part| scope.spawn(|| part.iter().map(&f).collect::<Vec<R>>())).collect();
        parts.into_iter().flat_map(|part| part.join().expect("no evaluation panics")).collect()
    })
}

fn stand(rule: &Rule, schema: &Arc<Schema>, now: Timestamp) -> Standing {
    Standing::new(rule, schema, now).expect("a saved rule was bound when it was admitted")
}
