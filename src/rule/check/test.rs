//! Judgement of one test: whether operator and operands fit the property's type.

use regex::RegexBuilder;

use crate::{
    model::{limits, name::Name, value::ValueType},
    rule::{
        ast::{Comparison, Moment, Operand, PropertyTest, Test, TextOp},
        check::{operand_name, quoted},
        error::RuleError,
    },
};

/// Whether a test fits a property of this name and type.
///
/// Errors: the first thing that is wrong, without a place.
pub fn fits(name: &Name, ty: ValueType, test: &PropertyTest) -> Result<(), RuleError> {
    if test.missing.is_some() && matches!(test.test, Test::IsSet | Test::IsNotSet) {
        let message = "whether the value is missing is what this test asks, so it takes no choice about missing values";
        return Err(RuleError::new("bad_missing", message));
    }
    operator_fits(name, ty, &test.test)?;
    match &test.test {
        Test::IsSet | Test::IsNotSet | Test::InPeriod(_) => Ok(()),
        Test::Compare(_, value) => operand(name, ty, value),
        Test::Between(low, high) => {
            operand(name, ty, low)?;
            operand(name, ty, high)?;
            same_kind(low, high)
        }
        Test::In { values, .. } => {
            list(values.len())?;
            values.iter().try_for_each(|value| operand(name, ty, value))
        }
        Test::HasAll(values) => {
            list(values.len())?;
            values.iter().try_for_each(|value| text(value, "= \"\""))
        }
        Test::Text { op, pattern, .. } => pattern_fits(*op, pattern),
        Test::Age(sign, _) | Test::Ahead(sign, _) => {
            if matches!(sign, Comparison::Eq | Comparison::Ne) {
                let message = "an age is compared by <, <=, > or >=; for one day use on or is today";
                return Err(RuleError::new("type_mismatch", message));
            }
            Ok(())
        }
        Test::Within(_) | Test::Next(_) => Ok(()),
        Test::On(_) | Test::Anniversary(_) => Ok(()),
        Test::Before(moment) | Test::After(moment) => match moment {
            Moment::Instant(_) if ty == ValueType::Date => Err(instant_refused(name)),
            Moment::Date(_) | Moment::Instant(_) => Ok(()),
        },
    }
}

/// Whether an operator fits a type, whatever its operands.
///
/// Errors: `type_mismatch`, naming what fits.
pub fn operator_fits(name: &Name, ty: ValueType, test: &Test) -> Result<(), RuleError> {
    let (fit, operator) = match test {
        Test::IsSet | Test::IsNotSet | Test::In { .. } => (true, "in"),
        Test::Compare(sign, _) => {
            (matches!(sign, Comparison::Eq | Comparison::Ne) || ty.is_ordered(), sign_text(*sign))
        }
        Test::Between(..) => (ty.is_ordered(), "between"),
        Test::HasAll(_) => (ty == ValueType::Set, "has all of"),
        Test::Text { op, .. } => (ty.is_text() || ty == ValueType::Set, text_op_name(*op)),
        Test::Age(..) | Test::Ahead(..) => (ty.is_temporal(), "an age"),
        Test::Within(_) => (ty.is_temporal(), "in last"),
        Test::Next(_) => (ty.is_temporal(), "in next"),
        Test::On(_) => (ty.is_temporal(), "on"),
        Test::Before(_) => (ty.is_temporal(), "before"),
        Test::After(_) => (ty.is_temporal(), "after"),
        Test::InPeriod(_) => (ty.is_temporal(), "a calendar period"),
        Test::Anniversary(_) => (ty.is_temporal(), "anniversary"),
    };
    if fit { Ok(()) } else { Err(misfit(name, ty, operator)) }
}

/// The error of an operator that does not fit a type.
pub fn misfit(name: &Name, ty: ValueType, operator: &str) -> RuleError {
    let message = format!("{} is a {} and has no {operator}", quoted(name.as_str()), ty.name());
    RuleError::new("type_mismatch", message).expecting(operators(ty).iter().copied())
}

/// The operators of a type, as messages list them.
pub fn operators(ty: ValueType) -> &'static [&'static str] {
    match ty {
        ValueType::Text | ValueType::Email | ValueType::Category => {
            &["=", "!=", "in", "not in", "contains", "starts with", "ends with", "matches", "is set", "is not set"]
        }
        ValueType::Set => &["=", "!=", "in", "not in", "has all of", "contains", "is set", "is not set"],
        ValueType::Boolean => &["= true", "= false", "is set", "is not set"],
        ValueType::Number | ValueType::Money(_) => {
            &["=", "!=", "<", "<=", ">", ">=", "between", "in", "not in", "is set", "is not set"]
        }
        ValueType::Timestamp | ValueType::Date => {
            &["<", "<=", ">", ">=", "between", "in last", "in next", "on", "before", "after", "is today", "is set"]
        }
    }
}

fn sign_text(sign: Comparison) -> &'static str {
    match sign {
        Comparison::Eq => "=",
        Comparison::Ne => "!=",
        Comparison::Lt => "<",
        Comparison::Le => "<=",
        Comparison::Gt => ">",
        Comparison::Ge => ">=",
    }
}

fn text_op_name(op: TextOp) -> &'static str {
    match op {
        TextOp::Contains => "contains",
        TextOp::StartsWith => "starts with",
        TextOp::EndsWith => "ends with",
        TextOp::Glob | TextOp::Regex => "matches",
    }
}

