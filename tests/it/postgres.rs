//! Imports from a query, as typed, against as much of a PostgreSQL server as they talk to: marks, breaks, bad rows and
//! bad addresses. `tests/postgres/run` asks a real one.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{
    postgres::{BOOL, FLOAT8, INT8, MONEY, Postgres, TEXT, Table, int8, text},
    server::Server,
};

const SQL: &str = "SELECT key, plan, version FROM users";
const CLOCK: &str = "2026-05-01T00:00:00Z";

/// Runs an import in a folder; gives its exit code, what it printed and what it said.
fn import(folder: &Path, from: &str, more: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(["import", "--from", from, "--clock", CLOCK])
        .args(more)
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("XDG_STATE_HOME")
        .envs([("PGPASSWORD", "")])
        .env_remove("PGPASSFILE")
        .env_remove("THRONG_DATA")
        .env_remove("THRONG_URL")
        .output()
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains("s3cret") && !err.contains("s3cret"), "a password was told: {out}{err}");
    (output.status.code().expect("it ends by itself"), out, err)
}

/// An import by its mark that must succeed, as JSON.
fn refresh(folder: &Path, server: &Postgres, more: &[&str]) -> Value {
    let told = [&["--sql", SQL, "--watermark", "version", "--json"], more].concat();
    let (code, out, err) = import(folder, &server.url(), &told);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

/// The contacts of a folder, by key, one JSON object a line.
fn contacts(folder: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(["query", "everyone", "--give", "contacts", "--clock", CLOCK])
        .current_dir(folder)
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn users(rows: &[(&str, Option<&str>, i64)]) -> Table {
    let row = |(key, plan, version): &(&str, Option<&str>, i64)| vec![text(key), plan.and_then(text), int8(*version)];
    Table {
        columns: vec![("key", TEXT), ("plan", TEXT), ("version", INT8)],
        rows: rows.iter().map(row).collect(),
        marked_by: 2,
        ..Table::default()
    }
}

/// The one file of marks in a folder.
fn kept(folder: &Path) -> (PathBuf, Value) {
    let is_mark = |path: &PathBuf| path.extension().is_none_or(|end| end != "lock");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(is_mark).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    (files[0].clone(), serde_json::from_slice(&fs::read(&files[0]).unwrap()).unwrap())
}

#[test]
fn the_next_run_reads_from_the_mark_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Postgres::start(users(&[("u-1", Some("free"), 1), ("u-2", Some("pro"), 3), ("u-3", Some("pro"), 3)]));
    let first = refresh(at, &server, &[]);
    assert_eq!((&first["accepted"], &first["created"], &first["watermark"]), (&json!(3), &json!(3), &json!("3")));
    assert!(server.asked().mark.is_none() && server.asked().sql.contains(SQL));
    let (_, mark) = kept(&at.join("throng-data/imports"));
    assert_eq!((&mark["mark"], &mark["lsn"], &mark["type"]), (&json!("3"), &first["lsn"], &json!("int8")));
    assert_eq!(mark["from"], format!("127.0.0.1:{}/shop", server.port));
    // One of the same mark came late, one is new; those before the mark are not asked for.
    server.change(|table| {
        let later = users(&[("u-1", None, 1), ("u-2", Some("free"), 3), ("u-9", Some("pro"), 3), ("u-4", None, 7)]);
        table.rows = later.rows;
    });
    let second = refresh(at, &server, &[]);
    assert_eq!((&second["created"], &second["updated"], &second["watermark"]), (&json!(2), &json!(1), &json!("7")));
    assert_eq!(server.asked().mark.as_deref(), Some("3"));
    let found = contacts(at);
    assert_eq!(found.len(), 5);
    assert_eq!((&found[0]["plan"], &found[1]["plan"]), (&json!("free"), &json!("free")));
    // Nothing new: the tie is read again, and changes nothing.
    assert_eq!(refresh(at, &server, &[])["accepted"], 1);
    assert_eq!(contacts(at), found);
    refresh(at, &server, &["--since", "1"]);
    assert_eq!(server.asked().mark.as_deref(), Some("1"));
    refresh(at, &server, &["--restart"]);
    assert!(server.asked().mark.is_none());
    refresh(at, &server, &["--overlap", "5"]);
    assert!(server.asked().sql.contains("AS int8) - 5"), "{}", server.asked().sql);
}

#[test]
fn a_run_that_breaks_off_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let row = |n: i64| vec![text(&format!("u-{n}")), None, int8(n)];
    let server = Postgres::start(Table { rows: (1..=60_000).map(row).collect(), ..users(&[]) });
    server.change(|table| table.breaks_after = Some(59_000));
    let told = ["--sql", SQL, "--watermark", "version"];
    let (code, out, err) = import(at, &server.url(), &told);
    assert!(code == 1 && err.contains("broke off") && err.contains("read up to "), "{out}{err}");
    // A slice is in for certain; of what was on its way when the connection went, nobody knows how much was taken.
    let (_, mark) = kept(&at.join("throng-data/imports"));
    let mark = mark["mark"].as_str().unwrap().to_owned();
    let reached: usize = mark.parse().unwrap();
    assert!((50_000..=59_000).contains(&reached), "{reached}");
    let count = || {
        let output = Command::new(env!("CARGO_BIN_EXE_throng"))
            .args(["query", "everyone", "--json", "--clock", CLOCK])
            .current_dir(at)
            .output()
            .expect("the program runs");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["count"].clone()
    };
    assert_eq!(count(), reached, "all rows up to the mark, and none after it");
    server.change(|table| table.breaks_after = None);
    let next = refresh(at, &server, &[]);
    assert_eq!(server.asked().mark, Some(mark));
    assert_eq!((&next["updated"], &next["created"]), (&json!(1), &json!(60_000 - reached)));
    assert_eq!(count(), 60_000);
}

