//! How many files this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sees to it that this process may have so many files open: raises its own limit as far as it is allowed.
///
/// Errors: how many it may have, where that is fewer.
pub fn allow(needed: u64) -> Result<(), u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    // The limit in force is below the one up to which a process may raise it.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum });
    raised.map_err(|_| maximum.or(current).unwrap_or_default())
}
