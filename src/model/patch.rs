//! A change of the schema: merged key by key, judged as a whole, and only then a new schema.

use std::collections::HashMap;

use crate::model::{
    currency::Currency,
    id::{EventKindId, PropertyId},
    limits,
    name::{Name, words},
    request::{EventPatch, EventPropertyPatch, PropertyPatch, Refusal, RefusalKind, SchemaPatch},
    schema::{Derived, EventKind, EventProperty, Function, Property, Schema, Source, Writer},
    value::ValueType,
};

/// The name that means a contact's key, and so no property.
pub const RESERVED: &str = "key";

impl Schema {
    /// The schema with a patch merged in: objects key by key, lists replaced, `None` drops.
    ///
    /// A property that is derived needs no type; a money property without a currency is in USD; a label that names no
    /// property of its event declares a text property.
    ///
    /// Errors: a [`Refusal`] that points into the patch. The schema as it is stays as it is.
    pub fn patched(&self, patch: &SchemaPatch) -> Result<Schema, Refusal> {
        let mut draft =
            Draft { schema: self, properties: self.property_slots().to_vec(), events: self.event_slots().to_vec() };
        for (name, change) in &patch.events {
            draft.event(name, change.as_ref())?;
        }
        for (name, change) in &patch.properties {
            draft.property(name, change.as_ref())?;
        }
        let schema = Schema::new(self.zone().clone(), draft.properties, draft.events);
        judge_names(&schema)?;
        judge_phrases(&schema)?;
        judge_drops(patch, &schema)?;
        judge_derived(&schema)?;
        judge_limits(&schema)?;
        Ok(schema)
    }

    /// The schema with plain properties added, as first written values declare them.
    ///
    /// Errors: a [`Refusal`] when a name is taken or there are too many.
    pub fn with_properties(&self, new: &[(Name, ValueType)]) -> Result<Schema, Refusal> {
        let properties = new.iter().map(|(name, ty)| (name.clone(), Some(plain_patch(*ty)))).collect();
        self.patched(&SchemaPatch { properties, events: Vec::new() })
    }
}

/// The patch that declares a plain property of a type.
pub fn plain_patch(ty: ValueType) -> PropertyPatch {
    let currency = if let ValueType::Money(currency) = ty { Some(currency) } else { None };
    PropertyPatch { ty: Some(ty.name().into()), currency, ..PropertyPatch::default() }
}

struct Draft<'a> {
    schema: &'a Schema,
    properties: Vec<Option<Property>>,
    events: Vec<Option<EventKind>>,
}

fn refuse(kind: RefusalKind, code: &'static str, pointer: String, detail: String) -> Refusal {
    Refusal { kind, code, pointer, detail }
}

fn conflict(code: &'static str, pointer: String, detail: String) -> Refusal {
    refuse(RefusalKind::Conflict, code, pointer, detail)
}

fn invalid(code: &'static str, pointer: String, detail: String) -> Refusal {
    refuse(RefusalKind::Invalid, code, pointer, detail)
}

fn type_named(name: &str, currency: Option<Currency>, pointer: &str) -> Result<ValueType, Refusal> {
    let ty = match name {
        "text" => ValueType::Text,
        "email" => ValueType::Email,
        "category" => ValueType::Category,
        "boolean" => ValueType::Boolean,
        "number" => ValueType::Number,
        "money" => ValueType::Money(currency.unwrap_or(Currency::USD)),
        "timestamp" => ValueType::Timestamp,
        "date" => ValueType::Date,
        "set" => ValueType::Set,
        _ => {
            let detail = format!(
                "\"{name}\" is no type; types are text, email, category, boolean, number, money, timestamp, date, set"
            );
            return Err(invalid("unknown_type", format!("{pointer}/type"), detail));
        }
    };
    if currency.is_some() && !matches!(ty, ValueType::Money(_)) {
        let detail = format!("a currency is for money, not for {name}");
        return Err(invalid("not_money", format!("{pointer}/currency"), detail));
    }
    Ok(ty)
}

