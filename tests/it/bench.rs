//! `throng bench`, as typed: the shape of its figures, counts against a naive count, what it keeps and what it refuses.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use throng::{
    cli::generate::{
        UNTIL,
        person::{Deed, Person, person},
    },
    model::time::Timestamp,
};

const CONTACTS: u64 = 10_000;
const DAY_MS: i64 = 86_400_000;

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.args(["bench", "--contacts", "10000", "--segments", "12", "--runs", "2"]).args(arguments);
    command.env("TMPDIR", folder).current_dir(folder).output().expect("the program runs")
}

fn told(folder: &Path, arguments: &[&str]) -> Value {
    let output = bench(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is JSON and nothing else")
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = bench(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

fn rows(told: &Value) -> &Vec<Value> {
    told["rows"].as_array().expect("rows")
}

fn row<'a>(told: &'a Value, name: &str) -> &'a Value {
    rows(told).iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no row {name}"))
}

fn check_shape(told: &Value) {
    assert!(told["machine"]["cores"].as_u64() >= Some(1) && told["machine"]["memory_read_gb_s"].as_f64() > Some(0.0));
    for row in rows(told) {
        let figure = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key} of {row}"));
        assert!(row["name"].is_string() && row["unit"].is_string() && row["n"].as_u64() >= Some(1), "{row}");
        assert!(figure("min") <= figure("median") && figure("median") <= figure("max"), "{row}");
        assert!(figure("min") > 0.0 && figure("floor") > 0.0, "{row}");
        let ratio = figure("median") / figure("floor");
        assert!((figure("ratio") - ratio).abs() <= 1e-9 * ratio, "{row}");
    }
    let names: BTreeSet<&str> = rows(told).iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names.len(), rows(told).len(), "each name once");
}

/// One generated contact, and what rules ask of it.
struct Who {
    person: Person,
    deeds: Vec<Deed>,
    until: Timestamp,
}

impl Who {
    fn tag(&self, tag: &str) -> bool {
        self.person.tags.contains(&tag)
    }

    fn score(&self, fits: impl Fn(u32) -> bool) -> bool {
        self.person.lead_score.is_some_and(fits)
    }

    fn spent(&self) -> i64 {
        self.deeds.iter().filter_map(|deed| deed.amount).sum()
    }

    /// Whether the last deed, if there is one, is younger than so many days.
    fn last(&self, days: i64) -> Option<bool> {
        self.deeds.last().map(|deed| self.until.0 - deed.at.0 < days * DAY_MS)
    }

    fn did(&self, event: &str, days: i64) -> usize {
        self.deeds.iter().filter(|deed| deed.event == event && self.until.0 - deed.at.0 <= days * DAY_MS).count()
    }

    fn is_in(&self, rule: &str) -> bool {
        let Person { country, status, name, email, created, email_consent, .. } = &self.person;
        let made = |days: i64| self.until.0 - created.0 < days * DAY_MS;
        match rule {
            "High-value customers" => self.spent() > 100_000 && self.tag("Customer") && self.last(90) == Some(true),
            "At-risk customers" => {
                self.tag("Customer") && self.last(30) == Some(false) && self.did("conversation", 60) == 0
            }
            "Hot leads" => self.score(|score| score > 70) && *status == "Active" && made(14),
            "Newsletter" => self.tag("Newsletter") && *email_consent == Some(true),
            "US customers or top leads" => self.tag("Customer") && *country == "US" || self.score(|score| score > 80),
            "One tag" => self.tag("VIP"),
            "Any of three tags" => ["Partner", "Beta", "Press"].iter().any(|tag| self.tag(tag)),
            "Country in ten" => ["US", "IN", "BR", "GB", "DE", "FR", "JP", "MX", "ES", "IT"].contains(country),
            "Name contains" => name.to_lowercase().contains("ann"),
            "Email domain" => email.as_ref().is_some_and(|email| email.ends_with("@company.com")),
            "Score without newsletter" => self.score(|score| (40..=60).contains(&score)) && !self.tag("Newsletter"),
            "Opened three times" => self.did("email_opened", 30) >= 3,
            "No conversation" => self.did("conversation", 60) == 0,
            "Twelve predicates" => {
                self.tag("VIP") && *country == "US" && self.score(|score| score > 50)
                    || self.tag("Customer") && self.spent() > 50_000 && self.last(30) == Some(true)
                    || *status == "New" && made(30) && self.tag("Trial")
                    || self.tag("Beta")
                        && ["DE", "FR"].contains(country)
                        && self.score(|score| (20..=90).contains(&score))
            }
            "Six predicates" => {
                self.tag("Customer") && *country == "US" && *status == "Active"
                    || self.tag("Newsletter") && !self.tag("Churned") && *email_consent == Some(true)
            }
            rule => panic!("no naive count of {rule}"),
        }
    }
}

