//! Tracking calls as requests: who it is, when it was, and what is written of it.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    http::{
        json::Json,
        problem::Fault,
        records::{Names, pointer},
        tracking_map::Mapping,
        tracking_values::{Values, flatten, renamed},
    },
    model::{
        limits,
        name::{ContactKey, Name},
        request::{
            ContactJoin, ContactMerge, ContactWrite, EventPatch, EventPropertyPatch, EventWrite, Input, Message,
            Refusal, RefusalKind, Request, SchemaPatch, WriteMode,
        },
        schema::Schema,
        time::Timestamp,
    },
};

/// What a call says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Who someone is.
    Identify,
    /// What someone did.
    Track,
    /// Which page someone saw.
    Page,
    /// Which screen of an app someone saw.
    Screen,
    /// What someone belongs to.
    Group,
    /// That two ids are one person.
    Alias,
}

impl Call {
    fn of(name: &str) -> Option<Call> {
        Some(match name {
            "identify" => Call::Identify,
            "track" => Call::Track,
            "page" => Call::Page,
            "screen" => Call::Screen,
            "group" => Call::Group,
            "alias" => Call::Alias,
            _ => return None,
        })
    }
}

/// What a body asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Declarations of kinds of events that are not there yet.
    pub kinds: Vec<Request>,
    /// In order. They depend on the body and the mapping alone, but for their instants.
    pub requests: Vec<Request>,
    /// The call behind each request, from 1.
    pub places: Vec<u64>,
    /// What is wrong with the others, by call.
    pub faults: Vec<Fault>,
    /// How many calls there are.
    pub calls: u64,
    /// How many events state an instant that cannot be read, and are of the moment at which they came.
    pub undated: u64,
    /// What they say, with what is said for all of them counted for each. Units: bytes.
    bytes: usize,
}

/// Reads calls under a mapping and a schema.
pub struct Reader<'a> {
    /// What becomes of what.
    pub mapping: &'a Mapping,
    /// What is declared.
    pub schema: &'a Schema,
    /// When the body came.
    pub received: Timestamp,
    /// Who sends it, in which messages of theirs are told apart.
    pub sender: &'a str,
    /// Whether whoever sends it may do what a key that stands in web pages may not: an alias may give up a contact that
    /// is no anonymous one.
    pub trusted: bool,
}

/// What is said once for all calls of a body.
struct Envelope<'j> {
    sent: Option<Timestamp>,
    context: Option<&'j Json>,
    /// Units: bytes.
    bytes: usize,
}

