//! One log file: its head, the walk over its frames, and the rule that tells a torn write from damage.

use std::path::{Path, PathBuf};

use crate::codec::cursor::Writer;
use crate::codec::damage::Damage;
use crate::model::planted::{Bug, planted};
use crate::storage::error::{StorageError, StorageErrorKind};
use crate::storage::format::{HEAD_BYTES, HeadKind, Identity, check_head, finish_head, le_u32, le_u64, start_head};
use crate::storage::frame::{COMMIT_BYTES, Frame, FrameKind, NoFrame, SEAL_BYTES, is_header, read_frame, read_header};

/// The head of a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The database.
    pub identity: Identity,
    /// The number in the name.
    pub sequence: u32,
    /// The position of the first frame.
    pub first: u64,
    /// The last position of the file before.
    pub previous_last: u64,
    /// The checksum of the last frame of the file before.
    pub previous_checksum: u32,
    /// Seeds the checksums of frame headers, so that frames of other files do not pass here.
    pub salt: u32,
}

impl LogHead {
    /// The head as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut head: Writer = start_head(HeadKind::Log, &self.identity);
        head.u32(self.sequence);
        head.u64(self.first);
        head.u64(self.previous_last);
        head.u32(self.previous_checksum);
        head.u32(self.salt);
        finish_head(HeadKind::Log, head)
    }

    /// Reads and checks the head at the start of a file.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<LogHead, StorageError> {
        let identity = check_head(HeadKind::Log, path, bytes)?;
        let head = LogHead {
            identity,
            sequence: le_u32(&bytes[32..]),
            first: le_u64(&bytes[36..]),
            previous_last: le_u64(&bytes[44..]),
            previous_checksum: le_u32(&bytes[52..]),
            salt: le_u32(&bytes[56..]),
        };
        if head.previous_last.checked_add(1) != Some(head.first) {
            let cause = format!("the file begins at lsn {} but follows lsn {}", head.first, head.previous_last);
            return Err(StorageError::new(StorageErrorKind::CorruptLog, "reading", path, cause).at(36));
        }
        Ok(head)
    }
}

/// Why a walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Only zeros, or nothing, follow.
    Zeros,
    /// What follows may be a write that was cut short; nothing proves that it ever was durable.
    Torn(String),
    /// What follows was durable once, or cannot be ours: refuse.
    Damaged(StorageError),
}

/// What a walk over a file found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Offset after the last whole payload (or seal).
    pub end: u64,
    /// The last position.
    pub last: u64,
    /// The checksum of the last frame before `end`.
    pub checksum: u32,
    /// Frames before `end`.
    pub frames: u64,
    /// The last frame is a seal, or there is none at all.
    pub sealed: bool,
    /// Why it ended there.
    pub stop: Stop,
}

/// Gets each payload with its position; an error stops the walk.
pub type Visit<'a> = dyn FnMut(u64, &[u8]) -> Result<(), Damage> + 'a;

/// A place in a file from where frames are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The offset.
    pub at: usize,
    /// The position before it.
    pub last: u64,
    /// The checksum that the frame there says it follows.
    pub checksum: u32,
    /// Its place in its group, if it is not the first.
    pub next_offset: u32,
}

impl Place {
    /// The start of a file.
    pub fn start(head: &LogHead) -> Place {
        Place { at: HEAD_BYTES, last: head.previous_last, checksum: head.previous_checksum, next_offset: 0 }
    }
}

/// Walks over the frames of a file given whole.
pub fn walk(path: &Path, bytes: &[u8], head: &LogHead, visit: &mut Visit<'_>) -> Walk {
    walk_from(path, bytes, head, Place::start(head), visit)
}

/// As [`walk`], from a place on.
pub fn walk_from(path: &Path, bytes: &[u8], head: &LogHead, from: Place, visit: &mut Visit<'_>) -> Walk {
    let Place { at, last, checksum, next_offset } = from;
    let mut walker = Walker {
        path: path.to_owned(),
        head: *head,
        found: Walk { end: at as u64, last, checksum, frames: 0, sealed: true, stop: Stop::Zeros },
        chain: checksum,
        at,
        pending_frames: 0,
        parts: None,
        next_offset,
    };
    walker.found.stop = walker.run(bytes, visit);
    walker.found
}

struct Walker {
    path: PathBuf,
    head: LogHead,
    found: Walk,
    chain: u32,
    at: usize,
    pending_frames: u64,
    parts: Option<Parts>,
    next_offset: u32,
}

