//! Which segments hold a contact: the members of all segments once more, by chunk, so that one contact's are found
//! side by side.

use crate::{
    bitmap::chunk::Chunk,
    index::trie::Trie,
    model::id::{ContactId, SegmentId},
};

/// Segments of a group.
const GROUP: u32 = 16;

/// The members of segments by chunk. The chunks are shared with the members' own sets. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Holders {
    /// By chunk, then by segment number / 16: the segments that have members there, ascending.
    chunks: Trie<Trie<Vec<(SegmentId, Chunk)>>>,
}

impl Holders {
    /// Sets who of a chunk is in a segment.
    pub fn set(&mut self, segment: SegmentId, chunk: usize, members: &Chunk) {
        let number = segment.0 / GROUP;
        let held = self.chunks.get(chunk as u32).and_then(|groups| groups.get(number));
        let is_held = held.is_some_and(|group| group.iter().any(|(id, _)| *id == segment));
        if members.is_empty() && !is_held {
            return;
        }
        let groups = self.chunks.get_mut(chunk as u32, Trie::default);
        let group = groups.get_mut(number, Vec::new);
        match (group.binary_search_by_key(&segment, |(id, _)| *id), members.is_empty()) {
            (Ok(place), false) => group[place].1 = members.clone(),
            (Ok(place), true) => drop(group.remove(place)),
            (Err(place), _) => group.insert(place, (segment, members.clone())),
        }
        if group.is_empty() {
            groups.set(number, None);
        }
    }

    /// Lets go of who of a chunk is in a segment, who are about to be others: what is shared would be copied.
    pub fn let_go(&mut self, segment: SegmentId, chunk: usize) {
        let number = segment.0 / GROUP;
        let held = self.chunks.get(chunk as u32).and_then(|groups| groups.get(number));
        if held.is_some_and(|group| group.iter().any(|(id, _)| *id == segment)) {
            let group = self.chunks.get_mut(chunk as u32, Trie::default).get_mut(number, Vec::new);
            group.iter_mut().filter(|(id, _)| *id == segment).for_each(|(_, members)| *members = Chunk::EMPTY);
        }
    }

    /// The segments that hold a contact, ascending.
    pub fn of(&self, contact: ContactId) -> Vec<SegmentId> {
        let mut holding = Vec::new();
        if let Some(groups) = self.chunks.get(contact.0 >> 16) {
            groups.each(&mut |_, group| {
                let holds = group.iter().filter(|(_, members)| members.contains(contact.0 as u16));
                holding.extend(holds.map(|(id, _)| *id));
            });
        }
        holding
    }

    /// Who of a chunk is in a segment.
    pub fn chunk(&self, segment: SegmentId, chunk: usize) -> &Chunk {
        let group = self.chunks.get(chunk as u32).and_then(|groups| groups.get(segment.0 / GROUP));
        let found = group.and_then(|group| group.iter().find(|(id, _)| *id == segment));
        found.map_or(&Chunk::EMPTY, |(_, members)| members)
    }

    /// Bytes on the heap beside the chunks themselves, about.
    pub fn memory_bytes(&self) -> u64 {
        let mut bytes = self.chunks.memory_bytes();
        self.chunks.each(&mut |_, groups| {
            bytes += groups.memory_bytes();
            groups.each(&mut |_, group| bytes += (group.capacity() * size_of::<(SegmentId, Chunk)>()) as u64);
        });
        bytes
    }
}
