//! `throng webhook`: who outside is told of changes, and how it fares.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{
    failure::Failure,
    query::{pretty, print},
    segment::Plain,
    show,
    target::{Target, encoded},
};

/// Who outside is told who enters and who leaves: signed calls to addresses of yours.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  throng webhook create https://example.com/hook --segment VIP --kind entered\n  \
    throng webhook test wh_0123456789abcdef\n  throng webhook deliveries wh_0123456789abcdef\n\n\
    The secret is shown once, by create and rotate. With --data webhooks are edited and wait; a server tells them.")]
pub struct Webhook {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all webhooks.
    List(Plain),
    /// Show one webhook.
    Show(Known),
    /// Make a webhook; its secret is shown now and never again.
    Create(Create),
    /// Let a webhook wait; what happens meanwhile is told later, in order.
    Pause(Known),
    /// Go on with a webhook that was paused or disabled.
    Resume(Known),
    /// Delete a webhook.
    Delete(Known),
    /// Send a test message now.
    Test(Known),
    /// Make a new secret; the one before signs beside it for a day.
    Rotate(Known),
    /// Show the last tries, and the messages that were given up.
    Deliveries(Known),
    /// Tell again what was given up, or a range of the feed.
    Replay(Replay),
}

#[derive(Args, Debug)]
struct Known {
    /// The webhook's id.
    id: String,
    #[command(flatten)]
    plain: Plain,
}

#[derive(Args, Debug)]
struct Create {
    /// Where to: an address such as `https://example.com/hook`.
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Tell of this segment; of all when none is named.
    #[arg(long, value_name = "NAME")]
    segment: Vec<String>,
    /// Tell of this: entered, left or bulk; of all when none is named.
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Tell from after this entry of the feed on, 0 being the oldest kept [default: from now on].
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// Let it wait until it is resumed.
    #[arg(long)]
    paused: bool,
    #[command(flatten)]
    plain: Plain,
}

#[derive(Args, Debug)]
struct Replay {
    #[command(flatten)]
    known: Known,
    /// This entry of the feed.
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["from", "to"])]
    seq: Vec<u64>,
    /// From this entry of the feed on.
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Up to this entry [default: the newest].
    #[arg(long, value_name = "SEQ", requires = "from")]
    to: Option<u64>,
    /// Tell nothing again of what still waits for it.
    #[arg(long, conflicts_with_all = ["seq", "from", "to"])]
    cancel: bool,
}

impl Known {
    fn call(&self, method: &str, tail: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let target: Target = self.plain.target.open_existing()?;
        target.json(method, &format!("/v1/webhooks/{}{tail}", encoded(&self.id)), body)
    }

    fn show(&self, answer: &Value) -> Result<(), Failure> {
        tell(answer, self.plain.json)
    }
}

/// Prints one webhook, with its secret where the answer has it.
fn tell(answer: &Value, is_json: bool) -> Result<(), Failure> {
    if is_json {
        return print(&pretty(answer));
    }
    print(&table(std::iter::once(answer)))?;
    for (member, what) in [("reason", "disabled: "), ("failing_since", "nothing could be delivered since ")] {
        if let Some(text) = answer[member].as_str() {
            print(&format!("{what}{text}"))?;
        }
    }
    match answer["secret"].as_str() {
        Some(secret) => print(&format!("secret: {secret}\nKeep it: it is not shown again.")),
        None => Ok(()),
    }
}

fn words(list: &Value, none: &str) -> String {
    let words: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if words.is_empty() { none.to_owned() } else { words.join(", ") }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn table<'a>(webhooks: impl Iterator<Item = &'a Value>) -> String {
    let row = |hook: &Value| {
        let count = |key: &str| show::grouped(hook[key].as_u64().unwrap_or(0));
        vec![
            text(&hook["id"]),
            text(&hook["url"]),
            words(&hook["segments"], "all"),
            words(&hook["kinds"], "all"),
            text(&hook["status"]),
            count("behind"),
            count("dead_letters"),
        ]
    };
    let header = ["webhook", "url", "segments", "kinds", "status", "behind", "dead letters"];
    show::table(&header, webhooks.map(row).collect())
}

