//! Canonical shapes: what several spellings of one thing become, so that there is one tree for it.

use crate::{
    model::name::Name,
    rule::ast::{Comparison, Counts, Operand, PropertyTest, Rule, Test, Where},
};

/// All of the rules: of none it is everyone, of one it is that one.
pub fn all_of(rules: Vec<Rule>) -> Rule {
    few(rules, Rule::All, Rule::And)
}

/// Any of the rules: of none it is no one, of one it is that one.
pub fn any_of(rules: Vec<Rule>) -> Rule {
    few(rules, Rule::None, Rule::Or)
}

/// An odd number of the rules: of none it is no one, of one it is that one.
pub fn odd_of(rules: Vec<Rule>) -> Rule {
    few(rules, Rule::None, Rule::Xor)
}

fn few(mut rules: Vec<Rule>, none: Rule, many: fn(Vec<Rule>) -> Rule) -> Rule {
    if rules.len() > 1 { many(rules) } else { rules.pop().unwrap_or(none) }
}

/// The complement.
pub fn not(rule: Rule) -> Rule {
    Rule::Not(Box::new(rule))
}

/// A test of a contact's property; plain tests of the set `tags` have nodes of their own.
pub fn property(test: PropertyTest, is_set: bool) -> Rule {
    if !is_set || test.property.as_str() != "tags" || test.missing.is_some() {
        return Rule::Property(test);
    }
    match test.test {
        Test::Compare(Comparison::Eq, Operand::Text(tag)) => Rule::Tag(tag),
        Test::Compare(Comparison::Ne, Operand::Text(tag)) => not(Rule::Tag(tag)),
        Test::In { negated, values } if values.iter().all(|value| matches!(value, Operand::Text(_))) => {
            let tags = values.into_iter().filter_map(|value| match value {
                Operand::Text(tag) => Some(tag),
                _ => None,
            });
            let any = Rule::AnyTag(tags.collect());
            if negated { not(any) } else { any }
        }
        Test::HasAll(tags) => Rule::AllTags(tags),
        _ => Rule::Property(test),
    }
}

/// Domains of an email property; the property `email` goes without saying.
pub fn email_domain(property: &Name, domains: Vec<Box<str>>) -> Rule {
    let property = (property.as_str() != "email").then(|| property.clone());
    Rule::EmailDomain { property, domains }
}

/// Bounds on a count; the default, at least 1, goes without saying.
pub fn counts(counts: Counts) -> Counts {
    if counts.len() == 1 && counts.get(&Comparison::Ge) == Some(&1) { Counts::new() } else { counts }
}

/// Conditions that must all hold; a single `and` is its items.
pub fn filter(mut conditions: Vec<Where>) -> Vec<Where> {
    match conditions.pop() {
        Some(Where::And(items)) if conditions.is_empty() => items,
        Some(last) => {
            conditions.push(last);
            conditions
        }
        None => conditions,
    }
}
