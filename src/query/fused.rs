//! Set algebra over words, a block of the chunk at a time: what lies between two operators never leaves the nearest cache,
//! and what is only counted is never written.

use std::ops::Range;

use crate::{
    bitmap::{
        CHUNK, CHUNK_WORDS,
        chunk::View,
        kernels::{self, Operand},
        posting::Posting,
        words::Words,
    },
    query::{
        plan::{Node, NodeId, Plan},
        prepare::Access,
        worker::Worker,
    },
};

/// Words that are worked on at a time.
const BLOCK: usize = 256;
const _: () = assert!(CHUNK_WORDS.is_multiple_of(BLOCK), "a chunk is whole blocks");
/// Operands of one fold.
const INPUTS_MAX: usize = 24;

/// The folds of one chunk, each of words and of the results of folds before it.
#[derive(Debug, Default)]
pub(in crate::query) struct Program<'p> {
    folds: Vec<Fold>,
    /// Those of each fold side by side.
    inputs: Vec<Input<'p>>,
    /// Those of the folds that are being put together, innermost last.
    open: Vec<Input<'p>>,
    /// Words that were made for the chunk.
    own: Vec<Box<Words>>,
    /// What each fold gave for the block at hand.
    slots: Vec<[u64; BLOCK]>,
}

#[derive(Clone, Debug)]
struct Fold {
    /// Whether it unites.
    any: bool,
    inputs: Range<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Input<'p> {
    source: Source<'p>,
    negated: bool,
}

#[derive(Clone, Copy, Debug)]
enum Source<'p> {
    /// Of a posting.
    Words(&'p [u64]),
    /// Made for the chunk.
    Own(usize),
    /// The result of a fold.
    Fold(usize),
}

/// A part of a rule, as far as this chunk goes.
enum Part<'p> {
    No,
    All,
    Some(Input<'p>),
}

/// What is left to do for a chunk.
enum Work<'w, 'p> {
    NoOne,
    Everyone,
    Folds(&'w mut Program<'p>),
}

impl Part<'_> {
    fn negated(self, negated: bool) -> Self {
        match (self, negated) {
            (part, false) => part,
            (Part::No, true) => Part::All,
            (Part::All, true) => Part::No,
            (Part::Some(input), true) => Part::Some(Input { negated: !input.negated, ..input }),
        }
    }
}

