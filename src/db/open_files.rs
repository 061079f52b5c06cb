//! Room for the files of a database beside the connections of a server.

use crate::storage::open_files;

/// Sees to it that this process may have so many files open.
///
/// Errors: how many it may have, where that is fewer.
pub fn allow_open_files(needed: u64) -> Result<(), u64> {
    open_files::allow(needed)
}
