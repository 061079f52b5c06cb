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
