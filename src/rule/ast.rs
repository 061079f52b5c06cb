//! The tree of a rule. It names things by canonical name and holds typed operands; it never holds data.
//!
//! Canonical by construction: `and`, `or` and `xor` have at least two children (an empty one is a constant, a single
//! one is its child), counts have no default spelled out, and tags have nodes of their own.

use std::collections::BTreeMap;

use crate::model::{
    calendar::{Length, Period},
    currency::Currency,
    name::Name,
    number::Number,
    schema::Function,
    time::{Day, Timestamp},
};

/// A rule: for each contact, in or out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Everyone.
    All,
    /// No one.
    None,
    /// In every one of two or more rules.
    And(Vec<Rule>),
    /// In at least one of two or more rules.
    Or(Vec<Rule>),
    /// In an odd number of two or more rules.
    Xor(Vec<Rule>),
    /// Not in a rule.
    Not(Box<Rule>),
    /// In so many of one or more rules.
    Of {
        /// At least, at most or exactly.
        quantity: Quantity,
        /// How many.
        n: u32,
        /// Of these.
        rules: Vec<Rule>,
    },
    /// A test of one property.
    Property(PropertyTest),
    /// Has a tag (the property `tags`).
    Tag(Box<str>),
    /// Has any of the tags; at least one is listed.
    AnyTag(Vec<Box<str>>),
    /// Has all of the tags; at least one is listed.
    AllTags(Vec<Box<str>>),
    /// The part after the last `@` of an email property is one of these, compared without case.
    EmailDomain {
        /// The property; `None` is `email`.
        property: Option<Name>,
        /// At least one.
        domains: Vec<Box<str>>,
    },
    /// Did an event so many times.
    Event(EventTest),
    /// An aggregate over events, compared.
    Aggregate(AggregateTest),
    /// A test of the first or last event.
    Edge(EdgeTest),
    /// Events one after the other.
    Sequence(SequenceTest),
    /// On how many distinct calendar days.
    Days(EventTest),
    /// In how many of the last so many spans.
    Regularly(RegularTest),
    /// A member of a segment, by name as written.
    Segment(Box<str>),
    /// In a range of the buckets that a stable hash of key and name deals contacts into.
    Bucket {
        /// The name of the experiment.
        name: Box<str>,
        /// How many buckets, at least 1.
        of: u32,
        /// Which ones.
        range: BucketRange,
    },
}

/// How a number of rules is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// `n` or more.
    AtLeast,
    /// `n` or fewer.
    AtMost,
    /// Just `n`.
    Exactly,
}

/// Which buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BucketRange {
    /// Those below.
    Below(u32),
    /// From the first to the second, both included.
    Between(u32, u32),
}

/// A comparison sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// A test of one property of a contact or, inside `where` and `having`, of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PropertyTest {
    /// Which property, by canonical name.
    pub property: Name,
    /// What must hold.
    pub test: Test,
    /// Whether contacts without the value match; `None` leaves it to the operator (negative ones match).
    pub missing: Option<bool>,
}

/// What must hold of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// There is a value.
    IsSet,
    /// There is none.
    IsNotSet,
    /// A comparison with an operand of the property's type. `Ne` is negative. On a set property, `Eq` means that
    /// some value is equal.
    Compare(Comparison, Operand),
    /// From the first to the second, both included.
    Between(Operand, Operand),
    /// Any of one or more operands (or, negated, none of them).
    In {
        /// Whether it is `not in`.
        negated: bool,
        /// At least one.
        values: Vec<Operand>,
    },
    /// Every one of the texts, on a set property.
    HasAll(Vec<Box<str>>),
    /// A text test; on a set property some value passes it.
    Text {
        /// Which.
        op: TextOp,
        /// Whether it is the complement.
        negated: bool,
        /// What is looked for; never empty.
        pattern: Box<str>,
    },
    /// The age, `now − P`, compared; see the contract for which ends are included. Only `Lt`, `Le`, `Gt`, `Ge`.
    Age(Comparison, Length),
    /// `0 <= age <= N`.
    Within(Length),
    /// `0 < −age <= N`.
    Next(Length),
    /// `−age`, which must be positive, compared. Only `Lt`, `Le`, `Gt`, `Ge`.
    Ahead(Comparison, Length),
    /// On a day.
    On(Day),
    /// Before a moment (a date: before its start).
    Before(Moment),
    /// After a moment (a date: from the next day on).
    After(Moment),
    /// Inside a calendar period.
    InPeriod(Period),
    /// Month and day fall on today … today + N days. Units: days; 0 is today alone.
    Anniversary(u32),
}

