//! What is the database as a value? State, and how a batch of requests changes it.
//!
//! Owns:   judging requests (`admit`), applying batches (`apply`), records of the log, images of snapshots, the laws.
//! Never:  reads a clock, a file or the network; starts a thread.
//! Start:  [`state::State`].

pub mod state;
