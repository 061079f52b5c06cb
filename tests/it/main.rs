//! The one integration test binary.
//!
//! - `house`: the house rules, held over the source tree.
//! - `rules`: the rule language, by data files.

mod house;
mod rules;
mod support;
