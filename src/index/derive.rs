//! Derived properties: what events and written values make of them, kept true as either changes and as time passes.
//!
//! An event counts once `at <= as_of`. The effective value, in the ordinary index of the property, is the written one
//! and the computed one joined by the [`Writer`]:
//! - `Add`: their sum, a written value being a starting balance;
//! - `Max`: the greater of the two, whatever the aggregate is;
//! - `UntilNext`: the written one, until the next event of the kinds that the property follows becomes effective
//!   (is recorded, or comes due), which forgets it;
//! - `Refuse`: the computed one.
//!
//! The computed value is missing while no event bears on it: none of the kind, or none with a value where the aggregate
//! is taken of a property. Sums stop at the ends of their type. A mean is rounded to the nearest unit of its type
//! (10⁻¹⁸, or one minor unit of the currency), a half to the even one. The values of a set are distinct one by one.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    bitmap::posting::Posting,
    index::{
        Index,
        derive_plan::{Formula, Measure, Plan},
        derive_total::{Total, bounds, clamp},
        event_group::EventGroup,
        event_index::EventIndex,
        pending::Due,
        property::PropertyIndex,
    },
    model::{
        fold::{fold, nfc},
        id::{ContactId, EventKindId, PropertyId},
        number::ONE,
        schema::{Function, Schema, Writer},
        time::Timestamp,
        value::{Value, ValueType},
    },
};

