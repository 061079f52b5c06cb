//! Clients that hold on: hundreds that say nothing, dribble, or do not read, while one client of good manners goes on.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use throng::db::clock::Stopwatch;

use crate::support::{
    http_2::{Frame, Http2, PREFACE},
    server::{Server, agent, call},
};

/// Calls of the good client, with and without the others.
const CALLS: usize = 400;
/// Hostile connections of each kind but the last, of which there are fewer, as each holds memory of the system.
const OF_A_KIND: usize = 80;
const NOT_READING: usize = 12;

/// Reads until the server closes; gives what it said.
fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut told = Vec::new();
    let mut bytes = [0; 4_096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return told,
            Ok(read) => told.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return told,
        }
    }
}

/// Says a byte now and then until the server has had enough.
fn dribble(mut stream: TcpStream, start: &str, bytes: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(start.as_bytes());
    let mut reader = stream.try_clone().unwrap();
    let listening = thread::spawn(move || until_closed(&mut reader));
    while !listening.is_finished() {
        let _ = stream.write_all(bytes);
        thread::sleep(Duration::from_millis(100));
    }
    listening.join().unwrap()
}

/// The 99th of a hundred of the good client's waits; every call must be answered well. What they may be is for
/// [`crate::beside`] to say.
pub(crate) fn p99(server: &Server) -> Duration {
    // A connection of before may have idled for as long as it may.
    let agent = agent();
    let good = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let reply = call(&agent, &server.url, method, path, &[("content-type", "application/json")], body);
        assert!(reply.is_some_and(|reply| reply.status < 300), "{method} {path}");
    };
    let mut waits: Vec<Duration> = (0..CALLS)
        .map(|n| {
            let since = Stopwatch::start();
            let key = format!("c{}", n % 100);
            match n % 2 {
                0 => good("PUT", &format!("/v1/contacts/{key}"), json!({"lead_score": n})),
                _ => good("GET", &format!("/v1/contacts/{key}/segments"), Value::Null),
            }
            since.elapsed()
        })
        .collect();
    waits.sort();
    waits[CALLS * 99 / 100]
}

/// How many sockets the server's process holds.
fn sockets(server: &Server) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().flatten();
    let links = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// Enough entries that no socket holds them all.
pub(crate) fn fill_the_feed(server: &Server) {
    server.ok("POST", "/v1/segments", json!({"name": "with a name that takes room in every entry of the feed, so that it is soon full", "rule": "lead_score > 0"}));
    for batch in 0..12 {
        let lines: Vec<String> =
            (0..9_000).map(|n| json!({"key": format!("f{batch}-{n}"), "lead_score": 1}).to_string()).collect();
        let reply = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines.join("\n"));
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
}

