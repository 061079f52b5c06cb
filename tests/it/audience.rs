//! Audiences and suppressions over a socket, against sets worked out by hand, and while writes go on at full speed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use crate::support::{
    generate::Dice,
    server::{Reply, Server, agent, call},
};

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    (folder, server)
}

fn import(server: &Server, lines: String) {
    let answer = server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json();
    assert_eq!(answer["rejected"], 0, "{answer}");
}

fn status(server: &Server, method: &str, path: &str, body: Value, status: u16) -> Value {
    let reply = server.call(method, path, body);
    assert_eq!(reply.status, status, "{method} {path}: {}", reply.text);
    if reply.text.is_empty() { Value::Null } else { reply.json() }
}

/// The lines of an audience; checks that all its counts are of one instant.
fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let lines: Vec<Value> = reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reply.header("throng-count"), Some(lines.len().to_string().as_str()));
    let summary: Value = serde_json::from_str(reply.header("throng-summary").unwrap()).unwrap();
    assert_eq!(summary["count"], lines.len());
    let n = |member: &str| summary[member].as_u64().unwrap();
    assert_eq!(n("included"), n("excluded") + n("withheld_count") + n("not_drawn") + n("count"), "{summary}");
    let landed = summary["segments"].as_array().unwrap().iter();
    assert_eq!(landed.map(|landed| landed["count"].as_u64().unwrap()).sum::<u64>(), n("count"), "{summary}");
    lines
}

fn landed(reply: &Reply) -> BTreeMap<String, String> {
    let text = |line: &Value, member: &str| line[member].as_str().unwrap().to_owned();
    lines(reply).iter().map(|line| (text(line, "key"), text(line, "segment"))).collect()
}

#[test]
fn each_contact_lands_once_and_masks_hold() {
    let (_folder, server) = server();
    import(
        &server,
        (0..1_000).map(|n| format!("{{\"key\":\"k{n}\",\"lead_score\":{n},\"name\":\"n{n}\"}}\n")).collect(),
    );
    for (name, rule) in [("High", "Lead Score >= 700"), ("Mid", "Lead Score >= 400"), ("Odd ü", "Lead Score < 5")] {
        server.ok("POST", "/v1/segments", json!({"name": name, "rule": rule}));
    }
    let keys = |from: usize, to: usize| (from..to).map(|n| format!("k{n}")).collect::<Vec<_>>();
    let sms = json!({"name": "No SMS", "channels": ["SMS"], "members": keys(400, 500)});
    status(&server, "POST", "/v1/suppressions", sms, 201);
    let gone = json!({"name": "Unsubscribed", "channels": ["email", "sms"], "rule": "Lead Score between 690 and 709"});
    status(&server, "POST", "/v1/suppressions", gone, 201);
    let everywhere = json!({"name": "Bounced", "rule": "Lead Score between 705 and 714"});
    status(&server, "POST", "/v1/suppressions", everywhere, 201);
    let ask = |body: Value| server.call("POST", "/v1/audience", body);
    let both = json!({"include": ["high", "MID", {"rule": "Lead Score < 2", "name": "few"}, "Odd ü"], "exclude": [{"rule": "Lead Score >= 990"}]});
    let mut email = both.clone();
    email["channel"] = "Email".into();
    let reply = ask(email.clone());
    let found = landed(&reply);
    let wanted = (0..990).filter(|n| !(5..400).contains(n) && !(690..=714).contains(n)).map(|n| {
        let group = match n {
            700.. => "High",
            400.. => "Mid",
            2.. => "Odd ü",
            _ => "few",
        };
        (format!("k{n}"), group.to_owned())
    });
    assert_eq!(found, wanted.collect());
    let summary: Value = serde_json::from_str(reply.header("throng-summary").unwrap()).unwrap();
    assert_eq!(summary["withheld"], json!({"Unsubscribed": 20, "Bounced": 10}), "each with all whom it withholds");
    assert_eq!((&summary["withheld_count"], &summary["excluded"]), (&json!(25), &json!(10)));
    let mut any = landed(&ask(both.clone()));
    assert!(any.keys().all(|key| !keys(400, 500).contains(key)), "a send of no channel may go over any");
    any.retain(|_, group| group == "few");
    assert_eq!(any.len(), 2);
    let mut push = both.clone();
    push["channel"] = "push".into();
    assert_eq!(landed(&ask(push)).len(), 990 - 395 - 10, "a mask of no channel masks every channel");
    let counted = server.call("POST", "/v1/audience?summary=true", email.clone()).json();
    assert_eq!(counted, summary, "the summary is the header");
    // Clients say that they accept JSON whenever they send it; that asks for no other answer.
    let headers = [("content-type", "application/json"), ("accept", "application/json")];
    let lines = server.with_headers("POST", "/v1/audience", &headers, email.to_string().into_bytes());
    assert_eq!(lines.text.lines().count(), summary["count"].as_u64().unwrap() as usize);
    let csv = server.call("POST", "/v1/audience?format=csv&fields=name", json!({"include": ["Odd ü"], "channel": "x"}));
    assert_eq!(csv.text.lines().next(), Some("key,segment,name"));
    assert_eq!(csv.text.lines().nth(1), Some("k0,Odd ü,n0"));
    for (bad, code) in [
        (json!({"include": ["nobody"]}), 404),
        (json!({}), 422),
        (json!({"include": [{"rule": "leed score > 1"}]}), 422),
        (json!({"include": ["High"], "split": {"by": "x", "parts": [{"name": "A", "percent": 101}]}}), 422),
        (json!({"include": ["High"], "split": {"by": "x", "parts": ["A", {"name": "B", "percent": 1}]}}), 422),
        (json!({"include": "High"}), 422),
    ] {
        status(&server, "POST", "/v1/audience", bad, code);
    }
}

