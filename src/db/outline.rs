//! An outline: a rule as it was written, node by node, each with how many contacts it holds for by itself.

use serde_json::Value;

use crate::{
    db::{error::Error, view::View},
    model::time::Timestamp,
    rule::{
        self,
        ast::{Quantity, Rule},
    },
};

/// One node of a rule as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// `and`, `or`, `xor`, `not`, `at_least`, `at_most`, `exactly`, or `test` for a predicate.
    pub kind: &'static str,
    /// Its canonical text.
    pub text: String,
    /// Its canonical JSON.
    pub json: Value,
    /// How many contacts it holds for, alone.
    pub count: u64,
    /// What it is made of, in the order written.
    pub children: Vec<Outline>,
}

impl View {
    /// A rule node by node, in the order written.
    ///
    /// Errors: as [`View::query`].
    pub fn outline(&self, rule: &Rule, as_of: Option<Timestamp>) -> Result<Outline, Error> {
        let (kind, parts): (_, &[Rule]) = match rule {
            Rule::And(parts) => ("and", parts),
            Rule::Or(parts) => ("or", parts),
            Rule::Xor(parts) => ("xor", parts),
            Rule::Not(part) => ("not", std::slice::from_ref(&**part)),
            Rule::Of { quantity, rules, .. } => {
                let kind = match quantity {
                    Quantity::AtLeast => "at_least",
                    Quantity::AtMost => "at_most",
                    Quantity::Exactly => "exactly",
                };
                (kind, rules)
            }
            _ => ("test", &[]),
        };
        Ok(Outline {
            kind,
            text: rule::print(rule),
            json: rule::to_json(rule),
            count: self.count(rule, as_of)?,
            children: parts.iter().map(|part| self.outline(part, as_of)).collect::<Result<_, _>>()?,
        })
    }
}
