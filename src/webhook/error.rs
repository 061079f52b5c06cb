//! Why a call about webhooks cannot be done.

use std::sync::Arc;

use crate::db::error::Error;

/// Why a call about webhooks cannot be done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HookError {
    /// There is none of this id.
    #[error("there is no webhook \"{0}\"")]
    Unknown(String),
    /// There is one of this id.
    #[error("there is a webhook \"{0}\" already")]
    Taken(String),
    /// There are as many as there may be.
    #[error("there are {0} webhooks already, and no more can be")]
    TooMany(usize),
    /// The file of webhooks cannot be read; it is left as it is.
    #[error("the webhooks cannot be used: {0}")]
    Unusable(Box<str>),
    /// The idempotency key of a creation was used for another one.
    #[error("the idempotency key was used for a different request")]
    KeyReused,
    /// A test message is under way.
    #[error("a test of webhook \"{0}\" is under way")]
    Testing(String),
    /// A change is refused.
    #[error("{0}")]
    Refused(String),
    /// The disk.
    #[error(transparent)]
    Database(#[from] Error),
    /// The system.
    #[error("no random bytes: {0}")]
    Random(Arc<std::io::Error>),
}
