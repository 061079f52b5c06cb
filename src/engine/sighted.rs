//! Types for names that the schema does not know yet, from all of a batch's values, not from the first one.

use std::collections::HashMap;

use crate::model::{
    infer::Inference,
    request::{ContactWrite, EventWrite, Request},
    schema::Schema,
    value::ValueType,
};

/// What was seen of unknown names in a batch.
#[derive(Default)]
pub struct Sighted<'a> {
    properties: HashMap<&'a str, Inference>,
    event_properties: HashMap<(&'a str, &'a str), Inference>,
}

impl<'a> Sighted<'a> {
    /// Looks at every value of an unknown name.
    pub fn of(requests: &'a [Request], schema: &Schema) -> Sighted<'a> {
        let mut sighted = Sighted::default();
        sighted.see(requests, schema);
        sighted
    }

    fn see(&mut self, requests: &'a [Request], schema: &Schema) {
        for request in requests {
            match request {
                Request::Contact(write) => self.contact(write, schema),
                Request::Join(join) => self.contact(&join.write, schema),
                Request::Event(write) => self.event(write, schema),
                Request::Message(message) => self.see(&message.requests, schema),
                _ => {}
            }
        }
    }

    fn contact(&mut self, write: &'a ContactWrite, schema: &Schema) {
        for (name, input) in &write.values {
            if schema.property(name.as_str()).is_none() {
                self.properties.entry(name.as_str()).or_default().see(input);
            }
        }
    }

    fn event(&mut self, write: &'a EventWrite, schema: &Schema) {
        let kind = schema.event(write.event.as_str());
        for (name, input) in &write.properties {
            if kind.is_none_or(|kind| kind.property(name.as_str()).is_none()) {
                self.event_properties.entry((write.event.as_str(), name.as_str())).or_default().see(input);
            }
        }
    }

    /// The type of an unknown property.
    pub fn property(&self, name: &str) -> Option<ValueType> {
        self.properties.get(name).and_then(|seen| seen.settle())
    }

    /// The type of an unknown property of an event.
    pub fn event_property(&self, event: &str, name: &str) -> Option<ValueType> {
        self.event_properties.get(&(event, name)).and_then(|seen| seen.settle())
    }
}
