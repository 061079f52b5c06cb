//! Pages of the audit log: from either end, by filters, past what broke off, and with lines that come meanwhile.

use std::{
    collections::BTreeMap,
    io::Cursor,
    sync::{Mutex, PoisonError},
};

use serde_json::json;

use super::*;

/// Files in memory.
#[derive(Default)]
struct Papers(Mutex<BTreeMap<Day, Vec<u8>>>);

impl Papers {
    fn add(&self, day: &str, text: &str) {
        self.0.lock().unwrap().entry(Day::parse(day).unwrap()).or_default().extend(text.as_bytes());
    }

    fn deed(&self, day: &str, n: u32) {
        let at = format!("{day}T00:{:02}:{:02}Z", n / 60 % 60, n % 60);
        let (action, by) = (["snapshot", "eraseContact", "moveClock"][n as usize % 3], format!("k{}", n % 2));
        let line = json!({"at": at, "action": action, "by": by, "outcome": "done", "lsn": n});
        self.add(day, &format!("{line}\n"));
    }
}

impl Shelf for Papers {
    fn days(&self) -> io::Result<Vec<Day>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect())
    }

    fn written(&self, day: Day) -> io::Result<Option<Timestamp>> {
        let papers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(text) = papers.get(&day) else { return Ok(None) };
        let lines = text.split(|byte| *byte == b'\n');
        let at = |line| Timestamp::parse(serde_json::from_slice::<Value>(line).ok()?["at"].as_str()?).ok();
        Ok(lines.filter_map(at).max().or(Some(Timestamp::MAX)))
    }

    fn open(&self, day: Day) -> io::Result<Option<Box<dyn Pages>>> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&day).cloned();
        Ok(text.map(|text| Box::new(Cursor::new(text)) as Box<dyn Pages>))
    }
}

fn page(papers: &Papers, query: &str) -> Value {
    let asked = Asked::read(&format!("/v1/audit?{query}").parse().unwrap()).unwrap();
    serde_json::from_slice(&asked.find(papers).unwrap().to_json()).unwrap()
}

fn numbers(page: &Value) -> Vec<u64> {
    page["entries"].as_array().unwrap().iter().map(|entry| entry["lsn"].as_u64().unwrap()).collect()
}

/// All pages of a listing.
fn all(papers: &Papers, query: &str) -> Vec<u64> {
    let (mut told, mut after) = (Vec::new(), String::new());
    loop {
        let page = page(papers, &format!("{query}{after}"));
        told.extend(numbers(&page));
        let Some(next) = page["next"].as_str() else { return told };
        after = format!("&after={next}");
    }
}

fn papers() -> Papers {
    let papers = Papers::default();
    for (day, from) in [("2026-05-01", 0), ("2026-05-02", 100), ("2026-05-04", 200)] {
        (from..from + 100).for_each(|n| papers.deed(day, n));
    }
    papers
}

#[test]
fn a_place_past_the_end_of_a_real_file_is_the_end() {
    struct OneFile(tempfile::TempDir);
    impl Shelf for OneFile {
        fn days(&self) -> io::Result<Vec<Day>> {
            Ok(vec![Day::parse("2026-05-02").unwrap()])
        }

        fn written(&self, _: Day) -> io::Result<Option<Timestamp>> {
            Ok(Some(Timestamp::MAX))
        }

        fn open(&self, _: Day) -> io::Result<Option<Box<dyn Pages>>> {
            Ok(Some(Box::new(std::fs::File::open(self.0.path().join("log"))?)))
        }
    }
    let shelf = OneFile(tempfile::tempdir().unwrap());
    let line = json!({"at": "2026-05-02T00:00:00Z", "action": "snapshot"});
    std::fs::write(shelf.0.path().join("log"), format!("{line}\n")).unwrap();
    for (order, found) in [("oldest", 0), ("newest", 1)] {
        let query = format!("/v1/audit?order={order}&after=2026-05-02.{}", u64::MAX);
        let page = Asked::read(&query.parse().unwrap()).unwrap().find(&shelf).unwrap();
        assert_eq!(page.entries.len(), found, "{order}");
    }
}

