//! One value of a typed column as the JSON that would be sent for it.

use arrow_array::{
    Array, ArrayRef, ListArray, MapArray, StructArray,
    cast::AsArray,
    types::{
        ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
        Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
        UInt64Type,
    },
};
use arrow_schema::{DataType, TimeUnit};
use uuid::Uuid;

use crate::{
    http::json::Json,
    model::{
        calendar::Zone,
        time::{Day, Timestamp},
    },
};

const DAY_MS: i64 = 86_400_000;

/// Whether values of a type can be taken; a struct or map only of an event's properties.
pub(super) fn is_taken(ty: &DataType, is_properties: bool) -> bool {
    match ty {
        DataType::List(element) => is_scalar(element.data_type()),
        DataType::Struct(fields) if is_properties => fields.iter().all(|field| is_taken(field.data_type(), false)),
        DataType::Map(entries, _) if is_properties => match entries.data_type() {
            DataType::Struct(pair) => {
                pair.len() == 2 && *pair[0].data_type() == DataType::Utf8 && is_taken(pair[1].data_type(), false)
            }
            _ => false,
        },
        other => !is_properties && is_scalar(other),
    }
}

fn is_scalar(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Null
            | DataType::Boolean
            | DataType::Float16
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
            | DataType::Utf8
            | DataType::Utf8View
            | DataType::Date32
            | DataType::Date64
            | DataType::Timestamp(..)
    ) || is_whole(ty)
}

/// Whether it is a type of whole numbers.
pub(super) fn is_whole(ty: &DataType) -> bool {
    ty.is_integer()
}

/// A place in a column.
pub(super) struct Cell<'a> {
    pub(super) array: &'a ArrayRef,
    pub(super) row: usize,
    /// Where instants without a zone are measured.
    pub(super) zone: &'a Zone,
    pub(super) is_uuid: bool,
}

