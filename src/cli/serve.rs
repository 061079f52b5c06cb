//! `throng serve`: a data folder over HTTP.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;

use crate::{
    cli::{audit::AuditLog, failure::Failure, secure, target::Folder},
    db::{database::Database, keys::Keyring, options::Upkeep},
    http::{
        app::{App, Fittings},
        audit::Audit,
        guard::Hosts,
        rates::{self, Rates},
        serve::{CONNECTIONS, Manners, ServeError, Server},
        tls::Tls,
        tracking_map::Mapping,
    },
    model::rate::Rate,
    web,
    webhook::{
        plan::{Plan, parse_wait, parse_waits},
        registry::Settings,
        target::Reach,
    },
};

/// Where the server listens when nothing else is said.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:7171";

/// Who may call.
pub struct Access {
    /// The keys of the folder.
    pub keys: Keyring,
    /// How often.
    pub rates: Rates,
    /// Where it is recorded who changed what.
    pub audit: Audit,
    /// Names of this machine that count while there are none.
    pub hosts: Hosts,
}

/// Serve a data folder over HTTP until SIGTERM or SIGINT.
#[derive(Args, Debug)]
pub struct Serve {
    /// A file of settings in TOML, named as these flags are; flags win over the environment, the environment over it.
    #[arg(long, value_name = "FILE", env = "THRONG_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    folder: Folder,
    /// The address to listen on; without keys only loopback is allowed. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", env = "THRONG_LISTEN", default_value = DEFAULT_ADDRESS)]
    listen: SocketAddr,
    /// The certificate of this server as PEM, with those between it and its authority behind it: then it speaks TLS.
    /// Both files are read again within 10 s when they change, and at SIGHUP.
    #[arg(long, value_name = "FILE", env = "THRONG_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM.
    #[arg(long, value_name = "FILE", env = "THRONG_TLS_KEY")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    manners: Crowd,
    /// How the log is written to standard error: "text" or "json", an object a line.
    #[arg(long, value_name = "FORMAT", env = "THRONG_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    #[command(flatten)]
    audit: AuditLog,
    /// A name under which callers may reach a server without keys, besides those of loopback; may stand several times.
    /// Whoever reaches it under that name may do everything.
    #[arg(long, value_name = "NAME", env = "THRONG_ALLOW_HOST", value_delimiter = ',')]
    allow_host: Vec<String>,
    /// A file that says what becomes of tracking calls, as docs/TRACKING.md tells.
    #[arg(long, value_name = "FILE", env = "THRONG_TRACKING")]
    tracking: Option<PathBuf>,
    /// Keep so many megabytes on the disk to be given back when it is full; 0 for none, on a small disk less.
    #[arg(long, value_name = "MB", env = "THRONG_BALLAST", default_value_t = 128)]
    ballast: u64,
    /// Take a snapshot once a write is so many hours old.
    #[arg(long, value_name = "HOURS", env = "THRONG_SNAPSHOT_AGE", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=24 * 365))]
    snapshot_age: u64,
    /// Write snapshots that nobody waits for no faster than so many megabytes a second; 0 for as fast as can be.
    #[arg(long, value_name = "MB", env = "THRONG_SNAPSHOT_RATE", default_value_t = 100)]
    snapshot_rate: u64,
    /// Read snapshots and log files again, to find damage, once in so many hours; 0 for never.
    #[arg(long, value_name = "HOURS", env = "THRONG_SCRUB_EVERY", default_value_t = 24, value_parser = clap::value_parser!(u64).range(..=24 * 365))]
    scrub_every: u64,
    /// Read them no faster than so many megabytes a second.
    #[arg(long, value_name = "MB", env = "THRONG_SCRUB_RATE", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    scrub_rate: u64,
    #[command(flatten)]
    webhooks: Delivery,
}

impl Serve {
    /// Serves until told to stop.
    pub fn run(self) -> Result<(), Failure> {
        let tracking = self.tracking.as_deref().map(mapping).transpose()?.unwrap_or_default();
        let keys = Keyring::open(&self.folder.data)?;
        let tls = secure::server(self.tls_cert.as_ref(), self.tls_key.as_ref())?;
        let server = bind(self.listen, keys.is_keyed(), self.manners.manners(), tls)?;
        let db = self.folder.open_with(self.upkeep())?;
        let (status, url) = (db.status(), server.url());
        let told = format!(
            "throng {} serves {} contacts, {} events, {} segments from {} on {url}\nthe page is at {url}/",
            status.version,
            status.contacts,
            status.events,
            status.segments,
            self.folder.data.display(),
        );
        let audit = self.audit.keep()?;
        let rates = Rates::of(self.manners.rates());
        let access = Access { keys, rates, audit, hosts: Hosts::of(&self.allow_host) };
        serve(server, db, self.webhooks.settings(self.listen), access, tracking, || eprintln!("{told}"))
    }
}

