//! The file of webhooks: small, replaced whole, opaque to this room; it stands beside the log, for it changes with every
//! delivery and may lag behind.

use std::path::Path;

use bytes::Bytes;

use crate::codec::checksum::crc32c;
use crate::model::id::Lsn;
use crate::storage::disk::{Disk, read_whole};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::format::{HEAD_BYTES, HeadKind, Identity, check_head, finish_head, le_u32, le_u64, start_head};
use crate::storage::manifest::{rename, write_new};
use crate::storage::names::{TEMP, WEBHOOKS};
use crate::storage::store::Store;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What was durable when it was kept: what was told is not after it, so a log that ends before it lost something.
    pub lsn: Lsn,
    /// The webhooks.
    pub body: Bytes,
}

/// The file with its head: the preamble, the length and the checksum of what follows, and a position.
fn encode(identity: &Identity, lsn: Lsn, body: &[u8]) -> Vec<u8> {
    let mut head = start_head(HeadKind::Webhooks, identity);
    head.u64(body.len() as u64);
    head.u32(crc32c(body));
    head.u64(lsn.0);
    let mut bytes = finish_head(HeadKind::Webhooks, head);
    bytes.extend_from_slice(body);
    bytes
}

fn decode(path: &Path, bytes: &Bytes, identity: Option<&Identity>) -> Result<Kept, StorageError> {
    let found = check_head(HeadKind::Webhooks, path, bytes)?;
    let config = |cause: String| StorageError::new(StorageErrorKind::Config, "reading", path, cause);
    if identity.is_some_and(|identity| *identity != found) {
        return Err(config("this file belongs to another database".into()).at(16));
    }
    let body = bytes.slice(HEAD_BYTES..);
    let (len, stored) = (le_u64(&bytes[32..]), le_u32(&bytes[40..]));
    if body.len() as u64 != len {
        return Err(config(format!("after its head this file has {} bytes, expected {len}", body.len())).at(32));
    }
    let computed = crc32c(&body);
    if computed != stored {
        let cause = format!("what follows the head has checksum {computed:08x}, expected {stored:08x}");
        return Err(config(cause).at(HEAD_BYTES as u64));
    }
    Ok(Kept { lsn: Lsn(le_u64(&bytes[44..])), body })
}

/// Reads the file of a folder; `None` when there is none. With an identity, one of another database is refused.
///
/// Errors: damage, a newer format, failed file calls.
pub fn read(disk: &dyn Disk, dir: &Path, identity: Option<&Identity>) -> Result<Option<Kept>, StorageError> {
    let path = dir.join(WEBHOOKS);
    match disk.open(&path).and_then(|file| read_whole(&*file)) {
        Ok(bytes) => decode(&path, &bytes, identity).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("reading", &path, &error)),
    }
}

/// Writes the file of a folder in one step: after a stop at any moment the old or the new one is there, whole.
///
/// Errors: failed file calls; the old one then stays.
pub(crate) fn write(
    disk: &dyn Disk,
    dir: &Path,
    identity: &Identity,
    lsn: Lsn,
    body: &[u8],
) -> Result<(), StorageError> {
    let aside = dir.join(format!("{WEBHOOKS}{TEMP}"));
    write_new(disk, &aside, &encode(identity, lsn, body), 0o600)?;
    rename(disk, &aside, &dir.join(WEBHOOKS))?;
    disk.sync_dir(dir).map_err(|error| StorageError::io("syncing", dir, &error))
}

impl Store {
    /// What was last kept of the webhooks.
    ///
    /// Errors: as [`read`].
    pub fn webhooks(&self) -> Result<Option<Kept>, StorageError> {
        read(self.disk(), self.dir(), Some(&self.identity()))
    }

    /// Keeps the webhooks: durable when this returns. One caller at a time.
    ///
    /// Errors: failed file calls; what was kept before then stays.
    pub fn keep_webhooks(&self, body: &[u8]) -> Result<(), StorageError> {
        let durable = Lsn(self.position().last);
        write(self.disk(), self.dir(), &self.identity(), durable, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flip_and_every_cut_is_seen() {
        let (path, identity) = (Path::new("webhooks"), [7; 16]);
        let whole = encode(&identity, Lsn(9), b"{\"endpoints\":[]}");
        let read = |bytes: Vec<u8>| decode(path, &Bytes::from(bytes), Some(&identity));
        let kept = read(whole.clone()).unwrap();
        assert_eq!((kept.lsn, &kept.body[..]), (Lsn(9), &b"{\"endpoints\":[]}"[..]));
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(bad).is_err(), "bit {bit}");
        }
        for cut in 0..whole.len() {
            assert!(read(whole[..cut].to_vec()).is_err(), "cut {cut}");
        }
        let other = decode(path, &Bytes::from(whole), Some(&[8; 16])).unwrap_err();
        assert!(other.cause.contains("another database"), "{other}");
    }
}
