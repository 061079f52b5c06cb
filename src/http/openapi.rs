//! The document of the API (OpenAPI 3.1), made from the very table that routes the calls.

use std::sync::OnceLock;

use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use crate::http::{
    app::answer_bytes,
    call::{Chapter, JSON},
    calls, components,
};

/// What stands at the head of the document.
const ABOUT: &str = "Contacts with properties and events, rules over them, and segments that are kept up to date. \
    JSON in UTF-8 both ways, instants RFC 3339 in UTC, money as a number or a decimal string. Every write answers once \
    it is synced and visible; every answer from the data says as of which write it is, in the header `Throng-Lsn`. \
    Errors are problem details (RFC 9457). Lists page by `limit` and an opaque `after`.";

/// The document.
pub fn document() -> Value {
    document_of(&calls::chapters())
}

fn document_of(chapters: &[Chapter]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (chapter, call) in chapters.iter().flat_map(|chapter| chapter.calls.iter().map(move |call| (chapter, call))) {
        let mut operation = call.operation().clone();
        operation.insert("tags".into(), json!([chapter.name]));
        let methods = paths.entry(call.path).or_insert_with(|| json!({}));
        methods[call.method.as_str().to_ascii_lowercase()] = Value::Object(operation);
    }
    let tags: Vec<Value> =
        chapters.iter().map(|chapter| json!({"name": chapter.name, "description": chapter.about})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Throng", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": components::components(),
    })
}

/// `GET /openapi.json`
pub async fn get() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    answer_bytes(StatusCode::OK, JSON, text.clone().into_bytes())
}
