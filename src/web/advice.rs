//! Advice about all segments: what is wrong or could be better, why, and what to do.

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};

use crate::{
    db::review::Advice,
    http::{app::App, body, path::Params, problem::Problem},
    web::{
        answer::{self, Frame, Visitor},
        tell,
    },
};

/// Pieces of advice of a page; of more, the weightiest.
const SHOWN: usize = 500;
/// Related segments that are named.
const RELATED: usize = 5;
/// By weight: the word of the API, and as a heading.
const WEIGHTS: [(&str, &str); 3] = [("problem", "Problems"), ("warning", "Warnings"), ("hint", "Hints")];

/// A weight with its count.
struct Weight {
    word: &'static str,
    heading: &'static str,
    count: String,
    is_chosen: bool,
}

/// A segment with the address of its page.
struct Linked {
    name: String,
    path: Option<String>,
}

struct Told {
    advice: Advice,
    segment: Linked,
    related: Vec<Linked>,
}

#[derive(Template)]
#[template(path = "advice.html", config = "src/web/askama.toml")]
struct AdvicePage {
    frame: Frame,
    weights: Vec<Weight>,
    is_all: bool,
    told: Vec<Told>,
    found: usize,
    reviewed: String,
    unreviewed: String,
    compared: String,
    uncompared: String,
}

/// `GET /ui/advice?weight=`
pub async fn get(State(app): State<App>, visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["weight"])?;
    let chosen = params.text("weight").and_then(|word| WEIGHTS.iter().find(|(known, _)| *known == word));
    let chosen = chosen.map(|(word, _)| *word);
    body::blocking(move || {
        let view = app.db.view();
        let review = view.review(&[])?;
        let count = |word: &str| review.advice.iter().filter(|advice| advice.severity == word).count() as u64;
        let weights = WEIGHTS.iter().map(|(word, heading)| Weight {
            word,
            heading,
            count: tell::grouped(count(word)),
            is_chosen: chosen == Some(*word),
        });
        let weights = weights.collect();
        let wanted = review.advice.into_iter().filter(|advice| chosen.is_none_or(|word| advice.severity == word));
        let wanted: Vec<Advice> = wanted.collect();
        let linked = |name: &str| Linked { name: name.to_owned(), path: tell::path(name) };
        let found = wanted.len();
        let told = wanted.into_iter().take(SHOWN).map(|advice| Told {
            segment: linked(&advice.segment),
            related: advice.related.iter().take(RELATED).map(|name| linked(name)).collect(),
            advice,
        });
        answer::page(&AdvicePage {
            frame: Frame::of(&view, visitor),
            weights,
            is_all: chosen.is_none(),
            told: told.collect(),
            found,
            reviewed: tell::grouped(review.reviewed),
            unreviewed: tell::nonzero(review.unreviewed),
            compared: tell::grouped(review.compared),
            uncompared: tell::nonzero(review.uncompared),
        })
    })
    .await
}
