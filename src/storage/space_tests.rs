//! A disk of every small size, full at every place: nothing acknowledged is lost, and what was refused can be had again
//! once there is room.

use std::sync::Arc;
use std::time::Duration;

use crate::model::id::Lsn;
use crate::storage::disk::Disk;
use crate::storage::error::StorageErrorKind;
use crate::storage::names::BALLAST;
use crate::storage::sim_disk::SimDisk;
use crate::storage::space::SpaceStep;
use crate::storage::store::{Opened, Store, StoreOptions};
use crate::storage::test_bench::{Dice, append, dir, file, options, recovered, snapshot};

fn sized(disk: &SimDisk, background: bool) -> Result<Opened, crate::storage::error::StorageError> {
    let options = StoreOptions { background, ballast_bytes: 8_192, ..options() };
    Store::open(Arc::new(disk.clone()) as Arc<dyn Disk>, &dir(), options)
}

/// Appends, rolls, seals and snapshots at random on a disk of a size; gives the last position acknowledged.
fn fill(disk: &SimDisk, opened: &mut Opened, dice: &mut Dice, refused: &mut u64) -> u64 {
    let mut acknowledged = opened.log.last().0;
    for _ in 0..40 {
        let done = match dice.roll(8) {
            0 => opened.log.seal(),
            1 => opened.log.roll(),
            2 => snapshot(&opened.store),
            3 => opened.store.look_at_space(Duration::ZERO).free.map_or(Ok(()), |_| opened.store.keep_ballast()),
            _ => append(opened, 1 + dice.roll(9) as u64),
        };
        if let Err(error) = done {
            assert_eq!(error.kind, StorageErrorKind::NoSpace, "{error}");
            *refused += 1;
        }
        assert_eq!(opened.log.failed(), None, "a full disk is met before the log is written");
        acknowledged = acknowledged.max(opened.log.last().0);
    }
    assert!(disk.used() <= 200_000);
    acknowledged
}

#[test]
fn full_disks_lose_nothing_and_come_back() {
    let (mut runs, mut refused, mut only_read) = (0, 0, 0);
    for size in (3_000..40_000).step_by(97) {
        for seed in 0..2 {
            let disk = SimDisk::new();
            disk.set_size(Some(size));
            let mut dice = Dice(size * 7 + seed);
            let what = format!("size {size}, seed {seed}");
            let Ok(mut opened) = sized(&disk, seed == 1) else { continue };
            let mut last = fill(&disk, &mut opened, &mut dice, &mut refused);
            if dice.roll(2) == 0 {
                opened.log.close().unwrap_or_else(|error| panic!("{what}: {error}"));
            } else {
                drop(opened.log);
            }
            drop((opened.store, opened.snapshot));
            let cut = disk.fork();
            match dice.roll(2) {
                0 => disk.restart(),
                _ => disk.power_cut(&mut |n| dice.roll(n)),
            }
            // Still full: it opens, at least to be read.
            let mut opened = sized(&disk, false).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(recovered(&opened).unwrap(), last, "{what}");
            only_read += u64::from(opened.store.status().failed.is_some());
            disk.set_size(None);
            if opened.store.status().failed.is_none() {
                append(&mut opened, 2).unwrap_or_else(|error| panic!("{what}, with room again: {error}"));
                last += 2;
                snapshot(&opened.store).unwrap_or_else(|error| panic!("{what}, with room again: {error}"));
                opened.log.close().unwrap();
            } else {
                drop(opened.log);
            }
            drop((opened.store, opened.snapshot));
            assert_eq!(recovered(&sized(&disk, false).unwrap()).unwrap(), last, "{what}");
            cut.set_size(None);
            cut.power_cut(&mut |n| dice.roll(n));
            assert!(recovered(&sized(&cut, false).unwrap()).unwrap() <= last, "{what}");
            runs += 1;
        }
    }
    assert!(runs >= 500 && refused > 1_000, "{runs} runs, {refused} refusals, {only_read} opened for reading alone");
}

#[test]
fn the_ladder_follows_the_disk_and_the_ballast_is_given_back() {
    let disk = SimDisk::new();
    let mut opened = sized(&disk, false).unwrap();
    append(&mut opened, 20).unwrap();
    snapshot(&opened.store).unwrap();
    let second = Duration::from_secs(1);
    let store = opened.store.clone();
    let unit = store.space().unit();
    let live = store.status().snapshot.unwrap();
    assert_eq!(unit, live.bytes / 5 * 6 + 1_024, "one snapshot and one log file");
    let leave = |bytes: u64| disk.set_size(Some(disk.used() + bytes));
    leave(1 << 20);
    assert_eq!(store.look_at_space(second).step, SpaceStep::Ample);
    store.keep_ballast().unwrap();
    assert_eq!((store.space().ballast, disk.contents(&file(BALLAST)).unwrap().len()), (8_192, 8_192));
    for (free, step) in [
        (3 * unit, SpaceStep::Ample),
        (3 * unit - 1, SpaceStep::Low),
        (2 * unit - 1, SpaceStep::NoImports),
        (unit - 1, SpaceStep::DeletesOnly),
    ] {
        leave(free);
        assert_eq!(store.look_at_space(2 * second).step, step, "{free} bytes free");
        store.keep_ballast().unwrap();
        assert_eq!(store.space().ballast, 8_192);
    }
    assert_eq!(store.give_ballast(), Ok(8_192));
    assert_eq!(store.give_ballast(), Ok(0), "only once");
    assert!(disk.contents(&file(BALLAST)).is_none());
    leave(10 * unit + 200_000);
    assert_eq!(store.look_at_space(3 * second).step, SpaceStep::DeletesOnly, "not at once");
    store.keep_ballast().unwrap();
    assert_eq!(store.space().ballast, 0, "not while there is little room");
    assert_eq!(store.look_at_space(63 * second).step, SpaceStep::Ample, "by itself");
    store.keep_ballast().unwrap();
    assert!(store.space().ballast > 0, "and there is a ballast again");
    drop((opened, store));
    let opened = sized(&disk, false).unwrap();
    assert!(opened.store.space().ballast > 0, "it is found again");
}

#[test]
fn a_snapshot_that_does_not_fit_leaves_everything_as_it_was() {
    let disk = SimDisk::new();
    let mut opened = sized(&disk, false).unwrap();
    append(&mut opened, 30).unwrap();
    snapshot(&opened.store).unwrap();
    append(&mut opened, 5).unwrap();
    let before = opened.store.status();
    let names = disk.names(&dir());
    for room in (0..6_000).step_by(111) {
        let full = disk.fork();
        full.restart();
        let mut opened = sized(&full, false).unwrap();
        full.set_size(Some(full.used() + room));
        match snapshot(&opened.store) {
            Ok(()) => assert_eq!(opened.store.status().snapshot.unwrap().lsn, Lsn(35)),
            Err(error) => {
                assert_eq!(error.kind, StorageErrorKind::NoSpace, "{error}");
                assert_eq!(opened.store.status().snapshot, before.snapshot);
                assert_eq!(opened.log.failed(), None);
                let left: Vec<String> = full.names(&dir()).into_iter().filter(|name| !names.contains(name)).collect();
                assert!(left.iter().all(|name| name.starts_with("MANIFEST")), "{room}: {left:?}");
                full.set_size(None);
                append(&mut opened, 1).unwrap();
                snapshot(&opened.store).unwrap();
            }
        }
    }
}
