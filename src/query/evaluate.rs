//! Answers of a plan over all contacts: chunk by chunk, on several threads when there is enough to do.

use std::ops::Range;

use rayon::prelude::*;

use crate::{
    bitmap::{
        chunk::{Chunk, View},
        kernels::{self, Operand},
        posting::Posting,
        words::Words,
    },
    index::Index,
    query::{
        plan::{Leaf, Node, NodeId, Plan},
        prepare::{Access, Prepared},
        worker::{FEW, Worker},
    },
};

/// Less work than this stays on the calling thread; waking others costs a tenth of it. Units: nanoseconds.
const ALONE_NANOS: u64 = 200_000;
/// A task is at least so much work. Units: nanoseconds.
const TASK_NANOS: u64 = 50_000;
/// Operands of one pass over the words.
const OPERANDS_MAX: usize = 8;

impl Plan {
    /// The live contacts that the rule holds for.
    pub fn evaluate(&self, index: &Index) -> Posting {
        Prepared::new(self, index).evaluate(self.root)
    }

    /// How many they are; nothing is built.
    pub fn count(&self, index: &Index) -> u64 {
        Prepared::new(self, index).count(self.root)
    }
}

/// The members of one chunk.
enum Answer {
    /// None.
    Empty,
    /// These, in the worker's list.
    Few,
    /// So many, in the worker's words.
    Words(u32),
}

impl Prepared<'_> {
    /// The live contacts that a node holds.
    pub fn evaluate(&self, node: NodeId) -> Posting {
        if let Some(posting) = self.known(node) {
            return posting;
        }
        let runs = self.over_chunks(|chunks| {
            let mut worker = Worker::new(self);
            let (mut words, mut few) = (Words::boxed(), Vec::new());
            let mut found = Vec::new();
            for chunk in chunks {
                worker.enter(chunk);
                match worker.answer(node, &mut words, &mut few) {
                    Answer::Few if !few.is_empty() => found.push((chunk, Chunk::from_sorted(&few))),
                    Answer::Words(1..) => found.push((chunk, Chunk::from_words(&words))),
                    Answer::Empty | Answer::Few | Answer::Words(_) => {}
                }
            }
            found
        });
        let mut posting = Posting::new();
        for (chunk, members) in runs.into_iter().flatten() {
            posting.set_chunk(chunk, members);
        }
        posting
    }

    /// The live contacts that a node holds within each of some chunks.
    pub fn evaluate_chunks(&self, node: NodeId, chunks: &[usize]) -> Vec<Chunk> {
        if let Some(posting) = self.known(node) {
            return chunks.iter().map(|chunk| posting.chunk(*chunk).clone()).collect();
        }
        let runs = self.in_runs(chunks.len(), |run| {
            let mut worker = Worker::new(self);
            let (mut words, mut few) = (Words::boxed(), Vec::new());
            let members = chunks[run].iter().map(|chunk| {
                worker.enter(*chunk);
                match worker.answer(node, &mut words, &mut few) {
                    Answer::Few => Chunk::from_sorted(&few),
                    Answer::Words(1..) => Chunk::from_words(&words),
                    Answer::Empty | Answer::Words(0) => Chunk::EMPTY,
                }
            });
            members.collect::<Vec<Chunk>>()
        });
        runs.into_iter().flatten().collect()
    }

    /// How many live contacts a node holds.
    pub fn count(&self, node: NodeId) -> u64 {
        if let Some(count) = self.known_count(node) {
            return count;
        }
        let counts = self.over_chunks(|chunks| {
            let mut worker = Worker::new(self);
            let (mut words, mut few) = (Words::boxed(), Vec::new());
            let mut count = 0;
            for chunk in chunks {
                worker.enter(chunk);
                count += u64::from(worker.count(node, &mut words, &mut few));
            }
            count
        });
        counts.into_iter().sum()
    }

    /// The count of a node that is stored.
    fn known_count(&self, node: NodeId) -> Option<u64> {
        match self.plan.node(node) {
            Node::Leaf(leaf, true) => Some(self.index.live().len() - self.stored(*leaf)?.len()),
            Node::Leaf(leaf, false) => Some(self.stored(*leaf)?.len()),
            _ => Some(self.known(node)?.len()),
        }
    }

    /// The members of a node that are stored.
    fn known(&self, node: NodeId) -> Option<Posting> {
        match self.plan.node(node) {
            Node::All => Some(self.index.live().clone()),
            Node::None => Some(Posting::new()),
            Node::Leaf(leaf, false) => self.stored(*leaf).cloned(),
            _ => None,
        }
    }

    /// The posting that is a leaf, where one of facts is: it holds live contacts only.
    fn stored(&self, leaf: u32) -> Option<&Posting> {
        match (&self.access[leaf as usize], &self.plan.leaves[leaf as usize].leaf) {
            (Access::Posting(posting), Leaf::Value(..) | Leaf::Domain(..)) => Some(posting),
            _ => None,
        }
    }

    /// Runs a task over ranges of the chunks that have live contacts, in order.
    fn over_chunks<T: Send>(&self, task: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        self.in_runs(self.index.live().chunk_count(), task)
    }

    /// Runs a task over ranges of so many chunks, in order.
    fn in_runs<T: Send>(&self, chunks: usize, task: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        let work = self.chunk_nanos.saturating_mul(chunks as u64);
        let threads = rayon::current_num_threads();
        if work < ALONE_NANOS || threads == 1 || chunks < 2 {
            return vec![task(0..chunks)];
        }
        // A few tasks a thread, so that an uneven one does not keep the others waiting.
        let tasks = (work / TASK_NANOS).clamp(2, threads as u64 * 4).min(chunks as u64) as usize;
        let range = |task: usize| task * chunks / tasks..(task + 1) * chunks / tasks;
        (0..tasks).into_par_iter().map(|number| task(range(number))).collect()
    }
}

