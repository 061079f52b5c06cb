//! How do bytes survive? A data folder with a log, snapshots, a manifest and a lock, through one disk trait.
//!
//! Owns:   every file call, the on-disk format of frames and snapshots, recovery, the error latch.
//! Never:  knows what a payload or a section means; retries a failed sync; guesses past damage.
//! Start:  [`store::Store::open`], [`log::Log::append`], [`snapshot_writer::SnapshotWriter`]; docs/FORMAT.md.

pub mod disk;
pub mod error;
pub mod export;
pub mod log;
pub mod recover;
pub mod snapshot_reader;
pub mod snapshot_writer;
pub mod status;
pub mod store;
