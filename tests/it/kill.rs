//! kill -9 of the real server, many times, in the middle of writes of eight clients, snapshots and imports.
//!
//! A ledger outside of it knows what each client had acknowledged before the cut, and the one call that was under way.
//! After each start what the server holds of a client is what the ledger says, with that call done whole or not at all:
//! nothing acknowledged is lost, nothing is invented, no batch is half there.
//!
//! `THRONG_KILL_CYCLES` and `THRONG_KILL_SEED` ask for a longer run; its last line says where the next one goes on.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    generate::Dice,
    ledger::{Client, IMPORT_FIRST, IMPORT_LINES, Imported, import_lines},
    long::asked,
    server::{Server, agent, call},
};

const CYCLES: u64 = 160;
const CLIENTS: u64 = 8;
const SEED: u64 = 20_260_501;

/// What happened in all cycles.
#[derive(Default)]
struct Tally {
    acknowledged: BTreeMap<&'static str, u64>,
    /// Calls under way at a cut, and how many of them had been done.
    cut: u64,
    cut_and_done: u64,
    /// Cycles that were cut while a snapshot was being made; while an import was.
    in_snapshot: u64,
    in_import: u64,
    half_imports: u64,
    snapshots: u64,
}

#[test]
fn nothing_acknowledged_is_lost_to_kill() {
    let (cycles, seed) = (asked("THRONG_KILL_CYCLES", CYCLES), asked("THRONG_KILL_SEED", SEED));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut tally = Tally::default();
    let mut clients: Vec<Client> = (0..CLIENTS).map(Client::new).collect();
    let mut imported = Imported::default();
    let mut server = Server::start(&data, &[]);
    for cycle in 0..cycles {
        let mut dice = Dice::new(seed + cycle);
        (clients, imported) = run(&mut server, &mut dice, clients, imported, &mut tally);
        server = check(&data, seed + cycle, &mut clients, &mut imported, &mut tally);
    }
    let Tally { acknowledged, cut, cut_and_done, in_snapshot, in_import, half_imports, snapshots } = tally;
    println!(
        "kill -9, seed {seed}: {cycles} cycles up to seed {}, acknowledged {acknowledged:?}, {snapshots} snapshots; under way \
         {cut}, of them done {cut_and_done}; cut in a snapshot {in_snapshot}, in an import {in_import}, of them \
         {half_imports} between its batches; 0 lost, 0 invented, 0 half there; next THRONG_KILL_SEED={}",
        seed + cycles,
        seed + cycles
    );
    assert!(in_snapshot * 2 >= cycles, "{in_snapshot} of {cycles} cycles were cut while a snapshot was made");
    assert!(in_import * 4 >= cycles, "{in_import} of {cycles} cycles were cut while an import was under way");
    let total: u64 = acknowledged.values().sum();
    assert!(total > 20 * cycles, "{total} writes were acknowledged");
    assert!(acknowledged.len() >= 10, "every kind of write was acknowledged: {acknowledged:?}");
    assert!(cut_and_done > 0 && cut_and_done < cut, "some calls under way were done, some were not");
}

/// Clients, snapshots and imports until a random moment; then the cut.
fn run(
    server: &mut Server,
    dice: &mut Dice,
    clients: Vec<Client>,
    mut imported: Imported,
    tally: &mut Tally,
) -> (Vec<Client>, Imported) {
    let cut = Arc::new(AtomicBool::new(false));
    let running: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let (url, cut, mut dice) = (server.url.clone(), Arc::clone(&cut), Dice::new(dice.seed()));
            thread::spawn(move || {
                let agent = agent();
                while !cut.load(Ordering::SeqCst) && client.write(&agent, &url, &mut dice, &cut) {}
                client
            })
        })
        .collect();
    let in_snapshot = Arc::new(AtomicBool::new(false));
    let snapshots = Arc::new(AtomicU64::new(0));
    let snapshotting = dice.chance(70).then(|| {
        let (url, cut) = (server.url.clone(), Arc::clone(&cut));
        let (busy, made) = (Arc::clone(&in_snapshot), Arc::clone(&snapshots));
        thread::spawn(move || {
            let agent = agent();
            while !cut.load(Ordering::SeqCst) {
                busy.store(true, Ordering::SeqCst);
                let done = call(&agent, &url, "POST", "/v1/snapshot", &[], Vec::new()).is_some();
                made.fetch_add(u64::from(done), Ordering::SeqCst);
                // Still busy when no answer came: the cut fell into it.
                busy.store(!done, Ordering::SeqCst);
            }
        })
    });
    let in_import = Arc::new(AtomicBool::new(false));
    let importing = dice.chance(50).then(|| {
        let (url, cut, busy) = (server.url.clone(), Arc::clone(&cut), Arc::clone(&in_import));
        thread::spawn(move || {
            let agent = agent();
            while !cut.load(Ordering::SeqCst) {
                imported.under_way = Some(imported.value + 1);
                busy.store(true, Ordering::SeqCst);
                let lines = import_lines(imported.value + 1).into_bytes();
                let headers = [("content-type", "application/x-ndjson")];
                let reply = call(&agent, &url, "POST", "/v1/contacts/import", &headers, lines);
                busy.store(reply.is_none(), Ordering::SeqCst);
                if reply.is_none_or(|reply| reply.status != 200) || cut.load(Ordering::SeqCst) {
                    break;
                }
                imported = Imported { value: imported.value + 1, under_way: None };
            }
            imported
        })
    });
    thread::sleep(Duration::from_millis(dice.between(5, 300) as u64));
    tally.in_snapshot += u64::from(in_snapshot.load(Ordering::SeqCst));
    tally.in_import += u64::from(in_import.load(Ordering::SeqCst));
    // What is acknowledged from here on does not count.
    cut.store(true, Ordering::SeqCst);
    server.kill();
    let clients = running.into_iter().map(|client| client.join().expect("a client ends")).collect();
    if let Some(snapshotting) = snapshotting {
        snapshotting.join().expect("the snapshots end");
    }
    tally.snapshots += snapshots.load(Ordering::SeqCst);
    let imported = importing.map_or(imported, |importing| importing.join().expect("the import ends"));
    (clients, imported)
}

