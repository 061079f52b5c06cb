//! Why a contact is in a segment or not, since when, until when, and what would change it.

use crate::{
    db::{error::Error, suppression::SuppressionInfo, view::View},
    model::{
        id::{ContactId, SegmentId},
        name::Name,
        time::Timestamp,
        value::{Value, ValueType},
    },
    query::decided::{Decided, Fact},
    rule::{self, ast::Rule},
    segment::{
        outlook::{Lever, NextChange, Why},
        saved::Body,
    },
};

/// Whether a segment holds a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether it does.
    pub member: bool,
    /// When the contact entered, of a member.
    pub since: Option<Timestamp>,
}

/// Why a segment holds a contact or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Reasons {
    /// Whether it does.
    pub membership: Membership,
    /// Whether the contact is pinned in (or out), if pinned.
    pub pinned: Option<bool>,
    /// The rule, node by node.
    pub tree: Reason,
    /// The suppressions that hold the contact, in order of creation.
    pub suppressions: Vec<SuppressionInfo>,
    /// When time alone will flip it.
    pub next: Next,
    /// Single changes that would flip it, the smallest first.
    pub changes: Vec<SingleChange>,
}

/// When time alone will flip a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Never.
    Never,
    /// At this instant; whether the contact is a member from then on.
    At(Timestamp, bool),
    /// Not up to this instant; the look ahead ended there.
    After(Timestamp),
}

/// One node of a tree of reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The canonical text of a predicate or segment; else the operator.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// What decides it, of a predicate.
    pub deciding: Option<Deciding>,
    /// The name, of a segment.
    pub segment: Option<Box<str>>,
    /// Whether the contact is pinned in (or out) there, if pinned.
    pub pinned: Option<bool>,
    /// Whether it stands opened elsewhere in the tree.
    pub is_shown: bool,
    /// What it is made of.
    pub children: Vec<Reason>,
}

/// The fact that decides a predicate.
#[derive(Clone, Debug, PartialEq)]
pub struct Deciding {
    /// The property, when the fact is its value.
    pub property: Option<Name>,
    /// The fact.
    pub fact: Told,
    /// Where in the index it lies.
    pub found_in: &'static str,
}

/// A fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A value of a type, or that there is none.
    Value(Option<Value>, ValueType),
    /// So many events, days or spans.
    Count(u64),
    /// When the event that counts was, if there is one.
    At(Option<Timestamp>),
    /// The bucket, and of how many.
    Bucket(u32, u32),
    /// Nothing that one value tells.
    Nothing,
}

/// A single change that would flip a membership.
#[derive(Clone, Debug, PartialEq)]
pub enum SingleChange {
    /// The opposite of a predicate.
    Predicate {
        /// The predicate.
        rule: Box<Rule>,
        /// Whether it holds now.
        holds: bool,
        /// What decides it now.
        deciding: Deciding,
    },
    /// The list of a static segment.
    List {
        /// Its name.
        segment: Box<str>,
        /// Whether the contact is in it now.
        listed: bool,
    },
    /// The pin of a dynamic segment, returned to the rule.
    Pin {
        /// Its name.
        segment: Box<str>,
        /// Whether the contact is pinned in (or out) now.
        included: bool,
    },
}

