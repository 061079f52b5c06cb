//! Formulas of many contacts at once: of those in whom something flipped, what held before and what holds now, as bits.
//!
//! A panel is a list of contacts. Of a set that a formula is made of it has two runs of words, a bit for each contact:
//! who is in it now, and who was before. So a formula is worked out for all contacts, now and before, by a few words.

use std::collections::HashMap;

use crate::{
    bitmap::{posting::Posting, tally},
    model::id::SegmentId,
    segment::formula::{Formula, Sets},
};

/// Some contacts, and what is known of them.
#[derive(Debug, Default)]
pub(super) struct Panel {
    /// Ascending.
    contacts: Vec<u32>,
    /// Words of one run.
    words: usize,
    /// The bits found so far, now and before, one set after the other.
    bits: Vec<u64>,
    /// Where in it those of a predicate begin, plus one, by place; 0 until asked for.
    predicates: Vec<u32>,
    /// Where those of the members of segments begin that others name.
    members: HashMap<SegmentId, usize>,
    /// Predicates that flipped: places, and the numbers of contacts.
    flips: Vec<(u32, u32)>,
    scratch: Vec<u64>,
}

/// A contact of the panel that was in a set and is not, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Differing {
    pub(super) contact: u32,
    pub(super) is_in: bool,
}

impl Panel {
    /// The panel of contacts in whom predicates flipped: places and contacts, each once.
    pub(super) fn of_flips(mut flips: Vec<(u32, u32)>) -> Panel {
        let mut contacts: Vec<u32> = flips.iter().map(|(_, contact)| *contact).collect();
        contacts.sort_unstable();
        contacts.dedup();
        flips.sort_unstable();
        for (_, contact) in &mut flips {
            *contact = contacts.binary_search(contact).expect("who flipped is in the panel") as u32;
        }
        Panel { words: contacts.len().div_ceil(64), contacts, flips, ..Panel::default() }
    }

    /// The contacts for whom a formula holds now and did not before, or the other way round, ascending.
    pub(super) fn differing(&mut self, sets: &impl Sets, formula: &Formula) -> Vec<Differing> {
        if self.contacts.is_empty() {
            return Vec::new();
        }
        let mut both = std::mem::take(&mut self.scratch);
        both.resize(2 * self.words, 0);
        self.fill(sets, formula, &mut both);
        let (now, before) = both.split_at(self.words);
        let mut found = Vec::new();
        for (place, (now, before)) in now.iter().zip(before).enumerate() {
            let mut differing = now ^ before;
            while differing != 0 {
                let bit = differing.trailing_zeros() as usize;
                differing &= differing - 1;
                if let Some(contact) = self.contacts.get(place * 64 + bit) {
                    found.push(Differing { contact: *contact, is_in: now >> bit & 1 == 1 });
                }
            }
        }
        self.scratch = both;
        found
    }

    /// Notes which contacts of the panel entered a segment or left it, and that its members are what they are now.
    pub(super) fn note_members(&mut self, sets: &impl Sets, id: SegmentId, differing: &[Differing]) {
        let numbers: Vec<u32> = differing
            .iter()
            .filter_map(|changed| self.contacts.binary_search(&changed.contact).ok())
            .map(|number| number as u32)
            .collect();
        let start = self.gather(sets.members(id), numbers.into_iter());
        self.members.insert(id, start);
    }

    /// Adds the bits of a set, from which contacts of these numbers differed before; returns where they begin.
    fn gather(&mut self, set: &Posting, differing: impl Iterator<Item = u32>) -> usize {
        let start = self.bits.len();
        self.bits.resize(start + 2 * self.words, 0);
        let (now, before) = self.bits[start..].split_at_mut(self.words);
        set.gather(&self.contacts, now);
        before.copy_from_slice(now);
        differing.for_each(|number| before[number as usize / 64] ^= 1 << (number % 64));
        start
    }

    fn predicate(&mut self, sets: &impl Sets, place: u32) -> usize {
        let at = place as usize;
        if self.predicates.len() <= at {
            self.predicates.resize(at + 1, 0);
        }
        if self.predicates[at] == 0 {
            let flips = std::mem::take(&mut self.flips);
            let from = flips.partition_point(|flip| flip.0 < place);
            let flipped = flips[from..].iter().take_while(|flip| flip.0 == place).map(|(_, number)| *number);
            self.predicates[at] = self.gather(sets.predicate(place), flipped) as u32 + 1;
            self.flips = flips;
        }
        self.predicates[at] as usize - 1
    }

    fn leaf(&mut self, sets: &impl Sets, formula: &Formula) -> Option<&[u64]> {
        let start = match formula {
            Formula::Predicate(place) => self.predicate(sets, *place),
            Formula::Members(id) => {
                if !self.members.contains_key(id) {
                    self.note_members(sets, *id, &[]);
                }
                self.members[id]
            }
            _ => return None,
        };
        Some(&self.bits[start..start + 2 * self.words])
    }

