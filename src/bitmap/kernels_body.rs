//! The bodies of the kernels: plain loops, inlined into a build per processor, where they become vector code.

use crate::bitmap::kernels::Operand;

#[inline(always)]
fn ones(word: u64) -> u64 {
    u64::from(word.count_ones())
}

#[inline(always)]
pub(super) fn count(words: &[u64]) -> u64 {
    words.iter().map(|&word| ones(word)).sum()
}

macro_rules! pairwise {
    ($($name:ident, $counted:ident: |$a:ident, $b:ident| $op:expr;)*) => {
        $(#[inline(always)]
        pub(super) fn $name(a: &mut [u64], b: &[u64]) {
            for (slot, &$b) in a.iter_mut().zip(b) {
                let $a = *slot;
                *slot = $op;
            }
        }

        #[inline(always)]
        pub(super) fn $counted(a: &mut [u64], b: &[u64]) -> u64 {
            let mut count = 0;
            for (slot, &$b) in a.iter_mut().zip(b) {
                let $a = *slot;
                *slot = $op;
                count += ones(*slot);
            }
            count
        })*
    };
}

pairwise! {
    and, and_counted: |a, b| a & b;
    or, or_counted: |a, b| a | b;
    and_not, and_not_counted: |a, b| a & !b;
    xor, xor_counted: |a, b| a ^ b;
}

#[inline(always)]
pub(super) fn not(a: &mut [u64]) {
    for word in a {
        *word = !*word;
    }
}

#[inline(always)]
pub(super) fn and_count(a: &[u64], b: &[u64]) -> u64 {
    a.iter().zip(b).map(|(&a, &b)| ones(a & b)).sum()
}

#[inline(always)]
pub(super) fn and_not_count(a: &[u64], b: &[u64]) -> u64 {
    a.iter().zip(b).map(|(&a, &b)| ones(a & !b)).sum()
}

#[inline(always)]
pub(super) fn six_count(sets: &[&[u64]; 6]) -> u64 {
    let [a, b, c, d, e, f] = sets.map(|set| &set[..sets[0].len()]);
    (0..a.len()).map(|at| ones((a[at] & b[at] & c[at]) | (d[at] & !e[at] & f[at]))).sum()
}

/// What a fold does with each word of the result: counts it.
const COUNT: u8 = 0;
/// Counts and writes it.
const INTO: u8 = 1;
/// Counts it, counts what it changes, and writes it.
const ONTO: u8 = 2;
/// Words that a fold of many operands keeps at hand at a time.
const BLOCK: usize = 256;

