//! kill -9 of the real server, many times, in the middle of writes: nothing acknowledged is lost, nothing is half there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use serde_json::json;

use crate::support::server::{Server, agent, call};

const CYCLES: u64 = 24;
const CLIENTS: u64 = 4;
const SEED: u64 = 20_260_501;

/// What one client had acknowledged before the cut: keys it wrote, and of pairs it wrote in one batch.
fn client(url: String, cycle: u64, number: u64, stop: Arc<AtomicBool>) -> Vec<String> {
    let agent = agent();
    let mut acknowledged = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("c{cycle}-{number}-{n}");
        // Two events of one call are one batch: after a crash there are both or neither.
        let body = json!([
            {"id": format!("{key}-a"), "contact": key, "event": "purchase", "properties": {"amount": 1}},
            {"id": format!("{key}-b"), "contact": key, "event": "purchase", "properties": {"amount": 1}},
        ]);
        let headers = [("content-type", "application/json")];
        match call(&agent, &url, "POST", "/v1/events", &headers, body.to_string().into_bytes()) {
            Some(reply) if reply.status == 200 => acknowledged.push(key),
            _ => break,
        }
    }
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_to_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut rng = Pcg32::seed_from_u64(SEED);
    let mut acknowledged: Vec<String> = Vec::new();
    let mut imported = 0;
    for cycle in 0..CYCLES {
        let mut server = Server::start(&data, &[]);
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (url, stop) = (server.url.clone(), Arc::clone(&stop));
                thread::spawn(move || client(url, cycle, number, stop))
            })
            .collect();
        let url = server.url.clone();
        let lines: String =
            (0..60_000).map(|n| format!("{{\"key\":\"i{cycle}-{n:06}\",\"lead_score\":1}}\n")).collect();
        let import = thread::spawn(move || {
            let headers = [("content-type", "application/x-ndjson")];
            call(&agent(), &url, "POST", "/v1/contacts/import", &headers, lines.into_bytes()).is_some()
        });
        if cycle % 3 == 1 {
            let url = server.url.clone();
            thread::spawn(move || call(&agent(), &url, "POST", "/v1/snapshot", &[], Vec::new()));
        }
        thread::sleep(Duration::from_millis(rng.random_range(5..250)));
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            acknowledged.extend(client.join().unwrap());
        }
        imported += u64::from(import.join().unwrap());
        check(&data, cycle, &acknowledged);
    }
    assert!(!acknowledged.is_empty(), "the clients got through");
    println!("{CYCLES} kills, {} batches acknowledged, {imported} imports ran to their end", acknowledged.len());
}

/// Every acknowledged batch is whole, no batch is half there, and what was imported is a prefix of the file.
fn check(data: &std::path::Path, cycle: u64, acknowledged: &[String]) {
    let mut server = Server::start(data, &[]);
    assert_eq!(server.count("did purchase exactly 1 times"), 0, "cycle {cycle}: a batch is half there");
    let listed = json!({"rule": "did purchase exactly 2 times", "return": "keys", "limit": 100_000});
    let answer = server.ok("POST", "/v1/query", listed);
    let found: std::collections::HashSet<&str> =
        answer["keys"].as_array().unwrap().iter().filter_map(|key| key.as_str()).collect();
    assert_eq!(answer["count"].as_u64().unwrap() as usize, found.len(), "all were listed");
    for key in acknowledged {
        assert!(found.contains(key.as_str()), "cycle {cycle}: {key} was acknowledged and is gone");
    }
    let listed = json!({"rule": "Lead Score = 1", "return": "keys", "limit": 100_000});
    let mut next = server.ok("POST", "/v1/query", listed.clone());
    let mut of_this_cycle = 0;
    loop {
        for key in next["keys"].as_array().unwrap().iter().filter_map(|key| key.as_str()) {
            if let Some(number) = key.strip_prefix(&format!("i{cycle}-")) {
                assert_eq!(number.parse(), Ok(of_this_cycle), "cycle {cycle}: the import is no prefix");
                of_this_cycle += 1;
            }
        }
        if next["next"].is_null() {
            break;
        }
        let mut body = listed.clone();
        body["after"] = next["next"].clone();
        next = server.ok("POST", "/v1/query", body);
    }
    server.kill();
}
