//! Advice about segments: what is found, why it matters, what to do.

use axum::{extract::State, http::Uri, response::Response};
use serde_json::{Value, json};

use crate::{
    db::review::{Advice, Review},
    http::{
        app::App,
        figures::figured,
        paging,
        path::{Params, part},
        problem::Problem,
    },
};

/// `GET /v1/segments/{name}/review`
pub async fn one(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    Params::read(&uri, &[])?;
    figured(app, move |view| {
        let mut body = review_json(&view.review(std::slice::from_ref(&name))?, usize::MAX);
        body["segment"] = json!(view.segment(&name).map(|segment| segment.name));
        Ok(body)
    })
    .await
}

/// `GET /v1/review?limit=`
pub async fn all(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let limit = paging::limit(Params::read(&uri, &["limit"])?.parsed("limit")?)?;
    figured(app, move |view| Ok(review_json(&view.review(&[])?, limit))).await
}

/// Advice, the weightiest first, so much of it at most; the counts are of all.
fn review_json(review: &Review, limit: usize) -> Value {
    let count = |severity: &str| review.advice.iter().filter(|advice| advice.severity == severity).count();
    let advice = |advice: &Advice| {
        json!({
            "segment": advice.segment, "code": advice.code, "severity": advice.severity, "detail": advice.detail,
            "suggestion": advice.suggestion, "part": advice.part, "related": advice.related,
        })
    };
    json!({
        "findings": review.advice.iter().take(limit).map(advice).collect::<Vec<_>>(),
        "left_out": review.advice.len().saturating_sub(limit),
        "problems": count("problem"), "warnings": count("warning"), "hints": count("hint"),
        "reviewed": review.reviewed, "unreviewed": review.unreviewed,
        "compared": review.compared, "uncompared": review.uncompared,
    })
}
