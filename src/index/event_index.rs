//! The events of one kind: a log grouped by contact, the time of the first and the last event of each, and the texts.
//!
//! Cloning is cheap; a write copies the page of 1,024 contacts it touches and nothing else.

use std::sync::Arc;

use crate::{
    bitmap::{CHUNK, posting::Posting, words::Words},
    index::{
        column::Column,
        dictionary::Dictionary,
        event_group::EventGroup,
        event_page::{PAGE, Page},
        event_tail::{Entry, NO_ID},
        trie::Trie,
    },
    model::{
        id::ContactId,
        schema::{EventKind, EventProperty},
        time::Timestamp,
        value::{Value, ValueType},
    },
};

/// Pages of a chunk.
const CHUNK_PAGES: u32 = (CHUNK / PAGE) as u32;

/// Up to so many contacts of a chunk are asked one by one; for more the times of all are scanned.
const ONE_BY_ONE: u32 = 512;

/// Every event of one kind.
#[derive(Clone, Debug, Default)]
pub struct EventIndex {
    /// By property position; `None` where one was dropped.
    pub(super) types: Vec<Option<ValueType>>,
    /// By property position; of texts and sets.
    pub(super) dictionaries: Vec<Option<Arc<Dictionary>>>,
    /// By contact id over the contacts of a page.
    pub(super) pages: Trie<Page>,
    pub(super) first: Column,
    pub(super) last: Column,
    pub(super) events: u64,
}

/// An event that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// When it was.
    pub at: Timestamp,
    /// The reference of its id, if it had one.
    pub id: Option<u32>,
}

impl EventIndex {
    /// The empty log of a kind.
    pub fn new(kind: &EventKind) -> EventIndex {
        let mut index = EventIndex::default();
        index.sync_kind(kind);
        index
    }

    /// Follows the kind's properties: new ones are missing in every event so far, the values of dropped ones and of
    /// those with another type are gone. Says whether anything changed.
    pub fn sync_kind(&mut self, kind: &EventKind) -> bool {
        let mut changed = self.types.len() != kind.properties.len();
        for (position, property) in kind.properties.iter().enumerate() {
            changed |= self.sync_property(position, property);
        }
        changed
    }

    fn sync_property(&mut self, position: usize, property: &EventProperty) -> bool {
        if position == self.types.len() {
            self.types.push(None);
            self.dictionaries.push(None);
        }
        let ty = (!property.dropped).then_some(property.ty);
        let changed = self.types[position] != ty;
        if changed {
            if self.types[position].is_some() {
                self.clear_property(position);
            }
            self.types[position] = ty;
            let texts = ty.is_some_and(|ty| ty.is_text() || ty == ValueType::Set);
            self.dictionaries[position] = texts.then(|| Arc::new(Dictionary::new(property.case_sensitive)));
        }
        if let Some(dictionary) = self.dictionaries[position].as_mut()
            && dictionary.case_sensitive() != property.case_sensitive
        {
            Arc::make_mut(dictionary).set_case_sensitive(property.case_sensitive);
            return true;
        }
        changed
    }

    fn clear_property(&mut self, position: usize) {
        self.pages.replace(|page| Some(page.without_property(position)));
    }

    /// How many events.
    pub fn len(&self) -> u64 {
        self.events
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// The contacts that have an event, whenever it is.
    pub fn presence(&self) -> &Posting {
        self.last.present()
    }

    /// The time of each contact's first event. Units: milliseconds.
    pub fn first(&self) -> &Column {
        &self.first
    }

    /// The time of each contact's last event. Units: milliseconds.
    pub fn last(&self) -> &Column {
        &self.last
    }

    /// One more than the number of the last chunk with an event.
    pub fn chunk_count(&self) -> usize {
        self.last.chunk_count()
    }

    /// The texts of a text, email, category or set property; `None` for others and dropped ones.
    pub fn dictionary(&self, property: usize) -> Option<&Dictionary> {
        self.dictionaries.get(property)?.as_deref()
    }

    /// The type of a property, unless it was dropped.
    pub fn property_type(&self, property: usize) -> Option<ValueType> {
        self.types.get(property).copied().flatten()
    }

    fn page(&self, contact: ContactId) -> Option<(&Page, u16)> {
        let (page, slot) = split(contact);
        Some((self.pages.get(page)?, slot))
    }

    /// The events of a contact.
    pub fn group(&self, contact: ContactId) -> EventGroup<'_> {
        self.page(contact).map_or(EventGroup::empty(), |(page, slot)| EventGroup::of(page, slot))
    }