impl View {
    /// Whether a segment holds a contact, and since when; `None` when the key is unknown. Nothing is evaluated.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn membership(&self, name: &str, key: &str) -> Result<Option<Membership>, Error> {
        let id = self.saved(name)?.id;
        Ok(self.id(key).map(|contact| self.membership_of(id, contact)))
    }

    fn membership_of(&self, segment: SegmentId, contact: ContactId) -> Membership {
        let live = &self.state().live;
        let member = live.members(segment).contains(contact.0);
        Membership { member, since: live.since(segment, contact) }
    }

    /// Why a segment holds a contact or not; `None` when the key is unknown. Measured now, for the last write may be
    /// long ago; while something due waits for its tick, at the last write, so that reasons and membership agree.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn reasons(&self, name: &str, key: &str) -> Result<Option<Reasons>, Error> {
        let state = self.state();
        let saved = self.saved(name)?;
        let Some(contact) = self.id(key) else { return Ok(None) };
        let waits = state.next_due().is_some_and(|due| due <= self.now());
        let at = if waits { state.as_of } else { self.now() };
        let outlook = state.live.outlook(state.facts(), saved.id, contact, at);
        let mut tree = self.reason(outlook.why());
        let pinned = tree.pinned;
        if matches!(saved.body, Body::Dynamic(_)) {
            tree = tree.children.pop().unwrap_or(tree);
        }
        let mut changes: Vec<SingleChange> = outlook.levers().into_iter().map(|lever| self.change(lever)).collect();
        changes.sort_by(|a, b| self.gap(a).total_cmp(&self.gap(b)));
        let next = match outlook.next_change(at) {
            NextChange::Never => Next::Never,
            NextChange::At(at, member) => Next::At(at, member),
            NextChange::After(at) => Next::After(at),
        };
        let membership = self.membership_of(saved.id, contact);
        Ok(Some(Reasons { membership, pinned, tree, suppressions: self.suppressions_of(contact), next, changes }))
    }

    fn reason(&self, why: Why) -> Reason {
        let Why { text, holds, decided, segment, children } = why;
        Reason {
            text,
            holds,
            deciding: decided.map(|decided| self.deciding(decided)),
            pinned: segment.as_ref().and_then(|segment| segment.pinned),
            is_shown: segment.as_ref().is_some_and(|segment| segment.is_shown),
            segment: segment.map(|segment| segment.name),
            children: children.into_iter().map(|child| self.reason(child)).collect(),
        }
    }

    fn deciding(&self, decided: Decided) -> Deciding {
        let known = |id| self.schema().property_by_id(id);
        let property = match &decided.fact {
            Fact::Property(id, _) => known(*id).map(|property| property.name.clone()),
            _ => None,
        };
        let fact = match decided.fact {
            Fact::Property(id, value) => match known(id) {
                Some(property) => Told::Value(value, property.ty),
                None => Told::Nothing,
            },
            Fact::Figure(ty, value) => Told::Value(value, ty),
            Fact::Count(count) => Told::Count(count),
            Fact::At(at) => Told::At(at),
            Fact::Bucket(number, of) => Told::Bucket(number, of),
            Fact::Nothing => Told::Nothing,
        };
        Deciding { property, fact, found_in: decided.found_in }
    }

    fn change(&self, lever: Lever) -> SingleChange {
        match lever {
            Lever::Predicate(rule, holds, decided) => {
                SingleChange::Predicate { rule, holds, deciding: self.deciding(decided) }
            }
            Lever::Listed(segment, listed) => SingleChange::List { segment, listed },
            Lever::Pin(segment, included) => SingleChange::Pin { segment, included },
        }
    }

    /// How far a value is from where its predicate turns: 0 is near, 1 far; what cannot be measured comes last.
    fn gap(&self, change: &SingleChange) -> f64 {
        const UNKNOWN: f64 = 2.0;
        let SingleChange::Predicate { rule, deciding, .. } = change else { return 0.0 };
        let json = rule::to_json(rule);
        let number = |value: &serde_json::Value| value.to_string().trim_matches('"').parse::<f64>().ok();
        let bound = match &json["count"] {
            serde_json::Value::Object(bounds) => bounds.values().next().and_then(number),
            _ if json.get("event").is_some() && json.get("aggregate").is_none() => Some(1.0),
            _ => number(&json["value"]),
        };
        let is = match &deciding.fact {
            Told::Count(count) => Some(*count as f64),
            Told::Value(Some(Value::Number(number)), _) => number.to_string().parse().ok(),
            Told::Value(Some(Value::Money(minor)), ValueType::Money(currency)) => {
                currency.format_minor(*minor).parse().ok()
            }
            _ => None,
        };
        match (is, bound) {
            (Some(is), Some(bound)) => (is - bound).abs() / is.abs().max(bound.abs()).max(f64::MIN_POSITIVE),
            _ => UNKNOWN,
        }
    }
}