#[test]
fn whoever_holds_on_is_let_go_and_nobody_else_suffers() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["--first-byte-timeout", "2s", "--header-timeout", "2s", "--body-timeout", "2s", "--read-timeout", "2s"];
    let server = Server::start(&folder.path().join("data"), &arguments);
    server.ok("PATCH", "/v1/schema", json!({"properties": {"lead_score": {"type": "number"}}}));
    (0..100).for_each(|n| drop(server.ok("PUT", &format!("/v1/contacts/c{n}"), json!({"lead_score": n}))));
    fill_the_feed(&server);
    let before = sockets(&server);
    let alone = p99(&server);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let connect = || TcpStream::connect(&address).unwrap();
    let head = "POST /v1/contacts/import HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n";
    let counted =
        "POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n"
            .to_owned();
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let mut hostile = Vec::new();
    for _ in 0..OF_A_KIND {
        let (mut silent, slow) = (connect(), connect());
        hostile.push(thread::spawn(move || until_closed(&mut silent)));
        hostile.push(thread::spawn(move || dribble(slow, "GET /healthz HTTP/1.1\r\nx: ", b"y")));
        let (body, stream) = (connect(), connect());
        let (counted, chunked) = (counted.clone(), chunked.clone());
        hostile.push(thread::spawn(move || dribble(body, &counted, b" ")));
        hostile.push(thread::spawn(move || dribble(stream, &chunked, b"1\r\n \r\n")));
    }
    // These ask for all of the feed and take nothing of it: that they were closed shows in that their end comes
    // before the end of what is there, which is none as the feed goes on.
    let not_reading: Vec<TcpStream> = (0..NOT_READING)
        .map(|_| {
            let mut stream = connect();
            let ask = "GET /v1/feed?after=0 HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
            stream.write_all(ask.as_bytes()).unwrap();
            stream
        })
        .collect();
    let beside = p99(&server);
    let count = hostile.len() + not_reading.len();
    println!("{count} hostile connections; p99 of {CALLS} calls {alone:?} alone, {beside:?} beside them");
    let silent_or_told = hostile.into_iter().map(|thread| thread.join().unwrap());
    let told: Vec<Vec<u8>> = silent_or_told.filter(|told| !told.is_empty()).collect();
    assert!(told.iter().all(|told| told.starts_with(b"HTTP/1.1 4")));
    assert!(told.iter().any(|told| told.starts_with(b"HTTP/1.1 408")), "a body that comes too slowly is told so");
    // A connection that the server closed may still be read here, so its own sockets are counted.
    while sockets(&server) > before + 1 {
        thread::sleep(Duration::from_millis(50));
    }
    drop(not_reading);
    assert_eq!(server.call("GET", "/healthz", Value::Null).status, 200);
}

#[test]
fn an_import_that_brings_nothing_holds_one_thread() {
    const COUNT: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    let of_process = |what: &str| {
        let told = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = told.lines().find_map(|line| line.strip_prefix(what)).unwrap().trim();
        line.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let (threads, memory) = (of_process("Threads:"), of_process("RssAnon:"));
    let ask = "POST /v1/contacts/import HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
        transfer-encoding: chunked\r\n\r\n1\r\n \r\n";
    let held: Vec<TcpStream> = (0..COUNT)
        .map(|_| {
            let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
            stream.write_all(ask.as_bytes()).unwrap();
            stream
        })
        .collect();
    while of_process("Threads:") < threads + COUNT {
        thread::sleep(Duration::from_millis(20));
    }
    // Whatever comes with them has come by now.
    thread::sleep(Duration::from_millis(500));
    let more = of_process("Threads:") - threads;
    let each = of_process("RssAnon:").saturating_sub(memory) / COUNT;
    println!("{more} threads and {each} KiB each for {COUNT} imports that bring nothing");
    assert!(more <= COUNT + 8, "{more} threads for {COUNT} imports");
    drop(held);
}

#[test]
fn an_honest_client_that_takes_its_time_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--body-timeout", "4s"]);
    // Four KiB every half second: longer than its patience in all, faster than the least.
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /v1/contacts/import HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
        connection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for n in 0..12 {
        let line = format!("{}\n", json!({"key": format!("k{n}"), "name": "x".repeat(4_096)}));
        stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(500));
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let told = String::from_utf8(until_closed(&mut stream)).unwrap();
    assert!(told.starts_with("HTTP/1.1 200") && told.contains("\"accepted\":12"), "{told}");
}

