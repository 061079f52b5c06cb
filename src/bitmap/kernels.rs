//! The loops over words and codes, each built for the plain processor, AVX2 and AVX-512, chosen once at start.
//!
//! Every function panics when slices that must be of one length are not.

#![expect(unsafe_code, reason = "a function built for a processor feature may only be called where that feature is")]

use std::sync::LazyLock;

#[cfg(target_arch = "x86_64")]
use crate::bitmap::kernels_wide;
use crate::bitmap::{kernels_body as body, words::Words};

// The words of a mapped file are read where they lie.
#[cfg(not(target_endian = "little"))]
compile_error!("snapshots are little-endian and used in place: a big-endian machine cannot read them");

// SAFETY: all bits zero are an array of zeros.
unsafe impl bytemuck::Zeroable for Words {}
// SAFETY: `Words` is `repr(C)` with one field, 8,192 bytes of plain integers; 8,192 is a multiple of its alignment of
// 64, so there is no padding; every bit pattern is one.
unsafe impl bytemuck::Pod for Words {}

/// An operand of an n-ary kernel: words, taken as they are or negated.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The words.
    pub words: &'a [u64],
    /// Whether every bit is flipped first.
    pub negated: bool,
}

/// Makes, of each body, a base, an AVX2 and an AVX-512 build, and the table of those that fit this processor.
macro_rules! builds {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        struct Table {
            level: &'static str,
            $($name: unsafe fn($($type),*) $(-> $result)?,)*
        }

        mod base {
            use super::{Operand, body};
            $(pub(super) fn $name($($arg: $type),*) $(-> $result)? { body::$name($($arg),*) })*
        }

        #[cfg(target_arch = "x86_64")]
        mod avx2 {
            use super::{Operand, body};
            $(#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
            pub(super) fn $name($($arg: $type),*) $(-> $result)? { body::$name($($arg),*) })*
        }

        #[cfg(target_arch = "x86_64")]
        mod avx512 {
            use super::{Operand, body};
            $(#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vpopcntdq")]
            pub(super) fn $name($($arg: $type),*) $(-> $result)? { body::$name($($arg),*) })*
        }

        const BASE: Table = Table { level: "base", $($name: base::$name,)* };
        #[cfg(target_arch = "x86_64")]
        const AVX2: Table = Table { level: "avx2", $($name: avx2::$name,)* };
        #[cfg(target_arch = "x86_64")]
        const AVX512: Table = Table { level: "avx512", $($name: avx512::$name,)* };
    };
}