/// Starts again and compares all that is there with the ledger.
fn check(data: &Path, seed: u64, clients: &mut [Client], imported: &mut Imported, tally: &mut Tally) -> Server {
    let server = Server::start(data, &[]);
    let ask = json!({"rule": "name is set", "return": "contacts", "limit": 100_000});
    let answer = server.ok("POST", "/v1/query", ask);
    let contacts = answer["contacts"].as_array().unwrap();
    assert_eq!(answer["count"], contacts.len(), "all were listed");
    let owners: Vec<String> = clients.iter().map(Client::name).collect();
    let stranger = contacts.iter().find(|contact| !owners.iter().any(|owner| contact["name"] == owner.as_str()));
    assert!(stranger.is_none(), "seed {seed}: nobody wrote {stranger:?}");
    let segments = server.ok("GET", "/v1/segments?limit=10000", Value::Null);
    for client in clients.iter_mut() {
        let (under_way, was_done) = client.judge(&server, seed, contacts, &segments);
        tally.cut += u64::from(under_way);
        tally.cut_and_done += u64::from(was_done);
        for (kind, count) in std::mem::take(&mut client.acknowledged) {
            *tally.acknowledged.entry(kind).or_default() += count;
        }
    }
    let known: usize = clients.iter().map(Client::segments).sum();
    assert_eq!(segments["count"], known, "seed {seed}: every segment is someone's");
    check_import(&server, seed, imported, tally);
    server
}

/// Of the import that was under way there are its first batches, whole; the rest is of the one before.
fn check_import(server: &Server, seed: u64, imported: &mut Imported, tally: &mut Tally) {
    let Imported { value, under_way } = *imported;
    let count = |value: u64| if value == 0 { 0 } else { server.count(&format!("Lead Score = {value} and no name")) };
    let all = server.count("no name");
    let new = under_way.map_or(0, count);
    assert!(new == 0 || new == IMPORT_FIRST || new == IMPORT_LINES, "seed {seed}: {new} of a batch");
    let there = if value > 0 || new == IMPORT_LINES { IMPORT_LINES } else { new };
    assert_eq!(all, there, "seed {seed}: contacts of imports {value}, {under_way:?}");
    assert_eq!(count(value), if value == 0 { 0 } else { IMPORT_LINES - new }, "seed {seed}: import {value}");
    if new > 0 && new < IMPORT_LINES {
        tally.half_imports += 1;
        let rule = format!("Lead Score = {} and no name", value + 1);
        let ask = json!({"rule": rule, "return": "keys", "limit": 100_000});
        let keys = server.ok("POST", "/v1/query", ask)["keys"].clone();
        for (place, key) in keys.as_array().unwrap().iter().enumerate() {
            assert_eq!(*key, format!("i{place:06}"), "seed {seed}: the import is no prefix");
        }
    }
    // What was cut short is sent again from its beginning under the next number.
    *imported = Imported { value: if new == IMPORT_LINES { value + 1 } else { value }, under_way: None };
    if new > 0 && new < IMPORT_LINES {
        let lines = import_lines(value + 1);
        let answer = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json();
        assert_eq!(answer["accepted"], IMPORT_LINES);
        imported.value = value + 1;
    }
}
