//! Throng: a bitmap-indexed, in-memory segment database.

pub mod bitmap;
#[cfg(feature = "server")]
pub mod cli;
pub mod codec;
pub mod db;
pub mod engine;
#[cfg(feature = "server")]
pub mod http;
pub mod index;
pub mod model;
pub mod query;
pub mod rule;
pub mod segment;
pub mod storage;
