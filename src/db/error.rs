//! The public error: what went wrong, and who must act.

use crate::{
    db::feed::FeedBounds,
    model::{id::Lsn, request::Refusal, time::Timestamp},
    query::context::BindError,
    rule::error::RuleError,
    storage::error::{StorageError, StorageErrorKind},
};

/// Who must act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever asked: ask for something else, or again later.
    Caller,
    /// Whoever runs the database: disk, folder, options.
    Operator,
}

/// Why the database did not do as asked. Cheap to clone: one failed sync answers every waiting writer.
#[non_exhaustive]
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The rule is wrong.
    #[error("{}", .0.message)]
    Rule(Box<RuleError>),
    /// The request is well-formed but refused.
    #[error("{0}")]
    Refused(Refusal),
    /// No segment has this name.
    #[error("there is no segment \"{0}\"")]
    NoSegment(Box<str>),
    /// The clock only moves ahead.
    #[error("the clock stands at {now} and cannot move back to {to}")]
    ClockBack {
        /// Where it stands.
        now: Timestamp,
        /// Where it was asked to go.
        to: Timestamp,
    },
    /// The clock is the system's and cannot be moved.
    #[error("the clock is the system's; only a manual clock (\"--clock\") can be moved")]
    ClockNotManual,
    /// A query's `as_of` lies before now.
    #[error("as_of {as_of} lies before now, {now}: it may be now or later")]
    AsOfPast {
        /// What was asked.
        as_of: Timestamp,
        /// What time it is.
        now: Timestamp,
    },
    /// A reader of the feed stayed away for too long: entries that it has not seen are gone.
    #[error(
        "entry {after} of the feed lies before the oldest that is kept: kept are {} to {}", .bounds.oldest, .bounds.newest
    )]
    CursorTooOld {
        /// Where it wanted to go on.
        after: u64,
        /// What is kept.
        bounds: FeedBounds,
    },
    /// A reader of the feed has seen more than there is: it read another database, or one that was restored since.
    #[error("entry {after} of the feed has not come: the newest is {}; the database may have been restored", .bounds.newest)]
    CursorAhead {
        /// Where it wanted to go on.
        after: u64,
        /// What is kept.
        bounds: FeedBounds,
    },
    /// The exact lists of a large change are no longer kept.
    #[error("the exact lists of entry {seq} are no longer kept")]
    ListsGone {
        /// The entry.
        seq: u64,
        /// What is kept.
        bounds: FeedBounds,
    },
    /// The feed does not reach back to an LSN.
    #[error("the members as of LSN {lsn} can no longer be told: the history since is not whole")]
    HistoryGone {
        /// What was asked.
        lsn: Lsn,
        /// What is kept.
        bounds: FeedBounds,
    },
    /// The entry of the feed has no lists.
    #[error("entry {0} of the feed is not a large change with lists of its own")]
    NoBulk(u64),
    /// The segment was made after an LSN.
    #[error("the segment \"{segment}\" was made by LSN {made}; at LSN {lsn} there was none")]
    MadeLater {
        /// The segment.
        segment: Box<str>,
        /// The write that made it.
        made: Lsn,
        /// What was asked.
        lsn: Lsn,
    },
    /// An LSN that no write has had.
    #[error("LSN {asked} has not come: the last write is {newest}")]
    LsnAhead {
        /// What was asked.
        asked: Lsn,
        /// The last write.
        newest: Lsn,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key \"{0}\" was used for a different request")]
    KeyReused(Box<str>),
    /// More is waiting to be written than may wait.
    #[error("too many writes are waiting; try again shortly")]
    Busy,
    /// The log failed while this write was on its way: it may or may not be there after a restart.
    #[error("the log failed during this write, whose outcome is unknown: {0}")]
    OutcomeUnknown(Box<str>),
    /// The log failed before; the database only reads until it is opened again.
    #[error("the database only reads since its log failed: {0}")]
    ReadOnly(Box<str>),
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
    /// The disk has no room for this; nothing of it was written.
    #[error("no room on disk: {0}")]
    NoRoom(Box<str>),
    /// The disk does not come to an end with what the log asked of it; writes wait.
    #[error("{0}")]
    LogStalled(Box<str>),
    /// There is so little room on the disk that only more urgent things are written until there is more.
    #[error("{0}")]
    StorageLow(Box<str>),
    /// The folder was made with another time zone.
    #[error("the folder's time zone is \"{folder}\", set when it was made; \"{asked}\" was asked for")]
    ZoneFixed {
        /// The folder's.
        folder: Box<str>,
        /// The one asked for.
        asked: Box<str>,
    },
    /// A manual clock was to start before the folder's last instant.
    #[error("the folder's last instant is {last}; the clock cannot start earlier, at {asked}")]
    ClockBehind {
        /// The folder's.
        last: Timestamp,
        /// The one asked for.
        asked: Timestamp,
    },
    /// A snapshot was asked of a database that is in memory alone.
    #[error("the database is in memory alone and has no folder for a snapshot")]
    InMemory,
    /// The system gave no thread to write on.
    #[error("the system gave no thread: {0}")]
    NoThread(Box<str>),
    /// The folder could not be read or written, or is damaged.
    #[error("{0}")]
    Storage(Box<StorageError>),
}

impl Error {
    /// Who must act.
    pub fn who(&self) -> Who {
        match self {
            Error::Rule(_)
            | Error::Refused(_)
            | Error::NoSegment(_)
            | Error::ClockBack { .. }
            | Error::ClockNotManual
            | Error::AsOfPast { .. }
            | Error::CursorTooOld { .. }
            | Error::CursorAhead { .. }
            | Error::ListsGone { .. }
            | Error::HistoryGone { .. }
            | Error::NoBulk(_)
            | Error::MadeLater { .. }
            | Error::LsnAhead { .. }
            | Error::KeyReused(_)
            | Error::Busy
            | Error::InMemory => Who::Caller,
            Error::OutcomeUnknown(_)
            | Error::ReadOnly(_)
            | Error::Closed
            | Error::NoRoom(_)
            | Error::StorageLow(_)
            | Error::LogStalled(_)
            | Error::ZoneFixed { .. }
            | Error::ClockBehind { .. }
            | Error::NoThread(_)
            | Error::Storage(_) => Who::Operator,
        }
    }
}

impl Error {
    /// The exit code of a command that fails for it: 2 when the caller must act; else what kind of trouble it is, 1 for
    /// what has no code of its own.
    pub fn exit_code(&self) -> u8 {
        match (self, self.who()) {
            (_, Who::Caller) => 2,
            (Error::Storage(error), _) => error.kind.exit_code(),
            (Error::NoRoom(_) | Error::StorageLow(_), _) => StorageErrorKind::NoSpace.exit_code(),
            _ => 1,
        }
    }
}

impl From<RuleError> for Error {
    fn from(error: RuleError) -> Error {
        Error::Rule(Box::new(error))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(refusal)
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Error {
        match error.kind {
            StorageErrorKind::NoSpace => Error::NoRoom(error.to_string().into()),
            _ => Error::Storage(Box::new(error)),
        }
    }
}

impl From<BindError> for Error {
    fn from(error: BindError) -> Error {
        let code = match error {
            BindError::UnknownSegment { .. } => "unknown_segment",
            BindError::Cycle { .. } => "cycle",
            _ => "bad_rule",
        };
        RuleError::new(code, error.to_string()).into()
    }
}
