//! How does the world ask? The HTTP API: one file a resource, thin over the database.
//!
//! Owns:   routes, wire shapes, limits at the edge, problem details, imports and exports as streams.
//! Never:  sees a bitmap or a plan; blocks an async thread.
//! Start:  [`router_of`], and [`calls`], the table of what is offered.

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use tower_http::catch_panic::CatchPanicLayer;

use crate::http::app::App;

pub mod access;
pub mod app;
pub mod audience;
pub mod audit;
pub mod audit_lines;
pub mod audit_list;
pub mod audit_thread;
pub mod body;
pub mod breakdown;
pub mod call;
pub mod calls;
#[cfg(feature = "columnar")]
mod columnar;
pub mod components;
pub mod contacts;
mod csv_rows;
pub mod docs_page;
pub mod events;
pub mod feed;
pub mod feed_stream;
pub mod figures;
pub mod gauge;
pub mod guard;
mod heads;
pub mod import;
pub mod json;
pub mod lines;
pub mod local;
pub mod members;
pub mod meter;
pub mod metrics;
pub mod news;
pub mod openapi;
pub mod pace;
pub mod paging;
#[cfg(feature = "columnar")]
pub mod parquet_records;
#[cfg(feature = "columnar")]
mod parquet_value;
pub mod past;
pub mod path;
pub mod preface;
pub mod problem;
pub mod query;
pub mod rates;
pub mod records;
pub mod review;
pub mod roaring_list;
pub mod schema_patch;
pub mod segments;
pub mod serve;
pub mod shape;
mod starting;
pub mod strangers;
pub mod streams;
pub mod suppressions;
pub mod system;
pub mod tls;
pub mod trace;
pub mod tracking;
pub mod tracking_calls;
pub mod tracking_map;
mod tracking_values;
pub mod traffic;
pub mod webhook_replay;
pub mod webhooks;
pub mod what_if;
pub mod why;
pub mod wire;
pub mod yardstick;

/// Every route of the API.
pub fn router_of(app: App) -> Router {
    let observed = from_fn_with_state(app.clone(), meter::observe);
    caught(calls::routes(&app)).layer(from_fn(problem::finish)).layer(observed).with_state(app)
}

/// Routes whose panics are answered with 500 and end nothing else.
pub fn caught(routes: Router<App>) -> Router<App> {
    routes.layer(CatchPanicLayer::new())
}
