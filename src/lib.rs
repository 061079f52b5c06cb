//! Throng: a bitmap-indexed, in-memory segment database.

pub mod model;
pub mod rule;
