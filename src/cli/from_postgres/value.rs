//! One value as PostgreSQL sends it, as the JSON that would be imported for it.

use std::error::Error;

use postgres::types::{FromSql, Type};
use uuid::Uuid;

use crate::{
    cli::from_postgres::columns::Shape,
    http::json::Json,
    model::{
        calendar::Zone,
        time::{Day, Timestamp},
    },
};

/// Days from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH_DAYS: i64 = 10_957;
const EPOCH_MS: i64 = EPOCH_DAYS * 86_400_000;
/// The digits of one place of a NUMERIC.
const PLACE_DIGITS: usize = 4;

/// The bytes of a value, as they came.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw<'a>, Box<dyn Error + Sync + Send>> {
        Ok(Raw(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The value of a shape; what clocks on a wall show is taken in `zone`.
///
/// Errors: what is wrong with it, as the end of a sentence.
pub(super) fn json(shape: &Shape, raw: &[u8], zone: &Zone) -> Result<Json, String> {
    Ok(match shape {
        Shape::Flag => Json::Flag(fixed::<1>(raw)? != [0]),
        Shape::Whole(2) => Json::Number(i16::from_be_bytes(fixed(raw)?).to_string()),
        Shape::Whole(4) => Json::Number(i32::from_be_bytes(fixed(raw)?).to_string()),
        Shape::Whole(_) => Json::Number(i64::from_be_bytes(fixed(raw)?).to_string()),
        Shape::Oid => Json::Number(u32::from_be_bytes(fixed(raw)?).to_string()),
        Shape::Float(4) => {
            let value = f32::from_be_bytes(fixed(raw)?);
            float(value.is_finite(), value.to_string())?
        }
        Shape::Float(_) => {
            let value = f64::from_be_bytes(fixed(raw)?);
            float(value.is_finite(), value.to_string())?
        }
        Shape::Numeric => Json::Number(numeric(raw)?),
        Shape::Text => Json::Text(text(raw)?.to_owned()),
        Shape::Padded => Json::Text(text(raw)?.trim_end_matches(' ').to_owned()),
        Shape::Uuid => Json::Text(Uuid::from_bytes(fixed(raw)?).to_string()),
        Shape::Day => day(i32::from_be_bytes(fixed(raw)?))?,
        Shape::Instant => Json::Text(instant(i64::from_be_bytes(fixed(raw)?))?.to_string()),
        Shape::Wall => Json::Text(zone.at_wall(instant(i64::from_be_bytes(fixed(raw)?))?).to_string()),
        Shape::Json => document(raw)?,
        Shape::Jsonb => match raw.split_first() {
            Some((1, text)) => document(text)?,
            _ => return Err("is jsonb of a version that is not known".into()),
        },
        Shape::List(element) => {
            let values = elements(raw)?.into_iter().map(|value| json(element, value, zone));
            Json::List(values.collect::<Result<Vec<_>, _>>()?)
        }
    })
}

/// The elements of an array that are not NULL: the number of its dimensions, whether there are NULLs, the type of an
/// element; of each dimension its length and where it begins; of each element its length, -1 for NULL, and its bytes.
///
/// What it says of its length takes no memory: the library's own reader makes room for as many as are announced.
fn elements(raw: &[u8]) -> Result<Vec<&[u8]>, String> {
    let wrong = || format!("came as {} bytes, which is no array", raw.len());
    let (mut rest, mut values) = (raw, Vec::new());
    let word = |rest: &mut &[u8]| {
        let (word, behind) = rest.split_first_chunk::<4>().ok_or_else(wrong)?;
        *rest = behind;
        Ok::<i32, String>(i32::from_be_bytes(*word))
    };
    let dimensions = word(&mut rest)?;
    let (_nulls, _type) = (word(&mut rest)?, word(&mut rest)?);
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = word(&mut rest)?;
            let _begin = word(&mut rest)?;
            count
        }
        _ => return Err("is an array of more than one dimension; a set has one".into()),
    };
    for _ in 0..count {
        let Ok(length) = usize::try_from(word(&mut rest)?) else { continue };
        let (value, behind) = rest.split_at_checked(length).ok_or_else(wrong)?;
        values.push(value);
        rest = behind;
    }
    if rest.is_empty() { Ok(values) } else { Err(wrong()) }
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], String> {
    raw.try_into().map_err(|_| format!("came as {} bytes and not as {N}", raw.len()))
}

fn text(raw: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(raw).map_err(|_| "is not valid UTF-8".into())
}

fn document(raw: &[u8]) -> Result<Json, String> {
    Json::parse(raw).map_err(|why| format!("is JSON that is not taken: {why}"))
}

fn float(is_finite: bool, digits: String) -> Result<Json, String> {
    if is_finite { Ok(Json::Number(digits)) } else { Err(format!("is {digits}, which is no number")) }
}

