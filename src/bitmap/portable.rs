//! Roaring's portable bytes in and out, read and written by the `roaring` crate.

use roaring::RoaringBitmap;

use crate::bitmap::{
    CHUNK,
    chunk::{Chunk, View},
    posting::Posting,
    words::Words,
};
use crate::codec::damage::Damage;

/// The set in Roaring's portable format.
pub fn to_roaring(posting: &Posting) -> Vec<u8> {
    let bitmap = to_bitmap(posting);
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes).expect("a vector takes all bytes");
    bytes
}

/// Reads Roaring's portable format, checked; bytes left over are damage.
pub fn from_roaring(bytes: &[u8]) -> Result<Posting, Damage> {
    let mut rest = bytes;
    let bitmap = RoaringBitmap::deserialize_from(&mut rest)
        .map_err(|error| Damage::new(format!("not a portable Roaring bitmap: {error}")))?;
    if !rest.is_empty() {
        return Err(Damage::new(format!("{} bytes after the end of a portable Roaring bitmap", rest.len())));
    }
    Ok(from_bitmap(&bitmap))
}

/// Reads Roaring's portable format at the head of some bytes and keeps of it what another set has, which it costs no
/// more than. Gives the common ids, how many others there were, and how many bytes the bitmap took.
pub fn within(bytes: &[u8], known: &Posting) -> Result<(Posting, u64, usize), Damage> {
    let mut rest = bytes;
    let told = |error| Damage::new(format!("not a portable Roaring bitmap: {error}"));
    let bitmap = RoaringBitmap::deserialize_from(&mut rest).map_err(told)?;
    let both = &bitmap & &to_bitmap(known);
    Ok((from_bitmap(&both), bitmap.len() - both.len(), bytes.len() - rest.len()))
}

/// The set as the crate's bitmap.
fn to_bitmap(posting: &Posting) -> RoaringBitmap {
    let mut bitmap = RoaringBitmap::new();
    for (key, chunk) in posting.chunks() {
        let base = (key * CHUNK) as u32;
        match chunk.view() {
            View::Empty => {}
            View::Full => {
                bitmap.insert_range(base..=base + (CHUNK as u32 - 1));
            }
            View::Array(values) => {
                let ids = values.iter().map(|&at| base + u32::from(at));
                bitmap.append(ids).expect("chunks and their values ascend");
            }
            View::Words(words) => bitmap |= RoaringBitmap::from_lsb0_bytes(base, bytemuck::cast_slice(&words.0)),
        }
    }
    bitmap
}

/// The set of the crate's bitmap.
fn from_bitmap(bitmap: &RoaringBitmap) -> Posting {
    let mut chunks = Vec::new();
    let mut values: Vec<u16> = Vec::new();
    let mut of = 0;
    for id in bitmap {
        let key = (id >> 16) as usize;
        if key != of {
            chunks.push((of, chunk_of(&values)));
            values.clear();
            of = key;
        }
        values.push(id as u16);
    }
    chunks.push((of, chunk_of(&values)));
    Posting::from_chunks(chunks)
}

fn chunk_of(values: &[u16]) -> Chunk {
    if values.len() <= crate::bitmap::chunk::ARRAY_MAX {
        return Chunk::from_sorted(values);
    }
    let mut words = Words::zero();
    words.set_all(values);
    Chunk::from_counted(&words, values.len() as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn portable_bytes_are_those_of_the_crate(posting in crate::bitmap::posting_tests::any_posting()) {
            let bytes = to_roaring(&posting);
            let oracle = RoaringBitmap::from_sorted_iter(posting.iter()).unwrap();
            prop_assert_eq!(RoaringBitmap::deserialize_from(&bytes[..]).unwrap(), oracle);
            prop_assert_eq!(from_roaring(&bytes).unwrap(), posting);
            let mut longer = bytes.clone();
            longer.push(0);
            prop_assert!(from_roaring(&longer).is_err());
            prop_assert!(from_roaring(&bytes[..bytes.len() - 1]).is_err());
        }
    }
}
