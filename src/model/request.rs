//! Requests: what a caller asks to have written, by outside names, before the engine has judged it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{
    calendar::Zone,
    currency::Currency,
    name::{ContactKey, Name},
    number::Number,
    schema::Derived,
    time::Timestamp,
};

/// A value as it came from outside: its shape is known, its type is the schema's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// JSON `null`, or an empty field of a CSV file in replace mode: no value.
    Null,
    /// JSON `true` or `false`.
    Flag(bool),
    /// A JSON number.
    Number(Number),
    /// A JSON string.
    Text(Box<str>),
    /// A field of a CSV file: a text that may stand for any type.
    Cell(Box<str>),
    /// A JSON array.
    List(Vec<Input>),
    /// `{"add":[…],"remove":[…]}`: an edit of a multi-valued property.
    Edit {
        /// Values to add.
        add: Vec<Input>,
        /// Values to take away.
        remove: Vec<Input>,
    },
    /// Any other JSON object; no property takes one.
    Object,
}

/// What happens to the properties that a contact write does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// They are removed (PUT).
    Replace,
    /// They stay (PATCH).
    Merge,
}

/// A contact to create, replace or merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactWrite {
    /// Who.
    pub key: ContactKey,
    /// What becomes of properties that are not named.
    pub mode: WriteMode,
    /// The properties named; a name that the schema does not know yet is declared by inference.
    pub values: Vec<(Name, Input)>,
}

/// Two contacts that are one person: what is known of the first goes to the second, and the first is gone. Where both
/// have a value that of the second stays; of sets both have all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactMerge {
    /// Who is given up; nothing happens when there is no such contact.
    pub from: ContactKey,
    /// Who stays; made when there is no such contact.
    pub into: ContactKey,
}

/// Two contacts that are one person, and what is written of that person: both are done, or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactJoin {
    /// Who is given up, as by a [`ContactMerge`]; without such a contact it is the write alone.
    pub from: ContactKey,
    /// Who stays, and what is written there once the two are one.
    pub write: ContactWrite,
}

/// An event to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventWrite {
    /// The caller's id; the same id twice counts once.
    pub id: Option<Box<str>>,
    /// Who did it; an unknown contact is created.
    pub contact: ContactKey,
    /// What was done; an unknown kind is declared.
    pub event: Name,
    /// When, or `None` for now.
    pub at: Option<Timestamp>,
    /// Its properties.
    pub properties: Vec<(Name, Input)>,
}

/// A change of the schema: objects are merged key by key, lists replaced, `None` drops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaPatch {
    /// Properties by name.
    pub properties: Vec<(Name, Option<PropertyPatch>)>,
    /// Event kinds by name.
    pub events: Vec<(Name, Option<EventPatch>)>,
}

/// A change of one property; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyPatch {
    /// The type's name, `money`.
    pub ty: Option<Box<str>>,
    /// The currency of a money property.
    pub currency: Option<Currency>,
    /// All aliases.
    pub aliases: Option<Vec<Name>>,
    /// Whether texts are compared with case.
    pub case_sensitive: Option<bool>,
    /// How it is computed from events; `Some(None)` makes it plain.
    pub derived: Option<Option<Derived>>,
}

/// A change of one event kind; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPatch {
    /// All phrases that say it happened.
    pub phrases: Option<Vec<Box<str>>>,
    /// All phrases that say it did not.
    pub negative: Option<Vec<Box<str>>>,
    /// The label property; `Some(None)` takes it away.
    pub label: Option<Option<Name>>,
    /// Whether it counts as activity.
    pub activity: Option<bool>,
    /// Its properties by name; `None` drops one.
    pub properties: Vec<(Name, Option<EventPropertyPatch>)>,
}

/// A change of one property of an event kind; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPropertyPatch {
    /// The type's name.
    pub ty: Option<Box<str>>,
    /// The currency of a money property.
    pub currency: Option<Currency>,
    /// Whether texts are compared with case.
    pub case_sensitive: Option<bool>,
}

/// What a segment is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentSource {
    /// A rule, as text or as JSON text.
    Rule(RuleSource),
    /// A list of keys.
    Members(Vec<ContactKey>),
    /// A list of whom a segment holds now.
    Frozen(Box<str>),
}

/// The channels that a suppression masks, by name, folded, sorted; none stands for every channel.
pub type Channels = Vec<Box<str>>;

/// A change of the suppressions: masks over every audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuppressionWrite {
    /// Makes one.
    Create(SegmentCreate, Channels),
    /// Changes one; channels that are `None` stay.
    Update(SegmentUpdate, Option<Channels>),
    /// Deletes one.
    Delete(Box<str>),
    /// Edits its list, or its pins.
    Edit(MembersEdit),
}

/// A rule as it was sent: text, or JSON (as its document text).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSource {
    /// The text form.
    Text(Arc<str>),
    /// The JSON form.
    Json(Arc<str>),
}

/// A new segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentCreate {
    /// Its name, as written; unique without regard to case.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// What it is made from.
    pub source: SegmentSource,
}

/// A change of a segment; what is `None` stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentUpdate {
    /// Which one, without regard to case.
    pub segment: Box<str>,
    /// A new name.
    pub name: Option<Box<str>>,
    /// A new description; `Some(None)` takes it away.
    pub description: Option<Option<Box<str>>>,
    /// A new rule, of a dynamic segment.
    pub rule: Option<RuleSource>,
}

