//! One contact and one segment: why it is in or out, what time alone will do, and which single change would flip it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{
        id::{ContactId, SegmentId},
        time::Timestamp,
    },
    query::{decided::Decided, standing::Standing},
    rule::{
        self,
        ast::{Quantity, Rule},
    },
    segment::{
        formula::Formula,
        live::{Facts, Live},
        saved::{Body, Dynamic, Segment},
    },
};

/// Instants that a look ahead visits before it gives up. Each costs a look at the predicates that change then.
pub const STEPS_MAX: usize = 10_000;

/// When time alone will change a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextChange {
    /// Never.
    Never,
    /// At this instant; whether the contact is a member from then on.
    At(Timestamp, bool),
    /// Not up to this instant; how it goes on was not looked at.
    After(Timestamp),
}

/// A single change that would flip a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lever {
    /// The opposite of a predicate: its rule, whether it holds now, and what decides it now.
    Predicate(Box<Rule>, bool, Decided),
    /// The list of a static segment: its name, and whether the contact is in it now.
    Listed(Box<str>, bool),
    /// The pin of a dynamic segment: its name, and whether the contact is pinned in (or out) now.
    Pin(Box<str>, bool),
}

/// Why a rule holds or not for a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The canonical text of a predicate or segment; else the operator.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// What decides it, of a predicate.
    pub decided: Option<Decided>,
    /// What it is, of a segment.
    pub segment: Option<WhySegment>,
    /// What it is made of.
    pub children: Vec<Why>,
}

/// What a segment is, within a tree of reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhySegment {
    /// Its name.
    pub name: Box<str>,
    /// Whether the contact is pinned in (or out), if pinned.
    pub pinned: Option<bool>,
    /// Whether it is a static list.
    pub is_list: bool,
    /// Whether it stands opened elsewhere in the tree.
    pub is_shown: bool,
}

/// One contact as far as one segment goes.
pub struct Outlook<'a> {
    facts: Facts<'a>,
    live: &'a Live,
    contact: ContactId,
    /// The segment and all that it depends on; it comes last.
    order: Vec<SegmentId>,
    asked: BTreeMap<u32, Asked>,
}

/// A predicate asked of the contact.
struct Asked {
    standing: Standing,
    holds: bool,
    check: Option<Timestamp>,
}

/// What is taken as its opposite.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flip {
    Nothing,
    Predicate(u32),
    Listed(SegmentId),
    Pin(SegmentId),
}

impl Live {
    /// A live contact and a segment, looked at together at the instant of the facts.
    pub fn outlook<'a>(
        &'a self,
        facts: Facts<'a>,
        segment: SegmentId,
        contact: ContactId,
        as_of: Timestamp,
    ) -> Outlook<'a> {
        let order = self.reach([segment]);
        let mut asked = BTreeMap::new();
        for id in &order {
            let formula = self.kept.get(id.0).and_then(|kept| kept.formula.as_ref());
            for place in formula.iter().flat_map(|formula| formula.parts().predicates) {
                let Some(predicate) = self.predicates.get(place) else { continue };
                asked.entry(place).or_insert_with(|| {
                    let mut standing = predicate.standing().clone();
                    standing.set_now(as_of);
                    let check = standing.next_check(facts.index, contact);
                    Asked { standing, holds: predicate.truth.contains(contact.0), check }
                });
            }
        }
        Outlook { facts, live: self, contact, order, asked }
    }
}

