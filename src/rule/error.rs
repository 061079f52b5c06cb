//! Errors: what is wrong with a rule, where, what was expected, and what was perhaps meant.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Why a rule was refused: one clear answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// A stable word for programs, `unknown_property`.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// Where it starts. Units: bytes from the start of the source.
    pub offset: usize,
    /// How long the wrong part is. Units: bytes.
    pub length: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1. Units: characters.
    pub column: usize,
    /// What would have been right here; may be empty.
    pub expected: Vec<String>,
    /// The nearest thing that would have been right.
    pub suggestion: Option<String>,
    /// In the JSON form, which part of the document (RFC 6901).
    pub pointer: Option<String>,
}

impl RuleError {
    /// An error at no place yet.
    pub fn new(code: &'static str, message: impl Into<String>) -> RuleError {
        RuleError {
            code,
            message: message.into(),
            offset: 0,
            length: 0,
            line: 1,
            column: 1,
            expected: Vec::new(),
            suggestion: None,
            pointer: None,
        }
    }

    /// The same error at bytes `from..to` of `source`.
    pub fn at(mut self, source: &str, from: usize, to: usize) -> RuleError {
        let from = floor_boundary(source, from);
        let to = floor_boundary(source, to.max(from));
        let before = &source[..from];
        let line = &before[before.rfind('\n').map_or(0, |newline| newline + 1)..];
        self.offset = from;
        self.length = to - from;
        self.line = before.matches('\n').count() + 1;
        self.column = line.chars().count() + 1;
        self
    }

    /// The same error, saying what was expected.
    pub fn expecting<T: Into<String>>(mut self, expected: impl IntoIterator<Item = T>) -> RuleError {
        self.expected = expected.into_iter().map(Into::into).collect();
        self
    }

    /// The same error with a suggestion.
    pub fn suggesting(mut self, suggestion: Option<String>) -> RuleError {
        self.suggestion = suggestion;
        self
    }

    /// The same error about a part of a JSON document.
    pub fn in_json(mut self, pointer: impl Into<String>) -> RuleError {
        self.pointer = Some(pointer.into());
        self
    }

    /// The message, the line it is about with a caret under it, and the suggestion; several lines of plain text.
    pub fn render(&self, source: &str) -> String {
        let from = floor_boundary(source, self.offset);
        let to = floor_boundary(source, from + self.length).max(from);
        let start = source[..from].rfind('\n').map_or(0, |newline| newline + 1);
        let end = source[from..].find('\n').map_or(source.len(), |newline| from + newline);
        let line = source[start..end].trim_end_matches('\r');
        let place = |at: usize| (at.clamp(start, end) - start).min(line.len());
        let mark = place(from)..place(to);
        let label = match (&self.suggestion, self.expected.as_slice()) {
            (Some(suggestion), _) => format!("did you mean {suggestion}?"),
            (None, []) => String::new(),
            (None, expected) => format!("expected {}", expected.join(", ")),
        };
        let snippet =
            Snippet::source(line).line_start(self.line).annotation(AnnotationKind::Primary.span(mark).label(label));
        Renderer::plain().render(&[Level::ERROR.primary_title(&*self.message).element(snippet)])
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pointer {
            Some(pointer) if !pointer.is_empty() => write!(f, "{pointer}: ")?,
            Some(_) => {}
            None => write!(f, "line {}, column {}: ", self.line, self.column)?,
        }
        f.write_str(&self.message)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected.join(", "))?;
        }
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RuleError {}

fn floor_boundary(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}
