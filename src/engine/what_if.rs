//! What if: a rule saved on trial, and time let pass on a copy.

use std::sync::Arc;

use crate::{
    bitmap::posting::Posting,
    engine::{admit_segments::judge_graph, apply::pass, state::State},
    model::{
        id::{ContactId, EventKindId, SegmentId},
        time::{Day, Timestamp},
    },
    query::context::BindError,
    rule::{self, ast::Rule},
    segment::{
        feed::{Cause, What},
        live::{Facts, Moment},
        saved::RuleText,
    },
};

/// How a trial changes one segment.
#[derive(Clone, Debug)]
pub struct Shift {
    /// Which segment.
    pub segment: SegmentId,
    /// Its members as they are.
    pub before: Posting,
    /// Its members as they would be.
    pub after: Posting,
}

/// What time alone will do to a segment on one day, in the database's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Which day.
    pub day: Day,
    /// Entries; who enters twice counts twice.
    pub entering: u64,
    /// Exits.
    pub leaving: u64,
    /// Members at its end.
    pub size: u64,
    /// Some of those who enter.
    pub entered: Vec<ContactId>,
    /// Some of those who leave.
    pub left: Vec<ContactId>,
}

impl State {
    /// What saving a rule at `now` would change: the segment itself, then all that depend on it. The rule is checked;
    /// nothing is saved. What is kept is asked as a write would ask it, so that the answer is what saving would do. Of some
    /// predicates it may be `known` already for whom they hold at `now`.
    ///
    /// Errors: when the rule cannot be bound there: a cycle, an unknown segment, too deep.
    pub fn trial(
        &self,
        id: SegmentId,
        rule: &Rule,
        now: Timestamp,
        known: &[(Rule, Posting)],
    ) -> Result<Vec<Shift>, BindError> {
        let mut draft = self.book.clone();
        draft.set_rule(id, Arc::new(rule.clone()), RuleText::of(rule), now, None);
        judge_graph(&self.schema, &draft, id, now)?;
        let mut concerned = vec![id];
        concerned.extend(draft.all_dependents(id));
        let named = rule::segments_named(rule).into_iter().filter_map(|name| draft.find(name)).map(|other| other.id);
        let reach = self.live.reach(concerned.iter().copied().chain(named));
        let mut live = self.live.only(&reach);
        let facts = Facts { schema: &self.schema, index: &self.index, book: &draft };
        known.iter().for_each(|(predicate, truth)| live.suppose(facts, predicate, truth, now));
        live.define(facts, id, Moment { at: now, lsn: self.lsn, cause: Cause::Rule });
        let shift = |segment: SegmentId| Shift {
            segment,
            before: self.live.members(segment).clone(),
            after: live.members(segment).clone(),
        };
        Ok(concerned.into_iter().map(shift).collect())
    }

    /// What time alone will do to a segment from `now` on, by day, the rest of today first: exact, if nothing is
    /// written. Time is let pass on a copy of the segment and what it depends on. `samples` of those who enter and
    /// leave are named for each day.
    pub fn forecast(&self, segment: SegmentId, now: Timestamp, days: u32, samples: usize) -> Vec<Ahead> {
        let mut state = self.clone();
        state.live = self.live.only(&self.live.reach([segment]));
        let matters: Vec<EventKindId> =
            state.schema.events().map(|kind| kind.id).filter(|kind| state.reads(*kind)).collect();
        state.index.keep_due(|due| matters.contains(&due.kind));
        let zone = state.schema.zone().clone();
        let today = zone.day_of(now);
        let mut ahead = Vec::new();
        for number in 0..days {
            let day = today.plus_days(i64::from(number));
            let next = day.plus_days(1);
            // No day follows the last of the calendar, and all that is to come comes on it.
            let end = if next > day { zone.start_of(next) } else { Timestamp(i64::MAX) };
            let first = state.live.feed().end();
            pass(&mut state, end.plus_ms(-1));
            let figures = state.live.history(segment).days().find(|figures| figures.day == day).copied();
            let size = state.live.members(segment).len();
            let (entered, left) = state.who(segment, first, samples);
            let (entering, leaving) = figures.map_or((0, 0), |figures| (figures.entered, figures.left));
            ahead.push(Ahead { day, entering, leaving, size, entered, left });
            if next == day {
                break;
            }
        }
        ahead
    }

    /// Whether a membership may follow events of a kind.
    fn reads(&self, kind: EventKindId) -> bool {
        let derived = || self.index.derived_from(kind).any(|property| self.live.reads_property(property));
        self.live.reads_kind(kind) || derived()
    }

    /// Some of those who entered and left a segment since an entry of the feed.
    fn who(&self, segment: SegmentId, first: u64, samples: usize) -> (Vec<ContactId>, Vec<ContactId>) {
        let (mut entered, mut left) = (Vec::new(), Vec::new());
        for (seq, change) in self.live.feed().from(first).filter(|(_, change)| change.segment == segment) {
            match change.what {
                What::Entered(contact) if entered.len() < samples => entered.push(contact),
                What::Left(contact) if left.len() < samples => left.push(contact),
                What::Entered(_) | What::Left(_) => {}
                What::Bulk(..) => {
                    let Some(lists) = self.live.feed().lists(seq) else { continue };
                    entered.extend(lists.entered.iter().take(samples).map(ContactId));
                    left.extend(lists.left.iter().take(samples).map(ContactId));
                }
            }
            if entered.len() >= samples && left.len() >= samples {
                break;
            }
        }
        entered.truncate(samples);
        left.truncate(samples);
        (entered, left)
    }
}
