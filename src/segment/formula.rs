//! A saved rule as logic over kept sets: predicates by their place, named segments by their number.

use std::collections::BTreeSet;

use crate::{
    bitmap::{posting::Posting, tally, words::Words},
    model::id::SegmentId,
    rule::ast::{Quantity, Rule},
};

/// Logic over sets that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formula {
    /// Everyone.
    All,
    /// No one.
    None,
    /// Those for whom a predicate holds.
    Predicate(u32),
    /// The members of a segment.
    Members(SegmentId),
    /// The complement.
    Not(Box<Formula>),
    /// In all.
    And(Vec<Formula>),
    /// In any.
    Or(Vec<Formula>),
    /// In an odd number.
    Odd(Vec<Formula>),
    /// In at least and at most so many.
    Of(Vec<Formula>, u32, u32),
}

/// What a formula is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Predicates, by place.
    pub predicates: BTreeSet<u32>,
    /// Segments that it names.
    pub segments: BTreeSet<SegmentId>,
}

/// The kept sets that a formula is made of.
pub trait Sets {
    /// Those for whom a predicate holds.
    fn predicate(&self, slot: u32) -> &Posting;
    /// The members of a segment.
    fn members(&self, id: SegmentId) -> &Posting;
}

impl Formula {
    /// Makes the formula of a rule. `predicate` gives the place of a predicate, `segment` the number of a segment; an
    /// unknown segment holds no one.
    pub fn of(
        rule: &Rule,
        predicate: &mut dyn FnMut(&Rule) -> u32,
        segment: &dyn Fn(&str) -> Option<SegmentId>,
    ) -> Formula {
        let mut all = |rules: &[Rule]| rules.iter().map(|rule| Formula::of(rule, predicate, segment)).collect();
        match rule {
            Rule::All => Formula::All,
            Rule::None => Formula::None,
            Rule::And(rules) => Formula::And(all(rules)),
            Rule::Or(rules) => Formula::Or(all(rules)),
            Rule::Xor(rules) => Formula::Odd(all(rules)),
            Rule::Of { quantity, n, rules } => {
                let (least, most) = match quantity {
                    Quantity::AtLeast => (*n, u32::MAX),
                    Quantity::AtMost => (0, *n),
                    Quantity::Exactly => (*n, *n),
                };
                Formula::Of(all(rules), least, most)
            }
            Rule::AllTags(tags) => {
                Formula::And(tags.iter().map(|tag| Formula::Predicate(predicate(&Rule::Tag(tag.clone())))).collect())
            }
            Rule::Not(rule) => Formula::Not(Box::new(Formula::of(rule, predicate, segment))),
            Rule::Segment(name) => segment(name).map_or(Formula::None, Formula::Members),
            _ => Formula::Predicate(predicate(rule)),
        }
    }

