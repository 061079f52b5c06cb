//! The review of segments at one view: advice with its reason and what to do.

use crate::{
    analytics::{
        beside::{COMPARED_MAX, beside},
        review::{Finding, Grounds, review},
        sweep::sweep,
    },
    db::{error::Error, view::View},
    segment::saved::Segment,
};

/// One piece of advice, by outside names.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// About which segment.
    pub segment: Box<str>,
    /// A stable word for programs.
    pub code: &'static str,
    /// `problem`, `warning` or `hint`.
    pub severity: &'static str,
    /// What is found and why it matters.
    pub detail: String,
    /// What to do.
    pub suggestion: String,
    /// The part of the rule that it is about.
    pub part: Option<String>,
    /// Other segments that it is about.
    pub related: Vec<Box<str>>,
}

/// Advice, the weightiest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// The advice.
    pub advice: Vec<Advice>,
    /// How many segments were looked at.
    pub reviewed: u64,
    /// How many of them were compared with each other.
    pub compared: u64,
}

impl View {
    /// Advice about a segment, or about all (`None`).
    ///
    /// Errors: of an unknown segment.
    pub fn review(&self, name: Option<&str>) -> Result<Review, Error> {
        let state = self.state();
        let holding = state.holding();
        let grounds = Grounds {
            schema: &state.schema,
            index: &state.index,
            book: &state.book,
            live: &state.live,
            segments: &holding,
            now: self.now(),
            as_of: state.as_of,
        };
        let mut all: Vec<&Segment> = state.book.listed().map(|segment| &**segment).collect();
        let asked: Vec<&Segment> = match name {
            Some(name) => vec![self.found(name)?],
            None => all.clone(),
        };
        // Of one segment every pair is compared, of all those of the last changed.
        all.sort_by_key(|segment| std::cmp::Reverse(segment.updated));
        let newest = || all.iter().take(COMPARED_MAX).copied().collect::<Vec<&Segment>>();
        let (pairs_of, others) = if name.is_some() { (asked.clone(), all.clone()) } else { (newest(), newest()) };
        let mut found: Vec<Finding> =
            sweep(asked.len(), |place| review(&grounds, asked[place])).into_iter().flatten().collect();
        found.extend(beside(&grounds, &pairs_of, &others));
        found.sort_by_key(|finding| (finding.severity, finding.segment));
        let name = |id| state.book.get(id).map(|segment| segment.name.clone());
        let advice = |finding: Finding| {
            Some(Advice {
                segment: name(finding.segment)?,
                code: finding.code,
                severity: finding.severity.name(),
                detail: finding.detail,
                suggestion: finding.suggestion,
                part: finding.part,
                related: finding.related.into_iter().filter_map(name).collect(),
            })
        };
        Ok(Review {
            advice: found.into_iter().filter_map(advice).collect(),
            reviewed: asked.len() as u64,
            compared: others.len() as u64,
        })
    }
}
