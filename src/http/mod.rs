//! How does the world ask? The HTTP API: one file a resource, thin over the database.
//!
//! Owns:   routes, wire shapes, limits at the edge, problem details, imports and exports as streams.
//! Never:  sees a bitmap or a plan; blocks an async thread.
//! Start:  [`router`].

use axum::{
    Router,
    body::Body,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post, put},
};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    db::database::Database,
    http::{app::App, problem::Problem},
};

pub mod access;
pub mod app;
pub mod audience;
pub mod body;
pub mod contacts;
pub mod events;
pub mod feed;
pub mod feed_stream;
pub mod gauge;
pub mod import;
pub mod json;
pub mod lines;
pub mod local;
pub mod members;
pub mod news;
pub mod paging;
pub mod past;
pub mod path;
pub mod problem;
pub mod query;
pub mod records;
pub mod schema_patch;
pub mod segments;
pub mod serve;
pub mod suppressions;
pub mod system;
pub mod tracking;
pub mod tracking_calls;
pub mod tracking_map;
pub mod what_if;
pub mod why;
pub mod wire;

/// Every route of the API over a database.
pub fn router(db: Database) -> Router {
    router_of(App::new(db))
}

/// Every route of the API.
pub fn router_of(app: App) -> Router {
    let contact = || put(contacts::put).patch(contacts::patch).get(contacts::get).delete(contacts::delete);
    Router::new()
        .route("/v1/contacts", get(contacts::list))
        .route("/v1/contacts/import", contact().post(contacts::import))
        .route("/v1/contacts/{key}", contact())
        .route("/v1/contacts/{key}/segments", get(contacts::segments))
        .route("/v1/contacts/{key}/segments/{name}", get(why::get))
        .route("/v1/lookup", post(contacts::lookup))
        .route("/v1/events", post(events::post))
        .route("/v1/events/{id}", axum::routing::delete(events::delete))
        .route("/v1/query", post(query::query))
        .route("/v1/query/explain", post(query::explain))
        .route("/v1/rules/parse", post(query::parse))
        .route("/v1/segments", post(segments::create).get(segments::list))
        .route(
            "/v1/segments/{name}",
            get(segments::get).put(segments::put).patch(segments::patch).delete(segments::delete),
        )
        .route("/v1/segments/{name}/versions", get(segments::versions))
        .route("/v1/segments/{name}/members", get(members::get).post(segments::edit_members))
        .route("/v1/segments/{name}/diff", get(past::diff))
        .route("/v1/segments/{name}/history", get(past::history))
        .route("/v1/feed", get(feed::get))
        .route("/v1/feed/{seq}/changes", get(feed::changes))
        .route("/v1/segments/{name}/preview", post(what_if::preview))
        .route("/v1/segments/{name}/forecast", get(what_if::forecast))
        .route("/v1/segments/{name}/freeze", post(what_if::freeze))
        .route("/v1/segments/{name}/revert", post(what_if::revert))
        .route("/v1/audience", post(audience::post))
        .route("/v1/suppressions", post(suppressions::create).get(suppressions::list))
        .route(
            "/v1/suppressions/{name}",
            get(suppressions::get).put(suppressions::put).patch(suppressions::patch).delete(suppressions::delete),
        )
        .route("/v1/suppressions/{name}/members", get(suppressions::members).post(suppressions::edit_members))
        .route("/v1/schema", get(system::schema).patch(system::patch_schema))
        .route("/v1/status", get(system::status))
        .route("/v1/snapshot", post(system::snapshot))
        .route("/v1/clock", get(system::clock).post(system::move_clock))
        .route("/healthz", get(system::health))
        .route("/readyz", get(system::ready))
        // By name, so that a key is asked for before it is told that there is nothing.
        .fallback(nothing)
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(app.clone(), access::check))
        .layer(from_fn(problem::finish))
        .merge(tracking::routes())
        .with_state(app)
}

async fn nothing(body: Body) -> Problem {
    body::pass_over(body).await;
    Problem::not_found("there is nothing at this path")
}
