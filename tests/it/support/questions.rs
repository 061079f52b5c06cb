//! Questions to a server under writes, and what the naive database answers.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use throng::{
    model::{calendar::Zone, schema::Schema},
    rule::{self, ast::Rule},
};

use crate::support::{
    generate::Dice,
    naive::Naive,
    server::{Reply, call},
};

/// How many clients there are; every other one writes.
pub const CLIENTS: usize = 8;
/// Contacts of each writing client.
pub const KEYS: usize = 10;
/// Segments with their rules.
pub const SEGMENTS: [(&str, &str); 5] = [
    ("high", "lead_score > 50"),
    ("vip", "has tag \"VIP\""),
    ("buyers", "did purchase at least 2 times"),
    ("both", "in segment \"high\" and not in segment \"vip\""),
    ("recent", "had conversation in last 7 days or purchase_total > $100"),
];
/// Rules that are asked.
pub const RULES: [&str; 8] = [
    "lead_score between 20 and 70",
    "has any tag of (\"VIP\", \"new\") xor lead_score < 30",
    "sum(purchase.amount) > 40",
    "no purchase",
    "last purchase having amount < 20",
    "in segment \"both\" or in segment \"list\"",
    "did purchase then conversation",
    "at least 2 of (lead_score > 40, has tag \"new\", open_ticket = true, had conversation)",
];

/// A contact of a writing client.
pub fn contact(client: usize, n: usize) -> String {
    format!("w{client}-{n}")
}

/// A rule in the starter's schema.
pub fn parsed(text: &str) -> Rule {
    rule::parse(text, &Schema::starter(Zone::utc())).unwrap()
}

/// A question.
#[derive(Clone, Debug)]
pub enum Ask {
    /// How many a rule holds, by its place in [`RULES`].
    Count(usize),
    /// Whom it holds.
    Keys(usize),
    /// The same, page by page.
    Paged(usize),
    /// The members of a segment.
    Members(&'static str),
    /// The segments of a contact.
    Segments(String),
    /// Those of several.
    Lookup(Vec<String>),
    /// A contact.
    Contact(String),
    /// Whether a segment holds a contact.
    IsMember(String, &'static str),
    /// What another bound of the segment `high` would change.
    Preview(i64),
    /// The counts of all segments.
    Listed,
}

/// What it is answered with.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// A count.
    Number(u64),
    /// Keys in order.
    Keys(Vec<String>),
    /// Of each contact, if it is there, its segments.
    Lists(Vec<Option<BTreeSet<String>>>),
    /// Its score and tags, if it is there.
    Person(Option<(Option<i64>, BTreeSet<String>)>),
    /// Whether it is in, if it is there.
    Member(Option<bool>),
    /// Several counts.
    Numbers(Vec<u64>),
}

/// A random question.
pub fn ask(dice: &mut Dice) -> Ask {
    let someone = |dice: &mut Dice| contact(2 * dice.below(CLIENTS / 2), dice.below(KEYS));
    let segment = |dice: &mut Dice| dice.pick(&SEGMENTS).0;
    match dice.below(20) {
        0..4 => Ask::Count(dice.below(RULES.len())),
        4..7 => Ask::Keys(dice.below(RULES.len())),
        7 => Ask::Paged(dice.below(RULES.len())),
        8..11 => Ask::Members(if dice.chance(20) { "list" } else { segment(dice) }),
        11 | 12 => Ask::Segments(someone(dice)),
        13 | 14 => Ask::Lookup((0..4).map(|_| someone(dice)).collect()),
        15 | 16 => Ask::Contact(someone(dice)),
        17 => Ask::IsMember(someone(dice), segment(dice)),
        18 => Ask::Preview(dice.between(0, 100)),
        _ => Ask::Listed,
    }
}

/// The write that an answer says it is as of: by its header and, where the body tells it too, by that.
pub fn lsn_of(reply: &Reply) -> u64 {
    let header = reply.header("throng-lsn").unwrap_or_else(|| panic!("no LSN: {} {}", reply.status, reply.text));
    header.parse().unwrap()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// A client and the server it asks.
pub struct Asker<'a> {
    /// Its connections.
    pub agent: ureq::Agent,
    /// The server.
    pub url: &'a str,
}

impl Asker<'_> {
    /// A call; `None` when no answer came.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Option<Reply> {
        let (headers, body): (&[_], _) = match body {
            Value::Null => (&[], Vec::new()),
            body => (&[("content-type", "application/json")], body.to_string().into_bytes()),
        };
        call(&self.agent, self.url, method, path, headers, body)
    }

    /// A read that is found or, of a contact that is not there, is not.
    fn get(&self, path: &str) -> Option<(u64, Option<Value>)> {
        let reply = self.send("GET", path, &Value::Null)?;
        assert!(reply.status == 200 || reply.status == 404, "{path}: {} {}", reply.status, reply.text);
        Some((lsn_of(&reply), (reply.status == 200).then(|| reply.json())))
    }

    fn post(&self, path: &str, body: &Value) -> Option<(u64, Value)> {
        let reply = self.send("POST", path, body)?;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        let (lsn, body) = (lsn_of(&reply), reply.json());
        assert_eq!(body["lsn"], lsn, "header and body name one write");
        Some((lsn, body))
    }

    fn paged(&self, rule: &str) -> Option<(u64, Answer)> {
        let (mut keys, mut body) = (vec![], json!({"rule": rule, "return": "keys", "limit": 7}));
        let (lsn, mut page) = self.post("/v1/query", &body)?;
        loop {
            keys.extend(texts(&page["keys"]));
            if page["next"].is_null() {
                assert_eq!(page["count"], keys.len(), "the pages are all there is");
                return Some((lsn, Answer::Keys(keys)));
            }
            body["after"] = page["next"].clone();
            let next = self.post("/v1/query", &body)?;
            assert_eq!(next.0, lsn, "all pages are of one write");
            page = next.1;
        }
    }

    /// Asks; gives as of which write the answer is, or `None` when none came.
    pub fn ask(&self, ask: &Ask) -> Option<(u64, Answer)> {
        Some(match ask {
            Ask::Count(rule) => {
                let (lsn, body) = self.post("/v1/query", &json!({"rule": RULES[*rule]}))?;
                (lsn, Answer::Number(body["count"].as_u64().unwrap()))
            }
            Ask::Keys(rule) => {
                let (lsn, body) = self.post("/v1/query", &json!({"rule": RULES[*rule], "return": "keys"}))?;
                (lsn, Answer::Keys(texts(&body["keys"])))
            }
            Ask::Paged(rule) => self.paged(RULES[*rule])?,
            Ask::Members(segment) => {
                let reply = self.send("GET", &format!("/v1/segments/{segment}/members"), &Value::Null)?;
                let key = |line: &str| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
                (lsn_of(&reply), Answer::Keys(reply.text.lines().map(key).collect()))
            }
            Ask::Segments(contact) => {
                let (lsn, body) = self.get(&format!("/v1/contacts/{contact}/segments"))?;
                (lsn, Answer::Lists(vec![body.map(|body| texts(&body["segments"]).into_iter().collect())]))
            }
            Ask::Lookup(contacts) => {
                let (lsn, body) = self.post("/v1/lookup", &json!({"contacts": contacts}))?;
                let list =
                    |found: &Value| (found["unknown"] != true).then(|| texts(&found["segments"]).into_iter().collect());
                (lsn, Answer::Lists(body["results"].as_array().unwrap().iter().map(list).collect()))
            }
            Ask::Contact(contact) => {
                let (lsn, body) = self.get(&format!("/v1/contacts/{contact}"))?;
                let tags = |body: &Value| if body["tags"].is_null() { vec![] } else { texts(&body["tags"]) };
                (lsn, Answer::Person(body.map(|body| (body["lead_score"].as_i64(), tags(&body).into_iter().collect()))))
            }
            Ask::IsMember(contact, segment) => {
                let (lsn, body) = self.get(&format!("/v1/contacts/{contact}/segments/{segment}"))?;
                (lsn, Answer::Member(body.map(|body| body["member"].as_bool().unwrap())))
            }
            Ask::Preview(bound) => {
                let rule = format!("lead_score > {bound}");
                let (lsn, body) = self.post("/v1/segments/high/preview", &json!({"rule": rule}))?;
                let told = ["now", "entering", "leaving", "after"].map(|member| body[member].as_u64().unwrap());
                (lsn, Answer::Numbers(told.to_vec()))
            }
            Ask::Listed => {
                let (lsn, body) = self.get("/v1/segments")?;
                let body = body.unwrap();
                let count = |segment: &Value| segment["count"].as_u64().unwrap();
                (lsn, Answer::Numbers(body["segments"].as_array().unwrap().iter().map(count).collect()))
            }
        })
    }
}

