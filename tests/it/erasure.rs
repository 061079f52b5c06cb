//! Erased means erased: contacts whose every text is a canary are spread over log, snapshots, dictionaries and a torn
//! tail, then erased; after the next snapshot no byte of the data folder holds one any more.
//!
//! Each kind of text has a rare letter that no other has, so that also its folded form and every trigram with the letter
//! are seen. The hashes by which keys and texts are found are looked for too.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use memchr::memmem;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::support::{long::asked, server::Server, spelling};

const CLOCK: &str = "2026-05-01T00:00:00Z";
/// Contacts to be erased; `THRONG_CANARIES` asks for more.
static CANARIES: LazyLock<usize> = LazyLock::new(|| asked("THRONG_CANARIES", 300) as usize);
/// Contacts that stay.
const OTHERS: usize = 300;

/// Every kind of text that comes with a contact.
const KINDS: &[&str] = &[
    "key",
    "name",
    "mail",
    "domain",
    "city",
    "company",
    "country",
    "tag",
    "note",
    "before",
    "label",
    "seen",
    "eventid",
    "removedid",
    "removed",
    "cell",
    "refused",
    "unknown",
    "torn",
    "visitor",
];
/// Idempotency keys are kept as hashes alone.
const NEVER: &[&str] = &["once"];

/// The letter of a kind: cuneiform, which nothing else here is written in.
fn letter(kind: &str) -> char {
    let place = KINDS.iter().chain(NEVER).position(|known| *known == kind).expect("a known kind");
    char::from_u32(0x12000 + place as u32).expect("a letter")
}

fn canary(kind: &str, n: usize) -> String {
    format!("Kanary{kind}{n}{}Ende", letter(kind))
}

fn key(n: usize) -> String {
    canary("key", n)
}

fn mail(n: usize) -> String {
    format!("{}@{}.example", canary("mail", n), canary("domain", n))
}

/// The bytes to look for: a kind's word in any case, its letter, and hashes.
fn needles() -> Vec<(String, Vec<u8>)> {
    let mut all = vec![];
    for kind in KINDS.iter().chain(NEVER) {
        all.push((format!("{kind}, word"), format!("kanary{kind}").into_bytes()));
        all.push((format!("{kind}, letter"), letter(kind).to_string().into_bytes()));
    }
    let half = |text: &str| (xxh3_64(text.as_bytes()) as u32).to_le_bytes().to_vec();
    for n in 0..10 {
        all.push((format!("hash of key {n}"), half(&key(n))));
        all.push((format!("hash of name {n}"), half(&spelling::comparable(&canary("name", n), false))));
        all.push((format!("hash of address {n}"), half(&spelling::comparable(&mail(n), false))));
    }
    all
}

/// In which files of a folder each needle is found.
fn scan(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(bytes) = fs::read(&path) else { continue };
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let (bytes, lower) = (&bytes[..end], bytes[..end].to_ascii_lowercase());
        for (what, needle) in needles() {
            if memmem::find(bytes, &needle).is_some() || memmem::find(&lower, &needle).is_some() {
                found.entry(what).or_default().push(name.clone());
            }
        }
    }
    found
}

fn once(server: &Server, method: &str, path: &str, key: &str, body: &Value) -> u16 {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    server.with_headers(method, path, &headers, body.to_string().into_bytes()).status
}

/// A letter outside of ASCII may not stand in a header, so a key has its word alone.
fn once_key(n: usize) -> String {
    format!("Kanaryonce{n}")
}

/// Contacts with canaries by every way there is.
fn spread(server: &Server) {
    server.ok("PATCH", "/v1/schema", json!({"properties": {"note": {"type": "text", "case_sensitive": true}}}));
    server.ok("POST", "/v1/segments", json!({"name": "list", "members": []}));
    server.ok("POST", "/v1/segments", json!({"name": "ruled", "rule": "name contains \"a\" and lead_score > 3"}));
    server.ok("POST", "/v1/suppressions", json!({"name": "mask", "members": [], "channels": ["email"]}));
    let mut lines = String::new();
    for n in 0..OTHERS {
        let tags = if n % 2 == 0 { json!(["VIP"]) } else { json!(["new", "VIP"]) };
        let contact = json!({"key": format!("plain{n}"), "name": format!("Plain Person {n}"), "tags": tags,
            "email": format!("p{n}@plain.example"), "city": "Paris", "lead_score": n});
        lines += &format!("{contact}\n");
    }
    for n in 0..*CANARIES {
        let contact = json!({"key": key(n), "name": canary("name", n), "email": mail(n), "city": canary("city", n),
            "company": canary("company", n), "country": canary("country", n), "tags": ["VIP", canary("tag", n)],
            "note": canary("before", n), "lead_score": n});
        lines += &format!("{contact}\n");
    }
    let answer = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json();
    assert_eq!(answer["accepted"], *CANARIES + OTHERS, "{answer}");
    for n in 0..*CANARIES {
        let event = |kind: &str, id: &str, label: &str| {
            json!({"id": canary(id, n), "contact": key(n), "event": kind, "properties": {
                "product": canary(label, n), "seen": [canary("seen", n), "x"]}})
        };
        let events = json!([event("purchase", "eventid", "label"), event("visit", "removedid", "removed")]);
        assert_eq!(once(server, "POST", "/v1/events", &once_key(n), &events), 200);
    }
}

