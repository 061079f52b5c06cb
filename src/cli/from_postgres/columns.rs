//! The columns of a query: what each is for, and how its type is read.

use postgres::{
    Column as Told,
    types::{Kind, Type},
};

use crate::{cli::from_postgres::Rows, model::name::Name};

/// How the values of a type are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Flag,
    /// A whole number of so many bytes.
    Whole(u8),
    /// Of four bytes, without a sign.
    Oid,
    /// A floating point number of so many bytes.
    Float(u8),
    Numeric,
    Text,
    /// Text that is filled up with blanks, which mean nothing.
    Padded,
    Uuid,
    Day,
    Instant,
    /// What clocks on a wall show.
    Wall,
    Json,
    Jsonb,
    /// An array; the type is its own.
    List(Box<Shape>),
}

/// What a column is in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The key of a contact, or one of the parts of an event.
    Member,
    /// The key of a contact or an id: whole numbers in it stand for texts.
    Key,
    /// The object of an event's properties.
    Properties,
    /// A property.
    Property,
}

/// A column that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// As it is called in records.
    pub(super) name: String,
    /// As the query calls it.
    pub(super) spelling: String,
    pub(super) role: Role,
    pub(super) shape: Shape,
    pub(super) ty: Type,
}

/// What the columns of a query are for.
///
/// Errors: a type that is not taken, with the cast that helps; a name that is none; a column that is missing or twice.
pub(super) fn columns(told: &[Told], rows: Rows) -> Result<Vec<Column>, String> {
    if told.is_empty() {
        return Err("the query gives no rows: it wants to be a SELECT".into());
    }
    let columns = told.iter().map(|column| read(column.name(), column.type_(), rows)).collect::<Result<Vec<_>, _>>()?;
    let needed: &[&str] = match rows {
        Rows::Contacts => &["key"],
        Rows::Events => &["contact", "event"],
    };
    for name in needed {
        if !columns.iter().any(|column| column.role != Role::Property && column.name == *name) {
            let names = columns.iter().map(|column| column.spelling.as_str()).collect::<Vec<_>>().join(", ");
            return Err(format!("the query has no column \"{name}\" (… AS {name}), it has {names}"));
        }
    }
    let words = |column: &Column| Name::new(&column.name).map_or(column.name.clone(), |name| name.as_str().to_owned());
    for (place, column) in columns.iter().enumerate() {
        let is_same = |other: &&Column| {
            (other.role == Role::Property) == (column.role == Role::Property) && words(other) == words(column)
        };
        if let Some(other) = columns[..place].iter().find(is_same) {
            return Err(match column.spelling == other.spelling {
                true => format!("the query has two columns \"{}\"", column.spelling),
                false => format!("column \"{}\" is a second spelling of \"{}\"", column.spelling, other.spelling),
            });
        }
    }
    Ok(columns)
}

/// What a column of that spelling and type is.
pub(super) fn read(spelling: &str, ty: &Type, rows: Rows) -> Result<Column, String> {
    let (name, role) = match (rows, spelling.to_ascii_lowercase().as_str()) {
        (Rows::Contacts, "key") => ("key".to_owned(), Role::Key),
        (Rows::Events, known @ ("contact" | "id")) => (known.to_owned(), Role::Key),
        (Rows::Events, known @ ("event" | "at")) => (known.to_owned(), Role::Member),
        (Rows::Events, "properties") => ("properties".to_owned(), Role::Properties),
        _ => {
            Name::new(spelling).map_err(|error| format!("column \"{spelling}\": {error}"))?;
            (spelling.to_owned(), Role::Property)
        }
    };
    let refuse = |told: String| format!("column \"{spelling}\" is of the type {}; {told}", ty.name());
    let Some(shape) = shape(ty) else { return Err(refuse(help(spelling, ty))) };
    let is_text = matches!(shape, Shape::Text | Shape::Padded);
    let is_key = is_text || matches!(shape, Shape::Whole(_) | Shape::Oid | Shape::Numeric | Shape::Uuid);
    let is_time = is_text || matches!(shape, Shape::Instant | Shape::Wall | Shape::Day);
    let is_object = matches!(shape, Shape::Json | Shape::Jsonb);
    match (role, name.as_str()) {
        (Role::Key, _) if !is_key => Err(refuse("a key or an id is a text or a whole number".into())),
        (Role::Member, "event") if !is_text => Err(refuse("the name of an event is a text".into())),
        (Role::Member, "at") if !is_time => Err(refuse("when an event happened is a time or a date".into())),
        (Role::Properties, _) if !is_object => Err(refuse("the properties of an event are json or jsonb".into())),
        _ => Ok(Column { name, spelling: spelling.to_owned(), role, shape, ty: ty.clone() }),
    }
}

/// How a type is read, if it is one that is taken.
fn shape(ty: &Type) -> Option<Shape> {
    Some(match *ty {
        Type::BOOL => Shape::Flag,
        Type::INT2 => Shape::Whole(2),
        Type::INT4 => Shape::Whole(4),
        Type::INT8 => Shape::Whole(8),
        Type::OID => Shape::Oid,
        Type::FLOAT4 => Shape::Float(4),
        Type::FLOAT8 => Shape::Float(8),
        Type::NUMERIC => Shape::Numeric,
        Type::TEXT | Type::VARCHAR | Type::NAME => Shape::Text,
        Type::BPCHAR => Shape::Padded,
        Type::UUID => Shape::Uuid,
        Type::DATE => Shape::Day,
        Type::TIMESTAMPTZ => Shape::Instant,
        Type::TIMESTAMP => Shape::Wall,
        Type::JSON => Shape::Json,
        Type::JSONB => Shape::Jsonb,
        _ => match ty.kind() {
            Kind::Enum(_) => Shape::Text,
            Kind::Domain(base) => shape(base)?,
            Kind::Array(element) => match shape(element)? {
                Shape::List(..) | Shape::Json | Shape::Jsonb => return None,
                element => Shape::List(Box::new(element)),
            },
            Kind::Simple if ty.name() == "citext" => Shape::Text,
            _ => return None,
        },
    })
}

/// What helps with a type that is not taken.
fn help(spelling: &str, ty: &Type) -> String {
    let quoted = quoted(spelling);
    match *ty {
        Type::MONEY => format!("how many digits it has is known to its server alone: {quoted}::numeric is a number"),
        Type::BYTEA => format!("bytes are no value; encode({quoted}, 'hex') is a text"),
        Type::INTERVAL => format!("extract(epoch FROM {quoted}) is its seconds, {quoted}::text a text"),
        Type::INET => format!("host({quoted}) is a text"),
        _ => match ty.kind() {
            Kind::Array(_) => format!("a set has texts or plain values; array_to_string({quoted}, ';') is one text"),
            Kind::Composite(_) => "name its parts one by one".to_owned(),
            _ => format!("{quoted}::text is a text"),
        },
    }
}

/// A name as SQL has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
