//! Reads under writes: every answer says as of which write it is, is what the naive database says as of that write, is
//! never older than what was acknowledged before it was asked for, and never older than the client's answer before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use serde_json::{Value, json};
use throng::{
    model::{
        calendar::Zone,
        name::ContactKey,
        number::Number,
        request::{
            ContactWrite, EventWrite, Input, MembersEdit, MembersMode, Request, RuleSource, SegmentCreate,
            SegmentSource, SegmentUpdate, WriteMode,
        },
        schema::Schema,
        time::Timestamp,
    },
    rule::{self, ast::Rule},
};

use crate::support::{
    generate::Dice,
    generate_schema::name,
    naive::Naive,
    server::{Reply, Server, agent, call},
};

const NOW: &str = "2026-05-01T00:00:00Z";
/// Half of the clients write and read what they wrote, half read.
const CLIENTS: usize = 8;
/// Calls of each client in a history.
const CALLS: usize = 600;
const HISTORIES: u64 = 5;
/// Contacts of each writing client.
const KEYS: usize = 10;
const SEGMENTS: [(&str, &str); 5] = [
    ("high", "lead_score > 50"),
    ("vip", "has tag \"VIP\""),
    ("buyers", "did purchase at least 2 times"),
    ("both", "in segment \"high\" and not in segment \"vip\""),
    ("recent", "had conversation in last 7 days or purchase_total > $100"),
];
const RULES: [&str; 8] = [
    "lead_score between 20 and 70",
    "has any tag of (\"VIP\", \"new\") xor lead_score < 30",
    "sum(purchase.amount) > 40",
    "no purchase",
    "last purchase having amount < 20",
    "in segment \"both\" or in segment \"list\"",
    "did purchase then conversation",
    "at least 2 of (lead_score > 40, has tag \"new\", open_ticket = true, had conversation)",
];

/// A write as both sides hear it.
struct Told {
    request: Request,
    method: &'static str,
    path: String,
    body: Value,
}

/// An answer to a read.
struct Seen {
    lsn: u64,
    /// What was acknowledged to anyone before it was asked for, and the client's last answer.
    floor: (u64, u64),
    asked: Ask,
    answer: Answer,
}

