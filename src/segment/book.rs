//! The book: segments by id and by name, and who depends on whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    bitmap::posting::Posting,
    model::{
        id::{ContactId, SegmentId},
        request::{Channels, MembersMode},
        schema::Schema,
        time::Timestamp,
    },
    query::context::{SegmentView, Segments},
    rule::{self, ast::Rule},
    segment::{
        rename::renamed,
        saved::{Body, Dynamic, RuleText, Segment, Version, folded, shelved},
    },
};

/// All saved segments. Cloning is cheap; a clone stays as it was.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub(super) segments: Arc<BTreeMap<SegmentId, Arc<Segment>>>,
    by_name: Arc<BTreeMap<Arc<str>, SegmentId>>,
    pub(super) next: u32,
}

impl Book {
    /// A book of given segments.
    pub fn new(segments: Vec<Segment>, next: u32) -> Book {
        let by_name = segments.iter().map(|segment| (segment.shelved().into(), segment.id)).collect();
        let segments = segments.into_iter().map(|segment| (segment.id, Arc::new(segment))).collect();
        Book { segments: Arc::new(segments), by_name: Arc::new(by_name), next }
    }

    /// How many segments.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Returns whether no segment is saved.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The id that the next new segment gets.
    pub fn next_id(&self) -> SegmentId {
        SegmentId(self.next)
    }

