//! Throng: a bitmap-indexed, in-memory segment database.

pub mod codec;
pub mod model;
pub mod rule;
pub mod engine;
pub mod db;
