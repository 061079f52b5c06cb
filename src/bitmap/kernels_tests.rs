//! Every build of every kernel against the plainest way to say the same.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::*;

/// Lengths around every vector width and block, and a whole chunk.
const LENGTHS: [usize; 21] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 257, 1_024];

fn words(rng: &mut Pcg64, len: usize) -> Vec<u64> {
    (0..len)
        .map(|_| match rng.random_range(0..4) {
            0 => 0,
            1 => !0,
            _ => rng.next_u64(),
        })
        .collect()
}

fn scalar_count(words: &[u64]) -> u64 {
    words.iter().map(|word| (0..64).filter(|bit| word >> bit & 1 == 1).count() as u64).sum()
}

#[test]
fn the_best_build_is_chosen() {
    let levels: Vec<_> = candidates().iter().map(|table| table.level).collect();
    assert_eq!(levels[0], "base");
    assert_eq!(level(), *levels.last().unwrap());
}

#[test]
fn pairs_agree_with_single_words() {
    type Op = fn(u64, u64) -> u64;
    let mut rng = Pcg64::seed_from_u64(1);
    for table in candidates() {
        for len in LENGTHS {
            let (a, b) = (words(&mut rng, len), words(&mut rng, len));
            let plain = [table.and, table.or, table.and_not, table.xor];
            let counted = [table.and_counted, table.or_counted, table.and_not_counted, table.xor_counted];
            let ops: [Op; 4] = [|a, b| a & b, |a, b| a | b, |a, b| a & !b, |a, b| a ^ b];
            for ((plain, counted), op) in plain.into_iter().zip(counted).zip(ops) {
                let wanted: Vec<u64> = a.iter().zip(&b).map(|(&a, &b)| op(a, b)).collect();
                let (mut first, mut second) = (a.clone(), a.clone());
                // SAFETY: `candidates` has checked this processor for the features of the table.
                let count = unsafe {
                    plain(&mut first, &b);
                    counted(&mut second, &b)
                };
                assert_eq!((first, second, count), (wanted.clone(), wanted.clone(), scalar_count(&wanted)));
            }
            assert_eq!(call!(table, count(&a)), scalar_count(&a));
            let both: Vec<u64> = a.iter().zip(&b).map(|(a, b)| a & b).collect();
            assert_eq!(call!(table, and_count(&a, &b)), scalar_count(&both));
            let only: Vec<u64> = a.iter().zip(&b).map(|(a, b)| a & !b).collect();
            assert_eq!(call!(table, and_not_count(&a, &b)), scalar_count(&only));
            let mut flipped = a.clone();
            call!(table, not(&mut flipped));
            assert!(flipped.iter().zip(&a).all(|(&flipped, &a)| flipped == !a));
        }
    }
}

#[test]
fn folds_agree_with_single_words() {
    let mut rng = Pcg64::seed_from_u64(2);
    for table in candidates() {
        for (len, arity) in LENGTHS.into_iter().flat_map(|len| (1..=19).map(move |arity| (len, arity))) {
            let lists: Vec<Vec<u64>> = (0..arity).map(|_| words(&mut rng, len)).collect();
            let operands: Vec<Operand<'_>> =
                lists.iter().map(|words| Operand { words, negated: rng.random() }).collect();
            for any in [false, true] {
                let fold = |at: usize| {
                    let terms = operands.iter().map(|o| if o.negated { !o.words[at] } else { o.words[at] });
                    if any { terms.fold(0, |a, b| a | b) } else { terms.fold(!0, |a, b| a & b) }
                };
                let wanted: Vec<u64> = (0..len).map(fold).collect();
                let old = words(&mut rng, len);
                let changed: Vec<u64> = old.iter().zip(&wanted).map(|(a, b)| a ^ b).collect();
                let (mut into, mut onto) = (old.clone(), old);
                assert_eq!(call!(table, fold_count(&operands, any)), scalar_count(&wanted));
                assert_eq!(call!(table, fold_into(&operands, any, &mut into)), scalar_count(&wanted));
                let counts = call!(table, fold_onto(&operands, any, &mut onto));
                assert_eq!(counts, (scalar_count(&wanted), scalar_count(&changed)));
                assert_eq!((&into, &onto), (&wanted, &wanted), "{} of {arity}, {len} words", table.level);
            }
        }
    }
}

