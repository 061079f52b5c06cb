//! Segment definitions of other systems, as typed: what they become, what is refused, and that nothing is dropped unsaid.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::source::root;

const CLOCK: [&str; 2] = ["--clock", "2026-05-01T00:00:00Z"];

fn throng(at: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_throng")).current_dir(at).args(arguments).args(CLOCK).output().unwrap();
    let told = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8_lossy(&told).into_owned())
}

/// A folder with the properties and events that the cases name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let people = "{\"key\":\"u-1\",\"plan\":\"pro\",\"tags\":[\"VIP\"],\"lead_score\":90,\"country\":\"FR\"}\n";
    std::fs::write(folder.path().join("people.ndjson"), people).unwrap();
    let events = "{\"contact\":\"u-1\",\"event\":\"purchase\",\"at\":\"2026-04-20T10:00:00Z\",\"properties\":{\"amount\":60,\"product\":\"book\"}}\n";
    std::fs::write(folder.path().join("events.ndjson"), events).unwrap();
    let (code, told) = throng(folder.path(), &["import", "people.ndjson", "--events", "events.ndjson"]);
    assert_eq!(code, Some(0), "{told}");
    folder
}

/// Imports a case file; gives what is told of each segment by its name.
fn import(at: &Path, system: &str, file: &str, more: &[&str]) -> (Option<i32>, Value) {
    let path = root().join("tests/cases/definitions").join(file);
    import_file(at, system, path.to_str().unwrap(), more)
}

fn import_file(at: &Path, system: &str, path: &str, more: &[&str]) -> (Option<i32>, Value) {
    let (code, told) = throng(at, &[&["segment", "import", "--from", system, path, "--json"], more].concat());
    let end = told.rfind("\n}").unwrap_or_else(|| panic!("no JSON: {told}")) + 2;
    (code, serde_json::from_str(&told[..end]).unwrap_or_else(|error| panic!("{error}: {told}")))
}

