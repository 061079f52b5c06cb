//! Roaring's portable bytes in and out.

use crate::bitmap::posting::Posting;
use crate::codec::damage::Damage;

/// The set in Roaring's portable format.
pub fn to_roaring(_posting: &Posting) -> Vec<u8> {
    unimplemented!()
}
/// Reads Roaring's portable format, checked; bytes left over are damage.
pub fn from_roaring(_bytes: &[u8]) -> Result<Posting, Damage> {
    unimplemented!()
}
