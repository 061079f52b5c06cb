//! Names that tell nobody what a segment is.

use crate::model::name::words;

/// Words that say nothing by themselves.
const EMPTY_WORDS: &[&str] = &[
    "a",
    "abc",
    "all",
    "asdf",
    "backup",
    "contacts",
    "copy",
    "customers",
    "data",
    "draft",
    "filter",
    "final",
    "foo",
    "bar",
    "group",
    "leads",
    "list",
    "misc",
    "my",
    "new",
    "of",
    "old",
    "other",
    "people",
    "qwerty",
    "rule",
    "sample",
    "segment",
    "segments",
    "stuff",
    "temp",
    "test",
    "testing",
    "the",
    "thing",
    "things",
    "tmp",
    "todo",
    "tmp",
    "untitled",
    "users",
    "version",
    "xxx",
];

/// What is wrong with a name, if anything is.
pub fn unclear(name: &str) -> Option<&'static str> {
    let letters = name.chars().filter(|c| c.is_alphabetic()).count();
    if letters == 0 {
        return Some("has no letter in it");
    }
    // One letter of some scripts is a word.
    if letters < 3 && name.is_ascii() {
        let is_known = name.trim().chars().all(|c| c.is_ascii_uppercase()) && letters == 2;
        if !is_known {
            return Some("is too short to say who is in it");
        }
    }
    let trimmed = name.trim().to_lowercase();
    if trimmed.starts_with("copy of ") || trimmed.ends_with(" copy") || trimmed.ends_with(')') && numbered(&trimmed) {
        return Some("names a copy, not who is in it");
    }
    let says = |word: &String| !EMPTY_WORDS.contains(&word.as_str()) && !is_number(word);
    (!words(name).iter().any(says)).then_some("says nothing about who is in it")
}

/// Whether a word is a number, or one with a letter before it: `2`, `v2`.
fn is_number(word: &str) -> bool {
    let digits = word.trim_start_matches(['v', '#']);
    !digits.is_empty() && digits.chars().all(|c| c.is_numeric())
}

/// Whether a name ends with a number in parentheses, as copies do.
fn numbered(name: &str) -> bool {
    let inner = name.trim_end_matches(')').rsplit('(').next().unwrap_or_default();
    name.contains('(') && !inner.is_empty() && inner.len() < 4 && inner.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_something_pass() {
        let clear =
            ["VIP", "UK", "Active leads", "客", "São Paulo", "New in May", "Trial 2026", "Churn risk (30 days)"];
        assert!(clear.iter().all(|name| unclear(name).is_none()), "{:?}", clear.map(unclear));
        let bad = [
            "Test",
            "Segment 1",
            "new segment",
            "x",
            "12",
            "--",
            "Copy of VIP",
            "VIP (2)",
            "VIP copy",
            "list v2",
            "tmp",
        ];
        assert!(bad.iter().all(|name| unclear(name).is_some()), "{:?}", bad.map(unclear));
    }
}
