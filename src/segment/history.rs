//! How a segment grew: size, entered and left by day.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::time::Day;

/// Days that are kept, ten years; older ones go.
const DAYS_MAX: usize = 3_653;

/// One day of a segment, in the database's zone. A day on which nothing changed has no figures of its own: it is as
/// the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayFigures {
    /// Which day.
    pub day: Day,
    /// Members at its end.
    pub size: u64,
    /// Entries on it; who enters twice counts twice.
    pub entered: u64,
    /// Exits on it.
    pub left: u64,
    /// The version of the rule at its end.
    pub version: u32,
}

/// The days of a segment, oldest first. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    past: Arc<Vec<DayFigures>>,
    /// The newest day.
    newest: Option<DayFigures>,
}

impl History {
    /// The history of some days, oldest first.
    pub fn new(mut days: Vec<DayFigures>) -> History {
        let newest = days.pop();
        History { past: Arc::new(days), newest }
    }

    /// Notes a change.
    pub fn note(&mut self, day: Day, size: u64, entered: u64, left: u64, version: u32) {
        match &mut self.newest {
            Some(newest) if newest.day >= day => {
                (newest.size, newest.version) = (size, version);
                newest.entered += entered;
                newest.left += left;
            }
            newest => {
                let before = newest.replace(DayFigures { day, size, entered, left, version });
                if let Some(before) = before {
                    let past = Arc::make_mut(&mut self.past);
                    past.push(before);
                    if past.len() > DAYS_MAX {
                        past.drain(..past.len() - DAYS_MAX);
                    }
                }
            }
        }
    }

    /// The days on which something changed, oldest first.
    pub fn days(&self) -> impl Iterator<Item = &DayFigures> {
        self.past.iter().chain(&self.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_add_up() {
        let mut history = History::default();
        history.note(Day(1), 5, 5, 0, 1);
        history.note(Day(1), 4, 0, 1, 1);
        history.note(Day(9), 6, 2, 0, 2);
        let days: Vec<DayFigures> = history.days().copied().collect();
        let day = |day, size, entered, left, version| DayFigures { day: Day(day), size, entered, left, version };
        assert_eq!(days, [day(1, 4, 5, 1, 1), day(9, 6, 2, 0, 2)]);
        assert_eq!(History::new(days), history);
    }
}
