//! Contacts as typed columns: an Arrow IPC stream or a Parquet file, block by block in constant memory.
//!
//! Money is a decimal of its currency's digits, an instant UTC milliseconds, a set a list, a number a double. The currency
//! stands in the column's metadata.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::Arc,
};

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
    builder::{ListBuilder, StringBuilder},
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema as Columns, TimeUnit};
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    errors::ParquetError,
    file::properties::{EnabledStatistics, WriterProperties},
};

use crate::{
    db::record::{ContactRecord, Place},
    http::members::{Columnar, Table, value},
    model::{
        name::Name,
        number::Number,
        schema::Schema,
        value::{Value, ValueType},
    },
};

/// Digits of an amount of money: as many as minor units of 64 bits have.
const MONEY_DIGITS: u8 = 19;
/// A row group of Parquet ends after so many contacts, or once it is so large. Units: bytes.
const GROUP_CONTACTS: usize = 262_144;
const GROUP_BYTES: usize = 32 << 20;

/// A file on its way out.
pub(super) struct Sheet<W: Write + Send> {
    columns: Arc<Columns>,
    fields: Vec<(Name, ValueType)>,
    writer: Writer<W>,
}

enum Writer<W: Write + Send> {
    Arrow(Box<StreamWriter<W>>),
    Parquet(Box<ArrowWriter<W>>),
}

impl<W: Write + Send> Sheet<W> {
    /// Begins a file with the key, texts that are no properties, and some properties.
    ///
    /// Errors: those of the writer underneath.
    pub(super) fn begin(kind: Columnar, schema: &Schema, own: &[&str], names: &[Name], out: W) -> io::Result<Sheet<W>> {
        let property = |name: &Name| schema.property(name.as_str()).map(|property| (name.clone(), property.ty));
        let fields: Vec<(Name, ValueType)> = names.iter().filter_map(property).collect();
        let key = Field::new("key", DataType::Utf8, false);
        let own = own.iter().map(|name| Field::new(*name, DataType::Utf8, true));
        let columns = std::iter::once(key).chain(own).chain(fields.iter().map(|(name, ty)| column(name, *ty)));
        let columns = Arc::new(Columns::new(columns.collect::<Vec<_>>()));
        let writer = match kind {
            Columnar::Arrow => Writer::Arrow(Box::new(StreamWriter::try_new(out, &columns).map_err(of_arrow)?)),
            Columnar::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .set_statistics_enabled(EnabledStatistics::Chunk)
                    .set_max_row_group_row_count(Some(GROUP_CONTACTS))
                    .set_created_by(concat!("throng ", env!("CARGO_PKG_VERSION")).into())
                    .build();
                let writer = ArrowWriter::try_new(out, Arc::clone(&columns), Some(properties)).map_err(of_parquet)?;
                Writer::Parquet(Box::new(writer))
            }
        };
        Ok(Sheet { columns, fields, writer })
    }

    /// Writes up to `limit` members after a place; gives the next place.
    ///
    /// Errors: those of the writer underneath.
    pub(super) fn block(&mut self, table: &Table, after: Option<Place>, limit: usize) -> io::Result<Option<Place>> {
        let (batch, next) = if self.fields.is_empty() {
            let mut keys = StringBuilder::new();
            let next = table.answer.each_key(after, limit, |key| keys.append_value(key));
            (RecordBatch::try_new(Arc::clone(&self.columns), vec![Arc::new(keys.finish())]), next)
        } else {
            let names: Vec<Name> = self.fields.iter().map(|(name, _)| name.clone()).collect();
            let page = table.answer.contacts(after, limit, Some(&names));
            return self.rows(&page.items, Vec::new()).map(|()| page.next);
        };
        self.put(&batch.map_err(of_arrow)?)?;
        Ok(next)
    }

    /// Writes contacts; `own` are the columns of texts that are no properties.
    ///
    /// Errors: those of the writer underneath.
    pub(super) fn rows(&mut self, records: &[ContactRecord], own: Vec<Vec<Option<&str>>>) -> io::Result<()> {
        let keys: ArrayRef = Arc::new(StringArray::from_iter_values(records.iter().map(|record| &record.key)));
        let own = own.into_iter().map(|texts| Ok(Arc::new(StringArray::from_iter(texts)) as ArrayRef));
        let others = self.fields.iter().map(|(name, ty)| array(records, name, *ty));
        let arrays = std::iter::once(Ok(keys)).chain(own).chain(others).collect::<Result<Vec<_>, _>>();
        let batch = RecordBatch::try_new(Arc::clone(&self.columns), arrays.map_err(of_arrow)?);
        self.put(&batch.map_err(of_arrow)?)
    }

    fn put(&mut self, batch: &RecordBatch) -> io::Result<()> {
        match &mut self.writer {
            Writer::Arrow(writer) => writer.write(batch).map_err(of_arrow)?,
            Writer::Parquet(writer) => {
                writer.write(batch).map_err(of_parquet)?;
                if writer.in_progress_size() > GROUP_BYTES {
                    writer.flush().map_err(of_parquet)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// Errors: those of the writer underneath.
    pub(super) fn end(self) -> io::Result<W> {
        match self.writer {
            Writer::Arrow(writer) => writer.into_inner().map_err(of_arrow),
            Writer::Parquet(writer) => writer.into_inner().map_err(of_parquet),
        }
    }
}

fn of_arrow(error: ArrowError) -> io::Error {
    io::Error::other(error)
}

fn of_parquet(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

/// What a list's values are called, by the standard of Parquet.
fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Utf8, false))
}

fn utc() -> Arc<str> {
    "UTC".into()
}

fn column(name: &Name, ty: ValueType) -> Field {
    let kind = match ty {
        ValueType::Text | ValueType::Email | ValueType::Category => DataType::Utf8,
        ValueType::Boolean => DataType::Boolean,
        ValueType::Number => DataType::Float64,
        ValueType::Money(currency) => DataType::Decimal128(MONEY_DIGITS, scale(currency.decimals())),
        ValueType::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, Some(utc())),
        ValueType::Date => DataType::Date32,
        ValueType::Set => DataType::List(element()),
    };
    let field = Field::new(name.as_str(), kind, true);
    match ty {
        ValueType::Money(currency) => {
            field.with_metadata(HashMap::from([("currency".to_owned(), currency.code().to_owned())]))
        }
        _ => field,
    }
}

