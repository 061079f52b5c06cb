//! The golden folders: data of every released format opens, and says what it said when it was written.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    codec::section::{MemoryImage, SectionSource},
    db::{
        database::Database,
        dump::dump,
        full_history::{START, crowd, deeds, last_word},
        options::Options,
    },
    engine::{
        apply::apply,
        command::Stamp,
        image::IMAGE_VERSION,
        record::{self, RECORD_VERSION},
        state::State,
    },
    model::{calendar::Zone, time::Timestamp},
    storage::{
        disk::Disk,
        error::StorageErrorKind,
        format::FORMAT_VERSION,
        frame::FRAME_VERSION,
        real_disk::RealDisk,
        store::{Opened, Store, StoreOptions},
    },
};

/// Enough for sets that are bitmaps, and for a value that has its contacts as a posting.
const CROWD: u32 = 4_200;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/golden")
}

fn of_this_version() -> PathBuf {
    home().join(format!("v{FORMAT_VERSION}"))
}

fn goldens() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(home()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// A copy of a golden folder that only its owner may enter, as version control does not keep that.
fn copied(golden: &Path, to: &Path) {
    RealDisk.create_dir(to).unwrap();
    for entry in fs::read_dir(golden).unwrap() {
        let entry = entry.unwrap();
        fs::write(to.join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
    }
}

/// The instant at which a golden folder was closed.
fn closed_at(said: &str) -> Timestamp {
    let now = said.lines().next().and_then(|line| line.strip_prefix("now "));
    Timestamp::parse(now.expect("a dump begins with its instant")).unwrap()
}

/// The two folders of a golden one: one history, once with a snapshot in the middle and once as a log alone.
const FOLDERS: [&str; 2] = ["image", "log"];

#[test]
fn golden_folders_open_and_say_what_they_said() {
    let goldens = goldens();
    assert!(goldens.contains(&of_this_version()), "there is a golden folder of this version: {goldens:?}");
    for (golden, folder, mmap) in goldens
        .iter()
        .flat_map(|golden| FOLDERS.iter().flat_map(move |folder| [true, false].map(|mmap| (golden, folder, mmap))))
    {
        let said = fs::read_to_string(golden.join("says.txt")).unwrap();
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        copied(&golden.join(folder), &data);
        for start in ["as it was", "again"] {
            let options = Options { mmap, ..Options::folder(&data) };
            let db = Database::open(options.at(closed_at(&said))).unwrap();
            assert_eq!(dump(&db.view()), said, "{} {folder}, opened {start}", golden.display());
            db.view().check().unwrap();
            // What was remembered is answered again, and nothing is written for it.
            let written = last_word(&db);
            assert!(written.replayed && written.results[0].is_ok() && written.results[1].is_err(), "{written:?}");
            assert_eq!(db.view().lsn(), written.lsn, "nothing came after it");
            db.close().unwrap();
        }
    }
}

/// Applies the log up to a position; each payload is written today as it was then.
fn replay(opened: &Opened, state: &mut State, up_to: u64) {
    opened
        .replay(&mut |lsn, bytes| {
            if lsn.0 <= up_to {
                let (at, batch) = record::decode(bytes).unwrap();
                assert_eq!(record::encode(at, &batch), bytes, "lsn {lsn} is written otherwise: raise the version");
                apply(state, Stamp { lsn, at }, &batch);
            }
            Ok(())
        })
        .unwrap();
}

/// A golden folder of this version, copied and opened.
fn opened(folder: &str, home: &Path) -> Opened {
    let data = home.join(folder);
    copied(&of_this_version().join(folder), &data);
    let options = StoreOptions { create: false, background: false, ..StoreOptions::default() };
    Store::open(Arc::new(RealDisk) as Arc<dyn Disk>, &data, options).unwrap()
}

#[test]
fn bytes_are_written_as_in_the_golden_folder_of_this_version() {
    let home = tempfile::tempdir().unwrap();
    let (log, image) = (opened("log", home.path()), opened("image", home.path()));
    let golden = image.snapshot.unwrap();
    let mut state = State::empty();
    replay(&log, &mut state, golden.lsn().0);
    let mut today = MemoryImage::new();
    state.encode(&mut today).unwrap();
    assert_eq!(today.names(), golden.names());
    for name in golden.names() {
        let same = today.section(&name).unwrap() == golden.section(&name).unwrap();
        assert!(same, "section {name} is written otherwise than in the golden folder: raise the version");
    }
}

/// The kinds of sections that docs/FORMAT.md names; `*` stands for a number.
const SECTIONS: [&str; 38] = [
    "state",
    "schema",
    "memory",
    "segments/book",
    "segments/*/list",
    "segments/*/include",
    "segments/*/exclude",
    "live/feed",
    "live/changes",
    "live/lists/*/entered",
    "live/lists/*/left",
    "live/kept",
    "live/since/*",
    "live/since/*/*",
    "index/keys/strings/text",
    "index/keys/strings/ends",
    "index/keys/strings/starts",
    "index/keys/hashes/entries",
    "index/keys/hashes/marks",
    "index/keys/buckets",
    "index/keys/live",
    "index/property/*/case",
    "index/property/*/free",
    "index/property/*/grams/blocks",
    "index/property/*/grams/postings",
    "index/property/*/codes/items",
    "index/property/*/rows/slots",
    "index/property/*/rows/few",
    "index/property/*/rows/many",
    "index/property/*/present",
    "index/property/*/domains/rows/slots",
    "index/property/*/lists/items",
    "index/property/*/yes",
    "index/property/*/no",
    "index/property/*/column",
    "index/events/written/*/column",
    "index/events/ids/places",
    "index/events/*/texts/*/counts",
];

#[test]
fn the_golden_folder_has_every_kind_of_section() {
    let home = tempfile::tempdir().unwrap();
    let snapshot = opened("image", home.path()).snapshot.unwrap();
    let kind = |name: &String| {
        let parts = name.split('/').map(|part| if part.parse::<u64>().is_ok() { "*" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    let kinds: BTreeSet<String> = snapshot.names().iter().map(kind).collect();
    let missing: Vec<&&str> = SECTIONS.iter().filter(|kind| !kinds.contains(**kind)).collect();
    assert!(missing.is_empty(), "{missing:?} of {kinds:?}");
}

#[test]
fn a_folder_of_a_newer_format_is_refused_by_its_numbers() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    copied(&of_this_version().join("image"), &data);
    let path = data.join("MANIFEST");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8..10].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
    let checksum = crate::codec::checksum::crc32c(&bytes[..124]);
    bytes[124..].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let error = Database::open(Options::folder(&data)).err().unwrap();
    let crate::db::error::Error::Storage(error) = error else { panic!("{error}") };
    assert_eq!(error.kind, StorageErrorKind::NewerFormat);
    let numbers = format!("format version {}; this program reads version {FORMAT_VERSION}", FORMAT_VERSION + 1);
    assert!(error.cause.contains(&numbers), "{error}");
}

/// The byte tables of the format page, and every version that they are of.
fn byte_tables() -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMAT.md")).unwrap();
    let from = page.find("## The preamble").unwrap();
    let to = page.find("## What we assume").unwrap();
    let tables: String = page[from..to].lines().filter(|line| line.starts_with('|')).collect();
    let digest = crate::codec::checksum::crc64(tables.as_bytes());
    format!(
        "file {FORMAT_VERSION} frame {FRAME_VERSION} payload {RECORD_VERSION} image {IMAGE_VERSION} page {digest:016x}\n"
    )
}

#[test]
fn the_byte_tables_change_only_with_a_version() {
    let kept = fs::read_to_string(of_this_version().join("format.txt")).unwrap();
    assert_eq!(
        byte_tables(),
        kept,
        "a table of docs/FORMAT.md or a version changed: if bytes changed, raise the version of the files, write a new \
         golden folder and keep the old one; if only words did, put the new line into format.txt"
    );
}

#[test]
#[ignore = "writes the golden folder of a new format version, once"]
fn write_the_golden_folder_of_this_version() {
    let golden = of_this_version();
    assert!(!golden.exists(), "{} is there, and a golden folder is never edited", golden.display());
    for folder in FOLDERS {
        let data = golden.join(folder);
        let options = Options { log_file_bytes: 16 << 10, auto_snapshot: false, ..Options::folder(&data) };
        let zone = Zone::named("Europe/Paris").unwrap();
        let db = Database::open(Options { zone: Some(zone), ..options.at(START) }).unwrap();
        deeds(&db, 1);
        crowd(&db, CROWD);
        deeds(&db, 2);
        if folder == "image" {
            db.snapshot().unwrap();
        }
        // Then the keys of the erased are forgotten, which no file holds, and what comes after the image is every
        // command again.
        db.move_clock(db.view().now().plus_ms(2 * 86_400_000)).unwrap();
        deeds(&db, 3);
        db.move_clock(db.view().now().plus_ms(86_400_001)).unwrap();
        assert!(!last_word(&db).replayed);
        db.close().unwrap();
        fs::write(golden.join("says.txt"), dump(&db.view())).unwrap();
        drop(db);
        fs::remove_file(data.join("lock")).unwrap();
    }
    fs::write(golden.join("format.txt"), byte_tables()).unwrap();
}
