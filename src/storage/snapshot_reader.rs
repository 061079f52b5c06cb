//! Reads a snapshot: verified whole, then handed out section by section.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::aligned::ALIGNMENT;
use crate::codec::checksum::crc64;
use crate::codec::cursor::{Cursor, Writer};
use crate::codec::damage::Damage;
use crate::codec::section::{SECTION_NAME_BYTES, SectionSource, check_section_name};
use crate::model::id::Lsn;
use crate::model::planted::{Bug, planted};
use crate::storage::disk::{Disk, DiskFile, read_exact_at, read_whole};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::format::{HEAD_BYTES, HeadKind, Identity, check_head, finish_head, identity_text, start_head};
use crate::storage::mmap::Map;
use crate::storage::status::SnapshotInfo;

/// Bytes under one checksum.
pub const BLOCK_BYTES: usize = 65_536;
/// The fixed end of a snapshot.
pub const TRAILER_BYTES: usize = 64;
/// More threads than this do not verify faster.
const MAX_THREADS: usize = 8;

/// Where a section lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its first byte; a multiple of 64.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
}

/// The end of a snapshot: what is in it and the checksum of every block before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Bytes before the footer; a multiple of 64, all under block checksums.
    pub body: u64,
    /// The sections, by name.
    pub sections: BTreeMap<String, Place>,
    /// The checksum of each block of 64 KiB of the body; the last may be shorter.
    pub blocks: Vec<u64>,
}

/// The head of a snapshot as bytes.
pub fn encode_snapshot_head(identity: &Identity, lsn: Lsn) -> Vec<u8> {
    let mut head = start_head(HeadKind::Snapshot, identity);
    head.u64(lsn.0);
    finish_head(HeadKind::Snapshot, head)
}

impl Footer {
    /// The checksum over the block checksums; it stands for the whole body.
    pub fn total(&self) -> u64 {
        let mut table = Writer::with_capacity(self.blocks.len() * 8);
        self.blocks.iter().for_each(|&block| table.u64(block));
        crc64(table.as_slice())
    }

