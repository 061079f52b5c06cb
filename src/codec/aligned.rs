//! Heap bytes that start on a 64-byte boundary, as mapped sections do, so that one decoder serves both.

use bytes::Bytes;

/// The alignment of every section start in memory and in files.
pub const ALIGNMENT: usize = 64;

/// A zero-filled buffer whose first byte lies on a 64-byte boundary.
#[derive(Debug)]
pub struct AlignedBuffer {
    raw: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuffer {
    /// Makes a buffer of `len` zero bytes.
    pub fn zeroed(len: usize) -> AlignedBuffer {
        let raw = vec![0u8; len + ALIGNMENT];
        let start = (ALIGNMENT - raw.as_ptr().addr() % ALIGNMENT) % ALIGNMENT;
        AlignedBuffer { raw, start, len }
    }

    /// The bytes, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.raw[self.start..self.start + self.len]
    }

    /// Hands the bytes over for sharing; they keep their place in memory.
    pub fn freeze(self) -> Bytes {
        let (start, end) = (self.start, self.start + self.len);
        Bytes::from_owner(self.raw).slice(start..end)
    }
}

/// Copies `bytes` to a 64-byte aligned place.
pub fn aligned_copy(bytes: &[u8]) -> Bytes {
    let mut buffer = AlignedBuffer::zeroed(bytes.len());
    buffer.bytes_mut().copy_from_slice(bytes);
    buffer.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_aligned_and_equal() {
        for len in [0usize, 1, 63, 64, 65, 4096, 100_001] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let copy = aligned_copy(&bytes);
            assert_eq!(&copy[..], &bytes[..]);
            assert!(copy.is_empty() || copy.as_ptr().addr().is_multiple_of(ALIGNMENT));
        }
    }
}
