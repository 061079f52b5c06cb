//! Where a command goes: a data folder, opened in this process, or a running server, by its address.

use std::{io::Read, path::PathBuf};

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{
    cli::{
        failure::{FAULT, Failure, NO_ROOM},
        secure,
    },
    db::{
        database::Database,
        options::{ClockChoice, Options, Upkeep},
    },
    http::{
        app::App,
        json::tree,
        local::{Local, Reply},
    },
    model::{calendar::Zone, time::Timestamp},
    web,
};

/// The folder that commands use when none is named.
pub const DEFAULT_FOLDER: &str = "./throng-data";

/// How a data folder is opened.
#[derive(Args, Clone, Debug)]
pub struct Folder {
    /// The data folder; made when it is not there.
    #[arg(long, value_name = "DIR", env = "THRONG_DATA", default_value = DEFAULT_FOLDER)]
    pub data: PathBuf,
    /// Use a manual clock that stands at this instant, such as 2026-05-01T00:00:00Z, until it is moved.
    #[arg(long, value_name = "INSTANT", env = "THRONG_CLOCK", value_parser = instant)]
    pub clock: Option<Timestamp>,
    /// The time zone in which days are counted, such as Europe/Berlin; set once, when the folder is made [default: UTC].
    #[arg(long, value_name = "ZONE", env = "THRONG_TIME_ZONE", value_parser = zone)]
    pub time_zone: Option<Zone>,
    /// Read snapshots into memory at the start instead of mapping them.
    #[arg(long, env = "THRONG_NO_MMAP")]
    pub no_mmap: bool,
}

/// Reads an instant.
fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| format!("\"{text}\" {error}"))
}

/// Reads a time zone.
fn zone(text: &str) -> Result<Zone, String> {
    Zone::named(text).map_err(|error| error.to_string())
}

impl Folder {
    /// Opens the folder.
    ///
    /// Errors: when it is damaged, held by another process, or opened with another zone or an earlier clock.
    pub fn open(&self) -> Result<Database, Failure> {
        self.open_with(Upkeep::default())
    }

    /// Opens the folder and has it kept in order as said.
    ///
    /// Errors: as [`Folder::open`].
    pub fn open_with(&self, upkeep: Upkeep) -> Result<Database, Failure> {
        let options = Options {
            clock: self.clock.map_or(ClockChoice::System, ClockChoice::Manual),
            zone: self.time_zone.clone(),
            mmap: !self.no_mmap,
            upkeep,
            ..Options::folder(&self.data)
        };
        let db = Database::open(options)?;
        db.explain_lost_pages();
        db.on_fault(Box::new(|why| {
            eprintln!("error: {why}; nothing that was acknowledged is lost; the next start reads it from the log");
            std::process::exit(i32::from(FAULT));
        }));
        Ok(db)
    }
}

/// Where a command goes.
#[derive(Args, Clone, Debug)]
pub struct Where {
    /// Ask a running server, such as http://127.0.0.1:7171, instead of opening a folder.
    #[arg(long, visible_alias = "server", value_name = "URL", env = "THRONG_URL")]
    pub url: Option<String>,
    /// A file of the authorities, as PEM, that may vouch for an https server [default: those that this machine trusts].
    #[arg(long, value_name = "FILE", env = "THRONG_CA_CERT")]
    pub ca_cert: Option<PathBuf>,
    /// The key to show to the server.
    #[arg(long = "key", value_name = "KEY", env = "THRONG_KEY", hide_env_values = true)]
    pub access_key: Option<String>,
    #[command(flatten)]
    /// How the folder is opened.
    pub folder: Folder,
}

/// An opened target.
pub enum Target {
    /// A folder in this process.
    Folder(Database, Local),
    /// A server by its address, without a slash at the end.
    Server(String, ureq::Agent),
}

impl Where {
    /// Opens the target, which must be there: to read from a folder that was never made is a slip of the pen.
    ///
    /// Errors: as [`Where::open`]; a folder that is not there.
    pub fn open_existing(&self) -> Result<Target, Failure> {
        let data = &self.folder.data;
        if self.url.is_none() && !data.exists() {
            let told = "import or serve makes one; --data names another, --url a running server";
            return Err(Failure::operator(format!("there is no data folder {}: {told}", data.display())));
        }
        self.open()
    }

