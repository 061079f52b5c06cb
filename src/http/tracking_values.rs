//! The values of tracking calls: objects made flat, lists made sets, names mapped.

use std::collections::{HashMap, HashSet};

use crate::{
    http::{json::Json, records::Names, tracking_calls::refusal, wire},
    model::{
        limits,
        name::Name,
        request::{Input, Refusal},
    },
};

/// Values by name.
pub(super) type Values = Vec<(Name, Input)>;

/// Appends the values of an object: what is in an object inside it under both names, of a list the texts, and of a list
/// of objects the texts of each member. What no property could hold is left out, and of two values of one name the later.
pub(super) fn flatten(object: Option<&Json>, place: &str, names: &mut Names, out: &mut Values) -> Result<(), Refusal> {
    match object {
        None | Some(Json::Null) => Ok(()),
        Some(Json::Object(members)) => {
            let mut flat = Vec::new();
            members.iter().for_each(|(member, value)| flatten_value(member.clone(), value, place, &mut flat));
            if flat.len() > limits::PROPERTIES_MAX {
                let detail = format!("a call has at most {} values; this has {}", limits::PROPERTIES_MAX, flat.len());
                return Err(refusal("too_many", place, detail));
            }
            let mut known: HashSet<Name> = out.iter().map(|(name, _)| name.clone()).collect();
            for (path, value) in flat {
                // The rest of the call is worth more than what no name or a second one stands for.
                let Ok(name) = names.get(&path) else { continue };
                if known.insert(name.clone()) {
                    out.push((name, value.map_err(|refusal| Refusal { pointer: place.into(), ..refusal })?));
                }
            }
            Ok(())
        }
        // What some languages make of an object without members.
        Some(Json::List(items)) if items.is_empty() => Ok(()),
        Some(other) => Err(refusal("wrong_type", place, format!("must be an object, not {}", other.kind()))),
    }
}

fn flatten_value(path: String, value: &Json, place: &str, out: &mut Vec<(String, Result<Input, Refusal>)>) {
    match value {
        Json::Object(members) => {
            members.iter().for_each(|(member, value)| flatten_value(format!("{path}.{member}"), value, place, out));
        }
        Json::List(items) if items.iter().any(|item| matches!(item, Json::Object(_))) => {
            let mut columns: Vec<(&str, Vec<Input>)> = Vec::new();
            let mut places: HashMap<&str, usize> = HashMap::new();
            for (member, text) in items.iter().flat_map(texts_of) {
                let place = *places.entry(member).or_insert_with(|| {
                    columns.push((member, Vec::new()));
                    columns.len() - 1
                });
                columns[place].1.push(Input::Text(text.into()));
            }
            out.extend(columns.into_iter().map(|(member, texts)| (format!("{path}.{member}"), Ok(Input::List(texts)))));
        }
        Json::List(items) => {
            let text = |item: &Json| match item {
                Json::Text(text) => Some(Input::Text(text.as_str().into())),
                Json::Number(digits) => Some(Input::Text(digits.as_str().into())),
                Json::Flag(flag) => Some(Input::Text(flag.to_string().into())),
                Json::Null | Json::List(_) | Json::Object(_) => None,
            };
            out.push((path, Ok(Input::List(items.iter().filter_map(text).collect()))));
        }
        Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) => out.push((path, wire::input(value, place))),
    }
}

/// The members of an object that are texts.
fn texts_of(item: &Json) -> impl Iterator<Item = (&str, &str)> {
    let members: &[(String, Json)] = if let Json::Object(members) = item { members } else { &[] };
    members.iter().filter_map(|(member, value)| match value {
        Json::Text(text) => Some((member.as_str(), text.as_str())),
        _ => None,
    })
}

/// The values under other names; of a name that is mapped to none they are left out.
///
/// Errors: when two of them come to have one name.
pub(super) fn renamed(values: Values, to: impl Fn(&Name) -> Option<Option<Name>>) -> Result<Values, Refusal> {
    let mut out = Values::with_capacity(values.len());
    let mut known = HashSet::new();
    for (name, value) in values {
        let Some(name) = to(&name).unwrap_or(Some(name)) else { continue };
        if !known.insert(name.clone()) {
            let detail = format!("two values of this call are to be \"{name}\"");
            return Err(refusal("name_twice", "", detail));
        }
        out.push((name, value));
    }
    Ok(out)
}
