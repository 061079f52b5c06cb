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
    let path = path.to_str().unwrap();
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
        // What names a segment of the same file cannot be judged before that one is saved.
        let waits = row["outcome"] == "refused" && row["rule"].to_string().contains("\"segment\"");
        assert!(row["text"] == *text || waits, "{name}: {row}");
    }
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
