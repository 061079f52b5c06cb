//! Every cut, every sector and every bit of a real log, a real snapshot and a manifest: what is damaged is refused or
//! told, and no more is lost than a write cut short may lose.

use std::{path::Path, sync::Arc};

use bytes::Bytes;

use crate::{
    db::{
        database::Database,
        full_history::{COMMANDS, START, command_name, crowd, deeds},
        options::Options,
    },
    engine::record,
    model::id::Lsn,
    storage::{
        disk::Disk,
        error::StorageErrorKind,
        format::HEAD_BYTES,
        frame::{FrameHeader, FrameKind, encode_frame},
        frozen_disk::{FrozenDisk, Verdict},
        log_file::LogHead,
        manifest::Manifest,
        names::{MANIFEST, log_name, snapshot_name},
        sim_disk::SimDisk,
        store::{Store, StoreOptions},
        test_bench::{Dice, asked, dir, file, on_all_cores},
    },
};

const SECTOR: usize = 512;

/// A database on a disk that did everything, and a crowd beside, with a snapshot in the middle or without.
fn database(crowded: u32, snapshot: bool) -> SimDisk {
    let disk = SimDisk::new();
    let seal_after = std::time::Duration::from_secs(3_600);
    let options = Options { log_file_bytes: 16 << 10, seal_after, ..Options::folder(dir()).at(START) };
    let db = Database::open_on(Arc::new(disk.clone()), options).unwrap();
    deeds(&db, 1);
    crowd(&db, crowded);
    if snapshot {
        db.snapshot().unwrap();
    }
    deeds(&db, 2);
    db.view().check().unwrap();
    db.close().unwrap();
    disk
}

/// The payloads of a log from the beginning.
fn payloads(disk: &SimDisk) -> Vec<Vec<u8>> {
    let options = StoreOptions { background: false, ..StoreOptions::default() };
    let opened = Store::open(Arc::new(disk.clone()) as Arc<dyn Disk>, &dir(), options).unwrap();
    let mut payloads = Vec::new();
    opened
        .replay(&mut |_, bytes| {
            payloads.push(bytes.to_vec());
            Ok(())
        })
        .unwrap();
    payloads
}

/// A log file made by hand of payloads: groups, long payloads in parts, seals. With where each position ends, in bytes.
struct Written {
    folder: FrozenDisk,
    bytes: Bytes,
    /// The offset after each frame.
    frames: Vec<usize>,
    /// By position: the offset after its last frame, and the first position of its group.
    ends: Vec<(usize, u64)>,
}

const IDENTITY: [u8; 16] = *b"of one database ";

fn head(salt: u32) -> LogHead {
    LogHead { identity: IDENTITY, sequence: 1, first: 1, previous_last: 0, previous_checksum: 0, salt }
}

fn write(payloads: &[Vec<u8>], least: usize, salt: u32) -> Written {
    let mut bytes = head(salt).encode();
    let (mut previous, mut lsn, mut ends, mut long) = (0, 0, Vec::new(), 0);
    let mut frames = Vec::new();
    let mut put = |bytes: &mut Vec<u8>, kind, group_offset, lsn, payload: &[u8]| {
        let header = FrameHeader { len: payload.len() as u32, kind, group_offset, lsn, previous };
        previous = encode_frame(bytes, &header, salt, payload);
        frames.push(bytes.len());
    };
    for (number, group) in payloads.chunks(3).cycle().enumerate() {
        let first = lsn + 1;
        for (offset, payload) in group.iter().enumerate() {
            lsn += 1;
            let offset = offset as u16;
            if payload.len() > 300 && lsn % 2 == 0 {
                let parts: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(3)).collect();
                long += 1;
                parts.iter().for_each(|part| put(&mut bytes, FrameKind::Part, offset, lsn, part));
                let commit = [&(payload.len() as u64).to_le_bytes()[..], &(parts.len() as u32).to_le_bytes()].concat();
                put(&mut bytes, FrameKind::Commit, offset, lsn, &commit);
            } else {
                put(&mut bytes, FrameKind::Data, offset, lsn, payload);
            }
            ends.push((bytes.len(), first));
        }
        if number % 5 == 4 {
            let at = (bytes.len() as u64).to_le_bytes();
            put(&mut bytes, FrameKind::Seal, 0, lsn, &at);
            if bytes.len() >= least {
                break;
            }
        }
    }
    assert!(long > 2, "every kind of frame is there");
    let manifest = Manifest {
        identity: IDENTITY,
        generation: 1,
        oldest_log: 1,
        newest_log: 1,
        floor: Lsn(0),
        snapshot: None,
        previous: None,
        clean: None,
    };
    let folder = FrozenDisk::default().with(MANIFEST, manifest.encode());
    Written { folder, bytes: bytes.into(), frames, ends }
}

impl Written {
    fn with(&self, bytes: impl Into<Bytes>) -> Verdict {
        self.folder.with(&log_name(1), bytes).verdict(true)
    }

