//! Clocks that jump, stand still and go back, under the real writer and its ticks: time passes for a database only ever
//! ahead, nothing happens before its time, nobody flaps, and what happened is the same after a restart.

use std::{collections::BTreeMap, sync::Arc};

use shuttle::{scheduler::RandomScheduler, thread};

use crate::{
    db::{
        database::{Database, schedule_tests::try_orders},
        feed::{FeedChange, FeedKind, Followed},
        open,
        options::{Options, Upkeep},
        scheduled::set_clock,
    },
    model::{
        calendar::Zone,
        name::{ContactKey, Name},
        request::{ContactWrite, EventWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode},
        time::Timestamp,
    },
    storage::{
        sim_disk::SimDisk,
        test_bench::{Dice, asked, on_all_cores},
    },
};

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
const TEN_YEARS: i64 = 3_653 * DAY;
/// How far the clock goes ahead in a life, at least.
const AHEAD: i64 = 30 * DAY;

/// Just before clocks are put forward and back, the last second of 32 bits, a February that has no 29th though its year
/// is divisible by four, a leap second, ends of months and of a year.
const STARTS: [&str; 8] = [
    "2026-03-29T00:59:58Z",
    "2026-10-25T00:59:58Z",
    "2038-01-19T03:14:06Z",
    "2100-02-28T23:59:58Z",
    "2016-12-31T23:59:59.500Z",
    "2026-01-31T22:59:59Z",
    "2024-02-29T12:00:00Z",
    "2026-12-31T23:59:59.999Z",
];
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"];

/// Where the clock goes next, from the latest time that it ever was; 0 is to stand still wherever it is.
const JUMPS: [i64; 14] = [0, 0, 0, 0, 1, 999, HOUR / 3, 7 * HOUR, DAY, 3 * DAY, 40 * DAY, -SECOND, -HOUR, -TEN_YEARS];

/// Rules that time changes: windows, ages, periods.
const RULES: [(&str, &str); 5] = [
    ("Fresh", "did visit in last 2 days"),
    ("Quiet", "did not visit in last 1 month"),
    ("Busy", "did visit at least 2 times in last 30 hours"),
    ("New", "created < 3 days ago"),
    ("This month", "created is this month"),
];

#[test]
fn clocks_that_jump_stand_still_and_go_back_never_make_anyone_flap() {
    let (seed, lives) = (asked("THRONG_CLOCK_SEED", 1), asked("THRONG_CLOCKS", 10_000));
    let [tried, changes] = on_all_cores(lives as usize, &|number| {
        let seed = seed * 1_000_000_007 + number as u64;
        let told = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let changes = Arc::clone(&told);
        let life = move || {
            let count = Life::new(seed).run();
            told.store(count, std::sync::atomic::Ordering::SeqCst);
        };
        [try_orders(RandomScheduler::new_from_seed(seed, 1), life), changes.load(std::sync::atomic::Ordering::SeqCst)]
    });
    println!("seed {seed}: {tried} lives of more than 30 days, {changes} changes");
    assert!(tried >= lives && changes > 20 * lives, "{tried} lives, {changes} changes");
}

/// What lasts is what is written. Who only asks while the clock is wrong makes nothing come due and no write late.
#[test]
fn who_asks_while_the_clock_is_wrong_moves_nothing_that_lasts() {
    let tried = try_orders(RandomScheduler::new_from_seed(1, 100), || {
        let (disk, start) = (SimDisk::new(), Timestamp::parse("2026-05-01T12:00:00Z").unwrap());
        let (wrong, right) = (start.plus_ms(365 * DAY), start.plus_ms(SECOND));
        let upkeep = Upkeep { ballast_bytes: 0, ..Upkeep::default() };
        let options = Options { log_file_bytes: 16 << 10, upkeep, ..Options::folder("/data") };
        set_clock(Some(start));
        let db = Database::open_on(Arc::new(disk.clone()), options.clone()).unwrap();
        db.write(visit(0)).unwrap();
        let source = SegmentSource::Rule(RuleSource::Text(RULES[0].1.into()));
        db.write(Request::CreateSegment(SegmentCreate { name: "Fresh".into(), description: None, source })).unwrap();
        db.close().unwrap();
        drop(db);
        // The clock is wrong while the writer sleeps, and one asks.
        let writer = open::open(Some(Arc::new(disk.clone())), options.clone()).unwrap();
        set_clock(Some(wrong));
        let shared = Arc::clone(&writer.shared);
        assert_eq!(shared.tell_now(&shared.published.load()), wrong);
        drop(shared);
        set_clock(Some(right));
        let db = Database::run(writer).unwrap();
        (0..40).for_each(|_| thread::yield_now());
        db.write(visit(1)).unwrap();
        assert_eq!(db.view().now(), wrong, "who asks is not sent back");
        assert_eq!(db.view().state().as_of, right, "the write is of the time it came");
        let told = feed(&db);
        assert!(!told.iter().any(|change| matches!(change.kind, FeedKind::Left(_))), "{told:?}");
        db.close().unwrap();
        drop(db);
        assert_eq!(Database::open_on(Arc::new(disk.clone()), options).unwrap().view().now(), right);
    });
    assert_eq!(tried, 100);
}

