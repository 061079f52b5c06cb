//! What this machine can do with the same sets, to measure answers against: a loop over plain words that is fused by
//! hand, and the `roaring` crate, one operator after the other.

use std::{borrow::Cow, ops::Range};

use roaring::RoaringBitmap;

use crate::{
    bitmap::{
        CHUNK_WORDS,
        kernels::{self, Operand},
    },
    codec::damage::Damage,
};

/// Words of each operand that are worked on at a time: what lies between two operators stays in the nearest cache.
const BLOCK: usize = 512;

/// Set algebra over numbered sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formula {
    /// A set by its number.
    Set(usize),
    /// Everyone but those.
    Not(Box<Formula>),
    /// Those in every one of these; at least one.
    All(Vec<Formula>),
    /// Those in any of these; at least one.
    Any(Vec<Formula>),
}

impl Formula {
    /// Whether everyone must be known to answer it.
    fn has_not(&self) -> bool {
        match self {
            Formula::Set(_) => false,
            Formula::Not(_) => true,
            Formula::All(parts) | Formula::Any(parts) => parts.iter().any(Formula::has_not),
        }
    }
}

/// Sets as plain words, and as `roaring` has them.
pub struct Sets {
    live: (Vec<u64>, RoaringBitmap),
    sets: Vec<(Vec<u64>, RoaringBitmap)>,
}

impl Sets {
    /// No set yet, over everyone, who are told in Roaring's portable format.
    ///
    /// Errors: bytes that are no bitmap.
    pub fn new(everyone: &[u8]) -> Result<Sets, Damage> {
        let everyone = read(everyone)?;
        let len = everyone.max().map_or(0, |id| id as usize / 64 + 1).next_multiple_of(CHUNK_WORDS);
        Ok(Sets { live: (dense(&everyone, len), everyone), sets: Vec::new() })
    }

    /// Adds a set in Roaring's portable format; gives its number. Of strangers to everyone it keeps nothing.
    ///
    /// Errors: bytes that are no bitmap.
    pub fn push(&mut self, set: &[u8]) -> Result<usize, Damage> {
        let set = &read(set)? & &self.live.1;
        self.sets.push((dense(&set, self.live.0.len()), set));
        Ok(self.sets.len() - 1)
    }

    /// As [`Sets::push`], for questions to `roaring` alone: of a thousand sets of a hundred million, words are too many.
    ///
    /// Errors: bytes that are no bitmap.
    pub fn push_roaring(&mut self, set: &[u8]) -> Result<usize, Damage> {
        self.sets.push((Vec::new(), &read(set)? & &self.live.1));
        Ok(self.sets.len() - 1)
    }

    /// How many a formula holds for: one pass over the words of its sets, block by block.
    pub fn fused_count(&self, formula: &Formula) -> u64 {
        let mut out = [0; BLOCK];
        let has_not = formula.has_not();
        let count = |at: Range<usize>| {
            let (out, live) = (&mut out[..at.len()], &self.live.0[at.clone()]);
            if let (false, Some((operands, any))) = (has_not, self.flat(formula, &at)) {
                return if any { kernels::any_count(&operands) } else { kernels::all_count(&operands) };
            }
            self.block(formula, at, out);
            if has_not { kernels::and_count(out, live) } else { kernels::count(out) }
        };
        self.blocks().map(count).sum()
    }

    /// Those that a formula holds for, ascending: as [`Sets::fused_count`], and each block turned into ids.
    pub fn fused_ids(&self, formula: &Formula) -> Vec<u32> {
        let (mut out, mut ids) = ([0; BLOCK], Vec::new());
        for at in self.blocks() {
            let out = &mut out[..at.len()];
            self.block(formula, at.clone(), out);
            kernels::and(out, &self.live.0[at.clone()]);
            kernels::push_ids(out, 64 * at.start as u32, &mut ids);
        }
        ids
    }

