//! Marching: time passes over many due instants in one go, as if over each by itself.
//!
//! What comes due for different contacts does not hang together, so a stretch of time is gone through in rounds, each
//! with one instant of a contact at most: the next one of each. What changed is told at the end, in order of time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    model::{
        id::{ContactId, Lsn, SegmentId},
        planted::{Bug, planted},
        time::Timestamp,
    },
    segment::{
        agenda::Agenda,
        delta::Delta,
        feed::{Cause, Change, What},
        live::{Facts, Live},
        panel::{Differing, Panel},
        saved::Body,
        settle::Dirty,
    },
};

/// Looks of one stretch, at most, where they lie at several instants.
const STRETCH_MAX: usize = 8_192;

/// A predicate to be asked: by its place, at an instant, of a contact.
type Ask = (u32, Timestamp, ContactId);

/// What changed in a stretch: when, in which segment, for whom, and whether it entered.
type Told = (Timestamp, SegmentId, ContactId, bool);

impl Live {
    /// Lets time pass up to an instant or an earlier one, which is given. No fact may change by then but by writes.
    /// `None` when everyone is to be looked at at the first instant that is due, or too many are: that is a step.
    pub fn march(&mut self, facts: Facts<'_>, until: Timestamp, lsn: Lsn) -> Option<Timestamp> {
        let until = self.stretch(until)?;
        let mut told: Vec<Told> = Vec::new();
        let (mut over, mut asked) = (Vec::new(), BTreeSet::new());
        loop {
            let asks = self.round(until, &mut over);
            if asks.is_empty() || (planted(Bug::MarchOnce) && !asked.is_empty()) {
                break;
            }
            asked.extend(asks.iter().map(|(place, ..)| *place));
            let at: HashMap<u32, Timestamp> = asks.iter().map(|(_, at, contact)| (contact.0, *at)).collect();
            let dirty = self.ask_each(facts, &asks);
            self.answer_each(facts, dirty, &mut |segment, differing| {
                let each = differing.iter().map(|one| (at[&one.contact], segment, ContactId(one.contact), one.is_in));
                told.extend(each);
            });
        }
        over.sort_unstable();
        over.dedup();
        for place in over {
            self.refill(facts, place, until);
        }
        let size = Agenda::size(facts.index.live().len(), self.tuning.looks);
        for place in asked {
            self.predicate_mut(place).agenda.limit(size);
            self.set_wake(place);
        }
        told.sort_unstable();
        self.tell_each(facts, told, lsn);
        Some(until)
    }

    /// The end of the longest stretch up to an instant in which few enough looks are due, nowhere at everyone, and no
    /// agenda is used up but at its end.
    fn stretch(&self, until: Timestamp) -> Option<Timestamp> {
        let woken: Vec<u32> = self.wakes.iter().take_while(|(at, _)| *at <= until).map(|(_, place)| place).collect();
        let agendas = || woken.iter().filter_map(|place| Some(&self.predicates.get(*place)?.agenda));
        let until = agendas().filter_map(Agenda::complete_up_to).fold(until, Ord::min);
        let mut due: Vec<Timestamp> = agendas().flat_map(|agenda| agenda.due(until).take(STRETCH_MAX + 1)).collect();
        let first = self.next_due()?;
        let until = if due.len() > STRETCH_MAX {
            // The instant before that of the first one too many.
            due.select_nth_unstable(STRETCH_MAX).1.plus_ms(-1)
        } else {
            until
        };
        (until >= first).then_some(until)
    }

    /// The looks of the next round, by place and instant; those of a contact that has an earlier one wait. Notes which
    /// agendas are used up.
    fn round(&mut self, until: Timestamp, over: &mut Vec<u32>) -> Vec<Ask> {
        let mut asks: Vec<Ask> = Vec::new();
        for (_, place) in self.wakes.take_while(|(at, _)| *at <= until) {
            let predicate = self.predicate_mut(place);
            predicate.wake = None;
            asks.extend(predicate.agenda.take_due(until).into_iter().map(|(at, contact)| (place, at, contact)));
            if predicate.agenda.complete_up_to().is_some_and(|end| end <= until) {
                over.push(place);
            } else {
                self.set_wake(place);
            }
        }
        let mut first: HashMap<ContactId, Timestamp> = HashMap::with_capacity(asks.len());
        for (_, at, contact) in &asks {
            first.entry(*contact).and_modify(|first| *first = (*at).min(*first)).or_insert(*at);
        }
        let (mut now, later): (Vec<Ask>, Vec<Ask>) =
            asks.into_iter().partition(|(_, at, contact)| first[contact] == *at);
        for (place, at, contact) in later {
            self.predicate_mut(place).agenda.put_back(at, contact);
            self.set_wake(place);
        }
        now.sort_unstable();
        now.dedup();
        now
    }

