//! Events to sections and back, their laws, and their memory.

use std::sync::Arc;

use crate::{
    bitmap::CHUNK,
    codec::{
        cursor::{Cursor, Writer},
        damage::Damage,
        pack::{pack, unpack},
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{
        Index,
        column::Column,
        derive_plan::Plan,
        dictionary::Dictionary,
        event_group::EventGroup,
        event_ids::EventIds,
        event_index::EventIndex,
        event_page::{PAGE, Page},
        event_store::EventStore,
        pending::{Due, Pending},
        property::PropertyIndex,
        trie::Trie,
    },
    model::{
        id::{ContactId, EventKindId},
        schema::Schema,
        time::Timestamp,
        value::ValueType,
    },
};

const NAME: &str = "index/events";

impl EventStore {
    /// Writes every event as sections whose names begin with `index/events`. Two stores of the same history are written
    /// the same, whatever was merged when.
    pub fn encode(&self, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let mut head = Writer::new();
        let present = |slots: Vec<bool>, head: &mut Writer| {
            head.varint(slots.len() as u64);
            slots.into_iter().for_each(|slot| head.u8(u8::from(slot)));
        };
        present(self.kinds.iter().map(Option::is_some).collect(), &mut head);
        let kept: Vec<bool> =
            self.written.iter().map(|slot| slot.as_ref().is_some_and(|w| !w.present().is_empty())).collect();
        let length = kept.iter().rposition(|kept| *kept).map_or(0, |last| last + 1);
        present(kept[..length].to_vec(), &mut head);
        self.pending.encode(&mut head);
        sink.begin(NAME)?;
        sink.put(head.as_slice())?;
        for (place, written) in self.written.iter().enumerate().filter(|(place, _)| kept[*place]) {
            if let Some(written) = written {
                written.encode(&format!("{NAME}/written/{place}"), sink)?;
            }
        }
        self.ids.encode(&format!("{NAME}/ids"), sink)?;
        for (place, kind) in self.kinds.iter().enumerate() {
            if let Some(kind) = kind {
                kind.encode(&format!("{NAME}/{place}"), sink)?;
            }
        }
        Ok(())
    }

    /// Reads in place what [`EventStore::encode`] wrote under the same schema.
    pub fn decode(schema: &Schema, source: &dyn SectionSource) -> Result<EventStore, Damage> {
        let mut head = Cursor::of(NAME, source.section(NAME)?);
        let kinds = slots(&mut head, schema.event_slots().len())?;
        let kept = slots(&mut head, schema.property_slots().len())?;
        let pending = Pending::decode(&mut head)?;
        head.end()?;
        let mut store = EventStore { pending, plan: Arc::new(Plan::of(schema)), ..EventStore::default() };
        for (place, kept) in kept.into_iter().enumerate() {
            let property = schema.property_slots()[place].as_ref().filter(|_| kept);
            let read = |ty: ValueType| PropertyIndex::decode(ty, &format!("{NAME}/written/{place}"), source);
            store.written.push(property.map(|property| read(property.ty)).transpose()?.map(Arc::new));
        }
        store.ids = EventIds::decode(&format!("{NAME}/ids"), source)?;
        for (place, present) in kinds.into_iter().enumerate() {
            let kind = schema.event_slots()[place].as_ref().filter(|_| present);
            let read = |_| EventIndex::decode(&format!("{NAME}/{place}"), source);
            store.kinds.push(kind.map(read).transpose()?.map(Arc::new));
        }
        for (kind, declared) in store.kinds.iter().zip(schema.event_slots()) {
            let (Some(kind), Some(declared)) = (kind, declared) else { continue };
            let types = declared.properties.iter().map(|property| (!property.dropped).then_some(property.ty));
            if !types.eq(kind.types.iter().copied()) {
                return Err(Damage::new(format!("the events of \"{}\" do not fit the schema", declared.name)));
            }
        }
        Ok(store)
    }

    /// Bytes of memory by part, about.
    pub fn memory(&self) -> Vec<(String, u64)> {
        let kinds = self.kinds.iter().enumerate();
        let kinds = kinds.filter_map(|(place, kind)| Some((format!("event/{place}"), kind.as_ref()?.memory_bytes())));
        let written = self.written.iter().flatten().flat_map(|written| written.memory()).map(|(_, bytes)| bytes).sum();
        let rest = [
            ("events/ids".to_owned(), self.ids.memory_bytes()),
            ("events/pending".to_owned(), self.pending.memory_bytes() as u64),
            ("events/written".to_owned(), written),
        ];
        kinds.chain(rest).collect()
    }

    /// Walks the laws of events: logs in order, first and last true, ids and events one to one, every text in use.
    pub fn check(&self) -> Result<(), String> {
        let mut ids = 0;
        for (place, log) in self.kinds.iter().enumerate() {
            let Some(log) = log else { continue };
            let kind = EventKindId(place as u16);
            log.check().map_err(|what| format!("event kind {kind}: {what}"))?;
            log.each_id(|contact, id| {
                ids += 1;
                match self.ids.place(id) {
                    Some(held) if held == (kind, contact) => Ok(()),
                    held => Err(format!("id {id} of kind {kind} and contact {contact} is known as {held:?}")),
                }
            })?;
        }
        if ids != self.ids.len() {
            return Err(format!("{} event ids are known, {ids} are in the logs", self.ids.len()));
        }
        Ok(())
    }
}

fn slots(head: &mut Cursor, limit: usize) -> Result<Vec<bool>, Damage> {
    let count = head.count(limit)?;
    (0..count)
        .map(|_| match head.u8()? {
            flag @ (0 | 1) => Ok(flag == 1),
            other => Err(head.damage("0 or 1", other)),
        })
        .collect()
}

impl EventIndex {
    /// Writes the log as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        for (place, dictionary) in self.dictionaries.iter().enumerate() {
            if let Some(dictionary) = dictionary {
                dictionary.encode(&format!("{name}/texts/{place}"), sink)?;
            }
        }
        sink.begin(name)?;
        let types = pack(&self.types);
        sink.put(&(types.len() as u64).to_le_bytes())?;
        sink.put(&types)?;
        sink.align(8)?;
        sink.put(&self.events.to_le_bytes())?;
        self.first.encode(sink)?;
        self.last.encode(sink)?;
        sink.align(8)?;
        sink.put(&(self.pages.len() as u64).to_le_bytes())?;
        self.each_page(|number, page| {
            sink.align(8)?;
            sink.put(&u64::from(number).to_le_bytes())?;
            // How a page is packed follows from its events alone, not from when it was merged.
            if page.is_merged() { page.encode(sink) } else { page.merged().encode(sink) }
        })?;
        Ok(())
    }

    /// Reads in place what [`EventIndex::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<EventIndex, Damage> {
        let mut from = Cursor::of(name, source.section(name)?);
        let length = from.u64()?;
        let length = usize::try_from(length).map_err(|_| from.damage("a length", length))?;
        let types: Vec<Option<ValueType>> = unpack(&from.take(length)?)?;
        from.align(8)?;
        let events = from.u64()?;
        let (first, last) = (Column::decode(&mut from)?, Column::decode(&mut from)?);
        from.align(8)?;
        let pages = from.u64()?;
        let mut read = Trie::default();
        let mut next = 0;
        for _ in 0..pages {
            from.align(8)?;
            let number = from.u64()?;
            if number < next || number >= 1 << 22 {
                return Err(from.damage(format!("a page from {next} on"), number));
            }
            next = number + 1;
            read.set(number as u32, Some(Page::decode(&mut from, types.len())?));
        }
        from.end()?;
        let texts = |ty: &Option<ValueType>| ty.is_some_and(|ty| ty.is_text() || ty == ValueType::Set);
        let mut dictionaries = Vec::new();
        for (place, ty) in types.iter().enumerate() {
            let read = || Dictionary::decode(&format!("{name}/texts/{place}"), source);
            dictionaries.push(texts(ty).then(read).transpose()?.map(Arc::new));
        }
        Ok(EventIndex { types, dictionaries, pages: read, first, last, events })
    }

    /// Calls `f` with every page and its number, ascending, up to the first error.
    fn each_page<E>(&self, mut f: impl FnMut(u32, &Page) -> Result<(), E>) -> Result<(), E> {
        let mut result = Ok(());
        self.pages.each(&mut |number, page| {
            if result.is_ok() {
                result = f(number, page);
            }
        });
        result
    }

    /// Calls `f` with every event that has an id.
    fn each_id(&self, mut f: impl FnMut(ContactId, u32) -> Result<(), String>) -> Result<(), String> {
        self.each_page(|number, page| {
            let first = number * PAGE as u32;
            let mut result = Ok(());
            page.for_each(|slot, run, list| {
                let group = EventGroup::at(page, run, list);
                for id in (0..group.len()).filter_map(|i| group.id(i)) {
                    if result.is_ok() {
                        result = f(ContactId(first + u32::from(slot)), id);
                    }
                }
            });
            result
        })
    }

    /// Walks the laws of the log.
    pub fn check(&self) -> Result<(), String> {
        let mut events = 0;
        let mut held: Vec<Vec<u32>> = self.dictionaries.iter().map(|_| Vec::new()).collect();
        let mut contacts = 0;
        self.each_page(|number, page| {
            let first = number * PAGE as u32;
            page.check()?;
            if page.is_empty() {
                return Err("an empty page is kept".into());
            }
            let mut result = Ok(());
            page.for_each(|slot, run, list| {
                let group = EventGroup::at(page, run, list);
                let contact = ContactId(first + u32::from(slot));
                events += group.len() as u64;
                contacts += 1;
                result =
                    std::mem::replace(&mut result, Ok(())).and_then(|()| self.check_group(contact, &group, &mut held));
            });
            result
        })?;
        if events != self.events || contacts != self.presence().len() || contacts != self.first.present().len() {
            return Err(format!("{events} events of {contacts} contacts are in the log, told are {}", self.events));
        }
        for (place, dictionary) in self.dictionaries.iter().enumerate() {
            let Some(dictionary) = dictionary else { continue };
            held[place].resize(dictionary.code_end() as usize, 0);
            let wrong = (0..dictionary.code_end()).find(|code| dictionary.count(*code) != held[place][*code as usize]);
            if let Some(code) = wrong {
                return Err(format!("text {code} of property {place} is held {} times", held[place][code as usize]));
            }
        }
        Ok(())
    }

    fn check_group(&self, contact: ContactId, group: &EventGroup<'_>, held: &mut [Vec<u32>]) -> Result<(), String> {
        let bounds = group.len().checked_sub(1).map(|last| (group.time(0), group.time(last)));
        let told = self.first.get(contact.0).zip(self.last.get(contact.0));
        if bounds.map(|(first, last)| (i128::from(first.0), i128::from(last.0))) != told {
            return Err(format!("contact {contact} has events from and to {bounds:?}, told is {told:?}"));
        }
        for i in 0..group.len() {
            if i > 0 && group.time(i - 1) > group.time(i) {
                return Err(format!("the events of contact {contact} are out of order"));
            }
            for (place, held) in held.iter_mut().enumerate().filter(|(place, _)| self.dictionaries[*place].is_some()) {
                let one = group.text_code(place, i);
                for code in group.set_codes(place, i).unwrap_or_default().into_iter().chain(one) {
                    held.resize(held.len().max(code as usize + 1), 0);
                    held[code as usize] += 1;
                }
            }
        }
        Ok(())
    }
}

