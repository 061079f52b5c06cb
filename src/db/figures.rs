//! Figures about segments at one view: growth, engagement, conversion, funnels, breakdowns, overlaps, the grid.

use crate::{
    analytics::{
        breakdown::{self, Breakdown, breakdown},
        conversion::{Conversion, Entries, Goal, conversion, entries},
        cuts::Step,
        engagement::{self, doers},
        funnel::{self, Funnel, funnel},
        overlap::{Overlap, overlap},
        rfm::{self, Grid, grid},
    },
    bitmap::posting::Posting,
    db::{
        error::Error,
        past::DayRecord,
        record::SegmentInfo,
        view::{View, told},
    },
    model::{
        calendar::Length,
        id::EventKindId,
        name::Name,
        request::{Refusal, RefusalKind},
        schema::EventKind,
        time::Timestamp,
        value::ValueType,
    },
    rule::suggest,
    segment::saved::{Body, Segment},
};

/// One part of a rule with its count.
pub type RulePart = funnel::Part;
/// What the contacts of one row of a breakdown have.
pub type Held = breakdown::Held;
/// How many there are, in a segment and among everyone.
pub type Counts = breakdown::Counts;
/// What became of those who entered.
pub type Converted = Conversion;
/// One score of the grid.
pub type Band = rfm::Band;

/// The event that the grid is about when none is named.
const GRID_EVENT: &str = "purchase";
/// The property that it sums up when none is named.
const GRID_OF: &str = "amount";

/// What is asked about a segment.
#[derive(Clone, Debug)]
pub struct Asked {
    /// From this instant on; `None` from its beginning.
    pub from: Option<Timestamp>,
    /// Up to this instant, which is left out; `None` up to now.
    pub to: Option<Timestamp>,
    /// Events that count as engagement; `None`: all that count as activity.
    pub engagement: Option<Vec<String>>,
    /// How far back engagement counts.
    pub window: Length,
    /// The event that is the goal.
    pub goal: Option<String>,
    /// How soon after its entry a contact must do it.
    pub within: Length,
}

/// Figures about a segment.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Its members.
    pub total: u64,
    /// Everyone.
    pub everyone: u64,
    /// Day by day.
    pub growth: Vec<DayRecord>,
    /// Who did what.
    pub engagement: EngagementFigures,
    /// Who did the goal, if one is asked for.
    pub conversion: Option<ConversionFigures>,
}

/// Who did some events in a window.
#[derive(Clone, Debug)]
pub struct EngagementFigures {
    /// Since when; up to now.
    pub from: Timestamp,
    /// By event: how many members did it.
    pub events: Vec<(Name, u64)>,
    /// Members who did any.
    pub engaged: u64,
    /// Of everyone, how many did any.
    pub everyone: u64,
}

/// Who did some events in a window: found once, to be counted in any number of segments.
#[derive(Clone, Debug)]
pub struct Doers {
    /// Since when; up to now.
    from: Timestamp,
    kinds: Vec<Name>,
    found: engagement::Doers,
}

impl Doers {
    /// Of everyone, how many did any of them.
    pub fn count(&self) -> u64 {
        self.found.any.len()
    }
}

/// Who did the goal after entering.
#[derive(Clone, Debug)]
pub struct ConversionFigures {
    /// The goal.
    pub goal: Name,
    /// Entries from here on.
    pub from: Timestamp,
    /// Up to here, left out.
    pub to: Timestamp,
    /// What became of them.
    pub found: Conversion,
    /// Entries by cause.
    pub causes: Vec<(&'static str, u64)>,
    /// Entries of large changes whose lists are no longer kept.
    pub unlisted: u64,
    /// From here on every entry is known; `None`: from the first one on.
    pub known_since: Option<Timestamp>,
    /// Whether every entry asked about is known.
    pub is_complete: bool,
}

/// A segment by the values of a property.
#[derive(Clone, Debug)]
pub struct BreakdownFigures {
    /// The property.
    pub by: Name,
    /// Its type.
    pub ty: ValueType,
    /// Its members.
    pub total: u64,
    /// Everyone.
    pub everyone: u64,
    /// By value.
    pub found: Breakdown,
}

/// The recency-frequency-money grid.
#[derive(Clone, Debug)]
pub struct GridFigures {
    /// The event.
    pub event: Name,
    /// The property that is summed up.
    pub of: Name,
    /// Its type.
    pub ty: ValueType,
    /// Since when events count; `None` from the first one on.
    pub from: Option<Timestamp>,
    /// The grid.
    pub found: Grid,
}

fn refused(code: &'static str, detail: String) -> Error {
    Error::Refused(Refusal { kind: RefusalKind::Invalid, code, pointer: String::new(), detail })
}

fn unknown(code: &'static str, what: &str, name: &str, near: Option<String>) -> Error {
    let near = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
    refused(code, format!("there is no {what} \"{name}\"{near}"))
}

impl View {
    /// A segment by name; of one that is not there the nearest name is told.
    pub(super) fn found(&self, name: &str) -> Result<&Segment, Error> {
        self.saved(name).map_err(|error| {
            let names = self.state().book.listed().map(|segment| &*segment.name);
            let Some(near) = suggest::nearest(name, names) else { return error };
            let detail = format!("there is no segment \"{name}\"; did you mean \"{near}\"?");
            Error::Refused(Refusal { kind: RefusalKind::NotFound, code: "not_found", pointer: String::new(), detail })
        })
    }