impl Outlook<'_> {
    fn saved(&self, id: SegmentId) -> &Segment {
        self.facts.book.get(id).expect("a kept segment is in the book")
    }

    /// Whether the contact is a member.
    pub fn is_member(&self) -> bool {
        self.member(Flip::Nothing)
    }

    fn member(&self, flip: Flip) -> bool {
        let mut held: BTreeMap<SegmentId, bool> = BTreeMap::new();
        let mut last = false;
        for id in &self.order {
            last = match &self.saved(*id).body {
                Body::Static(list) => list.contains(self.contact.0) != (flip == Flip::Listed(*id)),
                Body::Dynamic(dynamic) => match self.pinned(dynamic).filter(|_| flip != Flip::Pin(*id)) {
                    Some(pinned) => pinned,
                    None => self.formula(*id).is_some_and(|formula| {
                        formula.holds(&|leaf| match leaf {
                            Formula::Predicate(place) => {
                                let holds = self.asked.get(place).is_some_and(|asked| asked.holds);
                                holds != (flip == Flip::Predicate(*place))
                            }
                            Formula::Members(id) => held.get(id).copied().unwrap_or(false),
                            _ => false,
                        })
                    }),
                },
            };
            held.insert(*id, last);
        }
        last
    }

    fn formula(&self, id: SegmentId) -> Option<&Formula> {
        self.live.kept.get(id.0)?.formula.as_deref()
    }

    fn pinned(&self, dynamic: &Dynamic) -> Option<bool> {
        let contact = self.contact.0;
        match (dynamic.include.contains(contact), dynamic.exclude.contains(contact)) {
            (_, true) => Some(false),
            (true, false) => Some(true),
            (false, false) => None,
        }
    }

    /// Every single change that would flip the membership, those of the segment itself before those of the segments
    /// that it names.
    pub fn levers(&self) -> Vec<Lever> {
        let now = self.is_member();
        let mut levers = Vec::new();
        let mut seen = BTreeSet::new();
        for id in self.order.iter().rev() {
            let segment = self.saved(*id);
            match &segment.body {
                Body::Static(list) => {
                    if self.member(Flip::Listed(*id)) != now {
                        levers.push(Lever::Listed(segment.name.clone(), list.contains(self.contact.0)));
                    }
                }
                Body::Dynamic(dynamic) => {
                    if let Some(pinned) = self.pinned(dynamic)
                        && self.member(Flip::Pin(*id)) != now
                    {
                        levers.push(Lever::Pin(segment.name.clone(), pinned));
                    }
                    for place in self.formula(*id).into_iter().flat_map(|formula| formula.parts().predicates) {
                        if let Some(asked) = self.asked.get(&place).filter(|_| seen.insert(place))
                            && self.member(Flip::Predicate(place)) != now
                        {
                            let decided = asked.standing.decided(self.facts.index, self.contact);
                            let rule = Box::new(asked.standing.rule().clone());
                            levers.push(Lever::Predicate(rule, asked.holds, decided));
                        }
                    }
                }
            }
        }
        levers
    }

    /// When time alone will change the membership next: windows and ages, and events that are dated ahead.
    pub fn next_change(mut self, as_of: Timestamp) -> NextChange {
        let now = self.is_member();
        let contact = self.contact;
        let mut index = self.facts.index.clone();
        index.keep_due(|due| due.contact == contact);
        let mut at = as_of;
        for _ in 0..STEPS_MAX {
            let event = index.next_due();
            let check = self.asked.values().filter_map(|asked| asked.check).min();
            let Some(next) = [event, check].into_iter().flatten().min() else { return NextChange::Never };
            at = next;
            let has_event = event.is_some_and(|due| due <= at);
            if has_event {
                index.advance(at);
            }
            for asked in self.asked.values_mut().filter(|asked| has_event || asked.check == Some(at)) {
                asked.standing.set_now(at);
                asked.holds = asked.standing.holds(&index, contact);
                asked.check = asked.standing.next_check(&index, contact);
            }
            if self.is_member() != now {
                return NextChange::At(at, !now);
            }
        }
        NextChange::After(at)
    }

    /// The tree of reasons, with the segments that it names opened.
    pub fn why(&self) -> Why {
        let mut tree = Tree { outlook: self, held: BTreeMap::new(), shown: BTreeSet::new() };
        match self.order.last() {
            Some(id) => tree.segment(*id),
            None => Why { text: String::new(), holds: false, decided: None, segment: None, children: vec![] },
        }
    }
}