/// The type that a patch leaves an existing declaration with: always the one it has, or a refusal.
fn same_type(
    has: ValueType,
    ty: Option<&str>,
    currency: Option<Currency>,
    what: &str,
    pointer: &str,
) -> Result<(), Refusal> {
    let kept = if let ValueType::Money(kept) = has { Some(kept) } else { None };
    let asked = match ty {
        Some(name) => type_named(name, currency.or(kept.filter(|_| name == "money")), pointer)?,
        None if currency.is_some() => type_named(has.name(), currency, pointer)?,
        None => has,
    };
    if asked == has {
        return Ok(());
    }
    let told = |ty: ValueType| match ty {
        ValueType::Money(currency) => format!("money ({currency})"),
        other => other.name().to_owned(),
    };
    let detail = format!(
        "{what} is declared as {} and cannot become {}; drop it and declare it anew in a second call",
        told(has),
        told(asked)
    );
    Err(conflict("type_change", format!("{pointer}/type"), detail))
}

impl Draft<'_> {
    fn property(&mut self, name: &Name, change: Option<&PropertyPatch>) -> Result<(), Refusal> {
        let pointer = format!("/properties/{name}");
        let place = self.properties.iter().position(|slot| slot.as_ref().is_some_and(|p| p.name == *name));
        match (place, change) {
            (Some(place), None) => self.properties[place] = None,
            (None, None) => {
                return Err(refuse(
                    RefusalKind::NotFound,
                    "unknown_property",
                    pointer,
                    format!("there is no property \"{name}\" to drop"),
                ));
            }
            (Some(place), Some(change)) => self.merge_property(place, change, &pointer)?,
            (None, Some(change)) => self.declare_property(name, change, &pointer)?,
        }
        Ok(())
    }

    fn merge_property(&mut self, place: usize, change: &PropertyPatch, pointer: &str) -> Result<(), Refusal> {
        let property = self.properties[place].as_mut().expect("the place was found by its name");
        let what = format!("property \"{}\"", property.name);
        same_type(property.ty, change.ty.as_deref(), change.currency, &what, pointer)?;
        if let Some(aliases) = &change.aliases {
            property.aliases = distinct_aliases(&property.name, aliases);
        }
        if let Some(case_sensitive) = change.case_sensitive {
            property.case_sensitive = case_sensitive;
        }
        if let Some(derived) = &change.derived {
            property.derived = derived.clone();
        }
        judge_case(property.ty, change.case_sensitive, pointer)
    }

    fn declare_property(&mut self, name: &Name, change: &PropertyPatch, pointer: &str) -> Result<(), Refusal> {
        if name.as_str() == RESERVED {
            let detail = "\"key\" means a contact's key and cannot be a property".to_owned();
            return Err(conflict("reserved_name", pointer.to_owned(), detail));
        }
        if self.schema.property(name.as_str()).is_some_and(|old| old.name == *name) {
            let detail = format!("\"{name}\" is dropped by this call; declare it anew in a second one");
            return Err(conflict("dropped", pointer.to_owned(), detail));
        }
        let derived = change.derived.clone().flatten();
        let ty = match (&change.ty, &derived) {
            (Some(ty), _) => type_named(ty, change.currency, pointer)?,
            (None, Some(derived)) => self.computed_type(derived).ok_or_else(|| bad_source(pointer, &derived.source))?,
            (None, None) => {
                let detail = format!("property \"{name}\" is not declared yet and needs a type");
                return Err(invalid("missing_type", format!("{pointer}/type"), detail));
            }
        };
        judge_case(ty, change.case_sensitive, pointer)?;
        let id = PropertyId(slot_number(self.properties.len(), pointer)?);
        self.properties.push(Some(Property {
            id,
            name: name.clone(),
            ty,
            aliases: distinct_aliases(name, change.aliases.as_deref().unwrap_or_default()),
            case_sensitive: change.case_sensitive.unwrap_or(false),
            derived,
        }));
        Ok(())
    }

    fn computed_type(&self, derived: &Derived) -> Option<ValueType> {
        computed_type(&derived.source, |event| self.events.iter().flatten().find(|kind| kind.name == *event))
    }

    fn event(&mut self, name: &Name, change: Option<&EventPatch>) -> Result<(), Refusal> {
        let pointer = format!("/events/{name}");
        let place = self.events.iter().position(|slot| slot.as_ref().is_some_and(|kind| kind.name == *name));
        let place = match (place, change) {
            (Some(place), None) => {
                self.events[place] = None;
                return Ok(());
            }
            (None, None) => {
                let detail = format!("there is no event \"{name}\" to drop");
                return Err(refuse(RefusalKind::NotFound, "unknown_event", pointer, detail));
            }
            (Some(place), Some(_)) => place,
            (None, Some(_)) if self.schema.event(name.as_str()).is_some() => {
                let detail = format!("\"{name}\" is dropped by this call; declare it anew in a second one");
                return Err(conflict("dropped", pointer, detail));
            }
            (None, Some(_)) => {
                let id = EventKindId(slot_number(self.events.len(), &pointer)?);
                self.events.push(Some(EventKind::plain(id, name.clone())));
                self.events.len() - 1
            }
        };
        let kind = self.events[place].as_mut().expect("the place was found or made");
        merge_event(kind, change.expect("drops have returned"), &pointer)
    }
}

