//! Live segments over thirty simulated days: writes, ticks, restarts and rule edits. After every batch the feed, folded
//! from its beginning, must give just the members that the naive database finds; and each change by time must be told
//! at the very millisecond at which the naive database sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use throng::{
    engine::{admit::admit, command::Stamp, state::State},
    model::{
        calendar::Zone,
        id::{ContactId, Lsn, SegmentId},
        name::ContactKey,
        number::Number,
        request::{
            ContactWrite, EventWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, SegmentUpdate,
            WriteMode,
        },
        time::Timestamp,
    },
    rule::{self, ast::Rule},
    segment::{
        feed::{Cause, Change, What},
        settle::Tuning,
    },
};

use crate::{
    history::{image, patch},
    support::{
        generate::{Dice, NOWS, ZONES},
        generate_request, generate_schema,
        generate_schema::name,
        long::{asked, on_all_cores},
        naive::Naive,
    },
};

const DAYS: i64 = 30;
const DAY: i64 = 86_400_000;

/// Rules whose answers move with time; `N` stands for a small number.
const RULES: &[&str] = &[
    "last_activity > N days ago",
    "created < N days ago",
    "created >= N hours ago and lead_score > 10",
    "no conversation in N days",
    "had conversation in last N hours",
    "had conversation in last 1 month",
    "did visit at least 2 times in last N days",
    "did visit exactly 1 time in last N days",
    "purchase_total > $20 and last_activity < N days ago",
    "sum(purchase.amount) in last N days > 20",
    "max(purchase.amount) in last N days <= 30",
    "avg(purchase.amount) in last N days > 15",
    "distinct(purchase.product) in last N days >= 2",
    "count(visit) in last N days between 1 and 2",
    "last_activity is today",
    "created is yesterday or last_activity is last week",
    "created is this month",
    "created anniversary in next N days",
    "last_activity anniversary is today",
    "did visit then purchase within N hours in last N days",
    "did visit on at least 2 days in last N days",
    "did visit in at least 2 of the last 4 days",
    "did visit in at least 1 of the last 2 months",
    "first purchase in last N days",
    "last visit more than N days ago",
    "last purchase having amount > 20 in last N days",
    "did not purchase in last 1 week",
    "did purchase this week",
    "open_ticket = true or no conversation in N hours",
    "created in next N days",
    "created > N hours ahead",
    "at least 2 of (last_activity < N days ago, did visit in last N days, purchase_total > $10)",
    "sample 50% of \"x\" and created in last N days",
    "last_activity < 1 month ago xor created > N days ago",
    "not (did visit in last N days) and not (created < N hours ago)",
    "in segment \"live 0\" and did visit in last N days",
    "not in segment \"live 1\" or created < N days ago",
];

#[test]
fn a_newcomer_is_in_what_leaves_out_a_segment_that_it_never_was_in() {
    let mut run = Run::new(0);
    let now = run.start;
    let segment = |name: &str, rule: &str| {
        let source = SegmentSource::Rule(RuleSource::Text(rule.into()));
        Request::CreateSegment(SegmentCreate { name: name.into(), description: None, source })
    };
    for said in run.admit(now, &[segment("quiet", "no purchase"), segment("others", "not in segment \"quiet\"")]) {
        said.unwrap();
    }
    let purchase = |key: &str| {
        let contact = ContactKey::new(key).unwrap();
        Request::Event(EventWrite { id: None, contact, event: name("purchase"), at: Some(now), properties: vec![] })
    };
    run.admit(now, &[purchase("a"), purchase("b")]);
    let others = run.state.book.find("others").unwrap().id;
    assert_eq!(run.state.live.members(others).len(), 2);
    run.state.check().unwrap();
}

