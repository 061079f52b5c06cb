//! Opening: the newest snapshot, then the log; then what came due while no one looked.

use std::{
    path::Path,
    sync::{Arc, mpsc},
};

use crate::{
    codec::damage::Damage,
    db::{
        clock::{Stopwatch, system_now},
        database::Write,
        error::Error,
        options::{ClockChoice, Options},
        queue::{Job, Work},
        record::Written,
        shared::Shared,
        writer::Writer,
    },
    engine::{apply::apply, command::Stamp, record, state::State},
    model::{
        calendar::Zone,
        id::Lsn,
        planted::{Bug, planted},
        request::Request,
        time::Timestamp,
    },
    storage::{
        disk::Disk,
        error::StorageError,
        log::Log,
        salvage::advise,
        snapshot_reader::{Snapshot, snapshot_damage, unreadable},
        store::{Opened, Store, StoreOptions},
    },
};

/// What is in the folder, beside the state.
#[derive(Default)]
pub(super) struct Found {
    /// `None` in memory alone.
    pub(super) store: Option<Store>,
    pub(super) snapshot_bytes: u64,
    /// The last record that erased a contact.
    pub(super) erased: Option<Lsn>,
    /// When the first one did. Units: milliseconds before now, so never positive.
    pub(super) erasing: Option<i64>,
    /// When the first record after the snapshot was written. Units: as above.
    pub(super) unsaved: Option<i64>,
    /// What was replayed. Units: bytes.
    pub(super) replayed_bytes: u64,
    /// A torn tail that was cut off. Units: bytes.
    pub(super) torn_bytes: u64,
}

/// What recovery found.
struct Recovered {
    state: State,
    found: Found,
    log: Option<Log>,
}

/// Opens a database on a disk and brings it to now; the writer is ready to run.
pub(super) fn open(disk: Option<Arc<dyn Disk>>, options: Options) -> Result<Writer, Error> {
    let watch = Stopwatch::start();
    let recovered = match (&options.dir, disk) {
        (Some(dir), Some(disk)) => {
            recover(Arc::clone(&disk), dir, &options).map_err(|error| advise(&*disk, dir, error))?
        }
        _ => Recovered { state: State::empty(), found: Found::default(), log: None },
    };
    let Recovered { state, found, log } = recovered;
    judge_options(&state, &options)?;
    let (torn_bytes, replayed_bytes) = (found.torn_bytes, found.replayed_bytes);
    let shared = Arc::new(Shared::new(options, state, found));
    shared.meters.torn_bytes.set(torn_bytes);
    shared.logged.set(replayed_bytes);
    if let Some(store) = shared.store() {
        shared.look_at_space(&store);
        if let Some(failed) = store.status().failed {
            shared.fail_with(failed.into());
        }
        if !store.is_tidy() {
            shared.remember_leftovers();
        }
    }
    let mut writer = Writer { shared, log, refused: None, lull: Stopwatch::start() };
    catch_up(&mut writer)?;
    writer.shared.meters.recovery_us.set(watch.elapsed_us());
    Ok(writer)
}

fn recover(disk: Arc<dyn Disk>, dir: &Path, options: &Options) -> Result<Recovered, StorageError> {
    let store_options = StoreOptions {
        mmap: options.mmap,
        file_bytes: options.log_file_bytes,
        ballast_bytes: options.upkeep.ballast_bytes,
        space_return: options.upkeep.space_return,
        ..StoreOptions::default()
    };
    let opened = Store::open(disk, dir, store_options)?;
    let mut state = match &opened.snapshot {
        Some(snapshot) => restore(snapshot)?,
        None => State::empty(),
    };
    let mut found = Found {
        snapshot_bytes: opened.snapshot.as_ref().map_or(0, |snapshot| snapshot.info().bytes),
        torn_bytes: opened.recovery.torn.as_ref().map_or(0, |torn| torn.bytes),
        ..Found::default()
    };
    let now = system_now();
    // A manual clock tells nothing about how long ago something was.
    let ago = |at: Timestamp| if options.clock == ClockChoice::System { (at.0 - now.0).min(0) } else { 0 };
    opened.replay(&mut |lsn, bytes| {
        found.replayed_bytes += bytes.len() as u64;
        let is_erased = replay(&mut state, lsn, bytes)?;
        found.unsaved.get_or_insert(ago(state.as_of));
        if is_erased {
            found.erased = Some(lsn);
            found.erasing.get_or_insert(ago(state.as_of));
        }
        Ok(())
    })?;
    let Opened { store, log, .. } = opened;
    found.store = Some(store);
    Ok(Recovered { state, found, log: Some(log) })
}

