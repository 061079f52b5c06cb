//! Live segments: what a thousand of them cost a write, a tick and a look-up. Prints a table; judges nothing.
//!
//! `cargo bench --bench live -- --contacts 10000000 --segments 1000`. The engine alone, without log and sync: what the
//! one writer spends. Rows "no segments" are from the same run, before any segment was made.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::{hint::black_box, time::Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use rand::{RngExt, SeedableRng};
use throng::{
    cli::{
        bench::questions::{self, PREDICATES},
        generate::person::person,
    },
    engine::{admit::admit, command::Stamp, state::State},
    model::{
        calendar::Zone,
        id::{ContactId, Lsn, SegmentId},
        name::{ContactKey, Name},
        number::Number,
        request::{ContactWrite, EventWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode},
        time::Timestamp,
    },
    rule,
    segment::{feed::Feed, live::Live},
};

const EVENTS: usize = 100_000;
const DAY_MS: i64 = 86_400_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: u64| {
        let value = arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
        value.map_or(default, |n| n.parse().unwrap_or_else(|_| panic!("{name} takes a number")))
    };
    let (contacts, segments) = (option("--contacts", 1_000_000), option("--segments", 1_000));
    let now = Timestamp::parse("2026-05-01T00:00:00Z").expect("the instant is well formed");
    let mut bench = Bench { state: State::empty(), now, random: rand_pcg::Pcg64::seed_from_u64(1), contacts };
    bench.load();
    println!("{contacts} contacts, {segments} segments of 5 predicates out of {PREDICATES}");
    bench.events("no segments");
    bench.singles("no segments");
    bench.define(segments);
    bench.events("with segments");
    bench.singles("with segments");
    bench.lookups();
    bench.what_if();
    bench.tick();
    bench.again();
}

struct Bench {
    state: State,
    now: Timestamp,
    random: rand_pcg::Pcg64,
    contacts: u64,
}

/// Seconds for each of so many.
fn per(watch: Instant, n: usize) -> f64 {
    watch.elapsed().as_secs_f64() / n.max(1) as f64
}

fn row(what: &str, figure: String) {
    println!("{what:<78} {figure:>36}");
}

impl Bench {
    fn write(&mut self, requests: &[Request]) {
        let stamp = Stamp { lsn: Lsn(self.state.lsn.0 + 1), at: self.now };
        // As the writer does: a copy is written to, then published.
        let mut state = self.state.clone();
        let admitted = admit(&mut state, stamp, requests, None);
        if let Some(Err(refusal)) = admitted.results.iter().find(|result| result.is_err()) {
            panic!("{refusal}");
        }
        self.state = state;
    }

    fn load(&mut self) {
        self.write(&[Request::Found(Zone::utc())]);
        let watch = Instant::now();
        let (mut batch, mut events) = (Vec::new(), 0u64);
        for number in 0..self.contacts {
            let (who, deeds) = person(1, number, self.now);
            let text = |text: &str| Input::Cell(text.into());
            let mut values = vec![
                ("country", text(who.country)),
                ("city", text(who.city)),
                ("status", text(who.status)),
                ("tags", Input::List(who.tags.iter().map(|tag| Input::Text((*tag).into())).collect())),
                ("created", text(&who.created.to_string())),
            ];
            values.extend(who.lead_score.map(|score| ("lead_score", Input::Number(Number::from_int(score.into())))));
            values.extend(who.email.as_deref().map(|email| ("email", text(email))));
            let values = values.into_iter().map(|(name, input)| (self::name(name), input)).collect();
            let key = ContactKey::new(&who.key).expect("keys are short");
            batch.push(Request::Contact(ContactWrite { key: key.clone(), mode: WriteMode::Merge, values }));
            for deed in deeds {
                events += 1;
                let mut properties = vec![(name(deed.label.0), text(deed.label.1))];
                properties
                    .extend(deed.amount.map(|cents| (name("amount"), text(&format!("{:.2}", cents as f64 / 100.0)))));
                let (event, at) = (name(deed.event), Some(deed.at));
                batch.push(Request::Event(EventWrite { id: None, contact: key.clone(), event, at, properties }));
            }
            if batch.len() > 10_000 || number + 1 == self.contacts {
                self.write(&std::mem::take(&mut batch));
            }
        }
        row("load, one thread, no log", format!("{:.1} s, {events} events", watch.elapsed().as_secs_f64()));
    }

    /// Looks ahead: why one contact is in, what a rule would change, what a week will bring.
    fn what_if(&mut self) {
        let ids: Vec<SegmentId> = self.state.book.iter().map(|segment| segment.id).take(20).collect();
        let watch = Instant::now();
        for id in &ids {
            let contact = ContactId(self.random.random_range(0..self.contacts as u32));
            let outlook = self.state.live.outlook(self.state.facts(), *id, contact, self.state.as_of);
            black_box((outlook.why(), outlook.levers(), outlook.next_change(self.state.as_of)));
        }
        row("why, single changes and next change", format!("{:.1} µs", per(watch, ids.len()) * 1e6));
        let rule = rule::parse("Lead Score > 42 AND did purchase in last 17 days", &self.state.schema);
        let rule = rule.expect("the rule is well formed");
        let watch = Instant::now();
        for id in &ids {
            black_box(self.state.trial(*id, &rule, self.state.as_of, &[]).expect("it can be saved"));
        }
        row("a preview", format!("{:.2} ms", per(watch, ids.len()) * 1e3));
        let (watch, mut changes) = (Instant::now(), 0);
        for id in &ids {
            let days = self.state.forecast(*id, self.state.as_of, 7, 10);
            changes += days.iter().map(|day| day.entering + day.leaving).sum::<u64>();
        }
        let each = changes / ids.len() as u64;
        row("a forecast of 7 days", format!("{:.2} ms, {each} changes", per(watch, ids.len()) * 1e3));
    }

