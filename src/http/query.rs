//! Questions: count, list, sample, explain, and reading a rule without asking it.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    db::{answer::Answer, clock::Stopwatch, outline::Outline, record::PlanNode, view::View},
    http::{
        app::{App, answer_json, at_lsn},
        body,
        json::Json,
        paging,
        problem::Problem,
        wire,
    },
    model::{
        request::RuleSource,
        schema::Schema,
        time::{Day, Timestamp},
    },
    rule::{self, ast::Rule},
};

/// What a query gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Return {
    Count,
    Keys,
    Contacts,
    Sample,
}

/// The rule of a body: text as a string, or JSON as an object.
///
/// Errors: 422 when it is missing or of another kind.
pub fn rule_source(body: &Json) -> Result<RuleSource, Problem> {
    match body.get("rule") {
        Some(Json::Text(text)) => Ok(RuleSource::Text(text.as_str().into())),
        Some(object @ Json::Object(_)) => Ok(RuleSource::Json(object.to_string().into())),
        Some(other) => {
            let detail = format!("\"rule\" is text or a JSON rule, not {}", other.kind());
            Err(Problem::refused("wrong_type", detail))
        }
        None => Err(Problem::refused("missing_member", "\"rule\" is missing: text or a JSON rule")),
    }
}

/// `POST /v1/query`
pub async fn query(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["rule", "return", "limit", "after", "as_of"])?;
    let wanted = match wire::text_member(&request, "return")? {
        None | Some("count") => Return::Count,
        Some("keys") => Return::Keys,
        Some("contacts") => Return::Contacts,
        Some("sample") => Return::Sample,
        Some(other) => {
            let detail = format!("\"return\" is count, keys, contacts or sample, not \"{other}\"");
            return Err(Problem::refused("bad_return", detail));
        }
    };
    let limit = paging::limit(wire::count_member(&request, "limit")?)?;
    let cursor = wire::text_member(&request, "after")?.map(|after| app.listings.resume(after)).transpose()?;
    let view = app.view(cursor.as_ref());
    let as_of = as_of(&request, &view)?;
    let source = rule_source(&request)?;
    body::blocking(move || {
        let watch = Stopwatch::start();
        let rule = view.parse_rule(&source)?;
        if wanted == Return::Count {
            let count = view.count(&rule, as_of)?;
            return Ok(answer_json(StatusCode::OK, &summary(&view, as_of, count, watch)));
        }
        let answer = view.query(&rule, as_of)?;
        let place = cursor.as_ref().map(|cursor| cursor.place);
        let mut body = summary(&view, as_of, answer.count(), watch);
        let next = match wanted {
            Return::Count => None,
            Return::Keys => {
                let page = answer.keys(place, limit);
                body["keys"] = json!(page.items);
                page.next
            }
            Return::Contacts => {
                let page = answer.contacts(place, limit, None);
                let schema = view.schema();
                body["contacts"] = page.items.iter().map(|record| wire::contact_json(record, schema)).collect();
                page.next
            }
            Return::Sample => {
                body["keys"] = json!(sample(&answer, limit));
                None
            }
        };
        if let Some(place) = next {
            body["next"] = app.listings.next(&view, place).into();
        }
        body["took_us"] = watch.elapsed_us().into();
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

/// A sample that stays the same while the data does: its seed is the LSN.
fn sample(answer: &Answer, n: usize) -> Vec<Box<str>> {
    answer.sample(n, answer.view().lsn().0)
}

fn summary(view: &View, as_of: Option<Timestamp>, count: u64, watch: Stopwatch) -> Value {
    json!({
        "count": count,
        "as_of": as_of.unwrap_or(view.now()).to_string(),
        "lsn": view.lsn().0,
        "took_us": watch.elapsed_us(),
    })
}

/// The `as_of` of a body: an instant, or a date (its start in the database's zone).
fn as_of(body: &Json, view: &View) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = wire::text_member(body, "as_of")? else {
        return Ok(None);
    };
    match Day::parse(text) {
        Ok(day) => Ok(Some(view.schema().zone().start_of(day))),
        Err(_) => Timestamp::parse(text)
            .map(Some)
            .map_err(|error| Problem::refused("bad_instant", format!("\"as_of\": \"{text}\" {error}"))),
    }
}

/// `POST /v1/query/explain`
pub async fn explain(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["rule", "as_of", "nodes"])?;
    let with_nodes = wire::flag_member(&request, "nodes")?.unwrap_or(false);
    let view = app.db.view();
    let as_of = as_of(&request, &view)?;
    let source = rule_source(&request)?;
    body::blocking(move || {
        let watch = Stopwatch::start();
        let parsed = view.parse_rule(&source)?;
        let explained = view.explain(&parsed, as_of)?;
        let mut body = summary(&view, as_of, explained.count, watch);
        body["rule"] = rule::print(&parsed).into();
        body["plan"] = node_json(&explained);
        if with_nodes {
            body["nodes"] = outline_json(&view.outline(&parsed, as_of)?.0);
            body["took_us"] = watch.elapsed_us().into();
        }
        Ok(answer_json(StatusCode::OK, &body))
    })
    .await
}

/// A node of a plan with its children, in the order chosen.
pub fn node_json(node: &PlanNode) -> Value {
    json!({
        "label": node.label,
        "index": node.using,
        "estimated": node.estimate,
        "count": node.count,
        "took_us": node.took_ns as f64 / 1_000.0,
        "children": node.children.iter().map(node_json).collect::<Vec<_>>(),
    })
}

/// A node of a rule as it was written, with its children in that order.
pub fn outline_json(node: &Outline) -> Value {
    let children: Vec<Value> = node.children.iter().map(outline_json).collect();
    let mut told = json!({"kind": node.kind, "count": node.count, "children": children});
    if let Some(n) = node.n {
        told["n"] = n.into();
    }
    if let Some((text, json)) = &node.test {
        told["text"] = text.as_str().into();
        told["json"] = json.clone();
    }
    told
}

/// A rule as its schema says it, a line for each part of the outermost group.
pub fn in_lines(rule: &Rule, schema: &Schema) -> String {
    rule::lines(rule, schema)
}

/// The same of a canonical text; the text itself, if it cannot be read any more.
pub fn text_in_lines(text: &str, schema: &Schema) -> String {
    rule::parse(text, schema).map_or_else(|_| text.to_owned(), |rule| rule::lines(&rule, schema))
}

/// A rule in both its canonical forms.
pub fn forms(rule: &Rule) -> Value {
    json!({"json": rule::to_json(rule), "text": rule::print(rule)})
}

/// `POST /v1/rules/parse`
pub async fn parse(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let request = body::json(&headers, body).await?;
    wire::only_members(&request, &["rule"])?;
    let view = app.db.view();
    let parsed = view.parse_rule(&rule_source(&request)?)?;
    Ok(at_lsn(answer_json(StatusCode::OK, &forms(&parsed)), view.lsn()))
}