#[test]
fn pages_go_on_from_either_end() {
    let papers = papers();
    let on: Vec<u64> = (0..300).collect();
    let back: Vec<u64> = on.iter().rev().copied().collect();
    for limit in [1, 7, 100, 299, 300, 1_000] {
        assert_eq!(all(&papers, &format!("order=oldest&limit={limit}")), on, "{limit}");
        assert_eq!(all(&papers, &format!("limit={limit}")), back, "{limit}");
    }
    assert_eq!(page(&papers, "limit=300")["next"], Value::Null, "there is nothing more");
    // What comes while somebody reads on is told to those who go onward, and moves nothing for the others.
    let (first, last) = (page(&papers, "limit=5"), page(&papers, "limit=299&order=oldest"));
    papers.deed("2026-05-04", 300);
    papers.deed("2026-05-05", 301);
    let next = |page: &Value| page["next"].as_str().unwrap().to_owned();
    assert_eq!(numbers(&page(&papers, &format!("limit=2&after={}", next(&first)))), [294, 293]);
    assert_eq!(numbers(&page(&papers, &format!("order=oldest&after={}", next(&last)))), [299, 300, 301]);
}

#[test]
fn filters_leave_the_rest_out() {
    let papers = papers();
    assert_eq!(all(&papers, "action=snapshot&by=k0&order=oldest&limit=9"), (0..300).step_by(6).collect::<Vec<_>>());
    assert!(all(&papers, "outcome=failed").is_empty());
    let between = "since=2026-05-01T00:01:30Z&until=2026-05-02T00:01:45Z&order=oldest";
    assert_eq!(all(&papers, between), (90..105).collect::<Vec<_>>());
    assert_eq!(all(&papers, "since=2026-05-04T00:04:59Z"), [299]);
    // Written a moment later, a line stands in the file of the day after.
    papers.add("2026-05-05", "{\"at\":\"2026-05-04T23:59:59.999Z\",\"action\":\"snapshot\",\"lsn\":300}\n");
    assert_eq!(all(&papers, "since=2026-05-04T12:00:00Z&until=2026-05-05T00:00:00Z"), [300]);
    // Where the files of some days could not be made, their lines stand in the last one.
    papers.add("2026-05-05", "{\"at\":\"2026-05-09T00:00:00Z\",\"action\":\"snapshot\",\"lsn\":309}\n");
    assert_eq!(all(&papers, "since=2026-05-09T00:00:00Z"), [309]);
    // Where others made the files of later days, which cannot be written to, in an earlier one.
    papers.add("2026-05-02", "{\"at\":\"2026-05-10T00:00:00Z\",\"action\":\"snapshot\",\"lsn\":310}\n");
    assert_eq!(all(&papers, "since=2026-05-09T00:00:00Z&order=oldest"), [310, 309]);
    // A page looks through so much: without enough that fits it says where to go on.
    let long = "y".repeat(50_000);
    let line = json!({"at": "2026-05-06T00:00:00Z", "action": "snapshot", "long": long, "lsn": 400});
    (0..400).for_each(|_| papers.add("2026-05-06", &format!("{line}\n")));
    papers.deed("2026-05-06", 401);
    for order in ORDERS {
        let first = page(&papers, &format!("by=k1&since=2026-05-06T00:00:00Z&limit=1&order={order}"));
        assert_eq!(
            (numbers(&first).len(), first["next"].is_string()),
            (usize::from(order == "newest"), true),
            "{order}"
        );
        assert_eq!(all(&papers, &format!("by=k1&since=2026-05-06T00:00:00Z&limit=1&order={order}")), [401]);
    }
}

#[test]
fn what_broke_off_is_counted_and_what_is_being_written_is_not_there_yet() {
    let papers = Papers::default();
    papers.deed("2026-05-01", 1);
    papers.add("2026-05-01", "{\"at\":\"2026-05-0\n\n{\"at\":7}\nno JSON\n");
    papers.deed("2026-05-01", 2);
    papers.add("2026-05-01", "{\"at\":\"2026-05-01T00:00:00Z\",\"action\":\"snap");
    for (order, wanted) in [("oldest", [1, 2]), ("newest", [2, 1])] {
        let page = page(&papers, &format!("order={order}"));
        assert_eq!((numbers(&page), &page["unreadable"]), (wanted.to_vec(), &json!(3)));
    }
}

#[test]
fn what_cannot_be_asked_is_told() {
    let problem = |query: &str| match Asked::read(&format!("/v1/audit?{query}").parse().unwrap()) {
        Ok(asked) => asked.find(&papers()).err().map(|problem| problem.status.as_u16()),
        Err(problem) => Some(problem.status.as_u16()),
    };
    for bad in
        ["order=up", "outcome=good", "since=yesterday", "after=x", "after=2026-05-01", "after=2026/05/01.5", "to=1"]
    {
        assert_eq!(problem(bad), Some(400), "{bad}");
    }
    assert_eq!(
        ["limit=0", "after=2026-05-03.5", "after=2026-13-01.5", "after=2026-05-02.0"].map(problem),
        [Some(422), Some(410), Some(410), None]
    );
}
