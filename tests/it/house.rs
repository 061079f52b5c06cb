//! The house rules, held over the source tree. Each failure names file and line.

use std::{collections::BTreeSet, fs};

use crate::support::source::{Source, files, functions, root, rust, words};

/// Who may import whom, ground floor first. A room may name itself and these.
const ROOMS: &[(&str, &[&str])] = &[
    ("codec", &[]),
    ("model", &["codec"]),
    ("bitmap", &["codec", "model"]),
    ("rule", &["model"]),
    ("index", &["codec", "model", "bitmap"]),
    ("query", &["model", "bitmap", "rule", "index"]),
    ("segment", &["codec", "model", "bitmap", "rule", "index", "query"]),
    ("analytics", &["model", "bitmap", "rule", "index", "query", "segment"]),
    ("engine", &["codec", "model", "bitmap", "rule", "index", "query", "segment"]),
    ("storage", &["codec", "model"]),
    ("db", &["codec", "model", "bitmap", "rule", "query", "segment", "analytics", "engine", "storage"]),
    ("webhook", &["model", "db"]),
    ("http", &["model", "db", "rule", "webhook"]),
    ("web", &["model", "db", "http"]),
    ("cli", &["model", "bitmap", "rule", "db", "webhook", "http", "web"]),
];

/// Outside names that only these rooms may say.
const WALLS: &[(&str, &[&str])] = &[
    ("roaring", &["bitmap"]),
    ("rayon", &["bitmap", "query", "analytics"]),
    ("jiff", &["model"]),
    ("bincode", &["codec"]),
    ("crc_fast", &["codec"]),
    ("memmap2", &["storage"]),
    ("fs4", &["storage"]),
    ("rustix", &["storage"]),
    ("libc", &["storage"]),
    ("fs", &["storage", "cli"]),
    ("regex_automata", &["index"]),
    ("arrow_array", &["http"]),
    ("arrow_ipc", &["http"]),
    ("arrow_schema", &["http"]),
    ("parquet", &["http"]),
    ("axum", &["http", "web"]),
    ("tokio", &["webhook", "http", "web"]),
    ("tokio_util", &["http", "web"]),
    ("tower", &["http"]),
    ("tower_http", &["http"]),
    ("hyper", &["webhook", "http", "cli"]),
    ("hyper_util", &["webhook", "http", "cli"]),
    ("rustls", &["webhook", "http", "cli"]),
    ("tokio_rustls", &["webhook", "http"]),
    ("governor", &["http"]),
    ("postgres", &["cli"]),
    ("tokio_postgres_rustls", &["cli"]),
    ("toml", &["cli"]),
    ("hmac", &["webhook"]),
    ("askama", &["web"]),
    ("similar", &["web"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("comfy_table", &["cli"]),
    ("println", &["cli"]),
    ("print", &["cli"]),
    ("eprintln", &["cli"]),
    ("SystemTime", &["db"]),
    ("Instant", &["db"]),
];

/// All that the top of the repository holds, but for dotfiles and what git ignores.
const TOP: &[&str] =
    &["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "src", "benches", "tests", "snapshots", "docs"];
const IGNORED: &[&str] = &["target", "throng-data"];
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const BANNED_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc", "types"];

fn is_there(path: &str) -> bool {
    root().join(path).exists()
}

fn allowed(room: &str) -> Option<&'static [&'static str]> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed)
}

#[track_caller]
fn none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn every_folder_of_the_source_is_a_room() {
    let mut broken = vec![];
    for entry in fs::read_dir(root().join("src")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let fine = match name.strip_suffix(".rs") {
            Some(file) => ["lib", "main"].contains(&file) || allowed(file).is_some(),
            None => name == "adapters" || allowed(&name).is_some(),
        };
        if !fine {
            broken.push(format!("src/{name}"));
        }
    }
    none("a folder of src/ is a room of the table, or `adapters`", broken);
}

#[test]
fn a_room_imports_only_the_rooms_that_it_may() {
    let mut broken = vec![];
    for (place, (room, may)) in ROOMS.iter().enumerate() {
        let below = |other: &str| ROOMS[..place].iter().any(|(name, _)| *name == other);
        assert!(may.iter().all(|other| below(other)), "{room} may import only rooms before it in the table");
    }
    for source in rust("src").iter().filter(|source| !["lib", "main", "adapters"].contains(&source.room())) {
        let room = source.room();
        let may = allowed(room).unwrap_or_default();
        for (at, named) in crate_paths(&source.code) {
            if named != room && !may.contains(&named.as_str()) {
                broken.push(format!("{}:{}: {room} may not import {named}", source.path, source.line(at)));
            }
        }
    }
    none("rooms import only what the table lets them", broken);
}

