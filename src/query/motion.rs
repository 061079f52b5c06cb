//! What of a bound predicate moves with now, and how its bound form is made to follow without binding it anew.

use crate::{
    index::event_group::EventGroup,
    model::{
        calendar::Length,
        name::Name,
        schema::{EventKind, Schema},
        time::Timestamp,
        value::ValueType,
    },
    query::{
        behavior::{Behavior, Filter, Rolling},
        bind_events::{rolling, tested},
        bounds::Clock,
        context::BindError,
        moving::{Moving, What},
        plan::{Leaf, Plan},
        value_test::ValueTest,
    },
    rule::ast::{EventTest, Rule, Where, Window},
};

/// What of a bound predicate moves with now.
#[derive(Clone, Debug)]
pub enum Motion {
    /// Nothing.
    Still,
    /// The test of the value of a leaf, by the leaf's number.
    Value(usize, Moving),
    /// What is asked of events, by the leaf's number; if nothing else, the cut at now moves.
    Events(usize, Box<EventMotion>),
}

/// What moves of a test of events.
#[derive(Clone, Debug)]
pub struct EventMotion {
    /// The window of all sources or, of a first or last event, that which it must lie in.
    pub window: Moving,
    /// For each source, for each test of its filter in order, what moves of it; empty when nothing does.
    pub filters: Vec<Vec<Option<Moving>>>,
    /// The same of what a first or last event must have.
    pub having: Vec<Option<Moving>>,
    /// The length and number of rolling spans.
    pub rolling: Option<(Length, u32)>,
}

impl Motion {
    /// What moves of a predicate that was bound in fixed form.
    ///
    /// Errors: [`BindError`], none for what was bound.
    pub fn new(rule: &Rule, plan: &Plan, schema: &Schema) -> Result<Motion, BindError> {
        let clock = &plan.clock;
        let rule = positive(rule);
        if let Rule::Property(test) = rule {
            let Some(what) = What::of_test(&test.test) else {
                return Ok(Motion::Still);
            };
            let timed = |leaf: &Leaf| matches!(leaf, Leaf::Value(_, ValueTest::Spans(_) | ValueTest::Anniversary(_)));
            let days = schema.property(test.property.as_str()).is_some_and(|property| property.ty == ValueType::Date);
            let leaf = plan.leaves.iter().position(|labeled| timed(&labeled.leaf));
            return Ok(leaf.map_or(Motion::Still, |leaf| Motion::Value(leaf, Moving::new(what, days, clock))));
        }
        let Some(leaf) = plan.leaves.iter().position(|labeled| matches!(labeled.leaf, Leaf::Behavior(..))) else {
            return Ok(Motion::Still);
        };
        Ok(match event_motion(rule, schema, clock)? {
            Some(motion) => Motion::Events(leaf, Box::new(motion)),
            None => Motion::Still,
        })
    }

    /// Whether it moves otherwise than by the cut at now.
    pub fn is_timed(&self) -> bool {
        match self {
            Motion::Still => false,
            Motion::Value(..) => true,
            Motion::Events(_, motion) => motion.is_timed(),
        }
    }
}

/// A complement moves as what it is the complement of.
fn positive(mut rule: &Rule) -> &Rule {
    while let Rule::Not(inner) = rule {
        rule = inner;
    }
    rule
}

fn event_motion(rule: &Rule, schema: &Schema, clock: &Clock) -> Result<Option<EventMotion>, BindError> {
    let slots = |event: &Name, filter: &[Where]| {
        let kind = schema.event(event.as_str()).ok_or_else(|| BindError::UnknownEvent(event.as_str().to_owned()))?;
        slots_of(filter, kind, clock)
    };
    let window = |window: Option<Window>| Moving::new(What::of_window(window, clock), false, clock);
    let plain = |event: &Name, filter: &[Where], of: Option<Window>| -> Result<EventMotion, BindError> {
        Ok(EventMotion { window: window(of), filters: vec![slots(event, filter)?], having: vec![], rolling: None })
    };
    Ok(Some(match rule {
        Rule::Event(EventTest { event, filter, window, .. }) | Rule::Days(EventTest { event, filter, window, .. }) => {
            plain(event, filter, *window)?
        }
        Rule::Aggregate(test) => plain(&test.event, &test.filter, test.window)?,
        Rule::Edge(test) => {
            let having = slots(&test.event, &test.having)?;
            EventMotion { having, ..plain(&test.event, &test.filter, test.window)? }
        }
        Rule::Sequence(test) => {
            let filters = test.steps.iter().map(|step| slots(&step.event, &step.filter));
            let filters = filters.collect::<Result<Vec<_>, BindError>>()?;
            EventMotion { window: window(test.window), filters, having: vec![], rolling: None }
        }
        Rule::Regularly(test) => {
            let rolling = Some((test.every, test.periods));
            EventMotion { rolling, ..plain(&test.event, &test.filter, None)? }
        }
        _ => return Ok(None),
    }))
}

