//! Writes to the naive database, by the contract: each request is judged by itself and refused whole or done whole.

use std::collections::BTreeMap;

use throng::model::{
    currency::Currency,
    id::{EventKindId, PropertyId},
    name::{ContactKey, Name},
    number::ONE,
    request::{Applied, ContactJoin, ContactMerge, ContactWrite, EventWrite, Input, RefusalKind, Request, WriteMode},
    schema::{EventKind, EventProperty, Property, Schema, Writer},
    time::{Day, Timestamp},
    value::{Value, ValueType},
};

use crate::support::{
    naive::{Contact, Event, Naive},
    spelling,
};

/// What became of a request, and nothing about why.
pub type Judged = Result<Applied, RefusalKind>;

impl Naive {
    /// Moves the clock: events up to it come to pass.
    pub fn advance(&mut self, to: Timestamp) {
        let due = |event: &&Event| self.as_of < event.at && event.at <= to;
        let mut contacts = std::mem::take(&mut self.contacts);
        for contact in &mut contacts {
            let kinds: Vec<String> = contact.events.iter().filter(due).map(|event| event.kind.clone()).collect();
            kinds.iter().for_each(|kind| self.forget_overtaken(contact, kind));
        }
        self.contacts = contacts;
        self.as_of = to;
    }

    /// Judges one request and does what it asks.
    pub fn write(&mut self, request: &Request) -> Judged {
        match request {
            Request::Contact(write) => self.write_contact(write),
            Request::Event(write) => self.write_event(write),
            Request::Erase(key) => {
                let place = self.place(key).ok_or(RefusalKind::NotFound)?;
                self.contacts.remove(place);
                self.erase_from_segments(key.as_str());
                Ok(Applied::Removed)
            }
            Request::Merge(merge) => Ok(self.merge(merge)),
            Request::Join(join) => self.join(join),
            Request::RemoveEvent(id) => {
                let with = |contact: &&mut Contact| contact.events.iter().any(|e| e.id.as_deref() == Some(&**id));
                let contact = self.contacts.iter_mut().find(with).ok_or(RefusalKind::NotFound)?;
                contact.events.retain(|event| event.id.as_deref() != Some(&**id));
                Ok(Applied::Removed)
            }
            Request::CreateSegment(create) => self.create_segment(create),
            Request::UpdateSegment(update) => self.update_segment(update),
            Request::DeleteSegment(name) => self.delete_segment(name),
            Request::EditMembers(edit) => self.edit_members(edit),
            Request::Tick(_) => Ok(Applied::Updated),
            Request::Schema(patch) => self.reshape(patch),
            Request::Message(_) => panic!("messages have tests of their own"),
            Request::Suppression(_) => panic!("suppressions have tests of their own"),
            Request::Found(_) => panic!("a history is founded once"),
        }
    }

    pub(super) fn place(&self, key: &ContactKey) -> Option<usize> {
        self.contacts.iter().position(|contact| contact.key == key.as_str())
    }

    /// A contact of a key, made when it is not there.
    pub(super) fn sighted(&mut self, key: &ContactKey) -> usize {
        self.place(key).unwrap_or_else(|| {
            let created = Value::Time(self.as_of);
            let written = BTreeMap::from([("created".to_owned(), created)]);
            self.contacts.push(Contact { key: key.as_str().to_owned(), written, events: vec![] });
            self.contacts.len() - 1
        })
    }

    fn merge(&mut self, merge: &ContactMerge) -> Applied {
        let Some(place) = self.place(&merge.from).filter(|_| merge.from != merge.into) else {
            return Applied::Unchanged;
        };
        let mut from = self.contacts[place].clone();
        let is_known = self.place(&merge.into).is_some();
        if !is_known {
            let key = merge.into.as_str().to_owned();
            self.contacts.push(Contact { key, written: BTreeMap::new(), events: vec![] });
        }
        let into = self.place(&merge.into).expect("just made");
        let user = self.contacts[into].clone();
        for (name, value) in from.written {
            let property = self.schema.property(&name);
            let derived = property.and_then(|property| property.derived.as_ref());
            let is_until_next = derived.is_some_and(|derived| derived.writer == Writer::UntilNext);
            if is_until_next && self.value(&user, &name).is_some() {
                continue;
            }
            let sensitive = self.schema.property(&name).is_some_and(|property| property.case_sensitive);
            match (self.contacts[into].written.get_mut(&name), value) {
                (None, value) => drop(self.contacts[into].written.insert(name, value)),
                (Some(Value::Set(held)), Value::Set(more)) => {
                    let more: Vec<Input> = more.into_iter().map(Input::Text).collect();
                    add(held, &more, sensitive).expect("texts");
                }
                (Some(_), _) => {}
            }
        }
        from.events.sort_by_key(|event| event.arrival);
        for event in from.events {
            self.arrivals += 1;
            self.contacts[into].events.push(Event { arrival: self.arrivals, ..event });
        }
        self.merge_in_segments(merge.from.as_str(), merge.into.as_str());
        self.contacts.remove(place);
        if is_known { Applied::Updated } else { Applied::Created }
    }