impl Index {
    /// Walks the laws that tie derived properties and the queue to the events and the clock.
    pub fn check_derived(&self, schema: &Schema, as_of: Timestamp) -> Result<(), String> {
        let store = &self.events;
        if *store.plan != Plan::of(schema) {
            return Err("the derived properties are not those of the schema".into());
        }
        let mut ahead = Vec::new();
        for (place, log) in store.kinds.iter().enumerate() {
            let Some(log) = log else { continue };
            for chunk in 0..log.chunk_count() {
                log.for_each_group(chunk, |slot, group| {
                    let contact = ContactId((chunk * CHUNK) as u32 + u32::from(slot));
                    let late = group.between(as_of.0.saturating_add(1), i64::MAX);
                    let kind = EventKindId(place as u16);
                    ahead.extend(late.map(|i| Due { at: group.time(i), kind, contact }));
                });
            }
        }
        ahead.sort_unstable();
        if !store.pending.iter().eq(ahead.iter().copied()) {
            return Err(format!("{} events wait to come due, {} should", store.pending.len(), ahead.len()));
        }
        for formula in store.plan.formulas() {
            let held = self.present(formula.property);
            let written = store.written.get(formula.property.index()).and_then(Option::as_ref);
            let mut contacts = written.map_or(held.clone(), |written| held.or(&written.present()));
            for kind in formula.measure.iter().flat_map(|measure| measure.kinds()) {
                contacts = store.kind(kind).map_or(contacts.clone(), |log| contacts.or(log.presence()));
            }
            for contact in contacts.iter().map(ContactId) {
                let (is, must) = self.held_and_due(formula, contact, as_of);
                if is != must {
                    return Err(format!("property {} of contact {contact} is {is:?}, not {must:?}", formula.property));
                }
            }
        }
        Ok(())
    }
}
