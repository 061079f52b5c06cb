//! Failures: what went wrong, and who must act, told by the exit code.

use std::{fmt, process::ExitCode};

use serde_json::Value;

use crate::{
    db::error::{Error, Who},
    rule::error::RuleError,
};

/// Why a command did not do as asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Who must act.
    pub who: Who,
    /// What went wrong; may be several lines.
    pub message: String,
    /// The problem that the API answered, if it did.
    pub problem: Option<Value>,
    /// The exit code.
    pub code: u8,
}

/// The exit code of a process whose writer stopped by a fault of the program.
pub const FAULT: u8 = 70;
/// The exit code for want of room on the disk.
pub const NO_ROOM: u8 = 8;

impl Failure {
    /// The caller must act: a bad rule, a bad file, a wrong argument. Exit code 2.
    pub fn caller(message: impl Into<String>) -> Failure {
        Failure { who: Who::Caller, message: message.into(), problem: None, code: 2 }
    }

    /// The operator must act: disk, folder, address, a server that is down. Exit code 1, if none is set.
    pub fn operator(message: impl Into<String>) -> Failure {
        Failure { who: Who::Operator, message: message.into(), problem: None, code: 1 }
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// The same failure; if it is about a rule, with the line, a caret under the place, and the suggestion.
    pub fn with_caret(self, source: &str) -> Failure {
        let Some(rule) = self.problem.as_ref().map(|problem| &problem["rule"]) else {
            return self;
        };
        let (Some(offset), Some(message)) = (rule["offset"].as_u64(), rule["message"].as_str()) else {
            return self;
        };
        let words =
            |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let error = RuleError {
            offset: offset as usize,
            length: rule["length"].as_u64().unwrap_or(0) as usize,
            line: rule["line"].as_u64().unwrap_or(1) as usize,
            expected: words(&rule["expected"]),
            suggestion: rule["suggestion"].as_str().map(str::to_owned),
            ..RuleError::new("rule", message)
        };
        Failure { message: error.render(source), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.starts_with("error") {
            return f.write_str(&self.message);
        }
        write!(f, "error: {}", self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { who: error.who(), message: error.to_string(), problem: None, code: error.exit_code() }
    }
}