#[inline(always)]
pub(super) fn fold_count(operands: &[Operand<'_>], any: bool) -> u64 {
    fold::<COUNT>(operands, any, &mut []).0
}

#[inline(always)]
pub(super) fn fold_into(operands: &[Operand<'_>], any: bool, out: &mut [u64]) -> u64 {
    fold::<INTO>(operands, any, out).0
}

#[inline(always)]
pub(super) fn fold_onto(operands: &[Operand<'_>], any: bool, out: &mut [u64]) -> (u64, u64) {
    fold::<ONTO>(operands, any, out)
}

#[inline(always)]
fn fold<const END: u8>(operands: &[Operand<'_>], any: bool, out: &mut [u64]) -> (u64, u64) {
    match operands.len() {
        1 => fold_n::<1, END>(operands, any, out),
        2 => fold_n::<2, END>(operands, any, out),
        3 => fold_n::<3, END>(operands, any, out),
        4 => fold_n::<4, END>(operands, any, out),
        5 => fold_n::<5, END>(operands, any, out),
        6 => fold_n::<6, END>(operands, any, out),
        7 => fold_n::<7, END>(operands, any, out),
        8 => fold_n::<8, END>(operands, any, out),
        _ => fold_many::<END>(operands, any, out),
    }
}

/// The bits to flip in an operand so that an AND, its result flipped back, also serves as an OR.
#[inline(always)]
fn flip(operand: &Operand<'_>, any: bool) -> u64 {
    if operand.negated != any { !0 } else { 0 }
}

#[inline(always)]
fn fold_n<const N: usize, const END: u8>(operands: &[Operand<'_>], any: bool, out: &mut [u64]) -> (u64, u64) {
    let len = operands[0].words.len();
    let mut words: [&[u64]; N] = [&[]; N];
    let mut flips = [0; N];
    for n in 0..N {
        words[n] = &operands[n].words[..len];
        flips[n] = flip(&operands[n], any);
    }
    let back = if any { !0 } else { 0 };
    let out = if END == COUNT { &mut out[..0] } else { &mut out[..len] };
    let (mut count, mut changed) = (0, 0);
    for at in 0..len {
        let mut word = !0;
        for n in 0..N {
            word &= words[n][at] ^ flips[n];
        }
        word ^= back;
        count += ones(word);
        if END == ONTO {
            changed += ones(word ^ out[at]);
        }
        if END != COUNT {
            out[at] = word;
        }
    }
    (count, changed)
}

#[inline(always)]
fn fold_many<const END: u8>(operands: &[Operand<'_>], any: bool, out: &mut [u64]) -> (u64, u64) {
    let len = operands[0].words.len();
    let back = if any { !0 } else { 0 };
    let (mut count, mut changed) = (0, 0);
    for start in (0..len).step_by(BLOCK) {
        let end = (start + BLOCK).min(len);
        let mut block = [!0u64; BLOCK];
        let block = &mut block[..end - start];
        for operand in operands {
            let flip = flip(operand, any);
            for (slot, &word) in block.iter_mut().zip(&operand.words[start..end]) {
                *slot &= word ^ flip;
            }
        }
        for word in block.iter_mut() {
            *word ^= back;
        }
        count += self::count(block);
        if END == ONTO {
            changed += block.iter().zip(&out[start..end]).map(|(&new, &old)| ones(new ^ old)).sum::<u64>();
        }
        if END != COUNT {
            out[start..end].copy_from_slice(block);
        }
    }
    (count, changed)
}

/// Gathers the low bits of eight bytes, each 0 or 1, in the top byte: byte `k` times 2^(56 − 7k) lands on bit 56 + k.
const GATHER: u64 = 0x0102_0408_1020_4080;

#[inline(always)]
fn mask_group<T: Copy + Ord>(group: &[T; 64], lo: T, hi: T) -> u64 {
    let mut hits = [0u8; 64];
    for (hit, &code) in hits.iter_mut().zip(group) {
        *hit = u8::from(lo <= code) & u8::from(code <= hi);
    }
    let (eights, _) = hits.as_chunks::<8>();
    let mut word = 0;
    for (at, eight) in eights.iter().enumerate() {
        word |= (u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56) << (8 * at);
    }
    word
}

#[inline(always)]
fn mask<T: Copy + Ord>(codes: &[T], lo: T, hi: T, out: &mut [u64]) {
    let (groups, tail) = codes.as_chunks::<64>();
    let (body, rest) = out.split_at_mut(groups.len());
    for (group, word) in groups.iter().zip(body) {
        *word = mask_group(group, lo, hi);
    }
    rest.fill(0);
    for (at, &code) in tail.iter().enumerate() {
        rest[0] |= u64::from(lo <= code && code <= hi) << at;
    }
}

macro_rules! masks {
    ($($name:ident: $type:ty;)*) => {
        $(#[inline(always)]
        pub(super) fn $name(codes: &[$type], lo: $type, hi: $type, out: &mut [u64]) {
            mask(codes, lo, hi, out)
        })*
    };
}

masks! {
    mask_u8: u8;
    mask_u16: u16;
    mask_u32: u32;
    mask_u64: u64;
    mask_i64: i64;
}

/// Writes `base + i` for every set bit `i`, and anything to up to seven slots behind; returns how many bits are set.
/// Eight slots at a time, so that hardly a branch depends on the bits.
#[inline(always)]
pub(super) fn set_bits(words: &[u64], base: u32, out: &mut [u32]) -> usize {
    let mut place = 0;
    for (at, &word) in words.iter().enumerate() {
        let (first, len, mut left) = (base.wrapping_add(64 * at as u32), ones(word) as usize, word);
        for slots in out[place..place + len.next_multiple_of(8)].as_chunks_mut::<8>().0 {
            for slot in slots {
                *slot = first.wrapping_add(left.trailing_zeros());
                left &= left.wrapping_sub(1);
            }
        }
        place += len;
    }
    place
}
