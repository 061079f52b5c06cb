//! Admission of contacts and events: names to ids, inputs to typed values, unknown names declared.

use std::sync::Arc;

use crate::{
    engine::{
        admit::{Session, refusal},
        command::{Command, ContactCommand, EventCommand},
    },
    model::{
        convert::{Converted, DistinctTexts, Target},
        id::{ContactId, PropertyId},
        infer::infer,
        limits,
        name::{ContactKey, Name},
        patch::RESERVED,
        request::{
            Applied, ContactJoin, ContactMerge, ContactWrite, EventPatch, EventPropertyPatch, EventWrite, Input,
            Refusal, RefusalKind, SchemaPatch, WriteMode,
        },
        schema::{EventKind, Property, Schema, Writer},
        value::{Value, ValueType},
    },
};

/// The property that the clock fills when a contact is first seen.
const CREATED: &str = "created";

/// A value of a name that the schema does not know yet.
struct NewValue<'a> {
    name: &'a Name,
    ty: ValueType,
    value: Option<Value>,
}

type Values = Vec<(PropertyId, Option<Value>)>;

impl Session<'_> {
    pub(super) fn write_contact(&mut self, write: &ContactWrite) -> Result<Applied, Refusal> {
        let existing = self.contact(&write.key);
        if existing.is_none() {
            self.room_for_contact()?;
        }
        let (mut values, new) = self.values(write, existing.as_slice())?;
        self.declare_values(&mut values, new)?;
        Ok(self.write_values(write, existing, values))
    }

    /// Writes what was judged.
    fn write_values(&mut self, write: &ContactWrite, existing: Option<ContactId>, mut values: Values) -> Applied {
        let replace = write.mode == WriteMode::Replace;
        if let Some((id, created)) = self.created_of(existing, replace, &values) {
            values.retain(|(named, _)| *named != id);
            values.push((id, Some(created)));
        }
        values.sort_unstable_by_key(|(id, _)| *id);
        let contact = existing.unwrap_or_else(|| self.next_contact());
        if existing.is_some() && !replace && values.is_empty() {
            return Applied::Updated;
        }
        let key = existing.is_none().then(|| write.key.as_str().into());
        let replace = replace && existing.is_some();
        self.perform(Command::Contact(ContactCommand { contact, key, replace, values }));
        if existing.is_some() { Applied::Updated } else { Applied::Created }
    }

    fn next_contact(&self) -> ContactId {
        ContactId(self.state.index.directory().next_id())
    }

    /// Makes a contact of no values but the instant of first sight.
    pub(super) fn sight(&mut self, key: &ContactKey) -> ContactId {
        let contact = self.next_contact();
        let values = self.created_of(None, false, &[]).map(|(id, created)| (id, Some(created))).into_iter().collect();
        let key = Some(key.as_str().into());
        self.perform(Command::Contact(ContactCommand { contact, key, replace: false, values }));
        contact
    }

    /// The value of `created` where the writer gives none: the clock's for a new contact, and what it was before for
    /// one that is replaced without naming it.
    fn created_of(
        &mut self,
        existing: Option<ContactId>,
        replace: bool,
        values: &[(PropertyId, Option<Value>)],
    ) -> Option<(PropertyId, Value)> {
        if existing.is_some() && !replace {
            return None;
        }
        let schema = self.schema();
        let property = schema.property(CREATED).filter(|property| property.derived.is_none())?;
        let given = values.iter().find(|(id, _)| *id == property.id);
        let kept = match (existing, given) {
            (_, Some((_, Some(_)))) | (Some(_), Some((_, None))) => None,
            (Some(contact), None) => self.value(property.id, contact),
            (None, _) => match property.ty {
                ValueType::Timestamp => Some(Value::Time(self.at())),
                ValueType::Date => Some(Value::Day(schema.zone().day_of(self.at()))),
                _ => None,
            },
        };
        kept.map(|value| (property.id, value))
    }

    pub(super) fn merge_contacts(&mut self, merge: &ContactMerge) -> Result<Applied, Refusal> {
        let Some(from) = self.contact(&merge.from).filter(|_| merge.from != merge.into) else {
            return Ok(Applied::Unchanged);
        };
        if self.contact(&merge.into).is_none() {
            self.room_for_contact()?;
        }
        Ok(self.merge_into(from, &merge.into).1)
    }

    /// Makes one contact part of another, which is made when it is not there and there is room for it.
    fn merge_into(&mut self, from: ContactId, key: &ContactKey) -> (ContactId, Applied) {
        let (into, applied) = match self.contact(key) {
            Some(into) => (into, Applied::Updated),
            None => {
                // Of no values: the instant of first sight is that of the contact that is given up.
                let (into, key) = (self.next_contact(), Some(key.as_str().into()));
                let made = ContactCommand { contact: into, key, replace: false, values: Vec::new() };
                self.perform(Command::Contact(made));
                (into, Applied::Created)
            }
        };
        self.perform(Command::Merge { from, into });
        (into, applied)
    }

    /// Makes one contact part of another and writes to that one. Whatever can be refused is judged before anything is
    /// done, so that both are done or neither.
    pub(super) fn join_contacts(&mut self, join: &ContactJoin) -> Result<Applied, Refusal> {
        let ContactJoin { from, write } = join;
        let Some(from) = self.contact(from).filter(|_| *from != write.key) else {
            return self.write_contact(write);
        };
        let into = self.contact(&write.key);
        if into.is_none() {
            self.room_for_contact()?;
        }
        // An edit of a set begins with what the two of them hold.
        let both: Vec<ContactId> = into.into_iter().chain([from]).collect();
        let (mut values, new) = self.values(write, &both)?;
        self.declare_values(&mut values, new)?;
        let (into, applied) = self.merge_into(from, &write.key);
        self.write_values(write, Some(into), values);
        Ok(applied)
    }

    /// The typed values of a write. An edit of a set begins with the values of `existing`, those of the first first.
    fn values<'w>(
        &mut self,
        write: &'w ContactWrite,
        existing: &[ContactId],
    ) -> Result<(Values, Vec<NewValue<'w>>), Refusal> {
        let schema = self.schema();
        let mut values = Vec::with_capacity(write.values.len() + 1);
        let mut new: Vec<NewValue<'w>> = Vec::new();
        self.record += 1;
        few_enough(write.values.len(), "")?;
        for (name, input) in &write.values {
            let Some(property) = schema.property(name.as_str()) else {
                self.new_value(name, input, &schema, &mut new)?;
                continue;
            };
            self.once(property, name)?;
            if write.mode == WriteMode::Merge && is_empty_cell(input) {
                continue;
            }
            let target = Target { name, ty: property.ty, case_sensitive: property.case_sensitive, zone: schema.zone() };
            let value = match target.convert(input)? {
                Converted::Value(value) => Some(value),
                Converted::Missing => None,
                Converted::Edit { add, remove } => {
                    let existing = if write.mode == WriteMode::Merge { existing } else { &[] };
                    let before = existing.iter().filter_map(|contact| self.value(property.id, *contact)).collect();
                    edited(&target, before, &add, &remove)?
                }
            };
            values.push((property.id, value));
        }
        Ok((values, new))
    }

    /// Refuses a property that the record names twice, and one that takes no writes.
    fn once(&mut self, property: &Property, name: &Name) -> Result<(), Refusal> {
        let place = property.id.index();
        if self.seen.len() <= place {
            self.seen.resize(self.state.schema.property_slots().len().max(place + 1), 0);
        }
        if std::mem::replace(&mut self.seen[place], self.record) == self.record {
            return Err(twice(name, &property.name));
        }
        match &property.derived {
            Some(derived) if derived.writer == Writer::Refuse => {
                let detail = format!("\"{name}\" is computed from events and takes no written value");
                Err(refusal(RefusalKind::Invalid, "computed", &format!("/{name}"), detail))
            }
            _ => Ok(()),
        }
    }

    fn new_value<'w>(
        &self,
        name: &'w Name,
        input: &Input,
        schema: &Schema,
        new: &mut Vec<NewValue<'w>>,
    ) -> Result<(), Refusal> {
        if name.as_str() == RESERVED {
            let detail = "\"key\" means a contact's key and cannot be a property".to_owned();
            return Err(refusal(RefusalKind::Invalid, "reserved_name", "/key", detail));
        }
        if new.iter().any(|known| known.name == name) {
            return Err(twice(name, name));
        }
        // A name that this batch dropped was not unknown when the batch was looked over.
        let sighted = self.sighted.property(name.as_str()).or_else(|| infer([input]));
        let Some(ty) = sighted else { return untyped(name, input) };
        if let Some(value) = first_value(name, ty, input, schema)? {
            new.push(NewValue { name, ty, value: Some(value) });
        }
        Ok(())
    }

    fn declare_values(&mut self, values: &mut Values, new: Vec<NewValue<'_>>) -> Result<(), Refusal> {
        if new.is_empty() {
            return Ok(());
        }
        let names: Vec<(Name, ValueType)> = new.iter().map(|value| (value.name.clone(), value.ty)).collect();
        let after = self.state.schema.with_properties(&names).map_err(|refusal| {
            let pointer = refusal.pointer.strip_prefix("/properties").unwrap_or_default().to_owned();
            Refusal { pointer, ..refusal }
        })?;
        self.declare(&after);
        for NewValue { name, value, .. } in new {
            let property = self.state.schema.property(name.as_str()).expect("it was declared just now");
            values.push((property.id, value));
        }
        Ok(())
    }

    pub(super) fn write_event(&mut self, write: &EventWrite) -> Result<Applied, Refusal> {
        if let Some(id) = &write.id {
            if id.is_empty() || id.len() > limits::KEY_BYTES_MAX {
                let detail = format!("an event's id has 1 to {} bytes", limits::KEY_BYTES_MAX);
                return Err(refusal(RefusalKind::Invalid, "bad_event_id", "/id", detail));
            }
            if self.state.index.find_event(id).is_some() {
                return Ok(Applied::Duplicate);
            }
        }
        let existing = self.contact(&write.contact);
        if existing.is_none() {
            self.room_for_contact()?;
        }
        let (mut values, new) = self.event_values(write)?;
        self.declare_event(write, &mut values, new)?;
        values.sort_unstable_by_key(|(position, _)| *position);
        let kind = self.state.schema.event(write.event.as_str()).expect("it was declared").id;
        let contact = existing.unwrap_or_else(|| self.sight(&write.contact));
        let (at, id) = (write.at.unwrap_or(self.at()), write.id.clone());
        self.perform(Command::Event(EventCommand { kind, contact, at, id, values }));
        Ok(Applied::Recorded)
    }

    fn event_values<'w>(&self, write: &'w EventWrite) -> Result<(Vec<(u16, Value)>, Vec<NewValue<'w>>), Refusal> {
        let schema: &Arc<Schema> = &self.state.schema;
        let kind = schema.event(write.event.as_str());
        let mut values: Vec<(u16, Value)> = Vec::with_capacity(write.properties.len());
        let mut named: Vec<&Name> = Vec::with_capacity(write.properties.len());
        let mut new = Vec::new();
        few_enough(write.properties.len(), "/properties")?;
        for (name, input) in &write.properties {
            if named.contains(&name) {
                return Err(in_properties(twice(name, name)));
            }
            named.push(name);
            let Some((position, property)) = kind.and_then(|kind| kind.property(name.as_str())) else {
                let sighted = self.sighted.event_property(write.event.as_str(), name.as_str());
                match sighted.or_else(|| infer([input])) {
                    None => untyped(name, input).map_err(in_properties)?,
                    Some(ty) => {
                        if let Some(value) = first_value(name, ty, input, schema).map_err(in_properties)? {
                            new.push(NewValue { name, ty, value: Some(value) });
                        }
                    }
                }
                continue;
            };
            let target = Target { name, ty: property.ty, case_sensitive: property.case_sensitive, zone: schema.zone() };
            let value = match target.convert(input).map_err(in_properties)? {
                Converted::Value(value) => Some(value),
                Converted::Missing => None,
                Converted::Edit { add, remove } => edited(&target, Vec::new(), &add, &remove).map_err(in_properties)?,
            };
            values.extend(value.map(|value| (position as u16, value)));
        }
        Ok((values, new))
    }

    fn declare_event(
        &mut self,
        write: &EventWrite,
        values: &mut Vec<(u16, Value)>,
        new: Vec<NewValue<'_>>,
    ) -> Result<(), Refusal> {
        let known = self.state.schema.event(write.event.as_str()).is_some();
        if known && new.is_empty() {
            return Ok(());
        }
        let property = |ty: ValueType| Some(EventPropertyPatch { ty: Some(ty.name().into()), ..Default::default() });
        let properties = new.iter().map(|value| (value.name.clone(), property(value.ty))).collect();
        let change = EventPatch { properties, ..EventPatch::default() };
        let patch = SchemaPatch { properties: Vec::new(), events: vec![(write.event.clone(), Some(change))] };
        let after =
            self.state.schema.patched(&patch).map_err(|refusal| Refusal { pointer: "/event".into(), ..refusal })?;
        self.declare(&after);
        let kind: &EventKind = self.state.schema.event(write.event.as_str()).expect("it was declared just now");
        for NewValue { name, value, .. } in new {
            let (position, _) = kind.property(name.as_str()).expect("it was declared with the kind");
            values.extend(value.map(|value| (position as u16, value)));
        }
        Ok(())
    }
}

