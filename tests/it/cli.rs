//! The command line, as typed: what it prints, and its exit codes.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::support::server::Server;

fn throng(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("THRONG_DATA")
        .env_remove("THRONG_URL")
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must succeed; gives what it printed.
fn ok(folder: &Path, arguments: &[&str]) -> String {
    let output = throng(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs a command that must fail with a code; gives what it said.
fn fails(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = throng(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stderr)
}

const CLOCK: [&str; 2] = ["--clock", "2026-05-01T00:00:00Z"];

fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c.csv"), "key,name,tags,lead_score\nu-1,Ada,VIP;Customer,80\nu-2,Bob,Customer,10\n")
        .unwrap();
    let event = "{\"contact\":\"u-1\",\"event\":\"purchase\",\"at\":\"2026-04-01T00:00:00Z\",\"properties\":{\"amount\":1200}}\n";
    fs::write(folder.path().join("e.ndjson"), event).unwrap();
    let loaded = ok(folder.path(), &["import", "c.csv", "--events", "e.ndjson", CLOCK[0], CLOCK[1]]);
    assert!(loaded.contains("2 accepted, 2 created") && loaded.contains("1 accepted"), "{loaded}");
    folder
}

/// What a command says into a pipe of which nobody reads more than a little.
fn cut_short(folder: &Path, command: &str) -> Output {
    let line = format!("set -o pipefail; \"$0\" {command} | head -c 10");
    let mut shell = Command::new("bash");
    shell.args(["-c", &line, env!("CARGO_BIN_EXE_throng")]).current_dir(folder).output().expect("bash runs")
}

#[test]
fn a_pipe_that_is_closed_ends_a_command_quietly() {
    let folder = filled();
    for command in ["completions bash", "completions zsh", "man", "serve --help"] {
        for _ in 0..5 {
            let output = cut_short(folder.path(), command);
            let told = text(&output.stderr);
            assert!(told.is_empty() && output.stdout.len() == 10, "{command}: {told}");
        }
    }
}

#[test]
fn logs_that_nobody_looks_at_have_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Server::start(&folder.path().join("data"), &[]).stop());
    fs::write(folder.path().join("data/webhooks"), "no webhooks").unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_throng"));
    server.args(["serve", "--data", "data", "--listen", "127.0.0.1:0"]).env("THRONG_LOG", "debug");
    let mut child = server.current_dir(folder.path()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
    while !told.contains("the page is at") {
        assert!(std::io::BufRead::read_line(&mut lines, &mut told).unwrap() > 0, "{told}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told.contains("ERROR the webhooks cannot be read") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn import_query_segment_on_a_folder() {
    let folder = filled();
    let at = folder.path();
    let count = ok(at, &["query", "Has tag \"Customer\" AND Purchase Total > $1000", CLOCK[0], CLOCK[1]]);
    assert!(count.starts_with("1 contacts"), "{count}");
    assert_eq!(ok(at, &["query", "everyone", "--give", "keys", CLOCK[0], CLOCK[1]]), "u-1\nu-2\n");
    let json = ok(at, &["query", "{\"tag\":\"vip\"}", "--json", CLOCK[0], CLOCK[1]]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["count"], 1);
    let plan = ok(at, &["query", "Tag = VIP AND Lead Score > 5", "--explain", CLOCK[0], CLOCK[1]]);
    assert!(plan.contains("lead_score") && plan.contains("1 contacts"), "{plan}");
    ok(at, &["segment", "create", "Buyers", "--rule", "did purchase", CLOCK[0], CLOCK[1]]);
    assert!(ok(at, &["segment", "list", CLOCK[0], CLOCK[1]]).contains("Buyers"));
    assert_eq!(ok(at, &["segment", "members", "buyers", "--format", "csv", CLOCK[0], CLOCK[1]]), "key\r\nu-1\r\n");
    assert!(ok(at, &["snapshot", CLOCK[0], CLOCK[1]]).contains("snapshot of LSN"));
    assert!(ok(at, &["verify"]).contains("no damage found"));
    assert!(ok(at, &["snapshot", "--to", "copy", CLOCK[0], CLOCK[1]]).contains("copied to copy and verified"));
    assert!(ok(at, &["query", "did purchase", "--data", "copy", CLOCK[0], CLOCK[1]]).starts_with("1 contacts"));
    fails(at, &["snapshot", "--to", "copy", CLOCK[0], CLOCK[1]], 7);
    assert!(ok(at, &["status", CLOCK[0], CLOCK[1]]).contains("contacts         2"));
    let watched = ok(at, &["watch", "--from", "0", "--no-follow", "--json", CLOCK[0], CLOCK[1]]);
    assert!(watched.contains("\"segment\":\"Buyers\""), "{watched}");
    assert_eq!(ok(at, &["watch", "buyers", "--no-follow", CLOCK[0], CLOCK[1]]), "", "it begins at the end");
    let days = ok(at, &["segment", "history", "buyers", CLOCK[0], CLOCK[1]]);
    assert!(days.contains("2026-05-01") && days.contains("members"), "{days}");
}

#[test]
fn audiences_and_what_if_on_a_folder() {
    let folder = filled();
    let at = folder.path();
    let run = |arguments: &[&str]| ok(at, &[arguments, &CLOCK[..]].concat());
    run(&["segment", "create", "All", "--rule", "everyone"]);
    run(&["segment", "create", "Good", "--rule", "Lead Score > 50"]);
    let told = run(&["segment", "preview", "good", "--rule", "Lead Score > 5"]);
    assert!(told.contains("enter: u-2"), "{told}");
    assert!(run(&["segment", "preview", "New", "--new", "--rule", "everyone"]).contains("u-1, u-2"));
    assert!(run(&["segment", "forecast", "Good", "--days", "2"]).contains("2026-05-02"));
    let why = run(&["segment", "why", "Good", "u-2"]);
    assert!(why.contains("- lead_score > 50   [10; column]") && why.contains("smallest change"), "{why}");
    assert!(run(&["segment", "pin", "Good", "--in", "u-2", "--in", "u-9"]).contains("2 members"));
    assert!(run(&["segment", "why", "Good", "u-2"]).contains("pinned in by hand"));
    assert!(run(&["segment", "freeze", "Good", "--as", "Kept"]).contains("static"));
    run(&["segment", "update", "Good", "--rule", "no one"]);
    assert!(run(&["segment", "revert", "Good", "--to", "1"]).contains("lead_score > 50"));
    fs::write(at.join("gone.txt"), "u-2\nu-3\n").unwrap();
    let made = run(&["suppression", "create", "Gone", "--members", "gone.txt", "--channel", "email"]);
    assert!(made.contains("Gone") && made.contains("email"), "{made}");
    let lines = run(&["audience", "Good", "All", "--channel", "email"]);
    assert_eq!(lines, "{\"key\":\"u-1\",\"segment\":\"Good\"}\n");
    let csv = run(&["audience", "All", "--channel", "sms", "--format", "csv", "--split", "x", "--part", "A=100"]);
    assert_eq!(csv, "key,segment,part\r\nu-1,All,A\r\nu-2,All,A\r\nu-3,All,A\r\n");
    let summary = run(&["audience", "All", "--exclude-rule", "Lead Score > 50", "--summary"]);
    assert!(summary.contains("withheld: Gone"), "{summary}");
    run(&["suppression", "update", "Gone", "--rename", "Left", "--every-channel"]);
    assert!(run(&["suppression", "remove", "Left", "u-3"]).contains("1 contacts"));
    assert_eq!(run(&["suppression", "members", "left"]), "{\"key\":\"u-2\"}\n");
    assert!(run(&["suppression", "list", "--json"]).contains("\"Left\""));
    run(&["suppression", "delete", "Left"]);
    fails(at, &["audience", "Nothing", CLOCK[0], CLOCK[1]], 2);
    fails(at, &["audience", CLOCK[0], CLOCK[1]], 2);
}

#[test]
fn failures_say_who_must_act() {
    let folder = filled();
    let at = folder.path();
    let wrong = fails(at, &["query", "Leed Score > 5", CLOCK[0], CLOCK[1]], 2);
    assert!(wrong.contains('^') && wrong.to_lowercase().contains("lead"), "a caret and a suggestion: {wrong}");
    fails(at, &["query", "everyone", "--data", "/proc/nothing"], 1);
    fails(at, &["import", "missing.csv"], 2);
    fails(at, &["import"], 2);
    fails(at, &["query", "everyone", "--url", "http://127.0.0.1:1"], 1);
    fails(at, &["serve", "--listen", "0.0.0.0:7171"], 2);
    fails(at, &["query", "everyone", "--clock", "2020-01-01T00:00:00Z"], 1);
    fails(at, &["segment", "show", "nothing", CLOCK[0], CLOCK[1]], 2);
    fs::write(at.join("bad.csv"), "key,lead_score\nx,many\n").unwrap();
    let refused = fails(at, &["import", "bad.csv", CLOCK[0], CLOCK[1]], 2);
    assert!(refused.contains("line 2") && refused.contains("lead_score"), "{refused}");
}

#[test]
fn a_folder_has_one_owner() {
    let folder = filled();
    let server = Server::start(&folder.path().join("throng-data"), &CLOCK);
    let held = fails(folder.path(), &["query", "everyone"], 3);
    assert!(held.contains("process"), "{held}");
    let kept = fails(folder.path(), &["salvage", "--to", "new"], 3);
    assert!(kept.contains("process"), "{kept}");
    assert!(ok(folder.path(), &["verify"]).contains("no damage found"), "also beside a server");
    let over = ok(folder.path(), &["query", "everyone", "--url", &server.url]);
    assert!(over.starts_with("2 contacts"), "{over}");
    let loaded = ok(folder.path(), &["import", "c.csv", "--url", &server.url]);
    assert!(loaded.contains("2 updated"), "{loaded}");
}

#[test]
fn damage_is_told_and_not_served() {
    let folder = filled();
    let data = folder.path().join("throng-data");
    ok(folder.path(), &["snapshot", CLOCK[0], CLOCK[1]]);
    let snapshot = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
    let snapshot =
        snapshot.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap-")).max().unwrap();
    let mut bytes = fs::read(&snapshot).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::remove_file(&snapshot).unwrap();
    fs::write(&snapshot, bytes).unwrap();
    let told = fails(folder.path(), &["verify"], 6);
    assert!(told.contains("snap-"), "{told}");
    let refused = fails(folder.path(), &["query", "everyone", CLOCK[0], CLOCK[1]], 6);
    assert!(refused.contains("snap-") && refused.contains("throng salvage --data"), "{refused}");
    let salvaged = ok(folder.path(), &["salvage", "--to", "new"]);
    assert!(salvaged.contains("salvaged from the first write") && salvaged.contains("2 contacts"), "{salvaged}");
    assert!(salvaged.contains("no write was left out") && salvaged.contains("not used: "), "{salvaged}");
    assert_eq!(fs::metadata(folder.path().join("new/salvage-report.txt")).unwrap().len() as usize, {
        salvaged.len() - salvaged.lines().last().unwrap().len() - 1
    });
    let count = ok(folder.path(), &["query", "did purchase", "--data", "new", CLOCK[0], CLOCK[1]]);
    assert!(count.starts_with("1 contacts"), "{count}");
    assert!(ok(folder.path(), &["verify", "--data", "new"]).contains("no damage found"));
    fails(folder.path(), &["salvage", "--to", "new"], 7);
    let log = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
    let log = log.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("wal-")).min().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    bytes[100] ^= 1;
    fs::write(&log, bytes).unwrap();
    fails(folder.path(), &["salvage", "--to", "other"], 5);
    let told: serde_json::Value = {
        let json = ok(folder.path(), &["salvage", "--to", "rest", "--skip", "--json"]);
        serde_json::from_str(&json).unwrap()
    };
    assert!(told["discarded"][0]["why"].is_string() && told["from_lsn"].is_null(), "{told}");
}

#[test]
fn generated_data_is_the_same_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    for out in ["a", "b"] {
        ok(folder.path(), &["generate", "--contacts", "500", "--seed", "9", "--out", out]);
    }
    for file in ["contacts.csv", "events.ndjson"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(file)).unwrap();
        assert_eq!(read("a"), read("b"));
    }
    let loaded = ok(folder.path(), &["import", "a/contacts.csv", "--events", "a/events.ndjson"]);
    assert!(loaded.contains("500 accepted, 500 created"), "{loaded}");
    ok(folder.path(), &["generate", "--contacts", "500", "--plain", "--out", "plain"]);
    let plain = fs::read_to_string(folder.path().join("plain/contacts.csv")).unwrap();
    assert!(!folder.path().join("plain/events.ndjson").exists());
    assert!(plain.lines().skip(1).all(|line| line.split(',').next().is_some_and(|key| key.len() == 16)), "{plain}");
    let loaded = ok(folder.path(), &["import", "plain/contacts.csv", "--data", "plain-data"]);
    assert!(loaded.contains("500 accepted, 500 created"), "{loaded}");
}

