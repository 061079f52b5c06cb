//! Reads under writes: every answer says as of which write it is, is what the naive database says as of that write, is
//! never older than what was acknowledged before it was asked for, and never older than the client's answer before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use throng::{
    model::{
        calendar::Zone,
        name::ContactKey,
        number::Number,
        request::{
            ContactWrite, EventWrite, Input, MembersEdit, MembersMode, Request, RuleSource, SegmentCreate,
            SegmentSource, SegmentUpdate, WriteMode,
        },
        schema::Schema,
        time::Timestamp,
    },
    rule,
};

use crate::support::{
    generate::Dice,
    generate_schema::name,
    naive::{Members, Naive},
    questions::{Answer, Ask, Asker, CLIENTS, KEYS, RULES, SEGMENTS, ask, contact, expected, lsn_of, parsed},
    server::{Server, agent},
};

const NOW: &str = "2026-05-01T00:00:00Z";
/// Calls of each client before a cut, and cuts of each history.
const CALLS: usize = 250;
const CUTS: usize = 3;
const HISTORIES: u64 = 6;

/// A write as both sides hear it.
struct Told {
    request: Request,
    method: &'static str,
    path: String,
    body: Value,
}

/// An answer to a read.
struct Seen {
    lsn: u64,
    /// What was acknowledged to anyone before it was asked for, and the client's last answer.
    floor: (u64, u64),
    asked: Ask,
    answer: Answer,
}

fn key(text: &str) -> ContactKey {
    ContactKey::new(text).unwrap()
}

fn as_json(text: &str) -> RuleSource {
    RuleSource::Json(rule::to_json(&parsed(text)).to_string().into())
}

/// What a client knows, and of a writing one what it knows of its own contacts.
#[derive(Default)]
struct Mine {
    /// Calls made.
    sent: usize,
    /// The newest write that it was told of.
    newest: u64,
    known: BTreeSet<String>,
    listed: BTreeSet<String>,
    /// Whether it is pinned in or out.
    pinned: BTreeMap<String, bool>,
}

/// One writing client's next call.
fn write(dice: &mut Dice, client: usize, mine: &mut Mine) -> Told {
    let Mine { sent, known, listed, pinned, .. } = mine;
    let sent = *sent;
    let contact = contact(client, dice.below(KEYS));
    let path = format!("/v1/contacts/{contact}");
    let (score, tag) = (dice.between(0, 100), *dice.pick(&["VIP", "new", "old"]));
    let values = |values: Vec<(&str, Input)>| values.into_iter().map(|(at, input)| (name(at), input)).collect();
    let merged = |mode, list| Request::Contact(ContactWrite { key: key(&contact), mode, values: values(list) });
    let scored = || ("lead_score", Input::Number(Number::from_int(score)));
    match dice.below(100) {
        0..20 => {
            known.insert(contact.clone());
            let request =
                merged(WriteMode::Replace, vec![scored(), ("tags", Input::List(vec![Input::Text(tag.into())]))]);
            Told { request, method: "PUT", path, body: json!({"lead_score": score, "tags": [tag]}) }
        }
        20..35 => {
            known.insert(contact.clone());
            let request = merged(WriteMode::Merge, vec![scored()]);
            Told { request, method: "PATCH", path, body: json!({"lead_score": score}) }
        }
        35..50 => {
            known.insert(contact.clone());
            let (add, remove) = (vec![Input::Text(tag.into())], vec![Input::Text("old".into())]);
            let body = json!({"tags": {"add": [tag], "remove": ["old"]}});
            Told {
                request: merged(WriteMode::Merge, vec![("tags", Input::Edit { add, remove })]),
                method: "PATCH",
                path,
                body,
            }
        }
        50..80 => {
            known.insert(contact.clone());
            event(dice, contact, format!("{client}-{sent}"))
        }
        80..88 if known.contains(&contact) => {
            known.remove(&contact);
            listed.remove(&contact);
            pinned.remove(&contact);
            Told { request: Request::Erase(key(&contact)), method: "DELETE", path, body: Value::Null }
        }
        88..94 if known.contains(&contact) => {
            let is_new = listed.insert(contact.clone());
            if !is_new {
                listed.remove(&contact);
            }
            let how = if is_new { (MembersMode::Add, "add") } else { (MembersMode::Remove, "remove") };
            edit("list", how, contact)
        }
        94..97 if known.contains(&contact) => {
            let is_in = !pinned.get(&contact).copied().unwrap_or(dice.chance(50));
            pinned.insert(contact.clone(), is_in);
            let how = if is_in { (MembersMode::Include, "include") } else { (MembersMode::Exclude, "exclude") };
            edit("buyers", how, contact)
        }
        _ => {
            // A bound that no other call has, so that the rule is never the one that it was.
            let rule = format!("lead_score > {}.{client}{sent:04}", 30 + sent % 40);
            let update =
                SegmentUpdate { segment: "high".into(), name: None, description: None, rule: Some(as_json(&rule)) };
            Told {
                request: Request::UpdateSegment(update),
                method: "PATCH",
                path: "/v1/segments/high".into(),
                body: json!({"rule": rule}),
            }
        }
    }
}

