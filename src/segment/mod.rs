//! What are the standing answers? The book of segments, and who is in each.
//!
//! Owns:   segments by id and name, their rules, versions, dependencies, lists and pins; their members, kept right as
//!         facts and time change; the feed of who entered and left.
//! Never:  changes a fact, reads a clock.
//! Start:  [`book::Book`], [`live::Live`], [`feed::Feed`].

pub mod agenda;
pub mod alone;
pub mod book;
pub mod define;
pub mod delta;
pub mod feed;
pub mod formula;
pub mod history;
mod holders;
pub mod image;
pub mod live;
pub mod live_image;
mod looking;
pub mod march;
pub mod outlook;
mod panel;
pub mod rename;
pub mod saved;
pub mod settle;
pub mod since;
pub mod touches;
