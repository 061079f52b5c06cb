//! Snapshots beside writes: what they cost the writer, and what becomes of those that come to nothing. And a log that
//! waits for the disk.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    db::{
        alarm::AlarmKind,
        checkpoint::{self, Manner},
        database::Database,
        error::Error,
        options::{Options, Upkeep},
        queue::{Job, Work},
        sync::sync_channel,
    },
    model::{
        name::{ContactKey, Name},
        request::{ContactWrite, Input, Request, WriteMode},
        time::Timestamp,
    },
    storage::{
        names::{FileName, SPARE, parse_name},
        sim_disk::SimDisk,
        sim_ops::Told,
    },
};

fn options() -> Options {
    let start = Timestamp(1_777_593_600_000);
    let (seal_after, day) = (Duration::from_secs(3_600), Duration::from_secs(86_400));
    let upkeep = Upkeep { scrub_every: Duration::ZERO, snapshot_age: day, ..Upkeep::default() };
    Options { log_file_bytes: 64 << 10, seal_after, upkeep, ..Options::folder("/data").at(start) }
}

fn open(disk: &SimDisk) -> Database {
    Database::open_on(Arc::new(disk.clone()), options()).unwrap()
}

fn contact(n: u64) -> Request {
    let values = vec![(Name::new("company").unwrap(), Input::Text(format!("company {n}").into()))];
    let key = ContactKey::new(&format!("contact-{n}")).unwrap();
    Request::Contact(ContactWrite { key, mode: WriteMode::Merge, values })
}