#[derive(Clone, Debug)]
enum Ask {
    Count(usize),
    Keys(usize),
    Paged(usize),
    Members(&'static str),
    Segments(String),
    Lookup(Vec<String>),
    Contact(String),
    IsMember(String, &'static str),
    Preview(i64),
    Listed,
}

#[derive(Debug, PartialEq)]
enum Answer {
    Number(u64),
    Keys(Vec<String>),
    Lists(Vec<Option<BTreeSet<String>>>),
    Person(Option<(Option<i64>, BTreeSet<String>)>),
    Member(Option<bool>),
    Numbers(Vec<u64>),
}

fn key(text: &str) -> ContactKey {
    ContactKey::new(text).unwrap()
}

fn parsed(text: &str) -> Rule {
    rule::parse(text, &Schema::starter(Zone::utc())).unwrap()
}

fn as_json(text: &str) -> RuleSource {
    RuleSource::Json(rule::to_json(&parsed(text)).to_string().into())
}

/// What a writing client knows of its own contacts.
#[derive(Default)]
struct Mine {
    known: BTreeSet<String>,
    listed: BTreeSet<String>,
    /// Whether it is pinned in or out.
    pinned: BTreeMap<String, bool>,
}

/// One writing client's next call.
fn write(dice: &mut Dice, client: usize, sent: usize, mine: &mut Mine) -> Told {
    let Mine { known, listed, pinned } = mine;
    let of = |n: usize| format!("w{client}-{n}");
    let contact = of(dice.below(KEYS));
    let path = format!("/v1/contacts/{contact}");
    let (score, tag) = (dice.between(0, 100), *dice.pick(&["VIP", "new", "old"]));
    let values = |values: Vec<(&str, Input)>| values.into_iter().map(|(at, input)| (name(at), input)).collect();
    let merged = |mode, list| Request::Contact(ContactWrite { key: key(&contact), mode, values: values(list) });
    let scored = || ("lead_score", Input::Number(Number::from_int(score)));
    match dice.below(100) {
        0..20 => {
            known.insert(contact.clone());
            let request =
                merged(WriteMode::Replace, vec![scored(), ("tags", Input::List(vec![Input::Text(tag.into())]))]);
            Told { request, method: "PUT", path, body: json!({"lead_score": score, "tags": [tag]}) }
        }
        20..35 => {
            known.insert(contact.clone());
            let request = merged(WriteMode::Merge, vec![scored()]);
            Told { request, method: "PATCH", path, body: json!({"lead_score": score}) }
        }
        35..50 => {
            known.insert(contact.clone());
            let (add, remove) = (vec![Input::Text(tag.into())], vec![Input::Text("old".into())]);
            let body = json!({"tags": {"add": [tag], "remove": ["old"]}});
            Told {
                request: merged(WriteMode::Merge, vec![("tags", Input::Edit { add, remove })]),
                method: "PATCH",
                path,
                body,
            }
        }
        50..80 => {
            known.insert(contact.clone());
            let kind = *dice.pick(&["purchase", "purchase", "conversation", "ticket_opened", "ticket_closed"]);
            let at = Timestamp::parse(NOW).unwrap().plus_ms(-dice.between(0, 20 * 86_400) * 1_000);
            let (id, amount) = (format!("{client}-{sent}"), dice.between(1, 60));
            let is_purchase = kind == "purchase";
            let properties =
                if is_purchase { values(vec![("amount", Input::Number(Number::from_int(amount)))]) } else { vec![] };
            let write = EventWrite {
                id: Some(id.as_str().into()),
                contact: key(&contact),
                event: name(kind),
                at: Some(at),
                properties,
            };
            let properties = if is_purchase { json!({"amount": amount}) } else { json!({}) };
            let body =
                json!({"id": id, "contact": contact, "event": kind, "at": at.to_string(), "properties": properties});
            Told { request: Request::Event(write), method: "POST", path: "/v1/events".into(), body }
        }
        80..88 if known.contains(&contact) => {
            known.remove(&contact);
            listed.remove(&contact);
            pinned.remove(&contact);
            Told { request: Request::Erase(key(&contact)), method: "DELETE", path, body: Value::Null }
        }
        88..94 if known.contains(&contact) => {
            let is_new = listed.insert(contact.clone());
            let (mode, word) = if is_new { (MembersMode::Add, "add") } else { (MembersMode::Remove, "remove") };
            if !is_new {
                listed.remove(&contact);
            }
            let edits = vec![(mode, vec![key(&contact)])];
            let request = Request::EditMembers(MembersEdit { segment: "list".into(), edits, create: false });
            Told { request, method: "POST", path: "/v1/segments/list/members".into(), body: json!({word: [contact]}) }
        }
        94..97 if known.contains(&contact) => {
            let is_in = !pinned.get(&contact).copied().unwrap_or(dice.chance(50));
            pinned.insert(contact.clone(), is_in);
            let (mode, word) =
                if is_in { (MembersMode::Include, "include") } else { (MembersMode::Exclude, "exclude") };
            let edits = vec![(mode, vec![key(&contact)])];
            let request = Request::EditMembers(MembersEdit { segment: "buyers".into(), edits, create: false });
            Told { request, method: "POST", path: "/v1/segments/buyers/members".into(), body: json!({word: [contact]}) }
        }
        _ => {
            // A bound that no other call has, so that the rule is never the one that it was.
            let rule = format!("lead_score > {}.{client}{sent:04}", 30 + sent % 40);
            let update =
                SegmentUpdate { segment: "high".into(), name: None, description: None, rule: Some(as_json(&rule)) };
            Told {
                request: Request::UpdateSegment(update),
                method: "PATCH",
                path: "/v1/segments/high".into(),
                body: json!({"rule": rule}),
            }
        }
    }
}

/// A random question.
fn ask(dice: &mut Dice) -> Ask {
    let contact = |dice: &mut Dice| format!("w{}-{}", 2 * dice.below(CLIENTS / 2), dice.below(KEYS));
    let segment = |dice: &mut Dice| dice.pick(&SEGMENTS).0;
    match dice.below(20) {
        0..4 => Ask::Count(dice.below(RULES.len())),
        4..7 => Ask::Keys(dice.below(RULES.len())),
        7 => Ask::Paged(dice.below(RULES.len())),
        8..11 => Ask::Members(if dice.chance(20) { "list" } else { segment(dice) }),
        11 | 12 => Ask::Segments(contact(dice)),
        13 | 14 => Ask::Lookup((0..4).map(|_| contact(dice)).collect()),
        15 | 16 => Ask::Contact(contact(dice)),
        17 => Ask::IsMember(contact(dice), segment(dice)),
        18 => Ask::Preview(dice.between(0, 100)),
        _ => Ask::Listed,
    }
}

/// The write that an answer says it is as of: by its header and, where the body tells it too, by that.
fn lsn_of(reply: &Reply) -> u64 {
    let header = reply.header("throng-lsn").unwrap_or_else(|| panic!("no LSN: {} {}", reply.status, reply.text));
    header.parse().unwrap()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

struct Client<'a> {
    agent: ureq::Agent,
    url: &'a str,
}

impl Client<'_> {
    fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let (headers, body): (&[_], _) = match body {
            Value::Null => (&[], Vec::new()),
            body => (&[("content-type", "application/json")], body.to_string().into_bytes()),
        };
        call(&self.agent, self.url, method, path, headers, body).expect("the server answers")
    }

