//! How tracking calls become contacts and events: the defaults, and a file that says otherwise.

use std::collections::HashMap;

use crate::{
    http::json::Json,
    model::name::{ContactKey, Name},
};

/// What becomes of an event of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRule {
    /// The kind that it is recorded as.
    pub event: Name,
    /// Other names for its properties; `None` leaves one out.
    pub properties: HashMap<Name, Option<Name>>,
}

/// What the parts of tracking calls become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What stands before an `anonymousId` in a key; `None` leaves calls without a `userId` out.
    pub anonymous: Option<Box<str>>,
    /// The set that holds the ids of a contact's groups.
    pub groups: Name,
    /// The event that a page call is.
    pub page: Name,
    /// The event that a screen call is.
    pub screen: Name,
    /// Other names for traits; `None` leaves one out.
    pub traits: HashMap<Name, Option<Name>>,
    /// Events that are recorded as others; `None` leaves one out.
    pub events: HashMap<Name, Option<EventRule>>,
    /// Parts of the context that are kept as properties of events, by path.
    pub context: HashMap<Name, Name>,
}

impl Default for Mapping {
    fn default() -> Mapping {
        let name = |name: &str| Name::new(name).expect("a well-formed name");
        Mapping {
            anonymous: Some("anon:".into()),
            groups: name("groups"),
            page: name("page_viewed"),
            screen: name("screen_viewed"),
            traits: HashMap::new(),
            events: HashMap::new(),
            context: HashMap::new(),
        }
    }
}

impl Mapping {
    /// Reads a mapping; what it does not say stays as it is by default.
    ///
    /// Errors: a sentence that says what is wrong and where.
    pub fn parse(text: &[u8]) -> Result<Mapping, String> {
        const KNOWN: [&str; 7] = ["anonymous", "groups", "page", "screen", "traits", "events", "context"];
        let file = Json::parse(text)?;
        let mut mapping = Mapping::default();
        for (member, value) in members(&file, "the mapping")? {
            match member.as_str() {
                "anonymous" => mapping.anonymous = prefix(value)?,
                "groups" => mapping.groups = name_in(value, member)?,
                "page" => mapping.page = name_in(value, member)?,
                "screen" => mapping.screen = name_in(value, member)?,
                "traits" => mapping.traits = renames(value, member)?,
                "events" => mapping.events = events(value)?,
                "context" => {
                    for (path, name) in members(value, member)? {
                        mapping.context.insert(named(path)?, name_in(name, path)?);
                    }
                }
                other => return Err(format!("\"{other}\" is not known; known are {}", KNOWN.join(", "))),
            }
        }
        Ok(mapping)
    }

    /// The key of someone who is known by an anonymous id alone; `None` when such calls are left out.
    pub fn anonymous_key(&self, id: &str) -> Option<String> {
        self.anonymous.as_ref().map(|prefix| format!("{prefix}{id}"))
    }
}

fn prefix(value: &Json) -> Result<Option<Box<str>>, String> {
    match value {
        Json::Null => Ok(None),
        Json::Text(prefix) if ContactKey::new(prefix).is_ok() => Ok(Some(prefix.as_str().into())),
        other => Err(format!("\"anonymous\" is what stands before an anonymous id, or null, and not {other}")),
    }
}

fn events(value: &Json) -> Result<HashMap<Name, Option<EventRule>>, String> {
    let mut events = HashMap::new();
    for (event, to) in members(value, "events")? {
        let rule = match to {
            Json::Null => None,
            Json::Text(to) => Some(EventRule { event: named(to)?, properties: HashMap::new() }),
            to => {
                let mut rule = EventRule { event: named(event)?, properties: HashMap::new() };
                for (member, value) in members(to, event)? {
                    match member.as_str() {
                        "event" => rule.event = name_in(value, "event")?,
                        "properties" => rule.properties = renames(value, event)?,
                        other => return Err(format!("\"{other}\" is not known in the event \"{event}\"")),
                    }
                }
                Some(rule)
            }
        };
        events.insert(named(event)?, rule);
    }
    Ok(events)
}

fn renames(value: &Json, of: &str) -> Result<HashMap<Name, Option<Name>>, String> {
    let mut renames = HashMap::new();
    for (from, to) in members(value, of)? {
        let to = if *to == Json::Null { None } else { Some(name_in(to, from)?) };
        renames.insert(named(from)?, to);
    }
    Ok(renames)
}

fn members<'j>(value: &'j Json, of: &str) -> Result<&'j [(String, Json)], String> {
    match value {
        Json::Object(members) => Ok(members),
        other => Err(format!("\"{of}\" must be an object, not {}", other.kind())),
    }
}

fn name_in(value: &Json, of: &str) -> Result<Name, String> {
    match value {
        Json::Text(text) => named(text),
        other => Err(format!("\"{of}\" must be given a name, not {}", other.kind())),
    }
}

fn named(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|error| format!("\"{text}\": {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_says_what_differs() {
        let name = |name: &str| Name::new(name).unwrap();
        let text =
            br#"{"anonymous":"visitor/","page":"Viewed Page","traits":{"company.name":"company","password":null},
            "events":{"Order Completed":{"event":"purchase","properties":{"revenue":"amount","total":null}},
            "Debug":null,"Signed Up":"signup"},"context":{"campaign.source":"utm_source"}}"#;
        let mapping = Mapping::parse(text).unwrap();
        assert_eq!(mapping.anonymous_key("7").as_deref(), Some("visitor/7"));
        assert_eq!((&mapping.page, &mapping.screen), (&name("viewed_page"), &name("screen_viewed")));
        assert_eq!(mapping.traits[&name("company_name")], Some(name("company")));
        assert_eq!(mapping.traits[&name("password")], None);
        let order = mapping.events[&name("order_completed")].as_ref().unwrap();
        assert_eq!((&order.event, &order.properties[&name("revenue")]), (&name("purchase"), &Some(name("amount"))));
        assert_eq!(mapping.events[&name("debug")], None);
        assert_eq!(mapping.events[&name("signed_up")].as_ref().unwrap().event, name("signup"));
        assert_eq!(mapping.context[&name("campaign_source")], name("utm_source"));
        assert_eq!(Mapping::parse(b"{}").unwrap(), Mapping::default());
        assert_eq!(Mapping::parse(br#"{"anonymous":null}"#).unwrap().anonymous_key("7"), None);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, told) in [
            ("[]", "must be an object"),
            ("{", "EOF"),
            (r#"{"pages":"x"}"#, "\"pages\" is not known"),
            (r#"{"page":7}"#, "must be given a name"),
            (r#"{"traits":{"a":"`"}}"#, "back-tick"),
            (r#"{"events":{"a":{"to":"b"}}}"#, "\"to\" is not known"),
            (r#"{"anonymous":""}"#, "what stands before"),
        ] {
            let error = Mapping::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
