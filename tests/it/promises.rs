//! The promises of `docs/PROMISES.md` that no other test shows, over a socket: what people suffer from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::server::Server;

type Keys = BTreeSet<String>;

fn server(arguments: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), arguments);
    (folder, server)
}

/// A hundred contacts: scores 0 to 99 for most, tags of three kinds, a country for some, purchases of some.
fn filled() -> (tempfile::TempDir, Server) {
    let (folder, server) = server(&["--clock", "2026-05-01T00:00:00Z"]);
    let mut lines = String::new();
    for n in 0..100 {
        let mut contact = json!({"key": format!("k{n:02}"), "created": format!("2026-04-{:02}T06:00:00Z", 1 + n % 30)});
        let tags = ["red", "green", "blue"].into_iter().enumerate().filter(|(bit, _)| n >> bit & 1 == 1);
        contact["tags"] = tags.map(|(_, tag)| tag).collect::<Vec<_>>().into();
        if n % 7 != 0 {
            contact["lead_score"] = n.into();
        }
        if n % 3 != 0 {
            contact["country"] = ["US", "DE"][n % 2].into();
        }
        lines += &format!("{contact}\n");
    }
    let answer = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json();
    assert_eq!(answer["accepted"], 100, "{answer}");
    let event = |n: usize| {
        let at = format!("2026-04-{:02}T12:00:00Z", 1 + n % 30);
        json!({"contact": format!("k{:02}", n * 7 % 100), "event": "purchase", "at": at, "properties": {"amount": n}})
    };
    server.ok("POST", "/v1/events", (0..60).map(event).collect());
    (folder, server)
}

fn make(server: &Server, name: &str, rule: &str) {
    server.ok("POST", "/v1/segments", json!({"name": name, "rule": rule}));
}