/// What a conjunction finds when it sorts its postings by their form.
struct Sorted<'v> {
    /// Words, as they are or negated.
    operands: Vec<Operand<'v>>,
    /// Lists that must hold, shortest first.
    lists: Vec<&'v [u16]>,
    /// Lists that must not.
    banned: Vec<&'v [u16]>,
    /// Children that are no postings, from this place on.
    rest: Vec<NodeId>,
}

impl<'p> Worker<'p, '_> {
    /// The members of the chunk that a node holds, into `words` or `few`.
    fn answer(&mut self, node: NodeId, words: &mut Words, few: &mut Vec<u16>) -> Answer {
        let Some(sorted) = self.sort(node) else {
            return Answer::Empty;
        };
        if let Some(list) = sorted.lists.first().filter(|list| list.len() <= FEW as usize) {
            few.clear();
            few.extend_from_slice(list);
            self.probe(&sorted, few);
            return Answer::Few;
        }
        let fused = if sorted.rest.is_empty() { None } else { self.fused_into(&sorted.operands, &sorted.rest, words) };
        let mut count = fused;
        match &sorted.operands[..] {
            _ if fused.is_some() => {}
            [] => words.fill(true),
            [only] if !only.negated => words.0.copy_from_slice(only.words),
            operands => count = Some(all_of(operands, words)),
        }
        for list in &sorted.lists {
            keep(list, words);
            count = None;
        }
        for at in sorted.banned.iter().flat_map(|list| list.iter()) {
            words.clear(*at);
            count = None;
        }
        if !sorted.rest.is_empty() && fused.is_none() {
            self.narrow_all(&sorted.rest, words);
            count = None;
        }
        Answer::Words(count.unwrap_or_else(|| words.count()))
    }

    /// How many members of the chunk a node holds.
    fn count(&mut self, node: NodeId, words: &mut Words, few: &mut Vec<u16>) -> u32 {
        let Some(sorted) = self.sort(node) else {
            return 0;
        };
        if sorted.lists.is_empty() && sorted.rest.is_empty() && sorted.banned.is_empty() {
            match &sorted.operands[..] {
                [] => return crate::bitmap::CHUNK as u32,
                operands if operands.len() <= OPERANDS_MAX => return kernels::all_count(operands) as u32,
                _ => {}
            }
        }
        if sorted.lists.is_empty()
            && sorted.banned.is_empty()
            && let Some(count) = self.fused_count(&sorted.operands, &sorted.rest)
        {
            return count;
        }
        match self.answer(node, words, few) {
            Answer::Empty => 0,
            Answer::Few => few.len() as u32,
            Answer::Words(count) => count,
        }
    }

    /// Sorts the live contacts and the children of a conjunction (or the node itself) by form; `None` when one of
    /// them says that the chunk holds no member.
    fn sort(&mut self, node: NodeId) -> Option<Sorted<'p>> {
        let prepared = self.prepared;
        let alone = [node];
        let children: &[NodeId] = match prepared.plan.node(node) {
            Node::And(_) => &prepared.order[node.index()],
            _ => &alone,
        };
        let mut sorted = Sorted { operands: vec![], lists: vec![], banned: vec![], rest: vec![] };
        let live = prepared.index.live().chunk(self.chunk).view();
        for (view, negated) in [(live, false)].into_iter().chain(children.iter().filter_map(|id| self.signed(*id))) {
            match (view, negated) {
                (View::Empty, false) | (View::Full, true) => return None,
                (View::Empty, true) | (View::Full, false) => {}
                (View::Array(list), false) => sorted.lists.push(list),
                (View::Array(list), true) => sorted.banned.push(list),
                (View::Words(words), negated) => sorted.operands.push(Operand { words: &words.0, negated }),
            }
        }
        sorted.lists.sort_by_key(|list| list.len());
        sorted.rest = children.iter().copied().filter(|id| self.signed(*id).is_none()).collect();
        Some(sorted)
    }

    /// Keeps of a few those that everything sorted holds.
    fn probe(&mut self, sorted: &Sorted<'_>, few: &mut Vec<u16>) {
        let bit = |words: &[u64], at: u16| words[usize::from(at) / 64] >> (at % 64) & 1 == 1;
        few.retain(|at| {
            sorted.operands.iter().all(|operand| bit(operand.words, *at) != operand.negated)
                && sorted.lists.iter().skip(1).all(|list| list.binary_search(at).is_ok())
                && sorted.banned.iter().all(|list| list.binary_search(at).is_err())
        });
        self.sift_all(&sorted.rest, few);
    }
}

/// `words` = the AND of operands, a few at a time; returns its set bits.
fn all_of(operands: &[Operand<'_>], words: &mut Words) -> u32 {
    let mut runs = operands.chunks(OPERANDS_MAX);
    let mut count = runs.next().map_or(0, |run| kernels::all_into(run, &mut words.0));
    for operand in runs.flatten() {
        count = if operand.negated {
            kernels::and_not_counted(&mut words.0, operand.words)
        } else {
            kernels::and_counted(&mut words.0, operand.words)
        };
    }
    count as u32
}

/// Keeps the bits that a list has too.
fn keep(list: &[u16], words: &mut Words) {
    let mut next = 0;
    for (number, word) in words.0.iter_mut().enumerate() {
        let mut mask = 0u64;
        while let Some(at) = list.get(next).filter(|at| usize::from(**at) / 64 == number) {
            mask |= 1 << (at % 64);
            next += 1;
        }
        *word &= mask;
    }
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
