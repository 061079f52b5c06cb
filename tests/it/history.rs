//! Random histories: the same requests to the engine and to the naive database, batch after batch. Both must judge
//! alike and hold the same contacts, events, derived values and members; the log replayed twice, with images taken on
//! the way, must end in the same bytes.

use throng::{
    codec::section::MemoryImage,
    engine::{admit::admit, apply::apply, command::Stamp, record, state::State},
    model::{
        calendar::Zone,
        id::Lsn,
        request::{EventPatch, EventPropertyPatch, PropertyPatch, Request, SchemaPatch},
        schema::{EventProperty, Schema},
        time::Timestamp,
        value::ValueType,
    },
    query::bind::bind,
    rule::{self, ast::Rule},
};

use crate::{
    facts,
    support::{
        generate::{Dice, NOWS, ZONES},
        generate_request, generate_rule, generate_schema,
        long::{asked, on_all_cores},
        naive::{Members, Naive, Saved},
    },
};

const BATCHES: usize = 25;

#[test]
fn histories_leave_the_same_behind() {
    let (first, histories) = (asked("THRONG_HISTORY_SEED", 0), asked("THRONG_HISTORIES", 150));
    on_all_cores(histories, &|number| History::new(first + number).run());
    println!("seed {first}: {histories} histories of {BATCHES} batches");
}

struct History {
    seed: u64,
    dice: Dice,
    state: State,
    naive: Naive,
    /// Every batch as it is logged.
    log: Vec<Vec<u8>>,
    /// A second state that follows by replay, and now and then through an image.
    follower: State,
}

impl History {
    fn new(seed: u64) -> History {
        let mut dice = Dice::new(seed);
        let zone = Zone::named(dice.pick::<&str>(ZONES)).unwrap();
        let now = Timestamp::parse(dice.pick::<&str>(NOWS)).unwrap();
        let wanted = generate_schema::schema(&mut dice, zone.clone());
        let naive = Naive::new(wanted.clone(), now);
        let mut history = History { seed, dice, state: State::empty(), naive, log: vec![], follower: State::empty() };
        history.engine(now, &[Request::Found(zone)]);
        history.engine(now, &[Request::Schema(patch(&wanted))]);
        assert_eq!(*history.state.schema, wanted, "seed {seed}: a schema declared by a patch");
        history
    }

    fn run(mut self) {
        for batch in 0..BATCHES {
            let at = self.next_instant();
            let mut requests = vec![Request::Tick(at)];
            for _ in 0..self.dice.below(14) {
                requests.push(generate_request::request(&mut self.dice, &self.naive));
            }
            let said = self.engine(at, &requests);
            self.naive.advance(at);
            for (request, said) in requests.iter().zip(said) {
                let wanted = self.naive.write(request);
                assert_eq!(said, wanted, "seed {}, batch {batch} at {at}: {request:#?}", self.seed);
            }
            self.compare(batch);
        }
        self.replay();
    }

    /// Sometimes no time at all, sometimes just to where a future event comes due, or one millisecond short of it.
    fn next_instant(&mut self) -> Timestamp {
        let (dice, as_of) = (&mut self.dice, self.naive.as_of);
        let ahead = self.naive.contacts.iter().flat_map(|contact| &contact.events).map(|event| event.at);
        let next = ahead.filter(|at| *at > as_of).min();
        match (dice.below(6), next) {
            (0, _) => as_of,
            (1, Some(next)) => next,
            (2, Some(next)) => next.plus_ms(-1).max(as_of),
            (3, _) => as_of.plus_ms(dice.between(0, 2_000)),
            (4, _) => as_of.plus_ms(dice.between(0, 30 * 86_400_000)),
            _ => as_of.plus_ms(dice.between(0, 3_600_000)),
        }
        .min(Timestamp::parse("2200-01-01T00:00:00Z").unwrap())
    }

    /// Puts a batch through admission, the log's bytes and replay.
    fn engine(&mut self, at: Timestamp, requests: &[Request]) -> Vec<crate::support::writes::Judged> {
        let stamp = Stamp { lsn: Lsn(self.state.lsn.0 + 1), at };
        let admitted = admit(&mut self.state, stamp, requests, None);
        self.state.check().unwrap_or_else(|law| panic!("seed {}: {law}", self.seed));
        let bytes = record::encode(at, &admitted.batch);
        let (when, batch) = record::decode(&bytes).unwrap();
        assert_eq!((when, &batch), (at, &admitted.batch), "seed {}: a record comes back", self.seed);
        let outcome = apply(&mut self.follower, stamp, &batch);
        assert_eq!(outcome, admitted.outcome, "seed {}: what applying did", self.seed);
        if self.dice.chance(15) {
            self.follower = State::decode(&image(&self.follower)).unwrap_or_else(|why| panic!("{why}"));
        }
        self.log.push(bytes);
        admitted.results.into_iter().map(|result| result.map_err(|refusal| refusal.kind)).collect()
    }

