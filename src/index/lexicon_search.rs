//! The texts of a lexicon that pass a test: found block by block, all keys of a block together.

use memchr::memmem::Finder;

use crate::{
    bitmap::{CHUNK, chunk::Chunk, posting::Posting, words::Words},
    index::{
        expression::Own,
        grams::BLOCK,
        lexicon::Lexicon,
        matching::{Glob, TextMatch, key},
    },
};

/// Blocks of a chunk of codes: one for each word.
const CHUNK_BLOCKS: u32 = CHUNK as u32 / BLOCK;
const _: () = assert!(BLOCK == u64::BITS, "the codes of a block are the bits of a word");

/// From so many texts on a regular expression is worth a whole automaton.
pub(super) const AUTOMATON_MIN: u32 = 4_096;

/// A test made ready for a lexicon. Chunks of codes may be asked by several threads.
pub struct Search<'a> {
    lexicon: &'a Lexicon,
    test: &'a TextMatch,
    hits: Hits,
}

/// Where texts that pass can be.
enum Hits {
    /// These codes, ascending, are all that pass.
    Codes(Vec<u32>),
    /// In these blocks, and in those from a number on.
    Blocks(Posting, u32),
}

/// The keys of a block's texts, one after the other.
#[derive(Default)]
pub(super) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Lexicon {
    /// Makes a test ready.
    pub fn search<'a>(&'a self, test: &'a TextMatch) -> Search<'a> {
        let hits = match test {
            TextMatch::Equal(needle) => Hits::Codes(self.find_equal(needle)),
            test => match self.grams.candidates(&test.literals()) {
                Some(blocks) => Hits::Blocks(blocks, self.grams.blocks()),
                None => Hits::Blocks(Posting::new(), 0),
            },
        };
        if let TextMatch::Regex(expression) = test
            && self.code_end() >= AUTOMATON_MIN
        {
            expression.prepare();
        }
        Search { lexicon: self, test, hits }
    }

    /// The codes whose texts pass a test.
    pub fn codes_matching(&self, test: &TextMatch) -> Posting {
        let search = self.search(test);
        search.first(search.chunk_count())
    }

    /// In which of a block's texts, as they were written, an expression is found, a bit each. `ends` is a scratch.
    fn found_in_block(&self, block: u32, expression: &Own<'_>, ends: &mut Vec<usize>) -> u64 {
        let first = block * BLOCK;
        let bytes = self.strings.run(first, (first + BLOCK).min(self.code_end()), ends);
        let (mut texts, mut start, mut held) = ([&[][..]; BLOCK as usize], 0, 0);
        for (at, (text, end)) in texts.iter_mut().zip(ends).enumerate() {
            *text = &bytes[start..*end];
            held |= u64::from(start < *end) << at;
            start = *end;
        }
        expression.found_in(&texts) & held
    }

    /// Reads the keys of a block's texts, empty where there is none.
    pub(super) fn read_block(&self, block: u32, keys: &mut Keys) {
        let first = block * BLOCK;
        let end = (first + BLOCK).min(self.code_end());
        keys.bytes.clear();
        let bytes = self.strings.run(first, end, &mut keys.ends);
        if bytes.is_ascii() {
            match self.case_sensitive {
                true => keys.bytes.extend_from_slice(bytes),
                false => keys.bytes.extend(bytes.iter().map(u8::to_ascii_lowercase)),
            }
            return;
        }
        keys.ends.clear();
        for code in first..end {
            keys.bytes.extend_from_slice(key(self.get(code), self.case_sensitive).as_bytes());
            keys.ends.push(keys.bytes.len());
        }
    }
}

