//! Files of settings: what is read, what is refused and where, and the table of the documents.

use std::path::Path;

use super::*;

fn wrong(text: &str) -> Vec<String> {
    let told = parse(text).expect_err(text);
    told.into_iter().map(|(line, what)| format!("{line}: {what}")).collect()
}

#[test]
fn every_form_of_a_setting_is_read() {
    let text = "listen = \"127.0.0.1:0\"\n# a comment\nno-mmap = true\nno-webhooks = false\n\
        ballast = 64\nallow-host = [\"a.example\", \"b.example\"]\n";
    let mut arguments: Vec<String> = parse(text).unwrap().into_iter().flat_map(|setting| setting.arguments).collect();
    arguments.sort();
    assert_eq!(
        arguments,
        ["--allow-host=a.example", "--allow-host=b.example", "--ballast=64", "--listen=127.0.0.1:0", "--no-mmap"]
    );
    assert_eq!(parse("").unwrap(), []);
}

#[test]
fn what_is_wrong_is_told_with_its_line_all_at_once() {
    let told =
        wrong("listn = \"x\"\n\nsnapshot_age = 3\nballast = \"much\"\nno-mmap = 1\nscrub-rate = 1.5\nconfig = \"x\"\n");
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!(told[0], "1: there is no setting \"listn\"; did you mean \"listen\"?");
    assert_eq!(told[1], "3: there is no setting \"snapshot_age\"; did you mean \"snapshot-age\"?");
    assert!(told[2].starts_with("4: ") && told[2].contains("much") && told[2].contains("ballast"), "{told:?}");
    assert_eq!(told[3], "5: \"no-mmap\" is true or false");
    assert_eq!(told[4], "6: \"scrub-rate\" is a text or a whole number, not a TOML float");
    assert!(told[5].starts_with("7: there is no setting \"config\""), "{told:?}");
    assert!(wrong("a = 1\na = 2\n")[0].starts_with("2: "), "as the parser says");
    assert!(wrong("[serve]\nlisten = \"x\"\n")[0].starts_with("1: there is no setting \"serve\""));
}

#[test]
fn what_is_typed_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("throng.toml");
    std::fs::write(&file, "ballast = 1\nscrub-rate = 7\n").unwrap();
    let typed: Vec<OsString> =
        ["throng", "serve", "--config", file.to_str().unwrap(), "--ballast=2"].map(OsString::from).into();
    let matches = Cli::command().try_get_matches_from(&typed).unwrap();
    let whole = with_file(&matches, typed).unwrap();
    assert_eq!(whole[5..], ["--scrub-rate=7"]);
    assert!(Cli::command().try_get_matches_from(&whole).is_ok());
}

/// The rows of the table in docs/OPERATIONS.md, as the command line has them.
fn rows() -> Vec<String> {
    let serve = serve();
    let known = serve.get_arguments().filter(|argument| argument.get_id() != "help");
    let row = |argument: &clap::Arg| {
        let long = argument.get_long().expect("every setting has a name");
        let env = argument.get_env().expect("every setting can be told by the environment").to_string_lossy();
        let usual = match argument.get_action() {
            ArgAction::SetTrue => "false".to_owned(),
            _ => argument.get_default_values().join(",".as_ref()).to_string_lossy().into_owned(),
        };
        let usual = if usual.is_empty() { String::new() } else { format!("`{usual}`") };
        let what = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('\n', " ");
        format!("| `--{long}` | `{env}` | {usual} | {what} |")
    };
    known.map(row).collect()
}

#[test]
fn the_table_of_the_documents_is_that_of_the_program() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATIONS.md");
    let page = std::fs::read_to_string(page).unwrap();
    let told: Vec<&str> = page.lines().filter(|line| line.starts_with("| `--")).collect();
    let rows = rows();
    assert!(rows.len() > 20, "{}", rows.len());
    assert_eq!(told, rows, "the table must be:\n{}\n", rows.join("\n"));
}
