//! Round trips of the whole folder, on the simulated disk and on a real one.

use std::path::Path;
use std::sync::Arc;

use crate::codec::section::{SectionSink, SectionSource};
use crate::model::id::Lsn;
use crate::storage::disk::Disk;
use crate::storage::error::StorageErrorKind;
use crate::storage::folder::TORN_KEPT;
use crate::storage::frame::MAX_PAYLOAD;
use crate::storage::names::{LOCK, SPARE, log_name, snapshot_name};
use crate::storage::real_disk::RealDisk;
use crate::storage::sim_disk::SimDisk;
use crate::storage::store::{Opened, Store, StoreOptions};
use crate::storage::test_bench::{append, dir, file, open, open_with, options, recovered, snapshot};
use crate::storage::verify::verify_folder;

#[test]
fn a_new_folder_is_empty_and_comes_back_empty() {
    let disk = SimDisk::new();
    let opened = open(&disk).unwrap();
    assert!(opened.recovery.created && !opened.recovery.unclean && opened.snapshot.is_none());
    assert_eq!(recovered(&opened).unwrap(), 0);
    let identity = opened.store.identity();
    drop(opened);
    let opened = open(&disk).unwrap();
    assert!(!opened.recovery.created && !opened.recovery.unclean);
    assert_eq!(opened.store.identity(), identity);
}

#[test]
fn files_roll_and_snapshots_let_old_ones_go() {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    for _ in 0..20 {
        append(&mut opened, 5).unwrap();
    }
    let status = opened.store.status();
    assert!(status.log_files > 5 && status.log_first == Lsn(1) && status.durable == Lsn(100), "{status:?}");
    assert!(status.log_bytes_since_snapshot == status.log_bytes && status.log_bytes > 4_000);
    snapshot(&opened.store).unwrap();
    assert_eq!(opened.store.status().log_first, Lsn(1), "without a spare snapshot the whole log is the spare");
    append(&mut opened, 5).unwrap();
    snapshot(&opened.store).unwrap();
    let status = opened.store.status();
    assert!(status.log_first > Lsn(90) && status.log_first <= Lsn(101), "{status:?}");
    assert_eq!((status.snapshot.unwrap().lsn, status.previous.unwrap().lsn), (Lsn(105), Lsn(100)));
    append(&mut opened, 1).unwrap();
    snapshot(&opened.store).unwrap();
    let snapshots: Vec<String> = disk.names(&dir()).into_iter().filter(|name| name.starts_with("snap-")).collect();
    assert_eq!(snapshots, [snapshot_name(Lsn(105)), snapshot_name(Lsn(106))]);
    opened.log.roll().unwrap();
    opened.store.forget_previous().unwrap();
    let names = disk.names(&dir());
    assert_eq!(names.iter().filter(|name| name.starts_with("wal-")).count(), 1, "{names:?}");
    assert!(!names.contains(&snapshot_name(Lsn(105))));
    append(&mut opened, 2).unwrap();
    opened.log.close().unwrap();
    drop((opened.store, opened.snapshot));
    let opened = open(&disk).unwrap();
    assert_eq!(opened.snapshot.as_ref().map(|snapshot| snapshot.lsn()), Some(Lsn(106)));
    assert_eq!(recovered(&opened).unwrap(), 108);
}

#[test]
fn long_payloads_span_frames() {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    let long: Vec<u8> = (0..2 * MAX_PAYLOAD + 7).map(|i| (i / 3) as u8).collect();
    let exact = vec![9u8; MAX_PAYLOAD];
    let payloads = [(Lsn(1), &b"short"[..]), (Lsn(2), &long), (Lsn(3), &exact), (Lsn(4), &[])];
    opened.log.append(&payloads).unwrap();
    drop(opened);
    let seen = |disk: &SimDisk| {
        let mut seen = Vec::new();
        let opened = open(disk).unwrap();
        opened
            .replay(&mut |lsn, bytes| {
                seen.push((lsn, bytes.len(), bytes == payloads[seen.len()].1));
                Ok(())
            })
            .unwrap();
        (seen, opened.recovery.torn.is_some())
    };
    let whole: Vec<_> = payloads.iter().map(|(lsn, bytes)| (*lsn, bytes.len(), true)).collect();
    assert_eq!(seen(&disk.fork()), (whole.clone(), false));
    // Cut in the second part: the long payload is not there at all.
    let mut bytes = disk.contents(&file(&log_name(1))).unwrap();
    bytes.truncate(MAX_PAYLOAD + MAX_PAYLOAD / 2);
    disk.set_contents(&file(&log_name(1)), Some(bytes));
    assert_eq!(seen(&disk), (whole[..1].to_vec(), true));
}

