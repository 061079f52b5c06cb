//! Whether a segment holds a contact and, if asked, why: node by node, until when, and what would change it.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde_json::{Map, Value, json};

use crate::{
    db::why::{Deciding, Next, Reason, SingleChange, Told},
    http::{
        app::{App, answer_json},
        body,
        path::{Params, part},
        problem::Problem,
        suppressions, wire,
    },
    rule::{self, ast::Rule},
};

/// Single changes that are told beside the smallest.
const CHANGES_TOLD_MAX: usize = 20;

/// `GET /v1/contacts/{key}/segments/{name}?explain=`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let (key, name) = (part(&uri, 2)?, part(&uri, 4)?);
    let explain = Params::read(&uri, &["explain"])?.parsed("explain")?.unwrap_or(false);
    let unknown = || Problem::not_found(format!("there is no contact \"{key}\""));
    let view = app.db.view();
    if !explain {
        let membership = view.membership(&name, &key).map_err(Problem::from);
        let membership = membership.and_then(|known| known.ok_or_else(unknown)).map_err(|it| it.at(view.lsn()))?;
        let since = membership.since.map(|at| at.to_string());
        let body = json!({
            "member": membership.member, "since": since, "as_of": view.now().to_string(), "lsn": view.lsn().0,
        });
        return Ok(answer_json(StatusCode::OK, &body));
    }
    let told = key.clone();
    body::blocking(move || {
        let reasons = view.reasons(&name, &key)?;
        let unknown = || Problem::not_found(format!("there is no contact \"{told}\"")).at(view.lsn());
        let reasons = reasons.ok_or_else(unknown)?;
        let mut body = json!({
            "member": reasons.membership.member,
            "since": reasons.membership.since.map(|at| at.to_string()),
            "why": reason_json(&reasons.tree),
            "pinned": pinned(reasons.pinned),
            "suppressions": reasons.suppressions.iter().map(suppressions::short_json).collect::<Vec<_>>(),
            "next_change": Value::Null,
            "smallest_change": reasons.changes.first().map(change_json),
            "other_changes": reasons.changes.iter().skip(1).take(CHANGES_TOLD_MAX).map(change_json).collect::<Vec<_>>(),
            "as_of": view.now().to_string(),
            "lsn": view.lsn().0,
        });
        match reasons.next {
            Next::Never => {}
            Next::At(at, member) => body["next_change"] = json!({"at": at.to_string(), "member": member}),
            Next::After(at) => body["next_change_after"] = at.to_string().into(),
        }
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

fn pinned(pinned: Option<bool>) -> Value {
    pinned.map_or(Value::Null, |included| if included { "in".into() } else { "out".into() })
}

fn reason_json(reason: &Reason) -> Value {
    let mut object = json!({"rule": reason.text, "holds": reason.holds});
    if let Some(deciding) = &reason.deciding {
        for (member, value) in fact_json(deciding) {
            object[member] = value;
        }
    }
    if let Some(segment) = &reason.segment {
        object["segment"] = json!(segment);
        object["pinned"] = pinned(reason.pinned);
    }
    if reason.is_shown {
        object["shown_above"] = true.into();
    }
    if !reason.children.is_empty() {
        object["children"] = reason.children.iter().map(reason_json).collect();
    }
    object
}

/// The value that decides a predicate, and where it lies: `value`, `index` and, by kind, `property`, `of`.
fn fact_json(deciding: &Deciding) -> Map<String, Value> {
    let mut members = Map::new();
    if let Some(property) = &deciding.property {
        members.insert("property".into(), property.as_str().into());
    }
    let value = match &deciding.fact {
        Told::Value(None, _) | Told::At(None) | Told::Nothing => Value::Null,
        Told::Value(Some(value), ty) => {
            let mut bytes = Vec::new();
            wire::write_value(&mut bytes, value, Some(*ty));
            serde_json::from_slice(&bytes).expect("what was written is JSON")
        }
        Told::Count(count) => (*count).into(),
        Told::At(Some(at)) => at.to_string().into(),
        Told::Bucket(number, of) => {
            members.insert("of".into(), (*of).into());
            (*number).into()
        }
    };
    members.insert("value".into(), value);
    members.insert("index".into(), deciding.found_in.into());
    members
}

fn change_json(change: &SingleChange) -> Value {
    match change {
        SingleChange::Predicate { rule, holds, deciding } => {
            let json = rule::to_json(rule);
            let opposite = Rule::Not(rule.clone());
            let mut object = json!({
                "rule": rule::print(rule),
                "holds": holds,
                "must": rule::print(if *holds { &opposite } else { rule }),
            });
            for (member, value) in fact_json(deciding) {
                object[member] = value;
            }
            let threshold = ["value", "count"].into_iter().find_map(|member| json.get(member));
            object["threshold"] = threshold.cloned().unwrap_or(Value::Null);
            object["rule_json"] = json;
            object
        }
        SingleChange::List { segment, listed } => {
            let must = if *listed { "be taken out of" } else { "be added to" };
            json!({"segment": segment, "holds": listed, "must": format!("{must} the static segment \"{segment}\"")})
        }
        SingleChange::Pin { segment, included } => {
            let how = if *included { "in" } else { "out" };
            json!({"segment": segment, "pinned": how, "must": format!("be returned to the rule of \"{segment}\"")})
        }
    }
}
