//! What a rule is bound against: the schema, the saved segments, the clock.

use std::sync::Arc;

use crate::{
    bitmap::posting::Posting,
    model::{id::SegmentId, schema::Schema, time::Timestamp},
    rule::ast::Rule,
};

/// What a rule is bound against.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Names, types and the time zone.
    pub schema: &'a Schema,
    /// Saved segments by name.
    pub segments: &'a dyn Segments,
    /// The instant from which the question measures ages, windows and periods: the database's clock or later.
    pub now: Timestamp,
    /// The database's clock. Segments that a rule names hold whom they hold then.
    pub as_of: Timestamp,
}

/// Finds saved segments.
pub trait Segments {
    /// The segment of a name, compared without case, or `None`.
    fn resolve(&self, name: &str) -> Option<SegmentView>;
}

/// No segments at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSegments;

impl Segments for NoSegments {
    fn resolve(&self, _: &str) -> Option<SegmentView> {
        None
    }
}

/// What a saved segment is, as far as a rule that names it must know.
#[derive(Clone, Debug)]
pub struct SegmentView {
    /// Its number; one number has one body throughout a bind.
    pub id: SegmentId,
    /// Its name, for messages.
    pub name: Box<str>,
    /// Who is in it.
    pub body: Body,
}

/// Who is in a segment.
#[derive(Clone, Debug)]
pub enum Body {
    /// These contacts.
    Static(Posting),
    /// `(rule OR include) AND NOT exclude`.
    Dynamic {
        /// The rule.
        rule: Arc<Rule>,
        /// Pinned in by hand.
        include: Posting,
        /// Pinned out by hand.
        exclude: Posting,
    },
}

/// Why a rule cannot be bound. A checked rule fails only by the segments that it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// A rule names a segment that is not there.
    #[error("there is no segment \"{name}\"{}", through(path))]
    UnknownSegment {
        /// The name as written.
        name: String,
        /// The segments through which the rule came to it, outermost first; empty when it names it itself.
        path: Vec<String>,
    },
    /// A segment depends on itself.
    #[error("a segment may not depend on itself: {}", path.join(" → "))]
    Cycle {
        /// The segments in the order of dependence; the last is the first again.
        path: Vec<String>,
    },
    /// Segments inside segments, too deep.
    #[error("segments inside segments go deeper than {max}: {}", path.join(" → "))]
    TooDeep {
        /// The limit.
        max: usize,
        /// The segments, outermost first.
        path: Vec<String>,
    },
    /// A property that the schema does not have.
    #[error("there is no property \"{0}\"")]
    UnknownProperty(String),
    /// An event kind that the schema does not have.
    #[error("there is no event \"{0}\"")]
    UnknownEvent(String),
    /// An operator or operand that does not fit the type.
    #[error("{what} does not fit \"{property}\", which is a {ty}")]
    Mismatch {
        /// The property.
        property: String,
        /// Its type.
        ty: &'static str,
        /// What does not fit.
        what: &'static str,
    },
    /// A pattern that cannot be compiled.
    #[error("the pattern for \"{property}\" is not a regular expression that can be run: {reason}")]
    Pattern {
        /// The property.
        property: String,
        /// Why.
        reason: String,
    },
}

fn through(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!(" (named by {})", path.join(" → ")) }
}
