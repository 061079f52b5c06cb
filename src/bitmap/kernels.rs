//! The loops over words and codes, each built for the plain processor, AVX2 and AVX-512, chosen once at start.
//!
//! Every function panics when slices that must be of one length are not.

/// An operand of an n-ary kernel: words, taken as they are or negated.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The words.
    pub words: &'a [u64],
    /// Whether every bit is flipped first.
    pub negated: bool,
}

/// Which build of the kernels runs here: `base`, `avx2` or `avx512`.
pub fn level() -> &'static str {
    unimplemented!()
}
/// Set bits.
pub fn count(_words: &[u64]) -> u64 {
    unimplemented!()
}
/// `a &= b`.
pub fn and(_a: &mut [u64], _b: &[u64]) {
    unimplemented!()
}
/// `a |= b`.
pub fn or(_a: &mut [u64], _b: &[u64]) {
    unimplemented!()
}
/// `a &= !b`.
pub fn and_not(_a: &mut [u64], _b: &[u64]) {
    unimplemented!()
}
/// `a ^= b`.
pub fn xor(_a: &mut [u64], _b: &[u64]) {
    unimplemented!()
}
/// `a = !a`.
pub fn not(_a: &mut [u64]) {
    unimplemented!()
}
/// `a &= b`; returns the set bits of the result. So do the next three.
pub fn and_counted(_a: &mut [u64], _b: &[u64]) -> u64 {
    unimplemented!()
}
/// `a |= b`, counted.
pub fn or_counted(_a: &mut [u64], _b: &[u64]) -> u64 {
    unimplemented!()
}
/// `a &= !b`, counted.
pub fn and_not_counted(_a: &mut [u64], _b: &[u64]) -> u64 {
    unimplemented!()
}
/// `a ^= b`, counted.
pub fn xor_counted(_a: &mut [u64], _b: &[u64]) -> u64 {
    unimplemented!()
}
/// Set bits of `a & b`; nothing is written.
pub fn and_count(_a: &[u64], _b: &[u64]) -> u64 {
    unimplemented!()
}
/// Set bits of `a & !b`; nothing is written.
pub fn and_not_count(_a: &[u64], _b: &[u64]) -> u64 {
    unimplemented!()
}
/// Set bits of the AND of all operands; nothing is written. At least one operand; so with the next five.
pub fn all_count(_operands: &[Operand<'_>]) -> u64 {
    unimplemented!()
}
/// `out` = the AND of all operands; returns its set bits.
pub fn all_into(_operands: &[Operand<'_>], _out: &mut [u64]) -> u64 {
    unimplemented!()
}
/// `out` = the AND of all operands; returns its set bits and how many bits of `out` changed.
pub fn all_onto(_operands: &[Operand<'_>], _out: &mut [u64]) -> (u64, u64) {
    unimplemented!()
}
/// Set bits of the OR of all operands; nothing is written.
pub fn any_count(_operands: &[Operand<'_>]) -> u64 {
    unimplemented!()
}
/// `out` = the OR of all operands; returns its set bits.
pub fn any_into(_operands: &[Operand<'_>], _out: &mut [u64]) -> u64 {
    unimplemented!()
}
/// `out` = the OR of all operands; returns its set bits and how many bits of `out` changed.
pub fn any_onto(_operands: &[Operand<'_>], _out: &mut [u64]) -> (u64, u64) {
    unimplemented!()
}

/// A type of code that [`range_mask`] compares: u8, u16, u32, u64, i64.
pub trait Code: Copy + Ord {}
impl Code for u8 {}
impl Code for u16 {}
impl Code for u32 {}
impl Code for u64 {}
impl Code for i64 {}

/// Bit `i` of `out` = `lo <= codes[i] && codes[i] <= hi`. Overwrites all of `out`, which must have a bit for every code.
pub fn range_mask<T: Code>(_codes: &[T], _lo: T, _hi: T, _out: &mut [u64]) {
    unimplemented!()
}
/// Appends `base + i` for every set bit `i`.
pub fn push_ids(_words: &[u64], _base: u32, _out: &mut Vec<u32>) {
    unimplemented!()
}
