//! `throng config`, and the settings of `throng serve` from a file: keys are named as the flags are. What is typed wins
//! over the environment, the environment over the file, the file over what is usual.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::{ArgAction, ArgMatches, Args, Command, CommandFactory, Subcommand, parser::ValueSource};
use toml::de::{DeTable, DeValue};

use crate::cli::{Cli, failure::Failure, query::print};

/// The only subcommand whose settings may stand in a file.
const SERVE: &str = "serve";
/// Flags that make no sense in a file.
const NOT_IN_FILES: [&str; 2] = ["config", "help"];

/// Look at a file of settings.
#[derive(Args, Debug)]
#[command(
    after_help = "A file of settings is TOML; its keys are the flags of throng serve, without the dashes before them:\n\n  \
    data = \"/var/lib/throng\"\n  listen = \"0.0.0.0:7171\"\n  rate-limit = \"100/s\"\n  allow-host = [\"throng.internal\"]"
)]
pub struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a file of settings, as throng serve --config would; tells every line that is wrong.
    Check {
        /// The file.
        file: PathBuf,
    },
}

impl Config {
    /// Does what was asked.
    ///
    /// Errors: what is wrong with the file.
    pub fn run(self) -> Result<(), Failure> {
        let Action::Check { file } = self.action;
        let settings = read(&file)?;
        let plural = if settings.len() == 1 { "" } else { "s" };
        print(&format!("{} is fine: {} setting{plural}", file.display(), settings.len()))
    }
}

/// One setting of a file.
#[derive(Debug, PartialEq)]
struct Setting {
    id: String,
    arguments: Vec<String>,
}

/// What was typed, and behind it what the file says that `--config` names, where neither the line nor the environment
/// says otherwise.
///
/// Errors: what is wrong with the file.
pub fn with_file(matches: &ArgMatches, mut typed: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let Some((SERVE, serve)) = matches.subcommand() else { return Ok(typed) };
    let Some(file) = serve.get_one::<PathBuf>("config") else { return Ok(typed) };
    let is_said =
        |id: &str| matches!(serve.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
    let left = read(file)?.into_iter().filter(|setting| !is_said(&setting.id));
    typed.extend(left.flat_map(|setting| setting.arguments).map(OsString::from));
    Ok(typed)
}

fn read(file: &Path) -> Result<Vec<Setting>, Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::caller(format!("{}: {error}", file.display())))?;
    parse(&text).map_err(|wrong| {
        let told: Vec<String> = wrong.iter().map(|(line, what)| format!("{}:{line}: {what}", file.display())).collect();
        Failure::caller(told.join("\n"))
    })
}

/// The settings of a text, or what is wrong with it, by lines.
fn parse(text: &str) -> Result<Vec<Setting>, Vec<(usize, String)>> {
    let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    let table = DeTable::parse(text)
        .map_err(|error| vec![(line(error.span().map_or(0, |span| span.start)), error.message().to_owned())])?;
    let serve = serve();
    let (mut settings, mut wrong) = (Vec::new(), Vec::new());
    for (key, value) in table.get_ref() {
        match setting(&serve, key.get_ref(), value.get_ref()) {
            Ok(setting) => settings.push(setting),
            Err(what) => wrong.push((line(key.span().start), what)),
        }
    }
    wrong.sort();
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

fn serve() -> Command {
    let mut command = Cli::command();
    command.build();
    command.find_subcommand(SERVE).expect("there is such a subcommand").clone()
}

fn setting(serve: &Command, key: &str, value: &DeValue<'_>) -> Result<Setting, String> {
    let known = serve.get_arguments().filter(|argument| !NOT_IN_FILES.contains(&argument.get_id().as_str()));
    let known: Vec<_> = known.filter_map(|argument| Some((argument.get_long()?, argument))).collect();
    let Some((_, argument)) = known.iter().find(|(long, _)| *long == key) else {
        let near =
            known.iter().map(|(long, _)| (strsim::damerau_levenshtein(long, &key.replace('_', "-")), *long)).min();
        let meant = near.filter(|(distance, _)| *distance <= 3).map(|(_, long)| format!("; did you mean \"{long}\"?"));
        return Err(format!("there is no setting \"{key}\"{}", meant.unwrap_or_default()));
    };
    let id = argument.get_id().to_string();
    let arguments = match (argument.get_action(), value) {
        (ArgAction::SetTrue, DeValue::Boolean(on)) => on.then(|| format!("--{key}")).into_iter().collect(),
        (ArgAction::SetTrue, _) => return Err(format!("\"{key}\" is true or false")),
        (ArgAction::Append, DeValue::Array(list)) => {
            let values = list.iter().map(|value| plain(key, value.get_ref()));
            values.map(|value| Ok(format!("--{key}={}", value?))).collect::<Result<_, String>>()?
        }
        (_, value) => vec![format!("--{key}={}", plain(key, value)?)],
    };
    let tried =
        serve.clone().no_binary_name(true).mut_args(|argument| argument.env(None)).try_get_matches_from(&arguments);
    match tried {
        Ok(_) => Ok(Setting { id, arguments }),
        Err(error) => {
            let told = error.to_string();
            let told = told.split("\n\nFor more information").next().unwrap_or(&told);
            Err(told.trim_start_matches("error: ").replace('\n', " "))
        }
    }
}

fn plain(key: &str, value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        other => Err(format!("\"{key}\" is a text or a whole number, not a TOML {}", other.type_str())),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
