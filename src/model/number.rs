//! Exact decimals: a number is an integer count of 10⁻¹⁸, so that equality, order and sums mean what they say.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Digits kept after the decimal point; anything finer is rounded half to even.
pub const SCALE: u32 = 18;
/// One, in units of the last digit.
pub const ONE: i128 = 1_000_000_000_000_000_000;

/// A number of the rule language: within the range of 64-bit integers, with 18 decimals, exact.
///
/// Units: 10⁻¹⁸.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Number(pub i128);

/// Why a text is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not of the form `-12.5e3`.
    #[error("is not a number")]
    Malformed,
    /// Beyond ±9,223,372,036,854,775,807.
    #[error("is beyond 64 bits; numbers lie between -9223372036854775808 and 9223372036854775807")]
    OutOfRange,
}

impl Number {
    /// The smallest number.
    pub const MIN: Number = Number(i64::MIN as i128 * ONE);
    /// The largest number.
    pub const MAX: Number = Number(i64::MAX as i128 * ONE + (ONE - 1));

    /// A whole number.
    pub fn from_int(n: i64) -> Number {
        Number(n as i128 * ONE)
    }

    /// Reads a JSON-like number: an optional sign, digits, an optional fraction and exponent.
    ///
    /// Errors: [`NumberError::Malformed`], [`NumberError::OutOfRange`].
    pub fn parse(text: &str) -> Result<Number, NumberError> {
        parse_scaled(text, SCALE, true).map(Number).and_then(Number::checked)
    }

    /// The number if it is in range.
    pub fn checked(self) -> Result<Number, NumberError> {
        if self < Number::MIN || self > Number::MAX { Err(NumberError::OutOfRange) } else { Ok(self) }
    }
}

/// Reads a decimal as an integer count of 10^-scale. With `round`, finer digits are rounded half to even;
/// without, they are refused as malformed.
///
/// Errors: [`NumberError::Malformed`], [`NumberError::OutOfRange`] past ±2^63 units of one.
pub fn parse_scaled(text: &str, scale: u32, round: bool) -> Result<i128, NumberError> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], rest[at + 1..].parse::<i32>().map_err(|_| NumberError::Malformed)?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_only = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits_only(whole) || !digits_only(fraction) || mantissa.ends_with('.') {
        return Err(NumberError::Malformed);
    }
    let digits: String = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    // The value is digits × 10^(exponent − fraction length); shift it to units of 10^-scale.
    let shift = i64::from(exponent) - fraction.len() as i64 + i64::from(scale);
    let magnitude = if shift >= 0 {
        if digits.len() as i64 + shift > 38 {
            return Err(NumberError::OutOfRange);
        }
        digits.parse::<i128>().map_err(|_| NumberError::OutOfRange)? * 10i128.pow(shift as u32)
    } else {
        let drop = usize::try_from(-shift).unwrap_or(usize::MAX);
        let kept = digits.len().saturating_sub(drop);
        if kept > 38 {
            return Err(NumberError::OutOfRange);
        }
        let tail = &digits[kept..];
        if !round && tail.bytes().any(|b| b != b'0') {
            return Err(NumberError::Malformed);
        }
        let head = if kept == 0 { 0 } else { digits[..kept].parse().map_err(|_| NumberError::OutOfRange)? };
        head + i128::from(rounds_up(head, tail, drop))
    };
    Ok(if negative { -magnitude } else { magnitude })
}

/// Whether the dropped digits round the kept ones up, half to even. `drop` counts the places dropped, of which
/// `tail` holds those that are not leading zeros.
fn rounds_up(head: i128, tail: &str, drop: usize) -> bool {
    if tail.len() < drop {
        return false;
    }
    let half = tail.as_bytes().first().copied().unwrap_or(b'0').cmp(&b'5');
    let rest = tail.bytes().skip(1).any(|b| b != b'0');
    half.is_gt() || (half.is_eq() && (rest || head % 2 != 0))
}

/// Writes an integer count of 10^-scale as a plain decimal without trailing zeros.
pub fn write_scaled(f: &mut impl fmt::Write, units: i128, scale: u32) -> fmt::Result {
    let one = 10u128.pow(scale);
    let magnitude = units.unsigned_abs();
    if units < 0 {
        f.write_char('-')?;
    }
    write!(f, "{}", magnitude / one)?;
    let fraction = magnitude % one;
    if fraction == 0 {
        return Ok(());
    }
    let digits = format!("{fraction:0width$}", width = scale as usize);
    write!(f, ".{}", digits.trim_end_matches('0'))
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0, SCALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let n = |s: &str| Number::parse(s).unwrap();
        assert_eq!(n("9007199254740993").to_string(), "9007199254740993");
        assert_ne!(n("9007199254740993"), n("9007199254740992"));
        assert_eq!(Number(n("0.1").0 + n("0.2").0), n("0.3"));
        assert_eq!(n("-3.5").to_string(), "-3.5");
        assert_eq!(n("1e3"), n("1000"));
        assert_eq!(n("1.5E-3").to_string(), "0.0015");
        assert_eq!(n("-0"), n("0"));
        assert_eq!(n("2.5e-18").0, 2, "half to even");
        assert_eq!(n("3.5e-18").0, 4, "half to even");
        assert_eq!(n("1e-30").0, 0);
        assert_eq!(n("9223372036854775807").to_string(), "9223372036854775807");
        assert_eq!(n("-9223372036854775808").to_string(), "-9223372036854775808");
    }

    #[test]
    fn what_is_no_number_says_why() {
        for bad in ["", "-", ".5", "5.", "1_000", "0x10", "NaN", "inf", "1e", "1e5.5", "--1", " 1"] {
            assert_eq!(Number::parse(bad), Err(NumberError::Malformed), "{bad}");
        }
        for far in ["9223372036854775808", "1e19", "-9223372036854775809", "1e400", "99999999999999999999999999"] {
            assert_eq!(Number::parse(far), Err(NumberError::OutOfRange), "{far}");
        }
    }

    #[test]
    fn scaled_reading_refuses_what_it_may_not_round() {
        assert_eq!(parse_scaled("12.34", 2, false), Ok(1234));
        assert_eq!(parse_scaled("12.340", 2, false), Ok(1234));
        assert_eq!(parse_scaled("12.345", 2, false), Err(NumberError::Malformed));
    }
}