#[test]
fn a_query_that_fails_before_it_gives_a_row_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Postgres::start(Table { breaks_after: Some(0), ..users(&[("u-1", None, 1)]) });
    let run = |more: &[&str]| import(at, &server.url(), &[&["--sql", SQL], more].concat());
    for more in [&[][..], &["--watermark", "version"], &["--data", "made"]] {
        fs::create_dir_all(at.join("made")).unwrap();
        let (code, out, err) = run(more);
        assert!(code == 1 && err.contains("broke off") && out.is_empty(), "{out}{err}");
        assert!(!at.join("throng-data").exists(), "{more:?}");
        assert!(fs::read_dir(at.join("made")).unwrap().next().is_none(), "{more:?}");
    }
    // One that ends without a row has ended well; and what is there stays, however the next one ends.
    server.change(|table| (table.rows, table.breaks_after) = (Vec::new(), None));
    let (code, out, err) = run(&["--time-zone", "Europe/Berlin"]);
    assert!(code == 0 && out.contains("0 accepted"), "{out}{err}");
    server.change(|table| table.rows = users(&[("u-1", None, 1)]).rows);
    assert_eq!(run(&["--watermark", "version"]).0, 0);
    server.change(|table| table.breaks_after = Some(0));
    assert_eq!(run(&[]).0, 1);
    assert_eq!(contacts(at).len(), 1);
}

#[test]
fn what_stands_behind_the_statement_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start(users(&[("u-1", None, 1)]));
    let noted = format!("{SQL} ; -- all of them; for now\n");
    let told = ["--sql", &noted, "--watermark", "version"];
    let (code, _, err) = import(folder.path(), &server.url(), &told);
    assert_eq!(code, 0, "{err}");
    let asked = server.asked().sql;
    assert!(asked.contains(&format!("(\n{SQL}\n) AS")), "{asked}");
}

#[test]
fn a_null_takes_a_value_away_unless_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Postgres::start(users(&[("u-1", Some("pro"), 1), ("u-2", Some("pro"), 1)]));
    let plan = || contacts(at)[0]["plan"].clone();
    let run = |more: &[&str]| {
        let (code, _, err) = import(at, &server.url(), &[&["--sql", SQL], more].concat());
        assert_eq!(code, 0, "{err}");
    };
    run(&[]);
    assert_eq!(plan(), "pro");
    server.change(|table| table.rows = users(&[("u-1", None, 1)]).rows);
    run(&["--nulls", "keep"]);
    assert_eq!(plan(), "pro");
    run(&[]);
    assert_eq!(plan(), Value::Null);
    server.change(|table| table.rows = users(&[("u-2", None, 1)]).rows);
    run(&["--nulls", "keep", "--mode", "replace"]);
    assert_eq!(contacts(at)[1]["plan"], Value::Null);
}

fn bad_rows() -> Table {
    let flag = |flag: u8| Some(vec![flag]);
    let float = |n: f64| Some(n.to_be_bytes().to_vec());
    Table {
        columns: vec![("key", TEXT), ("ratio", FLOAT8), ("vip", BOOL), ("version", INT8)],
        rows: vec![
            vec![text("u-1"), float(0.1), flag(1), int8(1)],
            vec![None, float(0.2), flag(0), int8(2)],
            vec![text("u-3"), float(f64::NAN), None, int8(3)],
            vec![text("u-4"), None, flag(0), None],
            vec![text(""), float(0.5), None, int8(5)],
            vec![text("u-6"), float(1e21), flag(1), int8(6)],
            vec![text("u-7"), float(-2.5), flag(1), int8(7)],
        ],
        marked_by: 3,
        ..Table::default()
    }
}

