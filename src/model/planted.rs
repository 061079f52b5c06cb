//! Bugs planted on purpose, so that the tests can be tested: each is caught by a test that `docs/TESTING.md` names.
//! Outside of unit tests there are none, and the compiler drops the places where they could be.

/// A bug that can be planted; its name says what the code then does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A write to the log is acknowledged without a sync.
    SkipLogSync,
    /// A write to the log is acknowledged, and synced with the next one.
    AckBeforeSync,
    /// A failed sync is tried again, and believed.
    RetrySync,
    /// A write that failed for want of space is taken for done.
    IgnoreNoSpace,
    /// A log file gets its name before its head is on the medium.
    SkipNewFileSync,
    /// The manifest is renamed without a sync of the folder.
    SkipFolderSync,
    /// Of the folders that are made for a new one only the lowest is made durable.
    SkipParentSync,
    /// Old log files go before the manifest that lets them go is on the medium.
    CollectEarly,
    /// The spare snapshot is given up as soon as there is a new one.
    DropSpare,
    /// No seal is written.
    SkipSeal,
    /// Every frame says that it is the first of its group.
    ForgetGroup,
    /// What a frame says of the frame before it is not compared.
    IgnoreChain,
    /// The header checksum of a frame is not compared, so that frames of another file pass.
    IgnoreSalt,
    /// Damage in the middle of the log is cut off like a torn write.
    CutAnywhere,
    /// What proves that the log once went further is not looked at.
    IgnoreEvidence,
    /// The end of the log is believed as the system remembers it.
    TrustCache,
    /// The blocks of a snapshot are not verified when it is opened.
    TrustBlocks,
    /// A scrub does not look at the mapped snapshot once its name is gone.
    ForgetMapped,
    /// Memory that is mapped from a damaged snapshot is believed.
    TrustMemory,
    /// The lock of another process is passed over.
    IgnoreLock,
    /// Replay begins one position too late.
    ReplayLate,
    /// Replay does the first half of a batch only.
    HalfBatch,
    /// A write is visible before it is durable.
    PublishEarly,
    /// Readers of the feed are told before the write is durable.
    TellEarly,
    /// The writer does not wake up for what comes due.
    DropTick,
    /// An idempotency key is remembered in memory alone.
    ForgetOnce,
    /// An idempotency key with another digest is taken for a retry.
    IgnoreDigest,
    /// The spare snapshot and the log of before an erasure stay.
    KeepErased,
    /// Remembered outcomes keep the keys of erased contacts.
    KeepErasedKeys,
    /// The id of an erased contact is given to the next new one.
    ReuseIds,
    /// Segments are not looked at for a contact whose predicate flipped.
    MissFlip,
    /// Who is pinned out of a segment is in it.
    IgnorePin,
    /// A window that moves with the clock begins a millisecond late.
    WindowEdge,
    /// A scrub reads log files and does not look at what is in them.
    SkipLogScrub,
    /// A step of the disk-space ladder is left as soon as there is a little more room.
    ClimbAtOnce,
    /// Every write is taken on the last step of the ladder.
    WriteWhenLow,
    /// Where time passes over several instants of a contact, only the first is looked at.
    MarchOnce,
    /// A remembered outcome is answered with for ever.
    KeepOld,
    /// The writer is woken up before there is anything to do.
    WakeFirst,
    /// A write is acknowledged before it is visible.
    AnswerFirst,
    /// Readers of the feed are told before there is anything to see.
    TellFirst,
    /// A folder is let go of while a snapshot is written to it.
    ReleaseEarly,
}

/// Whether a bug is planted: never.
#[cfg(not(test))]
#[inline(always)]
pub const fn planted(_bug: Bug) -> bool {
    false
}

/// The environment variable that names the bug to plant.
#[cfg(test)]
pub(crate) const VARIABLE: &str = "THRONG_PLANTED";

/// Whether a bug is planted: the one that the environment names, if any.
#[cfg(test)]
pub fn planted(bug: Bug) -> bool {
    use std::sync::OnceLock;

    static CHOSEN: OnceLock<Option<Bug>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var(VARIABLE).ok()?;
        Some(*Bug::ALL.iter().find(|bug| format!("{bug:?}") == name).expect("the environment names a bug"))
    });
    *chosen == Some(bug)
}

#[cfg(test)]
impl Bug {
    /// All of them.
    pub(crate) const ALL: [Bug; 42] = [
        Bug::SkipLogSync,
        Bug::AckBeforeSync,
        Bug::RetrySync,
        Bug::IgnoreNoSpace,
        Bug::SkipNewFileSync,
        Bug::SkipFolderSync,
        Bug::SkipParentSync,
        Bug::CollectEarly,
        Bug::DropSpare,
        Bug::SkipSeal,
        Bug::ForgetGroup,
        Bug::IgnoreChain,
        Bug::IgnoreSalt,
        Bug::CutAnywhere,
        Bug::IgnoreEvidence,
        Bug::TrustCache,
        Bug::TrustBlocks,
        Bug::ForgetMapped,
        Bug::TrustMemory,
        Bug::IgnoreLock,
        Bug::ReplayLate,
        Bug::HalfBatch,
        Bug::PublishEarly,
        Bug::TellEarly,
        Bug::DropTick,
        Bug::ForgetOnce,
        Bug::IgnoreDigest,
        Bug::KeepErased,
        Bug::KeepErasedKeys,
        Bug::ReuseIds,
        Bug::MissFlip,
        Bug::IgnorePin,
        Bug::WindowEdge,
        Bug::SkipLogScrub,
        Bug::ClimbAtOnce,
        Bug::WriteWhenLow,
        Bug::MarchOnce,
        Bug::KeepOld,
        Bug::WakeFirst,
        Bug::AnswerFirst,
        Bug::TellFirst,
        Bug::ReleaseEarly,
    ];
}