struct Life {
    seed: u64,
    dice: Dice,
    disk: SimDisk,
    options: Options,
    /// The time of day, and the latest that it ever was.
    clock: Timestamp,
    latest: Timestamp,
    /// The latest instant that the database told.
    seen: Timestamp,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut dice = Dice(seed);
        let clock = Timestamp::parse(STARTS[dice.roll(STARTS.len())]).unwrap();
        let zone = Some(Zone::named(ZONES[dice.roll(ZONES.len())]).unwrap());
        let upkeep = Upkeep { ballast_bytes: 0, ..Upkeep::default() };
        let options = Options { zone, log_file_bytes: 16 << 10, upkeep, ..Options::folder("/data") };
        Life { seed, dice, disk: SimDisk::new(), options, clock, latest: clock, seen: clock }
    }

    fn open(&self) -> Database {
        Database::open_on(Arc::new(self.disk.clone()), self.options.clone()).unwrap()
    }

    fn jump(&mut self, by: i64) {
        if by != 0 {
            self.clock = self.latest.plus_ms(by);
        }
        self.latest = self.latest.max(self.clock);
        set_clock(Some(self.clock));
    }

    fn run(mut self) -> u64 {
        self.jump(0);
        let (mut db, start) = (self.open(), self.clock);
        db.write(vec![visit(0), created(1, start)]).unwrap();
        for (name, rule) in RULES {
            let source = SegmentSource::Rule(RuleSource::Text(rule.into()));
            db.write(Request::CreateSegment(SegmentCreate { name: name.into(), description: None, source })).unwrap();
        }
        while self.latest < start.plus_ms(AHEAD) {
            let by = JUMPS[self.dice.roll(JUMPS.len())];
            self.jump(by);
            if self.dice.roll(12) == 0 {
                db = self.restart(db);
            }
            match self.dice.roll(4) {
                // Time for the writer to wake up by itself.
                0 => (0..20).for_each(|_| thread::yield_now()),
                1 => drop(db.write(created(self.dice.roll(4), self.clock)).unwrap()),
                _ => drop(db.write(visit(self.dice.roll(4))).unwrap()),
            }
            self.look(&db);
        }
        // Once the clock is ahead of all that it ever was, the database follows it to the millisecond.
        self.jump(HOUR);
        db.write(visit(0)).unwrap();
        assert_eq!(db.view().now(), self.clock, "seed {}", self.seed);
        db = self.restart(db);
        self.look(&db);
        db.view().check().unwrap_or_else(|law| panic!("seed {}: {law}", self.seed));
        let told = feed(&db);
        self.judge(&told);
        db.close().unwrap();
        set_clock(None);
        told.len() as u64
    }

    /// Closes and opens it. Whatever the clock did meanwhile, what is there is there as it was.
    fn restart(&mut self, db: Database) -> Database {
        db.close().unwrap();
        let (lsn, before) = (db.view().lsn(), feed(&db));
        // What was only asked is forgotten; what was written is not.
        self.seen = db.view().state().as_of;
        drop(db);
        let back = self.dice.roll(2) == 0;
        if back {
            set_clock(Some(self.clock.plus_ms(-TEN_YEARS)));
        }
        let db = self.open();
        if back {
            assert_eq!(db.view().lsn(), lsn, "seed {}: nothing comes due in the past", self.seed);
        }
        assert_eq!(feed(&db)[..before.len()], before, "seed {}: the log tells the same again", self.seed);
        self.look(&db);
        set_clock(Some(self.clock));
        db
    }

    fn look(&mut self, db: &Database) {
        let view = db.view();
        assert!(view.now() >= self.seen, "seed {}: {} after {}", self.seed, view.now(), self.seen);
        assert!(view.now() <= self.latest, "seed {}: {} before {} came", self.seed, view.now(), self.latest);
        self.seen = view.now();
    }

    /// In order of time, none before its time, and whoever entered leaves before entering again.
    fn judge(&self, told: &[FeedChange]) {
        let mut inside: BTreeMap<(&str, &str), bool> = BTreeMap::new();
        let mut last = Timestamp::MIN;
        for change in told {
            assert!((last..=self.latest).contains(&change.at), "seed {}: {change:?} after {last}", self.seed);
            last = change.at;
            let (enters, key) = match &change.kind {
                FeedKind::Entered(key) => (true, key),
                FeedKind::Left(key) => (false, key),
                FeedKind::Bulk { .. } => continue,
            };
            // Whoever is in the first, bulk entry of a segment leaves first.
            let key = (&*change.segment, key.as_deref().expect("nobody is erased"));
            assert_ne!(inside.insert(key, enters), Some(enters), "seed {}: twice the same: {change:?}", self.seed);
        }
    }
}

fn feed(db: &Database) -> Vec<FeedChange> {
    db.view().feed(0, &mut Followed::all(), usize::MAX).unwrap().changes
}

fn key(n: usize) -> ContactKey {
    ContactKey::new(&format!("u-{n}")).unwrap()
}

fn visit(n: usize) -> Request {
    let event = Name::new("visit").unwrap();
    Request::Event(EventWrite { id: None, contact: key(n), event, at: None, properties: vec![] })
}

fn created(n: usize, at: Timestamp) -> Request {
    let values = vec![(Name::new("created").unwrap(), Input::Text(at.to_string().into()))];
    Request::Contact(ContactWrite { key: key(n), mode: WriteMode::Merge, values })
}
