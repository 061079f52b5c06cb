//! From a rule's names to a plan: logic, properties, segments, samples.

use std::collections::HashMap;

use crate::{
    bitmap::posting::Posting,
    model::{fold::fold, id::SegmentId, schema::Property},
    query::{
        bind_value::{Subject, Tested, bind_value},
        bounds::Clock,
        bucket,
        build::Builder,
        context::{BindError, Body, Context, SegmentView},
        plan::{Label, Leaf, NodeId, Part, Pinned, Plan},
        value_test::{Texts, ValueTest},
    },
    rule::ast::{BucketRange, PropertyTest, Quantity, Rule, Test},
};

/// Segments inside segments, at most.
pub const SEGMENT_DEPTH_MAX: usize = 64;
/// Levels of rules and of the segments inside them, together, at most; keeps recursion within the stack.
pub const LEVELS_MAX: usize = 512;

/// Binds a checked rule: names become ids, relative times become absolute, named segments are put in place.
///
/// Errors: [`BindError`]; of a checked rule only [`BindError::UnknownSegment`], [`BindError::Cycle`] and
/// [`BindError::TooDeep`].
pub fn bind(rule: &Rule, context: &Context<'_>) -> Result<Plan, BindError> {
    bind_form(rule, context, false)
}

/// Binds a rule; if told so to a plan of the same form at every instant, which is no constant only because no value can
/// pass just now.
pub(in crate::query) fn bind_form(rule: &Rule, context: &Context<'_>, fixed: bool) -> Result<Plan, BindError> {
    let clock = |now| Clock { now, zone: context.schema.zone().clone() };
    let mut binder = Binder {
        context: *context,
        builder: Builder::default(),
        asked: clock(context.now),
        kept: clock(context.as_of),
        path: vec![],
        level: 0,
        bound: HashMap::new(),
        named: vec![],
        fixed,
    };
    let root = binder.rule(rule, false)?;
    let mut plan = binder.builder.finish(root, binder.asked);
    plan.named = binder.named;
    Ok(plan)
}

/// A bind under way.
pub(in crate::query) struct Binder<'a> {
    pub(in crate::query) context: Context<'a>,
    pub(in crate::query) builder: Builder,
    /// The clock of the question.
    asked: Clock,
    /// The clock of the segments that it names.
    kept: Clock,
    /// The segments that led here, outermost first.
    path: Vec<SegmentView>,
    level: usize,
    /// What segments were bound to, by sign.
    bound: HashMap<(SegmentId, bool), NodeId>,
    named: Vec<(NodeId, Box<str>)>,
    /// Whether leaves that nothing can be in stay leaves.
    pub(in crate::query) fixed: bool,
}