    /// Both or neither: on a copy, which takes the place of this one when all went well.
    fn join(&mut self, join: &ContactJoin) -> Judged {
        let ContactJoin { from, write } = join;
        if self.place(from).is_none() || *from == write.key {
            return self.write_contact(write);
        }
        let mut tried = self.clone();
        let made = tried.merge(&ContactMerge { from: from.clone(), into: write.key.clone() });
        tried.write_contact(write)?;
        *self = tried;
        Ok(made)
    }

    fn write_contact(&mut self, write: &ContactWrite) -> Judged {
        let before = self.place(&write.key);
        let mut named: Vec<(String, Option<Value>)> = vec![];
        let mut declared: Vec<(Name, ValueType)> = vec![];
        for (name, input) in &write.values {
            let known = self.schema.property(name.as_str()).cloned();
            let Some(property) = known else {
                let Some(ty) = inferred(input)? else { continue };
                let value = self.converted(ty, false, input, None)?;
                declared.push((name.clone(), ty));
                named.push((name.to_string(), value));
                continue;
            };
            let canonical = property.name.to_string();
            if named.iter().any(|(known, _)| *known == canonical) {
                return Err(RefusalKind::Invalid);
            }
            if property.derived.as_ref().is_some_and(|derived| derived.writer == Writer::Refuse) {
                return Err(RefusalKind::Invalid);
            }
            let held = before.filter(|_| write.mode == WriteMode::Merge);
            let held = held.and_then(|place| self.contacts[place].written.get(&canonical).cloned());
            named.push((canonical, self.converted(property.ty, property.case_sensitive, input, held)?));
        }
        declared.into_iter().for_each(|(name, ty)| self.declare(name, ty));
        let place = self.sighted(&write.key);
        let contact = &mut self.contacts[place];
        let created = contact.written.get("created").cloned();
        if write.mode == WriteMode::Replace {
            contact.written.clear();
            // The instant of first sight stays with the contact.
            contact.written.extend(created.clone().map(|created| ("created".to_owned(), created)));
        }
        for (name, value) in named {
            match value {
                Some(value) => drop(contact.written.insert(name, value)),
                // A new contact's instant of first sight is the clock's, whatever was not said of it.
                None if name == "created" && before.is_none() => {}
                None => drop(contact.written.remove(&name)),
            }
        }
        Ok(if before.is_some() { Applied::Updated } else { Applied::Created })
    }

    fn declare(&mut self, name: Name, ty: ValueType) {
        let mut properties = self.schema.property_slots().to_vec();
        let id = PropertyId(properties.len() as u16);
        properties.push(Some(Property { id, name, ty, aliases: vec![], case_sensitive: false, derived: None }));
        let events = self.schema.event_slots().to_vec();
        self.schema = Schema::new(self.schema.zone().clone(), properties, events);
    }

    fn write_event(&mut self, write: &EventWrite) -> Judged {
        let same = |event: &Event| event.id.is_some() && event.id.as_deref() == write.id.as_deref();
        if self.contacts.iter().flat_map(|contact| &contact.events).any(same) {
            return Ok(Applied::Duplicate);
        }
        let mut values = BTreeMap::new();
        let mut declared: Vec<EventProperty> = vec![];
        for (name, input) in &write.properties {
            let kind = self.schema.event(write.event.as_str());
            let known = kind.and_then(|kind| kind.property(name.as_str())).map(|(_, property)| property.clone());
            let property = match known {
                Some(property) => property,
                None => {
                    let Some(ty) = inferred(input)? else { continue };
                    let property = EventProperty { name: name.clone(), ty, case_sensitive: false, dropped: false };
                    declared.push(property.clone());
                    property
                }
            };
            let value = self.converted(property.ty, property.case_sensitive, input, None)?;
            values.extend(value.map(|value| (name.to_string(), value)));
        }
        self.declare_event(&write.event, declared);
        let place = self.sighted(&write.contact);
        self.arrivals += 1;
        let (id, at) = (write.id.as_deref().map(str::to_owned), write.at.unwrap_or(self.as_of));
        let event = Event { id, kind: write.event.to_string(), at, values, arrival: self.arrivals };
        let mut contact = self.contacts[place].clone();
        if event.at <= self.as_of {
            self.forget_overtaken(&mut contact, &event.kind);
        }
        contact.events.push(event);
        self.contacts[place] = contact;
        Ok(Applied::Recorded)
    }

