//! Snapshots: written from a view on a thread of its own while writes go on.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    thread,
};

use crate::{
    db::{clock::Stopwatch, database::Shared, error::Error, record::SnapshotInfo},
    model::id::Lsn,
    storage::{
        error::{StorageError, StorageErrorKind},
        store::Store,
    },
};

/// Writes a snapshot of what is published; waits for one that is on its way.
///
/// Errors: [`Error::Storage`], [`Error::NoRoom`]; [`Error::InMemory`] without a folder.
pub(super) fn take(shared: &Shared) -> Result<SnapshotInfo, Error> {
    let _one_at_a_time = shared.snapshotting.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(store) = shared.store() else {
        return Err(if shared.is_stored { Error::Closed } else { Error::InMemory });
    };
    // Read before the state is looked at, which then holds that erasure.
    let erased = shared.erased.load(Ordering::Acquire);
    write(shared, &store, Lsn(erased))
}

fn write(shared: &Shared, store: &Store, erased: Lsn) -> Result<SnapshotInfo, Error> {
    let watch = Stopwatch::start();
    let state = shared.published.load_full();
    let mut writer = store.start_snapshot(state.lsn)?;
    state.encode(&mut writer).map_err(|error| {
        let dir = shared.options.dir.clone().unwrap_or_default();
        StorageError::new(StorageErrorKind::Io, "writing a snapshot to", dir, error.what)
    })?;
    let info = writer.finish()?;
    // An erased contact must not live on in the snapshot before, nor in the log. A file of the log that goes on after
    // this snapshot may hold one who came and went since that file began: then the next snapshot settles it.
    if erased > Lsn(0) && store.forget_previous()? > erased {
        let _one_came_since = shared.erased.compare_exchange(erased.0, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
    shared.snapshot_bytes.store(info.bytes, Ordering::Relaxed);
    Ok(SnapshotInfo { lsn: info.lsn, bytes: info.bytes, took_us: watch.elapsed_us() })
}

/// Takes a snapshot in the background; what goes wrong is logged, and the next one tries again.
pub(super) fn start(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let started = thread::Builder::new().name("throng-snapshot".into()).spawn(move || match take(&shared) {
        Ok(info) => tracing::info!(lsn = info.lsn.0, bytes = info.bytes, took_us = info.took_us, "snapshot written"),
        Err(error) => tracing::error!(%error, "snapshot failed"),
    });
    if let Err(error) = started {
        tracing::error!(%error, "no thread for a snapshot");
    }
}