#[test]
fn help_and_completions_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let help = ok(folder.path(), &["--help"]);
    for command in [
        "serve",
        "demo",
        "import",
        "query",
        "segment",
        "audience",
        "suppression",
        "watch",
        "snapshot",
        "verify",
        "salvage",
        "generate",
        "status",
    ] {
        assert!(help.contains(command), "{command} is missing in: {help}");
        assert!(ok(folder.path(), &[command, "--help"]).contains("Usage"), "{command}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(ok(folder.path(), &["completions", shell]).contains("throng"));
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_write_to_takes_no_copy() {
    use std::os::unix::fs::PermissionsExt;
    let folder = filled();
    let at = folder.path();
    for command in ["salvage", "snapshot"] {
        fs::create_dir(at.join(command)).unwrap();
        fs::set_permissions(at.join(command), PermissionsExt::from_mode(0o777)).unwrap();
        let told = fails(at, &[command, "--to", command], 7);
        assert!(told.contains("mode 0777") && told.contains("chmod 700"), "{told}");
        assert_eq!(fs::read_dir(at.join(command)).unwrap().count(), 0, "nothing was written");
        fs::set_permissions(at.join(command), PermissionsExt::from_mode(0o700)).unwrap();
        ok(at, &[command, "--to", command]);
    }
}

#[test]
fn a_folder_of_a_newer_version_has_an_exit_code_of_its_own() {
    let folder = filled();
    let at = folder.path();
    let manifest = at.join("throng-data/MANIFEST");
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[8] += 1;
    // Its checksum is right, so it is no damage.
    let checksum = throng::codec::checksum::crc32c(&bytes[..124]);
    bytes[124..].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&manifest, &bytes).unwrap();
    let before = listing(&at.join("throng-data"));
    for command in [&["query", "everyone"][..], &["status"], &["serve", "--listen", "127.0.0.1:0"]] {
        let told = fails(at, command, 4);
        assert!(told.contains("format version 2; this program reads version 1"), "{told}");
    }
    bytes[124] ^= 1;
    fs::write(&manifest, &bytes).unwrap();
    assert_ne!(throng(at, &["status"]).status.code(), Some(4), "damage is not taken for a newer version");
    assert_eq!(listing(&at.join("throng-data")), before);
}

fn listing(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
