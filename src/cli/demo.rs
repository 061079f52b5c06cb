//! `throng demo`: a million contacts, the example segments, and a server, by one command.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    cli::{
        failure::Failure,
        generate::person::{Deed, Person, person},
        query::print,
        serve::{self, Access},
        show,
    },
    db::{clock::Stopwatch, clock::system_now, database::Database, keys::Keyring, options::Options},
    http::{
        audit::Audit,
        guard::Hosts,
        rates::Rates,
        serve::{Manners, Server},
        tracking_map::Mapping,
    },
    model::{
        currency::Currency,
        name::{ContactKey, Name},
        number::Number,
        request::{ContactWrite, EventWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode},
        time::Timestamp,
    },
    webhook::{registry::Settings, target::Reach},
};

/// Records of one batch.
const BATCH: u64 = 4_096;

/// The example segments: name, rule.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("High-value customers", "Purchase Total > $1000\nAND Has Tag \"Customer\"\nAND Last Activity < 90 days ago"),
    ("At-risk customers", "Has Tag \"Customer\"\nAND Last Activity > 30 days ago\nAND No conversation in 60 days"),
    ("Hot leads", "Lead Score > 70\nAND Status = \"Active\"\nAND Created < 14 days ago"),
    ("Newsletter", "Has Tag \"Newsletter\"\nAND Email Consent = true"),
    ("US customers or top leads", "(Tag = \"Customer\" AND Country = \"US\")\nOR\n(Lead Score > 80)"),
];

/// Make a data folder of realistic contacts, ask the example segments, and serve it.
#[derive(Args, Debug)]
pub struct Demo {
    /// How many contacts.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    contacts: u64,
    /// The seed of the data.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The data folder; one that holds contacts already is used as it is.
    #[arg(long, value_name = "DIR", default_value = "snapshots/local/demo")]
    data: PathBuf,
    /// The address to serve on.
    #[arg(long, value_name = "ADDRESS", default_value = serve::DEFAULT_ADDRESS)]
    listen: SocketAddr,
    /// Stop after the figures instead of serving.
    #[arg(long)]
    no_serve: bool,
}

impl Demo {
    /// Makes the data, asks, and serves until told to stop.
    pub fn run(self) -> Result<(), Failure> {
        let keys = Keyring::open(&self.data)?;
        let server = if self.no_serve {
            None
        } else {
            Some(serve::bind(self.listen, keys.is_keyed(), Manners::default(), None)?)
        };
        let folder = Options::folder(&self.data);
        let db = Database::open(folder)?;
        let found = db.status().contacts;
        if found == 0 {
            self.fill(&db)?;
        } else {
            print(&format!("{} holds {} contacts already", self.data.display(), show::grouped(found)))?;
        }
        save_examples(&db)?;
        ask(&db)?;
        let snapshot = db.snapshot()?;
        let (size, took) = (show::bytes(snapshot.bytes), show::duration(snapshot.took_us));
        print(&format!("\nA snapshot was written to {}: {size} in {took}.", self.data.display()))?;
        match server {
            Some(server) => {
                let next = next_steps(&server, &self.data);
                let webhooks = Settings { reach: Reach::Loopback, ..Settings::default() };
                let access = Access { keys, rates: Rates::default(), audit: Audit::default(), hosts: Hosts::default() };
                serve::serve(server, db, webhooks, access, Mapping::default(), || drop(print(&next)))
            }
            None => Ok(db.close()?),
        }
    }

    fn fill(&self, db: &Database) -> Result<(), Failure> {
        let until = Timestamp(system_now().0 / 1_000 * 1_000);
        let watch = Stopwatch::start();
        let bar = show::bar(self.contacts, "contacts").with_message("making contacts");
        let (mut events, mut from) = (0, 0);
        while from < self.contacts {
            let to = (from + BATCH).min(self.contacts);
            let mut requests = Vec::with_capacity(8 * BATCH as usize);
            for number in from..to {
                let (who, deeds) = person(self.seed, number, until);
                events += deeds.len() as u64;
                requests.extend(requests_of(&who, &deeds)?);
            }
            for result in db.write(requests)?.results {
                result.map_err(|refusal| Failure::operator(refusal.to_string()))?;
            }
            from = to;
            bar.set_position(from);
        }
        bar.finish_and_clear();
        let seconds = watch.elapsed().as_secs_f64();
        let rate = show::grouped(((self.contacts + events) as f64 / seconds) as u64);
        let (contacts, events) = (show::grouped(self.contacts), show::grouped(events));
        print(&format!(
            "{contacts} contacts with {events} events were made, each synced: {seconds:.1} s, {rate} records/s"
        ))
    }
}