fn merge_event(kind: &mut EventKind, change: &EventPatch, pointer: &str) -> Result<(), Refusal> {
    if let Some(phrases) = &change.phrases {
        kind.phrases = canonical_phrases(phrases, &format!("{pointer}/phrases"))?;
    }
    if let Some(negative) = &change.negative {
        kind.negative = canonical_phrases(negative, &format!("{pointer}/negative"))?;
    }
    if let Some(activity) = change.activity {
        kind.activity = activity;
    }
    for (name, change) in &change.properties {
        event_property(kind, name, change.as_ref(), &format!("{pointer}/properties/{name}"))?;
    }
    if let Some(label) = &change.label {
        kind.label = label.clone();
    }
    let Some(label) = kind.label.clone() else { return Ok(()) };
    match kind.property(label.as_str()) {
        Some((_, property)) if property.ty.is_text() => Ok(()),
        Some(_) => {
            let detail = format!("the label \"{label}\" must be a property of texts");
            Err(invalid("bad_label", format!("{pointer}/label"), detail))
        }
        None if change.properties.iter().any(|(dropped, _)| *dropped == label) => {
            let detail = format!("\"{label}\" is the event's label; name another label first");
            Err(conflict("in_use", format!("{pointer}/properties/{label}"), detail))
        }
        None => event_property(kind, &label, Some(&EventPropertyPatch::default()), &format!("{pointer}/label")),
    }
}

fn event_property(
    kind: &mut EventKind,
    name: &Name,
    change: Option<&EventPropertyPatch>,
    pointer: &str,
) -> Result<(), Refusal> {
    let place = kind.property(name.as_str()).map(|(place, _)| place);
    match (place, change) {
        (Some(place), None) => kind.properties[place].dropped = true,
        (None, None) => {
            let detail = format!("event \"{}\" has no property \"{name}\" to drop", kind.name);
            return Err(refuse(RefusalKind::NotFound, "unknown_property", pointer.to_owned(), detail));
        }
        (Some(place), Some(change)) => {
            let property = &mut kind.properties[place];
            let what = format!("property \"{name}\" of event \"{}\"", kind.name);
            same_type(property.ty, change.ty.as_deref(), change.currency, &what, pointer)?;
            judge_case(property.ty, change.case_sensitive, pointer)?;
            property.case_sensitive = change.case_sensitive.unwrap_or(property.case_sensitive);
        }
        (None, Some(change)) => {
            let ty = type_named(change.ty.as_deref().unwrap_or("text"), change.currency, pointer)?;
            judge_case(ty, change.case_sensitive, pointer)?;
            let case_sensitive = change.case_sensitive.unwrap_or(false);
            slot_number(kind.properties.len(), pointer)?;
            kind.properties.push(EventProperty { name: name.clone(), ty, case_sensitive, dropped: false });
        }
    }
    Ok(())
}

fn slot_number(used: usize, pointer: &str) -> Result<u16, Refusal> {
    u16::try_from(used).map_err(|_| {
        let detail = "65,536 declarations were made over time; no more can be".to_owned();
        refuse(RefusalKind::TooLarge, "too_many", pointer.to_owned(), detail)
    })
}

