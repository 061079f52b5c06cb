//! A good client beside hundreds that hold on: how long it waits, against the same client while these do the same to
//! somebody else on this machine.
//!
//! Both the server and those who load it share the machine's cores, so what is compared is not "with" and "without":
//! while the good client is alone at the server, the others keep a listener of the test's own as busy. What differs is
//! then what they cost the server. One thread moves all of them, each at its own moment, as slow clients are.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;

use crate::{
    slow::{fill_the_feed, p99},
    support::server::Server,
};

/// Hostile connections of each of four kinds, and of those that read nothing of a feed without an end.
const OF_A_KIND: usize = 80;
const NOT_READING: usize = 12;
/// Between two bytes of one connection.
const PAUSE: Duration = Duration::from_millis(1_000);
/// Parts of a pause; each connection has its own.
const PARTS: usize = 100;
/// Each of the two situations, in turn.
const ROUNDS: usize = 5;
/// How many times as long a good client may wait at most (by the slowest of a hundred of its calls).
const TIMES: f64 = 3.0;

/// How a hostile connection begins, and what it says now and then.
const KINDS: [(&str, &[u8]); 4] = [
    ("", b""),
    ("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ", b"y"),
    (
        "POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n",
        b" ",
    ),
    (
        "POST /v1/contacts/import HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
         transfer-encoding: chunked\r\n\r\n",
        b"1\r\n \r\n",
    ),
];
const FEED: &str = "GET /v1/feed?after=0 HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";

/// Connections that are kept open, and opened anew where the server has had enough of one.
struct Swarm {
    stop: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Hostile {
    stream: Option<TcpStream>,
    kind: usize,
}

impl Hostile {
    fn connect(&mut self, address: &str) {
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        let begun = stream.write_all(KINDS.get(self.kind).map_or(FEED, |(start, _)| start).as_bytes());
        if begun.is_ok() && stream.set_nonblocking(true).is_ok() {
            self.stream = Some(stream);
        }
    }

    /// Says a little, if it says anything; gives whether it is still held.
    fn go_on(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let said = match KINDS.get(self.kind) {
            Some((_, bytes)) => stream.write_all(bytes),
            None => Ok(()),
        };
        // What the server says is read where it may be the end; readers of the feed read nothing.
        let ended = self.kind < KINDS.len()
            && !matches!(stream.read(&mut [0; 512]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        if said.is_err() || ended {
            self.stream = None;
        }
        self.stream.is_some()
    }
}

impl Swarm {
    fn on(address: &str) -> Swarm {
        let (stop, open) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, counted, address) = (Arc::clone(&stop), Arc::clone(&open), address.to_owned());
        let thread = thread::spawn(move || {
            let kinds = (0..OF_A_KIND * KINDS.len()).map(|n| n % KINDS.len()).chain([KINDS.len(); NOT_READING]);
            let mut all: Vec<Hostile> = kinds.map(|kind| Hostile { stream: None, kind }).collect();
            all.iter_mut().for_each(|one| one.connect(&address));
            counted.store(all.iter().filter(|one| one.stream.is_some()).count(), Ordering::SeqCst);
            for part in (0..PARTS).cycle() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let mut held = counted.load(Ordering::SeqCst);
                for one in all.iter_mut().skip(part).step_by(PARTS) {
                    let was_held = one.stream.is_some();
                    if !one.go_on() {
                        one.connect(&address);
                    }
                    held = held + usize::from(one.stream.is_some()) - usize::from(was_held);
                }
                counted.store(held, Ordering::SeqCst);
                thread::sleep(PAUSE / PARTS as u32);
            }
        });
        Swarm { stop, open, thread: Some(thread) }
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(|thread| thread.join());
    }
}

/// A listener that takes everything and says nothing; gives its address.
fn sink() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || while matches!(stream.read(&mut [0; 512]), Ok(1..)) {});
        }
    });
    address
}

/// What a process has used of the processors. Units: ticks of the system, a hundredth of a second.
fn used(server: &Server) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let (_, fields) = told.rsplit_once(") ").unwrap();
    fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

/// Waits until all are connected and the server has told readers who do not read all that they can hold.
fn settle(server: &Server, swarm: &Swarm) {
    while swarm.open() < OF_A_KIND * KINDS.len() {
        thread::sleep(Duration::from_millis(20));
    }
    loop {
        let before = used(server);
        thread::sleep(Duration::from_millis(400));
        if used(server) - before <= 8 {
            return;
        }
    }
}

fn middle(mut waits: Vec<Duration>) -> Duration {
    waits.sort();
    waits[waits.len() / 2]
}

#[test]
fn a_good_client_waits_no_longer_beside_hundreds_that_hold_on() {
    // Both ends of the listener's connections are in this process, beside those of other tests.
    throng::db::open_files::allow_open_files(4_096).expect("the system allows so many open files");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    server.ok("PATCH", "/v1/schema", json!({"properties": {"lead_score": {"type": "number"}}}));
    (0..100).for_each(|n| drop(server.ok("PUT", &format!("/v1/contacts/c{n}"), json!({"lead_score": n}))));
    fill_the_feed(&server);
    let (here, elsewhere) = (server.url.strip_prefix("http://").unwrap().to_owned(), sink());
    p99(&server);
    let mut waits = [Vec::new(), Vec::new()];
    let mut least = usize::MAX;
    for round in 0..2 * ROUNDS {
        let is_beside = round % 2 == 1;
        let swarm = Swarm::on(if is_beside { &here } else { &elsewhere });
        settle(&server, &swarm);
        waits[usize::from(is_beside)].push(p99(&server));
        least = least.min(swarm.open());
    }
    // By pairs of rounds, so that load that comes or goes meanwhile spoils one of them.
    let pairs = waits[0].iter().zip(&waits[1]);
    let mut ratios: Vec<f64> = pairs.map(|(alone, beside)| beside.as_secs_f64() / alone.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let times = ratios[ROUNDS / 2];
    let [alone, beside] = waits.map(middle);
    println!(
        "{least} hostile connections or more; p99 {alone:?} alone, {beside:?} beside them: {times:.2} times as long"
    );
    assert!(least >= OF_A_KIND * KINDS.len() - 20, "{least} connections");
    assert!(times <= TIMES, "{alone:?} alone, {beside:?} beside");
}
