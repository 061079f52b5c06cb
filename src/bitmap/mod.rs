//! Which contacts? Sets of contact ids, cut into chunks of 65,536, and the loops over their words.
//!
//! Owns:   the containers of a chunk, postings that share what did not change, the kernels, Roaring's portable bytes.
//! Never:  knows what a bit means.
//! Start:  [`posting::Posting`], [`chunk::Chunk`], [`kernels`].

pub mod chunk;
mod chunk_ops;
pub mod chunk_read;
mod directory;
pub mod kernels;
mod kernels_body;
#[cfg(target_arch = "x86_64")]
mod kernels_wide;
mod patch;
pub mod portable;
pub mod posting;
mod posting_image;
#[cfg(test)]
mod posting_tests;
mod recent;
pub mod tally;
pub mod words;
#[cfg(feature = "server")]
pub mod yardstick;

/// Contacts of one chunk.
pub const CHUNK: usize = 65_536;
/// 64-bit words of one chunk.
pub const CHUNK_WORDS: usize = CHUNK / 64;
