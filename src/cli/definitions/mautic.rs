//! Mautic's segments, as `GET /api/segments` answers them: rows of filters, where an OR begins another group.

use serde_json::{Value, json};

use crate::cli::definitions::parts::{
    Definition, Report, group, length, listed, not, number, plain, presence, property, stranger, time,
};

/// Reads segments.
///
/// Errors: when there is none, or the file is one page of several.
pub fn read(document: &Value) -> Result<Vec<Definition>, String> {
    let all = listed(document, &["lists", "segments"]);
    let total = number(&document["total"]).and_then(|total| total.as_u64()).unwrap_or(0);
    if total > all.len() as u64 {
        return Err(format!(
            "it is one page of several: {} segments of {total}; ask with \"limit={total}\" for all of them",
            all.len()
        ));
    }
    let one = |segment: &&Value| {
        let name = segment["name"].as_str().ok_or("a segment has no \"name\"")?;
        let filters = segment["filters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut report = Report::default();
        // Rows are AND, which binds more tightly; a row with the glue `or` opens another group.
        let mut groups: Vec<Vec<Option<Value>>> = vec![vec![]];
        for (place, filter) in filters.iter().enumerate() {
            if place > 0 && filter["glue"] == "or" {
                groups.push(vec![]);
            }
            let told = row(filter, &all, &mut report);
            groups.last_mut().into_iter().for_each(|group| group.push(told.clone()));
        }
        let rule = match filters.is_empty() {
            true => {
                report.lose("filters", "there are none: its members are a list; export it, and save it by its members")
            }
            false => group("or", groups.into_iter().map(|rows| group("and", rows)).collect()),
        };
        Ok(report.close(name, segment["description"].as_str(), rule))
    };
    all.iter().map(one).collect()
}

/// The value of a row, which newer versions keep one level deeper.
fn value(filter: &Value) -> &Value {
    let inside = &filter["properties"]["filter"];
    if inside.is_null() { &filter["filter"] } else { inside }
}

fn row(filter: &Value, all: &[&Value], report: &mut Report) -> Option<Value> {
    let field = filter["field"].as_str().unwrap_or_default();
    let operator = filter["operator"].as_str().unwrap_or("=");
    let known = ["glue", "field", "object", "type", "operator", "properties", "filter", "display"];
    let strange = stranger(filter, &[&known]).or_else(|| stranger(&filter["properties"], &[&["filter", "display"]]));
    if let Some(member) = strange {
        return report.lose(filter, format!("\"{member}\" is not known"));
    }
    let told = match field {
        "tags" => tags(operator, value(filter)),
        "leadlist" => return lists(filter, operator, all, report),
        "lead_email_read_count" => counted("email_opened", operator, value(filter)),
        "email_clicked_link" | "lead_email_received" | "hit_url" | "referer" | "dnc_bounced" | "dnc_unsubscribed" => {
            None
        }
        _ if filter["object"].as_str().unwrap_or("lead") != "lead" => None,
        _ if matches!(filter["type"].as_str(), Some("date" | "datetime")) => {
            let told = dated(field, operator, value(filter));
            if told.as_ref().is_some_and(|rule| rule.to_string().contains("\"unit\"")) {
                report.note(filter, "measured to the instant, and not from midnight");
            }
            told
        }
        _ => plainly(field, operator, filter),
    };
    told.or_else(|| match field {
        "dnc_bounced" | "dnc_unsubscribed" => {
            report.lose(filter, "do-not-contact is a suppression here: a mask that no rule escapes")
        }
        _ => report.lose(filter, "this filter, its operator or its value has no counterpart"),
    })
}

fn values(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => values.iter().map(plain).collect(),
        Value::String(text) if text.contains('|') => Some(text.split('|').map(|part| part.into()).collect()),
        one => Some(vec![plain(one)?]),
    }
}

fn tags(operator: &str, value: &Value) -> Option<Value> {
    // A number is the id of a tag, whose name stands elsewhere.
    let names = values(value).unwrap_or_default();
    let is_named =
        !names.is_empty() && names.iter().all(|name| name.as_str().is_some_and(|n| n.parse::<u64>().is_err()));
    match operator {
        "in" | "=" if is_named => Some(json!({"any_tag": names})),
        "!in" | "!=" if is_named => Some(not(json!({"any_tag": names}))),
        "empty" => Some(presence("tags", false)),
        "!empty" => Some(presence("tags", true)),
        _ => None,
    }
}

fn lists(filter: &Value, operator: &str, all: &[&Value], report: &mut Report) -> Option<Value> {
    let mut parts = vec![];
    for id in values(value(filter)).unwrap_or_default() {
        // Of several lists one that is missing would change what the others mean.
        parts.push(Some(report.refer(filter, &id, all)?));
    }
    match (operator, group("or", parts)) {
        ("in" | "=", Some(rule)) => Some(rule),
        ("!in" | "!=", Some(rule)) => Some(not(rule)),
        _ => report.lose(filter, "this operator of a segment has no counterpart"),
    }
}

fn comparison(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "=" => "eq",
        "!=" => "ne",
        "gt" => "gt",
        "gte" => "ge",
        "lt" => "lt",
        "lte" => "le",
        _ => return None,
    })
}

