//! How a plan is answered: its nodes in the order chosen, what each uses, finds and costs.

#![allow(clippy::unimplemented)]
use crate::{index::Index, query::plan::Plan};

/// One node of a plan, looked at alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The canonical text of a predicate, or the logical operator.
    pub label: String,
    /// What answers it: `posting`, `column`, `dictionary`, `event log` …
    pub using: String,
    /// How many contacts the planner thought would match.
    pub estimate: u64,
    /// How many match.
    pub count: u64,
    /// Time to answer this node alone. Units: nanoseconds of the stopwatch.
    pub nanos: u64,
    /// What it is made of, in the order of work.
    pub children: Vec<Explained>,
}

/// Answers every node of a plan alone and tells how. `stopwatch` tells nanoseconds since any fixed instant.
pub fn explain(plan: &Plan, index: &Index, stopwatch: &dyn Fn() -> u64) -> Explained {
    let _ = (plan, index, stopwatch);
    unimplemented!()
}