/// The first word of every `crate::` path, also of each part of `crate::{…}`.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = vec![];
    let word = |at: usize| -> String { code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    for at in words(code, "crate") {
        let Some(rest) = code[at..].strip_prefix("crate::") else { continue };
        let start = at + "crate::".len();
        if !rest.starts_with('{') {
            found.push((at, word(start)));
            continue;
        }
        let (mut depth, mut fresh) = (0, false);
        for (offset, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && (c == '{' || c == ',') {
                fresh = true;
            } else if fresh && (c.is_alphanumeric() || c == '_') {
                found.push((start + offset, word(start + offset)));
                fresh = false;
            }
        }
    }
    found
}

#[test]
fn braces_in_imports_are_seen_through() {
    let code = "use crate::{\n    model::{a, b::c},\n    rule::ast,\n};\nfn f() { crate::index::g(); $crate::x }";
    let rooms: Vec<String> = crate_paths(code).into_iter().map(|(_, room)| room).collect();
    assert_eq!(rooms, ["model", "rule", "index", "x"]);
}

#[test]
fn outside_libraries_stay_within_their_walls() {
    let mut broken = vec![];
    for source in rust("src").iter().filter(|source| source.room() != "adapters") {
        let room = if source.room() == "main" { "cli" } else { source.room() };
        for (name, rooms) in WALLS {
            // A file of unit tests may look at what a room left on disk, and tell how many cases it tried.
            let looks = ["fs", "println"].contains(name) && source.path.ends_with("_tests.rs");
            if looks || rooms.contains(&room) {
                continue;
            }
            for at in words(&source.code, name).filter(|at| is_library_use(&source.code, *at, name)) {
                broken.push(format!("{}:{}: {name} belongs to {}", source.path, source.line(at), rooms.join(", ")));
            }
        }
    }
    none("a library is named only in its home", broken);
}

/// Whether a word is used as a library, macro or outside type here, and not as a name of our own.
fn is_library_use(code: &str, at: usize, name: &str) -> bool {
    let (before, after) = (code[..at].trim_end(), &code[at + name.len()..]);
    match name {
        "println" | "print" | "eprintln" => after.starts_with('!'),
        "fs" => before.ends_with("std::") || in_std_braces(before) || after.starts_with("::"),
        "SystemTime" => true,
        "Instant" => before.ends_with("time::") || after.starts_with("::now") || in_std_braces(before),
        _ => (after.starts_with("::") && !before.ends_with("::")) || before.ends_with("use"),
    }
}

fn in_std_braces(before: &str) -> bool {
    let statement = &before[before.rfind(';').map_or(0, |end| end + 1)..];
    statement.contains("use std::{") || statement.contains("use std::time::{")
}

#[test]
fn files_and_functions_stay_short() {
    let mut broken = vec![];
    for source in ["src", "tests", "benches"].into_iter().flat_map(rust) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.path));
        }
        for (at, lines) in functions(&source.code) {
            if lines > FUNCTION_LINES_MAX {
                let line = source.line(at);
                broken
                    .push(format!("{}:{line}: a function of {lines} lines, at most {FUNCTION_LINES_MAX}", source.path));
            }
        }
    }
    none("files and functions stay short", broken);
}

#[test]
fn every_file_says_what_it_is() {
    let mut broken = vec![];
    for source in ["src", "tests", "benches"].into_iter().flat_map(rust) {
        if !source.text.starts_with("//! ") {
            broken.push(format!("{}:1: opens without a `//!` sentence", source.path));
        }
        if is_room_head(&source) {
            for part in ["?", "Owns:", "Never:", "Start:"] {
                if !head(&source.text).contains(part) {
                    broken.push(format!("{}:1: the head of a room lacks `{part}`", source.path));
                }
            }
        }
    }
    none("every file opens with what it is; a room's head asks its question and says what it owns", broken);
}

fn is_room_head(source: &Source) -> bool {
    source.path == format!("src/{}/mod.rs", source.room())
}

fn head(text: &str) -> String {
    text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n")
}

#[test]
fn forbidden_words_and_names_are_absent() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("WAL ", "segment")];
    let mut broken = vec![];
    for path in ["src", "tests", "benches", "docs"].into_iter().flat_map(|folder| files(folder, "")) {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = path.parent().and_then(|folder| folder.file_name()).unwrap_or_default().to_string_lossy();
        if BANNED_NAMES.iter().any(|name| *name == stem || *name == folder) {
            broken.push(format!("{shown}: says nothing about what is inside"));
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (place, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(*word)) {
                broken.push(format!("{shown}:{}: {word}", place + 1));
            }
        }
    }
    none("forbidden words and names are absent", broken);
}

