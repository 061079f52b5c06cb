//! A client of HTTP/2 that does as little as it can: it opens windows only when told to, and answers pings.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

/// What a connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection.
pub struct Http2 {
    stream: TcpStream,
}

/// One frame that the server sent.
pub struct Frame {
    /// The type (RFC 9113, 6).
    pub kind: u8,
    /// The stream, 0 for the connection.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Whether it begins an answer.
    pub fn is_head(&self) -> bool {
        self.kind == 1
    }

    /// Whether it begins an answer with 200, which comes first and has a number of its own (RFC 7541, A).
    pub fn is_ok(&self) -> bool {
        self.is_head() && self.payload.first() == Some(&0x88)
    }
}

impl Http2 {
    /// Connects; streams of the server begin with a window of so many bytes.
    pub fn connect(address: &str, window: u32) -> Http2 {
        let mut connection = Http2 { stream: TcpStream::connect(address).expect("the server listens") };
        connection.stream.write_all(PREFACE).expect("the server reads");
        let setting = [&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat();
        connection.send(4, 0, 0, &setting).expect("the server reads");
        connection
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.stream.write_all(&frame)
    }

    /// Asks for a path on a stream, which has an odd number larger than those before.
    pub fn get(&mut self, stream: u32, path: &str) -> io::Result<()> {
        let mut block = vec![0x82, 0x86];
        for (name, value) in [(4, path), (1, "localhost")] {
            block.extend([name, u8::try_from(value.len()).expect("a short path")]);
            block.extend(value.as_bytes());
        }
        self.send(1, 0b101, stream, &block)
    }

    /// Asks for a path with a header of so many bytes.
    pub fn get_filled(&mut self, stream: u32, path: &str, bytes: usize) -> io::Result<()> {
        let mut block = vec![0x82, 0x86];
        for (name, value) in [(4, path), (1, "localhost")] {
            block.extend([name, u8::try_from(value.len()).expect("a short path")]);
            block.extend(value.as_bytes());
        }
        // A literal header with a name of its own; the length of its value goes on in sevens of bits (RFC 7541, 5.1).
        block.extend(b"\x00\x08x-filler\x7f");
        let mut rest = bytes - 127;
        while rest > 127 {
            block.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        block.push(rest as u8);
        block.extend(vec![b'x'; bytes]);
        let parts: Vec<&[u8]> = block.chunks(16_000).collect();
        for (place, part) in parts.iter().enumerate() {
            let is_last = if place + 1 == parts.len() { 0b100 } else { 0 };
            match place {
                0 => self.send(1, 1 | is_last, stream, part)?,
                _ => self.send(9, is_last, stream, part)?,
            }
        }
        Ok(())
    }

    /// The next frame, if the server did not close; settings and pings are answered on the way.
    pub fn frame(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.stream.read_exact(&mut payload).ok()?;
            let (kind, flags) = (head[3], head[4]);
            match (kind, flags & 1) {
                (4, 0) => self.send(4, 1, 0, &[]).ok()?,
                (6, 0) => self.send(6, 1, 0, &payload).ok()?,
                _ => {
                    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                    return Some(Frame { kind, stream, payload });
                }
            }
        }
    }
}
