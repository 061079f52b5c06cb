//! How do bytes survive? A data folder with a log, snapshots, a manifest and a lock, through one disk trait.
//!
//! Owns:   every file call, the on-disk format of frames and snapshots, recovery, the error latch.
//! Never:  knows what a payload or a section means; retries a failed sync; guesses past damage.
//! Start:  [`store::Store::open`], [`log::Log::append`], [`snapshot_writer::SnapshotWriter`]; docs/FORMAT.md.

#[cfg(target_os = "linux")]
pub mod direct_file;
pub mod disk;
pub mod error;
pub mod export;
pub mod folder;
pub mod format;
pub mod frame;
#[cfg(feature = "server")]
pub mod keys_file;
pub mod lock;
pub mod log;
pub mod log_file;
pub mod manifest;
pub mod mmap;
pub mod names;
#[cfg(feature = "server")]
pub mod open_files;
pub mod real_disk;
pub mod recover;
pub mod salvage;
pub mod scratch;
pub mod scrub;
pub mod sim_disk;
mod sim_file;
pub mod sim_ops;
pub mod snapshot_reader;
pub mod snapshot_writer;
pub mod space;
pub mod status;
pub mod store;
pub mod transplant;
pub mod verify;
pub mod watch;
pub mod webhooks_file;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
pub(crate) mod frozen_disk;
#[cfg(test)]
mod kill_tests;
#[cfg(test)]
mod mixup_tests;
#[cfg(test)]
mod scrub_tests;
#[cfg(test)]
mod space_tests;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
pub(crate) mod test_bench;
