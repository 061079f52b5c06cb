//! The stable hash that deals contacts into buckets for samples and experiments.
//!
//! It depends on the contact's key and the experiment's name alone, so a contact is in the same bucket on every
//! machine, after every restart, whatever else the database holds. The definition, for ever:
//!
//! - `c` is the low 32 bits of XXH3-64 (seed 0) of the key's UTF-8 bytes;
//! - `n` is XXH3-64 (seed 0) of the name's UTF-8 bytes, as written;
//! - `mix` is the 32-bit finalizer of MurmurHash3;
//! - `h = mix(mix(c ^ low32(n)) ^ high32(n))`;
//! - the bucket, of `of` buckets, is `floor(h × of / 2³²)`.
//!
//! The multiplication keeps buckets in order of `h`: a 10 % sample lies inside the 20 % sample of the same name and
//! number of buckets, and a range of buckets is a range of `h`.

use xxhash_rust::xxh3::xxh3_64;

/// The hash of an experiment's name.
pub fn salt(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// The 32 bits by which a contact is dealt, of the contact's key hash and the name's hash.
#[inline(always)]
pub fn spread(key_hash: u32, salt: u64) -> u32 {
    mix(mix(key_hash ^ salt as u32) ^ (salt >> 32) as u32)
}

/// The bucket, below `of`, of a contact.
pub fn bucket(key_hash: u32, salt: u64, of: u32) -> u32 {
    ((u64::from(spread(key_hash, salt)) * u64::from(of)) >> 32) as u32
}

/// The values of [`spread`], first and last, whose buckets lie from `from` to `to`; `None` when there are none.
pub fn spread_range(of: u32, from: u32, to: u32) -> Option<(u32, u32)> {
    if from > to || from >= of {
        return None;
    }
    // The least h with floor(h × of / 2³²) >= b is ceil(b × 2³² / of).
    let least = |bucket: u64| (bucket << 32).div_ceil(u64::from(of));
    let first = least(u64::from(from));
    let after = if to >= of - 1 { 1 << 32 } else { least(u64::from(to) + 1) };
    (first < after).then(|| (first as u32, (after - 1) as u32))
}

#[inline(always)]
fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_buckets_are_ranges_of_the_hash() {
        for of in [1, 2, 3, 7, 100, 10_000, u32::MAX] {
            for h in [0, 1, 2, 1 << 16, 0x5555_5555, 0x5555_5556, u32::MAX / 2, u32::MAX - 1, u32::MAX] {
                let bucket = ((u64::from(h) * u64::from(of)) >> 32) as u32;
                assert!(bucket < of);
                let (first, last) = spread_range(of, bucket, bucket).unwrap();
                assert!((first..=last).contains(&h), "{h} of {of}");
                if bucket > 0 {
                    assert!(spread_range(of, 0, bucket - 1).unwrap().1 < h, "{h} of {of}");
                }
            }
        }
        assert_eq!(spread_range(10, 0, 99), Some((0, u32::MAX)));
        assert_eq!(spread_range(10, 10, 12), None);
        assert_eq!(spread_range(10, 5, 4), None);
    }

    #[test]
    fn buckets_are_level_and_never_change() {
        let salt_x = salt("exp-1");
        let mut counts = [0u32; 10];
        for i in 0..100_000u32 {
            counts[bucket(xxh3_64(i.to_string().as_bytes()) as u32, salt_x, 10) as usize] += 1;
        }
        assert!(counts.iter().all(|n| (9_600..10_400).contains(n)), "{counts:?}");
        let key = xxh3_64(b"ada@example.com") as u32;
        assert_eq!([bucket(key, salt_x, 100), bucket(key, salt("sample"), 10_000)], FROZEN);
    }

    /// Found once and kept: a change here would move people between experiments.
    const FROZEN: [u32; 2] = [29, 550];
}
