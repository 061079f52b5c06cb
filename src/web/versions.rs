//! The versions of a rule, newest first, each with what changed from the one before.

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
        answer::{self, Frame},
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
}

/// `GET /ui/segments/{name}/versions`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    Params::read(&uri, &[])?;
    body::blocking(move || {
        let view = app.db.view();
        let segment = view.segment(&name).ok_or_else(|| unknown(&name))?;
        let known = view.versions(&name).ok_or_else(|| unknown(&name))?;
        let mut versions = Vec::with_capacity(known.len());
        for (place, version) in known.iter().enumerate() {
            let before = place.checked_sub(1).map_or("", |before| &known[before].rule.text);
            versions.push(Version {
                number: version.version,
                at: tell::instant(version.at, view.schema().zone()),
                is_newest: place + 1 == known.len(),
                pieces: if place == 0 { whole(&version.rule.text) } else { difference(before, &version.rule.text) },
            });
        }
        versions.reverse();
        let name = segment.name.to_string();
        answer::page(&VersionsPage { frame: Frame::of(&view), path: tell::encoded(&name), name, versions })
    })
    .await
}

fn whole(text: &str) -> Vec<Piece> {
    vec![Piece { kind: "same", text: text.to_owned() }]
}

/// What changed, word by word.
fn difference(before: &str, after: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let words = TextDiff::configure().algorithm(similar::Algorithm::Patience).diff_words(before, after);
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
