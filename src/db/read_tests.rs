//! Reads beside writes, in orders by chance: eight clients of one database, a stop of it in their midst, and eight more of
//! what is there then. Every answer is what a plain map gives as of the write that the answer names; that write is none
//! before what was acknowledged when it was asked for, and for no client an earlier one than before.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use shuttle::{
    scheduler::{PctScheduler, RandomScheduler},
    thread,
};

use crate::{
    db::{
        database::{Database, schedule_tests::try_orders},
        options::{Options, Upkeep},
        view::View,
    },
    model::{
        name::{ContactKey, Name},
        number::Number,
        request::{Applied, ContactWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode},
        time::Timestamp,
        value::Value,
    },
    storage::{
        sim_disk::SimDisk,
        test_bench::{Dice, asked, on_all_cores},
    },
};

/// Histories that one scheduler tries.
const HISTORIES: u64 = 100;
const CLIENTS: u64 = 8;
/// Calls of each of them, before a stop and after it.
const CALLS: u64 = 3;
/// Contacts that all of them write to.
const CONTACTS: usize = 4;
/// At so many places of a history chosen by [`PctScheduler`] the order changes.
const DEPTH: usize = 4;
/// Asked of every view, beside the members of a segment.
const ASKED: &str = "lead_score between 20 and 70";
const HOT: i64 = 50;

#[test]
fn every_answer_is_as_of_the_write_it_names_in_any_order() {
    let (seed, count) = (asked("THRONG_READS_SEED", 1), asked("THRONG_READS", 30_000));
    let [tried, answers, stops] = on_all_cores(count.div_ceil(HISTORIES) as usize, &|number| {
        let seed = seed * 1_000_000_007 + number as u64;
        let told: Arc<[AtomicU64; 3]> = Arc::default();
        let sums = Arc::clone(&told);
        let history = move || {
            let nth = sums[0].fetch_add(1, Ordering::SeqCst);
            let [answers, stops] = live(seed, nth);
            sums[1].fetch_add(answers, Ordering::SeqCst);
            sums[2].fetch_add(stops, Ordering::SeqCst);
        };
        match number % 2 {
            0 => try_orders(RandomScheduler::new_from_seed(seed, HISTORIES as usize), history),
            _ => try_orders(PctScheduler::new_from_seed(seed, DEPTH, HISTORIES as usize), history),
        };
        [0, 1, 2].map(|place| told[place].load(Ordering::SeqCst))
    });
    println!("seed {seed}: {tried} histories of {CLIENTS} clients, {answers} answers judged, {stops} stops");
    assert!(tried >= count && answers >= tried * CLIENTS && stops * 6 >= tried, "{tried}, {answers}, {stops}");
}

/// One history; how many answers were judged, and how often it was stopped in its midst.
fn live(seed: u64, nth: u64) -> [u64; 2] {
    let mut dice = Dice(seed.wrapping_mul(31).wrapping_add(nth));
    let what = format!("seed {seed}, history {nth}");
    let snapshots = dice.roll(4) == 0;
    let stops = dice.roll(3) == 0;
    let disk = SimDisk::new();
    let first = History::open(&disk, snapshots, BTreeMap::new(), &what);
    first.db.write(hot()).unwrap();
    let base = first.db.view().lsn().0;
    let (first, stopped) = first.run(base, 0, stops, &mut dice);
    let answers = first.judge(base, &BTreeMap::new(), &what);
    let Some((disk, acknowledged)) = stopped else { return [answers, 0] };
    // What the stop left is a state of the same history, and all that was acknowledged by then is in it.
    if dice.roll(2) == 0 {
        disk.restart();
    } else {
        disk.power_cut(&mut |n| dice.roll(n));
    }
    let known = first.truth();
    let second = History::open(&disk, snapshots, known, &what);
    let left = second.db.view().lsn().0;
    assert!(left >= acknowledged, "{what}: {left} is left of the acknowledged {acknowledged}");
    let known = second.state_at(base, left, &what);
    assert_eq!(told_by(&second.db.view()).scores, known, "{what}: what was left by the stop");
    second.forget();
    let (second, _) = second.run(left, 1, false, &mut dice);
    [answers + second.judge(left, &known, &what), 1]
}

