//! The one integration test binary.
//!
//! - `facts`: the index against the naive database, and its images.
//! - `history`: random requests through the engine and the naive database, batch after batch.
//! - `house`: the house rules, held over the source tree.
//! - `naive`: the naive database by itself, so that the others may trust it.
//! - `oracle`: random rules on random worlds, asked of the product and of the naive database.
//! - `rules`: the rule language, by data files.
//! - `time`: ages, windows, periods and days by hand, at the last millisecond inside and the first outside.

mod facts;
mod history;
mod house;
mod naive;
mod oracle;
mod rules;
mod support;
mod time;
