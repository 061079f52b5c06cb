//! A change of the schema, from JSON. Objects are merged key by key, lists replaced, `null` drops.

use crate::{
    http::{json::Json, problem::Problem, wire},
    model::{
        currency::Currency,
        name::{Name, words},
        request::{EventPatch, EventPropertyPatch, PropertyPatch, SchemaPatch},
        schema::{Derived, Function, Source, Writer},
    },
};

/// Reads a patch. A `time_zone` is taken if it is the one there is, so that what GET gives can be sent back.
///
/// Errors: 422 with the member that is wrong.
pub fn read(body: &Json, zone: &str) -> Result<SchemaPatch, Problem> {
    wire::only_members(body, &["properties", "events", "time_zone"])?;
    if wire::text_member(body, "time_zone")?.is_some_and(|asked| asked != zone) {
        let detail = "the time zone is set once, when the folder is made (\"--time-zone\")";
        return Err(Problem::refused("time_zone_fixed", detail));
    }
    Ok(SchemaPatch { properties: members(body, "properties", property)?, events: members(body, "events", event)? })
}

/// The named members of an object; `null` is a drop.
fn members<T>(
    body: &Json,
    key: &str,
    read: fn(&Json, &str) -> Result<T, Problem>,
) -> Result<Vec<(Name, Option<T>)>, Problem> {
    let members = match body.get(key) {
        None => return Ok(Vec::new()),
        Some(Json::Object(members)) => members,
        Some(other) => {
            let detail = format!("\"{key}\" must be an object of names, not {}", other.kind());
            return Err(Problem::refused("wrong_type", detail));
        }
    };
    let mut patches: Vec<(Name, Option<T>)> = Vec::new();
    for (spelling, value) in members {
        let name = name(spelling)?;
        if patches.iter().any(|(other, _)| *other == name) {
            let detail = format!("\"{spelling}\" is a second spelling of \"{name}\"");
            return Err(Problem::refused("name_twice", detail));
        }
        let patch = if *value == Json::Null { None } else { Some(read(value, spelling)?) };
        patches.push((name, patch));
    }
    Ok(patches)
}

fn name(spelling: &str) -> Result<Name, Problem> {
    Name::new(spelling).map_err(|error| Problem::refused("bad_name", format!("\"{spelling}\": {error}")))
}

/// A list of names; `null` drops them all.
fn names(body: &Json, key: &str) -> Result<Option<Vec<Name>>, Problem> {
    if body.get(key) == Some(&Json::Null) {
        return Ok(Some(Vec::new()));
    }
    wire::text_list(body, key)?.map(|list| list.iter().map(|spelling| name(spelling)).collect()).transpose()
}

/// A flag; `null` makes it what it is `usual`ly.
fn flag(body: &Json, key: &str, usual: bool) -> Result<Option<bool>, Problem> {
    match body.get(key) {
        None => Ok(None),
        Some(Json::Null) => Ok(Some(usual)),
        Some(Json::Flag(flag)) => Ok(Some(*flag)),
        Some(other) => {
            Err(Problem::refused("wrong_type", format!("\"{key}\" must be true or false, not {}", other.kind())))
        }
    }
}

fn currency(body: &Json) -> Result<Option<Currency>, Problem> {
    let Some(code) = wire::text_member(body, "currency")? else {
        return Ok(None);
    };
    let detail = || format!("\"{code}\" is not a currency code like USD (ISO 4217)");
    Currency::of_code(code).map(Some).ok_or_else(|| Problem::refused("unknown_currency", detail()))
}