impl Reader<'_> {
    /// Reads one call, or without `call` a batch of them.
    ///
    /// Errors: when a body is no object, or a batch holds no list.
    pub fn read(&self, call: Option<Call>, body: &Json) -> Result<Asked, String> {
        let Json::Object(_) = body else { return Err(format!("the body must be an object, not {}", body.kind())) };
        let sent = body.get("sentAt").and_then(instant);
        let mut envelope = Envelope { sent, context: None, bytes: 0 };
        let mut asked = Asked::default();
        let mut names = Names::default();
        if let Some(call) = call {
            self.one(call, body, &envelope, &mut names, &mut asked);
            return Ok(asked);
        }
        match body.get("batch") {
            Some(Json::List(calls)) => {
                envelope.context = body.get("context");
                envelope.bytes = envelope.context.map_or(0, |context| context.to_string().len());
                if envelope.bytes > limits::TRACKED_CALL_BYTES_MAX {
                    return Err(format!("\"context\" has at most {} bytes of JSON", limits::TRACKED_CALL_BYTES_MAX));
                }
                for one in calls {
                    self.typed(one, &envelope, &mut names, &mut asked);
                }
            }
            None if body.get("type").is_some() => self.typed(body, &envelope, &mut names, &mut asked),
            _ => return Err("a batch needs \"batch\", a list of calls".into()),
        }
        Ok(asked)
    }

    fn typed(&self, body: &Json, envelope: &Envelope<'_>, names: &mut Names, asked: &mut Asked) {
        let call = match body.get("type") {
            Some(Json::Text(name)) => Call::of(name),
            _ => None,
        };
        match call {
            Some(call) => self.one(call, body, envelope, names, asked),
            None => {
                asked.calls += 1;
                let detail = "\"type\" is identify, track, page, screen, group or alias";
                asked.refuse(refusal("unknown_call", "/type", detail.into()));
            }
        }
    }

    fn one(&self, call: Call, body: &Json, envelope: &Envelope<'_>, names: &mut Names, asked: &mut Asked) {
        asked.calls += 1;
        if asked.calls > limits::TRACKED_CALLS_MAX as u64 {
            let detail = format!("a body holds at most {} calls", limits::TRACKED_CALLS_MAX);
            return asked.refuse(refusal("too_many", "", detail));
        }
        let bytes = body.to_string().len();
        // A call that is alone bears what a batch says once.
        if bytes > limits::TRACKED_CALL_BYTES_MAX {
            let detail =
                format!("a call has at most {} bytes of JSON; this has {bytes}", limits::TRACKED_CALL_BYTES_MAX);
            return asked.refuse(refusal("too_long", "", detail));
        }
        // What is said once for all becomes part of each.
        asked.bytes += bytes + envelope.bytes;
        if asked.bytes > limits::BODY_BYTES_MAX {
            let detail =
                format!("with the context of the body its calls have at most {} bytes", limits::BODY_BYTES_MAX);
            return asked.refuse(refusal("too_long", "", detail));
        }
        match self.requests(call, body, envelope, names) {
            Ok(requests) => {
                if is_event(&requests) && is_undated(body) {
                    asked.undated += 1;
                }
                if let Some(kind) = self.undeclared_view(call, &requests, asked) {
                    asked.kinds.push(kind);
                }
                let requests = match self.message(call, body) {
                    Ok(Some(digest)) if !requests.is_empty() && !is_event(&requests) => {
                        vec![Request::Message(Message { digest, requests })]
                    }
                    Ok(_) => requests,
                    Err(refusal) => return asked.refuse(refusal),
                };
                asked.places.extend(requests.iter().map(|_| asked.calls));
                asked.requests.extend(requests);
            }
            Err(refusal) => asked.refuse(refusal),
        }
    }

    /// What tells a call from others of the same sender, which may come again. An event has its own id for that.
    fn message(&self, call: Call, body: &Json) -> Result<Option<u64>, Refusal> {
        let Some(id) = message_id(body)? else { return Ok(None) };
        let Reader { sender, trusted, .. } = self;
        Ok(Some(xxh3_64(format!("{sender}\n{trusted}\n{call:?}\n{id}").as_bytes())))
    }

    fn requests(
        &self,
        call: Call,
        body: &Json,
        envelope: &Envelope<'_>,
        names: &mut Names,
    ) -> Result<Vec<Request>, Refusal> {
        let user = id(body, "userId")?;
        let anonymous = id(body, "anonymousId")?;
        if call == Call::Alias {
            return self.alias(user, id(body, "previousId")?);
        }
        let anonymous = anonymous.map(|id| self.mapping.anonymous_key(&id));
        let contact = match (&user, &anonymous) {
            (Some(user), _) => key(user, "/userId")?,
            (None, Some(Some(anonymous))) => key(anonymous, "/anonymousId")?,
            // Whoever is not to be known by an anonymous id is left out.
            (None, Some(None)) => return Ok(Vec::new()),
            (None, None) => return Err(refusal("no_key", "", "a call needs \"userId\" or \"anonymousId\"".into())),
        };
        let mut requests = Vec::new();
        match call {
            Call::Identify => {
                let values = self.traits(body, envelope, names)?;
                let write = ContactWrite { key: contact, mode: WriteMode::Merge, values };
                requests.push(match (&user, &anonymous) {
                    (Some(_), Some(Some(anonymous))) => {
                        Request::Join(ContactJoin { from: key(anonymous, "/anonymousId")?, write })
                    }
                    _ => Request::Contact(write),
                });
            }
            Call::Group => {
                let group = id(body, "groupId")?
                    .ok_or_else(|| refusal("missing_member", "", "a group call needs \"groupId\"".into()))?;
                let add = vec![Input::Text(group.into())];
                let values = vec![(self.mapping.groups.clone(), Input::Edit { add, remove: Vec::new() })];
                requests.push(Request::Contact(ContactWrite { key: contact, mode: WriteMode::Merge, values }));
            }
            Call::Track | Call::Page | Call::Screen => {
                requests.extend(self.event(call, body, contact, envelope, names)?);
            }
            Call::Alias => {}
        }
        Ok(requests)
    }

    fn alias(&self, user: Option<String>, previous: Option<String>) -> Result<Vec<Request>, Refusal> {
        let missing = |member: &str| refusal("missing_member", "", format!("an alias needs \"{member}\""));
        let user = key(&user.ok_or_else(|| missing("userId"))?, "/userId")?;
        let previous = previous.ok_or_else(|| missing("previousId"))?;
        let mut given_up = Vec::new();
        given_up.extend(self.mapping.anonymous_key(&previous));
        let is_anonymous = self.mapping.anonymous.as_deref().is_some_and(|prefix| previous.starts_with(prefix));
        if is_anonymous || self.trusted {
            given_up.push(previous);
        }
        let mut requests = Vec::new();
        for from in given_up {
            let from = key(&from, "/previousId")?;
            requests.push(Request::Merge(ContactMerge { from, into: user.clone() }));
        }
        requests.push(Request::Contact(ContactWrite { key: user, mode: WriteMode::Merge, values: Vec::new() }));
        Ok(requests)
    }

    /// The traits of an identify call; some clients send them in the context.
    fn traits(&self, body: &Json, envelope: &Envelope<'_>, names: &mut Names) -> Result<Values, Refusal> {
        let mut values = Values::new();
        flatten(body.get("traits"), "/traits", names, &mut values)?;
        let contexts = [body.get("context"), envelope.context];
        for traits in contexts.into_iter().flatten().filter_map(|context| context.get("traits")) {
            let mut more = Values::new();
            flatten(Some(traits), "/context/traits", names, &mut more)?;
            let known: HashSet<&Name> = values.iter().map(|(name, _)| name).collect();
            more.retain(|(name, _)| !known.contains(name));
            values.extend(more);
        }
        renamed(values, |name| self.mapping.traits.get(name).cloned())
    }

    fn event(
        &self,
        call: Call,
        body: &Json,
        contact: ContactKey,
        envelope: &Envelope<'_>,
        names: &mut Names,
    ) -> Result<Option<Request>, Refusal> {
        let at = self.at(body, envelope);
        let id = message_id(body)?.map(String::into_boxed_str);
        let mut properties = Values::new();
        flatten(body.get("properties"), "/properties", names, &mut properties)?;
        let event = match call {
            Call::Page => self.mapping.page.clone(),
            Call::Screen => self.mapping.screen.clone(),
            _ => match body.get("event") {
                Some(Json::Text(event)) => {
                    names.get(event).map_err(|refusal| Refusal { pointer: "/event".into(), ..refusal })?
                }
                _ => return Err(refusal("missing_member", "/event", "a track call needs \"event\", a name".into())),
            },
        };
        if call != Call::Track {
            for member in ["name", "category"] {
                if let Some(Json::Text(text)) = body.get(member) {
                    let name = names.get(member)?;
                    properties.retain(|(known, _)| *known != name);
                    properties.push((name, Input::Text(text.as_str().into())));
                }
            }
        }
        let (event, mut properties) = match self.mapping.events.get(&event) {
            None => (event, properties),
            Some(None) => return Ok(None),
            Some(Some(rule)) => {
                let properties = renamed(properties, |name| rule.properties.get(name).cloned())?;
                (rule.event.clone(), properties)
            }
        };
        self.add_context(body, envelope, names, &mut properties)?;
        Ok(Some(Request::Event(EventWrite { id, contact, event, at, properties })))
    }

    fn add_context(
        &self,
        body: &Json,
        envelope: &Envelope<'_>,
        names: &mut Names,
        properties: &mut Values,
    ) -> Result<(), Refusal> {
        if self.mapping.context.is_empty() {
            return Ok(());
        }
        for context in [body.get("context"), envelope.context].into_iter().flatten() {
            let mut values = Values::new();
            flatten(Some(context), "/context", names, &mut values)?;
            for (path, value) in values {
                let Some(name) = self.mapping.context.get(&path) else { continue };
                if properties.iter().all(|(known, _)| known != name) {
                    properties.push((name.clone(), value));
                }
            }
        }
        Ok(())
    }

    /// When it was, by our clock: as long before the body came as it was, by the client's, before the body was sent. An
    /// instant that cannot be read is as good as none, as it is to the servers that SDKs are made for.
    fn at(&self, body: &Json, envelope: &Envelope<'_>) -> Option<Timestamp> {
        let read = |member: &str| body.get(member).and_then(instant);
        let at = ["originalTimestamp", "timestamp"].into_iter().find_map(read)?;
        Some(match read("sentAt").or(envelope.sent) {
            Some(sent) => self.received.plus_ms(at.0.saturating_sub(sent.0)),
            None => at,
        })
    }

    /// The first view of a page or a screen declares its kind, so that its label is the name.
    fn undeclared_view(&self, call: Call, requests: &[Request], asked: &Asked) -> Option<Request> {
        let (Call::Page | Call::Screen, [Request::Event(EventWrite { event, .. })]) = (call, requests) else {
            return None;
        };
        let is_it = |request: &Request| matches!(request, Request::Schema(patch) if patch.events[0].0 == *event);
        if self.schema.event(event.as_str()).is_some() || asked.kinds.iter().any(is_it) {
            return None;
        }
        let label = Name::new("name").expect("a well-formed name");
        let text = EventPropertyPatch { ty: Some("text".into()), ..EventPropertyPatch::default() };
        let properties = vec![(label.clone(), Some(text))];
        let kind = EventPatch { label: Some(Some(label)), properties, ..EventPatch::default() };
        Some(Request::Schema(SchemaPatch { events: vec![(event.clone(), Some(kind))], ..SchemaPatch::default() }))
    }
}

