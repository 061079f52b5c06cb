//! Pages of a listing: each cursor names a view that is kept a while, so that all pages show one instant.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;

use crate::{
    db::{answer::Answer, clock::Stopwatch, record::Place},
    http::problem::Problem,
    model::limits,
};

/// How long a listing is kept after its last page.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// Listings kept at once; past it the one idle longest goes.
const LISTINGS_MAX: usize = 4_096;

/// A listing under way.
struct Listing {
    answer: Answer,
    used: Stopwatch,
}

/// The listings under way, by number.
pub struct Listings {
    /// Told apart from those of an earlier process.
    process: u32,
    table: Mutex<(u64, HashMap<u64, Listing>)>,
}

impl Default for Listings {
    fn default() -> Listings {
        let process = uuid::Uuid::new_v4().as_fields().0;
        Listings { process, table: Mutex::new((0, HashMap::new())) }
    }
}

/// A place in a listing under way.
pub struct Cursor {
    number: u64,
    /// Where the next page starts.
    pub place: Place,
    /// What is listed.
    pub answer: Answer,
}

impl Listings {
    /// The cursor that a caller sent back.
    ///
    /// Errors: 400 when it is none of ours, 410 when its view is gone.
    pub fn resume(&self, cursor: &str) -> Result<Cursor, Problem> {
        let parts: Vec<&str> = cursor.split('-').collect();
        let [process, number, place] = parts[..] else {
            return Err(Problem::malformed("\"after\" is not a cursor of this listing"));
        };
        let parsed =
            (u32::from_str_radix(process, 16), u64::from_str_radix(number, 16), u32::from_str_radix(place, 16));
        let (Ok(process), Ok(number), Ok(place)) = parsed else {
            return Err(Problem::malformed("\"after\" is not a cursor of this listing"));
        };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match table.1.get_mut(&number).filter(|_| process == self.process) {
            Some(listing) => {
                listing.used = Stopwatch::start();
                Ok(Cursor { number, place: Place(place), answer: listing.answer.clone() })
            }
            None => {
                let detail = "the listing that this cursor belongs to is gone; start again without \"after\"";
                Err(Problem::new(StatusCode::GONE, "cursor_gone", detail))
            }
        }
    }

    /// The cursor of the next page: of the listing that `from` belongs to, or of a new one.
    pub fn next(&self, from: Option<&Cursor>, answer: &Answer, place: Place) -> String {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match from {
            Some(cursor) => cursor.number,
            None => {
                table.1.retain(|_, listing| listing.used.elapsed() < KEPT);
                if table.1.len() >= LISTINGS_MAX {
                    let idle = table.1.iter().max_by_key(|(_, listing)| listing.used.elapsed()).map(|(n, _)| *n);
                    idle.map(|number| table.1.remove(&number));
                }
                table.0 += 1;
                let number = table.0;
                table.1.insert(number, Listing { answer: answer.clone(), used: Stopwatch::start() });
                number
            }
        };
        format!("{:x}-{number:x}-{:x}", self.process, place.0)
    }
}

/// The `limit` of a listing.
///
/// Errors: 422 outside 1 to [`limits::PAGE_MAX`].
pub fn limit(limit: Option<u64>) -> Result<usize, Problem> {
    match limit {
        None => Ok(limits::PAGE_DEFAULT),
        Some(n) if (1..=limits::PAGE_MAX as u64).contains(&n) => Ok(n as usize),
        Some(n) => Err(Problem::refused("bad_limit", format!("\"limit\" is 1 to {}, not {n}", limits::PAGE_MAX))),
    }
}