fn in_properties(refusal: Refusal) -> Refusal {
    Refusal { pointer: format!("/properties{}", refusal.pointer), ..refusal }
}

/// Refuses a record of more names than can be declared: names are compared with each other, and that must end.
fn few_enough(names: usize, pointer: &str) -> Result<(), Refusal> {
    if names <= limits::PROPERTIES_MAX {
        return Ok(());
    }
    let detail = format!("a record names at most {} properties; this one names {names}", limits::PROPERTIES_MAX);
    Err(refusal(RefusalKind::TooLarge, "too_many", pointer, detail))
}

fn is_empty_cell(input: &Input) -> bool {
    matches!(input, Input::Cell(text) if text.is_empty())
}

fn twice(name: &Name, canonical: &Name) -> Refusal {
    let detail = format!("two names of this record mean the one property \"{canonical}\"");
    refusal(RefusalKind::Invalid, "duplicate_name", &format!("/{name}"), detail)
}

/// An unknown name without a value that would give it a type: nothing to declare, or nothing that any type takes.
fn untyped(name: &Name, input: &Input) -> Result<(), Refusal> {
    let nothing = match input {
        Input::Null => true,
        Input::Text(text) => text.is_empty(),
        Input::Cell(text) => text.trim().is_empty(),
        Input::List(items) => items.is_empty(),
        Input::Edit { add, .. } => add.is_empty(),
        Input::Flag(_) | Input::Number(_) | Input::Object => false,
    };
    if nothing {
        return Ok(());
    }
    let detail = format!(
        "\"{name}\" is not declared, and no type takes this value: a list of texts, a text, a number, a boolean or a time would do"
    );
    Err(refusal(RefusalKind::Invalid, "no_type", &format!("/{name}"), detail))
}

