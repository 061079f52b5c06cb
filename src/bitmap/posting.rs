//! A set of contact ids. Cloning is a pointer; a write to a shared one is noted beside its directory, or copies it.

use std::{fmt, sync::Arc};

use crate::bitmap::{
    CHUNK,
    chunk::Chunk,
    chunk_ops,
    directory::{Directory, EMPTY, join, split},
    kernels::SLACK,
    recent::{CHUNKS_MIN, Recent},
};

/// A set of contact ids, ordered.
#[derive(Clone, Default)]
pub struct Posting(Form);

#[derive(Clone, Default)]
enum Form {
    #[default]
    Empty,
    Plain(Arc<Directory>),
    /// A directory that others hold too, and where the set is another by now.
    Recent(Arc<Recent>),
}

impl Posting {
    /// The empty set; allocates nothing.
    pub fn new() -> Posting {
        Posting(Form::Empty)
    }

    /// The ids below `n`.
    pub fn range(n: u32) -> Posting {
        let (full, rest) = split(n);
        let mut directory = Directory::default();
        for key in 0..full {
            directory.push(key, Chunk::FULL);
        }
        let last: Vec<u16> = (0..rest).collect();
        directory.push(full, Chunk::from_sorted(&last));
        Posting::of(directory)
    }

    fn of(directory: Directory) -> Posting {
        Posting(if directory.keys.is_empty() { Form::Empty } else { Form::Plain(Arc::new(directory)) })
    }

    /// The set of chunks with ascending numbers; empty ones are left out.
    ///
    /// Panics: on a chunk number past 65,535.
    pub fn from_chunks(chunks: impl IntoIterator<Item = (usize, Chunk)>) -> Posting {
        let mut directory = Directory::default();
        for (at, chunk) in chunks {
            let key = u16::try_from(at).expect("ids have 32 bits");
            debug_assert!(directory.keys.last().is_none_or(|&last| last < key), "chunk numbers ascend");
            directory.push(key, chunk);
        }
        directory.keys.shrink_to_fit();
        directory.chunks.shrink_to_fit();
        Posting::of(directory)
    }

    /// How many ids; known, not counted.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Form::Empty => 0,
            Form::Plain(directory) => directory.len,
            Form::Recent(recent) => recent.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `id` is in.
    pub fn contains(&self, id: u32) -> bool {
        match &self.0 {
            Form::Empty => false,
            Form::Plain(directory) => directory.contains(id),
            Form::Recent(recent) => recent.contains(id),
        }
    }

    /// Sets in `out` a bit for each of the ids, which ascend, that is in, by its place in the list; `out` has none set.
    pub fn gather(&self, ids: &[u32], out: &mut [u64]) {
        match &self.0 {
            Form::Empty => {}
            Form::Plain(directory) => directory.gather(ids, out),
            Form::Recent(recent) => recent.gather(ids, out),
        }
    }

    /// Puts `id` in; returns whether it was not.
    pub fn insert(&mut self, id: u32) -> bool {
        if self.has_readers() {
            return !self.contains(id) && self.note(id, true);
        }
        self.directory_mut().insert(id)
    }

    /// Takes `id` out; returns whether it was in.
    pub fn remove(&mut self, id: u32) -> bool {
        if self.is_empty() {
            return false;
        }
        let was = if self.has_readers() {
            self.contains(id) && self.note(id, false)
        } else {
            self.directory_mut().remove(id)
        };
        if self.is_empty() {
            self.0 = Form::Empty;
        }
        was
    }

    /// Whether others hold the directory, so that a write is noted beside it.
    fn has_readers(&self) -> bool {
        match &self.0 {
            Form::Empty => false,
            Form::Plain(directory) => Arc::strong_count(directory) > 1,
            Form::Recent(_) => true,
        }
    }

    /// Notes a change beside the directory, or makes it in the directory where that is cheaper; returns true.
    fn note(&mut self, id: u32, is_in: bool) -> bool {
        match &mut self.0 {
            Form::Plain(directory) if directory.chunks.len() >= CHUNKS_MIN => {
                let mut recent = Recent::of(Arc::clone(directory));
                recent.set(id, is_in);
                self.0 = Form::Recent(Arc::new(recent));
            }
            Form::Recent(recent) if Arc::strong_count(recent) > 1 || recent.has_room() => {
                Recent::make_mut(recent).set(id, is_in);
            }
            _ => self.directory_mut().toggle(&[id]),
        }
        true
    }