/// Digits after the point of a currency, of which there are at most four.
fn scale(decimals: u32) -> i8 {
    i8::try_from(decimals).unwrap_or(0)
}

/// One column of some contacts. What is not of the column's type is absent: a value always is of its property's type.
fn array(records: &[ContactRecord], name: &Name, ty: ValueType) -> Result<ArrayRef, ArrowError> {
    let values = records.iter().map(|record| value(record, name));
    Ok(match ty {
        ValueType::Text | ValueType::Email | ValueType::Category => Arc::new(StringArray::from_iter(values.map(text))),
        ValueType::Boolean => Arc::new(BooleanArray::from_iter(values.map(|value| match value {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }))),
        ValueType::Number => Arc::new(Float64Array::from_iter(values.map(|value| match value {
            Some(Value::Number(number)) => Some(double(*number)),
            _ => None,
        }))),
        ValueType::Money(currency) => {
            let minor = values.map(|value| match value {
                Some(Value::Money(minor)) => Some(i128::from(*minor)),
                _ => None,
            });
            let scale = scale(currency.decimals());
            Arc::new(Decimal128Array::from_iter(minor).with_precision_and_scale(MONEY_DIGITS, scale)?)
        }
        ValueType::Timestamp => {
            let instants = values.map(|value| match value {
                Some(Value::Time(at)) => Some(at.0),
                _ => None,
            });
            Arc::new(TimestampMillisecondArray::from_iter(instants).with_timezone(utc()))
        }
        ValueType::Date => Arc::new(Date32Array::from_iter(values.map(|value| match value {
            Some(Value::Day(day)) => Some(day.0),
            _ => None,
        }))),
        ValueType::Set => {
            let mut lists = ListBuilder::new(StringBuilder::new()).with_field(element());
            for value in values {
                let set = match value {
                    Some(Value::Set(set)) => Some(set),
                    _ => None,
                };
                for text in set.into_iter().flatten() {
                    lists.values().append_value(text);
                }
                lists.append(set.is_some());
            }
            Arc::new(lists.finish())
        }
    })
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// The nearest double.
fn double(number: Number) -> f64 {
    const ONE: i128 = 1_000_000_000_000_000_000;
    if number.0 % ONE == 0 {
        return (number.0 / ONE) as f64;
    }
    // The library's reader rounds to the nearest; a division of two doubles need not.
    number.to_string().parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_the_nearest_double() {
        for text in ["0", "80", "-12.5", "0.1", "9007199254740993", "0.000000000000000001", "1234567.891"] {
            assert_eq!(double(Number::parse(text).unwrap()), text.parse::<f64>().unwrap(), "{text}");
        }
    }
}
