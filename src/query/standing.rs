//! One predicate of a saved rule, kept bound while its now moves on.

use std::sync::Arc;

use crate::{
    bitmap::{chunk::Chunk, posting::Posting},
    index::{Index, property::PropertyIndex},
    model::{
        id::{ContactId, EventKindId, PropertyId},
        schema::Schema,
        time::Timestamp,
    },
    query::{
        behavior::Behavior,
        bind::bind_form,
        context::{BindError, Context, NoSegments},
        look_ahead::Ahead,
        motion::{EventMotion, Motion},
        moving::Moving,
        plan::{Leaf, Node, Plan},
        prepare::Prepared,
        probe::{Probe, leaf_holds},
        quick,
    },
    rule::ast::Rule,
};

/// One predicate of a saved rule, at an instant that can be moved.
#[derive(Clone, Debug)]
pub struct Standing {
    rule: Rule,
    reads: Reads,
    plan: Plan,
    motion: Motion,
}

/// The facts that a predicate reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The properties, ascending.
    pub properties: Vec<PropertyId>,
    /// The kinds of events, ascending.
    pub kinds: Vec<EventKindId>,
}

/// What of a predicate the clock can change.
pub(in crate::query) enum Timed<'a> {
    /// Nothing.
    Never,
    /// A test of the values of a property.
    Value(PropertyId, &'a Moving),
    /// A test of events.
    Events(&'a Behavior, &'a EventMotion),
}

impl Standing {
    /// Binds a checked predicate or the complement of one: what is not made of other rules and names no segment.
    ///
    /// Errors: [`BindError`], for what the schema does not have.
    pub fn new(rule: &Rule, schema: &Arc<Schema>, now: Timestamp) -> Result<Standing, BindError> {
        debug_assert!(is_predicate(rule), "of parts, each stands for itself");
        let plan = bind_form(rule, &Context { schema, segments: &NoSegments, now, as_of: now }, true)?;
        let motion = Motion::new(rule, &plan, schema)?;
        Ok(Standing { rule: rule.clone(), reads: reads(&plan), plan, motion })
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
        self.motion.is_timed()
    }

    /// The instant that it is asked at.
    pub fn now(&self) -> Timestamp {
        self.plan.clock.now
    }

    /// Moves it to an instant. What is bound is not bound again, and patterns are not compiled again.
    pub fn set_now(&mut self, now: Timestamp) {
        let Plan { clock, leaves, .. } = &mut self.plan;
        if clock.now == now {
            return;
        }
        clock.now = now;
        match &mut self.motion {
            Motion::Still => {}
            Motion::Value(leaf, moving) => {
                moving.follow(clock);
                if let Leaf::Value(_, test) = &mut leaves[*leaf].leaf {
                    moving.write(now, test);
                }
            }
            Motion::Events(leaf, motion) => {
                if let Leaf::Behavior(behavior, _) = &mut leaves[*leaf].leaf {
                    motion.follow(clock, now, behavior);
                }
            }
        }
    }

    /// Whether a contact is live and the predicate holds for it.
    pub fn holds(&self, index: &Index, contact: ContactId) -> bool {
        index.live().contains(contact.0) && self.holds_of_live(index, contact)
    }

    pub(in crate::query) fn holds_of_live(&self, index: &Index, contact: ContactId) -> bool {
        match self.plan.node(self.plan.root) {
            Node::Leaf(leaf, negated) => {
                let leaf = &self.plan.leaves[*leaf as usize].leaf;
                let quick = match leaf {
                    Leaf::Behavior(behavior, differs) => {
                        let newest = self.hinge().and_then(|hinge| hinge.position(index, contact));
                        quick::holds(behavior, index, contact, newest).map(|holds| holds != *differs)
                    }
                    _ => None,
                };
                quick.unwrap_or_else(|| leaf_holds(leaf, &self.plan, index, contact)) != *negated
            }
            _ => Probe::new(&self.plan, index, contact).holds(self.plan.root),
        }
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
    ///
    /// Time alone is: no fact is written, no event comes due. It is the instant of the change itself, except that a
    /// length of months or years is looked at again some days before, and that a test of events which changes only
    /// after many of them left the window is looked at again on the way.
    pub fn next_check(&self, index: &Index, contact: ContactId) -> Option<Timestamp> {
        match self.timed() {
            Timed::Never => None,
            Timed::Value(property, moving) => {
                let Some(PropertyIndex::Ordered(_, column)) = index.property(property) else {
                    return None;
                };
                Some(moving.flip(column.get(contact.0)?, &self.plan.clock)?.at)
            }
            Timed::Events(behavior, motion) => {
                Ahead { behavior, motion, clock: &self.plan.clock, index }.check(contact).map(|flip| flip.at)
            }
        }
    }

    /// What of it the clock can change.
    pub(in crate::query) fn timed(&self) -> Timed<'_> {
        let leaf = |leaf: usize| &self.plan.leaves[leaf].leaf;
        match &self.motion {
            Motion::Still => Timed::Never,
            Motion::Value(number, moving) => match leaf(*number) {
                Leaf::Value(property, _) => Timed::Value(*property, moving),
                _ => Timed::Never,
            },
            Motion::Events(number, motion) => match leaf(*number) {
                Leaf::Behavior(behavior, _) if motion.is_timed() => Timed::Events(behavior, motion),
                _ => Timed::Never,
            },
        }
    }

    /// Where it begins.
    pub(in crate::query) fn root(&self) -> &Node {
        self.plan.node(self.plan.root)
    }

    /// Whether it is one leaf, or the complement of one, and asks nothing else.
    pub(in crate::query) fn is_one_leaf(&self) -> bool {
        self.plan.leaves.len() == 1 && matches!(self.root(), Node::Leaf(0, _))
    }

    /// What it asks first, if it asks anything.
    pub(in crate::query) fn leaf(&self) -> Option<&Leaf> {
        self.plan.leaves.first().map(|labeled| &labeled.leaf)
    }

    /// When and where it is asked.
    pub(in crate::query) fn clock(&self) -> &crate::query::bounds::Clock {
        &self.plan.clock
    }
}

fn is_predicate(rule: &Rule) -> bool {
    match rule {
        Rule::Not(rule) => is_predicate(rule),
        Rule::And(_) | Rule::Or(_) | Rule::Xor(_) | Rule::Of { .. } | Rule::Segment(_) => false,
        _ => true,
    }
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

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
