//! A hostile receiver, and kill -9 of the server in between: every change of a membership arrives at every webhook that
//! asked for it, at least once, in order, under an id that stays the same. A ledger outside of the server is the judge.

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    generate::Dice,
    receiver::{Act, Arrival, Receiver},
    server::{Server, agent, call},
};

const CYCLES: u64 = 12;
const WRITES: usize = 100;
const SEED: u64 = 20_260_502;
const CONTACTS: usize = 12;
/// So many tries that a message is never given up, and a timeout that hanging receivers do not make long.
const RETRIES: &str = "0ms,5ms,5ms,5ms,5ms,10ms,10ms,10ms,10ms,10ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,\
    20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,\
    20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms,20ms";

const ARGUMENTS: &[&str] = &["--webhook-retries", RETRIES, "--webhook-timeout", "250ms"];

/// What a webhook asked for.
struct Asked {
    path: &'static str,
    segment: Option<&'static str>,
    kind: Option<&'static str>,
}

const HOOKS: [Asked; 4] = [
    Asked { path: "/all", segment: None, kind: None },
    Asked { path: "/vip", segment: Some("VIP"), kind: None },
    Asked { path: "/rich-left", segment: Some("Rich"), kind: Some("left") },
    Asked { path: "/paused", segment: Some("VIP"), kind: Some("entered") },
];

fn hostile(dice: &mut Dice) -> Act {
    match dice.below(100) {
        0..=54 => Act::Status(200),
        55..=59 => Act::Status(204),
        60..=66 => Act::Status(500),
        67..=70 => Act::Status(503),
        71..=74 => Act::Later(429, 0),
        75..=78 => Act::Redirect,
        79..=83 => Act::Drop,
        84..=88 => Act::Reset,
        89..=93 => Act::AnswerThenDrop,
        94..=95 => Act::Nonsense,
        96..=97 => Act::Hang,
        _ => Act::Dribble,
    }
}

#[test]
fn every_change_arrives_at_least_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut dice = Dice::new(SEED);
    let mut acts = Dice::new(dice.seed());
    let receiver = Receiver::start(move |_| hostile(&mut acts));
    let mut server = Server::start(&data, ARGUMENTS);
    server.ok("POST", "/v1/segments", json!({"name": "VIP", "rule": "Has tag \"VIP\""}));
    server.ok("POST", "/v1/segments", json!({"name": "Rich", "rule": "Lead Score > 50"}));
    let start = server.ok("GET", "/v1/status", Value::Null)["seq"].as_u64().unwrap();
    let mut ids = vec![];
    for Asked { path, segment, kind } in &HOOKS {
        let body = json!({
            "url": format!("{}{path}", receiver.url), "segments": segment.iter().collect::<Vec<_>>(),
            "kinds": kind.iter().collect::<Vec<_>>(),
        });
        ids.push(server.ok("POST", "/v1/webhooks", body)["id"].as_str().unwrap().to_owned());
    }
    for cycle in 0..CYCLES {
        let paused = json!({"paused": cycle % 3 == 1});
        server.ok("PATCH", &format!("/v1/webhooks/{}", ids[3]), paused);
        write(&server, &mut dice);
        thread::sleep(Duration::from_millis(dice.between(0, 300) as u64));
        if dice.chance(25) {
            assert!(server.stop(), "a stop in the middle of deliveries");
        } else {
            server.kill();
        }
        server = Server::start(&data, ARGUMENTS);
    }
    receiver.script(|_| Act::Status(200));
    for id in &ids {
        server.ok("PATCH", &format!("/v1/webhooks/{id}"), json!({"paused": false}));
        while server.ok("GET", &format!("/v1/webhooks/{id}"), Value::Null)["behind"] != 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }
    let feed = server.ok("GET", &format!("/v1/feed?after={start}&limit=100000"), Value::Null);
    let entries = feed["changes"].as_array().unwrap();
    assert!(receiver.on("/elsewhere").is_empty(), "no redirect is followed");
    let (mut messages, mut repeated) = (0, 0);
    for asked in &HOOKS {
        let (told, more) = judge(asked, entries, &receiver.on(asked.path));
        (messages, repeated) = (messages + told, repeated + more);
    }
    println!(
        "webhooks: seed {SEED}, {CYCLES} kills and stops, {} entries, {messages} messages to {} webhooks, {repeated} \
         taken again; 0 lost, 0 out of order, 0 under another id",
        entries.len(),
        HOOKS.len()
    );
    assert!(messages > 1_000, "{messages} messages");
}

/// Memberships come and go; calls that the next kill cuts off count as they fall.
fn write(server: &Server, dice: &mut Dice) {
    let agent = agent();
    for _ in 0..WRITES {
        let key = format!("/v1/contacts/k-{}", dice.below(CONTACTS));
        let body = match dice.below(3) {
            0 => json!({"tags": {"add": ["VIP"]}}),
            1 => json!({"tags": {"remove": ["VIP"]}}),
            _ => json!({"lead_score": if dice.chance(50) { 90 } else { 10 }}),
        };
        let headers = [("content-type", "application/json")];
        call(&agent, &server.url, "PATCH", &key, &headers, body.to_string().into_bytes());
    }
}

/// Goes through what arrived at one webhook. Gives how many messages there were, and how many were taken once more.
fn judge(asked: &Asked, entries: &[Value], arrivals: &[Arrival]) -> (usize, usize) {
    let path = asked.path;
    let wanted = |entry: &&Value| {
        asked.segment.is_none_or(|segment| entry["segment"] == segment)
            && asked.kind.is_none_or(|kind| entry["kind"] == kind)
    };
    let expected: Vec<&Value> = entries.iter().filter(wanted).collect();
    let place: BTreeMap<u64, usize> =
        expected.iter().enumerate().map(|(place, entry)| (entry["seq"].as_u64().unwrap(), place)).collect();
    let mut ids: BTreeMap<u64, (String, Vec<u8>)> = BTreeMap::new();
    let (mut taken, mut repeated) = (0, 0);
    for arrival in arrivals {
        let seq = arrival.seq();
        let at = *place.get(&seq).unwrap_or_else(|| panic!("{path}: entry {seq} was not asked for"));
        assert!(at <= taken, "{path}: entry {seq} came before the one before it was taken");
        assert_eq!(&arrival.event()["data"], expected[at], "{path}: what is told is the entry");
        let known = ids.entry(seq).or_insert_with(|| (arrival.header("webhook-id").to_owned(), arrival.body.clone()));
        assert_eq!(known.0, arrival.header("webhook-id"), "{path}: entry {seq} under another id");
        assert_eq!(known.1, arrival.body, "{path}: entry {seq} with another body");
        if arrival.act.takes() {
            repeated += usize::from(at < taken);
            taken = taken.max(at + 1);
        }
    }
    assert_eq!(taken, expected.len(), "{path}: everything was taken in the end");
    let distinct: std::collections::BTreeSet<&String> = ids.values().map(|(id, _)| id).collect();
    assert_eq!(distinct.len(), ids.len(), "{path}: one id for each entry");
    (taken, repeated)
}