#[test]
fn large_groups_are_split_where_their_places_would_not_fit() {
    let disk = SimDisk::new();
    let mut opened = open_with(&disk, StoreOptions { file_bytes: 1 << 20, ..options() }).unwrap();
    let frames: Vec<(Lsn, &[u8])> = (1..=70_000).map(|lsn| (Lsn(lsn), &b"x"[..])).collect();
    opened.log.append(&frames).unwrap();
    drop(opened);
    let mut count = 0;
    let opened = open(&disk).unwrap();
    opened
        .replay(&mut |lsn, _| {
            count += 1;
            assert_eq!(lsn.0, count);
            Ok(())
        })
        .unwrap();
    assert_eq!(count, 70_000);
}

#[test]
fn replay_stops_at_what_does_not_apply() {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 3).unwrap();
    let refuse = |lsn: Lsn, _: &[u8]| if lsn == Lsn(2) { Err("no such thing".into()) } else { Ok(()) };
    let error = opened.replay(&mut { refuse }).unwrap_err();
    assert!(error.cause.contains("lsn 2 does not apply: no such thing"), "{error}");
}

#[test]
fn a_torn_tail_is_saved_cut_and_reported_once() {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 2).unwrap();
    drop(opened);
    let path = file(&log_name(1));
    let mut bytes = disk.contents(&path).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    bytes[end..end + 5].copy_from_slice(b"tail!");
    disk.set_contents(&path, Some(bytes));
    let opened = open(&disk).unwrap();
    let torn = opened.recovery.torn.clone().unwrap();
    assert_eq!((torn.offset, torn.bytes, torn.last, &torn.path), (end as u64, 5, Lsn(2), &path));
    assert_eq!(disk.contents(&torn.saved).unwrap(), b"tail!");
    assert_eq!(disk.mode(&torn.saved).unwrap(), Some(0o600));
    assert_eq!(recovered(&opened).unwrap(), 2);
    drop(opened);
    let opened = open(&disk).unwrap();
    assert!(opened.recovery.torn.is_none());
    opened.store.forget_previous().unwrap();
    assert!(disk.contents(&torn.saved).is_none(), "erasure takes saved tails, too");
}

#[test]
fn snapshots_refuse_wrong_positions_and_a_second_writer() {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 3).unwrap();
    let kind = |result: Result<_, crate::storage::error::StorageError>| result.map(drop).unwrap_err().kind;
    assert_eq!(kind(opened.store.start_snapshot(Lsn(4))), StorageErrorKind::Config);
    let first = opened.store.start_snapshot(Lsn(3)).unwrap();
    assert_eq!(kind(opened.store.start_snapshot(Lsn(3))), StorageErrorKind::Config);
    drop(first);
    assert!(disk.names(&dir()).iter().all(|name| !name.ends_with(".tmp")), "a dropped writer leaves nothing");
    snapshot(&opened.store).unwrap();
    assert_eq!(kind(opened.store.start_snapshot(Lsn(2))), StorageErrorKind::Config);
    let mut writer = opened.store.start_snapshot(Lsn(3)).unwrap();
    assert!(writer.put(b"early").is_err());
    writer.begin("other").unwrap();
    assert!(writer.begin("other").is_err());
    let live = opened.store.status().snapshot.unwrap();
    assert_eq!(writer.finish(), Ok(live), "a second snapshot of a position changes nothing");
}

#[test]
fn folders_that_are_not_ours_are_refused() {
    let refused = |disk: &SimDisk, options| {
        let error = open_with(disk, options).err().unwrap();
        assert_eq!(error.kind, StorageErrorKind::Config, "{error}");
    };
    let disk = SimDisk::new();
    refused(&disk, StoreOptions { create: false, ..options() });
    disk.create_dir(&dir()).unwrap();
    refused(&disk, StoreOptions { create: false, ..options() });
    disk.set_contents(&file("photo.jpg"), Some(b"mine".to_vec()));
    refused(&disk, options());
    disk.set_contents(&file("photo.jpg"), None);
    disk.set_dir_mode(&dir(), 0o777);
    refused(&disk, options());
    disk.set_dir_mode(&dir(), 0o700);
    assert!(open(&disk).is_ok());
}

fn open_real(dir: &Path, options: StoreOptions) -> Result<Opened, crate::storage::error::StorageError> {
    Store::open(Arc::new(RealDisk) as Arc<dyn Disk>, dir, options)
}

