//! The review of segments at one view: advice with its reason and what to do.

use crate::{
    analytics::{
        beside::beside,
        review::{Finding, Grounds, each_leaf, review},
        sweep::sweep,
    },
    db::{error::Error, view::View},
    segment::saved::{Body, Segment},
};

/// How much work a review is worth.
#[derive(Clone, Copy, Debug)]
struct Work {
    /// Predicates of all rules that are looked at one by one, at most, about: each is tried against those beside it.
    predicates: usize,
    /// Pairs of chunks that are looked at to compare segments with each other, about, at most. A segment of a million
    /// contacts has 16 chunks. Most pairs need a look or two.
    looks: u64,
}

/// A second's work or two.
const WORK: Work = Work { predicates: 50_000, looks: 10_000_000 };

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
    /// How many of those asked about were not, for want of time: those that were changed last go first.
    pub unreviewed: u64,
    /// How many segments took part in the comparison: all of them with each other, or those named with all.
    pub compared: u64,
    /// How many of those asked about were not.
    pub uncompared: u64,
}

impl View {
    /// Advice about some segments, or about all (none named). The work is bounded: of very many segments those that were
    /// changed last are looked at.
    ///
    /// Errors: of an unknown segment.
    pub fn review(&self, names: &[String]) -> Result<Review, Error> {
        self.review_within(names, WORK)
    }

    fn review_within(&self, names: &[String], work: Work) -> Result<Review, Error> {
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
        let all: Vec<&Segment> = state.book.listed().map(|segment| &**segment).collect();
        let mut asked: Vec<&Segment> = match names {
            [] => all.clone(),
            names => names.iter().map(|name| self.found(name)).collect::<Result<_, _>>()?,
        };
        asked.sort_by_key(|segment| (std::cmp::Reverse(segment.updated), segment.id));
        asked.dedup_by_key(|segment| segment.id);
        let looked_at = within_work(&asked, work.predicates);
        let alone = sweep(looked_at, |place| review(&grounds, asked[place]));
        let mut found: Vec<Finding> = alone.into_iter().flatten().collect();
        // Of named segments every pair with any other is compared, of all those among themselves.
        let others = if names.is_empty() { Vec::new() } else { all };
        let (pairs, compared) = beside(&grounds, &asked, &others, work.looks);
        found.extend(pairs);
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
            reviewed: looked_at as u64,
            unreviewed: (asked.len() - looked_at) as u64,
            compared: (compared + others.len().saturating_sub(asked.len())) as u64,
            uncompared: (asked.len() - compared) as u64,
        })
    }
}

/// How many of some segments are looked at: those whose rules have no more predicates together than the work allows.
fn within_work(segments: &[&Segment], most: usize) -> usize {
    let mut predicates = 0;
    let weight = |segment: &&&Segment| match &segment.body {
        Body::Dynamic(dynamic) => {
            let mut leaves = 0;
            each_leaf(&dynamic.rule, &mut |_| leaves += 1);
            leaves
        }
        Body::Static(_) => 1,
    };
    let fits = segments.iter().take_while(|segment| {
        let is_first = predicates == 0;
        predicates += weight(segment);
        is_first || predicates <= most
    });
    fits.count()
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
