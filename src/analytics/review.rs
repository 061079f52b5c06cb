//! Advice about segments: what a colleague would ask about each, with the reason and what to do.

use crate::{
    analytics::{
        funnel::{Funnel, Part, funnel},
        parts::{Flaw, flaws},
        unclear::unclear,
    },
    bitmap::words::Words,
    index::{Index, event_index::EventIndex},
    model::{calendar::DAY_MS, id::SegmentId, schema::Schema, time::Timestamp},
    query::{
        context::{Context, Segments},
        sense::{Asked, asked},
    },
    rule::{self, ast::Rule},
    segment::{
        book::Book,
        live::Live,
        saved::{Body, Dynamic, Segment},
    },
};

/// A rule or list is old when nobody changed it for so long. Units: days.
pub const UNTOUCHED_DAYS: i64 = 180;
/// A segment that nothing names is unused when nobody entered or left it for so long. Units: days.
pub const UNUSED_DAYS: i64 = 90;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot be meant.
    Problem,
    /// It is probably not meant.
    Warning,
    /// It may be better.
    Hint,
}

impl Severity {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Problem => "problem",
            Severity::Warning => "warning",
            Severity::Hint => "hint",
        }
    }
}

/// One piece of advice.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// About which segment.
    pub segment: SegmentId,
    /// A stable word for programs.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is found and why it matters.
    pub detail: String,
    /// What to do.
    pub suggestion: String,
    /// The part of the rule that it is about.
    pub part: Option<String>,
    /// Other segments that it is about.
    pub related: Vec<SegmentId>,
}

/// What segments are reviewed by.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// Everything declared.
    pub schema: &'a Schema,
    /// The facts.
    pub index: &'a Index,
    /// The saved segments.
    pub book: &'a Book,
    /// Who is in them.
    pub live: &'a Live,
    /// The same, as rules see them.
    pub segments: &'a (dyn Segments + Sync),
    /// What time it is.
    pub now: Timestamp,
    /// As of when members are.
    pub as_of: Timestamp,
}

impl Grounds<'_> {
    pub(super) fn context(&self, now: Timestamp) -> Context<'_> {
        Context { schema: self.schema, segments: self.segments, now, as_of: now }
    }
}

/// Findings about one segment under way.
pub(super) struct Findings {
    segment: SegmentId,
    pub(super) found: Vec<Finding>,
}

