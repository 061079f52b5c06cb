//! Room on the medium: the ladder of what may still be done with it, and the ballast that is given back in need.
//!
//! The steps are absolute: they are counted in units of one snapshot and one log file, as those are what must fit.

use std::time::Duration;

use crate::model::planted::{Bug, planted};
use crate::storage::error::StorageError;
use crate::storage::manifest::{remove_if_there, rename};
use crate::storage::names::{BALLAST, TEMP};
use crate::storage::store::{Store, locked};

/// A ballast smaller than this would not help anyone. Units: bytes.
const LEAST_BALLAST: u64 = 4_096;
/// The ballast is at most this part of what is free when it is made.
const BALLAST_SHARE: u64 = 16;

/// How little room there is; each step refuses what the ones before it do, and more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpaceStep {
    /// Enough.
    #[default]
    Ample,
    /// Less than three units: somebody should look.
    Low,
    /// Less than two units: no bulk imports.
    NoImports,
    /// Less than one unit: only what erases, deletes or suppresses is written.
    DeletesOnly,
}

impl SpaceStep {
    /// All steps, from the best to the worst.
    pub const ALL: [SpaceStep; 4] = [SpaceStep::Ample, SpaceStep::Low, SpaceStep::NoImports, SpaceStep::DeletesOnly];

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            SpaceStep::Ample => "ample",
            SpaceStep::Low => "low",
            SpaceStep::NoImports => "no_imports",
            SpaceStep::DeletesOnly => "deletes_only",
        }
    }

    /// The step is taken when fewer than so many units are free.
    fn units(self) -> u64 {
        match self {
            SpaceStep::Ample => u64::MAX,
            SpaceStep::Low => 3,
            SpaceStep::NoImports => 2,
            SpaceStep::DeletesOnly => 1,
        }
    }

    fn of(free: u64, unit: u64) -> SpaceStep {
        let taken = |step: &SpaceStep| *step != SpaceStep::Ample && free < unit.saturating_mul(step.units());
        SpaceStep::ALL.into_iter().rev().find(taken).unwrap_or_default()
    }
}

/// How much room there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// The step of the ladder.
    pub step: SpaceStep,
    /// Bytes that may still be written; `None` if the medium cannot tell.
    pub free: Option<u64>,
    /// What the next snapshot may need: 1.2 times the live one, or before the first one the length of the log.
    pub snapshot_room: u64,
    /// What the next log file needs.
    pub log_room: u64,
    /// Bytes kept to be given back in need; 0 when there are none.
    pub ballast: u64,
}

impl Space {
    /// One snapshot and one log file: what the steps are counted in.
    pub fn unit(&self) -> u64 {
        self.snapshot_room.saturating_add(self.log_room)
    }

    /// The steps, from the first one down, by their words, each with how much must be free for it not to be taken.
    pub fn table(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let space = *self;
        SpaceStep::ALL.into_iter().skip(1).map(move |step| (step.word(), space.below(step)))
    }

    /// A step is taken when less than this is free. Units: bytes.
    pub fn below(&self, step: SpaceStep) -> u64 {
        self.unit().saturating_mul(step.units())
    }
}

/// Where on the ladder the folder is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ladder {
    step: SpaceStep,
    free: Option<u64>,
    ballast: u64,
    /// The size of the live snapshot. Kept here, since whoever publishes a manifest holds that for some syncs.
    live: Option<u64>,
    /// Since when there is more room than the step asks for, and a quarter to spare.
    better_since: Option<Duration>,
}

impl Ladder {
    /// At the top, with a ballast that is there and a live snapshot of so many bytes.
    pub(crate) fn new(ballast: u64, live: Option<u64>) -> Ladder {
        Ladder { ballast, live, ..Ladder::default() }
    }

    /// There is another live snapshot.
    pub(crate) fn set_live(&mut self, live: Option<u64>) {
        self.live = live;
    }

    /// Goes down at once, and up only when there was a quarter more than needed for a while.
    fn climb(&mut self, free: u64, unit: u64, now: Duration, patience: Duration) {
        let worst = SpaceStep::of(free, unit);
        let better = SpaceStep::of(free / 5 * 4, unit);
        if worst > self.step {
            (self.step, self.better_since) = (worst, None);
        } else if better < self.step {
            let since = *self.better_since.get_or_insert(now);
            if now.saturating_sub(since) >= patience || planted(Bug::ClimbAtOnce) {
                (self.step, self.better_since) = (better, None);
            }
        } else {
            self.better_since = None;
        }
    }
}