    /// How many events of a contact lie in `lo..=hi`. Units: milliseconds.
    pub fn count_in(&self, contact: ContactId, lo: i64, hi: i64) -> usize {
        self.page(contact).map_or(0, |(page, slot)| page.count_in(slot, lo, hi))
    }

    /// The time of a contact's newest event that is not after `limit`.
    pub fn newest(&self, contact: ContactId, limit: Timestamp) -> Option<Timestamp> {
        let last = self.last.get(contact.0)?;
        if last <= i128::from(limit.0) {
            return Some(Timestamp(last as i64));
        }
        let (page, slot) = self.page(contact)?;
        page.bounds(slot, limit.0).map(|(_, newest)| Timestamp(newest))
    }

    /// Calls `f` with every contact of a chunk that has events, ascending, by its place in the chunk.
    pub fn for_each_group(&self, chunk: usize, mut f: impl FnMut(u16, &EventGroup<'_>)) {
        for (number, page) in self.pages(chunk) {
            let first = (number * PAGE) as u16;
            page.for_each(|slot, run, list| f(first + slot, &EventGroup::at(page, run, list)));
        }
    }

    pub(super) fn pages(&self, chunk: usize) -> impl Iterator<Item = (usize, &Page)> {
        let first = chunk as u32 * CHUNK_PAGES;
        self.pages.stretch(first..first + CHUNK_PAGES).map(move |(number, page)| ((number - first) as usize, page))
    }

    /// A page of a chunk, if it has events.
    pub(super) fn page_of(&self, chunk: usize, number: usize) -> Option<&Page> {
        self.pages.get(chunk as u32 * CHUNK_PAGES + number as u32)
    }

    /// `out` = the contacts of a chunk with an event in `lo..=hi`. Units: milliseconds.
    pub fn window_into(&self, chunk: usize, lo: i64, hi: i64, out: &mut Words) {
        out.fill(false);
        if lo > hi {
            return;
        }
        let (low, high) = (i128::from(lo), i128::from(hi));
        self.last.range_into(chunk, low, high, out);
        let holds = |zone: Option<(i128, i128)>, from: i128, to: i128| zone.is_some_and(|(a, b)| a <= to && b >= from);
        if !holds(self.last.chunk_zone(chunk), high + 1, i128::MAX) {
            return; // no last event lies past the window: whoever has one in it has the last one in it
        }
        let mut some = Words::boxed();
        self.first.range_into(chunk, low, high, &mut some);
        out.or(&some);
        // Left are those that began before the window and end after it.
        self.first.range_into(chunk, i128::MIN, low - 1, &mut some);
        let mut after = Words::boxed();
        self.last.range_into(chunk, high + 1, i128::MAX, &mut after);
        some.and(&after);
        if some.count() > ONE_BY_ONE {
            let mut rows = Vec::new();
            for (number, page) in self.pages(chunk) {
                page.window_into(lo, hi, &mut rows, &mut out.0[number * PAGE / 64..(number + 1) * PAGE / 64]);
            }
            return;
        }
        for slot in some.iter() {
            let contact = ContactId((chunk * CHUNK) as u32 + u32::from(slot));
            if self.count_in(contact, lo, hi) > 0 {
                out.set(slot);
            }
        }
    }

    /// The times of about `most` events. Units: milliseconds.
    pub fn sample(&self, most: usize) -> Vec<i64> {
        let step = (self.events as usize / most.max(1)).max(1);
        let mut times = Vec::new();
        self.pages.each(&mut |_, page| page.sample(step, &mut times));
        times
    }

    /// The value of an event's property, as it was written.
    pub fn value(&self, group: &EventGroup<'_>, property: usize, i: usize) -> Option<Value> {
        let text = |code| self.dictionary(property).map(|dictionary| dictionary.get(code).into());
        match self.property_type(property)? {
            ValueType::Set => {
                let codes = group.set_codes(property, i)?;
                Some(Value::Set(codes.into_iter().filter_map(text).collect()))
            }
            ValueType::Boolean => group.flag(property, i).map(Value::Flag),
            ty if ty.is_text() => group.text_code(property, i).and_then(text).map(Value::Text),
            ty => group.ordered(property, i).map(|position| Value::from_ordered(ty, position)),
        }
    }

    /// Records an event. `values` go by property position; one that is not of its property's type is left out.
    pub fn record(&mut self, contact: ContactId, at: Timestamp, values: &[Option<Value>], id: Option<u32>) {
        let entries: Vec<(u16, Entry)> = values
            .iter()
            .enumerate()
            .filter_map(|(position, value)| Some((position as u16, self.entry(position, value.as_ref()?)?)))
            .collect();
        let (page, slot) = split(contact);
        Page::make_mut(self.pages.owner_mut(page, Page::empty)).push(slot, at.0, id.unwrap_or(NO_ID), &entries);
        self.events += 1;
        let ms = i128::from(at.0);
        if self.first.get(contact.0).is_none_or(|first| ms < first) {
            self.first.set(contact.0, Some(ms));
        }
        if self.last.get(contact.0).is_none_or(|last| ms > last) {
            self.last.set(contact.0, Some(ms));
        }
    }

    fn entry(&mut self, position: usize, value: &Value) -> Option<Entry> {
        let ty = self.property_type(position)?;
        let mut intern = |text: &str| {
            let dictionary = self.dictionaries[position].as_mut()?;
            Some(Arc::make_mut(dictionary).intern(text))
        };
        match (value, ty) {
            (Value::Text(text), ty) if ty.is_text() && !text.is_empty() => Some(Entry::One(intern(text)?.into())),
            (Value::Set(texts), ValueType::Set) => {
                let codes: Vec<u32> =
                    texts.iter().filter(|text| !text.is_empty()).filter_map(|text| intern(text)).collect();
                (!codes.is_empty()).then_some(Entry::Many(codes))
            }
            (Value::Flag(flag), ValueType::Boolean) => Some(Entry::One(i128::from(*flag))),
            (Value::Number(n), ValueType::Number) => Some(Entry::One(n.0)),
            (Value::Money(minor), ValueType::Money(_)) => Some(Entry::One(i128::from(*minor))),
            (Value::Time(at), ValueType::Timestamp) => Some(Entry::One(i128::from(at.0))),
            (Value::Day(day), ValueType::Date) => Some(Entry::One(i128::from(day.0))),
            _ => None,
        }
    }

    /// Takes out the event of a contact with this id reference.
    pub fn remove(&mut self, contact: ContactId, id: u32) -> Option<Taken> {
        let (page, slot) = self.page(contact)?;
        let mut found = None;
        page.each_row(slot, |row| {
            if page.id(row) == id {
                found = Some(row);
            }
        });
        let found = found?;
        self.take(contact, &[found]).pop()
    }

    /// Takes out every event of a contact.
    pub fn erase(&mut self, contact: ContactId) -> Vec<Taken> {
        let mut rows = Vec::new();
        if let Some((page, slot)) = self.page(contact) {
            page.each_row(slot, |row| rows.push(row));
        }
        if rows.is_empty() { Vec::new() } else { self.take(contact, &rows) }
    }

    /// Takes out ascending rows of a contact's page.
    fn take(&mut self, contact: ContactId, rows: &[usize]) -> Vec<Taken> {
        let (number, slot) = split(contact);
        let Some((page, _)) = self.page(contact) else { return Vec::new() };
        let mut taken = Vec::with_capacity(rows.len());
        let mut codes = Vec::new();
        for row in rows {
            let id = Some(page.id(*row)).filter(|id| *id != NO_ID);
            taken.push(Taken { at: Timestamp(page.time(*row)), id });
            for position in (0..self.types.len()).filter(|position| self.dictionaries[*position].is_some()) {
                let many = page.many(*row, position).unwrap_or_default();
                let one = page.one(*row, position).map(|code| code as u32);
                codes.extend(many.into_iter().chain(one).map(|code| (position, code)));
            }
        }
        let rest = page.retained(|row| rows.binary_search(&row).is_err());
        let bounds = rest.bounds(slot, i64::MAX);
        for (position, code) in codes {
            if let Some(dictionary) = self.dictionaries[position].as_mut() {
                Arc::make_mut(dictionary).release(code);
            }
        }
        self.pages.set(number, (!rest.is_empty()).then_some(rest));
        self.first.set(contact.0, bounds.map(|(first, _)| i128::from(first)));
        self.last.set(contact.0, bounds.map(|(_, last)| i128::from(last)));
        self.events = self.events.saturating_sub(taken.len() as u64);
        taken
    }

    /// Merges every tail into its packed part: after a bulk load, to give memory back.
    pub fn settle(&mut self) {
        self.pages.replace(|page| (!page.is_merged()).then(|| page.merged()));
    }

    /// Bytes of memory, about.
    pub fn memory_bytes(&self) -> u64 {
        let mut log = 0;
        self.pages.each(&mut |_, page| log += page.memory_bytes());
        let columns = self.first.memory_bytes() + self.last.memory_bytes();
        let texts: u64 = self.dictionaries.iter().flatten().map(|dictionary| dictionary.memory_bytes()).sum();
        (log + columns) as u64 + self.pages.memory_bytes() + texts
    }
}

/// The page of a contact and the place in it.
fn split(contact: ContactId) -> (u32, u16) {
    (contact.0 / PAGE as u32, (contact.index() % PAGE) as u16)
}
