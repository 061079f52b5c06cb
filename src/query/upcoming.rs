//! The earliest instants at which the clock changes a standing predicate, of all contacts.
//!
//! Of few contacts each is asked. Of many a sample tells about how far the horizon is within which as many checks lie as
//! are wanted; what comes across an end of the test by then is found by scans of columns and of the times of events, and
//! only those contacts are asked.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::{
    bitmap::{CHUNK, words::Words},
    index::{Index, column::Column, property::PropertyIndex},
    model::{id::ContactId, time::Timestamp},
    query::{
        bounds::Clock,
        crossing,
        flip::Flip,
        look_ahead::Ahead,
        moving::Moving,
        standing::{Standing, Timed},
    },
};

/// A check that is to come, and whose.
type Check = (Timestamp, ContactId);

/// Positions looked at to tell how far the horizon is.
const SAMPLE: usize = 16_384;
/// A sample is taken where at most one of so many contacts is wanted; else each is asked.
const SHARE: u64 = 16;

impl Standing {
    /// The earliest checks of all live contacts, ascending, and the instant up to which, itself included, the list is
    /// complete (`None`: for ever). There are about `most` of them, or all that are due at one instant, or fewer when
    /// there are no more.
    pub fn upcoming(&self, index: &Index, most: usize) -> (Vec<Check>, Option<Timestamp>) {
        let most = most.max(1);
        if let Some((checks, horizon)) = self.near(index, most)
            && (!checks.is_empty() || horizon.is_none())
        {
            return in_order(checks, most, horizon);
        }
        let clock = self.clock();
        let found: Vec<(Vec<Check>, bool)> = match self.timed() {
            Timed::Never => vec![],
            Timed::Value(property, moving) => match index.property(property) {
                Some(PropertyIndex::Ordered(_, column)) => of_values(column, moving, clock, most),
                _ => vec![],
            },
            Timed::Events(behavior, motion) => of_events(&Ahead { behavior, motion, clock, index }, most),
        };
        let left_out = found.iter().any(|(_, left_out)| *left_out);
        let (mut checks, more) = earliest(found.into_iter().flat_map(|(checks, _)| checks).collect(), most);
        sort(&mut checks);
        let until = if left_out || more { checks.last().map(|(at, _)| *at) } else { None };
        (checks, until)
    }

    /// The checks up to a horizon within which about as many lie as are wanted; `None` where each contact is asked.
    fn near(&self, index: &Index, most: usize) -> Option<(Vec<Check>, Option<Timestamp>)> {
        let clock = self.clock();
        let is_much = |all: u64| all / SHARE > most as u64;
        match self.timed() {
            Timed::Never => None,
            Timed::Value(property, moving) => {
                let Some(PropertyIndex::Ordered(_, column)) = index.property(property) else { return None };
                let all = column.len();
                let horizon = if is_much(all) {
                    let sample = column.sample(SAMPLE);
                    horizon(sample.iter().map(|at| moving.flip(*at, clock)), sample.len(), all, most)
                } else {
                    return None;
                };
                let crossed = crossing::of_values(moving, clock, horizon)?;
                let find = |known: &mut HashMap<i128, Option<Flip>>, chunk: usize| {
                    let mut words = Words::boxed();
                    crossed.in_column(column, chunk, &mut words);
                    let id = |row: u16| contact(chunk, row);
                    let mut flip = |position: i128| match moving.alike(position, clock) {
                        Some(alike) => *known.entry(alike).or_insert_with(|| moving.flip(position, clock)),
                        None => moving.flip(position, clock),
                    };
                    let check = |row| Some((flip(column.get(id(row).0)?)?.at, id(row)));
                    words.iter().filter_map(check).filter(|(at, _)| *at <= horizon).collect::<Vec<Check>>()
                };
                let found = (0..column.chunk_count()).into_par_iter().map_init(HashMap::new, find);
                Some((found.flatten_iter().collect(), is_end(horizon)))
            }
            Timed::Events(behavior, motion) => {
                let ahead = Ahead { behavior, motion, clock, index };
                let log = index.events().kind(behavior.sources().first()?.kind)?;
                if !is_much(log.presence().len()) {
                    return None;
                }
                let sample = log.sample(SAMPLE);
                let flips = sample.iter().map(|at| motion.window.flip(i128::from(*at), clock));
                let horizon = horizon(flips, sample.len(), log.len(), most);
                let crossed = crossing::of_events(&ahead, horizon)?;
                let find = |chunk: usize| {
                    let mut words = Words::boxed();
                    crossed.in_log(&ahead, chunk, &mut words);
                    let check = |row| Some((ahead.check(contact(chunk, row))?.at, contact(chunk, row)));
                    words.iter().filter_map(check).filter(|(at, _)| *at <= horizon).collect::<Vec<Check>>()
                };
                let found = (0..log.last().chunk_count()).into_par_iter().map(find);
                Some((found.flatten_iter().collect(), is_end(horizon)))
            }
        }
    }
}