    /// A segment by name, without regard to case; of one that is not there the nearest name is told.
    ///
    /// Errors: of an unknown segment.
    pub fn named(&self, name: &str) -> Result<SegmentInfo, Error> {
        self.found(name).map(told)
    }

    fn kind(&self, name: &str) -> Result<&EventKind, Error> {
        let canonical = Name::new(name).ok();
        let found = canonical.and_then(|canonical| self.schema().event(canonical.as_str()));
        found.ok_or_else(|| unknown("unknown_event", "event", name, suggest::event(name, self.schema())))
    }

    /// Figures about a segment: its members, how it grew, who of them is engaged, who of those that entered did a goal.
    ///
    /// Errors: of an unknown segment or event; of a span of time that ends before it begins.
    pub fn figures(&self, name: &str, asked: &Asked) -> Result<Figures, Error> {
        let segment = self.found(name)?;
        if let (Some(from), Some(to)) = (asked.from, asked.to)
            && from >= to
        {
            return Err(refused("bad_range", "\"from\" lies after \"to\"".to_owned()));
        }
        let zone = self.schema().zone();
        let from = asked.from.map(|from| zone.day_of(from));
        let growth = self.history(name, from, asked.to.map(|to| zone.day_of(to.plus_ms(-1))))?;
        let members = self.state().live.members(segment.id);
        let doers = self.doers(asked.engagement.as_deref(), asked.window)?;
        let (engagement, conversion) = (self.engagement(name, &doers)?, self.conversion(name, asked)?);
        let (total, everyone) = (members.len(), self.state().index.live().len());
        Ok(Figures { total, everyone, growth, engagement, conversion })
    }

    /// Who did some events (`None`: all that count as activity) in a window up to now.
    ///
    /// Errors: of an unknown event.
    pub fn doers(&self, events: Option<&[String]>, window: Length) -> Result<Doers, Error> {
        let kinds: Vec<&EventKind> = match events {
            Some(names) => names.iter().map(|name| self.kind(name)).collect::<Result<_, _>>()?,
            None => self.schema().events().filter(|kind| kind.activity).collect(),
        };
        let ids: Vec<EventKindId> = kinds.iter().map(|kind| kind.id).collect();
        let from = self.schema().zone().before(self.now(), window);
        let found = doers(&self.state().index, &ids, (from, self.now()));
        Ok(Doers { from, kinds: kinds.into_iter().map(|kind| kind.name.clone()).collect(), found })
    }

    /// How many members of a segment are among those who did something.
    ///
    /// Errors: of an unknown segment.
    pub fn engagement(&self, name: &str, doers: &Doers) -> Result<EngagementFigures, Error> {
        let members = self.state().live.members(self.found(name)?.id);
        let counts = doers.found.each.iter().map(|did| did.and_len(members));
        Ok(EngagementFigures {
            from: doers.from,
            events: doers.kinds.iter().cloned().zip(counts).collect(),
            engaged: doers.found.any.and_len(members),
            everyone: doers.found.any.len(),
        })
    }

    /// Who of those that entered a segment did the goal that is asked about; `None` when none is.
    ///
    /// Errors: of an unknown segment or event.
    pub fn conversion(&self, name: &str, asked: &Asked) -> Result<Option<ConversionFigures>, Error> {
        let segment = self.found(name)?;
        let Some(goal) = asked.goal.as_deref() else { return Ok(None) };
        let kind = self.kind(goal)?;
        let state = self.state();
        let from = asked.from.unwrap_or(segment.created).max(segment.created);
        // What happens at this very instant has happened.
        let to = asked.to.unwrap_or(Timestamp::MAX).min(self.now().plus_ms(1));
        let entered: Entries = entries(state.live.feed(), segment.id, from, to);
        let zone = self.schema().zone();
        // Where the rule asks about the goal, it may be the very event that let the contact in.
        let at_once = !state.live.asks_about(segment.id, kind.id, &state.index);
        let goal = Goal { kind: kind.id, within: asked.within, zone, now: self.now(), at_once };
        Ok(Some(ConversionFigures {
            goal: kind.name.clone(),
            from,
            to,
            found: conversion(&state.index, &entered, &goal),
            is_complete: from >= entered.known_since || from >= to,
            known_since: Some(entered.known_since).filter(|since| *since > Timestamp::MIN),
            unlisted: entered.unlisted,
            causes: entered.causes.into_iter().collect(),
        }))
    }

