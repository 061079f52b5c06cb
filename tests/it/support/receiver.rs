//! A receiver of webhooks below HTTP: it notes what arrives and answers as badly as it is told to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;
use throng::db::clock::Stopwatch;

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// With a status.
    Status(u16),
    /// With a status, and how many seconds to stay away.
    Later(u16, u32),
    /// With 200, on a connection that is closed in the middle of the body.
    AnswerThenDrop,
    /// The request is read whole; then the connection is closed without an answer.
    Drop,
    /// The connection is closed with the request unread.
    Reset,
    /// Never.
    Hang,
    /// A byte now and then, without an end.
    Dribble,
    /// Elsewhere.
    Redirect,
    /// With what is no HTTP.
    Nonsense,
}

impl Act {
    /// Whether the sender knows by it that the message was taken.
    pub fn takes(self) -> bool {
        matches!(self, Act::Status(200..=299) | Act::AnswerThenDrop)
    }
}

/// A request that arrived whole.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its path.
    pub path: String,
    /// Header values by lower-case name.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it was answered.
    pub act: Act,
    /// Since when it is there.
    pub at: Stopwatch,
}

impl Arrival {
    /// The value of a header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The message.
    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The number of the entry that it tells of.
    pub fn seq(&self) -> u64 {
        self.event()["data"]["seq"].as_u64().expect("an entry has a number")
    }
}

type Script = Box<dyn FnMut(&str) -> Act + Send>;

struct Inner {
    script: Script,
    arrivals: Vec<Arrival>,
}

/// A receiver that runs until the test ends.
#[derive(Clone)]
pub struct Receiver {
    /// Its address, `http://127.0.0.1:PORT`.
    pub url: String,
    inner: Arc<Mutex<Inner>>,
}

impl Receiver {
    /// Listens; answers each request as the script says, which is given the path before the body is read.
    pub fn start(script: impl FnMut(&str) -> Act + Send + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let inner = Arc::new(Mutex::new(Inner { script: Box::new(script), arrivals: vec![] }));
        let receiver = Receiver { url, inner };
        let served = receiver.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let receiver = served.clone();
                thread::spawn(move || receiver.serve(stream));
            }
        });
        receiver
    }

    /// Answers otherwise from now on.
    pub fn script(&self, script: impl FnMut(&str) -> Act + Send + 'static) {
        self.inner.lock().unwrap().script = Box::new(script);
    }

    /// What arrived whole so far, in order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inner.lock().unwrap().arrivals.clone()
    }

    /// What arrived on a path.
    pub fn on(&self, path: &str) -> Vec<Arrival> {
        self.arrivals().into_iter().filter(|arrival| arrival.path == path).collect()
    }

    /// Waits until so much has arrived on a path.
    pub fn wait(&self, path: &str, count: usize) -> Vec<Arrival> {
        loop {
            let arrivals = self.on(path);
            if arrivals.len() >= count {
                return arrivals;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut writer = stream;
        // Ends with the connection.
        while let Some(()) = self.answer(&mut reader, &mut writer) {}
    }

    fn answer(&self, reader: &mut BufReader<TcpStream>, writer: &mut TcpStream) -> Option<()> {
        let mut first = [0; 256];
        let seen = writer.peek(&mut first).ok().filter(|seen| *seen > 0)?;
        let line = String::from_utf8_lossy(&first[..seen]).into_owned();
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let act = (self.inner.lock().unwrap().script)(&path);
        if act == Act::Reset {
            return None;
        }
        let (headers, body) = read(reader)?;
        let arrival = Arrival { path, headers, body, act, at: Stopwatch::start() };
        self.inner.lock().unwrap().arrivals.push(arrival);
        let mut say = |text: String| writer.write_all(text.as_bytes()).ok();
        match act {
            Act::Status(status) => say(format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok")),
            Act::Later(status, seconds) => {
                say(format!("HTTP/1.1 {status} X\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n"))
            }
            Act::Redirect => say("HTTP/1.1 307 X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".into()),
            Act::AnswerThenDrop => {
                say("HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\nhalf".into());
                None
            }
            Act::Nonsense => {
                say("SSH-2.0-OpenSSH_9.9\r\n\r\n".into());
                None
            }
            Act::Drop | Act::Reset => None,
            Act::Hang => {
                // Until the sender gives up.
                let _ = reader.read_to_end(&mut vec![]);
                None
            }
            Act::Dribble => {
                for byte in "HTTP/1.1 200 X\r\nx-slow: ".bytes().chain(std::iter::repeat(b'x')) {
                    writer.write_all(&[byte]).ok()?;
                    thread::sleep(Duration::from_millis(20));
                }
                None
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<(Vec<(String, String)>, Vec<u8>)> {
    let (mut headers, mut length) = (vec![], 0);
    for number in 0.. {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ").filter(|_| number > 0) {
            let name = name.to_lowercase();
            if name == "content-length" {
                length = value.parse().ok()?;
            }
            headers.push((name, value.to_owned()));
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((headers, body))
}
