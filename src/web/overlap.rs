//! How segments overlap: which are compared. The figures come from the API.

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};
use serde_json::json;

use crate::{
    http::{app::App, body, path::Params, problem::Problem},
    model::limits,
    web::{
        answer::{self, Frame, Visitor},
        tell,
    },
};

/// Names that are offered to choose from.
const NAMES: usize = 500;

/// A segment that is compared, and the address of the page without it.
struct Chosen {
    name: String,
    without: String,
}

#[derive(Template)]
#[template(path = "overlap.html", config = "src/web/askama.toml")]
struct OverlapPage {
    frame: Frame,
    chosen: Vec<Chosen>,
    unknown: Vec<String>,
    names: Vec<String>,
    asked: String,
}

/// `GET /ui/overlap?segment=&segment=`
pub async fn get(State(app): State<App>, visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read_many(&uri, &["segment"], &["segment"])?;
    let asked: Vec<String> = params.texts("segment").map(|name| name.trim().to_owned()).collect();
    body::blocking(move || {
        let view = app.db.view();
        let (mut known, mut unknown) = (Vec::<String>::new(), Vec::new());
        for name in asked.into_iter().filter(|name| !name.is_empty()) {
            match view.segment(&name).map(|segment| segment.name.to_string()) {
                Some(name) if known.contains(&name) || known.len() == limits::OVERLAP_SEGMENTS_MAX => {}
                Some(name) => known.push(name),
                None => unknown.push(name),
            }
        }
        let address = |names: &[&String]| {
            let parts: Vec<String> = names.iter().map(|name| format!("segment={}", tell::encoded(name))).collect();
            format!("/ui/overlap?{}", parts.join("&"))
        };
        let without = |gone: &String| address(&known.iter().filter(|name| *name != gone).collect::<Vec<_>>());
        let chosen = known.iter().map(|name| Chosen { name: name.clone(), without: without(name) }).collect();
        let names = view.segments().into_iter().map(|segment| segment.name.to_string());
        let names = names.filter(|name| !known.contains(name)).take(NAMES).collect();
        let asked = json!(known).to_string();
        answer::page(&OverlapPage { frame: Frame::of(&view, visitor), chosen, unknown, names, asked })
    })
    .await
}
