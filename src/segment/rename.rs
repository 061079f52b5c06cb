//! Renaming a segment inside the rules that name it.

use crate::{rule::ast::Rule, segment::saved::folded};

/// The rule with every mention of the segment of a folded name respelled, or `None` when it has none.
pub fn renamed(rule: &Rule, from_folded: &str, to: &str) -> Option<Rule> {
    let mut copy = rule.clone();
    rename(&mut copy, from_folded, to).then_some(copy)
}

fn rename(rule: &mut Rule, from_folded: &str, to: &str) -> bool {
    match rule {
        Rule::Segment(name) => {
            let mentioned = *folded(name) == *from_folded;
            if mentioned {
                *name = to.into();
            }
            mentioned
        }
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
            // Every child is visited, hence no short circuit.
            rules.iter_mut().fold(false, |any, rule| rename(rule, from_folded, to) | any)
        }
        Rule::Not(rule) => rename(rule, from_folded, to),
        Rule::All
        | Rule::None
        | Rule::Property(_)
        | Rule::Tag(_)
        | Rule::AnyTag(_)
        | Rule::AllTags(_)
        | Rule::EmailDomain { .. }
        | Rule::Event(_)
        | Rule::Aggregate(_)
        | Rule::Edge(_)
        | Rule::Sequence(_)
        | Rule::Days(_)
        | Rule::Regularly(_)
        | Rule::Bucket { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mention_is_respelled() {
        let named = |name: &str| Rule::Segment(name.into());
        let not = |rule| Rule::Not(Box::new(rule));
        let rule = Rule::And(vec![named("vip"), Rule::Or(vec![not(named("VIP")), named("other")])]);
        let expected = Rule::And(vec![named("Gold"), Rule::Or(vec![not(named("Gold")), named("other")])]);
        assert_eq!(renamed(&rule, "vip", "Gold"), Some(expected));
        assert_eq!(renamed(&rule, "absent", "Gold"), None);
    }
}