#[test]
fn every_row_has_its_figures_and_counts_are_those_of_a_naive_count() {
    let folder = tempfile::tempdir().unwrap();
    let told = told(folder.path(), &["--json"]);
    check_shape(&told);
    let streams = if cfg!(feature = "columnar") { 6 } else { 4 };
    assert_eq!(
        (told["contacts"].as_u64(), rows(&told).len()),
        (Some(CONTACTS), 5 + 2 * 15 + 20 + 1 + 2 + streams + 2 * 5 + 8)
    );
    let until = Timestamp::parse(UNTIL).unwrap();
    let everyone: Vec<Who> = (0..CONTACTS)
        .map(|number| {
            let (person, deeds) = person(1, number, until);
            Who { person, deeds, until }
        })
        .collect();
    let mut asked = 0;
    for row in rows(&told) {
        let name = row["name"].as_str().unwrap();
        if let Some(rule) = name.strip_prefix("count: ").or(name.strip_prefix("ids: ")) {
            let naive = everyone.iter().filter(|who| who.is_in(rule)).count() as u64;
            assert_eq!(row["count"].as_u64(), Some(naive), "{name}");
            assert!(naive > 0, "{name} is asked of data that has someone in it");
            assert!(row["roaring"].as_f64() > Some(0.0), "{name}");
            asked += 1;
        }
    }
    assert_eq!(asked, 30);
    let events: usize = everyone.iter().map(|who| who.deeds.len()).sum();
    assert_eq!(told["events"].as_u64(), Some(events as u64));
    assert_eq!(row(&told, "import events")["count"], told["events"]);
    for row in rows(&told).iter().filter(|row| row["name"].as_str().is_some_and(|name| name.starts_with("stream"))) {
        assert_eq!(row["count"].as_u64(), Some(CONTACTS), "{row}");
        let per_s = 1e6 / row["median"].as_f64().unwrap();
        assert!((row["per_s"].as_f64().unwrap() - per_s).abs() <= 1e-9 * per_s, "{row}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "a folder that nobody asked for goes: {left:?}");
}

#[test]
fn a_folder_is_used_again_and_runs_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let first = told(
        at,
        &["--json", "--data", "kept", "--only", "count: one", "--save", "before.json", "--report", "page.html"],
    );
    check_shape(&first);
    assert_eq!(rows(&first).len(), 1, "{first}");
    assert_eq!(first, serde_json::from_str::<Value>(&fs::read_to_string(at.join("before.json")).unwrap()).unwrap());
    let page = fs::read_to_string(at.join("page.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("count: One tag") && page.ends_with("</html>\n"), "{page}");
    assert!(!page.contains("http"), "the page asks no one for anything");
    let made = fs::metadata(at.join("kept/contacts.csv")).unwrap().modified().unwrap();
    let again = told(at, &["--json", "--data", "kept", "--only", "COUNT: One", "--compare", "before.json"]);
    assert!(row(&again, "count: One tag")["to_before"].as_f64() > Some(0.0));
    assert_eq!(made, fs::metadata(at.join("kept/contacts.csv")).unwrap().modified().unwrap());
    assert_eq!(row(&again, "count: One tag")["count"], row(&first, "count: One tag")["count"]);
    // Another seed makes other data, elsewhere.
    let other = ["--data", "kept", "--only", "count: one", "--seed", "2"];
    assert!(refused(at, &other).contains("10000 contacts of seed 1"));
    assert_eq!(made, fs::metadata(at.join("kept/contacts.csv")).unwrap().modified().unwrap());
    // A run that ends badly leaves the figures of an earlier one.
    let before = fs::read_to_string(at.join("before.json")).unwrap();
    refused(at, &[&other[..], &["--save", "before.json"]].concat());
    assert_eq!(fs::read_to_string(at.join("before.json")).unwrap(), before);
    let table = bench(at, &["--only", "count: one", "--seed", "2"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("10,000 contacts") && table.contains("to floor") && table.contains("count: One tag"),
        "{table}"
    );
}

#[test]
fn what_cannot_be_measured_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = refused(at, &["--only", "nonsense"]);
    assert!(said.contains("no row is called \"nonsense\"") && said.contains("import contacts"), "{said}");
    let few = Command::new(env!("CARGO_BIN_EXE_throng")).args(["bench", "--contacts", "9999"]).output().unwrap();
    assert_eq!(few.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&few.stderr).contains("10000"), "it says what would do");
    fs::create_dir(at.join("mine")).unwrap();
    fs::write(at.join("mine/letter.txt"), "dear").unwrap();
    assert!(refused(at, &["--data", "mine"]).contains("did not make"));
    assert_eq!(fs::read_to_string(at.join("mine/letter.txt")).unwrap(), "dear");
    assert!(refused(at, &["--compare", "nowhere.json"]).contains("nowhere.json"));
    fs::write(at.join("other.json"), "{\"contacts\":20000,\"rows\":[]}").unwrap();
    assert!(refused(at, &["--compare", "other.json"]).contains("20000"));
    let output = bench(at, &["--save", "no/such/folder.json"]);
    assert_eq!(output.status.code(), Some(1), "the disk is the operator's to mend");
}
