//! Folders put together wrongly: files missing, doubled, swapped, foreign, older or newer than the rest. All refused.

use crate::model::id::Lsn;
use crate::storage::error::StorageError;
use crate::storage::names::{MANIFEST, snapshot_name};
use crate::storage::salvage::advise;
use crate::storage::sim_disk::SimDisk;
use crate::storage::test_bench::{Dice, append, asked, dir, file, on_all_cores, open, recovered, snapshot};
use crate::storage::verify::verify_folder;

/// A folder with a live and a spare snapshot and log files after both, and copies of it made on the way.
struct Folder {
    disk: SimDisk,
    /// As it was when the spare snapshot was live.
    earlier: SimDisk,
    /// As it was after the live snapshot, a file of the log before the end.
    later: SimDisk,
    /// The live snapshot.
    base: u64,
    spare: u64,
    /// The log files that hold something after the live snapshot.
    logs: Vec<String>,
}

fn folder(dice: &mut Dice, entropy: usize) -> Folder {
    let disk = SimDisk::new();
    for _ in 0..entropy {
        crate::storage::disk::Disk::entropy(&disk);
    }
    let mut opened = open(&disk).unwrap();
    let mut write = |opened: &mut _, files: usize| {
        (0..files * 4).for_each(|_| append(opened, 4 + dice.roll(5) as u64).unwrap());
    };
    write(&mut opened, 1);
    snapshot(&opened.store).unwrap();
    let spare = opened.log.last().0;
    opened.log.roll().unwrap();
    write(&mut opened, 1);
    let earlier = disk.fork();
    opened.log.roll().unwrap();
    snapshot(&opened.store).unwrap();
    let base = opened.log.last().0;
    write(&mut opened, 1);
    opened.log.roll().unwrap();
    append(&mut opened, 1).unwrap();
    let later = disk.fork();
    append(&mut opened, 1).unwrap();
    write(&mut opened, 2);
    opened.log.seal().unwrap();
    drop(opened);
    let files = verify_folder(&disk, &dir()).unwrap().files.into_iter();
    let logs = files.filter(|file| file.name.starts_with("wal-") && file.last.is_some_and(|last| last.0 > base));
    let logs: Vec<String> = logs.map(|file| file.name).collect();
    assert!(logs.len() >= 4, "{logs:?}");
    Folder { disk, earlier, later, base, spare, logs }
}

impl Folder {
    fn put(&self, copy: &SimDisk, name: &str, from: &SimDisk, other: &str) {
        copy.set_contents(&file(name), from.contents(&file(other)));
    }

    /// Where the frames of a log file end.
    fn used(&self, name: &str) -> usize {
        self.disk.contents(&file(name)).unwrap().iter().rposition(|&byte| byte != 0).unwrap() + 1
    }
}

const SCENARIOS: [&str; 12] = [
    "a byte in the middle of the log is another one",
    "a sector in the middle of the log is lost",
    "a log file in the middle is missing",
    "the last log file is missing",
    "a log file is there twice",
    "two log files are swapped",
    "a log file is of another database",
    "the snapshot is of another database",
    "the older snapshot lies in place of the newer one",
    "the manifest is older than the log",
    "the log is older than the snapshot",
    "a log file in the middle is an older copy",
];

/// Makes a copy of the folder wrong in one of the ways.
fn mix(folder: &Folder, other: &Folder, scenario: usize, dice: &mut Dice) -> SimDisk {
    let Folder { disk, earlier, later, base, spare, logs } = folder;
    let copy = disk.fork();
    let middle = &logs[dice.roll(logs.len() - 1)];
    let newest = &logs[logs.len() - 1];
    match scenario {
        0 | 1 => {
            let mut bytes = disk.contents(&file(middle)).unwrap();
            let used = folder.used(middle);
            if scenario == 0 {
                bytes[dice.roll(used)] ^= 1 + dice.roll(255) as u8;
            } else {
                let sector = dice.roll(used.div_ceil(512)) * 512;
                let end = bytes.len().min(sector + 512);
                bytes[sector..end].fill(0);
            }
            copy.set_contents(&file(middle), Some(bytes));
        }
        2 => copy.set_contents(&file(middle), None),
        3 => copy.set_contents(&file(newest), None),
        4 => folder.put(&copy, newest, disk, middle),
        5 => {
            folder.put(&copy, newest, disk, middle);
            folder.put(&copy, middle, disk, newest);
        }
        6 => folder.put(&copy, middle, &other.disk, &other.logs[0]),
        7 => folder.put(&copy, &snapshot_name(Lsn(*base)), &other.disk, &snapshot_name(Lsn(other.base))),
        8 => folder.put(&copy, &snapshot_name(Lsn(*base)), disk, &snapshot_name(Lsn(*spare))),
        9 => folder.put(&copy, MANIFEST, earlier, MANIFEST),
        10 => {
            for name in logs {
                copy.set_contents(&file(name), None);
            }
            for name in earlier.names(&dir()).iter().filter(|name| name.starts_with("wal-")) {
                folder.put(&copy, name, earlier, name);
            }
        }
        _ => {
            let name = later.names(&dir()).into_iter().rfind(|name| name.starts_with("wal-")).unwrap();
            assert!(name != *newest);
            folder.put(&copy, &name, later, &name);
        }
    }
    copy
}

fn refusal(disk: &SimDisk) -> Result<(), StorageError> {
    let opened = open(disk)?;
    recovered(&opened).map(drop)
}

#[test]
fn folders_put_together_wrongly_are_refused_with_the_command_that_helps() {
    let (seed, count) = (asked("THRONG_SEED", 1), asked("THRONG_FOLDERS", 1_000));
    let [refused] = on_all_cores(count as usize, &|number| {
        let mut dice = Dice(seed * 1_000_003 + number as u64);
        let (one, two) = (folder(&mut dice, 0), folder(&mut dice, 7));
        assert!(refusal(&one.disk.fork()).is_ok(), "the folder itself is whole");
        let mut refused = 0;
        for (scenario, what) in SCENARIOS.iter().enumerate() {
            let copy = mix(&one, &two, scenario, &mut dice);
            let error = advise(&copy, &dir(), refusal(&copy).expect_err(what));
            let text = error.to_string();
            assert!(text.contains("throng verify"), "seed {seed}, folder {number}, {what}: {text}");
            assert!(text.contains("wal-") || text.contains("snap-"), "seed {seed}, folder {number}, {what}: {text}");
            refused += 1;
        }
        [refused]
    });
    println!("seed {seed}: {refused} folders refused, {count} for each of {} reasons", SCENARIOS.len());
    assert_eq!(refused, count * SCENARIOS.len() as u64);
}
