//! Who outside is told, and how surely? Webhooks: each change of a membership as a signed call to an address of the user's.
//!
//! Owns:   addresses and what they are told of, secrets and signatures, the retry plan, dead letters, outgoing calls.
//! Never:  holds the writer or the feed up; keeps a contact's name; follows a redirect; trusts a resolver twice.
//! Start:  [`registry::Webhooks`], [`deliver`]; docs/WEBHOOKS.md.

pub mod address;
pub mod client;
pub mod deliver;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod plan;
pub mod registry;
pub mod settle;
pub mod sign;
pub mod slot;
pub mod target;
mod task;