/// Random asks over random lists, against sets.
#[test]
fn audiences_are_what_sets_say() {
    let (_folder, server) = server();
    import(&server, (0..300).map(|n| format!("{{\"key\":\"k{n:03}\"}}\n")).collect());
    let mut dice = Dice::new(11);
    let list = |dice: &mut Dice| -> BTreeSet<String> {
        let share = dice.below(100);
        (0..300).filter(|_| dice.chance(share)).map(|n| format!("k{n:03}")).collect()
    };
    let lists: Vec<BTreeSet<String>> = (0..8).map(|_| list(&mut dice)).collect();
    for (n, keys) in lists.iter().enumerate() {
        server.ok("POST", "/v1/segments", json!({"name": format!("S{n}"), "members": keys}));
    }
    let channels = ["email", "sms", "push"];
    let masks: Vec<(Vec<&str>, BTreeSet<String>)> = (0..4)
        .map(|_| (channels.into_iter().filter(|_| dice.chance(40)).collect(), list(&mut dice)))
        .map(|(channels, keys): (Vec<&str>, BTreeSet<String>)| (channels, keys.into_iter().step_by(4).collect()))
        .collect();
    for (n, (channels, keys)) in masks.iter().enumerate() {
        let body = json!({"name": format!("M{n}"), "channels": channels, "members": keys});
        server.ok("POST", "/v1/suppressions", body);
    }
    for _ in 0..60 {
        let pick = |dice: &mut Dice, most: usize| (0..dice.below(most)).map(|_| dice.below(8)).collect::<Vec<usize>>();
        let (include, exclude) = (pick(&mut dice, 5), pick(&mut dice, 3));
        let channel = dice.chance(75).then(|| *dice.pick(&channels));
        let names = |places: &[usize]| places.iter().map(|place| format!("S{place}")).collect::<Vec<_>>();
        let mut wanted: BTreeMap<String, String> = BTreeMap::new();
        for place in &include {
            for key in &lists[*place] {
                wanted.entry(key.clone()).or_insert_with(|| format!("S{place}"));
            }
        }
        wanted.retain(|key, _| !exclude.iter().any(|place| lists[*place].contains(key)));
        let applies = |on: &[&str]| on.is_empty() || channel.is_none_or(|channel| on.contains(&channel));
        let mut withheld = serde_json::Map::new();
        for (n, (_, keys)) in masks.iter().enumerate().filter(|(_, (on, _))| applies(on)) {
            let count = wanted.keys().filter(|key| keys.contains(*key)).count();
            if count > 0 {
                withheld.insert(format!("M{n}"), count.into());
            }
        }
        wanted.retain(|key, _| !masks.iter().any(|(on, keys)| applies(on) && keys.contains(key)));
        let ask = json!({"include": names(&include), "exclude": names(&exclude), "channel": channel});
        let reply = server.call("POST", "/v1/audience", ask.clone());
        assert_eq!(landed(&reply), wanted, "{ask}");
        let summary: Value = serde_json::from_str(reply.header("throng-summary").unwrap()).unwrap();
        assert_eq!(summary["withheld"], Value::Object(withheld), "{ask}");
    }
}