/// For each test of the filter that conditions are bound to, in order, what moves of it.
fn slots_of(conditions: &[Where], kind: &EventKind, clock: &Clock) -> Result<Vec<Option<Moving>>, BindError> {
    let mut slots = Vec::new();
    for condition in conditions {
        add_slots(condition, kind, clock, &mut slots)?;
    }
    if slots.iter().all(Option::is_none) {
        slots.clear();
    }
    Ok(slots)
}

fn add_slots(
    condition: &Where,
    kind: &EventKind,
    clock: &Clock,
    slots: &mut Vec<Option<Moving>>,
) -> Result<(), BindError> {
    match condition {
        Where::And(conditions) | Where::Or(conditions) => {
            conditions.iter().try_for_each(|condition| add_slots(condition, kind, clock, slots))
        }
        Where::Not(condition) => add_slots(condition, kind, clock, slots),
        Where::Test(test) => {
            let mut tests = 0;
            each_test(&mut tested(test, kind, clock)?, &mut |_, _| tests += 1);
            let days = kind.property(test.property.as_str()).is_some_and(|(_, found)| found.ty == ValueType::Date);
            let before = slots.len();
            slots.resize(before + tests, None);
            if let Some(slot) = slots.get_mut(before) {
                *slot = What::of_test(&test.test).map(|what| Moving::new(what, days, clock));
            }
            Ok(())
        }
    }
}

/// Calls `f` with the tests of a filter, in order, and the properties that they are of.
fn each_test(filter: &mut Filter, f: &mut impl FnMut(usize, &mut ValueTest)) {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter_mut().for_each(|filter| each_test(filter, f)),
        Filter::Not(filter) => each_test(filter, f),
        Filter::Test(property, test) => f(*property, test),
    }
}

/// As [`each_test`], to look only.
fn see_tests(filter: &Filter, f: &mut impl FnMut(usize)) {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter().for_each(|filter| see_tests(filter, f)),
        Filter::Not(filter) => see_tests(filter, f),
        Filter::Test(property, _) => f(*property),
    }
}

/// Calls `f` with every position of an event that a moving test of a filter is asked of, and the test.
pub fn moving_positions(
    filter: &Filter,
    slots: &[Option<Moving>],
    group: &EventGroup<'_>,
    event: usize,
    f: &mut impl FnMut(&Moving, i128),
) {
    let mut slots = slots.iter();
    see_tests(filter, &mut |property| {
        if let Some(Some(moving)) = slots.next()
            && let Some(position) = group.ordered(property, event)
        {
            f(moving, position);
        }
    });
}

impl EventMotion {
    /// Whether it moves otherwise than by the cut at now.
    pub fn is_timed(&self) -> bool {
        self.window.what().moves()
            || self.rolling.is_some_and(|(every, _)| every.n > 0)
            || !self.having.is_empty()
            || self.filters.iter().any(|slots| !slots.is_empty())
    }

    /// Makes a test of events what it is at a clock; events after `cut` do not count, nor any after now.
    pub fn follow(&mut self, clock: &Clock, cut: Timestamp, behavior: &mut Behavior) {
        let (first, last) = self.follow_window(clock);
        let (first, last) = (first, last.min(cut.0));
        let ever = (i64::MIN, clock.now.0.min(cut.0));
        let filters = &mut self.filters;
        let mut follow = |number: usize, filter: &mut Filter| follow_filter(&mut filters[number], clock, filter);
        match behavior {
            Behavior::Count(source, _) | Behavior::Days(source, _) | Behavior::Aggregate { source, .. } => {
                (source.first, source.last) = (first, last);
                follow(0, &mut source.filter);
            }
            Behavior::Edge { source, having, first: edge_first, last: edge_last, .. } => {
                (source.first, source.last) = ever;
                (*edge_first, *edge_last) = (first, last);
                follow(0, &mut source.filter);
                follow_filter(&mut self.having, clock, having);
            }
            Behavior::Sequence { steps, .. } => {
                for (number, step) in steps.iter_mut().enumerate() {
                    (step.first, step.last) = (first, last);
                    follow(number, &mut step.filter);
                }
            }
            Behavior::Regular { source, spans, .. } => {
                (source.first, source.last) = ever;
                follow(0, &mut source.filter);
                match (spans, self.rolling) {
                    (Rolling::Exact { now, .. }, _) => *now = clock.now.0,
                    (spans, Some((every, periods))) => *spans = rolling(every, periods, clock),
                    (Rolling::Calendar(_), None) => {}
                }
            }
        }
    }

    fn follow_window(&mut self, clock: &Clock) -> (i64, i64) {
        self.window.follow(clock);
        let (first, last) = self.window.ends(clock.now);
        clock.cut(first, last)
    }
}

fn follow_filter(slots: &mut [Option<Moving>], clock: &Clock, filter: &mut Filter) {
    if slots.is_empty() {
        return;
    }
    let mut slots = slots.iter_mut();
    each_test(filter, &mut |_, test| {
        if let Some(Some(moving)) = slots.next() {
            moving.follow(clock);
            moving.write(clock.now, test);
        }
    });
}
