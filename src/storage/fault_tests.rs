//! Every file call of many workloads fails in every way, once or for ever: nothing acknowledged is lost, nothing wrong
//! is acknowledged, and after a restart the database goes on.

use std::io::ErrorKind;

use crate::storage::sim_disk::SimDisk;
use crate::storage::sim_ops::{Fault, FaultKind};
use crate::storage::test_bench::{Dice, STEPS, Step, asked, calls_of, check, on_all_cores, run};

use Step::{Alone, Append, Drop, Finish, Forget, Reopen, Roll, Seal, Snapshot, Start};

/// The numbers of Linux, which the errors of the simulated disk bear: EIO, ENOSPC, EDQUOT, EINTR, EMFILE, EROFS and
/// ENOENT; then a write or read of half of what was asked; and an error of what was done all the same.
const KINDS: [FaultKind; 9] = [
    FaultKind::Os(5),
    FaultKind::Os(28),
    FaultKind::Os(122),
    FaultKind::Os(4),
    FaultKind::Os(24),
    FaultKind::Os(30),
    FaultKind::Os(2),
    FaultKind::Short,
    FaultKind::ErrorAfter(ErrorKind::Other),
];

/// What each is about: open, load, write, rotate, checkpoint, publish, collect, close.
const SCENARIOS: [&[Step]; 8] = [
    &[Reopen, Drop, Append(1), Drop, Reopen],
    &[Append(14), Snapshot, Append(14), Drop, Append(1), Reopen, Append(1)],
    &[Append(1), Append(3), Append(14), Append(1), Seal, Append(1), Start, Append(3), Seal, Append(1)],
    &[Append(1), Roll, Start, Append(3), Roll, Append(14), Append(14), Roll, Append(1)],
    &[Append(3), Start, Append(14), Finish, Append(1), Start, Append(1), Seal, Finish, Append(1), Snapshot],
    &[Append(1), Snapshot, Append(1), Snapshot, Append(1), Start, Append(1), Finish, Append(1)],
    &[Append(14), Snapshot, Append(14), Start, Finish, Alone, Append(3), Forget, Append(1), Snapshot, Forget],
    &[Append(3), Start, Append(1), Finish, Reopen, Append(1), Snapshot, Reopen, Append(1), Reopen],
];

/// Scenarios by chance, each with a snapshot on its way for most of its calls.
fn chance_scenario(dice: &mut Dice) -> Vec<Step> {
    let mut steps = vec![Append(1 + dice.roll(3) as u64), Start];
    for _ in 0..5 {
        steps.push(STEPS[dice.roll(STEPS.len())]);
        if steps.last() == Some(&Finish) {
            steps.push(Start);
        }
    }
    steps.push(Finish);
    steps
}

/// Runs a scenario with a fault, then restarts, and cuts the power: whether a snapshot was on its way.
fn fail(steps: &[Step], fault: Fault, cuts: u64) -> u64 {
    let disk = SimDisk::new();
    disk.plan(Some(fault));
    let reached = run(&disk, steps, true);
    let what = || format!("{steps:?}, {fault:?}");
    for seed in 0..cuts {
        let cut = disk.fork();
        let mut dice = Dice(fault.at * 31 + seed);
        cut.power_cut(&mut |n| dice.roll(n));
        check(&cut, reached, &|| format!("{}, power cut {seed}", what()));
    }
    disk.restart();
    check(&disk, reached, &|| format!("{}, restarted", what()));
    u64::from(reached.checkpointing)
}

#[test]
fn every_call_fails_in_every_way_once_and_for_ever() {
    let (seed, count) = (asked("THRONG_SEED", 1), asked("THRONG_SCENARIOS", 64));
    let mut dice = Dice(seed);
    let mut scenarios: Vec<Vec<Step>> = SCENARIOS.iter().map(|steps| steps.to_vec()).collect();
    scenarios.extend((0..count).map(|_| chance_scenario(&mut dice)));
    let calls: Vec<(usize, u64)> = scenarios
        .iter()
        .enumerate()
        .flat_map(|(place, steps)| (0..calls_of(steps)).map(move |at| (place, at)))
        .collect();
    let [cases, checkpointing] = on_all_cores(calls.len(), &|number| {
        let (place, at) = calls[number];
        let mut sums = [0, 0];
        for kind in KINDS {
            for sticky in [false, true] {
                sums[0] += 1;
                sums[1] += fail(&scenarios[place], Fault { at, sticky, kind }, 1);
            }
        }
        sums
    });
    let scenarios = scenarios.len();
    println!("seed {seed}: {cases} faults in {scenarios} scenarios, {checkpointing} with a snapshot on its way");
    assert_eq!(cases, calls.len() as u64 * 18);
    assert!(cases >= (8 + count) * 1_900, "{cases} faults");
    assert!(checkpointing * 2 >= cases, "a snapshot is on its way in at least half: {checkpointing} of {cases}");
}

#[test]
fn every_sync_fails_and_nothing_is_acknowledged_after() {
    let mut dice = Dice(7);
    let mut scenarios: Vec<Vec<Step>> = SCENARIOS.iter().map(|steps| steps.to_vec()).collect();
    scenarios.extend((0..48).map(|_| chance_scenario(&mut dice)));
    let syncs: Vec<(usize, u64)> = scenarios
        .iter()
        .enumerate()
        .flat_map(|(place, steps)| {
            let disk = SimDisk::new();
            assert!(!run(&disk, steps, false).failed);
            disk.sync_calls().into_iter().map(move |at| (place, at))
        })
        .collect();
    let kinds = [FaultKind::Os(5), FaultKind::Os(28), FaultKind::ErrorAfter(ErrorKind::Other)];
    let [cases] = on_all_cores(syncs.len(), &|number| {
        let (place, at) = syncs[number];
        for kind in kinds {
            for sticky in [false, true] {
                fail(&scenarios[place], Fault { at, sticky, kind }, 2);
            }
        }
        [6]
    });
    println!("{cases} failed syncs at {} places", syncs.len());
    assert!(cases >= 5_000, "{cases} failed syncs");
}
