//! `/metrics`: figures for Prometheus, in its text format 0.0.4. Label values are words of ours alone, never what a
//! contact, a caller or a segment brought along.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use axum::{extract::State, http::StatusCode, response::Response};

use crate::{
    db::{
        alarm::AlarmKind,
        meter::{BOUNDS_US, Meters, Timing},
        record::Status,
    },
    http::{
        app::{App, answer_bytes},
        body,
        problem::Problem,
    },
};

/// The media type of the format.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub async fn get(State(app): State<App>) -> Result<Response, Problem> {
    body::blocking(move || Ok(answer_bytes(StatusCode::OK, MEDIA, text(&app).into_bytes()))).await
}

/// The classes that calls are told by, of those that are counted: there are many calls, and each class is a series.
/// Units: microseconds.
const CALL_BOUNDS_US: [u64; 7] = [1_000, 5_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000];

/// How long calls took: how many up to each bound, how many in all, and together.
#[derive(Clone, Copy, Default)]
struct Took {
    below: [u64; BOUNDS_US.len()],
    all: u64,
    sum: Duration,
}

impl Took {
    fn of(timing: &Timing) -> Took {
        let (below, all) = timing.up_to();
        Took { below, all, sum: timing.sum() }
    }

    /// This and what others took.
    fn and(self, other: Took) -> Took {
        let below = std::array::from_fn(|class| self.below[class] + other.below[class]);
        Took { below, all: self.all + other.all, sum: self.sum + other.sum }
    }
}

/// Families on their way out.
#[derive(Default)]
struct Text(String);

/// A sample: its labels, written out, and its value.
type Sample = (String, f64);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn samples(&mut self, name: &str, kind: &str, help: &str, samples: impl IntoIterator<Item = Sample>) {
        self.family(name, kind, help);
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Into<Option<f64>>) {
        self.samples(name, "gauge", help, value.into().map(|value| (String::new(), value)));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.samples(name, "counter", help, [(String::new(), value as f64)]);
    }

    /// Some classes of one timing; `labels` without braces.
    fn classes(&mut self, name: &str, labels: &str, took: &Took, told: &[u64]) {
        let Took { below, all, sum } = took;
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, count) in BOUNDS_US.iter().zip(below).filter(|(bound, _)| told.contains(*bound)) {
            let bound = *bound as f64 / 1e6;
            let _ = writeln!(self.0, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}");
        }
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {all}");
        let _ = writeln!(self.0, "{name}_sum{braced} {}", sum.as_secs_f64());
        let _ = writeln!(self.0, "{name}_count{braced} {all}");
    }

    fn histogram(&mut self, name: &str, help: &str, timing: &Timing) {
        self.family(name, "histogram", help);
        self.classes(name, "", &Took::of(timing), &BOUNDS_US);
    }
}

fn text(app: &App) -> String {
    let mut out = Text::default();
    let status = app.db.status();
    let version = format!("{{version=\"{}\"}}", status.version);
    out.samples("throng_build_info", "gauge", "The program.", [(version, 1.0)]);
    calls(&mut out, app);
    data(&mut out, &status);
    writer(&mut out, &status, app.db.meters());
    snapshots(&mut out, &status, app.db.meters());
    disk(&mut out, &status);
    out.0
}

fn calls(out: &mut Text, app: &App) {
    let mut counts = Vec::new();
    let mut by_call: BTreeMap<(String, &str), Took> = BTreeMap::new();
    for ((route, method, status), timing) in app.calls.all() {
        let took = Took::of(&timing);
        let labels = format!("{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}");
        counts.push((labels, took.all as f64));
        let call = by_call.entry((route, method)).or_default();
        *call = call.and(took);
    }
    out.samples("throng_http_requests_total", "counter", "Calls by route, method and status.", counts);
    let name = "throng_http_request_duration_seconds";
    out.family(name, "histogram", "Calls by route and method, until the answer began.");
    for ((route, method), took) in &by_call {
        out.classes(name, &format!("route=\"{route}\",method=\"{method}\""), took, &CALL_BOUNDS_US);
    }
    let help = "Lines of the audit log that could not be written.";
    out.counter("throng_audit_lost_total", help, app.audit.lost());
    let help = "Calls whose answer has not begun.";
    out.gauge("throng_http_requests_in_flight", help, app.calls.in_flight.get() as f64);
    out.gauge("throng_feed_waiting", "Readers of the feed that wait or have a stream open.", app.news.waiting() as f64);
}

