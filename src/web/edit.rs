//! The editor: a new segment, or another rule for one that is there.

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};
use serde_json::{Value, json};

use crate::{
    db::{record::SegmentInfo, view::View},
    http::{
        app::App,
        body,
        path::{Params, part},
        problem::Problem,
        query::text_in_lines,
        wire,
    },
    web::{
        answer::{self, Frame, Visitor},
        segment::unknown,
        tell,
    },
};

#[derive(Template)]
#[template(path = "edit.html", config = "src/web/askama.toml")]
struct EditPage {
    frame: Frame,
    is_new: bool,
    is_dynamic: bool,
    name: String,
    path: String,
    description: String,
    rule: String,
    /// What the script starts with.
    start: String,
}

/// `GET /ui/new?rule=&name=`
pub async fn new(State(app): State<App>, visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["rule", "name"])?;
    let text = |name: &str| params.text(name).unwrap_or_default().to_owned();
    let (name, rule) = (text("name"), text("rule"));
    body::blocking(move || {
        let view = app.db.view();
        let start = start(&view, None).to_string();
        let frame = Frame::of(&view, visitor);
        let (path, description) = (String::new(), String::new());
        answer::page(&EditPage { frame, is_new: true, is_dynamic: true, name, path, description, rule, start })
    })
    .await
}

/// `GET /ui/segments/{name}/edit`
pub async fn get(State(app): State<App>, visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    Params::read(&uri, &[])?;
    body::blocking(move || {
        let view = app.db.view();
        let segment = view.segment(&name).ok_or_else(|| unknown(&name))?;
        answer::page(&EditPage {
            frame: Frame::of(&view, visitor),
            is_new: false,
            is_dynamic: segment.rule.is_some(),
            name: segment.name.to_string(),
            path: tell::encoded(&segment.name),
            description: segment.description.as_deref().unwrap_or_default().to_owned(),
            rule: segment.rule.as_ref().map(|forms| text_in_lines(&forms.text, view.schema())).unwrap_or_default(),
            start: start(&view, Some(&segment)).to_string(),
        })
    })
    .await
}

/// The schema, the names of the segments, and which one is edited.
fn start(view: &View, edited: Option<&SegmentInfo>) -> Value {
    let others = view.segments().into_iter().map(|segment| segment.name);
    let mut start = json!({
        "schema": wire::schema_json(view.schema()),
        "segments": others.filter(|name| edited.is_none_or(|edited| edited.name != *name)).collect::<Vec<_>>(),
        "segment": edited.map(|segment| &segment.name),
        "version": edited.map(|segment| segment.version),
    });
    // The order of the schema, which an object does not keep.
    start["order"] = view.schema().properties().map(|property| property.name.as_str()).collect();
    start["events"] = view.schema().events().map(|kind| kind.name.as_str()).collect();
    start
}
