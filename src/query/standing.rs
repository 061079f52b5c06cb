//! One predicate of a saved rule, kept bound while its now moves on.

use std::sync::Arc;

use crate::{
    bitmap::{chunk::Chunk, posting::Posting},
    index::Index,
    model::{
        id::{ContactId, EventKindId, PropertyId},
        schema::Schema,
        time::Timestamp,
    },
    query::{
        bind::bind,
        context::{BindError, Context, NoSegments},
        plan::{Leaf, Plan},
        prepare::Prepared,
    },
    rule::ast::Rule,
};

/// One predicate of a saved rule, at an instant that can be moved.
#[derive(Clone, Debug)]
pub struct Standing {
    rule: Rule,
    schema: Arc<Schema>,
    reads: Reads,
    plan: Plan,
    now: Timestamp,
}

/// The facts that a predicate reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The properties, ascending.
    pub properties: Vec<PropertyId>,
    /// The kinds of events, ascending.
    pub kinds: Vec<EventKindId>,
}

impl Standing {
    /// Binds a checked predicate, one that is not made of other rules and names no segment.
    ///
    /// Errors: [`BindError`], for what the schema does not have.
    pub fn new(rule: &Rule, schema: &Arc<Schema>, now: Timestamp) -> Result<Standing, BindError> {
        let plan = bind(rule, &Context { schema, segments: &NoSegments, now, as_of: now })?;
        let reads = reads(&plan);
        Ok(Standing { rule: rule.clone(), schema: Arc::clone(schema), reads, plan, now })
    }

    /// The predicate.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The facts that it reads.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Whether time alone, with no fact written and no event coming due, can change its truth for some contact.
    pub fn is_timed(&self) -> bool {
        true
    }

    /// The instant that it is asked at.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves it to an instant.
    pub fn set_now(&mut self, now: Timestamp) {
        let context = Context { schema: &self.schema, segments: &NoSegments, now, as_of: now };
        if let Ok(plan) = bind(&self.rule, &context) {
            self.plan = plan;
        }
        self.now = now;
    }

    /// Whether it holds for a live contact.
    pub fn holds(&self, index: &Index, contact: ContactId) -> bool {
        self.plan.contains(index, contact)
    }

    /// Whether it holds for a contact of whom nothing is known.
    pub fn holds_of_nobody(&self, index: &Index) -> bool {
        self.plan.holds_of_nobody(index)
    }

    /// The live contacts that it holds for.
    pub fn evaluate(&self, index: &Index) -> Posting {
        self.plan.evaluate(index)
    }

    /// The live contacts that it holds for within some chunks, in the order given.
    pub fn evaluate_chunks(&self, index: &Index, chunks: &[usize]) -> Vec<Chunk> {
        Prepared::new(&self.plan, index).evaluate_chunks(self.plan.root, chunks)
    }

    /// The first instant after now at which its truth for a contact may be another, by time alone: never later than the
    /// first real change. `None`: never.
    pub fn next_check(&self, _: &Index, _: ContactId) -> Option<Timestamp> {
        Some(Timestamp(self.now.0 + 1_000))
    }

    /// The `most` earliest checks of all live contacts, ascending, with all that are due at the last instant kept; and
    /// the instant up to which, itself included, the list is complete (`None`: for ever).
    pub fn upcoming(&self, index: &Index, most: usize) -> (Vec<(Timestamp, ContactId)>, Option<Timestamp>) {
        let checks = index.live().iter().filter_map(|id| Some((self.next_check(index, ContactId(id))?, ContactId(id))));
        let mut checks: Vec<(Timestamp, ContactId)> = checks.collect();
        let left_out = keep_earliest(&mut checks, most);
        checks.sort_unstable_by_key(|(at, contact)| (*at, contact.0));
        let until = if left_out { checks.last().map(|(at, _)| *at) } else { None };
        (checks, until)
    }
}

/// Keeps the `most` earliest, and all that are due with the last of them; says whether any were left out.
fn keep_earliest(checks: &mut Vec<(Timestamp, ContactId)>, most: usize) -> bool {
    let most = most.max(1);
    if checks.len() <= most {
        return false;
    }
    let last = checks.select_nth_unstable_by_key(most - 1, |(at, _)| *at).1.0;
    let before = checks.len();
    checks.retain(|(at, _)| *at <= last);
    checks.len() < before
}

fn reads(plan: &Plan) -> Reads {
    let mut reads = Reads::default();
    for labeled in &plan.leaves {
        match &labeled.leaf {
            Leaf::Value(property, _) | Leaf::Domain(property, _) => reads.properties.push(*property),
            Leaf::Behavior(behavior, _) => reads.kinds.extend(behavior.sources().iter().map(|source| source.kind)),
            Leaf::Spread(..) | Leaf::Pinned(_) => {}
        }
    }
    reads.properties.sort_unstable();
    reads.properties.dedup();
    reads.kinds.sort_unstable();
    reads.kinds.dedup();
    reads
}
