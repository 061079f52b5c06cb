//! What a bound rule can never hold, whatever the facts are. It proves or stays silent; it never guesses.

use std::collections::HashMap;

use crate::{
    index::matching::key_of,
    model::id::{EventKindId, PropertyId},
    query::{
        behavior::{Behavior, Filter, Source},
        bind::bind_form,
        context::{BindError, Context},
        plan::{Leaf, Node, NodeId, Plan},
        spans::Spans,
        value_test::{Texts, ValueTest},
    },
    rule::ast::Rule,
};

/// Ways through ORs that are tried, at most.
const WAYS_MAX: u32 = 2_000;
/// Pairs of spans that are worked out, at most.
const PAIRS_MAX: usize = 100_000;

/// Whether it is certain that a plan holds no one, whatever the facts are. `is_single` tells of a property whether a
/// contact has one value of it at most.
pub fn never_holds(plan: &Plan, is_single: &dyn Fn(PropertyId) -> bool) -> bool {
    if let Some(constant) = plan.constant() {
        return !constant;
    }
    let mut search = Search { plan, is_single, ways: WAYS_MAX };
    search.fails(vec![plan.root], Known::default())
}

/// A span of time that events of a kind must lie in, and that a plan asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The kind.
    pub kind: EventKindId,
    /// The first instant. Units: milliseconds.
    pub first: i64,
    /// The last one.
    pub last: i64,
}

/// The kinds of events and the spans of time that a rule asks about, and the properties.
///
/// Errors: as [`crate::query::bind::bind`].
pub fn asked(rule: &Rule, context: &Context<'_>) -> Result<(Vec<Asked>, Vec<PropertyId>), BindError> {
    // A window without an instant is not to become a constant here.
    let plan = bind_form(rule, context, true)?;
    let (mut spans, mut properties) = (Vec::new(), Vec::new());
    for labeled in &plan.leaves {
        match &labeled.leaf {
            Leaf::Value(property, _) | Leaf::Domain(property, _) => properties.push(*property),
            Leaf::Behavior(behavior, _) => {
                let span = |source: &Source| Asked { kind: source.kind, first: source.first, last: source.last };
                spans.extend(behavior.sources().iter().map(span));
            }
            Leaf::Spread(..) | Leaf::Pinned(_) => {}
        }
    }
    Ok((spans, properties))
}

struct Search<'p> {
    plan: &'p Plan,
    is_single: &'p dyn Fn(PropertyId) -> bool,
    ways: u32,
}

impl Search<'_> {
    /// Whether nodes, all of which must hold beside what is known, cannot.
    fn fails(&mut self, mut nodes: Vec<NodeId>, mut known: Known) -> bool {
        let mut choices: Vec<NodeId> = Vec::new();
        while let Some(id) = nodes.pop() {
            match self.plan.node(id) {
                Node::None => return true,
                // Those that are counted are let be: to know less never proves more.
                Node::All | Node::Parity(..) | Node::Of(..) => {}
                Node::And(children) => nodes.extend(children),
                Node::Or(_) => choices.push(id),
                Node::Leaf(leaf, negated) => {
                    if known.add(*leaf, &self.plan.leaves[*leaf as usize].leaf, *negated, self.is_single) {
                        return true;
                    }
                }
            }
        }
        let Some(choice) = choices.pop() else { return false };
        for child in self.plan.node(choice).children() {
            if self.ways == 0 {
                return false;
            }
            self.ways -= 1;
            let mut nodes = choices.clone();
            nodes.push(*child);
            if !self.fails(nodes, known.clone()) {
                return false;
            }
        }
        true
    }
}

/// What must hold of one contact.
#[derive(Clone, Default)]
struct Known {
    signs: HashMap<u32, bool>,
    values: HashMap<PropertyId, Facts>,
    /// At least so many events.
    least: Vec<(Source, u64)>,
    /// At most so many.
    most: Vec<(Source, u64)>,
}

/// What must hold of the value of a property.
#[derive(Clone, Default)]
struct Facts {
    present: Option<bool>,
    /// Where the position must lie.
    inside: Option<Spans>,
    outside: Vec<(i128, i128)>,
    /// What the flag must be, and must not.
    flags: Vec<(bool, bool)>,
    /// The texts, as they are compared, of which it must be one, and must not.
    among: Option<Vec<String>>,
    not_among: Vec<String>,
}