builds! {
    count(words: &[u64]) -> u64;
    and(a: &mut [u64], b: &[u64]);
    or(a: &mut [u64], b: &[u64]);
    and_not(a: &mut [u64], b: &[u64]);
    xor(a: &mut [u64], b: &[u64]);
    not(a: &mut [u64]);
    and_counted(a: &mut [u64], b: &[u64]) -> u64;
    or_counted(a: &mut [u64], b: &[u64]) -> u64;
    and_not_counted(a: &mut [u64], b: &[u64]) -> u64;
    xor_counted(a: &mut [u64], b: &[u64]) -> u64;
    and_count(a: &[u64], b: &[u64]) -> u64;
    and_not_count(a: &[u64], b: &[u64]) -> u64;
    fold_count(operands: &[Operand<'_>], any: bool) -> u64;
    fold_into(operands: &[Operand<'_>], any: bool, out: &mut [u64]) -> u64;
    fold_onto(operands: &[Operand<'_>], any: bool, out: &mut [u64]) -> (u64, u64);
    six_count(sets: &[&[u64]; 6]) -> u64;
    mask_u8(codes: &[u8], lo: u8, hi: u8, out: &mut [u64]);
    mask_u16(codes: &[u16], lo: u16, hi: u16, out: &mut [u64]);
    mask_u32(codes: &[u32], lo: u32, hi: u32, out: &mut [u64]);
    mask_u64(codes: &[u64], lo: u64, hi: u64, out: &mut [u64]);
    mask_i64(codes: &[i64], lo: i64, hi: i64, out: &mut [u64]);
    set_bits(words: &[u64], base: u32, out: &mut [u32]) -> usize;
}

static TABLE: LazyLock<Table> = LazyLock::new(|| candidates().pop().expect("the base build always fits"));

/// The builds that this processor can run, plainest first.
fn candidates() -> Vec<Table> {
    let mut tables = vec![BASE];
    #[cfg(target_arch = "x86_64")]
    {
        let bits = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
        let counts = is_x86_feature_detected!("lzcnt") && is_x86_feature_detected!("popcnt");
        if is_x86_feature_detected!("avx2") && bits && counts {
            tables.push(AVX2);
            let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            if wide && is_x86_feature_detected!("avx512vpopcntdq") {
                tables.push(Table {
                    mask_u8: kernels_wide::mask_u8,
                    mask_u16: kernels_wide::mask_u16,
                    mask_u32: kernels_wide::mask_u32,
                    mask_u64: kernels_wide::mask_u64,
                    mask_i64: kernels_wide::mask_i64,
                    set_bits: kernels_wide::set_bits,
                    ..AVX512
                });
            }
        }
    }
    tables
}

/// Calls a kernel of a table.
macro_rules! call {
    ($table:expr, $name:ident($($arg:expr),*)) => {{
        let kernel = $table.$name;
        // SAFETY: a table is only handed out by `candidates`, which has checked that this processor has every feature
        // that the functions in it are built for; they ask nothing else of their caller.
        unsafe { kernel($($arg),*) }
    }};
}

/// Which build of the kernels runs here: `base`, `avx2` or `avx512`.
pub fn level() -> &'static str {
    TABLE.level
}

/// Set bits.
pub fn count(words: &[u64]) -> u64 {
    call!(TABLE, count(words))
}

macro_rules! pairwise {
    ($($(#[$doc:meta])* $name:ident $(-> $result:ty)?;)*) => {
        $($(#[$doc])*
        pub fn $name(a: &mut [u64], b: &[u64]) $(-> $result)? {
            assert_eq!(a.len(), b.len(), "both operands have one length");
            call!(TABLE, $name(a, b))
        })*
    };
}

pairwise! {
    /// `a &= b`.
    and;
    /// `a |= b`.
    or;
    /// `a &= !b`.
    and_not;
    /// `a ^= b`.
    xor;
    /// `a &= b`; returns the set bits of the result.
    and_counted -> u64;
    /// `a |= b`; returns the set bits of the result.
    or_counted -> u64;
    /// `a &= !b`; returns the set bits of the result.
    and_not_counted -> u64;
    /// `a ^= b`; returns the set bits of the result.
    xor_counted -> u64;
}

/// `a = !a`.
pub fn not(a: &mut [u64]) {
    call!(TABLE, not(a))
}

/// Set bits of `a & b`; nothing is written.
pub fn and_count(a: &[u64], b: &[u64]) -> u64 {
    assert_eq!(a.len(), b.len(), "both operands have one length");
    call!(TABLE, and_count(a, b))
}

/// Set bits of `a & !b`; nothing is written.
pub fn and_not_count(a: &[u64], b: &[u64]) -> u64 {
    assert_eq!(a.len(), b.len(), "both operands have one length");
    call!(TABLE, and_not_count(a, b))
}

/// Checks the operands of an n-ary kernel and returns their common length.
fn common_len(operands: &[Operand<'_>]) -> usize {
    let len = operands.first().expect("an n-ary kernel has at least one operand").words.len();
    assert!(operands.iter().all(|operand| operand.words.len() == len), "all operands have one length");
    len
}

/// Set bits of the AND of all operands; nothing is written. At least one operand; so with the next five.
pub fn all_count(operands: &[Operand<'_>]) -> u64 {
    common_len(operands);
    call!(TABLE, fold_count(operands, false))
}

/// `out` = the AND of all operands; returns its set bits.
pub fn all_into(operands: &[Operand<'_>], out: &mut [u64]) -> u64 {
    assert_eq!(common_len(operands), out.len(), "the result is as long as the operands");
    call!(TABLE, fold_into(operands, false, out))
}

/// `out` = the AND of all operands; returns its set bits and how many bits of `out` changed.
pub fn all_onto(operands: &[Operand<'_>], out: &mut [u64]) -> (u64, u64) {
    assert_eq!(common_len(operands), out.len(), "the result is as long as the operands");
    call!(TABLE, fold_onto(operands, false, out))
}

/// Set bits of the OR of all operands; nothing is written.
pub fn any_count(operands: &[Operand<'_>]) -> u64 {
    common_len(operands);
    call!(TABLE, fold_count(operands, true))
}

/// `out` = the OR of all operands; returns its set bits.
pub fn any_into(operands: &[Operand<'_>], out: &mut [u64]) -> u64 {
    assert_eq!(common_len(operands), out.len(), "the result is as long as the operands");
    call!(TABLE, fold_into(operands, true, out))
}

/// `out` = the OR of all operands; returns its set bits and how many bits of `out` changed.
pub fn any_onto(operands: &[Operand<'_>], out: &mut [u64]) -> (u64, u64) {
    assert_eq!(common_len(operands), out.len(), "the result is as long as the operands");
    call!(TABLE, fold_onto(operands, true, out))
}

/// Set bits of `(a & b & c) | (d & !e & f)`, one loop over six sets.
pub fn six_count(sets: [&[u64]; 6]) -> u64 {
    assert!(sets.iter().all(|set| set.len() == sets[0].len()), "all operands have one length");
    call!(TABLE, six_count(&sets))
}

/// A type of code that [`range_mask`] compares: u8, u16, u32, u64, i64.
pub trait Code: Copy + Ord {
    /// [`range_mask`] for codes of this type.
    fn mask(codes: &[Self], lo: Self, hi: Self, out: &mut [u64]);
}

macro_rules! codes {
    ($($type:ty: $mask:ident;)*) => {
        $(impl Code for $type {
            fn mask(codes: &[Self], lo: Self, hi: Self, out: &mut [u64]) {
                assert!(codes.len().div_ceil(64) <= out.len(), "the result has a bit for every code");
                call!(TABLE, $mask(codes, lo, hi, out))
            }
        })*
    };
}

codes! {
    u8: mask_u8;
    u16: mask_u16;
    u32: mask_u32;
    u64: mask_u64;
    i64: mask_i64;
}

/// Bit `i` of `out` = `lo <= codes[i] && codes[i] <= hi`. Overwrites all of `out`, which must have a bit for every code.
pub fn range_mask<T: Code>(codes: &[T], lo: T, hi: T, out: &mut [u64]) {
    T::mask(codes, lo, hi, out);
}

/// What a kernel that lists set bits may write past the last. Units: ids.
pub const SLACK: usize = 16;

/// Appends `base + i` for every set bit `i`. There is no new allocation if room for [`SLACK`] more was reserved.
pub fn push_ids(words: &[u64], base: u32, out: &mut Vec<u32>) {
    let (start, len) = (out.len(), count(words) as usize);
    out.resize(start + len + SLACK, 0);
    let written = call!(TABLE, set_bits(words, base, &mut out[start..]));
    debug_assert_eq!(written, len, "a slot for every bit");
    out.truncate(start + len);
}

#[cfg(test)]
#[path = "kernels_tests.rs"]
mod tests;
