//! Tests of the whole database: in memory, in a folder, closed, dropped and opened again.

use std::{ops::ControlFlow, sync::mpsc};

use crate::{
    db::{
        checkpoint::{self, Manner},
        database::{Database, Once, Write},
        error::{Error, Who},
        options::{ClockChoice, Options},
        record::Place,
    },
    engine::{admit::admit, command::Stamp, state::State},
    model::{
        calendar::Zone,
        id::Lsn,
        name::{ContactKey, Name},
        number::Number,
        request::{
            Applied, ContactWrite, EventWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode,
        },
        time::Timestamp,
        value::Value,
    },
    rule::ast::Rule,
};

const START: Timestamp = Timestamp(1_777_593_600_000); // 2026-05-01T00:00:00Z

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn contact(key: &str, score: i64) -> Request {
    let values = vec![(name("lead_score"), Input::Number(Number::from_int(score)))];
    Request::Contact(ContactWrite { key: ContactKey::new(key).unwrap(), mode: WriteMode::Merge, values })
}

fn purchase(key: &str, at: Timestamp, amount: i64) -> Request {
    Request::Event(EventWrite {
        id: None,
        contact: ContactKey::new(key).unwrap(),
        event: name("purchase"),
        at: Some(at),
        properties: vec![(name("amount"), Input::Number(Number::from_int(amount)))],
    })
}

fn in_memory() -> Database {
    Database::open(Options::default().at(START)).unwrap()
}

fn value(db: &Database, key: &str, property: &str) -> Option<Value> {
    let record = db.view().contact(key)?;
    record.values.into_iter().find(|(name, _)| name.as_str() == property).map(|(_, value)| value)
}

#[test]
fn a_write_is_visible_when_it_is_answered() {
    let db = in_memory();
    assert_eq!((db.view().lsn(), db.view().now()), (Lsn(1), START));
    let before = db.view();
    let written = db.write(vec![contact("a", 1), contact("b", 2)]).unwrap();
    assert_eq!((written.lsn, written.results.len(), written.replayed), (Lsn(2), 2, false));
    assert_eq!(value(&db, "b", "lead_score"), Some(Value::Number(Number::from_int(2))));
    assert!(before.contact("a").is_none(), "a view stays as it was");
    let bad = Request::Erase(ContactKey::new("nobody").unwrap());
    let written = db.write(bad).unwrap();
    assert!(written.results[0].is_err());
    assert_eq!(written.lsn, Lsn(2), "nothing admitted, nothing logged");
    db.view().check().unwrap();
}

#[test]
fn answers_page_sample_and_stream() {
    let db = in_memory();
    db.write((0..10).map(|n| contact(&format!("u{n}"), n)).collect::<Vec<_>>()).unwrap();
    let everyone = db.view().everyone();
    assert_eq!(everyone.count(), 10);
    let first = everyone.keys(None, 4);
    assert_eq!(first.items.iter().map(|key| &**key).collect::<Vec<_>>(), ["u0", "u1", "u2", "u3"]);
    let second = everyone.contacts(first.next, 100, Some(&[name("lead_score")]));
    assert_eq!((second.items.len(), second.next), (6, None));
    assert_eq!(second.items[0].values, [(name("lead_score"), Value::Number(Number::from_int(4)))]);
    assert_eq!(everyone.keys(Some(Place(9)), 4).items.len(), 0);
    assert_eq!(everyone.keys(None, 10).next, None, "exactly full is the end");
    assert_eq!(everyone.sample(3, 5).len(), 3);
    assert_eq!(everyone.sample(3, 5), everyone.sample(3, 5));
    let mut seen = 0;
    everyone.for_each_key(|_| {
        seen += 1;
        if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(seen, 5);
    assert!(everyone.contains("u3") && !everyone.contains("u33"));
    assert_eq!(db.view().count(&Rule::All, None).unwrap(), 10);
    let past = db.view().count(&Rule::All, Some(Timestamp(0)));
    assert!(matches!(past, Err(Error::AsOfPast { .. })));
}

#[test]
fn a_manual_clock_moves_ahead_only() {
    let db = in_memory();
    let later = Timestamp(START.0 + 5_000);
    db.write(purchase("a", later, 3)).unwrap();
    assert_eq!(value(&db, "a", "purchase_total"), None);
    db.move_clock(later).unwrap();
    assert_eq!(db.view().now(), later);
    assert_eq!(value(&db, "a", "purchase_total"), Some(Value::Money(300)));
    assert_eq!(db.move_clock(later).unwrap().results, [Ok(Applied::Unchanged)]);
    let back = db.move_clock(START).unwrap_err();
    assert!(matches!(back, Error::ClockBack { .. }) && back.who() == Who::Caller);
    let system = Database::open(Options::default()).unwrap();
    assert!(matches!(system.move_clock(later), Err(Error::ClockNotManual)));
}

#[test]
fn the_system_clock_ticks_when_an_event_comes_due() {
    let db = Database::open(Options::default()).unwrap();
    let soon = db.view().now().plus_ms(60);
    db.write(purchase("a", soon, 4)).unwrap();
    let tries = (0..200).find(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        value(&db, "a", "purchase_total").is_some()
    });
    assert_eq!(value(&db, "a", "purchase_total"), Some(Value::Money(400)), "after {tries:?} tries");
}

#[test]
fn a_retried_write_is_answered_as_before() {
    let db = in_memory();
    let write = |digest| Write {
        requests: vec![purchase("a", START, 1)],
        once: Some(Once { key: "k".into(), digest }),
        ..Write::default()
    };
    let first = db.write(write(1)).unwrap();
    db.write(contact("b", 1)).unwrap();
    let again = db.write(write(1)).unwrap();
    assert_eq!((again.lsn, &again.results, again.replayed), (first.lsn, &first.results, true));
    assert!(matches!(db.write(write(2)), Err(Error::KeyReused(_))));
    assert_eq!(value(&db, "a", "purchase_total"), Some(Value::Money(100)));
}

#[test]
fn many_writers_share_the_writer() {
    let db = in_memory();
    let (sender, receiver) = mpsc::channel();
    for n in 0..500 {
        let sender = sender.clone();
        db.submit(contact(&format!("s{n}"), n), Box::new(move |result| sender.send(result).unwrap()));
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let db = &db;
            scope.spawn(move || {
                for n in 0..50 {
                    let key = format!("t{thread}-{n}");
                    let written = db.write(contact(&key, n)).unwrap();
                    let view = db.view();
                    assert!(view.lsn() >= written.lsn && view.has_contact(&key));
                }
            });
        }
    });
    drop(sender);
    assert_eq!(receiver.iter().filter(|result| result.is_ok()).count(), 500);
    assert_eq!(db.view().everyone().count(), 700);
}

