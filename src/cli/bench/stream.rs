//! Members on their way to a client: a server in a process of its own streams everyone's key over a socket of this machine.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use crate::{
    cli::{
        bench::{
            ask::timed,
            floors::memory_of,
            rows::{Choice, Row, median_of},
            work::Work,
        },
        failure::Failure,
        generate,
    },
    db::database::Database,
    model::request::{Request, RuleSource, SegmentCreate, SegmentSource},
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
/// The segment that is streamed.
const SEGMENT: &str = "bench everyone";
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
/// Errors: those of the database, the disk and the network of this machine; an answer that is not of everyone.
pub fn rows(work: &Work, db: &Database, runs: usize, choice: &Choice, rows: &mut Vec<Row>) -> Result<(), Failure> {
    if !names().iter().any(|name| choice.wants(name)) {
        return Ok(());
    }
    work.copy(db, "served")?;
    let served = work.database("served")?;
    let source = SegmentSource::Rule(RuleSource::Text("everyone".into()));
    let create = SegmentCreate { name: SEGMENT.into(), description: None, source };
    for result in served.write(Request::CreateSegment(create))?.results {
        result.map_err(|refusal| Failure::operator(refusal.to_string()))?;
    }
    served.close()?;
    drop(served);
    {
        let server = Server::start(&work.dir().join("served"))?;
        for (name, format) in FORMATS.iter().filter(|(name, _)| choice.wants(name)) {
            rows.push(one(&server, work.contacts, (name, format), runs)?);
        }
        if choice.wants(MEMORY_ROW) {
            rows.extend(memory(&server, runs)?);
        }
    }
    work.drop_copy("served")
}

fn one(server: &Server, contacts: u64, (name, format): (&str, &str), runs: usize) -> Result<Row, Failure> {
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
fn whole(server: &Server, contacts: u64, format: &str) -> Result<u64, Failure> {
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
fn memory(server: &Server, runs: usize) -> Result<Option<Row>, Failure> {
    let mut more = Vec::new();
    for _ in 0..=runs.min(5) {
        let Some(before) = memory_of(server.child.id()) else { return Ok(None) };
        let (_, mut body) = server.members("ndjson")?;
        let (mut most, mut unseen) = (before, 0);
        blocks(&mut body, |block| {
            unseen += block.len() as u64;
            if unseen >= LOOK_AGAIN {
                unseen = 0;
                most = most.max(memory_of(server.child.id()).unwrap_or(0));
            }
        })?;
        most = most.max(memory_of(server.child.id()).unwrap_or(0));
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

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::operator(format!("the stream broke off: {error}"))
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

/// This program once more, serving a folder; it ends when this is dropped.
struct Server {
    child: Child,
    url: String,
    agent: ureq::Agent,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It serves a copy that goes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(folder: &Path) -> Result<Server, Failure> {
        let cannot = |why: &dyn std::fmt::Display| Failure::operator(format!("no server could be started: {why}"));
        let program = std::env::current_exe().map_err(|error| cannot(&error))?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--clock", generate::UNTIL, "--no-webhooks", "--data"]);
        command.arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // What is measured is not to hang on how this machine's own server is set up.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("THRONG_")) {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(|error| cannot(&error))?;
        let said = child.stderr.take();
        let mut server =
            Server { child, url: String::new(), agent: ureq::Agent::config_builder().proxy(None).build().into() };
        let mut lines = BufReader::new(said.ok_or_else(|| cannot(&"it has no standard error"))?);
        let mut seen = String::new();
        while server.url.is_empty() {
            let mut line = String::new();
            if lines.read_line(&mut line).map_err(|error| cannot(&error))? == 0 {
                return Err(cannot(&seen));
            }
            if let Some(at) = line.find("on http") {
                server.url = line[at + 3..].trim().to_owned();
            }
            seen.push_str(&line);
        }
        // Read to its end, so that the server never waits for it.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Ok(server)
    }

    /// Everyone's key: how many are announced, and the answer.
    fn members(&self, format: &str) -> Result<(u64, impl Read + use<>), Failure> {
        let url = format!("{}/v1/segments/{}/members?format={format}", self.url, SEGMENT.replace(' ', "%20"));
        let answer = self.agent.get(url).call().map_err(|error| broken(&error))?;
        let told = answer.headers().get("throng-count").and_then(|told| told.to_str().ok()?.parse().ok());
        Ok((told.unwrap_or(0), answer.into_body().into_reader()))
    }
}