/// A tree of reasons in the making.
struct Tree<'a> {
    outlook: &'a Outlook<'a>,
    held: BTreeMap<SegmentId, bool>,
    shown: BTreeSet<SegmentId>,
}

impl Tree<'_> {
    fn segment(&mut self, id: SegmentId) -> Why {
        let saved = self.outlook.saved(id);
        let text = rule::print(&Rule::Segment(saved.name.clone()));
        let mut told = WhySegment { name: saved.name.clone(), pinned: None, is_list: false, is_shown: false };
        let (holds, children) = match &saved.body {
            Body::Static(list) => {
                told.is_list = true;
                (list.contains(self.outlook.contact.0), vec![])
            }
            Body::Dynamic(dynamic) => {
                told.pinned = self.outlook.pinned(dynamic);
                if self.shown.insert(id) {
                    let inner = self.rule(&dynamic.rule);
                    (told.pinned.unwrap_or(inner.holds), vec![inner])
                } else {
                    told.is_shown = true;
                    (self.held.get(&id).copied().unwrap_or(false), vec![])
                }
            }
        };
        self.held.insert(id, holds);
        Why { text, holds, decided: None, segment: Some(told), children }
    }

    fn rule(&mut self, rule: &Rule) -> Why {
        let node =
            |text: String, holds: bool, children: Vec<Why>| Why { text, holds, decided: None, segment: None, children };
        match rule {
            Rule::All => node(rule::print(rule), true, vec![]),
            Rule::None => node(rule::print(rule), false, vec![]),
            Rule::And(rules) => {
                let children = self.rules(rules);
                node("AND".into(), children.iter().all(|child| child.holds), children)
            }
            Rule::Or(rules) => {
                let children = self.rules(rules);
                node("OR".into(), children.iter().any(|child| child.holds), children)
            }
            Rule::Xor(rules) => {
                let children = self.rules(rules);
                node("XOR".into(), count(&children) % 2 == 1, children)
            }
            Rule::Of { quantity, n, rules } => {
                let children = self.rules(rules);
                let (words, holds) = match quantity {
                    Quantity::AtLeast => ("at least", count(&children) >= *n),
                    Quantity::AtMost => ("at most", count(&children) <= *n),
                    Quantity::Exactly => ("exactly", count(&children) == *n),
                };
                node(format!("{words} {n} of {}", rules.len()), holds, children)
            }
            Rule::Not(inner) => {
                let child = self.rule(inner);
                node("NOT".into(), !child.holds, vec![child])
            }
            Rule::AllTags(tags) => {
                let children: Vec<Why> = tags.iter().map(|tag| self.rule(&Rule::Tag(tag.clone()))).collect();
                node(rule::print(rule), children.iter().all(|child| child.holds), children)
            }
            Rule::Segment(name) => match self.outlook.facts.book.find(name).map(|segment| segment.id) {
                Some(id) => self.segment(id),
                None => node(rule::print(rule), false, vec![]),
            },
            _ => self.predicate(rule),
        }
    }

    fn rules(&mut self, rules: &[Rule]) -> Vec<Why> {
        rules.iter().map(|rule| self.rule(rule)).collect()
    }

    fn predicate(&self, rule: &Rule) -> Why {
        let Outlook { live, asked, facts, contact, .. } = self.outlook;
        let asked = live.places.get(rule).and_then(|place| asked.get(place));
        Why {
            text: rule::print(rule),
            holds: asked.is_some_and(|asked| asked.holds),
            decided: asked.map(|asked| asked.standing.decided(facts.index, *contact)),
            segment: None,
            children: vec![],
        }
    }
}

fn count(children: &[Why]) -> u32 {
    children.iter().filter(|child| child.holds).count() as u32
}
