//! The schema: declared properties and event kinds, by id, name, alias and phrase.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::model::{
    calendar::Zone,
    currency::Currency,
    id::{EventKindId, PropertyId},
    name::Name,
    value::ValueType,
};

/// A declared property of contacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Its dense number.
    pub id: PropertyId,
    /// Its canonical name.
    pub name: Name,
    /// Its type; never changes silently.
    pub ty: ValueType,
    /// Other names that mean this property.
    pub aliases: Vec<Name>,
    /// Whether texts are compared with case.
    pub case_sensitive: bool,
    /// How it is computed from events, if it is.
    pub derived: Option<Derived>,
}

/// How a property follows from events, counting those with `at <= now`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    /// What is computed.
    pub source: Source,
    /// What a written value means beside the computed one.
    pub writer: Writer,
}

/// What a derived property computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// An aggregate over the events of one kind; missing while no event bears on it.
    Aggregate {
        /// Which aggregate.
        function: Function,
        /// Of which event kind.
        event: Name,
        /// Of which of its properties; `None` for a count.
        of: Option<Name>,
    },
    /// The instant of the newest event: of one kind, or of every kind that counts as activity.
    Latest {
        /// The kind, or `None` for any.
        event: Option<Name>,
    },
    /// Whether there were more events of one kind than of the other; missing while there were none of either.
    OpenClose {
        /// The kind that opens.
        open: Name,
        /// The kind that closes.
        close: Name,
    },
}

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Function {
    /// How many events.
    Count,
    /// The sum of a property.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The mean.
    Avg,
    /// How many distinct values.
    Distinct,
}

impl Function {
    /// Every function.
    pub const ALL: [Function; 6] =
        [Function::Count, Function::Sum, Function::Min, Function::Max, Function::Avg, Function::Distinct];

    /// The word in rules and schemas, `sum`.
    pub fn name(self) -> &'static str {
        match self {
            Function::Count => "count",
            Function::Sum => "sum",
            Function::Min => "min",
            Function::Max => "max",
            Function::Avg => "avg",
            Function::Distinct => "distinct",
        }
    }
}

/// What a written value means for a derived property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Writer {
    /// A starting balance: added to the computed value.
    Add,
    /// A competitor: the greater of the two holds.
    Max,
    /// It stands until the next event of the kinds that the property follows.
    UntilNext,
    /// A write is refused.
    Refuse,
}

impl Writer {
    /// Every meaning.
    pub const ALL: [Writer; 4] = [Writer::Add, Writer::Max, Writer::UntilNext, Writer::Refuse];

    /// The word in schemas, `until_next`.
    pub fn name(self) -> &'static str {
        match self {
            Writer::Add => "add",
            Writer::Max => "max",
            Writer::UntilNext => "until_next",
            Writer::Refuse => "refuse",
        }
    }
}

/// A declared event kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventKind {
    /// Its dense number.
    pub id: EventKindId,
    /// Its canonical name.
    pub name: Name,
    /// Phrases that say it happened, `had conversation`: words of [`crate::model::name::words`] joined by spaces.
    pub phrases: Vec<Box<str>>,
    /// Phrases that say it did not, `no conversation`.
    pub negative: Vec<Box<str>>,
    /// The property that a quoted name after a phrase filters.
    pub label: Option<Name>,
    /// Whether it counts as activity (`last_activity`).
    pub activity: bool,
    /// Its properties, in order of declaration; a position here is never reused.
    pub properties: Vec<EventProperty>,
}

impl EventKind {
    /// A kind with no phrases, no label and no properties.
    pub fn plain(id: EventKindId, name: Name) -> EventKind {
        EventKind { id, name, phrases: vec![], negative: vec![], label: None, activity: true, properties: vec![] }
    }

    /// The position and definition of a property that has not been dropped.
    pub fn property(&self, name: &str) -> Option<(usize, &EventProperty)> {
        self.properties.iter().enumerate().find(|(_, property)| !property.dropped && property.name.as_str() == name)
    }
}