fn counted(event: &str, operator: &str, value: &Value) -> Option<Value> {
    let (word, number) = (comparison(operator)?, number(value)?);
    Some(json!({"event": event, "count": {word: number}}))
}

fn plainly(field: &str, operator: &str, filter: &Value) -> Option<Value> {
    let is_number = matches!(filter["type"].as_str(), Some("number"));
    let read = |value: &Value| if is_number { number(value) } else { plain(value) };
    let found = value(filter);
    let text = || found.as_str().filter(|text| !text.is_empty());
    match operator {
        "empty" => Some(presence(field, false)),
        "!empty" => Some(presence(field, true)),
        "=" | "!=" if filter["type"] == "boolean" => Some(property(field, comparison(operator)?, flag(found)?.into())),
        "=" | "!=" => Some(property(field, comparison(operator)?, read(found)?)),
        "gt" | "gte" | "lt" | "lte" => Some(property(field, comparison(operator)?, number(found)?)),
        "between" | "!between" => {
            let ends =
                found.as_array()?.iter().map(number).collect::<Option<Vec<_>>>().filter(|ends| ends.len() == 2)?;
            let rule = property(field, "between", ends.into());
            Some(if operator == "between" { rule } else { not(rule) })
        }
        "in" => Some(property(field, "in", values(found)?.into())),
        "!in" => Some(property(field, "not_in", values(found)?.into())),
        "like" => like(field, text()?),
        "!like" => like(field, text()?).map(not),
        "startsWith" => Some(property(field, "starts_with", text()?.into())),
        "endsWith" => Some(property(field, "ends_with", text()?.into())),
        "contains" => Some(property(field, "contains", text()?.into())),
        "regexp" => Some(property(field, "regex", format!("(?i){}", text()?).into())),
        "!regexp" => Some(property(field, "not_regex", format!("(?i){}", text()?).into())),
        _ => None,
    }
}

/// A boolean as forms and databases write it; what is none must not become false.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text == "true" || text == "1" => Some(true),
        Value::String(text) if text == "false" || text == "0" => Some(false),
        Value::Number(number) if number.as_u64() == Some(1) => Some(true),
        Value::Number(number) if number.as_u64() == Some(0) => Some(false),
        _ => None,
    }
}

/// SQL's LIKE; without a `%` Mautic looks for it anywhere.
fn like(field: &str, pattern: &str) -> Option<Value> {
    if !pattern.contains('%') {
        return (!pattern.contains('_')).then(|| property(field, "contains", pattern.into()));
    }
    let mut glob = String::new();
    for c in pattern.chars() {
        match c {
            '%' => glob.push('*'),
            '_' => glob.push('?'),
            '*' | '?' | '\\' => glob.extend(['\\', c]),
            c => glob.push(c),
        }
    }
    Some(property(field, "matches", glob.into()))
}

fn dated(field: &str, operator: &str, value: &Value) -> Option<Value> {
    match operator {
        "empty" => return Some(presence(field, false)),
        "!empty" => return Some(presence(field, true)),
        _ => {}
    }
    let text = value.as_str()?.trim();
    let word = comparison(operator)?;
    if let Some(time) = time(text) {
        return Some(property(field, word, time));
    }
    let period = [
        "today",
        "yesterday",
        "tomorrow",
        "this week",
        "last week",
        "next week",
        "this month",
        "last month",
        "next month",
        "this year",
        "last year",
        "next year",
    ];
    let named = text.trim_start_matches("midnight ").to_ascii_lowercase();
    if period.contains(&named.as_str()) {
        let rule = property(field, "period", named.replace(' ', "_").into());
        return match word {
            "eq" => Some(rule),
            "ne" => Some(not(rule)),
            _ => None,
        };
    }
    if matches!(named.as_str(), "anniversary" | "birthday") && word == "eq" {
        return Some(property(field, "anniversary", json!({"n": 0, "unit": "days"})));
    }
    let mut words = text.split_whitespace();
    let n: i64 = words.next()?.parse().ok()?;
    let unit = words.next()?;
    let ends_with_ago = words.next();
    if n == 0 || words.next().is_some() || !matches!(ends_with_ago, None | Some("ago")) {
        return None;
    }
    let length = length(n.unsigned_abs(), unit)?;
    let is_past = n < 0 || ends_with_ago.is_some();
    // After an instant in the past is also what lies ahead; before one in the future also what is past.
    Some(match (word, is_past) {
        ("lt", true) => property(field, "age_gt", length),
        ("le", true) => property(field, "age_ge", length),
        ("gt", true) => json!({"and": [presence(field, true), not(property(field, "age_ge", length))]}),
        ("ge", true) => json!({"and": [presence(field, true), not(property(field, "age_gt", length))]}),
        ("gt", false) => property(field, "ahead_gt", length),
        ("ge", false) => property(field, "ahead_ge", length),
        ("lt", false) => json!({"and": [presence(field, true), not(property(field, "ahead_ge", length))]}),
        ("le", false) => json!({"and": [presence(field, true), not(property(field, "ahead_gt", length))]}),
        _ => return None,
    })
}
