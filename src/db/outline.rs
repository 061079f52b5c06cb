//! An outline: a rule as it was written, node by node, each with how many contacts it holds for by itself.

use serde_json::Value;

use crate::{
    bitmap::posting::Posting,
    db::{answer::Answer, error::Error, view::View},
    model::time::Timestamp,
    rule::{
        self,
        ast::{Quantity, Rule},
    },
};

/// One node of a rule as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// `and`, `or`, `xor`, `not`, `at_least`, `at_most`, `exactly`, or `test` for a predicate.
    pub kind: &'static str,
    /// Of `at_least`, `at_most` and `exactly`: how many.
    pub n: Option<u32>,
    /// Of a predicate: its canonical text and JSON.
    pub test: Option<(String, Value)>,
    /// How many contacts it holds for, alone.
    pub count: u64,
    /// What it is made of, in the order written.
    pub children: Vec<Outline>,
}

/// Sets that are kept to be read again, at most: a dense one takes a bit for every contact.
const TESTED_MAX: usize = 32;

/// For whom predicates hold at a view, as far as an outline of it has asked.
#[derive(Clone, Default)]
pub struct Tested(Vec<(Rule, Posting)>);

impl Tested {
    pub(super) fn known(&self) -> &[(Rule, Posting)] {
        &self.0
    }
}

impl View {
    /// A rule node by node, in the order written, and whom it holds for. A predicate that a saved rule has too is not
    /// asked but read, and few are asked twice; a group is made of the sets of its parts.
    ///
    /// Errors: as [`View::query`].
    pub fn outline(&self, rule: &Rule, as_of: Option<Timestamp>) -> Result<(Outline, Answer, Tested), Error> {
        let mut tested = Tested::default();
        let (outline, members) = self.outlined(rule, as_of, &mut tested)?;
        Ok((outline, Answer::new(self.clone(), members), tested))
    }

    fn outlined(
        &self,
        rule: &Rule,
        as_of: Option<Timestamp>,
        tested: &mut Tested,
    ) -> Result<(Outline, Posting), Error> {
        let (kind, n, parts): (_, _, &[Rule]) = match rule {
            Rule::And(parts) => ("and", None, parts),
            Rule::Or(parts) => ("or", None, parts),
            Rule::Xor(parts) => ("xor", None, parts),
            Rule::Not(part) => ("not", None, std::slice::from_ref(&**part)),
            Rule::Of { quantity, n, rules } => {
                let kind = match quantity {
                    Quantity::AtLeast => "at_least",
                    Quantity::AtMost => "at_most",
                    Quantity::Exactly => "exactly",
                };
                (kind, Some(*n), rules)
            }
            _ => {
                let members = self.tested(rule, as_of, tested)?;
                let test = Some((rule::print(rule), rule::to_json(rule)));
                return Ok((Outline { kind: "test", n: None, test, count: members.len(), children: vec![] }, members));
            }
        };
        let live = self.state().index.live();
        let (mut children, mut tally) = (Vec::with_capacity(parts.len()), Tally::default());
        let mut members = if matches!(rule, Rule::And(_)) { live.clone() } else { Posting::new() };
        for part in parts {
            let (child, held) = self.outlined(part, as_of, tested)?;
            children.push(child);
            match rule {
                Rule::And(_) => members = members.and(&held),
                Rule::Or(_) => members = members.or(&held),
                Rule::Xor(_) => members = members.xor(&held),
                Rule::Not(_) => members = live.and_not(&held),
                _ => tally.add(held),
            }
        }
        if let Rule::Of { quantity, n, .. } = rule {
            let (more, equal) = tally.compared(*n, live);
            members = match quantity {
                Quantity::AtLeast => more.or(&equal),
                Quantity::AtMost => live.and_not(&more),
                Quantity::Exactly => equal,
            };
        }
        Ok((Outline { kind, n, test: None, count: members.len(), children }, members))
    }

    /// Whom a predicate holds for. What a saved rule asks too is kept, and right for now while nothing is due.
    fn tested(&self, rule: &Rule, as_of: Option<Timestamp>, tested: &mut Tested) -> Result<Posting, Error> {
        let state = self.state();
        let is_now = as_of.is_none() && state.next_due().is_none_or(|due| due > self.now());
        if let Some(kept) = state.live.truth(rule).filter(|_| is_now) {
            return Ok(kept.clone());
        }
        if let Some((_, members)) = tested.0.iter().find(|(known, _)| known == rule) {
            return Ok(members.clone());
        }
        let members = self.query(rule, as_of)?.into_members();
        if tested.0.len() < TESTED_MAX {
            tested.0.push((rule.clone(), members.clone()));
        }
        Ok(members)
    }
}

/// In how many of some sets each contact is: the digits of a binary number, the lowest first, each as the set of those
/// that have a one there. Source: bit-sliced arithmetic (O'Neil and Quass, SIGMOD 1997).
#[derive(Default)]
struct Tally(Vec<Posting>);

impl Tally {
    fn add(&mut self, set: Posting) {
        let mut carry = set;
        for digit in &mut self.0 {
            if carry.is_empty() {
                return;
            }
            let both = digit.and(&carry);
            *digit = digit.xor(&carry);
            carry = both;
        }
        if !carry.is_empty() {
            self.0.push(carry);
        }
    }

    /// Those among `live` that are in more than `n` of the sets, and those that are in exactly so many.
    fn compared(&self, n: u32, live: &Posting) -> (Posting, Posting) {
        let (mut more, mut equal) = (Posting::new(), live.clone());
        let places = self.0.len().max((u32::BITS - n.leading_zeros()) as usize);
        let none = Posting::new();
        for place in (0..places).rev() {
            let digit = self.0.get(place).unwrap_or(&none);
            if (n >> place) & 1 == 1 {
                equal = equal.and(digit);
            } else {
                more = more.or(&equal.and(digit));
                equal = equal.and_not(digit);
            }
        }
        (more, equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_the_sets_of_each() {
        let mut seed = 7u64;
        let mut tally = Tally::default();
        let mut counts = [0u32; 200];
        for added in 0..=20u32 {
            let live = Posting::range(200);
            for n in 0..=added + 1 {
                let (more, equal) = tally.compared(n, &live);
                for (id, count) in counts.iter().enumerate() {
                    let id = id as u32;
                    assert_eq!((more.contains(id), equal.contains(id)), (*count > n, *count == n), "{id} of {added}");
                }
            }
            let mut set = Posting::new();
            for (id, count) in counts.iter_mut().enumerate() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if seed >> 62 != 0 {
                    set.insert(id as u32);
                    *count += 1;
                }
            }
            tally.add(set);
        }
    }
}