#[test]
fn thirty_days_agree_with_the_naive_database() {
    let (first, runs) = (asked("THRONG_LIVE_SEED", 0), asked("THRONG_LIVE_RUNS", 200));
    let (entries, by_time) = (AtomicU64::new(0), AtomicU64::new(0));
    on_all_cores(runs, &|number| {
        let (read, timed) = Run::new(first + number).run();
        entries.fetch_add(read, Ordering::Relaxed);
        by_time.fetch_add(timed, Ordering::Relaxed);
    });
    let (entries, by_time) = (entries.into_inner(), by_time.into_inner());
    println!("seed {first}: {runs} runs of {DAYS} days, {entries} changes, {by_time} of them by time");
    assert!(by_time > 100 * runs && entries > 3 * by_time / 2, "{by_time} of {entries} changes came by time");
}

/// Requests of a short history.
const REQUESTS: usize = 500;

#[test]
fn short_histories_agree_at_every_write() {
    let (first, runs) = (asked("THRONG_SHORT_SEED", 0), asked("THRONG_SHORT_RUNS", 2_000));
    let (writes, entries) = (AtomicU64::new(0), AtomicU64::new(0));
    on_all_cores(runs, &|number| {
        let (written, read) = Run::short(first + number).run_short();
        writes.fetch_add(written, Ordering::Relaxed);
        entries.fetch_add(read, Ordering::Relaxed);
    });
    let (writes, entries) = (writes.into_inner(), entries.into_inner());
    println!("seed {first}: {runs} histories of {REQUESTS} requests, {entries} changes, judged at {writes} writes");
    assert!(writes > 100 * runs && entries > 100 * runs, "{writes} writes, {entries} changes");
}

#[test]
fn every_rule_of_the_runs_is_one() {
    let schema = generate_schema::schema(&mut Dice::new(0), Zone::utc());
    for template in RULES {
        let text = template.replace('N', "3");
        rule::parse(&text, &schema).unwrap_or_else(|error| panic!("{text}: {}", error.message));
    }
}

/// The state after some days of a run, and a rule in its schema, for others to look at.
pub fn grown(seed: u64, days: i64) -> (State, Rule) {
    let mut run = grown_run(seed, days);
    let RuleSource::Json(json) = run.rule() else { unreachable!("rules are written as JSON") };
    let rule = rule::from_json(&json, &run.state.schema).unwrap();
    (run.state, rule)
}

/// The state after some days of a run, and the naive database.
pub fn grown_beside(seed: u64, days: i64) -> (State, Naive) {
    let run = grown_run(seed, days);
    (run.state, run.naive)
}

fn grown_run(seed: u64, days: i64) -> Run {
    let mut run = Run::new(seed);
    let end = run.start.plus_ms(days * DAY);
    while run.naive.as_of < end || run.made < 6 {
        let at = run.next_instant();
        let mut requests = vec![Request::Tick(at)];
        for _ in 0..6 {
            requests.push(run.request(at));
        }
        run.admit(at, &requests);
        run.naive.advance(at);
        requests.iter().for_each(|request| drop(run.naive.write(request)));
    }
    run
}

