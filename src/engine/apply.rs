//! Applying: a stamped batch changes the state. It cannot fail; what could go wrong was settled by `admit`.

use std::sync::Arc;

use crate::{
    engine::{
        columns,
        command::{
            Batch, Command, ContactCommand, EventCommand, SchemaChange, SegmentBody, SegmentChange, SegmentCommand,
            Stamp,
        },
        state::State,
    },
    index::Index,
    model::{
        id::{ContactId, EventKindId, SegmentId},
        planted::{Bug, planted},
        request::MembersMode,
        schema::{Property, Schema},
        time::Timestamp,
        value::Value,
    },
    rule::ast::Rule,
    segment::{
        book::posting_of,
        feed::Cause,
        live::Moment,
        saved::{Body, Dynamic, RuleText, Segment, Version},
    },
};

/// What applying a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Contacts made.
    pub created: u64,
    /// Contacts erased.
    pub erased: u64,
    /// Events recorded.
    pub recorded: u64,
}

/// Applies a batch: first lets come due what is due by its stamp, then performs its commands in order.
///
/// Panics: when the stamp does not follow the state's, or a command does not fit the state it was admitted to.
pub fn apply(state: &mut State, stamp: Stamp, batch: &Batch) -> Outcome {
    let mut outcome = Outcome::default();
    advance(state, stamp);
    let mut rest = batch.commands.as_slice();
    while let Some((command, later)) = rest.split_first() {
        let run = rest.iter().take_while(|command| values_can_wait(state, command)).count();
        if run > 1 {
            let (run, later) = rest.split_at(run);
            run.iter().for_each(|command| enter(state, command, &mut outcome));
            fill(state, run);
            rest = later;
        } else {
            perform(state, stamp.at, command, &mut outcome);
            rest = later;
        }
    }
    settle(state, Cause::Write);
    outcome
}

/// Moves the state to a stamp: what comes due by then does, in order, each at its own instant.
pub(super) fn advance(state: &mut State, stamp: Stamp) {
    assert_eq!(stamp.lsn.0, state.lsn.0 + 1, "batches follow each other in the log");
    assert!(stamp.at >= state.as_of, "stamps never run backwards: {} after {}", stamp.at, state.as_of);
    state.lsn = stamp.lsn;
    pass(state, stamp.at);
    state.as_of = stamp.at;
    state.live.forget_erased(stamp.at);
}

/// Lets time pass: what comes due up to an instant does, each thing at its own.
pub(super) fn pass(state: &mut State, until: Timestamp) {
    while let Some(at) = state.next_due().filter(|due| *due <= until) {
        // Without saved rules nothing depends on the order.
        if state.live.is_idle() {
            step(state, until);
            continue;
        }
        // Up to the instant before the next event that comes due no fact changes.
        let still = state.index.next_due().map_or(until, |due| due.plus_ms(-1).min(until));
        let lsn = state.lsn;
        let (live, facts) = state.live_and_facts();
        match if at <= still { live.march(facts, still, lsn) } else { None } {
            Some(reached) => state.as_of = reached,
            None => step(state, at),
        }
    }
}

/// Lets come due what is due by an instant, which is the first such instant.
fn step(state: &mut State, at: Timestamp) {
    state.as_of = at;
    for due in state.index.advance(at) {
        touch_event(state, due.contact, due.kind);
    }
    let moment = Moment { at, lsn: state.lsn, cause: Cause::Time };
    let (live, facts) = state.live_and_facts();
    live.step(facts, moment);
}

/// Brings the memberships up to date with what was written since the last time.
pub(super) fn settle(state: &mut State, cause: Cause) {
    let moment = Moment { at: state.as_of, lsn: state.lsn, cause };
    let (live, facts) = state.live_and_facts();
    live.settle(facts, moment);
}

fn touch_event(state: &mut State, contact: ContactId, kind: EventKindId) {
    let State { live, index, .. } = state;
    live.touch_kind(contact, kind);
    index.derived_from(kind).for_each(|property| live.touch_property(contact, property));
}

