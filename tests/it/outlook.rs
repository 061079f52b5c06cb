//! Looks ahead and previews of random states, against what happens when time passes and rules are saved: when a
//! membership changes next, by day and by contact; why it is so; which single change would flip it.

use std::{collections::BTreeMap, sync::Arc};

use throng::{
    engine::{admit::admit, command::Stamp, state::State, what_if::Shift},
    model::{
        id::{ContactId, Lsn, SegmentId},
        request::{Request, RuleSource, SegmentUpdate},
        time::{Day, Timestamp},
    },
    query::{bind::bind, context::Context, standing::Standing},
    rule::{self, ast::Rule},
    segment::{
        feed::What,
        outlook::{Lever, NextChange},
        saved::{Body, RuleText},
    },
};

use crate::live;

const SEEDS: u64 = 40;
const DAYS: u32 = 25;

#[test]
fn looks_ahead_come_true() {
    let (mut changes, mut never) = (0, 0);
    for seed in 0..SEEDS {
        let (state, _) = live::grown(seed * 6, 12);
        let zone = state.schema.zone().clone();
        let today = zone.day_of(state.as_of);
        let horizon = zone.start_of(today.plus_days(i64::from(DAYS))).plus_ms(-1);
        let future = written(&state, horizon, vec![]);
        let mut first: BTreeMap<(SegmentId, ContactId), (Timestamp, bool)> = BTreeMap::new();
        let mut by_day: BTreeMap<(SegmentId, Day), (u64, u64)> = BTreeMap::new();
        for (_, change) in future.live.feed().from(state.live.feed().end()) {
            let (contact, enters) = match change.what {
                What::Entered(contact) => (contact, true),
                What::Left(contact) => (contact, false),
                What::Bulk(..) => panic!("so few contacts are told one by one"),
            };
            first.entry((change.segment, contact)).or_insert((change.at, enters));
            let figures = by_day.entry((change.segment, zone.day_of(change.at))).or_default();
            if enters { figures.0 += 1 } else { figures.1 += 1 }
        }
        for segment in state.book.listed() {
            for contact in state.index.live().iter().map(ContactId) {
                let told = || format!("seed {seed}: {contact:?} in {}", segment.name);
                let outlook = state.live.outlook(state.facts(), segment.id, contact, state.as_of);
                let member = state.live.members(segment.id).contains(contact.0);
                assert_eq!((outlook.is_member(), outlook.why().holds), (member, member), "{}", told());
                let wanted = first.get(&(segment.id, contact)).copied();
                match outlook.next_change(state.as_of) {
                    NextChange::At(at, enters) if at <= horizon => {
                        assert_eq!(Some((at, enters)), wanted, "{}", told());
                        changes += 1;
                    }
                    NextChange::After(at) => assert!(wanted.is_none_or(|(when, _)| when > at), "{}", told()),
                    NextChange::Never | NextChange::At(..) => {
                        assert_eq!(None, wanted, "{}", told());
                        never += 1;
                    }
                }
            }
            let ahead = state.forecast(segment.id, state.as_of, DAYS, 3);
            for day in &ahead {
                let wanted = by_day.get(&(segment.id, day.day)).copied().unwrap_or_default();
                assert_eq!((day.entering, day.leaving), wanted, "seed {seed}: {} on {}", segment.name, day.day);
            }
            let size = ahead.last().map(|day| day.size);
            assert_eq!(size, Some(future.live.members(segment.id).len()), "seed {seed}: {}", segment.name);
        }
        state.check().unwrap();
    }
    assert!(changes > 1_000 && never > 1_000, "{changes} changes, {never} of none");
}

#[test]
fn previews_are_what_saving_does() {
    let (mut moved, mut refused, mut supposed) = (0, 0, 0);
    for seed in 0..SEEDS {
        let (state, rule) = live::grown(seed, 6);
        for segment in state.book.listed().filter(|segment| matches!(segment.body, Body::Dynamic(_))) {
            let source = RuleSource::Json(rule::to_json(&rule).to_string().into());
            let update =
                SegmentUpdate { segment: segment.name.clone(), name: None, description: None, rule: Some(source) };
            let saved = written(&state, state.as_of, vec![Request::UpdateSegment(update)]);
            let is_refused = saved.book.get(segment.id) == state.book.get(segment.id)
                && matches!(&segment.body, Body::Dynamic(dynamic) if *dynamic.rule != rule);
            let Ok(shifts) = state.trial(segment.id, &rule, state.as_of, &[]) else {
                assert!(is_refused, "seed {seed}: {}", segment.name);
                refused += 1;
                continue;
            };
            assert!(!is_refused, "seed {seed}: {}", segment.name);
            assert_eq!(shifts[0].segment, segment.id);
            // What is known already of its predicates, as it is in the editor, changes nothing.
            let mut predicates = vec![];
            leaves(&rule, &mut predicates);
            predicates.retain(|predicate| !matches!(predicate, Rule::Segment(_)));
            let holds =
                |predicate: &Rule| Standing::new(predicate, &state.schema, state.as_of).unwrap().evaluate(&state.index);
            let known: Vec<_> = predicates.iter().map(|predicate| (predicate.clone(), holds(predicate))).collect();
            let again = state.trial(segment.id, &rule, state.as_of, &known).unwrap();
            let members = |shifts: &[Shift]| shifts.iter().map(|shift| shift.after.to_ids()).collect::<Vec<_>>();
            assert_eq!(members(&again), members(&shifts), "seed {seed}");
            supposed += known.len();
            for other in state.book.iter() {
                let (before, after) = (state.live.members(other.id), saved.live.members(other.id));
                match shifts.iter().find(|shift| shift.segment == other.id) {
                    Some(shift) => assert!(shift.before == *before && shift.after == *after, "seed {seed}"),
                    None => assert!(before == after, "seed {seed}: {} changed", other.name),
                }
                moved += before.xor(after).len();
            }
        }
        state.check().unwrap();
    }
    assert!(moved > 500 && refused > 2 && supposed > 100, "{moved} moved, {refused} refused, {supposed} supposed");
}

