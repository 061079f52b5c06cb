//! The recency-frequency-money grid: everyone with an event is scored 1 to 5 by how lately, how often and for how much.

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

/// What the contacts of a chunk did: a figure each, in one order. Units: 28 bytes a contact with an event.
#[derive(Default)]
struct Figures {
    newest: Vec<i64>,
    often: Vec<u32>,
    sums: Vec<i128>,
}

/// Counts by score and by scores, of some contacts.
struct Tally {
    /// By recency, frequency and money, each from 1.
    cells: Vec<Option<Cell>>,
    bands: [[Option<Band>; SCORES]; 3],
}

/// Scores those of a set who have an event between two instants, both in; the money is that of a property by position.
/// Sums beyond 128 bits stand at the bound.
pub fn grid(log: &EventIndex, money: usize, (from, to): (Timestamp, Timestamp), of: &Posting) -> Grid {
    let parts: Vec<Figures> = sweep(of.chunk_count().min(log.chunk_count()), |chunk| {
        let mut asked = Words::boxed();
        of.chunk(chunk).load_into(&mut asked);
        let mut found = Figures::default();
        let window = (from.0, to.0);
        log.for_each_passing(chunk, &asked, window, None, |_, group| {
            let events = || group.passing(window, |_| true);
            let Some(newest) = events().next_back() else { return };
            found.newest.push(group.time(newest).0);
            found.often.push(events().count() as u32);
            found.sums.push(events().filter_map(|event| group.ordered(money, event)).fold(0i128, i128::saturating_add));
        });
        found
    });
    // One figure after the other: each is sorted in a copy of its own.
    let starts = [
        starts(parts.iter().map(|part| &part.newest[..]).collect::<Vec<_>>().concat())
            .map(|start| start.map(i128::from)),
        starts(parts.iter().map(|part| &part.often[..]).collect::<Vec<_>>().concat())
            .map(|start| start.map(i128::from)),
        starts(parts.iter().map(|part| &part.sums[..]).collect::<Vec<_>>().concat()),
    ];
    let starts = starts.map(|starts| starts.map(|start| start.unwrap_or(i128::MAX)));
    let tallies = sweep(parts.len(), |part| Tally::of(&parts[part], &starts));
    let all = tallies.into_iter().fold(Tally::new(), Tally::and);
    let scored = parts.iter().map(|part| part.newest.len() as u64).sum();
    Grid {
        scored,
        without: of.len() - scored,
        bands: all.bands.map(|bands| bands.into_iter().flatten().collect()),
        cells: all.cells.into_iter().flatten().collect(),
    }
}

impl Tally {
    fn new() -> Tally {
        Tally { cells: vec![None; SCORES * SCORES * SCORES], bands: Default::default() }
    }

    fn of(part: &Figures, starts: &[[i128; SCORES - 1]; 3]) -> Tally {
        let mut tally = Tally::new();
        for ((newest, often), sum) in part.newest.iter().zip(&part.often).zip(&part.sums) {
            let row = [i128::from(*newest), i128::from(*often), *sum];
            let scores: [u8; 3] = std::array::from_fn(|of| score(&starts[of], row[of]));
            tally.cell(Cell { scores, contacts: 1, events: u64::from(*often), money: *sum });
            for of in 0..3 {
                tally.band(of, Band { score: scores[of], least: row[of], most: row[of], contacts: 1 });
            }
        }
        tally
    }

    fn cell(&mut self, new: Cell) {
        let place = new.scores.iter().fold(0, |place, score| place * SCORES + usize::from(*score) - 1);
        match &mut self.cells[place] {
            Some(cell) => {
                cell.contacts += new.contacts;
                cell.events += new.events;
                cell.money = cell.money.saturating_add(new.money);
            }
            empty => *empty = Some(new),
        }
    }

    fn band(&mut self, of: usize, new: Band) {
        match &mut self.bands[of][usize::from(new.score) - 1] {
            Some(band) => {
                (band.least, band.most) = (band.least.min(new.least), band.most.max(new.most));
                band.contacts += new.contacts;
            }
            empty => *empty = Some(new),
        }
    }

    fn and(mut self, other: Tally) -> Tally {
        other.cells.into_iter().flatten().for_each(|cell| self.cell(cell));
        for (of, bands) in other.bands.into_iter().enumerate() {
            bands.into_iter().flatten().for_each(|band| self.band(of, band));
        }
        self
    }
}

/// The least figure of each score from 2 on; none where nobody has it. A score is 1 + ⌊5 · b / n⌋, where b of the n
/// figures are smaller: equal figures have equal scores, that of the lowest among them.
fn starts<T: Ord + Copy + Send>(mut figures: Vec<T>) -> [Option<T>; SCORES - 1] {
    figures.par_sort_unstable();
    std::array::from_fn(|before| {
        let place = (figures.len() * (before + 1)).div_ceil(SCORES);
        let there = *figures.get(place)?;
        let first = figures.partition_point(|figure| *figure < there);
        // Those who are equal to someone of the score below are of it too.
        if first == place {
            Some(there)
        } else {
            figures.get(figures.partition_point(|figure| *figure <= there)).copied()
        }
    })
}

fn score(starts: &[i128; SCORES - 1], figure: i128) -> u8 {
    1 + starts.iter().filter(|start| figure >= **start).count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_fifths_and_equals_share_one() {
        let mut random = 9u64;
        for case in 0..300 {
            let figures: Vec<i64> = (0..1 + case % 40)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (random >> 33) as i64 % (1 + case as i64 / 9)
                })
                .collect();
            let starts = starts(figures.clone()).map(|start| start.map_or(i128::MAX, i128::from));
            for figure in &figures {
                let below = figures.iter().filter(|other| *other < figure).count();
                let wanted = 1 + SCORES * below / figures.len();
                assert_eq!(usize::from(score(&starts, i128::from(*figure))), wanted, "{figures:?}");
            }
        }
    }
}
