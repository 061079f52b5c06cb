//! PostHog's cohorts, as `GET /api/projects/:id/cohorts/` answers them.

use serde_json::{Value, json};

use crate::cli::definitions::parts::{
    Definition, Report, group, length, listed, not, number, plain, presence, property, time,
};

/// Reads cohorts.
///
/// Errors: when there is none.
pub fn read(document: &Value) -> Result<Vec<Definition>, String> {
    let all = listed(document, &["results", "cohorts"]);
    let one = |cohort: &&Value| {
        let name = cohort["name"].as_str().ok_or("a cohort has no \"name\"")?;
        let mut report = Report::default();
        let rule = if cohort["is_static"] == true {
            report.lose("is_static", "a static cohort is a list of people: export it, and save it by its members")
        } else {
            let filters = &cohort["filters"]["properties"];
            if filters.is_null() { report.lose("filters", "there are none") } else { node(filters, &all, &mut report) }
        };
        Ok(report.close(name, cohort["description"].as_str(), rule))
    };
    all.iter().map(one).collect()
}

fn node(node: &Value, all: &[&Value], report: &mut Report) -> Option<Value> {
    match node["type"].as_str().unwrap_or_default() {
        word @ ("AND" | "OR") => {
            let inside = node["values"].as_array().map(Vec::as_slice).unwrap_or_default();
            if inside.is_empty() {
                return report.lose(node, "an empty group");
            }
            group(&word.to_lowercase(), inside.iter().map(|leaf| self::node(leaf, all, report)).collect())
        }
        kind => {
            let rule = match kind {
                "person" => person(node, report),
                "behavioral" => behavior(node, report),
                "cohort" => cohort(node, all, report),
                _ => report.lose(node, "a filter of a kind that is not known"),
            }?;
            Some(if node["negation"] == true { not(rule) } else { rule })
        }
    }
}

fn cohort(node: &Value, all: &[&Value], report: &mut Report) -> Option<Value> {
    let id = number(&node["value"]);
    let named = all
        .iter()
        .find(|cohort| id.is_some() && number(&cohort["id"]) == id)
        .and_then(|cohort| cohort["name"].as_str());
    match named {
        Some(name) => Some(json!({"segment": name})),
        None => report.lose(node, "a cohort that is not in this file"),
    }
}

fn person(node: &Value, report: &mut Report) -> Option<Value> {
    let name = node["key"].as_str().unwrap_or_default();
    filter(name, node["operator"].as_str().unwrap_or("exact"), &node["value"])
        .or_else(|| report.lose(node, "this operator, or its value, has no counterpart"))
}

/// One test, also within an event.
fn filter(name: &str, operator: &str, value: &Value) -> Option<Value> {
    let values = match value {
        Value::Array(values) => values.iter().map(plain).collect::<Option<Vec<_>>>()?,
        one => plain(one).into_iter().collect(),
    };
    let first = values.first().cloned();
    let text = first.as_ref().and_then(Value::as_str);
    let each = |op: &str| group("or", values.iter().map(|value| Some(property(name, op, value.clone()))).collect());
    let compared = |op: &str| number(value).map(|number| property(name, op, number));
    match operator {
        "exact" if values.len() > 1 => Some(property(name, "in", values.into())),
        "is_not" if values.len() > 1 => Some(property(name, "not_in", values.into())),
        "exact" => first.map(|value| property(name, "eq", value)),
        "is_not" => first.map(|value| property(name, "ne", value)),
        "icontains" => each("contains"),
        "not_icontains" => each("contains").map(not),
        "regex" => text.map(|text| property(name, "regex", text.into())),
        "not_regex" => text.map(|text| property(name, "not_regex", text.into())),
        "gt" => compared("gt"),
        "gte" | "min" => compared("ge"),
        "lt" => compared("lt"),
        "lte" | "max" => compared("le"),
        "between" if values.len() == 2 => {
            let ends = values.iter().map(number).collect::<Option<Vec<_>>>()?;
            Some(property(name, "between", ends.into()))
        }
        "is_set" => Some(presence(name, true)),
        "is_not_set" => Some(presence(name, false)),
        "is_date_exact" => time(text?).filter(|time| time.get("date").is_some()).map(|day| property(name, "on", day)),
        "is_date_before" => match ago(text?) {
            Some(length) => Some(property(name, "age_gt", length)),
            None => time(text?).map(|time| property(name, "before", time)),
        },
        "is_date_after" => match ago(text?) {
            // What lies ahead is after it too.
            Some(length) => Some(json!({"and": [presence(name, true), not(property(name, "age_ge", length))]})),
            None => time(text?).map(|time| property(name, "after", time)),
        },
        _ => None,
    }
}

