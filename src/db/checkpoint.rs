//! Snapshots: written from a state that the writer hands out, while writes go on.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use crate::{
    db::{
        alarm::AlarmKind,
        clock::{Stopwatch, system_now},
        database::Submitted,
        error::Error,
        queue::{Capture, Job, Work},
        record::SnapshotInfo,
        shared::Shared,
        sync::sync_channel,
    },
    model::id::Lsn,
    storage::{
        error::{StorageError, StorageErrorKind},
        snapshot_writer::Pace,
        status::SnapshotInfo as StoredSnapshot,
        store::Store,
    },
};

/// So many log files are made ahead for a snapshot before the writer is to make one.
const SPARES_MAX: usize = 4;

/// In which manner a snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// At once, as fast as can be: somebody waits for it.
    OnDemand,
    /// In the background, no faster than the options say.
    ByItself,
    /// The same, and the log goes on in a new file, so that nothing of before is needed: some of it is damaged.
    Afresh,
}

/// Writes a snapshot of what is published; waits for one that is on its way.
///
/// Errors: [`Error::Storage`], [`Error::NoRoom`]; [`Error::InMemory`] without a folder.
pub(super) fn take(shared: &Arc<Shared>, manner: Manner) -> Result<SnapshotInfo, Error> {
    let _one_at_a_time = shared.snapshotting.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(store) = shared.store() else {
        return Err(if shared.is_stored { Error::Closed } else { Error::InMemory });
    };
    let watch = Stopwatch::start();
    let (info, lsn, held_us) = make(shared, &store, manner).inspect_err(|error| {
        shared.meters.snapshot_failures.add(1);
        if let Error::NoRoom(told) = error {
            let told = format!("a snapshot does not fit on the disk, and there is nothing left to give up: {told}");
            shared.alarms.raise(AlarmKind::OperatorNeeded, told);
        }
        if let Err(error) = store.whole() {
            // The manifest or mapped memory is in doubt, and no write may follow.
            shared.fail(&error);
        }
    })?;
    for over in [AlarmKind::OperatorNeeded, AlarmKind::SnapshotFailing] {
        shared.alarms.clear(over);
    }
    if lsn > Lsn(0) {
        shared.covered.store(lsn.0, Ordering::Release);
    }
    settle(shared, &store);
    shared.keeper.snapshot_taken();
    shared.snapshot_bytes.store(info.bytes, Ordering::Relaxed);
    shared.meters.snapshot.record(watch.elapsed());
    shared.meters.snapshot_at_ms.set(u64::try_from(system_now().0).unwrap_or(0));
    shared.look_at_space(&store);
    let taken = SnapshotInfo { lsn: info.lsn, bytes: info.bytes, took_us: watch.elapsed_us(), held_us };
    *shared.last_snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
    Ok(taken)
}

/// Ends an erasure that the live snapshot covers, once the files of before it are gone too; says whether none is left
/// to end.
pub(super) fn settle(shared: &Shared, store: &Store) -> bool {
    let covered = shared.covered.load(Ordering::Acquire);
    if covered == 0 {
        return true;
    }
    if !store.tidy() {
        return false;
    }
    // Who was erased since is in a later capture.
    if shared.erased.compare_exchange(covered, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
        let _settled = shared.erasing.end();
        if shared.erased.load(Ordering::Acquire) > 0 {
            // Somebody was, just now.
            shared.erasing.begin(shared.uptime());
        }
        shared.alarms.clear(AlarmKind::ErasureLate);
    }
    let _a_newer_one_waits = shared.covered.compare_exchange(covered, 0, Ordering::AcqRel, Ordering::Relaxed);
    true
}

/// Makes one, with the room of the ballast if there is no other; tells up to which write the erased are gone, and how
/// many microseconds it held up the writer.
fn make(shared: &Arc<Shared>, store: &Store, manner: Manner) -> Result<(StoredSnapshot, Lsn, u64), Error> {
    let capture = capture(shared, store, manner)?;
    let written = write_with_ballast(shared, store, &capture, manner);
    let info = written.inspect_err(|_| shared.still_unsaved(&capture))?;
    Ok((info, capture.erased, capture.held_us))
}

fn write_with_ballast(
    shared: &Arc<Shared>,
    store: &Store,
    capture: &Capture,
    manner: Manner,
) -> Result<StoredSnapshot, Error> {
    // The writer went on in a new file, perhaps, and left the rest of that to others.
    store.list_newest()?;
    let written = write(shared, store, capture, manner);
    let space = store.space();
    let would_fit = space.free.unwrap_or(0).saturating_add(space.ballast) >= space.snapshot_room;
    if matches!(written, Err(Error::NoRoom(_))) && would_fit && store.give_ballast()? > 0 {
        return write(shared, store, capture, manner);
    }
    written
}

/// Has the writer hand out its state. When somebody was erased, or files are damaged, the log goes on in a new file from
/// there, so that nothing of before is left once the snapshot is live; else that only costs the writer's time. The file
/// is made here beforehand, so that the writer does not have to while others wait for it.
fn capture(shared: &Shared, store: &Store, manner: Manner) -> Result<Capture, Error> {
    let roll = manner == Manner::Afresh;
    let mut makes = false;
    for tries in 1.. {
        if roll || shared.erased.load(Ordering::Acquire) > 0 {
            // Where there is no room for a whole file, or writes use up each one at once, the writer sees to it.
            makes = store.ready_spare().is_err() || tries >= SPARES_MAX;
        }
        let (into, captured) = sync_channel(1);
        let (sender, receiver) = sync_channel(1);
        let done = Box::new(move |result| drop(sender.send(result)));
        shared.push_patiently(Job { work: Work::Capture { roll, makes, into }, done });
        Submitted::new(receiver).wait()?;
        match captured.try_recv() {
            Ok(capture) => return Ok(capture),
            Err(_) if makes => break,
            // Somebody was erased just now, or the file was used up.
            Err(_) => {}
        }
    }
    Err(Error::Closed)
}

fn write(shared: &Arc<Shared>, store: &Store, capture: &Capture, manner: Manner) -> Result<StoredSnapshot, Error> {
    let state = &capture.state;
    let mut writer = store.start_snapshot(state.lsn)?;
    if capture.erased > Lsn(0) {
        // In one step with the snapshot: a stop in between would leave traces that nobody remembers to remove.
        writer.set_alone();
    }
    if manner != Manner::OnDemand {
        writer.set_pace(pace(shared));
    }
    if let Err(error) = state.encode(&mut writer) {
        let told = || StorageError::new(StorageErrorKind::Io, "writing a snapshot to", store.dir(), error.what);
        return Err(writer.failed().cloned().unwrap_or_else(told).into());
    }
    Ok(writer.finish()?)
}

/// Lets so many bytes pass a second, and all of them once the database closes.
fn pace(shared: &Arc<Shared>) -> Pace {
    let rate = shared.options.upkeep.snapshot_bytes_per_second;
    let (shared, watch, mut passed) = (Arc::clone(shared), Stopwatch::start(), 0u64);
    Box::new(move |bytes| {
        passed += bytes;
        if rate > 0 {
            let due = Duration::from_secs_f64(passed as f64 / rate as f64);
            shared.keeper.pause(due.saturating_sub(watch.elapsed()));
        }
    })
}
