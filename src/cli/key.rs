//! `throng key`: access keys made, listed and revoked, beside a server that may be running.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{
    cli::{audit::AuditLog, failure::Failure, query::print, show, target::DEFAULT_FOLDER},
    db::keys::{Key, Scope, create_key, list_keys, revoke_key},
    http::audit::{Deed, Outcome},
    model::rate::Rate,
};

/// Make, list and revoke access keys. A server knows within half a second.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  throng key create --name ops --scope admin\n  \
    throng key create --name shop --scope read --scope write\n  \
    throng key create --name \"web page\" --scope track\n  throng key revoke 3fV9kQ2mZx1B")]
pub struct Keys {
    #[command(subcommand)]
    action: Action,
    /// The data folder.
    #[arg(long, global = true, value_name = "DIR", env = "THRONG_DATA", default_value = DEFAULT_FOLDER)]
    data: PathBuf,
    #[command(flatten)]
    audit: AuditLog,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it: it is nowhere to be had again.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// What it lets do; may stand several times.
        #[arg(long, value_name = "read|write|track|admin", required = true, value_parser = scope)]
        scope: Vec<Scope>,
        /// How often it may call, such as 50/s, 600/m or 1000/h, whatever the server's --rate-limit lets others.
        #[arg(long, value_name = "RATE")]
        rate: Option<Rate>,
    },
    /// List all keys, those that were revoked too.
    List,
    /// Revoke a key by its id.
    Revoke {
        /// The id, which stands between thr_ and the secret.
        id: String,
    },
}

fn scope(name: &str) -> Result<Scope, String> {
    let names: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
    Scope::named(name).ok_or_else(|| format!("a scope is one of {}", names.join(", ")))
}

impl Keys {
    /// Does what was asked.
    ///
    /// Errors: those of the folder; an id that no key has.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Create { name, scope, rate } => {
                // Opened first: a deed that cannot be recorded is better not done.
                let audit = self.audit.open()?;
                let made = create_key(&self.data, &name, &scope, rate);
                let (key, token) = made.inspect_err(|_| audit.record(&Deed::typed("createKey", Outcome::Failed)))?;
                let deed = Deed::typed("createKey", Outcome::Done);
                audit.record(&Deed { target: Some(&key.id), made: Some(&key), ..deed });
                eprintln!("made the key {} of the scopes {}; it is shown this once:", key.id, scopes(&key));
                print(&token)
            }
            Action::List => {
                let row = |key: Key| {
                    let scopes = scopes(&key);
                    let rate = key.rate.map(|rate| rate.to_string()).unwrap_or_default();
                    vec![key.id, key.name, scopes, rate, key.created, key.revoked.unwrap_or_default()]
                };
                let rows = list_keys(&self.data)?.into_iter().map(row).collect();
                print(&show::table(&["id", "name", "scopes", "rate", "made", "revoked"], rows))
            }
            Action::Revoke { id } => {
                let audit = self.audit.open()?;
                let revoked = revoke_key(&self.data, &id);
                // What was typed is not told: it may be the key itself.
                let key = revoked.inspect_err(|_| audit.record(&Deed::typed("revokeKey", Outcome::Failed)))?;
                audit.record(&Deed { target: Some(&key.id), ..Deed::typed("revokeKey", Outcome::Done) });
                print(&format!("revoked the key {} ({})", key.id, key.name))
            }
        }
    }
}

fn scopes(key: &Key) -> String {
    key.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ")
}
