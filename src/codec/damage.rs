//! The one error of decoding: which section, which offset, what was wanted, what was there.

use std::fmt::Display;

/// Bytes that do not mean what they should; never a panic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Damage {
    /// What is wrong and where, lower case, without a full stop.
    pub what: String,
    /// Nothing is wrong: a newer version wrote it, and reads it.
    pub is_newer: bool,
}

impl Damage {
    /// Makes damage from a plain sentence.
    pub fn new(what: impl Into<String>) -> Damage {
        Damage { what: what.into(), is_newer: false }
    }

    /// Makes the refusal of something whole that only a newer version reads.
    pub fn newer(what: impl Into<String>) -> Damage {
        Damage { what: what.into(), is_newer: true }
    }

    /// Makes damage at a place: "section \"x\" at offset 12: wanted …, got …".
    pub fn at(section: &str, offset: u64, wanted: impl Display, got: impl Display) -> Damage {
        if section.is_empty() {
            return Damage::new(format!("at offset {offset}: wanted {wanted}, got {got}"));
        }
        Damage::new(format!("section {section:?} at offset {offset}: wanted {wanted}, got {got}"))
    }
}

impl From<String> for Damage {
    fn from(what: String) -> Damage {
        Damage::new(what)
    }
}

impl From<&str> for Damage {
    fn from(what: &str) -> Damage {
        Damage::new(what)
    }
}