/// Whether there are zeros alone, as in the room that is kept for what comes: most of a file, read at every start. Runs
/// are compared as a whole, which is fast also where the compiler does not optimise.
fn holds_nothing(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let (head, rest) = bytes.split_at(bytes.len().min(8));
    *head == ZEROS[..head.len()] && rest.chunks(ZEROS.len()).all(|run| *run == ZEROS[..run.len()])
}

struct Parts {
    group_offset: u16,
    count: u32,
    bytes: Vec<u8>,
}

impl Walker {
    fn run(&mut self, bytes: &[u8], visit: &mut Visit<'_>) -> Stop {
        while self.at < bytes.len() {
            let rest = &bytes[self.at..];
            if holds_nothing(rest) {
                break;
            }
            match read_frame(rest, self.head.salt) {
                Ok(frame) => {
                    let at = self.at;
                    if let Err(Damage { what, is_newer }) = self.take(&frame, visit) {
                        let damage = self.damage(at, what);
                        let kind = if is_newer { StorageErrorKind::NewerFormat } else { damage.kind };
                        return Stop::Damaged(StorageError { kind, ..damage });
                    }
                }
                Err(NoFrame::Newer(cause)) => {
                    let error = StorageError::new(StorageErrorKind::NewerFormat, "reading", &self.path, cause);
                    return Stop::Damaged(error.at(self.at as u64));
                }
                Err(NoFrame::Broken(why)) => return self.judge(bytes, &why),
            }
        }
        match &self.parts {
            Some(parts) => Stop::Torn(format!("a long payload ends after {} parts without its commit", parts.count)),
            None => Stop::Zeros,
        }
    }

    fn take(&mut self, frame: &Frame<'_>, visit: &mut Visit<'_>) -> Result<(), Damage> {
        let header = &frame.header;
        if header.previous != self.chain && !planted(Bug::IgnoreChain) {
            let (found, chain) = (header.previous, self.chain);
            let cause = format!("a frame says it follows checksum {found:08x}, but {chain:08x} is before it");
            return Err(cause.into());
        }
        let expected = self.found.last.saturating_add(u64::from(header.kind != FrameKind::Seal));
        if header.lsn != expected {
            return Err(format!("expected lsn {expected}, found lsn {}", header.lsn).into());
        }
        self.check_group(frame)?;
        self.chain = frame.checksum;
        self.at += frame.size;
        self.pending_frames += 1;
        match header.kind {
            FrameKind::Seal => self.settle(None, None, visit),
            FrameKind::Data => self.settle(Some(header.lsn), Some(frame.payload), visit),
            FrameKind::Part => {
                let parts = self.parts.get_or_insert_with(|| Parts {
                    group_offset: header.group_offset,
                    count: 0,
                    bytes: Vec::new(),
                });
                parts.count += 1;
                parts.bytes.extend_from_slice(frame.payload);
                Ok(())
            }
            FrameKind::Commit => {
                let parts = self.parts.take().ok_or("a commit frame without parts")?;
                let stated = (frame.payload.len() == COMMIT_BYTES)
                    .then(|| (le_u64(frame.payload), le_u32(&frame.payload[8..])))
                    .ok_or("a commit frame of the wrong size")?;
                if stated != (parts.bytes.len() as u64, parts.count) {
                    let found = (parts.bytes.len(), parts.count);
                    let cause = format!("a commit frame is for (bytes, parts) {stated:?}, but {found:?} are before it");
                    return Err(cause.into());
                }
                self.settle(Some(header.lsn), Some(&parts.bytes), visit)
            }
        }
    }

    fn check_group(&mut self, frame: &Frame<'_>) -> Result<(), String> {
        let header = &frame.header;
        if let Some(parts) = &self.parts {
            let goes_on = matches!(header.kind, FrameKind::Part | FrameKind::Commit);
            return match goes_on && header.group_offset == parts.group_offset {
                true => Ok(()),
                false => Err("a long payload is interrupted by another frame".into()),
            };
        }
        if header.kind == FrameKind::Seal {
            let seals = (frame.payload.len() == SEAL_BYTES).then(|| le_u64(frame.payload));
            self.next_offset = 0;
            return match header.group_offset == 0 && seals == Some(self.at as u64) {
                true => Ok(()),
                false => Err(format!("a seal frame is for offset {seals:?}")),
            };
        }
        let offset = u32::from(header.group_offset);
        if offset != 0 && offset != self.next_offset {
            return Err(format!("expected place {} in the group, found {offset}", self.next_offset));
        }
        self.next_offset = offset + 1;
        Ok(())
    }

