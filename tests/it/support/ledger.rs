//! What clients of a server that is to be killed have written: kept outside of it, call by call.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use crate::support::{
    generate::Dice,
    server::{Server, call},
};

/// Lines of an import, and those of its first batch: more are read before the types of new columns are settled.
pub const IMPORT_LINES: u64 = 12_000;
/// See [`IMPORT_LINES`].
pub const IMPORT_FIRST: u64 = 10_000;
const KEYS: usize = 12;
const TAGS: [&str; 4] = ["red", "green", "blue", "white"];

/// Which import was acknowledged last: each writes the same contacts with its own number.
#[derive(Clone, Copy, Default)]
pub struct Imported {
    /// The number, 0 for none.
    pub value: u64,
    /// The one that was sent and not answered.
    pub under_way: Option<u64>,
}

/// The lines of an import.
pub fn import_lines(value: u64) -> String {
    let mut lines = String::new();
    for n in 0..IMPORT_LINES {
        writeln!(lines, "{{\"key\":\"i{n:06}\",\"lead_score\":{value}}}").expect("memory holds it");
    }
    lines
}

/// What there is of one client.
#[derive(Clone, Debug, Default, PartialEq)]
struct Held {
    contacts: BTreeMap<String, Person>,
    /// The rule's bound of the client's dynamic segment, if there is one.
    bound: Option<i64>,
    /// Of the client's static one.
    list: Option<BTreeSet<String>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Person {
    score: Option<i64>,
    tags: BTreeSet<String>,
    /// Amounts by event id.
    events: BTreeMap<String, i64>,
}

/// A call.
struct Call {
    kind: &'static str,
    method: &'static str,
    path: String,
    body: Value,
}

/// One client: what it wrote and had acknowledged, and the call that was under way.
pub struct Client {
    number: u64,
    sent: u64,
    held: Held,
    /// What is held if the call under way was done.
    under_way: Option<Held>,
    /// Acknowledged calls by kind.
    pub acknowledged: BTreeMap<&'static str, u64>,
}

impl Client {
    /// A client that has written nothing.
    pub fn new(number: u64) -> Client {
        Client { number, sent: 0, held: Held::default(), under_way: None, acknowledged: BTreeMap::new() }
    }

    /// What all its contacts are called.
    pub fn name(&self) -> String {
        format!("client {}", self.number)
    }

    /// How many segments it has.
    pub fn segments(&self) -> usize {
        usize::from(self.held.bound.is_some()) + usize::from(self.held.list.is_some())
    }

    /// One write; whether it was acknowledged before the cut.
    pub fn write(&mut self, agent: &ureq::Agent, url: &str, dice: &mut Dice, cut: &AtomicBool) -> bool {
        self.sent += 1;
        let mut next = self.held.clone();
        let call_made = self.choose(dice, &mut next);
        self.under_way = Some(next);
        let headers: &[(&str, &str)] =
            if call_made.body.is_null() { &[] } else { &[("content-type", "application/json")] };
        let body = if call_made.body.is_null() { Vec::new() } else { call_made.body.to_string().into_bytes() };
        let reply = call(agent, url, call_made.method, &call_made.path, headers, body);
        let Some(reply) = reply else { return false };
        // The writer stops with an answer of its own only when the server is being stopped, which a kill is not.
        assert!(reply.status < 300, "{} {}: {} {}", call_made.method, call_made.path, reply.status, reply.text);
        if cut.load(Ordering::SeqCst) {
            return false;
        }
        self.held = self.under_way.take().expect("just put there");
        *self.acknowledged.entry(call_made.kind).or_default() += 1;
        true
    }

    /// A random call that will be done, and what is held after it.
    fn choose(&self, dice: &mut Dice, next: &mut Held) -> Call {
        let make = |kind, method, path: String, body| Call { kind, method, path, body };
        let key = format!("k{}-{}", self.number, dice.below(KEYS));
        let known: Vec<String> = next.contacts.keys().cloned().collect();
        let score = dice.between(0, 100);
        match dice.below(100) {
            0..15 => {
                let tags: BTreeSet<String> = TAGS.iter().filter(|_| dice.chance(50)).map(|tag| (*tag).into()).collect();
                let person = next.contacts.entry(key.clone()).or_default();
                (person.score, person.tags) = (Some(score), tags.clone());
                let body = json!({"name": self.name(), "lead_score": score, "tags": tags});
                make("put", "PUT", format!("/v1/contacts/{key}"), body)
            }
            15..45 if !known.is_empty() => {
                let key = dice.pick(&known).clone();
                self.some_events(dice, next, key)
            }
            45..52 if !known.is_empty() => {
                let key = dice.pick(&known).clone();
                let person = next.contacts.get_mut(&key).expect("it is known");
                person.score = Some(score);
                make("patch", "PATCH", format!("/v1/contacts/{key}"), json!({"lead_score": score}))
            }
            52..66 if !known.is_empty() => {
                let (key, tag) = (dice.pick(&known).clone(), (*dice.pick(&TAGS)).to_owned());
                let person = next.contacts.get_mut(&key).expect("it is known");
                let (kind, edit) = if dice.chance(50) { ("tag", "add") } else { ("untag", "remove") };
                if edit == "add" {
                    person.tags.insert(tag.clone())
                } else {
                    person.tags.remove(&tag)
                };
                make(kind, "PATCH", format!("/v1/contacts/{key}"), json!({"tags": {edit: [tag]}}))
            }
            66..74 if !known.is_empty() => {
                let key = dice.pick(&known).clone();
                next.contacts.remove(&key);
                if let Some(list) = &mut next.list {
                    list.remove(&key);
                }
                make("erase", "DELETE", format!("/v1/contacts/{key}"), Value::Null)
            }
            74..80 => {
                let some = next.contacts.values_mut().find(|person| !person.events.is_empty());
                let Some((id, _)) = some.and_then(|person| person.events.pop_first()) else {
                    return self.some_rule(dice, next);
                };
                make("delete event", "DELETE", format!("/v1/events/{id}"), Value::Null)
            }
            80..90 => self.some_rule(dice, next),
            _ => self.some_list(dice, next, &known),
        }
    }

