//! What does a rule say? Text and JSON to one tree and back, with errors that point.

pub mod ast;