    /// Footer and trailer as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.varint(self.sections.len() as u64);
        for (name, place) in &self.sections {
            out.text(name);
            out.u64(place.offset);
            out.u64(place.len);
        }
        out.align(8);
        self.blocks.iter().for_each(|&block| out.u64(block));
        let (len, checksum) = (out.len() as u64, crc64(out.as_slice()));
        let trailer = out.len();
        out.bytes(&HeadKind::Snapshot.magic());
        out.u64(self.body);
        out.u64(len);
        out.u64(self.blocks.len() as u64);
        out.u32(self.sections.len() as u32);
        out.u32(BLOCK_BYTES as u32);
        out.u64(self.total());
        out.u64(checksum);
        let checksum = crc64(&out.as_slice()[trailer..]);
        out.u64(checksum);
        debug_assert_eq!(out.len() - trailer, TRAILER_BYTES);
        out.into_vec()
    }

    /// Reads the footer of a file of `size` bytes from its end; `read(offset, len)` gives bytes of the file.
    fn decode(size: u64, read: &mut dyn FnMut(u64, usize) -> io::Result<Bytes>) -> Result<Footer, FooterError> {
        let least = (HEAD_BYTES + TRAILER_BYTES) as u64;
        if size < least {
            return Err(Damage::at("", 0, format!("a snapshot of at least {least} bytes"), size).into());
        }
        let start = size - TRAILER_BYTES as u64;
        let trailer = read(start, TRAILER_BYTES)?;
        let mut cursor = Cursor::new(trailer.slice(8..));
        let (body, len, blocks) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let (sections, block_bytes) = (cursor.u32()?, cursor.u32()?);
        let (total, checksum, own) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let holds = trailer[..8] == HeadKind::Snapshot.magic() && crc64(&trailer[..TRAILER_BYTES - 8]) == own;
        let adds_up = holds
            && body.checked_add(len) == Some(start)
            && body >= HEAD_BYTES as u64
            && body.is_multiple_of(ALIGNMENT as u64)
            && blocks == body.div_ceil(BLOCK_BYTES as u64)
            && block_bytes as usize == BLOCK_BYTES;
        let footer_len = usize::try_from(len).ok().filter(|_| adds_up);
        let Some(footer_len) = footer_len else {
            return Err(Damage::at("", start, "the trailer of a snapshot", "other bytes").into());
        };
        let footer = read(body, footer_len)?;
        if crc64(&footer) != checksum {
            return Err(Damage::at("", body, "a footer with the checksum in the trailer", "another checksum").into());
        }
        let footer = Footer::parse(footer, body, sections, blocks)?;
        match footer.total() == total {
            true => Ok(footer),
            false => {
                Err(Damage::at("", start, "block checksums with the total in the trailer", "another total").into())
            }
        }
    }

    fn parse(bytes: Bytes, body: u64, sections: u32, blocks: u64) -> Result<Footer, Damage> {
        let mut cursor = Cursor::of("footer", bytes);
        let mut footer = Footer { body, sections: BTreeMap::new(), blocks: Vec::new() };
        if cursor.varint()? != u64::from(sections) {
            return Err(cursor.damage("as many sections as the trailer says", "another count"));
        }
        let mut end = HEAD_BYTES as u64;
        let mut places = Vec::new();
        for _ in 0..sections {
            let name = cursor.text()?;
            let place = Place { offset: cursor.u64()?, len: cursor.u64()? };
            let inside = place.offset.checked_add(place.len).is_some_and(|end| end <= body);
            if !inside || !place.offset.is_multiple_of(ALIGNMENT as u64) || name.len() > SECTION_NAME_BYTES {
                return Err(cursor.damage("a section inside the body", format!("{name:?} at {place:?}")));
            }
            check_section_name(&name).map_err(|error| cursor.damage("a section name", error))?;
            places.push(place);
            if footer.sections.insert(name, place).is_some() {
                return Err(cursor.damage("sections with names of their own", "a name twice"));
            }
        }
        places.sort_by_key(|place| (place.offset, place.len));
        for place in places {
            if place.offset < end {
                return Err(cursor.damage("sections apart from each other", format!("one at {}", place.offset)));
            }
            end = place.offset + place.len;
        }
        cursor.align(8)?;
        for _ in 0..blocks {
            footer.blocks.push(cursor.u64()?);
        }
        cursor.end()?;
        Ok(footer)
    }
}

enum FooterError {
    Damage(Damage),
    Io(io::Error),
}

impl From<Damage> for FooterError {
    fn from(damage: Damage) -> FooterError {
        FooterError::Damage(damage)
    }
}

impl From<io::Error> for FooterError {
    fn from(error: io::Error) -> FooterError {
        FooterError::Io(error)
    }
}

/// A verified snapshot; cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    path: PathBuf,
    info: SnapshotInfo,
    bytes: Bytes,
    /// The same bytes, if they are those of a mapped file.
    map: Option<Map>,
    footer: Arc<Footer>,
}

