//! Figures and the review over a socket and as typed: shapes, numbers worked out by hand, errors.

use std::{collections::BTreeSet, process::Command};

use serde_json::{Value, json};

use crate::support::server::Server;

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    (folder, server)
}

fn get(server: &Server, path: &str) -> Value {
    server.ok("GET", path, Value::Null)
}

fn clock(server: &Server, now: &str) {
    server.ok("POST", "/v1/clock", json!({"now": now}));
}

fn event(server: &Server, contact: &str, event: &str, at: &str, properties: Value) {
    let body = json!({"contact": contact, "event": event, "at": at, "properties": properties});
    server.ok("POST", "/v1/events", body);
}

fn number(value: &Value) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| panic!("{value} is no number"))
}

/// A problem that names what is wrong and, where it tells of the data, the write it is as of.
fn problem(server: &Server, path: &str, status: u16, says: &str) {
    let reply = server.call("GET", path, Value::Null);
    assert_eq!(reply.status, status, "{path}: {}", reply.text);
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(says), "{path}: {detail}");
    assert!(status != 404 || reply.header("throng-lsn").is_some(), "{path} names no write");
}

#[test]
fn engagement_and_conversion_are_as_worked_out_by_hand() {
    let (folder, mut server) = server();
    server.ok("POST", "/v1/segments", json!({"name": "Hot", "rule": "Lead Score > 50"}));
    for (contact, score) in [("ann", 60), ("bob", 70), ("cid", 80), ("dan", 10)] {
        server.ok("PUT", &format!("/v1/contacts/{contact}"), json!({"lead_score": score}));
    }
    // At the instant of entering; within the time; one millisecond past it.
    event(&server, "ann", "purchase", "2026-05-01T00:00:00Z", json!({"amount": 5}));
    event(&server, "bob", "purchase", "2026-05-15T00:00:00Z", json!({"amount": 5}));
    event(&server, "cid", "purchase", "2026-05-15T00:00:00.001Z", json!({"amount": 5}));
    event(&server, "dan", "purchase", "2026-05-02T00:00:00Z", json!({"amount": 5}));
    clock(&server, "2026-05-10T00:00:00Z");
    // Ann leaves and comes back, and buys soon after.
    server.ok("PATCH", "/v1/contacts/ann", json!({"lead_score": 5}));
    clock(&server, "2026-05-11T00:00:00Z");
    server.ok("PATCH", "/v1/contacts/ann", json!({"lead_score": 90}));
    clock(&server, "2026-05-12T00:00:00Z");
    event(&server, "ann", "purchase", "2026-05-12T00:00:00Z", json!({"amount": 5}));
    let path = "/v1/segments/hot/analytics?goal=purchase&within=14d&engagement=purchase,conversation&window=3d";
    let found = get(&server, path);
    let conversion = &found["conversion"];
    let counts = |of: &str| (conversion[of]["entered"].clone(), conversion[of]["converted"].clone());
    // The time of all three is not over on May 12.
    assert_eq!((counts("open"), counts("closed")), ((json!(3), json!(1)), (json!(0), json!(0))), "{conversion}");
    assert_eq!((&conversion["entered"], &conversion["entries"]), (&json!(3), &json!(4)));
    assert_eq!((&conversion["rate"], &conversion["causes"]), (&Value::Null, &json!({"write": 4})));
    let engagement = &found["engagement"];
    assert_eq!((&engagement["engaged"], &engagement["members"]), (&json!(1), &json!(3)));
    assert_eq!(engagement["events"][0]["event"], "purchase");
    assert!((number(&engagement["rate"]) - 1.0 / 3.0).abs() < 1e-12, "{engagement}");
    assert!((number(&engagement["lift"]) - 4.0 / 3.0).abs() < 1e-12, "one of three against one of four");
    clock(&server, "2026-05-20T00:00:00Z");
    server.ok("POST", "/v1/snapshot", Value::Null);
    assert!(server.stop());
    server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-20T00:00:00Z"]);
    let found = get(&server, path);
    let conversion = &found["conversion"];
    let counts = |of: &str| (conversion[of]["entered"].clone(), conversion[of]["converted"].clone());
    assert_eq!((counts("open"), counts("closed")), ((json!(0), json!(0)), (json!(3), json!(2))), "{conversion}");
    let rate = number(&conversion["rate"]);
    assert!((rate - 2.0 / 3.0).abs() < 1e-12 && conversion["complete"] == true, "who came back counts: {conversion}");
    assert_eq!((&found["total"], &found["growth"][0]["entered"]), (&json!(3), &json!(3)));
    assert_eq!(found["growth"].as_array().unwrap().len(), 20);
    // Of a span: only who entered in it, by days or by instants.
    for span in ["from=2026-05-11&to=2026-05-11", "from=2026-05-10T12:00:00Z&to=2026-05-11T00:00:00.001Z"] {
        let found = get(&server, &format!("{path}&{span}"));
        assert_eq!(found["conversion"]["entered"], 1, "{span}: {found}");
    }
    assert_eq!(get(&server, "/v1/segments/hot/analytics")["conversion"], Value::Null);
    // The purchase that lets a contact in is not the goal that it is followed by.
    let rule = "in segment \"Hot\" OR Purchase Total > 1";
    server.ok("POST", "/v1/segments", json!({"name": "Buyers", "rule": rule}));
    event(&server, "eve", "purchase", "2026-05-20T00:00:00Z", json!({"amount": 5}));
    let buyers = get(&server, "/v1/segments/buyers/analytics?goal=purchase&within=14d")["conversion"].clone();
    assert_eq!((&buyers["entered"], &buyers["converted"]), (&json!(5), &json!(0)), "{buyers}");
    server.ok("DELETE", "/v1/contacts/bob", Value::Null);
    let erased = get(&server, path)["conversion"].clone();
    assert_eq!((&erased["entered"], &erased["erased"]), (&json!(2), &json!(1)));
}