fn data(out: &mut Text, status: &Status) {
    out.gauge("throng_contacts", "Contacts that are there.", status.contacts as f64);
    out.gauge("throng_events", "Events that are there.", status.events as f64);
    out.gauge("throng_segments", "Saved segments.", status.segments as f64);
    out.gauge("throng_properties", "Declared properties.", status.properties as f64);
    out.gauge("throng_event_kinds", "Declared event kinds.", status.event_kinds as f64);
    // By kind of index: names of properties are the user's.
    let mut memory: BTreeMap<&str, u64> = BTreeMap::new();
    for (index, bytes) in &status.memory {
        *memory.entry(index.split([' ', '/']).next().unwrap_or_default()).or_default() += bytes;
    }
    let memory = memory.into_iter().map(|(index, bytes)| (format!("{{index=\"{index}\"}}"), bytes as f64));
    out.samples("throng_memory_bytes", "gauge", "Memory by kind of index.", memory);
    out.counter("throng_feed_entries_total", "Changes of memberships told by the feed, as numbered in it.", status.seq);
    let late = status.next_due.map_or(0, |due| (status.now.0 - due.0).max(0));
    let help = "How long what time alone changes has been due.";
    out.gauge("throng_live_lag_seconds", help, Duration::from_millis(late as u64).as_secs_f64());
}

fn writer(out: &mut Text, status: &Status, meters: &Meters) {
    out.gauge("throng_lsn", "The last write.", status.lsn.0 as f64);
    out.gauge("throng_writer_queue_length", "Batches that wait for the writer.", status.queued as f64);
    out.counter("throng_writer_batches_total", "Batches that were written.", meters.batches.get());
    let help = "Judging, applying and evaluating a group of batches, the live segments with them.";
    out.histogram("throng_writer_apply_duration_seconds", help, &meters.apply);
    let help = "Appending a group of batches to the log and syncing it.";
    out.histogram("throng_log_sync_duration_seconds", help, &meters.sync);
    let help = "How often the log waited for the disk for longer than a second.";
    out.counter("throng_log_slow_syncs_total", help, meters.slow_syncs.get());
    out.counter("throng_log_failures_total", "Groups that could not be logged.", meters.log_failures.get());
    out.counter("throng_log_written_bytes_total", "Payloads that were logged.", meters.logged_bytes.get());
    out.gauge("throng_log_size_bytes", "The log on disk.", status.log_bytes as f64);
    let help =
        "The part of the log that no snapshot holds, in whole files from the one that was in use when it was taken.";
    out.gauge("throng_log_unsaved_bytes", help, status.log_bytes_since_snapshot as f64);
    let help = "Whether nothing is written any more until the database is opened again.";
    out.gauge("throng_read_only", help, f64::from(u8::from(status.read_only.is_some())));
    let took = Duration::from_micros(meters.recovery_us.get()).as_secs_f64();
    out.gauge("throng_recovery_duration_seconds", "How long opening the folder took.", took);
    let help = "The torn tail that opening the folder cut off the log.";
    out.gauge("throng_recovery_torn_bytes", help, meters.torn_bytes.get() as f64);
}

fn snapshots(out: &mut Text, status: &Status, meters: &Meters) {
    out.histogram("throng_snapshot_duration_seconds", "Writing a snapshot.", &meters.snapshot);
    out.counter("throng_snapshot_failures_total", "Snapshots that failed.", meters.snapshot_failures.get());
    out.gauge("throng_snapshot_size_bytes", "The live snapshot.", status.snapshot_bytes as f64);
    out.gauge("throng_snapshot_lsn", "The last write that the live snapshot holds.", status.snapshot_lsn.0 as f64);
    let at = Some(meters.snapshot_at_ms.get()).filter(|at| *at > 0).map(|at| at as f64 / 1e3);
    out.gauge("throng_snapshot_last_timestamp_seconds", "When this process last wrote one.", at);
    let erasing = f64::from(u8::from(status.erasing));
    out.gauge("throng_erasing", "Whether files still hold somebody who was erased.", erasing);
    let scrub = status.scrubbed.map(|(at, whole)| (at.0 as f64 / 1e3, f64::from(u8::from(whole))));
    let help = "When the files at rest were last read again.";
    out.gauge("throng_scrub_last_timestamp_seconds", help, scrub.map(|(at, _)| at));
    out.gauge("throng_scrub_whole", "Whether all of them were whole.", scrub.map(|(_, whole)| whole));
}

fn disk(out: &mut Text, status: &Status) {
    let kinds = AlarmKind::ALL.into_iter().map(|kind| {
        let is_on = status.alarms.iter().any(|alarm| alarm.kind == kind);
        (format!("{{code=\"{}\"}}", kind.word()), f64::from(u8::from(is_on)))
    });
    out.samples("throng_alarm", "gauge", "Alarms that are on.", kinds);
    let Some(disk) = &status.disk else { return };
    out.gauge("throng_disk_free_bytes", "Room on the disk.", disk.free_bytes.map(|free| free as f64));
    out.gauge("throng_disk_ballast_bytes", "What can be given back when it is full.", disk.ballast_bytes as f64);
    let steps =
        std::iter::once("ample").chain(disk.steps.iter().map(|(step, _)| *step).filter(|step| *step != "ample"));
    let steps = steps.map(|step| (format!("{{step=\"{step}\"}}"), f64::from(u8::from(step == disk.step))));
    out.samples("throng_disk_step", "gauge", "The step of the disk-space ladder.", steps);
}
