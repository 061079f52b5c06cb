//! What the suites share: the naive database and the generators of schemas, data and rules.

pub mod almanac;
pub mod deeds;
pub mod derived;
pub mod events;
pub mod generate;
pub mod generate_request;
pub mod generate_rule;
pub mod generate_schema;
pub mod generate_test;
pub mod ledger;
pub mod loaded;
pub mod long;
pub mod naive;
pub mod questions;
pub mod reshape;
pub mod server;
pub mod shelf;
pub mod source;
pub mod spelling;
pub mod sql_rule;
pub mod sql_test;
pub mod sql_time;
pub mod sql_world;
pub mod wire;
pub mod writes;
