//! Power cuts, kills and failing calls at every file operation of small workloads: nothing acknowledged is ever lost.

use std::io::ErrorKind;

use crate::storage::sim_disk::{Fault, FaultKind, SimDisk};
use crate::storage::test_bench::{Dice, Reached, Step, append, open, recovered, run, snapshot};

use Step::{Append, Drop, Forget, Reopen, Roll, Seal, Snapshot, Trim};

const WORKLOADS: [&[Step]; 8] = [
    &[Append(1), Append(2), Append(1)],
    &[Append(3), Seal, Append(2), Seal, Reopen, Append(1)],
    &[Append(9), Append(9), Append(9), Append(2)],
    &[Append(2), Roll, Append(1), Roll, Roll, Append(1), Reopen],
    &[Append(2), Snapshot, Append(2), Snapshot, Append(12), Snapshot, Append(1)],
    &[Append(4), Drop, Append(4), Snapshot, Drop, Append(1), Drop],
    &[Append(9), Roll, Append(9), Snapshot, Trim, Append(1), Roll, Snapshot, Forget, Append(3)],
    &[Snapshot, Append(1), Snapshot, Snapshot, Reopen, Append(1), Snapshot, Reopen],
];

/// Opens, checks the recovered prefix, and that the database goes on from there.
fn check(disk: &SimDisk, reached: Reached, what: &str) -> u64 {
    let mut opened = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let last = recovered(&opened).unwrap_or_else(|error| panic!("{what}: {error}"));
    let range = reached.acknowledged..=reached.attempted;
    assert!(range.contains(&last), "{what}: recovered {last}, not in {range:?}");
    append(&mut opened, 1).unwrap_or_else(|error| panic!("{what}: {error}"));
    snapshot(&opened.store).unwrap_or_else(|error| panic!("{what}: {error}"));
    opened.log.close().unwrap_or_else(|error| panic!("{what}: {error}"));
    drop((opened.store, opened.snapshot));
    let again = open(disk).unwrap_or_else(|error| panic!("{what}, opened again: {error}"));
    assert!(!again.recovery.unclean, "{what}: the stop was clean");
    assert_eq!(recovered(&again).unwrap(), last + 1, "{what}");
    last
}

fn faulty(steps: &[Step], fault: Fault, stubborn: bool) -> (SimDisk, Reached) {
    let disk = SimDisk::new();
    disk.plan(Some(fault));
    let reached = run(&disk, steps, stubborn);
    (disk, reached)
}

fn calls_of(steps: &[Step]) -> u64 {
    let disk = SimDisk::new();
    assert!(!run(&disk, steps, false).failed, "{steps:?} runs");
    disk.calls()
}

const DEAD: FaultKind = FaultKind::Error(ErrorKind::Other);

#[test]
fn power_cut_after_every_call() {
    let mut states = 0;
    for steps in WORKLOADS {
        for at in 0..=calls_of(steps) {
            let (disk, reached) = faulty(steps, Fault { at, sticky: true, kind: DEAD }, false);
            for seed in 0..10u64 {
                let cut = disk.fork();
                let mut dice = Dice(seed * 1_000_003 + at);
                cut.power_cut(&mut |n| match seed {
                    0 => 0,
                    1 => 1 % n,
                    _ => dice.roll(n),
                });
                check(&cut, reached, &format!("{steps:?}, cut after call {at}, seed {seed}"));
                states += 1;
            }
        }
    }
    assert!(states > 9_000, "{states} states");
}

#[test]
fn every_subset_of_what_was_not_synced() {
    let steps = WORKLOADS[0];
    let mut states = 0;
    for at in 0..=calls_of(steps) {
        let (disk, reached) = faulty(steps, Fault { at, sticky: true, kind: DEAD }, false);
        // Choices are counted up like the digits of a number; torn bytes are walked in steps to keep the count down.
        let mut digits: Vec<(usize, usize)> = Vec::new();
        for _ in 0..1_500 {
            let mut place = 0;
            let cut = disk.fork();
            cut.power_cut(&mut |n| {
                if place == digits.len() {
                    digits.push((0, n));
                }
                place += 1;
                digits[place - 1].0
            });
            check(&cut, reached, &format!("cut after call {at}, choices {digits:?}"));
            states += 1;
            while let Some((digit, base)) = digits.pop() {
                let step = (base / 200).max(1);
                if digit + step < base {
                    digits.push((digit + step, base));
                    break;
                }
            }
            if digits.is_empty() {
                break;
            }
        }
    }
    assert!(states > 1_000, "{states} states");
}

#[test]
fn killed_process_after_every_call() {
    for steps in WORKLOADS {
        for at in 0..=calls_of(steps) {
            let (disk, reached) = faulty(steps, Fault { at, sticky: true, kind: DEAD }, false);
            disk.restart();
            check(&disk, reached, &format!("{steps:?}, killed after call {at}"));
        }
    }
}

#[test]
fn every_call_fails_once_or_for_ever() {
    let kinds = [
        FaultKind::Error(ErrorKind::Other),
        FaultKind::ErrorAfter(ErrorKind::Other),
        FaultKind::Error(ErrorKind::StorageFull),
        FaultKind::Error(ErrorKind::Interrupted),
        FaultKind::Short,
    ];
    for steps in WORKLOADS {
        for at in 0..=calls_of(steps) {
            for kind in kinds {
                let forever = matches!(kind, FaultKind::Error(ErrorKind::StorageFull) | FaultKind::ErrorAfter(_));
                for sticky in [false, forever] {
                    let (disk, reached) = faulty(steps, Fault { at, sticky, kind }, true);
                    let what = format!("{steps:?}, call {at} fails, {kind:?}, sticky {sticky}");
                    let cut = disk.fork();
                    disk.restart();
                    check(&disk, reached, &format!("{what}, restarted"));
                    let mut dice = Dice(at);
                    cut.power_cut(&mut |n| dice.roll(n));
                    check(&cut, reached, &format!("{what}, power cut"));
                }
            }
        }
    }
}

#[test]
fn crashes_during_recovery_up_to_three_deep() {
    let mut crashes = 0;
    for steps in WORKLOADS {
        for at in (0..=calls_of(steps)).step_by(7) {
            let (disk, reached) = faulty(steps, Fault { at, sticky: true, kind: DEAD }, false);
            let mut dice = Dice(at);
            disk.power_cut(&mut |n| dice.roll(n));
            for first in 0.. {
                let nested = disk.fork();
                let start = nested.calls();
                nested.plan(Some(Fault { at: start + first, sticky: true, kind: DEAD }));
                let whole = open(&nested).is_ok();
                for depth in 0..2u64 {
                    nested.power_cut(&mut |n| dice.roll(n));
                    let at = nested.calls() + (first * 5 + depth * 3) % 23;
                    nested.plan(Some(Fault { at, sticky: true, kind: DEAD }));
                    drop(open(&nested));
                    crashes += 1;
                }
                nested.power_cut(&mut |n| dice.roll(n));
                check(&nested, reached, &format!("{steps:?}, cut after {at}, then after {first} calls of recovery"));
                if whole {
                    break;
                }
            }
        }
    }
    assert!(crashes > 1_000, "{crashes} crashes");
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