/// Performs one command on an advanced state. Memberships follow writes of contacts and events when the next command
/// of another kind is performed, and at the end of the batch.
pub(super) fn perform(state: &mut State, at: Timestamp, command: &Command, outcome: &mut Outcome) {
    match command {
        Command::Contact(command) => return contact(state, at, command, outcome),
        Command::Event(command) => {
            outcome.recorded += 1;
            return event(state, at, command);
        }
        Command::RemoveEvent(id) => {
            if let Some(removed) = state.index.remove_event(at, id) {
                touch_event(state, removed.contact, removed.kind);
            }
            return;
        }
        Command::Merge { from, into } => return merge(state, *from, *into),
        _ => settle(state, Cause::Write),
    }
    match command {
        Command::Found(zone) => {
            let State { index, schema, .. } = state;
            *schema = Arc::new(Schema::starter(zone.clone()));
            *index = Index::new(schema);
            index.sync_events(schema, at);
        }
        Command::Declare(change) => declare(state, at, change),
        Command::Erase(contact) => outcome.erased += u64::from(erase(state, *contact)),
        Command::CreateSegment(command) => create_segment(state, command, at),
        Command::UpdateSegment(change) => update_segment(state, change, at),
        Command::DeleteSegment(id) => delete_segment(state, *id),
        Command::EditMembers { segment, mode, contacts } => edit_members(state, *segment, *mode, contacts, at),
        Command::Remember { key, outcome } => state.memory.keep(key, outcome.clone()),
        Command::Messages(digests) => state.messages.keep(digests, at),
        Command::Tick | Command::Contact(_) | Command::Event(_) | Command::RemoveEvent(_) | Command::Merge { .. } => {}
    }
}

/// Whether a command writes nothing but values of plain properties to a contact: once it is entered, the values may
/// wait until something asks for them, and no property waits for another one.
pub(super) fn values_can_wait(state: &State, command: &Command) -> bool {
    let Command::Contact(ContactCommand { replace: false, values, .. }) = command else { return false };
    let plain = |property: &Property| property.derived.is_none();
    values.iter().all(|(id, _)| state.schema.property_by_id(*id).is_some_and(plain))
}

/// Performs a command whose values can wait, but for its values: whoever is new has an id from here on.
pub(super) fn enter(state: &mut State, command: &Command, outcome: &mut Outcome) {
    let Command::Contact(ContactCommand { contact, key: Some(key), .. }) = command else { return };
    let given = state.index.insert(key);
    assert_eq!(given, (*contact, true), "contacts are numbered in order of first sight");
    state.live.touch_new(*contact);
    outcome.created += 1;
}

/// Writes the values of commands that were entered.
pub(super) fn fill(state: &mut State, commands: &[Command]) {
    let contacts = commands.iter().filter_map(|command| match command {
        Command::Contact(command) => Some(command),
        _ => None,
    });
    columns::fill(&mut state.index, contacts.clone());
    if !state.live.is_idle() {
        for command in contacts {
            command.values.iter().for_each(|(property, _)| state.live.touch_property(command.contact, *property));
        }
    }
}

fn declare(state: &mut State, at: Timestamp, change: &SchemaChange) {
    let before = Arc::clone(&state.schema);
    let State { index, schema, .. } = state;
    *schema = Arc::new(change.applied_to(schema));
    index.sync_schema(schema);
    index.sync_events(schema, at);
    let is_harmless = change.leaves_answers(&before);
    let moment = Moment { at, lsn: state.lsn, cause: Cause::Rule };
    let (live, facts) = state.live_and_facts();
    live.redeclare(facts, is_harmless, moment);
}

fn erase(state: &mut State, contact: ContactId) -> bool {
    let key: Box<str> = state.index.directory().key(contact).into();
    if !planted(Bug::KeepErasedKeys) {
        state.memory.erase(&key);
    }
    state.book.erase(contact);
    state.index.erase_events(contact);
    let was_live = state.index.erase(contact);
    let moment = Moment { at: state.as_of, lsn: state.lsn, cause: Cause::Erase };
    let (live, facts) = state.live_and_facts();
    live.erase(facts, contact, &key, moment);
    was_live
}

/// Both contacts change at once, with whatever was touched before: who was two people at the end of the last batch is
/// one at the end of this one, and nothing in between is told.
fn merge(state: &mut State, from: ContactId, into: ContactId) {
    let key: Box<str> = state.index.directory().key(from).into();
    state.memory.erase(&key);
    let lists = state.book.merge(from, into);
    let State { index, schema, live, as_of, .. } = state;
    let moved = index.merge(schema, *as_of, from, into);
    moved.properties.iter().for_each(|property| live.touch_property(into, *property));
    moved.kinds.iter().for_each(|kind| live.touch_kind(into, *kind));
    let moment = Moment { at: state.as_of, lsn: state.lsn, cause: Cause::Write };
    let (live, facts) = state.live_and_facts();
    live.merge(facts, (from, &key), into, &lists, moment);
}

