//! The numbers that name things inside: dense, typed, never mixed up.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as a position in a dense table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A contact, densely numbered in order of first sight, from 0.
    ContactId(u32)
}
id! {
    /// A declared property, numbered in order of declaration; never reused.
    PropertyId(u16)
}
id! {
    /// A declared event kind, numbered in order of declaration; never reused.
    EventKindId(u16)
}
id! {
    /// A segment, numbered in order of creation; never reused.
    SegmentId(u32)
}
id! {
    /// A place in the log; contiguous from 1; names a version of the data. 0 is the empty database.
    Lsn(u64)
}
