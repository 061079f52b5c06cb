//! Erasure on a disk that dies at every call of it: whatever is left, the next start knows, and the snapshot that it
//! forces leaves no trace.

use std::{io::ErrorKind, path::Path, sync::Arc, time::Duration};

use crate::{
    db::{
        database::Database,
        options::{Options, Upkeep},
    },
    model::{
        name::{ContactKey, Name},
        request::{ContactWrite, Input, Request, WriteMode},
        time::Timestamp,
    },
    storage::{
        disk::Disk,
        sim_disk::SimDisk,
        sim_ops::{Fault, FaultKind},
    },
};

const CANARIES: [&[u8]; 2] = [b"canary-4711", b"Secret & Sons"];

fn options(erased_within: Duration) -> Options {
    let seal_after = Duration::from_secs(3_600);
    let upkeep = Upkeep { erased_within, scrub_every: Duration::ZERO, ..Upkeep::default() };
    let start = Timestamp(1_777_593_600_000);
    Options { log_file_bytes: 2 << 10, seal_after, upkeep, ..Options::folder("/data").at(start) }
}

fn open(disk: &SimDisk) -> Database {
    Database::open_on(Arc::new(disk.clone()), options(Duration::from_secs(3_600))).unwrap()
}

fn contact(key: &str, company: &str) -> Request {
    let values = vec![(Name::new("company").unwrap(), Input::Text(company.into()))];
    Request::Contact(ContactWrite { key: ContactKey::new(key).unwrap(), mode: WriteMode::Merge, values })
}

fn erase() -> Request {
    Request::Erase(ContactKey::new("canary-4711").unwrap())
}

/// The files in which a trace is found, as a reader sees them.
fn traces(disk: &SimDisk) -> Vec<String> {
    let dir = Path::new("/data");
    let holds = |name: &String| {
        let bytes = disk.contents(&dir.join(name)).unwrap();
        CANARIES.iter().any(|canary| bytes.windows(canary.len()).any(|window| window == *canary))
    };
    disk.names(dir).into_iter().filter(holds).collect()
}

/// Traces in the log, in both snapshots and in a tail that was cut off.
fn sown() -> (SimDisk, Database) {
    let disk = SimDisk::new();
    let db = open(&disk);
    db.write(vec![contact("canary-4711", "Secret & Sons"), contact("other", "Open Ltd")]).unwrap();
    db.snapshot().unwrap();
    for n in 0..20 {
        db.write(contact(&format!("more-{n}"), "Open Ltd")).unwrap();
    }
    db.write(contact("canary-4711", "Secret & Sons, of late")).unwrap();
    db.snapshot().unwrap();
    db.write(contact("canary-4711", "Secret & Sons")).unwrap();
    // Named after a file of the log that is still there.
    let log = disk.names(Path::new("/data")).into_iter().rfind(|name| name.starts_with("wal-")).unwrap();
    disk.set_contents(&Path::new("/data").join(format!("{log}-64.torn")), Some(CANARIES[0].to_vec()));
    assert!(traces(&disk).len() >= 4, "{:?}", traces(&disk));
    (disk, db)
}

/// What a start after a stop finds and does.
fn settle(disk: &SimDisk, acknowledged: bool, what: &str) {
    let db = open(disk);
    db.view().check().unwrap();
    if db.view().has_contact("canary-4711") {
        assert!(!acknowledged, "{what}: the erasure was acknowledged");
        db.write(erase()).unwrap();
        assert!(db.status().erasing);
    }
    if db.status().erasing {
        db.snapshot().unwrap();
    }
    assert!(!db.status().erasing, "{what}");
    assert_eq!(traces(disk), Vec::<String>::new(), "{what}");
    assert_eq!(db.view().everyone().count(), 21, "{what}");
    drop(db);
    let durable = disk.fork();
    durable.power_cut(&mut |_| 0);
    assert_eq!(traces(&durable), Vec::<String>::new(), "{what}, of what is durable");
    assert_eq!(open(&durable).view().everyone().count(), 21, "{what}");
}

#[test]
fn a_stop_at_any_call_of_an_erasure_leaves_no_trace_that_is_not_remembered() {
    let mut stops = 0;
    for at in 0.. {
        let (disk, db) = sown();
        let start = disk.calls();
        disk.plan(Some(Fault { at: start + at, sticky: true, kind: FaultKind::Error(ErrorKind::Other) }));
        let acknowledged = db.write(erase()).is_ok();
        let done = db.snapshot().is_ok();
        let over = disk.calls() <= start + at;
        drop(db);
        for seed in 0..4u64 {
            let fork = disk.fork();
            let mut dice = seed * 7_919 + at;
            match seed {
                0 => fork.restart(),
                1 => fork.power_cut(&mut |_| 0),
                _ => fork.power_cut(&mut |n| {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (dice >> 33) as usize % n
                }),
            }
            settle(&fork, acknowledged, &format!("stop at call {at}, seed {seed}"));
            stops += 1;
        }
        if over {
            assert!(acknowledged && done);
            break;
        }
    }
    assert!(stops > 150, "{stops} stops");
}

#[test]
fn a_start_ends_an_erasure_by_itself() {
    let (disk, db) = sown();
    db.write(erase()).unwrap();
    drop(db);
    disk.restart();
    let db = Database::open_on(Arc::new(disk.clone()), options(Duration::ZERO)).unwrap();
    while db.status().erasing {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(traces(&disk), Vec::<String>::new());
    db.write(contact("canary-4711", "Secret & Sons")).unwrap();
    db.write(erase()).unwrap();
    while db.status().erasing {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(traces(&disk), Vec::<String>::new(), "and one of a database that is open");
}

#[test]
fn files_that_are_being_copied_out_go_when_that_is_done() {
    let (disk, db) = sown();
    let store = db.handle.shared.store().unwrap();
    {
        let _copying = store.shared.copying.read().unwrap();
        db.write(erase()).unwrap();
        db.snapshot().unwrap();
        assert!(!traces(&disk).is_empty() && db.status().erasing);
    }
    disk.create_dir(Path::new("/copy")).unwrap();
    store.export(Path::new("/copy")).unwrap();
    assert!(traces(&disk).is_empty() && !db.status().erasing);
}