    fn event(&mut self) -> Request {
        let number = self.random.random_range(0..self.contacts);
        let kind = ["email_opened", "conversation", "purchase", "email_clicked"][self.random.random_range(0..4)];
        let properties = if kind == "purchase" {
            vec![(name("amount"), Input::Number(Number::from_int(self.random.random_range(1..200))))]
        } else {
            vec![]
        };
        let contact = ContactKey::new(&format!("c{number:07}")).expect("keys are short");
        Request::Event(EventWrite { id: None, contact, event: name(kind), at: None, properties })
    }

    fn events(&mut self, told: &str) {
        let batches: Vec<Vec<Request>> =
            (0..EVENTS / 1_000).map(|_| (0..1_000).map(|_| self.event()).collect()).collect();
        let before = self.state.live.feed().end();
        let watch = Instant::now();
        for batch in batches {
            self.now = self.now.plus_ms(40);
            self.write(&batch);
        }
        let micros = watch.elapsed().as_secs_f64() * 1e6 / EVENTS as f64;
        let changes = (self.state.live.feed().end() - before) as f64 / EVENTS as f64;
        row(&format!("one event in batches of 1,000, {told}"), format!("{micros:.2} µs, {changes:.2} changes"));
    }

    fn singles(&mut self, told: &str) {
        let events: Vec<Request> = (0..5_000).map(|_| self.event()).collect();
        let before = self.state.live.feed().end();
        let watch = Instant::now();
        for event in events {
            self.now = self.now.plus_ms(1);
            self.write(&[event]);
        }
        let micros = watch.elapsed().as_secs_f64() * 1e6 / 5_000.0;
        let changes = (self.state.live.feed().end() - before) as f64 / 5_000.0;
        row(&format!("one event alone, {told}"), format!("{micros:.2} µs, {changes:.2} changes"));
    }

    fn define(&mut self, segments: u64) {
        let predicates = questions::predicates();
        let watch = Instant::now();
        for number in 0..segments {
            let rule = questions::segment(&mut self.random, &predicates, number);
            let source = SegmentSource::Rule(RuleSource::Text(rule.as_str().into()));
            let name = format!("segment {number}").into();
            self.write(&[Request::CreateSegment(SegmentCreate { name, description: None, source })]);
        }
        let seconds = watch.elapsed().as_secs_f64();
        row("make the segments, first fill", format!("{seconds:.2} s"));
        let memory: u64 = self.state.live.memory().iter().map(|(_, bytes)| bytes).sum();
        row("memory of members, predicates, agendas, feed", format!("{:.0} MiB", memory as f64 / f64::from(1 << 20)));
    }

    fn lookups(&mut self) {
        let ids: Vec<u32> = (0..10_000).map(|_| self.random.random_range(0..self.contacts as u32)).collect();
        let live = &self.state.live;
        let watch = Instant::now();
        let mut held = 0;
        for id in &ids {
            held += live.segments_of(ContactId(*id)).len();
        }
        let micros = watch.elapsed().as_secs_f64() * 1e6 / ids.len() as f64;
        row("which segments hold a contact", format!("{micros:.2} µs, {:.0} do", held as f64 / ids.len() as f64));
    }

    fn tick(&mut self) {
        let before = self.state.live.feed().end();
        let watch = Instant::now();
        let mut minutes = 0;
        while self.state.live.feed().end() - before < 10_000 && minutes < 24 * 60 {
            self.now = self.now.plus_ms(60_000);
            minutes += 1;
            self.write(&[Request::Tick(self.now)]);
        }
        let changes = self.state.live.feed().end() - before;
        let millis = watch.elapsed().as_secs_f64() * 1e3;
        row("ticks", format!("{millis:.1} ms, {changes} changes in {minutes} minutes"));
        let before = self.state.live.feed().end();
        let watch = Instant::now();
        self.now = self.now.plus_ms(DAY_MS);
        self.write(&[Request::Tick(self.now)]);
        let changes = self.state.live.feed().end() - before;
        row("one tick of a day", format!("{:.1} ms, {changes} changes", watch.elapsed().as_secs_f64() * 1e3));
    }

    fn again(&mut self) {
        let watch = Instant::now();
        let live = Live::restored(self.state.facts(), self.state.as_of, Feed::default(), Default::default());
        let all = watch.elapsed().as_secs_f64() * 1e3;
        row("every predicate and every segment afresh", format!("{all:.0} ms"));
        for segment in self.state.book.iter() {
            assert_eq!(live.members(segment.id), self.state.live.members(segment.id), "{}", segment.name);
        }
        // Three times, as the first time memory is had from the system.
        let ids: Vec<SegmentId> = self.state.book.iter().map(|segment| segment.id).collect();
        let times = [(); 3].map(|()| {
            let watch = Instant::now();
            let members = self.state.live.members_afresh(self.state.facts(), &ids);
            let millis = watch.elapsed().as_secs_f64() * 1e3;
            assert_eq!(members.len(), ids.len());
            millis
        });
        row("every segment afresh from the sets of its predicates", format!("{:.0} ms", times[2]));
        let watch = Instant::now();
        self.state.live.check(self.state.facts(), self.state.as_of).expect("the laws hold");
        row("check of all laws of segments", format!("{:.0} ms", watch.elapsed().as_secs_f64() * 1e3));
    }
}

fn name(name: &str) -> Name {
    Name::new(name).expect("the name is well formed")
}
