//! The JSON shapes of contacts and the schema: names outside, values as people write them.

use std::io::Write as _;

use serde_json::{Map, Value as Out, json};

use crate::{
    db::record::{ContactRecord, RuleForms, SegmentInfo},
    http::{
        json::{Json, tree},
        problem::Problem,
    },
    model::{
        name::{ContactKey, Name},
        number::{Number, NumberError},
        request::{Input, Refusal, RefusalKind},
        schema::{Derived, EventKind, Property, Schema, Source},
        value::{Value, ValueType},
    },
};

/// Appends a contact as one flat object.
pub fn write_contact(out: &mut Vec<u8>, record: &ContactRecord, schema: &Schema) {
    out.extend_from_slice(b"{\"key\":");
    write_text(out, &record.key);
    for (name, value) in &record.values {
        out.push(b',');
        write_text(out, name.as_str());
        out.push(b':');
        write_value(out, value, schema.property(name.as_str()).map(|property| property.ty));
    }
    out.push(b'}');
}

/// Appends a JSON string.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing to memory cannot fail");
}

/// Appends a value; money in decimals of the currency, instants and dates as strings.
pub fn write_value(out: &mut Vec<u8>, value: &Value, ty: Option<ValueType>) {
    match value {
        Value::Set(values) => {
            out.push(b'[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_text(out, value);
            }
            out.push(b']');
        }
        Value::Text(_) | Value::Time(_) | Value::Day(_) => write_text(out, &plain_text(value, ty)),
        Value::Flag(_) | Value::Number(_) | Value::Money(_) => {
            write!(out, "{}", plain_text(value, ty)).expect("writing to memory cannot fail");
        }
    }
}

/// A value as the text of one cell; several values of a set are joined by `;`.
pub fn plain_text(value: &Value, ty: Option<ValueType>) -> String {
    match (value, ty) {
        (Value::Text(text), _) => text.to_string(),
        (Value::Flag(flag), _) => flag.to_string(),
        (Value::Number(number), _) => number.to_string(),
        (Value::Money(minor), Some(ValueType::Money(currency))) => currency.format_minor(*minor),
        (Value::Money(minor), _) => minor.to_string(),
        (Value::Time(at), _) => at.to_string(),
        (Value::Day(day), _) => day.to_string(),
        (Value::Set(values), _) => values.join(";"),
    }
}

/// A contact as a tree.
pub fn contact_json(record: &ContactRecord, schema: &Schema) -> Out {
    let mut bytes = Vec::new();
    write_contact(&mut bytes, record, schema);
    serde_json::from_slice(&bytes).expect("what was written is JSON")
}

/// What a caller sent for one property.
///
/// Errors: a number beyond 64 bits.
pub fn input(value: &Json, pointer: &str) -> Result<Input, Refusal> {
    let list = |values: &[Json]| -> Result<Vec<Input>, Refusal> {
        values.iter().enumerate().map(|(place, value)| input(value, &format!("{pointer}/{place}"))).collect()
    };
    Ok(match value {
        Json::Null => Input::Null,
        Json::Flag(flag) => Input::Flag(*flag),
        Json::Number(digits) => Input::Number(number(digits, pointer)?),
        Json::Text(text) => Input::Text(text.as_str().into()),
        Json::List(values) => Input::List(list(values)?),
        Json::Object(members) => {
            let part = |key: &str| match value.get(key) {
                Some(Json::List(values)) => scalars(values, &format!("{pointer}/{key}")).and(list(values)).map(Some),
                Some(_) => Ok(None),
                None => Ok(Some(Vec::new())),
            };
            let is_edit = !members.is_empty() && members.iter().all(|(key, _)| key == "add" || key == "remove");
            match (is_edit, part("add")?, part("remove")?) {
                (true, Some(add), Some(remove)) => Input::Edit { add, remove },
                _ => Input::Object,
            }
        }
    })
}

/// Refuses what can be no value of a set, also where there is nothing to take it out of.
fn scalars(values: &[Json], pointer: &str) -> Result<(), Refusal> {
    let is_scalar = |value: &Json| matches!(value, Json::Flag(_) | Json::Number(_) | Json::Text(_));
    match values.iter().position(|value| !is_scalar(value)) {
        None => Ok(()),
        Some(place) => Err(Refusal {
            kind: RefusalKind::Invalid,
            code: "wrong_type",
            pointer: format!("{pointer}/{place}"),
            detail: format!("a value of a set is a text, not {}", values[place].kind()),
        }),
    }
}

fn number(digits: &str, pointer: &str) -> Result<Number, Refusal> {
    Number::parse(digits).map_err(|error| Refusal {
        kind: RefusalKind::Invalid,
        code: match error {
            NumberError::OutOfRange => "number_out_of_range",
            NumberError::Malformed => "malformed_number",
        },
        pointer: pointer.to_owned(),
        detail: format!("{digits} {error}"),
    })
}

/// The schema, in the shape that PATCH takes.
pub fn schema_json(schema: &Schema) -> Out {
    let properties: Map<String, Out> =
        schema.properties().map(|property| (property.name.to_string(), property_json(property))).collect();
    let events: Map<String, Out> = schema.events().map(|kind| (kind.name.to_string(), event_json(kind))).collect();
    json!({"properties": properties, "events": events, "time_zone": schema.zone().name()})
}

