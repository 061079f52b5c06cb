//! A log that waits for the disk: since when, told while it lasts.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use crate::db::{alarm::AlarmKind, error::Error, shared::Shared};

const NOT: i64 = -1;

/// Since when the log waits for the disk.
pub(super) struct Stall {
    /// The uptime at which it began; [`NOT`] while it does not wait. Units: milliseconds.
    since: AtomicI64,
    /// Whether it was told that this one is slow.
    is_told: AtomicBool,
}

impl Default for Stall {
    fn default() -> Stall {
        Stall { since: AtomicI64::new(NOT), is_told: AtomicBool::new(false) }
    }
}

impl Shared {
    /// Does what may wait for the disk; afterwards nothing is stalled.
    pub(super) fn on_disk<T>(&self, work: impl FnOnce() -> T) -> T {
        let uptime = i64::try_from(self.uptime().as_millis()).unwrap_or(0);
        self.stall.is_told.store(false, Ordering::Relaxed);
        self.stall.since.store(uptime, Ordering::Release);
        let done = work();
        self.look_at_log();
        self.stall.since.store(NOT, Ordering::Release);
        if self.stall.is_told.load(Ordering::Relaxed) {
            self.alarms.clear(AlarmKind::LogStalled);
        }
        done
    }

    /// How long the log waits for the disk by now. Whoever looks first tells that it is slow, the writer at the latest.
    fn look_at_log(&self) -> Option<Duration> {
        let since = u64::try_from(self.stall.since.load(Ordering::Acquire)).ok()?;
        let waits = self.uptime().saturating_sub(Duration::from_millis(since));
        if waits >= self.options.upkeep.slow_sync && !self.stall.is_told.swap(true, Ordering::Relaxed) {
            self.meters.slow_syncs.add(1);
            tracing::warn!(seconds = waits.as_secs_f64(), "the disk is slow to take what the log asks of it");
        }
        Some(waits)
    }

    /// Why plain writes are not taken just now, if the log has waited for the disk for too long.
    pub(super) fn stalled(&self) -> Option<Error> {
        let waits = self.look_at_log().filter(|waits| *waits >= self.options.upkeep.stalled_sync);
        let Some(waits) = waits else {
            self.alarms.clear(AlarmKind::LogStalled);
            return None;
        };
        let told = format!("the log has waited for the disk for {} s, and writes wait for the log", waits.as_secs());
        let most = self.options.upkeep.stalled_sync.as_secs();
        self.alarms.raise(AlarmKind::LogStalled, format!("the log has waited for the disk for more than {most} s"));
        Some(Error::LogStalled(told.into()))
    }
}
