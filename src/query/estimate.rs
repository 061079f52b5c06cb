//! How many contacts a leaf or a node is thought to hold, before it is asked. Only the order of work hangs on it.

use crate::{
    index::column::Column,
    query::{
        plan::{Node, NodeId},
        prepare::{Access, RowTest},
        reader::Reader,
    },
};

/// The share of rows that an anniversary is thought to hold.
const ANNIVERSARY: f64 = 0.05;
/// The share of those with events for whom a test of them is thought to hold.
const BEHAVIOR: f64 = 0.3;

/// How many contacts a leaf is thought to hold.
pub fn leaf(access: &Access<'_>, live: f64) -> f64 {
    match access {
        Access::Posting(posting) => posting.len() as f64,
        Access::Postings(postings) => postings.iter().map(|posting| posting.len() as f64).sum(),
        Access::Scan(column, spans) => {
            spans.as_slice().iter().map(|(first, last)| in_span(column, *first, *last)).sum()
        }
        Access::Rows(column, RowTest::Spans(spans)) => {
            let spans = spans.as_slice();
            match (spans.first(), spans.last()) {
                (Some(first), Some(last)) => in_span(column, first.0, last.1) * 0.5,
                _ => 0.0,
            }
        }
        Access::Rows(column, RowTest::Made(_) | RowTest::Calendar(..)) => column.present().len() as f64 * ANNIVERSARY,
        Access::Spread(_, from, to) => live * (f64::from(*to) - f64::from(*from) + 1.0) / 4_294_967_296.0,
        Access::Events(reader, _) => events(reader),
    }
}

fn events(reader: &Reader<'_>) -> f64 {
    let Some(log) = reader.log() else {
        return 0.0;
    };
    let (first, last) = reader.window();
    // Whoever has an event in the window has a last one from its start on.
    let near = in_span(log.last(), i128::from(first), i128::MAX).min(in_span(log.first(), i128::MIN, i128::from(last)));
    if reader.shortcut().is_some() { near } else { near * BEHAVIOR }
}

/// Thinks the values of a chunk spread evenly over its zone.
fn in_span(column: &Column, first: i128, last: i128) -> f64 {
    let mut sum = 0.0;
    for (chunk, rows) in column.present().chunks() {
        let Some((least, most)) = column.chunk_zone(chunk) else {
            continue;
        };
        let (from, to) = (first.max(least), last.min(most));
        if from <= to {
            let width = |from: i128, to: i128| to as f64 - from as f64 + 1.0;
            sum += f64::from(rows.len()) * width(from, to) / width(least, most);
        }
    }
    sum
}

/// How many of the live contacts a node is thought to hold, of what its leaves and children are thought to.
pub fn node(node: &Node, live: f64, leaves: &[f64], nodes: &[f64]) -> f64 {
    let share = |id: &NodeId| if live > 0.0 { (nodes[id.index()] / live).min(1.0) } else { 0.0 };
    match node {
        Node::All => live,
        Node::None => 0.0,
        Node::Leaf(leaf, false) => leaves[*leaf as usize],
        Node::Leaf(leaf, true) => (live - leaves[*leaf as usize]).max(0.0),
        Node::And(children) => live * children.iter().map(share).product::<f64>(),
        Node::Or(children) => live * (1.0 - children.iter().map(|child| 1.0 - share(child)).product::<f64>()),
        Node::Parity(..) | Node::Of(..) => live / 2.0,
    }
}