fn judge_case(ty: ValueType, case_sensitive: Option<bool>, pointer: &str) -> Result<(), Refusal> {
    if case_sensitive == Some(true) && !ty.is_text() && ty != ValueType::Set {
        let detail = format!("case_sensitive is for texts and sets, not for {}", ty.name());
        return Err(invalid("not_text", format!("{pointer}/case_sensitive"), detail));
    }
    Ok(())
}

fn distinct_aliases(name: &Name, aliases: &[Name]) -> Vec<Name> {
    let mut kept: Vec<Name> = Vec::with_capacity(aliases.len());
    for alias in aliases {
        if alias != name && !kept.contains(alias) {
            kept.push(alias.clone());
        }
    }
    kept
}

fn canonical_phrases(phrases: &[Box<str>], pointer: &str) -> Result<Vec<Box<str>>, Refusal> {
    let mut kept: Vec<Box<str>> = Vec::with_capacity(phrases.len());
    for (place, phrase) in phrases.iter().enumerate() {
        let canonical = words(phrase).join(" ");
        if canonical.is_empty() || canonical.len() > limits::NAME_BYTES_MAX {
            let detail = format!("a phrase has at least one word and at most {} bytes", limits::NAME_BYTES_MAX);
            return Err(invalid("bad_phrase", format!("{pointer}/{place}"), detail));
        }
        if !kept.iter().any(|known| **known == *canonical) {
            kept.push(canonical.into());
        }
    }
    Ok(kept)
}

/// The type that a source computes, `None` when it names what is not there or cannot be computed.
fn computed_type<'k>(source: &Source, kind: impl Fn(&Name) -> Option<&'k EventKind>) -> Option<ValueType> {
    match source {
        Source::Aggregate { function, event, of } => {
            let kind = kind(event)?;
            let of = of.as_ref().map(|of| kind.property(of.as_str()).map(|(_, property)| property.ty));
            match (function, of) {
                (Function::Count, None) => Some(ValueType::Number),
                (Function::Distinct, Some(Some(_))) => Some(ValueType::Number),
                (Function::Sum | Function::Avg, Some(Some(ty @ (ValueType::Number | ValueType::Money(_))))) => Some(ty),
                (Function::Min | Function::Max, Some(Some(ty))) if ty.is_ordered() => Some(ty),
                _ => None,
            }
        }
        Source::Latest { event: None } => Some(ValueType::Timestamp),
        Source::Latest { event: Some(event) } => kind(event).map(|_| ValueType::Timestamp),
        Source::OpenClose { open, close } => kind(open).and(kind(close)).map(|_| ValueType::Boolean),
    }
}

fn bad_source(pointer: &str, source: &Source) -> Refusal {
    let (what, expected) = match source {
        Source::Aggregate { function, event, of } => {
            let of = of.as_ref().map_or(String::new(), |of| format!(".{of}"));
            let expected = match function {
                Function::Count => "an event alone",
                Function::Distinct => "a property of an event",
                Function::Sum | Function::Avg => "a number or money property of an event",
                Function::Min | Function::Max => "a number, money, timestamp or date property of an event",
            };
            (format!("{}({event}{of})", function.name()), expected)
        }
        Source::Latest { event } => {
            (format!("latest {}", event.as_ref().map_or("any", |event| event.as_str())), "an event")
        }
        Source::OpenClose { open, close } => (format!("{open} and {close}"), "two events"),
    };
    let detail = format!("{what} cannot be computed: it must name {expected} that the schema declares");
    invalid("bad_derived", format!("{pointer}/derived"), detail)
}

fn judge_names(schema: &Schema) -> Result<(), Refusal> {
    let mut owners: HashMap<&Name, &Name> = HashMap::new();
    for property in schema.properties() {
        for name in property.aliases.iter().chain([&property.name]) {
            let pointer = format!("/properties/{}", property.name);
            if name.as_str() == RESERVED {
                let detail = "\"key\" means a contact's key and cannot be an alias".to_owned();
                return Err(conflict("reserved_name", format!("{pointer}/aliases"), detail));
            }
            if let Some(owner) = owners.insert(name, &property.name) {
                let detail = format!("\"{name}\" is already a name or an alias of property \"{owner}\"");
                return Err(conflict("name_taken", pointer, detail));
            }
        }
    }
    Ok(())
}

