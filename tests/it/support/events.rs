//! A reader of a stream of events (server-sent events).

use std::io::{BufRead, BufReader, Read};

use serde_json::Value;

use crate::support::server::{Server, agent};

/// An event with a kind and data.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The number that the reader resumes from.
    pub id: Option<u64>,
    /// What it is.
    pub kind: String,
    /// What it tells.
    pub data: Value,
}

/// A stream under way; its connection is closed when dropped.
pub struct Events {
    lines: BufReader<Box<dyn Read + Send>>,
    id: Option<u64>,
}

impl Events {
    /// Opens a stream on a connection of its own.
    pub fn open(server: &Server, path: &str, last: Option<&str>) -> Events {
        let mut request = ureq::http::Request::builder().uri(format!("{}{path}", server.url));
        request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = agent().run(request.body(()).unwrap()).unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let reader: Box<dyn Read + Send> = Box::new(response.into_body().into_reader());
        Events { lines: BufReader::new(reader), id: None }
    }

    /// The next event; `None` when the stream is over. Numbers alone and comments are passed over.
    pub fn next(&mut self) -> Option<Event> {
        let (mut kind, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ") {
                Some(("id", id)) => self.id = Some(id.parse().unwrap()),
                Some(("event", name)) => kind = name.to_owned(),
                Some(("data", text)) => data.push_str(text),
                None if line.is_empty() && !data.is_empty() => {
                    return Some(Event { id: self.id, kind, data: serde_json::from_str(&data).unwrap() });
                }
                _ => assert!(line.is_empty() || line.starts_with([':', 'r']), "an unknown line: {line}"),
            }
        }
    }
}
