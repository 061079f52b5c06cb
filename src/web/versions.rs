//! The versions of a rule, newest first, each with what changed from the one before.

use std::time::Duration;

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};
use similar::{ChangeTag, TextDiff};

use crate::{
    http::{
        app::App,
        body,
        path::{Params, part},
        problem::Problem,
    },
    web::{
        answer::{self, Frame, Visitor},
        segment::unknown,
        tell,
    },
};

/// A run of words that stayed, came or went.
struct Piece {
    kind: &'static str,
    text: String,
}

struct Version {
    number: u32,
    at: String,
    is_newest: bool,
    pieces: Vec<Piece>,
}

#[derive(Template)]
#[template(path = "versions.html", config = "src/web/askama.toml")]
struct VersionsPage {
    frame: Frame,
    name: String,
    path: String,
    versions: Vec<Version>,
    older: Option<u32>,
    is_later: bool,
}

/// Versions of a page.
const VERSIONS: usize = 20;
/// How long words are compared for one version; past it the rest is told as gone and come.
const PATIENCE: Duration = Duration::from_millis(50);

/// `GET /ui/segments/{name}/versions`
pub async fn get(State(app): State<App>, visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    let below = Params::read(&uri, &["before"])?.parsed::<u32>("before")?.unwrap_or(u32::MAX);
    body::blocking(move || {
        let view = app.db.view();
        let segment = view.segment(&name).ok_or_else(|| unknown(&name))?;
        let known = view.versions(&name).ok_or_else(|| unknown(&name))?;
        // Numbers count up from the oldest, though the first may not be 1.
        let end = known.partition_point(|version| version.version < below);
        let start = end.saturating_sub(VERSIONS);
        let mut versions = Vec::with_capacity(end - start);
        for (place, version) in known.iter().enumerate().take(end).skip(start) {
            let before = place.checked_sub(1).map_or("", |before| &known[before].rule.text);
            versions.push(Version {
                number: version.version,
                at: tell::instant(version.at, view.schema().zone()),
                is_newest: place + 1 == known.len(),
                pieces: if place == 0 { whole(&version.rule.text) } else { difference(before, &version.rule.text) },
            });
        }
        versions.reverse();
        let older = (start > 0).then(|| known[start].version);
        let (is_later, name) = (end < known.len(), segment.name.to_string());
        let (frame, path) = (Frame::of(&view, visitor), tell::encoded(&name));
        answer::page(&VersionsPage { frame, path, name, versions, older, is_later })
    })
    .await
}

fn whole(text: &str) -> Vec<Piece> {
    vec![Piece { kind: "same", text: text.to_owned() }]
}

/// What changed, word by word.
fn difference(before: &str, after: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut compare = TextDiff::configure();
    let words = compare.algorithm(similar::Algorithm::Patience).timeout(PATIENCE).diff_words(before, after);
    for change in words.iter_all_changes() {
        let kind = match change.tag() {
            ChangeTag::Equal => "same",
            ChangeTag::Insert => "came",
            ChangeTag::Delete => "went",
        };
        match pieces.last_mut() {
            Some(last) if last.kind == kind => last.text.push_str(change.value()),
            _ => pieces.push(Piece { kind, text: change.value().to_owned() }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_gives_both_texts_back() {
        let (before, after) =
            ("Lead Score > 50\nAND Has tag \"VIP\"", "Lead Score > 70\nAND Has tag \"VIP\" AND everyone");
        let pieces = difference(before, after);
        let side = |other: &str| -> String {
            pieces.iter().filter(|piece| piece.kind != other).map(|piece| piece.text.as_str()).collect()
        };
        assert_eq!((side("came").as_str(), side("went").as_str()), (before, after));
        assert!(pieces.iter().any(|piece| piece.kind == "went" && piece.text == "50"));
    }
}
