//! One chunk as words: a bit per contact.

use crate::bitmap::{CHUNK, CHUNK_WORDS, kernels};

/// The bits of one chunk; bit `i % 64` of word `i / 64` is contact `i` of the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Words(pub [u64; CHUNK_WORDS]);

impl Words {
    /// No bit set.
    pub fn zero() -> Words {
        Words([0; CHUNK_WORDS])
    }

    /// Every bit set.
    pub fn full() -> Words {
        Words([!0; CHUNK_WORDS])
    }

    /// No bit set, on the heap.
    pub fn boxed() -> Box<Words> {
        Box::new(Words::zero())
    }

    /// Whether bit `at` is set.
    #[inline]
    pub fn get(&self, at: u16) -> bool {
        self.0[usize::from(at) / 64] >> (at % 64) & 1 == 1
    }

    /// Sets bit `at`; returns whether it was clear.
    #[inline]
    pub fn set(&mut self, at: u16) -> bool {
        let word = &mut self.0[usize::from(at) / 64];
        let old = *word;
        *word |= 1 << (at % 64);
        old != *word
    }

    /// Clears bit `at`; returns whether it was set.
    pub fn clear(&mut self, at: u16) -> bool {
        let word = &mut self.0[usize::from(at) / 64];
        let old = *word;
        *word &= !(1 << (at % 64));
        old != *word
    }

    /// Sets the bits of a list.
    pub fn set_all(&mut self, list: &[u16]) {
        for &at in list {
            self.0[usize::from(at) / 64] |= 1 << (at % 64);
        }
    }

    /// Clears the bits of a list.
    pub fn clear_all(&mut self, list: &[u16]) {
        for &at in list {
            self.0[usize::from(at) / 64] &= !(1 << (at % 64));
        }
    }

    /// How many bits are set.
    pub fn count(&self) -> u32 {
        kernels::count(&self.0) as u32
    }

    /// Whether no bit is set.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Sets every bit, or clears every bit.
    pub fn fill(&mut self, on: bool) {
        self.0.fill(if on { !0 } else { 0 });
    }

    /// Copies `other` over all bits.
    pub fn copy_from(&mut self, other: &Words) {
        self.0.copy_from_slice(&other.0);
    }

    /// Sets the bits `from..to` (`to` up to 65,536).
    pub fn or_range(&mut self, from: u32, to: u32) {
        self.each_of_range(from, to, |word, mask| *word |= mask);
    }

    /// Clears the bits `from..to` (`to` up to 65,536).
    pub fn clear_range(&mut self, from: u32, to: u32) {
        self.each_of_range(from, to, |word, mask| *word &= !mask);
    }

    fn each_of_range(&mut self, from: u32, to: u32, change: impl Fn(&mut u64, u64)) {
        let (from, to) = (from as usize, (to as usize).min(CHUNK));
        if from >= to {
            return;
        }
        let (first, last) = (from / 64, (to - 1) / 64);
        let (head, tail) = (!0 << (from % 64), !0 >> (63 - (to - 1) % 64));
        if first == last {
            return change(&mut self.0[first], head & tail);
        }
        change(&mut self.0[first], head);
        self.0[first + 1..last].iter_mut().for_each(|word| change(word, !0));
        change(&mut self.0[last], tail);
    }

    /// Keeps the bits that `other` has too.
    pub fn and(&mut self, other: &Words) {
        kernels::and(&mut self.0, &other.0);
    }

    /// Adds the bits of `other`.
    pub fn or(&mut self, other: &Words) {
        kernels::or(&mut self.0, &other.0);
    }

    /// Drops the bits of `other`.
    pub fn and_not(&mut self, other: &Words) {
        kernels::and_not(&mut self.0, &other.0);
    }

    /// Flips the bits of `other`.
    pub fn xor(&mut self, other: &Words) {
        kernels::xor(&mut self.0, &other.0);
    }

    /// Flips every bit.
    pub fn not(&mut self) {
        kernels::not(&mut self.0);
    }

    /// Calls `f` with every set bit, ascending.
    pub fn for_each(&self, mut f: impl FnMut(u16)) {
        for (at, &word) in self.0.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                f((64 * at) as u16 + left.trailing_zeros() as u16);
                left &= left - 1;
            }
        }
    }

    /// The set bits, ascending.
    pub fn iter(&self) -> Bits<'_> {
        self.iter_from(0)
    }

    /// The set bits from `from` on, ascending.
    pub fn iter_from(&self, from: u16) -> Bits<'_> {
        let at = usize::from(from) / 64;
        Bits { words: self, at, left: self.0[at] & (!0 << (from % 64)) }
    }
}

/// The set bits of [`Words`], ascending.
#[derive(Clone, Debug)]
pub struct Bits<'a> {
    words: &'a Words,
    at: usize,
    left: u64,
}

impl Iterator for Bits<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        while self.left == 0 {
            self.at += 1;
            self.left = *self.words.0.get(self.at)?;
        }
        let bit = self.left.trailing_zeros() as u16;
        self.left &= self.left - 1;
        Some((64 * self.at) as u16 + bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_set_clear_and_iterate() {
        let mut words = Words::boxed();
        assert!(words.is_zero() && words.set(0) && words.set(63) && words.set(64) && words.set(65_535));
        assert!(!words.set(63) && words.get(63) && !words.get(62));
        assert_eq!(words.iter().collect::<Vec<_>>(), [0, 63, 64, 65_535]);
        assert_eq!(words.iter_from(64).collect::<Vec<_>>(), [64, 65_535]);
        assert!(words.clear(64) && !words.clear(64));
        let mut seen = Vec::new();
        words.for_each(|at| seen.push(at));
        assert_eq!((seen, words.count()), (vec![0, 63, 65_535], 3));
        words.not();
        assert_eq!(words.count(), 65_533);
        let mut exhausted = Words::zero();
        exhausted.set(65_535);
        let mut bits = exhausted.iter();
        assert_eq!((bits.next(), bits.next(), bits.next()), (Some(65_535), None, None));
    }

    #[test]
    fn ranges_touch_what_they_say() {
        for (from, to) in [(0, 0), (0, 1), (5, 5), (9, 3), (3, 64), (63, 65), (64, 128), (1, 65_536), (65_535, 65_536)]
        {
            let mut words = Words::zero();
            words.or_range(from, to);
            let wanted: Vec<u16> = (from..to).map(|at| at as u16).collect();
            assert_eq!(words.iter().collect::<Vec<_>>(), wanted, "{from}..{to}");
            let mut rest = Words::full();
            rest.clear_range(from, to);
            rest.not();
            assert!(rest == words);
        }
    }
}
