//! What can be typed? The subcommands, their help, and what they print.
//!
//! Owns:   arguments, tables, progress bars, exit codes, the generator of demonstration data.
//! Never:  sees a bitmap (but for the yardsticks of `throng bench`), a plan or a file of the data folder; it asks the database or the API.
//! Start:  [`Cli`], [`run`].

use std::{io::IsTerminal, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

pub mod admin;
pub mod audience;
pub mod audit;
pub mod bench;
pub mod config;
pub mod definitions;
pub mod demo;
pub mod failure;
pub mod figures;
pub mod from_postgres;
pub mod generate;
pub mod import;
pub mod key;
pub mod man;
pub mod past;
pub mod query;
pub mod report;
pub mod secure;
pub mod segment;
pub mod serve;
pub mod show;
pub mod suppression;
pub mod target;
pub mod watch;
pub mod webhook;
pub mod what_if;

/// Throng: who is in it, how many, and why, exactly and at once.
#[derive(Debug, Parser)]
#[command(
    name = "throng",
    version,
    about = "A bitmap-indexed, in-memory segment database",
    after_help = "Start here:\n  throng demo                                   a million contacts, the example segments, and a server\n  \
                  throng import contacts.csv --events events.ndjson\n  throng query 'Has tag \"VIP\" AND Last Activity < 30 days ago'\n\n\
                  Exit codes: 0 done; 1 the operator must act (disk, address); 2 the caller must (a bad rule, a bad file); of a data \
                  folder: 3 in use by another process, 4 of a newer version, 5 its log is damaged, 6 a snapshot is \
                  damaged, 7 not what it should be, 8 no room on its disk; 70 a fault of the program."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a data folder over HTTP.
    Serve(Box<serve::Serve>),
    /// Make a data folder of realistic contacts, ask the example segments, and serve it.
    Demo(demo::Demo),
    /// Load contacts (CSV, NDJSON, Parquet) and events (NDJSON, Parquet), or the rows of a PostgreSQL query.
    Import(Box<import::Import>),
    /// Ask a rule: a count, keys, contacts, a sample or its plan.
    Query(query::Query),
    /// Save, list, read, change and delete segments; preview, forecast, explain; figures and advice.
    Segment(segment::Segment),
    /// Write a report of all segments, or some, as one HTML file: sizes, growth, overlap, advice, definitions.
    Report(report::Report),
    /// The audience of a send: segments in order of priority, without exclusions and suppressions.
    Audience(audience::Audience),
    /// Who must not be sent to, by channel: unsubscribed, bounced, no consent.
    Suppression(suppression::Suppression),
    /// Show who enters and who leaves which segment, as it happens.
    Watch(watch::Watch),
    /// Make, list and revoke access keys.
    Key(key::Keys),
    /// Tell addresses of yours who enters and who leaves: signed, in order, at least once.
    Webhook(webhook::Webhook),
    /// Write a snapshot, so that the next start is quick; or copy a data folder.
    Snapshot(admin::Snapshot),
    /// Check every file of a data folder for damage; changes nothing.
    Verify(admin::Verify),
    /// Write what of a damaged data folder still verifies to a new folder.
    Salvage(admin::Salvage),
    /// Write realistic data of any size to files, the same for the same seed.
    Generate(generate::Generate),
    /// Check a file of settings for throng serve.
    Config(config::Config),
    /// Figures: contacts, events, memory by index, log and snapshot.
    Status(admin::Status),
    /// Measure this machine: every job of the database against what the machine itself can do.
    Bench(bench::Bench),
    /// Print the manual page, or write those of all subcommands to a folder.
    Man(man::Man),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Reads the arguments, does what they say, and gives the exit code.
pub fn run() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    let typed = match config::with_file(&Cli::command().get_matches_from(&typed), typed) {
        Ok(typed) => typed,
        Err(failure) => {
            eprintln!("{failure}");
            return failure.exit_code();
        }
    };
    let cli = Cli::parse_from(typed);
    logging(match &cli.command {
        Command::Serve(serve) => Some(serve.log_format),
        _ => None,
    });
    let outcome = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Demo(demo) => demo.run(),
        Command::Import(import) => import.run(),
        Command::Query(query) => query.run(),
        Command::Segment(segment) => segment.run(),
        Command::Report(report) => report.run(),
        Command::Audience(audience) => audience.run(),
        Command::Suppression(suppression) => suppression.run(),
        Command::Watch(watch) => watch.run(),
        Command::Key(key) => key.run(),
        Command::Webhook(webhook) => webhook.run(),
        Command::Snapshot(snapshot) => snapshot.run(),
        Command::Verify(verify) => verify.run(),
        Command::Salvage(salvage) => salvage.run(),
        Command::Generate(generate) => generate.run(),
        Command::Config(config) => config.run(),
        Command::Status(status) => status.run(),
        Command::Bench(bench) => bench.run(),
        Command::Man(man) => man.run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "throng", &mut script);
            segment::pour(script.as_slice())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

/// Whether logs are coloured: where a person looks at them, who has not said otherwise (no-color.org).
fn is_coloured() -> bool {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|word| !word.is_empty());
    std::io::stderr().is_terminal() && !is_plain
}

/// Logs go to standard error: all of them for the server, warnings for the rest; `THRONG_LOG` says otherwise. Libraries
/// that tell what passes through them are not heard: that is other people's data.
fn logging(server: Option<serve::LogFormat>) {
    use tracing_subscriber::{EnvFilter, filter::filter_fn, fmt, prelude::*};
    let usual = if server.is_some() { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("THRONG_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let ours = filter_fn(|told| told.target().starts_with("throng") || *told.level() <= tracing::Level::INFO);
    let (json, text) = match server {
        Some(serve::LogFormat::Json) => (Some(fmt::layer().json().flatten_event(true)), None),
        _ => (None, Some(fmt::layer().with_target(false).with_ansi(is_coloured()))),
    };
    let json = json.map(|json| json.with_writer(std::io::stderr).with_filter(ours.clone()));
    let text = text.map(|text| text.with_writer(std::io::stderr).with_filter(ours));
    // A second call, in a test, keeps the first one's choice.
    let _ = tracing_subscriber::registry().with(filter).with(json).with(text).try_init();
}