#[test]
fn a_closed_database_still_reads() {
    let db = in_memory();
    db.write(contact("a", 1)).unwrap();
    db.close().unwrap();
    db.close().unwrap();
    assert!(matches!(db.write(contact("b", 1)), Err(Error::Closed)));
    assert!(db.view().has_contact("a"));
    assert!(matches!(db.snapshot(), Err(Error::InMemory)));
}

fn folder(dir: &tempfile::TempDir) -> Options {
    Options::folder(dir.path().join("data")).at(START)
}

#[test]
fn a_folder_holds_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let db = Database::open(Options { zone: Some(berlin.clone()), ..folder(&dir) }).unwrap();
    for n in 0..20 {
        db.write(contact(&format!("u{n}"), n)).unwrap();
    }
    db.snapshot().unwrap();
    db.write(vec![purchase("u3", START, 7), contact("late", 1)]).unwrap();
    db.move_clock(Timestamp(START.0 + 60_000)).unwrap();
    let (lsn, now) = (db.view().lsn(), db.view().now());
    drop(db);
    let early = Database::open(folder(&dir));
    assert!(matches!(early, Err(Error::ClockBehind { last, .. }) if last == now));
    let other = Database::open(Options { zone: Some(Zone::utc()), ..folder(&dir) }.at(now));
    assert!(matches!(other, Err(Error::ZoneFixed { .. })));
    for (more, mmap) in [true, false].into_iter().enumerate() {
        let db = Database::open(Options { mmap, ..folder(&dir) }.at(now)).unwrap();
        assert_eq!((db.view().lsn(), db.view().now()), (Lsn(lsn.0 + more as u64), now));
        assert_eq!(value(&db, "u3", "purchase_total"), Some(Value::Money(700)));
        assert_eq!(db.view().everyone().count(), 21);
        assert_eq!(*db.view().schema().zone(), berlin);
        db.view().check().unwrap();
        db.write(contact("u1", 99)).unwrap();
        db.close().unwrap();
    }
}

#[test]
fn a_later_clock_catches_up_before_it_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(folder(&dir)).unwrap();
    let due = Timestamp(START.0 + 1_000);
    db.write(purchase("a", due, 2)).unwrap();
    drop(db);
    let db = Database::open(Options { clock: ClockChoice::Manual(Timestamp(due.0 + 1)), ..folder(&dir) }).unwrap();
    assert_eq!(value(&db, "a", "purchase_total"), Some(Value::Money(200)));
    assert_eq!(db.view().now(), Timestamp(due.0 + 1));
}

#[test]
fn snapshots_are_taken_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { snapshot_log_bytes: 2_000, ..folder(&dir) };
    let db = Database::open(options).unwrap();
    for n in 0..200 {
        db.write(contact(&format!("contact-{n}"), n)).unwrap();
    }
    let tries = (0..300).find(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        db.status().snapshot_lsn > Lsn(1)
    });
    assert!(tries.is_some(), "{:?}", db.status());
    drop(db);
    let db = Database::open(folder(&dir)).unwrap();
    assert_eq!(db.view().everyone().count(), 200);
}

