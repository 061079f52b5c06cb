//! The index of a boolean property: who says yes, who says no.

use crate::{
    bitmap::posting::Posting,
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    model::id::ContactId,
};

/// One flag per contact, or none.
#[derive(Clone, Debug, Default)]
pub struct FlagIndex {
    yes: Posting,
    no: Posting,
}

impl FlagIndex {
    /// The flag of a contact.
    pub fn value(&self, contact: ContactId) -> Option<bool> {
        if self.yes.contains(contact.0) {
            return Some(true);
        }
        self.no.contains(contact.0).then_some(false)
    }

    /// Sets or removes the flag of a contact; says whether anything changed.
    pub fn set(&mut self, contact: ContactId, flag: Option<bool>) -> bool {
        let put = |posting: &mut Posting, wanted: bool| match (posting.contains(contact.0), wanted) {
            (false, true) => posting.insert(contact.0),
            (true, false) => posting.remove(contact.0),
            (true, true) | (false, false) => false,
        };
        let yes = put(&mut self.yes, flag == Some(true));
        let no = put(&mut self.no, flag == Some(false));
        yes || no
    }

    /// The contacts with the flag at yes.
    pub fn yes(&self) -> &Posting {
        &self.yes
    }

    /// The contacts with the flag at no.
    pub fn no(&self) -> &Posting {
        &self.no
    }

    /// The contacts that have the flag either way.
    pub fn present(&self) -> Posting {
        self.yes.or(&self.no)
    }

    /// Bytes of heap, about.
    pub fn memory_bytes(&self) -> u64 {
        (self.yes.memory_bytes() + self.no.memory_bytes()) as u64
    }

    /// Checks that no contact says both.
    pub fn check(&self) -> Result<(), String> {
        match self.yes.and_len(&self.no) {
            0 => Ok(()),
            both => Err(format!("{both} contacts have the flag both ways")),
        }
    }

    /// Writes the index as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        sink.begin(&format!("{name}/yes"))?;
        self.yes.encode(sink)?;
        sink.begin(&format!("{name}/no"))?;
        self.no.encode(sink)
    }

    /// Reads what [`FlagIndex::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<FlagIndex, Damage> {
        let read = |part: &str| {
            let section = format!("{name}/{part}");
            Posting::decode(&mut Cursor::of(&section, source.section(&section)?))
        };
        Ok(FlagIndex { yes: read("yes")?, no: read("no")? })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::codec::section::MemoryImage;

    #[test]
    fn flags_change_go_away_and_survive_the_image() {
        let (mut flags, mut model) = (FlagIndex::default(), BTreeMap::new());
        for i in 0..5_000u32 {
            let id = i.wrapping_mul(40_503) % 70_000;
            let flag = [Some(true), Some(false), None][(i * 7 % 3) as usize];
            let before = model.get(&id).copied();
            assert_eq!(flags.set(ContactId(id), flag), before != flag);
            match flag {
                Some(flag) => model.insert(id, flag),
                None => model.remove(&id),
            };
        }
        flags.check().unwrap();
        let mut image = MemoryImage::new();
        flags.encode("f", &mut image).unwrap();
        let back = FlagIndex::decode("f", &image).unwrap();
        assert!(back.present().iter().eq(model.keys().copied()));
        assert!((0..70_000).all(|id| back.value(ContactId(id)) == model.get(&id).copied()));
    }
}
