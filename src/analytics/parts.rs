//! Parts of a rule that say nothing, proven from the rule alone.

use crate::{
    analytics::review::Grounds,
    model::{id::PropertyId, value::ValueType},
    query::{bind::bind, sense::never_holds},
    rule::{self, ast::Rule},
};

/// Parts beside each other that are tried against the rest, at most.
const BESIDE_MAX: usize = 24;
/// What is certain now must be certain then too, or it is a matter of the clock. Close enough together that a window of
/// a month meets a fixed month of the year to come. Units: days from now.
const LATER_DAYS: [i64; 24] =
    [1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 75, 90, 120, 150, 180, 210, 240, 300, 365, 400, 730, 1_500, 4_000];

/// A part of a rule, by its text, that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It can hold for no one.
    Never(String),
    /// It holds for everyone.
    Always(String),
    /// The parts beside it say as much already.
    Implied(String),
}

/// The innermost parts of a rule that say nothing.
pub fn flaws(grounds: &Grounds<'_>, rule: &Rule) -> Vec<Flaw> {
    let mut found = Vec::new();
    look(grounds, rule, &mut found);
    found
}

fn look(grounds: &Grounds<'_>, rule: &Rule, found: &mut Vec<Flaw>) {
    let inner: &[Rule] = match rule {
        Rule::All | Rule::None => return,
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => rules,
        Rule::Not(inner) => std::slice::from_ref(&**inner),
        _ => &[],
    };
    let before = found.len();
    inner.iter().for_each(|rule| look(grounds, rule, found));
    if found.len() > before {
        return;
    }
    if never(grounds, rule) {
        return found.push(Flaw::Never(rule::print(rule)));
    }
    if never(grounds, &not(rule)) {
        return found.push(Flaw::Always(rule::print(rule)));
    }
    let (all, rules) = match rule {
        Rule::And(rules) => (true, rules),
        Rule::Or(rules) => (false, rules),
        _ => return,
    };
    if rules.len() > BESIDE_MAX {
        return;
    }
    let mut left: Vec<&Rule> = rules.iter().collect();
    // Of two that say the same the later one goes.
    for part in rules.iter().rev() {
        let rest: Vec<&Rule> = left.iter().copied().filter(|other| !std::ptr::eq(*other, part)).collect();
        // In an AND: the rest holds and the part does not. In an OR: the part holds and the rest does not.
        let odd = |rule: &Rule, is_part: bool| if all == is_part { not(rule) } else { rule.clone() };
        let mut test: Vec<Rule> = rest.iter().map(|rule| odd(rule, false)).collect();
        test.push(odd(part, true));
        if !rest.is_empty() && never(grounds, &Rule::And(test)) {
            found.push(Flaw::Implied(rule::print(part)));
            left = rest;
        }
    }
}

fn not(rule: &Rule) -> Rule {
    match rule {
        Rule::Not(inner) => (**inner).clone(),
        rule => Rule::Not(Box::new(rule.clone())),
    }
}

/// Whether a rule can hold for no one, now and later.
fn never(grounds: &Grounds<'_>, rule: &Rule) -> bool {
    let is_single =
        |property: PropertyId| grounds.schema.property_by_id(property).is_some_and(|known| known.ty != ValueType::Set);
    let at = |days: i64| {
        let now = grounds.now.plus_ms(days * 86_400_000);
        bind(rule, &grounds.context(now)).is_ok_and(|plan| never_holds(&plan, &is_single))
    };
    at(0) && LATER_DAYS.into_iter().all(at)
}