fn day(days: i32) -> Result<Json, String> {
    let day = i32::try_from(i64::from(days) + EPOCH_DAYS).map(Day).ok();
    match day.filter(|day| (Day::MIN..=Day::MAX).contains(day)) {
        Some(day) => Ok(Json::Text(day.to_string())),
        None if days == i32::MAX => Err("is infinity, which is no date".into()),
        None if days == i32::MIN => Err("is -infinity, which is no date".into()),
        None => Err("is outside of the years 0000 to 9999".into()),
    }
}

/// The instant of so many microseconds; what is finer than a millisecond is cut off.
fn instant(micros: i64) -> Result<Timestamp, String> {
    let at = Timestamp(micros.div_euclid(1_000) + EPOCH_MS);
    if (Timestamp::MIN..=Timestamp::MAX).contains(&at) {
        return Ok(at);
    }
    Err(match micros {
        i64::MAX => "is infinity, which is no instant".into(),
        i64::MIN => "is -infinity, which is no instant".into(),
        _ => "is outside of the years 0000 to 9999".into(),
    })
}

/// All digits of a NUMERIC: places of four digits, the first of them worth `10000^weight`, of which so many stand behind
/// the point.
fn numeric(raw: &[u8]) -> Result<String, String> {
    let words: Vec<u16> = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let [count, weight, sign, behind, ref places @ ..] = words[..] else {
        return Err(format!("came as {} bytes, which is no NUMERIC", raw.len()));
    };
    let (weight, behind) = (i32::from(weight.cast_signed()), usize::from(behind));
    if places.len() != usize::from(count) || places.iter().any(|place| *place > 9_999) {
        return Err("came with other digits than a NUMERIC has".into());
    }
    let mut digits = match sign {
        0x0000 => String::new(),
        0x4000 => "-".to_owned(),
        0xC000 => return Err("is NaN, which is no number".into()),
        0xF000 => return Err("is -infinity, which is no number".into()),
        _ => return Err("is infinity, which is no number".into()),
    };
    let place = |at: i32| usize::try_from(weight - at).ok().and_then(|nth| places.get(nth)).copied().unwrap_or(0);
    match weight {
        ..0 => digits.push('0'),
        _ => digits.push_str(&place(weight).to_string()),
    }
    for at in (0..weight).rev() {
        digits.push_str(&format!("{:04}", place(at)));
    }
    if behind > 0 {
        let groups = i32::try_from(behind.div_ceil(PLACE_DIGITS)).unwrap_or(i32::MAX);
        let fraction: String = (1..=groups).map(|at| format!("{:04}", place(-at))).collect();
        digits.push('.');
        digits.push_str(&fraction[..behind]);
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(weight: i16, sign: u16, behind: u16, places: &[u16]) -> Result<String, String> {
        let head = [places.len() as u16, weight.cast_unsigned(), sign, behind];
        let bytes: Vec<u8> = head.iter().chain(places).flat_map(|word| word.to_be_bytes()).collect();
        numeric(&bytes)
    }

    #[test]
    fn numerics_have_every_digit() {
        for (weight, sign, behind, places, digits) in [
            (0, 0, 0, &[][..], "0"),
            (0, 0, 2, &[], "0.00"),
            (0, 0, 2, &[1, 5000], "1.50"),
            (0, 0x4000, 0, &[42], "-42"),
            (1, 0, 0, &[1, 0], "10000"),
            (1, 0, 0, &[1], "10000"),
            (2, 0, 3, &[12, 34, 5600, 1230], "1200345600.123"),
            (-1, 0, 4, &[1], "0.0001"),
            (-2, 0, 9, &[1234, 5000], "0.000012345"),
            (-3, 0x4000, 12, &[7], "-0.000000000007"),
            (4, 0, 1, &[900, 7199, 2547, 4099, 3000], "9007199254740993000.0"),
        ] {
            assert_eq!(number(weight, sign, behind, places).as_deref(), Ok(digits));
        }
        assert!(number(0, 0xC000, 0, &[]).unwrap_err().contains("NaN"));
        assert!(number(0, 0xD000, 0, &[]).unwrap_err().contains("infinity"));
        assert!(number(0, 0xF000, 0, &[]).unwrap_err().contains("is -infinity"));
        assert!(number(0, 0, 0, &[10_000]).is_err());
        assert!(numeric(&[0, 1, 0]).is_err() && numeric(&[0, 9, 0, 0, 0, 0, 0, 0]).is_err());
    }

    fn read(shape: &Shape, raw: &[u8]) -> Result<String, String> {
        json(shape, raw, &Zone::named("Europe/Berlin").unwrap()).map(|json| json.to_string())
    }

    #[test]
    fn plain_values_are_what_they_were() {
        assert_eq!(read(&Shape::Flag, &[1]).as_deref(), Ok("true"));
        assert_eq!(read(&Shape::Whole(2), &(-7_i16).to_be_bytes()).as_deref(), Ok("-7"));
        assert_eq!(read(&Shape::Whole(8), &i64::MIN.to_be_bytes()).as_deref(), Ok("-9223372036854775808"));
        assert_eq!(read(&Shape::Oid, &u32::MAX.to_be_bytes()).as_deref(), Ok("4294967295"));
        assert_eq!(read(&Shape::Float(4), &0.1_f32.to_be_bytes()).as_deref(), Ok("0.1"));
        assert_eq!(read(&Shape::Float(8), &0.1_f64.to_be_bytes()).as_deref(), Ok("0.1"));
        assert!(read(&Shape::Float(8), &f64::NAN.to_be_bytes()).unwrap_err().contains("no number"));
        assert_eq!(read(&Shape::Padded, b"DE   ").as_deref(), Ok("\"DE\""));
        assert!(read(&Shape::Text, &[0xff]).unwrap_err().contains("UTF-8"));
        assert!(read(&Shape::Whole(4), &[1]).is_err());
        assert_eq!(read(&Shape::Jsonb, b"\x01{\"a\":[1.50]}").as_deref(), Ok("{\"a\":[1.50]}"));
        assert!(read(&Shape::Jsonb, b"\x02{}").is_err() && read(&Shape::Json, b"{").is_err());
        let id = read(&Shape::Uuid, &[0x11; 16]);
        assert_eq!(id.as_deref(), Ok("\"11111111-1111-1111-1111-111111111111\""));
    }

    #[test]
    fn times_count_from_2000_and_walls_are_of_the_zone() {
        let micros = |n: i64| n.to_be_bytes();
        assert_eq!(read(&Shape::Day, &0_i32.to_be_bytes()).as_deref(), Ok("\"2000-01-01\""));
        assert_eq!(read(&Shape::Day, &(-1_i32).to_be_bytes()).as_deref(), Ok("\"1999-12-31\""));
        assert!(read(&Shape::Day, &i32::MAX.to_be_bytes()).unwrap_err().contains("infinity"));
        assert!(read(&Shape::Day, &i32::MIN.to_be_bytes()).unwrap_err().contains("is -infinity"));
        assert!(read(&Shape::Day, &(-800_000_i32).to_be_bytes()).unwrap_err().contains("outside"));
        assert_eq!(read(&Shape::Instant, &micros(0)).as_deref(), Ok("\"2000-01-01T00:00:00Z\""));
        assert_eq!(read(&Shape::Instant, &micros(-1)).as_deref(), Ok("\"1999-12-31T23:59:59.999Z\""));
        assert_eq!(read(&Shape::Instant, &micros(1_999)).as_deref(), Ok("\"2000-01-01T00:00:00.001Z\""));
        assert_eq!(read(&Shape::Wall, &micros(0)).as_deref(), Ok("\"1999-12-31T23:00:00Z\""));
        for (far, told) in [(i64::MAX, "is infinity"), (i64::MIN, "is -infinity")] {
            assert!(read(&Shape::Instant, &micros(far)).unwrap_err().contains(told));
        }
        assert!(read(&Shape::Instant, &micros(i64::MAX - 1)).unwrap_err().contains("outside"));
    }

    /// An array as it is sent: dimensions, whether there are nulls, the type of an element, then each with its length.
    fn array(dimensions: i32, values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut bytes: Vec<u8> = [dimensions, 1, 25].iter().flat_map(|word| word.to_be_bytes()).collect();
        for _ in 0..dimensions {
            bytes.extend((values.len() as i32).to_be_bytes());
            bytes.extend(1_i32.to_be_bytes());
        }
        for value in values {
            bytes.extend(value.map_or(-1, |value| value.len() as i32).to_be_bytes());
            bytes.extend(value.unwrap_or_default());
        }
        bytes
    }

    #[test]
    fn arrays_are_lists_without_their_nulls() {
        let texts = Shape::List(Box::new(Shape::Text));
        let three = array(1, &[Some(b"a"), None, Some(b"b;c")]);
        assert_eq!(read(&texts, &three).as_deref(), Ok("[\"a\",\"b;c\"]"));
        assert_eq!(read(&texts, &array(0, &[])).as_deref(), Ok("[]"));
        assert!(read(&texts, &array(2, &[Some(b"a")])).unwrap_err().contains("dimension"));
        // However many are announced: memory is taken for those that come.
        let mut many = array(1, &[Some(b"a")]);
        many[12..16].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(read(&texts, &many).unwrap_err().contains("no array"));
        let mut long = array(1, &[Some(b"a")]);
        long[20..24].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(read(&texts, &long).unwrap_err().contains("no array"));
        for cut in 0..three.len() {
            assert!(read(&texts, &three[..cut]).is_err(), "{cut}");
        }
        assert!(read(&texts, &[&three[..], b"x"].concat()).is_err());
    }
}
