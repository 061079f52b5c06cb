//! A segment's rule as people read it: a line for each part, in words, with how many it holds.

use crate::{
    db::{figures::RulePart, view::View},
    http::problem::Problem,
    web::tell,
};

/// Deepest line that the style sheet indents.
const DEPTH_MAX: usize = 8;

/// A line of the definition.
pub struct Line {
    /// How deep it lies; at most what the style sheet indents.
    pub depth: usize,
    /// The predicate in words, or what joins the lines below.
    pub words: String,
    /// The same in the rule language, of a predicate.
    pub text: String,
    /// Whether it is a predicate.
    pub is_test: bool,
    /// How many contacts it holds for, alone.
    pub count: String,
    /// The same as a share of all.
    pub share: String,
    /// Of a part of a group that is an AND or an OR: how many it and those before it leave or gather.
    pub so_far: Option<String>,
}

/// The definition as it was written, from the sets that are kept; nothing for a list.
pub fn lines(view: &View, name: &str) -> Result<Vec<Line>, Problem> {
    let mut lines = Vec::new();
    if let Some(funnel) = view.funnel(name)? {
        flatten(&funnel.rule, 0, view.everyone().count(), &mut lines);
    }
    Ok(lines)
}

fn flatten(part: &RulePart, depth: usize, everyone: u64, lines: &mut Vec<Line>) {
    let is_leaf = |part: &RulePart| part.parts.is_empty();
    // The opposite of a predicate is one line: nobody thinks of it as two.
    let is_test = is_leaf(part) || (part.kind == "not" && part.parts.iter().all(is_leaf));
    lines.push(Line {
        depth: depth.min(DEPTH_MAX),
        words: part.words.clone(),
        text: if is_test { part.text.clone() } else { String::new() },
        is_test,
        count: tell::grouped(part.count),
        share: tell::share(part.count, everyone),
        so_far: part.so_far.map(tell::grouped),
    });
    if !is_test {
        part.parts.iter().for_each(|part| flatten(part, depth + 1, everyone, lines));
    }
}
