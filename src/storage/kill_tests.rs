//! kill -9 of a process that writes a log, thousands of times: what it was told to be durable is there.
//!
//! The process is this very program, asked for one test that appends until it is killed and tells what is durable.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, thread, time::Duration};

use crate::storage::error::StorageErrorKind;
use crate::storage::real_disk::RealDisk;
use crate::storage::store::{Opened, Store, StoreOptions};
use crate::storage::test_bench::{Dice, append, asked, on_all_cores, recovered, snapshot};

/// Names the folder for the process that is to be killed, and a number that its steps follow from.
const FOLDER: &str = "THRONG_KILL_FOLDER";
/// Kills of one folder, before the next one begins.
const ROUNDS: u64 = 40;

/// Opens a folder. A process that is being started for another folder has, for a moment, all files of this one, and
/// with them its locks.
fn open(dir: &Path) -> Opened {
    let options = StoreOptions { file_bytes: 32 << 10, ..StoreOptions::default() };
    for _ in 0..2_000 {
        match Store::open(Arc::new(RealDisk), dir, options.clone()) {
            Err(error) if error.kind == StorageErrorKind::Locked => thread::sleep(Duration::from_millis(1)),
            opened => return opened.unwrap(),
        }
    }
    panic!("{} stays locked", dir.display());
}

#[test]
#[ignore = "it is what the test beside it kills"]
fn append_until_killed() {
    let asked = env::var(FOLDER).expect("the test that kills it says where");
    let (dir, seed) = asked.split_once('|').expect("a folder and a number");
    let mut opened = open(Path::new(dir));
    let mut dice = Dice(seed.parse().unwrap());
    let mut told = std::io::stdout();
    let mut beside = None;
    for step in 0.. {
        append(&mut opened, 1 + dice.roll(14) as u64).unwrap();
        writeln!(told, "durable {}", opened.log.last().0).unwrap();
        told.flush().unwrap();
        match dice.roll(40) {
            0 => opened.log.seal().unwrap(),
            1 => opened.log.roll().unwrap(),
            // Once in a life, beside the appends that go on.
            2..10 if step > 2 && beside.is_none() => {
                let store = opened.store.clone();
                beside = Some(thread::spawn(move || snapshot(&store).unwrap()));
            }
            _ => {}
        }
    }
}

/// Starts the process; the number grows with what it tells.
fn start(dir: &Path, seed: u64) -> (Child, Arc<AtomicU64>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["storage::kill_tests::append_until_killed", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, format!("{}|{seed}", dir.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (told, output) = (Arc::new(AtomicU64::new(0)), child.stdout.take().unwrap());
    let heard = Arc::clone(&told);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The runner's own words may stand before the first one.
            if let Some(lsn) = line.rsplit_once("durable ").and_then(|(_, lsn)| lsn.parse().ok()) {
                heard.fetch_max(lsn, Ordering::Release);
            }
        }
    });
    (child, told)
}

#[test]
fn what_a_killed_process_had_made_durable_is_there() {
    let (seed, kills) = (asked("THRONG_SEED", 1), asked("THRONG_KILLS", 2_000));
    let folders = kills.div_ceil(ROUNDS);
    let [done, told, unclean] = on_all_cores(folders as usize, &|number| {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        let mut dice = Dice(seed * 1_000_003 + number as u64);
        let (mut before, mut heard_of, mut unclean) = (0, 0, 0);
        for round in 0..ROUNDS {
            let (mut child, told) = start(&dir, dice.roll(1 << 30) as u64);
            while told.load(Ordering::Acquire) == 0 {
                assert!(child.try_wait().unwrap().is_none(), "seed {seed}, folder {number}: it stopped by itself");
                thread::sleep(Duration::from_micros(200));
            }
            thread::sleep(Duration::from_micros(dice.roll(15_000) as u64));
            // Only what was heard before the kill was promised.
            let promised = told.load(Ordering::Acquire);
            child.kill().unwrap();
            child.wait().unwrap();
            let opened = open(&dir);
            let last = recovered(&opened).unwrap();
            assert!(last >= promised.max(before), "seed {seed}, folder {number}, {round}: {last} of {promised}");
            (before, heard_of, unclean) = (last, heard_of + promised, unclean + u64::from(opened.recovery.unclean));
        }
        [ROUNDS, u64::from(heard_of > 0), unclean]
    });
    println!("seed {seed}: {done} kills, {unclean} in the middle of writing, nothing lost");
    assert!(done >= kills && told == folders && unclean > kills / 2, "{done} kills, {unclean} unclean");
}
