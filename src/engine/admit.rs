//! Admission: each request of a batch is judged by itself, in order, on the state that those before it left behind.
//! What is admitted becomes commands and is performed at once; every refusal happens here.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    engine::{
        apply::{Outcome, advance, enter, fill, perform, settle, values_can_wait},
        command::{Batch, Command, SchemaChange, Stamp},
        remembered::Remembered,
        sighted::Sighted,
        state::State,
    },
    model::{
        id::{ContactId, PropertyId},
        limits,
        name::ContactKey,
        planted::{Bug, planted},
        request::{Applied, Message, Refusal, RefusalKind, Request, SchemaPatch},
        schema::Schema,
        time::Timestamp,
        value::Value,
    },
    rule,
    segment::{feed::Cause, saved::Body},
};

/// What became of a batch of requests.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The commands to log; empty when nothing is to change, and then the state is as it was.
    pub batch: Batch,
    /// What became of each request, in order.
    pub results: Vec<Result<Applied, Refusal>>,
    /// What performing the commands did.
    pub outcome: Outcome,
}

/// An idempotency key and the digest of the call made under it.
#[derive(Clone, Copy, Debug)]
pub struct OnceKey<'a> {
    /// The key.
    pub key: &'a str,
    /// The digest.
    pub digest: u64,
}

/// Judges requests and performs what is admitted. The state ends as [`crate::engine::apply::apply`] makes it from the
/// batch and the stamp; the caller drops it when the batch cannot be logged.
pub fn admit(state: &mut State, stamp: Stamp, requests: &[Request], once: Option<OnceKey<'_>>) -> Admitted {
    admit_by(state, stamp, requests, once, None)
}

/// As [`admit`], of whoever holds an access key.
pub fn admit_by(
    state: &mut State,
    stamp: Stamp,
    requests: &[Request],
    once: Option<OnceKey<'_>>,
    by: Option<&str>,
) -> Admitted {
    let sighted = Sighted::of(requests, &state.schema);
    let mut session = Session {
        state,
        stamp,
        by,
        sighted,
        batch: Batch { commands: Vec::with_capacity(requests.len()) },
        filled: 0,
        outcome: Outcome::default(),
        seen: Vec::new(),
        record: 0,
        messages: BTreeSet::new(),
    };
    let results: Vec<_> = requests.iter().map(|request| session.judge(request)).collect();
    if !session.messages.is_empty() {
        let digests = std::mem::take(&mut session.messages).into_iter().collect();
        session.perform(Command::Messages(digests));
    }
    if let Some(OnceKey { key, digest }) = once {
        let outcome = Remembered::new(digest, stamp.at, stamp.lsn, &results);
        if planted(Bug::ForgetOnce) && !session.batch.commands.is_empty() {
            session.state.memory.keep(key, outcome);
        } else {
            session.perform(Command::Remember { key: key.into(), outcome });
        }
    }
    session.settle();
    settle(session.state, Cause::Write);
    Admitted { batch: session.batch, results, outcome: session.outcome }
}

/// One batch on its way.
pub(super) struct Session<'a> {
    pub(super) state: &'a mut State,
    pub(super) stamp: Stamp,
    /// The access key of whoever asks, by its id.
    pub(super) by: Option<&'a str>,
    pub(super) sighted: Sighted<'a>,
    batch: Batch,
    /// The commands from here on were entered, but their values wait.
    filled: usize,
    outcome: Outcome,
    /// By property: the record that named it last.
    pub(super) seen: Vec<u32>,
    /// The number of the record at hand.
    pub(super) record: u32,
    /// Messages that were taken.
    messages: BTreeSet<u64>,
}