    /// A read that is found or, of a contact that is not there, is not.
    fn get(&self, path: &str) -> (u64, Option<Value>) {
        let reply = self.send("GET", path, &Value::Null);
        assert!(reply.status == 200 || reply.status == 404, "{path}: {} {}", reply.status, reply.text);
        (lsn_of(&reply), (reply.status == 200).then(|| reply.json()))
    }

    fn post(&self, path: &str, body: &Value) -> (u64, Value) {
        let reply = self.send("POST", path, body);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        let (lsn, body) = (lsn_of(&reply), reply.json());
        assert_eq!(body["lsn"], lsn, "header and body name one write");
        (lsn, body)
    }

    fn paged(&self, rule: &str) -> (u64, Answer) {
        let (mut keys, mut body) = (vec![], json!({"rule": rule, "return": "keys", "limit": 7}));
        let (lsn, mut page) = self.post("/v1/query", &body);
        loop {
            keys.extend(texts(&page["keys"]));
            if page["next"].is_null() {
                assert_eq!(page["count"], keys.len(), "the pages are all there is");
                return (lsn, Answer::Keys(keys));
            }
            body["after"] = page["next"].clone();
            let next = self.post("/v1/query", &body);
            assert_eq!(next.0, lsn, "all pages are of one write");
            page = next.1;
        }
    }

    fn ask(&self, ask: &Ask) -> (u64, Answer) {
        match ask {
            Ask::Count(rule) => {
                let (lsn, body) = self.post("/v1/query", &json!({"rule": RULES[*rule]}));
                (lsn, Answer::Number(body["count"].as_u64().unwrap()))
            }
            Ask::Keys(rule) => {
                let (lsn, body) = self.post("/v1/query", &json!({"rule": RULES[*rule], "return": "keys"}));
                (lsn, Answer::Keys(texts(&body["keys"])))
            }
            Ask::Paged(rule) => self.paged(RULES[*rule]),
            Ask::Members(segment) => {
                let reply = self.send("GET", &format!("/v1/segments/{segment}/members"), &Value::Null);
                let key = |line: &str| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
                (lsn_of(&reply), Answer::Keys(reply.text.lines().map(key).collect()))
            }
            Ask::Segments(contact) => {
                let (lsn, body) = self.get(&format!("/v1/contacts/{contact}/segments"));
                (lsn, Answer::Lists(vec![body.map(|body| texts(&body["segments"]).into_iter().collect())]))
            }
            Ask::Lookup(contacts) => {
                let (lsn, body) = self.post("/v1/lookup", &json!({"contacts": contacts}));
                let list =
                    |found: &Value| (found["unknown"] != true).then(|| texts(&found["segments"]).into_iter().collect());
                (lsn, Answer::Lists(body["results"].as_array().unwrap().iter().map(list).collect()))
            }
            Ask::Contact(contact) => {
                let (lsn, body) = self.get(&format!("/v1/contacts/{contact}"));
                let tags = |body: &Value| if body["tags"].is_null() { vec![] } else { texts(&body["tags"]) };
                (lsn, Answer::Person(body.map(|body| (body["lead_score"].as_i64(), tags(&body).into_iter().collect()))))
            }
            Ask::IsMember(contact, segment) => {
                let (lsn, body) = self.get(&format!("/v1/contacts/{contact}/segments/{segment}"));
                (lsn, Answer::Member(body.map(|body| body["member"].as_bool().unwrap())))
            }
            Ask::Preview(bound) => {
                let rule = format!("lead_score > {bound}");
                let (lsn, body) = self.post("/v1/segments/high/preview", &json!({"rule": rule}));
                let told = ["now", "entering", "leaving", "after"].map(|member| body[member].as_u64().unwrap());
                (lsn, Answer::Numbers(told.to_vec()))
            }
            Ask::Listed => {
                let (lsn, body) = self.get("/v1/segments");
                let body = body.unwrap();
                let count = |segment: &Value| segment["count"].as_u64().unwrap();
                (lsn, Answer::Numbers(body["segments"].as_array().unwrap().iter().map(count).collect()))
            }
        }
    }
}

