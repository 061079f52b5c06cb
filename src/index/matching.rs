//! One test of a text, compiled once, asked of many texts: of dictionaries, of sets, of events.

use std::borrow::Cow;

use memchr::memmem::Finder;
use regex::Regex;

use crate::{
    index::expression::Expression,
    model::fold::{fold, nfc},
};

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
    Regex(Box<Expression>),
}

/// A compiled glob: what lies between its stars.
#[derive(Clone, Debug)]
pub struct Glob {
    segments: Vec<Segment>,
}

/// A run of a glob without a star; `None` is any one character.
#[derive(Clone, Debug, Default)]
struct Segment {
    chars: Vec<Option<char>>,
    /// The segment as plain text, if it has no question mark.
    literal: Option<Literal>,
}

/// A text to compare with, and to seek.
#[derive(Clone, Debug)]
struct Literal {
    bytes: Box<[u8]>,
    finder: Box<Finder<'static>>,
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
        TextMatch::Regex(Box::new(Expression::new(regex)))
    }

    /// Whether the test reads the text as it was written and not its key.
    pub fn reads_original(&self) -> bool {
        matches!(self, TextMatch::Regex(_))
    }

    /// Asks the test. `key` is the text's [`key_of`] under the property's case rule.
    pub fn matches(&self, original: &str, key: &str) -> bool {
        match self {
            TextMatch::Equal(needle) => key == needle,
            TextMatch::Contains(finder) => finder.find(key.as_bytes()).is_some(),
            TextMatch::StartsWith(needle) => key.starts_with(needle.as_str()),
            TextMatch::EndsWith(needle) => key.ends_with(needle.as_str()),
            TextMatch::Glob(glob) => glob.matches(key),
            TextMatch::Regex(expression) => expression.is_in(original),
        }
    }

    /// Asks the test of a text whose key is not at hand.
    pub fn matches_text(&self, original: &str, case_sensitive: bool) -> bool {
        match self {
            TextMatch::Regex(expression) => expression.is_in(original),
            _ => self.matches(original, &key(original, case_sensitive)),
        }
    }

    /// Runs of bytes that the key of every passing text has.
    pub fn literals(&self) -> Vec<&[u8]> {
        match self {
            TextMatch::Equal(needle) | TextMatch::StartsWith(needle) | TextMatch::EndsWith(needle) => {
                vec![needle.as_bytes()]
            }
            TextMatch::Contains(finder) => vec![finder.needle()],
            TextMatch::Glob(glob) => {
                glob.segments.iter().filter_map(|segment| segment.literal.as_ref()).map(|known| &*known.bytes).collect()
            }
            TextMatch::Regex(_) => vec![],
        }
    }
}

impl Glob {
    /// Compiles a pattern that was brought to its key already. A `\` at the end is itself.
    pub fn new(pattern: &str) -> Glob {
        let mut segments = vec![Segment::default()];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let last = segments.last_mut().expect("there is a segment from the start");
            match c {
                '*' => segments.push(Segment::default()),
                '?' => last.chars.push(None),
                '\\' => last.chars.push(Some(chars.next().unwrap_or('\\'))),
                c => last.chars.push(Some(c)),
            }
        }
        for segment in &mut segments {
            let literal: Option<String> = segment.chars.iter().copied().collect();
            segment.literal = literal.map(|text| Literal {
                finder: Box::new(Finder::new(&text).into_owned()),
                bytes: text.into_bytes().into(),
            });
        }
        Glob { segments }
    }

    /// The glob as a beginning, one text somewhere behind it, and an end behind that, if it is made so.
    pub fn around_one(&self) -> Option<(&[u8], &Finder<'static>, &[u8])> {
        let [first, middle, last] = self.segments.as_slice() else { return None };
        let [first, middle, last] = [&first.literal, &middle.literal, &last.literal];
        let (first, middle, last) = (first.as_ref()?, middle.as_ref()?, last.as_ref()?);
        (!middle.bytes.is_empty()).then_some((&*first.bytes, &*middle.finder, &*last.bytes))
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let [first, rest @ ..] = self.segments.as_slice() else { return false };
        let Some(mut at) = first.end_at(text, 0) else { return false };
        let [middle @ .., last] = rest else { return at == text.len() };
        let Some(start) = last.start_of_end(text) else { return false };
        for segment in middle {
            match segment.find(text, at) {
                Some(end) => at = end,
                None => return false,
            }
        }
        start >= at
    }
}

