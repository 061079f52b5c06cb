//! Admission of segments: names, rules, dependencies, lists.

use std::sync::Arc;

use crate::{
    engine::{
        admit::{Session, not_found, refusal},
        command::{Command, SegmentBody, SegmentChange, SegmentCommand},
    },
    model::{
        id::{ContactId, SegmentId},
        limits,
        name::ContactKey,
        request::{
            Applied, Channels, MembersEdit, MembersMode, Refusal, RefusalKind, RuleSource, SegmentCreate,
            SegmentSource, SegmentUpdate, SuppressionWrite,
        },
        schema::Schema,
        time::Timestamp,
    },
    query::{
        bind::bind,
        context::{BindError, Context},
    },
    rule::{self, ast::Rule, error::RuleError},
    segment::{
        book::{Book, posting_of},
        saved::{Body, Dynamic, RuleText, Segment, Version, folded},
    },
};

/// Reads a rule in either form.
///
/// Errors: the rule's.
pub fn parse(source: &RuleSource, schema: &Schema) -> Result<Rule, RuleError> {
    match source {
        RuleSource::Text(text) => rule::parse(text, schema),
        RuleSource::Json(json) => rule::from_json(json, schema),
    }
}

fn unbound(error: BindError) -> Refusal {
    let code = match error {
        BindError::UnknownSegment { .. } => "unknown_segment",
        BindError::Cycle { .. } => "cycle",
        _ => "bad_rule",
    };
    refusal(RefusalKind::Invalid, code, "/rule", error.to_string())
}

/// A description; an empty one is none.
fn described(text: Option<Box<str>>) -> Result<Option<Box<str>>, Refusal> {
    let text = text.filter(|text| !text.is_empty());
    let bytes = text.as_ref().map_or(0, |text| text.len());
    if bytes > limits::VALUE_BYTES_MAX {
        let detail = format!("a description has at most {} bytes; this one has {bytes}", limits::VALUE_BYTES_MAX);
        return Err(refusal(RefusalKind::TooLarge, "value_too_long", "/description", detail));
    }
    Ok(text)
}

/// Channels folded, sorted, each once.
fn checked(channels: &Channels) -> Result<Channels, Refusal> {
    let mut channels: Channels = channels.iter().map(|channel| folded(channel)).collect();
    channels.sort_unstable();
    channels.dedup();
    let is_bad = |channel: &str| {
        channel.is_empty() || channel.len() > limits::NAME_BYTES_MAX || channel.chars().any(char::is_control)
    };
    if channels.len() > limits::CHANNELS_MAX || channels.iter().any(|channel| is_bad(channel)) {
        let detail = format!(
            "a suppression has at most {} channels, each named by 1 to {} bytes without control characters",
            limits::CHANNELS_MAX,
            limits::NAME_BYTES_MAX
        );
        return Err(refusal(RefusalKind::Invalid, "bad_channel", "/channels", detail));
    }
    Ok(channels)
}

/// What a segment or suppression may be called, without white space around it.
///
/// Errors: when nothing is left, when it is too long, or when it holds a control character.
pub fn well_formed_name(name: &str) -> Result<&str, Refusal> {
    let name = name.trim();
    if name.is_empty() || name.len() > limits::NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let detail = format!("a segment's name has 1 to {} bytes and no control character", limits::NAME_BYTES_MAX);
        return Err(refusal(RefusalKind::Invalid, "bad_name", "/name", detail));
    }
    Ok(name)
}

fn what(is_suppression: bool) -> &'static str {
    if is_suppression { "suppression" } else { "segment" }
}

/// Binds a drafted segment or suppression and everything that depends on it: unknown names, cycles and depth show
/// there.
pub(super) fn judge_graph(schema: &Schema, draft: &Book, id: SegmentId, at: Timestamp) -> Result<(), BindError> {
    let context = Context { schema, segments: draft, now: at, as_of: at };
    for id in std::iter::once(id).chain(draft.all_dependents(id)) {
        let segment = draft.get(id).expect("dependents are in the book");
        match &segment.body {
            // No rule can name a suppression.
            Body::Dynamic(dynamic) if !segment.is_listed() => bind(&dynamic.rule, &context)?,
            _ => bind(&Rule::Segment(segment.name.clone()), &context)?,
        };
    }
    Ok(())
}

