//! Power cuts and kills after every change of small workloads, and of recovery itself: nothing acknowledged is lost.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::model::id::Lsn;
use crate::storage::disk::Disk;
use crate::storage::error::StorageErrorKind;
use crate::storage::sim_disk::SimDisk;
use crate::storage::sim_ops::{Fault, FaultKind};
use crate::storage::store::{Store, StoreOptions};
use crate::storage::test_bench::{
    Dice, Reached, Run, STEPS, Step, append, asked, check, check_prefix, on_all_cores, open, options, recovered,
    snapshot,
};
use crate::storage::transplant::found_at;

use Step::{Alone, Append, Drop, Finish, Forget, Reopen, Roll, Seal, Snapshot, Start};

const DEAD: FaultKind = FaultKind::Error(ErrorKind::Other);

/// Up to so many changes that were not synced, every subset of them is tried; of more, random ones.
const ALL_SUBSETS_OF: usize = 10;
/// Of more changes than that, so many.
const RANDOM_SUBSETS: usize = 256;

/// Workloads that once found a fault or are good at it.
const WORKLOADS: [&[Step]; 8] = [
    &[Append(1), Append(2), Append(1)],
    &[Append(3), Seal, Append(2), Seal, Reopen, Append(1)],
    &[Append(9), Append(9), Append(9), Append(2)],
    &[Append(2), Roll, Append(1), Roll, Roll, Append(1), Reopen],
    &[Append(2), Snapshot, Append(2), Snapshot, Append(12), Snapshot, Append(1)],
    &[Append(4), Drop, Append(4), Snapshot, Drop, Append(1), Drop],
    &[Append(9), Roll, Append(9), Snapshot, Alone, Append(1), Roll, Start, Append(1), Finish, Forget, Append(3)],
    &[Snapshot, Append(1), Start, Append(2), Roll, Finish, Snapshot, Reopen, Append(1), Snapshot, Reopen],
];

/// The disk as it is before and after every change that the last step makes, with what was reached by then.
fn moments(steps: &[Step]) -> Vec<(SimDisk, Reached)> {
    let disk = SimDisk::new();
    if steps.is_empty() {
        disk.record();
    }
    let mut run = Run::start(&disk);
    for (place, step) in steps.iter().enumerate() {
        let before = run.reached;
        if place + 1 == steps.len() {
            disk.record();
        }
        assert!(run.step(*step), "{steps:?} runs");
        if place + 1 == steps.len() {
            let during = Reached { acknowledged: before.acknowledged, ..run.reached };
            let mut moments: Vec<(SimDisk, Reached)> =
                disk.take_recorded().into_iter().map(|disk| (disk, during)).collect();
            moments.last_mut().expect("there is an end").1 = run.reached;
            return moments;
        }
    }
    disk.take_recorded().into_iter().map(|disk| (disk, Reached::default())).collect()
}

/// Cuts the power at a moment: every subset of what was not synced survives once, and some in parts. How many cuts.
fn cut_every_way(disk: &SimDisk, reached: Reached, dice: &mut Dice, what: &dyn Fn() -> String) -> u64 {
    let unsynced = disk.unsynced().min(ALL_SUBSETS_OF + 1);
    let subsets = if unsynced > ALL_SUBSETS_OF { RANDOM_SUBSETS } else { 1 << unsynced };
    let torn = if unsynced == 0 { 0 } else { 2 };
    for number in 0..subsets + torn {
        let cut = disk.fork();
        let mut place = 0;
        cut.power_cut(&mut |n| {
            place += 1;
            match number {
                _ if number >= subsets => dice.roll(n),
                _ if unsynced > ALL_SUBSETS_OF => dice.roll(2),
                _ => number >> (place - 1) & 1,
            }
        });
        let what = || format!("{}, survivors {number:b}", what());
        match dice.roll(8) {
            0 => check(&cut, reached, &what),
            _ => drop(check_prefix(&cut, reached, &what)),
        }
    }
    (subsets + torn) as u64
}

/// Cuts the power at every moment of a workload's last step: cuts, and those with a snapshot on its way.
fn sweep(steps: &[Step], seed: u64) -> [u64; 2] {
    let mut dice = Dice(seed);
    let (mut cuts, mut checkpointing) = (0, 0);
    for (place, (disk, reached)) in moments(steps).iter().enumerate() {
        if place == 0 && !steps.is_empty() {
            continue; // the end of the workload without its last step
        }
        let what = || format!("{steps:?}, seed {seed}, cut at change {place} of the last step");
        let count = cut_every_way(disk, *reached, &mut dice, &what);
        cuts += count;
        checkpointing += if reached.checkpointing { count } else { 0 };
        if place % 5 == 0 {
            disk.restart();
            check(disk, *reached, &|| format!("{}, only killed", what()));
        }
    }
    [cuts, checkpointing]
}

