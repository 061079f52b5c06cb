//! Advice about segments: what is found, why it matters, what to do.

use axum::{extract::State, http::Uri, response::Response};
use serde_json::{Value, json};

use crate::{
    db::review::{Advice, Review},
    http::{
        app::App,
        figures::figured,
        path::{Params, part},
        problem::Problem,
    },
};

/// `GET /v1/segments/{name}/review`
pub async fn one(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    Params::read(&uri, &[])?;
    figured(app, move |view| {
        let mut body = review_json(&view.review(Some(&name))?);
        body["segment"] = json!(view.segment(&name).map(|segment| segment.name));
        Ok(body)
    })
    .await
}

/// `GET /v1/review`
pub async fn all(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    figured(app, |view| Ok(review_json(&view.review(None)?))).await
}

fn review_json(review: &Review) -> Value {
    let count = |severity: &str| review.advice.iter().filter(|advice| advice.severity == severity).count();
    let advice = |advice: &Advice| {
        json!({
            "segment": advice.segment, "code": advice.code, "severity": advice.severity, "detail": advice.detail,
            "suggestion": advice.suggestion, "part": advice.part, "related": advice.related,
        })
    };
    json!({
        "findings": review.advice.iter().map(advice).collect::<Vec<_>>(),
        "problems": count("problem"), "warnings": count("warning"), "hints": count("hint"),
        "reviewed": review.reviewed, "compared": review.compared,
    })
}
