//! Dittofeed's segments: nodes by id, from an entry node down.

use serde_json::{Value, json};

use crate::cli::definitions::parts::{
    Definition, Report, group, listed, not, number, plain, presence, property, stranger, time,
};

/// Nodes that lie below each other at most.
const DEPTH_MAX: usize = 64;
/// Nodes of a segment at most, each counted as often as it stands below others: shared ones would double at each level.
const NODES_MAX: usize = 10_000;

/// Reads segments.
///
/// Errors: when there is none.
pub fn read(document: &Value) -> Result<Vec<Definition>, String> {
    let one = |segment: &&Value| {
        let name = segment["name"].as_str().ok_or("a segment has no \"name\"")?;
        let mut report = Report::default();
        let definition = &segment["definition"];
        let nodes = listed(&definition["nodes"], &[]);
        let mut reader = Reader { nodes, name, above: vec![], visits: 0, report: &mut report };
        let rule = match stranger(definition, &[&["entryNode", "nodes"]]) {
            Some(member) => reader.report.lose("definition", format!("\"{member}\" is not known")),
            None if definition["entryNode"].is_object() => reader.node(&definition["entryNode"]),
            None => reader.report.lose("definition", "it has no \"entryNode\""),
        };
        Ok(report.close(name, segment["description"].as_str(), rule))
    };
    listed(document, &["segments"]).iter().map(one).collect()
}

struct Reader<'a> {
    nodes: Vec<&'a Value>,
    name: &'a str,
    /// The ids of the groups that the node at hand lies below.
    above: Vec<Value>,
    visits: usize,
    report: &'a mut Report,
}

/// The members of a node that are understood.
fn known(node: &Value) -> Option<&'static [&'static str]> {
    Some(match node["type"].as_str().unwrap_or_default() {
        "Everyone" => &[],
        "And" | "Or" => &["children"],
        "Trait" => &["path", "operator"],
        "Includes" => &["path", "item"],
        "Performed" => &["event", "times", "timesOperator", "withinSeconds", "properties"],
        "LastPerformed" => &["event", "whereProperties", "hasProperties"],
        "RandomBucket" => &["percent"],
        _ => return None,
    })
}

impl Reader<'_> {
    fn node(&mut self, node: &Value) -> Option<Value> {
        self.visits += 1;
        if self.visits > NODES_MAX {
            // Told once: of these there may be very many.
            let is_first = self.visits == NODES_MAX + 1;
            return is_first.then(|| self.report.lose(node, format!("more than {NODES_MAX} nodes"))).flatten();
        }
        if self.above.contains(&node["id"]) && !node["id"].is_null() {
            return self.report.lose(node, "nodes lie below each other in a circle");
        }
        match node["type"].as_str().unwrap_or_default() {
            _ if self.above.len() > DEPTH_MAX => {
                self.report.lose(node, format!("more than {DEPTH_MAX} nodes lie below each other"))
            }
            "Manual" => self.report.lose(node, "a manual segment is a list: export it, and save it by its members"),
            "SubscriptionGroup" | "SubscriptionGroupUnsubscribed" => {
                self.report.lose(node, "subscriptions are suppressions here: masks that no rule escapes")
            }
            _ => match known(node).map(|known| stranger(node, &[&["id", "type"], known])) {
                None => self.report.lose(node, "a node of a kind that has no counterpart"),
                Some(Some(member)) => self.report.lose(node, format!("\"{member}\" is not known of such a node")),
                Some(None) => self.understood(node),
            },
        }
    }

    fn understood(&mut self, node: &Value) -> Option<Value> {
        match node["type"].as_str().unwrap_or_default() {
            "Everyone" => Some(json!({"all": true})),
            "And" => self.children(node, "and"),
            "Or" => self.children(node, "or"),
            "Trait" => {
                let told = path(&node["path"]).and_then(|name| tested(&name, &node["operator"]));
                told.or_else(|| self.report.lose(node, "this operator of a trait has no counterpart"))
            }
            "Includes" => {
                let told = path(&node["path"]).zip(plain(&node["item"]));
                let told = told.map(|(name, item)| property(&name, "in", json!([item])));
                told.or_else(|| self.report.lose(node, "it names no path or item"))
            }
            "Performed" => {
                let told = performed(node);
                told.or_else(|| self.report.lose(node, "its count, time or properties have no counterpart"))
            }
            "LastPerformed" => {
                let told = last(node);
                told.or_else(|| self.report.lose(node, "its properties have no counterpart"))
            }
            "RandomBucket" => self.bucket(node),
            _ => self.report.lose(node, "a node of a kind that has no counterpart"),
        }
    }

    fn children(&mut self, node: &Value, word: &str) -> Option<Value> {
        let ids = node["children"].as_array().map(Vec::as_slice).unwrap_or_default();
        if ids.is_empty() {
            return self.report.lose(node, "an empty group");
        }
        self.above.push(node["id"].clone());
        let mut parts = Vec::new();
        for id in ids.iter().take(NODES_MAX + 1) {
            if self.visits > NODES_MAX {
                break;
            }
            let child = self.nodes.iter().find(|child| child["id"] == *id).copied();
            parts.push(match child {
                Some(child) => self.node(child),
                None => {
                    self.visits += 1;
                    self.report.lose(id, "a node that is not there")
                }
            });
        }
        self.above.pop();
        group(word, parts)
    }

    fn bucket(&mut self, node: &Value) -> Option<Value> {
        let share =
            number(&node["percent"]).and_then(|share| share.as_f64()).filter(|share| (0.0..=1.0).contains(share));
        let Some(share) = share else { return self.report.lose(node, "its share is not between 0 and 1") };
        self.report.note(node, "as many are drawn, by another draw: not the same people");
        Some(json!({"bucket": self.name, "of": 10_000, "lt": (share * 10_000.0).round() as u64}))
    }
}