fn name(word: &str) -> Result<Name, Failure> {
    Name::new(word).map_err(|error| Failure::operator(error.to_string()))
}

/// What to write for one person.
fn requests_of(who: &Person, deeds: &[Deed]) -> Result<Vec<Request>, Failure> {
    let key = ContactKey::new(&who.key).map_err(|error| Failure::operator(error.to_string()))?;
    let text = |value: &str| Input::Text(value.into());
    let optional = |value: &Option<String>| value.as_deref().map(text);
    let values = [
        ("name", Some(text(&who.name))),
        ("email", optional(&who.email)),
        ("phone", optional(&who.phone)),
        ("company", optional(&who.company)),
        ("city", Some(text(who.city))),
        ("country", Some(text(who.country))),
        ("language", Some(text(who.language))),
        ("status", Some(text(who.status))),
        ("plan", who.plan.map(text)),
        ("tags", Some(Input::List(who.tags.iter().map(|tag| text(tag)).collect()))),
        ("email_consent", who.email_consent.map(Input::Flag)),
        ("lead_score", who.lead_score.map(|score| Input::Number(Number::from_int(i64::from(score))))),
        ("created", Some(text(&who.created.to_string()))),
    ];
    let named = values.into_iter().filter_map(|(word, value)| value.map(|value| Ok((name(word)?, value))));
    let values = named.collect::<Result<Vec<_>, Failure>>()?;
    let mut requests = vec![Request::Contact(ContactWrite { key: key.clone(), mode: WriteMode::Merge, values })];
    for deed in deeds {
        let mut properties = vec![(name(deed.label.0)?, text(deed.label.1))];
        if let Some(cents) = deed.amount {
            properties.push((name("amount")?, text(&Currency::USD.format_minor(cents))));
        }
        requests.push(Request::Event(EventWrite {
            id: None,
            contact: key.clone(),
            event: name(deed.event)?,
            at: Some(deed.at),
            properties,
        }));
    }
    Ok(requests)
}

fn save_examples(db: &Database) -> Result<(), Failure> {
    let view = db.view();
    let missing = EXAMPLES.iter().filter(|(name, _)| view.segment(name).is_none());
    let creates = missing.map(|(name, rule)| {
        let source = SegmentSource::Rule(RuleSource::Text((*rule).into()));
        Request::CreateSegment(SegmentCreate { name: (*name).into(), description: None, source })
    });
    let creates: Vec<Request> = creates.collect();
    if creates.is_empty() {
        return Ok(());
    }
    for result in db.write(creates)?.results {
        result.map_err(|refusal| Failure::operator(refusal.to_string()))?;
    }
    Ok(())
}

/// Asks each example afresh and prints its count, its time and a few members.
fn ask(db: &Database) -> Result<(), Failure> {
    let view = db.view();
    let mut rows = Vec::new();
    for (name, text) in EXAMPLES {
        let rule = view.parse_rule(&RuleSource::Text((*text).into())).map_err(crate::db::error::Error::Rule)?;
        let watch = Stopwatch::start();
        let count = view.count(&rule, None)?;
        let took = show::duration(watch.elapsed_us());
        let members = view.members(name)?.keys(None, 3).items.join(", ");
        rows.push(vec![(*name).to_owned(), text.replace('\n', " "), show::grouped(count), took, members]);
    }
    print(&show::table(&["segment", "rule", "count", "time", "some members"], rows))
}

fn next_steps(server: &Server, data: &Path) -> String {
    let data = data.display();
    let url = format!("http://{}", server.address());
    format!(
        "\nServing on {url}. Open {url}/ in a browser, or try, in another terminal:\n\n  \
         curl {url}/v1/segments\n  \
         curl {url}/v1/query --json '{{\"rule\":\"Has tag VIP AND Purchased in last 30 days\",\"return\":\"keys\",\"limit\":5}}'\n  \
         curl {url}/v1/contacts/c0000042/segments\n  \
         throng query --url {url} 'Country in (US, DE) AND Lead Score > 90' --explain\n  \
         throng watch --url {url}\n\n\
         Stop with Ctrl-C; start again with: throng serve --data {data}"
    )
}
