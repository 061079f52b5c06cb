//! Throng: a bitmap-indexed, in-memory segment database.

pub mod db;
pub mod engine;
pub mod model;
pub mod rule;