fn keys(server: &Server, rule: &str) -> Keys {
    let answer = server.ok("POST", "/v1/query", json!({"rule": rule, "return": "keys", "limit": 100_000}));
    let keys: Keys = answer["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
    assert_eq!(answer["count"], keys.len());
    keys
}

fn members(server: &Server, name: &str) -> Keys {
    let reply = server.call("GET", &format!("/v1/segments/{name}/members"), Value::Null);
    let line = |line: &str| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
    let keys: Keys = reply.text.lines().map(line).collect();
    assert_eq!(reply.header("throng-count"), Some(keys.len().to_string().as_str()), "{}", reply.text);
    keys
}

fn status(server: &Server) -> Value {
    server.ok("GET", "/v1/status", Value::Null)
}

/// The members that the feed gives, folded from its beginning. Who was erased is known by number alone.
fn folded(server: &Server) -> BTreeMap<String, Keys> {
    let mut sets: BTreeMap<String, BTreeMap<u64, Option<String>>> = BTreeMap::new();
    let page = server.ok("GET", "/v1/feed?limit=100000", Value::Null);
    for change in page["changes"].as_array().unwrap() {
        let set = sets.entry(change["segment"].as_str().unwrap().to_owned()).or_default();
        let mut take = |change: &Value| {
            let (id, key) = (change["contact_id"].as_u64().unwrap(), change["contact"].as_str().map(str::to_owned));
            let is_news = match change["kind"] == "entered" {
                true => set.insert(id, key).is_none(),
                false => set.remove(&id).is_some(),
            };
            assert!(is_news, "told twice: {change}");
        };
        match change["changes"].as_str() {
            Some(list) => {
                let lines = server.call("GET", list, Value::Null).text;
                lines.lines().for_each(|line| take(&serde_json::from_str(line).unwrap()));
            }
            None => take(change),
        }
    }
    let named = |set: BTreeMap<u64, Option<String>>| set.into_values().map(|key| key.expect("it is there")).collect();
    sets.into_iter().map(|(segment, set)| (segment, named(set))).collect()
}

/// When a write is answered, the members, the counts, the look-ups and the feed have it: nothing is left to be built.
#[test]
fn a_write_is_everywhere_when_it_is_answered() {
    let (_folder, server) = filled();
    for n in 0..200 {
        make(&server, &format!("s{n}"), &format!("Lead Score >= {} AND Created < 40 days ago", n / 2));
    }
    for score in [0, 99, 50, 7, 64] {
        let lsn = server.ok("PATCH", "/v1/contacts/k00", json!({"lead_score": score}))["lsn"].clone();
        let held = server.ok("GET", "/v1/contacts/k00/segments", Value::Null);
        assert_eq!((held["segments"].as_array().unwrap().len(), &held["lsn"]), (2 * (score + 1), &lsn));
        let listed = server.ok("GET", "/v1/segments", Value::Null);
        assert_eq!(listed["lsn"], lsn);
        for segment in listed["segments"].as_array().unwrap() {
            assert_eq!(segment["count"], keys(&server, segment["rule"].as_str().unwrap()).len(), "{segment}");
        }
        let told = server.ok("GET", "/v1/feed?limit=100000", Value::Null);
        assert_eq!(told["changes"].as_array().unwrap().last().unwrap()["lsn"], lsn);
    }
}

/// Segments that compare alike share what is kept for it; it goes with the last of them; it is told in bytes.
#[test]
fn memory_is_told_shared_and_given_back() {
    let (_folder, server) = filled();
    let kept = || {
        let memory = status(&server)["memory_bytes"].clone();
        let parts = ["segments/predicates", "segments/agendas", "segments/members", "segments/since"];
        parts.map(|part| memory[part].as_u64().unwrap())
    };
    assert_eq!(kept(), [0; 4]);
    make(&server, "one", "Lead Score > 50 AND Created in last 7 days");
    let [predicates, agendas, ..] = kept();
    assert!(predicates > 0 && agendas > 0);
    for n in 0..50 {
        make(&server, &format!("n{n}"), "Created in last 7 days OR Lead Score > 50");
    }
    assert_eq!(kept()[..2], [predicates, agendas], "fifty more cost no more predicates");
    server.ok("DELETE", "/v1/segments/one", Value::Null);
    assert_eq!(kept()[..2], [predicates, agendas], "others use them");
    (0..50).for_each(|n| drop(server.ok("DELETE", &format!("/v1/segments/n{n}"), Value::Null)));
    assert_eq!(kept(), [0; 4], "and they go with the last");
    let too_long = vec!["x"; 10_001];
    let refused =
        server.call("POST", "/v1/query", json!({"rule": {"property": "name", "op": "in", "value": too_long}}));
    assert_eq!(refused.status, 422, "what would take too much is refused: {}", refused.text);
    assert_eq!(status(&server)["contacts"], 100);
}

/// A server without calls does nothing: in a second no thread of it is scheduled even once. While something is to come
/// due, one thread looks at the clock twice a second, so that a clock that is set ahead is noticed.
#[test]
fn nothing_runs_when_nothing_happens() {
    let (_folder, server) = server(&[]);
    let switches = || -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().flatten();
        let texts = tasks.map(|task| std::fs::read_to_string(task.path().join("status")).unwrap_or_default());
        let counts = texts.flat_map(|text| {
            let counts = text.lines().filter_map(|line| line.split_once("_switches:")?.1.trim().parse::<u64>().ok());
            counts.collect::<Vec<_>>()
        });
        counts.sum()
    };
    let quietest = || {
        let second = |_| {
            let before = switches();
            std::thread::sleep(std::time::Duration::from_secs(1));
            switches() - before
        };
        // The first seconds may still see the calls before them end.
        (0..10).map(second).scan(u64::MAX, |least, now| {
            *least = now.min(*least);
            Some(*least)
        })
    };
    server.ok("PUT", "/v1/contacts/ann", json!({"lead_score": 60}));
    make(&server, "still", "Lead Score > 5");
    assert!(quietest().any(|least| least == 0), "not one of ten seconds was quiet");
    for n in 1..50 {
        make(&server, &format!("s{n}"), &format!("Created in last {n} days AND Lead Score > {n}"));
    }
    let lsn = status(&server)["lsn"].clone();
    assert!(quietest().any(|least| least <= 4), "more than the clock was looked at in each of ten seconds");
    assert_eq!(status(&server)["lsn"], lsn, "nothing was logged");
}

