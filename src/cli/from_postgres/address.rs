//! The address of a PostgreSQL database: what its URL says, what we add to what the library reads, and the password.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use postgres::{Config, config::Host};

use crate::cli::{
    failure::Failure,
    from_postgres::trust::{Certificates, Trust},
};

/// How long a host may take to answer, unless the address says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a silent connection stands before it is asked whether it lives, unless the address says otherwise.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Where a database is, and how it is talked to.
pub(super) struct Address {
    /// As the library takes it.
    pub(super) config: Config,
    /// Host, port and database, for messages and to know it again.
    pub(super) shown: String,
    /// What a server must prove.
    pub(super) trust: Trust,
    /// The files of certificates.
    pub(super) certificates: Certificates,
    /// What to tell of files that were passed over.
    pub(super) notes: Vec<String>,
}

impl Address {
    /// Reads a URL; `variable` gives a variable of the environment.
    ///
    /// Errors: what is wrong with it, without its parts, as one may be a password.
    pub(super) fn parse(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Address, Failure> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(Failure::caller("--from wants an address such as postgres://USER@HOST:5432/DATABASE"));
        }
        let (place, asked) = url.split_once('?').unwrap_or((url, ""));
        let (mut theirs, mut mode, mut passfile, mut by_system) = (Vec::new(), None, None, false);
        let mut certificates = Certificates::default();
        for pair in asked.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match key {
                "sslmode" => mode = Some(value),
                "sslrootcert" if value == "system" => (certificates.authorities, by_system) = (None, true),
                "sslrootcert" => certificates.authorities = Some(value.into()),
                "sslcert" => certificates.own = Some(value.into()),
                "sslkey" => certificates.key = Some(value.into()),
                "passfile" => passfile = Some(PathBuf::from(value)),
                _ => theirs.push(pair),
            }
        }
        let wrong = |why: &str| Failure::caller(format!("the address after --from: {why}"));
        // Those authorities vouch for anybody, so nothing but the host's own name says who answers; so does `libpq`.
        if by_system && !matches!(mode.as_deref(), None | Some("verify-full")) {
            return Err(wrong("sslrootcert=system wants sslmode=verify-full"));
        }
        let mode = mode.or_else(|| by_system.then(|| "verify-full".to_owned()));
        let (trust, ssl) = Trust::of(mode.as_deref(), certificates.authorities.is_some()).map_err(|why| wrong(&why))?;
        let plain = if theirs.is_empty() { place.to_owned() } else { format!("{place}?{}", theirs.join("&")) };
        let mut config: Config = plain.parse().map_err(|error| wrong(&chain(&error)))?;
        config.ssl_mode(ssl);
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(wrong("it names no host"));
        }
        // The library ends the password at the first one, and what follows would be told as the host.
        if config.get_hosts().iter().any(|at| matches!(at, Host::Tcp(name) if name.contains('@'))) {
            return Err(wrong("an @ in the user or the password is written %40"));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if !asked.contains("keepalives") {
            config.keepalives_idle(KEEPALIVE);
        }
        if config.get_application_name().is_none() {
            config.application_name("throng import");
        }
        let shown = shown(&config);
        let mut address = Address { config, shown, trust, certificates, notes: Vec::new() };
        address.find_password(passfile, variable)?;
        Ok(address)
    }

    /// The password: that of the URL, else the environment's, else that of a file.
    fn find_password(
        &mut self,
        passfile: Option<PathBuf>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(), Failure> {
        if self.config.get_password().is_some() {
            return Ok(());
        }
        if let Some(password) = variable("PGPASSWORD").filter(|password| !password.is_empty()) {
            self.config.password(password);
            return Ok(());
        }
        let named = passfile.or_else(|| variable("PGPASSFILE").filter(|file| !file.is_empty()).map(PathBuf::from));
        let is_named = named.is_some();
        let Some(file) = named.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".pgpass"))) else {
            return Ok(());
        };
        let meta = match fs::metadata(&file) {
            Ok(meta) => meta,
            Err(_) if !is_named => return Ok(()),
            Err(error) => return Err(Failure::caller(format!("{} cannot be read: {error}", file.display()))),
        };
        if meta.permissions().mode() & 0o077 != 0 {
            let told = "others may read or write it, so it is passed over; chmod 600 lets it count";
            self.notes.push(format!("{}: {told}", file.display()));
            return Ok(());
        }
        let text = fs::read_to_string(&file)
            .map_err(|error| Failure::caller(format!("{} cannot be read: {error}", file.display())))?;
        if let Some(password) = self.password_of(&text) {
            self.config.password(password);
        }
        Ok(())
    }

    /// The first password of a file whose line fits this address.
    fn password_of(&self, text: &str) -> Option<String> {
        let user = self.config.get_user().unwrap_or_default();
        let database = self.config.get_dbname().unwrap_or(user);
        let hosts: Vec<String> = self.config.get_hosts().iter().map(host).collect();
        let ports = self.config.get_ports();
        let fits = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields: [String; 5] = fields(line).try_into().ok()?;
            let [at, port, of, who, password] = fields;
            let is_place = hosts.iter().enumerate().any(|(place, host)| {
                let known = ports.get(place).or(ports.first()).copied().unwrap_or(5432).to_string();
                // A socket's folder is called by this name there, too.
                let is_host = fits(&at, host) || (host.starts_with('/') && at == "localhost");
                is_host && fits(&port, &known)
            });
            (is_place && fits(&of, database) && fits(&who, user)).then_some(password)
        })
    }
}

/// The five fields of a line of a password file; a backslash takes the next character as it is, the last goes to the end.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut letters) = (vec![String::new()], line.chars());
    while let Some(letter) = letters.next() {
        let letter = match letter {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            letter => letter,
        };
        fields.last_mut().expect("there is one from the start").push(letter);
    }
    fields
}

fn host(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    }
}

fn shown(config: &Config) -> String {
    let names = config.get_hosts().iter().map(host).collect::<Vec<_>>();
    let names = if names.is_empty() { config.get_hostaddrs().iter().map(ToString::to_string).collect() } else { names };
    let ports = config.get_ports();
    let places = names.iter().enumerate().map(|(place, name)| {
        let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
        format!("{name}:{port}")
    });
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("{}/{database}", places.collect::<Vec<_>>().join(","))
}

/// An error and what caused it, as one sentence.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !told.contains(&more) {
            told = format!("{told}: {more}");
        }
        cause = error.source();
    }
    told
}
