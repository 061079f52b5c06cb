//! Webhooks and callers that hang up, owners that change them in the middle of a call, and what an operator is told.

use std::{
    io::Write,
    net::{Shutdown, TcpStream},
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    support::{receiver::Act, server::Server},
    webhooks::{QUICK, World},
};

#[test]
fn who_hangs_up_in_the_middle_leaves_webhooks_whole() {
    let mut world = World::new();
    let address = world.server.url.strip_prefix("http://").unwrap().to_owned();
    let hang_up = |method: &str, path: &str, body: Value| {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json");
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        thread::sleep(Duration::from_millis(1));
        let _ = stream.shutdown(Shutdown::Both);
    };
    for n in 0..20 {
        let url = format!("{}/{n}", world.receiver.url);
        hang_up("POST", "/v1/webhooks", json!({"url": url, "id": format!("wh_{n}"), "segments": ["VIP"]}));
        hang_up("PATCH", &format!("/v1/webhooks/wh_{n}"), json!({"description": "x"}));
        hang_up("POST", &format!("/v1/webhooks/wh_{n}/rotate"), json!({}));
    }
    let last = world.hook("/last", json!({"segments": ["VIP"]}));
    let ids = |world: &World| -> Vec<String> {
        let list = world.server.ok("GET", "/v1/webhooks", Value::Null);
        list["webhooks"].as_array().unwrap().iter().map(|hook| hook["id"].as_str().unwrap().to_owned()).collect()
    };
    let listed = ids(&world);
    world.tag("k-1", true);
    for id in &listed {
        world.until(id, |hook| hook["behind"] == 0);
        let path = if *id == last { "/last".to_owned() } else { id.replace("wh_", "/") };
        assert_eq!(world.receiver.on(&path).len(), 1, "{id} is listed, so it is told");
    }
    world.server.kill();
    world.server = Server::start(&world.folder.path().join("data"), QUICK);
    assert_eq!(ids(&world), listed);
}

#[test]
fn an_address_that_changes_in_the_middle_of_a_call_gets_the_message() {
    let world = World::new();
    let id = world.hook("/old", json!({"segments": ["VIP"]}));
    world.receiver.script(|path| if path == "/old" { Act::Hang } else { Act::Status(200) });
    world.tag("k-1", true);
    world.receiver.wait("/old", 1);
    world.patch(&id, json!({"url": format!("{}/new", world.receiver.url)}));
    let told = world.receiver.wait("/new", 1);
    assert_eq!(told[0].header("webhook-id"), world.receiver.on("/old")[0].header("webhook-id"));
    let hook = world.until(&id, |hook| hook["behind"] == 0);
    assert_eq!(
        (&hook["trouble"], &hook["failing_since"], &hook["dead_letters"]),
        (&Value::Null, &Value::Null, &json!(0))
    );
}

#[test]
fn a_disabled_webhook_is_an_alarm_until_it_is_mended() {
    let mut world = World::new();
    world.restart(&[QUICK, &["--webhook-disable-after", "50ms"]].concat());
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    let alarms = |world: &World| world.server.ok("GET", "/v1/status", Value::Null)["alarms"].clone();
    assert_eq!(alarms(&world), json!([]));
    world.receiver.script(|_| Act::Status(500));
    world.tag("k-1", true);
    world.until(&id, |hook| hook["status"] == "disabled");
    for _ in 0..2 {
        let told = alarms(&world);
        assert_eq!(told[0]["code"], "webhook_disabled");
        assert!(told[0]["detail"].as_str().unwrap().contains(&id), "{told}");
        world.restart(QUICK);
    }
    world.receiver.script(|_| Act::Status(200));
    world.patch(&id, json!({"paused": false}));
    assert_eq!(alarms(&world), json!([]));
    world.until(&id, |hook| hook["behind"] == 0);
}