/// An event of the last twenty days.
fn event(dice: &mut Dice, contact: String, id: String) -> Told {
    let kind = *dice.pick(&["purchase", "purchase", "conversation", "ticket_opened", "ticket_closed"]);
    let at = Timestamp::parse(NOW).unwrap().plus_ms(-dice.between(0, 20 * 86_400) * 1_000);
    let amount = dice.between(1, 60);
    let (properties, told) = match kind {
        "purchase" => (vec![(name("amount"), Input::Number(Number::from_int(amount)))], json!({"amount": amount})),
        _ => (vec![], json!({})),
    };
    let body = json!({"id": id, "contact": contact, "event": kind, "at": at.to_string(), "properties": told});
    let (id, at) = (Some(id.into()), Some(at));
    let write = EventWrite { id, contact: key(&contact), event: name(kind), at, properties };
    Told { request: Request::Event(write), method: "POST", path: "/v1/events".into(), body }
}

/// An edit of a list or of pins.
fn edit(segment: &str, (mode, word): (MembersMode, &str), contact: String) -> Told {
    let edits = vec![(mode, vec![key(&contact)])];
    let request = Request::EditMembers(MembersEdit { segment: segment.into(), edits, create: false });
    let path = format!("/v1/segments/{segment}/members");
    Told { request, method: "POST", path, body: json!({word: [contact]}) }
}

/// What the clients of one round wrote, by the write's number, what they saw, and what they wrote without an answer.
#[derive(Default)]
struct Round {
    written: BTreeMap<u64, Request>,
    seen: Vec<Seen>,
    /// With the newest write that their client had been told of.
    unanswered: Vec<(u64, Request)>,
}

/// One client's calls, up to the cut.
fn run(
    asker: &Asker<'_>,
    number: usize,
    mut dice: Dice,
    mine: &mut Mine,
    newest: &AtomicU64,
    cut: &AtomicBool,
) -> Round {
    let mut round = Round::default();
    for _ in 0..CALLS {
        mine.sent += 1;
        if number.is_multiple_of(2) && dice.chance(50) {
            let Told { request, method, path, body } = write(&mut dice, number, mine);
            let Some(reply) = asker.send(method, &path, &body).filter(|_| !cut.load(Ordering::SeqCst)) else {
                // What is acknowledged after the cut does not count.
                round.unanswered.push((mine.newest, request));
                return round;
            };
            assert!(reply.status < 300, "{method} {path} {body}: {} {}", reply.status, reply.text);
            let named = if reply.text.is_empty() { Value::Null } else { reply.json()["lsn"].clone() };
            let lsn = named.as_u64().unwrap_or_else(|| lsn_of(&reply));
            assert!(lsn > mine.newest && lsn <= lsn_of(&reply), "a write comes after what its client knew");
            mine.newest = lsn;
            newest.fetch_max(lsn, Ordering::SeqCst);
            assert!(round.written.insert(lsn, request).is_none(), "two writes have one number");
        } else {
            let asked = ask(&mut dice);
            let floor = (newest.load(Ordering::SeqCst), mine.newest);
            let Some((lsn, answer)) = asker.ask(&asked) else { return round };
            mine.newest = mine.newest.max(lsn);
            round.seen.push(Seen { lsn, floor, asked, answer });
        }
    }
    round
}

