//! What the readers of other systems' definitions share: rules put together from parts, and the list of what is lost.

use serde::Serialize;
use serde_json::{Value, json};

/// A part of a definition, as it stands there, and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The part, as it stands in the file.
    pub part: String,
    /// What is to be said.
    pub why: String,
}

/// A segment of another system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What of it can be said, as JSON of the rule language; `None` when nothing can.
    pub rule: Option<Value>,
    /// Where in the file the segments stand that it names, from 0: names may be double, and be taken by others.
    pub needs: Vec<usize>,
    /// What cannot.
    pub lost: Vec<Part>,
    /// What means nearly the same.
    pub notes: Vec<Part>,
}

/// What is found out while a definition is read.
#[derive(Default)]
pub struct Report {
    /// What cannot be said.
    pub lost: Vec<Part>,
    /// What means nearly the same.
    pub notes: Vec<Part>,
    /// Where in the file the segments stand that it names.
    needs: Vec<usize>,
}

impl Report {
    /// A part that cannot be said.
    pub fn lose(&mut self, part: impl ToString, why: impl Into<String>) -> Option<Value> {
        self.lost.push(Part { part: part.to_string(), why: why.into() });
        None
    }

    /// A part that means nearly the same.
    pub fn note(&mut self, part: impl ToString, why: impl Into<String>) {
        self.notes.push(Part { part: part.to_string(), why: why.into() });
    }

    /// Membership in the segment of a file that has an id; `None`, and lost, unless there is just one.
    pub fn refer(&mut self, part: &Value, id: &Value, all: &[&Value]) -> Option<Value> {
        let id = number(id).map(|id| id.to_string());
        let has_id = |other: &Value| id.is_some() && number(&other["id"]).map(|id| id.to_string()) == id;
        let mut found = all.iter().enumerate().filter(|(_, other)| has_id(other));
        match (found.next(), found.next()) {
            (Some((place, other)), None) => {
                self.needs.push(place);
                Some(json!({"segment": other["name"].as_str().unwrap_or_default()}))
            }
            (None, _) => self.lose(part, "a segment that is not in this file"),
            (Some(_), Some(_)) => self.lose(part, "several segments of this file have this id"),
        }
    }

    /// The opposite of a part of which `lost_before` parts of the definition had been lost. A negated group of which a
    /// part is lost is lost as a whole: without that part it could hold for anyone.
    pub fn negate(&mut self, part: impl ToString, lost_before: usize, rule: Option<Value>) -> Option<Value> {
        if self.lost.len() > lost_before {
            return self.lose(part, "a part of what is negated cannot be said");
        }
        rule.map(not)
    }

    /// The definition.
    pub fn close(self, name: &str, description: Option<&str>, rule: Option<Value>) -> Definition {
        let description = description.filter(|text| !text.is_empty()).map(str::to_owned);
        Definition { name: name.to_owned(), description, rule, needs: self.needs, lost: self.lost, notes: self.notes }
    }
}

/// Several parts under one word, `and` or `or`; lost ones are left out.
pub fn group(word: &str, parts: Vec<Option<Value>>) -> Option<Value> {
    let mut kept: Vec<Value> = parts.into_iter().flatten().collect();
    if kept.len() == 1 { kept.pop() } else { (!kept.is_empty()).then(|| json!({word: kept})) }
}

/// The opposite.
pub fn not(rule: Value) -> Value {
    json!({"not": rule})
}

/// A test of a property.
pub fn property(name: &str, op: &str, value: Value) -> Value {
    json!({"property": name, "op": op, "value": value})
}

/// A test of a property without a value.
pub fn presence(name: &str, is_set: bool) -> Value {
    json!({"property": name, "op": if is_set { "is_set" } else { "is_not_set" }})
}

/// A number or boolean that stands in quotes is one; `None` for what is no plain value.
pub fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text == "true" || text == "false" => Some((text == "true").into()),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        _ => None,
    }
}

/// A number, also one that stands in quotes.
pub fn number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => {
            let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
            is_number.then(|| serde_json::from_str(text).ok()).flatten()
        }
        _ => None,
    }
}

/// A day or an instant, as an operand.
pub fn time(text: &str) -> Option<Value> {
    let text = text.trim();
    let digits =
        |from: usize, to: usize| text.get(from..to).is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()));
    let is_day =
        digits(0, 4) && digits(5, 7) && digits(8, 10) && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    match text.len() {
        10 if is_day => Some(json!({"date": text})),
        20.. if is_day && (text.ends_with('Z') || text[19..].contains(['+', '-'])) => {
            Some(json!({"instant": text.replacen(' ', "T", 1)}))
        }
        _ => None,
    }
}

/// A length by a word for its unit, in the singular or plural.
pub fn length(n: u64, unit: &str) -> Option<Value> {
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix('s').unwrap_or(&unit);
    ["second", "minute", "hour", "day", "week", "month", "year"]
        .contains(&unit)
        .then(|| json!({"n": n, "unit": format!("{unit}s")}))
}

/// The first member that is none of those that are understood; it may say what a reader would pass over.
pub fn stranger<'a>(node: &'a Value, known: &[&[&str]]) -> Option<&'a str> {
    let is_known = |name: &str| known.iter().any(|names| names.contains(&name));
    let mut members = node.as_object()?.iter();
    members.find(|(name, value)| !value.is_null() && !is_known(name)).map(|(name, _)| name.as_str())
}

/// The rule with everyone in the place of segments, which tells whether the rest of it is right.
pub fn without_segments(rule: &Value) -> Value {
    match rule {
        Value::Object(members) if members.contains_key("segment") => json!({"all": true}),
        Value::Object(members) => {
            members.iter().map(|(name, inside)| (name.clone(), without_segments(inside))).collect()
        }
        Value::Array(rules) => rules.iter().map(without_segments).collect(),
        plain => plain.clone(),
    }
}

/// The definitions of a document: a list, a list under one of some names, or a single one.
pub fn listed<'a>(document: &'a Value, names: &[&str]) -> Vec<&'a Value> {
    let inside = names.iter().find_map(|name| document.get(*name)).unwrap_or(document);
    match inside {
        Value::Array(all) => all.iter().collect(),
        // Mautic's API answers an object by id.
        Value::Object(all)
            if all.values().all(|one| one.is_object()) && !all.is_empty() && !all.contains_key("filters") =>
        {
            all.values().collect()
        }
        one => vec![one],
    }
}
