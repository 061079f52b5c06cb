//! What can be typed? The subcommands.

pub mod generate;
