//! Totals, shares and funnels against SQLite: every part of random rules, counted over a socket and in tables of the same
//! random database.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;
use throng::{
    ContactKey, Database, Options, Request, Rule, RuleSource, Timestamp, Zone,
    db::options::Upkeep,
    model::request::{MembersEdit, MembersMode, SegmentCreate, SegmentSource},
    rule,
};

use crate::{
    history::patch,
    support::{
        generate::{Dice, NOWS, ZONES},
        generate_request, generate_rule, generate_schema,
        long::{asked, on_all_cores},
        naive::{Members, Naive},
        server::Server,
        sql_test::quoted,
        sql_time::Sql,
        sql_world::{self, Tables},
    },
};

const DAY: i64 = 86_400_000;

/// A small database in a folder.
pub fn options(folder: &Path, zone: Zone, now: Timestamp) -> Options {
    let upkeep = Upkeep { ballast_bytes: 0, ..Upkeep::default() };
    Options { zone: Some(zone), log_file_bytes: 1 << 20, upkeep, ..Options::folder(folder) }.at(now)
}

/// Segments of each database that are made of random rules.
const RULES: usize = 16;

#[test]
fn totals_and_funnels_are_what_sqlite_counts() {
    let (first, databases) = (asked("THRONG_FUNNEL_SEED", 0), asked("THRONG_FUNNELS", 24));
    let (parts, dividing) = (AtomicU64::new(0), AtomicU64::new(0));
    on_all_cores(databases, &|number| {
        let seed = first + number;
        let folder = tempfile::tempdir().unwrap();
        let naive = random_database(seed, folder.path());
        let server = Server::start(folder.path(), &["--clock", &naive.as_of.to_string()]);
        let funnels = Funnels { told: format!("seed {seed}"), tables: sql_world::fill(&naive), naive: &naive };
        for place in 0..naive.segments.len() {
            let [some, divide] = funnels.compare(&server, place);
            parts.fetch_add(some, Ordering::Relaxed);
            dividing.fetch_add(divide, Ordering::Relaxed);
        }
    });
    let (parts, dividing) = (parts.into_inner(), dividing.into_inner());
    println!("seed {first}: {databases} databases, {parts} parts of rules, {dividing} of them hold some and not all");
    assert!(parts > 100 * databases && dividing > 40 * databases, "{parts} parts, {dividing} dividing");
}

/// A database in a folder after random requests, with segments of random rules, some of them pinned; and the naive one.
fn random_database(seed: u64, folder: &Path) -> Naive {
    let mut dice = Dice::new(seed ^ 0xF0);
    let zone = Zone::named(dice.pick::<&str>(ZONES)).unwrap();
    let now = Timestamp::parse(dice.pick::<&str>(NOWS)).unwrap();
    let wanted = generate_schema::schema(&mut dice, zone.clone());
    let mut naive = Naive::new(wanted.clone(), now);
    let db = Database::open(options(folder, zone, now)).unwrap();
    db.write(Request::Schema(patch(&wanted))).unwrap().results[0].as_ref().unwrap();
    let write = |naive: &mut Naive, requests: Vec<Request>| {
        let said = db.write(requests.clone()).unwrap().results;
        for (request, said) in requests.iter().zip(said) {
            assert_eq!(said.map_err(|refusal| refusal.kind), naive.write(request), "seed {seed}: {request:#?}");
        }
    };
    for _ in 0..30 {
        let at = naive.as_of.plus_ms(dice.between(0, DAY));
        db.move_clock(at).unwrap();
        naive.advance(at);
        let mut requests = Vec::new();
        while requests.len() < 10 {
            match generate_request::request(&mut dice, &naive) {
                // The tables know derived numbers that nobody writes, and segments that name earlier ones.
                Request::Schema(_) | Request::UpdateSegment(_) => {}
                request => requests.push(request),
            }
        }
        write(&mut naive, requests);
    }
    let keys: Vec<ContactKey> = naive.contacts.iter().map(|contact| ContactKey::new(&contact.key).unwrap()).collect();
    for number in 0..RULES {
        let depth = 2 + dice.below(4);
        let rule = generate_rule::rule(&mut dice, &naive, depth);
        let json = RuleSource::Json(Arc::from(rule::to_json(&rule).to_string()));
        let segment: Box<str> = format!("random {number}").into();
        let mut requests = vec![create(&segment, json)];
        if dice.chance(60) {
            let mut some = || keys.iter().filter(|_| dice.chance(10)).cloned().collect();
            let edits = vec![(MembersMode::Include, some()), (MembersMode::Exclude, some())];
            requests.push(Request::EditMembers(MembersEdit { segment, edits, create: false }));
        }
        write(&mut naive, requests);
    }
    db.close().unwrap();
    naive
}

