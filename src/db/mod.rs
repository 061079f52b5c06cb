//! How is a database used? The facade: open, write, look, close.
//!
//! Owns:   the one writer thread, the clock, recovery, checkpoints, views and the public error.
//! Never:  shows a bitmap or a plan; speaks HTTP.
//! Start:  [`database::Database`], [`view::View`], [`answer::Answer`].

pub mod alarm;
pub mod answer;
pub mod audience;
pub mod browse;
pub mod checkpoint;
pub mod clock;
pub mod coming;
pub mod database;
pub mod error;
pub mod feed;
pub mod figures;
pub mod keeper;
#[cfg(feature = "server")]
pub mod keys;
pub mod meter;
pub mod open;
#[cfg(feature = "server")]
pub mod open_files;
pub mod options;
pub mod outline;
pub mod past;
pub mod payload;
pub mod queue;
pub mod record;
pub mod review;
pub mod salvage;
pub mod shared;
pub mod since;
pub mod spool;
mod stall;
pub mod suppression;
mod sync;
pub mod verify;
pub mod view;
pub mod what_if;
pub mod why;
pub mod writer;

#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod dump;
#[cfg(test)]
mod full_history;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod planted_tests;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod scheduled;
#[cfg(test)]
mod spool_tests;