impl Index {
    /// The properties that an event of a kind bears on.
    pub fn derived_from(&self, kind: EventKindId) -> impl Iterator<Item = PropertyId> + '_ {
        self.events.plan.following(kind).map(|formula| formula.property)
    }

    /// What was written of a derived property, whatever is computed.
    pub fn written(&self, property: PropertyId, contact: ContactId) -> Option<Value> {
        self.events.written.get(property.index())?.as_ref()?.value(contact)
    }

    /// The value that a written one would join, computed from the events up to `as_of`.
    pub fn computed(&self, property: PropertyId, contact: ContactId, as_of: Timestamp) -> Option<Value> {
        let formula = self.events.plan.formula(property)?;
        to_value(formula.ty, self.compute(formula, contact, as_of)?)
    }

    /// Writes, or with `None` unwrites, a derived property; says whether its effective value changed. A property that
    /// refuses writes stays as it is, as does one that cannot hold the value.
    pub fn write_derived(
        &mut self,
        schema: &Schema,
        as_of: Timestamp,
        property: PropertyId,
        contact: ContactId,
        value: Option<&Value>,
    ) -> bool {
        let plan = Arc::clone(&self.events.plan);
        let Some(formula) = plan.formula(property).filter(|formula| formula.writer != Writer::Refuse) else {
            return false;
        };
        if value.is_some_and(|value| !fits(formula.ty, value)) {
            return false;
        }
        let case_sensitive = schema.property_by_id(property).is_some_and(|property| property.case_sensitive);
        let slot = self.written_slot(property);
        if value.is_none() && slot.is_none() {
            return false;
        }
        let written = slot.get_or_insert_with(|| Arc::new(PropertyIndex::new(formula.ty, case_sensitive)));
        if !Arc::make_mut(written).set(contact, value) {
            return false;
        }
        self.rederive(formula, contact, as_of)
    }

    pub(super) fn written_slot(&mut self, property: PropertyId) -> &mut Option<Arc<PropertyIndex>> {
        let written = &mut self.events.written;
        if written.len() <= property.index() {
            written.resize(property.index() + 1, None);
        }
        &mut written[property.index()]
    }

    /// When the next event that is dated ahead comes due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.events.pending.next()
    }

    /// The events that come due up to an instant, in order of time, kind and contact.
    pub fn due(&self, as_of: Timestamp) -> impl Iterator<Item = Due> + '_ {
        self.events.pending.iter().take_while(move |due| due.at <= as_of)
    }

    /// Forgets future-dated events that need not come due: for a look ahead that asks of others alone.
    pub fn keep_due(&mut self, keep: impl Fn(&Due) -> bool) {
        self.events.pending.retain(keep);
    }

    /// Moves the clock: the events that came due count from now on. Returns them in order.
    pub fn advance(&mut self, as_of: Timestamp) -> Vec<Due> {
        let due = self.events.pending.take_due(as_of);
        let plan = Arc::clone(&self.events.plan);
        let touched: BTreeSet<(ContactId, PropertyId)> = due
            .iter()
            .flat_map(|due| plan.following(due.kind).map(|formula| (due.contact, formula.property)))
            .collect();
        for (contact, property) in touched {
            let formula = plan.formula(property).expect("the plan named the property itself");
            self.forget_written(formula, contact);
            self.rederive(formula, contact, as_of);
        }
        due
    }

    /// An event became effective: what follows its kind takes it in.
    pub(super) fn take_effect(
        &mut self,
        as_of: Timestamp,
        contact: ContactId,
        kind: EventKindId,
        at: Timestamp,
        values: &[Option<Value>],
    ) {
        let plan = Arc::clone(&self.events.plan);
        for formula in plan.following(kind) {
            let forgot = self.forget_written(formula, contact);
            match self.step(formula, contact, at, values).filter(|_| !forgot) {
                Some(Step::Same) => {}
                Some(Step::To(position)) => {
                    self.set_effective(formula, contact, Some(position));
                }
                None => {
                    self.rederive(formula, contact, as_of);
                }
            }
        }
    }

    /// An event is no longer there.
    pub(super) fn lose_effect(&mut self, as_of: Timestamp, contact: ContactId, kind: EventKindId) {
        let plan = Arc::clone(&self.events.plan);
        for formula in plan.following(kind) {
            self.rederive(formula, contact, as_of);
        }
    }

    /// Forgets a value that stood until the next event; says whether there was one.
    fn forget_written(&mut self, formula: &Formula, contact: ContactId) -> bool {
        if formula.writer != Writer::UntilNext {
            return false;
        }
        let slot = self.events.written.get_mut(formula.property.index()).and_then(Option::as_mut);
        slot.is_some_and(|written| written.has(contact) && Arc::make_mut(written).set(contact, None))
    }

    fn set_effective(&mut self, formula: &Formula, contact: ContactId, position: Option<i128>) -> bool {
        let value = position.and_then(|position| to_value(formula.ty, clamp(formula.ty, position)));
        if self.property(formula.property).is_none() || self.value(formula.property, contact) == value {
            return false;
        }
        self.set(formula.property, contact, value.as_ref())
    }

    fn position(&self, formula: &Formula, contact: ContactId) -> Option<i128> {
        to_position(&self.value(formula.property, contact)?)
    }

    fn written_position(&self, formula: &Formula, contact: ContactId) -> Option<i128> {
        if formula.writer == Writer::Refuse {
            return None;
        }
        to_position(&self.written(formula.property, contact)?)
    }

    /// Computes a contact's value anew; says whether the effective one changed.
    pub(super) fn rederive(&mut self, formula: &Formula, contact: ContactId, as_of: Timestamp) -> bool {
        let effective = self.effective(formula, contact, as_of);
        self.set_effective(formula, contact, effective)
    }

    /// What the effective value must be.
    pub(super) fn effective(&self, formula: &Formula, contact: ContactId, as_of: Timestamp) -> Option<i128> {
        let written = self.written_position(formula, contact);
        if formula.writer == Writer::UntilNext && written.is_some() {
            return written;
        }
        let computed = self.compute(formula, contact, as_of).map(|position| clamp(formula.ty, position));
        join(formula, computed, written)
    }

    /// The effective value held and the one that must be.
    pub(super) fn held_and_due(
        &self,
        formula: &Formula,
        contact: ContactId,
        as_of: Timestamp,
    ) -> (Option<i128>, Option<i128>) {
        (self.position(formula, contact), self.effective(formula, contact, as_of))
    }

    /// Computes every contact's value of a property anew.
    pub(super) fn rederive_all(&mut self, formula: &Formula, as_of: Timestamp) {
        let mut contacts = self.present(formula.property);
        let kinds = formula.measure.iter().flat_map(Measure::kinds);
        let logs: Vec<Posting> = kinds.filter_map(|kind| Some(self.events.kind(kind)?.presence().clone())).collect();
        logs.iter().for_each(|log| contacts = contacts.or(log));
        if let Some(written) = self.events.written.get(formula.property.index()).and_then(Option::as_ref) {
            contacts = contacts.or(&written.present());
        }
        for contact in contacts.iter() {
            self.rederive(formula, ContactId(contact), as_of);
        }
    }

    /// The effective value after an event took effect, where it follows exactly from the one before.
    fn step(&self, formula: &Formula, contact: ContactId, at: Timestamp, values: &[Option<Value>]) -> Option<Step> {
        let old = self.position(formula, contact);
        let greatest = |new: i128| match old {
            Some(old) if old >= new => Step::Same,
            _ => Step::To(new),
        };
        let (function, of) = match formula.measure.as_ref()? {
            Measure::Latest(_) if formula.writer != Writer::Add => return Some(greatest(i128::from(at.0))),
            Measure::Aggregate { function, of: Some(of), .. } => (*function, *of),
            Measure::Latest(_) | Measure::OpenClose(..) | Measure::Aggregate { .. } => return None,
        };
        let Some(value) = values.get(of).and_then(Option::as_ref) else {
            // No value, nothing that bears on it; but a value of another type is the log's to judge.
            return Some(Step::Same);
        };
        let new = value.ordered().filter(|_| fits(formula.ty, value))?;
        match (function, formula.writer) {
            (Function::Max, Writer::Max | Writer::Refuse | Writer::UntilNext) => Some(greatest(new)),
            (Function::Sum, Writer::Add | Writer::Refuse | Writer::UntilNext) => {
                self.step_sum(formula, contact, old, new)
            }
            (Function::Min, Writer::Refuse | Writer::UntilNext) => Some(match old {
                Some(old) if old <= new => Step::Same,
                _ => Step::To(new),
            }),
            _ => None,
        }
    }

    /// A sum stops at the ends of its type; past them only the log knows it.
    fn step_sum(&self, formula: &Formula, contact: ContactId, old: Option<i128>, new: i128) -> Option<Step> {
        let (least, greatest) = bounds(formula.ty);
        let inside = |position: i128| least < position && position < greatest;
        let old = old.unwrap_or(0);
        let written = self.written_position(formula, contact).unwrap_or(0);
        let computed = old - written;
        let sum = computed + new;
        (inside(old) && inside(written) && inside(computed) && inside(sum) && inside(sum + written))
            .then_some(Step::To(sum + written))
    }

    /// The value computed from the events up to `as_of`, not yet kept within the type.
    fn compute(&self, formula: &Formula, contact: ContactId, as_of: Timestamp) -> Option<i128> {
        let count =
            |kind: EventKindId| self.events.kind(kind).map_or(0, |events| events.count_in(contact, i64::MIN, as_of.0));
        match formula.measure.as_ref()? {
            Measure::Latest(kinds) => {
                let newest = |kind: &EventKindId| self.events.kind(*kind)?.newest(contact, as_of);
                kinds.iter().filter_map(newest).max().map(|at| i128::from(at.0))
            }
            Measure::OpenClose(open, close) => match (count(*open), count(*close)) {
                (0, 0) => None,
                (opened, closed) => Some(i128::from(opened > closed)),
            },
            Measure::Aggregate { function: Function::Count, kind, of: None, .. } => {
                Some(count(*kind)).filter(|count| *count > 0).map(|count| count as i128 * ONE)
            }
            Measure::Aggregate { function, kind, of, folded } => {
                aggregate(self.events.kind(*kind)?, contact, as_of, *function, (*of)?, *folded)
            }
        }
    }
}