/// Values that were replaced, events taken away, values that were refused, keys that were not known.
fn edit(server: &Server) {
    for n in (0..*CANARIES).step_by(3) {
        let event = spelling_path(&canary("removedid", n));
        assert_eq!(server.call("DELETE", &format!("/v1/events/{event}"), Value::Null).status, 204);
    }
    let unknown: Vec<String> = (0..5).map(|n| canary("unknown", n)).collect();
    let body = json!({"add": unknown});
    assert_eq!(once(server, "POST", "/v1/segments/list/members", "add some", &body), 200);
    for contact in &unknown {
        server.ok("PUT", &format!("/v1/contacts/{}", spelling_path(contact)), json!({"name": "known now"}));
    }
    for n in 0..*CANARIES {
        let path = format!("/v1/contacts/{}", spelling_path(&key(n)));
        assert_eq!(once(server, "PATCH", &path, &format!("patch {n}"), &json!({"note": canary("note", n)})), 200);
        if n % 10 == 0 {
            let wrong = json!({"created": canary("refused", n)});
            assert_eq!(once(server, "PATCH", &path, &format!("wrong {n}"), &wrong), 422);
        }
    }
    // Who was known by another key before.
    for n in 0..20 {
        let visitor = canary("visitor", n);
        server.ok("POST", "/v1/track", json!({"anonymousId": visitor, "event": "visit"}));
        server.ok("POST", "/v1/identify", json!({"anonymousId": visitor, "userId": key(n)}));
    }
    let keys: Vec<String> = (0..*CANARIES).map(key).collect();
    server.ok("POST", "/v1/segments/list/members", json!({"add": keys}));
    server.ok("POST", "/v1/segments/ruled/members", json!({"include": keys[..50], "exclude": keys[50..80]}));
    server.ok("POST", "/v1/suppressions/mask/members", json!({"add": keys}));
    let table: String = (0..20).map(|n| format!("{},{}\n", key(n), canary("cell", n))).collect();
    let table = format!("key,city\n{table}");
    assert_eq!(server.send("POST", "/v1/contacts/import", "text/csv", table).json()["accepted"], 20);
}

/// A key as a part of a path.
fn spelling_path(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Breaks the last write of the log off within its canary, as a stop in the middle of a write does.
fn tear(folder: &Path) {
    let mut logs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("wal-"));
    logs.sort();
    let log = logs.last().expect("there is a log");
    let mut bytes = fs::read(log).unwrap();
    let needle = canary("torn", 0);
    let at = memmem::rfind(&bytes, needle.as_bytes()).expect("the last write is in the newest file") + needle.len();
    bytes[at..].fill(0);
    fs::write(log, bytes).unwrap();
}

fn erased_means_erased(arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start(&data, arguments);
    spread(&server);
    server.ok("POST", "/v1/snapshot", Value::Null);
    edit(&server);
    server.ok("POST", "/v1/snapshot", Value::Null);
    let path = format!("/v1/contacts/{}", spelling_path(&key(0)));
    server.ok("PATCH", &path, json!({"company": canary("torn", 0)}));
    server.kill();
    tear(&data);
    server = Server::start(&data, arguments);
    let before = scan(&data);
    let torn = fs::read_dir(&data)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "torn"));
    assert_eq!(torn.count(), 1, "the torn tail was kept");
    for (what, _) in needles() {
        let is_never = NEVER.iter().any(|kind| what.starts_with(&format!("{kind},")));
        assert_eq!(before.contains_key(&what), !is_never, "{what} is there before: {:?}", before.get(&what));
    }
    let snapshots = |found: &BTreeMap<String, Vec<String>>| {
        found
            .values()
            .flatten()
            .filter(|file| file.starts_with("snap-"))
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(snapshots(&before).len(), 2, "canaries are in the live snapshot and in the one before it");
    let unknown = (0..5).map(|n| canary("unknown", n));
    for contact in (0..*CANARIES).map(key).chain(unknown) {
        let path = format!("/v1/contacts/{}", spelling_path(&contact));
        assert_eq!(server.call("DELETE", &path, Value::Null).status, 204, "{contact}");
    }
    server.ok("POST", "/v1/snapshot", Value::Null);
    assert_eq!(scan(&data), BTreeMap::new(), "after the next snapshot");
    assert!(server.stop());
    assert_eq!(scan(&data), BTreeMap::new(), "after a stop");
    server = Server::start(&data, arguments);
    assert_eq!(server.count("everyone"), OTHERS as u64);
    server.kill();
    server = Server::start(&data, arguments);
    assert_eq!(scan(&data), BTreeMap::new(), "after a kill and a start");
    // What was answered under a key is still known, without what it said of anyone.
    let body = json!({"add": (0..5).map(|n| canary("unknown", n)).collect::<Vec<_>>()});
    let headers = [("content-type", "application/json"), ("idempotency-key", "add some")];
    let again = server.with_headers("POST", "/v1/segments/list/members", &headers, body.to_string().into_bytes());
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")), "{}", again.text);
}

#[test]
fn no_byte_of_an_erased_contact_stays() {
    erased_means_erased(&["--clock", CLOCK]);
}

#[test]
fn no_byte_of_an_erased_contact_stays_without_mapping() {
    erased_means_erased(&["--clock", CLOCK, "--no-mmap"]);
}