#[test]
fn an_address_has_only_so_many_connections() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--connections-per-address", "3"]);
    let address = server.url.strip_prefix("http://").unwrap();
    let ask = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let answered = |stream: &mut TcpStream| {
        let mut bytes = [0; 12];
        stream.write_all(ask).is_ok() && stream.read_exact(&mut bytes).is_ok() && bytes.starts_with(b"HTTP/1.1 200")
    };
    let mut held: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert!(held.iter_mut().all(answered));
    assert!(!answered(&mut TcpStream::connect(address).unwrap()), "a fourth is closed");
    held.pop();
    while !answered(&mut TcpStream::connect(address).unwrap()) {
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn half_a_greeting_and_a_connection_without_calls_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--first-byte-timeout", "1s", "--header-timeout", "2s", "--read-timeout", "2s"];
    let server = Server::start(&folder.path().join("data"), &arguments);
    let address = server.url.strip_prefix("http://").unwrap();
    for begun in [&b"P"[..], b"PRI * HTTP", &PREFACE[..PREFACE.len() - 1], PREFACE] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(begun).unwrap();
        until_closed(&mut stream);
    }
    // Its pings are answered, and it is asked to end (frame 7) before it is ended.
    let mut idle = Http2::connect(address, 1 << 16);
    idle.get(1, "/healthz").unwrap();
    let frames: Vec<Frame> = std::iter::from_fn(|| idle.frame()).collect();
    assert!(frames.iter().any(|frame| frame.stream == 1 && frame.is_ok()));
    assert!(frames.iter().any(|frame| frame.kind == 7));
}

#[test]
fn readers_that_keep_their_windows_shut_leave_room_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--read-timeout", "3s"]);
    for batch in 0..4 {
        let lines: Vec<String> =
            (0..9_000).map(|n| json!({"key": format!("a-key-that-takes-some-room-{batch}-{n}")}).to_string()).collect();
        let reply = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines.join("\n"));
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    server.ok("POST", "/v1/segments", json!({"name": "everyone_there_is", "rule": "everyone"}));
    let address = server.url.strip_prefix("http://").unwrap();
    let members = "/v1/segments/everyone_there_is/members";
    let whole = server.call("GET", members, Value::Null);
    assert_eq!((whole.status, whole.text.lines().count()), (200, 36_000));
    // More than may be streamed at once, in a few connections.
    let hostile: Vec<_> = (0..14)
        .map(|_| {
            let mut shut = Http2::connect(address, 0);
            (0..60).for_each(|n| shut.get(2 * n + 1, members).unwrap());
            thread::spawn(move || {
                let heads = std::iter::from_fn(|| shut.frame()).filter(Frame::is_head);
                heads.fold([0, 0], |[begun, refused], head| match head.is_ok() {
                    true => [begun + 1, refused],
                    false => [begun, refused + 1],
                })
            })
        })
        .collect();
    while hostile.iter().any(|thread| !thread.is_finished()) {
        // Questions find a thread all the while.
        assert_eq!(server.count("everyone"), 36_000);
        let reply = server.call("GET", members, Value::Null);
        match reply.status {
            503 => {
                assert_eq!(reply.json()["type"], "urn:throng:problem:too_many_streams");
                assert_eq!(reply.header("retry-after"), Some("5"));
            }
            status => assert_eq!(status, 200),
        }
    }
    let told: Vec<[usize; 2]> = hostile.into_iter().map(|thread| thread.join().unwrap()).collect();
    let [begun, refused] = [0, 1].map(|at| told.iter().map(|told| told[at]).sum::<usize>());
    // How many hear of it before their connection is ended is chance.
    assert!(begun > 0 && refused > 0, "{begun} streams had begun, and {refused} had found no room");
    while server.call("GET", members, Value::Null).status != 200 {
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn more_connections_than_the_system_allows_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = format!(
        "ulimit -n 300 && exec {} serve --listen 127.0.0.1:0 --connections 5000 --data {}",
        env!("CARGO_BIN_EXE_throng"),
        data.display()
    );
    let told = Command::new("sh").args(["-c", &serve]).output().unwrap();
    assert_eq!(told.status.code(), Some(2));
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(said.contains("5000 connections need 5128 open files") && said.contains("may have 300"), "{said}");
    assert!(!data.join("wal").exists(), "nothing was begun");
}

#[test]
fn a_hangup_does_not_end_a_server_without_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    assert!(Command::new("kill").args(["-HUP", &server.pid().to_string()]).status().unwrap().success());
    for _ in 0..20 {
        assert_eq!(server.call("GET", "/healthz", Value::Null).status, 200);
    }
}