fn judge_phrases(schema: &Schema) -> Result<(), Refusal> {
    let mut owners: HashMap<&str, &Name> = HashMap::new();
    for kind in schema.events() {
        for (list, phrases) in [("phrases", &kind.phrases), ("negative", &kind.negative)] {
            for phrase in phrases {
                if let Some(owner) = owners.insert(phrase, &kind.name) {
                    let detail = format!("the phrase \"{phrase}\" is already one of event \"{owner}\"");
                    return Err(conflict("phrase_taken", format!("/events/{}/{list}", kind.name), detail));
                }
            }
        }
    }
    Ok(())
}

/// Refuses to drop an event kind that derived properties follow, naming them all.
fn judge_drops(patch: &SchemaPatch, schema: &Schema) -> Result<(), Refusal> {
    for (name, _) in patch.events.iter().filter(|(_, change)| change.is_none()) {
        let follows = |source: &Source| match source {
            Source::Aggregate { event, .. } => event == name,
            Source::Latest { event } => event.as_ref() == Some(name),
            Source::OpenClose { open, close } => open == name || close == name,
        };
        let derived = |property: &&Property| property.derived.as_ref().is_some_and(|derived| follows(&derived.source));
        let users: Vec<&str> = schema.properties().filter(derived).map(|property| property.name.as_str()).collect();
        if !users.is_empty() {
            let detail = format!("event \"{name}\" is what these derived properties follow: {}", users.join(", "));
            return Err(conflict("in_use", format!("/events/{name}"), detail));
        }
    }
    Ok(())
}

/// A type with its currency.
fn spelled(ty: ValueType) -> String {
    match ty {
        ValueType::Money(currency) => format!("money in {}", currency.code()),
        other => other.name().to_owned(),
    }
}

fn judge_derived(schema: &Schema) -> Result<(), Refusal> {
    for property in schema.properties() {
        let Some(derived) = &property.derived else { continue };
        let pointer = format!("/properties/{}", property.name);
        let computed = computed_type(&derived.source, |event| schema.event(event.as_str()))
            .ok_or_else(|| bad_source(&pointer, &derived.source))?;
        if computed != property.ty {
            let detail = format!(
                "property \"{}\" is declared as {} but what is computed is {}",
                property.name,
                spelled(property.ty),
                spelled(computed)
            );
            return Err(invalid("bad_derived", format!("{pointer}/derived"), detail));
        }
        let fits = match derived.writer {
            Writer::Add => matches!(property.ty, ValueType::Number | ValueType::Money(_)),
            Writer::Max => property.ty.is_ordered(),
            Writer::UntilNext | Writer::Refuse => true,
        };
        if !fits {
            let detail = format!("writer \"{}\" does not fit {} values", derived.writer.name(), property.ty.name());
            return Err(invalid("bad_derived", format!("{pointer}/derived/writer"), detail));
        }
    }
    Ok(())
}

fn judge_limits(schema: &Schema) -> Result<(), Refusal> {
    let over = |what: &str, max: usize, pointer: String| {
        refuse(RefusalKind::TooLarge, "too_many", pointer, format!("at most {max} {what} can be declared"))
    };
    if schema.properties().count() > limits::PROPERTIES_MAX {
        return Err(over("properties", limits::PROPERTIES_MAX, "/properties".into()));
    }
    if schema.events().count() > limits::EVENT_KINDS_MAX {
        return Err(over("events", limits::EVENT_KINDS_MAX, "/events".into()));
    }
    for kind in schema.events() {
        if kind.properties.iter().filter(|property| !property.dropped).count() > limits::EVENT_PROPERTIES_MAX {
            let pointer = format!("/events/{}/properties", kind.name);
            return Err(over("properties of one event", limits::EVENT_PROPERTIES_MAX, pointer));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
