//! A view: everything as it was at one LSN, free to hold.

use std::sync::Arc;

use crate::{
    bitmap::{portable, posting::Posting},
    codec::damage::Damage,
    db::{
        answer::Answer,
        clock::Stopwatch,
        error::Error,
        record::{ContactRecord, Page, Place, PlanNode, RuleForms, SegmentInfo, Status, VersionInfo},
    },
    engine::{admit_segments::parse, state::State},
    model::{
        id::{ContactId, EventKindId, Lsn, PropertyId},
        name::Name,
        request::RuleSource,
        schema::Schema,
        time::Timestamp,
    },
    query::{
        bind::bind,
        explain::{Explained, explain},
        plan::Plan,
    },
    rule::{self, ast::Rule, error::RuleError},
    segment::saved::{Body, Segment},
};

/// Everything at one LSN and one instant. Cheap to clone and to keep; never blocks a writer.
#[derive(Clone)]
pub struct View {
    state: Arc<State>,
    now: Timestamp,
}

impl View {
    pub(super) fn new(state: Arc<State>, now: Timestamp) -> View {
        View { state, now }
    }

    /// Whether it is of this very state.
    pub(super) fn is_of(&self, state: &Arc<State>) -> bool {
        Arc::ptr_eq(&self.state, state)
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// The last write that this view holds.
    pub fn lsn(&self) -> Lsn {
        self.state.lsn
    }

    /// The instant that ages, windows and periods are measured from.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Everything declared.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.state.schema
    }

    /// Reads a rule by the schema, and checks the segments it names.
    ///
    /// Errors: [`RuleError`] with the place in the source.
    pub fn parse_rule(&self, source: &RuleSource) -> Result<Rule, Box<RuleError>> {
        let rule = parse(source, self.schema())?;
        let named = rule::segments_named(&rule);
        if let Some(unknown) = named.iter().find(|name| self.state.book.find(name).is_none()) {
            return Err(Box::new(self.unknown_segment(source, unknown)));
        }
        if let Err(error) = bind(&rule, &self.state.context(&self.state.holding(), self.now)) {
            let place = named.first().copied().unwrap_or_default();
            return Err(Box::new(located(RuleError::new("bad_rule", error.to_string()), source, place)));
        }
        Ok(rule)
    }

    fn unknown_segment(&self, source: &RuleSource, name: &str) -> RuleError {
        let mut error = RuleError::new("unknown_segment", format!("there is no segment \"{name}\""));
        let names = self.state.book.listed().map(|segment| &*segment.name);
        error.suggestion = rule::suggest::nearest(name, names);
        located(error, source, name)
    }

    fn plan(&self, rule: &Rule, as_of: Option<Timestamp>) -> Result<Plan, Error> {
        let as_of = as_of.unwrap_or(self.now);
        if as_of < self.now {
            return Err(Error::AsOfPast { as_of, now: self.now });
        }
        Ok(bind(rule, &self.state.context(&self.state.holding(), as_of))?)
    }

    /// The contacts that a rule holds for, measured from `as_of` (`None`: now).
    ///
    /// Errors: [`Error::AsOfPast`], [`Error::Rule`] when the rule names what is not there.
    pub fn query(&self, rule: &Rule, as_of: Option<Timestamp>) -> Result<Answer, Error> {
        let members = self.plan(rule, as_of)?.evaluate(&self.state.index);
        Ok(Answer::new(self.clone(), members))
    }

    /// How many contacts a rule holds for.
    ///
    /// Errors: as [`View::query`].
    pub fn count(&self, rule: &Rule, as_of: Option<Timestamp>) -> Result<u64, Error> {
        Ok(self.plan(rule, as_of)?.count(&self.state.index))
    }

    /// Whether a rule holds for one contact, `None` when the key is unknown.
    ///
    /// Errors: as [`View::query`].
    pub fn holds(&self, rule: &Rule, key: &str) -> Result<Option<bool>, Error> {
        let plan = self.plan(rule, None)?;
        Ok(self.id(key).map(|contact| plan.contains(&self.state.index, contact)))
    }

    /// How a rule is answered: the nodes of its plan in the order of work.
    ///
    /// Errors: as [`View::query`].
    pub fn explain(&self, rule: &Rule, as_of: Option<Timestamp>) -> Result<PlanNode, Error> {
        let plan = self.plan(rule, as_of)?;
        let watch = Stopwatch::start();
        Ok(node(explain(&plan, &self.state.index, &|| watch.elapsed_ns())))
    }