/// The state that a snapshot holds.
pub(super) fn restore(snapshot: &Snapshot) -> Result<State, StorageError> {
    let state = State::decode(snapshot).map_err(|damage| unreadable(snapshot.path(), damage))?;
    if snapshot.lsn() != state.lsn {
        let cause = format!("the snapshot of {} holds the state of {}", snapshot.lsn(), state.lsn);
        return Err(snapshot_damage(snapshot.path(), cause));
    }
    Ok(state)
}

/// Applies one record of the log; says whether it erased a contact.
fn replay(state: &mut State, lsn: Lsn, bytes: &[u8]) -> Result<bool, Damage> {
    let (at, mut batch) = record::decode(bytes)?;
    if lsn.0 != state.lsn.0 + 1 {
        return Err(format!("record {lsn} follows {}", state.lsn).into());
    }
    if at < state.as_of {
        let cause = format!("record {lsn} is of {at}, before the record that it follows, {}", state.as_of);
        return Err(cause.into());
    }
    if planted(Bug::HalfBatch) {
        batch.commands.truncate(batch.commands.len().div_ceil(2));
    }
    Ok(apply(state, Stamp { lsn, at }, &batch).erased > 0)
}

fn judge_options(state: &State, options: &Options) -> Result<(), Error> {
    if state.lsn == Lsn(0) {
        return Ok(());
    }
    let folder = state.schema.zone();
    if let Some(asked) = options.zone.as_ref().filter(|asked| *asked != folder) {
        return Err(Error::ZoneFixed { folder: folder.name().into(), asked: asked.name().into() });
    }
    match options.clock {
        ClockChoice::Manual(asked) if asked < state.as_of => Err(Error::ClockBehind { last: state.as_of, asked }),
        _ => Ok(()),
    }
}

/// Founds a new database; lets come due in an old one what is due by now.
fn catch_up(writer: &mut Writer) -> Result<(), Error> {
    if writer.shared.failure().is_some() {
        return Ok(());
    }
    let state = writer.shared.published.load_full();
    let clock = writer.shared.options.clock;
    let is_new = state.lsn == Lsn(0);
    let work = match clock {
        _ if is_new => {
            let zone = writer.shared.options.zone.clone().unwrap_or_else(Zone::utc);
            Work::Write(Write::from(vec![Request::Found(zone)]))
        }
        ClockChoice::Manual(to) if to > state.as_of => Work::Move(to),
        ClockChoice::System if state.next_due().is_some_and(|due| due <= system_now()) => {
            Work::Write(Write::from(vec![Request::Tick(Timestamp::MIN)]))
        }
        _ => return Ok(()),
    };
    drop(state);
    let (sender, receiver) = mpsc::channel::<Result<Written, Error>>();
    let done = Box::new(move |result| drop(sender.send(result)));
    writer.group(vec![Job { work, done }]);
    let written = match receiver.recv().map_err(|_| Error::Closed)? {
        // On a full disk it is opened all the same: what is there can be read, and some of it erased.
        Err(Error::NoRoom(_)) if !is_new => return Ok(()),
        written => written?,
    };
    match written.results.into_iter().next() {
        Some(Err(refusal)) => Err(Error::Refused(refusal)),
        _ => Ok(()),
    }
}
