//! Lines of a file, from either end, a block at a time: no more of a file is in memory than a block and a line.

use std::io::{self, Read, Seek, SeekFrom};

/// What can be read from any place. Units: bytes.
pub trait Pages: Read + Seek + Send {}

impl<T: Read + Seek + Send> Pages for T {}

/// How much is read at once.
const BLOCK: usize = 64 << 10;
/// How long a line may be; of a longer one only a part is given. Units: bytes.
const LINE_MAX: usize = 64 << 10;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it begins.
    pub from: u64,
    /// Where the next one begins.
    pub to: u64,
    /// Its bytes, without the end of the line.
    pub bytes: Vec<u8>,
}

/// Lines that have an end, one after the other.
pub struct Lines {
    file: Box<dyn Pages>,
    is_back: bool,
    /// What was read and not given yet begins here in the file.
    from: u64,
    read: Vec<u8>,
    /// How much of it is given, from its beginning.
    given: usize,
    /// Of the line at hand so much was let go of.
    passed_over: u64,
}

impl Lines {
    /// From a place on, where a line begins.
    pub fn onward(file: Box<dyn Pages>, from: u64) -> Lines {
        Lines { file, is_back: false, from, read: Vec::new(), given: 0, passed_over: 0 }
    }

    /// Those before a place, where a line begins, or before the end of the file, last ones first.
    ///
    /// Errors: those of the file.
    pub fn backward(mut file: Box<dyn Pages>, before: Option<u64>) -> io::Result<Lines> {
        let end = file.seek(SeekFrom::End(0))?;
        let mut lines = Lines { is_back: true, ..Lines::onward(file, before.unwrap_or(end).min(end)) };
        // What has no end yet is still being written.
        while lines.read.last().is_some_and(|last| *last != b'\n') || (lines.read.is_empty() && lines.from > 0) {
            let end = memchr::memrchr(b'\n', &lines.read).map_or(0, |at| at + 1);
            lines.read.truncate(end);
            if lines.read.is_empty() && !lines.fill_back()? {
                break;
            }
        }
        Ok(lines)
    }

    /// The next line.
    ///
    /// Errors: those of the file.
    pub fn more(&mut self) -> io::Result<Option<Line>> {
        if self.is_back { self.next_back() } else { self.next_on() }
    }

    fn next_on(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[self.given..]) {
                let bytes = self.read[self.given..self.given + end].to_vec();
                let from = self.from + self.given as u64;
                self.given += end + 1;
                let passed_over = std::mem::take(&mut self.passed_over);
                return Ok(Some(Line { from: from - passed_over, to: from + end as u64 + 1, bytes }));
            }
            self.from += self.given as u64;
            self.read.drain(..std::mem::take(&mut self.given));
            if self.read.len() > LINE_MAX {
                self.passed_over += self.read.len() as u64;
                self.from += self.read.len() as u64;
                self.read.clear();
            }
            self.file.seek(SeekFrom::Start(self.from + self.read.len() as u64))?;
            if self.file.by_ref().take(BLOCK as u64).read_to_end(&mut self.read)? == 0 {
                return Ok(None);
            }
        }
    }

    fn next_back(&mut self) -> io::Result<Option<Line>> {
        loop {
            // The last byte is the end of the line at hand.
            let Some(last) = self.read.len().checked_sub(1) else {
                if self.fill_back()? {
                    continue;
                }
                return Ok(None);
            };
            if let Some(before) = memchr::memrchr(b'\n', &self.read[..last]) {
                return Ok(Some(self.cut(before + 1)));
            }
            if self.from == 0 {
                return Ok(Some(self.cut(0)));
            }
            if self.read.len() > LINE_MAX {
                self.passed_over += last as u64;
                self.read = vec![b'\n'];
            }
            self.fill_back()?;
        }
    }

    fn cut(&mut self, at: usize) -> Line {
        let mut bytes = self.read.split_off(at);
        let passed_over = std::mem::take(&mut self.passed_over);
        let from = self.from + at as u64;
        let to = from + bytes.len() as u64 + passed_over;
        bytes.pop();
        Line { from, to, bytes }
    }

    /// Reads the block before what was read; gives whether there is one.
    fn fill_back(&mut self) -> io::Result<bool> {
        let length = self.from.min(BLOCK as u64);
        if length == 0 {
            return Ok(false);
        }
        self.from -= length;
        self.file.seek(SeekFrom::Start(self.from))?;
        let mut block = vec![0; length as usize];
        self.file.read_exact(&mut block)?;
        block.append(&mut self.read);
        self.read = block;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use rand::{Rng, RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    fn all(mut lines: Lines) -> Vec<Line> {
        std::iter::from_fn(|| lines.more().unwrap()).collect()
    }

    fn both(text: &[u8]) -> (Vec<Line>, Vec<Line>) {
        let file = || Box::new(Cursor::new(text.to_vec()));
        let mut back = all(Lines::backward(file(), None).unwrap());
        back.reverse();
        (all(Lines::onward(file(), 0)), back)
    }

    /// Lines of lengths around those of blocks, with or without one that has no end yet.
    fn text(random: &mut impl Rng) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..random.random_range(0..8) {
            let length = [0, 1, 200, BLOCK / 2, BLOCK - 1, LINE_MAX - 1][random.random_range(0..6)];
            text.extend((0..length + random.random_range(0..2)).map(|n| b'a' + (n % 26) as u8));
            text.push(b'\n');
        }
        if random.random_range(0..2) == 0 {
            text.extend(vec![b'x'; random.random_range(0..BLOCK)]);
        }
        text
    }

    #[test]
    fn lines_are_the_same_from_either_end_and_from_any_of_them() {
        let mut random = Pcg64Mcg::seed_from_u64(7);
        for _ in 0..300 {
            let text = text(&mut random);
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let wanted: Vec<&[u8]> = text[..whole].split_inclusive(|byte| *byte == b'\n').collect();
            let (on, back) = both(&text);
            assert_eq!(on, back);
            let told: Vec<Vec<u8>> = on.iter().map(|line| [&line.bytes[..], b"\n"].concat()).collect();
            assert_eq!(told, wanted);
            let mut at = 0;
            for (n, line) in on.iter().enumerate() {
                assert_eq!((line.from, line.to), (at, at + wanted[n].len() as u64));
                at = line.to;
                let file = || Box::new(Cursor::new(text.clone()));
                assert_eq!(all(Lines::onward(file(), line.to)), on[n + 1..]);
                let before = all(Lines::backward(file(), Some(line.from)).unwrap());
                assert!(before.iter().rev().eq(&on[..n]));
            }
        }
    }

    #[test]
    fn a_line_without_measure_is_passed_over_and_the_others_are_given() {
        let mut text = b"one\n".to_vec();
        text.extend(vec![b'x'; 10 * BLOCK]);
        text.extend(b"\ntwo\n");
        let (on, back) = both(&text);
        for lines in [&on, &back] {
            assert_eq!((lines.len(), &*lines[0].bytes, &*lines[2].bytes), (3, &b"one"[..], &b"two"[..]));
            assert!(lines[1].bytes.len() <= LINE_MAX + BLOCK);
            assert_eq!((lines[1].from, lines[1].to), (4, 4 + 10 * BLOCK as u64 + 1));
        }
    }
}
