//! The earliest instants at which the clock changes a standing predicate, of all contacts.

use rayon::prelude::*;

use crate::{
    bitmap::CHUNK,
    index::{Index, property::PropertyIndex},
    model::{id::ContactId, time::Timestamp},
    query::{
        look_ahead::Ahead,
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
                Some(PropertyIndex::Ordered(_, column)) => {
                    let chunk = |chunk: usize| {
                        let check = |(row, position): (u16, i128)| {
                            Some((moving.flip(position, clock)?.at, contact(chunk, row)))
                        };
                        earliest(column.iter_chunk(chunk).filter_map(check).collect(), most)
                    };
                    (0..column.chunk_count()).into_par_iter().map(chunk).collect()
                }
                _ => vec![],
            },
            Timed::Events(behavior, motion) => {
                let ahead = Ahead { behavior, motion, clock, index };
                match behavior.sources().first().and_then(|source| index.events().kind(source.kind)) {
                    Some(log) => {
                        let chunk = |chunk: usize| {
                            let check = |row: u16| {
                                let contact = contact(chunk, row);
                                Some((ahead.check(contact)?.at, contact))
                            };
                            earliest(log.presence().chunk(chunk).iter().filter_map(check).collect(), most)
                        };
                        (0..log.presence().chunk_count()).into_par_iter().map(chunk).collect()
                    }
                    None => vec![],
                }
            }
        };
        let left_out = found.iter().any(|(_, left_out)| *left_out);
        let (mut checks, more) = earliest(found.into_iter().flat_map(|(checks, _)| checks).collect(), most);
        checks.sort_unstable_by_key(|(at, contact)| (*at, contact.0));
        let until = if left_out || more { checks.last().map(|(at, _)| *at) } else { None };
        (checks, until)
    }
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
