//! Binding of tests of events: kinds, filters, windows, counts, figures.

use crate::{
    model::{
        calendar::Length,
        name::Name,
        schema::{EventKind, Function},
        value::ValueType,
    },
    query::{
        behavior::{Behavior, Filter, Rolling, Source},
        bind::Binder,
        bind_value::{Subject, Tested, bind_between, bind_interval, bind_value},
        bounds::{Clock, NEVER},
        context::BindError,
        plan::{Label, Leaf, NodeId},
        spans::CountTest,
        value_test::ValueTest,
    },
    rule::ast::{
        AggregateBound, AggregateTest, Comparison, Counts, EdgeTest, EventTest, PropertyTest, RegularTest, Rule,
        SequenceTest, Test, Where, Window,
    },
};

impl Binder<'_> {
    /// The node of a test of events or, negated, of its complement.
    pub(in crate::query) fn behavior(&mut self, rule: &Rule, negated: bool) -> Result<NodeId, BindError> {
        let clock = self.clock();
        let bound = match rule {
            Rule::Event(test) => Behavior::Count(self.events(test, &clock)?, count_test(&test.counts)),
            Rule::Days(test) => Behavior::Days(self.events(test, &clock)?, count_test(&test.counts)),
            Rule::Aggregate(test) => self.aggregate(test, &clock)?,
            Rule::Edge(test) => self.edge(test, &clock)?,
            Rule::Sequence(test) => self.sequence(test, &clock)?,
            Rule::Regularly(test) => self.regular(test, &clock)?,
            _ => return Ok(self.builder.constant(negated)),
        };
        let at_empty = bound.at_empty();
        // Without an instant to lie in, every contact is as one without events.
        if !self.fixed && bound.sources().iter().any(|source| source.first > source.last) {
            return Ok(self.builder.constant(at_empty != negated));
        }
        let leaf = Leaf::Behavior(Box::new(bound), at_empty);
        Ok(self.builder.leaf(leaf, negated != at_empty, || Label::Rule(rule.clone(), at_empty)))
    }

    fn kind(&self, name: &Name) -> Result<&EventKind, BindError> {
        self.context.schema.event(name.as_str()).ok_or_else(|| BindError::UnknownEvent(name.as_str().to_owned()))
    }

    fn source(
        &self,
        event: &Name,
        filter: &[Where],
        window: Option<Window>,
        clock: &Clock,
    ) -> Result<Source, BindError> {
        let kind = self.kind(event)?;
        let (first, last) = clock.window(window);
        Ok(Source { kind: kind.id, filter: all_of(filter, kind, clock)?, first, last })
    }

    fn events(&self, test: &EventTest, clock: &Clock) -> Result<Source, BindError> {
        self.source(&test.event, &test.filter, test.window, clock)
    }

    fn aggregate(&self, test: &AggregateTest, clock: &Clock) -> Result<Behavior, BindError> {
        let kind = self.kind(&test.event)?;
        let source = self.source(&test.event, &test.filter, test.window, clock)?;
        let figure = |ty| Subject { name: test.event.as_str(), ty, case_sensitive: false };
        let (of, subject) = match &test.of {
            Some(name) => {
                let (position, subject) = property_of(kind, name)?;
                (Some(position), subject)
            }
            None if test.function == Function::Count => (None, figure(ValueType::Number)),
            None => return Err(figure(ValueType::Number).mismatch("a figure of no property")),
        };
        let case_sensitive = subject.case_sensitive;
        let subject = match test.function {
            Function::Count | Function::Distinct => figure(ValueType::Number),
            Function::Sum | Function::Min | Function::Max | Function::Avg => subject,
        };
        let (interval, negated) = match &test.test {
            AggregateBound::Compare(comparison, operand) => bind_interval(*comparison, operand, subject, clock)?,
            AggregateBound::Between(from, to) => (bind_between(from, to, subject, clock)?, false),
        };
        Ok(Behavior::Aggregate { source, function: test.function, of, case_sensitive, interval, negated })
    }

    fn edge(&self, test: &EdgeTest, clock: &Clock) -> Result<Behavior, BindError> {
        let source = self.source(&test.event, &test.filter, None, clock)?;
        let having = all_of(&test.having, self.kind(&test.event)?, clock)?;
        let (first, last) = clock.window(test.window);
        Ok(Behavior::Edge { source, end: test.end, having, first, last })
    }

    fn sequence(&self, test: &SequenceTest, clock: &Clock) -> Result<Behavior, BindError> {
        let step = |step: &crate::rule::ast::Step| self.source(&step.event, &step.filter, test.window, clock);
        let steps = test.steps.iter().map(step).collect::<Result<Vec<Source>, BindError>>()?;
        let within = test.within.map(|length| length.exact_ms().ok_or(length)).transpose().map_err(|_| {
            let event = test.steps.first().map_or("", |step| step.event.as_str());
            Subject { name: event, ty: ValueType::Timestamp, case_sensitive: false }
                .mismatch("`within` months or years")
        })?;
        Ok(Behavior::Sequence { steps, within })
    }

    fn regular(&self, test: &RegularTest, clock: &Clock) -> Result<Behavior, BindError> {
        let source = self.source(&test.event, &test.filter, None, clock)?;
        let spans = rolling(test.every, test.periods, clock);
        let RegularTest { periods, at_least, .. } = *test;
        Ok(Behavior::Regular { source, test: count_test(&test.counts), spans, periods, at_least })
    }
}

