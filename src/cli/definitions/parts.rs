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

    /// The definition.
    pub fn close(self, name: &str, description: Option<&str>, rule: Option<Value>) -> Definition {
        let description = description.filter(|text| !text.is_empty()).map(str::to_owned);
        Definition { name: name.to_owned(), description, rule, lost: self.lost, notes: self.notes }
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

/// The names of the segments that a rule names.
pub fn segments_of(rule: &Value) -> Vec<&str> {
    match rule {
        Value::Object(members) => {
            let own = members.get("segment").and_then(Value::as_str);
            own.into_iter().chain(members.values().flat_map(segments_of)).collect()
        }
        Value::Array(rules) => rules.iter().flat_map(segments_of).collect(),
        _ => Vec::new(),
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
