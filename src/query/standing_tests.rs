//! Standing predicates against fresh binds, step by step through time.

use rand::RngExt;

use super::*;
use crate::{
    query::{
        bind::bind,
        standing_fixture::{DAY, LENGTHS, Moved},
    },
    rule,
};

fn fresh(world: &Moved, rule: &Rule, now: i64) -> Plan {
    let now = Timestamp(now);
    bind(rule, &Context { schema: &world.schema, segments: &NoSegments, now, as_of: now }).unwrap()
}

/// Instants at which something may happen: a length of the rules away from a fact, midnights; all a little off too.
fn interesting(world: &Moved) -> Vec<i64> {
    let zone = world.schema.zone();
    let mut found = Vec::new();
    for at in &world.instants {
        for length in LENGTHS {
            for at in [zone.before(Timestamp(*at), length), zone.after(Timestamp(*at), length)] {
                found.push(at.0);
            }
        }
    }
    let mut day = zone.day_of(world.start).plus_days(-1);
    for _ in 0..100 {
        found.push(zone.start_of(day).0);
        day = day.plus_days(1);
    }
    let near = |at: i64| [-3_600_000, -1, 0, 1, 3_600_000].map(|by| at + by);
    let mut found: Vec<i64> = found.into_iter().flat_map(near).filter(|at| *at > world.start.0).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The times of a contact's events that are to come.
fn dues(world: &Moved, contact: ContactId) -> Vec<i64> {
    let kinds = world.schema.event_slots().iter().flatten();
    let mut dues: Vec<i64> = kinds
        .filter_map(|kind| world.index.events().kind(kind.id))
        .flat_map(|log| {
            let group = log.group(contact);
            (0..group.len()).map(|event| group.time(event).0).collect::<Vec<i64>>()
        })
        .filter(|at| *at > world.start.0)
        .collect();
    dues.sort_unstable();
    dues
}

/// Walks one predicate and contact; returns the number of checks and of changes.
fn walk(world: &mut Moved, rule: &Rule, contact: ContactId, interesting: &[i64], steps: usize) -> (usize, usize) {
    let dues = dues(world, contact);
    let mut standing = Standing::new(rule, &world.schema, world.start).unwrap();
    let (mut checks, mut changes) = (0, 0);
    let mut now = world.start.0;
    for _ in 0..steps {
        let truth = fresh(world, rule, now).contains(&world.index, contact);
        assert_eq!(standing.holds(&world.index, contact), truth, "{} at {}", rule::print(rule), Timestamp(now));
        let check = standing.next_check(&world.index, contact);
        assert!(check.is_none() || standing.is_timed());
        let due = dues.iter().copied().find(|due| *due > now);
        let next = check.map(|check| check.0).into_iter().chain(due).min();
        let end = next.unwrap_or(now + 900 * DAY);
        assert!(end > now, "progress: {}", rule::print(rule));
        let (from, to) = (interesting.partition_point(|at| *at <= now), interesting.partition_point(|at| *at < end));
        let mut asked: Vec<i64> = vec![now + 1, end - 1];
        for _ in 0..12 {
            asked.push(world.rng.random_range(now..end));
            if from < to {
                asked.push(interesting[world.rng.random_range(from..to)]);
            }
        }
        asked.extend(interesting[from..to].iter().rev().take(6));
        for at in asked.into_iter().filter(|at| now < *at && *at < end) {
            let then = fresh(world, rule, at).contains(&world.index, contact);
            let zone = world.schema.zone().name().to_owned();
            assert_eq!(
                then,
                truth,
                "{} ({zone}) for {contact:?} at {}, asked at {}, to be checked at {:?}",
                rule::print(rule),
                Timestamp(at),
                Timestamp(now),
                check.map(|check| check.to_string())
            );
        }
        let Some(next) = next else { break };
        if Some(next) == check.map(|check| check.0) {
            checks += 1;
            changes += usize::from(fresh(world, rule, next).contains(&world.index, contact) != truth);
        }
        now = next;
        standing.set_now(Timestamp(now));
    }
    (checks, changes)
}

#[test]
fn no_check_is_late() {
    let mut sums = (0, 0);
    for seed in 0..40 {
        let mut world = Moved::new(seed, seed as usize, 5);
        let interesting = interesting(&world);
        for _ in 0..40 {
            let rule = world.predicate();
            for contact in 0..5 {
                let (checks, changes) = walk(&mut world, &rule, ContactId(contact), &interesting, 12);
                sums = (sums.0 + checks, sums.1 + changes);
            }
        }
    }
    let (checks, changes) = sums;
    assert!(changes > 1_000 && changes * 2 > checks, "{changes} changes in {checks} checks");
}

#[test]
fn moved_anywhere_it_is_as_if_bound_anew() {
    for seed in 100..132 {
        let mut world = Moved::new(seed, seed as usize, 6);
        let interesting = interesting(&world);
        for _ in 0..50 {
            let rule = world.predicate();
            let mut standing = Standing::new(&rule, &world.schema, world.start).unwrap();
            let mut now = world.start.0;
            for _ in 0..10 {
                now = match world.rng.random_range(0..4) {
                    0 => interesting[world.rng.random_range(0..interesting.len())],
                    1 => now + world.rng.random_range(0..DAY),
                    2 => now - world.rng.random_range(0..90 * DAY),
                    _ => now + 1,
                };
                standing.set_now(Timestamp(now));
                let plan = fresh(&world, &rule, now);
                let members = plan.evaluate(&world.index);
                assert_eq!(standing.evaluate(&world.index), members, "{} at {now}", rule::print(&rule));
                for contact in world.index.live().iter().map(ContactId) {
                    let holds = standing.holds(&world.index, contact);
                    assert_eq!(holds, members.contains(contact.0), "{} at {now}", rule::print(&rule));
                    assert_eq!(plan.contains(&world.index, contact), holds);
                }
            }
        }
    }
}

/// A world with contacts in three chunks, most of whom have no facts.
fn wide(seed: u64) -> Moved {
    let mut world = Moved::new(seed, seed as usize, 60);
    for n in 0..132_000 {
        world.index.insert(&format!("blank{n}"));
    }
    for n in 0..60 {
        world.add(1_000_000 + n);
    }
    for erased in [3, 7, 70_000] {
        world.index.erase(ContactId(erased));
    }
    world
}

#[test]
fn chunks_hold_what_they_hold_in_all() {
    for seed in 200..203 {
        let mut world = wide(seed);
        for _ in 0..60 {
            let rule = world.predicate();
            let mut standing = Standing::new(&rule, &world.schema, world.start).unwrap();
            standing.set_now(Timestamp(world.start.0 + 5 * DAY + 1));
            let all = standing.evaluate(&world.index);
            assert_eq!(all, fresh(&world, &rule, standing.now().0).evaluate(&world.index));
            for chunks in [&[0usize, 1, 2][..], &[2], &[0, 2], &[], &[1, 5]] {
                let found = standing.evaluate_chunks(&world.index, chunks);
                let members = |chunk: &Chunk| chunk.iter().collect::<Vec<u16>>();
                assert_eq!(found.len(), chunks.len());
                for (chunk, found) in chunks.iter().zip(&found) {
                    assert_eq!(members(found), members(all.chunk(*chunk)), "{}", rule::print(&rule));
                }
            }
        }
    }
}

#[test]
fn what_is_upcoming_is_every_check() {
    for seed in 300..303 {
        let mut world = wide(seed);
        for _ in 0..60 {
            let rule = world.predicate();
            let mut standing = Standing::new(&rule, &world.schema, world.start).unwrap();
            standing.set_now(Timestamp(world.start.0 + world.rng.random_range(0..40) * DAY / 7));
            let checks = world.index.live().iter().filter_map(|id| {
                let check = standing.next_check(&world.index, ContactId(id))?;
                Some((check, ContactId(id)))
            });
            let mut checks: Vec<(Timestamp, ContactId)> = checks.collect();
            for id in world.index.live().iter() {
                let both =
                    (standing.holds(&world.index, ContactId(id)), standing.next_check(&world.index, ContactId(id)));
                let position = standing.hinge().and_then(|hinge| hinge.position(&world.index, ContactId(id)));
                assert_eq!(standing.ask(&world.index, ContactId(id), position), both, "{}", rule::print(&rule));
            }
            checks.sort_unstable_by_key(|(at, contact)| (*at, contact.0));
            for most in [1, 7, 40, checks.len().max(1), 1_000] {
                let (found, until) = standing.upcoming(&world.index, most);
                let told = format!("{most} of {} at {}: {}", checks.len(), standing.now(), rule::print(&rule));
                let Some(until) = until else {
                    assert_eq!(found, checks, "{told}");
                    continue;
                };
                assert_eq!(found, &checks[..checks.partition_point(|(at, _)| *at <= until)], "{told}");
                assert!(until > standing.now() && !found.is_empty(), "{told}");
                // No more than twice as many as wanted, or all of one instant.
                let before_last = found.iter().filter(|(at, _)| *at < found[found.len() - 1].0).count();
                assert!(before_last < 2 * most, "{told}: {}", found.len());
            }
        }
    }
}

#[test]
fn what_it_reads_is_named() {
    let world = Moved::new(1, 0, 0);
    let standing = |text: &str| {
        let rule = rule::parse(text, &world.schema).unwrap();
        Standing::new(&rule, &world.schema, world.start).unwrap()
    };
    let property = |name: &str| world.schema.property(name).unwrap().id;
    let kind = |name: &str| world.schema.event(name).unwrap().id;
    let reads = |text: &str| standing(text).reads().clone();
    assert_eq!(reads("seen > 0 days ahead").properties, [property("seen")]);
    assert_eq!(reads("seen < 0 days ago").properties, [property("seen")], "though no one is in it");
    assert_eq!(reads("has all tags of (\"a\", \"b\")").properties, [property("tags")]);
    assert_eq!(reads("did visit then call").kinds, [kind("visit"), kind("call")]);
    assert_eq!(reads("sample 10%"), Reads::default());
    let timed = |text: &str| standing(text).is_timed();
    assert!(timed("seen < 1 day ago") && timed("did visit in last 3 days") && timed("born anniversary is today"));
    assert!(timed("did visit where due in next 3 days"));
    assert!(!timed("seen > 2026-01-01") && !timed("did visit") && !timed("did visit since 2026-01-01"));
}
