//! The recency-frequency-money grid: everyone with an event is scored 1 to 5 by how lately, how often and for how much.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::{
    analytics::sweep::sweep,
    bitmap::{posting::Posting, words::Words},
    index::event_index::EventIndex,
    model::time::Timestamp,
};

/// Scores: fifths of those who are scored.
pub const SCORES: usize = 5;

/// One score of one figure: who has it, and from where to where their figures lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// The score, from 1.
    pub score: u8,
    /// The least figure.
    pub least: i128,
    /// The greatest.
    pub most: i128,
    /// How many contacts.
    pub contacts: u64,
}

/// The contacts with the same three scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// By recency, frequency and money.
    pub scores: [u8; 3],
    /// How many contacts.
    pub contacts: u64,
    /// Their events.
    pub events: u64,
    /// Their money.
    pub money: i128,
}

/// The grid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// How many are scored.
    pub scored: u64,
    /// How many have no event.
    pub without: u64,
    /// The scores of recency (the instant of the newest event), frequency (events) and money (their sum).
    pub bands: [Vec<Band>; 3],
    /// By their scores, ascending; none is empty.
    pub cells: Vec<Cell>,
}

/// Scores those of a set who have an event between two instants, both in; the money is that of a property by position.
/// Sums beyond 128 bits stand at the bound.
pub fn grid(log: &EventIndex, money: usize, (from, to): (Timestamp, Timestamp), of: &Posting) -> Grid {
    let parts = sweep(of.chunk_count().min(log.chunk_count()), |chunk| {
        let mut asked = Words::boxed();
        of.chunk(chunk).load_into(&mut asked);
        let mut found: Vec<[i128; 3]> = Vec::new();
        log.for_each_group_of(chunk, &asked, (from.0, to.0), |_, group| {
            let events = group.between(from.0, to.0);
            if events.is_empty() {
                return;
            }
            let newest = i128::from(group.time(events.end - 1).0);
            let often = events.len() as i128;
            let sum = events.filter_map(|event| group.ordered(money, event)).fold(0i128, i128::saturating_add);
            found.push([newest, often, sum]);
        });
        found
    });
    let figures: Vec<[i128; 3]> = parts.into_iter().flatten().collect();
    let starts: [Vec<i128>; 3] = std::array::from_fn(|of| starts(&figures, of));
    let scores = |row: &[i128; 3]| -> [u8; 3] { std::array::from_fn(|of| score(&starts[of], row[of])) };
    let mut cells: BTreeMap<[u8; 3], Cell> = BTreeMap::new();
    let mut bands: [BTreeMap<u8, Band>; 3] = Default::default();
    for row in &figures {
        let scores = scores(row);
        let cell = cells.entry(scores).or_insert(Cell { scores, contacts: 0, events: 0, money: 0 });
        cell.contacts += 1;
        cell.events += row[1] as u64;
        cell.money = cell.money.saturating_add(row[2]);
        for of in 0..3 {
            let new = Band { score: scores[of], least: row[of], most: row[of], contacts: 0 };
            let band = bands[of].entry(scores[of]).or_insert(new);
            (band.least, band.most) = (band.least.min(row[of]), band.most.max(row[of]));
            band.contacts += 1;
        }
    }
    Grid {
        scored: figures.len() as u64,
        without: of.len() - figures.len() as u64,
        bands: bands.map(|bands| bands.into_values().collect()),
        cells: cells.into_values().collect(),
    }
}

/// The least figure of each score from 2 on. A score is 1 + ⌊5 · b / n⌋, where b of the n figures are smaller: equal
/// figures have equal scores, that of the lowest among them.
fn starts(figures: &[[i128; 3]], of: usize) -> Vec<i128> {
    let mut sorted: Vec<i128> = figures.iter().map(|row| row[of]).collect();
    sorted.par_sort_unstable();
    let start = |score: usize| {
        let place = (sorted.len() * score).div_ceil(SCORES);
        let there = *sorted.get(place)?;
        let first = sorted.partition_point(|figure| *figure < there);
        // Those who are equal to someone of the score below are of it too.
        if first == place {
            Some(there)
        } else {
            sorted.get(sorted.partition_point(|figure| *figure <= there)).copied()
        }
    };
    (1..SCORES).map(|score| start(score).unwrap_or(i128::MAX)).collect()
}

fn score(starts: &[i128], figure: i128) -> u8 {
    1 + starts.iter().filter(|start| figure >= **start).count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_fifths_and_equals_share_one() {
        let mut random = 9u64;
        for case in 0..300 {
            let rows: Vec<[i128; 3]> = (0..1 + case % 40)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    [i128::from(random >> 33) % (1 + case as i128 / 9), 0, 0]
                })
                .collect();
            let starts = starts(&rows, 0);
            for row in &rows {
                let below = rows.iter().filter(|other| other[0] < row[0]).count();
                assert_eq!(usize::from(score(&starts, row[0])), 1 + 5 * below / rows.len(), "{rows:?}");
            }
        }
    }
}
