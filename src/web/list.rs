//! The list of segments, page by page: how many each holds, how it went, what it is.

use std::cmp::Reverse;

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};

use crate::{
    db::{record::SegmentInfo, view::View},
    http::{app::App, body, path::Params, problem::Problem},
    web::{
        answer::{self, Frame, Visitor},
        ask::NAMES_MAX,
        chart, tell,
    },
};

/// Days of a sparkline.
const SPARK_DAYS: i64 = 90;
/// What the list may be sorted by: the word in the address, the heading.
const SORTS: [(&str, &str); 4] = [("name", "Name"), ("-count", "Contacts"), ("kind", "Kind"), ("-updated", "Updated")];

/// One segment of the list.
struct Row {
    name: String,
    path: Option<String>,
    description: String,
    kind: &'static str,
    count: u64,
    told_count: String,
    share: String,
    spark: String,
    updated: String,
}

/// A heading that sorts.
struct Heading {
    word: &'static str,
    text: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "list.html", config = "src/web/askama.toml")]
struct ListPage {
    frame: Frame,
    headings: Vec<Heading>,
    search: String,
    rows: Vec<Row>,
    total: usize,
    found: usize,
    page: usize,
    pages: usize,
    before: String,
    after: String,
}

/// `GET /ui/`
pub async fn get(State(app): State<App>, visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["q", "sort", "page"])?;
    let page = params.parsed::<usize>("page")?.unwrap_or(1);
    let search = params.text("q").unwrap_or_default().trim().to_owned();
    let sort = params.text("sort").and_then(|sort| SORTS.iter().find(|(word, _)| *word == sort));
    let sort = sort.map_or(SORTS[0].0, |(word, _)| word);
    body::blocking(move || {
        let view = app.db.view();
        let everyone = view.everyone().count();
        let segments = view.segments();
        let total = segments.len();
        let wanted = search.to_lowercase();
        let is_found = |segment: &SegmentInfo| {
            let description = segment.description.as_deref().unwrap_or_default();
            segment.name.to_lowercase().contains(&wanted) || description.to_lowercase().contains(&wanted)
        };
        let mut found: Vec<SegmentInfo> = segments.into_iter().filter(is_found).collect();
        found.sort_by_cached_key(|segment| segment.name.to_lowercase());
        match sort {
            "-count" => found.sort_by_cached_key(|segment| Reverse(view.member_count(&segment.name).unwrap_or(0))),
            "kind" => found.sort_by_key(|segment| segment.rule.is_none()),
            "-updated" => found.sort_by_key(|segment| Reverse(segment.updated)),
            _ => {}
        }
        let pages = found.len().div_ceil(NAMES_MAX).max(1);
        let page = page.clamp(1, pages);
        let shown = found.iter().skip((page - 1) * NAMES_MAX).take(NAMES_MAX);
        let rows = shown.map(|segment| row(&view, segment, everyone)).collect::<Result<_, _>>()?;
        let address = |page: usize| format!("?page={page}&sort={sort}&q={}", tell::encoded(&search));
        let headings = SORTS.iter().map(|(word, text)| Heading { word, text, is_chosen: *word == sort });
        answer::page(&ListPage {
            frame: Frame::of(&view, visitor),
            headings: headings.collect(),
            before: address(page - 1),
            after: address(page + 1),
            found: found.len(),
            search,
            rows,
            total,
            page,
            pages,
        })
    })
    .await
}

fn row(view: &View, segment: &SegmentInfo, everyone: u64) -> Result<Row, Problem> {
    let count = view.member_count(&segment.name)?;
    let zone = view.schema().zone();
    let today = zone.day_of(view.now());
    let from = today.plus_days(1 - SPARK_DAYS);
    Ok(Row {
        name: segment.name.to_string(),
        path: tell::path(&segment.name),
        description: segment.description.as_deref().unwrap_or_default().to_owned(),
        kind: if segment.rule.is_some() { "dynamic" } else { "static" },
        count,
        told_count: tell::grouped(count),
        share: tell::share(count, everyone),
        spark: chart::spark(&view.history(&segment.name, Some(from), None)?, today, SPARK_DAYS),
        updated: tell::instant(segment.updated, zone),
    })
}