#[test]
fn bad_rows_are_told_by_their_number_and_good_ones_go_in() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Postgres::start(bad_rows());
    let told = ["--sql", SQL, "--watermark", "version"];
    let (code, out, err) = import(at, &server.url(), &told);
    assert_eq!(code, 2, "{err}");
    assert!(out.contains("3 accepted, 3 created, 4 rejected"), "{out}");
    for line in [
        "row 2: a contact needs a \"key\"",
        "row 3 /ratio: column \"ratio\" is NaN, which is no number",
        "row 5 /key: a contact's key may not be empty",
        "row 6 /ratio: 1000000000000000000000",
        "1 rows have no value to mark them by",
        "the mark has passed what was refused: once that is mended, --restart reads it again",
        "4 records were refused",
    ] {
        assert!(err.contains(line), "{line}: {err}");
    }
    let throng = Server::start(&at.join("served"), &["--clock", CLOCK]);
    let (code, out, err) = import(at, &server.url(), &[&told[..], &["--json", "--url", &throng.url]].concat());
    assert_eq!(code, 2, "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let lines: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error["line"].as_u64()).collect();
    assert_eq!(lines, [Some(2), Some(3), Some(5), Some(6)]);
    let counts = ["accepted", "created", "rejected", "watermark"].map(|key| answer[key].clone());
    assert_eq!(counts, [json!(3), json!(3), json!(4), json!("7")]);
    let home = at.join(format!(".local/state/throng/imports/{}", throng.url.replace("http://", "").replace(':', "_")));
    let (_, mark) = kept(&home);
    assert_eq!((&mark["mark"], &mark["lsn"]), (&json!("7"), &answer["lsn"]));
}

#[test]
fn marks_of_other_imports_and_databases_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Postgres::start(users(&[("u-1", None, 1)]));
    let run = |sql: &str, more: &[&str]| {
        import(at, &server.url(), &[&["--sql", sql, "--watermark", "version", "--name", "crm"], more].concat())
    };
    assert_eq!(run(SQL, &[]).0, 0);
    assert!(at.join("throng-data/imports/crm").exists());
    // The same text gives other rows to another role, or by another path.
    let by_path = format!("{}?options=-c%20search_path%3Dtenant", server.url());
    let told = ["--sql", SQL, "--watermark", "version", "--name", "crm"];
    let (code, _, err) = import(at, &by_path, &told);
    assert!(code == 2 && err.contains("role or options is not that of the last run"), "{err}");
    let other = "SELECT key, plan, version FROM users WHERE version > 0";
    let (code, _, err) = run(other, &[]);
    assert!(
        code == 2
            && err.contains("the query, role or options is not that of the last run")
            && err.contains("--since '1'"),
        "{err}"
    );
    assert_eq!(run(&format!("{SQL};\n"), &[]).0, 0, "a semicolon at the end is no other query");
    assert_eq!(run(other, &["--since", "1"]).0, 0);
    assert_eq!(run(other, &[]).0, 0);
    let (code, _, err) = run(other, &["--data", "another", "--state", "throng-data/imports/crm"]);
    assert!(code == 2 && err.contains("not in this database"), "{err}");
    assert!(!at.join("another").exists(), "what is refused leaves no folder behind");
    assert_eq!(run(other, &["--data", "another", "--state", "throng-data/imports/crm", "--restart"]).0, 0);
    let (code, _, err) = run(other, &[]);
    assert!(code == 2 && err.contains("not in this database"), "{err}");
    for name in ["", "../crm", ".crm", "a b"] {
        let told = ["--sql", SQL, "--watermark", "version", "--name", name];
        let (code, _, err) = import(at, &server.url(), &told);
        assert!(code == 2 && err.contains("--name is 1 to"), "{name}: {err}");
    }
}

#[test]
fn rows_that_the_target_refuses_keep_no_mark() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Postgres::start(users(&[("u-1", None, 1), ("u-2", None, 2)]));
    let served = at.join("served");
    let made = |scopes: &[&str]| {
        let scopes = scopes.iter().flat_map(|scope| ["--scope", scope]);
        let output = Command::new(env!("CARGO_BIN_EXE_throng"))
            .args(["key", "create", "--name", "a test"])
            .args(scopes)
            .env("THRONG_DATA", &served)
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (read, write) = (made(&["read"]), made(&["read", "write"]));
    let throng = Server::start(&served, &["--clock", CLOCK]);
    let run = |key: &str| {
        let told = ["--sql", SQL, "--watermark", "version", "--state", "mark", "--url", &throng.url, "--key", key];
        import(at, &server.url(), &told)
    };
    let (code, out, err) = run(&read);
    assert!(code != 0 && !at.join("mark").exists(), "a mark was kept of rows that were refused: {out}{err}");
    let (code, out, err) = run(&write);
    assert!(code == 0 && out.contains("2 created") && at.join("mark").exists(), "{out}{err}");
}