/// Which nodes of a plan are set algebra over postings and nothing else. `access` tells how leaves are read, `kept`
/// which nodes are answered once for several others.
pub(in crate::query) fn fusible(plan: &Plan, access: &[Access<'_>], kept: &[bool]) -> Vec<bool> {
    let mut fusible: Vec<bool> = Vec::with_capacity(plan.nodes.len());
    for (node, kept) in plan.nodes.iter().zip(kept) {
        let is_so = match node {
            Node::Leaf(leaf, _) => matches!(access[*leaf as usize], Access::Posting(_) | Access::Postings(_)),
            // Children come before their parents.
            Node::And(children) | Node::Or(children) => {
                children.len() < INPUTS_MAX && children.iter().all(|child| fusible[child.index()])
            }
            _ => false,
        };
        fusible.push(is_so && !kept);
    }
    fusible
}

impl<'p> Program<'p> {
    /// The set bits where all operands and nodes hold.
    fn count(&mut self) -> u32 {
        self.run(|operands, _| kernels::all_count(operands) as u32)
    }

    /// The same, written to `words`.
    fn fill(&mut self, words: &mut Words) -> u32 {
        self.run(|operands, block| kernels::all_into(operands, &mut words.0[block]) as u32)
    }

    /// Works block after block; the last fold is what is asked for.
    fn run(&mut self, mut last: impl FnMut(&[Operand<'_>], Range<usize>) -> u32) -> u32 {
        let Some((result, folds)) = self.folds.split_last() else { return 0 };
        self.slots.resize(folds.len(), [0; BLOCK]);
        let mut count = 0;
        for start in (0..CHUNK_WORDS).step_by(BLOCK) {
            let block = start..start + BLOCK;
            for (at, fold) in folds.iter().enumerate() {
                let (done, rest) = self.slots.split_at_mut(at);
                let mut operands = [Operand { words: &[], negated: false }; INPUTS_MAX];
                let operands = put(&self.inputs[fold.inputs.clone()], &self.own, done, &block, &mut operands);
                match fold.any {
                    true => kernels::any_into(operands, &mut rest[0]),
                    false => kernels::all_into(operands, &mut rest[0]),
                };
            }
            let mut operands = [Operand { words: &[], negated: false }; INPUTS_MAX];
            let operands = put(&self.inputs[result.inputs.clone()], &self.own, &self.slots, &block, &mut operands);
            count += last(operands, block);
        }
        count
    }

    /// Puts together the parts that are open from a mark on.
    fn close(&mut self, any: bool, mark: usize) -> Part<'p> {
        match self.open.len() - mark {
            0 if any => Part::No,
            0 => Part::All,
            1 => self.open.pop().map_or(Part::No, Part::Some),
            _ => {
                let start = self.inputs.len();
                self.inputs.extend(self.open.drain(mark..));
                self.folds.push(Fold { any, inputs: start..self.inputs.len() });
                Part::Some(Input { source: Source::Fold(self.folds.len() - 1), negated: false })
            }
        }
    }

    /// Leaves out a part that turned out to be of no matter.
    fn back_to(&mut self, mark: usize, folds: usize) {
        self.open.truncate(mark);
        self.folds.truncate(folds);
    }

    fn own(&mut self, words: Box<Words>) -> Input<'p> {
        self.own.push(words);
        Input { source: Source::Own(self.own.len() - 1), negated: false }
    }
}

/// The operands of a fold for a block.
fn put<'a, 'o>(
    inputs: &[Input<'a>],
    own: &'a [Box<Words>],
    slots: &'a [[u64; BLOCK]],
    block: &Range<usize>,
    operands: &'o mut [Operand<'a>; INPUTS_MAX],
) -> &'o [Operand<'a>] {
    for (operand, Input { source, negated }) in operands.iter_mut().zip(inputs) {
        let words = match source {
            Source::Words(words) => &words[block.clone()],
            Source::Own(place) => &own[*place].0[block.clone()],
            Source::Fold(place) => &slots[*place][..],
        };
        *operand = Operand { words, negated: *negated };
    }
    &operands[..inputs.len()]
}

