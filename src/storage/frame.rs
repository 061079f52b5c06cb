//! One frame of the log: its header, its payload, its place in the chain.

use crate::codec::checksum::{crc32c, crc32c_append};
use crate::model::planted::{Bug, planted};
use crate::storage::format::{le_u32, le_u64};

/// Length, kind, version, group offset, position, previous checksum, header checksum.
pub const FRAME_HEADER_BYTES: usize = 24;
/// The largest payload of one frame; a longer one spans several.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// The version of frames that this code writes and reads.
pub const FRAME_VERSION: u8 = 1;
/// Payload bytes of a commit frame: total length and number of parts.
pub const COMMIT_BYTES: usize = 12;
/// Payload bytes of a seal frame: the offset of the seal in its file.
pub const SEAL_BYTES: usize = 8;

const _: () = assert!(4 + 1 + 1 + 2 + 8 + 4 + 4 == FRAME_HEADER_BYTES);

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A whole payload; its position is the one after the last.
    Data = 1,
    /// A piece of a long payload, with the position the whole will have.
    Part = 2,
    /// The end of a long payload.
    Commit = 3,
    /// Says that everything up to its position is durable.
    Seal = 4,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Payload bytes.
    pub len: u32,
    /// What it holds.
    pub kind: FrameKind,
    /// How many positions lie between the first of the group (one write, one sync) and this one.
    pub group_offset: u16,
    /// The position.
    pub lsn: u64,
    /// The checksum of the frame before.
    pub previous: u32,
}

impl FrameHeader {
    /// The highest position that was durable before this frame was written: groups follow each other by a sync.
    pub fn proves(&self) -> u64 {
        match self.kind {
            FrameKind::Seal => self.lsn,
            _ => self.lsn.saturating_sub(u64::from(self.group_offset) + 1),
        }
    }
}

/// Why the bytes at an offset are not a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFrame {
    /// They may be a frame that was not written whole.
    Broken(String),
    /// They are a frame of a kind or version that this program does not know.
    Newer(String),
}

/// A frame that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: FrameHeader,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its checksum, which the next frame repeats.
    pub checksum: u32,
    /// Its bytes in the file, padding and checksum included; a multiple of 8.
    pub size: usize,
}

/// Bytes a frame takes in the file.
pub const fn frame_size(payload: usize) -> usize {
    (FRAME_HEADER_BYTES + payload + 4).next_multiple_of(8)
}

