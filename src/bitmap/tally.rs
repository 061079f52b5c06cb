//! How many of several sets hold each contact: counted for 64 contacts at a time, in binary, one word a digit.

/// Sets in `out` the bits that are set in at least `least` and at most `most` of `sets`, which are as long as `out`.
pub fn between(sets: &[&[u64]], least: u32, most: u32, out: &mut [u64]) {
    let digits = (usize::BITS - sets.len().leading_zeros()) as usize;
    let mut count = vec![0u64; digits];
    for (at, word) in out.iter_mut().enumerate() {
        count.fill(0);
        for set in sets {
            let mut carry = set[at];
            for digit in &mut count {
                (*digit, carry) = (*digit ^ carry, *digit & carry);
            }
        }
        let too_many = most.checked_add(1).map_or(0, |bound| at_least(&count, bound));
        *word = at_least(&count, least) & !too_many;
    }
}

/// The bits whose count, given by digits from the lowest, is at least `bound`.
fn at_least(count: &[u64], bound: u32) -> u64 {
    if u64::from(bound) >= 1 << count.len() {
        return 0;
    }
    let (mut more, mut same) = (0, !0);
    for (place, digit) in count.iter().enumerate().rev() {
        if bound >> place & 1 == 1 {
            same &= digit;
        } else {
            more |= same & digit;
            same &= !digit;
        }
    }
    more | same
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn it_counts_as_one_would() {
        let mut random = rand_pcg::Pcg64::seed_from_u64(4);
        for count in 0..20usize {
            let sets: Vec<Vec<u64>> =
                (0..count).map(|_| (0..3).map(|_| random.random::<u64>() & random.random::<u64>()).collect()).collect();
            let sets: Vec<&[u64]> = sets.iter().map(|set| &set[..]).collect();
            for (least, most) in [(0, 0), (0, 2), (1, 1), (2, u32::MAX), (3, 7), (5, 4), (16, 40), (u32::MAX, u32::MAX)]
            {
                let mut out = [7; 3];
                between(&sets, least, most, &mut out);
                for bit in 0..192 {
                    let is_in = |words: &[u64]| words[bit / 64] >> (bit % 64) & 1 == 1;
                    let held = sets.iter().filter(|set| is_in(set)).count() as u32;
                    assert_eq!(is_in(&out), (least..=most).contains(&held), "{held} of {count}, {least} to {most}");
                }
            }
        }
    }
}
