//! A real server in a process of its own, and a client that talks to it over a socket.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Its address, `http://127.0.0.1:PORT`.
    pub url: String,
    agent: ureq::Agent,
}

/// What a call came back with.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header values by lower-case name.
    pub headers: Vec<(String, String)>,
    /// The body, if it is text.
    pub text: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Server {
    /// Serves a folder with further arguments, on a free port; returns once it is ready.
    pub fn start(folder: &Path, arguments: &[&str]) -> Server {
        Server::start_at(folder, "127.0.0.1:0", arguments)
    }

    /// The same at an address.
    pub fn start_at(folder: &Path, address: &str, arguments: &[&str]) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_throng"))
            .args(["serve", "--listen", address, "--data"])
            .arg(folder)
            .args(arguments)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let mut seen = String::new();
        let url = loop {
            let mut line = String::new();
            let read = lines.read_line(&mut line).expect("standard error is text");
            assert!(read > 0, "the server ended before it was ready: {seen}");
            if let Some(at) = line.find("on http") {
                break line[at + 3..].trim().to_owned();
            }
            seen.push_str(&line);
        };
        // The pipe is read to its end, so that a chatty server never blocks on it.
        std::thread::spawn(move || {
            let mut rest = String::new();
            let _ = lines.read_to_string(&mut rest);
        });
        Server { child, url, agent: agent() }
    }

    /// One call with a body of a media type.
    pub fn send(&self, method: &str, path: &str, media: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.with_headers(method, path, &[("content-type", media)], body.into())
    }

    /// One call with headers.
    pub fn with_headers(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        call(&self.agent, &self.url, method, path, headers, body)
            .unwrap_or_else(|| panic!("{method} {path}: the server does not answer"))
    }

    /// One call with a JSON body, or none for `Value::Null`.
    pub fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        match body {
            Value::Null => self.with_headers(method, path, &[], Vec::new()),
            body => self.send(method, path, "application/json", body.to_string()),
        }
    }

    /// A call that must succeed; gives its JSON.
    pub fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.call(method, path, body);
        assert!(reply.status < 300, "{method} {path}: {} {}", reply.status, reply.text);
        if reply.text.is_empty() { Value::Null } else { reply.json() }
    }

    /// How many contacts a rule holds for.
    pub fn count(&self, rule: &str) -> u64 {
        let answer = self.ok("POST", "/v1/query", serde_json::json!({"rule": rule}));
        answer["count"].as_u64().expect("a count")
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once, as a power cut would end the program.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Asks the process to stop and waits; gives whether it ended well.
    pub fn stop(&mut self) -> bool {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        self.child.wait().expect("the process ends").success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that keeps connections and takes every status as an answer.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

/// One call; `None` when no answer came.
pub fn call(
    agent: &ureq::Agent,
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Option<Reply> {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = agent.run(request.body(body).expect("a well-formed request")).ok()?;
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect();
    let status = response.status().as_u16();
    let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec().ok()?;
    let text = String::from_utf8(bytes.clone()).unwrap_or_default();
    Some(Reply { status, headers, text, bytes })
}
