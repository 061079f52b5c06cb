//! Throng: a bitmap-indexed, in-memory segment database. Who is in it, how many, and why: exactly, and at once.
//!
//! Contacts have properties and events; a rule says who is in a segment. A rule is answered from bitmaps in memory; a log
//! that is synced before a write is acknowledged, and snapshots that are mapped at the start, keep everything on disk.
//!
//! ```
//! use throng::{
//!     ContactKey, ContactWrite, Database, Input, Name, Number, Options, Request, RuleSource, Timestamp, WriteMode,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In memory, on a clock that stands still. `Options::folder("throng-data")` lasts, on the system's clock.
//! let db = Database::open(Options::default().at(Timestamp::parse("2026-05-01T00:00:00Z")?))?;
//! let written = db.write(Request::Contact(ContactWrite {
//!     key: ContactKey::new("u-1")?,
//!     mode: WriteMode::Merge,
//!     values: vec![
//!         (Name::new("lead_score")?, Input::Number(Number::from_int(80))),
//!         (Name::new("tags")?, Input::List(vec![Input::Text("VIP".into())])),
//!     ],
//! }))?;
//! assert!(written.results[0].is_ok());
//!
//! let view = db.view(); // one instant, for as long as it is held
//! let rule = view.parse_rule(&RuleSource::Text("Has tag \"VIP\" AND Lead Score > 50".into()))?;
//! let answer = view.query(&rule, None)?;
//! assert_eq!(answer.count(), 1);
//! assert_eq!(&*answer.keys(None, 10).items[0], "u-1");
//! # Ok(())
//! # }
//! ```
//!
//! # The rooms
//!
//! In reading order, ground floor first. A room imports only rooms before it, and only those that
//! `docs/ARCHITECTURE.md` names.
//!
//! - [`codec`]: bytes and values; a bounds-checked cursor, checksums, named sections.
//! - [`model`]: the nouns; ids, names, values, time, the schema, requests, limits.
//! - [`bitmap`]: sets of contact ids, in chunks of 65,536, and the loops over their words.
//! - [`rule`]: the rule language; text and JSON to one tree and back, with errors that point.
//! - [`index`]: facts; keys, columns, dictionaries, postings, events, derived properties.
//! - [`query`]: questions; a rule bound to a plan, evaluated chunk by chunk, asked of one contact, explained.
//! - [`segment`]: standing answers; the book of saved rules and lists.
//! - [`analytics`]: figures; funnels, rates, breakdowns, overlaps, the review of segments.
//! - [`engine`]: the database as a value; what may refuse, what cannot fail, records, images, laws.
//!
//! Here is the waterline: nothing above it knows a file, a clock, a socket or async. One log gives one state.
//!
//! - [`storage`]: files; the log, snapshots, the manifest, the lock, recovery; what is in them is opaque to it.
//! - [`db`]: the facade; one writer, views that never wait, the clock, checkpoints.
//! - `webhook`: who outside is told of changes, signed and surely (feature `server`).
//! - `http`: the API, one file a resource (feature `server`).
//! - `web`: the page, rendered on the server (feature `server`).
//! - `cli`: the subcommands and the generator of demonstration data (feature `server`).

pub mod analytics;
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
#[cfg(feature = "server")]
pub mod web;
#[cfg(feature = "server")]
pub mod webhook;

pub use crate::db::answer::Answer;
pub use crate::db::database::Database;
pub use crate::db::error::Error;
pub use crate::db::options::{ClockChoice, Options};
pub use crate::db::record::Written;
pub use crate::db::view::View;
pub use crate::model::calendar::Zone;
pub use crate::model::name::{ContactKey, Name};
pub use crate::model::number::Number;
pub use crate::model::request::{ContactWrite, EventWrite, Input, Request, RuleSource, WriteMode};
pub use crate::model::time::Timestamp;
pub use crate::rule::ast::Rule;
pub use crate::rule::error::RuleError;
