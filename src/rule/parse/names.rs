//! Names in running text: the longest run of words that the schema knows, and what may follow one.

use crate::{
    model::{
        calendar::Unit,
        limits,
        name::{self, Name},
        schema::{EventKind, Property},
    },
    rule::{parse::Parser, token::Kind},
};

/// Words that end a run of bare words.
pub const RESERVED: [&str; 23] = [
    "and",
    "or",
    "xor",
    "not",
    "in",
    "is",
    "between",
    "contains",
    "starts",
    "ends",
    "matches",
    "where",
    "at",
    "least",
    "exactly",
    "within",
    "since",
    "before",
    "after",
    "including",
    "excluding",
    "then",
    "of",
];

/// A name that was found: where it ends, and what it names.
pub type Found<T> = (usize, T);

impl<'a> Parser<'a> {
    /// Every name that starts at a place, longest first. A word written with `_` is a whole name by itself.
    pub fn runs<T>(&self, from: usize, known: impl Fn(&str) -> Option<T>) -> Vec<Found<T>> {
        if let Kind::Name(spelling) = self.kind_at(from) {
            let found = Name::new(spelling).ok().and_then(|name| known(name.as_str()));
            return found.map(|found| (from + 1, found)).into_iter().collect();
        }
        let mut found = Vec::new();
        let mut key = String::new();
        let mut at = from;
        while let Some(word) = self.word_at(at) {
            let parts = name::words(word);
            let whole = word.contains('_');
            if parts.is_empty() || (whole && at > from) || key.len() > limits::NAME_BYTES_MAX {
                break;
            }
            for part in &parts {
                if !key.is_empty() {
                    key.push('_');
                }
                key.push_str(part);
            }
            at += 1;
            if parts.last().is_none_or(|last| last != "not" || whole)
                && let Some(name) = known(&key)
            {
                found.push((at, name));
                if whole {
                    break;
                }
            }
        }
        found.reverse();
        found
    }

