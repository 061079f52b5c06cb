//! Saved segments of the naive database: saving, changing, pinning, deleting.

use std::collections::BTreeSet;

use throng::{
    model::request::{
        Applied, MembersEdit, MembersMode, RefusalKind, RuleSource, SegmentCreate, SegmentSource, SegmentUpdate,
    },
    rule::{self, ast::Rule},
};

use crate::support::{
    naive::{Members, Naive, Saved},
    spelling,
    writes::Judged,
};

impl Naive {
    fn shelved(&self, name: &str) -> Option<usize> {
        self.segments.iter().position(|saved| spelling::same(&saved.name, name, false))
    }

    /// Takes a key out of every list and pin.
    pub(super) fn erase_from_segments(&mut self, key: &str) {
        for saved in &mut self.segments {
            saved.include.remove(key);
            saved.exclude.remove(key);
            if let Members::List(keys) = &mut saved.members {
                keys.remove(key);
            }
        }
    }

    /// Puts a key where another one is, whose place it takes.
    pub(super) fn merge_in_segments(&mut self, from: &str, into: &str) {
        for saved in &mut self.segments {
            let pinned = saved.include.contains(into) || saved.exclude.contains(into);
            for pins in [&mut saved.include, &mut saved.exclude] {
                if pins.contains(from) && !pinned {
                    pins.insert(into.to_owned());
                }
            }
            if let Members::List(keys) = &mut saved.members
                && keys.contains(from)
            {
                keys.insert(into.to_owned());
            }
        }
        self.erase_from_segments(from);
    }

    fn read(&self, source: &RuleSource) -> Result<Rule, RefusalKind> {
        let RuleSource::Json(json) = source else { panic!("histories send rules as JSON") };
        rule::from_json(json, &self.schema).map_err(|_| RefusalKind::Invalid)
    }

    /// The places of the segments that a rule names.
    fn named(&self, rule: &Rule) -> Vec<Option<usize>> {
        match rule {
            Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
                rules.iter().flat_map(|rule| self.named(rule)).collect()
            }
            Rule::Not(rule) => self.named(rule),
            Rule::Segment(name) => vec![self.shelved(name)],
            _ => vec![],
        }
    }

    /// Whether a rule leads, over any number of segments, to the one at a place.
    fn leads_to(&self, rule: &Rule, place: usize) -> bool {
        self.named(rule).into_iter().flatten().any(|named| {
            named == place
                || match &self.segments[named].members {
                    Members::Rule(rule) => self.leads_to(rule, place),
                    Members::List(_) => false,
                }
        })
    }

    pub(super) fn create_segment(&mut self, create: &SegmentCreate) -> Judged {
        if self.shelved(&create.name).is_some() {
            return Err(RefusalKind::Conflict);
        }
        let members = match &create.source {
            SegmentSource::Members(keys) => {
                let known = keys.iter().filter(|key| self.place(key).is_some());
                Members::List(known.map(|key| key.as_str().to_owned()).collect())
            }
            SegmentSource::Frozen(of) => {
                let place = self.shelved(of).ok_or(RefusalKind::NotFound)?;
                let rule = Rule::Segment(self.segments[place].name.clone().into());
                Members::List(self.members(&rule, self.as_of).into_iter().map(str::to_owned).collect())
            }
            SegmentSource::Rule(source) => {
                let rule = self.read(source)?;
                if self.named(&rule).contains(&None) {
                    return Err(RefusalKind::Invalid);
                }
                Members::Rule(rule)
            }
        };
        self.segments.push(Saved::new(&create.name, members));
        Ok(Applied::Created)
    }

    pub(super) fn update_segment(&mut self, update: &SegmentUpdate) -> Judged {
        let place = self.shelved(&update.segment).ok_or(RefusalKind::NotFound)?;
        let taken = update.name.as_ref().and_then(|name| self.shelved(name));
        if taken.is_some_and(|other| other != place) {
            return Err(RefusalKind::Conflict);
        }
        let rule = match (&update.rule, &self.segments[place].members) {
            (None, _) => None,
            (Some(_), Members::List(_)) => return Err(RefusalKind::Conflict),
            (Some(source), Members::Rule(before)) => Some(self.read(source)?).filter(|rule| rule != before),
        };
        let name = update.name.as_ref().filter(|name| ***name != *self.segments[place].name);
        if name.is_none() && rule.is_none() {
            return Ok(Applied::Unchanged);
        }
        if rule.as_ref().is_some_and(|rule| self.named(rule).contains(&None) || self.leads_to(rule, place)) {
            return Err(RefusalKind::Invalid);
        }
        if let Some(rule) = rule {
            self.segments[place].members = Members::Rule(rule);
        }
        if let Some(name) = name {
            let before = std::mem::replace(&mut self.segments[place].name, name.to_string());
            for saved in &mut self.segments {
                if let Members::Rule(rule) = &mut saved.members {
                    respell(rule, &before, name);
                }
            }
        }
        Ok(Applied::Updated)
    }

    pub(super) fn delete_segment(&mut self, name: &str) -> Judged {
        let place = self.shelved(name).ok_or(RefusalKind::NotFound)?;
        let uses = |saved: &Saved| match &saved.members {
            Members::Rule(rule) => self.named(rule).contains(&Some(place)),
            Members::List(_) => false,
        };
        if self.segments.iter().any(uses) {
            return Err(RefusalKind::Conflict);
        }
        self.segments.remove(place);
        Ok(Applied::Removed)
    }

    pub(super) fn edit_members(&mut self, edit: &MembersEdit) -> Judged {
        let place = self.shelved(&edit.segment).ok_or(RefusalKind::NotFound)?;
        let listed = matches!(self.segments[place].members, Members::List(_));
        let pins = |mode: MembersMode| matches!(mode, MembersMode::Include | MembersMode::Exclude | MembersMode::Clear);
        if edit.edits.iter().any(|(mode, _)| pins(*mode) == listed) {
            return Err(RefusalKind::Conflict);
        }
        let mut unknown = vec![];
        for (mode, keys) in &edit.edits {
            let mut known = BTreeSet::new();
            for key in keys {
                if edit.create {
                    self.sighted(key);
                }
                match self.place(key) {
                    Some(_) => drop(known.insert(key.as_str().to_owned())),
                    None => unknown.push(key.clone()),
                }
            }
            self.segments[place].edit(*mode, known);
        }
        Ok(Applied::Members { unknown })
    }
}

impl Saved {
    fn edit(&mut self, mode: MembersMode, keys: BTreeSet<String>) {
        let without = |from: &mut BTreeSet<String>| from.retain(|key| !keys.contains(key));
        match (mode, &mut self.members) {
            (MembersMode::Add, Members::List(list)) => list.extend(keys),
            (MembersMode::Remove, Members::List(list)) => without(list),
            (MembersMode::Replace, Members::List(list)) => *list = keys,
            (MembersMode::Include, _) => {
                without(&mut self.exclude);
                self.include.extend(keys);
            }
            (MembersMode::Exclude, _) => {
                without(&mut self.include);
                self.exclude.extend(keys);
            }
            (MembersMode::Clear, _) => {
                without(&mut self.include);
                without(&mut self.exclude);
            }
            (mode, members) => panic!("{mode:?} on {members:?}"),
        }
    }
}

/// Rules that name a segment follow its new name.
fn respell(rule: &mut Rule, before: &str, after: &str) {
    match rule {
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
            rules.iter_mut().for_each(|rule| respell(rule, before, after));
        }
        Rule::Not(rule) => respell(rule, before, after),
        Rule::Segment(name) if spelling::same(name, before, false) => *name = after.into(),
        _ => {}
    }
}
