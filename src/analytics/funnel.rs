//! A segment's rule node by node: how many each part holds, and how many are left after each step.

use crate::{
    analytics::sweep::{summed, sweep},
    bitmap::{posting::Posting, tally, words::Words},
    rule::{
        self,
        ast::{Quantity, Rule},
    },
    segment::{book::Book, formula::Formula, live::Live, saved::Dynamic},
};

/// One part of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its canonical text.
    pub text: String,
    /// The same in words; of a group what joins its parts.
    pub words: String,
    /// `and`, `or`, `xor`, `not`, `of`, `segment`, `constant` or `predicate`.
    pub kind: &'static str,
    /// Whom it holds.
    pub count: u64,
    /// Of a part of an AND: whom it and the parts before it hold. Of an OR: whom it or a part before it holds.
    pub so_far: Option<u64>,
    /// What it is made of, in the order written.
    pub parts: Vec<Part>,
}

/// A rule's parts with their counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Funnel {
    /// The rule.
    pub rule: Part,
    /// Members by a pin alone.
    pub pinned_in: u64,
    /// Those whom the rule holds and a pin keeps out.
    pub pinned_out: u64,
}

/// A part as logic over sets that are kept.
enum Node {
    Leaf(Formula),
    All(Vec<Node>),
    Any(Vec<Node>),
    Odd(Vec<Node>),
    Not(Box<Node>),
    Of(Vec<Node>, u32, u32),
}

/// Counts the parts of a saved rule, from the sets that are kept; `None` when a predicate of it is not kept.
pub fn funnel(live: &Live, book: &Book, dynamic: &Dynamic, everyone: &Posting) -> Option<Funnel> {
    let node = node(live, book, &dynamic.rule)?;
    let length = 2 * size(&node) + 2;
    let counted = sweep(everyone.chunk_count(), |chunk| {
        let mut counts = Vec::with_capacity(length);
        let mut there = Words::boxed();
        everyone.chunk(chunk).load_into(&mut there);
        let held = walk(&node, live, chunk, &there, &mut counts);
        let mut pinned = Words::boxed();
        dynamic.include.chunk(chunk).load_into(&mut pinned);
        dynamic.exclude.chunk(chunk).and_not_into(&mut pinned);
        pinned.and_not(&held);
        counts.push(u64::from(pinned.count()));
        pinned.copy_from(&held);
        dynamic.exclude.chunk(chunk).and_into(&mut pinned);
        counts.push(u64::from(pinned.count()));
        counts
    });
    let counts = summed(counted, length);
    let mut places = counts.chunks(2);
    let rule = told(&dynamic.rule, &mut places, false);
    let pins = places.next().unwrap_or(&[0, 0]);
    Some(Funnel { rule, pinned_in: pins[0], pinned_out: pins[1] })
}

fn node(live: &Live, book: &Book, rule: &Rule) -> Option<Node> {
    let all = |rules: &[Rule]| rules.iter().map(|rule| node(live, book, rule)).collect::<Option<Vec<Node>>>();
    Some(match rule {
        Rule::And(rules) => Node::All(all(rules)?),
        Rule::Or(rules) => Node::Any(all(rules)?),
        Rule::Xor(rules) => Node::Odd(all(rules)?),
        Rule::Not(inner) => Node::Not(Box::new(node(live, book, inner)?)),
        Rule::Of { quantity, n, rules } => {
            let (least, most) = match quantity {
                Quantity::AtLeast => (*n, u32::MAX),
                Quantity::AtMost => (0, *n),
                Quantity::Exactly => (*n, *n),
            };
            Node::Of(all(rules)?, least, most)
        }
        leaf => Node::Leaf(live.formula_of(book, leaf)?),
    })
}

fn size(node: &Node) -> usize {
    match node {
        Node::Leaf(_) => 1,
        Node::Not(inner) => 1 + size(inner),
        Node::All(nodes) | Node::Any(nodes) | Node::Odd(nodes) | Node::Of(nodes, ..) => {
            1 + nodes.iter().map(size).sum::<usize>()
        }
    }
}

/// Whom a node holds in a chunk. For it and all below, itself first, two counts are noted: whom it holds, and whom it
/// holds with those before it.
fn walk(node: &Node, live: &Live, chunk: usize, there: &Words, counts: &mut Vec<u64>) -> Box<Words> {
    let own = counts.len();
    counts.extend([0, 0]);
    let mut held = Words::boxed();
    let mut each = |nodes: &[Node], join: &mut dyn FnMut(&Words) -> u32| {
        for node in nodes {
            let place = counts.len();
            let words = walk(node, live, chunk, there, counts);
            counts[place + 1] = u64::from(join(&words));
        }
    };
    match node {
        Node::Leaf(formula) => {
            formula.fill(live, chunk, &mut held);
            held.and(there);
        }
        Node::All(nodes) => {
            held.copy_from(there);
            each(nodes, &mut |words| {
                held.and(words);
                held.count()
            });
        }
        Node::Any(nodes) => each(nodes, &mut |words| {
            held.or(words);
            held.count()
        }),
        Node::Odd(nodes) => each(nodes, &mut |words| {
            held.xor(words);
            0
        }),
        Node::Not(inner) => {
            held.copy_from(there);
            each(std::slice::from_ref(inner), &mut |words| {
                held.and_not(words);
                0
            });
        }
        Node::Of(nodes, least, most) => {
            let mut sets: Vec<Box<Words>> = Vec::new();
            each(nodes, &mut |words| {
                let mut copy = Words::boxed();
                copy.copy_from(words);
                sets.push(copy);
                0
            });
            let sets: Vec<&[u64]> = sets.iter().map(|words| &words.0[..]).collect();
            tally::between(&sets, *least, *most, &mut held.0);
            held.and(there);
        }
    }
    counts[own] = u64::from(held.count());
    held
}

fn told(rule: &Rule, counts: &mut std::slice::Chunks<'_, u64>, steps: bool) -> Part {
    let own = counts.next().unwrap_or(&[0, 0]);
    let (kind, inner, joined): (_, &[Rule], _) = match rule {
        Rule::And(rules) => ("and", rules, true),
        Rule::Or(rules) => ("or", rules, true),
        Rule::Xor(rules) => ("xor", rules, false),
        Rule::Of { rules, .. } => ("of", rules, false),
        Rule::Not(inner) => ("not", std::slice::from_ref(&**inner), false),
        Rule::Segment(_) => ("segment", &[], false),
        Rule::All | Rule::None => ("constant", &[], false),
        _ => ("predicate", &[], false),
    };
    Part {
        text: rule::print(rule),
        words: rule::words(rule),
        kind,
        count: own[0],
        so_far: steps.then_some(own[1]),
        parts: inner.iter().map(|rule| told(rule, counts, joined)).collect(),
    }
}