impl Cell<'_> {
    /// The value; null is null.
    ///
    /// Errors: what is wrong with it, as the end of a sentence.
    pub(super) fn json(&self) -> Result<Json, String> {
        let Cell { array, row, zone, is_uuid } = *self;
        if array.is_null(row) {
            return Ok(Json::Null);
        }
        Ok(match array.data_type() {
            DataType::Boolean => Json::Flag(array.as_boolean().value(row)),
            ty if is_whole(ty) => Json::Number(self.whole()),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Json::Number(self.float()?),
            DataType::Decimal32(..) => Json::Number(array.as_primitive::<Decimal32Type>().value_as_string(row)),
            DataType::Decimal64(..) => Json::Number(array.as_primitive::<Decimal64Type>().value_as_string(row)),
            DataType::Decimal128(..) => Json::Number(array.as_primitive::<Decimal128Type>().value_as_string(row)),
            DataType::Decimal256(..) => Json::Number(array.as_primitive::<Decimal256Type>().value_as_string(row)),
            DataType::Utf8 => Json::Text(array.as_string::<i32>().value(row).to_owned()),
            DataType::Utf8View => Json::Text(array.as_string_view().value(row).to_owned()),
            DataType::FixedSizeBinary(16) if is_uuid => {
                let bytes = Uuid::from_slice(array.as_fixed_size_binary().value(row));
                Json::Text(bytes.map_err(|error| error.to_string())?.to_string())
            }
            DataType::Date32 => day(i64::from(self.raw::<Date32Type>()))?,
            DataType::Date64 => day(self.raw::<Date64Type>().div_euclid(DAY_MS))?,
            DataType::Timestamp(unit, of) => instant(self.ms(*unit)?, of.is_none().then_some(zone))?,
            DataType::List(_) => self.list(array.as_list())?,
            DataType::Struct(_) => self.object(array.as_struct())?,
            DataType::Map(..) => self.map(array.as_map())?,
            other => return Err(format!("is of the type {other}, which is not taken")),
        })
    }

    fn raw<T: ArrowPrimitiveType>(&self) -> T::Native {
        self.array.as_primitive::<T>().value(self.row)
    }

    /// The digits of a whole number.
    fn whole(&self) -> String {
        match self.array.data_type() {
            DataType::Int8 => self.raw::<Int8Type>().to_string(),
            DataType::Int16 => self.raw::<Int16Type>().to_string(),
            DataType::Int32 => self.raw::<Int32Type>().to_string(),
            DataType::UInt8 => self.raw::<UInt8Type>().to_string(),
            DataType::UInt16 => self.raw::<UInt16Type>().to_string(),
            DataType::UInt32 => self.raw::<UInt32Type>().to_string(),
            DataType::UInt64 => self.raw::<UInt64Type>().to_string(),
            _ => self.raw::<Int64Type>().to_string(),
        }
    }

    /// The fewest digits that mean this very number in its width.
    fn float(&self) -> Result<String, String> {
        let (digits, is_finite) = match self.array.data_type() {
            DataType::Float16 => {
                let value = self.raw::<Float16Type>().to_f32();
                (value.to_string(), value.is_finite())
            }
            DataType::Float32 => (self.raw::<Float32Type>().to_string(), self.raw::<Float32Type>().is_finite()),
            _ => (self.raw::<Float64Type>().to_string(), self.raw::<Float64Type>().is_finite()),
        };
        if is_finite { Ok(digits) } else { Err(format!("{digits} is no number")) }
    }

    /// A timestamp in milliseconds; what is finer is cut off.
    fn ms(&self, unit: TimeUnit) -> Result<i64, String> {
        match unit {
            TimeUnit::Second => {
                self.raw::<TimestampSecondType>().checked_mul(1_000).ok_or_else(|| "is beyond the year 9999".into())
            }
            TimeUnit::Millisecond => Ok(self.raw::<TimestampMillisecondType>()),
            TimeUnit::Microsecond => Ok(self.raw::<TimestampMicrosecondType>().div_euclid(1_000)),
            TimeUnit::Nanosecond => Ok(self.raw::<TimestampNanosecondType>().div_euclid(1_000_000)),
        }
    }

    /// The values of a list, without its nulls.
    fn list(&self, lists: &ListArray) -> Result<Json, String> {
        let values = lists.value(self.row);
        let value = |row| Cell { array: &values, row, is_uuid: false, ..*self }.json();
        let found = (0..values.len()).map(value).collect::<Result<Vec<_>, _>>()?;
        Ok(Json::List(found.into_iter().filter(|value| *value != Json::Null).collect()))
    }

    fn object(&self, fields: &StructArray) -> Result<Json, String> {
        let member = |(name, array): (&&str, &ArrayRef)| {
            let value = Cell { array, is_uuid: false, ..*self }.json();
            value.map(|value| ((*name).to_owned(), value)).map_err(|wrong| format!("\"{name}\" {wrong}"))
        };
        let members = fields.column_names().iter().zip(fields.columns()).map(member).collect::<Result<Vec<_>, _>>()?;
        Ok(Json::Object(members))
    }

    fn map(&self, maps: &MapArray) -> Result<Json, String> {
        let entries = maps.value(self.row);
        let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
        let member = |row: usize| {
            let value = Cell { array: values, row, is_uuid: false, ..*self }.json();
            value.map(|value| (keys.value(row).to_owned(), value))
        };
        Ok(Json::Object((0..entries.len()).map(member).collect::<Result<Vec<_>, _>>()?))
    }
}

fn day(days: i64) -> Result<Json, String> {
    let day = i32::try_from(days).map(Day).ok().filter(|day| (Day::MIN..=Day::MAX).contains(day));
    day.map(|day| Json::Text(day.to_string())).ok_or_else(|| "is outside of the years 0000 to 9999".into())
}

/// An instant from its milliseconds, or from what clocks on the wall of a zone show.
fn instant(ms: i64, wall: Option<&Zone>) -> Result<Json, String> {
    let at = Timestamp(ms);
    if !(Timestamp::MIN..=Timestamp::MAX).contains(&at) {
        return Err("is outside of the years 0000 to 9999".into());
    }
    Ok(Json::Text(wall.map_or(at, |zone| zone.at_wall(at)).to_string()))
}