    /// Writes for whom a formula holds now, then for whom it held before.
    fn fill(&mut self, sets: &impl Sets, formula: &Formula, out: &mut [u64]) {
        match formula {
            Formula::All => out.fill(!0),
            Formula::None => out.fill(0),
            Formula::Predicate(_) | Formula::Members(_) => {
                let bits = self.leaf(sets, formula).unwrap_or_default();
                out.copy_from_slice(bits);
            }
            Formula::Not(inner) => {
                self.fill(sets, inner, out);
                out.iter_mut().for_each(|word| *word = !*word);
            }
            Formula::And(inner) => {
                out.fill(!0);
                inner.iter().for_each(|inner| self.with(sets, inner, out, |a, b| a & b));
            }
            Formula::Or(inner) => {
                out.fill(0);
                inner.iter().for_each(|inner| self.with(sets, inner, out, |a, b| a | b));
            }
            Formula::Odd(inner) => {
                out.fill(0);
                inner.iter().for_each(|inner| self.with(sets, inner, out, |a, b| a ^ b));
            }
            Formula::Of(inner, least, most) => {
                let filled = inner.iter().map(|inner| {
                    let mut one = vec![0; out.len()];
                    self.fill(sets, inner, &mut one);
                    one
                });
                let filled: Vec<Vec<u64>> = filled.collect();
                let filled: Vec<&[u64]> = filled.iter().map(|one| &one[..]).collect();
                tally::between(&filled, *least, *most, out);
            }
        }
    }

    /// Combines what is in `out` with a formula.
    fn with(&mut self, sets: &impl Sets, formula: &Formula, out: &mut [u64], combine: impl Fn(u64, u64) -> u64) {
        if let Some(bits) = self.leaf(sets, formula) {
            out.iter_mut().zip(bits).for_each(|(word, bits)| *word = combine(*word, *bits));
            return;
        }
        if let Formula::Not(inner) = formula
            && let Some(bits) = self.leaf(sets, inner)
        {
            out.iter_mut().zip(bits).for_each(|(word, bits)| *word = combine(*word, !bits));
            return;
        }
        let mut one = vec![0; out.len()];
        self.fill(sets, formula, &mut one);
        out.iter_mut().zip(&one).for_each(|(word, bits)| *word = combine(*word, *bits));
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    struct Kept {
        predicates: Vec<Posting>,
        members: Vec<Posting>,
    }

    impl Sets for Kept {
        fn predicate(&self, place: u32) -> &Posting {
            &self.predicates[place as usize]
        }

        fn members(&self, id: SegmentId) -> &Posting {
            &self.members[id.index()]
        }
    }

    fn formula(random: &mut rand_pcg::Pcg64, depth: u32) -> Formula {
        if depth == 0 || random.random_bool(0.2) {
            return match random.random_range(0..12) {
                0 => Formula::All,
                1 => Formula::None,
                2..5 => Formula::Members(SegmentId(random.random_range(0..3))),
                _ => Formula::Predicate(random.random_range(0..6)),
            };
        }
        let kind = random.random_range(0..5);
        let count = random.random_range(0..5);
        let mut some = || (0..count).map(|_| formula(random, depth - 1)).collect::<Vec<Formula>>();
        match kind {
            0 => Formula::And(some()),
            1 => Formula::Or(some()),
            2 => Formula::Odd(some()),
            3 => Formula::Of(some(), 1, 2),
            _ => Formula::Not(Box::new(formula(random, depth - 1))),
        }
    }

    #[test]
    fn it_finds_those_for_whom_a_formula_is_not_as_it_was() {
        let mut random = rand_pcg::Pcg64::seed_from_u64(12);
        for round in 0..200 {
            let all: Vec<u32> = (0..round).map(|n| n * 1_013 % 200_000).collect();
            let mut contacts = all.clone();
            contacts.sort_unstable();
            contacts.dedup();
            let mut draw = |count: usize| -> Vec<Posting> {
                (0..count).map(|_| contacts.iter().copied().filter(|_| random.random_bool(0.4)).collect()).collect()
            };
            let before = Kept { predicates: draw(6), members: draw(3) };
            let now = Kept { predicates: draw(6), members: draw(3) };
            let mut flips = Vec::new();
            for (place, (a, b)) in before.predicates.iter().zip(&now.predicates).enumerate() {
                flips.extend(a.xor(b).iter().map(|contact| (place as u32, contact)));
            }
            // Only those in whom a predicate flipped are in the panel.
            contacts.retain(|contact| flips.iter().any(|(_, flipped)| flipped == contact));
            let mut panel = Panel::of_flips(flips);
            for (id, (a, b)) in before.members.iter().zip(&now.members).enumerate() {
                let differing: Vec<Differing> =
                    a.xor(b).iter().map(|contact| Differing { contact, is_in: b.contains(contact) }).collect();
                panel.note_members(&now, SegmentId(id as u32), &differing);
            }
            for _ in 0..20 {
                let formula = formula(&mut random, 3);
                let expected: Vec<Differing> = contacts
                    .iter()
                    .map(|contact| (*contact, formula.holds_of(&before, *contact), formula.holds_of(&now, *contact)))
                    .filter(|(_, before, now)| before != now)
                    .map(|(contact, _, is_in)| Differing { contact, is_in })
                    .collect();
                assert_eq!(panel.differing(&now, &formula), expected, "{formula:?}");
            }
        }
    }
}
