//! Any bytes are read as contacts record by record and written; bad records are faults, never a panic.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use throng::{
    db::{database::Database, options::Options},
    http::{import::import, records::Kind},
    model::{request::WriteMode, time::Timestamp},
};

fuzz_target!(|bytes: &[u8]| {
    let options = Options::default().at(Timestamp(1_777_593_600_000));
    let db = Database::open(options).expect("a database in memory opens");
    let kind = Kind::ContactLines(WriteMode::Merge);
    if let Ok(summary) = import(&db, kind, Box::new(Cursor::new(bytes.to_vec())), &mut |_| {}) {
        assert!(db.view().everyone().count() <= summary.accepted);
    }
});