    fn settle(&mut self, lsn: Option<u64>, payload: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), Damage> {
        if let (Some(lsn), Some(payload)) = (lsn, payload) {
            visit(lsn, payload).map_err(|damage| {
                let what = if damage.is_newer { "is not known" } else { "does not apply" };
                Damage { what: format!("lsn {lsn} {what}: {}", damage.what), ..damage }
            })?;
            self.found.last = lsn;
        }
        self.found.sealed = lsn.is_none();
        self.found.end = self.at as u64;
        self.found.checksum = self.chain;
        self.found.frames += std::mem::take(&mut self.pending_frames);
        Ok(())
    }

    /// Torn or damaged? A later frame whose group began after the expected position proves that it was durable.
    fn judge(&self, bytes: &[u8], why: &str) -> Stop {
        let expected = self.found.last.saturating_add(1);
        let (mut look_valid, mut proven, mut at) = (0u64, self.found.last, self.at);
        while at + 8 <= bytes.len() {
            let salt = self.head.salt;
            let stands = le_u64(&bytes[at..]) != 0 && is_header(&bytes[at..], salt);
            match stands.then(|| read_header(&bytes[at..], salt)) {
                Some(Ok(header)) => {
                    look_valid += u64::from(at > self.at);
                    proven = proven.max(header.proves());
                }
                Some(Err(NoFrame::Newer(_))) => look_valid += 1,
                _ => {}
            }
            at += 8;
        }
        if proven < expected || planted(Bug::CutAnywhere) {
            return Stop::Torn(why.to_owned());
        }
        let cause = format!(
            "expected lsn {expected}, found damage: {why}; lsn {proven} was durable before a later frame was written \
             ({look_valid} later frames look valid)"
        );
        Stop::Damaged(self.damage(self.at, cause))
    }

    fn damage(&self, at: usize, cause: String) -> StorageError {
        log_damage(&self.path, cause).at(at as u64)
    }
}

