//! What does a person see? The page: segments, the rule editor, one segment, one contact.
//!
//! Owns:   templates, styles and scripts, charts, the headers that keep a page safe, the questions only the page asks.
//! Never:  writes (the page's scripts use the API, as everyone does); fetches anything from elsewhere; sees a bitmap.
//! Start:  [`router`], [`answer::finish`].

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    response::Redirect,
    routing::{get, post},
};

use crate::http::{
    access::{self, Door, Needs},
    app::App,
    caught, problem, router_of,
};

pub mod advice;
pub mod answer;
pub mod ask;
pub mod ask_next;
pub mod assets;
pub mod chart;
pub mod contact;
pub mod definition;
pub mod edit;
pub mod list;
pub mod overlap;
pub mod report;
mod report_parts;
pub mod segment;
pub mod tell;
pub mod versions;

/// Every route of the page, and the API beside it. Where there are keys, whoever looks shows one that may read: the
/// browser asks for it as a user name.
pub fn router(app: App) -> Router {
    let door = |needs: Needs| from_fn_with_state(Door { app: app.clone(), needs }, access::check);
    let open = Router::new()
        .route("/", get(|| async { Redirect::to("/ui/") }))
        .route("/ui", get(|| async { Redirect::to("/ui/") }))
        .route("/ui/assets/{file}", get(assets::get))
        .layer(door(Needs::Nothing));
    let pages = Router::new()
        .route("/ui/", get(list::get))
        .route("/ui/new", get(edit::new))
        .route("/ui/segments/{name}", get(segment::get))
        .route("/ui/segments/{name}/edit", get(edit::get))
        .route("/ui/segments/{name}/versions", get(versions::get))
        .route("/ui/overlap", get(overlap::get))
        .route("/ui/advice", get(advice::get))
        .route("/ui/report", get(report::get))
        .route("/ui/contacts", get(contact::find))
        .route("/ui/contacts/{key}", get(contact::get))
        .route("/ui/{*rest}", get(answer::nothing_here))
        .layer(door(Needs::Read));
    let pages = caught(open.merge(pages)).layer(from_fn(answer::finish));
    let questions = Router::new()
        .route("/ui/ask/preview", post(ask::preview))
        .route("/ui/ask/values", get(ask::values))
        .route("/ui/ask/next", get(ask_next::get))
        .route("/ui/ask/report", get(report::get))
        .route("/ui/ask/counts", post(ask::counts))
        .layer(door(Needs::Read));
    let questions = caught(questions).layer(from_fn(problem::finish));
    router_of(app.clone()).merge(pages.merge(questions).with_state(app))
}
