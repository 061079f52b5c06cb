//! What does a rule say? Text and JSON to one tree and back, with errors that point.
//!
//! Owns:   both forms of the rule language, the tree, its canonical printing, every check that needs the schema alone.
//! Never:  looks at data, knows which segments exist, evaluates.
//! Start:  [`ast::Rule`], [`parse`], [`from_json`], [`error::RuleError`].

#![allow(clippy::unimplemented)]

use crate::{
    model::schema::Schema,
    rule::{ast::Rule, error::RuleError},
};

pub mod ast;
pub mod error;

/// Reads the text form. What comes back has passed [`check`].
///
/// Errors: one [`RuleError`] that points into `text`.
pub fn parse(text: &str, schema: &Schema) -> Result<Rule, RuleError> {
    let _ = (text, schema);
    unimplemented!()
}

/// Reads the JSON form. What comes back has passed [`check`].
///
/// Errors: one [`RuleError`] with a `pointer` into the document.
pub fn from_json(text: &str, schema: &Schema) -> Result<Rule, RuleError> {
    let _ = (text, schema);
    unimplemented!()
}

/// Writes the canonical text; `parse(print(rule)) == rule`.
pub fn print(rule: &Rule) -> String {
    let _ = rule;
    unimplemented!()
}

/// Writes the canonical JSON; `from_json(to_json(rule)) == rule`.
pub fn to_json(rule: &Rule) -> serde_json::Value {
    let _ = rule;
    unimplemented!()
}

/// Judges a rule by the schema: names, types, currencies, empty things, limits. Whether segments exist is not asked.
///
/// Errors: one [`RuleError`] without a place in a text; its `pointer` names the place in the canonical JSON.
pub fn check(rule: &Rule, schema: &Schema) -> Result<(), RuleError> {
    let _ = (rule, schema);
    unimplemented!()
}

/// The names of the segments that a rule is made of, as written, in order, each once (without regard to case).
pub fn segments_named(rule: &Rule) -> Vec<&str> {
    let _ = rule;
    unimplemented!()
}