/// `$.plan` and `plan` are one; `$.a.b` lies within another value, which no property has.
fn path(path: &Value) -> Option<String> {
    let name = path.as_str()?.trim_start_matches("$.");
    let name = name.strip_prefix("[\"").and_then(|rest| rest.strip_suffix("\"]")).unwrap_or(name);
    (!name.is_empty() && !name.contains(['.', '[', '$', '*'])).then(|| name.to_owned())
}

fn seconds(value: &Value) -> Option<Value> {
    let seconds = number(value)?.as_u64().filter(|n| *n > 0)?;
    Some(json!({"n": seconds, "unit": "seconds"}))
}

fn tested(name: &str, operator: &Value) -> Option<Value> {
    let value = plain(&operator["value"]);
    let kind = operator["type"].as_str()?;
    let known: &[&str] = match kind {
        "Within" => &["type", "windowSeconds"],
        "AbsoluteTimestamp" => &["type", "absoluteTimestamp", "direction"],
        "Exists" | "NotExists" => &["type"],
        _ => &["type", "value"],
    };
    if stranger(operator, &[known]).is_some() {
        return None;
    }
    match kind {
        "Equals" => Some(property(name, "eq", value?)),
        "NotEquals" => Some(property(name, "ne", value?)),
        "Exists" => Some(presence(name, true)),
        "NotExists" => Some(presence(name, false)),
        "GreaterThanOrEqual" => Some(property(name, "ge", number(&operator["value"])?)),
        "LessThan" => Some(property(name, "lt", number(&operator["value"])?)),
        "Within" => Some(property(name, "within", seconds(&operator["windowSeconds"])?)),
        "AbsoluteTimestamp" => {
            let at = time(operator["absoluteTimestamp"].as_str()?)?;
            match operator["direction"].as_str()? {
                "before" => Some(property(name, "before", at)),
                "after" => Some(property(name, "after", at)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn tests(list: &Value) -> Option<Vec<Value>> {
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |item: &Value| match stranger(item, &[&["path", "operator"]]) {
        Some(_) => None,
        None => tested(&path(&item["path"])?, &item["operator"]),
    };
    all.iter().map(one).collect()
}

fn performed(node: &Value) -> Option<Value> {
    let times = if node["times"].is_null() { json!(1) } else { number(&node["times"])? };
    let is_never = times == 0 && matches!(node["timesOperator"].as_str(), Some("=" | "<"));
    let word = match node["timesOperator"].as_str().unwrap_or(">=") {
        ">=" => "ge",
        "=" => "eq",
        "<" => "lt",
        _ => return None,
    };
    let mut rule = json!({"event": node["event"].as_str()?});
    if !node["withinSeconds"].is_null() {
        rule["window"] = json!({"last": seconds(&node["withinSeconds"])?});
    }
    let tests = tests(&node["properties"])?;
    if !tests.is_empty() {
        rule["where"] = tests.into();
    }
    if is_never && word == "eq" {
        return Some(not(rule));
    }
    rule["count"] = json!({word: times});
    Some(rule)
}

fn last(node: &Value) -> Option<Value> {
    let mut rule = json!({"last": node["event"].as_str()?});
    for (theirs, ours) in [("whereProperties", "where"), ("hasProperties", "having")] {
        let tests = tests(&node[theirs])?;
        if !tests.is_empty() {
            rule[ours] = tests.into();
        }
    }
    Some(rule)
}
