//! How do bytes become values, and values bytes? Bounds-checked, checksummed, little-endian, in named sections.
//!
//! Owns:   the cursor and the writer, the checksums, the packing of small metadata, the section traits.
//! Never:  knows what a contact, a rule or a file is.
//! Start:  [`cursor::Cursor`], [`cursor::Writer`], [`section::SectionSink`], [`section::SectionSource`].

pub mod aligned;
pub mod checksum;
pub mod cursor;
pub mod damage;
pub mod pack;
pub mod section;