impl Session<'_> {
    pub(super) fn at(&self) -> Timestamp {
        self.stamp.at
    }

    /// Performs a command; the first one moves the state to the stamp. Values may wait until [`Session::settle`].
    pub(super) fn perform(&mut self, command: Command) {
        if self.batch.commands.is_empty() {
            advance(self.state, self.stamp);
        }
        if values_can_wait(self.state, &command) {
            enter(self.state, &command, &mut self.outcome);
            self.batch.commands.push(command);
            return;
        }
        self.settle();
        perform(self.state, self.stamp.at, &command, &mut self.outcome);
        self.batch.commands.push(command);
        self.filled = self.batch.commands.len();
    }

    /// Writes the values that wait; to be called before any value is read.
    fn settle(&mut self) {
        fill(self.state, &self.batch.commands[self.filled..]);
        self.filled = self.batch.commands.len();
    }

    /// The value of a contact, as of the commands so far.
    pub(super) fn value(&mut self, property: PropertyId, contact: ContactId) -> Option<Value> {
        self.settle();
        self.state.index.value(property, contact)
    }

    pub(super) fn contact(&self, key: &ContactKey) -> Option<ContactId> {
        self.state.index.directory().id(key.as_str())
    }

    fn judge(&mut self, request: &Request) -> Result<Applied, Refusal> {
        match request {
            Request::Contact(write) => self.write_contact(write),
            Request::Erase(key) => {
                let contact = self.contact(key).ok_or_else(|| not_found("contact", key.as_str()))?;
                self.perform(Command::Erase(contact));
                Ok(Applied::Removed)
            }
            Request::Merge(merge) => self.merge_contacts(merge),
            Request::Join(join) => self.join_contacts(join),
            Request::Event(write) => self.write_event(write),
            Request::Message(message) => self.take_message(message),
            Request::RemoveEvent(id) => {
                if self.state.index.find_event(id).is_none() {
                    return Err(not_found("event", id));
                }
                self.perform(Command::RemoveEvent(id.clone()));
                Ok(Applied::Removed)
            }
            Request::Schema(patch) => self.change_schema(patch),
            Request::CreateSegment(create) => self.create_segment(create, None),
            Request::UpdateSegment(update) => self.update_segment(update, None, false),
            Request::DeleteSegment(name) => self.delete_segment(name, false),
            Request::EditMembers(edit) => self.edit_members(edit, false),
            Request::Suppression(write) => self.change_suppressions(write),
            Request::Tick(to) if *to > self.at() => {
                let detail = format!("the clock stands at {} and only its owner moves it to {to}", self.at());
                Err(refusal(RefusalKind::Conflict, "clock_ahead", "", detail))
            }
            Request::Tick(_) => {
                self.perform(Command::Tick);
                Ok(Applied::Updated)
            }
            Request::Found(zone) => {
                if self.stamp.lsn.0 != 1 || !self.batch.commands.is_empty() {
                    let detail = "the time zone was set when the database was made".to_owned();
                    return Err(refusal(RefusalKind::Conflict, "founded", "", detail));
                }
                self.perform(Command::Found(zone.clone()));
                Ok(Applied::Created)
            }
        }
    }

    /// A message that is refused is as if it had not come.
    fn take_message(&mut self, message: &Message) -> Result<Applied, Refusal> {
        if self.messages.contains(&message.digest) || self.state.messages.contains(message.digest, self.at()) {
            return Ok(Applied::Duplicate);
        }
        let mut applied = Applied::Unchanged;
        for request in &message.requests {
            applied = self.judge(request)?;
        }
        self.messages.insert(message.digest);
        Ok(applied)
    }

    fn change_schema(&mut self, patch: &SchemaPatch) -> Result<Applied, Refusal> {
        let after = self.state.schema.patched(patch)?;
        let change = SchemaChange::between(&self.state.schema, &after);
        if change.is_empty() {
            return Ok(Applied::Unchanged);
        }
        self.judge_rules(&after)?;
        self.perform(Command::Declare(change));
        Ok(Applied::Updated)
    }

    /// Every saved rule must still hold under a changed schema.
    fn judge_rules(&self, after: &Schema) -> Result<(), Refusal> {
        let mut broken = Vec::new();
        let mut reason = String::new();
        for segment in self.state.book.iter() {
            let Body::Dynamic(dynamic) = &segment.body else { continue };
            if let Err(error) = rule::check(&dynamic.rule, after) {
                broken.push(format!("\"{}\"", segment.name));
                reason = error.message;
            }
        }
        if broken.is_empty() {
            return Ok(());
        }
        let detail = format!("the rules of these segments would no longer hold: {} ({reason})", broken.join(", "));
        Err(refusal(RefusalKind::Conflict, "in_use", "", detail))
    }

    /// Declares names seen for the first time; nothing saved can name them yet.
    pub(super) fn declare(&mut self, after: &Schema) {
        let change = SchemaChange::between(&self.state.schema, after);
        self.perform(Command::Declare(change));
    }

    pub(super) fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.state.schema)
    }

    /// Refuses when no more contacts can be numbered.
    pub(super) fn room_for_contact(&self) -> Result<(), Refusal> {
        if self.state.index.directory().next_id() < limits::CONTACTS_MAX {
            return Ok(());
        }
        let detail = format!("{} contacts were made over time; no more can be", limits::CONTACTS_MAX);
        Err(refusal(RefusalKind::TooLarge, "too_many", "", detail))
    }
}

/// A refusal.
pub(super) fn refusal(kind: RefusalKind, code: &'static str, pointer: &str, detail: String) -> Refusal {
    Refusal { kind, code, pointer: pointer.into(), detail }
}

/// The refusal of a thing that is not there.
pub(super) fn not_found(what: &'static str, name: &str) -> Refusal {
    let code = match what {
        "contact" => "unknown_contact",
        "event" => "unknown_event",
        "suppression" => "unknown_suppression",
        _ => "unknown_segment",
    };
    refusal(RefusalKind::NotFound, code, "", format!("there is no {what} \"{name}\""))
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
