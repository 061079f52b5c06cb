//! What a database is opened with.

use std::{path::PathBuf, time::Duration};

use crate::model::{calendar::Zone, time::Timestamp};

/// Where time comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockChoice {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is moved; it starts here.
    Manual(Timestamp),
}

/// What a database is opened with. The default is in memory only, on the system's clock.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder, made when it is not there; `None` keeps everything in memory alone.
    pub dir: Option<PathBuf>,
    /// Where time comes from.
    pub clock: ClockChoice,
    /// The time zone of a new folder (`None`: UTC). Another one than an existing folder's is refused.
    pub zone: Option<Zone>,
    /// Whether snapshots are mapped; else they are read whole into memory. Either way they are verified at open.
    pub mmap: bool,
    /// Whether a snapshot is taken by itself once the log has grown enough.
    pub auto_snapshot: bool,
    /// The log's growth since the last snapshot that makes a new one due, if it is more than half the last snapshot;
    /// while writes wait, four times as much, or the whole of the last snapshot.
    /// Units: bytes.
    pub snapshot_log_bytes: u64,
    /// The size of a new log file. Units: bytes.
    pub log_file_bytes: u64,
    /// How long nothing is written before the log is sealed, so that damage to its end cannot pass for a torn write.
    pub seal_after: Duration,
    /// How the folder is kept in order.
    pub upkeep: Upkeep,
}

/// How a folder is kept in order by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// How much room is kept to be given back when there is no other; 0 for none. On a small disk it is less.
    /// Units: bytes.
    pub ballast_bytes: u64,
    /// How often the disk is looked at while there is little room.
    pub space_poll: Duration,
    /// How long there must be room again before a step of the ladder is left.
    pub space_return: Duration,
    /// How old a write may become before a snapshot is taken for it.
    pub snapshot_age: Duration,
    /// How fast a snapshot is written that nobody waits for; 0 for as fast as can be. Units: bytes a second.
    pub snapshot_bytes_per_second: u64,
    /// How long to wait after the first, the second and each further snapshot in a row that failed.
    pub snapshot_retry: [Duration; 3],
    /// How long an erased contact may stay in the files before a snapshot is taken for it.
    pub erased_within: Duration,
    /// How long the log may wait for the disk before that is told.
    pub slow_sync: Duration,
    /// How long it may before plain writes are no longer said to be taken.
    pub stalled_sync: Duration,
    /// How often files at rest are read again; zero for never.
    pub scrub_every: Duration,
    /// How fast they are read. Units: bytes a second.
    pub scrub_bytes_per_second: u64,
}

impl Default for Upkeep {
    fn default() -> Upkeep {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
        Upkeep {
            ballast_bytes: 128 << 20,
            space_poll: Duration::from_secs(5),
            space_return: minute,
            snapshot_age: 24 * hour,
            snapshot_bytes_per_second: 100_000_000,
            snapshot_retry: [minute, 5 * minute, 15 * minute],
            erased_within: 12 * hour,
            slow_sync: Duration::from_secs(1),
            stalled_sync: Duration::from_secs(30),
            scrub_every: 24 * hour,
            scrub_bytes_per_second: 20_000_000,
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dir: None,
            clock: ClockChoice::System,
            zone: None,
            mmap: true,
            auto_snapshot: true,
            snapshot_log_bytes: 256 << 20,
            log_file_bytes: 64 << 20,
            seal_after: Duration::from_millis(50),
            upkeep: Upkeep::default(),
        }
    }
}

impl Options {
    /// A database in a folder, on the system's clock.
    pub fn folder(dir: impl Into<PathBuf>) -> Options {
        Options { dir: Some(dir.into()), ..Options::default() }
    }

    /// The same with a manual clock that starts at an instant.
    pub fn at(mut self, now: Timestamp) -> Options {
        self.clock = ClockChoice::Manual(now);
        self
    }
}
