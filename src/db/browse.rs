//! What a person looks at: the events of a contact, the values of a property, who depends on a segment.

use crate::{
    db::{error::Error, feed::FeedChange, view::View},
    model::{
        name::Name,
        time::Timestamp,
        value::{Value, ValueType},
    },
};

/// Entries of the feed that are looked at to find the newest of one segment.
const LOOKED_AT_MAX: usize = 200_000;

/// One event of a contact.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// Its kind.
    pub event: Name,
    /// When it happened, or will.
    pub at: Timestamp,
    /// Its values, in order of the schema.
    pub values: Vec<(Name, Value, ValueType)>,
}

/// What names a segment in its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// Its name.
    pub name: Box<str>,
    /// Whether it is a suppression, and not a segment.
    pub is_suppression: bool,
}

/// A value with how many contacts or events have it.
pub type ValueCount = (String, u64);

impl View {
    /// The newest events of a contact but for the first `skipped`, newest first, and how many there are; `None` when
    /// the key is unknown.
    pub fn events_of(&self, key: &str, skipped: usize, limit: usize) -> Option<(Vec<EventRecord>, u64)> {
        let contact = self.id(key)?;
        let index = &self.state().index;
        let (mut found, mut count) = (Vec::new(), 0);
        for kind in self.schema().events() {
            let Some(events) = index.event(kind.id) else { continue };
            let group = events.group(contact);
            count += group.len() as u64;
            for i in group.len().saturating_sub(skipped.saturating_add(limit))..group.len() {
                found.push((group.time(i), kind, i));
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)).then_with(|| b.2.cmp(&a.2)));
        let told = found.into_iter().skip(skipped).take(limit).map(|(at, kind, i)| {
            let properties = kind.properties.iter().enumerate().filter(|(_, property)| !property.dropped);
            let value = |(place, property): (usize, &crate::model::schema::EventProperty)| {
                let events = index.event(kind.id)?;
                let value = events.value(&events.group(contact), place, i)?;
                Some((property.name.clone(), value, property.ty))
            };
            EventRecord { event: kind.name.clone(), at, values: properties.filter_map(value).collect() }
        });
        Some((told.collect(), count))
    }

    /// The values of a property that have `needle` in them, those of the most contacts first; `None` when there is no
    /// such property, or its values are numbers or instants.
    pub fn values(&self, property: &str, needle: &str, limit: usize) -> Option<Vec<ValueCount>> {
        self.state().index.distinct(self.schema().property(property)?.id, needle, limit)
    }

    /// The domains of the emails in a property, or in the first one of emails for an empty name, as [`View::values`]
    /// tells values.
    pub fn email_domains(&self, property: &str, needle: &str, limit: usize) -> Option<Vec<ValueCount>> {
        let declared = match property {
            "" => self.schema().properties().find(|property| property.ty == ValueType::Email)?,
            name => self.schema().property(name)?,
        };
        self.state().index.distinct_domains(declared.id, needle, limit)
    }

    /// The values that events of a kind have in one of its properties and that have `needle` in them, those of the
    /// most events first; `None` as for [`View::values`].
    pub fn event_values(&self, event: &str, property: &str, needle: &str, limit: usize) -> Option<Vec<ValueCount>> {
        let kind = self.schema().event(event)?;
        let (place, _) = kind.property(property)?;
        self.state().index.distinct_of_events(kind.id, place, needle, limit)
    }

    /// The segments and suppressions whose rules name a segment themselves.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn dependents(&self, name: &str) -> Result<Vec<Dependent>, Error> {
        let segment = self.saved(name)?.id;
        let dependents = self.state().book.dependents(segment).into_iter();
        Ok(dependents.map(|user| Dependent { name: user.name.clone(), is_suppression: !user.is_listed() }).collect())
    }

    /// The newest entries of the feed about a segment, newest first, as far as they are near its end.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn newest_changes(&self, name: &str, limit: usize) -> Result<Vec<FeedChange>, Error> {
        let segment = self.saved(name)?.id;
        let newest = self.state().live.feed().from(0).rev().take(LOOKED_AT_MAX);
        let changes = newest.filter(|(_, change)| change.segment == segment);
        Ok(changes.take(limit).map(|(seq, change)| self.told(seq, change)).collect())
    }
}
