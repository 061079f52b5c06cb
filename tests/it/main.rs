//! The one integration test binary.
//!
//! - `house`: the house rules, held over the source tree.
//! - `rules`: the rule language, by data files.
//! - `time`: ages, windows, periods and anniversaries at the exact millisecond.
//! - `oracle`: random rules and histories against a naive database, row by row.
//! - `http`: the API over a socket.
//! - `cli`: the command line, as typed.
//! - `kill`: kill -9 of the real server in the middle of writes.

mod cli;
mod house;
mod http;
mod kill;
mod rules;
mod support;
