//! Salvage: a new folder from what of a damaged one still verifies. The damaged one is only read.

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use crate::{
    codec::damage::Damage,
    db::{error::Error, open},
    engine::{apply::apply, command::Stamp, fits::fits, record, state::State},
    model::id::Lsn,
    storage::{
        disk::Disk,
        error::{StorageError, StorageErrorKind},
        lock::lock_folder,
        real_disk::RealDisk,
        salvage::{Discarded, SalvageOptions, Survey, survey},
        store::StoreOptions,
        transplant::found_at,
        webhooks_file,
    },
};

/// What to salvage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SalvageWish {
    /// Nothing after this write.
    pub up_to: Option<Lsn>,
    /// Go on behind damage with what still verifies and fits; else it ends at the first damage.
    pub skip: bool,
    /// Begin with the intact snapshot before the newest one.
    pub from_previous: bool,
}

/// What a salvage did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The snapshot it began with; `None` when the log was read from its first write.
    pub from: Option<Lsn>,
    /// The last write that is in the new folder.
    pub lsn: Lsn,
    /// Contacts in it.
    pub contacts: u64,
    /// Every write that is not in it, as far as anything tells of it: the first, the last, and why.
    pub discarded: Vec<(Lsn, Lsn, String)>,
    /// Files that could not be used.
    pub notes: Vec<String>,
}

impl Salvaged {
    /// For people; the same is in the new folder.
    pub fn report(&self) -> String {
        let mut out = String::new();
        let from = self.from.map_or("the first write".to_owned(), |lsn| format!("the snapshot of LSN {lsn}"));
        let _ = writeln!(out, "salvaged from {from} up to LSN {}: {} contacts", self.lsn, self.contacts);
        if self.discarded.is_empty() {
            let _ = writeln!(out, "no write was left out");
        }
        for (first, last, why) in &self.discarded {
            let _ = match first == last {
                true => writeln!(out, "left out: LSN {first}: {why}"),
                false => writeln!(out, "left out: LSN {first} to {last}, {} writes: {why}", last.0 - first.0 + 1),
            };
        }
        for note in &self.notes {
            let _ = writeln!(out, "not used: {note}");
        }
        out
    }
}

/// Writes what of a folder still verifies to a new one.
///
/// Errors: a folder in use, one that a newer version wrote to, one of which nothing verifies, a target that is not empty, a disk that fails; and what is
/// left making no whole state, which only a salvage with `skip` can meet.
pub fn salvage(dir: &Path, to: &Path, wish: SalvageWish) -> Result<Salvaged, Error> {
    salvage_on(Arc::new(RealDisk), dir, to, wish)
}

/// As [`salvage`], on another medium than the machine's own disk.
///
/// Errors: as [`salvage`].
pub fn salvage_on(disk: Arc<dyn Disk>, dir: &Path, to: &Path, wish: SalvageWish) -> Result<Salvaged, Error> {
    let _nobody_writes = match lock_folder(&*disk, dir) {
        Ok(lock) => Some(lock),
        Err(error) if error.kind == StorageErrorKind::Locked => return Err(error.into()),
        // A medium that takes no lock takes no writes either.
        Err(_) => None,
    };
    let found = survey(&*disk, dir)?;
    let (state, mut salvaged) = gather(&found, dir, wish)?;
    let options = StoreOptions { file_bytes: found.log_file_bytes(), ..StoreOptions::default() };
    let store = found_at(Arc::clone(&disk), to, state.lsn, options)?;
    let mut writer = store.start_snapshot(state.lsn)?;
    state
        .encode(&mut writer)
        .map_err(|error| StorageError::new(StorageErrorKind::Io, "writing a snapshot to", to, error.what))?;
    writer.finish()?;
    match webhooks_file::read(&*disk, dir, None) {
        Ok(Some(webhooks)) => store.keep_webhooks(&webhooks.body)?,
        Ok(None) => {}
        Err(error) => salvaged.notes.push(error.to_string()),
    }
    store.finish_founding(&salvaged.report())?;
    Ok(salvaged)
}

/// The state that what still verifies comes to.
fn gather(found: &Survey<'_>, dir: &Path, wish: SalvageWish) -> Result<(State, Salvaged), Error> {
    let options = SalvageOptions { up_to: wish.up_to, skip: wish.skip, from_previous: wish.from_previous };
    let mut notes = found.notes.clone();
    let (from, mut state) = base(found, options, &mut notes)?;
    let discarded =
        found.replay(from.unwrap_or(Lsn(0)), options, &mut |lsn, payload| take(&mut state, lsn, payload))?;
    let refused = |cause: String| {
        let error = StorageError::new(StorageErrorKind::CorruptLog, "salvaging", dir, cause);
        Err(Error::from(error))
    };
    if state.lsn == Lsn(0) {
        let why = discarded.first().map_or("there is no log", |left| &left.why);
        return refused(format!("not one write verifies: {why}"));
    }
    if let Err(law) = state.check() {
        return refused(format!(
            "what is left when damage is skipped makes no whole state ({law}); salvage without --skip, or with \
             --up-to-lsn a write before the damage"
        ));
    }
    let discarded = discarded.into_iter().map(|Discarded { first, last, why }| (first, last, why)).collect();
    let salvaged = Salvaged { from, lsn: state.lsn, contacts: state.index.live().len(), discarded, notes };
    Ok((state, salvaged))
}

/// The newest snapshot that is intact and that its state can be read from, or the empty state.
fn base(found: &Survey<'_>, options: SalvageOptions, notes: &mut Vec<String>) -> Result<(Option<Lsn>, State), Error> {
    let wanted = found.snapshots.iter().filter(|info| options.up_to.is_none_or(|up_to| info.lsn <= up_to));
    for info in wanted.skip(usize::from(options.from_previous)) {
        match found.open(*info).map_err(Error::from).and_then(|snapshot| Ok(open::restore(&snapshot)?)) {
            Ok(state) => return Ok((Some(info.lsn), state)),
            Err(error) if error.exit_code() == StorageErrorKind::NewerFormat.exit_code() => return Err(error),
            Err(error) => notes.push(error.to_string()),
        }
    }
    Ok((None, State::empty()))
}

/// Applies one record, if it fits what is there.
fn take(state: &mut State, lsn: Lsn, payload: &[u8]) -> Result<(), Damage> {
    let (at, batch) = record::decode(payload)?;
    if at < state.as_of {
        return Err(format!("it is of {at}, before the record that it follows, {}", state.as_of).into());
    }
    fits(state, &batch)?;
    let mut next = state.clone();
    // Where writes were skipped, the LSNs go on behind them.
    next.lsn = Lsn(lsn.0 - 1);
    let applied = catch_unwind(AssertUnwindSafe(|| apply(&mut next, Stamp { lsn, at }, &batch)));
    applied.map_err(|_| "it does not apply to the state before it".to_owned())?;
    *state = next;
    Ok(())
}
