//! Opening: the newest snapshot, then the log; then what came due while no one looked.

use std::{
    path::Path,
    sync::{Arc, mpsc},
};

use crate::{
    db::{
        clock::{Stopwatch, system_now},
        database::{Shared, Write},
        error::Error,
        options::{ClockChoice, Options},
        queue::{Job, Work},
        record::Written,
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
        error::{StorageError, StorageErrorKind},
        log::Log,
        store::{Opened, Store, StoreOptions},
    },
};

/// What recovery found.
struct Recovered {
    state: State,
    store: Option<Store>,
    log: Option<Log>,
    snapshot_bytes: u64,
    replayed_bytes: u64,
    /// The last record that erased a contact; 0 for none.
    erased: Lsn,
}

/// Opens a database on a disk and brings it to now; the writer is ready to run.
pub(super) fn open(disk: Option<Arc<dyn Disk>>, options: Options) -> Result<Writer, Error> {
    let recovered = match (&options.dir, disk) {
        (Some(dir), Some(disk)) => recover(disk, dir, &options)?,
        _ => Recovered {
            state: State::empty(),
            store: None,
            log: None,
            snapshot_bytes: 0,
            replayed_bytes: 0,
            erased: Lsn(0),
        },
    };
    let Recovered { state, store, log, snapshot_bytes, replayed_bytes, erased } = recovered;
    judge_options(&state, &options)?;
    let shared = Arc::new(Shared::new(options, state, store, snapshot_bytes, erased));
    let mut writer = Writer { shared, log, logged: replayed_bytes, erased: (erased > Lsn(0)).then(Stopwatch::start) };
    catch_up(&mut writer)?;
    Ok(writer)
}

fn recover(disk: Arc<dyn Disk>, dir: &Path, options: &Options) -> Result<Recovered, Error> {
    let store_options =
        StoreOptions { mmap: options.mmap, file_bytes: options.log_file_bytes, ..StoreOptions::default() };
    let opened = Store::open(disk, dir, store_options)?;
    let damaged = |what: String| StorageError::new(StorageErrorKind::CorruptSnapshot, "reading", dir, what);
    let mut state = match &opened.snapshot {
        Some(snapshot) => State::decode(snapshot).map_err(|damage| damaged(damage.what))?,
        None => State::empty(),
    };
    if let Some(snapshot) = opened.snapshot.as_ref().filter(|snapshot| snapshot.lsn() != state.lsn) {
        let what = format!("the snapshot of {} holds the state of {}", snapshot.lsn(), state.lsn);
        return Err(damaged(what).into());
    }
    let snapshot_bytes = opened.snapshot.as_ref().map_or(0, |snapshot| snapshot.info().bytes);
    let (mut replayed_bytes, mut erased) = (0, Lsn(0));
    opened.replay(&mut |lsn, bytes| {
        replayed_bytes += bytes.len() as u64;
        if replay(&mut state, lsn, bytes)? {
            erased = lsn;
        }
        Ok(())
    })?;
    let Opened { store, log, .. } = opened;
    Ok(Recovered { state, store: Some(store), log: Some(log), snapshot_bytes, replayed_bytes, erased })
}

/// Applies one record of the log; says whether it erased a contact.
fn replay(state: &mut State, lsn: Lsn, bytes: &[u8]) -> Result<bool, String> {
    let (at, mut batch) = record::decode(bytes).map_err(|damage| damage.what)?;
    if lsn.0 != state.lsn.0 + 1 {
        return Err(format!("record {lsn} follows {}", state.lsn));
    }
    if at < state.as_of {
        return Err(format!("record {lsn} is of {at}, before the record that it follows, {}", state.as_of));
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
    let state = writer.shared.published.load_full();
    let clock = writer.shared.options.clock;
    let work = match clock {
        _ if state.lsn == Lsn(0) => {
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
    let written = receiver.recv().map_err(|_| Error::Closed)??;
    match written.results.into_iter().next() {
        Some(Err(refusal)) => Err(Error::Refused(refusal)),
        _ => Ok(()),
    }
}