fn property(body: &Json, spelling: &str) -> Result<PropertyPatch, Problem> {
    if name(spelling)?.as_str() == "key" {
        return Err(Problem::refused("reserved_name", "\"key\" is reserved for the contact's key"));
    }
    wire::only_members(body, &["type", "currency", "aliases", "case_sensitive", "derived"])?;
    Ok(PropertyPatch {
        ty: wire::text_member(body, "type")?.map(Into::into),
        currency: currency(body)?,
        aliases: names(body, "aliases")?,
        case_sensitive: flag(body, "case_sensitive", false)?,
        derived: match body.get("derived") {
            None => None,
            Some(Json::Null) => Some(None),
            Some(source) => Some(Some(derived(source)?)),
        },
    })
}

fn derived(body: &Json) -> Result<Derived, Problem> {
    wire::only_members(body, &["aggregate", "event", "of", "latest", "open", "close", "writer"])?;
    let named = |key: &str| wire::text_member(body, key)?.map(name).transpose();
    let needed = |key: &str| {
        named(key)?.ok_or_else(|| Problem::refused("missing_member", format!("\"derived\" needs \"{key}\"")))
    };
    let aggregate = wire::text_member(body, "aggregate")?;
    let latest = named("latest")?;
    let (source, usual) = match (aggregate, latest, body.get("open")) {
        (Some(word), None, None) => {
            let function = Function::ALL.into_iter().find(|function| function.name() == word);
            let detail = || format!("\"{word}\" is not count, sum, min, max, avg or distinct");
            let function = function.ok_or_else(|| Problem::refused("unknown_aggregate", detail()))?;
            let usual = match function {
                Function::Count | Function::Sum => Writer::Add,
                Function::Max => Writer::Max,
                Function::Min | Function::Avg | Function::Distinct => Writer::Refuse,
            };
            (Source::Aggregate { function, event: needed("event")?, of: named("of")? }, usual)
        }
        (None, Some(latest), None) => {
            let event = (latest.as_str() != "any").then_some(latest);
            (Source::Latest { event }, Writer::Max)
        }
        (None, None, Some(_)) => {
            (Source::OpenClose { open: needed("open")?, close: needed("close")? }, Writer::UntilNext)
        }
        _ => {
            let detail =
                "\"derived\" is {\"aggregate\":…,\"event\":…,\"of\":…}, {\"latest\":…} or {\"open\":…,\"close\":…}";
            return Err(Problem::refused("bad_derived", detail));
        }
    };
    let writer = match wire::text_member(body, "writer")? {
        None => usual,
        Some(word) => {
            let detail = || format!("\"writer\" is add, max, until_next or refuse, not \"{word}\"");
            let writer = Writer::ALL.into_iter().find(|writer| writer.name() == word);
            writer.ok_or_else(|| Problem::refused("unknown_writer", detail()))?
        }
    };
    Ok(Derived { source, writer })
}

/// A list of phrases; `null` drops them all.
fn phrases(body: &Json, key: &str) -> Result<Option<Vec<Box<str>>>, Problem> {
    if body.get(key) == Some(&Json::Null) {
        return Ok(Some(Vec::new()));
    }
    Ok(wire::text_list(body, key)?.map(|list| list.iter().map(|phrase| words(phrase).join(" ").into()).collect()))
}

fn event(body: &Json, _: &str) -> Result<EventPatch, Problem> {
    wire::only_members(body, &["phrases", "negative", "label", "activity", "properties"])?;
    Ok(EventPatch {
        phrases: phrases(body, "phrases")?,
        negative: phrases(body, "negative")?,
        label: match body.get("label") {
            None => None,
            Some(_) => Some(wire::text_member(body, "label")?.map(name).transpose()?),
        },
        activity: flag(body, "activity", true)?,
        properties: members(body, "properties", event_property)?,
    })
}

fn event_property(body: &Json, _: &str) -> Result<EventPropertyPatch, Problem> {
    wire::only_members(body, &["type", "currency", "case_sensitive"])?;
    Ok(EventPropertyPatch {
        ty: wire::text_member(body, "type")?.map(Into::into),
        currency: currency(body)?,
        case_sensitive: flag(body, "case_sensitive", false)?,
    })
}
