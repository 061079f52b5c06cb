//! Throng: a bitmap-indexed, in-memory segment database.

pub mod bitmap;
pub mod codec;
pub mod db;
pub mod engine;
pub mod index;
pub mod model;
pub mod query;
pub mod rule;
pub mod segment;
pub mod storage;
