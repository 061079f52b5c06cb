//! What does a rule say? Text and JSON to one tree and back, with errors that point.
//!
//! Owns:   both forms of the rule language, the tree, its canonical printing, every check that needs the schema alone.
//! Never:  looks at data, knows which segments exist, evaluates.
//! Start:  [`ast::Rule`], [`parse()`], [`from_json`], [`error::RuleError`].

use crate::{
    model::{fold::fold, schema::Schema},
    rule::{ast::Rule, error::RuleError},
};

#[cfg(test)]
mod arbitrary;
pub mod ast;
pub mod check;
pub mod error;
pub mod json;
pub mod json_in;
pub mod json_out;
pub mod parse;
pub mod print;
pub mod shape;
pub mod suggest;
#[cfg(test)]
mod tests;
pub mod token;
pub mod words;

/// Reads the text form. What comes back has passed [`check()`].
///
/// Errors: one [`RuleError`] that points into `text`.
pub fn parse(text: &str, schema: &Schema) -> Result<Rule, RuleError> {
    parse::text(text, schema)
}

/// Reads the JSON form. What comes back has passed [`check()`].
///
/// Errors: one [`RuleError`] that points into `text` and has a `pointer` into the document.
pub fn from_json(text: &str, schema: &Schema) -> Result<Rule, RuleError> {
    json_in::document(text, schema)
}

/// Writes the canonical text; `parse(print(rule)) == rule`.
pub fn print(rule: &Rule) -> String {
    print::rule(rule)
}

/// Writes a rule as people of this schema say it, with its phrases for events and a line for each part of the outermost
/// group; `parse(lines(rule)) == rule` as long as the schema has those phrases.
pub fn lines(rule: &Rule, schema: &Schema) -> String {
    let text = print::lines(rule, schema);
    // A phrase may go on with what follows it, and mean another thing.
    if parse(&text, schema).as_ref() == Ok(rule) { text } else { print::plain_lines(rule) }
}

/// Says a rule in words: a predicate, or what joins the parts of a group.
pub fn words(rule: &Rule) -> String {
    words::words(rule)
}

/// Writes the canonical JSON; `from_json(to_json(rule)) == rule`.
pub fn to_json(rule: &Rule) -> serde_json::Value {
    json_out::rule(rule)
}

/// Judges a rule by the schema: names, types, currencies, empty things, limits. Whether segments exist is not asked.
///
/// Errors: one [`RuleError`] without a place.
pub fn check(rule: &Rule, schema: &Schema) -> Result<(), RuleError> {
    check::rule(rule, schema)
}

/// The names of the segments that a rule is made of, as written, in order, each once (without regard to case).
pub fn segments_named(rule: &Rule) -> Vec<&str> {
    let mut names = Vec::new();
    name_segments(rule, &mut names);
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(fold(name).into_owned()));
    names
}

fn name_segments<'a>(rule: &'a Rule, names: &mut Vec<&'a str>) {
    match rule {
        Rule::Segment(name) => names.push(name),
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
            rules.iter().for_each(|rule| name_segments(rule, names));
        }
        Rule::Not(rule) => name_segments(rule, names),
        _ => {}
    }
}
