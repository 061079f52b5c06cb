//! Limits: depth and number of predicates of a whole rule.

use crate::{
    model::limits,
    rule::{
        ast::{AggregateTest, EdgeTest, EventTest, RegularTest, Rule, SequenceTest, Where},
        error::RuleError,
    },
};

/// Whether a rule keeps within its limits.
pub fn rule(rule: &Rule) -> Result<(), RuleError> {
    let mut sums = Sums { predicates: 0 };
    sums.rule(rule, 1)?;
    if sums.predicates > limits::RULE_PREDICATES_MAX {
        return Err(too_many(sums.predicates));
    }
    Ok(())
}

/// The error of a rule that nests too deep.
pub fn too_deep() -> RuleError {
    RuleError::new("too_deep", format!("a rule nests at most {} deep", limits::RULE_DEPTH_MAX))
}

fn too_many(found: usize) -> RuleError {
    let message = format!("a rule has at most {} predicates; this one has {found}", limits::RULE_PREDICATES_MAX);
    RuleError::new("too_many_predicates", message)
}

struct Sums {
    predicates: usize,
}

impl Sums {
    fn rule(&mut self, rule: &Rule, depth: usize) -> Result<(), RuleError> {
        if depth > limits::RULE_DEPTH_MAX {
            return Err(too_deep());
        }
        match rule {
            Rule::All | Rule::None => return Ok(()),
            Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
                if rules.is_empty() {
                    return Err(RuleError::new("empty_list", "a list of rules may not be empty here"));
                }
                return rules.iter().try_for_each(|rule| self.rule(rule, depth + 1));
            }
            Rule::Not(rule) => return self.rule(rule, depth + 1),
            _ => self.predicates += 1,
        }
        match rule {
            Rule::Event(EventTest { filter, .. })
            | Rule::Days(EventTest { filter, .. })
            | Rule::Aggregate(AggregateTest { filter, .. })
            | Rule::Regularly(RegularTest { filter, .. }) => self.conditions(filter, depth + 1),
            Rule::Edge(EdgeTest { filter, having, .. }) => {
                self.conditions(filter, depth + 1)?;
                self.conditions(having, depth + 1)
            }
            Rule::Sequence(SequenceTest { steps, .. }) => {
                self.predicates += steps.len().saturating_sub(1);
                steps.iter().try_for_each(|step| self.conditions(&step.filter, depth + 1))
            }
            _ => Ok(()),
        }
    }

    fn conditions(&mut self, conditions: &[Where], depth: usize) -> Result<(), RuleError> {
        if depth > limits::RULE_DEPTH_MAX && !conditions.is_empty() {
            return Err(too_deep());
        }
        conditions.iter().try_for_each(|condition| match condition {
            Where::Test(_) => {
                self.predicates += 1;
                Ok(())
            }
            Where::And(items) | Where::Or(items) => self.conditions(items, depth + 1),
            Where::Not(item) => self.conditions(std::slice::from_ref(item), depth + 1),
        })
    }
}
