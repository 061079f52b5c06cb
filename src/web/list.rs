//! The list of segments: how many each holds, how it went, what it is.

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};

use crate::{
    db::{record::SegmentInfo, view::View},
    http::{app::App, body, path::Params, problem::Problem},
    web::{
        answer::{self, Frame},
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
    path: String,
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
    sort: &'static str,
    rows: Vec<Row>,
    total: usize,
    seq: u64,
    everyone: u64,
}

/// `GET /ui/`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["q", "sort"])?;
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
        let mut found: Vec<(SegmentInfo, u64)> = Vec::new();
        for segment in segments.into_iter().filter(is_found) {
            let count = view.member_count(&segment.name)?;
            found.push((segment, count));
        }
        found.sort_by_key(|(segment, _)| segment.name.to_lowercase());
        match sort {
            "-count" => found.sort_by_key(|(_, count)| std::cmp::Reverse(*count)),
            "kind" => found.sort_by_key(|(segment, _)| segment.rule.is_none()),
            "-updated" => found.sort_by_key(|(segment, _)| std::cmp::Reverse(segment.updated)),
            _ => {}
        }
        let rows =
            found.iter().map(|(segment, count)| row(&view, segment, *count, everyone)).collect::<Result<_, _>>()?;
        let headings = SORTS.iter().map(|(word, text)| Heading { word, text, is_chosen: *word == sort });
        answer::page(&ListPage {
            frame: Frame::of(&view),
            headings: headings.collect(),
            search,
            sort,
            rows,
            total,
            seq: view.feed_bounds().newest,
            everyone,
        })
    })
    .await
}

fn row(view: &View, segment: &SegmentInfo, count: u64, everyone: u64) -> Result<Row, Problem> {
    let zone = view.schema().zone();
    let from = zone.day_of(view.now()).plus_days(1 - SPARK_DAYS);
    Ok(Row {
        name: segment.name.to_string(),
        path: tell::encoded(&segment.name),
        description: segment.description.as_deref().unwrap_or_default().to_owned(),
        kind: if segment.rule.is_some() { "dynamic" } else { "static" },
        count,
        told_count: tell::grouped(count),
        share: tell::share(count, everyone),
        spark: chart::spark(&view.history(&segment.name, Some(from), None)?),
        updated: tell::instant(segment.updated, zone),
    })
}
