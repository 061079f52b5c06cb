//! Lists of contacts by their ids: a portable Roaring bitmap, with the keys of its ids behind it, out and in.
//!
//! | bytes | what |
//! | --- | --- |
//! | as many as the header `Throng-Roaring-Bytes` says | the ids: a portable Roaring bitmap, which its libraries read from here as it is |
//! | 8 | `THRONGK1` |
//! | 16 | the identity of the database: ids mean something in it alone |
//! | 8 | as of which write, little-endian |
//! | 8 | how many keys follow, little-endian |
//! | 2 + n each | the key of each id, ids ascending: its length in bytes, little-endian, and its UTF-8 |

use crate::{
    db::{answer::Answer, record::Place, view::View},
    http::problem::Problem,
    model::name::ContactKey,
};

/// The media type.
pub const MEDIA: &str = "application/vnd.roaring";
/// What the keys begin with.
const MAGIC: &[u8; 8] = b"THRONGK1";
const HEAD: usize = MAGIC.len() + 16 + 8 + 8;

/// An identity as people read it.
pub fn identity_text(identity: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(identity).hyphenated().to_string()
}

/// What stands before the first key.
pub fn head(identity: [u8; 16], lsn: u64, count: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&identity);
    head.extend_from_slice(&lsn.to_le_bytes());
    head.extend_from_slice(&count.to_le_bytes());
    head
}

/// Appends the keys of up to `limit` contacts after a place; gives the next place.
pub fn write_keys(out: &mut Vec<u8>, answer: &Answer, after: Option<Place>, limit: usize) -> Option<Place> {
    answer.each_key(after, limit, |key| {
        let length = u16::try_from(key.len()).expect("a key is far shorter than 64 KiB");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(key.as_bytes());
    })
}

/// A list that was sent.
pub struct Sent {
    /// The contacts that are known.
    pub keys: Vec<ContactKey>,
    /// How many ids are no contact (any more).
    pub unknown: u64,
}

/// Reads a list: as it was exported, or a bitmap alone beside the identity of its database.
///
/// Errors: 400 malformed; 422 when the ids are another database's or it is not said whose they are.
pub fn read(view: &View, identity: [u8; 16], named: Option<&str>, bytes: &[u8]) -> Result<Sent, Problem> {
    let own = identity_text(identity);
    let other = |whose: &str| {
        let detail =
            format!("the ids are those of the database {whose}, this is {own}: ids mean something in their own alone");
        Problem::refused("other_database", detail)
    };
    if let Some(named) = named.filter(|named| !named.eq_ignore_ascii_case(&own)) {
        return Err(other(named));
    }
    let (answer, unknown, read) = view.of_roaring(bytes).map_err(|damage| Problem::malformed(damage.what))?;
    let rest = &bytes[read..];
    if rest.is_empty() && named.is_none() {
        let detail = "a bitmap alone does not say whose ids it has: send the keys behind it, as they were exported, or \
            the identity of their database (the header \"Throng-Database\" of the export) as \"database\"";
        return Err(Problem::refused("no_database", detail));
    }
    if !rest.is_empty() {
        let told =
            told_keys(rest).ok_or_else(|| Problem::malformed("what follows the bitmap is no list of its keys"))?;
        if told.identity != identity {
            return Err(other(&identity_text(told.identity)));
        }
        if told.keys.len() as u64 != answer.count() + unknown {
            let detail =
                "the bitmap and the keys behind it are of different sizes; a bitmap that was changed goes alone";
            return Err(Problem::malformed(detail));
        }
        let strange = answer.first_key_not_in(&told.keys);
        if let Some(key) = strange {
            // A database that was put back to an earlier day gives ids again that it has given before.
            let detail = format!("the ids are of another history of this database: \"{key}\" is not among the keys");
            return Err(Problem::refused("other_database", detail));
        }
    }
    let mut keys = Vec::new();
    answer.for_each_key(|key| {
        keys.extend(ContactKey::new(key));
        std::ops::ControlFlow::Continue(())
    });
    Ok(Sent { keys, unknown })
}

/// What stands behind a bitmap.
struct ToldKeys<'a> {
    identity: [u8; 16],
    keys: std::collections::HashSet<&'a str>,
}

fn told_keys(bytes: &[u8]) -> Option<ToldKeys<'_>> {
    let (magic, bytes) = bytes.split_first_chunk::<8>()?;
    let (identity, bytes) = bytes.split_first_chunk::<16>()?;
    let (_lsn, bytes) = bytes.split_first_chunk::<8>()?;
    let (count, mut bytes) = bytes.split_first_chunk::<8>()?;
    let mut keys = std::collections::HashSet::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        keys.insert(std::str::from_utf8(key).ok()?);
        bytes = rest;
    }
    let is_whole = magic == MAGIC && keys.len() as u64 == u64::from_le_bytes(*count);
    is_whole.then_some(ToldKeys { identity: *identity, keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written_and_cut_ones_are_not() {
        let mut bytes = head([7; 16], 5, 2);
        for key in ["u-1", "ü"] {
            bytes.extend_from_slice(&u16::try_from(key.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(key.as_bytes());
        }
        let told = told_keys(&bytes).unwrap();
        assert_eq!(told.identity, [7; 16]);
        assert!(told.keys.contains("u-1") && told.keys.contains("ü"));
        for cut in 0..bytes.len() {
            assert!(told_keys(&bytes[..cut]).is_none(), "{cut}");
        }
        bytes[0] ^= 1;
        assert!(told_keys(&bytes).is_none());
    }
}