/// Saves a rule.
pub fn create(segment: &str, rule: RuleSource) -> Request {
    let source = SegmentSource::Rule(rule);
    Request::CreateSegment(SegmentCreate { name: segment.into(), description: None, source })
}

/// The segments of a database, and the same in SQLite.
struct Funnels<'a> {
    told: String,
    naive: &'a Naive,
    tables: Tables,
}

impl Funnels<'_> {
    /// Compares a segment; tells how many parts its rule has, and how many of them hold some and not all.
    fn compare(&self, server: &Server, place: usize) -> [u64; 2] {
        let saved = &self.naive.segments[place];
        let path: String = saved.name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let get = |figure: &str| server.ok("GET", &format!("/v1/segments/{path}/{figure}"), Value::Null);
        let told = format!("{}: \"{}\"", self.told, saved.name);
        let everyone = self.number("SELECT count(*) FROM contacts");
        let total = format!("SELECT count(*) FROM members m WHERE m.segment={place}");
        for found in [get("analytics"), get("funnel")] {
            assert_eq!(found["total"], self.number(&total), "{told}");
            assert_eq!(found["everyone"], everyone, "{told}");
            self.share(&found, &total, &told);
        }
        let found = get("funnel");
        let Members::Rule(rule) = &saved.members else {
            assert_eq!((&found["rule"], &found["pins"]), (&Value::Null, &Value::Null), "{told}");
            return [0, 0];
        };
        let listed = |keys: &BTreeSet<String>| {
            let keys: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
            format!("c.key IN ({})", keys.join(","))
        };
        let (held, pinned_in, pinned_out) = (self.sql(rule), listed(&saved.include), listed(&saved.exclude));
        let pins = [
            ("included", format!("{pinned_in} AND NOT ({pinned_out}) AND NOT ({held})")),
            ("excluded", format!("{pinned_out} AND ({held})")),
        ];
        for (pin, test) in pins {
            assert_eq!(found["pins"][pin], self.number(&counted(&test)), "{told}: {pin}");
        }
        self.part(rule, &found["rule"], &told)
    }

    /// Compares a part and those below.
    fn part(&self, rule: &Rule, part: &Value, told: &str) -> [u64; 2] {
        assert_eq!(part["rule"], rule::print(rule), "{told}");
        let query = counted(&self.sql(rule));
        let count = self.number(&query);
        assert_eq!(part["count"], count, "{told}: {part}\n{query}");
        self.share(part, &query, told);
        let (inner, word): (&[Rule], _) = match rule {
            Rule::And(rules) => (rules, Some(" AND ")),
            Rule::Or(rules) => (rules, Some(" OR ")),
            Rule::Xor(rules) | Rule::Of { rules, .. } => (rules, None),
            Rule::Not(inner) => (std::slice::from_ref(&**inner), None),
            _ => (&[], None),
        };
        let parts: &[Value] = part["parts"].as_array().map_or(&[], |parts| parts);
        assert_eq!(parts.len(), inner.len(), "{told}: {part}");
        let mut sum = [1, u64::from(count > 0 && count < self.naive.contacts.len() as u64)];
        let mut upto = Vec::new();
        for (rule, part) in inner.iter().zip(parts) {
            let [some, dividing] = self.part(rule, part, told);
            sum = [sum[0] + some, sum[1] + dividing];
            upto.push(format!("({})", self.sql(rule)));
            match word {
                Some(word) => {
                    let query = counted(&upto.join(word));
                    assert_eq!(part["so_far"], self.number(&query), "{told}: {part}\n{query}");
                }
                None => assert_eq!(part["so_far"], Value::Null, "{told}: {part}"),
            }
        }
        sum
    }

    fn sql(&self, rule: &Rule) -> String {
        Sql { naive: self.naive, now: self.naive.as_of }.rule(rule)
    }

    fn number(&self, query: &str) -> u64 {
        self.tables.rows(query)[0][0].parse().unwrap()
    }

    /// The share is that of the counted among everyone.
    fn share(&self, found: &Value, count: &str, told: &str) {
        let said = &self.tables.rows(&format!("SELECT ({count})*1.0/(SELECT count(*) FROM contacts)"))[0][0];
        let number = |text: &str| text.parse::<f64>().ok();
        let (share, said) = (number(&found["share"].to_string()), number(said));
        assert!(share.is_some() && share == said, "{told}: {said:?}, not {found}");
    }
}

fn counted(test: &str) -> String {
    format!("SELECT count(*) FROM contacts c WHERE {test}")
}