impl Segment {
    /// Where the segment ends when it begins at byte `at`.
    fn end_at(&self, text: &str, at: usize) -> Option<usize> {
        if self.chars.is_empty() {
            return Some(at);
        }
        if let Some(Literal { bytes, .. }) = &self.literal {
            return text.as_bytes()[at..].starts_with(bytes).then_some(at + bytes.len());
        }
        let mut chars = text[at..].chars();
        for wanted in &self.chars {
            let c = chars.next()?;
            if wanted.is_some_and(|wanted| wanted != c) {
                return None;
            }
        }
        Some(text.len() - chars.as_str().len())
    }

    /// Where the first occurrence from byte `at` on ends.
    fn find(&self, text: &str, at: usize) -> Option<usize> {
        if let Some(Literal { bytes, finder }) = &self.literal {
            let found = match (&**bytes, &text.as_bytes()[at..]) {
                ([byte], rest) => memchr::memchr(*byte, rest),
                (_, rest) => finder.find(rest),
            };
            return found.map(|found| at + found + bytes.len());
        }
        let starts = text[at..].char_indices().map(|(offset, _)| at + offset);
        starts.into_iter().find_map(|start| self.end_at(text, start))
    }

    /// Where the segment begins that ends with the text, if the text ends with it.
    fn start_of_end(&self, text: &str) -> Option<usize> {
        if let Some(Literal { bytes, .. }) = &self.literal {
            let start = text.len().checked_sub(bytes.len())?;
            // Mostly short, and told apart by its last byte.
            let mut both = text.as_bytes()[start..].iter().zip(bytes).rev();
            return both.all(|(a, b)| a == b).then_some(start);
        }
        let start = text.char_indices().rev().nth(self.chars.len() - 1)?.0;
        (self.end_at(text, start) == Some(text.len())).then_some(start)
    }
}

/// What texts are compared by: the folded text, or the composed one where case counts.
pub fn key_of(text: &str, case_sensitive: bool) -> String {
    key(text, case_sensitive).into_owned()
}

/// [`key_of`], borrowed where it is the text itself.
pub fn key(text: &str, case_sensitive: bool) -> Cow<'_, str> {
    match case_sensitive {
        true if text.is_ascii() => Cow::Borrowed(text),
        true => nfc(text),
        false => fold(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Globs by the definition, one character at a time.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            ['?', rest @ ..] => !text.is_empty() && naive(rest, &text[1..]),
            ['\\', c, rest @ ..] | [c, rest @ ..] => text.first() == Some(c) && naive(rest, &text[1..]),
        }
    }

    fn words(alphabet: &[char], most: usize) -> Vec<Vec<char>> {
        let mut all = vec![vec![]];
        let mut from = 0;
        for _ in 0..most {
            let to = all.len();
            for at in from..to {
                for c in alphabet {
                    let mut longer: Vec<char> = all[at].clone();
                    longer.push(*c);
                    all.push(longer);
                }
            }
            from = to;
        }
        all
    }

    #[test]
    fn globs_agree_with_the_definition() {
        let texts = words(&['a', 'é', '*'], 4);
        for pattern in words(&['a', 'é', '*', '?', '\\'], 4) {
            let glob = Glob::new(&pattern.iter().collect::<String>());
            for text in &texts {
                let written: String = text.iter().collect();
                assert_eq!(glob.matches(&written), naive(&pattern, text), "{pattern:?} {text:?}");
            }
        }
    }

    #[test]
    fn tests_ignore_case_unless_told_and_regexes_read_what_was_written() {
        type Make = fn(&str, bool) -> TextMatch;
        let cases: [(Make, &str, &str, bool, bool); 10] = [
            (TextMatch::contains, "ÉCO", "L'e\u{301}cole", false, true),
            (TextMatch::contains, "ÉCO", "L'École", true, false),
            (TextMatch::contains, "Éco", "L'E\u{301}cole", true, true),
            (TextMatch::starts_with, "acme", "ACME Inc", false, true),
            (TextMatch::starts_with, "acme", "ACME Inc", true, false),
            (TextMatch::ends_with, "inc", "ACME Inc", false, true),
            (TextMatch::ends_with, "inc", "ACME Inc", true, false),
            (TextMatch::glob, "A?ME *", "acme inc", false, true),
            (TextMatch::glob, "A?ME *", "acme inc", true, false),
            (TextMatch::equal, "acme inc", "ACME Inc", false, true),
        ];
        for (make, needle, text, case_sensitive, wanted) in cases {
            let test = make(needle, case_sensitive);
            assert_eq!(test.matches_text(text, case_sensitive), wanted, "{needle} {text}");
        }
        let regex = TextMatch::regex(Regex::new("^A").unwrap());
        assert!(regex.matches_text("Abc", false) && !regex.matches_text("abc", false));
    }
}
