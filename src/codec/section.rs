//! Named runs of bytes: what an image of the database is made of, whoever stores it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::codec::aligned::{ALIGNMENT, aligned_copy};
use crate::codec::damage::Damage;

/// The longest section name, in bytes.
pub const SECTION_NAME_BYTES: usize = 64;

/// A sink that could not take a section; the sink's owner knows the full cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SinkError {
    /// What went wrong, lower case, without a full stop.
    pub what: String,
}

/// Takes sections one after the other. Nothing may be put before the first `begin`.
pub trait SectionSink {
    /// Ends the section before, if any, and starts the next one on a 64-byte boundary. Names are unique.
    fn begin(&mut self, name: &str) -> Result<(), SinkError>;
    /// Appends bytes to the section.
    fn put(&mut self, bytes: &[u8]) -> Result<(), SinkError>;
    /// Appends zeros up to the next multiple of `to` (a power of two up to 64) from the section's start.
    fn align(&mut self, to: usize) -> Result<(), SinkError>;
    /// Bytes in this section so far.
    fn position(&self) -> u64;
}

/// Gives sections by name, to several threads if need be. Their bytes start on a 64-byte boundary in memory, whether
/// mapped or read.
pub trait SectionSource: Sync {
    /// The bytes of a section; a missing one is damage.
    fn section(&self, name: &str) -> Result<Bytes, Damage>;
    /// Returns whether the section is there.
    fn has(&self, name: &str) -> bool;
    /// The names of all sections, sorted.
    fn names(&self) -> Vec<String>;
}

/// Checks a section name: 1 to 64 bytes of printable ASCII without a space.
pub fn check_section_name(name: &str) -> Result<(), SinkError> {
    let fits = !name.is_empty() && name.len() <= SECTION_NAME_BYTES && name.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(()) } else { Err(SinkError { what: format!("section name {name:?} is not 1 to 64 printable ASCII") }) }
}

/// An image in memory: for tests, for comparing two states byte for byte, for handing a state over without a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryImage {
    sections: BTreeMap<String, Vec<u8>>,
    open: Option<String>,
}

impl MemoryImage {
    /// Starts without sections.
    pub fn new() -> MemoryImage {
        MemoryImage::default()
    }

    /// The sections, by name.
    pub fn sections(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.sections
    }

    /// The sections, to be damaged by a test.
    pub fn sections_mut(&mut self) -> &mut BTreeMap<String, Vec<u8>> {
        &mut self.sections
    }

    fn current(&mut self) -> Result<&mut Vec<u8>, SinkError> {
        let missing = SinkError { what: "bytes were put before a section began".into() };
        let name = self.open.as_ref().ok_or(missing.clone())?;
        self.sections.get_mut(name).ok_or(missing)
    }
}

impl SectionSink for MemoryImage {
    fn begin(&mut self, name: &str) -> Result<(), SinkError> {
        check_section_name(name)?;
        if self.sections.contains_key(name) {
            return Err(SinkError { what: format!("section {name:?} is there already") });
        }
        self.sections.insert(name.into(), Vec::new());
        self.open = Some(name.into());
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.current()?.extend_from_slice(bytes);
        Ok(())
    }

    fn align(&mut self, to: usize) -> Result<(), SinkError> {
        debug_assert!(to.is_power_of_two() && to <= ALIGNMENT, "sections align to powers of two up to 64, not {to}");
        let section = self.current()?;
        section.resize(section.len().next_multiple_of(to), 0);
        Ok(())
    }

    fn position(&self) -> u64 {
        self.open.as_ref().and_then(|name| self.sections.get(name)).map_or(0, |bytes| bytes.len() as u64)
    }
}

impl SectionSource for MemoryImage {
    fn section(&self, name: &str) -> Result<Bytes, Damage> {
        match self.sections.get(name) {
            Some(bytes) => Ok(aligned_copy(bytes)),
            None => Err(Damage::new(format!("section {name:?} is missing"))),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.sections.contains_key(name)
    }

    fn names(&self) -> Vec<String> {
        self.sections.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_back_aligned() {
        let mut image = MemoryImage::new();
        assert!(image.put(b"early").is_err());
        image.begin("one").unwrap();
        image.put(b"abc").unwrap();
        image.align(8).unwrap();
        assert_eq!(image.position(), 8);
        image.begin("two").unwrap();
        assert_eq!(image.position(), 0);
        assert!(image.begin("one").is_err());
        assert!(image.clone().begin("two words").is_err());
        let bytes = image.section("one").unwrap();
        assert_eq!(&bytes[..], b"abc\0\0\0\0\0");
        assert_eq!(bytes.as_ptr().addr() % ALIGNMENT, 0);
        assert!(image.section("three").is_err() && image.has("two"));
        assert_eq!(image.names(), ["one", "two"]);
    }
}
