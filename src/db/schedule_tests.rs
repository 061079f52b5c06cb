//! Orders by chance: the real queue, writer, views, feed, keeper, snapshots and shutdown under a scheduler that chooses
//! at every meeting point of threads (`sync.rs`) who goes on. What nobody wakes is found as a deadlock.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use shuttle::{
    Config, Runner,
    scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler},
    thread,
};

use crate::{
    db::{
        database::{Database, Write},
        error::Error,
        feed::{FeedKind, Followed},
        open,
        options::{Options, Upkeep},
        queue::{Job, Queue, Taken, Work},
        scheduled::{set_limits, under_a_scheduler},
        sync::{Condvar, Mutex, sync_channel},
    },
    model::{
        name::{ContactKey, Name},
        number::Number,
        request::{ContactWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode},
        time::Timestamp,
    },
    storage::{
        sim_disk::SimDisk,
        test_bench::{asked, on_all_cores},
    },
};

/// Lives that one scheduler tries.
const LIVES: u64 = 250;
const WRITERS: u64 = 2;
/// Batches of each of them.
const BATCHES: u64 = 2;
/// At so many places of a life chosen by [`PctScheduler`] the order changes.
const DEPTH: usize = 4;

fn options() -> Options {
    let upkeep = Upkeep { ballast_bytes: 0, snapshot_bytes_per_second: 0, ..Upkeep::default() };
    let options = Options::folder("/data").at(Timestamp(1_777_593_600_000));
    // Every write makes a snapshot due.
    Options { log_file_bytes: 16 << 10, snapshot_log_bytes: 1, upkeep, ..options }
}

/// Runs a life in as many orders as the scheduler likes to try.
pub(crate) fn try_orders(scheduler: impl Scheduler + 'static, life: impl Fn() + Send + Sync + 'static) -> u64 {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.silence_warnings = true;
    under_a_scheduler(|| Runner::new(scheduler, config).run(life)) as u64
}

#[test]
fn lives_of_a_database_are_right_in_any_order() {
    let (seed, lives) = (asked("THRONG_SCHEDULE_SEED", 1), asked("THRONG_SCHEDULES", 10_000));
    let has_failed = AtomicBool::new(false);
    let [tried, unlimited] = on_all_cores(lives.div_ceil(LIVES) as usize, &|number| {
        if has_failed.load(Ordering::SeqCst) {
            return [0, 0];
        }
        let begun = Arc::new(AtomicU64::new(0));
        catch_unwind(AssertUnwindSafe(|| try_some(seed * 1_000_000_007 + number as u64, number, &begun)))
            .unwrap_or_else(|panic| {
                has_failed.store(true, Ordering::SeqCst);
                let nth = number as u64 * LIVES + begun.load(Ordering::SeqCst);
                println!("seed {seed}: life {nth} failed, the {}th of its kind", begun.load(Ordering::SeqCst));
                resume_unwind(panic)
            })
    });
    println!("seed {seed}: {tried} lives, each in an order of its own, {unlimited} of them without limits of waits");
    assert!(tried >= lives, "{tried} lives");
}

/// Some lives of one kind: the number says which scheduler chooses, whether they are cut short, and whether waits may
/// end by their limits. Gives how many there were, and how many of them without limits.
fn try_some(seed: u64, number: usize, begun: &Arc<AtomicU64>) -> [u64; 2] {
    let (cut_short, limits) = (number.is_multiple_of(3), number % 5 < 3);
    let begun = Arc::clone(begun);
    let life = move || {
        begun.fetch_add(1, Ordering::SeqCst);
        set_limits(limits);
        Life::default().run(cut_short);
    };
    let tried = match number % 2 {
        0 => try_orders(RandomScheduler::new_from_seed(seed, LIVES as usize), life),
        _ => try_orders(PctScheduler::new_from_seed(seed, DEPTH, LIVES as usize), life),
    };
    [tried, if limits { 0 } else { tried }]
}

/// What a life's threads know of each other. The scheduler does not look at it.
#[derive(Clone, Default)]
struct Life {
    disk: SimDisk,
    /// The newest write that was acknowledged.
    acknowledged: Arc<AtomicU64>,
    /// Those that were, by number, and those that were refused.
    done: Arc<std::sync::Mutex<Vec<u64>>>,
    refused: Arc<std::sync::Mutex<Vec<u64>>>,
}