#[test]
fn real_files_round_trip_with_spares_made_on_a_thread() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    for mmap in [true, false] {
        let options = StoreOptions { file_bytes: 4_096, mmap, ..StoreOptions::default() };
        let mut opened = open_real(&dir, options.clone()).unwrap();
        let start = recovered(&opened).unwrap();
        for _ in 0..30 {
            append(&mut opened, 5).unwrap();
        }
        // The log goes on while a snapshot is written on another thread.
        std::thread::scope(|scope| {
            let store = opened.store.clone();
            let writing = scope.spawn(move || snapshot(&store));
            for _ in 0..30 {
                append(&mut opened, 5).unwrap();
            }
            writing.join().unwrap().unwrap();
        });
        let error = open_real(&dir, options.clone()).err().unwrap();
        assert_eq!(error.kind, StorageErrorKind::Locked);
        assert!(error.cause.contains(&format!("process {}", std::process::id())), "{error}");
        let copy = home.path().join(format!("copy-{mmap}"));
        let exported = opened.store.export(&copy).unwrap();
        assert_eq!(exported.lsn.0, start + 300);
        assert_eq!(opened.store.export(&copy).unwrap_err().kind, StorageErrorKind::Config);
        opened.log.close().unwrap();
        drop((opened.store, opened.snapshot));
        let again = open_real(&dir, options.clone()).unwrap();
        assert!(!again.recovery.unclean && again.snapshot.is_some());
        assert_eq!(recovered(&again).unwrap(), start + 300);
        let copied = open_real(&copy, options).unwrap();
        assert!(!copied.recovery.unclean);
        assert_eq!(recovered(&copied).unwrap(), start + 300);
        let report = verify_folder(&RealDisk, &dir).unwrap();
        assert!(report.damage.is_empty() && report.last.0 == start + 300, "{report:?}");
    }
    let mode = |path: &Path| RealDisk.mode(path).unwrap();
    if cfg!(unix) {
        assert_eq!(mode(&dir), Some(0o700));
        for name in RealDisk.list(&dir).unwrap() {
            let wanted = if name.starts_with("snap-") { 0o400 } else { 0o600 };
            assert_eq!(mode(&dir.join(&name)), Some(wanted), "{name}");
        }
    }
}

#[test]
fn a_leftover_spare_does_not_disturb() {
    let disk = SimDisk::new();
    drop(open(&disk).unwrap());
    disk.set_contents(&file(SPARE), Some(vec![1; 100]));
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 30).unwrap();
    append(&mut opened, 30).unwrap();
    drop(opened);
    assert_eq!(recovered(&open(&disk).unwrap()).unwrap(), 60);
}

#[test]
fn sections_larger_than_a_run_of_blocks_round_trip() {
    let disk = SimDisk::new();
    for mmap in [true, false] {
        let mut opened = open_with(&disk, StoreOptions { mmap, ..options() }).unwrap();
        append(&mut opened, 1).unwrap();
        let lens = [0usize, 1, 63, 64, 65_472, 65_536, 65_537, 1_048_576, 3_000_001];
        let bytes: Vec<u8> = (0..3_000_001u32).map(|i| (i ^ (i >> 9)) as u8).collect();
        let mut writer = opened.store.start_snapshot(opened.log.last()).unwrap();
        for len in lens {
            writer.begin(&format!("s{len}")).unwrap();
            bytes[..len].chunks(100_003).for_each(|part| writer.put(part).unwrap());
            assert_eq!(writer.position(), len as u64);
        }
        writer.finish().unwrap();
        drop(opened);
        let opened = open_with(&disk, StoreOptions { mmap, ..options() }).unwrap();
        let snapshot = opened.snapshot.unwrap();
        for len in lens {
            let section = snapshot.section(&format!("s{len}")).unwrap();
            assert!(section == bytes[..len], "section of {len}");
            assert_eq!(section.as_ptr().addr() % 64, 0);
        }
        assert!(snapshot.section("nothing").is_err() && !snapshot.has("nothing"));
    }
}

#[cfg(unix)]
#[test]
fn a_folder_whose_lock_file_was_removed_is_still_locked() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let open = || Store::open(Arc::new(RealDisk) as Arc<dyn Disk>, &dir, options());
    let opened = open().unwrap();
    std::fs::remove_file(dir.join(LOCK)).unwrap();
    assert_eq!(open().err().unwrap().kind, StorageErrorKind::Locked);
    // And again, now that there is a new one.
    assert_eq!(open().err().unwrap().kind, StorageErrorKind::Locked);
    drop(opened);
    open().unwrap();
}

#[test]
fn a_torn_tail_is_kept_for_a_week() {
    let disk = SimDisk::new();
    drop(open(&disk).unwrap());
    let torn = file("wal-0000000001-64.torn");
    disk.set_contents(&torn, Some(vec![1; 10]));
    disk.set_age(&torn, TORN_KEPT - std::time::Duration::from_secs(1));
    let opened = open(&disk).unwrap();
    opened.store.expire_torn().unwrap();
    assert!(disk.contents(&torn).is_some());
    disk.set_age(&torn, TORN_KEPT);
    let later = disk.fork();
    opened.store.expire_torn().unwrap();
    assert!(disk.contents(&torn).is_none(), "while it is open");
    later.restart();
    drop(open(&later).unwrap());
    assert!(later.contents(&torn).is_none(), "at a start");
}
