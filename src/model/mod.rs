//! What are the nouns? Ids, names, values, time, the schema, requests and the limits on all of them.
//!
//! Owns:   the words every other room uses, and their checks.
//! Never:  holds data of contacts, reads a clock, touches a file.
//! Start:  [`value::Value`], [`schema::Schema`], [`request::Request`].

pub mod calendar;
pub mod convert;
pub mod currency;
pub mod fold;
pub mod id;
pub mod infer;
pub mod limits;
pub mod name;
pub mod number;
pub mod patch;
pub mod planted;
pub mod rate;
pub mod request;
pub mod schema;
pub mod time;
pub mod value;