/// What a write does to the contacts.
#[derive(Clone, Copy, Debug)]
enum Change {
    Pair(usize, usize, i64),
    Erased(usize),
}

/// The score of each contact.
type Scores = BTreeMap<String, i64>;

/// What a view told.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    scores: Scores,
    /// The members of the segment, and those for whom the rule holds.
    hot: Vec<String>,
    asked: Vec<String>,
}

struct Seen {
    lsn: u64,
    /// The newest write that was acknowledged to anyone, or told to this client, when it asked.
    floor: u64,
    told: Told,
}

/// A database and what its clients know of it. The scheduler looks at the database alone.
#[derive(Clone)]
struct History {
    db: Database,
    disk: SimDisk,
    acknowledged: Arc<AtomicU64>,
    written: Arc<Mutex<BTreeMap<u64, Change>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl History {
    fn open(disk: &SimDisk, snapshots: bool, known: BTreeMap<u64, Change>, what: &str) -> History {
        let upkeep = Upkeep { ballast_bytes: 0, snapshot_bytes_per_second: 0, ..Upkeep::default() };
        let options = Options::folder("/data").at(Timestamp(1_777_593_600_000));
        // Every write makes a snapshot due, or none does.
        let snapshot_log_bytes = if snapshots { 1 } else { 1 << 30 };
        let options = Options { log_file_bytes: 16 << 10, snapshot_log_bytes, upkeep, ..options };
        let db = Database::open_on(Arc::new(disk.clone()), options).unwrap_or_else(|error| panic!("{what}: {error}"));
        let written = Arc::new(Mutex::new(known));
        History { db, disk: disk.clone(), acknowledged: Arc::default(), written, seen: Arc::default() }
    }

    /// Has all clients make their calls, and closes it; with a copy of the disk at some moment between, and of what
    /// was acknowledged by then.
    fn run(self, base: u64, part: u64, stops: bool, dice: &mut Dice) -> (History, Option<(SimDisk, u64)>) {
        self.acknowledged.fetch_max(base, Ordering::SeqCst);
        let mut clients = vec![];
        for client in 0..CLIENTS {
            let (history, mut dice) = (self.clone(), Dice(dice.roll(1 << 30) as u64));
            clients.push(thread::spawn(move || {
                let mut last = 0;
                for call in 0..CALLS {
                    let number = ((part * CLIENTS + client) * CALLS + call) as i64;
                    last = if dice.roll(2) == 0 { history.write(number, &mut dice) } else { history.read(last) };
                }
                // Whoever wrote last sees it, too.
                history.read(last);
            }));
        }
        let stopped = stops.then(|| {
            (0..dice.roll(150)).for_each(|_| thread::yield_now());
            // Between the two there is no place where another thread could come first.
            let acknowledged = self.acknowledged.load(Ordering::SeqCst);
            (self.disk.fork(), acknowledged)
        });
        clients.into_iter().for_each(|client| client.join().unwrap());
        self.db.close().unwrap();
        (self, stopped)
    }

    fn write(&self, number: i64, dice: &mut Dice) -> u64 {
        let one = dice.roll(CONTACTS);
        if dice.roll(4) == 0 {
            let written = self.db.write(Request::Erase(key(one))).unwrap();
            if written.results[0] == Ok(Applied::Removed) {
                self.acknowledge(written.lsn.0, Change::Erased(one));
            }
            return written.lsn.0;
        }
        // No two writes set the same score, so that each changes something.
        let (other, score) = ((one + 1 + dice.roll(CONTACTS - 1)) % CONTACTS, number * 37 % 101);
        let written = self.db.write(vec![scored(one, score), scored(other, score)]).unwrap();
        assert!(written.results.iter().all(Result::is_ok), "{:?}", written.results);
        self.acknowledge(written.lsn.0, Change::Pair(one, other, score));
        written.lsn.0
    }

    fn acknowledge(&self, lsn: u64, change: Change) {
        let before = self.written.lock().unwrap().insert(lsn, change);
        assert!(before.is_none(), "two writes are of lsn {lsn}: {before:?} and {change:?}");
        self.acknowledged.fetch_max(lsn, Ordering::SeqCst);
    }

    fn read(&self, last: u64) -> u64 {
        let floor = self.acknowledged.load(Ordering::SeqCst).max(last);
        let view = self.db.view();
        let lsn = view.lsn().0;
        self.seen.lock().unwrap().push(Seen { lsn, floor, told: told_by(&view) });
        lsn
    }

    /// What every write did, by its position.
    fn truth(&self) -> BTreeMap<u64, Change> {
        self.written.lock().unwrap().clone()
    }

    fn forget(&self) {
        self.written.lock().unwrap().clear();
    }

    /// The contacts after the writes from behind one position up to another.
    fn state_at(&self, base: u64, lsn: u64, what: &str) -> Scores {
        let mut state = Scores::new();
        let truth = self.truth();
        for at in base + 1..=lsn {
            apply(&mut state, truth.get(&at).unwrap_or_else(|| panic!("{what}: lsn {at} is nobody's")));
        }
        state
    }

    /// Compares every answer with the state at its position; how many there were.
    fn judge(&self, base: u64, start: &Scores, what: &str) -> u64 {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.sort_by_key(|seen| seen.lsn);
        let truth = self.truth();
        let newest = truth.keys().next_back().copied().unwrap_or(base);
        assert!(truth.keys().copied().eq(base + 1..=newest), "{what}: the positions have a gap: {truth:?}");
        let (mut state, mut at) = (start.clone(), base);
        for Seen { lsn, floor, told } in &seen {
            assert!(lsn >= floor, "{what}: an answer of {lsn} after {floor} was known");
            assert!(*lsn <= newest, "{what}: an answer of {lsn}, and {newest} is the last write");
            while at < *lsn {
                at += 1;
                apply(&mut state, &truth[&at]);
            }
            assert_eq!(*told, expected(&state), "{what}: the answer of {lsn}");
        }
        seen.len() as u64
    }
}

fn apply(state: &mut Scores, change: &Change) {
    match *change {
        Change::Pair(one, other, score) => {
            state.insert(name(one), score);
            state.insert(name(other), score);
        }
        Change::Erased(one) => assert!(state.remove(&name(one)).is_some(), "who was erased was there"),
    }
}

fn expected(state: &Scores) -> Told {
    let those = |holds: &dyn Fn(i64) -> bool| {
        state.iter().filter(|(_, score)| holds(**score)).map(|(key, _)| key.clone()).collect()
    };
    let (hot, asked) = (those(&|score| score > HOT), those(&|score| (20..=70).contains(&score)));
    Told { scores: state.clone(), hot, asked }
}

fn told_by(view: &View) -> Told {
    let everyone = view.contacts(None, usize::MAX).items;
    let score = |values: &[(Name, Value)]| {
        let found = values.iter().find(|(name, _)| name.as_str() == "lead_score");
        (0..=100).find(|n| found.is_some_and(|(_, value)| *value == Value::Number(Number::from_int(*n)))).unwrap()
    };
    let scores = everyone.iter().map(|contact| (contact.key.to_string(), score(&contact.values))).collect();
    let keys = |answer: crate::db::answer::Answer| {
        let mut keys: Vec<String> = answer.keys(None, usize::MAX).items.iter().map(ToString::to_string).collect();
        keys.sort();
        keys
    };
    let rule = view.parse_rule(&RuleSource::Text(ASKED.into())).unwrap();
    Told { scores, hot: keys(view.members("Hot").unwrap()), asked: keys(view.query(&rule, None).unwrap()) }
}

fn hot() -> Request {
    let source = SegmentSource::Rule(RuleSource::Text(format!("lead_score > {HOT}").into()));
    Request::CreateSegment(SegmentCreate { name: "Hot".into(), description: None, source })
}

fn name(contact: usize) -> String {
    format!("c{contact}")
}

fn key(contact: usize) -> ContactKey {
    ContactKey::new(&name(contact)).unwrap()
}

fn scored(contact: usize, score: i64) -> Request {
    let values = vec![(Name::new("lead_score").unwrap(), Input::Number(Number::from_int(score)))];
    Request::Contact(ContactWrite { key: key(contact), mode: WriteMode::Merge, values })
}
