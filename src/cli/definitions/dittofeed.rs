//! Dittofeed's segments: nodes by id, from an entry node down.

use serde_json::{Value, json};

use crate::cli::definitions::parts::{Definition, Report, group, listed, not, number, plain, presence, property, time};

/// Nodes that lie below each other at most; a circle has no end.
const DEPTH_MAX: usize = 64;

/// Reads segments.
///
/// Errors: when there is none.
pub fn read(document: &Value) -> Result<Vec<Definition>, String> {
    let one = |segment: &&Value| {
        let name = segment["name"].as_str().ok_or("a segment has no \"name\"")?;
        let mut report = Report::default();
        let definition = &segment["definition"];
        let mut reader = Reader { nodes: listed(&definition["nodes"], &[]), name, report: &mut report };
        let rule = match definition["entryNode"].is_object() {
            true => reader.node(&definition["entryNode"], 0),
            false => reader.report.lose("definition", "it has no \"entryNode\""),
        };
        Ok(report.close(name, segment["description"].as_str(), rule))
    };
    listed(document, &["segments"]).iter().map(one).collect()
}

struct Reader<'a> {
    nodes: Vec<&'a Value>,
    name: &'a str,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn node(&mut self, node: &Value, depth: usize) -> Option<Value> {
        match node["type"].as_str().unwrap_or_default() {
            _ if depth > DEPTH_MAX => self.report.lose(node, "nodes lie below each other without an end"),
            "Everyone" => Some(json!({"all": true})),
            "And" => self.children(node, "and", depth),
            "Or" => self.children(node, "or", depth),
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
            "Manual" => self.report.lose(node, "a manual segment is a list: export it, and save it by its members"),
            "SubscriptionGroup" | "SubscriptionGroupUnsubscribed" => {
                self.report.lose(node, "subscriptions are suppressions here: masks that no rule escapes")
            }
            _ => self.report.lose(node, "a node of a kind that has no counterpart"),
        }
    }

    fn children(&mut self, node: &Value, word: &str, depth: usize) -> Option<Value> {
        let ids = node["children"].as_array().map(Vec::as_slice).unwrap_or_default();
        if ids.is_empty() {
            return self.report.lose(node, "an empty group");
        }
        let mut parts = Vec::with_capacity(ids.len());
        for id in ids {
            let child = self.nodes.iter().find(|child| child["id"] == *id).copied();
            parts.push(match child {
                Some(child) => self.node(child, depth + 1),
                None => self.report.lose(id, "a node that is not there"),
            });
        }
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
    match operator["type"].as_str()? {
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
    all.iter().map(|item| tested(&path(&item["path"])?, &item["operator"])).collect()
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
