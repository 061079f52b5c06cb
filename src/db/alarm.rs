//! Alarms: what an operator must know without asking, until it is over.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{db::clock::system_now, model::time::Timestamp};

/// What an alarm is about; one of each at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// The log failed, or the files under memory are damaged: the database only reads until it is opened again.
    ReadOnly,
    /// The disk does not come to an end with what the log asked of it: writes wait.
    LogStalled,
    /// There is little room on the disk.
    StorageLow,
    /// A snapshot does not fit on the disk, the ballast is gone: only an operator can make room.
    OperatorNeeded,
    /// Three snapshots in a row failed.
    SnapshotFailing,
    /// Files that lie at rest are damaged.
    DamageFound,
    /// Somebody was erased more than a day ago and is still in the files; or may be in files that a start could not
    /// remove.
    ErasureLate,
    /// Somebody outside is not told any more of what happens.
    WebhookDisabled,
}

impl AlarmKind {
    /// All of them.
    pub const ALL: [AlarmKind; 8] = [
        AlarmKind::ReadOnly,
        AlarmKind::LogStalled,
        AlarmKind::StorageLow,
        AlarmKind::OperatorNeeded,
        AlarmKind::SnapshotFailing,
        AlarmKind::DamageFound,
        AlarmKind::ErasureLate,
        AlarmKind::WebhookDisabled,
    ];

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            AlarmKind::ReadOnly => "read_only",
            AlarmKind::LogStalled => "log_stalled",
            AlarmKind::StorageLow => "storage_low",
            AlarmKind::OperatorNeeded => "operator_needed",
            AlarmKind::SnapshotFailing => "snapshot_failing",
            AlarmKind::DamageFound => "damage_found",
            AlarmKind::ErasureLate => "erasure_late",
            AlarmKind::WebhookDisabled => "webhook_disabled",
        }
    }
}

/// An alarm that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What it is about.
    pub kind: AlarmKind,
    /// Since when, on the system's clock.
    pub since: Timestamp,
    /// What is wrong and what helps, for people.
    pub detail: Box<str>,
}

/// The alarms that are on.
#[derive(Default)]
pub(super) struct Alarms(Mutex<BTreeMap<AlarmKind, Alarm>>);

impl Alarms {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<AlarmKind, Alarm>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises an alarm, or says more about one that is on.
    pub(super) fn raise(&self, kind: AlarmKind, detail: impl Into<Box<str>>) {
        let detail = detail.into();
        let mut on = self.lock();
        let since = on.get(&kind).map_or_else(system_now, |alarm| alarm.since);
        if on.get(&kind).is_none_or(|alarm| alarm.detail != detail) {
            tracing::error!(alarm = kind.word(), "{detail}");
        }
        on.insert(kind, Alarm { kind, since, detail });
    }

    /// Ends an alarm, if it is on.
    pub(super) fn clear(&self, kind: AlarmKind) {
        if self.lock().remove(&kind).is_some() {
            tracing::info!(alarm = kind.word(), "the alarm is over");
        }
    }

    /// What an alarm says, if it is on.
    pub(super) fn detail(&self, kind: AlarmKind) -> Option<Box<str>> {
        self.lock().get(&kind).map(|alarm| alarm.detail.clone())
    }

    /// The alarms that are on.
    pub(super) fn all(&self) -> Vec<Alarm> {
        self.lock().values().cloned().collect()
    }
}
