//! Tests of the tests: every planted bug is caught by the test that is named for it.

use std::{
    process::{Command, Output},
    sync::Mutex,
};

use crate::{
    model::planted::{Bug, VARIABLE},
    storage::test_bench::on_all_cores,
};

const CUTS: &str = "storage::crash_tests::workloads_that_found_faults_survive_a_power_cut_at_every_change";
const FAILED_SYNC: &str = "storage::crash_tests::a_failed_sync_is_never_acknowledged_and_never_retried";
const SNAPSHOT: &str = "storage::damage_tests::every_flip_and_truncation_of_the_snapshot_is_refused";
const TRIMMED: &str = "storage::store_tests::files_roll_and_snapshots_let_old_ones_go";
const LAWS: &str = "db::image_tests::the_history_has_every_command_and_keeps_the_laws";
const LIVES: &str = "db::database::schedule_tests::lives_of_a_database_are_right_in_any_order";
/// Lives until a planted bug must have been caught, and those without one.
const BUGGED_LIVES: &str = "10000";
const LIVES_WITHOUT: &str = "500";
const RETRY: &str = "db::database::tests::a_retried_write_is_answered_as_before";

/// Which test catches which bug. `docs/TESTING.md` shows the same.
const CAUGHT: [(Bug, &str); 42] = [
    (Bug::SkipLogSync, CUTS),
    (Bug::AckBeforeSync, CUTS),
    (Bug::RetrySync, FAILED_SYNC),
    (Bug::IgnoreNoSpace, "storage::crash_tests::a_full_disk_is_never_acknowledged"),
    (Bug::SkipNewFileSync, CUTS),
    (Bug::SkipFolderSync, CUTS),
    (Bug::SkipParentSync, "storage::crash_tests::a_folder_within_new_folders_is_there_after_a_power_cut"),
    (Bug::CollectEarly, CUTS),
    (Bug::DropSpare, TRIMMED),
    (Bug::SkipSeal, "db::database::tests::an_idle_log_is_sealed"),
    (Bug::ForgetGroup, CUTS),
    (Bug::IgnoreChain, "storage::log_file::tests::a_frame_that_does_not_follow_is_damage"),
    (Bug::IgnoreSalt, "storage::frame::tests::frames_round_trip_at_every_padding"),
    (Bug::CutAnywhere, "storage::log_file::tests::torn_or_damaged_by_what_later_frames_prove"),
    (Bug::IgnoreEvidence, "storage::damage_tests::evidence_of_vanished_data_is_refused"),
    (Bug::TrustCache, FAILED_SYNC),
    (Bug::TrustBlocks, SNAPSHOT),
    (Bug::ForgetMapped, "storage::scrub_tests::the_mapped_snapshot_is_read_again_also_without_a_name"),
    (Bug::TrustMemory, "storage::scrub_tests::memory_that_was_read_from_a_damaged_file_goes_into_no_snapshot"),
    (Bug::IgnoreLock, "storage::store_tests::real_files_round_trip_with_spares_made_on_a_thread"),
    (Bug::ReplayLate, TRIMMED),
    (Bug::HalfBatch, "db::database::crash_tests::a_kill_or_a_power_cut_after_any_write_loses_nothing_acknowledged"),
    (Bug::PublishEarly, "db::database::crash_tests::a_failed_sync_latches_until_it_is_opened_again"),
    (Bug::TellEarly, "db::database::crash_tests::nobody_is_told_of_a_write_that_failed"),
    (Bug::DropTick, "db::database::tests::the_system_clock_ticks_when_an_event_comes_due"),
    (Bug::ForgetOnce, "db::database::crash_tests::a_retry_after_a_restart_is_answered_as_before"),
    (Bug::IgnoreDigest, RETRY),
    (Bug::KeepErased, "db::database::tests::an_erased_contact_leaves_the_files"),
    (Bug::KeepErasedKeys, "db::database::crash_tests::an_erased_key_is_in_no_remembered_outcome"),
    (Bug::ReuseIds, "index::directory::tests::ids_are_given_in_order_and_never_again"),
    (Bug::MissFlip, LAWS),
    (Bug::IgnorePin, LAWS),
    (Bug::WindowEdge, "query::bounds::tests::windows_end_where_the_contract_says"),
    (Bug::SkipLogScrub, "storage::scrub_tests::every_flip_at_rest_is_found_in_its_file"),
    (Bug::ClimbAtOnce, "storage::space::tests::steps_are_taken_at_once_and_left_with_a_margin_and_patience"),
    (Bug::WriteWhenLow, "db::database::space_tests::the_steps_refuse_what_they_say"),
    (Bug::MarchOnce, "db::feed::tests::time_that_passes_at_once_is_told_as_if_step_by_step"),
    (Bug::KeepOld, "engine::remembered::tests::outcomes_come_back_for_a_day"),
    (Bug::WakeFirst, "db::database::schedule_tests::a_queue_loses_nothing_and_wakes_its_reader_in_any_order"),
    (Bug::AnswerFirst, LIVES),
    (Bug::TellFirst, LIVES),
    (Bug::ReleaseEarly, LIVES),
];

/// Runs one test of this very program, with a bug planted or without.
///
/// Of lives in orders by chance a planted bug has ten times as many as each was found in: at which life one is caught
/// differs from machine to machine, as files and upkeep see the real time. The first that fails ends the test. Without a
/// bug a few show that it passes; the rest is in the test's own run.
fn run(test: &str, bug: Option<Bug>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--test-threads=1"]).env_remove(VARIABLE);
    match bug {
        Some(bug) => command.env(VARIABLE, format!("{bug:?}")).env("THRONG_SCHEDULES", BUGGED_LIVES),
        None => command.env("THRONG_SCHEDULES", LIVES_WITHOUT),
    };
    command.output().unwrap()
}

#[test]
fn every_planted_bug_is_caught_by_the_test_that_is_named_for_it() {
    assert_eq!(CAUGHT.map(|(bug, _)| bug), Bug::ALL);
    let mut tests: Vec<&str> = CAUGHT.iter().map(|(_, test)| *test).collect();
    tests.sort_unstable();
    tests.dedup();
    let [passed] = on_all_cores(tests.len(), &|number| {
        let output = run(tests[number], None);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{} without a bug: {told}", tests[number]);
        [1]
    });
    let missed = Mutex::new(Vec::new());
    let [caught] = on_all_cores(CAUGHT.len(), &|number| {
        let (bug, test) = CAUGHT[number];
        let output = run(test, Some(bug));
        let told = String::from_utf8_lossy(&output.stdout);
        let failed = !output.status.success() && told.contains(&format!("test {test} ... FAILED"));
        if let Some(life) = told.lines().find(|line| line.contains(": life ")) {
            println!("{bug:?}: {life}");
        }
        if !failed {
            missed.lock().unwrap().push(format!("{bug:?} is not caught by {test}: {told}"));
        }
        [u64::from(failed)]
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    println!("{caught} planted bugs caught by {passed} tests");
}

#[test]
fn the_page_on_testing_names_every_planted_bug_and_its_test() {
    let page = include_str!("../../docs/TESTING.md");
    for (bug, test) in CAUGHT {
        let (path, name) = test.rsplit_once("::").unwrap();
        let row = page.lines().find(|line| line.starts_with(&format!("| {bug:?} |")));
        let row = row.unwrap_or_else(|| panic!("{bug:?} is not on the page"));
        assert!(row.contains(name), "{bug:?}: {name} of {path}, but the page says {row}");
    }
}