/// The instant up to which about `most` of so many flips come, as a sample of them tells.
fn horizon(flips: impl Iterator<Item = Option<Flip>>, sampled: usize, all: u64, most: usize) -> Timestamp {
    let mut flips: Vec<i64> = flips.flatten().map(|flip| flip.at.0).collect();
    let rank = (most as u128 * sampled as u128 / u128::from(all.max(1))) as usize;
    if rank >= flips.len() {
        return Timestamp::MAX;
    }
    Timestamp(*flips.select_nth_unstable(rank).1)
}

/// A horizon, unless nothing comes after it.
fn is_end(horizon: Timestamp) -> Option<Timestamp> {
    (horizon < Timestamp::MAX).then_some(horizon)
}

/// The checks that are complete up to a horizon in order. When they are far more than wanted, only the earliest.
fn in_order(checks: Vec<Check>, most: usize, horizon: Option<Timestamp>) -> (Vec<Check>, Option<Timestamp>) {
    let (mut checks, left_out) = if checks.len() > 2 * most { earliest(checks, most) } else { (checks, false) };
    sort(&mut checks);
    let until = if left_out { checks.last().map(|(at, _)| *at) } else { horizon };
    (checks, until)
}

fn sort(checks: &mut [Check]) {
    checks.sort_unstable_by_key(|(at, contact)| (*at, contact.0));
}

/// The earliest checks of each chunk of a column, and whether any were left out.
fn of_values(column: &Column, moving: &Moving, clock: &Clock, most: usize) -> Vec<(Vec<Check>, bool)> {
    let in_chunk = |known: &mut HashMap<i128, Option<Flip>>, chunk: usize| {
        let mut flip = |position: i128| match moving.alike(position, clock) {
            Some(alike) => *known.entry(alike).or_insert_with(|| moving.flip(position, clock)),
            None => moving.flip(position, clock),
        };
        let check = |(row, position): (u16, i128)| Some((flip(position)?.at, contact(chunk, row)));
        earliest(column.iter_chunk(chunk).filter_map(check).collect(), most)
    };
    (0..column.chunk_count()).into_par_iter().map_init(HashMap::new, in_chunk).collect()
}

/// The same of those who have events.
fn of_events(ahead: &Ahead<'_>, most: usize) -> Vec<(Vec<Check>, bool)> {
    let first = ahead.behavior.sources().first();
    let Some(log) = first.and_then(|source| ahead.index.events().kind(source.kind)) else {
        return vec![];
    };
    let in_chunk = |chunk: usize| {
        let check = |(row, last): (u16, i128)| {
            let contact = contact(chunk, row);
            Some((ahead.check_of(contact, last)?.at, contact))
        };
        earliest(log.last().iter_chunk(chunk).filter_map(check).collect(), most)
    };
    (0..log.last().chunk_count()).into_par_iter().map(in_chunk).collect()
}

fn contact(chunk: usize, row: u16) -> ContactId {
    ContactId((chunk * CHUNK) as u32 + u32::from(row))
}

/// Keeps the `most` earliest, and all that are due with the last of them; says whether any were left out.
fn earliest(mut checks: Vec<Check>, most: usize) -> (Vec<Check>, bool) {
    if checks.len() <= most {
        return (checks, false);
    }
    let last = checks.select_nth_unstable_by_key(most - 1, |(at, _)| *at).1.0;
    let before = checks.len();
    checks.retain(|(at, _)| *at <= last);
    let left_out = checks.len() < before;
    (checks, left_out)
}
