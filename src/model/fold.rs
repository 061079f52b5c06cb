//! Text comparison without case: Unicode simple case folding after NFC.
//!
//! Source: the Unicode Standard, section 3.13 and CaseFolding.txt (statuses C and S).

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Folds a text for comparison without case. ASCII that is already lower-case is borrowed.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    Cow::Owned(nfc(text).chars().map(fold_char).collect())
}

/// Composes a text (NFC); already composed text is borrowed.
pub fn nfc(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

fn fold_char(c: char) -> char {
    unicode_case_mapping::case_folded(c).and_then(|folded| char::from_u32(folded.get())).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_is_simple_and_after_composition() {
        assert_eq!(fold("HELLO"), "hello");
        assert!(matches!(fold("hello"), Cow::Borrowed(_)));
        assert_eq!(fold("ÉCOLE"), fold("e\u{301}cole"));
        assert_eq!(fold("Σίσυφος"), fold("ΣΊΣΥΦΟΣ"));
        assert_eq!(fold("Straße"), "straße", "simple folding keeps the length");
        assert_ne!(fold("Straße"), fold("STRASSE"));
        assert_eq!(fold("\u{212A}"), "k", "the Kelvin sign is a k");
    }
}
