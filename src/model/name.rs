//! Names and keys: strings that have passed their checks.
//!
//! The word law: words are separated by white space, `_`, `-`, `.` or a change from lower to upper case, and
//! compared without case. `Created At`, `created_at` and `createdAt` are one name, kept as `created_at`.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::model::limits;

/// The canonical name of a property, an event kind or an event's property: lower-case words joined by `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name(Arc<str>);

/// Why a string is no name or no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left once separators are taken away.
    #[error("a name needs at least one letter or digit")]
    Empty,
    /// Longer than [`limits::NAME_BYTES_MAX`] or, for a key, [`limits::KEY_BYTES_MAX`].
    #[error("{what} is {bytes} bytes long; at most {max} are allowed")]
    TooLong {
        /// `a name` or `a key`.
        what: &'static str,
        /// The length found.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Holds a control character or a back-tick.
    #[error("a name may not hold a control character or a back-tick")]
    Forbidden,
    /// A key of no bytes.
    #[error("a contact's key may not be empty")]
    EmptyKey,
}

impl Name {
    /// Brings any spelling to its canonical form by the word law.
    ///
    /// Errors: [`NameError`] when nothing is left, when it is too long, or when it holds a forbidden character.
    pub fn new(spelling: &str) -> Result<Name, NameError> {
        if spelling.chars().any(|c| c.is_control() && !c.is_whitespace() || c == '`') {
            return Err(NameError::Forbidden);
        }
        let canonical = words(spelling).join("_");
        if canonical.is_empty() {
            return Err(NameError::Empty);
        }
        if canonical.len() > limits::NAME_BYTES_MAX {
            let bytes = canonical.len();
            return Err(NameError::TooLong { what: "a name", bytes, max: limits::NAME_BYTES_MAX });
        }
        Ok(Name(canonical.into()))
    }

    /// The canonical spelling, `lead_score`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The words of the name in order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split('_')
    }
}

/// Splits a spelling into its lower-case words by the word law.
pub fn words(spelling: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut last_lower = false;
    for c in spelling.nfc() {
        let separator = c.is_whitespace() || matches!(c, '_' | '-' | '.');
        if separator || (last_lower && c.is_uppercase()) {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            last_lower = false;
        }
        if !separator {
            last_lower = c.is_lowercase();
            word.extend(c.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A contact's outside name: any UTF-8 text of 1 to 512 bytes, compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContactKey(Box<str>);

impl ContactKey {
    /// Checks the length.
    ///
    /// Errors: [`NameError::EmptyKey`], [`NameError::TooLong`].
    pub fn new(key: &str) -> Result<ContactKey, NameError> {
        match key.len() {
            0 => Err(NameError::EmptyKey),
            bytes if bytes > limits::KEY_BYTES_MAX => {
                Err(NameError::TooLong { what: "a key", bytes, max: limits::KEY_BYTES_MAX })
            }
            _ => Ok(ContactKey(key.into())),
        }
    }

    /// The key as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_meet() {
        for spelling in ["Created At", "created_at", "createdAt", "created-at", "created.at", " Created  AT "] {
            assert_eq!(Name::new(spelling).unwrap().as_str(), "created_at", "{spelling}");
        }
        assert_eq!(Name::new("última compra").unwrap().as_str(), "última_compra");
        assert_eq!(Name::new("cafe\u{301}").unwrap(), Name::new("CAFÉ").unwrap());
    }

    #[test]
    fn what_is_no_name_says_why() {
        assert_eq!(Name::new(" _-. "), Err(NameError::Empty));
        assert_eq!(Name::new("a`b"), Err(NameError::Forbidden));
        assert!(matches!(Name::new(&"x".repeat(257)), Err(NameError::TooLong { .. })));
        assert!(Name::new(&"x".repeat(256)).is_ok());
        assert_eq!(ContactKey::new(""), Err(NameError::EmptyKey));
        assert!(ContactKey::new(&"k".repeat(512)).is_ok());
        assert!(ContactKey::new(&"k".repeat(513)).is_err());
    }
}
