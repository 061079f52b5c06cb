//! Derived properties, worked out anew from a contact's whole list of events each time they are asked for.

use throng::model::{
    number::Number,
    schema::{EventKind, Function, Property, Source, Writer},
    value::{Value, ValueType},
};

use crate::support::{
    deeds::distinct,
    naive::{Contact, Event, Naive},
};

impl Naive {
    /// What a contact has for a property, by its canonical name.
    pub fn value(&self, contact: &Contact, property: &str) -> Option<Value> {
        let property = self.schema.property(property).expect("a declared property");
        let written = contact.written.get(property.name.as_str());
        let Some(derived) = &property.derived else {
            return written.cloned();
        };
        let computed = self.computed(contact, property, &derived.source);
        match (derived.writer, written, computed) {
            (Writer::Refuse, _, computed) | (_, None, computed) => computed,
            // The next event takes the written value away, so while it is there it stands.
            (Writer::UntilNext, Some(written), _) | (_, Some(written), None) => Some(written.clone()),
            (Writer::Add, Some(written), Some(computed)) => Some(add(written, &computed, property.ty)),
            (Writer::Max, Some(written), Some(computed)) => {
                Some(if position(&computed) >= position(written) { computed } else { written.clone() })
            }
        }
    }

    /// An event has come to pass: what stood until the next one of its kind is forgotten.
    pub fn forget_overtaken(&self, contact: &mut Contact, kind: &str) {
        for property in self.schema.properties() {
            let Some(derived) = property.derived.as_ref().filter(|d| d.writer == Writer::UntilNext) else { continue };
            if self.schema.event(kind).is_some_and(|kind| follows(&derived.source, kind)) {
                contact.written.remove(property.name.as_str());
            }
        }
    }

    /// The events that a property follows and that have come to pass.
    fn followed<'a>(&self, contact: &'a Contact, source: &Source) -> Vec<&'a Event> {
        let passed = contact.events.iter().filter(|event| event.at <= self.as_of);
        passed.filter(|event| self.schema.event(&event.kind).is_some_and(|kind| follows(source, kind))).collect()
    }

    fn computed(&self, contact: &Contact, property: &Property, source: &Source) -> Option<Value> {
        let events = self.followed(contact, source);
        match source {
            Source::Latest { .. } => {
                let newest = events.iter().map(|event| event.at).max()?;
                Some(match property.ty {
                    ValueType::Date => {
                        Value::Day(throng::model::time::Day(0).plus_days(self.almanac.day_of(i128::from(newest.0))))
                    }
                    _ => Value::Time(newest),
                })
            }
            Source::OpenClose { open, .. } => {
                let opened = events.iter().filter(|event| event.kind == open.as_str()).count();
                (!events.is_empty()).then_some(Value::Flag(opened > events.len() - opened))
            }
            Source::Aggregate { function, event, of } => {
                let Some(of) = of else {
                    return (!events.is_empty()).then(|| whole(events.len()));
                };
                let values: Vec<&Value> = events.iter().filter_map(|event| event.values.get(of.as_str())).collect();
                if values.is_empty() {
                    return None;
                }
                let kind = self.schema.event(event.as_str())?;
                let sensitive = kind.property(of.as_str())?.1.case_sensitive;
                aggregate(*function, &values, sensitive, property.ty)
            }
        }
    }
}

fn follows(source: &Source, kind: &EventKind) -> bool {
    match source {
        Source::Aggregate { event, .. } | Source::Latest { event: Some(event) } => kind.name == *event,
        Source::Latest { event: None } => kind.activity,
        Source::OpenClose { open, close } => kind.name == *open || kind.name == *close,
    }
}

/// A place on the type's line; no comes before yes.
fn position(value: &Value) -> i128 {
    match value {
        Value::Flag(flag) => i128::from(*flag),
        other => other.ordered().expect("an ordered value"),
    }
}

fn whole(n: usize) -> Value {
    Value::Number(Number::from_int(n as i64))
}

fn aggregate(function: Function, values: &[&Value], sensitive: bool, ty: ValueType) -> Option<Value> {
    let positions = || values.iter().filter_map(|value| value.ordered());
    match function {
        Function::Count => Some(whole(values.len())),
        Function::Distinct => Some(whole(distinct(values, sensitive))),
        Function::Min => positions().min().map(|at| Value::from_ordered(ty, at)),
        Function::Max => positions().max().map(|at| Value::from_ordered(ty, at)),
        Function::Sum => Some(bounded(positions().sum(), ty)),
        Function::Avg => Some(bounded(mean(positions().collect()), ty)),
    }
}

/// The mean, rounded half to even.
fn mean(positions: Vec<i128>) -> i128 {
    let n = positions.len() as i128;
    // Summing quotients and remainders apart keeps the sum in range.
    let (whole, rest) = positions.iter().fold((0, 0), |(w, r), p| (w + p.div_euclid(n), r + p.rem_euclid(n)));
    let (whole, rest) = (whole + rest / n, rest % n);
    whole + i128::from(rest * 2 > n || (rest * 2 == n && whole % 2 != 0))
}

/// A position kept within its type's range.
fn bounded(position: i128, ty: ValueType) -> Value {
    match ty {
        ValueType::Money(_) => Value::Money(position.clamp(i64::MIN.into(), i64::MAX.into()) as i64),
        _ => Value::Number(Number(position.clamp(Number::MIN.0, Number::MAX.0))),
    }
}

fn add(a: &Value, b: &Value, ty: ValueType) -> Value {
    bounded(a.ordered().unwrap_or(0) + b.ordered().unwrap_or(0), ty)
}