    /// Everyone, as an answer.
    pub fn everyone(&self) -> Answer {
        Answer::new(self.clone(), self.state.index.live().clone())
    }

    pub(super) fn id(&self, key: &str) -> Option<ContactId> {
        self.state.index.directory().id(key)
    }

    /// Whether there is a contact of this key.
    pub fn has_contact(&self, key: &str) -> bool {
        self.id(key).is_some()
    }

    /// A contact with its values.
    pub fn contact(&self, key: &str) -> Option<ContactRecord> {
        self.id(key).map(|contact| self.record(contact, &self.fields(None)))
    }

    /// Contacts in order of first sight.
    pub fn contacts(&self, after: Option<Place>, limit: usize) -> Page<ContactRecord> {
        self.everyone().contacts(after, limit, None)
    }

    /// The properties of some names (unknown ones left out), or all.
    pub(super) fn fields(&self, names: Option<&[Name]>) -> Vec<(PropertyId, Name)> {
        let schema = &self.state.schema;
        match names {
            None => schema.properties().map(|property| (property.id, property.name.clone())).collect(),
            Some(names) => names
                .iter()
                .filter_map(|name| schema.property(name.as_str()))
                .map(|property| (property.id, property.name.clone()))
                .collect(),
        }
    }

    pub(super) fn record(&self, contact: ContactId, fields: &[(PropertyId, Name)]) -> ContactRecord {
        let index = &self.state.index;
        let value = |(id, name): &(PropertyId, Name)| index.value(*id, contact).map(|value| (name.clone(), value));
        ContactRecord { key: index.directory().key(contact).into(), values: fields.iter().filter_map(value).collect() }
    }

    /// The contacts of a portable Roaring bitmap at the head of some bytes, how many of its ids are no contact, and how
    /// many bytes it took.
    ///
    /// Errors: what is wrong with the bytes.
    pub fn of_roaring(&self, bytes: &[u8]) -> Result<(Answer, u64, usize), Damage> {
        let (members, unknown, read) = portable::within(bytes, self.state.index.live())?;
        Ok((Answer::new(self.clone(), members), unknown, read))
    }

