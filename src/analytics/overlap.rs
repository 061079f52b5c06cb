//! How sets overlap: in pairs, all together, and in every combination.

use crate::{
    analytics::sweep::{summed, sweep},
    bitmap::{kernels, posting::Posting, words::Words},
};

/// Sets of which every combination is counted, at most: ten make 1,023.
pub const COMBINED_MAX: usize = 10;

/// How some sets overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The size of each set.
    pub sizes: Vec<u64>,
    /// For each pair, the first one's number before the second one's: how many are in both.
    pub pairs: Vec<(usize, usize, u64)>,
    /// How many are in all.
    pub joint: u64,
    /// How many are in any.
    pub union: u64,
    /// By combination, whose bits are the numbers of the sets: how many are in these and in no other; of no set 0.
    /// `None` of more sets than [`COMBINED_MAX`].
    pub exactly: Option<Vec<u64>>,
}

impl Overlap {
    /// How many are in all sets of a combination, whatever else they are in, by combination.
    pub fn in_all_of(&self) -> Option<Vec<u64>> {
        let mut counts = self.exactly.clone()?;
        for set in 0..self.sizes.len() {
            for combination in 0..counts.len() {
                if combination & (1 << set) == 0 {
                    counts[combination] += counts[combination | 1 << set];
                }
            }
        }
        Some(counts)
    }
}

/// Counts how sets overlap.
pub fn overlap(sets: &[Posting]) -> Overlap {
    let many = sets.len();
    let chunks = sets.iter().map(Posting::chunk_count).max().unwrap_or(0);
    let numbers = (0..many).flat_map(|a| (a + 1..many).map(move |b| (a, b)));
    let numbers: Vec<(usize, usize)> = numbers.collect();
    let combinations = if many <= COMBINED_MAX { 1 << many } else { 0 };
    let length = numbers.len() + 2 + combinations;
    let counted = sweep(chunks, |chunk| {
        let mut counts = vec![0u64; length];
        let filled: Vec<Box<Words>> = sets.iter().map(|set| filled(set, chunk)).collect();
        for (count, (a, b)) in counts.iter_mut().zip(&numbers) {
            *count = kernels::and_count(&filled[*a].0, &filled[*b].0);
        }
        let (mut joint, mut union) = (Words::boxed(), Words::boxed());
        joint.fill(many > 0);
        for words in &filled {
            joint.and(words);
            union.or(words);
        }
        let rest = &mut counts[numbers.len()..];
        (rest[0], rest[1]) = (u64::from(joint.count()), u64::from(union.count()));
        if combinations > 0 {
            for (place, word) in union.0.iter().enumerate() {
                part(&filled, place, *word, 0, 0, &mut rest[2..]);
            }
        }
        counts
    });
    let mut counts = summed(counted, length);
    let exactly = counts.split_off(numbers.len() + 2);
    Overlap {
        sizes: sets.iter().map(Posting::len).collect(),
        joint: counts[numbers.len()],
        union: counts[numbers.len() + 1],
        pairs: numbers.into_iter().zip(counts).map(|((a, b), count)| (a, b, count)).collect(),
        exactly: (combinations > 0).then_some(exactly),
    }
}

fn filled(set: &Posting, chunk: usize) -> Box<Words> {
    let mut words = Words::boxed();
    set.chunk(chunk).load_into(&mut words);
    words
}

/// Parts the bits of a word by the sets from number `set` on, and counts each part.
fn part(sets: &[Box<Words>], place: usize, word: u64, set: usize, combination: usize, counts: &mut [u64]) {
    if word == 0 {
        return;
    }
    let Some(words) = sets.get(set) else {
        counts[combination] += u64::from(word.count_ones());
        return;
    };
    part(sets, place, word & words.0[place], set + 1, combination | 1 << set, counts);
    part(sets, place, word & !words.0[place], set + 1, combination, counts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_counted_as_one_by_one() {
        let every = |step: u32| (0..200_000u32).filter(|id| id % step == 0).collect::<Posting>();
        let sets: Vec<Posting> = [2, 3, 5, 7].into_iter().map(every).collect();
        let found = overlap(&sets);
        let mut exactly = vec![0; 16];
        for id in 0..200_000 {
            let combination = (0..4).filter(|set| sets[*set].contains(id)).map(|set| 1 << set).sum::<usize>();
            exactly[combination] += u64::from(combination > 0);
        }
        assert_eq!(found.exactly.as_ref(), Some(&exactly));
        let all = found.in_all_of().unwrap();
        assert_eq!((all[0], all[15]), (found.union, found.joint));
        for (a, b, both) in &found.pairs {
            assert_eq!((*both, all[1 << a | 1 << b]), (sets[*a].and_len(&sets[*b]), *both));
        }
        let many: Vec<Posting> = (1..=12).map(every).collect();
        let found = overlap(&many);
        assert!(found.exactly.is_none() && found.pairs.len() == 66 && found.joint == 8);
        assert_eq!(overlap(&[]).union, 0);
    }
}
