//! Who answers to a rule? Binding, planning and evaluating rules over the facts.
//!
//! Owns:   what every operator means, resolved against now and the zone; the order of work; the answers and why.
//! Never:  changes a fact, reads a clock, keeps an answer.
//! Start:  [`bind::bind`], [`plan::Plan`], [`evaluate`], [`explain`], [`standing::Standing`].

pub mod asking;
pub mod behavior;
pub mod bind;
pub mod bind_events;
pub mod bind_value;
pub mod bounds;
pub mod bucket;
pub mod build;
pub mod context;
pub mod crossing;
pub mod decided;
mod distinct;
pub mod estimate;
pub mod evaluate;
pub mod explain;
#[cfg(test)]
mod fixture;
pub mod flip;
mod fold;
mod fused;
pub mod label;
pub mod look_ahead;
pub mod motion;
pub mod moving;
pub mod plan;
pub mod prepare;
pub mod probe;
pub mod quick;
pub mod read;
pub mod reader;
pub mod sense;
pub mod sieve;
pub mod spans;
pub mod standing;
#[cfg(test)]
mod standing_fixture;
pub mod turns;
pub mod upcoming;
pub mod value_test;
pub mod why;
pub mod worker;