    /// All segments in order of creation.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.segments.values()
    }

    /// The segment of an id.
    pub fn get(&self, id: SegmentId) -> Option<&Arc<Segment>> {
        self.segments.get(&id)
    }

    /// The segment of a name, without regard to case.
    pub fn find(&self, name: &str) -> Option<&Arc<Segment>> {
        self.by_name.get(&*folded(name)).and_then(|id| self.segments.get(id))
    }

    /// The suppression of a name, without regard to case.
    pub fn find_suppression(&self, name: &str) -> Option<&Arc<Segment>> {
        self.by_name.get(&*shelved(name, true)).and_then(|id| self.segments.get(id))
    }

    /// The one that has the name of a segment or suppression.
    pub(super) fn named_as(&self, segment: &Segment) -> Option<&Arc<Segment>> {
        self.by_name.get(&*segment.shelved()).and_then(|id| self.segments.get(id))
    }

    /// The suppressions in order of creation.
    pub fn suppressions(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.iter().filter(|segment| !segment.is_listed())
    }

    /// The segments in order of creation, suppressions left out.
    pub fn listed(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.iter().filter(|segment| segment.is_listed())
    }

    /// The segments whose rules name a segment themselves, in order of creation.
    pub fn dependents(&self, id: SegmentId) -> Vec<&Arc<Segment>> {
        let target = self.get(id).filter(|segment| segment.is_listed()).map(|segment| segment.folded());
        let Some(target) = target else { return Vec::new() };
        let names_it = |rule: &Rule| rule::segments_named(rule).into_iter().any(|name| folded(name) == target);
        self.iter()
            .filter(|segment| match &segment.body {
                Body::Dynamic(dynamic) => segment.id != id && names_it(&dynamic.rule),
                Body::Static(_) => false,
            })
            .collect()
    }

    /// The segments that a change of one may touch, over any number of steps; itself among them only if it depends on
    /// itself.
    pub fn all_dependents(&self, id: SegmentId) -> Vec<SegmentId> {
        let mut users: BTreeMap<SegmentId, Vec<SegmentId>> = BTreeMap::new();
        for segment in self.iter() {
            let Body::Dynamic(dynamic) = &segment.body else { continue };
            for named in rule::segments_named(&dynamic.rule).into_iter().filter_map(|name| self.find(name)) {
                users.entry(named.id).or_default().push(segment.id);
            }
        }
        let (mut found, mut seen) = (vec![id], BTreeSet::new());
        let mut at = 0;
        while at < found.len() {
            let new = users.get(&found[at]).into_iter().flatten().filter(|user| seen.insert(**user));
            found.extend(new);
            at += 1;
        }
        found.remove(0);
        found
    }

    /// Puts a new segment in; its id must be [`Book::next_id`] and its name free.
    ///
    /// Panics: when they are not, for both were settled when the request was admitted.
    pub fn insert(&mut self, segment: Segment) {
        assert_eq!(segment.id, self.next_id(), "segments are numbered in order");
        let before = Arc::make_mut(&mut self.by_name).insert(segment.shelved().into(), segment.id);
        assert_eq!(before, None, "the name {:?} is taken", segment.name);
        self.next += 1;
        Arc::make_mut(&mut self.segments).insert(segment.id, Arc::new(segment));
    }

    /// Takes a segment out; says whether it was there.
    pub fn remove(&mut self, id: SegmentId) -> bool {
        let Some(segment) = Arc::make_mut(&mut self.segments).remove(&id) else { return false };
        Arc::make_mut(&mut self.by_name).remove(&*segment.shelved());
        true
    }

    fn edit(&mut self, id: SegmentId, change: impl FnOnce(&mut Segment)) {
        if let Some(segment) = Arc::make_mut(&mut self.segments).get_mut(&id) {
            change(Arc::make_mut(segment));
        }
    }

    /// Gives a segment another name; the rules that name it, in every version, follow.
    pub fn rename(&mut self, id: SegmentId, name: &str, at: Timestamp, schema: &Schema) {
        let Some(segment) = self.get(id).cloned() else { return };
        let before = segment.folded();
        self.edit(id, |segment| {
            segment.name = name.into();
            segment.updated = at;
        });
        let by_name = Arc::make_mut(&mut self.by_name);
        by_name.remove(&*segment.shelved());
        by_name.insert(shelved(name, !segment.is_listed()).into(), id);
        if !segment.is_listed() {
            return;
        }
        let dynamic: Vec<SegmentId> = self.iter().map(|segment| segment.id).collect();
        for other in dynamic {
            let Some(Body::Dynamic(dynamic)) = self.get(other).map(|segment| &segment.body) else { continue };
            if let Some(dynamic) = respelled(dynamic, &before, name, schema) {
                self.edit(other, |segment| segment.body = Body::Dynamic(dynamic));
            }
        }
    }

    /// Gives a segment another description.
    pub fn describe(&mut self, id: SegmentId, description: Option<Box<str>>, at: Timestamp) {
        self.edit(id, |segment| {
            segment.description = description;
            segment.updated = at;
        });
    }

    /// Gives a suppression other channels.
    pub fn set_channels(&mut self, id: SegmentId, channels: Channels, at: Timestamp) {
        self.edit(id, |segment| {
            segment.channels = Some(channels);
            segment.updated = at;
        });
    }

    /// Gives a dynamic segment a new version of its rule, by an access key if by one.
    pub fn set_rule(&mut self, id: SegmentId, rule: Arc<Rule>, text: RuleText, at: Timestamp, by: Option<Box<str>>) {
        self.edit(id, |segment| {
            segment.updated = at;
            if let Body::Dynamic(dynamic) = &mut segment.body {
                let number = dynamic.newest().number + 1;
                dynamic.rule = rule;
                dynamic.versions.push(Version { number, at, by, rule: text });
            }
        });
    }

    /// Changes a static list or pins; says whether anything changed.
    pub fn edit_list(&mut self, id: SegmentId, edit: MembersMode, contacts: &[ContactId], at: Timestamp) -> bool {
        let Some(segment) = self.get(id) else { return false };
        let mut body = segment.body.clone();
        let changed = change_list(&mut body, edit, contacts);
        if changed {
            self.edit(id, |segment| {
                segment.body = body;
                segment.updated = at;
            });
        }
        changed
    }

    /// Takes a contact out of every list and pin.
    pub fn erase(&mut self, contact: ContactId) {
        let holds = |segment: &Segment| match &segment.body {
            Body::Static(list) => list.contains(contact.0),
            Body::Dynamic(dynamic) => dynamic.include.contains(contact.0) || dynamic.exclude.contains(contact.0),
        };
        let holders: Vec<SegmentId> = self.iter().filter(|segment| holds(segment)).map(|segment| segment.id).collect();
        for id in holders {
            self.edit(id, |segment| match &mut segment.body {
                Body::Static(list) => drop(list.remove(contact.0)),
                Body::Dynamic(dynamic) => {
                    dynamic.include.remove(contact.0);
                    dynamic.exclude.remove(contact.0);
                }
            });
        }
    }

    /// Puts one contact into every list that has another one, and pins it where the other is pinned and it is not; then
    /// takes the other one out. Returns the segments that changed for the first.
    pub fn merge(&mut self, from: ContactId, into: ContactId) -> Vec<SegmentId> {
        let mut changed = Vec::new();
        let segments: Vec<Arc<Segment>> = self.iter().cloned().collect();
        for segment in segments {
            let mode = match &segment.body {
                Body::Static(list) if list.contains(from.0) => MembersMode::Add,
                Body::Dynamic(Dynamic { include, exclude, .. })
                    if !include.contains(into.0) && !exclude.contains(into.0) =>
                {
                    match (include.contains(from.0), exclude.contains(from.0)) {
                        (true, _) => MembersMode::Include,
                        (_, true) => MembersMode::Exclude,
                        (false, false) => continue,
                    }
                }
                Body::Static(_) | Body::Dynamic(_) => continue,
            };
            self.edit(segment.id, |segment| {
                change_list(&mut segment.body, mode, &[into]);
            });
            changed.push(segment.id);
        }
        self.erase(from);
        changed
    }

    /// Walks the laws of the book: names lead to their segments and back, ids are below the next one, versions count
    /// up, every rule passes its check and names segments that are there. Tells the first one broken.
    pub fn check(&self, schema: &Schema, given: u32, live: &Posting) -> Result<(), String> {
        if self.by_name.len() != self.segments.len() {
            return Err(format!("{} names lead to {} segments", self.by_name.len(), self.segments.len()));
        }
        for segment in self.iter() {
            let told = |what: String| format!("segment {} \"{}\": {what}", segment.id, segment.name);
            if self.named_as(segment).map(|found| found.id) != Some(segment.id) || segment.id.0 >= self.next {
                return Err(told("its name does not lead to it, or its id was not given".into()));
            }
            let lists: Vec<&Posting> = match &segment.body {
                Body::Static(list) => vec![list],
                Body::Dynamic(dynamic) => {
                    check_dynamic(dynamic, self, schema).map_err(told)?;
                    vec![&dynamic.include, &dynamic.exclude]
                }
            };
            for list in lists {
                if list.max().is_some_and(|max| max >= given) || !list.and_not(live).is_empty() {
                    return Err(told("it lists contacts that are not live".into()));
                }
            }
        }
        Ok(())
    }
}