#[test]
fn splits_are_buckets_and_draws_are_exact() {
    let (_folder, server) = server();
    import(&server, (0..5_000).map(|n| format!("{{\"key\":\"k{n}\"}}\n")).collect());
    server.ok("POST", "/v1/segments", json!({"name": "All", "rule": "everyone"}));
    let split = json!({"by": "exp-1", "parts": [{"name": "A", "percent": 50}, {"name": "B", "percent": 12.5}]});
    let reply = server.call("POST", "/v1/audience", json!({"include": ["All"], "split": split}));
    let in_part = |part: Value| -> BTreeSet<String> {
        let all = lines(&reply).into_iter().filter(|line| line["part"] == part);
        all.map(|line| line["key"].as_str().unwrap().to_owned()).collect()
    };
    let keys = |rule: &str| -> BTreeSet<String> {
        let body = json!({"rule": rule, "return": "keys", "limit": 100_000});
        let answer = server.ok("POST", "/v1/query", body);
        answer["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(in_part(json!("A")), keys("bucket(\"exp-1\", 100) < 50"));
    assert_eq!(in_part(json!("B")), keys("bucket(\"exp-1\", 1000) between 500 and 624"));
    assert_eq!(in_part(Value::Null), keys("bucket(\"exp-1\", 1000) between 625 and 999").into_iter().collect());
    let summary: Value = serde_json::from_str(reply.header("throng-summary").unwrap()).unwrap();
    assert_eq!(summary["parts"]["A"], in_part(json!("A")).len());
    assert_eq!(summary["no_part"], in_part(Value::Null).len());
    let thirds = json!({"include": ["All"], "split": {"by": "t", "parts": ["x", "y", "z"]}});
    let counts = server.call("POST", "/v1/audience?summary=true", thirds).json();
    assert!(["x", "y", "z"].iter().all(|part| counts["parts"][part].as_u64().unwrap() > 1_500), "{counts}");
    let draw = |n: u64, seed: &str| -> BTreeSet<String> {
        let body = json!({"include": ["All"], "exclude": [{"rule": "sample 10%"}], "sample": n, "seed": seed});
        landed(&server.call("POST", "/v1/audience", body)).into_keys().collect()
    };
    for n in [0, 1, 100, 1_000] {
        assert_eq!(draw(n, "s").len() as u64, n);
    }
    assert_eq!(draw(100, "s"), draw(100, "s"));
    assert_ne!(draw(100, "s"), draw(100, "t"));
    assert!(draw(100, "s").is_subset(&draw(101, "s")));
    let b = keys("bucket(\"exp-1\", 2) < 1");
    let share = draw(1_000, "exp-1").intersection(&b).count();
    assert!((400..600).contains(&share), "a draw does not lean on a split of the same name: {share}");
    assert_eq!(draw(100_000, "s").len(), 5_000 - keys("sample 10%").len());
}

#[test]
fn suppressions_live_their_life() {
    let (_folder, server) = server();
    import(&server, "{\"key\":\"a\"}\n{\"key\":\"b\"}\n".into());
    server.ok("POST", "/v1/segments", json!({"name": "All", "rule": "everyone"}));
    let made = json!({"name": "List", "members": ["a", "ghost"], "channels": ["Email"], "description": "d"});
    let made = status(&server, "POST", "/v1/suppressions", made, 201);
    assert_eq!(
        (&made["count"], &made["unknown"], &made["channels"]),
        (&json!(1), &json!(["ghost"]), &json!(["email"]))
    );
    status(&server, "POST", "/v1/suppressions", json!({"name": "LIST", "members": []}), 409);
    status(&server, "POST", "/v1/suppressions", json!({"name": "x", "rule": "leed > 2"}), 422);
    status(&server, "POST", "/v1/suppressions", json!({"name": "x"}), 422);
    status(&server, "POST", "/v1/suppressions", json!({"name": "All", "members": ["b"]}), 201);
    assert_eq!(server.ok("GET", "/v1/segments/All", Value::Null)["count"], 2, "names of their own");
    let listed = server.ok("GET", "/v1/suppressions", Value::Null);
    assert_eq!((listed["count"].as_u64(), &listed["suppressions"][0]["name"]), (Some(2), &json!("List")));
    assert_eq!(server.ok("GET", "/v1/segments", Value::Null)["count"], 1, "no segment");
    let held = server.ok("GET", "/v1/contacts/a/segments", Value::Null);
    assert_eq!(held["segments"], json!(["All"]));
    let edited = server.ok("POST", "/v1/suppressions/list/members", json!({"add": ["b", "c"], "remove": ["a"]}));
    assert_eq!((&edited["count"], &edited["unknown"]), (&json!(1), &json!(["c"])));
    let edited = server.ok("POST", "/v1/suppressions/list/members?create=true", json!({"add": ["c"]}));
    assert_eq!((&edited["count"], &edited["unknown"]), (&json!(2), &json!([])));
    let text = server.with_headers("GET", "/v1/suppressions/list/members?format=csv", &[], vec![]);
    assert_eq!(text.text, "key\r\nb\r\nc\r\n");
    let csv = server.send("POST", "/v1/suppressions/list/members?mode=replace", "text/csv", "key\na\n");
    assert_eq!((csv.status, &csv.json()["count"]), (200, &json!(1)), "{}", csv.text);
    let patched = server.ok("PATCH", "/v1/suppressions/list", json!({"name": "Opted out", "channels": []}));
    assert_eq!(
        (&patched["name"], &patched["channels"], &patched["count"]),
        (&json!("Opted out"), &json!([]), &json!(1))
    );
    status(&server, "PATCH", "/v1/suppressions/opted%20out", json!({"rule": "everyone"}), 409);
    let put = json!({"rule": "everyone", "channels": ["sms"]});
    assert_eq!(status(&server, "PUT", "/v1/suppressions/Nobody", put.clone(), 201)["count"], 3);
    assert_eq!(status(&server, "PUT", "/v1/suppressions/Nobody", put, 200)["channels"], json!(["sms"]));
    status(&server, "PUT", "/v1/suppressions/Nobody", json!({"members": []}), 409);
    server.ok("POST", "/v1/suppressions/nobody/members", json!({"exclude": ["c"]}));
    let told = server.ok("POST", "/v1/audience?summary=true", json!({"include": ["All"], "channel": "sms"}));
    assert_eq!((&told["count"], &told["withheld"]["Nobody"]), (&json!(1), &json!(2)), "a pin out lets through: {told}");
    status(&server, "DELETE", "/v1/suppressions/nobody", Value::Null, 204);
    for (method, path) in [("GET", ""), ("DELETE", ""), ("GET", "/members")] {
        status(&server, method, &format!("/v1/suppressions/nobody{path}"), Value::Null, 404);
    }
    let why = server.ok("GET", "/v1/contacts/a/segments/All?explain=true", Value::Null);
    assert_eq!(why["suppressions"], json!([{"name": "Opted out", "channels": []}]));
}

/// While contacts flip between two segments as fast as they can, every audience is of one instant: its lines, its
/// count, its figures; each contact is in just one of the two.
#[test]
fn audiences_are_of_one_instant_while_writes_go_on() {
    let (_folder, server) = server();
    import(&server, (0..2_000).map(|n| format!("{{\"key\":\"k{n}\",\"status\":\"left\"}}\n")).collect());
    for (name, rule) in [("Left", "Status = left"), ("Right", "Status = right"), ("All", "everyone")] {
        server.ok("POST", "/v1/segments", json!({"name": name, "rule": rule}));
    }
    server.ok("POST", "/v1/suppressions", json!({"name": "Sevens", "rule": "Name ends with \"7\""}));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    let status = ["right", "left"][round % 2];
                    let lines = (0..500).map(|n| {
                        let n = n * 4 + writer * 2 + round % 3;
                        format!("{{\"key\":\"k{n}\",\"status\":\"{status}\",\"name\":\"{}\"}}\n", round * 31 + n)
                    });
                    import(server, lines.collect());
                    round += 1;
                }
            });
        }
        for _ in 0..40 {
            let reply = server.call("POST", "/v1/audience", json!({"include": ["Left", "Right"]}));
            let found = landed(&reply);
            let summary: Value = serde_json::from_str(reply.header("throng-summary").unwrap()).unwrap();
            assert_eq!(found.len(), lines(&reply).len(), "each contact once");
            let all = summary["included"].as_u64().unwrap();
            assert!(all >= 2_000, "no contact is between the two: {summary}");
            assert_eq!(all, found.len() as u64 + summary["withheld_count"].as_u64().unwrap());
            let members = server.with_headers("GET", "/v1/segments/Left/members", &[], vec![]);
            assert_eq!(members.header("throng-count"), Some(members.text.lines().count().to_string().as_str()));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn an_audience_comes_by_pages_and_as_files_like_members() {
    let (_folder, server) = server();
    import(&server, (0..50).map(|n| format!("{{\"key\":\"k{n:02}\",\"lead_score\":{n}}}\n")).collect());
    server.ok("POST", "/v1/segments", json!({"name": "High", "rule": "lead_score >= 40"}));
    let body = json!({
        "include": ["High", {"rule": "everyone", "name": "rest"}], "split": {"by": "x", "parts": ["A", "B"]}, "sample": 30,
    });
    let ask = |query: &str| {
        let reply = server.call("POST", &format!("/v1/audience?{query}"), body.clone());
        assert_eq!(reply.status, 200, "{query}: {}", reply.text);
        reply
    };
    let whole = ask("fields=lead_score").text;
    assert_eq!(whole.lines().count(), 30);
    let (mut paged, mut after, mut pages) = (String::new(), String::new(), 0);
    loop {
        let reply = ask(&format!("fields=lead_score&limit=7{after}"));
        assert_eq!(reply.header("throng-count"), Some("30"));
        paged.push_str(&reply.text);
        pages += 1;
        // Whoever comes in between is not of the instant of the first page.
        server.ok("PUT", &format!("/v1/contacts/new-{pages}"), json!({"lead_score": 90}));
        let Some(next) = reply.header("throng-next") else { break };
        after = format!("&after={next}");
    }
    assert_eq!((pages, paged.as_str()), (5, whole.as_str()));
    let csv = ask(&format!("format=csv&fields=lead_score{after}")).text;
    assert_eq!(csv.lines().count(), 1 + 2, "from a cursor on to the end");
    // Each on a connection of its own: what is refused before its body is read may end one.
    let alone = |query: &str| {
        let json = [("content-type", "application/json")];
        let path = format!("/v1/audience?{query}");
        call(&agent(), &server.url, "POST", &path, &json, body.to_string().into_bytes()).unwrap()
    };
    assert_eq!(alone("limit=0").status, 422);
    let roaring = alone("format=roaring");
    assert_eq!((roaring.status, &roaring.json()["type"]), (422, &json!("urn:throng:problem:bad_format")));
}

#[cfg(feature = "columnar")]
#[test]
fn an_audience_as_columns_says_where_each_landed() {
    use arrow_array::{Array, cast::AsArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let (_folder, server) = server();
    import(&server, (0..9).map(|n| format!("{{\"key\":\"k{n}\",\"lead_score\":{n}}}\n")).collect());
    let split = json!({"by": "x", "parts": [{"name": "A", "percent": 50}]});
    let body = json!({"include": [{"rule": "lead_score > 4", "name": "high"}, {"rule": "everyone", "name": "rest"}], "split": split});
    let ask =
        |format: &str| server.call("POST", &format!("/v1/audience?format={format}&fields=lead_score"), body.clone());
    let told = lines(&ask("ndjson"));
    let arrow = ask("arrow");
    assert_eq!(arrow.header("content-type"), Some("application/vnd.apache.arrow.stream"));
    let arrow = arrow_ipc::reader::StreamReader::try_new(std::io::Cursor::new(arrow.bytes), None).unwrap();
    let parquet = bytes::Bytes::from(ask("parquet").bytes);
    let parquet = ParquetRecordBatchReaderBuilder::try_new(parquet).unwrap().build().unwrap();
    for batches in [arrow.map(Result::unwrap).collect::<Vec<_>>(), parquet.map(Result::unwrap).collect()] {
        let names: Vec<String> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["key", "segment", "part", "lead_score"]);
        let mut rows = vec![];
        for batch in &batches {
            let text = |column: usize, row: usize| {
                let column = batch.column(column).as_string::<i32>();
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            rows.extend((0..batch.num_rows()).map(|row| {
                json!({
                    "key": text(0, row), "segment": text(1, row), "part": text(2, row),
                    "lead_score": batch.column(3).as_primitive::<arrow_array::types::Float64Type>().value(row) as u64,
                })
            }));
        }
        assert_eq!(rows, told);
    }
}
