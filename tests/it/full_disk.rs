//! A disk that is really full: a small file system of its own in memory. Mounting takes rights that not everyone has, so
//! these tests run by `.ci/run`, which says so where it may not.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use throng::{
    ContactKey, ContactWrite, Database, Error, Input, Name, Options, Request, WriteMode, db::options::Upkeep,
};

use crate::support::{generate::Dice, long::asked, server::Server};

/// A mounted file system; goes when dropped.
struct Mount {
    home: tempfile::TempDir,
}

impl Mount {
    fn new(megabytes: u32) -> Mount {
        let home = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m,mode=0700");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(home.path()).status().unwrap();
        assert!(done.success(), "mounting takes rights that this user does not have");
        Mount { home }
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Fills it until so many bytes are left, or none.
    fn fill(&self, left: u64) {
        let path = self.home.path().join("filler");
        let mut file = File::options().append(true).create(true).open(&path).unwrap();
        for step in [1 << 20, 4_096] {
            let (zeros, mut room) = (vec![0u8; step], free(self.home.path()).saturating_sub(left));
            while room >= step as u64 && file.write_all(&zeros).is_ok() {
                room -= step as u64;
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.home.path()).status();
    }
}

fn free(path: &Path) -> u64 {
    let told = Command::new("df").args(["--output=avail", "-B1"]).arg(path).output().unwrap();
    String::from_utf8(told.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap()
}

fn contact(n: u64) -> Request {
    let values = vec![(Name::new("company").unwrap(), Input::Text(format!("company {n} {}", "x".repeat(300)).into()))];
    let key = ContactKey::new(&format!("c{n}")).unwrap();
    Request::Contact(ContactWrite { key, mode: WriteMode::Merge, values })
}

/// A file system of some size that fills up while a database works on it: within appends, new log files, snapshots and
/// what makes them live, wherever that strikes. Gives how many calls were refused for want of room.
fn live_through(seed: u64) -> u64 {
    let mut dice = Dice::new(seed);
    let megabytes = *dice.pick(&[4, 4, 4, 8, 8, 16, 32, 64, 128, 256]);
    let mount = Mount::new(megabytes);
    let moment = Duration::from_millis(1);
    let upkeep = Upkeep { space_poll: moment, space_return: moment, ballast_bytes: 1 << 20, ..Upkeep::default() };
    let log_file_bytes = (64 << 10) << dice.below(3);
    let snapshot_log_bytes = (64 << 10) << dice.below(4);
    let options = Options { log_file_bytes, snapshot_log_bytes, upkeep, ..Options::folder(mount.data()) };
    let db = Database::open(options.clone()).unwrap();
    // So much is left at first; somebody else takes it at some moment.
    mount.fill((1 << 20) + ((dice.below(2_000) as u64) << 10));
    let (fills_after, snapshots) = (Duration::from_micros(dice.below(40_000) as u64), *dice.pick(&[20, 60, 10_000]));
    let (mut written, mut refused) = (0, 0);
    let is_refusal = |error: &Error| matches!(error, Error::NoRoom(_) | Error::StorageLow(_));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(fills_after);
            mount.fill(0);
        });
        while refused < 5 {
            match db.write(contact(written)) {
                Ok(_) => written += 1,
                Err(error) => {
                    assert!(is_refusal(&error), "seed {seed}: {error}");
                    refused += 1;
                }
            }
            if written % snapshots == snapshots - 1
                && let Err(error) = db.snapshot()
            {
                assert!(is_refusal(&error), "seed {seed}: {error}");
                refused += 1;
            }
        }
    });
    assert!(db.failure().is_none() && db.storage_low().is_some(), "seed {seed}");
    assert_eq!(db.view().everyone().count(), written, "seed {seed}");
    mount.fill(0);
    let gone = match db.write(Request::Erase(ContactKey::new("c0").unwrap())) {
        Ok(_) => 1.min(written),
        Err(error) => {
            assert!(is_refusal(&error), "seed {seed}: {error}");
            refused += 1;
            0
        }
    };
    drop(db);
    let db = Database::open(options.clone()).unwrap();
    assert_eq!(db.view().everyone().count(), written - gone, "seed {seed}, of {megabytes} MiB");
    std::fs::remove_file(mount.home.path().join("filler")).unwrap();
    let db = match db.failure() {
        None => db,
        Some(_) => {
            // There was no room for the copy that a start after such a stop makes; now there is.
            drop(db);
            Database::open(options.clone()).unwrap()
        }
    };
    while let Err(error) = db.write(contact(0)) {
        assert!(is_refusal(&error), "seed {seed}: {error}");
        std::thread::sleep(moment);
    }
    db.view().check().unwrap();
    drop(db);
    assert_eq!(Database::open(options).unwrap().view().everyone().count(), written.max(1), "of {megabytes} MiB");
    refused
}

#[test]
#[ignore = "mounts a file system; .ci/run runs it where it may"]
fn a_database_lives_through_a_full_file_system() {
    let (first, runs) = (asked("THRONG_DISK_SEED", 1) * 1_000_000, asked("THRONG_DISKS", 500));
    let refused: u64 = (first..first + runs).map(live_through).sum();
    println!("{runs} full file systems, {refused} refusals");
    assert!(refused >= 5 * runs, "{refused} refusals");
}