#[test]
fn funnels_show_each_step() {
    let (_folder, server) = server();
    for n in 0..10 {
        let body = json!({"lead_score": 10 * n, "country": if n % 2 == 0 { "US" } else { "DE" }});
        server.ok("PUT", &format!("/v1/contacts/k{n}"), body);
    }
    let rule = "Lead Score >= 30 AND (Country = \"US\" OR Lead Score = 90) AND NOT Lead Score = 60";
    server.ok("POST", "/v1/segments", json!({"name": "Some", "rule": rule}));
    server.ok("POST", "/v1/segments/some/members", json!({"include": ["k0"], "exclude": ["k4"]}));
    server.ok("POST", "/v1/segments", json!({"name": "List", "members": ["k1"]}));
    let found = get(&server, "/v1/segments/some/funnel");
    assert_eq!((&found["total"], &found["pins"]), (&json!(3), &json!({"included": 1, "excluded": 1})));
    let steps = found["rule"]["parts"].as_array().unwrap();
    let told: Vec<(u64, u64)> =
        steps.iter().map(|step| (step["count"].as_u64().unwrap(), step["so_far"].as_u64().unwrap())).collect();
    assert_eq!((told, &found["rule"]["count"]), (vec![(7, 7), (6, 4), (9, 3)], &json!(3)), "{found}");
    assert_eq!(steps[1]["parts"][1]["so_far"], 6);
    assert_eq!(get(&server, "/v1/segments/list/funnel")["rule"], Value::Null);
}

