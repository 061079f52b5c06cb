//! Calls over HTTP: look-ups and durable writes of many clients at once, beside the same clients at a server of the same
//! framework that does nothing.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    cli::{
        bench::{
            questions,
            rows::{Choice, Row, median_of},
            server::{Server, broken},
        },
        failure::Failure,
    },
    http::yardstick::{Nothing, crowd, paced},
};

/// What is asked, and what goes on meanwhile.
const JOBS: [(&str, Job, Beside); 5] = [
    ("HTTP: is a contact in a segment", Job::Member, Beside::Nothing),
    ("HTTP: the segments of a contact", Job::Segments, Beside::Nothing),
    ("HTTP: is a contact in a segment, beside 10,000 writes/s", Job::Member, Beside::Writes),
    ("HTTP: is a contact in a segment, beside long questions", Job::Member, Beside::Questions),
    ("HTTP: durable writes", Job::Write, Beside::Nothing),
];
/// Connections that ask at once.
const CLIENTS: usize = 64;
/// How long they ask in one run.
const WINDOW: Duration = Duration::from_millis(1_000);
/// Runs at most; each has several windows.
const RUNS_MAX: usize = 5;
/// Contacts of one call of those that go on beside, and how often one is made: 10,000 writes a second.
const BATCH: u64 = 100;
const EVERY: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Member,
    Segments,
    Write,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Writes,
    Questions,
}

/// The names of all rows of this kind.
pub fn names() -> Vec<String> {
    JOBS.iter().flat_map(|(name, _, _)| [(*name).to_owned(), tail(name)]).collect()
}

/// The row of what the slowest hundredth of all calls took at least.
fn tail(name: &str) -> String {
    format!("{name}, p99")
}

/// Asks a server and one that does nothing by turns.
///
/// Errors: those of the server and the network of this machine.
pub fn rows(
    server: &Server<'_>,
    contacts: u64,
    runs: usize,
    choice: &Choice,
    rows: &mut Vec<Row>,
) -> Result<(), Failure> {
    if !names().iter().any(|name| choice.wants(name)) {
        return Ok(());
    }
    let nothing = Nothing::start().map_err(|error| broken(&error))?;
    for (name, job, beside) in JOBS {
        let wanted = [name.to_owned(), tail(name)].map(|name| choice.wants(&name));
        if wanted == [false, false] {
            continue;
        }
        let own = move |client: usize, number: u64| job.question(client, number, contacts);
        let empty = move |_: usize, _: u64| job.empty();
        let ask = |address: SocketAddr, is_own: bool| {
            let asked = || match is_own {
                true => crowd(address, CLIENTS, WINDOW, own),
                false => crowd(address, CLIENTS, WINDOW, empty),
            };
            busy(server, beside, contacts, &|| asked().map_err(|error| broken(&error)))
        };
        // Once, so that everything is at hand.
        ask(server.address(), true)?;
        let mut written = Vec::new();
        let (mut each, mut tails, mut floors, mut least) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..runs.min(RUNS_MAX) {
            for (address, is_own) in [(nothing.address(), false), (server.address(), true)] {
                let (answered, batches) = ask(address, is_own)?;
                written.push((batches * BATCH) as f64 / answered.seconds);
                let (all, slow) = if is_own { (&mut each, &mut tails) } else { (&mut floors, &mut least) };
                all.push(answered.seconds * 1e6 / answered.times.len().max(1) as f64);
                slow.push(answered.quantile(0.99));
            }
        }
        let is = match beside {
            Beside::Nothing => "the same clients at a handler of the same framework that does nothing",
            _ => "the same, while the server beside it is as busy",
        };
        let unit = if job == Job::Write { "us/write" } else { "us/call" };
        let row = Row::new(name, unit, each, (median_of(floors), is));
        let pair = [
            // What was written meanwhile, a second: the server may not have kept the pace.
            if beside == Beside::Writes { row.of(median_of(written) as u64) } else { row },
            Row::new(tail(name), "us", tails, (median_of(least), is)),
        ];
        rows.extend(pair.into_iter().zip(wanted).filter(|(_, is_wanted)| *is_wanted).map(|(row, _)| row));
    }
    Ok(())
}

impl Job {
    /// What a client asks.
    fn question(self, client: usize, number: u64, contacts: u64) -> Vec<u8> {
        // Strides without a common divisor with the count lead to every contact.
        let who = (client as u64 * 104_729 + number * 7_919) % contacts;
        match self {
            Job::Member => get(&format!("/v1/contacts/c{who:07}/segments/Hot%20leads")),
            Job::Segments => get(&format!("/v1/contacts/c{who:07}/segments")),
            Job::Write => send(
                "PATCH",
                &format!("/v1/contacts/c{who:07}"),
                "application/json",
                &format!("{{\"lead_score\":{}}}", who % 100),
            ),
        }
    }

    /// What a server that does nothing is asked.
    fn empty(self) -> Vec<u8> {
        match self {
            Job::Member | Job::Segments => get("/"),
            Job::Write => send("POST", "/", "application/json", "{\"lead_score\":50}"),
        }
    }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

fn send(method: &str, path: &str, media: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Runs something while the server is kept busy; gives also how many batches were written meanwhile.
fn busy<T>(
    server: &Server<'_>,
    beside: Beside,
    contacts: u64,
    run: &dyn Fn() -> Result<T, Failure>,
) -> Result<(T, u64), Failure> {
    if beside == Beside::Nothing {
        return run().map(|given| (given, 0));
    }
    let (is_over, address) = (AtomicBool::new(false), server.address());
    thread::scope(|scope| {
        let meanwhile = scope.spawn(|| {
            let over = || is_over.load(Ordering::Relaxed);
            if beside == Beside::Writes {
                let batch = |number: u64| {
                    let start = number * BATCH;
                    let lines = (start..start + BATCH).map(|number| {
                        let who = number * 15_485_863 % contacts;
                        format!("{{\"key\":\"c{who:07}\",\"lead_score\":{}}}\n", number % 100)
                    });
                    send("POST", "/v1/contacts/import", "application/x-ndjson", &lines.collect::<String>())
                };
                return paced(address, EVERY, &over, &batch).map_err(|error| broken(&error));
            }
            while !over() {
                for (_, rule) in questions::KINDS {
                    server.count(rule)?;
                    if over() {
                        break;
                    }
                }
            }
            Ok(0)
        });
        let given = run();
        is_over.store(true, Ordering::Relaxed);
        let done = meanwhile.join().unwrap_or_else(|_| Err(broken(&"what goes on beside it ended")));
        given.and_then(|given| done.map(|batches| (given, batches)))
    })
}