/// Whether an operand is a value of the type.
pub fn operand(name: &Name, ty: ValueType, value: &Operand) -> Result<(), RuleError> {
    match (ty, value) {
        (ValueType::Text | ValueType::Email | ValueType::Category | ValueType::Set, Operand::Text(value)) => {
            text(value, "= \"\"")
        }
        (ValueType::Boolean, Operand::Flag(_)) => Ok(()),
        (ValueType::Number, Operand::Number(number)) => {
            number.checked().map(|_| ()).map_err(|error| RuleError::new("bad_number", format!("{number} {error}")))
        }
        (ValueType::Money(currency), Operand::Money(_, given)) if currency == *given => Ok(()),
        (ValueType::Money(currency), Operand::Money(_, given)) => {
            let message = format!("{} is in {currency}, not in {given}", quoted(name.as_str()));
            Err(RuleError::new("wrong_currency", message).expecting([format!("an amount in {currency}")]))
        }
        (ValueType::Timestamp | ValueType::Date, Operand::Date(_)) | (ValueType::Timestamp, Operand::Instant(_)) => {
            Ok(())
        }
        (ValueType::Date, Operand::Instant(_)) => Err(instant_refused(name)),
        _ => Err(wrong_operand(name, ty, operand_name(value))),
    }
}

/// The error of a value of another type.
pub fn wrong_operand(name: &Name, ty: ValueType, found: &str) -> RuleError {
    let message = format!("{} is a {}, which is not compared with {found}", quoted(name.as_str()), ty.name());
    RuleError::new("type_mismatch", message).expecting([wanted(ty)])
}

/// What is wanted where a value of the type is.
pub fn wanted(ty: ValueType) -> String {
    match ty {
        ValueType::Text | ValueType::Email | ValueType::Category | ValueType::Set => "a text in quotes".to_owned(),
        ValueType::Boolean => "true or false".to_owned(),
        ValueType::Number => "a number like 50".to_owned(),
        ValueType::Money(currency) => match currency.sign() {
            Some(sign) => format!("an amount like {sign}1000"),
            None => format!("an amount like 1000 {currency}"),
        },
        ValueType::Timestamp => "a date like 2026-05-01 or an instant like 2026-05-01T10:00:00Z".to_owned(),
        ValueType::Date => "a date like 2026-05-01".to_owned(),
    }
}

fn instant_refused(name: &Name) -> RuleError {
    let message = format!("{} is a date, a whole day, which is not compared with an instant", quoted(name.as_str()));
    RuleError::new("type_mismatch", message).expecting(["a date like 2026-05-01"])
}

/// Whether both ends of a range are dates, or both instants.
pub fn same_kind(low: &Operand, high: &Operand) -> Result<(), RuleError> {
    match (low, high) {
        (Operand::Date(_), Operand::Instant(_)) | (Operand::Instant(_), Operand::Date(_)) => {
            let message = "between takes two dates or two instants, not one of each";
            Err(RuleError::new("type_mismatch", message))
        }
        _ => Ok(()),
    }
}

/// Whether a list of values is of a good length.
pub fn list(length: usize) -> Result<(), RuleError> {
    match length {
        0 => Err(RuleError::new("empty_list", "a list of values may not be empty").expecting(["at least one value"])),
        _ if length > limits::RULE_LIST_MAX => {
            let message = format!("a list has at most {} values; this one has {length}", limits::RULE_LIST_MAX);
            Err(RuleError::new("too_many_values", message))
        }
        _ => Ok(()),
    }
}

/// Whether a text operand is of a good length; `form` is what an empty one would read as.
pub fn text(value: &str, form: &str) -> Result<(), RuleError> {
    if value.is_empty() {
        let message = format!("{form} never holds: an empty text counts as missing");
        return Err(RuleError::new("empty_text", message).suggesting(Some("is not set".to_owned())));
    }
    if value.len() > limits::VALUE_BYTES_MAX {
        let message =
            format!("a text value has at most {} bytes; this one has {}", limits::VALUE_BYTES_MAX, value.len());
        return Err(RuleError::new("too_long", message));
    }
    Ok(())
}

/// Whether a pattern is good for its operator.
pub fn pattern_fits(op: TextOp, pattern: &str) -> Result<(), RuleError> {
    text(pattern, &format!("{} \"\"", text_op_name(op)))?;
    match op {
        TextOp::Contains | TextOp::StartsWith | TextOp::EndsWith => Ok(()),
        TextOp::Glob => glob(pattern),
        TextOp::Regex => regex(pattern),
    }
}

/// A glob's backslash escapes `*`, `?` or another backslash.
fn glob(pattern: &str) -> Result<(), RuleError> {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && !matches!(chars.next(), Some('*' | '?' | '\\')) {
            let message = "in a glob, a backslash stands before *, ? or another backslash";
            return Err(RuleError::new("bad_glob", message).expecting(["\\*", "\\?", "\\\\"]));
        }
    }
    Ok(())
}

fn regex(pattern: &str) -> Result<(), RuleError> {
    if pattern.len() > limits::REGEX_BYTES_MAX {
        let message = format!("a regular expression has at most {} bytes", limits::REGEX_BYTES_MAX);
        return Err(RuleError::new("bad_regex", message));
    }
    match RegexBuilder::new(pattern).size_limit(limits::REGEX_COMPILED_BYTES_MAX).build() {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => Err(RuleError::new(
            "bad_regex",
            "this regular expression is too large once compiled; make its repeats smaller",
        )),
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or("it cannot be read").trim_start_matches("error: ");
            Err(RuleError::new("bad_regex", format!("this is no regular expression: {reason}")))
        }
    }
}