/// Reads what becomes of tracking calls.
fn mapping(file: &Path) -> Result<Mapping, Failure> {
    let told = |what: String| Failure::caller(format!("{}: {what}", file.display()));
    let text = fs::read(file).map_err(|error| told(error.to_string()))?;
    Mapping::parse(&text).map_err(told)
}

impl Serve {
    fn upkeep(&self) -> Upkeep {
        const MB: u64 = 1_000_000;
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        Upkeep {
            ballast_bytes: self.ballast.saturating_mul(MB),
            snapshot_age: hours(self.snapshot_age),
            snapshot_bytes_per_second: self.snapshot_rate.saturating_mul(MB),
            scrub_every: hours(self.scrub_every),
            scrub_bytes_per_second: self.scrub_rate.saturating_mul(MB),
            ..Upkeep::default()
        }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How many may call, how often, and how slowly.
#[derive(Args, Clone, Debug)]
struct Crowd {
    /// How often a key may call, and an address without one, such as 50/s, 600/m or 1000/h; past it a call is 429
    /// [default: no limit]. A key made with --rate has its own.
    #[arg(long, value_name = "RATE", env = "THRONG_RATE_LIMIT")]
    rate_limit: Option<Rate>,
    /// How often an address may show keys that are none; past it that is 429 [default: no limit].
    #[arg(long, value_name = "RATE", env = "THRONG_FAILED_LOGINS")]
    failed_logins: Option<Rate>,
    /// How many connections there may be; more wait in the queue of the system.
    #[arg(long, value_name = "N", env = "THRONG_CONNECTIONS", default_value_t = CONNECTIONS as u16, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How many connections one address may have; more are closed at once [default: 256, of this machine any number].
    #[arg(long, value_name = "N", env = "THRONG_CONNECTIONS_PER_ADDRESS", value_parser = clap::value_parser!(u16).range(1..))]
    connections_per_address: Option<u16>,
    /// How long a new connection may say nothing.
    #[arg(long, value_name = "TIME", env = "THRONG_FIRST_BYTE_TIMEOUT", value_parser = some_time, default_value = "10s")]
    first_byte_timeout: Duration,
    /// How long headers may take, and a connection may idle between two calls.
    #[arg(long, value_name = "TIME", env = "THRONG_HEADER_TIMEOUT", value_parser = some_time, default_value = "60s")]
    header_timeout: Duration,
    /// How long a body may be waited for in all; every KiB that comes gives a second back.
    #[arg(long, value_name = "TIME", env = "THRONG_BODY_TIMEOUT", value_parser = some_time, default_value = "30s")]
    body_timeout: Duration,
    /// How long a client may leave unread what it is sent; every KiB that it reads gives a second back.
    #[arg(long, value_name = "TIME", env = "THRONG_READ_TIMEOUT", value_parser = some_time, default_value = "120s")]
    read_timeout: Duration,
}

impl Crowd {
    fn manners(&self) -> Manners {
        Manners {
            connections: self.connections.into(),
            connections_per_address: self.connections_per_address.map(usize::from),
            first_byte: self.first_byte_timeout,
            headers: self.header_timeout,
            body: self.body_timeout,
            reading: self.read_timeout,
        }
    }

    fn rates(&self) -> rates::Settings {
        rates::Settings { calls: self.rate_limit, failures: self.failed_logins }
    }
}

/// How webhooks are told.
#[derive(Args, Clone, Debug)]
pub struct Delivery {
    /// Where webhooks may go: "public" for the public network by https; "loopback" also to this machine, by http too;
    /// "any" also to private networks [default: loopback while the server listens on loopback, else public].
    #[arg(long, value_name = "WHERE", env = "THRONG_WEBHOOK_TARGETS")]
    webhook_targets: Option<Reach>,
    /// The waits before each try while a receiver is in trouble.
    #[arg(long, value_name = "WAITS", env = "THRONG_WEBHOOK_RETRIES", value_parser = waits, default_value = "0s,5s,5m,30m,2h,5h,10h,14h,20h,24h")]
    webhook_retries: Waits,
    /// The waits before each try of a message that a receiver refuses.
    #[arg(long, value_name = "WAITS", env = "THRONG_WEBHOOK_REFUSED_RETRIES", value_parser = waits, default_value = "0s,5s,5m,20m,30m")]
    webhook_refused_retries: Waits,
    /// How long a call may take.
    #[arg(long, value_name = "TIME", env = "THRONG_WEBHOOK_TIMEOUT", value_parser = some_time, default_value = "15s")]
    webhook_timeout: Duration,
    /// Disable a webhook to which nothing could be delivered for so long.
    #[arg(long, value_name = "TIME", env = "THRONG_WEBHOOK_DISABLE_AFTER", value_parser = parse_wait, default_value = "120h")]
    webhook_disable_after: Duration,
    /// Tell no webhooks: for a copy of a folder whose original tells them.
    #[arg(long, env = "THRONG_NO_WEBHOOKS")]
    no_webhooks: bool,
}

/// The waits of a retry plan; one argument.
#[derive(Clone, Debug)]
struct Waits(Vec<Duration>);

fn some_time(text: &str) -> Result<Duration, String> {
    parse_wait(text).and_then(|time| match time.is_zero() {
        true => Err("a call takes some time, such as 15s".into()),
        false => Ok(time),
    })
}

fn waits(text: &str) -> Result<Waits, String> {
    parse_waits(text).map(Waits)
}

impl Delivery {
    /// The settings of a server that listens there. Only whoever is on this machine anyway may have it called.
    fn settings(&self, listen: SocketAddr) -> Settings {
        let usual = if listen.ip().is_loopback() { Reach::Loopback } else { Reach::Public };
        Settings {
            plan: Plan { receiver: self.webhook_retries.0.clone(), message: self.webhook_refused_retries.0.clone() },
            disable_after: self.webhook_disable_after,
            timeout: self.webhook_timeout,
            reach: self.webhook_targets.unwrap_or(usual),
            own: None,
            deliver: !self.no_webhooks,
        }
    }
}

/// Takes the address before the folder is opened, so that a taken one is told at once, and whoever calls that it is
/// starting.
pub fn bind(address: SocketAddr, keyed: bool, manners: Manners, tls: Option<Arc<Tls>>) -> Result<Server, Failure> {
    Server::bind(address, keyed, manners, tls).map_err(|error| match error {
        ServeError::NotLoopback(_) | ServeError::Files { .. } => Failure::caller(error.to_string()),
        ServeError::Listen(..) | ServeError::Start(_) => Failure::operator(error.to_string()),
    })
}

/// Serves until told to stop, then closes the database. `ready` is called once everything may be asked.
pub fn serve(
    server: Server,
    db: Database,
    webhooks: Settings,
    access: Access,
    tracking: Mapping,
    ready: impl FnOnce(),
) -> Result<(), Failure> {
    let audit = Arc::new(access.audit);
    let app = App::with(db.clone(), Settings { own: Some(server.address()), ..webhooks });
    let app = app.fitted(|fittings| Fittings {
        tracking: Arc::new(tracking),
        keys: Arc::new(access.keys),
        rates: Arc::new(access.rates),
        audit: Arc::clone(&audit),
        hosts: Some(access.hosts),
        ..fittings
    });
    server.run(app, web::router, ready);
    // First the data: the disk of the audit log may hang.
    let closed = db.close();
    audit.finish();
    closed?;
    eprintln!("stopped: the log is sealed, nothing is lost");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        webhooks: Delivery,
    }

    #[test]
    fn webhooks_reach_this_machine_only_while_it_alone_is_served() {
        let reach = |arguments: &[&str], listen: &str| {
            let typed = Typed::try_parse_from([&["serve"], arguments].concat()).unwrap();
            typed.webhooks.settings(listen.parse().unwrap()).reach
        };
        assert_eq!(reach(&[], "127.0.0.1:7171"), Reach::Loopback);
        assert_eq!(reach(&[], "[::1]:7171"), Reach::Loopback);
        assert_eq!(reach(&[], "0.0.0.0:7171"), Reach::Public);
        assert_eq!(reach(&[], "192.168.0.2:7171"), Reach::Public);
        assert_eq!(reach(&["--webhook-targets", "public"], "127.0.0.1:7171"), Reach::Public);
        assert_eq!(reach(&["--webhook-targets", "any"], "0.0.0.0:7171"), Reach::Any);
        for bad in [["--webhook-targets", "all"], ["--webhook-timeout", "0s"]] {
            assert!(Typed::try_parse_from([&["serve"], &bad[..]].concat()).is_err(), "{bad:?}");
        }
    }
}
