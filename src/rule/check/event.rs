//! Judgement of what rules say about events: windows, aggregates, spans.

use crate::{
    model::{
        calendar::Length,
        name::Name,
        schema::{EventKind, Function},
        value::ValueType,
    },
    rule::{
        ast::{AggregateBound, Moment, Window},
        check,
        error::RuleError,
    },
};

/// Most spans that a regular test looks at.
pub const SPANS_MAX: u32 = 10_000;

/// Two dates or two instants, never one of each.
pub fn window(window: &Window) -> Result<(), RuleError> {
    match window {
        Window::Between(Moment::Date(_), Moment::Instant(_)) | Window::Between(Moment::Instant(_), Moment::Date(_)) => {
            let message = "between takes two dates or two instants, not one of each";
            Err(RuleError::new("type_mismatch", message))
        }
        _ => Ok(()),
    }
}

/// The type of what is aggregated, which is the type of its bound; a count is a number.
///
/// Errors: a function without its property, an unknown property, a type that has no such aggregate.
pub fn aggregated(function: Function, kind: &EventKind, of: Option<&Name>) -> Result<ValueType, RuleError> {
    let Some(of) = of else {
        if function == Function::Count {
            return Ok(ValueType::Number);
        }
        let message =
            format!("{} needs a property of the event {}", function.name(), check::quoted(kind.name.as_str()));
        let expected = format!("{}({}.property)", function.name(), kind.name);
        return Err(RuleError::new("missing_property", message).expecting([expected]));
    };
    let ty = check::event_property(of, kind)?;
    let fits = match function {
        Function::Count | Function::Distinct => return Ok(ValueType::Number),
        Function::Sum | Function::Avg => matches!(ty, ValueType::Number | ValueType::Money(_)),
        Function::Min | Function::Max => ty.is_ordered(),
    };
    if fits {
        return Ok(ty);
    }
    let message = format!("{} is a {} and has no {}", check::quoted(of.as_str()), ty.name(), function.name());
    Err(RuleError::new("type_mismatch", message).expecting(["a number or money property"]))
}

/// Whether a bound fits the type of the aggregate.
pub fn bound(function: Function, ty: ValueType, bound: &AggregateBound) -> Result<(), RuleError> {
    let name = Name::new(function.name()).expect("a plain word is a name");
    match bound {
        AggregateBound::Compare(_, value) => check::test::operand(&name, ty, value),
        AggregateBound::Between(low, high) => {
            check::test::operand(&name, ty, low)?;
            check::test::operand(&name, ty, high)?;
            check::test::same_kind(low, high)
        }
    }
}

/// The time between the steps of a sequence has an exact length.
pub fn within(length: Length) -> Result<(), RuleError> {
    if length.exact_ms().is_some() {
        return Ok(());
    }
    let message = "the time between two steps is exact, and months and years are not";
    Err(RuleError::new("bad_unit", message).expecting(["seconds", "minutes", "hours", "days", "weeks"]))
}

/// The spans of a regular test: some, of some length.
pub fn spans(every: Length, periods: u32) -> Result<(), RuleError> {
    if every.n == 0 || periods == 0 || periods > SPANS_MAX {
        let message = format!("there must be 1 to {SPANS_MAX} spans of some length");
        return Err(RuleError::new("out_of_range", message));
    }
    Ok(())
}
