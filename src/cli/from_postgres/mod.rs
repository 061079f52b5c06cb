//! `throng import --from postgres://…`: the rows of a query as contacts or events, once or again and again by a mark.

#![cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "without the feature its flags only say that it is missing")
)]

use std::{convert::Infallible, fmt, path::PathBuf};

use clap::{Args, ValueEnum};

#[cfg(feature = "postgres")]
mod address;
#[cfg(all(test, feature = "postgres"))]
mod address_tests;
#[cfg(feature = "postgres")]
mod columns;
#[cfg(all(test, feature = "postgres"))]
mod columns_tests;
#[cfg(feature = "postgres")]
mod failures;
#[cfg(feature = "postgres")]
mod load;
#[cfg(feature = "postgres")]
mod mark;
#[cfg(all(test, feature = "postgres"))]
mod mark_tests;
#[cfg(feature = "postgres")]
mod query;
#[cfg(feature = "postgres")]
mod rows;
#[cfg(feature = "postgres")]
mod statement;
#[cfg(feature = "postgres")]
mod trust;
#[cfg(feature = "postgres")]
mod value;

use crate::cli::failure::Failure;

/// What the rows of a query are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rows {
    /// Contacts: a column "key"; the others are properties.
    Contacts,
    /// Events: columns "contact" and "event", perhaps "id", "at" and "properties"; the others are properties.
    Events,
}

/// What a NULL does to a contact that has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Nulls {
    /// It takes the value away.
    Remove,
    /// The value stays.
    Keep,
}

/// The address of a database: it may hold a password, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    fn taken(text: &str) -> Result<Hidden, Infallible> {
        Ok(Hidden(text.to_owned()))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// A query of a PostgreSQL database as the source of an import.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "From PostgreSQL")]
pub struct Source {
    /// Take the rows of a query of postgres://USER@HOST/DATABASE. The password comes from there, from PGPASSWORD, or
    /// from PGPASSFILE or ~/.pgpass; only the last two stay out of the list of processes.
    #[arg(long, value_name = "URL", value_parser = Hidden::taken, conflicts_with_all = ["contacts", "events"])]
    from: Option<Hidden>,
    /// The query: one statement that gives rows. It runs in a transaction that only reads.
    #[arg(long, value_name = "SELECT", requires = "from")]
    sql: Option<String>,
    /// A file that holds the query.
    #[arg(long, value_name = "FILE", requires = "from", conflicts_with = "sql")]
    sql_file: Option<PathBuf>,
    /// What the rows are.
    #[arg(long, value_enum, default_value = "contacts", requires = "from")]
    rows: Rows,
    /// What a NULL does to a contact that has a value, in --mode merge.
    #[arg(long, value_enum, default_value = "remove", requires = "from")]
    nulls: Nulls,
    /// Read only rows that are new or changed since the last run, by a column that grows with every change: a time, a
    /// date or a number. Its greatest value is kept once the rows up to it are on disk.
    #[arg(long, value_name = "COLUMN", requires = "from")]
    watermark: Option<String>,
    /// Read so much again before the mark, for rows that were committed late: 90s, 5m, 2h or 1d of a time, a plain number of
    /// a number [default: 5m of a time, 0 of a date or a number].
    #[arg(long, value_name = "LENGTH", requires = "watermark")]
    overlap: Option<String>,
    /// Start at this value of the column and not at what the last run kept.
    #[arg(long, value_name = "VALUE", requires = "watermark")]
    since: Option<String>,
    /// Forget what the last run kept, and read everything.
    #[arg(long, requires = "watermark", conflicts_with = "since")]
    restart: bool,
    /// What the import is called, under which its mark is kept [default: a name made of address and query].
    #[arg(long, value_name = "NAME", requires = "watermark")]
    name: Option<String>,
    /// The file that keeps the mark [default: imports/NAME in the data folder; with --url
    /// throng/imports/SERVER/NAME in $XDG_STATE_HOME or ~/.local/state].
    #[arg(long, value_name = "FILE", requires = "watermark")]
    state: Option<PathBuf>,
}

impl Source {
    /// Whether a query was named.
    pub fn is_named(&self) -> bool {
        self.from.is_some()
    }

    /// The text of the query.
    ///
    /// Errors: when there is none; a file that cannot be read.
    #[cfg(feature = "postgres")]
    fn text(&self) -> Result<String, Failure> {
        let text = match (&self.sql, &self.sql_file) {
            (Some(sql), _) => sql.clone(),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map_err(|error| Failure::caller(format!("{} cannot be read: {error}", file.display())))?,
            (None, None) => return Err(Failure::caller("--from wants a query: --sql 'SELECT …', or --sql-file")),
        };
        let text = statement::bare(text.trim_start_matches('\u{feff}'));
        if text.is_empty() {
            return Err(Failure::caller("the query is empty"));
        }
        Ok(text.to_owned())
    }
}

/// What an import of rows came to.
pub struct Outcome {
    /// Whence, without a password.
    pub from: String,
    /// The answer, in the shape of every import's; with a watermark also `watermark`.
    pub answer: serde_json::Value,
    /// What to say beside it, a line each.
    pub notes: Vec<String>,
    /// Why it ended before its end; what is counted is in nevertheless.
    pub broken: Option<Failure>,
}

#[cfg(not(feature = "postgres"))]
impl Source {
    /// Imports the rows.
    ///
    /// Errors: always, as this program was built without PostgreSQL.
    pub fn import(
        &self,
        _: crate::model::request::WriteMode,
        _: &crate::cli::target::Where,
    ) -> Result<(Outcome, crate::cli::target::Target), Failure> {
        Err(Failure::caller("--from: this program was built without PostgreSQL"))
    }
}
