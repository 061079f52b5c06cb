//! The document of the API as a page for people: made here, without a script, so that it is read offline.

use std::{fmt::Write as _, sync::OnceLock};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::http::{app::answer_bytes, openapi};

/// Where the examples call; what the server listens on when nothing else is said.
const EXAMPLE_SERVER: &str = "http://127.0.0.1:7171";
/// The methods in reading order.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// What keeps the page from running or fetching anything that is not ours.
const HEADERS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
];

/// `GET /docs`
pub async fn get() -> Response {
    static PAGE: OnceLock<String> = OnceLock::new();
    let page = PAGE.get_or_init(|| page(&openapi::document()));
    guarded(answer_bytes(StatusCode::OK, "text/html; charset=utf-8", page.clone().into_bytes()))
}

/// `GET /docs/style.css`
pub async fn style() -> Response {
    let style = include_str!("docs_page.css").as_bytes().to_vec();
    guarded(answer_bytes(StatusCode::OK, "text/css; charset=utf-8", style))
}

fn guarded(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn word<'a>(of: &'a Value, member: &str) -> &'a str {
    of.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// A description, in which back-ticks mark code.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 1 { format!("<code>{}</code>", escaped(part)) } else { escaped(part) }).collect()
}

fn items<'a>(of: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    of.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn members<'a>(of: &'a Value, member: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    of.get(member).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn page(document: &Value) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Throng: the API</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href='/docs/style.css'>\
         </head><body><nav>",
    );
    for tag in items(document, "tags") {
        out += &format!("<a href=\"#{0}\">{0}</a>", escaped(word(tag, "name")));
    }
    let info = &document["info"];
    out += &format!(
        "<a href='/openapi.json'>openapi.json</a></nav><main><h1>{} {}</h1><p>{}</p>",
        escaped(word(info, "title")),
        escaped(word(info, "version")),
        prose(word(info, "description")),
    );
    for tag in items(document, "tags") {
        let name = word(tag, "name");
        out += &format!("<h2 id=\"{0}\">{0}</h2><p>{1}</p>", escaped(name), prose(word(tag, "description")));
        for (path, methods) in members(document, "paths") {
            for method in METHODS {
                let Some(operation) = methods.get(method) else { continue };
                if items(operation, "tags").any(|of| of == name) {
                    call(&mut out, document, method, path, operation);
                }
            }
        }
    }
    out + "</main></body></html>\n"
}

fn call(out: &mut String, document: &Value, method: &str, path: &str, operation: &Value) {
    let shown = escaped(path);
    let id = escaped(word(operation, "operationId"));
    *out += &format!(
        "<details id=\"{id}\"><summary><span class=\"{method}\">{}</span> <code>{shown}</code> {}</summary><div>",
        method.to_uppercase(),
        prose(word(operation, "summary")),
    );
    *out += &format!("<p>{}</p>", prose(word(operation, "description")));
    parameters(out, operation);
    for (media, content) in members(&operation["requestBody"], "content") {
        block(out, &format!("Body: {media}"), &shown_example(&content["example"]));
    }
    block(out, "Example", &curl(method, path, operation));
    *out += "<h3>Answers</h3><table>";
    for (status, response) in members(operation, "responses") {
        let response = resolved(document, response);
        let media: Vec<String> =
            members(response, "content").map(|(media, _)| format!("<code>{}</code>", escaped(media))).collect();
        let description = prose(word(response, "description"));
        *out += &format!("<tr><td>{status}</td><td>{description}</td><td>{}</td></tr>", media.join(" "));
    }
    *out += "</table>";
    for (status, response) in members(operation, "responses").filter(|(status, _)| status.starts_with('2')) {
        for (media, content) in members(response, "content").filter(|(_, content)| content.get("example").is_some()) {
            block(out, &format!("{status}, {media}"), &shown_example(&content["example"]));
        }
    }
    *out += "</div></details>";
}

fn resolved<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
    let place = node.get("$ref").and_then(Value::as_str).and_then(|place| place.strip_prefix('#'));
    place.and_then(|place| document.pointer(place)).unwrap_or(node)
}

fn parameters(out: &mut String, operation: &Value) {
    if items(operation, "parameters").next().is_none() {
        return;
    }
    *out += "<h3>Parameters</h3><table>";
    for parameter in items(operation, "parameters") {
        let must = if parameter["required"] == true { ", required" } else { "" };
        *out += &format!(
            "<tr><td><code>{}</code></td><td>{}{must}</td><td>{}</td><td><code>{}</code></td></tr>",
            escaped(word(parameter, "name")),
            escaped(word(parameter, "in")),
            prose(word(parameter, "description")),
            escaped(&bounds(&parameter["schema"])),
        );
    }
    *out += "</table>";
}

/// What a parameter may be, in short.
fn bounds(schema: &Value) -> String {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
    }
    let mut text = word(schema, "type").to_owned();
    for (member, sign) in [("minimum", "≥"), ("maximum", "≤"), ("default", "=")] {
        if let Some(bound) = schema.get(member) {
            let _ = write!(text, " {sign} {bound}");
        }
    }
    text
}

fn block(out: &mut String, title: &str, text: &str) {
    if !text.is_empty() {
        *out += &format!("<h3>{}</h3><pre>{}</pre>", escaped(title), escaped(text));
    }
}

fn shown_example(example: &Value) -> String {
    match example {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// The example of a call, as it is typed.
fn curl(method: &str, path: &str, operation: &Value) -> String {
    let mut command = format!("curl -X {} '{EXAMPLE_SERVER}{}'", method.to_uppercase(), example_path(path, operation));
    if let Some((media, content)) = members(&operation["requestBody"], "content").next() {
        let body = match &content["example"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let body = body.replace('\'', "'\\''");
        let _ = write!(command, " \\\n  -H 'Content-Type: {media}' \\\n  --data-binary '{body}'");
    }
    command
}

/// A path with the examples of its parts and of its query string.
pub fn example_path(path: &str, operation: &Value) -> String {
    let encode = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()
    };
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    for parameter in items(operation, "parameters").filter(|parameter| parameter.get("example").is_some()) {
        let (name, value) = (word(parameter, "name"), encode(&parameter["example"]));
        match word(parameter, "in") {
            "path" => path = path.replace(&format!("{{{name}}}"), &value),
            "query" => query.push(format!("{name}={value}")),
            _ => {}
        }
    }
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}
