//! The one integration test binary.
//!
//! - `house`: the house rules, held over the source tree.

mod house;
mod support;
