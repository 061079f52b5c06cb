//! Tests of one property in JSON: `op`, `value` and `missing`.

use crate::{
    model::{name::Name, value::ValueType},
    rule::{
        ast::{Comparison, Moment, PropertyTest, Test, TextOp},
        check,
        json::Value,
        json_in::{At, Fields, Reader},
        parse::{
            Parsed,
            test::{Subject, anniversary_days},
        },
        suggest,
    },
};

/// The operators that compare.
pub const SIGNS: [(&str, Comparison); 6] = [
    ("eq", Comparison::Eq),
    ("ne", Comparison::Ne),
    ("lt", Comparison::Lt),
    ("le", Comparison::Le),
    ("gt", Comparison::Gt),
    ("ge", Comparison::Ge),
];

/// The operators on text, each with its complement.
pub const TEXT_OPS: [(&str, &str, TextOp); 5] = [
    ("contains", "not_contains", TextOp::Contains),
    ("starts_with", "not_starts_with", TextOp::StartsWith),
    ("ends_with", "not_ends_with", TextOp::EndsWith),
    ("matches", "not_matches", TextOp::Glob),
    ("regex", "not_regex", TextOp::Regex),
];

/// The operators on ages, with the same about the time to come.
pub const AGES: [(&str, &str, Comparison); 4] = [
    ("age_lt", "ahead_lt", Comparison::Lt),
    ("age_le", "ahead_le", Comparison::Le),
    ("age_gt", "ahead_gt", Comparison::Gt),
    ("age_ge", "ahead_ge", Comparison::Ge),
];

/// The other operators that take a value.
const OTHERS: [&str; 11] =
    ["between", "in", "not_in", "has_all", "within", "next", "on", "before", "after", "period", "anniversary"];

impl<'a> Reader<'a> {
    /// Reads `op`, `value` and `missing` of a node about a property, checked against its type.
    pub fn property_test(&self, name: &Name, ty: ValueType, fields: &mut Fields<'a>) -> Parsed<PropertyTest> {
        let subject = Subject { name, ty };
        let op_at = self.need(fields, "op")?;
        let op = self.text(&op_at)?;
        let missing = match fields.take("missing") {
            None => None,
            Some(at) => match at.json.value {
                Value::Flag(flag) => Some(flag),
                _ => return Err(self.wrong(&at, "true or false")),
            },
        };
        let test = match op {
            "is_set" => Test::IsSet,
            "is_not_set" => Test::IsNotSet,
            _ => {
                if !known_op(op) {
                    return Err(self.unknown_op(&op_at, op));
                }
                let value = self.need(fields, "value")?;
                self.test(op, &op_at, &value, &subject)?
            }
        };
        self.close(fields, &["property", "op", "value", "missing"])?;
        let test = PropertyTest { property: name.clone(), test, missing };
        check::test::fits(name, ty, &test).map_err(|error| self.place(error, &fields.at))?;
        Ok(test)
    }

    fn unknown_op(&self, at: &At<'a>, op: &str) -> crate::rule::error::RuleError {
        let signs = SIGNS.iter().map(|(op, _)| *op);
        let texts = TEXT_OPS.iter().flat_map(|(op, not, _)| [*op, *not]);
        let ages = AGES.iter().flat_map(|(age, ahead, _)| [*age, *ahead]);
        let known = signs.chain(texts).chain(ages).chain(OTHERS).chain(["is_set", "is_not_set"]);
        let error = self.error(at, "unknown_op", format!("{} is no operator", check::quoted(op)));
        error.suggesting(suggest::nearest(op, known))
    }

    /// Reads the test of a known operator. Whether it fits the type is asked before its value is read.
    fn test(&self, op: &str, op_at: &At<'a>, value: &At<'a>, subject: &Subject<'_>) -> Parsed<Test> {
        self.op_fits(op, op_at, subject)?;
        if let Some((_, sign)) = SIGNS.iter().find(|(name, _)| *name == op) {
            return Ok(Test::Compare(*sign, self.operand(value, subject)?));
        }
        if let Some((name, _, text_op)) = TEXT_OPS.iter().find(|(name, not, _)| *name == op || *not == op) {
            let pattern = self.text(value)?;
            check::test::pattern_fits(*text_op, pattern).map_err(|error| self.place(error, value))?;
            return Ok(Test::Text { op: *text_op, negated: *name != op, pattern: pattern.into() });
        }
        if let Some((age, _, sign)) = AGES.iter().find(|(age, ahead, _)| *age == op || *ahead == op) {
            let length = self.length(value)?;
            return Ok(if *age == op { Test::Age(*sign, length) } else { Test::Ahead(*sign, length) });
        }
        match op {
            "between" => {
                let [low, high] = self.pair(value)?;
                Ok(Test::Between(self.operand(&low, subject)?, self.operand(&high, subject)?))
            }
            "in" | "not_in" => {
                let items = self.items(value)?;
                check::test::list(items.len()).map_err(|error| self.place(error, value))?;
                let values = items.iter().map(|item| self.operand(item, subject)).collect::<Parsed<_>>()?;
                Ok(Test::In { negated: op == "not_in", values })
            }
            "has_all" => Ok(Test::HasAll(self.texts(value)?)),
            "within" => Ok(Test::Within(self.length(value)?)),
            "next" => Ok(Test::Next(self.length(value)?)),
            "before" => Ok(Test::Before(self.moment(value)?)),
            "after" => Ok(Test::After(self.moment(value)?)),
            "on" => match self.moment(value)? {
                Moment::Date(day) => Ok(Test::On(day)),
                Moment::Instant(_) => {
                    Err(self.error(value, "bad_shape", "on takes a date").expecting(["{\"date\":…}"]))
                }
            },
            "period" => Ok(Test::InPeriod(self.period(value)?)),
            _ => {
                let days = anniversary_days(self.length(value)?);
                let message = "an anniversary is looked for within so many days";
                days.map(Test::Anniversary).ok_or_else(|| self.error(value, "bad_unit", message).expecting(["days"]))
            }
        }
    }

    fn op_fits(&self, op: &str, op_at: &At<'a>, subject: &Subject<'_>) -> Parsed<()> {
        let ty = subject.ty;
        let fits = match op {
            "eq" | "ne" | "in" | "not_in" => true,
            "lt" | "le" | "gt" | "ge" | "between" => ty.is_ordered(),
            "has_all" => ty == ValueType::Set,
            _ if TEXT_OPS.iter().any(|(name, not, _)| *name == op || *not == op) => {
                ty.is_text() || ty == ValueType::Set
            }
            _ => ty.is_temporal(),
        };
        if fits { Ok(()) } else { Err(self.place(check::test::misfit(subject.name, ty, op), op_at)) }
    }
}

fn known_op(op: &str) -> bool {
    SIGNS.iter().any(|(name, _)| *name == op)
        || TEXT_OPS.iter().any(|(name, not, _)| *name == op || *not == op)
        || AGES.iter().any(|(age, ahead, _)| *age == op || *ahead == op)
        || OTHERS.contains(&op)
}