/// What a reader of the feed waits for: the newest entry that it was told of, and whether that was all.
type News = Arc<(Mutex<(u64, bool)>, Condvar)>;

impl Life {
    /// Two writers, a reader, a follower of the feed, a snapshot beside those that the keeper takes, and the end: after
    /// all of them, or in their midst.
    fn run(self, cut_short: bool) {
        let db = self.open();
        db.write(hot()).unwrap();
        let news: News = Arc::new((Mutex::new((0, false)), Condvar::new()));
        let told = Arc::clone(&news);
        db.on_publish(Box::new(move |seq| {
            told.0.lock().unwrap().0 = seq;
            told.1.notify_all();
            true
        }));
        let mut threads: Vec<thread::JoinHandle<()>> = vec![];
        for writer in 0..WRITERS {
            let (life, db) = (self.clone(), db.clone());
            threads.push(thread::spawn(move || life.write(&db, writer, cut_short)));
        }
        let (life, other) = (self.clone(), db.clone());
        threads.push(thread::spawn(move || life.read(&other)));
        let (life, other) = (self.clone(), db.clone());
        threads.push(thread::spawn(move || life.snapshot(&other, cut_short)));
        let other = db.clone();
        let follower = Arc::clone(&news);
        let follower = thread::spawn(move || follow(&other, &follower, cut_short));
        if cut_short {
            let (life, other) = (self.clone(), db.clone());
            threads.push(thread::spawn(move || {
                other.close().unwrap();
                // Whoever was told that it is closed may open the folder again, whatever else was on its way.
                life.check(&life.open());
            }));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let follower = if cut_short {
            Some(follower)
        } else {
            // It is told of everything while the database is open.
            follower.join().unwrap();
            None
        };
        db.close().unwrap();
        news.0.lock().unwrap().1 = true;
        news.1.notify_all();
        follower.into_iter().for_each(|follower| follower.join().unwrap());
        assert_eq!(db.status().alarms, []);
        let last = db.view();
        drop(db);
        let again = self.open();
        assert_eq!(again.view().lsn(), last.lsn(), "what was published is what is on disk");
        self.check(&again);
    }

    /// Opens the folder with a queue that is soon full.
    fn open(&self) -> Database {
        let mut writer = open::open(Some(Arc::new(self.disk.clone())), options()).unwrap();
        Arc::get_mut(&mut writer.shared).expect("nobody else has it yet").queue = Queue::of(2);
        Database::run(writer).unwrap()
    }

    fn write(&self, db: &Database, writer: u64, cut_short: bool) {
        for number in (0..BATCHES).map(|n| writer * BATCHES + n) {
            let result = match writer {
                0 => db.submit_patiently(pair(number)).wait(),
                _ => loop {
                    match db.write(pair(number)) {
                        Err(Error::Busy) => thread::yield_now(),
                        result => break result,
                    }
                },
            };
            match result {
                Ok(written) => {
                    self.acknowledged.fetch_max(written.lsn.0, Ordering::SeqCst);
                    self.done.lock().unwrap().push(number);
                    let view = db.view();
                    assert!(view.lsn() >= written.lsn && has_pair(&view, number), "a writer sees what it wrote");
                }
                Err(Error::Closed) if cut_short => self.refused.lock().unwrap().push(number),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn read(&self, db: &Database) {
        let mut last = 0;
        for _ in 0..3 {
            let least = self.acknowledged.load(Ordering::SeqCst).max(last);
            let view = db.view();
            last = view.lsn().0;
            assert!(last >= least, "a view of {last} after an acknowledgement of {least}");
            assert_eq!(view.everyone().count() % 2, 0, "a batch is there whole or not at all");
        }
    }

    fn snapshot(&self, db: &Database, cut_short: bool) {
        let least = self.acknowledged.load(Ordering::SeqCst);
        match db.snapshot() {
            Ok(taken) => assert!(taken.lsn.0 >= least, "a snapshot of {} after {least} was acknowledged", taken.lsn),
            Err(Error::Closed) if cut_short => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// All that was acknowledged by now is there, and nothing that was refused.
    fn check(&self, db: &Database) {
        let view = db.view();
        view.check().unwrap();
        assert!(
            self.done.lock().unwrap().iter().all(|number| has_pair(&view, *number)),
            "an acknowledged write is lost"
        );
        let refused = self.refused.lock().unwrap();
        assert!(!refused.iter().any(|number| view.has_contact(&format!("left-{number}"))), "a refused write is there");
    }
}

fn hot() -> Write {
    let source = SegmentSource::Rule(RuleSource::Text("lead_score > 50".into()));
    Request::CreateSegment(SegmentCreate { name: "Hot".into(), description: None, source }).into()
}

/// Two contacts that come together, and enter the segment.
fn pair(number: u64) -> Vec<Request> {
    let contact = |side: &str| {
        let values = vec![(Name::new("lead_score").unwrap(), Input::Number(Number::from_int(60)))];
        let key = ContactKey::new(&format!("{side}-{number}")).unwrap();
        Request::Contact(ContactWrite { key, mode: WriteMode::Merge, values })
    };
    vec![contact("left"), contact("right")]
}

fn has_pair(view: &crate::db::view::View, number: u64) -> bool {
    view.has_contact(&format!("left-{number}")) && view.has_contact(&format!("right-{number}"))
}

/// Reads the feed as somebody outside does: waits until there is news, and reads it. It hears of everything.
fn follow(db: &Database, news: &News, cut_short: bool) {
    let (mut cursor, mut entered, mut followed) = (0, 0, Followed::all());
    loop {
        let mut told = news.0.lock().unwrap();
        while told.0 <= cursor && !told.1 {
            told = news.1.wait(told).unwrap();
        }
        let (newest, is_over) = *told;
        drop(told);
        let page = db.view().feed(cursor, &mut followed, 100).unwrap();
        assert!(page.next >= newest, "entry {newest} was told, and a view made then has {} only", page.next);
        for change in page.changes {
            assert_eq!(change.seq, cursor + 1, "the feed has no gap");
            cursor = change.seq;
            entered += u64::from(matches!(change.kind, FeedKind::Entered(_)));
        }
        if entered == 2 * WRITERS * BATCHES || is_over {
            break;
        }
    }
    assert!(cut_short || entered == 2 * WRITERS * BATCHES, "{entered} entered");
}

/// More orders than there are of one writer and the reader of a queue.
const ORDERS_MAX: u64 = 200_000;

#[test]
fn a_queue_loses_nothing_and_wakes_its_reader_in_any_order() {
    for is_patient in [false, true] {
        let every = DfsScheduler::new(Some(ORDERS_MAX as usize), false);
        let one = try_orders(every, move || queue(&[2], is_patient));
        let two = try_orders(RandomScheduler::new_from_seed(1, 25_000), move || queue(&[2, 2], is_patient));
        println!("all {one} orders of one writer and the reader of a queue, {two} of two writers");
        assert!((100..ORDERS_MAX).contains(&one), "{one} orders");
    }
}

/// Writers that put so many entries each into a queue of one place, its reader, and its end: at once, or when
/// everything was taken.
fn queue(writers: &[u64], is_patient: bool) {
    let (queue, taken) = (Arc::new(Queue::of(1)), Arc::new(AtomicU64::new(0)));
    let reader = {
        let (queue, taken) = (Arc::clone(&queue), Arc::clone(&taken));
        thread::spawn(move || {
            while let Taken::Jobs(jobs) = queue.take(None) {
                taken.fetch_add(jobs.len() as u64, Ordering::SeqCst);
                jobs.into_iter().for_each(|job| (job.done)(Err(Error::Closed)));
            }
        })
    };
    let push = move |queue: &Queue, count: u64| -> u64 {
        let (sender, receiver) = sync_channel(count as usize);
        let one = |_| {
            let sender = sender.clone();
            let done = Box::new(move |_| sender.send(()).unwrap_or_default());
            match queue.push(Job { work: Work::Write(Write::default()), done }) {
                Ok(()) => 1,
                Err((Error::Busy, _)) => 0,
                Err((error, _)) => panic!("{error}"),
            }
        };
        let pushed = (0..count).map(one).sum();
        (0..if is_patient { pushed } else { 0 }).for_each(|_| receiver.recv().unwrap());
        pushed
    };
    let others: Vec<_> = writers[1..]
        .iter()
        .map(|count| {
            let (queue, count) = (Arc::clone(&queue), *count);
            thread::spawn(move || push(&queue, count))
        })
        .collect();
    let mut pushed = push(&queue, writers[0]);
    pushed += others.into_iter().map(|other| other.join().unwrap()).sum::<u64>();
    queue.close();
    reader.join().unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), pushed);
    assert!(queue.abandon().is_empty());
}