/// A text test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextOp {
    /// Has the pattern somewhere.
    Contains,
    /// Begins with it.
    StartsWith,
    /// Ends with it.
    EndsWith,
    /// The whole value matches a glob of `*`, `?` and `\` escapes.
    Glob,
    /// A regular expression is found in it.
    Regex,
}

/// A typed operand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// For text, email, category and set.
    Text(Box<str>),
    /// For booleans.
    Flag(bool),
    /// For numbers.
    Number(Number),
    /// For money. Units: minor units.
    Money(i64, Currency),
    /// For dates and timestamps: the whole day in the database's zone.
    Date(Day),
    /// For timestamps.
    Instant(Timestamp),
}

/// A date or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// A whole day.
    Date(Day),
    /// One instant.
    Instant(Timestamp),
}

/// A condition on one event's properties.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Where {
    /// A test of one property of the event.
    Test(PropertyTest),
    /// All of two or more.
    And(Vec<Where>),
    /// Any of two or more.
    Or(Vec<Where>),
    /// The complement.
    Not(Box<Where>),
}

/// Bounds on a count, all of which must hold. Empty means the default, at least 1.
pub type Counts = BTreeMap<Comparison, u64>;

/// When an event must have happened. An event dated after now never counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// `now − N <= t <= now`.
    Last(Length),
    /// `t >= T` (a date: from its start).
    Since(Moment),
    /// `t < T` (a date: before its start).
    Before(Moment),
    /// `t > T` (a date: from the next day on).
    After(Moment),
    /// Two dates, both days whole, or two instants, `from <= t < to`; never a mixture.
    Between(Moment, Moment),
    /// `t < now − N`.
    MoreThanAgo(Length),
    /// Inside a calendar period.
    InPeriod(Period),
}

/// `did EVENT [where …] [N times] [WINDOW]`; for [`Rule::Days`] the counts bound distinct calendar days.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventTest {
    /// Which kind, by canonical name.
    pub event: Name,
    /// All must hold of an event for it to count.
    pub filter: Vec<Where>,
    /// How many.
    pub counts: Counts,
    /// When; `None` is ever.
    pub window: Option<Window>,
}

/// `sum(EVENT.prop [where …]) [WINDOW] op v`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AggregateTest {
    /// Which function.
    pub function: Function,
    /// Of which kind.
    pub event: Name,
    /// Of which property; `None` for a count of events.
    pub of: Option<Name>,
    /// All must hold of an event for it to count.
    pub filter: Vec<Where>,
    /// When; `None` is ever.
    pub window: Option<Window>,
    /// What must hold of the aggregate: `Compare` or `Between`.
    pub test: AggregateBound,
}

/// What must hold of an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AggregateBound {
    /// A comparison.
    Compare(Comparison, Operand),
    /// From the first to the second, both included.
    Between(Operand, Operand),
}

/// Which end of a contact's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The earliest.
    First,
    /// The latest.
    Last,
}

/// `first EVENT [where …] [having …] [WINDOW]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EdgeTest {
    /// First or last.
    pub end: End,
    /// Which kind.
    pub event: Name,
    /// Chooses among the events which one is first (last).
    pub filter: Vec<Where>,
    /// Must hold of the chosen event.
    pub having: Vec<Where>,
    /// Must hold the chosen event.
    pub window: Option<Window>,
}

/// `did A then B … [within N unit] [WINDOW]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SequenceTest {
    /// Two or more steps, each strictly later than the one before.
    pub steps: Vec<Step>,
    /// Each step at most this after the one before; exact units only.
    pub within: Option<Length>,
    /// All steps lie inside it.
    pub window: Option<Window>,
}

/// One step of a sequence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Which kind.
    pub event: Name,
    /// All must hold of the event.
    pub filter: Vec<Where>,
}

/// `did EVENT [N times] in at least K of the last M units`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegularTest {
    /// Which kind.
    pub event: Name,
    /// All must hold of an event for it to count.
    pub filter: Vec<Where>,
    /// How many in a span for the span to count.
    pub counts: Counts,
    /// The length of a span.
    pub every: Length,
    /// How many spans back from now; the k-th is `now − k·every < t <= now − (k−1)·every`.
    pub periods: u32,
    /// How many of them must count.
    pub at_least: u32,
}