impl Binder<'_> {
    /// The clock that counts here.
    pub(in crate::query) fn clock(&self) -> Clock {
        if self.path.is_empty() { self.asked.clone() } else { self.kept.clone() }
    }

    /// The node of a rule or, negated, of its complement.
    fn rule(&mut self, rule: &Rule, negated: bool) -> Result<NodeId, BindError> {
        self.level += 1;
        if self.level > LEVELS_MAX {
            return Err(self.too_deep(LEVELS_MAX));
        }
        let node = match rule {
            Rule::And(_) | Rule::Or(_) | Rule::Xor(_) | Rule::Of { .. } => self.logic(rule, negated),
            Rule::Not(rule) => self.rule(rule, !negated),
            Rule::Segment(name) => self.segment(name, negated),
            _ => self.predicate(rule, negated),
        };
        self.level -= 1;
        node
    }

    /// Split off so that what recursion keeps on the stack stays small.
    fn logic(&mut self, rule: &Rule, negated: bool) -> Result<NodeId, BindError> {
        Ok(match rule {
            Rule::And(rules) => {
                let nodes = self.rules(rules, negated)?;
                if negated { self.builder.or(nodes) } else { self.builder.and(nodes) }
            }
            Rule::Or(rules) => {
                let nodes = self.rules(rules, negated)?;
                if negated { self.builder.and(nodes) } else { self.builder.or(nodes) }
            }
            Rule::Xor(rules) => {
                let nodes = self.rules(rules, false)?;
                self.builder.parity(nodes, !negated)
            }
            Rule::Of { quantity, n, rules } => {
                let nodes = self.rules(rules, false)?;
                let n = i64::from(*n);
                let (least, most) = match quantity {
                    Quantity::AtLeast => (n, i64::MAX),
                    Quantity::AtMost => (0, n),
                    Quantity::Exactly => (n, n),
                };
                self.builder.of(nodes, least, most, !negated)
            }
            _ => self.rule(rule, negated)?,
        })
    }

    /// A rule that is made of no other.
    fn predicate(&mut self, rule: &Rule, negated: bool) -> Result<NodeId, BindError> {
        Ok(match rule {
            Rule::All => self.builder.constant(!negated),
            Rule::None => self.builder.constant(negated),
            Rule::Property(test) => self.property(test, negated)?,
            Rule::Tag(tag) => self.tags(std::slice::from_ref(tag), rule, negated)?,
            Rule::AnyTag(tags) => self.tags(tags, rule, negated)?,
            Rule::AllTags(tags) => {
                let mut nodes = Vec::with_capacity(tags.len());
                for tag in tags {
                    nodes.push(self.tags(std::slice::from_ref(tag), &Rule::Tag(tag.clone()), negated)?);
                }
                if negated { self.builder.or(nodes) } else { self.builder.and(nodes) }
            }
            Rule::EmailDomain { property, domains } => {
                let name = property.as_ref().map_or("email", |name| name.as_str());
                let mut domains: Vec<Box<str>> = domains.iter().map(|domain| fold(domain).into()).collect();
                domains.sort_unstable();
                domains.dedup();
                let leaf = Leaf::Domain(self.known(name)?.id, domains);
                self.builder.leaf(leaf, negated, || Label::Rule(rule.clone(), false))
            }
            Rule::Bucket { name, of, range } => self.bucket(rule, bucket::salt(name), *of, *range, negated),
            _ => self.behavior(rule, negated)?,
        })
    }

    fn rules(&mut self, rules: &[Rule], negated: bool) -> Result<Vec<NodeId>, BindError> {
        rules.iter().map(|rule| self.rule(rule, negated)).collect()
    }

    fn known(&self, name: &str) -> Result<&Property, BindError> {
        self.context.schema.property(name).ok_or_else(|| BindError::UnknownProperty(name.to_owned()))
    }

    fn property(&mut self, test: &PropertyTest, negated: bool) -> Result<NodeId, BindError> {
        let property = self.known(test.property.as_str())?;
        let (id, subject) = (property.id, subject_of(property));
        let Tested { parts, negated: complement, missing } = bind_value(test, subject, &self.clock())?;
        let rule = |test: Test, property: &PropertyTest| {
            Label::Rule(Rule::Property(PropertyTest { test, missing: None, ..property.clone() }), false)
        };
        let sign = complement != negated;
        let mut nodes = Vec::with_capacity(parts.len());
        for (part, written) in parts {
            nodes.push(match &part {
                ValueTest::Spans(spans) if spans.is_empty() && !self.fixed => self.builder.constant(sign),
                _ => self.builder.leaf(Leaf::Value(id, part), sign, || rule(written, test)),
            });
        }
        let core = if sign { self.builder.or(nodes) } else { self.builder.and(nodes) };
        // Those without a value match a negative operator and no other, unless it was said otherwise.
        let presence = matches!(test.test, Test::IsSet | Test::IsNotSet);
        let Some(with_missing) = missing.filter(|with| *with != complement && !presence) else {
            return Ok(core);
        };
        let absent = with_missing != negated;
        let present = self.builder.leaf(Leaf::Value(id, ValueTest::Present), absent, || rule(Test::IsSet, test));
        Ok(if absent { self.builder.or(vec![core, present]) } else { self.builder.and(vec![core, present]) })
    }

    fn tags(&mut self, tags: &[Box<str>], written: &Rule, negated: bool) -> Result<NodeId, BindError> {
        let property = self.known("tags")?;
        let texts = Texts::new(tags.iter().map(|tag| &**tag), property.case_sensitive);
        let leaf = Leaf::Value(property.id, ValueTest::Texts(texts));
        Ok(self.builder.leaf(leaf, negated, || Label::Rule(written.clone(), false)))
    }

    fn bucket(&mut self, rule: &Rule, salt: u64, of: u32, range: BucketRange, negated: bool) -> NodeId {
        let spread = match range {
            BucketRange::Below(0) => None,
            BucketRange::Below(end) => bucket::spread_range(of, 0, end - 1),
            BucketRange::Between(from, to) => bucket::spread_range(of, from, to),
        };
        match spread {
            None => self.builder.constant(negated),
            Some((0, u32::MAX)) => self.builder.constant(!negated),
            Some((from, to)) => {
                self.builder.leaf(Leaf::Spread(salt, from, to), negated, || Label::Rule(rule.clone(), false))
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.path.iter().map(|segment| segment.name.to_string()).collect()
    }

    fn too_deep(&self, max: usize) -> BindError {
        BindError::TooDeep { max, path: self.names() }
    }

    fn segment(&mut self, name: &str, negated: bool) -> Result<NodeId, BindError> {
        let Some(segment) = self.context.segments.resolve(name) else {
            return Err(BindError::UnknownSegment { name: name.to_owned(), path: self.names() });
        };
        if let Some(start) = self.path.iter().position(|outer| outer.id == segment.id) {
            let mut path = self.names().split_off(start);
            path.push(segment.name.to_string());
            return Err(BindError::Cycle { path });
        }
        if let Some(node) = self.bound.get(&(segment.id, negated)) {
            return Ok(*node);
        }
        if self.path.len() >= SEGMENT_DEPTH_MAX {
            return Err(self.too_deep(SEGMENT_DEPTH_MAX));
        }
        self.path.push(segment.clone());
        let node = match &segment.body {
            Body::Static(members) => self.listed(&segment, members, negated),
            Body::Dynamic { rule, .. } => {
                let node = self.rule(rule, negated)?;
                self.pinned(&segment, node, negated)
            }
        };
        self.path.pop();
        self.bound.insert((segment.id, negated), node);
        if !negated {
            self.named.push((node, segment.name.clone()));
        }
        Ok(node)
    }

    fn listed(&mut self, segment: &SegmentView, members: &Posting, negated: bool) -> NodeId {
        let leaf = Leaf::Pinned(Pinned { segment: segment.id, part: Part::Members, posting: members.clone() });
        self.builder.leaf(leaf, negated, || Label::Rule(Rule::Segment(segment.name.clone()), false))
    }

    /// A dynamic segment with those pinned in and out by hand; its rule is bound already.
    fn pinned(&mut self, segment: &SegmentView, mut node: NodeId, negated: bool) -> NodeId {
        let Body::Dynamic { include, exclude, .. } = &segment.body else {
            return node;
        };
        for (part, posting, what) in [(Part::Include, include, "into"), (Part::Exclude, exclude, "out of")] {
            if posting.is_empty() {
                continue;
            }
            let without = negated != (part == Part::Exclude);
            let leaf = Leaf::Pinned(Pinned { segment: segment.id, part, posting: posting.clone() });
            let label = || Label::Words(format!("pinned {what} segment \"{}\"", segment.name));
            let pinned = self.builder.leaf(leaf, without, label);
            node = if without { self.builder.and(vec![node, pinned]) } else { self.builder.or(vec![node, pinned]) };
        }
        node
    }
}

fn subject_of(property: &Property) -> Subject<'_> {
    Subject { name: property.name.as_str(), ty: property.ty, case_sensitive: property.case_sensitive }
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
