//! The table of the calls, chapter by chapter: the one source of the routes, of the OpenAPI document and of its page.

use axum::Router;

use crate::http::{
    app::App,
    call::{Chapter, otherwise},
};

pub mod audience;
pub mod contacts;
pub mod feed;
pub mod figures;
pub mod members;
pub mod queries;
pub mod segments;
pub mod suppressions;
pub mod system;
pub mod tracking;
pub mod webhooks;

/// Every chapter, in reading order.
pub fn chapters() -> Vec<Chapter> {
    vec![
        contacts::chapter(),
        queries::chapter(),
        segments::chapter(),
        members::chapter(),
        figures::chapter(),
        audience::chapter(),
        suppressions::chapter(),
        tracking::chapter(),
        feed::chapter(),
        webhooks::chapter(),
        system::chapter(),
    ]
}

/// Every route of the table, each behind the door that it wants.
pub fn routes(app: &App) -> Router<App> {
    let calls = chapters().into_iter().flat_map(|chapter| chapter.calls);
    otherwise(calls.fold(Router::new(), |router, call| call.onto(router, app)), app)
}
