//! JSON Schemas (2020-12) in few words, for the document of the API.

use serde_json::{Map, Value, json};

/// A string.
pub fn text() -> Value {
    json!({"type": "string"})
}

/// A string of a length. Units: characters, which the limits count as bytes at least.
pub fn text_of(least: usize, most: usize) -> Value {
    json!({"type": "string", "minLength": least, "maxLength": most})
}

/// The place in a listing that an answer gave; to its caller only a text.
pub fn cursor() -> Value {
    json!({"type": "string", "pattern": "^[0-9a-f]{1,8}-[0-9a-f]{1,16}-[0-9a-f]{1,16}-[0-9a-f]{1,8}$"})
}

/// One of some words.
pub fn word(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// An instant, RFC 3339 in UTC.
pub fn instant() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// A day.
pub fn day() -> Value {
    json!({"type": "string", "format": "date"})
}

/// `true` or `false`.
pub fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A whole number of at least 0.
pub fn whole() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// A number of a write or of an entry, as a caller sends it.
pub fn position() -> Value {
    whole_of(0, u64::MAX)
}

/// A whole number within bounds.
pub fn whole_of(least: u64, most: u64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

/// A number.
pub fn number() -> Value {
    json!({"type": "number"})
}

/// An array.
pub fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

/// An array of at most so many.
pub fn list_of(of: Value, most: usize) -> Value {
    json!({"type": "array", "items": of, "maxItems": most})
}

/// The same, or `null`.
pub fn nullable(mut shape: Value) -> Value {
    match shape.get("type").and_then(Value::as_str).map(str::to_owned) {
        Some(kind) if shape.get("enum").is_none() => {
            shape["type"] = json!([kind, "null"]);
            shape
        }
        _ => json!({"anyOf": [shape, {"type": "null"}]}),
    }
}

/// One of several.
pub fn any(of: Vec<Value>) -> Value {
    json!({"anyOf": of})
}

/// A schema that is told once, in [`crate::http::components`].
pub fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Anything.
pub fn anything() -> Value {
    json!({})
}

/// An object that answers: members that must be there, and others that may. More may come with later versions.
pub fn object<const N: usize, const M: usize>(must: [(&str, Value); N], may: [(&str, Value); M]) -> Value {
    let required: Vec<&str> = must.iter().map(|(name, _)| *name).collect();
    let members = must.into_iter().chain(may).map(|(name, shape)| (name.to_owned(), shape));
    let members: Map<String, Value> = members.collect();
    let mut shape = json!({"type": "object", "properties": members});
    if !required.is_empty() {
        shape["required"] = json!(required);
    }
    shape
}

/// An object that asks: a member that is not named here is refused.
pub fn asks<const N: usize, const M: usize>(must: [(&str, Value); N], may: [(&str, Value); M]) -> Value {
    let mut shape = object(must, may);
    shape["additionalProperties"] = false.into();
    shape
}

/// An object by free names.
pub fn by_name(of: Value) -> Value {
    json!({"type": "object", "additionalProperties": of})
}

/// A shape with a sentence about it.
pub fn said(mut shape: Value, sentence: &str) -> Value {
    shape["description"] = sentence.into();
    shape
}
