//! How is a database used? The facade: open, write, look, close.
//!
//! Owns:   the one writer thread, the clock, recovery, checkpoints, views and the public error.
//! Never:  shows a bitmap or a plan; speaks HTTP.
//! Start:  [`database::Database`], [`view::View`], [`answer::Answer`].

pub mod answer;
pub mod checkpoint;
pub mod clock;
pub mod database;
pub mod error;
pub mod open;
pub mod options;
pub mod payload;
mod queue;
pub mod record;
pub mod verify;
pub mod view;
pub mod writer;
