//! A bounds-checked reader over shared bytes and the writer that is its mirror; both little-endian.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::damage::Damage;

/// Writes little-endian values to a growing buffer.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// Starts empty.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Starts empty with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Writer {
        Writer { buffer: Vec::with_capacity(capacity) }
    }

    /// Writes one byte.
    pub fn u8(&mut self, value: u8) {
        self.buffer.push(value);
    }

    /// Writes two bytes.
    pub fn u16(&mut self, value: u16) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes four bytes.
    pub fn u32(&mut self, value: u32) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes eight bytes, two's complement.
    pub fn i64(&mut self, value: i64) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes sixteen bytes, two's complement.
    pub fn i128(&mut self, value: i128) {
        self.buffer.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes bytes as they are, without their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Writes the length as a varint, then the text.
    pub fn text(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    /// Writes seven bits a byte, lowest first; the high bit says that more follow.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.buffer.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.buffer.push(value as u8);
    }

    /// Writes zeros up to the next multiple of `to`, counted from the start of this writer.
    pub fn align(&mut self, to: usize) {
        let aligned = self.buffer.len().next_multiple_of(to);
        self.buffer.resize(aligned, 0);
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The bytes written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.buffer
    }

    /// Overwrites four bytes written earlier (a length or a checksum known only later).
    ///
    /// Panics: when they were not written yet.
    pub fn patch_u32(&mut self, at: usize, value: u32) {
        self.buffer[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Hands the buffer over.
    pub fn into_vec(self) -> Vec<u8> {
        self.buffer
    }
}

/// Reads little-endian values from shared bytes; running out is [`Damage`], never a panic.
#[derive(Clone, Debug)]
pub struct Cursor {
    bytes: Bytes,
    at: usize,
    section: Option<Arc<str>>,
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident -> $type:ty) => {
        $(#[$doc])*
        pub fn $name(&mut self) -> Result<$type, Damage> {
            const WIDTH: usize = size_of::<$type>();
            let window = self.window(WIDTH)?;
            let mut raw = [0u8; WIDTH];
            raw.copy_from_slice(window);
            self.at += WIDTH;
            Ok(<$type>::from_le_bytes(raw))
        }
    };
}

impl Cursor {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: Bytes) -> Cursor {
        Cursor { bytes, at: 0, section: None }
    }

    /// Reads from the start of a section, whose name appears in damage.
    pub fn of(section: &str, bytes: Bytes) -> Cursor {
        Cursor { bytes, at: 0, section: Some(Arc::from(section)) }
    }

    getter! {
        /// Reads one byte.
        u8 -> u8
    }
    getter! {
        /// Reads two bytes.
        u16 -> u16
    }
    getter! {
        /// Reads four bytes.
        u32 -> u32
    }
    getter! {
        /// Reads eight bytes.
        u64 -> u64
    }
    getter! {
        /// Reads eight bytes, two's complement.
        i64 -> i64
    }
    getter! {
        /// Reads sixteen bytes, two's complement.
        i128 -> i128
    }

    /// Reads a varint; longer forms than needed are damage.
    pub fn varint(&mut self) -> Result<u64, Damage> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(self.damage_at(start, "a varint of 64 bits in its shortest form", "a longer one"))
    }

    /// Reads a varint that counts something in memory and must not be over `limit`.
    pub fn count(&mut self, limit: usize) -> Result<usize, Damage> {
        let start = self.at;
        let value = self.varint()?;
        match usize::try_from(value) {
            Ok(count) if count <= limit => Ok(count),
            _ => Err(self.damage_at(start, format!("a count up to {limit}"), value)),
        }
    }

    /// Takes the next `len` bytes as a shared slice; nothing is copied.
    pub fn take(&mut self, len: usize) -> Result<Bytes, Damage> {
        self.window(len)?;
        let slice = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        Ok(slice)
    }

    /// Takes `count * width` bytes; a product that overflows is damage.
    pub fn take_array(&mut self, count: usize, width: usize) -> Result<Bytes, Damage> {
        match count.checked_mul(width) {
            Some(len) => self.take(len),
            None => Err(self.damage("an array that fits memory", format!("{count} items of {width} bytes"))),
        }
    }

    /// Reads a length and that much UTF-8.
    pub fn text(&mut self) -> Result<String, Damage> {
        let start = self.at;
        let len = self.count(self.remaining())?;
        let text = std::str::from_utf8(self.window(len)?).map(str::to_owned);
        match text {
            Ok(text) => {
                self.at += len;
                Ok(text)
            }
            Err(error) => Err(self.damage_at(start, "UTF-8", error)),
        }
    }

    /// Steps over padding to the next multiple of `to`, counted from the start; padding must be zeros.
    pub fn align(&mut self, to: usize) -> Result<(), Damage> {
        let padding = self.at.next_multiple_of(to) - self.at;
        if self.window(padding)?.iter().any(|&byte| byte != 0) {
            return Err(self.damage("zeros up to the alignment", "other bytes"));
        }
        self.at += padding;
        Ok(())
    }

    /// Requires that nothing is left.
    pub fn end(&self) -> Result<(), Damage> {
        match self.remaining() {
            0 => Ok(()),
            more => Err(self.damage("the end", format!("{more} more bytes"))),
        }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Offset of the next byte.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Damage at the current offset of this section.
    pub fn damage(&self, wanted: impl std::fmt::Display, got: impl std::fmt::Display) -> Damage {
        self.damage_at(self.at, wanted, got)
    }

    fn damage_at(&self, at: usize, wanted: impl std::fmt::Display, got: impl std::fmt::Display) -> Damage {
        Damage::at(self.section.as_deref().unwrap_or(""), at as u64, wanted, got)
    }

    fn window(&self, len: usize) -> Result<&[u8], Damage> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len());
        match end {
            Some(end) => Ok(&self.bytes[self.at..end]),
            None => Err(self.damage(format!("{len} bytes"), format!("{} bytes and the end", self.remaining()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(7);
        w.u16(0x1234);
        w.u32(u32::MAX);
        w.u64(1 << 60);
        w.i64(-5);
        w.i128(i128::MIN);
        for v in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            w.varint(v);
        }
        w.text("Größe");
        w.align(8);
        w.bytes(b"tail");
        w.into_vec()
    }

    fn read(c: &mut Cursor) -> Result<(), Damage> {
        assert_eq!((c.u8()?, c.u16()?, c.u32()?), (7, 0x1234, u32::MAX));
        assert_eq!((c.u64()?, c.i64()?, c.i128()?), (1 << 60, -5, i128::MIN));
        for v in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(c.varint()?, v);
        }
        assert_eq!(c.text()?, "Größe");
        c.align(8)?;
        assert_eq!(&c.take(4)?[..], b"tail");
        c.end()
    }

    #[test]
    fn round_trip_and_every_truncation_is_damage() {
        let bytes = sample();
        read(&mut Cursor::new(bytes.clone().into())).unwrap();
        for cut in 0..bytes.len() {
            let mut cursor = Cursor::of("sample", Bytes::copy_from_slice(&bytes[..cut]));
            let damage = read(&mut cursor).unwrap_err();
            assert!(damage.what.starts_with("section \"sample\" at offset "), "{damage}");
        }
    }

    #[test]
    fn varints_have_one_form() {
        for bad in [
            &[0x80u8, 0][..],
            &[0xff; 10],
            &[0x81, 0x80, 0],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert!(Cursor::new(Bytes::copy_from_slice(bad)).varint().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn counts_text_and_padding_are_checked() {
        let mut w = Writer::new();
        w.varint(11);
        assert!(Cursor::new(w.clone().into_vec().into()).count(10).is_err());
        assert_eq!(Cursor::new(w.into_vec().into()).count(11), Ok(11));
        assert!(Cursor::new(Bytes::from_static(&[2, 0xff, 0xfe])).text().is_err());
        let mut c = Cursor::new(Bytes::from_static(&[1, 0, 9, 0]));
        c.u8().unwrap();
        assert!(c.align(4).is_err());
        assert!(Cursor::new(Bytes::new()).take_array(usize::MAX, 2).is_err());
    }
}