fn names(names: &[Name]) -> Vec<&str> {
    names.iter().map(Name::as_str).collect()
}

fn typed(ty: ValueType, case_sensitive: bool) -> Out {
    let mut object = json!({"type": ty.name()});
    if let ValueType::Money(currency) = ty {
        object["currency"] = currency.code().into();
    }
    if case_sensitive {
        object["case_sensitive"] = true.into();
    }
    object
}

fn property_json(property: &Property) -> Out {
    let mut object = typed(property.ty, property.case_sensitive);
    if !property.aliases.is_empty() {
        object["aliases"] = names(&property.aliases).into();
    }
    if let Some(derived) = &property.derived {
        object["derived"] = derived_json(derived);
    }
    object
}

fn derived_json(derived: &Derived) -> Out {
    let mut object = match &derived.source {
        Source::Aggregate { function, event, of } => {
            let mut object = json!({"aggregate": function.name(), "event": event.as_str()});
            if let Some(of) = of {
                object["of"] = of.as_str().into();
            }
            object
        }
        Source::Latest { event } => json!({"latest": event.as_ref().map_or("any", Name::as_str)}),
        Source::OpenClose { open, close } => json!({"open": open.as_str(), "close": close.as_str()}),
    };
    object["writer"] = derived.writer.name().into();
    object
}

fn event_json(kind: &EventKind) -> Out {
    let properties: Map<String, Out> = kind
        .properties
        .iter()
        .filter(|property| !property.dropped)
        .map(|property| (property.name.to_string(), typed(property.ty, property.case_sensitive)))
        .collect();
    json!({
        "phrases": kind.phrases,
        "negative": kind.negative,
        "label": kind.label.as_ref().map(Name::as_str),
        "activity": kind.activity,
        "properties": properties,
    })
}

/// A rule in both forms.
pub fn rule_json(forms: &RuleForms) -> Out {
    let tree = tree(forms.json.as_bytes()).expect("canonical JSON is JSON");
    json!({"text": forms.text, "json": tree})
}

/// A segment with its count.
pub fn segment_json(segment: &SegmentInfo, count: u64) -> Out {
    let mut object = json!({
        "name": segment.name,
        "description": segment.description,
        "kind": if segment.rule.is_some() { "dynamic" } else { "static" },
        "count": count,
        "version": segment.version,
        "created": segment.created.to_string(),
        "updated": segment.updated.to_string(),
    });
    if let Some(forms) = &segment.rule {
        let forms = rule_json(forms);
        object["rule"] = forms["text"].clone();
        object["rule_json"] = forms["json"].clone();
    }
    object
}

/// A member of an object, or the problem that it is missing or of another kind.
pub fn text_member<'a>(body: &'a Json, key: &str) -> Result<Option<&'a str>, Problem> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(other) => Err(Problem::refused("wrong_type", format!("\"{key}\" must be a string, not {}", other.kind()))),
    }
}

/// Refuses members that the call does not know.
pub fn only_members(body: &Json, known: &[&str]) -> Result<(), Problem> {
    let Json::Object(members) = body else {
        return Err(Problem::refused("wrong_type", format!("the body must be an object, not {}", body.kind())));
    };
    match members.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some((key, _)) => Err(Problem::refused(
            "unknown_member",
            format!("\"{key}\" is not known here; known are {}", known.join(", ")),
        )),
    }
}

/// A member that is a list of strings.
///
/// Errors: 422 when it is something else.
pub fn text_list(body: &Json, key: &str) -> Result<Option<Vec<String>>, Problem> {
    let wrong = |found: &Json| {
        Problem::refused("wrong_type", format!("\"{key}\" must be a list of strings; it holds {}", found.kind()))
    };
    match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::List(values)) => values
            .iter()
            .map(|value| match value {
                Json::Text(text) => Ok(text.clone()),
                Json::Null | Json::Flag(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => Err(wrong(value)),
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Some),
        Some(other) => Err(wrong(other)),
    }
}

/// A member that is a whole number of at least 0.
///
/// Errors: 422 when it is something else.
pub fn count_member(body: &Json, key: &str) -> Result<Option<u64>, Problem> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Number(digits)) if digits.parse::<u64>().is_ok() => Ok(digits.parse().ok()),
        Some(other) => Err(Problem::refused("wrong_type", format!("\"{key}\" must be a whole number, not {other}"))),
    }
}

/// A member that is true or false.
///
/// Errors: 422 when it is something else.
pub fn flag_member(body: &Json, key: &str) -> Result<Option<bool>, Problem> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Flag(flag)) => Ok(Some(*flag)),
        Some(other) => Err(Problem::refused("wrong_type", format!("\"{key}\" must be true or false, not {other}"))),
    }
}

/// A member that is a list of contact keys.
///
/// Errors: 422 when it is something else, or a key is none.
pub fn key_list(body: &Json, member: &str) -> Result<Option<Vec<ContactKey>>, Problem> {
    let Some(keys) = text_list(body, member)? else {
        return Ok(None);
    };
    let key = |key: &String| {
        ContactKey::new(key).map_err(|error| Problem::refused("bad_key", format!("\"{member}\": {error}")))
    };
    keys.iter().map(key).collect::<Result<Vec<_>, _>>().map(Some)
}
