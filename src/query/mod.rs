//! Who answers to a rule? Binding, planning and evaluating rules over the facts.
//!
//! Owns:   what every operator means, resolved against now and the zone; the order of work; the answers and why.
//! Never:  changes a fact, reads a clock, keeps an answer.
//! Start:  [`bind::bind`], [`plan::Plan`], [`evaluate`], [`explain`].

pub mod bind;
pub mod bounds;
pub mod bucket;
pub mod context;
pub mod evaluate;
pub mod explain;
pub mod plan;
pub mod probe;
pub mod spans;
pub mod value_test;