#[test]
fn events_that_may_come_again_need_an_id() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let row = |id: Option<&str>, version: i64| vec![id.and_then(text), text("u-1"), text("seen"), int8(version)];
    let server = Postgres::start(Table {
        columns: vec![("id", TEXT), ("contact", TEXT), ("event", TEXT), ("version", INT8)],
        rows: vec![row(Some("e-1"), 1), row(None, 2)],
        marked_by: 3,
        ..Table::default()
    });
    let sql = "SELECT id, contact, event, version FROM seen";
    let run = || import(at, &server.url(), &["--sql", sql, "--rows", "events", "--watermark", "version", "--restart"]);
    for told in ["1 accepted", "1 duplicates"] {
        let (code, out, err) = run();
        assert!(code == 2 && err.contains("row 2 /id: column \"id\" is NULL"), "{out}{err}");
        assert!(out.contains(told), "{out}");
    }
    // After a run from a mark, what was refused is read again from the first row of that run.
    let (_, _, err) = import(at, &server.url(), &["--sql", sql, "--rows", "events", "--watermark", "version"]);
    assert!(err.contains("--since '2' reads it again"), "{err}");
}

#[test]
fn queries_that_give_no_records_make_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Postgres::start(users(&[("u-1", None, 1)]));
    let fails = |more: &[&str], why: &str| {
        let (code, _, err) = import(at, &server.url(), more);
        assert!(code == 2 && err.contains(why), "{more:?}: {err}");
    };
    fails(&[], "--from wants a query");
    fails(&["--sql", " ; "], "the query is empty");
    fails(&["--sql-file", "missing.sql"], "missing.sql cannot be read");
    fails(&["--sql", "SELECT $1"], "the query has parameters");
    fails(&["--sql", SQL, "--watermark", "nothing"], "no column \"nothing\" to mark it by");
    fails(&["--sql", SQL, "--watermark", "plan"], "of the type text");
    fails(&["--sql", SQL, "--watermark", "version", "--overlap", "5m"], "a plain number");
    fails(&["--sql", SQL, "--rows", "events"], "the query has no column \"contact\" (… AS contact)");
    fails(&["--sql", SQL, "contacts.csv"], "cannot be used with");
    fails(&["--sql", SQL, "--since", "3"], "--watermark");
    server.change(|table| table.columns[0].0 = "email");
    fails(&["--sql", SQL], "the query has no column \"key\" (… AS key), it has email, plan, version");
    server.change(|table| table.columns = vec![("key", TEXT), ("net", MONEY)]);
    fails(&["--sql", SQL], "column \"net\" is of the type money");
    server.change(|table| table.columns = vec![("key", TEXT), ("a b", TEXT), ("aB", TEXT)]);
    fails(&["--sql", SQL], "column \"aB\" is a second spelling of \"a b\"");
    server.change(|table| table.columns = vec![("contact", TEXT), ("event", TEXT), ("version", INT8)]);
    fails(&["--sql", SQL, "--rows", "events", "--watermark", "version"], "wants a column \"id\"");
    server.change(|table| table.columns = Vec::new());
    fails(&["--sql", "COMMIT"], "the query gives no rows");
    assert!(!at.join("throng-data").exists());
}

#[test]
fn databases_that_let_nobody_in_are_told_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Postgres::start(Table { password: Some("right"), ..users(&[("u-1", None, 1)]) });
    let (code, _, err) = import(at, &server.url(), &["--sql", SQL]);
    assert!(code == 1 && err.contains("password authentication failed") && err.contains("PGPASSFILE"), "{err}");
    let address = format!("postgres://crm@127.0.0.1:{}/shop", server.port);
    let (code, _, err) = import(at, &address, &["--sql", SQL]);
    assert!(code == 1 && err.contains("password missing") && err.contains("PGPASSFILE"), "{err}");
    let (code, _, err) = import(at, &format!("{}?sslmode=require", server.url()), &["--sql", SQL]);
    assert!(code == 1 && err.contains("does not support TLS"), "{err}");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("postgres://crm:s3cret@127.0.0.1:{port}/shop");
    let (code, _, err) = import(at, &nobody, &["--sql", SQL]);
    let told = format!("127.0.0.1:{port}/shop cannot be reached");
    assert!(code == 1 && err.contains(&told) && err.contains("refused"), "{err}");
    let (code, _, err) = import(at, "postgres://crm:s3cret@db/shop?sslmode=some", &["--sql", SQL]);
    assert!(code == 2 && err.contains("sslmode is disable"), "{err}");
    assert!(!at.join("throng-data").exists());
}