impl Findings {
    pub(super) fn new(segment: SegmentId) -> Findings {
        Findings { segment, found: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        detail: String,
        suggestion: &str,
    ) -> &mut Finding {
        let segment = self.segment;
        let suggestion = suggestion.to_owned();
        self.found.push(Finding { segment, code, severity, detail, suggestion, part: None, related: Vec::new() });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }
}

/// An instant to the minute, in the database's zone.
fn moment(grounds: &Grounds<'_>, at: Timestamp) -> String {
    let zone = grounds.schema.zone();
    let local = Timestamp(at.0.saturating_add(zone.offset_ms(at))).to_string();
    let minute = local.get(..16).map_or_else(|| local.clone(), |minute| minute.replace('T', " "));
    format!("{minute} ({})", zone.name())
}

/// Advice about a segment alone, the weightiest first.
pub fn review(grounds: &Grounds<'_>, segment: &Segment) -> Vec<Finding> {
    let mut findings = Findings::new(segment.id);
    if let Some(why) = unclear(&segment.name) {
        let detail = format!("the name \"{}\" {why}", segment.name);
        findings.add(
            "unclear_name",
            Severity::Hint,
            detail,
            "name it after who is in it, such as \"Trial ends this week\"",
        );
    }
    match &segment.body {
        Body::Dynamic(dynamic) => {
            let funnel = funnel(grounds.live, grounds.book, dynamic, grounds.index.live());
            let proven = prove(grounds, dynamic, &mut findings);
            size(grounds, segment, funnel.as_ref(), &mut findings);
            let silent = data(grounds, &dynamic.rule, &mut findings);
            if let Some(funnel) = funnel.filter(|_| !proven) {
                parts(&funnel.rule, grounds.index.live().len(), &silent, &mut findings);
            }
        }
        Body::Static(_) => size(grounds, segment, None, &mut findings),
    }
    age(grounds, segment, &mut findings);
    findings.found.sort_by_key(|finding| finding.severity);
    findings.found
}

/// What is certain from the rule alone; says whether there is something.
fn prove(grounds: &Grounds<'_>, dynamic: &Dynamic, findings: &mut Findings) -> bool {
    let flaws = flaws(grounds, &dynamic.rule);
    for flaw in &flaws {
        let (code, severity, part, why, suggestion) = match flaw {
            Flaw::Never(part) => (
                "contradiction",
                Severity::Problem,
                part,
                "can hold for no one, whatever the data, now or on any of the days ahead that were tried",
                "take one of its conditions out, or join them by OR",
            ),
            Flaw::Always(part) => (
                "always_true",
                Severity::Warning,
                part,
                "holds for everyone, whatever the data, now and on all of the days ahead that were tried",
                "take it out, or narrow one of its conditions",
            ),
            Flaw::Implied(part) => (
                "redundant_part",
                Severity::Hint,
                part,
                "changes nothing: the conditions beside it say as much already",
                "take it out; the members stay the same",
            ),
        };
        findings.add(code, severity, format!("the part \"{part}\" {why}"), suggestion).part = Some(part.clone());
    }
    !flaws.is_empty()
}

fn size(grounds: &Grounds<'_>, segment: &Segment, funnel: Option<&Funnel>, findings: &mut Findings) {
    let (members, everyone) = (grounds.live.members(segment.id).len(), grounds.index.live().len());
    if members == 0 {
        let mut detail = "nobody is in it".to_owned();
        let step = funnel.and_then(|funnel| last_step(&funnel.rule));
        if let Some(step) = step {
            detail = format!("{detail}: at \"{}\" nobody is left", step.text);
        }
        let told = findings.add("empty", Severity::Warning, detail, "loosen that condition, or delete the segment");
        told.part = step.map(|step| step.text.clone());
    } else if members == everyone {
        let detail = format!("everyone is in it, all {everyone} contacts: it tells no one apart");
        findings.add("everyone", Severity::Warning, detail, "narrow its rule, or delete the segment");
    }
}

/// The step of an AND after which nobody is left.
fn last_step(rule: &Part) -> Option<&Part> {
    rule.parts.iter().find(|part| rule.kind == "and" && part.so_far == Some(0))
}

/// Parts that no data reaches: their texts are given back.
fn data(grounds: &Grounds<'_>, rule: &Rule, findings: &mut Findings) -> Vec<String> {
    let mut silent = Vec::new();
    each_leaf(rule, &mut |leaf| {
        let Ok((spans, properties)) = asked(leaf, &grounds.context(grounds.now)) else { return };
        let text = rule::print(leaf);
        let mut told = |code, detail: String, suggestion: &str| {
            findings.add(code, Severity::Warning, detail, suggestion).part = Some(text.clone());
            silent.push(text.clone());
        };
        for property in properties {
            if let Some(declared) = grounds.schema.property_by_id(property)
                && grounds.index.present(property).is_empty()
            {
                let detail = format!("\"{text}\" asks for \"{}\", of which no contact has a value", declared.name);
                return told("property_without_data", detail, "fill the property, or take the condition out");
            }
        }
        for span in spans {
            let Some(kind) = grounds.schema.event_by_id(span.kind) else { continue };
            let log = grounds.index.events().kind(span.kind).filter(|log| !log.is_empty());
            let Some(log) = log else {
                let detail = format!("\"{text}\" asks for the event \"{}\", which never happened", kind.name);
                return told("event_without_data", detail, "send the event, or take the condition out");
            };
            if !is_reached(log, span) {
                let newest = log.last().max().map_or_else(String::new, |at| moment(grounds, Timestamp(at as i64)));
                let detail = format!(
                    "no event \"{}\" lies in the window of \"{text}\"; the newest one is of {newest}",
                    kind.name
                );
                return told(
                    "window_without_data",
                    detail,
                    "widen the window, or see whether the events still come in",
                );
            }
        }
    });
    silent
}

/// Whether an event lies in a span of time.
fn is_reached(log: &EventIndex, span: Asked) -> bool {
    let (first, last) = (i128::from(span.first), i128::from(span.last));
    let within = |at: Option<i128>| at.is_some_and(|at| (first..=last).contains(&at));
    let (oldest, newest) = (log.first().min(), log.last().max());
    if within(oldest) || within(newest) {
        return true;
    }
    if first > last || newest < Some(first) || oldest > Some(last) {
        return false;
    }
    let mut found = Words::boxed();
    (0..log.chunk_count()).any(|chunk| {
        log.window_into(chunk, span.first, span.last, &mut found);
        !found.is_zero()
    })
}

/// Calls `f` with every predicate of a rule.
pub fn each_leaf(rule: &Rule, f: &mut dyn FnMut(&Rule)) {
    match rule {
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
            rules.iter().for_each(|rule| each_leaf(rule, f));
        }
        Rule::Not(inner) => each_leaf(inner, f),
        leaf => f(leaf),
    }
}

/// Predicates that hold everyone or no one just now.
fn parts(part: &Part, everyone: u64, silent: &[String], findings: &mut Findings) {
    let is_leaf = ["predicate", "segment"].contains(&part.kind);
    if is_leaf && !silent.contains(&part.text) && everyone > 0 {
        let told = |what: &str| format!("\"{}\" holds {what} just now", part.text);
        if part.count == 0 {
            let suggestion = "see whether its value is spelled as in the data, or take it out";
            findings.add("part_holds_no_one", Severity::Hint, told("no one"), suggestion).part =
                Some(part.text.clone());
        } else if part.count == everyone {
            let suggestion = "take it out if it is to stay so";
            let detail = told("everyone");
            findings.add("part_holds_everyone", Severity::Hint, detail, suggestion).part = Some(part.text.clone());
        }
    }
    part.parts.iter().for_each(|part| parts(part, everyone, silent, findings));
}

fn age(grounds: &Grounds<'_>, segment: &Segment, findings: &mut Findings) {
    let days = |since: Timestamp| (grounds.now.0 - since.0) / DAY_MS;
    let untouched = days(segment.updated);
    let what = if matches!(segment.body, Body::Dynamic(_)) { "its rule" } else { "it" };
    if untouched >= UNTOUCHED_DAYS {
        let detail = format!("nobody changed {what} for {untouched} days");
        findings.add("untouched", Severity::Hint, detail, "see whether it still says what is meant");
    }
    if days(segment.created) < UNUSED_DAYS || !grounds.book.dependents(segment.id).is_empty() {
        return;
    }
    let zone = grounds.schema.zone();
    let newest = grounds.live.history(segment.id).days().last().map(|day| zone.start_of(day.day));
    if newest.is_none_or(|newest| days(newest) >= UNUSED_DAYS) {
        let detail = format!("no other rule names it, and nobody entered or left it for {UNUSED_DAYS} days");
        findings.add("unused", Severity::Hint, detail, "delete it if no list of yours is made from it");
    }
}
