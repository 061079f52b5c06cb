//! PostHog's cohorts, as `GET /api/projects/:id/cohorts/` answers them.

use serde_json::{Value, json};

use crate::cli::definitions::parts::{
    Definition, Report, group, length, listed, not, number, plain, presence, property, stranger, time,
};

/// Members that say nothing about whom a filter holds for: what PostHog works out from it, and marks of its pages.
const MARKS: [&str; 7] = ["bytecode", "bytecode_error", "conditionHash", "cohort_name", "index", "label", "sort_key"];
/// Members of every filter by events.
const OF_EVENTS: [&str; 6] = ["type", "key", "value", "negation", "event_type", "event_filters"];
const OF_WINDOWS: [&str; 3] = ["time_value", "time_interval", "explicit_datetime"];
const OF_COUNTS: [&str; 2] = ["operator", "operator_value"];
const OF_SEQUENCES: [&str; 4] = ["seq_event", "seq_event_type", "seq_time_value", "seq_time_interval"];

/// Reads cohorts.
///
/// Errors: when there is none, or the file is one page of several.
pub fn read(document: &Value) -> Result<Vec<Definition>, String> {
    if ["next", "previous"].iter().any(|page| document[*page].is_string()) {
        return Err(
            "it is one page of several (\"next\" or \"previous\" is set): ask with a larger \"limit\", or put \
            the results of all pages into one list"
                .into(),
        );
    }
    let all = listed(document, &["results", "cohorts"]);
    let one = |cohort: &&Value| {
        let name = cohort["name"].as_str().ok_or("a cohort has no \"name\"")?;
        let mut report = Report::default();
        let rule = if cohort["is_static"] == true {
            report.lose("is_static", "a static cohort is a list of people: export it, and save it by its members")
        } else {
            let filters = &cohort["filters"]["properties"];
            match stranger(&cohort["filters"], &[&["properties"], &MARKS]) {
                Some(member) => report.lose("filters", format!("\"{member}\" is not known")),
                None if filters.is_null() => report.lose("filters", "there are none"),
                None => node(filters, &all, &mut report),
            }
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
            if let Some(member) = stranger(node, &[&["type", "values", "negation"], &MARKS]) {
                return report.lose(node, format!("\"{member}\" is not known"));
            }
            let lost = report.lost.len();
            let parts = inside.iter().map(|leaf| self::node(leaf, all, report)).collect();
            let rule = group(&word.to_lowercase(), parts);
            if node["negation"] == true { report.negate(node, lost, rule) } else { rule }
        }
        kind => {
            let rule = match kind {
                "person" => person(node, report),
                "behavioral" => behavior(node, report),
                "cohort" => match stranger(node, &[&["type", "key", "value", "negation"], &MARKS]) {
                    Some(member) => report.lose(node, format!("\"{member}\" is not known")),
                    None => report.refer(node, &node["value"], all),
                },
                _ => report.lose(node, "a filter of a kind that is not known"),
            }?;
            Some(if node["negation"] == true { not(rule) } else { rule })
        }
    }
}

fn person(node: &Value, report: &mut Report) -> Option<Value> {
    if let Some(member) = stranger(node, &[&["type", "key", "value", "operator", "negation"], &MARKS]) {
        return report.lose(node, format!("\"{member}\" is not known"));
    }
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
    // Where one value is wanted, of several none is taken for all.
    let text = first.as_ref().filter(|_| values.len() == 1).and_then(Value::as_str);
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
    let more: &[&[&str]] = match kind {
        "performed_event_multiple" => &[&OF_EVENTS, &MARKS, &OF_WINDOWS, &OF_COUNTS],
        "performed_event_sequence" => &[&OF_EVENTS, &MARKS, &OF_WINDOWS, &OF_SEQUENCES],
        "performed_event_regularly" => {
            &[&OF_EVENTS, &MARKS, &OF_COUNTS, &["time_value", "time_interval", "total_periods", "min_periods"]]
        }
        "stopped_performing_event" => &[&OF_EVENTS, &MARKS, &OF_WINDOWS, &["seq_time_value", "seq_time_interval"]],
        _ => &[&OF_EVENTS, &MARKS, &OF_WINDOWS],
    };
    let strange = stranger(node, more);
    let told = match kind {
        _ if strange.is_some() => None,
        "performed_event_sequence" => sequence(node),
        "performed_event_regularly" => regularly(node),
        "stopped_performing_event" => stopped(node),
        "performed_event" | "performed_event_multiple" | "performed_event_first_time" => single(node, kind),
        _ => None,
    };
    told.or_else(|| {
        report.lose(
            node,
            match strange {
                Some(member) => format!("\"{member}\" is not known of \"{kind}\""),
                None => format!("\"{kind}\", or one of its values, has no counterpart"),
            },
        )
    })
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
        let is_event = item["type"].as_str().unwrap_or("event") == "event"
            && stranger(item, &[&["type", "key", "value", "operator"], &MARKS]).is_none();
        let rule = is_event
            .then(|| filter(item["key"].as_str()?, item["operator"].as_str().unwrap_or("exact"), &item["value"]));
        rule.flatten()
    };
    all.iter().map(one).collect()
}

fn single(node: &Value, kind: &str) -> Option<Value> {
    let member = if kind == "performed_event_first_time" { "first" } else { "event" };
    let mut rule = json!({member: node["key"], "window": window(node)?});
    let filters = filters(node)?;
    if !filters.is_empty() {
        rule["where"] = filters.into();
    }
    if kind != "performed_event_multiple" {
        return Some(rule);
    }
    let did = rule.clone();
    rule["count"] = count(node)?;
    // There only people who did it at all are counted; nobody of them did it no times.
    match (allows_none(node)?, rule["count"].get("eq").is_some()) {
        (false, _) => Some(rule),
        (true, false) => Some(json!({"and": [did, rule]})),
        (true, true) => None,
    }
}

/// Whether a count holds for none.
fn allows_none(node: &Value) -> Option<bool> {
    let n = number(&node["operator_value"])?.as_f64()?;
    Some(match node["operator"].as_str().unwrap_or("gte") {
        "gte" => n <= 0.0,
        "gt" => n < 0.0,
        "lte" => n >= 0.0,
        "lt" => n > 0.0,
        _ => n == 0.0,
    })
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
    if allows_none(node)? {
        return None;
    }
    let mut rule = json!({
        "event": node["key"], "count": count(node)?, "every": span(node, "time_value", "time_interval")?,
        "periods": whole("total_periods")?, "at_least": whole("min_periods")?,
    });
    let filters = filters(node)?;
    if !filters.is_empty() {
        rule["where"] = filters.into();
    }
    Some(json!({"regularly": rule}))
}

fn stopped(node: &Value) -> Option<Value> {
    let did = json!({"event": node["key"], "window": window(node)?});
    let lately = json!({"event": node["key"], "window": {"last": span(node, "seq_time_value", "seq_time_interval")?}});
    filters(node)?.is_empty().then(|| json!({"and": [did, not(lately)]}))
}
