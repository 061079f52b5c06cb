//! What are the standing answers? The book of segments.
//!
//! Owns:   segments by id and name, their versions and dependencies, static lists.
//! Never:  reads a property's values; keeps time.
//! Start:  the book, which is on its way.
