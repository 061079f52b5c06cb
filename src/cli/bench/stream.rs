//! Members on their way to a client: a server in a process of its own streams everyone's key over a socket of this machine.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use crate::cli::{
    bench::{
        ask::timed,
        floors::memory_of,
        rows::{Choice, Row, median_of},
        server::{Server, broken},
    },
    failure::Failure,
};

/// The rows of exports, and the formats that they are of.
const FORMATS: &[(&str, &str)] = &[
    ("stream keys as NDJSON", "ndjson"),
    ("stream keys as CSV", "csv"),
    ("stream keys and ids as Roaring", "roaring"),
    #[cfg(feature = "columnar")]
    ("stream keys as Arrow", "arrow"),
    #[cfg(feature = "columnar")]
    ("stream keys as Parquet", "parquet"),
];
/// The row of what the server holds more while it streams.
const MEMORY_ROW: &str = "memory that a stream takes";
/// What a server sends, and a client reads, at once.
const BLOCK: usize = 128 << 10;
/// Blocks that the server may hold: one that is made, those that wait, one that is sent.
const BLOCKS_HELD: usize = 6;
/// Between two looks at the memory of the server. Units: bytes of the answer.
const LOOK_AGAIN: u64 = 1 << 20;

/// The names of all rows of this kind.
pub fn names() -> Vec<String> {
    let rows = FORMATS.iter().map(|(name, _)| *name);
    rows.chain([MEMORY_ROW]).map(str::to_owned).collect()
}

/// Streams the key of everyone in each format, beside as many bytes from a server that has nothing to look up.
///
/// Errors: those of the server and the network of this machine; an answer that is not of everyone.
pub fn rows(
    server: &Server<'_>,
    contacts: u64,
    runs: usize,
    choice: &Choice,
    rows: &mut Vec<Row>,
) -> Result<(), Failure> {
    for (name, format) in FORMATS.iter().filter(|(name, _)| choice.wants(name)) {
        rows.push(one(server, contacts, (name, format), runs)?);
    }
    if choice.wants(MEMORY_ROW) {
        rows.extend(memory(server, runs)?);
    }
    Ok(())
}

fn one(server: &Server<'_>, contacts: u64, (name, format): (&str, &str), runs: usize) -> Result<Row, Failure> {
    let each = |us: f64| us / contacts as f64;
    // Once, so that all is in memory, and to know how many bytes are to be sent.
    let bytes = whole(server, contacts, format)?;
    let (mut here, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (took, again) = timed(|| whole(server, contacts, format));
        if again? != bytes {
            return Err(Failure::operator(format!("{name}: two answers of one instant are not of one length")));
        }
        here.push(each(took));
        floor.push(each(sent(bytes)?));
    }
    let is = "as many bytes from a thread that has them ready, to the same client";
    Ok(Row::new(name, "us/contact", here, (median_of(floor), is)).of(contacts))
}

/// Reads a whole answer, which must be of everyone; gives its length in bytes.
fn whole(server: &Server<'_>, contacts: u64, format: &str) -> Result<u64, Failure> {
    let (told, mut body) = server.members(format)?;
    let (mut bytes, mut lines) = (0, 0);
    blocks(&mut body, |block| {
        bytes += block.len() as u64;
        lines += memchr::memchr_iter(b'\n', block).count() as u64;
    })?;
    let lines = match format {
        "ndjson" => lines,
        "csv" => lines.saturating_sub(1),
        _ => told,
    };
    match (told, lines) == (contacts, contacts) {
        true => Ok(bytes),
        false => Err(Failure::operator(format!("{contacts} contacts, {told} announced and {lines} sent as {format}"))),
    }
}

/// How much more the server holds while it streams than before, at most.
fn memory(server: &Server<'_>, runs: usize) -> Result<Option<Row>, Failure> {
    let mut more = Vec::new();
    for _ in 0..=runs.min(5) {
        let Some(before) = memory_of(server.process()) else { return Ok(None) };
        let (_, mut body) = server.members("ndjson")?;
        let (mut most, mut unseen) = (before, 0);
        blocks(&mut body, |block| {
            unseen += block.len() as u64;
            if unseen >= LOOK_AGAIN {
                unseen = 0;
                most = most.max(memory_of(server.process()).unwrap_or(0));
            }
        })?;
        most = most.max(memory_of(server.process()).unwrap_or(0));
        more.push((most - before).max(1) as f64);
    }
    // The first one brings threads and pages that stay.
    more.remove(0);
    let floor = ((BLOCKS_HELD * BLOCK) as f64, "the blocks that may be made, wait and be sent at once");
    Ok(Some(Row::new(MEMORY_ROW, "bytes", more, floor)))
}

fn blocks(body: &mut dyn Read, mut each: impl FnMut(&[u8])) -> Result<(), Failure> {
    let mut block = vec![0; BLOCK];
    loop {
        match body.read(&mut block).map_err(|error| broken(&error))? {
            0 => return Ok(()),
            read => each(&block[..read]),
        }
    }
}

/// Has a thread send so many bytes as a server does, and reads them as ever. Units: microseconds.
fn sent(bytes: u64) -> Result<f64, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| broken(&error))?;
    let address = listener.local_addr().map_err(|error| broken(&error))?;
    thread::scope(|scope| {
        scope.spawn(move || listener.accept().and_then(|(stream, _)| send(stream, bytes)));
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let (took, read) = timed(|| {
            let answer = agent.get(format!("http://{address}/")).call().map_err(|error| broken(&error))?;
            let mut read = 0;
            blocks(&mut answer.into_body().into_reader(), |block| read += block.len() as u64)?;
            Ok::<u64, Failure>(read)
        });
        match read? {
            read if read == bytes => Ok(took),
            read => Err(broken(&format!("{read} bytes of {bytes}"))),
        }
    })
}

fn send(mut stream: TcpStream, bytes: u64) -> std::io::Result<()> {
    // The question is short; its end is not looked for.
    let _ = stream.read(&mut [0; 4_096])?;
    stream.set_nodelay(true)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")?;
    let (block, mut left) = (vec![b'x'; BLOCK], bytes);
    while left > 0 {
        let length = left.min(BLOCK as u64);
        write!(stream, "{length:x}\r\n")?;
        stream.write_all(&block[..length as usize])?;
        stream.write_all(b"\r\n")?;
        left -= length;
    }
    stream.write_all(b"0\r\n\r\n")
}
