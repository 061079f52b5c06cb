//! A fault of the program in the writer's thread, and a mapped file that loses its pages: the process says so and ends
//! with a code of its own, and nothing that was acknowledged is lost.

use std::process::Command;

use throng::{ContactKey, ContactWrite, Input, Name, Number, Request, WriteMode, cli::target::Folder};

/// Names the folder in the process that is to fail.
const FOLDER: &str = "THRONG_TEST_FAULT_FOLDER";

fn contact(key: &str) -> Request {
    let values = vec![(Name::new("lead_score").unwrap(), Input::Number(Number::from_int(1)))];
    Request::Contact(ContactWrite { key: ContactKey::new(key).unwrap(), mode: WriteMode::Merge, values })
}

fn folder(data: std::path::PathBuf) -> Folder {
    Folder { data, clock: None, time_zone: None, no_mmap: false }
}

/// The process that fails: it opens the folder as every command does.
fn fail(data: std::path::PathBuf) -> ! {
    let db = folder(data).open().unwrap();
    db.write(contact("before")).unwrap();
    // A callback is called by the writer's thread, so its fault is the writer's.
    db.submit(contact("with"), Box::new(|_| panic!("made by a test")));
    loop {
        std::thread::park();
    }
}

#[test]
fn a_writer_that_stops_by_a_fault_ends_the_process() {
    if let Some(data) = std::env::var_os(FOLDER) {
        fail(data.into());
    }
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let name = "fault::a_writer_that_stops_by_a_fault_ends_the_process";
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--exact", name, "--nocapture"]).env(FOLDER, &data).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(70), "{told}");
    assert!(
        told.contains("the writer stopped by a fault of the program") && told.contains("nothing that was"),
        "{told}"
    );
    let db = folder(data).open().unwrap();
    assert!(db.view().has_contact("before") && db.view().has_contact("with"));
    db.view().check().unwrap();
}

/// The process that loses its pages: somebody cuts the snapshot short that its memory is mapped from.
#[cfg(target_os = "linux")]
fn lose(data: std::path::PathBuf) -> ! {
    use std::os::unix::fs::PermissionsExt;
    let db = folder(data.clone()).open().unwrap();
    let snapshot = snapshots(&data).pop().unwrap();
    std::fs::set_permissions(&snapshot, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::File::options().write(true).open(&snapshot).unwrap().set_len(0).unwrap();
    db.view().check().unwrap();
    panic!("nothing of the snapshot was read");
}

#[cfg(target_os = "linux")]
fn snapshots(data: &std::path::Path) -> Vec<std::path::PathBuf> {
    let names = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        names.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap-")).collect();
    found.sort();
    found
}

#[cfg(target_os = "linux")]
#[test]
fn a_mapped_file_that_is_cut_short_ends_the_process_with_a_word() {
    if let Some(data) = std::env::var_os(FOLDER) {
        lose(data.into());
    }
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let db = folder(data.clone()).open().unwrap();
    db.write((0..2_000).map(|n| contact(&format!("contact-{n}"))).collect::<Vec<_>>()).unwrap();
    db.snapshot().unwrap();
    db.close().unwrap();
    drop(db);
    let name = "fault::a_mapped_file_that_is_cut_short_ends_the_process_with_a_word";
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--exact", name, "--nocapture"]).env(FOLDER, &data).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{:?}: {told}", output.status);
    assert!(told.contains("snap-") && told.contains("throng verify --data"), "{told}");
}
