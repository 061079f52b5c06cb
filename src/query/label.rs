//! How nodes are named to people.

use crate::{
    query::plan::{Label, Node, NodeId, Plan},
    rule::{ast::Rule, print},
};

/// The canonical text of a leaf; of other nodes the operator, and the segment that the node is.
pub fn label(plan: &Plan, id: NodeId) -> String {
    let own = match plan.node(id) {
        Node::All => print(&Rule::All),
        Node::None => print(&Rule::None),
        Node::Leaf(leaf, negated) => match &plan.leaves[*leaf as usize].label {
            Label::Rule(rule, opposite) if opposite == negated => print(rule),
            Label::Rule(rule, _) => print(&Rule::Not(Box::new(rule.clone()))),
            Label::Words(words) if *negated => format!("NOT {words}"),
            Label::Words(words) => words.clone(),
        },
        Node::And(_) => "AND".to_owned(),
        Node::Or(_) => "OR".to_owned(),
        Node::Parity(_, true) => "XOR".to_owned(),
        Node::Parity(_, false) => "NOT XOR".to_owned(),
        Node::Of(children, least, most, inside) => {
            let not = if *inside { "" } else { "not " };
            match (*least, *most as usize) {
                (least, most) if most == children.len() => format!("{not}at least {least} of {}", children.len()),
                (0, most) => format!("{not}at most {most} of {}", children.len()),
                (least, most) if least as usize == most => format!("{not}exactly {least} of {}", children.len()),
                (least, most) => format!("{not}{least} to {most} of {}", children.len()),
            }
        }
    };
    match plan.named.iter().find(|(node, _)| *node == id) {
        Some((_, name)) => format!("{own} (segment \"{name}\")"),
        None => own,
    }
}