impl Search<'_> {
    /// How many chunks of codes there are.
    pub fn chunk_count(&self) -> usize {
        (self.lexicon.code_end() as usize).div_ceil(CHUNK)
    }

    /// The codes of the first chunks whose texts pass.
    pub fn first(&self, chunks: usize) -> Posting {
        Posting::from_chunks((0..chunks.min(self.chunk_count())).map(|at| (at, self.chunk(at))))
    }

    /// The codes of a chunk whose texts pass.
    pub fn chunk(&self, at: usize) -> Chunk {
        let first = at as u32 * CHUNK_BLOCKS;
        let end = (first + CHUNK_BLOCKS).min(self.lexicon.code_end().div_ceil(BLOCK));
        let (blocks, rest) = match &self.hits {
            Hits::Codes(codes) => {
                let of = |code: &&u32| **code as usize / CHUNK == at;
                let codes: Vec<u16> = codes.iter().filter(of).map(|code| *code as u16).collect();
                return Chunk::from_sorted(&codes);
            }
            Hits::Blocks(blocks, rest) => (blocks, *rest),
        };
        let own = match self.test {
            TextMatch::Regex(expression) => Some(expression.own()),
            _ => None,
        };
        let likely = blocks.iter_from(first).take_while(|block| *block < end.min(rest));
        let (mut keys, mut words) = (Keys::default(), Words::zero());
        for block in likely.chain(first.max(rest)..end) {
            words.0[(block - first) as usize] = self.block(block, own.as_ref(), &mut keys);
        }
        Chunk::from_words(&words)
    }

    /// Which texts of a block pass, a bit each.
    fn block(&self, block: u32, expression: Option<&Own<'_>>, keys: &mut Keys) -> u64 {
        let mut found = 0;
        if let Some(expression) = expression {
            return self.lexicon.found_in_block(block, expression, &mut keys.ends);
        }
        self.lexicon.read_block(block, keys);
        match self.test {
            TextMatch::Contains(finder) => keys.each_containing(finder, |at| found |= 1 << at),
            TextMatch::StartsWith(needle) => found = keys.passing(|key| starts(key, needle.as_bytes())),
            TextMatch::EndsWith(needle) => found = keys.passing(|key| ends(key, needle.as_bytes())),
            TextMatch::Glob(glob) => found = keys.passing_glob(glob),
            TextMatch::Equal(_) | TextMatch::Regex(_) => {}
        }
        found
    }
}

/// Needles and keys are mostly too short to be worth a call.
fn starts(key: &[u8], needle: &[u8]) -> bool {
    key.len() >= needle.len() && key.iter().zip(needle).all(|(a, b)| a == b)
}

fn ends(key: &[u8], needle: &[u8]) -> bool {
    key.len() >= needle.len() && key.iter().rev().zip(needle.iter().rev()).all(|(a, b)| a == b)
}

impl Keys {
    /// Each key, empty where there is no text.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// Which keys, none of them empty, pass, a bit each.
    fn passing(&self, passes: impl Fn(&[u8]) -> bool) -> u64 {
        let bit = |(at, key): (usize, &[u8])| u64::from(!key.is_empty() && passes(key)) << at;
        self.iter().enumerate().map(bit).fold(0, |all, bit| all | bit)
    }

    fn passing_glob(&self, glob: &Glob) -> u64 {
        let mut found = 0;
        if let Some((first, finder, last)) = glob.around_one() {
            // The first hit behind the beginning leaves the most for the end.
            self.each_hit(finder, |at, key, hit| {
                let is_behind = hit >= first.len();
                if is_behind {
                    let rest = &key[hit + finder.needle().len()..];
                    found |= u64::from(starts(key, first) && ends(rest, last)) << at;
                }
                is_behind
            });
            return found;
        }
        let (Ok(text), mut start) = (std::str::from_utf8(&self.bytes), 0) else { return found };
        for (at, end) in self.ends.iter().enumerate() {
            found |= u64::from(start < *end && glob.matches(&text[start..*end])) << at;
            start = *end;
        }
        found
    }

    /// Calls `f` with the place of every key that holds the needle.
    fn each_containing(&self, finder: &Finder<'_>, mut f: impl FnMut(usize)) {
        self.each_hit(finder, |at, _, _| {
            f(at);
            true
        });
    }

    /// Calls `f` with the place of a key that holds the needle, the key, and where in it: one search over all keys, and a
    /// look at whether a hit lies within one. While `f` says no, the next place in the same key is sought.
    fn each_hit(&self, finder: &Finder<'_>, mut f: impl FnMut(usize, &[u8], usize) -> bool) {
        let needle = finder.needle();
        let find = |rest: &[u8]| match needle {
            [byte] => memchr::memchr(*byte, rest),
            _ => finder.find(rest),
        };
        let (mut from, mut at, mut first) = (0, 0, 0);
        while let Some(hit) = self.bytes.get(from..).and_then(find) {
            let start = from + hit;
            // Hits are mostly near each other.
            while self.ends.get(at).is_some_and(|end| *end <= start) {
                first = self.ends[at];
                at += 1;
            }
            let Some(end) = self.ends.get(at) else { return };
            let is_within = start + needle.len() <= *end;
            from = if is_within && f(at, &self.bytes[first..*end], start - first) { *end } else { start + 1 };
        }
    }

    pub(super) fn any_contains(&self, finder: &Finder<'_>) -> bool {
        let mut any = false;
        self.each_containing(finder, |_| any = true);
        any
    }
}
