//! The index of one property, whatever its type.

use crate::{
    bitmap::posting::Posting,
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{column::Column, flag::FlagIndex, set::SetIndex, text::TextIndex},
    model::{
        id::ContactId,
        value::{Value, ValueType},
    },
};

/// The values of one property and how they are found.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each property, behind an Arc")]
pub enum PropertyIndex {
    /// Text, email or category (which one is the type).
    Text(ValueType, TextIndex),
    /// Boolean.
    Flag(FlagIndex),
    /// Number, money, timestamp or date (which one is the type).
    Ordered(ValueType, Column),
    /// Set.
    Set(SetIndex),
}

impl PropertyIndex {
    /// An empty index of a type.
    pub fn new(ty: ValueType, case_sensitive: bool) -> PropertyIndex {
        match ty {
            ValueType::Text | ValueType::Email | ValueType::Category => {
                PropertyIndex::Text(ty, TextIndex::new(case_sensitive, ty == ValueType::Email))
            }
            ValueType::Boolean => PropertyIndex::Flag(FlagIndex::default()),
            ValueType::Number | ValueType::Money(_) | ValueType::Timestamp | ValueType::Date => {
                PropertyIndex::Ordered(ty, Column::new())
            }
            ValueType::Set => PropertyIndex::Set(SetIndex::new(case_sensitive)),
        }
    }

    /// The type it was made for.
    pub fn ty(&self) -> ValueType {
        match self {
            PropertyIndex::Text(ty, _) | PropertyIndex::Ordered(ty, _) => *ty,
            PropertyIndex::Flag(_) => ValueType::Boolean,
            PropertyIndex::Set(_) => ValueType::Set,
        }
    }

    /// Changes whether texts are compared with case.
    pub fn set_case_sensitive(&mut self, case_sensitive: bool) {
        match self {
            PropertyIndex::Text(_, index) => index.set_case_sensitive(case_sensitive),
            PropertyIndex::Set(index) => index.set_case_sensitive(case_sensitive),
            PropertyIndex::Flag(_) | PropertyIndex::Ordered(..) => {}
        }
    }

    /// Whether there are texts to compare.
    pub fn holds_texts(&self) -> bool {
        matches!(self, PropertyIndex::Text(..) | PropertyIndex::Set(_))
    }

    /// Whether texts are compared with case; no for what holds no texts.
    pub fn case_sensitive(&self) -> bool {
        match self {
            PropertyIndex::Text(_, index) => index.case_sensitive(),
            PropertyIndex::Set(index) => index.case_sensitive(),
            PropertyIndex::Flag(_) | PropertyIndex::Ordered(..) => false,
        }
    }

    /// The value of a contact.
    pub fn value(&self, contact: ContactId) -> Option<Value> {
        match self {
            PropertyIndex::Text(_, index) => index.value(contact).map(|text| Value::Text(text.into())),
            PropertyIndex::Flag(index) => index.value(contact).map(Value::Flag),
            PropertyIndex::Ordered(ty, column) => column.get(contact.0).map(|at| Value::from_ordered(*ty, at)),
            PropertyIndex::Set(index) => {
                let texts: Vec<Box<str>> = index.value(contact).into_iter().map(Box::from).collect();
                (!texts.is_empty()).then_some(Value::Set(texts))
            }
        }
    }

    /// Sets or removes the value of a contact; says whether anything changed.
    ///
    /// Panics: when the value is not of the property's type.
    pub fn set(&mut self, contact: ContactId, value: Option<&Value>) -> bool {
        match (self, value) {
            (PropertyIndex::Text(_, index), None) => index.set(contact, None),
            (PropertyIndex::Text(_, index), Some(Value::Text(text))) => index.set(contact, Some(text)),
            (PropertyIndex::Flag(index), None) => index.set(contact, None),
            (PropertyIndex::Flag(index), Some(Value::Flag(flag))) => index.set(contact, Some(*flag)),
            (PropertyIndex::Set(index), None) => index.set::<&str>(contact, &[]),
            (PropertyIndex::Set(index), Some(Value::Set(texts))) => index.set(contact, texts),
            (PropertyIndex::Ordered(_, column), None) => {
                column.get(contact.0).is_some() && column.set(contact.0, None).is_some()
            }
            (PropertyIndex::Ordered(ty, column), Some(value)) if fits(*ty, value) => {
                let position = value.ordered();
                column.get(contact.0) != position && column.set(contact.0, position) != position
            }
            (index, Some(value)) => panic!("a value of a {} property cannot be {value:?}", index.ty().name()),
        }
    }