/// A declared property of one event kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventProperty {
    /// Its canonical name.
    pub name: Name,
    /// Its type.
    pub ty: ValueType,
    /// Whether texts are compared with case.
    pub case_sensitive: bool,
    /// Whether it was dropped; its place is kept so that positions stay.
    pub dropped: bool,
}

/// Everything declared, and the time zone in which days are counted.
#[derive(Clone, Debug)]
pub struct Schema {
    zone: Zone,
    properties: Vec<Option<Property>>,
    events: Vec<Option<EventKind>>,
    property_by_name: HashMap<Name, PropertyId>,
    event_by_name: HashMap<Name, EventKindId>,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        self.zone == other.zone && self.properties == other.properties && self.events == other.events
    }
}

impl Eq for Schema {}

impl Schema {
    /// A schema of given definitions, each at the place of its id (`None` where one was dropped).
    pub fn new(zone: Zone, properties: Vec<Option<Property>>, events: Vec<Option<EventKind>>) -> Schema {
        let mut property_by_name = HashMap::new();
        for property in properties.iter().flatten() {
            for name in property.aliases.iter().chain([&property.name]) {
                property_by_name.insert(name.clone(), property.id);
            }
        }
        let event_by_name = events.iter().flatten().map(|kind| (kind.name.clone(), kind.id)).collect();
        Schema { zone, properties, events, property_by_name, event_by_name }
    }

    /// The time zone in which days are counted.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The properties, in order of declaration.
    pub fn properties(&self) -> impl Iterator<Item = &Property> {
        self.properties.iter().flatten()
    }

    /// The event kinds, in order of declaration.
    pub fn events(&self) -> impl Iterator<Item = &EventKind> {
        self.events.iter().flatten()
    }

    /// How many property ids have been given, dropped ones included.
    pub fn property_slots(&self) -> &[Option<Property>] {
        &self.properties
    }

    /// How many event kind ids have been given, dropped ones included.
    pub fn event_slots(&self) -> &[Option<EventKind>] {
        &self.events
    }

    /// The property of a canonical name or alias.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.property_by_name.get(name).and_then(|id| self.property_by_id(*id))
    }

    /// The property of an id, unless it was dropped.
    pub fn property_by_id(&self, id: PropertyId) -> Option<&Property> {
        self.properties.get(id.index()).and_then(Option::as_ref)
    }

    /// The event kind of a canonical name.
    pub fn event(&self, name: &str) -> Option<&EventKind> {
        self.event_by_name.get(name).and_then(|id| self.event_by_id(*id))
    }

    /// The event kind of an id, unless it was dropped.
    pub fn event_by_id(&self, id: EventKindId) -> Option<&EventKind> {
        self.events.get(id.index()).and_then(Option::as_ref)
    }

    /// The schema that a new database starts with, so that every example of the rule language parses on it.
    pub fn starter(zone: Zone) -> Schema {
        Schema::new(zone, starter_properties(), starter_events())
    }
}

/// Panics on a malformed name; for names written in this file.
fn name(text: &str) -> Name {
    Name::new(text).expect("names of the starter schema are well formed")
}

fn starter_properties() -> Vec<Option<Property>> {
    let usd = ValueType::Money(Currency::USD);
    let purchase = |function| Source::Aggregate { function, event: name("purchase"), of: Some(name("amount")) };
    let tickets = Source::OpenClose { open: name("ticket_opened"), close: name("ticket_closed") };
    let rows: Vec<(&str, ValueType, &[&str], Option<(Source, Writer)>)> = vec![
        ("name", ValueType::Text, &[], None),
        ("email", ValueType::Email, &[], None),
        ("phone", ValueType::Text, &[], None),
        ("company", ValueType::Text, &[], None),
        ("city", ValueType::Text, &[], None),
        ("country", ValueType::Category, &[], None),
        ("status", ValueType::Category, &[], None),
        ("language", ValueType::Category, &[], None),
        ("tags", ValueType::Set, &["tag"], None),
        ("email_consent", ValueType::Boolean, &[], None),
        ("lead_score", ValueType::Number, &[], None),
        ("created", ValueType::Timestamp, &["created_at"], None),
        ("last_activity", ValueType::Timestamp, &[], Some((Source::Latest { event: None }, Writer::Max))),
        ("purchase_total", usd, &[], Some((purchase(Function::Sum), Writer::Add))),
        ("purchase_value", usd, &[], Some((purchase(Function::Max), Writer::Max))),
        ("open_ticket", ValueType::Boolean, &[], Some((tickets, Writer::UntilNext))),
    ];
    let property = |(place, (spelling, ty, aliases, derived)): (usize, (&str, ValueType, &[&str], _))| {
        let derived: Option<(Source, Writer)> = derived;
        Some(Property {
            id: PropertyId(place as u16),
            name: name(spelling),
            ty,
            aliases: aliases.iter().map(|alias| name(alias)).collect(),
            case_sensitive: false,
            derived: derived.map(|(source, writer)| Derived { source, writer }),
        })
    };
    rows.into_iter().enumerate().map(property).collect()
}