impl Session<'_> {
    pub(super) fn create_segment(
        &mut self,
        create: &SegmentCreate,
        channels: Option<Channels>,
    ) -> Result<Applied, Refusal> {
        let name = self.free_name(&create.name, None, channels.is_some())?;
        if self.state.book.len() >= limits::SEGMENTS_MAX {
            let detail = format!("at most {} segments can be saved", limits::SEGMENTS_MAX);
            return Err(refusal(RefusalKind::TooLarge, "too_many", "", detail));
        }
        let description = described(create.description.clone())?;
        let id = self.state.book.next_id();
        let body = match &create.source {
            SegmentSource::Members(keys) => SegmentBody::List(self.known(keys).0),
            SegmentSource::Frozen(of) => SegmentBody::Frozen(self.segment(of, false)?.id),
            SegmentSource::Rule(source) => {
                let rule = self.rule(source)?;
                let text = RuleText::of(&rule);
                if !self.stands_alone(&rule)? {
                    let mut draft = self.state.book.clone();
                    draft.insert(self.drafted(id, name, rule, text.clone(), channels.clone()));
                    self.judge_graph(&draft, id)?;
                }
                SegmentBody::Rule(text)
            }
        };
        self.perform(Command::CreateSegment(SegmentCommand {
            id,
            name: name.into(),
            description,
            channels,
            body,
            by: self.by.map(Into::into),
        }));
        Ok(Applied::Created)
    }

    fn drafted(&self, id: SegmentId, name: &str, rule: Rule, text: RuleText, channels: Option<Channels>) -> Segment {
        let at = self.at();
        let body = Body::Dynamic(Dynamic {
            rule: Arc::new(rule),
            versions: vec![Version { number: 1, at, by: None, rule: text }],
            include: Default::default(),
            exclude: Default::default(),
        });
        Segment { id, name: name.into(), description: None, created: at, updated: at, body, channels }
    }

    /// A name that no other segment has, without white space around it.
    fn free_name<'n>(&self, name: &'n str, own: Option<SegmentId>, is_suppression: bool) -> Result<&'n str, Refusal> {
        let name = well_formed_name(name)?;
        let book = &self.state.book;
        match if is_suppression { book.find_suppression(name) } else { book.find(name) } {
            Some(other) if Some(other.id) != own => {
                let detail = format!("there is already a {} \"{}\"", what(is_suppression), other.name);
                Err(refusal(RefusalKind::Conflict, "name_taken", "/name", detail))
            }
            _ => Ok(name),
        }
    }

    fn rule(&self, source: &RuleSource) -> Result<Rule, Refusal> {
        parse(source, &self.state.schema)
            .map_err(|error| refusal(RefusalKind::Invalid, "bad_rule", "/rule", error.message))
    }

    /// Whether a rule names no segment, and so can make no cycle and no depth; it binds, or is refused.
    fn stands_alone(&self, rule: &Rule) -> Result<bool, Refusal> {
        if !rule::segments_named(rule).is_empty() {
            return Ok(false);
        }
        bind(rule, &self.state.context(&self.state.holding(), self.at())).map_err(unbound)?;
        Ok(true)
    }

    /// Judges a drafted segment and everything that depends on it.
    fn judge_graph(&self, draft: &Book, id: SegmentId) -> Result<(), Refusal> {
        judge_graph(&self.state.schema, draft, id, self.at()).map_err(unbound)
    }

    fn segment(&self, name: &str, is_suppression: bool) -> Result<Arc<Segment>, Refusal> {
        let book = &self.state.book;
        let found = if is_suppression { book.find_suppression(name) } else { book.find(name) };
        found.cloned().ok_or_else(|| not_found(what(is_suppression), name))
    }

    pub(super) fn change_suppressions(&mut self, write: &SuppressionWrite) -> Result<Applied, Refusal> {
        match write {
            SuppressionWrite::Create(create, channels) => self.create_segment(create, Some(checked(channels)?)),
            SuppressionWrite::Update(update, channels) => {
                let channels = channels.as_ref().map(checked).transpose()?;
                self.update_segment(update, channels, true)
            }
            SuppressionWrite::Delete(name) => self.delete_segment(name, true),
            SuppressionWrite::Edit(edit) => self.edit_members(edit, true),
        }
    }

    pub(super) fn update_segment(
        &mut self,
        update: &SegmentUpdate,
        channels: Option<Channels>,
        is_suppression: bool,
    ) -> Result<Applied, Refusal> {
        let segment = self.segment(&update.segment, is_suppression)?;
        let id = segment.id;
        let name = match &update.name {
            Some(name) => Some(self.free_name(name, Some(id), is_suppression)?).filter(|name| **name != *segment.name),
            None => None,
        };
        let description = update.description.clone().map(described).transpose()?;
        let description = description.filter(|text| *text != segment.description);
        let rule = match (&update.rule, &segment.body) {
            (None, _) => None,
            (Some(_), Body::Static(_)) => {
                let detail = format!("\"{}\" is a static list and has no rule", segment.name);
                return Err(refusal(RefusalKind::Conflict, "not_dynamic", "/rule", detail));
            }
            (Some(source), Body::Dynamic(dynamic)) => {
                let rule = self.rule(source)?;
                let text = RuleText::of(&rule);
                (dynamic.newest().rule != text).then_some((rule, text))
            }
        };
        let channels = channels.filter(|channels| segment.channels.as_ref() != Some(channels));
        if name.is_none() && description.is_none() && rule.is_none() && channels.is_none() {
            return Ok(Applied::Unchanged);
        }
        if let Some((rule, text)) = &rule
            && (!self.stands_alone(rule)? || !self.state.book.dependents(id).is_empty())
        {
            // Even a rule that names no segment may be too deep for those that name this one.
            let mut draft = self.state.book.clone();
            draft.set_rule(id, Arc::new(rule.clone()), text.clone(), self.at(), None);
            self.judge_graph(&draft, id)?;
        }
        let (name, rule) = (name.map(Into::into), rule.map(|(_, text)| text));
        self.perform(Command::UpdateSegment(SegmentChange {
            id,
            name,
            description,
            channels,
            rule,
            by: self.by.map(Into::into),
        }));
        Ok(Applied::Updated)
    }

    pub(super) fn delete_segment(&mut self, name: &str, is_suppression: bool) -> Result<Applied, Refusal> {
        let segment = self.segment(name, is_suppression)?;
        let told = |user: &Segment| match user.is_listed() {
            true => format!("\"{}\"", user.name),
            false => format!("the suppression \"{}\"", user.name),
        };
        let users: Vec<String> = self.state.book.dependents(segment.id).iter().map(|user| told(user)).collect();
        if !users.is_empty() {
            let detail = format!("segment \"{}\" is used by {}", segment.name, users.join(", "));
            return Err(refusal(RefusalKind::Conflict, "in_use", "", detail));
        }
        self.perform(Command::DeleteSegment(segment.id));
        Ok(Applied::Removed)
    }

    /// The contacts of known keys, and the keys that are unknown.
    fn known(&self, keys: &[ContactKey]) -> (Vec<ContactId>, Vec<ContactKey>) {
        let mut contacts = Vec::with_capacity(keys.len());
        let mut unknown = Vec::new();
        for key in keys {
            match self.contact(key) {
                Some(contact) => contacts.push(contact),
                None => unknown.push(key.clone()),
            }
        }
        (contacts, unknown)
    }

    pub(super) fn edit_members(&mut self, edit: &MembersEdit, is_suppression: bool) -> Result<Applied, Refusal> {
        let segment = self.segment(&edit.segment, is_suppression)?;
        let is_static = matches!(segment.body, Body::Static(_));
        if let Some((mode, _)) = edit.edits.iter().find(|(mode, _)| mode.is_pin() == is_static) {
            let (code, what) = if mode.is_pin() {
                ("not_dynamic", "is a static list: add and remove contacts, there is no rule to pin against")
            } else {
                ("not_static", "is dynamic: its rule decides, and contacts can only be pinned in or out")
            };
            let detail = format!("\"{}\" {what}", segment.name);
            return Err(refusal(RefusalKind::Conflict, code, "", detail));
        }
        let mut unknown = Vec::new();
        for (mode, keys) in &edit.edits {
            let (mut contacts, missing) = self.known(keys);
            if edit.create {
                for key in &missing {
                    // A key may be listed twice.
                    let contact = match self.contact(key) {
                        Some(contact) => contact,
                        None => {
                            self.room_for_contact()?;
                            self.sight(key)
                        }
                    };
                    contacts.push(contact);
                }
            } else {
                unknown.extend(missing);
            }
            self.edit_list(segment.id, *mode, contacts);
        }
        Ok(Applied::Members { unknown })
    }

    /// Performs one edit, unless it changes nothing of what those before it left.
    fn edit_list(&mut self, segment: SegmentId, mode: MembersMode, contacts: Vec<ContactId>) {
        let same = match (self.state.book.get(segment).map(|segment| &segment.body), mode) {
            (Some(Body::Static(list)), MembersMode::Replace) => *list == posting_of(&contacts),
            _ => contacts.is_empty(),
        };
        if !same {
            self.perform(Command::EditMembers { segment, mode, contacts });
        }
    }
}