    /// Opens the target.
    ///
    /// Errors: those of [`Folder::open`].
    pub fn open(&self) -> Result<Target, Failure> {
        if let Some(url) = &self.url {
            let agent = self.agent(url)?;
            return Ok(Target::Server(url.trim_end_matches('/').to_owned(), agent));
        }
        let db = self.folder.open()?;
        let local =
            Local::of(web::router(App::new(db.clone()))).map_err(|error| Failure::operator(error.to_string()))?;
        Ok(Target::Folder(db, local))
    }
}

impl Where {
    /// A client that shows the key, if there is one.
    fn agent(&self, url: &str) -> Result<ureq::Agent, Failure> {
        // The API redirects nobody: whoever does is something else, and may lead anywhere, or out of what is encrypted.
        let mut config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        if url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) {
            config = config.tls_config(secure::client(self.ca_cert.as_deref())?);
        } else if self.ca_cert.is_some() {
            return Err(Failure::caller(format!("--ca-cert is for an https address, and {url} is none")));
        }
        let Some(key) = &self.access_key else { return Ok(config.build().into()) };
        let mut value = ureq::http::HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| Failure::caller("the key holds what no key does"))?;
        value.set_sensitive(true);
        let show = move |mut request: ureq::http::Request<ureq::SendBody<'_>>,
                         next: ureq::middleware::MiddlewareNext<'_>| {
            request.headers_mut().insert("authorization", value.clone());
            next.handle(request)
        };
        Ok(config.middleware(show).build().into())
    }
}

impl Target {
    /// Makes one call with a JSON body, or none.
    ///
    /// Errors: what the API says is wrong; a server that cannot be reached.
    pub fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let media = body.map(|_| "application/json");
        let mut text = Vec::new();
        self.call(method, path, media, bytes)?
            .read_to_end(&mut text)
            .map_err(|error| Failure::operator(format!("the answer broke off: {error}")))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        tree(&text).map_err(|error| Failure::operator(format!("the answer is not JSON: {error}")))
    }

    /// Makes one call; gives the body as a stream.
    ///
    /// Errors: what the API says is wrong; a server that cannot be reached.
    pub fn call(
        &self,
        method: &str,
        path: &str,
        media: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Box<dyn Read + Send>, Failure> {
        let reply = match self {
            Target::Folder(_, local) => local.call(method, path, media, body).map_err(Failure::caller)?,
            Target::Server(url, agent) => remote(agent, method, &format!("{url}{path}"), media, body.as_slice())?,
        };
        reply_body(reply)
    }
}

/// The body of a good reply, or what a bad one says.
///
/// Errors: what the API says is wrong.
pub fn reply_body(mut reply: Reply) -> Result<Box<dyn Read + Send>, Failure> {
    if reply.status < 400 {
        return Ok(reply.body);
    }
    let mut text = String::new();
    let _ = reply.body.read_to_string(&mut text);
    let problem: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let detail = problem["detail"].as_str().unwrap_or("the server answered without saying why").to_owned();
    let failure = if reply.status >= 500 { Failure::operator(detail) } else { Failure::caller(detail) };
    let code = if reply.status == 507 { NO_ROOM } else { failure.code };
    Err(Failure { problem: Some(problem), code, ..failure })
}

/// Calls a server with a body that is read as it is sent.
///
/// Errors: when it cannot be reached.
pub fn remote(
    agent: &ureq::Agent,
    method: &str,
    url: &str,
    media: Option<&str>,
    mut body: impl Read,
) -> Result<Reply, Failure> {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    if let Some(media) = media {
        request = request.header("content-type", media);
    }
    let unreachable = |error: &dyn std::fmt::Display| Failure::operator(format!("{url} cannot be reached: {error}"));
    let request = request.body(ureq::SendBody::from_reader(&mut body)).map_err(|error| unreachable(&error))?;
    let response = agent.run(request).map_err(|error| unreachable(&error))?;
    let status = response.status().as_u16();
    if (300..400).contains(&status) {
        let to = response.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("another place");
        return Err(Failure::caller(format!("{url} leads on to {to}; give --url the address that it stands for")));
    }
    Ok(Reply { status, body: Box::new(response.into_body().into_reader()) })
}

/// A name or key as a part of a path.
pub fn encoded(part: &str) -> String {
    utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()
}