/// What the naive database says.
pub fn expected(naive: &Naive, ask: &Ask) -> Answer {
    let now = naive.as_of;
    let keys = |rule: &Rule| -> Vec<String> { naive.members(rule, now).into_iter().map(str::to_owned).collect() };
    let find = |contact: &str| naive.contacts.iter().find(|known| known.key == contact);
    let segments_of = |contact: &str| {
        let contact = find(contact)?;
        let holds = naive.segments.iter().filter(|saved| naive.in_segment(&saved.name, contact));
        Some(holds.map(|saved| saved.name.clone()).collect())
    };
    let members = |name: &str| keys(&Rule::Segment(name.into()));
    match ask {
        Ask::Count(rule) => Answer::Number(keys(&parsed(RULES[*rule])).len() as u64),
        Ask::Keys(rule) | Ask::Paged(rule) => Answer::Keys(keys(&parsed(RULES[*rule]))),
        Ask::Members(segment) => Answer::Keys(members(segment)),
        Ask::Segments(contact) => Answer::Lists(vec![segments_of(contact)]),
        Ask::Lookup(contacts) => Answer::Lists(contacts.iter().map(|contact| segments_of(contact)).collect()),
        Ask::Contact(contact) => Answer::Person(find(contact).map(|contact| {
            use throng::model::value::Value as Fact;
            let score = contact.written.get("lead_score").map(|value| match value {
                Fact::Number(number) => (number.0 / throng::model::number::ONE) as i64,
                other => panic!("{other:?}"),
            });
            let tags = match contact.written.get("tags") {
                Some(Fact::Set(tags)) => tags.iter().map(|tag| tag.to_string()).collect(),
                _ => BTreeSet::new(),
            };
            (score, tags)
        })),
        Ask::IsMember(contact, segment) => {
            Answer::Member(find(contact).map(|contact| naive.in_segment(segment, contact)))
        }
        Ask::Preview(bound) => {
            let (before, after) = (members("high"), keys(&parsed(&format!("lead_score > {bound}"))));
            let entering = after.iter().filter(|key| !before.contains(key)).count();
            let leaving = before.iter().filter(|key| !after.contains(key)).count();
            Answer::Numbers([before.len(), entering, leaving, after.len()].map(|n| n as u64).to_vec())
        }
        Ask::Listed => Answer::Numbers(naive.segments.iter().map(|saved| members(&saved.name).len() as u64).collect()),
    }
}