    /// Sets or removes the values of many contacts, in order.
    ///
    /// Panics: as [`PropertyIndex::set`].
    pub fn set_all(&mut self, writes: &[(ContactId, Option<&Value>)]) {
        match self {
            PropertyIndex::Text(_, index) => index.set_all(writes.iter().map(|(contact, value)| match value {
                None => (*contact, None),
                Some(Value::Text(text)) => (*contact, Some(&**text)),
                Some(value) => panic!("a value of a text property cannot be {value:?}"),
            })),
            PropertyIndex::Set(index) => index.set_all(writes.iter().map(|(contact, value)| match value {
                None => (*contact, &[][..]),
                Some(Value::Set(texts)) => (*contact, texts.as_slice()),
                Some(value) => panic!("a value of a set property cannot be {value:?}"),
            })),
            PropertyIndex::Flag(_) | PropertyIndex::Ordered(..) => {
                for (contact, value) in writes {
                    self.set(*contact, *value);
                }
            }
        }
    }

    /// Whether the contact has a value.
    pub fn has(&self, contact: ContactId) -> bool {
        match self {
            PropertyIndex::Text(_, index) => index.code(contact).is_some(),
            PropertyIndex::Flag(index) => index.value(contact).is_some(),
            PropertyIndex::Ordered(_, column) => column.present().contains(contact.0),
            PropertyIndex::Set(index) => index.present().contains(contact.0),
        }
    }

    /// The contacts that have a value.
    pub fn present(&self) -> Posting {
        match self {
            PropertyIndex::Text(_, index) => index.present().clone(),
            PropertyIndex::Flag(index) => index.present(),
            PropertyIndex::Ordered(_, column) => column.present().clone(),
            PropertyIndex::Set(index) => index.present().clone(),
        }
    }

    /// Bytes of heap by part, about.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        match self {
            PropertyIndex::Text(_, index) => index.memory(),
            PropertyIndex::Flag(index) => vec![("flags", index.memory_bytes())],
            PropertyIndex::Ordered(_, column) => vec![("column", column.memory_bytes() as u64)],
            PropertyIndex::Set(index) => index.memory(),
        }
    }

    /// Checks the index's own laws.
    pub fn check(&self) -> Result<(), String> {
        match self {
            PropertyIndex::Text(_, index) => index.check(),
            PropertyIndex::Flag(index) => index.check(),
            PropertyIndex::Ordered(_, column) => {
                let listed =
                    (0..column.chunk_count()).map(|chunk| column.iter_chunk(chunk).count() as u64).sum::<u64>();
                let present = column.present().len();
                if listed == present {
                    Ok(())
                } else {
                    Err(format!("{present} contacts are present, {listed} have values"))
                }
            }
            PropertyIndex::Set(index) => index.check(),
        }
    }

    /// Writes the index as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        match self {
            PropertyIndex::Text(_, index) => index.encode(name, sink),
            PropertyIndex::Flag(index) => index.encode(name, sink),
            PropertyIndex::Ordered(_, column) => {
                sink.begin(&format!("{name}/column"))?;
                column.encode(sink)
            }
            PropertyIndex::Set(index) => index.encode(name, sink),
        }
    }

    /// Reads what [`PropertyIndex::encode`] wrote for the type.
    pub fn decode(ty: ValueType, name: &str, source: &dyn SectionSource) -> Result<PropertyIndex, Damage> {
        Ok(match ty {
            ValueType::Text | ValueType::Email | ValueType::Category => {
                PropertyIndex::Text(ty, TextIndex::decode(ty == ValueType::Email, name, source)?)
            }
            ValueType::Boolean => PropertyIndex::Flag(FlagIndex::decode(name, source)?),
            ValueType::Number | ValueType::Money(_) | ValueType::Timestamp | ValueType::Date => {
                let section = format!("{name}/column");
                PropertyIndex::Ordered(ty, Column::decode(&mut Cursor::of(&section, source.section(&section)?))?)
            }
            ValueType::Set => PropertyIndex::Set(SetIndex::decode(name, source)?),
        })
    }
}

/// Whether a value is one of an ordered type.
fn fits(ty: ValueType, value: &Value) -> bool {
    matches!(
        (ty, value),
        (ValueType::Number, Value::Number(_))
            | (ValueType::Money(_), Value::Money(_))
            | (ValueType::Timestamp, Value::Time(_))
            | (ValueType::Date, Value::Day(_))
    )
}