fn starter_events() -> Vec<Option<EventKind>> {
    const TEXT: ValueType = ValueType::Text;
    const USD: ValueType = ValueType::Money(Currency::USD);
    type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a str, &'a [(&'a str, ValueType)]);
    let rows: Vec<Row<'_>> = vec![
        ("conversation", &["had conversation"], &["no conversation"], "channel", &[("channel", TEXT)]),
        (
            "email_opened",
            &["opened email campaign", "opened email"],
            &["did not open email campaign"],
            "campaign",
            &[("campaign", TEXT)],
        ),
        ("email_clicked", &["clicked email campaign"], &[], "campaign", &[("campaign", TEXT)]),
        ("email_sent", &["was sent email campaign"], &[], "campaign", &[("campaign", TEXT)]),
        ("appointment_booked", &["booked appointment"], &["no appointment"], "kind", &[("kind", TEXT)]),
        ("form_submitted", &["submitted form"], &["did not submit form"], "form", &[("form", TEXT)]),
        (
            "purchase",
            &["purchased", "made purchase"],
            &["no purchase"],
            "product",
            &[("amount", USD), ("product", TEXT)],
        ),
        ("ticket_opened", &["opened ticket"], &[], "subject", &[("subject", TEXT)]),
        ("ticket_closed", &["closed ticket"], &[], "subject", &[("subject", TEXT)]),
    ];
    let kind = |(place, (spelling, phrases, negative, label, properties)): (usize, Row<'_>)| {
        let property = |(property, ty): &(&str, ValueType)| EventProperty {
            name: name(property),
            ty: *ty,
            case_sensitive: false,
            dropped: false,
        };
        Some(EventKind {
            phrases: phrases.iter().map(|phrase| (*phrase).into()).collect(),
            negative: negative.iter().map(|phrase| (*phrase).into()).collect(),
            label: Some(name(label)),
            activity: spelling != "email_sent",
            properties: properties.iter().map(property).collect(),
            ..EventKind::plain(EventKindId(place as u16), name(spelling))
        })
    };
    rows.into_iter().enumerate().map(kind).collect()
}

/// What is written of a schema: the maps by name are made anew.
#[derive(Serialize, Deserialize)]
struct Written {
    zone: Zone,
    properties: Vec<Option<Property>>,
    events: Vec<Option<EventKind>>,
}

impl Serialize for Schema {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Schema { zone, properties, events, .. } = self.clone();
        Written { zone, properties, events }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Schema, D::Error> {
        let Written { zone, properties, events } = Written::deserialize(deserializer)?;
        Ok(Schema::new(zone, properties, events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_schema_answers_to_names_and_aliases() {
        let schema = Schema::starter(Zone::utc());
        assert_eq!(schema.property("tag").unwrap().name.as_str(), "tags");
        assert_eq!(schema.property("created_at").unwrap().name.as_str(), "created");
        assert_eq!(schema.event("purchase").unwrap().property("amount").unwrap().0, 0);
        assert!(!schema.event("email_sent").unwrap().activity);
        assert_eq!(schema.properties().count(), 16);
        assert_eq!(schema.events().count(), 9);
    }
}
