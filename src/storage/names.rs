//! The names in a data folder, and back from a name to what it means.

use crate::model::id::Lsn;

/// Names the live snapshot and the log files needed.
pub const MANIFEST: &str = "MANIFEST";
/// The generation of the manifest before.
pub const MANIFEST_OLD: &str = "MANIFEST.old";
/// Held by the process that has the folder open.
pub const LOCK: &str = "lock";
/// The next log file, filled with zeros ahead of need.
pub const SPARE: &str = "spare";
/// Bytes kept to be given back when there is no other room.
pub const BALLAST: &str = "ballast";
/// What a salvage left out; in the folder that it made.
pub const REPORT: &str = "salvage-report.txt";
/// The access keys: who may do what.
pub const KEYS: &str = "keys";
/// Held by the process that changes the access keys.
pub const KEYS_LOCK: &str = "keys.lock";
/// The webhooks and how far each was told.
pub const WEBHOOKS: &str = "webhooks";
/// The ending of files that are not finished; they are removed on open.
pub const TEMP: &str = ".tmp";
/// The ending of saved torn tails.
pub const TORN: &str = ".torn";

/// What a name in the folder means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileName {
    /// The manifest or the generation before it.
    Manifest,
    /// The lock file.
    Lock,
    /// An unfinished or spare file.
    Unfinished,
    /// A saved torn tail of the log file of that sequence number.
    Torn(u32),
    /// The ballast.
    Ballast,
    /// The report of the salvage that made the folder.
    Report,
    /// The access keys, or the lock of whoever changes them.
    Keys,
    /// The webhooks.
    Webhooks,
    /// A log file by its sequence number.
    Log(u32),
    /// A snapshot by its position.
    Snapshot(Lsn),
    /// A name we never give.
    Foreign,
}

/// The name of a log file.
pub fn log_name(sequence: u32) -> String {
    format!("wal-{sequence:010}")
}

/// The name of a snapshot.
pub fn snapshot_name(lsn: Lsn) -> String {
    format!("snap-{:020}", lsn.0)
}

/// The name of a saved torn tail.
pub fn torn_name(sequence: u32, offset: u64) -> String {
    format!("wal-{sequence:010}-{offset}{TORN}")
}

/// Tells what a name means; only the exact form counts.
pub fn parse_name(name: &str) -> FileName {
    match name {
        MANIFEST | MANIFEST_OLD => return FileName::Manifest,
        LOCK => return FileName::Lock,
        SPARE => return FileName::Unfinished,
        BALLAST => return FileName::Ballast,
        REPORT => return FileName::Report,
        KEYS | KEYS_LOCK => return FileName::Keys,
        WEBHOOKS => return FileName::Webhooks,
        _ => {}
    }
    if name.ends_with(TEMP) {
        return FileName::Unfinished;
    }
    if let Some((sequence, offset)) =
        name.strip_prefix("wal-").and_then(|rest| rest.strip_suffix(TORN)?.split_once('-'))
        && let (Ok(sequence), Ok(offset)) = (sequence.parse(), offset.parse())
        && torn_name(sequence, offset) == name
    {
        return FileName::Torn(sequence);
    }
    if let Some(sequence) = name.strip_prefix("wal-").and_then(|digits| digits.parse::<u32>().ok())
        && log_name(sequence) == name
    {
        return FileName::Log(sequence);
    }
    if let Some(lsn) = name.strip_prefix("snap-").and_then(|digits| digits.parse::<u64>().ok())
        && snapshot_name(Lsn(lsn)) == name
    {
        return FileName::Snapshot(Lsn(lsn));
    }
    FileName::Foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_in_their_exact_form_only() {
        assert_eq!(parse_name(&log_name(7)), FileName::Log(7));
        assert_eq!(parse_name(&log_name(u32::MAX)), FileName::Log(u32::MAX));
        assert_eq!(parse_name(&snapshot_name(Lsn(u64::MAX))), FileName::Snapshot(Lsn(u64::MAX)));
        assert_eq!(parse_name(&torn_name(3, 64)), FileName::Torn(3));
        for unfinished in ["spare", "MANIFEST.tmp", "snap-00000000000000000001.tmp"] {
            assert_eq!(parse_name(unfinished), FileName::Unfinished);
        }
        for foreign in ["wal-7", "wal-+000000007", "snap-1", "wal-99999999999", "wal-3-64.torn", "photo.jpg", ""] {
            assert_eq!(parse_name(foreign), FileName::Foreign);
        }
    }
}