#[test]
fn no_globs_and_no_second_names() {
    let mut broken = vec![];
    for source in rust("src") {
        for (place, line) in source.code.lines().enumerate() {
            let line = line.trim();
            let far = line.contains(concat!("super::", "super"));
            let glob = line.contains("::*")
                && line != "use super::*;"
                && !line.contains("prelude::*")
                && !line.contains("::*const");
            let again = (line.starts_with("pub use ") || line.starts_with("pub(crate) use ")) && source.room() != "lib";
            if glob || far || again {
                broken.push(format!("{}:{}: {line}", source.path, place + 1));
            }
        }
    }
    none(
        "no paths over two floors, no globs (but preludes, and `use super::*` of a test module), and re-exports only in lib.rs",
        broken,
    );
}

#[test]
fn every_path_that_the_documents_name_exists() {
    let mut broken = vec![];
    for path in files("docs", ".md").into_iter().chain([root().join("README.md")]) {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap_or_default();
        for (place, line) in text.lines().enumerate() {
            for named in paths_in(line) {
                if !is_there(&named) {
                    broken.push(format!("{shown}:{}: {named}", place + 1));
                }
            }
        }
    }
    none("a path that a document names exists", broken);
}

/// The paths of the repository in a line; those with a stand-in such as `<name>` or `*` are left out.
fn paths_in(line: &str) -> Vec<String> {
    let part = |c: char| !(c.is_whitespace() || "`()[],;:\"'|…#".contains(c));
    let tokens = line.split(|c| !part(c)).map(|token| token.trim_start_matches("../").trim_end_matches(['.', '/']));
    let ours = |token: &&str| {
        ["src/", "tests/", "docs/", "benches/"].iter().any(|folder| token.starts_with(folder))
            && !token.contains(['<', '*', '{', '$', '='])
    };
    tokens.filter(ours).map(str::to_owned).collect()
}

#[test]
fn the_top_holds_what_was_named_and_nothing_else() {
    let mut broken = vec![];
    let entries = fs::read_dir(root()).unwrap().flatten();
    let names: BTreeSet<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    for name in &names {
        if !name.starts_with('.') && !TOP.contains(&name.as_str()) && !IGNORED.contains(&name.as_str()) {
            broken.push(format!("{name} does not belong at the top"));
        }
    }
    // The documents come last; once they are there, the house is whole.
    let missing = TOP.iter().filter(|name| is_there("docs/ARCHITECTURE.md") && !names.contains(**name));
    broken.extend(missing.map(|name| format!("{name} is missing")));
    none("the top of the repository holds exactly what was named", broken);
}

#[test]
fn every_limit_is_held_somewhere() {
    let limits = fs::read_to_string(root().join("src/model/limits.rs")).unwrap();
    let names = limits.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    let mut code = String::new();
    for source in ["src", "tests"].into_iter().flat_map(rust).filter(|source| source.path != "src/model/limits.rs") {
        code.push_str(&source.code);
    }
    let unheld = names.filter(|name| words(&code, name).next().is_none());
    // The doors hold many of them; until they are built, only their absence is known.
    let built = is_there("src/http") && is_there("src/cli");
    none("every limit is used or tested", unheld.filter(|_| built).map(str::to_owned).collect());
}

#[test]
fn every_route_is_documented() {
    let Ok(documented) = fs::read_to_string(root().join("docs/API.md")) else { return };
    let mut broken = vec![];
    for source in rust("src/http").iter().filter(|source| !source.path.contains("test")) {
        for (at, _) in source.text.match_indices("\"/") {
            let route = source.text[at + 1..].split('"').next().unwrap_or_default();
            let served = ["/v1/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"];
            if served.iter().any(|start| route.starts_with(start)) && !documented.contains(route) {
                broken.push(format!("{}:{}: {route}", source.path, source.line(at)));
            }
        }
    }
    none("every route is in docs/API.md", broken);
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/PROMISES.md")).unwrap();
    let (mut broken, mut rows) = (vec![], 0);
    for (place, line) in page.lines().enumerate().filter(|(_, line)| line.starts_with("| ") && !line.contains("---")) {
        let (mut file, mut named) = (String::new(), 0);
        let shown = line.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        for token in shown.split('`').skip(1).step_by(2) {
            if token.ends_with(".rs") {
                file = fs::read_to_string(root().join(token)).unwrap_or_default();
                continue;
            }
            named += 1;
            if !file.contains(&format!("#[test]\nfn {token}()")) {
                broken.push(format!("docs/PROMISES.md:{}: {token}", place + 1));
            }
        }
        rows += 1;
        if named == 0 && rows > 1 {
            broken.push(format!("docs/PROMISES.md:{}: names no test", place + 1));
        }
    }
    assert!(rows > 17, "{rows} rows");
    none("every promise names its tests: a file, and functions in it", broken);
}
