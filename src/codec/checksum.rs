//! The two checksums of the files: CRC-32C for frames, CRC-64/NVME for snapshot blocks.
//!
//! A CRC is chosen over a hash because it detects every burst as short as itself, by theorem and not by luck.

use crc_fast::{CrcAlgorithm, Digest};

/// CRC-32C (Castagnoli) of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Continues a CRC-32C: `crc32c_append(crc32c(a), b)` is the checksum of `a` followed by `b`.
///
/// A salt may stand in for the first checksum; then equal bytes under different salts differ.
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!crc));
    digest.update(bytes);
    digest.finalize() as u32
}

/// CRC-64/NVME of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::crc64_nvme(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc64(b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn appending_equals_the_whole() {
        let bytes: Vec<u8> = (0..1_000u32).map(|i| (i * 7 + i / 3) as u8).collect();
        for cut in [0, 1, 8, 63, 64, 500, 999, 1_000] {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(crc32c_append(crc32c(head), tail), crc32c(&bytes), "cut at {cut}");
        }
        assert_ne!(crc32c_append(1, &bytes), crc32c_append(2, &bytes));
    }
}