/// Every answer says as of which write and instant it is; a window ends at its millisecond, for the segment and for
/// those that name it at once, also when it ended while the server was down.
#[test]
fn answers_are_current_and_say_as_of_when() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start(&data, &["--clock", "2026-05-01T00:00:00Z"]);
    make(&server, "Fresh", "Created in last 7 days");
    make(&server, "Nested", "in segment \"Fresh\"");
    make(&server, "Not", "not in segment \"Nested\"");
    server.ok("PUT", "/v1/contacts/ann", json!({}));
    let held = |server: &Server| server.ok("GET", "/v1/contacts/ann/segments", Value::Null);
    assert_eq!(held(&server)["segments"], json!(["Fresh", "Nested"]));
    server.ok("POST", "/v1/clock", json!({"now": "2026-05-08T00:00:00.000Z"}));
    assert_eq!(held(&server)["segments"], json!(["Fresh", "Nested"]), "the last millisecond is within");
    let lsn = server.ok("POST", "/v1/clock", json!({"now": "2026-05-08T00:00:00.001Z"}))["lsn"].clone();
    let held = held(&server);
    assert_eq!((&held["segments"], &held["lsn"]), (&json!(["Not"]), &lsn));
    assert_eq!(held["as_of"], "2026-05-08T00:00:00.001Z");
    let answer = server.ok("POST", "/v1/query", json!({"rule": "everyone"}));
    assert_eq!((&answer["as_of"], &answer["lsn"]), (&held["as_of"], &lsn));
    let reply = server.call("GET", "/v1/segments/Not/members", Value::Null);
    assert_eq!(reply.header("throng-lsn"), Some(lsn.to_string().as_str()));
    server.ok("PUT", "/v1/contacts/bob", json!({}));
    assert!(server.stop());
    let server = Server::start(&data, &["--clock", "2026-06-01T00:00:00Z"]);
    assert_eq!(members(&server, "Not"), Keys::from(["ann".into(), "bob".into()]));
    let told = server.ok("GET", "/v1/feed?segment=fresh", Value::Null);
    let last = told["changes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["contact"], &last["at"]), (&json!("bob"), &json!("2026-05-15T00:00:00.002Z")));
}

const RULES: [&str; 10] = [
    "Lead Score > 50",
    "Lead Score < 30 OR Has tag \"red\"",
    "NOT (Has tag \"green\" XOR Country = US)",
    "did purchase at least 1 times in last 20 days",
    "No purchase in 10 days AND Created < 15 days ago",
    "sum(purchase.amount) in last 30 days > $40",
    "at least 2 of (Has tag \"red\", Has tag \"blue\", Country = DE)",
    "in segment \"Base\" AND Lead Score between 10 and 90",
    "Country != US excluding missing",
    "first purchase in last 25 days",
];

/// A segment that was edited again and again is, after each edit, what a new one with that rule is.
#[test]
fn an_edited_segment_is_as_one_made_anew() {
    let (folder, mut server) = filled();
    make(&server, "Base", "Created in last 20 days");
    make(&server, "Edited", "everyone");
    make(&server, "Above", "not in segment \"Edited\"");
    for (n, rule) in RULES.iter().enumerate() {
        server.ok("PATCH", "/v1/segments/Edited", json!({"rule": rule}));
        make(&server, &format!("new{n}"), rule);
        if n % 4 == 3 {
            assert!(server.stop());
            let now = format!("2026-05-{:02}T07:00:00Z", 1 + n);
            server = Server::start(&folder.path().join("data"), &["--clock", &now]);
        }
        server.ok("POST", "/v1/clock", json!({"now": format!("2026-05-{:02}T07:00:00Z", 2 + n)}));
        let edited = members(&server, "Edited");
        assert_eq!(edited, members(&server, &format!("new{n}")), "{rule}");
        assert_eq!(edited, keys(&server, rule), "{rule}");
        assert_eq!(members(&server, "Above"), &keys(&server, "everyone") - &edited, "{rule}");
        assert_eq!(folded(&server)["Edited"], edited, "{rule}");
    }
}

