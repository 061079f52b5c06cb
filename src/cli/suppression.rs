//! `throng suppression`: who must not be sent to, by channel.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{
    failure::Failure,
    query::{caret_source, pretty, print, rule_value},
    segment::{Plain, keys_of, pour, tell_unknown},
    show,
    target::{Target, encoded},
};

/// Who must not be sent to, by channel: masks that no audience escapes.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  throng suppression create Unsubscribed --rule 'Email Consent != true' --channel email\n  \
    throng suppression create Bounced --members bounced.txt --channel email\n  \
    throng suppression add Bounced u-1 u-2\n\nA suppression without a channel masks every channel."
)]
pub struct Suppression {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all suppressions with their channels and counts.
    List(Plain),
    /// Show one suppression.
    Show(Named),
    /// Make one by a rule, or by a list of keys.
    Create(Create),
    /// Change a suppression's name, description, rule or channels.
    Update(Update),
    /// Delete a suppression: whom it held may be sent to again.
    Delete(Named),
    /// Print whom it holds, one a line.
    Members(Named),
    /// Add contacts to a list.
    Add(Keys),
    /// Take contacts out of a list.
    Remove(Keys),
}

#[derive(Args, Debug)]
struct Named {
    /// The suppression's name, in any case.
    name: String,
    #[command(flatten)]
    plain: Plain,
}

#[derive(Args, Debug)]
struct Create {
    #[command(flatten)]
    named: Named,
    /// The rule, as text or JSON.
    #[arg(long, required_unless_present = "members", conflicts_with = "members")]
    rule: Option<String>,
    /// A list of the keys in this file, one a line; unknown ones become contacts.
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    /// A channel that it masks; every channel when none is named.
    #[arg(long, value_name = "NAME")]
    channel: Vec<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
}

#[derive(Args, Debug)]
struct Update {
    #[command(flatten)]
    named: Named,
    /// A new name.
    #[arg(long = "rename", value_name = "NAME")]
    new_name: Option<String>,
    /// A new rule, as text or JSON.
    #[arg(long)]
    rule: Option<String>,
    /// The channels that it masks from now on.
    #[arg(long, value_name = "NAME", conflicts_with = "every_channel")]
    channel: Vec<String>,
    /// It masks every channel from now on.
    #[arg(long)]
    every_channel: bool,
    /// A new description.
    #[arg(long)]
    description: Option<String>,
}

#[derive(Args, Debug)]
struct Keys {
    #[command(flatten)]
    named: Named,
    /// The contacts' keys; to add an unknown one makes a contact of it.
    #[arg(required = true)]
    keys: Vec<String>,
}

impl Named {
    fn open(&self) -> Result<(Target, String), Failure> {
        Ok((self.plain.target.open_existing()?, format!("/v1/suppressions/{}", encoded(&self.name))))
    }

    fn done(&self, answer: &Value) -> Result<(), Failure> {
        if self.plain.json {
            return print(&pretty(answer));
        }
        tell_unknown(answer);
        print(&table(std::iter::once(answer)))
    }
}

fn table<'a>(suppressions: impl Iterator<Item = &'a Value>) -> String {
    let row = |suppression: &Value| {
        let text = |key: &str| suppression[key].as_str().unwrap_or_default().to_owned();
        let channels: Vec<&str> =
            suppression["channels"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let channels = if channels.is_empty() { "every".to_owned() } else { channels.join(", ") };
        let count = show::grouped(suppression["count"].as_u64().unwrap_or(0));
        vec![text("name"), channels, count, text("rule")]
    };
    show::table(&["suppression", "channels", "count", "rule"], suppressions.map(row).collect())
}

impl Suppression {
    /// Does what is asked and prints.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::List(plain) => {
                let answer = plain.target.open_existing()?.json("GET", "/v1/suppressions?limit=100000", None)?;
                if plain.json {
                    return print(&pretty(&answer));
                }
                print(&table(answer["suppressions"].as_array().into_iter().flatten()))
            }
            Action::Show(named) => {
                let (target, path) = named.open()?;
                named.done(&target.json("GET", &path, None)?)
            }
            Action::Create(create) => create.run(),
            Action::Update(update) => update.run(),
            Action::Delete(named) => {
                let (target, path) = named.open()?;
                target.json("DELETE", &path, None)?;
                print(&format!("deleted {}", named.name))
            }
            Action::Members(named) => {
                let (target, path) = named.open()?;
                pour(target.call("GET", &format!("{path}/members"), None, Vec::new())?)
            }
            Action::Add(keys) => keys.run("add", true),
            Action::Remove(keys) => keys.run("remove", false),
        }
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let target = self.named.plain.target.open()?;
        let mut body = json!({"name": self.named.name, "channels": self.channel});
        if let Some(description) = &self.description {
            body["description"] = description.as_str().into();
        }
        if let Some(rule) = &self.rule {
            body["rule"] = rule_value(rule)?;
        }
        if let Some(file) = &self.members {
            body["members"] = keys_of(file)?.into();
        }
        let source = caret_source(self.rule.as_deref().unwrap_or_default(), &body["rule"]);
        let answer = target.json("POST", "/v1/suppressions?create=true", Some(&body));
        self.named.done(&answer.map_err(|f| f.with_caret(&source))?)
    }
}

impl Update {
    fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let mut body = json!({});
        for (member, value) in [("name", &self.new_name), ("description", &self.description)] {
            if let Some(value) = value {
                body[member] = value.as_str().into();
            }
        }
        if let Some(rule) = &self.rule {
            body["rule"] = rule_value(rule)?;
        }
        if self.every_channel || !self.channel.is_empty() {
            body["channels"] = json!(self.channel);
        }
        let source = caret_source(self.rule.as_deref().unwrap_or_default(), &body["rule"]);
        self.named.done(&target.json("PATCH", &path, Some(&body)).map_err(|f| f.with_caret(&source))?)
    }
}

impl Keys {
    fn run(self, edit: &str, create: bool) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let path = format!("{path}/members?create={create}");
        let answer = target.json("POST", &path, Some(&json!({edit: self.keys})))?;
        if self.named.plain.json {
            return print(&pretty(&answer));
        }
        tell_unknown(&answer);
        print(&format!("{} contacts", show::grouped(answer["count"].as_u64().unwrap_or(0))))
    }
}
