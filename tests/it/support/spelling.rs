//! Text tests, one value at a time: folding, globs, regular expressions, email domains.

use std::{cell::RefCell, collections::HashMap};

use regex::Regex;
use throng::rule::ast::TextOp;
use unicode_normalization::UnicodeNormalization;

/// A text as it is compared: composed and, unless case counts, folded character by character.
pub fn comparable(text: &str, case_sensitive: bool) -> String {
    let composed = text.nfc();
    if case_sensitive { composed.collect() } else { composed.map(fold_char).collect() }
}

/// Whether a regular expression is found; each is compiled once.
fn found(text: &str, pattern: &str) -> bool {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        let regex = compiled.entry(pattern.to_owned());
        regex.or_insert_with(|| Regex::new(pattern).expect("checked when the rule was made")).is_match(text)
    })
}

fn fold_char(c: char) -> char {
    unicode_case_mapping::case_folded(c).and_then(|folded| char::from_u32(folded.get())).unwrap_or(c)
}

/// Whether two texts are equal.
pub fn same(a: &str, b: &str, case_sensitive: bool) -> bool {
    comparable(a, case_sensitive) == comparable(b, case_sensitive)
}

/// Whether a text passes a text test.
pub fn passes(text: &str, op: TextOp, pattern: &str, case_sensitive: bool) -> bool {
    if op == TextOp::Regex {
        return found(text, pattern);
    }
    let (text, pattern) = (comparable(text, case_sensitive), comparable(pattern, case_sensitive));
    match op {
        TextOp::Contains => text.contains(&pattern),
        TextOp::StartsWith => text.starts_with(&pattern),
        TextOp::EndsWith => text.ends_with(&pattern),
        TextOp::Glob => {
            let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
            glob(&text, &pattern)
        }
        TextOp::Regex => unreachable!("answered above"),
    }
}

/// Whether the whole text matches a glob of `*`, `?` and `\` escapes.
fn glob(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skipped| glob(&text[skipped..], rest)),
        ['?', rest @ ..] => !text.is_empty() && glob(&text[1..], rest),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => text.first() == Some(literal) && glob(&text[1..], rest),
    }
}

/// The part of an address after the last `@`.
pub fn domain(address: &str) -> Option<&str> {
    address.rfind('@').map(|at| &address[at + 1..])
}

/// The bucket, below `of`, that a stable hash of key and name deals a contact into: XXH3-64 of either, the lower half
/// of the key's mixed with both halves of the name's by MurmurHash3's finalizer, scaled to `of`.
pub fn bucket(key: &str, name: &str, of: u32) -> u32 {
    let mix = |h: u32| {
        let h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
        let h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
        h ^ (h >> 16)
    };
    let salt = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
    let key = xxhash_rust::xxh3::xxh3_64(key.as_bytes()) as u32;
    let hash = mix(mix(key ^ salt as u32) ^ (salt >> 32) as u32);
    (u64::from(hash) * u64::from(of) / (1 << 32)) as u32
}