struct Run {
    seed: u64,
    dice: Dice,
    state: State,
    naive: Naive,
    start: Timestamp,
    /// The members that the feed gives, by segment.
    folded: BTreeMap<SegmentId, BTreeSet<u32>>,
    /// The last entry that was read.
    read: u64,
    /// Its instant.
    told: Timestamp,
    made: usize,
    /// So many segments, and contacts of those that are written most.
    made_max: usize,
    keys: usize,
    /// So many contacts and requests a batch that whole chunks are answered at once.
    is_bulky: bool,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut dice = Dice::new(seed ^ 0x5eed);
        let zone = Zone::named(dice.pick::<&str>(ZONES)).unwrap();
        let now = Timestamp::parse(dice.pick::<&str>(NOWS)).unwrap();
        let wanted = generate_schema::schema(&mut dice, zone.clone());
        let naive = Naive::new(wanted.clone(), now);
        let is_bulky = seed % 6 == 5;
        let mut run = Run {
            seed,
            dice,
            state: State::empty(),
            naive,
            start: now,
            folded: BTreeMap::new(),
            read: 0,
            told: now,
            made: 0,
            made_max: 14,
            keys: if is_bulky { 150 } else { 25 },
            is_bulky,
        };
        run.admit(now, &[Request::Found(zone)]);
        run.admit(now, &[Request::Schema(patch(&wanted))]);
        run.tune();
        run
    }

    fn short(seed: u64) -> Run {
        let mut run = Run::new(seed);
        (run.made_max, run.keys, run.is_bulky) = (4, 5, false);
        run
    }

    /// Few contacts and segments, a few requests a write; gives the number of writes, and of entries of the feed.
    fn run_short(mut self) -> (u64, u64) {
        let mut asked = 0;
        while asked < REQUESTS {
            let at = self.next_instant();
            let mut requests = vec![Request::Tick(at)];
            for _ in 0..self.dice.below(9).min(REQUESTS - asked) {
                requests.push(self.request(at));
            }
            asked += requests.len() - 1;
            let said = self.admit(at, &requests);
            self.naive.advance(at);
            for (request, said) in requests.iter().zip(said) {
                let wanted = self.naive.write(request);
                assert_eq!(said, wanted, "seed {} at {at}: {request:#?}", self.seed);
            }
            self.fold();
            self.compare();
        }
        self.state.check().unwrap_or_else(|law| panic!("seed {}: {law}", self.seed));
        (self.state.lsn.0, self.read)
    }

    /// In every third run whole chunks are answered from a few contacts on, and in every second one agendas are so
    /// short that they run out, and everyone is looked at where too many share an instant.
    fn tune(&mut self) {
        let mut tuning = Tuning::default();
        if self.seed % 3 == 2 {
            (tuning.segment, tuning.panel, tuning.values, tuning.events) = (5, 6, 4, 3);
        }
        if self.seed % 2 == 1 {
            tuning.looks = 1 + self.dice.below(9);
        }
        self.state.live.tune(tuning);
    }

    fn admit(&mut self, at: Timestamp, requests: &[Request]) -> Vec<crate::support::writes::Judged> {
        let stamp = Stamp { lsn: Lsn(self.state.lsn.0 + 1), at };
        let admitted = admit(&mut self.state, stamp, requests, None);
        admitted.results.into_iter().map(|result| result.map_err(|refusal| refusal.kind)).collect()
    }

    /// Gives the number of entries of the feed, and of those by time.
    fn run(mut self) -> (u64, u64) {
        let end = self.start.plus_ms(DAYS * DAY);
        while self.naive.as_of < end {
            let at = self.next_instant();
            let mut requests = vec![Request::Tick(at)];
            for _ in 0..self.dice.below(if self.is_bulky { 250 } else { 8 }) {
                requests.push(self.request(at));
            }
            let before = self.naive.clone();
            let said = self.admit(at, &requests);
            self.naive.advance(at);
            for (request, said) in requests.iter().zip(said) {
                let wanted = self.naive.write(request);
                assert_eq!(said, wanted, "seed {} at {at}: {request:#?}", self.seed);
            }
            self.state.check().unwrap_or_else(|law| panic!("seed {} at {at}: {law}", self.seed));
            self.fold();
            self.exact_ones(&before);
            self.compare();
            if self.dice.chance(10) {
                self.tune();
            }
            if self.dice.chance(8) {
                self.state = State::decode(&image(&self.state)).unwrap();
                self.tune();
            }
        }
        let by_time = self.state.live.feed().from(0).filter(|(_, change)| change.cause == Cause::Time).count();
        (self.read, by_time as u64)
    }

    fn next_instant(&mut self) -> Timestamp {
        let (as_of, due) = (self.naive.as_of, self.state.next_due());
        match (self.dice.below(8), due) {
            (0, _) => as_of,
            (1, Some(due)) => due.max(as_of).min(as_of.plus_ms(DAY)),
            (2, Some(due)) => due.plus_ms(-1).max(as_of).min(as_of.plus_ms(DAY)),
            (3, _) => as_of.plus_ms(self.dice.between(0, 5_000)),
            (4, _) => as_of.plus_ms(self.dice.between(0, 2 * DAY)),
            _ if self.is_bulky => as_of.plus_ms(self.dice.between(0, 3 * DAY)),
            _ => as_of.plus_ms(self.dice.between(0, DAY / 2)),
        }
    }

    fn request(&mut self, at: Timestamp) -> Request {
        match self.dice.below(100) {
            0..45 => Request::Event(self.event(at)),
            45..65 => Request::Contact(self.contact(at)),
            65..72 if self.made < self.made_max => {
                let segment = format!("live {}", self.made);
                self.made += 1;
                let source = SegmentSource::Rule(self.rule());
                Request::CreateSegment(SegmentCreate { name: segment.into(), description: None, source })
            }
            65..72 => {
                let segment = format!("live {}", self.dice.below(self.made)).into();
                let rule = Some(self.rule());
                Request::UpdateSegment(SegmentUpdate { segment, name: None, description: None, rule })
            }
            72..74 if self.made > 0 => {
                let source = SegmentSource::Frozen(format!("live {}", self.dice.below(self.made)).into());
                let segment = format!("frozen {}", self.dice.below(3)).into();
                Request::CreateSegment(SegmentCreate { name: segment, description: None, source })
            }
            _ => generate_request::request(&mut self.dice, &self.naive),
        }
    }

    fn rule(&mut self) -> RuleSource {
        loop {
            let template = *self.dice.pick(RULES);
            let mut text = String::new();
            for (place, part) in template.split('N').enumerate() {
                if place > 0 {
                    text += &(1 + self.dice.below(9)).to_string();
                }
                text += part;
            }
            // What a rule names may have been dropped meanwhile; some of the rules name only what stays.
            if let Ok(rule) = rule::parse(&text, &self.naive.schema) {
                return RuleSource::Json(rule::to_json(&rule).to_string().into());
            }
        }
    }

    fn key(&mut self) -> ContactKey {
        ContactKey::new(&format!("u-{}", self.dice.below(self.keys))).unwrap()
    }

    /// Around the clock: mostly just before it, sometimes ahead of it.
    fn near(&mut self, at: Timestamp) -> Timestamp {
        match self.dice.below(10) {
            0 => at,
            1..4 => at.plus_ms(self.dice.between(-DAY, 0)),
            4..7 => at.plus_ms(self.dice.between(-10 * DAY, 0)),
            7 => at.plus_ms(self.dice.between(-40 * DAY, 0)),
            _ => at.plus_ms(self.dice.between(0, 6 * DAY)),
        }
    }

    fn event(&mut self, at: Timestamp) -> EventWrite {
        let kind = *self.dice.pick(&["visit", "visit", "purchase", "purchase", "conversation", "ticket_opened"]);
        let mut properties = vec![];
        if kind == "purchase" {
            let amount = Number::from_int(self.dice.between(1, 40));
            properties.push((name("amount"), Input::Number(amount)));
            properties.push((name("product"), Input::Text(self.dice.pick(&["a", "b", "c"]).to_string().into())));
        }
        let id = self.dice.chance(60).then(|| format!("ev-{}", self.dice.below(60)).into());
        let at = self.near(at);
        EventWrite { id, contact: self.key(), event: name(kind), at: Some(at), properties }
    }

    fn contact(&mut self, at: Timestamp) -> ContactWrite {
        let mut values = vec![];
        for property in ["created", "last_activity"] {
            if self.dice.chance(60) {
                values.push((name(property), Input::Text(self.near(at).to_string().into())));
            }
        }
        if self.dice.chance(30) {
            let score = Number::from_int(self.dice.between(0, 20));
            values.push((name("lead_score"), Input::Number(score)));
        }
        let mode = if self.dice.chance(20) { WriteMode::Replace } else { WriteMode::Merge };
        ContactWrite { key: self.key(), mode, values }
    }

    /// Takes in what the feed has new.
    fn fold(&mut self) {
        let feed = self.state.live.feed();
        let mut last = self.told;
        for (seq, change) in feed.from(self.read + 1) {
            assert_eq!(seq, self.read + 1, "seed {}: the feed has no gaps", self.seed);
            self.read = seq;
            assert!(change.at >= last, "seed {}: changes are in order of time", self.seed);
            last = change.at;
            let members = self.folded.entry(change.segment).or_default();
            match change.what {
                What::Entered(contact) => assert!(members.insert(contact.0), "seed {}: {change:?}", self.seed),
                What::Left(contact) => assert!(members.remove(&contact.0), "seed {}: {change:?}", self.seed),
                What::Bulk(entered, left) => {
                    let lists = feed.lists(seq).expect("the lists are kept");
                    assert_eq!((lists.entered.len(), lists.left.len()), (u64::from(entered), u64::from(left)));
                    members.extend(lists.entered.iter());
                    lists.left.iter().for_each(|contact| assert!(members.remove(&contact)));
                }
            }
        }
        self.told = last;
    }

    /// Each change by time of the last batch is exact; `before` are the facts as they were before it.
    fn exact_ones(&self, before: &Naive) {
        let feed = self.state.live.feed();
        let changes = feed.from(0).filter(|(_, change)| change.lsn == self.state.lsn);
        let looked_at = if self.is_bulky { 5 } else { usize::MAX };
        for (_, change) in changes.filter(|(_, change)| change.cause == Cause::Time).take(looked_at) {
            self.exact(change, before);
        }
    }

    /// The naive database sees the change at its instant and not a millisecond before.
    fn exact(&self, change: &Change, before: &Naive) {
        let (contact, enters) = match change.what {
            What::Entered(contact) => (contact, true),
            What::Left(contact) => (contact, false),
            What::Bulk(..) => panic!("seed {}: so few contacts are told one by one", self.seed),
        };
        let directory = self.state.index.directory();
        // Who was erased in the same batch, and what was deleted in it, the naive database knew before.
        let (true, Some(segment)) = (self.state.index.live().contains(contact.0), self.state.book.get(change.segment))
        else {
            return;
        };
        let Some(saved) = before.segments.iter().find(|saved| saved.name == *segment.name) else { return };
        let rule = Rule::Segment(saved.name.as_str().into());
        let key = directory.key(contact);
        for (instant, wanted) in [(change.at.plus_ms(-1), !enters), (change.at, enters)] {
            let mut then = before.clone();
            then.advance(instant);
            let Some(contact) = then.contacts.iter().find(|contact| contact.key == key) else { return };
            let holds = then.matches(&rule, contact, instant);
            assert_eq!(holds, wanted, "seed {}: {key} in {} at {instant}: {change:?}", self.seed, segment.name);
        }
    }

    fn compare(&self) {
        let directory = self.state.index.directory();
        for saved in &self.naive.segments {
            let segment = self.state.book.find(&saved.name).expect("both have it");
            let rule = Rule::Segment(saved.name.as_str().into());
            let wanted = self.naive.members(&rule, self.naive.as_of);
            let key = |id: u32| directory.key(ContactId(id));
            let kept: Vec<&str> = self.state.live.members(segment.id).iter().map(key).collect();
            let folded: Vec<&str> =
                self.folded.get(&segment.id).into_iter().flatten().map(|contact| key(*contact)).collect();
            let told = format!("seed {} at {}: {}", self.seed, self.naive.as_of, saved.name);
            assert_eq!(kept, wanted, "{told}: kept");
            assert_eq!(folded, wanted, "{told}: folded from the feed");
        }
    }
}