/// How a list of keys changes a segment: a static one by its list, a dynamic one by pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MembersMode {
    /// Add the keys to a static list.
    Add,
    /// Take them away.
    Remove,
    /// Exactly these keys.
    Replace,
    /// Pin them in, whatever a dynamic segment's rule says; undoes `Exclude`.
    Include,
    /// Pin them out; undoes `Include`.
    Exclude,
    /// Return them to the rule.
    Clear,
}

impl MembersMode {
    /// Whether it is a pin, for dynamic segments, and not a change of a static list.
    pub fn is_pin(self) -> bool {
        matches!(self, MembersMode::Include | MembersMode::Exclude | MembersMode::Clear)
    }
}

/// A change of a static segment's list or of a dynamic segment's pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembersEdit {
    /// Which segment.
    pub segment: Box<str>,
    /// Edits in order.
    pub edits: Vec<(MembersMode, Vec<ContactKey>)>,
    /// Whether unknown keys become contacts; else they are left out and told.
    pub create: bool,
}

/// One thing to write. Each is judged by itself: a refused one leaves the others of its batch alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Create, replace or merge a contact.
    Contact(ContactWrite),
    /// Erase a contact with its events, from everything.
    Erase(ContactKey),
    /// Make one contact out of two.
    Merge(ContactMerge),
    /// Make one contact out of two and write to it.
    Join(ContactJoin),
    /// Record an event.
    Event(EventWrite),
    /// Do what a message says, unless it came before.
    Message(Message),
    /// Take an event away by its id.
    RemoveEvent(Box<str>),
    /// Change the schema.
    Schema(SchemaPatch),
    /// Save a segment.
    CreateSegment(SegmentCreate),
    /// Change a segment.
    UpdateSegment(SegmentUpdate),
    /// Delete a segment.
    DeleteSegment(Box<str>),
    /// Change a static segment's list or a dynamic segment's pins.
    EditMembers(MembersEdit),
    /// Change the suppressions.
    Suppression(SuppressionWrite),
    /// Move the clock ahead (manual clock), or let what is due come due.
    Tick(Timestamp),
    /// Set the time zone; only a new folder's first entry.
    Found(Zone),
}

impl Request {
    /// Whether it takes something away, keeps somebody from being written to, or only lets time pass: what is still
    /// written with the last of the room.
    pub fn is_urgent(&self) -> bool {
        use MembersMode::{Add, Exclude, Include, Remove};
        let only = |edit: &MembersEdit, modes: &[MembersMode]| edit.edits.iter().all(|(mode, _)| modes.contains(mode));
        match self {
            Request::Erase(_)
            | Request::RemoveEvent(_)
            | Request::DeleteSegment(_)
            | Request::Suppression(SuppressionWrite::Delete(_) | SuppressionWrite::Create(..))
            | Request::Tick(_)
            | Request::Found(_) => true,
            Request::EditMembers(edit) => only(edit, &[Remove, Exclude]),
            Request::Suppression(SuppressionWrite::Edit(edit)) => only(edit, &[Remove, Add, Include]),
            Request::Contact(_)
            | Request::Merge(_)
            | Request::Join(_)
            | Request::Event(_)
            | Request::Message(_)
            | Request::Schema(_)
            | Request::CreateSegment(_)
            | Request::UpdateSegment(_)
            | Request::Suppression(SuppressionWrite::Update(..)) => false,
        }
    }
}

/// What a message says, which is done once: all of it, as one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A digest of the id that its sender gave it.
    pub digest: u64,
    /// What is to be done; the first of these that is refused ends it.
    pub requests: Vec<Request>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Applied {
    /// A contact or segment that was not there before.
    Created,
    /// One that was.
    Updated,
    /// Nothing changed: it was already so.
    Unchanged,
    /// An event was recorded.
    Recorded,
    /// An event or a message of this id came before.
    Duplicate,
    /// A contact, event or segment is gone.
    Removed,
    /// A segment's list or pins were changed; these keys are unknown and were left out.
    Members {
        /// Unknown keys.
        unknown: Vec<ContactKey>,
    },
}

/// What kind of refusal it is, which decides the status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalKind {
    /// Well-formed but refused: a value of the wrong type, a bad rule.
    Invalid,
    /// The thing named is not there.
    NotFound,
    /// It clashes with what is there.
    Conflict,
    /// Over a limit.
    TooLarge,
}

/// Why a request was refused. Nothing of it was logged or applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// What kind it is.
    pub kind: RefusalKind,
    /// A stable word for programs, `wrong_type`.
    pub code: &'static str,
    /// Where in the record, `/lead_score`; empty for the whole.
    pub pointer: String,
    /// What is wrong and what was expected, for people.
    pub detail: String,
}

/// Every code that a refusal may bear, sorted; a remembered refusal finds its code here again.
pub const REFUSAL_CODES: [&str; 35] = [
    "bad_amount",
    "bad_channel",
    "bad_derived",
    "bad_event_id",
    "bad_label",
    "bad_name",
    "bad_phrase",
    "bad_rule",
    "clock_ahead",
    "computed",
    "cycle",
    "dropped",
    "duplicate_name",
    "founded",
    "in_use",
    "missing_type",
    "name_taken",
    "no_type",
    "not_dynamic",
    "not_money",
    "not_static",
    "not_text",
    "phrase_taken",
    "reserved_name",
    "too_many",
    "too_many_values",
    "type_change",
    "unknown_contact",
    "unknown_event",
    "unknown_property",
    "unknown_segment",
    "unknown_suppression",
    "unknown_type",
    "value_too_long",
    "wrong_type",
];
