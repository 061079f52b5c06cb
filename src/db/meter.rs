//! Figures of what goes on inside, counted as it goes on: totals and how long things took. Reading them holds nobody up.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of the classes of a [`Timing`]; above the last is one class more. Units: microseconds.
pub const BOUNDS_US: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000, 60_000_000,
];

/// A total that only grows.
#[derive(Debug, Default)]
pub struct Total(AtomicU64);

impl Total {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes away, for what is under way just now.
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Sets, for what is known as of a moment.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The total, which begins anew.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    /// The total.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took, by classes.
#[derive(Debug, Default)]
pub struct Timing {
    classes: [Total; BOUNDS_US.len() + 1],
    sum_us: Total,
}

impl Timing {
    /// Counts one.
    pub fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.classes[BOUNDS_US.partition_point(|bound| *bound < us)].add(1);
        self.sum_us.add(us);
    }

    /// How many took at most as long as each bound, and how many there are in all.
    pub fn up_to(&self) -> ([u64; BOUNDS_US.len()], u64) {
        let mut sum = 0;
        let below = std::array::from_fn(|class| {
            sum += self.classes[class].get();
            sum
        });
        (below, sum + self.classes[BOUNDS_US.len()].get())
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us.get())
    }
}

/// What the database counts about itself since it was opened.
#[derive(Debug, Default)]
pub struct Meters {
    /// Batches that became an entry of the log.
    pub batches: Total,
    /// Their payloads. Units: bytes.
    pub logged_bytes: Total,
    /// Judging, applying and evaluating a group of batches.
    pub apply: Timing,
    /// Appending a group to the log and syncing it.
    pub sync: Timing,
    /// Of these, and of seals and new files, how many took longer than [`crate::db::options::Upkeep::slow_sync`].
    pub slow_syncs: Total,
    /// Groups that could not be appended.
    pub log_failures: Total,
    /// Snapshots that were written.
    pub snapshot: Timing,
    /// Snapshots that failed.
    pub snapshot_failures: Total,
    /// When the last one was written, on the system's clock; 0 before the first. Units: milliseconds.
    pub snapshot_at_ms: Total,
    /// A torn tail that opening cut off. Units: bytes.
    pub torn_bytes: Total,
    /// How long opening took. Units: microseconds.
    pub recovery_us: Total,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_add_up() {
        let timing = Timing::default();
        for us in [0, 50, 51, 1_000, 70_000_000] {
            timing.record(Duration::from_micros(us));
        }
        let (below, all) = timing.up_to();
        assert_eq!((below[0], below[1], below[4], below[16], all), (2, 3, 4, 4, 5));
        assert_eq!(timing.sum(), Duration::from_micros(70_001_101));
    }
}
