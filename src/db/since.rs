//! Since when something waits, measured on the time that the database is open.

use std::{sync::atomic::Ordering, time::Duration};

use crate::db::sync::AtomicI64;

const NEVER: i64 = i64::MAX;

/// Since when something waits, if it does. It may have begun before the database was opened.
pub(super) struct Since(AtomicI64);

impl Since {
    /// Waits since so many milliseconds of uptime, which may be negative.
    pub(super) fn new(since: Option<i64>) -> Since {
        Since(AtomicI64::new(since.unwrap_or(NEVER)))
    }

    /// It waits since then, unless it waited already; says whether it is new.
    pub(super) fn begin(&self, uptime: Duration) -> bool {
        self.0.fetch_min(ms(uptime), Ordering::AcqRel) == NEVER
    }

    /// It waits no more; gives what to [`Since::restore`] if it does after all.
    pub(super) fn end(&self) -> Since {
        Since(AtomicI64::new(self.0.swap(NEVER, Ordering::AcqRel)))
    }

    /// It waits since then, after all.
    pub(super) fn restore(&self, before: &Since) {
        self.0.fetch_min(before.0.load(Ordering::Acquire), Ordering::AcqRel);
    }

    /// The uptime at which it has waited for so long.
    pub(super) fn due(&self, wait: Duration) -> Option<Duration> {
        let since = self.0.load(Ordering::Acquire);
        let due = (since != NEVER).then(|| since.saturating_add(ms(wait)))?;
        Some(Duration::from_millis(u64::try_from(due).unwrap_or(0)))
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_beginning_counts_also_one_before_the_start() {
        let second = Duration::from_secs(1);
        let since = Since::new(None);
        assert_eq!(since.due(second), None);
        assert!(since.begin(5 * second));
        assert!(!since.begin(7 * second));
        assert_eq!(since.due(second), Some(6 * second));
        let before = since.end();
        assert_eq!(since.due(second), None);
        since.begin(9 * second);
        since.restore(&before);
        assert_eq!(since.due(second), Some(6 * second));
        assert_eq!(Since::new(Some(-3_000)).due(5 * second), Some(2 * second));
        assert_eq!(Since::new(Some(-3_000)).due(second), Some(Duration::ZERO));
    }
}