#[test]
#[ignore = "mounts a file system; .ci/run runs it where it may"]
fn a_server_tells_what_a_full_disk_means() {
    let mount = Mount::new(300);
    let server = Server::start(&mount.data(), &["--ballast", "1"]);
    server.ok("PUT", "/v1/contacts/ann", json!({"lead_score": 1}));
    server.ok("PUT", "/v1/contacts/bob", json!({"lead_score": 2}));
    server.ok("POST", "/v1/segments", json!({"name": "All", "rule": "everyone"}));
    let step = || server.ok("GET", "/v1/status", Value::Null)["disk"]["step"].as_str().unwrap().to_owned();
    assert_eq!(step(), "ample");
    let lines = "{\"key\":\"x\"}\n";
    let import = || server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines);
    // One unit is a log file of 64 MiB; there is no snapshot yet.
    mount.fill(100 << 20);
    assert_eq!(step(), "no_imports");
    let refused = import();
    assert_eq!((refused.status, refused.json()["type"].as_str()), (507, Some("urn:throng:problem:storage_low")));
    assert_eq!(server.call("GET", "/readyz", Value::Null).status, 200);
    server.ok("PATCH", "/v1/contacts/ann", json!({"lead_score": 3}));
    mount.fill(50 << 20);
    assert_eq!(step(), "deletes_only");
    for (method, path) in [("PUT", "/v1/contacts/eve"), ("PATCH", "/v1/contacts/ann")] {
        let refused = server.call(method, path, json!({"lead_score": 4}));
        assert_eq!((refused.status, refused.json()["type"].as_str()), (507, Some("urn:throng:problem:storage_low")));
    }
    assert_eq!(server.call("GET", "/readyz", Value::Null).status, 507);
    assert_eq!(server.call("GET", "/healthz", Value::Null).status, 200);
    assert_eq!(server.count("everyone"), 2);
    assert_eq!(server.call("DELETE", "/v1/contacts/bob", Value::Null).status, 204);
    assert_eq!(server.call("DELETE", "/v1/segments/All", Value::Null).status, 204);
    assert_eq!(server.count("everyone"), 1);
    let alarms = server.ok("GET", "/v1/status", Value::Null)["alarms"].clone();
    assert_eq!(alarms[0]["code"], "storage_low", "{alarms}");
    assert_eq!(server.call("POST", "/v1/snapshot", Value::Null).status, 200, "a small one still fits");
}

/// What the metrics of a server say.
fn metric(server: &Server, name: &str) -> u64 {
    let text = server.call("GET", "/metrics", Value::Null).text;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("the metric is told");
    line.parse().expect("a whole number")
}

/// Makes a segment and deletes it again: two deeds.
fn two_deeds(server: &Server) {
    server.ok("POST", "/v1/segments", json!({"name": "passing", "rule": "everyone"}));
    assert_eq!(server.call("DELETE", "/v1/segments/passing", Value::Null).status, 204);
}

#[test]
#[ignore = "mounts a file system; .ci/run runs it where it may"]
fn deeds_go_on_while_the_disk_of_the_audit_log_is_full_and_each_has_a_line_or_is_counted() {
    let (mount, folder) = (Mount::new(4), tempfile::tempdir().unwrap());
    let (data, log) = (folder.path().join("data"), mount.home.path().join("audit"));
    let audited = ["--audit-log", log.to_str().unwrap()];
    let mut server = Server::start(&data, &audited);
    let lost = |server: &Server| metric(server, "throng_audit_lost_total");
    let mut deeds = 0;
    let mut act = |server: &Server| {
        two_deeds(server);
        deeds += 2;
        deeds
    };
    act(&server);
    assert_eq!(lost(&server), 0);
    mount.fill(0);
    // What is left of the last page of the file still takes some lines.
    while lost(&server) < 20 {
        act(&server);
    }
    assert_eq!(server.call("GET", "/readyz", Value::Null).status, 200, "the data has its own disk");
    let told = server.ok("GET", "/v1/audit?limit=1000", Value::Null);
    assert!(told["entries"].as_array().is_some_and(|entries| entries.len() >= 2), "{told}");
    // A command is done all the same, and says that it is not recorded.
    let made = Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(["key", "create", "--name", "ops", "--scope", "admin", "--data"])
        .arg(folder.path().join("other"))
        .args(audited)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success() && said.contains("could not be recorded"), "{said}");
    let missing = lost(&server);
    std::fs::remove_file(mount.home.path().join("filler")).unwrap();
    let deeds = act(&server);
    assert_eq!(lost(&server), missing, "there is room again");
    let text = || {
        // Midnight may pass meanwhile.
        let mut files: Vec<PathBuf> = std::fs::read_dir(&log).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect::<String>()
    };
    let all = text();
    let whole: Vec<Value> = all.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(whole.len() as u64 + missing, deeds, "{all}");
    let telling: Vec<u64> = whole.iter().filter_map(|line| line["lost"].as_u64()).collect();
    assert_eq!(telling.iter().sum::<u64>(), missing, "the next line that found room tells: {telling:?}");
    let told = server.ok("GET", "/v1/audit?limit=1000", Value::Null);
    let broken = all.lines().filter(|line| !line.is_empty()).count() - whole.len();
    assert_eq!(told["unreadable"].as_u64(), Some(broken as u64));
    // A server starts on a full disk, too.
    mount.fill(0);
    while lost(&server) == missing {
        act(&server);
    }
    assert!(server.stop());
    let server = Server::start(&data, &audited);
    act(&server);
    std::fs::remove_file(mount.home.path().join("filler")).unwrap();
    act(&server);
    let all = text();
    let last: Value = serde_json::from_str(all.lines().next_back().unwrap()).unwrap();
    assert_eq!(last["action"], "deleteSegment", "{all}");
}
