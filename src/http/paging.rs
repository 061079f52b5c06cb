//! Pages of a listing: each cursor names a view that is kept a while, so that all pages show one instant.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;

use crate::{
    db::{clock::Stopwatch, record::Place, view::View},
    http::problem::Problem,
    model::limits,
};

/// How long a view is kept after its last page.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// Views kept at once; past it the one idle longest goes.
const VIEWS_MAX: usize = 4_096;

/// A view that pages are read from. What is listed is asked of it anew for each page, so that it holds no answers.
struct Kept {
    view: View,
    used: Stopwatch,
}

/// The views of the listings under way, by LSN and instant.
pub struct Listings {
    /// Told apart from those of an earlier process.
    process: u32,
    table: Mutex<HashMap<(u64, i64), Kept>>,
}

impl Default for Listings {
    fn default() -> Listings {
        let process = uuid::Uuid::new_v4().as_fields().0;
        Listings { process, table: Mutex::new(HashMap::new()) }
    }
}

/// A place in a listing under way.
pub struct Cursor {
    /// Where the page before ended.
    pub place: Place,
    /// What the listing is read from.
    pub view: View,
}

impl Listings {
    /// The cursor that a caller sent back.
    ///
    /// Errors: 400 when it is none of ours, 410 when its view is gone.
    pub fn resume(&self, cursor: &str) -> Result<Cursor, Problem> {
        let Some((process, lsn, now, place)) = parts(cursor) else {
            return Err(Problem::malformed("\"after\" is not a cursor of a listing"));
        };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match table.get_mut(&(lsn, now)).filter(|_| process == self.process) {
            Some(kept) => {
                kept.used = Stopwatch::start();
                Ok(Cursor { place: Place(place), view: kept.view.clone() })
            }
            None => {
                let detail = "the listing that this cursor belongs to is gone; start again without \"after\"";
                Err(Problem::new(StatusCode::GONE, "cursor_gone", detail))
            }
        }
    }

    /// The cursor of the page after a place; its view is kept.
    pub fn next(&self, view: &View, place: Place) -> String {
        let (lsn, now) = (view.lsn().0, view.now().0);
        let fresh = || Kept { view: view.clone(), used: Stopwatch::start() };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if !table.contains_key(&(lsn, now)) {
            table.retain(|_, kept| kept.used.elapsed() < KEPT);
            if table.len() >= VIEWS_MAX {
                let idle = table.iter().max_by_key(|(_, kept)| kept.used.elapsed()).map(|(key, _)| *key);
                if let Some(idle) = idle {
                    table.remove(&idle);
                }
            }
        }
        table.entry((lsn, now)).or_insert_with(fresh).used = Stopwatch::start();
        format!("{:x}-{lsn:x}-{:x}-{:x}", self.process, now as u64, place.0)
    }
}

fn parts(cursor: &str) -> Option<(u32, u64, i64, u32)> {
    let parts: Vec<&str> = cursor.split('-').collect();
    let [process, lsn, now, place] = parts[..] else {
        return None;
    };
    let process = u32::from_str_radix(process, 16).ok()?;
    let lsn = u64::from_str_radix(lsn, 16).ok()?;
    let now = u64::from_str_radix(now, 16).ok()? as i64;
    Some((process, lsn, now, u32::from_str_radix(place, 16).ok()?))
}

/// One page of a list that is at hand, and the place of its last entry if more follow.
pub fn slice<T>(items: Vec<T>, cursor: Option<&Cursor>, limit: usize) -> (Vec<T>, Option<Place>) {
    let from = cursor.map_or(0, |cursor| cursor.place.0 as usize + 1);
    let more = items.len() > from + limit;
    let page = items.into_iter().skip(from).take(limit).collect();
    (page, more.then(|| Place((from + limit - 1) as u32)))
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
