//! What a view shows: contacts, segments and figures, by outside names.

use crate::{
    db::alarm::Alarm,
    model::{
        id::Lsn,
        name::Name,
        request::{Applied, Refusal},
        time::Timestamp,
        value::Value,
    },
};

/// A place in a listing: entries after it come next. Stable as long as the view it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u32);

/// Some entries of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries in order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Place>,
}

/// A contact with its values, in order of the schema; missing values are left out. Money is in minor units of the
/// currency that the schema declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactRecord {
    /// Its key.
    pub key: Box<str>,
    /// Its values by property name.
    pub values: Vec<(Name, Value)>,
}

/// A saved segment, without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its name as written.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// Its rule; `None` for a static list.
    pub rule: Option<RuleForms>,
    /// Grows by one with every change of the rule; 1 at first.
    pub version: u32,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// A rule in both canonical forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleForms {
    /// The canonical text.
    pub text: Box<str>,
    /// The canonical JSON, as document text.
    pub json: Box<str>,
}

/// One version of a dynamic segment's rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its number, from 1.
    pub version: u32,
    /// When it came to be.
    pub at: Timestamp,
    /// By which access key, if by one.
    pub by: Option<Box<str>>,
    /// The rule.
    pub rule: RuleForms,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Names the state that holds the write; a view of this or a later LSN sees it.
    pub lsn: Lsn,
    /// What became of each request, in order.
    pub results: Vec<Result<Applied, Refusal>>,
    /// Whether this is the remembered outcome of an earlier write with the same idempotency key.
    pub replayed: bool,
}

/// A snapshot that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// What it holds.
    pub lsn: Lsn,
    /// Its size. Units: bytes.
    pub bytes: u64,
    /// How long it took. Units: microseconds.
    pub took_us: u64,
    /// How long the writer was held up by it. Units: microseconds.
    pub held_us: u64,
}

/// How much room there is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskInfo {
    /// What may still be written, if the disk can tell. Units: bytes.
    pub free_bytes: Option<u64>,
    /// The step of the disk-space ladder.
    pub step: &'static str,
    /// The steps from the first one down, each with how much must be free for it not to be taken. Units: bytes.
    pub steps: Vec<(&'static str, u64)>,
    /// What is kept to be given back in need. Units: bytes.
    pub ballast_bytes: u64,
}

/// Figures about the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The program's version.
    pub version: &'static str,
    /// Contacts that are there.
    pub contacts: u64,
    /// Events that are there.
    pub events: u64,
    /// Saved segments.
    pub segments: u64,
    /// Declared properties.
    pub properties: u64,
    /// Declared event kinds.
    pub event_kinds: u64,
    /// The last write.
    pub lsn: Lsn,
    /// The newest entry of the feed; 0 before the first.
    pub seq: u64,
    /// What time it is.
    pub now: Timestamp,
    /// Whether the clock is manual.
    pub manual_clock: bool,
    /// The time zone's name.
    pub zone: Box<str>,
    /// Memory by index. Units: bytes.
    pub memory: Vec<(Box<str>, u64)>,
    /// What the last snapshot holds.
    pub snapshot_lsn: Lsn,
    /// The last one that was taken since the start.
    pub last_snapshot: Option<SnapshotInfo>,
    /// Its size. Units: bytes.
    pub snapshot_bytes: u64,
    /// The log. Units: bytes.
    pub log_bytes: u64,
    /// The part of the log that the last snapshot does not hold, in whole files from the one that was in use when it was
    /// taken. Units: bytes.
    pub log_bytes_since_snapshot: u64,
    /// What may still be written to the medium, if it can tell. Units: bytes.
    pub free_bytes: Option<u64>,
    /// How much room there is; `None` in memory alone.
    pub disk: Option<DiskInfo>,
    /// What an operator must know.
    pub alarms: Vec<Alarm>,
    /// Whether somebody was erased whom files still hold.
    pub erasing: bool,
    /// When the files at rest were last read again and whether all was well.
    pub scrubbed: Option<(Timestamp, bool)>,
    /// When damage was last found in them since the start, and where, also if it is healed.
    pub damaged: Option<(Timestamp, Box<str>)>,
    /// When the next event that is dated ahead comes due.
    pub next_due: Option<Timestamp>,
    /// Requests waiting to be written.
    pub queued: u64,
    /// Why the database only reads, if it does.
    pub read_only: Option<Box<str>>,
}

/// A node of a plan, answered alone: what `explain` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanNode {
    /// The canonical text of a predicate, or the logical operator.
    pub label: String,
    /// What answers it: `posting`, `column`, `dictionary`, `event log` …
    pub using: String,
    /// How many contacts the planner thought would match.
    pub estimate: u64,
    /// How many match.
    pub count: u64,
    /// Time to answer this node alone. Units: nanoseconds.
    pub took_ns: u64,
    /// What it is made of, in the order of work.
    pub children: Vec<PlanNode>,
}
