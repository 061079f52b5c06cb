//! Changes of the naive database's schema: what is dropped takes its values along, what is derived is computed anew.

use throng::{
    model::{
        request::{Applied, RefusalKind, SchemaPatch},
        schema::Schema,
        value::Value,
    },
    rule,
};

use crate::support::{
    naive::{Members, Naive},
    writes::Judged,
};

impl Naive {
    pub(super) fn reshape(&mut self, patch: &SchemaPatch) -> Judged {
        let after = self.schema.patched(patch).map_err(|refusal| refusal.kind)?;
        if after == self.schema {
            return Ok(Applied::Unchanged);
        }
        let holds = |members: &Members| match members {
            Members::Rule(rule) => rule::check(rule, &after).is_ok(),
            Members::List(_) => true,
        };
        if !self.segments.iter().all(|saved| holds(&saved.members)) {
            return Err(RefusalKind::Conflict);
        }
        self.keep_what_was_computed(&after);
        self.drop_what_is_gone(&after);
        self.schema = after;
        Ok(Applied::Updated)
    }

    /// A derived property that becomes plain keeps the values it had.
    fn keep_what_was_computed(&mut self, after: &Schema) {
        for before in self.schema.clone().properties().filter(|property| property.derived.is_some()) {
            let plain = after.property_by_id(before.id).is_some_and(|property| property.derived.is_none());
            for place in (0..self.contacts.len()).filter(|_| plain) {
                let name = before.name.to_string();
                let value: Option<Value> = self.value(&self.contacts[place], &name);
                let written = &mut self.contacts[place].written;
                match value {
                    Some(value) => drop(written.insert(name, value)),
                    None => drop(written.remove(&name)),
                }
            }
        }
    }

    fn drop_what_is_gone(&mut self, after: &Schema) {
        for contact in &mut self.contacts {
            contact.written.retain(|name, _| after.property(name).is_some());
            contact.events.retain(|event| after.event(&event.kind).is_some());
            for event in &mut contact.events {
                let kind = after.event(&event.kind).expect("the others are gone");
                event.values.retain(|name, _| kind.property(name).is_some());
            }
        }
    }
}