/// All clients at once, and snapshots; if the round is cut, the server is killed at a random moment.
fn all_run(server: &mut Server, dice: &mut Dice, mine: &mut [Mine], newest: &AtomicU64, is_cut: bool) -> Round {
    let (cut, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (url, wait) = (server.url.clone(), dice.between(30, 500) as u64);
    let mut round = Round::default();
    thread::scope(|scope| {
        let (url, cut, over) = (url.as_str(), &cut, &over);
        let clients: Vec<_> = mine
            .iter_mut()
            .enumerate()
            .map(|(number, mine)| {
                let dice = Dice::new(dice.seed());
                scope.spawn(move || run(&Asker { agent: agent(), url }, number, dice, mine, newest, cut))
            })
            .collect();
        let snapshots = scope.spawn(move || {
            let asker = Asker { agent: agent(), url };
            while !over.load(Ordering::SeqCst) && asker.send("POST", "/v1/snapshot", &Value::Null).is_some() {}
        });
        if is_cut {
            thread::sleep(Duration::from_millis(wait));
            cut.store(true, Ordering::SeqCst);
            server.kill();
        }
        for client in clients {
            let Round { written, seen, unanswered } = client.join().expect("a client ends");
            let count = round.written.len() + written.len();
            round.written.extend(written);
            assert_eq!(round.written.len(), count, "two writes have one number");
            round.seen.extend(seen);
            round.unanswered.extend(unanswered);
        }
        over.store(true, Ordering::SeqCst);
        snapshots.join().expect("the snapshots end");
    });
    round.seen.sort_by_key(|seen| seen.lsn);
    round
}

/// Makes the writes of a round one after the other, and compares every answer with the state as of the write it names.
fn replay(naive: &Naive, base: u64, written: &BTreeMap<u64, Request>, seen: &[Seen]) -> Result<Naive, String> {
    let (mut naive, mut writes, mut at) = (naive.clone(), written.iter(), base);
    let mut step = |naive: &mut Naive, at: &mut u64| -> Result<(), String> {
        let (number, request) = writes.next().ok_or_else(|| format!("no write came after {at}"))?;
        assert_eq!(*number, *at + 1, "writes are numbered without a gap");
        naive.write(request).map_err(|why| format!("{number} {request:?} is refused: {why:?}"))?;
        *at = *number;
        Ok(())
    };
    for Seen { lsn, floor, asked, answer } in seen {
        if *lsn < floor.0.max(floor.1) {
            return Err(format!("{asked:?} is as of {lsn}; acknowledged and seen before it was {floor:?}"));
        }
        while at < *lsn {
            step(&mut naive, &mut at)?;
        }
        let wanted = expected(&naive, asked);
        if *answer != wanted {
            return Err(format!("{asked:?} as of {lsn}: {answer:?}, and not {wanted:?}"));
        }
    }
    while at < base + written.len() as u64 {
        step(&mut naive, &mut at)?;
    }
    Ok(naive)
}

/// Every way to give the numbers that nobody was told to writes without an answer.
fn assignments(missing: &[u64], unanswered: &[(u64, Request)]) -> Vec<BTreeMap<u64, Request>> {
    let Some((number, rest)) = missing.split_first() else { return vec![BTreeMap::new()] };
    let mut all = vec![];
    // A client's call comes after what it had been told.
    for (place, (_, request)) in unanswered.iter().enumerate().filter(|(_, (after, _))| after < number) {
        let others: Vec<_> =
            unanswered.iter().enumerate().filter(|(n, _)| *n != place).map(|(_, it)| it.clone()).collect();
        for mut way in assignments(rest, &others) {
            way.insert(*number, request.clone());
            all.push(way);
        }
    }
    all
}

/// The states after a round under which every answer is right. There may be several: whether a write without an answer
/// was done may show only later, such as the end of a ticket that is opened, at an earlier instant, by a later write.
fn judged(seed: u64, before: &[Naive], base: u64, last: u64, round: Round) -> Vec<Naive> {
    let Round { written, seen, unanswered } = round;
    let missing: Vec<u64> = (base + 1..=last).filter(|number| !written.contains_key(number)).collect();
    assert!(written.last_key_value().is_none_or(|(number, _)| *number <= last), "seed {seed}: a write was lost");
    let mut told = format!("{} writes and {} without an answer", missing.len(), unanswered.len());
    let mut after = vec![];
    for way in assignments(&missing, &unanswered) {
        told.push_str(&format!("\n{way:?}: "));
        let mut all = written.clone();
        all.extend(way);
        for naive in before {
            match replay(naive, base, &all, &seen) {
                Ok(naive) => after.push(naive),
                Err(why) => told.push_str(&why),
            }
        }
    }
    assert!(!after.is_empty(), "seed {seed}, after {base}: {told}");
    after
}

fn founded(server: &Server) -> (Naive, u64) {
    let mut naive = Naive::new(Schema::starter(Zone::utc()), Timestamp::parse(NOW).unwrap());
    let mut create = |segment: &str, source| {
        naive
            .write(&Request::CreateSegment(SegmentCreate { name: segment.into(), description: None, source }))
            .unwrap();
    };
    for (segment, rule) in SEGMENTS {
        server.ok("POST", "/v1/segments", json!({"name": segment, "rule": rule}));
        create(segment, SegmentSource::Rule(as_json(rule)));
    }
    let made = server.ok("POST", "/v1/segments", json!({"name": "list", "kind": "static", "members": []}));
    create("list", SegmentSource::Members(vec![]));
    (naive, made["lsn"].as_u64().unwrap())
}

/// Asks for all that there is.
fn everything(server: &Server, floor: u64) -> Vec<Seen> {
    let asker = Asker { agent: agent(), url: &server.url };
    let contacts = (0..CLIENTS).step_by(2).flat_map(|client| (0..KEYS).map(move |n| contact(client, n)));
    let each = contacts.flat_map(|contact| [Ask::Contact(contact.clone()), Ask::Segments(contact)]);
    let members = SEGMENTS.iter().map(|(segment, _)| *segment).chain(["list"]).map(Ask::Members);
    let questions = each.chain(members).chain((0..RULES.len()).map(Ask::Paged)).chain([Ask::Listed]);
    let seen = |asked: Ask| {
        let (lsn, answer) = asker.ask(&asked).expect("the server answers");
        Seen { lsn, floor: (floor, floor), asked, answer }
    };
    questions.map(seen).collect()
}

/// What a writing client finds of its own after a cut.
fn found(naive: &Naive, number: usize, mine: &mut Mine) {
    let own = |key: &String| key.starts_with(&format!("w{number}-"));
    mine.known = naive.contacts.iter().map(|contact| contact.key.clone()).filter(own).collect();
    let saved = |name: &str| naive.segments.iter().find(|saved| saved.name == name).expect("it is there");
    let Members::List(list) = &saved("list").members else { panic!("a list") };
    mine.listed = list.iter().filter(|key| own(key)).cloned().collect();
    let pins = |keys: &BTreeSet<String>, is_in| {
        keys.iter().filter(|key| own(key)).map(|key| (key.clone(), is_in)).collect::<Vec<_>>()
    };
    let buyers = saved("buyers");
    mine.pinned = pins(&buyers.include, true).into_iter().chain(pins(&buyers.exclude, false)).collect();
}

/// One history with cuts; gives the numbers of writes, of reads, and of writes that were done without an answer.
fn history(seed: u64) -> [usize; 3] {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start(&data, &["--clock", NOW]);
    let (naive, mut base) = founded(&server);
    let mut states = vec![naive];
    let mut dice = Dice::new(seed);
    let mut mine: Vec<Mine> = (0..CLIENTS).map(|_| Mine::default()).collect();
    let newest = AtomicU64::new(base);
    let mut told = [0; 3];
    for place in 0..=CUTS {
        let mut round = all_run(&mut server, &mut dice, &mut mine, &newest, place < CUTS);
        if place < CUTS {
            server = Server::start(&data, &["--clock", NOW]);
        }
        let last = server.ok("GET", "/v1/status", Value::Null)["lsn"].as_u64().unwrap();
        round.seen.extend(everything(&server, newest.load(Ordering::SeqCst)));
        let counts = [round.written.len(), round.seen.len(), (last - base) as usize - round.written.len()];
        told.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        states = judged(seed, &states, base, last, round);
        base = last;
        newest.fetch_max(base, Ordering::SeqCst);
        mine.iter_mut().enumerate().for_each(|(number, mine)| found(&states[0], number, mine));
    }
    told
}

#[test]
fn every_answer_is_as_of_the_write_it_names() {
    let mut sums = [0; 3];
    for seed in 1..=HISTORIES {
        sums.iter_mut().zip(history(seed)).for_each(|(sum, count)| *sum += count);
    }
    let [writes, reads, unanswered] = sums;
    println!(
        "{HISTORIES} histories of {CLIENTS} clients with {CUTS} kills each: {writes} writes acknowledged, {unanswered} \
         done without an answer, {reads} answers"
    );
    assert!(writes > 1_000 && reads > 5_000, "{writes} writes, {reads} reads");
}