/// The value of a name that is about to be declared.
fn first_value(name: &Name, ty: ValueType, input: &Input, schema: &Schema) -> Result<Option<Value>, Refusal> {
    let target = Target { name, ty, case_sensitive: false, zone: schema.zone() };
    match target.convert(input)? {
        Converted::Value(value) => Ok(Some(value)),
        Converted::Missing => Ok(None),
        Converted::Edit { add, remove } => edited(&target, Vec::new(), &add, &remove),
    }
}

/// A set after an edit: what was there, then what is added, without what is taken away.
fn edited(
    target: &Target<'_>,
    before: Vec<Value>,
    add: &[Box<str>],
    remove: &[Box<str>],
) -> Result<Option<Value>, Refusal> {
    let mut held = before.into_iter().map(|value| if let Value::Set(texts) = value { texts } else { Vec::new() });
    let mut texts = DistinctTexts::new(target.case_sensitive, held.next().unwrap_or_default());
    held.flatten().for_each(|text| texts.add(&text));
    add.iter().for_each(|text| texts.add(text));
    remove.iter().for_each(|text| texts.remove(text));
    let texts = texts.into_texts();
    if texts.len() > limits::SET_VALUES_MAX {
        return Err(target.too_many());
    }
    Ok((!texts.is_empty()).then_some(Value::Set(texts)))
}
