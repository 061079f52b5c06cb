//! What this machine can do over HTTP, to measure the server against: one that does nothing, and a crowd of clients that
//! ask either of them the same way.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::db::clock::Stopwatch;

/// What the server that does nothing says: about as much as a look-up.
const SAID: &str = r#"{"member":true,"since":"2026-05-01T00:00:00Z","as_of":"2026-05-01T00:00:00Z","lsn":10}"#;
/// The longest head of an answer that a client reads. Units: bytes.
const HEAD_MAX: usize = 16 << 10;

/// Handlers of the same framework with nothing behind them and nothing around them: `GET` and `POST` of `/`, of which the
/// latter reads its body. It ends when this is dropped.
pub struct Nothing {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Nothing {
    /// Listens on a free port of this machine's loopback, with as many threads as there are cores.
    ///
    /// Errors: when no port or thread can be had.
    pub fn start() -> io::Result<Nothing> {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let routes = Router::new().route("/", get(async || SAID)).route("/", post(async |_: Bytes| SAID));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Ok(Nothing { address, _runtime: runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// How a crowd was answered.
pub struct Answered {
    /// From the first question to the last answer. Units: seconds.
    pub seconds: f64,
    /// What each question took, ascending. Units: microseconds.
    pub times: Vec<f64>,
}

impl Answered {
    /// The time that so large a share of all questions took at most. Units: microseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        self.times.get((last as f64 * share) as usize).copied().unwrap_or(0.0)
    }
}

/// Clients that each keep a connection and ask one question after the other for a while; `question` gives each client
/// what it asks in turn, by its number and that of the question, and is asked for it before the watch of the question runs.
/// One thread drives them all.
///
/// Errors: a connection that breaks, an answer that is no success.
pub fn crowd(
    address: SocketAddr,
    clients: usize,
    during: Duration,
    question: impl Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static,
) -> io::Result<Answered> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..clients {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            connections.push(stream);
        }
        let (watch, mut running) = (Stopwatch::start(), JoinSet::new());
        for (client, stream) in connections.into_iter().enumerate() {
            running.spawn(one(stream, watch, during, client, question.clone()));
        }
        let mut times = Vec::new();
        while let Some(done) = running.join_next().await {
            times.append(&mut done.map_err(io::Error::other)??);
        }
        times.sort_by(f64::total_cmp);
        Ok(Answered { seconds: watch.elapsed().as_secs_f64(), times })
    })
}

/// Asks so many times a second, evenly, until told to end; gives how many questions were answered.
///
/// Errors: those of [`crowd`].
pub fn paced(
    address: SocketAddr,
    every: Duration,
    is_over: &dyn Fn() -> bool,
    question: &dyn Fn(u64) -> Vec<u8>,
) -> io::Result<u64> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut buffer, mut number, mut pace) = (Vec::new(), 0, interval(every));
        // Whoever is late catches up.
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !is_over() {
            pace.tick().await;
            ask(&mut stream, &question(number), &mut buffer).await?;
            number += 1;
        }
        Ok(number)
    })
}

async fn one(
    mut stream: TcpStream,
    since: Stopwatch,
    during: Duration,
    client: usize,
    question: impl Fn(usize, u64) -> Vec<u8>,
) -> io::Result<Vec<f64>> {
    let (mut times, mut buffer, mut number) = (Vec::new(), Vec::new(), 0);
    while since.elapsed() < during {
        let asked = question(client, number);
        let watch = Stopwatch::start();
        ask(&mut stream, &asked, &mut buffer).await?;
        times.push(watch.elapsed_ns() as f64 / 1e3);
        number += 1;
    }
    Ok(times)
}

/// Sends a question and reads its whole answer, whose length must be told.
async fn ask(stream: &mut TcpStream, question: &[u8], buffer: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(question).await?;
    buffer.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| buffer.len() < whole) {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if whole.is_none() {
            whole = length(buffer)?;
        }
    }
    Ok(())
}

/// How long an answer is with its head, once that is whole.
fn length(answer: &[u8]) -> io::Result<Option<usize>> {
    let wrong = || io::Error::other(format!("not a success of known length: {}", String::from_utf8_lossy(answer)));
    let Some(head) = memchr::memmem::find(answer, b"\r\n\r\n") else {
        return if answer.len() > HEAD_MAX { Err(wrong()) } else { Ok(None) };
    };
    let mut lines = answer[..head].split(|byte| *byte == b'\n');
    if !lines.next().is_some_and(|line| line.starts_with(b"HTTP/1.1 2")) {
        return Err(wrong());
    }
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            let told = std::str::from_utf8(&line[colon + 1..]).ok().and_then(|told| told.trim().parse::<usize>().ok());
            return told.map(|body| Some(head + 4 + body)).ok_or_else(wrong);
        }
    }
    Err(wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_answered_and_bad_answers_are_told() {
        let nothing = Nothing::start().unwrap();
        let question = |client: usize, number: u64| match (client + number as usize) % 2 {
            0 => b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
            _ => b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc".to_vec(),
        };
        let answered = crowd(nothing.address(), 3, Duration::from_millis(20), question).unwrap();
        assert!(answered.times.len() >= 3 && answered.seconds > 0.0);
        assert!(answered.quantile(0.0) <= answered.quantile(0.5) && answered.quantile(0.5) <= answered.quantile(1.0));
        let elsewhere = |_, _| b"GET /elsewhere HTTP/1.1\r\nhost: x\r\n\r\n".to_vec();
        let error = crowd(nothing.address(), 1, Duration::from_millis(20), elsewhere).err().unwrap();
        assert!(error.to_string().contains("404"), "{error}");
    }

    #[test]
    fn answers_are_as_long_as_their_heads_say() {
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").unwrap(), Some(43));
        assert_eq!(length(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap(), None);
        assert!(length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(length(b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\n").is_err());
        assert!(length(&vec![b'x'; HEAD_MAX + 1]).is_err());
    }
}
