//! This program once more, serving a copy of the database, for the rows that ask over a socket.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
};

use crate::{
    cli::{
        bench::{questions, work::Work},
        failure::Failure,
        generate,
    },
    db::database::Database,
    model::request::{Request, RuleSource, SegmentCreate, SegmentSource},
};

/// The copy that is served.
const COPY: &str = "served";
/// The segment that holds everyone.
const EVERYONE: &str = "bench everyone";

/// The server and its copy; both go when this is dropped.
pub struct Server<'w> {
    child: Child,
    address: SocketAddr,
    agent: ureq::Agent,
    work: &'w Work,
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // It serves a copy that goes.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.work.drop_copy(COPY);
    }
}

fn cannot(why: &dyn std::fmt::Display) -> Failure {
    Failure::operator(format!("no server could be started: {why}"))
}

impl Server<'_> {
    /// Copies the database, saves the rules of the suite there, and one that holds everyone, and serves that.
    ///
    /// Errors: those of the database, the disk and the network of this machine.
    pub fn start<'w>(work: &'w Work, db: &Database) -> Result<Server<'w>, Failure> {
        work.copy(db, COPY)?;
        let copy = work.database(COPY)?;
        for (name, rule) in questions::rules().into_iter().chain([(EVERYONE, "everyone")]) {
            let source = SegmentSource::Rule(RuleSource::Text(rule.into()));
            let create = SegmentCreate { name: name.into(), description: None, source };
            for result in copy.write(Request::CreateSegment(create))?.results {
                result.map_err(|refusal| Failure::operator(refusal.to_string()))?;
            }
        }
        copy.close()?;
        drop(copy);
        let program = std::env::current_exe().map_err(|error| cannot(&error))?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--clock", generate::UNTIL, "--no-webhooks", "--data"]);
        command.arg(work.dir().join(COPY)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // What is measured is not to hang on how this machine's own server is set up.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("THRONG_")) {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(|error| cannot(&error))?;
        let said = child.stderr.take();
        let agent = ureq::Agent::config_builder().proxy(None).build().into();
        let mut server = Server { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), agent, work };
        let mut lines = BufReader::new(said.ok_or_else(|| cannot(&"it has no standard error"))?);
        let mut seen = String::new();
        while server.address.port() == 0 {
            let mut line = String::new();
            if lines.read_line(&mut line).map_err(|error| cannot(&error))? == 0 {
                return Err(cannot(&seen));
            }
            if let Some((_, address)) = line.split_once("on http://") {
                server.address = address.trim().parse().map_err(|_| cannot(&line))?;
            }
            seen.push_str(&line);
        }
        // Read to its end, so that the server never waits for it.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Everyone's key: how many are announced, and the answer.
    ///
    /// Errors: when the server cannot be reached.
    pub fn members(&self, format: &str) -> Result<(u64, impl Read + use<>), Failure> {
        let segment = EVERYONE.replace(' ', "%20");
        let url = format!("http://{}/v1/segments/{segment}/members?format={format}", self.address);
        let answer = self.agent.get(url).call().map_err(|error| broken(&error))?;
        let told = answer.headers().get("throng-count").and_then(|told| told.to_str().ok()?.parse().ok());
        Ok((told.unwrap_or(0), answer.into_body().into_reader()))
    }

    /// Has a rule counted, whatever that takes.
    ///
    /// Errors: when the server cannot be reached, or refuses.
    pub fn count(&self, rule: &str) -> Result<(), Failure> {
        let asked = serde_json::json!({ "rule": rule, "return": "count" }).to_string();
        let call = self.agent.post(format!("http://{}/v1/query", self.address));
        let answer = call.content_type("application/json").send(asked).map_err(|error| broken(&error))?;
        answer.into_body().read_to_vec().map_err(|error| broken(&error)).map(drop)
    }
}

/// What the network of this machine said.
pub fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::operator(format!("the server's answer broke off: {error}"))
}