/// The order of a rule's parts, and of writes that do not touch each other, changes nothing.
#[test]
fn order_changes_nothing() {
    let (_folder, server) = filled();
    make(&server, "Base", "Created in last 20 days");
    for (a, b, c) in (0..RULES.len()).map(|n| (RULES[n], RULES[(n + 3) % RULES.len()], RULES[(n + 7) % RULES.len()])) {
        for word in ["AND", "OR", "XOR"] {
            let wanted = keys(&server, &format!("({a}) {word} ({b}) {word} ({c})"));
            assert_eq!(keys(&server, &format!("({c}) {word} ({a}) {word} ({b})")), wanted, "{a} {word} {b} {word} {c}");
        }
        let wanted = keys(&server, &format!("(({a}) AND ({b})) OR ({c})"));
        assert_eq!(keys(&server, &format!("({c}) OR (({b}) AND ({a}))")), wanted, "{a}, {b}, {c}");
    }
}

/// Any, all, none and "so many of" are tests of their own, and say the same after they were saved and read back.
#[test]
fn any_all_and_none_stay_what_was_chosen() {
    let (_folder, server) = server(&["--clock", "2026-05-01T00:00:00Z"]);
    for (key, tags) in [("none", json!([])), ("a", json!(["a"])), ("ab", json!(["a", "b"])), ("c", json!(["c"]))] {
        server.ok("PUT", &format!("/v1/contacts/{key}"), json!({"tags": tags}));
    }
    let forms: [(&str, &[&str]); 8] = [
        ("tags in (a, b)", &["a", "ab"]),
        ("tags not in (a, b)", &["none", "c"]),
        ("tags has all of (a, b)", &["ab"]),
        ("NOT tags has all of (a, b)", &["none", "a", "c"]),
        ("Has any tag of (a, c)", &["a", "ab", "c"]),
        ("exactly 1 of (Has tag \"a\", Has tag \"b\")", &["a"]),
        ("tags in (a, b) including missing", &["none", "a", "ab"]),
        ("tags not in (a, b) excluding missing", &["c"]),
    ];
    for (n, (rule, wanted)) in forms.into_iter().enumerate() {
        let wanted: Keys = wanted.iter().map(|key| (*key).to_owned()).collect();
        let name = format!("s{n}");
        make(&server, &name, rule);
        for _ in 0..2 {
            assert_eq!(members(&server, &name), wanted, "{rule}");
            let saved = server.ok("GET", &format!("/v1/segments/{name}"), Value::Null);
            server.ok("PATCH", &format!("/v1/segments/{name}"), json!({"rule": saved["rule"]}));
            assert_eq!(members(&server, &name), wanted, "{rule}, saved again as text");
            server.ok("PATCH", &format!("/v1/segments/{name}"), json!({"rule": saved["rule_json"]}));
        }
    }
}