fn contact(state: &mut State, at: Timestamp, command: &ContactCommand, outcome: &mut Outcome) {
    let State { index, schema, live, .. } = state;
    let ContactCommand { contact, key, replace, values } = command;
    if let Some(key) = key {
        let given = index.insert(key);
        assert_eq!(given, (*contact, true), "contacts are numbered in order of first sight");
        live.touch_new(*contact);
        outcome.created += 1;
    } else if *replace {
        for property in schema.properties() {
            if values.binary_search_by_key(&property.id, |(id, _)| *id).is_err() {
                write(index, schema, at, property, *contact, None);
                live.touch_property(*contact, property.id);
            }
        }
    }
    for (id, value) in values {
        let property = schema.property_by_id(*id).expect("admitted values are of declared properties");
        write(index, schema, at, property, *contact, value.as_ref());
        live.touch_property(*contact, *id);
    }
}

fn write(
    index: &mut Index,
    schema: &Schema,
    at: Timestamp,
    property: &Property,
    contact: ContactId,
    value: Option<&Value>,
) {
    if property.derived.is_some() {
        index.write_derived(schema, at, property.id, contact, value);
    } else {
        index.write(property.id, contact, value);
    }
}

fn event(state: &mut State, as_of: Timestamp, command: &EventCommand) {
    let EventCommand { kind, contact, at, id, values } = command;
    let width = values.last().map_or(0, |(position, _)| usize::from(*position) + 1);
    let mut dense: Vec<Option<Value>> = vec![None; width];
    for (position, value) in values {
        dense[usize::from(*position)] = Some(value.clone());
    }
    let State { index, schema, .. } = state;
    index.record_event(schema, as_of, *contact, *kind, *at, &dense, id.as_deref());
    if *at <= as_of {
        touch_event(state, *contact, *kind);
    }
}

fn rule_of(text: &RuleText, schema: &Schema) -> Arc<Rule> {
    Arc::new(text.parse(schema).expect("a rule that was admitted parses under the same schema"))
}

fn create_segment(state: &mut State, command: &SegmentCommand, at: Timestamp) {
    let SegmentCommand { id, name, description, channels, body, by } = command.clone();
    let body = match body {
        SegmentBody::List(contacts) => Body::Static(posting_of(&contacts)),
        SegmentBody::Frozen(of) => Body::Static(state.live.members(of).clone()),
        SegmentBody::Rule(rule) => Body::Dynamic(Dynamic {
            rule: rule_of(&rule, &state.schema),
            versions: vec![Version { number: 1, at, by, rule }],
            include: Default::default(),
            exclude: Default::default(),
        }),
    };
    state.book.insert(Segment { id, name, description, created: at, updated: at, body, channels });
    let is_list = matches!(body_of(state, id), Some(Body::Static(_)));
    let moment = Moment { at, lsn: state.lsn, cause: if is_list { Cause::Manual } else { Cause::Rule } };
    let (live, facts) = state.live_and_facts();
    live.define(facts, id, moment);
}

fn body_of(state: &State, id: SegmentId) -> Option<&Body> {
    state.book.get(id).map(|segment| &segment.body)
}

fn update_segment(state: &mut State, change: &SegmentChange, at: Timestamp) {
    let SegmentChange { id, name, description, channels, rule, by } = change;
    if let Some(rule) = rule {
        state.book.set_rule(*id, rule_of(rule, &state.schema), rule.clone(), at, by.clone());
        let moment = Moment { at, lsn: state.lsn, cause: Cause::Rule };
        let (live, facts) = state.live_and_facts();
        live.define(facts, *id, moment);
    }
    if let Some(description) = description {
        state.book.describe(*id, description.clone(), at);
    }
    if let Some(channels) = channels {
        state.book.set_channels(*id, channels.clone(), at);
    }
    if let Some(name) = name {
        state.book.rename(*id, name, at, &state.schema);
    }
}

fn delete_segment(state: &mut State, id: SegmentId) {
    let moment = Moment { at: state.as_of, lsn: state.lsn, cause: Cause::Rule };
    let (live, facts) = state.live_and_facts();
    live.delete(facts, id, moment);
    state.book.remove(id);
}

fn edit_members(state: &mut State, segment: SegmentId, mode: MembersMode, contacts: &[ContactId], at: Timestamp) {
    if !state.book.edit_list(segment, mode, contacts, at) {
        return;
    }
    let moment = Moment { at, lsn: state.lsn, cause: Cause::Manual };
    let contacts = (mode != MembersMode::Replace).then_some(contacts);
    let (live, facts) = state.live_and_facts();
    live.edited(facts, segment, contacts, moment);
}
