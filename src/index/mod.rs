//! What is known of every contact? Facts and their indexes.

#![allow(clippy::unimplemented)]

pub mod column;
pub mod packed;
