//! A regular expression, and the whole automaton of it for many texts.

use std::{collections::HashMap, sync::OnceLock};

use regex::Regex;
use regex_automata::{
    Input,
    dfa::{
        Automaton, StartKind,
        dense::{self, DFA},
    },
    nfa::thompson,
    util::primitives::StateID,
};

/// A larger automaton is not made: it would take long, and leave the caches. Units: bytes.
const AUTOMATON_MAX: usize = 256 << 10;
/// Texts that are walked through at the same time: a step waits for the one before, so that those of others fit in.
const LANES: usize = 4;
/// Bytes of each that are gone through before it is asked whether all have come to an end.
const STRIDE: usize = 4;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    regex: Regex,
    /// Made once, when many texts are asked; `None` where it would be too large, or does not tell enough.
    steps: OnceLock<Option<Steps>>,
}

impl Expression {
    /// An expression that was compiled with the usual flags, but for its bounds.
    pub fn new(regex: Regex) -> Expression {
        Expression { regex, steps: OnceLock::new() }
    }

    /// Whether it is found in a text.
    pub fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Makes ready for many texts: the automaton takes a step a byte and nothing else.
    pub fn prepare(&self) {
        self.steps.get_or_init(|| automaton(&self.regex).and_then(|automaton| Steps::of(&automaton)));
    }

    /// As it is, with caches of its own: threads that share one take turns with the room that it searches in.
    pub fn own(&self) -> Own<'_> {
        Own { regex: self.regex.clone(), steps: self.steps.get().and_then(Option::as_ref) }
    }
}

/// An expression for one thread.
pub struct Own<'a> {
    regex: Regex,
    steps: Option<&'a Steps>,
}

impl Own<'_> {
    /// In which of some texts, at most 64, it is found, a bit each.
    pub fn found_in(&self, texts: &[&[u8]]) -> u64 {
        let Some(steps) = self.steps else { return self.asked(texts, !0) };
        let (mut found, mut unknown) = (0, 0);
        // Most texts that begin as none can are done with here.
        let mut open = [0; 64];
        let mut len = 0;
        for (at, text) in texts.iter().enumerate() {
            open[len] = at;
            len += usize::from(steps.may_begin(text));
            found |= u64::from(text.is_empty() && steps.is_in_nothing()) << at;
        }
        for group in open[..len].chunks(LANES) {
            let lanes = std::array::from_fn(|lane| texts[group[lane.min(group.len() - 1)]]);
            let (held, not_known) = steps.walk(lanes);
            for (lane, at) in group.iter().enumerate() {
                found |= (held >> lane & 1) << at;
                unknown |= (not_known >> lane & 1) << at;
            }
        }
        if unknown == 0 { found } else { found | self.asked(texts, unknown) }
    }

    /// The same of those of the texts whose bits are set, one by one.
    fn asked(&self, texts: &[&[u8]], wanted: u64) -> u64 {
        let is_in = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| self.regex.is_match(text));
        let bit = |(at, text): (usize, &&[u8])| u64::from(wanted >> at & 1 == 1 && is_in(text)) << at;
        texts.iter().enumerate().map(bit).sum()
    }
}

/// An automaton that stays where it is once it is known whether something is found: in one of the first three states.
#[derive(Clone, Debug)]
struct Steps {
    /// The class of each byte.
    classes: Box<[u8; 256]>,
    /// By state, which is the place of its first step, and by the class of the next byte: the next state; behind the
    /// classes, where it ends when the text does.
    next: Vec<u32>,
    /// Steps of a state.
    width: u32,
}

/// Nothing is found.
const LOST: u32 = 0;
/// Something is found.
const FOUND: u32 = 1;
/// The automaton was not built for this text.
const UNKNOWN: u32 = 2;
/// Where a walk begins.
const START: u32 = 3;