#[test]
fn breakdowns_and_overlaps_have_their_shapes() {
    let (_folder, server) = server();
    for n in 0..20u64 {
        let mut body = json!({
            "lead_score": n, "country": (["US", "us", "DE", "FR"][n as usize % 4]), "tags": if n < 5 { json!(["VIP", "New"]) } else { json!(["New"]) },
            "email": format!("k{n}@{}", if n < 15 { "a.com" } else { "B.org" }), "created": format!("2026-04-{:02}T00:00:00Z", n + 1),
        });
        if n % 2 == 0 {
            body["email_consent"] = (n % 4 == 0).into();
        }
        server.ok("PUT", &format!("/v1/contacts/k{n:02}"), body);
    }
    server.ok("POST", "/v1/segments", json!({"name": "Low, all", "rule": "Lead Score < 10"}));
    server.ok("POST", "/v1/segments", json!({"name": "VIPs", "rule": "Has tag \"VIP\""}));
    server.ok("POST", "/v1/segments", json!({"name": "US people", "rule": "Country = \"US\""}));
    let low = "/v1/segments/Low%2C%20all";
    let found = get(&server, &format!("{low}/breakdown?by=Country"));
    let first = &found["values"][0];
    assert_eq!(
        (&first["value"], &first["count"], &first["everyone"]),
        (&json!("US"), &json!(6), &json!(10)),
        "{found}"
    );
    assert!((number(&first["lift"]) - 1.2).abs() < 1e-12 && (number(&first["share"]) - 0.6).abs() < 1e-12);
    assert_eq!((&found["missing"]["count"], &found["other"]["values"]), (&json!(0), &json!(0)));
    let by = |query: &str| -> Vec<(Value, u64)> {
        let found = get(&server, &format!("{low}/breakdown?by={query}"));
        let rows = found["values"].as_array().unwrap().iter();
        rows.map(|row| (row["value"].clone(), row["count"].as_u64().unwrap())).collect()
    };
    assert_eq!(by("tags"), [(json!("New"), 10), (json!("VIP"), 5)]);
    assert_eq!(by("email"), [(json!("a.com"), 10)]);
    assert_eq!(by("email_consent"), [(json!(true), 3), (json!(false), 2)]);
    assert_eq!(by("country&limit=1"), [(json!("US"), 6)]);
    let scores = by("lead_score");
    assert_eq!(scores[0], (json!("0 to below 2"), 2));
    assert_eq!(scores.iter().map(|(_, count)| count).sum::<u64>(), 10);
    assert_eq!(by("created&step=month"), [(json!("2026-04-01T00:00:00Z to below 2026-05-01T00:00:00Z"), 10)]);
    let found = get(&server, "/v1/overlap?segments=Low%2C%20all&segments=vips,us%20people");
    assert_eq!(found["segments"][0], json!({"name": "Low, all", "count": 10}));
    let pair = &found["pairs"][0];
    assert_eq!(
        (&pair["a"], &pair["b"], &pair["both"], &pair["union"]),
        (&json!("Low, all"), &json!("VIPs"), &json!(5), &json!(10))
    );
    assert_eq!((number(&pair["jaccard"]), number(&pair["share_of_b"])), (0.5, 1.0));
    assert_eq!((&found["joint"]["count"], &found["union"]), (&json!(3), &json!(14)));
    let last = found["combinations"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last, json!({"segments": ["Low, all", "VIPs", "US people"], "count": 3, "only": 3}));
    assert_eq!(found["combinations"].as_array().unwrap().len(), 7);
    assert_eq!(found["combinations"][2], json!({"segments": ["US people"], "count": 10, "only": 4}));
}

#[test]
fn grids_have_their_shape() {
    let (_folder, server) = server();
    for n in 1..=10u64 {
        for day in 1..=n {
            event(
                &server,
                &format!("k{n}"),
                "purchase",
                &format!("2026-04-{day:02}T00:00:00Z"),
                json!({"amount": "10.50"}),
            );
        }
    }
    server.ok("PUT", "/v1/contacts/idle", json!({}));
    let found = get(&server, "/v1/analytics/rfm");
    assert_eq!((&found["scored"], &found["without"], &found["currency"]), (&json!(10), &json!(1), &json!("USD")));
    for (place, score) in found["grid"].as_array().unwrap().iter().enumerate() {
        let diagonal: Vec<u64> = (0..5).map(|column| if column == place { 2 } else { 0 }).collect();
        assert_eq!(*score, json!(diagonal));
    }
    let cell = &found["cells"][4];
    assert_eq!((&cell["contacts"], &cell["events"], number(&cell["total"])), (&json!(2), &json!(19), 199.5));
    assert_eq!(found["scores"]["recency"][0]["to"], "2026-04-02T00:00:00Z");
    let lately = get(&server, "/v1/analytics/rfm?event=purchase&of=amount&window=1mo");
    assert_eq!(lately["scored"], 10, "from April 1 on");
    problem(&server, "/v1/analytics/rfm?event=purchse", 422, "did you mean \"purchase\"?");
    problem(&server, "/v1/analytics/rfm?of=amuont", 422, "did you mean \"amount\"?");
    problem(&server, "/v1/analytics/rfm?of=product", 422, "sums up a number or money");
    problem(&server, "/v1/analytics/rfm?segment=nothing", 404, "there is no segment \"nothing\"");
}