/// Appends a frame to `out`, which must be aligned to 8; returns its checksum.
pub fn encode_frame(out: &mut Vec<u8>, header: &FrameHeader, salt: u32, payload: &[u8]) -> u32 {
    debug_assert_eq!(header.len as usize, payload.len());
    let start = out.len();
    out.extend_from_slice(&header.len.to_le_bytes());
    out.push(header.kind as u8);
    out.push(FRAME_VERSION);
    out.extend_from_slice(&header.group_offset.to_le_bytes());
    out.extend_from_slice(&header.lsn.to_le_bytes());
    out.extend_from_slice(&header.previous.to_le_bytes());
    let header_checksum = crc32c_append(salt, &out[start..]);
    out.extend_from_slice(&header_checksum.to_le_bytes());
    out.extend_from_slice(payload);
    out.resize(start + frame_size(payload.len()) - 4, 0);
    let checksum = crc32c(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Whether a header that verifies stands at the start of `bytes`: the quick look for those who try every place.
pub fn is_header(bytes: &[u8], salt: u32) -> bool {
    let head = bytes.get(..FRAME_HEADER_BYTES);
    head.is_some_and(|head| le_u32(&head[20..]) == crc32c_append(salt, &head[..20]) || planted(Bug::IgnoreSalt))
}

/// Reads only the header at the start of `bytes`; its own checksum is all that is trusted.
pub fn read_header(bytes: &[u8], salt: u32) -> Result<FrameHeader, NoFrame> {
    let Some(head) = bytes.get(..FRAME_HEADER_BYTES) else {
        return Err(NoFrame::Broken(format!("{} bytes are left, fewer than a frame header", bytes.len())));
    };
    if !is_header(head, salt) {
        return Err(NoFrame::Broken("the checksum of the frame header does not hold".into()));
    }
    let kind = match head[4] {
        1 => FrameKind::Data,
        2 => FrameKind::Part,
        3 => FrameKind::Commit,
        4 => FrameKind::Seal,
        0 => return Err(NoFrame::Broken("there is no frame here".into())),
        other => return Err(NoFrame::Newer(format!("a frame has kind {other}, which this program does not know"))),
    };
    if head[5] != FRAME_VERSION {
        let version = head[5];
        return Err(NoFrame::Newer(format!(
            "a frame has version {version}; this program reads version {FRAME_VERSION}"
        )));
    }
    Ok(FrameHeader {
        len: le_u32(head),
        kind,
        group_offset: u16::from_le_bytes([head[6], head[7]]),
        lsn: le_u64(&head[8..]),
        previous: le_u32(&head[16..]),
    })
}

/// Reads the frame at the start of `bytes` and verifies it whole.
pub fn read_frame(bytes: &[u8], salt: u32) -> Result<Frame<'_>, NoFrame> {
    let header = read_header(bytes, salt)?;
    let len = header.len as usize;
    if len > MAX_PAYLOAD {
        return Err(NoFrame::Broken(format!("a payload of {len} bytes is over the limit of {MAX_PAYLOAD}")));
    }
    let size = frame_size(len);
    let Some(frame) = bytes.get(..size) else {
        return Err(NoFrame::Broken(format!("a frame of {size} bytes begins with {} left", bytes.len())));
    };
    let checksum = le_u32(&frame[size - 4..]);
    if checksum != crc32c(&frame[..size - 4]) {
        return Err(NoFrame::Broken(format!("the checksum of the frame of {size} bytes does not hold")));
    }
    Ok(Frame { header, payload: &frame[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + len], checksum, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(len: u32) -> FrameHeader {
        FrameHeader { len, kind: FrameKind::Data, group_offset: 3, lsn: 17, previous: 0xdead_beef }
    }

    #[test]
    fn frames_round_trip_at_every_padding() {
        for len in 0..40u32 {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut out = Vec::new();
            let checksum = encode_frame(&mut out, &header(len), 99, &payload);
            assert_eq!(out.len(), frame_size(payload.len()));
            assert_eq!(out.len() % 8, 0);
            let frame = read_frame(&out, 99).unwrap();
            assert_eq!(frame, Frame { header: header(len), payload: &payload, checksum, size: out.len() });
            assert!(read_frame(&out, 98).is_err(), "another salt");
        }
    }

    #[test]
    fn every_flip_and_every_truncation_breaks_it() {
        let mut out = Vec::new();
        encode_frame(&mut out, &header(21), 5, b"twenty-one bytes here");
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read_frame(&bad, 5), Err(NoFrame::Broken(_))), "bit {bit}");
        }
        for cut in 0..out.len() {
            assert!(matches!(read_frame(&out[..cut], 5), Err(NoFrame::Broken(_))), "cut {cut}");
        }
    }

    #[test]
    fn unknown_kinds_and_versions_are_newer_not_broken() {
        for at in [4usize, 5] {
            let mut out = Vec::new();
            encode_frame(&mut out, &header(3), 5, b"abc");
            out[at] = 9;
            let checksum = crc32c_append(5, &out[..20]);
            out[20..24].copy_from_slice(&checksum.to_le_bytes());
            assert!(matches!(read_frame(&out, 5), Err(NoFrame::Newer(_))));
        }
    }

    #[test]
    fn what_a_frame_proves() {
        assert_eq!(header(0).proves(), 13);
        assert_eq!(FrameHeader { kind: FrameKind::Seal, ..header(0) }.proves(), 17);
        assert_eq!(FrameHeader { group_offset: 0, lsn: 0, ..header(0) }.proves(), 0);
    }
}
