//! One saved segment: a rule with its versions and pins, or a static list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    bitmap::posting::Posting,
    model::{fold::fold, id::SegmentId, request::Channels, schema::Schema, time::Timestamp},
    query::context,
    rule::{self, ast::Rule, error::RuleError},
};

/// A rule in both canonical forms, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleText {
    /// The canonical text.
    pub text: Arc<str>,
    /// The canonical JSON, as document text.
    pub json: Arc<str>,
}

impl RuleText {
    /// Both forms of a rule.
    pub fn of(rule: &Rule) -> RuleText {
        RuleText { text: rule::print(rule).into(), json: rule::to_json(rule).to_string().into() }
    }

    /// The tree of the rule.
    ///
    /// Errors: when the schema no longer knows what the rule names.
    pub fn parse(&self, schema: &Schema) -> Result<Rule, RuleError> {
        rule::from_json(&self.json, schema)
    }
}

/// One version of a dynamic segment's rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// When it came to be.
    pub at: Timestamp,
    /// By which access key, if by one.
    pub by: Option<Box<str>>,
    /// The rule.
    pub rule: RuleText,
}

/// A saved segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its dense number.
    pub id: SegmentId,
    /// Its name as written.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// Who is in it.
    pub body: Body,
    /// Of a suppression, the channels that it masks; `None` for a segment.
    pub channels: Option<Channels>,
}

/// Who is in a segment.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Those that a rule holds for, and pins.
    Dynamic(Dynamic),
    /// These contacts.
    Static(Posting),
}

/// A rule and what was pinned by hand: members = (rule ∪ include) ∖ exclude.
#[derive(Clone, Debug, PartialEq)]
pub struct Dynamic {
    /// The tree of the newest version.
    pub rule: Arc<Rule>,
    /// Every version, oldest first; at least one.
    pub versions: Vec<Version>,
    /// Contacts pinned in.
    pub include: Posting,
    /// Contacts pinned out.
    pub exclude: Posting,
}

impl Dynamic {
    /// The newest version.
    pub fn newest(&self) -> &Version {
        self.versions.last().expect("a dynamic segment has at least one version")
    }
}

impl Segment {
    /// The name as it is compared.
    pub fn folded(&self) -> Box<str> {
        folded(&self.name)
    }

    /// The name under which the book finds it: segments and suppressions have names of their own.
    pub(super) fn shelved(&self) -> Box<str> {
        shelved(&self.name, self.channels.is_some())
    }

    /// Whether it is a segment, which is listed and has a feed, and not a suppression.
    pub fn is_listed(&self) -> bool {
        self.channels.is_none()
    }

    /// The version of the rule; 1 for a static list.
    pub fn version(&self) -> u32 {
        match &self.body {
            Body::Dynamic(dynamic) => dynamic.newest().number,
            Body::Static(_) => 1,
        }
    }

    /// The segment as a rule that names it needs it.
    pub fn view(&self) -> context::SegmentView {
        let body = match &self.body {
            Body::Static(list) => context::Body::Static(list.clone()),
            Body::Dynamic(dynamic) => context::Body::Dynamic {
                rule: Arc::clone(&dynamic.rule),
                include: dynamic.include.clone(),
                exclude: dynamic.exclude.clone(),
            },
        };
        context::SegmentView { id: self.id, name: self.name.clone(), body }
    }
}

/// A segment's name as it is compared: folded, without white space around it.
pub fn folded(name: &str) -> Box<str> {
    fold(name.trim()).into()
}

/// The name under which the book finds a segment or a suppression; no name holds a control character.
pub(super) fn shelved(name: &str, is_suppression: bool) -> Box<str> {
    let folded = folded(name);
    if is_suppression { format!("\u{1}{folded}").into() } else { folded }
}