    fn declare_event(&mut self, name: &Name, added: Vec<EventProperty>) {
        let mut events = self.schema.event_slots().to_vec();
        let place = self.schema.event(name.as_str()).map_or(events.len(), |kind| kind.id.index());
        if place == events.len() {
            events.push(Some(EventKind::plain(EventKindId(place as u16), name.clone())));
        } else if added.is_empty() {
            return;
        }
        events[place].as_mut().expect("just found or made").properties.extend(added);
        let properties = self.schema.property_slots().to_vec();
        self.schema = Schema::new(self.schema.zone().clone(), properties, events);
    }

    /// What an input is as a value of a type; `held` is the set that an edit changes.
    fn converted(
        &self,
        ty: ValueType,
        sensitive: bool,
        input: &Input,
        held: Option<Value>,
    ) -> Result<Option<Value>, RefusalKind> {
        const WRONG: Result<Option<Value>, RefusalKind> = Err(RefusalKind::Invalid);
        let some = |value: Option<Value>| value.map(Some).ok_or(RefusalKind::Invalid);
        match (ty, input) {
            (_, Input::Null) => Ok(None),
            (_, Input::Text(text)) if text.is_empty() => Ok(None),
            (ValueType::Boolean, Input::Flag(flag)) => Ok(Some(Value::Flag(*flag))),
            (ValueType::Number, Input::Number(number)) => Ok(Some(Value::Number(*number))),
            (ValueType::Money(currency), Input::Number(number)) => {
                let minor = ONE / 10i128.pow(currency.decimals());
                let whole = (number.0 % minor == 0).then(|| number.0 / minor);
                some(whole.and_then(|minor| i64::try_from(minor).ok()).map(Value::Money))
            }
            (ValueType::Money(currency), Input::Text(text)) => some(amount(currency, text).map(Value::Money)),
            (ValueType::Text | ValueType::Email | ValueType::Category, Input::Text(text)) => {
                if text.len() > 16_384 {
                    Err(RefusalKind::TooLarge)
                } else {
                    Ok(Some(Value::Text(text.clone())))
                }
            }
            (ValueType::Timestamp, Input::Text(text)) => {
                // East of Greenwich the first day begins before the first instant there is.
                let start = |day: Day| Timestamp(self.almanac.start_of(i64::from(day.0)) as i64).plus_ms(0);
                some(Timestamp::parse(text).or_else(|_| Day::parse(text).map(start)).ok().map(Value::Time))
            }
            (ValueType::Date, Input::Text(text)) => some(Day::parse(text).ok().map(Value::Day)),
            (ValueType::Set, Input::List(items)) => {
                let mut texts = vec![];
                add(&mut texts, items, sensitive)?;
                Ok((!texts.is_empty()).then_some(Value::Set(texts)))
            }
            (ValueType::Set, Input::Edit { add: added, remove }) => {
                let mut texts = match held {
                    Some(Value::Set(texts)) => texts,
                    _ => vec![],
                };
                let mut removed = vec![];
                add(&mut texts, added, sensitive)?;
                add(&mut removed, remove, sensitive)?;
                texts.retain(|text| !removed.iter().any(|gone| spelling::same(text, gone, sensitive)));
                Ok((!texts.is_empty()).then_some(Value::Set(texts)))
            }
            _ => WRONG,
        }
    }
}

/// Adds texts to a set, each once and in order; the empty one is no value.
fn add(texts: &mut Vec<Box<str>>, items: &[Input], sensitive: bool) -> Result<(), RefusalKind> {
    for item in items {
        let Input::Text(text) = item else { return Err(RefusalKind::Invalid) };
        if !text.is_empty() && !texts.iter().any(|held| spelling::same(held, text, sensitive)) {
            texts.push(text.clone());
        }
    }
    Ok(())
}

/// A plain decimal as minor units, digit by digit.
fn amount(currency: Currency, text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let decimals = currency.decimals() as usize;
    if whole.is_empty() || digits.ends_with('.') || fraction.trim_end_matches('0').len() > decimals {
        return None;
    }
    let mut minor = 0i128;
    let padded = fraction.chars().chain("000".chars()).take(decimals);
    for digit in whole.chars().chain(padded) {
        minor = minor.checked_mul(10)? + i128::from(digit.to_digit(10)?);
    }
    i64::try_from(if negative { -minor } else { minor }).ok()
}

/// The type of a name that is new, by its first value; nothing tells none.
fn inferred(input: &Input) -> Result<Option<ValueType>, RefusalKind> {
    Ok(Some(match input {
        Input::Null => return Ok(None),
        Input::Flag(_) => ValueType::Boolean,
        Input::Number(_) => ValueType::Number,
        Input::Text(text) if text.is_empty() => return Ok(None),
        Input::Text(text) if Timestamp::parse(text).is_ok() || Day::parse(text).is_ok() => ValueType::Timestamp,
        Input::Text(_) => ValueType::Text,
        Input::List(items) | Input::Edit { add: items, .. } if items.is_empty() => return Ok(None),
        Input::List(_) | Input::Edit { .. } => ValueType::Set,
        Input::Object | Input::Cell(_) => return Err(RefusalKind::Invalid),
    }))
}
