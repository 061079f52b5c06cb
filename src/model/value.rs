//! Values: what one contact has for one property, and the types they may have.

use serde::{Deserialize, Serialize};

use crate::model::{
    currency::Currency,
    number::Number,
    time::{Day, Timestamp},
};

/// The type of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ValueType {
    /// Any text, many distinct values.
    Text,
    /// A text with an address in it; also indexed by domain.
    Email,
    /// A text with few distinct values, each with an index of its own.
    Category,
    /// True or false.
    Boolean,
    /// An exact decimal.
    Number,
    /// An amount in minor units of one currency.
    Money(Currency),
    /// An instant.
    Timestamp,
    /// A calendar day.
    Date,
    /// Several categories at once.
    Set,
}

impl ValueType {
    /// The type's name in the schema, `timestamp`.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::Text => "text",
            ValueType::Email => "email",
            ValueType::Category => "category",
            ValueType::Boolean => "boolean",
            ValueType::Number => "number",
            ValueType::Money(_) => "money",
            ValueType::Timestamp => "timestamp",
            ValueType::Date => "date",
            ValueType::Set => "set",
        }
    }

    /// Whether values have an order: numbers, money, instants and days.
    pub fn is_ordered(self) -> bool {
        matches!(self, ValueType::Number | ValueType::Money(_) | ValueType::Timestamp | ValueType::Date)
    }

    /// Whether values are one text each: text, email, category.
    pub fn is_text(self) -> bool {
        matches!(self, ValueType::Text | ValueType::Email | ValueType::Category)
    }

    /// Whether values are instants or days.
    pub fn is_temporal(self) -> bool {
        matches!(self, ValueType::Timestamp | ValueType::Date)
    }
}

/// One value. An empty text and an empty set are no values: they are missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Of a text, email or category property.
    Text(Box<str>),
    /// Of a boolean property.
    Flag(bool),
    /// Of a number property.
    Number(Number),
    /// Of a money property. Units: minor units of the property's currency.
    Money(i64),
    /// Of a timestamp property.
    Time(Timestamp),
    /// Of a date property.
    Day(Day),
    /// Of a set property: in the order written, no two equal.
    Set(Vec<Box<str>>),
}

impl Value {
    /// The value as a position on its type's line, or `None` for texts, flags and sets.
    ///
    /// Units: 10⁻¹⁸ for numbers, minor units for money, milliseconds for instants, days for dates.
    pub fn ordered(&self) -> Option<i128> {
        match self {
            Value::Number(n) => Some(n.0),
            Value::Money(minor) => Some(i128::from(*minor)),
            Value::Time(at) => Some(i128::from(at.0)),
            Value::Day(day) => Some(i128::from(day.0)),
            Value::Text(_) | Value::Flag(_) | Value::Set(_) => None,
        }
    }

    /// The value of an ordered type at a position; the inverse of [`Value::ordered`].
    ///
    /// Panics: when the type is not ordered or the position is not one of the type.
    pub fn from_ordered(ty: ValueType, position: i128) -> Value {
        let narrow = || i64::try_from(position).expect("stored positions fit their type");
        match ty {
            ValueType::Number => Value::Number(Number(position)),
            ValueType::Money(_) => Value::Money(narrow()),
            ValueType::Timestamp => Value::Time(Timestamp(narrow())),
            ValueType::Date => Value::Day(Day(i32::try_from(narrow()).expect("stored days fit 32 bits"))),
            ValueType::Text | ValueType::Email | ValueType::Category | ValueType::Boolean | ValueType::Set => {
                panic!("{} has no order", ty.name())
            }
        }
    }
}