impl Store {
    /// Asks the medium how much room there is and moves on the ladder. `now` is any clock that does not run backwards.
    pub fn look_at_space(&self, now: Duration) -> Space {
        let free = self.disk().free_space(self.dir()).ok();
        let unit = self.space().unit();
        let mut ladder = locked(&self.shared.ladder);
        ladder.free = free;
        if let Some(free) = free {
            ladder.climb(free, unit, now, self.shared.options.space_return);
        }
        drop(ladder);
        self.space()
    }

    /// How much room there was at the last look.
    pub fn space(&self) -> Space {
        let Ladder { step, free, ballast, live, .. } = *locked(&self.shared.ladder);
        let snapshot_room = match live {
            Some(live) => live / 5 * 6,
            None => self.position().files.iter().map(|file| file.end).sum(),
        };
        Space { step, free, snapshot_room, log_room: self.shared.options.file_bytes, ballast }
    }

    /// Makes the ballast when it is missing, and there is so much room that nobody will miss it.
    ///
    /// Errors: when it cannot be made; nothing is left of it then.
    pub fn keep_ballast(&self) -> Result<(), StorageError> {
        let space = self.space();
        let Some(free) = space.free.filter(|_| space.ballast == 0 && space.step == SpaceStep::Ample) else {
            return Ok(());
        };
        let size = self.shared.options.ballast_bytes.min(free / BALLAST_SHARE);
        if size < LEAST_BALLAST || (free - size) / 5 * 4 < space.below(SpaceStep::Low) {
            return Ok(());
        }
        let temp = self.dir().join(format!("{BALLAST}{TEMP}"));
        remove_if_there(self.disk(), &temp)?;
        let made = self.disk().create(&temp, 0o600).and_then(|file| {
            file.allocate(size)?;
            file.sync_data()
        });
        let made = made.map_err(|error| StorageError::io("writing", &temp, &error));
        let made = made.and_then(|()| rename(self.disk(), &temp, &self.dir().join(BALLAST)));
        if let Err(error) = made {
            remove_if_there(self.disk(), &temp)?;
            return Err(error);
        }
        self.sync_folder()?;
        locked(&self.shared.ladder).ballast = size;
        Ok(())
    }

    /// Gives the ballast back; tells how many bytes that were.
    pub fn give_ballast(&self) -> Result<u64, StorageError> {
        let size = locked(&self.shared.ladder).ballast;
        if size > 0 {
            remove_if_there(self.disk(), &self.dir().join(BALLAST))?;
            locked(&self.shared.ladder).ballast = 0;
            self.sync_folder()?;
            tracing::warn!(bytes = size, "the ballast was given back, since there is no other room");
        }
        Ok(size)
    }

    fn sync_folder(&self) -> Result<(), StorageError> {
        self.disk().sync_dir(self.dir()).map_err(|error| StorageError::io("syncing", self.dir(), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_at_once_and_left_with_a_margin_and_patience() {
        let mut ladder = Ladder::default();
        let minute = Duration::from_secs(60);
        let mut at = |free: u64, seconds: u64| {
            ladder.climb(free, 100, Duration::from_secs(seconds), minute);
            ladder.step
        };
        assert_eq!(at(300, 0), SpaceStep::Ample);
        assert_eq!(at(299, 1), SpaceStep::Low);
        assert_eq!(at(199, 2), SpaceStep::NoImports);
        assert_eq!(at(99, 3), SpaceStep::DeletesOnly);
        assert_eq!(at(124, 70), SpaceStep::DeletesOnly, "not a quarter more than needed");
        assert_eq!(at(125, 80), SpaceStep::DeletesOnly, "not for long enough");
        assert_eq!(at(125, 139), SpaceStep::DeletesOnly);
        assert_eq!(at(110, 140), SpaceStep::DeletesOnly, "it begins anew");
        assert_eq!(at(1_000, 141), SpaceStep::DeletesOnly);
        assert_eq!(at(1_000, 201), SpaceStep::Ample, "all the way at once");
        assert_eq!(at(0, 202), SpaceStep::DeletesOnly);
        assert_eq!(at(260, 203), SpaceStep::DeletesOnly);
        assert_eq!(at(260, 263), SpaceStep::Low);
    }
}
