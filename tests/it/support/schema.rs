//! Whether a value is what a JSON Schema says, for the part of 2020-12 that the document of the API uses.

use serde_json::Value;

/// The keywords that are understood; another one would pass for nothing, so it is refused.
const KEYWORDS: [&str; 21] = [
    "$ref",
    "type",
    "enum",
    "anyOf",
    "oneOf",
    "items",
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "format",
    "description",
    "default",
    "example",
];

/// What is wrong with a value, each with its place.
pub fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = vec![];
    check(document, schema, value, "", &mut found);
    found
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let rules = schema.as_object().unwrap_or_else(|| panic!("{place}: a schema is an object, not {schema}"));
    for keyword in rules.keys() {
        assert!(KEYWORDS.contains(&keyword.as_str()), "{keyword} is not understood");
    }
    let mut wrong = |what: String| found.push(format!("{}: {what}", if place.is_empty() { "/" } else { place }));
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(&name[1..]).unwrap_or_else(|| panic!("{name} is not there"));
        return check(document, target, value, place, found);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(value, kind)) {
        return wrong(format!("{value} is not {}", kinds.join(" or ")));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        wrong(format!("{value} is none of {words:?}"));
    }
    if let (Some(text), Some("date-time")) = (value.as_str(), schema["format"].as_str())
        && throng::Timestamp::parse(text).is_err()
    {
        wrong(format!("{text} is no instant"));
    }
    for member in ["anyOf", "oneOf"] {
        let Some(branches) = schema[member].as_array() else { continue };
        let fits = branches.iter().filter(|branch| faults(document, branch, value).is_empty()).count();
        if fits == 0 || (member == "oneOf" && fits > 1) {
            wrong(format!("{value} fits {fits} of {member}: {}", schema[member]));
        }
    }
    if let (Some(number), Some(least)) = (value.as_f64(), schema["minimum"].as_f64())
        && number < least
    {
        wrong(format!("{number} is less than {least}"));
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate().filter(|_| schema.get("items").is_some()) {
        check(document, &schema["items"], item, &format!("{place}/{n}"), found);
    }
    check_members(document, schema, value, place, found);
}

fn check_members(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            found.push(format!("{place}/{name} is missing"));
        }
    }
    for (name, member) in members {
        let place = format!("{place}/{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(shape), _) => check(document, shape, member, &place, found),
            (None, Value::Bool(false)) => found.push(format!("{place} is not told of")),
            (None, shape @ Value::Object(_)) => check(document, shape, member, &place, found),
            (None, _) => {}
        }
    }
}
