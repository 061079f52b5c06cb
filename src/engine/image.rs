//! Images: the whole state as sections, the same state always as the same bytes, read in place where it is big.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    codec::{
        damage::Damage,
        pack::{pack, unpack},
        section::{SectionSink, SectionSource, SinkError},
    },
    engine::{
        messages::{Kept, Messages},
        remembered::{Memory, Remembered},
        state::State,
    },
    index::Index,
    model::{id::Lsn, schema::Schema, time::Timestamp},
    segment::{
        book::Book,
        live::{Facts, Live},
    },
};

/// The version that is written; the one before was never released and is refused.
pub const IMAGE_VERSION: u32 = 2;

/// The section whose first byte is the version, whatever the version.
pub const STATE: &str = "state";
const SCHEMA: &str = "schema";
const MEMORY: &str = "memory";
const MESSAGES: &str = "messages";

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    lsn: Lsn,
    as_of: Timestamp,
}

/// Whether an image is of a version that [`State::decode`] reads, by its section [`STATE`]. The version comes first, in
/// one byte up to 250, whatever else a newer one has there.
///
/// Errors: [`Damage`], told apart where a newer version wrote it.
pub fn check_version(state: &[u8]) -> Result<(), Damage> {
    match state.first().map(|byte| u32::from(*byte)) {
        Some(IMAGE_VERSION) => Ok(()),
        Some(version) if version > IMAGE_VERSION => Err(Damage::newer(format!(
            "image version {version} is of a newer program; this one reads version {IMAGE_VERSION}"
        ))),
        version => Err(Damage::new(format!("image version {version:?} was never released"))),
    }
}

impl State {
    /// Writes the state.
    ///
    /// Errors: the sink's.
    pub fn encode(&self, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        sink.begin(STATE)?;
        sink.put(&pack(&Head { version: IMAGE_VERSION, lsn: self.lsn, as_of: self.as_of }))?;
        sink.begin(SCHEMA)?;
        sink.put(&pack(&*self.schema))?;
        sink.begin(MEMORY)?;
        sink.put(&pack(&self.memory.entries()))?;
        if !self.messages.is_empty() {
            sink.begin(MESSAGES)?;
            sink.put(&pack(&self.messages.kept()))?;
        }
        self.book.encode(sink)?;
        self.live.encode(sink)?;
        self.index.encode(sink)
    }

    /// Reads what [`State::encode`] wrote.
    ///
    /// Errors: [`Damage`] when a section is missing or is not what it should be.
    pub fn decode(source: &dyn SectionSource) -> Result<State, Damage> {
        let head = source.section(STATE)?;
        check_version(&head)?;
        let head: Head = unpack(&head)?;
        let schema: Schema = unpack(&source.section(SCHEMA)?)?;
        let memory: BTreeMap<Box<str>, Remembered> = unpack(&source.section(MEMORY)?)?;
        let messages: Vec<Kept> = match source.has(MESSAGES) {
            true => unpack(&source.section(MESSAGES)?)?,
            false => Vec::new(),
        };
        let book = Book::decode(&schema, source)?;
        let index = Index::decode(&schema, source)?;
        let schema = Arc::new(schema);
        let facts = Facts { schema: &schema, index: &index, book: &book };
        let live = Live::decode(facts, head.as_of, source)?;
        let (memory, messages) = (Memory::from_entries(memory), Messages::restored(messages));
        Ok(State { lsn: head.lsn, as_of: head.as_of, schema, index, book, live, memory, messages })
    }
}