#[test]
fn errors_name_what_is_wrong() {
    let (_folder, server) = server();
    server.ok("POST", "/v1/segments", json!({"name": "Everyone", "rule": "everyone"}));
    let at = |path: &str| format!("/v1/segments/everyone/{path}");
    problem(&server, "/v1/segments/evryone/analytics", 404, "did you mean \"Everyone\"?");
    problem(&server, "/v1/segments/zzz/funnel", 404, "there is no segment \"zzz\"");
    problem(&server, "/v1/segments/zzz/review", 404, "there is no segment \"zzz\"");
    problem(&server, &at("breakdown?by=contry"), 422, "did you mean \"country\"?");
    problem(&server, &at("breakdown"), 400, "\"by\" is missing");
    problem(&server, &at("breakdown?by="), 422, "property");
    problem(&server, &at("breakdown?by=country&limit=0"), 422, "\"limit\" is 1 to 1000");
    problem(&server, &at("breakdown?by=created&step=fortnight"), 422, "day, week, month");
    problem(&server, &at("breakdown?by=country&step=day"), 422, "dates and timestamps");
    problem(&server, &at("analytics?engagement=conversaton"), 422, "did you mean \"conversation\"?");
    problem(&server, &at("analytics?goal=purchace"), 422, "did you mean \"purchase\"?");
    problem(&server, &at("analytics?window=30"), 400, "such as 30d");
    problem(&server, &at("analytics?goal=purchase&within=1m"), 400, "s, min, h, d, w, mo, y");
    problem(&server, &at("analytics?within=1d"), 422, "\"goal\"");
    problem(&server, &at("analytics?from=May"), 400, "\"from\"");
    problem(&server, &at("analytics?from=2026-05-02&to=2026-05-01"), 422, "\"from\" lies after \"to\"");
    problem(&server, &at("analytics?form=1"), 400, "known are");
    problem(&server, "/v1/overlap", 400, "\"segments\" is missing");
    problem(&server, "/v1/overlap?segments=everyone,Everyone", 422, "2 to 20");
    problem(&server, "/v1/overlap?segments=everyone,evryone", 404, "did you mean \"Everyone\"?");
    let empty = get(&server, &at("analytics?goal=purchase"));
    assert_eq!(
        (&empty["share"], &empty["engagement"]["rate"], &empty["conversion"]["rate"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[test]
fn the_review_finds_what_is_planted() {
    let (folder, mut server) = server();
    for n in 0..40u64 {
        let body = json!({"lead_score": n, "country": if n % 2 == 0 { "US" } else { "DE" }, "tags": if n < 39 { json!(["VIP"]) } else { json!([]) }});
        server.ok("PUT", &format!("/v1/contacts/k{n}"), body);
    }
    event(&server, "k1", "purchase", "2024-05-01T00:00:00Z", json!({"amount": 5}));
    let rules = [
        ("Segment 1", "Lead Score > 20"),
        ("Top scores", "Lead Score >= 21"),
        ("Everyone here", "Lead Score >= 0"),
        ("Never ever", "Lead Score > 80 AND Lead Score < 20"),
        ("Buyers lately", "did purchase in last 7 days AND no purchase in 30 days"),
        ("Always so", "Country = \"US\" OR Country != \"US\""),
        ("Twice said", "Lead Score > 10 AND Lead Score > 5 AND Country = \"US\""),
        ("Webinar people", "did conversation OR Lead Score > 30"),
        ("Lately bought", "did purchase in last 30 days"),
        ("Nearly all", "Has tag \"VIP\""),
        ("Nearly all too", "Has tag \"VIP\" AND Lead Score < 38"),
        ("High US", "Lead Score > 30 AND Country = \"US\""),
        ("Named inside", "in segment \"High US\" AND Lead Score > 35"),
    ];
    for (name, rule) in rules {
        server.ok("POST", "/v1/segments", json!({"name": name, "rule": rule}));
    }
    let codes = |server: &Server, name: &str| -> BTreeSet<String> {
        let path = format!("/v1/segments/{}/review", name.replace(' ', "%20"));
        let found = get(server, &path);
        let findings = found["findings"].as_array().unwrap();
        let told = |key: &str| findings.iter().all(|finding| !finding[key].as_str().unwrap().is_empty());
        assert!(told("detail") && told("suggestion") && told("severity"), "{found}");
        findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    };
    let has = |name: &str, wanted: &[&str], not: &[&str]| {
        let found = codes(&server, name);
        assert!(wanted.iter().all(|code| found.contains(*code)), "{name}: {found:?}");
        assert!(not.iter().all(|code| !found.contains(*code)), "{name}: {found:?}");
    };
    has("Segment 1", &["unclear_name", "duplicate"], &["contradiction", "untouched"]);
    has("Everyone here", &["everyone", "part_holds_everyone"], &["always_true"]);
    has("Never ever", &["contradiction", "empty"], &["redundant_part"]);
    has("Buyers lately", &["contradiction", "empty", "window_without_data"], &[]);
    has("Always so", &["always_true", "everyone"], &["contradiction"]);
    has("Twice said", &["redundant_part"], &["always_true"]);
    has("Webinar people", &["event_without_data"], &["window_without_data"]);
    has("Lately bought", &["window_without_data", "empty"], &["contradiction"]);
    has("Nearly all too", &["near_duplicate"], &["duplicate"]);
    has("High US", &["subset"], &["empty"]);
    has("Named inside", &[], &["contradiction", "empty"]);
    let twice = get(&server, "/v1/segments/twice%20said/review")["findings"][0].clone();
    assert_eq!((&twice["code"], &twice["part"]), (&json!("redundant_part"), &json!("lead_score > 5")), "{twice}");
    let all = get(&server, "/v1/review");
    assert_eq!((&all["reviewed"], &all["compared"]), (&json!(13), &json!(13)));
    let findings = all["findings"].as_array().unwrap();
    let ranks: Vec<&str> = findings.iter().map(|finding| finding["severity"].as_str().unwrap()).collect();
    let order = |severity: &&str| ["problem", "warning", "hint"].iter().position(|known| known == severity).unwrap();
    assert!(ranks.is_sorted_by_key(order), "{ranks:?}");
    let twins = findings.iter().filter(|finding| finding["code"] == "duplicate" && finding["segment"] == "Top scores");
    assert_eq!(twins.map(|finding| finding["related"].clone()).collect::<Vec<_>>(), [json!(["Segment 1"])]);
    clock(&server, "2026-12-01T00:00:00Z");
    let codes_later = codes(&server, "Top scores");
    assert!(codes_later.contains("untouched") && codes_later.contains("unused"), "{codes_later:?}");
    assert!(!codes(&server, "High US").contains("unused"), "another rule names it");
    assert!(server.stop());
    typed(&folder.path().join("data"));
}

/// The same as typed at a folder.
fn typed(data: &std::path::Path) {
    let run = |arguments: &[&str]| -> String {
        let out = Command::new(env!("CARGO_BIN_EXE_throng"))
            .arg("segment")
            .args(arguments)
            .args(["--clock", "2026-12-01T00:00:00Z", "--data"])
            .arg(data)
            .output()
            .unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let says = |arguments: &[&str], wanted: &[&str]| {
        let text = run(arguments);
        assert!(wanted.iter().all(|wanted| text.contains(wanted)), "{arguments:?}: {text}");
    };
    says(
        &["show", "high us", "--goal", "purchase"],
        &["10.0 % of 40 contacts", "█", "converted", "0.0 % of 4 who entered did purchase"],
    );
    says(&["funnel", "High US"], &["AND", "lead_score > 30", "members"]);
    says(&["breakdown", "High US", "--by", "country"], &["US", "100.0 %", "2.00"]);
    says(&["overlap", "High US", "Top scores"], &["High US ∩ Top scores", "in all: 4"]);
    says(&["rfm"], &["frequency 1", "1 scored; 39 without purchase"]);
    says(&["review", "Never ever"], &["problem", "[contradiction]", "1 reviewed"]);
    says(&["review"], &["13 reviewed"]);
    let shown: Value = serde_json::from_str(&run(&["show", "High US", "--json"])).unwrap();
    assert_eq!((&shown["count"], &shown["analytics"]["total"]), (&json!(4), &json!(4)));
}
