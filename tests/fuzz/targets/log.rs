//! A log that was damaged anywhere is refused or gives a prefix of what was written; any bytes are a frame or none, a
//! record or none; nothing panics.
#![no_main]

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use libfuzzer_sys::fuzz_target;
use throng::{
    engine::record,
    model::id::Lsn,
    storage::{
        frame::read_frame,
        sim_disk::SimDisk,
        store::{Store, StoreOptions},
    },
};

const FOLDER: &str = "/data";
const WRITES: u64 = 12;

fn options() -> StoreOptions {
    StoreOptions { mmap: false, file_bytes: 4_096, background: false, ..StoreOptions::default() }
}

fn payload(lsn: u64) -> Vec<u8> {
    (0..(lsn * 97) % 700).map(|n| (n * lsn) as u8).collect()
}

/// A folder whose writer was killed after some writes.
static DISK: LazyLock<SimDisk> = LazyLock::new(|| {
    let disk = SimDisk::new();
    let mut opened = Store::open(Arc::new(disk.clone()), Path::new(FOLDER), options()).expect("a new folder opens");
    for lsn in 1..=WRITES {
        opened.log.append(&[(Lsn(lsn), &payload(lsn))]).expect("the disk is sound");
    }
    disk.fork()
});

fuzz_target!(|bytes: &[u8]| {
    if let Some((salt, rest)) = bytes.split_first_chunk::<4>() {
        let _ = read_frame(rest, u32::from_le_bytes(*salt));
        let _ = record::decode(rest);
    }
    let disk = DISK.fork();
    disk.restart();
    let logs: Vec<String> = disk.names(Path::new(FOLDER)).into_iter().filter(|name| name.starts_with("wal-")).collect();
    for change in bytes.chunks_exact(4) {
        let path = Path::new(FOLDER).join(&logs[change[0] as usize % logs.len()]);
        let mut content = disk.contents(&path).unwrap_or_default();
        let at = usize::from(u16::from_le_bytes([change[1], change[2]])) % content.len().max(1);
        match (change[3], content.get_mut(at)) {
            (0, _) => content.truncate(at),
            (mask, Some(byte)) => *byte ^= mask,
            (_, None) => {}
        }
        disk.set_contents(&path, Some(content));
    }
    let Ok(opened) = Store::open(Arc::new(disk), Path::new(FOLDER), options()) else { return };
    let mut next = 1;
    let replayed = opened.replay(&mut |lsn, found| {
        assert_eq!((lsn, found), (Lsn(next), &*payload(next)), "what is replayed was written");
        next += 1;
        Ok(())
    });
    if replayed.is_ok() {
        assert!(next <= WRITES + 1);
    }
});