    /// Puts ids in, which ascend.
    pub fn insert_all(&mut self, ids: &[u32]) {
        if ids.is_empty() {
            return;
        }
        debug_assert!(ids.is_sorted(), "ids ascend");
        let directory = self.directory_mut();
        let mut run: Vec<u16> = Vec::new();
        for ids in ids.chunk_by(|a, b| a >> 16 == b >> 16) {
            run.clear();
            run.extend(ids.iter().map(|id| *id as u16));
            let key = split(ids[0]).0;
            let place = directory.place(key).unwrap_or_else(|place| {
                directory.keys.insert(place, key);
                directory.chunks.insert(place, Chunk::EMPTY);
                place
            });
            let chunk = &mut directory.chunks[place];
            let before = chunk.len();
            chunk.insert_all(&run);
            directory.len += u64::from(chunk.len() - before);
        }
    }

    fn directory(&self) -> Option<&Directory> {
        match &self.0 {
            Form::Empty => None,
            Form::Plain(directory) => Some(directory),
            Form::Recent(recent) => Some(recent.whole()),
        }
    }

    fn directory_mut(&mut self) -> &mut Directory {
        match &self.0 {
            Form::Empty => self.0 = Form::Plain(Arc::default()),
            Form::Recent(recent) => self.0 = Form::Plain(recent.merged()),
            Form::Plain(_) => {}
        }
        match &mut self.0 {
            Form::Plain(directory) => Arc::make_mut(directory),
            Form::Empty | Form::Recent(_) => unreachable!("it was just made plain"),
        }
    }

    /// Chunk `at`; empty past the end.
    pub fn chunk(&self, at: usize) -> &Chunk {
        match (self.directory(), u16::try_from(at)) {
            (Some(directory), Ok(key)) => directory.chunk(key),
            _ => &EMPTY,
        }
    }

    /// One more than the number of the last chunk that is not empty.
    pub fn chunk_count(&self) -> usize {
        self.keys().last().map_or(0, |&key| usize::from(key) + 1)
    }

    fn keys(&self) -> &[u16] {
        self.directory().map_or(&[], |directory| &directory.keys)
    }

    fn slots(&self) -> &[Chunk] {
        self.directory().map_or(&[], |directory| &directory.chunks)
    }