    fn compare(&mut self, batch: usize) {
        let (seed, at) = (self.seed, self.naive.as_of);
        assert_eq!(*self.state.schema, self.naive.schema, "seed {seed}, batch {batch}");
        facts::same(seed, &self.naive, &self.state.index);
        for place in 0..self.naive.segments.len() {
            let name = self.naive.segments[place].name.clone();
            self.ask(batch, &Rule::Segment(name.into()), at);
        }
        for _ in 0..4 {
            let rule = generate_rule::rule(&mut self.dice, &self.naive, 5);
            let later = at.plus_ms(if self.dice.chance(30) { self.dice.between(0, 10_000_000_000) } else { 0 });
            self.ask(batch, &rule, later);
        }
    }

    fn ask(&self, batch: usize, rule: &Rule, now: Timestamp) {
        let text = rule::print(rule);
        let plan =
            bind(rule, &self.state.context(&self.state.holding(), now)).unwrap_or_else(|why| panic!("{why}: {text}"));
        let answer = plan.evaluate(&self.state.index);
        let key = |id| self.state.index.directory().key(throng::model::id::ContactId(id));
        let found: Vec<&str> = answer.iter().map(key).collect();
        let wanted = self.naive.members(rule, now);
        if found != wanted {
            panic!("{}", self.disagreement(batch, rule, now, &found, &wanted));
        }
    }

    /// The rule, those behind the segments that it names, and the first contact on which the two sides differ.
    fn disagreement(&self, batch: usize, rule: &Rule, now: Timestamp, found: &[&str], wanted: &[&str]) -> String {
        let wrong = self.naive.contacts.iter().find(|contact| {
            let key = contact.key.as_str();
            found.contains(&key) != wanted.contains(&key)
        });
        let saved: Vec<String> = self.naive.segments.iter().map(shown).collect();
        format!(
            "seed {}, batch {batch}, now {now}, clock {} in {}: the product says {found:?}, not {wanted:?}\n{}\n{}\n{wrong:#?}",
            self.seed,
            self.naive.as_of,
            self.naive.schema.zone().name(),
            rule::print(rule),
            saved.join("\n"),
        )
    }

    /// The log from its beginning, and the follower, which went through images, end in the same bytes.
    fn replay(self) {
        let mut again = State::empty();
        for (place, bytes) in self.log.iter().enumerate() {
            let (at, batch) = record::decode(bytes).unwrap();
            apply(&mut again, Stamp { lsn: Lsn(place as u64 + 1), at }, &batch);
        }
        let first = image(&self.state);
        assert!(image(&again) == first, "seed {}: the log replayed ends in another image", self.seed);
        let through = State::decode(&first).unwrap();
        assert!(image(&through) == first, "seed {}: an image read and written is another", self.seed);
        assert!(image(&self.follower) == first, "seed {}: going on from an image ends in another", self.seed);
        facts::same(self.seed, &self.naive, &self.follower.index);
    }
}

fn shown(saved: &Saved) -> String {
    let Saved { name, members, include, exclude } = saved;
    let members = match members {
        Members::Rule(rule) => rule::print(rule),
        Members::List(keys) => format!("{keys:?}"),
    };
    format!("{name}: {members}, in {include:?}, out {exclude:?}")
}

/// The image of a state.
pub fn image(state: &State) -> MemoryImage {
    let mut image = MemoryImage::default();
    state.encode(&mut image).expect("memory takes everything");
    image
}

/// What turns the starter schema into another that holds it.
pub fn patch(wanted: &Schema) -> SchemaPatch {
    let starter = Schema::starter(wanted.zone().clone());
    let currency = |ty: ValueType| if let ValueType::Money(currency) = ty { Some(currency) } else { None };
    let mut patch = SchemaPatch::default();
    for property in wanted.properties().filter(|property| starter.property(property.name.as_str()).is_none()) {
        let change = PropertyPatch {
            ty: Some(property.ty.name().into()),
            currency: currency(property.ty),
            aliases: Some(property.aliases.clone()),
            case_sensitive: property.case_sensitive.then_some(true),
            derived: property.derived.clone().map(Some),
        };
        patch.properties.push((property.name.clone(), Some(change)));
    }
    for kind in wanted.events().filter(|kind| starter.event(kind.name.as_str()).is_none()) {
        let of = |property: &EventProperty| EventPropertyPatch {
            ty: Some(property.ty.name().into()),
            currency: currency(property.ty),
            case_sensitive: property.case_sensitive.then_some(true),
        };
        let change = EventPatch {
            phrases: Some(kind.phrases.clone()),
            negative: Some(kind.negative.clone()),
            label: Some(kind.label.clone()),
            activity: Some(kind.activity),
            properties: kind.properties.iter().map(|p| (p.name.clone(), Some(of(p)))).collect(),
        };
        patch.events.push((kind.name.clone(), Some(change)));
    }
    patch
}
