//! Styles and scripts: files of their own, held by the program, named with a tag of what is in them.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::http::{path::part, problem::Problem};

/// Name, media type and text of each.
const ASSETS: &[(&str, &str, &str)] = &[
    ("page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    ("editor.css", "text/css; charset=utf-8", include_str!("assets/editor.css")),
    ("call.js", SCRIPT, include_str!("assets/call.js")),
    ("highlight.js", SCRIPT, include_str!("assets/highlight.js")),
    ("list.js", SCRIPT, include_str!("assets/list.js")),
    ("segment.js", SCRIPT, include_str!("assets/segment.js")),
    ("contact.js", SCRIPT, include_str!("assets/contact.js")),
    ("editor.js", SCRIPT, include_str!("assets/editor.js")),
    ("builder.js", SCRIPT, include_str!("assets/builder.js")),
    ("rows.js", SCRIPT, include_str!("assets/rows.js")),
    ("patterns.js", SCRIPT, include_str!("assets/patterns.js")),
    ("where.js", SCRIPT, include_str!("assets/where.js")),
    ("combo.js", SCRIPT, include_str!("assets/combo.js")),
    ("history.js", SCRIPT, include_str!("assets/history.js")),
    ("fields.js", SCRIPT, include_str!("assets/fields.js")),
    ("figures.js", SCRIPT, include_str!("assets/figures.js")),
    ("overlap.js", SCRIPT, include_str!("assets/overlap.js")),
    ("svg.js", SCRIPT, include_str!("assets/svg.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// `GET /ui/assets/{file}`: asked again each time, answered in full only when it has changed.
pub async fn get(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let file = part(&uri, 2)?;
    let found = ASSETS.iter().find(|(name, _, _)| *name == file);
    let (_, media, text) = found.ok_or_else(|| Problem::not_found("there is no such file"))?;
    let tag = format!("\"{:016x}\"", xxh3_64(text.as_bytes()));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { (*text).into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits are a header"));
    Ok(response)
}