    /// The property named here that an operator follows; else the longest one named here.
    pub fn property(&self, from: usize) -> Option<Found<&'a Property>> {
        let schema = self.schema;
        self.with_operator(self.runs(from, |name| schema.property(name)))
    }

    /// The event's property named here that an operator follows; else the longest one named here.
    pub fn event_property(&self, from: usize, kind: &'a EventKind) -> Option<Found<Name>> {
        self.with_operator(self.runs(from, |name| kind.property(name).map(|(_, property)| property.name.clone())))
    }

    fn with_operator<T>(&self, runs: Vec<Found<T>>) -> Option<Found<T>> {
        let best = runs.iter().position(|(end, _)| self.operator(*end)).unwrap_or(0);
        runs.into_iter().nth(best)
    }

    /// The event named here that something of an event's rule follows; else the longest one named here.
    pub fn event(&self, from: usize) -> Option<Found<&'a EventKind>> {
        let schema = self.schema;
        if let Kind::Text(spelling) = self.kind_at(from) {
            let kind = Name::new(spelling).ok().and_then(|name| schema.event(name.as_str()));
            return kind.map(|kind| (from + 1, kind));
        }
        let runs = self.runs(from, |name| schema.event(name));
        let best = runs.iter().position(|(end, _)| self.event_goes_on(*end)).unwrap_or(0);
        runs.into_iter().nth(best)
    }

    /// The longest event phrase here that something of an event's rule follows, and whether it is negative.
    pub fn phrase(&self, from: usize) -> Option<Found<(&'a EventKind, bool)>> {
        let mut words: Vec<String> = Vec::new();
        let mut best = None;
        let mut at = from;
        while let Some(word) = self.word_at(at)
            && words.len() < self.phrase_words_max
            && !word.contains('_')
        {
            words.extend(name::words(word));
            at += 1;
            if let Some(found) = self.phrases.get(words.join(" ").as_str())
                && self.event_goes_on(at)
                && !self.property_instead(from, at)
            {
                best = Some((at, *found));
            }
        }
        best
    }

    /// Whether the words of a phrase are also a property's name, and what follows can only be an operator.
    fn property_instead(&self, from: usize, to: usize) -> bool {
        let rolling = self.is(to, "within") && self.is_any(to + 1, &["the", "last"]);
        rolling && self.runs(from, |name| self.schema.property(name)).iter().any(|(end, _)| *end == to)
    }

    /// Whether an operator of a property starts here.
    pub fn operator(&self, at: usize) -> bool {
        let after = at + 1;
        match self.kind_at(at) {
            Kind::Sign(_) => true,
            Kind::Word if self.is(at, "in") => {
                *self.kind_at(after) == Kind::Open || self.is_any(after, &["last", "next", "the", "this"])
            }
            Kind::Word if self.is(at, "not") => self.is(after, "in"),
            Kind::Word if self.is(at, "does") => self.is(after, "not"),
            Kind::Word if self.is(at, "has") => self.is_any(after, &["all", "any"]),
            Kind::Word if self.is_any(at, &["starts", "ends"]) => self.is(after, "with"),
            Kind::Word if self.is_any(at, &["anniversary", "birthday"]) => self.is_any(after, &["is", "in"]),
            Kind::Word if self.is(at, "domain") => self.operator(after),
            Kind::Word if self.is_any(at, &["last", "next", "this"]) => self.period_unit(after),
            Kind::Word => {
                let plain = ["is", "between", "contains", "matches", "on", "before", "after", "within", "during"];
                self.is_any(at, &plain) || self.is_any(at, &["today", "yesterday", "tomorrow"])
            }
            _ => false,
        }
    }

    /// Whether something that follows an event in a rule starts here.
    pub fn event_goes_on(&self, at: usize) -> bool {
        let after = at + 1;
        match self.kind_at(at) {
            Kind::End | Kind::Close | Kind::Comma | Kind::And | Kind::Or | Kind::Text(_) => true,
            Kind::Word if self.is_any(at, &["at"]) => self.is_any(after, &["least", "most"]),
            Kind::Word if self.is_any(at, &["more", "fewer", "less"]) => self.is(after, "than"),
            Kind::Word if self.is(at, "not") => self.is(after, "exactly"),
            Kind::Word if self.is(at, "on") => {
                self.is_any(after, &["at", "exactly", "more", "fewer", "less"]) || self.are(after, &["not", "exactly"])
            }
            Kind::Word if self.is_any(at, &["in", "within"]) => {
                self.is_any(after, &["last", "the", "this", "at"]) || self.number(after)
            }
            Kind::Word if self.is_any(at, &["last", "next", "this"]) => self.period_unit(after),
            Kind::Word if self.is_any(at, &["before", "after", "since", "between"]) => {
                matches!(self.kind_at(after), Kind::Text(_)) || self.number(after)
            }
            Kind::Word => self.is_any(
                at,
                &[
                    "and",
                    "or",
                    "xor",
                    "where",
                    "having",
                    "once",
                    "twice",
                    "exactly",
                    "during",
                    "then",
                    "today",
                    "yesterday",
                    "tomorrow",
                ],
            ),
            _ => false,
        }
    }

    fn number(&self, at: usize) -> bool {
        self.word_at(at).is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()))
    }

    fn period_unit(&self, at: usize) -> bool {
        self.word_at(at).and_then(Unit::of_word).is_some_and(|unit| unit >= Unit::Week) && !self.number(at)
    }

    /// Where the words of an unknown name end: at an operator, a keyword, a line or anything that is no word.
    pub fn unknown_end(&self, from: usize) -> usize {
        let mut at = from + 1;
        let goes_on = |at: usize| {
            self.word_at(at).is_some()
                && !self.token(at).starts_line
                && !self.operator(at)
                && !self.is_any(at, &RESERVED)
                && !self.number(at)
        };
        while at < from + 8 && *self.kind_at(from) == Kind::Word && goes_on(at) {
            at += 1;
        }
        at
    }
}
