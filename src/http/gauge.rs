//! A watch on the bytes of a CSV stream: it tells what the CSV reader does not, and stops a record that never ends.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::model::limits;

/// Most bytes of one record: the CSV reader itself knows no limit.
const RECORD_BYTES_MAX: usize = limits::LINE_BYTES_MAX;

/// What was seen of a stream so far.
#[derive(Default)]
pub struct Seen {
    pending: AtomicUsize,
    crlf: AtomicBool,
    left_open: AtomicBool,
}

impl Seen {
    /// Notes that a whole record was read.
    pub fn whole_record(&self) {
        self.pending.store(0, Ordering::Relaxed);
    }

    /// Whether lines end in CR and LF: the CSV reader then stands before the LF and counts one line too few.
    pub fn crlf(&self) -> bool {
        self.crlf.load(Ordering::Relaxed)
    }

    /// Whether the stream is over and its last record left a quote open.
    pub fn left_open(&self) -> bool {
        self.left_open.load(Ordering::Relaxed)
    }
}

/// Where in a stream the last byte was, as far as quotes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    /// At the start of a field, where a quote opens.
    Start,
    /// In a field without quotes.
    Plain,
    /// Inside quotes.
    Open,
    /// After a quote inside quotes: the end of them, or half of a doubled one.
    Half,
}

impl Quotes {
    fn after(self, byte: u8) -> Quotes {
        match (self, byte) {
            (Quotes::Start | Quotes::Half, b'"') => Quotes::Open,
            (Quotes::Open, b'"') => Quotes::Half,
            (Quotes::Open, _) => Quotes::Open,
            (_, b',' | b'\n' | b'\r') => Quotes::Start,
            _ => Quotes::Plain,
        }
    }
}

/// A stream under watch.
pub struct Gauge {
    inner: Box<dyn Read + Send>,
    seen: Arc<Seen>,
    quotes: Quotes,
    /// The last byte before the first line's end; `None` once that is found.
    before_end: Option<u8>,
}

impl Gauge {
    /// Watches a stream; what is seen is shared.
    pub fn over(inner: Box<dyn Read + Send>) -> (Gauge, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        (Gauge { inner, seen: Arc::clone(&seen), quotes: Quotes::Start, before_end: Some(0) }, seen)
    }

    /// Looks for the first line's end, which tells those of the others.
    fn look(&mut self, bytes: &[u8]) {
        let Some(before) = self.before_end else { return };
        let end = memchr::memchr(b'\n', bytes);
        let last = bytes[..end.unwrap_or(bytes.len())].last().copied().unwrap_or(before);
        self.before_end = if end.is_some() { None } else { Some(last) };
        if end.is_some() {
            self.seen.crlf.store(last == b'\r', Ordering::Relaxed);
        }
    }
}

impl Read for Gauge {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let bytes = &buffer[..read];
        self.look(bytes);
        self.quotes = bytes.iter().fold(self.quotes, |quotes, byte| quotes.after(*byte));
        if read == 0 && !buffer.is_empty() {
            self.seen.left_open.store(self.quotes == Quotes::Open, Ordering::Relaxed);
        }
        let pending = self.seen.pending.fetch_add(read, Ordering::Relaxed) + read;
        if pending > RECORD_BYTES_MAX + buffer.len() {
            let detail = format!("a record is longer than {RECORD_BYTES_MAX} bytes; is a quote left open?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_open(text: &'static str) -> bool {
        let (mut gauge, seen) = Gauge::over(Box::new(text.as_bytes()));
        gauge.read_to_end(&mut Vec::new()).unwrap();
        seen.left_open()
    }

    #[test]
    fn a_quote_left_open_is_seen() {
        assert!(left_open("key,name\na,\"abc\nb,x\n"));
        assert!(left_open("key,name\na,\"abc\"\""));
        for closed in
            ["", "key\na\n", "k,n\na,\"b \"\"c\"\" d\"\n", "k,n\na,5\" pipe\n", "k,n\na,\"x\"", "k\r\n\"a\"\r\n"]
        {
            assert!(!left_open(closed), "{closed}");
        }
    }
}