/// What the naive database says.
fn expected(naive: &Naive, ask: &Ask) -> Answer {
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

/// One client's calls: what it wrote by the write's number, and what it saw.
fn client(url: &str, number: usize, seed: u64, newest: &AtomicU64) -> (Vec<(u64, Request)>, Vec<Seen>) {
    let mut dice = Dice::new(seed);
    let client = Client { agent: agent(), url };
    let (mut mine, mut own) = (Mine::default(), 0);
    let (mut written, mut seen) = (vec![], vec![]);
    for sent in 0..CALLS {
        if number % 2 == 0 && dice.chance(50) {
            let Told { request, method, path, body } = write(&mut dice, number, sent, &mut mine);
            let reply = client.send(method, &path, &body);
            assert!(reply.status < 300, "{method} {path} {body}: {} {}", reply.status, reply.text);
            let named = if reply.text.is_empty() { Value::Null } else { reply.json()["lsn"].clone() };
            let lsn = named.as_u64().unwrap_or_else(|| lsn_of(&reply));
            assert!(lsn > own && lsn <= lsn_of(&reply), "a write comes after what its client knew");
            own = lsn;
            newest.fetch_max(lsn, Ordering::SeqCst);
            written.push((lsn, request));
        } else {
            let asked = ask(&mut dice);
            let floor = (newest.load(Ordering::SeqCst), own);
            let (lsn, answer) = client.ask(&asked);
            own = own.max(lsn);
            seen.push(Seen { lsn, floor, asked, answer });
        }
    }
    (written, seen)
}

fn founded() -> Naive {
    let mut naive = Naive::new(Schema::starter(Zone::utc()), Timestamp::parse(NOW).unwrap());
    for (segment, rule) in SEGMENTS {
        let source = SegmentSource::Rule(as_json(rule));
        naive
            .write(&Request::CreateSegment(SegmentCreate { name: segment.into(), description: None, source }))
            .unwrap();
    }
    let source = SegmentSource::Members(vec![]);
    naive.write(&Request::CreateSegment(SegmentCreate { name: "list".into(), description: None, source })).unwrap();
    naive
}

fn history(seed: u64) -> (usize, usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", NOW]);
    for (segment, rule) in SEGMENTS {
        server.ok("POST", "/v1/segments", json!({"name": segment, "rule": rule}));
    }
    let made = server.ok("POST", "/v1/segments", json!({"name": "list", "kind": "static", "members": []}));
    let base = made["lsn"].as_u64().unwrap();
    let (newest, over) = (AtomicU64::new(base), AtomicBool::new(false));
    let (mut written, mut seen) = (vec![], vec![]);
    thread::scope(|scope| {
        let (url, newest) = (server.url.as_str(), &newest);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || client(url, number, seed * 1_000 + number as u64, newest)))
            .collect();
        let snapshots = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                server.ok("POST", "/v1/snapshot", Value::Null);
            }
        });
        for client in clients {
            let (wrote, saw) = client.join().expect("a client ends");
            written.extend(wrote);
            seen.extend(saw);
        }
        over.store(true, Ordering::SeqCst);
        snapshots.join().expect("the snapshots end");
    });
    written.sort_by_key(|(lsn, _)| *lsn);
    seen.sort_by_key(|seen| seen.lsn);
    let numbers: Vec<u64> = written.iter().map(|(lsn, _)| *lsn).collect();
    assert_eq!(numbers, (base + 1..=base + written.len() as u64).collect::<Vec<_>>(), "each write has its own number");
    let (mut naive, mut writes, mut behind) = (founded(), written.iter(), 0);
    let mut at = base;
    for Seen { lsn, floor, asked, answer } in &seen {
        assert!(*lsn >= floor.0, "seed {seed}: {asked:?} as of {lsn}, but {} was acknowledged before it", floor.0);
        assert!(*lsn >= floor.1, "seed {seed}: {asked:?} as of {lsn}, but its client had seen {}", floor.1);
        while at < *lsn {
            let (number, request) = writes.next().expect("an answer is as of a write that was made");
            naive.write(request).unwrap_or_else(|why| panic!("seed {seed}: {number} {request:?} is refused: {why:?}"));
            at = *number;
        }
        assert_eq!(*answer, expected(&naive, asked), "seed {seed}: {asked:?} as of {lsn}");
        behind += usize::from(*lsn < base + numbers.len() as u64);
    }
    (written.len(), seen.len(), behind)
}

#[test]
fn every_answer_is_as_of_the_write_it_names() {
    let (mut writes, mut reads, mut between) = (0, 0, 0);
    for seed in 1..=HISTORIES {
        let (written, seen, behind) = history(seed);
        (writes, reads, between) = (writes + written, reads + seen, between + behind);
    }
    println!(
        "{HISTORIES} histories of {CLIENTS} clients: {writes} writes, {reads} reads, {between} of them between writes"
    );
    assert!(between * 2 > reads && writes > 1_000, "{between} of {reads} reads were between {writes} writes");
}
