//! `throng generate`: realistic data of any size, the same for the same seed.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    cli::{
        failure::Failure,
        generate::person::{Deed, Person, person},
        query::print,
        show,
    },
    model::{currency::Currency, time::Timestamp},
};

pub mod person;
pub mod words;

/// The instant before which everything happened, unless another is named.
pub const UNTIL: &str = "2026-05-01T00:00:00Z";

/// Write realistic data of any size to files, the same for the same seed.
#[derive(Args, Debug)]
#[command(
    after_help = "Writes contacts.csv (14 columns, about three tags each) and events.ndjson (about five events each).\n\
    Countries, tags and domains follow Zipf's law, activity leans towards the present, purchases have a heavy tail.\n\n\
    With --plain: contacts.csv alone, keys of 16 bytes, eight properties without free text, and the tags.\n\n\
    Examples:\n  throng generate --contacts 10000000 --out big\n  throng import big/contacts.csv --events big/events.ndjson --data big/data\n  \
    throng generate --contacts 100000000 --plain --out huge"
)]
pub struct Generate {
    /// How many contacts.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    contacts: u64,
    /// The seed; the same seed gives the same bytes.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The folder to write to; made when it is not there.
    #[arg(long, value_name = "DIR", default_value = "generated")]
    out: PathBuf,
    /// Everything happened before this instant.
    #[arg(long, value_name = "INSTANT", default_value = UNTIL, value_parser = |text: &str| Timestamp::parse(text).map_err(|error| error.to_string()))]
    until: Timestamp,
    /// Contacts without texts of their own and without events: what fits a machine a hundred million times.
    #[arg(long)]
    plain: bool,
}

impl Generate {
    /// Writes the files.
    pub fn run(self) -> Result<(), Failure> {
        if self.plain {
            let path = plain_file(&self.out, self.contacts, self.seed, self.until)?;
            return print(&format!("{}: {} contacts", path.display(), show::grouped(self.contacts)));
        }
        let files = files(&self.out, self.contacts, self.seed, self.until)?;
        print(&format!("{}: {} contacts", files.contacts.display(), show::grouped(self.contacts)))?;
        print(&format!("{}: {} events", files.events.display(), show::grouped(files.event_count)))
    }
}

/// What was generated.
pub struct Files {
    /// The contacts, as CSV.
    pub contacts: PathBuf,
    /// The events, as NDJSON.
    pub events: PathBuf,
    /// How many events.
    pub event_count: u64,
}

/// A file that is being written.
struct Sheet {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Sheet {
    /// Begins a file in a folder, which is made when it is not there.
    fn create(folder: &Path, name: &str) -> Result<Sheet, Failure> {
        let path = folder.join(name);
        let created = fs::create_dir_all(folder).and_then(|()| File::create(&path));
        let file = created.map_err(|error| cannot(&path, error))?;
        Ok(Sheet { path, file: BufWriter::with_capacity(1 << 20, file) })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| cannot(&self.path, error))
    }

    fn finish(mut self) -> Result<PathBuf, Failure> {
        self.file.flush().map_err(|error| cannot(&self.path, error))?;
        Ok(self.path)
    }
}

fn cannot(path: &Path, error: std::io::Error) -> Failure {
    Failure::operator(format!("{} cannot be written: {error}", path.display()))
}

/// Calls `f` with the number of every contact, and shows how far it is.
fn for_each(contacts: u64, mut f: impl FnMut(u64) -> Result<(), Failure>) -> Result<(), Failure> {
    let bar = show::bar(contacts, "contacts").with_message("generating");
    for number in 0..contacts {
        f(number)?;
        if number % 4_096 == 0 {
            bar.set_position(number);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn plain_file(folder: &Path, contacts: u64, seed: u64, until: Timestamp) -> Result<PathBuf, Failure> {
    let mut table = Sheet::create(folder, "contacts.csv")?;
    table.put(PLAIN_HEADER.as_bytes())?;
    let mut row = Vec::new();
    for_each(contacts, |number| {
        row.clear();
        write_plain_row(&mut row, number, &person(seed, number, until).0);
        table.put(&row)
    })?;
    table.finish()
}

/// Writes contacts and their events to a folder, which is made when it is not there.
///
/// Errors: those of the disk, with the file.
pub fn files(folder: &Path, contacts: u64, seed: u64, until: Timestamp) -> Result<Files, Failure> {
    let (mut table, mut events) = (Sheet::create(folder, "contacts.csv")?, Sheet::create(folder, "events.ndjson")?);
    table.put(HEADER.as_bytes())?;
    let (mut row, mut lines, mut event_count) = (Vec::new(), Vec::new(), 0);
    for_each(contacts, |number| {
        let (who, deeds) = person(seed, number, until);
        row.clear();
        lines.clear();
        write_row(&mut row, &who);
        for deed in &deeds {
            write_event(&mut lines, &who.key, deed);
        }
        event_count += deeds.len() as u64;
        table.put(&row)?;
        events.put(&lines)
    })?;
    Ok(Files { contacts: table.finish()?, events: events.finish()?, event_count })
}

/// The first row of the CSV file.
pub const HEADER: &str =
    "key,name,email,phone,company,city,country,language,status,plan,tags,email_consent,lead_score,created\n";

const PLAIN_HEADER: &str = "key,city,country,language,status,plan,tags,email_consent,lead_score,created\n";

/// Appends a row of the CSV file. No generated text holds a comma or a quote.
pub fn write_row(out: &mut Vec<u8>, who: &Person) {
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    let (email, phone, company) = (optional(&who.email), optional(&who.phone), optional(&who.company));
    write!(out, "{},{},{email},{phone},{company},", who.key, who.name).expect("writing to memory cannot fail");
    write_words(out, who);
}

fn write_plain_row(out: &mut Vec<u8>, number: u64, who: &Person) {
    write!(out, "c{number:015},").expect("writing to memory cannot fail");
    write_words(out, who);
}

/// The columns that both kinds of files end with.
fn write_words(out: &mut Vec<u8>, who: &Person) {
    let Person { city, country, language, status, created, .. } = who;
    let (plan, tags) = (who.plan.unwrap_or_default(), who.tags.join(";"));
    let consent = who.email_consent.map_or("", |yes| if yes { "true" } else { "false" });
    let score = who.lead_score.map_or(String::new(), |score| score.to_string());
    writeln!(out, "{city},{country},{language},{status},{plan},{tags},{consent},{score},{created}")
        .expect("writing to memory cannot fail");
}

/// Appends a line of the events file. No generated text holds what JSON would escape.
pub fn write_event(out: &mut Vec<u8>, key: &str, deed: &Deed) {
    let Deed { event, at, label: (property, value), amount } = deed;
    let amount = amount.map_or(String::new(), |cents| format!(",\"amount\":{}", Currency::USD.format_minor(cents)));
    writeln!(
        out,
        "{{\"contact\":\"{key}\",\"event\":\"{event}\",\"at\":\"{at}\",\"properties\":{{\"{property}\":\"{value}\"{amount}}}}}",
    )
    .expect("writing to memory cannot fail");
}
