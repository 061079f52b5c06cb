//! The one integration test binary.
//!
//! - `house`: the house rules, held over the source tree.
//! - `naive`: the naive database by itself, so that the others may trust it.

mod house;
mod naive;
mod support;