#[test]
fn single_changes_flip_and_nothing_else_does() {
    let mut flips = 0;
    for seed in 0..SEEDS {
        let (state, _) = live::grown(seed, 5);
        for segment in state.book.listed() {
            let mut predicates = vec![];
            for id in state.live.reach([segment.id]) {
                if let Some(Body::Dynamic(dynamic)) = state.book.get(id).map(|saved| &saved.body) {
                    leaves(&dynamic.rule, &mut predicates);
                }
            }
            predicates.dedup();
            for contact in state.index.live().iter().map(ContactId).step_by(5) {
                let levers = state.live.outlook(state.facts(), segment.id, contact, state.as_of).levers();
                let member = state.live.members(segment.id).contains(contact.0);
                for predicate in &predicates {
                    let is_lever =
                        levers.iter().any(|lever| matches!(lever, Lever::Predicate(of, ..) if **of == *predicate));
                    let flipped = with_opposite(&state, segment, predicate, contact) != member;
                    assert_eq!(is_lever, flipped, "seed {seed}: {predicate:?} of {contact:?} in {}", segment.name);
                    flips += u64::from(flipped);
                }
            }
        }
    }
    assert!(flips > 500, "{flips}");
}

fn written(state: &State, at: Timestamp, requests: Vec<Request>) -> State {
    let mut state = state.clone();
    let requests: Vec<Request> = std::iter::once(Request::Tick(at)).chain(requests).collect();
    let stamp = Stamp { lsn: Lsn(state.lsn.0 + 1), at };
    admit(&mut state, stamp, &requests, None);
    state
}

/// The predicates of a rule that are kept as they stand.
fn leaves(rule: &Rule, into: &mut Vec<Rule>) {
    match rule {
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
            rules.iter().for_each(|rule| leaves(rule, into));
        }
        Rule::Not(rule) => leaves(rule, into),
        Rule::All | Rule::None | Rule::Segment(_) | Rule::AllTags(_) => {}
        rule if into.contains(rule) => {}
        rule => into.push(rule.clone()),
    }
}

/// Whether a segment would hold a contact, were a predicate its opposite in every rule.
fn with_opposite(
    state: &State,
    segment: &throng::segment::saved::Segment,
    predicate: &Rule,
    contact: ContactId,
) -> bool {
    let mut book = state.book.clone();
    for id in state.live.reach([segment.id]) {
        if let Some(Body::Dynamic(dynamic)) = state.book.get(id).map(|saved| &saved.body) {
            let rule = opposite(&dynamic.rule, predicate);
            book.set_rule(id, Arc::new(rule.clone()), RuleText::of(&rule), state.as_of, None);
        }
    }
    let context = Context { schema: &state.schema, segments: &book, now: state.as_of, as_of: state.as_of };
    bind(&Rule::Segment(segment.name.clone()), &context).unwrap().contains(&state.index, contact)
}

fn opposite(rule: &Rule, predicate: &Rule) -> Rule {
    let all = |rules: &[Rule]| rules.iter().map(|rule| opposite(rule, predicate)).collect();
    match rule {
        Rule::And(rules) => Rule::And(all(rules)),
        Rule::Or(rules) => Rule::Or(all(rules)),
        Rule::Xor(rules) => Rule::Xor(all(rules)),
        Rule::Of { quantity, n, rules } => Rule::Of { quantity: *quantity, n: *n, rules: all(rules) },
        Rule::Not(rule) => Rule::Not(Box::new(opposite(rule, predicate))),
        Rule::AllTags(tags) => Rule::And(tags.iter().map(|tag| opposite(&Rule::Tag(tag.clone()), predicate)).collect()),
        rule if rule == predicate => Rule::Not(Box::new(rule.clone())),
        rule => rule.clone(),
    }
}
