//! What are the standing answers? The book of segments.
//!
//! Owns:   segments by id and name, their rules, versions, dependencies, static lists and pins.
//! Never:  reads a contact's values, keeps time, evaluates a rule.
//! Start:  [`book::Book`], [`saved::Segment`].

pub mod book;
pub mod image;
pub mod rename;
pub mod saved;