/// The spans back from now. Of months and years, no more edges are made than the calendar has.
pub(in crate::query) fn rolling(every: Length, periods: u32, clock: &Clock) -> Rolling {
    if let Some(ms) = every.exact_ms() {
        return Rolling::Exact { now: clock.now.0, every: ms };
    }
    let mut edges = vec![clock.now.0];
    if every.n == 0 {
        return Rolling::Calendar(edges);
    }
    for k in 1..=periods {
        let back = every.n.checked_mul(k).map_or(NEVER, |n| clock.back(Length { n, ..every }));
        edges.push(back.max(i128::from(i64::MIN)) as i64);
        if back == NEVER {
            break;
        }
    }
    Rolling::Calendar(edges)
}

fn count_test(counts: &Counts) -> CountTest {
    if counts.is_empty() {
        return CountTest::SOME;
    }
    let mut test = CountTest { least: 0, most: u64::MAX, except: None };
    for (comparison, bound) in counts {
        let none = bound.checked_sub(1).is_none();
        match comparison {
            Comparison::Eq => {
                test.least = test.least.max(*bound);
                test.most = test.most.min(*bound);
            }
            Comparison::Ne => test.except = Some(*bound),
            Comparison::Lt if none => (test.least, test.most) = (1, 0),
            Comparison::Lt => test.most = test.most.min(bound - 1),
            Comparison::Le => test.most = test.most.min(*bound),
            Comparison::Gt => test.least = test.least.max(bound.saturating_add(1)),
            Comparison::Ge => test.least = test.least.max(*bound),
        }
    }
    test
}

fn property_of<'k>(kind: &'k EventKind, name: &Name) -> Result<(usize, Subject<'k>), BindError> {
    let (position, property) = kind
        .property(name.as_str())
        .ok_or_else(|| BindError::UnknownProperty(format!("{}.{}", kind.name.as_str(), name.as_str())))?;
    let subject = Subject { name: property.name.as_str(), ty: property.ty, case_sensitive: property.case_sensitive };
    Ok((position, subject))
}

fn all_of(conditions: &[Where], kind: &EventKind, clock: &Clock) -> Result<Filter, BindError> {
    Ok(joined(every(conditions, kind, clock)?, Filter::All))
}

fn every(conditions: &[Where], kind: &EventKind, clock: &Clock) -> Result<Vec<Filter>, BindError> {
    conditions.iter().map(|condition| filter(condition, kind, clock)).collect()
}

fn joined(mut filters: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    if filters.len() == 1 { filters.swap_remove(0) } else { join(filters) }
}

fn filter(condition: &Where, kind: &EventKind, clock: &Clock) -> Result<Filter, BindError> {
    Ok(match condition {
        Where::Test(test) => tested(test, kind, clock)?,
        Where::And(conditions) => all_of(conditions, kind, clock)?,
        Where::Or(conditions) => joined(every(conditions, kind, clock)?, Filter::Any),
        Where::Not(condition) => Filter::Not(Box::new(filter(condition, kind, clock)?)),
    })
}

/// The filter of one test; the test itself comes first in it.
pub(in crate::query) fn tested(test: &PropertyTest, kind: &EventKind, clock: &Clock) -> Result<Filter, BindError> {
    let (position, subject) = property_of(kind, &test.property)?;
    let Tested { parts, negated, missing } = bind_value(test, subject, clock)?;
    let parts = parts.into_iter().map(|(part, _)| Filter::Test(position, part)).collect();
    let positive = joined(parts, Filter::All);
    let core = if negated { Filter::Not(Box::new(positive)) } else { positive };
    let presence = matches!(test.test, Test::IsSet | Test::IsNotSet);
    let present = Filter::Test(position, ValueTest::Present);
    Ok(match missing.filter(|with| *with != negated && !presence) {
        None => core,
        Some(true) => Filter::Any(vec![core, Filter::Not(Box::new(present))]),
        Some(false) => Filter::All(vec![core, present]),
    })
}