    /// How many positions end by an offset.
    fn whole_by(&self, offset: usize) -> usize {
        self.ends.partition_point(|(end, _)| *end <= offset)
    }

    /// The first position of the group that goes on after a number of whole positions.
    fn group_after(&self, whole: usize) -> Option<u64> {
        self.ends.get(whole).map(|(_, first)| *first)
    }
}

#[test]
fn the_history_has_every_command_and_keeps_the_laws() {
    let mut seen = [0; COMMANDS.len()];
    for payload in payloads(&database(0, false)) {
        for command in record::decode(&payload).unwrap().1.commands {
            seen[COMMANDS.iter().position(|name| *name == command_name(&command)).unwrap()] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{COMMANDS:?}: {seen:?}");
}

#[test]
fn a_log_cut_at_every_byte_is_the_whole_prefix_before_the_cut() {
    let log = write(&payloads(&database(0, false)), 256 << 10, 77);
    let size = log.bytes.len();
    assert!(size >= 256 << 10);
    let [cases, torn] = on_all_cores(size - HEAD_BYTES + 1, &|place| {
        let cut = HEAD_BYTES + place;
        // The file ends there, or goes on with the zeros that it was filled with beforehand.
        let verdict = if cut % 8 == 3 {
            let mut bytes = log.bytes[..cut].to_vec();
            bytes.resize(cut.next_multiple_of(SECTOR), 0);
            log.with(bytes)
        } else {
            log.with(log.bytes.slice(..cut))
        };
        let (at, torn) = match verdict {
            Verdict::Whole => (cut, 0),
            Verdict::Torn(at) => (at as usize, 1),
            other => panic!("cut at {cut}: {other:?}"),
        };
        assert!(at <= cut && log.whole_by(at) == log.whole_by(cut), "cut at {cut}: cut off from {at} on");
        [1, torn]
    });
    println!("{cases} cuts of a log of {size} bytes, {torn} of them told as torn");
    assert!(cases >= 262_000 && torn > 250_000);
    for cut in 0..HEAD_BYTES {
        let verdict = log.with(log.bytes.slice(..cut));
        assert!(matches!(verdict, Verdict::Refused(_)), "cut at {cut}, in the head: {verdict:?}");
    }
}

#[test]
fn a_log_with_a_sector_lost_stale_or_noisy_is_refused_or_a_told_tear() {
    let payloads = payloads(&database(0, false));
    let log = write(&payloads, 256 << 10, 77);
    // The same positions in a file that lay there before, with a salt of its own.
    let stale = write(&payloads, 256 << 10, 78);
    let sectors = log.bytes.len().div_ceil(SECTOR);
    let [cases, torn] = on_all_cores(sectors * 8, &|number| {
        let (sector, way) = (number / 8, number % 8);
        let (start, end) = (sector * SECTOR, ((sector + 1) * SECTOR).min(log.bytes.len()));
        let mut bytes = log.bytes.to_vec();
        let mut dice = Dice(number as u64);
        // A head is never written over, so there is no older one that could lie there.
        let way = if sector == 0 && matches!(way, 1 | 2) { 0 } else { way };
        match way {
            0 => bytes[start..end].fill(0),
            1 => bytes[start..end].copy_from_slice(&stale.bytes[start..end]),
            // Also everything from there on: the write never came that far.
            2 => bytes[start..].copy_from_slice(&stale.bytes[start..]),
            3 => bytes[start..].fill(0),
            _ => bytes[start..end].iter_mut().for_each(|byte| *byte = dice.roll(256) as u8),
        }
        let whole_before = log.whole_by(start);
        let unchanged = bytes[..] == log.bytes[..]; // the middle of a long payload, which no salt is mixed into
        match log.with(bytes) {
            Verdict::Refused(error) => {
                assert!(error.offset.is_some() && error.path == file(&log_name(1)), "{error}");
                assert!(sector == 0 || error.kind == StorageErrorKind::CorruptLog, "{error}");
                assert!(!matches!(way, 2 | 3) || sector == 0, "sector {sector}, nothing lies behind: {error}");
                [1, 0]
            }
            Verdict::Torn(at) => {
                // Nothing behind it proves that it was durable: the last group, or all that lies behind is gone.
                let found = log.whole_by(at as usize);
                let last_group = log.group_after(found) == log.ends.last().map(|(_, first)| *first);
                let only_the_end = found == log.ends.len() || last_group;
                assert!(found >= whole_before && (only_the_end || matches!(way, 2 | 3)), "sector {sector}, way {way}");
                [1, 1]
            }
            Verdict::Whole => {
                // Zeros from the end of a frame on look like the end of the log.
                let at_an_end = way == 3 && (start == HEAD_BYTES || log.frames.contains(&start));
                assert!(unchanged || at_an_end, "sector {sector}, way {way}");
                [1, 0]
            }
            Verdict::Clean(_) => panic!("the last stop was not clean"),
        }
    });
    println!("{cases} sectors lost, stale or noisy, {torn} of them told as torn");
    assert!(cases as usize == sectors * 8 && cases >= 4_096);
}

/// How large the files are of which bits are flipped. Of larger ones each seed flips a part of the bits, about as many as
/// the smallest has, and as many seeds in a row as there are parts flip all of them.
struct Wanted {
    bytes: usize,
    parts: usize,
    seed: u64,
}

impl Wanted {
    const LEAST: usize = 64 << 10;

    fn asked() -> Wanted {
        let bytes = (asked("THRONG_IMAGE_BYTES", 0) as usize).max(Wanted::LEAST);
        Wanted { bytes, parts: bytes / Wanted::LEAST, seed: asked("THRONG_SEED", 1) }
    }

    /// How many of so many bits are this seed's.
    fn share(&self, bits: usize) -> usize {
        let first = self.nth(0);
        (bits - first).div_ceil(self.parts)
    }

    fn nth(&self, number: usize) -> usize {
        number * self.parts + (self.seed % self.parts as u64) as usize
    }

    /// A folder with a snapshot of that size, and its name.
    fn folder(&self) -> (FrozenDisk, String) {
        let mut crowded = 0;
        loop {
            let folder = FrozenDisk::of(&database(crowded, true));
            let manifest = Manifest::decode(Path::new(MANIFEST), folder.contents(MANIFEST)).unwrap();
            let info = manifest.snapshot.unwrap();
            if info.bytes as usize >= self.bytes {
                return (folder, snapshot_name(info.lsn));
            }
            crowded = (crowded * 2).max(500);
        }
    }
}

#[test]
fn every_flipped_bit_of_a_sealed_log_is_refused_with_file_and_offset() {
    let wanted = Wanted::asked();
    let log = write(&payloads(&database(0, false)), wanted.bytes, 77);
    let (size, last) = (log.bytes.len(), log.ends.len());
    let seal = log.ends[last - 1].0;
    let [cases, refused] = on_all_cores(wanted.share(size * 8), &|number| {
        let bit = wanted.nth(number);
        let mut bytes = log.bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match log.with(bytes) {
            Verdict::Refused(error) => {
                assert!(error.offset.is_some() && error.path == file(&log_name(1)), "bit {bit}: {error}");
                [1, 1]
            }
            // Of the last seal itself: told, and nothing is lost.
            Verdict::Torn(at) => {
                assert!(at as usize == seal && bit / 8 >= seal, "bit {bit}: cut off from {at} on");
                [1, 0]
            }
            other => panic!("bit {bit} of byte {} is not detected: {other:?}", bit / 8),
        }
    });
    let (seed, told) = (wanted.seed, cases - refused);
    println!("seed {seed}: {cases} flips of a log of {size} bytes: {refused} refused, {told} told, 0 undetected");
    assert!(cases >= Wanted::LEAST as u64 * 8 && told <= 40 * 8, "only the last seal");
}

#[test]
fn every_flipped_bit_of_a_snapshot_and_its_manifest_is_refused_with_the_file() {
    let wanted = Wanted::asked();
    let (folder, name) = wanted.folder();
    let snapshot = folder.contents(&name).to_vec();
    let size = snapshot.len();
    assert!(matches!(folder.verdict(true), Verdict::Clean(_)), "{:?}", folder.verdict(true));
    let [cases] = on_all_cores(wanted.share(size * 8), &|number| {
        let bit = wanted.nth(number);
        let mut bytes = snapshot.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match folder.with(&name, bytes).verdict(bit.is_multiple_of(2)) {
            Verdict::Refused(error) => assert!(
                error.kind == StorageErrorKind::CorruptSnapshot && error.path == file(&name),
                "bit {bit}: {error}"
            ),
            other => panic!("bit {bit} is not detected: {other:?}"),
        }
        [1]
    });
    for cut in (0..size).step_by(7 * wanted.parts).chain(size - 200..size) {
        let verdict = folder.with(&name, snapshot[..cut].to_vec()).verdict(true);
        assert!(matches!(&verdict, Verdict::Refused(error) if error.path == file(&name)), "cut at {cut}: {verdict:?}");
    }
    let bytes = folder.contents(MANIFEST).to_vec();
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let verdict = folder.with(MANIFEST, bytes).verdict(true);
        let told =
            matches!(&verdict, Verdict::Refused(error) if error.path == file(MANIFEST) && error.offset.is_some());
        assert!(told, "bit {bit} of the manifest: {verdict:?}");
    }
    let (seed, flips) = (wanted.seed, bytes.len() * 8);
    println!("seed {seed}: {cases} flips of a snapshot of {size} bytes and {flips} of its manifest: all refused");
    assert!(cases >= Wanted::LEAST as u64 * 8);
}