impl Snapshot {
    /// Opens and verifies a snapshot; every block is read once.
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        identity: &Identity,
        lsn: Lsn,
        mapped: bool,
    ) -> Result<Snapshot, StorageError> {
        let failed = |error: io::Error| missing_or_io(path, &error);
        let file = disk.open(path).map_err(failed)?;
        let map = mapped.then(|| file.map()).transpose().map_err(failed)?;
        let bytes = match &map {
            Some(map) => map.bytes(),
            None => read_whole(&*file).map_err(failed)?,
        };
        check_snapshot_head(path, &bytes, identity, lsn)?;
        let footer = Footer::decode(bytes.len() as u64, &mut |offset, len| {
            let at = usize::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            Ok(bytes.slice(at..at + len))
        })
        .map_err(|error| footer_error(path, bytes.len() as u64, error))?;
        let body = &bytes[..footer.body as usize];
        let bad = first_bad_of_all(body, &footer.blocks).filter(|_| !planted(Bug::TrustBlocks));
        if let Some(block) = bad {
            return Err(block_damage(path, block));
        }
        let info = SnapshotInfo { lsn, bytes: bytes.len() as u64, total: footer.total() };
        Ok(Snapshot { path: path.to_owned(), info, bytes, map, footer: Arc::new(footer) })
    }

    /// Verifies a snapshot without keeping it in memory, from the medium and not from the system's copies.
    pub fn verify(
        disk: &dyn Disk,
        path: &Path,
        identity: &Identity,
        lsn: Lsn,
        pace: &mut dyn FnMut(u64),
    ) -> Result<(SnapshotInfo, Vec<String>), StorageError> {
        let file = disk.open_past_cache(path).map_err(|error| missing_or_io(path, &error))?;
        let (info, footer) = read_ends(&*file, path, identity, lsn)?;
        verify_blocks(&*file, path, &footer, pace)?;
        Ok((info, footer.sections.into_keys().collect()))
    }

    /// One section of a snapshot that verifies, if it has it.
    pub(crate) fn read_section(
        disk: &dyn Disk,
        path: &Path,
        identity: &Identity,
        lsn: Lsn,
        name: &str,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let file = disk.open(path).map_err(|error| missing_or_io(path, &error))?;
        let (_, footer) = read_ends(&*file, path, identity, lsn)?;
        let Some(place) = footer.sections.get(name) else { return Ok(None) };
        let mut bytes = vec![0; place.len as usize];
        read_exact_at(&*file, &mut bytes, place.offset)
            .map_err(|error| StorageError::io("reading", path, &error).at(place.offset))?;
        Ok(Some(bytes))
    }

    /// Reads head and footer, and requires that the snapshot is the one it should be by these.
    pub(crate) fn read_footer(
        file: &dyn DiskFile,
        path: &Path,
        identity: &Identity,
        wanted: SnapshotInfo,
    ) -> Result<Footer, StorageError> {
        let (info, footer) = read_ends(file, path, identity, wanted.lsn)?;
        match info == wanted {
            true => Ok(footer),
            false => Err(snapshot_damage(path, format!("the manifest names {wanted:?}, the file is {info:?}"))),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The position it holds.
    pub fn lsn(&self) -> Lsn {
        self.info.lsn
    }

    /// Position, size and checksum.
    pub fn info(&self) -> SnapshotInfo {
        self.info
    }

    /// Its memory, if that is a mapped file.
    pub(crate) fn map(&self) -> Option<&Map> {
        self.map.as_ref()
    }

    /// What is in it and the checksums of its blocks.
    pub(crate) fn footer(&self) -> Arc<Footer> {
        Arc::clone(&self.footer)
    }
}

impl SectionSource for Snapshot {
    fn section(&self, name: &str) -> Result<Bytes, Damage> {
        let missing = || Damage::new(format!("section {name:?} is missing"));
        let place = self.footer.sections.get(name).ok_or_else(missing)?;
        let start = place.offset as usize;
        Ok(self.bytes.slice(start..start + place.len as usize))
    }

    fn has(&self, name: &str) -> bool {
        self.footer.sections.contains_key(name)
    }

    fn names(&self) -> Vec<String> {
        self.footer.sections.keys().cloned().collect()
    }
}

/// The head and the footer of a snapshot file.
fn read_ends(
    file: &dyn DiskFile,
    path: &Path,
    identity: &Identity,
    lsn: Lsn,
) -> Result<(SnapshotInfo, Footer), StorageError> {
    let failed = |error: io::Error| missing_or_io(path, &error);
    let size = file.size().map_err(failed)?;
    let mut head = vec![0; (HEAD_BYTES as u64).min(size) as usize];
    read_exact_at(file, &mut head, 0).map_err(failed)?;
    check_snapshot_head(path, &head, identity, lsn)?;
    let footer = Footer::decode(size, &mut |offset, len| {
        let mut bytes = vec![0; len];
        read_exact_at(file, &mut bytes, offset)?;
        Ok(bytes.into())
    })
    .map_err(|error| footer_error(path, size, error))?;
    Ok((SnapshotInfo { lsn, bytes: size, total: footer.total() }, footer))
}

/// Checks some whole blocks of the body that begin at an offset.
pub(crate) fn check_blocks(path: &Path, footer: &Footer, at: u64, bytes: &[u8]) -> Result<(), StorageError> {
    let first = (at / BLOCK_BYTES as u64) as usize;
    match first_bad_block(bytes, &footer.blocks[first..]) {
        Some(bad) => Err(block_damage(path, first + bad)),
        None => Ok(()),
    }
}

fn verify_blocks(
    file: &dyn DiskFile,
    path: &Path,
    footer: &Footer,
    pace: &mut dyn FnMut(u64),
) -> Result<(), StorageError> {
    const RUN: usize = 16;
    let mut buffer = vec![0u8; RUN * BLOCK_BYTES];
    let mut at = 0u64;
    while at < footer.body {
        let len = (footer.body - at).min(buffer.len() as u64) as usize;
        let run = &mut buffer[..len];
        read_exact_at(file, run, at).map_err(|error| StorageError::io("reading", path, &error).at(at))?;
        check_blocks(path, footer, at, run)?;
        at += len as u64;
        pace(len as u64);
    }
    Ok(())
}

/// As [`first_bad_block`], on several threads where that pays.
fn first_bad_of_all(body: &[u8], blocks: &[u64]) -> Option<usize> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let share = blocks.len().div_ceil(threads).max(16);
    if blocks.len() <= share {
        return first_bad_block(body, blocks);
    }
    std::thread::scope(|scope| {
        let check = |(part, blocks): (&[u8], &[u64])| first_bad_block(part, blocks);
        let parts = body.chunks(share * BLOCK_BYTES).zip(blocks.chunks(share));
        let workers: Vec<_> = parts.map(|part| scope.spawn(move || check(part))).collect();
        let found = workers.into_iter().enumerate().map(|(number, worker)| {
            let bad = worker.join().expect("checksums do not panic")?;
            Some(number * share + bad)
        });
        found.flatten().min()
    })
}