/// Whatever the rule, list or pin that brings a contact in: who is suppressed is not sent to.
#[test]
fn no_rule_escapes_a_suppression() {
    let (_folder, server) = filled();
    let muted = keys(&server, "Lead Score between 40 and 59");
    server.ok("POST", "/v1/suppressions", json!({"name": "Unsubscribed", "channels": ["email"], "members": muted}));
    make(&server, "Alternatives", "Country = US OR everyone OR Lead Score between 40 and 59");
    make(&server, "Not", "NOT (NOT Lead Score > 45)");
    make(&server, "Pinned", "no one");
    server.ok("POST", "/v1/segments/Pinned/members", json!({"include": muted}));
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": muted}));
    make(&server, "Nested", "in segment \"List\" OR in segment \"Pinned\"");
    let rule = json!({"rule": "in segment \"Nested\" OR everyone"});
    for include in [json!("Alternatives"), json!("Not"), json!("Pinned"), json!("List"), json!("Nested"), rule] {
        let reply = server.call("POST", "/v1/audience", json!({"include": [include], "channel": "email"}));
        let sent = reply.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let sent: Keys = sent.map(|line| line["key"].as_str().unwrap().to_owned()).collect();
        assert!(sent.is_disjoint(&muted), "{include}");
        let summary: Value = serde_json::from_str(reply.header("throng-summary").unwrap()).unwrap();
        assert_eq!(summary["count"], sent.len());
        assert_eq!(summary["included"], sent.len() as u64 + summary["withheld_count"].as_u64().unwrap(), "{include}");
    }
}

/// NOT is everyone else, with or without a value; a single test can say what a missing value counts as.
#[test]
fn not_is_everyone_else() {
    let (_folder, server) = filled();
    make(&server, "Base", "Created in last 20 days");
    let everyone = keys(&server, "everyone");
    for rule in RULES {
        assert_eq!(keys(&server, &format!("NOT ({rule})")), &everyone - &keys(&server, rule), "{rule}");
    }
    let missing = keys(&server, "Lead Score is not set");
    assert_eq!(missing.len(), 15);
    let opposites = ["Lead Score > 49", "Lead Score = 50", "Lead Score between 20 and 30", "Lead Score in (1, 2)"];
    for rule in opposites {
        let (with, without) = (keys(&server, &format!("{rule} including missing")), keys(&server, rule));
        assert!(without.is_disjoint(&missing), "a positive test wants a value: {rule}");
        assert_eq!(with, &without | &missing, "{rule}");
    }
    let negated = keys(&server, "Country != US");
    assert_eq!(negated, &everyone - &keys(&server, "Country = US"));
    let no_country = keys(&server, "Country is not set");
    assert_eq!(keys(&server, "Country != US excluding missing"), &negated - &no_country);
    assert_eq!(&keys(&server, "Lead Score > 50") | &keys(&server, "Lead Score <= 50"), &everyone - &missing);
}

/// After erasures, edits, merges and time: count, listing, members, look-ups, feed and audience are of the same people.
#[test]
fn all_counts_are_of_the_same_people() {
    let (_folder, server) = filled();
    make(&server, "Base", "Created in last 20 days");
    for (n, rule) in RULES.iter().enumerate() {
        make(&server, &format!("s{n}"), rule);
    }
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": ["k01", "k02", "k03"]}));
    let steps: [(&str, &str, Value); 6] = [
        ("DELETE", "/v1/contacts/k02", Value::Null),
        ("PATCH", "/v1/contacts/k31", json!({"tags": {"add": ["red"], "remove": ["green"]}, "lead_score": null})),
        ("PUT", "/v1/contacts/k33", json!({})),
        ("POST", "/v1/clock", json!({"now": "2026-05-09T06:00:00.001Z"})),
        ("POST", "/v1/segments/s0/members", json!({"include": ["k03", "k10"], "exclude": ["k90"]})),
        ("DELETE", "/v1/contacts/k51", Value::Null),
    ];
    for (method, path, body) in steps {
        server.ok(method, path, body);
        let (folded, everyone) = (folded(&server), keys(&server, "everyone"));
        let looked = server.ok("POST", "/v1/lookup", json!({"contacts": everyone}));
        let holds = |entry: &&Value, name: &str| entry["segments"].as_array().unwrap().contains(&json!(name));
        let listed = server.ok("GET", "/v1/segments", Value::Null);
        for segment in listed["segments"].as_array().unwrap() {
            let name = segment["name"].as_str().unwrap();
            let who = members(&server, name);
            assert_eq!(segment["count"], who.len(), "{name} after {path}");
            assert_eq!(server.ok("GET", &format!("/v1/segments/{name}"), Value::Null)["count"], who.len(), "{name}");
            assert_eq!(keys(&server, &format!("in segment \"{name}\"")), who, "{name} after {path}");
            assert_eq!(folded[name], who, "{name} after {path}");
            let looked = looked["results"].as_array().unwrap().iter().filter(|entry| holds(entry, name));
            assert_eq!(looked.map(|entry| entry["contact"].as_str().unwrap().to_owned()).collect::<Keys>(), who);
            let sent = server.call("POST", "/v1/audience?summary=true", json!({"include": [name]})).json();
            assert_eq!(sent["count"], who.len(), "{name} after {path}");
        }
    }
}

