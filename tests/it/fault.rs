//! A fault of the program in the writer's thread: the process says so and ends with a code of its own, and nothing that
//! was acknowledged is lost.

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