fn check_dynamic(dynamic: &Dynamic, book: &Book, schema: &Schema) -> Result<(), String> {
    let counts = dynamic.versions.iter().zip(1..).all(|(version, number)| version.number == number);
    if !counts || dynamic.versions.is_empty() {
        return Err("its versions do not count up from 1".into());
    }
    rule::check(&dynamic.rule, schema).map_err(|error| format!("its rule fails its check: {}", error.message))?;
    if RuleText::of(&dynamic.rule) != dynamic.newest().rule {
        return Err("its rule is not what its newest version says".into());
    }
    if !dynamic.include.and(&dynamic.exclude).is_empty() {
        return Err("a contact is pinned both in and out".into());
    }
    match rule::segments_named(&dynamic.rule).into_iter().find(|name| book.find(name).is_none()) {
        Some(name) => Err(format!("its rule names a segment \"{name}\" that is not there")),
        None => Ok(()),
    }
}

fn change_list(body: &mut Body, edit: MembersMode, contacts: &[ContactId]) -> bool {
    let mut changed = false;
    match (body, edit) {
        (Body::Static(list), MembersMode::Add) => contacts.iter().for_each(|contact| changed |= list.insert(contact.0)),
        (Body::Static(list), MembersMode::Remove) => {
            contacts.iter().for_each(|contact| changed |= list.remove(contact.0));
        }
        (Body::Static(list), MembersMode::Replace) => {
            let new = posting_of(contacts);
            changed = *list != new;
            *list = new;
        }
        (Body::Dynamic(dynamic), MembersMode::Include) => {
            for contact in contacts {
                changed |= dynamic.exclude.remove(contact.0);
                changed |= dynamic.include.insert(contact.0);
            }
        }
        (Body::Dynamic(dynamic), MembersMode::Exclude) => {
            for contact in contacts {
                changed |= dynamic.include.remove(contact.0);
                changed |= dynamic.exclude.insert(contact.0);
            }
        }
        (Body::Dynamic(dynamic), MembersMode::Clear) => {
            for contact in contacts {
                changed |= dynamic.include.remove(contact.0);
                changed |= dynamic.exclude.remove(contact.0);
            }
        }
        (Body::Static(_), MembersMode::Include | MembersMode::Exclude | MembersMode::Clear)
        | (Body::Dynamic(_), MembersMode::Add | MembersMode::Remove | MembersMode::Replace) => {}
    }
    changed
}

/// The set of some contacts, in any order.
pub fn posting_of(contacts: &[ContactId]) -> Posting {
    let mut ids: Vec<u32> = contacts.iter().map(|contact| contact.0).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().collect()
}

fn respelled(dynamic: &Dynamic, from_folded: &str, to: &str, schema: &Schema) -> Option<Dynamic> {
    let mut copy = dynamic.clone();
    let mut changed = false;
    if let Some(rule) = renamed(&dynamic.rule, from_folded, to) {
        copy.rule = Arc::new(rule);
        changed = true;
    }
    for version in &mut copy.versions {
        // An old version whose properties were dropped since cannot be read, nor taken up again: it stays as written.
        let Ok(rule) = version.rule.parse(schema) else { continue };
        if let Some(rule) = renamed(&rule, from_folded, to) {
            version.rule = RuleText::of(&rule);
            changed = true;
        }
    }
    changed.then_some(copy)
}

impl Segments for Book {
    fn resolve(&self, name: &str) -> Option<SegmentView> {
        self.find(name).map(|segment| segment.view())
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