impl Asked {
    fn refuse(&mut self, Refusal { pointer, code, detail, .. }: Refusal) {
        self.faults.push(Fault { line: Some(self.calls), pointer, code, detail });
    }
}

/// What is wrong with a call, at a place.
pub(super) fn refusal(code: &'static str, pointer: &str, detail: String) -> Refusal {
    Refusal { kind: RefusalKind::Invalid, code, pointer: pointer.into(), detail }
}

fn key(text: &str, pointer: &str) -> Result<ContactKey, Refusal> {
    ContactKey::new(text).map_err(|error| refusal("bad_key", pointer, error.to_string()))
}

/// An id, which some clients send as a number. None at all, `null` and the empty text are none.
fn id(body: &Json, member: &str) -> Result<Option<String>, Refusal> {
    match body.get(member) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(id)) => Ok(Some(id.clone()).filter(|id| !id.is_empty())),
        Some(Json::Number(digits)) => Ok(Some(digits.clone())),
        Some(other) => {
            let detail = format!("\"{member}\" must be a text or a number, not {}", other.kind());
            Err(refusal("wrong_type", &pointer(member), detail))
        }
    }
}

/// The id that a client gave a call.
fn message_id(body: &Json) -> Result<Option<String>, Refusal> {
    let id = id(body, "messageId")?;
    if id.as_ref().is_some_and(|id| id.len() > limits::KEY_BYTES_MAX) {
        let detail = format!("\"messageId\" has at most {} bytes", limits::KEY_BYTES_MAX);
        return Err(refusal("bad_event_id", "/messageId", detail));
    }
    Ok(id)
}

/// Whether a call became an event.
fn is_event(requests: &[Request]) -> bool {
    requests.iter().any(|request| matches!(request, Request::Event(_)))
}

/// An instant: RFC 3339, of which the zone (then UTC) and the time of day may be left out as in ISO 8601, or
/// milliseconds since 1970.
fn instant(at: &Json) -> Option<Timestamp> {
    match at {
        Json::Text(text) => {
            ["", "Z", "T00:00:00Z"].iter().find_map(|end| Timestamp::parse(&format!("{text}{end}")).ok())
        }
        Json::Number(digits) => digits.parse().ok().map(|ms: i64| Timestamp(0).plus_ms(ms)),
        _ => None,
    }
}

/// Whether an instant is stated that cannot be read.
fn is_undated(body: &Json) -> bool {
    let stated = ["originalTimestamp", "timestamp"].into_iter().filter_map(|member| body.get(member));
    let mut stated = stated.filter(|at| **at != Json::Null).peekable();
    stated.peek().is_some() && stated.all(|at| instant(at).is_none())
}
