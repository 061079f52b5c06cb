//! The files of the audit log: a line each deed, a file a day, the oldest given up.

use std::path::PathBuf;

use clap::Args;
use tracing_appender::rolling::{RollingFileAppender, Rotation};

use crate::{
    cli::failure::Failure,
    http::audit::{Audit, Deed},
};

/// Where deeds are recorded.
#[derive(Args, Clone, Debug)]
pub struct AuditLog {
    /// A folder for the audit log, a file of JSON lines a day: who changed what, when, and how it went, without names.
    #[arg(long, global = true, value_name = "DIR", env = "THRONG_AUDIT_LOG")]
    audit_log: Option<PathBuf>,
    /// How many days of it are kept.
    #[arg(long, global = true, value_name = "N", env = "THRONG_AUDIT_DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    audit_days: u16,
}

impl AuditLog {
    /// Opens it.
    ///
    /// Errors: a folder that cannot be written to.
    pub fn open(&self) -> Result<Audit, Failure> {
        let Some(dir) = &self.audit_log else { return Ok(Audit::default()) };
        let files = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix("audit")
            .filename_suffix("jsonl")
            .max_log_files(self.audit_days.into());
        let files = files.build(dir).map_err(|error| Failure::operator(format!("{}: {error}", dir.display())))?;
        Ok(Audit::to(Box::new(files)))
    }
}

/// A deed of the command line, of which the one who may read the folder is the doer.
pub fn typed<'a>(action: &'a str, target: &'a str) -> Deed<'a> {
    Deed { action, by: None, target: Some(target), status: None, request_id: None, lsn: None }
}