    /// Three events of one contact in one call: one batch.
    fn some_events(&self, dice: &mut Dice, next: &mut Held, key: String) -> Call {
        let amounts: Vec<i64> = (0..3).map(|_| dice.between(1, 1_000_000)).collect();
        let person = next.contacts.get_mut(&key).expect("it is known");
        let mut events = vec![];
        for (place, amount) in amounts.into_iter().enumerate() {
            let id = format!("e{}-{}-{place}", self.number, self.sent);
            events.push(json!({"id": id, "contact": key, "event": "purchase", "properties": {"amount": amount}}));
            person.events.insert(id, amount);
        }
        Call { kind: "events", method: "POST", path: "/v1/events".into(), body: events.into() }
    }

    /// Makes, changes or deletes the dynamic segment.
    fn some_rule(&self, dice: &mut Dice, next: &mut Held) -> Call {
        let (bound, path) = (dice.between(0, 100), format!("/v1/segments/dynamic{}", self.number));
        if next.bound.is_some() && dice.chance(20) {
            next.bound = None;
            return Call { kind: "delete segment", method: "DELETE", path, body: Value::Null };
        }
        next.bound = Some(bound);
        let rule = format!("lead_score > {bound} and name = \"{}\"", self.name());
        Call { kind: "rule", method: "PUT", path, body: json!({"rule": rule}) }
    }

    /// Makes the static segment, or adds to it and takes from it in one call.
    fn some_list(&self, dice: &mut Dice, next: &mut Held, known: &[String]) -> Call {
        let name = format!("static{}", self.number);
        let Some(list) = &mut next.list else {
            next.list = Some(known.iter().cloned().collect());
            let body = json!({"name": name, "kind": "static", "members": known});
            return Call { kind: "list", method: "POST", path: "/v1/segments".into(), body };
        };
        let remove: Vec<String> = list.iter().filter(|_| dice.chance(40)).cloned().collect();
        let add: Vec<String> =
            known.iter().filter(|_| dice.chance(40)).filter(|key| !remove.contains(key)).cloned().collect();
        list.retain(|key| !remove.contains(key));
        list.extend(add.iter().cloned());
        let body = json!({"add": add, "remove": remove});
        Call { kind: "members", method: "POST", path: format!("/v1/segments/{name}/members"), body }
    }

    /// What the server holds is what was acknowledged, or that with the call under way. Says whether there was one, and
    /// whether it had been done.
    pub fn judge(&mut self, server: &Server, seed: u64, contacts: &[Value], segments: &Value) -> (bool, bool) {
        let found = self.found(server, contacts, segments);
        let under_way = self.under_way.take();
        let before = self.held.told();
        if found == before {
            return (under_way.is_some(), false);
        }
        let after = under_way.as_ref().map(Held::told);
        assert!(
            after.as_ref() == Some(&found),
            "seed {seed}, client {}: the server holds\n{found:#?}\nacknowledged was\n{before:#?}\nand under way\n{after:#?}",
            self.number
        );
        self.held = under_way.expect("it was compared");
        (true, true)
    }

    fn found(&self, server: &Server, contacts: &[Value], segments: &Value) -> Told {
        let mine = contacts.iter().filter(|contact| contact["name"] == self.name().as_str());
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let keys = |name: &str| -> BTreeSet<String> {
            let reply = server.call("GET", &format!("/v1/segments/{name}/members"), Value::Null);
            let key = |line: &str| text(&serde_json::from_str::<Value>(line).expect("a line")["key"]);
            reply.text.lines().map(key).collect()
        };
        let mut told = Told::default();
        for contact in mine {
            let tags = contact["tags"].as_array().into_iter().flatten().map(text).collect();
            let person = (contact["lead_score"].as_i64(), tags, contact["purchase_total"].as_f64());
            told.contacts.insert(text(&contact["key"]), person);
        }
        for segment in segments["segments"].as_array().expect("a list") {
            let name = text(&segment["name"]);
            if name == format!("dynamic{}", self.number) {
                let bound = segment["rule_json"]["and"][0]["value"].as_i64().expect("a number");
                told.rule = Some((bound, keys(&name)));
            } else if name == format!("static{}", self.number) {
                told.list = Some(keys(&name));
            }
        }
        told
    }
}

/// What a server tells of a client.
#[derive(Debug, Default, PartialEq)]
struct Told {
    contacts: BTreeMap<String, (Option<i64>, BTreeSet<String>, Option<f64>)>,
    rule: Option<(i64, BTreeSet<String>)>,
    list: Option<BTreeSet<String>>,
}

impl Held {
    /// What a server that holds this tells.
    fn told(&self) -> Told {
        let person = |person: &Person| {
            let total = (!person.events.is_empty()).then(|| person.events.values().sum::<i64>() as f64);
            (person.score, person.tags.clone(), total)
        };
        let above = |bound: i64| {
            let held = self.contacts.iter().filter(|(_, person)| person.score.is_some_and(|score| score > bound));
            held.map(|(key, _)| key.clone()).collect()
        };
        Told {
            contacts: self.contacts.iter().map(|(key, held)| (key.clone(), person(held))).collect(),
            rule: self.bound.map(|bound| (bound, above(bound))),
            list: self.list.clone(),
        }
    }
}