    /// The chunks that are not empty, with their numbers, ascending.
    pub fn chunks(&self) -> impl DoubleEndedIterator<Item = (usize, &Chunk)> + '_ {
        self.keys().iter().map(|&key| usize::from(key)).zip(self.slots())
    }

    /// Replaces chunk `at`.
    ///
    /// Panics: when `at` is past 65,535 and the chunk is not empty.
    pub fn set_chunk(&mut self, at: usize, chunk: Chunk) {
        let Ok(key) = u16::try_from(at) else {
            assert!(chunk.is_empty(), "ids have 32 bits");
            return;
        };
        if chunk.is_empty() && self.chunk(at).is_empty() {
            return;
        }
        let directory = self.directory_mut();
        directory.len += u64::from(chunk.len());
        match (directory.place(key), chunk.is_empty()) {
            (Ok(place), false) => {
                let old = std::mem::replace(&mut directory.chunks[place], chunk);
                directory.len -= u64::from(old.len());
            }
            (Ok(place), true) => {
                directory.keys.remove(place);
                directory.len -= u64::from(directory.chunks.remove(place).len());
            }
            (Err(place), _) => {
                directory.keys.insert(place, key);
                directory.chunks.insert(place, chunk);
            }
        }
        if directory.len == 0 {
            self.0 = Form::Empty;
        }
    }

    /// The ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.iter_from(0)
    }

    /// The ids from `from` on, ascending.
    pub fn iter_from(&self, from: u32) -> impl Iterator<Item = u32> + '_ {
        let (first, at) = split(from);
        let place = self.keys().partition_point(|&key| key < first);
        self.keys()[place..].iter().zip(&self.slots()[place..]).flat_map(move |(&key, chunk)| {
            let ids = chunk.iter_from(if key == first { at } else { 0 });
            ids.map(move |at| join(key, at))
        })
    }

    /// The ids, ascending, as a list of their own.
    pub fn to_ids(&self) -> Vec<u32> {
        let mut ids = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0) + SLACK);
        for (number, chunk) in self.chunks() {
            chunk.push_ids((number * CHUNK) as u32, &mut ids);
        }
        ids
    }

    /// The smallest id.
    pub fn min(&self) -> Option<u32> {
        self.iter().next()
    }

    /// The largest id.
    pub fn max(&self) -> Option<u32> {
        let (key, chunk) = self.chunks().next_back()?;
        Some(join(key as u16, chunk.select(chunk.len() - 1)?))
    }

    /// How many ids are smaller than `id`.
    pub fn rank(&self, id: u32) -> u64 {
        let (key, at) = split(id);
        let place = self.keys().partition_point(|&other| other < key);
        let whole: u64 = self.slots()[..place].iter().map(|chunk| u64::from(chunk.len())).sum();
        whole + u64::from(self.chunk(usize::from(key)).rank(at))
    }

    /// The `n`-th id, from 0.
    pub fn select(&self, n: u64) -> Option<u32> {
        let mut left = n;
        for (key, chunk) in self.chunks() {
            match left.checked_sub(u64::from(chunk.len())) {
                Some(rest) => left = rest,
                None => return chunk.select(left as u32).map(|at| join(key as u16, at)),
            }
        }
        None
    }

    /// Ids in both.
    pub fn and(&self, other: &Posting) -> Posting {
        let (few, many) = if self.keys().len() <= other.keys().len() { (self, other) } else { (other, self) };
        Posting::from_chunks(few.chunks().map(|(key, chunk)| (key, chunk_ops::and(chunk, many.chunk(key)))))
    }

    /// How many ids are in both.
    pub fn and_len(&self, other: &Posting) -> u64 {
        let (few, many) = if self.keys().len() <= other.keys().len() { (self, other) } else { (other, self) };
        few.chunks().map(|(key, chunk)| u64::from(chunk_ops::and_len(chunk, many.chunk(key)))).sum()
    }

    /// How many ids of one chunk are in both.
    pub fn and_len_of(&self, other: &Posting, chunk: usize) -> u32 {
        chunk_ops::and_len(self.chunk(chunk), other.chunk(chunk))
    }

    /// Ids in either.
    pub fn or(&self, other: &Posting) -> Posting {
        if self.is_same(other) || other.is_empty() {
            return self.clone();
        }
        self.merged(other, chunk_ops::or)
    }

    /// Ids of this one that `other` does not have.
    pub fn and_not(&self, other: &Posting) -> Posting {
        if other.is_empty() {
            return self.clone();
        }
        Posting::from_chunks(self.chunks().map(|(key, chunk)| (key, chunk_ops::and_not(chunk, other.chunk(key)))))
    }

    /// Ids in exactly one.
    pub fn xor(&self, other: &Posting) -> Posting {
        self.merged(other, chunk_ops::xor)
    }

    fn merged(&self, other: &Posting, op: fn(&Chunk, &Chunk) -> Chunk) -> Posting {
        let mut keys = [self.keys(), other.keys()].concat();
        keys.sort_unstable();
        keys.dedup();
        let pair = |key: usize| (key, op(self.chunk(key), other.chunk(key)));
        Posting::from_chunks(keys.into_iter().map(|key| pair(usize::from(key))))
    }

    /// Whether the two are the same object in memory (a cheap, sufficient test of equality).
    pub fn is_same(&self, other: &Posting) -> bool {
        match (&self.0, &other.0) {
            (Form::Empty, Form::Empty) => true,
            (Form::Plain(a), Form::Plain(b)) => Arc::ptr_eq(a, b),
            (Form::Recent(a), Form::Recent(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Heap bytes; mapped payloads count as none.
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Form::Empty => 0,
            Form::Plain(directory) => directory.memory_bytes(),
            Form::Recent(recent) => recent.memory_bytes(),
        }
    }
}

impl PartialEq for Posting {
    fn eq(&self, other: &Posting) -> bool {
        self.is_same(other)
            || (self.len() == other.len() && self.keys() == other.keys() && self.slots() == other.slots())
    }
}

impl Eq for Posting {}

impl FromIterator<u32> for Posting {
    /// Any order will do; ascending is fastest.
    fn from_iter<I: IntoIterator<Item = u32>>(ids: I) -> Posting {
        let mut posting = Posting::new();
        let mut run: Vec<u16> = Vec::new();
        let mut of = 0;
        let flush = |posting: &mut Posting, key: u16, run: &mut Vec<u16>| {
            if posting.chunk(usize::from(key)).is_empty() {
                posting.set_chunk(usize::from(key), Chunk::from_sorted(run));
            } else {
                posting.extend(run.iter().map(|&at| join(key, at)));
            }
            run.clear();
        };
        for id in ids {
            let (key, at) = split(id);
            if key != of || run.last().is_some_and(|&last| last >= at) {
                flush(&mut posting, of, &mut run);
                of = key;
            }
            run.push(at);
        }
        flush(&mut posting, of, &mut run);
        posting
    }
}

impl Extend<u32> for Posting {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, ids: I) {
        for id in ids {
            self.insert(id);
        }
    }
}

impl fmt::Debug for Posting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TOLD: usize = 32;
        write!(f, "{} ids ", self.len())?;
        f.debug_list().entries(self.iter().take(TOLD)).finish()?;
        if self.len() > TOLD as u64 { f.write_str("…") } else { Ok(()) }
    }
}

const _: () = assert!(CHUNK == 1 << 16);