/// Whether a block of the body is what the footer says.
pub(crate) fn is_good_block(footer: &Footer, block: usize, bytes: &[u8]) -> bool {
    footer.blocks.get(block) == Some(&crc64(bytes))
}

fn first_bad_block(bytes: &[u8], blocks: &[u64]) -> Option<usize> {
    bytes.chunks(BLOCK_BYTES).zip(blocks).position(|(block, &stored)| crc64(block) != stored)
}

fn check_snapshot_head(path: &Path, bytes: &[u8], identity: &Identity, lsn: Lsn) -> Result<(), StorageError> {
    let found = check_head(HeadKind::Snapshot, path, bytes)?;
    if found != *identity {
        let (found, wanted) = (identity_text(&found), identity_text(identity));
        let dir = path.parent().unwrap_or(path).display();
        let cause = format!(
            "this snapshot belongs to database {found}, the folder to {wanted}; run: throng verify --data \"{dir}\""
        );
        let damage = snapshot_damage(path, cause);
        return Err(StorageError { kind: StorageErrorKind::Config, ..damage }.at(16));
    }
    let stored = crate::storage::format::le_u64(&bytes[32..]);
    if stored != lsn.0 {
        return Err(snapshot_damage(path, format!("expected lsn {lsn}, found lsn {stored}")).at(32));
    }
    Ok(())
}

fn footer_error(path: &Path, size: u64, error: FooterError) -> StorageError {
    match error {
        FooterError::Damage(damage) => snapshot_damage(path, damage.what).at(size.saturating_sub(TRAILER_BYTES as u64)),
        FooterError::Io(error) => StorageError::io("reading", path, &error),
    }
}

/// Damage of a block of the body.
pub(crate) fn block_damage(path: &Path, block: usize) -> StorageError {
    let offset = block as u64 * BLOCK_BYTES as u64;
    snapshot_damage(path, format!("the checksum of block {block} does not hold")).at(offset)
}

fn missing_or_io(path: &Path, error: &io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::NotFound => snapshot_damage(path, "the snapshot that the manifest names is missing".into()),
        _ => StorageError::io("reading", path, error),
    }
}

/// Why what is in a snapshot cannot be used: damage, or a newer version.
pub fn unreadable(path: &Path, damage: Damage) -> StorageError {
    let kind = if damage.is_newer { StorageErrorKind::NewerFormat } else { StorageErrorKind::CorruptSnapshot };
    StorageError { kind, ..snapshot_damage(path, damage.what) }
}

/// Damage of a snapshot.
pub fn snapshot_damage(path: &Path, cause: String) -> StorageError {
    StorageError::new(StorageErrorKind::CorruptSnapshot, "reading", path, cause)
}