/// Damage of the log.
pub fn log_damage(path: &Path, cause: impl std::fmt::Display) -> StorageError {
    StorageError::new(StorageErrorKind::CorruptLog, "reading", path, cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::frame::{FrameHeader, encode_frame};

    fn head() -> LogHead {
        LogHead { identity: [1; 16], sequence: 3, first: 11, previous_last: 10, previous_checksum: 77, salt: 42 }
    }

    /// A file from (kind, lsn, group offset, payload) with a right chain.
    fn file(frames: &[(FrameKind, u64, u16, &[u8])]) -> Vec<u8> {
        let mut bytes = head().encode();
        let mut chain = head().previous_checksum;
        for &(kind, lsn, group_offset, payload) in frames {
            let at = (bytes.len() as u64).to_le_bytes();
            let payload = if kind == FrameKind::Seal { &at[..] } else { payload };
            let header = FrameHeader { len: payload.len() as u32, kind, group_offset, lsn, previous: chain };
            chain = encode_frame(&mut bytes, &header, head().salt, payload);
        }
        bytes
    }

    fn walked(bytes: &[u8]) -> (Walk, Vec<(u64, Vec<u8>)>) {
        let mut seen = Vec::new();
        let found = walk(Path::new("d/wal"), bytes, &head(), &mut |lsn, payload| {
            seen.push((lsn, payload.to_vec()));
            Ok(())
        });
        (found, seen)
    }

    fn commit(bytes: u64, parts: u32) -> Vec<u8> {
        [&bytes.to_le_bytes()[..], &parts.to_le_bytes()].concat()
    }

    #[test]
    fn heads_round_trip() {
        assert_eq!(LogHead::decode(Path::new("f"), &head().encode()), Ok(head()));
        let gap = LogHead { first: 12, ..head() };
        assert!(LogHead::decode(Path::new("f"), &gap.encode()).is_err());
    }

    #[test]
    fn data_parts_and_seals_are_walked_in_order() {
        let commit = commit(5, 2);
        let mut bytes = file(&[
            (FrameKind::Data, 11, 0, b"one"),
            (FrameKind::Part, 12, 1, b"lo"),
            (FrameKind::Part, 12, 1, b"ng!"),
            (FrameKind::Commit, 12, 1, &commit),
            (FrameKind::Seal, 12, 0, b""),
            (FrameKind::Data, 13, 0, b""),
        ]);
        let end = bytes.len() as u64;
        bytes.resize(4_096, 0);
        let (found, seen) = walked(&bytes);
        assert_eq!(seen, [(11, b"one".to_vec()), (12, b"long!".to_vec()), (13, b"".to_vec())]);
        assert_eq!((found.end, found.last, found.frames, found.sealed), (end, 13, 6, false));
        assert_eq!(found.stop, Stop::Zeros);
    }

    #[test]
    fn wrong_structure_is_damage_even_with_right_checksums() {
        let bad: [&[(FrameKind, u64, u16, &[u8])]; 8] = [
            &[(FrameKind::Data, 12, 0, b"gap")],
            &[(FrameKind::Data, 11, 0, b""), (FrameKind::Data, 11, 0, b"again")],
            &[(FrameKind::Data, 11, 3, b"group")],
            &[(FrameKind::Commit, 11, 0, &[0; 12])],
            &[(FrameKind::Part, 11, 0, b"x"), (FrameKind::Data, 11, 0, b"y")],
            &[(FrameKind::Part, 11, 0, b"x"), (FrameKind::Commit, 11, 0, &[0; 12])],
            &[(FrameKind::Part, 11, 0, b"x"), (FrameKind::Seal, 10, 0, b"")],
            &[(FrameKind::Seal, 11, 0, b"")],
        ];
        for frames in bad {
            let (found, _) = walked(&file(frames));
            assert!(matches!(found.stop, Stop::Damaged(_)), "{frames:?}: {:?}", found.stop);
        }
        let mut swapped = file(&[(FrameKind::Data, 11, 0, b"aaaa"), (FrameKind::Data, 12, 0, b"bbbb")]);
        let (a, b) = (swapped[64..96].to_vec(), swapped[96..128].to_vec());
        swapped[64..96].copy_from_slice(&b);
        swapped[96..128].copy_from_slice(&a);
        assert!(matches!(walked(&swapped).0.stop, Stop::Damaged(_)));
    }

    #[test]
    fn a_frame_that_does_not_follow_is_damage() {
        // As of an earlier life of the file: position, salt and checksums are right, only the frame before was another.
        let mut bytes = file(&[(FrameKind::Data, 11, 0, b"what was written")]);
        let mut other = file(&[(FrameKind::Data, 11, 0, b"what was replaced"), (FrameKind::Data, 12, 0, b"next")]);
        bytes.extend(other.split_off(64 + crate::storage::frame::frame_size(17)));
        let (found, seen) = walked(&bytes);
        assert_eq!(seen, [(11, b"what was written".to_vec())]);
        let Stop::Damaged(error) = found.stop else { panic!("{:?}", found.stop) };
        assert!(error.cause.contains("says it follows checksum"), "{error}");
    }

    #[test]
    fn torn_or_damaged_by_what_later_frames_prove() {
        let cases: [(&[(FrameKind, u64, u16, &[u8])], bool); 5] = [
            (&[(FrameKind::Data, 11, 0, b"last")], false),
            (&[(FrameKind::Data, 11, 0, b"same"), (FrameKind::Data, 12, 1, b"group")], false),
            (&[(FrameKind::Data, 11, 0, b"own"), (FrameKind::Data, 12, 0, b"group")], true),
            (&[(FrameKind::Data, 11, 0, b"sealed"), (FrameKind::Seal, 11, 0, b"")], true),
            (&[(FrameKind::Part, 11, 0, b"p"), (FrameKind::Part, 11, 0, b"q")], false),
        ];
        for (frames, damaged) in cases {
            let mut bytes = file(frames);
            bytes[64 + 25] ^= 1;
            bytes.resize(1_024, 0);
            let (found, seen) = walked(&bytes);
            assert!(seen.is_empty());
            assert_eq!((found.end, found.last), (64, 10));
            assert_eq!(matches!(found.stop, Stop::Damaged(_)), damaged, "{frames:?}: {:?}", found.stop);
            assert_eq!(matches!(found.stop, Stop::Torn(_)), !damaged);
        }
        let uncommitted = file(&[(FrameKind::Data, 11, 0, b"whole"), (FrameKind::Part, 12, 1, b"half")]);
        let (found, seen) = walked(&uncommitted);
        assert_eq!((seen.len(), found.last, found.frames), (1, 11, 1));
        assert!(matches!(found.stop, Stop::Torn(_)));
    }

    #[test]
    fn damage_says_what_where_and_what_helps() {
        let mut bytes = file(&[(FrameKind::Data, 11, 0, b"x"), (FrameKind::Data, 12, 0, b"y")]);
        bytes[64] ^= 1;
        let Stop::Damaged(error) = walked(&bytes).0.stop else { panic!("damaged") };
        let text = error.to_string();
        for part in ["\"d/wal\" at offset 64", "expected lsn 11", "1 later frames"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