#[test]
fn an_erased_contact_leaves_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(folder(&dir)).unwrap();
    db.snapshot().unwrap();
    db.write(contact("canary-4711", 1)).unwrap();
    db.write(Request::Erase(ContactKey::new("canary-4711").unwrap())).unwrap();
    let traces = || {
        let files = std::fs::read_dir(dir.path().join("data")).unwrap();
        let traces = |bytes: Vec<u8>| bytes.windows(11).any(|window| window == b"canary-4711");
        files.filter(|file| traces(std::fs::read(file.as_ref().unwrap().path()).unwrap())).count()
    };
    let to_do = |db: &Database| db.handle.shared.erased.load(std::sync::atomic::Ordering::Relaxed) > 0;
    assert!(traces() > 0 && to_do(&db) && db.status().erasing);
    checkpoint::take(&db.handle.shared, Manner::ByItself).unwrap();
    assert!(traces() == 0 && !to_do(&db) && !db.status().erasing, "whoever asks for the snapshot");
    db.write(contact("canary-4711", 1)).unwrap();
    db.write(Request::Erase(ContactKey::new("canary-4711").unwrap())).unwrap();
    drop(db);
    let db = Database::open(folder(&dir)).unwrap();
    assert!(traces() > 0 && db.status().erasing, "a start knows what is still to do");
    db.snapshot().unwrap();
    assert!(traces() == 0 && !db.status().erasing);
}

#[test]
fn a_writer_that_stops_by_a_fault_leaves_a_closed_database() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(folder(&dir)).unwrap();
    db.write(contact("a", 1)).unwrap();
    let (sender, told) = mpsc::channel();
    db.on_fault(Box::new(move |why| sender.send(why.to_owned()).unwrap()));
    // A callback is called by the writer's thread, so its fault is the writer's.
    db.submit(contact("b", 1), Box::new(|_| panic!("a fault of the program, made by a test")));
    assert!(told.recv().unwrap().contains("stopped by a fault"));
    loop {
        match db.write(contact("c", 1)) {
            Err(Error::ReadOnly(why)) if why.contains("stopped by a fault") => break,
            Err(Error::OutcomeUnknown(_) | Error::Closed) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(db.snapshot().is_err());
    assert!(db.view().has_contact("a") && !db.view().has_contact("c"), "what is published is whole");
    db.view().check().unwrap();
    assert!(db.close().is_err());
    drop(db);
    let db = Database::open(folder(&dir)).unwrap();
    assert!(db.view().has_contact("a") && db.view().has_contact("b"), "the log has what was acknowledged");
}

#[test]
fn an_idle_log_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(folder(&dir)).unwrap();
    db.write(contact("a", 1)).unwrap();
    let frames = || {
        let report = crate::db::verify::verify(&dir.path().join("data")).unwrap();
        let told = report.files.into_iter().find(|(name, _)| name.starts_with("wal-")).unwrap().1;
        told.split(", ").find_map(|part| part.strip_suffix(" frames")?.parse::<u32>().ok()).unwrap()
    };
    let tries = (0..300).find(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        frames() > 2
    });
    assert!(tries.is_some(), "two writes, and a seal after them");
}

#[test]
fn what_many_new_segments_leave_for_later_is_done_while_nothing_is_written() {
    // Rows of look-ups are written anew by chunks, one a write: these are three chunks, and just so many segments that
    // they all need it.
    let keys = (0..2 * 65_536 + 10).map(|n| ContactKey::new(&format!("c{n}")).unwrap());
    let contact = |key| Request::Contact(ContactWrite { key, mode: WriteMode::Merge, values: vec![] });
    let contacts: Vec<Request> = keys.map(contact).collect();
    let create = |n: usize| {
        let source = SegmentSource::Rule(RuleSource::Text("everyone".into()));
        Request::CreateSegment(SegmentCreate { name: format!("segment {n}").into(), description: None, source })
    };
    let segments: Vec<Request> = (0..17).map(create).collect();
    let mut state = State::empty();
    for (lsn, requests) in [&[Request::Found(Zone::utc())][..], &contacts, &segments].into_iter().enumerate() {
        let stamp = Stamp { lsn: Lsn(lsn as u64 + 1), at: START };
        assert!(admit(&mut state, stamp, requests, None).results.iter().all(Result::is_ok));
    }
    assert!(state.live.has_slack(), "the writes alone leave some");
    let db = in_memory();
    db.write(contacts).unwrap();
    let lsn = db.write(segments).unwrap().lsn;
    // Some of these views are of before, with the same LSN and at the same instant.
    let tidied = (0..30_000).find(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        !db.view().state().live.has_slack()
    });
    assert!(tidied.is_some(), "what is left is done");
    assert_eq!(db.view().lsn(), lsn, "it is no change");
    assert_eq!(db.view().segments_of("c131075").map(|names| names.len()), Some(17));
    db.view().check().unwrap();
}