impl Known {
    /// Notes that a leaf, or its complement, holds; says whether that cannot be.
    fn add(&mut self, number: u32, leaf: &Leaf, negated: bool, is_single: &dyn Fn(PropertyId) -> bool) -> bool {
        if *self.signs.entry(number).or_insert(negated) != negated {
            return true;
        }
        match leaf {
            Leaf::Value(property, test) => {
                let facts = self.values.entry(*property).or_default();
                facts.add(test, negated, is_single(*property))
            }
            Leaf::Domain(property, _) if !negated => {
                self.values.entry(*property).or_default().add(&ValueTest::Present, false, false)
            }
            Leaf::Behavior(behavior, differs) => match &**behavior {
                Behavior::Count(source, test) => {
                    let must = *differs == negated;
                    let (least, most) = match (must, test.except) {
                        (true, _) => (test.least, test.most),
                        (false, None) if test.least == 0 && test.most < u64::MAX => (test.most + 1, u64::MAX),
                        (false, None) if test.most == u64::MAX && test.least > 0 => (0, test.least - 1),
                        _ => return false,
                    };
                    self.count(source, least, most)
                }
                _ => false,
            },
            Leaf::Domain(..) | Leaf::Spread(..) | Leaf::Pinned(_) => false,
        }
    }

    fn count(&mut self, source: &Source, least: u64, most: u64) -> bool {
        if least > 0 {
            self.least.push((source.clone(), least));
        }
        if most < u64::MAX {
            self.most.push((source.clone(), most));
        }
        let is_empty = least > 0 && source.first > source.last;
        is_empty
            || self
                .least
                .iter()
                .any(|(part, least)| self.most.iter().any(|(whole, most)| least > most && is_within(part, whole)))
    }
}

/// Whether every event of one source is one of the other.
fn is_within(part: &Source, whole: &Source) -> bool {
    part.kind == whole.kind
        && whole.first <= part.first
        && part.last <= whole.last
        && (part.filter == whole.filter || whole.filter == Filter::PASS)
}

impl Facts {
    fn add(&mut self, test: &ValueTest, negated: bool, is_single: bool) -> bool {
        let keys = |texts: &Texts| -> Vec<String> {
            texts.iter().map(|text| key_of(text, texts.is_case_sensitive())).collect()
        };
        match (test, negated) {
            (ValueTest::Present, _) => return self.be(!negated),
            (_, false) if self.be(true) => return true,
            _ if !is_single => return false,
            (ValueTest::Spans(spans), false) => {
                let inside = self.inside.take();
                self.inside = Some(inside.map_or_else(|| spans.clone(), |inside| common(&inside, spans)));
            }
            (ValueTest::Spans(spans), true) => self.outside.extend(spans.as_slice()),
            (ValueTest::Flag(flag), _) => self.flags.push((*flag, negated)),
            (ValueTest::Texts(texts), false) => {
                let keys = keys(texts);
                match &mut self.among {
                    Some(among) => among.retain(|key| keys.contains(key)),
                    None => self.among = Some(keys),
                }
            }
            (ValueTest::Texts(texts), true) => self.not_among.extend(keys(texts)),
            (ValueTest::Pattern(_) | ValueTest::Anniversary(_), _) => {}
        }
        self.present == Some(true) && !self.is_possible()
    }

    /// Notes whether there is a value; says whether that cannot be.
    fn be(&mut self, present: bool) -> bool {
        *self.present.get_or_insert(present) != present || present && !self.is_possible()
    }

    /// Whether a value can be all that it must be.
    fn is_possible(&self) -> bool {
        let everywhere = Spans::one(i128::MIN, i128::MAX);
        let inside = self.inside.as_ref().unwrap_or(&everywhere);
        let flags =
            [true, false].into_iter().any(|value| self.flags.iter().all(|(flag, not)| (value == *flag) != *not));
        let outside = Spans::new(self.outside.clone());
        let is_covered =
            |(first, last): &(i128, i128)| outside.as_slice().iter().any(|(from, to)| from <= first && last <= to);
        let texts = self.among.as_ref().is_none_or(|among| among.iter().any(|key| !self.not_among.contains(key)));
        flags && texts && !inside.as_slice().iter().all(is_covered)
    }
}

/// What two unions of spans have in common; of very many spans the first is more than that, which proves less.
fn common(a: &Spans, b: &Spans) -> Spans {
    if a.as_slice().len() * b.as_slice().len() > PAIRS_MAX {
        return a.clone();
    }
    let pairs = a.as_slice().iter().flat_map(|a| b.as_slice().iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    Spans::new(pairs.collect())
}
