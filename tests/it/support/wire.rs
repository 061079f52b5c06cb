//! A client below HTTP: requests as bytes, sent or read to any byte and then cut off.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;

/// A request as the bytes that go over the wire; the connection ends with its answer.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).expect("the server listens")
}

/// Sends a whole request and hangs up after so many bytes of its answer, at once for 0. Says whether there were so many.
pub fn cut_answer(url: &str, request: &[u8], bytes: usize) -> bool {
    let mut stream = connect(url);
    stream.write_all(request).expect("the request is taken");
    stream.read_exact(&mut vec![0; bytes]).is_ok()
}

/// Sends so many bytes of a request and hangs up.
pub fn cut_request(url: &str, request: &[u8], bytes: usize) {
    let mut stream = connect(url);
    stream.write_all(&request[..bytes]).expect("the request is taken");
}

/// The answer to a request.
pub struct Answer {
    /// Its length on the wire.
    pub bytes: usize,
    /// The status code.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The body as JSON, nothing for an empty one.
    pub fn json(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { serde_json::from_str(&self.body).expect("a JSON body") }
    }

    /// Whether it tells what an earlier call did.
    pub fn is_replay(&self) -> bool {
        self.header("idempotency-replayed") == Some("true")
    }

    /// The write that it names.
    pub fn lsn(&self) -> u64 {
        let header = || self.header("throng-lsn").and_then(|lsn| lsn.parse().ok());
        self.json()["lsn"].as_u64().or_else(header).expect("an answer to a write names it")
    }
}

/// Sends a request and reads its whole answer.
pub fn whole(url: &str, request: &[u8]) -> Answer {
    let mut stream = connect(url);
    stream.write_all(request).expect("the request is taken");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the answer comes");
    let text = String::from_utf8(bytes).expect("the answer is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("the answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("the answer has a status");
    Answer { bytes: text.len(), status, head: head.to_lowercase(), body: body.to_owned() }
}