impl<'p> Worker<'p, '_> {
    /// Of operands and nodes that must all hold, how many do; `None` if the nodes are more than set algebra.
    pub(in crate::query) fn fused_count(&mut self, operands: &[Operand<'p>], nodes: &[NodeId]) -> Option<u32> {
        self.fused(operands, nodes, |work| match work {
            Work::Folds(program) => program.count(),
            Work::Everyone => CHUNK as u32,
            Work::NoOne => 0,
        })
    }

    /// The same, with who they are.
    pub(in crate::query) fn fused_into(
        &mut self,
        operands: &[Operand<'p>],
        nodes: &[NodeId],
        words: &mut Words,
    ) -> Option<u32> {
        self.fused(operands, nodes, |work| match work {
            Work::Folds(program) => program.fill(words),
            Work::Everyone => {
                words.fill(true);
                CHUNK as u32
            }
            Work::NoOne => {
                words.fill(false);
                0
            }
        })
    }

    fn fused(
        &mut self,
        operands: &[Operand<'p>],
        nodes: &[NodeId],
        run: impl FnOnce(Work<'_, 'p>) -> u32,
    ) -> Option<u32> {
        let prepared = self.prepared;
        let fits = operands.len() + nodes.len() <= INPUTS_MAX;
        if !fits || !nodes.iter().all(|node| prepared.fusible[node.index()]) {
            return None;
        }
        let mut program = std::mem::take(&mut self.program);
        let plain = |operand: &Operand<'p>| Input { source: Source::Words(operand.words), negated: operand.negated };
        program.open.extend(operands.iter().map(plain));
        let is_possible = nodes.iter().all(|node| match self.part(&mut program, *node) {
            Part::No => false,
            Part::All => true,
            Part::Some(input) => {
                program.open.push(input);
                true
            }
        });
        let count = match (is_possible, program.open.len()) {
            (false, _) => run(Work::NoOne),
            (true, 0) => run(Work::Everyone),
            (true, _) => {
                let start = program.inputs.len();
                let Program { inputs, open, .. } = &mut program;
                inputs.append(open);
                program.folds.push(Fold { any: false, inputs: start..program.inputs.len() });
                run(Work::Folds(&mut program))
            }
        };
        program.folds.clear();
        program.inputs.clear();
        program.open.clear();
        program.own.drain(..).for_each(|words| self.give(words));
        self.program = program;
        Some(count)
    }

    fn part(&mut self, program: &mut Program<'p>, id: NodeId) -> Part<'p> {
        let (prepared, mark, folds) = (self.prepared, program.open.len(), program.folds.len());
        match prepared.plan.node(id) {
            Node::Leaf(leaf, negated) => match &prepared.access[*leaf as usize] {
                Access::Posting(posting) => self.any_posting(program, std::slice::from_ref(posting)).negated(*negated),
                Access::Postings(postings) => self.any_posting(program, postings).negated(*negated),
                _ => Part::No,
            },
            Node::And(children) => {
                // A list leaves so few that words are not worth it.
                let is_list = |child: &NodeId| matches!(self.signed(*child), Some((View::Array(_), false)));
                if children.iter().any(is_list) {
                    let mut words = self.take();
                    prepared.index.live().chunk(self.chunk).load_into(&mut words);
                    self.narrow(id, &mut words);
                    return Part::Some(program.own(words));
                }
                for child in &prepared.order[id.index()] {
                    match self.part(program, *child) {
                        Part::No => {
                            program.back_to(mark, folds);
                            return Part::No;
                        }
                        Part::All => {}
                        Part::Some(input) => program.open.push(input),
                    }
                }
                program.close(false, mark)
            }
            Node::Or(children) => {
                let plain = |child: &NodeId| self.plain(*child);
                let views: Vec<View<'p>> = children.iter().filter_map(plain).collect();
                let rest = children.iter().filter(|child| plain(child).is_none()).copied();
                let rest: Vec<NodeId> = rest.collect();
                match self.any(program, views.into_iter()) {
                    Part::All => return Part::All,
                    Part::No => {}
                    Part::Some(input) => program.open.push(input),
                }
                for child in rest {
                    match self.part(program, child) {
                        Part::All => {
                            program.back_to(mark, folds);
                            return Part::All;
                        }
                        Part::No => {}
                        Part::Some(input) => program.open.push(input),
                    }
                }
                program.close(true, mark)
            }
            _ => Part::No,
        }
    }

    fn any_posting(&mut self, program: &mut Program<'p>, postings: &'p [Posting]) -> Part<'p> {
        let chunk = self.chunk;
        self.any(program, postings.iter().map(|posting| posting.chunk(chunk).view()))
    }

    /// Any of some sets. Lists are put into words of their own, all together.
    fn any(&mut self, program: &mut Program<'p>, views: impl Iterator<Item = View<'p>>) -> Part<'p> {
        let (mark, mut lists) = (program.open.len(), None);
        for view in views {
            match view {
                View::Empty => {}
                View::Full => {
                    program.open.truncate(mark);
                    lists.into_iter().for_each(|words| self.give(words));
                    return Part::All;
                }
                View::Array(list) => lists.get_or_insert_with(|| self.take_zero()).set_all(list),
                View::Words(words) => {
                    program.open.push(Input { source: Source::Words(&words.0), negated: false });
                }
            }
        }
        if let Some(words) = lists {
            let input = program.own(words);
            program.open.push(input);
        }
        program.close(true, mark)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::{
        model::value::Value,
        query::fixture::{World, not},
        rule::ast::Rule,
    };

    /// A whole chunk and some of another. Of every hundred contacts of the first and of the second chunk so many have a tag.
    const SHARES: [(u32, u32); 8] = [(100, 0), (0, 100), (50, 50), (30, 3), (10, 80), (3, 3), (1, 0), (90, 100)];
    /// More tags than a fold has operands.
    const TAGS: usize = 32;
    const CONTACTS: u32 = CHUNK as u32 + 3_000;

    fn world() -> (World, Vec<u32>) {
        let (mut world, mut rng) = (World::new("UTC", "2026-05-01T12:00:00Z"), Pcg64Mcg::seed_from_u64(7));
        let tags = (0..CONTACTS).map(|n| {
            let share = |tag: usize| if n < CHUNK as u32 { SHARES[tag % 8].0 } else { SHARES[tag % 8].1 };
            (0..TAGS).fold(0, |tags, tag| tags | u32::from(rng.random_range(0..100) < share(tag)) << tag)
        });
        let tags: Vec<u32> = tags.collect();
        for (n, tags) in tags.iter().enumerate() {
            let id = world.contact(&format!("c{n}"));
            let names = (0..TAGS).filter(|tag| tags >> tag & 1 == 1).map(|tag| format!("t{tag}").into());
            world.set(id, "tags", Value::Set(names.collect()));
        }
        (world, tags)
    }

    fn rule(rng: &mut Pcg64Mcg, depth: u32) -> Rule {
        let tag = |rng: &mut Pcg64Mcg| Rule::Tag(format!("t{}", rng.random_range(0..TAGS)).into());
        if depth == 0 {
            return match rng.random_range(0..4) {
                0 => Rule::AnyTag((0..3).map(|_| format!("t{}", rng.random_range(0..TAGS)).into()).collect()),
                1 => not(tag(rng)),
                _ => tag(rng),
            };
        }
        // Now and then more than a fold takes.
        let many = if rng.random_range(0..8) == 0 { rng.random_range(20..30) } else { rng.random_range(2..5) };
        let mut part = || {
            let depth = rng.random_range(0..depth);
            rule(rng, depth)
        };
        let parts = (0..many).map(|_| part()).collect();
        match rng.random_range(0..5) {
            0 => not(Rule::And(parts)),
            1 | 2 => Rule::And(parts),
            _ => Rule::Or(parts),
        }
    }

    fn holds(rule: &Rule, tags: u32) -> bool {
        let has = |name: &str| tags >> name[1..].parse::<u32>().unwrap() & 1 == 1;
        match rule {
            Rule::Tag(tag) => has(tag),
            Rule::AnyTag(some) => some.iter().any(|tag| has(tag)),
            Rule::Not(inner) => !holds(inner, tags),
            Rule::And(parts) => parts.iter().all(|part| holds(part, tags)),
            Rule::Or(parts) => parts.iter().any(|part| holds(part, tags)),
            other => panic!("no such rule is made: {other:?}"),
        }
    }

    #[test]
    fn set_algebra_agrees_with_every_contact_by_itself() {
        let ((world, tags), mut rng) = (world(), Pcg64Mcg::seed_from_u64(11));
        let all = |many: usize| (0..many).map(|tag| Rule::Tag(format!("t{tag}").into())).collect::<Vec<Rule>>();
        let edges = [23, 24, 25, 32].into_iter().flat_map(|many| {
            let some: Vec<Rule> =
                all(many).into_iter().filter(|rule| !matches!(rule, Rule::Tag(tag) if &**tag == "t0")).collect();
            [
                Rule::Or(all(many)),
                Rule::And(all(many)),
                not(Rule::And(some.clone())),
                Rule::And(vec![Rule::Tag("t2".into()), Rule::Or(some)]),
            ]
        });
        let drawn: Vec<Rule> = (0..150).map(|round| rule(&mut rng, 1 + round % 3)).collect();
        for rule in edges.chain(drawn) {
            let wanted: Vec<u32> = (0..CONTACTS).filter(|id| holds(&rule, tags[*id as usize])).collect();
            let plan = world.bind(&rule).unwrap();
            assert_eq!(plan.count(&world.index), wanted.len() as u64, "{rule:?}");
            assert!(plan.evaluate(&world.index).iter().eq(wanted.iter().copied()), "{rule:?}");
        }
    }
}
