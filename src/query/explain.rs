//! How a plan is answered: its nodes in the order chosen, what each uses, finds and costs.

use crate::{
    index::Index,
    query::{
        label::label,
        plan::{Leaf, Node, NodeId, Plan},
        prepare::{Access, Prepared, access_of},
        reader::Shortcut,
        value_test::ValueTest,
    },
    rule::ast::TextOp,
};

/// One node of a plan, looked at alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The canonical text of a predicate, or the logical operator.
    pub label: String,
    /// What answers it: `posting`, `column scan`, `event log` …
    pub using: String,
    /// How many contacts the planner thought would match.
    pub estimate: u64,
    /// How many match.
    pub count: u64,
    /// Time to answer this node alone. Units: nanoseconds of the stopwatch.
    pub nanos: u64,
    /// What it is made of, in the order of work; of a node that was shown already, nothing.
    pub children: Vec<Explained>,
}

/// Answers every node of a plan alone and tells how. `stopwatch` tells nanoseconds since any fixed instant.
pub fn explain(plan: &Plan, index: &Index, stopwatch: &dyn Fn() -> u64) -> Explained {
    let prepared = Prepared::new(plan, index);
    let mut shown = vec![false; plan.len()];
    explain_node(&prepared, plan.root, stopwatch, &mut shown)
}

fn explain_node(prepared: &Prepared<'_>, id: NodeId, stopwatch: &dyn Fn() -> u64, shown: &mut [bool]) -> Explained {
    let plan = prepared.plan;
    let start = stopwatch();
    if let Node::Leaf(leaf, _) = plan.node(id) {
        // What finding the way into the index costs belongs to the leaf.
        access_of(&plan.leaves[*leaf as usize].leaf, plan, prepared.index);
    }
    let count = prepared.count(id);
    let nanos = stopwatch().saturating_sub(start);
    let order: &[NodeId] = if shown[id.index()] { &[] } else { &prepared.order[id.index()] };
    shown[id.index()] = true;
    let mut children = Vec::with_capacity(order.len());
    for child in order {
        children.push(explain_node(prepared, *child, stopwatch, shown));
    }
    let estimate = prepared.estimates[id.index()].round() as u64;
    Explained { label: label(plan, id), using: using(prepared, id), estimate, count, nanos, children }
}

fn using(prepared: &Prepared<'_>, id: NodeId) -> String {
    let Node::Leaf(position, _) = prepared.plan.node(id) else {
        return match prepared.plan.node(id) {
            Node::All | Node::None => "nothing".to_owned(),
            Node::And(_) => "intersection of words, cheapest first".to_owned(),
            Node::Or(_) => "union of words".to_owned(),
            _ => "counters over words".to_owned(),
        };
    };
    let leaf = &prepared.plan.leaves[*position as usize].leaf;
    match &prepared.access[*position as usize] {
        Access::Posting(_) => posting_of(leaf).to_owned(),
        Access::Postings(postings) => format!("union of {} postings", postings.len()),
        Access::Scan(_, spans) if spans.as_slice().len() == 1 => "column scan".to_owned(),
        Access::Scan(_, spans) => format!("{} column scans", spans.as_slice().len()),
        Access::Rows(..) => "column, row by row".to_owned(),
        Access::Spread(..) => "key hashes".to_owned(),
        Access::Events(reader, _) => match reader.shortcut() {
            Some(Shortcut::Window(..)) => "first/last columns, event log for the rest".to_owned(),
            Some(Shortcut::First(..)) => "first column".to_owned(),
            Some(Shortcut::Last(..)) => "last column, event log for the rest".to_owned(),
            None => "event log of the candidates".to_owned(),
        },
    }
}

fn posting_of(leaf: &Leaf) -> &'static str {
    match leaf {
        Leaf::Value(_, ValueTest::Present) => "presence posting",
        Leaf::Value(_, ValueTest::Pattern(pattern)) if pattern.op() == TextOp::Regex => "dictionary",
        Leaf::Value(_, ValueTest::Pattern(_)) => "trigrams and dictionary",
        Leaf::Domain(..) => "domain posting",
        Leaf::Pinned(_) => "segment posting",
        _ => "posting",
    }
}