    /// The predicates and segments that it is made of.
    pub fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        self.collect(&mut parts);
        parts
    }

    fn collect(&self, parts: &mut Parts) {
        match self {
            Formula::All | Formula::None => {}
            Formula::Predicate(place) => {
                parts.predicates.insert(*place);
            }
            Formula::Members(id) => {
                parts.segments.insert(*id);
            }
            Formula::Not(inner) => inner.collect(parts),
            Formula::And(inner) | Formula::Or(inner) | Formula::Odd(inner) | Formula::Of(inner, ..) => {
                inner.iter().for_each(|inner| inner.collect(parts));
            }
        }
    }

    /// Whether it holds, where `leaf` tells of predicates and segments whether they do.
    pub fn holds(&self, leaf: &impl Fn(&Formula) -> bool) -> bool {
        match self {
            Formula::All => true,
            Formula::None => false,
            Formula::Predicate(_) | Formula::Members(_) => leaf(self),
            Formula::Not(inner) => !inner.holds(leaf),
            Formula::And(inner) => inner.iter().all(|inner| inner.holds(leaf)),
            Formula::Or(inner) => inner.iter().any(|inner| inner.holds(leaf)),
            Formula::Odd(inner) => inner.iter().filter(|inner| inner.holds(leaf)).count() % 2 == 1,
            Formula::Of(inner, least, most) => {
                (*least..=*most).contains(&(inner.iter().filter(|inner| inner.holds(leaf)).count() as u32))
            }
        }
    }

    /// Whether it holds of a contact.
    pub fn holds_of(&self, sets: &impl Sets, contact: u32) -> bool {
        self.holds(&|leaf| match leaf {
            Formula::Predicate(slot) => sets.predicate(*slot).contains(contact),
            Formula::Members(id) => sets.members(*id).contains(contact),
            _ => false,
        })
    }

    /// Writes those of a chunk that it holds; among them may be some who are not live.
    pub fn fill(&self, sets: &impl Sets, chunk: usize, out: &mut Words) {
        match self {
            Formula::All => out.fill(true),
            Formula::None => out.fill(false),
            Formula::Predicate(slot) => sets.predicate(*slot).chunk(chunk).load_into(out),
            Formula::Members(id) => sets.members(*id).chunk(chunk).load_into(out),
            Formula::Not(inner) => {
                inner.fill(sets, chunk, out);
                out.not();
            }
            Formula::And(inner) => match inner.split_first() {
                Some((first, rest)) => {
                    first.fill(sets, chunk, out);
                    rest.iter().for_each(|inner| inner.narrow(sets, chunk, out));
                }
                None => out.fill(true),
            },
            Formula::Or(inner) => match inner.split_first() {
                Some((first, rest)) => {
                    first.fill(sets, chunk, out);
                    rest.iter().for_each(|inner| inner.widen(sets, chunk, out));
                }
                None => out.fill(false),
            },
            Formula::Odd(inner) => {
                let mut one = Words::boxed();
                out.fill(false);
                for inner in inner {
                    inner.fill(sets, chunk, &mut one);
                    out.xor(&one);
                }
            }
            Formula::Of(inner, least, most) => {
                let filled = inner.iter().map(|inner| {
                    let mut one = Words::boxed();
                    inner.fill(sets, chunk, &mut one);
                    one
                });
                let filled: Vec<Box<Words>> = filled.collect();
                let filled: Vec<&[u64]> = filled.iter().map(|words| &words.0[..]).collect();
                tally::between(&filled, *least, *most, &mut out.0);
            }
        }
    }

    fn narrow(&self, sets: &impl Sets, chunk: usize, out: &mut Words) {
        match self {
            Formula::Predicate(slot) => sets.predicate(*slot).chunk(chunk).and_into(out),
            Formula::Members(id) => sets.members(*id).chunk(chunk).and_into(out),
            Formula::Not(inner) => match &**inner {
                Formula::Predicate(slot) => sets.predicate(*slot).chunk(chunk).and_not_into(out),
                Formula::Members(id) => sets.members(*id).chunk(chunk).and_not_into(out),
                inner => {
                    let mut one = Words::boxed();
                    inner.fill(sets, chunk, &mut one);
                    out.and_not(&one);
                }
            },
            _ => {
                let mut one = Words::boxed();
                self.fill(sets, chunk, &mut one);
                out.and(&one);
            }
        }
    }

    fn widen(&self, sets: &impl Sets, chunk: usize, out: &mut Words) {
        match self {
            Formula::Predicate(slot) => sets.predicate(*slot).chunk(chunk).or_into(out),
            Formula::Members(id) => sets.members(*id).chunk(chunk).or_into(out),
            _ => {
                let mut one = Words::boxed();
                self.fill(sets, chunk, &mut one);
                out.or(&one);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Some3([Posting; 3]);

    impl Sets for Some3 {
        fn predicate(&self, slot: u32) -> &Posting {
            &self.0[slot as usize]
        }

        fn members(&self, id: SegmentId) -> &Posting {
            &self.0[id.index()]
        }
    }

    #[test]
    fn a_chunk_and_a_contact_are_told_the_same() {
        let every = |step: u32| (0..70_000u32).filter(|id| id % step == 0).collect::<Posting>();
        let sets = Some3([every(2), every(3), every(40_000)]);
        let leaf = Formula::Predicate;
        let formulas = [
            Formula::All,
            Formula::None,
            Formula::Not(Box::new(leaf(1))),
            Formula::And(vec![leaf(0), Formula::Members(SegmentId(1)), Formula::Not(Box::new(leaf(2)))]),
            Formula::And(vec![
                Formula::Or(vec![leaf(0), leaf(2)]),
                Formula::Not(Box::new(Formula::Odd(vec![leaf(1)]))),
            ]),
            Formula::Or(vec![Formula::And(vec![leaf(0), leaf(1)]), leaf(2)]),
            Formula::Odd(vec![leaf(0), leaf(1), leaf(2)]),
            Formula::Of(vec![leaf(0), leaf(1), leaf(2)], 2, u32::MAX),
            Formula::Of(vec![leaf(0), leaf(1)], 0, 1),
        ];
        for formula in formulas {
            for chunk in [0, 1] {
                let mut words = Words::boxed();
                formula.fill(&sets, chunk, &mut words);
                for at in (0..=u16::MAX).step_by(7) {
                    let id = (chunk as u32) << 16 | u32::from(at);
                    assert_eq!(words.get(at), formula.holds_of(&sets, id), "{formula:?} of {id}");
                }
            }
        }
    }
}