/// The workload of a number: of all those with so many steps, each once.
fn workload(mut number: usize, len: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..len {
        steps.push(STEPS[number % STEPS.len()]);
        number /= STEPS.len();
    }
    steps
}

/// A workload of four to eight steps, most of which run beside a snapshot.
fn chance_workload(dice: &mut Dice) -> Vec<Step> {
    let mut steps: Vec<Step> = (0..4 + dice.roll(5)).map(|_| STEPS[dice.roll(STEPS.len())]).collect();
    let len = steps.len();
    steps[dice.roll(2)] = Append(3);
    steps[len - 2 - dice.roll(2)] = Start;
    steps[len - 1] = [Finish, Finish, Append(1), Append(14), Roll, Snapshot][dice.roll(6)];
    steps
}

#[test]
fn every_workload_of_up_to_four_steps_survives_a_power_cut_at_every_change() {
    let mut sums = [0, 0];
    for len in 0..=4 {
        let found = on_all_cores(STEPS.len().pow(len), &|number| sweep(&workload(number, len), number as u64));
        sums = [sums[0] + found[0], sums[1] + found[1]];
    }
    println!("{} power cuts, {} of them with a snapshot on its way", sums[0], sums[1]);
    assert!(sums[0] > 700_000, "{sums:?}");
}

#[test]
fn workloads_by_chance_survive_a_power_cut_at_every_change_of_their_last_step() {
    let (seed, count) = (asked("THRONG_SEED", 1), asked("THRONG_WORKLOADS", 6_000));
    let sums = on_all_cores(count as usize, &|number| {
        let seed = seed * 1_000_000_007 + number as u64;
        sweep(&chance_workload(&mut Dice(seed)), seed)
    });
    println!("seed {seed}: {} power cuts of {count} workloads, {} with a snapshot on its way", sums[0], sums[1]);
    assert!(sums[0] >= count * 50, "{sums:?}");
    assert!(sums[1] * 2 >= sums[0], "a snapshot is on its way in at least half of the cuts: {sums:?}");
}

#[test]
fn workloads_that_found_faults_survive_a_power_cut_at_every_change() {
    let steps: Vec<&[Step]> = WORKLOADS.iter().flat_map(|steps| (0..=steps.len()).map(|len| &steps[..len])).collect();
    let [cuts, _] = on_all_cores(steps.len(), &|number| {
        (0..4).fold([0, 0], |sum, seed| {
            let found = sweep(steps[number], seed);
            [sum[0] + found[0], sum[1] + found[1]]
        })
    });
    println!("{cuts} power cuts");
    assert!(cuts > 10_000, "{cuts} cuts");
}

/// Recovers with crashes in the middle, so many deep; each time the same must come out as without them.
fn recover_again(disk: &SimDisk, wanted: (u64, u64), depth: u32, dice: &mut Dice, what: &dyn Fn() -> String) -> u64 {
    let attempt = disk.fork();
    attempt.record();
    let opened = open(&attempt).unwrap_or_else(|error| panic!("{}: {error}", what()));
    let found = (recovered(&opened).unwrap(), opened.snapshot.as_ref().map_or(0, |snapshot| snapshot.lsn().0));
    assert_eq!(found, wanted, "{}: another attempt, another state", what());
    drop(opened);
    let moments = attempt.take_recorded();
    if depth == 0 {
        return 0;
    }
    let mut cases = 0;
    // Every moment of the first recovery, some of those within.
    let step = if depth == 3 { 1 } else { moments.len().div_ceil(3).max(1) };
    let first = if depth == 3 { 0 } else { dice.roll(step) };
    for (place, moment) in moments.iter().enumerate().skip(first).step_by(step) {
        moment.power_cut(&mut |n| dice.roll(n));
        let what = || format!("{}, then cut at change {place} of recovery", what());
        cases += 1 + recover_again(moment, wanted, depth - 1, dice, &what);
    }
    cases
}

