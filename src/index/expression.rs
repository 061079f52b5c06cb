//! A regular expression, and the whole automaton of it for many texts.

use std::sync::OnceLock;

use regex::Regex;
use regex_automata::{
    Input,
    dfa::{
        Automaton, StartKind,
        dense::{self, DFA},
    },
    nfa::thompson,
};

/// A larger automaton is not made: it would take long, and leave the caches. Units: bytes.
const AUTOMATON_MAX: usize = 256 << 10;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    regex: Regex,
    /// Made once, when many texts are asked; `None` where it would be too large.
    automaton: OnceLock<Option<DFA<Vec<u32>>>>,
}

impl Expression {
    /// An expression that was compiled with the usual flags, but for its bounds.
    pub fn new(regex: Regex) -> Expression {
        Expression { regex, automaton: OnceLock::new() }
    }

    /// Whether it is found in a text.
    pub fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Makes ready for many texts: the automaton takes a step a byte and nothing else.
    pub fn prepare(&self) {
        self.automaton.get_or_init(|| automaton(&self.regex));
    }

    /// As it is, with caches of its own: threads that share one take turns with the room that it searches in.
    pub fn own(&self) -> Own<'_> {
        Own { expression: self, regex: self.regex.clone() }
    }
}

/// An expression for one thread.
pub struct Own<'a> {
    expression: &'a Expression,
    regex: Regex,
}

impl Own<'_> {
    /// Whether it is found in the bytes of a text.
    pub fn is_in(&self, text: &[u8]) -> bool {
        let slow = || std::str::from_utf8(text).is_ok_and(|text| self.regex.is_match(text));
        match self.expression.automaton.get() {
            // It gives up where it meets what it was not built for.
            Some(Some(automaton)) => {
                let seen = automaton.try_search_fwd(&Input::new(text).earliest(true));
                seen.map_or_else(|_| slow(), |end| end.is_some())
            }
            _ => slow(),
        }
    }
}

fn automaton(regex: &Regex) -> Option<DFA<Vec<u32>>> {
    let bounds = dense::Config::new()
        .start_kind(StartKind::Unanchored)
        .unicode_word_boundary(true)
        .dfa_size_limit(Some(AUTOMATON_MAX))
        .determinize_size_limit(Some(AUTOMATON_MAX));
    let nfa = thompson::Config::new().nfa_size_limit(Some(AUTOMATON_MAX));
    dense::Builder::new().configure(bounds).thompson(nfa).build(regex.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_an_automaton_or_without_the_answer_is_the_same() {
        let texts =
            ["", "a", "ab", "ber", "über", "a ber c", "Éber", "x\ny", "42", "東京 ber", "bér", "aaaaaaaaaaaa", "\u{0}"];
        // The last three are too large, or ask what an automaton cannot tell beside a letter that is not ASCII.
        let patterns = [
            "",
            "^$",
            "x*",
            "^a+$",
            "(?i)BER",
            "(?m)^y$",
            "y$",
            ".",
            "^.{3}$",
            r"\d+",
            r"[^a-z]\W",
            "a|b|東",
            r"\w{30}",
            r"\bber\b",
            r"\Bber",
        ];
        for pattern in patterns {
            let (regex, expression) = (Regex::new(pattern).unwrap(), Expression::new(Regex::new(pattern).unwrap()));
            for prepared in [false, true] {
                if prepared {
                    expression.prepare();
                }
                let own = expression.own();
                for text in texts {
                    assert_eq!(own.is_in(text.as_bytes()), regex.is_match(text), "{pattern} {text:?} {prepared}");
                    assert_eq!(expression.is_in(text), regex.is_match(text));
                }
            }
        }
        let is_made = |pattern: &str| automaton(&Regex::new(pattern).unwrap()).is_some();
        assert!(is_made("^[a-m].*[0-9]@") && is_made(r"\bber\b") && !is_made(r"\w{30}"));
    }
}
