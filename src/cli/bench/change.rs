//! What changes: snapshots and opening, live segments under events and time, look-ups, durable writes.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::{
    bitmap::yardstick::Sets,
    cli::{
        bench::{
            ask::{parsed, timed},
            floors::{self, Machine},
            questions,
            rows::{Choice, Row, median_of},
            work::Work,
        },
        demo::EXAMPLES,
        failure::Failure,
    },
    db::{clock::Stopwatch, database::Database},
    model::{
        name::{ContactKey, Name},
        number::Number,
        request::{ContactWrite, EventWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode},
        time::Timestamp,
    },
};

/// The rows of a snapshot and of what is opened from it.
pub const FILE_ROWS: [&str; 2] = ["snapshot", "open to the first answer"];
/// The rows of live segments and of single writes.
pub const LIVE_ROWS: [&str; 8] = [
    "save a segment",
    "size of a saved segment",
    "first page of a saved segment",
    "lookup: which segments hold a contact",
    "event through the segments",
    "tick: an hour passes",
    "one tag written to visible",
    "durable writes",
];
/// Events of one batch.
const BATCH: u64 = 1_000;
/// Batches of one run.
const BATCHES: u64 = 4;
/// Clients that write at once.
const CLIENTS: u64 = 64;
/// How long they write in one run.
const WINDOW: Duration = Duration::from_millis(400);
const HOUR_MS: i64 = 3_600_000;

/// Writes snapshots and opens the folder from the last one, each several times; gives the database back.
///
/// Errors: those of the database.
pub fn files(
    work: &Work,
    db: Database,
    machine: &Machine,
    runs: usize,
    choice: &Choice,
    rows: &mut Vec<Row>,
) -> Result<Database, Failure> {
    let [snapshot_row, open_row] = FILE_ROWS;
    let (mut written, mut bytes) = (Vec::new(), 0.0);
    // Opening needs one at least.
    for _ in 0..if choice.wants(snapshot_row) { runs.min(3) } else { 1 } {
        let (took, snapshot) = timed(|| db.snapshot());
        written.push(took / 1e3);
        bytes = snapshot?.bytes as f64;
    }
    if choice.wants(snapshot_row) {
        let floor = (bytes / machine.write / 1e3, "its bytes, written to this disk and synced");
        rows.push(Row::new(snapshot_row, "ms", written, floor));
    }
    if !choice.wants(open_row) {
        return Ok(db);
    }
    let wanted = count(&db, EXAMPLES[0].1)?;
    let (mut opened, mut db) = (Vec::new(), db);
    for _ in 0..runs {
        db.close()?;
        drop(db);
        let (took, given) = timed(|| {
            let db = work.database("database")?;
            Ok::<_, Failure>((count(&db, EXAMPLES[0].1)?, db))
        });
        opened.push(took / 1e3);
        let (first, again) = given?;
        db = again;
        if first != wanted {
            return Err(Failure::operator(format!("{wanted} contacts before the restart, {first} after it")));
        }
    }
    let floor = (bytes / machine.read / 1e3, "its bytes, read from memory once, one core");
    rows.push(Row::new(open_row, "ms", opened, floor).of(wanted));
    Ok(db)
}

fn count(db: &Database, text: &str) -> Result<u64, Failure> {
    let view = db.view();
    Ok(view.count(&parsed(&view, text)?, None)?)
}

/// A database that is written to.
pub struct Live<'a> {
    db: Database,
    work: &'a Work,
    machine: &'a Machine,
    random: Pcg64,
    runs: usize,
}

/// Everything about live segments and single writes, on a copy of the database.
///
/// Errors: those of the database.
pub fn live(
    work: &Work,
    db: &Database,
    machine: &Machine,
    (segments, runs): (u64, usize),
    choice: &Choice,
    rows: &mut Vec<Row>,
) -> Result<(), Failure> {
    if !LIVE_ROWS.iter().any(|name| choice.wants(name)) {
        return Ok(());
    }
    work.copy(db, "written")?;
    let db = work.database("written")?;
    let mut live = Live { db, work, machine, random: Pcg64::seed_from_u64(2), runs };
    let [save, saved_count, page, lookup, event, tick, tag, durable] = LIVE_ROWS.map(|name| choice.wants(name));
    let mut made = Vec::new();
    if tag {
        made.push(live.tag()?);
    }
    if durable {
        made.push(live.durable()?);
    }
    let floor = if event { live.events(None)?.median() } else { 0.0 };
    let saved = live.save(segments)?;
    if save {
        made.push(saved);
    }
    if saved_count {
        made.push(live.counts()?);
    }
    if page {
        made.push(live.pages()?);
    }
    if lookup {
        made.push(live.lookup()?);
    }
    if event {
        made.push(live.events(Some(floor))?);
    }
    if tick {
        made.push(live.tick()?);
    }
    made.sort_by_key(|row| LIVE_ROWS.iter().position(|name| *name == row.name));
    rows.extend(made);
    live.db.close()?;
    drop(live);
    work.drop_copy("written")
}