impl Steps {
    /// `None` where there is more to a match than a state: one of nothing must not lie within a letter, which the end of a
    /// text never does.
    fn of(automaton: &DFA<Vec<u32>>) -> Option<Steps> {
        let first = automaton.start_state_forward(&Input::new("")).ok()?;
        let (mut classes, mut each) = (Box::new([0; 256]), Vec::new());
        for byte in 0..=u8::MAX {
            let class = automaton.byte_classes().get(byte);
            classes[usize::from(byte)] = class;
            if usize::from(class) == each.len() {
                each.push(byte);
            }
        }
        let width = each.len() + 1;
        let mut next: Vec<u32> = [LOST, FOUND, UNKNOWN].into_iter().flat_map(|end| vec![end; width]).collect();
        let (mut numbers, mut open, mut at) = (HashMap::from([(first, START)]), vec![first], 0);
        while let Some(state) = open.get(at).copied() {
            at += 1;
            let mut number = |state: StateID| match state {
                _ if automaton.is_dead_state(state) => LOST,
                _ if automaton.is_match_state(state) => FOUND,
                _ if automaton.is_quit_state(state) => UNKNOWN,
                _ => *numbers.entry(state).or_insert_with(|| {
                    open.push(state);
                    START + open.len() as u32 - 1
                }),
            };
            next.extend(each.iter().map(|byte| number(automaton.next_state(state, *byte))));
            if automaton.has_empty() && next[next.len() - each.len()..].contains(&FOUND) {
                return None;
            }
            let is_found = automaton.is_match_state(automaton.next_eoi_state(state));
            next.push(if is_found { FOUND } else { LOST });
        }
        next.iter_mut().for_each(|state| *state *= width as u32);
        Some(Steps { classes, next, width: width as u32 })
    }

    /// Whether something may be found in a text, by its first byte, if it has one.
    fn may_begin(&self, text: &[u8]) -> bool {
        text.first().is_some_and(|byte| self.step(START * self.width, *byte) != LOST)
    }

    /// Whether something is found in an empty text.
    fn is_in_nothing(&self) -> bool {
        self.next[((START + 1) * self.width) as usize - 1] == FOUND * self.width
    }

    #[inline]
    fn step(&self, state: u32, byte: u8) -> u32 {
        self.next[state as usize + usize::from(self.classes[usize::from(byte)])]
    }

    /// In which of some texts something is found, a bit each, and in which it is not known.
    fn walk(&self, texts: [&[u8]; LANES]) -> (u64, u64) {
        let start = START * self.width;
        let mut states = [start; LANES];
        let shortest = texts.iter().map(|text| text.len()).min().unwrap_or(0);
        let together = texts.map(|text| text[..shortest].as_chunks::<STRIDE>().0);
        for place in 0..shortest / STRIDE {
            for (state, text) in states.iter_mut().zip(together) {
                *state = text[place].iter().fold(*state, |state, byte| self.step(state, *byte));
            }
            if states.iter().all(|state| *state < start) {
                return self.ends(states);
            }
        }
        for (state, text) in states.iter_mut().zip(texts) {
            for byte in &text[shortest / STRIDE * STRIDE..] {
                if *state < start {
                    break;
                }
                *state = self.step(*state, *byte);
            }
            *state = self.next[(*state + self.width) as usize - 1];
        }
        self.ends(states)
    }

    fn ends(&self, states: [u32; LANES]) -> (u64, u64) {
        let which = |end: u32| {
            let bit = |(at, state): (usize, u32)| u64::from(state == end * self.width) << at;
            states.into_iter().enumerate().map(bit).sum()
        };
        (which(FOUND), which(UNKNOWN))
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
        // Some are too large, or ask what an automaton cannot tell within or beside a letter that is not ASCII.
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
            r"\B",
            "^[a-z]*$",
            r"^\s*$",
        ];
        for pattern in patterns {
            let (regex, expression) = (Regex::new(pattern).unwrap(), Expression::new(Regex::new(pattern).unwrap()));
            for prepared in [false, true] {
                if prepared {
                    expression.prepare();
                }
                let own = expression.own();
                for rotated in 0..texts.len() {
                    let all: Vec<&str> = (0..texts.len()).map(|at| texts[(at + rotated) % texts.len()]).collect();
                    let bytes: Vec<&[u8]> = all.iter().map(|text| text.as_bytes()).collect();
                    let bit = |(at, text): (usize, &&str)| u64::from(regex.is_match(text)) << at;
                    let wanted = all.iter().enumerate().map(bit).sum::<u64>();
                    assert_eq!(own.found_in(&bytes), wanted, "{pattern} {all:?} {prepared}");
                    assert!(all.iter().all(|text| expression.is_in(text) == regex.is_match(text)));
                }
            }
        }
        let is_made = |pattern: &&str| {
            automaton(&Regex::new(pattern).unwrap()).and_then(|automaton| Steps::of(&automaton)).is_some()
        };
        assert!(["^[a-m].*[0-9]@", r"\bber\b", "^[a-z]*$"].iter().all(is_made));
        assert!(![r"\w{30}", r"\B", "x*"].iter().any(is_made));
    }
}