    /// All segments in order of creation.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.state.book.listed().map(|segment| told(segment)).collect()
    }

    /// A segment by name, without regard to case.
    pub fn segment(&self, name: &str) -> Option<SegmentInfo> {
        self.state.book.find(name).map(|segment| told(segment))
    }

    /// The versions of a dynamic segment's rule, oldest first; empty for a static one.
    pub fn versions(&self, name: &str) -> Option<Vec<VersionInfo>> {
        let segment = self.state.book.find(name)?;
        let Body::Dynamic(dynamic) = &segment.body else { return Some(Vec::new()) };
        let version = |version: &crate::segment::saved::Version| VersionInfo {
            version: version.number,
            at: version.at,
            by: version.by.clone(),
            rule: RuleForms { text: (&*version.rule.text).into(), json: (&*version.rule.json).into() },
        };
        Some(dynamic.versions.iter().map(version).collect())
    }

    pub(super) fn saved(&self, name: &str) -> Result<&Segment, Error> {
        self.state.book.find(name).map(|segment| &**segment).ok_or_else(|| Error::NoSegment(name.into()))
    }

    /// The members of a segment.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn members(&self, name: &str) -> Result<Answer, Error> {
        let segment = self.saved(name)?;
        Ok(Answer::new(self.clone(), self.state.live.members(segment.id).clone()))
    }

    /// How many members a segment has.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn member_count(&self, name: &str) -> Result<u64, Error> {
        Ok(self.state.live.members(self.saved(name)?.id).len())
    }

    /// Whether a segment holds a contact; an unknown key is in none.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn is_member(&self, name: &str, key: &str) -> Result<bool, Error> {
        let members = self.state.live.members(self.saved(name)?.id);
        Ok(self.id(key).is_some_and(|contact| members.contains(contact.0)))
    }

    /// The names of all segments that hold a contact, in order of creation; `None` when the key is unknown. Nothing is
    /// evaluated.
    pub fn segments_of(&self, key: &str) -> Option<Vec<Box<str>>> {
        let contact = self.id(key)?;
        let State { book, live, .. } = &*self.state;
        let name = |id| book.get(id).map(|segment| segment.name.clone());
        Some(live.segments_of(contact).into_iter().filter_map(name).collect())
    }

    /// As [`View::segments_of`] for many contacts, of some segments (`None`: all), in the order of the keys.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn look_up(&self, keys: &[String], segments: Option<&[String]>) -> Result<Vec<Option<Vec<&str>>>, Error> {
        let State { book, live, .. } = &*self.state;
        let mut wanted: Vec<&Segment> = match segments {
            None => book.listed().map(|segment| &**segment).collect(),
            Some(names) => names.iter().map(|name| self.saved(name)).collect::<Result<_, _>>()?,
        };
        wanted.sort_unstable_by_key(|segment| segment.id);
        wanted.dedup_by_key(|segment| segment.id);
        let sets: Vec<(&str, &Posting)> =
            wanted.into_iter().map(|segment| (&*segment.name, live.members(segment.id))).collect();
        let holding = |contact: ContactId| {
            sets.iter().filter(|(_, members)| members.contains(contact.0)).map(|(name, _)| *name).collect()
        };
        Ok(keys.iter().map(|key| self.id(key).map(holding)).collect())
    }

    /// Whether there is an event of this id.
    pub fn has_event(&self, id: &str) -> bool {
        self.state.index.find_event(id).is_some()
    }

    /// Figures about this view. Those of the log, the queue and the clock are the database's to tell
    /// ([`crate::db::database::Database::status`]).
    pub fn status(&self) -> Status {
        let State { lsn, schema, index, book, live, .. } = &*self.state;
        let memory = index.memory().into_iter().chain(live.memory()).collect();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            contacts: index.live().len(),
            events: index.events().len(),
            segments: book.listed().count() as u64,
            properties: schema.properties().count() as u64,
            event_kinds: schema.events().count() as u64,
            lsn: *lsn,
            seq: self.feed_bounds().newest,
            now: self.now,
            manual_clock: false,
            zone: schema.zone().name().into(),
            memory: memory_by_name(memory, schema),
            snapshot_lsn: Lsn(0),
            last_snapshot: None,
            snapshot_bytes: 0,
            disk: None,
            alarms: Vec::new(),
            erasing: false,
            scrubbed: None,
            damaged: None,
            log_bytes: 0,
            log_bytes_since_snapshot: 0,
            free_bytes: None,
            next_due: self.state.next_due(),
            queued: 0,
            read_only: None,
        }
    }

    /// Walks the laws of the data and tells the first one broken.
    ///
    /// Errors: which law, and where.
    pub fn check(&self) -> Result<(), String> {
        self.state.check()
    }
}

pub(super) fn told(segment: &Segment) -> SegmentInfo {
    let rule = match &segment.body {
        Body::Dynamic(dynamic) => {
            let newest = &dynamic.newest().rule;
            Some(RuleForms { text: (&*newest.text).into(), json: (&*newest.json).into() })
        }
        Body::Static(_) => None,
    };
    SegmentInfo {
        name: segment.name.clone(),
        description: segment.description.clone(),
        rule,
        version: segment.version(),
        created: segment.created,
        updated: segment.updated,
    }
}

fn node(explained: Explained) -> PlanNode {
    let Explained { label, using, estimate, count, nanos, children } = explained;
    PlanNode { label, using, estimate, count, took_ns: nanos, children: children.into_iter().map(node).collect() }
}

/// The error placed where the source spells a name.
fn located(error: RuleError, source: &RuleSource, name: &str) -> RuleError {
    let (RuleSource::Text(text) | RuleSource::Json(text)) = source;
    match text.find(name).filter(|_| !name.is_empty()) {
        Some(from) => error.at(text, from, from + name.len()),
        None => error,
    }
}

/// Memory by index: the parts of a property (`property/3/codes`) or event kind (`event/6`) summed under its name.
fn memory_by_name(parts: Vec<(String, u64)>, schema: &Schema) -> Vec<(Box<str>, u64)> {
    let mut named: Vec<(Box<str>, u64)> = Vec::new();
    for (part, bytes) in parts {
        let mut words = part.split('/');
        let (kind, id) = (words.next().unwrap_or_default(), words.next().and_then(|id| id.parse().ok()));
        let name = match (kind, id) {
            ("property", Some(id)) => schema.property_by_id(PropertyId(id)).map(|property| &property.name),
            ("event", Some(id)) => schema.event_by_id(EventKindId(id)).map(|event| &event.name),
            _ => None,
        };
        let name: Box<str> = name.map_or_else(|| part.as_str().into(), |name| format!("{kind} {name}").into());
        match named.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += bytes,
            None => named.push((name, bytes)),
        }
    }
    named
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
