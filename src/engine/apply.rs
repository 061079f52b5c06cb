//! Applying: a stamped batch changes the state. It cannot fail; what could go wrong was settled by `admit`.

use std::sync::Arc;

use crate::{
    engine::{
        columns,
        command::{Batch, Command, ContactCommand, EventCommand, SegmentBody, SegmentChange, SegmentCommand, Stamp},
        state::State,
    },
    index::Index,
    model::{
        id::ContactId,
        schema::{Property, Schema},
        time::Timestamp,
        value::Value,
    },
    rule::ast::Rule,
    segment::{
        book::posting_of,
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
    outcome
}

/// Moves the state to a stamp: future-dated events up to it come due.
pub(super) fn advance(state: &mut State, stamp: Stamp) {
    assert_eq!(stamp.lsn.0, state.lsn.0 + 1, "batches follow each other in the log");
    assert!(stamp.at >= state.as_of, "stamps never run backwards: {} after {}", stamp.at, state.as_of);
    state.lsn = stamp.lsn;
    state.as_of = stamp.at;
    state.index.advance(stamp.at);
}

/// Performs one command on an advanced state.
pub(super) fn perform(state: &mut State, at: Timestamp, command: &Command, outcome: &mut Outcome) {
    match command {
        Command::Found(zone) => {
            let State { index, schema, .. } = state;
            *schema = Arc::new(Schema::starter(zone.clone()));
            *index = Index::new(schema);
            index.sync_events(schema, at);
        }
        Command::Tick => {}
        Command::Declare(change) => {
            let State { index, schema, .. } = state;
            *schema = Arc::new(change.applied_to(schema));
            index.sync_schema(schema);
            index.sync_events(schema, at);
        }
        Command::Contact(command) => contact(state, at, command, outcome),
        Command::Erase(contact) => {
            let key: Box<str> = state.index.directory().key(*contact).into();
            state.memory.erase(&key);
            state.book.erase(*contact);
            state.index.erase_events(*contact);
            outcome.erased += u64::from(state.index.erase(*contact));
        }
        Command::Event(command) => {
            event(state, at, command);
            outcome.recorded += 1;
        }
        Command::RemoveEvent(id) => drop(state.index.remove_event(at, id)),
        Command::CreateSegment(command) => create_segment(state, command, at),
        Command::UpdateSegment(change) => update_segment(state, change, at),
        Command::DeleteSegment(id) => drop(state.book.remove(*id)),
        Command::EditMembers { segment, mode, contacts } => {
            state.book.edit_list(*segment, *mode, contacts, at);
        }
        Command::Remember { key, outcome } => state.memory.keep(key, outcome.clone()),
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
    outcome.created += 1;
}

/// Writes the values of commands that were entered.
pub(super) fn fill(state: &mut State, commands: &[Command]) {
    let contacts = commands.iter().filter_map(|command| match command {
        Command::Contact(command) => Some(command),
        _ => None,
    });
    columns::fill(&mut state.index, contacts);
}

fn contact(state: &mut State, at: Timestamp, command: &ContactCommand, outcome: &mut Outcome) {
    let State { index, schema, .. } = state;
    let ContactCommand { contact, key, replace, values } = command;
    if let Some(key) = key {
        let given = index.insert(key);
        assert_eq!(given, (*contact, true), "contacts are numbered in order of first sight");
        outcome.created += 1;
    } else if *replace {
        for property in schema.properties() {
            if values.binary_search_by_key(&property.id, |(id, _)| *id).is_err() {
                write(index, schema, at, property, *contact, None);
            }
        }
    }
    for (id, value) in values {
        let property = schema.property_by_id(*id).expect("admitted values are of declared properties");
        write(index, schema, at, property, *contact, value.as_ref());
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
}

fn rule_of(text: &RuleText, schema: &Schema) -> Arc<Rule> {
    Arc::new(text.parse(schema).expect("a rule that was admitted parses under the same schema"))
}

fn create_segment(state: &mut State, command: &SegmentCommand, at: Timestamp) {
    let SegmentCommand { id, name, description, body } = command.clone();
    let body = match body {
        SegmentBody::List(contacts) => Body::Static(posting_of(&contacts)),
        SegmentBody::Rule(rule) => Body::Dynamic(Dynamic {
            rule: rule_of(&rule, &state.schema),
            versions: vec![Version { number: 1, at, rule }],
            include: Default::default(),
            exclude: Default::default(),
        }),
    };
    state.book.insert(Segment { id, name, description, created: at, updated: at, body });
}

fn update_segment(state: &mut State, change: &SegmentChange, at: Timestamp) {
    let SegmentChange { id, name, description, rule } = change;
    if let Some(rule) = rule {
        state.book.set_rule(*id, rule_of(rule, &state.schema), rule.clone(), at);
    }
    if let Some(description) = description {
        state.book.describe(*id, description.clone(), at);
    }
    if let Some(name) = name {
        state.book.rename(*id, name, at, &state.schema);
    }
}
