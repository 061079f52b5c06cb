//! The earliest instants at which the clock changes a standing predicate, of all contacts.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::{
    bitmap::CHUNK,
    index::{Index, column::Column, property::PropertyIndex},
    model::{id::ContactId, time::Timestamp},
    query::{
        bounds::Clock,
        flip::Flip,
        look_ahead::Ahead,
        moving::Moving,
        standing::{Standing, Timed},
    },
};

/// A check that is to come, and whose.
type Check = (Timestamp, ContactId);

impl Standing {
    /// The `most` earliest checks of all live contacts, ascending, with all that are due at the last instant kept; and
    /// the instant up to which, itself included, the list is complete (`None`: for ever).
    pub fn upcoming(&self, index: &Index, most: usize) -> (Vec<Check>, Option<Timestamp>) {
        let most = most.max(1);
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
        checks.sort_unstable_by_key(|(at, contact)| (*at, contact.0));
        let until = if left_out || more { checks.last().map(|(at, _)| *at) } else { None };
        (checks, until)
    }
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