#[test]
fn public_folds_are_the_ones_meant() {
    let (a, b, c) = ([0b1100u64], [0b1010u64], [0b0111u64]);
    let operands =
        [(&a, false), (&b, false), (&c, true)].map(|(words, negated)| Operand { words: words.as_slice(), negated });
    let mut out = [0b1u64];
    assert_eq!((all_count(&operands), all_onto(&operands, &mut out), out[0]), (1, (1, 2), 0b1000));
    assert_eq!((all_into(&operands, &mut out), out[0]), (1, 0b1000));
    assert_eq!((any_count(&operands), any_into(&operands, &mut out), out[0]), (63, 63, !1));
    assert_eq!(any_onto(&operands, &mut out), (63, 0));
}

macro_rules! mask_test {
    ($($test:ident: $type:ty, $kernel:ident;)*) => {
        $(#[test]
        fn $test() {
            let mut rng = Pcg64::seed_from_u64(3);
            let extremes = [<$type>::MIN, <$type>::MIN + 1, 0, 1, <$type>::MAX / 2, <$type>::MAX - 1, <$type>::MAX];
            for table in candidates() {
                for len in (0usize..200).chain([511, 512, 513, 4_095, 4_096]) {
                    let pick = |rng: &mut Pcg64| match rng.random_range(0..3) {
                        0 => extremes[rng.random_range(0..extremes.len())],
                        1 => rng.random_range(0..100),
                        _ => rng.random(),
                    };
                    let codes: Vec<$type> = (0..len).map(|_| pick(&mut rng)).collect();
                    let (lo, hi) = (pick(&mut rng), pick(&mut rng));
                    let mut out = words(&mut rng, len.div_ceil(64) + 1);
                    let mut wanted = vec![0u64; out.len()];
                    for (at, code) in codes.iter().enumerate() {
                        wanted[at / 64] |= u64::from((lo..=hi).contains(code)) << (at % 64);
                    }
                    call!(table, $kernel(&codes, lo, hi, &mut out));
                    assert_eq!(out, wanted, "{} {len} {lo}..={hi}", table.level);
                }
            }
        })*
    };
}

mask_test! {
    masks_of_u8_agree: u8, mask_u8;
    masks_of_u16_agree: u16, mask_u16;
    masks_of_u32_agree: u32, mask_u32;
    masks_of_u64_agree: u64, mask_u64;
    masks_of_i64_agree: i64, mask_i64;
}

#[test]
fn ids_come_out_in_order() {
    let mut rng = Pcg64::seed_from_u64(4);
    for len in LENGTHS {
        let words = words(&mut rng, len);
        // The last base is of the chunk with the greatest ids there are.
        for base in [0, 65_536, u32::MAX - 65_535] {
            let wanted = (0..64 * len as u32).filter(|at| words[*at as usize / 64] >> (at % 64) & 1 == 1);
            let wanted: Vec<u32> = wanted.map(|at| base.wrapping_add(at)).collect();
            for table in candidates() {
                let mut slots = vec![0; wanted.len() + SLACK];
                assert_eq!(call!(table, set_bits(&words, base, &mut slots)), wanted.len());
                assert_eq!(slots[..wanted.len()], wanted, "{} {len}", table.level);
            }
            let mut ids = vec![7];
            push_ids(&words, base, &mut ids);
            assert_eq!(ids, [&[7], &wanted[..]].concat());
        }
    }
}

#[test]
#[should_panic(expected = "one length")]
fn lengths_must_agree() {
    and(&mut [0, 0], &[0]);
}
