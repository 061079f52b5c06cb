//! The one integration test binary.
//!
//! - `facts`: the index against the naive database, and its images.
//! - `house`: the house rules, held over the source tree.
//! - `naive`: the naive database by itself, so that the others may trust it.

mod facts;
mod house;
mod naive;
mod support;