enum Step {
    Same,
    To(i128),
}

fn join(formula: &Formula, computed: Option<i128>, written: Option<i128>) -> Option<i128> {
    let (Some(computed), Some(written)) = (computed, written) else {
        return computed.or(written);
    };
    let adds = matches!(formula.ty, ValueType::Number | ValueType::Money(_));
    Some(match formula.writer {
        Writer::Add if adds => clamp(formula.ty, computed + written),
        // What cannot be added competes; the schema's check refuses it beforehand.
        Writer::Add | Writer::Max => computed.max(written),
        Writer::UntilNext => written,
        Writer::Refuse => computed,
    })
}

fn aggregate(
    events: &EventIndex,
    contact: ContactId,
    as_of: Timestamp,
    function: Function,
    of: usize,
    folded: bool,
) -> Option<i128> {
    let group = events.group(contact);
    let upto = group.between(i64::MIN, as_of.0);
    if function == Function::Distinct {
        return distinct(events, &group, upto.end, of, folded);
    }
    if function == Function::Count {
        let count = upto.filter(|i| group.is_set(of, *i)).count();
        return (count > 0).then_some(count as i128 * ONE);
    }
    let positions = upto.filter_map(|i| group.ordered(of, i));
    match function {
        Function::Min => positions.min(),
        Function::Max => positions.max(),
        Function::Count | Function::Sum | Function::Avg | Function::Distinct => {
            let mut total = Total::default();
            positions.for_each(|position| total.add(position));
            if function == Function::Avg { total.mean() } else { (total.count() > 0).then(|| total.sum()) }
        }
    }
}

fn distinct(events: &EventIndex, group: &EventGroup<'_>, end: usize, of: usize, folded: bool) -> Option<i128> {
    let count = match events.dictionary(of) {
        None => (0..end).filter_map(|i| group.ordered(of, i)).collect::<BTreeSet<i128>>().len(),
        Some(dictionary) => {
            let one = |i| group.text_code(of, i).map(|code| vec![code]);
            let codes: BTreeSet<u32> =
                (0..end).filter_map(|i| group.set_codes(of, i).or_else(|| one(i))).flatten().collect();
            let texts = codes.into_iter().map(|code| dictionary.get(code));
            texts.map(|text| if folded { fold(text) } else { nfc(text) }).collect::<BTreeSet<_>>().len()
        }
    };
    (count > 0).then_some(count as i128 * ONE)
}

/// The position of a value, flags being 0 and 1.
fn to_position(value: &Value) -> Option<i128> {
    match value {
        Value::Flag(flag) => Some(i128::from(*flag)),
        other => other.ordered(),
    }
}

/// Whether a value is of a type that can be derived.
fn fits(ty: ValueType, value: &Value) -> bool {
    to_position(value).and_then(|position| to_value(ty, position)).is_some_and(|same| same == *value)
}

fn to_value(ty: ValueType, position: i128) -> Option<Value> {
    match ty {
        ValueType::Boolean => Some(Value::Flag(position != 0)),
        ty if ty.is_ordered() => Some(Value::from_ordered(ty, clamp(ty, position))),
        _ => None,
    }
}

impl Plan {
    /// The formulas that are new or differ from those of `before`.
    pub(super) fn changed_since<'a>(&'a self, before: &'a Plan) -> impl Iterator<Item = &'a Formula> {
        self.formulas().iter().filter(|formula| before.formula(formula.property) != Some(formula))
    }
}