    /// `(a & b & c) | (d & !e & f)` over six sets, counted by one loop written by hand.
    pub fn six_count(&self, six: [usize; 6]) -> u64 {
        kernels::six_count(six.map(|set| &*self.sets[set].0))
    }

    /// The formula of [`Sets::six_count`].
    pub fn six(six: [usize; 6]) -> Formula {
        let [a, b, c, d, e, f] = six.map(Formula::Set);
        Formula::Any(vec![Formula::All(vec![a, b, c]), Formula::All(vec![d, Formula::Not(Box::new(e)), f])])
    }

    /// How many a formula holds for, by `roaring`: each operator makes a bitmap.
    pub fn roaring_count(&self, formula: &Formula) -> u64 {
        self.roaring(formula).len()
    }

    /// Those that a formula holds for, ascending, by `roaring`.
    pub fn roaring_ids(&self, formula: &Formula) -> Vec<u32> {
        self.roaring(formula).iter().collect()
    }

    /// How many sets hold an id, each asked by `roaring`.
    pub fn roaring_holders(&self, id: u32) -> usize {
        self.sets.iter().filter(|(_, set)| set.contains(id)).count()
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let len = self.live.0.len();
        (0..len).step_by(BLOCK).map(move |from| from..(from + BLOCK).min(len))
    }

    /// The operands of a formula of one operator, and whether that is OR.
    fn flat(&self, formula: &Formula, at: &Range<usize>) -> Option<(Vec<Operand<'_>>, bool)> {
        let operand = |part: &Formula| {
            let (set, negated) = match part {
                Formula::Set(set) => (*set, false),
                Formula::Not(inner) => match **inner {
                    Formula::Set(set) => (set, true),
                    _ => return None,
                },
                _ => return None,
            };
            Some(Operand { words: &self.sets[set].0[at.clone()], negated })
        };
        let (parts, any) = match formula {
            Formula::All(parts) => (parts, false),
            Formula::Any(parts) => (parts, true),
            one => return Some((vec![operand(one)?], false)),
        };
        Some((parts.iter().map(operand).collect::<Option<_>>()?, any))
    }

    /// The bits of one block; those past everyone mean nothing.
    fn block(&self, formula: &Formula, at: Range<usize>, out: &mut [u64]) {
        if let Some((operands, any)) = self.flat(formula, &at) {
            if any {
                kernels::any_into(&operands, out)
            } else {
                kernels::all_into(&operands, out)
            };
            return;
        }
        let (parts, any) = match formula {
            Formula::All(parts) => (parts, false),
            Formula::Any(parts) => (parts, true),
            Formula::Not(inner) => {
                self.block(inner, at, out);
                return kernels::not(out);
            }
            Formula::Set(_) => unreachable!("a single set is flat"),
        };
        let mut next = [0; BLOCK];
        let next = &mut next[..out.len()];
        for (place, part) in parts.iter().enumerate() {
            if place == 0 {
                self.block(part, at.clone(), out);
                continue;
            }
            self.block(part, at.clone(), next);
            if any { kernels::or(out, next) } else { kernels::and(out, next) }
        }
    }

    fn roaring(&self, formula: &Formula) -> Cow<'_, RoaringBitmap> {
        match formula {
            Formula::Set(set) => Cow::Borrowed(&self.sets[*set].1),
            Formula::Not(inner) => Cow::Owned(&self.live.1 - &*self.roaring(inner)),
            Formula::All(parts) => {
                // What is taken away comes last, so that nothing is taken from everyone that need not be.
                let (negated, plain): (Vec<_>, Vec<_>) = parts.iter().partition(|part| matches!(part, Formula::Not(_)));
                let mut plain = plain.into_iter().map(|part| self.roaring(part));
                let first = plain.next().unwrap_or(Cow::Borrowed(&self.live.1));
                let both = plain.fold(first, |both, part| Cow::Owned(&*both & &*part));
                negated.into_iter().fold(both, |both, part| match part {
                    Formula::Not(inner) => Cow::Owned(&*both - &*self.roaring(inner)),
                    part => Cow::Owned(&*both & &*self.roaring(part)),
                })
            }
            Formula::Any(parts) => {
                let any = parts.iter().map(|part| self.roaring(part)).reduce(|any, part| Cow::Owned(&*any | &*part));
                any.unwrap_or_default()
            }
        }
    }
}