/// A rule that nobody saved is counted to the last contact, in all and at each of its parts.
#[test]
fn rules_are_counted_before_they_are_saved() {
    let (_folder, server) = filled();
    make(&server, "Base", "Created in last 20 days");
    let seq = status(&server)["seq"].clone();
    for rule in RULES {
        let told = server.ok("POST", "/v1/segments/Draft/preview?new=true", json!({"rule": rule, "sample": 100}));
        let who = keys(&server, rule);
        assert_eq!((&told["entering"], &told["after"]), (&json!(who.len()), &json!(who.len())), "{rule}");
        assert_eq!(server.count(rule), who.len() as u64);
    }
    let both = server.ok("POST", "/v1/query/explain", json!({"rule": "Lead Score > 50 OR Country = US"}));
    for part in both["plan"]["children"].as_array().unwrap() {
        assert_eq!(part["count"], keys(&server, part["label"].as_str().unwrap()).len(), "{part}");
    }
    assert_eq!(status(&server)["seq"], seq, "nothing was saved");
}

/// Days begin where the zone says, also on the days on which clocks are moved; rolling and calendar lengths are told
/// apart; who was born on the 29th of February is not forgotten.
#[test]
fn days_are_those_of_the_zone() {
    let (_folder, server) = server(&["--time-zone", "Europe/Berlin", "--clock", "2026-03-28T12:00:00Z"]);
    make(&server, "Today", "Created is today");
    make(&server, "Day", "Created in last 1 day");
    make(&server, "Month", "Created is this month");
    for (key, created) in [("short", "2026-03-29T00:30:00Z"), ("before", "2026-03-28T22:59:59Z")] {
        server.ok("PUT", &format!("/v1/contacts/{key}"), json!({"created": created}));
    }
    server.ok("POST", "/v1/clock", json!({"now": "2026-04-02T00:00:00Z"}));
    let told = server.ok("GET", "/v1/feed", Value::Null);
    let at = |segment: &str, contact: &str| -> Vec<String> {
        let changes = told["changes"].as_array().unwrap().iter();
        let mine = changes.filter(|change| change["segment"] == segment && change["contact"] == contact);
        mine.map(|change| change["at"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(at("Today", "before"), ["2026-03-28T12:00:00Z", "2026-03-28T23:00:00Z"]);
    assert_eq!(at("Today", "short"), ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"], "a day of 23 hours");
    assert_eq!(at("Day", "short"), ["2026-03-29T00:30:00Z", "2026-03-30T00:30:00.001Z"], "a day from then");
    assert_eq!(at("Month", "short").last().unwrap(), "2026-03-31T22:00:00Z", "the calendar's month");
    server.ok("PATCH", "/v1/schema", json!({"properties": {"birthday": {"type": "date"}}}));
    server.ok("PUT", "/v1/contacts/leap", json!({"birthday": "2000-02-29"}));
    make(&server, "Birthday", "Birthday anniversary is today");
    for (day, wanted) in [("2027-02-27", 0), ("2027-02-28", 1), ("2027-03-01", 0), ("2028-02-28", 0), ("2028-02-29", 1)]
    {
        server.ok("POST", "/v1/clock", json!({"now": format!("{day}T12:00:00Z")}));
        assert_eq!(members(&server, "Birthday").len(), wanted, "{day}");
    }
}

/// A segment may be reached by several ways, and deeply; a true circle is refused with its path; what is in use cannot
/// be deleted, and the refusal names all who use it.
#[test]
fn segments_nest_freely_but_not_in_circles() {
    let (_folder, server) = filled();
    make(&server, "Base", "Lead Score > 50");
    make(&server, "L", "in segment \"Base\" AND Has tag \"red\"");
    make(&server, "R", "in segment \"Base\" AND Has tag \"blue\"");
    make(&server, "Top", "in segment \"L\" OR in segment \"R\" OR in segment \"Base\"");
    assert_eq!(members(&server, "Top"), keys(&server, "Lead Score > 50"), "a diamond");
    let refused = |method: &str, path: &str, body: Value, status: u16| {
        let reply = server.call(method, path, body);
        assert_eq!(reply.status, status, "{}", reply.text);
        reply.json()["detail"].as_str().unwrap().to_owned()
    };
    let circle = refused("PATCH", "/v1/segments/Base", json!({"rule": "in segment \"Top\""}), 422);
    assert!(circle.contains("Base → Top → L → Base"), "{circle}");
    let used = refused("DELETE", "/v1/segments/Base", Value::Null, 409);
    assert!(["\"L\"", "\"R\"", "\"Top\""].iter().all(|name| used.contains(name)), "{used}");
    for n in 0..20 {
        let below = if n == 0 { "Top".to_owned() } else { format!("d{}", n - 1) };
        make(&server, &format!("d{n}"), &format!("in segment \"{below}\""));
    }
    server.ok("PATCH", "/v1/contacts/k01", json!({"lead_score": 99}));
    assert!(members(&server, "d19").contains("k01"), "a write goes all the way up");
    assert_eq!(members(&server, "d19"), members(&server, "Base"));
    for name in (0..20).rev().map(|n| format!("d{n}")).chain(["Top", "L", "R", "Base"].map(str::to_owned)) {
        server.ok("DELETE", &format!("/v1/segments/{name}"), Value::Null);
    }
    assert_eq!(status(&server)["segments"], 0);
}

/// What is refused harms nothing beside it: not in its batch, not among the segments, not for those who read.
#[test]
fn one_refusal_stops_nothing_else() {
    let (_folder, server) = filled();
    make(&server, "Good", "Lead Score > 90");
    let before = members(&server, "Good").len();
    let lines = "{\"key\":\"x1\",\"lead_score\":95}\n{\"key\":\"x2\",\"lead_score\":\"many\"}\nnonsense\n{\"key\":\"x3\",\"lead_score\":96}\n";
    let answer = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(2)));
    for bad in ["leed score > 5", "in segment \"nowhere\"", "Lead Score >", "Name matches /(/"] {
        assert_eq!(server.call("POST", "/v1/segments", json!({"name": "Bad", "rule": bad})).status, 422, "{bad}");
        assert_eq!(server.call("PATCH", "/v1/segments/Good", json!({"rule": bad})).status, 422, "{bad}");
    }
    let events = json!([
        {"contact": "x1", "event": "purchase", "properties": {"amount": "much"}},
        {"contact": "x1", "event": "purchase", "properties": {"amount": 5}},
    ]);
    let answer = server.ok("POST", "/v1/events", events);
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(1)), "{answer}");
    assert_eq!(members(&server, "Good").len(), before + 2);
    assert_eq!(server.ok("GET", "/v1/segments/Good", Value::Null)["version"], 1);
    assert_eq!(server.call("GET", "/readyz", Value::Null).status, 200);
}
