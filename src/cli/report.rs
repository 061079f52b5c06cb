//! `throng report`: all segments, or some, with their figures, as one file for people.

use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
};

use clap::Args;

use crate::cli::{
    failure::Failure,
    query::print,
    show,
    target::{Where, encoded},
};

/// Write a report of all segments, or some, as one HTML file.
#[derive(Args, Debug)]
#[command(
    after_help = "The file needs nothing else: no script, no picture, no server. It opens in any browser, in light \
                        and dark, and prints.\n\n    throng report                                        all segments\n    throng report --segment VIP --segment \"At risk\" --goal purchase --within 14d\n    throng \
                        report --url http://127.0.0.1:7171 --out -       of a running server, to standard output"
)]
pub struct Report {
    /// The file to write; what was there stays until the new one is whole. `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "throng-report.html")]
    out: PathBuf,
    /// These segments alone, in this order; may stand several times [default: all, the largest first].
    #[arg(long = "segment", value_name = "NAME")]
    segments: Vec<String>,
    /// An event: how many of those who entered did it soon after.
    #[arg(long, value_name = "EVENT")]
    goal: Option<String>,
    /// How soon after entering the goal must be done [default: 14d].
    #[arg(long, value_name = "LENGTH", requires = "goal")]
    within: Option<String>,
    /// Events that count as engagement, such as email_opened,conversation [default: all that count as activity].
    #[arg(long, value_name = "EVENTS")]
    engagement: Option<String>,
    /// How far back engagement counts [default: 30d].
    #[arg(long, value_name = "LENGTH")]
    window: Option<String>,
    /// Days of the charts [default: 90].
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    #[command(flatten)]
    target: Where,
}

impl Report {
    /// Asks, and writes the file.
    pub fn run(self) -> Result<(), Failure> {
        let days = self.days.map(|days| days.to_string());
        let single = [
            ("goal", &self.goal),
            ("within", &self.within),
            ("engagement", &self.engagement),
            ("window", &self.window),
            ("days", &days),
        ];
        let single = single.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let asked = self.segments.iter().map(|name| ("segment", name.as_str())).chain(single);
        let asked: Vec<String> = asked.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let target = self.target.open_existing()?;
        let path = format!("/ui/ask/report?{}", asked.join("&"));
        let mut page = Vec::new();
        let read = target.call("GET", &path, None, Vec::new())?.read_to_end(&mut page);
        read.map_err(|error| Failure::operator(format!("the answer broke off: {error}")))?;
        if !page.starts_with(b"<!doctype html>") {
            return Err(Failure::operator("what answers there is no report: is it a server of an earlier version?"));
        }
        if self.out.as_os_str() == "-" {
            return match std::io::stdout().lock().write_all(&page) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    Err(Failure::operator(error.to_string()))
                }
                _ => Ok(()),
            };
        }
        let mut part = self.out.as_os_str().to_owned();
        part.push(".part");
        let written = fs::write(&part, &page).and_then(|()| fs::rename(&part, &self.out));
        if written.is_err() {
            // Half a page is of no use to anybody; what is wrong is told below.
            let _ = fs::remove_file(&part);
        }
        let out = self.out.display();
        written.map_err(|error| Failure::operator(format!("{out} cannot be written: {error}")))?;
        print(&format!("wrote {out}, {}", show::bytes(page.len() as u64)))
    }
}