fn name(told: &Told) -> String {
    told.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn a_snapshot_holds_up_the_writer_by_the_head_of_a_log_file_at_most_and_by_no_file_call_without_need() {
    let erase = |db: &Database| drop(db.write(Request::Erase(ContactKey::new("contact-0").unwrap())).unwrap());
    let cases: [(Manner, &dyn Fn(&Database), usize); 4] = [
        (Manner::ByItself, &|_| {}, 0),
        (Manner::OnDemand, &|_| {}, 0),
        (Manner::Afresh, &|_| {}, 1),
        (Manner::ByItself, &erase, 1),
    ];
    for (manner, before, files) in cases {
        let disk = SimDisk::new();
        let db = open(&disk);
        (0..3).for_each(|n| drop(db.write(contact(n)).unwrap()));
        before(&db);
        disk.listen();
        checkpoint::take(&db.handle.shared, manner).unwrap();
        let told = disk.listen();
        let by_writer: Vec<&Told> = told.iter().filter(|told| told.thread == "throng-writer").collect();
        let count = |what| by_writer.iter().filter(|told| told.what == what).count();
        // The next file is full of zeros by then: its head is written and synced, it gets its name, and that is synced.
        let counts = ["create", "write", "sync", "rename", "sync folder"].map(count);
        assert_eq!(counts, [0, files, files, files, files], "{manner:?}: {by_writer:?}");
        let made = told.iter().filter(|told| told.what == "create" && name(told) == SPARE);
        assert_eq!(made.count(), files, "{manner:?}: somebody else made it");
    }
}

#[test]
fn a_snapshot_is_taken_also_where_its_log_file_was_used_up_meanwhile() {
    let disk = SimDisk::new();
    let db = open(&disk);
    db.write(contact(0)).unwrap();
    // Asked of the writer as it is asked when there was no need to make the file yet.
    let (into, captured) = sync_channel(1);
    let (sender, receiver) = sync_channel(1);
    let work = Work::Capture { roll: true, makes: false, into };
    db.handle.shared.push_patiently(Job { work, done: Box::new(move |result| drop(sender.send(result))) });
    receiver.recv().unwrap().unwrap();
    assert!(captured.try_recv().is_err(), "the writer does not make it");
    let taken = checkpoint::take(&db.handle.shared, Manner::Afresh).unwrap();
    assert_eq!(taken.lsn, db.view().lsn());
}

#[test]
fn a_write_that_finds_no_room_is_nothing_to_the_snapshot_beside_it() {
    let disk = SimDisk::new();
    let db = open(&disk);
    db.write(contact(0)).unwrap();
    let shared = &db.handle.shared;
    let (into, captured) = sync_channel(1);
    let (sender, receiver) = sync_channel(2);
    let done = || {
        let sender = sender.clone();
        Box::new(move |result| drop(sender.send(result)))
    };
    // The writer is at work, so that both wait and share a group.
    disk.set_hanging(true);
    let first = db.submit_patiently(contact(1));
    while shared.queue.len() > 0 {
        std::thread::yield_now();
    }
    shared.push_patiently(Job { work: Work::Capture { roll: false, makes: false, into }, done: done() });
    let large: Vec<Request> = (0..6_000).map(contact).collect();
    shared.push_patiently(Job { work: Work::Write(large.into()), done: done() });
    // Room for a log file and a little, which is enough for the ladder and not for this write.
    disk.set_size(Some(disk.used() + (84 << 10)));
    disk.set_hanging(false);
    first.wait().unwrap();
    assert!(receiver.recv().unwrap().is_ok(), "of the snapshot");
    let refused = receiver.recv().unwrap();
    assert!(matches!(refused, Err(Error::NoRoom(_))), "{refused:?}");
    assert!(captured.try_recv().is_ok());
}

#[test]
fn a_snapshot_that_comes_to_nothing_leaves_as_much_to_save_as_there_was() {
    let disk = SimDisk::new();
    let db = open(&disk);
    (0..3).for_each(|n| drop(db.write(contact(n)).unwrap()));
    db.snapshot().unwrap();
    (0..3).for_each(|n| drop(db.write(contact(n + 3)).unwrap()));
    let shared = &db.handle.shared;
    let waits = |db: &Database| {
        let shared = &db.handle.shared;
        (shared.logged.get(), shared.unsaved.due(Duration::ZERO))
    };
    let before = waits(&db);
    assert!(before.0 > 0 && before.1.is_some());
    disk.set_size(Some(disk.used() + 100));
    assert!(matches!(checkpoint::take(shared, Manner::ByItself), Err(Error::NoRoom(_))));
    assert_eq!(waits(&db), before);
    disk.set_size(None);
    checkpoint::take(shared, Manner::ByItself).unwrap();
    assert_eq!(waits(&db), (0, None));
}

#[test]
fn a_log_that_waits_for_the_disk_is_told_while_it_does() {
    let disk = SimDisk::new();
    let upkeep =
        Upkeep { slow_sync: Duration::from_millis(1), stalled_sync: Duration::from_millis(2), ..options().upkeep };
    let db = Database::open_on(Arc::new(disk.clone()), Options { upkeep, ..options() }).unwrap();
    let has_alarm = || db.status().alarms.iter().any(|alarm| alarm.kind == AlarmKind::LogStalled);
    assert!(db.stalled().is_none() && !has_alarm());
    let slow = db.meters().slow_syncs.get();
    disk.set_hanging(true);
    let write = db.submit_patiently(contact(0));
    let told = loop {
        if let Some(error) = db.stalled() {
            break error;
        }
        std::thread::yield_now();
    };
    assert!(matches!(&told, Error::LogStalled(_)) && has_alarm(), "{told}");
    assert_eq!(db.meters().slow_syncs.get(), slow + 1, "counted once, while it lasts");
    assert!(db.failure().is_none());
    disk.set_hanging(false);
    write.wait().unwrap();
    while db.stalled().is_some() {
        std::thread::yield_now();
    }
    assert!(!has_alarm());
}

#[test]
fn what_a_start_cannot_remove_is_not_forgotten() {
    let disk = SimDisk::new();
    let db = open(&disk);
    (0..3).for_each(|n| drop(db.write(contact(n)).unwrap()));
    db.snapshot().unwrap();
    db.write(Request::Erase(ContactKey::new("contact-1").unwrap())).unwrap();
    disk.set_removable(false);
    db.snapshot().unwrap();
    assert!(db.status().erasing, "the files of before are still there");
    db.close().unwrap();
    drop(db);
    let traces = |disk: &SimDisk| {
        let names = disk.names(Path::new("/data")).into_iter();
        let holds = |name: &String| {
            let bytes = disk.contents(&Path::new("/data").join(name)).unwrap();
            matches!(parse_name(name), FileName::Log(_) | FileName::Snapshot(_))
                && bytes.windows(9).any(|window| window == b"company 1")
        };
        names.filter(holds).count()
    };
    assert!(traces(&disk) > 0);
    let db = open(&disk);
    let status = db.status();
    assert!(status.erasing, "a start that cannot remove them either knows of it");
    assert!(status.alarms.iter().any(|alarm| alarm.kind == AlarmKind::ErasureLate), "{:?}", status.alarms);
    disk.set_removable(true);
    // Who asks has it ended, or the keeper does just then and is about to take the alarm back.
    while db.status().erasing || !db.status().alarms.is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(traces(&disk), 0);
}
