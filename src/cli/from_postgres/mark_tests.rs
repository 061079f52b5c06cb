//! Marks on disk: kept whole, found again, and never taken for those of another import or database.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::cli::from_postgres::{
    mark::{Book, Identity, Position, hashed},
    query::Start,
};

fn identity() -> Identity {
    Identity {
        from: "db:5432/shop".into(),
        query: hashed(&["SELECT 1", "contacts"]),
        watermark: "updated_at".into(),
        ty: "timestamptz".into(),
    }
}

fn at(lsn: u64) -> Position {
    Position { database: "one".into(), lsn }
}

#[test]
fn a_mark_is_kept_whole_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/crm.v1");
    let mut book = Book::open(path.clone(), identity(), &at(7), true).unwrap();
    assert_eq!(book.start(), Start::First);
    for mark in ["2026-05-01T00:00:00.000001Z", "2026-05-02T00:00:00.000002Z"] {
        book.keep(mark, at(9)).unwrap();
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let beside = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut beside: Vec<_> = beside.collect();
    beside.sort();
    assert_eq!(beside, [".crm.v1.lock", "crm.v1"], "nothing else is left beside it");
    let told = Book::open(path.clone(), identity(), &at(9), true).err().unwrap().message;
    assert!(told.contains("another run of this import is under way"), "{told}");
    drop(book);
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("SELECT"), "{text}");
    let again = Book::open(path.clone(), identity(), &at(9), true).unwrap();
    assert_eq!(again.start(), Start::Kept("2026-05-02T00:00:00.000002Z".into()));
    drop(again);
    assert_eq!(Book::open(path, identity(), &at(9), false).unwrap().start(), Start::First);
}

#[test]
fn a_mark_of_something_else_is_refused_with_both_ways_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm");
    Book::open(path.clone(), identity(), &at(7), true).unwrap().keep("41", at(9)).unwrap();
    let open = |identity: Identity, now: Position| {
        Book::open(path.clone(), identity, &now, true).map(|book| book.start()).map_err(|failure| failure.message)
    };
    for (other, why) in [
        (Identity { from: "other:5432/shop".into(), ..identity() }, "the address is not that of the last run"),
        (
            Identity { query: hashed(&["SELECT 2", "contacts"]), ..identity() },
            "the query, role or options is not that of the last run",
        ),
        (Identity { watermark: "id".into(), ..identity() }, "the watermark is not that of the last run"),
        (Identity { ty: "date".into(), ..identity() }, "the watermark is not that of the last run"),
    ] {
        let told = open(other, at(9)).unwrap_err();
        assert!(told.contains(why) && told.contains("--restart") && told.contains("--since '41'"), "{told}");
    }
    let elsewhere = Position { database: "two".into(), lsn: 99 };
    for now in [at(8), elsewhere] {
        let told = open(identity(), now).unwrap_err();
        assert!(told.contains("older state") && told.contains("--since '41'"), "{told}");
    }
    assert_eq!(open(identity(), at(9)), Ok(Start::Kept("41".into())));
    let kept = fs::read_to_string(&path).unwrap();
    for (text, why) in [
        (String::new(), "not the mark of an import"),
        (kept[..kept.len() / 2].to_owned(), "not the mark of an import"),
        (kept.replace("\"version\": 1", "\"version\": 2"), "another version"),
    ] {
        fs::write(&path, text).unwrap();
        let told = open(identity(), at(9)).unwrap_err();
        assert!(told.contains(why) && told.contains("--restart"), "{told}");
    }
}

#[test]
fn a_mark_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let mut book = Book::open(home.join("crm"), identity(), &at(1), false).unwrap();
    // Its folder becomes a file.
    fs::remove_dir_all(&home).unwrap();
    fs::write(&home, "").unwrap();
    let told = book.keep("1", at(2)).unwrap_err().message;
    assert!(told.contains("the rows are in"), "{told}");
}