/// `-30d`.
fn ago(text: &str) -> Option<Value> {
    let rest = text.strip_prefix('-')?;
    let unit = rest.chars().next_back()?;
    let word = match unit {
        'h' => "hour",
        'd' => "day",
        'w' => "week",
        'm' => "month",
        'y' => "year",
        _ => return None,
    };
    length(rest.strip_suffix(unit)?.parse().ok()?, word)
}

/// A length by two members, `time_value` and `time_interval`.
fn span(node: &Value, value: &str, interval: &str) -> Option<Value> {
    let n = number(&node[value])?.as_u64().filter(|n| *n > 0)?;
    length(n, node[interval].as_str()?)
}

fn count(node: &Value) -> Option<Value> {
    let word = match node["operator"].as_str().unwrap_or("gte") {
        "gte" => "ge",
        "lte" => "le",
        "gt" => "gt",
        "lt" => "lt",
        "eq" | "exact" => "eq",
        _ => return None,
    };
    Some(json!({word: number(&node["operator_value"])?}))
}

fn behavior(node: &Value, report: &mut Report) -> Option<Value> {
    if node["event_type"].as_str().unwrap_or("events") != "events" || !node["key"].is_string() {
        return report.lose(node, "an action is a set of events that is defined elsewhere: name the event itself");
    }
    let kind = node["value"].as_str().unwrap_or_default();
    let told = match kind {
        "performed_event_sequence" => sequence(node),
        "performed_event_regularly" => regularly(node),
        "stopped_performing_event" => stopped(node),
        "performed_event" | "performed_event_multiple" | "performed_event_first_time" => single(node, kind),
        _ => None,
    };
    told.or_else(|| report.lose(node, format!("\"{kind}\", or one of its values, has no counterpart")))
}

fn window(node: &Value) -> Option<Value> {
    match node["explicit_datetime"].as_str() {
        Some(from) => match ago(from) {
            Some(length) => Some(json!({"last": length})),
            None => Some(json!({"since": time(from)?})),
        },
        None => Some(json!({"last": span(node, "time_value", "time_interval")?})),
    }
}

/// The tests of an event's own properties; `None` when one has no counterpart.
fn filters(node: &Value) -> Option<Vec<Value>> {
    let all = node["event_filters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |item: &Value| {
        let is_event = item["type"].as_str().unwrap_or("event") == "event";
        let rule = is_event
            .then(|| filter(item["key"].as_str()?, item["operator"].as_str().unwrap_or("exact"), &item["value"]));
        rule.flatten()
    };
    all.iter().map(one).collect()
}

fn single(node: &Value, kind: &str) -> Option<Value> {
    let member = if kind == "performed_event_first_time" { "first" } else { "event" };
    let mut rule = json!({member: node["key"], "window": window(node)?});
    if kind == "performed_event_multiple" {
        rule["count"] = count(node)?;
    }
    let filters = filters(node)?;
    if !filters.is_empty() {
        rule["where"] = filters.into();
    }
    Some(rule)
}

fn sequence(node: &Value) -> Option<Value> {
    let within = span(node, "seq_time_value", "seq_time_interval")?;
    let is_exact = !["months", "years"].contains(&within["unit"].as_str()?);
    let is_plain = node["seq_event_type"].as_str().unwrap_or("events") == "events" && filters(node)?.is_empty();
    let then = node["seq_event"].as_str().filter(|_| is_exact && is_plain)?;
    Some(json!({"sequence": [{"event": node["key"]}, {"event": then}], "within": within, "window": window(node)?}))
}

fn regularly(node: &Value) -> Option<Value> {
    let whole = |member: &str| number(&node[member]).and_then(|n| n.as_u64());
    Some(json!({"regularly": {
        "event": node["key"], "count": count(node)?, "every": span(node, "time_value", "time_interval")?,
        "periods": whole("total_periods")?, "at_least": whole("min_periods")?,
    }}))
}

fn stopped(node: &Value) -> Option<Value> {
    let did = json!({"event": node["key"], "window": window(node)?});
    let lately = json!({"event": node["key"], "window": {"last": span(node, "seq_time_value", "seq_time_interval")?}});
    filters(node)?.is_empty().then(|| json!({"and": [did, not(lately)]}))
}