    /// A segment's rule node by node, with counts; `None` of a static list.
    ///
    /// Errors: of an unknown segment.
    pub fn funnel(&self, name: &str) -> Result<Option<Funnel>, Error> {
        let state = self.state();
        Ok(match &self.found(name)?.body {
            Body::Dynamic(dynamic) => funnel(&state.live, &state.book, dynamic, state.index.live()),
            Body::Static(_) => None,
        })
    }

    /// A segment by the values of a property, by any spelling of its name or an alias.
    ///
    /// Errors: of an unknown segment, property or step.
    pub fn breakdown(&self, name: &str, by: &str, step: Option<&str>, top: usize) -> Result<BreakdownFigures, Error> {
        let segment = self.found(name)?;
        let canonical = Name::new(by).ok();
        let property = canonical
            .and_then(|canonical| self.schema().property(canonical.as_str()))
            .ok_or_else(|| unknown("unknown_property", "property", by, suggest::property(by, self.schema())))?;
        let step = step.map(|word| {
            let known =
                || refused("bad_step", format!("\"step\" is one of {}, not \"{word}\"", Step::words().join(", ")));
            let step = Step::of_word(word).ok_or_else(known)?;
            let is_temporal = property.ty.is_temporal();
            let misplaced =
                || format!("\"step\" is for dates and timestamps; \"{}\" is a {}", property.name, property.ty.name());
            if is_temporal { Ok(step) } else { Err(refused("bad_step", misplaced())) }
        });
        let index = &self.state().index;
        let members = self.state().live.members(segment.id);
        let found = breakdown(index, property, (self.schema().zone(), step.transpose()?), members, top);
        let (total, everyone) = (members.len(), index.live().len());
        Ok(BreakdownFigures { by: property.name.clone(), ty: property.ty, total, everyone, found })
    }

    /// How segments overlap; also their names as written.
    ///
    /// Errors: of an unknown segment.
    pub fn overlap(&self, names: &[String]) -> Result<(Vec<Box<str>>, Overlap), Error> {
        let segments = names.iter().map(|name| self.found(name)).collect::<Result<Vec<&Segment>, Error>>()?;
        let members = |segment: &&Segment| self.state().live.members(segment.id).clone();
        let sets: Vec<Posting> = segments.iter().map(members).collect();
        Ok((segments.iter().map(|segment| segment.name.clone()).collect(), overlap(&sets)))
    }

    /// The recency-frequency-money grid of a segment (`None`: of everyone) over an event.
    ///
    /// Errors: of an unknown segment, event or property, or one that is no number and no money.
    pub fn grid(
        &self,
        segment: Option<&str>,
        event: Option<&str>,
        of: Option<&str>,
        window: Option<Length>,
    ) -> Result<GridFigures, Error> {
        let state = self.state();
        let members = match segment {
            Some(name) => state.live.members(self.found(name)?.id),
            None => state.index.live(),
        };
        let kind = self.kind(event.unwrap_or(GRID_EVENT))?;
        let known = |name: &str| {
            let canonical = Name::new(name).ok()?;
            kind.property(canonical.as_str()).filter(|(_, property)| !property.dropped)
        };
        let (place, property) = known(of.unwrap_or(GRID_OF)).ok_or_else(|| {
            let name = of.unwrap_or(GRID_OF);
            let near = suggest::event_property(name, kind);
            let what = format!("property of the event \"{}\" with the name", kind.name);
            unknown("unknown_property", &what, name, near)
        })?;
        if !matches!(property.ty, ValueType::Number | ValueType::Money(_)) {
            let detail =
                format!("\"{}\" is a {}: the grid sums up a number or money", property.name, property.ty.name());
            return Err(refused("wrong_type", detail));
        }
        let from = window.map(|window| self.schema().zone().before(self.now(), window));
        let span = (from.unwrap_or(Timestamp::MIN), self.now());
        let found = match state.index.events().kind(kind.id) {
            Some(log) => grid(log, place, span, members),
            None => Grid { without: members.len(), ..Grid::default() },
        };
        Ok(GridFigures { event: kind.name.clone(), of: property.name.clone(), ty: property.ty, from, found })
    }
}