fn row<'a>(told: &'a Value, name: &str) -> &'a Value {
    let rows = told["segments"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

/// What is refused, and in which words.
fn lost(row: &Value) -> Vec<String> {
    let parts = row["lost"].as_array().unwrap().iter();
    parts.map(|part| format!("{}: {}", part["part"].as_str().unwrap(), part["why"].as_str().unwrap())).collect()
}

fn check(system: &str, file: &str, fine: &[(&str, &str)], refused: &[&str]) -> Value {
    let folder = folder();
    let (code, dry) = import(folder.path(), system, file, &["--dry-run"]);
    for (name, text) in fine {
        let row = row(&dry, name);
        // What names a segment of the same file cannot be told as text before that one is saved.
        let names_another = row["rule"].to_string().contains("\"segment\"");
        assert_eq!(row["outcome"], if names_another { "waits" } else { "fine" }, "{name}: {row}");
        assert!(names_another || row["text"] == *text, "{name}: {row}");
    }
    assert_eq!(dry["refused"], refused.len(), "what would be saved is not refused: {dry}");
    let (_, again) = import(folder.path(), system, file, &[]);
    for (name, text) in fine {
        let row = row(&again, name);
        assert_eq!((&row["outcome"], row["text"].as_str()), (&json!("saved"), Some(*text)), "{name}: {row}");
    }
    for name in refused {
        let row = row(&again, name);
        assert_eq!(row["outcome"], "refused", "{name}: {row}");
        assert!(!lost(row).is_empty(), "{name}: {row}");
    }
    assert_eq!(again["segments"].as_array().unwrap().len(), fine.len() + refused.len());
    assert_eq!(again["refused"], refused.len());
    assert_eq!(code, Some(2), "what is refused is told by the exit code");
    again
}

#[test]
fn cohorts_of_posthog() {
    let told = check(
        "posthog",
        "posthog.json",
        &[
            (
                "Buyers lately",
                "(did purchase at least 2 times in last 30 days and not (email contains \"@example.com\") and country in (\"US\", \"DE\")) or lead_score > 80",
            ),
            ("Known", "email is set and (created is set and not (created >= 12 months ago))"),
            (
                "Buyers who stopped",
                "in segment \"Known\" and (did purchase in last 90 days and did not purchase in last 2 weeks)",
            ),
        ],
        &["By hand", "Half"],
    );
    assert!(lost(row(&told, "Half"))[0].contains("restarted_performing_event"));
    let folder = folder();
    let (_, partly) = import(folder.path(), "posthog", "posthog.json", &["--partial"]);
    let half = row(&partly, "Half");
    assert_eq!(half["outcome"], "saved", "{half}");
    assert!(half["text"].as_str().unwrap().starts_with("did `purchase` then email_opened within 3 days"), "{half}");
    assert_eq!(lost(half).len(), 1);
    assert_eq!(row(&partly, "By hand")["outcome"], "refused");
}

#[test]
fn segments_of_dittofeed() {
    let told = check(
        "dittofeed",
        "dittofeed.json",
        &[
            (
                "Pro and active",
                "plan = \"pro\" and did purchase where (amount >= $50) at least 2 times in last 2592000 seconds and (created within last 604800 seconds or last `purchase` having (product = \"book\"))",
            ),
            ("Never bought", "did not purchase"),
            ("A tenth", "sample 10% of \"A tenth\""),
        ],
        &["Newsletter", "Round"],
    );
    assert_eq!(row(&told, "A tenth")["notes"].as_array().unwrap().len(), 1);
    assert_eq!(lost(row(&told, "Newsletter")).len(), 2);
}

#[test]
fn segments_of_mautic() {
    let told = check(
        "mautic",
        "mautic.json",
        &[
            (
                "Warm",
                "(has any tag of (\"VIP\", \"Customer\") and lead_score >= 50) or email matches \"*@company.com\"",
            ),
            (
                "Warm abroad",
                "in segment \"Warm\" and country != \"DE\" and (created is set and not (created >= 30 days ago))",
            ),
            ("Openers", "did email_opened more than 3 times"),
        ],
        &["Visitors", "List"],
    );
    let visitors = lost(row(&told, "Visitors"));
    assert!(visitors.len() == 2 && visitors[1].contains("suppression"), "{visitors:?}");
}

#[test]
fn queries_of_shopify() {
    let told = check(
        "shopify",
        "shopify.txt",
        &[
            ("Regulars", "did purchase at least 3 times and last `purchase` in last 90 days"),
            ("Big spenders abroad", "(purchase_total > $1000 or has tag \"VIP\") and not (country = \"US\")"),
            ("Asleep", "last `purchase` more than 12 months ago and no tag \"staff\" and email_consent = true"),
            ("Spring", "created is between 2026-03-01 and 2026-05-31 and email domain is \"company.com\""),
            ("Never ordered", "did not purchase"),
        ],
        &["Book readers", "Broken"],
    );
    assert!(lost(row(&told, "Book readers"))[0].starts_with("products_purchased"), "{told}");
    assert!(lost(row(&told, "Broken"))[0].starts_with("last_order_date"), "{told}");
}

#[test]
fn what_is_no_such_file_is_told() {
    let folder = folder();
    let at = folder.path();
    std::fs::write(at.join("bad"), "{\"name\":").unwrap();
    for system in ["mautic", "dittofeed", "posthog", "shopify"] {
        let (code, told) = throng(at, &["segment", "import", "--from", system, "bad"]);
        assert!(code == Some(2) && told.starts_with("error: bad: "), "{system}: {told}");
    }
    // Text for people names every part.
    let path = root().join("tests/cases/definitions/mautic.json");
    let (_, told) = throng(at, &["segment", "import", "--from", "mautic", path.to_str().unwrap(), "--dry-run"]);
    assert!(
        told.contains("not carried over: {") && told.contains("\"hit_url\"") && told.contains("--partial"),
        "{told}"
    );
}

/// Imports a document that is written here.
fn import_these(at: &Path, system: &str, document: &str, more: &[&str]) -> (Option<i32>, Value) {
    std::fs::write(at.join("these"), document).unwrap();
    import_file(at, system, "these", more)
}

/// A PostHog file with a cohort for each of some filters, by their names.
fn cohorts(filters: &[(&str, Value)]) -> String {
    let one = |(place, (name, filter)): (usize, &(&str, Value))| {
        let filters = json!({"properties": {"type": "AND", "values": [filter]}});
        json!({"id": place + 1, "name": name, "filters": filters})
    };
    json!({"next": null, "results": filters.iter().enumerate().map(one).collect::<Vec<_>>()}).to_string()
}

fn purchase(value: &str, more: Value) -> Value {
    let mut leaf = json!({"type": "behavioral", "key": "purchase", "value": value, "event_type": "events", "time_value": 30, "time_interval": "day"});
    leaf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    leaf
}

/// Filters by the amount of a purchase.
fn amount() -> Value {
    json!([{"type": "event", "key": "amount", "operator": "gt", "value": 100}])
}

fn person(key: &str, operator: &str, value: Value) -> Value {
    json!({"type": "person", "key": key, "operator": operator, "value": value})
}

/// Filters of cohorts that have no counterpart, with names.
fn unsaid() -> Vec<(&'static str, Value)> {
    let both = json!([person("country", "exact", json!("US")), person("lead_score", "gt", json!(5))]);
    vec![
        (
            "Sequence",
            purchase(
                "performed_event_sequence",
                json!({"event_filters": amount(), "seq_event": "email_opened", "seq_time_value": 3, "seq_time_interval": "day"}),
            ),
        ),
        (
            "Stopped",
            purchase(
                "stopped_performing_event",
                json!({"event_filters": amount(), "seq_time_value": 2, "seq_time_interval": "week"}),
            ),
        ),
        (
            "Until",
            purchase(
                "performed_event",
                json!({"explicit_datetime": "2026-01-01", "explicit_datetime_to": "2026-03-01"}),
            ),
        ),
        ("Never", purchase("performed_event_multiple", json!({"operator": "eq", "operator_value": 0}))),
        (
            "Seldom",
            purchase(
                "performed_event_regularly",
                json!({"operator": "lte", "operator_value": 1, "total_periods": 4, "min_periods": 3}),
            ),
        ),
        ("Several patterns", person("email", "regex", json!(["a", "b"]))),
        ("Several days", person("created", "is_date_before", json!(["2026-01-01", "2026-02-01"]))),
        (
            "Of a company",
            json!({"type": "person", "key": "plan", "operator": "exact", "value": "pro", "group_type_index": 0}),
        ),
        ("Strange group", json!({"type": "OR", "values": both, "window": "7d"})),
        (
            "Filter of a filter",
            purchase(
                "performed_event",
                json!({"event_filters": [{"key": "amount", "operator": "gt", "value": 1, "math": "sum"}]}),
            ),
        ),
    ]
}

#[test]
fn no_filter_of_a_cohort_is_passed_over() {
    let regular = json!({"operator": "gte", "operator_value": 1, "total_periods": 4, "min_periods": 3, "event_filters": amount()});
    let both = json!([person("country", "exact", json!("US")), person("lead_score", "gt", json!(5))]);
    let said = [
        (
            "Single",
            purchase("performed_event", json!({"event_filters": amount()})),
            "did purchase where (amount > $100) in last 30 days",
        ),
        ("Regular", purchase("performed_event_regularly", regular), "where (amount > $100)"),
        (
            "Few",
            purchase("performed_event_multiple", json!({"operator": "lte", "operator_value": 2})),
            "did purchase in last 30 days and did purchase at most 2 times in last 30 days",
        ),
        (
            "Group",
            json!({"type": "AND", "negation": true, "values": both}),
            "not (country = \"US\" and lead_score > 5)",
        ),
        (
            "Marks",
            purchase("performed_event", json!({"bytecode": ["_H", 1], "conditionHash": "a0"})),
            "did purchase in last 30 days",
        ),
    ];
    let unsaid = unsaid();
    let all: Vec<(&str, Value)> =
        said.iter().map(|(name, leaf, _)| (*name, leaf.clone())).chain(unsaid.clone()).collect();
    let folder = folder();
    let (_, told) = import_these(folder.path(), "posthog", &cohorts(&all), &[]);
    for (name, _, text) in said {
        let row = row(&told, name);
        assert!(row["outcome"] == "saved" && row["text"].as_str().unwrap().contains(text), "{name}: {row}");
    }
    for (name, _) in unsaid {
        let row = row(&told, name);
        assert!(row["outcome"] == "refused" && lost(row).len() == 1, "{name}: {row}");
    }
}

#[test]
fn a_negated_group_is_lost_as_a_whole() {
    let folder = folder();
    let spoilt = json!([{"type": "person", "key": "country", "operator": "exact", "value": "US"}, {"type": "person", "key": "plan", "operator": "sounds_like", "value": "x"}]);
    let leaf = json!({"type": "person", "key": "lead_score", "operator": "gt", "value": 5});
    let filter = json!({"type": "AND", "values": [leaf, {"type": "OR", "negation": true, "values": spoilt}]});
    let (_, told) = import_these(folder.path(), "posthog", &cohorts(&[("Theirs", filter)]), &["--partial"]);
    assert_eq!(row(&told, "Theirs")["text"], "lead_score > 5", "{told}");
    let query =
        "Ours: number_of_orders >= 3 AND NOT (customer_tags CONTAINS 'VIP' AND products_purchased(id: 1) = true)";
    let (_, told) = import_these(folder.path(), "shopify", query, &["--partial"]);
    assert_eq!(row(&told, "Ours")["text"], "did purchase at least 3 times", "{told}");
    assert_eq!(lost(row(&told, "Ours")).len(), 2);
}

#[test]
fn a_segment_that_is_named_is_that_of_the_file() {
    let person = |value: u8| json!({"type": "person", "key": "lead_score", "operator": "gt", "value": value});
    let within = |id: u8| json!({"type": "cohort", "key": "id", "value": id});
    let half = json!({"type": "AND", "values": [person(1), {"type": "person", "key": "plan", "operator": "sounds_like", "value": "x"}]});
    let file = cohorts(&[
        ("Active", person(1)),
        ("active", person(2)),
        ("In the second", within(2)),
        ("In the first", within(1)),
        ("Circle", within(6)),
        ("Round", within(5)),
        ("Half", half),
        ("In half", within(7)),
        ("Taken", person(3)),
        ("In taken", within(9)),
        ("In none", within(99)),
        ("In a chain", within(8)),
    ]);
    for (more, fine, waits, half) in [
        (&["--dry-run"][..], "fine", "waits", "refused"),
        (&["--dry-run", "--partial"], "fine", "waits", "fine"),
        (&[], "saved", "saved", "refused"),
        (&["--partial"], "saved", "saved", "saved"),
    ] {
        let in_half = if half == "fine" { "waits" } else { half };
        let folder = folder();
        let (code, _) = import_these(folder.path(), "shopify", "Taken: number_of_orders >= 3", &[]);
        assert_eq!(code, Some(0));
        let (_, told) = import_these(folder.path(), "posthog", &file, more);
        let outcomes = [
            ("Active", fine),
            ("active", "refused"),
            ("In the second", "refused"),
            ("In the first", waits),
            ("Circle", "refused"),
            ("Round", "refused"),
            ("Half", half),
            ("In half", in_half),
            ("In a chain", in_half),
            ("Taken", "refused"),
            ("In taken", "refused"),
            ("In none", "refused"),
        ];
        for (name, outcome) in outcomes {
            assert_eq!(row(&told, name)["outcome"], outcome, "{more:?}, {name}: {told}");
        }
        for name in ["In half", "In a chain"] {
            let notes = row(&told, name)["notes"].to_string();
            assert_eq!(notes.contains("a part is not carried over"), half != "refused", "{more:?}, {name}: {notes}");
        }
    }
}

#[test]
fn one_page_of_several_is_no_file() {
    let folder = folder();
    let cohort =
        json!({"id": 1, "name": "A", "filters": {"properties": {"type": "person", "key": "plan", "value": "pro"}}});
    let list = json!({"3": {"id": 3, "name": "A", "filters": []}});
    for (system, page) in [
        ("posthog", json!({"next": "https://there/cohorts/?offset=100", "results": [cohort]})),
        ("mautic", json!({"total": 31, "lists": list})),
        ("mautic", json!({"total": "31", "lists": list})),
    ] {
        std::fs::write(folder.path().join("page"), page.to_string()).unwrap();
        let (code, told) = throng(folder.path(), &["segment", "import", "--from", system, "page"]);
        assert!(code == Some(2) && told.contains("one page of several"), "{told}");
    }
}

#[test]
fn a_boolean_of_mautic_is_one_or_is_refused() {
    let folder = folder();
    let filter = |value: &Value| json!({"glue": "and", "field": "email_consent", "object": "lead", "type": "boolean", "operator": "=", "properties": {"filter": value}});
    let import = |name: &str, filter: Value| {
        let document = json!({"lists": {"1": {"id": 1, "name": name, "filters": [filter]}}}).to_string();
        import_these(folder.path(), "mautic", &document, &["--dry-run"]).1
    };
    for (value, is_true) in
        [(json!(true), true), (json!("1"), true), (json!("true"), true), (json!(0), false), (json!("false"), false)]
    {
        let told = import("A", filter(&value));
        assert_eq!(row(&told, "A")["text"], format!("email_consent = {is_true}"), "{value}");
    }
    for value in [json!("yes"), json!(null), json!([]), json!(2)] {
        assert_eq!(row(&import("A", filter(&value)), "A")["outcome"], "refused", "{value}");
    }
    let mut strange = filter(&json!(true));
    strange["properties"]["unit"] = json!("days");
    assert_eq!(row(&import("A", strange), "A")["outcome"], "refused");
}

#[test]
fn nodes_that_double_at_each_level_end() {
    let folder = folder();
    let node = |n: usize| match n {
        63 => json!({"id": "63", "type": "Everyone"}),
        _ => json!({"id": n.to_string(), "type": "And", "children": [(n + 1).to_string(), (n + 1).to_string()]}),
    };
    let all: Vec<Value> = (1..64).map(node).collect();
    let twice = json!({"id": "1", "type": "Or", "children": ["1", "1"]});
    let strange = json!({"id": "1", "type": "Performed", "event": "purchase", "times": 1, "without": "refund"});
    let segment = |name: &str, entry: Value, nodes: Value| json!({"name": name, "definition": {"entryNode": entry, "nodes": nodes}});
    let document = json!({"segments": [
        segment("Diamonds", node(0), json!(all)),
        segment("Circle", json!({"id": "0", "type": "And", "children": ["1"]}), json!([twice])),
        segment("Strange", strange, json!([])),
    ]});
    let (_, told) = import_these(folder.path(), "dittofeed", &document.to_string(), &[]);
    for (name, why) in
        [("Diamonds", "more than 10000 nodes"), ("Circle", "in a circle"), ("Strange", "\"without\" is not known")]
    {
        let row = row(&told, name);
        assert!(row["outcome"] == "refused" && lost(row).len() <= 2 && lost(row)[0].contains(why), "{name}: {row}");
    }
}
