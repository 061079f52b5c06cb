//! What the server counts: calls by route, method and status, and how long they took until the answer began.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};

use crate::{
    db::{
        clock::Stopwatch,
        meter::{Timing, Total},
    },
    http::app::App,
};

/// What a call is counted under: never what a caller wrote, so that there are only so many.
pub type Labels = (String, &'static str, u16);

/// The calls of one server.
#[derive(Default)]
pub struct Calls {
    table: Mutex<BTreeMap<Labels, Arc<Timing>>>,
    /// Calls whose answer has not begun.
    pub in_flight: Total,
}

impl Calls {
    fn timing(&self, labels: Labels) -> Arc<Timing> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(table.entry(labels).or_default())
    }

    /// What was counted so far.
    pub fn all(&self) -> Vec<(Labels, Arc<Timing>)> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.iter().map(|(labels, timing)| (labels.clone(), Arc::clone(timing))).collect()
    }
}

/// One call under way; also counted off when its client hangs up.
struct UnderWay(App);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.calls.in_flight.sub(1);
    }
}

fn word(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// Counts each call.
pub async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = word(request.method());
    app.calls.in_flight.add(1);
    let under_way = UnderWay(app);
    let response = next.run(request).await;
    under_way.0.calls.timing((route, method, response.status().as_u16())).record(watch.elapsed());
    response
}
