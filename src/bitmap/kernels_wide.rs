//! What AVX-512 does by mask registers, which the compiler does not find by itself: compare-to-mask, four times as fast, and
//! the places of set bits.

#![expect(unsafe_code, reason = "vector loads take pointers")]

use std::arch::x86_64::{
    _mm512_add_epi32, _mm512_cmpge_epi64_mask, _mm512_cmpge_epu8_mask, _mm512_cmpge_epu16_mask,
    _mm512_cmpge_epu32_mask, _mm512_cmpge_epu64_mask, _mm512_loadu_epi8, _mm512_loadu_epi16, _mm512_loadu_epi32,
    _mm512_loadu_epi64, _mm512_loadu_si512, _mm512_mask_cmple_epi64_mask, _mm512_mask_cmple_epu8_mask,
    _mm512_mask_cmple_epu16_mask, _mm512_mask_cmple_epu32_mask, _mm512_mask_cmple_epu64_mask,
    _mm512_maskz_compress_epi32, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_epi64,
    _mm512_storeu_si512,
};

macro_rules! masks {
    ($($name:ident: $type:ty, $lanes:literal, $mask:ty, $splat:ident, $load:ident, $least:ident, $most:ident;)*) => {
        $(#[target_feature(enable = "avx512f,avx512bw")]
        pub(super) fn $name(codes: &[$type], lo: $type, hi: $type, out: &mut [u64]) {
            let whole = codes.len() / 64;
            let (body, rest) = out.split_at_mut(whole);
            let (codes, tail) = codes.split_at(64 * whole);
            let (least, most) = ($splat(lo as _), $splat(hi as _));
            // The mask of one vector is stored as it is: the machine is little-endian.
            let masks: &mut [$mask] = bytemuck::must_cast_slice_mut(body);
            for (lanes, mask) in codes.as_chunks::<$lanes>().0.iter().zip(masks) {
                // SAFETY: `lanes` is exactly one vector of 64 bytes; the load asks for no alignment.
                let vector = unsafe { $load(lanes.as_ptr().cast()) };
                *mask = $most($least(vector, least), vector, most);
            }
            rest.fill(0);
            for (at, &code) in tail.iter().enumerate() {
                rest[0] |= u64::from(lo <= code && code <= hi) << at;
            }
        })*
    };
}

masks! {
    mask_u8: u8, 64, u64, _mm512_set1_epi8, _mm512_loadu_epi8, _mm512_cmpge_epu8_mask, _mm512_mask_cmple_epu8_mask;
    mask_u16: u16, 32, u32, _mm512_set1_epi16, _mm512_loadu_epi16, _mm512_cmpge_epu16_mask, _mm512_mask_cmple_epu16_mask;
    mask_u32: u32, 16, u16, _mm512_set1_epi32, _mm512_loadu_epi32, _mm512_cmpge_epu32_mask, _mm512_mask_cmple_epu32_mask;
    mask_u64: u64, 8, u8, _mm512_set1_epi64, _mm512_loadu_epi64, _mm512_cmpge_epu64_mask, _mm512_mask_cmple_epu64_mask;
    mask_i64: i64, 8, u8, _mm512_set1_epi64, _mm512_loadu_epi64, _mm512_cmpge_epi64_mask, _mm512_mask_cmple_epi64_mask;
}

/// As the body of this name, and anything to up to sixteen slots behind the last. The lanes that have their bit are moved
/// together in a register; a store that did that itself takes many times as long on some processors.
#[target_feature(enable = "avx512f,popcnt")]
pub(super) fn set_bits(words: &[u64], base: u32, out: &mut [u32]) -> usize {
    let counting: [u32; 16] = std::array::from_fn(|lane| lane as u32);
    // SAFETY: it is exactly one vector of 64 bytes; the load asks for no alignment.
    let lanes = unsafe { _mm512_loadu_si512(counting.as_ptr().cast()) };
    let mut place = 0;
    for (at, &word) in words.iter().enumerate().filter(|(_, word)| **word != 0) {
        for quarter in 0..4 {
            let mask = (word >> (16 * quarter)) as u16;
            let first = base.wrapping_add(64 * at as u32 + 16 * quarter);
            let ids = _mm512_maskz_compress_epi32(mask, _mm512_add_epi32(lanes, _mm512_set1_epi32(first as i32)));
            let slots = &mut out[place..place + 16];
            // SAFETY: `slots` is exactly one vector of 64 bytes; the store asks for no alignment.
            unsafe { _mm512_storeu_si512(slots.as_mut_ptr().cast(), ids) };
            place += mask.count_ones() as usize;
        }
    }
    place
}