fn outcome(row: &Value) -> String {
    match row["status"].as_u64() {
        Some(status) => format!("{} {status}", text(&row["outcome"])),
        None => text(&row["outcome"]),
    }
}

fn print_deliveries(answer: &Value) -> Result<(), Failure> {
    let rows = |member: &str, row: fn(&Value) -> Vec<String>| {
        answer[member].as_array().into_iter().flatten().map(row).collect::<Vec<_>>()
    };
    let tries = rows("deliveries", |row| {
        let took = format!("{} ms", text(&row["took_ms"]));
        vec![text(&row["at"]), text(&row["seq"]), text(&row["try"]), outcome(row), took, text(&row["next_try"])]
    });
    print(&show::table(&["at", "entry", "try", "outcome", "took", "next try"], tries))?;
    let letters = rows("dead_letters", |row| {
        let contact = if row["erased"] == true { "(erased)".into() } else { text(&row["contact"]) };
        let entry = [text(&row["seq"]), text(&row["segment"]), text(&row["kind"]), contact];
        entry.into_iter().chain([text(&row["tries"]), outcome(row), text(&row["last_try"])]).collect()
    });
    if letters.is_empty() {
        return print("no dead letters");
    }
    let header = ["dead letter", "segment", "kind", "contact", "tries", "outcome", "last try"];
    print(&show::table(&header, letters))
}

impl Webhook {
    /// Does what is asked and prints.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::List(plain) => {
                let answer = plain.target.open_existing()?.json("GET", "/v1/webhooks", None)?;
                if plain.json {
                    return print(&pretty(&answer));
                }
                print(&table(answer["webhooks"].as_array().into_iter().flatten()))
            }
            Action::Show(known) => known.show(&known.call("GET", "", None)?),
            Action::Create(create) => create.run(),
            Action::Pause(known) => known.show(&known.call("PATCH", "", Some(&json!({"paused": true})))?),
            Action::Resume(known) => known.show(&known.call("PATCH", "", Some(&json!({"paused": false})))?),
            Action::Delete(known) => {
                known.call("DELETE", "", None)?;
                print(&format!("deleted {}", known.id))
            }
            Action::Test(known) => {
                let answer = known.call("POST", "/test", None)?;
                if known.plain.json {
                    return print(&pretty(&answer));
                }
                match answer["delivered"] == true {
                    true => print(&format!("{} in {} ms", outcome(&answer), text(&answer["took_ms"]))),
                    false => Err(Failure::operator(format!("the test message was not taken: {}", outcome(&answer)))),
                }
            }
            Action::Rotate(known) => known.show(&known.call("POST", "/rotate", None)?),
            Action::Deliveries(known) => {
                let answer = known.call("GET", "/deliveries", None)?;
                if known.plain.json { print(&pretty(&answer)) } else { print_deliveries(&answer) }
            }
            Action::Replay(replay) => replay.run(),
        }
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let mut body = json!({"url": self.address, "segments": self.segment, "paused": self.paused});
        if !self.kind.is_empty() {
            body["kinds"] = json!(self.kind);
        }
        if let Some(after) = self.after {
            body["after"] = after.into();
        }
        if let Some(description) = &self.description {
            body["description"] = description.as_str().into();
        }
        let answer = self.plain.target.open()?.json("POST", "/v1/webhooks", Some(&body))?;
        tell(&answer, self.plain.json)
    }
}

impl Replay {
    fn run(self) -> Result<(), Failure> {
        if self.cancel {
            self.known.call("DELETE", "/replay", None)?;
            return self.known.show(&self.known.call("GET", "", None)?);
        }
        let mut body = json!({});
        if !self.seq.is_empty() {
            body["seqs"] = json!(self.seq);
        }
        for (member, seq) in [("from", self.from), ("to", self.to)] {
            if let Some(seq) = seq {
                body[member] = seq.into();
            }
        }
        let answer = self.known.call("POST", "/replay", Some(&body))?;
        if self.known.plain.json {
            return print(&pretty(&answer));
        }
        print(&format!("{} entries are told again", show::grouped(answer["queued"].as_u64().unwrap_or(0))))
    }
}
