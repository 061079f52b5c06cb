//! One test of a text, compiled once, asked of many texts: of dictionaries, of sets, of events.

use memchr::memmem::Finder;
use regex::Regex;

use crate::model::fold::{fold, nfc};

/// A test of a text. The needles are folded, or composed (NFC) where texts are compared with case.
#[derive(Clone, Debug)]
pub enum TextMatch {
    /// Is the needle.
    Equal(String),
    /// Has the needle somewhere.
    Contains(Box<Finder<'static>>),
    /// Begins with the needle.
    StartsWith(String),
    /// Ends with the needle.
    EndsWith(String),
    /// The whole text matches a glob.
    Glob(Glob),
    /// A regular expression is found in the text as it was written.
    Regex(Box<Regex>),
}

/// A compiled glob.
#[derive(Clone, Debug)]
pub struct Glob {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    AnyOne,
    AnyRun,
}

impl TextMatch {
    /// The test `= text`.
    pub fn equal(text: &str, case_sensitive: bool) -> TextMatch {
        TextMatch::Equal(key_of(text, case_sensitive))
    }

    /// The test `contains text`.
    pub fn contains(text: &str, case_sensitive: bool) -> TextMatch {
        TextMatch::Contains(Box::new(Finder::new(&key_of(text, case_sensitive)).into_owned()))
    }

    /// The test `starts with text`.
    pub fn starts_with(text: &str, case_sensitive: bool) -> TextMatch {
        TextMatch::StartsWith(key_of(text, case_sensitive))
    }

    /// The test `ends with text`.
    pub fn ends_with(text: &str, case_sensitive: bool) -> TextMatch {
        TextMatch::EndsWith(key_of(text, case_sensitive))
    }

    /// The test `matches "glob"`: `*` is any run, `?` any one character, `\` takes the next character as it is.
    pub fn glob(pattern: &str, case_sensitive: bool) -> TextMatch {
        TextMatch::Glob(Glob::new(&key_of(pattern, case_sensitive)))
    }

    /// The test `matches /regex/`.
    pub fn regex(regex: Regex) -> TextMatch {
        TextMatch::Regex(Box::new(regex))
    }

    /// Whether the test reads the text as it was written and not its key.
    pub fn reads_original(&self) -> bool {
        matches!(self, TextMatch::Regex(_))
    }

    /// Asks the test. `key` is the text's [`key_of`] under the property's case rule.
    pub fn matches(&self, original: &str, key: &str) -> bool {
        let _ = (original, key);
        unimplemented!()
    }

    /// Asks the test of a text whose key is not at hand.
    pub fn matches_text(&self, original: &str, case_sensitive: bool) -> bool {
        match self {
            TextMatch::Regex(regex) => regex.is_match(original),
            _ => self.matches(original, &key_of(original, case_sensitive)),
        }
    }
}

impl Glob {
    /// Compiles a pattern that was brought to its key already.
    pub fn new(pattern: &str) -> Glob {
        let _ = pattern;
        unimplemented!()
    }
}

/// What texts are compared by: the folded text, or the composed one where case counts.
pub fn key_of(text: &str, case_sensitive: bool) -> String {
    if case_sensitive { nfc(text).into_owned() } else { fold(text).into_owned() }
}
