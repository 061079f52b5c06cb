//! Small metadata as bytes: the one home of bincode. Bulk data never goes through it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::damage::Damage;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Packs a value. The same value gives the same bytes.
///
/// Panics: only if the type's own `Serialize` refuses, which none of ours does.
pub fn pack<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    pack_into(&mut out, value);
    out
}

/// Appends a value; for large ones, into room reserved beforehand.
///
/// Panics: as [`pack`].
pub fn pack_into<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    bincode::serde::encode_into_std_write(value, out, bincode::config::standard())
        .expect("our own values always serialize, and a Vec takes every byte");
}

/// Unpacks a value; every byte must be used up. Claims of length are limited by the size of the input.
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damage> {
    // A value may take up to 16 times its packed size in claims (an i128 packed in one byte), hence the tiers.
    let config = bincode::config::standard();
    let unpacked = match bytes.len() {
        n if n <= 32 * KIB => bincode::serde::decode_from_slice(bytes, config.with_limit::<MIB>()),
        n if n <= MIB => bincode::serde::decode_from_slice(bytes, config.with_limit::<{ 32 * MIB }>()),
        n if n <= 32 * MIB => bincode::serde::decode_from_slice(bytes, config.with_limit::<{ 1024 * MIB }>()),
        _ => bincode::serde::decode_from_slice(bytes, config),
    };
    let (value, used) = unpacked.map_err(|error| Damage::new(format!("packed value does not decode: {error}")))?;
    if used != bytes.len() {
        return Err(Damage::at(
            "",
            used as u64,
            "the end of a packed value",
            format!("{} more bytes", bytes.len() - used),
        ));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn round_trips_and_uses_every_byte() {
        let mut value: BTreeMap<String, Vec<Option<i128>>> = BTreeMap::new();
        value.insert("a".into(), vec![None, Some(-3), Some(i128::MAX)]);
        value.insert("ß".into(), vec![]);
        let bytes = pack(&value);
        assert_eq!(unpack::<BTreeMap<String, Vec<Option<i128>>>>(&bytes), Ok(value));
        for cut in 0..bytes.len() {
            assert!(unpack::<BTreeMap<String, Vec<Option<i128>>>>(&bytes[..cut]).is_err());
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(unpack::<BTreeMap<String, Vec<Option<i128>>>>(&longer).is_err());
    }

    #[test]
    fn wide_values_in_few_bytes_are_within_the_limit() {
        for len in [2_000usize, 32 * KIB - 8, 200_000, 2_000_000] {
            let value = vec![1i128; len];
            assert_eq!(unpack::<Vec<i128>>(&pack(&value)).map(|v| v.len()), Ok(len));
        }
    }

    #[test]
    fn a_lie_about_length_is_damage() {
        let bytes = [253u8, 255, 255, 255, 255, 255, 255, 255, 127, 1, 2, 3];
        assert!(unpack::<String>(&bytes).is_err());
        assert!(unpack::<Vec<u64>>(&bytes).is_err());
    }
}
