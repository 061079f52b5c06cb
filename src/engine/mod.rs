//! What is the database as a value? State, and how a batch of requests changes it.
//!
//! Owns:   judging requests (`admit`), applying batches (`apply`), records of the log, images of snapshots, the laws.
//! Never:  reads a clock, a file or the network; starts a thread, but for the columns of a long batch.
//! Start:  [`state::State`], [`admit::admit`], [`apply::apply`].

pub mod admit;
pub mod admit_facts;
pub mod admit_segments;
pub mod apply;
pub mod check;
pub mod columns;
pub mod command;
pub mod fits;
pub mod image;
pub mod messages;
pub mod record;
pub mod remembered;
pub mod sighted;
pub mod state;
pub mod what_if;
