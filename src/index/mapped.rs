//! Little-endian arrays inside mapped bytes, read in place. What lies outside reads as zero: reading cannot fail.

use bytes::Bytes;

use crate::codec::damage::Damage;

/// The `at`-th 32-bit number.
#[inline]
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(4 * at..4 * at + 4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// The `at`-th 64-bit number.
#[inline]
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(8 * at..8 * at + 8) {
        Some(raw) => u64::from_le_bytes(raw.try_into().unwrap_or_default()),
        None => 0,
    }
}

/// All 32-bit numbers.
pub fn u32s(bytes: &[u8]) -> impl ExactSizeIterator<Item = u32> {
    bytes.chunks_exact(4).map(|raw| u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]))
}

/// 32-bit numbers as bytes.
pub fn u32_bytes(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    numbers.into_iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    bytes
}

/// Requires that a section holds whole items of a width; gives how many.
pub fn items(name: &str, bytes: &Bytes, width: usize) -> Result<usize, Damage> {
    if !bytes.len().is_multiple_of(width) {
        return Err(Damage::at(name, bytes.len() as u64, format!("whole items of {width} bytes"), "a part of one"));
    }
    Ok(bytes.len() / width)
}

/// A part of a section, by byte.
pub fn part(name: &str, bytes: &Bytes, from: u64, to: u64) -> Result<Bytes, Damage> {
    if from > to || to > bytes.len() as u64 {
        return Err(Damage::at(name, from, format!("a run of bytes up to {to}"), format!("{} bytes", bytes.len())));
    }
    Ok(bytes.slice(from as usize..to as usize))
}