    /// Asks predicates of contacts, each at its instant, and keeps what flipped.
    fn ask_each(&mut self, facts: Facts<'_>, asks: &[Ask]) -> Dirty {
        let mut dirty = Dirty::default();
        // No agenda is shortened on the way: looks that were put back lie before the end of the stretch.
        let size = usize::MAX;
        for run in asks.chunk_by(|a, b| a.0 == b.0) {
            let place = run[0].0;
            let Some(predicate) = self.predicates.get(place) else { continue };
            let (mut flips, mut checks) = (Vec::new(), Vec::new());
            let mut standing = predicate.standing();
            let hinge = standing.hinge();
            for (_, at, contact) in run.iter().filter(|(_, _, contact)| facts.index.live().contains(contact.0)) {
                standing.set_now(*at);
                let position = hinge.and_then(|hinge| hinge.position(facts.index, *contact));
                let (holds, next) = standing.ask(facts.index, *contact, position);
                if holds != predicate.truth.contains(contact.0) {
                    flips.push((contact.0, holds));
                }
                checks.extend(next.filter(|next| predicate.agenda.wants(*next, *contact)).map(|next| (next, *contact)));
            }
            drop(standing);
            self.keep_flips(place, &flips, &checks, size, &mut dirty);
        }
        dirty
    }

    /// Answers the segments of flipped predicates for those in whom they flipped, in order of their ranks.
    fn answer_each(&mut self, facts: Facts<'_>, mut dirty: Dirty, f: &mut dyn FnMut(SegmentId, &[Differing])) {
        let mut panel = Panel::of_flips(dirty.take_flips());
        while let Some((segment, _)) = dirty.next() {
            let differing = self.differing(facts, segment, &mut panel);
            if differing.is_empty() {
                continue;
            }
            let mut delta = Delta::default();
            delta.add(&differing);
            self.change_members(segment, &delta);
            let users = self.kept.get(segment.0).map(|kept| Arc::clone(&kept.users)).unwrap_or_default();
            if !users.is_empty() {
                panel.note_members(self, segment, &differing);
                for user in users.iter() {
                    self.spots(*user, &mut dirty);
                }
            }
            f(segment, &differing);
        }
        self.catch_up();
    }

    /// Writes changes by time, in order, to the histories, to `since` and to the feed.
    fn tell_each(&mut self, facts: Facts<'_>, told: Vec<Told>, lsn: Lsn) {
        let mut sizes: BTreeMap<SegmentId, u64> = BTreeMap::new();
        for (_, segment, _, has_entered) in told.iter().rev() {
            let size = sizes.entry(*segment).or_insert_with(|| self.members(*segment).len());
            *size = if *has_entered { *size - 1 } else { *size + 1 };
        }
        for (at, segment, contact, has_entered) in told {
            let Some(saved) = facts.book.get(segment) else { continue };
            let size = sizes.entry(segment).or_default();
            *size = if has_entered { *size + 1 } else { *size - 1 };
            let (version, day) = (saved.version(), facts.schema.zone().day_of(at));
            let kept = self.kept.get_mut(segment.0, Default::default);
            kept.history.note(day, *size, has_entered.into(), (!has_entered).into(), version);
            let what = if has_entered {
                kept.since.enter(contact, at);
                What::Entered(contact)
            } else {
                What::Left(contact)
            };
            kept.since.tidy_if_many(&kept.members);
            if saved.is_listed() {
                self.feed.push(Change { at, lsn, segment, version, what, cause: Cause::Time });
            }
        }
    }

    /// Those of a panel for whom membership of a segment is not as it was: who is pinned stays.
    pub(super) fn differing(&self, facts: Facts<'_>, segment: SegmentId, panel: &mut Panel) -> Vec<Differing> {
        let kept = self.kept.get(segment.0).and_then(|kept| kept.formula.as_ref());
        match (facts.book.get(segment).map(|saved| &saved.body), kept) {
            (Some(Body::Dynamic(dynamic)), Some(formula)) => {
                let mut differing = panel.differing(self, formula);
                let is_pinned = |who: u32| dynamic.include.contains(who) || dynamic.exclude.contains(who);
                differing.retain(|one| !is_pinned(one.contact));
                differing
            }
            _ => vec![],
        }
    }
}
