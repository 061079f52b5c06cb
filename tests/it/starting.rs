//! A server that is still opening its folder: it says so to whoever calls, and then serves on the same connections.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::OpenOptionsExt,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::support::server::{Server, agent, call};

/// One call on a connection that stays: the status, the headers, the body.
fn on(stream: &mut TcpStream, method: &str, path: &str) -> (u16, String, String) {
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
    let (mut told, mut byte) = (Vec::new(), [0]);
    while !told.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        told.push(byte[0]);
    }
    let head = String::from_utf8(told).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head[9..12].parse().unwrap(), head, String::from_utf8(body).unwrap())
}

#[test]
fn while_the_folder_is_opened_a_server_says_that_it_is_starting() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    assert!(Server::start(&data, &[]).stop());
    // A pipe where a file is read: opening it holds up the start until somebody opens its other end.
    let (pipe, held) = (home.path().join("pipe"), data.join("webhooks"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _ = fs::remove_file(&held);
    fs::hard_link(&pipe, &held).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(["serve", "--listen", &address.to_string(), "--data", data.to_str().unwrap()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut kept = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    let url = format!("http://{address}");
    let ask = |method: &str, path: &str| call(&agent(), &url, method, path, &[], Vec::new()).unwrap();
    assert_eq!((ask("GET", "/healthz").status, ask("GET", "/healthz").text.as_str()), (200, "ok\n"));
    for (method, path) in
        [("GET", "/readyz"), ("GET", "/v1/status"), ("POST", "/v1/track"), ("GET", "/"), ("DELETE", "/v1/contacts/x")]
    {
        let reply = ask(method, path);
        let problem = reply.json();
        assert_eq!((reply.status, &problem["type"]), (503, &Value::from("urn:throng:problem:starting")), "{path}");
        assert_eq!(reply.header("retry-after"), Some("1"), "{path}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{path}");
        assert!(problem["request_id"].is_string() && problem["code"] == "starting", "{problem}");
    }
    let (status, head, _) = on(&mut kept, "GET", "/readyz");
    assert!(status == 503 && head.contains("retry-after: 1"), "{head}");
    // Whoever waits for it goes on, as does whoever opens it until it is gone; there is no end to open before one waits.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let end = loop {
        match fs::OpenOptions::new().write(true).custom_flags(nonblocking).open(&pipe) {
            Ok(end) => break end,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    fs::remove_file(&held).unwrap();
    drop(end);
    // The connection of before is served on, without a call that is lost.
    let body = loop {
        match on(&mut kept, "GET", "/readyz") {
            (200, _, body) => break body,
            (status, head, body) => assert!(status == 503 && body.contains("starting"), "{head}{body}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(body, "ready\n");
    assert_eq!(on(&mut kept, "GET", "/v1/status").0, 200);
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let log = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success() && log.contains(" serves ") && !log.contains("request failed"), "{log}");
}
