//! What all our files begin with: magic, version, feature bits, identity of the database; a checksum at the head's end.
//!
//! docs/FORMAT.md is the description; here are only its numbers.

use std::path::Path;

use crate::codec::checksum::crc32c;
use crate::codec::cursor::Writer;
use crate::storage::error::{StorageError, StorageErrorKind};

/// The version of the format that this code writes, and the newest it reads.
pub const FORMAT_VERSION: u16 = 1;
/// Magic, version, feature bits and identity.
pub const PREAMBLE_BYTES: usize = 32;
/// The head of a log file and of a snapshot.
pub const HEAD_BYTES: usize = 64;
/// The manifest, whole.
pub const MANIFEST_BYTES: usize = 128;

/// The identity of a database.
pub type Identity = [u8; 16];

/// The kinds of files with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// A log file.
    Log,
    /// A snapshot.
    Snapshot,
    /// The manifest.
    Manifest,
    /// The webhooks.
    Webhooks,
}

impl HeadKind {
    /// Eight bytes; a line ending among them shows damage by text-mode copies.
    pub const fn magic(self) -> [u8; 8] {
        match self {
            HeadKind::Log => *b"\x89THL\r\n\x1a\n",
            HeadKind::Snapshot => *b"\x89THS\r\n\x1a\n",
            HeadKind::Manifest => *b"\x89THM\r\n\x1a\n",
            HeadKind::Webhooks => *b"\x89THW\r\n\x1a\n",
        }
    }

    /// Bytes of the head, its checksum included.
    pub const fn size(self) -> usize {
        match self {
            HeadKind::Log | HeadKind::Snapshot | HeadKind::Webhooks => HEAD_BYTES,
            HeadKind::Manifest => MANIFEST_BYTES,
        }
    }

    fn damage_kind(self) -> StorageErrorKind {
        match self {
            HeadKind::Log => StorageErrorKind::CorruptLog,
            HeadKind::Snapshot => StorageErrorKind::CorruptSnapshot,
            HeadKind::Manifest | HeadKind::Webhooks => StorageErrorKind::Config,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            HeadKind::Log => "log file",
            HeadKind::Snapshot => "snapshot",
            HeadKind::Manifest => "manifest",
            HeadKind::Webhooks => "file of webhooks",
        }
    }
}

/// Starts a head: everything up to and including the identity.
pub fn start_head(kind: HeadKind, identity: &Identity) -> Writer {
    let mut head = Writer::with_capacity(kind.size());
    head.bytes(&kind.magic());
    head.u16(FORMAT_VERSION);
    for _feature_word in ["incompatible", "read-only-compatible", "compatible"] {
        head.u16(0);
    }
    head.bytes(identity);
    debug_assert_eq!(head.len(), PREAMBLE_BYTES);
    head
}

/// Ends a head: zeros up to its checksum, and the checksum.
pub fn finish_head(kind: HeadKind, mut head: Writer) -> Vec<u8> {
    let body = kind.size() - 4;
    assert!(head.len() <= body, "a head of {} bytes does not fit in {body}", head.len());
    while head.len() < body {
        head.u8(0);
    }
    head.u32(crc32c(head.as_slice()));
    head.into_vec()
}

/// Checks a head whole and gives the identity. A newer version is told apart from damage by the checksum, which
/// every version keeps in the same place.
pub fn check_head(kind: HeadKind, path: &Path, bytes: &[u8]) -> Result<Identity, StorageError> {
    let damage = |cause: String| StorageError::new(kind.damage_kind(), "reading", path, cause).at(0);
    let noun = kind.noun();
    let Some(head) = bytes.get(..kind.size()) else {
        return Err(damage(format!("this {noun} has {} bytes, fewer than its head of {}", bytes.len(), kind.size())));
    };
    if head[..8] != kind.magic() {
        return Err(damage(format!("this is not a Throng {noun}: its first bytes are {:02x?}", &head[..8])));
    }
    let (body, stored) = head.split_at(kind.size() - 4);
    let (stored, computed) = (le_u32(stored), crc32c(body));
    if stored != computed {
        return Err(damage(format!("the head of this {noun} has checksum {computed:08x}, expected {stored:08x}")));
    }
    let word = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let newer = |cause: String| StorageError::new(StorageErrorKind::NewerFormat, "reading", path, cause).at(8);
    if word(8) != FORMAT_VERSION {
        let version = word(8);
        return Err(newer(format!(
            "this {noun} has format version {version}; this program reads version {FORMAT_VERSION}"
        )));
    }
    if word(10) != 0 || word(12) != 0 {
        let bits = (word(10), word(12));
        return Err(newer(format!("this {noun} uses features that this program does not know (bits {bits:04x?})")));
    }
    let mut identity = [0u8; 16];
    identity.copy_from_slice(&head[16..32]);
    Ok(identity)
}

/// Four little-endian bytes. Panics: on fewer.
pub fn le_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Eight little-endian bytes. Panics: on fewer.
pub fn le_u64(bytes: &[u8]) -> u64 {
    u64::from(le_u32(bytes)) | (u64::from(le_u32(&bytes[4..])) << 32)
}

/// An identity as people read it.
pub fn identity_text(identity: &Identity) -> String {
    let digits: String = identity.iter().map(|byte| format!("{byte:02x}")).collect();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_check_out_and_every_flip_is_seen() {
        for kind in [HeadKind::Log, HeadKind::Snapshot, HeadKind::Manifest, HeadKind::Webhooks] {
            let head = finish_head(kind, start_head(kind, &[7; 16]));
            assert_eq!(head.len(), kind.size());
            assert_eq!(check_head(kind, Path::new("f"), &head), Ok([7; 16]));
            for bit in 0..head.len() * 8 {
                let mut bad = head.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                let error = check_head(kind, Path::new("f"), &bad).unwrap_err();
                assert_eq!(error.kind, kind.damage_kind(), "bit {bit}");
            }
        }
    }

    #[test]
    fn newer_versions_and_features_are_refused_by_name() {
        for at in [8usize, 10, 12] {
            let mut head = finish_head(HeadKind::Log, start_head(HeadKind::Log, &[7; 16]));
            head[at] += 1;
            let crc = crc32c(&head[..60]);
            head[60..].copy_from_slice(&crc.to_le_bytes());
            let error = check_head(HeadKind::Log, Path::new("f"), &head).unwrap_err();
            assert_eq!(error.kind, StorageErrorKind::NewerFormat);
            assert!(at != 8 || error.cause.contains("version 2; this program reads version 1"), "{error}");
        }
    }

    #[test]
    fn identities_read_as_uuids() {
        let identity: Identity = std::array::from_fn(|i| i as u8);
        assert_eq!(identity_text(&identity), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