impl Live<'_> {
    fn write(&self, requests: Vec<Request>) -> Result<(), Failure> {
        for result in self.db.write(requests)?.results {
            result.map_err(|refusal| Failure::operator(refusal.to_string()))?;
        }
        Ok(())
    }

    fn key(&mut self) -> ContactKey {
        key(self.random.random_range(0..self.work.contacts))
    }

    fn event(&mut self) -> Request {
        let kind = ["email_opened", "conversation", "purchase", "email_clicked"][self.random.random_range(0..4)];
        let amount = Input::Number(Number::from_int(self.random.random_range(1..200)));
        let properties = if kind == "purchase" { vec![(name("amount"), amount)] } else { Vec::new() };
        Request::Event(EventWrite { id: None, contact: self.key(), event: name(kind), at: None, properties })
    }

    /// Saves random segments, each a write of its own; the floor is what the same answer costs without being kept.
    fn save(&mut self, segments: u64) -> Result<Row, Failure> {
        let (predicates, mut random) = (questions::predicates(), Pcg64::seed_from_u64(1));
        let (mut saved, mut asked) = (Vec::new(), Vec::new());
        for number in 0..segments {
            let rule = questions::segment(&mut random, &predicates, number);
            let view = self.db.view();
            let tree = parsed(&view, &rule)?;
            let (took, answer) = timed(|| view.query(&tree, None));
            answer?;
            asked.push(took);
            drop(view);
            let source = SegmentSource::Rule(RuleSource::Text(rule.as_str().into()));
            let name = format!("segment {number}").into();
            let create = Request::CreateSegment(SegmentCreate { name, description: None, source });
            let (took, written) = timed(|| self.write(vec![create]));
            written?;
            saved.push(took);
        }
        let floor = (median_of(asked) + self.machine.sync, "the rule answered once, and one sync");
        Ok(Row::new(LIVE_ROWS[0], "us", saved, floor).of(segments))
    }

    /// Counts of saved segments, by name.
    fn counts(&self) -> Result<Row, Failure> {
        let (view, mut times, mut members) = (self.db.view(), Vec::new(), 0);
        let names: Vec<Box<str>> = view.segments().into_iter().map(|segment| segment.name).collect();
        for _ in 0..self.runs {
            let counted = || names.iter().map(|name| view.member_count(name)).sum::<Result<u64, _>>();
            let (took, sum) = timed(counted);
            members = sum? / names.len().max(1) as u64;
            times.push(took / names.len().max(1) as f64);
        }
        let floor = (2.0 * self.machine.random, "two reads of memory at random: the name, then the count");
        Ok(Row::new(LIVE_ROWS[1], "us", times, floor).of(members))
    }

    /// The keys of the first hundred members of saved segments.
    fn pages(&self) -> Result<Row, Failure> {
        const PAGE: usize = 100;
        let (view, mut times) = (self.db.view(), Vec::new());
        let names: Vec<Box<str>> = view.segments().into_iter().map(|segment| segment.name).collect();
        for _ in 0..self.runs {
            for name in &names {
                let (took, page) = timed(|| view.members(name).map(|members| members.keys(None, PAGE)));
                page?;
                times.push(took);
            }
        }
        let floor = (PAGE as f64 * self.machine.random, "a read of memory at random for each of a hundred keys");
        Ok(Row::new(LIVE_ROWS[2], "us", times, floor))
    }

    /// Look-ups of contacts at random; how many segments hold them is counted again, one member set after the other.
    fn lookup(&mut self) -> Result<Row, Failure> {
        const EACH: usize = 2_000;
        let view = self.db.view();
        let keys: Vec<ContactKey> = (0..EACH).map(|_| self.key()).collect();
        let mut sets =
            Sets::new(&view.everyone().to_roaring()).map_err(|damage| Failure::operator(damage.to_string()))?;
        for segment in view.segments() {
            let members = view.members(&segment.name)?.to_roaring();
            sets.push_roaring(&members).map_err(|damage| Failure::operator(damage.to_string()))?;
        }
        // Contacts were imported in order, so a key's number is its id.
        let ids: Vec<u32> = keys.iter().filter_map(|key| key.as_str()[1..].parse().ok()).collect();
        let held = |key: &ContactKey| view.segments_of(key.as_str()).map_or(0, |names| names.len());
        let (mut here, mut roaring) = (Vec::new(), Vec::new());
        let mut counts = (0, 0);
        for _ in 0..self.runs {
            let (took, count) = timed(|| keys.iter().map(held).sum::<usize>());
            here.push(took / EACH as f64);
            let (took, other) = timed(|| ids.iter().map(|id| sets.roaring_holders(*id)).sum::<usize>());
            roaring.push(took / EACH as f64);
            counts = (count, other);
        }
        if counts.0 != counts.1 {
            return Err(Failure::operator(format!("{} memberships by look-up, {} by member sets", counts.0, counts.1)));
        }
        let floor = (2.0 * self.machine.random, "two reads of memory at random: the key, then its row");
        Ok(Row::new(LIVE_ROWS[3], "us", here, floor).of((counts.0 / EACH) as u64).beside(median_of(roaring)))
    }

    /// Events in batches, durable; the floor is the same before any segment was saved.
    fn events(&mut self, floor: Option<f64>) -> Result<Row, Failure> {
        let (mut times, mut changes) = (Vec::new(), 0);
        for _ in 0..self.runs {
            let batches: Vec<Vec<Request>> = (0..BATCHES).map(|_| (0..BATCH).map(|_| self.event()).collect()).collect();
            let (before, mut took) = (self.db.status().seq, 0.0);
            for batch in batches {
                let (us, written) = timed(|| self.write(batch));
                written?;
                took += us;
            }
            times.push(took / (BATCH * BATCHES) as f64);
            changes += self.db.status().seq - before;
        }
        let floor = (floor.unwrap_or(1.0), "the same events before any segment was saved");
        let each = changes / (self.runs as u64 * BATCH * BATCHES);
        Ok(Row::new(LIVE_ROWS[4], "us/event", times, floor).of(each))
    }

    /// Hours that pass; the floor is two reads of memory for each change, and one sync.
    fn tick(&mut self) -> Result<Row, Failure> {
        let (mut times, mut total) = (Vec::new(), 0);
        for _ in 0..self.runs {
            let before = self.db.status().seq;
            let to: Timestamp = self.db.view().now().plus_ms(HOUR_MS);
            let (took, moved) = timed(|| self.db.move_clock(to));
            moved?;
            times.push(took / 1e3);
            total += self.db.status().seq - before;
        }
        let each = total / self.runs as u64;
        let floor = (2.0 * self.machine.random * each as f64 + self.machine.sync) / 1e3;
        let is = "two reads of memory at random for each change, and one sync";
        Ok(Row::new(LIVE_ROWS[5], "ms", times, (floor, is)).of(each))
    }

    /// One tag, written and synced, until a question sees it.
    fn tag(&mut self) -> Result<Row, Failure> {
        let mut times = Vec::new();
        for run in 0..self.runs.max(20) {
            let (tag, key) = (format!("bench {run}"), self.key());
            let values = vec![(name("tags"), Input::List(vec![Input::Text(tag.as_str().into())]))];
            let write = Request::Contact(ContactWrite { key, mode: WriteMode::Merge, values });
            let (took, seen) = timed(|| {
                self.write(vec![write])?;
                count(&self.db, &format!("Has tag \"{tag}\""))
            });
            if seen? != 1 {
                return Err(Failure::operator("a tag that was written is not seen"));
            }
            times.push(took);
        }
        let sync = floors::sync_us(self.work.dir())?;
        Ok(Row::new(LIVE_ROWS[6], "us", times, (sync, "one synced write of 4 KiB to this disk")))
    }

    /// Clients that each wait for their write to be synced; what one write takes of the time that passes.
    fn durable(&mut self) -> Result<Row, Failure> {
        let (mut times, mut total) = (Vec::new(), 0);
        let before = floors::sync_us(self.work.dir())?;
        for _ in 0..self.runs.min(5) {
            let (written, seconds) = self.window()?;
            times.push(seconds * 1e6 / written.max(1) as f64);
            total += written;
        }
        let sync = f64::midpoint(before, floors::sync_us(self.work.dir())?);
        Ok(Row::new(LIVE_ROWS[7], "us/write", times, (sync, "one synced write of 4 KiB to this disk")).of(total))
    }

    fn window(&self) -> Result<(u64, f64), Failure> {
        let (is_over, outcome) = (AtomicBool::new(false), Mutex::new(Ok(0)));
        let watch = Stopwatch::start();
        let contacts = self.work.contacts;
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (is_over, outcome, live) = (&is_over, &outcome, &self);
                scope.spawn(move || {
                    let (mut number, mut written) = (client, Ok(0u64));
                    while !is_over.load(Ordering::Relaxed) {
                        number = (number + 7_919 * CLIENTS) % contacts;
                        let score = Input::Number(Number::from_int((number % 100) as i64));
                        let values = vec![(name("lead_score"), score)];
                        let write = ContactWrite { key: key(number), mode: WriteMode::Merge, values };
                        match live.write(vec![Request::Contact(write)]) {
                            Ok(()) => written = written.map(|n| n + 1),
                            Err(failure) => {
                                written = Err(failure);
                                break;
                            }
                        }
                    }
                    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                    *outcome = match (std::mem::replace(&mut *outcome, Ok(0)), written) {
                        (Ok(sum), Ok(own)) => Ok(sum + own),
                        (Err(failure), _) | (_, Err(failure)) => Err(failure),
                    };
                });
            }
            thread::sleep(WINDOW);
            is_over.store(true, Ordering::Relaxed);
        });
        let written: u64 = outcome.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        Ok((written, watch.elapsed().as_secs_f64()))
    }
}

fn name(word: &str) -> Name {
    Name::new(word).expect("the name is well formed")
}

fn key(number: u64) -> ContactKey {
    ContactKey::new(&format!("c{number:07}")).expect("keys are short")
}