/// Reads words from memory as fast as one core can; gives their set bits.
pub fn read_words(words: &[u64]) -> u64 {
    kernels::count(words)
}

fn read(bytes: &[u8]) -> Result<RoaringBitmap, Damage> {
    RoaringBitmap::deserialize_from(bytes)
        .map_err(|error| Damage::new(format!("not a portable Roaring bitmap: {error}")))
}

fn dense(set: &RoaringBitmap, len: usize) -> Vec<u64> {
    let mut words = vec![0; len];
    for id in set {
        words[id as usize / 64] |= 1 << (id % 64);
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    use super::*;

    const EVERYONE: u32 = 70_000;

    fn bytes(set: &BTreeSet<u32>) -> Vec<u8> {
        let mut bytes = Vec::new();
        set.iter().collect::<RoaringBitmap>().serialize_into(&mut bytes).unwrap();
        bytes
    }

    fn any_formula(random: &mut Pcg64, depth: usize) -> Formula {
        let many =
            |random: &mut Pcg64| (0..random.random_range(1..4)).map(|_| any_formula(random, depth - 1)).collect();
        match if depth == 0 { 0 } else { random.random_range(0..4) } {
            0 => Formula::Set(random.random_range(0..6)),
            1 => Formula::Not(Box::new(any_formula(random, depth - 1))),
            2 => Formula::All(many(random)),
            _ => Formula::Any(many(random)),
        }
    }

    fn naive(formula: &Formula, sets: &[BTreeSet<u32>], id: u32) -> bool {
        match formula {
            Formula::Set(set) => sets[*set].contains(&id),
            Formula::Not(inner) => !naive(inner, sets, id),
            Formula::All(parts) => parts.iter().all(|part| naive(part, sets, id)),
            Formula::Any(parts) => parts.iter().any(|part| naive(part, sets, id)),
        }
    }

    #[test]
    fn every_way_to_answer_a_formula_agrees() {
        let mut random = Pcg64::seed_from_u64(5);
        // A gap in everyone: what NOT must not give back.
        let everyone: BTreeSet<u32> = (0..EVERYONE).filter(|id| id % 7 != 3).collect();
        let kept: Vec<BTreeSet<u32>> = [2, 3, 50, 400, 1, 9]
            .map(|n| everyone.iter().copied().filter(|_| random.random_range(0..n) == 0).collect())
            .into();
        let mut sets = Sets::new(&bytes(&everyone)).unwrap();
        for set in &kept {
            sets.push(&bytes(set)).unwrap();
        }
        let six = [0, 1, 2, 3, 4, 5];
        let formulas = (0..60).map(|_| any_formula(&mut random, 3)).chain([Sets::six(six)]);
        for formula in formulas {
            let ids: Vec<u32> = everyone.iter().copied().filter(|id| naive(&formula, &kept, *id)).collect();
            assert_eq!(sets.fused_count(&formula), ids.len() as u64, "{formula:?}");
            assert_eq!(sets.roaring_count(&formula), ids.len() as u64, "{formula:?}");
            assert_eq!(sets.fused_ids(&formula), ids, "{formula:?}");
            assert_eq!(sets.roaring_ids(&formula), ids, "{formula:?}");
        }
        assert_eq!(sets.six_count(six), sets.roaring_count(&Sets::six(six)));
        assert_eq!(sets.roaring_holders(4), kept.iter().filter(|set| set.contains(&4)).count());
        assert!(Sets::new(b"no bitmap").is_err());
    }
}