#[test]
fn crashes_during_recovery_three_deep_change_nothing() {
    let seed = asked("THRONG_SEED", 1);
    let steps: Vec<&[Step]> = WORKLOADS.iter().flat_map(|steps| (0..=steps.len()).map(|len| &steps[..len])).collect();
    let [cases] = on_all_cores(steps.len(), &|number| {
        let mut dice = Dice(seed * 1_000 + number as u64);
        let mut cases = 0;
        for (place, (disk, _)) in moments(steps[number]).iter().enumerate() {
            disk.power_cut(&mut |n| dice.roll(n));
            let reference = disk.fork();
            let opened = open(&reference).unwrap();
            let snapshot = opened.snapshot.as_ref().map_or(0, |snapshot| snapshot.lsn().0);
            let wanted = (recovered(&opened).unwrap(), snapshot);
            let what = || format!("{:?}, seed {seed}, cut at change {place} of the last step", steps[number]);
            cases += recover_again(disk, wanted, 3, &mut dice, &what);
        }
        [cases]
    });
    println!("seed {seed}: {cases} crashes of recovery");
    assert!(cases > 50_000, "{cases} crashes");
}

#[test]
fn a_failed_sync_is_never_acknowledged_and_never_retried() {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 2).unwrap();
    let before = disk.calls();
    // An append is one write and one sync: the second call is the sync.
    disk.plan(Some(Fault { at: before + 1, sticky: false, kind: DEAD }));
    let error = append(&mut opened, 1).unwrap_err();
    assert_eq!(disk.calls(), before + 2);
    assert_eq!((error.doing, opened.log.last().0), ("syncing", 2));
    for _ in 0..3 {
        assert_eq!(append(&mut opened, 1), Err(error.clone()));
        assert_eq!(opened.log.seal(), Err(error.clone()));
        assert_eq!(opened.log.roll(), Err(error.clone()));
        assert_eq!(opened.store.forget_previous(), Err(error.clone()));
    }
    assert_eq!(disk.calls(), before + 2, "nothing is tried again");
    assert_eq!(opened.store.status().failed, Some(error.to_string()));
    assert_eq!(opened.log.close(), Err(error));
    drop((opened.store, opened.snapshot));
    // The process restarts; reads would still show the lost frame if they came from the cache.
    disk.restart();
    let opened = open(&disk).unwrap();
    assert!(opened.recovery.unclean);
    assert_eq!(recovered(&opened).unwrap(), 2);
}

#[test]
fn a_full_disk_is_never_acknowledged() {
    let disk = SimDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 2).unwrap();
    // ENOSPC of the one write of an append.
    disk.plan(Some(Fault { at: disk.calls(), sticky: false, kind: FaultKind::Os(28) }));
    let error = append(&mut opened, 1).unwrap_err();
    assert_eq!((error.kind, opened.log.last().0), (StorageErrorKind::NoSpace, 2));
    assert_eq!(append(&mut opened, 1), Err(error));
    drop(opened);
    assert_eq!(recovered(&open(&disk).unwrap()).unwrap(), 2);
}

#[test]
fn a_folder_within_new_folders_is_there_after_a_power_cut() {
    let within = |disk: &SimDisk, name: &str, create: bool| {
        let dir = Path::new("/srv/throng").join(name);
        Store::open(Arc::new(disk.clone()), &dir, StoreOptions { create, ..options() })
    };
    let mut cuts = 0;
    for seed in 0..64 {
        let disk = SimDisk::new();
        if seed % 2 == 1 {
            // An earlier start died when it had made the folders.
            disk.create_dir(Path::new("/srv/throng/deep/data")).unwrap();
        }
        let mut opened = within(&disk, "deep/data", true).unwrap();
        append(&mut opened, 3).unwrap();
        opened.store.export(Path::new("/srv/throng/copies/monday")).unwrap();
        let salvaged = Path::new("/srv/throng/salvaged/new");
        let found = found_at(Arc::new(disk.clone()), salvaged, Lsn(3), options()).unwrap();
        snapshot(&found).unwrap();
        found.finish_founding("all").unwrap();
        drop((opened, found));
        let mut dice = Dice(seed);
        disk.power_cut(&mut |n| if seed < 2 { 0 } else { dice.roll(n) });
        for name in ["deep/data", "copies/monday", "salvaged/new"] {
            let opened = within(&disk, name, false).unwrap_or_else(|error| panic!("seed {seed}, {name}: {error}"));
            assert_eq!(recovered(&opened).unwrap(), 3, "seed {seed}, {name}");
            cuts += 1;
        }
    }
    assert_eq!(cuts, 192);
}