#[test]
fn replays_do_not_hold_up_the_feed_and_can_be_cancelled() {
    let world = World::new();
    let id = world.hook("/a", json!({"segments": ["VIP"]}));
    for n in 0..200 {
        world.tag(&format!("k-{n}"), true);
    }
    let first = world.receiver.wait("/a", 200)[0].seq();
    world.until(&id, |hook| hook["behind"] == 0);
    let is_slow = Arc::new(AtomicBool::new(true));
    let slow = Arc::clone(&is_slow);
    world.receiver.script(move |_| {
        if slow.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(20));
        }
        Act::Status(200)
    });
    let path = format!("/v1/webhooks/{id}/replay");
    world.server.ok("POST", &path, json!({"from": first}));
    world.tag("k-new", true);
    world.until(&id, |hook| hook["behind"] == 0);
    assert_eq!(world.server.call("DELETE", &path, Value::Null).status, 204);
    assert_eq!(world.server.ok("GET", &format!("/v1/webhooks/{id}"), Value::Null)["replays"], 0);
    is_slow.store(false, Ordering::Release);
    let told = world.receiver.arrivals().into_iter().skip(200).collect::<Vec<_>>();
    assert!(told.len() < 200, "what is new did not wait for {} replays", told.len());
    assert!(told.iter().any(|arrival| arrival.event()["subject"] == "k-new"));
    let many: Vec<u64> = (0..2_000).map(|_| first).collect();
    let reply = world.server.call("POST", &path, json!({"seqs": many}));
    assert_eq!(reply.status, 422, "{}", reply.text);
    world.until(&id, |hook| hook["replays"] == 0);
}

#[test]
fn a_gap_is_tried_under_one_id() {
    let mut world = World::new();
    let (data, backup) = (world.folder.path().join("data"), world.folder.path().join("backup"));
    let id = world.hook("/a", json!({"segments": ["VIP"], "paused": true}));
    assert!(world.server.stop());
    crate::webhooks::copy(&data, &backup);
    world.server = Server::start(&data, QUICK);
    world.patch(&id, json!({"paused": false}));
    (1..4).for_each(|n| world.tag(&format!("k-{n}"), true));
    world.until(&id, |hook| hook["behind"] == 0);
    world.patch(&id, json!({"paused": true}));
    assert!(world.server.stop());
    copy_webhooks(&data, &backup);
    // The feed of the older state grows past the place that was told while nobody is told.
    world.server = Server::start(&backup, QUICK);
    (4..9).for_each(|n| world.tag(&format!("k-{n}"), true));
    let before = world.receiver.arrivals().len();
    let mut tries = 0;
    world.receiver.script(move |_| {
        tries += 1;
        Act::Status(if tries < 4 { 500 } else { 200 })
    });
    world.patch(&id, json!({"paused": false}));
    world.tag("k-9", true);
    let told = world.receiver.wait("/a", before + 10).split_off(before);
    let gap = told[0].event();
    assert_eq!((&gap["type"], &gap["data"]["reason"]), (&json!("throng.webhook.gap"), &json!("cursor_ahead")));
    assert!(told[..4].iter().all(|arrival| arrival.body == told[0].body), "the same on every try");
    let keys: Vec<Value> = told[4..].iter().map(|arrival| arrival.event()["subject"].clone()).collect();
    assert_eq!(keys, ["k-4", "k-5", "k-6", "k-7", "k-8", "k-9"]);
}

/// Puts newer webhooks beside an older log, which refuses them unless they do not say of which write they know.
pub(crate) fn copy_webhooks(from: &std::path::Path, to: &std::path::Path) {
    let mut newer = std::fs::read(from.join("webhooks")).unwrap();
    std::fs::write(to.join("webhooks"), &newer).unwrap();
    let refused = throng::db::database::Database::open(throng::db::options::Options::folder(to)).err().unwrap();
    assert!(refused.to_string().contains("as the file of webhooks shows"), "{refused}");
    newer[44..52].fill(0);
    let checksum = throng::codec::checksum::crc32c(&newer[..60]);
    newer[60..64].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(to.join("webhooks"), &newer).unwrap();
}
